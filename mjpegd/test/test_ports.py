import errno
import socket
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFDSet, IReactorTime
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase
from typing_extensions import override

from mjpegd.errors import ConfigurationError
from mjpegd.logs import Tally, say_count
from mjpegd.ports import (
    BACKLOG,
    MediaPorts,
    Pair,
    bind,
    bind_pair,
    bind_pairs,
    bind_stream,
    close_pairs,
    explained,
    port_ranges,
    url_of,
)
from mjpegd.wire.reports import ReceiverReport, Report, compound


class PortsTestCase(SynchronousTestCase):
    def media_ports(self, interface: str = "127.0.0.1", port: int = 0) -> MediaPorts:
        ports = MediaPorts(bind_pair(interface, port), segments=False)
        self.addCleanup(ports.stop)
        return ports

    def without_ipv6(self, number: int) -> None:
        """This machine knows no IPv6: sockets cannot be had, or not be bound."""
        real = socket.socket

        def make(family: int = -1, *arguments: int, **options: int) -> socket.socket:
            if family == socket.AF_INET6:
                raise OSError(number, "no IPv6")
            return real(family, *arguments, **options)

        self.patch(socket, "socket", make)


class BindTests(PortsTestCase):
    def bound(self, kind: socket.SocketKind, interface: str, port: int = 0) -> socket.socket:
        sock = bind(kind, interface, port)
        self.addCleanup(sock.close)
        return sock

    def test_one_socket_has_all_addresses_of_both_families(self) -> None:
        sock = self.bound(socket.SOCK_DGRAM, "")

        self.assertEqual(sock.family, socket.AF_INET6)
        self.assertFalse(sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))
        self.assertFalse(sock.getblocking())

    def test_without_ipv6_there_is_ipv4(self) -> None:
        for number in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            self.without_ipv6(number)

            self.assertEqual(self.bound(socket.SOCK_STREAM, "").family, socket.AF_INET)

    def test_an_interface_has_its_own_family(self) -> None:
        self.assertEqual(self.bound(socket.SOCK_STREAM, "127.0.0.1").family, socket.AF_INET)
        sock = self.bound(socket.SOCK_STREAM, "::1")
        self.assertEqual(sock.family, socket.AF_INET6)
        self.assertTrue(sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))

    def test_a_port_in_use_by_one_family_is_not_bound_by_the_other_alone(self) -> None:
        taken = self.bound(socket.SOCK_DGRAM, "127.0.0.1")

        with self.assertRaises(OSError) as caught:
            self.bound(socket.SOCK_DGRAM, "", taken.getsockname()[1])

        self.assertEqual(caught.exception.errno, errno.EADDRINUSE)


