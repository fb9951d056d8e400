"""What drives a viewer's frames: a film on a timeline of the viewer's own, or a live source.

A film's playout is a LoopingCall that sends what is due by now, and is called again when the next
frame is due. A live playout is called by its stream. Both hand trains and their RTP times to the
viewer, and never ask who that is.
"""

from dataclasses import dataclass, replace
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from mjpegd.errors import MediaBusyError, MediaError
from mjpegd.packing import Packing, shared
from mjpegd.playhead import PATIENCE_S, Due, Playhead
from mjpegd.pulse import Pulse
from mjpegd.stream import FilmStream, LiveStream
from mjpegd.timetable import Timetable
from mjpegd.wire.clock import RTP_CLOCK_HZ
from mjpegd.wire.errors import JpegError
from mjpegd.wire.packets import TrainTemplate
from mjpegd.wishes import Wishes

# Players read RTCP before the media that is still queued: an early BYE would cut the film's end
# off, a late one keeps them waiting (FFmpeg, VLC).
MIN_FAREWELL_S = 0.15
MAX_FAREWELL_S = 0.45
# A large train is spread over this share of the time until the next frame.
SPREAD = 0.5
# A moment is missed by less than this where it was reached by adding up seconds.
HAIR_S = 1e-8
# A frame that cannot be read just now is asked for again after so long.
RETRY_S = 0.25


@dataclass(frozen=True, slots=True)
class PlayRequest:
    """What PLAY asks for, within the daemon's bounds.

    Attributes:
        at_s: Media time to start at; None goes on where the viewer stands.
        until_s: Media time to stop at; None means the end.
        scale: Media seconds for each presented second, not 0.
        speed: Presented seconds for each second of the clock, above 0.
    """

    at_s: float | None = None
    until_s: float | None = None
    scale: float = 1.0
    speed: float = 1.0


@dataclass(frozen=True, slots=True)
class Cue:
    """What a playout promises before the first packet leaves.

    Attributes:
        npt_s: Media time of the first frame; None for a live source.
        end_s: Media time at which it will stop; None where there is no end.
        ticks: RTP time of the first frame, not wrapped.
        scale: The scale used.
        speed: The speed used.
    """

    npt_s: float | None
    end_s: float | None
    ticks: int
    scale: float
    speed: float


class Viewer(Protocol):
    """Who receives the trains."""

    def deliver(self, template: TrainTemplate, ticks: int, spread_s: float) -> None:
        """Send one frame; `ticks` is its RTP time, not wrapped."""
        ...

    def skipped(self, count: int) -> None:
        """Frames were passed over because it was too late for them."""
        ...

    def held(self, seconds: float) -> None:
        """The film stood still because a frame could not be had in time."""
        ...

    def finished(self) -> None:
        """The film, or the range that was asked for, has been shown to its end."""
        ...

    def broke(self, failure: Failure) -> None:
        """A fault of ours ended the playout."""
        ...

    def stream_gone(self, reason: str) -> None:
        """No more frames will come."""
        ...


class _Nobody:
    """Who has left (see `Viewer`): what still comes for them is dropped."""

    def deliver(self, template: TrainTemplate, ticks: int, spread_s: float) -> None:
        pass

    def skipped(self, count: int) -> None:
        pass

    def held(self, seconds: float) -> None:
        pass

    def finished(self) -> None:
        pass

    def broke(self, failure: Failure) -> None:
        pass

    def stream_gone(self, reason: str) -> None:
        pass


NOBODY: Viewer = _Nobody()


