"""A server that lets only one user in, and sends whoever that is on to another server."""

from twisted.internet.protocol import Protocol, ServerFactory
from typing_extensions import override

from mjpegd.wire.digest import (
    Algorithm,
    Challenge,
    DigestAuthorization,
    Scheme,
    ha1,
    parse_authorization,
)
from mjpegd.wire.messages import Headers, Request, Response

REALM = "front door"
USER, PASSWORD = "anna", "open sesame"
NONCE = "4711"

_CHALLENGE = Challenge(Scheme.DIGEST, REALM, NONCE, Algorithm.SHA_256, ("auth",))


class Doorkeeper(ServerFactory):
    """Asks for a login by Digest.

    Args:
        url: Where those go who are let in.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    @override
    def buildProtocol(self, addr: object) -> Protocol:
        return _Door(self)


class _Door(Protocol):
    def __init__(self, keeper: Doorkeeper) -> None:
        self._keeper = keeper
        self._heard = b""

    @override
    def dataReceived(self, data: bytes) -> None:
        # A player waits for each answer, and its requests have no body here.
        self._heard += data
        if self._heard.endswith(b"\r\n\r\n"):
            request, self._heard = Request.parse(self._heard), b""
            self._answer(request)

    def _answer(self, request: Request) -> None:
        cseq = ("CSeq", request.headers.get("CSeq") or "")
        if request.method == "OPTIONS":
            response = Response(200, Headers([cseq]))
        elif _is_let_in(request):
            response = Response(302, Headers([cseq, ("Location", self._keeper.url)]))
        else:
            challenge = ("WWW-Authenticate", _CHALLENGE.to_text())
            response = Response(401, Headers([cseq, challenge]))
        assert self.transport is not None
        self.transport.write(response.to_bytes())


def _is_let_in(request: Request) -> bool:
    text = request.headers.get("Authorization")
    if text is None:
        return False
    answer = parse_authorization(text)
    secret = ha1(Algorithm.SHA_256, USER, REALM, PASSWORD)
    return (
        isinstance(answer, DigestAuthorization)
        and (answer.username, answer.nonce) == (USER, NONCE)
        and answer.is_right(secret, request.method)
    )
