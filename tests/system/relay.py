"""A network between a viewer and a server that can be cut for a moment."""

import select
import socket
import threading


class Relay:
    """Carries a TCP connection and a pair of UDP ports both ways until it is told to hold.

    While the network is gone datagrams are lost, and TCP waits, as it does in the real world.
    The relay has an address of its own, so the server takes it for the viewer.

    Args:
        server: Host and port of the server's TCP port.
    """

    def __init__(self, server: tuple[str, int]) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._server = server
        self._is_up = threading.Event()
        self._is_up.set()
        self._is_over = False
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._datagrams: dict[socket.socket, tuple[str, int]] = {}
        self._out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where the viewer connects to."""
        return int(self._listening.getsockname()[1])

    def forward_datagrams(self, sock: socket.socket, to: tuple[str, int]) -> None:
        """What comes on this socket goes there."""
        self._datagrams[sock] = to

    def cut(self) -> None:
        """The network is gone."""
        self._is_up.clear()

    def mend(self) -> None:
        """The network is back."""
        self._is_up.set()

    def close(self) -> None:
        """End."""
        self._is_over = True
        self._thread.join()
        for sock in (self._listening, self._out, *self._pairs, *self._datagrams):
            sock.close()

    def _run(self) -> None:
        while not self._is_over:
            is_up = self._is_up.is_set()
            streams = [self._listening, *self._pairs] if is_up else []
            readable, _, _ = select.select([*streams, *self._datagrams], [], [], 0.01)
            for sock in readable:
                if sock is self._listening:
                    self._connect()
                elif sock in self._datagrams:
                    data = sock.recv(1 << 16)
                    if is_up:
                        self._out.sendto(data, self._datagrams[sock])
                else:
                    self._carry(sock)

    def _connect(self) -> None:
        near, _ = self._listening.accept()
        far = socket.create_connection(self._server)
        self._pairs[near], self._pairs[far] = far, near

    def _carry(self, sock: socket.socket) -> None:
        data = sock.recv(1 << 16)
        other = self._pairs[sock]
        if data:
            other.sendall(data)
        else:
            del self._pairs[sock], self._pairs[other]
            sock.close()
            other.close()
