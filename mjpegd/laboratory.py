"""A conversation in the dialect of the Kurose-Ross networking laboratory.

The same films and sessions as for everybody; only the requests, the answers of three lines, and
the packets of one whole picture look different (`mjpegd.wire.lab`).
"""

import io
from dataclasses import dataclass
from typing import Protocol

from PIL import Image
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from mjpegd.access.rights import Action
from mjpegd.errors import MediaError, MediaNotFoundError, RTSPError
from mjpegd.exchange import House
from mjpegd.logs import shown
from mjpegd.methods import media_status
from mjpegd.pictures.forms import PLAIN_RENDITION
from mjpegd.pictures.normalise import Normal, Recode, Step, working_bytes
from mjpegd.playout import PlayRequest
from mjpegd.session import Lifeline, Lifetime, Method, Owner, Session, State, Way, refuse
from mjpegd.stream import FilmStream
from mjpegd.wire import jpeg_segments
from mjpegd.wire.errors import BrokenJpegError, ParseError, UnsupportedJpegError
from mjpegd.wire.jpeg_image import JpegImage
from mjpegd.wire.lab import (
    JAVA_MAX_PACKET_BYTES,
    MAX_LINES,
    LabRequest,
    answer,
    description,
    is_complete,
    is_request_line,
)
from mjpegd.wire.packets import RTP_HEADER_BYTES, TrainTemplate
from mjpegd.wishes import Wishes

_log = Logger()

# Re-encoding begins near the original and gives up sharpness before size.
QUALITIES = (70, 50, 35, 25)
SIZES = (1.0, 0.75, 0.5, 0.35, 0.25, 0.12)
# A picture of more pixels is not decoded for a client that shows a few hundred.
MAX_PIXELS = 40_000_000


@dataclass(frozen=True, slots=True, weakref_slot=True)
class LaboratoryPacking:
    """One whole JPEG file in one packet.

    Attributes:
        max_packet_bytes: What the client can receive, RTP header included.
    """

    max_packet_bytes: int

    rendition = PLAIN_RENDITION

    @property
    def form(self) -> "LaboratoryPacking":
        """Pictures have to fit into a packet of this size."""
        return self

    @property
    def _most_bytes(self) -> int:
        return self.max_packet_bytes - RTP_HEADER_BYTES

    def pack(self, picture: bytes) -> TrainTemplate:
        """The picture as it is, if it fits (see `mjpegd.packing.Packing`)."""
        whole = jpeg_segments.whole(picture)
        if len(whole) > self._most_bytes:
            raise UnsupportedJpegError(f"more than {self._most_bytes} bytes for one packet")
        return TrainTemplate([whole], interleaved=False)

    def working_bytes(self, picture: bytes) -> int:
        """The memory that `normalise` takes for a picture at most (see `Packing`)."""
        return working_bytes(picture)

    def normalise(self, picture: bytes, recode: Recode | None) -> Normal:
        """Make a picture small enough for a packet (see `Packing`)."""
        whole = jpeg_segments.whole(picture)
        if len(whole) <= self._most_bytes:
            return Normal(whole, Step.UNTOUCHED, "")
        reason = f"more than {self._most_bytes} bytes for one packet"
        return Normal(reduced(whole, self._most_bytes), Step.ENCODED, reason)


def reduced(picture: bytes, max_bytes: int) -> bytes:
    """The picture encoded again in at most so many bytes.

    Raises:
        BrokenJpegError: It cannot be decoded, or not made that small.
    """
    parsed = JpegImage.parse(picture)
    if parsed.width * parsed.height > MAX_PIXELS:
        raise BrokenJpegError(f"{parsed.width} x {parsed.height} pixels are too many")
    try:
        with Image.open(io.BytesIO(picture), formats=["JPEG"]) as image:
            decoded = image.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as fault:
        raise BrokenJpegError(f"cannot be decoded: {fault}") from None
    for size in SIZES:
        sides = (max(1, round(decoded.width * size)), max(1, round(decoded.height * size)))
        smaller = decoded if size == 1 else decoded.resize(sides)
        for quality in QUALITIES:
            out = io.BytesIO()
            smaller.save(out, "JPEG", quality=quality)
            if out.tell() <= max_bytes:
                return out.getvalue()
    raise BrokenJpegError(f"cannot be made smaller than {max_bytes} bytes")


