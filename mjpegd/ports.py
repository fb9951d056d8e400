"""The daemon's sockets: one for RTSP, one pair for RTP and RTCP, IPv6 and IPv4 at once."""

import contextlib
import errno
import os
import socket
from collections.abc import Sequence

from twisted.internet.interfaces import IReactorFDSet, IReactorTime

from mjpegd.addresses import in_url, is_ipv6, is_one_host, plain_host
from mjpegd.errors import ConfigurationError
from mjpegd.inbox import Inbox
from mjpegd.logs import Tally
from mjpegd.rtp import OnReport, Opened, RTCPProtocol, RTPProtocol
from mjpegd.senders.backlog import Backlog
from mjpegd.senders.media_socket import MediaSocket
from mjpegd.senders.udp import UDPSender

# Connections that wait to be accepted: a thousand players may start at once.
BACKLOG = 1024
# A burst of frames to many viewers has to fit; the system may allow less.
SEND_BUFFER_BYTES = 4 << 20
# Free ports come at random; half of them are even, and their neighbour is mostly free.
PAIR_TRIES = 64
# Nothing is sent to it (RFC 863).
DISCARD_PORT = 9
# Below lie the ports of services that a machine runs, not of players: who asks for media there
# wants to have somebody's name server or file server flooded.
FIRST_VIEWERS_PORT = 1024
# What a socket is bound to that has all addresses.
_ANY_ADDRESS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to
# What people ask about, and what helps.
_HINTS = {
    errno.EADDRINUSE: "is in use: stop what uses it, or choose another",
    errno.EACCES: "is reserved for root: choose one above 1023",
    errno.EADDRNOTAVAIL: "cannot be had: this machine has no such address",
}


def bind(kind: socket.SocketKind, interface: str, port: int) -> socket.socket:
    """A bound, non-blocking socket.

    Args:
        kind: SOCK_STREAM or SOCK_DGRAM.
        interface: Address to bind to; empty for all addresses, of both families in one socket
            where the system has IPv6, else of IPv4.
        port: 0 for any.

    Raises:
        OSError: It cannot be bound.
    """
    if interface:
        family = socket.AF_INET6 if is_ipv6(interface) else socket.AF_INET
        return _bind(kind, family, interface, port)
    try:
        return _bind(kind, socket.AF_INET6, "::", port)
    except OSError as refusal:
        if refusal.errno in {errno.EADDRINUSE, errno.EACCES}:
            raise
    return _bind(kind, socket.AF_INET, "", port)


def _bind(
    kind: socket.SocketKind, family: socket.AddressFamily, host: str, port: int
) -> socket.socket:
    sock = socket.socket(family, kind)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        address = socket.getaddrinfo(host or None, port, family, kind, 0, socket.AI_PASSIVE)[0][4]
        sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock


def explained(refusal: OSError, what: str, interface: str = "") -> ConfigurationError:
    """A socket that cannot be had, as a sentence for the operator.

    Args:
        refusal: What the system said.
        what: Which option, and which port.
        interface: The address of ``--interface``, which may be what is wrong.
    """
    if interface and (refusal.errno == errno.EADDRNOTAVAIL or isinstance(refusal, socket.gaierror)):
        return ConfigurationError(f"--interface {interface}: this machine has no such address")
    reason = _HINTS.get(refusal.errno or 0, f"cannot be opened: {os.strerror(refusal.errno or 0)}")
    if isinstance(refusal, socket.gaierror):
        reason = "cannot be opened: that is no address of this machine"
    return ConfigurationError(f"{what} {reason}")


def bind_stream(interface: str, port: int, option: str = "--port") -> socket.socket:
    """A listening socket for RTSP.

    Args:
        interface: As `bind` has it.
        port: Likewise.
        option: What names the port, for people.

    Raises:
        ConfigurationError: It cannot be had; says what to do.
    """
    try:
        sock = bind(socket.SOCK_STREAM, interface, port)
    except OSError as refusal:
        where = f" of {interface}" if interface else ""
        raise explained(refusal, f"{option}: TCP port {port}{where}", interface) from None
    try:
        sock.listen(BACKLOG)
    except OSError as refusal:  # somebody else was first, between bind and listen
        sock.close()
        raise explained(refusal, f"{option}: TCP port {port}") from None
    return sock


Pair = tuple[socket.socket, socket.socket]


