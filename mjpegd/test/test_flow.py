import contextlib
import socket
from collections.abc import Iterable
from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import (
    IAddress,
    IProducer,
    IPushProducer,
    ISystemHandle,
)
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import Clock
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override
from zope.interface import implementer
from zope.interface.verify import verifyObject

from mjpegd.flow import (
    JAM_BYTES,
    Alarm,
    Allowance,
    Consumer,
    Outflow,
    Patience,
    socket_below,
    system_socket,
)
from mjpegd.limits import Limits


@implementer(Consumer)
class Hidden:
    """A transport without a socket of its own, as with TLS: it says when it is full.

    Attributes:
        written: What it was given.
        producer: Who is told.
        is_streaming: It is told of jams only.
    """

    def __init__(self) -> None:
        self.written = bytearray()
        self.producer: IPushProducer | None = None
        self.is_streaming = False

    def write(self, data: bytes) -> None:
        if not isinstance(data, bytes):
            raise TypeError(f"{type(data)} cannot be written")
        self.written += data

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        self.write(b"".join(iovec))

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        self.producer = IPushProducer(producer)
        self.is_streaming = streaming
        if not streaming:
            self.producer.resumeProducing()

    def unregisterProducer(self) -> None:
        self.producer = None

    def loseConnection(self) -> None:
        pass

    def getPeer(self) -> IAddress:
        return UNIXAddress(b"")

    def getHost(self) -> IAddress:
        return UNIXAddress(b"")


