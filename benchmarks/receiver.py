"""Viewers, for other benchmarks or alone: `python -m benchmarks.receiver URL --viewers 100`.

One process plays so many sessions of a film. It reads no more than the first bytes of a packet
over UDP, and looks at no more over TCP: a frame is whole when its packets follow each other from
the fragment at offset 0 to the marker. It collects once a millisecond instead of sleeping on its
sockets, as the server would otherwise pay for waking it. "begin" is printed when the measured
time begins, and when it ends what came, as JSON.
"""

import argparse
import json
import resource
import selectors
import socket
import struct
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from mjpegd.wire.headers import Transport
from mjpegd.wire.messages import InterleavedFrame, Response
from mjpegd.wire.packets import INTERLEAVED_MAGIC
from mjpegd.wire.reports import ReceiverReport, ReportBlock, SourceDescription, compound

COLLECT_S = 0.001
WARM_UP_S = 2.0
ANSWER_S = 30.0
RECEIVE_BUFFER_BYTES = 1 << 20
READ_BYTES = 1 << 20
TICKS_PER_S = 90_000
# What viewers call themselves in their reports; the server does not mind that all are the same.
SSRC = 1
#  RTP: flags, marker and type, sequence, time, source; RTP/JPEG: 24 bits of fragment offset.
HEAD = struct.Struct(">xBHI4xI")
# Interleaved: "$", channel, bytes that follow.
INTERLEAVED = struct.Struct(">cBH")
MARKER = 0x80
OFFSET = 0xFF_FFFF


@dataclass(slots=True)
class Watched:
    """What one viewer has seen.

    Attributes:
        offsets_s: When each whole frame came, less its RTP time.
    """

    offsets_s: list[float] = field(default_factory=list)
    _earliest_s: float = float("inf")
    _first_ticks: int | None = None
    _expected: int = -1
    _is_intact: bool = False

    def take(self, now_s: float, kind: int, sequence: int, ticks: int, fragment: int) -> bool:
        """A packet has come, with these headers; whether it ends a frame."""
        if sequence != self._expected:
            self._is_intact = fragment & OFFSET == 0
        self._expected = (sequence + 1) & 0xFFFF
        if kind < MARKER:
            return False
        if self._is_intact:
            self._frame(ticks, now_s)
        self._is_intact = True
        return True

    @property
    def sequence(self) -> int:
        """The number of the last packet."""
        return (self._expected - 1) & 0xFFFF

    def begin(self) -> None:
        """Forget what came, but not when the earliest should have come."""
        self.offsets_s.clear()

    def lags_s(self) -> list[float]:
        """How much later than the most punctual frame each came."""
        return [offset_s - self._earliest_s for offset_s in self.offsets_s]

    def _frame(self, ticks: int, now_s: float) -> None:
        if self._first_ticks is None:
            self._first_ticks = ticks
        offset_s = now_s - ((ticks - self._first_ticks) & 0xFFFF_FFFF) / TICKS_PER_S
        self._earliest_s = min(self._earliest_s, offset_s)
        self.offsets_s.append(offset_s)


