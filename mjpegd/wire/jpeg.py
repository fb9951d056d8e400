"""The JPEG bit stream: frame boundaries, segments, tables, and what RFC 2435 can carry.

Segments are walked (ITU-T T.81 annex B); nobody searches for FF D9, which thumbnails and
comments may contain as well.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import NamedTuple, Self

from mjpegd.wire.errors import BrokenJpegError, UnsupportedJpegError

SOI = b"\xff\xd8"
EOI = b"\xff\xd9"

# The fragment offset of RTP/JPEG has 24 bits (RFC 2435 section 3.1.2).
MAX_FRAME_BYTES = 1 << 24

# Padding between frames is short; what goes on for longer is no stream of JPEGs.
MAX_JUNK_BYTES = 1 << 20

# An oversized frame is walked to its end so that the ones behind it are found, but not for ever.
MAX_WALK_BYTES = 4 * MAX_FRAME_BYTES

# Colour profiles and metadata may be spread over some hundred.
MAX_SEGMENTS = 1024
# The frames of a film mostly have one header, byte for byte: so many are not read anew, if they are
# no longer than this.
KEPT_HEADERS = 64
KEPT_HEADER_BYTES = 4096

MAX_SIDE_PIXELS = 2040  # RFC 2435 section 3.1.5: eight bits, in units of 8 pixels

_SOF0, _DHT, _RST0, _SOI, _EOI = 0xC0, 0xC4, 0xD0, 0xD8, 0xD9
_SOS, _DQT, _DNL, _DRI, _APP0, _APP14 = 0xDA, 0xDB, 0xDC, 0xDD, 0xE0, 0xEE
_APP15, _COM = 0xEF, 0xFE
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {_DHT, 0xC8, 0xCC}

_SOS_MARKER = bytes((0xFF, _SOS))

# The start of a JPEG: SOI, and the first byte of the marker that has to follow.
_START = SOI + b"\xff"

# A marker; any number of fill bytes may come first (T.81 section B.1.1.2).
_MARKER = re.compile(rb"\xff+[^\xff]")

# What can end entropy-coded data: tables, SOS, DNL, APPn, COM, EOI, or SOI of the next frame.
# Other codes there are stuffing, restart markers or damage, which decoders skip.
_AFTER_SCAN = re.compile(rb"\xff(?:[\xc4\xcc\xd9-\xef\xfe]|\xd8\xff)")


def _starts_segment(code: int) -> bool:
    """Whether a length and that many bytes follow this marker."""
    return code >= _SOF0 and not _RST0 <= code <= _EOI


# --- Where frames begin and end -----------------------------------------------------------------


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
        match = _AFTER_SCAN.search(self._buffer, self._position)
        if match is None:
            self._move(max(self._position, len(self._buffer) - 2))
            return False
        self._move(match.start())
        self._place = _Place.MARKER
        return True

    def _read_marker(self) -> bool:
        match = _MARKER.match(self._buffer, self._position)
        if match is None:
            # Nothing but fill bytes so far; the last may belong to the marker.
            self._move(max(self._position, len(self._buffer) - 1))
            return False
        code, body = self._buffer[match.end() - 1], match.end()
        if _starts_segment(code):
            return self._read_segment(code, body)
        if code in {_SOI, _EOI}:
            self._end_frame(body if code == _EOI else body - len(SOI))
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
        self._has_tables |= code == _DQT
        self._has_frame_header |= code in _FRAME_HEADERS
        if code == _SOS:
            self._has_scan = True
            self._place = _Place.SCAN
        self._move(end)
        return True

    def _may_follow(self, code: int, following: int) -> bool:
        """Whether the byte behind a segment shows that its length was true."""
        return self._has_frame_header if code == _SOS else following == 0xFF

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


# --- What one frame says ------------------------------------------------------------------------


_TOO_MANY = "has more segments than any encoder writes"


class Segment(NamedTuple):
    """A marker and what belongs to it (T.81 section B.1.1.4)."""

    code: int
    body: bytes  # without the length
    end: int  # offset of what follows


_Header = tuple[Segment, ...]  # from SOI to the first SOS


def _segment_at(data: bytes, position: int) -> Segment:
    match = _MARKER.match(data, position)
    if match is None:
        raise BrokenJpegError("cut off or damaged in its header")
    body, code = match.end(), data[match.end() - 1]
    if not _starts_segment(code):
        raise BrokenJpegError(f"no segment may begin with the marker FF {code:02X}")
    size = int.from_bytes(data[body : body + 2], "big")
    if size < 2 or body + size > len(data):
        raise BrokenJpegError("cut off or damaged in its header")
    return Segment(code, data[body + 2 : body + size], body + size)


def header_segments(data: bytes) -> Iterator[Segment]:
    """The segments from SOI to the first SOS, which is the last one."""
    if not data.startswith(SOI):
        raise BrokenJpegError("does not begin with SOI")
    position = len(SOI)
    for _ in range(MAX_SEGMENTS):
        segment = _segment_at(data, position)
        yield segment
        if segment.code == _SOS:
            return
        position = segment.end
    raise BrokenJpegError(_TOO_MANY)


def later_segments(data: bytes, position: int) -> Iterator[Segment]:
    """The segments between scans, as far as they can be read."""
    for _ in range(MAX_SEGMENTS):
        position = after_scan(data, position)
        if position == len(data) or data[position + 1] in {_SOI, _EOI}:
            return
        try:
            segment = _segment_at(data, position)
        except BrokenJpegError:
            return
        yield segment
        position = segment.end
    raise BrokenJpegError(_TOO_MANY)


def after_scan(data: bytes, position: int) -> int:
    """Where the entropy-coded data end that begin at a position."""
    match = _AFTER_SCAN.search(data, position)
    return match.start() if match else len(data)


def _end(data: bytes, header: _Header) -> int:
    """Where EOI is or should be."""
    *_, last = header[-1], *later_segments(data, header[-1].end)
    return after_scan(data, last.end)


def whole(data: bytes) -> bytes:
    """One JPEG from SOI to EOI: what follows EOI is cut off, a missing EOI is added.

    Raises:
        BrokenJpegError: The data does not begin with a JPEG that has a scan, or it is larger
            than `MAX_FRAME_BYTES`.
    """
    header = tuple(header_segments(data))
    end = _end(data, header)
    if end == header[-1].end:
        raise BrokenJpegError("has no picture data")
    if end + len(EOI) > MAX_FRAME_BYTES:
        raise BrokenJpegError("has more than 16 MiB")
    return data[:end] + EOI


def tables(data: bytes) -> bytes:
    """The DQT and DHT segments of a JPEG, to be put behind SOI of one that lacks them.

    Raises:
        BrokenJpegError: The data has no readable header.
    """
    return b"".join(
        b"\xff%c%b%b" % (segment.code, (len(segment.body) + 2).to_bytes(2, "big"), segment.body)
        for segment in header_segments(data)
        if segment.code in {_DQT, _DHT}
    )


@dataclass(frozen=True, slots=True)
class Component:
    """One colour component of a frame header (T.81 section B.2.2).

    Attributes:
        identifier: The name that scan headers use, 0 to 255.
        horizontal: Sampling factor, 1 to 4.
        vertical: Sampling factor, 1 to 4.
        table: Identifier of its quantization table, 0 to 3.
    """

    identifier: int
    horizontal: int
    vertical: int
    table: int


@dataclass(frozen=True, slots=True)
class ScanComponent:
    """One component of a scan header (T.81 section B.2.3).

    Attributes:
        identifier: That of a component of the frame.
        dc_table: Identifier of its Huffman table for DC coefficients, 0 to 3.
        ac_table: Identifier of its Huffman table for AC coefficients, 0 to 3.
    """

    identifier: int
    dc_table: int
    ac_table: int


@dataclass(frozen=True, slots=True)
class JpegImage:
    """What a JPEG says about itself, and its entropy-coded data, undecoded.

    Attributes:
        width: Pixels, 1 to 65535.
        height: Pixels, 1 to 65535; from DNL where the frame header leaves it open.
        precision: Bits in a sample.
        coding: Number of the frame header: 0 baseline, 1 extended, 2 progressive, ...
        components: In the order of the frame header.
        scan_components: Those of the first scan, in the order of its header.
        quantization: Tables by identifier, in zig-zag order: 64 bytes, or 128 where entries
            have 16 bits.
        huffman: Tables by class (0 DC, 1 AC) and identifier: 16 counts and then the symbols.
        restart_interval: MCUs between restart markers; 0 means none.
        adobe_transform: What the Adobe segment says of the colours (0 none, 1 YCbCr, 2 YCCK);
            None without such a segment.
        is_field: It is one field of an interlaced frame; the other may follow in the same chunk.
        scan: Entropy-coded data of the first scan, a view into what was parsed; never empty.
        scans: How many scans there are.
    """

    width: int
    height: int
    precision: int
    coding: int
    components: tuple[Component, ...]
    scan_components: tuple[ScanComponent, ...]
    quantization: Mapping[int, bytes]
    huffman: Mapping[tuple[int, int], bytes]
    restart_interval: int
    adobe_transform: int | None
    is_field: bool
    scan: memoryview
    scans: int

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the first JPEG of a buffer, from SOI at its beginning.

        EOI may be missing, and anything may follow it.

        Raises:
            BrokenJpegError: The header cannot be read or contradicts itself, or no data follow.
        """
        try:
            return cls._read(data)
        except (IndexError, ValueError):
            raise BrokenJpegError("has a malformed segment in its header") from None

    @classmethod
    def _read(cls, data: bytes) -> Self:
        told, start = _read_header(data)
        scan = memoryview(data)[start : after_scan(data, start)]
        if not scan:
            raise BrokenJpegError("has no picture data")
        rest = tuple(later_segments(data, start + len(scan)))
        frame = told.frame
        width, height = int.from_bytes(frame.body[3:5], "big"), _height(frame, rest)
        if not (width and height):
            raise BrokenJpegError(f"claims a size of {width}x{height} pixels")
        return cls(
            width=width,
            height=height,
            precision=frame.body[0],
            coding=frame.code - _SOF0,
            components=told.components,
            scan_components=told.scan_components,
            quantization=told.quantization,
            huffman=told.huffman,
            restart_interval=told.restart_interval,
            adobe_transform=told.adobe_transform,
            is_field=told.is_field,
            scan=scan,
            scans=1 + sum(segment.code == _SOS for segment in rest),
        )

    @property
    def is_rgb(self) -> bool:
        """Whether three components are red, green and blue rather than Y, Cb and Cr."""
        names = bytes(part.identifier for part in self.components)
        named_rgb = self.adobe_transform is None and names == b"RGB"
        return len(names) == 3 and (self.adobe_transform == 0 or named_rgb)


