"""Tests of `client.media.reception`."""

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.wire.clock import ntp_middle, ntp_timestamp, ticks
from mjpegd.wire.packets import RTPPacket
from mjpegd.wire.reports import ReportBlock, SenderReport

from ..media.reception import MAX_DROPOUT, MAX_MISORDER, Reception

SSRC = 0xCAFE
OTHER_SSRC = 0xBEEF
UNIX_S = 1_800_000_000.25
SEQUENCES = st.integers(0, 0xFFFF) | st.integers(0xFFF0, 0xFFFF) | st.integers(0, 20)


def packet(sequence: int, timestamp: int = 0, ssrc: int = SSRC) -> RTPPacket:
    return RTPPacket(26, False, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc, b"scan")


def take_all(reception: Reception, sequences: list[int]) -> list[int | None]:
    return [reception.take(packet(sequence), 0.0) for sequence in sequences]


def reception_of(*sequences: int) -> Reception:
    reception = Reception()
    take_all(reception, list(sequences))
    return reception


def block_of(reception: Reception, now_s: float = 0.0) -> ReportBlock:
    block = reception.block(now_s)
    assert block is not None
    return block


@st.composite
def arrivals(draw: st.DrawFn) -> list[int]:
    """Places in a stream, as they come: some never, some twice, none more than 50 late."""
    count = draw(st.integers(1, 80))
    delays = st.lists(st.integers(0, 50), max_size=2)
    copies = [
        (place + delay, place)
        for place in range(1, count)
        for delay in draw(delays if draw(st.booleans()) else st.just([0]))
    ]
    return [0] + [place for _, place in sorted(copies)]


class NumberTests(SynchronousTestCase):
    @given(SEQUENCES, arrivals())
    def test_whatever_comes_is_counted_exactly(self, start: int, places: list[int]) -> None:
        reception = reception_of(*(start + place for place in places))

        fresh = [at for at, place in enumerate(places) if place not in places[:at]]
        overtaken = [at for at in fresh if any(place > places[at] for place in places[:at])]
        self.assertEqual(reception.expected, max(places) + 1)
        self.assertEqual(reception.received, len(places))
        self.assertEqual(reception.lost, max(places) + 1 - len(places))
        self.assertEqual(reception.duplicates, len(places) - len(fresh))
        self.assertEqual(reception.reordered, len(overtaken))

    @given(SEQUENCES, arrivals())
    def test_numbers_differ_as_the_packets_do(self, start: int, places: list[int]) -> None:
        numbers = take_all(Reception(), [start + place for place in places])

        used = [
            (number, place)
            for number, place in zip(numbers, places, strict=True)
            if number is not None
        ]
        first = used[0][0]
        self.assertEqual([number - first for number, _ in used], [place for _, place in used])
        self.assertEqual(len(used), len(set(places)))

    @given(SEQUENCES)
    def test_numbers_go_on_over_many_wraps(self, start: int) -> None:
        reception = Reception()

        numbers = take_all(reception, list(range(start, start + 300_000, 2_500)))

        first = numbers[0]
        assert first is not None
        self.assertEqual(numbers, list(range(first, first + 300_000, 2_500)))
        self.assertEqual(reception.restarts, 0)

    def test_nothing_is_expected_before_the_first_packet(self) -> None:
        reception = Reception()

        self.assertEqual((reception.expected, reception.lost, reception.received), (0, 0, 0))

    def test_the_second_packet_may_come_first(self) -> None:
        reception = Reception()

        second, first = take_all(reception, [0, 0xFFFF])

        assert first is not None
        assert second is not None
        self.assertEqual(second, first + 1)
        self.assertEqual((reception.expected, reception.lost, reception.reordered), (2, 0, 1))

    def test_duplicates_make_up_for_losses(self) -> None:
        reception = reception_of(1, 1, 1)

        self.assertEqual((reception.duplicates, reception.lost), (2, -2))

    def test_a_packet_far_behind_is_not_used(self) -> None:
        self.assertEqual(take_all(reception_of(500), [500 - MAX_MISORDER]), [None])

    def test_a_jump_is_not_used_before_it_is_confirmed(self) -> None:
        reception = reception_of(5)

        self.assertEqual(take_all(reception, [5 + MAX_DROPOUT]), [None])
        self.assertEqual((reception.expected, reception.restarts), (1, 0))

    def test_the_largest_gap_is_loss(self) -> None:
        reception = reception_of(5, 5 + MAX_DROPOUT - 1)

        self.assertEqual((reception.expected, reception.received), (MAX_DROPOUT, 2))

    def test_two_packets_in_sequence_confirm_a_jump(self) -> None:
        reception = reception_of(5, 40_000, 40_001, 40_002)

        self.assertEqual((reception.expected, reception.received, reception.lost), (2, 2, 0))
        self.assertEqual(reception.restarts, 1)

    def test_two_packets_that_jump_apart_confirm_nothing(self) -> None:
        reception = reception_of(5, 40_000, 40_002, 30_000)

        self.assertEqual((reception.expected, reception.restarts), (1, 0))

    @given(SEQUENCES, SEQUENCES)
    @example(0xFFFD, 0)
    @example(0xFFFE, 0)
    def test_numbers_grow_over_a_restart(self, before: int, after: int) -> None:
        reception = reception_of(before)
        (last,) = take_all(reception, [before + 1])
        reception.take(packet(after, ssrc=OTHER_SSRC), 0.0)

        second = reception.take(packet(after + 1, ssrc=OTHER_SSRC), 0.0)
        first = reception.take(packet(after, ssrc=OTHER_SSRC), 0.0)

        assert last is not None
        assert first is not None
        assert second is not None
        self.assertLess(last, first)
        self.assertEqual(second, first + 1)


