"""A whole server in memory, and clients that talk to it: no socket, no thread, a clock by hand."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IConsumer,
    IHalfCloseableProtocol,
    IProducer,
    IPushProducer,
    ISSLTransport,
    ISystemHandle,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.logger import formatEvent
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from mjpegd.access.auth import Door, Gate
from mjpegd.access.penalties import Penalties, PenaltyBook
from mjpegd.addresses import Networks, is_one_host
from mjpegd.capacity.admission import Admission, Headcount
from mjpegd.catalogue import Catalogue
from mjpegd.encryption.keying import Keying
from mjpegd.errors import MediaError, MediaNotFoundError
from mjpegd.exchange import House
from mjpegd.interfaces import IFrameSource, InThread
from mjpegd.limits import Limits
from mjpegd.logs import Tally, say_count
from mjpegd.ports import FIRST_VIEWERS_PORT
from mjpegd.registry import Registry
from mjpegd.rtsp import RTSPFactory
from mjpegd.sources.library import Library, Listing, Place
from mjpegd.stream import LiveStream, train_cache
from mjpegd.test.fakes import FakeFilm, FakeLive, FarSocket, RecordingSender, at_once, workshop
from mjpegd.test.pictures import picture
from mjpegd.timetable import Timetable
from mjpegd.tunnels.entrance import Entrance
from mjpegd.wire import digest
from mjpegd.wire.digest import Algorithm, Challenge, Scheme
from mjpegd.wire.headers import RTPInfo, SessionHeader
from mjpegd.wire.jpeg_payload import Reassembler, to_jpeg
from mjpegd.wire.messages import Headers, InterleavedFrame, Request, Response, content_length
from mjpegd.wire.packets import RTPPacket
from mjpegd.wire.reports import Bye, Report, parse_compound

FILM = "movie.Mjpeg"
URL = f"rtsp://192.0.2.1:8554/{FILM}"
UDP = "RTP/AVP;unicast;client_port=5000-5001"
TCP = "RTP/AVP/TCP;unicast;interleaved=0-1"
VIEWER = "198.51.100.7"
STARTED_UNIX_S = 1_700_000_000
# What Twisted's transports buffer before they ask a producer to pause.
BUFFER_BYTES = 65_536


class Shelf(Library):
    """A media folder of films in memory.

    Attributes:
        films: What lies there by path; an error in place of a film is raised.
        opening: Films are opened when a test fires this; at once where it is None.
    """

    def __init__(self) -> None:
        super().__init__(Path("nowhere"), Fraction(24), at_once)
        self.films: dict[str, FakeFilm | MediaError] = {}
        self.opening: Deferred[None] | None = None

    @override
    def locate(self, path: str) -> Deferred[Place]:
        if path not in self.films:
            return fail(MediaNotFoundError(path))
        identity = (list(self.films).index(path),)
        return succeed(Place(Path(path), path, identity, is_folder=False))

    @override
    def locate_laboratory(self, name: str) -> Deferred[Place]:
        return self.locate(name)

    @override
    def open(self, place: Place) -> Deferred[IFrameSource]:
        film = self.films[place.title]
        opened: Deferred[IFrameSource] = Deferred()

        def is_open(_: object) -> None:
            if isinstance(film, MediaError):
                opened.errback(film)
            else:
                opened.callback(film)

        (self.opening or succeed(None)).addCallbacks(is_open, opened.errback)
        return opened

    @override
    def listing(self, limit: int) -> Deferred[tuple[list[Listing], int]]:
        listings = [Listing(path, path) for path in self.films]
        return succeed((listings[:limit], len(listings)))


@cache
def large_picture(number: int, size: tuple[int, int]) -> bytes:
    """The JPEG of a frame of a `LargeFilm`."""
    return picture(number, size)


class LargeFilm(FakeFilm):
    """A film whose frames take several packets, 6 kB each for 640 x 480 pixels.

    Args:
        count: How many frames.
        size: Width and height in pixels.
    """

    def __init__(self, count: int = 24, size: tuple[int, int] = (640, 480)) -> None:
        super().__init__(count, draw=lambda number: large_picture(number, size))


class Ports:
    """The daemon's media ports, whose packets end here.

    Attributes:
        asked: Host, ports and local host of each sender that was made.
        senders: The senders, in the same order.
        out_of_reach: Hosts that the ports cannot send to.
        behind_proxy: This machine's address, where viewers connect to another one.
    """

    ports = (6970, 6971)

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[int, int], str]] = []
        self.senders: list[RecordingSender] = []
        self.out_of_reach: set[str] = set()
        self.behind_proxy = ""

    def reaches(self, host: str, ports: tuple[int, int]) -> bool:
        """Whether media may go to these ports of a viewer (see `mjpegd.ports.MediaPorts`)."""
        return (
            is_one_host(host) and host not in self.out_of_reach and min(ports) >= FIRST_VIEWERS_PORT
        )

    def address_for(self, viewer: str, reached: str) -> str:
        """Where media leaves from; its own address where it was reached through a proxy."""
        return self.behind_proxy or reached

    def sender(self, host: str, ports: tuple[int, int], local_host: str) -> RecordingSender:
        """A way that only remembers."""
        self.asked.append((host, ports, local_host))
        self.senders.append(RecordingSender())
        return self.senders[-1]


@implementer(ITCPTransport, IConsumer)
class Wire:
    """A connection as the server sees it; a client holds the other end.

    Attributes:
        received: What the client has read.
        waiting: What was written while the client did not read.
        most_waiting: The longest that `waiting` ever was.
        is_reading: The client reads.
        is_paused: The server does not read.
        is_half_closed: The server will write nothing more.
        is_closed: The connection is gone.
    """

    disconnecting = False

    def __init__(self, peer: IPv4Address | IPv6Address, host: IPv4Address | IPv6Address) -> None:
        self.received = bytearray()
        self.waiting = bytearray()
        self.most_waiting = 0
        self.is_reading = True
        self.is_paused = False
        self.is_half_closed = False
        self.is_closed = False
        self.protocol = Protocol()
        self._sent = bytearray()
        self._peer, self._host = peer, host
        self._producer: IPushProducer | None = None

    def sent(self, data: bytes) -> None:
        """The client sends."""
        self._sent += data
        self._deliver()

    def read(self) -> None:
        """The client reads what waits, and goes on reading."""
        self.is_reading = True
        was_jammed = len(self.waiting) > BUFFER_BYTES
        self.received += self.waiting
        self.waiting.clear()
        if was_jammed and self._producer is not None:
            self._producer.resumeProducing()

    def sends_no_more(self) -> None:
        """The client closes its half."""
        IHalfCloseableProtocol(self.protocol).readConnectionLost()

    def close(self) -> None:
        """The connection is gone."""
        if not self.is_closed:
            self.is_closed = True
            # Twisted's transports forget it, too.
            protocol, self.protocol = self.protocol, Protocol()
            self._producer = None
            protocol.connectionLost(Failure(ConnectionDone()))

    def write(self, data: bytes) -> None:
        """The server sends (see ITransport)."""
        if not isinstance(data, bytes):
            raise TypeError(f"{type(data)} cannot be written")
        if self.is_half_closed or self.is_closed:
            return
        was_jammed = len(self.waiting) > BUFFER_BYTES
        self.waiting += data
        self.most_waiting = max(self.most_waiting, len(self.waiting))
        if self.is_reading:
            self.received += self.waiting
            self.waiting.clear()
        elif len(self.waiting) > BUFFER_BYTES and not was_jammed and self._producer is not None:
            self._producer.pauseProducing()

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """The server sends (see ITransport)."""
        self.write(b"".join(iovec))

    def loseWriteConnection(self) -> None:
        """The server has said all (see ITCPTransport)."""
        self.is_half_closed = True

    def loseConnection(self) -> None:
        """The server closes (see ITransport)."""
        self.close()

    def abortConnection(self) -> None:
        """The server closes at once (see ITCPTransport)."""
        self.close()

    def getPeer(self) -> IPv4Address | IPv6Address:
        """The client's address (see ITransport)."""
        return self._peer

    def getHost(self) -> IPv4Address | IPv6Address:
        """The server's address (see ITransport)."""
        return self._host

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Tell it of jams (see IConsumer)."""
        self._producer = cast(IPushProducer, producer)  # streaming says that it is one

    def unregisterProducer(self) -> None:
        """Tell nobody (see IConsumer)."""
        self._producer = None

    def pauseProducing(self) -> None:
        """The server does not read (see IPushProducer)."""
        self.is_paused = True

    def resumeProducing(self) -> None:
        """The server reads (see IPushProducer)."""
        self.is_paused = False
        self._deliver()

    def stopProducing(self) -> None:
        """The server has done (see IProducer)."""

    def getTcpNoDelay(self) -> bool:
        """See ITCPTransport."""
        return True

    def setTcpNoDelay(self, enabled: bool) -> None:
        """See ITCPTransport."""

    def getTcpKeepAlive(self) -> bool:
        """See ITCPTransport."""
        return True

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """See ITCPTransport."""

    def _deliver(self) -> None:
        if self._sent and not self.is_paused and not self.is_closed:
            data = bytes(self._sent)
            self._sent.clear()
            self.protocol.dataReceived(data)


@implementer(ISSLTransport)
class SecureWire(Wire):
    """The same, encrypted."""

    def getPeerCertificate(self) -> None:
        """The client shows none (see ISSLTransport)."""


@implementer(ISystemHandle)
class FarWire(Wire):
    """The same, from a machine that may vanish.

    Attributes:
        socket: Tells whether it has.
    """

    def __init__(self, peer: IPv4Address | IPv6Address, host: IPv4Address | IPv6Address) -> None:
        super().__init__(peer, host)
        self.socket = FarSocket()

    def getHandle(self) -> FarSocket:
        """What the system has of it (see ISystemHandle)."""
        return self.socket

    @override
    def close(self) -> None:
        self.socket.close()
        super().close()


class Client:
    """The other end of a connection.

    Attributes:
        wire: The connection.
        messages: All answers and packets that were read, in their order.
        session: The identifier from the newest answer to SETUP.
        login: User, password and challenge, once it has logged in: every request proves it.
    """

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.messages: list[Response | InterleavedFrame] = []
        self.session = ""
        self.login: tuple[str, str, Challenge] | None = None
        self._cseq = 0
        self._taken = 0

    def send(self, data: str | bytes) -> None:
        """Send bytes, or text with the line ends that stand in it."""
        self.wire.sent(data.encode() if isinstance(data, str) else data)

    def text(self, method: str, uri: str = URL, **headers: str | None) -> bytes:
        """The next request, with the client's session; a header of None is left out."""
        return self._request(method, uri, headers, b"")

    def ask(self, method: str, uri: str = URL, **headers: str | None) -> Response:
        """Send a request; its answer, which must come at once."""
        return self.answer(self._request(method, uri, headers, b""))

    def ask_with(self, body: bytes, method: str, uri: str = URL, **headers: str | None) -> Response:
        """The same for a request with a body."""
        return self.answer(self._request(method, uri, headers, body))

    def answer(self, request: str | bytes) -> Response:
        """Send bytes; the one answer that comes at once."""
        before = len(self.responses())
        self.send(request)
        answers = self.responses()[before:]
        if len(answers) != 1:
            raise AssertionError(f"{request!r} has {len(answers)} answers")
        return answers[0]

    def _request(
        self, method: str, uri: str, headers: Mapping[str, str | None], body: bytes
    ) -> bytes:
        self._cseq += 1
        fields = {
            "CSeq": str(self._cseq),
            "Session": self.session or None,
            "Authorization": self.authorization(method, uri),
            **headers,
        }
        told = [(name.replace("_", "-"), value) for name, value in fields.items() if value]
        return Request(method, uri, Headers(told), body).to_bytes()

    def log_in(
        self,
        user: str,
        password: str,
        algorithm: Algorithm = Algorithm.MD5,
        scheme: Scheme = Scheme.DIGEST,
    ) -> None:
        """Ask for the film, and prove with every request from now on to know a password."""
        self.login = None
        offered = challenges(self.ask("DESCRIBE"))
        (challenge,) = [
            challenge
            for challenge in offered
            if challenge.scheme is scheme
            and (scheme is Scheme.BASIC or challenge.algorithm is algorithm)
        ]
        self.login = user, password, challenge

    def authorization(self, method: str, uri: str) -> str | None:
        """What proves it for a request; None without a login."""
        if self.login is None:
            return None
        user, password, challenge = self.login
        return digest.answer(challenge, user, password, method, uri, "c0", 1).to_text()

    def setup(self, transport: str = UDP, uri: str = URL, **headers: str | None) -> Response:
        """SETUP without a session, or with the one that `Session` names; keeps what is given."""
        answer = self.ask("SETUP", uri, **{"Session": None, "Transport": transport, **headers})
        if answer.status == 200:
            self.session = SessionHeader.parse(header(answer, "Session")).identifier
        return answer

    def play(self, transport: str = UDP, **headers: str | None) -> Response:
        """SETUP and PLAY; the answer to PLAY."""
        self.setup(transport)
        return self.ask("PLAY", URL, **headers)

    def raw(self) -> bytes:
        """What was read since the last call."""
        taken = bytes(self.wire.received)
        self.wire.received.clear()
        return taken

    def read(self) -> list[Response | InterleavedFrame]:
        """Take what has come apart; whatever is no whole message fails."""
        data = self.raw()
        while data:
            if data[:1] == b"$":
                taken = InterleavedFrame.parse(data)
                if taken is None:
                    raise AssertionError("an interleaved packet is cut")
                message, data = taken
                self.messages.append(message)
            else:
                response, data = _take_response(data)
                self.messages.append(response)
        return self.messages

    def responses(self) -> list[Response]:
        """All answers so far."""
        return [message for message in self.read() if isinstance(message, Response)]

    def packets(self, channel: int = 0) -> list[RTPPacket]:
        """All RTP packets that came on an interleaved channel."""
        return [RTPPacket.parse(payload) for payload in self._payloads(channel)]

    def reports(self, channel: int = 1) -> list[list[Report]]:
        """All RTCP compounds that came on an interleaved channel."""
        return [parse_compound(payload) for payload in self._payloads(channel)]

    def close(self) -> None:
        """Go away."""
        self.wire.close()

    def _payloads(self, channel: int) -> list[bytes]:
        return [
            message.payload
            for message in self.read()
            if isinstance(message, InterleavedFrame) and message.channel == channel
        ]


