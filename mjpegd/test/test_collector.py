"""That the collector of cycles has little to do: it halts everybody while it works."""

import gc
import weakref

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.collector import (
    EVERYTHING_S,
    PIECES_OF_WORK,
    YOUNGER_COLLECTIONS,
    Collector,
    settle,
)
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


class Node:
    """What can be a cycle."""

    def __init__(self) -> None:
        self.itself = self


def make_nodes(count: int) -> list[Node]:
    return [Node() for _ in range(count)]


class CollectorTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.addCleanup(gc.set_threshold, *gc.get_threshold())
        self.addCleanup(gc.unfreeze)
        gc.collect()
        gc.freeze()
        self.clock = Clock()
        self.collector = Collector(self.clock.seconds)
        self.collector.start()
        self.addCleanup(self.collector.stop)

    def work(self, pieces: int = PIECES_OF_WORK) -> None:
        for _ in range(pieces):
            self.collector.worked()

    def test_what_work_has_made_is_looked_at_before_it_is_much(self) -> None:
        gc.disable()  # as where as much is freed as is made
        self.addCleanup(gc.enable)
        node = weakref.ref(Node())

        self.work(PIECES_OF_WORK - 1)
        self.assertIsNotNone(node())
        self.work(1)

        self.assertIsNone(node())

    def test_what_was_looked_at_is_old_then(self) -> None:
        nodes = make_nodes(100)

        self.work()

        self.assertLess(len(gc.get_objects(0)) + len(gc.get_objects(1)), len(nodes))

    def collections_of_everything(self, rounds: int) -> int:
        """How many there are of themselves while the stock grows, work being done."""
        before = gc.get_stats()[2]["collections"]
        kept = []
        for _ in range(rounds):
            kept.append(make_nodes(10_000))
            self.work()
        return int(gc.get_stats()[2]["collections"] - before)

    def test_everything_is_looked_at_when_it_is_time_and_not_before(self) -> None:
        self.assertEqual(self.collections_of_everything(20), 0)

        self.clock.advance(EVERYTHING_S)

        self.assertEqual(self.collections_of_everything(20), 1)

    def test_as_often_as_before_when_there_are_no_more_frames_to_send(self) -> None:
        collector = Collector(self.clock.seconds)
        collector.start()

        collector.stop()

        self.assertEqual(gc.get_threshold()[2], YOUNGER_COLLECTIONS)

    def test_to_stop_what_was_not_begun_is_harmless(self) -> None:
        before = gc.get_threshold()

        Collector(self.clock.seconds).stop()

        self.assertEqual(gc.get_threshold(), before)


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
