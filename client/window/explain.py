"""The newest RTP packet field by field: what each is called, what it holds, and what that means."""

from collections.abc import Sequence
from dataclasses import dataclass

from mjpegd.wire.errors import ParseError
from mjpegd.wire.jpeg_payload import Q_IN_BAND, Payload
from mjpegd.wire.packets import (
    EXTENSION_HEADER_BYTES,
    JPEG_EXTENSION,
    JPEG_PAYLOAD_TYPE,
    LATER_JPEG_EXTENSION,
    RTP_HEADER_BYTES,
    RTPPacket,
)

from ..view import Newest
from .wording import count_text, fine_time_text

_CLOCK_RATE = 90_000
_MAIN_HEADER_BYTES = 8
_WITH_RESTARTS = 64  # added to the type
_FIRST_STORED_Q = 128
_WHOLE_FRAME = 0x3FFF  # a restart count that says: packets are not cut at restart markers
_SHOWN_BYTES = 8

_SUBSAMPLINGS = {0: "4:2:2", 1: "4:2:0"}
_EXTENSIONS = {
    JPEG_EXTENSION: "JPEG headers (ONVIF)",
    LATER_JPEG_EXTENSION: "JPEG headers came before (ONVIF)",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    Attributes:
        name: As the RFC calls it.
        value: What it holds.
        meaning: What that means, or what it is for.
        bits: Its width in the header; 0 for what has no place in the drawing of a header.
    """

    name: str
    value: str
    meaning: str
    bits: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """A header, or what follows the headers.

    Attributes:
        title: What it is, and where it is defined.
        fields: In their order on the wire; those with bits fill rows of 32.
    """

    title: str
    fields: Sequence[Field]


def explained(newest: Newest) -> list[Part]:
    """The parts of a packet in their order on the wire."""
    packet = newest.packet
    parts = [_rtp_header(newest)]
    if packet.extension:
        parts.append(_extension_header(*packet.extension))
    if not newest.is_jpeg_payload:
        return [*parts, _whole_jpeg(packet.payload)]
    try:
        payload = Payload.parse(packet.payload)
    except ParseError as error:
        fault = Field("payload", _hex(packet.payload), f"not RTP/JPEG: {error}")
        return [*parts, Part("Payload", [fault])]
    return [*parts, *_jpeg_headers(packet.payload, payload), _data(payload.scan)]


def _rtp_header(newest: Newest) -> Part:
    packet = newest.packet
    padding = newest.size_bytes - _size_without_padding(packet)
    is_jpeg = packet.payload_type == JPEG_PAYLOAD_TYPE
    padded = f"{padding} bytes of padding" if padding else "no padding"
    extended = "an extension follows" if packet.extension else "no extension"
    place = "the last packet of its frame" if packet.marker else "more of this frame follows"
    fields = [
        Field("V", "2", "version of RTP", 2),
        Field("P", _flag(padding > 0), padded, 1),
        Field("X", _flag(packet.extension), extended, 1),
        Field("CC", str(len(packet.csrcs)), "how many CSRCs follow", 4),
        Field("M", _flag(packet.marker), place, 1),
        Field("PT", str(packet.payload_type), "JPEG" if is_jpeg else "what the SDP says", 7),
        Field(
            "sequence number", str(packet.sequence), "one more in each packet; a gap is a loss", 16
        ),
        Field("timestamp", str(packet.timestamp), _timestamp_meaning(packet.timestamp), 32),
        Field("SSRC", f"{packet.ssrc:#010x}", "the source, by a random number", 32),
    ]
    fields += [
        Field("CSRC", f"{csrc:#010x}", "a source that was mixed in", 32) for csrc in packet.csrcs
    ]
    return Part("RTP header · RFC 3550", fields)


def _timestamp_meaning(timestamp: int) -> str:
    return f"{fine_time_text(timestamp / _CLOCK_RATE)} by a clock of 90 kHz; one for each frame"


def _size_without_padding(packet: RTPPacket) -> int:
    extension = EXTENSION_HEADER_BYTES + len(packet.extension[1]) if packet.extension else 0
    return RTP_HEADER_BYTES + 4 * len(packet.csrcs) + extension + len(packet.payload)


def _extension_header(profile: int, data: bytes) -> Part:
    return Part(
        "Header extension · RFC 3550",
        [
            Field("profile", f"{profile:#06x}", _EXTENSIONS.get(profile, "not known here"), 16),
            Field("length", str(len(data) // 4), "in words of 32 bits", 16),
            Field("data", _hex(data), "what the profile defines"),
        ],
    )


def _jpeg_headers(data: bytes, payload: Payload) -> list[Part]:
    """The headers of RFC 2435; what `Payload` does not tell is read from the data it came of."""
    parts, at = [_main_header(data, payload)], _MAIN_HEADER_BYTES
    if data[4] & _WITH_RESTARTS:
        parts.append(_restart_header(int.from_bytes(data[at + 2 : at + 4], "big"), payload))
        at += 4
    if payload.quantization is not None:
        parts.append(_quantization_header(data[at : at + 2], payload.quantization))
    return parts


def _main_header(data: bytes, payload: Payload) -> Part:
    restarts = ", with restart markers" if data[4] & _WITH_RESTARTS else ""
    return Part(
        "JPEG main header · RFC 2435",
        [
            Field("type-specific", str(data[0]), "0: frames, not fields of a frame", 8),
            Field(
                "fragment offset", str(payload.offset), "where in the frame these data belong", 24
            ),
            Field("type", str(data[4]), f"{_SUBSAMPLINGS[payload.type]}{restarts}", 8),
            Field("Q", str(payload.q), _q_meaning(payload.q), 8),
            Field("width", str(data[6]), _side_meaning(payload.width), 8),
            Field("height", str(data[7]), _side_meaning(payload.height), 8),
        ],
    )


def _q_meaning(q: int) -> str:
    if q < _FIRST_STORED_Q:
        return "quality from which the tables are computed"
    return "tables come in every frame" if q == Q_IN_BAND else "tables come once for this Q"


def _side_meaning(pixels: int) -> str:
    return f"{pixels} pixels, in blocks of 8" if pixels else "told elsewhere"


def _restart_header(word: int, payload: Payload) -> Part:
    count = word & _WHOLE_FRAME
    whole = (
        "packets are not cut at markers" if count == _WHOLE_FRAME else "the first marker's place"
    )
    return Part(
        "Restart marker header · RFC 2435",
        [
            Field(
                "restart interval", str(payload.restart_interval), "MCUs between two markers", 16
            ),
            Field("F", _flag(word >> 15), "the first packet of its interval", 1),
            Field("L", _flag(word >> 14 & 1), "the last packet of its interval", 1),
            Field("restart count", str(count), whole, 14),
        ],
    )


def _quantization_header(head: bytes, tables: bytes) -> Part:
    return Part(
        "Quantization table header · RFC 2435",
        [
            Field("MBZ", str(head[0]), "must be zero", 8),
            Field("precision", str(head[1]), "0: 8 bits an entry", 8),
            Field("length", str(len(tables)), f"bytes: {len(tables) // 64} tables of 64", 16),
            Field("tables", _hex(tables), "how coarse each frequency is"),
        ],
    )


def _data(scan: bytes) -> Part:
    size = f"{count_text(len(scan))} bytes"
    return Part("Data", [Field("scan", size, "a piece of the picture, entropy-coded")])


def _whole_jpeg(payload: bytes) -> Part:
    return Part(
        "A whole JPEG · the laboratory's way",
        [
            Field("size", f"{count_text(len(payload))} bytes", "one picture in one packet"),
            Field("begin", _hex(payload), "FF D8 begins a JPEG"),
        ],
    )


def _flag(value: object) -> str:
    return "1" if value else "0"


def _hex(data: bytes) -> str:
    more = " …" if len(data) > _SHOWN_BYTES else ""
    return data[:_SHOWN_BYTES].hex(" ").upper() + more
