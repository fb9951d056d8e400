"""Make the pictures of the player's window: ``python -m docs.make_screenshots`` in a checkout.

A film is made, a daemon serves it, and a bad network lies between it and the player, so that the
figures have something to tell. It takes a minute, and a screen: the one that ``DISPLAY`` names,
which has to be free of other windows, or one of Xvfb's.
"""

import argparse
import os
import tempfile
import tkinter
from collections import Counter
from dataclasses import dataclass
from io import BytesIO
from math import cos, pi
from pathlib import Path
from typing import Self

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
# The way into the Mandelbrot set, and back.
PICTURES = 72
SPOT = (-0.743643, 0.131825)
FIRST_HALF_WIDTH, ZOOM = 0.012, 0.965
# Red, green and blue swing from dark to light with the depth, each a little later.
PHASES, SWINGS = (0.55, 0.45, 0.3), 0.9
TURNS = 14
STATISTICS_S = 54.0
# A palette keeps the pictures small: so many colours for the film, and for what is around it.
FILM_COLOURS, WINDOW_COLOURS, SMALL_COLOURS = 126, 70, 60
# Packets of the film among which every so manieth is lost: that is what the graph is to show.
BAD_PACKETS, BAD_EVERY = range(12_000, 15_000), 60


def colours() -> list[int]:
    """What becomes of each of 256 depths: all reds, all greens, all blues."""
    shares = [
        0.5 + 0.5 * cos(2 * pi * (SWINGS * depth / 255 + phase))
        for phase in PHASES
        for depth in range(256)
    ]
    return [round(255 * share) for share in shares]


def mandelbrot(number: int) -> bytes:
    """A picture on the way into the Mandelbrot set."""
    half = FIRST_HALF_WIDTH * ZOOM**number
    (x, y), ratio = SPOT, SIZE[1] / SIZE[0]
    box = (x - half, y - half * ratio, x + half, y + half * ratio)
    depths = ImageOps.equalize(Image.effect_mandelbrot(SIZE, box, 140 + number))
    file = BytesIO()
    Image.merge("RGB", [depths] * 3).point(colours()).save(file, "JPEG", quality=60)
    return file.getvalue()


def film() -> bytes:
    """A film of a minute or more."""
    there = [mandelbrot(number) for number in range(PICTURES)]
    return films.laboratory((there + there[::-1]) * TURNS)


def is_lost(number: int) -> bool:
    """Whether a packet is lost: now and then one, and more for a while."""
    is_bad = number in BAD_PACKETS and number % BAD_EVERY == 0
    return is_bad or at_random(0.0003, seed=3)(number)


@dataclass(frozen=True, slots=True)
class Shot:
    """What the window looked like.

    Attributes:
        name: Of the file that it is for.
        image: The whole window.
        film: Where the film is in it: left, top, right, bottom.
    """

    name: str
    image: Image.Image
    film: tuple[int, int, int, int]

    @classmethod
    def take(cls, app: App, root: tkinter.Tk, name: str) -> Self:
        """Look at the window now."""
        root.update_idletasks()
        origin = root.winfo_rootx(), root.winfo_rooty()
        image = ImageGrab.grab(box_of(root, (0, 0)), xdisplay=os.environ["DISPLAY"])
        return cls(name, image, box_of(app.window.picture, origin))

    def save(self) -> None:
        """Write the file."""
        around = self.image.copy()
        around.paste(0, self.film)
        few = Image.new("P", (1, 1))
        few.putpalette(
            [
                *colours_of(self.image.crop(self.film).quantize(FILM_COLOURS)),
                *most_frequent(around, WINDOW_COLOURS),
                # What is small, such as a lamp, has its colour too.
                *colours_of(around.quantize(SMALL_COLOURS, method=Image.Quantize.MAXCOVERAGE)),
            ]
        )
        # Without dither: it would make noise of what is plain.
        image = self.image.quantize(palette=few, dither=Image.Dither.NONE)
        image.save(FOLDER / self.name, optimize=True)


def box_of(widget: tkinter.Misc, origin: tuple[int, int]) -> tuple[int, int, int, int]:
    """Where a widget is, counted from a point of the screen: left, top, right, bottom."""
    left, top = widget.winfo_rootx() - origin[0], widget.winfo_rooty() - origin[1]
    return left, top, left + widget.winfo_width(), top + widget.winfo_height()


def colours_of(image: Image.Image) -> list[int]:
    """The colours of a palette: red, green, blue of each."""
    used = image.getcolors() or []
    return (image.getpalette() or [])[: 3 * len(used)]


def most_frequent(image: Image.Image, count: int) -> list[int]:
    """So many colours of an image that it has most of: red, green, blue of each."""
    data = image.tobytes()
    shades = Counter(zip(data[::3], data[1::3], data[2::3], strict=True))
    return [value for shade, _ in shades.most_common(count) for value in shade]


async def shoot(app: App, root: tkinter.Tk, reactor: Reactor) -> list[Shot]:
    """Wait for what is worth a picture, and take it; then leave."""
    while app.activity is not Activity.PLAYING:
        await deferLater(reactor, 0.1, lambda: None)
    app.seek(21.0)
    await deferLater(reactor, 4.0, lambda: None)
    shots = [Shot.take(app, root, "player.png")]
    app.window.toggle_statistics()
    await deferLater(reactor, STATISTICS_S, lambda: None)
    shots.append(Shot.take(app, root, "player-statistics.png"))
    for page, name in ((1, "player-session.png"), (2, "player-packet.png")):
        app.window.statistics.pages.select(page)
        await deferLater(reactor, 1.0, lambda: None)
        shots.append(Shot.take(app, root, name))
    app.quit()
    return shots


def save(shots: list[Shot]) -> None:
    """Write all files."""
    for shot in shots:
        shot.save()


def watch(url: str, history: History) -> None:
    """Open the window and take its pictures."""
    reactor, root = the_reactor(), tkinter.Tk()
    root.geometry("+0+0")
    app = App(reactor, root, parse([url]), history)
    app.closed.addCallback(lambda _: reactor.stop())
    shooting = Deferred.fromCoroutine(shoot(app, root, reactor))
    # Not before: it takes time, and the graphs would show that.
    shooting.addCallback(save)
    shooting.addErrback(lambda fault: fault.printTraceback())
    reactor.run()


def main() -> None:
    """Make them all."""
    argparse.ArgumentParser("python -m docs.make_screenshots", description=__doc__).parse_args()
    plan = Plan(drop=is_lost, delay=at_random(0.004, seed=5))
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
