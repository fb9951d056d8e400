"""Tests of `client.viewer`: what a person wants comes about, whatever stands in the way."""

from random import Random

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.wire.headers import Lower

from ..errors import ConnectError, DisconnectedError, LoginError, RefusedError
from ..interfaces import Cue, Offer, PlacedFrame
from ..talk.location import Location
from ..view import Activity, Method, State
from ..viewer import (
    FALLBACK_S,
    NOTICE_S,
    RETRY_PAUSES_S,
    STALLED_S,
    STILL_S,
    Audience,
    Manner,
    Means,
    Viewer,
)
from .fakes import FakeNetwork
from .staging import FPS, Server

FILM = Location.parse("rtsp://192.0.2.1/film.avi")
OTHER = Location.parse("rtsp://192.0.2.1/other.avi")
OFFER = Offer(title="film", duration_s=10.0)
LIVE = Offer(title="camera")
# Where the frame begins that follows the first fifteen.
BEHIND_15_S = 14 / FPS + 1 / FPS
UNIX_S = 1_700_000_000.0
OVER_TCP = Manner(lower=Lower.TCP)


class ViewerCase(SynchronousTestCase):
    manner = OVER_TCP
    offer = OFFER

    @override
    def setUp(self) -> None:
        self.network = FakeNetwork()
        self.server = Server(self.network, self.offer)
        self.frames: list[PlacedFrame] = []
        self.logins: list[tuple[str, bool]] = []
        self.changes = 0
        self.viewer = self.made(self.manner)

    def made(self, manner: Manner) -> Viewer:
        """A viewer whose frames are on the screen at once."""
        means = Means(self.network, Random(1), lambda: UNIX_S, self.server.connect)
        audience = Audience(
            self.show, lambda _: None, lambda *asked: self.logins.append(asked), self.note_change
        )
        viewer = Viewer(means, manner, audience)
        self.addCleanup(lambda: Deferred.fromCoroutine(viewer.close()))
        return viewer

    def note_change(self) -> None:
        """The view is said to be another."""
        self.changes += 1

    def show(self, placed: PlacedFrame) -> None:
        """A frame is due."""
        self.frames.append(placed)
        self.viewer.shown(placed)

    def play(self, *numbers: int) -> None:
        """Frames come at their pace, and are shown."""
        for number in numbers:
            self.server.send(number)
            self.pass_time(1 / FPS)
        self.pass_time(0.06)

    def pass_time(self, seconds: float, step_s: float = 0.02) -> None:
        """Let time go by in small steps."""
        for _ in range(round(seconds / step_s)):
            self.network.advance(step_s)

    def assert_is(self, state: State, activity: Activity) -> None:
        view = self.viewer.view()
        self.assertEqual((view.state, view.activity), (state, activity))

    @property
    def notice(self) -> str:
        """The sentence in the window."""
        notice = self.viewer.view().notice
        return notice.text if notice else ""


