"""RTCP (RFC 3550 section 6): reports, descriptions and farewells, alone and in compounds."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mjpegd.wire.clock import ntp_middle
from mjpegd.wire.errors import ParseError

SENDER_REPORT = 200
RECEIVER_REPORT = 201
SOURCE_DESCRIPTION = 202
BYE = 203

# All types that are in use lie here: SR, RR, SDES, BYE, APP, RTPFB, PSFB, XR. On a port that
# carries RTP too, these values are no payload types with marker (RFC 5761 section 4).
_REPORT_TYPES = range(200, 208)

# Senders put two to five packets into a datagram; one full of empty packets is an attack.
MAX_COMPOUND_PACKETS = 32

# The least interval of RFC 3550 section 6.2. It is not made random: a session has two
# participants, and no crowd whose reports could fall on one moment.
REPORT_INTERVAL_S = 5.0

_CNAME = 1
_UNITS_PER_SECOND = 65536

# |V=2|P|  count  |      PT       |    length in words, minus 1   |
_HEADER = struct.Struct("!BBH")
_WORD = struct.Struct("!L")
_SENDER_INFO = struct.Struct("!LQLLL")
# | SSRC | fraction lost (8), cumulative lost (24, signed) | highest | jitter | LSR | DLSR |
_BLOCK = struct.Struct("!LLLLLL")


class Report(Protocol):
    """Any RTCP packet."""

    def to_bytes(self) -> bytes:
        """The packet as it is sent, a whole number of 32-bit words."""
        ...


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver says about one sender (RFC 3550 section 6.4.1).

    Attributes:
        ssrc: Whom the block is about.
        fraction_lost: Of the packets since the last report, in 1/256: 0..255.
        lost: Packets since the beginning, signed 24 bits; negative with duplicates.
        highest_sequence: The highest sequence number seen, extended to 32 bits by the wraps.
        jitter: In ticks of the RTP clock.
        last_sr: Middle 32 bits of the last sender report's NTP timestamp, 0 for none.
        delay_since_last_sr: In 1/65536 s.
    """

    ssrc: int
    fraction_lost: int
    lost: int
    highest_sequence: int
    jitter: int
    last_sr: int
    delay_since_last_sr: int

    @classmethod
    def parse(cls, data: bytes) -> "ReportBlock":
        """Read a block of 24 bytes.

        Raises:
            ParseError: It is shorter.
        """
        if len(data) < _BLOCK.size:
            raise ParseError(len(data), "report-block", "too short")
        ssrc, losses, highest, jitter, last_sr, delay = _BLOCK.unpack_from(data)
        lost = ((losses & 0xFFFFFF) ^ 0x800000) - 0x800000
        return cls(ssrc, losses >> 24, lost, highest, jitter, last_sr, delay)

    def to_bytes(self) -> bytes:
        """The block as it is sent."""
        return _BLOCK.pack(
            self.ssrc,
            self.fraction_lost << 24 | self.lost & 0xFFFFFF,
            self.highest_sequence,
            self.jitter,
            self.last_sr,
            self.delay_since_last_sr,
        )


