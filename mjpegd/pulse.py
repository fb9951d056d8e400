"""A LoopingCall that asks its function when to call it again."""

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure
from typing_extensions import override


class Pulse(LoopingCall):
    """A LoopingCall without a grid and without Deferreds, which are most of what a call costs.

    Args:
        beat: What is called; returns after how many seconds again, or None for not before
            somebody calls the pulse itself.
        clock: Time.
    """

    def __init__(self, beat: Callable[[], float | None], clock: IReactorTime) -> None:
        super().__init__(beat)
        self.clock = clock
        self._beat = beat

    @override
    def __call__(self) -> None:
        self.call = None
        try:
            wait_s = self._beat()
        except Exception:
            self._end(Failure())
            return
        if not self.running:
            self._end(None)
        elif wait_s is not None:
            self.call = self.clock.callLater(wait_s, self)

    def _end(self, outcome: Failure | None) -> None:
        """Tell whoever waits for the end, as LoopingCall does when its function ends like this."""
        self.f = lambda: outcome
        super().__call__()
