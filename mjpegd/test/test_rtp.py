from random import Random

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.logs import Tally
from mjpegd.rtp import MAX_FIRST_SEQUENCE, RTCPProtocol, RTPProtocol, RTPStream
from mjpegd.wire.clock import ntp_middle, ntp_timestamp
from mjpegd.wire.packets import RTPPacket, TrainTemplate
from mjpegd.wire.reports import (
    Bye,
    ReceiverReport,
    Report,
    ReportBlock,
    SenderReport,
    SourceDescription,
    compound,
    parse_compound,
)

SSRC = 0xCAFE_0001
UNIX_S = 1_800_000_000.25


def stream(sequence: int = 10, first_ticks: int = 1000) -> RTPStream:
    return RTPStream(SSRC, sequence, first_ticks, "mjpegd@test")


def frame(packets: int) -> TrainTemplate:
    payloads = [bytes(1004)] * (packets - 1) + [bytes(10)]
    return TrainTemplate(payloads, interleaved=False)


def block(ssrc: int = SSRC, lost: int = 3, last_sr: int = 0, delay: int = 0) -> ReportBlock:
    return ReportBlock(
        ssrc,
        fraction_lost=64,
        lost=lost,
        highest_sequence=7,
        jitter=180,
        last_sr=last_sr,
        delay_since_last_sr=delay,
    )


class RTPStreamTests(SynchronousTestCase):
    def test_start_values_differ_and_leave_room_before_the_first_wrap(self) -> None:
        streams = [RTPStream.random(Random(seed), "mjpegd@test") for seed in range(200)]

        self.assertEqual(len({one.ssrc for one in streams}), 200)
        self.assertTrue(all(0 < one.ssrc <= 0xFFFF_FFFF for one in streams))
        self.assertTrue(all(one.sequence < MAX_FIRST_SEQUENCE for one in streams))
        self.assertTrue(all(0 < one.ticks_at(0.0) <= 0xFFFF_FFFF for one in streams))

    def test_sequence_numbers_go_on_from_frame_to_frame_and_wrap(self) -> None:
        rtp = stream(sequence=65_533)

        trains = [rtp.train(frame(3), ticks) for ticks in (1000, 4600)]

        packets = [RTPPacket.parse(bytes(one)) for train in trains for one in train.packets()]
        self.assertEqual([packet.sequence for packet in packets], [65_533, 65_534, 65_535, 0, 1, 2])
        self.assertEqual([packet.timestamp for packet in packets], [1000] * 3 + [4600] * 3)

    def test_time_of_a_frame_wraps_after_13_hours(self) -> None:
        rtp = stream(first_ticks=0xFFFF_FF00)
        rtp.ticks_at(0.0)

        train = rtp.train(frame(1), rtp.ticks_at(1.0))

        packet = RTPPacket.parse(bytes(train.buffer))
        self.assertEqual(packet.timestamp, (0xFFFF_FF00 + 90_000) % 2**32)

    def test_time_begins_with_the_first_moment_that_is_asked_for(self) -> None:
        rtp = stream(first_ticks=1000)

        self.assertEqual(rtp.ticks_at(500.0), 1000)
        self.assertEqual(rtp.ticks_at(502.0), 1000 + 180_000)

    def test_a_report_counts_what_was_sent(self) -> None:
        rtp = stream()
        rtp.train(frame(3), 1000)

        sender, description = parse_compound(rtp.report(UNIX_S, 2**32 + 5))

        self.assertEqual(
            sender, SenderReport(SSRC, ntp_timestamp(UNIX_S), 5, packets=3, octets=2018, blocks=())
        )
        self.assertEqual(description, SourceDescription(SSRC, "mjpegd@test"))

    def test_the_last_word_ends_in_bye(self) -> None:
        *_, last = parse_compound(stream().farewell(UNIX_S, 0))

        self.assertEqual(last, Bye((SSRC,), ""))

    def test_counters_of_a_report_wrap_instead_of_breaking(self) -> None:
        rtp = stream()
        rtp.packets = rtp.octets = 2**32 + 7

        sender, _ = parse_compound(rtp.report(UNIX_S, 0))

        assert isinstance(sender, SenderReport)
        self.assertEqual((sender.packets, sender.octets), (7, 7))


