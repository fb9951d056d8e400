"""Tests of `mjpegd.pictures.encode`."""

from io import BytesIO

from PIL import Image, ImageChops, ImageStat
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.pictures.encode import (
    MAX_FIELD_PIXELS,
    MAX_PIXELS,
    MAX_PIXELS_IN_PASSES,
    bare,
    check_size,
    encode,
    weave,
    working_bytes,
)
from mjpegd.test.coefficients import parts, written
from mjpegd.test.pictures import (
    APP1,
    APP14,
    COM,
    DHT,
    DQT,
    SOF0,
    image,
    number_of,
    picture,
    segment,
    segments,
    with_segment,
    without,
)
from mjpegd.wire.errors import BrokenJpegError, UnsupportedJpegError
from mjpegd.wire.jpeg_frame import JpegFrame, rtp_frame
from mjpegd.wire.jpeg_image import JpegImage
from mjpegd.wire.jpeg_segments import EOI

# How far a colour may be off on average, of 255, where chroma was made coarser.
TOLERANCE = 6

BIG = (2120, 64)


def encoded(jpeg: bytes, *, scales: bool = True) -> bytes:
    return encode(jpeg, JpegImage.parse(jpeg), scales=scales)


def frame_of(jpeg: bytes) -> JpegFrame:
    return rtp_frame(JpegImage.parse(jpeg))


def saved(shown: Image.Image, **options: object) -> bytes:
    file = BytesIO()
    shown.save(file, "JPEG", **options)
    return file.getvalue()


def rgb(number: int) -> bytes:
    """A picture that has no Y, Cb and Cr."""
    return saved(image(number), keep_rgb=True)


def ycck(number: int) -> bytes:
    """The other way to store four colours: an Adobe segment that says 2."""
    first, *rest = segments(saved(image(number).convert("YCbCr").convert("RGB").convert("CMYK")))
    return b"".join((first, *(part.replace(b"d\0\0\0\0\0", b"d\0\0\0\0\2") for part in rest)))


def shown(jpeg: bytes) -> Image.Image:
    return Image.open(BytesIO(jpeg)).convert("RGB")


def with_header(jpeg: bytes, at: int, number: int) -> bytes:
    """A JPEG whose frame header says something else: 1 its code, 4 precision, 5 height, 7 width."""
    parts = segments(jpeg)
    [place] = (place for place, part in enumerate(parts) if part[1] == SOF0)
    header = bytearray(parts[place])
    width = 2 if at in {5, 7} else 1
    header[at : at + width] = number.to_bytes(width, "big")
    return b"".join((*parts[:place], header, *parts[place + 1 :]))


