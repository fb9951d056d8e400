"""QuickTime and MP4: the sample tables of an MJPEG track, and the fragments behind them."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice, repeat

from mjpegd.errors import MediaError
from mjpegd.sources.indexing import MJPEG_CODES, Entry, Index, Step, other_codec
from mjpegd.sources.reading import ByteReader, table

KIND = "QuickTime/MP4"
_FFMPEG_NAME = "mov"
_FIRST_BOXES = frozenset(
    {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid", b"styp"}
)
# Boxes within one box.
_MAX_CHILDREN = 1024
# Boxes at the top of the file before the header.
_MAX_BOXES_BEFORE_MOOV = 100_000
# Samples, or boxes at the top of the file, in one step.
_STEP_SAMPLES = 1024
_STEP_BOXES = 64

_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")
_TWO = struct.Struct(">II")
_THREE = struct.Struct(">III")
_STZ2_FIELDS = {8: struct.Struct(">B"), 16: struct.Struct(">H")}

# MPEG-4 writes MJPEG as mp4v whose elementary stream descriptor has this object type.
_OBJECT_TYPE_JPEG = 0x6C
# Version and flags; ES_Descriptor with its identifier and flags; DecoderConfigDescriptor, whose
# first byte is the object type (ISO 14496-1 section 7.2.6.5).
_LENGTH = rb"[\x80-\xff]{0,3}[\x00-\x7f]"
_ESDS = re.compile(rb"....\x03" + _LENGTH + rb"...\x04" + _LENGTH + rb"(.)", re.DOTALL)
_VISUAL_ENTRY_BYTES = 78

# Flags of tfhd and trun (ISO 14496-12 sections 8.8.7 and 8.8.8).
_TFHD_BASE, _TFHD_DESCRIPTION, _TFHD_DURATION, _TFHD_SIZE = 0x1, 0x2, 0x8, 0x10
_TRUN_OFFSET, _TRUN_FIRST_FLAGS = 0x1, 0x4
_TRUN_DURATION, _TRUN_SIZE = 0x100, 0x200
_TRUN_FIELDS = (_TRUN_DURATION, _TRUN_SIZE, 0x400, 0x800)  # Flags and composition offset.


@dataclass(frozen=True, slots=True)
class _Box:
    kind: bytes
    position: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Track:
    number: int
    timescale: int
    code: str
    tables: _Box


def is_quicktime(head: bytes) -> bool:
    """Whether a file begins as QuickTime and MP4 do."""
    return head[4:8] in _FIRST_BOXES


def index(reader: ByteReader) -> Index:
    """Find the samples of the first MJPEG track.

    Raises:
        MediaError: There is no such track; the text says what there is.
    """
    top = _boxes(reader, 0, reader.size)
    moov = next((box for box in islice(top, _MAX_BOXES_BEFORE_MOOV) if box.kind == b"moov"), None)
    if moov is None:
        raise MediaError("QuickTime/MP4 without its header (moov): the recording was cut off")
    video = list(_video_tracks(reader, moov))
    if not video:
        raise MediaError("QuickTime/MP4 without a video track")
    track = next((track for track in video if track.code in MJPEG_CODES), None)
    if track is None:
        raise other_codec(video[0].code, KIND, _FFMPEG_NAME)
    steps = _samples(reader, track)
    if _find(reader, moov, b"mvex") is not None:
        steps = chain(steps, _Fragments(reader, track, moov).steps())
    return Index(KIND, None, steps)


# --- Boxes --------------------------------------------------------------------------------------


def _boxes(reader: ByteReader, position: int, end: int) -> Iterator[_Box]:
    """The boxes between two offsets; one that claims more ends there."""
    while position + 8 <= end:
        header = reader.read_at(position, 16)
        if len(header) < 8:
            return
        size, kind = struct.unpack_from(">I4s", header)
        start = position + 8
        if size == 1 and len(header) == 16:
            size, start = _U64.unpack_from(header, 8)[0], position + 16
        elif size == 0:
            size = end - position
        if size < start - position:
            return
        yield _Box(kind, position, start, min(position + size, end))
        position += size


def _children(reader: ByteReader, box: _Box, kind: bytes) -> Iterator[_Box]:
    inner = islice(_boxes(reader, box.start, box.end), _MAX_CHILDREN)
    return (child for child in inner if child.kind == kind)


def _find(reader: ByteReader, box: _Box, *path: bytes) -> _Box | None:
    """The first box at the end of a path of boxes within boxes."""
    found: _Box | None = box
    for kind in path:
        found = next(_children(reader, found, kind), None) if found else None
    return found


def _body(reader: ByteReader, box: _Box | None, count: int) -> bytes:
    """The first bytes of a box, with zeros where it is shorter or missing."""
    body = reader.read_at(box.start, min(count, box.end - box.start)) if box else b""
    return body.ljust(count, b"\0")


# --- The header ---------------------------------------------------------------------------------


def _video_tracks(reader: ByteReader, moov: _Box) -> Iterator[_Track]:
    for trak in _children(reader, moov, b"trak"):
        handler = _body(reader, _find(reader, trak, b"mdia", b"hdlr"), 12)[8:]
        tables = _find(reader, trak, b"mdia", b"minf", b"stbl")
        if handler == b"vide" and tables is not None:
            track_header = _body(reader, _find(reader, trak, b"tkhd"), 24)
            media_header = _body(reader, _find(reader, trak, b"mdia", b"mdhd"), 24)
            yield _Track(
                number=_after_dates(track_header),
                timescale=_after_dates(media_header),
                code=_code(reader, _find(reader, tables, b"stsd")),
                tables=tables,
            )


def _after_dates(body: bytes) -> int:
    """The field behind the two dates of tkhd or mdhd, which version 1 stores in 64 bits."""
    return int(_U32.unpack_from(body, 20 if body[0] == 1 else 12)[0])


def _code(reader: ByteReader, stsd: _Box | None) -> str:
    """What the first sample description calls the codec, in upper case."""
    if stsd is None:
        return ""
    entry = next(_boxes(reader, stsd.start + 8, stsd.end), None)
    if entry is None:
        return ""
    inner = _Box(entry.kind, entry.position, entry.start + _VISUAL_ENTRY_BYTES, entry.end)
    esds = _ESDS.match(_body(reader, _find(reader, inner, b"esds"), 32))
    if entry.kind == b"mp4v" and esds and esds[1][0] == _OBJECT_TYPE_JPEG:
        return "JPEG"
    return entry.kind.decode("latin-1").upper()


# --- Sample tables (ISO 14496-12 section 8) -----------------------------------------------------


def _samples(reader: ByteReader, track: _Track) -> Iterator[Step]:
    stamps = chain(_stamps(reader, track), repeat(None))
    samples = zip(_places(reader, track.tables), stamps, strict=False)
    while some := list(islice(samples, _STEP_SAMPLES)):
        yield [Entry(offset, size, seconds) for (offset, size), seconds in some]


def _places(reader: ByteReader, tables: _Box) -> Iterator[tuple[int, int]]:
    """Offset and size of each sample: samples lie in chunks, chunks anywhere."""
    lengths = _chunk_lengths(reader, tables)
    chunks = zip(_chunk_offsets(reader, tables), lengths, strict=False)
    offset = left = 0
    for size in _sizes(reader, tables):
        if not left:
            offset, left = next(chunks, (0, 0))
        if not left:
            return
        yield offset, size
        offset += size
        left -= 1


def _sizes(reader: ByteReader, tables: _Box) -> Iterator[int]:
    if (stsz := _find(reader, tables, b"stsz")) is not None:
        _, size, count = _THREE.unpack(_body(reader, stsz, 12))
        if size:
            return repeat(size, min(count, reader.size // size))
        return (size for (size,) in _rows(reader, stsz, _U32, 12, count))
    stz2 = _find(reader, tables, b"stz2")
    _, field_bits, count = _THREE.unpack(_body(reader, stz2, 12))
    if stz2 is None or field_bits & 0xFF not in _STZ2_FIELDS:
        return iter(())
    field = _STZ2_FIELDS[field_bits & 0xFF]
    return (size for (size,) in _rows(reader, stz2, field, 12, count))


def _chunk_offsets(reader: ByteReader, tables: _Box) -> Iterator[int]:
    for kind, field in ((b"stco", _U32), (b"co64", _U64)):
        if (box := _find(reader, tables, kind)) is not None:
            count = _U32.unpack_from(_body(reader, box, 8), 4)[0]
            return (offset for (offset,) in _rows(reader, box, field, 8, count))
    return iter(())


def _chunk_lengths(reader: ByteReader, tables: _Box) -> Iterator[int]:
    """How many samples each chunk has; the table tells only where that changes."""
    stsc = _find(reader, tables, b"stsc")
    count = _U32.unpack_from(_body(reader, stsc, 8), 4)[0]
    first, length = 1, 0
    for next_first, next_length, _ in _rows(reader, stsc, _THREE, 8, count):
        if next_first < first or (length and next_first == first):
            return
        yield from repeat(length, next_first - first)
        first, length = next_first, next_length
    yield from repeat(length)


def _stamps(reader: ByteReader, track: _Track) -> Iterator[float]:
    """The time of each sample in seconds, for as long as the table tells durations."""
    stts = _find(reader, track.tables, b"stts")
    count = _U32.unpack_from(_body(reader, stts, 8), 4)[0] if track.timescale else 0
    ticks = 0
    for samples, duration in _rows(reader, stts, _TWO, 8, count):
        if not samples:
            return
        for _ in range(samples):
            yield ticks / track.timescale
            ticks += duration


def _rows(
    reader: ByteReader, box: _Box | None, row: struct.Struct, skip: int, count: int
) -> Iterator[tuple[int, ...]]:
    """The rows of a table behind `skip` bytes of its box, as many as really are in it."""
    if box is None:
        return iter(())
    count = min(count, (box.end - box.start - skip) // row.size)
    return chain.from_iterable(table(reader, row, box.start + skip, count))


# --- Fragments (ISO 14496-12 section 8.8) -------------------------------------------------------


class _Fragments:
    """The samples that lie in fragments behind the header, in a film that is written as it runs."""

    def __init__(self, reader: ByteReader, track: _Track, moov: _Box) -> None:
        self._reader = reader
        self._track = track
        self._position = moov.end
        self._duration, self._size = self._track_defaults(moov)
        self._offset = 0
        self._ticks = 0

    def steps(self) -> Iterator[Step]:
        """The samples of one fragment after the other."""
        boxes = _boxes(self._reader, self._position, self._reader.size)
        while some := list(islice(boxes, _STEP_BOXES)):
            for moof in some:
                if moof.kind == b"moof":
                    for traf in _children(self._reader, moof, b"traf"):
                        yield from self._fragment(moof, traf)
            yield []

    def _track_defaults(self, moov: _Box) -> tuple[int, int]:
        """Duration in ticks and size in bytes of a sample whose fragment does not say."""
        mvex = _find(self._reader, moov, b"mvex")
        for trex in _children(self._reader, mvex, b"trex") if mvex else ():
            _, number, _, duration, size = struct.unpack(">5I", _body(self._reader, trex, 20))
            if number == self._track.number:
                return duration, size
        return 0, 0

    def _fragment(self, moof: _Box, traf: _Box) -> Iterator[Step]:
        tfhd = _body(self._reader, _find(self._reader, traf, b"tfhd"), 32)
        flags, number = _TWO.unpack_from(tfhd)
        if number != self._track.number:
            return
        at = 8
        self._offset = moof.position
        if flags & _TFHD_BASE:
            self._offset = _U64.unpack_from(tfhd, at)[0]
            at += 8
        if flags & _TFHD_DESCRIPTION:
            at += 4
        duration, size = self._duration, self._size
        if flags & _TFHD_DURATION:
            duration = _U32.unpack_from(tfhd, at)[0]
            at += 4
        if flags & _TFHD_SIZE:
            size = _U32.unpack_from(tfhd, at)[0]
        if (tfdt := _find(self._reader, traf, b"tfdt")) is not None:
            body = _body(self._reader, tfdt, 12)
            self._ticks = (_U64 if body[0] == 1 else _U32).unpack_from(body, 4)[0]
        base = self._offset
        for trun in _children(self._reader, traf, b"trun"):
            yield from self._run(trun, base, duration, size)

    def _run(self, trun: _Box, base: int, duration: int, size: int) -> Iterator[Step]:
        """The samples of one run, which lie one behind the other."""
        header = _body(self._reader, trun, 12)
        flags, count = _TWO.unpack_from(header)
        at = 8
        if flags & _TRUN_OFFSET:
            self._offset = base + struct.unpack_from(">i", header, at)[0]
            at += 4
        if flags & _TRUN_FIRST_FLAGS:
            at += 4
        fields = [field for field in _TRUN_FIELDS if flags & field]
        rows = self._rows(trun, at, count, len(fields), size)
        while some := list(islice(rows, _STEP_SAMPLES)):
            yield [
                self._sample(dict(zip(fields, row, strict=True)), duration, size) for row in some
            ]

    def _rows(
        self, trun: _Box, skip: int, count: int, fields: int, size: int
    ) -> Iterator[tuple[int, ...]]:
        if fields:
            return _rows(self._reader, trun, struct.Struct(f">{fields}I"), skip, count)
        return repeat((), min(count, self._reader.size // max(1, size)))

    def _sample(self, values: dict[int, int], duration: int, size: int) -> Entry:
        size = values.get(_TRUN_SIZE, size)
        seconds = self._ticks / self._track.timescale if self._track.timescale else None
        entry = Entry(self._offset, size, seconds)
        self._offset += size
        self._ticks += values.get(_TRUN_DURATION, duration)
        return entry
