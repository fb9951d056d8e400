"""JPEGs full of detail, also such as libjpeg does not write: random coefficients in any order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import product
from random import Random
from typing import NamedTuple

from PIL import Image

from mjpegd.test.pictures import DHT, DQT, DRI, SOF0, SOS, segment
from mjpegd.wire.jpeg_segments import EOI, SOI

SOF2 = 0xC2

Block = list[int]  # 64 coefficients, in zig-zag order
Factors = tuple[tuple[int, int], ...]  # across and down, of each component

TYPE_0: Factors = ((2, 1), (1, 1), (1, 1))
TYPE_1: Factors = ((2, 2), (1, 1), (1, 1))
GREY: Factors = ((1, 1),)

# Other ways to write the sampling that RFC 2435 has.
FORMS: dict[Factors, tuple[Factors, ...]] = {
    TYPE_0: (((2, 2), (1, 2), (1, 2)), ((4, 1), (2, 1), (2, 1)), ((2, 3), (1, 3), (1, 3))),
    TYPE_1: (((4, 2), (2, 1), (2, 1)), ((2, 4), (1, 2), (1, 2)), ((4, 4), (2, 2), (2, 2))),
}
SIZES = ((1, 1), (16, 16), (17, 9), (40, 24))

# Every symbol is its own code of 8 bits.
DC_TABLE = b"\x00" + bytes((*bytes(7), 12, *bytes(8), *range(12)))
AC_TABLE = b"\x10" + bytes((*bytes(7), 251, *bytes(8), *range(251)))
TABLES = b"\x00" + bytes(range(1, 65)) + b"\x01" + bytes(range(2, 66))


def noise(size: tuple[int, int], **options: bool | int | str) -> bytes:
    """A JPEG by Pillow that is full of detail; the same for the same arguments."""
    picture = Image.frombytes("RGB", size, Random(1).randbytes(3 * size[0] * size[1]))
    file = BytesIO()
    picture.save(file, "JPEG", **{"quality": 90, **options})
    return file.getvalue()


@dataclass
class Part:
    """One component: how it is sampled, and its rows of blocks."""

    across: int
    down: int
    rows: list[list[Block]]


def parts(size: tuple[int, int], factors: Factors, seed: int = 0) -> list[Part]:
    """Components full of random coefficients, the same for all factors of the same ratio."""
    most = (max(across for across, _ in factors), max(down for _, down in factors))
    return [
        Part(across, down, _rows(size, (most[0] // across, most[1] // down), Random(seed + place)))
        for place, (across, down) in enumerate(factors)
    ]


def _rows(size: tuple[int, int], ratio: tuple[int, int], random: Random) -> list[list[Block]]:
    wide, high = (-(-length // (8 * times)) for length, times in zip(size, ratio, strict=True))
    return [[_block(random) for _ in range(wide)] for _ in range(high)]


def _block(random: Random) -> Block:
    numbers = [random.randint(-1000, 1000)] + [0] * 63
    for _ in range(random.choice((0, 1, 3, 20, 63))):
        numbers[random.randint(1, 63)] = random.choice((-1, 1)) * random.choice((1, 2, 30, 1023))
    return numbers


# --- In sequential scans ------------------------------------------------------------------------


def written(
    size: tuple[int, int],
    found: Sequence[Part],
    scans: Sequence[Sequence[int]] = ((0, 1, 2),),
    interval: int = 0,
    identifiers: bytes = b"\x01\x02\x03",
) -> bytes:
    """A baseline JPEG of these components in these scans."""
    data = [_header(SOF0, size, found, identifiers, interval)]
    for places in scans:
        data.append(_scan_header(places, (0, 63, 0, 0), identifiers))
        units = _units([found[place] for place in places])
        step = interval or len(units)
        for number, start in enumerate(range(0, len(units), step)):
            data.append(b"\xff%c" % (0xD0 + (number - 1) % 8) if number else b"")
            data.append(packed(_sequential(units[start : start + step])))
    return b"".join((*data, EOI))


def packed(bits: str) -> bytes:
    """Entropy-coded data of these bits."""
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")


def _header(
    code: int, size: tuple[int, int], found: Sequence[Part], identifiers: bytes, interval: int
) -> bytes:
    frame = b"".join(
        bytes((identifiers[place], part.across << 4 | part.down, min(place, 1)))
        for place, part in enumerate(found)
    )
    sides = size[1].to_bytes(2, "big") + size[0].to_bytes(2, "big")
    return b"".join(
        (
            SOI,
            segment(DQT, TABLES),
            segment(DHT, DC_TABLE + AC_TABLE),
            segment(code, b"\x08" + sides + bytes((len(found),)) + frame),
            segment(DRI, interval.to_bytes(2, "big")),
        )
    )


def _scan_header(
    places: Sequence[int], band: tuple[int, int, int, int], identifiers: bytes
) -> bytes:
    first, last, high, low = band
    named = b"".join(bytes((identifiers[place], 0)) for place in places)
    return segment(SOS, bytes((len(places),)) + named + bytes((first, last, high << 4 | low)))


def _units(found: Sequence[Part]) -> list[list[tuple[int, Block]]]:
    """The blocks of a scan; where the last MCUs are not full, with what nobody must see."""
    if len(found) == 1:
        return [[(0, numbers)] for row in found[0].rows for numbers in row]
    wide = max(-(-len(part.rows[0]) // part.across) for part in found)
    high = max(-(-len(part.rows) // part.down) for part in found)
    return [
        [
            (place, _block_at(part, y * part.down + v, x * part.across + h))
            for place, part in enumerate(found)
            for v, h in product(range(part.down), range(part.across))
        ]
        for y, x in product(range(high), range(wide))
    ]


def _block_at(part: Part, y: int, x: int) -> Block:
    inside = y < len(part.rows) and x < len(part.rows[0])
    return part.rows[y][x] if inside else [77] * 64


def _sequential(units: Sequence[Sequence[tuple[int, Block]]]) -> str:
    predicted: dict[int, int] = {}
    found = []
    for place, numbers in (item for unit in units for item in unit):
        found.append(_number(0, numbers[0] - predicted.get(place, 0)) + _band(numbers[1:]))
        predicted[place] = numbers[0]
    return "".join(found)


def _number(symbol: int, number: int) -> str:
    size = abs(number).bit_length()
    bits = number if number > 0 else number + (1 << size) - 1
    return f"{symbol | size:08b}" + (f"{bits:0{size}b}" if size else "")


def _band(numbers: Sequence[int]) -> str:
    found, run = [], 0
    for number in numbers:
        if number:
            found.append(f"{0xF0:08b}" * (run // 16) + _number(run % 16 << 4, number))
            run = 0
        else:
            run += 1
    return "".join(found) + (f"{0:08b}" if run else "")


# --- In progressive scans -----------------------------------------------------------------------


class Pass(NamedTuple):
    """One scan: the components, the band of coefficients, and the bits of them."""

    places: tuple[int, ...]
    first: int
    last: int
    high: int
    low: int


def passes(number: int, random: Random) -> Iterator[Pass]:
    """Passes that tell all of some components, chosen by chance."""
    places = tuple(range(number))
    low = random.randint(0, 3)
    yield from (Pass(places, 0, 0, bit + 1 if bit < low else 0, bit) for bit in range(low, -1, -1))
    for place in places:
        middle, low = random.randint(1, 62), random.randint(0, 3)
        for first, last in ((1, middle), (middle + 1, 63)):
            for bit in range(low, -1, -1):
                yield Pass((place,), first, last, bit + 1 if bit < low else 0, bit)


def progressive(size: tuple[int, int], found: Sequence[Part], script: Sequence[Pass]) -> bytes:
    """A progressive JPEG of these components, without runs of empty blocks."""
    identifiers = bytes(range(1, 1 + len(found)))
    data = [_header(SOF2, size, found, identifiers, 0)]
    for places, first, last, high, low in script:
        blocks = [item for unit in _units([found[place] for place in places]) for item in unit]
        if first == 0:
            bits = _dc_pass(blocks, high, low)
        else:
            code = _refined if high else _band
            bits = "".join(
                code([_shifted(number, low) for number in numbers[first : last + 1]])
                for _, numbers in blocks
            )
        data += [_scan_header(places, (first, last, high, low), identifiers), packed(bits)]
    return b"".join((*data, EOI))


def _shifted(number: int, low: int) -> int:
    return number >> low if number >= 0 else -(-number >> low)


def _dc_pass(blocks: Sequence[tuple[int, Block]], high: int, low: int) -> str:
    if high:
        return "".join(str(numbers[0] >> low & 1) for _, numbers in blocks)
    return _sequential_dc([(place, numbers[0] >> low) for place, numbers in blocks])


def _sequential_dc(numbers: Sequence[tuple[int, int]]) -> str:
    predicted: dict[int, int] = {}
    found = []
    for place, number in numbers:
        found.append(_number(0, number - predicted.get(place, 0)))
        predicted[place] = number
    return "".join(found)


def _refined(numbers: Sequence[int]) -> str:
    """One more bit: new numbers with their places, of the others the bit itself."""
    found, later, run = "", "", 0
    news = [place for place, number in enumerate(numbers) if abs(number) == 1]
    for place, number in enumerate(numbers):
        if not number:
            run += 1
            continue
        while run > 15 and news and place <= news[-1]:
            found, later, run = found + f"{0xF0:08b}" + later, "", run - 16
        if abs(number) > 1:
            later += str(abs(number) & 1)
        else:
            found, later, run = found + _number(run << 4, number) + later, "", 0
    return found + (f"{0:08b}" + later if run or later else "")
