"""JPEGs that are damaged or hostile: what a fuzzer begins with, and how it makes more of them."""

import re
from collections.abc import Callable, Sequence
from functools import cache
from random import Random

from mjpegd.test.coefficients import (
    FORMS,
    GREY,
    SOF2,
    TYPE_0,
    TYPE_1,
    Factors,
    noise,
    parts,
    passes,
    progressive,
    written,
)
from mjpegd.test.pictures import (
    APP1,
    APP14,
    COM,
    DHT,
    DNL,
    DQT,
    DRI,
    SOF0,
    SOS,
    picture,
    segment,
    with_segment,
    without,
)
from mjpegd.wire.jpeg_segments import EOI, SOI

MOST_BYTES = 100_000
# Of the inputs: those that take most work to read, and those that are made of nothing.
_LARGE_SHARE = 0.002
_MADE_UP_SHARE = 0.05

SIZE = (40, 24)
CODES = (SOF0, 0xC1, SOF2, 0xC9, DHT, 0xD0, 0xD7, 0xD8, 0xD9, SOS, DQT, DNL, DRI, APP1, APP14, COM)
EDGES = (b"\x00", b"\x01", b"\x7f", b"\x80", b"\xfe", b"\xff", b"\x00\x00", b"\xff\xff", b"\x11")

# Where a segment or a piece of a scan begins.
_PART = re.compile(rb"(?=\xff[\xc0-\xfe])")

_Scan = tuple[Sequence[int], int, int, int]  # components, first and last coefficient, bits


@cache
def seeds() -> tuple[bytes, ...]:
    """Good JPEGs of all kinds."""
    plain = picture(1)
    wide_tables = b"".join(b"%c" % (0x10 | name) + b"\x00\x05" * 64 for name in (0, 1))
    return (
        plain,
        picture(2, optimize=True),
        picture(3, subsampling="4:2:2", optimize=True),
        picture(4, subsampling="4:4:4"),
        picture(5, mode="L", optimize=True),
        picture(5, mode="L", progressive=True),
        picture(6, mode="CMYK"),
        picture(7, restart_marker_blocks=2, optimize=True),
        picture(8, progressive=True, restart_marker_blocks=3),
        picture(9, (2048, 32), optimize=True),
        without(plain, DHT),
        with_segment(without(plain, DQT), DQT, wide_tables),
        with_segment(plain, APP1, b"Exif\x00\x00" + picture(10, (32, 32))),
        with_segment(plain, APP14, b"Adobe" + bytes(7)),
        noise(SIZE, optimize=True),
        noise(SIZE, progressive=True),
        noise((24, 16), quality=100, progressive=True, subsampling="4:2:2"),
        *(written(SIZE, parts(SIZE, factors)) for factors in (TYPE_0, TYPE_1)),
        *(written(SIZE, parts(SIZE, form), interval=2) for form in FORMS[TYPE_0] + FORMS[TYPE_1]),
        written(SIZE, parts(SIZE, TYPE_1), ((0,), (1,), (2,)), interval=1),
        written(SIZE, parts(SIZE, TYPE_0), ((2,), (0, 1))),
        written(SIZE, parts(SIZE, GREY), ((0,),)),
        *(
            progressive(SIZE, parts(SIZE, factors), list(passes(len(factors), Random(number))))
            for number, factors in enumerate((TYPE_0, TYPE_1, GREY))
        ),
    )


def change(data: bytes, most_bytes: int, random: Random) -> bytes:
    """Another input, mostly made of one that there is."""
    kind = random.random()
    if kind < _LARGE_SHARE:
        return _large(random)[:most_bytes]
    if kind < _LARGE_SHARE + _MADE_UP_SHARE:
        data = _made_up(random)
    for _ in range(random.choice((1, 1, 1, 2, 6))):
        data = random.choice(_CHANGES)(data, random)
    return data[:most_bytes]


def _place(data: bytes, random: Random) -> int:
    return random.randrange(len(data) + 1)


def _header_place(data: bytes, random: Random) -> int:
    """A place where a change hits a header rather than picture data."""
    return min(_place(data, random), random.choice((20, 200, 700)))