class FilmPlayout:
    """A stored film for one viewer.

    Args:
        stream: The film.
        wishes: How the viewer's URL wants it.
        endless: It repeats.
        packing: How the viewer wants frames packed.
        clock: Time.
        viewer: Who receives.
    """

    __slots__ = (
        "_ahead",
        "_awaited",
        "_clock",
        "_cue",
        "_endless",
        "_farewell",
        "_head",
        "_interval_s",
        "_is_behind",
        "_pulse",
        "_retrying",
        "_stream",
        "_times",
        "_upcoming",
        "_viewer",
        "_waiting_for",
        "packing",
    )

    def __init__(
        self,
        stream: FilmStream,
        wishes: Wishes,
        packing: Packing,
        clock: Timetable,
        viewer: Viewer,
        *,
        endless: bool,
    ) -> None:
        self.packing = shared(packing)
        self._stream = stream
        self._times = stream.times(wishes)
        self._endless = endless
        self._head = Playhead(self._times, loop=endless)
        self._clock = clock
        self._viewer = viewer
        self._cue = Cue(0.0, None, 0, 1.0, 1.0)
        self._pulse: Pulse | None = None
        self._interval_s = 0.0
        self._farewell: IDelayedCall | None = None
        self._waiting_for: object | None = None
        self._is_behind = False  # since it had to wait
        self._awaited: Deferred[None] | None = None
        self._retrying: IDelayedCall | None = None
        self._ahead: dict[int, Deferred[None]] = {}
        self._upcoming: TrainTemplate | None = None  # of the frame that comes next, if it is ready

    @property
    def npt_s(self) -> float | None:
        """Media time in seconds of the frame that comes next."""
        return self._head.npt_s

    @property
    def end_s(self) -> float | None:
        """The film's duration in seconds; None where it has no end, or none is known yet."""
        known = self._stream.source.complete and not self._endless
        return self._times.end if known else None

    def cue(self, request: PlayRequest, ticks: int) -> Cue:
        """Take the position that PLAY asks for; nothing is sent before `roll`."""
        self._halt()
        self._head.complete = self._stream.source.complete
        start = self._head.start(
            self._clock.seconds(),
            ticks,
            at_s=request.at_s,
            until_s=request.until_s,
            scale=request.scale,
            speed=request.speed,
        )
        self._interval_s = 1 / (float(self._times.rate) * request.speed)
        if abs(request.scale) < 1:
            self._interval_s /= abs(request.scale)
        self._cue = Cue(
            start.npt_s, self._stop_s(request), start.ticks, request.scale, request.speed
        )
        return self._cue

    def roll(self) -> None:
        """Send the first frame, and the others when they are due."""
        self._pulse = Pulse(self._tick, self._clock)
        self._pulse.start(self._interval_s).addErrback(self._broke)

    def standing(self) -> Cue:
        """The promise again, for the frame that comes next in the run under way."""
        ticks = self._head.upcoming_ticks
        if ticks is None:
            ticks = self._head.ticks_at(self._clock.seconds())
        return replace(self._cue, npt_s=self._head.npt_s, ticks=ticks)

    def pause(self) -> None:
        """Send nothing more; the position stays."""
        self._halt()
        self._head.pause()

    def leave(self) -> None:
        """The viewer has gone for good, and is forgotten (see `mjpegd.flow.Patience.stop`)."""
        self._halt()
        self._viewer = NOBODY

    def ticks_at(self, now_s: float) -> int:
        """RTP time of a moment while it plays, not wrapped."""
        return self._head.ticks_at(now_s)

    def _stop_s(self, request: PlayRequest) -> float | None:
        if request.scale < 0:
            return min(request.until_s or 0.0, self._times.end)
        if request.until_s is not None:
            return request.until_s if self._endless else min(request.until_s, self._times.end)
        # GStreamer goes when so much time has passed, however much of the film is still to come.
        late = self._stream.may_stand_still(self.packing.form, self._times.rate)
        return None if late else self.end_s

    def _halt(self) -> None:
        self._waiting_for = self._upcoming = None
        # Who seeks to and fro does not want what lies behind; others may wait for the same.
        unwanted, self._ahead = [*self._ahead.values(), self._awaited], {}
        for coming in filter(None, unwanted):
            coming.cancel()
        self._awaited = None
        for call in filter(None, (self._farewell, self._retrying)):
            call.cancel()
        self._farewell = self._retrying = None
        pulse, self._pulse = self._pulse, None
        if pulse is not None and pulse.running:
            pulse.stop()

    def _broke(self, failure: Failure) -> None:
        # A function that raises would stop a LoopingCall in silence, and the viewer's film.
        self._halt()
        self._viewer.broke(failure)

    def _tick(self) -> float | None:
        """Send the frame that is due; the moment of the next one, None where nobody knows."""
        head = self._head
        if not head.complete:
            head.complete = self._stream.source.complete
        now_s = self._clock.seconds()
        if self._is_behind:
            self._hold(now_s)
        due = head.due(now_s)
        if due is not None and not self._send(due, now_s):
            return None
        next_s = head.next_s
        if next_s is None:
            self._come_to_the_end()
            return None
        return next_s - HAIR_S

    def _send(self, due: Due, now_s: float) -> bool:
        """Send one frame; False where the playout has to wait, or is over."""
        train: TrainTemplate | JpegError | None = self._upcoming
        if due.skipped:
            self._viewer.skipped(due.skipped)
            train = None
        if train is None and (train := self._fetched(due.number)) is None:
            return False
        following = self._head.sent(now_s)
        if isinstance(train, TrainTemplate):
            gap_s = self._interval_s if following is None else following.due_s - due.due_s
            self._viewer.deliver(train, due.ticks, min(gap_s, self._interval_s) * SPREAD)
        self._look_ahead(following)
        # Delivering may have ended the session, and with it this playout.
        return self._pulse is not None

    def _fetched(self, number: int) -> TrainTemplate | JpegError | None:
        """The train of a frame, or why it has none; None where it has to be waited for."""
        try:
            train = self._stream.train(number, self.packing)
        except JpegError as refusal:
            return refusal  # said once for the stream; the frame after it comes in time
        except MediaError as gone:
            self._stream.end(str(gone))
            return None
        if train is None:
            self._wait_for(number)
        return train

    def _look_ahead(self, following: Due | None) -> None:
        """See to it that the frame that comes next is ready."""
        self._upcoming = None
        if following is not None and self._pulse is not None:
            self._upcoming = self._stream.ready_train(following.number, self.packing)
            if self._upcoming is None or self._ahead:
                self._prepare_ahead()

    def _prepare_ahead(self) -> None:
        self._ahead = {n: coming for n, coming in self._ahead.items() if not coming.called}
        for number in self._head.upcoming_numbers(self._stream.frames_ahead(self.packing)):
            if number not in self._ahead:
                coming = self._stream.prepare_ahead(number, self.packing)
                if coming is not None:
                    self._ahead[number] = coming

    def _come_to_the_end(self) -> None:
        """Of the film, or of what is known of it."""
        if not self._head.is_over:
            self._wait_for(None)
            return
        self._halt()
        farewell_s = min(max(self._interval_s, MIN_FAREWELL_S), MAX_FAREWELL_S)
        self._farewell = self._clock.callLater(farewell_s, self._finish)

    def _finish(self) -> None:
        self._farewell = None
        self._viewer.finished()
        self._head.rewind_if_at_end()

    def _wait_for(self, number: int | None) -> None:
        """Wait for a frame to be read, or, with None, for the index to grow."""
        token = self._waiting_for = object()
        if number is None:
            coming = self._stream.source.grown()
        else:
            coming = self._awaited = self._stream.prepare(number, self.packing)
        coming.addCallbacks(
            lambda _: self._came(token), lambda failure: self._missed(token, failure)
        )
        coming.addErrback(self._broke)

    def _came(self, token: object) -> None:
        if token is not self._waiting_for:
            return
        self._waiting_for = self._awaited = None
        self._is_behind = True
        if self._pulse is not None:
            self._pulse()

    def _retry(self, token: object) -> None:
        self._retrying = None
        self._came(token)

    def _hold(self, now_s: float) -> None:
        """Stop the film's clock for what it is late; only a hiccup by itself may cost frames."""
        late_s = self._head.late_s(now_s)
        if late_s > PATIENCE_S:
            self._head.hold(late_s)
            self._viewer.held(late_s)
        self._is_behind = self._interval_s < late_s <= PATIENCE_S

    def _missed(self, token: object, failure: Failure) -> None:
        if failure.check(MediaBusyError):
            if token is self._waiting_for:
                self._retrying = self._clock.callLater(RETRY_S, self._retry, token)
        elif failure.check(MediaError):
            self._stream.end(failure.getErrorMessage())
        elif token is self._waiting_for:
            self._broke(failure)


