from fractions import Fraction
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.wire.errors import ParseError
from mjpegd.wire.times import (
    SEEK_TOLERANCE_S,
    FrameTimes,
    ListedTimes,
    RetimedTimes,
    SteadyTimes,
    parse_rate,
)

NTSC = Fraction(30_000, 1001)

RATES = st.fractions(Fraction(1, 1001), 5000, max_denominator=1001)


def listed(rate: int, *times: float) -> ListedTimes:
    film = ListedTimes(Fraction(rate))
    for seconds in times:
        film.append(seconds)
    return film


class SteadyTimesTests(SynchronousTestCase):
    def test_times_are_multiples_of_the_exact_rate(self) -> None:
        film = SteadyTimes(NTSC, 30_001)

        self.assertEqual(film.time_of(0), 0.0)
        self.assertEqual(film.time_of(30_000), 1001.0)

    def test_end_is_when_the_last_frame_has_been_shown(self) -> None:
        self.assertEqual(SteadyTimes(Fraction(25), 50).end, 2.0)
        self.assertEqual(SteadyTimes(Fraction(25)).end, 0.0)

    def test_a_frame_is_on_display_until_the_next(self) -> None:
        film = SteadyTimes(Fraction(10), 5)

        self.assertEqual([film.number_at(s) for s in (0.0, 0.05, 0.09, 0.1, 0.19)], [0, 0, 0, 1, 1])

    def test_beyond_the_ends_it_is_the_first_or_last_frame(self) -> None:
        film = SteadyTimes(Fraction(10), 5)

        self.assertEqual((film.number_at(-3.0), film.number_at(1e9)), (0, 4))
        self.assertEqual(SteadyTimes(Fraction(10)).number_at(1.0), 0)

    def test_growing_moves_the_end(self) -> None:
        film = SteadyTimes(Fraction(10), 5)

        film.count = 20

        self.assertEqual((film.end, film.number_at(1.5)), (2.0, 15))

    @given(rate=RATES, number=st.integers(0, 10**6))
    def test_every_frame_is_found_at_its_time(self, rate: Fraction, number: int) -> None:
        film = SteadyTimes(rate, number + 10)

        self.assertEqual(film.number_at(film.time_of(number)), number)

    @given(rate=st.fractions(1, 240, max_denominator=1001), number=st.integers(0, 10**5))
    def test_a_time_cut_to_milliseconds_means_the_same_frame(
        self, rate: Fraction, number: int
    ) -> None:
        film = SteadyTimes(rate, number + 10)

        self.assertEqual(film.number_at(int(film.time_of(number) * 1000) / 1000), number)


class ListedTimesTests(SynchronousTestCase):
    def test_an_empty_film_has_no_length(self) -> None:
        film = ListedTimes(Fraction(25))

        self.assertEqual((film.count, film.end, film.number_at(1.0)), (0, 0.0, 0))

    def test_the_last_frame_is_shown_for_the_nominal_time(self) -> None:
        self.assertEqual(listed(4, 0.0, 1.0, 1.5).end, 1.75)

    def test_a_frame_is_on_display_until_the_next(self) -> None:
        film = listed(4, 0.0, 1.0, 1.5)

        self.assertEqual(film.count, 3)
        self.assertEqual(film.time_of(2), 1.5)
        self.assertEqual([film.number_at(s) for s in (-1.0, 0.9, 1.0, 1.4, 1.5)], [0, 0, 1, 1, 2])
        self.assertEqual(film.number_at(9.0), 2)

    def test_of_frames_at_one_time_the_last_is_shown(self) -> None:
        self.assertEqual(listed(4, 0.0, 1.0, 1.0, 2.0).number_at(1.0), 2)

    @given(st.lists(st.floats(0, 3600), min_size=1, max_size=30), st.floats(0, 4000))
    def test_the_frame_shown_is_the_last_that_is_due(
        self, times: list[float], seconds: float
    ) -> None:
        times = [0.0, *sorted(times)]
        film = listed(25, *times)

        number = film.number_at(seconds)

        self.assertLessEqual(times[number], seconds + SEEK_TOLERANCE_S)
        self.assertTrue(all(later > seconds for later in times[number + 1 :]))

    @given(st.lists(st.floats(0.003, 10), min_size=1, max_size=30))
    def test_every_frame_is_found_at_its_time(self, gaps: list[float]) -> None:
        film = listed(25, *accumulate(gaps))

        for number in range(film.count):
            self.assertEqual(film.number_at(film.time_of(number)), number)


class RetimedTimesTests(SynchronousTestCase):
    def test_frames_keep_their_numbers_at_another_rate(self) -> None:
        film = RetimedTimes(listed(4, 0.0, 1.0, 1.5), Fraction(2))

        self.assertEqual((film.rate, film.count, film.end), (Fraction(2), 3, 1.5))
        self.assertEqual([film.time_of(n) for n in range(3)], [0.0, 0.5, 1.0])
        self.assertEqual([film.number_at(s) for s in (0.4, 0.5, 7.0)], [0, 1, 2])

    def test_it_grows_with_the_film(self) -> None:
        original = SteadyTimes(Fraction(25), 1)
        film: FrameTimes = RetimedTimes(original, Fraction(5))

        original.count = 10

        self.assertEqual((film.count, film.end, film.number_at(1.0)), (10, 2.0, 5))


class ParseRateTests(SynchronousTestCase):
    def test_every_way_to_write_a_rate(self) -> None:
        for text, rate in [
            ("25", Fraction(25)),
            ("29.97", Fraction(2997, 100)),
            ("30000/1001", Fraction(30_000, 1001)),
            ("0.1", Fraction(1, 10)),
            ("1000", Fraction(1000)),
        ]:
            self.assertEqual(parse_rate(text), rate)

    def test_anything_else_is_refused(self) -> None:
        for text in ("", "0", "0.0", "1001", "-1", "+1", "1e3", "1/0", "25 ", "nan", "9" * 30):
            self.assertEqual(self.assertRaises(ParseError, parse_rate, text).rule, "frame-rate")
