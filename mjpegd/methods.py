"""The methods of RTSP (RFC 2326 section 10): what each checks, does and answers."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

from twisted.logger import Logger

from mjpegd.access.auth import Gate, IViewer, Visitor
from mjpegd.access.rights import Action
from mjpegd.addresses import in_url, is_ipv6, plain_host
from mjpegd.catalogue import Catalogue
from mjpegd.encryption.keying import Agreement, Keying, Offer
from mjpegd.encryption.srtp import EXTRA, MAX_PACKET_BYTES, Guard
from mjpegd.errors import MediaBusyError, MediaError, MediaNotFoundError, RTSPError
from mjpegd.interfaces import IPacketSender
from mjpegd.limits import Limits
from mjpegd.logs import Tally, shown
from mjpegd.packing import JpegPacking
from mjpegd.pictures.forms import Big, JpegForm
from mjpegd.playout import Cue, PlayRequest
from mjpegd.registry import Registry
from mjpegd.rtp import TIMESTAMP_MASK
from mjpegd.senders.interleaved import Carrier, InterleavedSender
from mjpegd.senders.secure import SecureSender
from mjpegd.session import Lifetime, Method, Owner, Session, State, Way, refuse
from mjpegd.stream import FilmStream, LiveStream, Stream
from mjpegd.wire import headers as parsed
from mjpegd.wire.errors import ParseError
from mjpegd.wire.headers import Lower, NptRange, RTPInfo, SessionHeader, Transport
from mjpegd.wire.jpeg_payload import MIN_PAYLOAD_BYTES
from mjpegd.wire.messages import Headers, Request, Response
from mjpegd.wire.packets import RTP_HEADER_BYTES
from mjpegd.wire.sdp import MEDIA_TYPE, Description
from mjpegd.wire.urls import StreamURL, without_userinfo
from mjpegd.wishes import Wishes, leaves_on_time

_log = Logger()

PUBLIC = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER"
# Known to RFC 2326, but a stream of ours cannot be recorded, announced or moved.
OTHER_METHODS = frozenset({"ANNOUNCE", "RECORD", "REDIRECT"})
OPENING_METHODS = frozenset({"DESCRIBE", "SETUP"})
PARAMETERS_TYPE = "text/parameters"
# RFC 3551, and RFC 3711.
PLAIN_PROFILE = "RTP/AVP"
SECURE_PROFILE = "RTP/SAVP"

MAX_SCALE = 64.0
MIN_SCALE = 1 / 64
MAX_SPEED = 16.0
MIN_SPEED = 1 / 16
# A smaller Blocksize leaves too little room beside the headers; it is ignored.
MIN_BLOCKSIZE = MIN_PAYLOAD_BYTES


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
        catch_up: Makes the calls that are late, if any are: whoever has work of which there may be
            much at a time calls it in between.
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


class Connection(Carrier, Visitor, Protocol):
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

    def session_ended(self, session: Session) -> None:
        """A session that this connection named is no more."""
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


async def answer(exchange: Exchange) -> Response:
    """Do what a request asks.

    Raises:
        RTSPError: It is answered with that status.
    """
    request = exchange.request
    if request.version != "RTSP/1.0":
        raise RTSPError(505, f"{request.version} is not spoken here")
    _check_cseq(request)
    exchange.viewer = await exchange.house.gate.admit(request, exchange.connection)
    _check_right(exchange)
    # Before anything else can fail: whatever names a session keeps it alive.
    _find_session(exchange)
    method = _METHODS.get(request.method)
    if method is None:
        raise _unknown(exchange)
    _check_required(request)
    return await method(exchange)


def _check_cseq(request: Request) -> None:
    cseq = request.headers.get("CSeq")
    if cseq is None:
        raise RTSPError(400, "CSeq is missing")
    try:
        parsed.parse_cseq(cseq)
    except ParseError as fault:
        raise RTSPError(400, f"CSeq: {fault}") from None


def _check_right(exchange: Exchange) -> None:
    """See whether the viewer may watch the stream that a request names.

    OPTIONS is for everybody: players ask for it before they log in. The server itself is no
    stream, but where it is opened: the media folder may be a film.

    Raises:
        RTSPError: 400, the URI is malformed; 401 or 403, the viewer may not.
    """
    method = exchange.request.method
    if method == "OPTIONS" or (method not in OPENING_METHODS and _is_root(exchange)):
        return
    if not _may(exchange, Action.WATCH, exchange.url.path):
        raise _barred(exchange)


def _may(exchange: Exchange, action: Action, path: str) -> bool:
    return exchange.viewer.may(action, path, exchange.connection.host)


def _barred(exchange: Exchange) -> RTSPError:
    """Whoever may not have something may log in, or has done so in vain."""
    if exchange.viewer.name is None:
        return exchange.house.gate.challenge(exchange.connection)
    if exchange.house.tally.passes("more requests for what may not be watched"):
        _log.info(
            "{peer} may not have {path}",
            peer=str(exchange.owner),
            path=shown(exchange.url.path),
        )
    return RTSPError(403, "this user may not have that")


def _unknown(exchange: Exchange) -> RTSPError:
    method = exchange.request.method
    if method not in OTHER_METHODS:
        return RTSPError(501, f"no method {method}", [("Public", PUBLIC)])
    if method == "RECORD":
        return refuse(exchange.session.state if exchange.session else State.INIT, method)
    return RTSPError(405, f"{method} is not for these streams", [("Allow", PUBLIC)])


def _check_required(request: Request) -> None:
    tags = request.headers.get_all("Require") + request.headers.get_all("Proxy-Require")
    if tags:
        # Its value is echoed: what could break a header was refused by the parser.
        raise RTSPError(551, "unknown option", [("Unsupported", ", ".join(tags))])


def _find_session(exchange: Exchange) -> None:
    value = exchange.header("Session")
    if value is None:
        return
    try:
        identifier = SessionHeader.parse(value).identifier
    except ParseError:
        raise RTSPError(454, "no such session") from None
    session = exchange.house.registry.find(identifier, exchange.owner)
    exchange.session = session
    exchange.connection.sessions[identifier] = session
    session.attach(exchange.connection)


async def _options(exchange: Exchange) -> Response:
    """Any URL, known or not: FFmpeg gives up on anything but 200."""
    return _ok(exchange, ("Public", PUBLIC))


async def _describe(exchange: Exchange) -> Response:
    url = exchange.url
    _check_accept(exchange)
    wishes = Wishes.parse(url.query)
    form = wishes.form(exchange.agent)
    stream = await _open(exchange, url, form)
    exchange.connection.described = True
    description = _description(exchange, url, stream, wishes)
    exchange.connection.offer = None
    if exchange.keying is not None and wishes.wants_srtp(exchange.agent):
        offer = exchange.connection.offer = exchange.keying.offer()
        description = replace(description, profile=SECURE_PROFILE, key_message=offer.message)
    body = description.to_bytes()
    exchange.connection.knows_size = description.dimensions is not None
    if exchange.house.tally.passes("more descriptions"):
        treatment = stream.treatment(stream.form_for(form))
        _log.info(
            "{peer} describes {stream} as {agent}: {treatment}",
            peer=str(exchange.owner),
            stream=shown(stream.title),
            agent=shown(exchange.agent or "(no User-Agent)"),
            treatment=shown(str(treatment)) if treatment else "live",
        )
    return _ok(
        exchange, ("Content-Base", url.content_base), ("Content-Type", MEDIA_TYPE), body=body
    )


def _check_accept(exchange: Exchange) -> None:
    accept = ",".join(exchange.request.headers.get_all("Accept"))
    kinds = {kind.partition(";")[0].strip().lower() for kind in accept.split(",")}
    if kinds.isdisjoint({"", MEDIA_TYPE, "application/*", "*/*"}):
        raise RTSPError(406, "descriptions come as application/sdp")


def _description(exchange: Exchange, url: StreamURL, stream: Stream, wishes: Wishes) -> Description:
    local_host = exchange.connection.local_host
    started = exchange.house.started
    if isinstance(stream, FilmStream):
        times = stream.times(wishes)
        is_open = not stream.source.complete or stream.is_endless(
            wishes, loop=exchange.house.registry.loop
        )
        if leaves_on_time(exchange.agent):
            form = stream.form_for(wishes.form(exchange.agent))
            is_open |= stream.may_stand_still(form, times.rate)
        range_text = _range_text(None if is_open else times.end)
        framerate = times.rate
    else:
        range_text, framerate = "npt=now-", stream.framerate
    treatment = stream.treatment(stream.form_for(wishes.form(exchange.agent)))
    return Description(
        title=stream.title,
        origin_address=local_host.partition("%")[0],
        address_family="IP6" if is_ipv6(local_host) else "IP4",
        session_id=started,
        version=started,
        range_text=range_text,
        framerate=framerate,
        control=url.control(),
        dimensions=treatment.untold_size if treatment else None,
    )


def _range_text(end_s: float | None) -> str:
    # An end that is not known, or never comes, is not named: GStreamer would stop there.
    return NptRange(0.0, end_s).to_text()


async def _open(exchange: Exchange, url: StreamURL, form: JpegForm) -> Stream:
    try:
        return await exchange.house.catalogue.open(url.path, form)
    except MediaError as refusal:
        status = media_status(refusal)
        if status == 404:
            raise RTSPError(404, "no such stream") from None
        if exchange.house.tally.passes("more requests for what cannot be played"):
            _log.warn(
                "{peer} cannot have {path}: {reason}",
                peer=exchange.connection.host,
                path=shown(url.path),
                reason=shown(str(refusal)),
            )
        raise RTSPError(status, "this cannot be played") from None


def media_status(refusal: MediaError) -> int:
    """The status that tells a client why there is no stream for it."""
    if isinstance(refusal, MediaNotFoundError):
        return 404
    return 503 if isinstance(refusal, MediaBusyError) else 415


async def _setup(exchange: Exchange) -> Response:
    url, session = exchange.url, exchange.session
    _check_blind_setup(exchange)
    if session is not None:
        session.check(Method.SETUP)
    if url.track not in {None, 0}:
        raise RTSPError(404, "no such track")
    wishes = Wishes.parse(url.query)
    form = wishes.form(exchange.agent)
    if wishes.big is None and form.big is Big.NATIVE and not exchange.connection.knows_size:
        form = replace(form, big=Big.SCALE)
    stream = await _open(exchange, url, form)
    # Opening took its time.
    if not exchange.connection.is_open or (session is not None and not session.is_open):
        raise RTSPError(454, "the client has gone")
    if session is not None:
        session.check(Method.SETUP)
    if session is not None and session.stream is not stream:
        raise RTSPError(459, "a session has one stream")
    way, transport = _choose_way(exchange, stream.form_for(form))
    echoed = without_userinfo(exchange.request.uri)
    registry = exchange.house.registry
    if session is None:
        _check_room(exchange)
        session = await registry.create(exchange.owner, url.path, stream, wishes, echoed, way)
        _check_present(exchange, session)
        exchange.session = session
        exchange.connection.sessions[session.identifier] = session
        session.attach(exchange.connection)
    else:
        registry.change_way(session, way, echoed)
    return _ok(exchange, *_transport_fields(exchange, transport, session))


def _check_blind_setup(exchange: Exchange) -> None:
    """VLC without live555 takes RTSP for SAT>IP and would show our RTP as garbage."""
    if exchange.header("CSeq") == "0" and not exchange.connection.described:
        if exchange.house.tally.passes("more players without live555"):
            _log.warn(
                "{peer} sends SETUP with CSeq 0 and no DESCRIBE: a VLC built without live555 "
                "cannot play RTSP; another player, or a VLC with live555, can",
                peer=exchange.connection.host,
            )
        raise RTSPError(461, "this player cannot read RTP/JPEG")


def _check_room(exchange: Exchange) -> None:
    if len(exchange.connection.sessions) >= exchange.house.limits.sessions_per_connection:
        raise RTSPError(453, "too many sessions on this connection")


def _check_present(exchange: Exchange, session: Session) -> None:
    """A session is made in vain if its client has gone meanwhile, or may no longer watch."""
    if not exchange.connection.is_open:
        session.close("the client has gone")
        raise RTSPError(454, "the client has gone")
    if not exchange.house.gate.lets_watch(exchange.viewer.name, session.path, session.host):
        session.close("its viewer may no longer watch it")
        raise _barred(exchange)


def _choose_way(exchange: Exchange, form: JpegForm) -> tuple[Way, Transport]:
    """The first transport of the request that can be had (RFC 2326 section 12.39)."""
    wanted = ",".join(exchange.request.headers.get_all("Transport"))
    elsewhere = False
    for transport in Transport.parse_list(wanted):
        if transport.multicast or not _speaks(exchange, transport):
            continue
        if transport.mode not in {None, "PLAY"}:
            continue
        if transport.destination and plain_host(transport.destination) != exchange.connection.host:
            elsewhere = True
            continue
        if transport.lower is Lower.TCP:
            _agree(exchange, transport.profile)
            return _interleaved_way(exchange, transport, form)
        if transport.client_port is not None and exchange.is_reached_at(transport.client_port):
            _agree(exchange, transport.profile)
            return _udp_way(exchange, transport, transport.client_port, form)
    if elsewhere:
        raise RTSPError(403, "media goes to the address that asks for it, and to no other")
    raise RTSPError(461, "RTP/AVP unicast with a client_port above 1023, or RTP/AVP/TCP")


def _interleaved_way(
    exchange: Exchange, transport: Transport, form: JpegForm
) -> tuple[Way, Transport]:
    connection = exchange.connection
    channels = connection.take_channels(transport.interleaved, exchange.session)
    sender = InterleavedSender(connection, channels)
    way = Way(
        sender=_secured(exchange, sender, interleaved=True),
        packing=JpegPacking(_payload_bytes(exchange), interleaved=True, form=form),
        lifetime=Lifetime.INTERLEAVED,
        description=f"TCP, channels {channels[0]}-{channels[1]}{_in_words(exchange)}",
        channels=channels,
        carrier=connection,
        guard=_guard(exchange),
    )
    return way, Transport(transport.profile, Lower.TCP, interleaved=channels)


def _udp_way(
    exchange: Exchange, transport: Transport, client_port: tuple[int, int], form: JpegForm
) -> tuple[Way, Transport]:
    connection, ports = exchange.connection, exchange.house.ports
    leaves_from = ports.address_for(connection.host, connection.local_host)
    sender = ports.sender(connection.host, client_port, leaves_from)
    way = Way(
        sender=_secured(exchange, sender, interleaved=False),
        packing=JpegPacking(_payload_bytes(exchange), interleaved=False, form=form),
        lifetime=Lifetime.DATAGRAM,
        description=f"UDP, ports {client_port[0]}-{client_port[1]}{_in_words(exchange)}",
        report_ports=client_port,
        guard=_guard(exchange),
    )
    return way, Transport(
        transport.profile,
        client_port=client_port,
        server_port=ports.ports,
        # Without need it is not said: behind NAT it misleads players.
        source=leaves_from if leaves_from != connection.local_host else None,
    )


def _speaks(exchange: Exchange, transport: Transport) -> bool:
    """Whether packets may travel so: as they are, or encrypted with keys that nobody overheard.

    What is asked for on an encrypted connection is not sent for everybody to see.
    """
    house, is_secure = exchange.house, exchange.connection.is_secure
    if transport.profile != SECURE_PROFILE:
        is_seen = is_secure and transport.lower is Lower.UDP
        return transport.profile == PLAIN_PROFILE and not is_seen
    if house.keying is None and is_secure and house.tally.passes("more requests for SRTP"):
        _log.info(
            "{peer} asks for SRTP, which needs one more package: pip install '{extra}' brings it",
            peer=str(exchange.owner),
            extra=EXTRA,
        )
    return exchange.keying is not None


def _agree(exchange: Exchange, profile: str) -> None:
    """Agree upon keys, where a transport that was chosen needs some.

    Raises:
        RTSPError: 463, the viewer's are of no use; 455, the session has begun with others.
    """
    if profile != SECURE_PROFILE or exchange.keying is None:
        return
    if exchange.session is not None:
        # Numbers of packets go on, and the count of their wraps would begin anew.
        raise RTSPError(455, "SRTP begins with a session: SETUP without Session")
    exchange.agreement = exchange.keying.agree(
        exchange.header("KeyMgmt"), exchange.connection.offer
    )


def _guard(exchange: Exchange) -> Guard | None:
    return None if exchange.agreement is None else exchange.agreement.guard


def _in_words(exchange: Exchange) -> str:
    return "" if exchange.agreement is None else f", SRTP by {exchange.agreement.suite.name}"


def _secured(exchange: Exchange, sender: IPacketSender, *, interleaved: bool) -> IPacketSender:
    guard = _guard(exchange)
    return sender if guard is None else SecureSender(sender, guard, interleaved=interleaved)


def _transport_fields(
    exchange: Exchange, transport: Transport, session: Session
) -> list[tuple[str, str]]:
    """How a session's packets travel, and with which key; what was offered is used up by it."""
    keying, agreement = exchange.keying, exchange.agreement
    if keying is None or agreement is None:
        return [("Transport", transport.to_text())]
    exchange.connection.offer = None
    ssrc = session.rtp.ssrc
    return [
        ("Transport", replace(transport, ssrc=ssrc).to_text()),
        ("KeyMgmt", keying.answer(agreement, ssrc, session.url)),
    ]


