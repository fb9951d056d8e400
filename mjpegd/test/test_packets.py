from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.wire.errors import ParseError
from mjpegd.wire.packets import (
    INTERLEAVED_PREFIX_BYTES,
    JPEG_EXTENSION,
    JPEG_PAYLOAD_TYPE,
    LATER_JPEG_EXTENSION,
    MAX_PACKET_BYTES,
    MAX_TRAIN_PACKETS,
    RTP_HEADER_BYTES,
    WORD_BYTES,
    RTPPacket,
    TrainTemplate,
    sequence_add,
    sequence_delta,
    timestamp_delta,
    whole_words,
)

UINT16 = st.integers(0, 0xFFFF)
UINT32 = st.integers(0, 0xFFFFFFFF)

PACKETS = st.builds(
    RTPPacket,
    payload_type=st.integers(0, 127),
    marker=st.booleans(),
    sequence=UINT16,
    timestamp=UINT32,
    ssrc=UINT32,
    payload=st.binary(max_size=40),
    csrcs=st.lists(UINT32, max_size=15).map(tuple),
    extension=st.none()
    | st.tuples(UINT16, st.lists(st.binary(min_size=4, max_size=4), max_size=3).map(b"".join)),
)


@st.composite
def frames(draw: st.DrawFn, *, interleaved: bool) -> list[bytes]:
    """The payloads of one frame: sizes that make packets whole words, the last one not longer."""
    size = whole_words(draw(st.integers(8, 100)), interleaved=interleaved)
    whole = draw(st.lists(st.binary(min_size=size, max_size=size), max_size=12))
    return [*whole, draw(st.binary(max_size=size if whole else 50))]


PLAIN = RTPPacket(26, True, 0x1234, 0x89ABCDEF, 0x0BADCAFE, b"scan")
CASES = (
    ("809a 1234 89abcdef 0badcafe 7363616e", PLAIN),
    ("801a 0000 00000000 00000000", RTPPacket(26, False, 0, 0, 0, b"")),
    (
        "82e0 ffff ffffffff ffffffff 00000001 00000002 73",
        RTPPacket(96, True, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, b"s", csrcs=(1, 2)),
    ),
    (
        # The extension with which ONVIF replays recordings.
        "909a 0001 00000002 00000003 abac0001 01020304 73",
        RTPPacket(26, True, 1, 2, 3, b"s", extension=(0xABAC, b"\1\2\3\4")),
    ),
    (
        "90 1a 0001 00000002 00000003 ffff0000 73",
        RTPPacket(26, False, 1, 2, 3, b"s", extension=(0xFFFF, b"")),
    ),
)


class RTPPacketTests(SynchronousTestCase):
    def test_known_packets_are_read(self) -> None:
        for data, packet in CASES:
            self.assertEqual(RTPPacket.parse(bytes.fromhex(data)), packet)

    def test_known_packets_are_written(self) -> None:
        for data, packet in CASES:
            self.assertEqual(packet.to_bytes(), bytes.fromhex(data))

    def test_padding_is_dropped(self) -> None:
        data = bytearray(PLAIN.to_bytes() + b"\0\0\3")
        data[0] |= 0x20

        self.assertEqual(RTPPacket.parse(bytes(data)), PLAIN)

    def test_malformed_packets_are_refused(self) -> None:
        for data, rule in (
            ("", "rtp-header"),
            ("80 1a 0000 00000000 000000", "rtp-header"),
            ("00 1a 0000 00000000 00000000", "rtp-version"),
            ("c0 1a 0000 00000000 00000000", "rtp-version"),
            ("81 1a 0000 00000000 00000000 000000", "csrc"),
            ("90 1a 0000 00000000 00000000 abac00", "rtp-extension"),
            ("90 1a 0000 00000000 00000000 abac0001 000000", "rtp-extension"),
            ("a0 1a 0000 00000000 00000000", "rtp-padding"),
            ("a0 1a 0000 00000000 00000000 00", "rtp-padding"),
            ("a0 1a 0000 00000000 00000000 00000005", "rtp-padding"),
        ):
            error = self.assertRaises(ParseError, RTPPacket.parse, bytes.fromhex(data))
            self.assertEqual(error.rule, rule)

    @given(PACKETS)
    def test_what_is_written_is_read(self, packet: RTPPacket) -> None:
        self.assertEqual(RTPPacket.parse(packet.to_bytes()), packet)

    @given(st.sampled_from(range(256)), st.binary(max_size=80))
    def test_any_bytes_are_a_packet_or_refused(self, flags: int, rest: bytes) -> None:
        try:
            packet = RTPPacket.parse(bytes((flags,)) + rest)
        except ParseError:
            return
        self.assertEqual(RTPPacket.parse(packet.to_bytes()), packet)


