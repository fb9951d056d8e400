"""A conversation in RTSP about one stream: what is asked, in which order, and what is learnt."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from mjpegd.wire.errors import ParseError
from mjpegd.wire.headers import (
    NptRange,
    RTPInfo,
    SessionHeader,
    Transport,
    parse_scale,
    scale_to_text,
)
from mjpegd.wire.messages import Response
from mjpegd.wire.sdp import MEDIA_TYPE

from ..errors import (
    ConfusedError,
    DisconnectedError,
    LocationError,
    PlayerError,
    RefusedError,
)
from ..interfaces import Cue, Ears, Offer
from .conversation import ANSWER_S, Conversation
from .description import Described
from .dialling import Reactor, dial
from .location import Location
from .login import Login, login_error
from .refusals import UNSUPPORTED_TRANSPORT, refusal

_log = Logger()

# A request, the same with a login, and once more where the server's nonce was too old.
MAX_TRIES = 3
# A camera behind a balancer needs one; more than some are a circle.
MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
# RFC 2326 section 12.37, where a server does not tell.
DEFAULT_TIMEOUT_S = 60
# Routers on the way forget connections that are silent for longer.
MAX_KEEP_ALIVE_S = 30.0
# More often is no sign of life but a load.
MIN_KEEP_ALIVE_S = 1.0
# A person who leaves does not wait for a server that may be gone.
TEARDOWN_S = 2.0

_GET_PARAMETER = "GET_PARAMETER"
_UNAUTHORIZED = 401
_SESSION_NOT_FOUND = 454


class RTSPDialogue:
    """Speaks with one server about one stream (see `client.interfaces.Dialogue`).

    Whoever has one closes it, also when the connection was lost.

    Args:
        clock: Time.
        location: The stream.
        login: For the server of this location; no other is told it.
        conversation: The connection to it.
        reach: Opens a connection to another server.
    """

    def __init__(
        self,
        clock: IReactorTime,
        location: Location,
        login: Login,
        conversation: Conversation,
        reach: Callable[[Location], Awaitable[Conversation]],
    ) -> None:
        self._location = location
        self._first_host = location.host
        self._login = login
        self._conversation = conversation
        self._reach = reach
        self._is_closed = False
        self._track_url = self._aggregate_url = location.url
        self._is_srtp = False
        self._session: str | None = None
        self._asked_scale = 1.0
        self._lives_by = "OPTIONS"
        self._clock = clock
        self._keep_alive: LoopingCall | None = None

    @property
    def server_host(self) -> str:
        """The address at the other end of the connection, as the sockets name it."""
        return self._conversation.server_host

    def send_interleaved(self, channel: int, data: bytes) -> None:
        """Send one RTCP packet on the connection of the requests."""
        self._conversation.send_interleaved(channel, data)

    def close(self) -> None:
        """Close the connection; nothing is called afterwards."""
        self._is_closed = True
        self._forget_session()
        self._conversation.close()

    # --- the methods ----------------------------------------------------------------------

    async def describe(self) -> Offer:
        """What the stream is, wherever the server sends us for it."""
        for _ in range(1 + MAX_REDIRECTS):
            await self._learn_methods()
            response = await self._ask("DESCRIBE", self._location.url, [("Accept", MEDIA_TYPE)])
            if response.status not in REDIRECTS:
                return self._described(response)
            await self._go_on(response)
        raise ConfusedError(
            f"{self._location.host} is the end of a chain of servers that send the player on: "
            "the stream's address may be wrong."
        )

    async def setup(self, wanted: Transport) -> Transport:
        """Agree on a way for the media; a session that was there before is ended."""
        await self.teardown()
        url = self._track_url
        response = await self._demand("SETUP", url, [("Transport", wanted.to_text())])
        self._begin_session(response)
        agreed = _agreed(wanted, response.headers.get("Transport"))
        if agreed is None:
            await self.teardown()
            raise self._refusal("SETUP", url, Response(UNSUPPORTED_TRANSPORT))
        return agreed

    async def play(self, start_s: float | None, scale: float) -> Cue:
        """Play from a media time, or from where it stands."""
        response = await self._play(start_s, scale)
        if _rate(response, "Speed") != 1.0:
            # GStreamer knows no Scale: it sends faster, and goes on so until it is told not to.
            response = await self._play(_start_s(response), 1.0, ("Speed", "1.0"))
        info = self._rtp_info(response)
        return Cue(
            _start_s(response),
            _rate(response, "Scale"),
            info.sequence if info else None,
            info.timestamp if info else None,
        )

    async def _play(
        self, start_s: float | None, scale: float, *fields: tuple[str, str]
    ) -> Response:
        wanted = list(fields)
        if start_s is not None:
            wanted.append(("Range", NptRange(max(0.0, start_s)).to_text()))
        if (scale, self._asked_scale) != (1.0, 1.0):
            wanted.append(("Scale", scale_to_text(scale)))
        response = await self._demand("PLAY", self._aggregate_url, wanted)
        self._asked_scale = scale
        return response

    async def pause(self) -> float | None:
        """Stand still; where, if the server tells."""
        return _start_s(await self._demand("PAUSE", self._aggregate_url))

    async def teardown(self) -> None:
        """End the session, if there is one. Never fails: the server may be gone."""
        if self._session is None:
            return
        fields = self._session_fields()
        self._forget_session()
        try:
            await self._ask("TEARDOWN", self._aggregate_url, fields, patience_s=TEARDOWN_S)
        except PlayerError as error:
            _log.debug("no answer to TEARDOWN: {error}", error=error)

    # --- asking ---------------------------------------------------------------------------

    async def _ask(
        self,
        method: str,
        url: str,
        fields: Sequence[tuple[str, str]] = (),
        *,
        patience_s: float = ANSWER_S,
    ) -> Response:
        """An answer of any status but 401, to which user and password are the answer."""
        challenges: list[str] = []
        for _ in range(MAX_TRIES):
            authorized = [*fields, *self._login.fields(method, url)]
            response = await self._conversation.ask(method, url, authorized, patience_s=patience_s)
            if response.status != _UNAUTHORIZED:
                self._login.accepted()
                return response
            challenges = response.headers.get_all("WWW-Authenticate")
            if not self._login.take(challenges):
                break
        raise self._unauthorized(method, challenges)

    async def _demand(
        self, method: str, url: str, fields: Sequence[tuple[str, str]] = ()
    ) -> Response:
        """An answer that is a success; session and all."""
        response = await self._ask(method, url, [*fields, *self._session_fields()])
        return self._success(method, url, response)

    def _success(self, method: str, url: str, response: Response) -> Response:
        if not 200 <= response.status < 300:
            raise self._refusal(method, url, response)
        return response

    def _refusal(self, method: str, url: str, response: Response) -> RefusedError:
        return refusal(self._location.host, method, url, response, is_srtp=self._is_srtp)

    def _unauthorized(self, method: str, challenges: Sequence[str]) -> RefusedError:
        host = self._location.host
        if host != self._first_host:
            sentence = (
                f"{self._first_host} sends the player on to {host}, which wants a user and a "
                f"password: open {self._location.url} itself."
            )
            return RefusedError(sentence, method, _UNAUTHORIZED)
        return login_error(host, method, challenges, was_tried=self._login.was_said)

    # --- what is learnt -------------------------------------------------------------------

    async def _learn_methods(self) -> None:
        response = await self._ask("OPTIONS", self._location.url)
        is_public = _GET_PARAMETER in (response.headers.get("Public") or "")
        self._lives_by = _GET_PARAMETER if is_public else "OPTIONS"

    def _described(self, response: Response) -> Offer:
        url = self._location.url
        described = Described.read(url, self._success("DESCRIBE", url, response))
        self._track_url, self._aggregate_url = described.track_url, described.aggregate_url
        self._is_srtp = described.is_srtp
        return described.offer

    async def _go_on(self, response: Response) -> None:
        """Where a server sends us; to another host without user and password."""
        here = self._location
        try:
            there = Location.parse(response.headers.get("Location") or "")
        except LocationError:
            raise ConfusedError(
                f"{here.host} sends the player on, and does not say where to."
            ) from None
        if here.is_secure and not there.is_secure:
            raise ConfusedError(
                f"{here.host} sends the player on to a connection that anybody can read. "
                f"If that is all right, open {there.url} itself."
            )
        self._location = there
        if there.host != here.host:
            self._login = Login("", "", str)
        if _server(there) != _server(here):
            self._conversation.close()
            self._conversation = await self._reach(there)
            if self._is_closed:
                self._conversation.close()

    def _rtp_info(self, response: Response) -> RTPInfo | None:
        """What is said of our track, or of the only one, whatever it is called."""
        try:
            infos = RTPInfo.parse_list(response.headers.get("RTP-Info") or "")
        except ParseError:
            return None
        ours = [info for info in infos if self._track_url.endswith(info.url)]
        if not ours and len(infos) == 1:
            return infos[0]
        return next(iter(ours), None)

    # --- the session ----------------------------------------------------------------------

    def _begin_session(self, response: Response) -> None:
        try:
            session = SessionHeader.parse(response.headers.get("Session") or "")
        except ParseError:
            fault = f"{self._location.host} answers SETUP without a session that can be named."
            raise ConfusedError(fault) from None
        self._session = session.identifier
        self._asked_scale = 1.0
        timeout_s = session.timeout_s or DEFAULT_TIMEOUT_S
        interval_s = max(MIN_KEEP_ALIVE_S, min(timeout_s / 2, MAX_KEEP_ALIVE_S))
        self._keep_alive = LoopingCall(self._show_life, session.identifier)
        self._keep_alive.clock = self._clock
        self._keep_alive.start(interval_s, now=False).addErrback(
            lambda failure: _log.failure("a session is no longer kept alive", failure)
        )

    def _forget_session(self) -> None:
        self._session = None
        if self._keep_alive is not None and self._keep_alive.running:
            self._keep_alive.stop()
        self._keep_alive = None

    def _session_fields(self) -> list[tuple[str, str]]:
        return [] if self._session is None else [("Session", self._session)]

    def _show_life(self, session: str) -> Deferred[None]:
        return Deferred.fromCoroutine(self._say_something(session))

    async def _say_something(self, session: str) -> None:
        """Keep the session alive; a server that does not answer may still send pictures."""
        try:
            response = await self._ask(self._lives_by, self._aggregate_url, self._session_fields())
        except PlayerError as error:
            _log.debug("a sign of life found no answer: {error}", error=error)
            return
        if response.status == _SESSION_NOT_FOUND and self._session == session:
            host = self._location.host
            self._conversation.abandon(DisconnectedError(f"{host} has ended the session."))
        elif response.status >= 400:
            self._lives_by = "OPTIONS"


async def connect(
    reactor: Reactor,
    location: Location,
    ears: Ears,
    *,
    login: Login,
    agent: str,
    verifies_certificate: bool = True,
) -> RTSPDialogue:
    """Connect to a server, to speak about one of its streams.

    Args:
        reactor: Where connections come from, and the player's clock.
        location: The stream.
        ears: Who is told what happens.
        login: User and password for this host.
        agent: The name and version of the player.
        verifies_certificate: A server of ``rtsps://`` has to prove who it is.

    Raises:
        ConnectError: No connection came about.
    """

    async def reach(place: Location) -> Conversation:
        conversation = Conversation(reactor, ears, agent, place.host)
        await dial(reactor, place, conversation, verifies_certificate=verifies_certificate)
        return conversation

    return RTSPDialogue(reactor, location, login, await reach(location), reach)


def _server(location: Location) -> tuple[str, int, bool]:
    return location.host, location.port, location.is_secure


def _agreed(wanted: Transport, text: str | None) -> Transport | None:
    """The way that a server takes, our side filled in; None where it is not the one asked for."""
    told = Transport.parse_list(text) if text else [wanted]
    if not told or (told[0].lower, told[0].multicast) != (wanted.lower, wanted.multicast):
        return None
    channels = told[0].interleaved or wanted.interleaved
    return replace(told[0], client_port=wanted.client_port, interleaved=channels)


def _start_s(response: Response) -> float | None:
    try:
        return NptRange.parse(response.headers.get("Range") or "").start
    except ParseError:
        return None


def _rate(response: Response, name: str) -> float:
    """Scale or Speed; a server that does not tell knows none."""
    try:
        return parse_scale(response.headers.get(name) or "", name)
    except ParseError:
        return 1.0
