"""A film's file: opened safely, read without waiting where possible, watched for changes.

Nothing here maps a file into memory: one cut short by somebody else would kill the process.
"""

import errno
import io
import os
import stat
import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mjpegd.errors import MediaChangedError, MediaError, MediaNotFoundError
from mjpegd.sources.shortages import refusal

# What an indexer reads in one piece: large enough for a disk, small enough that a thread gives
# up the interpreter's lock often.
BLOCK_BYTES = 128 * 1024
# What is compared at both ends of the indexed part when a file has grown.
FINGERPRINT_BYTES = 64 * 1024
# A pipe under a film's name would block the open, a terminal would become ours, and a link
# was put there after the library had resolved the path.
OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY | os.O_NOFOLLOW
# A write that appends shows its new time before its new size; this much later the size is there.
_WRITE_S = 0.05
# Linux only; elsewhere every read goes to a thread.
_NOWAIT: int | None = getattr(os, "RWF_NOWAIT", None)


class ByteReader(Protocol):
    """What an indexer reads from.

    Attributes:
        size: Bytes that there are to index.
    """

    size: int

    def read_at(self, offset: int, count: int) -> bytes:
        """Read at most ``count`` bytes, and at most `BLOCK_BYTES`; fewer at the end.

        Places outside the file have no bytes, so a file may claim any offset.

        Raises:
            MediaError: The disk fails.
        """
        ...


def blocks(reader: ByteReader, start: int, end: int) -> Iterator[bytes]:
    """What lies between two offsets, in pieces of at most `BLOCK_BYTES`."""
    end = min(end, reader.size)
    while start < end and (block := reader.read_at(start, min(BLOCK_BYTES, end - start))):
        yield block
        start += len(block)