class NumberTests(SynchronousTestCase):
    def test_sequence_numbers_wrap(self) -> None:
        self.assertEqual(sequence_add(0xFFFF, 2), 1)
        self.assertEqual(sequence_delta(1, 0xFFFF), 2)
        self.assertEqual(sequence_delta(0xFFFF, 1), -2)
        self.assertEqual(sequence_delta(0x8000, 0), -0x8000)

    def test_timestamps_wrap(self) -> None:
        self.assertEqual(timestamp_delta(1, 0xFFFFFFFF), 2)
        self.assertEqual(timestamp_delta(0xFFFFFFFF, 1), -2)
        self.assertEqual(timestamp_delta(0x80000000, 0), -0x80000000)

    @given(UINT16, st.integers(-0x8000, 0x7FFF))
    def test_a_sequence_delta_undoes_an_addition(self, sequence: int, count: int) -> None:
        self.assertEqual(sequence_delta(sequence_add(sequence, count), sequence), count)

    @given(UINT32, st.integers(-0x80000000, 0x7FFFFFFF))
    def test_a_timestamp_delta_undoes_an_addition(self, timestamp: int, count: int) -> None:
        self.assertEqual(timestamp_delta((timestamp + count) % 2**32, timestamp), count)


def reference(payloads: list[bytes], sequence: int, timestamp: int, ssrc: int) -> list[bytes]:
    """The packets of a frame, made one by one."""
    return [
        RTPPacket(
            payload_type=JPEG_PAYLOAD_TYPE,
            marker=number == len(payloads) - 1,
            sequence=(sequence + number) % 0x10000,
            timestamp=timestamp,
            ssrc=ssrc,
            payload=payload,
        ).to_bytes()
        for number, payload in enumerate(payloads)
    ]


