"""What a URL names: frames by number or as they come, cut once for all their viewers."""

import contextlib
import itertools
from collections.abc import Callable, Hashable
from dataclasses import replace
from fractions import Fraction
from typing import Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override

from mjpegd.cache import ByteCache
from mjpegd.capacity.demand import Demand
from mjpegd.errors import MediaBusyError, MediaChangedError, MediaError
from mjpegd.interfaces import IFrameSource, ILiveSource, IRenderedSource
from mjpegd.logs import shown
from mjpegd.packing import JpegPacking, Packing
from mjpegd.pictures.forms import PLAIN_RENDITION, Big, JpegForm
from mjpegd.treatment import MAX_LOGGED_REASONS, Treatment, TreatmentNotes
from mjpegd.wire.errors import JpegError, UnsupportedJpegError
from mjpegd.wire.jpeg_frame import MAX_SIDE_PIXELS
from mjpegd.wire.jpeg_image import JpegImage
from mjpegd.wire.packets import TrainTemplate
from mjpegd.wire.times import FrameTimes, RetimedTimes
from mjpegd.wishes import Wishes
from mjpegd.workshop import UnwantedError, Workshop, anew

_log = Logger()

# Streams come and go; no two of them ever share trains.
_serials = itertools.count()

# A film is refused only when not one of this many frames at its head can be carried.
PROBED_FRAMES = 16
STILL_RATE = Fraction(1)
# Probing asks whether a frame can be carried at all; its size on the wire does not matter.
PROBED_PAYLOAD_BYTES = 1388
# The load of one core from which on a film may have to wait for its frames.
STANDSTILL_LOAD = 0.5
# How many frames ahead of need pictures are made fit: several can be worked at at a time.
MADE_AHEAD = 4


TrainCache = ByteCache[TrainTemplate | JpegError]


def train_cache(max_bytes: int) -> TrainCache:
    """Room for trains that were cut lately, or for why there is none."""
    return ByteCache(max_bytes, _train_bytes)


