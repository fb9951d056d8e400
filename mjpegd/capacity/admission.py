"""Who is let in: connections, sessions and their bandwidth are counted in one place."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from twisted.internet import protocol
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from typing_extensions import override

from mjpegd.addresses import household
from mjpegd.capacity.guests import Guest, Guests, Standing
from mjpegd.errors import RTSPError
from mjpegd.flow import Alarm, say_no_more
from mjpegd.limits import Limits
from mjpegd.logs import Tally
from mjpegd.wire.messages import Response

# How long a client may take to read the last answer.
FAREWELL_S = 2.0
# Clients beyond the limits that are being told so; who comes then is closed without a word.
MAX_REFUSALS = 64


@dataclass(frozen=True, slots=True)
class Seat:
    """What a session takes.

    Attributes:
        host: The viewer's address.
        user: Who is logged in; empty without a login.
        bits_per_s: What its pictures need, on average.
    """

    host: str
    user: str = ""
    bits_per_s: int = 0


class Presence(Protocol):
    """A connection that was let in, as it is counted.

    Attributes:
        give_way: Closes the connection; whoever serves it says how. Called where there is no room
            for a new one, and this one is longest without a request or session.
    """

    give_way: Callable[[], None]

    def asks(self, standing: Standing) -> None:
        """A request has come of it, or what is known of it has changed."""
        ...

    def leaves(self) -> None:
        """It has closed; harmless where that is known."""
        ...


class Admission(Protocol):
    """Counts who is there; asked before anybody is let in."""

    def connect(self, host: str, standing: Standing) -> Presence | None:
        """Count one more connection from this address; None if there is no room for it."""
        ...

    def take_seat(self, seat: Seat) -> "Deferred[None]":
        """Count one more session.

        Fails with RTSPError, 453, where there is no room for it.
        """
        ...

    def change_seat(self, seat: Seat, other: Seat) -> "Deferred[None]":
        """A session of the same viewer is to need another bandwidth.

        Fails with RTSPError, 453, where there is no room for more; then nothing changes.
        """
        ...

    def give_back_seat(self, seat: Seat) -> None:
        """A session that was counted has ended."""
        ...

    def take_tunnel(self) -> bool:
        """Count one more tunnel; False if there is no room for it."""
        ...

    def give_back_tunnel(self) -> None:
        """A tunnel that was counted has ended."""
        ...


class Headcount:
    """Counts all of them here (see `Admission`).

    Of IPv6 an address is its first 64 bits: whoever has one of these has all of them.

    Args:
        limits: How many there may be.
        tally: Counts who is turned away.
    """

    def __init__(self, limits: Limits, tally: Tally) -> None:
        self._limits = limits
        self._tally = tally
        self._guests = Guests(limits)
        self._by_host: Counter[str] = Counter()
        self._by_user: Counter[str] = Counter()
        self._tunnels = 0
        self.sessions = 0
        self.bits_per_s = 0

    def connect(self, host: str, standing: Standing) -> Guest | None:
        """Count one more connection, to which others may have to give way (see `Admission`)."""
        guest, gone = self._guests.come(household(host), standing)
        if guest is None:
            self._tally.count("connections beyond the limit, where all others have sessions")
        if gone:
            self._tally.count("connections closed to make room for new ones", gone)
        return guest

    def take_seat(self, seat: Seat) -> "Deferred[None]":
        """Count one more session (see `Admission`)."""
        reason = self._full(seat) or self._too_much(seat.bits_per_s)
        if reason:
            self._tally.count(f"sessions refused: {reason}")
            return fail(RTSPError(453, reason))
        self.sessions += 1
        self.bits_per_s += seat.bits_per_s
        self._by_host[household(seat.host)] += 1
        self._by_user[seat.user] += 1
        return succeed(None)

    def change_seat(self, seat: Seat, other: Seat) -> "Deferred[None]":
        """Count what it needs now (see `Admission`)."""
        more = other.bits_per_s - seat.bits_per_s
        reason = self._too_much(more) if more > 0 else ""
        if reason:
            self._tally.count(f"sessions that may not play faster: {reason}")
            return fail(RTSPError(453, reason))
        self.bits_per_s += more
        return succeed(None)

    def give_back_seat(self, seat: Seat) -> None:
        """A session has ended (see `Admission`)."""
        self.sessions -= 1
        self.bits_per_s -= seat.bits_per_s
        for counter, name in (
            (self._by_host, household(seat.host)),
            (self._by_user, seat.user),
        ):
            counter[name] -= 1
            if not counter[name]:
                del counter[name]  # or everybody who ever came would stay

    def take_tunnel(self) -> bool:
        """Count one more tunnel (see `Admission`)."""
        if self._tunnels >= self._limits.tunnels:
            return False
        self._tunnels += 1
        return True

    def give_back_tunnel(self) -> None:
        """A tunnel has ended (see `Admission`)."""
        self._tunnels -= 1

    def _full(self, seat: Seat) -> str:
        """Why there may not be one more; empty if there may."""
        limits = self._limits
        if self.sessions >= limits.sessions:
            return "there are too many"
        if self._by_host[household(seat.host)] >= limits.sessions_per_address:
            return "its address has too many"
        if seat.user and self._by_user[seat.user] >= limits.sessions_per_user:
            return "its user has too many"
        return ""

    def _too_much(self, more_bits_per_s: int) -> str:
        """Why so much more may not be sent; empty if it may."""
        if self.bits_per_s + more_bits_per_s > self._limits.bits_per_s:
            return "there is too little bandwidth"
        return ""


class Refusals:
    """Tells clients that there is no room for them, as many as that costs little.

    Args:
        clock: Time.
        most: How many at the same time.
    """

    def __init__(self, clock: IReactorTime, most: int = MAX_REFUSALS) -> None:
        self._clock = clock
        self._most = most
        self._under_way = 0

    def protocol(self, status: int = 503) -> "Refusal | None":
        """For one connection more; None if it is to be closed without a word."""
        if self._under_way >= self._most:
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
        say_no_more(self.transport)
        self._farewell.set(FAREWELL_S, self.transport.abortConnection)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._farewell.stop()
        self._when_gone()
