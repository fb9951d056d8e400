"""Whether what a daemon has stays level, by samples of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

# The least of the last quarter may be more than the least of the second by this share of it, or by
# one (megabyte, descriptor and so on) where that is more. What piles up lifts the least; what only
# goes up and down does not, such as memory that Python's collector has not come to yet. What is
# made once, in the first quarter, is no growth.
MAX_GROWTH_PERCENT = 5
# Quarters.
MIN_SAMPLES = 4
TITLES = ("minutes", "sessions", "    MB", "files", "timers", "connections", "at once", "films")


@dataclass(frozen=True, slots=True)
class Sample:
    """What a daemon has at a moment.

    Attributes:
        minutes: Since the begin.
        played: Sessions that were played up to now.
        memory_mb: Memory of all its processes, what they share counted once.
        files: Descriptors that they have open.
        timers: What they wait for.
        connections: To viewers.
        sessions: At this moment.
        films: Open ones.
    """

    minutes: float
    played: int
    memory_mb: float
    files: int
    timers: int
    connections: int
    sessions: int
    films: int

    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        return (
            f"{self.minutes:.1f}",
            str(self.played),
            f"{self.memory_mb:.1f}",
            str(self.files),
            str(self.timers),
            str(self.connections),
            str(self.sessions),
            str(self.films),
        )


LEVELS: dict[str, Callable[[Sample], float]] = {
    "megabytes of memory": lambda sample: sample.memory_mb,
    "descriptors": lambda sample: sample.files,
    "timers": lambda sample: sample.timers,
    "connections": lambda sample: sample.connections,
    "sessions": lambda sample: sample.sessions,
    "open films": lambda sample: sample.films,
}


def growths(samples: Sequence[Sample]) -> Iterator[str]:
    """What has grown by more than it may, in a sentence each."""
    quarter = len(samples) // MIN_SAMPLES
    if not quarter:
        yield f"{len(samples)} samples are too few to tell whether anything grows"
        return
    for name, of in LEVELS.items():
        before = min(of(sample) for sample in samples[quarter : 2 * quarter])
        growth = min(of(sample) for sample in samples[-quarter:]) - before
        allowed = max(1.0, before * MAX_GROWTH_PERCENT / 100)
        if growth > allowed:
            yield f"{growth:.1f} {name} more at the end than may be ({allowed:.1f})"