@implementer(ISystemHandle)
class Plain(Hidden):
    """A transport that writes to a socket as it is told."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._sock = sock

    def getHandle(self) -> socket.socket:
        return self._sock


class SocketTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        one, other = socket.socketpair()
        self.addCleanup(one.close)
        self.addCleanup(other.close)
        self.plain = Plain(one)

    def test_layers_hide_it_from_who_writes(self) -> None:
        self.assertIsNone(system_socket(Hidden()))
        self.assertIs(system_socket(self.plain), self.plain.getHandle())

    def test_it_is_found_below_all_layers(self) -> None:
        transport: Any = self.plain  # a wrapper is a transport in all but its hints
        for _ in range(2):
            layer = ProtocolWrapper(WrappingFactory(ServerFactory()), Protocol())
            layer.makeConnection(transport)
            transport = layer

        self.assertIs(socket_below(transport), self.plain.getHandle())
        self.assertIsNone(socket_below(Hidden()))


class OutflowTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.told: list[bool] = []
        self.outflow = Outflow(lambda: self.told.append(self.outflow.is_jammed))

    def plain(self) -> Plain:
        """A connection whose other end is `client`."""
        ours, self.client = socket.socketpair()
        for sock in (ours, self.client):
            self.addCleanup(sock.close)
            sock.setblocking(False)
        transport = Plain(ours)
        self.outflow.connect(transport)
        return transport

    def read(self) -> bytes:
        """All that has come to the client."""
        data = b""
        with contextlib.suppress(BlockingIOError):
            while more := self.client.recv(1 << 20):
                data += more
        return data

    def test_is_a_push_producer(self) -> None:
        self.assertTrue(verifyObject(IPushProducer, self.outflow))

    def test_what_the_system_takes_leaves_at_once(self) -> None:
        transport = self.plain()

        self.outflow.write(memoryview(b"train"))
        self.outflow.write(b"answer")

        self.assertEqual(self.read(), b"trainanswer")
        self.assertEqual(transport.written, b"")
        self.assertFalse(self.outflow.is_jammed)

    def test_what_is_left_over_and_what_comes_behind_it_waits_in_order(self) -> None:
        transport = self.plain()
        large = bytes(range(256)) * 40_000

        self.outflow.write(large)
        self.outflow.write(b"behind")
        sent = self.read()
        self.outflow.write(b"there is room, but others are first")

        self.assertTrue(0 < len(sent) < len(large))
        self.assertEqual(sent + transport.written[:-41], large)
        self.assertTrue(transport.written.endswith(b"behindthere is room, but others are first"))

    def test_is_jammed_while_much_waits_and_told_when_all_is_written(self) -> None:
        transport = self.plain()
        assert transport.producer is not None, "it wants to be told"
        self.assertFalse(transport.is_streaming)
        self.told.clear()
        self.outflow.write(bytes(10_000_000))
        self.assertTrue(self.outflow.is_jammed)
        self.read()

        transport.producer.resumeProducing()
        self.outflow.write(b"at once again")

        self.assertEqual(self.told, [False])
        self.assertEqual(self.read(), b"at once again")

    def test_little_that_waits_is_no_jam(self) -> None:
        self.plain()
        self.outflow.write(bytes(10_000_000))
        self.outflow.resumeProducing()

        self.outflow.write(bytes(JAM_BYTES))
        self.assertFalse(self.outflow.is_jammed)
        self.outflow.write(b"more")

        self.assertTrue(self.outflow.is_jammed)

    def test_what_waits_is_a_copy(self) -> None:
        transport = self.plain()
        self.outflow.write(bytes(10_000_000))
        train = bytearray(b"train")

        self.outflow.write(memoryview(train))
        train[:] = b"other"

        self.assertTrue(transport.written.endswith(b"train"))

    def test_each_message_is_put_into_its_envelope_but_what_goes_through_is_not(self) -> None:
        self.plain()
        self.outflow.envelope = lambda data: b"<" + data + b">"

        self.outflow.write(memoryview(b"train"))
        self.outflow.write_through(b"pong")
        self.outflow.write(b"answer")

        self.assertEqual(self.read(), b"<train>pong<answer>")

    def test_a_broken_connection_is_left_to_its_transport(self) -> None:
        transport = self.plain()
        self.client.close()

        self.outflow.write(b"into the void")

        self.assertEqual(transport.written, b"into the void")

    def test_without_a_socket_all_goes_through_the_transport(self) -> None:
        transport = Hidden()
        self.outflow.connect(transport)
        self.assertTrue(transport.is_streaming)

        self.outflow.write(memoryview(b"train"))
        self.outflow.write(bytes(JAM_BYTES + 1))
        self.assertFalse(self.outflow.is_jammed)
        self.outflow.pauseProducing()
        self.assertTrue(self.outflow.is_jammed)
        self.outflow.resumeProducing()

        self.assertEqual(len(transport.written), 5 + JAM_BYTES + 1)
        self.assertEqual(self.told, [False])

    def test_a_connection_that_is_gone_takes_nothing(self) -> None:
        self.outflow.stopProducing()

        self.assertTrue(self.outflow.is_jammed)

    def test_before_there_is_a_connection_nothing_is_written(self) -> None:
        self.outflow.write(b"to nobody")

        self.assertFalse(self.outflow.is_jammed)


class AllowanceTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.allowance = Allowance(10.0, 3, 100.0)

    def test_a_burst_waits_for_nothing(self) -> None:
        self.assertEqual([self.allowance.spend(100.0) for _ in range(3)], [0.0] * 3)

    def test_beyond_the_burst_the_rate_is_kept(self) -> None:
        for _ in range(3):
            self.allowance.spend(100.0)

        self.assertAlmostEqual(self.allowance.spend(100.0), 0.1)
        self.assertAlmostEqual(self.allowance.spend(100.1), 0.1)

    def test_silence_earns_no_more_than_the_burst(self) -> None:
        self.allowance.spend(1000.0)

        waits_s = [self.allowance.spend(1000.0) for _ in range(3)]

        self.assertEqual(waits_s[:2], [0.0, 0.0])
        self.assertGreater(waits_s[2], 0.0)


class AlarmTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.clock = Clock()
        self.rung: list[str] = []
        self.alarm = Alarm(self.clock)

    def test_rings_once(self) -> None:
        self.alarm.set(1.0, self.rung.append, "one")
        self.clock.pump([1.0, 1.0])

        self.assertEqual(self.rung, ["one"])

    def test_set_anew_forgets_what_was_set_before(self) -> None:
        self.alarm.set(1.0, self.rung.append, "one")
        self.alarm.set(2.0, self.rung.append, "two")
        self.clock.pump([1.0, 1.0])

        self.assertEqual(self.rung, ["two"])

    def test_stopped_leaves_nothing(self) -> None:
        self.alarm.set(1.0, self.rung.append, "one")
        self.alarm.stop()

        self.assertEqual(self.clock.getDelayedCalls(), [])


class PatienceTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.clock = Clock()
        self.told: list[str] = []
        limits = Limits(request_s=5.0, idle_s=30.0)
        self.patience = Patience(
            self.clock,
            limits,
            lambda: self.told.append("too slow"),
            lambda: self.told.append("idle"),
        )
        self.patience.completed()

    def test_a_message_that_drips_in_has_its_time_from_its_first_byte(self) -> None:
        for _ in range(4):
            self.patience.begun()
            self.clock.advance(1.5)

        self.assertEqual(self.told, ["too slow"])

    def test_a_complete_message_begins_the_silence_anew(self) -> None:
        self.patience.begun()
        self.clock.advance(4)
        self.patience.completed()
        self.clock.advance(29)
        self.assertEqual(self.told, [])
        self.clock.advance(1)

        self.assertEqual(self.told, ["idle"])

    def test_stopped_leaves_nothing(self) -> None:
        self.patience.stop()

        self.assertEqual(self.clock.getDelayedCalls(), [])