class _Told(NamedTuple):
    """What a header tells by itself (see `JpegImage`)."""

    frame: Segment
    components: tuple[Component, ...]
    scan_components: tuple[ScanComponent, ...]
    quantization: Mapping[int, bytes]
    huffman: Mapping[tuple[int, int], bytes]
    restart_interval: int
    adobe_transform: int | None
    is_field: bool


def _told(header: _Header) -> _Told:
    frame = _frame_header(header)
    return _Told(
        frame=frame,
        components=_components(frame.body),
        scan_components=_scan_components(header[-1].body),
        quantization=quantization_tables(header),
        huffman=huffman_tables(header),
        restart_interval=_restart_interval(header),
        adobe_transform=_adobe_transform(header),
        is_field=_is_field(header),
    )


def _read_header(data: bytes) -> tuple[_Told, int]:
    """What the header of a JPEG tells, and the offset behind it."""
    sos = data.find(_SOS_MARKER, 0, KEPT_HEADER_BYTES)
    if sos > 0:
        body = sos + len(_SOS_MARKER)
        end = body + int.from_bytes(data[body : body + 2], "big")
        if end <= KEPT_HEADER_BYTES and (told := _told_by(data[:end])) is not None:
            return told, end
    header = tuple(header_segments(data))
    return _told(header), header[-1].end


