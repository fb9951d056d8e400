"""Which slots of a film with one constant rate its frames take, by their RTP times."""

from fractions import Fraction
from statistics import median_low

from mjpegd.wire.clock import RTP_CLOCK_HZ
from mjpegd.wire.packets import timestamp_delta

# For streams that tell no rate, and in whose timestamps there is none.
_USUAL_RATE = Fraction(25)
# Beyond them it is a timestamp of another clock, as some laboratory servers have it.
_SLOWEST_RATE, _FASTEST_RATE = Fraction(1, 10), Fraction(240)
# A rate is learned from so many steps, and if it is not the one that was told, from so much time
# or so many steps: an unsteady clock then counts little.
_FEWEST_STEPS, _MOST_STEPS = 8, 48
_LEARNING_TICKS = 2 * RTP_CLOCK_HZ
# A rate that was told is more exact than one that was measured, where it is about the same.
_SAME_RATE = Fraction(1, 50)
# A longer gap is a pause or an outage; nobody wants to watch it.
_MAX_GAP_TICKS = 10 * RTP_CLOCK_HZ


class Slots:
    """Gives each frame of a film its slot, so that frames that did not come leave theirs empty.

    The rate that a server tells may be that of its fields, or a guess, so it is learned from the
    first frames, and what is missing among these leaves its gap behind them. Later frames never
    change it: should they come faster, all of them are kept, and that part of the film is slower
    than it was.

    Attributes:
        rate: Slots per second, as far as it is known.
    """

    def __init__(self, told: Fraction | None) -> None:
        """Begin a film, with the rate that the server tells."""
        self._told = told if told and _is_sane(told) else None
        self.rate = self._told or _USUAL_RATE
        self._is_learning = True
        self._steps: list[int] = []
        self._last: int | None = None
        self._elapsed_ticks = 0
        self._taken = 0

    def empty_before(self, timestamp: int) -> int:
        """How many slots stay empty between the frame before and this one.

        Args:
            timestamp: The frame's RTP time, 32 bits. Where it goes back or leaps far ahead, the
                film goes on with the next slot.
        """
        step = -1 if self._last is None else timestamp_delta(timestamp, self._last)
        self._last = timestamp
        if not 0 <= step <= _MAX_GAP_TICKS:
            self._elapsed_ticks, self._taken = 0, 1
            return 0
        self._elapsed_ticks += step
        empty = 0
        if self._is_learning:
            self._learn(step)
        else:
            slot = round(self._elapsed_ticks * self.rate / RTP_CLOCK_HZ)
            empty = max(0, slot - self._taken)
        self._taken += empty + 1
        return empty

    def _learn(self, step: int) -> None:
        if not step:
            return
        self._steps.append(step)
        usual = median_low(self._steps)
        # Longer ones have a hole in them.
        steady = [step for step in self._steps if step < 1.5 * usual]
        measured = Fraction(RTP_CLOCK_HZ * len(steady), sum(steady))
        if self._told and abs(measured - self._told) <= self._told * _SAME_RATE:
            self.rate = self._told
        elif _is_sane(measured):
            self.rate = measured
        is_sure = self.rate == self._told or self._elapsed_ticks >= _LEARNING_TICKS
        self._is_learning = len(self._steps) < (_FEWEST_STEPS if is_sure else _MOST_STEPS)


def _is_sane(rate: Fraction) -> bool:
    return _SLOWEST_RATE <= rate <= _FASTEST_RATE
