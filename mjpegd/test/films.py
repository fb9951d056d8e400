"""Small films in every container, written as the programs that people have write them."""

import struct
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import accumulate, chain

from mjpegd.sources import containers
from mjpegd.sources.indexing import Batches, Entry, Index
from mjpegd.sources.reading import BLOCK_BYTES
from mjpegd.test.pictures import picture


class BytesReader:
    """A file in memory, as an indexer sees it.

    Attributes:
        reads: How many reads there were.
    """

    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        self.reads = 0
        self._data = data

    def read_at(self, offset: int, count: int) -> bytes:
        self.reads += 1
        return self._data[offset : offset + min(count, BLOCK_BYTES)] if offset >= 0 else b""


def index_of(data: bytes) -> Index:
    """What is recognised in the bytes of a file."""
    return containers.index(BytesReader(data))


def entries_of(index: Index, size: int) -> list[Entry]:
    """All frames of an index, as a film would take them."""
    batches = Batches(index.steps, size)
    entries: list[Entry] = []
    while not batches.done:
        entries += batches.next_batch()
    return entries


def frames_of(data: bytes) -> list[bytes]:
    """The bytes of all frames of a film."""
    return [
        data[entry.offset : entry.offset + entry.size]
        for entry in entries_of(index_of(data), len(data))
    ]


def seconds_of(data: bytes) -> list[float | None]:
    """The times of all frames, as the file tells them."""
    return [entry.seconds for entry in entries_of(index_of(data), len(data))]


@cache
def pictures(count: int) -> tuple[bytes, ...]:
    """The JPEGs 0 to `count` - 1, of different sizes in bytes."""
    return tuple(
        picture(number, size=(32, 32), quality=40 + 7 * number % 50) for number in range(count)
    )


# --- Laboratory and multipart -------------------------------------------------------------------


def laboratory(frames: Iterable[bytes], digits: int = 5) -> bytes:
    """Records of a length and a frame."""
    return b"".join(b"%0*d%b" % (digits, len(frame), frame) for frame in frames)


def multipart(
    frames: Sequence[bytes],
    *,
    boundary: bytes = b"--ffmpeg",
    newline: bytes = b"\r\n",
    lengths: bool = True,
    stamps: Sequence[str] = (),
    before: bytes = b"",
) -> bytes:
    """Parts of a `multipart/x-mixed-replace` stream."""
    parts = [before]
    for number, frame in enumerate(frames):
        lines = [boundary, b"Content-Type: image/jpeg"]
        if lengths:
            lines.append(b"Content-Length: %d" % len(frame))
        if stamps:
            lines.append(b"X-Timestamp: " + stamps[number].encode())
        parts += [line + newline for line in lines] + [newline, frame, newline]
    return b"".join(parts)


# --- AVI ----------------------------------------------------------------------------------------


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    """A RIFF chunk, padded to an even size; the size in its header may be a lie."""
    said = len(body) if size is None else size
    return struct.pack("<4sI", name, said) + body + b"\0" * (len(body) % 2)


def avi_track(
    kind: bytes = b"vids", code: bytes = b"MJPG", rate: tuple[int, int] = (25, 1), more: bytes = b""
) -> bytes:
    """The list that describes a track of an AVI."""
    strh = struct.pack("<4s4s12xII28x", kind, code, rate[1], rate[0])
    strf = struct.pack("<IiiHH4s20x", 40, 32, 32, 1, 24, code)
    return chunk(b"LIST", b"strl" + chunk(b"strh", strh) + chunk(b"strf", strf) + more)


def avi_header(*tracks: bytes, frame_us: int = 40_000) -> bytes:
    """The list that describes an AVI."""
    avih = struct.pack("<I52x", frame_us)
    return chunk(b"LIST", b"hdrl" + chunk(b"avih", avih) + b"".join(tracks))


