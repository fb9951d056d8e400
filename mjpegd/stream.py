"""What a URL names: frames by number or as they come, cut once for all their viewers."""

import contextlib
import itertools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override

from mjpegd.errors import MediaChangedError, MediaError, RTSPError
from mjpegd.interfaces import IFrameSource, ILiveSource, InThread
from mjpegd.logs import shown
from mjpegd.wire import jpeg, jpeg_payload
from mjpegd.wire.errors import JpegError, ParseError
from mjpegd.wire.packets import TrainTemplate
from mjpegd.wire.times import FrameTimes, RetimedTimes, parse_rate

_log = Logger()

# Streams come and go; no two of them ever share trains.
_serials = itertools.count()

# A film is refused only when not one of this many frames at its head can be carried.
PROBED_FRAMES = 16
STILL_RATE = Fraction(1)
# A file could give each of its frames a reason of its own.
MAX_LOGGED_REASONS = 8


class Packing(Protocol):
    """How a viewer wants frames packed. Hashable: equal packings share their trains."""

    @property
    def is_slow(self) -> bool:
        """Packing may take so long that it belongs in a thread."""
        ...

    def pack(self, picture: bytes) -> TrainTemplate:
        """Cut one JPEG; raises JpegError where this packing cannot carry it."""
        ...


@dataclass(frozen=True, slots=True)
class JpegPacking:
    """RFC 2435.

    Attributes:
        max_payload_bytes: What a packet holds after its RTP header.
        interleaved: The packets travel on the RTSP connection (RFC 2326 section 10.12).
    """

    max_payload_bytes: int
    interleaved: bool

    @property
    def is_slow(self) -> bool:
        """Cutting takes some 50 microseconds."""
        return False

    def pack(self, picture: bytes) -> TrainTemplate:
        """Cut one JPEG; raises JpegError where RFC 2435 cannot express it."""
        frame = jpeg.rtp_frame(jpeg.JpegImage.parse(picture))
        payloads = jpeg_payload.fragment(frame, self.max_payload_bytes)
        return TrainTemplate.from_payloads(payloads, interleaved=self.interleaved)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the query of a URL asks of a stream; keys that mean nothing are passed over.

    Attributes:
        fps: Frames per second to play a film at instead of its own; drops none.
        loop: Repeat without end; None leaves it to the daemon's option.
    """

    fps: Fraction | None = None
    loop: bool | None = None

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> "Wishes":
        """Read ``?fps=`` and ``?loop=``.

        Raises:
            RTSPError: 400, a value that makes no sense.
        """
        fps = query.get("fps")
        loop = query.get("loop")
        if loop not in {None, "0", "1"}:
            raise RTSPError(400, "?loop= takes 1 or 0")
        try:
            rate = None if fps is None else parse_rate(fps)
        except ParseError as fault:
            raise RTSPError(400, f"?fps=: {fault.reason}") from None
        return cls(rate, None if loop is None else loop == "1")


class TrainCache:
    """Trains that were cut lately, bounded in bytes; the one used longest ago goes first.

    Args:
        max_bytes: What all trains together may hold.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._trains: OrderedDict[tuple[object, ...], TrainTemplate | JpegError] = OrderedDict()

    def get(self, key: tuple[object, ...]) -> TrainTemplate | JpegError | None:
        """What lies under this key, which is now the newest."""
        found = self._trains.get(key)
        if found is not None:
            self._trains.move_to_end(key)
        return found

    def put(self, key: tuple[object, ...], train: TrainTemplate | JpegError) -> None:
        """Add a train, or why there is none."""
        self._forget(key)
        self._trains[key] = train
        self._bytes += _cost_bytes(train)
        while self._bytes > self._max_bytes and len(self._trains) > 1:
            self._forget(next(iter(self._trains)))

    def _forget(self, key: tuple[object, ...]) -> None:
        old = self._trains.pop(key, None)
        if old is not None:
            self._bytes -= _cost_bytes(old)


def _cost_bytes(train: TrainTemplate | JpegError) -> int:
    # A refusal is an exception and its text; its dictionary entry counts as well.
    return 500 + (train.size_bytes if isinstance(train, TrainTemplate) else 500)


class Watcher(Protocol):
    """Who watches a stream and wants to know when it is no more."""

    def stream_gone(self, reason: str) -> None:
        """The stream ended for everybody; ``reason`` is a phrase for the log."""
        ...