class SourceTests(SynchronousTestCase):
    def test_one_packet_of_another_source_is_not_used(self) -> None:
        reception = reception_of(1, 2)

        self.assertIsNone(reception.take(packet(3, ssrc=OTHER_SSRC), 0.0))
        self.assertEqual((reception.received, reception.restarts), (2, 0))

    def test_another_source_is_accepted_with_its_second_packet(self) -> None:
        reception = reception_of(1, 2)
        reception.take(packet(0xFFFF, ssrc=OTHER_SSRC), 0.0)

        self.assertIsNotNone(reception.take(packet(0, ssrc=OTHER_SSRC), 0.0))
        self.assertEqual((reception.received, reception.restarts), (1, 1))
        self.assertEqual(block_of(reception).ssrc, OTHER_SSRC)

    def test_two_other_sources_do_not_confirm_each_other(self) -> None:
        reception = reception_of(1)
        reception.take(packet(10, ssrc=OTHER_SSRC), 0.0)

        self.assertIsNone(reception.take(packet(11, ssrc=OTHER_SSRC + 1), 0.0))


class BeginTests(SynchronousTestCase):
    def test_packets_before_the_one_wanted_are_not_used(self) -> None:
        reception = Reception()
        reception.begin(2)

        numbers = take_all(reception, [0xFFFF, 0, 1, 2, 3])

        self.assertEqual([number is None for number in numbers], [True, True, True, False, False])
        self.assertEqual((reception.expected, reception.received), (2, 2))

    def test_a_packet_before_the_one_wanted_is_not_used_later_either(self) -> None:
        reception = Reception()
        reception.begin(2)

        numbers = take_all(reception, [3, 1, 2])

        self.assertEqual([number is None for number in numbers], [False, True, False])
        self.assertEqual((reception.expected, reception.received), (2, 2))

    def test_nor_when_the_one_wanted_came_first(self) -> None:
        reception = Reception()
        reception.begin(2)

        self.assertEqual([number is None for number in take_all(reception, [2, 1])], [False, True])

    def test_a_number_that_cannot_be_true_is_passed_over(self) -> None:
        for wanted in (MAX_DROPOUT, 0x8000, 0x10000 - MAX_DROPOUT):
            reception = Reception()
            reception.begin(wanted)

            self.assertIsNotNone(reception.take(packet(0), 0.0))

    def test_counting_begins_anew(self) -> None:
        reception = reception_of(1, 4, 4, 3)

        reception.begin(None)

        self.assertEqual((reception.expected, reception.received, reception.lost), (0, 0, 0))
        self.assertEqual((reception.duplicates, reception.reordered), (0, 0))
        self.assertIsNone(reception.block(0.0))

    def test_any_packet_may_be_the_first(self) -> None:
        reception = reception_of(1)
        reception.begin(None)

        self.assertIsNotNone(reception.take(packet(30_000, ssrc=OTHER_SSRC), 0.0))
        self.assertEqual(reception.restarts, 0)


