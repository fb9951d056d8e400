"""Laws of what comes over a connection: to the server, through a proxy, and to the player."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise

from twisted.internet.address import IPv4Address
from twisted.logger import capturedLogs
from twisted.protocols.haproxy._wrapper import HAProxyWrappingFactory

from client.errors import ConfusedError
from client.talk.reading import Heard, Packet, Reader
from mjpegd.limits import Limits
from mjpegd.proxied import Guarded, Proxied
from mjpegd.session import TRANSITIONS, Method, State
from mjpegd.test.conversation import TCP, UDP, URL, Client, Server, Wire, flat
from mjpegd.test.fakes import FakeFilm
from mjpegd.wire.errors import ParseError
from mjpegd.wire.messages import Request
from mjpegd.wire.packets import RTPPacket, sequence_delta, timestamp_delta
from mjpegd.wire.proxy import came_by_tls
from mjpegd.wire.tunnels import Base64Stream, HTTPError, parse_opening
from mjpegd.workers.first_words import is_enough, named_worker
from tests.fuzz.target import agree, chance, demand, pieces

# In an input: where time passes before more comes, and what stands for the session.
PAUSE = b"\0"
SESSION = b"{session}"
PAUSE_S = 0.1
MOST_PAUSES = 100
MOST_ACTS = 100
FRAMES = 12
# Longer than anything of a client lives on that has gone.
FORGOTTEN_S = 100.0

_SESSION_TOLD = re.compile(rb"Session: ([0-9]+)")
_PEER = IPv4Address("TCP", "198.51.100.7", 40_000)
_OWN = IPv4Address("TCP", "192.0.2.1", 8554)


@contextmanager
def faultless() -> Iterator[None]:
    """Raise what is logged as a failure within: a fault of ours that did not get out."""
    with capturedLogs() as events:
        yield
    for event in events:
        if "log_failure" in event:
            event["log_failure"].raiseException()


def server(data: bytes) -> None:
    """Whatever a client sends, no fault is logged, and nothing is left when it has gone."""
    house = Server(film=FakeFilm(FRAMES))
    with faultless():
        client = house.connect()
        for said in data.split(PAUSE)[:MOST_PAUSES]:
            for piece in pieces(_named(said, client), chance(said)):
                client.send(piece)
            house.advance(PAUSE_S)
            _learn_session(client)
        _leave(house, client)


def proxy(data: bytes) -> None:
    """Whatever a proxy sends, no fault is logged, and nothing is left when it has gone."""
    came_by_tls(data)
    house = Server(film=FakeFilm(FRAMES))
    announced = Proxied(house.factory, house.clock, house.house.limits)
    factory = Guarded(HAProxyWrappingFactory(announced))
    with faultless():
        wire = Wire(_PEER, _OWN)
        wire.protocol = factory.buildProtocol(_PEER)
        wire.protocol.makeConnection(wire)
        client = Client(wire)
        for piece in pieces(data, chance(data)):
            client.send(piece)
        _leave(house, client)


def tunnel(data: bytes) -> None:
    """HTTP opens a tunnel or raises `HTTPError`; its base64 is the same whole and in pieces."""
    head, _, said = data.partition(b"\r\n\r\n")
    with suppress(ParseError):
        request = Request.parse_head(head.split(b"\r\n"))
        try:
            parse_opening(request)
        except HTTPError as fault:
            fault.to_response().to_bytes()
    agree(_decoded([said]), _decoded(pieces(said, chance(said))), "whole and in pieces")


def first_words(data: bytes) -> None:
    """Where a connection belongs is known once it is said to be, whatever follows."""
    said = b""
    for piece in pieces(data, chance(data)):
        said += piece
        if is_enough(said):
            demand(is_enough(data), "it was enough, and is no more")
            agree(named_worker(data), named_worker(said), "which worker")
            return


def answers(data: bytes) -> None:
    """What a server says is read alike whole and in pieces, and raises only `ConfusedError`."""
    agree(_heard([data]), _heard(pieces(data, chance(data))), "whole and in pieces")


def session(data: bytes) -> None:
    """Methods in any order are answered as the table of states has it; RTP goes on, never back."""
    house = Server(Limits(request_burst=10_000), film=FakeFilm(FRAMES))
    with faultless():
        viewing = Viewing(house, house.connect())
        for line in data.split(b"\n")[:MOST_ACTS]:
            if line:
                viewing.act(line[0], _value(line[1:]))
        for sender in house.ports.senders:
            _goes_on(flat(sender.trains))
        _goes_on(viewing.client.packets())
        _leave(house, viewing.client)


@dataclass(slots=True)
class Viewing:
    """One session of a client, and in which states it may be.

    Attributes:
        states: More than one after time has passed: the film may have come to its end.
    """

    house: Server
    client: Client
    states: frozenset[State] = frozenset({State.INIT})

    def act(self, letter: int, value: str) -> None:
        """Do what an input says: a method, or nothing for a while."""
        act = _ACTS.get(letter)
        if act is not None:
            act(self, value)

    def set_up(self, transport: str) -> None:
        """SETUP, of the session that there is, or else of a new one."""
        named = None if self.states == {State.INIT} else self.client.session
        answer = self.client.setup(transport, Session=named)
        self._moved(Method.SETUP, answer.status, refusals={400, 461})

    def play(self, value: str) -> None:
        """PLAY with what it wishes: Range, Scale and Speed between bars."""
        wishes = dict(zip(("Range", "Scale", "Speed"), value.split("|"), strict=False))
        answer = self.client.ask("PLAY", URL, **{name: wishes[name] or None for name in wishes})
        self._moved(Method.PLAY, answer.status, refusals={400, 457})

    def pause(self, _: str) -> None:
        """PAUSE."""
        self._moved(Method.PAUSE, self.client.ask("PAUSE").status)

    def tear_down(self, _: str) -> None:
        """TEARDOWN."""
        self._moved(Method.TEARDOWN, self.client.ask("TEARDOWN").status)

    def wait(self, value: str) -> None:
        """Let time pass, longer for a longer value."""
        self.house.advance(PAUSE_S * (1 + min(len(value), MOST_PAUSES)), step_s=0.02)
        if State.PLAYING in self.states:
            self.states |= {State.READY}

    def _moved(self, method: Method, status: int, refusals: Set[int] = frozenset()) -> None:
        following = {TRANSITIONS.get((state, method)) for state in self.states}
        allowed = following - {None}
        expected = {200} if allowed else set()
        expected |= refusals if allowed else set()
        if None in following:
            expected |= {454, 455}
        demand(status in expected, f"{method} in {self.states}: {status}")
        if status == 200:
            self.states = frozenset(state for state in allowed if state)


_ACTS: Mapping[int, Callable[[Viewing, str], None]] = {
    ord("U"): lambda viewing, _: viewing.set_up(UDP),
    ord("T"): lambda viewing, _: viewing.set_up(TCP),
    ord("S"): Viewing.set_up,
    ord("P"): Viewing.play,
    ord("H"): Viewing.pause,
    ord("E"): Viewing.tear_down,
    ord("W"): Viewing.wait,
}


def _value(data: bytes) -> str:
    """Text that a header can hold."""
    return "".join(chr(byte) for byte in data if 0x20 <= byte < 0x7F).strip()


def _goes_on(packets: Sequence[RTPPacket]) -> None:
    """What went one way of each session, be it that some of it went another."""
    for ssrc in {packet.ssrc for packet in packets}:
        for packet, following in pairwise(found for found in packets if found.ssrc == ssrc):
            demand(sequence_delta(following.sequence, packet.sequence) > 0, "numbers go back")
            demand(timestamp_delta(following.timestamp, packet.timestamp) > 0, "time goes back")


def _named(said: bytes, client: Client) -> bytes:
    return said.replace(SESSION, client.session.encode())


def _learn_session(client: Client) -> None:
    told = _SESSION_TOLD.findall(client.wire.received)
    if told:
        client.session = told[-1].decode()


def _leave(house: Server, client: Client) -> None:
    client.close()
    house.advance(FORGOTTEN_S, step_s=5.0)
    agree(len(house.registry), 0, "sessions that are left")
    house.house.catalogue.close()
    house.house.tally.stop()
    left = house.clock.getDelayedCalls()
    demand(not left, f"calls that are left: {left}")


def _decoded(parts: Sequence[bytes]) -> bytes | None:
    """What base64 says; None where it is none."""
    stream = Base64Stream()
    try:
        return b"".join(map(stream.feed, parts))
    except ParseError:
        return None


def _heard(parts: Sequence[bytes]) -> tuple[list[Packet | Heard], bool]:
    """What was read, and whether it ended with an error."""
    reader, heard = Reader(), list[Packet | Heard]()
    try:
        for part in parts:
            for event in reader.feed(part):  # What comes before an error counts as well.
                heard.append(event)
    except ConfusedError:
        return heard, True
    return heard, False
