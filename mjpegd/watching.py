"""A file that people edit while it is used: notices when it has changed."""

from collections.abc import Callable
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from mjpegd.interfaces import InThread

_log = Logger()

INTERVAL_S = 2.0

_Signature = tuple[int, ...] | None


class FileWatch:
    """Looks at a file every now and then.

    A file that changes is left alone until it stands still for one look: an editor may write it
    in pieces, of which each would make sense.

    Args:
        path: The file; it may be gone for a while.
        clock: When to look.
        in_thread: How looking at the disk leaves the reactor.
        changed: Called when there is another file, or none, under this name.
    """

    def __init__(
        self,
        path: Path,
        clock: IReactorTime,
        in_thread: InThread,
        changed: Callable[[], object],
    ) -> None:
        self._path = path
        self._in_thread = in_thread
        self._changed = changed
        self._known: _Signature = None
        self._seen: _Signature = None
        self._looking = LoopingCall(self._look)
        self._looking.clock = clock

    def start(self) -> None:
        """Notice what changes from now on."""
        self._known = self._seen = self._signature()
        self._looking.start(INTERVAL_S, now=False).addErrback(_broke)

    def stop(self) -> None:
        """Look no more. Harmless when it never began."""
        if self._looking.running:
            self._looking.stop()

    def _look(self) -> "Deferred[None]":
        return self._in_thread(self._signature).addCallback(self._looked)

    def _looked(self, signature: _Signature) -> None:
        stands_still = signature == self._seen
        self._seen = signature
        if self._looking.running and stands_still and signature != self._known:
            self._known = signature
            self._changed()

    def _signature(self) -> _Signature:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns


def _broke(failure: Failure) -> None:
    _log.failure("watching a file", failure)