def _payload_bytes(exchange: Exchange) -> int:
    """What a packet holds after its RTP header; Blocksize counts the same (section 12.7)."""
    most = exchange.house.max_packet_bytes
    if (guard := _guard(exchange)) is not None:
        most = min(most - guard.tag_bytes, MAX_PACKET_BYTES)
    most -= RTP_HEADER_BYTES
    wanted = exchange.header("Blocksize")
    if wanted is None:
        return most
    try:
        blocksize = parsed.parse_blocksize(wanted)
    except ParseError as fault:
        raise RTSPError(400, f"Blocksize: {fault}") from None
    return min(blocksize, most) if blocksize >= MIN_BLOCKSIZE else most


def _own_session(exchange: Exchange) -> Session:
    """The session that a PLAY, PAUSE or TEARDOWN is about."""
    session = exchange.session
    if session is None:
        if exchange.connection.sessions:
            raise RTSPError(454, "which session?")
        raise refuse(State.INIT, exchange.request.method)
    if exchange.request.uri != "*":
        _check_same_stream(exchange.url, session)
    return session


def _check_same_stream(url: StreamURL, session: Session) -> None:
    if url.track not in {None, 0} or url.path != session.path:
        raise RTSPError(404, "that is not the stream of this session")


async def _play(exchange: Exchange) -> Response:
    session = _own_session(exchange)
    session.check(Method.PLAY)
    scale, speed = _pace(exchange, "Scale"), _pace(exchange, "Speed")
    request = _play_request(exchange, session, scale, speed)
    if request is not None and isinstance(session.stream, FilmStream):
        granted = await exchange.house.registry.granted_speed(session, request.speed)
        request = replace(request, speed=granted)
    cue = session.play(request)
    exchange.after = session.roll
    info = RTPInfo(session.url, session.rtp.sequence, cue.ticks & TIMESTAMP_MASK)
    fields = [("Range", _played_range(cue)), ("RTP-Info", info.to_text())]
    if scale is not None or cue.scale != 1:
        fields.append(("Scale", parsed.scale_to_text(cue.scale)))
    if speed is not None or cue.speed != 1:
        fields.append(("Speed", parsed.scale_to_text(cue.speed)))
    return _ok(exchange, *fields)


