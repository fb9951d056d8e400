"""Cuts what comes over a connection into messages and interleaved packets, within limits."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from mjpegd.wire.errors import ParseError
from mjpegd.wire.messages import Request, Response, content_length
from mjpegd.wire.packets import INTERLEAVED_MAGIC, INTERLEAVED_PREFIX_BYTES

from ..errors import ConfusedError

# Cameras write some hundred bytes; what is longer is no head, or wants to fill the memory.
MAX_HEAD_BYTES = 65_536
# Descriptions have some kilobytes, lists of streams not many more.
MAX_BODY_BYTES = 1_048_576

_HEAD_END = re.compile(rb"\n\r?\n")
# The longest end of a head that may still miss its last byte.
_HEAD_END_BYTES = 3
_MAGIC = ord(INTERLEAVED_MAGIC)


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet between the messages (RFC 2326 section 10.12).

    Attributes:
        channel: 0 to 255.
        payload: RTP or RTCP, if the server keeps to what was agreed on.
    """

    channel: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Heard:
    """A message, and the bytes that it came in."""

    message: Request | Response
    raw: bytes


@dataclass(frozen=True, slots=True)
class _Head:
    """A message whose body is still to come."""

    message: Request | Response
    raw: bytes
    body_bytes: int


class Reader:
    """What a server says, in its order."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._searched_bytes = 0
        self._head: _Head | None = None

    def feed(self, data: bytes) -> Iterator[Packet | Heard]:
        """Take what has come; all that is complete with it.

        Whoever iterates goes on to the end, or feeds no more.

        Raises:
            ConfusedError: That is no RTSP, or above a limit; nothing can be read after it.
        """
        self._waiting += data
        start, end = 0, len(self._waiting)
        while start < end:
            event, next_start = self._take(start)
            if next_start == start:
                break
            start = next_start
            if event is not None:
                yield event
        del self._waiting[:start]

    def _take(self, start: int) -> tuple[Packet | Heard | None, int]:
        """What begins at `start`, and where the next begins; `start` while it is incomplete."""
        if self._head is not None:
            return self._take_body(self._head, start)
        first = self._waiting[start]
        if first == _MAGIC:
            return self._take_packet(start)
        if first in b"\r\n":  # Some servers pad messages with line ends.
            return None, start + 1
        if not chr(first).isalpha():
            raise ConfusedError("What the server sends is not RTSP: is the port the right one?")
        return self._take_head(start)

    def _take_packet(self, start: int) -> tuple[Packet | None, int]:
        waiting = self._waiting
        begin = start + INTERLEAVED_PREFIX_BYTES
        if len(waiting) < begin:
            return None, start
        end = begin + (waiting[start + 2] << 8 | waiting[start + 3])
        if len(waiting) < end:
            return None, start
        return Packet(waiting[start + 1], bytes(waiting[begin:end])), end

    def _take_head(self, start: int) -> tuple[Heard | None, int]:
        found = _HEAD_END.search(self._waiting, start + self._searched_bytes)
        end = found.end() if found else len(self._waiting)
        if end - start > MAX_HEAD_BYTES:
            raise ConfusedError(f"The server sends a head of more than {MAX_HEAD_BYTES} bytes.")
        if not found:
            self._searched_bytes = max(0, end - start - _HEAD_END_BYTES)
            return None, start
        self._searched_bytes = 0
        head = _parse_head(bytes(self._waiting[start:end]))
        if not head.body_bytes:
            return Heard(head.message, head.raw), end
        self._head = head
        return None, end

    def _take_body(self, head: _Head, start: int) -> tuple[Heard | None, int]:
        end = start + head.body_bytes
        if len(self._waiting) < end:
            return None, start
        self._head = None
        body = bytes(self._waiting[start:end])
        return Heard(replace(head.message, body=body), head.raw + body), end


def _parse_head(raw: bytes) -> _Head:
    lines = [line.removesuffix(b"\r") for line in raw.rstrip(b"\r\n").split(b"\n")]
    try:
        message: Request | Response
        if lines[0].startswith((b"RTSP/", b"HTTP/")):
            message = Response.parse_head(lines)
        else:
            message = Request.parse_head(lines)
        body_bytes = content_length(message.headers)
    except ParseError as fault:
        raise ConfusedError(f"The server sends a message that is no RTSP: {fault}.") from None
    if message.version.startswith("HTTP/"):
        raise ConfusedError("The server speaks HTTP on this port, not RTSP.")
    if body_bytes > MAX_BODY_BYTES:
        raise ConfusedError(f"The server sends a body of more than {MAX_BODY_BYTES} bytes.")
    return _Head(message, raw, body_bytes)
