"""What a client says, cut anywhere: heard within limits; all else is answered or closed."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.capacity.admission import FAREWELL_S
from mjpegd.limits import Limits
from mjpegd.logs import FLOOD_INTERVAL_S, LINES_PER_INTERVAL
from mjpegd.session import Owner
from mjpegd.test.conversation import FILM, TCP, URL, VIEWER, Client, Server, byes, header, said
from mjpegd.wire.messages import InterleavedFrame, Response
from mjpegd.wire.reports import ReceiverReport, ReportBlock

OPTIONS = f"OPTIONS {URL} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode()


def options(cseq: int, padding: str = "") -> bytes:
    return f"OPTIONS {URL} RTSP/1.0\r\nCSeq: {cseq}\r\n{padding}\r\n".encode()


def conversation() -> bytes:
    """Requests of every kind in one piece, as a pipelining client would send them."""
    report = InterleavedFrame(1, ReceiverReport(1, ()).to_bytes()).to_bytes()
    return b"".join(
        (
            b"\r\n\r\n",
            options(1),
            b"$\x00\x00\x03abc",
            f"DESCRIBE {URL} RTSP/1.0\nCSeq: 2\nAccept: application/sdp\n\n".encode(),
            f"SETUP {URL}/trackID=0 RTSP/1.0\r\nCSeq: 3\r\nTransport: RTP/AVP\r\n"
            " /TCP\r\n\r\n".encode(),
            f"SETUP {URL} RTSP/1.0\r\nCSeq: 4\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n"
            "\r\n".encode(),
            report,
            report,
            f"GET_PARAMETER {URL} RTSP/1.0\r\nCSeq: 5\r\nContent-Length: 9\r\n\r\n".encode(),
            b"$a\r\n\r\nbcd",
            b"\r\n",
            f"SET_PARAMETER {URL} RTSP/1.0\r\nContent-Length: 0\r\nCSeq: 6\r\n\r\n".encode(),
            b"NONSENSE * RTSP/1.0\r\nCSeq: 7\r\n\r\n",
            b"$\x07\xff\xff" + bytes(0xFFFF),
            options(8),
        )
    )


class Cut:
    """Data in pieces, shown by their lengths."""

    def __init__(self, data: bytes, places: Sequence[int]) -> None:
        ends = sorted({*(place % len(data) for place in places), len(data)})
        starts = [0, *ends[:-1]]
        self.pieces = [data[start:end] for start, end in zip(starts, ends, strict=True)]

    @override
    def __repr__(self) -> str:
        return f"Cut{[len(piece) for piece in self.pieces]}"


def statuses(client: Client) -> list[tuple[int, str]]:
    return [(answer.status, header(answer, "CSeq")) for answer in client.responses()]


EXPECTED = [
    (200, "1"),
    (200, "2"),
    (461, "3"),
    (200, "4"),
    (451, "5"),
    (200, "6"),
    (501, "7"),
    (200, "8"),
]


class ReadingTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.server = Server()
        self.client = self.server.connect()

    @given(st.lists(st.integers(min_value=0), max_size=12))
    def test_cut_anywhere_the_answers_are_the_same(self, places: list[int]) -> None:
        client = self.server.connect()
        for piece in Cut(conversation(), places).pieces:
            client.send(piece)

        self.assertEqual(statuses(client), EXPECTED)
        client.close()

    def test_byte_by_byte_the_answers_are_the_same(self) -> None:
        short = conversation().replace(b"$\x07\xff\xff" + bytes(0xFFFF), b"")
        for byte in short:
            self.client.send(bytes((byte,)))
            self.server.clock.advance(0.0)

        self.assertEqual(statuses(self.client), EXPECTED)

    def test_a_client_that_sends_no_more_keeps_its_answers(self) -> None:
        self.client.send(conversation())
        self.client.wire.sends_no_more()

        self.assertEqual(statuses(self.client), EXPECTED)
        self.assertTrue(self.client.wire.is_closed)

    def test_pauses_between_the_bytes_change_nothing(self) -> None:
        for byte in options(1):
            self.client.send(bytes((byte,)))
            self.server.clock.advance(0.1)

        self.assertEqual(statuses(self.client), [(200, "1")])

    def test_a_burst_of_a_hundred_is_answered_in_full(self) -> None:
        self.client.send(b"".join(options(number) for number in range(100)))

        self.assertEqual(statuses(self.client), [(200, str(number)) for number in range(100)])

    def test_requests_above_the_rate_are_only_slowed(self) -> None:
        self.client.send(b"".join(options(number) for number in range(1000)))

        self.assertLess(len(self.client.responses()), 300)
        self.assertTrue(self.client.wire.is_paused)
        self.server.advance(17)
        self.assertEqual(statuses(self.client), [(200, str(number)) for number in range(1000)])


class LimitTests(SynchronousTestCase):
    def refusal(self, data: bytes, after_s: float = 0.0, limits: Limits | None = None) -> Response:
        """What a connection is refused with, which must be its end."""
        server = Server(limits)
        client = server.connect()
        client.send(data)
        server.advance(after_s, step_s=0.5)
        [answer] = client.responses()
        self.assertTrue(client.wire.is_half_closed)
        server.advance(FAREWELL_S)
        self.assertTrue(client.wire.is_closed)
        self.assertEqual(server.factory.connections, 0)
        server.house.tally.stop()
        self.assertEqual(server.clock.getDelayedCalls(), [])
        return answer

    def test_a_long_request_line_is_414(self) -> None:
        self.assertEqual(self.refusal(b"OPTIONS rtsp://h/" + b"a" * 8192).status, 414)
        self.assertEqual(self.refusal(b"OPTIONS " + b"a" * 9000 + b" RTSP/1.0\r\n").status, 414)

    def test_a_long_header_line_is_413(self) -> None:
        answer = self.refusal(b"OPTIONS * RTSP/1.0\r\nCSeq: 3\r\nX: " + b"a" * 8192)

        self.assertEqual((answer.status, header(answer, "CSeq")), (413, "3"))

    def test_many_header_lines_are_413(self) -> None:
        self.assertEqual(self.refusal(b"OPTIONS * RTSP/1.0\r\n" + b"X: y\r\n" * 64).status, 413)

    def test_many_header_bytes_are_413(self) -> None:
        line = b"X: " + b"y" * 4000 + b"\r\n"
        self.assertEqual(self.refusal(b"OPTIONS * RTSP/1.0\r\n" + line * 9).status, 413)

    def test_a_large_body_is_413(self) -> None:
        head = b"SET_PARAMETER * RTSP/1.0\r\nCSeq: 3\r\nContent-Length: %b\r\n\r\n"
        self.assertEqual(self.refusal(head % b"16385").status, 413)
        self.assertEqual(self.refusal(head % b"9999999999").status, 413)

    def test_what_lies_within_the_limits_is_read(self) -> None:
        client = Server().connect()

        self.assertEqual(client.answer(options(1, f"X: {'y' * 8000}\r\n")).status, 200)
        self.assertEqual(client.answer(options(2, "X: y\r\n" * 62)).status, 200)
        self.assertEqual(client.ask_with(b"\n" * 16_384, "SET_PARAMETER").status, 200)

    def test_a_body_of_unknown_length_is_400(self) -> None:
        for length in (b"x", b"-1", b"99999999999", b"1\r\nContent-Length: 2", b"\xd9\xa1"):
            request = b"SET_PARAMETER * RTSP/1.0\r\nCSeq: 3\r\nContent-Length: %b\r\n\r\n"
            self.assertEqual(self.refusal(request % length).status, 400)

    def test_a_request_that_is_never_completed_is_408(self) -> None:
        for begun in (
            b"O",
            OPTIONS[:-2],
            b"GET_PARAMETER * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 5\r\n\r\nabc",
            b"$\x00\x01\x00abc",
            b"$",
        ):
            self.assertEqual(self.refusal(begun, after_s=15.5).status, 408, begun)

    def test_a_slow_writer_is_408_though_it_is_never_idle(self) -> None:
        for message in (
            OPTIONS[:1] + OPTIONS[1:-1].replace(b"\n", b" ") * 2,
            b"$\x00\xff\xff" * 20,
        ):
            server = Server()
            client = server.connect()
            for byte in message:
                client.send(bytes((byte,)))
                server.advance(0.5, step_s=0.5)

            self.assertEqual([answer.status for answer in client.responses()], [408])

    def test_the_time_for_a_request_begins_with_its_first_byte(self) -> None:
        server = Server()
        client = server.connect()
        for _ in range(5):
            server.advance(100, step_s=1)
            client.send(OPTIONS[:20])
            server.advance(14, step_s=1)
            client.send(OPTIONS[20:])

        self.assertEqual([answer.status for answer in client.responses()], [200] * 5)

    def test_a_server_that_takes_long_does_not_blame_the_client(self) -> None:
        server = Server()
        server.shelf.opening = Deferred()
        client = server.connect()
        client.send(client.text("DESCRIBE") + b"OPTIONS *")

        server.advance(60, step_s=1)
        server.shelf.opening.callback(None)
        server.advance(10, step_s=1)
        client.send(b" RTSP/1.0\r\nCSeq: 2\r\n\r\n")

        self.assertEqual(statuses(client), [(200, "1"), (200, "2")])


class FloodTests(SynchronousTestCase):
    def test_clients_that_are_cut_off_are_some_lines_and_a_number(self) -> None:
        server = Server()
        with capturedLogs() as events:
            for _ in range(500):
                server.connect().send(b"\x16\x03\x01 is no request")
            server.advance(FLOOD_INTERVAL_S, step_s=1.0)

        lines = said(events)
        self.assertEqual(len([line for line in lines if "is cut off" in line]), LINES_PER_INTERVAL)
        self.assertIn(f"{500 - LINES_PER_INTERVAL} more clients cut off", lines)

    def test_packets_above_their_rate_are_read_more_slowly_and_none_is_lost(self) -> None:
        server = Server(Limits(packets_per_s=10.0, packet_burst=5))
        client = server.connect()
        client.play(TCP)
        report = ReceiverReport(9, (ReportBlock(client.packets()[0].ssrc, 0, 5, 0, 0, 0, 0),))
        client.send(InterleavedFrame(1, report.to_bytes()).to_bytes() * 20)
        reception = server.registry.find(client.session, Owner(VIEWER)).rtp.reception
        at_once = reception.reports
        server.advance(2.0)

        self.assertLess(at_once, 10)
        self.assertEqual(reception.reports, 20)


HTTP = b"GET /movie.Mjpeg HTTP/1.1\r\nHost: 192.0.2.1:8554\r\nUser-Agent: browser\r\n\r\n"
TLS_HELLO = bytes.fromhex("16030100d1010000cd0303") + bytes(range(256)) * 3
LINES = st.lists(
    st.one_of(
        st.binary(max_size=60),
        st.sampled_from(
            [
                b"OPTIONS * RTSP/1.0",
                b"SETUP rtsp://h/movie.Mjpeg RTSP/1.0",
                f"SETUP {FILM} RTSP/1.0".encode(),
                b"PLAY rtsp://h/movie.Mjpeg RTSP/1.0",
                b"CSeq: 1",
                b"CSeq: \xff",
                b"Session: 123456",
                b"Transport: RTP/UDP; client_port= 25000",
                b"Transport: RTP/AVP;unicast;client_port=1-2",
                b"Range: npt=" + b"9" * 400 + b"-",
                b"Scale: 1e999",
                b"Content-Length: 4",
                b"$\x00\x00\x02ab",
                b"\x00" * 8,
                b"GET / HTTP/1.0",
            ]
        ),
    ),
    max_size=12,
)


class HostileTests(SynchronousTestCase):
    """An answer or a close; an exception in the log would fail these tests by itself."""

    def is_answered_or_closed(self, data: bytes) -> None:
        server = Server()
        client = server.connect()
        client.send(data)
        server.advance(140, step_s=1)

        self.assertTrue(client.wire.received or client.wire.is_closed)
        client.close()
        server.advance(80, step_s=1)
        self.assertEqual(len(server.registry), 0)

    @given(st.binary(min_size=1, max_size=500))
    def test_any_bytes(self, data: bytes) -> None:
        self.is_answered_or_closed(data)

    @given(LINES, st.sampled_from([b"\r\n", b"\n"]), st.sampled_from([b"", b"\n", b"\r\n\r\n"]))
    def test_any_lines(self, lines: list[bytes], line_end: bytes, end: bytes) -> None:
        self.is_answered_or_closed(line_end.join(lines) + end)

    def test_a_tls_hello_is_closed_at_once(self) -> None:
        client = Server().connect()
        client.send(TLS_HELLO)

        self.assertTrue(client.wire.is_half_closed)

    def test_http_is_told_so_and_closed(self) -> None:
        for request in (HTTP, HTTP.replace(b"GET", b"POST") + bytes(500)):
            client = Server().connect()
            client.send(request)
            self.assertTrue(client.raw().startswith(b"HTTP/1.1 400 Bad Request\r\n"))
            self.assertTrue(client.wire.is_half_closed)

    def test_huge_numbers_are_400_or_less(self) -> None:
        client = Server().connect()
        client.setup()
        huge = "9" * 5000
        for name in ("CSeq", "Scale", "Speed", "Range", "Blocksize", "Session", "Transport"):
            answer = client.ask("PLAY", **{name: huge})
            self.assertIn(answer.status, {200, 400, 454, 457}, name)

    def test_foreign_text_is_escaped_in_the_log(self) -> None:
        client = Server().connect()

        with capturedLogs() as events:
            client.ask("DESCRIBE", User_Agent="evil\u202e\x9b31m", Range="\udcff")
            client.ask("DESCRIBE", "rtsp://192.0.2.1/\u2028fake line")

        self.assertTrue(events)
        for line in said(events):
            self.assertTrue(line.isprintable(), ascii(line))

    def test_nothing_is_read_after_a_refusal(self) -> None:
        server = Server()
        client = server.connect()
        client.send(b"\x16" + OPTIONS * 3)
        client.send(OPTIONS)

        self.assertEqual([answer.status for answer in client.responses()], [400])

    def test_a_viewer_who_is_cut_off_hears_bye(self) -> None:
        server = Server()
        client = server.connect()
        client.play(TCP)
        server.advance(0.1)

        with capturedLogs() as events:
            client.send(b"\x16")

        self.assertEqual(len(byes(client.reports())), 1)
        self.assertEqual(len(server.registry), 0)
        for line in said(events):
            self.assertIn(client.session, line)