def _pace(exchange: Exchange, name: str) -> float | None:
    """The value of Scale or Speed, clamped; None where the request has none."""
    text = exchange.header(name)
    if text is None:
        return None
    try:
        value = parsed.parse_scale(text, name)
    except ParseError as fault:
        raise RTSPError(400, f"{name}: {fault}") from None
    if name == "Speed":
        return min(max(value, MIN_SPEED), MAX_SPEED)
    size = min(max(abs(value), MIN_SCALE), MAX_SCALE)
    return size if value > 0 else -size


def _play_request(
    exchange: Exchange, session: Session, scale: float | None, speed: float | None
) -> PlayRequest | None:
    """What is asked for; None for a PLAY without any wish."""
    text = exchange.header("Range")
    if text is None:
        if scale is None and speed is None:
            return None
        return PlayRequest(scale=scale or 1.0, speed=speed or 1.0)
    try:
        wanted = NptRange.parse(text)
    except ParseError as fault:
        if fault.rule == "range-unit" and isinstance(session.stream, LiveStream):
            return PlayRequest()  # a live source has no place to go to in any unit
        raise RTSPError(457, f"Range: {fault}") from None
    start_s, end_s = _direction(wanted, (scale or 1.0) < 0)
    return PlayRequest(start_s, end_s, scale or 1.0, speed or 1.0)


