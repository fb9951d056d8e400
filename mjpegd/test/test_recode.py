"""Tests of `mjpegd.wire.recode`."""

import contextlib
from collections.abc import Sequence
from io import BytesIO
from itertools import product

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.test.coefficients import (
    FORMS,
    GREY,
    SIZES,
    TABLES,
    TYPE_0,
    TYPE_1,
    Factors,
    Part,
    noise,
    packed,
    parts,
    written,
)
from mjpegd.test.pictures import (
    APP14,
    DHT,
    DQT,
    SOF0,
    image,
    picture,
    segment,
    segments,
    with_segment,
    without,
)
from mjpegd.wire.errors import BrokenJpegError, JpegError, UnsupportedJpegError
from mjpegd.wire.jpeg_frame import JpegFrame, rtp_frame
from mjpegd.wire.jpeg_image import JpegImage
from mjpegd.wire.jpeg_segments import EOI
from mjpegd.wire.recode import MAX_SCANS, MAX_WORK, blank, recode


def frame_of(jpeg: bytes) -> JpegFrame:
    """What RTP carries of a JPEG as it is."""
    return rtp_frame(JpegImage.parse(jpeg), any_size=True)


def pixels(jpeg: bytes) -> bytes:
    return Image.open(BytesIO(jpeg)).convert("RGB").tobytes()


PLAIN_AND_PROGRESSIVE: tuple[dict[str, bool], ...] = ({}, {"progressive": True})


def progressive_grey() -> bytes:
    return picture(7, mode="L", progressive=True)


def grey_block(coded: str) -> bytes:
    """A JPEG of one block of no brightness and these AC coefficients, in `AC_TABLE`'s code."""
    *header, _, last = segments(written((8, 8), parts((8, 8), GREY), ((0,),)))
    return b"".join((*header, packed("00000000" + coded), last))


class LibjpegTests(SynchronousTestCase):
    """What libjpeg writes in several ways becomes what it writes with the tables of annex K."""

    def check(self, **options: bool | int | str) -> None:
        for size, subsampling in product(((48, 32), (35, 25), (8, 9)), ("4:2:0", "4:2:2")):
            plain = noise(size, subsampling=subsampling)

            jpeg = recode(noise(size, subsampling=subsampling, **options))

            self.assertEqual(frame_of(jpeg), frame_of(plain), (size, subsampling))
            image = JpegImage.parse(jpeg)
            self.assertEqual((image.width, image.height), size)

    def test_plain(self) -> None:
        self.check()

    def test_optimized_tables(self) -> None:
        self.check(optimize=True)

    def test_progressive(self) -> None:
        self.check(progressive=True)

    def test_restart_markers(self) -> None:
        self.check(restart_marker_blocks=3)

    def test_grey_becomes_colourless(self) -> None:
        for size in ((64, 48), (40, 56)):
            grey, file = image(5, size).convert("L"), BytesIO()
            grey.convert("RGB").save(file, "JPEG", quality=75, subsampling="4:2:0")

            frame = frame_of(recode(picture(5, size, mode="L", optimize=True)))

            self.assertEqual(frame.scan, frame_of(file.getvalue()).scan)
            self.assertEqual((frame.type, frame.width, frame.height), (1, *size))
            self.assertEqual(frame.quantization[:64], frame.quantization[64:])

    def test_without_huffman_tables(self) -> None:
        self.assertEqual(recode(without(picture(3), DHT)), recode(picture(3)))

    def test_missing_eoi_and_trailing_garbage(self) -> None:
        plain = picture(3)

        self.assertEqual(recode(plain.removesuffix(EOI)), recode(plain))
        self.assertEqual(recode(plain + b"garbage"), recode(plain))

    def test_fill_bytes(self) -> None:
        data = picture(3, restart_marker_blocks=2)
        *header, scan, last = segments(data)
        for code in range(0xD0, 0xD8):
            scan = scan.replace(b"\xff%c" % code, b"\xff\xff\xff%c" % code)

        filled = b"".join((*header, scan, b"\xff", last))

        self.assertEqual(recode(filled), recode(picture(3)))


