"""Tests of `client.media.jitterbuffer`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.test.pictures import number_of, picture
from mjpegd.wire.clock import RTP_CLOCK_HZ
from mjpegd.wire.jpeg_frame import rtp_frame
from mjpegd.wire.jpeg_image import JpegImage
from mjpegd.wire.jpeg_payload import MIN_PAYLOAD_BYTES, fragment
from mjpegd.wire.jpeg_segments import SOI
from mjpegd.wire.packets import RTPPacket

from ..interfaces import ReceivedFrame
from ..media.assembling import JpegAssembler, LaboratoryAssembler
from ..media.jitterbuffer import (
    MAX_ERROR_S,
    MAX_FRAMES,
    MAX_FRAMES_BYTES,
    MAX_LATENCY_S,
    MAX_LOSSES,
    MAX_WAITING_BYTES,
    MAX_WAITING_PACKETS,
    MIN_LATENCY_S,
    JitterBuffer,
    Lapse,
)

LATENCY_S = 0.1
INTERVAL_S = 0.04
INTERVAL_TICKS = 3600
FIRST = 0x1FFFE  # packets' numbers wrap soon
FIRST_TIMESTAMP = 0xFFFFFFFF - INTERVAL_TICKS  # and their times
BEGIN_S = 1000.0
ALMOST_NOTHING_S = 1e-6


@dataclass(frozen=True, slots=True)
class Arrival:
    """A packet, and when it comes."""

    packet: RTPPacket
    number: int
    at_s: float


def film(frames: int, packets: int = 1, first_s: float = BEGIN_S) -> list[Arrival]:
    """A stream of the laboratory's kind that comes evenly: frame 7 holds the number 7."""
    arrivals = []
    for place in range(frames * packets):
        frame, part = divmod(place, packets)
        number = FIRST + place
        payload = b"" if part else SOI + frame.to_bytes(2, "big")
        packet = RTPPacket(
            26,
            part == packets - 1,
            number & 0xFFFF,
            timestamp_of(frame),
            1,
            payload,
        )
        arrivals.append(Arrival(packet, number, first_s + INTERVAL_S * frame + 0.001 * part))
    return arrivals


def timestamp_of(frame: int) -> int:
    return (FIRST_TIMESTAMP + frame * INTERVAL_TICKS) & 0xFFFFFFFF


def later(arrival: Arrival, seconds: float) -> Arrival:
    return replace(arrival, at_s=arrival.at_s + seconds)


def frame_number(frame: ReceivedFrame) -> int:
    return int.from_bytes(frame.jpeg[2:4], "big")


def laboratory_buffer(
    latency_s: float | None = LATENCY_S, *, is_ordered: bool = False
) -> JitterBuffer:
    return JitterBuffer(LaboratoryAssembler(), latency_s, is_ordered=is_ordered)


@dataclass(frozen=True, slots=True)
class Shown:
    """A frame, and when it was due."""

    frame: ReceivedFrame
    at_s: float

    @property
    def number(self) -> int:
        return frame_number(self.frame)


def play(buffer: JitterBuffer, arrivals: Iterable[Arrival]) -> list[Shown]:
    """Hand in packets at their time, and take frames as soon as they are due, to the end."""
    shown: list[Shown] = []

    def wait_until(end_s: float) -> None:
        while (next_s := buffer.next_s) is not None and next_s <= end_s:
            shown.extend(Shown(frame, next_s) for frame in buffer.due(next_s))

    for arrival in sorted(arrivals, key=lambda arrival: arrival.at_s):
        wait_until(arrival.at_s)
        buffer.push(arrival.packet, arrival.number, arrival.at_s)
        shown.extend(Shown(frame, arrival.at_s) for frame in buffer.due(arrival.at_s))
    wait_until(float("inf"))
    return shown


def numbers(shown: Sequence[Shown]) -> list[int]:
    return [each.number for each in shown]