class Conversation:
    """The requests of one viewer, on a connection of its own.

    Attributes:
        connection: It.
        rest: What came on it and was not looked at.
        transport: How the server sends, when it is set up.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        address = (parts.hostname or "", parts.port or 554)
        self.connection = socket.create_connection(address, ANSWER_S)
        self.rest = b""
        self.transport = Transport()
        self._url = url
        self._fields: tuple[str, ...] = ()
        self._cseq = 0

    def set_up(self, transport: str) -> None:
        """SETUP."""
        response = self._ask("SETUP", f"{self._url}/trackID=0", f"Transport: {transport}")
        session = (response.headers.get("Session") or "").partition(";")[0]
        self._fields = (f"Session: {session}",)
        self.transport = Transport.parse(response.headers.get("Transport") or "")

    def play(self) -> None:
        """PLAY; what comes from now on is read without waiting."""
        self._ask("PLAY", self._url)
        self.connection.setblocking(False)

    def tear_down(self) -> None:
        """TEARDOWN."""
        self.connection.settimeout(ANSWER_S)
        self._ask("TEARDOWN", self._url)

    def _ask(self, method: str, url: str, *fields: str) -> Response:
        self._cseq += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self._cseq}", *self._fields, *fields, "", ""]
        self.connection.sendall("\r\n".join(lines).encode())
        response = self._answer()
        if response.status != 200:
            raise SystemExit(f"{method}: {response.status} {response.reason}")
        return response

    def _answer(self) -> Response:
        """The next answer; packets before it are passed over."""
        while True:
            if self.rest[:1] == INTERLEAVED_MAGIC:
                packet = InterleavedFrame.parse(self.rest)
                if packet is not None:
                    self.rest = packet[1]
                    continue
            elif b"\r\n\r\n" in self.rest:
                head, _, self.rest = self.rest.partition(b"\r\n\r\n")
                return Response.parse_head(head.split(b"\r\n"))
            self.rest += _read(self.connection)


class Viewer(Protocol):
    """A session that plays.

    Attributes:
        watched: What it has seen.
        conversation: What it asks.
    """

    watched: Watched
    conversation: Conversation

    @property
    def media(self) -> socket.socket:
        """Where its packets come from."""
        ...

    def play(self) -> None:
        """Ask for the film."""
        ...

    def receive(self) -> None:
        """Take what has come: a frame, or all there is."""
        ...

    def report(self) -> None:
        """Tell the server that somebody is there, as players do every few seconds."""
        ...

    def close(self) -> None:
        """Close all that it has, without a word."""
        ...


class UDPViewer:
    """A viewer with ports of its own."""

    def __init__(self, url: str) -> None:
        self.watched = Watched()
        self.conversation = Conversation(url)
        self._rtp, self._rtcp = _pair(self.conversation.connection.getsockname()[0])
        first, second = (sock.getsockname()[1] for sock in (self._rtp, self._rtcp))
        self.conversation.set_up(f"RTP/AVP;unicast;client_port={first}-{second}")

    @property
    def media(self) -> socket.socket:
        """The socket for RTP."""
        return self._rtp

    def play(self) -> None:
        """Ask for the film."""
        self.conversation.play()

    def receive(self) -> None:
        """Take packets up to the end of a frame; the kernel throws away what is not read."""
        now_s = time.monotonic()
        receive, take = self._rtp.recv, self.watched.take
        with suppress(BlockingIOError):
            while not take(now_s, *HEAD.unpack(receive(HEAD.size))):
                pass

    def report(self) -> None:
        """Send a receiver report, and read what came of the server's."""
        host, _ = self.conversation.connection.getpeername()
        _, port = self.conversation.transport.server_port or (0, 0)
        self._rtcp.sendto(_report(self), (host, port))
        with suppress(BlockingIOError):
            while True:
                self._rtcp.recv(READ_BYTES)

    def close(self) -> None:
        """Close its ports and its connection."""
        for sock in (self._rtp, self._rtcp, self.conversation.connection):
            sock.close()


class TCPViewer:
    """A viewer whose packets come on the connection of its requests."""

    def __init__(self, url: str) -> None:
        self.watched = Watched()
        self.conversation = Conversation(url)
        self.conversation.set_up("RTP/AVP/TCP;unicast;interleaved=0-1")

    @property
    def media(self) -> socket.socket:
        """The connection."""
        return self.conversation.connection

    def play(self) -> None:
        """Ask for the film."""
        self.conversation.play()

    def receive(self) -> None:
        """Take the packets that are there (RFC 2326 section 10.12)."""
        data = self.conversation.rest + _read(self.media)
        now_s = time.monotonic()
        start, end = 0, len(data)
        while start + 4 <= end:
            magic, channel, size = INTERLEAVED.unpack_from(data, start)
            if magic != INTERLEAVED_MAGIC:
                raise SystemExit("no packet where one should begin")
            if start + 4 + size > end:
                break
            if channel == 0:
                self.watched.take(now_s, *HEAD.unpack_from(data, start + 4))
            start += 4 + size
        self.conversation.rest = data[start:]

    def report(self) -> None:
        """Send a receiver report."""
        self.media.send(InterleavedFrame(1, _report(self)).to_bytes())

    def close(self) -> None:
        """Close its connection."""
        self.media.close()


