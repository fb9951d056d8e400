"""rtsps:// with the player: TLS in front of a daemon, and who vouches for it."""

import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IReactorSSL
from twisted.internet.ssl import DefaultOpenSSLContextFactory
from twisted.internet.utils import getProcessOutputAndValue
from twisted.protocols.portforward import ProxyFactory
from twisted.trial.unittest import TestCase
from typing_extensions import override

from mjpegd.test import films
from mjpegd.test.pictures import number_of
from tests.system import player
from tests.system.cases import SystemTestCase, film
from tests.system.player import Outcome

FRAMES = 25


def certificate(host: str) -> bytes:
    """A key and a certificate for a host that nobody vouches for but itself, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private + signed.public_bytes(serialization.Encoding.PEM)


class SecurePlayerTests(TestCase, SystemTestCase):
    timeout = 120

    @override
    def setUp(self) -> None:
        daemon = self.running({"film.avi": film(FRAMES)})
        self.path = self.folder() / "film.mjpeg"
        self.pem = self.folder() / "certificate.pem"
        self.pem.write_bytes(certificate("127.0.0.1"))
        port = IReactorSSL(reactor).listenSSL(
            0,
            ProxyFactory("127.0.0.1", daemon.port),  # type: ignore[arg-type]  # as good as any
            DefaultOpenSSLContextFactory(str(self.pem), str(self.pem)),
            interface="127.0.0.1",
        )
        self.addCleanup(port.stopListening)
        address = port.getHost()
        assert isinstance(address, IPv4Address)
        self.url = f"rtsps://127.0.0.1:{address.port}/film.avi"

    async def watch(self, *arguments: str, **environ: str) -> Outcome:
        """What `player.watch` does, while the reactor goes on."""
        output, words, status = await getProcessOutputAndValue(
            sys.executable,
            [*player.PLAYER[1:], "--headless", f"--record={self.path}", *arguments, self.url],
            env=player.environment(environ),
        )
        return Outcome(status, output.decode(), words.decode())

    def assert_plays(self, outcome: Outcome) -> None:
        """All frames came, in order, over TCP."""
        self.assertEqual(outcome.status, 0, outcome)
        self.assertIn(" over TCP: ", outcome.output)
        frames = films.frames_of(self.path.read_bytes())
        self.assertEqual([number_of(frame) for frame in frames], [*range(FRAMES)])

    async def test_a_server_for_which_nobody_vouches_is_refused(self) -> None:
        outcome = await self.watch()

        self.assertEqual(outcome.status, 1, outcome)
        self.assertEqual(
            outcome.words.splitlines()[-1],
            "mjpegd-player: Nobody vouches for the certificate of 127.0.0.1: it may be another"
            " machine that answers. If you trust it all the same, start the player with"
            " --no-verify.",
        )
        self.assertFalse(self.path.exists())

    async def test_it_is_played_from_where_nobody_needs_to_vouch(self) -> None:
        self.assert_plays(await self.watch("--no-verify"))

    async def test_it_is_played_from_where_the_system_vouches(self) -> None:
        self.assert_plays(await self.watch(SSL_CERT_FILE=str(self.pem)))
