"""What proves to a server who asks: answers to its challenges, request by request."""

from collections.abc import Callable, Iterable
from enum import Enum, auto

from mjpegd.wire.digest import Challenge, answer, strongest

from ..errors import LoginError, RefusedError
from .foreign import shown


class _Trust(Enum):
    """What the server thinks of user and password."""

    UNTRIED = auto()
    SAID = auto()
    ACCEPTED = auto()


class Login:
    """A user and a password for one server.

    Basic tells the password to whoever listens: it is only used where nothing better is asked for.

    Args:
        user: As a person typed it; empty where there is nobody to log in.
        password: Likewise.
        cnonce: Makes random text, new at each call.
    """

    def __init__(self, user: str, password: str, cnonce: Callable[[], str]) -> None:
        self._user = user
        self._password = password
        self._cnonce = cnonce
        self._trust = _Trust.UNTRIED
        self._challenge: Challenge | None = None
        self._answers = 0

    @property
    def was_said(self) -> bool:
        """User and password are with the server, which has not yet said that they are right."""
        return self._trust is _Trust.SAID

    def take(self, challenges: Iterable[str]) -> bool:
        """Take the challenges of a refusal; False where asking again would be in vain.

        Args:
            challenges: The values of all its headers ``WWW-Authenticate``.
        """
        challenge = strongest(Challenge.parse_list(challenges))
        if not self._user or challenge is None or (self.was_said and not challenge.stale):
            return False
        self._challenge = challenge
        self._answers = 0
        self._trust = _Trust.SAID
        return True

    def accepted(self) -> None:
        """A request was answered that said user and password, if any was asked for."""
        if self.was_said:
            self._trust = _Trust.ACCEPTED

    def fields(self, method: str, uri: str) -> list[tuple[str, str]]:
        """The header of the next request; none before a server asks for it."""
        if self._challenge is None:
            return []
        self._answers += 1
        answered = answer(
            self._challenge,
            self._user,
            self._password,
            method,
            uri,
            self._cnonce(),
            self._answers,
        )
        return [("Authorization", answered.to_text())]


def login_error(
    host: str, method: str, challenges: Iterable[str], *, was_tried: bool
) -> RefusedError:
    """The error for a request that no login of ours opens.

    Args:
        host: What a person calls the server.
        method: What was asked.
        challenges: The values of all headers ``WWW-Authenticate`` of the answer.
        was_tried: A user and a password were said.
    """
    challenge = strongest(Challenge.parse_list(challenges))
    if challenge is None:
        sentence = f"{host} wants a login of a kind that this player does not know."
        return RefusedError(sentence, method, 401)
    if was_tried:
        sentence = f"{host} does not know this user, or not with this password."
    else:
        sentence = f"{host} wants a user and a password."
    return LoginError(sentence, method, shown(challenge.realm), was_tried=was_tried)
