"""A worker within this process: the connections that it takes over, and its end."""

import socket
import ssl
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import deferLater
from twisted.internet.testing import StringTransport
from twisted.internet.threads import deferToThread
from twisted.logger import capturedLogs
from twisted.trial.unittest import TestCase
from typing_extensions import override

from mjpegd.options import Options
from mjpegd.ports import bind_pair
from mjpegd.test.conversation import said
from mjpegd.test.keys import pair
from mjpegd.test.logins import EVERYTHING, users_file
from mjpegd.test.tunnelled import get
from mjpegd.wire.headers import SessionHeader, Transport
from mjpegd.wire.messages import Response
from mjpegd.workers.messages import (
    Addresses,
    Cover,
    Disconnected,
    GiveBackSeat,
    GiveBackTunnel,
    GiveWay,
    Line,
    LineFactory,
    Ready,
    Stands,
    TakeSeat,
    TakeStock,
    TakeTunnel,
    Task,
    Tunnels,
)
from mjpegd.workers.worker import Reactor, Taking, Worker

HOST = "127.0.0.1"
NUMBER = 7
URL = f"rtsp://{HOST}/testcard"
SETUP = (
    f"SETUP {URL} RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP;unicast;client_port=5000-5001\r\n\r\n"
).encode()


class FarEnd(Line):
    """The acceptor, who only writes down what it hears."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[str, str]] = []
        self.has_room = True

    @Ready.responder
    def ready(self) -> dict[str, Any]:
        self.heard.append(("ready", ""))
        return {}

    @TakeSeat.responder
    def take_seat(self, host: str, user: str, bits_per_s: int) -> dict[str, str]:
        self.heard.append(("take seat", host))
        return {"refusal": "" if self.has_room else "there are too many"}

    @GiveBackSeat.responder
    def give_back_seat(self, host: str, user: str, bits_per_s: int) -> dict[str, Any]:
        self.heard.append(("give back seat", host))
        return {}

    @TakeTunnel.responder
    def take_tunnel(self) -> dict[str, Any]:
        self.heard.append(("take tunnel", ""))
        return {}

    @GiveBackTunnel.responder
    def give_back_tunnel(self) -> dict[str, Any]:
        self.heard.append(("give back tunnel", ""))
        return {}

    @Disconnected.responder
    def disconnected(self, number: int) -> dict[str, Any]:
        self.heard.append(("disconnected", str(number)))
        return {}

    @Stands.responder
    def stands(self, number: int, standing: str) -> dict[str, Any]:
        self.heard.append((standing, str(number)))
        return {}


class Unstoppable:
    """The reactor of the tests, which a worker must not stop."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self.is_stopped = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._reactor, name)

    def stop(self) -> None:
        self.is_stopped = True


class Breaking(Protocol):
    """Cannot bear what it hears."""

    @override
    def dataReceived(self, data: bytes) -> None:
        raise RuntimeError("it broke")


class TakingTests(TestCase):
    def test_words_that_break_a_connection_end_that_only(self) -> None:
        factory = cast(ServerFactory, ServerFactory.forProtocol(Breaking))
        taking = Taking(factory)
        protocol = taking.buildProtocol(None)
        transport = StringTransport()
        assert protocol is not None
        protocol.makeConnection(transport)

        taking.hear(SETUP)

        self.assertTrue(transport.disconnected)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)


