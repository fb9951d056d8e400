"""Connections inside of HTTP and WebSocket, with the face of a socket."""

import socket
from base64 import b64encode
from collections.abc import Callable
from typing import Any, Protocol

from typing_extensions import override
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Event, Request

COOKIE = "b38193c7c04c1a7b"
SUBPROTOCOL = "rtsp.onvif.org"
_CHUNK_BYTES = 1 << 16

Connect = Callable[[], socket.socket]


class Connection(Protocol):
    """What a client needs of its connection."""

    @property
    def family(self) -> int: ...

    def fileno(self) -> int: ...

    def getpeername(self) -> Any: ...  # Any: as a socket's

    def getsockname(self) -> Any: ...

    def sendall(self, data: bytes, /) -> None: ...

    def recv(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


class RefusedTunnelError(Exception):
    """The server opens none; the text is its answer."""


class _Tunnel:
    """What both kinds have in common: a socket on which the server speaks."""

    def __init__(self, connect: Connect) -> None:
        self._down = connect()

    @property
    def family(self) -> int:
        return self._down.family

    def fileno(self) -> int:
        return self._down.fileno()

    def getpeername(self) -> Any:  # Any: as a socket's
        return self._down.getpeername()

    def getsockname(self) -> Any:
        return self._down.getsockname()

    def close(self) -> None:
        self._down.close()


class HTTPTunnel(_Tunnel):
    """RTSP in a GET and a POST.

    Args:
        connect: Makes a connection to the server.
    """

    def __init__(self, connect: Connect) -> None:
        super().__init__(connect)
        self._connect = connect
        self._down.sendall(f"GET / HTTP/1.1\r\nx-sessioncookie: {COOKIE}\r\n\r\n".encode())
        head, end, self._rest = b"", b"", b""
        while not end:
            data = self._down.recv(_CHUNK_BYTES)
            head, end, self._rest = (head + data).partition(b"\r\n\r\n")
            if not data:
                break
        if not head.startswith(b"HTTP/1.0 200 "):
            raise RefusedTunnelError(head.decode())
        self._up = self._post()

    def reopen(self) -> None:
        """Go on in a new POST."""
        self._up.close()
        self._up = self._post()

    def sendall(self, data: bytes, /) -> None:
        self._up.sendall(b64encode(data))

    def recv(self, size: int, /) -> bytes:
        if self._rest:
            data, self._rest = self._rest[:size], self._rest[size:]
            return data
        return self._down.recv(size)

    @override
    def close(self) -> None:
        super().close()
        self._up.close()

    def _post(self) -> socket.socket:
        up = self._connect()
        lines = f"x-sessioncookie: {COOKIE}", "Content-Length: 32767"
        up.sendall("\r\n".join(["POST / HTTP/1.1", *lines, "", ""]).encode())
        return up


class WebSocketTunnel(_Tunnel):
    """RTSP in binary messages.

    Args:
        connect: Makes a connection to the server.
        origin: The web page that it says to be of.
    """

    def __init__(self, connect: Connect, origin: str = "") -> None:
        super().__init__(connect)
        self._frames = WSConnection(ConnectionType.CLIENT)
        headers = [(b"Origin", origin.encode())] if origin else []
        self._emit(
            Request(host="server", target="/", subprotocols=[SUBPROTOCOL], extra_headers=headers)
        )
        answer = self._next_events()
        if not isinstance(answer[0], AcceptConnection) or answer[0].subprotocol != SUBPROTOCOL:
            self._down.close()
            raise RefusedTunnelError(str(answer[0]))
        self._events = answer[1:]

    def sendall(self, data: bytes, /) -> None:
        self._emit(BytesMessage(data=data))

    def recv(self, size: int, /) -> bytes:
        """What came in a message, or a part of one; the size is of no account."""
        while True:
            while self._events:
                event = self._events.pop(0)
                if isinstance(event, CloseConnection):
                    return b""
                if isinstance(event, BytesMessage) and event.data:
                    return bytes(event.data) + self._rest_of_messages()
            self._events = self._next_events()
            if not self._events and self._is_at_end:
                return b""

    def _rest_of_messages(self) -> bytes:
        """What else is here: nobody is told again that it is."""
        rest = [bytes(event.data) for event in self._events if isinstance(event, BytesMessage)]
        self._events = [event for event in self._events if isinstance(event, CloseConnection)]
        return b"".join(rest)

    def _next_events(self) -> list[Event]:
        data = self._down.recv(_CHUNK_BYTES)
        self._is_at_end = not data
        if data:
            self._frames.receive_data(data)
        return list(self._frames.events())

    def _emit(self, event: Event) -> None:
        self._down.sendall(self._frames.send(event))
