"""`mjpegd.encryption.srtp`: what libsrtp makes of keys and packets, measured by the RFC."""

import hashlib
import hmac
import subprocess
import sys
from collections.abc import Iterator

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.encryption.srtp import (
    MAX_ARRIVING_BYTES,
    MAX_PACKET_BYTES,
    MAX_REPORTERS,
    Guard,
    is_installed,
)
from mjpegd.errors import ProtectionError
from mjpegd.test.encryption import SecureViewer, session
from mjpegd.wire.errors import ParseError
from mjpegd.wire.mikey import Suite
from mjpegd.wire.packets import RTPPacket
from mjpegd.wire.reports import ReceiverReport, compound

CM = Suite.AES_CM_128_HMAC_SHA1_80
# RFC 3711 appendix B.3: a master key with its salt, and what is derived of it.
MASTER = bytes.fromhex("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6")
CIPHER_KEY = bytes.fromhex("C61E7A93744F39EE10734AFE3FF7A087")
CIPHER_SALT = bytes.fromhex("30CBBC08863D8C85D49DB34A9AE1")
AUTH_KEY = bytes.fromhex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4")
SSRC = 0x1234_5678
REPORT = compound(ReceiverReport(7, ()))


def packet(sequence: int, size: int = 100) -> bytes:
    return RTPPacket(26, False, sequence, 90_000, SSRC, bytes(size - 12)).to_bytes()


def expected(plain: bytes, roll_overs: int) -> bytes:
    """A packet as sections 4.1.1 and 4.2 have it, with the keys of the RFC."""
    sequence = int.from_bytes(plain[2:4], "big")
    counter = int.from_bytes(CIPHER_SALT, "big") << 16
    counter ^= SSRC << 64 ^ (roll_overs << 16 | sequence) << 16
    cipher = Cipher(AES(CIPHER_KEY), CTR(counter.to_bytes(16, "big"))).encryptor()
    secret = plain[:12] + cipher.update(plain[12:])
    signed = secret + roll_overs.to_bytes(4, "big")
    return secret + hmac.digest(AUTH_KEY, signed, hashlib.sha1)[:10]


class SRTPTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.viewer = SecureViewer()
        self.guard = Guard(CM, MASTER, self.viewer.message.suite, self.viewer.message.master)

    def test_it_is_installed_where_the_tests_run(self) -> None:
        self.assertTrue(is_installed())

    def test_keys_are_derived_as_in_the_vectors_of_the_rfc(self) -> None:
        plain = packet(7)

        self.assertEqual(self.guard.protect(plain), expected(plain, roll_overs=0))

    def test_wraps_of_the_sequence_number_are_counted(self) -> None:
        for sequence in (0x7000, 0xE000, 0xFFFF):
            self.guard.protect(packet(sequence))

        for roll_overs in (1, 2):
            for sequence in (0, 0x7000, 0xE000, 0xFFFF):
                plain = packet(sequence)
                self.assertEqual(self.guard.protect(plain), expected(plain, roll_overs))

    def test_every_suite_can_be_opened_by_a_viewer(self) -> None:
        for suite in Suite:
            master = bytes(range(suite.key_bytes + suite.salt_bytes))
            guard = Guard(suite, master, suite, master)
            arriving = session(suite, master, arriving=True)

            secret = guard.protect(packet(1))

            self.assertEqual(len(secret), 100 + suite.tag_bytes)
            self.assertEqual(arriving.unprotect(secret), packet(1))
            self.assertEqual(arriving.unprotect_rtcp(guard.protect_report(REPORT)), REPORT)
            reports = session(suite, master)
            self.assertEqual(guard.open_report(reports.protect_rtcp(REPORT)), REPORT)

    def test_the_longest_packet_can_be_encrypted_and_a_longer_one_is_said_to_be_too_long(
        self,
    ) -> None:
        self.assertEqual(len(self.guard.protect(packet(1, MAX_PACKET_BYTES))), 1366)
        for protect in (self.guard.protect, self.guard.protect_report):
            self.assertRaises(ProtectionError, protect, packet(2, MAX_PACKET_BYTES + 1))

    def test_what_is_no_packet_cannot_be_encrypted(self) -> None:
        for protect in (self.guard.protect, self.guard.protect_report):
            self.assertRaises(ProtectionError, protect, b"")


class ReportTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.viewer = SecureViewer()
        self.guard = Guard(CM, MASTER, self.viewer.message.suite, self.viewer.message.master)

    def assert_refused(self, *packets: bytes) -> None:
        for arrived in packets:
            self.assertRaises(ParseError, self.guard.open_report, arrived)

    def damaged(self, secret: bytes) -> Iterator[bytes]:
        for place in range(len(secret)):
            yield secret[:place] + bytes((secret[place] ^ 1,)) + secret[place + 1 :]

    def test_a_report_of_the_viewer_is_opened(self) -> None:
        self.assertEqual(self.guard.open_report(self.viewer.sealed_report(REPORT)), REPORT)

    def test_a_report_that_comes_twice_is_refused(self) -> None:
        secret = self.viewer.sealed_report(REPORT)
        self.guard.open_report(secret)

        self.assert_refused(secret)

    def test_a_report_that_was_changed_on_its_way_is_refused(self) -> None:
        secret = self.viewer.sealed_report(REPORT)

        self.assert_refused(*self.damaged(secret))
        self.assertEqual(self.guard.open_report(secret), REPORT)

    def test_reports_in_the_clear_and_of_others_are_refused(self) -> None:
        self.assert_refused(REPORT, SecureViewer(seed=9).sealed_report(REPORT))

    def test_what_is_too_short_or_too_long_is_refused(self) -> None:
        self.assert_refused(*(REPORT[:size] for size in range(8)), bytes(MAX_ARRIVING_BYTES + 1))

    def test_a_viewer_has_only_so_many_sources(self) -> None:
        secrets = [
            self.viewer.sealed_report(compound(ReceiverReport(ssrc, ())))
            for ssrc in range(MAX_REPORTERS + 1)
        ]
        for secret in secrets[:-1]:
            self.guard.open_report(secret)

        self.assert_refused(secrets[-1])
        self.guard.open_report(self.viewer.sealed_report(compound(ReceiverReport(0, ()))))

    @given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda rest: b"\x81\xc9" + rest))
    def test_any_bytes_are_refused(self, arrived: bytes) -> None:
        self.assert_refused(arrived)


class MissingTests(SynchronousTestCase):
    def test_without_the_library_the_module_says_so(self) -> None:
        program = (
            "import sys; sys.modules['pylibsrtp'] = None; "
            "import mjpegd.theatre; from mjpegd.encryption import srtp; print(srtp.is_installed())"
        )

        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )

        self.assertEqual((done.stdout, done.stderr), ("False\n", ""))