def _flip_bits(data: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8)) if data else 0):
        changed[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _write_edge(data: bytes, random: Random) -> bytes:
    at, edge = _header_place(data, random), random.choice(EDGES)
    return data[:at] + edge + data[at + len(edge) :]


def _cut_off(data: bytes, random: Random) -> bytes:
    return data[: _place(data, random)]


def _cut_out(data: bytes, random: Random) -> bytes:
    at = _place(data, random)
    return data[:at] + data[at + random.choice((1, 2, 10, 100)) :]


def _insert(data: bytes, random: Random) -> bytes:
    at = _place(data, random)
    more = random.choice(
        (
            random.randbytes(random.randrange(9)),
            b"\xff" * random.choice((1, 2, 5000)),
            b"\xff%c" % random.choice(CODES),
            segment(random.choice(CODES), random.randbytes(random.randrange(80))),
            segment(COM) * random.choice((1, 2000)),
            data[:at],
        )
    )
    return data[:at] + more + data[at:]


def _parts(data: bytes) -> list[bytes]:
    return [part for part in _PART.split(data) if part]


def _shuffle(data: bytes, random: Random) -> bytes:
    """Take parts away, repeat them, or put them elsewhere."""
    found = _parts(data)
    for _ in range(random.choice((1, 2, 4)) if found else 0):
        part = random.choice(found)
        count = random.choice((0, 1, 1, 2, 60))
        at = random.randrange(len(found))
        found[at : at + random.choice((0, 1))] = [part] * count or [b""]
    return b"".join(found)


def _splice(data: bytes, random: Random) -> bytes:
    """Put parts of another picture in place of some of the same kind."""
    found, others = _parts(data), _parts(random.choice(seeds()))
    for at, part in enumerate(found):
        same = [other for other in others if other[:2] == part[:2]]
        if same and random.random() < 0.3:
            found[at] = random.choice(same)
    return b"".join(found)


def _change_frame_header(data: bytes, random: Random) -> bytes:
    """Other sides, sampling factors, tables or codings."""
    found = _parts(data)
    for at, part in enumerate(found):
        if part[:2] in {b"\xff\xc0", b"\xff\xc2"} and len(part) > 12:
            body = bytearray(part)
            if random.random() < 0.5:
                body[5:9] = _sides(random)
            elif random.random() < 0.2:
                body[1] = random.choice((0xC0, 0xC1, 0xC2, 0xC9))
            else:
                body[random.choice((9, *range(10, len(body))))] = random.choice(
                    (0, 1, 2, 3, 4, 0x11, 0x12, 0x21, 0x22, 0x41, 0x42, 0x44, 0xFF)
                )
            found[at] = bytes(body)
    return b"".join(found)


def _sides(random: Random) -> bytes:
    most = random.choice((8, 40, 300, 3000, 0xFFFF))
    return b"".join(random.randint(0, most).to_bytes(2, "big") for _ in range(2))


def _change_scan_headers(data: bytes, random: Random) -> bytes:
    found = _parts(data)
    for at, part in enumerate(found):
        if part[:2] == b"\xff\xda" and len(part) > 8 and random.random() < 0.5:
            end = min(len(part), 2 + int.from_bytes(part[2:4], "big"))
            place = random.randrange(4, max(5, end))
            found[at] = part[:place] + bytes((random.choice(_SCAN_BYTES),)) + part[place + 1 :]
    return b"".join(found)


_SCAN_BYTES = (0, 1, 2, 3, 5, 6, 14, 63, 64, 0x10, 0x11, 0x21, 0x32, 0xD0, 0xFF)


def _change_huffman_tables(data: bytes, random: Random) -> bytes:
    at = data.find(b"\xff\xc4")
    if at < 0:
        return data
    counts = [random.choice((0, 0, 0, 1, 2, 3)) for _ in range(16)]
    symbols = random.choices(range(256), k=sum(counts))
    name = random.choice((0, 1, 16, 17))
    table = segment(DHT, bytes((name, *counts, *symbols)))
    return (
        data[:at] + table + data[at:]
        if random.random() < 0.5
        else data.replace(b"\xff\xda", table + b"\xff\xda", 1)
    )


def _set_interval(data: bytes, random: Random) -> bytes:
    interval = random.choice((0, 1, 2, 3, 0xFFFF)).to_bytes(2, "big")
    return data.replace(b"\xff\xda", segment(DRI, interval) + b"\xff\xda", random.choice((1, -1)))


def _repeat(data: bytes, random: Random) -> bytes:
    garbage = random.randbytes(random.randrange(50))
    return garbage + data + random.choice((b"", garbage, EOI)) + random.choice(seeds())


def _made_up(random: Random) -> bytes:
    """Segments with anything in them, and anything for picture data."""
    found = [SOI]
    for _ in range(random.randrange(12)):
        code = random.choice(CODES)
        found.append(segment(code, _body(code, random)))
        if code == SOS:
            found.append(random.randbytes(random.randrange(300)))
    return b"".join(found)


def _large(random: Random) -> bytes:
    """All the work that there can be for few bytes: many blocks, and codes of a bit or two."""
    factors = random.choice((GREY, GREY, TYPE_0, TYPE_1, *FORMS[TYPE_0], *FORMS[TYPE_1]))
    size = random.choice(_LARGE_SIZES)
    is_progressive = random.random() < 0.7
    # A bit of 0 says that nothing follows; 10 says so for 16384 blocks and more.
    symbols = random.choice((b"\x00\xe0\x01\x11\xf0", b"\x00\xe0\xf0\x01\xe1"))
    tables = b"\x00\x01" + bytes(16) + b"\x10" + b"\x01" * 5 + bytes(11) + symbols
    frame = b"".join(
        bytes((name, across << 4 | down, 0)) for name, (across, down) in enumerate(factors)
    )
    sides = size[1].to_bytes(2, "big") + size[0].to_bytes(2, "big")
    places = range(len(factors))
    script: list[_Scan] = [(places, 0, 63, 0)]
    if is_progressive:
        script = [(places, 0, 0, random.choice((0, 13))), *_large_passes(random, places)]
    return b"".join(
        (
            SOI,
            segment(DQT, b"\x00" + bytes(range(1, 65))),
            segment(DHT, tables),
            segment(
                SOF2 if is_progressive else SOF0, b"\x08" + sides + bytes((len(factors),)) + frame
            ),
            *(_large_scan(random, size, factors, scan) for scan in script),
            EOI,
        )
    )


_LARGE_SIZES = ((4096, 2160), (2040, 2040), (1024, 1024), (720, 720), (400, 400), (64, 0xFFFF))


def _large_passes(random: Random, places: Sequence[int]) -> list[_Scan]:
    """Each coefficient, or each bit of all of them, or all at once."""
    place = (random.choice(places),)
    each_coefficient: list[_Scan] = [(place, at, at, 0) for at in range(1, 49)]
    each_bit: list[_Scan] = [(place, 1, 63, bit + 1 << 4 | bit) for bit in range(12, -1, -1)]
    at_once: list[_Scan] = [((place,), 1, 63, 0) for place in places]
    return random.choice((each_coefficient, [(place, 1, 63, 13), *each_bit], at_once))


def _large_scan(random: Random, size: tuple[int, int], factors: Factors, scan: _Scan) -> bytes:
    places, first, last, bits = scan
    named = b"".join(bytes((place, 0)) for place in places)
    header = segment(SOS, bytes((len(places),)) + named + bytes((first, last, bits)))
    blocks = _blocks(size, factors, places)
    if random.random() < 0.1:
        restarts = (b"\x3f\xff%c" % (0xD0 + number % 8) for number in range(blocks))
        return segment(DRI, b"\x00\x01") + header + b"".join(restarts)
    # Codes for DC and for AC, of a bit each.
    count = -(-blocks * (2 if last > first == 0 else 1) // 8)
    return header + bytes((random.choice((0, 0, 0, 0, 0xBF, 0xDA, 0xEE)),)) * count


def _blocks(size: tuple[int, int], factors: Factors, places: Sequence[int]) -> int:
    """How many blocks a scan of some components has."""
    most = [max(pair[axis] for pair in factors) for axis in (0, 1)]
    if len(places) > 1:
        mcus = [-(-size[axis] // (8 * most[axis])) for axis in (0, 1)]
        return mcus[0] * mcus[1] * sum(across * down for across, down in factors)
    wide, high = (-(-size[axis] * factors[places[0]][axis] // (8 * most[axis])) for axis in (0, 1))
    return wide * high


def _body(code: int, random: Random) -> bytes:
    if code in {SOF0, SOF2}:
        number = random.choice((1, 3))
        factors = random.choices((0x11, 0x21, 0x22), k=number)
        rest = b"".join(bytes((name, factor, 0)) for name, factor in enumerate(factors))
        return b"\x08" + _sides(random) + bytes((number,)) + rest
    if code == SOS:
        number = random.choice((1, 3))
        return bytes((number, *(item for name in range(number) for item in (name, 0)), 0, 63, 0))
    if code == DQT:
        return b"\x00" + random.randbytes(64)
    return random.randbytes(random.choice((0, 1, 2, 20, 300)))


_CHANGES: Sequence[Callable[[bytes, Random], bytes]] = (
    _flip_bits,
    _flip_bits,
    _flip_bits,
    _write_edge,
    _write_edge,
    _cut_off,
    _cut_out,
    _insert,
    _shuffle,
    _splice,
    _splice,
    _change_frame_header,
    _change_scan_headers,
    _change_huffman_tables,
    _set_interval,
    _repeat,
)
