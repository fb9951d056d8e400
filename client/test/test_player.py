"""Tests of `client.player`."""

from collections.abc import Sequence
from fractions import Fraction

from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from ..interfaces import Cue, Offer, PlacedFrame, ReceivedFrame
from ..media.jitterbuffer import Lapse
from ..media.measuring import MAX_SAMPLES
from ..player import Player
from ..talk.location import Location
from ..view import Activity, Figures, Method, Notice, Sample, State, View
from ..wish import Wish

FILM = Offer("A film", duration_s=10.0, framerate=Fraction(25))
LIVE = Offer("A camera", framerate=Fraction(25))
STEP = 3600
FRAME_S = 0.04
URL = "rtsp://192.0.2.1:8554/film"


def received(number: int, arrived_s: float = 0.0) -> ReceivedFrame:
    return ReceivedFrame(b"jpeg %d" % number, number * STEP, number, arrived_s)


class PlayerCase(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.player = Player()

    def play(self, offer: Offer = FILM, start_s: float | None = 0.0, scale: float = 1.0) -> None:
        """PLAY was answered; frame 0 is where it starts."""
        self.player.offer = offer
        self.player.started(Cue(start_s, scale, timestamp=0), scale)

    def show(self, number: int, *, is_wanted: bool = True) -> PlacedFrame:
        placed = self.player.place(received(number))
        self.player.shown(placed, 0.0, is_wanted=is_wanted)
        return placed

    def view(self, wish: Wish | None = None, buffered_timestamp: int | None = None) -> View:
        return self.player.view(wish or Wish(), Figures(), "", buffered_timestamp)

    def resume_s(self, wish: Wish | None = None, scale: float = 1.0) -> float | None:
        return self.player.starts_at(wish or Wish(), scale)


class SessionTests(PlayerCase):
    def test_nothing_is_open_at_first(self) -> None:
        self.assertEqual(self.view(), View())

    def test_play_is_answered(self) -> None:
        self.play(scale=2.0)

        self.assertEqual(self.player.state, State.PLAYING)
        self.assertEqual(self.player.activity, Activity.BUFFERING)
        self.assertEqual(self.player.scale, 2.0)

    def test_first_frame_is_due(self) -> None:
        self.play()
        self.assertFalse(self.player.has_played)

        self.player.place(received(0))

        self.assertEqual(self.player.activity, Activity.PLAYING)
        self.assertTrue(self.player.has_played)

    def test_frame_takes_away_what_was_wrong(self) -> None:
        self.play()
        self.player.activity = Activity.STALLED
        self.player.notice = Notice("Nothing has come for 10 s.", is_error=True)

        self.player.place(received(0))

        self.assertEqual(self.player.activity, Activity.PLAYING)
        self.assertIsNone(self.player.notice)

    def test_frame_leaves_what_is_good_to_know(self) -> None:
        self.play()
        self.player.notice = Notice("The film comes over TCP.")

        self.player.place(received(0))

        self.assertEqual(self.player.notice, Notice("The film comes over TCP."))

    def test_fault_while_it_plays_stays(self) -> None:
        self.play()
        self.show(0)
        self.player.notice = Notice("The disk is full.", is_error=True)

        self.show(1)

        self.assertEqual(self.player.notice, Notice("The disk is full.", is_error=True))

    def test_frame_of_a_session_that_does_not_play(self) -> None:
        self.play()
        self.player.paused(None)

        self.player.place(received(0))

        self.assertEqual(self.player.activity, Activity.PAUSED)

    def test_pause_is_answered(self) -> None:
        self.play()

        self.player.paused(None)

        self.assertEqual(self.player.state, State.READY)
        self.assertEqual(self.player.activity, Activity.PAUSED)

    def test_film_ends(self) -> None:
        self.play()

        self.player.ended()

        self.assertEqual(self.player.state, State.READY)
        self.assertEqual(self.player.activity, Activity.ENDED)

    def test_session_is_left(self) -> None:
        self.play()
        self.show(3)

        self.player.left(Activity.RECONNECTING)

        self.assertEqual(self.player.state, State.INIT)
        self.assertEqual(self.player.activity, Activity.RECONNECTING)
        self.assertEqual(self.player.position_s, 3 * FRAME_S)
        self.assertIsNone(self.view(buffered_timestamp=4 * STEP).buffered_s)

    def test_another_stream_has_nothing_of_the_last(self) -> None:
        self.play()
        self.show(3)
        self.player.sample(Figures(), 0.0)
        self.player.lose([Lapse(0, 3 * STEP)])
        self.player.notice = Notice("Saved.")

        self.player.open(Activity.CONNECTING)

        self.assertEqual(self.view(), View(activity=Activity.CONNECTING))
        self.assertEqual(self.player.samples(), ())
        self.assertEqual(self.player.figures(Figures()), Figures())
        self.assertIsNone(self.player.jpeg)
        self.assertIsNone(self.player.framerate)
        self.assertFalse(self.player.has_played)


class ResumeTests(PlayerCase):
    def test_where_the_server_stands_at_first(self) -> None:
        self.player.offer = FILM

        self.assertIsNone(self.resume_s())

    def test_behind_the_frame_on_the_screen(self) -> None:
        for scale, resume_s in ((1.0, 5.16), (0.125, 5.055), (2.0, 5.28), (-1.0, 4.84)):
            with self.subTest(scale=scale):
                self.play(start_s=5.0, scale=scale)
                self.show(3)

                self.player.paused(6.0)

                self.assertAlmostEqual(self.resume_s(scale=scale) or 0.0, resume_s)

    def test_before_the_frame_on_the_screen_where_it_is_to_go_the_other_way(self) -> None:
        self.play(start_s=5.0)
        self.show(3)

        self.player.paused(6.0)

        self.assertAlmostEqual(self.resume_s(scale=-1.0) or 0.0, 5.08)

    def test_behind_a_frame_that_was_still_being_decoded(self) -> None:
        self.play(start_s=5.0)
        placed = self.player.place(received(3))

        self.player.paused(6.0)
        self.player.shown(placed, 0.0, is_wanted=True)

        self.assertAlmostEqual(self.resume_s() or 0.0, 5.16)

    def test_the_same_frame_where_none_came(self) -> None:
        self.play(start_s=5.0)
        self.player.position_s = 5.0

        self.player.paused(5.4)

        self.assertEqual(self.resume_s(), 5.0)

    def test_within_the_film(self) -> None:
        for start_s, scale, resume_s in ((9.99, 1.0, 10.0), (0.01, -1.0, 0.0)):
            with self.subTest(scale=scale):
                self.play(start_s=start_s, scale=scale)
                self.show(0)

                self.player.paused(None)

                self.assertEqual(self.resume_s(scale=scale), resume_s)

    def test_same_frame_of_a_film_whose_rate_is_unknown(self) -> None:
        self.play(Offer(duration_s=10.0), start_s=5.0)
        self.show(0)

        self.player.paused(None)

        self.assertEqual(self.resume_s(), 5.0)

    def test_where_the_server_says_if_nothing_else_tells(self) -> None:
        self.play(start_s=None)
        self.show(0)

        self.player.paused(5.4)

        self.assertEqual(self.resume_s(), 5.4)

    def test_once_it_plays_the_place_is_left(self) -> None:
        self.play(start_s=None)
        self.player.paused(5.4)
        self.play(start_s=None)

        self.player.left(Activity.RECONNECTING)

        self.assertIsNone(self.resume_s())

    def test_a_session_that_is_left_goes_on_behind_the_frame_on_the_screen(self) -> None:
        self.play(start_s=5.0)
        self.show(3)

        self.player.left(Activity.RECONNECTING)

        self.assertAlmostEqual(self.resume_s() or 0.0, 5.16)

    def test_a_frame_that_is_wanted_is_not_passed_over(self) -> None:
        self.play(start_s=5.0)
        self.show(3)
        self.player.paused(None)

        self.player.go_to(7.0)
        self.player.left(Activity.RECONNECTING)

        self.assertEqual(self.resume_s(), 7.0)

    def test_live_picture_has_no_place(self) -> None:
        self.play(LIVE, start_s=0.0)
        self.show(3)

        self.player.paused(5.4)

        self.assertIsNone(self.resume_s())

    def test_wish_counts_for_more(self) -> None:
        self.play()
        self.player.paused(5.4)

        self.assertEqual(self.resume_s(Wish(seek_s=7.0)), 7.0)

    def test_after_the_end_it_begins_anew(self) -> None:
        self.play()
        self.show(3)
        self.player.ended()

        self.assertEqual(self.resume_s(scale=1.0), 0.0)
        self.assertEqual(self.resume_s(scale=-1.0), 10.0)

    def test_after_the_end_of_a_film_of_unknown_length(self) -> None:
        self.play(Offer())
        self.player.ended()

        self.assertEqual(self.resume_s(scale=1.0), 0.0)
        self.assertEqual(self.resume_s(scale=-1.0), 0.0)


class PlaceTests(PlayerCase):
    def places(self, numbers: Sequence[int]) -> list[tuple[float | None, int]]:
        placed = [self.player.place(received(number)) for number in numbers]
        return [(place.position_s, place.number) for place in placed]

    def test_of_a_film(self) -> None:
        self.play(start_s=4.0)

        self.assertEqual(self.places([0, 1, 3]), [(4.0, 100), (4.04, 101), (4.12, 103)])

    def test_of_a_live_picture(self) -> None:
        self.play(LIVE, start_s=None)

        self.assertEqual(self.places([0, 1, 3]), [(None, 0), (None, 1), (None, 2)])

    def test_of_a_film_whose_rate_is_unknown(self) -> None:
        self.play(Offer(duration_s=10.0), start_s=4.0)

        self.assertEqual(self.places([0, 3]), [(4.0, 0), (4.12, 1)])

    def test_without_a_session(self) -> None:
        self.assertEqual(self.places([0, 3]), [(None, 0), (None, 1)])

    def test_rate_that_frames_told_is_known_in_the_next_play(self) -> None:
        self.play(Offer(duration_s=10.0))
        self.places(range(20))

        self.play(Offer(duration_s=10.0), start_s=4.0)

        self.assertEqual(self.player.framerate, 25.0)
        self.assertEqual(self.places([0, 1]), [(4.0, 100), (4.04, 101)])

    def test_rate_as_the_server_tells_it(self) -> None:
        self.assertIsNone(self.player.framerate)

        self.player.offer = FILM

        self.assertEqual(self.player.framerate, 25.0)


class ScreenTests(PlayerCase):
    def test_frame_is_shown(self) -> None:
        self.play(start_s=4.0)

        self.show(2)

        self.assertEqual(self.player.jpeg, b"jpeg 2")
        self.assertEqual(self.player.position_s, 4.08)
        self.assertEqual(self.view().frame_number, 102)

    def test_frame_that_comes_when_another_place_is_wanted(self) -> None:
        self.play(start_s=4.0)
        self.player.position_s = 8.0

        self.show(2, is_wanted=False)

        self.assertEqual(self.player.position_s, 8.0)
        self.assertEqual(self.view().frame_number, 102)

    def test_figures(self) -> None:
        self.play()
        self.assertEqual(self.player.figures(Figures(fps=5.0)), Figures(fps=5.0))

        for number in range(3):
            placed = self.player.place(received(number, arrived_s=100.0))
            self.player.shown(placed, 100.0625, is_wanted=True)

        self.assertEqual(
            self.player.figures(Figures(fps=5.0)),
            Figures(fps=5.0, latency_ms=62.5, frames_shown=3),
        )

    def test_time_of_the_picture_while_it_plays(self) -> None:
        self.play()
        self.assertIsNone(self.player.shown_timestamp)
        self.show(2)

        self.assertEqual(self.player.shown_timestamp, 2 * STEP)
        self.player.paused(None)

        self.assertIsNone(self.player.shown_timestamp)

    def test_samples_of_the_last_minute(self) -> None:
        for number in range(MAX_SAMPLES + 1):
            self.player.sample(Figures(frames_shown=number), float(number))

        samples = self.player.samples()

        self.assertEqual(len(samples), MAX_SAMPLES)
        self.assertEqual(samples[0], Sample(1.0, Figures(frames_shown=1)))


class ViewTests(PlayerCase):
    def test_whole(self) -> None:
        location = Location.parse(URL)
        notice = Notice("Saved.")
        figures = Figures(fps=25.0)
        self.play(start_s=4.0, scale=2.0)
        self.show(1)
        self.player.notice = notice

        view = self.player.view(Wish(location, State.PLAYING, scale=4.0), figures, "UDP", 4 * STEP)

        self.assertEqual(
            view,
            View(
                url=URL,
                title="A film",
                state=State.PLAYING,
                activity=Activity.PLAYING,
                allowed=frozenset({Method.PLAY, Method.PAUSE, Method.TEARDOWN}),
                notice=notice,
                position_s=4.08,
                duration_s=10.0,
                buffered_s=4.32,
                frame_number=102,
                scale=4.0,
                transport="UDP",
                figures=figures,
            ),
        )

    def test_nothing_is_known_of_the_buffer_without_a_session(self) -> None:
        self.assertIsNone(self.view(buffered_timestamp=STEP).buffered_s)

    def test_what_is_lost(self) -> None:
        self.play(start_s=4.0)
        self.show(0)

        self.player.lose([Lapse(0, 2 * STEP), Lapse(10 * STEP, 12 * STEP)])

        self.assertEqual(self.view().lost, ((4.0, 4.08), (4.4, 4.48)))

    def test_what_is_lost_of_a_live_picture_has_no_place(self) -> None:
        self.play(LIVE, start_s=None)
        self.show(0)

        self.player.lose([Lapse(0, 2 * STEP)])

        self.assertEqual(self.view().lost, ())

    def test_what_is_allowed(self) -> None:
        self.assertEqual(self.view().allowed, {Method.SETUP})
        self.player.state = State.READY
        self.assertEqual(self.view().allowed, {Method.PLAY, Method.TEARDOWN})
        self.player.state = State.PLAYING
        self.assertEqual(self.view().allowed, {Method.PLAY, Method.PAUSE, Method.TEARDOWN})

    def test_session_on_its_way_can_be_called_off(self) -> None:
        for wanted in (State.READY, State.PLAYING):
            self.assertEqual(self.view(Wish(state=wanted)).allowed, {Method.TEARDOWN})
