"""Acceptor and workers over real lines; the workers' processes are within this one."""

import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import ProcessDone
from twisted.internet.interfaces import IReactorTCP
from twisted.internet.protocol import ProcessProtocol, ServerFactory
from twisted.internet.task import deferLater
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from typing_extensions import override

from mjpegd.access.penalties import Penalty, PenaltyBook
from mjpegd.capacity.admission import Headcount, Presence, Seat
from mjpegd.capacity.guests import Standing
from mjpegd.errors import RTSPError
from mjpegd.logs import Tally, say_count
from mjpegd.options import Options
from mjpegd.ports import bind_pairs
from mjpegd.service import Reactor
from mjpegd.test.conversation import said
from mjpegd.test.tunnelled import get, post
from mjpegd.workers.acceptor import Acceptor
from mjpegd.workers.crew import CrewReactor
from mjpegd.workers.first_words import named_tunnel
from mjpegd.workers.messages import LINE_FD, Addresses, Cover, LineFactory, Ready
from mjpegd.workers.worker import Desk, FarAdmission, FarPenalties, Worker

REQUEST = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"
HOST = "127.0.0.1"
MOST_TUNNELS = 3


class Staff:
    """A worker that only keeps what it is given.

    Attributes:
        taken: Connections, with whose they are, how they are kept from others, and what was read
            of them.
        present: The same, as they are counted.
        announced: The base URLs that it was to announce.
        is_ended: It was told to end, or has lost its line.
        refuses: The clients of its connections have gone before it gets them.
    """

    def __init__(self, number: int, process: ProcessProtocol, seconds: Callable[[], float]) -> None:
        self.number = number
        self.desk = Desk(cast(Worker, self))  # it has the part of a worker that a desk calls
        self.admission = FarAdmission(self.desk, seconds, most_tunnels=MOST_TUNNELS)
        self.penalties = FarPenalties(self.desk)
        self.taken: list[tuple[socket.socket, Addresses, Cover, bytes]] = []
        self.present: list[Presence] = []
        self.announced: list[str] = []
        self.readings = 0
        self.stocks = 0
        self.is_ended = False
        self.refuses = False
        self._process = process

    def take_over(
        self, number: int, descriptor: int, addresses: Addresses, cover: Cover, words: bytes
    ) -> None:
        connection = socket.socket(fileno=descriptor)
        if self.refuses:
            connection.close()
            raise OSError("its client has gone")
        self.admission.expect(number)
        presence = self.admission.connect(addresses.host, Standing.KNOWN)
        presence.give_way = partial(self.closes, presence, connection)
        self.present.append(presence)
        self.taken.append((connection, addresses, cover, words))

    @staticmethod
    def closes(presence: Presence, connection: socket.socket) -> None:
        connection.close()
        presence.leaves()

    def tunnels(self, *, are_taken: bool) -> None:
        self.admission.are_tunnels_taken = are_taken

    def give_way(self, number: int) -> None:
        self.admission.give_way(number)

    def read_again(self) -> None:
        self.readings += 1

    def take_stock(self) -> None:
        self.stocks += 1

    def announce(self, base_url: str) -> None:
        self.announced.append(base_url)

    def end(self) -> None:
        """It ends as a process does: its line is gone, and then itself."""
        if not self.is_ended:
            self.is_ended = True
            if self.desk.transport is not None:
                self.desk.transport.loseConnection()
            for connection, *_ in self.taken:
                connection.close()
            self._process.processEnded(Failure(ProcessDone(0)))


