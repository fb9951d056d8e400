"""Stretches of media time, such as those of which frames were lost."""

from collections.abc import Sequence

# A bar on a screen has hardly more pixels than it can show of these.
MAX_STRETCHES = 500


class Stretches:
    """Intervals in seconds; those that touch are one."""

    def __init__(self) -> None:
        self._all: list[tuple[float, float]] = []

    def add(self, start_s: float, end_s: float) -> None:
        """Add an interval, either end first; where there are too many, the oldest is forgotten."""
        start_s, end_s = min(start_s, end_s), max(start_s, end_s)
        apart = []
        for other_start_s, other_end_s in self._all:
            if other_end_s < start_s or end_s < other_start_s:
                apart.append((other_start_s, other_end_s))
            else:
                start_s, end_s = min(start_s, other_start_s), max(end_s, other_end_s)
        self._all = [*apart, (start_s, end_s)][-MAX_STRETCHES:]

    def all(self) -> Sequence[tuple[float, float]]:
        """From and to of each, the one added or enlarged last at the end."""
        return tuple(self._all)
