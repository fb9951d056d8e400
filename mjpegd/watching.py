"""Files that people edit while they are used: noticed when they change, and read again."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from mjpegd.errors import ConfigurationError
from mjpegd.interfaces import InThread

_log = Logger()

T = TypeVar("T")

INTERVAL_S = 2.0

_Signature = tuple[tuple[int, ...] | None, ...]


class FileWatch:
    """Looks at files that belong together every now and then.

    What changes is left alone until all stands still for one look: an editor may write a file in
    pieces, and a renewal one file after the other, and each step would make sense or be a fault.

    Args:
        paths: The files; each may be gone for a while.
        clock: When to look.
        in_thread: How looking at the disk leaves the reactor.
        changed: Called when there is another file, or none, under one of these names.
    """

    def __init__(
        self,
        paths: Iterable[Path],
        clock: IReactorTime,
        in_thread: InThread,
        changed: Callable[[], object],
    ) -> None:
        self._paths = tuple(paths)
        self._in_thread = in_thread
        self._changed = changed
        self._known: _Signature = ()
        self._seen: _Signature = ()
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

    def skip(self) -> None:
        """What there is now is no change any more: somebody, in a thread, is about to read it."""
        self._known = self._signature()

    def _look(self) -> "Deferred[None]":
        return self._in_thread(self._signature).addCallback(self._looked)

    def _looked(self, signature: _Signature) -> None:
        stands_still = signature == self._seen
        self._seen = signature
        if self._looking.running and stands_still and signature != self._known:
            self._known = signature
            self._changed()

    def _signature(self) -> _Signature:
        return tuple(map(_signature, self._paths))


def _signature(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns


def _broke(failure: Failure) -> None:
    _log.failure("watching a file", failure)


class Upkeep(Generic[T]):
    """What is read from a person's files: at the start, on demand, and when one of them changes.

    Args:
        paths: The files.
        read: Reads them, in a thread; raises ConfigurationError where there is a fault in them.
        take: Called with what was read, whenever that was without a fault.
        clock: When to look whether they have changed.
        in_thread: How reading them leaves the reactor.
    """

    def __init__(
        self,
        paths: Iterable[Path],
        read: Callable[[], T],
        take: Callable[[T], object],
        clock: IReactorTime,
        in_thread: InThread,
    ) -> None:
        self._read = read
        self._take = take
        self._in_thread = in_thread
        self._turn = DeferredLock()
        self._watch = FileWatch(paths, clock, in_thread, self.read_again)

    def start(self) -> None:
        """Read the files, and look after them from now on.

        Raises:
            ConfigurationError: There is a fault in them; says what to do.
        """
        self._watch.start()
        try:
            self._take(self._read())
        except ConfigurationError:
            self.stop()
            raise

    def stop(self) -> None:
        """Look after them no more."""
        self._watch.stop()

    def read_again(self) -> "Deferred[None]":
        """Read the files again; if there is a fault in them, all stays as it was."""
        return self._turn.run(lambda: Deferred.fromCoroutine(self._read_again()))

    def _read_now(self) -> T:
        self._watch.skip()
        return self._read()

    async def _read_again(self) -> None:
        try:
            self._take(await self._in_thread(self._read_now))
        except ConfigurationError as fault:
            _log.error("{fault}; nothing changes", fault=fault)
        except Exception:
            _log.failure("reading files again")
