from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ..talk.foreign import MAX_CHARACTERS, shown


class ShownTests(SynchronousTestCase):
    def test_what_is_printable_stays(self) -> None:
        self.assertEqual(shown(" Grüße an 100 % "), "Grüße an 100 %")

    @given(st.text())
    def test_any_text_becomes_one_printable_line(self, text: str) -> None:
        self.assertTrue(shown(text).isprintable())

    def test_long_text_is_cut(self) -> None:
        self.assertEqual(len(shown("x" * 1000)), MAX_CHARACTERS)

    def test_bytes_that_are_no_text_are_left_out(self) -> None:
        self.assertEqual(shown(b"a\xffb".decode("utf-8", "surrogateescape")), "ab")