class FormTests(SynchronousTestCase):
    """Other ways to write the same coefficients."""

    def check(self, size: tuple[int, int], jpeg: bytes, found: Sequence[Part]) -> None:
        expected = written(size, found)

        coded = recode(jpeg)

        self.assertEqual(coded, recode(expected))
        self.assertEqual(frame_of(coded).quantization, TABLES[1:65] + TABLES[66:])
        self.assertEqual(pixels(coded), pixels(expected))

    def test_sampling_factors_of_the_same_ratio(self) -> None:
        for size, (plain, forms) in product(SIZES, FORMS.items()):
            for form in forms:
                self.check(size, written(size, parts(size, form)), parts(size, plain))

    def test_several_scans(self) -> None:
        for size, factors in product(SIZES, FORMS):
            found = parts(size, factors)
            for scans in (((0,), (1,), (2,)), ((0,), (1, 2)), ((2,), (0, 1))):
                self.check(size, written(size, found, scans), found)

    def test_restart_markers_in_several_scans(self) -> None:
        found = parts((40, 24), TYPE_1)
        jpeg = written((40, 24), found, ((0,), (1,), (2,)), interval=1)
        self.check((40, 24), jpeg, found)

    def test_identifiers_of_components(self) -> None:
        found = parts((40, 24), TYPE_0)
        jpeg = written((40, 24), found, identifiers=b"\x00\x22\x11")
        self.check((40, 24), jpeg, found)

    def test_grey_of_any_factors(self) -> None:
        for factors in ((1, 1), (2, 1), (2, 2)):
            grey = written((17, 9), parts((17, 9), (factors,)), ((0,),))
            plain = written((17, 9), parts((17, 9), GREY), ((0,),))
            self.assertEqual(recode(grey), recode(plain))

    def test_zeros_that_nothing_follows_are_left_out(self) -> None:
        end, zeros, number = "00000000", "11110000", "11100001" + "1"  # 14 zeros and a 1
        cases = {
            zeros * 3 + end: end,
            number + zeros * 3: number + end,  # to the end of the block
            number + zeros * 2 + end: number + end,
        }

        for coded, short in cases.items():
            self.assertEqual(recode(grey_block(coded)), recode(grey_block(short)), coded)

    def test_wide_quantization_tables_are_narrowed(self) -> None:
        jpeg = written((40, 24), parts((40, 24), TYPE_1))
        wide = b"".join(
            b"%c" % (0x10 | number) + b"".join(b"\0%c" % entry for entry in table)
            for number, table in enumerate((TABLES[1:65], TABLES[66:]))
        )

        coded = recode(jpeg.replace(segment(DQT, TABLES), segment(DQT, wide)))

        self.assertEqual(coded, recode(jpeg))

    def test_more_than_2040_pixels(self) -> None:
        jpeg = noise((2041, 9), optimize=True)

        self.assertEqual(frame_of(recode(jpeg)), frame_of(noise((2041, 9))))

    @given(
        st.integers(0, 1 << 32),
        st.tuples(st.integers(1, 40), st.integers(1, 40)),
        st.sampled_from(list(FORMS)),
        st.integers(0, 3),
    )
    def test_any_coefficients(
        self, seed: int, size: tuple[int, int], plain: Factors, form: int
    ) -> None:
        other = (plain, *FORMS[plain])[form]
        jpeg = written(size, parts(size, other, seed), interval=form)

        self.check(size, jpeg, parts(size, plain, seed))


class BlankTests(SynchronousTestCase):
    """A picture's shape without its content."""

    def test_is_what_is_made_of_an_empty_one(self) -> None:
        for size, factors in product(SIZES, (TYPE_0, *FORMS[TYPE_0], *FORMS[TYPE_1], GREY)):
            found = parts(size, factors)
            empty = [
                Part(part.across, part.down, [[[0] * 64 for _ in row] for row in part.rows])
                for part in found
            ]
            scans = (tuple(range(len(factors))),)

            jpeg = blank(JpegImage.parse(written(size, found, scans)))

            self.assertEqual(jpeg, recode(written(size, empty, scans)))

    def test_refuses_what_cannot_be_coded(self) -> None:
        jpeg = picture(1, subsampling="4:4:4")

        self.assertRaises(UnsupportedJpegError, blank, JpegImage.parse(jpeg))


