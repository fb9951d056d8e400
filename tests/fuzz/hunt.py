"""A search for an input that breaks a target's law: where it begins, its bounds, what is kept."""

import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz import corpus
from tests.fuzz.search import Outcome, in_a_process
from tests.fuzz.target import Target

# What one input may take before it counts as a fault, a hundred times what any takes.
MOST_S = 20
MOST_MEMORY_MIB = 1024

_FIGURES = {
    "inputs": re.compile(r"number_of_executed_units: +(\d+)"),
    "edges of code": re.compile(r"cov: (\d+)"),
    "kinds of input": re.compile(r"corp: (\d+)/"),
    "MiB": re.compile(r"peak_rss_mb: +(\d+)"),
}


@dataclass(frozen=True, slots=True)
class Hunt:
    """How long, and where.

    Attributes:
        seconds: For each target.
        seed: Where chance begins; 0 for anywhere.
        finds: The folder for inputs that break a law.
        keeps: What leads through more of the code than before is added to the corpus.
    """

    seconds: float
    seed: int
    finds: Path
    keeps: bool

    def search(self, target: Target) -> Outcome:
        """Look for an input that breaks the law of a target."""
        with TemporaryDirectory() as name:
            folder = Path(name)
            begin, words = folder / "begin", folder / "words"
            corpus.unpack([*target.seeds, *corpus.load(target.name)], begin)
            words.write_text("".join(map(_dictionary_line, target.words)), encoding="ascii")
            options = [
                f"-max_total_time={max(1, round(self.seconds))}",
                f"-seed={self.seed}",
                f"-artifact_prefix={self.finds.absolute()}/",
                "-print_final_stats=1",
                *([f"-dict={words}"] if target.words else []),
                *_bounds(target),
            ]
            outcome = in_a_process(target, [*options, str(begin)])
            if self.keeps and not outcome.status:
                corpus.save(target.name, _least(target, begin, folder / "least"))
            return outcome


def figures(outcome: Outcome) -> str:
    """What a search came to, in some words."""
    found = {name: [0, *pattern.findall(outcome.text)][-1] for name, pattern in _FIGURES.items()}
    return ", ".join(f"{int(number):,} {name}" for name, number in found.items())


def _least(target: Target, begin: Path, least: Path) -> list[bytes]:
    """As few and small inputs as lead through as much as all of them."""
    least.mkdir()
    options = ["-set_cover_merge=1", *_bounds(target)]
    merged = in_a_process(target, [*options, str(least), str(begin)])
    if merged.status:
        raise RuntimeError(f"the corpus of {target.name} cannot be merged:\n{merged.text}")
    return [path.read_bytes() for path in least.iterdir()]


def _bounds(target: Target) -> list[str]:
    return [
        f"-max_len={target.most_bytes}",
        f"-timeout={MOST_S}",
        f"-rss_limit_mb={MOST_MEMORY_MIB}",
    ]


def _dictionary_line(word: bytes) -> str:
    return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n'
