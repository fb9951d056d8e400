"""Films of every kind of JPEG that has to be made fit for RTP, or only looks as if it had.

Each is sure to be of its kind, so that no test is passed by a film that shows nothing.
"""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from mjpegd.test import films
from mjpegd.test.pictures import (
    APP1,
    APP14,
    DHT,
    DQT,
    SOF0,
    SOS,
    image,
    picture,
    segment,
    segments,
    with_segment,
    without,
)
from mjpegd.wire.jpeg_frame import STANDARD_HUFFMAN
from mjpegd.wire.jpeg_image import JpegImage
from mjpegd.wire.jpeg_segments import EOI, SOI

FRAMES = 10
# Whole MCUs of every sampling: nothing is padded, hence nothing may differ.
SIZE = (64, 48)
OTHER_SIZE = (96, 80)
BIG = (2064, 64)
_FIELDS_SIZE = (32, 32)  # what the headers say of the AVIs that our own tests write
_NOISE = 0.25
_COMB = 24
_APP0 = 0xE0
_PROGRESSIVE = 2

_WIDE = ((2, 1), (1, 1), (1, 1))
_COMMON = ((2, 2), (1, 1), (1, 1))
_FULL = ((1, 1), (1, 1), (1, 1))
_HIGH = ((1, 2), (1, 1), (1, 1))
_WIDER = ((4, 1), (1, 1), (1, 1))


@dataclass(frozen=True, slots=True)
class Kind:
    """A film whose frames are all of a kind.

    Attributes:
        name: Of the kind.
        film: An AVI.
        query: What its URL asks for, with its question mark.
        size: Width and height of what is to be shown.
    """

    name: str
    film: bytes
    query: str = ""
    size: tuple[int, int] = SIZE

    @property
    def path(self) -> str:
        """Its name in the media folder, and in URLs."""
        return f"{self.name.replace(' ', '-')}.avi"

    @property
    def frames(self) -> list[bytes]:
        """Its JPEGs as they lie in the file."""
        return films.frames_of(self.film)


@cache
def lossless() -> tuple[Kind, ...]:
    """Whose pixels must not change on the way."""
    plain = [jpeg(number) for number in range(FRAMES)]
    restarts = [jpeg(n, restart_marker_blocks=3) for n in range(FRAMES)]
    thumbnail = b"Exif\0\0" + picture(0xFFF, (32, 32))
    return (
        _by_ffmpeg("optimized by ffmpeg", "yuvj420p", _COMMON),
        _by_ffmpeg("optimized by ffmpeg 422", "yuvj422p", ((2, 2), (1, 2), (1, 2))),
        _kind(
            "grey", [jpeg(n, "L") for n in range(FRAMES)], lambda it: len(it.header.components) == 1
        ),
        _kind(
            "progressive",
            [jpeg(number, progressive=True) for number in range(FRAMES)],
            lambda it: it.header.coding == _PROGRESSIVE,
        ),
        _kind(
            "several scans",
            [apart(number, _COMMON) for number in range(FRAMES)],
            lambda it: it.scans == 3 and _factors(it) == _COMMON,
        ),
        _kind(
            "16 bit tables",
            [_changed(frame, DQT, _widened) for frame in plain],
            lambda it: {len(table) for table in it.header.quantization.values()} == {128},
        ),
        _kind(
            "one table",
            [jpeg(number, qtables=[[9] * 64]) for number in range(FRAMES)],
            lambda it: len(it.header.quantization) == 1,
        ),
        _kind("no DHT", [without(frame, DHT) for frame in plain], lambda it: not it.header.huffman),
        _kind("restarts", restarts, lambda it: it.header.restart_interval == 3),
        _kind(
            "restarts stripped",
            restarts,
            lambda it: it.header.restart_interval == 3,
            "?restart=strip",
        ),
        _kind("swapped", [_swapped(frame) for frame in plain], _is_swapped),
        _kind(
            "named components",
            [_renamed(frame) for frame in plain],
            lambda it: [part.identifier for part in it.header.components] == [40, 20, 30],
        ),
        _bytes_kind(
            "thumbnail",
            [with_segment(frame, APP1, thumbnail) for frame in plain],
            lambda frame: frame.count(SOI) == 2,
        ),
        _bytes_kind(
            "no EOI",
            [frame.removesuffix(EOI) for frame in plain],
            lambda frame: EOI not in frame,
        ),
        _bytes_kind(
            "garbage behind",
            [frame + bytes(500) for frame in plain],
            lambda frame: EOI in frame[:-500],
        ),
    )


