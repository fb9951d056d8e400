import contextlib
import itertools
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.wire.messages import Headers, Request, Response

from ..errors import ConfusedError
from ..talk.reading import MAX_BODY_BYTES, MAX_HEAD_BYTES, Heard, Packet, Reader

ANSWER = Response(200, Headers([("CSeq", "1"), ("Content-Length", "12")]), b"v=0\r\n\r\nhello")
QUESTION = Request("OPTIONS", "*", Headers([("CSeq", "7")]))
PACKET = Packet(3, bytes(range(36, 200)))


def packet_to_bytes(packet: Packet) -> bytes:
    size = len(packet.payload)
    return b"$" + bytes([packet.channel]) + size.to_bytes(2, "big") + packet.payload


EVERYTHING = (
    packet_to_bytes(PACKET)
    + ANSWER.to_bytes()
    + b"\r\n\r\n"
    + QUESTION.to_bytes()
    + packet_to_bytes(PACKET) * 2
)


def read(pieces: Iterable[bytes]) -> list[Packet | Request | Response]:
    reader = Reader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    return [event.message if isinstance(event, Heard) else event for event in events]


class ReaderTests(SynchronousTestCase):
    def test_messages_and_packets_come_in_their_order(self) -> None:
        self.assertEqual(read([EVERYTHING]), [PACKET, ANSWER, QUESTION, PACKET, PACKET])

    def test_byte_by_byte_they_are_the_same(self) -> None:
        pieces = [EVERYTHING[at : at + 1] for at in range(len(EVERYTHING))]

        self.assertEqual(read(pieces), [PACKET, ANSWER, QUESTION, PACKET, PACKET])

    @given(st.lists(st.integers(0, len(EVERYTHING))))
    def test_split_anywhere_they_are_the_same(self, cuts: list[int]) -> None:
        marks = [0, *sorted(cuts), len(EVERYTHING)]
        pieces = [EVERYTHING[a:b] for a, b in itertools.pairwise(marks)]

        self.assertEqual(read(pieces), [PACKET, ANSWER, QUESTION, PACKET, PACKET])

    def test_lines_may_end_in_lf_alone(self) -> None:
        self.assertEqual(
            read([b"RTSP/1.0 200 OK\nCSeq: 1\n\n"]), [Response(200, Headers([("CSeq", "1")]))]
        )

    def test_the_bytes_of_a_message_are_kept(self) -> None:
        [event] = Reader().feed(b"RTSP/1.0 200  Fine\nCSeq:1\r\nContent-length: 2\n\r\nhi")

        assert isinstance(event, Heard)
        self.assertEqual(event.raw, b"RTSP/1.0 200  Fine\nCSeq:1\r\nContent-length: 2\n\r\nhi")

    def test_a_packet_may_be_empty(self) -> None:
        self.assertEqual(read([b"$\x01\x00\x00"]), [Packet(1, b"")])

    def test_what_is_no_rtsp_is_told_in_a_sentence(self) -> None:
        cases = {
            b"\x16\x03\x01": "not RTSP",
            b"HTTP/1.1 400 Bad Request\r\n\r\n": "speaks HTTP",
            b"RTSP/1.0 OK\r\n\r\n": "status-line",
            b"RTSP/1.0 200 OK\r\nno header\r\n\r\n": "header",
            b"RTSP/1.0 200 OK\r\nContent-Length: many\r\n\r\n": "Content-Length",
            b"SSH-2.0-OpenSSH\r\n\r\n": "no RTSP",
            b"RTSP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1): "body",
            b"RTSP/1.0 200 OK\r\n" + b"X: y\r\n" * (MAX_HEAD_BYTES // 6): "head",
        }
        for data, expected in cases.items():
            error = self.assertRaises(ConfusedError, read, [data])
            self.assertIn(expected, str(error))

    @given(
        st.lists(st.binary() | st.sampled_from([b"RTSP/1.0 200 OK\r\n", b"$\0\0\1", b"\r\n\r\n"]))
    )
    def test_any_bytes_are_events_or_a_sentence(self, pieces: list[bytes]) -> None:
        with contextlib.suppress(ConfusedError):
            read(pieces)
