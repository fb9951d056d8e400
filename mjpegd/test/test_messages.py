"""Tests of `mjpegd.wire.messages`."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.wire.errors import ParseError
from mjpegd.wire.messages import (
    REASONS,
    Headers,
    InterleavedFrame,
    Request,
    Response,
    content_length,
    is_http,
)

REQUESTS = [
    (
        "options of the server",
        b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n",
        Request("OPTIONS", "*", Headers([("CSeq", "1")])),
    ),
    (
        "player",
        b"SETUP rtsp://host/clip/trackID=0 RTSP/1.0\r\n"
        b"CSeq: 3\r\n"
        b"Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
        b"User-Agent: Lavf59.27.100\r\n\r\n",
        Request(
            "SETUP",
            "rtsp://host/clip/trackID=0",
            Headers(
                [
                    ("CSeq", "3"),
                    ("Transport", "RTP/AVP/TCP;unicast;interleaved=0-1"),
                    ("User-Agent", "Lavf59.27.100"),
                ]
            ),
        ),
    ),
    (
        "body",
        b"GET_PARAMETER rtsp://host/clip RTSP/1.0\r\n"
        b"CSeq: 4\r\n"
        b"Content-Length: 10\r\n\r\n"
        b"position\r\n",
        Request(
            "GET_PARAMETER",
            "rtsp://host/clip",
            Headers([("CSeq", "4"), ("Content-Length", "10")]),
            b"position\r\n",
        ),
    ),
    (
        "bare name, no headers",
        b"SETUP movie.Mjpeg RTSP/1.0\r\n\r\n",
        Request("SETUP", "movie.Mjpeg"),
    ),
    (
        "name with blanks, as FFmpeg sends it",
        b"DESCRIBE rtsp://host/my film.avi RTSP/1.0\r\n\r\n",
        Request("DESCRIBE", "rtsp://host/my film.avi"),
    ),
    (
        "name that is not UTF-8",
        b"DESCRIBE rtsp://host/\xe9t\xc3\xa9 RTSP/1.0\r\n\r\n",
        Request("DESCRIBE", "rtsp://host/\udce9té"),
    ),
    (
        "repeated header",
        b"PLAY a RTSP/2.0\r\nAccept: x\r\nAccept: y\r\n\r\n",
        Request("PLAY", "a", Headers([("Accept", "x"), ("Accept", "y")]), version="RTSP/2.0"),
    ),
    (
        "tunnel",
        b"GET /clip HTTP/1.1\r\nx-sessioncookie: a\r\n\r\n",
        Request("GET", "/clip", Headers([("x-sessioncookie", "a")]), version="HTTP/1.1"),
    ),
]

TOLERATED_REQUESTS = [
    ("LF", b"PLAY a RTSP/1.0\nCSeq: 1\n\n"),
    ("blanks in the first line", b"PLAY  a   RTSP/1.0 \r\nCSeq: 1\r\n\r\n"),
    ("blanks around the value", b"PLAY a RTSP/1.0\r\nCSeq:   1 \t\r\n\r\n"),
    ("no blank", b"PLAY a RTSP/1.0\r\nCSeq:1\r\n\r\n"),
    ("blank before the colon", b"PLAY a RTSP/1.0\r\nCSeq : 1\r\n\r\n"),
    ("folded", b"PLAY a RTSP/1.0\r\nCSeq:\r\n\t 1\r\n \r\n\r\n"),
]

RESPONSES = [
    (
        "answer",
        b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nSession: 1234;timeout=60\r\n\r\n",
        Response(200, Headers([("CSeq", "2"), ("Session", "1234;timeout=60")])),
    ),
    ("no header", b"RTSP/1.0 551 Option Not Supported\r\n\r\n", Response(551)),
    (
        "body",
        b"RTSP/1.0 200 Fine\r\nCSeq: 2\r\nContent-Length: 4\r\n\r\nv=0\n",
        Response(200, Headers([("CSeq", "2"), ("Content-Length", "4")]), b"v=0\n", "Fine"),
    ),
    ("unknown status", b"RTSP/1.0 299 Unknown\r\n\r\n", Response(299)),
]

MALFORMED_REQUESTS = [
    (b"", 0, "message"),
    (b"\r\n\r\n", 0, "message"),
    (b"PLAY a RTSP/1.0\r\nCSeq: 1\r\n", 26, "message"),
    (b"PLAY\r\n\r\n", 4, "version"),
    (b"PLAY a\r\n\r\n", 6, "version"),
    (b"PLAY a RTSP/1\r\n\r\n", 13, "version"),
    (b"PLAY a FTP/1.0\r\n\r\n", 14, "version"),
    (b"PLAY a rtsp/1.0\r\n\r\n", 15, "version"),
    (b"PLAY RTSP/1.0\r\n\r\n", 4, "request-uri"),
    (b"PLAY  RTSP/1.0\r\n\r\n", 4, "request-uri"),
    (b" PLAY a RTSP/1.0\r\n\r\n", 0, "method"),
    (b"PL,AY a RTSP/1.0\r\n\r\n", 0, "method"),
    (b"PL\xc3\xa4Y a RTSP/1.0\r\n\r\n", 0, "method"),
    (b"PLAY a\0b RTSP/1.0\r\n\r\n", 6, "text"),
    (b"PLAY a RTSP/1.0\r\nCSeq: 1\rX: 2\r\n\r\n", 24, "text"),
    (b"PLAY a RTSP/1.0\r\nCSeq 1\r\n\r\n", 17, "header"),
    (b"PLAY a RTSP/1.0\r\nCSeq: 1\r\n: 2\r\n\r\n", 26, "header"),
    (b"PLAY a RTSP/1.0\r\nC Seq: 1\r\n\r\n", 17, "header"),
    (b"PLAY a RTSP/1.0\r\n folded: 1\r\n\r\n", 17, "header"),
    (b"PLAY a RTSP/1.0\r\nContent-Length: x\r\n\r\n", 0, "Content-Length"),
    (b"PLAY a RTSP/1.0\r\nContent-Length: 3\r\n\r\nab", 0, "message-body"),
    (b"PLAY a RTSP/1.0\r\n\r\nab", 0, "message-body"),
]

MALFORMED_STATUS_LINES = [
    b"RTSP/1.0",
    b"RTSP/1.0 OK",
    b"RTSP/1.0 20 OK",
    b"RTSP/1.0 2000 OK",
    b"RTSP/1.0 600 OK",
    b"RTSP/1.0200 OK",
    b"RTSP 200 OK",
    "RTSP/1.0 ٢٠٠ OK".encode(),
]

FRAMES = [
    ("receiver report", b"$\x01\x00\x08" + bytes(8), InterleavedFrame(1, bytes(8))),
    ("empty", b"$\xff\x00\x00", InterleavedFrame(255, b"")),
    ("largest", b"$\x00\xff\xff" + bytes(65535), InterleavedFrame(0, bytes(65535))),
]

printable = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1)
words = printable.map(str.strip).filter(bool)
tokens = st.from_regex(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", fullmatch=True)
plain_names = tokens.filter(lambda name: name.lower() not in ("cseq", "content-length"))


@st.composite
def message_parts(draw: st.DrawFn) -> tuple[Headers, bytes]:
    """Headers in the order in which they are written, and the body that they announce."""
    body = draw(st.binary(max_size=30))
    fields = draw(st.lists(st.tuples(plain_names, words), max_size=5))
    length = [("Content-Length", str(len(body)))] if body else []
    return Headers([("CSeq", str(draw(st.integers(0)))), *fields, *length]), body


class HeadersTests(SynchronousTestCase):
    headers = Headers([("CSeq", "1"), ("Accept", "a"), ("accept", "b")])

    def test_names_match_in_any_case(self) -> None:
        self.assertEqual(self.headers.get("cSEQ"), "1")
        self.assertIn("ACCEPT", self.headers)
        self.assertNotIn("Session", self.headers)

    def test_first_of_several_values(self) -> None:
        self.assertEqual(self.headers.get("Accept"), "a")
        self.assertEqual(self.headers.get_all("Accept"), ["a", "b"])

    def test_default_of_a_missing_header(self) -> None:
        self.assertIsNone(self.headers.get("Range"))
        self.assertEqual(self.headers.get("Range", "npt=0-"), "npt=0-")

    def test_iteration_keeps_order_and_case(self) -> None:
        self.assertEqual(list(self.headers), [("CSeq", "1"), ("Accept", "a"), ("accept", "b")])

    def test_later_changes_of_the_given_list_do_not_show(self) -> None:
        fields = [("CSeq", "1")]
        headers = Headers(fields)

        fields.append(("Session", "2"))

        self.assertEqual(headers, Headers([("CSeq", "1")]))
        self.assertEqual(hash(headers), hash(Headers([("CSeq", "1")])))


class RequestTests(SynchronousTestCase):
    def test_both_directions(self) -> None:
        for name, data, request in REQUESTS:
            self.assertEqual(Request.parse(data), request, name)
            self.assertEqual(request.to_bytes(), data, name)

    def test_tolerated_forms(self) -> None:
        for name, data in TOLERATED_REQUESTS:
            request = Request.parse(data)
            self.assertEqual(request, Request("PLAY", "a", Headers([("CSeq", "1")])), name)

    def test_folded_value_is_joined_by_a_blank(self) -> None:
        request = Request.parse_head([b"SETUP a RTSP/1.0", b"Transport: x,", b"   y,", b"\tz"])

        self.assertEqual(request.headers.get("Transport"), "x, y, z")

    def test_malformed(self) -> None:
        for data, offset, rule in MALFORMED_REQUESTS:
            error = self.assertRaises(ParseError, Request.parse, data)
            self.assertEqual((error.offset, error.rule), (offset, rule), data)

    def test_header_without_value_is_read_but_not_written(self) -> None:
        request = Request.parse(b"PLAY a RTSP/1.0\r\nSession:\r\n\r\n")

        self.assertEqual(request.headers.get("Session"), "")
        self.assertEqual(request.to_bytes(), b"PLAY a RTSP/1.0\r\n\r\n")

    def test_line_end_cannot_be_smuggled_into_what_is_sent(self) -> None:
        for request in [
            Request("PLAY", "a\r\nX: y"),
            Request("PLAY", "a", Headers([("Session", "1\r\nX: y")])),
            Request("PLAY", "a", Headers([("Session", "1\nX: y")])),
            Request("PLAY", "a", Headers([("X: y\r\nSession", "1")])),
            Request("PL AY", "a"),
            Request("PLAY", " "),
            Request("PLAY", "\ud800"),
        ]:
            self.assertRaises(ValueError, request.to_bytes)

    @given(tokens, words, message_parts())
    def test_what_is_written_is_read(
        self, method: str, uri: str, parts: tuple[Headers, bytes]
    ) -> None:
        request = Request(method, uri, *parts)

        self.assertEqual(Request.parse(request.to_bytes()), request)

    @given(st.binary() | st.binary().map(lambda junk: b"PLAY a RTSP/1.0\r\n" + junk + b"\r\n\r\n"))
    def test_any_bytes_are_read_or_refused(self, data: bytes) -> None:
        for message in (Request, Response):
            with contextlib.suppress(ParseError):
                message.parse(data)


class ResponseTests(SynchronousTestCase):
    def test_both_directions(self) -> None:
        for name, data, response in RESPONSES:
            self.assertEqual(Response.parse(data), response, name)
            self.assertEqual(response.to_bytes(), data, name)

    def test_missing_reason_is_filled_in(self) -> None:
        self.assertEqual(Response.parse_head([b"RTSP/1.0 454"]).reason, "Session Not Found")
        self.assertEqual(Response.parse_head([b"RTSP/1.0 404 "]).reason, "Not Found")

    def test_malformed_status_line(self) -> None:
        for line in MALFORMED_STATUS_LINES:
            error = self.assertRaises(ParseError, Response.parse_head, [line])
            self.assertEqual((error.offset, error.rule), (0, "status-line"), line)

    def test_cseq_is_written_first_and_the_rest_in_order(self) -> None:
        headers = Headers([("Server", "x"), ("cseq", "7"), ("Date", "y")])

        data = Response(200, headers).to_bytes()

        self.assertEqual(data, b"RTSP/1.0 200 OK\r\ncseq: 7\r\nServer: x\r\nDate: y\r\n\r\n")

    def test_content_length_is_that_of_the_body(self) -> None:
        wrong = Headers([("content-length", "999")])

        self.assertIn(b"\r\nContent-Length: 2\r\n\r\nab", Response(200, wrong, b"ab").to_bytes())
        self.assertEqual(Response(200, wrong).to_bytes(), b"RTSP/1.0 200 OK\r\n\r\n")

    def test_line_end_cannot_be_smuggled_into_what_is_sent(self) -> None:
        for response in [
            Response(200, reason="OK\r\nX: y"),
            Response(200, Headers([("CSeq", "1\r\nX: y")])),
        ]:
            self.assertRaises(ValueError, response.to_bytes)

    @given(st.sampled_from(sorted(REASONS)), message_parts())
    def test_what_is_written_is_read(self, status: int, parts: tuple[Headers, bytes]) -> None:
        response = Response(status, *parts)

        self.assertEqual(Response.parse(response.to_bytes()), response)


class InterleavedFrameTests(SynchronousTestCase):
    def test_both_directions(self) -> None:
        for name, data, frame in FRAMES:
            self.assertEqual(InterleavedFrame.parse(data), (frame, b""), name)
            self.assertEqual(frame.to_bytes(), data, name)

    def test_what_follows_is_given_back(self) -> None:
        parsed = InterleavedFrame.parse(b"$\x02\x00\x01aPLAY")

        self.assertEqual(parsed, (InterleavedFrame(2, b"a"), b"PLAY"))

    def test_incomplete_at_every_length(self) -> None:
        data = b"$\x02\x00\x03abc"
        for length in range(len(data)):
            self.assertIsNone(InterleavedFrame.parse(data[:length]))

    def test_text_is_no_frame(self) -> None:
        self.assertRaises(ParseError, InterleavedFrame.parse, b"P")

    def test_too_large_for_its_fields(self) -> None:
        self.assertRaises(ValueError, InterleavedFrame(256, b"").to_bytes)
        self.assertRaises(ValueError, InterleavedFrame(0, bytes(65536)).to_bytes)

    @given(st.integers(0, 255), st.binary(), st.binary())
    def test_what_is_written_is_read(self, channel: int, payload: bytes, rest: bytes) -> None:
        frame = InterleavedFrame(channel, payload)

        self.assertEqual(InterleavedFrame.parse(frame.to_bytes() + rest), (frame, rest))


class IsHTTPTests(SynchronousTestCase):
    def test_http(self) -> None:
        for line in [b"GET / HTTP/1.1", b"POST /a b HTTP/1.0", b"GET HTTP/1.0", b"GET \r HTTP/1.1"]:
            self.assertTrue(is_http(line), line)

    def test_not_http(self) -> None:
        for line in [
            b"",
            b"GET / RTSP/1.0",
            b"PLAY rtsp://h/HTTP/1.1 RTSP/1.0",
            b"HTTP/1.1 200 OK",
        ]:
            self.assertFalse(is_http(line), line)


class ContentLengthTests(SynchronousTestCase):
    def test_absent(self) -> None:
        self.assertEqual(content_length(Headers()), 0)

    def test_told_twice_alike(self) -> None:
        self.assertEqual(
            content_length(Headers([("Content-Length", "12"), ("content-length", "12")])), 12
        )

    def test_refused(self) -> None:
        for values in [["-1"], ["1 2"], [""], ["0x10"], ["12345678901"], ["²"], ["1", "2"]]:
            headers = Headers([("Content-Length", value) for value in values])
            self.assertRaises(ParseError, content_length, headers)
