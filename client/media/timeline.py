"""RTP time <-> media time: where in the film a frame is, and which number it has."""

from collections import deque
from statistics import median

from mjpegd.wire.clock import RTP_CLOCK_HZ
from mjpegd.wire.packets import timestamp_delta

from ..interfaces import Cue

# So many steps from frame to frame tell the rate of the frames.
_STEPS = 9
# A server may round a rate, as 30 for 29.97; where it says 25 of 24 it is wrong.
_RATE_TOLERANCE = 0.02
# What leaps further is told wrongly, or by another clock: the film goes on where it was.
_MAX_LEAP_TICKS = 60 * RTP_CLOCK_HZ


class Timeline:
    """How the frames of one PLAY lie in the film (RFC 2326 section 12.33).

    Args:
        cue: What the server answered to PLAY.
        framerate: Frames per second of media time as far as they are known; None if they are not.
    """

    def __init__(self, cue: Cue, framerate: float | None) -> None:
        self._cue = cue
        self._known_framerate = framerate
        self._last = cue.timestamp
        self._last_ticks = 0  # from the cue to the last frame
        self._steps: deque[int] = deque(maxlen=_STEPS)

    @property
    def scale(self) -> float:
        """Media seconds per second."""
        return self._cue.scale

    @property
    def framerate(self) -> float | None:
        """Frames per second of media time: as known, unless the frames themselves say otherwise."""
        known = self._known_framerate
        # At another speed the server may leave out frames, and their distance tells nothing.
        if len(self._steps) < _STEPS or abs(self.scale) != 1:
            return known
        seen = RTP_CLOCK_HZ / median(self._steps)
        return known if known and abs(seen / known - 1) < _RATE_TOLERANCE else seen

    def saw(self, timestamp: int) -> None:
        """The next frame has this RTP time; the first is at the start where none was told."""
        step = self._ticks_to(timestamp)
        if step > 0:
            self._steps.append(step)
        self._last_ticks += step
        self._last = timestamp

    def position_s(self, timestamp: int) -> float | None:
        """Media time of an RTP time; None for a live picture, and before the first frame."""
        if self._cue.start_s is None or self._last is None:
            return None
        elapsed_s = (self._last_ticks + self._ticks_to(timestamp)) / RTP_CLOCK_HZ
        return max(0.0, self._cue.start_s + elapsed_s * self.scale)

    def frame_number(self, timestamp: int) -> int | None:
        """Number of a frame in the film, from 0; None where it cannot be told."""
        position_s, framerate = self.position_s(timestamp), self.framerate
        if position_s is None or framerate is None:
            return None
        return round(position_s * framerate)

    def _ticks_to(self, timestamp: int) -> int:
        """How far a frame is from the last one."""
        ticks = 0 if self._last is None else timestamp_delta(timestamp, self._last)
        return ticks if abs(ticks) <= _MAX_LEAP_TICKS else 0