def _take_response(data: bytes) -> tuple[Response, bytes]:
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end:
        raise AssertionError(f"an answer is cut: {data[:80]!r}")
    size = content_length(Response.parse_head(head.split(b"\r\n")).headers)
    return Response.parse(head + end + rest[:size]), rest[size:]


class Server:
    """The daemon's heart in memory.

    Args:
        limits: Bounds other than the daemon's own.
        loop: Films repeat.
        in_thread: How work leaves the reactor.
        admission: Who counts; otherwise it is done here.
        prefix: What identifiers of sessions begin with.
        door: Who may watch; everybody if none is told.
        networks: From where; anywhere if none are told.
        keying: Who agrees with viewers upon keys for SRTP.
        ports: Where UDP goes, if packets are to be kept otherwise.
        penalties: Who counts wrong logins; otherwise it is done here.
        origins: Of web pages that may use WebSocket.

    Attributes:
        clock: Time.
        shelf: The media folder; `movie.Mjpeg` lies there, with 24 frames of a second.
        live: The stream `live`.
        ports: Where UDP goes.
        gate: Who may watch.
        registry: Who watches.
        house: All of it, as connections see it.
        factory: What accepts connections.
        catch_ups: How often calls that are late were to be made.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        loop: bool = False,
        film: FakeFilm | None = None,
        in_thread: InThread = at_once,
        admission: Admission | None = None,
        prefix: str = "",
        door: Door | None = None,
        networks: Networks | None = None,
        keying: Keying | None = None,
        ports: "Ports | None" = None,
        penalties: Penalties | None = None,
        origins: Sequence[str] = (),
    ) -> None:
        self.clock = Clock()
        self.catch_ups = 0
        self.shelf = Shelf()
        self.shelf.films[FILM] = film or FakeFilm()
        self.live = FakeLive()
        self.ports = ports or Ports()
        limits = limits or Limits()
        tally = Tally(self.clock, say_count)
        self.gate = Gate(
            door or Door.of_all(),
            networks,
            self.clock,
            limits,
            tally,
            PenaltyBook(limits, self.clock.seconds) if penalties is None else penalties,
            key=b"known to nobody else",
        )
        catalogue = Catalogue(
            self.shelf,
            {"live": LiveStream(self.live)},
            train_cache(1 << 20),
            workshop(in_thread),
            self.clock,
        )
        self.admission = Headcount(limits, tally) if admission is None else admission
        self.registry = Registry(
            Timetable(self.clock),
            self.unix_s,
            limits,
            self.admission,
            "mjpegd@test",
            loop=loop,
            random=Random(1),
            prefix=prefix,
        )
        self.house = House(
            catalogue=catalogue,
            gate=self.gate,
            registry=self.registry,
            ports=self.ports,
            limits=limits,
            tally=tally,
            catch_up=self.catches_up,
            max_packet_bytes=1400,
            max_laboratory_bytes=20_480,
            wall_clock=self.unix_s,
            started=STARTED_UNIX_S,
            keying=keying,
        )
        entrance = Entrance(self.clock, limits, tally, origins, self.admission)
        self.factory = RTSPFactory(self.house, self.admission, self.clock, entrance)

    def catches_up(self) -> None:
        """Calls that are late are to be made now: here they come when the test says so."""
        self.catch_ups += 1

    def unix_s(self) -> float:
        """The time of day."""
        return STARTED_UNIX_S + self.clock.seconds()

    def connect(self, host: str = VIEWER, port: int = 40_000, *, is_secure: bool = False) -> Client:
        """A new connection, encrypted if it is to be secure.

        Raises:
            ConnectionRefusedError: The server wants none, and says nothing.
        """
        kind = IPv6Address if ":" in host else IPv4Address
        local = "2001:db8::1" if ":" in host else "192.0.2.1"
        made = SecureWire if is_secure else Wire
        return self.connect_by(made(kind("TCP", host, port), kind("TCP", local, 8554)))

    def connect_from_afar(self) -> tuple[Client, FarSocket]:
        """The same from a machine that may vanish, and what tells whether it has."""
        wire = FarWire(IPv4Address("TCP", VIEWER, 40_000), IPv4Address("TCP", "192.0.2.1", 8554))
        return self.connect_by(wire), wire.socket

    def connect_by(self, wire: Wire) -> Client:
        """A new connection by this wire."""
        protocol = self.factory.buildProtocol(wire.getPeer())
        if protocol is None:
            raise ConnectionRefusedError
        wire.protocol = protocol
        protocol.makeConnection(wire)
        return Client(wire)

    def advance(self, seconds: float, step_s: float = 0.01) -> None:
        """Let time pass in small steps."""
        self.clock.pump([step_s] * round(seconds / step_s))

    def play_to_end(self, is_over: Callable[[], bool], most_s: float = 60.0) -> None:
        """Let time pass until something is so."""
        until_s = self.clock.seconds() + most_s
        while not is_over():
            if self.clock.seconds() > until_s:
                raise AssertionError("it never came to that")
            self.clock.advance(0.01)

    @property
    def sender(self) -> RecordingSender:
        """The newest UDP sender."""
        return self.ports.senders[-1]


def flat(trains: Sequence[Sequence[RTPPacket]]) -> list[RTPPacket]:
    """The packets of all trains."""
    return [packet for train in trains for packet in train]


def header(answer: Response, name: str) -> str:
    """The value of a header; "" where there is none."""
    return answer.headers.get(name) or ""


def challenges(answer: Response) -> list[Challenge]:
    """What an answer wants to have proved, in its order."""
    return Challenge.parse_list(answer.headers.get_all("WWW-Authenticate"))


def promised(answer: Response) -> RTPInfo:
    """What an answer to PLAY says of its first packet."""
    return RTPInfo.parse(header(answer, "RTP-Info"))


def jpegs(packets: Sequence[RTPPacket]) -> list[bytes]:
    """The pictures in RTP/JPEG packets, each a file."""
    reassembler = Reassembler()
    frames = [
        reassembler.feed(packet.payload, packet.timestamp, packet.marker) for packet in packets
    ]
    return [to_jpeg(frame) for frame in frames if frame is not None]


def byes(reports: Sequence[Sequence[Report]]) -> list[Bye]:
    """Every BYE in RTCP compounds."""
    return [report for compound in reports for report in compound if isinstance(report, Bye)]


def said(events: Sequence[dict[str, Any]]) -> list[str]:
    """Log events as lines (Any: an event holds whatever was logged)."""
    return [formatEvent(event) for event in events]
