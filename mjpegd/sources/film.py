"""A film in one file: its frames by number, read from the file when they are asked for."""

from array import array
from bisect import bisect_right
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from mjpegd.errors import MediaError
from mjpegd.interfaces import IFrameSource, InThread
from mjpegd.logs import shown
from mjpegd.sources import containers, rawjpeg
from mjpegd.sources.indexing import Batches, Entry, Step
from mjpegd.sources.reading import FilmFile
from mjpegd.sources.timing import FilmTimes, nominal_rate, usual_rate
from mjpegd.wire import jpeg_segments
from mjpegd.wire.errors import BrokenJpegError

T = TypeVar("T")

# A film is open once so many frames are known: enough to tell a still from a film.
_FIRST_FRAMES = 2
_STILL_RATE = Fraction(1)
_log = Logger()


class FrameTable:
    """Where the frames of a film lie, in 12 bytes each."""

    def __init__(self) -> None:
        self._offsets = array("Q")
        self._sizes = array("I")
        # Frames at which having tables turns into not having them, and back, by turns.
        self._turns = array("I")
        self._sum_bytes = 0

    @property
    def mean_bytes(self) -> int:
        """Bytes of a frame, on average; of no frames, 0."""
        return self._sum_bytes // max(1, len(self))

    def __len__(self) -> int:
        return len(self._sizes)

    def append(self, entry: Entry) -> None:
        """Add the next frame."""
        if entry.has_tables == len(self._turns) % 2:
            self._turns.append(len(self))
        self._offsets.append(entry.offset)
        self._sizes.append(entry.size)
        self._sum_bytes += entry.size

    def place(self, number: int) -> tuple[int, int]:
        """Offset and size of a frame in bytes."""
        return self._offsets[number], self._sizes[number]

    def lender(self, number: int) -> int | None:
        """The frame whose tables this one needs; None if it has its own, or there are none."""
        turns = bisect_right(self._turns, number)
        if turns % 2 == 0:
            return None
        last_with_tables = self._turns[turns - 1] - 1
        return last_with_tables if last_with_tables >= 0 else None


class _Opened:
    """What the first thread's work finds: the file, its container, the first frames."""

    def __init__(self, path: Path) -> None:
        self.file = FilmFile(path)
        try:
            self.index = containers.index(self.file)
            self.batches = Batches(self.index.steps, self.file.size)
            self.frames = self._first_frames()
            self.file.verify()
        except BaseException:
            self.file.close()
            raise

    def _first_frames(self) -> Step:
        frames: Step = []
        while len(frames) < _FIRST_FRAMES and not self.batches.done:
            frames += self.batches.next_batch()
        if not frames:
            raise MediaError(f"{self.index.kind} without a picture")
        return frames