class LivePlayout:
    """A live source for one viewer: each new frame at once, no seeking, one pace.

    Args:
        stream: The live stream.
        packing: How the viewer wants frames packed.
        clock: Time, the same that the source stamps its frames with.
        viewer: Who receives.
    """

    npt_s = None

    def __init__(
        self, stream: LiveStream, packing: Packing, clock: IReactorTime, viewer: Viewer
    ) -> None:
        self.packing = packing
        self._stream = stream
        self._clock = clock
        self._viewer = viewer
        self._start_ticks = 0
        self._start_s: float | None = None
        self._last_ticks: int | None = None

    def cue(self, request: PlayRequest, ticks: int) -> Cue:
        """Get ready; a live source has no position and no other pace than its own."""
        if self._last_ticks is not None:
            # A frame may have been captured before the PLAY that it was the first one of.
            ticks = max(ticks, self._last_ticks + round(RTP_CLOCK_HZ / self._stream.source.rate))
        self._start_ticks = ticks
        self._start_s = None
        return Cue(None, None, ticks, 1.0, 1.0)

    def roll(self) -> None:
        """Send every frame from now on."""
        self._stream.listen(self.packing, self._frame)

    def standing(self) -> Cue:
        """The promise again, for the frame that comes next."""
        return Cue(None, None, self.ticks_at(self._clock.seconds()), 1.0, 1.0)

    def pause(self) -> None:
        """Send nothing more."""
        self._stream.forget(self.packing, self._frame)

    def leave(self) -> None:
        """The viewer has gone for good, and is forgotten."""
        self.pause()
        self._viewer = NOBODY

    def ticks_at(self, now_s: float) -> int:
        """RTP time of a moment while it plays, not wrapped."""
        if self._start_s is None:
            return self._start_ticks
        return self._start_ticks + round((now_s - self._start_s) * RTP_CLOCK_HZ)

    def _frame(self, template: TrainTemplate, capture_s: float) -> None:
        # The first frame has the RTP time that the answer to PLAY promised.
        if self._start_s is None:
            self._start_s = capture_s
        ticks = self._last_ticks = self.ticks_at(capture_s)
        try:
            self._viewer.deliver(template, ticks, SPREAD / self._stream.source.rate)
        except Exception:  # a fault of ours with one viewer; the source has others
            self._viewer.broke(Failure())


Playout = FilmPlayout | LivePlayout
