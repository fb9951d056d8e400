"""What is to happen when: any number of calls in the future, served by one timer of the reactor."""

from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush

from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

_log = Logger()

# Calls are made at moments so far apart, up to one of them late: a reactor's timers are no finer.
MOMENTS_PER_S = 1000
# What is as late as this is made at once by `Timetable.catch_up`; the reactor is mostly earlier.
LATE_MOMENTS = 2
# Floating point gives the same moment in two ways that differ by less than this share of one.
ROUNDING = 1e-4
# How long calls may go on that come due one after another, before the network has its turn.
TURN_S = 0.005


@implementer(IDelayedCall)
class Entry:
    """One call in the future.

    Args:
        timetable: Where it stands.
        time_s: When, on the clock of the timetable.
        call: What is called; None when that has happened, when it was cancelled, and where nothing
            is to be called yet.
    """

    __slots__ = ("call", "is_cancelled", "moment", "time_s", "timetable")

    def __init__(
        self,
        timetable: "Timetable",
        time_s: float = 0.0,
        call: Callable[[], object] | None = None,
    ) -> None:
        self.timetable = timetable
        self.time_s = time_s
        self.moment = 0
        self.call = call
        self.is_cancelled = False

    def getTime(self) -> float:  # noqa: N802 - of IDelayedCall
        """When it is due (see IDelayedCall)."""
        return self.time_s

    def active(self) -> bool:
        """It is still to come (see IDelayedCall)."""
        return self.call is not None

    def cancel(self) -> None:
        """Let it not happen (see IDelayedCall)."""
        self._check()
        self.timetable.remove(self)
        self.call = None
        self.is_cancelled = True

    def reset(self, secondsFromNow: float) -> None:  # noqa: N803 - of IDelayedCall
        """Let it happen so many seconds from now (see IDelayedCall)."""
        self._move(self.timetable.seconds() + secondsFromNow)

    def delay(self, secondsLater: float) -> None:  # noqa: N803 - of IDelayedCall
        """Let it happen so many seconds later than it would (see IDelayedCall)."""
        self._move(self.time_s + secondsLater)

    def _move(self, time_s: float) -> None:
        self._check()
        self.timetable.remove(self)
        self.time_s = time_s
        self.timetable.add(self)

    def _check(self) -> None:
        if self.call is None:
            raise AlreadyCancelled if self.is_cancelled else AlreadyCalled


@implementer(IReactorTime)
class Timetable:
    """A clock for everybody who waits, in place of the reactor's.

    A timer of the reactor costs several times what an entry here does, and a server with a
    thousand viewers needs tens of thousands of them a second. Without entries there is no timer.

    Args:
        reactor: Time.
    """

    def __init__(self, reactor: IReactorTime) -> None:
        # The present moment (see IReactorTime), which everybody asks for often.
        self.seconds = reactor.seconds
        self._reactor = reactor
        self._rows: dict[int, list[Entry]] = {}  # by moment
        self._moments: list[int] = []  # those that have a row, as a heap
        self._count = 0
        self._timer: IDelayedCall | None = None
        self._serving = 0  # the moment whose row is called, or was called last
        self._is_at_work = False

    def callLater(  # noqa: N802 - of IReactorTime
        self,
        delay: float,
        callable: Callable[..., object],  # noqa: A002 - likewise
        *args: object,
        **kw: object,
    ) -> Entry:
        """Call something after so many seconds (see IReactorTime)."""
        call = partial(callable, *args, **kw) if args or kw else callable
        entry = Entry(self, self.seconds() + delay, call)
        self.add(entry)
        return entry

    def getDelayedCalls(self) -> list[IDelayedCall]:  # noqa: N802 - of IReactorTime
        """What is to come, in no order (see IReactorTime)."""
        return [IDelayedCall(entry) for row in self._rows.values() for entry in row]

    def add(self, entry: Entry) -> None:
        """Give an entry its place, where its moment is: a new one, or one whose call was made."""
        self._count += 1
        moment = int(entry.time_s * MOMENTS_PER_S) + 1
        # What was called a rounding error too early may ask for the rest of its time: it would be
        # called again and again while the clock does not move.
        if moment <= self._serving:
            moment = self._serving + 1
        entry.moment = moment
        row = self._rows.get(moment)
        if row is not None:
            row.append(entry)
            return
        self._rows[moment] = [entry]
        heappush(self._moments, moment)
        # While calls are made the timer is not set: that is done once, for what then comes first.
        if not self._is_at_work and self._moments[0] == moment:
            self._set_timer()

    def catch_up(self) -> None:
        """Make the calls that are late, if any are, before the reactor has its next turn.

        A turn takes as long as there is something to read, which in a flood is long. Whatever
        calls this has to be ready for all that a timer could do.
        """
        if self._is_at_work or not self._moments:
            return
        if self._moments[0] + LATE_MOMENTS <= self.seconds() * MOMENTS_PER_S:
            if self._timer is not None:
                self._timer.cancel()
            self._work()

    def remove(self, entry: Entry) -> None:
        """Take an entry from its place; its row stays."""
        row = self._rows.get(entry.moment, [])
        if entry in row:  # otherwise that is being called
            row.remove(entry)
            self._count -= 1
        if not self._count and not self._is_at_work:
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._count:
            wait_s = max(0.0, self._moments[0] / MOMENTS_PER_S - self.seconds())
            self._timer = self._reactor.callLater(wait_s, self._work)
        else:
            self._rows.clear()
            self._moments.clear()

    def _work(self) -> None:
        """Make the calls that are due, and those that come due meanwhile."""
        self._timer = None
        self._is_at_work = True
        now_s = self.seconds()
        until_s = now_s + TURN_S
        try:
            while self._moments and self._moments[0] <= now_s * MOMENTS_PER_S + ROUNDING:
                self._serving = heappop(self._moments)
                self._call(self._rows.pop(self._serving))
                now_s = min(self.seconds(), until_s)
        finally:
            self._is_at_work = False
            self._set_timer()

    def _call(self, row: list[Entry]) -> None:
        self._count -= len(row)
        for entry in row:
            call, entry.call = entry.call, None
            if call is None:  # it was cancelled by one before it
                continue
            try:
                call()
            except Exception:
                _log.failure("a call that was due")