def _direction(wanted: NptRange, reverse: bool) -> tuple[float | None, float | None]:
    """Where a range starts and stops, for the direction that Scale gives it."""
    start_s, end_s = wanted.start, wanted.end
    if start_s is None or end_s is None:
        # `npt=-5` is from where the viewer stands to 5 s.
        return start_s, end_s
    if reverse:
        return max(start_s, end_s), min(start_s, end_s)
    if start_s > end_s:
        raise RTSPError(457, "the range ends before it starts")
    return start_s, end_s


def _played_range(cue: Cue) -> str:
    if cue.npt_s is None:
        return NptRange(None, now=True).to_text()
    return NptRange(cue.npt_s, cue.end_s).to_text()


async def _pause(exchange: Exchange) -> Response:
    npt_s = _own_session(exchange).pause()
    where = NptRange(None, now=True) if npt_s is None else NptRange(npt_s)
    return _ok(exchange, ("Range", where.to_text()))


async def _teardown(exchange: Exchange) -> Response:
    session = _own_session(exchange)
    session.close("TEARDOWN")
    return _ok(exchange)


async def _get_parameter(exchange: Exchange) -> Response:
    """Without a body a sign of life; `streams` on `/` is a list of what can be watched."""
    names = _parameter_names(exchange)
    unknown = [name for name in names if name != "streams" or not _is_root(exchange)]
    if unknown:
        raise _not_understood(unknown)
    if not names:
        return _ok(exchange)
    listings, _ = await exchange.house.catalogue.listing(exchange.house.limits.listed_streams)
    base = f"{exchange.url.scheme}://{exchange.url.authority}/"
    urls = [f"{base}{listing.url_path}" for listing in listings]
    listed = [url for url in urls if _may(exchange, Action.LIST, StreamURL.parse(url).path)]
    if urls and not listed:
        raise _barred(exchange)
    body = "".join(f"streams: {url}\r\n" for url in listed)
    return _ok(exchange, ("Content-Type", PARAMETERS_TYPE), body=body.encode())


