"""Tests of `history`: the addresses opened last, over several runs of the program."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from ..history import MAX_ADDRESSES, History, history_path

FRONT = "rtsp://camera.example/front"
YARD = "rtsp://camera.example/yard"


class HistoryPathTests(SynchronousTestCase):
    def test_folder_for_state(self) -> None:
        path = history_path({"XDG_STATE_HOME": "/state", "HOME": "/home/anna"})

        self.assertEqual(path, Path("/state/mjpegd/player-history"))

    def test_home_where_none_is_set(self) -> None:
        path = history_path({"HOME": "/home/anna"})

        self.assertEqual(path, Path("/home/anna/.local/state/mjpegd/player-history"))

    def test_a_relative_folder_is_ignored(self) -> None:
        path = history_path({"XDG_STATE_HOME": "state", "HOME": "/home/anna"})

        self.assertEqual(path, history_path({"HOME": "/home/anna"}))

    def test_nobody_is_at_home(self) -> None:
        self.assertTrue(history_path({}).is_absolute())


class HistoryTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.path = Path(self.mktemp(), "mjpegd", "player-history")

    def test_empty_at_first_and_nothing_is_wrong_with_that(self) -> None:
        with capturedLogs() as events:
            history = History(self.path)

        self.assertEqual(history.addresses, [])
        self.assertEqual(events, [])

    def test_the_newest_is_first(self) -> None:
        history = History(self.path)

        history.add(FRONT)
        history.add(YARD)

        self.assertEqual(history.addresses, [YARD, FRONT])

    def test_opened_again_moves_to_the_front(self) -> None:
        history = History(self.path)

        for url in (FRONT, YARD, FRONT):
            history.add(url)

        self.assertEqual(history.addresses, [FRONT, YARD])

    def test_kept_for_the_next_run(self) -> None:
        History(self.path).add(FRONT)

        self.assertEqual(History(self.path).addresses, [FRONT])

    def test_two_players_at_once_lose_nothing(self) -> None:
        one, other = History(self.path), History(self.path)

        one.add(FRONT)
        other.add(YARD)

        self.assertEqual(History(self.path).addresses, [YARD, FRONT])

    def test_readable_for_its_owner_only(self) -> None:
        History(self.path).add(FRONT)

        self.assertEqual(self.path.stat().st_mode & 0o077, 0)

    def test_nothing_else_is_left_in_its_folder(self) -> None:
        History(self.path).add(FRONT)

        self.assertEqual([path.name for path in self.path.parent.iterdir()], [self.path.name])

    @given(st.lists(st.integers(0, 2 * MAX_ADDRESSES).map("rtsp://camera.example/{}".format)))
    def test_unique_bounded_and_as_opened(self, urls: list[str]) -> None:
        with TemporaryDirectory() as folder:
            path = Path(folder, "history")
            history = History(path)
            for url in urls:
                history.add(url)
            kept = History(path).addresses

        self.assertEqual(kept, history.addresses)
        self.assertEqual(kept, list(dict.fromkeys(reversed(urls)))[:MAX_ADDRESSES])


class TroubleTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.path = self.folder / "player-history"

    def test_no_text(self) -> None:
        self.path.write_bytes(b"\xff\xfe\n")

        with capturedLogs() as events:
            history = History(self.path)

        self.assertEqual(history.addresses, [])
        self.assertIn("cannot read", events[0]["log_format"])

    def test_longer_than_ever_written(self) -> None:
        self.path.write_text(f"\n{FRONT}\n\n" + "".join(f"{n}\n" for n in range(100)))

        history = History(self.path)

        self.assertEqual(len(history.addresses), MAX_ADDRESSES)
        self.assertEqual(history.addresses[:2], [FRONT, "0"])

    def test_no_folder_can_be_made(self) -> None:
        self.path.write_text("")
        history = History(self.path / "below-a-file" / "player-history")

        with capturedLogs() as events:
            history.add(FRONT)

        self.assertEqual(history.addresses, [FRONT], "while the program runs")
        self.assertIn("cannot write", events[-1]["log_format"])

    def test_what_cannot_be_replaced_leaves_nothing_behind(self) -> None:
        self.path.mkdir()

        with capturedLogs() as events:
            history = History(self.path)
            history.add(FRONT)

        self.assertEqual(history.addresses, [FRONT])
        self.assertEqual(list(self.folder.iterdir()), [self.path])
        self.assertIn("cannot write", events[-1]["log_format"])