class OpeningTests(ViewerCase):
    def test_an_address_is_described_set_up_and_played(self) -> None:
        self.viewer.open(FILM)

        self.assertEqual(self.server.dialogue.methods, ["describe", "setup", "play"])
        self.assert_is(State.PLAYING, Activity.BUFFERING)

    def test_setup_alone_waits_for_play(self) -> None:
        self.viewer.open(FILM, state=State.READY)
        self.assert_is(State.READY, Activity.READY)

        self.viewer.play()

        self.assertEqual(self.server.dialogue.methods, ["describe", "setup", "play"])

    def test_the_first_frame_makes_it_playing(self) -> None:
        self.viewer.open(FILM)

        self.play(1)

        self.assert_is(State.PLAYING, Activity.PLAYING)
        self.assertEqual(len(self.frames), 1)

    def test_the_window_is_told_of_the_first_frame_and_not_of_each(self) -> None:
        self.viewer.open(FILM)
        before = self.changes

        self.play(1, 2, 3)

        self.assertEqual(self.changes, before + 1)
        self.assertEqual(self.viewer.activity, Activity.PLAYING)

    def test_the_view_tells_what_the_server_told(self) -> None:
        self.viewer.open(FILM)

        view = self.viewer.view()

        self.assertEqual((view.title, view.duration_s, view.url), ("film", 10.0, FILM.url))
        self.assertEqual(view.transport, "TCP")

    def test_another_address_leaves_the_one_before(self) -> None:
        self.viewer.open(FILM)
        self.play(1, 2)

        self.viewer.open(OTHER)

        first, second = self.server.dialogues
        self.assertEqual(first.methods[-2:], ["teardown", "close"])
        self.assertEqual(second.methods, ["describe", "setup", "play"])
        self.assertEqual(second.events[-1], ("play", None, 1.0))
        self.assertEqual(self.server.locations, [FILM, OTHER])

    def test_what_plays_already_begins_anew(self) -> None:
        self.viewer.open(FILM)
        self.play(1, 2)

        self.viewer.open(FILM)

        self.assertEqual(len(self.server.dialogues), 2)
        self.assertEqual(self.server.dialogue.events[-1], ("play", None, 1.0))

    def test_stop_ends_session_and_connection(self) -> None:
        self.viewer.open(FILM)
        self.play(1)

        self.viewer.stop()

        self.assertIn("teardown", self.server.dialogue.methods)
        self.assertEqual(self.server.dialogue.methods[-1], "close")
        self.assert_is(State.INIT, Activity.IDLE)

    def test_stop_calls_a_connection_off_that_does_not_come_about(self) -> None:
        self.server.is_slow = True
        self.viewer.open(FILM)
        self.assert_is(State.INIT, Activity.CONNECTING)

        self.viewer.stop()

        self.assert_is(State.INIT, Activity.IDLE)
        self.assertEqual(self.viewer.view().allowed, frozenset({Method.SETUP}))

    def test_play_after_stop_opens_the_same_again(self) -> None:
        self.viewer.open(FILM)
        self.viewer.stop()

        self.viewer.toggle()

        self.assertEqual(self.server.locations, [FILM, FILM])
        self.assert_is(State.PLAYING, Activity.BUFFERING)

    def test_nothing_is_asked_before_anything_was_opened(self) -> None:
        viewer = self.viewer

        for act in (viewer.play, viewer.pause, viewer.setup, viewer.stop, viewer.toggle):
            act()
        viewer.seek(1.0)
        viewer.skip(1.0)
        viewer.step(1)
        viewer.log_in("anna", "secret")

        self.assertEqual(self.server.locations, [])

    def test_close_waits_for_the_farewell(self) -> None:
        self.viewer.open(FILM)
        self.server.dialogue.answers_at_once = False

        closing = Deferred.fromCoroutine(self.viewer.close())
        self.assertNoResult(closing)
        self.server.dialogue.answer()

        self.successResultOf(closing)
        self.assertEqual(self.server.dialogue.methods[-2:], ["teardown", "close"])


class PausingTests(ViewerCase):
    def test_pause_and_play_go_on_with_the_frame_behind(self) -> None:
        self.viewer.open(FILM)
        self.play(*range(20))

        self.viewer.pause()
        self.assert_is(State.READY, Activity.PAUSED)
        self.viewer.play()

        self.assertEqual(self.server.dialogue.events[-2], ("pause",))
        method, start_s, scale = self.server.dialogue.events[-1]
        self.assertEqual((method, scale), ("play", 1.0))
        assert isinstance(start_s, float)
        self.assertAlmostEqual(start_s, 20 / FPS, places=6)

    def test_nothing_is_shown_from_the_key_on(self) -> None:
        self.viewer.open(FILM)
        self.play(1)
        self.server.dialogue.answers_at_once = False

        self.viewer.pause()
        self.play(2, 3)

        self.assertEqual(len(self.frames), 1)

    def test_a_live_picture_goes_on_from_now(self) -> None:
        self.server = Server(self.network, LIVE)
        self.viewer = self.made(OVER_TCP)
        self.viewer.open(FILM)
        self.play(1)
        self.viewer.pause()

        self.viewer.play()

        self.assertEqual(self.server.dialogue.events[-1], ("play", None, 1.0))

    def test_keys_pressed_while_an_answer_is_awaited_come_to_their_last_wish(self) -> None:
        self.viewer.open(FILM)
        self.play(1)
        dialogue = self.server.dialogue
        dialogue.answers_at_once = False

        self.viewer.pause()
        self.viewer.play()
        self.viewer.pause()
        dialogue.answers_at_once = True
        dialogue.answer()

        self.assertEqual(dialogue.methods[3:], ["pause"])
        self.assert_is(State.READY, Activity.PAUSED)


