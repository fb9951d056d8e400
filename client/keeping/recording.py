"""Recordings: frames into a file as they were received, in the format that its name tells."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from ..errors import RecordingError
from .avi import AviRecording
from .files import GrowingFile


class Recording(Protocol):
    """A film in the making, whole up to the last frame written, whatever happens then.

    Calls may come from any thread, one at a time, and wait for the disk.
    """

    @property
    def path(self) -> Path:
        """The file."""
        ...

    @property
    def frames(self) -> int:
        """Frames written."""
        ...

    @property
    def bytes_written(self) -> int:
        """The size of the file."""
        ...

    def write(self, jpeg: bytes, timestamp: int) -> None:
        """Add a frame.

        Args:
            jpeg: Goes into the file byte for byte.
            timestamp: Its RTP time, 32 bits.

        Raises:
            RecordingError: It could not be written. The recording is closed; what was written
                before is whole.
        """
        ...

    def close(self) -> None:
        """Finish; may be called again. A film without frames is removed.

        Raises:
            RecordingError: Its index could not be written, the frames are all there.
        """
        ...


class _Records:
    """Frames one behind the other, each with something in front of it."""

    def __init__(self, file: GrowingFile, front_of: Callable[[bytes], bytes]) -> None:
        self.frames = 0
        self._file = file
        self._front_of = front_of

    @property
    def path(self) -> Path:
        return self._file.path

    @property
    def bytes_written(self) -> int:
        return self._file.size

    def write(self, jpeg: bytes, timestamp: int) -> None:
        self._file.append(self._front_of(jpeg) + jpeg)
        self.frames += 1

    def close(self) -> None:
        self._file.close()


def _length(jpeg: bytes) -> bytes:
    # Six digits for a frame over 99999 bytes; they end where the JPEG begins.
    return b"%05d" % len(jpeg)


def _nothing(_jpeg: bytes) -> bytes:
    return b""


def begin(path: Path, framerate: Fraction | None) -> Recording:
    """Begin a recording in a file, which is overwritten with the first frame if it exists.

    Where a person did not choose the name, it comes from `client.keeping.files.claim_name`.

    Args:
        path: Ends in ".Mjpeg" for the laboratory's format, a length before each frame; in
            ".mjpeg" or ".mjpg", also in capitals, for frames one behind the other; or in ".avi".
        framerate: Frames per second as the server tells them, None if it does not. Where there
            is a place for times, those of the frames count for more.

    Raises:
        RecordingError: The name says none of these, or the file cannot be written.
    """
    if path.suffix == ".Mjpeg":
        return _Records(GrowingFile(path), _length)
    match path.suffix.lower():
        case ".mjpeg" | ".mjpg":
            return _Records(GrowingFile(path), _nothing)
        case ".avi":
            return AviRecording(GrowingFile(path), framerate)
    raise RecordingError(
        f"{path.name} does not tell how to record: let its name end in .avi, in .mjpeg (one JPEG"
        " behind the other) or in .Mjpeg (the laboratory's format)."
    )
