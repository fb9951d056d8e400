"""The RTSP protocol of one connection, and its factory.

What it says is taken apart by `mjpegd.hearing`; what that means is told in `mjpegd.methods` and
`mjpegd.laboratory`. Here it is let in and counted, answered, and closed. One request is answered
before the next is looked at, so that answers keep their order.

Where a connection has become a tunnel, what comes on it, or on another one, is taken out of its
wrapping by an inlet, and heard here as if it had come without.
"""

from contextlib import suppress
from dataclasses import replace
from email.utils import formatdate

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionClosed
from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IPushProducer,
    IReactorTime,
)
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from mjpegd import __version__
from mjpegd.addresses import plain_host
from mjpegd.capacity.admission import FAREWELL_S, Admission, Presence, Refusals
from mjpegd.capacity.guests import Standing
from mjpegd.encryption.keying import Offer
from mjpegd.errors import RTSPError
from mjpegd.exchange import Exchange, House
from mjpegd.flow import Alarm, Outflow, is_encrypted, say_no_more, socket_below
from mjpegd.hearing import Halt, Hearing, Phase
from mjpegd.laboratory import Laboratory
from mjpegd.logs import openssl_reason, shown
from mjpegd.methods import answer, session_fields
from mjpegd.rtp import MALFORMED_RTCP
from mjpegd.session import Lifetime, Session
from mjpegd.tcp import keep_alive, unanswered_s
from mjpegd.tunnels.bearer import Envelope, Inlet
from mjpegd.tunnels.entrance import Entrance
from mjpegd.wire.errors import ParseError
from mjpegd.wire.messages import Headers, Request, Response
from mjpegd.wire.reports import parse_compound
from mjpegd.wire.tunnels import HTTPError
from mjpegd.wire.urls import without_userinfo

_log = Logger()

SERVER = f"mjpegd/{__version__}"
CHANNELS = 256