class MediaPorts:
    """The RTP and RTCP ports that all viewers of a process share.

    Args:
        pair: The sockets of both, as `bind_pair` makes them.
        segments: The kernel cuts trains into packets (see `senders.media_socket.can_segment`).
    """

    def __init__(self, pair: Pair, *, segments: bool) -> None:
        self._pair = rtp, rtcp = pair
        self._rtp = _media_socket(rtp, segments=segments)
        self._rtcp = _media_socket(rtcp, segments=False)
        self._clock: IReactorTime | None = None
        self._backlog: Backlog | None = None
        self._inboxes: list[Inbox] = []

    @property
    def ports(self) -> tuple[int, int]:
        """The numbers of both."""
        return self._rtp.port, self._rtcp.port

    def reaches(self, host: str, ports: tuple[int, int]) -> bool:
        """Whether media may go to these ports of a viewer.

        A client on a Unix socket has no address, and one of another family is out of reach.
        """
        if not is_one_host(host) or min(ports) < FIRST_VIEWERS_PORT:
            return False
        return self._rtp.reaches(host)

    def address_for(self, viewer: str, reached: str) -> str:
        """The address of this machine that media for a viewer leaves from; empty if unknown.

        Args:
            viewer: The viewer's address; `reaches` is true of it.
            reached: The address that it connected to: mostly this machine's, but behind a proxy
                it may be the proxy's.
        """
        if _is_own(reached):
            return reached
        # The routing decides; what it would decide, a connected socket tells.
        with contextlib.suppress(OSError), bind(socket.SOCK_DGRAM, self._rtp.host, 0) as probe:
            probe.connect(self._rtp.address_of(viewer, DISCARD_PORT))
            return plain_host(probe.getsockname()[0])
        return ""

    def start(
        self,
        reactor: IReactorFDSet,
        clock: IReactorTime,
        on_report: OnReport,
        tally: Tally,
        opened: Opened,
    ) -> None:
        """Read what arrives: open what is encrypted, hand reports on, count what is none."""
        self._clock = clock
        self._backlog = Backlog(self._rtp.fileno(), reactor, clock)
        protocols = (
            RTPProtocol(on_report, tally, opened),
            RTCPProtocol(on_report, tally, opened),
        )
        for sock, protocol in zip(self._pair, protocols, strict=True):
            self._inboxes.append(Inbox(sock, protocol, reactor))

    def sender(self, host: str, ports: tuple[int, int], local_host: str) -> UDPSender:
        """A way to a viewer's ports, from the address that it connected to."""
        if self._clock is None or self._backlog is None:
            raise RuntimeError("start() comes first")
        return UDPSender(self._rtp, self._rtcp, host, ports, local_host, self._backlog, self._clock)

    def stop(self) -> None:
        """Give the ports back."""
        for inbox in self._inboxes:
            inbox.close()
        self._inboxes.clear()
        if self._backlog is not None:
            self._backlog.stop()
        self._rtp.close()
        self._rtcp.close()


def _media_socket(sock: socket.socket, *, segments: bool) -> MediaSocket:
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    return MediaSocket(sock, segments=segments)


def _is_own(host: str) -> bool:
    """This machine has the address."""
    try:
        bind(socket.SOCK_DGRAM, host, 0).close()
    except OSError:
        return False
    return True


def bind_pair(interface: str, port: int) -> Pair:
    """Bind sockets for RTP and RTCP: an even port and the one above it.

    Args:
        interface: Address to send from and to listen on; empty for all.
        port: The RTP port, even; 0 for any free pair.

    Raises:
        ConfigurationError: They cannot be had; says what to do.
    """
    if port:
        return _bind_given_pair(interface, port)
    for _ in range(PAIR_TRIES):
        pair = _try_free_pair(interface)
        if pair is not None:
            return pair
    raise ConfigurationError("--rtp-port: no free pair of UDP ports was found; name one")


def bind_pairs(interface: str, port: int, count: int) -> list[Pair]:
    """So many pairs (see `bind_pair`); from a given port on they follow each other.

    Raises:
        ConfigurationError: They cannot be had; says what to do.
    """
    pairs: list[Pair] = []
    try:
        while len(pairs) < count:
            pairs.append(bind_pair(interface, port and port + 2 * len(pairs)))
    except ConfigurationError:
        close_pairs(pairs)
        raise
    return pairs


def close_pairs(pairs: Sequence[Pair]) -> None:
    """Give the ports back."""
    for pair in pairs:
        for sock in pair:
            sock.close()


def port_ranges(pairs: Sequence[Pair]) -> str:
    """The numbers of all pairs, for people: ``6970-6973``, ``6970-6971 and 8000-8001``."""
    ranges: list[list[int]] = []
    for rtp, rtcp in pairs:
        first, last = rtp.getsockname()[1], rtcp.getsockname()[1]
        if ranges and ranges[-1][1] + 1 == first:
            ranges[-1][1] = last
        else:
            ranges.append([first, last])
    return " and ".join(f"{first}-{last}" for first, last in ranges)


def _bind_given_pair(interface: str, port: int) -> Pair:
    number = port
    try:
        rtp = bind(socket.SOCK_DGRAM, interface, number)
        try:
            number += 1
            return rtp, bind(socket.SOCK_DGRAM, interface, number)
        except BaseException:
            rtp.close()
            raise
    except OSError as refusal:
        where = f" of {interface}" if interface else ""
        raise explained(refusal, f"--rtp-port: UDP port {number}{where}", interface) from None


def _try_free_pair(interface: str) -> Pair | None:
    try:
        first = bind(socket.SOCK_DGRAM, interface, 0)
    except OSError as refusal:
        raise explained(refusal, "--rtp-port: a UDP port", interface) from None
    number = int(first.getsockname()[1])
    neighbour = number ^ 1  # the other one of the pair that begins with an even number
    try:
        second = bind(socket.SOCK_DGRAM, interface, neighbour)
    except OSError:
        first.close()
        return None
    return (first, second) if number < neighbour else (second, first)


def url_of(scheme: str, host: str, port: int) -> str:
    """The base URL of a server, for people: where it has all addresses, they try ``localhost``."""
    return f"{scheme}://{in_url('localhost' if host in _ANY_ADDRESS else plain_host(host), port)}/"