class _Stream:
    """What stored and live streams have in common: a name, and who watches.

    Attributes:
        unplayable_frames: How often a frame was found that could not be carried.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.unplayable_frames = 0
        self._reasons: set[str] = set()
        self._watchers: set[Watcher] = set()

    @property
    def is_watched(self) -> bool:
        """At least one viewer has the stream."""
        return bool(self._watchers)

    def join(self, watcher: Watcher) -> None:
        """Count someone as a viewer until `leave`."""
        self._watchers.add(watcher)

    def leave(self, watcher: Watcher) -> None:
        """The viewer has gone; harmless if it was none."""
        self._watchers.discard(watcher)

    def end(self, reason: str) -> None:
        """The stream is no more: tell everybody who watches."""
        for watcher in list(self._watchers):
            watcher.stream_gone(reason)

    def _refused(self, refusal: JpegError) -> None:
        """Count a frame that cannot be carried, and say so where the reason is a new one."""
        self.unplayable_frames += 1
        reason = str(refusal)
        if reason not in self._reasons and len(self._reasons) < MAX_LOGGED_REASONS:
            self._reasons.add(reason)
            _log.warn(
                "stream {stream}: a frame cannot be carried: {reason}; frames like it are skipped",
                stream=shown(self.title),
                reason=shown(reason),
            )


class FilmStream(_Stream):
    """A stored film.

    Args:
        source: Where its frames come from; closed with the stream.
        cache: Where trains of all streams are kept.
        in_thread: How slow packing leaves the reactor.
    """

    def __init__(self, source: IFrameSource, cache: TrainCache, in_thread: InThread) -> None:
        super().__init__(source.title)
        self.source = source
        self.changed: str | None = None
        self._serial = next(_serials)
        self._cache = cache
        self._in_thread = in_thread
        self._coming: dict[tuple[object, ...], list[Deferred[None]]] = {}
        self._is_looking = False
        self._is_seen = False

    def times(self, wishes: Wishes) -> FrameTimes:
        """When each frame is shown, as the query wishes."""
        rate = wishes.fps or (STILL_RATE if self.source.still else None)
        return self.source.times if rate is None else RetimedTimes(self.source.times, rate)

    def is_endless(self, wishes: Wishes, *, loop: bool) -> bool:
        """The film repeats; `loop` is the daemon's default."""
        return self.source.still or (loop if wishes.loop is None else wishes.loop)

    def train(self, number: int, packing: Packing) -> TrainTemplate | None:
        """The train of a frame, or None where that would mean waiting (see `prepare`).

        Raises:
            JpegError: This packing cannot carry the frame.
            MediaChangedError: The file is no longer the one that was opened.
        """
        key = (self._serial, number, packing)
        found = self._cache.get(key)
        if found is None:
            if packing.is_slow or key in self._coming:
                return None
            picture = self.source.read_now(number)
            if picture is None:
                return None
            found = self._cut(number, packing, picture)
        if isinstance(found, JpegError):
            raise found
        return found

    def prepare(self, number: int, packing: Packing) -> "Deferred[None]":
        """See to it that `train` has this frame at hand; fails with MediaError."""
        key = (self._serial, number, packing)
        waiting: Deferred[None] = Deferred()
        others = self._coming.setdefault(key, [])
        others.append(waiting)
        if len(others) == 1:
            done = self.source.read(number)
            done.addCallback(lambda picture: self._pack(number, packing, picture))
            done.addCallbacks(
                lambda _: self._arrived(key, None), lambda failure: self._arrived(key, failure)
            )
            done.addErrback(lambda failure: _log.failure("preparing a frame", failure))
        return waiting

    def prepare_ahead(self, number: int, packing: Packing) -> None:
        """Have a frame ready before it is due, if that is possible at all."""
        try:
            at_hand = self.train(number, packing) is not None
        except (JpegError, MediaError):
            return  # said again, and dealt with, when the frame is due
        if not at_hand and (self._serial, number, packing) not in self._coming:
            coming = self.prepare(number, packing)
            coming.addErrback(lambda failure: None if failure.check(MediaError) else failure)
            coming.addErrback(lambda failure: _log.failure("reading ahead", failure))

    async def probe(self, packing: Packing) -> None:
        """Look whether the film can be played at all.

        Raises:
            MediaError: Not one of the first frames can be carried; says why.
        """
        reason = "it holds no frame"
        for number in range(min(PROBED_FRAMES, self.source.times.count)):
            try:
                if self.train(number, packing) is None:
                    await self.prepare(number, packing)
                    self.train(number, packing)
            except JpegError as refusal:
                reason = str(refusal)
            else:
                return
        raise MediaError(f"{self.title}: {reason}")

    def look(self) -> None:
        """See whether the file is still the one that was opened; if not, end the stream."""
        if self._is_looking:
            return  # a disk that hangs gets one question, not one each second
        self._is_looking = True
        looked = self.source.check().addBoth(self._looked)
        looked.addErrback(lambda failure: _log.failure("looking at a film", failure))

    def _looked(self, result: Failure | None) -> Failure | None:
        self._is_looking = False
        if isinstance(result, Failure) and result.check(MediaChangedError):
            self.end(result.getErrorMessage())
            return None
        return result

    @override
    def end(self, reason: str) -> None:
        """The stream is no more: tell everybody who watches."""
        if self.changed is None:
            self.changed = reason
            _log.warn("stream {stream}: {reason}", stream=shown(self.title), reason=shown(reason))
        super().end(reason)

    def close(self) -> None:
        """Give back the file."""
        self.source.close()
        if self.unplayable_frames:
            _log.info(
                "stream {stream}: {count} times a frame could not be carried",
                stream=shown(self.title),
                count=self.unplayable_frames,
            )

    def _pack(self, number: int, packing: Packing, picture: bytes) -> "Deferred[object]":
        if packing.is_slow:
            return self._in_thread(lambda: self._packed(packing, picture)).addCallback(
                lambda found: self._keep(number, packing, found)
            )
        return succeed(self._cut(number, packing, picture))

    def _cut(self, number: int, packing: Packing, picture: bytes) -> TrainTemplate | JpegError:
        self._look_at_first(picture)
        return self._keep(number, packing, self._packed(packing, picture))

    @staticmethod
    def _packed(packing: Packing, picture: bytes) -> TrainTemplate | JpegError:
        try:
            return packing.pack(picture)
        except JpegError as refusal:
            return refusal

    def _keep(
        self, number: int, packing: Packing, found: TrainTemplate | JpegError
    ) -> TrainTemplate | JpegError:
        if isinstance(found, JpegError):
            self._refused(found)
        self._cache.put((self._serial, number, packing), found)
        return found

    def _look_at_first(self, picture: bytes) -> None:
        """Say what is lost of a film although every frame of it can be sent."""
        if self._is_seen:
            return
        self._is_seen = True
        with contextlib.suppress(JpegError):
            if jpeg.JpegImage.parse(picture).is_field:
                _log.warn(
                    "stream {stream}: its frames are interlaced; the first field of each is sent, "
                    "at half the height",
                    stream=shown(self.title),
                )

    def _arrived(self, key: tuple[object, ...], failure: Failure | None) -> None:
        for waiting in self._coming.pop(key, []):
            if failure is None:
                waiting.callback(None)
            else:
                waiting.errback(failure)


