from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.test.conversation import FILM
from mjpegd.wire.headers import Lower, Transport
from mjpegd.wire.lab import SILENCE_S

from ..errors import (
    ConfusedError,
    DisconnectedError,
    LocationError,
    PlayerError,
    RefusedError,
    SilenceError,
)
from ..interfaces import Cue, Offer
from ..talk.laboratory import (
    ANSWER_S,
    TEARDOWN_S,
    LaboratoryConversation,
    LaboratoryDialogue,
    connect_laboratory,
)
from ..talk.location import Location
from .servers import HOST, Listener, PlayerReactor, RealServer, ServerEnd

URL = f"rtsp://{HOST}:8554/movie.Mjpeg"
UDP = Transport(client_port=(25000, 25001))

T = TypeVar("T")


class LaboratoryTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.clock = Clock()
        self.listener = Listener()
        conversation = LaboratoryConversation(self.clock, self.listener.ears, "camera")
        self.wire = ServerEnd(conversation).wire
        self.dialogue = LaboratoryDialogue(Location.parse(URL), conversation)

    def sent(self) -> bytes:
        """What the player has sent since the last call."""
        data = bytes(self.wire.received)
        self.wire.received.clear()
        return data

    def ask(self, coroutine: Coroutine[Deferred[Any], Any, T], answer: str) -> Deferred[T]:
        """Begin something, and answer it as a classic server does: without a last line end."""
        result = Deferred.fromCoroutine(coroutine)
        self.wire.sent(answer.encode())
        self.clock.advance(SILENCE_S)
        return result

    def set_up(self) -> None:
        done = self.ask(self.dialogue.setup(UDP), "RTSP/1.0 200 OK\nCSeq: 1\nSession: 123456")
        self.successResultOf(done)
        self.sent()

    # --- a session --------------------------------------------------------------------------

    def test_nothing_is_asked_for_a_description(self) -> None:
        offer = self.successResultOf(Deferred.fromCoroutine(self.dialogue.describe()))

        self.assertEqual(offer, Offer(title="movie.Mjpeg"))
        self.assertEqual(self.sent(), b"")

    def test_a_session_is_set_up_in_the_classic_words(self) -> None:
        done = self.ask(self.dialogue.setup(UDP), "RTSP/1.0 200 OK\nCSeq: 1\nSession: 123456")

        self.assertEqual(self.successResultOf(done), UDP)
        self.assertEqual(
            self.sent(),
            b"SETUP movie.Mjpeg RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= 25000\n",
        )

    def test_what_follows_names_the_session(self) -> None:
        self.set_up()

        cue = self.ask(self.dialogue.play(5.0, 2.0), "RTSP/1.0 200 OK\nCSeq: 2\nSession: 123456\n")

        self.assertEqual(self.successResultOf(cue), Cue())
        self.assertEqual(self.sent(), b"PLAY movie.Mjpeg RTSP/1.0\nCSeq: 2\nSession: 123456\n")

    def test_a_session_may_have_no_number(self) -> None:
        self.successResultOf(self.ask(self.dialogue.setup(UDP), "RTSP/1.0 200 OK\nCSeq: 1"))
        self.sent()

        paused = self.ask(self.dialogue.pause(), "RTSP/1.0 200 OK\nCSeq: 2")

        self.assertIsNone(self.successResultOf(paused))
        self.assertEqual(self.sent(), b"PAUSE movie.Mjpeg RTSP/1.0\nCSeq: 2\n")

    def test_teardown_ends_it(self) -> None:
        self.set_up()

        over = self.ask(self.dialogue.teardown(), "RTSP/1.0 200 OK\nCSeq: 2\nSession: 123456\n")

        self.successResultOf(over)
        self.assertEqual(self.sent(), b"TEARDOWN movie.Mjpeg RTSP/1.0\nCSeq: 2\nSession: 123456\n")

    def test_teardown_does_not_wait_for_long(self) -> None:
        self.set_up()
        over = Deferred.fromCoroutine(self.dialogue.teardown())

        self.clock.advance(TEARDOWN_S)

        self.successResultOf(over)

    def test_without_a_session_there_is_nothing_to_end(self) -> None:
        self.successResultOf(Deferred.fromCoroutine(self.dialogue.teardown()))

        self.assertEqual(self.sent(), b"")

    def test_there_is_no_way_but_udp(self) -> None:
        for wanted in (Transport(lower=Lower.TCP, interleaved=(0, 1)), Transport()):
            failed = Deferred.fromCoroutine(self.dialogue.setup(wanted))
            self.assertEqual(self.failureResultOf(failed, RefusedError).value.status, 461)

    def test_a_name_is_needed(self) -> None:
        conversation = LaboratoryConversation(self.clock, self.listener.ears, "camera")
        for url in ("rtsp://h/", "rtsp://h/a%0Ab"):
            dialogue = LaboratoryDialogue(Location.parse(url), conversation)
            described = Deferred.fromCoroutine(dialogue.describe())
            self.failureResultOf(described, LocationError)

    def test_there_are_no_reports(self) -> None:
        self.dialogue.send_interleaved(1, b"report")

        self.assertEqual(self.sent(), b"")

    def test_the_address_of_the_server_is_known(self) -> None:
        self.assertEqual(self.dialogue.server_host, HOST)

    # --- answers ----------------------------------------------------------------------------

    def test_an_answer_may_come_in_pieces(self) -> None:
        done = Deferred.fromCoroutine(self.dialogue.setup(UDP))

        for piece in ("RTSP/1.0 20", "0 OK\r\nCSe", "q: 1\r\nSession: 12", "3456\r\n"):
            self.clock.advance(SILENCE_S / 2)
            self.wire.sent(piece.encode())

        self.successResultOf(done)

    def test_a_refusal_is_told(self) -> None:
        failed = self.ask(self.dialogue.setup(UDP), "RTSP/1.0 404 NOT FOUND\nCSeq: 1\nSession: 0\n")

        error = self.failureResultOf(failed, RefusedError).value
        self.assertEqual((error.status, error.method), (404, "SETUP"))

    def test_a_server_that_says_nothing_may_lack_the_file(self) -> None:
        done = Deferred.fromCoroutine(self.dialogue.setup(UDP))

        self.clock.advance(ANSWER_S)

        text = str(self.failureResultOf(done, SilenceError).value)
        self.assertIn("camera did not answer SETUP", text)
        self.assertIn("no such file", text)

    def test_the_answer_to_another_question_is_passed_over(self) -> None:
        self.set_up()

        played = self.ask(self.dialogue.play(None, 1.0), "RTSP/1.0 200 OK\nCSeq: 1\nSession: 1\n")

        self.assertNoResult(played)

    def test_an_answer_without_a_number_is_for_the_question(self) -> None:
        self.set_up()

        played = self.ask(self.dialogue.play(None, 1.0), "RTSP/1.0 200 OK\nSession: 1\n")

        self.successResultOf(played)

    def test_an_answer_that_nobody_waits_for_is_passed_over(self) -> None:
        self.wire.sent(b"RTSP/1.0 200 OK\nCSeq: 1\nSession: 1\n")

        self.assertEqual(self.listener.messages, [])

    def test_silence_behind_a_question_that_was_given_up_means_nothing(self) -> None:
        done = Deferred.fromCoroutine(self.dialogue.setup(UDP))
        self.wire.sent(b"RTSP/1.0 200 OK")
        done.cancel()

        self.clock.advance(SILENCE_S)

        self.failureResultOf(done, CancelledError)
        self.assertEqual(self.listener.messages[1:], [])

    def test_blank_lines_are_no_answer(self) -> None:
        done = self.ask(self.dialogue.setup(UDP), "\n\n")

        self.assertNoResult(done)
        self.wire.sent(b"RTSP/1.0 200 OK\nCSeq: 1\nSession: 1\n")
        self.successResultOf(done)

    def test_nonsense_ends_the_connection(self) -> None:
        failed = self.ask(self.dialogue.setup(UDP), "220 mail ready\n")

        self.failureResultOf(failed, ConfusedError)
        self.assertIsInstance(self.listener.losses[0], ConfusedError)
        self.assertTrue(self.wire.is_closed)

    def test_both_sides_are_told(self) -> None:
        self.successResultOf(
            self.ask(self.dialogue.setup(UDP), "RTSP/1.0 200 OK\r\nCSeq: 1\r\nSession: 1\r\n")
        )

        ours, theirs = self.listener.messages
        self.assertTrue(ours.text.startswith("SETUP movie.Mjpeg"))
        self.assertEqual(theirs.text, "RTSP/1.0 200 OK\nCSeq: 1\nSession: 1\n")

    def test_a_lost_connection_is_told(self) -> None:
        done = Deferred.fromCoroutine(self.dialogue.setup(UDP))
        self.wire.sent(b"RTSP/1.0")

        self.wire.close()

        self.failureResultOf(done, DisconnectedError)
        self.assertEqual(len(self.listener.losses), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_nothing_can_be_asked_behind_close(self) -> None:
        self.dialogue.close()

        self.failureResultOf(Deferred.fromCoroutine(self.dialogue.play(None, 1.0)), PlayerError)
        self.assertEqual(self.listener.losses, [])

    @given(st.lists(st.binary() | st.sampled_from([b"RTSP/1.0 200 OK\n", b"CSeq: 1\n"])))
    def test_any_bytes_are_an_answer_or_a_sentence(self, pieces: list[bytes]) -> None:
        self.setUp()
        done = Deferred.fromCoroutine(self.dialogue.setup(UDP))

        for piece in pieces:
            self.wire.sent(piece)
        self.clock.advance(ANSWER_S)

        done.addErrback(lambda failure: failure.trap(PlayerError))
        self.successResultOf(done)


class RealServerTests(SynchronousTestCase):
    def test_mjpegd_plays_a_film(self) -> None:
        server = RealServer()
        conversation = LaboratoryConversation(server.clock, server.listener.ears, HOST)
        server.accept(conversation)
        dialogue = LaboratoryDialogue(Location.parse(f"rtsp://{HOST}/{FILM}"), conversation)

        done = server.run(dialogue.setup(UDP))
        server.clock.advance(SILENCE_S)
        server.serve()
        self.successResultOf(done)
        played = server.run(dialogue.play(None, 1.0))
        server.clock.advance(SILENCE_S)
        server.serve()
        self.successResultOf(played)
        server.server.advance(0.5)

        self.assertEqual(server.server.ports.asked[0][1][0], 25000)
        self.assertTrue(server.server.sender.trains)
        dialogue.close()


class ConnectLaboratoryTests(SynchronousTestCase):
    def test_a_dialogue_begins_when_the_connection_is_there(self) -> None:
        reactor = PlayerReactor()
        connected = Deferred.fromCoroutine(
            connect_laboratory(reactor, Location.parse(URL), Listener().ears)
        )

        reactor.connected(ServerEnd)

        self.assertEqual(self.successResultOf(connected).server_host, HOST)
