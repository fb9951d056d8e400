"""The scans of a JPEG with what is in force for each, and their bits."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from struct import unpack
from typing import Final, NamedTuple

from mjpegd.wire.errors import BrokenJpegError
from mjpegd.wire.jpeg_frame import STANDARD_HUFFMAN
from mjpegd.wire.jpeg_image import huffman_tables, quantization_tables
from mjpegd.wire.jpeg_planes import Plane, mcu_blocks, scan_blocks
from mjpegd.wire.jpeg_segments import Code, Segment, after_scan, header_segments, later_segments

DAMAGED: Final = "has picture data that are damaged or end too early"

# Between restart markers, FF may be followed by stuffing only.
_RESTART: Final = re.compile(rb"\xff[\xd0-\xd7]")
_STRAY_MARKER: Final = re.compile(rb"\xff[^\x00]")


class Scan(NamedTuple):
    """One scan, with the tables in force where it begins (T.81 section B.2.3)."""

    components: list[tuple[int, int, int]]  # identifier, DC table, AC table
    first: int  # coefficient, in zig-zag order
    last: int
    high: int  # the bits from this one on were sent before; 0 if none were
    low: int  # the lowest bit that is sent now
    huffman: Mapping[tuple[int, int], bytes]
    quantization: Mapping[int, bytes]
    restart_interval: int
    data: bytes


def scans(data: bytes) -> Iterator[Scan]:
    """All scans of a JPEG, in their order; the tables of one hold until the next is asked for.

    Raises:
        BrokenJpegError: The header cannot be read.
        IndexError, ValueError: A scan header or a table is cut off.
    """
    header = tuple(header_segments(data))
    huffman = dict(STANDARD_HUFFMAN)
    quantization: dict[int, bytes] = {}
    interval = 0
    for segment in chain(header, later_segments(data, header[-1].end)):
        huffman.update(huffman_tables((segment,)))
        quantization.update(quantization_tables((segment,)))
        if segment.code == Code.DRI:
            interval = int.from_bytes(segment.body[:2], "big")
        elif segment.code == Code.SOS:
            coded = data[segment.end : after_scan(data, segment.end)]
            yield Scan(*_scan_header(segment), huffman, quantization, interval, coded)


def _scan_header(segment: Segment) -> tuple[list[tuple[int, int, int]], int, int, int, int]:
    # Ns | Ns times: Cs, Td and Ta | Ss | Se | Ah and Al
    body = segment.body
    end = 1 + 2 * body[0]
    parts = [(body[at], body[at + 1] >> 4, body[at + 1] & 15) for at in range(1, end, 2)]
    return parts, body[end], body[end + 1], body[end + 2] >> 4, body[end + 2] & 15


class Bits:
    """Entropy-coded data between two restart markers, read from the first bit on.

    `buffer` ends with the next `have` bits: after `fill` at least 32, enough for a Huffman code
    and the number behind it.
    """

    __slots__ = ("at", "buffer", "count", "have", "words")

    def __init__(self, coded: bytes) -> None:
        data = coded.rstrip(b"\xff")  # fill bytes before the marker that follows
        if _STRAY_MARKER.search(data):
            raise BrokenJpegError("has a marker within its picture data")
        data = data.replace(b"\xff\x00", b"\xff")
        self.count = 8 * len(data)
        data += bytes(8 + -len(data) % 4)  # Up to 64 bits are read ahead, or past the end.
        self.words = list(unpack(f">{len(data) // 4}I", data))
        self.at = 0
        self.buffer = 0
        self.have = 0

    def fill(self) -> None:
        """Have 32 bits.

        Raises:
            IndexError: The data have ended.
        """
        if self.have < 32:
            self.buffer = (self.buffer & 0xFFFFFFFF) << 32 | self.words[self.at]
            self.at += 1
            self.have += 32

    def check_end(self) -> None:
        """Be sure that no more bits were taken than there were.

        Raises:
            BrokenJpegError: The data ended too early.
        """
        if 32 * self.at - self.have > self.count:
            raise BrokenJpegError(DAMAGED)

    def take(self, count: int) -> int:
        """The next bits as a number, at most 16."""
        self.fill()
        self.have -= count
        return self.buffer >> self.have & (1 << count) - 1

    def symbol(self, table: Sequence[tuple[int, int]]) -> int:
        """What the next Huffman code means."""
        self.fill()
        length, symbol = table[self.buffer >> self.have - 16 & 0xFFFF]
        self.have -= length
        return symbol

    def signed(self, size: int) -> int:
        """A number of so many bits; negative ones begin with 0 (T.81 section F.1.2.1)."""
        number = self.take(size)
        return number if 2 * number >> size else number - (1 << size) + 1


def intervals(scan: Scan, planes: Sequence[Plane]) -> Iterator[tuple[Bits, int]]:
    """The data between restart markers, and how many blocks they tell of."""
    total = scan_blocks(planes)
    most = scan.restart_interval * mcu_blocks(planes) or total
    start = 0
    for first in range(0, total, most):
        match = _RESTART.search(scan.data, start)
        end = match.start() if match else len(scan.data)
        bits = Bits(scan.data[start:end])
        yield bits, min(most, total - first)
        bits.check_end()
        start = match.end() if match else end
