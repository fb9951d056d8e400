import itertools

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.wire.messages import Headers, InterleavedFrame, Request, Response

from ..errors import ConfusedError, DisconnectedError, SilenceError
from ..talk.conversation import ANSWER_S, Conversation
from .servers import URL, Listener, ServerEnd, ok

AGENT = "player/1"


class ConversationTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.clock = Clock()
        self.listener = Listener()
        self.conversation = Conversation(self.clock, self.listener.ears, AGENT, "camera")
        self.server = ServerEnd(self.conversation)

    def ask(self, method: str = "OPTIONS") -> Deferred[Response]:
        return self.conversation.ask(method, URL)

    # --- asking -----------------------------------------------------------------------------

    def test_a_request_has_a_number_and_a_name(self) -> None:
        self.conversation.ask("PLAY", URL, [("Scale", "2.0")], b"x").addErrback(lambda _: None)

        [request] = self.server.read()

        fields = [
            ("CSeq", "1"),
            ("User-Agent", AGENT),
            ("Scale", "2.0"),
            ("Content-Length", "1"),
        ]
        self.assertEqual(request, Request("PLAY", URL, Headers(fields), b"x"))

    def test_answers_find_their_questions_in_any_order(self) -> None:
        first, second = self.ask(), self.ask()
        requests = self.server.read()

        self.server.answer(requests[1], Response(404))
        self.server.answer(requests[0], ok())

        self.assertEqual(self.successResultOf(first).status, 200)
        self.assertEqual(self.successResultOf(second).status, 404)

    def test_an_answer_without_a_number_is_for_the_only_question(self) -> None:
        answer = self.ask()

        self.server.say(b"RTSP/1.0 200 OK\r\n\r\n")

        self.assertEqual(self.successResultOf(answer).status, 200)

    def test_an_answer_without_a_number_is_for_nobody_where_two_wait(self) -> None:
        first, second = self.ask(), self.ask()

        self.server.say(b"RTSP/1.0 200 OK\r\n\r\n")

        self.assertNoResult(first)
        self.assertNoResult(second)

    def test_an_answer_to_nothing_is_passed_over(self) -> None:
        self.server.say(b"RTSP/1.0 200 OK\r\nCSeq: 7\r\n\r\n")

        self.assertTrue(self.conversation.is_open)

    def test_continue_is_not_yet_the_answer(self) -> None:
        answer = self.ask()

        self.server.say(b"RTSP/1.0 100 Continue\r\nCSeq: 1\r\n\r\n")

        self.assertNoResult(answer)

    def test_an_answer_that_came_too_late_is_passed_over(self) -> None:
        answer = self.ask()
        [request] = self.server.read()
        self.clock.advance(ANSWER_S)

        self.server.answer(request, ok())

        self.failureResultOf(answer, SilenceError)

    def test_what_no_request_can_hold_is_a_confused_server(self) -> None:
        answer = self.conversation.ask("SETUP", "rtsp://h/\x01")

        self.failureResultOf(answer, ConfusedError)
        self.assertEqual(self.server.read(), [])

    # --- being asked ------------------------------------------------------------------------

    def test_a_server_that_asks_is_answered(self) -> None:
        for method, status in (("OPTIONS", 200), ("GET_PARAMETER", 200), ("ANNOUNCE", 501)):
            self.server.say(Request(method, URL, Headers([("CSeq", "9")])).to_bytes())

            self.server.read()

            self.assertEqual(self.server.replies[-1].status, status)
            self.assertEqual(self.server.replies[-1].headers.get("CSeq"), "9")

    def test_a_server_that_asks_and_does_not_read_is_not_answered(self) -> None:
        self.server.wire.is_reading = False
        question = Request("OPTIONS", URL, Headers([("CSeq", "9")])).to_bytes()

        for _ in range(10_000):
            self.server.say(question)

        self.assertLess(self.server.wire.most_waiting, 100_000)

    # --- packets ----------------------------------------------------------------------------

    def test_packets_go_past_the_messages(self) -> None:
        self.server.say(b"$\x01\x00\x03abc")

        self.assertEqual(self.listener.packets, [(1, b"abc")])

    def test_packets_go_to_the_server(self) -> None:
        self.conversation.send_interleaved(1, b"abc")

        self.server.read()

        self.assertEqual(self.server.frames, [InterleavedFrame(1, b"abc")])

    def test_packets_are_dropped_while_the_server_does_not_read(self) -> None:
        self.server.wire.is_reading = False
        for _ in range(10_000):
            self.conversation.send_interleaved(1, bytes(100))

        self.server.wire.read()
        self.conversation.send_interleaved(1, b"again")
        self.server.read()

        self.assertLess(len(self.server.frames), 1_000)
        self.assertEqual(self.server.frames[-1].payload, b"again")

    # --- what is told -----------------------------------------------------------------------

    def test_both_sides_are_told(self) -> None:
        self.clock.advance(3)
        answer = self.ask()
        self.clock.advance(2)

        self.server.say(b"RTSP/1.0 200 Fine\r\nCSeq: 1\r\n\r\n")

        ours, theirs = self.listener.messages
        self.successResultOf(answer)
        self.assertEqual((ours.at_s, ours.is_ours), (3, True))
        self.assertEqual(ours.text, f"OPTIONS {URL} RTSP/1.0\nCSeq: 1\nUser-Agent: {AGENT}\n\n")
        self.assertEqual((theirs.at_s, theirs.is_ours), (5, False))
        self.assertEqual(theirs.text, "RTSP/1.0 200 Fine\nCSeq: 1\n\n")

    # --- the end ----------------------------------------------------------------------------

    def test_nothing_can_be_asked_afterwards(self) -> None:
        self.server.wire.close()

        self.failureResultOf(self.ask(), DisconnectedError)
        self.conversation.send_interleaved(0, b"abc")

    def test_garbage_ends_it(self) -> None:
        answer = self.ask()

        self.server.say(b"\x16\x03\x01")

        self.failureResultOf(answer, ConfusedError)
        self.assertIsInstance(self.listener.losses[0], ConfusedError)
        self.assertTrue(self.server.wire.is_closed)
        self.assertEqual(len(self.listener.losses), 1)

    def test_what_comes_behind_the_end_is_not_looked_at(self) -> None:
        answer = self.ask()
        answer.addCallback(lambda _: self.conversation.close())

        self.server.say(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n$\x00\x00\x01a")
        self.conversation.dataReceived(b"$\x00\x00\x01b")

        self.assertEqual(self.listener.packets, [])


class AnyBytesTests(SynchronousTestCase):
    @given(st.lists(st.binary() | st.sampled_from([b"RTSP/1.0 200 OK\r\n", b"CSeq: 1\r\n\r\n"])))
    def test_any_bytes_end_in_events_or_in_one_loss(self, pieces: list[bytes]) -> None:
        listener = Listener()
        conversation = Conversation(Clock(), listener.ears, AGENT, "camera")
        server = ServerEnd(conversation)
        conversation.ask("OPTIONS", URL).addErrback(lambda _: None)

        for piece in pieces:
            server.say(piece)

        self.assertEqual(len(listener.losses), 0 if conversation.is_open else 1)

    @given(st.lists(st.integers(0, 400)))
    def test_any_split_gives_the_same_events(self, cuts: list[int]) -> None:
        listener = Listener()
        conversation = Conversation(Clock(), listener.ears, AGENT, "camera")
        server = ServerEnd(conversation)
        answer = conversation.ask("DESCRIBE", URL)
        data = (
            b"$\x00\x00\x05$RTSP" + ok(("CSeq", "1"), body=b"hello").to_bytes() + b"$\x01\x00\x00"
        )

        for begin, end in itertools.pairwise([0, *sorted(cuts), len(data) + 400]):
            server.say(data[begin:end])

        self.assertEqual(self.successResultOf(answer).body, b"hello")
        self.assertEqual(listener.packets, [(0, b"$RTSP"), (1, b"")])
