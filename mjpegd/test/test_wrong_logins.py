"""Wrong logins, to the whole server: they look alike, wait longer each time, and are in the log."""

from collections.abc import Iterable
from dataclasses import replace

from twisted.internet.defer import Deferred, succeed
from twisted.logger import capturedLogs

from mjpegd.access.auth import Door
from mjpegd.access.penalties import Penalty
from mjpegd.access.users import MAX_NAME_CHARACTERS
from mjpegd.test.conversation import TCP, UDP, VIEWER, Server, challenges, said
from mjpegd.test.logins import door, password_of
from mjpegd.test.visitors import ELSEWHERE, LoginCase, SlowChecker
from mjpegd.wire.digest import Scheme
from mjpegd.wire.messages import Response


def field_names(answer: Response) -> list[str]:
    return [name for name, _ in answer.headers]


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
