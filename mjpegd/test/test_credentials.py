"""What a login proves, to our own checker and to Twisted's."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.cred.checkers import (
    AllowAnonymousAccess,
    FilePasswordDB,
    ICredentialsChecker,
    InMemoryUsernamePasswordDatabaseDontUse,
)
from twisted.cred.credentials import IUsernameHashedPassword, IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import makeChecker
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override
from zope.interface.verify import verifyClass, verifyObject

from mjpegd.access.credentials import (
    BasicProof,
    DigestProof,
    IProof,
    PluginsChecker,
    Proof,
    UsersChecker,
    as_bytes,
    as_text,
)
from mjpegd.access.users import Users, secrets_of
from mjpegd.test.logins import EVERYTHING, REALM, password_of, users_file
from mjpegd.wire.digest import (
    Algorithm,
    BasicAuthorization,
    Challenge,
    DigestAuthorization,
    Scheme,
    answer,
)

URI = "rtsp://192.0.2.1/a"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.just("\udcff"))


def digest(name: str, password: str, algorithm: Algorithm | None = Algorithm.MD5) -> DigestProof:
    challenge = Challenge(Scheme.DIGEST, REALM, "n0", algorithm)
    proved = answer(challenge, name, password, "PLAY", URI, "", 1)
    assert isinstance(proved, DigestAuthorization)
    return DigestProof(as_bytes(name), REALM, "PLAY", proved)


def basic(name: str, password: str) -> BasicProof:
    return BasicProof(as_bytes(name), REALM, BasicAuthorization(name, password))


def proofs(name: str, password: str) -> list[Proof]:
    """All ways to prove it."""
    ways = (None, *Algorithm)
    return [*(digest(name, password, algorithm) for algorithm in ways), basic(name, password)]


class ProofTests(SynchronousTestCase):
    def test_they_are_what_twisted_wants(self) -> None:
        for proof in proofs("anna", "a"):
            for interface in (IProof, IUsernameHashedPassword):
                verifyObject(interface, proof)
        verifyObject(IUsernamePassword, basic("anna", "a"))
        self.assertEqual(basic("anna", "\u00e4").password, "\u00e4".encode())

    @given(TEXTS, TEXTS, TEXTS)
    def test_the_right_password_and_no_other_is_right(
        self, name: str, password: str, other: str
    ) -> None:
        for proof in proofs(name, password):
            for attempt in (password, other):
                is_right = attempt == password
                self.assertEqual(proof.is_right(secrets_of(name, REALM, attempt)), is_right)
                self.assertEqual(proof.checkPassword(attempt), is_right)
                self.assertEqual(proof.checkPassword(as_bytes(attempt)), is_right)

    def test_the_same_guess_is_known_again(self) -> None:
        for first, again, other in zip(
            proofs("anna", "a"), proofs("anna", "a"), proofs("anna", "b"), strict=True
        ):
            self.assertEqual(first.guess, again.guess)
            self.assertNotEqual(first.guess, other.guess)

    def test_passwords_and_answers_are_not_shown(self) -> None:
        for proof in proofs("anna", "secret"):
            self.assertNotIn("secret", repr(proof))
            self.assertNotIn(proof.guess, repr(proof))

    @given(st.binary())
    def test_names_come_back_as_they_were(self, data: bytes) -> None:
        self.assertEqual(as_bytes(as_text(data)), data)


class CheckerCase(SynchronousTestCase):
    """What is true of every checker; `checker` says of which."""

    def checker(self) -> ICredentialsChecker:
        raise NotImplementedError  # each checker's test case fills this in

    def asked(self, proof: Proof) -> "Deferred[bytes | tuple[()]]":
        return self.checker().requestAvatarId(proof)

    def test_it_is_a_checker(self) -> None:
        verifyClass(ICredentialsChecker, type(self.checker()))
        verifyObject(ICredentialsChecker, self.checker())

    def test_who_knows_the_password_is_let_pass(self) -> None:
        for name in ("anna", "b\u00e4rt"):
            for proof in proofs(name, password_of(name)):
                found = self.successResultOf(self.asked(proof))
                self.assertEqual(found, name.encode())

    def test_nobody_else_is(self) -> None:
        anna = password_of("anna")
        for name, password in [("anna", f"{anna}x"), ("anna", ""), ("Anna", anna), ("", anna)]:
            for proof in proofs(name, password):
                self.failureResultOf(self.asked(proof), UnauthorizedLogin)


PLAIN = {name: password_of(name) for name in ("anna", "b\u00e4rt")}


class UsersCheckerTests(CheckerCase):
    @override
    def checker(self) -> UsersChecker:
        text = users_file(dict.fromkeys(PLAIN, EVERYTHING))
        return UsersChecker(Users.parse(text))


class FileTests(CheckerCase):
    @override
    def checker(self) -> PluginsChecker:
        path = Path(self.mktemp())
        path.write_text("".join(f"{name}:{password}\n" for name, password in PLAIN.items()))
        return PluginsChecker([makeChecker(f"file:{path}")])


class MemoryTests(CheckerCase):
    @override
    def checker(self) -> PluginsChecker:
        pairs = ":".join(f"{name}:{password}" for name, password in PLAIN.items())
        return PluginsChecker([makeChecker(f"memory:{pairs}")])


class SeveralTests(CheckerCase):
    @override
    def checker(self) -> PluginsChecker:
        databases = []
        for name, password in PLAIN.items():
            database = InMemoryUsernamePasswordDatabaseDontUse()
            database.addUser(name.encode(), password.encode())
            databases.append(database)
        return PluginsChecker(databases)

    def test_a_file_that_is_gone_knows_nobody(self) -> None:
        checker = PluginsChecker([FilePasswordDB(self.mktemp())])

        self.failureResultOf(checker.requestAvatarId(digest("a", "b")), UnauthorizedLogin)

    def test_who_is_nobody_stays_nobody(self) -> None:
        checker = PluginsChecker([AllowAnonymousAccess()])

        self.assertEqual(self.successResultOf(checker.requestAvatarId(digest("a", "b"))), ())


del CheckerCase  # It is no test by itself.
