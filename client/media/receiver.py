"""Where datagrams come in: a pair of UDP ports of the player's own, and the way for reports."""

import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from random import Random

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IReactorTime, IReactorUDP
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger
from typing_extensions import override
from zope.interface import Interface

from mjpegd.wire.packets import RTP_HEADER_BYTES

from ..errors import UnplayableError

_log = Logger()

# A picture of 4 MB can come at the speed of the network before the player reads any of it.
RECEIVE_BUFFER_BYTES = 4 << 20
# No datagram is longer.
MAX_DATAGRAM_BYTES = 65_535
# Not among the ports that systems hand out by themselves, nor those below that services use.
RANDOM_PORTS = range(20_000, 32_000, 2)
PORT_TRIES = 64

_LAST_PORT = 65_535
# What opens a NAT for the media: an RTP packet without payload.
_PUNCH = b"\x80" + bytes(RTP_HEADER_BYTES - 1)


class Reactor(IReactorTime, IReactorUDP, Interface):
    """What datagrams need of the reactor."""


class _Inlet(DatagramProtocol):
    """One port: only what comes from the server passes."""

    noisy = False

    def __init__(self, clock: IReactorTime, take: Callable[[bytes, float], None]) -> None:
        self.hosts: frozenset[str] = frozenset()
        self._clock = clock
        self._take = take
        self._has_warned = False

    @override
    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        if addr[0] in self.hosts:
            self._take(datagram, self._clock.seconds())
        elif self.hosts and not self._has_warned:
            self._has_warned = True
            _log.warn("{host} is not the server: what it sends is passed over", host=addr[0])

    def send(self, data: bytes, host: str, port: int) -> None:
        """Send a datagram; what the network does not take is lost."""
        if self.transport is None:
            return
        try:
            self.transport.write(data, (host, port))
        except (OSError, ValueError) as error:
            # ValueError: the server named a source that is no address.
            _log.debug("a packet to {host} was not sent: {error}", host=host, error=str(error))


class MediaPorts:
    """A pair of UDP ports: RTP on one, RTCP on the next.

    Attributes:
        numbers: The ports.
        buffer_bytes: What the system gives RTP to wait in until the player reads it.
    """

    def __init__(
        self, ports: tuple[IListeningPort, IListeningPort], inlets: tuple[_Inlet, _Inlet]
    ) -> None:
        self._ports = ports
        self._inlets = inlets
        self._server: tuple[str, tuple[int, int]] | None = None
        self.numbers = (_number(ports[0]), _number(ports[1]))
        self.buffer_bytes = _enlarge_buffer(ports[0])

    @classmethod
    def open(
        cls,
        reactor: Reactor,
        take: Callable[[bytes, float], None],
        random: Random,
        *,
        is_ipv6: bool = False,
        first: int | None = None,
    ) -> "MediaPorts":
        """Bind a pair.

        Args:
            reactor: Where they are read.
            take: Called with each packet, and the moment of its arrival on the reactor's clock.
            random: Chooses the ports.
            is_ipv6: The server's address is of this family.
            first: The RTP port to begin the search at; a random one where None.

        Raises:
            UnplayableError: None is free.
        """
        interface = "::" if is_ipv6 else "0.0.0.0"  # noqa: S104 - the server may be anywhere
        numbers = random.sample(RANDOM_PORTS, PORT_TRIES)
        if first is not None:
            numbers = list(range(first, min(first + 2 * PORT_TRIES, _LAST_PORT)))
        for number in numbers:
            inlets = (_Inlet(reactor, take), _Inlet(reactor, take))
            if ports := _bind_pair(reactor, number, inlets, interface):
                return cls(ports, inlets)
        raise UnplayableError("No pair of UDP ports is free. Close other players, or use TCP.")

    def aim(self, host: str, ports: tuple[int, int] | None, source: str | None = None) -> None:
        """Take what comes from the server, and open the way through a NAT to it.

        Args:
            host: The address that the requests go to.
            ports: Where the server sends from and takes reports; None where it does not tell.
            source: Another address that it said the media come from.
        """
        for inlet in self._inlets:
            inlet.hosts = frozenset({host, source or host})
        self._server = (source or host, ports) if ports else None
        self._send(0, _PUNCH)

    def send_report(self, data: bytes) -> None:
        """Send one RTCP packet; what the network does not take is lost, as reports may be."""
        self._send(1, data)

    def close(self) -> None:
        """Take nothing more."""
        for port, inlet in zip(self._ports, self._inlets, strict=True):
            inlet.hosts = frozenset()
            port.stopListening()

    def _send(self, which: int, data: bytes) -> None:
        if self._server is not None:
            host, ports = self._server
            self._inlets[which].send(data, host, ports[which])


def _bind_pair(
    reactor: Reactor, number: int, inlets: tuple[_Inlet, _Inlet], interface: str
) -> tuple[IListeningPort, IListeningPort] | None:
    """Both ports, or neither."""
    try:
        first = reactor.listenUDP(number, inlets[0], interface, MAX_DATAGRAM_BYTES)
    except CannotListenError:
        return None
    try:
        return first, reactor.listenUDP(number + 1, inlets[1], interface, MAX_DATAGRAM_BYTES)
    except CannotListenError:
        first.stopListening()
        return None


def _number(port: IListeningPort) -> int:
    return int(port.getHost().port)  # type: ignore[attr-defined]  # of UDP it has one


def _enlarge_buffer(port: IListeningPort) -> int:
    """Ask for a large receive buffer; what the system gives."""
    handle: socket.socket = port.getHandle()  # type: ignore[attr-defined]  # of sockets it has one
    # Some systems refuse what is too much instead of giving less.
    with suppress(OSError):
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    given = handle.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    # Linux tells twice what was asked for, and needs the other half for itself.
    return given // 2 if sys.platform == "linux" else given
