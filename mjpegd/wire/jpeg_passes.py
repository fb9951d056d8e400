"""Progressive scans: coefficients that are put together from their passes (T.81 annex G)."""

from array import array
from collections.abc import Sequence
from itertools import islice
from typing import Final

from mjpegd.wire.errors import BrokenJpegError
from mjpegd.wire.jpeg_codes import BLOCK, Lookup, code_ac, dc_lookup, lookup
from mjpegd.wire.jpeg_planes import Plane, blocks
from mjpegd.wire.jpeg_scans import Bits, Scan, intervals

_UNSENT: Final = -1


class Passes:
    """The coefficients of one component, while its scans are put together.

    Attributes:
        plane: Where they will be in the end.
        coefficients: Those of all blocks, in zig-zag order.
        low: Of each coefficient in a block, the lowest bit that was sent; `_UNSENT` if none was.
    """

    __slots__ = ("coefficients", "low", "plane")

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self.coefficients = array("h", bytes(2 * BLOCK * plane.wide * plane.high))
        self.low = [_UNSENT] * BLOCK

    def begin(self, scan: Scan) -> None:
        """Be sure that a scan tells what is due: all upper bits first, then one at a time."""
        due = set(self.low[scan.first : scan.last + 1])
        if due != ({scan.high} if scan.high else {_UNSENT}) or scan.high not in {0, scan.low + 1}:
            raise BrokenJpegError("has scans in an impossible order")
        self.low[scan.first : scan.last + 1] = [scan.low] * (scan.last - scan.first + 1)

    def finish(self) -> None:
        """Write the coefficients into the plane."""
        plane, found = self.plane, self.coefficients
        plane.dc = found[::BLOCK].tolist()
        for block in range(len(plane.dc)):
            numbers = found[block * BLOCK + 1 : (block + 1) * BLOCK]
            if any(numbers):
                plane.ac[block] = code_ac(numbers, plane.kind)


def read_pass(scan: Scan, passes: Sequence[Passes]) -> None:
    """One scan of a progressive picture (T.81 annex G)."""
    is_dc = scan.first == 0
    if not scan.first <= scan.last < BLOCK or (scan.last > 0 if is_dc else len(passes) > 1):
        raise BrokenJpegError("has a scan of impossible coefficients")
    for part in passes:
        part.begin(scan)
    if is_dc:
        _read_dc_pass(scan, passes)
    else:
        _read_ac_pass(scan, passes[0])


def _read_dc_pass(scan: Scan, passes: Sequence[Passes]) -> None:
    planes = [part.plane for part in passes]
    tables = [dc_lookup(scan.huffman[0, dc]) for _, dc, _ in scan.components]
    order = blocks(planes)
    for bits, count in intervals(scan, planes):
        predicted = [0] * len(planes)
        for place, block in islice(order, count):
            if scan.high:
                value = bits.take(1) << scan.low
            else:
                predicted[place] += bits.signed(bits.symbol(tables[place]))
                value = predicted[place] << scan.low
            if block >= 0:
                passes[place].coefficients[block * BLOCK] |= value


def _read_ac_pass(scan: Scan, part: Passes) -> None:
    read = _refine_block if scan.high else _read_block
    table = lookup(scan.huffman[1, scan.components[0][2]])
    block = 0
    for bits, count in intervals(scan, [part.plane]):
        empty = 0  # so many blocks have nothing more in this scan
        for start in range(block * BLOCK, (block + count) * BLOCK, BLOCK):
            band = range(start + scan.first, start + scan.last + 1)
            empty = read(bits, table, part.coefficients, band, scan.low, empty)
        block += count


def _read_block(
    bits: Bits, table: Lookup, numbers: "array[int]", band: range, low: int, empty: int
) -> int:
    """The upper bits of a band of coefficients (T.81 section G.1.2.2)."""
    if empty:
        return empty - 1
    at = band.start
    while at < band.stop:
        symbol = bits.symbol(table)
        run, size = symbol >> 4, symbol & 15
        if not size and run < 15:
            return _empty_blocks(bits, run) - 1
        at += run
        if size:
            numbers[_inside(at, band)] = bits.signed(size) << low
        at += 1
    return 0


def _refine_block(
    bits: Bits, table: Lookup, numbers: "array[int]", band: range, low: int, empty: int
) -> int:
    """One more bit of a band of coefficients (T.81 section G.1.2.3)."""
    at = band.start
    while not empty and at < band.stop:
        symbol = bits.symbol(table)
        run, size = symbol >> 4, symbol & 15
        if not size and run < 15:
            empty = _empty_blocks(bits, run)
            break
        number = (1 if bits.take(1) else -1) << low if size else 0
        at = _refine(bits, numbers, range(at, band.stop), low, run)
        if number:
            numbers[_inside(at, band)] = number
        at += 1
    if empty:
        if any(numbers[at : band.stop]):
            _refine(bits, numbers, range(at, band.stop), low, BLOCK)
        return empty - 1
    return 0


def _inside(at: int, band: range) -> int:
    if at >= band.stop:
        raise IndexError
    return at


def _empty_blocks(bits: Bits, size: int) -> int:
    """How many blocks, with the one being read, have nothing more in this scan."""
    return (1 << size) + bits.take(size)


def _refine(bits: Bits, numbers: "array[int]", band: range, low: int, zeros: int) -> int:
    """Give each number that is not 0 one more bit; the place of the 0 behind so many others."""
    for at in band:
        number = numbers[at]
        if number:
            if bits.take(1):
                numbers[at] = number + (1 << low if number > 0 else -1 << low)
        elif not zeros:
            return at
        else:
            zeros -= 1
    return band.stop
