"""Attacks on a server that cost their author little: `python -m tests.tools.flood KIND PORT`.

    silent     connections that say nothing
    slow       connections that send one byte of a request in a second
    setup      requests for sessions, as fast as they are answered, on connections that come and go
    login      wrong logins, each another, as fast as they are answered
    datagrams  random datagrams, empty ones among them, to the port and to the one above it

It writes a line when it begins and, where that comes to pass, a line when it has as many
connections as it was to make; goes on until standard input ends, and tells then how much it did,
as JSON.
Connections come from many addresses of this host, 127.0.0.2 and above.
"""

import argparse
import errno
import json
import os
import random
import resource
import select
import selectors
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count, islice

HOST = "127.0.0.1"
# Addresses that connections come from by turns.
ADDRESSES = 16
# What the kernel lets wait to be accepted; more at once would be tried again a second later.
AT_ONCE = 256
SLOW_INTERVAL_S = 1.0
# After so many requests a connection is closed and another made.
REQUESTS_OF_A_CONNECTION = 20
DATAGRAMS_AT_ONCE = 64

# What a connection says, piece by piece; None for nothing more: it closes.
Words = Iterator[bytes | None]


@dataclass(slots=True)
class Done:
    """What was done so far.

    Attributes:
        connections: Connections that were made.
        lost: Connections that the server closed.
        most_open: The most that were open at a time.
        requests: Requests that were sent.
        statuses: Answers by their status.
        datagrams: Datagrams that were sent.
    """

    connections: int = 0
    lost: int = 0
    most_open: int = 0
    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    datagrams: int = 0

    def to_json(self) -> str:
        """All of it in one line."""
        return json.dumps({name: getattr(self, name) for name in self.__slots__})


def setups(url: str) -> Words:
    """SETUP for new sessions over UDP."""
    for number in range(1, REQUESTS_OF_A_CONNECTION):
        yield (
            f"SETUP {url} RTSP/1.0\r\nCSeq: {number}\r\n"
            "Transport: RTP/AVP;unicast;client_port=5000-5001\r\n\r\n"
        ).encode()
    yield None


def logins(url: str) -> Words:
    """DESCRIBE with guessed logins."""
    for number in range(1, REQUESTS_OF_A_CONNECTION):
        guess = f"{random.getrandbits(128):032x}"
        yield (
            f"DESCRIBE {url} RTSP/1.0\r\nCSeq: {number}\r\nAuthorization: Digest "
            f'username="user{random.randrange(1000)}", realm="Test streams", nonce="{guess}", '
            f'uri="{url}", response="{guess}"\r\n\r\n'
        ).encode()
    yield None


def silence(url: str) -> Words:
    """Nothing, without end."""
    while True:
        yield b""


def slowness(url: str) -> Words:
    """A request, byte by byte."""
    for byte in f"OPTIONS {url} RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: {'x' * 1000}".encode():
        yield bytes((byte,))
    yield None


class Crowd:
    """Connections that are kept at a number.

    Args:
        port: The server's.
        size: How many there are to be.
        words: What each says.
        done: Is kept up to date.
    """

    def __init__(self, port: int, size: int, words: Callable[[], Words], done: Done) -> None:
        self._port = port
        self._size = size
        self._words = words
        self._done = done
        self._selector = selectors.DefaultSelector()
        self._speakers: dict[socket.socket, Words] = {}
        self._received: dict[socket.socket, bytes] = {}
        self._hosts = (f"127.0.0.{2 + number % ADDRESSES}" for number in count())

    def turn(self, wait_s: float) -> None:
        """Make the connections that are missing, and say what is to be said."""
        for _ in range(min(AT_ONCE, self._size - len(self._speakers))):
            self._connect()
        self._done.most_open = max(self._done.most_open, len(self._speakers))
        for key, _ in self._selector.select(wait_s):
            connection = key.fileobj
            if isinstance(connection, socket.socket):
                self._heard(connection)

    @property
    def is_full(self) -> bool:
        """There are as many as there are to be."""
        return len(self._speakers) >= self._size

    def drip(self, times: int) -> None:
        """Have so many of them say their next piece, each in its turn."""
        for connection in list(islice(self._speakers, times)):
            self._speakers[connection] = self._speakers.pop(connection)  # the last from now on
            self._say(connection)

    def _connect(self) -> None:
        connection = socket.socket()
        connection.bind((next(self._hosts), 0))
        try:
            connection.connect((HOST, self._port))
        except OSError:
            connection.close()
            return
        connection.setblocking(False)
        self._done.connections += 1
        words = self._words()
        self._speakers[connection] = words
        self._received[connection] = b""
        self._selector.register(connection, selectors.EVENT_READ)
        self._say(connection)

    def _say(self, connection: socket.socket) -> None:
        said = next(self._speakers[connection])
        if said is None:
            self._close(connection)
        elif said:
            self._done.requests += 1
            try:
                connection.send(said)
            except OSError:
                self._lost(connection)

    def _heard(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        heard = self._received[connection] + data
        while b"\r\n\r\n" in heard and connection in self._speakers:
            answer, _, heard = heard.partition(b"\r\n\r\n")
            self._received[connection] = heard
            self._done.statuses[int(answer.split()[1])] += 1
            if data:
                self._say(connection)
        if connection in self._speakers:
            self._received[connection] = heard
            if not data:
                self._lost(connection)

    def _lost(self, connection: socket.socket) -> None:
        self._done.lost += 1
        self._close(connection)

    def _close(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        del self._speakers[connection], self._received[connection]
        connection.close()


def tell(line: str) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def is_over() -> bool:
    """Standard input has ended."""
    return bool(select.select([sys.stdin], [], [], 0)[0])


def crowd_of(kind: str, port: int, size: int, done: Done) -> None:
    """Be a crowd until it is over."""
    url = f"rtsp://{HOST}:{port}/film.avi"
    crowd = Crowd(port, size, lambda: CROWDS[kind](url), done)
    was_full, due = False, 0.0
    then_s = time.monotonic()
    while not is_over():
        crowd.turn(0.01)
        if crowd.is_full and not was_full:
            was_full = True
            tell("all are there")
        if kind == "slow":
            now_s = time.monotonic()
            due += (now_s - then_s) / SLOW_INTERVAL_S * size
            then_s = now_s
            crowd.drip(int(due))
            due %= 1


def datagrams(port: int, done: Done) -> None:
    """Send datagrams until it is over."""
    some = [os.urandom(random.choice((0, 0, 12, 28, 60, 1400))) for _ in range(1000)]
    some += [b"\x81\xc9" + os.urandom(30) for _ in range(200)]  # looks like RTCP at first
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.2", 0))
        while not is_over():
            for datagram in random.sample(some, DATAGRAMS_AT_ONCE):
                for to in (port, port + 1):
                    try:
                        sock.sendto(datagram, (HOST, to))
                    except OSError as refusal:
                        if refusal.errno not in {errno.ECONNREFUSED, errno.ENOBUFS}:
                            raise
                    done.datagrams += 1


CROWDS = {"silent": silence, "slow": slowness, "setup": setups, "login": logins}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=(*CROWDS, "datagrams"))
    parser.add_argument("port", type=int)
    parser.add_argument("--size", type=int, default=200, help="connections at a time")
    arguments = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    done = Done()
    tell("begins")
    if arguments.kind == "datagrams":
        datagrams(arguments.port, done)
    else:
        crowd_of(arguments.kind, arguments.port, arguments.size, done)
    tell(done.to_json())


if __name__ == "__main__":
    main()
