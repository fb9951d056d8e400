"""RTSP inside HTTP: what opens tunnels, as each client asks for it, and base64 in any pieces."""

from base64 import b64encode

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.test.tunnelled import KEY, head, upgrade
from mjpegd.wire.errors import ParseError
from mjpegd.wire.messages import Request
from mjpegd.wire.tunnels import (
    MAX_COOKIE_CHARACTERS,
    Base64Stream,
    Get,
    HTTPError,
    Post,
    Upgrade,
    opened,
    parse_opening,
    upgraded,
)

NO_CACHE = ("Pragma: no-cache", "Cache-Control: no-cache")
EXPIRED = "Expires: Sun, 9 Jan 1972 00:00:00 GMT"
TUNNELLED = "application/x-rtsp-tunnelled"

# What clients were seen to send.
OPENINGS = {
    "FFmpeg's GET": (
        head(
            "GET /film.avi HTTP/1.1",
            *("User-Agent: Lavf/59.27.100", "Range: bytes=0-", "Connection: close"),
            *("Host: 127.0.0.1:9810", "Icy-MetaData: 1", "x-sessioncookie: b38193c7c04c1a7b"),
            *(f"Accept: {TUNNELLED}", *NO_CACHE),
        ),
        Get("b38193c7c04c1a7b"),
    ),
    "FFmpeg's POST": (
        head(
            "POST /film.avi HTTP/1.1",
            *("User-Agent: Lavf/59.27.100", "Accept: */*", "Connection: close"),
            *("Host: 127.0.0.1:9810", "Icy-MetaData: 1", "x-sessioncookie: b38193c7c04c1a7b"),
            *(f"Content-Type: {TUNNELLED}", *NO_CACHE, "Content-Length: 32767", EXPIRED),
        ),
        Post("b38193c7c04c1a7b"),
    ),
    "GStreamer's GET": (
        head(
            "GET /film.avi HTTP/1.0",
            *("x-sessioncookie: nwhaukgusmfbnjgdbugxmhi", f"Accept: {TUNNELLED}"),
            *(*NO_CACHE, "Host: 127.0.0.1:9810", "Date: Fri, 27 Nov 2026 02:12:47 GMT"),
        ),
        Get("nwhaukgusmfbnjgdbugxmhi"),
    ),
    "GStreamer's POST": (
        head(
            "POST /film.avi HTTP/1.0",
            *("x-sessioncookie: nwhaukgusmfbnjgdbugxmhi", f"Accept: {TUNNELLED}"),
            *(f"Content-Type: {TUNNELLED}", *NO_CACHE, EXPIRED, "Content-Length: 32767"),
            *("Host: 127.0.0.1:9810", "Date: Fri, 27 Nov 2026 02:12:47 GMT"),
        ),
        Post("nwhaukgusmfbnjgdbugxmhi"),
    ),
    "live555's POST": (
        head(
            "POST /film.avi HTTP/1.0",
            *("CSeq: 2", "User-Agent: LIVE555", "x-sessioncookie: " + "0123456789abcdef" * 2),
            *(f"Content-Type: {TUNNELLED}", *NO_CACHE, "Content-Length: 32767", EXPIRED),
        ),
        Post("0123456789abcdef" * 2),
    ),
    "gortsplib's GET": (
        head(
            "GET / HTTP/1.1",
            *("Host: 127.0.0.1", f"Accept: {TUNNELLED}", "Content-Length: 30000"),
            "X-Sessioncookie: 5bcd7a0e-88b6-4a3f-8b51-cf6d1a2f6a39",
        ),
        Get("5bcd7a0e-88b6-4a3f-8b51-cf6d1a2f6a39"),
    ),
    "a WebSocket": (upgrade(), Upgrade(KEY, None)),
    "a browser's WebSocket": (
        upgrade("Origin: https://example.org", Sec_WebSocket_Protocol="chat, RTSP.onvif.org"),
        Upgrade(KEY, "https://example.org"),
    ),
}

