"""RTSP in WebSocket frames, however they are cut, and what a client may do wrong in them."""

import struct

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from zope.interface.verify import verifyObject

from mjpegd.capacity.admission import FAREWELL_S
from mjpegd.limits import Limits
from mjpegd.test.conversation import BUFFER_BYTES, TCP, URL, Client, LargeFilm, Server, byes, header
from mjpegd.test.tunnelled import WebSocketClient, upgrade
from mjpegd.tunnels.websocket import WebSocket


def options(cseq: int) -> bytes:
    return f"OPTIONS {URL} RTSP/1.0\r\nCSeq: {cseq}\r\n\r\n".encode()


def frame(payload: bytes, opcode: int = 2, *, is_last: bool = True, mask: bytes = b"mask") -> bytes:
    """A frame of a client (RFC 6455 section 5.2)."""
    masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
    first = opcode | (0x80 if is_last else 0)
    if len(payload) < 126:
        return struct.pack(">BB", first, 0x80 | len(payload)) + mask + masked
    return struct.pack(">BBH", first, 0x80 | 126, len(payload)) + mask + masked


class WebSocketTestCase(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.server = Server()
        self.client = WebSocketClient(self.server)

    def numbers(self, client: Client | None = None) -> list[str]:
        return [header(answer, "CSeq") for answer in (client or self.client).responses()]


class FrameTests(WebSocketTestCase):
    def test_messages_may_hold_a_part_of_a_request_one_or_several(self) -> None:
        self.client.send(options(1)[:20])
        self.client.send(options(1)[20:] + options(2) + b"$\x01\x00\x00" + options(3))

        self.assertEqual(self.numbers(), ["1", "2", "3"])

    def test_messages_may_be_fragmented(self) -> None:
        data = options(1)
        self.client.wire.sent(frame(data[:9], is_last=False))
        self.client.wire.sent(frame(b"", opcode=0, is_last=False))
        self.client.emit(Ping(payload=b"between"))
        self.client.wire.sent(frame(data[9:], opcode=0))

        self.assertEqual(self.numbers(), ["1"])
        self.assertEqual(
            [e.payload for e in self.client.events if isinstance(e, Pong)], [b"between"]
        )

    @given(st.lists(st.integers(1, 600), max_size=12))
    def test_cut_anywhere_the_answers_are_the_same(self, places: list[int]) -> None:
        long = options(3).replace(b"\r\n\r\n", b"\r\nX: " + b"y" * 200 + b"\r\n\r\n")
        data = frame(options(1)) + frame(long[:150], is_last=False) + frame(long[150:], opcode=0)
        ends = sorted({*(place % len(data) for place in places), len(data)})
        client = WebSocketClient(self.server)

        for start, end in zip([0, *ends], ends, strict=False):
            client.wire.sent(data[start:end])

        self.assertEqual(self.numbers(client), ["1", "3"])
        client.close()

    def test_frames_may_come_in_one_piece_with_the_request_for_it(self) -> None:
        client = self.server.connect()
        client.send(upgrade() + frame(options(7)))

        self.assertIn(b"CSeq: 7\r\n", client.raw())

    def test_each_answer_and_each_train_of_packets_is_a_message_of_its_own(self) -> None:
        self.client.play(TCP)
        self.server.advance(2)

        self.client.read()
        messages = [event.data for event in self.client.events if isinstance(event, BytesMessage)]
        self.assertTrue(messages)
        for message in messages:
            self.assertTrue(message.startswith((b"RTSP/1.0 200", b"$")), message[:20])
        self.assertEqual(sum(data[:2] == b"$\x00" for data in messages), 24)


class ClosingTests(WebSocketTestCase):
    def assert_closes(self, code: int) -> None:
        self.assertEqual(self.client.close_code, code)
        self.assertTrue(self.client.wire.is_half_closed)
        self.server.advance(FAREWELL_S + 0.1)
        self.server.house.tally.stop()
        self.server.advance(10, step_s=1)
        self.assertEqual(self.server.factory.connections, 0)
        self.assertEqual(self.server.clock.getDelayedCalls(), [])

    def test_who_closes_gets_the_same_code_back(self) -> None:
        for code in (1000, 1001, 4711):
            self.setUp()
            self.client.play(TCP)
            self.client.emit(CloseConnection(code=code, reason="bye"))

            self.assertEqual(len(self.server.registry), 0)
            self.assert_closes(code)

    def test_text_is_refused(self) -> None:
        self.client.emit(TextMessage(data=f"OPTIONS {URL} RTSP/1.0\r\nCSeq: 1\r\n\r\n"))

        self.assertEqual(self.numbers(), [])
        self.assert_closes(1003)

    def test_what_breaks_the_rules_of_frames_closes_it(self) -> None:
        for data in (
            struct.pack(">BB", 0x82, 4) + b"bare",  # no mask
            frame(b"", opcode=3),
            frame(b"", opcode=0),
            frame(b"ping", opcode=9, is_last=False),
            frame(bytes(126), opcode=9),
            b"\xf2\x80mask",  # a bit that no extension has
            b"\x82\xff" + b"\xff" * 8 + b"mask",
            frame(b"\x03", opcode=8),
        ):
            self.setUp()
            self.client.play(TCP)
            self.client.wire.sent(data + frame(options(99)))

            self.assertNotIn("99", self.numbers())
            self.assertEqual(len(byes(self.client.reports())), 1)
            self.assert_closes(1002)

    def test_a_request_that_is_cut_off_closes_it_behind_its_answer(self) -> None:
        self.client.send(b"\x16\x03\x01")

        self.assertEqual([answer.status for answer in self.client.responses()], [400])
        self.assert_closes(1001)

    def test_when_the_server_stops_it_says_so(self) -> None:
        self.client.play(TCP)

        self.server.factory.hang_up_all()

        self.assertEqual(len(byes(self.client.reports())), 1)
        self.assert_closes(1001)

    def test_a_client_that_vanishes_leaves_nothing(self) -> None:
        self.client.play(TCP)

        self.client.close()

        self.assertEqual(len(self.server.registry), 0)

    def test_what_follows_a_close_is_not_heard(self) -> None:
        self.client.emit(CloseConnection(code=1000))
        self.client.wire.sent(frame(options(5)))

        self.assertEqual(self.numbers(), [])


class PauseTests(WebSocketTestCase):
    def test_while_a_request_waits_nothing_is_read(self) -> None:
        self.server.shelf.opening = Deferred()
        describe = f"DESCRIBE {URL} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode()
        self.client.wire.sent(frame(describe) + frame(options(2)) + frame(b"x", opcode=9))

        self.assertTrue(self.client.wire.is_paused)
        self.assertEqual(self.client.raw(), b"")
        self.assertEqual(self.client.events, [])
        self.server.shelf.opening.callback(None)
        self.assertEqual(self.numbers(), ["1", "2"])
        self.assertTrue(any(isinstance(event, Pong) for event in self.client.events))

    def test_tiny_frames_above_the_rate_are_only_slowed(self) -> None:
        limits = Limits()
        flood = frame(b"\r", mask=b"\0\0\0\0") * (limits.packet_burst + 100)
        self.client.wire.sent(flood + frame(options(1)))

        self.assertTrue(self.client.wire.is_paused)
        self.assertEqual(self.numbers(), [])
        self.server.advance(1)
        self.assertEqual(self.numbers(), ["1"])

    def test_a_client_that_does_not_read_gets_no_pongs(self) -> None:
        server = Server(loop=True, film=LargeFilm())
        client = WebSocketClient(server)
        client.play(TCP)
        client.wire.is_reading = False
        server.advance(5)
        waiting = len(client.wire.waiting)

        for _ in range(500):
            client.emit(Ping(payload=bytes(125)))

        self.assertEqual(len(client.wire.waiting), waiting)

    def test_a_viewer_that_does_not_keep_up_loses_whole_frames(self) -> None:
        server = Server(loop=True, film=LargeFilm())
        client = WebSocketClient(server)
        client.play(TCP)
        client.wire.is_reading = False
        server.advance(60)

        self.assertLess(client.wire.most_waiting, 2 * BUFFER_BYTES)
        client.wire.read()
        self.assertTrue(client.packets()[-1].marker)

    def test_it_is_a_push_producer(self) -> None:
        protocol = self.client.wire.protocol
        socket = WebSocket(protocol, lambda: None)  # type: ignore[arg-type]  # it is one of ours

        self.assertTrue(verifyObject(IPushProducer, socket))
        socket.stopProducing()
