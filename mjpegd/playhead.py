"""Where one viewer stands in a film: pure arithmetic of media time, wall time and RTP time.

A run begins with PLAY and ends with PAUSE, a seek, or the end. Within a run three lines are
parallel: the media time of a frame, the RTP time that its packets carry, and the moment at
which it leaves:

    presentation = (media time - media time at the start) / scale        seconds, from 0
    RTP ticks    = ticks at the start + 90000 * presentation
    due          = moment of the start + presentation / speed            seconds of the clock

So the RTP time never comes from counting calls, and nothing drifts however long a run is.

Frames are counted through all laps of a film that repeats, in reverse below 0: frame
``lap * count + number`` is the one with this number, ``lap * end`` seconds later.

Up to a scale of 1 every frame is shown. Beyond it there is one for each step of 1 / rate of
presentation time: the one that would be on display then.
"""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from mjpegd.wire.clock import RTP_CLOCK_HZ
from mjpegd.wire.times import FrameTimes, seek_tolerance_s

# A timer may fire a hair before the moment it was asked for; a frame this near is due.
EARLY_S = 0.001
# Floating point gives the same moment in two ways that differ by less than this.
ROUNDING_S = 1e-6
# Up to this late, missed frames are sent after all; beyond, the viewer is taken to the present.
PATIENCE_S = 0.250
# What is missed is caught up at no more than this multiple of the rate: a burst would only
# move the hiccup into the receiver's buffers.
CATCH_UP = 2.0
# How many frames are worked out at a time. One by one each of them would find the processor's
# caches full of other viewers' frames, which costs several times what the arithmetic does.
PLANNED = 8


@dataclass(frozen=True, slots=True)
class Start:
    """What PLAY can promise of a run: the first frame.

    Attributes:
        number: The frame that is sent first.
        npt_s: Its media time in seconds.
        ticks: Its RTP time, not wrapped.
    """

    number: int
    npt_s: float
    ticks: int


class Due(NamedTuple):
    """A frame that is to leave, known and within the run.

    Attributes:
        number: Which frame of the film.
        ticks: Its RTP time, not wrapped.
        due_s: Its moment, on the clock; while catching up it may leave only later.
        frame: Counted through all laps.
        skipped: Frames passed over just before it, because it was too late for them.
    """

    number: int
    ticks: int
    due_s: float
    frame: int
    skipped: int = 0


@dataclass(slots=True)
class _Run:
    """The straight lines of one PLAY; see the module's docstring."""

    start_s: float  # on the clock
    media_s: float  # counted through all laps
    ticks: int
    scale: float
    speed: float
    until_s: float | None  # media time, counted through all laps
    step: int = field(init=False)  # from one frame to the next

    def __post_init__(self) -> None:
        self.step = 1 if self.scale > 0 else -1


