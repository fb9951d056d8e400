"""Who may watch: viewers are logged in through ``twisted.cred``, and told apart by their rights.

What a request proves of a password becomes credentials, a checker knows whether they are right,
a realm makes a viewer of a name, and a portal holds these together. Where the passwords are is
the checker's affair: in a users file, or wherever a checker of Twisted's ``--auth`` has them.
"""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.error import LoginDenied, LoginFailed
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import Attribute, Interface, implementer

from mjpegd.access.credentials import (
    BasicProof,
    DigestProof,
    PluginsChecker,
    Proof,
    UsersChecker,
    as_bytes,
    as_text,
)
from mjpegd.access.nonces import Nonces
from mjpegd.access.penalties import Penalties
from mjpegd.access.rights import ALL_RIGHTS, NO_RIGHTS, Action, Rights
from mjpegd.access.users import MAX_NAME_CHARACTERS, Users
from mjpegd.addresses import LOCAL_HOST, Networks
from mjpegd.errors import RTSPError
from mjpegd.limits import Limits
from mjpegd.logs import Tally, shown
from mjpegd.wire.digest import (
    Algorithm,
    Authorization,
    Challenge,
    DigestAuthorization,
    Scheme,
    parse_authorization,
)
from mjpegd.wire.errors import ParseError
from mjpegd.wire.messages import Request
from mjpegd.wire.urls import same_stream

_log = Logger()

WRONG = "wrong user or password"
# Where no users file says another.
DEFAULT_REALM = "mjpegd"


# --- Who they are -------------------------------------------------------------------------------


class IViewer(Interface):
    """Somebody who asks for streams."""

    name: str | None = Attribute("The user; None without a login.")

    def may(action: Action, path: str, host: str) -> bool:
        """Whether this may be done with the stream under a path, from this address."""


