"""Tests of `client.media.assembling`."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.test.pictures import number_of, picture
from mjpegd.wire.jpeg_frame import rtp_frame
from mjpegd.wire.jpeg_image import JpegImage
from mjpegd.wire.jpeg_payload import MIN_PAYLOAD_BYTES, fragment
from mjpegd.wire.jpeg_segments import EOI, SOI
from mjpegd.wire.packets import RTPPacket

from ..interfaces import Assembler, ReceivedFrame
from ..media.assembling import MAX_JPEG_BYTES, JpegAssembler, LaboratoryAssembler

INTERVAL_TICKS = 3600
START = 0xFFFE
SIZE = (64, 48)
PICTURES = [picture(number, (320, 240)) for number in range(3)]


def packets_of(*payloads: list[bytes]) -> list[RTPPacket]:
    """Packets of frames, numbered on."""
    packets: list[RTPPacket] = []
    for number, parts in enumerate(payloads):
        for place, part in enumerate(parts):
            sequence = START + len(packets) & 0xFFFF
            is_last = place == len(parts) - 1
            packets.append(RTPPacket(26, is_last, sequence, number * INTERVAL_TICKS, 1, part))
    return packets


def film() -> list[RTPPacket]:
    """Three pictures in RTP/JPEG, of several packets each."""
    return packets_of(
        *(fragment(rtp_frame(JpegImage.parse(jpeg)), MIN_PAYLOAD_BYTES) for jpeg in PICTURES)
    )


def feed_all(assembler: Assembler, packets: list[RTPPacket]) -> list[ReceivedFrame]:
    """Hand in packets that come one a second."""
    return [frame for at_s, packet in enumerate(packets) for frame in assembler.feed(packet, at_s)]


def parts_of(packets: list[RTPPacket], number: int) -> list[RTPPacket]:
    return [packet for packet in packets if packet.timestamp == number * INTERVAL_TICKS]


class JpegAssemblerTests(SynchronousTestCase):
    def test_frames_are_made_of_packets(self) -> None:
        frames = feed_all(JpegAssembler(), film())

        self.assertEqual([number_of(frame.jpeg) for frame in frames], [0, 1, 2])

    def test_a_frame_knows_where_it_came_from(self) -> None:
        packets = film()
        last = parts_of(packets, 1)[-1]

        frame = feed_all(JpegAssembler(), packets)[1]

        self.assertEqual(
            frame,
            ReceivedFrame(
                frame.jpeg, INTERVAL_TICKS, last.sequence, float(len(parts_of(packets, 0)))
            ),
        )

    @given(st.data())
    def test_frames_that_lack_a_packet_are_lost(self, data: st.DataObject) -> None:
        packets = film()
        missing = data.draw(st.sets(st.sampled_from(range(len(packets)))))
        touched = {packets[place].timestamp // INTERVAL_TICKS for place in missing}
        assembler = JpegAssembler()

        frames = feed_all(assembler, [p for at, p in enumerate(packets) if at not in missing])

        self.assertEqual([number_of(f.jpeg) for f in frames], sorted({0, 1, 2} - touched))
        self.assertFalse(any(frame.is_damaged for frame in frames))
        self.assertLessEqual(assembler.lost, len(touched))

    def test_a_frame_with_a_gap_is_counted(self) -> None:
        assembler = JpegAssembler()
        packets = film()
        del packets[1]

        feed_all(assembler, packets)

        self.assertEqual(assembler.lost, 1)

    def test_a_damaged_frame_is_kept_if_wanted(self) -> None:
        assembler = JpegAssembler(keeps_damaged=True)
        packets = film()
        gap = parts_of(packets, 1)[1]
        packets.remove(gap)

        frames = feed_all(assembler, packets)

        self.assertEqual([frame.is_damaged for frame in frames], [False, True, False])
        self.assertEqual(frames[1].timestamp, INTERVAL_TICKS)
        self.assertEqual(frames[1].sequence, gap.sequence - 1)
        self.assertTrue(frames[1].jpeg.startswith(SOI))
        self.assertTrue(frames[1].jpeg.endswith(EOI))
        self.assertEqual(assembler.lost, 1)

    def test_a_frame_without_its_end_is_damaged_when_the_next_begins(self) -> None:
        packets = film()
        first = parts_of(packets, 0)
        packets.remove(first[-1])

        frames = feed_all(JpegAssembler(keeps_damaged=True), packets)

        damaged = frames[0]
        self.assertEqual([frame.is_damaged for frame in frames], [True, False, False])
        self.assertEqual(
            (damaged.timestamp, damaged.sequence, damaged.arrived_s),
            (0, first[-2].sequence, 0.0),
        )

    def test_damaged_frames_may_be_wanted_at_any_time(self) -> None:
        assembler = JpegAssembler()
        packets = film()
        gaps = [parts_of(packets, number)[1] for number in (0, 1)]
        packets = [packet for packet in packets if packet not in gaps]
        feed_all(assembler, parts_of(packets, 0))

        assembler.keeps_damaged = True
        frames = feed_all(assembler, packets[len(parts_of(packets, 0)) :])

        self.assertEqual([frame.timestamp for frame in frames], [3600, 7200])

    def test_a_size_that_packets_do_not_tell_comes_from_outside(self) -> None:
        (frame,) = feed_all(JpegAssembler(SIZE), packets_of([sizeless()]))

        self.assertEqual(number_of(frame.jpeg), 5)

    def test_a_frame_of_unknown_size_is_lost(self) -> None:
        assembler = JpegAssembler()

        self.assertEqual(feed_all(assembler, packets_of([sizeless()])), [])
        self.assertEqual(assembler.lost, 1)

    def test_a_damaged_frame_of_unknown_size_is_lost_once(self) -> None:
        assembler = JpegAssembler(keeps_damaged=True)
        packets = packets_of([sizeless(), b""], [packet.payload for packet in film()[:2]])

        self.assertEqual(feed_all(assembler, [packets[0], packets[2]]), [])
        self.assertEqual(assembler.lost, 1)

    def test_after_a_restart_the_time_of_the_last_frame_may_be_that_of_the_next(self) -> None:
        assembler = JpegAssembler()
        packets = film()
        feed_all(assembler, parts_of(packets, 0))

        assembler.restart()
        again = [replace(packet, timestamp=0) for packet in parts_of(packets, 1)]
        (frame,) = [found for packet in again for found in assembler.feed(packet, 9.0)]

        self.assertEqual((number_of(frame.jpeg), frame.arrived_s), (1, 9.0))

    def test_the_frame_that_a_restart_breaks_off_is_neither_shown_nor_lost(self) -> None:
        assembler = JpegAssembler(keeps_damaged=True)
        packets = film()
        feed_all(assembler, parts_of(packets, 0)[:-1])

        assembler.restart()
        frames = feed_all(assembler, parts_of(packets, 1))

        self.assertEqual([number_of(frame.jpeg) for frame in frames], [1])
        self.assertEqual(assembler.lost, 0)

    @given(st.lists(st.tuples(st.binary(max_size=300), st.booleans(), st.integers(0, 3))))
    def test_anything_may_come(self, contents: list[tuple[bytes, bool, int]]) -> None:
        assembler = JpegAssembler(keeps_damaged=True)

        for number, (payload, marker, timestamp) in enumerate(contents):
            assembler.feed(RTPPacket(26, marker, number, timestamp, 1, payload), 0.0)


def sizeless() -> bytes:
    (payload,) = fragment(rtp_frame(JpegImage.parse(picture(5, SIZE))), 65_000)
    return payload[:6] + b"\0\0" + payload[8:]


def cut(jpeg: bytes, size: int) -> list[bytes]:
    return [jpeg[start : start + size] for start in range(0, len(jpeg), size)]


class LaboratoryAssemblerTests(SynchronousTestCase):
    def test_a_packet_is_a_frame(self) -> None:
        packets = [
            RTPPacket(26, False, number, 10 * number, 0, jpeg)
            for number, jpeg in enumerate(PICTURES)
        ]

        self.assertEqual(
            feed_all(LaboratoryAssembler(), packets),
            [ReceivedFrame(jpeg, 10 * n, n, float(n)) for n, jpeg in enumerate(PICTURES)],
        )

    def test_pieces_are_joined(self) -> None:
        packets = packets_of(*(cut(jpeg, 500) for jpeg in PICTURES))

        frames = feed_all(LaboratoryAssembler(), packets)

        self.assertEqual([frame.jpeg for frame in frames], PICTURES)
        self.assertEqual([frame.timestamp for frame in frames], [0, 3600, 7200])
        self.assertEqual(frames[0].sequence, parts_of(packets, 0)[-1].sequence)
        self.assertEqual(frames[0].arrived_s, 0.0)

    def test_the_marker_ends_a_frame_without_an_end(self) -> None:
        (frame,) = feed_all(LaboratoryAssembler(), packets_of([SOI + b"scan"]))

        self.assertEqual(frame.jpeg, SOI + b"scan")

    def test_the_next_frame_ends_one_without_an_end(self) -> None:
        packets = packets_of([SOI + b"1", b"2", SOI + b"3", b"4"])

        frames = feed_all(LaboratoryAssembler(), packets)

        self.assertEqual([frame.jpeg for frame in frames], [SOI + b"12", SOI + b"34"])

    @given(st.data())
    def test_frames_that_lack_a_packet_are_lost(self, data: st.DataObject) -> None:
        packets = packets_of(*(cut(jpeg, 500) for jpeg in PICTURES))
        missing = data.draw(st.sets(st.sampled_from(range(len(packets)))))
        touched = {packets[place].timestamp // INTERVAL_TICKS for place in missing}
        assembler = LaboratoryAssembler()

        frames = feed_all(assembler, [p for at, p in enumerate(packets) if at not in missing])

        self.assertEqual([f.jpeg for f in frames], [PICTURES[n] for n in {0, 1, 2} - touched])
        self.assertLessEqual(assembler.lost, len(touched))

    def test_each_lost_frame_is_counted_once(self) -> None:
        for missing in (0, 1, 2):
            packets = packets_of([SOI, b"1", b"2", b"3"], [SOI, b"4"])
            del packets[missing]
            assembler = LaboratoryAssembler()

            self.assertEqual(len(feed_all(assembler, packets)), 1)
            self.assertEqual(assembler.lost, 1)

    def test_a_frame_without_its_last_packet_is_counted(self) -> None:
        packets = packets_of([SOI, b"1", b"2", b"3"], [SOI, b"4"])
        del packets[3]
        assembler = LaboratoryAssembler()

        feed_all(assembler, packets)

        self.assertEqual(assembler.lost, 1)

    def test_a_restart_forgets_what_has_begun(self) -> None:
        assembler = LaboratoryAssembler()
        begun, *_ = packets_of([SOI, b"1", b"2"])
        feed_all(assembler, [begun])

        assembler.restart()
        frames = feed_all(assembler, packets_of([SOI + b"3", b"4"]))

        self.assertEqual([frame.jpeg for frame in frames], [SOI + b"34"])
        self.assertEqual(assembler.lost, 0)

    def test_a_frame_that_grows_without_end_is_given_up(self) -> None:
        assembler = LaboratoryAssembler()
        rest = bytes(MAX_JPEG_BYTES - len(SOI))

        frames = feed_all(assembler, packets_of([SOI, rest, b"1"], [SOI, rest]))

        self.assertEqual([frame.jpeg for frame in frames], [SOI + rest])
        self.assertEqual(assembler.lost, 1)