@implementer(IFrameSource)
class Film:
    """A film in one file (see `IFrameSource`); `Film.open` makes one.

    Its index grows in the background: batch after batch is found in a thread, and taken over
    in the reactor's.
    """

    def __init__(
        self, title: str, opened: _Opened, default_rate: Fraction, in_thread: InThread
    ) -> None:
        """Take over an opened file."""
        index = opened.index
        self.title = title
        self.complete = opened.batches.done
        self.still = self.complete and index.kind == rawjpeg.KIND and len(opened.frames) == 1
        self.kind = "JPEG" if self.still else index.kind
        stamps = [entry.seconds for entry in opened.frames]
        rate = nominal_rate(stamps) if index.rate is None else usual_rate(index.rate, stamps)
        self.timed = rate is not None
        self.times = FilmTimes(rate or (_STILL_RATE if self.still else default_rate))
        self._file = opened.file
        self._batches = opened.batches
        self._in_thread = in_thread
        self._table = FrameTable()
        # Who lends its tables, and these; one object, which threads exchange whole.
        self._lent: tuple[int, bytes] = (-1, b"")
        self._waiting: list[Deferred[None]] = []
        self._jobs = 0
        self._closed = False
        self._take(opened.frames)

    @classmethod
    def open(
        cls, path: Path, title: str, default_rate: Fraction, in_thread: InThread
    ) -> "Deferred[Film]":
        """Open a file and find its first frames; the others are looked for afterwards.

        Args:
            path: The file, without a link in its last part.
            title: What log lines call the film.
            default_rate: Frames per second where the file does not tell.
            in_thread: How the disk is waited for.

        Returns:
            The film, with at least one frame. Fails with `MediaNotFoundError` or `MediaError`.
        """

        def start(opened: _Opened) -> Film:
            film = cls(title, opened, default_rate, in_thread)
            Deferred.fromCoroutine(film._index_the_rest()).addErrback(
                lambda failure: _log.failure("indexing {stream}", failure, stream=shown(title))
            )
            return film

        return in_thread(partial(_Opened, path)).addCallback(start)

    @property
    def mean_bytes(self) -> int:
        """Bytes of a frame in the file, on average."""
        return self._table.mean_bytes

    def grown(self) -> Deferred[None]:
        """Fires when more frames are known, at the end of the index, or when closed."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        if self.complete or self._closed:
            self._tell_grown()
        return waiting

    def check(self) -> Deferred[None]:
        """Look whether the file is still the one that was indexed."""
        return self._work(self._file.check)

    def read_now(self, number: int) -> bytes | None:
        """The JPEG with this number, or None where that would mean waiting."""
        lender = self._table.lender(number)
        lent_by, tables = self._lent
        if lender is not None and lender != lent_by:
            return None
        data = self._file.read_now(*self._table.place(number))
        return data and _picture(data, b"" if lender is None else tables)

    def read(self, number: int) -> Deferred[bytes]:
        """The JPEG with this number, read in a thread."""
        return self._work(partial(self._read, number, self._table.lender(number)))

    def close(self) -> None:
        """Give back the file, once no thread uses it any more."""
        self._closed = True
        self._tell_grown()
        if not self._jobs:
            self._file.close()

    async def _index_the_rest(self) -> None:
        try:
            while not self.complete and not self._closed:
                self._take(await self._work(self._next_batch))
                self.complete = self._batches.done
                self._tell_grown()
        except MediaError as error:
            _log.warn(
                "stream {stream}: index ends early: {error}",
                stream=shown(self.title),
                error=shown(str(error)),
            )
        except Exception:
            _log.failure("stream {stream}: index ends early", stream=shown(self.title))
        finally:
            self.complete = True
            self._tell_grown()
        if self._batches.dropped:
            _log.warn(
                "stream {stream}: {count} frames left out that are not whole in the file",
                stream=shown(self.title),
                count=self._batches.dropped,
            )

    def _next_batch(self) -> Step:
        batch = self._batches.next_batch()
        self._file.verify()
        return batch

    def _take(self, entries: Step) -> None:
        for entry in entries:
            self._table.append(entry)
            self.times.append(entry.seconds if self.timed else None)

    def _tell_grown(self) -> None:
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(None)

    def _read(self, number: int, lender: int | None) -> bytes:
        """In a thread: like `read`, keeping the lender's tables for the frames that follow."""
        data = self._file.read(*self._table.place(number))
        if lender is None:
            return _picture(data, b"")
        lent_by, tables = self._lent
        if lender != lent_by:
            tables = _tables(self._file.read(*self._table.place(lender)))
            self._lent = lender, tables
        return _picture(data, tables)

    def _work(self, work: Callable[[], T]) -> Deferred[T]:
        self._jobs += 1
        return self._in_thread(work).addBoth(self._worked)

    def _worked(self, result: T) -> T:
        self._jobs -= 1
        if self._closed and not self._jobs:
            self._file.close()
        return result


def _picture(data: bytes, tables: bytes) -> bytes:
    """What lies in a frame's place, from SOI on, with the tables that it lacks."""
    start = max(0, data.find(jpeg_segments.SOI))
    if not start and not tables:
        return data
    return data[start : start + 2] + tables + data[start + 2 :]


def _tables(data: bytes) -> bytes:
    try:
        return jpeg_segments.tables(data)
    except BrokenJpegError:
        return b""
