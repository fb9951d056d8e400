"""Tests of `mjpegd.wire.jpeg`."""

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.test.pictures import (
    APP1,
    APP14,
    COM,
    DHT,
    DNL,
    DQT,
    DRI,
    SOF0,
    picture,
    segment,
    segments,
    with_segment,
    without,
)
from mjpegd.wire.errors import BrokenJpegError, JpegError, UnsupportedJpegError
from mjpegd.wire.jpeg import (
    EOI,
    MAX_FRAME_BYTES,
    MAX_JUNK_BYTES,
    MAX_SEGMENTS,
    MAX_WALK_BYTES,
    SOI,
    STANDARD_HUFFMAN,
    Component,
    FrameSplitter,
    JpegImage,
    ScanComponent,
    Span,
    repairs,
    rtp_frame,
    split,
    tables,
    whole,
)

ADOBE_YCBCR = b"Adobe\x00\x64\x00\x00\x00\x00\x01"
APP0 = 0xE0
THUMBNAIL = picture(99, size=(32, 32))
RESTARTS = picture(8, restart_marker_blocks=2)


def filled(jpeg: bytes, count: int = 3) -> bytes:
    """A JPEG with fill bytes before each of its markers, also those within its data."""
    first, *header, scan, last = segments(jpeg)
    fill = b"\xff" * count
    for code in range(0xD0, 0xD8):
        scan = scan.replace(b"\xff%c" % code, fill + b"\xff%c" % code)
    return b"".join((first, *(fill + part for part in header), scan, fill, last))


def without_eoi(jpeg: bytes) -> bytes:
    return jpeg.removesuffix(EOI)


def one_line_behind(jpeg: bytes) -> bytes:
    """A JPEG whose height is told by DNL behind its scan."""
    first, *header, scan, last = segments(jpeg)
    header = [part[:5] + b"\x00\x00" + part[7:] if part[1] == SOF0 else part for part in header]
    return b"".join((first, *header, scan, segment(DNL, b"\x00\x30"), last))


def in_three_scans(jpeg: bytes) -> bytes:
    """A JPEG whose scan occurs three times, with tables in between."""
    first, *header, scan, last = segments(jpeg)
    return b"".join(
        (first, *header, scan, segment(COM, EOI), header[-1], scan, header[-1], scan, last)
    )


def many_segments(jpeg: bytes, place: int) -> bytes:
    """A JPEG with more segments than any encoder writes: in its header, or (-1) at its end."""
    parts = segments(jpeg)
    return b"".join((*parts[:place], segment(COM) * MAX_SEGMENTS, *parts[place:]))


# Frames that are found from SOI to their last byte.
FRAMES = {
    "plain": picture(1),
    "restart markers": RESTARTS,
    "fill bytes": filled(RESTARTS),
    "thumbnail": with_segment(picture(2), APP1, b"Exif\x00\x00" + THUMBNAIL),
    "markers in a comment": with_segment(picture(3), COM, EOI + SOI + b"\xff\xda\xff\xdb" + EOI),
    "no Huffman tables": without(picture(4), DHT),
    "no application segment": without(picture(4), 0xE0),
    "progressive": picture(5, progressive=True),
    "several scans": in_three_scans(picture(5)),
    "lines told at the end": one_line_behind(picture(6)),
    "no pixels": picture(7).replace(b"\x08\x00\x30\x00\x40\x03", b"\x08\x00\x00\x00\x00\x03"),
    "too many pixels": picture(7).replace(b"\x08\x00\x30\x00\x40\x03", b"\x08\xff\xff\xff\xff\x03"),
    "grey": picture(7, mode="L"),
    "restart marker where none is due": without(RESTARTS, DRI),
    "damaged data": without_eoi(picture(8)) + b"\xff\xe5\x00\x01\xff\x02\x00" + EOI,
}

