from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.test.conversation import Wire
from mjpegd.wire.messages import Headers, Request, Response

from ..errors import DisconnectedError, SilenceError
from ..talk.connection import FAREWELL_S, SHOWN_BYTES, Connection, as_text
from .servers import HOST, PLACE, PLAYER, URL, Listener, ServerEnd


class ConnectionTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.clock = Clock()
        self.listener = Listener()
        self.connection: Connection[str] = Connection(self.clock, self.listener.ears, "camera")
        self.server = ServerEnd(self.connection)

    def ask(self) -> Deferred[str]:
        return self.connection.wait_for(self.connection.next_cseq(), "PLAY", 10.0)

    def test_the_address_of_the_server_is_known(self) -> None:
        self.assertEqual(self.connection.server_host, HOST)

    def test_an_answer_finds_its_question(self) -> None:
        first, second = self.ask(), self.ask()

        self.connection.settle(2, "yes")

        self.assertNoResult(first)
        self.assertEqual(self.successResultOf(second), "yes")
        self.assertEqual(self.connection.waiting, [1])

    def test_an_answer_that_nobody_waits_for_is_passed_over(self) -> None:
        self.connection.settle(1, "yes")

        self.assertEqual(self.connection.waiting, [])

    def test_a_question_waits_only_so_long(self) -> None:
        answer = self.ask()

        self.clock.advance(10)

        error = self.failureResultOf(answer, SilenceError).value
        self.assertEqual(str(error), "camera did not answer PLAY within 10 seconds.")

    def test_a_question_may_be_cancelled(self) -> None:
        answer = self.ask()

        answer.cancel()

        self.failureResultOf(answer, CancelledError)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_server_that_leaves_is_told_once(self) -> None:
        answer = self.ask()

        self.server.wire.close()

        self.failureResultOf(answer, DisconnectedError)
        [loss] = self.listener.losses
        self.assertEqual(str(loss), "camera closed the connection.")

    def test_a_connection_that_breaks_says_how(self) -> None:
        self.connection.connectionLost(Failure(ConnectionLost("no route")))

        [loss] = self.listener.losses
        self.assertIsInstance(loss, DisconnectedError)
        self.assertIn("no route", str(loss))

    def test_the_loss_is_told_before_the_questions_fail(self) -> None:
        events: list[str] = []
        answer = self.ask()
        answer.addErrback(lambda _: events.append(f"{len(self.listener.losses)} told"))

        self.server.wire.close()

        self.assertEqual(events, ["1 told"])

    def test_a_question_may_be_cancelled_because_another_failed(self) -> None:
        first, second = self.ask(), self.ask()
        first.addErrback(lambda _: second.cancel())

        self.server.wire.close()

        self.failureResultOf(second, CancelledError)

    def test_after_close_nobody_hears_of_it(self) -> None:
        answer = self.ask()

        self.connection.close()

        self.failureResultOf(answer, DisconnectedError)
        self.assertEqual(self.listener.losses, [])
        self.assertTrue(self.server.wire.is_closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_close_may_be_said_twice(self) -> None:
        self.connection.close()
        self.connection.close()

        self.assertEqual(self.listener.losses, [])

    def test_abandon_tells_why(self) -> None:
        self.connection.abandon(DisconnectedError("over"))
        self.connection.abandon(DisconnectedError("again"))

        self.assertEqual([str(loss) for loss in self.listener.losses], ["over"])


class DeafWire(Wire):
    """A connection to a server that does not read."""

    @override
    def loseConnection(self) -> None:
        pass


class FarewellTests(SynchronousTestCase):
    def test_a_server_that_does_not_read_the_last_words_is_left(self) -> None:
        clock = Clock()
        connection: Connection[str] = Connection(clock, Listener().ears, "camera")
        server = ServerEnd(connection, DeafWire(PLACE, PLAYER))
        connection.close()
        self.assertFalse(server.wire.is_closed)

        clock.advance(FAREWELL_S)

        self.assertTrue(server.wire.is_closed)


class ConnectionWordsTests(SynchronousTestCase):
    def test_what_is_sent_is_told_with_its_time(self) -> None:
        clock, listener = Clock(), Listener()
        connection: Connection[str] = Connection(clock, listener.ears, "camera")
        server = ServerEnd(connection)
        clock.advance(3)

        connection.send(b"PLAY\r\n")

        [message] = listener.messages
        self.assertEqual((message.at_s, message.is_ours, message.text), (3, True, "PLAY\n"))
        self.assertEqual(bytes(server.wire.received), b"PLAY\r\n")


class AsTextTests(SynchronousTestCase):
    def test_the_password_of_basic_is_left_out(self) -> None:
        data = Request("OPTIONS", URL, Headers([("Authorization", "Basic YTpi")])).to_bytes()

        self.assertIn("Authorization: Basic (hidden)\n", as_text(data))

    def test_the_answer_of_digest_is_shown(self) -> None:
        data = Request("OPTIONS", URL, Headers([("Authorization", "Digest x=1")])).to_bytes()

        self.assertIn("Digest x=1", as_text(data))

    def test_the_password_in_a_url_is_left_out(self) -> None:
        data = Response(302, Headers([("Location", "rtsp://anna:secret@h/x")])).to_bytes()

        self.assertIn("rtsp://anna:(hidden)@h/x", as_text(data))

    def test_a_body_is_shown_without_what_moves_a_cursor(self) -> None:
        self.assertEqual(as_text(b"a\r\nb\rc\x1b[2J\xff"), "a\nb\nc\ufffd[2J\\xff")

    def test_the_end_of_a_long_message_is_left_out(self) -> None:
        text = as_text(bytes(b"x" * (SHOWN_BYTES + 1)))

        self.assertEqual(len(text), SHOWN_BYTES + 1)
        self.assertTrue(text.endswith("x…"))
