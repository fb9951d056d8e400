"""AVI, also in several RIFF parts (OpenDML), with or without a usable index.

An index is believed where its first and its last entry lead to a chunk of their name and size.
Behind its last entry, or without one, the chunks themselves are walked, which takes eight bytes
of each.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain

from mjpegd.errors import MediaError
from mjpegd.sources.indexing import MJPEG_CODES, Entry, Index, Step, other_codec, sane_rate
from mjpegd.sources.reading import ByteReader, blocks, table

KIND = "AVI"
_FFMPEG_NAME = "avi"
# Lists that are walked through as if they were not there, so that no list's size matters: a
# writer that was killed leaves them 0.
_OPEN_LISTS = frozenset({b"AVI ", b"AVIX", b"hdrl", b"strl", b"movi", b"rec "})
# Chunks before the first picture; two hundred are many.
_MAX_HEADER_CHUNKS = 10_000
# Index chunks of one track: each covers up to 1 GB or some hours.
_MAX_LEAVES = 4096
# Chunks behind the pictures, of which one may be the index.
_MAX_TAIL_CHUNKS = 16
# Chunk headers read in one step.
_STEP_CHUNKS = 64
# How far a damaged file is searched for the next picture.
_MAX_GAP_BYTES = 1 << 20
_CHUNK_NAME = re.compile(rb"[0-9A-Za-z ]{4}")

# Rows of the old index: chunk name, flags, offset, size.
_IDX1_ROW = struct.Struct("<4sIII")
_IDX1Row = tuple[bytes, int, int, int]
# How many rows from either end of it the track's first and last are looked for.
_IDX1_EDGE_ROWS = 1024

# Header of an OpenDML index: longs per row, sub-type, type, rows, chunk name, base offset.
_OPENDML_HEADER = struct.Struct("<HBBI4sQ4x")
_INDEX_OF_CHUNKS = 1
# Rows of an index of indexes: offset, size, duration.
_SUPER_ROW = struct.Struct("<QII")
# Rows of an index of chunks: offset, size, and where the second field starts in some.
_LEAF_ROWS = {2: struct.Struct("<II"), 3: struct.Struct("<III")}
_SIZE_BITS = 0x7FFFFFFF  # The highest bit of a size marks delta frames.

# Where a picture's data lies: offset and size in bytes; the size is 0 where the one before stays.
_Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Chunk:
    name: bytes
    form: bytes
    start: int
    size: int

    @property
    def end(self) -> int:
        """Where the next chunk begins: chunks are padded to even sizes."""
        if self.form in _OPEN_LISTS:
            return self.start + 4
        return self.start + self.size + self.size % 2


@dataclass(slots=True)
class _Track:
    number: int
    kind: bytes = b""
    code: str = ""
    rate: Fraction | None = None
    indexes: list[_Chunk] = field(default_factory=list)

    @property
    def chunk_names(self) -> tuple[bytes, ...]:
        return b"%02ddc" % self.number, b"%02ddb" % self.number


@dataclass(slots=True)
class _Header:
    rate: Fraction | None = None
    tracks: list[_Track] = field(default_factory=list)
    movi: _Chunk | None = None


def is_avi(head: bytes) -> bool:
    """Whether a file begins as an AVI does."""
    return head[:4] == b"RIFF" and head[8:12] == b"AVI "


def index(reader: ByteReader) -> Index:
    """Find the pictures of the first MJPEG track.

    Raises:
        MediaError: There is no such track; the text says what there is.
    """
    header = _read_header(reader)
    video = [track for track in header.tracks if track.kind == b"vids"]
    if not video or header.movi is None:
        raise MediaError("AVI without a video track")
    track = next((track for track in video if track.code.upper() in MJPEG_CODES), None)
    if track is None:
        raise other_codec(video[0].code, KIND, _FFMPEG_NAME)
    rate = track.rate or header.rate
    return Index(KIND, rate, _timed(_places(reader, track, header.movi), rate))


def _places(reader: ByteReader, track: _Track, movi: _Chunk) -> Iterator[list[_Place]]:
    end = movi.end
    for places in _opendml(reader, track) or _idx1(reader, track, movi) or ():
        yield places
        end = max([end, *(start + size + size % 2 for start, size in places)])
    yield from _walk(reader, track, end)


def _timed(places: Iterator[list[_Place]], rate: Fraction | None) -> Iterator[Step]:
    """Give the pictures their times; one that stays takes up the time of the next."""
    number = 0
    for step in places:
        yield [
            Entry(offset, size, _seconds(number + position, rate))
            for position, (offset, size) in enumerate(step)
            if size
        ]
        number += len(step)


def _seconds(number: int, rate: Fraction | None) -> float | None:
    return number * rate.denominator / rate.numerator if rate else None


def _read_header(reader: ByteReader) -> _Header:
    header = _Header()
    for chunk in _chunks(reader, 0, _MAX_HEADER_CHUNKS):
        if chunk.form == b"movi":
            header.movi = chunk
            break
        if chunk.name == b"avih":
            header.rate = sane_rate(1_000_000, _u32(reader, chunk.start))
        elif chunk.name == b"strh":
            header.tracks.append(_Track(len(header.tracks)))
        if header.tracks:
            _describe(reader, chunk, header.tracks[-1])
    return header


def _describe(reader: ByteReader, chunk: _Chunk, track: _Track) -> None:
    """Take what one chunk of a track's header says."""
    if chunk.name == b"strh":
        track.kind = reader.read_at(chunk.start, 4)
        track.code = reader.read_at(chunk.start + 4, 4).decode("latin-1")
        track.rate = sane_rate(_u32(reader, chunk.start + 24), _u32(reader, chunk.start + 20))
    elif chunk.name == b"strf":
        # The fourth field of BITMAPINFOHEADER; decoders believe it, not the one of strh.
        code = reader.read_at(chunk.start + 16, 4).decode("latin-1")
        track.code = code if code.strip("\0") else track.code
    elif chunk.name == b"indx":
        track.indexes.append(chunk)