# What is no frame, and hides none behind it.
GARBAGE = {
    "nothing": b"",
    "text": b"\r\n--boundary\r\nContent-Length: 5\r\n\r\n",
    "zeros": bytes(100),
    "ones": b"\xff" * 100,
    "half a SOI": b"\xff",
    "SOI": SOI,
    "EOI": EOI,
    "SOI before no marker": SOI + SOI + b"12",
    "only tables": SOI + tables(picture(1)) + EOI,
    "no frame header": without(picture(1), SOF0),
    "cut off in a segment": SOI + segment(APP1, bytes(60_000))[:100],
    "cut off before its data": without_eoi(picture(1, size=(32, 32)).partition(b"\xff\xda")[0]),
    "segment too short": SOI + b"\xff\xdb\x00\x01",
    "scan header too short": b"".join(segments(picture(1))[:-3]) + b"\xff\xda\x00\x00data",
    "reserved marker": SOI + b"\xff\x02\x00\x02",
    "restart marker in the header": SOI + b"\xff\xd0\x00\x02",
    "stuffing in the header": SOI + b"\xff\x00\x00\x02",
}


def spans_of(parts: Iterable[bytes]) -> list[Span]:
    """Where the frames are among parts that are either frames or garbage."""
    spans, offset = [], 0
    for part in parts:
        if part in FRAMES.values():
            spans.append(Span(offset, len(part), has_tables=True))
        offset += len(part)
    return spans


def fed(pieces: Iterable[bytes]) -> list[Span]:
    splitter = FrameSplitter()
    return [span for piece in pieces for span in splitter.feed(piece)] + splitter.finish()


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


