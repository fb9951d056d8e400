"""How fast a connection is written to and read from, and how long it may take."""

import socket
from collections.abc import Callable

from twisted.internet.interfaces import (
    IConsumer,
    IDelayedCall,
    IPushProducer,
    IReactorTime,
    ISSLTransport,
    ISystemHandle,
    ITCPTransport,
    ITransport,
)
from twisted.protocols.policies import ProtocolWrapper
from zope.interface import Interface, implementer

from mjpegd.limits import Limits

# What may wait in the transport before the connection counts as jammed; the same as Twisted's.
JAM_BYTES = 65_536


class Consumer(ITransport, IConsumer, Interface):
    """A transport that says when there is room; every one that Twisted has for streams does."""


def system_socket(transport: ITransport) -> socket.socket | None:
    """The socket that a transport writes to as it is told; None with TLS in between, or none."""
    handle = transport.getHandle() if ISystemHandle.providedBy(transport) else None
    return handle if isinstance(handle, socket.socket) else None


def socket_below(transport: ITransport) -> socket.socket | None:
    """The socket at the bottom of a transport, whatever lies in between; None for none."""
    while isinstance(transport, ProtocolWrapper) and transport.transport is not None:
        transport = transport.transport
    return system_socket(transport)


class IEncrypted(Interface):
    """A transport whose bytes are encrypted on their way to the client, though not by itself."""


def is_encrypted(transport: ITransport) -> bool:
    """Whether what travels on it is encrypted, here or by a proxy in front that says so."""
    return has_tls(transport) or IEncrypted.providedBy(transport)


def has_tls(transport: ITransport) -> bool:
    """Whether it encrypts what is written to it."""
    return ISSLTransport.providedBy(transport)


def say_no_more(transport: ITCPTransport) -> None:
    """Tell the client that nothing follows what is written; what it still sends can be read.

    TLS has a message of its own for that (RFC 8446 section 6.1). Closing half of the connection
    below it would cut off what it has not encrypted yet.
    """
    if has_tls(transport):
        transport.loseConnection()
    else:
        transport.loseWriteConnection()


class StreamTransport(ITCPTransport, Consumer, IPushProducer, ISystemHandle):
    """What a protocol of ours needs of its transport; TCP and TLS have it."""


def _nothing() -> None:
    """What is called of a connection that is gone."""


@implementer(IPushProducer)
class Outflow:
    """What is written to a connection.

    A transport of Twisted writes in a later turn of the reactor, which costs more than the
    writing. So what the system takes at once is handed to the socket, and only what is left
    over, and what comes behind that, to the transport.

    Args:
        when_clear: Called when there is room again.

    Attributes:
        is_jammed: The client reads more slowly than is written.
        envelope: What is written is put into it, message by message; it is written as it is where
            there is none.
    """

    def __init__(self, when_clear: Callable[[], None]) -> None:
        self.is_jammed = False
        self.envelope: Callable[[bytes | memoryview], bytes] | None = None
        self._when_clear = when_clear
        self._transport: Consumer | None = None
        self._socket: socket.socket | None = None
        self._waiting_bytes = 0

    def connect(self, transport: Consumer) -> None:
        """Write to this transport from now on."""
        self._transport = transport
        self._socket = system_socket(transport)
        # A pull producer is asked for more whenever all is written; with TLS without end, and so a
        # push producer it is there, which hears of jams only.
        transport.registerProducer(self, self._socket is None)

    def write(self, data: bytes | memoryview) -> None:
        """Write one message behind all else; it is copied where it has to wait."""
        self.write_through(data if self.envelope is None else self.envelope(data))

    def write_through(self, data: bytes | memoryview) -> None:
        """The same without an envelope."""
        written = 0
        if self._socket is not None and not self._waiting_bytes:
            try:
                written = self._socket.send(data)
            except OSError:  # there is no room; or the transport will meet the same, and close
                written = 0
            if written == len(data):
                return
        if self._transport is None:
            return
        self._transport.write(bytes(memoryview(data)[written:]))
        if self._socket is not None:
            self._waiting_bytes += len(data) - written
            self.is_jammed = self._waiting_bytes > JAM_BYTES

    def pauseProducing(self) -> None:
        """The client reads more slowly than is written."""
        self.is_jammed = True

    def resumeProducing(self) -> None:
        """There is room again."""
        self._waiting_bytes = 0
        self.is_jammed = False
        self._when_clear()

    def stopProducing(self) -> None:
        """The connection is gone; forget it (see `Patience.stop`)."""
        self.is_jammed = True
        self._when_clear = _nothing
        self._transport = self._socket = None


class Allowance:
    """How many messages may still come at once: those above the rate are read more slowly.

    Args:
        rate: Messages a second.
        burst: How many may come at once.
        now_s: The moment at which the whole burst is there.
    """

    def __init__(self, rate: float, burst: int, now_s: float) -> None:
        self._rate = rate
        self._most = float(burst)
        self._left = self._most
        self._counted_s = now_s

    def spend(self, now_s: float) -> float:
        """Take one message; how many seconds to wait before the next is read, 0 for none."""
        earned = (now_s - self._counted_s) * self._rate
        self._left = min(self._left + earned, self._most) - 1
        self._counted_s = now_s
        return max(0.0, -self._left / self._rate)


class Alarm:
    """One call in the future at most: setting it anew forgets the one before.

    Args:
        clock: Time.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._call: IDelayedCall | None = None

    def set(self, seconds: float, act: Callable[..., object], *args: object) -> None:
        """Call ``act(*args)`` after so many seconds."""
        self.stop()
        self._call = self._clock.callLater(seconds, act, *args)

    def stop(self) -> None:
        """Forget it."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None


class Patience:
    """How long a client may take: to complete what it began, or to begin anything at all.

    Args:
        clock: Time.
        limits: How long, for either.
        too_slow: Called when a message was begun and not completed in time, however its bytes
            dripped in.
        idle: Called when nothing was begun; may call ``completed`` to wait once more.
    """

    def __init__(
        self,
        clock: IReactorTime,
        limits: Limits,
        too_slow: Callable[[], None],
        idle: Callable[[], None],
    ) -> None:
        self._alarm = Alarm(clock)
        self._limits = limits
        self._too_slow = too_slow
        self._idle = idle
        self._is_under_way = False

    def begun(self) -> None:
        """A part of a message has come."""
        if not self._is_under_way:
            self._is_under_way = True
            self._alarm.set(self._limits.request_s, self._too_slow)

    def completed(self) -> None:
        """A message is complete: from now on silence is what is limited."""
        self._is_under_way = False
        self._alarm.set(self._limits.idle_s, self._idle)

    def stop(self) -> None:
        """The connection is over.

        What it would call is forgotten, so that the connection is freed at once when it is gone:
        the collector of cycles, which has to look at all there is, halts everybody meanwhile.
        """
        self._alarm.stop()
        self._too_slow = self._idle = _nothing
