"""What is fuzzed: a law that has to hold for any bytes, and where the search for others begins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from zlib import crc32

# Changes an input, given room in bytes and a source of chance, so that it stays near to its format.
Change = Callable[[bytes, int, Random], bytes]


class BrokenLawError(Exception):
    """An input was found for which a law does not hold."""


@dataclass(frozen=True, slots=True)
class Target:
    """A reader of foreign bytes, and the law that it keeps.

    Attributes:
        name: On the command line.
        law: Reads one input; raises, whatever it may be, where the law is broken. Its first line
            of documentation says it.
        seeds: Good inputs.
        words: What its format knows; put into inputs as they are.
        most_bytes: No input is longer: what a limit of the reader, or its caller, lets through.
        change: Makes an input of another besides what a fuzzer does to any bytes.
    """

    name: str
    law: Callable[[bytes], None]
    seeds: Sequence[bytes]
    words: Sequence[bytes] = ()
    most_bytes: int = 4096
    change: Change | None = None


def demand(holds: bool, what: str) -> None:
    """Say that something must be so.

    Raises:
        BrokenLawError: It is not.
    """
    if not holds:
        raise BrokenLawError(what)


def agree(one: object, other: object, what: str) -> None:
    """Say that two ways must come to the same.

    Raises:
        BrokenLawError: They do not.
    """
    if one != other:
        raise BrokenLawError(f"{what}: {one!r} is not {other!r}")


def chance(data: bytes) -> Random:
    """Chance that is the same whenever an input is read."""
    return Random(crc32(data))


def pieces(data: bytes, random: Random) -> list[bytes]:
    """The same in pieces, as a network might bring it."""
    found, at = [], 0
    while at < len(data):
        size = random.choice((1, 2, 3, 10, 100, 1000, 60_000))
        found.append(data[at : at + size])
        at += size
    return found
