"""Tests of `client.media.timeline`."""

from collections.abc import Iterable
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.wire.clock import RTP_CLOCK_HZ, ticks

from ..interfaces import Cue
from ..media.timeline import Timeline

STEP = 3750  # of 24 frames per second
FEW, ENOUGH = 9, 10  # frames to learn a rate from
TIMESTAMPS = st.integers(0, 0xFFFFFFFF)
SCALES = st.sampled_from((0.25, 1.0, 2.0, -1.0, -8.0))


def see(timeline: Timeline, timestamps: Iterable[int]) -> Timeline:
    for timestamp in timestamps:
        timeline.saw(timestamp & 0xFFFFFFFF)
    return timeline


class PositionTests(SynchronousTestCase):
    def test_frame_that_the_server_names_is_at_the_start(self) -> None:
        timeline = Timeline(Cue(start_s=5.0, timestamp=1000), None)

        self.assertEqual(timeline.position_s(1000), 5.0)
        self.assertEqual(timeline.position_s(1000 + 2 * RTP_CLOCK_HZ), 7.0)

    def test_first_frame_may_come_behind_the_start(self) -> None:
        timeline = see(Timeline(Cue(start_s=5.0, timestamp=1000), None), [1000 + RTP_CLOCK_HZ])

        self.assertEqual(timeline.position_s(1000 + RTP_CLOCK_HZ), 6.0)

    def test_without_a_name_the_first_frame_is_at_the_start(self) -> None:
        timeline = Timeline(Cue(start_s=5.0), None)

        self.assertIsNone(timeline.position_s(777))
        see(timeline, [777])

        self.assertEqual(timeline.position_s(777), 5.0)

    def test_live_picture_has_no_positions(self) -> None:
        timeline = see(Timeline(Cue(timestamp=0), 24.0), [0])

        self.assertIsNone(timeline.position_s(0))
        self.assertIsNone(timeline.frame_number(0))

    def test_backwards_it_goes_to_the_beginning_and_no_further(self) -> None:
        timeline = Timeline(Cue(start_s=2.0, scale=-2.0, timestamp=0), None)

        self.assertEqual(timeline.position_s(ticks(0.5)), 1.0)
        self.assertEqual(timeline.position_s(ticks(3.0)), 0.0)

    @given(
        TIMESTAMPS,
        SCALES,
        st.floats(0, 100_000),
        st.lists(st.integers(-60 * RTP_CLOCK_HZ, 60 * RTP_CLOCK_HZ), max_size=200),
    )
    def test_follows_rtp_time_over_its_wraps(
        self, origin: int, scale: float, start_s: float, steps: list[int]
    ) -> None:
        timeline = Timeline(Cue(start_s, scale, timestamp=origin), None)

        for elapsed in accumulate(steps):
            timestamp = (origin + elapsed) & 0xFFFFFFFF
            expected = max(0.0, start_s + elapsed / RTP_CLOCK_HZ * scale)
            self.assertAlmostEqual(timeline.position_s(timestamp) or 0.0, expected, places=3)
            see(timeline, [timestamp])
            self.assertAlmostEqual(timeline.position_s(timestamp) or 0.0, expected, places=3)

    def test_a_day_in_one_play(self) -> None:
        day = range(0, 86_400 * RTP_CLOCK_HZ, 30 * RTP_CLOCK_HZ)

        timeline = see(Timeline(Cue(start_s=0.0, timestamp=0), None), day)

        self.assertEqual(timeline.position_s(day[-1] & 0xFFFFFFFF), 86_370.0)

    def test_wrong_name_of_the_first_frame(self) -> None:
        timeline = Timeline(Cue(start_s=5.0, timestamp=0), None)

        see(timeline, [0x80000000, 0x80000000 + STEP])

        self.assertAlmostEqual(timeline.position_s(0x80000000 + STEP) or 0.0, 5.0 + 1 / 24)

    def test_leap_moves_nothing(self) -> None:
        timeline = see(Timeline(Cue(start_s=5.0, timestamp=0), None), [0, RTP_CLOCK_HZ])

        leap = RTP_CLOCK_HZ + 60 * RTP_CLOCK_HZ + 1

        self.assertEqual(timeline.position_s(leap), 6.0)
        self.assertEqual(see(timeline, [leap]).position_s(leap + RTP_CLOCK_HZ), 7.0)


class FramerateTests(SynchronousTestCase):
    def framerate(
        self, known: float | None, timestamps: Iterable[int], scale: float = 1.0
    ) -> float | None:
        return see(Timeline(Cue(0.0, scale), known), timestamps).framerate

    def test_before_any_frame(self) -> None:
        self.assertEqual(self.framerate(25.0, ()), 25.0)
        self.assertIsNone(self.framerate(None, ()))

    def test_frames_tell_it_where_nobody_else_does(self) -> None:
        self.assertEqual(self.framerate(None, range(0, ENOUGH * STEP, STEP)), 24.0)

    def test_few_frames_tell_nothing(self) -> None:
        self.assertIsNone(self.framerate(None, range(0, FEW * STEP, STEP)))

    def test_rounding_is_no_lie(self) -> None:
        self.assertEqual(self.framerate(29.97, range(0, ENOUGH * 3000, 3000)), 29.97)

    def test_frames_count_for_more_than_what_was_told(self) -> None:
        self.assertEqual(self.framerate(25.0, range(0, ENOUGH * STEP, STEP)), 24.0)

    def test_holes_do_not_count(self) -> None:
        numbers = (number for number in range(14) if number not in {2, 5, 6})

        self.assertEqual(self.framerate(None, (number * STEP for number in numbers)), 24.0)

    def test_it_may_change(self) -> None:
        timeline = see(Timeline(Cue(0.0), None), range(0, ENOUGH * STEP, STEP))

        see(timeline, range(ENOUGH * STEP, ENOUGH * STEP + ENOUGH * 9000, 9000))

        self.assertEqual(timeline.framerate, 10.0)

    def test_time_that_stands_or_goes_back_tells_nothing(self) -> None:
        self.assertIsNone(self.framerate(None, [0] * 20))
        self.assertIsNone(self.framerate(None, range(20 * STEP, 0, -STEP)))

    def test_other_speeds_tell_nothing(self) -> None:
        frames = range(0, ENOUGH * STEP, STEP)

        self.assertIsNone(self.framerate(None, frames, scale=2.0))
        self.assertEqual(self.framerate(25.0, frames, scale=0.5), 25.0)

    def test_backwards_they_do(self) -> None:
        self.assertEqual(self.framerate(None, range(0, ENOUGH * STEP, STEP), scale=-1.0), 24.0)

    def test_speed_is_that_of_the_cue(self) -> None:
        self.assertEqual(Timeline(Cue(scale=-4.0), None).scale, -4.0)


class FrameNumberTests(SynchronousTestCase):
    def test_counts_from_the_beginning_of_the_film(self) -> None:
        timeline = Timeline(Cue(start_s=2.0, timestamp=0), 24.0)

        numbers = [timeline.frame_number(place * STEP) for place in range(3)]

        self.assertEqual(numbers, [48, 49, 50])

    def test_times_may_be_rounded(self) -> None:
        timeline = Timeline(Cue(start_s=2.041, timestamp=0), 24.0)

        self.assertEqual(timeline.frame_number(1), 49)

    def test_without_a_rate(self) -> None:
        self.assertIsNone(Timeline(Cue(start_s=2.0, timestamp=0), None).frame_number(0))
