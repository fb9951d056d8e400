"""Clients that talk to a server in memory through tunnels, over HTTP and over WebSocket."""

from base64 import b64encode

from typing_extensions import override
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event

from mjpegd.test.conversation import VIEWER, Client, Server

COOKIE = "b38193c7c04c1a7b"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def head(start: str, *lines: str) -> bytes:
    """A request of HTTP without a body."""
    return "".join(f"{line}\r\n" for line in (start, *lines, "")).encode()


def get(cookie: str = COOKIE) -> bytes:
    """What opens the half of a tunnel in which the server speaks."""
    return head("GET /movie.Mjpeg HTTP/1.0", f"x-sessioncookie: {cookie}")


def post(cookie: str = COOKIE) -> bytes:
    """What opens the half of a tunnel in which the client speaks."""
    length = "Content-Length: 32767"
    return head("POST /movie.Mjpeg HTTP/1.0", f"x-sessioncookie: {cookie}", length)


def upgrade(*lines: str, **changed: str) -> bytes:
    """What opens a WebSocket, with some headers changed, or left out where they are empty."""
    fields = {
        "Host": "192.0.2.1:8554",
        "Upgrade": "websocket",
        "Connection": "keep-alive, Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": "rtsp.onvif.org",
    }
    fields |= {name.replace("_", "-"): value for name, value in changed.items()}
    told = [f"{name}: {value}" for name, value in fields.items() if value]
    return head("GET / HTTP/1.1", *told, *lines)


class HTTPClient(Client):
    """A client with two connections.

    Attributes:
        answer_to_get: The head of what the GET was answered with.
        post: The connection on which it speaks.
    """

    def __init__(self, server: Server, host: str = VIEWER, *, is_secure: bool = False) -> None:
        super().__init__(server.connect(host, is_secure=is_secure).wire)
        self.wire.sent(get())
        self.answer_to_get = self.raw()
        self.post = server.connect(host, 40_001, is_secure=is_secure)
        self.post.send(post())

    @override
    def send(self, data: str | bytes) -> None:
        """Say something in the POST."""
        self.post.send(b64encode(data.encode() if isinstance(data, str) else data))


class WebSocketClient(Client):
    """A client in frames.

    Attributes:
        answer_to_upgrade: The head of what the request for it was answered with.
        events: All that came in frames.
    """

    def __init__(self, server: Server, host: str = VIEWER, *, is_secure: bool = False) -> None:
        super().__init__(server.connect(host, is_secure=is_secure).wire)
        self.events: list[Event] = []
        self._frames = Connection(ConnectionType.CLIENT)
        self.wire.sent(upgrade())
        self.answer_to_upgrade = super().raw()

    @override
    def send(self, data: str | bytes) -> None:
        """Send a message."""
        self.emit(BytesMessage(data=data.encode() if isinstance(data, str) else data))

    def emit(self, event: Event) -> None:
        """Send a frame of any kind."""
        self.wire.sent(self._frames.send(event))

    @override
    def raw(self) -> bytes:
        """What came in messages since the last call."""
        if data := super().raw():
            self._frames.receive_data(data)
        new = list(self._frames.events())
        self.events += new
        return b"".join(bytes(event.data) for event in new if isinstance(event, BytesMessage))

    @property
    def close_code(self) -> int | None:
        """What the server closed with; None where it has not."""
        self.raw()
        codes = [event.code for event in self.events if isinstance(event, CloseConnection)]
        return codes[0] if codes else None
