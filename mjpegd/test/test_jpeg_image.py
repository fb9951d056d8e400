"""Tests of `mjpegd.wire.jpeg_image`."""

import contextlib
from dataclasses import replace

from hypothesis import given
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.test.odd_jpegs import (
    ADOBE_YCBCR,
    APP0,
    FRAMES,
    RESTARTS,
    filled,
    hostile,
    in_three_scans,
    many_segments,
    one_line_behind,
    without_eoi,
)
from mjpegd.test.pictures import (
    APP14,
    COM,
    DHT,
    DQT,
    DRI,
    SOF0,
    picture,
    segment,
    segments,
    with_segment,
    without,
)
from mjpegd.wire.errors import BrokenJpegError
from mjpegd.wire.jpeg_frame import STANDARD_HUFFMAN
from mjpegd.wire.jpeg_image import Component, JpegImage, ScanComponent
from mjpegd.wire.jpeg_segments import EOI, SOI


class JpegHeaderTests(SynchronousTestCase):
    def test_sampling(self) -> None:
        header = JpegImage.parse(picture(1, subsampling="4:2:0")).header

        self.assertEqual(header.sampling, ((2, 2), (1, 1), (1, 1)))

    def test_tables_of_components(self) -> None:
        whole = JpegImage.parse(picture(1)).header
        bare = JpegImage.parse(without(picture(1), DQT)).header

        luma, chroma = whole.quantization[0], whole.quantization[1]
        self.assertEqual(whole.component_tables, [luma, chroma, chroma])
        self.assertEqual(bare.component_tables, [b""] * 3)

    def test_rgb(self) -> None:
        no_transform = with_segment(picture(1), APP14, ADOBE_YCBCR[:-1] + b"\0")
        named = picture(1, subsampling="4:4:4", keep_rgb=True)
        cases = (
            (picture(1), False),
            (with_segment(picture(1), APP14, ADOBE_YCBCR), False),
            (no_transform, True),
            (without(named, APP14), True),
            (with_segment(without(named, APP14), APP14, ADOBE_YCBCR), False),
            (picture(1, mode="CMYK"), False),
        )
        for number, (jpeg, is_rgb) in enumerate(cases):
            self.assertIs(JpegImage.parse(jpeg).header.is_rgb, is_rgb, number)


