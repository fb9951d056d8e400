"""Where viewers come in: the RTSP port, or endpoints that Twisted knows by their description."""

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IReactorSocket,
    IReactorTime,
)
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.tcp import Port
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override

from mjpegd.errors import ConfigurationError
from mjpegd.logs import shown
from mjpegd.ports import bind_stream, explained, url_of
from mjpegd.proxied import PROXY_PREFIX, Proxied, behind_proxy
from mjpegd.settings import ENCRYPTED_ENDPOINTS, Settings

_log = Logger()

# Connections that are let in at least before timers have their turn, and 20 more in a flood.
ACCEPTS_PER_TURN = 10

# Schemes of URLs.
PLAIN, ENCRYPTED = "rtsp", "rtsps"


@dataclass(frozen=True, slots=True)
class _Port:
    scheme: str
    listening: IListeningPort


class ListeningReactor(IReactorTime, IReactorSocket):
    """What listening needs of a reactor."""


class Listening:
    """The open ports of RTSP.

    Args:
        settings: Where to listen.
        reactor: Where they are read.
        factory: What connections are given to.
        encrypted: What those to the port of TLS are given to; None where there is none.
        cannot: Called when an endpoint turns out later not to be possible.
    """

    def __init__(
        self,
        settings: Settings,
        reactor: ListeningReactor,
        factory: ServerFactory,
        encrypted: ServerFactory | None,
        cannot: Callable[[ConfigurationError], None],
    ) -> None:
        self._settings = settings
        self._reactor = reactor
        self._rations: list[Port] = []
        self._factory = Rationed(factory, self._rations)
        self._encrypted = encrypted and Rationed(encrypted, self._rations)
        self._cannot = cannot
        self._ports: list[_Port] = []
        self._opening: list[Deferred[None]] = []
        self._refusals: list[ConfigurationError] = []

    def open(self) -> None:
        """Open all of them.

        Raises:
            ConfigurationError: One cannot be had; says what to do.
        """
        settings = self._settings
        for description in settings.listen:
            self._open_endpoint(description)
        if self._refusals:
            raise self._refusals[0]
        tls = settings.tls
        if not settings.listen and not (tls and tls.is_only):
            sock = bind_stream(settings.interface, settings.port)
            self._adopt(sock, self._factory, PLAIN)
        if tls and self._encrypted is not None:
            sock = bind_stream(settings.interface, tls.port, "--tls-port")
            self._adopt(sock, self._encrypted, ENCRYPTED)

    async def opened(self) -> bool:
        """Wait until all are open; False if one cannot be had."""
        for opening in self._opening:
            await opening
        return not self._refusals

    def places(self) -> list[str]:
        """Where the daemon listens; addresses as base URLs."""
        return [_place(port.scheme, port.listening.getHost()) for port in self._ports]

    async def close(self) -> None:
        """Let nobody in any more."""
        ports, self._ports = self._ports, []
        for port in ports:
            await maybeDeferred(port.listening.stopListening)

    def _adopt(self, sock: socket.socket, factory: ServerFactory, scheme: str) -> None:
        port = self._reactor.adoptStreamPort(sock.fileno(), sock.family, factory)
        sock.close()  # the port has a copy of its own
        self._have(scheme, port)

    def _have(self, scheme: str, port: IListeningPort) -> None:
        self._ports.append(_Port(scheme, port))
        if isinstance(port, Port):
            port.numberAccepts = ACCEPTS_PER_TURN
            self._rations.append(port)

    def _open_endpoint(self, description: str) -> None:
        factory: ServerFactory = self._factory
        inner = description.removeprefix(PROXY_PREFIX)
        try:
            endpoint = serverFromString(self._reactor, inner)
            if inner != description:
                factory = Proxied(factory, self._reactor, self._settings.limits)
                endpoint = behind_proxy(endpoint)
            opening = endpoint.listen(factory)
        except Exception as fault:  # whatever the parser of an endpoint raises
            raise _no_endpoint(description, fault) from None
        self._opening.append(
            opening.addCallbacks(self._opened, self._failed, (description,), {}, (description,))
        )

    def _opened(self, listening: IListeningPort, description: str) -> None:
        is_encrypted = description.startswith(ENCRYPTED_ENDPOINTS)
        self._have(ENCRYPTED if is_encrypted else PLAIN, listening)

    def _failed(self, failure: Failure, description: str) -> None:
        # Most endpoints fail at once, and `open` with them; some only when the daemon runs.
        refusal = _no_endpoint(description, failure.value)
        self._refusals.append(refusal)
        self._cannot(refusal)


class Rationed(ServerFactory):
    """Lets few connections in in each turn of the reactor.

    In a flood a port of Twisted's takes more of them each time, without end, and frames wait.

    Args:
        factory: What they are given to.
        ports: Where they come from.
    """

    noisy = False

    def __init__(self, factory: ServerFactory, ports: list[Port]) -> None:
        self._factory = factory
        self._ports = ports

    @override
    def logPrefix(self) -> str:
        """What Twisted calls the port in the log."""
        return "RTSP"

    @override
    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        # A port that has accepted as many as it says that it does adds 20, else it does next time
        # as it did now: so it stays at the first sum.
        for port in self._ports:
            port.numberAccepts = ACCEPTS_PER_TURN
        return cast(Protocol | None, self._factory.buildProtocol(addr))


def _place(scheme: str, host: IAddress) -> str:
    if isinstance(host, IPv4Address | IPv6Address):
        return url_of(scheme, host.host, host.port)
    if isinstance(host, UNIXAddress) and host.name:
        return f"unix:{shown(os.fsdecode(host.name))}"
    return str(host)


def _no_endpoint(description: str, fault: BaseException | None) -> ConfigurationError:
    """Why an endpoint cannot be listened on, as a sentence for the operator."""
    what = f"--listen {description!r}"
    if isinstance(fault, CannotListenError) and isinstance(fault.socketError, OSError):
        return explained(fault.socketError, what)
    if isinstance(fault, LookupError) and description.startswith("systemd:"):
        return ConfigurationError(f"{what}: systemd has passed no such socket")
    return ConfigurationError(f"{what} cannot be listened on: {shown(str(fault))}")
