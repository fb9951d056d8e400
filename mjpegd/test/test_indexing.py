from collections.abc import Iterator
from fractions import Fraction
from itertools import repeat

from twisted.trial.unittest import SynchronousTestCase

from mjpegd.sources.indexing import (
    BATCH_FRAMES,
    MAX_IDLE_STEPS,
    Batches,
    Entry,
    Step,
    other_codec,
    round_rate,
    sane_rate,
)
from mjpegd.wire.jpeg_segments import MAX_FRAME_BYTES


class BatchTests(SynchronousTestCase):
    def test_batches_are_bounded_and_nothing_is_lost(self) -> None:
        entries = [Entry(number, 100) for number in range(3 * BATCH_FRAMES + 5)]
        batches = Batches(([entry] for entry in entries), 10**6)

        found = []
        while not batches.done:
            batch = batches.next_batch()
            self.assertLessEqual(len(batch), BATCH_FRAMES)
            found += batch

        self.assertEqual(found, entries)

    def test_entries_that_do_not_lie_in_the_file_are_dropped(self) -> None:
        bad = [
            Entry(0, 4),
            Entry(0, 0),
            Entry(0, -100),
            Entry(-1, 100),
            Entry(901, 100),
            Entry(2**70, 100),
            Entry(0, MAX_FRAME_BYTES + 1),
        ]
        good = [Entry(0, 5), Entry(900, 100)]
        batches = Batches(iter([bad, good]), 1000)

        self.assertEqual(batches.next_batch(), good)
        self.assertEqual(batches.dropped, len(bad))
        self.assertTrue(batches.done)

    def test_steps_without_frames_end_the_film(self) -> None:
        steps: Iterator[Step] = repeat([])
        batches = Batches(steps, 1000)
        calls = 0
        while not batches.done:
            self.assertEqual(batches.next_batch(), [])
            calls += 1

        self.assertLess(calls, MAX_IDLE_STEPS)


class RateTests(SynchronousTestCase):
    def test_rates_that_no_camera_has(self) -> None:
        for numerator, denominator in ((0, 1), (1, 0), (2**32 - 1, 1), (1, 2**32 - 1)):
            with self.subTest(numerator=numerator, denominator=denominator):
                self.assertIsNone(sane_rate(numerator, denominator))

    def test_rates_that_cameras_have(self) -> None:
        self.assertEqual(sane_rate(30000, 1001), Fraction(30000, 1001))
        self.assertEqual(sane_rate(1, 3600), Fraction(1, 3600))

    def test_meant_rate(self) -> None:
        for gap_s, rate in (
            (0.033366667, Fraction(30000, 1001)),
            (0.04, 25),
            (2.5, Fraction(2, 5)),
        ):
            with self.subTest(gap_s=gap_s):
                self.assertEqual(round_rate(gap_s), rate)


class CodecTests(SynchronousTestCase):
    def test_refusal_names_the_codec_in_harmless_characters(self) -> None:
        for code, name in (
            ("avc1", "H.264"),
            ("zz\n\x1b", "zz??"),
            ("ÿabc", "?abc"),
            ("", "unknown"),
        ):
            with self.subTest(code=code):
                self.assertEqual(
                    str(other_codec(code, "AVI", "avi")), f"{name} video; only MJPEG is served"
                )
