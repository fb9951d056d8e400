"""What a URL names: frames by number or as they come, cut once for all their viewers."""

import contextlib
import itertools
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override

from mjpegd.cache import ByteCache
from mjpegd.errors import MediaChangedError, MediaError
from mjpegd.interfaces import IFrameSource, ILiveSource, IRenderedSource
from mjpegd.logs import shown
from mjpegd.packing import JpegPacking, Packing
from mjpegd.pictures.forms import PLAIN_RENDITION, Big, JpegForm
from mjpegd.pictures.normalise import Step
from mjpegd.wire import jpeg
from mjpegd.wire.errors import JpegError, UnsupportedJpegError
from mjpegd.wire.packets import TrainTemplate
from mjpegd.wire.times import FrameTimes, RetimedTimes
from mjpegd.wishes import Wishes
from mjpegd.workshop import Made, Workshop

_log = Logger()

# Streams come and go; no two of them ever share trains.
_serials = itertools.count()

# A film is refused only when not one of this many frames at its head can be carried.
PROBED_FRAMES = 16
STILL_RATE = Fraction(1)
# Probing asks whether a frame can be carried at all; its size on the wire does not matter.
PROBED_PAYLOAD_BYTES = 1388
# Why frames of films that are no MJPEG lose something.
DECODED_FIRST = "no MJPEG, decoded first"
# How many frames ahead of need pictures are made fit: several can be worked at at a time.
MADE_AHEAD = 4
# A file could give each of its frames a reason of its own.
MAX_LOGGED_REASONS = 8


TrainCache = ByteCache[TrainTemplate | JpegError]


def train_cache(max_bytes: int) -> TrainCache:
    """Room for trains that were cut lately, or for why there is none."""
    return ByteCache(max_bytes, _train_bytes)


def _train_bytes(train: TrainTemplate | JpegError) -> int:
    # A refusal is an exception and its text.
    return train.size_bytes if isinstance(train, TrainTemplate) else 500


@dataclass(frozen=True, slots=True)
class Treatment:
    """What is done to the frames of a stream, as the first of them shows.

    Attributes:
        width: Pixels of what is sent.
        height: Likewise.
        step: What is done.
        reason: Why, in a few words; empty where nothing is.
    """

    width: int
    height: int
    step: Step
    reason: str

    @override
    def __str__(self) -> str:
        return phrase(self.step, self.reason)

    @property
    def untold_size(self) -> tuple[int, int] | None:
        """Width and height where the headers of RFC 2435 have no room for them."""
        is_told = max(self.width, self.height) <= jpeg.MAX_SIDE_PIXELS
        return None if is_told else (self.width, self.height)


