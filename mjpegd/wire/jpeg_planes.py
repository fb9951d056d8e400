"""The components of a JPEG as blocks of coefficients, and the order in which scans tell of them."""

from collections.abc import Iterator, Sequence
from itertools import product

from mjpegd.wire.jpeg_codes import CHROMA, EMPTY
from mjpegd.wire.jpeg_image import JpegImage


class Plane:
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
        self.ac = [EMPTY[kind]] * (wide * high)


def blocks(planes: Sequence[Plane]) -> Iterator[tuple[int, int]]:
    """Blocks in the order of a scan: number of the plane, and of the block in it.

    Blocks that only fill an MCU at the right or at the bottom have the number -1. A scan of one
    component has none of them: its MCUs are single blocks (T.81 section A.2).
    """
    if len(planes) == 1:
        return ((0, block) for block in range(planes[0].wide * planes[0].high))
    return _interleaved(planes)


def _interleaved(planes: Sequence[Plane]) -> Iterator[tuple[int, int]]:
    rows, columns = _mcus(planes)
    for row, column in product(range(rows), range(columns)):
        for place, plane in enumerate(planes):
            left = column * plane.across
            for y in range(row * plane.down, row * plane.down + plane.down):
                for x in range(left, left + plane.across):
                    is_inside = x < plane.wide and y < plane.high
                    yield place, y * plane.wide + x if is_inside else -1


def _mcus(planes: Sequence[Plane]) -> tuple[int, int]:
    """Rows and columns of MCUs in a scan of several components."""
    return (
        max(-(-plane.high // plane.down) for plane in planes),
        max(-(-plane.wide // plane.across) for plane in planes),
    )


def mcu_blocks(planes: Sequence[Plane]) -> int:
    """How many blocks an MCU has in a scan of these components."""
    return 1 if len(planes) == 1 else sum(plane.across * plane.down for plane in planes)


def scan_blocks(planes: Sequence[Plane]) -> int:
    """How many blocks `blocks` gives."""
    if len(planes) == 1:
        return planes[0].wide * planes[0].high
    rows, columns = _mcus(planes)
    return rows * columns * mcu_blocks(planes)


def planes_of(image: JpegImage) -> list[Plane]:
    """The components of a picture, without coefficients."""
    components = image.header.components
    across = max(part.horizontal for part in components)
    down = max(part.vertical for part in components)
    return [
        Plane(
            part.horizontal,
            part.vertical,
            -(-image.width * part.horizontal // (8 * across)),
            -(-image.height * part.vertical // (8 * down)),
            min(place, CHROMA),
        )
        for place, part in enumerate(components)
    ]
