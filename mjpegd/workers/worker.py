"""A worker: serves the viewers whose connections the acceptor hands to it."""

import socket
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IProtocol,
    IReactorCore,
    ITCPTransport,
    ITransport,
)
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.logger import Logger
from twisted.protocols.amp import Command
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import alsoProvides

from mjpegd.access.penalties import Penalty
from mjpegd.addresses import is_ipv6, plain_host
from mjpegd.capacity.admission import Seat
from mjpegd.capacity.guests import Standing
from mjpegd.errors import ConfigurationError, RTSPError
from mjpegd.flow import IEncrypted
from mjpegd.logs import Tally, say_count
from mjpegd.ports import Pair
from mjpegd.rtsp import RTSPFactory
from mjpegd.theatre import Theatre, TheatreReactor
from mjpegd.workers import messages
from mjpegd.workers.first_words import prefix
from mjpegd.workers.messages import Addresses, Cover, Line, LineFactory, Task

_log = Logger()

# Requests on a connection without a session are told to the acceptor so far apart at least: it is
# to know who was heard of lately, and not to be told of a flood by a flood.
TELL_INTERVAL_S = 1.0


class Reactor(TheatreReactor, IReactorCore):
    """What a worker needs of a reactor."""


class Worker:
    """What a worker process runs.

    Args:
        task: What it is to do.
        reactor: Where it runs, and what it stops when it has ended.
        pair: The sockets of RTP and RTCP.
    """

    def __init__(self, task: Task, reactor: Reactor, pair: Pair) -> None:
        self._reactor = reactor
        self._desk = Desk(self)
        self._admission = FarAdmission(self._desk, reactor.seconds, task.settings.limits.tunnels)
        self._theatre = Theatre(
            task.settings,
            reactor,
            pair,
            self._admission,
            FarPenalties(self._desk),
            Tally(reactor, say_count),
            bytes.fromhex(task.key),
            prefix(task.number),
        )
        self._is_ending = False

    def start(self, line: socket.socket) -> None:
        """Begin to serve, and tell the acceptor so.

        Args:
            line: To the acceptor.
        """
        try:
            self._theatre.prepare()
        except ConfigurationError as fault:
            # It was right when the daemon started. Others go on as they were; this one is tried
            # anew, in a while.
            _log.error("{fault}; nobody can be served", fault=fault)
            line.close()
            self._reactor.stop()
            return
        self._theatre.start()
        with line:
            line.setblocking(False)
            self._reactor.adoptStreamConnection(
                line.fileno(), socket.AF_UNIX, LineFactory(self._desk)
            )
        self._desk.callRemote(messages.Ready)

    def announce(self, base_url: str) -> None:
        """Say in the log what can be watched."""
        Deferred.fromCoroutine(self._theatre.announce(base_url)).addErrback(
            lambda failure: _log.failure("announcing the streams", failure)
        )

    def read_again(self) -> None:
        """Read the users file again."""
        self._theatre.read_again()

    def take_stock(self) -> None:
        """Say in the log what there is now."""
        self._theatre.take_stock()

    def give_way(self, number: int) -> None:
        """Close a connection, if it is still there."""
        self._admission.give_way(number)

    def tunnels(self, *, are_taken: bool) -> None:
        """All tunnels that there may be are taken, or not any more."""
        self._admission.are_tunnels_taken = are_taken

    def take_over(
        self, number: int, descriptor: int, addresses: Addresses, cover: Cover, said: bytes
    ) -> None:
        """Serve a connection as if it had come in here.

        Raises:
            OSError: Its client has gone.
        """
        with socket.socket(fileno=descriptor) as connection:
            knows = addresses == _addresses_of(connection)
            taking = Taking(self._factory_for(addresses, cover, knows=knows))
            self._admission.expect(number)
            self._reactor.adoptStreamConnection(connection.fileno(), connection.family, taking)
        taking.hear(said)

    def _factory_for(self, addresses: Addresses, cover: Cover, *, knows: bool) -> ServerFactory:
        """What makes the protocol of a connection, which may know its addresses itself."""
        if cover is Cover.TLS and self._theatre.encrypted is not None:
            return self._theatre.encrypted
        if knows and cover is Cover.NONE:
            return self._theatre.factory
        return Introducing(self._theatre.factory, addresses, cover)

    def end(self) -> None:
        """Say BYE to everybody, then stop the reactor."""
        if not self._is_ending:
            self._is_ending = True
            closing = Deferred.fromCoroutine(self._theatre.close())
            closing.addErrback(lambda failure: _log.failure("ending", failure))
            closing.addCallback(lambda _: self._reactor.stop())


