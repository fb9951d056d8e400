"""Keeps what is watched: snapshots, and a recording that is written while the film goes on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from functools import partial
from pathlib import Path

from twisted.internet.defer import Deferred, DeferredQueue, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..errors import RecordingError
from ..interfaces import ReceivedFrame
from ..pictures import InThread
from .files import claim_name, save_snapshot
from .recording import Recording, begin

_log = Logger()

# What may wait for a slow disk; a disk that is slower than the film for so long stays so.
MAX_WAITING_BYTES = 64 << 20

RECORDING_SUFFIX = ".avi"


@dataclass(slots=True)
class _Tape:
    """One recording, from the wish for it to its end.

    Attributes:
        frames: What is still to be written; None behind the last one.
        waiting_bytes: Of these frames.
        recording: The file; None until it is open.
        is_cut_short: The disk could not keep up, and so the recording was ended.
    """

    frames: "DeferredQueue[ReceivedFrame | None]" = field(default_factory=DeferredQueue)
    waiting_bytes: int = 0
    recording: Recording | None = None
    is_cut_short: bool = False


class Keeper:
    """Writes to files, off the reactor: a disk that sleeps does not hold up the film.

    Args:
        in_thread: Where files are written.
        local_time: For names of files.
        folder: Where files go whose names nobody chose.
        tell: Called with a sentence for the person, and whether it is an error.
    """

    def __init__(
        self,
        in_thread: InThread,
        local_time: Callable[[], datetime],
        folder: Path,
        tell: Callable[[str, bool], None],
    ) -> None:
        self._in_thread = in_thread
        self._local_time = local_time
        self._folder = folder
        self._tell = tell
        self._tape: _Tape | None = None
        self._over: Deferred[None] = succeed(None)

    @property
    def is_recording(self) -> bool:
        """Frames are kept, or will be as soon as the file is open."""
        return self._tape is not None

    @property
    def path(self) -> Path | None:
        """The file that is being recorded to, once it is open."""
        return self._tape.recording.path if self._tape and self._tape.recording else None

    def save(self, title: str, jpeg: bytes) -> None:
        """Keep one picture under a name made of a title and the time."""
        at = self._local_time()
        saving = self._in_thread(partial(save_snapshot, self._folder, title, at, jpeg))
        saving.addCallback(lambda path: self._tell(f"Saved {path}.", False))
        saving.addErrback(self._failed)

    def record(self, title: str, framerate: Fraction | None) -> None:
        """Begin to record under a name made of a title and the time."""
        at = self._local_time()
        self._begin(lambda: begin(claim_name(self._folder, title, at, RECORDING_SUFFIX), framerate))

    def record_to(self, path: Path, framerate: Fraction | None) -> None:
        """Begin to record to a file, instead of what is recorded to now."""
        self._begin(lambda: begin(path, framerate))

    def take(self, frame: ReceivedFrame) -> None:
        """Record a frame, if anything is recorded."""
        tape = self._tape
        if tape is None:
            return
        if tape.waiting_bytes > MAX_WAITING_BYTES:
            tape.is_cut_short = True
            self.finish()
            return
        tape.waiting_bytes += len(frame.jpeg)
        tape.frames.put(frame)

    def finish(self) -> "Deferred[None]":
        """End the recording; fires when all files are whole and closed."""
        if self._tape is not None:
            self._tape.frames.put(None)
            self._tape = None
        return self._over

    def _begin(self, open_file: Callable[[], Recording]) -> None:
        before = self.finish()
        tape = self._tape = _Tape()
        self._over = Deferred.fromCoroutine(self._write(tape, open_file, before))
        self._over.addErrback(self._failed)

    async def _write(
        self, tape: _Tape, open_file: Callable[[], Recording], before: "Deferred[None]"
    ) -> None:
        await before  # It may be the same file.
        try:
            recording = tape.recording = await self._in_thread(open_file)
            self._tell(f"Recording to {recording.path}.", False)
            while (frame := await tape.frames.get()) is not None:
                await self._in_thread(partial(recording.write, frame.jpeg, frame.timestamp))
                tape.waiting_bytes -= len(frame.jpeg)
            await self._in_thread(recording.close)
        finally:
            if self._tape is tape:
                self._tape = None
        self._tell(_result(recording, is_cut_short=tape.is_cut_short), tape.is_cut_short)

    def _failed(self, failure: Failure) -> None:
        if failure.check(RecordingError):
            self._tell(failure.getErrorMessage(), True)
        else:
            _log.failure("something was not kept", failure)


def _result(recording: Recording, *, is_cut_short: bool) -> str:
    if not recording.frames:
        return "Nothing was recorded: no frame came."
    frames = "1 frame" if recording.frames == 1 else f"{recording.frames} frames"
    if is_cut_short:
        return f"The disk is too slow for this film: only {frames} went to {recording.path}."
    return f"Recorded {frames} to {recording.path}."
