import errno
import socket
import struct

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.senders.udp import PART_BYTES, RETRY_S, Ancillary, MediaSocket, SocketAddress, UDPSender
from mjpegd.test.conversation import Server
from mjpegd.test.fakes import FakeFilm
from mjpegd.wire.packets import PacketTrain, RTPPacket, TrainTemplate

VIEWER = "192.0.2.1"
PACKET_BYTES = 1400


class Kernel(MediaSocket):
    """A socket whose buffer has as much room as a test gives it.

    Attributes:
        sent: The datagrams that it took, and when.
        room: How many more it takes.
        refusal: What it raises instead.
    """

    def __init__(self, clock: Clock) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            super().__init__(sock)
        self.sent: list[bytes] = []
        self.times_s: list[float] = []
        self.room = 1_000_000
        self.refusal: OSError | None = None
        self._clock = clock

    @override
    def send(self, datagram: memoryview | bytes, to: SocketAddress, source: Ancillary) -> bool:
        if self.refusal is not None:
            raise self.refusal
        if not self.room:
            return False
        self.room -= 1
        self.sent.append(bytes(datagram))
        self.times_s.append(self._clock.seconds())
        return True

    @property
    def sequences(self) -> list[int]:
        return [RTPPacket.parse(datagram).sequence for datagram in self.sent]


def train(packets: int, first: int = 0) -> PacketTrain:
    """A frame of packets of 1400 bytes; the last one is short."""
    payloads = [bytes(PACKET_BYTES - 12)] * (packets - 1) + [b"last"]
    return TrainTemplate.from_payloads(payloads, interleaved=False).stamp(first, 0, 1)