@implementer(IHalfCloseableProtocol)
class RTSPProtocol(Hearing):
    """One connection of a client.

    Args:
        house: What all connections share.
        clock: Time.
        presence: The connection, as it is counted.
    """

    factory: "RTSPFactory"

    def __init__(self, house: House, clock: IReactorTime, presence: Presence) -> None:
        super().__init__(house.limits, clock)
        self.house = house
        self._presence = presence
        self._is_stranger = house.gate.needs_login
        self._login = Alarm(clock)
        self.host = ""
        self.local_host = ""
        self.local_port = 0
        self.sessions: dict[str, Session] = {}
        self.described = False
        self.knows_size = False  # of pictures whose packets do not tell it
        self.offer: Offer | None = None
        self.is_tunnel = False
        self._outflow = Outflow(self._has_room)
        self._inlet: Inlet | None = None
        self._is_needed = False
        self._is_answering = False
        self._has_said_all = False
        self._farewell = Alarm(clock)
        self._rest = Alarm(clock)
        self._resting: Deferred[None] | None = None
        self._unread_bytes = 0
        self._jammed_s: float | None = None  # since when

    # --- the connection -------------------------------------------------------------------

    @override
    def connectionMade(self) -> None:
        peer, local = self.transport.getPeer(), self.transport.getHost()
        self.host = plain_host(getattr(peer, "host", ""))
        if isinstance(local, IPv4Address | IPv6Address):  # and no UNIX socket
            self.local_host, self.local_port = plain_host(local.host), local.port
            with suppress(OSError):  # a proxy may have come by a UNIX socket
                self.transport.setTcpNoDelay(True)
                if (below := socket_below(self.transport)) is not None:
                    keep_alive(below)
        self._outflow.connect(self.transport)
        self.begin_hearing()
        if self._is_stranger:
            self._login.set(self.house.limits.login_s, self._not_logged_in)
        self._presence.give_way = self._give_way

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not reason.check(ConnectionClosed):
            self._tls_failed(reason)
        self.stop_hearing()
        for alarm in (self._rest, self._farewell, self._login):
            alarm.stop()
        self._wake()
        self._leave_sessions()
        self.laboratory = None
        self._outflow.stopProducing()
        self._presence.leaves()
        if self._inlet is not None:
            self._inlet.lost()
        self.factory.forget(self)
        # Thousands may close in one turn of the reactor.
        self.house.catch_up()

    def readConnectionLost(self) -> None:  # noqa: N802 - of IHalfCloseableProtocol
        """The client sends no more, and is told so when it has its answers (``nc -N``).

        While a request is being answered nothing is read, and so not the end either.
        """
        self._has_said_all = True
        self.hang_up()

    def writeConnectionLost(self) -> None:  # noqa: N802 - of IHalfCloseableProtocol
        """All is written, and the client was told so; as many others may have been."""
        self.house.catch_up()

    @property
    def is_secure(self) -> bool:
        """What travels on it is encrypted."""
        return is_encrypted(self.transport)

    def rest(self, seconds: float) -> "Deferred[None]":
        """Fires after so many seconds, or when the connection is gone."""
        if not self.is_open:
            return succeed(None)
        resting: Deferred[None] = Deferred()
        self._resting = resting
        self._rest.set(seconds, self._wake)
        return resting

    def _wake(self) -> None:
        resting, self._resting = self._resting, None
        if resting is not None:
            resting.callback(None)

    def _tls_failed(self, reason: Failure) -> None:
        """Often it is the client that does not trust the certificate, and its alert says so."""
        if reason.value is not None and self.house.tally.passes("more failures of TLS"):
            _log.info(
                "{peer}: TLS failed: {reason}",
                peer=self.host,
                reason=shown(openssl_reason(reason.value)),
            )

    def abandoned(self, silent_s: float) -> str | None:
        """Why nobody is at the other end (see `mjpegd.session.Lifeline`)."""
        limits = self.house.limits
        jammed_s = self._jammed_s
        if jammed_s is not None and self._clock.seconds() - jammed_s > limits.interleaved_idle_s:
            return "nothing was read for too long"
        # The system would try for a quarter of an hour to reach a machine that has vanished.
        if silent_s > limits.silence_s and self._unanswered_s > limits.silence_s:
            return "its machine does not answer"
        return None

    @property
    def _unanswered_s(self) -> float:
        below = socket_below(self.transport)
        return 0.0 if below is None else unanswered_s(below)

    def abandon(self) -> None:
        """Close without a word (see `mjpegd.session.Lifeline`)."""
        self.transport.abortConnection()

    def _leave_sessions(self) -> None:
        for session in list(self.sessions.values()):
            session.detach(self)
        self.sessions.clear()
        if self.laboratory is not None:
            self.laboratory.close()

    def _carried(self) -> list[Session]:
        """The sessions whose packets travel on this connection; others were only named on it."""
        return [
            session
            for session in self.sessions.values()
            if session.way.carrier is self and session.way.lifetime is Lifetime.INTERLEAVED
        ]

    def session_ended(self, session: Session) -> None:
        """A session that this connection named is no more."""
        self.sessions.pop(session.identifier, None)
        self._stands()

    @property
    def _has_session(self) -> bool:
        """It has one, or another connection that may have one cannot do without it."""
        laboratory = self.laboratory
        has_laboratory = laboratory is not None and laboratory.has_session
        return bool(self.sessions) or has_laboratory or self._is_needed

    def _stands(self) -> None:
        """Whoever counts connections is to know what has become of this one."""
        if not self.is_open:
            return
        if self._has_session:
            self._is_stranger = False
            self._presence.asks(Standing.SEATED)
        else:
            self._presence.asks(Standing.STRANGER if self._is_stranger else Standing.KNOWN)

    def _give_way(self) -> None:
        """There is no room, and this connection is longest without a request or session."""
        if self.phase is Phase.HTTP:
            self.refuse_http(HTTPError(503, "There is no room left for who waits."))
        else:
            self.send_response(Response(503), self.known_cseq())
            self.hang_up()
        self.transport.loseConnection()

    def _not_logged_in(self) -> None:
        if self._is_stranger:
            _log.debug("{peer} has not logged in for too long", peer=self.host)
            self.hang_up()

    @property
    def _client(self) -> str:
        """Who it is for the log, with the sessions that the client has here."""
        return " ".join([self.host, *(f"session {identifier}" for identifier in self.sessions)])

    @property
    def is_jammed(self) -> bool:
        """The client reads more slowly than is written."""
        return self._outflow.is_jammed

    def write(self, data: bytes | memoryview) -> None:
        """Send whole messages or interleaved packets.

        A client that reads nothing of what is sent is not listened to for a while: it could
        make the answers pile up.
        """
        if not self.is_open:
            return
        if self.is_jammed:
            self._unread_bytes += len(data)
        self._outflow.write(data)
        if self.is_jammed and self._jammed_s is None:
            self._jammed_s = self._clock.seconds()
        if self._unread_bytes > self.house.limits.unread_answer_bytes:
            self.halt(Halt.UNREAD)

    def hang_up(self) -> None:
        """Read nothing more, and close when all is written.

        What the client still sends is taken and thrown away for a moment: closing on unread
        bytes would reset the connection, and the client might lose the answer.
        """
        if not self.is_open:
            return
        self._leave_sessions()
        if self._inlet is not None:
            self._inlet.closing()
        self.stop_hearing()
        self.transport.unregisterProducer()
        self._login.stop()
        if self._has_said_all:
            self.transport.loseConnection()
        else:
            say_no_more(self.transport)
            self.resumeProducing()
        self._farewell.set(FAREWELL_S, self.transport.abortConnection)

    def _has_room(self) -> None:
        self._unread_bytes = 0
        self._jammed_s = None
        for session in self._carried():
            session.way.sender.flush()
        self.resume(Halt.UNREAD)

    # --- what is heard --------------------------------------------------------------------

    @override
    def dataReceived(self, data: bytes) -> None:
        if not self.is_hearing:  # what is left of a piece comes here again
            # The reactor reads from all who have sent something before it looks at the time.
            self.house.catch_up()
        if self._inlet is None:
            self.hear(data)
        elif self.is_open:
            self._inlet.received(data)

    @override
    def hear(self, data: bytes) -> None:
        for session in self._carried():
            session.touch()
        super().hear(data)

    @override
    def packet_received(self, channel: int, payload: bytes) -> None:
        for session in self._carried():
            if channel == session.way.channels[1]:
                try:
                    session.received(parse_compound(session.opened(payload)))
                except ParseError:
                    self.house.tally.count(MALFORMED_RTCP)

    @override
    def laboratory_begins(self) -> Laboratory:
        return Laboratory(self)

    @override
    def settle(self) -> None:
        super().settle()
        self._stands()

    @override
    def fell_idle(self) -> None:
        if self._has_session:
            # Sessions have their own rules; the connection lives at least as long.
            self.wait_again()
        else:
            _log.debug("{peer} said nothing for too long", peer=self.host)
            self.hang_up()

    # --- HTTP, and what is inside of it -----------------------------------------------------

    @override
    def http_received(self, request: Request, rest: bytes) -> None:
        try:
            self._inlet = self.factory.entrance.enter(request, self)
        except HTTPError as refusal:
            self.refuse_http(refusal)
        else:
            self._inlet.received(rest)

    def converse(self, source: IPushProducer, envelope: Envelope | None = None) -> None:
        """Speak RTSP with whom this source listens to (see `mjpegd.tunnels.bearer.Bearer`)."""
        self.is_tunnel = True
        self._outflow.envelope = envelope
        self.begin_hearing(source)

    def write_through(self, data: bytes) -> None:
        """Send bytes of a tunnel's own, behind all else."""
        if self.is_open:
            self._outflow.write_through(data)

    def stay(self) -> None:
        """Stay as long as the connection that needs this one (see `mjpegd.tunnels.bearer`)."""
        self._is_needed = True
        self._stands()

    def refuse_http(self, fault: HTTPError) -> None:
        """Answer in HTTP that there is no tunnel, and close."""
        if self.house.tally.passes("more HTTP requests to the RTSP port"):
            _log.info(
                "{peer} speaks HTTP to the RTSP port: {status}, {reason}",
                peer=self.host,
                status=fault.status,
                reason=shown(str(fault)),
            )
        self.send_response(fault.to_response(), None)
        self.hang_up()

    # --- answering ------------------------------------------------------------------------

    @override
    def request_received(self, request: Request) -> None:
        exchange = Exchange(request, self, self.house, self.house.gate.everyone)
        response = Deferred.fromCoroutine(answer(exchange)).addErrback(self._refused, exchange)
        self.wait_for(response.addCallback(self._answered, exchange))

    def wait_for(self, done: "Deferred[object]") -> None:
        """Look at no further message before this one is dealt with."""
        self._is_answering = True
        done.addErrback(self._broke)
        done.addCallback(lambda _: self._dealt_with())
        if self._is_answering:
            self.halt(Halt.ANSWERING)

    def _dealt_with(self) -> None:
        self._is_answering = False
        self._stands()
        self.resume(Halt.ANSWERING)

    def _refused(self, failure: Failure, exchange: Exchange) -> Response:
        fault = failure.value
        if not isinstance(fault, RTSPError):
            _log.failure(
                "{client}: a {method} request broke",
                failure,
                client=self._client,
                method=shown(exchange.request.method),
            )
            return Response(500, Headers(session_fields(exchange)))
        if self.house.tally.passes("more refused requests"):
            _log.debug(
                "{client}: {method} {uri} answered {status}: {reason}",
                client=self._client,
                method=shown(exchange.request.method),
                uri=shown(without_userinfo(exchange.request.uri)),
                status=fault.status,
                reason=shown(str(fault)),
            )
        fields = [*session_fields(exchange), *fault.headers]
        return Response(fault.status, Headers(fields), fault.body)

    def _answered(self, response: Response, exchange: Exchange) -> None:
        if not self.is_hearing:  # it has waited for something, as many others may have
            self.house.catch_up()
        if exchange.viewer.name is not None:
            self._is_stranger = False
        self.send_response(response, exchange.request.headers.get("CSeq"))
        if exchange.after is not None:
            exchange.after()

    def _broke(self, failure: Failure) -> None:
        _log.failure("an answer to {client} broke", failure, client=self._client)
        self.hang_up()

    def send_response(self, response: Response, cseq: str | None) -> None:
        """Complete an answer with what every answer has, and send it."""
        fields = [("CSeq", cseq)] if cseq else []
        fields += [("Date", formatdate(self.house.wall_clock(), usegmt=True)), ("Server", SERVER)]
        data = replace(response, headers=Headers([*fields, *response.headers])).to_bytes()
        self.write(data)

    @override
    def cut_off(self, status: int, reason: str) -> None:
        if self.is_reading_http:
            self.refuse_http(HTTPError(status, f"There is {reason}."))
            return
        if self.house.tally.passes("more clients cut off"):
            _log.info(
                "{client} is cut off: {status}, {reason}",
                client=self._client,
                status=status,
                reason=shown(reason),
            )
        self.send_response(Response(status), self.known_cseq())
        self.hang_up()

    # --- interleaved channels -------------------------------------------------------------

    def take_channels(
        self, wanted: tuple[int, int] | None, session: Session | None
    ) -> tuple[int, int]:
        """Interleaved channels for a session: those wanted if they are free, or the next ones.

        Raises:
            RTSPError: 461, all are taken.
        """
        taken = {
            channel
            for other in self._carried()
            if other is not session
            for channel in other.way.channels
        }
        if wanted is not None and taken.isdisjoint(wanted):
            return wanted
        for first in range(0, CHANNELS, 2):
            if taken.isdisjoint((first, first + 1)):
                return first, first + 1
        raise RTSPError(461, "no interleaved channel is free")


