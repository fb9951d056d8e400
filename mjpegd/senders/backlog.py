"""Senders that wait until a socket takes more: one question to the reactor for all of them."""

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorFDSet, IReactorTime, IWriteDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

# A socket may have room while the network behind it has none (ENOBUFS): how soon to ask again.
PAUSE_S = 0.002


@implementer(IWriteDescriptor)
class Backlog:
    """Who waits for room in a socket, in the order of coming.

    When there is room they go on one after another, until one of them has to wait again. So a
    jam costs one call of the system every `PAUSE_S`, however many wait.

    Args:
        fileno: The descriptor of the socket.
        reactor: Tells when it can be written to.
        clock: Time.

    Attributes:
        is_busy: Somebody waits, or goes on just now.
    """

    def __init__(self, fileno: int, reactor: IReactorFDSet, clock: IReactorTime) -> None:
        self._fileno = fileno
        self._reactor = reactor
        self._clock = clock
        self.is_busy = False
        self._waiting: dict[Callable[[], None], None] = {}
        self._rest: IDelayedCall | None = None

    def wait(self, go_on: Callable[[], None]) -> None:
        """Call this once when there is room."""
        self._waiting[go_on] = None
        if not self.is_busy:
            self.is_busy = True
            self._ask()

    def leave(self, go_on: Callable[[], None]) -> None:
        """Do not call this any more; harmless if it does not wait."""
        self._waiting.pop(go_on, None)

    def stop(self) -> None:
        """Forget all who wait."""
        self._forget()
        self._reactor.removeWriter(self)

    def fileno(self) -> int:
        """The descriptor (see IWriteDescriptor)."""
        return self._fileno

    def logPrefix(self) -> str:  # noqa: N802 - of IWriteDescriptor
        """What Twisted calls it in the log (see IWriteDescriptor)."""
        return "RTP"

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802 - of IWriteDescriptor
        """The reactor has let go of the socket (see IWriteDescriptor)."""
        self._forget()

    def doWrite(self) -> None:  # noqa: N802 - of IWriteDescriptor
        """There is room (see IWriteDescriptor)."""
        self._reactor.removeWriter(self)
        while self._waiting:
            go_on = next(iter(self._waiting))
            del self._waiting[go_on]
            go_on()
            if go_on in self._waiting:
                self._rest = self._clock.callLater(PAUSE_S, self._ask)
                return
        self.is_busy = False

    def _ask(self) -> None:
        self._rest = None
        self._reactor.addWriter(self)

    def _forget(self) -> None:
        self._waiting.clear()
        self.is_busy = False
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
