"""Drawings for the window, smooth at any size: icons, and boxes with round corners."""

from collections.abc import Callable, Mapping

from PIL import Image, ImageDraw

from . import palette

# Drawn so many times as large, and made smaller, which smooths the edges.
_FINENESS = 4
_GRID = 24.0

_Point = tuple[float, float]


class _Pen:
    """Draws on a grid of 24 by 24, whatever the size of the icon."""

    def __init__(self, mask: Image.Image) -> None:
        self._draw = ImageDraw.Draw(mask)
        self._scale = mask.width / _GRID

    def shape(self, *points: _Point, is_hole: bool = False) -> None:
        self._draw.polygon(self._scaled(*points), fill=0 if is_hole else 255)

    def box(self, left: float, top: float, right: float, bottom: float, radius: float = 1) -> None:
        corners = self._scaled((left, top), (right, bottom))
        self._draw.rounded_rectangle(corners, radius * self._scale, fill=255)

    def disc(self, x: float, y: float, radius: float, is_hole: bool = False) -> None:
        corners = self._scaled((x - radius, y - radius), (x + radius, y + radius))
        self._draw.ellipse(corners, fill=0 if is_hole else 255)

    def ring(self, x: float, y: float, radius: float, width: float = 2) -> None:
        self.disc(x, y, radius)
        self.disc(x, y, radius - width, is_hole=True)

    def line(self, *points: _Point, width: float = 2) -> None:
        thickness = round(width * self._scale)
        self._draw.line(self._scaled(*points), fill=255, width=thickness, joint="curve")
        for x, y in (points[0], points[-1]):
            self.disc(x, y, width / 2)

    def _scaled(self, *points: _Point) -> list[_Point]:
        return [(x * self._scale, y * self._scale) for x, y in points]


def _menu(pen: _Pen) -> None:
    for y in (7, 12, 17):
        pen.line((4, y), (20, y))


def _play(pen: _Pen) -> None:
    pen.shape((8, 5), (19, 12), (8, 19))


def _pause(pen: _Pen) -> None:
    pen.box(6.5, 5, 10, 19)
    pen.box(14, 5, 17.5, 19)


def _stop(pen: _Pen) -> None:
    pen.box(6, 6, 18, 18, 1.5)


def _setup(pen: _Pen) -> None:
    pen.line((4, 9), (19, 9))
    pen.line((15, 5), (19, 9), (15, 13))
    pen.line((5, 15), (20, 15))
    pen.line((9, 11), (5, 15), (9, 19))


def _statistics(pen: _Pen) -> None:
    for x, top in ((4.5, 13), (9.5, 8), (14.5, 11), (19.5, 5)):
        pen.line((x, top), (x, 19), width=2.6)


def _full_screen(pen: _Pen) -> None:
    for x, y in ((5, 6), (19, 6), (5, 18), (19, 18)):
        inward_x, inward_y = (4.5 if x < 12 else -4.5), (4.5 if y < 12 else -4.5)
        pen.line((x + inward_x, y), (x, y), (x, y + inward_y))


def _small_screen(pen: _Pen) -> None:
    for x, y in ((9, 9), (15, 9), (9, 15), (15, 15)):
        outward_x, outward_y = (-4.5 if x < 12 else 4.5), (-4.5 if y < 12 else 4.5)
        pen.line((x + outward_x, y), (x, y), (x, y + outward_y))


def _snapshot(pen: _Pen) -> None:
    pen.box(3, 7, 21, 19.5, 2)
    pen.shape((8, 8), (9.5, 4.5), (14.5, 4.5), (16, 8))
    pen.disc(12, 13, 4.4, is_hole=True)
    pen.disc(12, 13, 2.7)


def _record(pen: _Pen) -> None:
    pen.disc(12, 12, 6)


def _ring(pen: _Pen) -> None:
    pen.ring(12, 12, 8)
    pen.disc(12, 12, 4)


def _expand(pen: _Pen) -> None:
    pen.line((7, 10), (12, 15), (17, 10))


def _close(pen: _Pen) -> None:
    pen.line((6.5, 6.5), (17.5, 17.5))
    pen.line((17.5, 6.5), (6.5, 17.5))


def _note(pen: _Pen) -> None:
    pen.ring(12, 12, 9)
    pen.line((12, 11.5), (12, 16.5))
    pen.disc(12, 7.7, 1.3)


def _fault(pen: _Pen) -> None:
    pen.shape((12, 2.5), (22.5, 21), (1.5, 21))
    pen.shape((12, 6.8), (18.9, 18.9), (5.1, 18.9), is_hole=True)
    pen.line((12, 11), (12, 14.2))
    pen.disc(12, 17, 1.2)


def _film(pen: _Pen) -> None:
    pen.ring(12, 12, 11, 1.2)
    pen.shape((9.6, 7.2), (17.2, 12), (9.6, 16.8))


_ICONS: Mapping[str, Callable[[_Pen], None]] = {
    "menu": _menu,
    "play": _play,
    "pause": _pause,
    "stop": _stop,
    "setup": _setup,
    "statistics": _statistics,
    "full screen": _full_screen,
    "small screen": _small_screen,
    "snapshot": _snapshot,
    "record": _record,
    "ring": _ring,
    "expand": _expand,
    "close": _close,
    "note": _note,
    "fault": _fault,
    "film": _film,
}

NAMES = tuple(_ICONS)


def icon(name: str, colour: str, size: int) -> Image.Image:
    """One of `NAMES`, on a transparent ground, so many pixels wide and high."""
    mask = Image.new("L", (size * _FINENESS, size * _FINENESS))
    _ICONS[name](_Pen(mask))
    return _coloured(mask, colour)


def emblem(size: int) -> Image.Image:
    """The sign of the player."""
    drawn = box((size, size), size / 5, palette.PLAY)
    drawn.alpha_composite(icon("play", palette.TEXT, size))
    return drawn


def disc(colour: str, size: int) -> Image.Image:
    """A filled circle that fills its square."""
    return box((size, size), size / 2, colour)


def box(
    size: tuple[int, int], radius: float, fill: str, border: str = "", border_width: int = 0
) -> Image.Image:
    """A box with round corners, on a transparent ground.

    Args:
        size: Width and height in pixels, as all others.
        radius: Of its corners.
        fill: The colour inside.
        border: The colour of its edge.
        border_width: How thick the edge is, inside the box; 0 for none.
    """
    if not border_width:
        return _round(size, radius, 0, fill)
    drawn = _round(size, radius, 0, border)
    drawn.alpha_composite(_round(size, radius, border_width, fill))
    return drawn


def _round(size: tuple[int, int], radius: float, inset: int, colour: str) -> Image.Image:
    width, height = size[0] * _FINENESS, size[1] * _FINENESS
    mask = Image.new("L", (width, height))
    edge = inset * _FINENESS
    ImageDraw.Draw(mask).rounded_rectangle(
        (edge, edge, width - 1 - edge, height - 1 - edge),
        max(radius - inset, 0) * _FINENESS,
        fill=255,
    )
    return _coloured(mask, colour)


def _coloured(mask: Image.Image, colour: str) -> Image.Image:
    small = mask.reduce(_FINENESS)
    picture = Image.new("RGBA", small.size, colour)
    picture.putalpha(small)
    return picture
