"""How the parts of the player meet: what is asked of a server, and what a window can ask for."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from mjpegd.wire.headers import Transport
from mjpegd.wire.packets import RTPPacket


@dataclass(frozen=True, slots=True)
class Offer:
    """What a server tells of a stream before it is played.

    Attributes:
        title: For the title bar; empty where it tells none.
        duration_s: Of a film; None for a live picture, and where it is not told.
        framerate: Frames per second as the server says, which need not be true; None if untold.
        payload_type: What marks JPEG among the RTP packets.
        size: Width and height in pixels, where packets cannot tell them.
    """

    title: str = ""
    duration_s: float | None = None
    framerate: Fraction | None = None
    payload_type: int = 26
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Cue:
    """Where and how a server plays, as its answer to PLAY tells.

    Attributes:
        start_s: Media time of the first frame; None for live, and where it is not told.
        scale: Media seconds per second.
        sequence: Number of the first packet, None where it is not told.
        timestamp: RTP time that belongs to `start_s`, None where it is not told.
    """

    start_s: float | None = None
    scale: float = 1.0
    sequence: int | None = None
    timestamp: int | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation, as it was on the wire.

    Attributes:
        at_s: When, on the player's clock.
        is_ours: The player sent it.
        text: Head and body; lines end in LF, passwords are left out.
    """

    at_s: float
    is_ours: bool
    text: str


class Dialogue(Protocol):
    """A conversation with one server about one stream, in RTSP or in the laboratory's dialect.

    Every method fails with a `client.errors.PlayerError`.
    """

    async def describe(self) -> Offer:
        """What the stream is. Comes first."""
        ...

    async def setup(self, wanted: Transport) -> Transport:
        """Agree on a way for the media; the server's answer, where it fills in its side.

        Fails with `RefusedError` of status 461 where the server does not go that way.
        """
        ...

    async def play(self, start_s: float | None, scale: float) -> Cue:
        """Play from a media time, or from where it stands."""
        ...

    async def pause(self) -> float | None:
        """Stand still; where, if the server tells."""
        ...

    async def teardown(self) -> None:
        """End the session; another `setup` may follow. Never fails: the server may be gone."""
        ...

    def send_interleaved(self, channel: int, data: bytes) -> None:
        """Send one RTCP packet on the connection of the requests (RFC 2326 section 10.12)."""
        ...

    @property
    def server_host(self) -> str:
        """The address at the other end of the connection, as the sockets name it."""
        ...

    def close(self) -> None:
        """Close the connection; nothing is called afterwards."""
        ...


@dataclass(frozen=True, slots=True)
class Ears:
    """Whom a dialogue tells what happens without being asked for.

    Attributes:
        message: A message was sent or has come.
        interleaved: A packet came on this channel of the connection.
        lost: The connection ended by itself; says why. Called once, and nothing after it.
    """

    message: Callable[[Message], None]
    interleaved: Callable[[int, bytes], None]
    lost: Callable[[Exception], None]


@dataclass(frozen=True, slots=True)
class ReceivedFrame:
    """A frame on its way to the screen.

    Attributes:
        jpeg: As a file has it.
        timestamp: RTP time, 32 bits.
        sequence: Number of its last packet, 16 bits.
        arrived_s: When its first packet came, on the player's clock.
        is_damaged: Its lower part is missing.
    """

    jpeg: bytes
    timestamp: int
    sequence: int
    arrived_s: float
    is_damaged: bool = False


@dataclass(frozen=True, slots=True)
class PlacedFrame:
    """A frame that is due, and where in the film it belongs.

    Attributes:
        frame: The frame.
        position_s: Media time; None for a live picture.
        number: Of the frame in the film, from 0; of a live picture, how many came before it.
    """

    frame: ReceivedFrame
    position_s: float | None
    number: int


class Assembler(Protocol):
    """Makes frames of packets that come in order; one for RTP/JPEG, one for the laboratory."""

    def feed(self, packet: RTPPacket, arrived_s: float) -> list[ReceivedFrame]:
        """Take the next packet; frames that are finished by it, mostly none or one."""
        ...

    def restart(self) -> None:
        """Another part of the stream follows: nothing that has come belongs to it."""
        ...

    @property
    def lost(self) -> int:
        """Frames given up so far of which something came."""
        ...