def _u32(reader: ByteReader, position: int) -> int:
    return int.from_bytes(reader.read_at(position, 4), "little")


def _chunk_at(reader: ByteReader, position: int) -> _Chunk | None:
    header = reader.read_at(position, 12)
    if len(header) < 8:
        return None
    name, size = struct.unpack_from("<4sI", header)
    form = header[8:] if name in (b"RIFF", b"LIST") else b""
    return _Chunk(name, form, position + 8, size)


def _chunks(reader: ByteReader, position: int, limit: int) -> Iterator[_Chunk]:
    for _ in range(limit):
        chunk = _chunk_at(reader, position)
        if chunk is None:
            return
        yield chunk
        position = chunk.end


# --- Without an index ---------------------------------------------------------------------------


def _walk(reader: ByteReader, track: _Track, position: int) -> Iterator[list[_Place]]:
    """Go from chunk to chunk, through all RIFF parts to the end of the file."""
    while position + 8 <= reader.size:
        places, position = _walk_on(reader, track, position)
        yield places


def _walk_on(reader: ByteReader, track: _Track, position: int) -> tuple[list[_Place], int]:
    places: list[_Place] = []
    for chunk in _chunks(reader, position, _STEP_CHUNKS):
        if _CHUNK_NAME.fullmatch(chunk.name) is None:
            return places, _next_picture(reader, track, position)
        if chunk.name in track.chunk_names:
            places.append((chunk.start, chunk.size))
        position = chunk.end
    return places, position


def _next_picture(reader: ByteReader, track: _Track, lost_at: int) -> int:
    """Where the next picture's chunk begins: behind damage, or a pad byte early."""
    start = re.compile(b"(?:" + b"|".join(track.chunk_names) + rb").{4}\xff\xd8", re.DOTALL)
    position = lost_at - 1
    for block in blocks(reader, position, lost_at + _MAX_GAP_BYTES):
        if match := start.search(block):
            return position + match.start()
        position += len(block)
    return reader.size


# --- With an index ------------------------------------------------------------------------------


def _leads_to_chunk(reader: ByteReader, position: int, name: bytes, size: int) -> bool:
    return reader.read_at(position, 8) == struct.pack("<4sI", name, size)