@cache
def lossy() -> tuple[Kind, ...]:
    """Whose pixels may change, but not their order."""
    numbers = range(FRAMES)
    return (
        _kind(
            "444",
            [jpeg(number, subsampling="4:4:4") for number in numbers],
            lambda it: _factors(it) == _FULL,
        ),
        _kind("440", [apart(n, _HIGH) for n in numbers], lambda it: _factors(it) == _HIGH),
        _kind("411", [apart(n, _WIDER) for n in numbers], lambda it: _factors(it) == _WIDER),
        _kind(
            "three tables",
            [_with_third_table(jpeg(number)) for number in numbers],
            lambda it: (
                it.header.quantization[1] != it.header.quantization[2]
                and it.header.components[2].table == 2
            ),
        ),
        _kind(
            "RGB",
            [jpeg(number, subsampling="4:4:4", keep_rgb=True) for number in numbers],
            lambda it: it.header.adobe_transform == 0 and len(it.header.components) == 3,
        ),
        _kind(
            "CMYK",
            [jpeg(number, "CMYK") for number in numbers],
            lambda it: it.header.adobe_transform == 0 and len(it.header.components) == 4,
        ),
        _kind(
            "YCCK",
            [_ycck(number) for number in numbers],
            lambda it: it.header.adobe_transform == 2 and len(it.header.components) == 4,
        ),
        sizes(),
    )


@cache
def sizes() -> Kind:
    """A film whose pictures change their size twice."""
    changing = [SIZE] * 3 + [OTHER_SIZE] * 4 + [SIZE] * 3
    frames = [jpeg(number, size=size) for number, size in enumerate(changing)]
    assert len({(it.width, it.height) for it in map(JpegImage.parse, frames)}) == 2
    return Kind("sizes", films.avi(frames))


@cache
def big(query: str = "", size: tuple[int, int] = BIG) -> Kind:
    """A film of more than 2040 pixels, and what becomes of its size by this query."""
    frames = [jpeg(number, size=BIG, quality=50) for number in range(FRAMES)]
    assert all(JpegImage.parse(frame).width == BIG[0] for frame in frames)
    return Kind("big", films.avi(frames), query, size)


@cache
def interlaced(order: tuple[int, int]) -> Kind:
    """A film of two fields a frame, the lines of the upper one darker than those of the other.

    Args:
        order: Of the fields in a chunk, by the number that AVI1 has for them: 1 for the one with
            the uppermost line. FFmpeg takes that number for nothing, and 2 for the first.
    """
    frames = []
    for number in range(FRAMES):
        shown = image(number, _FIELDS_SIZE)
        fields = (_field(shown, place) for place in order)
        frames.append(b"".join(fields))
    assert all(JpegImage.parse(frame).header.is_field and frame.count(SOI) == 2 for frame in frames)
    return Kind("interlaced {} {}".format(*order), films.avi(frames), size=_FIELDS_SIZE)


def _field(shown: Image.Image, place: int) -> bytes:
    width, height = shown.size
    rows = range(place - 1, height, 2)
    field = Image.new("RGB", (width, len(rows)))
    for to, row in enumerate(rows):
        field.paste(shown.crop((0, row, width, row + 1)), (0, to))
    combed = field.point(lambda level: level + _COMB * (2 * place - 3))
    return with_segment(_encoded(combed, quality=95), _APP0, b"AVI1%c" % place + bytes(7))


# --- What kinds are made of ---------------------------------------------------------------------


def jpeg(
    number: int,
    mode: str = "RGB",
    size: tuple[int, int] = SIZE,
    **options: Any,  # as Pillow declares them
) -> bytes:
    """A JPEG that shows its number through noise, so that no coefficient is left out."""
    return _encoded(_noisy(number, size).convert(mode), **options)


def apart(number: int, factors: Sequence[tuple[int, int]]) -> bytes:
    """A JPEG with a scan for each component, of any sampling."""
    across, down = (max(sides) for sides in zip(*factors, strict=True))
    tables: list[bytes] = []
    components, scans = b"", b""
    planes = _noisy(number, SIZE).convert("YCbCr").split()
    for name, (plane, (horizontal, vertical)) in enumerate(zip(planes, factors, strict=True), 1):
        size = (SIZE[0] * horizontal // across, SIZE[1] * vertical // down)
        *header, scan, _ = segments(_encoded(plane.resize(size)))
        # Grey pictures of one quality all have the same tables.
        tables = [part for part in header if part[1] in {DQT, DHT}]
        components += bytes((name, horizontal << 4 | vertical, 0))
        scans += segment(SOS, bytes((1, name, 0, 0, 63, 0))) + scan
    sides = SIZE[1].to_bytes(2, "big") + SIZE[0].to_bytes(2, "big")
    frame = segment(SOF0, b"\x08" + sides + b"\x03" + components)
    return b"".join((SOI, *tables, frame, scans, EOI))


def _noisy(number: int, size: tuple[int, int]) -> Image.Image:
    noise = Image.frombytes("RGB", size, Random(number).randbytes(3 * size[0] * size[1]))
    return Image.blend(image(number, size), noise, _NOISE)


def _encoded(shown: Image.Image, **options: Any) -> bytes:
    file = BytesIO()
    shown.save(file, "JPEG", **options)
    return file.getvalue()


def _by_ffmpeg(name: str, form: str, factors: tuple[tuple[int, int], ...]) -> Kind:
    """A film as FFmpeg's command line writes it unless told otherwise."""
    pixels = b"".join(_noisy(number, SIZE).tobytes() for number in range(FRAMES))
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "{}x{}".format(*SIZE), "-r", "25"]
    with TemporaryDirectory() as folder:
        path = Path(folder, "film.avi")
        coding = ["-c:v", "mjpeg", "-huffman", "optimal", "-pix_fmt", form, "-q:v", "4"]
        subprocess.run(
            ["ffmpeg", "-loglevel", "error", *raw, "-i", "-", *coding, str(path)],
            input=pixels,
            check=True,
        )
        film = path.read_bytes()
    return _sure(
        Kind(name, film),
        lambda it: _factors(it) == factors and dict(it.header.huffman) != STANDARD_HUFFMAN,
    )


