"""What one JPEG says of itself: its size, colours and tables, and where its data are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from mjpegd.wire.errors import BrokenJpegError
from mjpegd.wire.jpeg_segments import (
    FRAME_HEADERS,
    Code,
    Segment,
    after_scan,
    header_segments,
    later_segments,
)

# The frames of a film mostly have one header, byte for byte: so many are not read anew, if they are
# no longer than this.
KEPT_HEADERS = 64
KEPT_HEADER_BYTES = 4096

_SOS_MARKER = bytes((0xFF, Code.SOS))


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
class JpegHeader:
    """What the segments before the first data tell by themselves.

    Attributes:
        told_size: Width and height in pixels, 0 to 65535; a height of 0 is told by DNL, behind
            the scan.
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
    """

    told_size: tuple[int, int]
    precision: int
    coding: int
    components: tuple[Component, ...]
    scan_components: tuple[ScanComponent, ...]
    quantization: Mapping[int, bytes]
    huffman: Mapping[tuple[int, int], bytes]
    restart_interval: int
    adobe_transform: int | None
    is_field: bool

    @classmethod
    def of(cls, segments: Sequence[Segment]) -> Self:
        """What segments from SOI to the first SOS tell.

        Raises:
            BrokenJpegError: There is not one frame header among them.
            IndexError, ValueError: One is cut off or malformed.
        """
        frame = _frame_header(segments)
        height, width = (int.from_bytes(frame.body[at : at + 2], "big") for at in (1, 3))
        return cls(
            told_size=(width, height),
            precision=frame.body[0],
            coding=frame.code - Code.SOF0,
            components=_components(frame.body),
            scan_components=_scan_components(segments[-1].body),
            quantization=quantization_tables(segments),
            huffman=huffman_tables(segments),
            restart_interval=_restart_interval(segments),
            adobe_transform=adobe_transform(segments),
            is_field=_is_field(segments),
        )

    @property
    def sampling(self) -> tuple[tuple[int, int], ...]:
        """The sampling factors of each component, across and down."""
        return tuple([(part.horizontal, part.vertical) for part in self.components])

    @property
    def component_tables(self) -> list[bytes]:
        """The quantization table of each component; an empty one where it is missing."""
        return [self.quantization.get(part.table, b"") for part in self.components]

    @property
    def is_rgb(self) -> bool:
        """Whether three components are red, green and blue rather than Y, Cb and Cr."""
        names = bytes(part.identifier for part in self.components)
        named_rgb = self.adobe_transform is None and names == b"RGB"
        return len(names) == 3 and (self.adobe_transform == 0 or named_rgb)


@dataclass(frozen=True, slots=True)
class JpegImage:
    """What a JPEG says about itself, and its entropy-coded data, undecoded.

    Attributes:
        header: What is told before the data; frames of a film may share it.
        width: Pixels, 1 to 65535.
        height: Pixels, 1 to 65535; from DNL where the header leaves it open.
        scan: Entropy-coded data of the first scan, a view into what was parsed; never empty.
        scans: How many scans there are.
    """

    header: JpegHeader
    width: int
    height: int
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
            header, start = _read_header(data)
        except (IndexError, ValueError):
            raise BrokenJpegError("has a malformed segment in its header") from None
        scan = memoryview(data)[start : after_scan(data, start)]
        if not scan:
            raise BrokenJpegError("has no picture data")
        rest = tuple(later_segments(data, start + len(scan)))
        width, height = header.told_size
        height = height or _height_behind(rest)
        if not (width and height):
            raise BrokenJpegError(f"claims a size of {width}x{height} pixels")
        scans = 1 + sum(segment.code == Code.SOS for segment in rest)
        return cls(header, width, height, scan, scans)


def _read_header(data: bytes) -> tuple[JpegHeader, int]:
    """What is told before the first data of a JPEG, and the offset at which these begin."""
    sos = data.find(_SOS_MARKER, 0, KEPT_HEADER_BYTES)
    if sos > 0:
        body = sos + len(_SOS_MARKER)
        end = body + int.from_bytes(data[body : body + 2], "big")
        if end <= KEPT_HEADER_BYTES and (header := _kept_header(data[:end])) is not None:
            return header, end
    segments = tuple(header_segments(data))
    return JpegHeader.of(segments), segments[-1].end


@lru_cache(maxsize=KEPT_HEADERS)
def _kept_header(begun: bytes) -> JpegHeader | None:
    """What the bytes before the data tell; None if they end elsewhere, as by SOS in a comment."""
    try:
        segments = tuple(header_segments(begun))
    except BrokenJpegError:
        return None
    return JpegHeader.of(segments) if segments[-1].end == len(begun) else None


def _bodies(segments: Sequence[Segment], code: int) -> list[bytes]:
    return [segment.body for segment in segments if segment.code == code]


def _frame_header(segments: Sequence[Segment]) -> Segment:
    # P | Y Y | X X | Nf | Nf times: C, H and V, Tq
    found = [segment for segment in segments if segment.code in FRAME_HEADERS]
    if len(found) != 1:
        raise BrokenJpegError(f"has {len(found)} frame headers")
    return found[0]


def _height_behind(segments: Sequence[Segment]) -> int:
    # DNL tells what was not known when the frame header was written.
    heights = (int.from_bytes(body[:2], "big") for body in _bodies(segments, Code.DNL))
    return next(filter(None, heights), 0)


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


def quantization_tables(segments: Sequence[Segment]) -> dict[int, bytes]:
    """By identifier, the tables of DQT segments: 64 bytes, or 128 where entries have 16 bits.

    Raises:
        ValueError: One is cut off.
    """
    # Pq and Tq | 64 entries of one byte, or of two where Pq is not 0 | more of the same
    found = {}
    for body in _bodies(segments, Code.DQT):
        at = 0
        while at < len(body):
            end = at + (129 if body[at] >> 4 else 65)
            found[body[at] & 15] = _table(body, at + 1, end)
            at = end
    return found


def huffman_tables(segments: Sequence[Segment]) -> dict[tuple[int, int], bytes]:
    """By class and identifier, the tables of DHT segments: 16 counts and the symbols.

    Raises:
        IndexError, ValueError: One is cut off.
    """
    # Tc and Th | 16 counts | symbols, as many as the counts say | more of the same
    found = {}
    for body in _bodies(segments, Code.DHT):
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


def _restart_interval(segments: Sequence[Segment]) -> int:
    bodies = _bodies(segments, Code.DRI)
    return bodies[-1][0] << 8 | bodies[-1][1] if bodies else 0


def adobe_transform(segments: Sequence[Segment]) -> int | None:
    """What Adobe segments say of the colours; None without one."""
    # "Adobe" | version, two sets of flags, of two bytes each | transform
    adobe = [body for body in _bodies(segments, Code.APP14) if body[:5] == b"Adobe"]
    transforms = [body[11] for body in adobe if len(body) > 11]
    return transforms[-1] if transforms else None


def _is_field(segments: Sequence[Segment]) -> bool:
    # "AVI1" | polarity: 0 a whole frame, 1 the odd field, 2 the even one
    return any(body[:4] == b"AVI1" and body[4:5] > b"\0" for body in _bodies(segments, Code.APP0))
