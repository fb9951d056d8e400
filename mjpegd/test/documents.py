"""The documents of the project, read for tests that compare them with the code.

They lie in the checkout, beside the package. An installed package has no documents, but is
mostly tested from a checkout: it is looked for above the current directory as well. Where there
is none, nothing can be compared, and modules that compare define no tests: a skip would ask for
a remedy that a user of the package does not have.
"""

import re
import unittest
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

from twisted.trial.runner import TestLoader

import mjpegd

PACKAGE = Path(mjpegd.__file__).parent


def is_checkout(folder: Path) -> bool:
    settings = ConfigParser()
    settings.read(folder / "setup.cfg")
    return settings.get("metadata", "name", fallback="") == "mjpegd"


def find_checkout() -> Path | None:
    here = Path.cwd()
    return next(filter(is_checkout, [PACKAGE.parent, here, *here.parents]), None)


CHECKOUT = find_checkout()


def document(name: str) -> str:
    assert CHECKOUT is not None
    return (CHECKOUT / name).read_text(encoding="utf-8")


def documents() -> list[Path]:
    assert CHECKOUT is not None
    return [*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md")]


def section(text: str, title: str) -> str:
    """What stands under a heading, up to the next one of its level."""
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(text: str) -> Iterator[list[str]]:
    """The cells of every table row, without the rows of headings."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    for line, after in zip(lines, [*lines[1:], ""], strict=False):
        if not set(line) <= set("|- ") and not ("---" in after and set(after) <= set("|- ")):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def commands(text: str) -> list[str]:
    """What follows `$ ` in the console blocks."""
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [line[2:] for line in "".join(blocks).splitlines() if line.startswith("$ ")]


def suite_in_checkout(*cases: type[unittest.TestCase]) -> unittest.TestSuite:
    """What a module's `test_suite` returns, which trial runs instead of all that it finds."""
    suite = unittest.TestSuite()
    if CHECKOUT is not None:
        for case in cases:
            suite.addTest(TestLoader().loadClass(case))
    return suite