def _kind(
    name: str, frames: Sequence[bytes], is_so: Callable[[JpegImage], bool], query: str = ""
) -> Kind:
    return _sure(Kind(name, films.avi(frames), query), is_so)


def _bytes_kind(name: str, frames: Sequence[bytes], is_so: Callable[[bytes], bool]) -> Kind:
    assert all(map(is_so, frames)), name
    return Kind(name, films.avi(frames))


def _sure(kind: Kind, is_so: Callable[[JpegImage], bool]) -> Kind:
    frames = kind.frames
    assert len(frames) == FRAMES
    assert all(is_so(JpegImage.parse(frame)) for frame in frames), kind.name
    return kind


def _factors(it: JpegImage) -> tuple[tuple[int, int], ...]:
    return tuple((part.horizontal, part.vertical) for part in it.header.components)


def _changed(frame: bytes, code: int, change: Callable[[bytes], bytes]) -> bytes:
    """The same with other content in its segments of a kind."""
    first, *header, scan, last = segments(frame)
    parts = (segment(code, change(part[4:])) if part[1] == code else part for part in header)
    return b"".join((first, *parts, scan, last))


def _with(body: bytes, places: slice, values: Sequence[int]) -> bytes:
    changed = bytearray(body)
    changed[places] = bytes(values)
    return bytes(changed)


# Where a frame header and a scan header of three components name them, and their tables.
_NAMES, _TABLES = slice(6, 15, 3), slice(8, 15, 3)
_SCAN_NAMES, _SCAN_TABLES = slice(1, 7, 2), slice(2, 7, 2)


def _widened(body: bytes) -> bytes:
    return bytes((0x10 | body[0],)) + b"".join(b"\0%c" % entry for entry in body[1:])


def _swapped(frame: bytes) -> bytes:
    """All tables of luma get the number of those of chroma, and the other way round."""
    for code in (DQT, DHT):
        frame = _changed(frame, code, lambda body: _with(body, slice(1), [body[0] ^ 1]))
    frame = _changed(frame, SOF0, lambda body: _with(body, _TABLES, [1, 0, 0]))
    return _changed(frame, SOS, lambda body: _with(body, _SCAN_TABLES, [0x11, 0, 0]))


def _is_swapped(it: JpegImage) -> bool:
    tables = [(part.dc_table, part.ac_table) for part in it.header.scan_components]
    return [part.table for part in it.header.components] == [1, 0, 0] and tables[0] == (1, 1)


def _renamed(frame: bytes) -> bytes:
    names = [40, 20, 30]
    frame = _changed(frame, SOF0, lambda body: _with(body, _NAMES, names))
    return _changed(frame, SOS, lambda body: _with(body, _SCAN_NAMES, names))


def _with_third_table(frame: bytes) -> bytes:
    third = with_segment(frame, DQT, b"\x02" + bytes((20,)) * 64)
    return _changed(third, SOF0, lambda body: _with(body, _TABLES, [0, 1, 2]))


def _ycck(number: int) -> bytes:
    """As Adobe's programs write CMYK: inverted, then three of them turned into Y, Cb and Cr."""
    shown = _noisy(number, SIZE)
    # Pillow inverts what it writes.
    planes = shown.point(lambda level: 255 - level).convert("YCbCr")
    stored = [plane.point(lambda level: 255 - level) for plane in planes.split()]
    black = Image.new("L", SIZE, 0)
    frame = _encoded(Image.merge("CMYK", (*stored, black)))
    return _changed(frame, APP14, lambda body: body[:-1] + b"\x02")
