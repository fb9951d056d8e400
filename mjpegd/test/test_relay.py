"""The log of a worker, as the acceptor repeats it."""

import io
from functools import partial
from typing import Any

from twisted.logger import Logger, LogLevel, capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.test.conversation import said
from mjpegd.workers.relay import MAX_LINE_BYTES, Lines, Teller, complain, repeat


def told(*lines: tuple[LogLevel, str]) -> bytes:
    """What a worker writes of these events."""
    out = io.BytesIO()
    log = Logger("mjpegd.session", observer=Teller(out))
    for level, text in lines:
        log.emit(level, "{text}", text=text)
    return out.getvalue()


def heard(written: bytes) -> list[dict[str, Any]]:  # an event holds whatever was logged
    """What the acceptor logs of it."""
    with capturedLogs() as events:
        Lines(partial(repeat, 2)).feed(written)
    return list(events)


class RelayTests(SynchronousTestCase):
    def test_an_event_is_repeated_with_its_worker(self) -> None:
        [event] = heard(told((LogLevel.warn, "session 02: too late")))

        self.assertEqual(said([event]), ["[worker 2] session 02: too late"])
        self.assertEqual(event["log_level"], LogLevel.warn)
        self.assertEqual(event["log_namespace"], "mjpegd.session")

    def test_text_with_braces_and_line_ends_stays_what_it_is(self) -> None:
        text = "a {file} of\ntwo lines"

        self.assertEqual(said(heard(told((LogLevel.info, text)))), [f"[worker 2] {text}"])

    def test_a_failure_comes_with_its_traceback(self) -> None:
        out = io.BytesIO()
        failure = Failure(RuntimeError("the moon is down"))
        Logger(observer=Teller(out)).failure("it broke", failure)

        [line] = said(heard(out.getvalue()))
        self.assertIn("it broke", line)
        self.assertIn("RuntimeError: the moon is down", line)

    def test_lines_may_come_in_any_pieces(self) -> None:
        written = told((LogLevel.info, "one"), (LogLevel.info, "two"))
        taken: list[bytes] = []
        lines = Lines(taken.append)
        for byte in written:
            lines.feed(bytes((byte,)))

        self.assertEqual(taken, written.splitlines())

    def test_a_line_without_end_does_not_pile_up(self) -> None:
        taken: list[bytes] = []
        lines = Lines(taken.append)
        lines.feed(bytes(MAX_LINE_BYTES))
        lines.feed(b"more")

        self.assertEqual(len(taken), 1)

    def test_what_is_no_event_is_a_warning(self) -> None:
        for line in ("Segmentation fault", "[1, 2]", '["loud", "x", "y"]', "{}", "5"):
            [event] = heard(f"{line}\n".encode())
            self.assertEqual(event["log_level"], LogLevel.warn)
            self.assertEqual(said([event]), [f"[worker 2] {line}"])

    def test_a_complaint_cannot_move_the_cursor(self) -> None:
        with capturedLogs() as events:
            complain(1, b"\x1b[2J\xff")

        self.assertEqual(said(events), ["[worker 1] \\x1b[2J\ufffd"])

    def test_a_worker_whose_acceptor_is_gone_says_nothing_of_that(self) -> None:
        class Broken(io.BytesIO):
            @override
            def flush(self) -> None:
                raise BrokenPipeError

        Logger(observer=Teller(Broken())).info("nobody reads this")
