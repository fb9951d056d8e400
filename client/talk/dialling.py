"""Opens the connection to a server, in the clear or by TLS; what goes wrong is a sentence."""

import errno

from twisted.internet import error
from twisted.internet.defer import CancelledError
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol, wrapClientTLS
from twisted.internet.interfaces import (
    IReactorPluggableNameResolver,
    IReactorTCP,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from zope.interface import Interface

from ..errors import ConnectError, DisconnectedError, PlayerError
from .location import Location

# Longer than any network takes that is worth watching over; people give up at about that time.
CONNECT_S = 10.0
# OpenSSL's words, also for a certificate of another host.
_DISTRUST = "certificate verify failed"
_NO_TLS = "wrong version number"


class Reactor(IReactorTCP, IReactorTime, IReactorPluggableNameResolver, Interface):
    """What connections need of the reactor."""


async def dial(
    reactor: Reactor, location: Location, protocol: Protocol, *, verifies_certificate: bool
) -> None:
    """Connect a protocol to a server.

    The handshake of TLS comes afterwards: where it fails, the protocol loses its connection,
    and `why_lost` tells why.

    Raises:
        ConnectError: No connection came about.
    """
    endpoint: IStreamClientEndpoint = HostnameEndpoint(
        reactor, location.host, location.port, timeout=CONNECT_S
    )
    if location.is_secure:
        endpoint = _secured(endpoint, location.host, verifies_certificate)
    connecting = connectProtocol(endpoint, protocol)
    try:
        # One limit for finding the host's addresses and for trying all of them.
        await connecting.addTimeout(CONNECT_S, reactor, lambda *_: Failure(error.TimeoutError()))
    except error.ConnectingCancelledError:
        raise CancelledError from None
    except (error.ConnectError, error.DNSLookupError) as fault:
        raise ConnectError(_why_not_connected(location, fault)) from fault


def why_lost(host: str, reason: Failure) -> PlayerError:
    """What it means that a connection ended; `ConnectError` where a certificate was the reason."""
    if reason.check(error.ConnectionDone):
        return DisconnectedError(f"{host} closed the connection.")
    fault = str(reason.value)
    if _DISTRUST in fault:
        return ConnectError(
            f"Nobody vouches for the certificate of {host}: it may be another machine that "
            "answers. If you trust it all the same, start the player with --no-verify."
        )
    if _NO_TLS in fault:
        return ConnectError(f"{host} does not speak TLS on this port: try rtsp:// or another port.")
    return DisconnectedError(f"The connection to {host} broke: {fault}")


def _secured(
    endpoint: IStreamClientEndpoint, host: str, verifies_certificate: bool
) -> IStreamClientEndpoint:
    try:
        from twisted.internet.ssl import CertificateOptions, optionsForClientTLS
    except ImportError:  # It needs packages that nothing else needs.
        raise ConnectError(
            "rtsps:// needs two more packages: pip install 'mjpegd[tls]' brings them."
        ) from None
    verified = optionsForClientTLS(host)
    return wrapClientTLS(verified if verifies_certificate else CertificateOptions(), endpoint)


def _why_not_connected(location: Location, fault: Exception) -> str:
    host, port = location.host, location.port
    sentences: list[tuple[type[Exception], str]] = [
        (error.DNSLookupError, f"There is no host {host}: is the name right, and the network up?"),
        (
            error.ConnectionRefusedError,
            f"Nothing listens on port {port} of {host}: is the server running?",
        ),
        (
            error.TimeoutError,
            f"{host} does not answer on port {port}: is it switched on, and does a firewall "
            "let the player through?",
        ),
    ]
    for kind, sentence in sentences:
        if isinstance(fault, kind):
            return sentence
    if getattr(fault, "osError", None) in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return f"No way leads to {host}: is it in a network that you can reach?"
    return f"No connection to port {port} of {host} came about: {fault}"
