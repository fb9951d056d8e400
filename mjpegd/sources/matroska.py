"""Matroska and WebM: blocks of a V_MJPEG track, in clusters of known or unknown size."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import islice

from mjpegd.errors import MediaError
from mjpegd.sources.indexing import (
    MJPEG_CODES,
    Entry,
    Index,
    Step,
    other_codec,
    round_rate,
    sane_rate,
)
from mjpegd.sources.reading import ByteReader

KIND = "Matroska"
_FFMPEG_NAME = "matroska"


class _Id(IntEnum):
    """Element identifiers with their length marker (RFC 9559 section 5.1)."""

    SEGMENT = 0x18538067
    INFO = 0x1549A966
    TIMESTAMP_SCALE = 0x2AD7B1
    TRACKS = 0x1654AE6B
    TRACK_ENTRY = 0xAE
    TRACK_NUMBER = 0xD7
    TRACK_TYPE = 0x83
    CODEC_ID = 0x86
    CODEC_PRIVATE = 0x63A2
    DEFAULT_DURATION = 0x23E383
    CONTENT_ENCODINGS = 0x6D80
    CLUSTER = 0x1F43B675
    TIMESTAMP = 0xE7
    SIMPLE_BLOCK = 0xA3
    BLOCK_GROUP = 0xA0
    BLOCK = 0xA1


# Elements that are walked through as if they were not there: so nobody need know where one of
# unknown size ends.
_OPEN_IN_HEADER = frozenset({_Id.SEGMENT, _Id.INFO, _Id.TRACKS, _Id.TRACK_ENTRY})
_OPEN_IN_CLUSTERS = frozenset({_Id.SEGMENT, _Id.CLUSTER, _Id.BLOCK_GROUP})
_VIDEO = 1
_DEFAULT_SCALE_NS = 1_000_000
_NS_PER_S = 1_000_000_000
_LACING_BITS = 0x06

# Elements before the first cluster; files with many tags and attachments have hundreds.
_MAX_HEADER_ELEMENTS = 20_000
# An identifier of 4 bytes and a size of 8.
_HEADER_BYTES = 12
# In front of a frame: a track of 8 bytes, a time of 2, flags.
_BLOCK_HEADER_BYTES = 11
# Names and numbers are short; of CodecPrivate the beginning is enough.
_MAX_VALUE_BYTES = 64
# Elements read in one step.
_STEP_ELEMENTS = 64

# Codecs as other containers call them.
_CODES = {
    "V_MJPEG": "MJPG",
    "V_MPEG4/ISO/AVC": "AVC1",
    "V_MPEGH/ISO/HEVC": "HEVC",
    "V_AV1": "AV01",
    "V_VP8": "VP80",
    "V_VP9": "VP90",
    "V_MPEG4/ISO/ASP": "MP4V",
}


@dataclass(frozen=True, slots=True)
class _Element:
    identifier: int
    position: int
    start: int
    size: int | None  # None: unknown; it ends where the next of its kind begins.

    def value(self, reader: ByteReader) -> bytes:
        return reader.read_at(self.start, min(self.size or 0, _MAX_VALUE_BYTES))

    def number(self, reader: ByteReader) -> int:
        return int.from_bytes(self.value(reader)[:8], "big")


@dataclass(slots=True)
class _Track:
    number: int = 0
    kind: int = 0
    codec: str = ""
    private: bytes = b""
    frame_ns: int = 0
    is_encoded: bool = False

    @property
    def code(self) -> str:
        """The codec as other containers call it; some tracks only wrap one of AVI's."""
        if self.codec == "V_MS/VFW/FOURCC":
            return self.private[16:20].decode("latin-1").upper()
        return _CODES.get(self.codec, self.codec.removeprefix("V_"))


def is_matroska(head: bytes) -> bool:
    """Whether a file begins as Matroska and WebM do."""
    return head.startswith(b"\x1a\x45\xdf\xa3")


def index(reader: ByteReader) -> Index:
    """Find the blocks of the first MJPEG track.

    Raises:
        MediaError: There is no such track; the text says what there is.
    """
    scale_ns, tracks, clusters_at = _read_header(reader)
    video = [track for track in tracks if track.kind == _VIDEO]
    if not video:
        raise MediaError("Matroska without a video track")
    track = next((track for track in video if track.code in MJPEG_CODES), None)
    if track is None:
        raise other_codec(video[0].code, KIND, _FFMPEG_NAME)
    if track.is_encoded:
        raise MediaError("Matroska with compressed or encrypted frames; only plain ones are served")
    rate = sane_rate(_NS_PER_S, track.frame_ns)
    # Stored in whole nanoseconds: 33366667 means 30000/1001.
    nominal = round_rate(track.frame_ns / _NS_PER_S) if rate else None
    return Index(KIND, nominal, _frames(reader, track.number, scale_ns, clusters_at))