def _idx1(reader: ByteReader, track: _Track, movi: _Chunk) -> Iterator[list[_Place]] | None:
    """The places from the old index, of the first RIFF part; None where it is missing or wrong."""
    tail = _chunks(reader, movi.start + movi.size + movi.size % 2, _MAX_TAIL_CHUNKS)
    found = next((chunk for chunk in tail if chunk.name == b"idx1"), None)
    if found is None:
        return None
    count = min(found.size, reader.size - found.start) // _IDX1_ROW.size
    edges = _first_and_last(reader, track, found.start, count)
    # Offsets count from the name of the list, from behind it, or from the start of the file.
    for base in (movi.start, movi.start + 4, 0):
        if edges and all(
            _leads_to_chunk(reader, base + offset, name, size) for name, _, offset, size in edges
        ):
            return _idx1_places(reader, track, found.start, count, base)
    return None


def _first_and_last(
    reader: ByteReader, track: _Track, start: int, count: int
) -> tuple[_IDX1Row, _IDX1Row] | None:
    """The track's first and last row of the old index, if they are near its ends."""
    near = min(count, _IDX1_EDGE_ROWS)
    first_rows = table(reader, _IDX1_ROW, start, near)
    last_rows = table(reader, _IDX1_ROW, start + (count - near) * _IDX1_ROW.size, near)
    first = [row for rows in first_rows for row in rows if row[0] in track.chunk_names]
    last = [row for rows in last_rows for row in rows if row[0] in track.chunk_names]
    return (first[0], last[-1]) if first and last else None


def _idx1_places(
    reader: ByteReader, track: _Track, start: int, count: int, base: int
) -> Iterator[list[_Place]]:
    for rows in table(reader, _IDX1_ROW, start, count):
        yield [
            (base + offset + 8, size) for name, _, offset, size in rows if name in track.chunk_names
        ]


@dataclass(frozen=True, slots=True)
class _Leaf:
    """One OpenDML index chunk: rows of offset, size and, for fields, one number more."""

    start: int
    row: struct.Struct
    count: int
    base: int

    def places(self, reader: ByteReader) -> Iterator[list[_Place]]:
        for rows in table(reader, self.row, self.start, self.count):
            yield [(self.base + row[0], row[1] & _SIZE_BITS) for row in rows]


def _opendml(reader: ByteReader, track: _Track) -> Iterator[list[_Place]] | None:
    """The places from the OpenDML index; None where a part of it is missing or wrong."""
    leaves = [leaf for chunk in track.indexes for leaf in _leaves(reader, track, chunk)]
    if not leaves or None in leaves:
        return None
    return chain.from_iterable(leaf.places(reader) for leaf in leaves if leaf)


def _leaves(reader: ByteReader, track: _Track, chunk: _Chunk) -> Iterator[_Leaf | None]:
    header = reader.read_at(chunk.start, _OPENDML_HEADER.size)
    if len(header) < _OPENDML_HEADER.size:
        yield None
        return
    _, _, kind, count, _, _ = _OPENDML_HEADER.unpack(header)
    if kind == _INDEX_OF_CHUNKS:
        yield _leaf(reader, track, chunk.start)
        return
    super_rows = table(
        reader, _SUPER_ROW, chunk.start + _OPENDML_HEADER.size, min(count, _MAX_LEAVES)
    )
    for rows in super_rows:
        for offset, _, _ in rows:
            yield _leaf(reader, track, offset + 8)


def _leaf(reader: ByteReader, track: _Track, start: int) -> _Leaf | None:
    """The index chunk whose body starts there, if its first and last row are right."""
    header = reader.read_at(start, _OPENDML_HEADER.size)
    if len(header) < _OPENDML_HEADER.size:
        return None
    longs, _, kind, count, name, base = _OPENDML_HEADER.unpack(header)
    if kind != _INDEX_OF_CHUNKS or longs not in _LEAF_ROWS or name not in track.chunk_names:
        return None
    leaf = _Leaf(start + _OPENDML_HEADER.size, _LEAF_ROWS[longs], count, base)
    return leaf if count and _has_sound_edges(reader, name, leaf) else None


def _has_sound_edges(reader: ByteReader, name: bytes, leaf: _Leaf) -> bool:
    for number in (0, leaf.count - 1):
        row = reader.read_at(leaf.start + number * leaf.row.size, 8)
        if len(row) < 8:
            return False
        offset, size = struct.unpack("<II", row)
        if not _leads_to_chunk(reader, leaf.base + offset - 8, name, size & _SIZE_BITS):
            return False
    return True