Listener = Callable[[TrainTemplate, float], None]


class LiveStream(_Stream):
    """Frames as they come, packed once for all viewers that want them alike."""

    def __init__(self, source: ILiveSource) -> None:
        super().__init__(source.title)
        self.source = source
        self._listeners: dict[Packing, list[Listener]] = {}

    @property
    def framerate(self) -> Fraction:
        """Nominal frames per second, for the description."""
        return Fraction(self.source.rate).limit_denominator(1001)

    def listen(self, packing: Packing, listener: Listener) -> None:
        """Call ``listener(train, capture_s)`` for every frame from now on."""
        if not self._listeners:
            self.source.subscribe(self._frame)
        self._listeners.setdefault(packing, []).append(listener)

    def forget(self, packing: Packing, listener: Listener) -> None:
        """Call this listener no more."""
        listeners = self._listeners.get(packing, [])
        if listener in listeners:
            listeners.remove(listener)
        if not listeners:
            self._listeners.pop(packing, None)
        if not self._listeners:
            self.source.unsubscribe(self._frame)

    def close(self) -> None:
        """End the source."""
        self.source.close()

    def _frame(self, picture: bytes, capture_s: float) -> None:
        for packing, listeners in list(self._listeners.items()):
            try:
                train = packing.pack(picture)
            except JpegError as refusal:
                self._refused(refusal)
                continue
            for listener in list(listeners):
                listener(train, capture_s)


Stream = FilmStream | LiveStream
