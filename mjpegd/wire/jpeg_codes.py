"""Huffman codes of JPEGs: read with any tables, written with those of T.81 annex K."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

from mjpegd.wire.errors import BrokenJpegError
from mjpegd.wire.jpeg_frame import STANDARD_HUFFMAN

BLOCK: Final = 64  # coefficients

# Which tables of annex K a component has.
LUMA: Final = 0
CHROMA: Final = 1

# What a symbol for AC coefficients says: a run of zeros and the size of the number behind them.
END_OF_BLOCK: Final = 0x00
_SIXTEEN_ZEROS: Final = 0xF0

# The sizes of DC differences that annex K has codes for: all that 8-bit samples need.
_MAX_DC_BITS: Final = 11

_LONGEST_CODE: Final = 16  # bits


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


CODES: Final = {
    place: {symbol: (code, length) for length, code, symbol in _codes(table)}
    for place, table in STANDARD_HUFFMAN.items()
}


def _dc_codes(kind: int) -> dict[int, tuple[int, int]]:
    """What to write for each difference of DC coefficients: a number, and its length in bits."""
    limit = 1 << _MAX_DC_BITS
    return {number: _coded(CODES[0, kind], 0, number) for number in range(1 - limit, limit)}


def _coded(codes: Mapping[int, tuple[int, int]], run: int, number: int) -> tuple[int, int]:
    """The code for a run of zeros and the number behind them, with that number; its length."""
    size = abs(number).bit_length()
    code, length = codes[run << 4 | size]
    bits = number if number > 0 else number + (1 << size) - 1
    return code << size | bits, length + size


DC_CODES: Final = [_dc_codes(LUMA), _dc_codes(CHROMA)]

# The code for a block without AC coefficients, with the leading 1 of `Plane.ac`.
EMPTY: Final = [
    1 << length | code for code, length in (CODES[1, kind][END_OF_BLOCK] for kind in (0, 1))
]


def _blank_bits(kind: int) -> str:
    """A difference of 0 and the end of the block."""
    number, width = DC_CODES[kind][0]
    return f"{number:0{width}b}" + f"{EMPTY[kind]:b}"[1:]


BLANK_BITS: Final = [_blank_bits(LUMA), _blank_bits(CHROMA)]

Lookup = list[tuple[int, int]]
AcLookup = list[tuple[int, int, int, int, int]]


@lru_cache(maxsize=8)
def lookup(table: bytes) -> Lookup:
    """By the next 16 bits: length of the code they begin with, and its symbol.

    Bits that are no code lie behind the end of the list.
    """
    found: Lookup = []
    for length, _, symbol in _codes(table):
        found += [(length, symbol)] * (1 << _LONGEST_CODE - length)
    return found


def dc_lookup(table: bytes) -> Lookup:
    """The same for the sizes of DC differences.

    Raises:
        BrokenJpegError: It has a symbol that is no such size.
    """
    if max(table[16:], default=0) > _LONGEST_CODE:
        raise BrokenJpegError("has an impossible Huffman table")
    return lookup(table)


@lru_cache(maxsize=8)
def ac_lookup(table: bytes, kind: int) -> AcLookup:
    """By the next 16 bits, what becomes of the code they begin with.

    That is the length of code and number; how many coefficients they tell; the size of the
    number; and the code of annex K with room for the number, and the length of these. Symbols
    that are not baseline JPEG's tell of more coefficients than a block has. Bits that are no code
    lie behind the end of the list.
    """
    codes = CODES[1, kind]
    found: AcLookup = []
    for length, _, symbol in _codes(table):
        run, size = symbol >> 4, symbol & 15
        entry = (0, BLOCK, 1, 0, 0)
        if symbol in codes:
            code, width = codes[symbol]
            step = run + 1 if symbol != END_OF_BLOCK else 0
            entry = (length + size, step, size, code << size, width + size)
        found += [entry] * (1 << _LONGEST_CODE - length)
    return found


def code_ac(numbers: Sequence[int], kind: int) -> int:
    """AC coefficients in the code of annex K (T.81 section F.1.2.2)."""
    codes = CODES[1, kind]
    coded, run = 1, 0
    for number in numbers:
        if number:
            coded = with_zeros(coded, run >> 4, kind)
            code, width = _coded(codes, run & 15, number)
            coded, run = coded << width | code, 0
        else:
            run += 1
    if run:
        code, width = codes[END_OF_BLOCK]
        coded = coded << width | code
    return coded


def with_zeros(coded: int, sixteens: int, kind: int) -> int:
    """A code with so many times sixteen zeros behind it."""
    code, width = CODES[1, kind][_SIXTEEN_ZEROS]
    for _ in range(sixteens):
        coded = coded << width | code
    return coded
