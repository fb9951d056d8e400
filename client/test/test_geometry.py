from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ..window.geometry import (
    Arrangement,
    along,
    arrangement,
    axis_top,
    fitting,
    into_view,
    position_at,
    stretches,
)

PICTURE, PANEL = (320, 180), (380, 260)


class ArrangementTests(SynchronousTestCase):
    def test_a_wide_window_has_the_panel_beside_the_picture(self) -> None:
        self.assertIs(arrangement((700, 200), PICTURE, PANEL), Arrangement.BESIDE)

    def test_a_high_window_has_it_below(self) -> None:
        self.assertIs(arrangement((699, 440), PICTURE, PANEL), Arrangement.BELOW)

    def test_a_small_window_has_one_of_them(self) -> None:
        self.assertIs(arrangement((699, 439), PICTURE, PANEL), Arrangement.INSTEAD)


class FittingTests(SynchronousTestCase):
    def test_what_fits_exactly_fits(self) -> None:
        self.assertEqual(fitting([10, 20, 30], 60), 3)

    def test_what_comes_first_matters_most(self) -> None:
        self.assertEqual(fitting([10, 20, 30], 59), 2)
        self.assertEqual(fitting([10, 20, 30], 9), 0)

    def test_what_matters_less_is_not_shown_in_its_place(self) -> None:
        self.assertEqual(fitting([10, 50, 5], 20), 1)


class ViewTests(SynchronousTestCase):
    def test_what_is_seen_stays_where_it_is(self) -> None:
        self.assertEqual(into_view(30, 50, 20, 100), 20)

    def test_what_is_above_or_below_is_moved_to_the_nearer_edge(self) -> None:
        self.assertEqual(into_view(10, 30, 20, 100), 10)
        self.assertEqual(into_view(110, 130, 20, 100), 30)

    def test_of_what_is_higher_than_the_view_the_upper_part_is_seen(self) -> None:
        self.assertEqual(into_view(10, 300, 0, 100), 10)


class BarTests(SynchronousTestCase):
    def test_a_time_and_its_place(self) -> None:
        self.assertEqual(along(2.5, 10.0, 200), 50)
        self.assertEqual(position_at(50, 10.0, 200), 2.5)

    def test_nothing_is_beyond_the_ends(self) -> None:
        self.assertEqual((along(-1.0, 10.0, 200), along(11.0, 10.0, 200)), (0, 200))
        self.assertEqual((position_at(-5, 10.0, 200), position_at(300, 10.0, 200)), (0.0, 10.0))

    def test_a_bar_without_length_has_a_begin(self) -> None:
        self.assertEqual(position_at(0, 10.0, 0), 0.0)

    @given(st.integers(1, 4000), st.floats(0.1, 1e5), st.data())
    def test_a_place_leads_back_to_itself(
        self, length: int, duration_s: float, data: st.DataObject
    ) -> None:
        place = data.draw(st.integers(0, length))

        self.assertEqual(along(position_at(place, duration_s, length), duration_s, length), place)


class StretchTests(SynchronousTestCase):
    def test_a_part_of_the_film_is_a_stretch_of_the_bar(self) -> None:
        self.assertEqual(stretches([(1.0, 2.0)], 10.0, 100, 2), [(10, 20)])

    def test_a_short_part_is_seen(self) -> None:
        self.assertEqual(stretches([(1.0, 1.001)], 10.0, 100, 3), [(10, 13)])

    def test_a_short_part_at_the_end_is_seen(self) -> None:
        self.assertEqual(stretches([(9.999, 10.0)], 10.0, 100, 3), [(97, 100)])

    def test_what_touches_is_one(self) -> None:
        self.assertEqual(stretches([(3.0, 4.0), (1.0, 3.0)], 10.0, 100, 2), [(10, 40)])

    def test_what_is_within_another_adds_nothing(self) -> None:
        self.assertEqual(stretches([(1.0, 5.0), (2.0, 3.0)], 10.0, 100, 2), [(10, 50)])

    @given(
        st.lists(st.tuples(st.floats(0, 100), st.floats(0, 10)), max_size=200),
        st.integers(10, 300),
    )
    def test_stretches_lie_apart_and_in_order(
        self, parts: list[tuple[float, float]], length: int
    ) -> None:
        lost = [(begin_s, begin_s + long_s) for begin_s, long_s in parts]

        found = stretches(lost, 100.0, length, 3)

        ends = [end for stretch in found for end in stretch]
        self.assertEqual(ends, sorted(set(ends)))
        self.assertTrue(all(0 <= end <= length for end in ends))


class AxisTests(SynchronousTestCase):
    def test_it_ends_at_a_round_number(self) -> None:
        self.assertEqual([axis_top(value, 1) for value in (24.3, 4333, 10, 0.5)], [30, 5000, 10, 1])

    def test_next_to_nothing_is_not_drawn_large(self) -> None:
        self.assertEqual(axis_top(0.0, 5), 5)

    @given(st.floats(0, 1e9))
    def test_it_holds_the_value_and_wastes_little(self, value: float) -> None:
        top = axis_top(value, 0.5)

        self.assertGreaterEqual(top, value * 0.998)
        self.assertLessEqual(top, max(value, 0.5) * 2.001)
