import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.access.rights import ALL_RIGHTS, NO_RIGHTS, Action, PathPattern, Rights
from mjpegd.addresses import Networks

HOST = "192.0.2.7"

# Pattern, paths that it is for, paths that it is not for.
PATTERNS = [
    ("a.avi", ["a.avi"], ["", "b.avi", "A.avi", "a.avi/x", "x/a.avi"]),
    ("*", ["a.avi", "garden"], ["", "garden/a.avi"]),
    ("*.avi", ["a.avi", ".avi"], ["a.mkv", "garden/a.avi"]),
    ("cam?.avi", ["cam1.avi"], ["cam.avi", "cam10.avi", "cam/.avi"]),
    ("cam[0-4]", ["cam0", "cam4"], ["cam5", "cam[0-4]"]),
    ("**", ["", "a.avi", "garden/gate/a.avi"], []),
    ("garden/**", ["garden", "garden/a.avi", "garden/gate/a.avi"], ["", "a.avi", "gardens/a"]),
    ("garden/*", ["garden/a.avi"], ["garden", "garden/gate/a.avi"]),
    ("**/a.avi", ["a.avi", "garden/a.avi", "garden/gate/a.avi"], ["b.avi", "a.avi/b"]),
    ("**/gate/**", ["gate", "x/gate", "gate/x", "x/y/gate/z"], ["x", "gates"]),
    ("a/**/b/**/c", ["a/b/c", "a/x/b/y/z/c", "a/b/b/c/c"], ["a/b", "a/c", "b/c", "a/b/c/d"]),
    ("/garden/", ["garden"], ["garden/a.avi"]),
    ("caf\u00e9/*", ["cafe\u0301/x", "caf\u00e9/x"], ["cafe/x"]),
    ("*/\udcff", ["a/\udcff"], ["a/\udcfe"]),
]


class PathPatternTests(SynchronousTestCase):
    def test_paths_match_or_not(self) -> None:
        for text, right, wrong in PATTERNS:
            pattern = PathPattern.parse(text)
            for path in right:
                self.assertTrue(pattern.matches(path), f"{text} {path}")
            for path in wrong:
                self.assertFalse(pattern.matches(path), f"{text} {path}")

    def test_patterns_that_match_nothing_are_refused(self) -> None:
        for text in (".hidden", "a/../b", "./a", "a**", "**b/c"):
            error = self.assertRaises(ValueError, PathPattern.parse, text)
            self.assertIn(repr(text), str(error))

    def test_time_is_in_proportion_to_the_path(self) -> None:
        for text, path in [
            ("*a*a*a*a*a*b", "a" * 8192),
            ("/".join(["**/a"] * 20), "/".join(["a"] * 4000) + "/b"),
        ]:
            began_s = time.process_time()
            self.assertFalse(PathPattern.parse(text).matches(path))
            self.assertLess(time.process_time() - began_s, 2.0)

    @given(st.lists(st.sampled_from(["**", "a", "b"]), max_size=5), st.lists(st.sampled_from("ab")))
    def test_any_depth_is_any_number_of_names(self, parts: list[str], names: list[str]) -> None:
        def is_one(parts: list[str], names: list[str]) -> bool:
            if not parts:
                return not names
            if parts[0] == "**":
                return any(is_one(parts[1:], names[at:]) for at in range(len(names) + 1))
            return bool(names) and names[0] == parts[0] and is_one(parts[1:], names[1:])

        matches = PathPattern.parse("/".join(parts)).matches("/".join(names))
        self.assertEqual(matches, is_one(parts, names))


class RightsTests(SynchronousTestCase):
    def test_each_action_has_its_paths(self) -> None:
        rights = Rights({Action.WATCH: [PathPattern("a"), PathPattern("b")]})

        self.assertTrue(rights.allow(Action.WATCH, "a", HOST))
        self.assertTrue(rights.allow(Action.WATCH, "b", HOST))
        self.assertFalse(rights.allow(Action.WATCH, "c", HOST))
        self.assertFalse(rights.allow(Action.LIST, "a", HOST))

    def test_they_hold_within_their_networks(self) -> None:
        rights = Rights({Action.WATCH: [PathPattern("**")]}, Networks.parse(["192.0.2.0/24"]))

        for host, holds in (("192.0.2.7", True), ("192.0.3.7", False), ("", False)):
            self.assertEqual(rights.reach(host), holds)
            self.assertEqual(rights.allow(Action.WATCH, "a", host), holds)

    def test_all_and_none(self) -> None:
        for action in Action:
            for path in ("", "a", "a/b"):
                self.assertTrue(ALL_RIGHTS.allow(action, path, ""))
                self.assertFalse(NO_RIGHTS.allow(action, path, HOST))
