"""Tests of `client.headless`."""

import json
from io import StringIO
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.wire.headers import Lower

from ..errors import ConnectError
from ..headless import Goal, Headless
from ..interfaces import Offer
from ..talk.location import Location
from ..viewer import Audience, Manner, Means, Viewer
from .fakes import FakeNetwork
from .staging import FPS, Server

FILM = Location.parse("rtsp://anna:secret@192.0.2.1/film.avi")


class Terminal(StringIO):
    """Keeps what was written."""

    @property
    def line(self) -> str:
        """What stands there now."""
        return self.getvalue().rpartition("\r")[2].removesuffix("\x1b[K")


class HeadlessTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.network = FakeNetwork()
        self.server = Server(self.network, Offer(title="film", duration_s=10.0))
        self.out, self.terminal = StringIO(), Terminal()

    def begin(self, goal: Goal | None = None) -> "Deferred[str]":
        """Play; fires with what went wrong."""
        headless = self.headless = Headless(self.network, goal or Goal(), self.out, self.terminal)
        audience = Audience(headless.take, lambda _: None, lambda *_: None, headless.changed)
        means = Means(self.network, Random(1), lambda: 0.0, self.server.connect)
        viewer = Viewer(means, Manner(lower=Lower.TCP), audience)
        self.addCleanup(lambda: Deferred.fromCoroutine(viewer.close()))
        self.addCleanup(headless.end, "")
        return Deferred.fromCoroutine(headless.play(viewer, FILM))

    def send(self, count: int) -> None:
        """So many frames come at their pace, and are due."""
        for number in range(count):
            self.server.send(number)
            self.network.advance(1 / FPS)
        self.pass_time(0.06)

    def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.02)):
            self.network.advance(0.02)

    @property
    def facts(self) -> dict[str, Any]:  # of JSON
        """What programs are told."""
        self.headless.say_json(FILM, "", None)
        told: dict[str, Any] = json.loads(self.out.getvalue())
        return told

    def test_ends_with_the_film(self) -> None:
        playing = self.begin()
        self.send(5)
        self.assertNoResult(playing)

        self.server.report(is_end=True)
        self.pass_time(1)

        self.assertEqual(self.successResultOf(playing), "")
        self.assertEqual(self.headless.tally.frames, 5)
        self.assertTrue(self.headless.has_reached_goal)

    def test_ends_after_the_frames_that_were_asked_for(self) -> None:
        playing = self.begin(Goal(frames=3))

        self.send(5)

        self.assertEqual(self.successResultOf(playing), "")
        self.assertEqual(self.headless.tally.frames, 3)

    def test_ends_so_long_after_the_first_frame(self) -> None:
        playing = self.begin(Goal(seconds=1.0))
        self.pass_time(5)
        self.assertNoResult(playing)

        self.send(5)
        self.pass_time(1)

        self.assertEqual(self.successResultOf(playing), "")
        self.assertTrue(self.headless.has_reached_goal)

    def test_fewer_frames_than_asked_for_are_a_failure(self) -> None:
        playing = self.begin(Goal(frames=10))
        self.send(5)
        self.server.report(is_end=True)
        self.pass_time(1)

        self.assertEqual(self.successResultOf(playing), "")
        self.assertFalse(self.headless.has_reached_goal)

    def test_what_does_not_play_says_why(self) -> None:
        self.server.errors = [ConnectError("Nobody is there.")]

        playing = self.begin()

        self.assertEqual(self.successResultOf(playing), "Nobody is there.")
        self.assertFalse(self.headless.has_reached_goal)

    def test_can_be_ended(self) -> None:
        playing = self.begin()

        self.headless.end("The disk is full.")
        self.headless.end("")

        self.assertEqual(self.successResultOf(playing), "The disk is full.")

    def test_figures_for_programs(self) -> None:
        self.begin(Goal(frames=6))
        self.send(6)

        facts = self.facts

        self.assertEqual(facts["url"], "rtsp://192.0.2.1/film.avi")
        self.assertEqual(facts["transport"], "TCP")
        self.assertEqual((facts["frames"], facts["frames_lost"]), (6, 0))
        self.assertAlmostEqual(facts["fps"], FPS, places=1)
        self.assertAlmostEqual(facts["seconds"], 5 / FPS, places=2)
        self.assertGreater(facts["packets_received"], 0)
        self.assertLess(facts["first_frame_ms"], 100)
        self.assertIsNone(facts["error"])

    def test_figures_of_nothing(self) -> None:
        self.begin()
        self.headless.end("")

        facts = self.facts

        self.assertEqual((facts["frames"], facts["fps"], facts["kbps"]), (0, 0, 0))
        self.assertIsNone(facts["first_frame_ms"])

    def test_a_line_for_people(self) -> None:
        self.begin(Goal(frames=6))
        self.send(6)

        self.headless.say()

        self.assertRegex(
            self.out.getvalue(),
            r"^6 frames in 0\.2 s over TCP: 25\.00 fps, \d+ kbps, 0 frames and 0 packets lost,"
            r" jitter \d+\.\d ms\n$",
        )

    def test_one_frame_is_one_frame(self) -> None:
        self.begin(Goal(frames=1))
        self.send(1)

        self.headless.say()

        self.assertTrue(self.out.getvalue().startswith("1 frame in 0.0 s"))

    def test_the_bar_counts_frames(self) -> None:
        self.begin(Goal(frames=30))
        self.send(15)

        self.assertRegex(self.terminal.line, r"^\[#{13,15} +\] 1[0-9]/30 frames  playing  ")

    def test_the_bar_counts_seconds(self) -> None:
        self.begin(Goal(seconds=2.0))
        self.assertIn("] 0/2 s  ", self.terminal.line)

        self.send(25)

        self.assertIn("] 1/2 s  playing", self.terminal.line)

    def test_the_bar_is_the_place_in_the_film(self) -> None:
        self.begin()

        self.send(15)

        self.assertRegex(self.terminal.line, r"\] 0\.\d/10\.0 s  ")

    def test_the_bar_of_a_live_picture_only_counts(self) -> None:
        self.server = Server(self.network, Offer(title="camera"))
        self.begin()

        self.send(15)

        self.assertRegex(self.terminal.line, r"^\[ {30}\] 1\d frames  ")

    def test_the_bar_is_wiped_in_the_end(self) -> None:
        self.begin(Goal(frames=3))

        self.send(5)

        self.assertEqual(self.terminal.line, "")