class WorkerTests(TestCase):
    timeout = 20

    @override
    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor = Unstoppable(cast(Reactor, reactor))  # the stubs know less of it
        running = cast(Reactor, self.reactor)
        options = Options()
        options.parseOptions(["--workers=2", f"--media={self.mktemp()}"])
        task = Task(2, "any", options.settings, "00" * 32)
        self.worker = Worker(task, running, bind_pair(HOST, 0))
        ours, theirs = socket.socketpair()
        self.line = FarEnd()
        self.cookies = map(str, count())
        with ours:
            ours.setblocking(False)
            running.adoptStreamConnection(ours.fileno(), socket.AF_UNIX, LineFactory(self.line))
        self.worker.start(theirs)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.ended()))

    async def ended(self) -> None:
        line: Any = self.line.transport
        if line is not None:
            line.loseConnection()
        await self.until(lambda: self.reactor.is_stopped)

    async def until(self, condition: Any) -> None:
        while not condition():
            await deferLater(cast(Reactor, self.reactor), 0.005)

    def connection(self) -> tuple[socket.socket, socket.socket]:
        """A client, and a server's end of its connection."""
        with socket.create_server((HOST, 0)) as server:
            client = socket.create_connection(server.getsockname(), 5)
            accepted, _ = server.accept()
        accepted.setblocking(False)
        self.addCleanup(client.close)
        return client, accepted

    async def answer(self, addresses: Addresses | None, words: bytes = SETUP) -> Response:
        """What a connection is answered that is handed over with these words."""
        client, accepted = self.connection()
        own = Addresses(*accepted.getpeername(), *accepted.getsockname())
        self.client = client
        self.worker.take_over(NUMBER, accepted.detach(), addresses or own, Cover.NONE, words)
        data = await deferToThread(client.recv, 65_536)
        return Response.parse_head(data.partition(b"\r\n\r\n")[0].split(b"\r\n"))

    async def test_it_says_when_it_is_ready(self) -> None:
        await self.until(lambda: self.line.heard)

        self.assertEqual(self.line.heard, [("ready", "")])

    async def test_a_connection_is_answered_and_its_session_names_the_worker(self) -> None:
        answer = await self.answer(None)

        self.assertEqual(answer.status, 200)
        identifier = SessionHeader.parse(answer.headers.get("Session") or "").identifier
        self.assertRegex(identifier, r"\A02[0-9]{20}\Z")

    async def test_the_acceptor_is_asked_for_a_seat(self) -> None:
        self.line.has_room = False

        answer = await self.answer(None)

        self.assertEqual(answer.status, 453)
        self.assertIn(("take seat", HOST), self.line.heard)

    async def test_the_acceptor_hears_what_ends(self) -> None:
        await self.answer(None)
        self.client.sendall(f"TEARDOWN {URL} RTSP/1.0\r\nCSeq: 2\r\n\r\n".encode())
        await self.until(lambda: self.line.heard)
        self.client.close()
        await self.until(lambda: ("disconnected", str(NUMBER)) in self.line.heard)

    async def test_the_acceptor_hears_what_is_known_of_a_connection(self) -> None:
        words = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"

        await self.answer(None, words)
        await self.until(lambda: ("known", str(NUMBER)) in self.line.heard)

        await self.answer(None)
        await self.until(lambda: ("seated", str(NUMBER)) in self.line.heard)

    async def test_of_a_flood_of_requests_the_acceptor_hears_little(self) -> None:
        words = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"

        await self.answer(None, words * 100)
        self.client.close()
        await self.until(lambda: ("disconnected", str(NUMBER)) in self.line.heard)

        self.assertLess(len(self.line.heard), 10)

    async def test_a_connection_gives_way_when_the_acceptor_says_so(self) -> None:
        words = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"
        await self.answer(None, words)

        for number in (NUMBER + 1, NUMBER):
            self.line.callRemote(GiveWay, number=number)
        data = await deferToThread(self.client.recv, 65_536)

        self.assertTrue(data.startswith(b"RTSP/1.0 503 "))
        await self.until(lambda: ("disconnected", str(NUMBER)) in self.line.heard)

    async def test_the_acceptor_hears_of_tunnels(self) -> None:
        await self.answer_to_tunnel("one")
        self.client.close()

        for word in ("take tunnel", "give back tunnel"):
            await self.until(lambda word=word: (word, "") in self.line.heard)

    async def test_there_are_no_more_tunnels_when_the_acceptor_says_so(self) -> None:
        await self.until_tunnels_get(b"200")
        self.line.callRemote(Tunnels, are_taken=True)
        await self.until_tunnels_get(b"503")
        self.line.callRemote(Tunnels, are_taken=False)
        await self.until_tunnels_get(b"200")

    async def until_tunnels_get(self, status: bytes) -> None:
        """Open one after another until one is answered so: what was told may come later."""
        for cookie in self.cookies:
            if (await self.answer_to_tunnel(cookie)).split()[1] == status:
                return

    async def answer_to_tunnel(self, cookie: str) -> bytes:
        """The first line that a GET of a tunnel is answered."""
        client, accepted = self.connection()
        own = Addresses(*accepted.getpeername(), *accepted.getsockname())
        self.client = client
        self.worker.take_over(NUMBER, accepted.detach(), own, Cover.NONE, get(cookie))
        data: bytes = await deferToThread(client.recv, 65_536)
        return data.partition(b"\r\n")[0]

    async def test_a_proxy_may_tell_whose_it_is(self) -> None:
        addresses = Addresses("127.0.0.9", 40_000, "203.0.113.1", 554)

        answer = await self.answer(addresses)

        self.assertIn(("take seat", "127.0.0.9"), self.line.heard)
        transport = Transport.parse(answer.headers.get("Transport") or "")
        self.assertEqual(transport.source, HOST)
        self.client.close()
        await self.until(lambda: ("disconnected", str(NUMBER)) in self.line.heard)

    async def test_a_proxy_may_speak_ipv6(self) -> None:
        addresses = Addresses("2001:db8::7", 40_000, "2001:db8::1", 554)
        words = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"

        self.assertEqual((await self.answer(addresses, words)).status, 200)

    async def test_one_whose_client_has_gone_cannot_be_taken_over(self) -> None:
        lost = socket.socket()

        with self.assertRaises(OSError):
            self.worker.take_over(
                NUMBER, lost.detach(), Addresses(HOST, 1, HOST, 2), Cover.NONE, SETUP
            )

    async def test_it_takes_stock_when_the_acceptor_says_so(self) -> None:
        await self.answer(None)
        with capturedLogs() as events:
            self.line.callRemote(TakeStock)
            await self.until(lambda: events)

        self.assertIn("now: 1 connections, 1 sessions, 0 films open, ", "".join(said(events)))

    async def test_it_ends_without_the_acceptor(self) -> None:
        await self.answer(None)
        line: Any = self.line.transport
        line.loseConnection()

        await self.until(lambda: self.reactor.is_stopped)

        self.assertEqual(self.client.recv(100), b"")


