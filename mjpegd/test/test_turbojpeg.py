"""Tests of `mjpegd.pictures.turbojpeg`, where libjpeg-turbo's transform is installed."""

import os
from itertools import product
from random import Random
from unittest import SkipTest

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.pictures.turbojpeg import TurboJpeg
from mjpegd.test.coefficients import (
    FORMS,
    GREY,
    SIZES,
    TYPE_0,
    TYPE_1,
    Factors,
    noise,
    parts,
    passes,
    progressive,
    written,
)
from mjpegd.test.pictures import DQT, picture, with_segment, without
from mjpegd.wire.errors import BrokenJpegError, UnsupportedJpegError
from mjpegd.wire.jpeg_frame import rtp_frame
from mjpegd.wire.jpeg_image import JpegImage
from mjpegd.wire.jpeg_segments import EOI
from mjpegd.wire.recode import recode

REQUIRE_TOOLS = "MJPEGD_REQUIRE_TOOLS"

# All entries are 256.
WIDE_TABLES = b"\x10" + b"\x01\x00" * 64 + b"\x11" + b"\x01\x00" * 64


class FindTests(SynchronousTestCase):
    def test_no_such_library(self) -> None:
        self.assertIsNone(TurboJpeg.find(["libnothing.so.0"]))

    def test_another_library(self) -> None:
        self.assertIsNone(TurboJpeg.find(["libc.so.6"]))


class TurboJpegTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        found = TurboJpeg.find()
        if found is None and os.environ.get(REQUIRE_TOOLS):
            self.fail("libturbojpeg is not installed")
        if found is None:
            raise SkipTest("libturbojpeg is not installed")
        self.library = found

    def check(self, jpeg: bytes) -> None:
        """The library says the same as the reference."""
        coded, expected = (JpegImage.parse(way(jpeg)) for way in (self.library.recode, recode))

        self.assertEqual((coded.width, coded.height), (expected.width, expected.height))
        self.assertEqual(rtp_frame(coded, any_size=True), rtp_frame(expected, any_size=True))

    def test_what_libjpeg_writes(self) -> None:
        ways: tuple[dict[str, bool | int], ...] = (
            {"optimize": True},
            {"progressive": True},
            {"restart_marker_blocks": 3},
        )
        for size, subsampling, options in product(SIZES, ("4:2:0", "4:2:2"), ways):
            self.check(noise(size, subsampling=subsampling, **options))

    def test_more_than_2040_pixels(self) -> None:
        for subsampling in ("4:2:0", "4:2:2"):
            self.check(noise((2041, 9), subsampling=subsampling, optimize=True))
        self.check(picture(1, (2041, 33), mode="L"))

    @given(
        st.integers(0, 1 << 32),
        st.tuples(st.integers(1, 40), st.integers(1, 40)),
        st.sampled_from((TYPE_0, TYPE_1, FORMS[TYPE_0][0])),
        st.sampled_from((((0, 1, 2),), ((0,), (1,), (2,)), ((0,), (1, 2)))),
        st.integers(0, 3),
    )
    def test_any_coefficients(
        self,
        seed: int,
        size: tuple[int, int],
        factors: Factors,
        scans: tuple[tuple[int, ...], ...],
        interval: int,
    ) -> None:
        self.check(written(size, parts(size, factors, seed), scans, interval))

    @given(
        st.integers(0, 1 << 32),
        st.tuples(st.integers(1, 40), st.integers(1, 40)),
        st.sampled_from((TYPE_0, TYPE_1, FORMS[TYPE_0][0], GREY)),
    )
    def test_any_passes(self, seed: int, size: tuple[int, int], factors: Factors) -> None:
        script = list(passes(len(factors), Random(seed)))

        self.check(progressive(size, parts(size, factors, seed), script))

    def test_grey(self) -> None:
        for size in SIZES:
            self.check(written(size, parts(size, GREY), ((0,),)))

    def test_missing_eoi_and_trailing_garbage(self) -> None:
        jpeg = noise((64, 48), optimize=True)

        self.check(jpeg.removesuffix(EOI))
        self.check(jpeg + b"garbage")

    def test_damage(self) -> None:
        jpeg = noise((64, 48))

        self.assertRaises(BrokenJpegError, self.library.recode, jpeg[: len(jpeg) // 2])

    def test_what_cannot_be_done(self) -> None:
        rough = with_segment(without(picture(1), DQT), DQT, WIDE_TABLES)
        large = (picture(1, size, mode="L") for size in ((4096, 2312), (3000, 2100)))
        for jpeg in (picture(1, subsampling="4:4:4"), *large, rough):
            self.assertRaises(UnsupportedJpegError, self.library.recode, jpeg)
