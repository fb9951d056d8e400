"""What one JPEG says of itself: its size, colours and tables, and where its data are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Self

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
            coding=frame.code - Code.SOF0,
            components=told.components,
            scan_components=told.scan_components,
            quantization=told.quantization,
            huffman=told.huffman,
            restart_interval=told.restart_interval,
            adobe_transform=told.adobe_transform,
            is_field=told.is_field,
            scan=scan,
            scans=1 + sum(segment.code == Code.SOS for segment in rest),
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


def _told(header: Sequence[Segment]) -> _Told:
    frame = _frame_header(header)
    return _Told(
        frame=frame,
        components=_components(frame.body),
        scan_components=_scan_components(header[-1].body),
        quantization=quantization_tables(header),
        huffman=huffman_tables(header),
        restart_interval=_restart_interval(header),
        adobe_transform=adobe_transform(header),
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


def _bodies(header: Sequence[Segment], code: int) -> list[bytes]:
    return [segment.body for segment in header if segment.code == code]


def _frame_header(header: Sequence[Segment]) -> Segment:
    # P | Y Y | X X | Nf | Nf times: C, H and V, Tq
    found = [segment for segment in header if segment.code in FRAME_HEADERS]
    if len(found) != 1:
        raise BrokenJpegError(f"has {len(found)} frame headers")
    return found[0]


def _height(frame: Segment, rest: Sequence[Segment]) -> int:
    # DNL tells what was not known when the frame header was written.
    heights = [frame.body[1:3], *(body[:2] for body in _bodies(rest, Code.DNL))]
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


def quantization_tables(header: Sequence[Segment]) -> dict[int, bytes]:
    """By identifier, the tables of DQT segments: 64 bytes, or 128 where entries have 16 bits.

    Raises:
        ValueError: One is cut off.
    """
    # Pq and Tq | 64 entries of one byte, or of two where Pq is not 0 | more of the same
    found = {}
    for body in _bodies(header, Code.DQT):
        at = 0
        while at < len(body):
            end = at + (129 if body[at] >> 4 else 65)
            found[body[at] & 15] = _table(body, at + 1, end)
            at = end
    return found


def huffman_tables(header: Sequence[Segment]) -> dict[tuple[int, int], bytes]:
    """By class and identifier, the tables of DHT segments: 16 counts and the symbols.

    Raises:
        IndexError, ValueError: One is cut off.
    """
    # Tc and Th | 16 counts | symbols, as many as the counts say | more of the same
    found = {}
    for body in _bodies(header, Code.DHT):
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


def _restart_interval(header: Sequence[Segment]) -> int:
    bodies = _bodies(header, Code.DRI)
    return bodies[-1][0] << 8 | bodies[-1][1] if bodies else 0


def adobe_transform(header: Sequence[Segment]) -> int | None:
    """What Adobe segments say of the colours; None without one."""
    # "Adobe" | version, two sets of flags, of two bytes each | transform
    adobe = [body for body in _bodies(header, Code.APP14) if body[:5] == b"Adobe"]
    transforms = [body[11] for body in adobe if len(body) > 11]
    return transforms[-1] if transforms else None


def _is_field(header: Sequence[Segment]) -> bool:
    # "AVI1" | polarity: 0 a whole frame, 1 the odd field, 2 the even one
    return any(body[:4] == b"AVI1" and body[4:5] > b"\0" for body in _bodies(header, Code.APP0))
