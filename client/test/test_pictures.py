"""Tests of `client.pictures`."""

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL import _imaging as core
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.test.fakes import Crank, at_once
from mjpegd.test.pictures import SOF0, number_of, picture, segments

from ..interfaces import PlacedFrame, ReceivedFrame
from ..pictures import (
    HURRIED_FRAMES,
    Decoder,
    InThread,
    JpegReader,
    Picture,
    fitted,
    prepare_for_tk,
)

SIZE = (64, 48)
SIDES = st.integers(1, 10_000)


def frame(jpeg: bytes) -> PlacedFrame:
    return PlacedFrame(ReceivedFrame(jpeg, 0, 0, 0.0), None, 0)


def decoded(jpeg: bytes, size: tuple[int, int], *, is_hurried: bool = False) -> Image.Image:
    """A picture of the first JPEG that a reader is given."""
    return JpegReader().read(jpeg, size, is_hurried=is_hurried)


def claiming(width: int, height: int) -> bytes:
    """A JPEG that says that it is larger than it is."""
    sides = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return b"".join(
        part[:5] + sides + part[9:] if part[:2] == b"\xff%c" % SOF0 else part
        for part in segments(picture(1))
    )


class DecoderCase(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.shown: list[Picture] = []
        self.crank = Crank()

    def decoder(self, in_thread: InThread) -> Decoder:
        return Decoder(in_thread, lambda: SIZE, self.show)

    def show(self, picture: Picture) -> None:
        # As a screen does: the picture itself is only lent.
        self.shown.append(Picture(picture.frame, picture.image.copy()))

    @property
    def numbers(self) -> list[int]:
        return [number_of(picture.image) for picture in self.shown]


class DecoderTests(DecoderCase):
    def test_shows_a_picture_of_the_frame(self) -> None:
        given_frame = frame(picture(7, (640, 480)))

        self.decoder(at_once).take(given_frame)

        self.assertEqual([shown.frame for shown in self.shown], [given_frame])
        self.assertEqual(self.shown[0].image.size, SIZE)
        self.assertEqual(self.numbers, [7])

    def test_decodes_one_at_a_time(self) -> None:
        decoder = self.decoder(self.crank)

        for number in range(3):
            decoder.take(frame(picture(number)))

        self.assertEqual(len(self.crank.turns), 1)

    def test_of_those_that_wait_the_newest_is_shown(self) -> None:
        decoder = self.decoder(self.crank)
        for number in range(5):
            decoder.take(frame(picture(number)))

        self.crank.turn_all()

        self.assertEqual(self.numbers, [0, 4])
        self.assertEqual(decoder.skipped, 3)

    def test_a_machine_that_is_too_slow_scales_coarsely_for_a_while(self) -> None:
        decoder = self.decoder(self.crank)
        photo = frame(picture(7, (80, 60)))
        for _ in range(3):
            decoder.take(photo)
        self.crank.turn_all()
        for _ in range(HURRIED_FRAMES):
            decoder.take(photo)
            self.crank.turn_all()

        fine, coarse = (
            decoded(photo.frame.jpeg, SIZE, is_hurried=hurry) for hurry in (False, True)
        )
        self.assertNotEqual(fine, coarse)
        self.assertEqual(
            [shown.image for shown in self.shown], [fine, *[coarse] * HURRIED_FRAMES, fine]
        )

    def test_goes_on_when_it_has_caught_up(self) -> None:
        decoder = self.decoder(self.crank)
        for number in range(3):
            decoder.take(frame(picture(number)))
            self.crank.turn_all()

        self.assertEqual(self.numbers, [0, 1, 2])
        self.assertEqual(decoder.skipped, 0)

    def test_forgets_what_waits_and_what_is_under_way(self) -> None:
        decoder = self.decoder(self.crank)
        for number in range(2):
            decoder.take(frame(picture(number)))

        decoder.forget()
        self.crank.turn_all()
        decoder.take(frame(picture(7)))
        self.crank.turn_all()

        self.assertEqual(self.numbers, [7])
        self.assertEqual(decoder.skipped, 0)

    def test_size_is_asked_for_each_frame(self) -> None:
        sizes = [(64, 48), (32, 24)]
        decoder = Decoder(at_once, lambda: sizes.pop(0), self.show)

        for number in range(2):
            decoder.take(frame(picture(number)))

        self.assertEqual([shown.image.size for shown in self.shown], [(64, 48), (32, 24)])

    def test_a_picture_stays_while_it_is_shown(self) -> None:
        numbers = []

        def show(picture: Picture) -> None:
            self.crank.turn_all()  # The next one is decoded meanwhile.
            numbers.append(number_of(picture.image))

        decoder = Decoder(self.crank, lambda: SIZE, show)
        for number in range(4):
            decoder.take(frame(picture(number)))
            decoder.take(frame(picture(number + 10)))
            self.crank.turn_all()

        self.assertEqual(sorted(numbers), [0, 1, 2, 3, 10, 11, 12, 13])

    def test_what_was_shown_is_lent_to_the_next(self) -> None:
        images = []
        decoder = Decoder(at_once, lambda: SIZE, lambda picture: images.append(picture.image))

        for number in range(3):
            decoder.take(frame(picture(number)))

        self.assertIs(images[1], images[0])
        self.assertIs(images[2], images[0])

    def test_what_is_no_picture_is_counted(self) -> None:
        decoder = self.decoder(at_once)

        for jpeg in (b"", b"no JPEG", picture(1)[:300], claiming(9000, 9000)):
            decoder.take(frame(jpeg))
        decoder.take(frame(picture(5)))

        self.assertEqual(decoder.broken, 4)
        self.assertEqual(self.numbers, [5])

    def test_the_first_that_is_no_picture_is_logged(self) -> None:
        decoder = self.decoder(at_once)

        with capturedLogs() as logs:
            for _ in range(10):
                decoder.take(frame(claiming(9000, 9000)))

        self.assertEqual(
            [formatEvent(event) for event in logs],
            ["frames come that are no pictures, the first: 9000 x 9000 pixels"],
        )

    def test_who_cannot_show_one_is_given_the_next(self) -> None:
        def show(picture: Picture) -> None:
            self.shown.append(picture)
            raise RuntimeError("no window")

        decoder = Decoder(at_once, lambda: SIZE, show)

        for number in range(2):
            decoder.take(frame(picture(number)))

        self.assertEqual(self.numbers, [0, 1])
        self.assertEqual(decoder.broken, 0)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)