class LaboratoryConnection(Lifeline, Protocol):
    """What the conversation needs of its connection."""

    house: House
    host: str
    local_host: str

    @property
    def is_open(self) -> bool:
        """Something can still be sent."""
        ...

    def write(self, data: bytes) -> None:
        """Send an answer."""
        ...

    def wait_for(self, done: "Deferred[object]") -> None:
        """Look at no further message before this one is dealt with."""
        ...

    def settle(self) -> None:
        """A message is complete."""
        ...


class Laboratory:
    """One laboratory client.

    Args:
        connection: Where it is connected.
    """

    def __init__(self, connection: LaboratoryConnection) -> None:
        self._connection = connection
        self._house = connection.house
        self._lines: list[bytes] = []
        self._session: Session | None = None
        self._rolling: Session | None = None

    @property
    def has_session(self) -> bool:
        """The client has a session that has not ended."""
        return self._session is not None and self._session.is_open

    def line(self, line: bytes) -> bool:
        """A line has come; an empty one, or the next verb, ends the message before it.

        Returns:
            False for one line, or one byte, too many.
        """
        is_empty = not line.strip()
        if self._lines and (is_empty or is_request_line(line)):
            self._finish()
        if not is_empty:
            self._lines.append(line)
        most_bytes = self._house.limits.header_bytes
        return len(self._lines) <= MAX_LINES and sum(map(len, self._lines)) <= most_bytes

    def silence(self, rest: bytes) -> bytes:
        """Nothing came for a moment: a message that is complete has ended.

        Args:
            rest: A last line whose end has not come.

        Returns:
            What belongs to a message that is not complete yet.
        """
        if self._lines and is_request_line(rest):
            self._finish()
        lines = [*self._lines, rest] if rest.strip() else self._lines
        if not lines or not is_complete(lines):
            return rest
        self._lines = lines
        self._finish()
        return b""

    def has_begun(self, rest: bytes) -> bool:
        """A message has begun that is not complete; ``rest`` is a line whose end has not come."""
        return bool(self._lines or rest.strip())

    def give_up(self, rest: bytes) -> None:
        """Nothing more will come: answer what has come of a message."""
        if rest.strip():
            self._lines.append(rest)
        if self._lines:
            self._finish()

    def close(self, reason: str = "its connection closed") -> None:
        """End the session, if there is one; ``reason`` is a phrase for the log."""
        if self._session is not None:
            self._session.close(reason)

    def _finish(self) -> None:
        lines, self._lines = self._lines, []
        self._connection.settle()
        try:
            request = LabRequest.parse(lines)
        except ParseError:
            return  # without a verb there is nothing to answer
        status = Deferred.fromCoroutine(self._do(request)).addErrback(self._refused)
        self._connection.wait_for(status.addCallback(self._answer, request))

    async def _do(self, request: LabRequest) -> int:
        """Do what is asked; the status."""
        if request.verb == "SETUP":
            await self._setup(request)
        elif request.verb == "DESCRIBE":
            await self._open(request.name)
        elif request.verb in {"PLAY", "SETTIME"}:
            self._play(request)
        elif request.verb == "PAUSE":
            self._own(request, Method.PAUSE).pause()
        elif request.verb == "TEARDOWN":
            self._own(request, Method.TEARDOWN).close("TEARDOWN")
        else:
            return 501
        return 200

    def _answer(self, status: int, request: LabRequest) -> None:
        number = int(self._session.identifier) if self._session else 0
        if request.verb == "DESCRIBE" and status == 200:
            data = description(request.cseq, request.name, number)
        else:
            data = answer(status, request.cseq, number)
        self._connection.write(data)
        if self._rolling is not None:
            self._rolling.roll()
            self._rolling = None

    def _refused(self, failure: Failure) -> int:
        fault = failure.value
        if isinstance(fault, RTSPError):
            return fault.status
        if isinstance(fault, MediaError):
            status = media_status(fault)
            if self._house.tally.passes("more laboratory requests refused"):
                _log.info(
                    "{peer} (laboratory) gets {status}: {reason}",
                    peer=self._connection.host,
                    status=status,
                    reason=shown(str(fault)),
                )
            return status
        _log.failure(
            "{peer}, session {session}: a laboratory request broke",
            failure,
            peer=self._connection.host,
            session=self._session.identifier if self._session else "none",
        )
        return 500

    async def _open(self, name: str) -> tuple[str, FilmStream]:
        path, stream = await self._house.catalogue.open_for_laboratory(name, self._may_watch)
        if not isinstance(stream, FilmStream):
            raise MediaNotFoundError(f"{name} is no film")
        return path, stream

    def _may_watch(self, path: str) -> bool:
        """The dialect knows no login: its clients are everyone."""
        return self._house.gate.everyone.may(Action.WATCH, path, self._connection.host)

    async def _setup(self, request: LabRequest) -> None:
        if self._session is not None and self.has_session:
            self._session.check(Method.SETUP)
        port = request.client_port
        if port is None:
            raise RTSPError(461, "no client_port")
        if not self._house.ports.reaches(self._connection.host, (port, port)):
            raise RTSPError(461, "out of reach of UDP")
        path, stream = await self._open(request.name)
        if not self._connection.is_open:
            raise RTSPError(454, "the client has gone")
        self.close("SETUP again")
        way = self._way(request, port)
        registry = self._house.registry
        owner = Owner(self._connection.host)
        session = await registry.create(owner, path, stream, Wishes(), "", way)
        self._check_present(session)
        self._session = session

    def _check_present(self, session: Session) -> None:
        """A session is made in vain if its client has gone meanwhile, or may no longer watch."""
        if not self._connection.is_open:
            session.close("the client has gone")
            raise RTSPError(454, "the client has gone")
        if not self._may_watch(session.path):
            session.close("its viewer may no longer watch it")
            raise MediaNotFoundError(f"{session.path} is not for everyone")

    def _way(self, request: LabRequest, port: int) -> Way:
        connection, ports = self._connection, self._house.ports
        leaves_from = ports.address_for(connection.host, connection.local_host)
        most = self._house.max_laboratory_bytes
        if request.line_end == "\r\n":
            most = min(most, JAVA_MAX_PACKET_BYTES)
        return Way(
            # The second port is never used: the dialect has no RTCP.
            sender=ports.sender(connection.host, (port, port), leaves_from),
            packing=LaboratoryPacking(most),
            lifetime=Lifetime.LABORATORY,
            description=f"laboratory, UDP port {port}",
            carrier=connection,
        )

    def _play(self, request: LabRequest) -> None:
        session = self._own(request, Method.PLAY)
        at_s = request.seek_s
        if request.seek_frame is not None and isinstance(session.stream, FilmStream):
            times = session.stream.source.times
            at_s = times.time_of(min(request.seek_frame, times.count - 1))
        session.play(None if at_s is None else PlayRequest(at_s=at_s))
        self._rolling = session

    def _own(self, request: LabRequest, method: Method) -> Session:
        """The session of this connection: a number is good only where it was given out."""
        session = self._session
        if session is None or not session.is_open:
            raise refuse(State.INIT, method.value)
        if request.session not in {None, int(session.identifier)}:
            raise RTSPError(454, "another session")
        return session
