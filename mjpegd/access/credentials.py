"""What a login proves, and who knows whether that is right: for ``twisted.cred``."""

import hmac
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernameHashedPassword, IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from zope.interface import Attribute, Interface, implementer

from mjpegd.access.users import Users, secrets_of
from mjpegd.wire.digest import Algorithm, BasicAuthorization, DigestAuthorization


class IProof(Interface):
    """Proves that a user knows a password, to somebody who keeps what `secrets_of` makes of it."""

    username: bytes | str = Attribute("Who that is.")

    def is_right(secrets: Mapping[Algorithm, str]) -> bool:
        """Whether it is the password of these secrets, in a time that does not depend on it."""


@implementer(IProof, IUsernameHashedPassword)
@dataclass(frozen=True)
class DigestProof:
    """The answer to a challenge of Digest.

    Attributes:
        username: The name, in the form that a checker knows.
        realm: What the passwords are for here.
        method: Of the request.
        authorization: What the request said.
    """

    username: bytes | str
    realm: str
    method: str
    authorization: DigestAuthorization = field(repr=False)

    @property
    def guess(self) -> str:
        """The same for the same password, as long as the nonce and the request are the same."""
        return self.authorization.response

    def is_right(self, secrets: Mapping[Algorithm, str]) -> bool:
        """Whether it is the password of these secrets (see `IProof`)."""
        secret = secrets[self.authorization.algorithm or Algorithm.MD5]
        return self.authorization.is_right(secret, self.method)

    def checkPassword(self, password: bytes | str) -> bool:
        """Whether it is this password (see ``IUsernameHashedPassword``)."""
        return self.is_right(secrets_of(self.authorization.username, self.realm, as_text(password)))


@implementer(IProof, IUsernameHashedPassword, IUsernamePassword)
@dataclass(frozen=True)
class BasicProof:
    """A password as it is.

    Attributes:
        username: The name, in the form that a checker knows.
        realm: What the passwords are for here.
        authorization: What the request said.
    """

    username: bytes | str
    realm: str
    authorization: BasicAuthorization = field(repr=False)

    @property
    def guess(self) -> str:
        """The same for the same password."""
        return self.authorization.password

    @property
    def password(self) -> bytes:
        """The password (see ``IUsernamePassword``)."""
        return as_bytes(self.authorization.password)

    def is_right(self, secrets: Mapping[Algorithm, str]) -> bool:
        """Whether it is the password of these secrets (see `IProof`)."""
        strongest = Algorithm.SHA_256
        return self.authorization.is_right(secrets[strongest], self.realm, strongest)

    def checkPassword(self, password: bytes | str) -> bool:
        """Whether it is this password (see ``IUsernamePassword``)."""
        return hmac.compare_digest(self.password, as_bytes(as_text(password)))


Proof = DigestProof | BasicProof


def as_text(data: bytes | str) -> str:
    """A name or password as we have it; the bytes of others as surrogate escapes."""
    return data.decode("utf-8", "surrogateescape") if isinstance(data, bytes) else data


def as_bytes(text: str) -> bytes:
    """The same as Twisted has it."""
    return text.encode("utf-8", "surrogateescape")


# --- Who knows the passwords --------------------------------------------------------------------


@implementer(ICredentialsChecker)
class UsersChecker:
    """Knows the users of a users file.

    Args:
        users: What the file says.
    """

    credentialInterfaces = (IProof,)

    def __init__(self, users: Users) -> None:
        self._by_name = users.by_name
        self._nobody = secrets_of("", users.realm, secrets.token_hex())

    def requestAvatarId(self, credentials: Proof) -> "Deferred[bytes | tuple[()]]":
        """The name of the user, if the password is right (see ``ICredentialsChecker``)."""
        user = self._by_name.get(as_text(credentials.username))
        # The same work for who is unknown.
        is_right = credentials.is_right(user.secrets if user else self._nobody)
        if user is None or not is_right:
            return fail(UnauthorizedLogin())
        return succeed(as_bytes(as_text(credentials.username)))


@implementer(ICredentialsChecker)
class PluginsChecker:
    """Knows whom checkers of Twisted's ``--auth`` know, asked one after the other.

    Args:
        checkers: They compare with plain passwords.
    """

    credentialInterfaces = (IUsernameHashedPassword,)

    def __init__(self, checkers: Sequence[ICredentialsChecker]) -> None:
        self._checkers = checkers

    def requestAvatarId(self, credentials: Proof) -> "Deferred[bytes | tuple[()]]":
        """The name of the first who lets the credentials pass (see ``ICredentialsChecker``)."""
        return Deferred.fromCoroutine(self._ask(credentials))

    async def _ask(self, credentials: Proof) -> bytes | tuple[()]:
        for checker, form in self._attempts(credentials):
            try:
                found = await maybeDeferred(checker.requestAvatarId, form)
            except UnauthorizedLogin:
                continue
            return found if isinstance(found, tuple) else as_bytes(as_text(found))
        raise UnauthorizedLogin

    def _attempts(self, credentials: Proof) -> Iterator[tuple[ICredentialsChecker, Proof]]:
        name = as_text(credentials.username)
        for checker in self._checkers:
            # Twisted's `file` knows names as bytes, its `memory` as text.
            yield checker, replace(credentials, username=as_bytes(name))
            yield checker, replace(credentials, username=name)
