"""The methods of RTSP (RFC 2326 section 10): what each checks, does and answers."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace

from twisted.logger import Logger

from mjpegd.access.rights import Action
from mjpegd.addresses import is_ipv6
from mjpegd.errors import MediaBusyError, MediaError, MediaNotFoundError, RTSPError
from mjpegd.exchange import Exchange
from mjpegd.logs import shown
from mjpegd.pictures.forms import Big, JpegForm
from mjpegd.playout import Cue, PlayRequest
from mjpegd.rtp import TIMESTAMP_MASK
from mjpegd.session import Method, Session, State, refuse
from mjpegd.stream import FilmStream, LiveStream, Stream
from mjpegd.ways import SECURE_PROFILE, choose_way, transport_fields
from mjpegd.wire import headers as parsed
from mjpegd.wire.errors import ParseError
from mjpegd.wire.headers import NptRange, RTPInfo, SessionHeader
from mjpegd.wire.messages import Headers, Request, Response
from mjpegd.wire.sdp import MEDIA_TYPE, Description
from mjpegd.wire.urls import StreamURL, without_userinfo
from mjpegd.wishes import Wishes, leaves_on_time

_log = Logger()

PUBLIC = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER"
# Known to RFC 2326, but a stream of ours cannot be recorded, announced or moved.
OTHER_METHODS = frozenset({"ANNOUNCE", "RECORD", "REDIRECT"})
OPENING_METHODS = frozenset({"DESCRIBE", "SETUP"})
PARAMETERS_TYPE = "text/parameters"

MAX_SCALE = 64.0
MIN_SCALE = 1 / 64
MAX_SPEED = 16.0
MIN_SPEED = 1 / 16


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
    way, transport = choose_way(exchange, stream.form_for(form))
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
    return _ok(exchange, *transport_fields(exchange, transport, session))


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
