"""Certificates for tests, which nobody vouches for but they themselves."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, each in PEM."""

    certificate: bytes
    key: bytes

    @property
    def both(self) -> bytes:
        """The same in one file."""
        return self.key + self.certificate

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Two files in a folder; that of the key is for its owner only."""
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        certificate.write_bytes(self.certificate)
        key.touch(mode=0o600)
        key.write_bytes(self.key)
        return certificate, key


@cache
def pair(
    host: str = HOST,
    *,
    begins_days: int = -1,
    ends_days: int = 30,
    is_old: bool = False,
    is_weak: bool = False,
) -> Pair:
    """What a host shows that it is itself.

    Args:
        host: Name or address.
        begins_days: When it becomes valid, in days from now.
        ends_days: When it ends to be, likewise.
        is_old: The host is named as a common name only, as long ago.
        is_weak: The key is shorter than OpenSSL accepts.
    """
    curve = ec.SECP192R1() if is_weak else ec.SECP256R1()
    key = ec.generate_private_key(curve)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    unsigned = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=begins_days))
        .not_valid_after(now + timedelta(days=ends_days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    if not is_old:
        names = x509.SubjectAlternativeName([_alternative(host)])
        unsigned = unsigned.add_extension(names, critical=False)
    signed = unsigned.sign(key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Pair(signed.public_bytes(Encoding.PEM), private)


def _alternative(host: str) -> x509.GeneralName:
    with suppress(ValueError):
        return x509.IPAddress(ip_address(host))
    return x509.DNSName(host)
