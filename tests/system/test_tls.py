"""RTSP over TLS: the daemon as a process, and clients as they come from the network."""

import shutil
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

from typing_extensions import override

from mjpegd.test import films
from mjpegd.test.keys import HOST, Pair, pair
from mjpegd.test.logins import password_of, users_file
from mjpegd.test.pictures import number_of, picture
from mjpegd.wire.digest import BasicAuthorization
from tests.system import player
from tests.system.cases import FPS, SystemTestCase, film, numbers
from tests.system.daemon import PATIENCE_S, POLL_S, Daemon
from tests.system.test_daemon import TRACEBACK
from tests.tools.client import Client, RefusedError

FRAMES = 50
NAME = "film.avi"


class TlsTestCase(SystemTestCase):
    """A test with a certificate in files of its own."""

    @override
    def setUp(self) -> None:
        self.etc = self.folder()
        self.certificate, self.key = pair().write(self.etc)
        self.arguments = (
            f"--certificate={self.certificate}",
            f"--private-key={self.key}",
            "--tls-port=0",
        )

    def serving(self, *options: str, frames: int = FRAMES) -> Daemon:
        return self.running({NAME: film(frames)}, *self.arguments, *options)

    def secure_client(self, daemon: Daemon, trusts: Path | None = None) -> Client:
        context = ssl.create_default_context(cafile=trusts or self.certificate)
        client = Client(HOST, daemon.tls_port, context=context)
        self.addCleanup(client.close)
        return client

    def secure_viewer(self, daemon: Daemon) -> Client:
        """A client with a session in state READY."""
        client = self.secure_client(daemon)
        client.open(daemon.secure_url(NAME), over_tcp=True)
        return client

    def replace(self, other: Pair) -> Path:
        """Another certificate in place of the one that is served; where to find it as well."""
        other.write(self.etc)
        elsewhere = self.folder()
        other.write(elsewhere)
        return elsewhere / self.certificate.name


class ViewerTests(TlsTestCase):
    def test_a_viewer_sees_every_frame(self) -> None:
        daemon = self.serving()
        client = self.secure_viewer(daemon)
        client.play()
        self.assert_ends(client)

        self.assertEqual(numbers(client.reception), [*range(FRAMES)])
        self.assert_steady(client.reception)
        self.assertNotIn(TRACEBACK, daemon.log)

    def test_udp_is_refused_and_the_way_on_the_connection_taken(self) -> None:
        daemon = self.serving()
        client = self.secure_client(daemon)
        with self.assertRaises(RefusedError) as caught:
            client.open(daemon.secure_url(NAME))
        self.assertEqual(caught.exception.response.status, 461)

        client.open(daemon.secure_url(NAME), over_tcp=True)

    def test_who_does_not_read_loses_whole_frames_and_nobody_else_any(self) -> None:
        large = films.avi([picture(number, (1280, 720)) for number in range(200)])
        daemon = self.running({NAME: large}, *self.arguments)
        lazy, other = self.secure_viewer(daemon), self.secure_viewer(daemon)
        lazy.play()
        other.play()
        self.assertTrue(other.wait_for_frames(100, PATIENCE_S))
        self.assertTrue(lazy.wait_for_frames(20, PATIENCE_S))

        self.assertEqual(numbers(other.reception)[:100], [*range(100)])
        for viewer in (lazy, other):
            self.assertEqual(viewer.reception.torn, 0)

    def test_at_the_end_of_the_server_viewers_are_told(self) -> None:
        daemon = self.serving()
        client = self.secure_viewer(daemon)
        client.play()
        self.assertTrue(client.wait_for_frames(3))

        daemon.signal(signal.SIGTERM)

        self.assert_ends(client)
        self.assertEqual(daemon.wait_for_end(), 0)

    def test_a_password_may_travel_only_where_nobody_can_listen(self) -> None:
        users = self.etc / "users.toml"
        users.touch(mode=0o600)
        users.write_text(users_file())
        daemon = self.serving(f"--users={users}")
        login = ("Authorization", BasicAuthorization("anna", password_of("anna")).to_text())
        plain = Client(HOST, daemon.port)
        self.addCleanup(plain.close)

        for client, url, status in [
            (self.secure_client(daemon), daemon.secure_url(NAME), 200),
            (plain, daemon.url(NAME), 401),
        ]:
            offered = client.ask("DESCRIBE", url).headers.get_all("WWW-Authenticate")
            self.assertEqual(offered[0].startswith("Basic "), status == 200, url)
            self.assertEqual(client.ask("DESCRIBE", url, login).status, status, url)

    def test_the_player_shows_it_where_the_certificate_is_trusted(self) -> None:
        daemon = self.serving()
        path = self.folder() / "film.mjpeg"
        running = player.begin(
            "--headless",
            f"--record={path}",
            daemon.secure_url(NAME),
            SSL_CERT_FILE=str(self.certificate),
        )
        _, words = running.communicate(timeout=PATIENCE_S)

        self.assertEqual(running.returncode, 0, words)
        frames = films.frames_of(path.read_bytes())
        self.assertEqual([number_of(frame) for frame in frames], [*range(FRAMES)])


