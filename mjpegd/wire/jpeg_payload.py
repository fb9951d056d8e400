"""RFC 2435: a JPEG frame <-> the payloads of its RTP packets."""

import re
import struct
from dataclasses import dataclass
from typing import Self

from mjpegd.wire.errors import ParseError, UnsupportedJpegError
from mjpegd.wire.jpeg_frame import STANDARD_HUFFMAN, JpegFrame
from mjpegd.wire.jpeg_segments import EOI, SOI, Code, marker_segment
from mjpegd.wire.packets import EXTENSION_HEADER_BYTES, JPEG_EXTENSION, MAX_TRAIN_PACKETS

QUANTIZATION_TABLES_BYTES = 128

# The first payload has to hold all headers, both tables and some data: 144 bytes of headers.
MIN_PAYLOAD_BYTES = 256

# Tables are in the first packet of every frame, and may differ from frame to frame. Several
# receivers do not keep tables from one frame for the next (RFC 2435 section 3.1.8).
Q_IN_BAND = 255

_MAIN_HEADER_BYTES = 8
_WITH_RESTARTS = 64  # added to the type where restart markers are in the data
_FIRST_STORED_Q = 128  # from here on tables are sent; below they follow from Q
_LAST_FACTOR_Q = 99

# Packets are not cut at restart markers: F and L set, count all ones (RFC 2435 section 3.1.7).
_WHOLE_FRAME_RESTARTS = b"\xff\xff"

# T.81 annex K.1 in zig-zag order, from which Q 1 to 99 are computed (RFC 2435 appendix A).
_BASE_TABLES = bytes.fromhex(
    "100b0c0e0c0a100e0d0e1211101318281a181616183123251d283a333d3c3933"
    "383740485c4e404457453738506d51575f626768673e4d71797064785c656763"
    "1112121815182f1a1a2f63423842636363636363636363636363636363636363"
    "6363636363636363636363636363636363636363636363636363636363636363"
)


def fragment(frame: JpegFrame, max_payload_bytes: int) -> list[bytes]:
    """Cut one frame into RTP/JPEG payloads (RFC 2435 section 3.1).

    Args:
        frame: What is sent.
        max_payload_bytes: What is left of a packet after the RTP header.

    Returns:
        Payloads in sending order, each of exactly ``max_payload_bytes`` but for the last. The
        first carries the quantization tables. Where the frame has an extension, room is left
        for its header in each packet, and for itself in the first.

    Raises:
        ValueError: ``max_payload_bytes`` is less than `MIN_PAYLOAD_BYTES`.
        UnsupportedJpegError: The extension leaves no room, or there are more packets than
            numbers for them.
    """
    if max_payload_bytes < MIN_PAYLOAD_BYTES:
        raise ValueError(f"payloads of {max_payload_bytes} bytes are too small for the headers")
    scan, extension = frame.scan, frame.extension
    # The type-specific octet before the 24 bits of the offset is 0: a progressively scanned frame.
    header = _header_after_offset(frame, Q_IN_BAND)
    room = max_payload_bytes - 4 - len(header) - (EXTENSION_HEADER_BYTES if extension else 0)
    tables = _quantization_header(frame.quantization)
    first = room - len(tables) - len(extension)
    if first <= 0:
        raise UnsupportedJpegError("its header extension does not fit into a packet")
    if first + (MAX_TRAIN_PACKETS - 1) * room < len(scan):
        raise UnsupportedJpegError(f"more than {MAX_TRAIN_PACKETS} packets")
    return [b"".join((bytes(4), header, tables, scan[:first]))] + [
        b"".join((offset.to_bytes(4, "big"), header, scan[offset : offset + room]))
        for offset in range(first, len(scan), room)
    ]


