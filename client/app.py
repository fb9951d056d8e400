"""The player as a program with a window: Tk's root, the reactor, and all that lies between."""

import os
import tkinter
from _tkinter import DONT_WAIT, IDLE_EVENTS
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import TracebackType

from twisted.internet import tksupport
from twisted.internet.defer import Deferred
from twisted.internet.error import ReactorNotRunning
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from .errors import LocationError
from .heed import UPDATE_S, Heed
from .history import History, history_path
from .interfaces import Message, PlacedFrame
from .making import Reactor, find_streams, locate, make_keeper, make_viewer
from .options import Settings
from .pictures import Decoder, Picture, prepare_for_tk
from .talk.location import Location
from .view import Activity, Figures, State
from .viewer import Audience
from .window.window import Window
from .worker import Worker

_log = Logger()

# How often the window is brought up to date, and the graphs; what is measured is drawn anew in
# every so manieth turn only, for nobody reads faster.
SHOW_INTERVAL_S = 0.25
PANEL_INTERVAL_S = 0.25
TURNS_PER_FIGURES = 2
# So long a server may take to say goodbye before the window closes all the same.
FAREWELL_S = 3.0

# What a rate is rounded to for the header of a recording.
_RATE_DENOMINATOR = 1001


class App:
    """A window and what it shows; it does what the window asks for (see `client.view.Actions`).

    Args:
        reactor: Runs already, or will.
        root: Tk's root, which nobody uses yet.
        settings: The command line.
        history: Addresses opened before.

    Attributes:
        window: What the person sees.
        closed: Fires when the window is gone and the server has been left.
    """

    def __init__(
        self, reactor: Reactor, root: tkinter.Tk, settings: Settings, history: History
    ) -> None:
        self._reactor = reactor
        self._root = root
        self._settings = settings
        self._history = history
        self._viewer = make_viewer(
            settings, reactor, Audience(self._take, self._add_message, self._ask_login, self._dirty)
        )
        self._keeper = make_keeper(settings, reactor, self._viewer.tell)
        prepare_for_tk()
        self._worker = Worker(reactor)
        self._decoder = Decoder(self._worker, self._picture_size, self._show_picture)
        self._broken = 0
        self._is_dirty = True
        self._turns = 0
        self._figures = self._viewer.figures()
        self._panel_s = 0.0
        self._is_closing = False
        self.closed: Deferred[None] = Deferred()
        self.window = Window(
            root,
            self,
            address=settings.address,
            history=history.addresses,
            ask_streams=self._ask_streams,
        )
        root.protocol("WM_DELETE_WINDOW", self.quit)
        root.report_callback_exception = self._report
        self._heed = Heed(reactor, partial(_give_turn, root))
        tksupport.install(self._heed, ms=round(1000 * UPDATE_S))
        self._refreshing = LoopingCall(self._refresh)
        self._refreshing.clock = reactor
        self._refreshing.start(SHOW_INTERVAL_S).addErrback(
            lambda failure: _log.failure("the window is not brought up to date any more", failure)
        )
        if settings.url:
            self.open(settings.url)

    # --- What the window asks for -------------------------------------------------------------

    def open(self, text: str) -> None:
        """Play what an address line holds."""
        location = self._locate(text)
        if location is not None:
            self._decoder.forget()
            self._viewer.open(location)

    def setup(self) -> None:
        """SETUP of what the address line holds."""
        location = self._locate(self.window.address)
        if location is not None:
            self._viewer.open(location, state=State.READY)

    def play(self) -> None:
        """PLAY."""
        self._viewer.play()

    def pause(self) -> None:
        """PAUSE."""
        self._viewer.pause()

    def stop(self) -> None:
        """TEARDOWN."""
        self._decoder.forget()
        self._viewer.stop()

    def toggle(self) -> None:
        """Play or pause; open the address where nothing is open."""
        if self._viewer.location is None:
            self.open(self.window.address)
        else:
            self._viewer.toggle()

    def seek(self, position_s: float) -> None:
        """Go to a media time."""
        self._viewer.seek(position_s)

    def skip(self, seconds: float) -> None:
        """Go so far forward or back."""
        self._viewer.skip(seconds)

    def step(self, frames: int) -> None:
        """Show the frame so many further on."""
        self._viewer.step(frames)

    def faster(self) -> None:
        """The next Scale above."""
        self._viewer.faster()

    def slower(self) -> None:
        """The next Scale below."""
        self._viewer.slower()

    def reverse(self) -> None:
        """Play the other way."""
        self._viewer.reverse()

    def switch_transport(self) -> None:
        """From UDP to TCP or back."""
        self._viewer.switch_transport()

    def save_snapshot(self) -> None:
        """Keep the JPEG on the screen."""
        if self._viewer.jpeg is not None:
            self._keeper.save(self._title, self._viewer.jpeg)

    def toggle_recording(self) -> None:
        """Begin or end a recording."""
        if self._keeper.is_recording:
            self._keeper.finish()
        elif self._viewer.location is not None:
            self._keeper.record(self._title, self._framerate)

    def record_to(self, path: Path) -> None:
        """Begin a recording in this file."""
        self._keeper.record_to(path, self._framerate)

    def log_in(self, user: str, password: str) -> None:
        """Try again with a user and a password."""
        self._viewer.log_in(user, password)

    def show_damaged(self, wanted: bool) -> None:
        """Whether frames are shown that did not come whole."""
        self._viewer.show_damaged(wanted)

    def quit(self) -> None:
        """Leave: the network first, then Tk."""
        if not self._is_closing:
            self._is_closing = True
            self._root.withdraw()
            closing = Deferred.fromCoroutine(self._close())
            closing.addErrback(
                lambda failure: _log.failure("the player did not close as it should", failure)
            )
            closing.addCallback(self.closed.callback)

    # --- What there is to show ----------------------------------------------------------------

    @property
    def activity(self) -> Activity:
        """What goes on."""
        return self._viewer.activity

    def figures(self) -> Figures:
        """What is measured now."""
        return self._viewer.figures()

    def _take(self, placed: PlacedFrame) -> None:
        self._keeper.take(placed.frame)
        self._decoder.take(placed)

    def _show_picture(self, picture: Picture) -> None:
        if not self._is_closing:
            self.window.show_picture(picture.image)
            self._viewer.shown(picture.frame)
            if self.activity is not Activity.PLAYING:
                self._dirty()  # The picture stays, and its number is to be that of the picture.
            self._heed.draw()

    def _picture_size(self) -> tuple[int, int]:
        return self.window.picture_size

    def _add_message(self, message: Message) -> None:
        if not self._is_closing:
            self.window.add_message(message)

    def _ask_login(self, realm: str, was_tried: bool) -> None:
        self.window.ask_login(realm, was_tried)

    def _dirty(self) -> None:
        """The view is another; it is shown soon, once for all changes of a moment."""
        if not self._is_dirty:
            self._is_dirty = True
            self._reactor.callLater(0, self._show)

    def _show(self) -> None:
        self._is_dirty = False
        if not self._is_closing:
            view = self._viewer.view()
            self.window.show(replace(view, recording=self._keeper.path, figures=self._figures))

    def _refresh(self) -> None:
        self._viewer.skipped = self._decoder.skipped
        if not self._turns % TURNS_PER_FIGURES:
            self._figures = self._viewer.figures()
        self._turns += 1
        if self._decoder.broken > self._broken:
            self._broken = self._decoder.broken
            self._viewer.tell("Frames come that are no pictures; the log says why.", is_error=True)
        self._show()
        now_s = self._reactor.seconds()
        if self.window.is_statistics_open and now_s - self._panel_s >= PANEL_INTERVAL_S:
            self._panel_s = now_s
            self.window.show_samples(self._viewer.samples(), now_s)
            self.window.show_newest(self._viewer.newest)

    def _ask_streams(self, answer: Callable[[list[str]], None]) -> None:
        try:
            location = locate(self._settings, self.window.address)
        except LocationError:
            return
        asking = Deferred.fromCoroutine(find_streams(self._settings, self._reactor, location))
        asking.addCallback(answer)
        asking.addErrback(lambda failure: _log.failure("streams were not found", failure))

    # --- Inside -------------------------------------------------------------------------------

    def _locate(self, text: str) -> Location | None:
        try:
            location = locate(self._settings, text)
        except LocationError as error:
            self._viewer.tell(str(error), is_error=True)
            return None
        self._history.add(location.url)
        self.window.set_history(self._history.addresses)
        return location

    @property
    def _title(self) -> str:
        location = self._viewer.location
        return location.url if location else ""

    @property
    def _framerate(self) -> Fraction | None:
        framerate = self._viewer.framerate
        return Fraction(framerate).limit_denominator(_RATE_DENOMINATOR) if framerate else None

    def _report(
        self, kind: type[BaseException], fault: BaseException, trace: TracebackType | None
    ) -> None:
        """Tk calls it with what a callback raised."""
        _log.failure("the window made a mistake", Failure(fault, kind, trace))
        self._viewer.tell("The player made a mistake; its log says more.", is_error=True)

    async def _close(self) -> None:
        self._refreshing.stop()
        leaving = Deferred.fromCoroutine(self._viewer.close())
        leaving.addTimeout(FAREWELL_S, self._reactor, onTimeoutCancel=lambda *_: None)
        await leaving
        await self._keeper.finish()
        self._worker.close()
        tksupport.uninstall()
        self._heed.stop()
        self._root.destroy()


def _give_turn(root: tkinter.Tk) -> None:
    """Let Tk draw, and do all else that waits.

    The root's ``update`` does that, too, but waits for the screen to have drawn, and looks for
    events three times; and each look costs Tcl two turns of a thread of its own.
    """
    while root.tk.dooneevent(IDLE_EVENTS | DONT_WAIT):
        pass
    while root.tk.dooneevent(DONT_WAIT):
        pass


def run(root: tkinter.Tk, settings: Settings, reactor: Reactor) -> None:
    """Show the window until it is closed, or the process is told to end."""
    app = App(reactor, root, settings, History(history_path(os.environ)))

    def stop(_: object) -> None:
        with suppress(ReactorNotRunning):  # It stops already where a signal was the reason.
            reactor.stop()

    def leave() -> Deferred[None]:
        app.quit()
        return app.closed

    app.closed.addCallback(stop)

    reactor.addSystemEventTrigger("before", "shutdown", leave)
    reactor.run()
