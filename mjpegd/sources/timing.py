"""When the frames of a film are shown, by what its file tells."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from statistics import median

from mjpegd.sources.indexing import FASTEST_RATE, SLOWEST_RATE, round_rate
from mjpegd.wire.times import ListedTimes, SteadyTimes

# Containers round times to milliseconds; within that, frames are where a constant rate has them.
_ROUNDING_S = 0.001 + 1e-6
# A longer gap between two frames, or none, is a clock that was set while the film was made.
_LONGEST_GAP_S = 3600.0
# A film whose every other frame was dropped has a gap twice as long as its header says.
_FAR_SLOWER = 1.5


class FilmTimes:
    """Times that are steady for as long as the file's own times agree with a constant rate.

    From the first one that does not, all are listed as the file has them. (Whether it will
    come is not known while a film is still being indexed.)
    """

    def __init__(self, rate: Fraction) -> None:
        """Begin without frames, at a nominal number of frames per second."""
        self._take(SteadyTimes(rate))
        self._stamp: float | None = None
        self._zero = 0.0

    @property
    def count(self) -> int:
        """How many frames are known."""
        return self._times.count

    @property
    def rate(self) -> Fraction:
        """Nominal frames per second."""
        return self._times.rate

    @property
    def end(self) -> float:
        """The duration in seconds."""
        return self._times.end

    def number_at(self, seconds: float) -> int:
        """The frame that is on display at a media time."""
        return self._times.number_at(seconds)

    def append(self, stamp: float | None) -> None:
        """Add a frame.

        Args:
            stamp: Its time in seconds on the clock of the file; None where there is none.
        """
        seconds = self._film_time(stamp)
        times = self._times
        if isinstance(times, SteadyTimes):
            if abs(seconds - times.time_of(times.count)) <= _ROUNDING_S:
                times.count += 1
                return
            times = _listed(times)
            self._take(times)
        times.append(max(seconds, times.time_of(times.count - 1)))

    def _take(self, times: SteadyTimes | ListedTimes) -> None:
        self._times = times
        # Media time in seconds of a frame (see `FrameTimes`), which every viewer asks for often.
        self.time_of = times.time_of

    def _film_time(self, stamp: float | None) -> float:
        """Seconds from the first frame; one frame on where the file's clock is of no use."""
        last, self._stamp = self._stamp, stamp
        if stamp is not None and last is not None and 0 < stamp - last <= _LONGEST_GAP_S:
            return stamp - self._zero
        seconds = self._times.time_of(self.count - 1) + float(1 / self.rate) if self.count else 0.0
        self._zero = (stamp or 0.0) - seconds
        return seconds


def _listed(steady: SteadyTimes) -> ListedTimes:
    listed = ListedTimes(steady.rate)
    for number in range(steady.count):
        listed.append(steady.time_of(number))
    return listed


def usual_rate(rate: Fraction, stamps: Sequence[float | None]) -> Fraction:
    """A header's rate, or the one that most of the first frames keep where it is far slower.

    FFmpeg, recording a stream whose rate it does not know, writes a time base for the rate
    (600 is usual) and an empty chunk wherever no frame came.
    """
    known = [stamp for stamp in stamps if stamp is not None]
    gaps = [later - earlier for earlier, later in pairwise(known)]
    if not gaps or median(gaps) * rate < _FAR_SLOWER:
        return rate
    return round_rate(median(gaps))


def nominal_rate(stamps: Sequence[float | None]) -> Fraction | None:
    """Frames per second by the first times in a file; None where they are of no use."""
    known = [stamp for stamp in stamps if stamp is not None]
    if len(known) < 2 or any(later <= earlier for earlier, later in pairwise(known)):
        return None
    gap_s = (known[-1] - known[0]) / (len(known) - 1)
    return round_rate(gap_s) if SLOWEST_RATE <= 1 / gap_s <= FASTEST_RATE else None
