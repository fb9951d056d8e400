"""The player as a process: `python -m client`, in the window or without one."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What a film of some seconds may take on a machine that does other things as well.
PATIENCE_S = 60.0
_ROOT = Path(__file__).parents[2]
PLAYER = (sys.executable, "-m", "client")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes:
        status: Of the process.
        output: What it wrote for whoever wants to know.
        words: What it said besides.
    """

    status: int
    output: str
    words: str

    @property
    def stats(self) -> dict[str, Any]:
        """The line for programs; its values are numbers, text and null."""
        found: dict[str, Any] = json.loads(self.output)
        return found


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """What the player finds around it."""
    return {**os.environ, "PYTHONPATH": str(_ROOT), **more}


def begin(
    *arguments: str, program: Sequence[str] = PLAYER, **environ: str
) -> "subprocess.Popen[str]":
    """Start the player.

    Args:
        arguments: Of its command line.
        program: Another way to start it.
        environ: More environment variables.
    """
    return subprocess.Popen(
        [*program, *arguments],
        env=environment(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill(process: "subprocess.Popen[str]") -> None:
    """End it in any case; for the second time it does nothing."""
    with process:
        process.kill()


def end(process: "subprocess.Popen[str]") -> Outcome:
    """Wait until it ends.

    Raises:
        subprocess.TimeoutExpired: It does not; it is killed then.
    """
    with process:
        try:
            output, words = process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return Outcome(process.returncode, output, words)


def watch(*arguments: str, **environ: str) -> Outcome:
    """Play without a window to the end."""
    return end(begin("--headless", *arguments, **environ))
