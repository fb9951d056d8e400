"""Tests of `client.media.intake`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.test.pictures import number_of, picture
from mjpegd.wire.clock import ntp_timestamp, ticks
from mjpegd.wire.jpeg_frame import rtp_frame
from mjpegd.wire.jpeg_image import JpegImage
from mjpegd.wire.jpeg_payload import MIN_PAYLOAD_BYTES, fragment
from mjpegd.wire.packets import RTP_HEADER_BYTES, RTPPacket
from mjpegd.wire.reports import (
    REPORT_INTERVAL_S,
    Bye,
    ReceiverReport,
    Report,
    SenderReport,
    SourceDescription,
    compound,
    parse_compound,
)

from ..interfaces import Assembler, Cue, ReceivedFrame
from ..media.assembling import JpegAssembler, LaboratoryAssembler
from ..media.intake import BYE_S, MAX_EARLY_PACKETS, Identity, Intake, Outlets
from ..media.jitterbuffer import JitterBuffer
from ..view import Figures, Newest

SSRC, OTHER_SSRC = 0xCAFE, 0xBEEF
FIRST = 0xFFF0  # packets' numbers wrap soon
STEP = 3600
INTERVAL_S = STEP / 90_000
LATENCY_S = 0.1
ALMOST_NOTHING_S = 1e-6
BEGIN_S = 1000.0
SIZE = (320, 240)
UNIX_S = 1_800_000_000.0
ME = Identity(0x1234, "somebody@mjpegd-player")


def _film(frames: int) -> list[list[bytes]]:
    """The packets of each frame; frame 7 shows the number 7, and comes at 7 times its interval."""
    film: list[list[bytes]] = []
    sequence = FIRST
    for number in range(frames):
        payloads = fragment(rtp_frame(JpegImage.parse(picture(number, SIZE))), MIN_PAYLOAD_BYTES)
        film.append([])
        for place, payload in enumerate(payloads, 1):
            is_last = place == len(payloads)
            packet = RTPPacket(26, is_last, sequence & 0xFFFF, number * STEP, SSRC, payload)
            film[-1].append(packet.to_bytes())
            sequence += 1
    return film


FILM = _film(12)
BYE = compound(ReceiverReport(SSRC), Bye((SSRC,)))


def sender_report(unix_s: float, timestamp: int) -> bytes:
    return compound(SenderReport(SSRC, ntp_timestamp(unix_s), timestamp, 0, 0))


class IntakeCase(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(BEGIN_S)
        self.frames: list[ReceivedFrame] = []
        self.reports: list[list[Report]] = []
        self.endings = 0
        self.intake = self.make()

    def make(
        self,
        assembler: Assembler | None = None,
        take: Callable[[ReceivedFrame], None] | None = None,
        random: Random | None = None,
        *,
        is_laboratory: bool = False,
    ) -> Intake:
        buffer = JitterBuffer(assembler or JpegAssembler(), LATENCY_S)
        outlets = Outlets(take or self.frames.append, self.end)
        intake = Intake(
            self.clock,
            random or Random(1),
            ME,
            26,
            buffer,
            outlets,
            is_laboratory=is_laboratory,
        )
        intake.report_to(lambda data: self.reports.append(parse_compound(data)))
        return intake

    def end(self) -> None:
        self.endings += 1

    def play(self, cue: Cue | None = None) -> None:
        self.intake.expect()
        self.intake.begin(cue or Cue(0.0))

    def receive(self, *packets: bytes) -> None:
        for data in packets:
            self.intake.take(data, self.clock.seconds())

    def receive_frames(self, numbers: Sequence[int]) -> None:
        """Frames come at their pace."""
        for number in numbers:
            self.receive(*FILM[number])
            self.clock.advance(INTERVAL_S)

    @property
    def numbers(self) -> list[int]:
        """Of the frames that were due."""
        return [number_of(frame.jpeg) for frame in self.frames]

    def figures(self, unix_s: float = UNIX_S, shown_timestamp: int | None = None) -> Figures:
        return self.intake.figures(self.clock.seconds(), unix_s, shown_timestamp)


class FrameTests(IntakeCase):
    def test_frame_is_due_when_it_has_waited_its_time(self) -> None:
        self.play()

        self.receive(*FILM[0])
        self.clock.advance(LATENCY_S - ALMOST_NOTHING_S)
        self.assertEqual(self.frames, [])
        self.clock.advance(2 * ALMOST_NOTHING_S)

        self.assertEqual(self.numbers, [0])
        self.assertEqual(self.frames[0].arrived_s, BEGIN_S)

    def test_frames_are_due_at_their_pace(self) -> None:
        self.play()

        self.receive_frames([0, 1, 2])
        self.clock.advance(LATENCY_S - 2.5 * INTERVAL_S)
        self.assertEqual(self.numbers, [0])
        self.clock.advance(INTERVAL_S)

        self.assertEqual(self.numbers, [0, 1])

    def test_packets_may_overtake_each_other(self) -> None:
        self.play()

        self.receive(*FILM[0][:3], *FILM[1], *reversed(FILM[0][3:]), *FILM[2])
        self.clock.advance(1.0)

        self.assertEqual(self.numbers, [0, 1, 2])

    def test_frame_with_a_hole_is_given_up(self) -> None:
        self.play()

        self.receive(*FILM[0], *FILM[1][:2], *FILM[1][3:], *FILM[2])
        self.clock.advance(1.0)

        self.assertEqual(self.numbers, [0, 2])
        self.assertEqual(self.figures().frames_lost, 1)

    def test_what_comes_before_play_is_not_wanted(self) -> None:
        self.receive(*FILM[0])
        self.play()
        self.clock.advance(1.0)

        self.assertEqual(self.frames, [])
        self.assertIsNone(self.intake.newest)

    def test_what_comes_after_pause_is_not_wanted(self) -> None:
        self.play()
        self.receive(*FILM[0])

        self.intake.hold()
        self.receive(*FILM[1])
        self.clock.advance(1.0)

        self.assertEqual(self.frames, [])

    def test_what_waits_is_forgotten_in_a_pause(self) -> None:
        self.play()
        self.receive(*FILM[0])

        self.intake.hold()
        self.play()
        self.receive(FILM[1][0])
        self.clock.advance(1.0)

        self.assertEqual(self.frames, [])

    def test_play_goes_on_after_pause(self) -> None:
        self.play()
        self.receive_frames([0, 1])
        self.clock.advance(1.0)
        self.intake.hold()

        self.play()
        self.receive_frames([2, 3])
        self.clock.advance(1.0)

        self.assertEqual(self.numbers, [0, 1, 2, 3])

    def test_source_that_begins_anew(self) -> None:
        def renewed(data: bytes) -> bytes:
            packet = RTPPacket.parse(data)
            timestamp = packet.timestamp + 0x40000000
            return replace(packet, ssrc=OTHER_SSRC, timestamp=timestamp).to_bytes()

        self.play()
        self.receive_frames([0, 1])
        self.clock.advance(LATENCY_S)

        self.receive(*FILM[2][:4])
        for frame in FILM[3:6]:
            self.receive(*map(renewed, frame))
            self.clock.advance(INTERVAL_S)
        self.clock.advance(LATENCY_S)

        # Of its first frame, one packet was needed to believe it.
        self.assertEqual(self.numbers, [0, 1, 4, 5])
        self.assertLessEqual(self.figures().frames_lost, 2)

    def test_who_has_had_enough_is_given_no_more(self) -> None:
        def take(frame: ReceivedFrame) -> None:
            self.frames.append(frame)
            self.intake.hold()

        self.intake = self.make(take=take)
        self.play()
        self.receive(*(packet for frame in FILM[:3] for packet in frame))

        self.clock.advance(1.0)

        self.assertEqual(self.numbers, [0])

    def test_other_payload_types_are_passed_over(self) -> None:
        self.play()
        audio = RTPPacket(0, False, 1, 0, OTHER_SSRC, b"audio").to_bytes()

        self.receive(audio)

        self.assertIsNone(self.intake.newest)
        self.assertFalse(self.intake.has_heard)

    def test_duplicates_are_passed_over(self) -> None:
        self.play()

        self.receive(*FILM[0], *FILM[0])
        self.clock.advance(1.0)

        self.assertEqual(self.numbers, [0])
        self.assertEqual(self.figures().packets_duplicate, len(FILM[0]))

    def test_newest_packet(self) -> None:
        self.play()

        self.receive(*FILM[0])

        data = FILM[0][-1]
        self.assertEqual(self.intake.newest, Newest(RTPPacket.parse(data), len(data)))

    def test_what_cannot_be_read_is_counted_and_logged_once(self) -> None:
        self.play()

        with capturedLogs() as logs:
            self.receive(b"", b"no RTP", BYE[:-1], *[b"\x80"] * 10)

        self.assertEqual(self.intake.malformed, 13)
        self.assertEqual(len(logs), 1)

    @given(st.lists(st.binary(max_size=60)))
    def test_nothing_that_comes_raises(self, datagrams: list[bytes]) -> None:
        self.setUp()
        self.play()

        for data in datagrams:
            self.receive(data, b"\x80\xc8" + data, b"\x80\x1a" + data)


class EarlyTests(IntakeCase):
    def test_packets_may_overtake_the_answer_to_play(self) -> None:
        self.intake.expect()
        self.receive_frames([0, 1])
        self.assertEqual(self.frames, [])

        self.intake.begin(Cue(0.0, sequence=FIRST))
        self.clock.advance(1.0)

        self.assertEqual(self.numbers, [0, 1])
        self.assertEqual(self.frames[0].arrived_s, BEGIN_S)

    def test_what_is_before_the_packet_that_the_answer_names_is_not_wanted(self) -> None:
        self.intake.expect()
        self.receive(*FILM[0], *FILM[1], *FILM[2])

        self.intake.begin(Cue(0.0, sequence=RTPPacket.parse(FILM[1][0]).sequence))
        self.clock.advance(1.0)

        self.assertEqual(self.numbers, [1, 2])

    def test_limit(self) -> None:
        self.intake.expect()
        packet = RTPPacket.parse(FILM[0][0])

        for number in range(MAX_EARLY_PACKETS + 10):
            self.receive(RTPPacket(26, False, number, 0, SSRC, packet.payload).to_bytes())
        self.intake.begin(Cue())

        self.assertEqual(self.figures().packets_received, MAX_EARLY_PACKETS)

    def test_those_of_an_answer_that_never_came_are_forgotten(self) -> None:
        self.intake.expect()
        self.receive(*FILM[0])

        self.play()
        self.clock.advance(1.0)

        self.assertEqual(self.frames, [])

    def test_report_may_overtake_the_answer(self) -> None:
        self.intake.expect()
        self.receive(sender_report(UNIX_S, 0), *FILM[0])

        self.intake.begin(Cue())

        self.assertAlmostEqual(self.figures(UNIX_S + 0.5, 0).delay_ms or 0.0, 500.0)


class HearingTests(IntakeCase):
    def test_silence_begins_with_the_answer_to_play(self) -> None:
        self.intake.expect()
        self.clock.advance(4.0)

        self.intake.begin(Cue())

        self.assertEqual(self.intake.heard_s, BEGIN_S + 4.0)
        self.assertFalse(self.intake.has_heard)

    def test_packet_is_heard(self) -> None:
        self.play()
        self.clock.advance(2.0)

        self.receive(FILM[0][0])

        self.assertEqual(self.intake.heard_s, BEGIN_S + 2.0)
        self.assertTrue(self.intake.has_heard)

    def test_report_is_a_sign_of_life_but_no_film(self) -> None:
        self.play()
        self.clock.advance(2.0)

        self.receive(sender_report(UNIX_S, 0))

        self.assertEqual(self.intake.heard_s, BEGIN_S + 2.0)
        self.assertFalse(self.intake.has_heard)

    def test_each_play_is_heard_anew(self) -> None:
        self.play()
        self.receive(FILM[0][0])

        self.play()

        self.assertFalse(self.intake.has_heard)


class EndTests(IntakeCase):
    def test_what_is_on_its_way_is_shown_before_the_end(self) -> None:
        self.play()

        self.receive_frames([0, 1])
        self.receive(*FILM[2], BYE)
        self.clock.advance(LATENCY_S + ALMOST_NOTHING_S)
        self.assertEqual((self.numbers, self.endings), ([0, 1, 2], 0))
        self.clock.advance(BYE_S)

        self.assertEqual((self.numbers, self.endings), ([0, 1, 2], 1))

    def test_goodbye_may_overtake_the_last_packets(self) -> None:
        self.play()
        self.receive_frames([0])
        self.clock.advance(LATENCY_S)

        self.receive(BYE)
        self.clock.advance(1.5 * INTERVAL_S)
        self.receive(*FILM[5])
        self.clock.advance(LATENCY_S + ALMOST_NOTHING_S)
        self.assertEqual((self.numbers, self.endings), ([0, 5], 0))
        self.clock.advance(BYE_S)

        self.assertEqual((self.numbers, self.endings), ([0, 5], 1))

    def test_goodbye_of_somebody_else_ends_nothing(self) -> None:
        self.play()
        self.receive(BYE)

        self.receive_frames(range(12))

        self.assertEqual(self.endings, 0)

    def test_goodbye_while_nothing_is_wanted(self) -> None:
        self.play()
        self.intake.hold()

        self.receive(BYE)
        self.clock.advance(1.0)

        self.assertEqual(self.endings, 0)

    def test_pause_comes_before_the_end(self) -> None:
        self.play()
        self.receive(*FILM[0], BYE)

        self.intake.hold()
        self.clock.advance(1.0)
        self.receive(sender_report(UNIX_S, 0))

        self.assertEqual(self.endings, 0)

    def test_nothing_follows(self) -> None:
        self.play()
        self.receive(BYE)
        self.clock.advance(BYE_S)

        self.receive(*FILM[0])
        self.clock.advance(1.0)

        self.assertEqual((self.frames, self.endings), ([], 1))

    def test_film_can_be_played_again(self) -> None:
        self.play()
        self.receive(BYE)
        self.clock.advance(BYE_S)

        self.play()
        self.receive_frames([0])
        self.clock.advance(1.0)

        self.assertEqual((self.numbers, self.endings), ([0], 1))


class ReportTests(IntakeCase):
    @given(st.integers(0, 1000))
    def test_interval_is_that_of_the_standard(self, seed: int) -> None:
        self.setUp()
        self.intake = self.make(random=Random(seed))
        self.play()
        shortest_s, longest_s = (REPORT_INTERVAL_S * factor / 1.21828 for factor in (0.5, 1.5))

        for factor in (0.5, 1.0, 1.0):
            (timer,) = self.clock.getDelayedCalls()
            wait_s = timer.getTime() - self.clock.seconds()
            self.assertTrue(factor * shortest_s <= wait_s <= factor * longest_s)
            self.clock.advance(wait_s)

        self.assertEqual(len(self.reports), 3)

    def test_what_is_reported(self) -> None:
        self.play()
        self.receive(*FILM[0], sender_report(UNIX_S, 0))

        self.clock.advance(REPORT_INTERVAL_S)

        report, description = self.reports[0]
        assert isinstance(report, ReceiverReport)
        self.assertEqual(report.ssrc, ME.ssrc)
        self.assertEqual([block.ssrc for block in report.blocks], [SSRC])
        self.assertNotEqual(report.blocks[0].last_sr, 0)
        self.assertEqual(description, SourceDescription(ME.ssrc, ME.cname))

    def test_of_silence_there_is_nothing_to_report(self) -> None:
        self.play()

        self.clock.advance(REPORT_INTERVAL_S)

        self.assertEqual(self.reports[0][0], ReceiverReport(ME.ssrc))

    def test_reports_keep_a_session_alive_that_does_not_play(self) -> None:
        self.play()
        self.intake.hold()

        self.clock.pump([1.0] * 60)

        self.assertGreater(len(self.reports), 5)

    def test_there_are_not_twice_as_many_after_another_play(self) -> None:
        self.play()
        self.play()

        self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_goodbye(self) -> None:
        self.play()
        self.receive(*FILM[0])

        self.intake.close()

        ((report, description, goodbye),) = self.reports
        assert isinstance(report, ReceiverReport)
        self.assertEqual(len(report.blocks), 1)
        self.assertEqual(description, SourceDescription(ME.ssrc, ME.cname))
        self.assertEqual(goodbye, Bye((ME.ssrc,)))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_goodbye_is_said_once(self) -> None:
        self.play()

        self.intake.close()
        self.intake.close()

        self.assertEqual(len(self.reports), 1)

    def test_who_never_played_says_nothing(self) -> None:
        self.intake.close()

        self.assertEqual(self.reports, [])

    def test_without_a_way_nothing_is_reported(self) -> None:
        intake = Intake(
            self.clock,
            Random(1),
            ME,
            26,
            JitterBuffer(JpegAssembler(), LATENCY_S),
            Outlets(self.frames.append, self.end),
        )
        intake.expect()
        intake.begin(Cue())

        self.clock.advance(REPORT_INTERVAL_S)
        intake.close()

        self.assertEqual(self.reports, [])

    def test_somebody_new(self) -> None:
        somebody, another = Identity.random(Random(1)), Identity.random(Random(2))

        self.assertTrue(somebody.cname.endswith("@mjpegd-player"))
        self.assertNotEqual(somebody.ssrc, another.ssrc)
        self.assertNotEqual(somebody.cname, another.cname)


class FiguresTests(IntakeCase):
    def test_of_nothing(self) -> None:
        self.assertEqual(self.figures(), Figures(target_ms=1000 * LATENCY_S))

    def test_of_a_film_that_comes_as_it_should(self) -> None:
        self.play()
        self.receive_frames(range(11))
        self.receive(*FILM[11])

        figures = self.figures()

        octets = sum(len(packet) - RTP_HEADER_BYTES for frame in FILM for packet in frame)
        kbps = octets / len(FILM) * 8 * 25 / 1000
        self.assertTrue(0.95 < figures.bit_rate_kbps / kbps < 1.05)
        self.assertAlmostEqual(figures.fps, 25.0)
        self.assertAlmostEqual(figures.jitter_ms, 0.0, places=6)
        self.assertAlmostEqual(figures.buffer_ms, 100.0, places=6)
        self.assertEqual(figures.packets_received, sum(map(len, FILM)))
        self.assertEqual((figures.packets_lost, figures.loss_percent), (0, 0.0))
        self.assertEqual((figures.packets_reordered, figures.packets_duplicate), (0, 0))
        self.assertIsNone(figures.delay_ms)

    def test_of_a_film_that_does_not(self) -> None:
        self.play()
        packets = FILM[0]

        self.receive(packets[0], packets[2], packets[1], packets[1], *packets[4:])

        figures = self.figures()
        self.assertEqual(figures.packets_received, len(packets))
        self.assertEqual((figures.packets_reordered, figures.packets_duplicate), (1, 1))
        self.receive(*FILM[1][2:])
        self.assertEqual(self.figures().packets_lost, 2)
        self.assertGreater(self.figures().loss_percent, 0.0)

    def test_delay_needs_a_picture_and_a_report(self) -> None:
        self.play()
        self.receive(*FILM[0])
        self.assertIsNone(self.figures(UNIX_S + 1.0, shown_timestamp=STEP).delay_ms)

        self.receive(sender_report(UNIX_S, 0))

        self.assertIsNone(self.figures(UNIX_S + 1.0).delay_ms)
        delay_ms = self.figures(UNIX_S + 1.0, shown_timestamp=STEP).delay_ms
        self.assertAlmostEqual(delay_ms or 0.0, 1000 * (1.0 - INTERVAL_S), places=3)

    def test_each_play_is_counted_anew(self) -> None:
        self.play()
        self.receive(*FILM[0])

        self.play()

        self.assertEqual(self.figures().packets_received, 0)


class LaboratoryTests(IntakeCase):
    @override
    def setUp(self) -> None:
        super().setUp()
        self.intake = self.make(LaboratoryAssembler(), is_laboratory=True)
        self.play()

    def packet(self, number: int) -> bytes:
        """Its time is in whole seconds."""
        return RTPPacket(26, True, number + 1, 1_700_000_000, 0, picture(number)).to_bytes()

    def test_times_are_those_of_arrival(self) -> None:
        for number in range(3):
            self.receive(self.packet(number))
            self.clock.advance(INTERVAL_S)
        self.clock.advance(1.0)

        self.assertEqual(self.numbers, [0, 1, 2])
        first = ticks(BEGIN_S)
        self.assertEqual(
            [frame.timestamp for frame in self.frames], [first, first + STEP, first + 2 * STEP]
        )

    def test_newest_packet_is_shown_as_it_came(self) -> None:
        data = self.packet(0)

        self.receive(data)

        expected = Newest(RTPPacket.parse(data), len(data), is_jpeg_payload=False)
        self.assertEqual(self.intake.newest, expected)
