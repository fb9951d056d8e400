"""What tests of the window share: a screen, a window on it; a person's hands, eyes, patience.

A test drives the window as a person does, with keys and clicks, and looks at what is on the screen.
Trial fails a test in which anything is logged as a failure, so none leaves a traceback behind.
"""

import atexit
import os
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageGrab
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from typing_extensions import override

from client.history import History
from client.making import the_reactor
from client.options import parse
from client.view import Method
from client.window.keys import Group
from mjpegd.test import films
from mjpegd.test.pictures import number_of, picture
from tests.system.cases import FPS, SystemTestCase
from tests.system.daemon import PATIENCE_S, Daemon

if TYPE_CHECKING:  # Where there is no Tk, tests are skipped, and not broken.
    import tkinter
    from tkinter import ttk

    from client.app import App

POLL_S = 0.01
SIZE = (640, 480)  # As large as the window shows it at first: no pixel is scaled.
FRAMES = 250
DURATION_S = FRAMES / FPS
# So few frames a second that none is missed, however busy the machine.
SLOW_FPS = 1
SLOW_FRAMES = 10
# Pixels in a point, on an ordinary screen and on one with twice as many.
USUAL, FINE = 96 / 72, 192 / 72


@cache
def frames() -> tuple[bytes, ...]:
    """JPEGs of some packets each, which show their numbers."""
    return tuple(picture(number, SIZE) for number in range(FRAMES))


def pixels(number: int) -> bytes:
    """A frame as Pillow decodes it from the file."""
    return Image.open(BytesIO(frames()[number])).convert("RGB").tobytes()


@cache
def media() -> Mapping[str, bytes]:
    """Films: one of ten seconds, a slow one of ten seconds, and one of a second."""
    return {
        "film.avi": films.avi(frames()),
        "slow.avi": films.avi(frames()[:SLOW_FRAMES], rate=(SLOW_FPS, 1)),
        "short.avi": films.avi(frames()[:FPS]),
    }


@cache
def daemon() -> Daemon:
    """A daemon with these films, for all tests that do nothing to it."""
    found = Daemon(Path("daemon"), media())
    atexit.register(found.kill)
    found.start()
    return found


def missing() -> list[str]:
    """What a window needs and this machine has not."""
    has = {
        "Tk (python3-tk)": find_spec("_tkinter"),
        "a screen (DISPLAY)": os.environ.get("DISPLAY"),
    }
    return [name for name, is_there in has.items() if not is_there]


