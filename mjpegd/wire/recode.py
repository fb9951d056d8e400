"""Entropy coding anew, without loss: any usual JPEG becomes one that RFC 2435 can carry.

Quantized coefficients stay what they are; only their order and the Huffman codes that tell them
change. Sequential scans go straight from the codes they were written with to those of T.81 annex
K, since both tell the same symbols. Progressive ones are first put together from their passes.
"""

import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, islice, product
from struct import unpack
from typing import Final, NamedTuple

from mjpegd.wire.errors import BrokenJpegError, UnsupportedJpegError
from mjpegd.wire.jpeg_frame import STANDARD_HUFFMAN, JpegFrame, narrowed
from mjpegd.wire.jpeg_image import JpegHeader, JpegImage, huffman_tables, quantization_tables
from mjpegd.wire.jpeg_payload import to_jpeg
from mjpegd.wire.jpeg_segments import Code, Segment, after_scan, header_segments, later_segments

# A little more than 4096 x 2160. Decoders keep up to 4 bytes of coefficients for each.
MAX_PIXELS: Final = 9 << 20

# Encoders write ten or so; hundreds of tiny ones would keep a decoder busy for long.
MAX_SCANS: Final = 50

# About half a second: bytes to read, blocks to look at in each scan, and blocks to write, each of
# which takes longer in progressive pictures. Baseline ones of 1920 x 1080 may have 400 kB.
MAX_WORK: Final = 500_000
_PROGRESSIVE_WORK: Final = 3

_PROGRESSIVE: Final = 2
_BLOCK: Final = 64  # coefficients
_UNSENT: Final = -1
_LUMA: Final = 0
_CHROMA: Final = 1
_LONGEST_CODE: Final = 16  # bits

# What a symbol for AC coefficients says: a run of zeros and the size of the number behind them.
_END_OF_BLOCK: Final = 0x00
_SIXTEEN_ZEROS: Final = 0xF0

# The sizes of DC differences that annex K has codes for: all that 8-bit samples need.
_MAX_DC_BITS: Final = 11

# How many luma samples there are for one of chroma, across and down, and the RTP/JPEG type.
_TYPES: Final = {(2, 1): 0, (2, 2): 1}

# Between restart markers, FF may be followed by stuffing only.
_RESTART: Final = re.compile(rb"\xff[\xd0-\xd7]")
_STRAY_MARKER: Final = re.compile(rb"\xff[^\x00]")

# Longer numbers would make each step of writing slower.
_FLUSH_BITS: Final = 1024

_DAMAGED: Final = "has picture data that are damaged or end too early"


def recode(data: bytes) -> bytes:
    """Code one JPEG anew as a single baseline scan with the Huffman tables of T.81 annex K.

    It may have sequential or progressive Huffman coding of 8 bits in any number of scans, and be
    grey, 4:2:0 or 4:2:2 by any sampling factors of that ratio. Grey becomes 4:2:0 without colour.
    Blocks outside of the picture become flat ones.

    Args:
        data: From SOI on; EOI may be missing, anything may follow.

    Returns:
        A JPEG of the same size in pixels, without restart markers, that RTP can carry unless it
        has more than 2040 pixels in a direction.

    Raises:
        BrokenJpegError: The data are damaged or end too early.
        UnsupportedJpegError: Not without loss, or not by this module, or not in time; the text
            names the obstacle in a few words.
    """
    image = JpegImage.parse(data)
    check_recodable(image)
    try:
        planes = _read(image, data)
        quantization = _quantization(planes)
        target = _with_chroma(planes)
        scan = _write(target)
    except (LookupError, OverflowError, ValueError):
        # Segments that are too short, tables and components that were never told, data that end
        # too early, numbers that no 8-bit samples have.
        raise BrokenJpegError(_DAMAGED) from None
    return _jpeg(image, target, quantization, scan)


