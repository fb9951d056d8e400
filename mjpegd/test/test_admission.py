"""Who is let in: what is counted, and what happens while somebody else counts."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.admission import MAX_REFUSALS, Headcount, Refusals
from mjpegd.errors import RTSPError
from mjpegd.limits import Limits
from mjpegd.logs import Tally, say_count
from mjpegd.test.conversation import TCP, UDP, Server, said

FIRST, SECOND = "192.0.2.1", "192.0.2.2"


class HeadcountTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        limits = Limits(connections=3, connections_per_address=2, sessions=2)
        self.headcount = Headcount(limits, Tally(Clock(), say_count))

    def test_there_are_only_so_many_connections_of_one_address(self) -> None:
        came = [self.headcount.connect(FIRST) for _ in range(3)]

        self.assertEqual(came, [True, True, False])
        self.assertTrue(self.headcount.connect(SECOND))

    def test_there_are_only_so_many_connections_in_all(self) -> None:
        came = [self.headcount.connect(f"192.0.2.{number}") for number in range(4)]

        self.assertEqual(came, [True, True, True, False])

    def test_who_leaves_makes_room(self) -> None:
        for _ in range(2):
            self.headcount.connect(FIRST)
        self.headcount.disconnect(FIRST)

        self.assertTrue(self.headcount.connect(FIRST))

    def test_those_turned_away_are_counted_in_the_log(self) -> None:
        for _ in range(2):
            self.headcount.connect(FIRST)
        with capturedLogs() as events:
            self.headcount.connect(FIRST)

        self.assertEqual(said(events), ["1 connections beyond the limit of one address"])

    def test_there_are_only_so_many_sessions(self) -> None:
        for host in (FIRST, SECOND):
            self.successResultOf(self.headcount.take_seat(host))

        refusal = self.failureResultOf(self.headcount.take_seat(FIRST), RTSPError)
        self.assertEqual(refusal.value.status, 453)
        self.headcount.give_back_seat(SECOND)
        self.successResultOf(self.headcount.take_seat(FIRST))
        self.assertEqual(self.headcount.sessions, 2)


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
    def take_seat(self, host: str) -> "Deferred[None]":
        super().take_seat(host)
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