class Playhead:
    """A viewer's position in a film, its direction and its pace.

    Args:
        times: When each frame is shown; may grow while the film plays.
        loop: The film repeats without end, once it is known whole.
    """

    __slots__ = (
        "_complete",
        "_last_due_s",
        "_last_sent_s",
        "_last_ticks",
        "_loop",
        "_next",
        "_next_s",
        "_plan",
        "_repeats",
        "_run",
        "_times",
        "_told",
        "_tolerance_s",
    )

    def __init__(self, times: FrameTimes, *, loop: bool) -> None:
        self._complete = False
        self._repeats = False  # complete, and meant to
        self._times = times
        self._loop = loop
        self._run: _Run | None = None
        # Counted through all laps; None: at the natural start of the direction. Where scale
        # leaves frames out this may be one of those: see `_coming`.
        self._next: int | None = None
        # What is sent next, the last one first; `_next` comes to that. Empty where it has to be
        # worked out, and while the film grows, for it may come to something else then.
        self._plan: list[Due] = []
        self._next_s = 0.0  # the moment from which the first of them may leave
        self._told: Due | None = None  # by `due`
        self._last_ticks: int | None = None
        self._last_sent_s = 0.0
        self._last_due_s = 0.0
        # What a seek takes for the same moment (see `FrameTimes.number_at`).
        self._tolerance_s = seek_tolerance_s(times.rate)

    @property
    def complete(self) -> bool:
        """All frames of the film are known."""
        return self._complete

    @complete.setter
    def complete(self, complete: bool) -> None:
        self._complete = complete
        self._repeats = self._loop and complete

    @property
    def npt_s(self) -> float:
        """Media time in seconds of the frame that is sent next; the end where there is none."""
        if self._next is None:
            return 0.0
        frame = self._coming(self._next)
        if self._is_known(frame):
            return self._times.time_of(self._number(frame))
        return self._times.end if frame > 0 else 0.0

    def start(
        self,
        now_s: float,
        ticks: int,
        *,
        at_s: float | None = None,
        until_s: float | None = None,
        scale: float = 1.0,
        speed: float = 1.0,
    ) -> Start:
        """Begin a run.

        Args:
            now_s: The moment at which the first frame is due, on the caller's clock.
            ticks: RTP time of that moment, not wrapped; later runs get at least one frame
                more than what was sent last, so that RTP time never goes back.
            at_s: Media time to start from, clamped to the film; None goes on where the
                last run was left, or from the natural start: the end, in reverse.
            until_s: Media time to stop at, None for the end of the film.
            scale: Media seconds for each presented second, negative for reverse; not 0.
            speed: Presented seconds for each second of the clock; above 0.

        Returns:
            The first frame. The film has at least one.
        """
        self.pause()
        first = self._next = self._first(at_s, scale)
        interval_s = 1 / float(self._times.rate)
        if self._last_ticks is not None:
            ticks = max(ticks, self._last_ticks + _ticks(interval_s))
        if until_s is not None and scale < 0:
            # In reverse the frame on display at the stop is the last one to be shown.
            until_s = self._times.time_of(self._times.number_at(until_s))
        npt_s = self.npt_s
        self._run = _Run(now_s, npt_s, ticks, scale, speed, until_s)
        self._last_sent_s = self._last_due_s = now_s - interval_s
        # Of frames with the same time, fast reverse shows the first one.
        first = self._coming(first)
        self._go_to(first)
        return Start(first, npt_s, ticks)

    def pause(self) -> None:
        """End the run; the position stays."""
        if self._next is not None:
            frame = self._coming(self._next)
            self._next = self._number(frame) if self._is_known(frame) else frame
        self._run = self._told = None
        self._plan = []

    def rewind_if_at_end(self) -> None:
        """End the run; after the film's end, not that of a range, the next one starts over."""
        self.pause()
        if self._next is not None and not self._is_known(self._next):
            self._next = None

    def hold(self, seconds: float) -> None:
        """Let the clock of the run stand still for a time that has passed.

        A film that had to be waited for goes on where it stood: RTP time from frame to frame
        stays the film's.
        """
        if self._run is not None:
            self._run.start_s += seconds
            self._last_due_s += seconds
            self._plan = []

    def ticks_at(self, now_s: float) -> int:
        """RTP time of a moment of the running run, not wrapped (for sender reports)."""
        run = self._running()
        return run.ticks + _ticks((now_s - run.start_s) * run.speed)

    def upcoming_numbers(self, most: int) -> list[int]:
        """The numbers of the frames that are sent next, as far as they are known.

        Args:
            most: How many of them, at least 1.
        """
        plan = self._plan if len(self._plan) >= most else self._work_out(most)
        return [due.number for due in plan[: -most - 1 : -1]]

    @property
    def upcoming_ticks(self) -> int | None:
        """RTP time of the frame that is sent next, not wrapped."""
        plan = self._plan or self._work_out()
        return plan[-1].ticks if plan else None

    @property
    def is_over(self) -> bool:
        """The run has come to its end: of the film, or of the range that was asked for."""
        return self._next is not None and self._is_over(self._coming(self._next))

    @property
    def is_starved(self) -> bool:
        """The next frame is not known yet: the film is still being indexed."""
        return self._next is not None and self._is_awaited(self._coming(self._next))

    @property
    def next_s(self) -> float | None:
        """The moment from which the next frame may leave; None where none is known."""
        return self._next_s if self._plan or self._work_out() else None

    def late_s(self, now_s: float) -> float:
        """Seconds since the moment of the next frame; 0 before it, or where none is known."""
        plan = self._plan or self._work_out()
        return max(0.0, now_s - plan[-1].due_s) if plan else 0.0

    def due(self, now_s: float) -> Due | None:
        """The next frame if it may leave by now; None where there is none yet.

        A run that is too late for what it should have sent is taken to the present first.
        """
        plan = self._plan or self._work_out()
        if not plan or self._next_s > now_s + EARLY_S:
            return None
        upcoming = plan[-1]
        if now_s - upcoming.due_s > PATIENCE_S:
            present, skipped = self._at_present(upcoming.frame, now_s)
            self._go_to(present)
            upcoming = self._lines_at(self._running(), present, self._last_ticks)
            upcoming = upcoming._replace(skipped=skipped)
        self._told = upcoming
        return upcoming

    def sent(self, now_s: float) -> Due | None:
        """Step past the frame that was due, to the next one; None where none is known."""
        run, told = self._run, self._told
        if run is None or told is None:
            raise RuntimeError("no frame is due: due() comes first")
        self._last_ticks = told.ticks
        self._last_sent_s, self._last_due_s = now_s, told.due_s
        self._next = told.frame + run.step
        self._told = None
        plan = self._plan
        if plan:
            plan.pop()
        if not plan:
            plan = self._work_out()
            return plan[-1] if plan else None
        following = plan[-1]
        self._next_s = self._allowed_s(following)
        return following

    def _allowed_s(self, upcoming: Due) -> float:
        """The moment from which a frame may leave: its own, or later while catching up."""
        allowed_s = self._last_sent_s + (upcoming.due_s - self._last_due_s) / CATCH_UP
        return max(upcoming.due_s, allowed_s)

    def _go_to(self, frame: int) -> None:
        self._next = frame
        self._told = None
        self._plan = []

    def _first(self, at_s: float | None, scale: float) -> int:
        if at_s is not None:
            return self._times.number_at(at_s)
        last = self._times.count - 1
        if self._next is None or self._is_over(self._next):
            return 0 if scale > 0 else last
        return self._next if scale > 0 else min(self._next, last)

    def _running(self) -> _Run:
        if self._run is None:
            raise RuntimeError("no run: start() comes first")
        return self._run

    def _number(self, frame: int) -> int:
        return frame % self._times.count if self._repeats else frame

    def _is_known(self, frame: int) -> bool:
        return self._repeats or 0 <= frame < self._times.count

    def _is_awaited(self, frame: int) -> bool:
        """Indexing will tell which frame this is, or that there is none."""
        return not self._complete and (frame >= self._times.count or (self._loop and frame < 0))

    def _is_over(self, frame: int) -> bool:
        if not self._is_known(frame):
            return not self._is_awaited(frame)
        return self._is_past_stop(frame)

    def _is_past_stop(self, frame: int) -> bool:
        run = self._run
        if run is None or run.until_s is None:
            return False
        if run.scale > 0:
            return self._place(frame)[1] >= run.until_s - self._tolerance_s
        return self._place(frame)[1] < run.until_s - ROUNDING_S

    def _coming(self, frame: int) -> int:
        """The frame that is sent where this one comes next, whether it is known or not."""
        run = self._run
        if run is None or abs(run.scale) <= 1 or not self._is_known(frame):
            return frame
        shown = self._shown(self._step_of(frame) / float(self._times.rate))
        return max(frame, shown) if run.scale > 0 else min(frame, shown)

    def _work_out(self, least: int = 1) -> list[Due]:
        """The frames that are sent next, the last one first, as far as they are known.

        Args:
            least: How many of them are wanted.
        """
        plan: list[Due] = []
        run, frame, last_ticks = self._run, self._next, self._last_ticks
        if run is None or frame is None:
            return plan
        skips, is_bounded = abs(run.scale) > 1, run.until_s is not None
        for _ in range(PLANNED if self._complete else least):
            if skips:
                frame = self._coming(frame)
            if not (self._repeats or 0 <= frame < self._times.count):
                break
            if is_bounded and self._is_past_stop(frame):
                break
            due = self._lines_at(run, frame, last_ticks)
            plan.append(due)
            last_ticks = due.ticks
            frame += run.step
        plan.reverse()
        if plan:
            self._next_s = self._allowed_s(plan[-1])
        if self._complete:
            self._plan = plan
        return plan

    def _lines_at(self, run: _Run, frame: int, last_ticks: int | None) -> Due:
        number, media_s = self._place(frame)
        presentation_s = (media_s - run.media_s) / run.scale
        due_s = run.start_s + presentation_s / run.speed
        ticks = run.ticks + round(presentation_s * RTP_CLOCK_HZ)
        # Two frames of a film may have the same time; in RTP that would make them one.
        if last_ticks is not None and ticks <= last_ticks:
            ticks = last_ticks + 1
        return Due(number, ticks, due_s, frame)

    def _place(self, frame: int) -> tuple[int, float]:
        """The number of a frame, and its media time in seconds counted through all laps."""
        times = self._times
        if self._repeats and not 0 <= frame < times.count:
            lap, number = divmod(frame, times.count)
            return number, times.time_of(number) + lap * times.end
        return frame, times.time_of(frame)

    def _presentation_s(self, frame: int) -> float:
        run = self._running()
        return (self._place(frame)[1] - run.media_s) / run.scale

    def _step_of(self, frame: int) -> int:
        """The step of 1 / rate at which a frame has begun."""
        return math.ceil((self._presentation_s(frame) - ROUNDING_S) * float(self._times.rate))

    def _shown(self, presentation_s: float) -> int:
        """The frame on display at a moment of the run; may lie outside the film.

        In reverse a frame is on display from its own time down to that of the one before it.
        """
        run, times = self._running(), self._times
        media_s = run.media_s + presentation_s * run.scale
        laps = 0.0
        if self._repeats:
            laps, media_s = divmod(media_s, times.end)
        elif media_s < -ROUNDING_S:
            return -1
        if media_s >= times.end - ROUNDING_S:
            number = times.count
        elif run.scale > 0:
            number = times.number_at(media_s + ROUNDING_S - self._tolerance_s)
        else:
            number = times.number_at(media_s - 2 * ROUNDING_S - self._tolerance_s)
            number += times.time_of(number) < media_s - ROUNDING_S
        return int(laps) * times.count + number

    def _at_present(self, frame: int, now_s: float) -> tuple[int, int]:
        """The frame that should be on display now, and how many are passed over for it.

        At the end of a run that is its last frame; it is shown however late it is.
        """
        run, rate = self._running(), float(self._times.rate)
        presented_s = (now_s - run.start_s) * run.speed
        last = self._last()
        if last is not None:
            presented_s = min(presented_s, self._presentation_s(last))
        if abs(run.scale) > 1:
            presented_s = math.floor((presented_s + ROUNDING_S) * rate) / rate
        present = self._shown(presented_s)
        passed = (present - frame) * self._running().step
        if passed <= 0:
            return frame, 0
        if abs(run.scale) > 1:
            passed = min(passed, self._step_of(present) - self._step_of(frame))
        return present, passed

    def _last(self) -> int | None:
        """The last frame of the run that is known; None where it goes on for ever."""
        run = self._running()
        if run.until_s is None:
            if self._repeats:
                return None
            return self._times.count - 1 if run.scale > 0 else 0
        frame = self._shown((run.until_s - run.media_s) / run.scale)
        is_shown = self._is_known(frame) and not self._is_over(frame)
        return frame if is_shown else frame - self._running().step


def _ticks(seconds: float) -> int:
    return round(seconds * RTP_CLOCK_HZ)
