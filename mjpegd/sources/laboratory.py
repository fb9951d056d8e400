"""The Kurose-Ross laboratory's .Mjpeg: decimal digits with a length, then that many bytes."""

import re
from collections.abc import Iterator

from mjpegd.sources import rawjpeg
from mjpegd.sources.indexing import Index, Step
from mjpegd.sources.reading import ByteReader

KIND = "laboratory .Mjpeg"
# Five digits as the laboratory has it, six where a frame is over 99999 bytes or where a fork
# writes six always: they end where the JPEG begins.
_LENGTH = re.compile(rb"(\d{1,9})\xff\xd8")
_LENGTH_BYTES = 11


def is_laboratory(head: bytes) -> bool:
    """Whether a file begins with a length and a JPEG."""
    return _LENGTH.match(head) is not None


def index(reader: ByteReader) -> Index:
    """Find the frames of a file of length-prefixed records."""
    return Index(KIND, None, _records(reader))


def _records(reader: ByteReader) -> Iterator[Step]:
    body = _body_of(reader, 0)
    while body is not None:
        start, end = body
        body = _body_of(reader, end)
        if body is None and end != reader.size:
            # A length that does not lead to the next one is wrong; the pictures are not.
            end = reader.size
        # One record may hold several JPEGs, or bytes after the last of them.
        yield from rawjpeg.pictures(reader, start, end)


def _body_of(reader: ByteReader, position: int) -> tuple[int, int] | None:
    """Where the JPEG of the record at a position starts and ends; None where there is none."""
    match = _LENGTH.match(reader.read_at(position, _LENGTH_BYTES))
    if match is None:
        return None
    start = position + match.end(1)
    return start, start + int(match[1])
