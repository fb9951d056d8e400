"""A bad network between a player and a server: packets get lost, come twice or late, or not at all.

    plan = Plan(drop=every(10), duplicate=burst(20, 3), delay=at_random(0.05, seed=1))
    with Impaired(("127.0.0.1", 8554), plan) as relay:
        ... play rtsp://127.0.0.1:{relay.port}/film.avi ...
        relay.cut()
        relay.mend()

The relay puts ports of its own into the SETUP of RTP over UDP, and into its answer, so that the
datagrams run through it as well, both ways. All else passes as it is, RTP in TCP too. It runs in
a thread of its own: tests that block and tests in a reactor can both use it.
"""

import asyncio
import contextlib
import random
import re
import socket
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

HOST = "127.0.0.1"
# What a call may take: the relay does nothing that waits for a peer.
PATIENCE_S = 10.0
# The head of a message has a few hundred bytes; more is no RTSP, and ends the connection.
MAX_HEAD_BYTES = 1 << 16
MAX_DATAGRAM_BYTES = 1 << 16
RECEIVE_BUFFER_BYTES = 4 << 20
PAIR_TRIES = 64
# A delayed packet that nothing overtakes, because the stream stands still, goes on after this time.
STILL_S = 0.1

_END_OF_HEAD = b"\r\n\r\n"
_CSEQ = re.compile(rb"^CSeq:[ \t]*([0-9]+)", re.IGNORECASE | re.MULTILINE)
_LENGTH = re.compile(rb"^Content-Length:[ \t]*([0-9]+)", re.IGNORECASE | re.MULTILINE)
_CLIENT_PORT = re.compile(rb"client_port=([0-9]+)(?:-([0-9]+))?")
_SERVER_PORT = re.compile(rb"server_port=([0-9]+)(?:-([0-9]+))?")
_SOURCE = re.compile(rb";source=[^;\r\n]*")

Result = TypeVar("Result")


# --- What happens to packets --------------------------------------------------------------------

# Packets of RTP are counted from 0 on, anew for each SETUP.
Choice = Callable[[int], bool]


def never(number: int) -> bool:
    """None of the packets."""
    return False


def always(number: int) -> bool:
    """All packets."""
    return True


def every(step: int, first: int = 0) -> Choice:
    """One packet in so many, from the first on."""
    return lambda number: number >= first and (number - first) % step == 0


def burst(first: int, count: int) -> Choice:
    """Some packets in a row."""
    return lambda number: first <= number < first + count


