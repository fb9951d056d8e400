"""The test card: colour bars, a frame number, a clock and moving parts, drawn while watched."""

import io
import math
from collections.abc import Callable
from datetime import UTC, datetime

from PIL import Image, ImageDraw, ImageFont
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from mjpegd.interfaces import ILiveSource, InThread

_log = Logger()

WIDTH, HEIGHT = 640, 480
RATE = 25
QUALITY = 80

TITLE = "mjpegd test card"
HINT = "Films in the media folder play as rtsp://this-server/name"

Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Listener = Callable[[bytes, float], None]

_INK: Colour = (16, 20, 27)
_PANEL: Colour = (24, 30, 40)
_LINE: Colour = (58, 68, 84)
_GREY: Colour = (150, 160, 176)
_WHITE: Colour = (240, 243, 248)
_ACCENT: Colour = (255, 176, 32)

# SMPTE EG 1: 75 % bars from white to blue, and below them the strip for setting a screen's hue.
_BARS: list[Colour] = [
    (191, 191, 191),
    (191, 191, 0),
    (0, 191, 191),
    (0, 191, 0),
    (191, 0, 191),
    (191, 0, 0),
    (0, 0, 191),
]
_CASTELLATIONS: list[Colour] = [
    (0, 0, 191),
    (19, 19, 19),
    (191, 0, 191),
    (19, 19, 19),
    (0, 191, 191),
    (19, 19, 19),
    (191, 191, 191),
]
_GREY_STEPS = 16

_LEFT, _RIGHT = 32, 608
_BARS_TOP, _STRIP_TOP, _RAMP_TOP, _RAMP_BOTTOM, _PANEL_TOP = 60, 216, 238, 260, 276
_DIAL_CENTRE, _DIAL_RADIUS = (540, 350), 64
_TRACK_Y, _BALL_RADIUS = 434, 9
_NUMBER_AT, _CLOCK_AT, _DATE_AT, _HINT_Y = (29, 288), (31, 366), (296, 385), 452

# Pillow draws without smoothing edges; what is not a box is drawn larger and scaled down.
_OVERSAMPLING = 4
# A timer may fire a hair before its time, by this part of a frame.
_EARLY_FRAMES = 0.05
# One way of the ball along its track, in frames.
_BALL_FRAMES = 50


def _font(size: int) -> Font:
    try:
        return ImageFont.load_default(size)
    except (ImportError, OSError):  # Pillow was built without FreeType
        return ImageFont.load_default()


def _strip(draw: ImageDraw.ImageDraw, top: int, bottom: int, colours: list[Colour]) -> None:
    """Fill the width of the bars with equal boxes."""
    step = (_RIGHT - _LEFT) / len(colours)
    for index, colour in enumerate(colours):
        left = _LEFT + round(index * step)
        right = _LEFT + round((index + 1) * step)
        draw.rectangle((left, top, right - 1, bottom - 1), fill=colour)


class _Tile:
    """A smooth drawing of a few pixels around a centre, kept at its final size."""

    def __init__(self, radius: int, ground: Colour) -> None:
        self.radius = radius
        self._image = Image.new("RGB", (2 * radius * _OVERSAMPLING,) * 2, ground)
        self._draw = ImageDraw.Draw(self._image)

    def disc(self, x: float, y: float, radius: float, fill: Colour) -> None:
        """A filled circle around (x, y), in final pixels from the tile's centre."""
        box = [self._scaled(x - radius, y - radius), self._scaled(x + radius, y + radius)]
        self._draw.ellipse(box, fill=fill)

    def line(self, length: float, turn: float, width: int, fill: Colour) -> None:
        """A hand from the centre; `turn` is a part of the circle, clockwise from the top."""
        self._draw.line(
            [self._scaled(0, 0), self._scaled(*_on_circle(length, turn))],
            fill=fill,
            width=width * _OVERSAMPLING,
        )

    def finished(self) -> Image.Image:
        """The drawing at its final size."""
        return self._image.resize((2 * self.radius,) * 2, Image.Resampling.LANCZOS)

    def _scaled(self, x: float, y: float) -> tuple[float, float]:
        return (self.radius + x) * _OVERSAMPLING, (self.radius + y) * _OVERSAMPLING


