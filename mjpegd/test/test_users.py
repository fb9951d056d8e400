"""The users file: what it says, and what is said of one that makes no sense."""

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.access.rights import NO_RIGHTS, Action, PathPattern
from mjpegd.access.users import (
    MAX_FILE_BYTES,
    MAX_NAME_CHARACTERS,
    MAX_REALM_CHARACTERS,
    Users,
    check_name,
    check_realm,
    line_of,
    secrets_of,
)
from mjpegd.errors import ConfigurationError
from mjpegd.test.logins import EVERYTHING, REALM, password_of, users_file
from mjpegd.wire.digest import Algorithm

WHOLE = users_file(
    {
        "anna": 'watch = ["garden/**", "*.avi"]\nlist = ["**"]\nnetworks = ["192.0.2.0/24"]',
        "b c": EVERYTHING,
    },
    everyone='watch = ["testcard"]',
)
MD5, SHA256 = "0" * 32, "1" * 64
HASHES = f'md5 = "{MD5}"\nsha256 = "{SHA256}"'
ANNA = f'realm = "r"\n\n[users.anna]\n{HASHES}\nwatch = []\n'

# A file, the line that is named, and what is said of it.
FAULTS = [
    ("", 1, "realm is missing"),
    ("\n\nrealm = 3\n", 3, "realm is a text in quotes"),
    ('realm = ""\n', 1, "a realm has 1 to"),
    ("realm = 'a\"b'\n", 1, "a realm has neither quotes"),
    (f'realm = "{"x" * 101}"\n', 1, "a realm has 1 to 100"),
    ('realm = "r"\nlogin = 1\n', 2, "login means nothing; known are realm, everyone, users"),
    ('realm = "r"\neveryone = 1\n', 2, "everyone is a section"),
    ('realm = "r"\n\n[everyone]\nlist = []\n', 3, "watch is missing"),
    ('realm = "r"\n[everyone]\nwatch = []\nmd5 = ""\n', 4, "md5 means nothing"),
    ('realm = "r"\nusers = []\n', 2, "users is a section"),
    ('realm = "r"\n[users]\nanna = 1\n', 3, "anna is a section"),
    ('realm = "r"\n[users."a:b"]\n', 2, "a name has neither colons"),
    ('realm = "r"\n[users."a\\nb"]\n', 2, "a name has neither colons"),
    ('realm = "r"\n[users.""]\n', 2, "a name has 1 to 64"),
    ('realm = "r"\n[users.anna]\nwatch = []\n', 2, "anna has no md5: mjpegd-passwd sets"),
    (ANNA.replace(MD5, MD5[1:]), 4, "md5 has 32 hexadecimal digits"),
    (ANNA.replace(MD5, MD5[1:] + "x"), 4, "md5 has 32 hexadecimal digits"),
    (ANNA.replace(SHA256, MD5), 5, "sha256 has 64 hexadecimal digits"),
    (ANNA.replace(f'"{MD5}"', "0"), 4, "md5 is a text in quotes"),
    (ANNA + "nets = []\n", 7, "nets means nothing; known are md5, sha256, watch, list, networks"),
    (ANNA.replace("[]", '"**"'), 6, "watch is a list in square brackets"),
    (ANNA.replace("[]", '["a", 1]'), 6, "watch is a list of texts in quotes"),
    (ANNA.replace("[]", '[\n  "a",\n  "b**",\n]'), 6, "'b**': ** stands alone"),
    (ANNA + 'list = [".a"]\n', 7, "'.a': names that begin with a dot"),
    (ANNA + '# a\nnetworks = ["10.0.0.1/8"]', 8, "10.0.0.1/8 has host bits set"),
    (ANNA + 'networks = ["home"]', 7, "'home' does not appear to be an IPv4 or IPv6 network"),
    (ANNA + "[users.bert]\r\nwatch = []\r\n", 7, "bert has no md5"),
    (ANNA + "anna\n", 7, "Expected '='"),
    (ANNA + "list = [\n\n", 7, "Invalid value"),
    (ANNA + "[users.anna]\n", 7, "Cannot declare"),
]