class FrameSplitterTests(SynchronousTestCase):
    def test_frames_that_follow_each_other(self) -> None:
        self.assertEqual(split(b"".join(FRAMES.values())), spans_of(FRAMES.values()))

    def test_frames_that_come_byte_by_byte(self) -> None:
        self.assertEqual(fed(bytewise(b"".join(FRAMES.values()))), spans_of(FRAMES.values()))

    def test_garbage_between_frames(self) -> None:
        for name, garbage in GARBAGE.items():
            parts = [garbage, FRAMES["plain"], garbage, garbage, FRAMES["grey"], garbage]

            self.assertEqual(split(b"".join(parts)), spans_of(parts), name)
            self.assertEqual(fed(bytewise(b"".join(parts))), spans_of(parts), name)

    def test_frame_is_told_as_soon_as_it_has_ended(self) -> None:
        splitter = FrameSplitter()

        self.assertEqual(splitter.feed(picture(1)[:-1]), [])
        self.assertEqual(splitter.feed(picture(1)[-1:]), [Span(0, len(picture(1)), True)])
        self.assertEqual(splitter.finish(), [])

    def test_next_frame_ends_one_without_eoi(self) -> None:
        first, second = without_eoi(picture(1)), picture(2)

        found = FrameSplitter().feed(first + second)

        self.assertEqual(found, [Span(0, len(first), True), Span(len(first), len(second), True)])

    def test_end_of_data_ends_frame_without_eoi(self) -> None:
        for end in (b"", b"\xff", b"\xff\xff", b"\xff\xd8", b"\xff\xe0\x10"):
            data = without_eoi(picture(1)) + end
            splitter = FrameSplitter()

            self.assertEqual(splitter.feed(data), [])
            self.assertEqual(splitter.finish(), [Span(0, len(data), True)])

    def test_frame_cut_off_in_its_data(self) -> None:
        data = picture(1)[:-20]

        self.assertEqual(split(picture(2) + data)[1:], [Span(len(picture(2)), len(data), True)])

    def test_frame_cut_off_in_its_header(self) -> None:
        header = len(picture(1)) - len(b"".join(segments(picture(1))[-2:]))
        for size in range(header + 1):
            self.assertEqual(split(picture(1)[:size]), [])

    def test_frame_within_a_segment_that_was_cut_off(self) -> None:
        data = SOI + b"\xff\xe1\xff\xff" + picture(1)

        self.assertEqual(split(data), [Span(6, len(picture(1)), True)])

    def test_frame_without_tables(self) -> None:
        [span] = split(without(picture(1), DQT, DHT))

        self.assertFalse(span.has_tables)

    def test_many_fill_bytes_are_not_kept(self) -> None:
        first, *rest = segments(picture(1))
        splitter = FrameSplitter()

        spans = splitter.feed(first)
        for _ in range(100):
            spans += splitter.feed(b"\xff" * 1000)
        spans += splitter.feed(b"".join(rest))

        self.assertEqual(spans, [Span(0, len(picture(1)) + 100_000, True)])

    def test_junk_up_to_the_limit(self) -> None:
        splitter = FrameSplitter()

        spans = splitter.feed(picture(1) + bytes(MAX_JUNK_BYTES) + picture(2))

        self.assertEqual(len(spans), 2)
        self.assertFalse(splitter.exhausted)

    def test_too_much_junk(self) -> None:
        data = picture(1) + bytes(MAX_JUNK_BYTES + 1) + picture(2)
        for pieces in ([data], [data[: len(data) - 500], data[len(data) - 500 :]]):
            splitter = FrameSplitter()

            spans = [span for piece in pieces for span in splitter.feed(piece)]

            self.assertEqual(len(spans), 1)
            self.assertTrue(splitter.exhausted)
            self.assertEqual(splitter.feed(picture(3)) + splitter.finish(), [])

    def test_frame_of_the_largest_size(self) -> None:
        first = without_eoi(picture(1))
        frame = first + bytes(MAX_FRAME_BYTES - len(first) - 2) + EOI

        self.assertEqual(split(frame), [Span(0, MAX_FRAME_BYTES, True)])

    def test_oversized_frame_is_left_out(self) -> None:
        splitter = FrameSplitter()

        splitter.feed(without_eoi(picture(1)))
        splitter.feed(bytes(MAX_FRAME_BYTES))
        spans = splitter.feed(EOI + picture(2))

        self.assertEqual([span.size for span in spans], [len(picture(2))])
        self.assertEqual(splitter.oversized, 1)

    def test_frame_that_does_not_end(self) -> None:
        splitter = FrameSplitter()

        splitter.feed(without_eoi(picture(1)))
        for _ in range(MAX_WALK_BYTES // MAX_FRAME_BYTES):
            self.assertFalse(splitter.exhausted)
            splitter.feed(bytes(MAX_FRAME_BYTES))

        self.assertTrue(splitter.exhausted)
        self.assertEqual(splitter.finish(), [])

    @given(st.lists(st.sampled_from([*FRAMES.values(), *GARBAGE.values()]), max_size=8), st.data())
    def test_pieces_do_not_matter(self, parts: list[bytes], draw: st.DataObject) -> None:
        data = b"".join(parts)
        cuts = draw.draw(st.lists(st.integers(0, len(data)), max_size=12))

        pieces = [data[a:b] for a, b in pairwise([0, *sorted(cuts), len(data)])]

        self.assertEqual(fed(pieces), spans_of(parts))

    @given(
        st.lists(
            st.binary(max_size=20) | st.sampled_from([*FRAMES.values(), SOI, EOI, b"\xff", b"\xda"])
        ),
        st.integers(1, 1000),
    )
    def test_pieces_of_anything_do_not_matter(self, parts: list[bytes], size: int) -> None:
        data = b"".join(parts)

        self.assertEqual(fed(data[at : at + size] for at in range(0, len(data), size)), split(data))


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


class WholeTests(SynchronousTestCase):
    def test_what_follows_is_cut_off(self) -> None:
        self.assertEqual(whole(picture(1) + b"garbage" + picture(2)), picture(1))

    def test_missing_eoi_is_added(self) -> None:
        self.assertEqual(whole(without_eoi(picture(1))), picture(1))

    def test_no_jpeg(self) -> None:
        nothing_seen = b"".join(segments(picture(1))[:-2])
        for data in (b"", b"text", b"." + picture(1), picture(1)[:100], SOI + EOI, nothing_seen):
            self.assertRaises(BrokenJpegError, whole, data)

    def test_oversized(self) -> None:
        jpeg = without_eoi(picture(1))

        self.assertRaises(BrokenJpegError, whole, jpeg + bytes(MAX_FRAME_BYTES - len(jpeg) - 1))
        self.assertEqual(len(whole(jpeg + bytes(MAX_FRAME_BYTES - len(jpeg) - 2))), MAX_FRAME_BYTES)


class TablesTests(SynchronousTestCase):
    def test_tables_make_an_abbreviated_frame_whole(self) -> None:
        frame = without(picture(1), DQT, DHT)

        completed = frame[:2] + tables(filled(picture(1))) + frame[2:]

        self.assertEqual(JpegImage.parse(completed), JpegImage.parse(picture(1)))

    def test_no_tables(self) -> None:
        self.assertEqual(tables(without(picture(1), DQT, DHT)), b"")

    def test_broken_header(self) -> None:
        self.assertRaises(BrokenJpegError, tables, picture(1)[:50])


class JpegImageTests(SynchronousTestCase):
    def test_baseline(self) -> None:
        image = JpegImage.parse(picture(1, size=(64, 48), subsampling="4:2:2"))

        self.assertEqual((image.width, image.height, image.precision), (64, 48, 8))
        self.assertEqual(image.coding, 0)
        self.assertEqual(
            image.components, (Component(1, 2, 1, 0), Component(2, 1, 1, 1), Component(3, 1, 1, 1))
        )
        self.assertEqual(
            image.scan_components,
            (ScanComponent(1, 0, 0), ScanComponent(2, 1, 1), ScanComponent(3, 1, 1)),
        )
        self.assertEqual(
            {key: len(table) for key, table in image.quantization.items()}, {0: 64, 1: 64}
        )
        self.assertEqual(image.huffman, STANDARD_HUFFMAN)
        self.assertEqual((image.restart_interval, image.adobe_transform, image.scans), (0, None, 1))

    def test_scan_ends_where_eoi_was_or_should_be(self) -> None:
        scan = segments(RESTARTS)[-2]
        for end in (b"", EOI, EOI + b"more", EOI + RESTARTS, RESTARTS, segment(COM, b"") + EOI):
            self.assertEqual(JpegImage.parse(without_eoi(RESTARTS) + end).scan, scan)

    def test_restart_interval(self) -> None:
        self.assertEqual(JpegImage.parse(RESTARTS).restart_interval, 2)

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

        self.assertEqual(image.quantization[3], bytes(range(128)))

    def test_progressive(self) -> None:
        image = JpegImage.parse(picture(1, progressive=True))

        self.assertEqual(image.coding, 2)
        self.assertGreater(image.scans, 5)

    def test_scans_are_counted_as_far_as_they_can_be_read(self) -> None:
        data = without_eoi(in_three_scans(picture(1)))

        self.assertEqual(JpegImage.parse(data).scans, 3)
        self.assertEqual(JpegImage.parse(data + b"\xff\xda\x10\x00").scans, 3)

    def test_adobe_segment(self) -> None:
        jpeg = with_segment(picture(1), APP14, ADOBE_YCBCR)

        self.assertEqual(JpegImage.parse(jpeg).adobe_transform, 1)
        self.assertEqual(JpegImage.parse(picture(1, mode="CMYK")).adobe_transform, 0)

    def test_other_application_segment_14(self) -> None:
        for body in (b"", b"Adobe", b"Other\x00\x64\x00\x00\x00\x00\x01"):
            jpeg = with_segment(picture(1), APP14, body)
            self.assertIsNone(JpegImage.parse(jpeg).adobe_transform)

    def test_field_of_an_interlaced_frame(self) -> None:
        for polarity, is_field in ((b"\0", False), (b"\1", True), (b"\2", True), (b"", False)):
            jpeg = with_segment(picture(1), 0xE0, b"AVI1" + polarity)
            self.assertIs(JpegImage.parse(jpeg).is_field, is_field)

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


def read_in_all_ways(data: bytes) -> None:
    """Nothing but JpegError comes out."""
    readers: list[Callable[[bytes], object]] = [split, whole, tables, repairs]
    for read in readers:
        with contextlib.suppress(JpegError):
            read(data)
    with contextlib.suppress(JpegError):
        rtp_frame(JpegImage.parse(data))


class HostileTests(SynchronousTestCase):
    @given(st.binary(), st.booleans())
    def test_anything(self, data: bytes, begins_like_a_jpeg: bool) -> None:
        read_in_all_ways(SOI + b"\xff" + data if begins_like_a_jpeg else data)

    @given(st.sampled_from(list(FRAMES.values())), st.data())
    def test_damaged_frames(self, jpeg: bytes, draw: st.DataObject) -> None:
        damaged = bytearray(jpeg[: draw.draw(st.integers(2, len(jpeg)))])
        for _ in range(draw.draw(st.integers(0, 3))):
            at = draw.draw(st.integers(2, len(damaged)))
            damaged[at : at + 1] = draw.draw(st.binary(max_size=3))

        read_in_all_ways(bytes(damaged))


class RtpFrameTests(SynchronousTestCase):
    def test_4_2_0(self) -> None:
        image = JpegImage.parse(picture(1, size=(64, 48)))

        frame = rtp_frame(image)

        self.assertEqual((frame.type, frame.width, frame.height), (1, 64, 48))
        self.assertEqual(frame.quantization, image.quantization[0] + image.quantization[1])
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
        luma, blue, red = image.components
        same = rtp_frame(image)
        swapped_tables = replace(
            image,
            components=(replace(luma, table=1), replace(blue, table=0), replace(red, table=0)),
            quantization={0: image.quantization[1], 1: image.quantization[0]},
        )
        swapped_huffman = replace(
            image,
            scan_components=(
                ScanComponent(1, 1, 1),
                ScanComponent(2, 0, 0),
                ScanComponent(3, 0, 0),
            ),
            huffman={(kind, 1 - name): table for (kind, name), table in image.huffman.items()},
        )
        other_names = replace(
            image,
            components=(replace(luma, identifier=7), replace(blue, identifier=0), red),
            scan_components=(
                ScanComponent(7, 0, 0),
                ScanComponent(0, 1, 1),
                ScanComponent(3, 1, 1),
            ),
        )
        equal_tables = replace(
            image,
            components=(luma, blue, replace(red, table=2)),
            quantization={**image.quantization, 2: image.quantization[1]},
        )
        for case in (
            swapped_tables,
            swapped_huffman,
            other_names,
            equal_tables,
            replace(image, huffman={}),
            replace(image, coding=1),
            replace(image, adobe_transform=1),
        ):
            self.assertEqual(rtp_frame(case), same)

    def test_one_table_for_all_is_doubled(self) -> None:
        image = JpegImage.parse(picture(1))
        one = replace(image, components=tuple(replace(part, table=0) for part in image.components))

        self.assertEqual(rtp_frame(one).quantization, image.quantization[0] * 2)

    def test_16_bit_tables_are_narrowed_where_they_can_be(self) -> None:
        image = JpegImage.parse(picture(1))
        wide = {
            name: b"".join(b"\0%c" % entry for entry in table)
            for name, table in image.quantization.items()
        }

        self.assertEqual(rtp_frame(replace(image, quantization=wide)), rtp_frame(image))

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
        luma, blue, red = image.components
        own_tables = {**image.quantization, 2: bytes(64)}
        wide_tables = {0: image.quantization[0], 1: b"\1\0" * 64}
        cases = [
            ("lossless", replace(image, coding=3)),
            ("arithmetic coding", replace(image, coding=9)),
            ("coding process 5", replace(image, coding=5)),
            ("12 bits per sample", replace(image, precision=12)),
            ("2 colour components", replace(image, components=(luma, blue))),
            (
                "RGB colours",
                replace(
                    image,
                    components=tuple(
                        replace(part, identifier=name)
                        for part, name in zip(image.components, b"RGB", strict=True)
                    ),
                ),
            ),
            (
                "more than one scan",
                replace(image, scan_components=image.scan_components[:1]),
            ),
            ("more than 16 MiB of data", replace(image, scan=memoryview(bytes(MAX_FRAME_BYTES)))),
            (
                "different quantization tables for Cb and Cr",
                replace(
                    image, components=(luma, blue, replace(red, table=2)), quantization=own_tables
                ),
            ),
            ("16-bit quantization tables", replace(image, quantization=wide_tables)),
            (
                "its own Huffman tables",
                replace(image, huffman={(1, 1): STANDARD_HUFFMAN[1, 0]}),
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
                for part, (across, down) in zip(image.components, factors, strict=True)
            )
            self.assert_obstacle(replace(image, components=components), reason)

    def assert_obstacle(self, image: JpegImage, reason: str) -> None:
        with self.assertRaises(UnsupportedJpegError) as caught:
            rtp_frame(image)
        self.assertEqual(str(caught.exception), reason)