class SeekingTests(ViewerCase):
    @override
    def setUp(self) -> None:
        super().setUp()
        self.viewer.open(FILM)
        self.play(*range(15))
        self.dialogue = self.server.dialogue
        self.dialogue.events.clear()

    def test_while_playing_it_pauses_first(self) -> None:
        self.viewer.seek(5.0)

        self.assertEqual(self.dialogue.events, [("pause",), ("play", 5.0, 1.0)])

    def test_the_place_is_shown_before_its_frame_has_come(self) -> None:
        self.viewer.seek(5.0)

        self.assertEqual(self.viewer.view().position_s, 5.0)

    def test_of_many_places_only_the_last_one_is_asked_for(self) -> None:
        self.dialogue.answers_at_once = False
        for place in (3.0, 4.0, 5.0):
            self.viewer.seek(place)
        self.dialogue.answers_at_once = True

        self.dialogue.answer()

        self.assertEqual(self.dialogue.events, [("pause",), ("play", 5.0, 1.0)])

    def test_it_stays_within_the_film(self) -> None:
        self.viewer.skip(-100.0)
        self.assertEqual(self.dialogue.events[-1], ("play", 0.0, 1.0))

        self.viewer.seek(100.0)
        self.assertEqual(self.dialogue.events[-1], ("play", 10.0, 1.0))

    def test_while_it_stands_still_one_frame_is_fetched(self) -> None:
        self.viewer.pause()
        shown = len(self.frames)

        self.viewer.seek(5.0)
        self.play(1, 2, 3)

        self.assertEqual(self.dialogue.methods, ["pause", "play", "pause"])
        self.assertEqual(len(self.frames), shown + 1)
        self.assertEqual(self.viewer.view().position_s, 5.0)
        self.assert_is(State.READY, Activity.PAUSED)

    def test_a_frame_that_does_not_come_is_not_waited_for_long(self) -> None:
        self.viewer.pause()

        self.viewer.seek(5.0)
        self.pass_time(STILL_S + 0.1)

        self.assert_is(State.READY, Activity.PAUSED)

    def test_a_step_stops_at_the_next_frame(self) -> None:
        self.viewer.step(1)

        method, start_s, scale = self.dialogue.events[-1]
        self.assertEqual((method, scale), ("play", 1.0))
        assert isinstance(start_s, float)
        self.assertAlmostEqual(start_s, 15 / FPS, places=6)
        self.play(1)
        self.assert_is(State.READY, Activity.PAUSED)

    def test_a_live_picture_has_no_places(self) -> None:
        self.server = Server(self.network, LIVE)
        self.viewer = self.made(OVER_TCP)
        self.viewer.open(FILM)

        self.viewer.seek(5.0)

        self.assertEqual(self.server.dialogue.methods, ["describe", "setup", "play"])


class ScaleTests(ViewerCase):
    @override
    def setUp(self) -> None:
        super().setUp()
        self.viewer.open(FILM)
        self.play(*range(15))
        self.dialogue = self.server.dialogue
        self.dialogue.events.clear()

    def test_faster_goes_on_from_the_same_place(self) -> None:
        self.viewer.faster()

        self.assertEqual(self.dialogue.methods, ["pause", "play"])
        self.assertEqual(self.dialogue.events[-1][2], 2.0)
        self.assertEqual(self.viewer.view().scale, 2.0)

    def test_slower_and_reverse(self) -> None:
        self.viewer.slower()
        self.viewer.reverse()

        self.assertEqual(self.dialogue.events[-1][2], -0.5)

    def test_play_while_playing_is_the_normal_speed(self) -> None:
        self.viewer.faster()

        self.viewer.play()

        self.assertEqual(self.dialogue.events[-1][2], 1.0)

    def test_a_server_that_keeps_its_speed_is_believed(self) -> None:
        self.dialogue.answers_at_once = False
        self.viewer.faster()
        self.dialogue.answer()

        self.dialogue.answer_with(Cue(1.0, 1.0))

        self.assertEqual(self.viewer.view().scale, 1.0)
        self.assertIn("1 times its speed", self.notice)
        self.assertEqual(self.dialogue.methods, ["pause", "play"])


