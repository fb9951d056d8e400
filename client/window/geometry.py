"""Where things go in a window: what fits, how a film lies along a bar, how high a graph reaches."""

import math
from collections.abc import Iterable, Sequence
from enum import Enum

# Of which the end of an axis is one, times a power of ten.
_STEPS = (1, 2, 3, 4, 5, 6, 8, 10)


class Arrangement(Enum):
    """Where the statistics are while the picture is on."""

    BESIDE = "beside"
    BELOW = "below"
    INSTEAD = "instead"


def arrangement(
    room: tuple[int, int], picture: tuple[int, int], panel: tuple[int, int]
) -> Arrangement:
    """Where a panel goes that shares its room with the picture.

    Args:
        room: Width and height that both have together, in pixels as all others.
        picture: The least that a picture is worth looking at.
        panel: The least that the panel needs.
    """
    if room[0] >= picture[0] + panel[0]:
        return Arrangement.BESIDE
    if room[1] >= picture[1] + panel[1]:
        return Arrangement.BELOW
    return Arrangement.INSTEAD


def fitting(needs: Sequence[int], room: int) -> int:
    """How many of some things in a row fit, the most important first."""
    for count, need in enumerate(needs):
        room -= need
        if room < 0:
            return count
    return len(needs)


def into_view(top: int, bottom: int, view_top: int, view_height: int) -> int:
    """Where a view of a page has to begin to show a part of it, moved no further than needed.

    Args:
        top: Where the part begins on the page, in pixels as all others.
        bottom: Where it ends.
        view_top: Where the view begins now.
        view_height: How much of the page it shows.
    """
    return min(top, max(view_top, bottom - view_height))


def along(position_s: float, duration_s: float, length: int) -> int:
    """How far along a bar of some pixels a media time is, never beyond its ends."""
    return round(min(max(position_s / duration_s, 0.0), 1.0) * length)


def position_at(distance: int, duration_s: float, length: int) -> float:
    """The media time so many pixels along a bar, never beyond its ends."""
    return min(max(distance / max(length, 1), 0.0), 1.0) * duration_s


def stretches(
    parts: Iterable[tuple[float, float]], duration_s: float, length: int, least: int
) -> list[tuple[int, int]]:
    """Where parts of a film lie along a bar, as begin and end in pixels.

    Args:
        parts: Begin and end in seconds of media time, in any order.
        duration_s: What the whole bar stands for.
        length: Of the bar in pixels.
        least: So many pixels has a stretch, however short the part.

    Returns:
        What touches is one stretch: there are never more than fit.
    """
    found: list[tuple[int, int]] = []
    for begin_s, end_s in sorted(parts):
        begin = min(along(begin_s, duration_s, length), max(length - least, 0))
        end = max(along(end_s, duration_s, length), begin + least)
        if found and begin <= found[-1][1]:
            begin, end = found[-1][0], max(found.pop()[1], end)
        found.append((begin, end))
    return found


def axis_top(value: float, least: float) -> float:
    """The end of an axis on which a value has its place: a round number.

    Args:
        value: The highest there is to draw.
        least: Of the axis, above 0, so that next to nothing is not drawn large.
    """
    wanted = max(value, least)
    unit = 10.0 ** math.floor(math.log10(wanted))
    return next(unit * step for step in _STEPS if unit * step >= wanted * 0.999)
