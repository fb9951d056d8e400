"""Addresses, families and endpoints, with the daemon as a process."""

import os
import socket
import sys

from mjpegd.wire.headers import Transport
from tests.system.cases import SystemTestCase, film, numbers
from tests.system.daemon import Daemon
from tests.tools.client import Client, RefusedError


class NetworkTestCase(SystemTestCase):
    def assert_plays(self, daemon: Daemon, host: str, *, over_tcp: bool = False) -> Client:
        """A film of five frames comes over this address of the daemon."""
        viewer = self.viewer(daemon, "film.avi", host=host, over_tcp=over_tcp)
        viewer.play()
        self.assert_ends(viewer)
        self.assertEqual(numbers(viewer.reception), list(range(5)))
        return viewer


class AddressTests(NetworkTestCase):
    def test_ipv6_and_ipv4_over_one_dual_stack_socket(self) -> None:
        daemon = self.running({"film.avi": film(5)})

        for host in ("::1", "127.0.0.1"):
            for over_tcp in (False, True):
                viewer = self.assert_plays(daemon, host, over_tcp=over_tcp)
                hosts = {source[0] for source in viewer.reception.sources}
                self.assertEqual(hosts, set() if over_tcp else {host})

    def test_an_ipv4_viewer_of_the_dual_stack_socket_is_ipv4_everywhere(self) -> None:
        daemon = self.running({"film.avi": film(5)})

        viewer = self.assert_plays(daemon, "127.0.0.1")

        self.assertEqual(viewer.describe(viewer.url).address_family, "IP4")
        self.assertIn(" of 127.0.0.1: film.avi", daemon.log)
        self.assertNotIn("ffff", daemon.log)

    def test_media_leaves_from_the_address_that_the_viewer_connected_to(self) -> None:
        daemon = self.running({"film.avi": film(5)})

        viewer = self.assert_plays(daemon, "127.0.0.2")

        rtp, rtcp = daemon.rtp_port, daemon.rtp_port + 1
        self.assertEqual(viewer.reception.sources, {("127.0.0.2", rtp), ("127.0.0.2", rtcp)})

    def test_the_same_where_only_ipv4_is_bound(self) -> None:
        daemon = self.running({"film.avi": film(5)}, "--interface=127.0.0.2")

        viewer = self.assert_plays(daemon, "127.0.0.2")

        self.assertEqual({host for host, _ in viewer.reception.sources}, {"127.0.0.2"})

    def test_an_interface_binds_rtsp_and_rtp(self) -> None:
        daemon = self.running({"film.avi": film(5)}, "--interface=127.0.0.1")

        self.assert_plays(daemon, "127.0.0.1")

        self.assertIn(f"rtsp://127.0.0.1:{daemon.port}/film.avi", daemon.log)
        for host in ("127.0.0.2", "::1"):
            with self.assertRaises(ConnectionRefusedError):
                Client(host, daemon.port)
        others = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(others.close)
        others.bind(("127.0.0.2", daemon.rtp_port))

    def test_an_ipv6_interface_stands_in_brackets(self) -> None:
        daemon = self.running({"film.avi": film(5)}, "--interface=::1")

        self.assert_plays(daemon, "::1")

        daemon.wait_for_line(rf"rtsp://\[::1\]:{daemon.port}/film.avi")

    def test_the_ports_of_rtp_are_the_ones_that_were_chosen(self) -> None:
        probe = self.running()
        port = probe.rtp_port
        probe.stop()
        daemon = self.running({"film.avi": film(5)}, f"--rtp-port={port}")

        viewer = self.assert_plays(daemon, "127.0.0.1")

        assert viewer.transport is not None
        self.assertEqual(viewer.transport.server_port, (port, port + 1))

    def test_reports_to_the_rtcp_port_are_read(self) -> None:
        daemon = self.running({"film.avi": film(50)})
        for host in ("127.0.0.1", "::1"):
            viewer = self.viewer(daemon, "film.avi", host=host)
            viewer.play()
            self.assertTrue(viewer.wait_for_frames(5))
            self.assertTrue(viewer.wait_for_report())

            viewer.report()
            viewer.receive_for(0.1)
            viewer.teardown()

            daemon.wait_for_line(rf"of {host} ended: TEARDOWN; .* jitter 1\.0 ms, round trip \d")

    def test_an_ipv6_viewer_of_ports_that_know_ipv4_only_may_take_tcp(self) -> None:
        daemon = self.daemon(
            {"film.avi": film(5)}, "--interface=127.0.0.1", "--listen=tcp6:0", port=""
        )
        daemon.start()

        with self.assertRaises(RefusedError) as caught:
            self.viewer(daemon, "film.avi", host="::1")

        self.assertEqual(caught.exception.response.status, 461)
        self.assert_plays(daemon, "::1", over_tcp=True)


