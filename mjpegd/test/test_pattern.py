"""`mjpegd.sources.pattern`: the test card."""

from collections.abc import Callable
from functools import cache
from io import BytesIO
from typing import TypeVar

from PIL import Image, ImageChops, ImageFont
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override
from zope.interface.verify import verifyObject

from mjpegd.interfaces import ILiveSource
from mjpegd.sources.pattern import HEIGHT, RATE, WIDTH, Painter, TestCard
from mjpegd.wire.jpeg_frame import rtp_frame
from mjpegd.wire.jpeg_image import JpegImage

T = TypeVar("T")

NOON = 1_700_049_600.0


@cache
def a_painter() -> Painter:
    """One for all tests: it takes a while to make."""
    return Painter()


def shown(jpeg: bytes) -> Image.Image:
    return Image.open(BytesIO(jpeg)).convert("RGB")


class PainterTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.painter = a_painter()

    def changed(self, first: bytes, second: bytes) -> tuple[int, int, int, int] | None:
        """The box around what differs by more than what compression does."""
        difference = ImageChops.difference(shown(first), shown(second)).convert("L")
        return difference.point([0] * 64 + [255] * 192).getbbox()

    def test_rtp_carries_it_as_it_is(self) -> None:
        frame = rtp_frame(JpegImage.parse(self.painter.paint(1, NOON)))

        self.assertEqual((1, WIDTH, HEIGHT), (frame.type, frame.width, frame.height))

    def test_size_suits_a_network(self) -> None:
        self.assertLess(len(self.painter.paint(888_888, NOON)), 40_000)

    def test_same_frame_at_the_same_time_is_the_same_picture(self) -> None:
        self.assertEqual(self.painter.paint(1, NOON), self.painter.paint(1, NOON))

    def test_each_frame_of_a_second_differs(self) -> None:
        pictures = {self.painter.paint(number, NOON) for number in range(RATE)}

        self.assertEqual(RATE, len(pictures))

    def test_number_dial_and_ball_move_with_the_number(self) -> None:
        self.assertIsNotNone(self.changed(self.painter.paint(1, NOON), self.painter.paint(2, NOON)))

    def test_clock_moves_with_the_time_and_nothing_else(self) -> None:
        box = self.changed(self.painter.paint(1, NOON), self.painter.paint(1, NOON + 0.444))

        self.assertIsNotNone(box)
        if box:
            left, top, right, bottom = box
            self.assertTrue(30 < left < right < 280 and 366 < top < bottom < 412, box)

    def test_bars_are_those_of_smpte(self) -> None:
        image = shown(self.painter.paint(1, NOON))

        for x, colour in ((75, (191, 191, 191)), (240, (0, 191, 191)), (560, (0, 0, 191))):
            bar = image.crop((x, 130, x + 10, 140)).tobytes()
            for channel, expected in enumerate(colour):
                for value in bar[channel::3]:
                    self.assertLessEqual(abs(value - expected), 4)

    def test_numbers_after_weeks_leave_the_dial_free(self) -> None:
        weeks = 100_000_000
        box = self.changed(self.painter.paint(0, NOON), self.painter.paint(weeks, NOON))

        self.assertIsNotNone(box)
        if box:
            self.assertLess(box[2], 476)

    def test_pillow_without_freetype(self) -> None:
        plain = ImageFont.load_default_imagefont()

        def load_default(size: float | None = None) -> ImageFont.ImageFont:
            if size is not None:
                raise ImportError("The _imagingft C module is not installed")
            return plain

        self.patch(ImageFont, "load_default", load_default)

        self.assertEqual((WIDTH, HEIGHT), shown(Painter().paint(1, NOON)).size)


class Thread:
    """Runs work at once, or when it is told to."""

    def __init__(self) -> None:
        self.is_slow = False
        self.error: Exception | None = None
        self.calls = 0
        self.waiting: list[Callable[[], None]] = []

    def __call__(self, work: Callable[[], T], /) -> Deferred[T]:
        self.calls += 1
        if self.error:
            return fail(self.error)
        if not self.is_slow:
            return succeed(work())
        result: Deferred[T] = Deferred()
        self.waiting.append(lambda: result.callback(work()))
        return result


class TestCardTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.thread = Thread()
        self.frames: list[tuple[int, float, float]] = []  # number, time shown, seconds
        self.card = TestCard(self.clock, lambda: NOON + self.clock.seconds(), self.thread)
        # Drawing is tested above; here the picture is the text of what would be drawn.
        self.patch(Painter, "__init__", lambda _: None)
        self.patch(Painter, "paint", lambda _, number, unix_s: f"{number} {unix_s!r}".encode())

    def listen(self, picture: bytes, seconds: float) -> None:
        number, unix_s = picture.split()
        self.frames.append((int(number), round(float(unix_s) - NOON, 6), round(seconds, 6)))

    def advance(self, frames: int) -> None:
        self.clock.pump([1 / RATE] * frames)

    @property
    def numbers(self) -> list[int]:
        return [number for number, _, _ in self.frames]

    def test_is_a_live_source(self) -> None:
        verifyObject(ILiveSource, self.card)
        self.assertEqual((RATE, "generated"), (self.card.rate, self.card.kind))

    def test_frames_at_its_rate(self) -> None:
        self.card.subscribe(self.listen)
        self.advance(2)

        self.assertEqual(
            [(0, 1000.0, 1000.0), (1, 1000.04, 1000.04), (2, 1000.08, 1000.08)], self.frames
        )

    def test_without_listeners_it_does_nothing(self) -> None:
        self.assertEqual([], self.clock.getDelayedCalls())

        self.card.subscribe(self.listen)
        self.card.unsubscribe(self.listen)

        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertEqual(1, self.thread.calls)

    def test_number_follows_time_also_while_nobody_watches(self) -> None:
        self.clock.advance(10.019)

        self.card.subscribe(self.listen)
        self.card.unsubscribe(self.listen)
        self.clock.advance(4)
        self.card.subscribe(self.listen)

        self.assertEqual([250, 350], self.numbers)
        self.assertEqual([1010.019, 1014.019], [seconds for _, _, seconds in self.frames])

    def test_numbers_never_repeat(self) -> None:
        for _ in range(3):
            self.card.subscribe(self.listen)
            self.card.unsubscribe(self.listen)

        self.assertEqual([0, 1, 2], self.numbers)

    def test_a_day_without_drift(self) -> None:
        self.card.subscribe(self.listen)
        for hour in range(1, 25):
            self.clock.advance(3600)
            self.assertEqual((hour * 3600 * RATE, 1000 + hour * 3600.0), self.frames[-1][::2])

    def test_tick_a_hair_before_its_time_and_one_at_it_are_one_frame(self) -> None:
        self.card.subscribe(self.listen)
        self.clock.advance(0.0795)
        self.clock.advance(0.001)
        self.clock.advance(0.04)

        self.assertEqual([0, 2, 3], self.numbers)

    def test_late_ticks_skip_numbers_and_keep_the_grid(self) -> None:
        self.card.subscribe(self.listen)
        self.clock.advance(0.130)
        self.clock.advance(0.030)

        self.assertEqual(
            [(0, 1000.0, 1000.0), (3, 1000.12, 1000.12), (4, 1000.16, 1000.16)], self.frames
        )

    def test_one_frame_is_drawn_at_a_time(self) -> None:
        self.thread.is_slow = True
        self.card.subscribe(self.listen)
        self.advance(3)
        self.assertEqual(1, self.thread.calls)

        self.thread.waiting.pop()()
        self.advance(1)
        self.thread.waiting.pop()()

        self.assertEqual([0, 4], self.numbers)

    def test_a_card_that_was_prepared_begins_without_a_hole(self) -> None:
        self.successResultOf(self.card.prepare())
        self.card.subscribe(self.listen)
        self.clock.pump([1 / RATE] * 3)

        self.assertEqual(self.numbers, [0, 1, 2, 3])

    def test_all_listeners_share_a_frame(self) -> None:
        pictures: list[bytes] = []
        for _ in range(2):
            self.card.subscribe(lambda picture, _: pictures.append(picture))
        pictures.clear()
        self.advance(1)

        self.assertEqual(2, self.thread.calls)
        self.assertIs(*pictures)

    def test_who_has_left_is_not_called(self) -> None:
        self.thread.is_slow = True
        self.card.subscribe(self.listen)
        self.card.unsubscribe(self.listen)
        self.card.unsubscribe(self.listen)

        self.thread.waiting.pop()()

        self.assertEqual([], self.frames)

    def test_who_is_sent_away_by_another_listener_is_not_called(self) -> None:
        self.thread.is_slow = True
        self.card.subscribe(lambda *_: self.card.unsubscribe(self.listen))
        self.card.subscribe(self.listen)

        self.thread.waiting.pop()()

        self.assertEqual([], self.frames)

    def test_failing_listener_harms_nobody(self) -> None:
        def stumble(picture: bytes, seconds: float) -> None:
            raise ValueError

        self.card.subscribe(stumble)
        self.card.subscribe(self.listen)
        self.advance(2)

        self.assertEqual([1, 2], self.numbers)
        self.assertEqual(3, len(self.flushLoggedErrors(ValueError)))

    def test_failing_thread_is_logged_once_and_tried_again(self) -> None:
        self.thread.error = OSError()
        self.card.subscribe(self.listen)
        self.advance(5)
        self.assertEqual(1, len(self.flushLoggedErrors(OSError)))

        self.thread.error = None
        self.advance(1)

        self.assertEqual([6], self.numbers)

    def test_close_ends_everything(self) -> None:
        self.card.subscribe(self.listen)
        self.card.subscribe(self.listen)

        self.card.close()
        self.advance(2)

        self.assertEqual([0], self.numbers)
        self.assertEqual([], self.clock.getDelayedCalls())
