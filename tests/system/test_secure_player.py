"""rtsps:// with the player: TLS in front of a daemon, and who vouches for it."""

import sys

from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IReactorSSL
from twisted.internet.ssl import DefaultOpenSSLContextFactory
from twisted.internet.utils import getProcessOutputAndValue
from twisted.protocols.portforward import ProxyFactory
from twisted.trial.unittest import TestCase
from typing_extensions import override

from mjpegd.test import films
from mjpegd.test.keys import HOST, pair
from mjpegd.test.pictures import number_of
from tests.system import player
from tests.system.cases import SystemTestCase, film
from tests.system.player import Outcome

FRAMES = 25


class SecurePlayerTests(TestCase, SystemTestCase):
    timeout = 120

    @override
    def setUp(self) -> None:
        daemon = self.running({"film.avi": film(FRAMES)})
        self.path = self.folder() / "film.mjpeg"
        self.pem = self.folder() / "certificate.pem"
        self.pem.write_bytes(pair(HOST).both)
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
