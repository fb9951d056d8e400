"""Servers in memory that say what a test wants them to say."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IHostnameResolver,
    IHostResolution,
    IResolutionReceiver,
)
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from zope.interface import implementer

from mjpegd.test.conversation import Server, Wire
from mjpegd.wire.messages import Headers, InterleavedFrame, Request, Response, content_length

from ..interfaces import Ears, Message
from ..talk.dialling import Reactor

HOST = "192.0.2.1"
PLAYER = IPv4Address("TCP", "198.51.100.7", 40_000)
PLACE = IPv4Address("TCP", HOST, 8554)
URL = f"rtsp://{HOST}:8554/clip"
SESSION = "ABC123"

T = TypeVar("T")
Script = Callable[[Request], Response | None]


class Listener:
    """Ears that remember.

    Attributes:
        messages: What was said.
        packets: Channels and payloads of the packets that came.
        losses: Why the connection ended.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.packets: list[tuple[int, bytes]] = []
        self.losses: list[Exception] = []
        self.ears = Ears(
            self.messages.append,
            lambda channel, payload: self.packets.append((channel, payload)),
            self.losses.append,
        )


@implementer(IHostResolution)
@dataclass(frozen=True, slots=True)
class Found:
    """The search for a host's address, which is over.

    Attributes:
        name: Of the host.
    """

    name: str

    def cancel(self) -> None:
        """There is nothing to call off."""


@implementer(IHostnameResolver)
class OneAddress:
    """Finds the same address for every host, at once."""

    def resolveHostName(  # noqa: N802 - of IHostnameResolver
        self,
        resolutionReceiver: IResolutionReceiver,  # noqa: N803
        hostName: str,  # noqa: N803
        portNumber: int = 0,  # noqa: N803
        addressTypes: object = None,  # noqa: N803
        transportSemantics: str = "TCP",  # noqa: N803
    ) -> IHostResolution:
        """Tell the address (see IHostnameResolver)."""
        found = Found(hostName)
        resolutionReceiver.resolutionBegan(found)
        resolutionReceiver.addressResolved(IPv4Address("TCP", HOST, portNumber))
        resolutionReceiver.resolutionComplete()
        return found


@implementer(Reactor)
class PlayerReactor(MemoryReactorClock):
    """A reactor in memory, whose connections come about when a test says so.

    Every name is that of a host with one address.
    """

    def __init__(self) -> None:
        super().__init__()
        self.nameResolver = OneAddress()  # Before 24.10 the reactor in memory has none.

    def connected(self, accept: Callable[[Protocol], object]) -> None:
        """The newest connection comes about; `accept` is the server's."""
        factory = self.tcpClients[-1][2]
        protocol = factory.buildProtocol(PLACE)
        assert isinstance(protocol, Protocol)
        accept(protocol)

    def failed(self, error: Exception) -> None:
        """The newest connection does not come about."""
        factory = self.tcpClients[-1][2]
        factory.clientConnectionFailed(self.connectors[-1], Failure(error))
        # Where a host has further addresses, they are tried after a moment.
        self.advance(1)


