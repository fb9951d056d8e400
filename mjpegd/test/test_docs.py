"""The documents say what the code says."""

import ast
import dataclasses
import re
import shlex
import unittest
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

from twisted.python.reflect import namedAny
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.limits import Limits
from mjpegd.options import ENVIRONMENT_PREFIX, REPEATED, Options, arguments_from
from mjpegd.session import TRANSITIONS, Method, State
from mjpegd.test.documents import (
    CHECKOUT,
    PACKAGE,
    code,
    commands,
    document,
    documents,
    rows,
    section,
    suite_in_checkout,
)

# A command without a value in `Options`: usage.Options and its subclass define them as methods.
COMMANDS = {"--version", "--help", "--help-auth", "--help-auth-type"}


def anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}


def floods(tree: ast.Module) -> Iterator[str]:
    """What a module has a `Tally` count, as far as it is fixed text."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                ast.Attribute(tally, "count" | "passes"), [ast.Constant(str() as kind), *_]
            ) if ast.unparse(tally).endswith("tally"):
                yield kind


def option_defaults() -> dict[str, str]:
    found = {f"--{name}": str(default) for name, _, default, _ in Options.optParameters}
    return (
        found
        | {f"--{name}": "off" for name, _, _ in Options.optFlags}
        | {f"--{name}": "" for name in REPEATED}
    )


def first_line(module: Path) -> str:
    # A literal has two backticks in a docstring, and one in Markdown.
    docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    docstring = docstring.replace("``", "`")
    return docstring.partition("\n")[0]


def tree(text: str) -> dict[str, str]:
    """The modules of the drawn tree, by their paths, with their sentences."""
    drawing = section(text, "The tree").partition("```text\n")[2].partition("```")[0]
    folders: list[str] = []
    found = {}
    for line in drawing.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        name, _, sentence = line.strip().partition(" ")
        folders[depth:] = [name] if name.endswith("/") else []
        if name and not name.endswith("/"):
            found["".join([*folders, name])] = sentence.strip()
    return found


def modules(package: Path) -> dict[str, str]:
    """The modules of a package, but for its tests, as the tree shows them."""
    return {
        path.relative_to(package.parent).as_posix(): first_line(path)
        for path in package.rglob("*.py")
        if package / "test" not in path.parents
    }


def line_of_tree(path: str, sentence: str) -> str:
    *folders, name = path.split("/")
    return f"{'  ' * len(folders)}{name:21}{sentence}"


class LinkTests(SynchronousTestCase):
    def test_every_relative_link_leads_somewhere(self) -> None:
        for path in documents():
            for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
                if "://" in target:
                    continue
                name, _, anchor = target.partition("#")
                there = path.parent / name if name else path
                self.assertTrue(there.exists(), f"{path}: {target}")
                if anchor:
                    self.assertIn(anchor, anchors(there.read_text(encoding="utf-8")), str(path))


class CommandTests(SynchronousTestCase):
    def test_readme_has_the_two_commands(self) -> None:
        found = commands(document("README.md"))

        self.assertIn("pip install . && twistd -n mjpeg-rtsp --port 8554 --media ./videos", found)
        self.assertIn("pip install '.[test]' && trial mjpegd", found)

    def test_every_command_line_of_ours_is_accepted(self) -> None:
        for path in documents():
            for command in commands(path.read_text(encoding="utf-8")):
                words = shlex.split(command, comments=True)
                if "mjpeg-rtsp" in words:
                    arguments = words[words.index("mjpeg-rtsp") + 1 :]
                    Options().parseOptions([word for word in arguments if word != "&"])

    def test_every_extra_exists(self) -> None:
        settings = ConfigParser()
        settings.read_string(document("setup.cfg"))
        extras = set(settings["options.extras_require"])

        for path in documents():
            for names in re.findall(r"'\.\[([a-z,]+)\]'", path.read_text(encoding="utf-8")):
                self.assertLessEqual(set(names.split(",")), extras, str(path))


class OperationsTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.text = document("docs/operations.md")

    def test_every_option_is_there_with_its_default(self) -> None:
        documented = {
            code(name)[0]: "".join(code(default)) or default.strip("()")
            for name, default, _ in rows(section(self.text, "Options"))
        }

        machine = {
            "--interface": "all",
            "--users": "everybody",
            "--certificate": "",
            "--private-key": "same file",
            "--threads": "cores",
            "--decoders": "4 per core",
        }
        expected = option_defaults() | machine | dict.fromkeys(COMMANDS, "")
        self.assertEqual(documented, expected)

    def test_every_option_that_is_named_exists(self) -> None:
        known = set(option_defaults()) | COMMANDS
        for name in (
            "Options",
            "Environment",
            "Ports and firewalls",
            "Who may watch",
            "Limits",
            "The log",
        ):
            named = set(re.findall(r"--[a-z][a-z-]+", section(self.text, name)))
            self.assertTrue(named <= known, f"{name}: {named - known}")

    def test_every_line_that_counts_a_flood_is_there(self) -> None:
        log = section(self.text, "The log")
        for path in PACKAGE.rglob("*.py"):
            if "test" not in path.relative_to(PACKAGE).parts:
                for kind in floods(ast.parse(path.read_text(encoding="utf-8"))):
                    self.assertIn(kind, log, path.name)

    def test_every_option_that_the_threat_model_names_exists(self) -> None:
        named = set(re.findall(r"--[a-z][a-z-]+", document("SECURITY.md")))
        # Of git, which tells whom to write to.
        self.assertLessEqual(named - {"--format"}, set(option_defaults()) | COMMANDS)

    def test_every_limit_is_there_with_its_value(self) -> None:
        documented = {
            code(name)[0]: code(value)[0] if code(value) else value
            for name, value, _ in rows(section(self.text, "Limits"))
        }

        expected = {field.name: str(field.default) for field in dataclasses.fields(Limits)}
        self.assertEqual(documented, expected)

    def test_every_variable_is_there_and_is_read(self) -> None:
        documented = {
            code(name)[0]: code(option)[0]
            for name, option in rows(section(self.text, "Environment"))
        }

        expected = {
            ENVIRONMENT_PREFIX + name[2:].replace("-", "_").upper(): name
            for name in option_defaults()
        }
        self.assertEqual(documented, expected)
        for variable, option in documented.items():
            (argument,) = arguments_from({variable: "1"})
            self.assertEqual(argument.partition("=")[0], option)


class ProtocolMapTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.rows = list(rows(document("docs/protocol-map.md")))

    def test_every_row_names_functions_that_exist(self) -> None:
        for row in self.rows:
            names = code(row[-2])
            self.assertTrue(names, row)
            for name in names:
                namedAny(f"mjpegd.{name}")

    def test_every_row_names_tests_that_exist(self) -> None:
        for row in self.rows:
            names = code(row[-1])
            self.assertTrue(names, row)
            for name in names:
                namedAny(f"mjpegd.test.{name}")


class ArchitectureTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.text = document("ARCHITECTURE.md")

    def test_tree_has_every_module_and_its_first_line(self) -> None:
        assert CHECKOUT is not None
        expected = modules(PACKAGE) | modules(CHECKOUT / "client")
        drawn = tree(self.text)

        missing = [line_of_tree(*line) for line in sorted(expected.items() - drawn.items())]
        self.assertEqual(missing, [], "write:\n" + "\n".join(missing))
        self.assertEqual(sorted(drawn.keys() - expected.keys()), [], "strike these")

    def test_table_of_states_is_that_of_the_session(self) -> None:
        methods = list(Method)
        drawn = {
            (State(row[0]), method): State(cell)
            for row in rows(section(self.text, "States of a session"))
            for method, cell in zip(methods, row[1:], strict=True)
            if cell
        }

        self.assertEqual(drawn, TRANSITIONS)
        heading = " | ".join(method.value for method in methods)
        self.assertIn(f"| State | {heading} |", self.text)


def test_suite() -> unittest.TestSuite:
    return suite_in_checkout(
        LinkTests, CommandTests, OperationsTests, ProtocolMapTests, ArchitectureTests
    )
