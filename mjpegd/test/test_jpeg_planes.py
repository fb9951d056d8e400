"""Tests of `mjpegd.wire.jpeg_planes`."""

from twisted.trial.unittest import SynchronousTestCase

from mjpegd.test.coefficients import FORMS, GREY, SIZES, TYPE_0, TYPE_1, parts, written
from mjpegd.wire.jpeg_codes import CHROMA, EMPTY, LUMA
from mjpegd.wire.jpeg_image import JpegImage
from mjpegd.wire.jpeg_planes import Plane, blocks, mcu_blocks, planes_of, scan_blocks


class PlaneTests(SynchronousTestCase):
    def test_begins_empty(self) -> None:
        plane = Plane(2, 2, 3, 4, CHROMA)

        self.assertEqual(plane.dc, [0] * 12)
        self.assertEqual(plane.ac, [EMPTY[CHROMA]] * 12)

    def test_those_of_a_picture_have_the_blocks_that_hold_its_pixels(self) -> None:
        for size in SIZES:
            for factors in (GREY, TYPE_0, *FORMS[TYPE_0], *FORMS[TYPE_1]):
                found = parts(size, factors)
                jpeg = written(size, found, (tuple(range(len(factors))),))

                planes = planes_of(JpegImage.parse(jpeg))

                self.assertEqual(
                    [(plane.across, plane.down, plane.wide, plane.high) for plane in planes],
                    [(part.across, part.down, len(part.rows[0]), len(part.rows)) for part in found],
                )
                kinds = [LUMA, CHROMA, CHROMA][: len(planes)]
                self.assertEqual([plane.kind for plane in planes], kinds)


class OrderTests(SynchronousTestCase):
    """Three blocks by two of luma, in MCUs of two by two, and two of chroma."""

    LUMA, CHROMA = Plane(2, 2, 3, 2, LUMA), Plane(1, 1, 2, 1, CHROMA)

    def test_one_component_is_told_row_by_row(self) -> None:
        self.assertEqual(list(blocks([self.LUMA])), [(0, number) for number in range(6)])

    def test_several_are_told_in_mcus(self) -> None:
        first = [(0, 0), (0, 1), (0, 3), (0, 4), (1, 0)]
        # What is beyond the right edge only fills the MCU.
        second = [(0, 2), (0, -1), (0, 5), (0, -1), (1, 1)]

        self.assertEqual(list(blocks([self.LUMA, self.CHROMA])), first + second)

    def test_what_is_below_the_picture_only_fills_the_mcu(self) -> None:
        flat = Plane(2, 2, 2, 1, LUMA)

        found = list(blocks([flat, self.CHROMA]))

        self.assertEqual(found[:5], [(0, 0), (0, 1), (0, -1), (0, -1), (1, 0)])

    def test_counts(self) -> None:
        for planes, in_mcu in (([self.LUMA], 1), ([self.LUMA, self.CHROMA], 5)):
            self.assertEqual(mcu_blocks(planes), in_mcu)
            self.assertEqual(scan_blocks(planes), len(list(blocks(planes))))
