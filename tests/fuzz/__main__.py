"""Let all readers of JPEGs read damaged and hostile ones.

    python -m tests.fuzz                    until it is stopped
    python -m tests.fuzz --seconds 60       for a minute
    python -m tests.fuzz --inputs 1000000   so many
    python -m tests.fuzz --file NAME        one that was found before

It ends with status 1 at the first input that brings about any exception but a `JpegError`, takes
a reader more than a second of processor time or 64 MiB of memory, or that libturbojpeg, where it is
installed, codes anew in another way than `mjpegd.wire.recode`. That input is kept as
`fuzz-SEED-NUMBER.jpg` in the current directory. The same seed brings the same inputs.
"""

import argparse
import resource
import sys
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random

from mjpegd.pictures.turbojpeg import TurboJpeg
from tests.fuzz.inputs import made, seeds
from tests.fuzz.readers import Readers

MAX_SECONDS = 1.0
MAX_GROWTH_BYTES = 64 << 20

_TELL_EVERY = 10_000  # inputs

# The unit of ru_maxrss.
_MEMORY_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024


class TooMuchError(Exception):
    """An input takes too much time or memory."""


@dataclass
class Run:
    """What was seen so far.

    Attributes:
        readers: Who reads.
        least_bytes: Memory of the process before the first input.
        inputs: How many were read.
        slowest: Processor time in seconds that one reader took at most, and for which number.
    """

    readers: Readers
    least_bytes: int
    inputs: int = 0
    slowest: tuple[float, int] = (0.0, 0)

    @classmethod
    def begin(cls) -> "Run":
        """Read good pictures first, so that what is loaded and kept once does not count."""
        library = TurboJpeg.find()
        readers = Readers(library.recode if library else None)
        for jpeg in seeds():
            readers.read(jpeg, Random(0))
        readers.outcomes.clear()
        return cls(readers, peak_bytes())

    def read(self, data: bytes, number: int) -> None:
        """Read one input.

        Raises:
            Exception: What must not happen.
        """
        self.readers.read(data, Random(number))
        took = self.readers.slowest_s
        self.inputs += 1
        self.slowest = max(self.slowest, (took, number))
        if took > MAX_SECONDS:
            raise TooMuchError(f"{took:.2f} s")
        if self.growth_bytes > MAX_GROWTH_BYTES:
            raise TooMuchError(f"{self.growth_bytes >> 20} MiB")

    @property
    def growth_bytes(self) -> int:
        """How much more memory the process had at its peak than before the first input."""
        return peak_bytes() - self.least_bytes

    def told(self, seconds: float) -> str:
        """All of it in some words."""
        outcomes = ", ".join(f"{name} {n}" for name, n in sorted(self.readers.outcomes.items()))
        return (
            f"{self.inputs} inputs, {self.inputs / seconds:.0f} a second, slowest "
            f"{self.slowest[0]:.3f} s (number {self.slowest[1]}), {self.growth_bytes >> 20} MiB "
            f"more memory; {outcomes}\n"
        )


def peak_bytes() -> int:
    """The most memory that the process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MEMORY_UNIT_BYTES


def fuzz(seed: int, first: int, inputs: int | None, seconds: float | None) -> int:
    """Read inputs from a number on; the status to end with."""
    run, began = Run.begin(), time.monotonic()
    for number in count(first):
        passed = time.monotonic() - began
        if run.inputs == inputs or (seconds is not None and passed > seconds):
            break
        if run.inputs and run.inputs % _TELL_EVERY == 0:
            sys.stdout.write(run.told(passed))
            sys.stdout.flush()
        data = made(seed, number)
        try:
            run.read(data, number)
        except Exception:
            path = Path(f"fuzz-{seed}-{number}.jpg")
            path.write_bytes(data)
            sys.stdout.write(f"kept as {path}:\n")
            raise
    sys.stdout.write(run.told(time.monotonic() - began))
    return 0


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser("python -m tests.fuzz")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--inputs", type=int, help="how many")
    parser.add_argument("--seconds", type=float, help="for how long")
    parser.add_argument("--file", type=Path, help="read this instead")
    options = parser.parse_args()
    if options.file:
        Run.begin().read(options.file.read_bytes(), 0)
        return 0
    return fuzz(options.seed, options.first, options.inputs, options.seconds)


if __name__ == "__main__":
    sys.exit(main())