class Desk(Line):
    """The worker's end of the line to the acceptor.

    Args:
        worker: Does what is asked.
    """

    def __init__(self, worker: Worker) -> None:
        super().__init__()
        self._worker = worker

    @messages.HandOver.responder
    def hand_over(
        self,
        number: int,
        connection: int,
        cover: str,
        said: bytes,
        said_then: bytes,
        **addresses: Any,
    ) -> dict[str, Any]:
        """A connection comes."""
        try:
            self._worker.take_over(
                number, connection, Addresses(**addresses), Cover(cover), said + said_then
            )
        except OSError:
            self.callRemote(messages.Disconnected, number=number)
        return {}

    @messages.GiveWay.responder
    def give_way(self, number: int) -> dict[str, Any]:
        """Somebody else needs the place of a connection."""
        self._worker.give_way(number)
        return {}

    @messages.Tunnels.responder
    def tunnels(self, are_taken: bool) -> dict[str, Any]:
        """The last tunnel that there may be was taken, or given back."""
        self._worker.tunnels(are_taken=are_taken)
        return {}

    @messages.Announce.responder
    def announce(self, base_url: str) -> dict[str, Any]:
        """The acceptor wants to have it said what can be watched."""
        self._worker.announce(base_url)
        return {}

    @messages.ReadAgain.responder
    def read_again(self) -> dict[str, Any]:
        """The operator has changed the users file."""
        self._worker.read_again()
        return {}

    @messages.TakeStock.responder
    def take_stock(self) -> dict[str, Any]:
        """The operator wants to know what there is."""
        self._worker.take_stock()
        return {}

    @messages.Stop.responder
    def stop(self) -> dict[str, Any]:
        """The daemon stops."""
        self._worker.end()
        return {}

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Without the acceptor nobody comes any more, and a new one wants the ports."""
        super().connectionLost(reason)
        self._worker.end()


class FarAdmission:
    """Has the acceptor count (see `mjpegd.capacity.admission.Admission`).

    Args:
        line: To the acceptor.
        seconds: The time.
        most_tunnels: How many there may be, in all workers.

    Attributes:
        present: The connections of this worker, by the numbers that the acceptor gave them.
        are_tunnels_taken: By all workers together.
    """

    def __init__(self, line: Line, seconds: Callable[[], float], most_tunnels: int) -> None:
        self.are_tunnels_taken = False
        self._most_tunnels = most_tunnels
        self._tunnels = 0
        self._line = line
        self._seconds = seconds
        self._coming = 0
        self.present: dict[int, FarPresence] = {}

    def expect(self, number: int) -> None:
        """The next connection is this one."""
        self._coming = number

    def connect(self, host: str, standing: Standing) -> "FarPresence":
        """It was counted before it was handed over."""
        presence = FarPresence(self._coming, self._line, self._seconds, self.present)
        self.present[self._coming] = presence
        return presence

    def give_way(self, number: int) -> None:
        """Close a connection, if it is still there."""
        if number in self.present:
            self.present[number].give_way()

    async def _ask(self, command: type[Command], **fields: Any) -> None:
        answer = await self._line.ask(command, **fields)
        if answer["refusal"]:
            raise RTSPError(453, answer["refusal"])

    def take_seat(self, seat: Seat) -> "Deferred[None]":
        """Ask for one more session."""
        return Deferred.fromCoroutine(self._ask(messages.TakeSeat, **asdict(seat)))

    def change_seat(self, seat: Seat, other: Seat) -> "Deferred[None]":
        """Ask for another bandwidth."""
        wanted = other.bits_per_s
        return Deferred.fromCoroutine(
            self._ask(messages.ChangeSeat, **asdict(seat), wanted_bits_per_s=wanted)
        )

    def give_back_seat(self, seat: Seat) -> None:
        """A session has ended."""
        self._line.callRemote(messages.GiveBackSeat, **asdict(seat))

    def take_tunnel(self) -> bool:
        """Tell the acceptor; it says when there may be no more."""
        if self.are_tunnels_taken or self._tunnels >= self._most_tunnels:
            return False
        self._tunnels += 1
        self._line.callRemote(messages.TakeTunnel)
        return True

    def give_back_tunnel(self) -> None:
        """A tunnel has ended."""
        self._tunnels -= 1
        self._line.callRemote(messages.GiveBackTunnel)


def _stay() -> None:
    """Whoever has gone cannot give way."""


class FarPresence:
    """A connection that the acceptor counts (see `mjpegd.capacity.admission.Presence`).

    Args:
        number: What the acceptor calls it.
        line: To the acceptor.
        seconds: The time.
        present: All connections, by their numbers; it takes itself out.
    """

    def __init__(
        self,
        number: int,
        line: Line,
        seconds: Callable[[], float],
        present: "dict[int, FarPresence]",
    ) -> None:
        self.give_way: Callable[[], None] = _stay
        self._number = number
        self._line = line
        self._seconds = seconds
        self._present = present
        self._told: Standing | None = None
        self._told_s = 0.0

    def asks(self, standing: Standing) -> None:
        """Tell the acceptor, but of requests alone not too often."""
        now_s = self._seconds()
        if standing is self._told and (
            standing is Standing.SEATED or now_s - self._told_s < TELL_INTERVAL_S
        ):
            return
        self._told, self._told_s = standing, now_s
        self._line.callRemote(messages.Stands, number=self._number, standing=standing.value)

    def leaves(self) -> None:
        """It has closed."""
        self.give_way = _stay
        if self._present.pop(self._number, None) is not None:
            self._line.callRemote(messages.Disconnected, number=self._number)


class FarPenalties:
    """Has the acceptor count: who guesses may be served by several workers.

    See `mjpegd.access.penalties.Penalties`.

    Args:
        line: To the acceptor.
    """

    def __init__(self, line: Line) -> None:
        self._line = line

    async def _failed(self, host: str, name: bytes, guess: bytes) -> Penalty:
        return Penalty(
            **await self._line.ask(messages.FailedLogin, host=host, name=name, guess=guess)
        )

    def failed(self, host: str, name: bytes, guess: bytes) -> "Deferred[Penalty]":
        """Count one more wrong login."""
        return Deferred.fromCoroutine(self._failed(host, name, guess))


class Taking(ServerFactory):
    """Takes one connection in, and lets its protocol hear what was read of it elsewhere.

    Args:
        factory: What makes the protocol.
    """

    noisy = False

    def __init__(self, factory: ServerFactory) -> None:
        self._factory = factory
        self._taken: Protocol | None = None

    @override
    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        self._taken = cast(Protocol | None, self._factory.buildProtocol(addr))
        return self._taken

    def hear(self, said: bytes) -> None:
        """What was read comes first."""
        if self._taken is None:
            return
        try:
            self._taken.dataReceived(said)
        except Exception:  # as the reactor does where it reads
            _log.failure("what was read of a connection broke it")
            cast(ITCPTransport, self._taken.transport).abortConnection()


class Introducing(ServerFactory):
    """Makes protocols for connections of which a proxy has told whose they are.

    Args:
        factory: What makes them.
        addresses: Whose they are.
        cover: How what travels on them is kept from others.
    """

    noisy = False

    def __init__(self, factory: RTSPFactory, addresses: Addresses, cover: Cover) -> None:
        self._factory = factory
        self._addresses = addresses
        self._cover = cover

    @override
    def buildProtocol(self, addr: IAddress | None) -> "Introduced":
        return Introduced(self._factory, self._addresses, self._cover)


class Introduced(ProtocolWrapper):
    """A connection of which a proxy has told whose it is.

    Args:
        factory: What makes the protocol for it.
        addresses: Whose it is.
        cover: How what travels on it is kept from others.
    """

    def __init__(self, factory: RTSPFactory, addresses: Addresses, cover: Cover) -> None:
        self._peer = _internet_address(addresses.host, addresses.port)
        self._local = _internet_address(addresses.local_host, addresses.local_port)
        self._cover = cover
        # Nobody is turned away here: the acceptor has let it in.
        protocol = cast(IProtocol, factory.buildProtocol(self._peer))
        super().__init__(WrappingFactory(factory), protocol)

    @override
    def makeConnection(self, transport: ITransport) -> None:
        # The wrapper is the transport of the protocol, and takes interfaces from its own.
        if self._cover is Cover.PROXY:
            alsoProvides(transport, IEncrypted)
        super().makeConnection(transport)

    @override
    def getPeer(self) -> IAddress:
        return self._peer

    @override
    def getHost(self) -> IAddress:
        return self._local


def _internet_address(host: str, port: int) -> IPv4Address | IPv6Address:
    return (IPv6Address if is_ipv6(host) else IPv4Address)("TCP", host, port)


def _addresses_of(connection: socket.socket) -> Addresses:
    """What a socket says of itself.

    Raises:
        OSError: Its client has gone.
    """
    peer, local = connection.getpeername(), connection.getsockname()
    if connection.family == socket.AF_UNIX:
        return Addresses()
    return Addresses(plain_host(peer[0]), peer[1], plain_host(local[0]), local[1])