class RTSPFactory(ServerFactory):
    """Makes a protocol for each connection that is let in.

    Args:
        house: What all connections share.
        admission: Whether there is room for one.
        clock: Time.
        entrance: For those that speak HTTP.
    """

    noisy = False

    def __init__(
        self, house: House, admission: Admission, clock: IReactorTime, entrance: Entrance
    ) -> None:
        self.house = house
        self.entrance = entrance
        self._admission = admission
        self._clock = clock
        self._connections: set[RTSPProtocol] = set()
        self._refusals = Refusals(clock)

    @override
    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        self.house.catch_up()
        host = plain_host(getattr(addr, "host", ""))
        if not self.house.gate.takes(host):
            return self._refusals.outsider(self.house.tally)
        standing = Standing.STRANGER if self.house.gate.needs_login else Standing.KNOWN
        presence = self._admission.connect(host, standing)
        if presence is None:
            return self._refusals.protocol()
        protocol = RTSPProtocol(self.house, self._clock, presence)
        protocol.factory = self
        self._connections.add(protocol)
        return protocol

    def forget(self, protocol: RTSPProtocol) -> None:
        """A connection has closed."""
        self._connections.discard(protocol)

    def hang_up_all(self) -> None:
        """Close every connection when what it was sent is written."""
        for protocol in list(self._connections):
            protocol.hang_up()

    def abort_all(self) -> None:
        """Close every connection now."""
        for protocol in list(self._connections):
            protocol.transport.abortConnection()

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._connections)
