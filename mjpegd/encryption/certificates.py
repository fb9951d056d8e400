"""The server's certificate and its key: read from files, checked, and told to people."""

import os
import re
import stat
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from OpenSSL import SSL
from twisted.internet.ssl import CertificateOptions, TLSVersion

from mjpegd.errors import ConfigurationError
from mjpegd.logs import openssl_reason

CERTIFICATE, PRIVATE_KEY = "--certificate", "--private-key"
Key = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
)
# Renewal is a matter of days; who reads the log has this long for it.
NOTICE = timedelta(days=14)

# What programs write: PKCS #8, encrypted or not, and the older "RSA PRIVATE KEY", "EC PRIVATE KEY".
_KEY = re.compile(rb"-----BEGIN ((?:[A-Z]+ )?PRIVATE KEY)-----.+?-----END \1-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate whose key is at hand.

    Attributes:
        options: How TLS is spoken with it.
        names: The hosts that it is for.
        begins: It is valid from then on.
        ends: It is valid until then.
        is_key_open: Everybody on this machine can read the key.
    """

    options: CertificateOptions
    names: tuple[str, ...]
    begins: datetime
    ends: datetime
    is_key_open: bool

    @classmethod
    def read(cls, path: Path, key_path: Path) -> Self:
        """Read both, in PEM: the server's certificate first, then those that vouch for it.

        Args:
            path: The certificates.
            key_path: The key; may be the same file.

        Raises:
            ConfigurationError: One cannot be read, or both do not belong together; says what to do.
        """
        chain = _chain(path)
        key, is_key_open = _key(key_path)
        if _public_bytes(key.public_key()) != _public_bytes(chain[0].public_key()):
            raise ConfigurationError(
                f"{PRIVATE_KEY} {key_path}: this is the key of another certificate than the "
                f"first one in {path}"
            )
        # Any: the hints of Twisted are older than pyOpenSSL, which takes these as they are.
        shown: dict[str, Any] = {
            "privateKey": key,
            "certificate": chain[0],
            "extraCertChain": chain[1:],
        }
        try:
            options = CertificateOptions(**shown, raiseMinimumTo=TLSVersion.TLSv1_2)
            options.getContext()  # made now, so that what OpenSSL does not like is said now
        except (SSL.Error, MemoryError) as fault:
            raise ConfigurationError(f"{CERTIFICATE} {path}: {why_unusable(fault)}") from None
        return cls(
            options,
            _names(chain[0]),
            chain[0].not_valid_before_utc,
            chain[0].not_valid_after_utc,
            is_key_open,
        )

    def remark(self, now_unix_s: float) -> str:
        """What is wrong with its time, or will be soon; empty for nothing."""
        now = datetime.fromtimestamp(now_unix_s, UTC)
        if now > self.ends:
            return f"has ended on {day(self.ends)}: players will refuse it"
        if now < self.begins:
            return f"begins on {day(self.begins)}: players will refuse it until then"
        if now > self.ends - NOTICE:
            return f"ends on {day(self.ends)}"
        return ""


def why_unusable(fault: SSL.Error | MemoryError) -> str:
    """What keeps OpenSSL from using a certificate that was read."""
    if isinstance(fault, MemoryError):  # of cffi, which makes functions for OpenSSL to call
        return (
            "TLS needs memory that is written and then executed, and this process may have none; "
            "under systemd, MemoryDenyWriteExecute=no allows it"
        )
    return f"OpenSSL refuses it: {openssl_reason(fault)}"


def day(moment: datetime) -> str:
    """A moment as people want to know it of a certificate."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _chain(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_content(CERTIFICATE, path)[0])
    except ValueError:
        raise ConfigurationError(f"{CERTIFICATE} {path}: there is no certificate in it") from None


def _key(path: Path) -> tuple[Key, bool]:
    content, mode = _content(PRIVATE_KEY, path)
    found = _KEY.search(content)
    if found is None:
        raise ConfigurationError(
            f"{PRIVATE_KEY} {path}: there is no key in it; without {PRIVATE_KEY} it has to be in "
            f"the file of {CERTIFICATE}"
        )
    try:
        key = load_pem_private_key(found[0], password=None)
    except TypeError:
        raise ConfigurationError(
            f"{PRIVATE_KEY} {path}: the key is protected by a password, for which nobody can be "
            f"asked; openssl pkey -in {path} writes it without one"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigurationError(f"{PRIVATE_KEY} {path}: the key in it cannot be read") from None
    if not isinstance(key, Key):
        raise ConfigurationError(
            f"{PRIVATE_KEY} {path}: TLS has no use for a key of this kind; RSA or EC will do"
        )
    return key, bool(mode & stat.S_IROTH)


def _content(option: str, path: Path) -> tuple[bytes, int]:
    """What is in a file, and its mode."""
    try:
        with path.open("rb") as file:
            return file.read(), os.fstat(file.fileno()).st_mode
    except FileNotFoundError:
        raise ConfigurationError(f"{option} {path}: does not exist") from None
    except OSError as fault:
        raise ConfigurationError(f"{option} {path}: cannot be read: {fault.strerror}") from None


def _public_bytes(key: CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        # Players of today look at alternative names only; people may still want to know.
        return (certificate.subject.rfc4514_string(),)
    return tuple(str(name.value) for name in found.value)
