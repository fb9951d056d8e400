"""Searches for inputs that break a law: libFuzzer, led by the coverage of our code.

libFuzzer ends the process that it runs in, so each search has one of its own. It is forked from one
that has imported all, for what tells libFuzzer where it goes takes seconds to import. Where
libFuzzer starts itself again, it calls `python -m tests.fuzz.search TARGET LIBFUZZER-OPTION...`.
"""

import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from random import Random
from tempfile import TemporaryFile
from typing import NoReturn

import atheris

from tests.fuzz.target import Change, Target

# Of the inputs, those that libFuzzer makes where the target has a way of its own to make them.
PLAIN_SHARE = 0.3

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a process.

    Attributes:
        status: 0 where nothing was found.
        text: All that it said.
    """

    status: int
    text: str


def targets() -> Mapping[str, Target]:
    """All targets by their names, with code that tells where it goes; nothing else imports ours."""
    instrumented = atheris.instrument_imports(
        include=["mjpegd", "client"], exclude=_helpers(), enable_loader_override=False
    )
    with redirect_stderr(StringIO()), instrumented:  # It has a line to say of each module.
        from tests.fuzz.targets import BY_NAME
    return BY_NAME


def _helpers() -> list[str]:
    """Modules of ours that are not what is tested."""
    return [f"mjpegd.test.{path.stem}" for path in (_ROOT / "mjpegd" / "test").glob("*.py")]


def in_a_process(target: Target, options: Sequence[str]) -> Outcome:
    """Let libFuzzer work, and wait for it."""
    with TemporaryFile() as output:
        child = os.fork()
        if not child:
            for descriptor in (1, 2):
                os.dup2(output.fileno(), descriptor)
            _work(target, options)
        _, status = os.waitpid(child, 0)
        output.seek(0)
        text = output.read().decode(errors="replace")
        return Outcome(os.waitstatus_to_exitcode(status), text)


def _work(target: Target, options: Sequence[str]) -> NoReturn:
    again = shlex.join([sys.executable, "-m", "tests.fuzz.search", target.name])
    mutator = {} if target.change is None else {"custom_mutator": _mutator(target.change)}
    os.chdir(_ROOT)
    atheris.Setup([again, *options], target.law, **mutator)
    atheris.Fuzz()
    raise SystemExit("libFuzzer did not end the process")


def _mutator(change: Change) -> Callable[[bytes, int, int], bytes]:
    def mutate(data: bytes, most_bytes: int, seed: int) -> bytes:
        random = Random(seed)
        if random.random() < PLAIN_SHARE:
            return bytes(atheris.Mutate(data, most_bytes))
        return change(data, most_bytes, random)

    return mutate


if __name__ == "__main__":
    _work(targets()[sys.argv[1]], sys.argv[2:])