@implementer(IViewer)
@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who asks for streams.

    Attributes:
        name: The user; None without a login.
        rights: What the user may do, and what everyone may.
    """

    name: str | None
    rights: tuple[Rights, ...]

    def may(self, action: Action, path: str, host: str) -> bool:
        """Whether this may be done with the stream under a path, from this address."""
        return any(rights.allow(action, path, host) for rights in self.rights)


@implementer(IRealm)
class Audience:
    """All who may be viewers: makes them of their names.

    Args:
        everyone: What may be done without a login.
        rights_of: What a user may do beside that; None for who is no user.
    """

    def __init__(self, everyone: Rights, rights_of: Callable[[str], Rights | None]) -> None:
        self.everyone = Viewer(None, (everyone,))
        self._rights_of = rights_of

    def requestAvatar(
        self, avatarId: bytes | tuple[()], mind: object, *interfaces: type[Interface]
    ) -> "Deferred[tuple[type[Interface], object, Callable[[], None]]]":
        """The viewer of a name (see ``IRealm``).

        Args:
            avatarId: The name, as a checker gives it.
            mind: The address.
            interfaces: `IViewer` among them.

        Raises:
            LoginDenied: Nobody, or not from there.
            NotImplementedError: Something else than a viewer is wanted (see IRealm).
        """
        if IViewer not in interfaces:
            # What twisted.cred asks of a realm that does not know an interface.
            raise NotImplementedError("there are viewers and nothing else")
        viewer = None if isinstance(avatarId, tuple) else self.viewer(as_text(avatarId))
        if viewer is None or not viewer.rights[0].reach(str(mind)):
            raise LoginDenied("not from this network")
        return succeed((IViewer, viewer, lambda: None))

    def viewer(self, name: str | None) -> Viewer | None:
        """The viewer of a name; None where nobody has it."""
        if name is None:
            return self.everyone
        rights = self._rights_of(name)
        return Viewer(name, (rights, *self.everyone.rights)) if rights else None


@dataclass(frozen=True, slots=True)
class Door:
    """Who is let in, until somebody changes that.

    Attributes:
        audience: Who there is.
        realm: What the passwords are for, in words for a person.
        portal: Where users log in; None where there are none.
    """

    audience: Audience
    realm: str = DEFAULT_REALM
    portal: Portal | None = None

    @classmethod
    def of_users(cls, users: Users) -> "Door":
        """For those whom a users file names, and for what it opens to everyone."""
        rights = {name: user.rights for name, user in users.by_name.items()}
        audience = Audience(users.everyone, rights.get)
        return cls(audience, users.realm, Portal(audience, [UsersChecker(users)]))

    @classmethod
    def of_plugins(cls, checkers: Sequence[ICredentialsChecker]) -> "Door":
        """For those whom checkers of ``--auth`` know: they may do everything, others nothing."""
        audience = Audience(NO_RIGHTS, lambda _: ALL_RIGHTS)
        return cls(audience, portal=Portal(audience, [PluginsChecker(checkers)]))

    @classmethod
    def of_all(cls) -> "Door":
        """For everybody."""
        return cls(Audience(ALL_RIGHTS, lambda _: None))

    @classmethod
    def of_nobody(cls) -> "Door":
        """For nobody, until it is known who may."""
        return cls(Audience(NO_RIGHTS, lambda _: None))


# --- How they come in ---------------------------------------------------------------------------


class Visitor(Protocol):
    """What is needed to know of the connection that a request came on."""

    host: str

    @property
    def is_secure(self) -> bool:
        """What travels on it is encrypted."""
        ...

    def rest(self, seconds: float) -> "Deferred[None]":
        """Fires after so many seconds, or when the connection is gone."""
        ...


class Gate:
    """Lets viewers in.

    Args:
        door: Who is let in.
        networks: From where connections are taken at all; None for anywhere.
        clock: Time.
        limits: How long nonces are good.
        tally: Counts what may come in floods.
        penalties: How long answers to wrong logins wait.
        key: Random bytes for nonces, which nobody else knows.

    Attributes:
        door: Who is let in; may be another one at any time.
    """

    def __init__(
        self,
        door: Door,
        networks: Networks | None,
        clock: IReactorTime,
        limits: Limits,
        tally: Tally,
        penalties: Penalties,
        key: bytes,
    ) -> None:
        self.door = door
        self._networks = networks
        self._clock = clock
        self._tally = tally
        self._penalties = penalties
        self._key = key
        self._nonces = Nonces(key, limits.nonce_s, clock.seconds)

    def takes(self, host: str) -> bool:
        """Whether a connection from this address is taken."""
        return self._networks is None or host in self._networks

    @property
    def needs_login(self) -> bool:
        """There are users, and what is theirs alone."""
        return self.door.portal is not None

    @property
    def everyone(self) -> Viewer:
        """Whoever has not logged in."""
        return self.door.audience.everyone

    def lets_watch(self, name: str | None, path: str, host: str) -> bool:
        """Whether a user, or with no name everyone, may watch the stream under a path."""
        viewer = self.door.audience.viewer(name)
        return viewer is not None and viewer.may(Action.WATCH, path, host)

    async def admit(self, request: Request, visitor: Visitor) -> IViewer:
        """Who sends a request; without a login that is everyone.

        Whether that is enough for what the request wants is not looked at here.

        Raises:
            RTSPError: 401, the login is wrong, or was right with a nonce that is too old.
        """
        began_s = self._clock.seconds()
        portal, proof = self.door.portal, self._proof(request, visitor)
        if portal is None or proof is None:
            return self.everyone
        try:
            viewer = await _logged_in(portal, proof, request, visitor.host)
        except LoginFailed as failure:
            wait_s = await self._refused(proof, visitor.host, failure)
            await visitor.rest(max(0.0, began_s + wait_s - self._clock.seconds()))
            # With the same nonce whoever says the same again can be seen to do so.
            raise self.challenge(visitor, nonce=self._current_nonce(proof, visitor)) from None
        if isinstance(proof, DigestProof) and not self._is_good(proof, request.method, visitor):
            raise self.challenge(visitor, stale=True)
        return viewer

    def challenge(self, visitor: Visitor, *, nonce: str = "", stale: bool = False) -> RTSPError:
        """What asks for a login, in the order and form that players understand.

        FFmpeg and live555 take the last Digest, and know MD5 only; GStreamer mixes up nonces that
        differ. There is a new nonce where none is told.
        """
        realm, nonce = self.door.realm, nonce or self._nonces.new(visitor.host)
        challenges = [
            Challenge(Scheme.DIGEST, realm, nonce, algorithm, stale=stale)
            for algorithm in (Algorithm.SHA_256, Algorithm.MD5)
        ]
        if visitor.is_secure:
            challenges.insert(0, Challenge(Scheme.BASIC, realm))
        fields = [("WWW-Authenticate", challenge.to_text()) for challenge in challenges]
        return RTSPError(401, "a nonce is too old" if stale else "a login is needed", fields)

    def _proof(self, request: Request, visitor: Visitor) -> Proof | None:
        """What a request proves; None for nothing, or in a way that was not offered."""
        text = request.headers.get("Authorization")
        if text is None:
            return None
        try:
            authorization = parse_authorization(text)
        except ParseError:
            return None
        return self._credentials(authorization, request.method, visitor)

    def _credentials(
        self, authorization: Authorization, method: str, visitor: Visitor
    ) -> Proof | None:
        realm = self.door.realm
        if isinstance(authorization, DigestAuthorization):
            return DigestProof(as_bytes(authorization.username), realm, method, authorization)
        if visitor.is_secure:
            return BasicProof(as_bytes(authorization.user), realm, authorization)
        return None

    def _current_nonce(self, proof: Proof, visitor: Visitor) -> str:
        """The nonce of an answer; empty for one that is too old, or not ours."""
        nonce = proof.authorization.nonce if isinstance(proof, DigestProof) else ""
        return nonce if self._nonces.is_current(nonce, visitor.host) else ""

    def _is_good(self, proof: DigestProof, method: str, visitor: Visitor) -> bool:
        """Whether the nonce of a right answer is good for this request.

        TEARDOWN may have an old one: FFmpeg does not wait for the answer, and would be sent media
        after it has gone. Whoever repeats what was overheard finds no session any more.
        """
        nonce = proof.authorization.nonce
        knows = self._nonces.is_own if method == "TEARDOWN" else self._nonces.is_current
        return knows(nonce, visitor.host)

    async def _refused(self, proof: Proof, host: str, failure: LoginFailed) -> float:
        """A login was wrong; how many seconds its answer has to wait."""
        name = as_text(proof.username)
        # What no user can be called may be as long as a header.
        known_by = as_bytes(name[: MAX_NAME_CHARACTERS + 1])
        # What may be a password is kept by nobody who only counts.
        guess = hmac.new(self._key, as_bytes(f"{name}\0{proof.guess}"), hashlib.sha256).digest()
        penalty = await self._penalties.failed(host, known_by, guess)
        if penalty.is_new and self._tally.passes("more failed logins"):
            # Filters for fail2ban read this line: nothing foreign stands before the address.
            _log.warn(
                "login from {peer} failed: {reason}, user {user}",
                peer=host or LOCAL_HOST,
                reason=str(failure) if isinstance(failure, LoginDenied) else WRONG,
                user=shown(name),
            )
        return penalty.wait_s


async def _logged_in(portal: Portal, proof: Proof, request: Request, host: str) -> IViewer:
    """The viewer who proves to be one.

    Raises:
        LoginFailed: It is nobody's proof, or not for this request.
    """
    _, viewer, _ = await portal.login(proof, host, IViewer)
    if isinstance(proof, DigestProof) and not same_stream(proof.authorization.uri, request.uri):
        raise LoginDenied("an answer for another URL")
    return IViewer(viewer)
