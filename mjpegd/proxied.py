"""Connections that a proxy passes on: who comes is known when the proxy has said so."""

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.logger import Logger
from twisted.protocols.haproxy import proxyEndpoint
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import alsoProvides, implementer

from mjpegd.flow import Alarm, IEncrypted, StreamTransport
from mjpegd.limits import Limits
from mjpegd.wire.proxy import came_by_tls

_log = Logger()

# What Twisted calls an endpoint that reads the PROXY protocol.
PROXY_PREFIX = "haproxy:"


def behind_proxy(endpoint: IStreamServerEndpoint) -> IStreamServerEndpoint:
    """An endpoint whose connections tell by a PROXY header whose they are."""
    return IStreamServerEndpoint(proxyEndpoint(_Guarding(endpoint)))


@implementer(IStreamServerEndpoint)
class _Guarding:
    """An endpoint for what raises errors where a header makes no sense."""

    def __init__(self, endpoint: IStreamServerEndpoint) -> None:
        self._endpoint = endpoint

    def listen(self, protocolFactory: IProtocolFactory) -> "Deferred[IListeningPort]":  # noqa: N803
        """Listen (see IStreamServerEndpoint)."""
        return self._endpoint.listen(Guarded(protocolFactory))


class _Guard(ProtocolWrapper):
    """Closes a connection whose header Twisted stumbles over: ports that are no numbers, say."""

    @override
    def dataReceived(self, data: bytes) -> None:
        try:
            super().dataReceived(data)
        except ValueError as fault:
            _log.debug("a PROXY header makes no sense: {fault}", fault=fault)
            self.loseConnection()


class Guarded(WrappingFactory):
    """Connections that end where their PROXY header makes no sense, without a traceback."""

    protocol = _Guard
    noisy = False


class Proxied(ServerFactory):
    """Hands connections on when their first bytes tell whose they are.

    The PROXY header comes first and is read by Twisted; from then on the transport has the
    viewer's addresses.

    Args:
        factory: What the connections are for.
        clock: Time.
        limits: How long a connection may say nothing.
    """

    noisy = False

    def __init__(self, factory: ServerFactory, clock: IReactorTime, limits: Limits) -> None:
        self._factory = factory
        self._clock = clock
        self._limits = limits

    @override
    def buildProtocol(self, addr: IAddress | None) -> "Unannounced":
        return Unannounced(self._factory, Alarm(self._clock), self._limits.idle_s)


class Unannounced(Protocol):
    """A connection of which nothing is known but that a proxy made it.

    Args:
        factory: What makes the protocol for it.
        patience: Ends it.
        idle_s: How long it may say nothing.
    """

    transport: StreamTransport

    def __init__(self, factory: ServerFactory, patience: Alarm, idle_s: float) -> None:
        self._factory = factory
        self._patience = patience
        self._idle_s = idle_s
        self._protocol: IProtocol | None = None

    @override
    def connectionMade(self) -> None:
        self._patience.set(self._idle_s, self.transport.abortConnection)

    @override
    def dataReceived(self, data: bytes) -> None:
        if self._protocol is None:
            self._patience.stop()
            ends = self.transport.getPeer(), self.transport.getHost()
            if all(map(_is_sane, ends)):
                self._protocol = self._factory.buildProtocol(ends[0])
            if self._protocol is None:
                self.transport.abortConnection()
                return
            if _has_tls_in_front(self.transport):
                alsoProvides(self.transport, IEncrypted)
            self._protocol.makeConnection(self.transport)
        self._protocol.dataReceived(data)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._patience.stop()
        if self._protocol is not None:
            self._protocol.connectionLost(reason)


def _is_sane(address: IAddress) -> bool:
    """Whether it is one: Twisted takes whatever version 1 of the header has in its place."""
    host = getattr(address, "host", None)
    return host is None or isIPAddress(host) or isIPv6Address(host)


def _has_tls_in_front(transport: StreamTransport) -> bool:
    """Whether the proxy says that it got this connection by TLS.

    Twisted keeps the header, but to itself. Where it did no more, nothing would be taken for
    encrypted.
    """
    info = getattr(transport, "_proxyInfo", None)
    return came_by_tls(getattr(info, "header", b""))