class JitterTests(SynchronousTestCase):
    def test_an_even_stream_has_none(self) -> None:
        reception = Reception()
        for number in range(100):
            reception.take(packet(number, 0xFFFFFF00 + 3600 * number), 7 + 0.04 * number)

        self.assertAlmostEqual(reception.jitter_s, 0.0)

    def test_a_late_frame_counts_a_sixteenth(self) -> None:
        reception = Reception()
        reception.take(packet(0, 0), 1.0)
        reception.take(packet(1, 3600), 1.056)

        self.assertAlmostEqual(reception.jitter_s, 0.001)

    def test_an_early_frame_counts_as_well(self) -> None:
        reception = Reception()
        reception.take(packet(0, 0), 1.0)
        reception.take(packet(1, 3600), 1.024)

        self.assertAlmostEqual(reception.jitter_s, 0.001)

    def test_only_the_first_packet_of_a_frame_counts(self) -> None:
        reception = Reception()
        for number in range(100):
            frame, part = divmod(number, 10)
            reception.take(packet(number, 3600 * frame), 0.04 * frame + 0.003 * part)

        self.assertAlmostEqual(reception.jitter_s, 0.0)

    def test_packets_that_were_overtaken_do_not_count(self) -> None:
        reception = Reception()
        reception.take(packet(0, 0), 0.0)
        reception.take(packet(2, 3600), 0.04)
        reception.take(packet(1, 0), 0.07)
        reception.take(packet(3, 7200), 0.08)

        self.assertAlmostEqual(reception.jitter_s, 0.0)


class ReportTests(SynchronousTestCase):
    report = SenderReport(SSRC, ntp_timestamp(UNIX_S), 0xFFFFFFFF - 900 + 1, 10, 1000)

    def test_nothing_is_reported_before_anything_came(self) -> None:
        self.assertIsNone(Reception().block(0.0))

    def test_nothing_is_reported_where_only_the_sender_reported(self) -> None:
        reception = Reception()
        reception.take_sender_report(self.report, 0.0)

        self.assertIsNone(reception.block(1.0))

    def test_a_block_tells_of_losses(self) -> None:
        self.assertEqual(
            reception_of(0xFFFE, 0xFFFF, 1).block(0.0),
            ReportBlock(SSRC, 64, 1, 0x10001, 0, 0, 0),
        )

    def test_the_fraction_is_of_the_time_since_the_last_block(self) -> None:
        reception = reception_of(0, 2)
        block_of(reception)
        take_all(reception, [3, 4, 5, 7])

        block = block_of(reception)

        self.assertEqual((block.fraction_lost, block.lost), (256 // 5, 2))

    def test_more_than_was_expected_is_no_loss(self) -> None:
        self.assertEqual(block_of(reception_of(1, 1)).fraction_lost, 0)

    def test_nearly_everything_can_be_lost(self) -> None:
        reception = reception_of(0)
        block_of(reception)
        take_all(reception, [2999])

        self.assertEqual(block_of(reception).fraction_lost, 255)

    def test_nothing_is_reported_twice(self) -> None:
        reception = reception_of(1)
        block_of(reception)

        self.assertIsNone(reception.block(5.0))

    def test_a_packet_that_was_overtaken_is_reported(self) -> None:
        reception = reception_of(1, 3)
        block_of(reception)
        take_all(reception, [2])

        self.assertEqual(block_of(reception).lost, 0)

    def test_jitter_is_told_in_ticks(self) -> None:
        reception = Reception()
        reception.take(packet(0, 0), 1.0)
        reception.take(packet(1, 3600), 1.0401 + 16 / 1000)

        self.assertEqual(block_of(reception).jitter, 90)

    def test_the_last_sender_report_is_told_back(self) -> None:
        reception = reception_of(1)
        reception.take_sender_report(self.report, 10.0)

        block = block_of(reception, 12.5)

        self.assertEqual(block.last_sr, ntp_middle(self.report.ntp))
        self.assertEqual(block.delay_since_last_sr, 5 << 15)

    def test_a_report_of_another_source_is_not(self) -> None:
        reception = reception_of(1)
        reception.take_sender_report(SenderReport(OTHER_SSRC, 1 << 40, 0, 0, 0), 10.0)

        block = block_of(reception, 12.5)

        self.assertEqual((block.last_sr, block.delay_since_last_sr), (0, 0))
        self.assertIsNone(reception.delay_s(0, UNIX_S))

    def test_nothing_is_known_of_the_delay_without_a_report(self) -> None:
        self.assertIsNone(reception_of(1).delay_s(0, UNIX_S))

    def test_the_delay_is_counted_from_the_time_of_the_frame(self) -> None:
        reception = reception_of(1)
        reception.take_sender_report(self.report, 0.0)

        delay_s = reception.delay_s(ticks(0.04) - 900, UNIX_S + 0.1)

        assert delay_s is not None
        self.assertAlmostEqual(delay_s, 0.06, places=5)
