"""One session's media, from packets to frames that are due; its reports, and what it measures."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from random import Random

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from mjpegd.wire.clock import ticks
from mjpegd.wire.errors import ParseError
from mjpegd.wire.packets import RTPPacket
from mjpegd.wire.reports import (
    REPORT_INTERVAL_S,
    Bye,
    ReceiverReport,
    SenderReport,
    SourceDescription,
    compound,
    is_rtcp,
    parse_compound,
)

from ..interfaces import Cue, ReceivedFrame
from ..view import Figures, Newest
from .jitterbuffer import JitterBuffer
from .measuring import Loss, Rate
from .reception import Reception

_log = Logger()

# Slower than one frame a second there is hardly a film.
BIT_RATE_WINDOW_S = 1.0
FPS_WINDOW_S = 2.0

# A frame of 1080p has about a hundred; an answer is seldom later than a few frames.
MAX_EARLY_PACKETS = 1000

# RTCP has a port of its own, so that BYE may overtake the last packets. And somebody else's BYE
# ends nothing: where packets still come, the stream is not over.
BYE_S = 0.25

# Around the least interval, so that many players do not report at one moment, and shortened by
# what that costs on average (RFC 3550 section 6.3.1).
_REPORT_SPREAD = (0.5, 1.5)
_REPORT_COMPENSATION = 1.21828


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a receiver is in its reports (RFC 3550 sections 5.1 and 6.5.1).

    Attributes:
        ssrc: Its synchronisation source, 32 bits.
        cname: Its canonical name; random, so that it tells nothing of the person.
    """

    ssrc: int
    cname: str

    @classmethod
    def random(cls, random: Random) -> "Identity":
        """Somebody new."""
        return cls(random.getrandbits(32), f"{random.getrandbits(64):016x}@mjpegd-player")


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where an intake's results go.

    Attributes:
        frame: A frame is due on the screen.
        ended: The server said that the stream is over, and its last frame is through.
    """

    frame: Callable[[ReceivedFrame], None]
    ended: Callable[[], None]


class _Phase(Enum):
    """What becomes of RTP packets."""

    HELD = auto()  # they are not wanted
    EXPECTING = auto()  # they are kept until PLAY is answered, which they may overtake
    OPEN = auto()  # they become frames


class Intake:
    """Takes what comes on the RTP and RTCP ports or channels of one session.

    Args:
        clock: The player's clock.
        random: Spreads the reports.
        identity: Who reports.
        payload_type: What marks the film among the packets.
        jitter_buffer: Puts packets in order, and frames to their time.
        outlets: Where results go.
        is_laboratory: Packets are whole JPEGs, with times that mean nothing.

    Attributes:
        jitter_buffer: As above.
        heard_s: When anything came last, RTP or RTCP; when PLAY was answered, before that.
        has_heard: A packet of the film has come since PLAY.
        malformed: Packets that could not be read.
    """

    def __init__(
        self,
        clock: IReactorTime,
        random: Random,
        identity: Identity,
        payload_type: int,
        jitter_buffer: JitterBuffer,
        outlets: Outlets,
        *,
        is_laboratory: bool = False,
    ) -> None:
        self.jitter_buffer = jitter_buffer
        self.heard_s = clock.seconds()
        self.has_heard = False
        self.malformed = 0
        self._clock = clock
        self._random = random
        self._identity = identity
        self._payload_type = payload_type
        self._outlets = outlets
        self._is_laboratory = is_laboratory
        self._reception = Reception()
        self._octets = Rate(BIT_RATE_WINDOW_S)
        self._frames = Rate(FPS_WINDOW_S)
        self._loss = Loss()
        self._newest: tuple[RTPPacket, int] | None = None  # and its size in bytes
        self._phase = _Phase.HELD
        self._early: list[tuple[bytes, float]] = []
        self._is_over = False
        self._timer: IDelayedCall | None = None
        self._report: Callable[[bytes], None] | None = None
        self._report_call: IDelayedCall | None = None

    # --- The session --------------------------------------------------------------------------

    def report_to(self, send: Callable[[bytes], None]) -> None:
        """SETUP was answered: RTCP packets go to the server this way."""
        self._report = send

    def expect(self) -> None:
        """PLAY is on its way."""
        self.hold()
        self._phase = _Phase.EXPECTING

    def begin(self, cue: Cue) -> None:
        """PLAY was answered: what came before the packet that it names is not wanted."""
        self._phase = _Phase.OPEN
        self._reception.begin(cue.sequence)
        self.heard_s = self._clock.seconds()
        self.has_heard = False
        if self._report_call is None:
            self._report_later(0.5)
        early, self._early = self._early, []
        for data, arrived_s in early:
            self.take(data, arrived_s)

    def hold(self) -> None:
        """Playing has stopped: what still comes is not wanted."""
        self._phase = _Phase.HELD
        self._early = []
        self._is_over = False
        self.jitter_buffer.clear()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def close(self) -> None:
        """Say goodbye, and stop all timers."""
        self.hold()
        if self._report_call is not None:
            self._report_call.cancel()
            self._report_call = None
            self._send_report(Bye((self._identity.ssrc,)))

    # --- Packets ------------------------------------------------------------------------------

    @property
    def newest(self) -> Newest | None:
        """The packet that came last."""
        return Newest(*self._newest, not self._is_laboratory) if self._newest else None

    def take(self, data: bytes, arrived_s: float) -> None:
        """A packet came on either port or channel: it tells itself whether it is RTCP."""
        if self._phase is _Phase.EXPECTING:
            if len(self._early) < MAX_EARLY_PACKETS:
                self._early.append((data, arrived_s))
            return
        try:
            if is_rtcp(data):
                self._take_rtcp(data, arrived_s)
            elif self._phase is _Phase.OPEN:
                self._take_rtp(data, arrived_s)
        except ParseError as fault:
            self.malformed += 1
            if self.malformed == 1:
                _log.warn("packets come that cannot be read, the first: {fault}", fault=fault)

    def _take_rtp(self, data: bytes, arrived_s: float) -> None:
        received = packet = RTPPacket.parse(data)
        if packet.payload_type != self._payload_type:
            return
        self.heard_s = arrived_s
        self.has_heard = True
        if self._is_laboratory:
            # Its own times are whole seconds, if anything.
            packet = replace(packet, timestamp=ticks(arrived_s) & 0xFFFFFFFF)
        restarts = self._reception.restarts
        number = self._reception.take(packet, arrived_s)
        if self._reception.restarts != restarts:
            self.jitter_buffer.clear()
        if number is not None:
            self._newest = received, len(data)
            self._octets.add(len(packet.payload), arrived_s)
            if self.jitter_buffer.push(packet, number, arrived_s):
                self._release()

    def _take_rtcp(self, data: bytes, arrived_s: float) -> None:
        reports = parse_compound(data)
        self.heard_s = arrived_s
        for report in reports:
            if isinstance(report, SenderReport):
                self._reception.take_sender_report(report, arrived_s)
            elif isinstance(report, Bye):
                self._is_over = self._phase is _Phase.OPEN
        self._release()

    # --- Frames -------------------------------------------------------------------------------

    def _release(self) -> None:
        """Hand out what is due, and come back when more is."""
        now_s = self._clock.seconds()
        for frame in self.jitter_buffer.due(now_s):
            # Who takes a frame may have had enough with it.
            if self._phase is _Phase.OPEN:
                self._frames.add(1, now_s)
                self._outlets.frame(frame)
        wake_s = self.jitter_buffer.next_s
        if wake_s is None and self._is_over:
            wake_s = self.heard_s + BYE_S
            if wake_s <= now_s:
                self.hold()
                self._outlets.ended()
                return
        if wake_s is not None:
            self._wake_at(wake_s)

    def _wake_at(self, then_s: float) -> None:
        """Come back at that time; coming too early does no harm."""
        wait_s = max(0.0, then_s - self._clock.seconds())
        if self._timer is None or not self._timer.active():
            self._timer = self._clock.callLater(wait_s, self._release)
        elif then_s < self._timer.getTime():
            self._timer.reset(wait_s)

    # --- Reports ------------------------------------------------------------------------------

    def figures(self, now_s: float, unix_s: float, shown_timestamp: int | None) -> Figures:
        """What is measured of the stream; what the screen does is left at its defaults.

        Args:
            now_s: Now, on the player's clock.
            unix_s: Now, by the clock of the world.
            shown_timestamp: RTP time of the picture on the screen; None where that stands still.
        """
        reception, buffer = self._reception, self.jitter_buffer
        delay_s = None
        if shown_timestamp is not None:
            delay_s = reception.delay_s(shown_timestamp, unix_s)
        return Figures(
            bit_rate_kbps=self._octets.per_second(now_s) * 8 / 1000,
            fps=self._frames.per_second(now_s),
            jitter_ms=1000 * reception.jitter_s,
            loss_percent=self._loss.percent(reception.expected, reception.lost, now_s),
            buffer_ms=1000 * buffer.filling_s(now_s),
            target_ms=1000 * buffer.target_s,
            delay_ms=None if delay_s is None else 1000 * delay_s,
            packets_received=reception.received,
            packets_lost=reception.lost,
            packets_reordered=reception.reordered,
            packets_duplicate=reception.duplicates,
            frames_lost=buffer.frames_lost,
        )

    def _report_later(self, factor: float = 1.0) -> None:
        spread = self._random.uniform(*_REPORT_SPREAD) / _REPORT_COMPENSATION
        self._report_call = self._clock.callLater(
            REPORT_INTERVAL_S * spread * factor, self._report_now
        )

    def _report_now(self) -> None:
        self._send_report()
        self._report_later()

    def _send_report(self, *farewell: Bye) -> None:
        if self._report is not None:
            ssrc, block = self._identity.ssrc, self._reception.block(self._clock.seconds())
            report = ReceiverReport(ssrc, (block,) if block else ())
            description = SourceDescription(ssrc, self._identity.cname)
            self._report(compound(report, description, *farewell))