def avi(
    frames: Sequence[bytes],
    *,
    rate: tuple[int, int] = (25, 1),
    code: bytes = b"MJPG",
    sound: bytes = b"",
    in_rec_lists: bool = False,
    idx1_base: str | None = "movi",
    is_finished: bool = True,
) -> bytes:
    """An AVI in one RIFF part; an empty frame is one that was dropped.

    Args:
        frames: In the order of showing.
        rate: Frames per second, numerator and denominator.
        code: The codec.
        sound: Written behind every frame, where there is any.
        in_rec_lists: Each frame and its sound lie in a list of their own.
        idx1_base: What the index counts from: "movi", "data" (behind that name), "file", or
            None for no index.
        is_finished: The sizes of the lists were filled in at the end.
    """
    tracks = [avi_track(code=code, rate=rate)] + [avi_track(b"auds", b"\1\0\0\0")] * bool(sound)
    header = avi_header(*tracks)
    movi_at = 12 + len(header) + 8
    base = {"movi": movi_at, "data": movi_at + 4, "file": 0, None: 0}[idx1_base]
    body, rows = b"movi", b""
    for frame in frames:
        group = [(b"00dc", frame)] + [(b"01wb", sound)] * bool(sound)
        if in_rec_lists:
            size = sum(8 + len(data) + len(data) % 2 for _, data in group)
            body += struct.pack("<4sI4s", b"LIST", 4 + size, b"rec ")
        for name, data in group:
            rows += struct.pack("<4sIII", name, 16, movi_at + len(body) - base, len(data))
            body += chunk(name, data)
    movi = chunk(b"LIST", body, None if is_finished else 0)
    idx1 = chunk(b"idx1", rows) if idx1_base else b""
    return chunk(b"RIFF", b"AVI " + header + movi + idx1, None if is_finished else 0)


def opendml_avi(parts: Sequence[Sequence[bytes]], *, has_index: bool = True) -> bytes:
    """An AVI in several RIFF parts, with an index of indexes in its header."""

    def build(leaf_places: Sequence[tuple[int, int]]) -> tuple[bytes, list[tuple[int, int]]]:
        rows = b"".join(struct.pack("<QII", at, size, 1) for at, size in leaf_places)
        indx = struct.pack("<HBBI4s12x", 4, 0, 0, len(leaf_places), b"00dc") + rows
        film, found = b"", []
        for number, frames in enumerate(parts):
            header = avi_header(avi_track(more=chunk(b"indx", indx))) if not number else b""
            body_at = len(film) + 12 + len(header) + 8
            offsets = [
                *accumulate((8 + len(frame) + len(frame) % 2 for frame in frames), initial=12)
            ]
            rows = b"".join(
                struct.pack("<II", offset, len(frame))
                for offset, frame in zip(offsets, frames, strict=False)
            )
            head = struct.pack("<HBBI4sQ4x", 2, 0, 1, len(frames), b"00dc", body_at)
            leaf = chunk(b"ix00", head + rows)
            found.append((body_at + offsets[-1] - 8, len(leaf)))
            chunks = b"".join(chunk(b"00dc", frame) for frame in frames)
            movi = chunk(b"LIST", b"movi" + chunks + leaf)
            film += chunk(b"RIFF", (b"AVIX" if number else b"AVI ") + header + movi)
        return film, found

    # The header's size does not depend on what the rows say, so places found once are right.
    _, places = build([(0, 0)] * len(parts))
    return build(places if has_index else [(0, 0)] * len(parts))[0]


# --- QuickTime and MP4 --------------------------------------------------------------------------


def box(kind: bytes, *body: bytes) -> bytes:
    """A box with a 32-bit size."""
    inner = b"".join(body)
    return struct.pack(">I4s", 8 + len(inner), kind) + inner


def full_box(
    kind: bytes, form: str, *values: int, table: bytes = b"", version: int = 0, flags: int = 0
) -> bytes:
    """A box with version and flags, numbers, and perhaps a table of more."""
    return box(kind, struct.pack(">I" + form, version << 24 | flags, *values), table)


def numbers(values: Iterable[int], form: str = "I") -> bytes:
    """Big-endian numbers, one behind the other."""
    return b"".join(struct.pack(">" + form, value) for value in values)


