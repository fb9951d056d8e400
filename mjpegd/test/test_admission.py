"""Who is let in: what is counted, and what happens while somebody else counts."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.capacity.admission import MAX_REFUSALS, Headcount, Refusals, Seat
from mjpegd.capacity.guests import Guest, Standing
from mjpegd.errors import RTSPError
from mjpegd.limits import Limits
from mjpegd.logs import Tally, say_count
from mjpegd.test.conversation import TCP, UDP, Server, said

FIRST, SECOND = "192.0.2.1", "192.0.2.2"


class HeadcountTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        limits = Limits(connections=3, connections_per_address=2)
        self.headcount = Headcount(limits, Tally(Clock(), say_count))

    def seated(self, host: str) -> Guest | None:
        """A connection that has a session."""
        guest = self.headcount.connect(host, Standing.KNOWN)
        if guest is not None:
            guest.asks(Standing.SEATED)
        return guest

    def test_there_are_only_so_many_connections_of_one_address(self) -> None:
        came = [self.seated(FIRST) for _ in range(3)]

        self.assertEqual([bool(guest) for guest in came], [True, True, False])
        self.assertTrue(self.seated(SECOND))

    def test_there_are_only_so_many_connections_in_all(self) -> None:
        came = [self.seated(f"192.0.2.{number}") for number in range(4)]

        self.assertEqual([bool(guest) for guest in came], [True, True, True, False])

    def test_there_are_only_so_many_tunnels(self) -> None:
        headcount = Headcount(Limits(tunnels=2), Tally(Clock(), say_count))
        taken = [headcount.take_tunnel() for _ in range(3)]
        headcount.give_back_tunnel()

        self.assertEqual([*taken, headcount.take_tunnel()], [True, True, False, True])

    def test_who_leaves_makes_room(self) -> None:
        guests = [self.seated(FIRST) for _ in range(2)]
        assert guests[1] is not None
        guests[1].leaves()

        self.assertTrue(self.seated(FIRST))

    def test_those_turned_away_are_counted_in_the_log(self) -> None:
        for _ in range(2):
            self.seated(FIRST)
        with capturedLogs() as events:
            self.headcount.connect(FIRST, Standing.KNOWN)

        self.assertEqual(
            said(events), ["1 connections beyond the limit, where all others have sessions"]
        )

    def test_those_that_gave_way_are_counted_in_the_log(self) -> None:
        with capturedLogs() as events:
            for _ in range(3):
                self.headcount.connect(FIRST, Standing.KNOWN)

        self.assertEqual(said(events), ["1 connections closed to make room for new ones"])

    def test_an_address_of_ipv6_is_its_network(self) -> None:
        for number in range(2):
            self.assertTrue(self.seated(f"2001:db8::{number}"))

        self.assertFalse(self.seated("2001:db8::7:1"))
        self.assertTrue(self.seated("2001:db8:0:1::1"))


class SeatTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        limits = Limits(
            sessions=4, sessions_per_address=3, sessions_per_user=2, bits_per_s=4_000_000
        )
        self.headcount = Headcount(limits, Tally(Clock(), say_count))

    def take(self, seat: Seat) -> None:
        self.successResultOf(self.headcount.take_seat(seat))

    def assert_refused(self, asked: "Deferred[None]", reason: str) -> None:
        refusal = self.failureResultOf(asked, RTSPError)
        self.assertEqual((refusal.value.status, str(refusal.value)), (453, reason))

    def test_there_are_only_so_many_in_all(self) -> None:
        seats = [Seat(f"192.0.2.{number}") for number in range(5)]
        for seat in seats[:4]:
            self.take(seat)

        self.assert_refused(self.headcount.take_seat(seats[4]), "there are too many")
        self.headcount.give_back_seat(seats[0])
        self.take(seats[4])
        self.assertEqual(self.headcount.sessions, 4)

    def test_there_are_only_so_many_of_one_address(self) -> None:
        for _ in range(3):
            self.take(Seat(FIRST))

        self.assert_refused(self.headcount.take_seat(Seat(FIRST)), "its address has too many")
        self.take(Seat(SECOND))

    def test_there_are_only_so_many_of_one_user_wherever_that_is(self) -> None:
        for host in (FIRST, SECOND):
            self.take(Seat(host, "anna"))

        self.assert_refused(
            self.headcount.take_seat(Seat("192.0.2.3", "anna")), "its user has too many"
        )
        self.headcount.give_back_seat(Seat(FIRST, "anna"))
        self.take(Seat("192.0.2.3", "anna"))

    def test_without_a_login_nobody_is_the_same_user(self) -> None:
        for host in (FIRST, SECOND, "192.0.2.3"):
            self.take(Seat(host))

    def test_together_they_need_only_so_much(self) -> None:
        self.take(Seat(FIRST, bits_per_s=3_000_000))

        self.assert_refused(
            self.headcount.take_seat(Seat(SECOND, bits_per_s=1_000_001)),
            "there is too little bandwidth",
        )
        self.take(Seat(SECOND, bits_per_s=1_000_000))

    def test_one_that_needs_more_than_before_has_to_ask(self) -> None:
        slow, fast = Seat(FIRST, bits_per_s=1_000_000), Seat(FIRST, bits_per_s=4_000_000)
        self.take(slow)
        self.successResultOf(self.headcount.change_seat(slow, fast))

        self.assert_refused(
            self.headcount.take_seat(Seat(SECOND, bits_per_s=1)), "there is too little bandwidth"
        )
        self.assert_refused(
            self.headcount.change_seat(fast, Seat(FIRST, bits_per_s=4_000_001)),
            "there is too little bandwidth",
        )
        self.successResultOf(self.headcount.change_seat(fast, slow))
        self.take(Seat(SECOND, bits_per_s=3_000_000))

    def test_when_all_have_gone_there_is_all_the_room(self) -> None:
        seats = [Seat(FIRST, "anna", 1_000_000), Seat(SECOND, "bert", 3_000_000)]
        for _ in range(10):
            for seat in seats:
                self.take(seat)
            for seat in seats:
                self.headcount.give_back_seat(seat)

        self.assertEqual((self.headcount.sessions, self.headcount.bits_per_s), (0, 0))


class RefusalsTests(SynchronousTestCase):
    def test_in_a_flood_nobody_is_told(self) -> None:
        refusals = Refusals(Clock())

        told = [refusals.protocol() for _ in range(MAX_REFUSALS + 1)]

        self.assertEqual([bool(protocol) for protocol in told], [True] * MAX_REFUSALS + [False])


class SlowHeadcount(Headcount):
    """Somebody far away counts: each answer comes when a test gives it."""

    def __init__(self) -> None:
        super().__init__(Limits(), Tally(Clock(), say_count))
        self.answers: list[Deferred[None]] = []

    @override
    def take_seat(self, seat: Seat) -> "Deferred[None]":
        super().take_seat(seat)
        answer: Deferred[None] = Deferred()
        self.answers.append(answer)
        return answer


class WaitingTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.headcount = SlowHeadcount()
        self.server = Server(admission=self.headcount)
        self.client = self.server.connect()

    def test_setup_is_answered_when_there_is_a_seat(self) -> None:
        self.client.send(self.client.text("SETUP", Transport=UDP))
        self.assertEqual(self.client.responses(), [])

        self.headcount.answers.pop().callback(None)

        self.assertEqual([answer.status for answer in self.client.responses()], [200])
        self.assertEqual(len(self.server.registry), 1)

    def test_who_has_gone_meanwhile_gets_no_session(self) -> None:
        laboratory = b"SETUP movie.Mjpeg RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= 5000\n"
        for request in (
            self.client.text("SETUP", Transport=TCP),
            self.client.text("SETUP", Transport=UDP),
            laboratory,
        ):
            client = self.server.connect()
            client.send(request)
            self.server.advance(0.1)
            client.close()

            self.headcount.answers.pop().callback(None)

            self.assertEqual(len(self.server.registry), 0)
            self.assertEqual(self.headcount.sessions, 0)

    def test_without_a_seat_setup_is_453(self) -> None:
        self.client.send(self.client.text("SETUP", Transport=UDP))

        self.headcount.answers.pop().errback(RTSPError(453, "full"))

        self.assertEqual([answer.status for answer in self.client.responses()], [453])