VIEWERS: dict[str, Callable[[str], Viewer]] = {"udp": UDPViewer, "tcp": TCPViewer}


class Audience:
    """All viewers, who come one after another."""

    def __init__(self, viewers: Sequence[Viewer]) -> None:
        self._viewers = viewers
        self._selector = selectors.DefaultSelector()
        self._pause_s = 0.0
        for viewer in viewers:
            viewer.play()
            self._selector.register(viewer.media, selectors.EVENT_READ, viewer)
            self._collect()

    def watch(self, seconds: float) -> float:
        """Receive for a time; how long it was."""
        began_s = now_s = time.monotonic()
        while now_s - began_s < seconds:
            time.sleep(COLLECT_S)
            self._collect()
            last_s, now_s = now_s, time.monotonic()
            self._pause_s = max(self._pause_s, now_s - last_s)
        return now_s - began_s

    def begin(self) -> None:
        """What comes from now on counts."""
        self._pause_s = 0.0
        for viewer in self._viewers:
            viewer.watched.begin()

    def facts(self) -> dict[str, float]:
        """What came.

        Whole frames; by how many milliseconds 99 of 100 were late at most; the longest time, in
        milliseconds too, in which nothing was collected.
        """
        lags_s = sorted(lag_s for viewer in self._viewers for lag_s in viewer.watched.lags_s())
        return {
            "whole": len(lags_s),
            "lag_ms": 1000 * lags_s[len(lags_s) * 99 // 100] if lags_s else 0.0,
            "pause_ms": 1000 * self._pause_s,
        }

    def _collect(self) -> None:
        for key, _ in self._selector.select(0):
            key.data.receive()


def _read(connection: socket.socket) -> bytes:
    data = connection.recv(READ_BYTES)
    if not data:
        raise SystemExit("the server closed a connection")
    return data


def _report(viewer: Viewer) -> bytes:
    """A compound that says of the server's stream that nothing is amiss."""
    block = ReportBlock(
        ssrc=viewer.conversation.transport.ssrc or 0,
        fraction_lost=0,
        lost=0,
        highest_sequence=viewer.watched.sequence,
        jitter=0,
        last_sr=0,
        delay_since_last_sr=0,
    )
    return compound(ReceiverReport(SSRC, (block,)), SourceDescription(SSRC, "benchmark"))


def _pair(host: str) -> tuple[socket.socket, socket.socket]:
    """Sockets on an even port and the one above it."""
    while True:
        one, other = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for sock in (one, other):
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        one.bind((host, 0))
        port = one.getsockname()[1]
        with suppress(OSError):
            other.bind((host, port ^ 1))
            return (other, one) if port % 2 else (one, other)
        one.close()
        other.close()


def main() -> None:
    """Watch, and print what came."""
    parser = argparse.ArgumentParser("python -m benchmarks.receiver", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--viewers", type=int, default=1)
    parser.add_argument("--transport", choices=VIEWERS, default="udp")
    parser.add_argument("--seconds", type=float, default=5)
    given = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    audience = Audience([VIEWERS[given.transport](given.url) for _ in range(given.viewers)])
    audience.watch(WARM_UP_S)
    audience.begin()
    sys.stdout.write("begin\n")
    sys.stdout.flush()
    own_s = time.process_time()
    elapsed_s = audience.watch(given.seconds)
    own_s = time.process_time() - own_s
    facts = {"elapsed_s": elapsed_s, "cpu_s": own_s}
    sys.stdout.write("end\n")
    sys.stdout.flush()
    sys.stdout.write(json.dumps(facts | audience.facts()) + "\n")


if __name__ == "__main__":
    main()
