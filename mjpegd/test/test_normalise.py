"""Tests of `mjpegd.pictures.normalise`."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from io import BytesIO
from typing import TypeVar

import av
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.pictures.forms import Big, JpegForm
from mjpegd.pictures.normalise import (
    MAX_REFERENCE_BYTES,
    Normal,
    Recode,
    Step,
    direct,
    normalise,
    working_bytes,
)
from mjpegd.test.coefficients import FORMS, TYPE_0, TYPE_1, noise, parts, written
from mjpegd.test.pictures import (
    APP1,
    APP14,
    COM,
    DHT,
    SOF0,
    number_of,
    picture,
    segments,
    with_segment,
    without,
)
from mjpegd.wire.errors import BrokenJpegError, JpegError, UnsupportedJpegError
from mjpegd.wire.jpeg_frame import rtp_frame
from mjpegd.wire.jpeg_image import JpegImage
from mjpegd.wire.jpeg_payload import to_jpeg
from mjpegd.wire.jpeg_segments import EOI, MAX_FRAME_BYTES, SOI
from mjpegd.wire.recode import recode

T = TypeVar("T")

PLAIN = JpegForm()
STRIPPED = JpegForm(strips_restarts=True)
SCALED, NATIVE, ONVIF, NESTED = (JpegForm(big=big) for big in Big)

WIDE = (2120, 64)
ABSURD = (0xFFFF, 0xFFFF)

# All that fits, by the phrase that says what is left out or follows from annex K.
FITTING: dict[str, bytes] = {
    "": picture(77),
    "no Huffman tables": without(picture(77), DHT),
    "application segments": with_segment(picture(77), APP1, b"Exif"),
    "comments": with_segment(picture(77), COM, b"hello"),
    "bytes behind the end": picture(77) + bytes(10),
    "application segments, comments": picture(77, comment=b"1", exif=b"Exif\0\0"),
}

# What needs its entropy coding done anew and nothing more, in sizes that leave no room for
# different ways of making chroma larger at the edges.
LOSSLESS: dict[str, bytes] = {
    "its own Huffman tables": picture(77, optimize=True),
    "progressive": picture(77, progressive=True),
    "greyscale": picture(77, mode="L"),
    "more than one scan": written((32, 16), parts((32, 16), TYPE_1), ((0,), (1,), (2,))),
    "4:2:2 sampling written as 2x2, 1x2, 1x2": written((32, 16), parts((32, 16), FORMS[TYPE_0][0])),
}

LOSSY: dict[str, bytes] = {
    "4:4:4 sampling": picture(77, subsampling="4:4:4"),
    "CMYK colours": picture(77, mode="CMYK"),
    "wider than 2040 pixels": picture(77, size=WIDE),
    "higher than 2040 pixels": picture(77, size=(64, 2120), progressive=True),
}


def refuse(jpeg: bytes) -> bytes:
    raise UnsupportedJpegError(f"no way to do it with {len(jpeg)} bytes")


def find_fault(jpeg: bytes) -> bytes:
    raise BrokenJpegError(f"4 extraneous bytes in {len(jpeg)}")


def pixels(jpeg: bytes) -> bytes:
    return Image.open(BytesIO(jpeg)).convert("RGB").tobytes()


def claiming(jpeg: bytes, size: tuple[int, int]) -> bytes:
    """A JPEG whose header tells another size."""
    sides = b"".join(side.to_bytes(2, "big") for side in reversed(size))
    changed = (p[:5] + sides + p[9:] if p[1] == SOF0 else p for p in segments(jpeg))
    return b"".join(changed)


def field(number: int, polarity: int) -> bytes:
    """One field of an interlaced frame of 64x64 pixels."""
    jpeg = picture(number, size=(64, 32), subsampling="4:2:2")
    return with_segment(jpeg, 0xE0, b"AVI1" + bytes((polarity,)) + bytes(9))


class DirectTests(SynchronousTestCase):
    def test_what_fits_goes_as_rtp_has_it(self) -> None:
        for jpeg in FITTING.values():
            self.assertEqual(direct(jpeg, PLAIN), rtp_frame(JpegImage.parse(jpeg)))

    def test_obstacles_are_named(self) -> None:
        for reason, jpeg in {**LOSSLESS, **LOSSY}.items():
            error = self.assertRaises(UnsupportedJpegError, direct, jpeg, PLAIN)
            self.assertEqual(str(error), reason)

    def test_restart_markers_are_an_obstacle_where_they_have_to_go(self) -> None:
        jpeg = picture(77, restart_marker_blocks=2)

        self.assertEqual(direct(jpeg, PLAIN).restart_interval, 2)
        error = self.assertRaises(UnsupportedJpegError, direct, jpeg, STRIPPED)
        self.assertEqual(str(error), "restart markers")

    def test_restart_markers_have_to_go_from_nested_pictures_too(self) -> None:
        jpeg = picture(77, size=WIDE, restart_marker_blocks=2)
        both = JpegForm(strips_restarts=True, big=Big.NESTED)

        self.assertRaises(UnsupportedJpegError, direct, jpeg, both)

    def test_forms_for_large_pictures_leave_others_alone(self) -> None:
        for form in (NATIVE, ONVIF, NESTED):
            self.assertEqual(direct(picture(1), form), direct(picture(1), PLAIN))

    def test_native(self) -> None:
        frame = direct(picture(77, size=WIDE), NATIVE)

        self.assertEqual((frame.width, frame.height, frame.extension), (0, 0, b""))
        self.assertEqual(number_of(to_jpeg(frame, WIDE)), 77)

    def test_onvif(self) -> None:
        jpeg = picture(77, size=(2121, 67))
        frame = direct(jpeg, ONVIF)

        self.assertEqual((frame.width, frame.height), (0, 0))
        self.assertEqual(pixels(to_jpeg(frame)), pixels(jpeg))

    def test_nested(self) -> None:
        jpeg = with_segment(picture(77, size=WIDE, subsampling="4:4:4"), COM, b"hello") + bytes(9)
        frame = direct(jpeg, NESTED)

        self.assertEqual((frame.type, frame.width, frame.height), (1, 8, 8))
        start = bytes(frame.scan).index(b"\xff")
        inner = SOI + frame.scan[start:] + EOI
        self.assertEqual(pixels(inner), pixels(jpeg))
        self.assertNotIn(b"hello", inner)
        # Older versions of FFmpeg lose the first segment behind a scan without data.
        tiny = to_jpeg(replace(frame, scan=bytes(frame.scan[:start])))
        self.assertEqual(pixels(tiny), bytes([128] * 3 * 64))

    def test_ffmpeg_shows_nested_pictures(self) -> None:
        for options in (
            {},
            {"subsampling": "4:4:4"},
            {"progressive": True},
            {"mode": "L"},
            {"mode": "CMYK"},
            {"restart_marker_blocks": 3},
        ):
            jpeg = picture(77, size=(2121, 67), **options)

            self.assertEqual(decoded(to_jpeg(direct(jpeg, NESTED))), decoded(jpeg), options)

    def test_what_ffmpeg_cannot_read_is_not_nested(self) -> None:
        jpeg = picture(77, size=WIDE).replace(b"\xff\xc0", b"\xff\xc9")

        error = self.assertRaises(UnsupportedJpegError, direct, jpeg, NESTED)
        self.assertEqual(str(error), "arithmetic coding")

    def test_absurd_sizes_are_never_sent(self) -> None:
        for form in (SCALED, NATIVE, ONVIF, NESTED):
            self.assertRaises(JpegError, direct, claiming(picture(1), ABSURD), form)

    def test_two_fields(self) -> None:
        error = self.assertRaises(
            UnsupportedJpegError, direct, field(1, 1) + bytes(2) + field(1, 2), PLAIN
        )
        self.assertEqual(str(error), "interlaced")

    def test_what_only_says_that_it_is_a_field(self) -> None:
        for jpeg in (field(1, 1), field(1, 2) + bytes(9), field(1, 0) + field(1, 0)):
            self.assertEqual(direct(jpeg, PLAIN).height, 32)

    def test_damage(self) -> None:
        for form in (SCALED, NATIVE, ONVIF, NESTED):
            self.assertRaises(BrokenJpegError, direct, b"", form)
            self.assertRaises(BrokenJpegError, direct, picture(1)[:100], form)


def decoded(jpeg: bytes) -> list[tuple[str, int, int, list[bytes]]]:
    """What FFmpeg shows of a JPEG."""
    context = av.CodecContext.create("mjpeg", "r")
    assert isinstance(context, av.VideoCodecContext)
    frames = [*context.decode(av.Packet(jpeg)), *context.decode(None)]
    return [(f.format.name, f.width, f.height, [bytes(p) for p in f.planes]) for f in frames]


class NormaliseTests(SynchronousTestCase):
    def made(
        self, jpeg: bytes, form: JpegForm = PLAIN, recode: Recode | None = recode
    ) -> tuple[Step, str, bytes]:
        """What came of a picture; the frame can be sent."""
        found = normalise(jpeg, form, recode)
        direct(found.picture, form)
        return found.step, found.reason, found.picture

    def test_untouched_or_repaired(self) -> None:
        for reason, jpeg in FITTING.items():
            step = Step.REPAIRED if reason else Step.UNTOUCHED
            self.assertEqual(normalise(jpeg, PLAIN, refuse), Normal(jpeg, step, reason))

    def test_without_loss_where_that_is_possible(self) -> None:
        for reason, jpeg in LOSSLESS.items():
            step, why, found = self.made(jpeg)

            self.assertEqual((step, why), (Step.RECODED, reason))
            self.assertEqual(pixels(found), pixels(jpeg), reason)

    def test_with_loss_where_it_must_be(self) -> None:
        for reason, jpeg in LOSSY.items():
            step, why, found = self.made(jpeg)

            self.assertEqual((step, why), (Step.ENCODED, reason))
            self.assertEqual(number_of(found), 77)

    def test_with_loss_where_nothing_fast_is_installed(self) -> None:
        for reason, jpeg in LOSSLESS.items():
            for way in (None, refuse):
                step, why, _ = self.made(jpeg, recode=way)

                self.assertEqual((step, why), (Step.ENCODED, reason))

    def test_restart_markers_are_taken_out(self) -> None:
        jpeg = picture(77, restart_marker_blocks=2)

        for way, expected in ((recode, Step.RECODED), (None, Step.ENCODED)):
            step, why, found = self.made(jpeg, STRIPPED, way)

            self.assertEqual((step, why), (expected, "restart markers"))
            self.assertEqual(JpegImage.parse(found).header.restart_interval, 0)
        self.assertEqual(pixels(normalise(jpeg, STRIPPED, recode).picture), pixels(jpeg))

    def test_what_is_recoded_but_still_does_not_fit(self) -> None:
        step, _, _ = self.made(picture(77, subsampling="4:4:4"), recode=lambda jpeg: jpeg)

        self.assertEqual(step, Step.ENCODED)

    def test_rgb(self) -> None:
        rgb = with_segment(picture(77, subsampling="4:4:4"), APP14, b"Adobe" + bytes(7))

        self.assertEqual(self.made(rgb)[:2], (Step.ENCODED, "RGB colours"))

    def test_the_way_gets_an_end_and_nothing_behind_it(self) -> None:
        jpeg, got = picture(77, optimize=True), []

        def note(jpeg: bytes) -> bytes:
            got.append(jpeg)
            return recode(jpeg)

        for arrived in (jpeg, jpeg.removesuffix(EOI), jpeg + b"junk"):
            self.made(arrived, recode=note)

        self.assertEqual(got, [jpeg] * 3)

    def test_the_reference_is_asked_about_faults(self) -> None:
        jpeg = picture(77, optimize=True)
        harmless = jpeg.removesuffix(EOI) + b"\xff\xff" + EOI

        step, _, found = self.made(harmless, recode=find_fault)

        self.assertEqual(step, Step.RECODED)
        self.assertEqual(pixels(found), pixels(jpeg))

    def test_not_about_large_pictures(self) -> None:
        jpeg = noise((320, 256), optimize=True)
        self.assertGreater(len(jpeg), MAX_REFERENCE_BYTES)

        error = self.assertRaises(BrokenJpegError, normalise, jpeg, PLAIN, find_fault)

        self.assertIn("extraneous", str(error))

    def test_what_lacks_its_end_gets_it_once_nothing_else_is_missing(self) -> None:
        jpeg = picture(77)
        self.assertRaises(UnsupportedJpegError, direct, jpeg.removesuffix(EOI), PLAIN)
        for way in (recode, refuse, None):
            found = self.made(jpeg.removesuffix(EOI), recode=way)
            self.assertEqual(found, (Step.REPAIRED, "no end", jpeg))

    def test_what_was_cut_off_is_broken_though_its_header_is_good(self) -> None:
        jpeg = picture(77)
        for size in (len(jpeg) - 4, len(jpeg) - 40):
            for way in (recode, refuse, None):
                self.assertRaises(BrokenJpegError, normalise, jpeg[:size], PLAIN, way)

    def test_never_half(self) -> None:
        for way in (recode, find_fault):
            for jpeg in (*LOSSLESS.values(), *LOSSY.values()):
                self.assertRaises(BrokenJpegError, normalise, jpeg[:-5], PLAIN, way)
            for jpeg in LOSSLESS.values():
                self.assertRaises(BrokenJpegError, normalise, jpeg[:-5] + EOI, PLAIN, way)

    def test_more_data_than_rtp_can_count(self) -> None:
        large = picture(1).removesuffix(EOI) + bytes(MAX_FRAME_BYTES)

        self.assertRaises(BrokenJpegError, normalise, large, PLAIN, recode)

    def test_absurd_sizes(self) -> None:
        for jpeg in (picture(1), picture(1, mode="L"), picture(1, subsampling="4:4:4")):
            for form in (SCALED, NATIVE, ONVIF, NESTED):
                absurd = claiming(jpeg, ABSURD)
                self.assertRaises(JpegError, normalise, absurd, form, recode)
                self.assertRaises(JpegError, working_bytes, absurd)


class BigTests(SynchronousTestCase):
    def test_large_ones_that_fit_keep_their_size(self) -> None:
        jpeg = picture(77, size=WIDE)
        for form in (NATIVE, ONVIF, NESTED):
            self.assertEqual(normalise(jpeg, form, recode), Normal(jpeg, Step.UNTOUCHED, ""))

    def test_large_ones_with_another_obstacle_keep_their_size(self) -> None:
        cases: tuple[tuple[Step, bytes], ...] = (
            (Step.RECODED, picture(77, size=(2121, 67), optimize=True)),
            (Step.ENCODED, picture(77, size=(2121, 67), subsampling="4:4:4")),
        )
        for expected, jpeg in cases:
            for form in (NATIVE, ONVIF):
                found = normalise(jpeg, form, recode)

                self.assertEqual(found.step, expected)
                shape = JpegImage.parse(found.picture)
                self.assertEqual((shape.width, shape.height), (2121, 67))
                self.assertEqual(number_of(found.picture), 77)
            self.assertEqual(normalise(jpeg, NESTED, recode).step, Step.UNTOUCHED)

    def test_both_sides_fit_after_scaling(self) -> None:
        frame = direct(normalise(picture(77, size=(4080, 1000)), SCALED, recode).picture, SCALED)

        self.assertEqual((frame.width, frame.height), (2040, 504))


class FieldTests(SynchronousTestCase):
    def test_two_fields_make_a_picture(self) -> None:
        for fields in ((field(77, 1), field(77, 2)), (field(77, 2), bytes(3), field(77, 1))):
            found = normalise(b"".join(fields), PLAIN, recode)

            self.assertEqual((found.step, found.reason), (Step.ENCODED, "interlaced"))
            self.assertEqual(number_of(found.picture), 77)
            self.assertEqual(direct(found.picture, PLAIN).height, 64)

    def test_the_odd_field_has_the_uppermost_line(self) -> None:
        dark, pale = (
            with_segment(level(number), 0xE0, b"AVI1" + bytes((polarity,)) + bytes(9))
            for number, polarity in ((0, 1), (255, 2))
        )
        for chunk in (dark + pale, pale + dark):
            woven = Image.open(BytesIO(normalise(chunk, PLAIN, recode).picture)).convert("L")

            first, second = woven.tobytes()[8], woven.tobytes()[32 + 8]
            self.assertLess(first, 20)
            self.assertGreater(second, 235)

    def test_segment_that_tells_no_field_is_passed_over(self) -> None:
        for body in (b"AVI1", b"AVI1\0"):
            for fields in ((field(77, 1), field(77, 2)), (field(77, 2), field(77, 1))):
                chunk = b"".join(with_segment(part, 0xE0, body) for part in fields)

                self.assertEqual(
                    normalise(chunk, PLAIN, recode).picture,
                    normalise(b"".join(fields), PLAIN, recode).picture,
                )

    def test_one_that_is_missing_is_made_up_for(self) -> None:
        first, second = field(77, 1), field(78, 2)
        for chunk in (
            first + second[:-20],
            first + second[:30],
            first + SOI,
            first + field(78, 2)[:1] + b"\xd8" + b"\xff\xff",
            first + with_segment(picture(78), 0xE0, b"AVI1\2" + bytes(9)),
        ):
            found = normalise(chunk, PLAIN, recode)

            self.assertEqual(number_of(found.picture), 77)
            self.assertEqual(direct(found.picture, PLAIN).height, 64)

    def test_the_first_has_to_be_whole(self) -> None:
        chunk = field(77, 1)[:-20] + field(77, 2)

        self.assertRaises(BrokenJpegError, normalise, chunk, PLAIN, recode)


def level(number: int) -> bytes:
    file = BytesIO()
    Image.new("RGB", (32, 16), (number,) * 3).save(file, "JPEG", quality=95)
    return file.getvalue()


SMALL = st.builds(
    partial(picture, 77),
    size=st.sampled_from([(64, 48), (33, 41)]),
    quality=st.sampled_from([30, 90]),
    subsampling=st.sampled_from(["4:2:0", "4:2:2", "4:4:4"]),
    mode=st.sampled_from(["RGB", "L", "CMYK"]),
    progressive=st.booleans(),
    restart_marker_blocks=st.sampled_from([0, 3]),
)
FORM = st.builds(JpegForm, strips_restarts=st.booleans(), big=st.sampled_from(Big))
WAY: st.SearchStrategy[Recode | None] = st.sampled_from([recode, refuse, find_fault, None])


class LawTests(SynchronousTestCase):
    @given(SMALL, FORM, WAY)
    def test_what_is_made_fits(self, jpeg: bytes, form: JpegForm, way: Recode | None) -> None:
        found = normalise(jpeg, form, way)

        direct(found.picture, form)
        self.assertEqual(number_of(found.picture), 77)
        self.assertEqual(found.reason == "", found.step is Step.UNTOUCHED)
        # Nothing is left to do the second time.
        self.assertIn(normalise(found.picture, form, way).step, (Step.UNTOUCHED, Step.REPAIRED))

    @given(SMALL, FORM, WAY)
    def test_nothing_is_done_without_need(
        self, jpeg: bytes, form: JpegForm, way: Recode | None
    ) -> None:
        found = normalise(jpeg, form, way)

        fits = self.answer(lambda: direct(jpeg, form))
        self.assertEqual(found.step in {Step.UNTOUCHED, Step.REPAIRED}, fits is not None)
        if fits:
            self.assertEqual(found.picture, jpeg)

    @given(SMALL, FORM, WAY, st.data())
    def test_damage_is_an_error_or_fits(
        self, jpeg: bytes, form: JpegForm, way: Recode | None, data: st.DataObject
    ) -> None:
        damaged = bytearray(jpeg)
        for _ in range(data.draw(st.integers(1, 4))):
            damaged[data.draw(st.integers(0, len(jpeg) - 1))] = data.draw(st.integers(0, 255))
        broken = bytes(damaged[: data.draw(st.integers(0, len(jpeg)))] or damaged)
        self.answer(lambda: working_bytes(broken))

        found = self.answer(lambda: normalise(broken, form, way))

        if found:
            direct(found.picture, form)

    def answer(self, ask: Callable[[], T]) -> T | None:
        """What it gave; None if it raised an error for JPEGs."""
        try:
            return ask()
        except JpegError:
            return None


class WorkingBytesTests(SynchronousTestCase):
    def test_grows_with_pixels_and_bytes(self) -> None:
        small, large = picture(1), picture(1, size=(128, 96))

        self.assertGreater(working_bytes(small), 64 * 48 * 4)
        self.assertEqual(
            working_bytes(large) - working_bytes(small),
            3 * 64 * 48 * 8 + 4 * (len(large) - len(small)),
        )

    def test_damage(self) -> None:
        self.assertRaises(BrokenJpegError, working_bytes, b"")
