"""Films that are no MJPEG: decoded by a process of their own, frame by frame as they are asked for.

The process gets the film as an open file, and nothing else; what it may use is limited
(`mjpegd.sources.decoding`). Where it dies of a frame, that frame is left out and another process
goes on.
"""

import math
import os
import signal
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from twisted.internet import defer
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import (
    IDelayedCall,
    IProcessTransport,
    IReactorProcess,
    IReactorTime,
)
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from mjpegd.errors import MediaBusyError, MediaError
from mjpegd.interfaces import InThread, IRenderedSource
from mjpegd.logs import shown
from mjpegd.pictures.forms import PLAIN_RENDITION, Rendition
from mjpegd.sources.decoder_messages import (
    EXIT_OUT_OF_MEMORY,
    DecoderLimits,
    Frames,
    Kind,
    Message,
    MessageSplitter,
    Opening,
    Order,
    Task,
)
from mjpegd.sources.indexing import MAX_FRAMES, OtherVideoError
from mjpegd.sources.reading import FilmFile
from mjpegd.sources.timing import FilmTimes, nominal_rate, usual_rate
from mjpegd.wire.errors import BrokenJpegError, ParseError
from mjpegd.wire.jpeg_frame import MAX_SIDE_PIXELS

# A process that was killed is gone at once, unless the system has it wait for a disk.
_ENDING_S = 10.0
# A film is open once so many frames are known: enough to tell their rate.
_FIRST_FRAMES = 2
# Orders that a process has at a time: the next one is there when it is done with one, and the
# others can still be taken back.
_MAX_SENT = 2
# How often a film gets another process before it counts as one that cannot be decoded.
MAX_RESTARTS = 5
# What a process may write to the log.
_MAX_ERROR_LINES = 10
_MAX_ERROR_BYTES = 500
_FILM_DESCRIPTOR = 3
# Of the daemon's environment, what a Python may need to start.
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "LC_ALL")
_LIBRARY = "av"
_log = Logger()


class DecoderReactor(IReactorProcess, IReactorTime):
    """What the decoders need of a reactor."""


class Decoders:
    """The decoding processes of a daemon, at most so many at a time.

    Args:
        reactor: Where they are started, and what tells the time.
        most: How many there may be, one for each film that is no MJPEG.
        limits: What each may use.
        quality: Of JPEGs where nobody asks for another, 1 to 100.
        max_width: Pixels of a JPEG, whatever somebody asks for.
        max_height: Likewise.
        library: The module that decodes.

    Attributes:
        taken: How many there are.
    """

    def __init__(
        self,
        reactor: DecoderReactor,
        most: int | None = None,
        limits: DecoderLimits | None = None,
        *,
        quality: int = 85,
        max_width: int = MAX_SIDE_PIXELS,
        max_height: int = MAX_SIDE_PIXELS,
        library: str = _LIBRARY,
    ) -> None:
        self._most = most or os.cpu_count() or 1
        self._limits = limits or DecoderLimits()
        self._quality = quality
        self._max_width = min(max_width, MAX_SIDE_PIXELS)
        self._max_height = min(max_height, MAX_SIDE_PIXELS)
        self._library = library
        self._reactor = reactor
        self._ending = 0
        self._waiting: deque[Deferred[None]] = deque()
        self.taken = 0

    @property
    def limits(self) -> DecoderLimits:
        """What each process may use."""
        return self._limits

    @property
    def is_possible(self) -> bool:
        """PyAV is there; it is looked for without being loaded."""
        return find_spec(self._library) is not None

    async def enter(self) -> None:
        """Take the place of one process; waits for one that is about to end.

        Raises:
            MediaBusyError: All places are taken.
        """
        while self.taken >= self._most:
            if self._ending <= len(self._waiting):
                raise MediaBusyError(f"{self.taken} other films are being decoded already")
            # Who is cancelled must not be given the place that somebody behind it waits for.
            turn: Deferred[None] = Deferred(self._waiting.remove)
            self._waiting.append(turn)
            try:
                await turn.addTimeout(_ENDING_S, self._reactor)
            except defer.TimeoutError:
                raise MediaBusyError("a process that was to end does not") from None
        self.taken += 1

    def announce_leave(self) -> None:
        """The process was told to end."""
        self._ending += 1

    def leave(self, *, was_announced: bool = False) -> None:
        """Give the place back."""
        self.taken -= 1
        self._ending -= was_announced
        if self._waiting:
            self._waiting.popleft().callback(None)

    def spawn(self, process: ProcessProtocol, task: Task, descriptor: int) -> None:
        """Start a process that decodes the film in an open file.

        Raises:
            OSError: The system refuses.
            TypeError: Within another program, ``sys`` may not say where Python is.
            ValueError: Likewise.
        """
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(
            folder for folder in map(str, sys.path) if folder
        )
        # Each thread of FFmpeg would otherwise reserve 64 MiB of what memory there may be.
        environment["MALLOC_ARENA_MAX"] = "1"
        self._reactor.spawnProcess(
            process,
            sys.executable,
            # The folder that the daemon happens to work in is no place to look for modules.
            [sys.executable, "-P", "-m", "mjpegd.sources.decoding", task.to_text()],
            env=environment,
            childFDs={0: "w", 1: "r", 2: "r", _FILM_DESCRIPTOR: descriptor},
        )

    def after(self, delay_s: float, call: Callable[[], None]) -> IDelayedCall:
        """Do something later."""
        return self._reactor.callLater(delay_s, call)

    def granted(self, rendition: Rendition) -> Rendition:
        """A wish, within what the operator allows; nothing is left open."""
        return Rendition(
            width=max(1, min(rendition.width or self._max_width, self._max_width)),
            height=max(1, min(rendition.height or self._max_height, self._max_height)),
            quality=max(1, min(rendition.quality or self._quality, 100)),
        )

    def order(self, number: int, rendition: Rendition) -> Order:
        """What a process is told, within what the operator allows."""
        wanted = self.granted(rendition)
        return Order(number, wanted.width or 1, wanted.height or 1, wanted.quality or 1)


