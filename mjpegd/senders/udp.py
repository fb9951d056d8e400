"""RTP over UDP: trains to one viewer's ports, from the address that the viewer connected to."""

import errno
import os
import socket
import struct
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, ip_address

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from mjpegd.interfaces import IPacketSender
from mjpegd.wire.packets import PacketTrain

# A train above this leaves in parts: receive buffers on the way may be small (live555 50 kB,
# Linux 208 kB by default, of which a packet of 1400 bytes takes 2304).
PART_BYTES = 32_768
# The kernel's send buffer is full: how soon to try again. It drains in well under this.
RETRY_S = 0.002

# Python 3.11 has no name for it; the number is Linux's (linux/in.h).
_LINUX_IP_PKTINFO = 8
# The network, or the kernel's buffers, cannot take more for now.
_BUSY = {errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS, errno.EINTR}

SocketAddress = tuple[str, int] | tuple[str, int, int, int]
Ancillary = list[tuple[int, int, bytes]]


class MediaSocket:
    """A bound UDP socket that sends to any viewer, from a chosen address of this host.

    Args:
        sock: Non-blocking; AF_INET, or AF_INET6 that may be dual-stack.
    """

    def __init__(self, sock: socket.socket) -> None:
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


@implementer(IPacketSender)
class UDPSender:
    """One viewer's way over UDP (RFC 2326 section 12.39: client_port).

    A train above `PART_BYTES` leaves in parts, spread over the time that the caller allows.
    Where the kernel cannot take more, a train that was begun is finished first; of those that
    come meanwhile only the newest is kept.

    Args:
        rtp: The socket that media leaves from.
        rtcp: The socket that reports leave from.
        host: The viewer's address.
        ports: The viewer's RTP and RTCP ports.
        local_host: The address of this machine that packets leave from.
        clock: Time.
    """

    def __init__(
        self,
        rtp: MediaSocket,
        rtcp: MediaSocket,
        host: str,
        ports: tuple[int, int],
        local_host: str,
        clock: IReactorTime,
    ) -> None:
        self.dropped = 0
        self.errors = 0
        self.last_error = ""
        self._rtp = rtp
        self._rtcp = rtcp
        self._rtp_to = rtp.address_of(host, ports[0])
        self._rtcp_to = rtcp.address_of(host, ports[1])
        self._source = rtp.source(local_host)
        self._clock = clock
        self._parts: Iterator[list[memoryview]] = iter(())
        self._part: list[memoryview] = []
        self._pause_s = 0.0
        self._queued: tuple[PacketTrain, float] | None = None
        self._timer: IDelayedCall | None = None
        self._is_closed = False

    def send_train(self, train: PacketTrain, spread_s: float) -> None:
        """Send one frame; see the class for what happens to large ones and in a jam."""
        if self._is_closed:
            return
        if self._queued is not None:
            self.dropped += 1
        self._queued = (train, spread_s)
        if self._is_under_way and not self._finish():
            return
        self._begin()

    def send_report(self, compound: bytes) -> None:
        """Send one RTCP packet; one that cannot leave at once is worth nothing later."""
        if self._is_closed:
            return
        try:
            self._rtcp.send(compound, self._rtcp_to, self._source)
        except OSError as refusal:
            self._refused(refusal)

    def flush(self) -> None:
        """Send what waits without spreading it."""
        if self._finish() and self._queued is not None:
            self._begin()
            self._finish()

    def discard(self) -> None:
        """Finish the train under way, drop the one behind it."""
        if self._queued is not None:
            self._queued = None
            self.dropped += 1
        self._finish()

    def close(self) -> None:
        """Forget what waits."""
        self._is_closed = True
        self._stop_timer()
        self._parts, self._part, self._queued = iter(()), [], None

    @property
    def _is_under_way(self) -> bool:
        return bool(self._part) or self._timer is not None

    def _begin(self) -> None:
        """Start the queued train, if there is one."""
        if self._queued is None:
            return
        train, spread_s = self._queued
        self._queued = None
        parts = _parts(train)
        self._pause_s = spread_s / len(parts)
        self._parts = iter(parts)
        self._advance()

    def _advance(self) -> None:
        """Send the next part, and arrange for the one after it."""
        self._timer = None
        if not self._part:
            self._part = next(self._parts, [])
        if not self._send_part():
            self._timer = self._clock.callLater(RETRY_S, self._advance)
            return
        self._part = next(self._parts, [])
        if self._part:
            self._timer = self._clock.callLater(self._pause_s, self._advance)
        else:
            self._begin()

    def _finish(self) -> bool:
        """Send what is left of the train under way at once; False if the kernel is full."""
        self._stop_timer()
        while self._part:
            if not self._send_part():
                self._timer = self._clock.callLater(RETRY_S, self._advance)
                return False
            self._part = next(self._parts, [])
        return True

    def _send_part(self) -> bool:
        """Send the packets of the current part; what did not fit stays in it."""
        packets = self._part
        try:
            while packets:
                if not self._rtp.send(packets[0], self._rtp_to, self._source):
                    return False
                packets.pop(0)
        except OSError as refusal:
            # The rest of the frame is worth nothing without this packet.
            self._refused(refusal)
            self.dropped += 1
            self._part, self._parts = [], iter(())
        return True

    def _refused(self, refusal: OSError) -> None:
        self.errors += 1
        self.last_error = os.strerror(refusal.errno or 0)

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None


def _parts(train: PacketTrain) -> list[list[memoryview]]:
    """The packets of a train in groups of at most PART_BYTES."""
    per_part = max(1, PART_BYTES // train.stride)
    packets = list(train.packets())
    return [packets[start : start + per_part] for start in range(0, len(packets), per_part)]
