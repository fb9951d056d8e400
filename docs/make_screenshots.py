"""Make the pictures of the player's window: ``python -m docs.make_screenshots`` in a checkout.

A film is made, a daemon serves it, and a bad network lies between it and the player, so that the
figures have something to tell. It takes a minute, and a screen: the one that ``DISPLAY`` names,
which has to be free of other windows, or one of Xvfb's.
"""

import os
import tempfile
import tkinter
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageGrab, ImageOps
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from benchmarks.player import screen
from client.app import App
from client.history import History
from client.making import Reactor, the_reactor
from client.options import parse
from client.view import Activity
from mjpegd.test import films
from tests.system.daemon import Daemon
from tests.tools.impairment import Impaired, Plan, at_random

FOLDER = Path(__file__).parent
SIZE = (640, 480)
# The way into the set, there and back.
PICTURES = 72
SPOT = (-0.743643, 0.131825)
TURNS = 14
STATISTICS_S = 50.0
# A palette keeps the pictures small.
COLOURS = 256

_SKY = ((0.0, (6, 10, 40)), (0.35, (32, 107, 203)), (0.6, (237, 255, 255)), (0.8, (255, 170, 0)))


def mandelbrot(number: int) -> bytes:
    """A picture on the way into the Mandelbrot set."""
    half = 1.6 * 0.94**number
    (x, y), ratio = SPOT, SIZE[1] / SIZE[0]
    box = (x - half, y - half * ratio, x + half, y + half * ratio)
    shades = Image.effect_mandelbrot(SIZE, box, 80 + number)
    colours = ImageOps.colorize(
        ImageOps.equalize(shades), _SKY[0][1], _SKY[2][1], _SKY[1][1], midpoint=96
    )
    file = BytesIO()
    colours.save(file, "JPEG", quality=85)
    return file.getvalue()


def film() -> bytes:
    """A film of a minute or more."""
    there = [mandelbrot(number) for number in range(PICTURES)]
    return films.laboratory((there + there[::-1]) * TURNS)


async def shoot(app: App, root: tkinter.Tk, reactor: Reactor) -> None:
    """Wait for what is worth a picture, and take it."""
    while app.activity is not Activity.PLAYING:
        await deferLater(reactor, 0.1, lambda: None)
    app.seek(21.0)
    await deferLater(reactor, 4.0, lambda: None)
    save(root, "player.png")
    app.window.toggle_statistics()
    await deferLater(reactor, STATISTICS_S, lambda: None)
    save(root, "player-statistics.png")
    app.window.statistics.pages.select(1)
    await deferLater(reactor, 1.0, lambda: None)
    save(root, "player-session.png")
    app.window.statistics.pages.select(2)
    await deferLater(reactor, 1.0, lambda: None)
    save(root, "player-packet.png")
    app.quit()


def save(root: tkinter.Tk, name: str) -> None:
    """Keep what the window looks like."""
    root.update_idletasks()
    left, top = root.winfo_rootx(), root.winfo_rooty()
    box = (left, top, left + root.winfo_width(), top + root.winfo_height())
    picture = ImageGrab.grab(box, xdisplay=os.environ["DISPLAY"])
    # Without dither: it would make noise of what is plain.
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(FOLDER / name, optimize=True)


def watch(url: str, history: History) -> None:
    """Open the window and take its pictures."""
    reactor, root = the_reactor(), tkinter.Tk()
    root.geometry("+0+0")
    app = App(reactor, root, parse([url]), history)
    app.closed.addCallback(lambda _: reactor.stop())
    Deferred.fromCoroutine(shoot(app, root, reactor)).addErrback(
        lambda fault: fault.printTraceback()
    )
    reactor.run()


def main() -> None:
    """Make them all."""
    plan = Plan(drop=at_random(0.0008, seed=3), delay=at_random(0.004, seed=5))
    with tempfile.TemporaryDirectory() as folder, screen() as display:
        os.environ["DISPLAY"] = display
        daemon = Daemon(Path(folder), {"mandelbrot.Mjpeg": film()})
        daemon.start()
        try:
            with Impaired(("127.0.0.1", daemon.port), plan) as relay:
                url = f"rtsp://127.0.0.1:{relay.port}/mandelbrot.Mjpeg"
                watch(url, History(Path(folder) / "history"))
        finally:
            daemon.kill()


if __name__ == "__main__":
    main()
