"""What a tunnel needs of the connections that bear it, and they of it."""

from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IPushProducer

from mjpegd.flow import StreamTransport
from mjpegd.wire.messages import Response
from mjpegd.wire.tunnels import HTTPError

# Puts what is said into the form that it travels in.
Envelope = Callable[[bytes | memoryview], bytes]


class Bearer(Protocol):
    """A connection on which a request of HTTP has come."""

    host: str
    transport: StreamTransport

    @property
    def is_secure(self) -> bool:
        """What travels on it is encrypted."""
        ...

    @property
    def is_jammed(self) -> bool:
        """The client reads more slowly than is written."""
        ...

    def send_response(self, response: Response, cseq: str | None) -> None:
        """Answer the request."""
        ...

    def refuse_http(self, fault: HTTPError) -> None:
        """Answer that there is no tunnel, and close."""
        ...

    def converse(self, source: IPushProducer, envelope: Envelope | None = None) -> None:
        """Speak RTSP from now on.

        Args:
            source: Where requests come from, by `hear`; told when to pause.
            envelope: What is said is sent in it; as it is where there is none.
        """
        ...

    def hear(self, data: bytes) -> None:
        """More of what the client says has come."""
        ...

    def write_through(self, data: bytes) -> None:
        """Send bytes as they are, behind all else."""
        ...

    def stay(self) -> None:
        """What is said on another connection needs this one: it stays as long as that does."""
        ...

    def spend_frame(self) -> None:
        """A frame was taken: above the rate that is allowed, the source is told to pause."""
        ...

    def hang_up(self) -> None:
        """Read nothing more, and close when all is written."""
        ...


class Inlet(Protocol):
    """Takes what comes on a connection behind its request of HTTP."""

    def received(self, data: bytes) -> None:
        """Bytes have come."""
        ...

    def closing(self) -> None:
        """The connection is about to be closed by us: what is said now still leaves."""
        ...

    def lost(self) -> None:
        """The connection is gone."""
        ...