def _read_header(reader: ByteReader) -> tuple[int, list[_Track], int]:
    """The time unit in nanoseconds, the tracks, and where the first cluster lies."""
    scale_ns = _DEFAULT_SCALE_NS
    tracks: list[_Track] = []
    for element in islice(_elements(reader, 0, _OPEN_IN_HEADER), _MAX_HEADER_ELEMENTS):
        if element.identifier == _Id.CLUSTER:
            return scale_ns, tracks, element.position
        if element.identifier == _Id.TIMESTAMP_SCALE:
            scale_ns = element.number(reader) or _DEFAULT_SCALE_NS
        elif element.identifier == _Id.TRACK_ENTRY:
            tracks.append(_Track())
        elif tracks:
            _describe(reader, element, tracks[-1])
    return scale_ns, tracks, reader.size


def _describe(reader: ByteReader, element: _Element, track: _Track) -> None:
    """Take what one element of a track's header says."""
    match element.identifier:
        case _Id.TRACK_NUMBER:
            track.number = element.number(reader)
        case _Id.TRACK_TYPE:
            track.kind = element.number(reader)
        case _Id.CODEC_ID:
            track.codec = element.value(reader).rstrip(b"\0").decode("latin-1")
        case _Id.CODEC_PRIVATE:
            track.private = element.value(reader)
        case _Id.DEFAULT_DURATION:
            track.frame_ns = element.number(reader)
        case _Id.CONTENT_ENCODINGS:
            track.is_encoded = True


def _frames(reader: ByteReader, track: int, scale_ns: int, position: int) -> Iterator[Step]:
    elements = _elements(reader, position, _OPEN_IN_CLUSTERS)
    cluster_time = 0
    while some := list(islice(elements, _STEP_ELEMENTS)):
        step: Step = []
        for element in some:
            if element.identifier == _Id.TIMESTAMP:
                cluster_time = element.number(reader)
            elif element.identifier in (_Id.SIMPLE_BLOCK, _Id.BLOCK):
                step += _frame(reader, element, track, cluster_time, scale_ns)
        yield step


def _frame(
    reader: ByteReader, block: _Element, track: int, cluster_time: int, scale_ns: int
) -> list[Entry]:
    """The frame in a block (RFC 9559 section 10), if it is one of the track."""
    head = reader.read_at(block.start, _BLOCK_HEADER_BYTES)
    length = _vint_length(head, 0)
    if not length or len(head) < length + 3 or _vint_value(head[:length]) != track:
        return []
    time, flags = struct.unpack_from(">hB", head, length)
    if flags & _LACING_BITS or block.size is None:
        return []
    seconds = (cluster_time + time) * scale_ns / _NS_PER_S
    return [Entry(block.start + length + 3, block.size - length - 3, seconds)]


# --- EBML (RFC 8794) ----------------------------------------------------------------------------


def _elements(reader: ByteReader, position: int, opened: frozenset[_Id]) -> Iterator[_Element]:
    """One element after the other; those in `opened` are followed by what is in them."""
    while (element := _element_at(reader, position)) is not None:
        yield element
        if element.identifier in opened:
            position = element.start
        elif element.size is not None:
            position = element.start + element.size
        else:
            return


def _element_at(reader: ByteReader, position: int) -> _Element | None:
    header = reader.read_at(position, _HEADER_BYTES)
    id_length = _vint_length(header, 0)
    end = id_length + _vint_length(header, id_length)
    if not id_length or end == id_length or end > len(header):
        return None
    identifier = int.from_bytes(header[:id_length], "big")
    return _Element(identifier, position, position + end, _vint_value(header[id_length:end]))


def _vint_length(data: bytes, at: int) -> int:
    """How many bytes a variable-size integer has; 0 if there is none."""
    return 9 - data[at].bit_length() if at < len(data) and data[at] else 0


def _vint_value(data: bytes) -> int | None:
    """The number in a variable-size integer; None where all its bits are set: unknown."""
    bits = 7 * len(data)
    value = int.from_bytes(data, "big") & ((1 << bits) - 1)
    return None if value == (1 << bits) - 1 else value