def at_random(share: float, seed: int) -> Choice:
    """A share of all packets, 0 to 1; the same ones for the same seed."""
    return lambda number: random.Random(f"{seed} {number}").random() < share


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens to RTP over UDP on its way from the server to the player.

    Attributes:
        drop: The packets that get lost.
        duplicate: The packets that come twice.
        delay: How many later packets overtake a packet; a choice, which says True and False, lets
            the chosen change places with the one behind them.
        blocks_udp: No datagram gets through, in any direction; nobody is told.
        refuses_udp: A SETUP of RTP over UDP is answered 461, and the server never sees it.
    """

    drop: Choice = never
    duplicate: Choice = never
    delay: Callable[[int], int] = never
    blocks_udp: bool = False
    refuses_udp: bool = False


class Passage:
    """The packets of one stream, and those among them that wait to be overtaken.

    Attributes:
        count: How many packets have come.
        dropped: How many of them the plan has dropped.
    """

    def __init__(self) -> None:
        self.count = 0
        self.dropped = 0
        self._waiting: list[tuple[int, bytes]] = []

    def take(self, packet: bytes, plan: Plan) -> list[bytes]:
        """What goes on, in its order, now that a packet has come."""
        number = self.count
        self.count += 1
        copies: list[bytes] = []
        if plan.drop(number):
            self.dropped += 1
        else:
            copies = [packet] * (2 if plan.duplicate(number) else 1)
        if delay := plan.delay(number):
            self._waiting += [(number + delay, copy) for copy in copies]
            copies = []
        return copies + self._take_waiting(number)

    @property
    def is_waiting(self) -> bool:
        """Whether packets wait to be overtaken."""
        return bool(self._waiting)

    def take_rest(self) -> list[bytes]:
        """All that still wait."""
        return self._take_waiting(max((last for last, _ in self._waiting), default=0))

    def _take_waiting(self, number: int) -> list[bytes]:
        ready = [packet for last, packet in self._waiting if last <= number]
        self._waiting = [(last, packet) for last, packet in self._waiting if last > number]
        return ready


# --- The relay ----------------------------------------------------------------------------------


class Impaired:
    """A relay that listens on a port of its own and connects to a server for each player.

    Args:
        server: Host and port of the server's TCP port.
        plan: What happens to RTP over UDP.

    Attributes:
        port: Where the player connects to.
        plan: May be replaced at any time.
    """

    def __init__(self, server: tuple[str, int], plan: Plan | None = None) -> None:
        self.plan = plan or Plan()
        self.port = 0
        self._server = server
        self._is_up = asyncio.Event()
        self._is_up.set()
        self._listening: asyncio.Server | None = None
        self._players: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._paths: list[_Path] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.accept_connections()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def passed(self) -> int:
        """How many RTP datagrams have come from the server while the network was there."""
        return sum(path.passage.count for path in self._paths)

    @property
    def dropped(self) -> int:
        """How many of them the plan has dropped."""
        return sum(path.passage.dropped for path in self._paths)

    def cut(self) -> None:
        """The network is gone: datagrams are lost, and TCP waits.

        A new connection still comes about, but nobody answers on it.
        """
        self._call(self._cut())

    def mend(self) -> None:
        """The network is back."""
        self._call(self._mend())

    def break_connections(self) -> None:
        """Close all TCP connections on both sides, as where somebody pulls a cable out."""
        self._call(self._break_connections())

    def refuse_connections(self) -> None:
        """New connections are refused, as where the server is not running."""
        self._call(self._refuse_connections())

    def accept_connections(self) -> None:
        """New connections are carried again, on the same port."""
        self._call(self._accept_connections())

    def close(self) -> None:
        """End; for the second time it does nothing."""
        if self._loop.is_closed():
            return
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, job: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(job, self._loop).result(PATIENCE_S)

    # --- in the thread of the relay -------------------------------------------------------------

    async def _cut(self) -> None:
        self._is_up.clear()

    async def _mend(self) -> None:
        self._is_up.set()

    async def _break_connections(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _refuse_connections(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    async def _accept_connections(self) -> None:
        if self._listening is None:
            self._listening = await asyncio.start_server(
                self._begin, HOST, self.port, limit=MAX_HEAD_BYTES
            )
            self.port = int(self._listening.sockets[0].getsockname()[1])

    async def _end(self) -> None:
        await self._refuse_connections()
        self._is_up.set()
        while self._players:
            await self._break_connections()
            await asyncio.wait(self._players, timeout=STILL_S)
        for path in self._paths:
            path.close()

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        player = self._loop.create_task(self._serve(reader, writer))
        self._players.add(player)
        player.add_done_callback(self._players.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until one side closes it."""
        self._writers.add(writer)
        far_writer = None
        with contextlib.suppress(OSError):
            await self._is_up.wait()
            far_reader, far_writer = await asyncio.open_connection(
                *self._server, limit=MAX_HEAD_BYTES
            )
            self._writers.add(far_writer)
            await self._carry_both(_Ends(reader, writer), _Ends(far_reader, far_writer))
        for used in filter(None, (writer, far_writer)):
            used.close()
            with contextlib.suppress(OSError):
                await used.wait_closed()
            self._writers.discard(used)

    async def _carry_both(self, near: "_Ends", far: "_Ends") -> None:
        asked: dict[bytes, _Path] = {}

        def request(head: bytes) -> bytes | None:
            return self._rewrite_request(head, near, asked)

        def answer(head: bytes) -> bytes | None:
            return _rewrite_answer(head, asked)

        ways = [
            self._loop.create_task(self._carry(near, far, request)),
            self._loop.create_task(self._carry(far, near, answer)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        near.writer.close()
        far.writer.close()
        await asyncio.gather(*ways)

    async def _carry(
        self, source: "_Ends", target: "_Ends", rewrite: Callable[[bytes], bytes | None]
    ) -> None:
        """Carry message by message until the connection ends."""
        with contextlib.suppress(EOFError, OSError, asyncio.LimitOverrunError):
            while True:
                head, rest = await _read_message(source.reader)
                await self._is_up.wait()
                rewritten = rewrite(head)
                if rewritten is not None:
                    target.writer.write(rewritten + rest)
                    await target.writer.drain()

    def _rewrite_request(
        self, head: bytes, near: "_Ends", asked: dict[bytes, "_Path"]
    ) -> bytes | None:
        """A request as the server gets it; None where it is answered here."""
        ports, cseq = _CLIENT_PORT.search(head), _CSEQ.search(head)
        if not head.startswith(b"SETUP ") or ports is None or cseq is None:
            return head
        if self.plan.refuses_udp:
            near.writer.write(b"RTSP/1.0 461 Unsupported Transport\r\nCSeq: %b\r\n\r\n" % cseq[1])
            return None
        player_host = near.writer.get_extra_info("peername")[0]
        path = _Path(self, self._server[0], player_host, _pair(ports))
        self._paths.append(path)
        asked[cseq[1]] = path
        return _CLIENT_PORT.sub(_text("client_port", path.far_ports), head)

    def lets_datagrams_through(self) -> bool:
        """Whether UDP works at the moment."""
        return self._is_up.is_set() and not self.plan.blocks_udp


@dataclass(frozen=True, slots=True)
class _Ends:
    """A TCP connection, to the player or to the server."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class _Path:
    """The datagrams of one SETUP: ports that the player sees, and ports that the server sees."""

    def __init__(
        self, relay: Impaired, server_host: str, player_host: str, player_ports: tuple[int, int]
    ) -> None:
        self.passage = Passage()
        self.player_ports = player_ports
        self._relay = relay
        self._server_host = server_host
        self._player_host = player_host
        self._server_ports: tuple[int, int] | None = None
        self._near = free_pair(HOST)
        self._far = free_pair(HOST)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        for index in range(2):
            self._loop.add_reader(self._near[index], self._come_from_player, index)
            self._loop.add_reader(self._far[index], self._come_from_server, index)

    @property
    def near_ports(self) -> tuple[int, int]:
        """Where the player sends to."""
        return _ports(self._near)

    @property
    def far_ports(self) -> tuple[int, int]:
        """Where the server sends to."""
        return _ports(self._far)

    def begin(self, server_ports: tuple[int, int]) -> None:
        """The server has told its ports."""
        self._server_ports = server_ports

    def close(self) -> None:
        """End."""
        if self._timer is not None:
            self._timer.cancel()
        for sock in (*self._near, *self._far):
            self._loop.remove_reader(sock)
            sock.close()

    def _come_from_player(self, index: int) -> None:
        for datagram in _datagrams(self._near[index]):
            if self._server_ports is not None and self._relay.lets_datagrams_through():
                to = (self._server_host, self._server_ports[index])
                self._far[index].sendto(datagram, to)

    def _come_from_server(self, index: int) -> None:
        for datagram in _datagrams(self._far[index]):
            if not self._relay.lets_datagrams_through():
                continue
            if index == 0:
                self._to_player(0, self.passage.take(datagram, self._relay.plan))
                self._wait_for_more()
            else:
                self._to_player(1, [datagram])

    def _to_player(self, index: int, datagrams: list[bytes]) -> None:
        for datagram in datagrams:
            self._near[index].sendto(datagram, (self._player_host, self.player_ports[index]))

    def _wait_for_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self.passage.is_waiting:
            self._timer = self._loop.call_later(STILL_S, self._stand_still)

    def _stand_still(self) -> None:
        if self._relay.lets_datagrams_through():
            self._to_player(0, self.passage.take_rest())


def free_pair(host: str) -> tuple[socket.socket, socket.socket]:
    """UDP sockets that do not block: an even port and the one above it.

    Raises:
        OSError: There is none.
    """
    for _ in range(PAIR_TRIES):
        pair = tuple(socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        first, second = pair
        try:
            first.bind((host, 0))
            # From an even port to the odd one above it; from an odd one there is no way.
            second.bind((host, first.getsockname()[1] | 1))
        except OSError:
            first.close()
            second.close()
            continue
        for sock in pair:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        return first, second
    raise OSError("no free pair of UDP ports")


async def _read_message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """The head of a request or an answer and its body; no head where it is an interleaved frame."""
    first = await reader.readexactly(1)
    if first == b"$":
        prefix = await reader.readexactly(3)
        return b"", first + prefix + await reader.readexactly(int.from_bytes(prefix[1:], "big"))
    head = first + await reader.readuntil(_END_OF_HEAD)
    length = _LENGTH.search(head)
    return head, await reader.readexactly(int(length[1]) if length else 0)


def _rewrite_answer(head: bytes, asked: dict[bytes, _Path]) -> bytes:
    """An answer as the player gets it."""
    cseq, ports = _CSEQ.search(head), _SERVER_PORT.search(head)
    path = asked.pop(cseq[1], None) if cseq else None
    if path is None or ports is None:
        return head
    path.begin(_pair(ports))
    head = _SERVER_PORT.sub(_text("server_port", path.near_ports), head)
    head = _CLIENT_PORT.sub(_text("client_port", path.player_ports), head)
    return _SOURCE.sub(b";source=" + HOST.encode(), head)


def _pair(found: re.Match[bytes]) -> tuple[int, int]:
    """`a-b`, or `a` for `a` and the next."""
    return int(found[1]), int(found[2] or int(found[1]) + 1)


def _text(name: str, ports: tuple[int, int]) -> bytes:
    return f"{name}={ports[0]}-{ports[1]}".encode()


def _ports(pair: tuple[socket.socket, socket.socket]) -> tuple[int, int]:
    first, second = (int(sock.getsockname()[1]) for sock in pair)
    return first, second


def _datagrams(sock: socket.socket) -> list[bytes]:
    """All that have come."""
    came = []
    with contextlib.suppress(BlockingIOError):
        while True:
            came.append(sock.recv(MAX_DATAGRAM_BYTES))
    return came