class JpegImageTests(SynchronousTestCase):
    def test_baseline(self) -> None:
        image = JpegImage.parse(picture(1, size=(64, 48), subsampling="4:2:2"))

        header = image.header
        self.assertEqual((image.width, image.height, image.scans), (64, 48, 1))
        self.assertEqual((header.precision, header.coding), (8, 0))
        self.assertEqual(
            header.components, (Component(1, 2, 1, 0), Component(2, 1, 1, 1), Component(3, 1, 1, 1))
        )
        self.assertEqual(
            header.scan_components,
            (ScanComponent(1, 0, 0), ScanComponent(2, 1, 1), ScanComponent(3, 1, 1)),
        )
        self.assertEqual(
            {key: len(table) for key, table in header.quantization.items()}, {0: 64, 1: 64}
        )
        self.assertEqual(header.huffman, STANDARD_HUFFMAN)
        self.assertEqual((header.restart_interval, header.adobe_transform), (0, None))

    def test_scan_ends_where_eoi_was_or_should_be(self) -> None:
        scan = segments(RESTARTS)[-2]
        for end in (b"", EOI, EOI + b"more", EOI + RESTARTS, RESTARTS, segment(COM, b"") + EOI):
            self.assertEqual(JpegImage.parse(without_eoi(RESTARTS) + end).scan, scan)

    def test_restart_interval(self) -> None:
        self.assertEqual(JpegImage.parse(RESTARTS).header.restart_interval, 2)

    def test_fill_bytes_do_not_matter(self) -> None:
        plain, with_fill = JpegImage.parse(picture(1)), JpegImage.parse(filled(picture(1)))

        self.assertEqual(replace(with_fill, scan=plain.scan), plain)
        self.assertEqual(with_fill.scan.tobytes().rstrip(b"\xff"), plain.scan)

    def test_tables_in_one_segment(self) -> None:
        merged = without(picture(1), DQT, DHT)
        for code in (DQT, DHT):
            bodies = [part[4:] for part in segments(picture(1)) if part[1:2] == bytes((code,))]
            merged = with_segment(merged, code, b"".join(bodies))

        self.assertEqual(JpegImage.parse(merged), JpegImage.parse(picture(1)))

    def test_16_bit_tables(self) -> None:
        image = JpegImage.parse(with_segment(picture(1), DQT, b"\x13" + bytes(range(128))))

        self.assertEqual(image.header.quantization[3], bytes(range(128)))

    def test_progressive(self) -> None:
        image = JpegImage.parse(picture(1, progressive=True))

        self.assertEqual(image.header.coding, 2)
        self.assertGreater(image.scans, 5)

    def test_scans_are_counted_as_far_as_they_can_be_read(self) -> None:
        data = without_eoi(in_three_scans(picture(1)))

        self.assertEqual(JpegImage.parse(data).scans, 3)
        self.assertEqual(JpegImage.parse(data + b"\xff\xda\x10\x00").scans, 3)

    def test_adobe_segment(self) -> None:
        jpeg = with_segment(picture(1), APP14, ADOBE_YCBCR)

        self.assertEqual(JpegImage.parse(jpeg).header.adobe_transform, 1)
        self.assertEqual(JpegImage.parse(picture(1, mode="CMYK")).header.adobe_transform, 0)

    def test_other_application_segment_14(self) -> None:
        for body in (b"", b"Adobe", b"Other\x00\x64\x00\x00\x00\x00\x01"):
            jpeg = with_segment(picture(1), APP14, body)
            self.assertIsNone(JpegImage.parse(jpeg).header.adobe_transform)

    def test_field_of_an_interlaced_frame(self) -> None:
        for polarity, is_field in ((b"\0", False), (b"\1", True), (b"\2", True), (b"", False)):
            jpeg = with_segment(picture(1), APP0, b"AVI1" + polarity)
            self.assertIs(JpegImage.parse(jpeg).header.is_field, is_field)

    def test_what_looks_like_the_last_segment_in_a_comment_is_a_comment(self) -> None:
        for length in (b"\x00\x02", b"\x00\x08", b"\x04\x00", b"\x0f\xff", b"\xff\xff"):
            commented = with_segment(picture(1), COM, b"\xff\xda" + length + b"comment")

            self.assertEqual(JpegImage.parse(commented), JpegImage.parse(picture(1)), length)

    def test_frames_with_one_header_have_their_own_data(self) -> None:
        frames = [picture(number) for number in range(1, 4)]
        again = [bytes(bytearray(frame)) for frame in frames]

        scans = [bytes(JpegImage.parse(frame).scan) for frame in frames]

        self.assertEqual(len(set(scans)), 3)
        self.assertEqual([bytes(JpegImage.parse(frame).scan) for frame in again], scans)

    def test_frames_share_what_their_header_tells(self) -> None:
        first, second = (JpegImage.parse(picture(number)) for number in (1, 2))

        self.assertIs(first.header, second.header)

    def test_number_of_lines_told_at_the_end(self) -> None:
        self.assertEqual(JpegImage.parse(one_line_behind(picture(1))).height, 48)

    def test_broken(self) -> None:
        jpeg = picture(1)
        cases = {
            "does not begin with SOI": b"\x00" + jpeg,
            "cut off or damaged in its header": jpeg[:100],
            "no segment may begin with the marker FF D9": SOI + EOI,
            "has no picture data": b"".join(segments(jpeg)[:-2]) + EOI,
            "has 0 frame headers": without(jpeg, SOF0),
            "has 2 frame headers": with_segment(jpeg, SOF0, segments(jpeg)[4][4:]),
            "claims a size of 0x0 pixels": FRAMES["no pixels"],
            "has a malformed segment in its header": with_segment(jpeg, DQT, b"\x00" + bytes(63)),
        }
        for reason, data in cases.items():
            with self.assertRaisesRegex(BrokenJpegError, f"^{reason}$"):
                JpegImage.parse(data)

    def test_more_segments_than_any_encoder_writes(self) -> None:
        for place in (2, -1):
            with self.assertRaisesRegex(BrokenJpegError, "more segments"):
                JpegImage.parse(many_segments(picture(1), place))

    def test_malformed_segments(self) -> None:
        jpeg = picture(1)
        frame_header = next(part[4:] for part in segments(jpeg) if part[1] == SOF0)
        scan_header = segments(jpeg)[-3][4:]
        cases = [
            with_segment(jpeg, DQT, b"\x10" + bytes(127)),
            with_segment(jpeg, DHT, b"\x00" + bytes(10)),
            with_segment(jpeg, DHT, b"\x00" + b"\x01" * 16 + bytes(15)),
            with_segment(jpeg, DRI, b"\x01"),
            jpeg.replace(frame_header, b"\x08\x00\x30\x00\x40\x00" + frame_header[6:]),
            jpeg.replace(frame_header, b"\x08\x00\x30\x00\x40\x05" + frame_header[6:]),
            jpeg.replace(frame_header, b"\x08\x00\x30\x00\x40\x04" + frame_header[6:]),
            jpeg.replace(frame_header, frame_header[:7] + b"\x02" + frame_header[8:]),
            jpeg.replace(frame_header, frame_header[:7] + b"\x25" + frame_header[8:]),
            jpeg.replace(scan_header, b"\x05" + scan_header[1:]),
            with_segment(without(jpeg, SOF0), SOF0, b""),
        ]
        for data in cases:
            self.assertRaises(BrokenJpegError, JpegImage.parse, data)

    @given(hostile())
    def test_anything(self, data: bytes) -> None:
        with contextlib.suppress(BrokenJpegError):
            JpegImage.parse(data)
