"""RTP packets (RFC 3550 section 5.1): one packet, its numbers, and the train of a whole frame."""

import struct
from array import array
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
# Packets of a train begin at multiples of this: their headers are written as words.
WORD_BYTES = 8

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
# In the buffer of a train, behind what comes before the first RTP header.
_SEQUENCE_AT = INTERLEAVED_PREFIX_BYTES + 2
_TIME_AT = INTERLEAVED_PREFIX_BYTES + 4
_EXTENSION_HEADER = struct.Struct("!HH")
_INTERLEAVED_PREFIX = struct.Struct("!cBH")

# The sequence numbers of a whole train, as they are on the wire, are one slice of this, wherever
# it starts and across the wrap.
_SEQUENCES = memoryview(array("H", b"".join(n.to_bytes(2, "big") for n in range(0x10000)) * 2))


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
            csrcs=struct.unpack_from(f"!{count}L", data, RTP_HEADER_BYTES) if count else (),
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
        buffer: The packets one after another, as bytes; interleaved ones with their prefixes.
        stride: Bytes from one packet to the next; only the last packet may be shorter.
        packet_count: At least 1.
    """

    buffer: memoryview
    stride: int
    packet_count: int

    def __len__(self) -> int:
        return len(self.buffer)

    def packets(self) -> Iterator[memoryview]:
        """Each packet, as a view into the buffer."""
        view, stride = self.buffer, self.stride
        return (view[start : start + stride] for start in range(0, len(view), stride))

    def copy(self) -> "PacketTrain":
        """The same packets, for good (see `TrainTemplate.stamp`)."""
        return PacketTrain(memoryview(bytes(self.buffer)), self.stride, self.packet_count)


def whole_words(max_payload_bytes: int, *, interleaved: bool) -> int:
    """The most bytes of payload, and no more than these, with which packets begin at whole words.

    Args:
        max_payload_bytes: What a packet has room for after its RTP header; at least 8.
        interleaved: There are prefixes before the packets.
    """
    before = RTP_HEADER_BYTES + (INTERLEAVED_PREFIX_BYTES if interleaved else 0)
    return max_payload_bytes - (before + max_payload_bytes) % WORD_BYTES


class TrainTemplate:
    """The packets of one frame, which any of its viewers can have stamped as theirs.

    Made once per frame and shared: only the header fields differ from one viewer to the next. A
    viewer costs a few strided assignments, whatever the number of packets, and no copy.

    Args:
        payloads: At least one; all but the last of one size, counted with the extension, the
            last not longer. Where there are several, `whole_words` says what that size may be.
        interleaved: Put prefixes for an RTSP connection before the packets (RFC 2326 section
            10.12).
        extension: JPEG segments for the header extension of the first packet, in whole words. If
            there are any the other packets get empty extensions.

    Attributes:
        stride: Bytes from one packet to the next; only the last packet may be shorter.
        packet_count: How many packets there are.
        payload_octets: What a sender report counts: bytes without headers and prefixes.
        interleaved: The packets have prefixes.

    Raises:
        ValueError: The payloads are not as they must be, too long or too many.
    """

    __slots__ = (
        "_sequences",
        "_times_and_sources",
        "_train",
        "interleaved",
        "packet_count",
        "payload_octets",
        "stride",
    )

    def __init__(
        self, payloads: Sequence[bytes], *, interleaved: bool, extension: bytes = b""
    ) -> None:
        heads = _heads(len(payloads), extension)
        sizes = [len(head) + len(payload) for head, payload in zip(heads, payloads, strict=True)]
        start = INTERLEAVED_PREFIX_BYTES if interleaved else 0
        _check_sizes(sizes, start)
        chunks = []
        for head, payload, size in zip(heads, payloads, sizes, strict=True):
            if interleaved:
                chunks.append(_INTERLEAVED_PREFIX.pack(INTERLEAVED_MAGIC, 0, size))
            chunks += head, payload
        # Time and source of a packet are one word, with this before the first RTP header.
        lead = INTERLEAVED_PREFIX_BYTES - start
        buffer, stride = bytearray().join((bytes(lead), *chunks)), start + sizes[0]
        self.interleaved = interleaved
        self.stride = stride
        self.packet_count = len(payloads)
        self.payload_octets = sum(map(len, payloads))
        self._train = PacketTrain(memoryview(buffer)[lead:], stride, len(payloads))
        # The same field of all headers in each of these: an assignment to it reaches every packet.
        whole = memoryview(buffer)[: len(buffer) - len(buffer) % WORD_BYTES]
        step = -(-stride // WORD_BYTES)
        self._sequences = whole.cast("H")[_SEQUENCE_AT // 2 :: step * WORD_BYTES // 2]
        self._times_and_sources = whole.cast("Q")[_TIME_AT // WORD_BYTES :: step]

    @property
    def size_bytes(self) -> int:
        """Length of a train."""
        return len(self._train)

    def stamp(self, sequence: int, timestamp: int, ssrc: int, channel: int = 0) -> PacketTrain:
        """The packets for one viewer, on loan: the next viewer's are made of the same bytes.

        Whoever needs them longer than until the next call keeps a `PacketTrain.copy`.

        Args:
            sequence: Sequence number of the first packet, 16 bits.
            timestamp: RTP timestamp of the frame, 32 bits.
            ssrc: The viewer's synchronisation source, 32 bits.
            channel: Where interleaved, the channel of the prefixes, 0..255.
        """
        # The hot path of the server: a turn of the interpreter per header field, not per packet.
        train, count = self._train, self.packet_count
        self._sequences[:] = _SEQUENCES[sequence : sequence + count]
        words = (timestamp << 32 | ssrc).to_bytes(WORD_BYTES, "big") * count
        self._times_and_sources[:] = memoryview(words).cast("Q")
        if self.interleaved:
            train.buffer[1 :: train.stride] = bytes((channel,)) * count
        return train


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


def _check_sizes(sizes: Sequence[int], start: int) -> None:
    if not 0 < len(sizes) <= MAX_TRAIN_PACKETS:
        raise ValueError(f"a train of {len(sizes)} packets")
    size = sizes[0]
    if any(other != size for other in sizes[:-1]) or sizes[-1] > size:
        raise ValueError("payloads of different sizes")
    if len(sizes) > 1 and (start + size) % WORD_BYTES:
        raise ValueError(f"packets of {size} bytes, which do not begin at whole words")
    if size > MAX_PACKET_BYTES:
        raise ValueError(f"a packet of {size} bytes")
