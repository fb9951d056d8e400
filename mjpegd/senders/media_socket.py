"""A UDP socket that all viewers share: packets to anybody, from a chosen address of this host."""

import errno
import socket
import struct
import sys
from ipaddress import IPv4Address, ip_address

# Python 3.11 has no names for these; the numbers are Linux's (linux/in.h, linux/udp.h).
_LINUX_IP_PKTINFO = 8
_UDP_SEGMENT = 103
# What the kernel cuts of one call at most (UDP_MAX_SEGMENTS), and what a datagram could hold.
MAX_SEGMENTS = 64
MAX_SEGMENTED_BYTES = 65_507
# The network, or the kernel's buffers, cannot take more for now.
_BUSY = {errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS, errno.EINTR}
# How the kernel says that it cannot cut for this destination: its packets do not fit the network
# in one piece (EINVAL, EMSGSIZE), or its interface cannot do it (EIO).
CANNOT_SEGMENT = {errno.EINVAL, errno.EMSGSIZE, errno.EIO}
# How long a trial over loopback may take.
_TRIAL_S = 0.5

SocketAddress = tuple[str, int] | tuple[str, int, int, int]
Ancillary = list[tuple[int, int, bytes]]


class MediaSocket:
    """A bound UDP socket that sends to any viewer, from a chosen address of this host.

    Args:
        sock: Non-blocking; AF_INET, or AF_INET6 that may be dual-stack.
        segments: The kernel can cut what is handed to it (see `can_segment`).

    Attributes:
        segments: Likewise.
    """

    def __init__(self, sock: socket.socket, *, segments: bool) -> None:
        self.segments = segments
        self._sock = sock
        self._is_ipv6 = sock.family == socket.AF_INET6
        self._is_ipv4 = not self._is_ipv6 or not sock.getsockopt(
            socket.IPPROTO_IPV6, socket.IPV6_V6ONLY
        )

    def fileno(self) -> int:
        """The descriptor, for a reactor to adopt a copy of."""
        return self._sock.fileno()

    @property
    def port(self) -> int:
        """The port that it is bound to."""
        return int(self._sock.getsockname()[1])

    @property
    def host(self) -> str:
        """The address that it is bound to."""
        return str(self._sock.getsockname()[0])

    def reaches(self, host: str) -> bool:
        """Whether it can send to this host: not every socket knows both families."""
        return self._is_ipv6 if ":" in host else self._is_ipv4

    def address_of(self, host: str, port: int) -> SocketAddress:
        """A host as this socket's family writes it; ``fe80::1%eth0`` keeps its interface."""
        if not self._is_ipv6:
            return (host, port)
        name, _, scope = host.partition("%")
        if ":" not in name:
            name = f"::ffff:{name}"
        return (name, port, 0, _scope_id(scope))

    def source(self, host: str) -> Ancillary:
        """What makes a datagram leave from this address of the host (IP_PKTINFO).

        Where the system has no such thing the routing decides, as it does for one address.
        """
        name, _, scope = host.partition("%")
        try:
            address = ip_address(name)
        except ValueError:
            return []
        if address.is_unspecified or not self.reaches(name):
            return []
        if isinstance(address, IPv4Address):
            return self._ipv4_source(address) if sys.platform == "linux" else []
        info = struct.pack("=16si", address.packed, _scope_id(scope))
        return [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, info)]

    def _ipv4_source(self, address: IPv4Address) -> Ancillary:
        if self._is_ipv6:
            mapped = struct.pack("=10s2s4si", b"", b"\xff\xff", address.packed, 0)
            return [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, mapped)]
        info = struct.pack("=i4s4s", 0, address.packed, b"")
        return [(socket.IPPROTO_IP, _LINUX_IP_PKTINFO, info)]

    def send(self, datagram: memoryview | bytes, to: SocketAddress, source: Ancillary) -> bool:
        """Send one datagram; False if the kernel cannot take it now.

        Raises:
            OSError: The network refuses it for good: no route, too long, forbidden.
        """
        try:
            self._sock.sendmsg([datagram], source, 0, to)
        except OSError as refusal:
            if refusal.errno in _BUSY:
                return False
            raise
        return True

    def close(self) -> None:
        """Give the port back."""
        self._sock.close()


def _scope_id(scope: str) -> int:
    if not scope:
        return 0
    try:
        return int(scope) if scope.isdecimal() else socket.if_nametoindex(scope)
    except OSError:
        return 0


def segmented(stride: int, source: Ancillary) -> tuple[int, Ancillary]:
    """How the kernel is told to cut (UDP_SEGMENT, Linux).

    Args:
        stride: Bytes of a packet; only the last may be shorter.
        source: Where they come from.

    Returns:
        How many bytes of packets `MediaSocket.send` takes for a datagram, and what goes with them.
    """
    segment = (socket.IPPROTO_UDP, _UDP_SEGMENT, struct.pack("H", stride))
    return min(MAX_SEGMENTS, MAX_SEGMENTED_BYTES // stride) * stride, [*source, segment]


def can_segment() -> bool:
    """Whether the kernel cuts as `segmented` tells it: tried on loopback."""
    if sys.platform != "linux":
        return False
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as target,
    ):
        try:
            target.bind(("127.0.0.1", 0))
            target.settimeout(_TRIAL_S)
            _, how = segmented(3, [])
            MediaSocket(source, segments=True).send(b"twoone", target.getsockname(), how)
            return [target.recv(10) for _ in range(2)] == [b"two", b"one"]
        except OSError:
            return False
