"""Connections that have come in, until it is known which worker they belong to."""

import os
import socket
from collections.abc import Callable
from typing import cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol, IReactorTime
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from mjpegd.addresses import plain_host
from mjpegd.capacity.admission import Admission, Presence, Refusals
from mjpegd.capacity.guests import Standing
from mjpegd.flow import Alarm, StreamTransport, is_encrypted
from mjpegd.limits import Limits
from mjpegd.logs import Tally
from mjpegd.settings import Access
from mjpegd.wire.messages import Response
from mjpegd.workers.first_words import is_enough
from mjpegd.workers.messages import Addresses, Cover

# A request comes in one piece, mostly; who writes more slowly is not waited for.
FIRST_WORDS_S = 0.1
# How long a client that has spoken may have to wait for a worker; one starts in a second.
PLACE_S = 15.0


class Arrivals(ServerFactory):
    """Lets connections in, within limits, and listens to their first words.

    Args:
        admission: Whether there is room for one.
        clock: Time.
        limits: How long a connection may say nothing.
        place: Called with each that has said enough.
        access: From where they are taken, and whether there are users who log in.
        tally: Counts those from elsewhere.
        has_tls: They begin with TLS, which is the worker's affair.
    """

    noisy = False

    def __init__(
        self,
        admission: Admission,
        clock: IReactorTime,
        limits: Limits,
        place: "Callable[[Arrival], None]",
        access: Access,
        tally: Tally,
        *,
        has_tls: bool = False,
    ) -> None:
        self._admission = admission
        self.has_tls = has_tls
        self.silence_s = min(limits.idle_s, limits.login_s) if access.needs_login else limits.idle_s
        self.place = place
        self._networks = access.networks
        self._standing = Standing.STRANGER if access.needs_login else Standing.KNOWN
        self._tally = tally
        self._clock = clock
        # Who expects TLS cannot read what is said without it.
        self._refusals = Refusals(clock, 0) if has_tls else Refusals(clock)
        self._present: set[Arrival] = set()

    @override
    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        host = plain_host(getattr(addr, "host", ""))
        if self._networks is not None and host not in self._networks:
            return self._refusals.outsider(self._tally)
        presence = self._admission.connect(host, self._standing)
        if presence is None:
            return self._refusals.protocol()
        arrival = Arrival(self, host, Alarm(self._clock), presence)
        self._present.add(arrival)
        return arrival

    @property
    def waiting(self) -> int:
        """How many nobody has taken yet."""
        return len(self._present)

    def forget(self, arrival: "Arrival") -> None:
        """It has closed, or somebody has taken it."""
        self._present.discard(arrival)

    def abort_all(self) -> None:
        """Close those that nobody has taken."""
        for arrival in list(self._present):
            arrival.transport.abortConnection()


@implementer(IHalfCloseableProtocol)
class Arrival(Protocol):
    """A connection whose first words are awaited.

    A silent one stays here, where it costs nothing but its descriptor.

    Args:
        factory: Where it came in.
        host: The client's address.
        alarm: Rings when it was waited for long enough.
        presence: The connection, as it is counted.

    Attributes:
        said: What was read of it.
        is_here: It has neither closed nor been taken.
    """

    factory: Arrivals
    transport: StreamTransport

    def __init__(self, factory: Arrivals, host: str, alarm: Alarm, presence: Presence) -> None:
        self.factory = factory
        self.host = host
        self.said = b""
        self._presence = presence
        self._alarm = alarm
        self.is_here = True

    @override
    def connectionMade(self) -> None:
        self._presence.give_way = self._refuse
        self._alarm.set(self.factory.silence_s, self.transport.abortConnection)

    @override
    def dataReceived(self, data: bytes) -> None:
        if not self.said:
            self._alarm.set(FIRST_WORDS_S, self._has_spoken)
        self.said += data
        if is_enough(self.said):
            self._has_spoken()

    def readConnectionLost(self) -> None:  # noqa: N802 - of IHalfCloseableProtocol
        """The client sends no more; who takes it over will notice."""
        if self.said:
            self._has_spoken()
        else:
            self.transport.abortConnection()

    def writeConnectionLost(self) -> None:  # noqa: N802 - of IHalfCloseableProtocol
        """Nothing was written."""

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._alarm.stop()
        self.factory.forget(self)
        if self.is_here:
            self.is_here = False
            self._presence.leaves()

    def take(self) -> tuple[socket.socket, Presence]:
        """The connection itself, and how it is counted: from now on as somebody else's.

        Twisted's transport would shut it down for everybody who holds it. So that it closes its
        end as it always does, it is left with a socket in place of this one that leads nowhere.
        """
        handle = cast(socket.socket, self.transport.getHandle())
        taken = handle.dup()
        with socket.socket(handle.family, socket.SOCK_STREAM) as nowhere:
            os.dup2(nowhere.fileno(), handle.fileno(), inheritable=False)
        self.is_here = False
        self.transport.abortConnection()
        return taken, self._presence

    @property
    def addresses(self) -> Addresses:
        """Who it is, and what it is connected to."""
        peer: IAddress = self.transport.getPeer()
        local: IAddress = self.transport.getHost()
        if isinstance(peer, IPv4Address | IPv6Address) and isinstance(
            local, IPv4Address | IPv6Address
        ):
            hosts = plain_host(peer.host), plain_host(local.host)
            return Addresses(hosts[0], peer.port, hosts[1], local.port)
        return Addresses()

    @property
    def cover(self) -> Cover:
        """How what travels on it is kept from others."""
        if self.factory.has_tls:
            return Cover.TLS
        return Cover.PROXY if is_encrypted(self.transport) else Cover.NONE

    def _has_spoken(self) -> None:
        self.transport.pauseProducing()
        # Mostly somebody takes it at once, but at the start there is nobody yet.
        self._alarm.set(PLACE_S, self._refuse)
        self.factory.place(self)

    def _refuse(self) -> None:
        if not self.factory.has_tls:
            self.transport.write(Response(503).to_bytes())
        self.transport.loseConnection()
