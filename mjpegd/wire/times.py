"""Frame number <-> media time, in seconds from the first frame of a film."""

import re
from array import array
from bisect import bisect_right
from fractions import Fraction
from typing import Protocol

from mjpegd.wire.errors import ParseError

# A player that seeks to a frame names its time in whole milliseconds, cut off, not rounded
# (FFmpeg prints "%03d" of the remainder): what is less than this before a frame means that frame.
SEEK_TOLERANCE_S = 0.001
MAX_RATE = 1000

_RATE = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,9}|/0*[1-9][0-9]{0,9})?")


def parse_rate(text: str) -> Fraction:
    """Frames per second as ``25``, ``29.97`` or ``30000/1001``, above 0 and at most 1000.

    Raises:
        ParseError: Anything else.
    """
    # Bounded before it is evaluated: Fraction("1e999999999") would fill the memory.
    rate = Fraction(text) if _RATE.fullmatch(text) else Fraction(0)
    if not 0 < rate <= MAX_RATE:
        reason = f"frames per second are a number above 0 and at most {MAX_RATE}"
        raise ParseError(0, "frame-rate", reason)
    return rate


def seek_tolerance_s(rate: Fraction) -> float:
    """How much before a frame a seek still means that frame.

    A part of a frame's time at most, so that the frames of a fast film are told apart.
    """
    return min(SEEK_TOLERANCE_S, 0.25 * rate.denominator / rate.numerator)


class FrameTimes(Protocol):
    """When each frame of a film is shown. Grows while a film is being indexed."""

    @property
    def count(self) -> int:
        """How many frames are known."""
        ...

    @property
    def rate(self) -> Fraction:
        """Nominal frames per second, above 0."""
        ...

    @property
    def end(self) -> float:
        """When the last known frame has been shown for its time: the duration in seconds."""
        ...

    def time_of(self, number: int) -> float:
        """Media time in seconds of a frame, 0 <= number < count."""
        ...

    def number_at(self, seconds: float) -> int:
        """The frame that is on display at a media time; the first or last beyond the ends."""
        ...


class SteadyTimes:
    """Frames at a constant rate.

    Attributes:
        rate: Frames per second.
        count: How many frames are known; whoever finds more of them sets it.
    """

    def __init__(self, rate: Fraction, count: int = 0) -> None:
        self.rate = rate
        self.count = count
        self._numerator, self._denominator = rate.as_integer_ratio()
        self._tolerance_s = seek_tolerance_s(rate)

    @property
    def end(self) -> float:
        """The duration in seconds."""
        return self.time_of(self.count)

    def time_of(self, number: int) -> float:
        """Media time in seconds of a frame."""
        return number * self._denominator / self._numerator

    def number_at(self, seconds: float) -> int:
        """The frame that is on display at a media time."""
        seconds += self._tolerance_s
        number = int(seconds * self._numerator / self._denominator)
        return max(0, min(number, self.count - 1))


class ListedTimes:
    """Frames whose times the file tells one by one.

    Attributes:
        rate: Nominal frames per second; the last frame is shown for its inverse.
    """

    def __init__(self, rate: Fraction) -> None:
        self.rate = rate
        self._tolerance_s = seek_tolerance_s(rate)
        self._times = array("d")

    @property
    def count(self) -> int:
        """How many frames are known."""
        return len(self._times)

    @property
    def end(self) -> float:
        """The duration in seconds."""
        return self._times[-1] + float(1 / self.rate) if self._times else 0.0

    def append(self, seconds: float) -> None:
        """Add the time of the next frame; times do not go back."""
        self._times.append(seconds)

    def time_of(self, number: int) -> float:
        """Media time in seconds of a frame."""
        return self._times[number]

    def number_at(self, seconds: float) -> int:
        """The frame that is on display at a media time."""
        return max(0, bisect_right(self._times, seconds + self._tolerance_s) - 1)


class RetimedTimes:
    """The frames of a film at another, constant rate (``?fps=``).

    Attributes:
        rate: Frames per second.
    """

    def __init__(self, times: FrameTimes, rate: Fraction) -> None:
        self.rate = rate
        self._times = times
        self._steady = SteadyTimes(rate)

    @property
    def count(self) -> int:
        """How many frames are known."""
        return self._times.count

    @property
    def end(self) -> float:
        """The duration in seconds."""
        return self.time_of(self.count)

    def time_of(self, number: int) -> float:
        """Media time in seconds of a frame."""
        return self._steady.time_of(number)

    def number_at(self, seconds: float) -> int:
        """The frame that is on display at a media time."""
        self._steady.count = self.count
        return self._steady.number_at(seconds)