class UsersTests(TestCase):
    """A worker that has a users file."""

    timeout = 20

    @override
    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor = Unstoppable(cast(Reactor, reactor))  # the stubs know less of it
        self.users = Path(self.mktemp())
        self.users.write_text(users_file())
        options = Options()
        options.parseOptions(["--workers=2", f"--users={self.users}"])
        task = Task.parse(Task(1, "any", options.settings, "00" * 32).to_text())
        self.worker = Worker(task, cast(Reactor, self.reactor), bind_pair(HOST, 0))
        self.far, self.near = socket.socketpair()
        self.addCleanup(self.far.close)

    async def ended(self) -> None:
        self.worker.end()
        while not self.reactor.is_stopped:
            await deferLater(cast(Reactor, self.reactor), 0.005)

    async def test_it_reads_them_at_the_start_and_when_it_is_told_to(self) -> None:
        with capturedLogs() as events:
            self.worker.start(self.near)
            self.users.write_text(users_file({"anna": EVERYTHING, "bert": EVERYTHING}))
            self.worker.read_again()
            while "names 2 users" not in "".join(said(events)):
                await deferLater(cast(Reactor, self.reactor), 0.005)
        await self.ended()

        self.assertIn("names 1 users", "".join(said(events)))

    async def test_without_them_it_serves_nobody_and_ends(self) -> None:
        self.users.unlink()
        with capturedLogs() as events:
            self.worker.start(self.near)

        self.assertTrue(self.reactor.is_stopped)
        self.assertIn("nobody can be served", "".join(said(events)))
        self.reactor.is_stopped = False
        await self.ended()


class CertificateTests(TestCase):
    """A worker whose viewers come by TLS."""

    timeout = 20

    @override
    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor = Unstoppable(cast(Reactor, reactor))  # the stubs know less of it
        folder = Path(self.mktemp())
        folder.mkdir()
        self.certificate, key = pair().write(folder)
        options = Options()
        options.parseOptions(
            [f"--certificate={self.certificate}", f"--private-key={key}", f"--media={folder}"]
        )
        task = Task.parse(Task(1, "any", options.settings, "00" * 32).to_text())
        self.worker = Worker(task, cast(Reactor, self.reactor), bind_pair(HOST, 0))
        self.far, near = socket.socketpair()
        self.addCleanup(self.far.close)
        self.worker.start(near)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.ended()))

    async def ended(self) -> None:
        self.worker.end()
        while not self.reactor.is_stopped:
            await deferLater(cast(Reactor, self.reactor), 0.005)

    async def answer(self, cover: Cover, words: Callable[[socket.socket], bytes]) -> Response:
        """What a connection is answered that is handed over with the first that it said.

        Args:
            cover: How it is kept from others.
            words: Says SETUP as a client; what it is answered. Runs in a thread.
        """
        with socket.create_server((HOST, 0)) as server:
            client = socket.create_connection(server.getsockname(), 5)
            self.addCleanup(client.close)
            accepted, _ = server.accept()
        talk = deferToThread(words, client)
        said = await deferToThread(accepted.recv, 65_536)
        accepted.setblocking(False)
        own = Addresses(*accepted.getpeername(), *accepted.getsockname())
        self.worker.take_over(NUMBER, accepted.detach(), own, cover, said)
        return Response.parse_head((await talk).partition(b"\r\n\r\n")[0].split(b"\r\n"))

    def by_tls(self, client: socket.socket) -> bytes:
        context = ssl.create_default_context(cafile=str(self.certificate))
        with context.wrap_socket(client, server_hostname=HOST) as encrypted:
            return self.in_the_clear(encrypted)

    @staticmethod
    def in_the_clear(client: socket.socket) -> bytes:
        client.sendall(SETUP)
        return client.recv(65_536)

    async def test_it_deciphers_what_it_is_handed(self) -> None:
        answer = await self.answer(Cover.TLS, self.by_tls)

        self.assertEqual(answer.status, 461)

    async def test_what_a_proxy_has_deciphered_is_as_secret(self) -> None:
        answer = await self.answer(Cover.PROXY, self.in_the_clear)

        self.assertEqual(answer.status, 461)
