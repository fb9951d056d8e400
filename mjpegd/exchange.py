"""A request under way: who sends it, on which connection, and what it works with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mjpegd.access.auth import Gate, IViewer, Visitor
from mjpegd.addresses import in_url
from mjpegd.catalogue import Catalogue
from mjpegd.encryption.keying import Agreement, Keying, Offer
from mjpegd.errors import RTSPError
from mjpegd.interfaces import IPacketSender
from mjpegd.limits import Limits
from mjpegd.logs import Tally
from mjpegd.registry import Registry
from mjpegd.senders.interleaved import Carrier
from mjpegd.session import Lifeline, Owner, Session
from mjpegd.wire.errors import ParseError
from mjpegd.wire.messages import Request
from mjpegd.wire.urls import StreamURL


class MediaPorts(Protocol):
    """The daemon's RTP and RTCP ports."""

    @property
    def ports(self) -> tuple[int, int]:
        """Their numbers."""
        ...

    def reaches(self, host: str, ports: tuple[int, int]) -> bool:
        """Whether media may go to these ports of a viewer."""
        ...

    def address_for(self, viewer: str, reached: str) -> str:
        """The address that media for a viewer leaves from, which reached a server's address."""
        ...

    def sender(self, host: str, ports: tuple[int, int], local_host: str) -> IPacketSender:
        """A way to a viewer's ports, from an address of this machine."""
        ...


@dataclass(frozen=True, slots=True)
class House:
    """What every connection shares.

    Attributes:
        catalogue: What can be watched.
        gate: Who may watch it.
        registry: Who watches.
        ports: Where UDP media leaves from.
        limits: Bounds on what is asked.
        tally: Counts what may come in floods.
        catch_up: Makes the calls that are late, if any are, and keeps the collector's work small:
            whoever has work of which there may be much at a time calls it in between.
        max_packet_bytes: UDP payload of an RTP packet at most, RTP header included.
        max_laboratory_bytes: The same for the laboratory's packets of a whole picture.
        wall_clock: Unix seconds.
        started: Unix seconds of the start; tells descriptions of this run from others.
        keying: Who agrees with viewers upon keys for SRTP; None where that is not spoken.
    """

    catalogue: Catalogue
    gate: Gate
    registry: Registry
    ports: MediaPorts
    limits: Limits
    tally: Tally
    catch_up: Callable[[], None]
    max_packet_bytes: int
    max_laboratory_bytes: int
    wall_clock: Callable[[], float]
    started: int
    keying: Keying | None


class Connection(Carrier, Lifeline, Visitor, Protocol):
    """What the methods need of the connection that a request came on."""

    local_host: str
    local_port: int
    sessions: dict[str, Session]
    described: bool
    knows_size: bool
    offer: Offer | None
    is_tunnel: bool

    @property
    def is_open(self) -> bool:
        """Something can still be sent."""
        ...

    def take_channels(
        self, wanted: tuple[int, int] | None, session: Session | None
    ) -> tuple[int, int]:
        """Interleaved channels for a session: those wanted, or the next free ones."""
        ...


@dataclass(slots=True)
class Exchange:
    """One request under way.

    Attributes:
        request: The request.
        connection: Where it came on.
        house: What it works with.
        viewer: Who sends it; everyone until a login is seen to be right.
        session: The session that it names.
        after: Called when the answer is written; PLAY sends its first packet there.
        agreement: The keys of a session that it sets up for SRTP.
    """

    request: Request
    connection: Connection
    house: House
    viewer: IViewer
    session: Session | None = None
    after: Callable[[], None] | None = None
    agreement: Agreement | None = None

    def header(self, name: str) -> str | None:
        """The first value of a request header."""
        return self.request.headers.get(name)

    @property
    def agent(self) -> str:
        """The name of the player; empty where it tells none."""
        return self.header("User-Agent") or ""

    @property
    def owner(self) -> Owner:
        """Who sends it, as sessions know people."""
        return Owner(self.connection.host, self.viewer.name)

    @property
    def keying(self) -> Keying | None:
        """Who agrees upon keys, on a connection where these are nobody else's to read."""
        return self.house.keying if self.connection.is_secure else None

    def is_reached_at(self, ports: tuple[int, int]) -> bool:
        """Whether media may go to these UDP ports of the client.

        The address of one that comes through a tunnel may be a proxy's.
        """
        if self.connection.is_tunnel:
            return False
        return self.house.ports.reaches(self.connection.host, ports)

    @property
    def url(self) -> StreamURL:
        """What the request URI names.

        Raises:
            RTSPError: 400, it is malformed.
        """
        try:
            url = StreamURL.parse(self.request.uri)
        except ParseError as fault:
            raise RTSPError(400, str(fault)) from None
        if url.authority:
            return url
        # A bare name is a path on this server.
        name = self.request.uri.lstrip("/")
        return StreamURL.parse(f"{self.server_url}{'' if name == '*' else name}")

    @property
    def server_url(self) -> str:
        """The server as the client reached it."""
        scheme = "rtsps" if self.connection.is_secure else "rtsp"
        return f"{scheme}://{in_url(self.connection.local_host, self.connection.local_port)}/"
