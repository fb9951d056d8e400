from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.limits import Limits
from mjpegd.penalties import Penalties
from mjpegd.users import MAX_NAME_CHARACTERS

HOST = "192.0.2.7"
OTHER = "192.0.2.8"
LIMITS = Limits(first_refusal_s=0.25, longest_refusal_s=16.0, forget_refusals_s=900.0)


class PenaltiesTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.clock = Clock()
        self.penalties = Penalties(LIMITS, self.clock.seconds)

    def failed(self, times: int, host: str = HOST, name: str = "anna") -> list[float]:
        return [self.penalties.failed(host, name) for _ in range(times)]

    def test_each_waits_twice_as_long_up_to_a_bound(self) -> None:
        waits_s = self.failed(100)

        self.assertEqual(waits_s[:8], [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 16.0])
        self.assertEqual(set(waits_s[7:]), {16.0})

    def test_an_address_that_tries_other_names_waits_as_long(self) -> None:
        self.failed(4)

        self.assertEqual(self.failed(1, name="bert"), [4.0])

    def test_a_name_that_is_tried_from_elsewhere_waits_as_long(self) -> None:
        self.failed(4)

        self.assertEqual(self.failed(1, host=OTHER), [4.0])
        self.assertEqual(self.failed(1, host=OTHER, name="bert"), [0.5])

    def test_the_addresses_of_a_household_are_one(self) -> None:
        self.failed(4, host="2001:db8::1")

        self.assertEqual(self.failed(1, host="2001:db8::2", name="bert"), [4.0])
        self.assertEqual(self.failed(1, host="2001:db8:0:1::1", name="carl"), [0.25])

    def test_they_are_forgotten_after_a_time_without_more(self) -> None:
        self.failed(4)
        self.clock.advance(899)
        self.assertEqual(self.failed(1), [4.0])
        self.clock.advance(900)
        self.assertEqual(self.failed(2), [0.25, 0.5])

    def test_what_is_remembered_is_bounded_and_the_newest_stays(self) -> None:
        penalties = Penalties(Limits(remembered_refusals=10), self.clock.seconds)
        for number in range(1000):
            penalties.failed(f"10.0.0.{number % 250}", f"user {number}")
            penalties.failed(HOST, "anna")

        self.assertEqual(penalties.failed(HOST, "anna"), 16.0)
        self.assertEqual(penalties.failed("10.0.0.1", "user 1"), 0.25)

    def test_who_tries_new_names_to_be_forgotten_is_not(self) -> None:
        penalties = Penalties(Limits(remembered_refusals=10), self.clock.seconds)
        waits_s = [penalties.failed(HOST, f"user {number}") for number in range(100)]

        self.assertEqual(waits_s[-1], 16.0)

    def test_of_a_name_only_what_a_user_could_have_is_remembered(self) -> None:
        start = "x" * (MAX_NAME_CHARACTERS + 1)
        self.failed(1, HOST, start + "a" * 8000)

        self.assertEqual(self.failed(1, OTHER, start + "b" * 8000), [0.5])

    def test_the_same_again_is_known(self) -> None:
        asked = [
            (HOST, "anna", "x"),
            (HOST, "anna", "y"),
            (HOST, "bert", "x"),
            (OTHER, "anna", "x"),
        ]

        self.assertEqual([self.penalties.repeats(*each) for each in asked], [False] * 4)
        self.assertEqual([self.penalties.repeats(*each) for each in asked], [True] * 4)
        self.clock.advance(900)
        self.assertEqual([self.penalties.repeats(*each) for each in asked], [False] * 4)

    @given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.floats(0, 2000))))
    def test_waits_are_never_out_of_bounds(self, tries: list[tuple[str, str, float]]) -> None:
        clock = Clock()
        penalties = Penalties(LIMITS, clock.seconds)
        for host, name, later_s in tries:
            clock.advance(later_s)
            wait_s = penalties.failed(host, name)
            self.assertTrue(0.25 <= wait_s <= 16.0)
