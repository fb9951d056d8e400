from collections.abc import Iterable
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.sources.timing import FilmTimes, nominal_rate, usual_rate


def times_of(stamps: Iterable[float | None], rate: Fraction = Fraction(25)) -> FilmTimes:
    times = FilmTimes(rate)
    for stamp in stamps:
        times.append(stamp)
    return times


def listed(times: FilmTimes) -> list[float]:
    return [round(times.time_of(number), 6) for number in range(times.count)]


class FilmTimesTests(SynchronousTestCase):
    def test_without_stamps_the_rate_is_steady(self) -> None:
        times = times_of([None] * 300, Fraction(30000, 1001))

        self.assertEqual(times.count, 300)
        self.assertEqual(times.time_of(299), 299 * 1001 / 30000)
        self.assertEqual(times.end, 10.01)
        self.assertEqual(times.rate, Fraction(30000, 1001))

    def test_rounded_stamps_give_the_exact_rate(self) -> None:
        rate = Fraction(30000, 1001)
        times = times_of([round(7 + number * 1001 / 30000, 3) for number in range(3000)], rate)

        self.assertEqual(times.time_of(2999), 2999 * 1001 / 30000)

    def test_times_start_at_the_first_frame(self) -> None:
        self.assertEqual(listed(times_of([5.0, 5.5, 7.0])), [0.0, 0.5, 2.0])

    def test_one_stamp_off_the_rate_and_all_later_ones_are_as_the_file_has_them(self) -> None:
        times = times_of([0.0, 0.0404, 0.08, 0.15, 0.16])

        self.assertEqual(listed(times), [0.0, 0.04, 0.08, 0.15, 0.16])
        self.assertEqual(times.number_at(0.155), 3)
        self.assertEqual(times.end, 0.2)

    def test_clock_that_was_set_costs_one_frame_s_time(self) -> None:
        for jump in (-1000.0, 0.04, 1e9):
            with self.subTest(jump=jump):
                times = times_of([0.0, 0.04, jump, jump + 0.04, jump + 0.12])

                self.assertEqual(listed(times), [0.0, 0.04, 0.08, 0.12, 0.2])

    def test_missing_stamp_is_one_frame_on(self) -> None:
        self.assertEqual(listed(times_of([0.0, 0.1, None, 5.0, 5.1])), [0.0, 0.1, 0.14, 0.18, 0.28])

    @given(st.lists(st.none() | st.floats(-1e12, 1e12)))
    def test_times_never_go_back(self, stamps: list[float | None]) -> None:
        times = listed(times_of(stamps))

        self.assertEqual(times, sorted(times))
        self.assertEqual(len(times), len(stamps))
        self.assertEqual(times[:1], [0.0][: len(stamps)])


class NominalRateTests(SynchronousTestCase):
    def test_mean_gap_of_the_first_stamps(self) -> None:
        for rate in (Fraction(25), Fraction(30000, 1001), Fraction(1, 5), Fraction(600)):
            with self.subTest(rate=rate):
                stamps = [3 + float(number / rate) for number in range(10)]

                self.assertEqual(nominal_rate(stamps), rate)

    def test_stamps_of_no_use(self) -> None:
        for stamps in ([], [1.0], [None, None], [1.0, 1.0], [2.0, 1.0], [0.0, 1e-6], [0.0, 1e6]):
            with self.subTest(stamps=stamps):
                self.assertIsNone(nominal_rate(stamps))


class UsualRateTests(SynchronousTestCase):
    def test_a_header_that_the_frames_keep_is_believed(self) -> None:
        self.assertEqual(usual_rate(Fraction(25), [0.0, 0.04, 0.08]), 25)

    def test_single_dropped_frames_change_nothing(self) -> None:
        self.assertEqual(usual_rate(Fraction(25), [0.0, 0.04, 0.12, 0.16, 0.2]), 25)

    def test_a_time_base_is_no_rate(self) -> None:
        stamps = [number / 25 for number in range(20)]

        self.assertEqual(usual_rate(Fraction(600), stamps), 25)

    def test_without_times_the_header_is_believed(self) -> None:
        self.assertEqual(usual_rate(Fraction(600), [None, None]), 600)
