"""Look for bytes from a network or a disk that break a law of what reads them.

    python -m tests.fuzz                        every target for ten seconds
    python -m tests.fuzz jpeg --seconds 600     one of them for ten minutes
    python -m tests.fuzz jpeg --file crash-1a   read again what was found
    python -m tests.fuzz --list                 what there is, and which law it keeps

It ends with status 1 at the first input that breaks one, takes more than 20 seconds, or lets memory
grow beyond a gibibyte. That input is kept in the current folder. With `--keep` those that lead
through more of the code are added to the corpus of the target, from which all searches begin.
"""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.target import Target

SECONDS = 10.0
MISSING = "atheris is missing: pip install 'mjpegd[fuzz]', on Linux with Python 3.11 to 3.14\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the status to end with."""
    parser = argparse.ArgumentParser("python -m tests.fuzz")
    parser.add_argument("target", nargs="*", help="all of them if none is named", metavar="TARGET")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for how long each")
    parser.add_argument("--seed", type=int, default=0, help="where chance begins")
    parser.add_argument("--file", type=Path, help="read this, and search for nothing")
    parser.add_argument("--keep", action="store_true", help="add to the corpora")
    parser.add_argument("--list", action="store_true", help="say what there is")
    options = parser.parse_args(arguments)
    reads = options.list or options.file
    if not reads and find_spec("atheris") is None:
        sys.stderr.write(MISSING)
        return 2
    known = _targets(is_searched=not reads)
    unknown = [name for name in options.target if name not in known]
    if unknown:
        parser.error(f"no target {', '.join(unknown)}; there are {', '.join(known)}")
    chosen = [known[name] for name in options.target or known]
    if options.list:
        sys.stdout.writelines(f"{target.name:12} {target.law.__doc__}\n" for target in chosen)
    elif options.file:
        for target in chosen:
            target.law(options.file.read_bytes())
    else:
        return _searched(chosen, options)
    return 0


def _targets(*, is_searched: bool) -> Mapping[str, Target]:
    """All targets; for a search their code is another, which takes seconds to import."""
    if is_searched:
        from tests.fuzz import search

        return search.targets()
    from tests.fuzz.targets import BY_NAME

    return BY_NAME


def _searched(targets: Iterable[Target], options: argparse.Namespace) -> int:
    from tests.fuzz.hunt import Hunt, figures

    hunt = Hunt(options.seconds, options.seed, Path.cwd(), options.keep)
    for target in targets:
        outcome = hunt.search(target)
        sys.stdout.write(f"{target.name:12} {figures(outcome)}\n")
        sys.stdout.flush()
        if outcome.status:
            sys.stdout.write(outcome.text)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
