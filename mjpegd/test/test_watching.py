from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.test.fakes import Crank, at_once
from mjpegd.watching import INTERVAL_S, FileWatch


class FileWatchTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.path.write_bytes(b"a")
        self.other = Path(self.mktemp())
        self.other.write_bytes(b"b")
        self.clock = Clock()
        self.changes = 0
        self.watch = FileWatch([self.path, self.other], self.clock, at_once, self.change)
        self.watch.start()

    def change(self) -> None:
        self.changes += 1

    def looks(self, times: int) -> int:
        """Let it look so often; how many changes it has seen so far."""
        for _ in range(times):
            self.clock.advance(INTERVAL_S)
        return self.changes

    def test_what_stays_is_no_change(self) -> None:
        self.assertEqual(self.looks(5), 0)

    def test_a_change_is_told_once_when_it_stands_still(self) -> None:
        self.path.write_bytes(b"ab")

        self.assertEqual(self.looks(1), 0)
        self.assertEqual(self.looks(1), 1)
        self.assertEqual(self.looks(5), 1)

    def test_while_it_is_written_nothing_is_told(self) -> None:
        for length in range(2, 10):
            self.path.write_bytes(b"a" * length)
            self.assertEqual(self.looks(1), 0)

        self.assertEqual(self.looks(1), 1)

    def test_two_that_change_together_are_one_change(self) -> None:
        self.path.write_bytes(b"ab")
        self.looks(1)
        self.other.write_bytes(b"bc")

        self.assertEqual(self.looks(1), 0)
        self.assertEqual(self.looks(5), 1)

    def test_what_is_read_before_it_was_noticed_is_no_change(self) -> None:
        self.path.write_bytes(b"ab")
        self.looks(1)
        self.watch.skip()

        self.assertEqual(self.looks(5), 0)

    def test_what_changes_after_it_was_read_is_one(self) -> None:
        self.path.write_bytes(b"ab")
        self.watch.skip()
        self.path.write_bytes(b"abc")

        self.assertEqual(self.looks(5), 1)

    def test_another_file_of_this_name_is_a_change(self) -> None:
        other = self.path.with_name(f"{self.path.name}.new")
        other.write_bytes(b"a")
        other.replace(self.path)

        self.assertEqual(self.looks(2), 1)

    def test_another_mode_is_a_change(self) -> None:
        self.path.chmod(0o400)

        self.assertEqual(self.looks(2), 1)

    def test_gone_and_back_are_two_changes(self) -> None:
        self.path.unlink()
        self.assertEqual(self.looks(3), 1)
        self.path.write_bytes(b"ab")
        self.assertEqual(self.looks(3), 2)

    def test_what_is_seen_after_the_end_is_not_told(self) -> None:
        self.watch.stop()
        crank = Crank()
        watch = FileWatch([self.path], self.clock, crank, self.change)
        watch.start()
        self.path.write_bytes(b"ab")
        self.clock.advance(INTERVAL_S)
        crank.turn()
        self.clock.advance(INTERVAL_S)

        watch.stop()
        watch.stop()
        crank.turn()

        self.assertEqual(self.changes, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