REFUSALS = {
    "a browser": (head("GET /favicon.ico HTTP/1.1", "Host: h"), 400),
    "a form": (head("POST / HTTP/1.1", "Content-Length: 5"), 400),
    "another method": (head("PUT / HTTP/1.1", "x-sessioncookie: a"), 405),
    "an empty cookie": (head("GET / HTTP/1.0", "x-sessioncookie: "), 400),
    "a cookie with a blank": (head("GET / HTTP/1.0", "x-sessioncookie: a b"), 400),
    "a long cookie": (
        head("GET / HTTP/1.0", "x-sessioncookie: " + "a" * (MAX_COOKIE_CHARACTERS + 1)),
        400,
    ),
    "a POST in chunks": (
        head("POST / HTTP/1.1", "x-sessioncookie: a", "Transfer-Encoding: chunked"),
        501,
    ),
    "an older WebSocket": (upgrade(Sec_WebSocket_Version="8"), 426),
    "a WebSocket of no version": (upgrade(Sec_WebSocket_Version=""), 426),
    "no upgrade of the connection": (upgrade(Connection="keep-alive"), 400),
    "a WebSocket of HTTP/1.0": (upgrade().replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
    "another subprotocol": (upgrade(Sec_WebSocket_Protocol="chat"), 400),
    "no subprotocol": (upgrade(Sec_WebSocket_Protocol=""), 400),
    "no key": (upgrade(Sec_WebSocket_Key=""), 400),
    "a short key": (upgrade(Sec_WebSocket_Key="AAAA"), 400),
    "a key that is no base64": (upgrade(Sec_WebSocket_Key="\u00e4" * 24), 400),
}


class OpeningTests(SynchronousTestCase):
    def test_what_each_client_sends_opens_what_it_wants(self) -> None:
        for name, (data, expected) in OPENINGS.items():
            self.assertEqual(parse_opening(request(data)), expected, name)

    def test_all_else_is_refused_with_a_sentence(self) -> None:
        for name, (data, status) in REFUSALS.items():
            with self.assertRaises(HTTPError, msg=name) as caught:
                parse_opening(request(data))

            answer = caught.exception.to_response()
            self.assertEqual(answer.status, status, name)
            self.assertTrue(answer.body.endswith(b".\r\n"), name)
            self.assertTrue(answer.to_bytes().startswith(b"HTTP/1.1 "), name)

    def test_a_refusal_says_what_would_do(self) -> None:
        for name, field in (
            ("another method", ("Allow", "GET, POST")),
            ("an older WebSocket", ("Sec-WebSocket-Version", "13")),
        ):
            with self.assertRaises(HTTPError) as caught:
                parse_opening(request(REFUSALS[name][0]))
            self.assertIn(field, list(caught.exception.to_response().headers))


def request(data: bytes) -> Request:
    return Request.parse_head(data.split(b"\r\n")[:-2])


class AnswerTests(SynchronousTestCase):
    def test_a_get_is_answered_by_a_body_without_end(self) -> None:
        answer = opened()

        self.assertTrue(answer.to_bytes().startswith(b"HTTP/1.0 200 OK\r\n"))
        self.assertEqual(answer.headers.get("Content-Type"), TUNNELLED)
        self.assertNotIn("Content-Length", answer.headers)

    def test_an_upgrade_is_answered_as_the_rfc_has_it(self) -> None:
        answer = upgraded(KEY)

        self.assertTrue(answer.to_bytes().startswith(b"HTTP/1.1 101 Switching Protocols\r\n"))
        # RFC 6455 section 1.3.
        self.assertEqual(answer.headers.get("Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        self.assertEqual(answer.headers.get("Sec-WebSocket-Protocol"), "rtsp.onvif.org")


class Base64StreamTests(SynchronousTestCase):
    @given(st.lists(st.binary(max_size=40), max_size=8), st.data())
    def test_cut_anywhere_messages_come_out_as_they_went_in(
        self, messages: list[bytes], data: st.DataObject
    ) -> None:
        ends = st.sampled_from([b"", b"\r\n", b"\n", b" "])
        text = b"".join(b64encode(message) + data.draw(ends) for message in messages)
        stream = Base64Stream()
        out = b""
        while text:
            size = data.draw(st.integers(1, len(text)))
            out += stream.feed(text[:size])
            text = text[size:]

        self.assertEqual(out, b"".join(messages))

    def test_line_ends_may_stand_within_a_group(self) -> None:
        self.assertEqual(Base64Stream().feed(b"T1\r\nBU\nSU 9O\tUw=\r\n="), b"OPTIONS")

    def test_what_is_no_base64_is_an_error_wherever_it_is_cut(self) -> None:
        for text in (b"=AAA", b"A=AA", b"AA=A", b"AAAA====", b"A*AA", b"AA-_", b"\xff\x00AA"):
            with self.assertRaises(ParseError, msg=str(text)):
                Base64Stream().feed(text)
            stream = Base64Stream()
            with self.assertRaises(ParseError, msg=str(text)):
                for byte in text:
                    stream.feed(bytes((byte,)))

    def test_the_place_of_a_fault_is_told(self) -> None:
        with self.assertRaises(ParseError) as caught:
            Base64Stream().feed(b"QUJDQQ==QUJDA*==")

        self.assertEqual(caught.exception.offset, 12)