class TrainTests(SynchronousTestCase):
    @given(frames(interleaved=False), UINT16, UINT32, UINT32)
    def test_a_train_is_its_packets_one_after_another(
        self, payloads: list[bytes], sequence: int, timestamp: int, ssrc: int
    ) -> None:
        template = TrainTemplate(payloads, interleaved=False)

        train = template.stamp(sequence, timestamp, ssrc)

        self.assertEqual(list(train.packets()), reference(payloads, sequence, timestamp, ssrc))

    @given(frames(interleaved=True), UINT16, UINT32, UINT32, st.integers(0, 255))
    def test_an_interleaved_train_has_prefixes(
        self, payloads: list[bytes], sequence: int, timestamp: int, ssrc: int, channel: int
    ) -> None:
        template = TrainTemplate(payloads, interleaved=True)

        train = template.stamp(sequence, timestamp, ssrc, channel)

        self.assertEqual(
            list(train.packets()),
            [
                b"$" + bytes((channel,)) + len(packet).to_bytes(2) + packet
                for packet in reference(payloads, sequence, timestamp, ssrc)
            ],
        )

    @given(st.integers(1, 4), st.integers(0, 8), UINT16, UINT32, UINT32)
    def test_extensions(
        self, count: int, last: int, sequence: int, timestamp: int, ssrc: int
    ) -> None:
        extension = b"\xff\xc0" + bytes(6)
        payloads = [b"8 bytes.", *[b"16 bytes of data"] * count, b"t" * last]

        template = TrainTemplate(payloads, interleaved=False, extension=extension)

        packets = [
            RTPPacket.parse(bytes(packet))
            for packet in template.stamp(sequence, timestamp, ssrc).packets()
        ]
        self.assertEqual([packet.payload for packet in packets], payloads)
        self.assertEqual(
            [packet.extension for packet in packets],
            [(JPEG_EXTENSION, extension), *[(LATER_JPEG_EXTENSION, b"")] * (count + 1)],
        )
        self.assertEqual(
            [packet.to_bytes() for packet in packets],
            list(template.stamp(sequence, timestamp, ssrc).packets()),
        )
        self.assertEqual(
            [(packet.sequence, packet.timestamp, packet.ssrc) for packet in packets],
            [((sequence + n) % 0x10000, timestamp, ssrc) for n in range(count + 2)],
        )
        self.assertEqual([packet.marker for packet in packets], [*[False] * (count + 1), True])

    def test_interleaved_extensions_count_for_the_length(self) -> None:
        template = TrainTemplate(
            [b"1st.", b"twelve bytes", b"t"], interleaved=True, extension=bytes(8)
        )

        found = list(template.stamp(0, 0, 0).packets())

        sizes = [INTERLEAVED_PREFIX_BYTES + int.from_bytes(packet[2:4]) for packet in found]
        self.assertEqual(sizes, [len(packet) for packet in found])

    def test_extensions_are_no_payload_octets(self) -> None:
        template = TrainTemplate([b"abc"], interleaved=False, extension=bytes(8))

        self.assertEqual(template.payload_octets, 3)

    def test_the_longest_train_counts_through_all_numbers_from_any(self) -> None:
        template = TrainTemplate([b"four"] * MAX_TRAIN_PACKETS, interleaved=False)

        for first in (0, 1, 0x7FFF, 0xFFFF):
            train = template.stamp(first, 0, 0)
            numbers = [int.from_bytes(packet[2:4]) for packet in train.packets()]
            # Not assertEqual: it would compare lists of this length for minutes.
            self.assertTrue(numbers == [*range(first, 0x10000), *range(first)])

    def test_a_train_is_lent_until_the_next_viewer_has_it(self) -> None:
        template = TrainTemplate([b"abcdefgh", b"i"], interleaved=True)
        lent = template.stamp(1, 2, 3, 4)
        kept = lent.copy()
        stamped = bytes(lent.buffer)

        template.stamp(5, 6, 7, 8)

        self.assertEqual(kept.buffer, stamped)
        self.assertNotEqual(lent.buffer, stamped)
        self.assertEqual((kept.stride, kept.packet_count), (lent.stride, lent.packet_count))

    def test_sizes_are_told(self) -> None:
        for interleaved, prefix in ((False, 0), (True, INTERLEAVED_PREFIX_BYTES)):
            size = whole_words(8, interleaved=interleaved)
            template = TrainTemplate([bytes(size), bytes(size), b"i"], interleaved=interleaved)

            self.assertEqual(template.interleaved, interleaved)
            self.assertEqual(template.packet_count, 3)
            self.assertEqual(template.payload_octets, 2 * size + 1)
            self.assertEqual(template.stride, size + RTP_HEADER_BYTES + prefix)
            self.assertEqual(template.size_bytes, 2 * size + 1 + 3 * (RTP_HEADER_BYTES + prefix))
            self.assertEqual(len(template.stamp(0, 0, 0)), template.size_bytes)

    def test_payloads_that_make_no_train_are_refused(self) -> None:
        for payloads in (
            [],
            [b"a", b"bc"],
            [b"abcd", b"a", b"abcd"],
            [b"abc", b"abc", b"d"],
            [b"8 bytes."] * 3,
            [b"four"] * (MAX_TRAIN_PACKETS + 1),
            [bytes(MAX_PACKET_BYTES - RTP_HEADER_BYTES + 1)],
        ):
            with self.assertRaises(ValueError):
                TrainTemplate(payloads, interleaved=False)

    def test_payloads_are_cut_to_the_most_that_makes_packets_whole_words(self) -> None:
        for interleaved, before in ((False, 0), (True, INTERLEAVED_PREFIX_BYTES)):
            for most in range(8, 2000):
                size = whole_words(most, interleaved=interleaved)

                self.assertTrue(most - WORD_BYTES < size <= most)
                self.assertEqual((before + RTP_HEADER_BYTES + size) % WORD_BYTES, 0)

    def test_the_longest_packet_has_a_length_of_16_bits(self) -> None:
        payload = bytes(MAX_PACKET_BYTES - RTP_HEADER_BYTES)

        train = TrainTemplate([payload], interleaved=True).stamp(0, 0, 0)

        self.assertEqual(train.buffer[2:4], b"\xff\xff")
