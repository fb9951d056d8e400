"""A server as the networking laboratory's students have it, to try a player on what is not ours.

    with LaboratoryServer({"movie.Mjpeg": jpegs}) as server:
        ... SETUP movie.Mjpeg at 127.0.0.1:{server.port} ...

It reads what comes in one piece as one request, looks for words by their place, answers three
lines without a last line end, and sends each frame as one datagram: a whole JPEG behind twelve
bytes of RTP, whose sequence number is the frame's number, 1 for the first. To what is out of
order, and to a film that it has not, it answers nothing at all. It knows no DESCRIBE, and no end:
behind the last frame nothing comes any more.
"""

import contextlib
import random
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, auto
from types import TracebackType
from typing import Any, Self

from typing_extensions import override

HOST = "127.0.0.1"
REQUEST_BYTES = 256
INTERVAL_S = 0.05
POLL_S = 0.05
SESSIONS = (100_000, 999_999)
# More players than any test has; who comes above that is sent away.
MAX_PLAYERS = 16
_HEADER = struct.Struct("!BBHLL")
_VERSION_2, _JPEG = 0x80, 26


class _State(Enum):
    INIT = auto()
    READY = auto()
    PLAYING = auto()


_TRANSITIONS = {
    (_State.INIT, "SETUP"): _State.READY,
    (_State.READY, "PLAY"): _State.PLAYING,
    (_State.PLAYING, "PAUSE"): _State.READY,
    (_State.READY, "TEARDOWN"): _State.INIT,
    (_State.PLAYING, "TEARDOWN"): _State.INIT,
}


class LaboratoryServer:
    """Serves films from a free port until it is closed.

    Args:
        films: The JPEGs of each film, by its name.
        interval_s: From one frame to the next.
    """

    def __init__(
        self, films: Mapping[str, Sequence[bytes]], *, interval_s: float = INTERVAL_S
    ) -> None:
        self._server = _Server(films, interval_s)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL_S,))
        self._thread.start()

    @property
    def port(self) -> int:
        """Where players connect to."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End; players see their connections closed."""
        self._server.shutdown()
        self._thread.join()
        self._server.break_connections()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    def __init__(self, films: Mapping[str, Sequence[bytes]], interval_s: float) -> None:
        self.films = films
        self.interval_s = interval_s
        self._connections: list[socket.socket] = []
        super().__init__((HOST, 0), _Player)

    @override
    def get_request(self) -> tuple[socket.socket, Any]:
        request, address = super().get_request()
        self._connections = [sock for sock in self._connections if sock.fileno() >= 0] + [request]
        return request, address

    @override
    def verify_request(self, request: object, client_address: object) -> bool:
        return len(self._connections) <= MAX_PLAYERS

    def break_connections(self) -> None:
        """Let all that wait for a request see the end."""
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Player(socketserver.BaseRequestHandler):
    """One connection, in a thread of its own, and its frames, in another."""

    server: _Server
    request: socket.socket

    @override
    def setup(self) -> None:
        self._state = _State.INIT
        self._session = 0
        self._rtp_port = 0
        self._frames: Iterator[tuple[int, bytes]] = iter(())
        self._sending: threading.Thread | None = None
        self._is_to_stop = threading.Event()

    @override
    def handle(self) -> None:
        # A request with too few words ends such a server's thread.
        with contextlib.suppress(ConnectionError, ValueError, IndexError):
            while data := self.request.recv(REQUEST_BYTES):
                self._answer(data.decode("utf-8").split("\n"))

    @override
    def finish(self) -> None:
        self._stop_sending()

    def _answer(self, lines: Sequence[str]) -> None:
        verb, name = lines[0].split(" ")[:2]
        state = _TRANSITIONS.get((self._state, verb))
        if state is None or name not in self.server.films:
            return
        if verb == "SETUP":
            self._rtp_port = int(lines[2].split(" ")[3])
            self._session = random.randint(*SESSIONS)
            self._frames = enumerate(self.server.films[name], 1)
        self._state = state
        self._stop_sending()
        cseq = lines[1].split(" ")[1]
        answer = f"RTSP/1.0 200 OK\nCSeq: {cseq}\nSession: {self._session}"
        self.request.sendall(answer.encode("utf-8"))
        if state is _State.PLAYING:
            self._start_sending()

    def _start_sending(self) -> None:
        self._is_to_stop.clear()
        self._sending = threading.Thread(target=self._send)
        self._sending.start()

    def _stop_sending(self) -> None:
        self._is_to_stop.set()
        if self._sending is not None:
            self._sending.join()
            self._sending = None

    def _send(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            while not self._is_to_stop.wait(self.server.interval_s):
                frame = next(self._frames, None)
                if frame is None:
                    return
                with contextlib.suppress(OSError):  # Too large a frame; the next may fit.
                    sock.sendto(_packet(*frame), (self.client_address[0], self._rtp_port))


def _packet(number: int, jpeg: bytes) -> bytes:
    return _HEADER.pack(_VERSION_2, _JPEG, number & 0xFFFF, int(time.time()), 0) + jpeg
