import io
import socket
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.plugins.cred_file import theFileCheckerFactory
from typing_extensions import override
from zope.interface import implementer

from mjpegd import __version__
from mjpegd.addresses import in_url
from mjpegd.ports import bind_pairs, close_pairs
from mjpegd.service import MjpegService
from mjpegd.test import films
from mjpegd.test.keys import pair
from mjpegd.test.logins import EVERYTHING, users_file
from mjpegd.test.running import ServiceTestCase
from mjpegd.wire.messages import Headers, Request, Response

PORT = "--tls-port=0"
EVERYBODY = "everybody who reaches the port may watch (--users FILE changes that)"


def asked(base_url: str, method: str, name: str) -> Response:
    """One request on a connection of its own."""
    host, port = base_url.removeprefix("rtsp://").rstrip("/").rsplit(":", 1)
    with socket.create_connection((host, int(port)), 30) as connection:
        uri = f"rtsp://{in_url(host, int(port))}/{name}"
        connection.sendall(Request(method, uri, Headers([("CSeq", "1")])).to_bytes())
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65_536)
    return Response.parse_head(data.partition(b"\r\n\r\n")[0].split(b"\r\n"))


class MjpegServiceTests(ServiceTestCase):
    @override
    def setUp(self) -> None:
        self.said: list[str] = []

        @implementer(ILogObserver)
        def hear(event: LogEvent) -> None:
            if event.get("log_namespace") in {
                "mjpegd.service",
                "mjpegd.theatre",
                "mjpegd.encryption.tls",
            }:
                self.said.append(formatEvent(event))

        observer = cast(ILogObserver, hear)  # mypy cannot see that a function implements it
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    async def heard(self, words: str) -> str:
        """Wait for a line of the log."""
        while True:
            for line in self.said:
                if words in line:
                    return line
            await deferToThread(lambda: None)  # lets the reactor turn

    def assert_refuses(self, service: MjpegService, says: str) -> None:
        with self.assertRaises(SystemExit) as caught:
            service.privilegedStartService()
            service.startService()
        self.assertIn(says, str(caught.exception.code))
        self.assertNotIn("\n", str(caught.exception.code))

    def test_says_what_it_serves_and_where(self) -> "Deferred[None]":
        folder = self.folder({"a film.avi": films.avi(films.pictures(2))})
        service = self.started(f"--media={folder}")

        async def test() -> None:
            line = await self.heard(" serves ")
            self.assertIn(f"mjpegd {__version__} serves {folder} at {service.base_url};", line)
            self.assertTrue(line.endswith(EVERYBODY), line)
            self.assertNotIn("SRTP", line)
            await self.heard(f"{service.base_url}testcard")
            await self.heard(f"{service.base_url}a%20film.avi")

        return Deferred.fromCoroutine(test())

    def test_says_that_media_goes_over_udp_as_srtp_where_there_is_tls(self) -> "Deferred[None]":
        folder = self.folder({})
        certificate, key = pair().write(folder)
        options = f"--certificate={certificate}", f"--private-key={key}", "--tls-port=0"
        self.started(f"--media={folder}", *options)

        async def test() -> None:
            self.assertIn(", as SRTP for viewers on TLS;", await self.heard(" serves "))

        return Deferred.fromCoroutine(test())

    def test_an_empty_folder_is_one_line(self) -> "Deferred[None]":
        folder = self.folder({})
        self.started(f"--media={folder}")

        async def test() -> None:
            await self.heard("holds no film: there is only the test card")

        return Deferred.fromCoroutine(test())

    def test_answers_until_it_is_stopped(self) -> "Deferred[None]":
        service = self.started(f"--media={self.folder({})}")
        base_url = service.base_url

        async def test() -> None:
            answer = await deferToThread(asked, base_url, "OPTIONS", "testcard")
            self.assertEqual(answer.status, 200)
            await service.stopService()
            with self.assertRaises(ConnectionRefusedError):
                await deferToThread(asked, base_url, "OPTIONS", "testcard")

        return Deferred.fromCoroutine(test())

    def test_more_connections_than_files_are_said_and_not_promised(self) -> "Deferred[None]":
        self.started(f"--media={self.folder({})}", "--max-connections=1000000")

        async def test() -> None:
            line = await self.heard("--max-connections 1000000: only ")
            self.assertIn("files open; raise LimitNOFILE=", line)

        return Deferred.fromCoroutine(test())

    def test_a_port_in_use_ends_the_start(self) -> None:
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        port = taken.getsockname()[1]

        self.assert_refuses(
            self.service(f"--port={port}"), f"TCP port {port} of 127.0.0.1 is in use"
        )

    def test_a_file_in_place_of_the_folder_ends_the_start(self) -> None:
        folder = self.folder({"film.avi": b""})
        service = self.service(f"--media={folder / 'film.avi'}")

        self.assert_refuses(service, "is not a folder: name the folder that holds it")

    def test_passwords_that_cannot_be_read_end_the_start(self) -> None:
        # Twisted warns, and goes on.
        self.patch(theFileCheckerFactory, "errorOutput", io.StringIO())
        for path, says in ("/no/such", "No such file or directory"), ("/", "Is a directory"):
            service = self.service(f"--auth=file:{path}")

            self.assert_refuses(service, f"--auth file:{path}: cannot be read: {says}")

    def test_who_may_watch_is_told_at_the_start(self) -> "Deferred[None]":
        folder = self.folder({"users.toml": users_file().encode()})
        said = {
            ("--allow=192.0.2.0/24", "--allow=::1"): (
                "everybody from 192.0.2.0/24, ::1/128 may watch (--users FILE changes that)"
            ),
            ("--auth=memory:anna:secret",): "who is known to --auth may watch",
            (f"--users={folder / 'users.toml'}",): f"{folder / 'users.toml'} says who may watch",
        }

        async def test() -> None:
            for arguments, words in said.items():
                self.said.clear()
                service = self.started(f"--media={folder}", *arguments)
                line = await self.heard(" serves ")
                self.assertTrue(line.endswith(words), line)
                await service.stopService()

        return Deferred.fromCoroutine(test())

    def test_users_log_in_and_may_be_others_when_the_file_is_read_again(self) -> "Deferred[None]":
        folder = self.folder({"users.toml": users_file().encode()})
        service = self.started(f"--media={folder}", f"--users={folder / 'users.toml'}")

        async def test() -> None:
            answer = await deferToThread(asked, service.base_url, "DESCRIBE", "testcard")
            self.assertEqual(answer.status, 401)
            (folder / "users.toml").write_text(users_file(everyone=EVERYTHING))
            service.read_again()
            while answer.status != 200:
                answer = await deferToThread(asked, service.base_url, "DESCRIBE", "testcard")

        return Deferred.fromCoroutine(test())

    def test_without_a_users_file_there_is_nothing_to_read_again(self) -> "Deferred[None]":
        service = self.started(f"--media={self.folder({})}")
        service.read_again()

        async def test() -> None:
            await self.heard("there is neither a users file nor a certificate to read again")

        return Deferred.fromCoroutine(test())

    def test_takes_stock_while_it_serves(self) -> "Deferred[None]":
        service = self.started(f"--media={self.folder({'film.avi': films.avi(films.pictures(2))})}")
        host, port = service.base_url.removeprefix("rtsp://").rstrip("/").rsplit(":", 1)

        async def test() -> None:
            await self.heard(" serves ")
            service.take_stock()
            line = await self.heard("now: ")
            self.assertTrue(line.startswith("now: 0 connections, 0 sessions, 0 films open, "), line)
            self.said.clear()
            await deferToThread(asked, service.base_url, "DESCRIBE", "film.avi")
            with socket.create_connection((host, int(port)), 30):
                while "now: 1 connections, 0 sessions, 1 films" not in "".join(self.said):
                    service.take_stock()
                    await deferToThread(lambda: None)

        return Deferred.fromCoroutine(test())

    def test_a_users_file_that_makes_no_sense_ends_the_start(self) -> None:
        folder = self.folder({"users.toml": b"realm = 1"})
        for name, says in [
            ("users.toml", "users.toml: line 1: realm is a text in quotes"),
            ("none.toml", "none.toml: does not exist: mjpegd-passwd FILE USER makes one"),
        ]:
            self.assert_refuses(self.service(f"--users={folder / name}"), says)

    def test_where_tls_is_spoken_and_whose_certificate_it_is_is_told(self) -> "Deferred[None]":
        certificate, key = pair().write(self.folder({}))
        arguments = (f"--certificate={certificate}", f"--private-key={key}", PORT)

        async def test() -> None:
            for only, places in [
                ((), r" at rtsp://127\.0\.0\.1:\d+/ and rtsps://127\.0\.0\.1:\d+/;"),
                (("--tls-only",), r" at rtsps://127\.0\.0\.1:\d+/;"),
            ]:
                self.said.clear()
                service = self.started(f"--media={self.folder({})}", *arguments, *only)
                self.assertRegex(await self.heard(" serves "), places)
                await self.heard("certificate.pem is the certificate of 127.0.0.1, valid until ")
                self.assertTrue(service.base_url.startswith("rtsps:" if only else "rtsp:"))
                await service.stopService()

        return Deferred.fromCoroutine(test())

    def test_a_certificate_is_read_again_on_demand(self) -> "Deferred[None]":
        folder = self.folder({})
        certificate, key = pair().write(folder)
        service = self.started(f"--certificate={certificate}", f"--private-key={key}", PORT)

        async def test() -> None:
            await self.heard(" serves ")
            pair("camera.example").write(folder)
            service.read_again()
            await self.heard("is the certificate of camera.example")

        return Deferred.fromCoroutine(test())

    def test_a_certificate_that_cannot_be_used_ends_the_start(self) -> None:
        folder = self.folder({"empty.pem": b""})
        certificate, _ = pair().write(folder)
        for workers in ("--workers=1", "--workers=2"):
            for name, says in [
                ("none.pem", "none.pem: does not exist"),
                ("empty.pem", "empty.pem: there is no key in it"),
            ]:
                arguments = (f"--certificate={certificate}", f"--private-key={folder / name}")
                self.assert_refuses(self.service(*arguments, PORT, workers), says)

    def test_a_port_of_tls_in_use_ends_the_start(self) -> None:
        certificate, key = pair().write(self.folder({}))
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            arguments = (f"--certificate={certificate}", f"--private-key={key}")

            self.assert_refuses(
                self.service(*arguments, f"--tls-port={port}"), f"--tls-port: TCP port {port} of"
            )

    def test_endpoints_that_make_no_sense_end_the_start(self) -> None:
        for endpoint, says in [
            ("pigeon:8554", "Unknown endpoint type"),
            ("tcp:port", "cannot be listened on"),
            ("tcp:8554:colour=red", "cannot be listened on"),
            ("systemd:domain=INET6:index=0", "systemd has passed no such socket"),
            ("tcp:1:interface=192.0.2.7", "this machine has no such address"),
        ]:
            self.assert_refuses(self.service(f"--listen={endpoint}"), f"--listen {endpoint!r}")
            self.assert_refuses(self.service(f"--listen={endpoint}"), says)


class WorkersTests(ServiceTestCase):
    """Two real worker processes."""

    timeout = 60

    def test_two_workers_answer_until_they_are_stopped(self) -> "Deferred[None]":
        service = self.started(f"--media={self.folder({})}", "--workers=2")
        base_url = service.base_url

        async def test() -> None:
            answers = [
                await deferToThread(asked, base_url, "OPTIONS", "testcard") for _ in range(3)
            ]
            self.assertEqual([answer.status for answer in answers], [200] * 3)
            await service.stopService()
            with self.assertRaises(ConnectionRefusedError):
                await deferToThread(asked, base_url, "OPTIONS", "testcard")

        return Deferred.fromCoroutine(test())

    def test_an_rtp_port_in_use_ends_the_start(self) -> None:
        first, second = bind_pairs("127.0.0.1", 0, 2)
        self.addCleanup(close_pairs, [first, second])
        taken = second[0].getsockname()[1]
        service = self.service(f"--media={self.folder({})}", "--workers=2", f"--rtp-port={taken}")

        with self.assertRaises(SystemExit) as caught:
            service.privilegedStartService()

        self.assertIn(f"--rtp-port: UDP port {taken}", str(caught.exception.code))
