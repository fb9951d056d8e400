"""Whether what a daemon has stays level, by samples of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import linear_regression

# What is kept for good is made in the first part of a run, and is no growth.
LEVEL_FROM = 0.25
# By the line of least squares through what follows, each may grow by this share of itself, or by
# one (megabyte, descriptor and so on) where that is more. Memory goes up and down by some percent
# with what Python's collector has not come to yet.
MAX_GROWTH_PERCENT = 5
# A line through fewer points tells nothing.
MIN_SAMPLES = 3
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
    level = samples[int(len(samples) * LEVEL_FROM) :]
    if len(level) < MIN_SAMPLES:
        yield f"{len(samples)} samples are too few to tell whether anything grows"
        return
    times = [sample.minutes for sample in level]
    for name, of in LEVELS.items():
        slope, first = linear_regression(times, [of(sample) for sample in level])
        growth = slope * (times[-1] - times[0])
        allowed = max(1.0, (first + slope * times[0]) * MAX_GROWTH_PERCENT / 100)
        if growth > allowed:
            yield f"{growth:.1f} {name} more at the end than may be ({allowed:.1f})"
