"""RTSP messages as they are on the wire: requests, responses and interleaved frames (RFC 2326).

Text is UTF-8; bytes that are not travel as surrogate escapes, so that a name in any encoding
comes back as it was sent. Whoever receives limits the size of a message before it comes here.
"""

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from mjpegd.wire.errors import ParseError
from mjpegd.wire.headers import TOKEN, parse_number
from mjpegd.wire.packets import INTERLEAVED_MAGIC

VERSION = "RTSP/1.0"

# RFC 2326 section 7.1.1.
REASONS = {
    100: "Continue",
    200: "OK",
    201: "Created",
    250: "Low on Storage Space",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    303: "See Other",
    304: "Not Modified",
    305: "Use Proxy",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Time-out",
    410: "Gone",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Request Entity Too Large",
    414: "Request-URI Too Large",
    415: "Unsupported Media Type",
    451: "Parameter Not Understood",
    452: "Conference Not Found",
    453: "Not Enough Bandwidth",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    456: "Header Field Not Valid for Resource",
    457: "Invalid Range",
    458: "Parameter Is Read-Only",
    459: "Aggregate Operation Not Allowed",
    460: "Only Aggregate Operation Allowed",
    461: "Unsupported Transport",
    462: "Destination Unreachable",
    463: "Key Management Failure",  # RFC 4567 section 3.2
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Time-out",
    505: "RTSP Version Not Supported",
    551: "Option Not Supported",
}

# Forbidden in every line, in both directions: a line end in a value would begin a new header.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_TOKEN = re.compile(TOKEN)
# HTTP follows the same grammar; the version lets a server tell a tunnel or a browser from a player.
_VERSION = re.compile(r"(?:RTSP|HTTP)/[0-9]\.[0-9]")
_STATUS_LINE = re.compile(rf"({_VERSION.pattern}) +([1-5][0-9][0-9])(?: +(.*))?")
_HTTP_REQUEST_LINE = re.compile(rb"[A-Z]+ (?:.* )?HTTP/[0-9]\.[0-9] *", re.DOTALL)

_BLANK = " \t"


@dataclass(frozen=True, slots=True)
class Headers:
    """Header fields in their order: names match in any case, a name may occur again."""

    fields: Sequence[tuple[str, str]] = ()

    def __post_init__(self) -> None:
        """Keep a copy that nobody can change."""
        object.__setattr__(self, "fields", tuple(self.fields))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.fields)

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value under a name."""
        return next(iter(self.get_all(name)), default)

    def get_all(self, name: str) -> list[str]:
        """All values under a name, in their order."""
        wanted = name.lower()
        return [value for name, value in self if name.lower() == wanted]


@dataclass(frozen=True, slots=True)
class Request:
    """A request (RFC 2326 section 6).

    Attributes:
        method: A token, in the case it came in.
        uri: What stood between method and version: an absolute URI, ``*``, or a bare name. Spaces
            within it are kept: FFmpeg sends the name of a file as it was typed.
        version: ``RTSP/1.0``, or another version of RTSP or HTTP that the caller has to refuse.
    """

    method: str
    uri: str
    headers: Headers = Headers()
    body: bytes = b""
    version: str = VERSION

    @classmethod
    def parse_head(cls, lines: Sequence[bytes]) -> Self:
        """Read a request line and the header lines after it.

        Args:
            lines: Without line ends and without the empty line that closes the head.

        Raises:
            ParseError: With an offset that counts two bytes for each line end.
        """
        start = _start_line(lines)
        method, _, rest = start.partition(" ")
        uri, _, version = rest.rpartition(" ")
        if not _TOKEN.fullmatch(method):
            raise ParseError(0, "method")
        if not _VERSION.fullmatch(version):
            raise ParseError(len(start), "version")
        if not uri.strip(_BLANK):
            raise ParseError(len(method), "request-uri", "missing")
        return cls(method, uri.strip(_BLANK), _parse_headers(lines), version=version)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read one whole request.

        Raises:
            ParseError: It is malformed, incomplete, or something follows it.
        """
        lines, body = _split(data)
        head = cls.parse_head(lines)
        return cls(head.method, head.uri, head.headers, _whole(head.headers, body), head.version)

    def to_bytes(self) -> bytes:
        """The request as it is sent: CSeq first, Content-Length where there is a body.

        Raises:
            ValueError: A method, URI or header that a request cannot hold.
        """
        if not _TOKEN.fullmatch(self.method) or not self.uri.strip(_BLANK):
            raise ValueError(f"no request line: {self.method!r} {self.uri!r}")
        return _message(f"{self.method} {self.uri} {self.version}", self.headers, self.body)


