import errno
import sys
from importlib.util import find_spec
from pathlib import Path
from unittest.mock import patch

from twisted.internet import error
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override
from zope.interface import implementer

from mjpegd.test.conversation import Wire

from ..errors import ConnectError, DisconnectedError
from ..talk.dialling import CONNECT_S, dial, why_lost
from ..talk.location import Location
from .servers import PLACE, PLAYER, PlayerReactor, carry

# For localhost, and signed by nobody but itself.
CERTIFICATE = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgK2mV5XKaaEDmqF8G
ntcmZT5VoE22kd5rn5hAKRI6pAihRANCAATnYUMphJe3UN1tgnZqAPPmwrx5/mU9
dy+LRIrT3Yhah39bLClpkSnrXbusGdwhfu5YI1rzW0Jy9t6l2i19bBVc
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBlTCCATugAwIBAgIUL+bgfaLc+0B/7xaO428zhwrikiowCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNjIzMDAwN1oYDzIxMjYxMTAy
MjMwMDA3WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATnYUMphJe3UN1tgnZqAPPmwrx5/mU9dy+LRIrT3Yhah39bLClpkSnr
XbusGdwhfu5YI1rzW0Jy9t6l2i19bBVco2kwZzAdBgNVHQ4EFgQU+IxswrUmadtb
HWU3nRtEFJ+LKC4wHwYDVR0jBBgwFoAU+IxswrUmadtbHWU3nRtEFJ+LKC4wDwYD
VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZIzj0EAwID
SAAwRQIgPDebt03mYhOdvp2X0GibrGkqFylpam2TrVcq6ZcyFwMCIQDz8k0vmjav
VFtfKOo3dPUW0LGcrm/CF2UQQ4oHv03Evg==
-----END CERTIFICATE-----
"""


class DialTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.reactor = PlayerReactor()
        self.protocol = Protocol()
        self.dialled = self.dial("rtsp://camera:8554/clip")

    def dial(self, url: str) -> Deferred[None]:
        location = Location.parse(url)
        return Deferred.fromCoroutine(
            dial(self.reactor, location, self.protocol, verifies_certificate=True)
        )

    def sentence(self, fault: Exception) -> str:
        self.reactor.failed(fault)
        return str(self.failureResultOf(self.dialled, ConnectError).value)

    def test_a_connection_comes_about(self) -> None:
        wire = Wire(PLACE, PLAYER)

        self.reactor.connected(lambda protocol: protocol.makeConnection(wire))

        self.successResultOf(self.dialled)
        self.assertTrue(self.protocol.connected)

    def test_a_port_where_nobody_listens_is_named(self) -> None:
        text = self.sentence(error.ConnectionRefusedError())

        self.assertEqual(text, "Nothing listens on port 8554 of camera: is the server running?")

    def test_a_host_that_is_unknown_is_named(self) -> None:
        self.assertIn("no host camera", self.sentence(error.DNSLookupError()))

    def test_a_host_that_nothing_leads_to_is_named(self) -> None:
        for fault in (
            error.NoRouteError(errno.ENETUNREACH),
            error.ConnectError(errno.EHOSTUNREACH),
        ):
            self.dialled = self.dial("rtsp://camera/clip")
            self.assertIn("No way leads to camera", self.sentence(fault))

    def test_anything_else_is_told_as_it_came(self) -> None:
        self.assertIn("strange", self.sentence(error.ConnectError(string="strange")))

    def test_a_host_that_does_not_answer_is_given_up(self) -> None:
        self.reactor.advance(CONNECT_S)

        text = str(self.failureResultOf(self.dialled, ConnectError).value)
        self.assertIn("camera does not answer on port 8554", text)

    def test_the_person_may_give_up_first(self) -> None:
        self.dialled.cancel()

        self.failureResultOf(self.dialled, CancelledError)


class WithoutTLSTests(SynchronousTestCase):
    def test_without_its_packages_they_are_named(self) -> None:
        location = Location.parse("rtsps://camera/clip")
        with patch.dict(sys.modules, {"twisted.internet.ssl": None}):
            dialled = Deferred.fromCoroutine(
                dial(PlayerReactor(), location, Protocol(), verifies_certificate=True)
            )

        text = str(self.failureResultOf(dialled, ConnectError).value)
        self.assertIn("pip install 'mjpegd[tls]'", text)


@implementer(IHandshakeListener)
class Caller(Protocol):
    """Remembers whether it was connected to whom it wanted, and why that ended."""

    is_secure = False
    reason = Failure(error.ConnectionDone())

    def handshakeCompleted(self) -> None:  # noqa: N802 - of IHandshakeListener
        self.is_secure = True

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.reason = reason


class SecureTests(SynchronousTestCase):
    """A server whose certificate nobody vouches for."""

    if find_spec("OpenSSL") is None:
        skip = "pyOpenSSL is not installed"

    def call(self, *, verifies_certificate: bool) -> Caller:
        from twisted.internet.ssl import DefaultOpenSSLContextFactory
        from twisted.protocols.tls import TLSMemoryBIOFactory

        reactor, caller = PlayerReactor(), Caller()
        location = Location.parse("rtsps://localhost/clip")
        dialled = Deferred.fromCoroutine(
            dial(reactor, location, caller, verifies_certificate=verifies_certificate)
        )
        near, far = Wire(PLACE, PLAYER), Wire(PLAYER, PLACE)
        pem = self.mktemp()
        Path(pem).write_text(CERTIFICATE)
        context = DefaultOpenSSLContextFactory(pem, pem)
        factory = TLSMemoryBIOFactory(context, False, Factory.forProtocol(Protocol))
        far.protocol = factory.buildProtocol(PLAYER)
        far.protocol.makeConnection(far)

        def accept(protocol: Protocol) -> None:
            near.protocol = protocol
            protocol.makeConnection(near)

        reactor.connected(accept)
        while any([carry(near, far), carry(far, near)]):
            pass
        self.successResultOf(dialled)
        return caller

    def test_it_is_spoken_to_where_nobody_needs_to_vouch_for_it(self) -> None:
        caller = self.call(verifies_certificate=False)

        self.assertTrue(caller.is_secure)

    def test_it_is_not_spoken_to_otherwise(self) -> None:
        caller = self.call(verifies_certificate=True)

        self.flushLoggedErrors()
        self.assertFalse(caller.is_secure)
        self.assertIsInstance(why_lost("camera", caller.reason), ConnectError)


class WhyLostTests(SynchronousTestCase):
    def test_a_server_may_close(self) -> None:
        loss = why_lost("camera", Failure(error.ConnectionDone()))

        self.assertIsInstance(loss, DisconnectedError)
        self.assertEqual(str(loss), "camera closed the connection.")

    def test_a_network_may_break(self) -> None:
        loss = why_lost("camera", Failure(error.ConnectionLost("reset")))

        self.assertIsInstance(loss, DisconnectedError)
        self.assertIn("camera broke", str(loss))

    def test_a_certificate_may_not_be_trusted(self) -> None:
        fault = Exception([("SSL routines", "", "certificate verify failed")])

        loss = why_lost("camera", Failure(fault))

        self.assertIsInstance(loss, ConnectError)
        self.assertIn("--no-verify", str(loss))

    def test_a_server_may_not_speak_tls_at_all(self) -> None:
        fault = Exception([("SSL routines", "", "wrong version number")])

        loss = why_lost("camera", Failure(fault))

        self.assertIsInstance(loss, ConnectError)
        self.assertIn("try rtsp://", str(loss))