class InProcess:
    """A reactor whose processes are `Staff`; lines are real."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self.staff: list[Staff] = []
        self.adoptStreamConnection = reactor.adoptStreamConnection
        self.seconds = reactor.seconds
        self.callLater = reactor.callLater

    def spawnProcess(  # noqa: N802 - Twisted's
        self,
        protocol: ProcessProtocol,
        executable: str,
        arguments: Sequence[str],
        env: Mapping[str, str],
        childFDs: Mapping[int, int],  # noqa: N803 - Twisted's
    ) -> None:
        staff = Staff(int(arguments[-1]), protocol, self.seconds)
        self.staff.append(staff)
        self._reactor.adoptStreamConnection(
            childFDs[LINE_FD], socket.AF_UNIX, LineFactory(staff.desk)
        )


class AcceptorTestCase(TestCase):
    """An acceptor with two workers, for few connections."""

    timeout = 20
    arguments: tuple[str, ...] = ()

    @override
    def setUp(self) -> None:
        from twisted.internet import reactor

        # The stubs do not know which reactor it is.
        self.reactor = cast(Reactor, reactor)
        options = Options()
        options.parseOptions(
            [
                *("--workers=2", "--max-connections=4", "--max-sessions=3"),
                *(f"--max-tunnels={MOST_TUNNELS}", *self.arguments),
            ]
        )
        tally = Tally(self.reactor, say_count)
        self.headcount = Headcount(options.settings.limits, tally)
        self.crew = InProcess(self.reactor)
        crew = cast(CrewReactor, self.crew)
        pairs = bind_pairs(HOST, 0, 2)
        book = PenaltyBook(options.settings.limits, self.reactor.seconds)
        self.acceptor = Acceptor(options.settings, crew, pairs, self.headcount, book, tally)
        self.addCleanup(self.acceptor_closed)
        self.port = self.listen(self.acceptor.factory)
        self.acceptor.start()
        self.first, self.second = self.crew.staff

    def listen(self, factory: ServerFactory) -> int:
        """A port whose connections are given to a factory."""
        reactor = cast(IReactorTCP, self.reactor)  # it is more than what the service needs
        listening = reactor.listenTCP(0, factory, interface=HOST)
        self.addCleanup(lambda: maybeDeferred(listening.stopListening))
        return cast(IPv4Address, listening.getHost()).port

    def acceptor_closed(self) -> "Deferred[None]":
        return Deferred.fromCoroutine(self.acceptor.close())

    async def until(self, condition: Callable[[], object]) -> None:
        """Let the reactor turn until something is so."""
        while not condition():
            await deferLater(self.reactor, 0.005)

    async def all_ready(self) -> None:
        for staff in self.crew.staff:
            staff.desk.callRemote(Ready)
        await self.acceptor.ready()

    def connect(self, data: bytes = REQUEST) -> socket.socket:
        client = socket.create_connection((HOST, self.port), 5)
        self.addCleanup(client.close)
        client.sendall(data)
        return client

    async def taken(self, count: int) -> list[int]:
        """How many connections each worker has, when all have come."""

        def counts() -> list[int]:
            return [len(staff.taken) for staff in self.crew.staff]

        await self.until(lambda: sum(counts()) == count)
        return counts()

    async def read(self, client: socket.socket) -> bytes:
        client.setblocking(False)
        while True:
            await deferLater(self.reactor, 0.005)
            try:
                return client.recv(1000)
            except BlockingIOError:
                continue


class AcceptorTests(AcceptorTestCase):
    """Connections that are not encrypted."""

    async def test_a_connection_comes_with_whose_it_is_and_what_it_said(self) -> None:
        await self.all_ready()
        client = self.connect(REQUEST + b"$")
        await self.taken(1)

        [(connection, addresses, cover, words)] = self.first.taken
        self.assertIs(cover, Cover.NONE)
        self.assertEqual(words, REQUEST + b"$")
        self.assertEqual(addresses, Addresses(*client.getsockname(), *client.getpeername()))
        connection.setblocking(True)
        connection.sendall(b"answer")
        self.assertEqual(client.recv(100), b"answer")
        client.sendall(b"more")
        self.assertEqual(connection.recv(100), b"more")

    async def test_both_halves_of_a_tunnel_come_to_the_same_worker(self) -> None:
        await self.all_ready()
        for cookie in ("a", "b"):
            self.connect(get(cookie))
            self.connect(post(cookie))
        await self.taken(4)

        for staff in (self.first, self.second):
            named = [named_tunnel(taken[-1]) for taken in staff.taken]
            self.assertTrue(all(named.count(one) == 2 for one in named))

    async def test_what_is_said_may_be_long(self) -> None:
        await self.all_ready()
        words = REQUEST + bytes(range(256)) * 1000
        client = self.connect(b"")
        client.setblocking(False)
        sent = client.send(words)
        await self.taken(1)

        [(connection, _, _, heard)] = self.first.taken
        connection.setblocking(True)
        while len(heard) < sent:
            heard += connection.recv(sent)
        self.assertEqual(heard, words[:sent])

    async def test_the_least_busy_worker_is_next(self) -> None:
        await self.all_ready()
        self.connect()
        self.assertEqual(await self.taken(1), [1, 0])
        for _ in range(2):
            await self.first.admission.take_seat(Seat(HOST))
        self.connect()
        self.connect()
        self.assertEqual(await self.taken(3), [1, 2])

        self.first.present[0].leaves()
        for _ in range(2):
            self.first.admission.give_back_seat(Seat(HOST))
        await self.until(lambda: self.headcount.sessions == 0)
        self.connect()

        self.assertEqual(await self.taken(4), [2, 2])

    async def test_who_names_a_session_comes_to_its_worker(self) -> None:
        await self.all_ready()
        named = REQUEST.replace(b"\r\n\r\n", b"\r\nSession: 02" + b"1" * 20 + b"\r\n\r\n")
        for _ in range(3):
            self.connect(named)

        self.assertEqual(await self.taken(3), [0, 3])

    async def test_who_names_a_session_of_nobody_comes_to_anybody(self) -> None:
        await self.all_ready()
        self.connect(REQUEST.replace(b"\r\n\r\n", b"\r\nSession: 77" + b"1" * 20 + b"\r\n\r\n"))

        self.assertEqual(await self.taken(1), [1, 0])

    async def test_a_silent_client_holds_up_nobody(self) -> None:
        await self.all_ready()
        self.connect(b"")
        self.connect(b"OPT")
        self.connect()

        self.assertEqual(await self.taken(2), [1, 1])
        self.assertEqual(self.first.taken[0][-1], REQUEST)

    async def test_before_a_worker_is_ready_connections_wait(self) -> None:
        self.connect()
        gone = self.connect()
        await deferLater(self.reactor, 0.05)
        gone.close()

        await self.all_ready()

        self.assertEqual((await self.taken(2))[0] > 0, True)

    async def test_sessions_are_counted_over_all_workers(self) -> None:
        await self.all_ready()
        for staff in (self.first, self.second, self.first):
            await staff.admission.take_seat(Seat(HOST))

        with self.assertRaises(RTSPError) as caught:
            await self.second.admission.take_seat(Seat(HOST))

        self.assertEqual(caught.exception.status, 453)
        self.first.admission.give_back_seat(Seat(HOST))
        await self.until(lambda: self.headcount.sessions == 2)
        await self.second.admission.take_seat(Seat(HOST))

    async def test_tunnels_are_counted_over_all_workers(self) -> None:
        await self.all_ready()
        for staff in (self.first, self.second, self.first):
            self.assertTrue(staff.admission.take_tunnel())

        await self.until(lambda: self.first.admission.are_tunnels_taken)
        await self.until(lambda: self.second.admission.are_tunnels_taken)
        self.assertFalse(self.second.admission.take_tunnel())
        self.first.admission.give_back_tunnel()
        await self.until(lambda: not self.second.admission.are_tunnels_taken)
        self.assertTrue(self.second.admission.take_tunnel())

    async def test_one_worker_alone_takes_no_more_tunnels_than_there_may_be(self) -> None:
        await self.all_ready()

        taken = [self.first.admission.take_tunnel() for _ in range(MOST_TUNNELS + 1)]

        self.assertEqual(taken, [True] * MOST_TUNNELS + [False])

    async def test_tunnels_of_a_worker_that_ends_may_be_taken_again(self) -> None:
        await self.all_ready()
        for _ in range(MOST_TUNNELS):
            self.first.admission.take_tunnel()
        await self.until(lambda: self.second.admission.are_tunnels_taken)

        self.first.end()

        await self.until(lambda: not self.second.admission.are_tunnels_taken)

    async def test_a_worker_that_starts_anew_knows_whether_there_is_room_for_tunnels(self) -> None:
        await self.all_ready()
        for _ in range(MOST_TUNNELS):
            self.second.admission.take_tunnel()
        await self.until(lambda: self.first.admission.are_tunnels_taken)
        self.first.end()
        await self.until(lambda: len(self.crew.staff) == 3)
        self.crew.staff[2].desk.callRemote(Ready)

        await self.until(lambda: self.crew.staff[2].admission.are_tunnels_taken)

    async def test_wrong_logins_are_counted_over_all_workers(self) -> None:
        await self.all_ready()
        costs = [
            await staff.penalties.failed(HOST, b"\xff", b"%d" % guess)
            for guess, staff in enumerate([self.first, self.second, self.first])
        ]
        again = await self.second.penalties.failed(HOST, b"\xff", b"0")

        self.assertEqual([cost.wait_s for cost in costs], [0.25, 0.5, 1.0])
        self.assertEqual(again, Penalty(0.25, is_new=False))

    async def test_what_a_worker_asks_when_the_acceptor_has_gone_is_refused(self) -> None:
        await self.all_ready()
        line: Any = self.first.desk.transport
        line.loseConnection()
        await self.until(lambda: self.first.is_ended)

        for asked in (
            self.first.admission.take_seat(Seat(HOST)),
            self.first.penalties.failed(HOST, b"anna", b"x"),
        ):
            with self.assertRaises(RTSPError) as caught:
                await asked
            self.assertEqual(caught.exception.status, 503)

    async def test_connections_are_counted_over_all_workers(self) -> None:
        await self.all_ready()
        for _ in range(4):
            self.connect()
        self.assertEqual(await self.taken(4), [2, 2])
        for presence in (*self.first.present, *self.second.present):
            presence.asks(Standing.SEATED)
        await deferLater(self.reactor, 0.05)
        turned_away = self.connect()

        answer = await self.read(turned_away)

        self.assertTrue(answer.startswith(b"RTSP/1.0 503 "))
        self.second.present[0].leaves()
        await deferLater(self.reactor, 0.05)
        self.connect()
        self.assertEqual(await self.taken(5), [2, 3])

    async def test_a_connection_of_any_worker_gives_way(self) -> None:
        await self.all_ready()
        clients = []
        for number in range(4):
            clients.append(self.connect())
            await self.taken(number + 1)
        for presence in self.first.present:
            presence.asks(Standing.SEATED)
        await deferLater(self.reactor, 0.05)

        self.connect()

        self.assertEqual(await self.read(clients[1]), b"")
        await self.taken(5)
        self.assertFalse([one for one in self.first.taken if one[0].fileno() < 0])

    async def test_bandwidth_is_counted_over_all_workers(self) -> None:
        await self.all_ready()
        slow, fast = Seat(HOST, bits_per_s=6_000_000_000), Seat(HOST, bits_per_s=9_000_000_000)
        await self.first.admission.take_seat(slow)
        await self.first.admission.change_seat(slow, fast)

        with self.assertRaises(RTSPError) as caught:
            await self.second.admission.take_seat(Seat(HOST, bits_per_s=2_000_000_000))

        self.assertEqual(str(caught.exception), "there is too little bandwidth")
        with self.assertRaises(RTSPError):
            await self.first.admission.change_seat(fast, Seat(HOST, bits_per_s=11_000_000_000))
        self.first.end()
        await self.until(lambda: not self.headcount.bits_per_s)

    async def test_a_worker_that_is_gone_leaves_room(self) -> None:
        await self.all_ready()
        for _ in range(4):
            self.connect()
        await self.taken(4)
        for _ in range(2):
            await self.first.admission.take_seat(Seat(HOST))

        with capturedLogs() as events:
            self.first.end()
            await self.until(lambda: self.headcount.sessions == 0)

        lines = said(events)
        self.assertIn("worker 1 is gone, and its 2 viewers with it", lines)
        self.assertIn("worker 1 has ended; it starts anew in 1 s", lines)
        for _ in range(2):
            self.connect()
        await self.until(lambda: len(self.second.taken) == 4)

    async def test_one_that_starts_anew_is_given_connections_again(self) -> None:
        await self.all_ready()
        self.first.end()
        await self.until(lambda: len(self.crew.staff) == 3)
        self.crew.staff[2].desk.callRemote(Ready)
        self.connect()
        self.connect()

        self.assertEqual(await self.taken(2), [0, 1, 1])

    async def test_a_connection_whose_client_has_gone_is_given_back(self) -> None:
        await self.all_ready()
        self.first.refuses = self.second.refuses = True
        clients = [self.connect() for _ in range(3)]

        self.assertEqual([await self.read(client) for client in clients], [b""] * 3)
        with capturedLogs() as events:
            while "now: 0 connections and 0 sessions" not in "".join(said(events)):
                await deferLater(self.reactor, 0.005)
                self.acceptor.take_stock()

    async def test_a_worker_that_dies_of_a_connection_gets_no_other_to_die_of_it(self) -> None:
        await self.all_ready()
        self.first.take_over = self.dies  # type: ignore[method-assign]  # of what it is given
        with capturedLogs() as events:
            client = self.connect()
            answer = await self.read(client)

        self.assertEqual(answer, b"")
        self.assertIn(f"worker 1 has ended with a connection of {HOST}", said(events))
        self.assertEqual(self.second.taken, [])

    def dies(
        self, number: int, descriptor: int, addresses: Addresses, cover: Cover, words: bytes
    ) -> None:
        socket.socket(fileno=descriptor).close()
        line: Any = self.first.desk.transport
        line.abortConnection()  # its answer cannot leave any more

    async def test_all_of_them_read_the_users_again(self) -> None:
        await self.all_ready()

        self.acceptor.read_again()

        await self.until(lambda: [staff.readings for staff in self.crew.staff] == [1, 1])

    async def test_all_of_them_take_stock_and_the_sum_is_said(self) -> None:
        await self.all_ready()
        self.connect()
        await self.taken(1)

        with capturedLogs() as events:
            self.acceptor.take_stock()

        await self.until(lambda: [staff.stocks for staff in self.crew.staff] == [1, 1])
        self.assertEqual(
            said(events),
            [
                "now: 1 connections and 0 sessions with 2 workers, "
                "0 connections that have said nothing yet"
            ],
        )

    async def test_one_of_them_announces(self) -> None:
        await self.all_ready()

        await self.acceptor.announce("rtsp://h/")

        await self.until(lambda: self.first.announced)
        self.assertEqual([staff.announced for staff in self.crew.staff], [["rtsp://h/"], []])

    async def test_all_are_told_to_end(self) -> None:
        await self.all_ready()
        self.connect()
        await self.taken(1)

        await self.acceptor.close()

        self.assertEqual([staff.is_ended for staff in self.crew.staff], [True, True])

    async def test_without_the_acceptor_workers_end(self) -> None:
        await self.all_ready()
        line: Any = self.first.desk.transport
        line.loseConnection()

        await self.until(lambda: self.first.is_ended)


class EncryptedTests(AcceptorTestCase):
    """Connections that begin with TLS, of which an acceptor understands nothing."""

    arguments = ("--certificate=certificate.pem", "--max-connections=8")
    # What a handshake begins with.
    hello = b"\x16\x03\x01\x02\x00\x01"

    @override
    def setUp(self) -> None:
        super().setUp()
        assert self.acceptor.encrypted is not None
        self.plain_port, self.port = self.port, self.listen(self.acceptor.encrypted)

    async def comes_from(self, *hosts: str) -> list[socket.socket]:
        """Connections from these addresses, one after the other."""
        clients = []
        for host in hosts:
            before = sum(len(staff.taken) for staff in self.crew.staff)
            client = socket.create_connection((HOST, self.port), 5, (host, 0))
            self.addCleanup(client.close)
            client.sendall(self.hello)
            await self.taken(before + 1)
            clients.append(client)
        return clients

    async def test_a_worker_is_told_that_it_has_to_decipher_it(self) -> None:
        await self.all_ready()
        await self.comes_from(HOST)

        [(_, _, cover, words)] = self.first.taken
        self.assertEqual((cover, words), (Cover.TLS, self.hello))

    async def test_all_of_an_address_come_to_one_worker(self) -> None:
        await self.all_ready()
        await self.comes_from(HOST, "127.0.0.2", HOST, HOST, "127.0.0.2")

        hosts = [{taken[1].host for taken in staff.taken} for staff in self.crew.staff]
        self.assertEqual(hosts, [{HOST}, {"127.0.0.2"}])

    async def test_an_address_is_known_as_long_as_it_has_a_session(self) -> None:
        await self.all_ready()
        await self.comes_from(HOST)
        await self.first.admission.take_seat(Seat(HOST))
        self.first.present[0].leaves()
        await self.second.admission.take_seat(Seat("127.0.0.2"))
        await self.first.admission.take_seat(Seat("127.0.0.3"))

        await self.comes_from(HOST)

        self.assertEqual(await self.taken(2), [2, 0])

    async def test_who_has_left_may_come_to_another_worker(self) -> None:
        await self.all_ready()
        await self.comes_from(HOST)
        await self.first.admission.take_seat(Seat(HOST))
        await self.first.admission.take_seat(Seat("127.0.0.3"))
        self.first.present[0].leaves()
        self.first.admission.give_back_seat(Seat(HOST))
        await self.until(lambda: self.headcount.sessions == 1)

        await self.comes_from(HOST)

        self.assertEqual(await self.taken(2), [1, 1])

    async def test_connections_in_the_clear_do_not_follow_them(self) -> None:
        await self.all_ready()
        await self.comes_from(HOST, HOST)
        self.port = self.plain_port
        self.connect()

        self.assertEqual(await self.taken(3), [2, 1])

    async def test_who_is_too_many_is_closed_without_a_word(self) -> None:
        await self.all_ready()
        clients = await self.comes_from(*[HOST] * 8)
        for presence in self.first.present:
            presence.asks(Standing.SEATED)
        await deferLater(self.reactor, 0.05)
        with socket.create_connection((HOST, self.port), 5) as client:
            self.assertEqual(await self.read(client), b"")
        self.assertEqual(len(clients), 8)

    async def test_at_the_end_those_are_closed_that_nobody_has_taken(self) -> None:
        await self.all_ready()
        encrypted = self.acceptor.encrypted
        assert encrypted is not None
        with socket.create_connection((HOST, self.port), 5):
            await self.until(lambda: encrypted.waiting)
            await self.acceptor_closed()

            await self.until(lambda: not encrypted.waiting)
