"""What is so of a viewing: the session's state, the place in the film, and what to say of it."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from math import copysign

from .interfaces import Cue, Offer, PlacedFrame, ReceivedFrame
from .media.jitterbuffer import Lapse
from .media.measuring import MAX_SAMPLES
from .media.stretches import Stretches
from .media.timeline import Timeline
from .view import TRANSITIONS, Activity, Figures, Method, Notice, Sample, State, View
from .wish import Wish


class Player:
    """The state of one player; a viewer brings it about, a window shows it.

    Attributes:
        state: Of the session.
        activity: What goes on.
        offer: What the server told of the stream.
        scale: What PLAY was asked for last.
        position_s: Media time on the screen, or on its way there; None where it cannot be told.
        jpeg: The picture on the screen, as it came.
        has_played: A frame has come since the stream was opened.
        notice: What the person should know.
    """

    def __init__(self) -> None:
        self.open(Activity.IDLE)

    def open(self, activity: Activity) -> None:
        """Another stream begins: forget the last one."""
        self.state = State.INIT
        self.activity = activity
        self.offer = Offer()
        self.scale = 1.0
        self.position_s: float | None = None
        self.jpeg: bytes | None = None
        self.has_played = False
        self.notice: Notice | None = None
        self._timeline: Timeline | None = None
        self._number: int | None = None
        self._frame_count = 0
        self._shown_count = 0
        self._timestamp: int | None = None
        self._latency_s: float | None = None
        self._paused_s: float | None = None  # where the server says that it stands
        self._frame_s = 0.0  # so much of the film, from its position on, was shown when it stopped
        self._lost = Stretches()
        self._samples: deque[Sample] = deque(maxlen=MAX_SAMPLES)

    # --- The session --------------------------------------------------------------------------

    def starts_at(self, wish: Wish, scale: float) -> float | None:
        """The media time to ask for with PLAY; None to let the server go on where it stands."""
        if wish.seek_s is not None:
            return wish.seek_s
        duration_s = self.offer.duration_s
        if self.activity is Activity.ENDED:
            return (duration_s or 0.0) if scale < 0 else 0.0
        if duration_s is None:
            return None
        if self.position_s is None:
            return self._paused_s
        # From the frame behind the one on the screen: what was on its way is lost.
        return min(max(0.0, self.position_s + copysign(self._frame_s, scale)), duration_s)

    def go_to(self, position_s: float) -> None:
        """The frame at this media time is wanted, and not yet on the screen."""
        self.position_s = position_s
        self._frame_s = 0.0

    def started(self, cue: Cue, scale: float) -> None:
        """PLAY was answered.

        Args:
            cue: The answer.
            scale: What is played at from now on, as far as the person knows.
        """
        self.state = State.PLAYING
        self.activity = Activity.BUFFERING
        self.scale = scale
        self._paused_s = None
        self._timeline = Timeline(cue, self.framerate)

    def paused(self, paused_s: float | None) -> None:
        """PAUSE was answered, perhaps with the place where the server stands."""
        self._note_frame()
        self._paused_s = paused_s
        self.state = State.READY
        self.activity = Activity.PAUSED

    def ended(self) -> None:
        """The server has said that nothing follows."""
        self.state = State.READY
        self.activity = Activity.ENDED

    def stands_again(self) -> None:
        """There is a session again, paused where the last one was: its picture is still there."""
        self.activity = Activity.PAUSED
        self._forget_fault()

    def _forget_fault(self) -> None:
        if self.notice is not None and self.notice.is_error:
            self.notice = None

    def left(self, activity: Activity) -> None:
        """There is no session any more; another of the same stream goes on where it stood."""
        if self.state is State.PLAYING:
            self._note_frame()
        self.state = State.INIT
        self.activity = activity
        self._timeline = None

    def _note_frame(self) -> None:
        framerate = self.framerate
        has_shown = self.activity is not Activity.BUFFERING
        self._frame_s = 1 / framerate if framerate and has_shown else 0.0

    # --- Frames -------------------------------------------------------------------------------

    @property
    def framerate(self) -> float | None:
        """Frames per second of media time, as far as they are known."""
        if self._timeline is not None:
            return self._timeline.framerate
        return float(self.offer.framerate) if self.offer.framerate else None

    def place(self, frame: ReceivedFrame) -> PlacedFrame:
        """A frame is due: where in the film it belongs. What kept it from coming is over."""
        if self.state is State.PLAYING and self.activity is not Activity.PLAYING:
            self.activity = Activity.PLAYING
            self._forget_fault()
        self.has_played = True
        count, self._frame_count = self._frame_count, self._frame_count + 1
        if self._timeline is None:
            return PlacedFrame(frame, None, count)
        self._timeline.saw(frame.timestamp)
        number = self._timeline.frame_number(frame.timestamp)
        position_s = self._timeline.position_s(frame.timestamp)
        return PlacedFrame(frame, position_s, count if number is None else number)

    def shown(self, placed: PlacedFrame, now_s: float, *, is_wanted: bool) -> None:
        """A frame is on the screen.

        Args:
            placed: The frame.
            now_s: Now, on the player's clock.
            is_wanted: Nobody asked for another place meanwhile.
        """
        self.jpeg = placed.frame.jpeg
        self._timestamp = placed.frame.timestamp
        self._latency_s = now_s - placed.frame.arrived_s
        self._number = placed.number
        self._shown_count += 1
        if is_wanted:
            self.position_s = placed.position_s

    @property
    def shown_timestamp(self) -> int | None:
        """RTP time of the picture on the screen, while its session plays."""
        return self._timestamp if self.state is State.PLAYING else None

    def lose(self, lapses: Sequence[Lapse]) -> None:
        """Frames of the last PLAY were lost in these parts of the film."""
        for lapse in lapses:
            after_s, before_s = self._position_s(lapse.after), self._position_s(lapse.before)
            if after_s is not None and before_s is not None:
                self._lost.add(after_s, before_s)

    # --- What there is to show ----------------------------------------------------------------

    def sample(self, figures: Figures, now_s: float) -> None:
        """Keep what is measured now for the last minute's graphs."""
        self._samples.append(Sample(now_s, figures))

    def samples(self) -> Sequence[Sample]:
        """The figures of the last minute, oldest first."""
        return tuple(self._samples)

    def figures(self, of_intake: Figures) -> Figures:
        """What was measured of the stream, together with what the screen does."""
        latency_s = self._latency_s
        return replace(
            of_intake,
            latency_ms=None if latency_s is None else 1000 * latency_s,
            frames_shown=self._shown_count,
        )

    def view(
        self, wish: Wish, figures: Figures, transport: str, buffered_timestamp: int | None
    ) -> View:
        """All that a window shows, but for pictures.

        Args:
            wish: What the person wants.
            figures: What is measured.
            transport: The way of the media; empty where there is none.
            buffered_timestamp: RTP time of the last frame that waits; None where none does.
        """
        return View(
            url=wish.location.url if wish.location else "",
            title=self.offer.title,
            state=self.state,
            activity=self.activity,
            allowed=self._allowed(wish),
            notice=self.notice,
            position_s=self.position_s,
            duration_s=self.offer.duration_s,
            buffered_s=self._position_s(buffered_timestamp),
            lost=self._lost.all(),
            frame_number=self._number,
            scale=wish.scale,
            transport=transport,
            figures=figures,
        )

    def _position_s(self, timestamp: int | None) -> float | None:
        if timestamp is None or self._timeline is None:
            return None
        return self._timeline.position_s(timestamp)

    def _allowed(self, wish: Wish) -> frozenset[Method]:
        if self.state is State.INIT and wish.state is not State.INIT:
            return frozenset({Method.TEARDOWN})  # A session is on its way, and can be called off.
        return frozenset(method for state, method in TRANSITIONS if state is self.state)
