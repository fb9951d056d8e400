"""How fast a connection is written to and read from."""

from collections.abc import Callable

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


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
