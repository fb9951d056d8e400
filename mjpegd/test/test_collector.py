"""That the collector of cycles has little to do: it halts everybody while it works."""

import gc
import weakref

from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.collector import YOUNGER_COLLECTIONS, settle
from mjpegd.session import Owner
from mjpegd.test.conversation import FILM, TCP, UDP, VIEWER, Server


class SettleTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.addCleanup(gc.set_threshold, *gc.get_threshold())
        self.addCleanup(gc.unfreeze)

    def test_what_is_there_is_looked_at_no_more_and_the_rest_seldom(self) -> None:
        before = gc.get_threshold()

        settle()

        self.assertGreater(gc.get_freeze_count(), 1000)
        self.assertEqual(gc.get_threshold(), (*before[:2], YOUNGER_COLLECTIONS))


class FreedTests(SynchronousTestCase):
    """Without the collector."""

    @override
    def setUp(self) -> None:
        gc.disable()
        self.addCleanup(gc.enable)
        self.server = Server()

    def test_a_connection_is_freed_when_it_closes(self) -> None:
        for transport in ("", TCP, UDP):
            client = self.server.connect()
            if transport:
                client.play(transport)
                self.server.advance(0.5)
                client.ask("TEARDOWN")
            else:
                client.ask("DESCRIBE")
            protocol = weakref.ref(client.wire.protocol)

            client.close()
            del client

            self.assertIsNone(protocol(), transport)

    def test_a_laboratory_client_is_freed_when_it_closes(self) -> None:
        client = self.server.connect()
        client.send(b"SETUP movie.Mjpeg RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= 5000\n")
        self.server.advance(0.1)
        protocol = weakref.ref(client.wire.protocol)

        client.close()
        del client

        self.assertIsNone(protocol())

    def test_a_session_is_freed_when_it_ends(self) -> None:
        for name in (FILM, "live"):
            client = self.server.connect()
            client.setup(TCP, f"rtsp://192.0.2.1/{name}")
            client.ask("PLAY", f"rtsp://192.0.2.1/{name}")
            self.server.advance(0.5)
            session = self.server.registry.find(client.session, Owner(VIEWER))
            sender = weakref.ref(session.way.sender)
            del session

            client.close()
            del client

            self.assertIsNone(sender(), name)