@lru_cache(maxsize=KEPT_HEADERS)
def _told_by(header: bytes) -> _Told | None:
    """What a header tells; None where that is no whole one, as where SOS is part of a comment."""
    try:
        segments = tuple(header_segments(header))
    except BrokenJpegError:
        return None
    return _told(segments) if segments[-1].end == len(header) else None


def _bodies(header: _Header, code: int) -> list[bytes]:
    return [segment.body for segment in header if segment.code == code]


def _frame_header(header: _Header) -> Segment:
    # P | Y Y | X X | Nf | Nf times: C, H and V, Tq
    found = [segment for segment in header if segment.code in _FRAME_HEADERS]
    if len(found) != 1:
        raise BrokenJpegError(f"has {len(found)} frame headers")
    return found[0]


def _height(frame: Segment, rest: _Header) -> int:
    # DNL tells what was not known when the frame header was written.
    heights = [frame.body[1:3], *(body[:2] for body in _bodies(rest, _DNL))]
    return next(filter(None, (int.from_bytes(height, "big") for height in heights)), 0)


def _components(body: bytes) -> tuple[Component, ...]:
    return tuple(
        Component(
            body[at], _one_to_four(body[at + 1] >> 4), _one_to_four(body[at + 1] & 15), body[at + 2]
        )
        for at in range(6, 6 + 3 * _one_to_four(body[5]), 3)
    )