class EndTests(ViewerCase):
    @override
    def setUp(self) -> None:
        super().setUp()
        self.viewer.open(FILM)
        self.play(*range(5))

    def test_bye_ends_the_film_when_all_is_shown(self) -> None:
        self.server.send(5)
        self.server.report(is_end=True)
        self.assert_is(State.PLAYING, Activity.PLAYING)

        self.pass_time(1)

        self.assertEqual(len(self.frames), 6)
        self.assert_is(State.READY, Activity.ENDED)

    def test_play_begins_anew_behind_the_end(self) -> None:
        self.server.report(is_end=True)
        self.pass_time(1)

        self.viewer.play()

        self.assertEqual(self.server.dialogue.events[-1], ("play", 0.0, 1.0))

    def test_reverse_begins_at_the_end(self) -> None:
        self.server.report(is_end=True)
        self.pass_time(1)
        self.viewer.reverse()

        self.viewer.play()

        self.assertEqual(self.server.dialogue.events[-1], ("play", 10.0, -1.0))


class TransportTests(ViewerCase):
    manner = Manner()

    def test_udp_comes_first(self) -> None:
        self.viewer.open(FILM)
        self.play(1)

        self.assertEqual(self.viewer.view().transport, "UDP")
        self.assertEqual(len(self.frames), 1)

    def test_tcp_is_taken_where_nothing_comes(self) -> None:
        self.viewer.open(FILM)

        self.pass_time(FALLBACK_S + 1)

        self.assertEqual(self.viewer.view().transport, "TCP")
        self.assertIn("Nothing came over UDP for 3 s", self.notice)
        self.assertEqual(self.network.ports, {})

    def test_reports_without_a_film_are_nothing_to_watch(self) -> None:
        self.viewer.open(FILM)
        self.server.report()

        self.pass_time(FALLBACK_S + 1)

        self.assertEqual(self.viewer.view().transport, "TCP")

    def test_tcp_is_taken_where_udp_is_refused(self) -> None:
        self.server.answers_at_once = False
        self.viewer.open(FILM)
        dialogue = self.server.dialogue
        dialogue.answer()

        dialogue.refuse(RefusedError("not over UDP", "SETUP", 461))
        dialogue.answer()
        dialogue.answer()

        self.assertEqual(self.viewer.view().transport, "TCP")
        self.assertIn("does not send over UDP", self.notice)

    def test_who_asked_for_udp_gets_no_other(self) -> None:
        self.viewer = self.made(Manner(lower=Lower.UDP))
        self.viewer.open(FILM)

        self.pass_time(FALLBACK_S + 1)

        self.assertEqual(self.viewer.view().transport, "UDP")

    def test_tls_is_never_left_for_udp(self) -> None:
        self.viewer.open(Location.parse("rtsps://192.0.2.1/film.avi"))

        self.assertEqual(self.viewer.view().transport, "TCP")

    def test_the_way_can_be_changed_and_the_next_frame_follows(self) -> None:
        self.viewer.open(FILM)
        self.play(*range(15))

        self.viewer.switch_transport()

        self.assertEqual(self.viewer.view().transport, "TCP")
        self.assertEqual(self.server.dialogue.events[-1], ("play", BEHIND_15_S, 1.0))

    def test_a_laboratory_server_knows_no_other_way(self) -> None:
        self.viewer = self.made(Manner(laboratory_port=25_000))
        self.viewer.open(FILM)
        self.viewer.switch_transport()

        self.pass_time(FALLBACK_S + 1)

        self.assertEqual(self.viewer.view().transport, "UDP")
        self.assertEqual(sorted(self.network.ports), [25_000, 25_001])


