"""Datagrams that arrive on a port: a few of them are read in each turn of the reactor."""

import socket
from contextlib import suppress

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

_log = Logger()

# What arrives is RTCP of some hundred bytes; longer datagrams are cut.
RECEIVED_BYTES = 2048
# Of a flood the system drops what is not read: reading takes a part of a millisecond of each turn.
# A port of Twisted's goes by bytes instead, and would read empty datagrams for as long as any come.
DATAGRAMS_PER_TURN = 32


@implementer(IReadDescriptor)
class Inbox:
    """Reads datagrams as long as it is open.

    Args:
        sock: Where they arrive; bound and non-blocking. A copy of it is read, for a reactor knows
            descriptors by their numbers, and somebody else may write to this one.
        protocol: What they are for.
        reactor: Tells when there are some.
    """

    def __init__(
        self, sock: socket.socket, protocol: DatagramProtocol, reactor: IReactorFDSet
    ) -> None:
        self._sock = sock.dup()
        self._protocol = protocol
        self._reactor = reactor
        reactor.addReader(self)

    def close(self) -> None:
        """Read nothing more."""
        self._reactor.removeReader(self)
        self._sock.close()

    def doRead(self) -> None:  # noqa: N802 - of IReadDescriptor
        """There is something (see IReadDescriptor)."""
        for _ in range(DATAGRAMS_PER_TURN):
            try:
                datagram, address = self._sock.recvfrom(RECEIVED_BYTES)
            except BlockingIOError:
                return
            except OSError:
                continue  # an earlier packet of ours was refused
            try:
                self._protocol.datagramReceived(datagram, address[:2])
            except Exception:  # a fault of ours with one datagram; the port has others
                _log.failure("a datagram to the port of {port}", port=self.logPrefix())

    def fileno(self) -> int:
        """What the reactor polls (see IReadDescriptor)."""
        return self._sock.fileno()

    def logPrefix(self) -> str:  # noqa: N802 - of IReadDescriptor
        """What the port is called in the log (see IReadDescriptor)."""
        return str(self._protocol.logPrefix())

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802 - of IReadDescriptor
        """The reactor has ended, or taken it out (see IReadDescriptor)."""
        with suppress(OSError):
            self._sock.close()
