"""Concatenated JPEG: pictures one after another, with anything between them."""

import re
from collections.abc import Iterator

from mjpegd.sources.indexing import Entry, Index, Step
from mjpegd.sources.reading import BLOCK_BYTES, ByteReader, blocks
from mjpegd.wire.jpeg_splitting import FrameSplitter, Span

KIND = "concatenated JPEG"
# Telephones put previews and gain maps behind a photograph, and this into its APP2 (CIPA DC-007).
_MULTI_PICTURE = re.compile(rb"\xff\xe2..MPF\0", re.DOTALL)


def index(reader: ByteReader) -> Index:
    """Find every JPEG of a file, or the one that is meant to be seen of a photograph."""
    steps = pictures(reader, 0, reader.size)
    if _MULTI_PICTURE.search(reader.read_at(0, BLOCK_BYTES)):
        steps = _first_only(steps)
    return Index(KIND, None, steps)


def _first_only(steps: Iterator[Step]) -> Iterator[Step]:
    for step in steps:
        yield step[:1]
        if step:
            return


def pictures(reader: ByteReader, start: int, end: int) -> Iterator[Step]:
    """Find the JPEGs between two offsets by walking their segments."""
    splitter = FrameSplitter()
    for block in blocks(reader, start, end):
        yield _entries(splitter.feed(block), start)
        if splitter.exhausted:
            return
    yield _entries(splitter.finish(), start)


def _entries(spans: list[Span], start: int) -> Step:
    return [Entry(start + span.start, span.size, None, span.has_tables) for span in spans]