class FaultTests(ViewerCase):
    def test_no_connection_is_a_sentence(self) -> None:
        self.server.errors = [ConnectError("Nobody is there.")]

        self.viewer.open(FILM)

        self.assertEqual(self.notice, "Nobody is there.")
        self.assert_is(State.INIT, Activity.FAILED)
        self.pass_time(60, 1)
        self.assertEqual(len(self.server.locations), 1)

    def test_a_stream_that_is_not_there_is_a_sentence(self) -> None:
        self.server.answers_at_once = False
        self.viewer.open(FILM)

        self.server.dialogue.refuse(RefusedError("There is no film.", "DESCRIBE", 404))

        self.assertEqual(self.notice, "There is no film.")
        self.assertEqual(self.server.dialogue.methods[-1], "close")

    def test_a_login_is_asked_for_and_tried(self) -> None:
        self.server.answers_at_once = False
        self.viewer.open(FILM)
        self.server.dialogue.refuse(LoginError("Who?", "DESCRIBE", "house", was_tried=False))
        self.assertEqual(self.logins, [("house", False)])

        self.viewer.log_in("anna", "secret")

        self.assertEqual(self.server.locations[-1].user, "anna")
        self.assertEqual(self.server.locations[-1].password, "secret")

    def test_a_refused_seek_leaves_the_session_as_it_was(self) -> None:
        self.viewer.open(FILM)
        self.play(1)
        self.server.dialogue.answers_at_once = False

        self.viewer.seek(5.0)
        self.server.dialogue.answer()
        self.server.dialogue.refuse(RefusedError("Not there.", "PLAY", 457))

        self.assertEqual(self.notice, "Not there.")
        self.assert_is(State.READY, Activity.PAUSED)

    def test_a_session_that_the_server_has_forgotten_is_made_anew(self) -> None:
        self.viewer.open(FILM)
        self.play(1)
        self.server.dialogue.answers_at_once = False
        self.viewer.pause()

        self.server.dialogue.refuse(RefusedError("No such session.", "PAUSE", 454))
        self.pass_time(1)

        self.assertEqual(len(self.server.dialogues), 2)


