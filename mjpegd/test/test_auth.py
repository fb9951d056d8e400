"""Who may watch: the whole server, asked by viewers who log in, or try to."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernameHashedPassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import IRealm
from twisted.cred.strcred import makeChecker
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override
from zope.interface import implementer
from zope.interface.verify import verifyObject

from mjpegd.access.auth import Door, IViewer, Viewer
from mjpegd.access.credentials import DigestProof
from mjpegd.access.penalties import Penalty
from mjpegd.access.rights import ALL_RIGHTS
from mjpegd.access.users import MAX_NAME_CHARACTERS
from mjpegd.addresses import Networks
from mjpegd.limits import Limits
from mjpegd.test.conversation import (
    FILM,
    TCP,
    UDP,
    URL,
    VIEWER,
    Client,
    Server,
    challenges,
    header,
    said,
)
from mjpegd.test.fakes import FakeFilm
from mjpegd.test.logins import EVERYTHING, REALM, door, password_of
from mjpegd.wire.digest import Algorithm, Challenge, Scheme, answer
from mjpegd.wire.messages import Response

ELSEWHERE = "192.0.2.66"
ROOT = "rtsp://192.0.2.1:8554/"
# What a stream can be asked for, in an order in which all of it works.
STEPS = ("DESCRIBE", "SETUP", "PLAY", "PAUSE", "GET_PARAMETER", "SET_PARAMETER", "TEARDOWN")


def field_names(answer: Response) -> list[str]:
    return [name for name, _ in answer.headers]


class LoginCase(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.serve(door())

    def serve(self, door: Door, networks: Networks | None = None) -> None:
        """Begin anew, with another door."""
        self.server = Server(Limits(), door=door, networks=networks)
        self.client = self.server.connect()

    def connect(self, name: str, host: str = VIEWER) -> Client:
        """A new connection of somebody who is logged in."""
        client = self.server.connect(host)
        client.log_in(name, password_of(name))
        return client

    def waited(self, client: Client, request: bytes) -> tuple[Response, float]:
        """The answer to a request, and how many seconds it took."""
        before, began_s = len(client.responses()), self.server.clock.seconds()
        client.send(request)
        while len(client.responses()) == before and self.server.clock.seconds() < began_s + 60:
            self.server.clock.advance(0.01)
        (answer,) = client.responses()[before:]
        return answer, self.server.clock.seconds() - began_s

    def guess(
        self, name: str, password: str, host: str = VIEWER, method: str = "DESCRIBE"
    ) -> tuple[Response, float]:
        """A login on a connection of its own: the answer, and how many seconds it took."""
        client = self.server.connect(host)
        client.log_in(name, password)
        answered = self.waited(client, client.text(method))
        client.close()
        return answered


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


class SameAnswerTests(LoginCase):
    def test_wrong_users_and_wrong_passwords_look_alike(self) -> None:
        for repetition in range(3):
            names = ("anna", "bert")
            for tried in zip(
                *(
                    [self.guess(name, f"{repetition}", host=f"192.0.2.{place}")]
                    for place, name in enumerate(names)
                ),
                strict=True,
            ):
                (first, first_s), (second, second_s) = tried
                self.assertAlmostEqual(first_s, second_s, places=6)
                self.assertEqual(first.status, second.status)
                self.assertEqual(field_names(first), field_names(second))
                self.assertEqual(
                    [replace(each, nonce="") for each in challenges(first)],
                    [replace(each, nonce="") for each in challenges(second)],
                )

    def test_what_a_check_takes_does_not_show(self) -> None:
        checks_s = {"anna": 0.1, "bert": 0.0}
        self.server.gate.door = Door.of_plugins([SlowChecker(self.server.clock, checks_s)])

        waits_s = [
            self.guess(name, "x", host=f"192.0.2.{place}")[1] for place, name in enumerate(checks_s)
        ]

        self.assertLess(abs(waits_s[0] - waits_s[1]), 0.015)


class FarBook:
    """Somebody far away counts.

    Args:
        penalty: What a wrong login costs, when that is known.

    Attributes:
        heard: The name and the guess of each.
    """

    def __init__(self, penalty: "Deferred[Penalty]") -> None:
        self._penalty = penalty
        self.heard: list[tuple[bytes, bytes]] = []

    def failed(self, host: str, name: bytes, guess: bytes) -> "Deferred[Penalty]":
        self.heard.append((name, guess))
        return self._penalty


class DelayTests(LoginCase):
    def waits_s(self, names: Iterable[str], host: str = VIEWER) -> list[float]:
        """What wrong answers take, one after the other."""
        waits_s = []
        for number, name in enumerate(names):
            waits_s.append(self.guess(name, f"guess {number}", host)[1])
        return waits_s

    def test_each_takes_longer(self) -> None:
        expected_s = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 16.0]
        for wait_s, expected in zip(self.waits_s(["anna"] * 8), expected_s, strict=True):
            self.assertLess(abs(wait_s - expected), 0.015)

    def test_the_right_one_never_waits(self) -> None:
        self.waits_s(["anna"] * 10)

        client = self.connect("anna")
        self.assertEqual(client.ask("DESCRIBE").status, 200)

    def test_a_right_one_does_not_help_those_that_are_wrong(self) -> None:
        self.waits_s(["anna"] * 4)
        self.connect("anna").ask("DESCRIBE")

        self.assertGreater(self.waits_s(["anna"])[0], 3.9)

    def test_the_same_again_is_one_guess(self) -> None:
        with capturedLogs() as events:
            self.client.log_in("anna", "x")
            for _ in range(8):
                answer, waited_s = self.waited(self.client, self.client.text("DESCRIBE"))
                # As GStreamer does: the newest nonce, the same password.
                self.client.login = "anna", "x", challenges(answer)[-1]
                self.assertLess(waited_s, 0.3)

        self.assertEqual(len([line for line in said(events) if "failed" in line]), 1)
        self.assertGreater(self.waits_s(["anna"])[0], 0.4)

    def test_who_leaves_while_waiting_leaves_nothing_behind(self) -> None:
        self.waits_s(["anna"] * 8)
        for number in range(100):
            client = self.server.connect()
            client.log_in("anna", f"other {number}")
            client.send(client.text("DESCRIBE"))
            client.close()

        self.client.close()
        self.server.house.tally.stop()
        self.assertEqual(self.server.clock.getDelayedCalls(), [])

    def test_who_has_left_before_it_was_known_waits_for_nothing(self) -> None:
        penalty: Deferred[Penalty] = Deferred()
        self.server = Server(door=door(), penalties=FarBook(penalty))
        client = self.server.connect()
        client.log_in("anna", "wrong")
        client.send(client.text("DESCRIBE"))
        client.close()

        penalty.callback(Penalty(16.0, is_new=False))

        self.server.house.tally.stop()
        self.assertEqual(self.server.clock.getDelayedCalls(), [])

    def test_of_a_name_only_what_a_user_could_have_is_told_to_who_counts(self) -> None:
        book = FarBook(succeed(Penalty(0.25, is_new=True)))
        self.server = Server(door=door(), penalties=book)
        self.guess("\u00e4" * 3000, "secret")

        [(name, guess)] = book.heard
        self.assertEqual(name.decode(), "\u00e4" * (MAX_NAME_CHARACTERS + 1))
        self.assertEqual(len(guess), 32)

    def test_nothing_else_is_answered_while_one_waits(self) -> None:
        self.client.log_in("anna", "x")
        self.client.send(self.client.text("DESCRIBE") + self.client.text("OPTIONS"))
        before = len(self.client.responses())

        self.server.advance(0.2)
        self.assertEqual(len(self.client.responses()), before)


class LogTests(LoginCase):
    def test_a_failed_login_is_one_line_that_begins_with_the_address(self) -> None:
        with capturedLogs() as events:
            self.guess("anna", "x")
            client = self.server.connect(ELSEWHERE, is_secure=True)
            client.log_in("x from 192.0.2.1\n\x1b[0m", "y", scheme=Scheme.BASIC)
            self.waited(client, client.text("DESCRIBE"))

        lines = [line for line in said(events) if "login" in line and "failed" in line]
        self.assertEqual(
            lines,
            [
                f"login from {VIEWER} failed: wrong user or password, user anna",
                f"login from {ELSEWHERE} failed: wrong user or password, user "
                r"x from 192.0.2.1\n\x1b[0m",
            ],
        )

    def test_passwords_are_in_no_line(self) -> None:
        client = self.server.connect(is_secure=True)
        with capturedLogs() as events:
            client.log_in("anna", "secret", scheme=Scheme.BASIC)
            self.waited(client, client.text("DESCRIBE"))
            client.log_in("anna", password_of("anna"), scheme=Scheme.BASIC)
            client.play(TCP)
            client.ask("TEARDOWN")

        everything = " ".join(said(events)) + repr(events)
        self.assertNotIn("secret", everything)
        self.assertNotIn(password_of("anna"), everything)

    def test_a_flood_of_them_is_a_number(self) -> None:
        with capturedLogs() as events:
            for number in range(50):
                client = self.server.connect()
                client.log_in("anna", f"{number}")
                client.send(client.text("DESCRIBE"))
            self.server.house.tally.stop()

        lines = [line for line in said(events) if "failed" in line]
        self.assertEqual(lines[-1], "30 more failed logins")
        self.assertEqual(len(lines), 21)

    def test_lines_about_a_viewer_tell_the_user(self) -> None:
        with capturedLogs() as events:
            client = self.connect("anna")
            client.ask("DESCRIBE")
            client.setup(UDP)
            client.ask("TEARDOWN")

        lines = [line for line in said(events) if f"{VIEWER} (anna)" in line]
        self.assertEqual(len(lines), 3)


class RightsTests(LoginCase):
    @override
    def setUp(self) -> None:
        users = {
            "anna": EVERYTHING,
            "bert": 'watch = ["garden/*"]\nlist = ["garden/a.avi"]',
            "carl": f'{EVERYTHING}\nnetworks = ["198.51.100.0/24"]',
            "dora": "watch = []",
        }
        self.serve(door(users, everyone='watch = ["live"]'))
        for path in ("garden/a.avi", "garden/b.avi"):
            self.server.shelf.films[path] = FakeFilm()

    def status(self, client: Client, path: str, method: str = "DESCRIBE") -> int:
        return client.ask(method, ROOT + path, Transport=TCP).status

    def test_what_is_open_to_everyone_needs_no_login(self) -> None:
        for method in ("DESCRIBE", "SETUP"):
            self.assertEqual(self.status(self.client, "live", method), 200)
            self.assertEqual(self.status(self.client, FILM, method), 401)

    def test_users_may_do_what_is_theirs_and_what_is_everyones(self) -> None:
        bert = self.connect("bert")

        for path, status in [
            ("garden/a.avi", 200),
            ("live", 200),
            (FILM, 403),
            ("garden", 403),
            ("nothing", 403),
            ("garden/nothing", 404),
            ("", 403),
        ]:
            for method in ("DESCRIBE", "SETUP"):
                self.assertEqual(self.status(bert, path, method), status, path)

    def test_other_spellings_of_a_path_lead_nowhere_else(self) -> None:
        bert = self.connect("bert")

        for path in ("garden//a.avi", "garden/%61.avi", "/garden/a.avi/", "garden/a.avi?fps=5"):
            self.assertEqual(self.status(bert, path), 200, path)
        for path in (f"garden/../{FILM}", f"garden/%2e%2e/{FILM}", f"./{FILM}"):
            self.assertIn(self.status(bert, path), {403, 404}, path)

    def test_a_user_without_rights_is_told_so_and_the_log_too(self) -> None:
        with capturedLogs() as events:
            self.assertEqual(self.status(self.connect("dora"), FILM), 403)

        self.assertIn(f"{VIEWER} (dora) may not have {FILM}", said(events))

    def test_from_other_networks_a_login_is_wrong(self) -> None:
        self.assertEqual(self.status(self.connect("carl"), FILM), 200)

        with capturedLogs() as events:
            answer, waited_s = self.guess("carl", password_of("carl"), ELSEWHERE)

        self.assertEqual(answer.status, 401)
        self.assertGreaterEqual(waited_s, 0.25)
        self.assertIn(
            f"login from {ELSEWHERE} failed: not from this network, user carl", said(events)
        )

    def test_everyone_may_be_everyone_somewhere(self) -> None:
        self.serve(door(everyone=f'{EVERYTHING}\nnetworks = ["198.51.100.0/24"]'))

        self.assertEqual(self.status(self.client, FILM), 200)
        self.assertEqual(self.status(self.server.connect(ELSEWHERE), FILM), 401)

    def test_the_server_itself_is_no_stream_but_where_it_is_opened(self) -> None:
        for uri in (ROOT, "*"):
            for method in ("GET_PARAMETER", "SET_PARAMETER"):
                self.assertEqual(self.client.ask(method, uri).status, 200)
            for method in ("DESCRIBE", "SETUP"):
                self.assertEqual(self.client.ask(method, uri, Transport=TCP).status, 401)

    def listed(self, client: Client) -> list[str]:
        answer = client.ask_with(b"streams\r\n", "GET_PARAMETER", ROOT)
        self.assertEqual(answer.status, 200)
        return [line.removeprefix(f"streams: {ROOT}") for line in answer.body.decode().splitlines()]

    def test_lists_hold_what_may_be_listed(self) -> None:
        self.assertEqual(self.listed(self.client), ["live"])
        self.assertEqual(self.listed(self.connect("bert")), ["live", "garden/a.avi"])
        everything = ["live", FILM, "garden/a.avi", "garden/b.avi"]
        self.assertEqual(self.listed(self.connect("anna")), everything)

    def test_who_may_see_nothing_of_a_list_is_asked(self) -> None:
        self.serve(door({"anna": EVERYTHING, "dora": "watch = []"}))

        for client, status in [
            (self.client, 401),
            (self.connect("dora"), 403),
            (self.connect("anna"), 200),
        ]:
            answer = client.ask_with(b"streams\r\n", "GET_PARAMETER", ROOT)
            self.assertEqual(answer.status, status)


class SessionTests(LoginCase):
    """A session belongs to the address and the user that made it."""

    @override
    def setUp(self) -> None:
        self.serve(door({"anna": EVERYTHING, "bert": EVERYTHING}, everyone='watch = ["live"]'))

    def strangers(self) -> list[Client]:
        return [
            self.connect("bert"),
            self.connect("anna", ELSEWHERE),
            self.connect("bert", ELSEWHERE),
        ]

    def without(self, answer: Response) -> Response:
        """An answer without what differs for every request."""
        fields = [field for field in answer.headers if field[0] not in {"CSeq", "Date"}]
        return replace(answer, headers=type(answer.headers)(fields))

    def test_anothers_is_answered_like_one_that_never_was(self) -> None:
        owner = self.connect("anna")
        owner.play(TCP)

        for stranger in self.strangers():
            for method in ("SETUP", "PLAY", "PAUSE", "TEARDOWN", "GET_PARAMETER", "OPTIONS"):
                stranger.session = owner.session
                anothers = stranger.ask(method, Transport=TCP)
                stranger.session = "12345678901234567890"
                nobodys = stranger.ask(method, Transport=TCP)
                self.assertEqual(anothers.status, 454)
                self.assertEqual(self.without(anothers), self.without(nobodys))
        self.assertEqual(owner.ask("PAUSE").status, 200)

    def test_without_a_login_a_users_session_is_nobodys(self) -> None:
        owner = self.connect("anna")
        owner.setup(TCP, f"{ROOT}live")
        self.client.session = owner.session

        for method in ("PLAY", "TEARDOWN", "OPTIONS"):
            self.assertEqual(self.client.ask(method, f"{ROOT}live").status, 454)

    def test_a_user_does_not_find_what_was_made_without_a_login(self) -> None:
        self.client.setup(TCP, f"{ROOT}live")
        anna = self.connect("anna")
        anna.session = self.client.session

        self.assertEqual(anna.ask("PLAY", f"{ROOT}live").status, 454)
        self.assertEqual(self.client.ask("PLAY", f"{ROOT}live").status, 200)

    def test_its_owner_finds_it_from_another_connection(self) -> None:
        owner = self.connect("anna")
        owner.play(UDP)
        other = self.connect("anna")
        other.session = owner.session

        self.assertEqual(other.ask("PAUSE").status, 200)

    def test_who_has_not_logged_in_keeps_nothing_alive(self) -> None:
        owner = self.connect("anna")
        owner.play(UDP)
        for _ in range(4):
            self.server.advance(20, step_s=1)
            stranger = self.server.connect()
            stranger.session = owner.session
            stranger.ask("GET_PARAMETER")

        self.assertEqual(len(self.server.registry), 0)


class DoorTests(LoginCase):
    def test_a_new_door_is_for_everybody_who_is_connected(self) -> None:
        anna = self.connect("anna")
        self.assertEqual(anna.ask("DESCRIBE").status, 200)

        self.server.gate.door = door({"bert": EVERYTHING}, everyone='watch = ["live"]')

        self.assertEqual(self.waited(anna, anna.text("DESCRIBE"))[0].status, 401)
        self.assertEqual(self.client.ask("DESCRIBE", f"{ROOT}live").status, 200)

    def test_who_may_watch_is_told_without_a_login(self) -> None:
        gate = self.server.gate
        gate.door = door(
            {"anna": 'watch = ["a"]\nnetworks = ["192.0.2.0/24"]'}, everyone='watch = ["b"]'
        )

        for name, path, host, may in [
            ("anna", "a", "192.0.2.1", True),
            ("anna", "b", "192.0.2.1", True),
            ("anna", "a", "192.0.3.1", False),
            ("anna", "c", "192.0.2.1", False),
            (None, "b", "192.0.3.1", True),
            (None, "a", "192.0.2.1", False),
            ("bert", "b", "192.0.2.1", False),
        ]:
            self.assertEqual(gate.lets_watch(name, path, host), may, f"{name} {path} {host}")

    def test_audience_and_viewers_are_what_twisted_wants(self) -> None:
        audience = door().audience

        verifyObject(IRealm, audience)
        verifyObject(IViewer, Viewer("anna", (ALL_RIGHTS,)))
        self.assertRaises(NotImplementedError, audience.requestAvatar, b"anna", "")


class NetworkTests(LoginCase):
    def test_connections_from_elsewhere_are_refused_at_once(self) -> None:
        self.serve(Door.of_all(), Networks.parse(["198.51.100.0/24"]))

        with capturedLogs() as events:
            stranger = self.server.connect(ELSEWHERE)
        self.assertEqual([answer.status for answer in stranger.responses()], [403])
        self.assertTrue(stranger.wire.is_half_closed)
        self.assertEqual(self.server.factory.connections, 1)
        self.assertIn("1 connections from outside of --allow", said(events))
        self.assertEqual(self.client.ask("DESCRIBE").status, 200)

    def test_within_them_a_login_is_needed_all_the_same(self) -> None:
        self.serve(door(), Networks.parse(["198.51.100.0/24"]))

        self.assertEqual(self.client.ask("DESCRIBE").status, 401)


class LaboratoryTests(LoginCase):
    def setup_status(self, name: str) -> str:
        client = self.server.connect()
        client.send(f"SETUP {name} RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= 25000\n\n")
        return client.raw().decode().split()[1]

    def test_its_clients_see_what_is_open_to_everyone(self) -> None:
        self.serve(door(everyone=f'watch = ["{FILM}"]'))
        self.server.shelf.films["other.Mjpeg"] = FakeFilm()

        statuses = [self.setup_status(name) for name in (FILM, "other.Mjpeg", "none.Mjpeg", "live")]
        self.assertEqual(statuses, ["200", "404", "404", "404"])

    def test_with_users_and_nothing_else_they_see_nothing(self) -> None:
        self.assertEqual(self.setup_status(FILM), "404")

    def test_who_may_no_longer_watch_when_the_film_is_open_has_no_session(self) -> None:
        self.serve(door(everyone=EVERYTHING))
        opening = self.server.shelf.opening = Deferred()
        client = self.server.connect()
        client.send(f"SETUP {FILM} RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= 25000\n\n")

        self.server.gate.door = door()
        opening.callback(None)

        self.assertTrue(client.raw().startswith(b"RTSP/1.0 404 "))
        self.assertEqual(len(self.server.registry), 0)

    def test_a_bare_name_is_no_way_around_a_login(self) -> None:
        answer = self.client.answer(f"DESCRIBE {FILM} RTSP/1.0\r\nCSeq: 1\r\n\r\n")

        self.assertEqual(answer.status, 401)


@implementer(ICredentialsChecker)
class SlowChecker:
    """Takes its time to know nobody; breaks for whom it has no time.

    Args:
        clock: What goes on while it looks.
        checks_s: How many seconds it looks, by name.
    """

    credentialInterfaces = (IUsernameHashedPassword,)  # noqa: N815 -- Twisted's

    def __init__(self, clock: Clock, checks_s: Mapping[str, float]) -> None:
        self._clock = clock
        self._checks_s = checks_s

    def requestAvatarId(  # noqa: N802 -- Twisted's
        self, credentials: DigestProof
    ) -> "Deferred[bytes | tuple[()]]":
        self._clock.advance(self._checks_s[credentials.authorization.username])
        return fail(UnauthorizedLogin())


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
