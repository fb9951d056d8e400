"""Tests of `mjpegd.wire.jpeg_passes`."""

from itertools import product
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.test.coefficients import (
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
from mjpegd.test.pictures import picture
from mjpegd.wire.errors import BrokenJpegError
from mjpegd.wire.jpeg_segments import EOI
from mjpegd.wire.recode import recode


def progressive_grey() -> bytes:
    return picture(7, mode="L", progressive=True)


class PassesTests(SynchronousTestCase):
    """What is told in several passes becomes what is told at once."""

    def test_passes_of_libjpeg(self) -> None:
        for size, interval in product(((48, 32), (35, 25), (8, 9)), (0, 2)):
            jpeg = noise(size, progressive=True, restart_marker_blocks=interval)

            self.assertEqual(recode(jpeg), recode(noise(size)), (size, interval))

    def test_runs_of_empty_blocks(self) -> None:
        self.assertEqual(recode(picture(7, progressive=True)), recode(picture(7)))

    @given(st.integers(0, 1 << 32), st.sampled_from(SIZES), st.sampled_from((TYPE_0, TYPE_1)))
    def test_any_passes(self, seed: int, size: tuple[int, int], factors: Factors) -> None:
        found = parts(size, factors, seed)
        jpeg = progressive(size, found, list(passes(3, Random(seed))))

        self.assertEqual(recode(jpeg), recode(written(size, found)))


class BrokenTests(SynchronousTestCase):
    def broken(self, jpeg: bytes) -> str:
        return str(self.assertRaises(BrokenJpegError, recode, jpeg))

    def test_scans_in_an_impossible_order(self) -> None:
        jpeg = progressive_grey()
        start = jpeg.index(b"\xff\xda")
        head, passes = jpeg[:start], jpeg[start:].removesuffix(EOI)

        self.assertIn("order", self.broken(head + passes * 2 + EOI))
        for low in (b"\x20", b"\x21"):  # bits from 2 on were sent before, which is not so
            self.assertIn("order", self.broken(jpeg.replace(b"\x01\x05\x02", b"\x01\x05" + low)))

    def test_impossible_bands(self) -> None:
        jpeg = noise((16, 16), progressive=True)
        place = jpeg.index(b"\xff\xda") + 11  # of the first coefficient that the scan tells

        for band in (b"\x00\x01", b"\x05\x02", b"\x01\x40", b"\x01\x05"):
            self.broken(jpeg[:place] + band + jpeg[place + 2 :])

    def test_numbers_outside_of_their_band(self) -> None:
        header = bytes((1, 1, 0, 1, 5, 2))  # one component, coefficients 1 to 5
        self.assertIn(header, progressive_grey())

        self.broken(progressive_grey().replace(header, bytes((1, 1, 0, 1, 1, 2))))