class BreakTests(ViewerCase):
    @override
    def setUp(self) -> None:
        super().setUp()
        self.viewer.open(FILM)
        self.play(*range(15))

    def lose(self) -> None:
        """The connection breaks."""
        self.server.ears[-1].lost(DisconnectedError("The connection broke."))

    def test_it_says_so_and_tries_again(self) -> None:
        self.lose()

        self.assert_is(State.INIT, Activity.RECONNECTING)
        self.assertEqual(self.notice, "The connection broke. Trying again.")
        self.assertEqual(self.viewer.view().allowed, frozenset({Method.TEARDOWN}))

    def test_it_goes_on_behind_the_frame_on_the_screen(self) -> None:
        self.lose()

        self.pass_time(1)

        self.assertEqual(self.server.dialogue.events[-1], ("play", BEHIND_15_S, 1.0))

    def test_no_frame_is_left_out_where_none_came_in_between(self) -> None:
        for pause_s in RETRY_PAUSES_S[:3]:
            self.lose()
            self.network.advance(pause_s)

        self.assertEqual(self.server.dialogue.events[-1], ("play", BEHIND_15_S, 1.0))

    def test_where_a_person_wanted_to_go_is_where_it_goes_on(self) -> None:
        self.server.dialogue.answers_at_once = False
        self.viewer.seek(5.0)
        self.server.dialogue.answer()  # of PAUSE; that of PLAY is lost
        self.lose()
        self.server.dialogue.refuse(DisconnectedError("The connection broke."))

        self.pass_time(1)

        self.assertEqual(self.server.dialogue.events[-1], ("play", 5.0, 1.0))

    def test_the_sentence_goes_when_frames_come_again(self) -> None:
        self.lose()
        self.pass_time(1)

        self.play(20)

        self.assertEqual(self.notice, "")
        self.assert_is(State.PLAYING, Activity.PLAYING)

    def test_pauses_grow(self) -> None:
        self.server.errors = [ConnectError("Nobody is there.")] * 20
        self.lose()

        for count, pause_s in enumerate([*RETRY_PAUSES_S, RETRY_PAUSES_S[-1]], 1):
            self.assertEqual(len(self.server.locations), count)
            self.network.advance(pause_s)

    def test_frames_that_come_again_make_the_pause_short_again(self) -> None:
        for _ in range(3):
            self.lose()
            self.network.advance(RETRY_PAUSES_S[0])
            self.play(1)

        self.assertEqual(len(self.server.dialogues), 4)

    def test_stop_ends_the_trying(self) -> None:
        self.lose()

        self.viewer.stop()
        self.pass_time(60, 1)

        self.assertEqual(len(self.server.locations), 1)
        self.assert_is(State.INIT, Activity.IDLE)

    def test_a_paused_film_stays_paused(self) -> None:
        self.viewer.pause()
        self.lose()

        self.pass_time(1)

        self.assert_is(State.READY, Activity.PAUSED)
        self.assertEqual(self.notice, "")

    def test_of_a_paused_film_the_next_frame_is_fetched_when_it_plays_again(self) -> None:
        self.viewer.pause()
        self.lose()
        self.pass_time(1)
        self.assertEqual(self.server.dialogue.methods, ["describe", "setup"])

        self.viewer.play()

        self.assertEqual(self.server.dialogue.events[-1], ("play", BEHIND_15_S, 1.0))

    def test_an_answer_that_is_lost_with_the_connection_is_one_fault(self) -> None:
        self.server.dialogue.answers_at_once = False
        self.viewer.pause()

        self.lose()
        self.server.dialogues[0].refuse(DisconnectedError("The connection broke."))
        self.pass_time(1)

        self.assertEqual(len(self.server.dialogues), 2)

    def test_silence_is_said_and_then_the_server_is_tried_anew(self) -> None:
        self.pass_time(STALLED_S + 1)
        self.assert_is(State.PLAYING, Activity.STALLED)
        self.assertIn("Nothing has come for 10 s", self.notice)

        self.pass_time(STALLED_S + 1)

        self.assertEqual(len(self.server.dialogues), 2)
        self.assertEqual(self.server.dialogue.events[-1], ("play", BEHIND_15_S, 1.0))

    def test_frames_end_the_silence(self) -> None:
        self.pass_time(STALLED_S + 1)

        self.play(16)
        self.pass_time(1)

        self.assert_is(State.PLAYING, Activity.PLAYING)
        self.assertEqual(self.notice, "")


class ShownTests(ViewerCase):
    def test_frames_have_their_place_and_number(self) -> None:
        self.viewer.open(FILM)

        self.play(*range(20))

        view = self.viewer.view()
        self.assertAlmostEqual(view.position_s or 0, 19 / FPS, places=6)
        self.assertEqual(view.frame_number, 19)
        self.assertEqual(view.figures.frames_shown, 20)

    def test_the_picture_is_kept_as_it_came(self) -> None:
        self.viewer.open(FILM)

        self.play(1)

        self.assertEqual(self.viewer.jpeg, self.frames[-1].frame.jpeg)
        self.assertIsNotNone(self.viewer.newest)

    def test_the_last_minute_is_sampled(self) -> None:
        self.viewer.open(FILM)

        self.pass_time(2)

        self.assertGreaterEqual(len(self.viewer.samples()), 3)

    def test_a_sentence_about_nothing_wrong_goes_away(self) -> None:
        self.viewer.open(FILM)
        self.viewer.tell("Saved.")

        self.pass_time(NOTICE_S - 1)
        self.assertEqual(self.notice, "Saved.")
        self.pass_time(2)

        self.assertEqual(self.notice, "")

    def test_an_error_stays(self) -> None:
        self.viewer.tell("Not saved.", is_error=True)

        self.pass_time(2 * NOTICE_S)

        self.assertEqual(self.notice, "Not saved.")

    def test_a_mistake_of_our_own_is_a_sentence_too(self) -> None:
        self.server.answers_at_once = False
        self.viewer.open(FILM)

        self.server.dialogue.questions.pop(0).answer.errback(ZeroDivisionError())

        self.assertEqual(self.notice, "The player made a mistake; its log says more.")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
