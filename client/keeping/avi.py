"""AVI recordings: a film that can be played at any moment of its making, of any length.

::

    RIFF AVI   the first part; its lists of headers also tell the length of the whole film
     ├─ hdrl   rate, size, places of all ix00
     ├─ movi   00dc (a frame, or empty: the one before stays), 00dc, ..., ix00 (their places)
     └─ idx1   the same places, for programs that know but one part
    RIFF AVIX  the next part, and so on: movi only (OpenDML AVI 1.02)

Behind each frame the sizes in the headers are put right; indexes come when a part is finished.
Programs go from frame to frame where an index is missing.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import repeat
from pathlib import Path

from mjpegd.wire.errors import JpegError
from mjpegd.wire.jpeg_image import JpegImage

from ..errors import RecordingError
from .files import GrowingFile
from .slots import Slots

# Old programs read files up to 1 GiB.
PART_BYTES = 1 << 30
# What the index of a part takes of memory; ten hours at 25 frames per second.
_MAX_PART_SLOTS = 1 << 20
# The places of all ix00 stand in the header, so room is left there: for 256 GiB.
_MAX_PARTS = 256
# The size in the header where it cannot be read; programs believe the pictures.
_ASSUMED_SIZE = (640, 480)

_MICROSECONDS = 1_000_000
_HAS_INDEX = 0x10
_KEY_FRAME = 0x10

_CHUNK_HEAD = struct.Struct("<4sI")
_LIST_HEAD = struct.Struct("<4sI4s")
# Microseconds per frame, (most bytes per second, alignment,) flags, frames of the first part,
# (first frame,) streams, (buffer,) width, height.
_AVIH = struct.Struct("<I8xII4xI4xII16x")
# Kind, codec, (flags, priority, language, first frame,) scale, rate, (start,) length, (buffer,
# quality, sample size, place in the window).
_STRH = struct.Struct("<4s4s12xII4xI20x")
# BITMAPINFOHEADER: its size, width, height, planes, bits, codec, bytes of a decoded picture, ...
_STRF = struct.Struct("<IIIHH4sI16x")
# Longs per row, sub-type, type, rows, chunk name, what offsets count from.
_INDEX_HEAD = struct.Struct("<HBBI4sQ4x")
_OF_INDEXES, _OF_CHUNKS = 0, 1
_SUPER_ROW = struct.Struct("<QII")  # offset of an ix00, its size, slots
_ROW = struct.Struct("<II")  # offset of the data, size
_IDX1_ROW = struct.Struct("<4sIII")  # name, flags, offset of the chunk, size
_NAME, _CODEC = b"00dc", b"MJPG"


@dataclass(slots=True)
class _Part:
    """One RIFF; offsets are from the start of the file, those in rows from the name "movi"."""

    start: int
    movi: int
    movi_end: int
    end: int
    slots: int = 0
    rows: bytearray = field(default_factory=bytearray)

    @classmethod
    def at(cls, start: int, lists_bytes: int) -> "_Part":
        movi = start + _LIST_HEAD.size + lists_bytes + _CHUNK_HEAD.size
        return cls(start, movi, movi + 4, movi + 4)

    def add(self, size: int) -> None:
        """Count in one chunk."""
        self.rows += _ROW.pack(self.movi_end + _CHUNK_HEAD.size - self.movi, size)
        self.slots += 1
        self.movi_end += _CHUNK_HEAD.size + size + size % 2
        self.end = self.movi_end

    def head(self, lists: bytes) -> bytes:
        """What stands before the first chunk."""
        form = b"AVI " if lists else b"AVIX"
        riff = _LIST_HEAD.pack(b"RIFF", self.end - self.start - _CHUNK_HEAD.size, form)
        return riff + lists + _LIST_HEAD.pack(b"LIST", self.movi_end - self.movi, b"movi")

    def ix00(self) -> bytes:
        head = _INDEX_HEAD.pack(2, 0, _OF_CHUNKS, self.slots, _NAME, self.movi)
        return _chunk(b"ix00", head, self.rows)

    def idx1(self) -> bytes:
        rows = (
            _IDX1_ROW.pack(_NAME, _KEY_FRAME if size else 0, offset - _CHUNK_HEAD.size, size)
            for offset, size in _ROW.iter_unpack(self.rows)
        )
        return _chunk(b"idx1", *rows)


@dataclass(slots=True)
class _Headers:
    """What the list of headers says; its size is always the same."""

    rate: Fraction
    size: tuple[int, int] = _ASSUMED_SIZE
    first_slots: int = 0
    slots: int = 0
    indexes: list[tuple[int, int, int]] = field(default_factory=list)

    def to_bytes(self) -> bytes:
        width, height = self.size
        flags = _HAS_INDEX if self.indexes else 0
        frame_us = round(_MICROSECONDS / self.rate)
        avih = _AVIH.pack(frame_us, flags, self.first_slots, 1, width, height)
        dmlh = struct.pack("<I", self.slots)
        return _list(
            b"hdrl",
            _chunk(b"avih", avih),
            _list(b"strl", *self._track()),
            _list(b"odml", _chunk(b"dmlh", dmlh)),
        )

    def _track(self) -> Sequence[bytes]:
        width, height = self.size
        picture_bytes = min(3 * width * height, 0xFFFFFFFF)
        strh = _STRH.pack(b"vids", _CODEC, self.rate.denominator, self.rate.numerator, self.slots)
        strf = _STRF.pack(_STRF.size, width, height, 1, 24, _CODEC, picture_bytes)
        head = _INDEX_HEAD.pack(4, 0, _OF_INDEXES, len(self.indexes), _NAME, 0)
        rows = b"".join(_SUPER_ROW.pack(*row) for row in self.indexes)
        room = bytes(_MAX_PARTS * _SUPER_ROW.size - len(rows))
        return _chunk(b"strh", strh), _chunk(b"strf", strf), _chunk(b"indx", head, rows, room)


class AviRecording:
    """A `client.keeping.recording.Recording` in AVI, each frame at its time.

    Frames that did not come leave empty chunks; pauses are left out (see `client.keeping.slots`).

    Attributes:
        frames: Frames written.
    """

    def __init__(
        self, file: GrowingFile, framerate: Fraction | None, part_bytes: int = PART_BYTES
    ) -> None:
        """Begin a film.

        Args:
            file: Without anything in it; closed with the recording.
            framerate: As the server tells it.
            part_bytes: How much of the film goes into one RIFF.
        """
        self.frames = 0
        self._file = file
        self._part_bytes = part_bytes
        self._slots = Slots(framerate)
        self._headers = _Headers(self._slots.rate)
        self._first = self._part = _Part.at(0, len(self._headers.to_bytes()))

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    @property
    def bytes_written(self) -> int:
        """The size of the file."""
        return self._file.size

    def write(self, jpeg: bytes, timestamp: int) -> None:
        """Add a frame; see `client.keeping.recording.Recording`."""
        if not self.frames:
            self._headers.size = _picture_size(jpeg)
        empty = self._slots.empty_before(timestamp)
        chunks = _chunk(_NAME) * empty + _chunk(_NAME, jpeg)
        if self._is_full(len(chunks)):
            self._finish_part()
            self._part = self._next_part()
        head_is_missing = not self._part.slots
        for size in *repeat(0, empty), len(jpeg):
            self._part.add(size)
        self._count(empty + 1)
        self._file.append(self._head(self._part) + chunks if head_is_missing else chunks)
        self.frames += 1
        self._patch_heads()

    def close(self) -> None:
        """Write what is missing of the index; see `client.keeping.recording.Recording`."""
        if self.frames and not self._file.closed:
            self._finish_part()
        self._file.close()

    def _is_full(self, more_bytes: int) -> bool:
        part = self._part
        is_long = part.movi_end - part.movi + more_bytes > self._part_bytes
        return bool(part.slots) and (is_long or part.slots >= _MAX_PART_SLOTS)

    def _next_part(self) -> _Part:
        if len(self._headers.indexes) == _MAX_PARTS:
            self._file.close()
            raise RecordingError(f"{self.path} is as long as an AVI can be: begin another one.")
        return _Part.at(self._file.size, 0)

    def _finish_part(self) -> None:
        part = self._part
        ix00 = part.ix00()
        tail = ix00 + part.idx1() if part is self._first else ix00
        self._file.append(tail)
        self._headers.indexes.append((part.movi_end, len(ix00), part.slots))
        part.movi_end += len(ix00)
        part.end += len(tail)
        part.rows.clear()
        self._patch_heads()

    def _count(self, slots: int) -> None:
        self._headers.rate = self._slots.rate
        self._headers.slots += slots
        self._headers.first_slots = self._first.slots

    def _head(self, part: _Part) -> bytes:
        return part.head(self._headers.to_bytes() if part is self._first else b"")

    def _patch_heads(self) -> None:
        """Put the sizes right, of the last part before those of the whole film."""
        if self._part is not self._first:
            self._file.patch(self._part.start, self._head(self._part))
        self._file.patch(0, self._head(self._first))


def _chunk(name: bytes, *body: bytes | bytearray) -> bytes:
    size = sum(map(len, body))
    return b"".join((_CHUNK_HEAD.pack(name, size), *body, bytes(size % 2)))


def _list(form: bytes, *chunks: bytes) -> bytes:
    return _chunk(b"LIST", form, *chunks)


def _picture_size(jpeg: bytes) -> tuple[int, int]:
    try:
        image = JpegImage.parse(jpeg)
    except JpegError:
        return _ASSUMED_SIZE
    return image.width, image.height
