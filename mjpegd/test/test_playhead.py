"""`mjpegd.playhead`: which frame, at which moment, with which RTP time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.playhead import PATIENCE_S, Due, Playhead, Start
from mjpegd.wire.clock import RTP_CLOCK_HZ
from mjpegd.wire.times import FrameTimes, ListedTimes, RetimedTimes, SteadyTimes

NTSC = Fraction(30_000, 1001)
RATES = [Fraction(1), Fraction(10), Fraction(24), Fraction(25), NTSC, Fraction(60), Fraction(240)]
SCALES = [
    sign * size
    for size in (0.01, 0.25, 1 / 3, 0.5, 0.9, 1.0, 1.5, 2.0, 2.5, 3.0, 7.3, 16.0, 63.5, 64.0)
    for sign in (1, -1)
]
DAY_S = 86_400


def listed(seconds: Sequence[float], rate: Fraction = Fraction(24)) -> ListedTimes:
    times = ListedTimes(rate)
    for moment_s in seconds:
        times.append(moment_s)
    return times


@dataclass
class Show:
    """A playhead with a clock of its own, and what left so far.

    Attributes:
        now_s: The clock.
        sent: Each frame with the moment at which it left.
    """

    times: FrameTimes
    loop: bool = False
    complete: bool = True
    now_s: float = 1000.0
    sent: list[tuple[Due, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.head = Playhead(self.times, loop=self.loop)
        self.head.complete = self.complete

    def start(
        self,
        at_s: float | None = None,
        until_s: float | None = None,
        scale: float = 1.0,
        speed: float = 1.0,
    ) -> Start:
        ticks = 5000 + round(self.now_s * RTP_CLOCK_HZ)
        return self.head.start(
            self.now_s, ticks, at_s=at_s, until_s=until_s, scale=scale, speed=speed
        )

    def run(self, frames: int = 1_000_000) -> list[int]:
        """Send so many frames, each at its moment, or all there are; their numbers."""
        before = len(self.sent)
        while len(self.sent) < before + frames:
            wait_s = self.wait_s()
            if wait_s is None:
                break
            self.now_s += wait_s
            self.send()
        return self.numbers()[before:]

    def wait_s(self) -> float | None:
        """Seconds until a frame may leave; None where none is known."""
        next_s = self.head.next_s
        return None if next_s is None else max(0.0, next_s - self.now_s)

    def send(self) -> None:
        """Send the frame that is due."""
        due = self.head.due(self.now_s)
        assert due is not None, "nothing is due"
        self.sent.append((due, self.now_s))
        self.head.sent(self.now_s)

    def run_late(self, late_s: float) -> list[int]:
        """Come so late, then send whatever may leave, until nothing is late; their numbers."""
        before = len(self.sent)
        self.now_s += (self.wait_s() or 0.0) + late_s
        while (wait_s := self.wait_s()) is not None:
            if self.head.late_s(self.now_s + wait_s) < 1e-9 and len(self.sent) > before:
                break
            self.now_s += wait_s
            self.send()
        return self.numbers()[before:]

    def numbers(self) -> list[int]:
        return [due.number for due, _ in self.sent]

    def ticks(self) -> list[int]:
        return [due.ticks for due, _ in self.sent]

    def moments_s(self) -> list[float]:
        return [moment_s for _, moment_s in self.sent]


def steps(values: Sequence[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(values)]


class SeekTests(SynchronousTestCase):
    def test_time_cut_off_to_milliseconds_is_the_frame_that_was_meant(self) -> None:
        for rate in RATES:
            times = SteadyTimes(rate, 5000)
            for number in (0, 1, 2, 29, 1234, 4999):
                cut_off_s = int(times.time_of(number) * 1000) / 1000
                show = Show(times)

                start = show.start(at_s=cut_off_s)

                self.assertEqual((start.number, show.run(1)), (number, [number]), rate)

    def test_time_between_two_frames_is_the_one_on_display(self) -> None:
        self.assertEqual(Show(SteadyTimes(Fraction(10), 50)).start(at_s=1.26).number, 12)

    def test_beyond_the_end_is_the_last_frame(self) -> None:
        show = Show(SteadyTimes(Fraction(10), 50))

        self.assertEqual(show.start(at_s=99.0), Start(49, 4.9, show.start(at_s=4.9).ticks))
        self.assertEqual(show.run(), [49])

    def test_before_the_beginning_is_the_first(self) -> None:
        self.assertEqual(Show(SteadyTimes(Fraction(10), 50)).start(at_s=-1.0).number, 0)

    def test_retimed_film_is_sought_by_its_new_times(self) -> None:
        show = Show(RetimedTimes(SteadyTimes(Fraction(24), 48), Fraction(12)))

        self.assertEqual(show.start(at_s=2.0).number, 24)
        self.assertEqual(show.run(), list(range(24, 48)))

    def test_seek_forgets_the_lap(self) -> None:
        show = Show(SteadyTimes(Fraction(10), 10), loop=True)
        show.start()
        show.run(34)

        start = show.start(at_s=0.5)

        self.assertEqual((start.number, start.npt_s), (5, 0.5))
        self.assertEqual(show.run(7), [5, 6, 7, 8, 9, 0, 1])


class ScaleTests(SynchronousTestCase):
    """The frames of a film of constant rate, for every scale."""

    def expected(self, first: int, count: int, scale: float) -> list[int]:
        """Every frame up to a scale of 1, else the ones on display at whole steps."""
        if abs(scale) <= 1:
            return list(range(first, count) if scale > 0 else range(first, -1, -1))
        # In whole numbers: a scale has at most two decimals here.
        stride = Fraction(round(abs(scale) * 100), 100)
        steps = range(count)
        if scale > 0:
            return [n for n in (first + int(stride * step) for step in steps) if n < count]
        return [n for n in (first - int(stride * step) for step in steps) if n >= 0]

    def test_frames_of_every_scale(self) -> None:
        for scale in SCALES:
            for rate in (Fraction(24), NTSC, Fraction(1)):
                first = 100 if scale > 0 else 399
                show = Show(SteadyTimes(rate, 500))
                show.start(at_s=show.times.time_of(first), scale=scale)

                self.assertEqual(show.run(), self.expected(first, 500, scale), (scale, rate))

    def test_rtp_time_keeps_the_pace_of_the_clock(self) -> None:
        for scale in SCALES:
            show = Show(SteadyTimes(NTSC, 500))
            start = show.start(at_s=8.0, scale=scale)
            began_s = show.now_s
            show.run(100)

            for due, moment_s in show.sent:
                passed_s = (due.ticks - start.ticks) / RTP_CLOCK_HZ
                self.assertAlmostEqual(passed_s, moment_s - began_s, places=4)
                media_s = show.times.time_of(due.number) - start.npt_s
                self.assertAlmostEqual(media_s / scale, passed_s, places=4)

    def test_whole_scales_keep_the_film_s_interval(self) -> None:
        show = Show(SteadyTimes(Fraction(25), 1000))
        show.start(scale=8.0)
        show.run()

        self.assertEqual(set(steps(show.ticks())), {3600})

    def test_half_the_pace_is_twice_the_interval(self) -> None:
        show = Show(SteadyTimes(Fraction(25), 20))
        show.start(scale=-0.5)
        show.run()

        self.assertEqual(show.numbers(), list(range(19, -1, -1)))
        self.assertEqual(set(steps(show.ticks())), {7200})

    def test_speed_delivers_sooner_and_leaves_rtp_time_alone(self) -> None:
        for speed in (0.5, 2.0, 4.0):
            show = Show(SteadyTimes(Fraction(25), 50))
            show.start(speed=speed)
            show.run()

            self.assertEqual(show.numbers(), list(range(50)))
            self.assertEqual(set(steps(show.ticks())), {3600})
            took_s = show.moments_s()[-1] - show.moments_s()[0]
            self.assertAlmostEqual(took_s, 49 / 25 / speed)

    def test_reverse_without_a_place_begins_at_the_end(self) -> None:
        show = Show(SteadyTimes(Fraction(10), 5))

        self.assertEqual(show.start(scale=-1.0).number, 4)
        self.assertEqual(show.run(), [4, 3, 2, 1, 0])

    def test_fast_motion_through_a_long_gap_is_found_at_once(self) -> None:
        show = Show(listed([0.0, 0.04, 1e9, 1e9 + 0.04, 1e9 + 0.08], Fraction(25)))
        show.start(scale=2.0)

        self.assertEqual(show.run(), [0, 1, 2, 4])

    def test_fast_motion_repeats_no_frame_beside_its_steps(self) -> None:
        step_s = 64 / 24
        show = Show(listed([0.0, 2.0, step_s + 30e-6, 10.0]))
        show.start(scale=64.0)

        self.assertEqual(show.run(5), [0, 1, 2])

    def test_fast_motion_passes_frames_of_one_time(self) -> None:
        for scale in (-2.0, 2.0):
            show = Show(listed([0.0, 0.0, 0.0, 0.1, 0.1, 0.1, 0.2], Fraction(10)))
            show.start(scale=scale)
            numbers = show.run()

            self.assertEqual(len(set(numbers)), len(numbers))
            self.assertEqual(numbers, sorted(numbers, reverse=scale < 0))


class RangeTests(SynchronousTestCase):
    def frames(self, at_s: float | None, until_s: float, scale: float = 1.0) -> list[int]:
        show = Show(SteadyTimes(Fraction(10), 50))
        show.start(at_s=at_s, until_s=until_s, scale=scale)
        numbers = show.run()
        self.assertTrue(show.head.is_over)
        return numbers

    def test_end_is_not_shown(self) -> None:
        self.assertEqual(self.frames(1.0, 1.5), [10, 11, 12, 13, 14])

    def test_end_between_two_frames(self) -> None:
        self.assertEqual(self.frames(1.0, 1.41), [10, 11, 12, 13, 14])

    def test_end_cut_off_to_milliseconds(self) -> None:
        show = Show(SteadyTimes(Fraction(24), 400))
        show.start(at_s=0.0, until_s=int(show.times.time_of(299) * 1000) / 1000)

        self.assertEqual(show.run()[-1], 298)

    def test_end_rounded_up_to_milliseconds(self) -> None:
        show = Show(SteadyTimes(Fraction(24), 400))
        show.start(until_s=0.167)

        self.assertEqual(show.run(), [0, 1, 2, 3])

    def test_reverse_shows_the_frame_at_its_stop(self) -> None:
        self.assertEqual(self.frames(1.5, 1.0, -1.0), [15, 14, 13, 12, 11, 10])
        self.assertEqual(self.frames(1.5, 1.05, -1.0), [15, 14, 13, 12, 11, 10])

    def test_fast_motion_ends_within_the_range(self) -> None:
        self.assertEqual(self.frames(1.0, 2.0, 3.0), [10, 13, 16, 19])
        self.assertEqual(self.frames(2.0, 1.0, -3.0), [20, 17, 14, 11])

    def test_range_beyond_the_film_ends_with_it(self) -> None:
        self.assertEqual(self.frames(4.7, 99.0), [47, 48, 49])

    def test_empty_range_shows_nothing(self) -> None:
        self.assertEqual(self.frames(1.0, 1.0), [])

    def test_after_a_range_it_goes_on_where_the_range_ended(self) -> None:
        show = Show(SteadyTimes(Fraction(10), 50))
        show.start(at_s=1.0, until_s=1.5)
        show.run()
        show.head.rewind_if_at_end()

        self.assertEqual(show.start().number, 15)

    def test_range_of_a_film_that_repeats_reaches_into_later_laps(self) -> None:
        show = Show(SteadyTimes(Fraction(10), 10), loop=True)
        show.start(at_s=0.8, until_s=1.3)

        self.assertEqual(show.run(), [8, 9, 0, 1, 2])


class EndTests(SynchronousTestCase):
    def test_after_the_end_it_starts_over(self) -> None:
        for scale, first in ((1.0, 0), (-1.0, 4), (3.0, 0), (-3.0, 4)):
            show = Show(SteadyTimes(Fraction(10), 5))
            show.start(scale=scale)
            show.run()
            self.assertTrue(show.head.is_over)
            show.head.rewind_if_at_end()

            self.assertEqual(show.start(scale=scale).number, first)

    def test_after_the_end_reverse_begins_there(self) -> None:
        show = Show(SteadyTimes(Fraction(10), 5))
        show.start()
        show.run()
        show.head.rewind_if_at_end()

        show.start(scale=-1.0)
        self.assertEqual(show.run(), [4, 3, 2, 1, 0])

    def test_position_after_the_end_is_the_duration(self) -> None:
        show = Show(SteadyTimes(Fraction(10), 5))
        show.start()
        show.run()

        self.assertEqual(show.head.npt_s, 0.5)

    def test_position_after_the_beginning_in_reverse_is_0(self) -> None:
        show = Show(SteadyTimes(Fraction(10), 5))
        show.start(scale=-1.0)
        show.run()

        self.assertEqual(show.head.npt_s, 0.0)


class LoopTests(SynchronousTestCase):
    def test_laps_join_without_a_break_in_rtp_time(self) -> None:
        for scale in (0.25, 0.5, 1.0, -1.0, -0.5):
            show = Show(SteadyTimes(Fraction(25), 10), loop=True)
            show.start(scale=scale)
            numbers = show.run(55)

            step = 1 if scale > 0 else -1
            first = 0 if scale > 0 else 9
            self.assertEqual(numbers, [(first + step * n) % 10 for n in range(55)])
            self.assertEqual(set(steps(show.ticks())), {3600 / abs(scale)})

    def test_fast_laps_keep_the_pace_across_the_end(self) -> None:
        for scale in (2.0, 3.0, 7.0, 64.0):
            for sign in (1, -1):
                show = Show(SteadyTimes(Fraction(25), 10), loop=True)
                start = show.start(scale=sign * scale)
                numbers = show.run(50)

                stride = sign * int(scale)
                self.assertEqual(numbers, [(start.number + stride * n) % 10 for n in range(50)])
                self.assertEqual(set(steps(show.ticks())), {3600})

    def test_seek_in_a_later_lap(self) -> None:
        show = Show(SteadyTimes(Fraction(25), 10), loop=True)
        show.start()
        show.run(47)
        show.head.pause()
        self.assertAlmostEqual(show.head.npt_s, 7 / 25)
        show.start(at_s=0.2)

        self.assertEqual(show.run(10), [5, 6, 7, 8, 9, 0, 1, 2, 3, 4])

    def test_last_frame_of_a_variable_film_has_its_time(self) -> None:
        show = Show(listed([0.0, 0.1, 0.5], Fraction(10)), loop=True)
        show.start()
        show.run(7)

        self.assertEqual(steps(show.ticks()), [9000, 36_000, 9000, 9000, 36_000, 9000])

    def test_still_repeats(self) -> None:
        show = Show(SteadyTimes(Fraction(1), 1), loop=True)
        show.start()

        self.assertEqual(show.run(5), [0] * 5)
        self.assertEqual(set(steps(show.ticks())), {90_000})


class VariableRateTests(SynchronousTestCase):
    SECONDS = (0.0, 0.013, 0.05, 0.051, 0.4, 2.0, 2.0333)

    def test_each_frame_leaves_at_its_time(self) -> None:
        show = Show(listed(self.SECONDS))
        start = show.start()
        began_s = show.now_s
        show.run()

        for (due, moment_s), media_s in zip(show.sent, self.SECONDS, strict=True):
            self.assertAlmostEqual(moment_s - began_s, media_s)
            self.assertEqual(due.ticks - start.ticks, round(media_s * RTP_CLOCK_HZ))

    def test_reverse_is_its_mirror(self) -> None:
        show = Show(listed(self.SECONDS))
        start = show.start(scale=-1.0)
        show.run()

        end_s = self.SECONDS[-1]
        self.assertEqual(
            [due.ticks - start.ticks for due, _ in show.sent],
            [round((end_s - media_s) * RTP_CLOCK_HZ) for media_s in reversed(self.SECONDS)],
        )

    def test_frames_of_one_time_stay_apart_in_rtp_time(self) -> None:
        show = Show(listed([0.0, 0.1, 0.1, 0.1, 0.2]))
        show.start()
        show.run()

        self.assertEqual(show.numbers(), [0, 1, 2, 3, 4])
        self.assertGreater(min(steps(show.ticks())), 0)


class LatenessTests(SynchronousTestCase):
    def show(self, rate: Fraction = Fraction(25), scale: float = 1.0) -> Show:
        show = Show(SteadyTimes(rate, 2000))
        show.start(at_s=40 / float(rate) if scale > 0 else None, scale=scale)
        show.run(10)
        return show

    def test_what_was_missed_is_caught_up_in_order(self) -> None:
        for scale in (0.5, 1.0, -1.0, 2.0, -3.0):
            on_time, late = self.show(scale=scale), self.show(scale=scale)

            caught_up = late.run_late(PATIENCE_S - 0.001)

            self.assertEqual(caught_up, on_time.run(len(caught_up)))
            self.assertTrue(all(due.skipped == 0 for due, _ in late.sent))

    def test_catching_up_is_at_most_twice_the_rate(self) -> None:
        show = self.show()
        before = len(show.sent)
        show.run_late(0.240)

        self.assertGreater(len(show.sent) - before, 6)
        spacing_s = steps(show.moments_s()[before:])
        self.assertGreaterEqual(min(spacing_s), 0.5 / 25 - 1e-9)

    def test_rtp_time_is_that_of_the_film_while_it_catches_up(self) -> None:
        show = self.show()
        show.run_late(0.240)

        self.assertEqual(set(steps(show.ticks())), {3600})

    def test_beyond_patience_it_goes_to_the_present_and_counts(self) -> None:
        for scale in (0.5, 1.0, -1.0, -0.25, 2.0, -2.0, 5.0, -1.5, 1.5):
            for late_s in (0.2501, 0.3, 1.0, 3.333):
                on_time, late = self.show(scale=scale), self.show(scale=scale)

                number = late.run_late(late_s)[0]

                due, moment_s = late.sent[10]
                without_delay = on_time.run(due.skipped + 1)
                self.assertEqual(without_delay[-1], number, (scale, late_s))
                self.assertEqual(due.ticks, on_time.ticks()[-1])
                self.assertGreaterEqual(moment_s - due.due_s, -1e-6)
                self.assertLess(moment_s - due.due_s, 0.04 / min(1, abs(scale)) * 2)

    def test_slow_film_shows_its_late_frame(self) -> None:
        for scale in (1.0, -1.0):
            show = self.show(Fraction(1), scale)
            following = show.head.upcoming_numbers(1)

            self.assertEqual(show.run_late(0.4), following)
            self.assertEqual(show.sent[-1][0].skipped, 0)

    def test_no_frame_is_sent_before_its_moment_after_skipping(self) -> None:
        for scale in SCALES:
            show = self.show(Fraction(2), scale)
            show.run_late(0.8)

            for due, moment_s in show.sent:
                self.assertGreater(moment_s - due.due_s, -0.0011, scale)

    def test_late_at_the_end_shows_the_last_frame(self) -> None:
        for scale, last in ((1.0, 9), (-1.0, 0), (2.0, 8), (-2.0, 1), (-0.5, 0)):
            show = Show(SteadyTimes(Fraction(25), 10))
            show.start(scale=scale)
            sequence = Show(SteadyTimes(Fraction(25), 10))
            sequence.start(scale=scale)
            whole = sequence.run()
            show.run(1)

            self.assertEqual(show.run_late(3600.0), [last], scale)
            self.assertEqual(show.sent[-1][0].skipped, len(whole) - 2, scale)
            self.assertTrue(show.head.is_over)

    def test_late_at_the_end_of_a_range_stays_in_it(self) -> None:
        for at_s, until_s, scale, last in ((0.4, 0.8, 1.0, 7), (0.8, 0.4, -1.0, 4)):
            show = Show(SteadyTimes(Fraction(10), 50))
            show.start(at_s=at_s, until_s=until_s, scale=scale)
            show.run(1)

            self.assertEqual(show.run_late(60.0), [last])

    def test_hours_late_in_a_film_that_repeats(self) -> None:
        show = Show(SteadyTimes(Fraction(25), 100), loop=True)
        start = show.start()
        began_s = show.now_s
        show.run(1)
        show.run_late(7200.0)

        due, moment_s = show.sent[1]
        self.assertEqual(due.skipped, 7200 * 25)
        self.assertEqual(due.number, (7200 * 25 + 1) % 100)
        self.assertAlmostEqual((due.ticks - start.ticks) / 90_000, moment_s - began_s, places=3)


class PauseTests(SynchronousTestCase):
    def test_nothing_is_lost_and_nothing_repeated(self) -> None:
        for scale in SCALES:
            whole, paused = Show(SteadyTimes(NTSC, 500)), Show(SteadyTimes(NTSC, 500))
            whole.start(at_s=8.0, scale=scale)
            paused.start(at_s=8.0, scale=scale)
            if abs(scale) > 1 and scale != int(scale):
                continue  # the steps begin anew where it goes on

            for _ in range(3):
                paused.run(1)
                paused.head.pause()
                paused.now_s += 10
                paused.start(scale=scale)
            paused.run()

            self.assertEqual(paused.numbers(), whole.run(), scale)

    def test_position_is_the_frame_that_comes_next(self) -> None:
        show = Show(SteadyTimes(Fraction(10), 50))
        show.start(scale=4.0)
        show.run(3)
        show.head.pause()

        self.assertEqual(show.head.npt_s, 1.2)
        self.assertEqual(show.start(scale=4.0).number, 12)

    def test_rtp_time_goes_on_by_the_clock(self) -> None:
        show = Show(SteadyTimes(Fraction(10), 50))
        first = show.start()
        show.run(2)
        show.head.pause()
        show.now_s += 60

        self.assertEqual(show.start().ticks - first.ticks, 60.1 * RTP_CLOCK_HZ)

    def test_nothing_leaves_while_it_is_paused(self) -> None:
        show = Show(SteadyTimes(Fraction(10), 50))
        show.start()
        show.head.pause()

        self.assertIsNone(show.head.due(show.now_s + 9))
        self.assertIsNone(show.head.next_s)
        self.assertEqual(show.head.upcoming_numbers(1), [])
        self.assertIsNone(show.head.upcoming_ticks)

    def test_held_run_goes_on_where_it_stood(self) -> None:
        show = Show(SteadyTimes(Fraction(10), 50))
        show.start()
        show.run(5)
        show.now_s += 5.0
        show.head.hold(show.head.late_s(show.now_s))

        self.assertEqual(show.run(5), [5, 6, 7, 8, 9])
        self.assertEqual(set(steps(show.ticks())), {9000})
        self.assertAlmostEqual(show.moments_s()[6] - show.moments_s()[5], 0.1)

    def test_before_the_first_run_there_is_no_moment(self) -> None:
        head = Playhead(SteadyTimes(Fraction(10), 50), loop=False)

        self.assertEqual(head.npt_s, 0.0)
        self.assertEqual(head.upcoming_numbers(1), [])
        self.assertFalse(head.is_over)
        self.assertFalse(head.is_starved)
        self.assertRaises(RuntimeError, head.ticks_at, 0.0)
        self.assertRaises(RuntimeError, head.sent, 0.0)


class ReportTests(SynchronousTestCase):
    def test_rtp_time_of_any_moment_of_a_run(self) -> None:
        show = Show(SteadyTimes(Fraction(10), 50))
        start = show.start(scale=-2.0, speed=2.0)

        self.assertEqual(show.head.ticks_at(show.now_s + 1.5), start.ticks + 270_000)


class GrowingTests(SynchronousTestCase):
    def test_it_waits_for_the_index_and_goes_on(self) -> None:
        for times in (SteadyTimes(Fraction(10), 3), listed([0.0, 0.1, 0.2], Fraction(10))):
            show = Show(times, complete=False)
            show.start()

            self.assertEqual(show.run(), [0, 1, 2])
            self.assertTrue(show.head.is_starved)
            self.assertFalse(show.head.is_over)
            self.assertEqual(show.head.upcoming_numbers(1), [])

            grow(times, 2)
            self.assertEqual(show.run(), [3, 4])

            show.head.complete = True
            self.assertTrue(show.head.is_over)
            self.assertFalse(show.head.is_starved)

    def test_fast_motion_finds_the_frames_that_it_would_have_found(self) -> None:
        times = SteadyTimes(Fraction(10), 5)
        show = Show(times, complete=False)
        show.start(scale=3.0)
        show.run()
        grow(times, 1)
        self.assertEqual(show.run(), [])
        grow(times, 6)
        show.head.complete = True

        show.run()
        self.assertEqual(show.numbers(), [0, 3, 6, 9])

    def test_pause_while_it_waits_repeats_nothing(self) -> None:
        for times in (SteadyTimes(Fraction(10), 3), listed([0.0, 0.1, 0.2], Fraction(10))):
            show = Show(times, complete=False)
            show.start()
            show.run()
            show.head.pause()
            start = show.start()
            grow(times, 1)

            self.assertEqual(show.run(), [3])
            self.assertEqual(show.ticks()[-1], start.ticks)

    def test_film_that_repeats_does_so_once_it_is_known_whole(self) -> None:
        show = Show(SteadyTimes(Fraction(10), 3), loop=True, complete=False)
        show.start()
        show.run()
        self.assertTrue(show.head.is_starved)
        show.head.complete = True

        self.assertEqual(show.run(4), [0, 1, 2, 0])
        self.assertEqual(set(steps(show.ticks())), {9000})

    def test_reverse_over_the_beginning_waits_for_the_end(self) -> None:
        times = SteadyTimes(Fraction(10), 2)
        show = Show(times, loop=True, complete=False)
        show.start(scale=-1.0)
        self.assertEqual(show.run(), [1, 0])
        self.assertTrue(show.head.is_starved)
        grow(times, 3)
        show.head.complete = True

        self.assertEqual(show.run(3), [4, 3, 2])


def grow(times: SteadyTimes | ListedTimes, count: int) -> None:
    for _ in range(count):
        if isinstance(times, SteadyTimes):
            times.count += 1
        else:
            times.append(times.end)


class DayTests(SynchronousTestCase):
    """24 hours in leaps of ten minutes, some frames after each."""

    def play_a_day(self, times: FrameTimes, *, loop: bool) -> Show:
        show = Show(times, loop=loop)
        show.start()
        show.run(1)
        while show.now_s < 1000 + DAY_S - 601:
            show.run_late(600.0)
            show.run(8)
        return show

    def test_no_drift(self) -> None:
        for rate in (Fraction(24), NTSC):
            for count, loop in ((int(DAY_S * rate), False), (1001, True)):
                show = self.play_a_day(SteadyTimes(rate, count), loop=loop)

                first_ticks = show.sent[0][0].ticks
                ordinal = 0
                for due, _ in show.sent:
                    ordinal += due.skipped
                    self.assertEqual(due.number, ordinal % count)
                    media_s = ordinal / rate
                    self.assertEqual(due.ticks - first_ticks, round(media_s * RTP_CLOCK_HZ))
                    self.assertAlmostEqual(due.due_s, 1000 + media_s, places=6)
                    ordinal += 1
                self.assertGreater(first_ticks + DAY_S * RTP_CLOCK_HZ, 2**32)


requests = st.fixed_dictionaries(
    {
        "at_s": st.none() | st.floats(-1, 12),
        "scale": st.sampled_from(SCALES),
        "speed": st.sampled_from([0.5, 1.0, 2.0]),
    }
)
films = st.sampled_from(
    [
        SteadyTimes(NTSC, 300),
        SteadyTimes(Fraction(1), 10),
        listed([0, 0.01, 0.5, 0.5, 0.5004, 2, 9.9, 10]),
        RetimedTimes(SteadyTimes(Fraction(24), 240), Fraction(7)),
    ]
)
turns = st.lists(
    st.tuples(requests, st.integers(0, 9), st.floats(0, 2), st.booleans()), min_size=1, max_size=8
)


class LawTests(SynchronousTestCase):
    @given(films, st.booleans(), turns)
    def test_rtp_time_never_goes_back(
        self,
        times: FrameTimes,
        loop: bool,
        course: list[tuple[dict[str, float], int, float, bool]],
    ) -> None:
        show = Show(times, loop=loop)
        for wishes, frames, delay_s, is_paused in course:
            show.start(**wishes)
            show.run(frames)
            if is_paused:
                show.head.pause()
            show.now_s += delay_s
            if not is_paused and show.wait_s() == 0:
                show.send()

        self.assertEqual(show.ticks(), sorted(set(show.ticks())))

    def test_the_promise_holds_where_two_frames_have_one_time(self) -> None:
        for scale in SCALES:
            show = Show(listed([0, 0.5, 0.5, 1]), loop=False)
            start = show.start(at_s=0.5, scale=scale)
            self.assertEqual(show.head.upcoming_numbers(1), [start.number], scale)

    @given(films, st.booleans(), turns)
    def test_the_promise_of_play_is_the_first_frame(
        self,
        times: FrameTimes,
        loop: bool,
        course: list[tuple[dict[str, float], int, float, bool]],
    ) -> None:
        show = Show(times, loop=loop)
        for wishes, frames, delay_s, _ in course:
            start = show.start(**wishes)
            self.assertEqual(show.head.upcoming_numbers(1), [start.number])
            self.assertEqual(show.head.upcoming_ticks, start.ticks)
            self.assertEqual(show.head.npt_s, start.npt_s)
            due = show.head.due(show.now_s)
            assert due is not None
            self.assertEqual((due.number, due.ticks), (start.number, start.ticks))
            self.assertEqual((due.due_s, due.skipped), (show.now_s, 0))
            show.run(frames + 1)
            show.now_s += delay_s