@st.composite
def delayed(draw: st.DrawFn, most_s: float) -> list[Arrival]:
    """A film whose packets come late by any time up to a limit."""
    arrivals = film(draw(st.integers(1, 12)), draw(st.integers(1, 4)))
    delays = st.floats(0, most_s)
    return [later(arrival, draw(delays)) for arrival in arrivals]


class OrderTests(SynchronousTestCase):
    @given(delayed(LATENCY_S - 0.001))
    def test_any_order_within_the_latency_gives_all_frames(self, arrivals: list[Arrival]) -> None:
        frames = {arrival.packet.timestamp for arrival in arrivals}
        buffer = laboratory_buffer()

        shown = play(buffer, arrivals)

        self.assertEqual(numbers(shown), list(range(len(frames))))
        self.assertEqual((buffer.frames_lost, buffer.take_losses()), (0, []))

    @given(delayed(0.5), st.data())
    def test_any_loss_gives_whole_frames_in_order(
        self, arrivals: list[Arrival], data: st.DataObject
    ) -> None:
        kept = data.draw(st.lists(st.sampled_from(arrivals), unique_by=lambda a: a.number))
        is_ordered = data.draw(st.booleans())
        parts = [arrival.packet.timestamp for arrival in kept]
        whole_parts = sum(a.packet.timestamp == FIRST_TIMESTAMP for a in arrivals)

        shown = play(laboratory_buffer(is_ordered=is_ordered), kept)

        self.assertEqual(numbers(shown), sorted(set(numbers(shown))))
        for each in shown:
            self.assertEqual(parts.count(each.frame.timestamp), whole_parts)

    @given(delayed(0.5), st.data())
    def test_nothing_is_held_for_longer_than_the_latency(
        self, arrivals: list[Arrival], data: st.DataObject
    ) -> None:
        kept = data.draw(st.lists(st.sampled_from(arrivals), unique_by=lambda a: a.number))
        latency_s = data.draw(st.sampled_from([None, 0.0, 0.02, LATENCY_S]))
        buffer = laboratory_buffer(latency_s)
        complete_s: dict[int, float] = {}
        for arrival in kept:
            timestamp = arrival.packet.timestamp
            complete_s[timestamp] = max(complete_s.get(timestamp, 0.0), arrival.at_s)

        shown = play(buffer, kept)

        most_s = MAX_LATENCY_S if latency_s is None else latency_s
        for each in shown:
            held_s = each.at_s - complete_s[each.frame.timestamp]
            self.assertLessEqual(held_s, most_s + ALMOST_NOTHING_S)

    @given(delayed(0.2))
    def test_frames_are_shown_one_after_another(self, arrivals: list[Arrival]) -> None:
        shown = play(laboratory_buffer(None), arrivals)

        times_s = [each.at_s for each in shown]
        self.assertEqual(times_s, sorted(times_s))

    def test_a_packet_that_comes_twice_is_used_once(self) -> None:
        first, second, third = film(3)

        shown = play(laboratory_buffer(), [first, first, third, third, second, second])

        self.assertEqual(numbers(shown), [0, 1, 2])

    def test_a_hole_is_given_up_after_the_latency(self) -> None:
        buffer = laboratory_buffer()
        first, _, third = film(3)
        for arrival in (first, third):
            buffer.push(arrival.packet, arrival.number, arrival.at_s)
        buffer.due(third.at_s + LATENCY_S - 0.001)

        self.assertEqual(buffer.next_s, third.at_s + LATENCY_S)
        self.assertEqual(len(buffer.due(third.at_s + LATENCY_S)), 1)

    def test_an_ordered_stream_waits_for_nothing(self) -> None:
        buffer = laboratory_buffer(0.0, is_ordered=True)
        first, _, third = film(3)
        for arrival in (first, third):
            buffer.push(arrival.packet, arrival.number, arrival.at_s)

        self.assertEqual([frame_number(frame) for frame in buffer.due(third.at_s)], [0, 2])

    def test_a_hole_is_given_up_when_too_many_wait(self) -> None:
        buffer = laboratory_buffer()
        first, _, *others = film(MAX_WAITING_PACKETS + 2)
        for arrival in (first, *others[:-1]):
            buffer.push(arrival.packet, arrival.number, BEGIN_S)
        self.assertEqual(len(buffer.due(BEGIN_S)), 0)

        buffer.push(others[-1].packet, others[-1].number, BEGIN_S)

        self.assertNotEqual(buffer.due(BEGIN_S), [])

    def test_what_has_waited_takes_no_room(self) -> None:
        buffer = laboratory_buffer(1.0)
        payload = SOI + bytes(MAX_WAITING_BYTES // 10)
        arrivals = [replace(a, packet=replace(a.packet, payload=payload)) for a in film(30)]
        arrivals[1::2] = [later(arrival, 0.05) for arrival in arrivals[1::2]]

        play(buffer, arrivals)

        self.assertEqual(buffer.frames_lost, 0)

    def test_a_hole_is_given_up_when_too_much_waits(self) -> None:
        buffer = laboratory_buffer(0.0)
        first, _, third = film(3)
        large = replace(third.packet, payload=SOI + bytes(MAX_WAITING_BYTES))
        buffer.push(first.packet, first.number, first.at_s)
        buffer.due(first.at_s)

        buffer.push(large, third.number, first.at_s)

        self.assertEqual(buffer.buffered_timestamp, large.timestamp)


class TimeTests(SynchronousTestCase):
    def test_a_quiet_network_has_the_least_latency(self) -> None:
        buffer = laboratory_buffer(None)

        shown = play(buffer, film(500, packets=20))

        self.assertEqual(len(shown), 500)
        for each in shown:
            self.assertAlmostEqual(each.at_s - each.frame.arrived_s, MIN_LATENCY_S)
        self.assertEqual(buffer.target_s, MIN_LATENCY_S)

    def test_what_comes_unevenly_is_shown_evenly(self) -> None:
        arrivals = [later(arrival, 0.03 * (place % 3)) for place, arrival in enumerate(film(30))]

        shown = play(laboratory_buffer(), arrivals)

        for each in shown:
            due_s = BEGIN_S + INTERVAL_S * each.number + LATENCY_S
            self.assertAlmostEqual(each.at_s, due_s)

    def test_a_late_frame_is_shown_at_once(self) -> None:
        arrivals = film(20)
        arrivals[10] = later(arrivals[10], 0.13)

        shown = play(laboratory_buffer(), arrivals)

        self.assertAlmostEqual(shown[10].at_s, arrivals[10].at_s)

    def test_the_latency_follows_the_network_up(self) -> None:
        buffer = laboratory_buffer(None)

        play(buffer, [later(a, 0.1 * (n % 2)) for n, a in enumerate(film(50))])

        self.assertGreater(buffer.target_s, 0.1)
        self.assertLess(buffer.target_s, 0.2)

    def test_the_latency_follows_slow_senders(self) -> None:
        buffer = laboratory_buffer(None)

        shown = play(buffer, film(100, packets=39))

        self.assertGreater(buffer.target_s, 0.038)
        self.assertAlmostEqual(
            shown[-1].at_s - shown[-2].at_s,
            INTERVAL_S,
            places=3,
        )

    def test_the_latency_follows_packets_that_were_given_up(self) -> None:
        buffer = laboratory_buffer(None)
        arrivals = film(60)
        arrivals[30::5] = [later(arrival, 0.1) for arrival in arrivals[30::5]]

        shown = play(buffer, arrivals)

        self.assertEqual(numbers(shown)[-10:], list(range(50, 60)))
        self.assertLess(buffer.frames_lost, 4)

    def test_the_latency_follows_packets_that_were_overtaken(self) -> None:
        buffer = laboratory_buffer(None)
        arrivals = film(60, packets=3)
        arrivals[1::3] = [later(arrival, 0.035) for arrival in arrivals[1::3]]

        play(buffer, arrivals)

        self.assertGreater(buffer.target_s, 0.05)
        self.assertEqual(buffer.frames_lost, 0)

    def test_what_is_damaged_says_nothing_of_the_time_it_needs(self) -> None:
        buffer = JitterBuffer(JpegAssembler(keeps_damaged=True), None)
        arrivals = [arrival for arrival in jpeg_film() if not arrival.packet.marker]

        shown = play(buffer, arrivals)

        self.assertEqual([each.frame.is_damaged for each in shown], [True, True])
        self.assertEqual(buffer.target_s, MIN_LATENCY_S)

    def test_one_late_frame_is_forgotten(self) -> None:
        buffer = laboratory_buffer(None)
        arrivals = film(1500)
        arrivals[100] = later(arrivals[100], 0.2)

        play(buffer, arrivals)

        self.assertAlmostEqual(buffer.target_s, MIN_LATENCY_S)

    def test_the_latency_has_an_end(self) -> None:
        buffer = laboratory_buffer(None)

        play(buffer, [later(a, 1.0 * (n % 10 == 0)) for n, a in enumerate(film(500))])

        self.assertLessEqual(buffer.target_s, MAX_LATENCY_S)

    def test_a_latency_that_was_asked_for_stays(self) -> None:
        buffer = laboratory_buffer()

        play(buffer, [later(a, 0.3 * (n % 2)) for n, a in enumerate(film(50))])

        self.assertEqual(buffer.target_s, LATENCY_S)

    def test_frames_that_came_on_a_slow_way_are_hastened(self) -> None:
        buffer = laboratory_buffer()
        slow, slower, fast = film(3)

        shown = play(buffer, [later(slow, 0.09), later(slower, 0.05), fast])

        self.assertEqual(numbers(shown), [0, 1, 2])
        for each in shown:
            self.assertAlmostEqual(each.at_s, fast.at_s + LATENCY_S)

    def test_a_sender_with_a_slow_clock_is_followed(self) -> None:
        self.assert_followed(1.001)

    def test_a_sender_with_a_fast_clock_is_followed(self) -> None:
        self.assert_followed(0.999)

    def assert_followed(self, speed: float) -> None:
        arrivals = [
            replace(arrival, at_s=BEGIN_S + (arrival.at_s - BEGIN_S) * speed)
            for arrival in film(3000)
        ]

        shown = play(laboratory_buffer(), arrivals)

        for each in shown:
            latency_s = each.at_s - each.frame.arrived_s
            self.assertLess(abs(latency_s - LATENCY_S), 0.011)

    def test_after_a_stall_the_latency_is_as_before(self) -> None:
        arrivals = film(100)
        stalled = [replace(a, at_s=max(a.at_s, BEGIN_S + 3.5)) for a in arrivals]

        shown = play(laboratory_buffer(), stalled)

        self.assertEqual(len(shown), 100)
        latency_s = shown[-1].at_s - shown[-1].frame.arrived_s
        self.assertAlmostEqual(latency_s, LATENCY_S)

    def test_a_jump_of_the_times_is_followed_either_way(self) -> None:
        for jump in (10 * RTP_CLOCK_HZ, -10 * RTP_CLOCK_HZ, round(0.7 * RTP_CLOCK_HZ)):
            arrivals = film(100)
            arrivals[50:] = [
                replace(
                    arrival,
                    packet=replace(
                        arrival.packet, timestamp=arrival.packet.timestamp + jump & 0xFFFFFFFF
                    ),
                )
                for arrival in arrivals[50:]
            ]

            shown = play(laboratory_buffer(), arrivals)

            for each in shown:
                self.assertAlmostEqual(each.at_s - each.frame.arrived_s, LATENCY_S)

    def test_a_packet_that_is_much_too_late_does_not_count_as_jitter(self) -> None:
        buffer = laboratory_buffer(None)
        arrivals = film(50)
        arrivals[10] = later(arrivals[10], MIN_LATENCY_S + MAX_ERROR_S + 0.001)

        play(buffer, arrivals)

        self.assertEqual(buffer.target_s, MIN_LATENCY_S)

    def test_a_packet_that_is_too_late_for_the_first_frame_does_not_count(self) -> None:
        buffer = laboratory_buffer(None)
        first, *others = film(50, packets=3)

        shown = play(buffer, [later(first, MIN_LATENCY_S + 0.0015), *others])

        self.assertEqual(numbers(shown), list(range(1, 50)))
        self.assertEqual(buffer.target_s, MIN_LATENCY_S)

    def test_what_is_much_too_late_does_not_count_as_jitter(self) -> None:
        buffer = laboratory_buffer(None)
        arrivals = film(100)
        arrivals[50:] = [
            later(arrival, MIN_LATENCY_S + MAX_ERROR_S + 0.001) for arrival in arrivals[50:]
        ]

        play(buffer, arrivals)

        self.assertEqual(buffer.target_s, MIN_LATENCY_S)


class LossTests(SynchronousTestCase):
    def test_a_frame_without_a_packet_is_lost(self) -> None:
        buffer = laboratory_buffer()
        arrivals = film(5, packets=3)
        del arrivals[7]

        self.assertEqual(numbers(play(buffer, arrivals)), [0, 1, 3, 4])
        self.assertEqual(buffer.frames_lost, 1)
        self.assertEqual(buffer.take_losses(), [Lapse(timestamp_of(1), timestamp_of(3))])

    def test_losses_are_told_once(self) -> None:
        buffer = laboratory_buffer()
        first, _, third = film(3)
        play(buffer, [first, third])
        buffer.take_losses()

        self.assertEqual(buffer.take_losses(), [])

    def test_frames_of_which_nothing_came_are_counted_by_their_times(self) -> None:
        for packets in (1, 3):
            buffer = laboratory_buffer()
            arrivals = film(12, packets)
            del arrivals[3 * packets : 8 * packets]

            play(buffer, arrivals)

            self.assertEqual(buffer.frames_lost, 5)
            self.assertEqual(buffer.take_losses(), [Lapse(timestamp_of(2), timestamp_of(8))])

    def test_a_pause_of_the_film_is_no_loss(self) -> None:
        buffer = laboratory_buffer()
        arrivals = film(12)

        play(buffer, [*arrivals[:3], *(replace(a, number=a.number - 6) for a in arrivals[9:])])

        self.assertEqual((buffer.frames_lost, buffer.take_losses()), (0, []))

    def test_no_more_frames_are_lost_than_packets(self) -> None:
        buffer = laboratory_buffer()
        arrivals = film(12)

        play(buffer, [*arrivals[:3], *(replace(a, number=a.number - 5) for a in arrivals[9:])])

        self.assertEqual(buffer.frames_lost, 1)

    def test_where_the_rate_is_not_known_one_frame_is_lost(self) -> None:
        buffer = laboratory_buffer()
        arrivals = film(6)

        play(buffer, [arrivals[0], arrivals[5]])

        self.assertEqual(buffer.frames_lost, 1)

    def test_a_stream_may_be_joined_in_the_middle_of_a_frame(self) -> None:
        buffer = laboratory_buffer()

        shown = play(buffer, film(3, packets=3)[1:])

        self.assertEqual(numbers(shown), [1, 2])
        self.assertEqual((buffer.frames_lost, buffer.take_losses()), (0, []))

    def test_frames_lost_before_the_first_whole_one_are_counted(self) -> None:
        buffer = laboratory_buffer()
        arrivals = film(5, packets=3)
        del arrivals[7], arrivals[4], arrivals[1]

        play(buffer, arrivals)

        self.assertEqual(buffer.frames_lost, 2)

    def test_frames_are_counted_while_no_whole_one_comes(self) -> None:
        buffer = laboratory_buffer()
        arrivals = film(6, packets=3)
        del arrivals[4::3]

        self.assertEqual(numbers(play(buffer, arrivals)), [0])
        self.assertEqual(buffer.frames_lost, 5)

    def test_a_damaged_frame_is_shown_and_lost(self) -> None:
        buffer = JitterBuffer(JpegAssembler(keeps_damaged=True), LATENCY_S)
        arrivals = jpeg_film()
        missing = next(n for n, a in enumerate(arrivals) if a.packet.timestamp) + 3
        del arrivals[missing]

        shown = play(buffer, arrivals)

        self.assertEqual([each.frame.is_damaged for each in shown], [False, True, False])
        self.assertEqual(number_of(shown[2].frame.jpeg), 2)
        self.assertEqual(buffer.frames_lost, 1)
        self.assertEqual(buffer.take_losses(), [Lapse(0, 2 * INTERVAL_TICKS)])

    def test_only_so_many_losses_are_kept(self) -> None:
        buffer = laboratory_buffer(is_ordered=True)

        play(buffer, film(2 * MAX_LOSSES + 10)[::2])

        losses = buffer.take_losses()
        self.assertEqual(len(losses), MAX_LOSSES)
        self.assertEqual(losses[-1].before, timestamp_of(2 * MAX_LOSSES + 8))


def jpeg_film() -> list[Arrival]:
    """Three pictures in RTP/JPEG, of several packets each; the first has the RTP time 0."""
    arrivals: list[Arrival] = []
    for number in range(3):
        frame = rtp_frame(JpegImage.parse(picture(number, (320, 240))))
        parts = fragment(frame, MIN_PAYLOAD_BYTES)
        for place, part in enumerate(parts):
            packet = RTPPacket(
                26,
                place == len(parts) - 1,
                len(arrivals),
                number * INTERVAL_TICKS,
                1,
                part,
            )
            arrivals.append(Arrival(packet, len(arrivals), BEGIN_S + INTERVAL_S * number))
    return arrivals


class ClearTests(SynchronousTestCase):
    def test_nothing_that_waits_is_left(self) -> None:
        buffer = laboratory_buffer()
        first, _, third = film(3)
        buffer.push(first.packet, first.number, first.at_s)
        buffer.due(first.at_s + LATENCY_S / 2)
        buffer.push(third.packet, third.number, third.at_s)

        buffer.clear()

        self.assertIsNone(buffer.next_s)
        self.assertIsNone(buffer.buffered_timestamp)
        self.assertEqual(buffer.due(third.at_s + 10), [])

    def test_there_is_room_again(self) -> None:
        buffer = laboratory_buffer(1000.0, is_ordered=True)
        (first,) = film(1)
        packet = replace(first.packet, payload=SOI + bytes(MAX_FRAMES_BYTES // 3))
        for number in range(6):
            if number == 3:
                buffer.clear()
            buffer.push(replace(packet, sequence=number), number, first.at_s)

        self.assertEqual(buffer.frames_lost, 0)

    def test_what_follows_is_no_loss(self) -> None:
        buffer = laboratory_buffer()
        arrivals = film(30, packets=3)
        play(buffer, arrivals[:10])

        buffer.clear()
        shown = play(buffer, arrivals[61:])

        self.assertEqual(numbers(shown), list(range(21, 30)))
        self.assertEqual((buffer.frames_lost, buffer.take_losses()), (0, []))

    def test_numbers_may_begin_anew(self) -> None:
        buffer = laboratory_buffer()
        play(buffer, film(3))

        buffer.clear()

        shown = play(buffer, [replace(a, number=a.number - 1000) for a in film(3, first_s=2000)])
        self.assertEqual(numbers(shown), [0, 1, 2])

    def test_times_may_begin_anew(self) -> None:
        buffer = laboratory_buffer()
        play(buffer, film(3))

        buffer.clear()

        shown = play(buffer, film(3, first_s=BEGIN_S + 0.4))
        for each in shown:
            self.assertAlmostEqual(each.at_s - each.frame.arrived_s, LATENCY_S)

    def test_the_frame_that_follows_may_have_the_time_of_the_one_before(self) -> None:
        buffer = JitterBuffer(JpegAssembler(), LATENCY_S)
        arrivals = jpeg_film()
        play(buffer, [a for a in arrivals if not a.packet.timestamp])

        buffer.clear()
        second = [a for a in arrivals if a.packet.timestamp == INTERVAL_TICKS]
        shown = play(buffer, [replace(a, packet=replace(a.packet, timestamp=0)) for a in second])

        self.assertEqual([number_of(each.frame.jpeg) for each in shown], [1])

    def test_the_latency_that_the_network_asks_for_stays(self) -> None:
        buffer = laboratory_buffer(None)
        play(buffer, [later(a, 0.1 * (n % 2)) for n, a in enumerate(film(50))])
        before_s = buffer.target_s

        buffer.clear()

        self.assertEqual(buffer.target_s, before_s)

    def test_the_frame_that_was_broken_off_is_not_shown(self) -> None:
        buffer = JitterBuffer(JpegAssembler(keeps_damaged=True), LATENCY_S)
        arrivals = jpeg_film()
        play(buffer, arrivals[:3])

        buffer.clear()
        shown = play(buffer, [a for a in arrivals if a.packet.timestamp])

        self.assertEqual([number_of(each.frame.jpeg) for each in shown], [1, 2])
        self.assertEqual(buffer.frames_lost, 0)

    def test_frames_that_were_lost_are_still_counted(self) -> None:
        buffer = laboratory_buffer()
        arrivals = film(6, packets=3)
        del arrivals[4::3]
        play(buffer, arrivals)

        buffer.clear()

        self.assertEqual(buffer.frames_lost, 5)


class FillingTests(SynchronousTestCase):
    def test_an_empty_buffer_has_nothing(self) -> None:
        buffer = laboratory_buffer()

        self.assertEqual(buffer.filling_s(0.0), 0.0)
        self.assertIsNone(buffer.buffered_timestamp)
        self.assertIsNone(buffer.next_s)

    def test_what_waits_is_told_in_seconds(self) -> None:
        buffer = laboratory_buffer(1.0, is_ordered=True)
        for arrival in film(11):
            buffer.push(arrival.packet, arrival.number, arrival.at_s)

        self.assertAlmostEqual(buffer.filling_s(BEGIN_S + 0.4), 1.0)
        self.assertAlmostEqual(buffer.filling_s(BEGIN_S + 5.0), 0.0)
        self.assertEqual(buffer.buffered_timestamp, timestamp_of(10))

    def test_too_many_frames_are_shown_early(self) -> None:
        buffer = laboratory_buffer(1000.0, is_ordered=True)
        arrivals = film(MAX_FRAMES)

        shown = play(buffer, arrivals)

        self.assertEqual(shown[0].at_s, arrivals[-1].at_s)
        self.assertAlmostEqual(shown[1].at_s, arrivals[1].at_s + 1000.0)
        self.assertEqual(buffer.frames_lost, 0)

    def test_too_many_bytes_are_shown_early(self) -> None:
        buffer = laboratory_buffer(1000.0, is_ordered=True)
        (first,) = film(1)
        packet = replace(first.packet, payload=SOI + bytes(MAX_FRAMES_BYTES // 3))
        for number in (0, 1, 2):
            buffer.push(replace(packet, sequence=number), number, first.at_s)

        self.assertEqual(buffer.next_s, first.at_s)
        self.assertEqual(len(buffer.due(first.at_s)), 1)
        self.assertEqual(len(buffer.due(first.at_s)), 0)

    def test_frames_for_which_there_is_no_room_are_lost(self) -> None:
        buffer = laboratory_buffer(1000.0, is_ordered=True)
        arrivals = film(MAX_FRAMES + 2)
        for arrival in arrivals:
            buffer.push(arrival.packet, arrival.number, arrival.at_s)

        frames = buffer.due(arrivals[-1].at_s)

        self.assertEqual(frame_number(frames[0]), 2)
        self.assertEqual(buffer.frames_lost, 2)
