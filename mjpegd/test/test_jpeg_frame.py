"""Tests of `mjpegd.wire.jpeg_frame`."""

import contextlib
from dataclasses import replace
from typing import Any

from hypothesis import given
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.test.odd_jpegs import RESTARTS, hostile, in_three_scans
from mjpegd.test.pictures import APP14, DQT, picture, segments, with_segment, without
from mjpegd.wire.errors import JpegError, UnsupportedJpegError
from mjpegd.wire.jpeg_frame import STANDARD_HUFFMAN, rtp_frame
from mjpegd.wire.jpeg_image import JpegImage, ScanComponent
from mjpegd.wire.jpeg_segments import MAX_FRAME_BYTES


def with_header(image: JpegImage, **changes: Any) -> JpegImage:  # as `replace` declares them
    return replace(image, header=replace(image.header, **changes))


class RtpFrameTests(SynchronousTestCase):
    def test_4_2_0(self) -> None:
        image = JpegImage.parse(picture(1, size=(64, 48)))

        frame = rtp_frame(image)

        self.assertEqual((frame.type, frame.width, frame.height), (1, 64, 48))
        self.assertEqual(
            frame.quantization, image.header.quantization[0] + image.header.quantization[1]
        )
        self.assertEqual(frame.scan, segments(picture(1))[-2])

    def test_4_2_2(self) -> None:
        self.assertEqual(rtp_frame(JpegImage.parse(picture(1, subsampling="4:2:2"))).type, 0)

    def test_size_is_rounded_up(self) -> None:
        frame = rtp_frame(JpegImage.parse(picture(1, size=(33, 41))))

        self.assertEqual((frame.width, frame.height), (40, 48))

    def test_largest_size(self) -> None:
        for size in ((2040, 32), (32, 2040)):
            frame = rtp_frame(JpegImage.parse(picture(1, size=size)))
            self.assertEqual((frame.width, frame.height), size)

    def test_what_is_sent_as_it_is(self) -> None:
        image = JpegImage.parse(picture(1))
        luma, blue, red = image.header.components
        same = rtp_frame(image)
        swapped_tables = with_header(
            image,
            components=(replace(luma, table=1), replace(blue, table=0), replace(red, table=0)),
            quantization={0: image.header.quantization[1], 1: image.header.quantization[0]},
        )
        swapped_huffman = with_header(
            image,
            scan_components=(
                ScanComponent(1, 1, 1),
                ScanComponent(2, 0, 0),
                ScanComponent(3, 0, 0),
            ),
            huffman={
                (kind, 1 - name): table for (kind, name), table in image.header.huffman.items()
            },
        )
        other_names = with_header(
            image,
            components=(replace(luma, identifier=7), replace(blue, identifier=0), red),
            scan_components=(
                ScanComponent(7, 0, 0),
                ScanComponent(0, 1, 1),
                ScanComponent(3, 1, 1),
            ),
        )
        equal_tables = with_header(
            image,
            components=(luma, blue, replace(red, table=2)),
            quantization={**image.header.quantization, 2: image.header.quantization[1]},
        )
        for case in (
            swapped_tables,
            swapped_huffman,
            other_names,
            equal_tables,
            with_header(image, huffman={}),
            with_header(image, coding=1),
            with_header(image, adobe_transform=1),
        ):
            self.assertEqual(rtp_frame(case), same)

    def test_one_table_for_all_is_doubled(self) -> None:
        image = JpegImage.parse(picture(1))
        one = with_header(
            image, components=tuple(replace(part, table=0) for part in image.header.components)
        )

        self.assertEqual(rtp_frame(one).quantization, image.header.quantization[0] * 2)

    def test_16_bit_tables_are_narrowed_where_they_can_be(self) -> None:
        image = JpegImage.parse(picture(1))
        wide = {
            name: b"".join(b"\0%c" % entry for entry in table)
            for name, table in image.header.quantization.items()
        }

        self.assertEqual(rtp_frame(with_header(image, quantization=wide)), rtp_frame(image))

    def test_restart_interval(self) -> None:
        self.assertEqual(rtp_frame(JpegImage.parse(RESTARTS)).restart_interval, 2)

    def test_any_size(self) -> None:
        for size, told in (((33, 41), (40, 48)), ((2041, 32), (0, 0)), ((32, 2041), (0, 0))):
            frame = rtp_frame(JpegImage.parse(picture(1, size=size)), any_size=True)
            self.assertEqual((frame.width, frame.height), told)

    def test_obstacles_in_files(self) -> None:
        cases = {
            "progressive": picture(1, progressive=True),
            "greyscale": picture(1, mode="L"),
            "CMYK colours": picture(1, mode="CMYK"),
            "RGB colours": with_segment(picture(1), APP14, b"Adobe" + bytes(7)),
            "4:4:4 sampling": picture(1, subsampling="4:4:4"),
            "more than one scan": in_three_scans(picture(1)),
            "wider than 2040 pixels": picture(1, size=(2041, 32)),
            "higher than 2040 pixels": picture(1, size=(32, 2041)),
            "no quantization tables": without(picture(1), DQT),
            "its own Huffman tables": picture(1, optimize=True),
        }
        for reason, jpeg in cases.items():
            self.assert_obstacle(JpegImage.parse(jpeg), reason)

    def test_obstacles_in_headers(self) -> None:
        image = JpegImage.parse(picture(1))
        luma, blue, red = image.header.components
        own_tables = {**image.header.quantization, 2: bytes(64)}
        wide_tables = {0: image.header.quantization[0], 1: b"\1\0" * 64}
        cases = [
            ("lossless", with_header(image, coding=3)),
            ("arithmetic coding", with_header(image, coding=9)),
            ("coding process 5", with_header(image, coding=5)),
            ("12 bits per sample", with_header(image, precision=12)),
            ("2 colour components", with_header(image, components=(luma, blue))),
            (
                "RGB colours",
                with_header(
                    image,
                    components=tuple(
                        replace(part, identifier=name)
                        for part, name in zip(image.header.components, b"RGB", strict=True)
                    ),
                ),
            ),
            (
                "more than one scan",
                with_header(image, scan_components=image.header.scan_components[:1]),
            ),
            ("more than 16 MiB of data", replace(image, scan=memoryview(bytes(MAX_FRAME_BYTES)))),
            (
                "different quantization tables for Cb and Cr",
                with_header(
                    image, components=(luma, blue, replace(red, table=2)), quantization=own_tables
                ),
            ),
            ("16-bit quantization tables", with_header(image, quantization=wide_tables)),
            (
                "its own Huffman tables",
                with_header(image, huffman={(1, 1): STANDARD_HUFFMAN[1, 0]}),
            ),
        ]
        for reason, case in cases:
            self.assert_obstacle(case, reason)

    def test_sampling_obstacles(self) -> None:
        cases = [
            ("4:2:2 sampling written as 2x2, 1x2, 1x2", ((2, 2), (1, 2), (1, 2))),
            ("4:2:0 sampling written as 4x4, 2x2, 2x2", ((4, 4), (2, 2), (2, 2))),
            ("4:4:0 sampling", ((1, 2), (1, 1), (1, 1))),
            ("4:1:1 sampling", ((4, 1), (1, 1), (1, 1))),
            ("4:1:0 sampling", ((4, 2), (1, 1), (1, 1))),
            ("unusual sampling", ((2, 2), (1, 1), (2, 1))),
            ("unusual sampling", ((3, 1), (1, 1), (1, 1))),
        ]
        image = JpegImage.parse(picture(1))
        for reason, factors in cases:
            components = tuple(
                replace(part, horizontal=across, vertical=down)
                for part, (across, down) in zip(image.header.components, factors, strict=True)
            )
            self.assert_obstacle(with_header(image, components=components), reason)

    @given(hostile())
    def test_anything(self, data: bytes) -> None:
        with contextlib.suppress(JpegError):
            rtp_frame(JpegImage.parse(data))

    def assert_obstacle(self, image: JpegImage, reason: str) -> None:
        with self.assertRaises(UnsupportedJpegError) as caught:
            rtp_frame(image)
        self.assertEqual(str(caught.exception), reason)
