"""Tests of `mjpegd.wire.jpeg_splitting`."""

from collections.abc import Iterable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.test.odd_jpegs import FRAMES, GARBAGE, without_eoi
from mjpegd.test.pictures import DHT, DQT, picture, segments, without
from mjpegd.wire.jpeg_segments import EOI, MAX_FRAME_BYTES, SOI
from mjpegd.wire.jpeg_splitting import (
    MAX_JUNK_BYTES,
    MAX_WALK_BYTES,
    FrameSplitter,
    Span,
    split,
)


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
