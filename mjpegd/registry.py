"""Who watches: all sessions, found by identifier, by SSRC, or by where their reports come from."""

import secrets
from collections.abc import Callable
from random import Random

from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from mjpegd.capacity.admission import Admission, Seat
from mjpegd.capacity.seats import HeldSeat
from mjpegd.errors import RTSPError
from mjpegd.limits import Limits
from mjpegd.logs import shown
from mjpegd.rtp import RTPStream
from mjpegd.session import TEND_INTERVAL_S, Lifetime, Owner, Session, Way
from mjpegd.stream import Stream
from mjpegd.timetable import Timetable
from mjpegd.wire.lab import FIRST_SEQUENCE, SESSIONS
from mjpegd.wire.reports import ReceiverReport, Report, SenderReport
from mjpegd.wishes import Wishes

_log = Logger()

# 20 digits hold 66 random bits; players and laboratory tools take digits everywhere.
IDENTIFIER_DIGITS = 20


class Registry:
    """All sessions of a daemon.

    Args:
        clock: Time for timeouts and for media.
        wall_clock: Unix seconds, for sender reports.
        limits: How long they may live.
        admission: Whether there is room for one.
        cname: Who sends, for RTCP (RFC 3550 section 6.5.1).
        loop: Films repeat where their URL does not say otherwise.
        random: For SSRC and start values, which are no secrets.
        prefix: What identifiers begin with, digits; for who has to find this registry by them.
    """

    def __init__(
        self,
        clock: Timetable,
        wall_clock: Callable[[], float],
        limits: Limits,
        admission: Admission,
        cname: str,
        *,
        loop: bool,
        random: Random,
        prefix: str = "",
    ) -> None:
        self.clock = clock
        self.wall_clock = wall_clock
        self.limits = limits
        self.loop = loop
        self._admission = admission
        self._cname = cname
        self._random = random
        self._prefix = prefix
        self._sessions: dict[str, Session] = {}
        self._seats: dict[str, HeldSeat] = {}
        self._by_ssrc: dict[int, Session] = {}
        self._by_address: dict[tuple[str, int], Session] = {}
        self._tending: LoopingCall | None = None

    def __len__(self) -> int:
        return len(self._sessions)

    async def create(
        self, owner: Owner, path: str, stream: Stream, wishes: Wishes, url: str, way: Way
    ) -> Session:
        """A new session in state READY. The client may have gone when it is there.

        Args:
            owner: Whom it belongs to.
            path: What its URL named, decoded.
            stream: What that is.
            wishes: How the viewer wants it.
            url: As RTP-Info repeats it.
            way: How its packets travel.

        Raises:
            RTSPError: 453, there are too many, or there is too little bandwidth.
        """
        seat = await HeldSeat.take(
            self._admission,
            Seat(owner.host, owner.user or "", stream.bits_per_s(wishes)),
            self.limits.viewer_bits_per_s,
        )
        try:
            session = self._create(owner, path, stream, wishes, url, way)
        except BaseException:
            seat.give_back()
            raise
        self._seats[session.identifier] = seat
        _log.info(
            "session {session} of {peer}: {stream} by {way}",
            session=session.identifier,
            peer=str(owner),
            stream=shown(stream.title),
            way=way.description,
        )
        return session

    def _create(
        self, owner: Owner, path: str, stream: Stream, wishes: Wishes, url: str, way: Way
    ) -> Session:
        if way.lifetime is Lifetime.LABORATORY:
            rtp = RTPStream(ssrc=0, sequence=FIRST_SEQUENCE, first_ticks=1, cname=self._cname)
        else:
            rtp = RTPStream.random(self._random, self._cname)
            while rtp.ssrc in self._by_ssrc:
                rtp = RTPStream.random(self._random, self._cname)
        identifier = self._new_identifier(way.lifetime)
        session = Session(identifier, owner, path, stream, wishes, url, rtp, self.loop, self, way)
        stream.join(session)
        self._sessions[identifier] = session
        if rtp.ssrc:
            self._by_ssrc[rtp.ssrc] = session
        self._know_addresses(session)
        self._tend_while_needed()
        return session

    def find(self, identifier: str, owner: Owner) -> Session:
        """The session that a request names.

        Args:
            identifier: What the request calls it.
            owner: Who asks.

        Raises:
            RTSPError: 454, there is none, it is somebody else's, or a laboratory client's, whose
                short number is good on its own connection only: the answer is the same.
        """
        session = self._sessions.get(identifier)
        if session is None or session.owner != owner or session.is_bound_to_connection:
            raise RTSPError(454, "no such session")
        return session

    async def granted_speed(self, session: Session, speed: float) -> float:
        """The speed that a viewer may play at, who wishes this one.

        Raises:
            RTSPError: 453, there is no bandwidth left for that.
        """
        return await self._seats[session.identifier].granted(speed)

    def change_way(self, session: Session, way: Way, url: str) -> None:
        """SETUP again for a session that does not play."""
        self._forget_addresses(session)
        session.change_way(way, url)
        self._know_addresses(session)

    def opened(self, packet: bytes, host: str, port: int) -> bytes:
        """What came from the network as RTCP, readable: viewers may have keys for it.

        Raises:
            ParseError: It ought to be encrypted by the viewer who is there, and is not.
        """
        session = self._by_address.get((host, port))
        return packet if session is None else session.opened(packet)

    def received(self, reports: list[Report], host: str, port: int) -> None:
        """RTCP from the network: to the session that it is about, if its host sends it."""
        there = self._by_address.get((host, port))
        session = self._about(reports) or there
        if session is None or session.host != host:
            return
        # What was not opened with its keys says nothing of it.
        if session.way.guard is None or session is there:
            session.received(reports)

    def forget(self, session: Session) -> None:
        """The session has ended."""
        self._sessions.pop(session.identifier, None)
        self._by_ssrc.pop(session.rtp.ssrc, None)
        self._forget_addresses(session)
        self._seats.pop(session.identifier).give_back()

    def end_where(self, is_over: Callable[[Session], bool], reason: str) -> None:
        """End those of which something is so; ``reason`` is a phrase for the log."""
        for session in list(self._sessions.values()):
            if is_over(session):
                session.close(reason)

    def end_all(self, reason: str) -> None:
        """Say BYE to everybody."""
        for session in list(self._sessions.values()):
            session.close(reason)
        self._rest_if_idle()

    def _about(self, reports: list[Report]) -> Session | None:
        for report in reports:
            if isinstance(report, ReceiverReport | SenderReport):
                for block in report.blocks:
                    if block.ssrc in self._by_ssrc:
                        return self._by_ssrc[block.ssrc]
        return None

    def _know_addresses(self, session: Session) -> None:
        for port in session.way.report_ports:
            self._by_address[session.host, port] = session

    def _forget_addresses(self, session: Session) -> None:
        for port in session.way.report_ports:
            if self._by_address.get((session.host, port)) is session:
                del self._by_address[session.host, port]

    def _new_identifier(self, lifetime: Lifetime) -> str:
        while True:
            if lifetime is Lifetime.LABORATORY:
                identifier = str(secrets.choice(SESSIONS))
            else:
                number = str(secrets.randbelow(10**IDENTIFIER_DIGITS))
                identifier = self._prefix + number.zfill(IDENTIFIER_DIGITS)
            if identifier not in self._sessions:
                return identifier

    def _tend_while_needed(self) -> None:
        # An idle daemon has no timers.
        if self._tending is None:
            self._tending = LoopingCall(self._tend)
            self._tending.clock = self.clock
            self._tending.start(TEND_INTERVAL_S, now=False).addErrback(self._broke)

    def _broke(self, failure: Failure) -> None:
        """A fault of ours ended the loop; the next session begins it again."""
        _log.failure("looking after sessions", failure)
        self._tending = None

    def _tend(self) -> None:
        for session in list(self._sessions.values()):
            try:
                session.tend()
            except Exception:
                _log.failure("looking after session {session}", session=session.identifier)
        self._rest_if_idle()

    def _rest_if_idle(self) -> None:
        if not self._sessions and self._tending is not None:
            self._tending.stop()
            self._tending = None