class StreamTests(PortsTestCase):
    def test_a_thousand_players_may_wait_at_once(self) -> None:
        sock = bind_stream("127.0.0.1", 0)
        self.addCleanup(sock.close)

        self.assertTrue(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
        self.assertGreaterEqual(BACKLOG, 1000)

    def test_a_port_that_was_just_given_up_can_be_had_again(self) -> None:
        first = bind_stream("127.0.0.1", 0)
        port = first.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        connection, _ = _accepted(first)
        for sock in (connection, client, first):
            sock.close()

        bind_stream("127.0.0.1", port).close()

    def test_a_port_in_use_is_said_with_what_helps(self) -> None:
        taken = bind_stream("127.0.0.1", 0)
        self.addCleanup(taken.close)
        port = taken.getsockname()[1]

        with self.assertRaises(ConfigurationError) as caught:
            bind_stream("127.0.0.1", port)

        self.assertEqual(
            str(caught.exception),
            f"--port: TCP port {port} of 127.0.0.1 is in use: stop what uses it, or choose another",
        )

    def test_reasons_are_sentences(self) -> None:
        for refusal, says in [
            (OSError(errno.EACCES, ""), "is reserved for root: choose one above 1023"),
            (OSError(errno.EADDRNOTAVAIL, ""), "this machine has no such address"),
            (OSError(errno.EMFILE, ""), "cannot be opened: Too many open files"),
            (socket.gaierror(-2, ""), "cannot be opened: that is no address of this machine"),
        ]:
            self.assertIn(says, str(explained(refusal, "it")))


def _accepted(sock: socket.socket) -> tuple[socket.socket, object]:
    sock.settimeout(5)
    return sock.accept()


class MediaPortsTests(PortsTestCase):
    def test_a_free_pair_is_an_even_port_and_the_one_above(self) -> None:
        for interface in ("", "127.0.0.1", "::1"):
            for _ in range(10):
                rtp, rtcp = self.media_ports(interface).ports

                self.assertEqual((rtp % 2, rtcp), (0, rtp + 1))

    def test_a_pair_that_was_chosen_is_had(self) -> None:
        free = MediaPorts(bind_pair("127.0.0.1", 0), segments=False)
        pair = free.ports
        free.stop()

        self.assertEqual(self.media_ports("127.0.0.1", pair[0]).ports, pair)

    def test_a_pair_in_use_is_said_and_nothing_of_it_is_kept(self) -> None:
        pair = self.media_ports().ports

        with self.assertRaises(ConfigurationError) as caught:
            bind_pair("127.0.0.1", pair[0])

        self.assertIn(
            f"--rtp-port: UDP port {pair[0]} of 127.0.0.1 is in use", str(caught.exception)
        )

    def test_a_neighbour_in_use_is_said_and_the_first_is_given_back(self) -> None:
        free = MediaPorts(bind_pair("127.0.0.1", 0), segments=False)
        port = free.ports[0]
        free.stop()
        taken = bind(socket.SOCK_DGRAM, "127.0.0.1", port + 1)
        self.addCleanup(taken.close)

        with self.assertRaises(ConfigurationError) as caught:
            bind_pair("127.0.0.1", port)

        self.assertIn(f"UDP port {port + 1}", str(caught.exception))
        bind(socket.SOCK_DGRAM, "127.0.0.1", port).close()

    def test_an_address_of_another_machine_is_said(self) -> None:
        with self.assertRaises(ConfigurationError) as caught:
            bind_pair("192.0.2.7", 0)

        self.assertIn("this machine has no such address", str(caught.exception))

    def test_whom_they_reach_depends_on_the_interface(self) -> None:
        for interface, reached in [
            ("", (True, True)),
            ("127.0.0.1", (True, False)),
            ("::1", (False, True)),
        ]:
            ports = self.media_ports(interface)
            self.assertEqual(self.reached(ports, "192.0.2.1", "2001:db8::1"), reached)

    def reached(self, ports: MediaPorts, *hosts: str) -> tuple[bool, ...]:
        return tuple(ports.reaches(host, (5000, 5001)) for host in hosts)

    def test_media_goes_to_one_host_and_to_no_service_of_its_system(self) -> None:
        ports = self.media_ports("")

        groups = ("224.0.0.1", "255.255.255.255", "0.0.0.0", "ff02::1", "::", "")
        self.assertEqual(set(self.reached(ports, *groups)), {False})
        for pair, is_reached in [
            ((1024, 1025), True),
            ((65_534, 65_535), True),
            ((1023, 1024), False),
            ((53, 5000), False),
            ((5000, 53), False),
        ]:
            self.assertEqual(ports.reaches("192.0.2.1", pair), is_reached, pair)

    def test_the_system_sends_to_no_network_as_a_whole(self) -> None:
        for interface in ("", "127.0.0.1", "::1"):
            pair = bind_pair(interface, 0)
            self.addCleanup(close_pairs, [pair])
            for sock in pair:
                self.assertEqual(sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST), 0)

    def test_without_ipv6_they_reach_ipv4(self) -> None:
        self.without_ipv6(errno.EAFNOSUPPORT)
        ports = self.media_ports("")

        self.assertEqual(self.reached(ports, "192.0.2.1", "2001:db8::1"), (True, False))

    def test_there_is_no_sender_before_the_start(self) -> None:
        with self.assertRaises(RuntimeError):
            self.media_ports().sender("127.0.0.1", (5000, 5001), "")


class StartedPortsTests(TestCase):
    """On the real reactor: what is adopted by a fake one says little."""

    @override
    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reports: Deferred[tuple[list[Report], str, int]] = Deferred()
        self.ports = MediaPorts(bind_pair("", 0), segments=False)
        self.addCleanup(self.ports.stop)
        self.reactor = cast(IReactorTime, reactor)  # the stubs do not know which reactor it is
        running, tally = cast(IReactorFDSet, reactor), Tally(Clock(), say_count)
        self.ports.start(running, self.reactor, self.take, tally, self.opened)
        self.viewer = bind(socket.SOCK_DGRAM, "127.0.0.1", 0)
        self.addCleanup(self.viewer.close)
        self.viewer.settimeout(5)

    def opened(self, packet: bytes, host: str, port: int) -> bytes:
        """Whoever sends from a port of the viewer's has put a seal below it."""
        is_viewer = (host, port) == ("127.0.0.1", self.viewer.getsockname()[1])
        return packet.removesuffix(b"seal") if is_viewer else packet

    def take(self, *report: Any) -> None:  # three arguments of different types
        self.reports.callback(report)

    def test_reports_are_handed_on_with_where_they_come_from(self) -> "Deferred[None]":
        report = ReceiverReport(1, ())
        self.viewer.sendto(compound(report), ("127.0.0.1", self.ports.ports[1]))

        port = self.viewer.getsockname()[1]
        return self.reports.addCallback(
            lambda got: self.assertEqual(got, ([report], "127.0.0.1", port))
        )

    def test_reports_that_are_encrypted_are_opened_first(self) -> "Deferred[None]":
        report = ReceiverReport(1, ())
        self.viewer.sendto(compound(report) + b"seal", ("127.0.0.1", self.ports.ports[1]))

        return self.reports.addCallback(lambda got: self.assertEqual(got[0], [report]))

    def test_a_sender_sends_from_the_address_that_the_viewer_connected_to(self) -> None:
        port = self.viewer.getsockname()[1]

        self.ports.sender("127.0.0.1", (port, port), "127.0.0.4").send_report(b"report")

        data, source = self.viewer.recvfrom(100)
        self.assertEqual((data, source), (b"report", ("127.0.0.4", self.ports.ports[1])))

    async def test_a_viewer_whose_port_is_closed_disturbs_no_other(self) -> None:
        gone = bind(socket.SOCK_DGRAM, "127.0.0.1", 0)
        closed, open_port = gone.getsockname()[1], self.viewer.getsockname()[1]
        gone.close()
        to_closed = self.ports.sender("127.0.0.1", (closed, closed), "")
        to_viewer = self.ports.sender("127.0.0.1", (open_port, open_port), "")
        for number in range(10):
            to_closed.send_report(b"to nobody")
            await deferLater(self.reactor, 0.001)  # the refusal comes back, and is read
            to_viewer.send_report(b"%d" % number)

        heard = [self.viewer.recv(100) for _ in range(10)]
        self.assertEqual(heard, [b"%d" % number for number in range(10)])
        self.assertEqual((to_closed.errors, to_viewer.errors), (0, 0))
        # What arrives is still read.
        self.viewer.sendto(compound(ReceiverReport(1, ())), ("127.0.0.1", self.ports.ports[1]))
        await self.reports

    def test_the_ports_are_free_after_the_end(self) -> None:
        pair = self.ports.ports

        self.ports.stop()

        for port in pair:
            bind(socket.SOCK_DGRAM, "", port).close()


