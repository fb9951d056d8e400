"""All sessions: how they are named, found, counted and ended."""

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.errors import RTSPError
from mjpegd.limits import Limits
from mjpegd.session import Owner
from mjpegd.test.conversation import TCP, UDP, URL, VIEWER, Server, byes, said
from mjpegd.wire.reports import ReceiverReport, Report, ReportBlock

ELSEWHERE = "RTP/AVP;unicast;client_port=5002-5003"


class RegistryTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.server = Server(loop=True)
        self.registry = self.server.registry
        self.client = self.server.connect()

    def about(self, ssrc: int, lost: int) -> list[Report]:
        return [ReceiverReport(1, (ReportBlock(ssrc, 0, lost, 0, 0, 0, 0),))]

    def test_identifiers_are_twenty_digits_and_never_the_same(self) -> None:
        clients = [self.server.connect() for _ in range(100)]
        for client in clients:
            client.setup(UDP)
            self.assertRegex(client.session, r"\A[0-9]{20}\Z")

        self.assertEqual(len({client.session for client in clients}), 100)

    def test_identifiers_begin_as_they_are_told_to(self) -> None:
        client = Server(prefix="07").connect()
        client.setup(UDP)

        self.assertRegex(client.session, r"\A07[0-9]{20}\Z")

    def test_streams_start_anywhere(self) -> None:
        for _ in range(20):
            self.server.connect().play(UDP)

        first = [sender.trains[0][0] for sender in self.server.ports.senders]
        for values in (
            {packet.ssrc for packet in first},
            {packet.sequence for packet in first},
            {packet.timestamp for packet in first},
        ):
            self.assertEqual(len(values), 20)
            self.assertNotIn(0, values)

    def test_a_session_is_found_by_its_own_host_only(self) -> None:
        self.client.setup(UDP)

        self.assertEqual(self.registry.find(self.client.session, Owner(VIEWER)).host, VIEWER)
        self.assertRaises(RTSPError, self.registry.find, self.client.session, Owner(VIEWER, "anna"))
        for identifier, host in ((self.client.session, "192.0.2.9"), ("1", VIEWER), ("", VIEWER)):
            refusal = self.assertRaises(RTSPError, self.registry.find, identifier, Owner(host))
            self.assertEqual((refusal.status, str(refusal)), (454, "no such session"))

    def test_reports_go_to_the_session_that_they_are_about(self) -> None:
        others = [self.server.connect() for _ in range(3)]
        for client in (self.client, *others):
            client.play("RTP/AVP;unicast;client_port=5000-5001")
        session = self.registry.find(self.client.session, Owner(VIEWER))

        self.registry.received(self.about(session.rtp.ssrc, 7), VIEWER, 60_000)

        self.assertEqual(session.rtp.reception.lost, 7)

    def test_reports_without_blocks_are_told_by_where_they_come_from(self) -> None:
        self.client.play(UDP)
        for _ in range(4):
            self.server.advance(50, step_s=1)
            self.registry.received([ReceiverReport(0, ())], VIEWER, 5000)

        self.assertEqual(len(self.registry), 1)

    def test_reports_of_another_host_are_nobodys(self) -> None:
        self.client.play(UDP)
        session = self.registry.find(self.client.session, Owner(VIEWER))
        for _ in range(4):
            self.server.advance(20, step_s=1)
            self.registry.received(self.about(session.rtp.ssrc, 7), "192.0.2.66", 5001)
            self.registry.received([ReceiverReport(0, ())], "192.0.2.66", 5001)

        self.assertEqual(session.rtp.reception.reports, 0)
        self.assertEqual(len(self.registry), 0)

    def test_reports_that_come_after_the_end_are_nobodys(self) -> None:
        for setups in ((UDP,), (UDP, ELSEWHERE)):
            self.client.setup(setups[0])
            for transport in setups[1:]:
                self.client.setup(transport, Session=self.client.session)
            session = self.registry.find(self.client.session, Owner(VIEWER))
            self.client.ask("TEARDOWN")

            for port in (60_000, 5000, 5001, 5002, 5003):
                self.registry.received(self.about(session.rtp.ssrc, 7), VIEWER, port)
                self.assertEqual(session.rtp.reception.reports, 0, (setups, port))

    def test_a_second_setup_leaves_the_ports_of_the_first_to_nobody(self) -> None:
        for port, alive in ((5003, 1), (5001, 0)):
            self.client.setup(UDP)
            self.client.setup(ELSEWHERE, Session=self.client.session)
            for _ in range(4):
                self.server.advance(20, step_s=1)
                self.registry.received([ReceiverReport(0, ())], VIEWER, port)

            self.assertEqual(len(self.registry), alive)
            self.client.ask("TEARDOWN")

    def test_the_newest_session_has_an_address_and_keeps_it(self) -> None:
        older = self.server.connect()
        older.setup(UDP)
        self.client.setup(UDP)
        older.ask("TEARDOWN")
        for _ in range(3):
            self.server.advance(50, step_s=1)
            self.registry.received([ReceiverReport(0, ())], VIEWER, 5001)

        self.assertEqual(len(self.registry), 1)

    def test_there_are_only_so_many(self) -> None:
        server = Server(Limits(sessions=3))
        clients = [server.connect(f"192.0.2.{number}") for number in range(4)]

        self.assertEqual([client.setup(TCP).status for client in clients], [200, 200, 200, 453])
        clients[0].ask("TEARDOWN")
        self.assertEqual(clients[3].setup(TCP).status, 200)

    def test_all_are_told_when_the_server_stops(self) -> None:
        over_udp = [self.server.connect() for _ in range(3)]
        for client in over_udp:
            client.play(UDP)
        self.client.play(TCP)

        self.registry.end_all("the server stops")
        self.server.factory.hang_up_all()

        self.assertEqual(len(self.registry), 0)
        for sender in self.server.ports.senders:
            self.assertEqual(len(byes(sender.reports)), 1)
        self.assertEqual(len(byes(self.client.reports())), 1)
        self.assertTrue(self.client.wire.is_half_closed)

    def test_some_can_be_ended(self) -> None:
        others = [self.server.connect() for _ in range(3)]
        for client in (self.client, *others):
            client.play(TCP)

        self.registry.end_where(
            lambda session: session.identifier == self.client.session, "it has to"
        )

        self.assertEqual(len(self.registry), 3)
        self.assertEqual(len(byes(self.client.reports())), 1)
        self.assertEqual(self.client.ask("PLAY").status, 454)

    def test_a_client_that_does_not_go_is_cut_off(self) -> None:
        self.client.play(TCP)
        self.server.factory.abort_all()

        self.assertTrue(self.client.wire.is_closed)
        self.assertEqual(self.server.factory.connections, 0)

    def test_skipped_frames_are_few_lines(self) -> None:
        self.client.play(UDP)
        with capturedLogs() as events:
            for _ in range(9):
                self.server.clock.advance(1.0)

        lines = [line for line in said(events) if "too late" in line]
        self.assertTrue(0 < len(lines) <= 2, lines)
        self.assertIn(self.client.session, lines[0])

    def test_urls_that_differ_in_their_query_are_one_film(self) -> None:
        for number in range(20):
            self.client.setup(UDP, uri=f"{URL}?token={number}")

        self.assertEqual(
            len({id(self.registry.find(self.client.session, Owner(VIEWER)).stream)}), 1
        )
