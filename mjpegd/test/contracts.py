"""What every implementation of an interface keeps, as tests: the real ones and the fakes.

A test case names a contract and `SynchronousTestCase` as its bases, and says how one is made.
"""

from typing import TYPE_CHECKING

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from mjpegd.interfaces import IFrameSource, ILiveSource, IPacketSender
from mjpegd.wire.jpeg_segments import SOI
from mjpegd.wire.packets import PacketTrain, RTPPacket, TrainTemplate, whole_words
from mjpegd.wire.reports import Bye, SourceDescription, compound

if TYPE_CHECKING:
    _Case = SynchronousTestCase
else:
    _Case = object  # trial would run the contracts themselves otherwise

SSRC = 0x1234_5678


class SourceContract(_Case):
    """IFrameSource: a whole film of some frames, at rest."""

    def make_source(self) -> IFrameSource:
        """A film with at least one frame that is indexed to its end."""
        raise NotImplementedError  # each implementation's test case fills this in

    def test_is_a_frame_source(self) -> None:
        self.assertTrue(verifyObject(IFrameSource, self.make_source()))

    def test_says_what_it_is(self) -> None:
        source = self.make_source()

        self.assertTrue(source.title)
        self.assertTrue(source.kind)
        self.assertIsInstance(source.timed, bool)
        self.assertIsInstance(source.still, bool)
        self.assertTrue(source.mean_bytes is None or source.mean_bytes > 0)

    def test_each_frame_has_a_time_that_leads_back_to_it(self) -> None:
        times = self.make_source().times

        numbers = range(times.count)
        self.assertGreater(times.count, 0)
        self.assertGreater(times.rate, 0)
        self.assertEqual([times.number_at(times.time_of(n)) for n in numbers], list(numbers))

    def test_times_go_from_0_to_the_end(self) -> None:
        times = self.make_source().times

        moments = [times.time_of(number) for number in range(times.count)]
        self.assertEqual(moments[0], 0)
        self.assertEqual(moments, sorted(moments))
        self.assertGreater(times.end, moments[-1])

    def test_each_frame_is_a_jpeg_from_its_first_byte(self) -> None:
        source = self.make_source()

        for number in range(source.times.count):
            self.assertEqual(self.successResultOf(source.read(number))[:2], SOI)

    def test_a_frame_at_hand_is_the_one_that_is_read(self) -> None:
        source = self.make_source()

        for number in range(source.times.count):
            at_hand = source.read_now(number)
            self.assertIn(at_hand, {None, self.successResultOf(source.read(number))})

    def test_a_whole_film_says_at_once_that_it_grew(self) -> None:
        source = self.make_source()

        self.assertTrue(source.complete)
        self.successResultOf(source.grown())

    def test_an_unchanged_film_passes_the_check(self) -> None:
        self.successResultOf(self.make_source().check())

    def test_closing_twice_is_harmless(self) -> None:
        source = self.make_source()

        source.close()
        source.close()


class LiveContract(_Case):
    """ILiveSource: frames as they come."""

    def make_live(self) -> ILiveSource:
        """A live source without listeners."""
        raise NotImplementedError  # each implementation's test case fills this in

    def next_frame(self) -> None:
        """See to it that the source that was made has a frame to tell of."""
        raise NotImplementedError  # each implementation's test case fills this in

    def test_is_a_live_source(self) -> None:
        self.assertTrue(verifyObject(ILiveSource, self.make_live()))

    def test_says_what_it_is(self) -> None:
        live = self.make_live()

        self.assertTrue(live.title)
        self.assertTrue(live.kind)
        self.assertGreater(live.rate, 0)

    def test_all_listeners_get_each_frame_with_its_time(self) -> None:
        live = self.make_live()
        first: list[tuple[bytes, float]] = []
        second: list[tuple[bytes, float]] = []
        live.subscribe(lambda jpeg, seconds: first.append((jpeg, seconds)))
        live.subscribe(lambda jpeg, seconds: second.append((jpeg, seconds)))
        self.addCleanup(live.close)

        self.next_frame()
        self.next_frame()

        self.assertGreaterEqual(len(second), 2)
        self.assertTrue(first[-len(second) :] == second, "they got different frames")
        self.assertTrue(all(jpeg[:2] == SOI for jpeg, _ in first))
        moments = [seconds for _, seconds in first]
        self.assertEqual(moments, sorted(set(moments)))

    def test_who_left_gets_nothing_more(self) -> None:
        live = self.make_live()
        got: list[bytes] = []

        def listener(jpeg: bytes, _seconds: float) -> None:
            got.append(jpeg)

        live.subscribe(listener)
        live.unsubscribe(listener)
        before = len(got)
        self.next_frame()

        self.assertEqual(len(got), before)

    def test_leaving_twice_is_harmless(self) -> None:
        live = self.make_live()

        def listener(_jpeg: bytes, _seconds: float) -> None:
            raise AssertionError("never called")

        live.unsubscribe(listener)

    def test_after_closing_nobody_is_called(self) -> None:
        live = self.make_live()
        got: list[bytes] = []
        live.subscribe(lambda jpeg, _: got.append(jpeg))

        live.close()
        before = len(got)
        self.next_frame()

        self.assertEqual(len(got), before)