class PortTests(TlsTestCase):
    def test_old_versions_are_refused(self) -> None:
        self.require([] if shutil.which("openssl") else ["openssl"])
        daemon = self.serving()
        for version, words in [
            ("-tls1_1", "alert protocol version"),
            ("-tls1_2", "New, TLSv1.2, Cipher is ECDHE"),
            ("-tls1_3", "New, TLSv1.3, Cipher is TLS_"),
        ]:
            said = self.openssl(daemon, version, "-cipher", "DEFAULT@SECLEVEL=0")
            self.assertIn(words, said, version)

    def openssl(self, daemon: Daemon, *arguments: str) -> str:
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"{HOST}:{daemon.tls_port}", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_S,
            check=False,  # with an old version it fails, and is to
        )
        return done.stdout

    def test_with_tls_only_there_is_no_other_port(self) -> None:
        daemon = self.serving("--tls-only")

        self.assertEqual(daemon.port, 0)
        known = [Path(f"/proc/{daemon.pid}/net/{name}").read_text() for name in ("tcp", "tcp6")]
        lines = [line.split() for line in "".join(known).splitlines()]
        inodes = {line[9] for line in lines if line[3] == "0A"}  # of those that listen
        own = [
            link
            for link in Path(f"/proc/{daemon.pid}/fd").iterdir()
            if link.is_symlink() and str(link.readlink())[8:-1] in inodes
        ]
        self.assertEqual(len(own), 1)
        self.secure_viewer(daemon)

    def test_rtsp_in_the_clear_to_the_port_of_tls_is_told_in_the_log(self) -> None:
        daemon = self.serving()
        with socket.create_connection((HOST, daemon.tls_port)) as client:
            client.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
            daemon.wait_for_line(r"127\.0\.0\.1: TLS failed: ")
        self.assertNotIn(TRACEBACK, daemon.log)

    def test_a_client_that_does_not_trust_it_is_told_in_the_log(self) -> None:
        daemon = self.serving()
        with self.assertRaises(ssl.SSLCertVerificationError):
            elsewhere = self.folder()
            self.secure_client(daemon, pair("other.example").write(elsewhere)[0])

        daemon.wait_for_line(r"127\.0\.0\.1: TLS failed: .*(unknown ca|certificate)")


class RenewalTests(TlsTestCase):
    def test_another_certificate_is_shown_to_who_comes_and_viewers_see_on(self) -> None:
        daemon = self.serving(frames=10 * FPS)
        client = self.secure_viewer(daemon)
        client.play()
        self.assertTrue(client.wait_for_frames(3))

        other = self.replace(pair(HOST, ends_days=60))
        daemon.wait_for_line(r"(?s)is the certificate of.*is the certificate of")
        newcomer = self.secure_client(daemon, other)

        self.assertEqual(newcomer.ask("OPTIONS", daemon.secure_url(NAME)).status, 200)
        self.assertTrue(client.wait(lambda: client.reception.has_ended, PATIENCE_S))
        self.assertEqual(numbers(client.reception), [*range(10 * FPS)])

    def test_a_signal_has_it_read_at_once_and_a_broken_one_changes_nothing(self) -> None:
        daemon = self.serving()
        self.key.write_bytes(b"")
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_line("there is no key in it.*; nothing changes")

        self.secure_viewer(daemon)


class WorkersTests(TlsTestCase):
    def test_viewers_see_every_frame_and_a_second_connection_finds_its_session(self) -> None:
        daemon = self.serving("--workers=2")
        clients = [self.secure_viewer(daemon) for _ in range(3)]
        for client in clients:
            client.play()
        second = self.secure_client(daemon)
        second.session = clients[1].session
        self.assertEqual(second.ask("PAUSE", clients[1].url).status, 200)
        self.assertEqual(second.ask("PLAY", clients[1].url).status, 200)

        for client in clients:
            self.assert_ends(client)
            self.assertEqual(numbers(client.reception), [*range(FRAMES)])
        self.assertNotIn(TRACEBACK, daemon.log)

    def test_each_worker_reads_another_certificate(self) -> None:
        daemon = self.serving("--workers=2")
        other = self.replace(pair(HOST, ends_days=60))
        daemon.signal(signal.SIGHUP)
        until_s = time.monotonic() + PATIENCE_S
        while daemon.log.count("is the certificate of") < 4:
            self.assertLess(time.monotonic(), until_s, daemon.log)
            time.sleep(POLL_S)

        self.secure_client(daemon, other)
