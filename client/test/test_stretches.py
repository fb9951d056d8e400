"""Tests of `client.media.stretches`."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ..media.stretches import MAX_STRETCHES, Stretches

INTERVALS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=30)


def stretches_of(*intervals: tuple[float, float]) -> list[tuple[float, float]]:
    stretches = Stretches()
    for start_s, end_s in intervals:
        stretches.add(start_s, end_s)
    return list(stretches.all())


def halves_within(start: float, end: float) -> set[int]:
    """The half seconds of an interval."""
    return set(range(round(2 * min(start, end)), round(2 * max(start, end)) + 1))


class StretchTests(SynchronousTestCase):
    def test_none_at_first(self) -> None:
        self.assertEqual(stretches_of(), [])

    def test_the_last_one_is_at_the_end(self) -> None:
        self.assertEqual(stretches_of((5, 6), (1, 2)), [(5, 6), (1, 2)])

    def test_those_that_touch_are_one(self) -> None:
        self.assertEqual(stretches_of((1, 2), (2, 3)), [(1, 3)])

    def test_one_closes_the_gap_between_others(self) -> None:
        self.assertEqual(stretches_of((1, 2), (7, 8), (3, 4), (2, 3)), [(7, 8), (1, 4)])

    def test_one_within_another_changes_nothing(self) -> None:
        self.assertEqual(stretches_of((1, 4), (2, 3)), [(1, 4)])

    def test_backwards(self) -> None:
        self.assertEqual(stretches_of((4, 1)), [(1, 4)])

    def test_the_oldest_is_forgotten(self) -> None:
        kept = stretches_of(*((2 * number, 2 * number + 1) for number in range(MAX_STRETCHES + 1)))

        self.assertEqual(len(kept), MAX_STRETCHES)
        self.assertEqual(kept[0], (2, 3))

    @given(INTERVALS)
    def test_cover_what_was_added_and_nothing_else(self, added: list[tuple[int, int]]) -> None:
        kept = stretches_of(*added)

        covered = [halves_within(*stretch) for stretch in kept]
        self.assertEqual(
            set().union(*covered), set().union(*(halves_within(*interval) for interval in added))
        )
        self.assertEqual(sum(map(len, covered)), len(set().union(*covered)), "two of them touch")
