"""Who gives way: never who has a session, and else who was not heard of the longest."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.capacity.guests import Guest, Guests, Standing
from mjpegd.limits import Limits

FIRST, SECOND = "192.0.2.1", "192.0.2.2"


class GuestsTestCase(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        limits = Limits(connections=4, connections_per_address=3, unauthenticated=2)
        self.guests = Guests(limits)
        self.gone: list[str] = []

    def come(
        self, name: str, host: str = FIRST, standing: Standing = Standing.KNOWN
    ) -> Guest | None:
        guest, _ = self.guests.come(host, standing)
        if guest is not None:
            guest.give_way = lambda: self.gone.append(name)
        return guest


class GivingWayTests(GuestsTestCase):
    def test_who_came_first_goes_first(self) -> None:
        for name in "abcde":
            self.come(name)

        self.assertEqual(self.gone, ["a", "b"])
        self.assertEqual(len(self.guests), 3)

    def test_a_request_puts_others_before_it(self) -> None:
        first = self.come("a")
        assert first is not None
        for name in "bc":
            self.come(name)
        first.asks(Standing.KNOWN)
        self.come("d")

        self.assertEqual(self.gone, ["b"])

    def test_who_has_a_session_stays(self) -> None:
        guests = [self.come(name) for name in "abc"]
        for guest in guests[:2]:
            assert guest is not None
            guest.asks(Standing.SEATED)
        self.come("d")
        self.come("e")

        self.assertEqual(self.gone, ["c", "d"])

    def test_whose_session_has_ended_may_go_again(self) -> None:
        guests = [self.come(name) for name in "abc"]
        for guest in guests:
            assert guest is not None
            guest.asks(Standing.SEATED)
        assert guests[1] is not None
        guests[1].asks(Standing.KNOWN)
        self.come("d")

        self.assertEqual(self.gone, ["b"])

    def test_where_all_have_sessions_nobody_comes_in(self) -> None:
        for name in "abc":
            guest = self.come(name)
            assert guest is not None
            guest.asks(Standing.SEATED)

        self.assertIsNone(self.come("d"))
        self.assertEqual((self.gone, len(self.guests)), ([], 3))
        self.assertIsNotNone(self.come("e", SECOND))

    def test_one_address_has_to_find_room_among_its_own(self) -> None:
        self.come("other", SECOND)
        for name in "abcd":
            self.come(name)

        self.assertEqual(self.gone, ["a"])

    def test_in_all_the_oldest_of_any_address_goes(self) -> None:
        self.come("other", SECOND)
        for name in "abc":
            self.come(name)
        self.come("newest", "192.0.2.3")

        self.assertEqual(self.gone, ["other"])

    def test_strangers_give_way_to_strangers_only(self) -> None:
        self.come("known")
        for number, name in enumerate("abc"):
            self.come(name, f"192.0.2.{number + 10}", Standing.STRANGER)

        self.assertEqual(self.gone, ["a"])

    def test_who_has_logged_in_is_no_stranger_any_more(self) -> None:
        for name in "ab":
            guest = self.come(name, SECOND, Standing.STRANGER)
            assert guest is not None
            guest.asks(Standing.KNOWN)
        for name in "cd":
            self.come(name, FIRST, Standing.STRANGER)

        self.assertEqual(self.gone, [])

    def test_who_has_gone_is_asked_nothing(self) -> None:
        first = self.come("a")
        assert first is not None
        first.leaves()
        first.leaves()
        first.asks(Standing.SEATED)
        for name in "bcd":
            self.come(name)

        self.assertEqual((self.gone, len(self.guests)), ([], 3))


# What may happen, each to one of four addresses or of the guests that came.
_EVENTS = st.lists(
    st.tuples(st.sampled_from(["come", "stranger", "ask", "seat", "leave"]), st.integers(0, 7)),
    max_size=60,
)


class CountTests(GuestsTestCase):
    @given(_EVENTS)
    def test_there_are_never_too_many_and_nobody_is_lost(
        self, events: list[tuple[str, int]]
    ) -> None:
        guests = Guests(Limits(connections=4, connections_per_address=3, unauthenticated=2))
        here: list[Guest] = []

        def come(host: str, standing: Standing) -> None:
            guest, _ = guests.come(host, standing)
            if guest is not None:
                here.append(guest)
                guest.give_way = lambda: here.remove(guest)

        for event, number in events:
            if event in {"come", "stranger"}:
                come(f"192.0.2.{number % 4}", Standing.STRANGER if number > 3 else Standing.KNOWN)
            elif here:
                guest = here[number % len(here)]
                if event == "leave":
                    here.remove(guest)
                    guest.leaves()
                else:
                    guest.asks(Standing.SEATED if event == "seat" else Standing.KNOWN)
            hosts = [guest.host for guest in here]
            strangers = [guest for guest in here if guest.standing is Standing.STRANGER]
            self.assertEqual(len(guests), len(here))
            self.assertLessEqual(len(here), 4)
            self.assertLessEqual(max(map(hosts.count, hosts), default=0), 3)
            self.assertLessEqual(len(strangers), 2)
