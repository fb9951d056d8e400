"""A small RTSP client: it plays over UDP or TCP, and keeps all that comes.

    with Client("127.0.0.1", 8554) as client:
        client.open("rtsp://127.0.0.1:8554/film.avi", over_tcp=True)
        client.play()
        client.wait(lambda: client.reception.has_ended)
        numbers = [number_of(frame.jpeg) for frame in client.reception.frames]

Nothing is read but while a request waits for its answer, or in `wait`.
"""

import fcntl
import select
import socket
import ssl
import termios
import time
from array import array
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import Self

from mjpegd.wire.digest import Challenge, answer, strongest
from mjpegd.wire.errors import ParseError
from mjpegd.wire.headers import NptRange, RTPInfo, SessionHeader, Transport
from mjpegd.wire.jpeg_payload import Reassembler, to_jpeg
from mjpegd.wire.messages import Headers, InterleavedFrame, Request, Response, content_length
from mjpegd.wire.packets import RTPPacket, sequence_delta
from mjpegd.wire.reports import (
    Bye,
    ReceiverReport,
    Report,
    ReportBlock,
    SenderReport,
    compound,
    parse_compound,
)
from mjpegd.wire.sdp import Description
from tests.tools.tunnels import Connect, Connection

RECEIVE_BUFFER_BYTES = 4 << 20
PAIR_TRIES = 64
OWN_SSRC = 0x5EED_5EED


