"""One RTSP connection to a server: requests and answers both ways, and packets between them."""

from collections.abc import Sequence

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IPushProducer, IReactorTime
from typing_extensions import override
from zope.interface import implementer

from mjpegd.wire.errors import ParseError
from mjpegd.wire.headers import parse_cseq
from mjpegd.wire.messages import Headers, InterleavedFrame, Request, Response

from ..errors import ConfusedError, DisconnectedError
from ..interfaces import Ears
from .connection import Connection
from .reading import Packet, Reader

# Cameras that wake up take some seconds; people give up at about that time.
ANSWER_S = 10.0
# What a server may ask of a player (RFC 2326 section 10).
PUBLIC = ("OPTIONS", "GET_PARAMETER", "SET_PARAMETER")


@implementer(IPushProducer)
class Conversation(Connection[Response]):
    """A connection on which requests are sent, and answers and packets come.

    What cannot be understood ends it.

    Args:
        clock: Time.
        ears: Who is told what happens.
        agent: The name and version of the player.
        host: What a person calls the server, for sentences.
    """

    def __init__(self, clock: IReactorTime, ears: Ears, agent: str, host: str) -> None:
        super().__init__(clock, ears, host)
        self._agent = agent
        self._reader = Reader()
        self._is_jammed = False

    @override
    def connectionMade(self) -> None:
        super().connectionMade()
        self.transport.registerProducer(self, True)

    def ask(
        self,
        method: str,
        url: str,
        fields: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        patience_s: float = ANSWER_S,
    ) -> Deferred[Response]:
        """Send a request; the answer, whatever its status, or a `PlayerError`.

        Several may wait for their answers at the same time.
        """
        if not self.is_open:
            return fail(DisconnectedError(f"There is no connection to {self._host} any more."))
        cseq = self.next_cseq()
        own = [("CSeq", str(cseq)), ("User-Agent", self._agent)]
        try:
            data = Request(method, url, Headers([*own, *fields]), body).to_bytes()
        except ValueError:
            fault = f"{self._host} named something that no {method} request can repeat."
            return fail(ConfusedError(fault))
        answer = self.wait_for(cseq, method, patience_s)
        self.send(data)
        return answer

    def send_interleaved(self, channel: int, data: bytes) -> None:
        """Send one packet, unless the server reads so slowly that packets would pile up."""
        if self.is_open and not self._is_jammed:
            self.transport.write(InterleavedFrame(channel, data).to_bytes())

    # --- what comes -----------------------------------------------------------------------

    @override
    def dataReceived(self, data: bytes) -> None:
        if not self.is_open:
            return
        try:
            for event in self._reader.feed(data):
                if isinstance(event, Packet):
                    self._ears.interleaved(event.channel, event.payload)
                else:
                    self.tell(event.raw, is_ours=False)
                    self._heard(event.message)
                if not self.is_open:
                    return
        except ConfusedError as error:
            self.abandon(error)

    def _heard(self, message: Request | Response) -> None:
        if isinstance(message, Request):
            self._reply(message)
        elif message.status >= 200:  # below, the answer itself is still to come
            self.settle(self._cseq_of(message), message)

    def _cseq_of(self, response: Response) -> int:
        """Which question is answered: where it is not told, the only one that waits."""
        try:
            return parse_cseq(response.headers.get("CSeq") or "")
        except ParseError:
            return self.waiting[0] if len(self.waiting) == 1 else 0

    def _reply(self, request: Request) -> None:
        """Answer a server that asks, unless it does not read what it is answered."""
        if self._is_jammed:
            return
        status = 200 if request.method in PUBLIC else 501
        fields = [("CSeq", request.headers.get("CSeq") or ""), ("Public", ", ".join(PUBLIC))]
        self.send(Response(status, Headers(fields)).to_bytes())

    # --- how fast the server reads --------------------------------------------------------

    def pauseProducing(self) -> None:
        """The server reads more slowly than is written."""
        self._is_jammed = True

    def resumeProducing(self) -> None:
        """There is room again."""
        self._is_jammed = False

    def stopProducing(self) -> None:
        """The connection is gone; ``connectionLost`` says so too."""
