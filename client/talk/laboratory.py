"""A conversation in the dialect of the Kurose-Ross laboratory, with a server of the course."""

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override

from mjpegd.wire.errors import ParseError
from mjpegd.wire.headers import Lower, Transport
from mjpegd.wire.lab import SILENCE_S, LabAnswer, LabRequest
from mjpegd.wire.messages import Response

from ..errors import (
    ConfusedError,
    DisconnectedError,
    LocationError,
    PlayerError,
    RefusedError,
    SilenceError,
)
from ..interfaces import Cue, Ears, Offer
from .connection import Connection
from .dialling import Reactor, dial
from .location import Location
from .refusals import UNSUPPORTED_TRANSPORT, refusal

_log = Logger()

# Classic servers answer at once, or not at all.
ANSWER_S = 5.0
# A person who leaves does not wait for a server that may be gone.
TEARDOWN_S = 1.0


class LaboratoryConversation(Connection[LabAnswer]):
    """A connection of one question at a time, whose answers end as each server likes.

    Args:
        clock: Time.
        ears: Who is told what happens.
        host: What a person calls the server, for sentences.
    """

    def __init__(self, clock: IReactorTime, ears: Ears, host: str) -> None:
        super().__init__(clock, ears, host)
        self._heard = b""
        self._silence: IDelayedCall | None = None

    def ask(self, request: LabRequest, patience_s: float) -> Deferred[LabAnswer]:
        """Send a request; the answer, whatever its status, or a `PlayerError`."""
        if not self.is_open:
            return fail(DisconnectedError(f"There is no connection to {self._host} any more."))
        self._heard = b""
        answer = self.wait_for(request.cseq, request.verb, patience_s)
        self.send(request.to_bytes())
        return answer

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._listen_on()
        super().connectionLost(reason)

    @override
    def dataReceived(self, data: bytes) -> None:
        if self.waiting:
            self._heard += data
            self._read(is_silent=False)

    def _read(self, *, is_silent: bool) -> None:
        self._listen_on()
        if not self.waiting:
            return
        try:
            answer = LabAnswer.parse(self._heard, is_silent=is_silent)
        except ParseError:
            self.abandon(ConfusedError(f"{self._host} does not speak the laboratory's dialect."))
            return
        if answer is not None:
            self.tell(self._heard, is_ours=False)
            self._heard = b""
            self.settle(answer.cseq or self.waiting[-1], answer)
        elif not is_silent:
            self._silence = self._clock.callLater(SILENCE_S, self._read, is_silent=True)

    def _listen_on(self) -> None:
        if self._silence is not None and self._silence.active():
            self._silence.cancel()


class LaboratoryDialogue:
    """Speaks with a server of the laboratory about one file (see `client.interfaces.Dialogue`).

    Args:
        location: The file.
        conversation: The connection to its server.
    """

    def __init__(self, location: Location, conversation: LaboratoryConversation) -> None:
        self._location = location
        self._conversation = conversation
        self._session: int | None = None
        self._has_session = False

    @property
    def server_host(self) -> str:
        """The address at the other end of the connection, as the sockets name it."""
        return self._conversation.server_host

    def send_interleaved(self, channel: int, data: bytes) -> None:
        """Nothing: the laboratory knows no reports."""

    def close(self) -> None:
        """Close the connection; nothing is called afterwards."""
        self._conversation.close()

    async def describe(self) -> Offer:
        """The name of the file: the dialect has no words for more."""
        name = self._location.name
        if not name or not name.isprintable():
            raise LocationError(f"{self._location.url} names no file of a laboratory server.")
        return Offer(title=name)

    async def setup(self, wanted: Transport) -> Transport:
        """Tell the port that the packets shall go to; the server does not tell its own."""
        if wanted.lower is not Lower.UDP or wanted.client_port is None:
            sentence = "Servers of the laboratory send over UDP only."
            raise RefusedError(sentence, "SETUP", UNSUPPORTED_TRANSPORT)
        await self.teardown()
        try:
            answer = await self._ask("SETUP", client_port=wanted.client_port[0])
        except SilenceError as error:
            raise SilenceError(
                f"{error} A server of the laboratory says nothing where it has no such file."
            ) from None
        self._session, self._has_session = answer.session, True
        return wanted

    async def play(self, start_s: float | None, scale: float) -> Cue:
        """Play from where it stands, at the server's pace: the dialect has no words for others."""
        await self._ask("PLAY")
        return Cue()

    async def pause(self) -> float | None:
        """Stand still."""
        await self._ask("PAUSE")
        return None

    async def teardown(self) -> None:
        """End the session, if there is one. Never fails: the server may be gone."""
        if not self._has_session:
            return
        try:
            await self._ask("TEARDOWN", patience_s=TEARDOWN_S)
        except PlayerError as error:
            _log.debug("no answer to TEARDOWN: {error}", error=error)
        finally:
            self._session, self._has_session = None, False

    async def _ask(
        self, verb: str, *, client_port: int | None = None, patience_s: float = ANSWER_S
    ) -> LabAnswer:
        """An answer that is a success."""
        location, conversation = self._location, self._conversation
        request = LabRequest(
            verb,
            location.name,
            conversation.next_cseq(),
            client_port=client_port,
            session=self._session,
        )
        answer = await conversation.ask(request, patience_s)
        if answer.status != 200:
            raise refusal(location.host, verb, location.url, Response(answer.status))
        return answer


async def connect_laboratory(
    reactor: Reactor, location: Location, ears: Ears
) -> LaboratoryDialogue:
    """Connect to a server of the laboratory, to speak about one of its files.

    Args:
        reactor: Where connections come from, and the player's clock.
        location: The file.
        ears: Who is told what happens.

    Raises:
        ConnectError: No connection came about.
    """
    conversation = LaboratoryConversation(reactor, ears, location.host)
    await dial(reactor, location, conversation, verifies_certificate=True)
    return LaboratoryDialogue(location, conversation)
