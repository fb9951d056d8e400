"""What comes of one stream, counted: loss, order, jitter and delay (RFC 3550 appendix A)."""

from mjpegd.wire.clock import RTP_CLOCK_HZ, ntp_middle, unix_seconds
from mjpegd.wire.packets import RTPPacket, sequence_delta, timestamp_delta
from mjpegd.wire.reports import ReportBlock, SenderReport

# RFC 3550 appendix A.1: a number so far ahead, or so far behind, is no loss and no reordering
# but another start.
MAX_DROPOUT = 3000
MAX_MISORDER = 100

_CYCLE = 0x10000
_RECENT = (1 << MAX_MISORDER) - 1

_JITTER_GAIN = 1 / 16  # RFC 3550 section 6.4.1
_UNITS_PER_SECOND = 65536  # of the delay in a report
_MAX_UINT32 = 0xFFFFFFFF
_MIN_LOST, _MAX_LOST = -0x800000, 0x7FFFFF  # 24 bits with sign


class Reception:
    """Follows the packets of one stream.

    Attributes:
        received: Packets since the beginning, duplicates and all.
        duplicates: Packets that came again.
        reordered: Packets that came after a later one.
        jitter_s: Interarrival jitter of the first packets of frames (section 6.4.1).
        restarts: How often the stream began anew by itself, with another source or with other
            numbers; everything but this counts from there.
    """

    def __init__(self) -> None:
        self.restarts = 0
        self._highest = 0
        self._report: tuple[SenderReport, float] | None = None
        self.begin(None)

    def begin(self, sequence: int | None) -> None:
        """Count from now on. A sender report that may have come with PLAY stays.

        Args:
            sequence: Number of the first packet that is wanted; None takes what comes.
        """
        self.received = self.duplicates = self.reordered = 0
        self.jitter_s = 0.0
        self._wanted = sequence
        self._ssrc: int | None = None
        self._stranger: tuple[int, int] | None = None
        self._was_heard = False
        self._expected_before = self._received_before = 0
        # Two cycles on: no number is given out twice, wherever the new ones begin.
        self._cycles = (self._highest // _CYCLE + 2) * _CYCLE
        self._highest = self._lowest = self._floor = self._cycles
        self._recent = 0  # bit n: the packet n before the highest has come
        self._timestamp = 0
        self._arrived_s = 0.0

    @property
    def expected(self) -> int:
        """Packets sent since the beginning, as far as their numbers tell."""
        return 0 if self._ssrc is None else self._highest - self._lowest + 1

    @property
    def lost(self) -> int:
        """Packets lost since the beginning (appendix A.3); negative with duplicates."""
        return min(max(self.expected - self.received, _MIN_LOST), _MAX_LOST)

    def take(self, packet: RTPPacket, arrived_s: float) -> int | None:
        """Count a packet.

        Args:
            packet: Any packet of the stream's payload type.
            arrived_s: When it came.

        Returns:
            Its number, which goes on growing where the 16 bits of the packet's wrap or counting
            begins anew. None if it is of no use; it came before, it is older than what is wanted,
            or it has to be followed by another to be believed.
        """
        if packet.ssrc != self._ssrc:
            return self._take_stranger(packet, arrived_s)
        ahead = sequence_delta(packet.sequence, self._highest & 0xFFFF)
        if 0 < ahead < MAX_DROPOUT:
            self._highest += ahead
            self._recent = (self._recent << ahead | 1) & _RECENT
            self._was_heard = True
            self.received += 1
            if packet.timestamp != self._timestamp:
                self._measure_jitter(packet.timestamp, arrived_s)
            return self._highest
        if -MAX_MISORDER < ahead <= 0:
            return self._take_late(-ahead)
        return self._take_stranger(packet, arrived_s)

    def take_sender_report(self, report: SenderReport, arrived_s: float) -> None:
        """The server says how its RTP time and the time of day belong together."""
        self._report = report, arrived_s
        self._was_heard = True

    def block(self, now_s: float) -> ReportBlock | None:
        """What to report of the time since the last block; None if nothing was heard in it."""
        if self._ssrc is None or not self._was_heard:
            return None
        self._was_heard = False
        expected = self.expected - self._expected_before
        lost = expected - (self.received - self._received_before)
        self._expected_before, self._received_before = self.expected, self.received
        report, report_s = self._own_report() or (None, now_s)
        return ReportBlock(
            ssrc=self._ssrc,
            fraction_lost=256 * lost // expected if lost > 0 else 0,
            lost=self.lost,
            highest_sequence=(self._highest - self._cycles) & _MAX_UINT32,
            jitter=min(int(self.jitter_s * RTP_CLOCK_HZ), _MAX_UINT32),
            last_sr=ntp_middle(report.ntp) if report else 0,
            delay_since_last_sr=min(int((now_s - report_s) * _UNITS_PER_SECOND), _MAX_UINT32),
        )

    def delay_s(self, timestamp: int, now_unix_s: float) -> float | None:
        """How long ago, by the clocks of both machines, a frame was taken.

        Args:
            timestamp: RTP time of the frame.
            now_unix_s: The time of day, in seconds since 1970.

        Returns:
            None before the first sender report.
        """
        own = self._own_report()
        if own is None:
            return None
        report, _ = own
        since_s = timestamp_delta(timestamp, report.rtp_timestamp) / RTP_CLOCK_HZ
        return now_unix_s - unix_seconds(report.ntp, now_unix_s) - since_s

    def _own_report(self) -> tuple[SenderReport, float] | None:
        is_own = self._report is not None and self._report[0].ssrc == self._ssrc
        return self._report if is_own else None

    def _take_stranger(self, packet: RTPPacket, arrived_s: float) -> int | None:
        """A packet that does not go on from the last one."""
        if self._ssrc is None:
            return self._take_first(packet, arrived_s)
        # Whoever sends by mistake, or forges, seldom hits upon two numbers in sequence.
        if self._stranger == (packet.ssrc, packet.sequence):
            self.begin(None)
            self.restarts += 1
            return self._take_first(packet, arrived_s)
        self._stranger = packet.ssrc, (packet.sequence + 1) & 0xFFFF
        return None

    def _take_first(self, packet: RTPPacket, arrived_s: float) -> int | None:
        number = self._cycles + packet.sequence
        floor = number - MAX_MISORDER
        if self._wanted is not None:
            ahead = sequence_delta(packet.sequence, self._wanted)
            if -MAX_DROPOUT < ahead < 0:
                return None
            if 0 <= ahead < MAX_DROPOUT:
                floor = number - ahead
        self._floor, self._lowest, self._highest = floor, number, number
        self._ssrc = packet.ssrc
        self._recent = 1
        self._was_heard = True
        self.received = 1
        self._timestamp, self._arrived_s = packet.timestamp, arrived_s
        return number

    def _take_late(self, behind: int) -> int | None:
        number = self._highest - behind
        if number < self._floor:
            return None
        self._was_heard = True
        self.received += 1
        if self._recent >> behind & 1:
            self.duplicates += 1
            return None
        self._recent |= 1 << behind
        self.reordered += 1
        self._lowest = min(self._lowest, number)
        return number

    def _measure_jitter(self, timestamp: int, arrived_s: float) -> None:
        # Only the first packet of a frame counts: the others tell how the sender spreads them.
        media_s = timestamp_delta(timestamp, self._timestamp) / RTP_CLOCK_HZ
        change_s = abs(arrived_s - self._arrived_s - media_s)
        self.jitter_s += (change_s - self.jitter_s) * _JITTER_GAIN
        self._timestamp, self._arrived_s = timestamp, arrived_s
