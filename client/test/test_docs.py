"""The documents say what the player says."""

import re
import shlex
import unittest
from configparser import ConfigParser
from itertools import takewhile

from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.test.documents import (
    code,
    commands,
    document,
    documents,
    rows,
    section,
    suite_in_checkout,
)

from ..options import make_parser, parse
from .test_floors import WINDOW

# They print and leave.
COMMANDS = {"--help", "--version"}
# Where a program's arguments end in a command line.
OPERATORS = {"|", "&", "&&", "||", ";", ">", "<"}


def option_defaults() -> dict[str, str]:
    """The options of the help, and what stands in brackets at the end of each."""
    text = make_parser().format_help().partition("\nexamples:")[0]
    found = {}
    for part in re.split(r"\n  (?=-)", text)[1:]:
        entry = " ".join(part.partition("\n\n")[0].split())
        name = re.findall(r"--[a-z-]+", entry)[0]
        found[name] = "".join(re.findall(r"\[([^]]*)\]$", entry))
    return found


def is_argument(word: str) -> bool:
    return word not in OPERATORS


class PlayerOptionTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.text = document("docs/player.md")

    def test_every_option_is_there_with_its_default(self) -> None:
        documented = {
            code(name)[0].split()[0]: default.replace("`", "").strip("()")
            for name, default, _ in rows(section(self.text, "Options"))
        }

        self.assertEqual(documented, option_defaults())

    def test_every_option_that_is_named_exists(self) -> None:
        prose = re.sub(r"^```.*?^```", "", self.text, flags=re.DOTALL | re.MULTILINE)

        named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", prose))

        self.assertEqual(named - option_defaults().keys(), set())


class PlayerCommandTests(SynchronousTestCase):
    def test_every_command_line_of_the_player_is_accepted(self) -> None:
        for path in documents():
            for command in commands(path.read_text(encoding="utf-8")):
                words = shlex.split(command, comments=True)
                for program in {"mjpegd-player", "client"} & set(words):
                    arguments = [*takewhile(is_argument, words[words.index(program) + 1 :])]
                    if not COMMANDS & set(arguments):
                        parse(arguments, {})


class CoverageTests(SynchronousTestCase):
    def test_what_draws_is_counted_on_a_screen_only(self) -> None:
        settings = ConfigParser()
        settings.read_string(document("setup.cfg"))

        omitted = settings["coverage:run"]["omit"].split()
        windows = {f"client/{name.replace('.', '/')}.py" for name in WINDOW | {"app"}}
        self.assertEqual(set(omitted), windows | {"client/test/*", "mjpegd/test/*"})


def test_suite() -> unittest.TestSuite:
    return suite_in_checkout(PlayerOptionTests, PlayerCommandTests, CoverageTests)
