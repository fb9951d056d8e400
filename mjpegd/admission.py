"""Who is let in: connections and sessions are counted in one place, in all and by address."""

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from twisted.internet import protocol
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from typing_extensions import override

from mjpegd.errors import RTSPError
from mjpegd.flow import Alarm
from mjpegd.limits import Limits
from mjpegd.logs import Tally
from mjpegd.wire.messages import Response

# How long a client may take to read the last answer.
FAREWELL_S = 2.0
# Clients beyond the limits that are being told so; who comes then is closed without a word.
MAX_REFUSALS = 64


class Admission(Protocol):
    """Counts who is there; asked before anybody is let in."""

    def connect(self, host: str) -> bool:
        """Count one more connection from this address; False if there is no room for it."""
        ...

    def disconnect(self, host: str) -> None:
        """A connection that was counted has closed."""
        ...

    def take_seat(self, host: str) -> "Deferred[None]":
        """Count one more session of this address.

        Fails with RTSPError where there is no room for it.
        """
        ...

    def give_back_seat(self, host: str) -> None:
        """A session that was counted has ended."""
        ...


class _Heads:
    """How many there are, in all and by address."""

    def __init__(self) -> None:
        self.in_all = 0
        self._by_host: Counter[str] = Counter()

    def of(self, host: str) -> int:
        return self._by_host[host]

    def add(self, host: str) -> None:
        self.in_all += 1
        self._by_host[host] += 1

    def remove(self, host: str) -> None:
        self.in_all -= 1
        self._by_host[host] -= 1
        if not self._by_host[host]:
            del self._by_host[host]  # or every address that ever came would stay


class Headcount:
    """Counts all of them here (see `Admission`).

    Args:
        limits: How many there may be.
        tally: Counts who is turned away.
    """

    def __init__(self, limits: Limits, tally: Tally) -> None:
        self._limits = limits
        self._tally = tally
        self._connections = _Heads()
        self._sessions = _Heads()

    @property
    def sessions(self) -> int:
        """How many sessions there are."""
        return self._sessions.in_all

    def connect(self, host: str) -> bool:
        """Count one more connection (see `Admission`)."""
        if self._connections.in_all >= self._limits.connections:
            self._tally.count("connections beyond the limit")
            return False
        if self._connections.of(host) >= self._limits.connections_per_address:
            self._tally.count("connections beyond the limit of one address")
            return False
        self._connections.add(host)
        return True

    def disconnect(self, host: str) -> None:
        """A connection has closed (see `Admission`)."""
        self._connections.remove(host)

    def take_seat(self, host: str) -> "Deferred[None]":
        """Count one more session (see `Admission`)."""
        if self.sessions >= self._limits.sessions:
            return fail(RTSPError(453, f"there are {self.sessions} sessions already"))
        self._sessions.add(host)
        return succeed(None)

    def give_back_seat(self, host: str) -> None:
        """A session has ended (see `Admission`)."""
        self._sessions.remove(host)


class Refusals:
    """Tells clients that there is no room for them, as many as that costs little.

    Args:
        clock: Time.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._under_way = 0

    def protocol(self, status: int = 503) -> "Refusal | None":
        """For one connection more; None if it is to be closed without a word."""
        if self._under_way >= MAX_REFUSALS:
            return None
        self._under_way += 1
        return Refusal(status, self._clock, self._gone)

    def outsider(self, tally: Tally) -> "Refusal | None":
        """The same for one that may have no connection, wherever there is room."""
        tally.count("connections from outside of --allow")
        return self.protocol(403)

    def _gone(self) -> None:
        self._under_way -= 1


class Refusal(protocol.Protocol):
    """Tells a client that there is no room for its connection, or that it may have none.

    Args:
        status: How it is told.
        clock: Time.
        when_gone: Called when the connection is closed.
    """

    transport: ITCPTransport

    def __init__(self, status: int, clock: IReactorTime, when_gone: Callable[[], None]) -> None:
        self._status = status
        self._when_gone = when_gone
        self._farewell = Alarm(clock)

    @override
    def connectionMade(self) -> None:
        self.transport.write(Response(self._status).to_bytes())
        # Closing before its request was taken would reset the connection, and it with the answer.
        self.transport.loseWriteConnection()
        self._farewell.set(FAREWELL_S, self.transport.abortConnection)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._farewell.stop()
        self._when_gone()