@dataclass(frozen=True, slots=True)
class Response:
    """A response (RFC 2326 section 7).

    Attributes:
        status: 100 to 599.
        reason: The phrase for the status where none is given.
    """

    status: int
    headers: Headers = Headers()
    body: bytes = b""
    reason: str = ""
    version: str = VERSION

    def __post_init__(self) -> None:
        """Fill in the phrase, so that a response given and a response read are equal."""
        object.__setattr__(self, "reason", self.reason or REASONS.get(self.status, "Unknown"))

    @classmethod
    def parse_head(cls, lines: Sequence[bytes]) -> Self:
        """Read a status line and the header lines after it.

        Args:
            lines: Without line ends and without the empty line that closes the head.

        Raises:
            ParseError: With an offset that counts two bytes for each line end.
        """
        found = _STATUS_LINE.fullmatch(_start_line(lines))
        if not found:
            raise ParseError(0, "status-line")
        version, status, reason = found.groups(default="")
        return cls(int(status), _parse_headers(lines), reason=reason, version=version)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read one whole response.

        Raises:
            ParseError: It is malformed, incomplete, or something follows it.
        """
        lines, body = _split(data)
        head = cls.parse_head(lines)
        return cls(head.status, head.headers, _whole(head.headers, body), head.reason, head.version)

    def to_bytes(self) -> bytes:
        """The response as it is sent: CSeq first, Content-Length where there is a body.

        Raises:
            ValueError: A reason or header that a response cannot hold.
        """
        return _message(f"{self.version} {self.status} {self.reason}", self.headers, self.body)


# +---------------+---------------+-------------------------------+
# |   "$" (36)    |    channel    |       length of payload       |
# +---------------+---------------+-------------------------------+
_FRAME_PREFIX = struct.Struct(">cBH")


@dataclass(frozen=True, slots=True)
class InterleavedFrame:
    """A packet inside the connection of the requests (RFC 2326 section 10.12).

    Attributes:
        channel: 0 to 255, as agreed on by SETUP.
        payload: One RTP or RTCP packet of at most 65535 bytes.
    """

    channel: int
    payload: bytes

    @classmethod
    def parse(cls, data: bytes) -> tuple[Self, bytes] | None:
        """Take one frame off the front of what was received.

        Returns:
            The frame and what follows it, or None while the frame is incomplete.

        Raises:
            ParseError: The data do not begin with a dollar sign.
        """
        if data[:1] not in (INTERLEAVED_MAGIC, b""):
            raise ParseError(0, "interleaved")
        if len(data) < _FRAME_PREFIX.size:
            return None
        _, channel, length = _FRAME_PREFIX.unpack_from(data)
        end = _FRAME_PREFIX.size + length
        if len(data) < end:
            return None
        return cls(channel, data[_FRAME_PREFIX.size : end]), data[end:]

    def to_bytes(self) -> bytes:
        """The frame as it is sent.

        Raises:
            ValueError: The channel or the length does not fit its field.
        """
        try:
            prefix = _FRAME_PREFIX.pack(INTERLEAVED_MAGIC, self.channel, len(self.payload))
        except struct.error as error:
            raise ValueError(f"no interleaved frame: {error}") from None
        return prefix + self.payload


def is_http(request_line: bytes) -> bool:
    """Whether a first line is one of HTTP: a browser, or a player that asks for a tunnel."""
    return _HTTP_REQUEST_LINE.fullmatch(request_line) is not None


def content_length(headers: Headers) -> int:
    """How many bytes of body follow a head; 0 where it does not say.

    Raises:
        ParseError: Not a number, or two numbers that differ: no one knows where the body ends.
    """
    lengths = {parse_number(text, "Content-Length") for text in headers.get_all("Content-Length")}
    if len(lengths) > 1:
        raise ParseError(0, "Content-Length", "contradictory")
    return lengths.pop() if lengths else 0


def _start_line(lines: Sequence[bytes]) -> str:
    if not lines:
        raise ParseError(0, "message", "empty")
    return _decode(lines[0], 0).rstrip(_BLANK)


def _parse_headers(lines: Sequence[bytes]) -> Headers:
    """Read the lines after the first; one that begins with a blank goes on with the last."""
    fields: list[tuple[str, list[str]]] = []
    offset = len(lines[0]) + 2
    for line in lines[1:]:
        text = _decode(line, offset)
        if text.startswith((" ", "\t")) and fields:
            fields[-1][1].append(text.strip(_BLANK))
        else:
            name, colon, value = text.partition(":")
            if not colon or not _TOKEN.fullmatch(name.rstrip(_BLANK)):
                raise ParseError(offset, "header")
            fields.append((name.rstrip(_BLANK), [value.strip(_BLANK)]))
        offset += len(line) + 2
    return Headers([(name, " ".join(filter(None, parts))) for name, parts in fields])


def _decode(line: bytes, offset: int) -> str:
    text = line.decode("utf-8", "surrogateescape")
    if control := _CONTROL.search(text):
        raise ParseError(offset + control.start(), "text", "control character")
    return text


def _split(data: bytes) -> tuple[list[bytes], bytes]:
    """The lines of the head, which end in CR LF or LF, and what follows the empty one."""
    lines: list[bytes] = []
    start = 0
    while (end := data.find(b"\n", start)) >= 0:
        line = data[start:end].removesuffix(b"\r")
        start = end + 1
        if not line:
            return lines, data[start:]
        lines.append(line)
    raise ParseError(len(data), "message", "has no empty line")


def _whole(headers: Headers, body: bytes) -> bytes:
    if len(body) != content_length(headers):
        raise ParseError(0, "message-body", "is not as long as Content-Length")
    return body


def _message(start_line: str, headers: Headers, body: bytes) -> bytes:
    # GStreamer and live555 count a header without a value as an error.
    fields = [(n, v) for n, v in headers if v and n.lower() != "content-length"]
    fields.sort(key=lambda item: item[0].lower() != "cseq")
    if body:
        fields.append(("Content-Length", str(len(body))))
    lines = [start_line, *(_header_line(name, value) for name, value in fields)]
    if any(_CONTROL.search(line) for line in lines):
        raise ValueError("control character in a message")
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("utf-8", "surrogateescape") + body


def _header_line(name: str, value: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"no header name: {name!r}")
    return f"{name}: {value}"
