"""What a client says: bytes become requests and packets, in order, within limits and at a rate.

A connection is at each moment in one phase:

    BETWEEN   raw: one byte tells an interleaved packet (``$``) from the first line of a request
    HEAD      lines, up to the empty one; the laboratory's clients may leave that out
    BODY      raw, as many bytes as Content-Length said
    HTTP      what comes is not RTSP, or not yet: `mjpegd.tunnels` has it
    OVER      nothing is heard any more

While there is a reason to halt, nothing is read, and what was read already waits.
"""

from abc import ABC, abstractmethod
from dataclasses import replace
from enum import Enum, auto

from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.protocols.basic import LineReceiver
from typing_extensions import override

from mjpegd.flow import Alarm, Allowance, Patience, StreamTransport
from mjpegd.laboratory import Laboratory
from mjpegd.limits import Limits
from mjpegd.wire.errors import ParseError
from mjpegd.wire.lab import SILENCE_S, Dialect, End, dialect
from mjpegd.wire.messages import Request, content_length, is_http
from mjpegd.wire.packets import INTERLEAVED_MAGIC

# A laboratory client sends a request in one piece; after this, nothing more will come of it.
INCOMPLETE_S = 2.0


class Phase(Enum):
    """What the next bytes of a connection are; see the module's docstring."""

    BETWEEN = auto()
    HEAD = auto()
    BODY = auto()
    HTTP = auto()
    OVER = auto()


class Halt(Enum):
    """Why nothing more is read for now; reading goes on when no reason is left."""

    ANSWERING = auto()
    TOO_FAST = auto()
    UNREAD = auto()


