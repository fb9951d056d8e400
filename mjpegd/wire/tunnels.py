"""RTSP inside HTTP: what opens a tunnel, how it is answered, and how requests travel in one.

There are two kinds. The older one has two connections that name the same cookie: the answer to a
GET has no end and is what the server says, and a POST, which is never answered, is what the client
says, in base64. The other one is a WebSocket with the subprotocol of ONVIF.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from mjpegd.wire.errors import ParseError, WireError
from mjpegd.wire.messages import Headers, Request, Response

COOKIE = "x-sessioncookie"
TUNNEL_TYPE = "application/x-rtsp-tunnelled"
# ONVIF Streaming Specification, section 5.1.1.4 (RTP/RTSP/TCP/WebSocket).
SUBPROTOCOL = "rtsp.onvif.org"
# GStreamer's have 23 characters, live555's 32.
MAX_COOKIE_CHARACTERS = 128
# RFC 6455 section 1.3: who answers with it has read the request.
_HANDSHAKE_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_WEBSOCKET_VERSION = "13"
_KEY_BYTES = 16

_COOKIE = re.compile(rf"[\x21-\x7e]{{1,{MAX_COOKIE_CHARACTERS}}}")
_WHITE = b" \t\r\n"
# Whole groups of four characters, up to the first with padding.
_GROUPS = re.compile(rb"(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


class HTTPError(WireError):
    """An HTTP request that opens no tunnel; the text is for a person.

    Attributes:
        status: How it is answered (RFC 9110).
        headers: What the status calls for.
    """

    def __init__(self, status: int, text: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.headers = tuple(headers)

    def to_response(self) -> Response:
        """The answer, which a browser shows."""
        fields = [*self.headers, ("Content-Type", "text/plain; charset=utf-8")]
        return Response(
            self.status,
            Headers([*fields, ("Connection", "close")]),
            f"{self}\r\n".encode(),
            reason="Upgrade Required" if self.status == 426 else "",
            version="HTTP/1.1",
        )


@dataclass(frozen=True, slots=True)
class Get:
    """Opens the half of a tunnel in which the server speaks.

    Attributes:
        cookie: What both halves name.
    """

    cookie: str


@dataclass(frozen=True, slots=True)
class Post:
    """Opens the half of a tunnel in which the client speaks.

    Attributes:
        cookie: What both halves name.
    """

    cookie: str


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Opens a WebSocket (RFC 6455 section 4.2.1).

    Attributes:
        key: What the answer is made of.
        origin: The web page that wants it; None where no browser asks.
    """

    key: str
    origin: str | None


Opening = Get | Post | Upgrade


def parse_opening(request: Request) -> Opening:
    """What an HTTP request opens, whatever path it names.

    Raises:
        HTTPError: No tunnel; says what is wrong.
    """
    if request.method == "GET" and (request.headers.get("Upgrade") or "").lower() == "websocket":
        return _parse_upgrade(request)
    if request.method not in {"GET", "POST"}:
        raise HTTPError(405, "There is GET and POST here, for RTSP.", [("Allow", "GET, POST")])
    cookie = request.headers.get(COOKIE)
    if cookie is None:
        raise HTTPError(400, "This is an RTSP server: open rtsp:// with a player, not http://.")
    if not _COOKIE.fullmatch(cookie):
        raise HTTPError(400, f"{COOKIE} has 1 to {MAX_COOKIE_CHARACTERS} visible characters.")
    if request.method == "GET":
        return Get(cookie)
    if "Transfer-Encoding" in request.headers:
        raise HTTPError(501, "The POST of a tunnel cannot come in chunks: a proxy makes them.")
    return Post(cookie)


def _parse_upgrade(request: Request) -> Upgrade:
    headers = request.headers
    if headers.get("Sec-WebSocket-Version") != _WEBSOCKET_VERSION:
        wanted = [("Sec-WebSocket-Version", _WEBSOCKET_VERSION)]
        raise HTTPError(426, "WebSocket is version 13 here.", wanted)
    if request.version == "HTTP/1.0" or "upgrade" not in _listed(headers, "Connection"):
        raise HTTPError(400, "WebSocket needs HTTP/1.1, and an upgrade of the connection.")
    if SUBPROTOCOL not in _listed(headers, "Sec-WebSocket-Protocol"):
        raise HTTPError(400, f"The subprotocol of this WebSocket is {SUBPROTOCOL}.")
    key = headers.get("Sec-WebSocket-Key") or ""
    if not _is_key(key):
        raise HTTPError(400, "Sec-WebSocket-Key is 16 bytes in base64.")
    return Upgrade(key, headers.get("Origin"))


def _listed(headers: Headers, name: str) -> list[str]:
    return [part.strip().lower() for part in ",".join(headers.get_all(name)).split(",")]


def _is_key(text: str) -> bool:
    try:
        return len(binascii.a2b_base64(text, strict_mode=True)) == _KEY_BYTES
    except ValueError:
        return False


def opened() -> Response:
    """The answer to a GET: behind it comes RTSP, without end."""
    fields = [
        ("Content-Type", TUNNEL_TYPE),
        ("Cache-Control", "no-store"),
        ("Pragma", "no-cache"),
        # nginx would keep it back until much has come.
        ("X-Accel-Buffering", "no"),
        ("Connection", "close"),
    ]
    return Response(200, Headers(fields), version="HTTP/1.0")


def upgraded(key: str) -> Response:
    """The answer to an `Upgrade`: behind it come frames (RFC 6455 section 4.2.2)."""
    digest = hashlib.sha1((key + _HANDSHAKE_GUID).encode(), usedforsecurity=False).digest()
    fields = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", base64.b64encode(digest).decode("ascii")),
        ("Sec-WebSocket-Protocol", SUBPROTOCOL),
    ]
    headers = Headers(fields)
    return Response(101, headers, reason="Switching Protocols", version="HTTP/1.1")


class Base64Stream:
    """Decodes what a client says in a POST, in whatever pieces it comes.

    Clients encode each message by itself: padding may come in the middle, and between two
    messages there may be line ends.
    """

    def __init__(self) -> None:
        self._begun = b""

    def feed(self, data: bytes) -> bytes:
        """Decode what is complete, in groups of four characters.

        Raises:
            ParseError: It is no base64.
        """
        text = self._begun + data.translate(None, _WHITE)
        whole = len(text) - len(text) % 4
        self._begun = text[whole:]
        parts = []
        at = 0
        while at < whole:
            found = _GROUPS.match(text, at, whole)
            if not found or not found[0]:
                raise ParseError(at, "base64")
            parts.append(binascii.a2b_base64(found[0]))
            at = found.end()
        return b"".join(parts)
