"""`mjpegd.playout`: frames leave at their moments, whatever the disk and the viewer do."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from random import Random

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.packing import JpegPacking
from mjpegd.playout import (
    MAX_FAREWELL_S,
    FilmPlayout,
    LivePlayout,
    Playout,
    PlayRequest,
)
from mjpegd.rtp import RTPStream
from mjpegd.stream import FilmStream, LiveStream, train_cache
from mjpegd.test.fakes import FakeFilm, FakeLive, small_picture, workshop
from mjpegd.test.pictures import number_of
from mjpegd.timetable import Timetable
from mjpegd.wire.clock import RTP_CLOCK_HZ
from mjpegd.wire.jpeg_payload import Reassembler, to_jpeg
from mjpegd.wire.packets import RTPPacket, TrainTemplate
from mjpegd.wishes import Wishes

PACKING = JpegPacking(max_payload_bytes=1388, interleaved=False)
FIRST_TICKS = 7000
# The reactor's timers are no finer.
TIMER_S = 0.001


def number_in(template: TrainTemplate) -> int:
    """The number that the picture in a train shows."""
    reassembler, frame = Reassembler(), None
    for data in template.stamp(0, 0, 1).packets():
        packet = RTPPacket.parse(bytes(data))
        frame = reassembler.feed(packet.payload, packet.timestamp, packet.marker)
    assert frame is not None, "the train is no whole frame"
    return number_of(to_jpeg(frame))


class FailingFilm(FakeFilm):
    """A film with a fault of ours in it."""

    @override
    def read_now(self, number: int) -> None:
        return None

    @override
    def read(self, number: int) -> Deferred[bytes]:
        return fail(ZeroDivisionError())


class RecordingViewer:
    """A viewer that keeps all it is told.

    Attributes:
        delivered: Moment, train and RTP time of each frame.
        on_deliver: Called for each frame.
    """

    def __init__(self, clock: Clock) -> None:
        self.delivered: list[tuple[float, TrainTemplate, int]] = []
        self.spreads_s: list[float] = []
        self.skips: list[int] = []
        self.holds_s: list[float] = []
        self.finished_s: list[float] = []
        self.gone: list[str] = []
        self.faults: list[BaseException] = []
        self.on_deliver: Callable[[], object] = lambda: None
        self._clock = clock

    def deliver(self, template: TrainTemplate, ticks: int, spread_s: float) -> None:
        self.delivered.append((self._clock.seconds(), template, ticks))
        self.spreads_s.append(spread_s)
        self.on_deliver()

    def skipped(self, count: int) -> None:
        self.skips.append(count)

    def held(self, seconds: float) -> None:
        self.holds_s.append(seconds)

    def finished(self) -> None:
        self.finished_s.append(self._clock.seconds())

    def broke(self, failure: Failure) -> None:
        if failure.value is not None:
            self.faults.append(failure.value)

    def stream_gone(self, reason: str) -> None:
        self.gone.append(reason)

    def numbers(self) -> list[int]:
        return [number_in(template) for _, template, _ in self.delivered]

    def moments_s(self) -> list[float]:
        return [moment_s for moment_s, _, _ in self.delivered]

    def ticks(self) -> list[int]:
        return [ticks for _, _, ticks in self.delivered]


class PlayoutTestCase(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000.1)  # a moment with a long fraction
        self.viewer = RecordingViewer(self.clock)

    def playout(
        self, film: FakeFilm, wishes: Wishes | None = None, *, endless: bool = False
    ) -> FilmPlayout:
        self.film = film
        self.stream = FilmStream(film, train_cache(10_000_000), workshop())
        self.stream.join(self.viewer)
        return FilmPlayout(
            self.stream,
            wishes or Wishes(),
            PACKING,
            Timetable(self.clock),
            self.viewer,
            endless=endless,
        )

    def play(self, playout: Playout, request: PlayRequest | None = None) -> None:
        self.began_s = self.clock.seconds()
        playout.cue(request or PlayRequest(), FIRST_TICKS)
        playout.roll()

    def assert_broke_once(self) -> None:
        self.assertEqual([type(fault) for fault in self.viewer.faults], [ZeroDivisionError])

    def pass_s(self, seconds: float, step_s: float = TIMER_S) -> None:
        """Let time pass in small steps."""
        for _ in range(round(seconds / step_s)):
            self.clock.advance(step_s)

    def assert_leave_at(self, media_s: Sequence[float], within_s: float = 0.003) -> None:
        """Each frame left at its moment, and its RTP time says so."""
        self.assertEqual(len(self.viewer.delivered), len(media_s))
        for (moment_s, _, ticks), expected_s in zip(self.viewer.delivered, media_s, strict=True):
            self.assertLess(abs(moment_s - self.began_s - expected_s), within_s)
            self.assertEqual(ticks - FIRST_TICKS, round(expected_s * RTP_CLOCK_HZ))


class PaceTests(PlayoutTestCase):
    def test_first_frame_leaves_at_once(self) -> None:
        self.play(self.playout(FakeFilm()))

        self.assertEqual(self.viewer.numbers(), [0])

    def test_frames_on_the_grid(self) -> None:
        for rate in (Fraction(24), Fraction(30_000, 1001), Fraction(1)):
            self.setUp()
            self.play(self.playout(FakeFilm(1000, rate)))
            self.pass_s(5.0)

            count = int(5 * rate) + 1
            self.assert_leave_at([number / float(rate) for number in range(count)])
            self.assertEqual(self.viewer.numbers(), list(range(count)))

    def test_constant_rate_needs_one_timer(self) -> None:
        self.play(self.playout(FakeFilm(100, Fraction(24))))
        self.clock.advance(TIMER_S)
        for _ in range(50):
            self.assertEqual(len(self.clock.getDelayedCalls()), 1)
            self.clock.advance(1 / 24)

        self.assertEqual(len(self.viewer.delivered), 51)

    def test_slow_motion_wakes_for_its_frames_only(self) -> None:
        self.play(self.playout(FakeFilm(100, Fraction(24))), PlayRequest(scale=0.25))

        wakes_s = [call.getTime() - self.began_s for call in self.clock.getDelayedCalls()]
        self.assertEqual(len(wakes_s), 1)
        self.assertTrue(1 / 6 <= wakes_s[0] <= 1 / 6 + TIMER_S, wakes_s)

    def test_frames_off_the_grid(self) -> None:
        seconds = [0, 0.013, 0.05, 0.0507, 0.4, 0.41, 1.9, 2.0333]
        self.play(self.playout(FakeFilm(seconds=seconds)))
        self.pass_s(3.0, step_s=0.0005)

        self.assert_leave_at(seconds)
        self.assertEqual(self.viewer.numbers(), list(range(len(seconds))))

    def test_fast_and_slow_motion_keep_their_moments(self) -> None:
        for scale, speed in ((0.3, 1.0), (2.0, 1.0), (1.5, 1.0), (1.0, 2.0), (1.0, 0.7)):
            self.setUp()
            self.play(self.playout(FakeFilm(200)), PlayRequest(scale=scale, speed=speed))
            self.pass_s(1.0)

            for moment_s, template, _ in self.viewer.delivered:
                media_s = number_in(template) / 24
                expected_s = media_s / scale / speed
                self.assertLess(abs(moment_s - self.began_s - expected_s), 0.003)
            self.assertGreater(len(self.viewer.delivered), 5)

    def test_retimed_film_drops_no_frame(self) -> None:
        self.play(self.playout(FakeFilm(10), Wishes(fps=Fraction(12))))
        self.pass_s(2.0)

        self.assert_leave_at([number / 12 for number in range(10)])

    def test_still_is_repeated_once_a_second(self) -> None:
        self.play(self.playout(FakeFilm(1, still=True), endless=True))
        self.pass_s(4.5, step_s=0.01)

        self.assert_leave_at([0, 1, 2, 3, 4], within_s=0.011)
        self.assertEqual(self.viewer.finished_s, [])

    def test_film_that_repeats_has_no_end(self) -> None:
        playout = self.playout(FakeFilm(10), endless=True)
        self.play(playout)
        self.pass_s(1.5)

        self.assertEqual(self.viewer.numbers()[:25], [*range(10), *range(10), *range(5)])
        self.assertEqual({b - a for a, b in pairwise(self.viewer.ticks())}, {3750})
        self.assertIsNone(playout.end_s)

    def test_large_trains_are_spread_over_half_the_interval_at_most(self) -> None:
        self.play(self.playout(FakeFilm(seconds=[0, 0.01, 0.05, 30.0])))
        self.pass_s(0.1)

        self.assertEqual(len(self.viewer.spreads_s), 3)
        for spread_s, most_s in zip(self.viewer.spreads_s, (0.005, 0.02, 1 / 48), strict=True):
            self.assertAlmostEqual(spread_s, most_s)


class LatenessTests(PlayoutTestCase):
    def test_a_hiccup_costs_no_frame(self) -> None:
        self.play(self.playout(FakeFilm(100)))
        self.pass_s(0.5)
        self.clock.advance(0.245)
        self.pass_s(1.255)

        self.assertEqual(self.viewer.numbers(), list(range(49)))
        self.assertEqual(self.viewer.skips, [])
        spacing_s = [b - a for a, b in pairwise(self.viewer.moments_s())]
        self.assertGreaterEqual(min(spacing_s), 0.5 / 24 - 0.0011)

    def test_a_longer_one_skips_what_it_counts(self) -> None:
        self.play(self.playout(FakeFilm(100)))
        self.pass_s(0.5)
        self.clock.pump([1.0])
        self.pass_s(0.5)

        numbers = self.viewer.numbers()
        missing = set(range(numbers[-1])) - set(numbers)
        self.assertEqual(sum(self.viewer.skips), len(missing))
        self.assertGreater(len(missing), 10)
        self.assertEqual(numbers[-1], 48)


class EndTests(PlayoutTestCase):
    def test_farewell_comes_100_to_500_ms_after_the_last_frame(self) -> None:
        for rate, scale in (
            (Fraction(1), 1.0),
            (Fraction(24), 1.0),
            (Fraction(24), -1.0),
            (Fraction(24), 0.05),
            (Fraction(240), 1.0),
        ):
            self.setUp()
            film = FakeFilm(4, rate)
            self.play(self.playout(film), PlayRequest(scale=scale))
            self.pass_s(6.0, step_s=0.005)

            silence_s = self.viewer.finished_s[0] - self.viewer.moments_s()[-1]
            self.assertEqual(len(self.viewer.delivered), 4)
            self.assertEqual(len(self.viewer.finished_s), 1)
            self.assertTrue(0.1 <= silence_s <= 0.5, silence_s)
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_after_the_end_it_starts_over(self) -> None:
        playout = self.playout(FakeFilm(3))
        self.play(playout)
        self.pass_s(1.0)
        self.assertEqual(playout.npt_s, 0.0)
        self.play(playout)
        self.pass_s(1.0)

        self.assertEqual(self.viewer.numbers(), [0, 1, 2, 0, 1, 2])
        self.assertEqual(len(self.viewer.finished_s), 2)

    def test_pause_before_the_farewell_cancels_it(self) -> None:
        playout = self.playout(FakeFilm(3))
        self.play(playout)
        self.pass_s(0.1)
        playout.pause()
        self.pass_s(1.0)

        self.assertEqual(self.viewer.finished_s, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_range_ends_with_a_farewell_and_can_go_on(self) -> None:
        playout = self.playout(FakeFilm(24))
        self.play(playout, PlayRequest(at_s=0.25, until_s=0.5))
        self.pass_s(1.0)
        self.assertEqual(self.viewer.numbers(), list(range(6, 12)))
        self.assertEqual(len(self.viewer.finished_s), 1)

        self.play(playout)
        self.assertEqual(self.viewer.numbers()[-1], 12)

    def test_range_without_a_frame_ends_too(self) -> None:
        self.play(self.playout(FakeFilm(24)), PlayRequest(at_s=0.5, until_s=0.5))
        self.pass_s(MAX_FAREWELL_S + 0.01)

        self.assertEqual(self.viewer.delivered, [])
        self.assertEqual(len(self.viewer.finished_s), 1)


class CueTests(PlayoutTestCase):
    def test_promise_is_the_first_frame(self) -> None:
        playout = self.playout(FakeFilm(240))

        cue = playout.cue(PlayRequest(at_s=3.0), FIRST_TICKS)
        playout.roll()

        self.assertEqual((cue.npt_s, cue.end_s, cue.ticks), (3.0, 10.0, FIRST_TICKS))
        self.assertEqual(self.viewer.numbers(), [72])
        self.assertEqual(self.viewer.ticks(), [FIRST_TICKS])

    def test_end_is_that_of_the_range_within_the_film(self) -> None:
        playout = self.playout(FakeFilm(240))

        self.assertEqual(playout.cue(PlayRequest(until_s=4.0), 0).end_s, 4.0)
        self.assertEqual(playout.cue(PlayRequest(until_s=99.0), 0).end_s, 10.0)
        self.assertEqual(playout.cue(PlayRequest(scale=-1.0), 0).end_s, 0.0)
        self.assertEqual(playout.cue(PlayRequest(until_s=4.0, scale=-1.0), 0).end_s, 4.0)

    def test_film_that_is_still_indexed_has_no_end(self) -> None:
        playout = self.playout(FakeFilm(240, complete=False))

        self.assertIsNone(playout.cue(PlayRequest(), 0).end_s)
        self.film.grow(complete=True)
        self.assertEqual(playout.end_s, 10.0)

    def test_standing_promise_is_the_frame_that_comes_next(self) -> None:
        playout = self.playout(FakeFilm(240))
        self.play(playout)
        self.pass_s(0.05)

        standing = playout.standing()

        self.assertEqual(standing.npt_s, 2 / 24)
        self.assertEqual(standing.ticks, FIRST_TICKS + 7500)

    def test_report_time_is_that_of_the_moment(self) -> None:
        playout = self.playout(FakeFilm(240))
        self.play(playout)
        self.pass_s(1.0)

        self.assertEqual(playout.ticks_at(self.began_s + 0.5), FIRST_TICKS + 45_000)
        self.assertEqual(playout.ticks_at(self.began_s + 0.25), FIRST_TICKS + 22_500)

    def test_standing_promise_at_the_end_is_the_moment(self) -> None:
        playout = self.playout(FakeFilm(1))
        self.play(playout)
        self.clock.advance(0.01)

        self.assertEqual(playout.standing().ticks, FIRST_TICKS + 900)


class PauseTests(PlayoutTestCase):
    def test_nothing_is_lost_and_nothing_repeated(self) -> None:
        playout = self.playout(FakeFilm(240))
        for _ in range(4):
            self.play(playout)
            self.pass_s(0.1)
            playout.pause()
            self.pass_s(0.1)

        self.assertEqual(self.viewer.numbers(), list(range(12)))
        self.assertEqual(playout.npt_s, 0.5)

    def test_from_within_deliver(self) -> None:
        playout = self.playout(FakeFilm(240))
        self.viewer.on_deliver = playout.pause
        for _ in range(3):
            self.play(playout)
            self.pass_s(1.0)

        self.assertEqual(self.viewer.numbers(), [0, 1, 2])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_from_within_deliver_off_the_grid(self) -> None:
        playout = self.playout(FakeFilm(seconds=[0, 0.013, 0.3, 1.0]))
        self.play(playout)
        self.viewer.on_deliver = playout.pause
        self.pass_s(1.0)

        self.assertEqual(self.viewer.numbers(), [0, 1])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_new_play_from_within_deliver(self) -> None:
        playout = self.playout(FakeFilm(240))
        self.play(playout)

        def seek() -> None:
            self.viewer.on_deliver = lambda: None
            self.play(playout, PlayRequest(at_s=5.0))

        self.viewer.on_deliver = seek
        self.pass_s(0.1)

        self.assertEqual(self.viewer.numbers(), [0, 1, 120, 121])


class WaitingTests(PlayoutTestCase):
    def slow(self, count: int = 240) -> FakeFilm:
        film = FakeFilm(count)
        film.is_slow = True
        return film

    def test_frame_that_is_read_is_waited_for_and_sent_in_order(self) -> None:
        playout = self.playout(self.slow())
        self.play(playout)
        self.assertEqual(self.viewer.delivered, [])
        for _ in range(100):
            self.clock.advance(0.01)
            self.film.release()

        self.assertEqual(self.viewer.numbers(), list(range(len(self.viewer.delivered))))
        self.assertGreaterEqual(len(self.viewer.delivered), 24)
        self.assertEqual(self.viewer.skips, [])

    def test_next_frame_is_read_ahead(self) -> None:
        self.play(self.playout(self.slow()))
        self.film.release()

        self.assertEqual(self.film.waiting, [1])

    def test_short_wait_is_caught_up(self) -> None:
        self.play(self.playout(self.slow()))
        self.film.release()
        self.pass_s(0.2)
        for _ in range(800):
            self.film.release()
            self.clock.advance(TIMER_S)

        self.assertEqual(self.viewer.numbers(), list(range(25)))
        self.assertEqual((self.viewer.holds_s, self.viewer.skips), ([], []))

    def test_long_wait_holds_the_film(self) -> None:
        self.play(self.playout(self.slow()))
        self.film.release()
        self.pass_s(2.0)
        self.film.is_slow = False
        self.film.release()
        self.pass_s(0.5 + TIMER_S)

        self.assertEqual(self.viewer.numbers(), list(range(14)))
        self.assertEqual(self.viewer.skips, [])
        self.assertAlmostEqual(self.viewer.holds_s[0], 2.0 - 1 / 24, places=2)
        self.assertEqual({b - a for a, b in pairwise(self.viewer.ticks())}, {3750})

    def test_frame_that_cannot_be_read_just_now_is_asked_for_until_it_can(self) -> None:
        self.play(self.playout(FakeFilm(12)))
        self.pass_s(0.2)
        before = self.viewer.numbers()
        self.film.is_busy = True
        self.pass_s(3.0)
        self.film.is_busy = False
        self.pass_s(2.0)

        self.assertLess(len(before), 12)
        self.assertEqual(self.viewer.numbers(), list(range(12)))
        self.assertEqual(self.viewer.skips, [])
        self.assertGreater(sum(self.viewer.holds_s), 2.5)

    def test_pause_while_a_frame_cannot_be_read_leaves_nothing_to_do(self) -> None:
        film = FakeFilm(12)
        film.is_busy = True
        playout = self.playout(film)
        self.play(playout)
        self.pass_s(0.1)

        playout.pause()

        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_pause_while_a_frame_is_read(self) -> None:
        playout = self.playout(self.slow())
        self.play(playout)
        playout.pause()
        self.film.release()
        self.pass_s(0.5)
        self.assertEqual(self.viewer.delivered, [])

        self.play(playout)
        self.assertEqual(self.viewer.numbers(), [0])

    def test_seek_while_a_frame_is_read(self) -> None:
        playout = self.playout(self.slow())
        self.play(playout)
        self.play(playout, PlayRequest(at_s=5.0))
        self.film.release()

        self.assertEqual(self.viewer.numbers(), [120])

    def test_film_that_grows_is_waited_for(self) -> None:
        self.play(self.playout(FakeFilm(3, complete=False)))
        self.pass_s(0.5)
        self.assertEqual(self.viewer.numbers(), [0, 1, 2])
        self.assertEqual(self.viewer.finished_s, [])

        self.film.grow(2)
        self.pass_s(0.2)
        self.film.grow(complete=True)
        self.pass_s(0.6)

        self.assertEqual(self.viewer.numbers(), [0, 1, 2, 3, 4])
        self.assertEqual(len(self.viewer.finished_s), 1)

    def test_film_that_grows_in_time_is_not_held(self) -> None:
        self.play(self.playout(FakeFilm(1, Fraction(1), complete=False)))
        for _ in range(4):
            self.pass_s(0.9, step_s=0.01)
            self.film.grow(1)
            self.pass_s(0.1, step_s=0.01)
        self.pass_s(0.02)

        self.assertEqual(self.viewer.holds_s, [])
        self.assert_leave_at([0, 1, 2, 3, 4], within_s=0.02)

    def test_film_that_repeats_does_so_when_it_is_known_whole(self) -> None:
        self.play(self.playout(FakeFilm(3, complete=False), endless=True))
        self.pass_s(0.2)
        self.film.grow(complete=True)
        self.pass_s(0.2)

        self.assertEqual(self.viewer.numbers()[:7], [0, 1, 2, 0, 1, 2, 0])


class FaultTests(PlayoutTestCase):
    def test_broken_pictures_are_skipped_and_time_is_kept(self) -> None:
        self.play(self.playout(FakeFilm(24, broken={0, 3, 4, 23})))
        self.pass_s(2.0)

        good = [number for number in range(24) if number not in {0, 3, 4, 23}]
        self.assert_leave_at([number / 24 for number in good])
        self.assertEqual(self.viewer.numbers(), good)
        self.assertEqual(len(self.viewer.finished_s), 1)

    def test_broken_pictures_that_are_read_late(self) -> None:
        film = FakeFilm(5, broken={1, 2})
        film.is_slow = True
        self.play(self.playout(film))
        for _ in range(500):
            film.release()
            self.clock.advance(TIMER_S)

        self.assertEqual(self.viewer.numbers(), [0, 3, 4])

    def test_changed_file_ends_it(self) -> None:
        playout = self.playout(FakeFilm(24))
        self.viewer.on_deliver = lambda: None
        self.play(playout)
        self.film.change("replaced")
        self.pass_s(0.1)

        self.assertIn("replaced", self.viewer.gone)
        self.assertEqual(self.stream.changed, "replaced")

    def test_changed_file_that_is_read_late_ends_it(self) -> None:
        film = FakeFilm(24)
        film.is_slow = True
        self.play(self.playout(film))
        film.change("replaced")
        film.release()

        self.assertEqual(self.viewer.gone, ["replaced"])

    def test_fault_of_ours_is_told_and_ends_it(self) -> None:
        for film in (FakeFilm(24), FakeFilm(seconds=[0, 0.01, 0.3])):
            self.setUp()
            playout = self.playout(film)
            self.play(playout)

            def fail() -> None:
                raise ZeroDivisionError

            self.viewer.on_deliver = fail
            self.pass_s(0.1)

            self.assert_broke_once()
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_fault_of_ours_while_reading_is_told_and_ends_it(self) -> None:
        self.play(self.playout(FailingFilm()))

        self.assert_broke_once()

    def test_fault_of_ours_after_a_wait_is_told_and_ends_it(self) -> None:
        film = FakeFilm(24)
        film.is_slow = True
        self.play(self.playout(film))

        def fail() -> None:
            raise ZeroDivisionError

        self.viewer.on_deliver = fail
        film.release()

        self.assert_broke_once()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class DayTests(PlayoutTestCase):
    def test_numbers_and_times_wrap_without_a_break(self) -> None:
        """A frame every four seconds for 24 hours, then the numbers as they are on the wire."""
        self.play(self.playout(FakeFilm(3, Fraction(1, 4)), endless=True))
        self.clock.pump([4.0] * 21_600)

        rtp = RTPStream(ssrc=1, sequence=50_000, first_ticks=0, cname="mjpegd")
        sequence_wraps = 2**16 - 50_000
        timestamp_wraps = (2**32 - FIRST_TICKS) // (4 * RTP_CLOCK_HZ) + 1
        looked_at = {0, 21_600}
        for number in (sequence_wraps, timestamp_wraps):
            looked_at.update(range(number - 100, number + 100))
        self.assertEqual(len(self.viewer.delivered), 21_601)
        for number, (_, template, ticks) in enumerate(self.viewer.delivered):
            train = rtp.train(template, ticks)
            if number in looked_at:
                [packet] = (RTPPacket.parse(bytes(data)) for data in train.packets())
                self.assertEqual(packet.sequence, (50_000 + number) % 2**16)
                self.assertEqual(
                    packet.timestamp, (FIRST_TICKS + number * 4 * RTP_CLOCK_HZ) % 2**32
                )
        self.assertLess(self.viewer.moments_s()[-1] - self.began_s - 86_400, 0.001)

    def test_uneven_timers_do_not_add_up(self) -> None:
        random = Random(1)
        self.play(self.playout(FakeFilm(7, Fraction(30_000, 1001)), endless=True))
        for _ in range(10_000):
            self.clock.advance(random.uniform(0.001, 0.03))

        for number, (moment_s, _, ticks) in enumerate(self.viewer.delivered):
            self.assertEqual(ticks - FIRST_TICKS, number * 3003)
            self.assertLess(moment_s - self.began_s - number * 1001 / 30_000, 0.25)
        self.assertEqual(self.viewer.skips, [])


class LiveTests(PlayoutTestCase):
    @override
    def setUp(self) -> None:
        super().setUp()
        self.live = FakeLive(25.0)
        self.stream_of_live = LiveStream(self.live)
        self.live_playout = LivePlayout(self.stream_of_live, PACKING, self.clock, self.viewer)

    def push(self, number: int, after_s: float = 0.04) -> None:
        self.clock.advance(after_s)
        self.live.push(small_picture(number), self.clock.seconds())

    def test_each_frame_leaves_as_it_comes(self) -> None:
        self.play(self.live_playout)
        for number in range(5):
            self.push(number)

        self.assertEqual(self.viewer.numbers(), list(range(5)))
        self.assertEqual(self.viewer.ticks(), [FIRST_TICKS + 3600 * n for n in range(5)])
        self.assertEqual(set(self.viewer.spreads_s), {0.02})

    def test_a_fault_with_one_viewer_leaves_the_others_alone(self) -> None:
        other = RecordingViewer(self.clock)
        LivePlayout(self.stream_of_live, PACKING, self.clock, other).roll()
        self.play(self.live_playout)

        def fail() -> None:
            raise ZeroDivisionError

        other.on_deliver = fail
        self.push(1)

        self.assertEqual([type(fault) for fault in other.faults], [ZeroDivisionError])
        self.assertEqual(self.viewer.numbers(), [1])

    def test_nothing_comes_before_it_plays_and_while_it_pauses(self) -> None:
        self.push(1)
        self.play(self.live_playout)
        self.push(2)
        self.live_playout.pause()
        self.push(3)

        self.assertEqual(self.viewer.numbers(), [2])
        self.assertEqual(self.live.listeners, [])

    def test_promise_is_the_first_frame(self) -> None:
        cue = self.live_playout.cue(PlayRequest(at_s=5.0, scale=2.0), 77)
        self.assertEqual((cue.npt_s, cue.end_s, cue.scale, cue.speed), (None, None, 1.0, 1.0))
        self.assertEqual(self.live_playout.standing().ticks, 77)
        self.live_playout.roll()
        self.push(1)

        self.assertEqual(self.viewer.ticks(), [cue.ticks])

    def test_report_time_is_that_of_the_moment(self) -> None:
        self.play(self.live_playout)
        self.push(1)

        self.assertEqual(
            self.live_playout.ticks_at(self.clock.seconds() + 1), FIRST_TICKS + RTP_CLOCK_HZ
        )

    def test_rtp_time_does_not_go_back_where_a_frame_was_captured_earlier(self) -> None:
        self.play(self.live_playout)
        self.live.push(small_picture(1), self.clock.seconds() - 0.2)
        self.live.push(small_picture(2), self.clock.seconds())
        self.live_playout.pause()
        self.play(self.live_playout)
        self.push(3)

        self.assertEqual(self.viewer.ticks(), sorted(set(self.viewer.ticks())))
