"""`mjpegd.senders.udp`: whole trains in order, whatever the kernel and the network do."""

import errno
import socket
import struct

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.senders.backlog import PAUSE_S as BACKLOG_PAUSE_S
from mjpegd.senders.backlog import Backlog
from mjpegd.senders.media_socket import Ancillary, MediaSocket, SocketAddress
from mjpegd.senders.udp import PART_BYTES, PAUSE_S, UDPSender
from mjpegd.test.conversation import Server
from mjpegd.test.fakes import DescriptorReactor, FakeFilm
from mjpegd.wire.packets import PacketTrain, RTPPacket, TrainTemplate

VIEWER = "192.0.2.1"
PACKET_BYTES = 1400


class Kernel(MediaSocket):
    """A socket whose buffer has as much room as a test gives it.

    Attributes:
        sent: The datagrams that left, and when; what was to be cut is cut.
        calls: How often something was taken.
        room: How many calls more it takes.
        refusal: What it raises instead.
        cuts: It takes what is to be cut; otherwise it refuses that.
    """

    def __init__(self, clock: Clock, *, segments: bool) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            super().__init__(sock, segments=segments)
        self.sent: list[bytes] = []
        self.times_s: list[float] = []
        self.calls = 0
        self.room = 1_000_000
        self.refusal: OSError | None = None
        self.cuts = True
        self._clock = clock

    @override
    def send(self, datagram: memoryview | bytes, to: SocketAddress, source: Ancillary) -> bool:
        if self.refusal is not None:
            raise self.refusal
        if not self.room:
            return False
        sizes = [
            struct.unpack("H", size)[0] for level, _, size in source if level == socket.IPPROTO_UDP
        ]
        if sizes and not self.cuts:
            raise OSError(errno.EINVAL, "no")
        self.room -= 1
        self.calls += 1
        step = sizes[0] if sizes else len(datagram)
        for start in range(0, len(datagram), step):
            self.sent.append(bytes(datagram[start : start + step]))
            self.times_s.append(self._clock.seconds())
        return True

    @property
    def sequences(self) -> list[int]:
        return [RTPPacket.parse(datagram).sequence for datagram in self.sent]


def train(packets: int, first: int = 0, packet_bytes: int = PACKET_BYTES) -> PacketTrain:
    """A frame of packets of 1400 bytes; the last one is short."""
    payloads = [bytes(packet_bytes - 12)] * (packets - 1) + [b"last"]
    return TrainTemplate(payloads, interleaved=False).stamp(first, 0, 1)


class UDPSenderTestCase(SynchronousTestCase):
    """A sender that hands packets over one by one."""

    segments = False

    @override
    def setUp(self) -> None:
        self.clock = Clock()
        self.kernel = Kernel(self.clock, segments=self.segments)
        self.rtcp = Kernel(self.clock, segments=False)
        self.reactor = DescriptorReactor()
        self.backlog = Backlog(1, self.reactor, self.clock)
        self.sender = self.sender_to(VIEWER)

    def sender_to(self, host: str) -> UDPSender:
        return UDPSender(
            self.kernel, self.rtcp, host, (5000, 5001), "192.0.2.9", self.backlog, self.clock
        )

    def pump(self, seconds: float, step_s: float = 0.0005) -> None:
        self.clock.pump([step_s] * round(seconds / step_s))

    def has_room(self, calls: int = 1_000_000) -> None:
        """There is room again, and the reactor tells of it."""
        self.kernel.room = calls
        self.clock.advance(BACKLOG_PAUSE_S)
        self.reactor.has_room()


