"""Multipart JPEG as cameras send it over HTTP: saved with or without the reply's own header.

The pictures are found as in concatenated JPEG, so a boundary, a Content-Length or a preamble may
say what it likes; what stands between them is looked at for time stamps and for where a picture
without EOI ends.
"""

import re
from collections.abc import Iterator
from itertools import chain, islice, pairwise

from mjpegd.sources import rawjpeg
from mjpegd.sources.indexing import Entry, Index, Step
from mjpegd.sources.reading import ByteReader

KIND = "multipart JPEG"
# The header of a part, with its boundary; some eighty bytes in practice.
_PART_HEADER_BYTES = 1024
_LINES = rb"--[^\r\n]*\r?\n(?:[A-Za-z][\w-]*:[^\r\n]*\r?\n)*\r?\n"
_FIRST_PART = re.compile(rb"(?:\A|\n)" + _LINES + rb"\xff\xd8")
_PART_HEADER = re.compile(rb"(?:\A|\r?\n)" + _LINES + rb"\Z")
_STAMP = re.compile(rb"\nx-timestamp:[ \t]*(\d{1,12}(?:\.\d{1,9})?)[ \t]*\r?\n", re.IGNORECASE)
# Stamps are taken for times only where they look like a camera's: some programs count
# microseconds as seconds, others repeat one stamp.
_SHORTEST_MEAN_GAP_S, _LONGEST_MEAN_GAP_S = 1 / 240, 10
# From how many steps (pieces of the file) that is judged.
_JUDGED_STEPS = 16


def is_multipart(head: bytes) -> bool:
    """Whether a part's header, and a JPEG behind it, follow somewhere near a file's beginning."""
    return _FIRST_PART.search(head) is not None


def index(reader: ByteReader) -> Index:
    """Find the pictures of a multipart capture."""
    steps = _parts(reader)
    first_steps = list(islice(steps, _JUDGED_STEPS))
    steps = chain(first_steps, steps)
    if not _are_times([entry.seconds for step in first_steps for entry in step]):
        steps = ([_untimed(entry) for entry in step] for step in steps)
    return Index(KIND, None, steps)


def _are_times(stamps: list[float | None]) -> bool:
    known = [stamp for stamp in stamps if stamp is not None]
    if len(known) < 2 or len(known) < len(stamps):
        return False
    mean_gap_s = (known[-1] - known[0]) / (len(known) - 1)
    increasing = all(earlier < later for earlier, later in pairwise(known))
    return increasing and _SHORTEST_MEAN_GAP_S <= mean_gap_s <= _LONGEST_MEAN_GAP_S


def _untimed(entry: Entry) -> Entry:
    return Entry(entry.offset, entry.size, None, entry.has_tables)


def _parts(reader: ByteReader) -> Iterator[Step]:
    """The pictures with their stamps; each is held back until the header behind it is seen."""
    last: Entry | None = None
    for step in rawjpeg.pictures(reader, 0, reader.size):
        parts: Step = []
        for picture in step:
            header_start, stamp = _header_before(reader, picture.offset)
            if last is not None:
                parts.append(_cut(last, header_start))
            last = Entry(picture.offset, picture.size, stamp, picture.has_tables)
        yield parts
    if last is not None:
        yield [last]


def _header_before(reader: ByteReader, position: int) -> tuple[int, float | None]:
    """Where the header of the part at a position starts, and its time stamp in seconds."""
    start = max(0, position - _PART_HEADER_BYTES)
    text = reader.read_at(start, position - start)
    header = _PART_HEADER.search(text)
    if header is None:
        return position, None
    stamp = _STAMP.search(text, header.start())
    return start + header.start(), float(stamp[1]) if stamp else None


def _cut(part: Entry, end: int) -> Entry:
    """A picture without EOI goes on for the splitter until the next one: end it in time."""
    size = max(0, min(part.size, end - part.offset))
    return Entry(part.offset, size, part.seconds, part.has_tables)