class EncodeTests(SynchronousTestCase):
    def assert_alike(self, jpeg: bytes, original: bytes) -> None:
        a, b = shown(jpeg), shown(original)
        mean = ImageStat.Stat(ImageChops.difference(a, b)).mean
        self.assertLess(max(mean), TOLERANCE)

    def test_colours_of_all_kinds(self) -> None:
        for jpeg in (
            picture(77, subsampling="4:4:4"),
            picture(77, mode="L"),
            picture(77, mode="CMYK"),
            rgb(77),
            ycck(77),
            picture(77, progressive=True),
        ):
            found = encoded(jpeg)

            self.assert_alike(found, jpeg)
            frame_of(found)

    def test_sampling_that_keeps_more(self) -> None:
        cases = {
            ((1, 1), (1, 1), (1, 1)): 0,
            ((4, 1), (1, 1), (1, 1)): 0,
            ((2, 1), (1, 1), (1, 1)): 0,
            ((1, 2), (1, 1), (1, 1)): 1,
            ((4, 2), (1, 1), (1, 1)): 1,
            ((2, 2), (1, 1), (1, 1)): 1,
            ((2, 2), (2, 1), (1, 2)): 1,
            ((1, 1),): 1,
        }
        for factors, kind in cases.items():
            places = range(len(factors))
            jpeg = written((40, 24), parts((40, 24), factors), (tuple(places),))

            self.assertEqual(frame_of(encoded(jpeg)).type, kind, factors)

    def test_quantization_tables_stay(self) -> None:
        plain = frame_of(picture(77, quality=42))

        for jpeg in (
            picture(77, quality=42, subsampling="4:4:4"),
            without(picture(77, quality=42, optimize=True), COM),
        ):
            self.assertEqual(frame_of(encoded(jpeg)).quantization, plain.quantization)

    def test_grey_has_one_table_for_all(self) -> None:
        jpeg = picture(77, mode="L", quality=42)

        expected = JpegImage.parse(jpeg).header.quantization[0] * 2
        self.assertEqual(frame_of(encoded(jpeg)).quantization, expected)

    def test_the_finer_entries_of_different_chroma_tables(self) -> None:
        tables = [[10] * 64, [20] * 32 + [40] * 32, [40] * 32 + [20] * 32]
        jpeg = saved(image(77), qtables=tables, subsampling="4:2:0")
        first, *header = segments(jpeg)
        changed = b"".join(part[:-1] + b"\x02" if part[1] == SOF0 else part for part in header)

        found = encoded(first + changed)

        self.assertEqual(frame_of(found).quantization, bytes([10] * 64 + [20] * 64))

    def test_entries_above_255_are_cut(self) -> None:
        tables = b"".join(
            b"%c%b" % (0x10 | place, entries)
            for place, entries in enumerate((b"\0\3" * 63 + b"\1\54", b"\1\54" * 64))
        )
        jpeg = with_segment(without(picture(77), DQT), DQT, tables)

        found = frame_of(encoded(jpeg)).quantization

        self.assertEqual(found, bytes([3] * 63 + [255] * 65))

    def test_arithmetic_coding(self) -> None:
        plain = without(picture(77, size=(32, 32), quality=50), DHT)
        *header, start, _, last = segments(with_header(plain, 1, 0xC9))
        scan = bytes.fromhex(
            "ff0071f35d03a603eeac737f79c7a72862cd32723ecbdae817b7020a7420f6c05d358d"
        )
        conditioning = segment(0xCC, bytes.fromhex("0010 1005 0110 1105"))

        found = encoded(b"".join((*header, conditioning, start, scan, last)))

        self.assertEqual(number_of(found), 77)

    def test_what_cannot_be_decoded(self) -> None:
        cases = {
            "12 bits per sample": with_header(picture(1), 4, 12),
            "coding process 5": with_header(picture(1), 1, 0xC5),
            "2 colour components": written((16, 16), parts((16, 16), ((1, 1), (1, 1))), ((0, 1),)),
        }
        for reason, jpeg in cases.items():
            error = self.assertRaises(UnsupportedJpegError, encoded, jpeg)
            self.assertEqual(str(error), reason)

    def test_too_large_is_scaled_in_proportion(self) -> None:
        for size, expected in {
            (4080, 1000): (2040, 500),
            (1000, 4080): (500, 2040),
            (2041, 2041): (2040, 2040),
            (8000, 40): (2040, 10),
            (8000, 1): (2040, 1),
        }.items():
            for mode in ("RGB", "L", "CMYK"):
                jpeg = saved(Image.new(mode, size))

                found = JpegImage.parse(encoded(jpeg))

                self.assertEqual((found.width, found.height), expected)

    def test_number_is_still_there_when_scaled(self) -> None:
        for size in ((2120, 640), (4200, 64)):
            self.assertEqual(number_of(encoded(picture(77, size=size))), 77)

    def test_size_stays_where_nothing_is_scaled(self) -> None:
        found = JpegImage.parse(encoded(picture(77, size=BIG), scales=False))

        self.assertEqual((found.width, found.height), BIG)

    def test_orientation_is_not_obeyed(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        jpeg = picture(77, subsampling="4:4:4", exif=exif.tobytes())

        found = encoded(jpeg)

        self.assertEqual(number_of(found), 77)
        self.assertEqual(shown(found).size, (64, 48))

    def test_comments_and_profiles_are_left_out(self) -> None:
        jpeg = picture(77, subsampling="4:4:4", comment=b"hello", icc_profile=bytes(100))

        codes = {part[1] for part in segments(encoded(jpeg))[:-2]}

        self.assertEqual(codes & {COM, APP1, 0xE2}, set())

    def test_end_may_be_missing(self) -> None:
        for jpeg in (picture(77, subsampling="4:4:4"), picture(77, size=BIG)):
            self.assertEqual(encoded(jpeg.removesuffix(EOI)), encoded(jpeg))

    def test_never_half(self) -> None:
        for jpeg in (picture(77, subsampling="4:4:4"), picture(77, size=BIG)):
            size = len(segments(jpeg)[-2])
            for cut in (4, size // 3, size * 2 // 3):
                self.assertRaises(BrokenJpegError, encoded, jpeg[:-cut])

    def test_damaged_headers(self) -> None:
        jpeg = picture(1, subsampling="4:4:4")
        for broken in (without(jpeg, DQT), with_header(jpeg, 10, 0x41), with_header(jpeg, 5, 0)):
            image = JpegImage.parse(jpeg)
            self.assertRaises(BrokenJpegError, encode, broken, image, scales=True)


class BareTests(SynchronousTestCase):
    def test_what_the_picture_needs_remains(self) -> None:
        jpeg = picture(1)
        decorated = with_segment(with_segment(jpeg, COM, b"hello"), APP1, b"Exif")
        adobe = (APP14, b"Adobe" + bytes(6) + b"\x01")

        self.assertEqual(bare(decorated), bare(jpeg))
        self.assertEqual(bare(bare(jpeg)), bare(jpeg))
        self.assertEqual(bare(with_segment(jpeg, *adobe)), with_segment(bare(jpeg), *adobe))
        self.assertEqual(shown(bare(jpeg)).tobytes(), shown(jpeg).tobytes())


class WeaveTests(SynchronousTestCase):
    def test_lines_alternate(self) -> None:
        black, white = (saved(Image.new("L", (32, 16), level), quality=95) for level in (0, 255))

        for fields, levels in (((black, white), (0, 255)), ((white, black), (255, 0))):
            woven = shown(weave(fields, JpegImage.parse(black), scales=True)).convert("L")

            self.assertEqual(woven.size, (32, 32))
            for line, level in zip(range(32), levels * 16, strict=True):
                self.assertAlmostEqual(woven.getpixel((5, line)), level, delta=12)

    def test_colours_of_each_line_are_its_own(self) -> None:
        field = picture(77, size=(64, 32))

        self.assertEqual(
            frame_of(weave((field, field), JpegImage.parse(field), scales=True)).type, 0
        )

    def test_a_field_twice(self) -> None:
        field = picture(77, size=(64, 32))

        woven = weave((field, field), JpegImage.parse(field), scales=True)

        self.assertEqual(number_of(woven), 77)
        self.assertEqual(frame_of(woven).quantization, frame_of(field).quantization)

    def test_too_large_is_scaled(self) -> None:
        field = picture(77, size=(2120, 64))

        for scales, expected in ((True, (2040, 123)), (False, (2120, 128))):
            found = shown(weave((field, field), JpegImage.parse(field), scales=scales))
            self.assertEqual(found.size, expected)

    def test_different_sizes(self) -> None:
        fields = picture(1, size=(64, 32)), picture(1, size=(64, 40))
        image = JpegImage.parse(fields[0])

        self.assertRaises(BrokenJpegError, weave, fields, image, scales=True)

    def test_second_field_is_not_decoded_before_its_size_is_known(self) -> None:
        field = picture(1, size=(64, 32))
        claims_more = with_header(with_header(field, 5, 65_000), 7, 65_000)

        error = self.assertRaises(
            BrokenJpegError, weave, (field, claims_more), JpegImage.parse(field), scales=True
        )

        self.assertEqual(str(error), "has fields of different sizes")

    def test_more_pixels_than_any_field(self) -> None:
        side = int(MAX_FIELD_PIXELS**0.5) + 1
        field = picture(1, size=(640, 480), quality=95)
        large = with_header(with_header(field, 5, side), 7, side)

        self.assertRaises(
            UnsupportedJpegError, weave, (large, large), JpegImage.parse(large), scales=True
        )


class SizeTests(SynchronousTestCase):
    def test_more_pixels_than_are_ever_decoded(self) -> None:
        plain, progressive = (
            picture(1),
            picture(1, progressive=True).replace(b"\xff\xc2", b"\xff\xc0"),
        )
        for jpeg, limit, coding in (
            (plain, MAX_PIXELS, 0xC0),
            (progressive, MAX_PIXELS_IN_PASSES, 0xC2),
        ):
            side = int(limit**0.5) + 1
            large = with_header(with_header(with_header(jpeg, 5, side), 7, side), 1, coding)

            error = self.assertRaises(UnsupportedJpegError, check_size, JpegImage.parse(large))

            self.assertEqual(str(error), f"{side}x{side} pixels are more than {limit}")

    def test_less_data_than_blocks(self) -> None:
        jpeg = with_header(with_header(picture(1), 5, 8000), 7, 8000)

        self.assertRaises(BrokenJpegError, check_size, JpegImage.parse(jpeg))

    def test_more_scans_than_any_encoder_writes(self) -> None:
        jpeg = written((8, 8), parts((8, 8), ((1, 1),)), ((0,),) * 51)

        self.assertRaises(BrokenJpegError, check_size, JpegImage.parse(jpeg))

    def test_memory(self) -> None:
        for a_pixel, jpeg in {
            8: picture(1),
            10: picture(1, mode="L", progressive=True),
            12: picture(1, mode="CMYK"),
            14: picture(1, progressive=True),
            28: with_segment(picture(1), 0xE0, b"AVI1\1" + bytes(9)),
        }.items():
            self.assertEqual(working_bytes(JpegImage.parse(jpeg)), 64 * 48 * a_pixel)