def _scan_components(body: bytes) -> tuple[ScanComponent, ...]:
    # Ns | Ns times: Cs, Td and Ta | Ss | Se | Ah and Al
    return tuple(
        ScanComponent(body[at], body[at + 1] >> 4, body[at + 1] & 15)
        for at in range(1, 1 + 2 * _one_to_four(body[0]), 2)
    )


def _one_to_four(number: int) -> int:
    if not 1 <= number <= 4:
        raise ValueError
    return number


def quantization_tables(header: _Header) -> dict[int, bytes]:
    """By identifier, the tables of DQT segments: 64 bytes, or 128 where entries have 16 bits.

    Raises:
        ValueError: One is cut off.
    """
    # Pq and Tq | 64 entries of one byte, or of two where Pq is not 0 | more of the same
    found = {}
    for body in _bodies(header, _DQT):
        at = 0
        while at < len(body):
            end = at + (129 if body[at] >> 4 else 65)
            found[body[at] & 15] = _table(body, at + 1, end)
            at = end
    return found


def huffman_tables(header: _Header) -> dict[tuple[int, int], bytes]:
    """By class and identifier, the tables of DHT segments: 16 counts and the symbols.

    Raises:
        IndexError, ValueError: One is cut off.
    """
    # Tc and Th | 16 counts | symbols, as many as the counts say | more of the same
    found = {}
    for body in _bodies(header, _DHT):
        at = 0
        while at < len(body):
            end = at + 17 + sum(body[at + 1 : at + 17])
            found[body[at] >> 4, body[at] & 15] = _table(body, at + 1, end)
            at = end
    return found


def _table(body: bytes, start: int, end: int) -> bytes:
    if end > len(body):
        raise ValueError
    return body[start:end]


def _restart_interval(header: _Header) -> int:
    bodies = _bodies(header, _DRI)
    return bodies[-1][0] << 8 | bodies[-1][1] if bodies else 0


def _adobe_transform(header: _Header) -> int | None:
    # "Adobe" | version, two sets of flags, of two bytes each | transform
    bodies = [body for body in _bodies(header, _APP14) if body[:5] == b"Adobe" and len(body) > 11]
    return bodies[-1][11] if bodies else None


def _is_field(header: _Header) -> bool:
    # "AVI1" | polarity: 0 a whole frame, 1 the odd field, 2 the even one
    return any(body[:4] == b"AVI1" and body[4:5] > b"\0" for body in _bodies(header, _APP0))


# --- What RFC 2435 can carry --------------------------------------------------------------------

# The Huffman tables of T.81 annex K.3, by class and identifier: all that receivers will use.
STANDARD_HUFFMAN: Mapping[tuple[int, int], bytes] = {
    (0, 0): bytes.fromhex("00010501010101010100000000000000 000102030405060708090a0b"),
    (0, 1): bytes.fromhex("00030101010101010101010000000000 000102030405060708090a0b"),
    (1, 0): bytes.fromhex(
        "0002010303020403050504040000017d"
        "01020300041105122131410613516107227114328191a1082342b1c11552d1f0"
        "2433627282090a161718191a25262728292a3435363738393a43444546474849"
        "4a535455565758595a636465666768696a737475767778797a83848586878889"
        "8a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5"
        "c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8"
        "f9fa"
    ),
    (1, 1): bytes.fromhex(
        "00020102040403040705040400010277"
        "000102031104052131061241510761711322328108144291a1b1c109233352f0"
        "156272d10a162434e125f11718191a262728292a35363738393a434445464748"
        "494a535455565758595a636465666768696a737475767778797a828384858687"
        "88898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3"
        "c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8"
        "f9fa"
    ),
}