class ReceptionTests(SynchronousTestCase):
    def test_what_a_viewer_reports_is_kept_in_units_of_people(self) -> None:
        rtp = stream()
        sent_at = ntp_middle(ntp_timestamp(UNIX_S))

        rtp.received(
            [ReceiverReport(1, (block(last_sr=sent_at, delay=65_536),))], UNIX_S + 1.0 + 0.030
        )

        reception = rtp.reception
        self.assertEqual((reception.reports, reception.lost, reception.jitter_s), (1, 3, 0.002))
        assert reception.round_trip_s is not None
        self.assertLess(abs(reception.round_trip_s - 0.030), 0.001)

    def test_a_report_without_a_sender_report_before_it_has_no_round_trip(self) -> None:
        rtp = stream()

        rtp.received([ReceiverReport(1, (block(),))], UNIX_S)

        self.assertIsNone(rtp.reception.round_trip_s)

    def test_blocks_about_others_and_other_packets_are_passed_over(self) -> None:
        rtp = stream()

        rtp.received(
            [ReceiverReport(1, (block(ssrc=99),)), SourceDescription(1, "x"), Bye((1,), "")], UNIX_S
        )

        self.assertEqual(rtp.reception.reports, 0)

    def test_senders_report_what_they_receive_as_well(self) -> None:
        rtp = stream()

        rtp.received([SenderReport(1, 0, 0, 0, 0, (block(lost=-1),))], UNIX_S)

        self.assertEqual(rtp.reception.lost, -1)


class ProtocolTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.received: list[tuple[list[Report], str, int]] = []
        self.counts: list[tuple[str, int]] = []
        tally = Tally(Clock(), lambda *count: self.counts.append(count))
        self.rtp = RTPProtocol(self.take, tally)
        self.rtcp = RTCPProtocol(self.take, tally)

    def take(self, reports: list[Report], host: str, port: int) -> None:
        self.received.append((reports, host, port))

    def test_reports_are_handed_on_with_the_plain_address(self) -> None:
        report = ReceiverReport(1, (block(),))

        self.rtcp.datagramReceived(compound(report), ("::ffff:192.0.2.1", 5001))

        self.assertEqual(self.received, [([report], "192.0.2.1", 5001)])

    def test_reports_of_viewers_that_multiplex_are_taken_on_the_rtp_port(self) -> None:
        report = ReceiverReport(1, (block(),))

        self.rtp.datagramReceived(compound(report), ("192.0.2.1", 5000))

        self.assertEqual(self.received, [([report], "192.0.2.1", 5000)])

    def test_random_data_on_the_rtp_port_may_look_like_rtcp(self) -> None:
        self.rtp.datagramReceived(b"\x81\xc9\x00\x01" + bytes(4), ("192.0.2.7", 5000))

        self.assertEqual((self.received, self.counts), ([], []))

    def test_what_is_rtcp_and_cannot_be_read_is_counted(self) -> None:
        self.rtcp.datagramReceived(b"\x81\xc9\x00\x01" + bytes(4), ("192.0.2.7", 5001))

        self.assertEqual(self.received, [])
        self.assertEqual(self.counts, [("malformed RTCP packets", 1)])

    def test_reports_are_opened_before_they_are_read(self) -> None:
        opened: list[tuple[str, int]] = []

        def open_report(packet: bytes, host: str, port: int) -> bytes:
            opened.append((host, port))
            return packet.removesuffix(b"seal")

        rtcp = RTCPProtocol(self.take, Tally(Clock(), lambda *_: None), open_report)
        rtcp.datagramReceived(compound(ReceiverReport(1, ())) + b"seal", ("::ffff:192.0.2.1", 5001))

        self.assertEqual(opened, [("192.0.2.1", 5001)])
        self.assertEqual(self.received, [([ReceiverReport(1, ())], "192.0.2.1", 5001)])

    def test_what_opens_a_nat_is_swallowed(self) -> None:
        for datagram in (b"", b"\xfe\xed\xfa\xce", bytes(200), b"\x80\x1a" + bytes(10)):
            self.rtp.datagramReceived(datagram, ("192.0.2.1", 5000))
            self.rtcp.datagramReceived(datagram, ("192.0.2.1", 5000))

        self.assertEqual(self.received, [])

    @given(st.binary(max_size=100) | st.binary(max_size=60).map(lambda rest: b"\x81\xc9" + rest))
    def test_no_datagram_raises(self, datagram: bytes) -> None:
        self.rtp.datagramReceived(datagram, ("192.0.2.1", 5000))
        self.rtcp.datagramReceived(datagram, ("192.0.2.1", 5000))

    def test_the_ports_have_names_and_make_no_noise(self) -> None:
        self.assertEqual((self.rtp.logPrefix(), self.rtcp.logPrefix()), ("RTP", "RTCP"))
        self.assertFalse(self.rtp.noisy or self.rtcp.noisy)
