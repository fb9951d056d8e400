"""Tests of `mjpegd.wire.jpeg_repairs`."""

import contextlib

from hypothesis import given
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.test.odd_jpegs import ADOBE_YCBCR, APP0, RESTARTS, hostile, without_eoi
from mjpegd.test.pictures import APP1, APP14, COM, DHT, DQT, picture, with_segment, without
from mjpegd.wire.errors import BrokenJpegError
from mjpegd.wire.jpeg_repairs import repairs


class RepairsTests(SynchronousTestCase):
    def test_nothing_to_repair(self) -> None:
        ycbcr = with_segment(picture(1), APP14, ADOBE_YCBCR)
        field = with_segment(without(picture(1), APP0), APP0, b"AVI1" + bytes(10))
        for jpeg in (picture(1), picture(1, mode="L"), ycbcr, field, RESTARTS):
            self.assertEqual(repairs(jpeg), ())

    def test_each(self) -> None:
        jpeg = picture(1)
        one_table = jpeg.replace(b"\x02\x11\x01\x03\x11\x01", b"\x02\x11\x00\x03\x11\x00")
        wide = b"\x10" + b"".join(b"\0%c" % entry for entry in range(1, 65))
        cases = {
            "one quantization table for all components": one_table,
            "16-bit quantization tables": with_segment(without(jpeg, DQT), DQT, wide),
            "no Huffman tables": without(jpeg, DHT),
            "application segments": with_segment(jpeg, APP1, b"Exif"),
            "comments": with_segment(jpeg, COM, b"a comment"),
            "fill bytes": jpeg[:2] + b"\xff" + jpeg[2:],
            "no end": without_eoi(jpeg),
            "bytes behind the end": jpeg + b"\n",
        }

        for phrase, damaged in cases.items():
            self.assertEqual(repairs(damaged), (phrase,))

    def test_several(self) -> None:
        jpeg = with_segment(picture(1, progressive=True), COM, b"a comment")

        self.assertEqual(repairs(without_eoi(jpeg)), ("comments", "no end"))

    def test_adobe_segment_that_tells_of_other_colours(self) -> None:
        self.assertEqual(repairs(picture(1, mode="CMYK")), ("application segments",))

    def test_broken(self) -> None:
        self.assertRaises(BrokenJpegError, repairs, picture(1)[:100])

    @given(hostile())
    def test_anything(self, data: bytes) -> None:
        with contextlib.suppress(BrokenJpegError):
            repairs(data)