class URLTests(SynchronousTestCase):
    def test_where_all_addresses_are_bound_people_try_localhost(self) -> None:
        for host in ("", "0.0.0.0", "::"):
            self.assertEqual(url_of("rtsp", host, 8554), "rtsp://localhost:8554/")

    def test_others_are_named(self) -> None:
        self.assertEqual(url_of("rtsp", "192.0.2.1", 554), "rtsp://192.0.2.1:554/")
        self.assertEqual(url_of("rtsps", "::1", 322), "rtsps://[::1]:322/")


class PairsTests(PortsTestCase):
    def pairs(self, port: int, count: int) -> list[Pair]:
        pairs = bind_pairs("127.0.0.1", port, count)
        self.addCleanup(close_pairs, pairs)
        return pairs

    def test_from_a_given_port_on_they_follow_each_other(self) -> None:
        for port in range(20_000, 30_000, 100):
            try:
                pairs = self.pairs(port, 3)
            except ConfigurationError:
                continue  # somebody has one of them
            numbers = [sock.getsockname()[1] for pair in pairs for sock in pair]
            self.assertEqual(numbers, list(range(port, port + 6)))
            self.assertEqual(port_ranges(pairs), f"{port}-{port + 5}")
            return
        raise AssertionError("no six free ports")

    def test_others_are_told_one_by_one(self) -> None:
        pairs = sorted(self.pairs(0, 2), key=lambda pair: pair[0].getsockname(), reverse=True)
        texts = [port_ranges([pair]) for pair in pairs]

        self.assertEqual(port_ranges(pairs), " and ".join(texts))

    def test_where_one_is_in_use_none_is_kept(self) -> None:
        for port in range(30_000, 40_000, 100):
            try:
                self.pairs(port + 2, 1)
                close_pairs([bind_pair("127.0.0.1", port)])
            except ConfigurationError:
                continue  # somebody has one of them
            with self.assertRaises(ConfigurationError) as caught:
                bind_pairs("127.0.0.1", port, 2)
            self.assertIn(f"UDP port {port + 2} of 127.0.0.1 is in use", str(caught.exception))
            close_pairs([bind_pair("127.0.0.1", port)])
            return
        raise AssertionError("no four free ports")


class AddressForTests(PortsTestCase):
    def test_an_address_of_this_machine_stays(self) -> None:
        self.assertEqual(self.media_ports("").address_for("127.0.0.1", "127.0.0.7"), "127.0.0.7")
        self.assertEqual(self.media_ports("").address_for("::1", "::1"), "::1")

    def test_instead_of_another_machines_the_routing_decides(self) -> None:
        ports = self.media_ports("")

        self.assertEqual(ports.address_for("127.0.0.9", "203.0.113.1"), "127.0.0.1")
        self.assertEqual(ports.address_for("::1", "2001:db8::1"), "::1")

    def test_what_is_bound_to_one_address_sends_from_it(self) -> None:
        ports = self.media_ports("127.0.0.3")

        self.assertEqual(ports.address_for("127.0.0.9", "203.0.113.1"), "127.0.0.3")

    def test_where_there_is_no_way_it_is_unknown(self) -> None:
        ports = self.media_ports("127.0.0.1")

        self.assertEqual(ports.address_for("255.255.255.255", "203.0.113.1"), "")