def table(
    reader: ByteReader, row: struct.Struct, start: int, count: int
) -> Iterator[list[tuple[Any, ...]]]:
    """The rows of a table in the file, block by block; fewer where the file ends before it.

    The values are what the format of the row says, hence Any.
    """
    step = BLOCK_BYTES // row.size * row.size
    end = min(start + count * row.size, reader.size)
    while start < end:
        block = reader.read_at(start, min(step, end - start))
        rows = block[: len(block) // row.size * row.size]
        if not rows:
            return
        yield list(row.iter_unpack(rows))
        start += len(rows)


@dataclass(frozen=True, slots=True)
class _State:
    size: int
    mtime_ns: int
    ctime_ns: int  # which nobody can set back

    def is_written_since(self, earlier: "_State") -> bool:
        """More than the mode, the owner or the number of names has changed, or claims to."""
        return (self.size, self.mtime_ns) != (earlier.size, earlier.mtime_ns)


class FilmFile:
    """A regular file as it was when it was opened, and what was appended to it since.

    Bytes are handed out only if the file's state after reading them is the state that they
    were indexed in, so nobody ever gets a mixture of an old and a new file.

    Attributes:
        size: Bytes at the time of opening.
    """

    def __init__(self, path: Path) -> None:
        """Open a file; may wait for the disk.

        Raises:
            MediaNotFoundError: There is no such file.
            MediaError: It is not a regular file, or may not be read.
        """
        self._path = path
        self._changed = ""
        self._file = _open_regular(path)
        self._accepted = self._state()
        self._nowait = _NOWAIT is not None
        self.size = self._accepted.size
        try:
            self._fingerprint = self._take_fingerprint()
        except MediaError:
            self.close()
            raise

    def read_at(self, offset: int, count: int) -> bytes:
        """Read for the index (see `ByteReader`); may wait for the disk."""
        if not 0 <= offset < self.size:
            return b""
        try:
            return os.pread(
                self._file.fileno(), min(count, BLOCK_BYTES, self.size - offset), offset
            )
        except OSError as error:
            raise refusal("cannot be read", error) from error

    def read_now(self, offset: int, size: int) -> bytes | None:
        """Read bytes that were indexed, or nothing where that would mean waiting.

        Raises:
            MediaChangedError: The file is no longer the one that was indexed.
        """
        if not self._nowait or _NOWAIT is None:
            return None
        buffer = bytearray(size)
        try:
            got = os.preadv(self._file.fileno(), [buffer], offset, _NOWAIT)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise self._has_changed(f"cannot be read: {error.strerror}") from error
            self._nowait = False
            return None
        # Fewer bytes than asked for: the rest is not in the page cache.
        return bytes(buffer) if self._as_accepted() and got == size else None

    def read(self, offset: int, size: int) -> bytes:
        """Read bytes that were indexed; may wait for the disk.

        Raises:
            MediaChangedError: The file is no longer the one that was indexed.
        """
        try:
            found = os.pread(self._file.fileno(), size, offset)
        except OSError as error:
            raise self._has_changed(f"cannot be read: {error.strerror}") from error
        self.verify()
        if len(found) < size:
            raise self._has_changed("was cut short")
        return found

    def verify(self) -> None:
        """Compare the open file with the one that was indexed; may wait for the disk.

        Raises:
            MediaChangedError: It was rewritten or cut short. One that was only appended to is
                still the same.
        """
        if self._as_accepted():
            return
        # Taken before the fingerprint: what is written after it is seen the next time.
        state = self._state()
        if state.is_written_since(self._accepted):
            if state.size == self._accepted.size:
                time.sleep(_WRITE_S)
                state = self._state()
            if state.size <= self._accepted.size:
                raise self._has_changed("was rewritten")
        try:
            fingerprint = self._take_fingerprint()
        except MediaError as error:
            raise self._has_changed(str(error)) from error
        if fingerprint != self._fingerprint:
            raise self._has_changed("was rewritten")
        self._accepted = state

    def check(self) -> None:
        """Like `verify`, and compare with what has the file's name now.

        Raises:
            MediaChangedError: It was rewritten, cut short, replaced or removed.
        """
        self.verify()
        try:
            named = self._path.lstat()
        except OSError as error:
            raise self._has_changed("was removed") from error
        if not os.path.samestat(named, os.fstat(self._file.fileno())):
            raise self._has_changed("was replaced")

    def fileno(self) -> int:
        """Its descriptor, for a process of ours; where that reads is not seen to change."""
        return self._file.fileno()

    def close(self) -> None:
        """Give the file back; nothing may be under way in a thread."""
        self._file.close()

    def _as_accepted(self) -> bool:
        """Whether nothing was written; otherwise `verify` has to find out what."""
        state = self._state()
        if self._changed:
            raise MediaChangedError(self._changed)
        if state == self._accepted:
            return True
        if state.size < self._accepted.size:
            raise self._has_changed("was cut short")
        return False

    def _state(self) -> _State:
        try:
            status = os.fstat(self._file.fileno())
        except OSError as error:
            raise self._has_changed(f"cannot be read: {error.strerror}") from error
        return _State(status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    def _has_changed(self, what: str) -> MediaChangedError:
        self._changed = self._changed or f"{self._path.name!r} {what}"
        return MediaChangedError(self._changed)

    def _take_fingerprint(self) -> int:
        head = self.read_at(0, min(FINGERPRINT_BYTES, self.size))
        tail = self.read_at(
            max(0, self.size - FINGERPRINT_BYTES), min(FINGERPRINT_BYTES, self.size)
        )
        return zlib.crc32(tail, zlib.crc32(head))


def _open_regular(path: Path) -> io.FileIO:
    try:
        # A file object rather than a number, so that one forgotten is closed with its owner.
        raw = io.FileIO(path, opener=lambda name, _flags: os.open(name, OPEN_FLAGS))
    except FileNotFoundError as error:
        raise MediaNotFoundError(f"{path.name!r} does not exist") from error
    except OSError as error:
        raise refusal(f"{path.name!r} cannot be opened", error) from error
    if not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
        raw.close()
        raise MediaError(f"{path.name!r} is not a regular file")
    return raw