def phrase(step: Step, reason: str) -> str:
    """What is done and why, for the log."""
    return f"{step.value} ({reason})" if reason else step.value


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

    def form_for(self, form: JpegForm) -> JpegForm:
        """What a viewer's form comes to for this stream."""
        return form

    def treatment(self, form: Hashable) -> "Treatment | None":
        """What is done to its frames for this form; None where that is not known."""
        return None

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
        trains: Where trains of all streams are kept.
        workshop: Where pictures are made that no packing takes as they are.
    """

    def __init__(self, source: IFrameSource, trains: TrainCache, workshop: Workshop) -> None:
        super().__init__(source.title)
        self.source = source
        self.changed: str | None = None
        self._serial = next(_serials)
        self._trains = trains
        self._workshop = workshop
        self._coming: dict[tuple[int, Packing], list[Deferred[None]]] = {}
        self._is_looking = False
        self._is_big: bool | None = None  # as the first frame shows
        # Forms that the last frame had to be made for.
        self._laborious: set[Hashable] = set()
        self._treatments: dict[Hashable, Treatment] = {}
        self._said: set[tuple[Step, str]] = set()
        self._made_frames = 0
        self._made_s = 0.0

    def times(self, wishes: Wishes) -> FrameTimes:
        """When each frame is shown, as the query wishes."""
        rate = wishes.fps or (STILL_RATE if self.source.still else None)
        return self.source.times if rate is None else RetimedTimes(self.source.times, rate)

    def is_endless(self, wishes: Wishes, *, loop: bool) -> bool:
        """The film repeats; `loop` is the daemon's default."""
        return self.source.still or (loop if wishes.loop is None else wishes.loop)

    @override
    def treatment(self, form: Hashable) -> Treatment | None:
        """What is done to its frames for this form, as the first one showed; None before."""
        return self._treatments.get(form)

    def train(self, number: int, packing: Packing) -> TrainTemplate | None:
        """The train of a frame, or None where that would mean waiting (see `prepare`).

        Raises:
            JpegError: This packing cannot carry the frame.
            MediaChangedError: The file is no longer the one that was opened.
        """
        found = self._trains.get((self._serial, number, packing))
        if found is None and (number, packing) not in self._coming:
            found = self._cut_now(number, packing)
        if isinstance(found, JpegError):
            raise found
        return found

    def prepare(self, number: int, packing: Packing) -> "Deferred[None]":
        """See to it that `train` has this frame at hand; fails with MediaError."""
        key = (number, packing)
        waiting: Deferred[None] = Deferred()
        others = self._coming.setdefault(key, [])
        others.append(waiting)
        if len(others) == 1:
            done = Deferred.fromCoroutine(self._prepare(number, packing))
            done.addBoth(lambda result: self._arrived(key, result))
            done.addErrback(lambda failure: _log.failure("preparing a frame", failure))
        return waiting

    def prepare_ahead(self, number: int, packing: Packing) -> None:
        """Have a frame ready before it is due, if that is possible at all."""
        try:
            at_hand = self.train(number, packing) is not None
        except (JpegError, MediaError):
            return  # said again, and dealt with, when the frame is due
        if not at_hand and (number, packing) not in self._coming:
            coming = self.prepare(number, packing)
            coming.addErrback(lambda failure: None if failure.check(MediaError) else failure)
            coming.addErrback(lambda failure: _log.failure("reading ahead", failure))

    def frames_ahead(self, packing: Packing) -> int:
        """For how many frames behind the one that is due `prepare_ahead` is worth while."""
        return MADE_AHEAD if self._is_laborious(packing) else 1

    @override
    def form_for(self, form: JpegForm) -> JpegForm:
        """What a viewer's form comes to for this film, so that those who get the same share it."""
        if not self._is_rendered:
            form = replace(form, rendition=PLAIN_RENDITION)
        # A size that grows later is not in the description, so that nobody could be told.
        return form if form.big is not Big.NATIVE or self._is_big else replace(form, big=Big.SCALE)

    async def probe(self, form: JpegForm) -> None:
        """Look whether the film can be played at all.

        Raises:
            MediaError: Not one of the first frames can be carried; says why.
        """
        await self._measure()
        form = self.form_for(form)
        packing = JpegPacking(PROBED_PAYLOAD_BYTES, interleaved=False, form=form)
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
        if self._made_frames and not self._is_rendered:
            _log.info(
                "stream {stream}: {count} frames were made fit, in {mean_ms:.1f} ms of a core each",
                stream=shown(self.title),
                count=self._made_frames,
                mean_ms=self._made_s / self._made_frames * 1000,
            )

    async def _measure(self) -> None:
        if self._is_big is None and not self._is_rendered:
            picture = self.source.read_now(0) or await self.source.read(0)
            with contextlib.suppress(JpegError):
                image = jpeg.JpegImage.parse(picture)
                self._is_big = max(image.width, image.height) > jpeg.MAX_SIDE_PIXELS

    @property
    def _is_rendered(self) -> bool:
        return bool(IRenderedSource.providedBy(self.source))

    def _is_laborious(self, packing: Packing) -> bool:
        return self._is_rendered or packing.form in self._laborious

    def _cut_now(self, number: int, packing: Packing) -> TrainTemplate | JpegError | None:
        """The train of a frame that can be had without waiting, or why there is none."""
        try:
            made = self._workshop.at_hand(self._key(number, packing))
            if made is not None:
                return self._cut(number, packing, made.normal.picture)
            if self._is_laborious(packing):
                return None
            picture = self.source.read_now(number)
            return None if picture is None else self._cut_as_it_is(number, packing, picture)
        except JpegError as refusal:
            return self._refuse(number, packing, refusal)

    async def _prepare(self, number: int, packing: Packing) -> None:
        try:
            if not self._is_laborious(packing):
                picture = await self.source.read(number)
                if self._cut_as_it_is(number, packing, picture) is not None:
                    return
            reads: list[Deferred[bytes]] = []

            def read() -> "Deferred[bytes]":
                reads.append(self._read(number, packing))
                return reads[0]

            made = await self._workshop.make(self._key(number, packing), read, packing)
            if reads:  # otherwise it was made for others, who took note
                self._take_note(packing, made)
            self._cut(number, packing, made.normal.picture)
        except JpegError as refusal:
            self._refuse(number, packing, refusal)

    def _key(self, number: int, packing: Packing) -> Hashable:
        return self._serial, number, packing.form

    def _read(self, number: int, packing: Packing) -> "Deferred[bytes]":
        if IRenderedSource.providedBy(self.source):
            return self.source.render(number, packing.rendition)
        return self.source.read(number)

    def _cut_as_it_is(self, number: int, packing: Packing, picture: bytes) -> TrainTemplate | None:
        """Cut what lay in the file; None where it has to be made fit. Raises BrokenJpegError."""
        try:
            train = self._cut(number, packing, picture)
        except UnsupportedJpegError:
            self._laborious.add(packing.form)
            return None
        if packing.form not in self._treatments:
            repairs = jpeg.repairs(picture)
            step = Step.REPAIRED if repairs else Step.UNTOUCHED
            self._learn(packing, picture, step, ", ".join(repairs))
        return train

    def _cut(self, number: int, packing: Packing, picture: bytes) -> TrainTemplate:
        train = packing.pack(picture)
        self._trains.put((self._serial, number, packing), train)
        return train

    def _refuse(self, number: int, packing: Packing, refusal: JpegError) -> JpegError:
        self._refused(refusal)
        self._trains.put((self._serial, number, packing), refusal)
        return refusal

    def _take_note(self, packing: Packing, made: Made) -> None:
        """Learn from a picture that was made, and say once what is done and what it costs."""
        normal = made.normal
        if self._is_rendered:
            normal = replace(normal, step=Step.ENCODED, reason=DECODED_FIRST)
        self._made_frames += 1
        self._made_s += made.seconds
        if normal.step in {Step.UNTOUCHED, Step.REPAIRED}:
            self._laborious.discard(packing.form)
        if packing.form not in self._treatments:
            self._learn(packing, normal.picture, normal.step, normal.reason)
        what = (normal.step, normal.reason)
        if what in self._said or len(self._said) >= MAX_LOGGED_REASONS:
            return
        self._said.add(what)
        _log.info(
            "stream {stream}: {treatment}{cost}{hint}",
            stream=shown(self.title),
            treatment=shown(phrase(*what)),
            cost=(
                "; by a process of its own"
                if self._is_rendered
                else f"; {made.seconds * 1000:.1f} ms of a core for the first frame"
            ),
            hint=made.hint and f"; {made.hint}",
        )

    def _learn(self, packing: Packing, picture: bytes, step: Step, reason: str) -> None:
        image = jpeg.JpegImage.parse(picture)
        self._treatments[packing.form] = Treatment(image.width, image.height, step, reason)

    def _arrived(self, key: tuple[int, Packing], result: Failure | None) -> None:
        for waiting in self._coming.pop(key, []):
            waiting.callback(result)


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