# Sampling factors of Y, Cb, Cr and the type that says so (RFC 2435 section 4.1).
_TYPES: Mapping[tuple[tuple[int, int], ...], int] = {
    ((2, 1), (1, 1), (1, 1)): 0,
    ((2, 2), (1, 1), (1, 1)): 1,
}

# How many luma samples there are for one of chroma, across and down.
_SAMPLING_NAMES: Mapping[tuple[float, float], str] = {
    (1, 1): "4:4:4",
    (2, 1): "4:2:2",
    (2, 2): "4:2:0",
    (1, 2): "4:4:0",
    (4, 1): "4:1:1",
    (4, 2): "4:1:0",
}

_CODING_NAMES = {2: "progressive", 3: "lossless", 9: "arithmetic coding", 10: "arithmetic coding"}


@dataclass(frozen=True, slots=True)
class JpegFrame:
    """A picture as RFC 2435 describes it.

    Attributes:
        type: 0 for 4:2:2, 1 for 4:2:0; without the 64 that tells of restart markers.
        width: Pixels, a multiple of 8, at most 2040; the picture may have up to 7 fewer. 0 if
            the packets do not tell it, because a side has more than 2040 pixels.
        height: Pixels, likewise; 0 if the width is.
        restart_interval: MCUs between restart markers; 0 means none.
        quantization: 64 bytes for luma and 64 for chroma, in zig-zag order.
        scan: Entropy-coded data, made with the Huffman tables of T.81 annex K; without EOI.
        extension: Marker segments that the RTP header extension of the first packet carries, for
            what does not fit into RTP/JPEG's own headers (ONVIF streaming specification, "JPEG
            header extension").
    """

    type: int
    width: int
    height: int
    restart_interval: int
    quantization: bytes
    scan: bytes | memoryview
    extension: bytes = b""


def rtp_frame(image: JpegImage, *, any_size: bool = False) -> JpegFrame:
    """What RTP carries of a JPEG that can be sent as it is (RFC 2435 sections 3 and 4).

    Args:
        image: What is to be sent.
        any_size: Sides of more than 2040 pixels are no obstacle: the frame tells no size then.

    Raises:
        UnsupportedJpegError: It would have to be coded anew; the text names the obstacle in a
            few words, such as "4:4:4 sampling".
    """
    for obstacle in _OBSTACLES if any_size else (_size_obstacle, *_OBSTACLES):
        if reason := obstacle(image):
            raise UnsupportedJpegError(reason)
    is_told = max(image.width, image.height) <= MAX_SIDE_PIXELS
    luma, chroma, _ = (narrowed(image.quantization[part.table]) for part in image.components)
    return JpegFrame(
        type=_TYPES[_factors(image)],
        width=_up_to_eight(image.width) if is_told else 0,
        height=_up_to_eight(image.height) if is_told else 0,
        restart_interval=image.restart_interval,
        quantization=luma + chroma,
        scan=image.scan,
    )


def narrowed(table: bytes) -> bytes:
    """A quantization table with entries of 8 bits if they fit; else as it is."""
    return table[1::2] if len(table) > 64 and not any(table[::2]) else table


def _up_to_eight(pixels: int) -> int:
    return (pixels + 7) // 8 * 8


def _factors(image: JpegImage) -> tuple[tuple[int, int], ...]:
    return tuple((part.horizontal, part.vertical) for part in image.components)


def _coding_obstacle(image: JpegImage) -> str:
    # Extended sequential Huffman coding of 8 bits is read by any baseline decoder.
    if image.coding not in {0, 1}:
        return _CODING_NAMES.get(image.coding, f"coding process {image.coding}")
    return "" if image.precision == 8 else f"{image.precision} bits per sample"


def _colour_obstacle(image: JpegImage) -> str:
    number = len(image.components)
    if number != 3:
        return {1: "greyscale", 4: "CMYK colours"}.get(number, f"{number} colour components")
    return "RGB colours" if image.is_rgb else ""