class _Process(ProcessProtocol):
    """One decoding process: its messages, its complaints, its end.

    Args:
        title: Of the film, for log lines.
        received: Called with each message.
        ended: Called once with the reason, for people.

    Attributes:
        listens: It can be told something. The pipes of one that dies are gone before it is.
    """

    transport: IProcessTransport | None = None

    def __init__(
        self,
        title: str,
        received: Callable[[Message], None],
        ended: Callable[[str], None],
    ) -> None:
        self._title = title
        self._received = received
        self._ended = ended
        self._splitter = MessageSplitter()
        self._error_lines = 0
        self._reason = ""
        self.listens = True

    @property
    def identifier(self) -> int | None:
        """Its number in the system; None when it has ended."""
        return None if self.transport is None else self.transport.pid

    def send(self, message: Message) -> None:
        """Tell it something."""
        if self.transport is not None:
            self.transport.writeToChild(0, message.to_bytes())

    def kill(self, reason: str) -> None:
        """End it now; what it still says does not count."""
        self._reason = self._reason or reason
        self._end()

    def _end(self) -> None:
        self.listens = False
        if self.transport is not None and self.identifier is not None:
            with suppress(ProcessExitedAlready):
                self.transport.signalProcess("KILL")

    @override
    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Take in what it wrote."""
        if childFD == 2:
            self._complain(data)
            return
        try:
            for message in self._splitter.feed(data):
                if not self._reason:
                    self._received(message)
        except ParseError as error:
            self.kill(f"said nonsense ({error})")

    @override
    def childConnectionLost(self, childFD: int) -> None:
        """It is dying, or of no use without its pipes; why it ends it says itself."""
        self._end()

    @override
    def processEnded(self, reason: Failure) -> None:
        """It is gone."""
        self._ended(self._reason or _ending(reason))

    def _complain(self, data: bytes) -> None:
        for line in data[:_MAX_ERROR_BYTES].splitlines():
            self._error_lines += 1
            if self._error_lines <= _MAX_ERROR_LINES:
                _log.warn(
                    "stream {stream}: its decoder says: {line}",
                    stream=shown(self._title),
                    line=shown(line.decode(errors="replace")),
                )


def _ending(reason: Failure) -> str:
    """Why a process ended, by what the system says of it."""
    status = reason.value
    if not isinstance(status, ProcessTerminated):
        return "ended"
    if status.exitCode == EXIT_OUT_OF_MEMORY:
        return "ran out of memory"
    if status.signal == signal.SIGXCPU:
        return "took too long"
    if status.signal is not None:
        return f"crashed (signal {status.signal})"
    return f"failed (status {status.exitCode})"


@dataclass(eq=False, slots=True)
class _Request:
    """Somebody who waits for a picture."""

    order: Order
    picture: "Deferred[bytes]"
    is_wanted: bool = True


@implementer(IRenderedSource)
class VideoFilm:
    """A film that is decoded while it is watched (see `IRenderedSource`).

    `VideoFilm.open` makes one.
    """

    still = False
    mean_bytes = None

    def __init__(
        self,
        title: str,
        what: OtherVideoError,
        file: FilmFile,
        default_rate: Fraction,
        in_thread: InThread,
        decoders: Decoders,
    ) -> None:
        """Take over an open file, and a place among the decoders."""
        self.title = title
        self.kind = what.kind
        self.timed = False
        self.complete = False
        self.times = FilmTimes(default_rate)
        self._default_rate = default_rate
        self._container = what.kind
        self._format = what.format
        self._file = file
        self._in_thread = in_thread
        self._decoders = decoders
        self._process: _Process | None = None
        self._opened: Deferred[VideoFilm] | None = Deferred()
        self._stamps: list[float] = []
        self._rate: Fraction | None = None
        self._queue: deque[_Request] = deque()
        self._sent: dict[int, _Request] = {}
        self._tag = 0
        self._known_before = 0
        self._restarts = 0
        self._refusal = ""
        self._alarm: IDelayedCall | None = None
        self._growing: list[Deferred[None]] = []
        self._jobs = 0
        self._closed = False

    @property
    def process_id(self) -> int | None:
        """Of its decoder; None while it has none."""
        return None if self._process is None else self._process.identifier

    @classmethod
    def open(
        cls,
        path: Path,
        title: str,
        what: OtherVideoError,
        default_rate: Fraction,
        in_thread: InThread,
        decoders: Decoders,
    ) -> "Deferred[VideoFilm]":
        """Open a film and find its first frames; the others are looked for afterwards.

        Args:
            path: The file, without a link in its last part.
            title: What log lines call the film.
            what: Why it is no `mjpegd.sources.film.Film`.
            default_rate: Frames per second where the file does not tell.
            in_thread: How the disk is waited for.
            decoders: Where it finds a process.

        Returns:
            The film, with at least one frame. Fails with MediaError; with MediaBusyError where
            as many films as may be are being decoded.
        """
        if not decoders.is_possible:
            reason = f"{what.what}; to have it played: pip install 'mjpegd[containers]'"
            return fail(MediaError(reason))
        return Deferred.fromCoroutine(
            cls._open(path, title, what, default_rate, in_thread, decoders)
        )

    @classmethod
    async def _open(
        cls,
        path: Path,
        title: str,
        what: OtherVideoError,
        default_rate: Fraction,
        in_thread: InThread,
        decoders: Decoders,
    ) -> "VideoFilm":
        await decoders.enter()
        try:
            file = await in_thread(partial(FilmFile, path))
        except BaseException:
            decoders.leave()
            raise
        film = cls(title, what, file, default_rate, in_thread, decoders)
        opened = film._opened
        assert opened is not None, "it was just made"  # noqa: S101
        try:
            film._start()
            return await opened
        except BaseException:
            film.close()
            raise

    def grown(self) -> Deferred[None]:
        """Fires when more frames are known, at the end of the index, or when closed."""
        growing: Deferred[None] = Deferred()
        self._growing.append(growing)
        if self.complete or self._closed:
            self._tell_grown()
        return growing

    def check(self) -> Deferred[None]:
        """Look whether the file is still the one that was indexed."""
        return self._work(self._file.check)

    def read_now(self, number: int) -> bytes | None:
        """Nothing: every picture has to be waited for."""
        return None

    def read(self, number: int) -> Deferred[bytes]:
        """The frame with this number as a JPEG, as the daemon makes them."""
        return self.render(number, PLAIN_RENDITION)

    def granted(self, rendition: Rendition) -> Rendition:
        """What a wish comes to (see `mjpegd.interfaces.IRenderedSource`)."""
        return self._decoders.granted(rendition)

    def render(self, number: int, rendition: Rendition) -> Deferred[bytes]:
        """The frame with this number as a JPEG, as somebody wishes for it.

        Whoever cancels it waits no more, and it may be left undone.
        """
        picture: Deferred[bytes] = Deferred(lambda _: self._forget(request))
        request = _Request(self._decoders.order(number, rendition), picture)
        if self._refusal or self._closed:
            picture.errback(MediaError(self._refusal or f"{self.title} is closed"))
            return picture
        self._queue.append(request)
        self._go_on()
        return picture.addCallbacks(self._verified, self._excused)

    def close(self) -> None:
        """End the process, give back the file; who waits for pictures is told."""
        if self._closed:
            return
        self._closed = True
        self._give_up(f"{self.title} is closed")
        if self._process is not None:
            self._decoders.announce_leave()
            self._process.kill("is not needed any more")
        else:
            self._decoders.leave()
        self._tell_grown()
        self._close_file()

    # --- The process ----------------------------------------------------------------------------

    def _start(self) -> None:
        limits = self._decoders.limits
        most = self.times.count if self.complete else MAX_FRAMES
        self._known_before = self.times.count
        process = self._process = _Process(self.title, self._receive, self._process_ended)
        try:
            self._decoders.spawn(process, Task(self._format, limits, most), self._file.fileno())
        except (OSError, TypeError, ValueError) as error:
            self._process = None
            reason = (isinstance(error, OSError) and error.strerror) or error
            self._refuse(f"its decoder cannot be started: {reason}")
            return
        self._watch()

    def _go_on(self) -> None:
        """Hand over what waits, as far as the process takes it now."""
        if self._process is None:
            is_needed = self._queue or not self.complete
            if is_needed and not self._refusal and not self._closed:
                self._start()
            if self._process is None:
                return
        while self._process.listens and self._queue and len(self._sent) < _MAX_SENT:
            request = self._queue.popleft()
            self._tag = (self._tag + 1) & 0xFFFF_FFFF
            self._sent[self._tag] = request
            self._process.send(Message(Kind.RENDER, self._tag, request.order.to_bytes()))
        self._watch()

    def _forget(self, request: _Request) -> None:
        request.is_wanted = False
        if request in self._queue:
            self._queue.remove(request)

    def _watch(self) -> None:
        """Wait for the next word of the process, if one has to come."""
        if self._alarm is not None and self._alarm.active():
            if self._process is not None and self._opened is not None:
                return  # whatever it says meanwhile: opening has one limit for all of it
            self._alarm.cancel()
        self._alarm = None
        if self._process is not None and (self._sent or self._opened is not None):
            limit_s = self._decoders.limits.answer_s
            reason = f"gave no answer for {limit_s:g} s"
            self._alarm = self._decoders.after(limit_s, partial(self._process.kill, reason))

    def _receive(self, message: Message) -> None:
        """What the process says; raises ParseError where it makes no sense."""
        if message.kind is Kind.OPENED:
            self._take_opening(Opening.parse(message.body))
        elif message.kind is Kind.FRAMES:
            self._take_frames(Frames.parse(message.body))
        elif message.kind is Kind.REFUSED:
            self._refuse(message.text)
        else:
            self._answer(message)
        self._go_on()

    def _answer(self, message: Message) -> None:
        request = self._sent.pop(message.tag, None)
        if request is None or message.kind not in {Kind.PICTURE, Kind.BROKEN}:
            raise ParseError(0, "decoder-message", "an answer to nothing")
        if not request.is_wanted:
            return
        if message.kind is Kind.PICTURE:
            request.picture.callback(message.body)
        else:
            request.picture.errback(BrokenJpegError(shown(message.text)))

    def _process_ended(self, reason: str) -> None:
        self._process = None
        self._watch()
        if self._closed:
            self._decoders.leave(was_announced=True)
            return
        self._say_ended(reason)
        self._restarts += 1
        if self._opened is not None or self._restarts > MAX_RESTARTS:
            self._refuse(f"its decoder {reason}")
            return
        # What it was at is what it died of; the others get another one.
        sent, self._sent = list(self._sent.values()), {}
        self._queue.extendleft(reversed([request for request in sent[1:] if request.is_wanted]))
        if not sent:
            self._end_index()
        for request in sent[:1]:
            if request.is_wanted:
                request.picture.errback(BrokenJpegError(f"its decoder {reason}"))
        self._go_on()

    def _say_ended(self, reason: str) -> None:
        is_last = self._opened is not None or self._restarts >= MAX_RESTARTS
        _log.warn(
            "stream {stream}: its decoder {reason}{then}",
            stream=shown(self.title),
            reason=reason,
            then="" if is_last else "; another one goes on behind the frame that it was at",
        )

    def _refuse(self, reason: str) -> None:
        """The film cannot be decoded, now and later."""
        if self._opened is not None:
            opened, self._opened = self._opened, None
            opened.errback(MediaError(shown(reason)))
        self._give_up(shown(reason))
        self._end_index()

    def _give_up(self, reason: str) -> None:
        self._refusal = self._refusal or reason
        waiting = [*self._sent.values(), *self._queue]
        self._sent.clear()
        self._queue.clear()
        self._watch()
        for request in waiting:
            if request.is_wanted:
                request.picture.errback(MediaError(reason))

    # --- The index ------------------------------------------------------------------------------

    def _take_opening(self, opening: Opening) -> None:
        if self._opened is None:
            return  # another process for the same film
        self.kind = f"{shown(opening.codec)} in {self._container}"
        self.timed = opening.timed
        self._rate = opening.rate

    def _take_frames(self, frames: Frames) -> None:
        if not all(map(math.isfinite, frames.seconds)):
            raise ParseError(0, "frames", "no times")
        known = min(self._known_before, len(frames.seconds))
        self._known_before -= known
        if self.complete:
            return
        self._stamps += frames.seconds[known:]
        if self._opened is not None and len(self._stamps) < _FIRST_FRAMES and not frames.complete:
            return
        if self._opened is not None and not self._stamps:
            self._refuse(f"{self.kind} without a picture")
            return
        self._append_stamps()
        self.complete = frames.complete or self.times.count >= MAX_FRAMES
        self._tell_opened()
        self._tell_grown()

    def _append_stamps(self) -> None:
        if self._opened is not None and self.timed:
            rate = usual_rate(self._rate, self._stamps) if self._rate else None
            self.times = FilmTimes(rate or nominal_rate(self._stamps) or self._default_rate)
        for stamp in self._stamps:
            self.times.append(stamp if self.timed else None)
        self._stamps.clear()

    def _end_index(self) -> None:
        """There are no more frames than those that are known, whatever the file holds."""
        if not self.complete:
            self.complete = True
            self._tell_grown()

    def _tell_opened(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.callback(self)

    def _tell_grown(self) -> None:
        growing, self._growing = self._growing, []
        for deferred in growing:
            deferred.callback(None)

    # --- The file -------------------------------------------------------------------------------

    def _verified(self, picture: bytes) -> Deferred[bytes]:
        """A picture, once it is sure that the file is the one that was indexed."""
        return self._work(self._file.verify).addCallback(lambda _: picture)

    def _excused(self, failure: Failure) -> Deferred[bytes]:
        """There is no picture: because the file is another one by now, or for its own reason."""
        failure.trap(BrokenJpegError)

        def fail_anyway(_: None) -> bytes:
            raise BrokenJpegError(failure.getErrorMessage())

        return self._work(self._file.verify).addCallback(fail_anyway)

    def _work(self, work: Callable[[], None]) -> Deferred[None]:
        self._jobs += 1
        return self._in_thread(work).addBoth(self._worked)

    def _worked(self, result: None) -> None:
        self._jobs -= 1
        self._close_file()
        return result

    def _close_file(self) -> None:
        if self._closed and not self._jobs:
            self._file.close()
