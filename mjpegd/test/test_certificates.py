from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.encryption.certificates import Certificate, why_unusable
from mjpegd.errors import ConfigurationError
from mjpegd.test.keys import pair

DAY_S = 86_400.0


class ReadTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.path, self.key_path = pair("camera.example").write(self.folder)

    def assert_refused(self, *says: str) -> None:
        with self.assertRaises(ConfigurationError) as caught:
            Certificate.read(self.path, self.key_path)
        for words in says:
            self.assertIn(words, str(caught.exception))
        self.assertNotIn("\n", str(caught.exception))

    def test_certificate_and_key_in_two_files(self) -> None:
        certificate = Certificate.read(self.path, self.key_path)

        self.assertEqual(certificate.names, ("camera.example",))
        self.assertLess(certificate.begins, datetime.now(UTC))
        self.assertGreater(certificate.ends, datetime.now(UTC))

    def test_both_in_one_file_in_either_order(self) -> None:
        for content in (pair().both, pair().certificate + pair().key):
            self.path.write_bytes(content)

            self.assertEqual(Certificate.read(self.path, self.path).names, ("127.0.0.1",))

    def test_what_stands_around_a_key_is_passed_over(self) -> None:
        parameters = (
            b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
        )
        self.key_path.write_bytes(parameters + pair("camera.example").key + b"the end\n")

        Certificate.read(self.path, self.key_path)

    def test_those_that_vouch_for_it_are_shown_with_it(self) -> None:
        self.path.write_bytes(pair("camera.example").certificate + pair("authority").certificate)

        certificate = Certificate.read(self.path, self.key_path)

        self.assertEqual(certificate.names, ("camera.example",))
        self.assertEqual(len(certificate.options.extraCertChain), 1)

    def test_without_alternative_names_the_subject_is_told(self) -> None:
        self.path, self.key_path = pair("old.example", is_old=True).write(self.folder)

        self.assertEqual(Certificate.read(self.path, self.key_path).names, ("CN=old.example",))

    def test_whether_others_can_read_the_key(self) -> None:
        self.assertFalse(Certificate.read(self.path, self.key_path).is_key_open)
        self.key_path.chmod(0o644)
        self.assertTrue(Certificate.read(self.path, self.key_path).is_key_open)

    def test_the_key_of_another_is_refused(self) -> None:
        self.key_path.write_bytes(pair("other.example").key)

        self.assert_refused("--private-key", "this is the key of another certificate")

    def test_a_file_that_is_not_there(self) -> None:
        self.key_path.unlink()
        self.assert_refused(f"--private-key {self.key_path}: does not exist")
        self.path.unlink()
        self.assert_refused(f"--certificate {self.path}: does not exist")

    def test_what_is_no_file(self) -> None:
        self.path.unlink()
        self.path.mkdir()

        self.assert_refused("cannot be read: Is a directory")

    def test_files_without_what_they_are_for(self) -> None:
        for content in (b"", b"hello", pair().key):
            self.path.write_bytes(content)
            self.assert_refused("there is no certificate in it")

    def test_a_certificate_without_its_key(self) -> None:
        self.key_path = self.path

        self.assert_refused("there is no key in it", "has to be in the file of --certificate")

    def test_a_key_with_a_password(self) -> None:
        key = load_pem_private_key(pair("camera.example").key, None)
        locked = BestAvailableEncryption(b"secret")
        for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
            self.key_path.write_bytes(key.private_bytes(Encoding.PEM, form, locked))

            self.assert_refused("is protected by a password", f"openssl pkey -in {self.key_path}")

    def test_a_key_that_is_damaged(self) -> None:
        self.key_path.write_bytes(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")

        self.assert_refused("the key in it cannot be read")

    def test_a_key_that_is_none_for_tls(self) -> None:
        key = x25519.X25519PrivateKey.generate()
        self.key_path.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )

        self.assert_refused("TLS has no use for a key of this kind")

    def test_what_openssl_does_not_take(self) -> None:
        self.path, self.key_path = pair(is_weak=True).write(self.folder)

        self.assert_refused(f"--certificate {self.path}: OpenSSL refuses it: ", "too small")

    def test_where_memory_may_not_be_executed_it_is_told_what_allows_it(self) -> None:
        self.assertIn("MemoryDenyWriteExecute=no", why_unusable(MemoryError()))


class RemarkTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        self.certificate = Certificate.read(*pair().write(folder))

    def test_while_it_is_valid_there_is_nothing_to_say(self) -> None:
        self.assertEqual(
            self.certificate.remark(self.certificate.ends.timestamp() - 15 * DAY_S), ""
        )

    def test_before_it_ends_that_is_said(self) -> None:
        remark = self.certificate.remark(self.certificate.ends.timestamp() - 13 * DAY_S)

        self.assertEqual(remark, f"ends on {self.certificate.ends:%Y-%m-%d %H:%M} UTC")

    def test_when_it_has_ended_that_is_said(self) -> None:
        remark = self.certificate.remark(self.certificate.ends.timestamp() + 1)

        self.assertIn("has ended on", remark)

    def test_before_it_begins_that_is_said(self) -> None:
        remark = self.certificate.remark(self.certificate.begins.timestamp() - 1)

        self.assertIn("players will refuse it until then", remark)