class Hearing(LineReceiver, ABC):
    """Takes apart what comes on a connection, or through a tunnel to it.

    Args:
        limits: How large messages may be, how long each may take, and how many may come.
        clock: Time.

    Attributes:
        phase: What the next bytes are.
        is_hearing: Some that have come are just being taken apart.
        laboratory: What speaks for the server, where the client is a laboratory's.
    """

    transport: StreamTransport
    # Lines end in CRLF, or in LF alone: the laboratory's, and people with telnet.
    delimiter = b"\n"

    def __init__(self, limits: Limits, clock: IReactorTime) -> None:
        self.phase = Phase.BETWEEN
        self.laboratory: Laboratory | None = None
        self.MAX_LENGTH = limits.line_bytes
        self.is_hearing = False
        self._source: IPushProducer | None = None
        self._limits = limits
        self._clock = clock
        self._raw = bytearray()
        self._lines: list[bytes] = []
        self._head_bytes = 0
        self._request: Request | None = None
        self._body_bytes = 0
        self._halts: set[Halt] = set()
        self._patience = Patience(clock, limits, self._too_slow, self.fell_idle)
        self._silence = Alarm(clock)
        now_s = clock.seconds()
        self._request_allowance = Allowance(limits.requests_per_s, limits.request_burst, now_s)
        self._packet_allowance = Allowance(limits.packets_per_s, limits.packet_burst, now_s)
        self._slowness = Alarm(clock)

    # --- what is heard --------------------------------------------------------------------

    @abstractmethod
    def request_received(self, request: Request) -> None:
        """A request is complete."""

    @abstractmethod
    def packet_received(self, channel: int, payload: bytes) -> None:
        """An interleaved packet is complete."""

    @abstractmethod
    def http_received(self, request: Request, rest: bytes) -> None:
        """The head of a request of HTTP is complete, and so much has come behind it."""

    @abstractmethod
    def laboratory_begins(self) -> Laboratory:
        """From here on the client is one of the laboratory's; who speaks with it."""

    @abstractmethod
    def cut_off(self, status: int, reason: str) -> None:
        """What comes cannot be heard: it is to be answered with this status, and closed."""

    @abstractmethod
    def fell_idle(self) -> None:
        """Nothing was begun for too long."""

    def begin_hearing(self, source: IPushProducer | None = None) -> None:
        """What is heard from now on is RTSP.

        Args:
            source: Who is told to pause, where that is not the transport.
        """
        self._source = source
        self.phase = Phase.BETWEEN
        self.setRawMode()
        self._patience.completed()

    # --- bytes ----------------------------------------------------------------------------

    def hear(self, data: bytes) -> None:
        """More of what the client says has come, on this connection or through a tunnel."""
        is_first, self.is_hearing = not self.is_hearing, True
        try:
            self._hear(data)
        finally:
            self.is_hearing = not is_first

    def _hear(self, data: bytes) -> None:
        if not self.is_open:
            return
        if self.laboratory is not None and data.strip():
            self._patience.begun()
        super().dataReceived(data)
        self._watch_silence()

    @override
    def rawDataReceived(self, data: bytes) -> None:
        self._raw += data
        while self._raw and not self._halts and self._take_raw():
            pass

    def _take_raw(self) -> bool:
        """Take what the first byte begins; False where more has to come, or lines follow."""
        if self.phase is Phase.BODY:
            return self._take_body()
        if self.phase is not Phase.BETWEEN:
            return False
        if self._raw[:1] == INTERLEAVED_MAGIC:
            return self._take_packet()
        if self._raw[0] in b"\r\n":  # some clients pad messages with line ends
            del self._raw[:1]
            return True
        if not self._raw[:1].isalpha():
            # A TLS handshake begins with 0x16, and has no line end to wait for.
            self.cut_off(400, "what begins is no request, and may be TLS")
            return False
        self._begin_head()
        return False

    def _take_packet(self) -> bool:
        """Take one interleaved packet; False while it is incomplete."""
        size = 4 + int.from_bytes(self._raw[2:4], "big")
        if len(self._raw) < 4 or len(self._raw) < size:
            self._patience.begun()
            return False
        channel, payload = self._raw[1], bytes(self._raw[4:size])
        del self._raw[:size]
        self._patience.completed()
        self.spend_frame()
        self.packet_received(channel, payload)
        return True

    def _begin_head(self) -> None:
        self.phase = Phase.HEAD
        self._lines = []
        self._head_bytes = 0
        self._patience.begun()
        waiting = bytes(self._raw)
        self._raw.clear()
        self.setLineMode()
        self.hear(waiting)

    @override
    def lineReceived(self, line: bytes) -> None:
        if self.phase is not Phase.HEAD:
            return
        if self.laboratory is not None:
            self._laboratory_line(line)
            return
        if not line.rstrip(b"\r"):
            self._head_ended()
            return
        self._head_bytes += len(line)
        self._lines.append(line)
        if len(self._lines) > self._limits.header_lines:
            self.cut_off(413, f"more than {self._limits.header_lines} header lines")
        elif self._head_bytes > self._limits.header_bytes:
            self.cut_off(413, f"more than {self._limits.header_bytes} header bytes")
        elif not self._is_http and dialect(self._lines, End.OPEN) is Dialect.LABORATORY:
            self._speak_laboratory(End.OPEN)

    @override
    def lineLengthExceeded(self, line: bytes) -> None:
        if self.phase is Phase.HEAD:
            status = 413 if self._lines else 414
            self.cut_off(status, f"a line of more than {self.MAX_LENGTH} bytes")

    @property
    def _is_http(self) -> bool:
        """The request that is being read is one of HTTP."""
        return bool(self._lines) and is_http(self._lines[0].rstrip(b"\r"))

    def _head_ended(self) -> None:
        if self._is_http:
            self._http_head_ended()
            return
        if dialect(self._lines, End.EMPTY_LINE) is Dialect.LABORATORY:
            self._speak_laboratory(End.EMPTY_LINE)
            return
        try:
            request = self._parsed_head()
            self._body_bytes = content_length(request.headers)
        except ParseError as fault:
            # Where a message that cannot be read ends, nobody knows.
            self.cut_off(400, str(fault))
            return
        if self._body_bytes > self._limits.body_bytes:
            self.cut_off(413, f"a body of more than {self._limits.body_bytes} bytes")
            return
        self.setRawMode()
        if self._body_bytes:
            self._request = request
            self.phase = Phase.BODY
        else:
            self._complete(request)

    def _http_head_ended(self) -> None:
        """What its length says of a body is fictitious."""
        rest = self.clearLineBuffer()
        try:
            request = self._parsed_head()
        except ParseError as fault:
            self.cut_off(400, f"a request that cannot be read: {fault}")
            return
        self._lines = []
        self.phase = Phase.HTTP
        self.settle()
        self.http_received(request, rest)

    def _parsed_head(self) -> Request:
        return Request.parse_head([line.rstrip(b"\r") for line in self._lines])

    def _take_body(self) -> bool:
        if len(self._raw) < self._body_bytes or self._request is None:
            return False
        body = bytes(self._raw[: self._body_bytes])
        del self._raw[: self._body_bytes]
        self._complete(replace(self._request, body=body))
        return True

    def _complete(self, request: Request) -> None:
        self.phase = Phase.BETWEEN
        self.settle()
        self.request_received(request)

    # --- the laboratory's dialect ---------------------------------------------------------

    def _watch_silence(self) -> None:
        """A message that may be the laboratory's ends when nothing follows it."""
        self._silence.stop()
        if self.phase is Phase.HEAD and not self._halts:
            self._silence.set(SILENCE_S, self._fell_silent)

    def _fell_silent(self) -> None:
        rest = self.clearLineBuffer()
        if self.laboratory is not None:
            rest = self.laboratory.silence(rest)
        elif self._lines or rest:
            lines = [*self._lines, rest] if rest else self._lines
            if dialect(lines, End.SILENCE) is Dialect.LABORATORY:
                rest = self._speak_laboratory(End.SILENCE, rest)
        if rest.strip():
            self._patience.begun()
            super().dataReceived(rest)
        if self.laboratory is not None and self.laboratory.has_begun(rest) and not self._halts:
            self._silence.set(INCOMPLETE_S, self._stayed_silent)

    def _stayed_silent(self) -> None:
        """What misses something misses it for good: the client waits for an answer."""
        if self.laboratory is not None:
            self.laboratory.give_up(self.clearLineBuffer())

    def _speak_laboratory(self, end: End, rest: bytes = b"") -> bytes:
        """From here on the connection is the laboratory's; what of `rest` is not complete."""
        self.laboratory = self.laboratory_begins()
        lines, self._lines = self._lines, []
        for line in lines:
            self.laboratory.line(line)
        if end is End.EMPTY_LINE:
            self.laboratory.line(b"")
        return self.laboratory.silence(rest) if end is End.SILENCE else rest

    def _laboratory_line(self, line: bytes) -> None:
        if self.laboratory is None:
            return
        if not line.strip():
            # Of many empty lines only the first means anything.
            super().dataReceived(self.clearLineBuffer().lstrip(b"\r\n"))
        if not self.laboratory.line(line):
            self.cut_off(413, "a laboratory message of too many lines")

    # --- how it stands --------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Something can still be heard, and sent."""
        return self.phase is not Phase.OVER

    @property
    def is_reading_http(self) -> bool:
        """The head that is coming in is that of a request of HTTP."""
        return self.phase is Phase.HEAD and self._is_http

    def settle(self) -> None:
        """A message is complete: from now on silence is what is limited."""
        self._spend(self._request_allowance)
        if self.is_open:
            self._patience.completed()

    def wait_again(self) -> None:
        """Nothing has come for too long, and it may be silent as long once more."""
        self._patience.completed()

    def stop_hearing(self) -> None:
        """Nothing that comes is heard any more."""
        self.phase = Phase.OVER
        for alarm in (self._patience, self._silence, self._slowness):
            alarm.stop()

    def _too_slow(self) -> None:
        self.cut_off(408, "a request was begun and not completed")

    def known_cseq(self) -> str | None:
        """The number of a request that could not be read to its end, if it came."""
        for line in self._lines:
            name, _, value = line.partition(b":")
            number = value.strip()
            if name.strip().lower() == b"cseq" and number.isdigit() and len(number) <= 10:
                return number.decode("ascii")
        return None

    # --- reading more slowly --------------------------------------------------------------

    @override
    def pauseProducing(self) -> None:
        self.paused = True
        (self._source or self.transport).pauseProducing()

    @override
    def resumeProducing(self) -> None:
        self.paused = False
        (self._source or self.transport).resumeProducing()
        self.hear(b"")

    def halt(self, why: Halt) -> None:
        """Read nothing more until this reason is gone."""
        if not self._halts:
            self.pauseProducing()
        self._halts.add(why)

    def resume(self, why: Halt) -> None:
        """This reason is gone; what waits is heard if it was the last one."""
        if why not in self._halts:
            return
        self._halts.discard(why)
        if not self._halts and self.is_open:
            # What was taken raw is older than what LineReceiver, which still pauses, has.
            waiting = bytes(self._raw) + self.clearLineBuffer()
            self._raw.clear()
            super().dataReceived(waiting)
            self.resumeProducing()

    def spend_frame(self) -> None:
        """A packet or a frame of a tunnel was taken: above the rate, they are read more slowly."""
        self._spend(self._packet_allowance)

    def _spend(self, allowance: Allowance) -> None:
        """What comes above the rate is read more slowly; a burst is taken at once."""
        wait_s = allowance.spend(self._clock.seconds())
        if wait_s:
            self.halt(Halt.TOO_FAST)
            self._slowness.set(wait_s, self.resume, Halt.TOO_FAST)