@dataclass(frozen=True, slots=True)
class SenderReport:
    """What a sender says about its stream (RFC 3550 section 6.4.1).

    Attributes:
        ssrc: The sender.
        ntp: 64-bit NTP timestamp of the report.
        rtp_timestamp: The same moment on the stream's RTP clock.
        packets: RTP packets sent, modulo 2**32.
        octets: Payload bytes sent, modulo 2**32.
        blocks: What the sender says about others, at most 31.
    """

    ssrc: int
    ntp: int
    rtp_timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> "SenderReport":
        """Read one packet.

        Raises:
            ParseError: It is malformed.
        """
        count, body = _split(data, SENDER_REPORT)
        if len(body) < _SENDER_INFO.size:
            raise ParseError(len(data), "sender-info", "too short")
        ssrc, ntp, rtp_timestamp, packets, octets = _SENDER_INFO.unpack_from(body)
        blocks = _read_blocks(count, body[_SENDER_INFO.size :])
        return cls(ssrc, ntp, rtp_timestamp, packets, octets, blocks)

    def to_bytes(self) -> bytes:
        """The packet as it is sent."""
        info = (self.ssrc, self.ntp, self.rtp_timestamp, self.packets, self.octets)
        body = _SENDER_INFO.pack(*info) + _blocks_to_bytes(self.blocks)
        return _packet(SENDER_REPORT, len(self.blocks), body)


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """What a receiver says about the streams that it hears (RFC 3550 section 6.4.2).

    Attributes:
        ssrc: The receiver.
        blocks: One per sender heard, at most 31.
    """

    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> "ReceiverReport":
        """Read one packet.

        Raises:
            ParseError: It is malformed.
        """
        count, body = _split(data, RECEIVER_REPORT)
        (ssrc,) = _read_words(body, 1, "ssrc")
        return cls(ssrc, _read_blocks(count, body[_WORD.size :]))

    def to_bytes(self) -> bytes:
        """The packet as it is sent."""
        body = _WORD.pack(self.ssrc) + _blocks_to_bytes(self.blocks)
        return _packet(RECEIVER_REPORT, len(self.blocks), body)


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """Who a source is (RFC 3550 section 6.5): its first chunk's canonical name.

    Attributes:
        ssrc: The source.
        cname: Its canonical name, at most 255 bytes as UTF-8; empty where none was told.
    """

    ssrc: int
    cname: str

    @classmethod
    def parse(cls, data: bytes) -> "SourceDescription":
        """Read one packet; chunks after the first and items but CNAME are passed over.

        Raises:
            ParseError: It is malformed or has no chunk.
        """
        _, body = _split(data, SOURCE_DESCRIPTION)
        (ssrc,) = _read_words(body, 1, "sdes-chunk")
        place = _WORD.size
        while place + 2 <= len(body) and body[place]:
            end = place + 2 + body[place + 1]
            if end > len(body):
                raise ParseError(_HEADER.size + place, "sdes-item", "too long")
            if body[place] == _CNAME:
                return cls(ssrc, body[place + 2 : end].decode("utf-8", "surrogateescape"))
            place = end
        return cls(ssrc, "")

    def to_bytes(self) -> bytes:
        """The packet as it is sent."""
        name = self.cname.encode("utf-8", "surrogateescape")
        item = bytes((_CNAME, len(name))) + name
        # At least one null byte ends the list of items.
        return _packet(SOURCE_DESCRIPTION, 1, _WORD.pack(self.ssrc) + _padded(item + b"\0"))


@dataclass(frozen=True, slots=True)
class Bye:
    """Sources that leave (RFC 3550 section 6.6).

    Attributes:
        ssrcs: At most 31.
        reason: For people, at most 255 bytes as UTF-8.
    """

    ssrcs: tuple[int, ...]
    reason: str = ""

    @classmethod
    def parse(cls, data: bytes) -> "Bye":
        """Read one packet.

        Raises:
            ParseError: It is malformed.
        """
        count, body = _split(data, BYE)
        ssrcs = _read_words(body, count, "bye-ssrc")
        rest = body[count * _WORD.size :]
        if rest and rest[0] >= len(rest):
            raise ParseError(len(data), "bye-reason", "too long")
        reason = rest[1 : 1 + rest[0]] if rest else b""
        return cls(ssrcs, reason.decode("utf-8", "surrogateescape"))

    def to_bytes(self) -> bytes:
        """The packet as it is sent."""
        reason = self.reason.encode("utf-8", "surrogateescape")
        tail = _padded(bytes((len(reason),)) + reason) if reason else b""
        body = struct.pack(f"!{len(self.ssrcs)}L", *self.ssrcs) + tail
        return _packet(BYE, len(self.ssrcs), body)


@dataclass(frozen=True, slots=True)
class UnknownReport:
    """A packet of another type: APP, feedback, extended reports and what may come.

    Attributes:
        packet_type: 0..255.
        count: The five bits that mean something else in every type.
        body: What follows the first word, without padding; whole words.
    """

    packet_type: int
    count: int
    body: bytes

    @classmethod
    def parse(cls, data: bytes) -> "UnknownReport":
        """Read one packet.

        Raises:
            ParseError: Its header is malformed.
        """
        count, body = _split(data)
        return cls(data[1], count, body)

    def to_bytes(self) -> bytes:
        """The packet as it is sent."""
        return _packet(self.packet_type, self.count, self.body)


