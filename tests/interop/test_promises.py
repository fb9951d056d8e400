"""Seek, pause, scale and reverse show the frames that the answers to PLAY promise."""

from itertools import pairwise

from tests.system.cases import FPS, SystemTestCase, film, numbers
from tests.tools.client import Client, rtp_info

FRAMES = 60


class PromiseTests(SystemTestCase):
    """What a viewer of our own sees, who can ask for what players offer no button for."""

    over_tcp = False

    def test_seek_shows_the_frame_of_that_time_and_all_that_follow(self) -> None:
        for start_s, first in ((0.0, 0), (0.04, 1), (1.23, 30), (2.0, 50), (2.36, 59)):
            viewer = self.play_to_the_end(start_s)

            self.assertEqual(numbers(viewer.reception), [*range(first, FRAMES)], start_s)

    def test_the_promise_is_the_first_packet(self) -> None:
        viewer = self.ready()

        promised = rtp_info(viewer.play(2.0))
        self.assert_ends(viewer)

        self.assertEqual(promised.sequence, viewer.reception.sequences[0])
        self.assertEqual(promised.timestamp, viewer.reception.frames[0].timestamp)

    def test_seek_while_it_plays_goes_there_and_back(self) -> None:
        viewer = self.ready()

        seen = []
        for start in (0, 40, 10):
            promised = rtp_info(viewer.play(start / FPS)).timestamp
            self.assertTrue(viewer.wait_for_frames(3))
            stamps = [frame.timestamp for frame in viewer.reception.frames]
            first = stamps.index(promised)
            seen += numbers(viewer.reception)[first : first + 3]

        self.assertEqual(seen, [0, 1, 2, 40, 41, 42, 10, 11, 12])
        self.assert_steady(viewer.reception)

    def test_pause_goes_on_with_the_next_frame(self) -> None:
        viewer = self.ready()

        viewer.play()
        for _ in range(3):
            self.assertTrue(viewer.wait_for_frames(5))
            viewer.pause()
            viewer.play()
        self.assert_ends(viewer)

        self.assertEqual(numbers(viewer.reception), [*range(FRAMES)])
        self.assert_steady(viewer.reception)

    def test_reverse_shows_every_frame_back_to_the_first(self) -> None:
        viewer = self.play_to_the_end(2.0, ("Scale", "-1"))

        self.assertEqual(numbers(viewer.reception), [*range(50, -1, -1)])

    def test_half_a_film_backwards_and_on(self) -> None:
        viewer = self.ready()

        viewer.play(1.0, ("Scale", "-1"))
        self.assertTrue(viewer.wait_for_frames(6))
        viewer.pause()
        viewer.receive_for(0.1)
        turned = len(viewer.reception.frames)
        viewer.play(None, ("Scale", "1"))
        self.assert_ends(viewer)

        seen = numbers(viewer.reception)
        self.assertEqual(seen[:turned], [*range(25, 25 - turned, -1)])
        self.assertEqual(seen[turned:], [*range(seen[turned], FRAMES)])
        self.assertApproximates(seen[turned], seen[turned - 1], 1)

    def test_double_scale_skips_evenly_and_takes_half_the_time(self) -> None:
        viewer = self.play_to_the_end(0.0, ("Scale", "2"))

        seen = numbers(viewer.reception)
        steps = {later - earlier for earlier, later in pairwise(seen)}
        self.assertLessEqual(steps, {1, 2})
        first, last = viewer.reception.frames[0], viewer.reception.frames[-1]
        self.assertApproximates(last.arrived_s - first.arrived_s, FRAMES / FPS / 2, 0.2)

    def test_range_with_an_end_stops_there(self) -> None:
        viewer = self.ready()

        viewer.demand("PLAY", viewer.url, ("Range", "npt=1-2"))
        self.assert_ends(viewer)

        self.assertEqual(numbers(viewer.reception), [*range(25, 50)])

    def ready(self) -> Client:
        """A viewer of a film."""
        daemon = self.running({"film.avi": film(FRAMES)})
        return self.viewer(daemon, "film.avi", over_tcp=self.over_tcp)

    def play_to_the_end(self, start_s: float, *fields: tuple[str, str]) -> Client:
        """A viewer who has seen a film from a time on."""
        viewer = self.ready()
        viewer.play(start_s, *fields)
        self.assert_ends(viewer)
        self.assert_steady(viewer.reception)
        return viewer


class PromiseOverTCPTests(PromiseTests):
    """The same, interleaved."""

    over_tcp = True
