"""Datagrams, however many: a few in a turn, and the others later or never."""

import socket

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.protocol import DatagramProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override
from zope.interface.verify import verifyObject

from mjpegd.inbox import DATAGRAMS_PER_TURN, RECEIVED_BYTES, Inbox
from mjpegd.test.fakes import DescriptorReactor


class Keeping(DatagramProtocol):
    """Keeps what it is given, and cannot bear some of it."""

    def __init__(self) -> None:
        self.kept: list[tuple[bytes, tuple[str, int]]] = []

    @override
    def logPrefix(self) -> str:
        return "tests"

    @override
    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        if datagram == b"unbearable":
            raise RuntimeError("it broke")
        self.kept.append((datagram, addr))


class InboxTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.sock = self.bound()
        self.sock.setblocking(False)
        self.far = self.bound()
        self.reactor = DescriptorReactor()
        self.protocol = Keeping()
        self.inbox = Inbox(self.sock, self.protocol, self.reactor)
        self.addCleanup(self.inbox.close)

    def bound(self) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(sock.close)
        sock.bind(("127.0.0.1", 0))
        return sock

    def send(self, *datagrams: bytes) -> None:
        for datagram in datagrams:
            self.far.sendto(datagram, self.sock.getsockname())

    def test_is_something_to_read_from(self) -> None:
        verifyObject(IReadDescriptor, self.inbox)
        self.assertEqual(self.inbox.logPrefix(), "tests")
        self.assertEqual(self.reactor.readers, [self.inbox])

    def test_datagrams_come_with_where_they_are_from(self) -> None:
        self.send(b"one", b"", b"two")
        self.inbox.doRead()

        source = self.far.getsockname()
        self.assertEqual(self.protocol.kept, [(data, source) for data in (b"one", b"", b"two")])

    def test_of_many_a_few_are_read_even_of_empty_ones(self) -> None:
        self.send(*[b""] * (DATAGRAMS_PER_TURN + 3))

        self.inbox.doRead()
        self.assertEqual(len(self.protocol.kept), DATAGRAMS_PER_TURN)
        self.inbox.doRead()
        self.assertEqual(len(self.protocol.kept), DATAGRAMS_PER_TURN + 3)

    def test_long_ones_are_cut(self) -> None:
        self.send(bytes(RECEIVED_BYTES + 1))
        self.inbox.doRead()

        self.assertEqual(len(self.protocol.kept[0][0]), RECEIVED_BYTES)

    def test_a_fault_costs_one_datagram(self) -> None:
        self.send(b"unbearable", b"other")
        self.inbox.doRead()

        self.assertEqual([datagram for datagram, _ in self.protocol.kept], [b"other"])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_that_a_viewer_has_closed_its_port_disturbs_nobody(self) -> None:
        self.sock.connect(self.far.getsockname())
        self.far.close()
        for _ in range(3):
            try:
                self.sock.send(b"nobody is there")
            except ConnectionRefusedError:
                continue
        self.inbox.doRead()

        self.assertEqual(self.protocol.kept, [])

    def test_what_is_closed_is_read_no_more(self) -> None:
        self.inbox.close()
        self.inbox.connectionLost(Failure(ConnectionError()))

        self.assertEqual(self.reactor.readers, [])
        self.assertEqual(self.inbox.fileno(), -1)
        self.assertGreater(self.sock.fileno(), 0)
