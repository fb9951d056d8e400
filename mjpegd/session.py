"""One viewer: the state machine of RFC 2326 appendix A.2, and what keeps it alive.

A session has a stream, a way for its packets, and a position. It lives until TEARDOWN, or
until nothing tells any more that someone is there:

- over UDP: no request and no RTCP for the timeout (with grace), or, where no connection that
  named it is left, for ``Limits.orphan_s``;
- interleaved: its connection closes, or nothing comes on it, or is read of it, for a long time;
- laboratory: its connection closes.

Where it depends on a connection, that also tells whether the viewer's machine is still there.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override

from mjpegd.errors import RTSPError
from mjpegd.interfaces import IPacketSender
from mjpegd.limits import Limits
from mjpegd.logs import Tally, shown
from mjpegd.packing import Packing
from mjpegd.playout import MIN_FAREWELL_S, Cue, FilmPlayout, LivePlayout, Playout, PlayRequest
from mjpegd.rtp import RTPStream
from mjpegd.stream import LiveStream, Stream
from mjpegd.timetable import Timetable
from mjpegd.wire.packets import TrainTemplate
from mjpegd.wire.reports import REPORT_INTERVAL_S, Report
from mjpegd.wishes import Wishes

_log = Logger()

# Sessions are looked after this often: fine enough for timeouts and reports.
TEND_INTERVAL_S = 1.0
# The look that is nearest to the moment is on time.
REPORT_EARLY_S = TEND_INTERVAL_S / 2


class State(Enum):
    """Where a session stands (RFC 2326 appendix A.2)."""

    INIT = "INIT"
    READY = "READY"
    PLAYING = "PLAYING"


class Method(Enum):
    """The methods that move a session."""

    SETUP = "SETUP"
    PLAY = "PLAY"
    PAUSE = "PAUSE"
    TEARDOWN = "TEARDOWN"


# What is not in it is refused with 455. PAUSE in READY is what GStreamer sends before TEARDOWN.
TRANSITIONS = {
    (State.INIT, Method.SETUP): State.READY,
    (State.READY, Method.SETUP): State.READY,
    (State.READY, Method.PLAY): State.PLAYING,
    (State.READY, Method.PAUSE): State.READY,
    (State.READY, Method.TEARDOWN): State.INIT,
    (State.PLAYING, Method.PLAY): State.PLAYING,
    (State.PLAYING, Method.PAUSE): State.READY,
    (State.PLAYING, Method.TEARDOWN): State.INIT,
}


def allowed(state: State) -> str:
    """The methods that move a session in this state, as the Allow header names them."""
    always = ["OPTIONS", "DESCRIBE", "GET_PARAMETER", "SET_PARAMETER"]
    return ", ".join(always + [method.value for at, method in TRANSITIONS if at is state])


def refuse(state: State, method: str) -> RTSPError:
    """The answer to a method that has no place in this state."""
    return RTSPError(
        455, f"{method} has no place in state {state.value}", [("Allow", allowed(state))]
    )


class Lifetime(Enum):
    """What keeps a session alive; see the module's docstring."""

    DATAGRAM = "UDP"
    INTERLEAVED = "interleaved"
    LABORATORY = "laboratory"


class Guard(Protocol):
    """What opens reports that are encrypted."""

    def open_report(self, packet: bytes) -> bytes:
        """The RTCP compound in a packet. Raises ParseError where that is not the viewer's."""
        ...


class Connection(Protocol):
    """A connection on which requests named a session."""

    def session_ended(self, session: "Session") -> None:
        """The session is no more."""
        ...


class Lifeline(Connection, Protocol):
    """A connection without which a session is over."""

    def abandoned(self, silent_s: float) -> str | None:
        """Why nobody is there any more, as a phrase for the log; None while somebody may be.

        Args:
            silent_s: For how many seconds nothing has come on it.
        """
        ...

    def abandon(self) -> None:
        """Close it: what was written will not be read."""
        ...