def _train_bytes(train: TrainTemplate | JpegError) -> int:
    # A refusal is an exception and its text.
    return train.size_bytes if isinstance(train, TrainTemplate) else 500


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
        self._demand = Demand()

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

    def _refused(self, refusal: JpegError, what: str = "a frame") -> None:
        """Count a frame that cannot be carried, and say so where the reason is a new one."""
        self.unplayable_frames += 1
        if self._is_new(reason := str(refusal)):
            _log.warn(
                "stream {stream}: {what} cannot be carried: {reason}; frames like it are skipped",
                stream=shown(self.title),
                what=what,
                reason=shown(reason),
            )

    def _is_new(self, reason: str) -> bool:
        """Whether a reason is to be said: it was not yet, and there were not too many."""
        is_new = reason not in self._reasons and len(self._reasons) < MAX_LOGGED_REASONS
        if is_new:
            self._reasons.add(reason)
        return is_new


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
        self._is_rendered = bool(IRenderedSource.providedBy(source))
        self._serial = next(_serials)
        self._trains = trains
        self._workshop = workshop
        self._places = workshop.places()
        self._coming: dict[tuple[int, Packing], list[Deferred[None]]] = {}
        self._is_looking = False
        self._large_size: tuple[int, int] | None = None  # of the first frame
        self._is_measured = False
        # Forms that the last frame had to be made for.
        self._laborious: set[Hashable] = set()
        self._notes = TreatmentNotes(source.title, is_rendered=self._is_rendered)

    def times(self, wishes: Wishes) -> FrameTimes:
        """When each frame is shown, as the query wishes."""
        rate = wishes.fps or (STILL_RATE if self.source.still else None)
        return self.source.times if rate is None else RetimedTimes(self.source.times, rate)

    def is_endless(self, wishes: Wishes, *, loop: bool) -> bool:
        """The film repeats; ``loop`` is the daemon's default."""
        return self.source.still or (loop if wishes.loop is None else wishes.loop)

    def bits_per_s(self, wishes: Wishes) -> int:
        """What one viewer needs, on average, without the headers of packets."""
        rate = float(self.times(wishes).rate)
        return self._demand.bits_per_s(rate, self.source.mean_bytes)

    @override
    def treatment(self, form: Hashable) -> Treatment | None:
        """What is done to its frames for this form, as the first one showed; None before."""
        return self._notes.treatment(form)

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
            raise anew(found)
        return found

    def prepare(self, number: int, packing: Packing) -> "Deferred[None]":
        """See to it that `train` has this frame at hand; fails with MediaError.

        Whoever wants it no more cancels the Deferred; what nobody wants is not begun.
        """
        key = (number, packing)
        is_new = key not in self._coming
        others = self._coming.setdefault(key, [])
        waiting: Deferred[None] = Deferred(others.remove)
        others.append(waiting)
        if is_new:
            done = Deferred.fromCoroutine(self._prepare(number, packing))
            done.addBoth(lambda result: self._arrived(key, result))
            done.addErrback(lambda failure: _log.failure("preparing a frame", failure))
        return waiting

    def prepare_ahead(self, number: int, packing: Packing) -> "Deferred[None] | None":
        """Have a frame ready before it is due, if that is possible at all.

        Returns:
            None where nothing is to be waited for. Fires when the frame is ready, and never fails;
            whoever wants it no more cancels it.
        """
        try:
            if self.train(number, packing) is not None:
                return None
        except (JpegError, MediaError):
            return None  # said again, and dealt with, when the frame is due
        coming = self.prepare(number, packing)
        coming.addErrback(
            lambda failure: None if failure.check(MediaError, CancelledError) else failure
        )
        return coming.addErrback(lambda failure: _log.failure("reading ahead", failure))

    def ready_train(self, number: int, packing: Packing) -> TrainTemplate | None:
        """The train of a frame if nothing is to be prepared where that comes next."""
        if (self._laborious or self._is_rendered) and self._is_laborious(packing):
            return None
        found = self._trains.get((self._serial, number, packing))
        return found if isinstance(found, TrainTemplate) else None

    def frames_ahead(self, packing: Packing) -> int:
        """For how many frames behind the one that is due `prepare_ahead` is worth while."""
        return MADE_AHEAD if self._is_laborious(packing) else 1

    def may_stand_still(self, form: Hashable, rate: Fraction) -> bool:
        """Making a frame takes about as long as it lasts at this rate."""
        return self._notes.cost_s(form) * float(rate) > STANDSTILL_LOAD

    @override
    def form_for(self, form: JpegForm) -> JpegForm:
        """What a viewer's form comes to for this film, so that those who get the same share it."""
        if IRenderedSource.providedBy(self.source):
            form = replace(form, rendition=self.source.granted(form.rendition))
        else:
            form = replace(form, rendition=PLAIN_RENDITION)
        if form.big is not Big.NATIVE:
            return form
        if self._large_size is None:
            return replace(form, big=Big.SCALE)
        return replace(form, described=self._large_size)

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
        self._notes.say_sum()

    async def _measure(self) -> None:
        """Learn the size that descriptions tell where the packets cannot."""
        if self._is_measured or self._is_rendered:
            return
        picture = self.source.read_now(0) or await self.source.read(0)
        self._is_measured = True
        with contextlib.suppress(JpegError):
            image = JpegImage.parse(picture)
            is_large = max(image.width, image.height) > MAX_SIDE_PIXELS
            if is_large and not image.header.is_field:  # fields become one picture of another size
                self._large_size = (image.width, image.height)

    def _is_laborious(self, packing: Packing) -> bool:
        return self._is_rendered or (bool(self._laborious) and packing.form in self._laborious)

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

            key = self._key(number, packing)
            waiting = self._coming[number, packing]
            made = await self._workshop.make(
                key, read, packing, self._places, lambda: bool(waiting)
            )
            if not made.is_new:
                self._laborious.discard(packing.form)
            if reads:  # otherwise it was made for others, who took note
                self._notes.made(packing.form, made)
            self._cut(number, packing, made.normal.picture)
        except JpegError as refusal:
            self._refuse(number, packing, refusal)
        except UnwantedError:
            pass

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
        self._notes.sent_as_it_is(packing.form, picture)
        return train

    def _cut(self, number: int, packing: Packing, picture: bytes) -> TrainTemplate:
        train = packing.pack(picture)
        self._demand.learn(train.payload_octets)
        self._trains.put((self._serial, number, packing), train)
        return train

    def _refuse(self, number: int, packing: Packing, refusal: JpegError) -> JpegError:
        self._refused(refusal, f"frame {number}")
        self._trains.put((self._serial, number, packing), anew(refusal))
        return refusal

    def _arrived(self, key: tuple[int, Packing], result: Failure | None) -> None:
        is_busy = isinstance(result, Failure) and result.check(MediaBusyError)
        if result is not None and is_busy and self._is_new(reason := result.getErrorMessage()):
            _log.warn(
                "stream {stream}: {reason}; it stands still until that is over",
                stream=shown(self.title),
                reason=shown(reason),
            )
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

    def bits_per_s(self, wishes: Wishes) -> int:
        """What one viewer needs, on average, without the headers of packets."""
        return self._demand.bits_per_s(self.source.rate)

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
            self._demand.learn(train.payload_octets)
            for listener in list(listeners):
                listener(train, capture_s)


Stream = FilmStream | LiveStream
