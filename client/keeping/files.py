"""Files that a player writes: snapshots, and recordings that are whole whenever it is killed."""

import errno
import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path, PurePosixPath

from ..errors import RecordingError

# Names of streams come from the network. File systems take 255 bytes: the rest is for the time,
# a number and the suffix.
_MAX_STEM_BYTES = 200
# What some file system or shell takes for something else than a letter.
_NOT_IN_NAMES = frozenset('/\\:*?"<>|')
# Pictures taken in the same second; nobody presses a key so often.
_MAX_SAME_NAMES = 999
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class GrowingFile:
    """A file that grows by whole pieces, each of which has reached the system when it returns.

    A process that is killed leaves all pieces but the one under way. An existing file is
    overwritten with the first piece, not before. Calls may come from any thread, one at a time,
    and wait for the disk.

    Attributes:
        path: Where it is.
        size: Bytes written.
    """

    def __init__(self, path: Path) -> None:
        """Open or create a file.

        Raises:
            RecordingError: It cannot be written, or is something else than a file.
        """
        self.path = path
        self.size = 0
        try:
            is_there = path.exists()
            if is_there and not path.is_file():
                raise RecordingError(f"{path} is not a file: choose another name.")
            self._file = path.open("r+b" if is_there else "xb", buffering=0)
        except OSError as error:
            raise _failure(path, error) from error

    @property
    def closed(self) -> bool:
        """Nothing can be written any more."""
        return self._file.closed

    def append(self, piece: bytes) -> None:
        """Write a piece behind the others.

        Raises:
            RecordingError: It could not be written whole. The file is closed, and ends with the
                piece before.
        """
        if self.closed:
            raise RecordingError(f"{self.path} is closed: begin another recording.")
        try:
            if not self.size:
                self._file.truncate(0)
            self._write(self.size, piece)
        except OSError as error:
            self._give_up()
            raise _failure(self.path, error) from error
        self.size += len(piece)

    def patch(self, offset: int, piece: bytes) -> None:
        """Write over what is there.

        Raises:
            RecordingError: It could not be written; the file is closed.
        """
        try:
            self._write(offset, piece)
        except OSError as error:
            self._give_up()
            raise _failure(self.path, error) from error

    def close(self) -> None:
        """Finish; may be called again. A file in which nothing was ever written is removed.

        Raises:
            RecordingError: The system says only now that something was not written.
        """
        if self.closed:
            return
        try:
            is_empty = not os.fstat(self._file.fileno()).st_size
            self._file.close()
            if is_empty:
                self.path.unlink(missing_ok=True)
        except OSError as error:
            raise _failure(self.path, error) from error

    def _write(self, offset: int, piece: bytes) -> None:
        # The system may take a part of it, and refuse only the rest.
        self._file.seek(offset)
        rest = memoryview(piece)
        while rest:
            rest = rest[self._file.write(rest) :]

    def _give_up(self) -> None:
        with suppress(OSError):
            self._file.truncate(self.size)
        with suppress(OSError):
            self._file.close()


def claim_name(folder: Path, title: str, at: datetime, suffix: str) -> Path:
    """Create an empty file under a name that nothing has yet, for `GrowingFile` to fill.

    Args:
        folder: Where.
        title: Whatever a stream is called, or the path of its URL; only the last part of a path
            is used, without its suffix.
        at: Local time, for the name.
        suffix: With its dot.

    Raises:
        RecordingError: Nothing can be written there.
    """
    name = f"{_stem(title)} {at:%Y-%m-%d %H.%M.%S}"
    for number in range(1, _MAX_SAME_NAMES + 1):
        path = folder / (f"{name}-{number}{suffix}" if number > 1 else f"{name}{suffix}")
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            continue
        except OSError as error:
            raise _failure(path, error) from error
        return path
    raise RecordingError(f"{folder} holds too many files called {name}: choose another folder.")


def save_snapshot(folder: Path, title: str, at: datetime, jpeg: bytes) -> Path:
    """Keep one picture, byte for byte, under a name of its own; it appears there whole.

    Args:
        folder: Where.
        title: As for `claim_name`.
        at: Local time, for the name.
        jpeg: The picture.

    Raises:
        RecordingError: It cannot be written; nothing is left of it.
    """
    path = claim_name(folder, title, at, ".jpg")
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_bytes(jpeg)
        part.replace(path)
    except OSError as error:
        for left in (part, path):
            with suppress(OSError):
                left.unlink()
        raise _failure(path, error) from error
    return path


def _stem(title: str) -> str:
    letters = (
        letter if letter.isprintable() and letter not in _NOT_IN_NAMES else "_"
        for letter in PurePosixPath(title).stem
    )
    # A leading dot would hide the file.
    stem = "".join(letters).encode()[:_MAX_STEM_BYTES].decode(errors="ignore").strip(" .")
    return stem or "video"


def _failure(path: Path, error: OSError) -> RecordingError:
    advice = "make room there" if error.errno in _FULL else "choose another place"
    return RecordingError(f"{path} cannot be written ({error.strerror}): {advice}.")
