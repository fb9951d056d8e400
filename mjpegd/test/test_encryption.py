"""TLS in memory: the client's end is Python's own, which has OpenSSL to itself."""

import contextlib
import ssl
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol
from twisted.logger import LogEvent, capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.addresses import Networks
from mjpegd.encryption.tls import DAY_S, Encryption
from mjpegd.errors import ConfigurationError
from mjpegd.limits import Limits
from mjpegd.settings import Tls
from mjpegd.test.conversation import TCP, VIEWER, Client, Server, Wire, said
from mjpegd.test.fakes import at_once
from mjpegd.test.keys import Pair, pair
from mjpegd.watching import INTERVAL_S

HERE = IPv4Address("TCP", "192.0.2.1", 8322)
SECURE_URL = "rtsps://192.0.2.1:8322/movie.Mjpeg"


class LateWire(Wire):
    """A connection that is lost in a later turn of the reactor, as Twisted's are.

    Args:
        clock: The reactor's.
    """

    def __init__(self, clock: IReactorTime) -> None:
        super().__init__(IPv4Address("TCP", VIEWER, 40_000), HERE)
        self._clock = clock

    @override
    def close(self) -> None:
        self._clock.callLater(0, super().close)


class Deciphered:
    """A client's end of an encrypted connection: what it sends and reads, without TLS.

    Attributes:
        wire: The connection as it is.
        received: What the client has read.
        has_ended: The server has said that nothing follows.
    """

    def __init__(self, server: Server, wire: Wire) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.wire = wire
        self.received = bytearray()
        self.has_ended = False
        self._server = server
        self._came, self._goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._came, self._goes)

    def greet(self) -> None:
        """Make the handshake."""
        for _ in range(4):
            with contextlib.suppress(ssl.SSLWantReadError):
                self._tls.do_handshake()
            self._exchange()

    @property
    def certificate(self) -> bytes:
        """What the server has shown, in PEM."""
        return ssl.DER_cert_to_PEM_cert(self._tls.getpeercert(binary_form=True) or b"").encode()

    @property
    def version(self) -> str:
        """Of TLS."""
        return self._tls.version() or ""

    @property
    def is_closed(self) -> bool:
        """The connection is gone."""
        return self.wire.is_closed

    def sent(self, data: bytes) -> None:
        """The client sends."""
        self._tls.write(data)
        self.turn()

    def turn(self) -> None:
        """What both have written comes to the other."""
        for _ in range(3):
            self._exchange()
            try:
                while data := self._tls.read(65_536):
                    self.received += data
            except ssl.SSLWantReadError:
                continue
            self.has_ended = True

    def _exchange(self) -> None:
        if data := self._goes.read():
            self.wire.sent(data)
        self._server.clock.advance(0)
        self._came.write(bytes(self.wire.received))
        self.wire.received.clear()


class EncryptionTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.paths = pair().write(self.folder)
        self.serve()

    def serve(self, limits: Limits | None = None, networks: Networks | None = None) -> None:
        self.server = Server(limits, networks=networks)
        self.encryption = self.encrypting(time.time)
        self.factory = self.encryption.around(self.server.factory)

    def encrypting(self, unix_s: Callable[[], float]) -> Encryption:
        return Encryption(Tls(0, *self.paths, is_only=False), self.server.clock, at_once, unix_s)

    def start(self) -> str:
        """Read the certificate for the first time; what the log says."""
        with capturedLogs() as events:
            self.encryption.start()
        self.addCleanup(self.encryption.stop)
        return self.text(events)

    def text(self, events: Sequence[LogEvent]) -> str:
        return "\n".join(said(events))

    def wire(self) -> Wire:
        wire = LateWire(self.server.clock)
        protocol = self.factory.buildProtocol(wire.getPeer())
        assert isinstance(protocol, Protocol)
        wire.protocol = protocol
        protocol.makeConnection(wire)
        return wire

    def connect(self) -> Deciphered:
        end = Deciphered(self.server, self.wire())
        end.greet()
        return end

    def client(self) -> Client:
        return Client(cast(Wire, self.connect()))  # of which a client uses what it has

    def replace(self, other: Pair) -> str:
        """Other files in place of the certificate's; what the log says of it."""
        other.write(self.folder)
        with capturedLogs() as events:
            self.server.clock.pump([INTERVAL_S] * 2)
        return self.text(events)

    # --- what travels on it -----------------------------------------------------------------

    def test_a_film_plays(self) -> None:
        self.start()
        client = self.client()
        client.setup(TCP, SECURE_URL)
        self.assertEqual(client.ask("PLAY", SECURE_URL).status, 200)

        self.server.advance(0.5)
        cast(Deciphered, client.wire).turn()

        self.assertTrue(client.packets())

    def test_it_is_the_newest_version_of_tls(self) -> None:
        self.start()

        self.assertEqual(self.connect().version, "TLSv1.3")

    def test_media_does_not_leave_it(self) -> None:
        self.start()

        self.assertEqual(self.client().setup(uri=SECURE_URL).status, 461)

    # --- how it ends ------------------------------------------------------------------------

    def test_the_last_answer_comes_and_then_the_end(self) -> None:
        self.start()
        client = self.client()
        client.send("nonsense\r\n\r\n")

        self.assertEqual([answer.status for answer in client.responses()], [400])
        end = cast(Deciphered, client.wire)
        end.turn()
        self.assertTrue(end.has_ended)

    def test_one_that_waits_for_the_client_to_end_is_closed_in_time(self) -> None:
        self.start()
        client = self.client()
        client.send("nonsense\r\n\r\n")
        self.server.advance(3)

        self.assertTrue(client.wire.is_closed)
        self.assertEqual(self.server.factory.connections, 0)

    def test_a_handshake_that_does_not_come_about_ends(self) -> None:
        self.start()
        silent = self.wire()
        slow = self.wire()
        for byte in b"\x16\x03\x01\x02\x00\x01":
            slow.sent(bytes([byte]))
            self.server.advance(Limits().idle_s / 6 + 1, step_s=1)

        self.assertTrue(silent.is_closed)
        self.assertTrue(slow.is_closed)

    def test_what_is_no_tls_is_closed_and_told_in_the_log(self) -> None:
        self.start()
        wire = self.wire()
        with capturedLogs() as events:
            wire.sent(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
            self.server.clock.advance(0)

        self.assertTrue(wire.is_closed)
        self.assertRegex(self.text(events), rf"\A{VIEWER}: TLS failed: [a-z, ]+\Z")

    def test_a_flood_of_that_is_one_number(self) -> None:
        self.start()
        with capturedLogs() as events:
            for _ in range(50):
                self.wire().sent(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
            self.server.advance(11)

        lines = self.text(events)
        self.assertEqual(lines.count("TLS failed"), 20)
        self.assertIn("30 more failures of TLS", lines)

    def test_a_client_that_goes_is_no_failure(self) -> None:
        self.start()
        end = self.connect()
        with capturedLogs() as events:
            end.wire.close()
            self.server.clock.advance(0)

        self.assertEqual(self.text(events), "")

    # --- who is turned away -----------------------------------------------------------------

    def test_who_comes_from_elsewhere_is_told_so(self) -> None:
        self.serve(networks=Networks.parse(["192.0.2.0/24"]))
        self.start()
        client = self.client()
        cast(Deciphered, client.wire).turn()

        self.assertEqual([answer.status for answer in client.responses()], [403])

    def test_in_a_flood_they_are_closed_without_a_word(self) -> None:
        self.serve(networks=Networks.parse(["192.0.2.0/24"]))
        self.start()
        for _ in range(64):
            self.wire()

        self.assertIsNone(self.factory.buildProtocol(IPv4Address("TCP", VIEWER, 40_000)))

    # --- its certificate --------------------------------------------------------------------

    def test_whose_it_is_and_until_when_is_told(self) -> None:
        lines = self.start()

        self.assertRegex(
            lines, r"certificate\.pem is the certificate of 127\.0\.0\.1, valid until 20\d\d-"
        )
        self.assertEqual(lines.count("\n"), 0)

    def test_a_key_that_everybody_can_read_is_told(self) -> None:
        self.paths[1].chmod(0o644)

        self.assertIn("key.pem can be read by everybody on this machine", self.start())

    def test_without_one_there_is_no_start(self) -> None:
        self.paths[0].unlink()

        with self.assertRaises(ConfigurationError):
            self.encryption.start()
        self.assertEqual(self.server.clock.getDelayedCalls(), [])

    def test_before_the_start_nothing_can_be_encrypted(self) -> None:
        with self.assertRaises(RuntimeError):
            self.wire()

    def test_who_comes_after_a_change_is_shown_the_new_one(self) -> None:
        self.start()
        before = self.client()
        lines = self.replace(pair("camera.example"))

        self.assertIn("is the certificate of camera.example", lines)
        self.assertEqual(self.connect().certificate, pair("camera.example").certificate)
        self.assertEqual(before.ask("OPTIONS", SECURE_URL).status, 200)

    def test_both_files_renewed_are_one_line(self) -> None:
        self.start()

        self.assertEqual(self.replace(pair("camera.example")).count("\n"), 0)

    def test_read_again_at_once_it_is_one_line_too(self) -> None:
        self.start()
        pair("camera.example").write(self.folder)
        with capturedLogs() as events:
            self.encryption.read_again()
            self.server.clock.pump([INTERVAL_S] * 3)

        self.assertEqual(self.text(events).count("is the certificate of"), 1)

    def test_it_can_be_read_again_at_once(self) -> None:
        self.start()
        pair("camera.example").write(self.folder)
        self.encryption.read_again()

        self.assertEqual(self.connect().certificate, pair("camera.example").certificate)

    def test_where_the_new_one_is_broken_the_old_one_stays(self) -> None:
        self.start()
        for broken in (Pair(b"", b""), Pair(pair("camera.example").certificate, pair().key)):
            lines = self.replace(broken)

            self.assertIn("; nothing changes", lines)
            self.assertEqual(self.connect().certificate, pair().certificate)

    def test_one_that_has_ended_serves_and_is_told(self) -> None:
        self.paths = pair("old.example", begins_days=-9, ends_days=-1).write(self.folder)
        lines = self.start()

        self.assertRegex(lines, r"the certificate in .*certificate\.pem has ended on 20")
        self.assertEqual(self.connect().version, "TLSv1.3")

    def test_before_it_ends_that_is_told_every_day(self) -> None:
        now_s = time.time() + 15.5 * DAY_S
        self.encryption = self.encrypting(lambda: now_s + self.server.clock.seconds())
        self.assertNotIn("ends on", self.start())

        with capturedLogs() as events:
            self.server.clock.pump([DAY_S] * 3)

        self.assertEqual(self.text(events).count("certificate.pem ends on 20"), 3)

    def test_after_the_end_nothing_is_looked_after(self) -> None:
        self.start()
        self.encryption.stop()

        self.assertEqual(self.server.clock.getDelayedCalls(), [])