class SenderContract(_Case):
    """IPacketSender: a way that is free, so that what is sent arrives when it is flushed."""

    interleaved = False

    def make_sender(self) -> IPacketSender:
        """A sender whose packets `arrived` shows."""
        raise NotImplementedError  # each implementation's test case fills this in

    def arrived(self) -> list[bytes]:
        """The RTP packets that came through, in order, without interleaved prefixes."""
        raise NotImplementedError  # each implementation's test case fills this in

    def reports_arrived(self) -> list[bytes]:
        """The RTCP compound packets that came through, in order."""
        raise NotImplementedError  # each implementation's test case fills this in

    def train(self, sequence: int = 0, packets: int = 3) -> PacketTrain:
        """A frame of so many packets."""
        size = whole_words(1000, interleaved=self.interleaved)
        payloads = [b"%d" % (number % 10) * size for number in range(packets)]
        template = TrainTemplate(payloads, interleaved=self.interleaved)
        return template.stamp(sequence, 90_000 + sequence, SSRC)

    def test_is_a_packet_sender(self) -> None:
        self.assertTrue(verifyObject(IPacketSender, self.make_sender()))

    def test_whole_trains_arrive_in_order(self) -> None:
        sender = self.make_sender()

        sender.send_train(self.train(0), 0.0)
        sender.send_train(self.train(3), 0.0)
        sender.flush()

        packets = [RTPPacket.parse(packet) for packet in self.arrived()]
        self.assertEqual([packet.sequence for packet in packets], [0, 1, 2, 3, 4, 5])
        self.assertEqual(
            [packet.marker for packet in packets], [False, False, True, False, False, True]
        )
        self.assertEqual(sender.dropped, 0)

    def test_a_large_train_is_whole_after_a_flush(self) -> None:
        sender = self.make_sender()

        sender.send_train(self.train(packets=100), 0.02)
        sender.flush()

        sequences = [RTPPacket.parse(packet).sequence for packet in self.arrived()]
        self.assertEqual(sequences, list(range(100)))

    def test_a_train_is_lent_only_while_it_is_handed_over(self) -> None:
        sender = self.make_sender()
        size = whole_words(1000, interleaved=self.interleaved)
        template = TrainTemplate([bytes(size)] * 100, interleaved=self.interleaved)

        for viewer in range(3):
            sender.send_train(template.stamp(100 * viewer, viewer, SSRC), 0.02)
        template.stamp(0xFFFF, 0xFFFF, 0xFFFF)
        sender.flush()

        packets = [RTPPacket.parse(packet) for packet in self.arrived()]
        self.assertEqual([packet.sequence for packet in packets], list(range(300)))
        self.assertEqual({packet.ssrc for packet in packets}, {SSRC})

    def test_a_train_that_was_begun_is_finished_when_playing_stops(self) -> None:
        sender = self.make_sender()

        sender.send_train(self.train(packets=100), 0.02)
        sender.discard()

        self.assertEqual(len(self.arrived()), 100)
        self.assertEqual(sender.dropped, 0)

    def test_reports_arrive(self) -> None:
        sender = self.make_sender()
        report = compound(SourceDescription(SSRC, "mjpegd"), Bye((SSRC,), ""))

        sender.send_report(report)

        self.assertEqual(self.reports_arrived(), [report])

    def test_flush_and_discard_of_nothing_are_harmless(self) -> None:
        sender = self.make_sender()

        sender.flush()
        sender.discard()

        self.assertEqual(self.arrived(), [])
        self.assertEqual(sender.dropped, 0)

    def test_nothing_leaves_after_closing(self) -> None:
        sender = self.make_sender()

        sender.close()
        sender.close()
        sender.send_train(self.train(), 0.0)
        sender.send_report(compound(SourceDescription(SSRC, "mjpegd")))
        sender.flush()

        self.assertEqual(self.arrived(), [])
        self.assertEqual(self.reports_arrived(), [])