async def _set_parameter(exchange: Exchange) -> Response:
    names = _parameter_names(exchange)
    if names:
        raise _not_understood(names)
    return _ok(exchange)


def _parameter_names(exchange: Exchange) -> list[str]:
    lines = exchange.request.body.decode("utf-8", "replace").splitlines()
    names = [line.partition(":")[0].strip() for line in lines if line.strip()]
    return names[: exchange.house.limits.parameters]


def _not_understood(names: list[str]) -> RTSPError:
    # What could not stand in a line of ours is not repeated.
    known = [name for name in names if re.fullmatch(r"[\x21-\x7e]{1,64}", name)]
    body = "".join(f"{name}\r\n" for name in known).encode()
    return RTSPError(451, "unknown parameters", [("Content-Type", PARAMETERS_TYPE)], body)


def _is_root(exchange: Exchange) -> bool:
    return not exchange.url.path


def _ok(exchange: Exchange, *fields: tuple[str, str], body: bytes = b"") -> Response:
    return Response(200, Headers([*session_fields(exchange), *fields]), body)


def session_fields(exchange: Exchange) -> list[tuple[str, str]]:
    """The Session header of an answer, where a session is known."""
    if exchange.session is None:
        return []
    timeout_s = exchange.house.limits.session_timeout_s
    return [("Session", SessionHeader(exchange.session.identifier, timeout_s).to_text())]


_METHODS: dict[str, Callable[[Exchange], Awaitable[Response]]] = {
    "OPTIONS": _options,
    "DESCRIBE": _describe,
    "SETUP": _setup,
    "PLAY": _play,
    "PAUSE": _pause,
    "TEARDOWN": _teardown,
    "GET_PARAMETER": _get_parameter,
    "SET_PARAMETER": _set_parameter,
}
