"""Setting passwords: what becomes of a file that people have written."""

import io
import os
import stat
import sys
import tomllib
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.access.passwd import (
    DEFAULT_REALM,
    EXIT_DONE,
    EXIT_INTERRUPTED,
    EXIT_REFUSED,
    MAX_PASSWORD_CHARACTERS,
    ask,
    empty,
    main,
    with_password,
)
from mjpegd.access.users import MAX_NAME_CHARACTERS, Users, secrets_of
from mjpegd.errors import ConfigurationError

BY_HAND = """\
# Ours.
realm = "Barn"  # not theirs

[users.anna]  # the first
watch = [
  "garden/**",
]
sha256 = 'old'  # set in May
networks = ["192.0.2.0/24"]

[everyone]
watch = ["testcard"]
"""
# How a person might write a user, so that no program should touch it.
ONLY_BY_HAND = [
    ("users.anna = {watch = []}", 2),
    ("[users]\nanna = {md5 = '1', watch = []}", 3),
    ("[users]\nanna.watch = []", 3),
    ("[users.anna]\n'md5' = '1'", 2),
    ("[users.anna]\nmd5 = '''\n1'''", 2),
    ("users = {}", 2),
    ("users = []", 2),
    ("users.anna = 1", 2),
]
NAMES = st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters=":"),
    min_size=1,
    max_size=MAX_NAME_CHARACTERS,
)


class EditingTests(SynchronousTestCase):
    def assert_has(self, text: str, name: str, password: str) -> Users:
        users = Users.parse(text)
        self.assertEqual(users.by_name[name].secrets, secrets_of(name, users.realm, password), text)
        return users

    def test_what_people_wrote_stays(self) -> None:
        edited = with_password(BY_HAND, "anna", "new")

        self.assert_has(edited, "anna", "new")
        before, after = BY_HAND.splitlines(), edited.splitlines()
        self.assertEqual(after[:4], before[:4])
        self.assertRegex(after[4], r'^md5 = "[0-9a-f]{32}"$')
        self.assertEqual(after[5:8], before[4:7])
        self.assertRegex(after[8], r'^sha256 = "[0-9a-f]{64}"  # set in May$')
        self.assertEqual(after[9:], before[8:])

    def test_a_new_user_may_watch_everything_and_comes_last(self) -> None:
        for before in (BY_HAND, BY_HAND.rstrip("\n"), BY_HAND.replace("\n", "\r\n")):
            edited = with_password(before, "bert", "b")

            self.assertTrue(edited.startswith(before))
            bert = tomllib.loads(edited)["users"]["bert"]
            self.assertEqual(bert.pop("watch"), ["**"])
            self.assertEqual(set(bert), {"md5", "sha256"})

    def test_line_ends_of_windows(self) -> None:
        before = BY_HAND.replace("\n", "\r\n")

        self.assert_has(with_password(before, "anna", "new"), "anna", "new")

    def test_the_first_user_of_an_empty_file(self) -> None:
        users = self.assert_has(with_password(empty("Barn"), "anna", "a"), "anna", "a")

        self.assertEqual(users.realm, "Barn")

    def test_what_only_people_can_edit_is_left_to_them(self) -> None:
        for text, line in ONLY_BY_HAND:
            fault = str(
                self.assertRaises(
                    ConfigurationError, with_password, f"realm = 'r'\n{text}", "anna", "a"
                )
            )
            self.assertTrue(fault.startswith(f"line {line}: "), f"{fault} of {text}")
            self.assertIn("[users.anna]", fault)

    def test_what_makes_no_sense_is_refused(self) -> None:
        for text, says in [
            ("", "line 1: realm is a text in quotes"),
            ("\nrealm = 1", "line 2: realm is a text in quotes"),
            ("realm = 'r'\nx", "line 2: "),
        ]:
            fault = self.assertRaises(ConfigurationError, with_password, text, "anna", "a")
            self.assertIn(says, str(fault))

    @given(st.lists(st.tuples(NAMES, st.text()), min_size=1, max_size=4))
    def test_any_names_and_passwords(self, changes: list[tuple[str, str]]) -> None:
        text = empty(DEFAULT_REALM)
        for name, password in changes:
            text = with_password(text, name, password)

        for name, password in dict(changes).items():
            self.assert_has(text, name, password)
        self.assertEqual(set(Users.parse(text).by_name), {name for name, _ in changes})


class CommandTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        self.path = folder / "users.toml"

    def run_command(self, *arguments: str, password: str = "secret") -> int:
        """Its status; what it said is in `said` and `complained`."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            try:
                return main(arguments, lambda _: password)
            finally:
                self.said, self.complained = out.getvalue(), err.getvalue()

    def set(self, name: str, password: str = "secret", *more: str) -> int:
        return self.run_command(*more, str(self.path), name, password=password)

    def assert_refused(self, status: int, says: str) -> None:
        self.assertEqual(status, EXIT_REFUSED)
        self.assertTrue(self.complained.startswith(f"mjpegd-passwd: {self.path}: "))
        self.assertIn(says, self.complained)
        self.assertEqual(self.complained.count("\n"), 1)

    def test_file_and_user_are_made(self) -> None:
        self.assertEqual(self.set("anna"), EXIT_DONE)

        self.assertEqual(
            self.said,
            f"{self.path}: anna is new and may watch everything, until you change that there\n",
        )
        users = Users.read(self.path)
        self.assertEqual(users.realm, DEFAULT_REALM)
        self.assertEqual(users.by_name["anna"].secrets, secrets_of("anna", DEFAULT_REALM, "secret"))

    def test_a_password_is_changed(self) -> None:
        self.set("anna")
        self.set("bert")
        self.assertEqual(self.set("anna", "other"), EXIT_DONE)

        self.assertEqual(self.said, f"{self.path}: anna has another password\n")
        users = Users.read(self.path)
        for name, password in (("anna", "other"), ("bert", "secret")):
            self.assertEqual(users.by_name[name].secrets, secrets_of(name, DEFAULT_REALM, password))

    def test_a_password_is_in_no_file_and_in_no_word(self) -> None:
        self.set("anna")

        self.assertNotIn("secret", self.path.read_text() + self.said + self.complained)

    def test_a_new_file_is_for_its_owner_only(self) -> None:
        self.addCleanup(os.umask, os.umask(0))
        self.set("anna")

        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)

    def test_a_file_keeps_its_mode_and_a_link_is_followed(self) -> None:
        self.set("anna")
        self.path.chmod(0o640)
        link = self.path.with_name("link")
        link.symlink_to(self.path.name)

        self.run_command(str(link), "bert")

        self.assertTrue(link.is_symlink())
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o640)
        self.assertIn("bert", Users.read(self.path).by_name)

    def test_the_file_is_replaced_in_one_step_and_nothing_is_left_beside_it(self) -> None:
        self.set("anna")
        with self.path.open("rb") as before:
            whole = before.read()
            self.set("anna", "other")
            before.seek(0)
            self.assertEqual(before.read(), whole)

        self.assertEqual(list(self.path.parent.iterdir()), [self.path])

    def test_the_realm_is_chosen_once(self) -> None:
        self.assertEqual(self.set("anna", "secret", "--realm=Barn"), EXIT_DONE)
        self.assertEqual(self.set("bert", "secret", "--realm=Barn"), EXIT_DONE)
        before = self.path.read_bytes()

        self.assert_refused(self.set("anna", "secret", "--realm=Shed"), "its realm is 'Barn'")
        self.assertEqual(self.path.read_bytes(), before)

    def test_a_fault_changes_nothing(self) -> None:
        self.path.write_text("realm = 'r'\nx\n")

        self.assert_refused(self.set("anna"), "line 2: ")
        self.assertEqual(self.path.read_text(), "realm = 'r'\nx\n")

    def test_what_cannot_be_written_is_said(self) -> None:
        self.path = self.path / "users.toml"
        self.assert_refused(self.set("anna"), "cannot be written: No such file")
        self.path.parent.mkdir()
        self.path.mkdir()
        self.assert_refused(self.set("anna"), "cannot be read: Is a directory")

    def test_passwords_that_are_none(self) -> None:
        for password in ("", "x" * (MAX_PASSWORD_CHARACTERS + 1)):
            self.assert_refused(self.set("anna", password), "a password has 1 to 1024 characters")
        self.assertFalse(self.path.exists())

    def test_arguments_that_make_no_sense(self) -> None:
        for arguments, says in [
            ((), "FILE, USER"),
            (("f", "a:b"), "a name has neither colons"),
            (("f", "anna", "secret"), "unrecognized arguments"),
            (("--realm=", "f", "anna"), "a realm has 1 to"),
        ]:
            with self.assertRaises(SystemExit) as caught:
                self.run_command(*arguments)
            self.assertEqual(caught.exception.code, 2)
            self.assertIn(says, self.complained)

    def test_giving_up_is_no_fault(self) -> None:
        for giving_up in (KeyboardInterrupt, EOFError):

            def ask_in_vain(_: str, giving_up: type[BaseException] = giving_up) -> str:
                raise giving_up

            self.assertEqual(main([str(self.path), "anna"], ask_in_vain), EXIT_INTERRUPTED)
        self.assertFalse(self.path.exists())


class AskingTests(SynchronousTestCase):
    def test_without_a_terminal_it_is_the_first_line(self) -> None:
        for typed, password in [("a b \nc\n", "a b "), ("a", "a"), ("", "")]:
            self.patch(sys, "stdin", io.StringIO(typed))
            self.assertEqual(ask("anna"), password)
