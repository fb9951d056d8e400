"""The floors of the house: who may import whom, read from the place of each file."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import mjpegd

ROOT = Path(mjpegd.__file__).parent
# `wire/` is handed time and chance as arguments, and reads and writes nothing.
IMPURE = {"asyncio", "io", "os", "pathlib", "random", "secrets", "select", "socket", "threading"}
IMPURE |= {"time", "datetime", "subprocess", "tempfile"}
# What every floor may use: words of ours without a floor of their own.
COMMON = {"mjpegd", "mjpegd.errors", "mjpegd.interfaces", "mjpegd.logs"}
# Those of the shell, whose modules have their floors one by one.
SHELVES = {f"mjpegd.{name}" for name in ("access", "capacity", "encryption", "tunnels", "workers")}
CONCRETE = ("mjpegd.sources.", "mjpegd.senders.")


def module_of(path: Path) -> str:
    """The dotted name of a file."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules(folder: str = "") -> dict[str, ast.Module]:
    """All modules of the package below a folder, but for tests."""
    return {
        module_of(path): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "test" not in path.relative_to(ROOT).parts
    }


def imports(tree: ast.Module) -> Iterator[str]:
    """The modules that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield "."  # a relative import hides the floor that it leads to
            for alias in node.names:
                inner = ROOT.parent.joinpath(*f"{node.module}.{alias.name}".split("."))
                is_module = inner.with_suffix(".py").exists() or inner.is_dir()
                yield f"{node.module}.{alias.name}" if is_module else f"{node.module}"


def is_below(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


class FloorTests(SynchronousTestCase):
    def assert_imports(self, folder: str, *allowed: str) -> None:
        """Of our own modules, those below a folder import these only."""
        for name, tree in modules(folder).items():
            for imported in imports(tree):
                if is_below(imported, "mjpegd") and imported not in COMMON:
                    self.assertTrue(
                        any(is_below(imported, package) for package in allowed),
                        f"{name} imports {imported}",
                    )

    def test_there_is_something_to_look_at(self) -> None:
        found = modules()

        for name in ("mjpegd.wire.jpeg_image", "mjpegd.sources.film", "mjpegd.senders.udp"):
            self.assertIn(name, found)
        self.assertIn("mjpegd.wire.errors", set(imports(found["mjpegd.wire.jpeg_image"])))

    def test_wire_is_pure(self) -> None:
        for name, tree in modules("wire").items():
            for imported in imports(tree):
                top = imported.partition(".")[0]
                if top != "mjpegd":
                    self.assertIn(top, sys.stdlib_module_names, f"{name} imports {imported}")
                    self.assertNotIn(top, IMPURE, f"{name} imports {imported}")
                else:
                    self.assertTrue(is_below(imported, "mjpegd.wire"), f"{name} imports {imported}")

    def test_sources_and_senders_know_wire_and_not_each_other(self) -> None:
        self.assert_imports("pictures", "mjpegd.wire", "mjpegd.pictures")
        self.assert_imports("sources", "mjpegd.wire", "mjpegd.pictures", "mjpegd.sources")
        self.assert_imports("senders", "mjpegd.wire", "mjpegd.senders")

    def test_streams_and_sessions_know_no_concrete_source_or_sender(self) -> None:
        heart = ("stream", "packing", "workshop", "playhead", "playout", "rtp", "session")
        capacity = (f"capacity.{name}" for name in ("admission", "guests", "seats", "demand"))
        for name in (*heart, *capacity, "registry"):
            for imported in imports(modules()[f"mjpegd.{name}"]):
                self.assertFalse(imported.startswith(CONCRETE), f"{name} imports {imported}")

    def test_who_may_watch_is_told_without_streams_and_sessions(self) -> None:
        known = ("addresses", "limits", "watching", "wire", "access")
        self.assert_imports("access", *(f"mjpegd.{name}" for name in known))

    def test_tunnels_know_how_rtsp_travels_and_nothing_of_what_it_says(self) -> None:
        known = ("limits", "flow", "tunnels", "wire")
        self.assert_imports("tunnels", *(f"mjpegd.{name}" for name in known))

    def test_nothing_below_imports_what_is_above_it(self) -> None:
        floors = [
            {"limits", "addresses", "cache", "packing", "wishes", "timetable"}
            | {
                "access.nonces",
                "watching",
                "capacity.demand",
                "capacity.descriptors",
                "encryption.certificates",
                "encryption.srtp",
            }
            | {"inbox", "collector", "tcp"},
            {
                "flow",
                "playhead",
                "pulse",
                "rtp",
                "workshop",
                "access.rights",
                "capacity.guests",
                "encryption.keying",
                "settings",
            },
            {"treatment", "capacity.admission", "proxied", "access.users"},
            {"capacity.seats"},
            {"access.credentials", "access.passwd", "access.penalties"},
            {"access.auth"},
            {"access.doorkeeper"},
            {"stream"},
            {"playout", "catalogue", "ports"},
            {"session"},
            {"registry"},
            {"exchange"},
            {"ways"},
            {"methods"},
            {"laboratory", "tunnels.bearer"},
            {"hearing", "tunnels.pairs", "tunnels.websocket"},
            {"tunnels.entrance"},
            {"rtsp"},
            {"options"},
            {"listening", "encryption.tls", "examination"},
            {"theatre"},
            {"doctor", "workers.first_words", "workers.messages", "workers.relay"},
            {"workers.arrivals", "workers.crew", "workers.worker"},
            {"workers.acceptor", "workers.__main__"},
            {"service"},
        ]
        found = modules()
        height = {f"mjpegd.{name}": level for level, floor in enumerate(floors) for name in floor}
        packages = {f"mjpegd.{name}" for name in ("wire", "pictures", "sources", "senders")}
        shell = {
            name
            for name in found
            if name not in COMMON | SHELVES
            and not any(is_below(name, package) for package in packages)
        }
        self.assertEqual(set(height), shell, "each module of the shell has its floor")
        for name, level in height.items():
            for imported in imports(found[name]):
                self.assertLess(height.get(imported, -1), level, f"{name} imports {imported}")

    def test_the_global_reactor_is_named_where_a_process_begins(self) -> None:
        for name, tree in modules().items():
            if name not in {"mjpegd.service", "mjpegd.workers.__main__"}:
                self.assertNotIn("twisted.internet.reactor", self.names_imported(tree), name)

    @staticmethod
    def names_imported(tree: ast.Module) -> set[str]:
        return {
            f"{node.module}.{alias.name}"
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }

    def test_imports_are_absolute_and_tests_stay_outside(self) -> None:
        for name, tree in modules().items():
            for imported in imports(tree):
                self.assertNotEqual(imported, ".", f"{name} imports relatively")
                self.assertFalse(is_below(imported, "mjpegd.test"), f"{name} imports {imported}")
