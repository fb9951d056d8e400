"""A folder of numbered JPEGs as a film: a picture is a frame."""

import io
import os
import re
import stat
from collections.abc import Iterable, Iterator
from fractions import Fraction
from heapq import merge
from itertools import islice
from pathlib import Path

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from mjpegd.errors import MediaChangedError, MediaError, MediaNotFoundError
from mjpegd.interfaces import IFrameSource, InThread
from mjpegd.sources.paths import natural_key, resolve
from mjpegd.sources.reading import OPEN_FLAGS
from mjpegd.sources.shortages import is_shortage, refusal
from mjpegd.wire.jpeg_segments import MAX_FRAME_BYTES
from mjpegd.wire.times import SteadyTimes

# Fewer are single pictures: the only one with a digit in its name need not be part of a row.
MIN_PICTURES = 2
# Names are kept in memory, some 20 MB of them: almost three hours at 24 frames a second.
MAX_PICTURES = 250_000
# A sort keeps the interpreter's lock from beginning to end; this many take a millisecond or two.
_SORTED_AT_ONCE = 4096
# A picture that changes each time it is read is being written all the time.
_READ_ATTEMPTS = 2

_NUMBERED = re.compile(r"(?=.*[0-9])[^.].*\.jpe?g", re.IGNORECASE | re.DOTALL)


def numbered(entries: Iterable[os.DirEntry[str]], root: Path) -> Iterator[str]:
    """The names of those pictures in a folder that may be frames; in no order.

    Args:
        entries: What the folder holds.
        root: The media folder with its links followed; what leads out of it is left out.
    """
    return (entry.name for entry in entries if _is_frame(entry, root))


def _is_frame(entry: os.DirEntry[str], root: Path) -> bool:
    if not _NUMBERED.fullmatch(entry.name):
        return False
    try:
        if entry.is_symlink():
            resolve(Path(entry.path), root)
        status = entry.stat()
    except (OSError, MediaError):
        return False
    return stat.S_ISREG(status.st_mode) and 0 < status.st_size <= MAX_FRAME_BYTES


def _in_order(names: Iterator[str]) -> list[str]:
    """Sort naturally, a run at a time: merging them lets other threads take turns."""
    runs = []
    while run := list(islice(names, _SORTED_AT_ONCE)):
        runs.append(sorted((natural_key(name), name) for name in run))
    return [name for _, name in merge(*runs)]


@implementer(IFrameSource)
class ImageFolder:
    """The pictures of a folder as they were when it was opened, each read when it is asked for.

    A picture that was rewritten is shown as it is now; one that is gone ends the film. Pictures
    that were added belong to the next film that is opened.

    Args:
        folder: Where the pictures lie.
        root: The media folder with its links followed, which no link leads out of.
        title: What a log line calls it.
        names: The pictures in their order.
        rate: Frames per second.
        in_thread: How reading leaves the reactor.
    """

    kind = "folder of pictures"
    complete = True
    still = False
    timed = False
    mean_bytes = None

    def __init__(
        self,
        folder: Path,
        root: Path,
        title: str,
        names: list[str],
        rate: Fraction,
        in_thread: InThread,
    ) -> None:
        self.title = title
        self.times = SteadyTimes(rate, len(names))
        self._folder = folder
        self._root = root
        self._names = names
        self._in_thread = in_thread
        self._status = folder.stat()

    @classmethod
    def open(
        cls, folder: Path, root: Path, title: str, default_rate: Fraction, in_thread: InThread
    ) -> "Deferred[ImageFolder]":
        """List a folder's pictures in a thread.

        Fails with MediaNotFoundError where there are none, or the folder is gone; with
        MediaError where it may not be read, MediaBusyError where that is so just now.
        """

        def listed() -> ImageFolder:
            real_root = Path(os.path.realpath(root))
            try:
                with os.scandir(folder) as entries:
                    names = _in_order(islice(numbered(entries, real_root), MAX_PICTURES))
                if names:
                    return cls(folder, real_root, title, names, default_rate, in_thread)
            except FileNotFoundError as error:
                raise MediaNotFoundError(f"{title}: the folder is gone") from error
            except OSError as error:
                raise refusal(f"{title}: cannot be read", error) from error
            raise MediaNotFoundError(f"{title}: the folder holds no numbered pictures")

        return in_thread(listed)

    def grown(self) -> "Deferred[None]":
        """Fires at once: all pictures are known."""
        return succeed(None)

    def check(self) -> "Deferred[None]":
        """Look whether the folder is still the one that was listed."""
        return self._in_thread(self._check)

    def read_now(self, number: int) -> bytes | None:
        """Nothing: opening a file may always mean waiting."""
        return None

    def read(self, number: int) -> "Deferred[bytes]":
        """The picture with this number, read in a thread (see `IFrameSource`)."""
        name = self._names[number]
        return self._in_thread(lambda: self._read(name))

    def close(self) -> None:
        """Nothing is held."""

    def _check(self) -> None:
        try:
            status = self._folder.stat()
        except OSError as error:
            raise MediaChangedError(f"{self.title}: the folder was removed") from error
        if not os.path.samestat(status, self._status):
            raise MediaChangedError(f"{self.title}: the folder was replaced")

    def _read(self, name: str) -> bytes:
        self._check()
        for _ in range(_READ_ATTEMPTS):
            try:
                picture = _read_unchanged(resolve(self._folder / name, self._root))
            except (FileNotFoundError, MediaNotFoundError) as error:
                raise MediaChangedError(f"{self.title}: {name} was removed") from error
            except (OSError, MediaError) as error:
                if isinstance(error, OSError) and is_shortage(error):
                    raise refusal("a picture cannot be read", error) from error
                return b""  # no picture, like a broken one: the frame is left out, and said so
            if picture is not None:
                return picture
        raise MediaChangedError(f"{self.title}: {name} is being rewritten")


def _read_unchanged(path: Path) -> bytes | None:
    """A file's bytes; None if it was written meanwhile, or is no file of a picture's size."""
    with io.FileIO(os.open(path, OPEN_FLAGS)) as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode) or before.st_size > MAX_FRAME_BYTES:
            return None
        picture = file.read(before.st_size)
        after = os.fstat(file.fileno())
    is_same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    return picture if is_same and len(picture) == before.st_size else None
