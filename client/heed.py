"""When Tk is given its turn: with every picture, and all the time where none comes."""

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

# Longer than the films of cameras and cinemas take from picture to picture; nobody feels it.
PICTURE_S = 0.045
# From turn to turn, where no picture comes; keys and clicks wait no longer.
TURN_S = 0.04
# How often `update` is to be called: to wake up costs, and while pictures come it is for nothing.
UPDATE_S = 2 * TURN_S


class Heed:
    """Lets Tk see to keys, clicks and drawing.

    Each turn of Tk's wakes a thread of Tcl's as well. So those that tksupport gives it at regular
    intervals are left out as long as pictures come, which are its turns already; where none come
    there is one more between two of tksupport's.

    Args:
        clock: The player's clock.
        turn: Lets Tk do all that waits, as its ``update`` does.
    """

    def __init__(self, clock: IReactorTime, turn: Callable[[], None]) -> None:
        self._clock = clock
        self._turn = turn
        self._drawn_s = clock.seconds()
        self._between: IDelayedCall | None = None

    def draw(self) -> None:
        """A picture is to be seen now."""
        self._drawn_s = self._clock.seconds()
        self._turn()

    def update(self) -> None:
        """Some time has passed: tksupport calls this, as it would call a widget's."""
        if self._is_due:
            self._between = self._clock.callLater(TURN_S, self._turn_between)
            self._turn()

    def stop(self) -> None:
        """Tk is about to go: it has no more turns between."""
        if self._between is not None:
            self._between.cancel()
            self._between = None

    @property
    def _is_due(self) -> bool:
        return self._clock.seconds() - self._drawn_s >= PICTURE_S

    def _turn_between(self) -> None:
        self._between = None
        if self._is_due:
            self._turn()
