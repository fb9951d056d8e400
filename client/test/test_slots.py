from collections.abc import Iterable
from fractions import Fraction
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ..keeping.slots import Slots

GAP = 3750  # of 24 frames per second
# So many frames, or two seconds, tell a rate; fewer if it is the one that the server told.
LEARNED, LEARNED_AS_TOLD = 49, 9


def slots_of(slots: Slots, timestamps: Iterable[int]) -> list[int]:
    """The slot of each frame."""
    steps = [1 + slots.empty_before(timestamp & 0xFFFFFFFF) for timestamp in timestamps]
    return list(accumulate(steps, initial=-1))[1:]


class RateTests(SynchronousTestCase):
    def rate(self, told: Fraction | None, timestamps: Iterable[int]) -> Fraction:
        slots = Slots(told)
        slots_of(slots, timestamps)
        return slots.rate

    def test_before_any_frame(self) -> None:
        for told, rate in (
            (Fraction(15), 15),
            (None, 25),
            (Fraction(0), 25),
            (Fraction(-5), 25),
            (Fraction(90_000), 25),
            (Fraction(1, 3600), 25),
        ):
            with self.subTest(told=told):
                self.assertEqual(Slots(told).rate, rate)

    def test_frames_count_for_more_than_what_was_told(self) -> None:
        self.assertEqual(self.rate(Fraction(48), range(0, 20 * GAP, GAP)), 24)

    def test_two_frames_tell_it(self) -> None:
        self.assertEqual(self.rate(None, (0, GAP)), 24)

    def test_one_frame_does_not(self) -> None:
        self.assertEqual(self.rate(Fraction(48), (0,)), 48)

    def test_rate_that_does_not_fit_the_clock(self) -> None:
        told = Fraction(60000, 1001)
        timestamps = [round(number * 90_000 / told) for number in range(21)]

        self.assertEqual(self.rate(told, timestamps), told)
        self.assertEqual(self.rate(None, timestamps), told)

    def test_missing_frames_do_not_count(self) -> None:
        timestamps = [number * GAP for number in range(20) if number not in {1, 3, 4, 8}]

        self.assertEqual(self.rate(None, timestamps), 24)

    def test_two_fields_of_one_time(self) -> None:
        timestamps = [number // 2 * GAP for number in range(40)]

        self.assertEqual(self.rate(None, timestamps), 24)

    def test_times_of_other_clocks(self) -> None:
        for timestamps in (
            range(100),
            [number // 20 for number in range(200)],
            range(0, 2000, 100),
            [0] * 20,
        ):
            self.assertEqual(self.rate(Fraction(20), timestamps), 20)

    def test_later_frames_do_not_change_it(self) -> None:
        timestamps = [*range(0, LEARNED * GAP, GAP), *range(50 * GAP, 60 * GAP, 10)]

        self.assertEqual(self.rate(None, timestamps), 24)


class SlotTests(SynchronousTestCase):
    @given(
        st.integers(0, 0xFFFFFFFF),
        st.sampled_from((Fraction(47), None)),
        st.sampled_from((1500, 3003, 3750, 90_000)),
        st.sets(st.integers(LEARNED, 150)),
    )
    def test_every_frame_has_the_slot_of_its_time(
        self, start: int, told: Fraction | None, gap: int, lost: set[int]
    ) -> None:
        # No hole is as long as a pause.
        came = [number for number in range(151) if number not in lost or not number % 5]

        found = slots_of(Slots(told), (start + number * gap for number in came))

        self.assertEqual(found, came)

    def test_frames_missing_at_first_are_made_up_for(self) -> None:
        came = [number for number in range(60) if number not in {2, 3}]
        for told, gap, learned in (
            (Fraction(24), GAP, LEARNED_AS_TOLD),
            (Fraction(48), GAP, 2 * 24 - 1),
            (None, GAP, 2 * 24 - 1),
            (None, 900, LEARNED),
            (None, 90_000, LEARNED_AS_TOLD),
        ):
            with self.subTest(told=told, gap=gap):
                found = slots_of(Slots(told), (number * gap for number in came))

                self.assertEqual(found[:learned], list(range(learned)))
                self.assertEqual(found[learned:], came[learned:])

    def test_timestamps_that_wrap(self) -> None:
        timestamps = range(0xFFFFFFFF - 20 * GAP, 0xFFFFFFFF + 20 * GAP, GAP)

        found = slots_of(Slots(Fraction(24)), (*timestamps[:19], *timestamps[23:]))

        self.assertEqual(found, [*range(19), *range(23, len(timestamps))])

    def test_pause_is_left_out(self) -> None:
        slots = Slots(None)
        slots_of(slots, range(0, 60 * GAP, GAP))

        self.assertEqual(slots.empty_before(59 * GAP + 900_001), 0)
        self.assertEqual(slots.empty_before(62 * GAP + 900_001), 2)

    def test_longest_gap_that_is_kept(self) -> None:
        slots = Slots(None)
        slots_of(slots, range(0, 60 * GAP, GAP))

        self.assertEqual(slots.empty_before(59 * GAP + 900_000), 239)

    def test_time_that_goes_back(self) -> None:
        slots = Slots(None)
        slots_of(slots, range(0, 60 * GAP, GAP))

        self.assertEqual(slots_of(slots, (10 * GAP, 11 * GAP, 13 * GAP)), [0, 1, 3])

    def test_unsteady_clock_moves_no_frame_for_good(self) -> None:
        came = range(500)
        timestamps = [number * GAP + number * 7919 % 1500 for number in came]

        found = slots_of(Slots(Fraction(24)), timestamps)

        for slot, number in zip(found, came, strict=True):
            self.assertIn(slot - number, (0, 1))

    def test_frames_that_come_faster_are_all_kept(self) -> None:
        slots = Slots(None)
        slots_of(slots, range(0, 60 * GAP, GAP))

        self.assertEqual(slots_of(slots, range(60 * GAP, 80 * GAP, 100)), list(range(750)))

    @given(st.lists(st.integers(0, 0xFFFFFFFF)), st.none() | st.fractions())
    def test_no_frame_counts_for_more_than_the_longest_gap(
        self, timestamps: list[int], told: Fraction | None
    ) -> None:
        slots = Slots(told)

        empty = [slots.empty_before(timestamp) for timestamp in timestamps]

        self.assertTrue(all(count >= 0 for count in empty))
        self.assertLessEqual(sum(empty), 10 * slots.rate * len(timestamps))
