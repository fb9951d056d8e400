"""Logins: the whole server, asked by viewers who log in, or try to."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from twisted.cred.strcred import makeChecker
from twisted.logger import capturedLogs

from mjpegd.access.auth import Door
from mjpegd.test.conversation import FILM, TCP, UDP, URL, VIEWER, Server, challenges, header, said
from mjpegd.test.fakes import FakeFilm
from mjpegd.test.logins import REALM, door, password_of
from mjpegd.test.visitors import ELSEWHERE, ROOT, LoginCase, SlowChecker
from mjpegd.wire.digest import Algorithm, Challenge, Scheme, answer

# What a stream can be asked for, in an order in which all of it works.
STEPS = ("DESCRIBE", "SETUP", "PLAY", "PAUSE", "GET_PARAMETER", "SET_PARAMETER", "TEARDOWN")


class ChallengeTests(LoginCase):
    def test_they_come_in_the_order_and_form_that_players_read(self) -> None:
        answer = self.client.ask("DESCRIBE")

        nonce = challenges(answer)[0].nonce
        self.assertEqual(
            answer.headers.get_all("WWW-Authenticate"),
            [
                f'Digest realm="{REALM}", nonce="{nonce}", stale=false, algorithm="SHA-256"',
                f'Digest realm="{REALM}", nonce="{nonce}", stale=false, algorithm="MD5"',
            ],
        )
        self.assertEqual((answer.status, answer.reason, answer.body), (401, "Unauthorized", b""))

    def test_basic_is_for_encrypted_connections_only_and_first(self) -> None:
        client = self.server.connect(is_secure=True)

        offered = challenges(client.ask("DESCRIBE"))

        self.assertEqual(offered[0], Challenge(Scheme.BASIC, REALM))
        self.assertEqual([each.scheme for each in offered[1:]], [Scheme.DIGEST] * 2)

    def test_everything_but_options_asks_for_a_login(self) -> None:
        for method in (*STEPS, "ANNOUNCE", "RECORD", "NONSENSE"):
            self.assertEqual(self.client.ask(method, Transport=UDP).status, 401, method)
        for uri in (URL, f"{ROOT}nothing", ROOT, "*", "rtsp://192.0.2.1"):
            self.assertEqual(self.client.ask("OPTIONS", uri).status, 200, uri)

    def test_what_is_there_is_not_told_to_strangers(self) -> None:
        for uri in (URL, f"{ROOT}nothing", f"{URL}/trackID=9", ROOT, "*"):
            for method in ("DESCRIBE", "SETUP"):
                answer = self.client.ask(method, uri, Transport=UDP)
                self.assertEqual(answer.status, 401, uri)

    def test_nobody_is_asked_where_everybody_may_watch(self) -> None:
        self.serve(Door.of_all())
        for authorization in (None, "Basic YTpi", 'Digest username="a"', "nonsense"):
            for method in STEPS:
                answer = self.client.ask(method, Transport=TCP, Authorization=authorization)
                self.client.session = header(answer, "Session").partition(";")[0]
                self.assertEqual(answer.status, 200, method)
            self.client.session = ""

    def test_nobody_is_let_in_before_it_is_known_who_may(self) -> None:
        self.serve(Door.of_nobody())

        self.assertEqual(self.client.ask("DESCRIBE").status, 401)


class LoginTests(LoginCase):
    def test_with_the_right_password_everything_works(self) -> None:
        for algorithm in Algorithm:
            client = self.server.connect()
            client.log_in("anna", password_of("anna"), algorithm)
            for method in STEPS:
                answer = client.ask(method, Transport=TCP)
                client.session = header(answer, "Session").partition(";")[0]
                self.assertEqual(answer.status, 200, method)

    def test_basic_works_where_it_is_encrypted(self) -> None:
        client = self.server.connect(is_secure=True)
        client.log_in("anna", password_of("anna"), scheme=Scheme.BASIC)
        self.assertEqual(client.ask("DESCRIBE").status, 200)

        plain = self.server.connect()
        plain.login = client.login
        with capturedLogs() as events:
            self.assertEqual(plain.ask("DESCRIBE").status, 401)
        self.assertNotIn("failed", "".join(said(events)))  # it was not even looked at

    def test_wrong_ones_are_asked_again(self) -> None:
        for name, password in [
            ("anna", "x"),
            ("anna", ""),
            ("bert", password_of("anna")),
            ("", ""),
            ("Anna", password_of("anna")),
        ]:
            for method in ("DESCRIBE", "OPTIONS", "TEARDOWN"):
                answer, _ = self.guess(name, password, method=method)
                self.assertEqual(answer.status, 401, f"{name} {method}")
                self.assertFalse(challenges(answer)[0].stale)

    def test_wrong_basic_is_asked_again(self) -> None:
        for name, password in [("anna", "x"), ("bert", password_of("anna"))]:
            client = self.server.connect(is_secure=True)
            client.log_in(name, password, scheme=Scheme.BASIC)
            answer, waited_s = self.waited(client, client.text("DESCRIBE"))
            self.assertEqual(answer.status, 401)
            self.assertGreaterEqual(waited_s, 0.25)

    def test_what_is_no_login_is_asked_at_once(self) -> None:
        self.client.log_in("anna", password_of("anna"))
        right = self.client.authorization("DESCRIBE", URL) or ""
        for authorization in (
            "",
            "Bearer abc",
            "nonsense",
            right.replace("response=", "x="),
            right.replace("algorithm=MD5", "algorithm=MD5-sess"),
            f"{right}, qop=auth-int",
            "Basic !",
        ):
            answer = self.client.ask("DESCRIBE", Authorization=authorization or None)
            self.assertEqual(answer.status, 401, authorization)

    def test_a_login_is_for_one_method_and_one_stream(self) -> None:
        self.server.shelf.films["other"] = FakeFilm()
        self.client.log_in("anna", password_of("anna"))
        right = self.client.authorization("DESCRIBE", URL)
        self.client.login = None
        for method, uri in [("SETUP", URL), ("DESCRIBE", f"{ROOT}other")]:
            request = self.client.text(method, uri, Authorization=right, Transport=UDP)
            answer, _ = self.waited(self.client, request)
            self.assertEqual(answer.status, 401)

    def test_an_answer_for_another_realm_is_wrong(self) -> None:
        self.client.log_in("anna", password_of("anna"))
        user, password, challenge = self.client.login or self.fail("no login")
        self.client.login = user, password, replace(challenge, realm="elsewhere")

        answer, _ = self.waited(self.client, self.client.text("DESCRIBE"))

        self.assertEqual(answer.status, 401)

    @given(st.text('aB =,"\\-9:/*', max_size=30) | st.text(max_size=30))
    def test_any_header_is_answered(self, text: str) -> None:
        client = Server(door=door()).connect()
        line = "".join(character for character in text if character.isprintable())
        for value in (line, f"Basic {line}", f"Digest {line}", f'Digest username="{line}"'):
            answer = client.ask("DESCRIBE", Authorization=value)
            self.assertEqual(answer.status, 401)


def form(
    uri: str,
    *,
    method: str = "SETUP",
    algorithm: Algorithm | None = Algorithm.MD5,
    is_counted: bool = False,
    written: tuple[str, str] = ("", ""),
) -> tuple[str, str, Algorithm | None, bool, tuple[str, str]]:
    return uri, method, algorithm, is_counted, written


TRACK = f"{URL}/trackID=0"
# How players answer for a SETUP of the track, or the method that is told: which URI they prove,
# with what, and what they write otherwise than we would.
PLAYERS = {
    "FFmpeg": form(TRACK),
    "FFmpeg, counted": form(TRACK, is_counted=True),
    "GStreamer": form(TRACK, algorithm=None),
    "GStreamer 1.24, gortsplib": form(TRACK, algorithm=Algorithm.SHA_256),
    "gortsplib, in quotes": form(
        TRACK, algorithm=Algorithm.SHA_256, written=("=SHA-256", '="SHA-256"')
    ),
    "small letters": form(TRACK, written=("algorithm=MD5", 'algorithm="md5"')),
    "qop in quotes": form(TRACK, is_counted=True, written=("qop=auth", 'qop="auth"')),
    "live555, VLC": form(f"{URL}/", algorithm=None),
    "HappyTime": form(URL, algorithm=None),
    "Bosch": form(f"/{FILM}", algorithm=None),
    "Bosch, with the track": form(f"/{FILM}/trackID=0", algorithm=None),
    "other host": form(f"rtsp://camera.example/{FILM}/trackID=0"),
    "escaped": form(f"{ROOT}movie%2EMjpeg/trackID%3D0"),
    "base of PLAY": form(f"{URL}/", method="PLAY"),
    "keep-alive": form(URL, method="GET_PARAMETER"),
}


class PlayerTests(LoginCase):
    def test_every_form_is_taken(self) -> None:
        for player, (uri, method, algorithm, is_counted, written) in PLAYERS.items():
            client = self.connect("anna")
            user, password, challenge = client.login or self.fail("no login")
            if method != "SETUP":
                client.setup(TCP)
            challenge = replace(challenge, algorithm=algorithm, qop=("auth",) if is_counted else ())
            for count in (1, 1, 2):  # GStreamer counts nothing, FFmpeg over all requests
                proof = answer(challenge, user, password, method, uri, "c0", count).to_text()
                request = {"Authorization": proof.replace(*written), "Transport": TCP}
                requested = TRACK if method == "SETUP" else URL
                self.assertEqual(client.ask(method, requested, **request).status, 200, player)
                client.session = "" if method == "SETUP" else client.session

    def test_queries_belong_to_no_name(self) -> None:
        client = self.connect("anna")
        user, password, challenge = client.login or self.fail("no login")
        for uri in (f"{URL}?fps=5/trackID=0", f"{URL}/trackID=0?fps=5", URL, f"{URL}?fps=5"):
            proof = answer(challenge, user, password, "SETUP", uri, "", 1).to_text()
            asked = client.ask(
                "SETUP", f"{URL}?fps=5/trackID=0", Authorization=proof, Transport=TCP
            )
            self.assertEqual(asked.status, 200, uri)


class NonceTests(LoginCase):
    def test_one_that_is_too_old_is_said_to_be_so_at_once(self) -> None:
        client = self.connect("anna")
        client.play(TCP)
        for _ in range(9):
            self.server.clock.advance(99.9)
            self.assertEqual(client.ask("GET_PARAMETER").status, 200)
        self.server.clock.advance(1)

        for method in ("OPTIONS", "GET_PARAMETER"):
            answer = client.ask(method)
            self.assertEqual(answer.status, 401)
            self.assertEqual([each.stale for each in challenges(answer)], [True] * 2)
        client.login = "anna", password_of("anna"), challenges(client.ask("PLAY"))[-1]
        self.assertEqual(client.ask("GET_PARAMETER").status, 200)

    def test_who_leaves_may_have_an_old_one_but_none_that_was_made_up(self) -> None:
        client = self.connect("anna")
        client.play(TCP)
        user, password, challenge = client.login or self.fail("no login")
        for _ in range(10):
            self.server.clock.advance(100)
            client.ask("OPTIONS")

        client.login = user, password, replace(challenge, nonce="made up")
        self.assertTrue(challenges(client.ask("TEARDOWN"))[0].stale)
        client.login = user, password, challenge
        self.assertTrue(challenges(client.ask("PAUSE"))[0].stale)
        self.assertEqual(client.ask("TEARDOWN").status, 200)

    def test_that_is_said_only_to_who_knows_the_password(self) -> None:
        self.client.log_in("anna", "wrong")
        self.server.clock.advance(1000)
        client = self.server.connect()
        client.login = self.client.login

        answer, waited_s = self.waited(client, client.text("DESCRIBE"))

        self.assertEqual([each.stale for each in challenges(answer)], [False] * 2)
        self.assertGreaterEqual(waited_s, 0.25)

    def test_one_that_was_made_up_or_overheard_elsewhere_is_too_old(self) -> None:
        self.client.log_in("anna", password_of("anna"))
        _, _, challenge = self.client.login or self.fail("no login")
        for host, nonce in [(VIEWER, "made up"), (VIEWER, ""), (ELSEWHERE, challenge.nonce)]:
            client = self.server.connect(host)
            client.login = "anna", password_of("anna"), replace(challenge, nonce=nonce)
            answer = client.ask("DESCRIBE")
            self.assertEqual((answer.status, challenges(answer)[0].stale), (401, True))

    def test_it_is_good_on_every_connection_from_its_address(self) -> None:
        self.client.log_in("anna", password_of("anna"))
        other = self.server.connect()
        other.login = self.client.login

        self.assertEqual(other.ask("DESCRIBE").status, 200)

    def test_a_thousand_challenges_leave_nothing_behind(self) -> None:
        for _ in range(1000):
            client = self.server.connect()
            self.assertEqual(client.ask("DESCRIBE").status, 401)
            client.close()
        self.client.close()

        self.server.house.tally.stop()
        self.assertEqual(self.server.clock.getDelayedCalls(), [])


class CheckerTests(LoginCase):
    def test_an_error_of_a_checker_lets_nobody_in(self) -> None:
        self.server.gate.door = Door.of_plugins([SlowChecker(self.server.clock, {})])
        self.client.log_in("anna", "x")

        self.assertEqual(self.client.ask("DESCRIBE").status, 500)
        self.flushLoggedErrors(KeyError)

    def test_users_of_plugins_may_do_everything_and_nobody_else_anything(self) -> None:
        self.server.gate.door = Door.of_plugins([makeChecker("memory:anna:secret")])
        self.assertEqual(self.client.ask("DESCRIBE").status, 401)

        self.client.log_in("anna", "secret")
        self.assertEqual(self.client.play(TCP).status, 200)
        self.assertEqual(self.guess("anna", "other")[0].status, 401)
        self.assertEqual(self.guess("bert", "secret")[0].status, 401)


del LoginCase  # It is no test by itself.
