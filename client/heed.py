"""When Tk is given its turn: with every picture, and all the time where none comes."""

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

# Longer than the films of cameras and cinemas take from picture to picture; nobody feels it.
PICTURE_S = 0.045


class Heed:
    """Lets Tk see to keys, clicks and drawing.

    Each turn of Tk's wakes a thread of Tcl's as well. So those that tksupport gives it at regular
    intervals are left out as long as pictures come, which are its turns already.

    Args:
        clock: The player's clock.
        turn: Lets Tk do all that waits, as its ``update`` does.
    """

    def __init__(self, clock: IReactorTime, turn: Callable[[], None]) -> None:
        self._clock = clock
        self._turn = turn
        self._drawn_s = clock.seconds()

    def draw(self) -> None:
        """A picture is to be seen now."""
        self._drawn_s = self._clock.seconds()
        self._turn()

    def update(self) -> None:
        """Some time has passed: tksupport calls this, as it would call a widget's."""
        if self._clock.seconds() - self._drawn_s >= PICTURE_S:
            self._turn()