@dataclass(frozen=True, slots=True)
class Way:
    """How a viewer's packets travel.

    Attributes:
        sender: Takes the packets.
        packing: How frames are cut for it.
        lifetime: What keeps a session on it alive.
        description: For the log, e.g. ``UDP, ports 5000-5001``.
        channels: The interleaved channels of RTP and RTCP.
        report_ports: The viewer's UDP ports, by which its reports are known.
        carrier: The connection that the packets, or a laboratory session, depend on.
        guard: Opens the viewer's reports where they are encrypted, as its packets are.
    """

    sender: IPacketSender
    packing: Packing
    lifetime: Lifetime
    description: str
    channels: tuple[int, int] = (0, 1)
    report_ports: tuple[int, ...] = ()
    carrier: Lifeline | None = None
    guard: Guard | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom a session belongs to; nobody else finds it.

    Attributes:
        host: The viewer's address.
        user: Who is logged in; None without a login.
    """

    host: str
    user: str | None = None

    @override
    def __str__(self) -> str:
        return self.host if self.user is None else f"{self.host} ({shown(self.user)})"


class Surroundings(Protocol):
    """What a session is handed: time, limits, and who is told of its end."""

    clock: Timetable
    wall_clock: Callable[[], float]
    limits: Limits

    def forget(self, session: "Session") -> None:
        """The session has ended."""
        ...


@dataclass(eq=False, slots=True)
class Session:
    """One viewer of one stream.

    Attributes:
        identifier: What the Session header says.
        owner: Whom it belongs to; requests of others do not find it.
        path: What its URL named; rights are told by it.
        stream: What it watches.
        wishes: How it wants it.
        url: The URL of SETUP, as RTP-Info repeats it; empty for laboratory clients.
        rtp: Its numbers and times.
        loop: Films repeat where the wishes do not say otherwise.
        state: Where it stands.
    """

    identifier: str
    owner: Owner
    path: str
    stream: Stream
    wishes: Wishes
    url: str
    rtp: RTPStream
    loop: bool
    _around: Surroundings
    _way: Way
    state: State = State.READY
    connections: set[Connection] = field(default_factory=set)
    _playout: Playout = field(init=False)
    _lateness: Tally = field(init=False)
    _standing: Tally = field(init=False)  # in milliseconds
    _frames: int = field(init=False, default=0)
    _skipped: int = field(init=False, default=0)
    _dropped: int = field(init=False, default=0)
    _refused: int = field(init=False, default=0)
    _remark: str = field(init=False, default="")
    _touched_s: float = field(init=False, default=0.0)
    _orphaned_s: float | None = field(init=False, default=None)
    _next_report_s: float = field(init=False, default=0.0)
    _is_cued: bool = field(init=False, default=False)
    _is_heard: bool = field(init=False, default=False)  # since the last BYE
    _goodbye: IDelayedCall | None = field(init=False, default=None)
    _gone: str | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._playout = self._new_playout()
        self._lateness = Tally(self._around.clock, partial(_say_late, self.identifier))
        self._standing = Tally(self._around.clock, partial(_say_stood, self.identifier))
        self.touch()

    @property
    def host(self) -> str:
        """The viewer's address."""
        return self.owner.host

    @property
    def way(self) -> Way:
        """How its packets travel now."""
        return self._way

    @property
    def is_open(self) -> bool:
        """It has not ended."""
        return self.state is not State.INIT

    @property
    def is_bound_to_connection(self) -> bool:
        """No other connection may name it."""
        return self._way.lifetime is Lifetime.LABORATORY

    def touch(self) -> None:
        """A sign of life."""
        self._touched_s = self._around.clock.seconds()

    def attach(self, connection: Connection) -> None:
        """A connection named the session."""
        self.connections.add(connection)
        self._orphaned_s = None
        self.touch()

    def detach(self, connection: Connection) -> None:
        """A connection that may have named it has closed."""
        if connection not in self.connections:
            return
        self.connections.discard(connection)
        if self._way.lifetime is not Lifetime.DATAGRAM:
            if connection is self._way.carrier:
                self.close("its connection closed")
        elif not self.connections:
            self._orphaned_s = self._around.clock.seconds()

    def check(self, method: Method) -> None:
        """See whether the method has a place in the state.

        Raises:
            RTSPError: 455, it has none.
        """
        if (self.state, method) not in TRANSITIONS:
            raise refuse(self.state, method.value)

    def change_way(self, way: Way, url: str) -> None:
        """SETUP again: the packets travel otherwise from now on."""
        self._dropped += self._way.sender.dropped
        self._say_of_sender()
        self._refused, self._remark = 0, ""
        self._way.sender.close()
        self._way = way
        self.url = url
        self._playout = self._new_playout()

    def play(self, request: PlayRequest | None) -> Cue:
        """Begin to play, or go on, or change place or pace; `roll` sends the first packet.

        Args:
            request: None for a PLAY that asks for nothing new while the film plays.

        Raises:
            RTSPError: 404, the stream is no more; 455, PLAY has no place in the state.
        """
        if self._gone is not None:
            raise RTSPError(404, self._gone)
        self.check(Method.PLAY)
        if request is None and self.state is State.PLAYING:
            return self._playout.standing()
        if self.state is State.PLAYING:
            self._playout.pause()
            self._way.sender.discard()
        now_s = self._around.clock.seconds()
        cue = self._playout.cue(request or PlayRequest(), self.rtp.ticks_at(now_s))
        self._is_cued = True
        self._enter(State.PLAYING)
        return cue

    def roll(self) -> None:
        """The answer to PLAY is written: send."""
        if self._is_cued:
            self._is_cued = False
            self._is_heard = True
            self._report()
            self._playout.roll()

    def pause(self) -> float | None:
        """Send nothing more; media time in seconds where it stands, None for a live source.

        Raises:
            RTSPError: 455, PAUSE has no place in the state.
        """
        self.check(Method.PAUSE)
        self._stop()
        return self._playout.npt_s

    def close(self, reason: str) -> None:
        """End; ``reason`` is a phrase for the log. Harmless when it has ended before."""
        if not self.is_open:
            return
        self._stop(farewell=True)
        self._dropped += self._way.sender.dropped
        self._say_of_sender()
        self._way.sender.close()
        self.stream.leave(self)
        self._enter(State.INIT)
        self._around.forget(self)
        for connection in list(self.connections):
            connection.session_ended(self)
        self.connections.clear()
        self._lateness.stop()
        self._standing.stop()
        if self._goodbye is not None:
            self._goodbye.cancel()
            self._goodbye = None
        self._playout.leave()
        self._log_end(reason)

    def deliver(self, template: TrainTemplate, ticks: int, spread_s: float) -> None:
        """Send one frame (see `mjpegd.playout.Viewer`)."""
        self._frames += 1
        self._way.sender.send_train(
            self.rtp.train(template, ticks, self._way.channels[0]), spread_s
        )

    def skipped(self, count: int) -> None:
        """Frames were passed over because it was too late for them."""
        self._skipped += count
        self._lateness.count("skipped to the present", count)

    def held(self, seconds: float) -> None:
        """The film stood still because a frame could not be had in time."""
        self._standing.count("waiting for frames", round(seconds * 1000))

    def finished(self) -> None:
        """The film, or the range asked for, has been shown to its end."""
        self._way.sender.flush()
        self._stop("end of the film", farewell=True)

    def stream_gone(self, reason: str) -> None:
        """No more frames will come."""
        self._gone = reason
        self._stop(f"the stream ended: {reason}")
        # Like at the end of a film: an early BYE would overtake what is still on its way.
        self._goodbye = self._around.clock.callLater(MIN_FAREWELL_S, self._say_goodbye_if_heard)

    def broke(self, failure: Failure) -> None:
        """A fault of ours ended the playout."""
        _log.failure("session {session}: its playout broke", failure, session=self.identifier)
        self._is_heard = False  # what broke may be what tells the time of a BYE
        self.stream_gone("internal error")

    def opened(self, packet: bytes) -> bytes:
        """An RTCP compound that came on the viewer's way, to be read.

        Raises:
            ParseError: It ought to be encrypted by the viewer, and is not.
        """
        guard = self._way.guard
        return packet if guard is None else guard.open_report(packet)

    def received(self, reports: list[Report]) -> None:
        """RTCP from the viewer."""
        self.touch()
        self.rtp.received(reports, self._around.wall_clock())

    def tend(self) -> None:
        """What time brings: sender reports, and the end of those that nobody watches."""
        now_s = self._around.clock.seconds()
        carrier = self._way.carrier
        silent_s = now_s - self._touched_s
        if carrier is not None and (reason := carrier.abandoned(silent_s)) is not None:
            self.close(reason)
            carrier.abandon()
        elif (reason := self._expiry(now_s, silent_s)) is not None:
            self.close(reason)
        elif self.state is State.PLAYING and now_s >= self._next_report_s - REPORT_EARLY_S:
            self._report()

    def _expiry(self, now_s: float, silent_s: float) -> str | None:
        limits = self._around.limits
        if self._way.lifetime is Lifetime.INTERLEAVED:
            return "nothing came for too long" if silent_s > limits.interleaved_idle_s else None
        if self._way.lifetime is Lifetime.LABORATORY:
            return None
        if silent_s > limits.silence_s:
            return "timed out: no request and no RTCP"
        # The next look would be too late: who has gone may not have wanted to come at all.
        if self._orphaned_s is not None and (
            now_s - self._orphaned_s > limits.orphan_s - TEND_INTERVAL_S
        ):
            return "its connection is gone"
        return None

    def _enter(self, state: State, why: str = "") -> None:
        if state not in {self.state, State.INIT}:  # the end has a line of its own
            _log.info(
                "session {session} {old} -> {new}{why}",
                session=self.identifier,
                old=self.state.value,
                new=state.value,
                why=f": {shown(why)}" if why else "",
            )
        self.state = state

    def _new_playout(self) -> Playout:
        if isinstance(self.stream, LiveStream):
            return LivePlayout(self.stream, self._way.packing, self._around.clock, self)
        endless = self.stream.is_endless(self.wishes, loop=self.loop)
        return FilmPlayout(
            self.stream,
            self.wishes,
            self._way.packing,
            self._around.clock,
            self,
            endless=endless,
        )

    def _say_goodbye_if_heard(self) -> None:
        self._goodbye = None
        if self._is_heard:
            self._say_goodbye()

    def _stop(self, why: str = "", *, farewell: bool = False) -> None:
        self._way.sender.discard()
        if farewell and self._is_heard:
            self._say_goodbye()
        self._is_cued = False
        self._playout.pause()
        if self.state is State.PLAYING:
            self._enter(State.READY, why)

    def _report(self) -> None:
        now_s = self._around.clock.seconds()
        self._next_report_s = now_s + REPORT_INTERVAL_S
        self._say_of_sender()
        if self._way.lifetime is Lifetime.LABORATORY:
            return
        ticks = self._playout.ticks_at(now_s)
        self._way.sender.send_report(self.rtp.report(self._around.wall_clock(), ticks))

    def _say_of_sender(self) -> None:
        sender = self._way.sender
        if sender.errors > self._refused:
            _log.warn(
                "session {session}: {count} packets could not be sent: {reason}",
                session=self.identifier,
                count=sender.errors - self._refused,
                reason=sender.last_error,
            )
            self._refused = sender.errors
        if sender.remark != self._remark:
            self._remark = sender.remark
            _log.info("session {session}: {remark}", session=self.identifier, remark=sender.remark)

    def _say_goodbye(self) -> None:
        self._is_heard = False
        if self._way.lifetime is Lifetime.LABORATORY:
            return
        now_s = self._around.clock.seconds()
        is_playing = self.state is State.PLAYING
        ticks = self._playout.ticks_at(now_s) if is_playing else self.rtp.ticks_at(now_s)
        self._way.sender.send_report(self.rtp.farewell(self._around.wall_clock(), ticks))

    def _log_end(self, reason: str) -> None:
        reception = self.rtp.reception
        trip = reception.round_trip_s
        _log.info(
            "session {session} of {peer} ended: {reason}; {stream}: {frames} frames in {packets} "
            "packets, {skipped} frames skipped, {dropped} dropped; viewer reported {report}",
            session=self.identifier,
            peer=str(self.owner),
            reason=reason,
            stream=shown(self.stream.title),
            frames=self._frames,
            packets=self.rtp.packets,
            skipped=self._skipped,
            dropped=self._dropped,
            report=(
                f"{reception.lost} packets lost, jitter {reception.jitter_s * 1000:.1f} ms, "
                f"round trip {'unknown' if trip is None else f'{trip * 1000:.1f} ms'}"
                if reception.reports
                else "nothing"
            ),
        )


def _say_late(session: str, kind: str, count: int) -> None:
    _log.warn(
        "session {session}: too late for {count} frames, {kind}",
        session=session,
        count=count,
        kind=kind,
    )


def _say_stood(session: str, kind: str, count_ms: int) -> None:
    _log.info(
        "session {session} stood still for {seconds:.3f} s, {kind}",
        session=session,
        seconds=count_ms / 1000,
        kind=kind,
    )
