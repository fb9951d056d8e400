"""Plays without a window: a progress bar on a terminal, figures at the end, a status."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from .interfaces import PlacedFrame
from .making import Reactor, make_keeper, make_viewer
from .options import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_PLAYED, Settings
from .talk.location import Location
from .view import Activity, Figures, State
from .viewer import Audience, Viewer

_log = Logger()

BAR_INTERVAL_S = 0.2
BAR_CHARACTERS = 30


@dataclass(frozen=True, slots=True)
class Goal:
    """When to stop, where the film does not end before.

    Attributes:
        seconds: So long after the first frame; None is never.
        frames: After so many frames; None is never.
    """

    seconds: float | None = None
    frames: int | None = None


@dataclass(slots=True)
class Tally:
    """What came.

    Attributes:
        frames: How many.
        octets: Of all JPEGs.
        first_s: When the first one was due, on the player's clock; None before it.
        last_s: When the last one was.
    """

    frames: int = 0
    octets: int = 0
    first_s: float | None = None
    last_s: float = 0.0

    def add(self, octets: int, now_s: float) -> None:
        """One more frame."""
        self.frames += 1
        self.octets += octets
        self.last_s = now_s
        if self.first_s is None:
            self.first_s = now_s

    @property
    def seconds(self) -> float:
        """From the first frame to the last one."""
        return 0.0 if self.first_s is None else self.last_s - self.first_s

    @property
    def fps(self) -> float:
        """Frames a second, on average."""
        return (self.frames - 1) / self.seconds if self.seconds else 0.0

    @property
    def kbps(self) -> float:
        """Thousands of bits of JPEG a second, on average."""
        return self.octets * 8 / 1000 / self.seconds if self.seconds else 0.0


class Headless:
    """Plays one stream to its goal or its end.

    Args:
        clock: The player's clock.
        goal: When to stop.
        out: Where results go.
        terminal: Where the progress bar is drawn; None for none.

    Attributes:
        tally: What has come.
    """

    def __init__(
        self, clock: IReactorTime, goal: Goal, out: TextIO, terminal: TextIO | None
    ) -> None:
        self._clock = clock
        self._goal = goal
        self._out = out
        self._terminal = terminal
        self._viewer: Viewer | None = None
        self._began_s = 0.0
        self._over: Deferred[str] = Deferred()
        self._alarm: IDelayedCall | None = None
        self._bar = LoopingCall(self._draw)
        self._bar.clock = clock
        self._figures = Figures()
        self._transport = ""
        self.tally = Tally()

    async def play(self, viewer: Viewer, location: Location) -> str:
        """Play; what went wrong, or nothing where it was played to its goal or its end."""
        self._viewer = viewer
        self._began_s = self._clock.seconds()
        if self._terminal is not None:
            self._bar.start(BAR_INTERVAL_S).addErrback(
                lambda failure: _log.failure("no progress is shown any more", failure)
            )
        viewer.open(location)
        try:
            return await self._over
        finally:
            self._keep(viewer)
            if self._alarm is not None and self._alarm.active():
                self._alarm.cancel()
            if self._bar.running:
                self._bar.stop()
                self._wipe()

    def take(self, placed: PlacedFrame) -> None:
        """A frame is due."""
        if self._over.called or self._viewer is None:
            return
        self._viewer.shown(placed)
        self.tally.add(len(placed.frame.jpeg), self._clock.seconds())
        if self.tally.frames == 1 and self._goal.seconds is not None:
            self._alarm = self._clock.callLater(self._goal.seconds, self.end, "")
        if self.tally.frames == self._goal.frames:
            self.end("")

    def changed(self) -> None:
        """The viewer is in another state."""
        if self._viewer is None:
            return
        view = self._viewer.view()
        self._transport = view.transport or self._transport
        if view.activity is Activity.FAILED:
            self.end(view.notice.text if view.notice else "The stream does not play.")
        elif view.activity is Activity.ENDED and view.state is State.READY:
            self.end("")

    @property
    def has_reached_goal(self) -> bool:
        """Frames came, and all that were asked for."""
        return self.tally.frames >= (self._goal.frames or 1)

    def say_json(self, location: Location, fault: str, recording: Path | None) -> None:
        """Write one line for programs."""
        tally, figures = self.tally, self._figures
        first_frame_ms = None if tally.first_s is None else 1000 * (tally.first_s - self._began_s)
        facts = {
            "url": location.url,
            "transport": self._transport or None,
            "frames": tally.frames,
            "frames_lost": figures.frames_lost,
            "seconds": round(tally.seconds, 3),
            "fps": round(tally.fps, 3),
            "kbps": round(tally.kbps, 1),
            "first_frame_ms": None if first_frame_ms is None else round(first_frame_ms, 1),
            "jitter_ms": round(figures.jitter_ms, 3),
            "latency_ms": None if figures.latency_ms is None else round(figures.latency_ms, 1),
            "delay_ms": None if figures.delay_ms is None else round(figures.delay_ms, 1),
            "packets_received": figures.packets_received,
            "packets_lost": figures.packets_lost,
            "packets_reordered": figures.packets_reordered,
            "packets_duplicate": figures.packets_duplicate,
            "recording": None if recording is None else str(recording),
            "error": fault or None,
        }
        self._out.write(json.dumps(facts) + "\n")

    def say(self) -> None:
        """Write a line for people."""
        tally, figures = self.tally, self._figures
        frames = "1 frame" if tally.frames == 1 else f"{tally.frames} frames"
        way = f" over {self._transport}" if self._transport else ""
        self._out.write(
            f"{frames} in {tally.seconds:.1f} s{way}: {tally.fps:.2f} fps, {tally.kbps:.0f} kbps,"
            f" {figures.frames_lost} frames and {figures.packets_lost} packets lost,"
            f" jitter {figures.jitter_ms:.1f} ms\n"
        )

    def end(self, fault: str) -> None:
        """Stop now, for this reason if there is one."""
        if not self._over.called:
            self._over.callback(fault)

    def _keep(self, viewer: Viewer) -> None:
        """What was measured, before the session is left."""
        self._figures = viewer.figures()

    def _draw(self) -> None:
        if self._terminal is None or self._viewer is None:
            return
        view = self._viewer.view()
        done, counted = self._progress(view.position_s, view.duration_s)
        filled = "" if done is None else "#" * round(done * BAR_CHARACTERS)
        figures = view.figures
        self._terminal.write(
            f"\r[{filled:{BAR_CHARACTERS}}] {counted}  {view.activity.value}  {figures.fps:.1f} fps"
            f"  {figures.bit_rate_kbps:.0f} kbps  loss {figures.loss_percent:.1f} %\x1b[K"
        )
        self._terminal.flush()

    def _progress(
        self, position_s: float | None, duration_s: float | None
    ) -> tuple[float | None, str]:
        """How much of it is done, 0 to 1, if that can be told, and in words."""
        tally, goal = self.tally, self._goal
        if goal.frames is not None:
            return min(1.0, tally.frames / goal.frames), f"{tally.frames}/{goal.frames} frames"
        if goal.seconds is not None:
            played_s = 0.0 if tally.first_s is None else self._clock.seconds() - tally.first_s
            return min(1.0, played_s / goal.seconds), f"{played_s:.0f}/{goal.seconds:.0f} s"
        if position_s is not None and duration_s:
            return min(1.0, position_s / duration_s), f"{position_s:.1f}/{duration_s:.1f} s"
        return None, f"{tally.frames} frames"

    def _wipe(self) -> None:
        if self._terminal is not None:
            self._terminal.write("\r\x1b[K")
            self._terminal.flush()


class Run:
    """One run of the command without a window.

    Args:
        reactor: Runs already, or will.
        settings: The command line.
        location: What to play.

    Attributes:
        status: What the shell is told, when the reactor has stopped.
    """

    def __init__(self, reactor: Reactor, settings: Settings, location: Location) -> None:
        self._reactor = reactor
        self._settings = settings
        self._location = location
        self._headless = Headless(
            reactor,
            Goal(settings.seconds, settings.frames),
            sys.stdout,
            sys.stderr if sys.stderr.isatty() else None,
        )
        self._viewer = make_viewer(
            settings,
            reactor,
            Audience(self._take, _pass_over, _pass_over, self._headless.changed),
        )
        self._keeper = make_keeper(settings, reactor, self._told)
        self._fault = ""
        self._is_over = False
        self._done: Deferred[None] = Deferred()
        self.status = EXIT_INTERRUPTED

    def begin(self) -> None:
        """Play; the reactor stops when it is over."""
        self._reactor.addSystemEventTrigger("before", "shutdown", self._leave)
        running = Deferred.fromCoroutine(self._run())
        running.addErrback(lambda failure: _log.failure("the player made a mistake", failure))
        running.addBoth(self._finish)

    async def _run(self) -> None:
        path = self._settings.recording
        if path is not None:
            self._keeper.record_to(path, None)
        if not self._fault:
            self._fault = await self._headless.play(self._viewer, self._location) or self._fault
        await self._viewer.close()
        await self._keeper.finish()
        if not self._is_over:
            reached = self._headless.has_reached_goal and not self._fault
            self.status = EXIT_PLAYED if reached else EXIT_FAILED
        self._report(path)

    def _report(self, recording: Path | None) -> None:
        if self._fault:
            sys.stderr.write(f"mjpegd-player: {self._fault}\n")
        if self._settings.is_json:
            self._headless.say_json(self._location, self._fault, recording)
        elif self._headless.tally.frames or not self._fault:
            self._headless.say()

    def _take(self, placed: PlacedFrame) -> None:
        self._keeper.take(placed.frame)
        self._headless.take(placed)

    def _told(self, text: str, is_error: bool) -> None:
        """The recording has something to say; what is no error can be seen from the file."""
        if is_error:
            self._fault = text
            # Not from within: what has failed is waited for until it is over.
            self._reactor.callLater(0, self._headless.end, text)

    def _finish(self, _: object) -> None:
        self._done.callback(None)
        if not self._is_over:
            self._reactor.stop()

    def _leave(self) -> "Deferred[None]":
        """Somebody pressed Ctrl-C, or it is over: nothing stops before the server is left."""
        self._is_over = True
        self._headless.end("")
        return self._done


def _pass_over(*_: object) -> None:
    """Nobody looks at the conversation here, and nobody can be asked for a password."""