class RefusalTests(SynchronousTestCase):
    """What is damaged, and what cannot be done without loss."""

    def unsupported(self, jpeg: bytes) -> str:
        return str(self.assertRaises(UnsupportedJpegError, recode, jpeg))

    def broken(self, jpeg: bytes) -> str:
        return str(self.assertRaises(BrokenJpegError, recode, jpeg))

    def test_other_sampling(self) -> None:
        self.assertIn("sampling", self.unsupported(picture(1, subsampling="4:4:4")))
        for factors in (((2, 2), (1, 1), (1, 2)), ((2, 2), (1, 1), (2, 1))):
            self.unsupported(written((8, 8), parts((8, 8), factors)))

    def test_other_colours(self) -> None:
        self.assertIn("colours", self.unsupported(picture(1, mode="CMYK")))
        adobe = with_segment(picture(1), APP14, b"Adobe" + bytes(7))
        self.assertIn("colours", self.unsupported(adobe))

    def test_other_precision_and_coding(self) -> None:
        twelve = picture(1).replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c")
        self.assertIn("12 bits", self.unsupported(twelve))
        arithmetic = picture(1).replace(b"\xff\xc0\x00\x11", b"\xff\xc9\x00\x11")
        self.assertIn("coding", self.unsupported(arithmetic))

    def test_different_tables_for_chroma(self) -> None:
        first, *header, scan, last = segments(picture(1))
        header = [part[:-1] + b"\x00" if part[1] == SOF0 else part for part in header]
        self.assertIn("Cb and Cr", self.unsupported(b"".join((first, *header, scan, last))))

    def test_wide_quantization_tables(self) -> None:
        wide = b"\x10" + b"\x01\x00" * 64 + b"\x11" + b"\x01\x00" * 64
        jpeg = written((8, 8), parts((8, 8), TYPE_1)).replace(
            segment(DQT, TABLES), segment(DQT, wide)
        )
        self.assertIn("16-bit", self.unsupported(jpeg))

    def test_absurd_sizes_are_refused_unseen(self) -> None:
        jpeg = picture(1)
        sides = b"\x00\x30\x00\x40"
        self.assertIn("pixels", self.unsupported(jpeg.replace(sides, b"\xff\xff\xff\xff")))

    def test_too_much_to_look_at_in_time(self) -> None:
        sides, large = b"\x00\x30\x00\x40", b"\x05\x00\x05\x00"
        passes = picture(1, progressive=True).replace(sides, large)

        for jpeg in (picture(1) + bytes(MAX_WORK), passes):
            self.assertIn("too large", self.unsupported(jpeg))
        self.broken(picture(1).replace(sides, large))

    def test_truncation(self) -> None:
        for options in PLAIN_AND_PROGRESSIVE:
            jpeg = noise((64, 48), **options)
            self.broken(jpeg[: len(jpeg) // 2])

    def test_last_byte_missing(self) -> None:
        for options in PLAIN_AND_PROGRESSIVE:
            data = noise((64, 48), **options).removesuffix(EOI)
            self.broken(data[:-2])

    def test_component_without_a_scan(self) -> None:
        jpeg = written((8, 8), parts((8, 8), TYPE_1), ((0,), (1,)))
        self.assertIn("lacks", self.broken(jpeg))

    def test_component_in_two_scans(self) -> None:
        self.broken(written((8, 8), parts((8, 8), TYPE_1), ((0,), (0, 1, 2))))
        self.broken(written((8, 8), parts((8, 8), TYPE_1), ((0, 0, 1, 2),)))

    def test_more_scans_than_any_encoder_writes(self) -> None:
        jpeg = progressive_grey()
        *header, scan = jpeg.split(b"\xff\xda")[:2]
        scan = b"\xff\xda" + scan[: scan.index(b"\xff")]

        self.assertIn("more scans", self.broken(header[0] + scan * (MAX_SCANS + 1) + EOI))

    @given(
        st.sampled_from(
            [
                noise((24, 24)),
                noise((24, 24), progressive=True),
                noise((24, 24), optimize=True, subsampling="4:2:2", restart_marker_blocks=1),
                written((24, 24), parts((24, 24), FORMS[TYPE_0][0]), ((0,), (1, 2))),
            ]
        ),
        st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
        st.floats(0.2, 1),
    )
    def test_damage_is_named_and_nothing_else(
        self, jpeg: bytes, changes: list[tuple[float, int]], kept: float
    ) -> None:
        data = bytearray(jpeg)
        for place, value in changes:
            data[int(place * len(data))] = value

        with contextlib.suppress(JpegError):
            coded = recode(bytes(data[: int(kept * len(data))]))
            self.assertEqual(recode(coded), coded)
