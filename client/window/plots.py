"""Draws a figure over the last minute, smooth and without a window system."""

from collections.abc import Iterator, Sequence

from PIL import Image, ImageDraw

from . import palette

SPAN_S = 60.0

# Where nothing was measured for so long, the line has a gap.
_GAP_S = 2.5
# Drawn so many times as large, and made smaller, which smooths the line.
_FINENESS = 2
_GRID_S = 10.0

Point = tuple[float, float]


def plot(
    size: tuple[int, int],
    points: Sequence[Point],
    top: float,
    colour: str,
    aim: Sequence[Point] = (),
) -> Image.Image:
    """A graph with time from left to right, now at its right edge.

    Args:
        size: Width and height in pixels.
        points: Age in seconds, and value; oldest first.
        top: The value at the upper edge; 0 is at the lower one.
        colour: Of the line.
        aim: Points of a second, dim line: what the value should be.
    """
    width, height = size[0] * _FINENESS, size[1] * _FINENESS
    image = Image.new("RGB", (width, height), palette.FIELD)
    draw = ImageDraw.Draw(image)
    for number in range(1, int(SPAN_S / _GRID_S)):
        x = round(width * number * _GRID_S / SPAN_S)
        draw.line((x, 0, x, height), palette.CONTROL, _FINENESS)
    draw.line((0, height // 2, width, height // 2), palette.CONTROL, _FINENESS)

    def place(point: Point) -> Point:
        age_s, value = point
        inner = height - 2 * _FINENESS
        share = min(max(value / top, 0.0), 1.0)
        return width * (1 - age_s / SPAN_S), _FINENESS + inner * (1 - share)

    shade = _blend(colour, palette.FIELD)
    for run in _runs(points):
        line = [place(point) for point in run]
        draw.polygon([(line[0][0], height), *line, (line[-1][0], height)], fill=shade)
        draw.line(line, colour, 3)
    for run in _runs(aim):
        draw.line([place(point) for point in run], palette.SECONDARY, _FINENESS)
    return image.reduce(_FINENESS)


def _runs(points: Sequence[Point]) -> Iterator[list[Point]]:
    """Points that belong together; single ones are none."""
    run: list[Point] = []
    for point in points:
        if run and run[-1][0] - point[0] > _GAP_S:
            if len(run) > 1:
                yield run
            run = []
        run.append(point)
    if len(run) > 1:
        yield run


def _blend(colour: str, ground: str) -> str:
    pair = [bytes.fromhex(name[1:]) for name in (colour, ground)]
    return "#" + bytes((a + 2 * b) // 3 for a, b in zip(*pair, strict=True)).hex()