class ServerEnd:
    """The server's end of one connection of a player.

    Args:
        protocol: The player's, which is connected at once.
        wire: The connection; one that a test has no wishes for if None.

    Attributes:
        wire: The connection; what the player sends stands in ``received``.
        requests: All requests so far.
        replies: What the player answered when it was asked.
        frames: The packets that the player sent.
    """

    def __init__(self, protocol: Protocol, wire: Wire | None = None) -> None:
        self.wire = wire or Wire(PLACE, PLAYER)
        self.requests: list[Request] = []
        self.replies: list[Response] = []
        self.frames: list[InterleavedFrame] = []
        self.wire.protocol = protocol
        protocol.makeConnection(self.wire)

    def read(self) -> list[Request]:
        """Take what the player has sent apart; the new requests."""
        data = bytes(self.wire.received)
        self.wire.received.clear()
        before = len(self.requests)
        while data:
            data = self._take(data)
        return self.requests[before:]

    def _take(self, data: bytes) -> bytes:
        if data.startswith(b"$"):
            taken = InterleavedFrame.parse(data)
            if taken is None:
                raise AssertionError("a packet is cut")
            self.frames.append(taken[0])
            return taken[1]
        head, _, rest = data.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        kind = Response if data.startswith(b"RTSP/") else Request
        size = content_length(kind.parse_head(lines).headers)
        message = head + b"\r\n\r\n" + rest[:size]
        if data.startswith(b"RTSP/"):
            self.replies.append(Response.parse(message))
        else:
            self.requests.append(Request.parse(message))
        return rest[size:]

    def say(self, data: bytes) -> None:
        """Send bytes."""
        self.wire.sent(data)

    def answer(self, request: Request, response: Response) -> None:
        """Send an answer to a request."""
        cseq = ("CSeq", request.headers.get("CSeq") or "")
        fields = Headers([cseq, *response.headers])
        told = Response(response.status, fields, response.body, response.reason)
        self.say(told.to_bytes())


class ScriptedServer:
    """Answers each request of its connections as a table says.

    Attributes:
        clock: The player's time.
        listener: The player's ears.
        answers: By method: the answer, or what makes it; None is none. They may be changed.
        ends: Its connections, oldest first.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.listener = Listener()
        self.answers: dict[str, Response | Script | None] = {}
        self.ends: list[ServerEnd] = []

    def accept(self, protocol: Protocol) -> None:
        """A player connects."""
        self.ends.append(ServerEnd(protocol))

    @property
    def end(self) -> ServerEnd:
        """Its newest connection."""
        return self.ends[-1]

    def requests(self, method: str = "") -> list[Request]:
        """All requests so far, or those of one method."""
        everything = [request for end in self.ends for request in end.requests]
        return [request for request in everything if method in ("", request.method)]

    def serve(self) -> None:
        """Answer until nothing is asked any more."""
        while asked := [(end, request) for end in self.ends for request in end.read()]:
            for end, request in asked:
                if (response := self._response(request)) is not None:
                    end.answer(request, response)

    def run(self, coroutine: Coroutine[Deferred[Any], Any, T]) -> Deferred[T]:
        """Begin something that asks, and answer it (Any: as Twisted's `Deferred` has it)."""
        result = Deferred.fromCoroutine(coroutine)
        self.serve()
        return result

    def _response(self, request: Request) -> Response | None:
        script = self.answers.get(request.method, Response(501))
        return script(request) if callable(script) else script


def ok(*fields: tuple[str, str], body: bytes = b"") -> Response:
    """An answer of status 200."""
    return Response(200, Headers(fields), body)


class RealServer:
    """The daemon itself, in memory, at the other ends of a player's connections.

    Attributes:
        server: The daemon.
        clock: Time, for both sides.
        listener: The player's ears.
    """

    def __init__(self) -> None:
        self.server = Server()
        self.clock = self.server.clock
        self.listener = Listener()
        self._lines: list[tuple[Wire, Wire]] = []

    def accept(self, protocol: Protocol) -> None:
        """A player connects."""
        near = Wire(PLACE, PLAYER)
        near.protocol = protocol
        self._lines.append((near, self.server.connect().wire))
        protocol.makeConnection(near)

    def serve(self) -> None:
        """Carry what was written to the other side, until nothing is written any more."""
        while any(carry(*line) or carry(*line[::-1]) for line in self._lines):
            pass

    def run(self, coroutine: Coroutine[Deferred[Any], Any, T]) -> Deferred[T]:
        """Begin something that asks, and answer it (Any: as Twisted's `Deferred` has it)."""
        result = Deferred.fromCoroutine(coroutine)
        self.serve()
        return result


def carry(origin: Wire, target: Wire) -> bool:
    """Let one side have what was written to the other; whether there was anything."""
    data = bytes(origin.received)
    origin.received.clear()
    if data:
        target.sent(data)
    return bool(data)
