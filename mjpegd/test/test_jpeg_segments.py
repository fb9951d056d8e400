"""Tests of `mjpegd.wire.jpeg_segments`."""

import contextlib

from hypothesis import given
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.test.odd_jpegs import (
    FRAMES,
    RESTARTS,
    filled,
    hostile,
    in_three_scans,
    many_segments,
    without_eoi,
)
from mjpegd.test.pictures import APP1, COM, DHT, DQT, SOS, picture, segment, segments, without
from mjpegd.wire.errors import BrokenJpegError
from mjpegd.wire.jpeg_segments import (
    EOI,
    MAX_FRAME_BYTES,
    SOI,
    Segment,
    after_scan,
    end_of,
    header_segments,
    later_segments,
    marker_segment,
    tables,
    whole,
)


class HeaderSegmentsTests(SynchronousTestCase):
    def test_all_up_to_the_first_scan(self) -> None:
        _, *header, _, _ = segments(RESTARTS)

        found = list(header_segments(RESTARTS))

        self.assertEqual([marker_segment(part.code, part.body) for part in found], header)
        self.assertEqual(found[-1].end, len(SOI) + sum(map(len, header)))

    def test_fill_bytes_before_markers(self) -> None:
        found = list(header_segments(filled(RESTARTS)))

        plain = list(header_segments(RESTARTS))
        self.assertEqual([part[:2] for part in found], [part[:2] for part in plain])

    def test_broken(self) -> None:
        jpeg = picture(1)
        cases = {
            "does not begin with SOI": b"\x00" + jpeg,
            "cut off or damaged in its header": jpeg[:100],
            "no segment may begin with the marker FF D9": SOI + EOI,
            "has more segments than any encoder writes": many_segments(jpeg, 2),
        }
        for reason, data in cases.items():
            with self.assertRaisesRegex(BrokenJpegError, f"^{reason}$"):
                list(header_segments(data))

    def test_segments_that_end_too_early(self) -> None:
        for data in (SOI, SOI + b"\xff\xff", SOI + b"\xff\xdb\x00\x01", SOI + b"\xff\xdb\x00\x03"):
            with self.assertRaisesRegex(BrokenJpegError, "^cut off or damaged in its header$"):
                list(header_segments(data))


class LaterSegmentsTests(SynchronousTestCase):
    def codes(self, jpeg: bytes) -> list[int]:
        *_, last = header_segments(jpeg)
        return [part.code for part in later_segments(jpeg, last.end)]

    def test_one_scan(self) -> None:
        for end in (b"", EOI, EOI + RESTARTS, RESTARTS):
            self.assertEqual(self.codes(without_eoi(RESTARTS) + end), [])

    def test_several_scans(self) -> None:
        jpeg = in_three_scans(picture(1))

        self.assertEqual(self.codes(jpeg), [COM, SOS, SOS])

    def test_they_end_at_one_that_cannot_be_read(self) -> None:
        jpeg = without_eoi(in_three_scans(picture(1)))

        self.assertEqual(self.codes(jpeg + b"\xff\xda\x10\x00"), [COM, SOS, SOS])

    def test_more_than_any_encoder_writes(self) -> None:
        with self.assertRaisesRegex(BrokenJpegError, "more segments"):
            self.codes(many_segments(picture(1), -1))


class EndTests(SynchronousTestCase):
    def test_data_end_at_a_marker_that_is_none_of_theirs(self) -> None:
        data = b"\x00\xff\x00\xff\xd3\xff\xd8\x00\xff\x01"
        for marker in (b"", EOI, SOI + b"\xff", segment(COM), segment(DHT), segment(SOS)):
            self.assertEqual(after_scan(data + marker, 0), len(data))

    def test_end_is_behind_the_last_scan(self) -> None:
        for name in ("plain", "several scans", "lines told at the end", "progressive"):
            jpeg = FRAMES[name]
            header = list(header_segments(jpeg))

            self.assertEqual(end_of(jpeg, header), len(jpeg) - len(EOI), name)
            self.assertEqual(end_of(without_eoi(jpeg), header), len(jpeg) - len(EOI), name)


class MarkerSegmentTests(SynchronousTestCase):
    def test_it_is_read_again(self) -> None:
        written = marker_segment(APP1, b"body")

        first, *_ = header_segments(SOI + written + picture(1)[2:])

        self.assertEqual(first, Segment(APP1, b"body", len(SOI + written)))


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

        self.assertEqual(set(segments(completed)), set(segments(picture(1))))

    def test_no_tables(self) -> None:
        self.assertEqual(tables(without(picture(1), DQT, DHT)), b"")

    def test_broken_header(self) -> None:
        self.assertRaises(BrokenJpegError, tables, picture(1)[:50])


class HostileTests(SynchronousTestCase):
    @given(hostile())
    def test_anything(self, data: bytes) -> None:
        for read in (whole, tables):
            with contextlib.suppress(BrokenJpegError):
                read(data)