class WindowTestCase(TestCase, SystemTestCase):
    """A test with a window.

    Attributes:
        app: The player; there is one after `show`.
    """

    timeout = 120
    app: "App"

    @override
    def setUp(self) -> None:
        from twisted.internet import reactor

        self.require(missing())
        self.overlook_taken_ports()
        # The player has a clock of its own: in the end trial gets back the one that it had.
        self.patch(reactor, "seconds", reactor.seconds)

    # --- The window -------------------------------------------------------------------------

    def show(self, url: str = "", *options: str, size: str = "", scaling: float = USUAL) -> None:
        """Open a window; it is closed when the test ends.

        Args:
            url: What it plays; nothing if empty.
            options: Of the command line.
            size: Of the window, as Tk has it.
            scaling: Pixels in a point.
        """
        import tkinter

        from client.app import App

        self.root = tkinter.Tk()
        self.root.tk.call("tk", "scaling", scaling)  # Of the screen, for all windows to come.
        self.root.geometry(f"{size}+0+0")
        settings = parse([*options, *filter(None, [url])], {})
        self.app = App(the_reactor(), self.root, settings, History(self.folder() / "history"))
        self.addCleanup(self.close)
        self.root.update()  # It is on the screen.
        # Where a pointer leaves a window that becomes smaller, Tk gives the focus away.
        self.root.event_generate("<Motion>", warp=True, x=1, y=1)
        self.root.update()
        self.root.focus_force()  # No window manager gives it the focus.

    async def play(self, url: str = "", *options: str) -> None:
        """Open a window that plays, and wait for a picture."""
        self.show(url or daemon().url("film.avi"), *options)
        await self.until_picture()

    async def stand(self, url: str = "", *options: str) -> int:
        """Open a window that plays, and pause it; the number of the frame on the screen."""
        await self.play(url, *options)
        return await self.stand_still()

    async def stand_still(self) -> int:
        """Press PAUSE, and wait until nothing moves; the number of the frame on the screen."""
        await self.until(lambda: Method.PAUSE in self.enabled, "PAUSE")
        self.press(Method.PAUSE)
        await self.until_activity("paused")
        await self.until(lambda: self.named == self.number, "frame that is the one that is named")
        return self.number

    async def close(self) -> None:
        """Close the window; once more does nothing."""
        self.app.quit()
        await self.app.closed

    async def until(
        self, condition: Callable[[], object], what: str, timeout_s: float = PATIENCE_S
    ) -> None:
        """Wait for something to come true; where it does not, say what the window shows."""
        reactor = the_reactor()
        end_s = reactor.seconds() + timeout_s
        while not condition():
            if reactor.seconds() > end_s:
                self.fail(f"no {what} in {timeout_s:.0f} s; the window shows {self.all_texts}")
            await self.rest(POLL_S)

    async def until_activity(self, activity: str) -> None:
        """Wait until this goes on."""
        await self.until(lambda: self.activity == activity, activity)

    async def until_picture(self) -> None:
        """Wait for the first picture."""
        await self.until(lambda: self.named is not None, "picture")

    async def until_named(self, *numbers: int) -> None:
        """Wait for one of these frames."""
        await self.until(lambda: self.named in numbers, f"frame {numbers}")

    async def until_other_than(self, number: int) -> None:
        """Wait for another frame."""
        await self.until(lambda: self.named != number, f"other frame than {number}")

    async def until_after(self, number: int) -> None:
        """Wait for a later frame."""
        await self.until(lambda: (self.named or 0) > number, f"frame after {number}")

    async def until_says(self, label: "ttk.Label | ttk.Button", text: str) -> None:
        """Wait until a label says this."""
        await self.until(lambda: self.text(label) == text, repr(text))

    async def until_silence(self) -> None:
        """Wait until no sentence is over the picture any more."""
        await self.until(lambda: not self.sentence, "end of the sentence")

    async def until_closed(self) -> None:
        """Wait until the window is gone."""
        await self.until(lambda: self.app.closed.called, "end")

    async def rest(self, seconds: float) -> None:
        """Let the window go on for a while."""
        await deferLater(the_reactor(), seconds, lambda: None)

    # --- Hands ------------------------------------------------------------------------------

    def click(self, widget: "tkinter.Misc", x: int | None = None) -> None:
        """Click on the middle of a widget, or so many pixels from its left end."""
        if x is None:
            x = widget.winfo_width() // 2
        for event in ("<Enter>", "<Motion>", "<ButtonPress-1>", "<ButtonRelease-1>", "<Leave>"):
            widget.event_generate(event, x=x, y=widget.winfo_height() // 2)

    def press(self, method: Method) -> None:
        """Press one of the four buttons."""
        self.assertIn(method, self.enabled)
        self.click(self.app.window.control_panel.buttons[method])

    def key(self, name: str) -> None:
        """Press a key, such as space or Control-r, where the focus is."""
        self.root.update()  # What is to have the focus has to be on the screen.
        focus = self.root.focus_get()
        assert focus is not None
        focus.event_generate(f"<{name}>" if len(name) > 1 else f"<Key-{name}>")

    def type_in(self, entry: "tkinter.Entry", text: str) -> None:
        """Replace what an entry holds, and press Enter."""
        entry.focus_set()
        entry.delete(0, "end")
        entry.insert(0, text)
        self.key("Return")

    def choose(self, group: Group, label: str) -> None:
        """Choose an entry of the menu."""
        menu = self.app.window.menu.parts[group]
        menu.invoke(label)

    # --- Eyes -------------------------------------------------------------------------------

    @staticmethod
    def text(label: "ttk.Label | ttk.Button") -> str:
        """What a label says."""
        return str(label["text"]).strip()

    @property
    def transport(self) -> str:
        """UDP or TCP, as the window says."""
        return self.text(self.app.window.control_panel.transport_button)

    @property
    def enabled(self) -> set[Method]:
        """The buttons that can be pressed."""
        buttons = self.app.window.control_panel.buttons.items()
        return {method for method, button in buttons if button.instate(["!disabled"])}

    @property
    def activity(self) -> str:
        """What goes on, as the status bar says."""
        return self.text(self.app.window.status_bar.activity)

    @property
    def named(self) -> int | None:
        """The number of the frame that the status bar names."""
        found = re.fullmatch(r"frame ([\d,]+)", self.text(self.app.window.status_bar.frame))
        return int(found[1].replace(",", "")) if found else None

    @property
    def sentence(self) -> str:
        """What is said over the picture; empty if nothing is."""
        picture = self.app.window.picture
        return str(picture.sentence["text"]) if picture.strip.winfo_manager() else ""

    @property
    def seen(self) -> Image.Image:
        """The picture, as it is on the screen."""
        canvas = self.app.window.picture
        size = canvas.image_size
        assert size is not None
        left = canvas.winfo_rootx() + (canvas.winfo_width() - size[0]) // 2
        top = canvas.winfo_rooty() + (canvas.winfo_height() - size[1]) // 2
        return self.grab((left, top, left + size[0], top + size[1]))

    @property
    def number(self) -> int:
        """The number that the picture on the screen shows."""
        return number_of(self.seen)

    def assert_exact(self) -> None:
        """The picture on the screen is the frame that is named, to the last pixel."""
        self.assertEqual(self.number, self.named)
        self.assertTrue(self.seen.tobytes() == pixels(self.number), "other pixels")

    def grab(self, box: tuple[int, int, int, int]) -> Image.Image:
        """A part of the screen: left, top, right, bottom."""
        self.root.update_idletasks()
        self.root.winfo_pointerxy()  # The answer comes when all has been drawn.
        return ImageGrab.grab(box, xdisplay=os.environ["DISPLAY"])

    @property
    def all_texts(self) -> str:
        """What is to be read in the window, for somebody who wonders."""
        window = self.app.window
        bar = window.status_bar
        labels = (bar.activity, bar.frame, bar.fps, bar.loss, window.control_panel.time_label)
        texts = " | ".join(map(self.text, labels))
        buttons = " ".join(sorted(method.value for method in self.enabled))
        return f"{self.root.title()!r}: {texts} | {buttons} | {self.sentence!r}"
