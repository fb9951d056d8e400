from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.access.penalties import Penalty, PenaltyBook
from mjpegd.limits import Limits

HOST = "192.0.2.7"
OTHER = "192.0.2.8"
LIMITS = Limits(first_refusal_s=0.25, longest_refusal_s=16.0, forget_refusals_s=900.0)


class PenaltyBookTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.clock = Clock()
        self.book = PenaltyBook(LIMITS, self.clock.seconds)
        self.guesses = 0

    def failed(self, times: int, host: str = HOST, name: str = "anna") -> list[float]:
        """How long the answers to so many different guesses wait."""
        return [self.guess(host, name).wait_s for _ in range(times)]

    def guess(self, host: str, name: str, password: str | None = None) -> Penalty:
        if password is None:
            self.guesses += 1
            password = f"guess {self.guesses}"
        said = f"{name}:{password}".encode()
        return self.successResultOf(self.book.failed(host, name.encode(), said))

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
        self.book = PenaltyBook(Limits(remembered_refusals=10), self.clock.seconds)
        for number in range(1000):
            self.failed(1, f"10.0.0.{number % 250}", f"user {number}")
            self.failed(1)

        self.assertEqual(self.failed(1), [16.0])
        self.assertEqual(self.failed(1, "10.0.0.1", "user 1"), [0.25])

    def test_who_tries_new_names_to_be_forgotten_is_not(self) -> None:
        self.book = PenaltyBook(Limits(remembered_refusals=10), self.clock.seconds)
        for number in range(100):
            self.failed(1, HOST, f"user {number}")

        self.assertEqual(self.failed(1), [16.0])

    def test_the_same_again_costs_what_the_first_did(self) -> None:
        asked = [
            (HOST, "anna", "x"),
            (HOST, "anna", "y"),
            (HOST, "bert", "x"),
            (OTHER, "anna", "x"),
        ]

        self.assertEqual([self.guess(*each).is_new for each in asked], [True] * 4)
        again = Penalty(0.25, is_new=False)
        self.assertEqual([self.guess(*each) for each in asked], [again] * 4)
        self.clock.advance(900)
        self.assertEqual([self.guess(*each).is_new for each in asked], [True] * 4)

    @given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.floats(0, 2000))))
    def test_waits_are_never_out_of_bounds(self, tries: list[tuple[str, str, float]]) -> None:
        clock = Clock()
        book = PenaltyBook(LIMITS, clock.seconds)
        for number, (host, name, later_s) in enumerate(tries):
            clock.advance(later_s)
            penalty = self.successResultOf(book.failed(host, name.encode(), b"%d" % number))
            self.assertTrue(0.25 <= penalty.wait_s <= 16.0)