class RefusedError(Exception):
    """The server answered with another status than 200.

    Attributes:
        response: The answer.
    """

    def __init__(self, request: Request, response: Response) -> None:
        super().__init__(f"{request.method} {request.uri}: {response.status} {response.reason}")
        self.response = response


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that came whole.

    Attributes:
        jpeg: As a file has it.
        timestamp: RTP time, 32 bits.
        sequence: Number of its last packet.
        arrived_s: When that came, on `time.monotonic`.
    """

    jpeg: bytes
    timestamp: int
    sequence: int
    arrived_s: float


@dataclass(slots=True)
class Reception:
    """All that came of one stream.

    Attributes:
        frames: Whole frames, in the order in which they came.
        frame_count: How many frames came whole.
        sequences: The numbers of all RTP packets.
        ssrcs: The sources that they named.
        reports: All RTCP.
        sources: The addresses that datagrams came from.
        keeps_all: Otherwise only the newest frame and number are kept.
    """

    frames: list[Frame] = field(default_factory=list)
    frame_count: int = 0
    sequences: list[int] = field(default_factory=list)
    ssrcs: set[int] = field(default_factory=set)
    reports: list[Report] = field(default_factory=list)
    sources: set[tuple[str, int]] = field(default_factory=set)
    keeps_all: bool = True
    _reassembler: Reassembler = field(default_factory=Reassembler)

    @property
    def torn(self) -> int:
        """Frames that did not come whole."""
        return self._reassembler.lost

    @property
    def missing(self) -> int:
        """Gaps in the sequence numbers, and numbers that came again or late."""
        pairs = zip(self.sequences, self.sequences[1:], strict=False)
        return sum(sequence_delta(newer, older) != 1 for older, newer in pairs)

    @property
    def lost(self) -> int:
        """Packets between the first and the newest that did not come (RFC 3550 appendix A.3)."""
        if not self.sequences:
            return 0
        newest = sequence_delta(self.sequences[-1], self.sequences[0])
        return newest + 1 - len(self.sequences)

    @property
    def has_ended(self) -> bool:
        """BYE has come."""
        return any(isinstance(report, Bye) for report in self.reports)

    def take_packet(self, data: bytes) -> None:
        """An RTP packet has come."""
        packet = RTPPacket.parse(data)
        self.ssrcs.add(packet.ssrc)
        if not self.keeps_all:
            del self.frames[:-1], self.sequences[:-1]
        self.sequences.append(packet.sequence)
        whole = self._reassembler.feed(
            packet.payload, packet.timestamp, packet.marker, packet.extension
        )
        if whole is not None:
            self.frame_count += 1
            now_s = time.monotonic()
            self.frames.append(Frame(to_jpeg(whole), packet.timestamp, packet.sequence, now_s))

    def take_report(self, data: bytes) -> None:
        """An RTCP packet has come."""
        self.reports += parse_compound(data)


class Client:
    """One connection to a server, and at most one session on it.

    Args:
        host: The server's address, or the path of its Unix socket.
        port: Its RTSP port.
        timeout_s: What an answer may take.
        local_host: The address to connect from, where this host has several.
        agent: What it calls itself.
        login: User and password, for a server that asks for them.
        context: Encrypts.
        tunnel: Makes of connections what it speaks through.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        timeout_s: float = 5.0,
        local_host: str = "",
        agent: str = "mjpegd tests",
        login: tuple[str, str] | None = None,
        context: ssl.SSLContext | None = None,
        tunnel: Callable[[Connect], Connection] | None = None,
    ) -> None:
        self.reception = Reception()
        self.session: str | None = None
        self.url = ""
        self.transport: Transport | None = None
        self._timeout_s = timeout_s
        self._agent = agent
        self._login = login
        self._challenge: Challenge | None = None
        connect = partial(_connected, host, port, timeout_s, local_host, context)
        self._connection: Connection = tunnel(connect) if tunnel else connect()
        self._server = self._connection.getpeername()
        self._media: tuple[socket.socket, ...] = ()
        self._cseq = 0
        self._received = bytearray()
        self._responses: list[Response] = []
        self.is_closed_by_server = False

    @property
    def media_ports(self) -> tuple[int, int]:
        """The UDP ports that it listens on."""
        first, second = (int(sock.getsockname()[1]) for sock in self._media)
        return first, second

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Go away without a word."""
        for sock in (self._connection, *self._media):
            sock.close()
        self._media = ()

    def disconnect(self) -> None:
        """Close the connection of the requests only; datagrams are still received."""
        self._connection.close()
        self.is_closed_by_server = True

    # --- requests -------------------------------------------------------------------------

    def ask(self, method: str, url: str, *fields: tuple[str, str], body: bytes = b"") -> Response:
        """Send a request and wait for its answer, whatever that is."""
        return self._exchange(self._request(method, url, fields, body))

    def demand(self, method: str, url: str, *fields: tuple[str, str]) -> Response:
        """The same, where only 200 will do.

        Raises:
            RefusedError: The answer is another.
        """
        request = self._request(method, url, fields, b"")
        response = self._exchange(request)
        if response.status != 200:
            raise RefusedError(request, response)
        return response

    def describe(self, url: str) -> Description:
        """Ask what a URL is."""
        return Description.parse(self.demand("DESCRIBE", url, ("Accept", "application/sdp")).body)

    def open(self, url: str, *, over_tcp: bool = False) -> Response:
        """DESCRIBE and SETUP; the answer to the latter."""
        self.describe(url)
        self.url = url
        if over_tcp:
            wanted = "RTP/AVP/TCP;unicast;interleaved=0-1"
        else:
            self._media = self._media or _free_pair(self._connection)
            wanted = "RTP/AVP;unicast;client_port={}-{}".format(*self.media_ports)
        response = self.demand("SETUP", f"{url.rstrip('/')}/trackID=0", ("Transport", wanted))
        self.session = SessionHeader.parse(_header(response, "Session")).identifier
        self.transport = Transport.parse(_header(response, "Transport"))
        return response

    def play(self, start_s: float | None = None, *fields: tuple[str, str]) -> Response:
        """PLAY, from a media time where one is given."""
        if start_s is not None:
            fields = (*fields, ("Range", NptRange(start_s).to_text()))
        return self.demand("PLAY", self.url, *fields)

    def pause(self) -> Response:
        """PAUSE."""
        return self.demand("PAUSE", self.url)

    def teardown(self) -> Response:
        """TEARDOWN."""
        response = self.demand("TEARDOWN", self.url)
        self.session = None
        return response

    def send(self, data: bytes) -> None:
        """Send bytes on the connection as they are."""
        self._connection.sendall(data)

    def report(self) -> None:
        """Say that all is well (RFC 3550 section 6.4.2): a sign of life."""
        ssrc = next(iter(self.reception.ssrcs), 0)
        highest = self.reception.sequences[-1] if self.reception.sequences else 0
        middle = self._last_sender_report()
        block = ReportBlock(
            ssrc=ssrc,
            fraction_lost=0,
            lost=self.reception.lost,
            highest_sequence=highest,
            jitter=90,
            last_sr=middle,
            delay_since_last_sr=0,
        )
        data = compound(ReceiverReport(OWN_SSRC, (block,)))
        if self._media and self.transport and self.transport.server_port:
            to = (self._server[0], self.transport.server_port[1], *self._server[2:])
            self._media[1].sendto(data, to)
        else:
            self.send(InterleavedFrame(1, data).to_bytes())

    # --- waiting --------------------------------------------------------------------------

    def wait(self, condition: Callable[[], bool], timeout_s: float | None = None) -> bool:
        """Receive until the condition holds; False if it did not within the time."""
        until_s = time.monotonic() + (self._timeout_s if timeout_s is None else timeout_s)
        while not condition():
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return False
            self._receive(left_s)
        return True

    def wait_for_frames(self, count: int, timeout_s: float | None = None) -> bool:
        """Receive until so many more frames have come."""
        wanted = self.reception.frame_count + count
        return self.wait(lambda: self.reception.frame_count >= wanted, timeout_s)

    def wait_for_report(self, timeout_s: float | None = None) -> bool:
        """Receive until RTCP has come."""
        return self.wait(lambda: bool(self.reception.reports), timeout_s)

    def unread_bytes(self) -> int:
        """What the kernel holds of the connection because nobody reads it."""
        held = array("i", [0])
        fcntl.ioctl(self._connection, termios.FIONREAD, held)
        return held[0]

    def receive_for(self, seconds: float) -> None:
        """Receive for a time."""
        self.wait(lambda: False, seconds)

    def next_response(self) -> Response:
        """The answer to what was sent by `send`.

        Raises:
            TimeoutError: None came.
            ConnectionError: The server closed the connection.
        """
        self.wait(lambda: bool(self._responses) or self.is_closed_by_server)
        if self._responses:
            return self._responses.pop(0)
        if self.is_closed_by_server:
            raise ConnectionError("the server closed the connection")
        raise TimeoutError(f"no answer within {self._timeout_s} s")

    # --- below ----------------------------------------------------------------------------

    def _request(
        self, method: str, url: str, fields: tuple[tuple[str, str], ...], body: bytes
    ) -> Request:
        self._cseq += 1
        own = [("CSeq", str(self._cseq)), ("User-Agent", self._agent)]
        if self.session is not None:
            own.append(("Session", self.session))
        return Request(method, url, Headers([*own, *fields]), body)

    def _exchange(self, request: Request) -> Response:
        response = self._asked(self._proved(request))
        if response.status == 401 and self._login is not None:
            offered = response.headers.get_all("WWW-Authenticate")
            self._challenge = strongest(Challenge.parse_list(offered))
            response = self._asked(self._proved(request))
        return response

    def _proved(self, request: Request) -> Request:
        """The same, with a login if it is known what that has to be for."""
        if self._login is None or self._challenge is None:
            return request
        proof = answer(self._challenge, *self._login, request.method, request.uri, "c0", 1)
        headers = Headers([*request.headers, ("Authorization", proof.to_text())])
        return replace(request, headers=headers)

    def _asked(self, request: Request) -> Response:
        self.send(request.to_bytes())
        response = self.next_response()
        while response.headers.get("CSeq") != request.headers.get("CSeq"):
            response = self.next_response()
        return response

    def _receive(self, timeout_s: float) -> None:
        sockets: list[Connection] = list(self._media)
        if not self.is_closed_by_server:
            sockets.append(self._connection)
        if isinstance(self._connection, ssl.SSLSocket) and self._connection.pending():
            timeout_s = 0  # what is deciphered already makes no socket readable
            self._receive_stream()
        readable, _, _ = select.select(sockets, [], [], timeout_s)
        if self._connection in readable:
            self._receive_stream()
        for sock in self._media:
            if sock in readable:
                self._receive_datagrams(sock)

    def _receive_stream(self) -> None:
        try:
            data = self._connection.recv(1 << 18)
        except ConnectionError:
            data = b""
        if not data:
            self.is_closed_by_server = True
        self._received += data
        while self._take_message():
            pass

    def _take_message(self) -> bool:
        if self._received[:1] == b"$":
            return self._take_interleaved()
        head, separator, rest = bytes(self._received).partition(b"\r\n\r\n")
        if not separator:
            return False
        response = Response.parse_head(head.split(b"\r\n"))
        size = content_length(response.headers)
        if len(rest) < size:
            return False
        self._responses.append(
            Response(response.status, response.headers, rest[:size], response.reason)
        )
        del self._received[: len(head) + 4 + size]
        return True

    def _take_interleaved(self) -> bool:
        size = 4 + int.from_bytes(self._received[2:4], "big")
        if len(self._received) < max(4, size):
            return False
        payload, channel = bytes(self._received[4:size]), self._received[1]
        del self._received[:size]
        channels = (self.transport and self.transport.interleaved) or (0, 1)
        if channel == channels[0]:
            self.reception.take_packet(payload)
        elif channel == channels[1]:
            self.reception.take_report(payload)
        else:
            raise ParseError(1, "channel", f"nobody asked for {channel}")
        return True

    def _receive_datagrams(self, sock: socket.socket) -> None:
        with suppress(BlockingIOError):
            while True:
                data, source = sock.recvfrom(1 << 16)
                self.reception.sources.add(source[:2])
                if sock is self._media[0]:
                    self.reception.take_packet(data)
                else:
                    self.reception.take_report(data)

    def _last_sender_report(self) -> int:
        sent = [report for report in self.reception.reports if isinstance(report, SenderReport)]
        return (sent[-1].ntp >> 16) & 0xFFFF_FFFF if sent else 0


def rtp_info(response: Response) -> RTPInfo:
    """What an answer to PLAY promises of the first packet."""
    return RTPInfo.parse_list(_header(response, "RTP-Info"))[0]


def _connected(
    host: str, port: int, timeout_s: float, local_host: str, context: ssl.SSLContext | None
) -> socket.socket:
    if not host.startswith("/"):
        source = (local_host, 0) if local_host else None
        plain = socket.create_connection((host, port), timeout_s, source)
        return context.wrap_socket(plain, server_hostname=host) if context else plain
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(timeout_s)
    sock.connect(host)
    return sock


def _header(response: Response, name: str) -> str:
    return response.headers.get(name) or ""


def _free_pair(connection: Connection) -> tuple[socket.socket, socket.socket]:
    """UDP ports, an even one and the one above it, at the address of a connection."""
    family, local = connection.family, connection.getsockname()
    if family not in {socket.AF_INET, socket.AF_INET6}:
        family, local = socket.AF_INET, ("127.0.0.1", 0)
    for _ in range(PAIR_TRIES):
        first = socket.socket(family, socket.SOCK_DGRAM)
        second = socket.socket(family, socket.SOCK_DGRAM)
        try:
            first.bind((local[0], 0, *local[2:]))
            # From an even port to the odd one above it; from an odd one there is no way.
            second.bind((local[0], first.getsockname()[1] | 1, *local[2:]))
        except OSError:
            first.close()
            second.close()
            continue
        for sock in (first, second):
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        return first, second
    raise OSError("no free pair of UDP ports")