class UDPSenderTestCase(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.clock = Clock()
        self.kernel, self.rtcp = Kernel(self.clock), Kernel(self.clock)
        self.sender = UDPSender(
            self.kernel, self.rtcp, VIEWER, (5000, 5001), "192.0.2.9", self.clock
        )

    def pump(self, seconds: float, step_s: float = 0.0005) -> None:
        self.clock.pump([step_s] * round(seconds / step_s))


class SpreadingTests(UDPSenderTestCase):
    def test_a_small_train_leaves_at_once(self) -> None:
        self.sender.send_train(train(PART_BYTES // PACKET_BYTES), 0.02)

        self.assertEqual(set(self.kernel.times_s), {0.0})
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_large_train_leaves_in_parts_of_32_kb_over_at_most_the_time_allowed(self) -> None:
        self.sender.send_train(train(100), 0.02)
        self.pump(0.02)

        self.assertEqual(self.kernel.sequences, list(range(100)))
        moments = sorted(set(self.kernel.times_s))
        self.assertEqual(len(moments), 5)  # 23 packets each
        self.assertLessEqual(moments[-1], 0.02)
        for moment_s in moments:
            size = sum(
                len(datagram)
                for datagram, at_s in zip(self.kernel.sent, self.kernel.times_s, strict=True)
                if at_s == moment_s
            )
            self.assertLessEqual(size, PART_BYTES)

    def test_parts_are_evenly_spread(self) -> None:
        self.sender.send_train(train(92), 0.02)
        self.pump(0.02)

        moments = sorted(set(self.kernel.times_s))
        for moment_s, expected_s in zip(moments, (0, 0.005, 0.01, 0.015), strict=True):
            self.assertLess(abs(moment_s - expected_s), 0.0006)

    def test_a_train_that_is_still_spread_when_the_next_comes_is_finished_first(self) -> None:
        self.sender.send_train(train(100), 0.5)

        self.sender.send_train(train(2, first=100), 0.5)

        self.assertEqual(self.kernel.sequences, list(range(102)))
        self.assertEqual(self.sender.dropped, 0)

    @given(packets=st.integers(1, 200), spread_s=st.floats(0, 0.5))
    def test_every_train_is_whole_and_in_order(self, packets: int, spread_s: float) -> None:
        self.setUp()

        self.sender.send_train(train(packets), spread_s)
        self.pump(0.51, 0.005)

        self.assertEqual(self.kernel.sequences, list(range(packets)))
        self.assertEqual(self.clock.getDelayedCalls(), [])


class FullKernelTests(UDPSenderTestCase):
    def test_a_train_that_was_begun_goes_on_when_there_is_room(self) -> None:
        self.kernel.room = 3

        self.sender.send_train(train(10), 0.0)
        self.pump(10 * RETRY_S)
        self.assertEqual(self.kernel.sequences, [0, 1, 2])
        self.kernel.room = 100
        self.pump(2 * RETRY_S)

        self.assertEqual(self.kernel.sequences, list(range(10)))
        self.assertEqual(self.sender.dropped, 0)

    def test_a_half_sent_train_is_finished_first_and_the_newest_follows(self) -> None:
        self.kernel.room = 3

        for number in range(4):
            self.sender.send_train(train(10, first=10 * number), 0.0)
        self.kernel.room = 100
        self.pump(2 * RETRY_S)

        self.assertEqual(self.kernel.sequences, [*range(10), *range(30, 40)])
        self.assertEqual(self.sender.dropped, 2)

    def test_discard_drops_what_was_not_begun(self) -> None:
        self.kernel.room = 3
        self.sender.send_train(train(10), 0.0)
        self.sender.send_train(train(10, first=10), 0.0)

        self.sender.discard()
        self.kernel.room = 100
        self.pump(2 * RETRY_S)

        self.assertEqual(self.kernel.sequences, list(range(10)))
        self.assertEqual(self.sender.dropped, 1)

    def test_flush_sends_both_as_soon_as_there_is_room(self) -> None:
        self.kernel.room = 3
        self.sender.send_train(train(60), 0.5)
        self.sender.send_train(train(60, first=60), 0.5)
        self.kernel.room = 1000

        self.sender.flush()

        self.assertEqual(self.kernel.sequences, list(range(120)))

    def test_a_report_that_cannot_leave_is_not_kept(self) -> None:
        self.rtcp.room = 0
        self.sender.send_report(b"old")
        self.rtcp.room = 1
        self.pump(0.1)

        self.assertEqual(self.rtcp.sent, [])

    def test_nothing_is_tried_again_after_closing(self) -> None:
        self.kernel.room = 3
        self.sender.send_train(train(10), 0.0)

        self.sender.close()

        self.assertEqual(self.clock.getDelayedCalls(), [])


class RefusingNetworkTests(UDPSenderTestCase):
    def test_the_rest_of_a_refused_train_is_dropped_and_counted(self) -> None:
        for number in (errno.ENETUNREACH, errno.EMSGSIZE, errno.EPERM):
            self.kernel.refusal = OSError(number, "no")
            self.sender.send_train(train(100), 0.02)
            self.pump(0.03)

        self.assertEqual(self.sender.errors, 3)
        self.assertEqual(self.sender.dropped, 3)
        self.assertEqual(self.sender.last_error, "Operation not permitted")

    def test_the_next_train_has_its_chance(self) -> None:
        self.kernel.refusal = OSError(errno.EHOSTUNREACH, "no")
        self.sender.send_train(train(5), 0.0)
        self.kernel.refusal = None

        self.sender.send_train(train(5, first=5), 0.0)

        self.assertEqual(self.kernel.sequences, [5, 6, 7, 8, 9])

    def test_a_refused_report_is_counted(self) -> None:
        self.rtcp.refusal = OSError(errno.ENETUNREACH, "no")

        self.sender.send_report(b"report")

        self.assertEqual(self.sender.errors, 1)
        self.assertEqual(self.sender.dropped, 0)


class RefusedPacketsTests(SynchronousTestCase):
    def test_what_could_not_be_sent_is_one_line_per_interval_with_the_session(self) -> None:
        server = Server(film=FakeFilm(1000))
        client = server.connect()
        with capturedLogs() as events:
            client.play()
            for _ in range(100):
                server.sender.errors += 1
                server.sender.last_error = "Network is unreachable"
                server.advance(0.1)
            client.ask("TEARDOWN")

        said = [line for line in map(formatEvent, events) if "could not be sent" in line]
        self.assertLessEqual(len(said), 3)
        for line in said:
            self.assertIn(f"session {client.session}: ", line)
            self.assertIn("packets could not be sent: Network is unreachable", line)
        self.assertEqual(sum(int(line.split()[2]) for line in said), 100)


class MediaSocketTests(SynchronousTestCase):
    def media_socket(self, family: int, host: str, *, only_ipv6: bool = False) -> MediaSocket:
        sock = socket.socket(family, socket.SOCK_DGRAM)
        self.addCleanup(sock.close)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only_ipv6)
        sock.bind((host, 0))
        sock.setblocking(False)
        return MediaSocket(sock)

    def receiver(self, family: int, host: str) -> socket.socket:
        sock = socket.socket(family, socket.SOCK_DGRAM)
        self.addCleanup(sock.close)
        sock.bind((host, 0))
        sock.settimeout(5)
        return sock

    def test_a_dual_stack_socket_writes_ipv4_as_mapped(self) -> None:
        sock = self.media_socket(socket.AF_INET6, "::")

        self.assertEqual(sock.address_of("192.0.2.1", 5000), ("::ffff:192.0.2.1", 5000, 0, 0))
        self.assertEqual(sock.address_of("2001:db8::1", 5000), ("2001:db8::1", 5000, 0, 0))

    def test_an_ipv4_socket_writes_addresses_as_they_are(self) -> None:
        sock = self.media_socket(socket.AF_INET, "127.0.0.1")

        self.assertEqual(sock.address_of("192.0.2.1", 5000), ("192.0.2.1", 5000))

    def test_a_link_local_address_keeps_its_interface(self) -> None:
        sock = self.media_socket(socket.AF_INET6, "::")
        number = socket.if_nametoindex("lo")

        self.assertEqual(sock.address_of("fe80::1%lo", 5000), ("fe80::1", 5000, 0, number))
        self.assertEqual(sock.address_of("fe80::1%7", 5000), ("fe80::1", 5000, 0, 7))
        self.assertEqual(sock.address_of("fe80::1%gone0", 5000), ("fe80::1", 5000, 0, 0))
        ((_, _, info),) = sock.source("fe80::1%lo")
        self.assertEqual(struct.unpack("=16si", info)[1], number)

    def test_what_it_reaches_depends_on_its_family(self) -> None:
        for sock, reached in [
            (self.media_socket(socket.AF_INET6, "::"), (True, True)),
            (self.media_socket(socket.AF_INET, "127.0.0.1"), (True, False)),
            (self.media_socket(socket.AF_INET6, "::1", only_ipv6=True), (False, True)),
        ]:
            self.assertEqual((sock.reaches("192.0.2.1"), sock.reaches("2001:db8::1")), reached)

    def test_datagrams_leave_from_the_address_asked_for(self) -> None:
        for sock, sources in [
            (self.media_socket(socket.AF_INET6, "::"), ["127.0.0.3", "127.0.0.1", "::1"]),
            (self.media_socket(socket.AF_INET, ""), ["127.0.0.3", "127.0.0.1"]),
        ]:
            for source in sources:
                family = socket.AF_INET6 if ":" in source else socket.AF_INET
                receiver = self.receiver(family, "::1" if ":" in source else "127.0.0.1")
                host, port = receiver.getsockname()[:2]

                sock.send(b"media", sock.address_of(host, port), sock.source(source))

                self.assertEqual(receiver.recvfrom(100)[1][0], source)

    def test_no_address_leaves_the_source_to_the_routing(self) -> None:
        sock = self.media_socket(socket.AF_INET, "")

        for host in ("", "0.0.0.0", "::", "localhost", "::1"):
            self.assertEqual(sock.source(host), [])

    def test_a_datagram_that_is_too_long_is_refused_for_good(self) -> None:
        sock = self.media_socket(socket.AF_INET, "")

        with self.assertRaises(OSError) as caught:
            sock.send(bytes(70_000), ("127.0.0.1", sock.port), [])

        self.assertEqual(caught.exception.errno, errno.EMSGSIZE)