def sample_description(code: bytes = b"jpeg", object_type: int | None = None) -> bytes:
    """The description of a video track's samples, with an MPEG-4 descriptor if a type is given."""
    esds = b""
    if object_type is not None:
        decoder = b"\x04\x80\x80\x80\x0d" + bytes([object_type]) + bytes(12)
        esds = box(b"esds", bytes(4), b"\x03\x80\x80\x80\x15\0\1\0", decoder)
    return full_box(b"stsd", "I", 1, table=box(code, bytes(78), esds))


def trak(stbl: bytes, *, handler: bytes = b"vide", timescale: int = 600, version: int = 0) -> bytes:
    """A track, number 1, with its sample tables."""
    dates = "QQ" if version else "II"
    tkhd = full_box(b"tkhd", dates + "I", 0, 0, 1, version=version)
    mdhd = full_box(b"mdhd", dates + "IQ", 0, 0, timescale, 0, version=version)
    hdlr = box(b"hdlr", bytes(8), handler, bytes(12))
    return box(b"trak", tkhd, box(b"mdia", mdhd, hdlr, box(b"minf", box(b"stbl", stbl))))


def quicktime(
    frames: Sequence[bytes],
    *,
    durations: Sequence[int] = (),
    per_chunk: int = 3,
    moov_first: bool = False,
    is_wide: bool = False,
    field_bits: int = 0,
    stsd: bytes = b"",
    before: bytes = b"",
) -> bytes:
    """A film with sample tables, of 600 units a second.

    Args:
        frames: The samples.
        durations: In units; 24 each if there are none.
        per_chunk: Samples in a chunk; the last one may have fewer.
        moov_first: The header stands before the samples.
        is_wide: Offsets, dates, and the size of the sample data have 64 bits.
        field_bits: Sizes are in a compact table of so many bits; 0 for an ordinary one.
        stsd: Another sample description.
        before: Tracks before this one.
    """
    groups = [frames[at : at + per_chunk] for at in range(0, len(frames), per_chunk)]
    runs = {1: (len(groups[0]), 1), len(groups): (len(groups[-1]), 1)}
    stts = [(1, duration) for duration in durations] or [(len(frames), 24)]
    sizes = [len(frame) for frame in frames]
    stsz = full_box(b"stsz", "II", 0, len(sizes), table=numbers(sizes))
    if field_bits:
        table = numbers(sizes, {8: "B", 16: "H"}[field_bits])
        stsz = full_box(b"stz2", "II", field_bits, len(sizes), table=table)
    tables = (stsd or sample_description()) + stsz
    tables += full_box(b"stts", "I", len(stts), table=numbers(chain(*stts)))
    stsc = numbers(chain(*((first, *run) for first, run in runs.items())))
    tables += full_box(b"stsc", "I", len(runs), table=stsc)

    def header(data_at: int) -> bytes:
        chunk_sizes = (sum(map(len, group)) for group in groups)
        offsets = [*accumulate(chunk_sizes, initial=data_at)][:-1]
        kind, form = (b"co64", "Q") if is_wide else (b"stco", "I")
        places = full_box(kind, "I", len(offsets), table=numbers(offsets, form))
        return box(b"moov", before, trak(tables + places, version=is_wide))

    data = b"".join(frames)
    mdat = box(b"mdat", data)
    if is_wide:
        mdat = struct.pack(">I4sQ", 1, b"mdat", 16 + len(data)) + data
    ftyp = box(b"ftyp", b"qt  ")
    in_front = len(ftyp) + len(mdat) - len(data)
    if moov_first:
        return ftyp + header(in_front + len(header(0))) + mdat
    return ftyp + mdat + header(in_front)


