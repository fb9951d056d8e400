"""How measurements are printed: lines at once, and tables as Markdown."""

import os
import platform
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import twisted
from mjpegd import __version__


def say(line: str) -> None:
    """Print a line now, since the next may take long."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def say_heading(titles: Sequence[str]) -> None:
    """The first lines of a table."""
    say_row(titles, titles)
    say_row(titles, [f"{'-' * (len(title) - 1)}:" for title in titles])


def say_row(titles: Sequence[str], cells: Sequence[str]) -> None:
    """A row of the table with these titles."""
    widths = map(len, titles)
    say(f"| {' | '.join(f'{cell:>{w}}' for cell, w in zip(cells, widths, strict=True))} |")


def machine() -> Iterator[str]:
    """What all figures depend on, line by line."""
    cpus = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(": ")[2] for line in cpus if "model name" in line), "unknown")
    yield f"{datetime.now(UTC):%d %B %Y}, {model}, {os.cpu_count()} cores, {platform.system()}"
    yield (
        f"{platform.release()}, Python {platform.python_version()}, "
        f"Twisted {twisted.__version__}, mjpegd {__version__}"
    )
