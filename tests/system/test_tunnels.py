"""RTSP inside of HTTP and WebSocket, with the daemon as a process."""

import os
import re
import signal
import socket
import ssl
from collections.abc import Callable

from mjpegd.test.keys import pair
from mjpegd.test.logins import password_of, users_file
from tests.system.cases import SystemTestCase, film, numbers
from tests.system.daemon import Daemon
from tests.tools.client import Client
from tests.tools.tunnels import (
    Connect,
    Connection,
    HTTPTunnel,
    RefusedTunnelError,
    WebSocketTunnel,
)

FRAMES = 50
TUNNELS: list[Callable[[Connect], Connection]] = [HTTPTunnel, WebSocketTunnel]
TRACEBACK = "Traceback"
_SECURE_BASE = re.compile(r"rtsps://[^/]*:(\d+)/")


class TunnelTests(SystemTestCase):
    def served(self, *options: str) -> Daemon:
        return self.running({"film.avi": film(FRAMES)}, *options)

    def opened(
        self,
        daemon: Daemon,
        tunnel: Callable[[Connect], Connection],
        *,
        login: tuple[str, str] | None = None,
        context: ssl.SSLContext | None = None,
    ) -> Client:
        """A viewer in a tunnel with a session in state READY."""
        port = int(daemon.wait_for_line(_SECURE_BASE)[1]) if context else daemon.port
        client = Client("127.0.0.1", port, tunnel=tunnel, login=login, context=context)
        self.addCleanup(client.close)
        client.open(daemon.url("film.avi"), over_tcp=True)
        return client

    def assert_all_comes(self, client: Client) -> None:
        client.play()
        self.assert_ends(client)
        self.assertEqual(numbers(client.reception), [*range(FRAMES)])
        self.assert_steady(client.reception)
        client.teardown()

    def test_every_frame_comes(self) -> None:
        daemon = self.served()
        for tunnel in TUNNELS:
            self.assert_all_comes(self.opened(daemon, tunnel))
        self.assertEqual(daemon.stop(), 0)
        self.assertNotIn(TRACEBACK, daemon.log)

    def test_with_workers_both_halves_get_to_the_same(self) -> None:
        daemon = self.served("--workers=3")
        for tunnel in TUNNELS:
            for _ in range(4):
                client = self.opened(daemon, tunnel)
                client.play()
                self.assertTrue(client.wait_for_frames(2))
                client.teardown()
                client.close()
        self.assertEqual(daemon.stop(), 0)
        self.assertNotIn(TRACEBACK, daemon.log)

    def test_the_login_is_that_of_rtsp(self) -> None:
        users = self.folder() / "users.toml"
        users.touch(mode=0o600)
        users.write_text(users_file(), encoding="utf-8")
        daemon = self.served(f"--users={users}")
        for tunnel in TUNNELS:
            self.assert_all_comes(self.opened(daemon, tunnel, login=("anna", password_of("anna"))))

    def test_inside_of_tls_too(self) -> None:
        certificate, key = pair().write(self.folder())
        context = ssl.create_default_context(cafile=str(certificate))
        options = f"--certificate={certificate}", f"--private-key={key}", "--tls-port=0"
        for workers in (1, 2):
            daemon = self.served(*options, f"--workers={workers}")
            for tunnel in TUNNELS:
                self.assert_all_comes(self.opened(daemon, tunnel, context=context))
            self.assertEqual(daemon.stop(), 0)
            self.assertNotIn(TRACEBACK, daemon.log)

    def test_a_client_may_go_on_in_a_new_post(self) -> None:
        tunnels: list[HTTPTunnel] = []

        def tunnel(connect: Connect) -> Connection:
            tunnels.append(HTTPTunnel(connect))
            return tunnels[-1]

        client = self.opened(self.served(), tunnel)
        client.play()
        for _ in range(3):
            self.assertTrue(client.wait_for_frames(5))
            tunnels[0].reopen()
            self.assertEqual(client.ask("OPTIONS", client.url).status, 200)

        self.assert_ends(client)
        self.assertEqual(numbers(client.reception), [*range(FRAMES)])

    def test_who_closes_the_get_ends_the_session(self) -> None:
        daemon = self.served("--loop")
        for tunnel in TUNNELS:
            client = self.opened(daemon, tunnel)
            client.play()
            self.assertTrue(client.wait_for_frames(2))
            session = client.session
            client.close()

            daemon.wait_for_line(rf"session {session} of 127.0.0.1 ended: its connection closed")

    def test_when_the_daemon_stops_viewers_are_told(self) -> None:
        daemon = self.served("--loop")
        clients = [self.opened(daemon, tunnel) for tunnel in TUNNELS]
        for client in clients:
            client.play()
            self.assertTrue(client.wait_for_frames(2))

        daemon.signal(signal.SIGTERM)

        for client in clients:
            self.assert_ends(client)
        self.assertEqual(daemon.wait_for_end(), 0)
        self.assertNotIn(TRACEBACK, daemon.log)

    def test_a_browser_gets_a_sentence_and_the_connection_closes(self) -> None:
        for workers in (1, 2):
            daemon = self.served(f"--workers={workers}")
            with socket.create_connection(("127.0.0.1", daemon.port), 10) as browser:
                browser.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                answer = b""
                while data := browser.recv(1000):
                    answer += data

            self.assertTrue(answer.startswith(b"HTTP/1.1 400 Bad Request\r\n"))
            self.assertTrue(answer.endswith(b"open rtsp:// with a player, not http://.\r\n"))

    def test_web_pages_are_those_that_are_named_in_every_worker(self) -> None:
        daemon = self.served("--workers=2", "--websocket-origin=https://a.example")

        with self.assertRaises(RefusedTunnelError) as refused:
            self.opened(daemon, lambda connect: WebSocketTunnel(connect, "https://b.example"))
        self.assertIn("status_code=403", str(refused.exception))
        self.opened(daemon, lambda connect: WebSocketTunnel(connect, "https://a.example"))

    def test_without_wsproto_it_is_refused_and_the_log_says_what_to_install(self) -> None:
        hiding = self.folder()
        (hiding / "sitecustomize.py").write_text("import sys; sys.modules['wsproto'] = None")
        path = os.pathsep.join((str(hiding), os.environ.get("PYTHONPATH", "")))
        daemon = self.daemon({"film.avi": film(FRAMES)}, environ={"PYTHONPATH": path})
        daemon.start()

        with self.assertRaises(RefusedTunnelError) as refused:
            self.opened(daemon, WebSocketTunnel)

        self.assertIn("status_code=501", str(refused.exception))
        self.assertIn("pip install 'mjpegd[websocket]'", daemon.log)
        self.assert_all_comes(self.opened(daemon, HTTPTunnel))
        self.assertNotIn(TRACEBACK, daemon.log)
