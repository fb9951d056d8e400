"""The users file while the daemon runs: read, read again, and what becomes of viewers."""

from pathlib import Path

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.access.auth import Door
from mjpegd.access.doorkeeper import Doorkeeper
from mjpegd.access.passwd import with_password
from mjpegd.errors import ConfigurationError
from mjpegd.test.conversation import Server, said
from mjpegd.test.fakes import Crank, at_once
from mjpegd.test.logins import EVERYTHING, password_of, users_file
from mjpegd.watching import INTERVAL_S

ANNA_AND_BERT = users_file({"anna": EVERYTHING, "bert": EVERYTHING})


class DoorkeeperTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.path.touch(mode=0o600)
        self.path.write_text(ANNA_AND_BERT)
        self.server = Server(door=Door.of_nobody())
        self.changes: list[set[str]] = []
        self.keeper = self.new_keeper()
        self.keeper.start()
        self.addCleanup(self.keeper.stop)

    def new_keeper(self) -> Doorkeeper:
        return Doorkeeper(
            self.path, self.server.gate, self.server.clock, at_once, self.changes.append
        )

    def knows(self, name: str) -> bool:
        """Whether somebody can log in now."""
        client = self.server.connect()
        client.log_in(name, password_of(name))
        client.send(client.text("DESCRIBE"))
        self.server.clock.advance(20)
        return client.responses()[-1].status == 200

    def test_what_the_file_says_at_the_start(self) -> None:
        for name, is_known in (("anna", True), ("bert", True), ("carl", False)):
            self.assertEqual(self.knows(name), is_known)

    def test_it_is_read_again_on_demand(self) -> None:
        self.path.write_text(users_file({"carl": EVERYTHING}))

        self.successResultOf(self.keeper.read_again())

        for name, is_known in (("anna", False), ("carl", True)):
            self.assertEqual(self.knows(name), is_known)

    def test_it_is_read_again_when_it_changes(self) -> None:
        self.path.write_text(users_file({"carl": EVERYTHING}))
        for _ in range(2):
            self.server.clock.advance(INTERVAL_S)

        self.assertTrue(self.knows("carl"))

    def test_a_fault_changes_nothing_and_is_told_with_its_line(self) -> None:
        for text, says in [
            (ANNA_AND_BERT + "x y\n", "line 12: Expected '='"),
            ("", "line 1: realm is missing"),
        ]:
            self.path.write_text(text)
            with capturedLogs() as events:
                self.successResultOf(self.keeper.read_again())

            (line,) = said(events)
            self.assertTrue(line.startswith(f"--users {self.path}: {says}"), line)
            self.assertTrue(line.endswith("; nothing changes"), line)
            self.assertTrue(self.knows("anna"))

    def test_a_file_that_is_gone_changes_nothing(self) -> None:
        self.path.unlink()
        with capturedLogs() as events:
            for _ in range(5):
                self.server.clock.advance(INTERVAL_S)

        self.assertEqual(len(said(events)), 1)
        self.assertIn("does not exist", said(events)[0])
        self.assertTrue(self.knows("anna"))

    def test_whose_password_is_another_or_who_is_gone_is_told(self) -> None:
        self.assertEqual(self.changes, [set()])
        text = with_password(ANNA_AND_BERT, "anna", "other")
        self.path.write_text(with_password(text, "carl", "new"))
        self.successResultOf(self.keeper.read_again())
        self.path.write_text(users_file({"anna": EVERYTHING, "carl": EVERYTHING}))
        self.successResultOf(self.keeper.read_again())

        self.assertEqual(self.changes[1:], [{"anna"}, {"anna", "bert", "carl"}])

    def test_other_rights_are_no_other_password(self) -> None:
        self.path.write_text(ANNA_AND_BERT.replace("**", "*"))
        self.successResultOf(self.keeper.read_again())

        self.assertEqual(self.changes[1:], [set()])

    def test_those_who_read_it_at_once_read_it_in_turn(self) -> None:
        crank = Crank()
        keeper = Doorkeeper(
            self.path, self.server.gate, self.server.clock, crank, self.changes.append
        )
        first, second = keeper.read_again(), keeper.read_again()

        self.assertEqual(len(crank.turns), 1)
        crank.turn()
        self.successResultOf(first)
        crank.turn()
        self.successResultOf(second)

    def test_an_error_of_ours_is_logged_and_changes_nothing(self) -> None:
        def changed(_: set[str]) -> None:
            raise ZeroDivisionError

        keeper = Doorkeeper(self.path, self.server.gate, self.server.clock, at_once, changed)
        self.successResultOf(keeper.read_again())

        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_a_file_for_everybodys_eyes_is_a_warning(self) -> None:
        for mode, is_told in ((0o600, False), (0o640, False), (0o644, True), (0o604, True)):
            self.path.chmod(mode)
            with capturedLogs() as events:
                self.successResultOf(self.keeper.read_again())
            self.assertEqual("can be read by everybody" in " ".join(said(events)), is_told)

    def test_a_start_without_a_file_that_makes_sense_is_none(self) -> None:
        self.path.write_text("realm = 1")
        fault = self.assertRaises(ConfigurationError, self.new_keeper().start)
        self.assertEqual(str(fault), f"--users {self.path}: line 1: realm is a text in quotes")

        self.path.unlink()
        fault = self.assertRaises(ConfigurationError, self.new_keeper().start)
        self.assertIn(f"--users {self.path}: does not exist: mjpegd-passwd", str(fault))

    def test_nothing_is_left_when_it_stops(self) -> None:
        self.keeper.stop()
        self.keeper.stop()

        self.assertEqual(self.server.clock.getDelayedCalls(), [])
