"""Tests of `client.media.receiver`."""

import socket
from contextlib import closing
from random import Random
from typing import cast
from unittest import SkipTest

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase, TestCase
from typing_extensions import override

from mjpegd.wire.packets import RTPPacket

from ..errors import UnplayableError
from ..media.receiver import PORT_TRIES, RANDOM_PORTS, RECEIVE_BUFFER_BYTES, MediaPorts, Reactor
from .fakes import SERVER, SERVER_PORTS, FakeNetwork, FakePort

FIRST = 25_000
FOREIGNER = "198.51.100.7"


class ReceiverCase(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.network = FakeNetwork()
        self.taken: list[tuple[bytes, float]] = []

    def open(self, *, first: int | None = FIRST, is_ipv6: bool = False) -> MediaPorts:
        return MediaPorts.open(self.network, self.take, Random(1), first=first, is_ipv6=is_ipv6)

    def take(self, data: bytes, arrived_s: float) -> None:
        self.taken.append((data, arrived_s))

    def port(self, which: int) -> FakePort:
        """Of the ports that are bound, the first or the second."""
        return [*self.network.ports.values()][which]


class BindingTests(ReceiverCase):
    def test_two_that_are_neighbours(self) -> None:
        ports = self.open()

        self.assertEqual(ports.numbers, (FIRST, FIRST + 1))
        self.assertEqual([*self.network.ports], [FIRST, FIRST + 1])

    def test_next_that_are_free(self) -> None:
        for taken, numbers in (
            ({FIRST}, (FIRST + 1, FIRST + 2)),
            ({FIRST + 1}, (FIRST + 2, FIRST + 3)),
            ({FIRST, FIRST + 2}, (FIRST + 3, FIRST + 4)),
        ):
            with self.subTest(taken=taken):
                self.network = FakeNetwork(taken)

                self.assertEqual(self.open().numbers, numbers)
                self.assertEqual([*self.network.ports], [*numbers])

    def test_three_players_on_one_machine(self) -> None:
        numbers = [self.open().numbers for _ in range(3)]

        self.assertEqual(
            numbers, [(FIRST, FIRST + 1), (FIRST + 2, FIRST + 3), (FIRST + 4, FIRST + 5)]
        )

    def test_anywhere(self) -> None:
        first, second = self.open(first=None).numbers

        self.assertIn(first, RANDOM_PORTS)
        self.assertEqual((first % 2, second), (0, first + 1))

    def test_none_is_free(self) -> None:
        self.network = FakeNetwork(range(FIRST + 2 * PORT_TRIES))

        error = self.assertRaises(UnplayableError, self.open)

        self.assertEqual(
            str(error), "No pair of UDP ports is free. Close other players, or use TCP."
        )
        self.assertEqual(self.network.ports, {})

    def test_highest_ports(self) -> None:
        self.assertEqual(self.open(first=65_534).numbers, (65_534, 65_535))
        self.assertRaises(UnplayableError, self.open, first=65_535)

    def test_families_of_addresses(self) -> None:
        self.open()
        self.assertEqual(self.port(0).interface, "0.0.0.0")

        self.open(first=None, is_ipv6=True)
        self.assertEqual(self.port(-1).interface, "::")

    def test_closing_gives_them_back(self) -> None:
        self.open().close()

        self.assertEqual(self.network.ports, {})


class ReceiveBufferTests(ReceiverCase):
    def test_as_large_as_was_asked_for(self) -> None:
        self.assertEqual(self.open().buffer_bytes, RECEIVE_BUFFER_BYTES)

    def test_system_gives_less(self) -> None:
        self.network.receive_buffer.limit_bytes = 300_000

        self.assertEqual(self.open().buffer_bytes, 300_000)

    def test_system_refuses(self) -> None:
        self.network.receive_buffer.limit_bytes = 300_000
        self.network.receive_buffer.refuses = True

        self.assertEqual(self.open().buffer_bytes, 212_992 // 2)


class TrafficTests(ReceiverCase):
    def test_what_the_server_sends_is_taken(self) -> None:
        self.open().aim(SERVER, SERVER_PORTS)
        self.network.advance(5.0)

        self.port(0).receive(b"RTP")
        self.network.advance(0.5)
        self.port(1).receive(b"RTCP")

        self.assertEqual(self.taken, [(b"RTP", 5.0), (b"RTCP", 5.5)])

    def test_its_ports_may_be_others_than_it_said(self) -> None:
        self.open().aim(SERVER, SERVER_PORTS)

        self.port(0).receive(b"RTP", port=7777)

        self.assertEqual(self.taken, [(b"RTP", 0.0)])

    def test_what_others_send_is_passed_over(self) -> None:
        self.open().aim(SERVER, SERVER_PORTS)

        with capturedLogs() as logs:
            for _ in range(10):
                self.port(0).receive(b"forged", FOREIGNER)

        self.assertEqual(self.taken, [])
        self.assertEqual(
            [formatEvent(event) for event in logs],
            [f"{FOREIGNER} is not the server: what it sends is passed over"],
        )

    def test_media_may_come_from_another_host(self) -> None:
        self.open().aim(SERVER, SERVER_PORTS, source=FOREIGNER)

        self.port(0).receive(b"media", FOREIGNER)
        self.port(0).receive(b"more", SERVER)

        self.assertEqual([data for data, _ in self.taken], [b"media", b"more"])

    def test_nothing_is_taken_before_setup_is_answered(self) -> None:
        self.open()

        with capturedLogs() as logs:
            self.port(0).receive(b"RTP")

        self.assertEqual((self.taken, logs), ([], []))

    def test_nothing_is_taken_any_more(self) -> None:
        ports = self.open()
        ports.aim(SERVER, SERVER_PORTS)
        rtp = self.port(0)
        ports.close()

        rtp.receive(b"RTP")

        self.assertEqual(self.taken, [])

    def test_a_packet_opens_the_way_for_the_media(self) -> None:
        self.open().aim(SERVER, SERVER_PORTS)

        ((data, to),) = self.port(0).sent
        self.assertEqual(RTPPacket.parse(data).payload, b"")
        self.assertEqual(to, (SERVER, SERVER_PORTS[0]))
        self.assertEqual(self.port(1).sent, [])

    def test_reports_go_to_the_other_port(self) -> None:
        ports = self.open()
        ports.aim(SERVER, SERVER_PORTS)

        ports.send_report(b"report")

        self.assertEqual(self.port(1).sent, [(b"report", (SERVER, SERVER_PORTS[1]))])

    def test_reports_go_where_the_media_come_from(self) -> None:
        ports = self.open()
        ports.aim(SERVER, SERVER_PORTS, source=FOREIGNER)

        ports.send_report(b"report")

        self.assertEqual(self.port(1).sent, [(b"report", (FOREIGNER, SERVER_PORTS[1]))])

    def test_server_that_tells_no_ports_is_sent_nothing(self) -> None:
        ports = self.open()
        ports.aim(SERVER, None)

        ports.send_report(b"report")

        self.assertEqual((self.port(0).sent, self.port(1).sent), ([], []))

    def test_network_that_takes_nothing(self) -> None:
        ports = self.open()
        for refusal in (OSError("Network is unreachable"), ValueError("no address")):
            for port in self.network.ports.values():
                port.refusal = refusal

            ports.aim(SERVER, SERVER_PORTS)
            ports.send_report(b"report")

            self.assertEqual((self.port(0).sent, self.port(1).sent), ([], []))

    def test_nothing_is_sent_after_the_end(self) -> None:
        ports = self.open()
        ports.aim(SERVER, SERVER_PORTS)
        rtcp = self.port(1)
        ports.close()

        ports.send_report(b"report")

        self.assertEqual(rtcp.sent, [])


class LoopbackPlaybackTests(TestCase):
    """Over real ports, as the fake network may not be true in everything."""

    @override
    def setUp(self) -> None:
        from twisted.internet import reactor

        # The stubs know the reactor as the least that all platforms have.
        self.reactor = cast(Reactor, reactor)
        self.arrived: Deferred[tuple[bytes, float]] = Deferred()

    def open(self, first: int | None = None, *, is_ipv6: bool = False) -> MediaPorts:
        return MediaPorts.open(self.reactor, self.take, Random(), first=first, is_ipv6=is_ipv6)

    def close(self, *ports: MediaPorts) -> Deferred[None]:
        for pair in ports:
            pair.close()
        return deferLater(self.reactor, 0.0)

    def take(self, data: bytes, arrived_s: float) -> None:
        self.arrived.callback((data, arrived_s))

    def converse(self, host: str) -> Deferred[None]:
        """Packets come from a server on this address, and reports go to it."""

        async def converse() -> None:
            ports = self.open(is_ipv6=":" in host)
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            with closing(socket.socket(family, socket.SOCK_DGRAM)) as server:
                server.settimeout(5)
                server.bind((host, 0))
                number = server.getsockname()[1]
                ports.aim(host, (number, number))
                punch, player = server.recvfrom(100)
                server.sendto(b"packet", player)
                packet, arrived_s = await self.arrived
                ports.send_report(b"report")
                report, reporter = server.recvfrom(100)
            await self.close(ports)

            self.assertEqual(RTPPacket.parse(punch).payload, b"")
            self.assertEqual((packet, report), (b"packet", b"report"))
            self.assertEqual((player[1], reporter[1]), ports.numbers)
            self.assertAlmostEqual(arrived_s, self.reactor.seconds(), places=0)

        return Deferred.fromCoroutine(converse())

    def test_conversation_over_ipv4(self) -> Deferred[None]:
        return self.converse("127.0.0.1")

    def test_conversation_over_ipv6(self) -> Deferred[None]:
        with closing(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as probe:
            try:
                probe.bind(("::1", 0))
            except OSError as error:
                raise SkipTest("this machine has no IPv6") from error
        return self.converse("::1")

    def test_neighbours_move_on(self) -> Deferred[None]:
        first = self.open()

        second = self.open(first=first.numbers[0])

        self.flushWarnings()  # Twisted does not close a socket that could not be bound.
        self.assertEqual(first.numbers[1], first.numbers[0] + 1)
        self.assertGreater(second.numbers[0], first.numbers[1])
        return self.close(first, second)

    def test_closing_gives_the_ports_back(self) -> Deferred[None]:
        async def test() -> None:
            first = self.open()
            await self.close(first)
            second = self.open(first=first.numbers[0])

            self.assertEqual(second.numbers, first.numbers)
            await self.close(second)

        return Deferred.fromCoroutine(test())

    def test_system_gives_some_buffer(self) -> Deferred[None]:
        ports = self.open()

        self.assertGreater(ports.buffer_bytes, 0)
        return self.close(ports)
