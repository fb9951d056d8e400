"""A LoopingCall that asks its function when to call it again."""

from collections.abc import Callable

from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure
from typing_extensions import override

from mjpegd.timetable import Entry, Timetable


class Pulse(LoopingCall):
    """A LoopingCall without a grid and without Deferreds, which are most of what a call costs.

    Args:
        beat: What is called; returns the moment of the clock at which to call it again, or None for
            not before somebody calls the pulse itself.
        clock: Time.
    """

    def __init__(self, beat: Callable[[], float | None], clock: Timetable) -> None:
        super().__init__(beat)
        self.clock = clock
        self._beat = beat
        self._entry = Entry(clock)

    @override
    def __call__(self) -> None:
        self.call = None
        try:
            next_s = self._beat()
        except Exception:
            self._end(Failure())
            return
        if not self.running:
            self._end(None)
        elif next_s is not None:
            # The same entry again and again: a new one each time would cost more.
            entry = self.call = self._entry
            entry.time_s, entry.call = next_s, self
            entry.timetable.add(entry)

    def _end(self, outcome: Failure | None) -> None:
        """Tell whoever waits for the end, as LoopingCall does when its function ends like this."""
        self.f = lambda: outcome
        super().__call__()
