"""Laws of what reads films."""

from contextlib import suppress

from mjpegd.errors import MediaError
from mjpegd.sources import containers
from mjpegd.sources.indexing import FASTEST_RATE, SLOWEST_RATE, Batches
from mjpegd.test.films import BytesReader
from tests.fuzz.target import demand

# A header, a row of a table or a piece of a file may be read for each byte of a small file.
READS_PER_BYTE = 4
LEAST_READS = 100


def film(data: bytes) -> None:
    """A file raises only `MediaError`, its frames lie within it, and reading it comes to an end."""
    reader = BytesReader(data)
    with suppress(MediaError):
        index = containers.index(reader)
        demand(index.rate is None or SLOWEST_RATE <= index.rate <= FASTEST_RATE, "a rate")
        batches, frames = Batches(index.steps, len(data)), 0
        while not batches.done:
            for entry in batches.next_batch():
                frames += 1
                demand(0 <= entry.offset <= len(data) - entry.size, "a frame beyond the end")
                demand(entry.seconds is None or abs(entry.seconds) < float("inf"), "a time")
    demand(reader.reads <= LEAST_READS + READS_PER_BYTE * len(data), f"{reader.reads} reads")
