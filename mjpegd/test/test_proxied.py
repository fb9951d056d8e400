"""Connections through a proxy: the PROXY header tells whose they are."""

from collections.abc import Sequence

from twisted.internet.address import IPv4Address
from twisted.protocols.haproxy._wrapper import HAProxyWrappingFactory
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.limits import Limits
from mjpegd.proxied import Guarded, Proxied
from mjpegd.session import Owner
from mjpegd.test.conversation import FILM, TCP, UDP, Client, Server, Wire, header
from mjpegd.wire.headers import Transport
from mjpegd.wire.proxy import SIGNATURE

PROXY, OWN, PUBLIC = "10.0.0.1", "10.0.0.2", "203.0.113.1"
# The same in version 2; the fields behind the addresses say whether the viewer has come by TLS.
HEADER_2 = SIGNATURE + bytes.fromhex("2111 000c c633 6407 cb00 7101 9c40 022a")
HEADER_2_TLS = SIGNATURE + bytes.fromhex(
    "2111 0014 c633 6407 cb00 7101 9c40 022a 20 0005 01 00000000"
)
HEADER = f"PROXY TCP4 198.51.100.7 {PUBLIC} 40000 554\r\n".encode()
LABORATORY_PORT = "Transport: RTP/UDP; client_port= 25000"


class ProxiedTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.serve(Limits())

    def serve(self, limits: Limits) -> None:
        self.server = Server(limits)
        behind = Proxied(self.server.factory, self.server.clock, limits)
        self.factory = Guarded(HAProxyWrappingFactory(behind))

    def connect(self, said: bytes = HEADER) -> Client:
        wire = Wire(IPv4Address("TCP", PROXY, 50_000), IPv4Address("TCP", OWN, 8555))
        wire.protocol = self.factory.buildProtocol(wire.getPeer())
        wire.protocol.makeConnection(wire)
        client = Client(wire)
        if said:
            client.send(said)
        return client

    def test_a_header_that_makes_no_sense_ends_the_connection_and_raises_nothing(self) -> None:
        for said in (
            HEADER.replace(b"198.51", b"198.\xfd"),
            HEADER.replace(b"40000", b"4000o"),
            HEADER.replace(PUBLIC.encode(), b"203.0\x01.1") + b"OPTIONS * RTSP/1.0\r\n\r\n",
            HEADER.replace(b"TCP4", b"TCP5"),
        ):
            self.assertTrue(self.connect(said).wire.is_closed, said)

    def test_the_session_is_the_viewers_and_not_the_proxys(self) -> None:
        client = self.connect()
        client.setup(UDP)

        session = self.server.registry.find(client.session, Owner("198.51.100.7"))
        self.assertEqual(session.host, "198.51.100.7")
        self.assertEqual(self.server.ports.asked[0][0], "198.51.100.7")

    def test_media_leaves_from_here_and_the_answer_says_so(self) -> None:
        self.server.ports.behind_proxy = OWN

        transport = Transport.parse(header(self.connect().setup(UDP), "Transport"))

        self.assertEqual(transport.source, OWN)
        self.assertEqual(self.server.ports.asked[0][2], OWN)

    def test_where_the_proxys_address_is_ours_nothing_is_said(self) -> None:
        transport = Transport.parse(header(self.connect().setup(UDP), "Transport"))

        self.assertIsNone(transport.source)
        self.assertEqual(self.server.ports.asked[0][2], PUBLIC)

    def test_over_tcp_nothing_is_said(self) -> None:
        self.server.ports.behind_proxy = OWN

        self.assertNotIn("source", header(self.connect().setup(TCP), "Transport"))

    def test_a_request_may_come_with_the_header_or_in_pieces(self) -> None:
        request = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"
        for pieces in ([HEADER + request], [HEADER, request], [HEADER[:30], HEADER[30:] + request]):
            self.assertEqual(self.statuses(pieces), [200], pieces)

    def statuses(self, pieces: Sequence[bytes]) -> list[int]:
        client = self.connect(b"")
        for piece in pieces:
            client.send(piece)
        return [answer.status for answer in client.responses()]

    def test_connections_are_counted_by_viewer(self) -> None:
        self.serve(Limits(connections_per_address=1))
        other = HEADER.replace(b"198.51.100.7", b"198.51.100.8")
        request = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"

        clients = [self.connect(said + request) for said in (HEADER, other, HEADER)]

        answers = [[answer.status for answer in client.responses()] for client in clients]
        self.assertEqual(answers, [[200, 503], [200], [200]])

    def test_what_the_viewer_has_sent_by_tls_is_encrypted(self) -> None:
        for said, way, status in [
            (HEADER, UDP, 200),
            (HEADER_2, UDP, 200),
            (HEADER_2_TLS, UDP, 461),
            (HEADER_2_TLS, TCP, 200),
        ]:
            client = self.connect(said)
            self.assertEqual(client.setup(way).status, status, said)

    def test_in_a_flood_who_is_turned_away_is_closed_without_a_word(self) -> None:
        self.serve(Limits(connections=0))
        clients = [self.connect(HEADER + b"OPTIONS") for _ in range(70)]

        self.assertTrue(clients[-1].wire.is_closed)
        self.assertEqual(clients[-1].wire.received, b"")

    def test_media_goes_to_no_group_whatever_the_proxy_tells(self) -> None:
        for host in ("224.0.0.1", "255.255.255.255", "0.0.0.0"):
            said = HEADER.replace(b"198.51.100.7", host.encode())
            self.assertEqual(self.connect(said).setup(UDP).status, 461, host)
            self.assertEqual(self.connect(said).setup(TCP).status, 200, host)
            laboratory = self.connect(said)
            laboratory.send(f"SETUP {FILM} RTSP/1.0\nCSeq: 1\n{LABORATORY_PORT}\n\n")
            self.assertTrue(laboratory.raw().startswith(b"RTSP/1.0 461 "), host)
        self.assertEqual(self.server.ports.asked, [])

    def test_without_the_header_nobody_is_let_in(self) -> None:
        client = self.connect(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")

        self.assertTrue(client.wire.is_closed)
        self.assertEqual(client.responses(), [])

    def test_a_proxy_that_says_nothing_is_closed(self) -> None:
        client = self.connect(b"")

        self.server.advance(Limits().idle_s - 1, step_s=1)
        self.assertFalse(client.wire.is_closed)
        self.server.advance(2, step_s=1)
        self.assertTrue(client.wire.is_closed)

    def test_a_viewer_that_goes_is_gone(self) -> None:
        client = self.connect()
        client.setup(TCP)
        client.close()

        self.assertEqual(len(self.server.registry), 0)
        self.assertEqual(self.server.factory.connections, 0)