class EndpointTests(NetworkTestCase):
    def test_several_endpoints_replace_the_port(self) -> None:
        daemon = self.daemon(
            {"film.avi": film(5)},
            "--listen=tcp:0:interface=127.0.0.1",
            "--listen=tcp6:0:interface=\\:\\:1",
            port="--port=1",
        )
        daemon.start()
        other = daemon.wait_for_line(r" and rtsp://\[::1\]:(\d+)/;")

        self.assert_plays(daemon, "127.0.0.1")
        daemon.port = int(other[1])
        self.assert_plays(daemon, "::1")

    def test_a_socket_that_systemd_passes(self) -> None:
        sock = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self.addCleanup(sock.close)

        daemon = self.daemon(
            {"film.avi": film(5)},
            "--listen=systemd:domain=INET6:index=0",
            port="",
            launcher=(sys.executable, "-c", AS_SYSTEMD, str(sock.fileno())),
            pass_fds=[sock.fileno()],
        )
        daemon.start()

        self.assertEqual(daemon.port, sock.getsockname()[1])
        for host in ("127.0.0.1", "::1"):
            self.assert_plays(daemon, host)
        self.assertEqual(daemon.stop(), 0)

    def test_a_unix_socket_carries_viewers_over_tcp(self) -> None:
        daemon = self.daemon({"film.avi": film(5)}, "--listen=unix:rtsp", port="")
        daemon.start()
        folder = os.open(daemon.folder, os.O_RDONLY)
        self.addCleanup(os.close, folder)
        short = f"/proc/self/fd/{folder}/rtsp"  # the name of a socket has 107 bytes at most

        self.assert_plays(daemon, short, over_tcp=True)
        with self.assertRaises(RefusedError) as caught:
            self.viewer(daemon, "film.avi", host=short)

        self.assertEqual(caught.exception.response.status, 461)
        self.assertEqual(daemon.stop(), 0)


class ProxyTests(NetworkTestCase):
    """The PROXY protocol, spoken by the client itself: it says that it came to 203.0.113.1."""

    options: tuple[str, ...] = ()

    def behind_proxy(self, endpoint: str) -> Daemon:
        daemon = self.daemon(
            {"film.avi": film(5)}, f"--listen=haproxy:{endpoint}", *self.options, port=""
        )
        daemon.start()
        return daemon

    def passed_on(self, host: str, port: int, *, over_tcp: bool) -> Client:
        client = Client(host, port)
        self.addCleanup(client.close)
        client.send(b"PROXY TCP4 127.0.0.1 203.0.113.1 40000 8554\r\n")
        client.open("rtsp://203.0.113.1/film.avi", over_tcp=over_tcp)
        client.play()
        self.assert_ends(client)
        self.assertEqual(numbers(client.reception), list(range(5)))
        return client

    def test_media_comes_from_where_the_answer_says(self) -> None:
        daemon = self.behind_proxy("tcp:0:interface=127.0.0.1")

        client = self.passed_on("127.0.0.1", daemon.port, over_tcp=False)

        assert client.transport is not None
        self.assertEqual(client.transport.source, "127.0.0.1")
        self.assertEqual({host for host, _ in client.reception.sources}, {"127.0.0.1"})

    def test_systemd_may_hold_the_port_that_the_proxy_comes_to(self) -> None:
        sock = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self.addCleanup(sock.close)
        daemon = self.daemon(
            {"film.avi": film(5)},
            "--listen=haproxy:systemd:domain=INET6:index=0",
            *self.options,
            port="",
            launcher=(sys.executable, "-c", AS_SYSTEMD, str(sock.fileno())),
            pass_fds=[sock.fileno()],
        )
        daemon.start()

        self.passed_on("127.0.0.1", sock.getsockname()[1], over_tcp=True)

    def test_media_may_take_the_way_through_the_proxy(self) -> None:
        daemon = self.behind_proxy("tcp:0:interface=127.0.0.1")

        client = self.passed_on("127.0.0.1", daemon.port, over_tcp=True)

        assert client.transport is not None
        self.assertIsNone(client.transport.source)

    def test_a_proxy_on_this_machine_may_take_a_unix_socket(self) -> None:
        daemon = self.behind_proxy("unix:rtsp")
        folder = os.open(daemon.folder, os.O_RDONLY)
        self.addCleanup(os.close, folder)

        for over_tcp in (False, True):
            self.passed_on(f"/proc/self/fd/{folder}/rtsp", 0, over_tcp=over_tcp)
        self.assertNotIn("Traceback", daemon.log)


class ProxyOfWorkersTests(ProxyTests):
    options = ("--workers=2",)


# Passes a socket as sd_listen_fds(3) says, and becomes the program that is to have it.
AS_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_FDNAMES="mjpegd.socket", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""


class TransportTests(NetworkTestCase):
    def test_destination_of_somebody_else_is_refused(self) -> None:
        daemon = self.running({"film.avi": film(5)})
        viewer = self.viewer(daemon, "film.avi")

        answer = viewer.ask(
            "SETUP",
            viewer.url,
            ("Transport", "RTP/AVP;unicast;destination=127.0.0.9;client_port=4000-4001"),
        )

        self.assertEqual(answer.status, 403)

    def test_the_answer_names_ports_that_media_comes_from(self) -> None:
        daemon = self.running({"film.avi": film(5)})

        viewer = self.assert_plays(daemon, "127.0.0.1")

        assert isinstance(viewer.transport, Transport)
        self.assertEqual(
            {port for _, port in viewer.reception.sources}, set(viewer.transport.server_port or ())
        )
