"""Two daemons behind HAProxy, with the configuration in contrib."""

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

from typing_extensions import override

from mjpegd.test.keys import pair
from tests.system.cases import SystemTestCase, film, numbers
from tests.system.daemon import PATIENCE_S, POLL_S, Daemon
from tests.tools.client import Client, RefusedError

CONFIGURATION = Path(__file__).parents[2] / "contrib" / "haproxy.cfg"
# Debian keeps it where users do not look.
HAPROXY = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class HAProxyTests(SystemTestCase):
    @override
    def setUp(self) -> None:
        self.require([] if HAPROXY else ["haproxy"])
        assert HAPROXY
        self.machines = [self.machine() for _ in range(2)]
        self.port = self.proxy(HAPROXY)

    def machine(self) -> Daemon:
        listen = "--listen=haproxy:tcp:0:interface=127.0.0.1"
        daemon = self.daemon({"film.avi": film(100)}, listen, port="")
        daemon.start()
        return daemon

    def proxy(self, program: str, pem: Path | None = None) -> int:
        """Start HAProxy; its port.

        Args:
            program: Where it is.
            pem: Certificate and key, where it is to end TLS, as its comments say.
        """
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        text = CONFIGURATION.read_text(encoding="utf-8").replace(":::8554", f":::{port}")
        if pem is not None:
            text = re.sub(r"(bind .*)", rf"\1 ssl crt {pem}", text)
            text = text.replace("server send-proxy-v2 ", "server send-proxy-v2-ssl ")
        for name, daemon in zip("ab", self.machines, strict=True):
            text = re.sub(rf"(server {name}) \S+", rf"\1 127.0.0.1:{daemon.port}", text)
        path = self.folder() / "haproxy.cfg"
        path.write_text(text, encoding="utf-8")
        process = subprocess.Popen(
            [program, "-db", "-f", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.wait_for(port)
        return port

    def wait_for(self, port: int) -> None:
        until_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except ConnectionRefusedError:
                self.assertLess(time.monotonic(), until_s)
                time.sleep(POLL_S)
            else:
                return

    def passed_on(self, viewer_host: str, *, over_tcp: bool = False) -> Client:
        client = Client("127.0.0.1", self.port, local_host=viewer_host)
        self.addCleanup(client.close)
        client.open(f"rtsp://127.0.0.1:{self.port}/film.avi", over_tcp=over_tcp)
        return client

    def machine_of(self, client: Client) -> Daemon:
        return next(daemon for daemon in self.machines if str(client.session) in daemon.log)

    def test_viewers_see_every_frame_and_are_known_by_their_own_address(self) -> None:
        for host, over_tcp in (("127.0.0.8", False), ("127.0.0.9", True)):
            client = self.passed_on(host, over_tcp=over_tcp)
            client.play()
            self.assert_ends(client)

            self.assertEqual(numbers(client.reception), list(range(100)))
            self.assert_steady(client.reception)
            self.machine_of(client).wait_for_line(rf"session {client.session} of {host}: film.avi")

    def test_where_it_ends_tls_nobody_else_can_listen_either(self) -> None:
        assert HAPROXY
        pem = self.folder() / "both.pem"
        pem.write_bytes(pair().both)
        port = self.proxy(HAPROXY, pem)
        context = ssl.create_default_context(cadata=pair().certificate.decode())
        client = Client("127.0.0.1", port, context=context)
        self.addCleanup(client.close)
        url = f"rtsps://127.0.0.1:{port}/film.avi"

        with self.assertRaises(RefusedError) as caught:
            client.open(url)
        self.assertEqual(caught.exception.response.status, 461)
        client.open(url, over_tcp=True)
        client.play()
        self.assert_ends(client)
        self.assertEqual(numbers(client.reception), list(range(100)))

    def test_other_addresses_go_to_the_other_machine(self) -> None:
        clients = [self.passed_on(f"127.0.0.{number}") for number in range(11, 15)]

        counts = [list(map(self.machine_of, clients)).count(daemon) for daemon in self.machines]
        self.assertEqual(counts, [2, 2])

    def test_a_second_connection_finds_its_session(self) -> None:
        clients = [self.passed_on(f"127.0.0.{number}") for number in range(11, 15)]

        for client, number in zip(clients, range(11, 15), strict=True):
            with Client("127.0.0.1", self.port, local_host=f"127.0.0.{number}") as other:
                other.session = client.session
                self.assertEqual(other.ask("PAUSE", client.url).status, 200)

    def test_when_a_machine_stops_its_viewers_are_told_and_find_the_other(self) -> None:
        client = self.passed_on("127.0.0.8")
        client.play()
        self.assertTrue(client.wait_for_frames(3))
        machine = self.machine_of(client)

        machine.signal(signal.SIGTERM)

        self.assert_ends(client)
        self.assertEqual(machine.wait_for_end(), 0)
        again = self.passed_on("127.0.0.8")
        self.assertIsNot(self.machine_of(again), machine)