def blank(image: JpegImage) -> bytes:
    """What `recode` gives for a picture of that shape if it is all grey of middle brightness.

    Raises:
        BrokenJpegError: It has no quantization tables.
        UnsupportedJpegError: As `recode`.
    """
    check_recodable(image)
    planes = _planes(image)
    for plane, table in zip(planes, image.header.component_tables, strict=True):
        plane.quantization = table
    quantization = _quantization(planes)
    target = _with_chroma(planes)
    # All MCUs are the same.
    first = "".join(_BLANK_BITS[p.kind] * (p.across * p.down) for p in target)
    luma = target[0]
    bits = first * (-(-luma.wide // luma.across) * -(-luma.high // luma.down))
    bits += "1" * (-len(bits) % 8)
    scan = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")
    return _jpeg(image, target, quantization, scan)


# --- What can be coded anew ---------------------------------------------------------------------


def check_recodable(image: JpegImage) -> None:
    """Refuse what `recode` cannot do, before anything is allocated by what a header says.

    Raises:
        BrokenJpegError: It has more scans than any encoder writes.
        UnsupportedJpegError: The text names the obstacle in a few words.
    """
    header = image.header
    if header.coding > _PROGRESSIVE:
        raise UnsupportedJpegError(f"coding process {header.coding}")
    if header.precision != 8:
        raise UnsupportedJpegError(f"{header.precision} bits per sample")
    _check_colours(header)
    if image.width * image.height > MAX_PIXELS:
        raise UnsupportedJpegError(f"more than {MAX_PIXELS} pixels")
    if image.scans > MAX_SCANS:
        raise BrokenJpegError("has more scans than any encoder writes")


def _check_colours(header: JpegHeader) -> None:
    if len(header.components) == 1:
        return
    if len(header.components) != 3 or header.is_rgb:
        raise UnsupportedJpegError("colours other than Y, Cb and Cr")
    luma, *chroma = header.sampling
    if any((luma[0] / across, luma[1] / down) not in _TYPES for across, down in chroma):
        raise UnsupportedJpegError("sampling other than 4:2:0 and 4:2:2")
    if chroma[0] != chroma[1]:
        raise UnsupportedJpegError("sampling that differs between Cb and Cr")


def _quantization(planes: Sequence["_Plane"]) -> bytes:
    """The tables of luma and chroma, 64 bytes each."""
    if not all(plane.quantization for plane in planes):
        raise BrokenJpegError("lacks the data of a colour component")
    tables = [narrowed(plane.quantization) for plane in planes]
    if any(len(table) > _BLOCK for table in tables):
        raise UnsupportedJpegError("16-bit quantization tables")
    if len(set(tables[1:])) > 1:
        raise UnsupportedJpegError("different quantization tables for Cb and Cr")
    return tables[0] + tables[-1]


# --- Scans --------------------------------------------------------------------------------------


class _Scan(NamedTuple):
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


def _scans(data: bytes) -> Iterator[_Scan]:
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
            yield _Scan(*_scan_header(segment), huffman, quantization, interval, coded)


def _scan_header(segment: Segment) -> tuple[list[tuple[int, int, int]], int, int, int, int]:
    # Ns | Ns times: Cs, Td and Ta | Ss | Se | Ah and Al
    body = segment.body
    end = 1 + 2 * body[0]
    parts = [(body[at], body[at + 1] >> 4, body[at + 1] & 15) for at in range(1, end, 2)]
    return parts, body[end], body[end + 1], body[end + 2] >> 4, body[end + 2] & 15


class _Bits:
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
            raise BrokenJpegError(_DAMAGED)

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


def _intervals(scan: _Scan, planes: Sequence["_Plane"]) -> Iterator[tuple[_Bits, int]]:
    """The data between restart markers, and how many blocks they tell of."""
    total = _scan_blocks(planes)
    most = scan.restart_interval * _mcu_blocks(planes) or total
    start = 0
    for first in range(0, total, most):
        match = _RESTART.search(scan.data, start)
        end = match.start() if match else len(scan.data)
        bits = _Bits(scan.data[start:end])
        yield bits, min(most, total - first)
        bits.check_end()
        start = match.end() if match else end


# --- Planes -------------------------------------------------------------------------------------


class _Plane:
    """One colour component: blocks in rows, those that hold pixels of the picture only.

    Attributes:
        across: Blocks in an MCU, side by side.
        down: Blocks in an MCU, one below the other.
        wide: Blocks in a row.
        high: Rows of blocks.
        kind: Whether it has the codes of luma or of chroma.
        quantization: Its table, in zig-zag order.
        dc: Of each block, the first coefficient.
        ac: Of each block, the others in the code of annex K, as a number with a leading 1 that
            keeps its zeros.
    """

    __slots__ = ("ac", "across", "dc", "down", "high", "kind", "quantization", "wide")

    def __init__(self, across: int, down: int, wide: int, high: int, kind: int) -> None:
        self.across = across
        self.down = down
        self.wide = wide
        self.high = high
        self.kind = kind
        self.quantization = b""
        self.dc = [0] * (wide * high)
        self.ac = [_EMPTY[kind]] * (wide * high)


def _order(planes: Sequence[_Plane]) -> Iterator[tuple[int, int]]:
    """Blocks in the order of a scan: number of the plane, and of the block in it.

    Blocks that only fill an MCU at the right or at the bottom have the number -1. A scan of one
    component has none of them: its MCUs are single blocks (T.81 section A.2).
    """
    if len(planes) == 1:
        return ((0, block) for block in range(planes[0].wide * planes[0].high))
    return _interleaved(planes)


def _interleaved(planes: Sequence[_Plane]) -> Iterator[tuple[int, int]]:
    rows, columns = _mcus(planes)
    for row, column in product(range(rows), range(columns)):
        for place, plane in enumerate(planes):
            left = column * plane.across
            for y in range(row * plane.down, row * plane.down + plane.down):
                for x in range(left, left + plane.across):
                    is_inside = x < plane.wide and y < plane.high
                    yield place, y * plane.wide + x if is_inside else -1


def _mcus(planes: Sequence[_Plane]) -> tuple[int, int]:
    """Rows and columns of MCUs in a scan of several components."""
    return (
        max(-(-plane.high // plane.down) for plane in planes),
        max(-(-plane.wide // plane.across) for plane in planes),
    )


def _mcu_blocks(planes: Sequence[_Plane]) -> int:
    return 1 if len(planes) == 1 else sum(plane.across * plane.down for plane in planes)


def _scan_blocks(planes: Sequence[_Plane]) -> int:
    """How many blocks `_order` gives."""
    if len(planes) == 1:
        return planes[0].wide * planes[0].high
    rows, columns = _mcus(planes)
    return rows * columns * _mcu_blocks(planes)


def _jpeg(
    image: JpegImage,
    planes: Sequence[_Plane],
    quantization: bytes,
    scan: bytes,
) -> bytes:
    # With the size in pixels; RTP rounds it up, which needs no more blocks.
    kind = _TYPES[planes[0].across, planes[0].down]
    size = image.width, image.height
    return to_jpeg(JpegFrame(kind, *size, 0, quantization, scan))


def _planes(image: JpegImage) -> list[_Plane]:
    components = image.header.components
    across = max(part.horizontal for part in components)
    down = max(part.vertical for part in components)
    return [
        _Plane(
            part.horizontal,
            part.vertical,
            -(-image.width * part.horizontal // (8 * across)),
            -(-image.height * part.vertical // (8 * down)),
            min(place, _CHROMA),
        )
        for place, part in enumerate(components)
    ]


def _with_chroma(planes: list[_Plane]) -> list[_Plane]:
    """Planes whose MCUs have the shape that RFC 2435 section 4.1 asks for."""
    luma, *chroma = planes
    if chroma:
        luma.across //= chroma[0].across
        luma.down //= chroma[0].down
    else:
        luma.across = luma.down = 2
        chroma = [_Plane(1, 1, (luma.wide + 1) // 2, (luma.high + 1) // 2, _CHROMA)] * 2
    for plane in chroma:
        plane.across = plane.down = 1
    return [luma, *chroma]


# --- Huffman tables -----------------------------------------------------------------------------


def _codes(table: bytes) -> Iterator[tuple[int, int, int]]:
    """The codes of a table: length, code and symbol (T.81 annex C).

    Raises:
        BrokenJpegError: There are more codes of a length than it has room for.
    """
    code, at = 0, 16
    for length, count in enumerate(table[:16], 1):
        code <<= 1
        if code + count > 1 << length:
            raise BrokenJpegError("has an impossible Huffman table")
        for symbol in table[at : at + count]:
            yield length, code, symbol
            code += 1
        at += count


_CODES: Final = {
    place: {symbol: (code, length) for length, code, symbol in _codes(table)}
    for place, table in STANDARD_HUFFMAN.items()
}


def _dc_codes(kind: int) -> dict[int, tuple[int, int]]:
    """What to write for each difference of DC coefficients: a number, and its length in bits."""
    limit = 1 << _MAX_DC_BITS
    return {number: _coded(_CODES[0, kind], 0, number) for number in range(1 - limit, limit)}


def _coded(codes: Mapping[int, tuple[int, int]], run: int, number: int) -> tuple[int, int]:
    """The code for a run of zeros and the number behind them, with that number; its length."""
    size = abs(number).bit_length()
    code, length = codes[run << 4 | size]
    bits = number if number > 0 else number + (1 << size) - 1
    return code << size | bits, length + size


_DC_CODES: Final = [_dc_codes(_LUMA), _dc_codes(_CHROMA)]

# The code for a block without AC coefficients, with the leading 1 of `_Plane.ac`.
_EMPTY: Final = [
    1 << length | code for code, length in (_CODES[1, kind][_END_OF_BLOCK] for kind in (0, 1))
]


def _blank_bits(kind: int) -> str:
    """A difference of 0 and the end of the block."""
    number, width = _DC_CODES[kind][0]
    return f"{number:0{width}b}" + f"{_EMPTY[kind]:b}"[1:]


_BLANK_BITS: Final = [_blank_bits(_LUMA), _blank_bits(_CHROMA)]

_Lookup = list[tuple[int, int]]
_AcLookup = list[tuple[int, int, int, int, int]]


@lru_cache(maxsize=8)
def _lookup(table: bytes) -> _Lookup:
    """By the next 16 bits: length of the code they begin with, and its symbol.

    Bits that are no code lie behind the end of the list.
    """
    found: _Lookup = []
    for length, _, symbol in _codes(table):
        found += [(length, symbol)] * (1 << _LONGEST_CODE - length)
    return found


def _dc_lookup(table: bytes) -> _Lookup:
    if max(table[16:], default=0) > _LONGEST_CODE:
        raise BrokenJpegError("has an impossible Huffman table")
    return _lookup(table)


@lru_cache(maxsize=8)
def _ac_lookup(table: bytes, kind: int) -> _AcLookup:
    """By the next 16 bits, what becomes of the code they begin with.

    That is the length of code and number; how many coefficients they tell; the size of the
    number; and the code of annex K with room for the number, and the length of these. Symbols
    that are not baseline JPEG's tell of more coefficients than a block has. Bits that are no code
    lie behind the end of the list.
    """
    codes = _CODES[1, kind]
    found: _AcLookup = []
    for length, _, symbol in _codes(table):
        run, size = symbol >> 4, symbol & 15
        entry = (0, _BLOCK, 1, 0, 0)
        if symbol in codes:
            code, width = codes[symbol]
            step = run + 1 if symbol != _END_OF_BLOCK else 0
            entry = (length + size, step, size, code << size, width + size)
        found += [entry] * (1 << _LONGEST_CODE - length)
    return found


# --- Sequential scans ---------------------------------------------------------------------------


def _read_sequential(scan: _Scan, planes: Sequence[_Plane]) -> None:
    if any(plane.quantization for plane in planes):
        raise BrokenJpegError("has a component in two sequential scans")
    tables = [
        (_dc_lookup(scan.huffman[0, dc]), _ac_lookup(scan.huffman[1, ac], plane.kind))
        for (_, dc, ac), plane in zip(scan.components, planes, strict=True)
    ]
    order = _order(planes)
    for bits, count in _intervals(scan, planes):
        predicted = [0] * len(planes)
        for place, block in islice(order, count):
            dc_table, ac_table = tables[place]
            plane = planes[place]
            predicted[place] += bits.signed(bits.symbol(dc_table))
            coded = _read_ac(bits, ac_table, plane.kind)
            if block >= 0:
                plane.dc[block] = predicted[place]
                plane.ac[block] = coded


def _read_ac(bits: _Bits, table: _AcLookup, kind: int) -> int:
    """The AC coefficients of a block in the code of annex K (T.81 section F.2.2.2)."""
    coded, at, zeros = 1, 1, 0
    while at < _BLOCK:
        bits.fill()
        length, step, size, code, width = table[bits.buffer >> bits.have - 16 & 0xFFFF]
        bits.have -= length
        at += step
        if size:
            if zeros:
                coded, zeros = _with_zeros(coded, zeros, kind), 0
            number = bits.buffer >> bits.have & (1 << size) - 1
            coded = coded << width | code | number
        elif step:
            zeros += 1
        else:
            break
    if at > _BLOCK:
        raise BrokenJpegError(_DAMAGED)
    if at < _BLOCK or zeros:
        code, width = _CODES[1, kind][_END_OF_BLOCK]
        coded = coded << width | code
    return coded


def _with_zeros(coded: int, sixteens: int, kind: int) -> int:
    code, width = _CODES[1, kind][_SIXTEEN_ZEROS]
    for _ in range(sixteens):
        coded = coded << width | code
    return coded


# --- Progressive scans --------------------------------------------------------------------------


class _Passes:
    """The coefficients of one component, while its scans are put together.

    Attributes:
        plane: Where they will be in the end.
        coefficients: Those of all blocks, in zig-zag order.
        low: Of each coefficient in a block, the lowest bit that was sent; `_UNSENT` if none was.
    """

    __slots__ = ("coefficients", "low", "plane")

    def __init__(self, plane: _Plane) -> None:
        self.plane = plane
        self.coefficients = array("h", bytes(2 * _BLOCK * plane.wide * plane.high))
        self.low = [_UNSENT] * _BLOCK

    def begin(self, scan: _Scan) -> None:
        """Be sure that a scan tells what is due: all upper bits first, then one at a time."""
        due = set(self.low[scan.first : scan.last + 1])
        if due != ({scan.high} if scan.high else {_UNSENT}) or scan.high not in {0, scan.low + 1}:
            raise BrokenJpegError("has scans in an impossible order")
        self.low[scan.first : scan.last + 1] = [scan.low] * (scan.last - scan.first + 1)

    def finish(self) -> None:
        """Write the coefficients into the plane."""
        plane, found = self.plane, self.coefficients
        plane.dc = found[::_BLOCK].tolist()
        for block in range(len(plane.dc)):
            numbers = found[block * _BLOCK + 1 : (block + 1) * _BLOCK]
            if any(numbers):
                plane.ac[block] = _code_ac(numbers, plane.kind)


def _code_ac(numbers: Sequence[int], kind: int) -> int:
    """AC coefficients in the code of annex K (T.81 section F.1.2.2)."""
    codes = _CODES[1, kind]
    coded, run = 1, 0
    for number in numbers:
        if number:
            coded = _with_zeros(coded, run >> 4, kind)
            code, width = _coded(codes, run & 15, number)
            coded, run = coded << width | code, 0
        else:
            run += 1
    if run:
        code, width = codes[_END_OF_BLOCK]
        coded = coded << width | code
    return coded


def _read_pass(scan: _Scan, passes: Sequence[_Passes]) -> None:
    """One scan of a progressive picture (T.81 annex G)."""
    is_dc = scan.first == 0
    if not scan.first <= scan.last < _BLOCK or (scan.last > 0 if is_dc else len(passes) > 1):
        raise BrokenJpegError("has a scan of impossible coefficients")
    for part in passes:
        part.begin(scan)
    if is_dc:
        _read_dc_pass(scan, passes)
    else:
        _read_ac_pass(scan, passes[0])


def _read_dc_pass(scan: _Scan, passes: Sequence[_Passes]) -> None:
    planes = [part.plane for part in passes]
    tables = [_dc_lookup(scan.huffman[0, dc]) for _, dc, _ in scan.components]
    order = _order(planes)
    for bits, count in _intervals(scan, planes):
        predicted = [0] * len(planes)
        for place, block in islice(order, count):
            if scan.high:
                value = bits.take(1) << scan.low
            else:
                predicted[place] += bits.signed(bits.symbol(tables[place]))
                value = predicted[place] << scan.low
            if block >= 0:
                passes[place].coefficients[block * _BLOCK] |= value


def _read_ac_pass(scan: _Scan, part: _Passes) -> None:
    read = _refine_block if scan.high else _read_block
    table = _lookup(scan.huffman[1, scan.components[0][2]])
    block = 0
    for bits, count in _intervals(scan, [part.plane]):
        empty = 0  # so many blocks have nothing more in this scan
        for start in range(block * _BLOCK, (block + count) * _BLOCK, _BLOCK):
            band = range(start + scan.first, start + scan.last + 1)
            empty = read(bits, table, part.coefficients, band, scan.low, empty)
        block += count


def _read_block(
    bits: _Bits, table: _Lookup, numbers: "array[int]", band: range, low: int, empty: int
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
    bits: _Bits, table: _Lookup, numbers: "array[int]", band: range, low: int, empty: int
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
            _refine(bits, numbers, range(at, band.stop), low, _BLOCK)
        return empty - 1
    return 0


def _inside(at: int, band: range) -> int:
    if at >= band.stop:
        raise IndexError
    return at


def _empty_blocks(bits: _Bits, size: int) -> int:
    """How many blocks, with the one being read, have nothing more in this scan."""
    return (1 << size) + bits.take(size)


def _refine(bits: _Bits, numbers: "array[int]", band: range, low: int, zeros: int) -> int:
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


# --- All scans of a picture ---------------------------------------------------------------------


def _read(image: JpegImage, data: bytes) -> list[_Plane]:
    planes = _planes(image)
    components = image.header.components
    places = {part.identifier: place for place, part in enumerate(components)}
    is_progressive = image.header.coding == _PROGRESSIVE
    _check_work(data, planes, places, is_progressive)
    passes = [_Passes(plane) for plane in planes] if is_progressive else []
    for scan in _scans(data):
        found = [places[identifier] for identifier, _, _ in scan.components]
        if len(set(found)) < len(found):
            raise BrokenJpegError("has a scan that names a component twice")
        if passes:
            _read_pass(scan, [passes[place] for place in found])
        else:
            _read_sequential(scan, [planes[place] for place in found])
        for place in found:
            table = scan.quantization[components[place].table]
            planes[place].quantization = planes[place].quantization or table
    for part in passes:
        part.finish()
    return planes


def _check_work(
    data: bytes, planes: Sequence[_Plane], places: Mapping[int, int], is_progressive: bool
) -> None:
    """Refuse what would take long, before any of it is done."""
    work = len(data) + sum(_scan_blocks([plane]) for plane in planes)
    for scan in _scans(data):
        work += _scan_blocks([planes[places[identifier]] for identifier, _, _ in scan.components])
    if work * (_PROGRESSIVE_WORK if is_progressive else 1) > MAX_WORK:
        raise UnsupportedJpegError("too large to be coded anew by Python")


# --- The scan for RTP ---------------------------------------------------------------------------


def _write(planes: Sequence[_Plane]) -> bytes:
    predicted = [0] * len(planes)
    parts: list[bytes] = []
    buffer, have = 0, 0
    for place, block in _order(planes):
        plane = planes[place]
        coded, difference = _EMPTY[plane.kind], 0
        if block >= 0:
            coded, difference = plane.ac[block], plane.dc[block] - predicted[place]
            predicted[place] = plane.dc[block]
        number, width = _DC_CODES[plane.kind][difference]
        rest = coded.bit_length() - 1
        # The leading 1 of `coded` makes good for the 1 that is taken off.
        buffer = ((buffer << width | number) - 1 << rest) + coded
        have += width + rest
        if have >= _FLUSH_BITS:
            parts.append((buffer >> (have & 7)).to_bytes(have >> 3, "big"))
            have &= 7
            buffer &= (1 << have) - 1
    fill = -have & 7
    buffer = (buffer + 1 << fill) - 1
    parts.append(buffer.to_bytes((have + fill) >> 3, "big"))
    return b"".join(parts).replace(b"\xff", b"\xff\x00")
