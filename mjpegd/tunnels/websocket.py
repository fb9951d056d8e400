"""RTSP in the frames of a WebSocket (RFC 6455), as ONVIF has it; wsproto knows frames."""

from collections.abc import Callable

from twisted.internet.interfaces import IPushProducer
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.frame_protocol import CloseReason
from zope.interface import implementer

from mjpegd.tunnels.bearer import Bearer


@implementer(IPushProducer)
class WebSocket:
    """One connection that has become a WebSocket.

    What the client says is passed on as it comes, whatever frames and messages it is cut into:
    nothing is kept of them, so none can be too large.

    Args:
        bearer: The connection.
        give_back: Called when it is gone.
    """

    def __init__(self, bearer: Bearer, give_back: Callable[[], None]) -> None:
        self._bearer = bearer
        self._give_back = give_back
        self._frames = Connection(ConnectionType.SERVER)
        self._is_paused = False
        self._is_closing = False
        self._reason: int = CloseReason.GOING_AWAY

    def received(self, data: bytes) -> None:
        """Bytes have come."""
        if not self._is_closing:
            self._frames.receive_data(data)
            self._go_on()

    def envelope(self, data: bytes | memoryview) -> bytes:
        """What the server says, in one message; nothing once the client has closed."""
        if self._frames.state is not ConnectionState.OPEN:
            return b""
        return self._frames.send(BytesMessage(data=bytes(data)))

    def pauseProducing(self) -> None:
        """The client is listened to no more (see IPushProducer)."""
        self._is_paused = True
        self._bearer.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """The client is listened to again (see IPushProducer)."""
        self._is_paused = False
        self._bearer.transport.resumeProducing()
        if not self._is_closing:
            self._go_on()

    def stopProducing(self) -> None:
        """The connection is gone (see IProducer); that is told by `lost`."""

    def closing(self) -> None:
        """The last frame says that it is."""
        if not self._is_closing:
            self._is_closing = True
            self._bearer.write_through(self._frames.send(CloseConnection(code=self._reason)))

    def lost(self) -> None:
        """The client has gone."""
        self._is_closing = True
        self._give_back()

    def _go_on(self) -> None:
        """Take what has come, until somebody wants a pause."""
        for event in self._frames.events():
            self._bearer.spend_frame()
            self._take(event)
            if self._is_paused or self._is_closing:
                return

    def _take(self, event: Event) -> None:
        if isinstance(event, BytesMessage):
            self._bearer.hear(bytes(event.data))
        elif isinstance(event, Ping):
            # Of several the client may be answered the last only (RFC 6455 section 5.5.3).
            if not self._bearer.is_jammed:
                self._bearer.write_through(self._frames.send(event.response()))
        elif isinstance(event, TextMessage):
            self._close(CloseReason.UNSUPPORTED_DATA)
        elif isinstance(event, CloseConnection):
            self._close(event.code)

    def _close(self, reason: int) -> None:
        """Close, for a reason of the client's, or because of what it sent."""
        self._reason = reason
        self._bearer.hang_up()