class DecodingTests(SynchronousTestCase):
    def test_as_large_as_fits(self) -> None:
        for size, window, shown in (
            ((640, 480), (640, 480), (640, 480)),
            ((640, 480), (320, 480), (320, 240)),
            ((640, 480), (2000, 960), (1280, 960)),
            ((1920, 1080), (640, 480), (640, 360)),
            ((64, 48), (1, 1), (1, 1)),
        ):
            with self.subTest(size=size, window=window):
                image = decoded(picture(9, size), window)

                self.assertEqual(image.size, shown)
                self.assertEqual(image.mode, "RGB")

    def test_shows_what_it_holds_at_any_size(self) -> None:
        jpeg = picture(9, (640, 480))

        for window in ((64, 48), (100, 75), (333, 250), (640, 480), (800, 600)):
            self.assertEqual(number_of(decoded(jpeg, window)), 9)

    def test_other_kinds_of_jpeg(self) -> None:
        for jpeg in (
            picture(9, mode="L"),
            picture(9, mode="CMYK"),
            picture(9, progressive=True),
            picture(9, subsampling="4:4:4"),
        ):
            image = decoded(jpeg, SIZE)

            self.assertEqual(image.mode, "RGB")
            self.assertEqual(number_of(image), 9)

    def test_lower_part_may_be_missing(self) -> None:
        *head, scan, end = segments(picture(9, (320, 240)))

        image = decoded(b"".join((*head, scan[: len(scan) // 2], end)), (320, 240))

        self.assertEqual(image.getpixel((10, 230)), (128, 128, 128))

    def test_too_large_to_be_honest(self) -> None:
        for side in (9000, 65_000):
            self.assertRaises(ValueError, decoded, claiming(side, side), SIZE)

    def test_other_pictures_are_none(self) -> None:
        gif = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\0\0\0"

        self.assertRaises(ValueError, decoded, gif, SIZE)

    @given(st.integers(0, 200), st.binary(max_size=8), st.integers(0, 8))
    def test_of_whatever_comes_there_is_a_picture_or_one_of_two_errors(
        self, place: int, other: bytes, left_out: int
    ) -> None:
        jpeg = picture(9)

        try:
            image = decoded(jpeg[:place] + other + jpeg[place + left_out :], SIZE)
        except (OSError, ValueError):
            return

        self.assertEqual(image.mode, "RGB")


class ReaderTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.reader = JpegReader()

    def test_the_next_of_a_film_is_made_where_the_one_before_was(self) -> None:
        first = self.reader.read(picture(1), SIZE)

        second = self.reader.read(picture(2), SIZE, first)

        self.assertIs(second, first)
        self.assertEqual(second.tobytes(), decoded(picture(2), SIZE).tobytes())

    def test_half_the_size_goes_on_as_half_the_size(self) -> None:
        first = self.reader.read(picture(1, (640, 480)), (320, 240))

        second = self.reader.read(picture(2, (640, 480)), (320, 240), first)

        self.assertIs(second, first)
        self.assertEqual(second, decoded(picture(2, (640, 480)), (320, 240)))

    def test_what_is_scaled_afterwards_has_a_place_of_its_own(self) -> None:
        first = self.reader.read(picture(1, (80, 60)), SIZE)

        second = self.reader.read(picture(2, (80, 60)), SIZE, first)

        self.assertIsNot(second, first)
        self.assertEqual(second, decoded(picture(2, (80, 60)), SIZE))

    def test_one_of_the_same_headers_that_is_cut_off_is_none(self) -> None:
        first = self.reader.read(picture(1), SIZE)
        *head, scan, _ = segments(picture(2))

        broken = b"".join((*head, scan[: len(scan) // 2]))
        self.assertRaises(ValueError, self.reader.read, broken, SIZE, first)

        self.assertEqual(number_of(self.reader.read(picture(3), SIZE, first)), 3)

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(
                    (
                        picture(1),
                        picture(2),
                        picture(3, (128, 96)),
                        picture(4, mode="L"),
                        picture(5, mode="CMYK"),
                        picture(6, progressive=True),
                        picture(7, subsampling="4:4:4"),
                    )
                ),
                st.sampled_from((SIZE, (32, 24), (100, 75))),
            )
        )
    )
    def test_a_picture_does_not_depend_on_those_before(
        self, shown: list[tuple[bytes, tuple[int, int]]]
    ) -> None:
        reader, image = JpegReader(), None

        for jpeg, size in shown:
            image = reader.read(jpeg, size, image)

            self.assertEqual(image.convert("RGB").tobytes(), decoded(jpeg, size).tobytes())


class PreparationTests(SynchronousTestCase):
    def test_pictures_are_the_same_in_one_piece(self) -> None:
        before = [decoded(picture(9, (640, 480)), size) for size in (SIZE, (640, 480))]

        prepare_for_tk()
        self.addCleanup(core.set_use_block_allocator, 0)

        for image in before:
            self.assertEqual(decoded(picture(9, (640, 480)), image.size), image)
            self.assertTrue(decoded(picture(9, (640, 480)), image.size).im.isblock())


class FittingTests(SynchronousTestCase):
    @given(st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES))
    def test_fits_and_fills(self, size: tuple[int, int], window: tuple[int, int]) -> None:
        width, height = fitted(size, window)

        self.assertTrue(1 <= width <= window[0] and 1 <= height <= window[1])
        self.assertTrue(width == window[0] or height == window[1])

    @given(st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES))
    def test_keeps_proportions(self, size: tuple[int, int], window: tuple[int, int]) -> None:
        width, height = fitted(size, window)

        factor = min(window[0] / size[0], window[1] / size[1])
        self.assertLessEqual(abs(width - size[0] * factor), 1)
        self.assertLessEqual(abs(height - size[1] * factor), 1)

    def test_window_without_room(self) -> None:
        self.assertEqual(fitted((640, 480), (0, 480)), (1, 1))
