"""Viewers of a whole server who log in, or try to."""

from collections.abc import Mapping

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernameHashedPassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override
from zope.interface import implementer

from mjpegd.access.auth import Door
from mjpegd.access.credentials import DigestProof
from mjpegd.addresses import Networks
from mjpegd.limits import Limits
from mjpegd.test.conversation import VIEWER, Client, Server
from mjpegd.test.logins import door, password_of
from mjpegd.wire.messages import Response

ELSEWHERE = "192.0.2.66"
ROOT = "rtsp://192.0.2.1:8554/"


class LoginCase(SynchronousTestCase):
    """A server with a door, and viewers in front of it."""

    @override
    def setUp(self) -> None:
        self.serve(door())

    def serve(self, door: Door, networks: Networks | None = None) -> None:
        """Begin anew, with another door."""
        self.server = Server(Limits(), door=door, networks=networks)
        self.client = self.server.connect()

    def connect(self, name: str, host: str = VIEWER) -> Client:
        """A new connection of somebody who is logged in."""
        client = self.server.connect(host)
        client.log_in(name, password_of(name))
        return client

    def waited(self, client: Client, request: bytes) -> tuple[Response, float]:
        """The answer to a request, and how many seconds it took."""
        before, began_s = len(client.responses()), self.server.clock.seconds()
        client.send(request)
        while len(client.responses()) == before and self.server.clock.seconds() < began_s + 60:
            self.server.clock.advance(0.01)
        (answer,) = client.responses()[before:]
        return answer, self.server.clock.seconds() - began_s

    def guess(
        self, name: str, password: str, host: str = VIEWER, method: str = "DESCRIBE"
    ) -> tuple[Response, float]:
        """A login on a connection of its own: the answer, and how many seconds it took."""
        client = self.server.connect(host)
        client.log_in(name, password)
        answered = self.waited(client, client.text(method))
        client.close()
        return answered


@implementer(ICredentialsChecker)
class SlowChecker:
    """Takes its time to know nobody; breaks for whom it has no time.

    Args:
        clock: What goes on while it looks.
        checks_s: How many seconds it looks, by name.
    """

    credentialInterfaces = (IUsernameHashedPassword,)  # noqa: N815 -- Twisted's

    def __init__(self, clock: Clock, checks_s: Mapping[str, float]) -> None:
        self._clock = clock
        self._checks_s = checks_s

    def requestAvatarId(  # noqa: N802 -- Twisted's
        self, credentials: DigestProof
    ) -> "Deferred[bytes | tuple[()]]":
        self._clock.advance(self._checks_s[credentials.authorization.username])
        return fail(UnauthorizedLogin())
