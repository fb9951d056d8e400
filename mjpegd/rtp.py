"""One viewer's RTP, and the daemon's RTP and RTCP sockets.

All viewers share one pair of UDP ports. What arrives there belongs to the viewer whose SSRC it
reports on, or else to the one who asked for media at the address that it comes from.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from twisted.internet.protocol import DatagramProtocol
from typing_extensions import override

from mjpegd.addresses import plain_host
from mjpegd.logs import Tally
from mjpegd.wire.clock import RTP_CLOCK_HZ, ntp_timestamp
from mjpegd.wire.errors import ParseError
from mjpegd.wire.packets import PacketTrain, TrainTemplate
from mjpegd.wire.reports import (
    Bye,
    ReceiverReport,
    Report,
    ReportBlock,
    SenderReport,
    SourceDescription,
    compound,
    is_rtcp,
    parse_compound,
    round_trip_s,
)

MAX_SSRC = 0xFFFF_FFFF
TIMESTAMP_MASK = 0xFFFF_FFFF
SEQUENCE_MASK = 0xFFFF

# Below 2**15: if the first packets are lost near a wrap, an SRTP receiver would stay one
# roll-over behind (index estimate, RFC 3711 section 3.3.1).
MAX_FIRST_SEQUENCE = 0x7FFF


@dataclass(slots=True)
class Reception:
    """What a viewer reported of its reception last (RFC 3550 section 6.4.1).

    Attributes:
        reports: How many reports came.
        lost: Packets lost in all; below 0 where some came twice.
        jitter_s: Interarrival jitter in seconds.
        round_trip_s: Time to the viewer and back, None where it cannot be told.
    """

    reports: int = 0
    lost: int = 0
    jitter_s: float = 0.0
    round_trip_s: float | None = None

    def take(self, block: ReportBlock, now_ntp: int) -> None:
        """Keep what a report block says."""
        self.reports += 1
        self.lost = block.lost
        self.jitter_s = block.jitter / RTP_CLOCK_HZ
        self.round_trip_s = round_trip_s(block, now_ntp)


class RTPStream:
    """The RTP of one viewer: source, numbers and times; they outlive PAUSE and every seek.

    Args:
        ssrc: The synchronisation source, 32 bits.
        sequence: Number of the first packet.
        first_ticks: RTP time of the first frame; 0 is avoided because FFmpeg takes it for none.
        cname: Who sends (RFC 3550 section 6.5.1).
    """

    __slots__ = (
        "_cname",
        "_first_s",
        "_first_ticks",
        "octets",
        "packets",
        "reception",
        "sequence",
        "ssrc",
    )

    def __init__(self, ssrc: int, sequence: int, first_ticks: int, cname: str) -> None:
        self.ssrc = ssrc
        self.sequence = sequence
        self.packets = 0
        self.octets = 0
        self.reception = Reception()
        self._first_ticks = first_ticks
        self._first_s: float | None = None
        self._cname = cname

    @classmethod
    def random(cls, random: Random, cname: str) -> "RTPStream":
        """A stream with start values that nobody can guess together (RFC 3550 section 5.1)."""
        return cls(
            random.randrange(1, MAX_SSRC),
            random.randrange(MAX_FIRST_SEQUENCE),
            random.randrange(1, TIMESTAMP_MASK),
            cname,
        )

    def ticks_at(self, now_s: float) -> int:
        """RTP time of a moment, not wrapped: from the first PLAY on at the pace of the clock."""
        if self._first_s is None:
            self._first_s = now_s
        return self._first_ticks + round((now_s - self._first_s) * RTP_CLOCK_HZ)

    def train(self, template: TrainTemplate, ticks: int, channel: int = 0) -> PacketTrain:
        """This viewer's packets of one frame; counts them as sent."""
        train = template.stamp(self.sequence, ticks & TIMESTAMP_MASK, self.ssrc, channel)
        count = template.packet_count
        self.sequence = (self.sequence + count) & SEQUENCE_MASK
        self.packets += count
        self.octets += template.payload_octets
        return train

    def report(self, unix_s: float, ticks: int) -> bytes:
        """A sender report with SDES: wall time and RTP time of the same moment."""
        return compound(self._sender_report(unix_s, ticks), self._description())

    def farewell(self, unix_s: float, ticks: int) -> bytes:
        """A sender report with SDES and BYE: the last word of the stream."""
        return compound(
            self._sender_report(unix_s, ticks), self._description(), Bye((self.ssrc,), "")
        )

    def received(self, reports: list[Report], unix_s: float) -> None:
        """Keep what receiver reports say of this stream; anything else in them is passed over."""
        now_ntp = ntp_timestamp(unix_s)
        for report in reports:
            if isinstance(report, ReceiverReport | SenderReport):
                for block in report.blocks:
                    if block.ssrc == self.ssrc:
                        self.reception.take(block, now_ntp)

    def _sender_report(self, unix_s: float, ticks: int) -> SenderReport:
        return SenderReport(
            ssrc=self.ssrc,
            ntp=ntp_timestamp(unix_s),
            rtp_timestamp=ticks & TIMESTAMP_MASK,
            packets=self.packets & 0xFFFF_FFFF,
            octets=self.octets & 0xFFFF_FFFF,
            blocks=(),
        )

    def _description(self) -> SourceDescription:
        return SourceDescription(self.ssrc, self._cname)


OnReport = Callable[[list[Report], str, int], None]
# Makes what came from a host and port readable; raises ParseError.
Opened = Callable[[bytes, str, int], bytes]

MALFORMED_RTCP = "malformed RTCP packets"


def _in_the_clear(packet: bytes, host: str, port: int) -> bytes:
    return packet


class RTCPProtocol(DatagramProtocol):
    """The RTCP port: reads what viewers report.

    Args:
        on_report: Called with the reports, and the host and port that they come from.
        tally: Counts what cannot be read.
        opened: Opens what is encrypted.
    """

    noisy = False

    def __init__(self, on_report: OnReport, tally: Tally, opened: Opened = _in_the_clear) -> None:
        self._on_report = on_report
        self._opened = opened
        self._tally = tally

    @override
    def logPrefix(self) -> str:
        """What Twisted calls the port in the log."""
        return "RTCP"

    @override
    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        """Whatever comes: what is no RTCP at all opens a way through a NAT (live555)."""
        if not is_rtcp(datagram):
            return
        host, port = plain_host(addr[0]), addr[1]
        try:
            reports = parse_compound(self._opened(datagram, host, port))
        except ParseError:
            self.unreadable()
            return
        if reports:
            self._on_report(reports, host, port)

    def unreadable(self) -> None:
        """Something came that claims to be RTCP."""
        self._tally.count(MALFORMED_RTCP)


class RTPProtocol(RTCPProtocol):
    """The RTP port: media leaves from it; what arrives is swallowed.

    Players open their NAT with empty, random or odd packets (GStreamer five times 200 random
    bytes, live555 FE ED FA CE). Reports are taken here too, from viewers that multiplex.
    """

    @override
    def logPrefix(self) -> str:
        """What Twisted calls the port in the log."""
        return "RTP"

    @override
    def unreadable(self) -> None:
        """Of 120 random packets one looks like RTCP: nothing to tell anybody."""
