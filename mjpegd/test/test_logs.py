from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.logs import (
    FLOOD_INTERVAL_S,
    LINES_PER_INTERVAL,
    SHOWN_CHARACTERS,
    Tally,
    openssl_reason,
    shown,
)


class ShownTests(SynchronousTestCase):
    def test_ordinary_text_of_any_script_stays(self) -> None:
        for text in ("a film.avi", "Ferien am Meer (größer).mov", "映画.mjpeg", "فيلم"):
            self.assertEqual(shown(text), text)

    def test_what_could_forge_a_line_or_move_a_cursor_is_escaped(self) -> None:
        for text, escaped in [
            ("a\r\nb", "a\\r\\nb"),
            ("\x1b[2J", "\\x1b[2J"),
            ("\u202egpj", "\\u202egpj"),
            ("\u2028", "\\u2028"),
            ("\udcff", "\\udcff"),
            ("\\n", "\\\\n"),
        ]:
            self.assertEqual(shown(text), escaped)

    def test_long_text_is_cut(self) -> None:
        self.assertEqual(shown("x" * 10_000), "x" * SHOWN_CHARACTERS + "…")

    @given(st.text(st.characters(), max_size=300))
    def test_whatever_comes_is_one_printable_line(self, text: str) -> None:
        line = shown(text)

        self.assertTrue(line.isprintable())
        line.encode()


class TallyTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.clock = Clock()
        self.said: list[tuple[str, int]] = []
        self.tally = Tally(self.clock, lambda kind, times: self.said.append((kind, times)))

    def test_the_first_of_a_kind_is_said_at_once(self) -> None:
        self.tally.count("frames late", 3)

        self.assertEqual(self.said, [("frames late", 3)])

    def test_a_flood_is_one_line_per_interval(self) -> None:
        for _ in range(300):
            self.tally.count("refused")
            self.clock.advance(FLOOD_INTERVAL_S / 100)

        self.clock.advance(FLOOD_INTERVAL_S)

        self.assertEqual(len(self.said), 1 + 3)
        self.assertEqual(sum(times for _, times in self.said), 300)

    def test_kinds_do_not_hide_each_other(self) -> None:
        self.tally.count("one")
        self.tally.count("other")

        self.assertEqual(self.said, [("one", 1), ("other", 1)])

    def test_a_tally_that_ends_says_what_is_left(self) -> None:
        for _ in range(3):
            self.tally.count("refused")
        self.tally.stop()

        self.assertEqual(self.said, [("refused", 1), ("refused", 2)])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_some_lines_pass_and_the_rest_is_a_number(self) -> None:
        passed = [self.tally.passes("more refused") for _ in range(LINES_PER_INTERVAL + 5)]
        self.clock.advance(FLOOD_INTERVAL_S)

        self.assertEqual(passed, [True] * LINES_PER_INTERVAL + [False] * 5)
        self.assertEqual(self.said, [("more refused", 5)])

    def test_after_the_interval_lines_pass_again(self) -> None:
        for _ in range(LINES_PER_INTERVAL):
            self.tally.passes("more refused")
        self.clock.advance(FLOOD_INTERVAL_S)

        self.assertTrue(self.tally.passes("more refused"))
        self.assertEqual(self.said, [])

    def test_after_a_quiet_interval_the_next_is_said_at_once_and_no_timer_is_left(self) -> None:
        self.tally.count("refused")
        self.clock.advance(FLOOD_INTERVAL_S)
        self.assertEqual(self.clock.getDelayedCalls(), [])

        self.tally.count("refused")

        self.assertEqual(self.said, [("refused", 1), ("refused", 1)])


class OpenSSLReasonTests(SynchronousTestCase):
    def test_what_openssl_says_without_its_functions(self) -> None:
        fault = SSL.Error([("SSL routines", "", "unsupported protocol")])

        self.assertEqual(openssl_reason(fault), "unsupported protocol")

    def test_other_faults_say_themselves(self) -> None:
        for fault in (SSL.Error(), OSError(104, "Connection reset by peer")):
            self.assertEqual(openssl_reason(fault), str(fault))
