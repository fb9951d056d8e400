"""RTP packets (RFC 3550 section 5.1): one packet, its numbers, and the train of a whole frame."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mjpegd.wire.errors import ParseError

RTP_HEADER_BYTES = 12
EXTENSION_HEADER_BYTES = 4
INTERLEAVED_PREFIX_BYTES = 4
INTERLEAVED_MAGIC = b"$"
JPEG_PAYLOAD_TYPE = 26

# Profiles of header extensions with JPEG segments: of the first packet of a frame, and of the
# others (ONVIF streaming specification, "JPEG header extension").
JPEG_EXTENSION = 0xFFD8
LATER_JPEG_EXTENSION = 0xFFFF

# The interleaved prefix tells the length of a packet in 16 bits (RFC 2326 section 10.12).
MAX_PACKET_BYTES = 0xFFFF
# A longer train would give two of its packets the same sequence number.
MAX_TRAIN_PACKETS = 0x10000

_VERSION_2 = 0x80
_PADDING = 0x20
_EXTENSION = 0x10
_CSRC_COUNT = 0x0F
_MARKER = 0x80

#  0                   1                   2                   3
# +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
# |V=2|P|X|  CC   |M|     PT      |       sequence number         |
# |                           timestamp                           |
# |                             SSRC                              |
_HEADER = struct.Struct("!BBHLL")
_TIMESTAMP_SSRC = struct.Struct("!LL")
_EXTENSION_HEADER = struct.Struct("!HH")
_INTERLEAVED_PREFIX = struct.Struct("!cBH")

# The bytes of the sequence numbers of a whole train are one slice of each of these, wherever it
# starts and across the wrap.
_HIGH_BYTES = bytes(number >> 8 for number in range(0x10000)) * 2
_LOW_BYTES = bytes(range(0x100)) * 0x200


def sequence_add(sequence: int, count: int) -> int:
    """The sequence number ``count`` packets later, modulo 2**16."""
    return (sequence + count) & 0xFFFF


def sequence_delta(newer: int, older: int) -> int:
    """How many packets ``newer`` is ahead of ``older``: -32768..32767, the shorter way round."""
    return ((newer - older + 0x8000) & 0xFFFF) - 0x8000


def timestamp_delta(newer: int, older: int) -> int:
    """How many ticks ``newer`` is ahead of ``older``: -2**31..2**31 - 1, the shorter way round."""
    return ((newer - older + 0x80000000) & 0xFFFFFFFF) - 0x80000000


@dataclass(frozen=True, slots=True)
class RTPPacket:
    """One RTP packet; padding is dropped when it is read and never written.

    Attributes:
        payload_type: 0..127.
        marker: For JPEG: the last packet of a frame.
        sequence: 16 bits.
        timestamp: 32 bits, in ticks of the payload type's clock.
        ssrc: 32 bits.
        payload: What follows the header and its extension.
        csrcs: Contributing sources, at most 15.
        extension: The extension's profile word and data, whole 32-bit words (section 5.3.1).
    """

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    csrcs: tuple[int, ...] = ()
    extension: tuple[int, bytes] | None = None

    @classmethod
    def parse(cls, data: bytes) -> "RTPPacket":
        """Read one packet.

        Raises:
            ParseError: Not version 2, or shorter than its own fields say.
        """
        if len(data) < RTP_HEADER_BYTES:
            raise ParseError(len(data), "rtp-header", "too short")
        flags, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
        if flags & 0xC0 != _VERSION_2:
            raise ParseError(0, "rtp-version")
        count = flags & _CSRC_COUNT
        start = RTP_HEADER_BYTES + 4 * count
        if len(data) < start:
            raise ParseError(len(data), "csrc", "too short")
        extension = None
        if flags & _EXTENSION:
            extension, start = _read_extension(data, start)
        end = len(data) - (_padding_size(data, start) if flags & _PADDING else 0)
        return cls(
            payload_type=second & ~_MARKER,
            marker=bool(second & _MARKER),
            sequence=sequence,
            timestamp=timestamp,
            ssrc=ssrc,
            payload=bytes(data[start:end]),
            csrcs=struct.unpack_from(f"!{count}L", data, RTP_HEADER_BYTES),
            extension=extension,
        )

    def to_bytes(self) -> bytes:
        """The packet as it is sent."""
        extension = b"" if self.extension is None else _extension_bytes(*self.extension)
        flags = _VERSION_2 | (_EXTENSION if extension else 0) | len(self.csrcs)
        second = self.payload_type | (_MARKER if self.marker else 0)
        return b"".join(
            (
                _HEADER.pack(flags, second, self.sequence, self.timestamp, self.ssrc),
                struct.pack(f"!{len(self.csrcs)}L", *self.csrcs),
                extension,
                self.payload,
            )
        )


def _extension_bytes(profile: int, words: bytes) -> bytes:
    return _EXTENSION_HEADER.pack(profile, len(words) // 4) + words


def _read_extension(data: bytes, start: int) -> tuple[tuple[int, bytes], int]:
    body = start + _EXTENSION_HEADER.size
    if len(data) < body:
        raise ParseError(len(data), "rtp-extension", "too short")
    profile, words = _EXTENSION_HEADER.unpack_from(data, start)
    end = body + 4 * words
    if len(data) < end:
        raise ParseError(len(data), "rtp-extension", "too short")
    return (profile, bytes(data[body:end])), end


def _padding_size(data: bytes, start: int) -> int:
    size = data[-1]
    if not 0 < size <= len(data) - start:
        raise ParseError(len(data) - 1, "rtp-padding")
    return size


@dataclass(frozen=True, slots=True)
class PacketTrain:
    """All packets of one frame for one viewer, in sending order.

    Attributes:
        buffer: The packets one after another; interleaved ones with their prefixes.
        stride: Bytes from one packet to the next; only the last packet may be shorter.
        packet_count: At least 1.
    """

    buffer: bytearray
    stride: int
    packet_count: int

    def __len__(self) -> int:
        return len(self.buffer)

    def packets(self) -> Iterator[memoryview]:
        """Each packet, as a view into the buffer."""
        view, stride = memoryview(self.buffer), self.stride
        return (view[start : start + stride] for start in range(0, len(view), stride))


@dataclass(frozen=True, slots=True)
class TrainTemplate:
    """The packets of one frame with blank sequence numbers, timestamps, SSRCs and channels.

    Made once per frame and shared by all its viewers: only the header fields differ from one
    to the next, so that a viewer costs one copy and a few strided assignments, whatever the
    number of packets.

    Attributes:
        template: The packets one after another; interleaved ones with their prefixes.
        stride: Bytes from one packet to the next; only the last packet may be shorter.
        packet_count: At least 1.
        payload_octets: What a sender report counts: bytes without headers and prefixes.
        interleaved: The packets have prefixes for an RTSP connection (RFC 2326 section 10.12).
    """

    template: bytes
    stride: int
    packet_count: int
    payload_octets: int
    interleaved: bool

    @classmethod
    def from_payloads(
        cls, payloads: Sequence[bytes], *, interleaved: bool, extension: bytes = b""
    ) -> "TrainTemplate":
        """Put headers before the payloads of one frame.

        Args:
            payloads: At least one; all but the last of one size, counted with the extension,
                the last not longer.
            interleaved: Put prefixes for an RTSP connection before the packets.
            extension: JPEG segments for the header extension of the first packet, in whole
                32-bit words. If there are any the other packets get empty extensions.

        Raises:
            ValueError: The payloads are not as they must be, too long or too many.
        """
        heads = _heads(len(payloads), extension)
        sizes = [len(head) + len(payload) for head, payload in zip(heads, payloads, strict=True)]
        _check_sizes(sizes)
        chunks = []
        for head, payload, size in zip(heads, payloads, sizes, strict=True):
            if interleaved:
                chunks.append(_INTERLEAVED_PREFIX.pack(INTERLEAVED_MAGIC, 0, size))
            chunks += head, payload
        prefix_bytes = INTERLEAVED_PREFIX_BYTES if interleaved else 0
        return cls(
            template=b"".join(chunks),
            stride=prefix_bytes + sizes[0],
            packet_count=len(payloads),
            payload_octets=sum(map(len, payloads)),
            interleaved=interleaved,
        )

    @property
    def size_bytes(self) -> int:
        """Length of a train."""
        return len(self.template)

    def stamp(self, sequence: int, timestamp: int, ssrc: int, channel: int = 0) -> PacketTrain:
        """The packets for one viewer.

        Args:
            sequence: Sequence number of the first packet, 16 bits.
            timestamp: RTP timestamp of the frame, 32 bits.
            ssrc: The viewer's synchronisation source, 32 bits.
            channel: Where interleaved, the channel of the prefixes, 0..255.
        """
        # The hot path of the server: a turn of the interpreter per header byte, not per packet.
        buffer, stride, count = bytearray(self.template), self.stride, self.packet_count
        start = 0
        if self.interleaved:
            buffer[1::stride] = bytes((channel,)) * count
            start = INTERLEAVED_PREFIX_BYTES
        buffer[start + 2 :: stride] = _HIGH_BYTES[sequence : sequence + count]
        buffer[start + 3 :: stride] = _LOW_BYTES[sequence : sequence + count]
        same = _TIMESTAMP_SSRC.pack(timestamp, ssrc) * count
        for place in range(8):
            buffer[start + 4 + place :: stride] = same[place::8]
        return PacketTrain(buffer, stride, count)


def _heads(count: int, extension: bytes) -> list[bytes]:
    """What comes before the payloads of a frame: RTP headers, and extensions if there is one."""
    flags = _VERSION_2 | (_EXTENSION if extension else 0)
    plain, last = (_HEADER.pack(flags, JPEG_PAYLOAD_TYPE | m, 0, 0, 0) for m in (0, _MARKER))
    heads = [plain] * (count - 1) + [last]
    if not extension:
        return heads
    first, later = (JPEG_EXTENSION, extension), (LATER_JPEG_EXTENSION, b"")
    return [
        head + _extension_bytes(*(later if number else first)) for number, head in enumerate(heads)
    ]


def _check_sizes(sizes: Sequence[int]) -> None:
    if not 0 < len(sizes) <= MAX_TRAIN_PACKETS:
        raise ValueError(f"a train of {len(sizes)} packets")
    size = sizes[0]
    if any(other != size for other in sizes[:-1]) or sizes[-1] > size:
        raise ValueError("payloads of different sizes")
    if size > MAX_PACKET_BYTES:
        raise ValueError(f"a packet of {size} bytes")