def _sampling_obstacle(image: JpegImage) -> str:
    factors = _factors(image)
    if factors in _TYPES:
        return ""
    luma, blue, red = factors
    ratio = (luma[0] / blue[0], luma[1] / blue[1])
    name = _SAMPLING_NAMES.get(ratio) if blue == red else None
    if name in {"4:2:2", "4:2:0"}:
        form = ", ".join(f"{across}x{down}" for across, down in factors)
        return f"{name} sampling written as {form}"
    return f"{name or 'unusual'} sampling"


def _scan_obstacle(image: JpegImage) -> str:
    order = [part.identifier for part in image.components]
    if image.scans > 1 or [part.identifier for part in image.scan_components] != order:
        return "more than one scan"
    return ""


def _size_obstacle(image: JpegImage) -> str:
    if image.width > MAX_SIDE_PIXELS:
        return f"wider than {MAX_SIDE_PIXELS} pixels"
    if image.height > MAX_SIDE_PIXELS:
        return f"higher than {MAX_SIDE_PIXELS} pixels"
    return ""


def _data_obstacle(image: JpegImage) -> str:
    return "" if len(image.scan) < MAX_FRAME_BYTES else "more than 16 MiB of data"


def _quantization_obstacle(image: JpegImage) -> str:
    used = [narrowed(image.quantization.get(part.table, b"")) for part in image.components]
    if not all(used):
        return "no quantization tables"
    if any(len(table) != 64 for table in used):
        return "16-bit quantization tables"
    return "" if used[1] == used[2] else "different quantization tables for Cb and Cr"


def _huffman_obstacle(image: JpegImage) -> str:
    known = {**STANDARD_HUFFMAN, **image.huffman}
    for place, part in enumerate(image.scan_components):
        wanted = min(place, 1)
        for kind, table in enumerate((part.dc_table, part.ac_table)):
            if known.get((kind, table)) != STANDARD_HUFFMAN[kind, wanted]:
                return "its own Huffman tables"
    return ""


_OBSTACLES: tuple[Callable[[JpegImage], str], ...] = (
    _coding_obstacle,
    _colour_obstacle,
    _sampling_obstacle,
    _scan_obstacle,
    _data_obstacle,
    _quantization_obstacle,
    _huffman_obstacle,
)


# --- What is made good on the way ---------------------------------------------------------------


def repairs(data: bytes) -> tuple[str, ...]:
    """What of one JPEG's headers no viewer gets as it is, since RTP tells it in another way.

    Nothing of it changes the picture: what RTP has no room for is left out, what is missing
    follows from T.81 annex K.

    Returns:
        Short phrases such as "no Huffman tables"; none for a plain file.

    Raises:
        BrokenJpegError: As `JpegImage.parse`.
    """
    image = JpegImage.parse(data)
    header = tuple(header_segments(data))
    used = {part.table for part in image.components}
    tables = [image.quantization.get(part.table, b"") for part in image.components]
    end = _end(data, header)
    found = {
        "one quantization table for all components": len(tables) == 3 and len(used) == 1,
        "16-bit quantization tables": any(narrowed(table) != table for table in tables),
        "no Huffman tables": not image.huffman,
        "application segments": any(map(_is_left_out, header)),
        "comments": any(segment.code == _COM for segment in header),
        "fill bytes": _has_fill_bytes(header),
        "no end": data[end : end + len(EOI)] != EOI,
        "bytes behind the end": end + len(EOI) < len(data),
    }
    return tuple(phrase for phrase, is_found in found.items() if is_found)


def _is_left_out(segment: Segment) -> bool:
    """Whether an application segment tells more than every JPEG that RTP carries has."""
    is_jfif = segment.code == _APP0 and segment.body[:4] in {b"JFIF", b"AVI1"}
    is_ycbcr = segment.code == _APP14 and _adobe_transform((segment,)) == 1
    return _APP0 <= segment.code <= _APP15 and not (is_jfif or is_ycbcr)


def _has_fill_bytes(header: _Header) -> bool:
    # Marker and length are four bytes.
    sizes = sum(4 + len(segment.body) for segment in header)
    return len(SOI) + sizes < header[-1].end