class SpreadingTests(UDPSenderTestCase):
    def test_a_small_train_leaves_at_once(self) -> None:
        for packets in (1, 2, PART_BYTES // PACKET_BYTES, PART_BYTES // PACKET_BYTES + 1):
            self.setUp()
            self.sender.send_train(train(packets), 0.02)

            self.assertEqual(self.kernel.sequences, list(range(packets)))
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_large_train_leaves_in_parts_of_65_kb_over_at_most_the_time_allowed(self) -> None:
        self.sender.send_train(train(200), 0.02)
        self.pump(0.02)

        self.assertEqual(self.kernel.sequences, list(range(200)))
        moments = sorted(set(self.kernel.times_s))
        self.assertEqual(len(moments), 5)  # 40 packets each
        self.assertLessEqual(moments[-1], 0.02)
        for moment_s in moments:
            size = sum(
                len(datagram)
                for datagram, at_s in zip(self.kernel.sent, self.kernel.times_s, strict=True)
                if at_s == moment_s
            )
            self.assertLessEqual(size, PART_BYTES)

    def test_parts_are_equal_and_evenly_spread(self) -> None:
        for spread_s, pause_s in ((0.002, 0.0005), (0.02, PAUSE_S)):
            self.setUp()
            self.sender.send_train(train(160), spread_s)
            self.pump(0.02)

            moments = sorted(set(self.kernel.times_s))
            self.assertEqual(
                [self.kernel.times_s.count(moment_s) for moment_s in moments], [40] * 4
            )
            for number, moment_s in enumerate(moments):
                self.assertAlmostEqual(moment_s, number * pause_s)

    def test_a_train_that_is_still_spread_when_the_next_comes_is_finished_first(self) -> None:
        self.sender.send_train(train(200), 0.5)

        self.sender.send_train(train(2, first=200), 0.5)

        self.assertEqual(self.kernel.sequences, list(range(202)))
        self.assertEqual(self.sender.dropped, 0)


class WholeTrainTests(UDPSenderTestCase):
    @given(
        packets=st.integers(1, 200),
        packet_bytes=st.sampled_from([256, 400, 1400, 9000]),
        spread_s=st.floats(0, 0.5),
        segments=st.booleans(),
    )
    def test_every_train_is_whole_and_in_order(
        self, packets: int, packet_bytes: int, spread_s: float, segments: bool
    ) -> None:
        self.segments = segments
        self.setUp()

        self.sender.send_train(train(packets, packet_bytes=packet_bytes), spread_s)
        self.pump(0.51, 0.005)

        self.assertEqual(self.kernel.sequences, list(range(packets)))
        self.assertEqual(self.clock.getDelayedCalls(), [])


class FullKernelTests(UDPSenderTestCase):
    """A call takes a packet, or, where the kernel cuts, a part; the parts are of 40 packets."""

    def test_a_frame_like_the_last_one_waits_where_there_is_no_room(self) -> None:
        self.sender.send_train(train(5), 0.0)
        self.kernel.room = 0

        self.sender.send_train(train(5, first=5), 0.0)
        self.assertEqual(self.kernel.sequences, [0, 1, 2, 3, 4])
        self.has_room()

        self.assertEqual(self.kernel.sequences, list(range(10)))
        self.assertEqual((self.sender.errors, self.sender.dropped), (0, 0))

    def begin(self) -> None:
        """A train of which something has left, and something has not."""
        self.kernel.room = 3
        self.sender.send_train(train(200), 0.0)
        self.pump(0.1)
        self.assertTrue(0 < len(self.kernel.sent) < 200)

    def test_a_train_that_was_begun_goes_on_when_there_is_room(self) -> None:
        self.begin()

        self.has_room()
        self.pump(0.1)

        self.assertEqual(self.kernel.sequences, list(range(200)))
        self.assertEqual(self.sender.dropped, 0)
        self.assertEqual(self.reactor.writers, [])

    def test_a_small_train_that_found_no_room_leaves_when_there_is(self) -> None:
        self.kernel.room = 0
        self.sender.send_train(train(10), 0.0)

        self.has_room()

        self.assertEqual(self.kernel.sequences, list(range(10)))
        self.assertEqual(self.sender.dropped, 0)

    def test_while_there_is_none_the_kernel_is_not_asked(self) -> None:
        self.kernel.room = 0
        self.sender.send_train(train(10), 0.0)
        self.kernel.room = 1_000_000
        self.sender.send_train(train(10, first=10), 0.0)
        self.pump(1.0)

        self.assertEqual(self.kernel.sent, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.reactor.asked, 1)

    def test_a_half_sent_train_is_finished_first_and_the_newest_follows(self) -> None:
        self.begin()
        for number in range(1, 4):
            self.sender.send_train(train(10, first=200 * number), 0.0)

        self.has_room()

        self.assertEqual(self.kernel.sequences, [*range(200), *range(600, 610)])
        self.assertEqual(self.sender.dropped, 2)

    def test_a_train_that_waits_is_a_copy(self) -> None:
        self.begin()
        template = TrainTemplate([b"frame"], interleaved=False)
        self.sender.send_train(template.stamp(200, 0, 1), 0.0)
        template.stamp(7, 0, 1)

        self.has_room()

        self.assertEqual(self.kernel.sequences, list(range(201)))

    def test_viewers_who_wait_go_on_in_their_order(self) -> None:
        senders = [self.sender, *(self.sender_to(f"192.0.2.{number}") for number in (2, 3))]
        self.kernel.room = 0
        for number, sender in enumerate(senders):
            sender.send_train(train(1, first=number), 0.0)

        self.has_room(2)
        self.assertEqual(self.kernel.sequences, [0, 1])
        self.has_room()

        self.assertEqual(self.kernel.sequences, [0, 1, 2])

    def test_discard_drops_what_was_not_begun(self) -> None:
        self.begin()
        self.sender.send_train(train(10, first=200), 0.0)

        self.sender.discard()
        self.has_room()
        self.pump(0.1)

        self.assertEqual(self.kernel.sequences, list(range(200)))
        self.assertEqual(self.sender.dropped, 1)

    def test_flush_sends_both_as_soon_as_there_is_room(self) -> None:
        self.begin()
        self.sender.send_train(train(60, first=200), 0.5)
        self.kernel.room = 1000

        self.sender.flush()

        self.assertEqual(self.kernel.sequences, list(range(260)))

    def test_a_report_that_cannot_leave_is_not_kept(self) -> None:
        self.rtcp.room = 0
        self.sender.send_report(b"old")
        self.rtcp.room = 1
        self.pump(0.1)

        self.assertEqual(self.rtcp.sent, [])

    def test_nothing_is_tried_again_after_closing(self) -> None:
        self.begin()

        self.sender.close()
        self.has_room()

        self.assertLess(len(self.kernel.sent), 200)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class RefusingNetworkTests(UDPSenderTestCase):
    def test_the_rest_of_a_refused_train_is_dropped_and_counted(self) -> None:
        for number in (errno.ENETUNREACH, errno.EMSGSIZE, errno.EPERM):
            self.kernel.refusal = OSError(number, "no")
            self.sender.send_train(train(200), 0.02)
            self.pump(0.03)

        self.assertEqual(self.sender.errors, 3)
        self.assertEqual(self.sender.dropped, 3)
        self.assertEqual(self.sender.last_error, "Operation not permitted")

    def test_a_train_that_is_refused_in_the_middle_is_dropped_once(self) -> None:
        self.sender.send_train(train(200), 0.02)
        self.kernel.refusal = OSError(errno.ENETUNREACH, "no")
        self.pump(0.03)

        self.assertEqual(self.sender.errors, 1)
        self.assertEqual(self.sender.dropped, 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_the_next_train_has_its_chance(self) -> None:
        self.kernel.refusal = OSError(errno.EHOSTUNREACH, "no")
        self.sender.send_train(train(5), 0.0)
        self.kernel.refusal = None

        self.sender.send_train(train(5, first=5), 0.0)

        self.assertEqual(self.kernel.sequences, [5, 6, 7, 8, 9])

    def test_a_frame_like_the_last_one_that_is_refused_is_dropped_and_counted(self) -> None:
        self.sender.send_train(train(5), 0.0)
        self.kernel.refusal = OSError(errno.ENETUNREACH, "no")

        self.sender.send_train(train(5, first=5), 0.0)

        self.assertEqual(self.kernel.sequences, [0, 1, 2, 3, 4])
        self.assertEqual((self.sender.errors, self.sender.dropped), (1, 1))

    def test_a_refused_report_is_counted(self) -> None:
        self.rtcp.refusal = OSError(errno.ENETUNREACH, "no")

        self.sender.send_report(b"report")

        self.assertEqual(self.sender.errors, 1)
        self.assertEqual(self.sender.dropped, 0)


class SegmentedSpreadingTests(SpreadingTests):
    segments = True

    def test_a_train_is_one_call_and_each_part_of_a_large_one(self) -> None:
        self.sender.send_train(train(23), 0.0)
        self.assertEqual(self.kernel.calls, 1)

        self.sender.send_train(train(200, first=23), 0.02)
        self.pump(0.02)
        self.assertEqual(self.kernel.calls, 1 + 5)

    def test_no_call_has_more_segments_than_the_kernel_takes(self) -> None:
        self.sender.send_train(train(80, packet_bytes=400), 0.0)

        self.assertEqual(self.kernel.calls, 2)  # 64 segments and 16

    def test_a_train_of_one_packet_needs_no_cutting(self) -> None:
        self.kernel.cuts = False
        self.sender.send_train(train(1), 0.0)
        self.assertEqual(self.kernel.sequences, [0])

        self.kernel.cuts = True
        self.sender.send_train(train(3, first=1), 0.0)
        self.assertEqual(self.kernel.calls, 2)


class SegmentedFullKernelTests(FullKernelTests):
    segments = True


class SegmentedRefusingNetworkTests(RefusingNetworkTests):
    segments = True


class CannotSegmentTests(UDPSenderTestCase):
    segments = True

    @override
    def setUp(self) -> None:
        super().setUp()
        self.kernel.cuts = False

    def test_packets_leave_one_by_one_and_none_is_lost(self) -> None:
        self.assertEqual(self.sender.remark, "")

        self.sender.send_train(train(200), 0.02)
        self.pump(0.03)

        self.assertEqual(self.kernel.sequences, list(range(200)))
        self.assertEqual((self.sender.dropped, self.sender.errors), (0, 0))
        self.assertIn("its packets leave one by one: Invalid argument", self.sender.remark)

    def test_it_is_tried_once_for_a_viewer_and_for_every_viewer(self) -> None:
        self.sender.send_train(train(3), 0.0)
        self.kernel.cuts = True
        self.sender.send_train(train(3, first=3), 0.0)
        self.assertEqual(self.kernel.calls, 6)

        self.sender_to("192.0.2.2").send_train(train(3), 0.0)

        self.assertEqual(self.kernel.calls, 7)

    def test_the_log_says_it_once_with_the_session(self) -> None:
        server = Server(film=FakeFilm(1000))
        client = server.connect()
        with capturedLogs() as events:
            client.play()
            server.sender.remark = "its packets leave one by one"
            server.advance(20)
            client.ask("TEARDOWN")

        said = [line for line in map(formatEvent, events) if "one by one" in line]
        self.assertEqual(said, [f"session {client.session}: its packets leave one by one"])


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
