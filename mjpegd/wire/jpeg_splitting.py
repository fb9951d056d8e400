"""Where JPEGs begin and end in a run of bytes that may hold anything else between them."""

from dataclasses import dataclass
from enum import Enum

from mjpegd.wire.jpeg_segments import (
    AFTER_SCAN,
    ENDS,
    FRAME_HEADERS,
    MARKER,
    MAX_FRAME_BYTES,
    SOI,
    Code,
    starts_segment,
)

# Padding between frames is short; what goes on for longer is no stream of JPEGs.
MAX_JUNK_BYTES = 1 << 20

# An oversized frame is walked to its end so that the ones behind it are found, but not for ever.
MAX_WALK_BYTES = 4 * MAX_FRAME_BYTES

# The start of a JPEG: SOI, and the first byte of the marker that has to follow.
_START = SOI + b"\xff"


@dataclass(frozen=True, slots=True)
class Span:
    """The place of one JPEG in a longer run of bytes.

    Attributes:
        start: Offset of its SOI.
        size: Bytes from SOI up to and with EOI, or up to where the next frame begins.
        has_tables: It holds a DQT; without one it needs the tables of an earlier frame.
    """

    start: int
    size: int
    has_tables: bool


class _Place(Enum):
    JUNK = "between frames"
    MARKER = "where a marker is due"
    SCAN = "in entropy-coded data"


class FrameSplitter:
    """Finds whole JPEGs in concatenated data that comes in pieces.

    A frame is SOI, segments with a frame header among them, and at least one byte of a scan. It
    ends with EOI or where the next SOI begins. Its size in pixels plays no part: nothing is
    allocated by what a header says. At most one segment, 64 KiB, is kept between pieces.

    Attributes:
        exhausted: More than `MAX_JUNK_BYTES` went by without a frame, or one frame did not end
            within `MAX_WALK_BYTES`; nothing more will be found.
        oversized: How many frames were left out because of `MAX_FRAME_BYTES`.
    """

    def __init__(self) -> None:
        self.exhausted = False
        self.oversized = 0
        self._buffer = bytearray()
        self._base = 0  # offset of the buffer's first byte
        self._position = 0  # in the buffer: what is before it has been dealt with
        self._junk_start = 0  # offset where the last frame ended
        self._place = _Place.JUNK
        self._spans: list[Span] = []
        self._begin(0)

    def feed(self, data: bytes) -> list[Span]:
        """Take the next bytes; the frames that ended in them, with offsets from the first byte."""
        if self.exhausted:
            return []
        self._buffer += data
        self._walk()
        del self._buffer[: self._position]
        self._base += self._position
        self._position = 0
        return self._take_spans()

    def finish(self) -> list[Span]:
        """The frames that only the end of the data ends.

        A last frame without EOI counts if its scan has begun, even if it was cut off there: its
        upper part can be shown. One that is cut off in its header is no frame.
        """
        while self._place is not _Place.JUNK and not self.exhausted:
            if self._place is _Place.SCAN:
                self._end_frame(len(self._buffer))
            else:
                self._reject_marker()
                self._walk()
        return self._take_spans()

    def _take_spans(self) -> list[Span]:
        spans, self._spans = self._spans, []
        return spans

    def _walk(self) -> None:
        steps = {
            _Place.JUNK: self._seek_frame,
            _Place.MARKER: self._read_marker,
            _Place.SCAN: self._skip_scan,
        }
        while not self.exhausted and steps[self._place]():
            pass

    def _move(self, position: int) -> None:
        self._position = position
        limit = MAX_JUNK_BYTES if self._place is _Place.JUNK else MAX_WALK_BYTES
        self.exhausted = self._base + position - self._junk_start > limit

    def _begin(self, start: int) -> None:
        self._start = start
        self._has_tables = self._has_frame_header = self._has_scan = False

    def _seek_frame(self) -> bool:
        found = self._buffer.find(_START, self._position)
        if found < 0:
            self._move(max(self._position, len(self._buffer) - len(_START) + 1))
            return False
        self._move(found)
        self._place = _Place.MARKER
        self._begin(self._base + found)
        self._position = found + len(SOI)
        return True

    def _skip_scan(self) -> bool:
        match = AFTER_SCAN.search(self._buffer, self._position)
        if match is None:
            self._move(max(self._position, len(self._buffer) - 2))
            return False
        self._move(match.start())
        self._place = _Place.MARKER
        return True

    def _read_marker(self) -> bool:
        match = MARKER.match(self._buffer, self._position)
        if match is None:
            # Nothing but fill bytes so far; the last may belong to the marker.
            self._move(max(self._position, len(self._buffer) - 1))
            return False
        code, body = self._buffer[match.end() - 1], match.end()
        if starts_segment(code):
            return self._read_segment(code, body)
        if code in ENDS:
            self._end_frame(body if code == Code.EOI else body - len(SOI))
        else:
            self._reject_marker()
        return True

    def _read_segment(self, code: int, body: int) -> bool:
        end = body + int.from_bytes(self._buffer[body : body + 2], "big")
        # Wait for the length, and for one byte behind the segment.
        if len(self._buffer) <= max(end, body + 2):
            return False
        if end < body + 2 or not self._may_follow(code, self._buffer[end]):
            self._reject_marker()
            return True
        self._has_tables |= code == Code.DQT
        self._has_frame_header |= code in FRAME_HEADERS
        if code == Code.SOS:
            self._has_scan = True
            self._place = _Place.SCAN
        self._move(end)
        return True

    def _may_follow(self, code: int, following: int) -> bool:
        """Whether the byte behind a segment shows that its length was true."""
        return self._has_frame_header if code == Code.SOS else following == 0xFF

    def _reject_marker(self) -> None:
        """Go on behind what looked like a marker: in the scan, if there was one already."""
        self._place = _Place.SCAN if self._has_scan else _Place.JUNK
        self._move(self._position + 1)

    def _end_frame(self, position: int) -> None:
        if self._has_scan:
            self._junk_start = self._base + position
            self._report(Span(self._start, self._junk_start - self._start, self._has_tables))
        self._place = _Place.JUNK
        self._move(position)

    def _report(self, span: Span) -> None:
        if span.size > MAX_FRAME_BYTES:
            self.oversized += 1
        else:
            self._spans.append(span)


def split(data: bytes) -> list[Span]:
    """The JPEGs in a buffer, which may have anything else between them."""
    splitter = FrameSplitter()
    return splitter.feed(data) + splitter.finish()
