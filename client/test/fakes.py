"""Stand-ins for what a player meets: a server's dialogue, and a network of datagrams."""

from collections.abc import Container
from dataclasses import dataclass
from typing import Any, TypeVar

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import Clock
from zope.interface import implementer

from mjpegd.wire.headers import Lower, Transport

from ..errors import PlayerError
from ..interfaces import Cue, Offer
from ..media.receiver import Reactor

T = TypeVar("T")

SERVER = "192.0.2.1"
SERVER_PORTS = (6000, 6001)


@dataclass(frozen=True, slots=True)
class Question:
    """What a dialogue was asked, and waits for its answer.

    Attributes:
        method: The name of the method.
        usual: What it is answered if the test has no other wish.
        answer: Fires with the answer.
    """

    method: str
    usual: object
    answer: Deferred[Any]  # of a type for each method


class FakeDialogue:
    """A dialogue that says what a test wants (see `client.interfaces.Dialogue`).

    Questions that the test does not answer wait. A question that is cancelled waits no more.

    Args:
        offer: What the server tells of the stream.
        answers_at_once: No question waits: each has its usual answer at once.

    Attributes:
        offer: What the server tells of the stream.
        answers_at_once: As above; a test may change it.
        server_host: The address at the other end.
        events: What was done, each as the name of the method and its arguments, in order.
        questions: What waits for an answer, oldest first.
    """

    def __init__(self, offer: Offer | None = None, *, answers_at_once: bool = False) -> None:
        self.offer = offer or Offer()
        self.answers_at_once = answers_at_once
        self.server_host = SERVER
        self.events: list[tuple[object, ...]] = []
        self.questions: list[Question] = []

    # --- What a test does ---------------------------------------------------------------------

    @property
    def methods(self) -> list[object]:
        """The names of the methods that were called, in order."""
        return [event[0] for event in self.events]

    def answer(self) -> None:
        """Give the usual answer to the question that has waited longest."""
        question = self.questions.pop(0)
        question.answer.callback(question.usual)

    def answer_with(self, answer: object) -> None:
        """Give another answer to the question that has waited longest."""
        self.questions.pop(0).answer.callback(answer)

    def refuse(self, error: PlayerError) -> None:
        """Let the question fail that has waited longest."""
        self.questions.pop(0).answer.errback(error)

    # --- What a player does -------------------------------------------------------------------

    async def describe(self) -> Offer:
        """What the stream is; usually `offer`."""
        return await self._ask("describe", usual=self.offer)

    async def setup(self, wanted: Transport) -> Transport:
        """Agree on a way; usually the one that is wanted."""
        told = SERVER_PORTS if wanted.lower is Lower.UDP else None
        agreed = Transport(
            lower=wanted.lower,
            client_port=wanted.client_port,
            server_port=told,
            interleaved=wanted.interleaved,
        )
        return await self._ask("setup", wanted, usual=agreed)

    async def play(self, start_s: float | None, scale: float) -> Cue:
        """Play; usually from where and as fast as it is wanted."""
        return await self._ask("play", start_s, scale, usual=Cue(start_s or 0.0, scale))

    async def pause(self) -> float | None:
        """Stand still; usually without a word of where."""
        unknown: float | None = None
        return await self._ask("pause", usual=unknown)

    async def teardown(self) -> None:
        """End the session."""
        await self._ask("teardown", usual=None)

    def send_interleaved(self, channel: int, data: bytes) -> None:
        """Send one RTCP packet."""
        self.events.append(("send_interleaved", channel, data))

    def close(self) -> None:
        """Close the connection; what waits will never be answered."""
        self.events.append(("close",))

    def _ask(self, method: str, *arguments: object, usual: T) -> Deferred[T]:
        self.events.append((method, *arguments))
        if self.answers_at_once:
            return succeed(usual)
        answer: Deferred[T] = Deferred(lambda _: self.questions.remove(question))
        question = Question(method, usual, answer)
        self.questions.append(question)
        return answer


@dataclass(slots=True)
class ReceiveBuffer:
    """Of a socket, only this: asked for on one side, limited on the other.

    Attributes:
        limit_bytes: What the system gives at most.
        given_bytes: What it has given.
        refuses: It refuses what is more than the limit, instead of giving less.
    """

    limit_bytes: int
    given_bytes: int = 212_992
    refuses: bool = False

    def setsockopt(self, _level: int, _option: int, value: int) -> None:
        """Ask for so many bytes."""
        if self.refuses and value > self.limit_bytes:
            raise OSError("No buffer space available")
        # As Linux does it, which needs as much again for itself.
        self.given_bytes = 2 * min(value, self.limit_bytes)

    def getsockopt(self, _level: int, _option: int) -> int:
        """How many there are."""
        return self.given_bytes


@implementer(IListeningPort)
class FakePort:
    """A UDP port, and its protocol's transport.

    Attributes:
        interface: The address that it is bound to.
        sent: Each datagram that left here, with host and port of where it went.
        refusal: What sending raises.
    """

    def __init__(
        self, network: "FakeNetwork", number: int, protocol: DatagramProtocol, interface: str
    ) -> None:
        self.interface = interface
        self.sent: list[tuple[bytes, tuple[str, int]]] = []
        self.refusal: Exception | None = None
        self._network = network
        self._number = number
        self._protocol = protocol

    def startListening(self) -> None:  # noqa: N802
        """Called when it is bound."""
        self._protocol.makeConnection(self)  # type: ignore[arg-type]  # it has what is needed

    def stopListening(self) -> Deferred[None]:  # noqa: N802
        """Called to give it back."""
        del self._network.ports[self._number]
        self._protocol.doStop()
        return succeed(None)

    def getHost(self) -> IPv4Address | IPv6Address:  # noqa: N802
        """Where it is bound."""
        kind = IPv6Address if ":" in self.interface else IPv4Address
        return kind("UDP", self.interface, self._number)

    def getHandle(self) -> ReceiveBuffer:  # noqa: N802
        """Of the socket, what is looked at."""
        return self._network.receive_buffer

    def write(self, data: bytes, to: tuple[str, int]) -> None:
        """Send a datagram."""
        if self.refusal is not None:
            raise self.refusal
        self.sent.append((data, to))

    def receive(self, data: bytes, host: str = SERVER, port: int = SERVER_PORTS[0]) -> None:
        """A datagram comes."""
        self._protocol.datagramReceived(data, (host, port))


@implementer(Reactor)
class FakeNetwork(Clock):
    """A reactor with a clock that a test sets, and UDP ports that lead nowhere.

    Args:
        taken: Ports that somebody else has.

    Attributes:
        ports: Those that are bound, by number.
        taken: As above; a test may change it.
        receive_buffer: Of all of them.
    """

    def __init__(self, taken: Container[int] = ()) -> None:
        super().__init__()
        self.ports: dict[int, FakePort] = {}
        self.taken = taken
        self.receive_buffer = ReceiveBuffer(1 << 30)

    def listenUDP(  # noqa: N802
        self,
        port: int,
        protocol: DatagramProtocol,
        interface: str = "",
        maxPacketSize: int = 8192,  # noqa: N803
    ) -> FakePort:
        """Bind a port (see `IReactorUDP`)."""
        if port in self.taken or port in self.ports:
            raise CannotListenError(interface, port, OSError("Address already in use"))
        bound = self.ports[port] = FakePort(self, port, protocol, interface)
        bound.startListening()
        return bound
