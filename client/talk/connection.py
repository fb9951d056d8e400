"""A connection to a server: questions wait for their answers, and it ends once, saying why."""

import re
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IDelayedCall, IReactorTime, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override

from ..errors import DisconnectedError, PlayerError, SilenceError
from ..interfaces import Ears, Message
from .dialling import why_lost

# How long the last words may take to be read by a server that does not read.
FAREWELL_S = 2.0
# Of a message so much is shown to a person; hardly any is longer.
SHOWN_BYTES = 16_384

_BASIC = re.compile(r"^((?:proxy-)?authorization: *basic +).*$", re.IGNORECASE | re.MULTILINE)
_USERINFO = re.compile(r"(://[^/\s:@]*:)[^/\s@]*@")
_HIDDEN = r"\1(hidden)"
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")

Answer = TypeVar("Answer")


class ClientTransport(ITCPTransport, IConsumer):
    """What a connection needs of its transport; TCP and TLS have it."""


class Connection(Protocol, Generic[Answer]):
    """What the dialects of this player have in common.

    It ends by `close`, by `abandon`, or by the server or the network. But for the first,
    ``ears.lost`` is told so; then the questions fail that still wait.

    Args:
        clock: Time.
        ears: Who is told what happens.
        host: What a person calls the server, for sentences.

    Attributes:
        server_host: The address at the other end, as the sockets name it.
        is_open: Something can be asked.
    """

    transport: ClientTransport

    def __init__(self, clock: IReactorTime, ears: Ears, host: str) -> None:
        self.server_host = ""
        self.is_open = False
        self._clock = clock
        self._ears = ears
        self._host = host
        self._questions: dict[int, Deferred[Answer]] = {}
        self._last_cseq = 0
        self._farewell: IDelayedCall | None = None

    @override
    def connectionMade(self) -> None:
        self.is_open = True
        self.server_host = getattr(self.transport.getPeer(), "host", "")
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._farewell is not None and self._farewell.active():
            self._farewell.cancel()
        self._end(why_lost(self._host, reason))

    def close(self) -> None:
        """End it; nobody's ears hear of it."""
        if self._end(DisconnectedError("The connection was closed."), is_told=False):
            self.transport.unregisterProducer()
            self._farewell = self._clock.callLater(FAREWELL_S, self.transport.abortConnection)
            self.transport.loseConnection()

    def abandon(self, error: PlayerError) -> None:
        """End it for a reason that the ears are told."""
        if self._end(error):
            self.transport.abortConnection()

    # --- for the dialects -----------------------------------------------------------------

    def next_cseq(self) -> int:
        """The number of the next request."""
        self._last_cseq += 1
        return self._last_cseq

    def send(self, data: bytes) -> None:
        """Send a message."""
        self.tell(data, is_ours=True)
        self.transport.write(data)

    def tell(self, data: bytes, *, is_ours: bool) -> None:
        """Let the ears hear a message."""
        self._ears.message(Message(self._clock.seconds(), is_ours, as_text(data)))

    def wait_for(self, cseq: int, method: str, patience_s: float) -> Deferred[Answer]:
        """The answer to come, or a `PlayerError`."""
        silence = f"{self._host} did not answer {method} within {patience_s:g} seconds."
        answer: Deferred[Answer] = Deferred(lambda _: self._cancelled(cseq))
        self._questions[cseq] = answer
        answer.addTimeout(patience_s, self._clock, lambda *_: Failure(SilenceError(silence)))
        return answer

    def settle(self, cseq: int, answer: Answer) -> None:
        """An answer has come; one that nobody waits for is passed over."""
        if cseq in self._questions:
            self._questions.pop(cseq).callback(answer)

    @property
    def waiting(self) -> list[int]:
        """The numbers of the requests that wait for an answer, oldest first."""
        return list(self._questions)

    def _cancelled(self, cseq: int) -> None:
        del self._questions[cseq]

    def _end(self, error: PlayerError, *, is_told: bool = True) -> bool:
        """Fail what waits; False where it has ended before."""
        if not self.is_open:
            return False
        self.is_open = False
        if is_told:
            self._ears.lost(error)
        while self._questions:
            self._questions.pop(next(iter(self._questions))).errback(error)
        return True


def as_text(data: bytes) -> str:
    """A message for a person: lines end in LF, passwords are left out, long ones are cut."""
    text = data[:SHOWN_BYTES].decode("utf-8", "backslashreplace")
    text = _UNPRINTABLE.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = _USERINFO.sub(rf"{_HIDDEN}@", _BASIC.sub(_HIDDEN, text))
    return f"{text}…" if len(data) > SHOWN_BYTES else text
