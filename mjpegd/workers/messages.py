"""What acceptor and workers tell each other, over a pair of Unix sockets that carries sockets too.

Each worker has a line of its own to the acceptor; `Task` is what it is told before that.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

from twisted.internet.error import ConnectionClosed
from twisted.internet.interfaces import IAddress, ITransport
from twisted.internet.protocol import ServerFactory, connectionDone
from twisted.protocols import amp
from twisted.python.failure import Failure
from typing_extensions import override

from mjpegd.addresses import Networks
from mjpegd.errors import RTSPError
from mjpegd.limits import Limits
from mjpegd.settings import Access, Making, Settings, Tls

# The descriptors that a worker finds open, behind the usual three.
LINE_FD, RTP_FD, RTCP_FD = 3, 4, 5
# What one value of AMP can hold.
MAX_VALUE_BYTES = 0xFFFF


@dataclass(frozen=True, slots=True)
class Addresses:
    """Who is connected to what; a proxy may have told. Empty for a Unix socket."""

    host: str = ""
    port: int = 0
    local_host: str = ""
    local_port: int = 0


class Cover(Enum):
    """How what travels on a connection is kept from others."""

    NONE = "none"
    TLS = "TLS, by whoever takes it"
    PROXY = "TLS, by a proxy in front"


# Fields of messages; AMP wants them in lists.
_Fields = list[tuple[bytes, amp.Argument]]
_NUMBER: _Fields = [(b"number", amp.Integer())]
_STANDING: _Fields = [*_NUMBER, (b"standing", amp.Unicode())]
_SEAT: _Fields = [
    (b"host", amp.Unicode()),
    (b"user", amp.Unicode()),
    (b"bits_per_s", amp.Integer()),
]
_OTHER_SEAT: _Fields = [*_SEAT, (b"wanted_bits_per_s", amp.Integer())]
_TUNNELS: _Fields = [(b"are_taken", amp.Boolean())]
_BASE_URL: _Fields = [(b"base_url", amp.Unicode())]
_LOGIN: _Fields = [
    (b"host", amp.Unicode()),
    (b"name", amp.String()),
    (b"guess", amp.String()),
]
_PENALTY: _Fields = [(b"wait_s", amp.Float()), (b"is_new", amp.Boolean())]
# Why there is no room; empty where there is.
_REFUSAL: _Fields = [(b"refusal", amp.Unicode())]
_CONNECTION: _Fields = [
    *_NUMBER,
    (b"connection", amp.Descriptor()),
    (b"host", amp.Unicode()),
    (b"port", amp.Integer()),
    (b"local_host", amp.Unicode()),
    (b"local_port", amp.Integer()),
    (b"cover", amp.Unicode()),
    (b"said", amp.String()),
    (b"said_then", amp.String()),
]


class HandOver(amp.Command):
    """To a worker: a connection is yours, with what was read of it; answered when it is taken.

    Besides the connection there are the fields of its `Addresses`, its `Cover`, and a number of its
    own.
    """

    arguments = _CONNECTION


class Announce(amp.Command):
    """To a worker: say in the log what can be watched."""

    arguments = _BASE_URL
    requiresAnswer = False


class ReadAgain(amp.Command):
    """To a worker: read the users file again."""

    requiresAnswer = False


class TakeStock(amp.Command):
    """To a worker: say in the log what you have now."""

    requiresAnswer = False


class Stop(amp.Command):
    """To a worker: say BYE to everybody, and end."""

    requiresAnswer = False


class Ready(amp.Command):
    """To the acceptor: connections can be handed over."""

    requiresAnswer = False


class GiveWay(amp.Command):
    """To a worker: close this connection, somebody else needs its place."""

    arguments = _NUMBER
    requiresAnswer = False


class Stands(amp.Command):
    """To the acceptor: a request has come of a connection, or more is known of it."""

    arguments = _STANDING
    requiresAnswer = False


class Disconnected(amp.Command):
    """To the acceptor: a connection that was handed over has closed."""

    arguments = _NUMBER
    requiresAnswer = False


class TakeSeat(amp.Command):
    """To the acceptor: is there room for one more session?"""

    arguments = _SEAT
    response = _REFUSAL


class ChangeSeat(amp.Command):
    """To the acceptor: may a session need another bandwidth?"""

    arguments = _OTHER_SEAT
    response = _REFUSAL


class GiveBackSeat(amp.Command):
    """To the acceptor: a session has ended."""

    arguments = _SEAT
    requiresAnswer = False


class TakeTunnel(amp.Command):
    """To the acceptor: a tunnel has begun."""

    requiresAnswer = False


class GiveBackTunnel(amp.Command):
    """To the acceptor: a tunnel has ended."""

    requiresAnswer = False


class Tunnels(amp.Command):
    """To a worker: all tunnels that there may be are taken, or not any more."""

    arguments = _TUNNELS
    requiresAnswer = False


class FailedLogin(amp.Command):
    """To the acceptor: a login was wrong; what does it cost (see `Penalties`)?"""

    arguments = _LOGIN
    response = _PENALTY


class Line(amp.AMP):
    """One end of a line; AMP itself would tell the log of each."""

    @override
    def makeConnection(self, transport: ITransport) -> None:
        amp.BinaryBoxProtocol.makeConnection(self, transport)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        amp.BinaryBoxProtocol.connectionLost(self, reason)

    async def ask(self, command: type[amp.Command], **fields: Any) -> dict[str, Any]:
        """What the other end answers to a command.

        Raises:
            RTSPError: 503, it is gone.
        """
        try:
            answer: dict[str, Any] = await self.callRemote(command, **fields)
        except ConnectionClosed:
            raise RTSPError(503, "the daemon ends") from None
        return answer


class LineFactory(ServerFactory):
    """For the one connection of a line.

    Args:
        line: Its end here.
    """

    noisy = False

    def __init__(self, line: Line) -> None:
        self._line = line

    @override
    def buildProtocol(self, addr: IAddress | None) -> Line:
        return self._line


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker is told before it starts.

    Attributes:
        number: Which one it is, from 1.
        reactor: The module of the reactor that it is to run.
        settings: What the operator chose; the share of this worker.
        key: Random bytes for logins in hexadecimal, the same for all workers.
    """

    number: int
    reactor: str
    settings: Settings
    key: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `to_text` wrote."""
        values = json.loads(text)
        settings = values["settings"]
        settings["listen"] = tuple(settings["listen"])
        settings["media"] = Path(settings["media"])
        settings["frame_rate"] = Fraction(settings["frame_rate"])
        settings["making"] = Making(**settings["making"])
        settings["limits"] = Limits(**settings["limits"])
        settings["access"] = _access(settings["access"])
        settings["tls"] = _tls(settings["tls"])
        return cls(values["number"], values["reactor"], Settings(**settings), values["key"])

    def to_text(self) -> str:
        """One line of JSON."""
        return json.dumps(dataclasses.asdict(self), default=str)


def _access(values: dict[str, Any]) -> Access:  # Any: JSON
    users, networks = values["users"], values["networks"]
    return Access(
        users=None if users is None else Path(users),
        auth=tuple(values["auth"]),
        networks=None if networks is None else Networks.parse(networks["members"]),
        origins=tuple(values["origins"]),
    )


def _tls(values: dict[str, Any] | None) -> Tls | None:  # Any: JSON
    if values is None:
        return None
    paths = {name: Path(values[name]) for name in ("certificate", "private_key")}
    return Tls(values["port"], paths["certificate"], paths["private_key"], values["is_only"])
