import itertools

from twisted.trial.unittest import SynchronousTestCase

from mjpegd.wire.digest import Algorithm, DigestAuthorization, ha1, parse_authorization

from ..errors import LoginError
from ..talk.login import Login, login_error

URI = "rtsp://h/clip"
BASIC = 'Basic realm="door"'
MD5 = 'Digest realm="door", nonce="n1"'
SHA256 = 'Digest realm="door", nonce="n1", algorithm=SHA-256, qop="auth"'
OTHER = 'Digest realm="door", nonce="n2"'
STALE = 'Digest realm="door", nonce="n2", stale=true'


def login(user: str = "anna", password: str = "secret") -> Login:
    count = itertools.count(1)
    return Login(user, password, lambda: f"c{next(count)}")


class LoginTests(SynchronousTestCase):
    def digest(self, one: Login, method: str = "PLAY") -> DigestAuthorization:
        [(name, value)] = one.fields(method, URI)
        self.assertEqual(name, "Authorization")
        answer = parse_authorization(value)
        assert isinstance(answer, DigestAuthorization)
        return answer

    def test_nothing_is_said_before_it_is_asked_for(self) -> None:
        self.assertEqual(login().fields("PLAY", URI), [])

    def test_a_challenge_is_answered(self) -> None:
        one = login()

        self.assertTrue(one.take([MD5]))

        secret = ha1(None, "anna", "door", "secret")
        answer = self.digest(one)
        self.assertEqual(answer.uri, URI)
        self.assertTrue(answer.is_right(secret, "PLAY"))

    def test_the_strongest_challenge_is_answered(self) -> None:
        one = login()

        one.take([BASIC, MD5, SHA256])

        self.assertIs(self.digest(one).algorithm, Algorithm.SHA_256)

    def test_basic_is_answered_where_nothing_better_is_asked_for(self) -> None:
        one = login()

        one.take([BASIC])

        self.assertEqual(one.fields("PLAY", URI), [("Authorization", "Basic YW5uYTpzZWNyZXQ=")])

    def test_answers_are_counted(self) -> None:
        one = login()
        one.take([SHA256])

        answers = [self.digest(one) for _ in range(2)]

        self.assertEqual([answer.nc for answer in answers], ["00000001", "00000002"])
        self.assertEqual([answer.cnonce for answer in answers], ["c1", "c2"])

    def test_answers_to_a_new_nonce_are_counted_anew(self) -> None:
        one = login()
        one.take([SHA256])
        self.digest(one)

        one.take([SHA256.replace("n1", "n2").replace("qop", "stale=true, qop")])

        self.assertEqual(self.digest(one).nc, "00000001")

    def test_a_second_refusal_means_no(self) -> None:
        one = login()
        one.take([MD5])

        self.assertFalse(one.take([OTHER]))
        self.assertTrue(one.was_said)

    def test_a_stale_nonce_is_no_refusal(self) -> None:
        one = login()
        one.take([MD5])

        self.assertTrue(one.take([STALE]))
        self.assertEqual(self.digest(one).nonce, "n2")

    def test_a_new_nonce_is_taken_of_a_server_that_was_content(self) -> None:
        one = login()
        one.take([MD5])
        one.accepted()

        self.assertFalse(one.was_said)
        self.assertTrue(one.take([OTHER]))

    def test_what_nobody_asked_for_is_not_accepted(self) -> None:
        one = login()

        one.accepted()

        self.assertTrue(one.take([MD5]))
        self.assertFalse(one.take([OTHER]))

    def test_nobody_logs_in_without_a_user(self) -> None:
        self.assertFalse(login(user="").take([MD5]))

    def test_what_is_unknown_is_not_answered(self) -> None:
        one = login()

        self.assertFalse(one.take(["Negotiate", ""]))
        self.assertEqual(one.fields("PLAY", URI), [])


class LoginErrorTests(SynchronousTestCase):
    def test_a_server_may_want_a_login(self) -> None:
        error = login_error("h", "PLAY", [BASIC], was_tried=False)

        assert isinstance(error, LoginError)
        self.assertEqual(str(error), "h wants a user and a password.")
        self.assertEqual((error.method, error.realm, error.was_tried), ("PLAY", "door", False))

    def test_a_server_may_refuse_a_login(self) -> None:
        error = login_error("h", "PLAY", [MD5], was_tried=True)

        assert isinstance(error, LoginError)
        self.assertIn("does not know this user", str(error))
        self.assertTrue(error.was_tried)

    def test_a_server_may_want_what_the_player_does_not_know(self) -> None:
        error = login_error("h", "PLAY", ["Negotiate"], was_tried=False)

        self.assertNotIsInstance(error, LoginError)
        self.assertEqual(error.status, 401)
