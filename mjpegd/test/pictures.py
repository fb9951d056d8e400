"""Small JPEGs that carry a number which can be read again after any honest JPEG loss.

The picture is a chessboard of 4 x 4 cells, dark blue for 0 and pale yellow for 1: twelve bits
of the number and, in the lowest row, four that tell whether all cells belong together.
"""

from io import BytesIO
from typing import Any

from PIL import Image

MAX_NUMBER = 0xFFF

# Codes of markers, for those who take JPEGs apart.
SOF0, DHT, SOS, DQT, DNL, DRI, APP1, APP14, COM = (
    0xC0,
    0xC4,
    0xDA,
    0xDB,
    0xDC,
    0xDD,
    0xE1,
    0xEE,
    0xFE,
)

_DARK, _PALE = (20, 30, 90), (240, 230, 160)
_SIDE_CELLS = 4
_SPOTS = range(1, 4 * _SIDE_CELLS, 4)
_READABLE_CONTRAST = 64  # of 255; between the two colours there are about 190


def picture(
    number: int,
    size: tuple[int, int] = (64, 48),
    quality: int = 75,
    subsampling: str = "4:2:0",
    mode: str = "RGB",
    **options: Any,  # as Pillow declares them
) -> bytes:
    """A JPEG, baseline with the Huffman tables of annex K unless options say otherwise.

    Args:
        number: 0 to `MAX_NUMBER`.
        size: Width and height in pixels, from 32x32 on.
        quality: As libjpeg has it, 1 to 100.
        subsampling: "4:2:0", "4:2:2" or "4:4:4".
        mode: "RGB" (stored as YCbCr), "L" or "CMYK".
        options: What Pillow's JPEG writer takes, e.g. `progressive=True`, `optimize=True`,
            `restart_marker_blocks=4`, `comment=b"..."`, `exif=b"..."`.
    """
    file = BytesIO()
    image(number, size).convert(mode).save(
        file, "JPEG", quality=quality, subsampling=subsampling, **options
    )
    return file.getvalue()


def image(number: int, size: tuple[int, int] = (64, 48)) -> Image.Image:
    """The picture before it is compressed."""
    bits = number << 4 | _check_bits(number)
    cells = Image.new("RGB", (_SIDE_CELLS, _SIDE_CELLS))
    cells.putdata([_PALE if bits >> (15 - cell) & 1 else _DARK for cell in range(16)])
    return cells.resize(size, Image.Resampling.NEAREST)


def number_of(jpeg: bytes | Image.Image) -> int:
    """The number in a picture, also where it was padded to multiples of 8 pixels.

    Raises:
        ValueError: There is none, or the picture is put together from several.
    """
    shown = jpeg if isinstance(jpeg, Image.Image) else Image.open(BytesIO(jpeg))
    # A bit to the left of and above the middle of each cell: RTP pads pictures to multiples of
    # 8 pixels at the right and at the bottom.
    spots = shown.convert("L").resize((4 * _SIDE_CELLS, 4 * _SIDE_CELLS), Image.Resampling.BOX)
    pixels = spots.tobytes()
    cells = [pixels[4 * _SIDE_CELLS * y + x] for y in _SPOTS for x in _SPOTS]
    if max(cells) - min(cells) < _READABLE_CONTRAST:
        raise ValueError("there is no number in this picture")
    middle = (max(cells) + min(cells)) / 2
    bits = int("".join("1" if cell > middle else "0" for cell in cells), 2)
    number = bits >> 4
    if bits & 15 != _check_bits(number):
        raise ValueError("the cells of this picture do not belong together")
    return number


def segment(code: int, body: bytes = b"") -> bytes:
    """A marker segment."""
    return b"\xff%c%b%b" % (code, (len(body) + 2).to_bytes(2, "big"), body)


def segments(jpeg: bytes) -> list[bytes]:
    """The parts of a well-formed JPEG of one scan: SOI, each segment, data, EOI."""
    parts, position = [jpeg[:2]], 2
    while parts[-1][1] != SOS:
        end = position + 2 + int.from_bytes(jpeg[position + 2 : position + 4], "big")
        parts.append(jpeg[position:end])
        position = end
    return [*parts, jpeg[position:-2], jpeg[-2:]]


def without(jpeg: bytes, *codes: int) -> bytes:
    """A JPEG less its segments with these markers."""
    first, *header, scan, last = segments(jpeg)
    return b"".join((first, *(part for part in header if part[1] not in codes), scan, last))


def with_segment(jpeg: bytes, code: int, body: bytes) -> bytes:
    """A JPEG with one more segment behind SOI."""
    return jpeg[:2] + segment(code, body) + jpeg[2:]


def _check_bits(number: int) -> int:
    return (number ^ number >> 4 ^ number >> 8 ^ 0b0101) & 15
