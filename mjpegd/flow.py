"""How fast a connection is written to and read from, and how long it may take."""

from collections.abc import Callable

from twisted.internet.interfaces import (
    IConsumer,
    IDelayedCall,
    IPushProducer,
    IReactorTime,
    ISystemHandle,
    ITCPTransport,
)
from zope.interface import implementer

from mjpegd.limits import Limits


class StreamTransport(ITCPTransport, IConsumer, IPushProducer, ISystemHandle):
    """What a protocol of ours needs of its transport; TCP and TLS have it."""


@implementer(IPushProducer)
class Outflow:
    """What the transport tells of its write buffer.

    Args:
        when_clear: Called when there is room again.
    """

    def __init__(self, when_clear: Callable[[], None]) -> None:
        self.is_jammed = False
        self._when_clear = when_clear

    def pauseProducing(self) -> None:
        """The client reads more slowly than is written."""
        self.is_jammed = True

    def resumeProducing(self) -> None:
        """There is room again."""
        self.is_jammed = False
        self._when_clear()

    def stopProducing(self) -> None:
        """The connection is gone; connectionLost says so too."""
        self.is_jammed = True


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
        """The connection is over."""
        self._alarm.stop()
