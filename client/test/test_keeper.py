"""Tests of `client.keeping.keeper`."""

import datetime
from fractions import Fraction
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.test.fakes import Crank, at_once
from mjpegd.test.films import frames_of, index_of, pictures

from ..interfaces import ReceivedFrame
from ..keeping.keeper import MAX_WAITING_BYTES, Keeper
from ..pictures import InThread
from .full_disk import full_after

AT = datetime.datetime(2026, 2, 3, 14, 5, 6, tzinfo=datetime.UTC)
RATE = Fraction(24)
FRAMES = list(pictures(6))


def received(number: int, jpeg: bytes | None = None) -> ReceivedFrame:
    return ReceivedFrame(jpeg or FRAMES[number], number * 3750, number, 0.0)


class KeeperCase(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.told: list[tuple[str, bool]] = []
        self.crank = Crank()

    def keeper(self, in_thread: InThread = at_once) -> Keeper:
        return Keeper(in_thread, lambda: AT, self.folder, lambda *told: self.told.append(told))

    def file(self, name: str) -> Path:
        return self.folder / name

    def assert_told(self, *sentences: str, fault: str = "") -> None:
        """Sentences that are no errors, and one at the end that is."""
        expected = [(sentence, False) for sentence in sentences]
        self.assertEqual(self.told, [*expected, (fault, True)] if fault else expected)


class SnapshotTests(KeeperCase):
    def test_name_tells_what_and_when(self) -> None:
        self.keeper().save("rtsp://192.0.2.1/film.mjpeg", FRAMES[0])

        path = self.file("film 2026-02-03 14.05.06.jpg")
        self.assertEqual(path.read_bytes(), FRAMES[0])
        self.assert_told(f"Saved {path}.")

    def test_disk_that_sleeps_holds_nothing_up(self) -> None:
        self.keeper(self.crank).save("film", FRAMES[0])

        self.assertEqual(list(self.folder.iterdir()), [])
        self.crank.turn_all()
        self.assertEqual(len(list(self.folder.iterdir())), 1)

    def test_folder_that_is_gone(self) -> None:
        keeper = self.keeper()
        self.folder.rmdir()

        keeper.save("film", FRAMES[0])

        path = self.file("film 2026-02-03 14.05.06.jpg")
        self.assert_told(
            fault=f"{path} cannot be written (No such file or directory): choose another place."
        )

    def test_our_own_mistake_is_logged(self) -> None:
        def in_thread(work: object) -> object:
            return at_once(lambda: 1 // 0)

        self.keeper(in_thread).save("film", FRAMES[0])  # type: ignore[arg-type]  # as it should be

        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assert_told()


class RecordingTests(KeeperCase):
    def test_name_that_somebody_chose(self) -> None:
        keeper, path = self.keeper(), self.file("film.mjpeg")

        keeper.record_to(path, RATE)
        for number in range(3):
            keeper.take(received(number))
        keeper.finish()

        self.assertEqual(path.read_bytes(), b"".join(FRAMES[:3]))
        self.assert_told(f"Recording to {path}.", f"Recorded 3 frames to {path}.")

    def test_name_that_tells_what_and_when(self) -> None:
        keeper, path = self.keeper(), self.file("film 2026-02-03 14.05.06.avi")

        keeper.record("film.mjpeg", RATE)
        keeper.take(received(0))
        keeper.finish()

        self.assertEqual(index_of(path.read_bytes()).rate, RATE)
        self.assertEqual(frames_of(path.read_bytes()), FRAMES[:1])
        self.assert_told(f"Recording to {path}.", f"Recorded 1 frame to {path}.")

    def test_path_is_known_while_it_is_written(self) -> None:
        keeper, path = self.keeper(), self.file("film.avi")
        self.assertEqual((keeper.is_recording, keeper.path), (False, None))

        keeper.record_to(path, RATE)
        self.assertEqual((keeper.is_recording, keeper.path), (True, path))
        keeper.finish()

        self.assertEqual((keeper.is_recording, keeper.path), (False, None))

    def test_without_a_recording_frames_are_passed_over(self) -> None:
        keeper = self.keeper()

        keeper.take(received(0))
        self.successResultOf(keeper.finish())

        self.assert_told()

    def test_file_without_frames_is_removed(self) -> None:
        keeper, path = self.keeper(), self.file("film.avi")

        keeper.record_to(path, RATE)
        keeper.finish()

        self.assertFalse(path.exists())
        self.assert_told(f"Recording to {path}.", "Nothing was recorded: no frame came.")

    def test_another_recording_ends_the_first(self) -> None:
        keeper, paths = self.keeper(), [self.file("1.mjpeg"), self.file("2.mjpeg")]

        for number, path in enumerate(paths):
            keeper.record_to(path, RATE)
            keeper.take(received(number))
        keeper.finish()

        self.assertEqual([path.read_bytes() for path in paths], FRAMES[:2])


class SlowDiskTests(KeeperCase):
    def test_nothing_is_held_up_by_it(self) -> None:
        keeper, path = self.keeper(self.crank), self.file("film.mjpeg")

        keeper.record_to(path, RATE)
        self.assertEqual((keeper.is_recording, keeper.path), (True, None))
        for number in range(6):
            keeper.take(received(number))
        over = keeper.finish()

        self.assertFalse(path.exists())
        self.assertNoResult(over)
        self.crank.turn_all()
        self.successResultOf(over)
        self.assertEqual(path.read_bytes(), b"".join(FRAMES))

    def test_one_thing_at_a_time(self) -> None:
        keeper = self.keeper(self.crank)
        keeper.record_to(self.file("film.mjpeg"), RATE)

        for number in range(6):
            self.assertEqual(len(self.crank.turns), 1)
            self.crank.turn()
            keeper.take(received(number))
        keeper.finish()
        self.crank.turn_all()

    def test_same_file_again(self) -> None:
        keeper, path = self.keeper(self.crank), self.file("film.mjpeg")

        for first in (0, 3):
            keeper.record_to(path, RATE)
            for number in range(3):
                keeper.take(received(first + number))
        keeper.finish()
        self.crank.turn_all()

        self.assertEqual(path.read_bytes(), b"".join(FRAMES[3:]))

    def test_end_of_one_recording_leaves_the_next_alone(self) -> None:
        keeper, paths = self.keeper(self.crank), [self.file("1.mjpeg"), self.file("2.mjpeg")]
        for number, path in enumerate(paths):
            keeper.record_to(path, RATE)
            keeper.take(received(number))

        self.crank.turn_all()

        self.assertEqual((keeper.is_recording, keeper.path), (True, paths[1]))
        keeper.finish()
        self.crank.turn_all()

    def test_all_who_wait_for_the_end_are_told(self) -> None:
        keeper = self.keeper(self.crank)
        keeper.record_to(self.file("film.mjpeg"), RATE)

        waiting = [keeper.finish(), keeper.finish()]
        self.crank.turn_all()

        self.assertEqual([self.successResultOf(over) for over in waiting], [None, None])

    def test_what_waits_has_a_limit(self) -> None:
        keeper, path = self.keeper(self.crank), self.file("film.mjpeg")
        keeper.record_to(path, RATE)
        self.crank.turn()
        large = bytes(MAX_WAITING_BYTES // 2 + 1)

        for number in range(3):
            keeper.take(received(number, large))
        self.assertFalse(keeper.is_recording)
        keeper.take(received(3))
        self.crank.turn_all()

        self.assertEqual(path.stat().st_size, 2 * len(large))
        self.assert_told(
            f"Recording to {path}.",
            fault=f"The disk is too slow for this film: only 2 frames went to {path}.",
        )

    def test_what_was_written_does_not_wait(self) -> None:
        keeper = self.keeper(self.crank)
        keeper.record_to(self.file("film.mjpeg"), RATE)
        large = bytes(MAX_WAITING_BYTES // 2 + 1)

        for number in range(3):
            keeper.take(received(number, large))
            self.crank.turn_all()

        self.assertTrue(keeper.is_recording)
        keeper.finish()
        self.crank.turn_all()


class FaultTests(KeeperCase):
    def test_name_that_does_not_tell_how(self) -> None:
        keeper = self.keeper()

        keeper.record_to(self.file("film.mp4"), RATE)

        ((sentence, is_error),) = self.told
        self.assertIn("film.mp4 does not tell how to record", sentence)
        self.assertTrue(is_error)
        self.assertFalse(keeper.is_recording)

    def test_folder_that_is_gone(self) -> None:
        keeper = self.keeper()
        self.folder.rmdir()

        keeper.record("film", RATE)

        path = self.file("film 2026-02-03 14.05.06.avi")
        self.assert_told(
            fault=f"{path} cannot be written (No such file or directory): choose another place."
        )

    def test_disk_that_is_full(self) -> None:
        keeper, path = self.keeper(), self.file("film.mjpeg")
        keeper.record_to(path, RATE)

        with full_after(len(FRAMES[0]) + 10):
            for number in range(3):
                keeper.take(received(number))

        self.assertFalse(keeper.is_recording)
        self.assertEqual(path.read_bytes(), FRAMES[0])
        self.assert_told(
            f"Recording to {path}.",
            fault=f"{path} cannot be written (File too large): make room there.",
        )

    def test_fault_of_one_recording_leaves_the_next_alone(self) -> None:
        keeper, paths = self.keeper(self.crank), [self.file("1.mp4"), self.file("2.mjpeg")]

        for path in paths:
            keeper.record_to(path, RATE)
            keeper.take(received(0))
        keeper.finish()
        self.crank.turn_all()

        self.assertEqual(paths[1].read_bytes(), FRAMES[0])
        self.assertEqual(self.told[-1], (f"Recorded 1 frame to {paths[1]}.", False))