def _on_circle(radius: float, turn: float) -> tuple[float, float]:
    angle = 2 * math.pi * turn
    return radius * math.sin(angle), -radius * math.cos(angle)


def _dial(lit: int) -> Image.Image:
    """A dial with a mark for each frame of a second, the hand on one of them."""
    tile = _Tile(_DIAL_RADIUS, _PANEL)
    for mark in range(RATE):
        x, y = _on_circle(_DIAL_RADIUS - 8, mark / RATE)
        reached = mark <= lit
        tile.disc(x, y, 5 if mark == lit else 3, _ACCENT if reached else _LINE)
    tile.line(_DIAL_RADIUS - 20, lit / RATE, 3, _WHITE)
    tile.disc(0, 0, 6, _WHITE)
    tile.disc(0, 0, 2.5, _PANEL)
    return tile.finished()


class Painter:
    """Draws the card. What does not move is drawn once, when the painter is made."""

    def __init__(self) -> None:
        self._number_font = _font(76)
        self._clock_font = _font(40)
        self._small_font = _font(17)
        self._background = self._draw_background()
        self._dials = [_dial(lit) for lit in range(RATE)]
        ball = _Tile(_BALL_RADIUS, (0, 0, 0))
        ball.disc(0, 0, _BALL_RADIUS - 1, (255, 255, 255))
        self._ball = ball.finished().convert("L")

    def paint(self, number: int, unix_s: float) -> bytes:
        """The card as a baseline JPEG.

        Args:
            number: The frame number to show.
            unix_s: The time to show, in Unix seconds.
        """
        image = self._background.copy()
        draw = ImageDraw.Draw(image)
        self._place(image, self._dials[number % RATE], _DIAL_CENTRE)
        draw.text(_NUMBER_AT, f"{number:06d}", font=self._number_font, fill=_WHITE)
        moment = datetime.fromtimestamp(unix_s, UTC)
        shown = f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}"
        draw.text(_CLOCK_AT, shown, font=self._clock_font, fill=_ACCENT)
        draw.text(_DATE_AT, f"UTC  {moment:%Y-%m-%d}", font=self._small_font, fill=_GREY)
        self._place(image, _ACCENT, (self._ball_x(number), _TRACK_Y), self._ball)
        return self._to_jpeg(image)

    @staticmethod
    def _ball_x(number: int) -> int:
        there, way = divmod(number, _BALL_FRAMES)
        if there % 2:
            way = _BALL_FRAMES - way
        return _LEFT + (_RIGHT - _LEFT) * way // _BALL_FRAMES

    @staticmethod
    def _place(
        image: Image.Image,
        what: Image.Image | Colour,
        centre: tuple[int, int],
        mask: Image.Image | None = None,
    ) -> None:
        size = mask.size if mask else what.size if isinstance(what, Image.Image) else (0, 0)
        left, top = centre[0] - size[0] // 2, centre[1] - size[1] // 2
        image.paste(what, (left, top, left + size[0], top + size[1]), mask)

    @staticmethod
    def _to_jpeg(image: Image.Image) -> bytes:
        buffer = io.BytesIO()
        # Standard Huffman tables and 4:2:0: what RFC 2435 carries without a change.
        image.save(buffer, "JPEG", quality=QUALITY, subsampling="4:2:0", optimize=False)
        return buffer.getvalue()

    def _draw_background(self) -> Image.Image:
        image = Image.new("RGB", (WIDTH, HEIGHT), _INK)
        draw = ImageDraw.Draw(image)
        draw.text((_LEFT, 14), TITLE, font=_font(28), fill=_WHITE)
        facts = f"{WIDTH} x {HEIGHT}   {RATE} fps"
        length = draw.textlength(facts, font=self._small_font)
        draw.text((_RIGHT - length, 23), facts, font=self._small_font, fill=_GREY)
        _strip(draw, _BARS_TOP, _STRIP_TOP, _BARS)
        _strip(draw, _STRIP_TOP, _RAMP_TOP, _CASTELLATIONS)
        greys = [(level, level, level) for level in range(0, 256, 255 // (_GREY_STEPS - 1))]
        _strip(draw, _RAMP_TOP, _RAMP_BOTTOM, greys)
        draw.rectangle((0, _PANEL_TOP, WIDTH, HEIGHT), fill=_PANEL)
        draw.line((_LEFT, _TRACK_Y, _RIGHT, _TRACK_Y), fill=_LINE, width=3)
        draw.text((_LEFT, _HINT_Y), HINT, font=self._small_font, fill=_GREY)
        return image


@implementer(ILiveSource)
class TestCard:
    """A picture that is always there, drawn only while somebody watches.

    Args:
        clock: Paces the card; frame times are seconds on it.
        wall: The time that the card shows, in Unix seconds.
        in_thread: How drawing leaves the reactor.
    """

    title = "testcard"
    kind = "generated"
    rate = float(RATE)

    def __init__(
        self,
        clock: IReactorTime,
        wall: Callable[[], float],
        in_thread: InThread,
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._in_thread = in_thread
        self._listeners: list[Listener] = []
        self._painter: Painter | None = None
        self._is_painting = False
        self._is_failing = False
        self._made_s = clock.seconds()
        self._started_s = 0.0  # a run begins with its first listener and ends with its last
        self._first = 0
        self._number = -1
        # Without a count: near the edge of an interval LoopingCall counts none and then two.
        self._loop = LoopingCall(self._tick)
        self._loop.clock = clock

    def prepare(self) -> "Deferred[None]":
        """Make in the thread what drawing needs: the first viewer need not wait for it."""
        return self._in_thread(Painter).addCallback(self._take_painter)

    def _take_painter(self, painter: Painter) -> None:
        self._painter = self._painter or painter

    def subscribe(self, listener: Listener) -> None:
        """Call ``listener(jpeg, seconds)`` for each frame from now on."""
        self._listeners.append(listener)
        if not self._loop.running:
            self._started_s = self._clock.seconds()
            self._first = max(self._frames_since(self._made_s), self._number + 1)
            started = self._loop.start(1 / RATE)
            started.addErrback(lambda failure: _log.failure("the test card stopped", failure))

    def unsubscribe(self, listener: Listener) -> None:
        """Call this listener no more."""
        if listener in self._listeners:
            self._listeners.remove(listener)
        if not self._listeners and self._loop.running:
            self._loop.stop()

    def close(self) -> None:
        """Stop drawing; nobody is called any more."""
        for listener in tuple(self._listeners):
            self.unsubscribe(listener)

    def _tick(self) -> None:
        """Begin the frame that is due, unless the thread still draws an earlier one."""
        elapsed = self._frames_since(self._started_s)
        number, seconds = self._first + elapsed, self._started_s + elapsed / RATE
        if self._is_painting or number <= self._number:
            return
        self._is_painting, self._number = True, number
        # What the card shows is the time of the frame, not of the tick that may be late.
        unix_s = self._wall() - (self._clock.seconds() - seconds)
        painted = self._in_thread(lambda: self._paint(number, unix_s))
        painted.addCallbacks(lambda picture: self._publish(picture, seconds), self._failed)
        painted.addErrback(lambda failure: _log.failure("publishing the test card", failure))

    def _frames_since(self, seconds: float) -> int:
        return int((self._clock.seconds() - seconds) * RATE + _EARLY_FRAMES)

    def _paint(self, number: int, unix_s: float) -> bytes:
        """Draw in the thread, where the painter is made as well: that takes a while."""
        if self._painter is None:
            self._painter = Painter()
        return self._painter.paint(number, unix_s)

    def _publish(self, picture: bytes, seconds: float) -> None:
        self._is_painting = self._is_failing = False
        for listener in tuple(self._listeners):
            if listener not in self._listeners:
                continue  # left while others were called
            try:
                listener(picture, seconds)
            except Exception:
                _log.failure("a listener of the test card failed")

    def _failed(self, failure: Failure) -> None:
        self._is_painting = False
        if not self._is_failing:
            # Once, not 25 times a second.
            self._is_failing = True
            _log.failure("drawing the test card", failure)