_PARSERS: dict[int, Callable[[bytes], Report]] = {
    SENDER_REPORT: SenderReport.parse,
    RECEIVER_REPORT: ReceiverReport.parse,
    SOURCE_DESCRIPTION: SourceDescription.parse,
    BYE: Bye.parse,
}


def parse_compound(data: bytes) -> list[Report]:
    """Read what arrived in one datagram or interleaved frame.

    Compounds that break the rules of RFC 3550 section 6.1 are read as well: a lone receiver
    report is how FFmpeg opens the way through a NAT.

    Raises:
        ParseError: A packet is malformed, or there are more than MAX_COMPOUND_PACKETS.
    """
    reports: list[Report] = []
    place = 0
    while place < len(data):
        if len(reports) == MAX_COMPOUND_PACKETS:
            raise ParseError(place, "rtcp-compound", "too many packets")
        end = place + _packet_size(data, place)
        packet = data[place:end]
        # A description of nobody is useless but allowed (section 6.5).
        empty = packet[1] == SOURCE_DESCRIPTION and not packet[0] & 0x1F
        parser = UnknownReport.parse if empty else _PARSERS.get(packet[1], UnknownReport.parse)
        reports.append(parser(packet))
        place = end
    return reports


def compound(*reports: Report) -> bytes:
    """Packets for one datagram; the first should be a sender or receiver report."""
    return b"".join(report.to_bytes() for report in reports)


def is_rtcp(data: bytes) -> bool:
    """Whether a datagram on a port for both is RTCP and not RTP."""
    return len(data) >= _HEADER.size and data[0] >> 6 == 2 and data[1] in _REPORT_TYPES


def round_trip_s(block: ReportBlock, now_ntp: int) -> float | None:
    """How long a packet takes to the receiver and back (RFC 3550 section 6.4.1).

    Args:
        block: What the receiver said about the sender that asks.
        now_ntp: 64-bit NTP timestamp of the block's arrival, on the clock of the sender reports.

    Returns:
        Seconds; None where the receiver has had no sender report yet, or claims to have kept
        it for longer than it exists.
    """
    if not block.last_sr:
        return None
    units = (ntp_middle(now_ntp) - block.last_sr - block.delay_since_last_sr) & 0xFFFFFFFF
    return units / _UNITS_PER_SECOND if units < 2**31 else None


def _packet_size(data: bytes, start: int) -> int:
    if len(data) < start + _HEADER.size:
        raise ParseError(start, "rtcp-header", "too short")
    flags, _, words = _HEADER.unpack_from(data, start)
    if flags >> 6 != 2:
        raise ParseError(start, "rtcp-version")
    size = _HEADER.size + int(words) * _WORD.size
    if len(data) < start + size:
        raise ParseError(start, "rtcp-length", "beyond the end")
    return size


def _split(data: bytes, packet_type: int | None = None) -> tuple[int, bytes]:
    """The five bits of the first byte, and what follows the first word, without padding."""
    body = data[_HEADER.size : _packet_size(data, 0)]
    if packet_type not in (None, data[1]):
        raise ParseError(1, "rtcp-type", f"not {packet_type}")
    if data[0] & 0x20:
        # The last byte tells how many to ignore, itself included.
        if not body or not 0 < body[-1] <= len(body) or body[-1] % _WORD.size:
            raise ParseError(len(data) - 1, "rtcp-padding")
        body = body[: -body[-1]]
    return data[0] & 0x1F, bytes(body)


def _read_words(body: bytes, count: int, rule: str) -> tuple[int, ...]:
    if len(body) < count * _WORD.size:
        raise ParseError(_HEADER.size + len(body), rule, "too short")
    return struct.unpack_from(f"!{count}L", body)


def _read_blocks(count: int, data: bytes) -> tuple[ReportBlock, ...]:
    size = _BLOCK.size
    return tuple(ReportBlock.parse(data[n * size : (n + 1) * size]) for n in range(count))


def _blocks_to_bytes(blocks: tuple[ReportBlock, ...]) -> bytes:
    return b"".join(block.to_bytes() for block in blocks)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _WORD.size)


def _packet(packet_type: int, count: int, body: bytes) -> bytes:
    return _HEADER.pack(0x80 | count, packet_type, len(body) // _WORD.size) + body
