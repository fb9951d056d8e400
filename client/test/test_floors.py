"""The floors of the player: who may import what, read from its modules."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

PACKAGE = Path(__file__).parent.parent

# Each module stands on one floor, and imports of ours what its floor may know.
PURE = {
    "__init__",
    "errors",
    "interfaces",
    "keeping.__init__",
    "keeping.slots",
    "media.__init__",
    "media.assembling",
    "media.jitterbuffer",
    "media.measuring",
    "media.reception",
    "media.stretches",
    "media.timeline",
    "options",
    "player",
    "talk.__init__",
    "talk.description",
    "talk.foreign",
    "talk.location",
    "talk.login",
    "talk.reading",
    "talk.refusals",
    "view",
    "window.__init__",
    "window.explain",
    "window.geometry",
    "window.icons",
    "window.keys",
    "window.palette",
    "window.plots",
    "window.wording",
    "wish",
}
# Files, sockets, threads and time, as they are handed in.
SHELL = {
    "headless",
    "heed",
    "history",
    "keeping.avi",
    "keeping.files",
    "keeping.keeper",
    "keeping.recording",
    "making",
    "media.intake",
    "media.link",
    "media.receiver",
    "pictures",
    "talk.connection",
    "talk.conversation",
    "talk.dialling",
    "talk.dialogue",
    "talk.laboratory",
    "talk.streams",
    "viewer",
    "worker",
}
WINDOW = {
    "window.address_line",
    "window.card",
    "window.choices",
    "window.control_panel",
    "window.controls",
    "window.dialogs",
    "window.menus",
    "window.network_page",
    "window.packet_page",
    "window.picture",
    "window.seekbar",
    "window.session_page",
    "window.state_drawing",
    "window.statistics_panel",
    "window.status_bar",
    "window.theme",
    "window.window",
}
# Where a player with a window is put together.
TOP = {"__main__", "app"}
FLOORS = {
    "pure": (PURE, PURE),
    "shell": (SHELL, PURE | SHELL),
    "window": (WINDOW, PURE | WINDOW),
    "top": (TOP, PURE | SHELL | WINDOW | TOP),
}

# What a pure module is handed, or has no use for.
IMPURE = {"asyncio", "datetime", "multiprocessing", "random", "secrets", "select", "selectors"}
IMPURE |= {"socket", "ssl", "subprocess", "tempfile", "threading", "time"}
TK = {"tkinter", "PIL.ImageTk", "twisted.internet.tksupport"}


@cache
def modules() -> dict[str, ast.Module]:
    """The modules of the package by their names below it, but for tests."""
    paths = [path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE / "test"]
    names = [".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in paths]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in paths]
    return dict(zip(names, trees, strict=True))


def imports(name: str, tree: ast.AST) -> Iterator[str]:
    """What a module imports, wherever in it; modules of ours begin with a dot.

    What is imported from a module appears below its name.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # From the package of the module, as many steps up as there are dots but one.
            start = ["", *name.split(".")[: -node.level]] if node.level else []
            start += [node.module] if node.module else []
            yield from (".".join([*start, alias.name]) for alias in node.names)


def module_of(imported: str) -> str:
    """The module of ours that something is imported from, or is."""
    parts = imported.removeprefix(".").split(".")
    prefixes = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return next((prefix for prefix in prefixes if prefix in modules()), imported)


def is_below(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


class FloorTests(SynchronousTestCase):
    def assert_imports_none_of(self, packages: set[str], names: set[str]) -> None:
        for name in names & modules().keys():
            for imported in imports(name, modules()[name]):
                self.assertFalse(is_below(imported, packages), f"{name} imports {imported}")

    def test_each_module_stands_on_one_floor(self) -> None:
        listed = [name for floor, _ in FLOORS.values() for name in floor]

        self.assertEqual(sorted(set(modules()) - set(listed)), [], "write it on its floor above")
        self.assertEqual(sorted(set(listed) - set(modules())), [], "strike it from its floor above")
        self.assertEqual(len(set(listed)), len(listed), "one stands on two floors")

    def test_no_floor_knows_what_is_above_it(self) -> None:
        for floor, known in FLOORS.values():
            for name in floor & modules().keys():
                for imported in imports(name, modules()[name]):
                    if imported.startswith("."):
                        self.assertIn(module_of(imported), known, f"{name} imports {imported}")

    def test_of_the_daemon_only_the_formats_are_known(self) -> None:
        version = "mjpegd.__version__"  # Both are in one distribution.
        for name, tree in modules().items():
            for imported in imports(name, tree):
                if is_below(imported, {"mjpegd"}) and imported != version:
                    self.assertTrue(
                        is_below(imported, {"mjpegd.wire"}), f"{name} imports {imported}"
                    )

    def test_our_own_modules_are_imported_relatively(self) -> None:
        self.assert_imports_none_of({"client", "mjpegd_client"}, set(modules()))

    def test_pure_modules_have_no_world(self) -> None:
        libraries = (sys.stdlib_module_names - IMPURE) | {"mjpegd", "PIL", "typing_extensions", ""}
        for name in PURE & modules().keys():
            for imported in imports(name, modules()[name]):
                top = imported.partition(".")[0]
                self.assertIn(top, libraries, f"{name} imports {imported}")

    def test_tk_is_for_windows(self) -> None:
        self.assert_imports_none_of(TK, modules().keys() - WINDOW - TOP)

    def test_windows_know_no_network(self) -> None:
        self.assert_imports_none_of({"twisted", "socket", "threading"}, WINDOW)

    def test_the_global_reactor_is_named_once(self) -> None:
        self.assert_imports_none_of({"twisted.internet.reactor"}, modules().keys() - {"making"})

    def test_where_it_begins_no_window_is_imported_yet(self) -> None:
        at_once: list[ast.stmt] = [
            node
            for node in modules()["__main__"].body
            if isinstance(node, ast.Import | ast.ImportFrom)
        ]

        for imported in imports("__main__", ast.Module(at_once, [])):
            self.assertFalse(is_below(imported, TK | {".app"}), "without a window, none is needed")
