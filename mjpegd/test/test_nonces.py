from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.access.nonces import Nonces

HOST = "192.0.2.7"
KEY = b"nobody knows it"


class NoncesTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.clock = Clock()
        self.nonces = Nonces(KEY, 60.0, self.clock.seconds)

    def test_a_nonce_is_good_for_its_time(self) -> None:
        for start_s in (0.0, 0.9, 123456.7):
            self.clock.rightNow = start_s
            nonce = self.nonces.new(HOST)

            self.assertTrue(self.nonces.is_current(nonce, HOST))
            self.clock.advance(59)
            self.assertTrue(self.nonces.is_current(nonce, HOST))
            self.clock.advance(1)
            self.assertFalse(self.nonces.is_current(nonce, HOST))

    def test_it_is_good_for_one_address(self) -> None:
        for other in ("192.0.2.8", "", "192.0.2.70"):
            self.assertFalse(self.nonces.is_current(self.nonces.new(HOST), other))
            self.assertFalse(self.nonces.is_current(self.nonces.new(other), HOST))

    def test_who_has_the_same_key_knows_it_and_nobody_else(self) -> None:
        nonce = self.nonces.new(HOST)

        self.assertTrue(Nonces(KEY, 60.0, self.clock.seconds).is_current(nonce, HOST))
        self.assertFalse(Nonces(b"guessed", 60.0, self.clock.seconds).is_current(nonce, HOST))

    def test_who_gave_it_out_knows_it_for_ever(self) -> None:
        nonce = self.nonces.new(HOST)
        self.clock.advance(1e9)

        self.assertTrue(self.nonces.is_own(nonce, HOST))
        self.assertFalse(self.nonces.is_own(nonce, "192.0.2.8"))
        self.assertFalse(self.nonces.is_own(nonce[:-1] + "x", HOST))

    def test_it_cannot_be_made_younger(self) -> None:
        given_out, _, seal = self.nonces.new(HOST).partition("-")
        self.clock.advance(60)

        self.assertEqual(given_out, "0")
        for forged in (f"3c-{seal}", f"ffffffffffffffff-{seal}", f"-1-{seal}", f"00-{seal}"):
            self.assertFalse(self.nonces.is_current(forged, HOST))
            self.assertFalse(self.nonces.is_own(forged, HOST))

    @given(st.text() | st.text("0123456789abcdef-", max_size=60))
    def test_what_was_not_given_out_is_not_good(self, text: str) -> None:
        self.assertFalse(self.nonces.is_current(text, HOST))

    @given(st.integers(0, 2**60), st.text(st.characters(codec="ascii")))
    def test_players_can_hold_it(self, now_s: int, host: str) -> None:
        nonce = Nonces(KEY, 60.0, lambda: now_s).new(host)

        self.assertRegex(nonce, r"\A[0-9a-f-]{34,49}\Z")