def _header_after_offset(frame: "JpegFrame | Payload", q: int) -> bytes:
    """What follows the fragment offset in all packets of a frame, without tables."""
    size = bytes((frame.width // 8, frame.height // 8))
    if not frame.restart_interval:
        return bytes((frame.type, q)) + size
    restart = frame.restart_interval.to_bytes(2, "big") + _WHOLE_FRAME_RESTARTS
    return bytes((frame.type | _WITH_RESTARTS, q)) + size + restart


def _quantization_header(tables: bytes) -> bytes:
    # MBZ and precision, both 0 (8-bit entries) | length
    return bytes(2) + len(tables).to_bytes(2, "big") + tables


@dataclass(frozen=True, slots=True)
class Payload:
    """One RTP/JPEG payload (RFC 2435 section 3.1).

    Attributes:
        type: 0 for 4:2:2, 1 for 4:2:0; without the 64 that tells of restart markers.
        q: 1 to 99: a quality factor; 128 to 255: a number for tables that are sent.
        width: Pixels, 8 to 2040, a multiple of 8; 0 if the size is told elsewhere.
        height: Pixels, likewise; 0 if the width is.
        offset: Of `scan` in the data of the frame, 24 bits.
        restart_interval: MCUs between restart markers; 0 means none.
        quantization: In the first payload of a frame with `q` from 128 on: two tables (128
            bytes), one for all components (64), or none (0): those that came with this `q`
            before. None elsewhere.
        scan: Entropy-coded data, perhaps with EOI at the end of a frame.
    """

    type: int
    q: int
    width: int
    height: int
    offset: int
    restart_interval: int
    quantization: bytes | None
    scan: bytes

    @property
    def kind(self) -> tuple[int, ...]:
        """What is the same in all payloads of a frame."""
        return self.type, self.q, self.width, self.height, self.restart_interval

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read one payload.

        The type-specific octet is not looked at, nor are the places of restart markers.

        Raises:
            ParseError: It is cut off, or its type, its Q, its size or its tables are undefined.
        """
        # Type-specific, fragment offset of 24 bits | type | Q | width / 8 | height / 8
        (first, kind, q, width, height), at = _unpack(">IBBBB", data, 0, "main-header")
        offset = first & 0xFFFFFF
        _require(kind & ~_WITH_RESTARTS in {0, 1}, 4, "type")
        _require(1 <= q <= _LAST_FACTOR_Q or q >= _FIRST_STORED_Q, 5, "Q")
        _require(bool(width) == bool(height), 6, "size")
        restart_interval, quantization = 0, None
        if kind & _WITH_RESTARTS:
            # Restart interval | F, L, restart count
            (restart_interval, _), at = _unpack(">HH", data, at, "restart-header")
        if q >= _FIRST_STORED_Q and not offset:
            quantization, at = _read_quantization(data, at)
        return cls(
            type=kind & ~_WITH_RESTARTS,
            q=q,
            width=width * 8,
            height=height * 8,
            offset=offset,
            restart_interval=restart_interval,
            quantization=quantization,
            scan=bytes(data[at:]),
        )

    def to_bytes(self) -> bytes:
        """The payload as it is sent."""
        tables = b"" if self.quantization is None else _quantization_header(self.quantization)
        header = _header_after_offset(self, self.q)
        return b"".join((self.offset.to_bytes(4, "big"), header, tables, self.scan))


def _require(condition: bool, offset: int, field: str) -> None:
    if not condition:
        raise ParseError(offset, field, "undefined value")


def _unpack(form: str, data: bytes, at: int, field: str) -> tuple[tuple[int, ...], int]:
    end = at + struct.calcsize(form)
    if end > len(data):
        raise ParseError(len(data), field, "cut off")
    return struct.unpack_from(form, data, at), end


def _read_quantization(data: bytes, at: int) -> tuple[bytes, int]:
    # MBZ | precision, a bit for each table | length
    (_, precision, size), start = _unpack(">BBH", data, at, "quantization-header")
    _require(not precision, at + 1, "quantization-precision")
    _require(size in {0, 64, QUANTIZATION_TABLES_BYTES}, at + 2, "quantization-length")
    if start + size > len(data):
        raise ParseError(len(data), "quantization-tables", "cut off")
    return bytes(data[start : start + size]), start + size


class Reassembler:
    """Puts the payloads of one stream together again: a whole frame or nothing.

    Payloads are handed in as they arrive. Duplicates are ignored; where one is missing or out
    of its order, its frame is given up. Frames are told apart by their timestamps.

    Attributes:
        lost: How many frames were not completed of those that at least one payload came of.
    """

    def __init__(self) -> None:
        self.lost = 0
        self._timestamp: int | None = None
        self._first: Payload | None = None  # None: the frame at this time is done, or given up
        self._header: bytes | None = None  # of all later payloads, where it is always the same
        self._scans: list[bytes] = []
        self._size_bytes = 0
        self._tables: dict[int, bytes] = {}  # by Q, 128 to 254
        self._extension = b""
        # What there is of the frame that the last payload made us give up.
        self._remains: tuple[Payload | None, list[bytes], bytes] = (None, [], b"")

    def feed(
        self,
        payload: bytes,
        timestamp: int,
        marker: bool,
        extension: tuple[int, bytes] | None = None,
    ) -> JpegFrame | None:
        """Take one payload.

        Args:
            payload: What follows the RTP header; anything may be in it.
            timestamp: Of its RTP packet.
            marker: The marker bit of its RTP packet, set on the last of a frame.
            extension: The header extension of its RTP packet (see `RTPPacket`).

        Returns:
            The frame that this payload completes, its scan without EOI.
        """
        self._remains = (None, [], b"")
        if timestamp == self._timestamp and self._is_next(payload):
            self._add(payload[_MAIN_HEADER_BYTES:])
        elif not self._take(payload, timestamp, extension):
            return None
        return self._complete() if marker and self._first else None

    def restart(self) -> None:
        """Another part of the stream follows, and its times may be the same.

        What has come of a frame is left without being counted; tables that Q names stay.
        """
        self._forget()
        self._timestamp = None
        self._remains = (None, [], b"")

    @property
    def damaged(self) -> JpegFrame | None:
        """The frame that the last payload made us give up, from its top to the gap.

        It is the one at the timestamp of the payload before. None if no frame was given up, or if
        its top or its tables are missing.
        """
        return self._joined(*self._remains)

    def _is_next(self, payload: bytes) -> bool:
        """Whether nothing has to be parsed to know that it goes on where the last one ended."""
        offset = int.from_bytes(payload[1:4], "big")
        return payload[4:_MAIN_HEADER_BYTES] == self._header and offset == self._size_bytes > 0

    def _take(self, payload: bytes, timestamp: int, extension: tuple[int, bytes] | None) -> bool:
        """Whether a payload that has to be looked at is of use."""
        try:
            part = Payload.parse(payload)
        except ParseError:
            # If it was part of a frame, that frame will be found to have a hole.
            return False
        if timestamp == self._timestamp:
            return self._continue(part)
        self._begin(part, timestamp)
        # Restart headers differ from payload to payload.
        self._header = None if payload[4] & _WITH_RESTARTS else payload[4:_MAIN_HEADER_BYTES]
        is_known = extension and extension[0] == JPEG_EXTENSION
        self._extension = extension[1] if extension and is_known else b""
        return True

    def _begin(self, part: Payload, timestamp: int) -> None:
        if self._first:
            self._give_up()
        self._timestamp = timestamp
        if part.offset:
            self.lost += 1
            return
        self._first = part
        self._add(part.scan)
        if part.quantization and part.q != Q_IN_BAND:
            self._tables[part.q] = part.quantization

    def _continue(self, part: Payload) -> bool:
        """Whether a payload is the next of the frame."""
        if not self._first or part.offset < self._size_bytes:
            return False
        if part.offset != self._size_bytes or part.kind != self._first.kind:
            self._give_up()
            return False
        self._add(part.scan)
        return True

    def _add(self, scan: bytes) -> None:
        self._scans.append(scan)
        self._size_bytes += len(scan)

    def _give_up(self) -> None:
        self._remains = (self._first, self._scans, self._extension)
        self._forget()
        self.lost += 1

    def _forget(self) -> None:
        self._first = self._header = None
        self._scans = []
        self._size_bytes = 0

    def _complete(self) -> JpegFrame | None:
        frame = self._joined(self._first, self._scans, self._extension)
        if frame is None:
            self._give_up()
        else:
            self._forget()
        return frame

    def _joined(
        self, first: Payload | None, scans: list[bytes], extension: bytes
    ) -> JpegFrame | None:
        """What there is of a frame; None without data or without tables."""
        scan = b"".join(scans).removesuffix(EOI)
        quantization = self._quantization(first) if first else b""
        if not (first and scan and quantization):
            return None
        return JpegFrame(
            type=first.type,
            width=first.width,
            height=first.height,
            restart_interval=first.restart_interval,
            quantization=quantization,
            scan=scan,
            extension=extension,
        )

    def _quantization(self, first: Payload) -> bytes:
        if first.quantization is None:
            return tables_for(first.q)
        tables = first.quantization or self._tables.get(first.q, b"")
        return tables if len(tables) == QUANTIZATION_TABLES_BYTES else tables * 2


def tables_for(q: int) -> bytes:
    """Quantization tables for luma and chroma by quality factor (RFC 2435 appendix A).

    Args:
        q: 1 (coarsest) to 99.
    """
    percent = 5000 // q if q < 50 else 200 - 2 * q
    return bytes(max(1, min(255, (base * percent + 50) // 100)) for base in _BASE_TABLES)


def to_jpeg(frame: JpegFrame, size: tuple[int, int] | None = None) -> bytes:
    """A JPEG file of one frame, with all its tables (RFC 2435 section 4.1, appendix B).

    Args:
        frame: What came.
        size: True width and height in pixels, where a description of the stream tells them.

    Raises:
        UnsupportedJpegError: Neither the frame nor its extension nor a description tells the
            size.
    """
    found = size or _size_in(frame.extension) or (frame.width, frame.height)
    if not all(found):
        raise UnsupportedJpegError("its size is not told")
    return b"".join((SOI, _JFIF, _headers(frame, found), _SCAN_HEADER, frame.scan, EOI))


def extension_for(frame: JpegFrame, size: tuple[int, int]) -> bytes:
    """All headers of a JPEG, for the RTP header extension of its first packet.

    They are complete, as is recommended: a receiver that has to make some itself might choose
    other identifiers for the components.

    Args:
        frame: What is sent.
        size: True width and height in pixels.

    Returns:
        Segments in whole 32-bit words; no fill bytes may come behind the last one (ONVIF
        streaming specification, "JPEG header extension").
    """
    headers = _headers(frame, size)
    return headers + b"\xff" * (-len(headers + _SCAN_HEADER) % 4) + _SCAN_HEADER


def _headers(frame: JpegFrame, size: tuple[int, int]) -> bytes:
    """The segments before the scan header."""
    restart = marker_segment(Code.DRI, frame.restart_interval.to_bytes(2, "big"))
    luma, chroma = frame.quantization[:64], frame.quantization[64:]
    # 8 bits | height | width | 3 components: identifier, sampling factors, table
    picture = struct.pack(">BHHB", 8, size[1], size[0], 3) + bytes(
        (1, 0x22 if frame.type else 0x21, 0, 2, 0x11, 1, 3, 0x11, 1)
    )
    return b"".join(
        (
            marker_segment(Code.DQT, b"\x00" + luma + b"\x01" + chroma),
            marker_segment(Code.SOF0, picture),
            _HUFFMAN,
            restart if frame.restart_interval else b"",
        )
    )


def _size_in(extension: bytes) -> tuple[int, int] | None:
    match = _FRAME_HEADER.search(extension)
    return (int.from_bytes(match[2], "big"), int.from_bytes(match[1], "big")) if match else None


# Of three components: marker | length | 8 bits | height | width
_FRAME_HEADER = re.compile(rb"\xff\xc0\x00\x11\x08(..)(..)\x03", re.DOTALL)

# Version 1.1, no unit, pixels as wide as high, no thumbnail.
_JFIF = marker_segment(Code.APP0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00")

_HUFFMAN = marker_segment(
    Code.DHT,
    b"".join(
        bytes((kind << 4 | place,)) + table for (kind, place), table in STANDARD_HUFFMAN.items()
    ),
)

# 3 components: identifier, Huffman tables | all coefficients at once
_SCAN_HEADER = marker_segment(Code.SOS, b"\x03\x01\x00\x02\x11\x03\x11\x00\x3f\x00")