def fragmented(
    fragments: Sequence[Sequence[bytes]],
    *,
    says_sizes: bool = True,
    says_offset: bool = True,
    has_defaults: bool = True,
) -> bytes:
    """A fragmented MP4 of 600 units a second, 24 of them for a frame.

    Args:
        fragments: The frames of each fragment.
        says_sizes: Each sample has its size and duration; otherwise all have those of the
            track's defaults, and no row of their own.
        says_offset: A base offset stands in each fragment, in 64 bits, with its defaults.
        has_defaults: The track has some.
    """
    size = len(fragments[0][0])

    def moof(base: int, offset: int, frames: Sequence[bytes], ticks: int) -> bytes:
        tfhd = full_box(b"tfhd", "I", 1, flags=0x20000)
        if says_offset:
            tfhd = full_box(b"tfhd", "IQIII", 1, base, 1, 24, size, flags=0x1B)
        tfdt = full_box(b"tfdt", "Q", ticks, version=1)
        trun = full_box(b"trun", "IiI", len(frames), offset, 0, flags=0x5)
        if says_sizes:
            rows = numbers(chain(*((24, len(frame), 0) for frame in frames)))
            trun = full_box(b"trun", "Ii", len(frames), offset, table=rows, flags=0x701)
        return box(b"moof", box(b"traf", tfhd, tfdt, trun))

    trex = full_box(b"trex", "IIIII", 1, 1, 24, size, 0) if has_defaults else b""
    header = trak(sample_description(b"mp4v", 0x6C))
    film = box(b"ftyp", b"iso5") + box(b"moov", header, box(b"mvex", trex))
    shown = 0
    for frames in fragments:
        length = len(moof(0, 0, frames, 0))
        film += moof(len(film), length + 8, frames, shown * 24) + box(b"mdat", *frames)
        shown += len(frames)
    return film


# --- Matroska -----------------------------------------------------------------------------------


def element(identifier: int, body: bytes, *, is_known: bool = True) -> bytes:
    """An EBML element, its size in 8 bytes."""
    name = identifier.to_bytes((identifier.bit_length() + 7) // 8, "big")
    size = len(body) if is_known else (1 << 56) - 1
    return name + (1 << 56 | size).to_bytes(8, "big") + body


def unsigned(identifier: int, value: int) -> bytes:
    """An EBML element with a number."""
    return element(identifier, value.to_bytes((value.bit_length() + 7) // 8 or 1, "big"))


def matroska_track(
    number: int = 1,
    kind: int = 1,
    codec: bytes = b"V_MJPEG",
    *,
    frame_ns: int = 0,
    more: bytes = b"",
) -> bytes:
    """The entry of a track in a Matroska header."""
    body = unsigned(0xD7, number) + unsigned(0x83, kind) + element(0x86, codec)
    return element(0xAE, body + (unsigned(0x23E383, frame_ns) if frame_ns else b"") + more)


def matroska(
    frames: Sequence[bytes],
    times: Sequence[int],
    *tracks: bytes,
    scale_ns: int = 1_000_000,
    per_cluster: int = 4,
    is_known: bool = True,
    in_groups: bool = False,
    flags: int = 0x80,
) -> bytes:
    """A Matroska file.

    Args:
        frames: Blocks of track 1, each followed by one of track 2.
        times: Of the blocks, in units.
        tracks: Entries of the header; one MJPEG track if there are none.
        scale_ns: Nanoseconds in a unit.
        per_cluster: Blocks in a cluster.
        is_known: The sizes of segment and clusters were filled in.
        in_groups: Blocks are in groups, not simple ones.
        flags: Of the blocks.
    """
    info = element(0x1549A966, unsigned(0x2AD7B1, scale_ns))
    body = info + element(0x1654AE6B, b"".join(tracks) or matroska_track())
    for start in range(0, len(frames), per_cluster):
        base = times[start]
        cluster = unsigned(0xE7, base)
        for frame, time in list(zip(frames, times, strict=True))[start : start + per_cluster]:
            for number, data in ((1, frame), (2, b"sound")):
                block = struct.pack(">BhB", 0x80 | number, time - base, flags) + data
                simple = element(0xA3, block)
                cluster += element(0xA0, element(0xA1, block)) if in_groups else simple
        body += element(0x1F43B675, cluster, is_known=is_known)
    ebml = element(0x1A45DFA3, element(0x4282, b"matroska"))
    return ebml + element(0x18538067, body, is_known=is_known)