class ReadingTests(SynchronousTestCase):
    def test_all_that_can_be_said(self) -> None:
        users = Users.parse(WHOLE)

        self.assertEqual(users.realm, REALM)
        self.assertEqual(
            users.everyone.paths,
            {action: (PathPattern("testcard"),) for action in Action},
        )
        self.assertEqual(list(users.by_name), ["anna", "b c"])
        anna = users.by_name["anna"]
        self.assertEqual(anna.secrets, secrets_of("anna", REALM, password_of("anna")))
        self.assertEqual(
            anna.rights.paths[Action.WATCH], (PathPattern("garden/**"), PathPattern("*.avi"))
        )
        self.assertEqual(anna.rights.paths[Action.LIST], (PathPattern("**"),))
        self.assertEqual(str(anna.rights.networks), "192.0.2.0/24")

    def test_what_is_not_said(self) -> None:
        users = Users.parse(users_file())

        self.assertEqual(users.everyone, NO_RIGHTS)
        rights = users.by_name["anna"].rights
        self.assertEqual(rights.paths[Action.LIST], rights.paths[Action.WATCH])
        self.assertIsNone(rights.networks)

    def test_nobody_but_a_realm(self) -> None:
        self.assertEqual(Users.parse('realm = "r"'), Users("r", NO_RIGHTS, {}))

    def test_hashes_may_be_in_capitals(self) -> None:
        users = Users.parse(ANNA.replace(MD5, "A" * 32))

        self.assertEqual(users.by_name["anna"].secrets[Algorithm.MD5], "a" * 32)

    def test_what_is_kept_of_passwords_is_not_shown(self) -> None:
        users = Users.parse(WHOLE)

        for secret in users.by_name["anna"].secrets.values():
            self.assertNotIn(secret, repr(users))

    def test_faults_are_told_with_their_line(self) -> None:
        for text, line, says in FAULTS:
            fault = str(self.assertRaises(ConfigurationError, Users.parse, text))
            self.assertTrue(fault.startswith(f"line {line}: "), f"{fault} of {text}")
            self.assertIn(says, fault)
            self.assertNotIn("\n", fault)

    def test_brackets_without_end_are_refused(self) -> None:
        self.assertRaises(ConfigurationError, Users.parse, f"a = {'[' * 100_000}")

    @given(st.text())
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        for file in (text, f"{ANNA}{text}", f"realm = {text}", f"{ANNA}networks = ['{text}']"):
            try:
                Users.parse(file)
            except ConfigurationError:
                continue


class NameTests(SynchronousTestCase):
    def test_names_of_users(self) -> None:
        for name in ("a", "Anna B.", "\u00e4\u65e5", '"\\', "x" * MAX_NAME_CHARACTERS):
            check_name(name)
        for name in ("", "a:b", "a\tb", "\x7f", "\udcff", "x" * (MAX_NAME_CHARACTERS + 1)):
            self.assertRaises(ValueError, check_name, name)

    def test_names_of_realms(self) -> None:
        for realm in ("a", "Our cameras: all, of \u00e4", "x" * MAX_REALM_CHARACTERS):
            check_realm(realm)
        for realm in ("", 'a"b', "a\\b", "a\nb", "x" * (MAX_REALM_CHARACTERS + 1)):
            self.assertRaises(ValueError, check_realm, realm)


class LineTests(SynchronousTestCase):
    def test_where_something_begins(self) -> None:
        text = "a = 1\n\n[b.c]\nd = [\n  1,\n  2,\n]\n\n# e\ne.f = '''\n1\n'''\nb = 1"

        for keys, line in [
            ((), 1),
            (("a",), 1),
            (("b",), 3),
            (("b", "c"), 3),
            (("b", "c", "d"), 4),
            (("b", "c", "e"), 10),
            (("b", "c", "e", "f"), 10),
            (("b", "c", "b"), 13),
        ]:
            self.assertEqual(line_of(text, keys), line, str(keys))


class FileTests(SynchronousTestCase):
    def path(self, data: bytes) -> Path:
        path = Path(self.mktemp())
        path.write_bytes(data)
        return path

    def assert_refused(self, path: Path, says: str) -> None:
        fault = self.assertRaises(ConfigurationError, Users.read, path)
        self.assertEqual(str(fault), f"{path}: {says}")

    def test_a_file_is_read(self) -> None:
        path = self.path(WHOLE.replace("\n", "\r\n").encode())

        self.assertEqual(Users.read(path), Users.parse(WHOLE))

    def test_a_fault_in_a_file_is_told_with_its_name(self) -> None:
        self.assert_refused(self.path(b"\nrealm = 1"), "line 2: realm is a text in quotes")

    def test_what_is_no_utf_8(self) -> None:
        self.assert_refused(self.path(b"realm = 'r'\n# \xe4"), "line 2: is no UTF-8")

    def test_what_is_not_there(self) -> None:
        path = Path(self.mktemp())

        self.assert_refused(path, "does not exist: mjpegd-passwd FILE USER makes one")
        self.assert_refused(self.path(b"") / "x", "cannot be read: Not a directory")

    def test_what_is_no_file_is_not_waited_for(self) -> None:
        pipe = Path(self.mktemp())
        os.mkfifo(pipe)

        self.assert_refused(pipe, "is no file")
        self.assert_refused(pipe.parent, "cannot be read: Is a directory")

    def test_what_is_too_large(self) -> None:
        path = self.path(b"")
        os.truncate(path, MAX_FILE_BYTES + 1)

        self.assert_refused(path, f"has more than {MAX_FILE_BYTES} bytes")
