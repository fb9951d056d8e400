"""Tests of `client.media.measuring`."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ..media.measuring import LOSS_WINDOW_S, Loss, Rate

BEGIN_S = 1000.0
WINDOW_S = 2.0


def rate_of(*arrivals: tuple[float, int]) -> Rate:
    """What came: how long after the beginning, and how much."""
    rate = Rate(WINDOW_S)
    for after_s, amount in arrivals:
        rate.add(amount, BEGIN_S + after_s)
    return rate


class RateTests(SynchronousTestCase):
    def test_nothing_came(self) -> None:
        self.assertEqual(Rate(WINDOW_S).per_second(BEGIN_S), 0.0)

    def test_what_comes_at_one_go_has_the_whole_window(self) -> None:
        rate = rate_of((0.0, 5), (0.0, 5), (0.001, 10))

        self.assertEqual(rate.per_second(BEGIN_S + 0.001), 10.0)

    def test_more_than_window_ago(self) -> None:
        rate = rate_of((0.0, 5))

        self.assertEqual(rate.per_second(BEGIN_S + WINDOW_S), 2.5)
        self.assertEqual(rate.per_second(BEGIN_S + WINDOW_S + 0.01), 0.0)

    @given(
        st.floats(0.001, WINDOW_S * 0.49),
        st.integers(1, 10),
        st.integers(1, 1_000_000),
        st.floats(0, 0.99),
    )
    def test_what_comes_evenly_is_measured_exactly_at_any_moment(
        self, interval_s: float, windows: int, amount: int, into: float
    ) -> None:
        count = int(windows * WINDOW_S / interval_s) + 1
        rate = rate_of(*((number * interval_s, amount) for number in range(count)))
        now_s = BEGIN_S + (count - 1 + into) * interval_s

        self.assertAlmostEqual(rate.per_second(now_s) * interval_s / amount, 1.0, places=5)

    def test_looks_back_as_far_as_its_window(self) -> None:
        slow = ((number * 0.25, 1) for number in range(4))
        fast = ((1.0 + number * 0.125, 1) for number in range(9))

        self.assertEqual(rate_of(*slow, *fast).per_second(BEGIN_S + 2.0), 6.0)

    def test_packets_of_a_frame_come_together(self) -> None:
        packets = (
            (frame * 0.04 + packet * 1e-4, 1400) for frame in range(60) for packet in range(9)
        )

        rate = rate_of(*packets)

        for after_s in (2.36, 2.365, 2.399):
            share = rate.per_second(BEGIN_S + after_s) / (9 * 1400 * 25)
            self.assertAlmostEqual(share, 1.0, places=1)

    def test_what_is_overdue_makes_it_slower(self) -> None:
        rate = rate_of(*((number * 0.25, 1) for number in range(9)))

        later = [rate.per_second(BEGIN_S + after_s) for after_s in (2.0, 2.5, 3.0, 3.5, 4.01)]

        self.assertEqual(later[0], 4.0)
        self.assertEqual(later, sorted(later, reverse=True))
        self.assertLess(later[1], 3.9)
        self.assertEqual(later[-1], 0.0)


class LossTests(SynchronousTestCase):
    def test_of_nothing(self) -> None:
        self.assertEqual(Loss().percent(0, 0, BEGIN_S), 0.0)

    def test_since_the_beginning(self) -> None:
        self.assertEqual(Loss().percent(200, 3, BEGIN_S), 1.5)

    def test_of_the_last_seconds_only(self) -> None:
        loss = Loss()
        for second in range(20):
            loss.percent(100 * second, 50, BEGIN_S + second)

        self.assertEqual(loss.percent(2000, 55, BEGIN_S + 20), 100 * 5 / (100 * LOSS_WINDOW_S))

    def test_a_loss_is_forgotten(self) -> None:
        loss = Loss()
        loss.percent(100, 0, BEGIN_S)
        loss.percent(200, 10, BEGIN_S + 1)

        self.assertGreater(loss.percent(600, 10, BEGIN_S + LOSS_WINDOW_S), 0.0)
        self.assertEqual(loss.percent(700, 10, BEGIN_S + LOSS_WINDOW_S + 1.01), 0.0)

    def test_counting_begins_anew(self) -> None:
        loss = Loss()
        for second in range(10):
            loss.percent(1000 + second, 100, BEGIN_S + second)

        self.assertEqual(loss.percent(50, 5, BEGIN_S + 10), 10.0)

    @given(st.lists(st.tuples(st.integers(0, 1000), st.integers(-1000, 2000))))
    def test_is_a_share(self, totals: list[tuple[int, int]]) -> None:
        loss = Loss()

        for expected, lost in totals:
            self.assertTrue(0.0 <= loss.percent(expected, lost, BEGIN_S) <= 100.0)
