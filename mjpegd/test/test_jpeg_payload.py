"""Tests of `mjpegd.wire.jpeg_payload`."""

from dataclasses import replace
from io import BytesIO

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.test.pictures import DQT, number_of, picture, segments
from mjpegd.wire.errors import ParseError, UnsupportedJpegError
from mjpegd.wire.jpeg_frame import JpegFrame, rtp_frame
from mjpegd.wire.jpeg_image import JpegImage
from mjpegd.wire.jpeg_payload import (
    MIN_PAYLOAD_BYTES,
    Payload,
    Reassembler,
    extension_for,
    fragment,
    tables_for,
    to_jpeg,
)
from mjpegd.wire.jpeg_segments import EOI, SOI
from mjpegd.wire.packets import (
    EXTENSION_HEADER_BYTES,
    JPEG_EXTENSION,
    LATER_JPEG_EXTENSION,
    MAX_TRAIN_PACKETS,
)

TABLES = bytes(range(128))
SCAN = bytes(number % 251 for number in range(1500))
FRAME = JpegFrame(
    type=1, width=640, height=480, restart_interval=0, quantization=TABLES, scan=bytes(3000)
)
EXTENSION = bytes(range(40))
RESTARTING = replace(FRAME, type=0, restart_interval=0x0102)

# Drawn from RFC 2435 section 3.1, in hexadecimal.
PAYLOADS = {
    "00 000000 01 ff 50 3c  00 00 0080" + TABLES.hex() + "abcd": Payload(
        type=1,
        q=255,
        width=640,
        height=480,
        offset=0,
        restart_interval=0,
        quantization=TABLES,
        scan=b"\xab\xcd",
    ),
    "00 012345 00 80 ff 01  ab": Payload(
        type=0,
        q=128,
        width=2040,
        height=8,
        offset=0x012345,
        restart_interval=0,
        quantization=None,
        scan=b"\xab",
    ),
    "00 000000 41 80 01 ff  0102 ffff  00 00 0000": Payload(
        type=1,
        q=128,
        width=8,
        height=2040,
        offset=0,
        restart_interval=0x0102,
        quantization=b"",
        scan=b"",
    ),
    "00 000000 40 63 01 01  0001 ffff  ab": Payload(
        type=0,
        q=99,
        width=8,
        height=8,
        offset=0,
        restart_interval=1,
        quantization=None,
        scan=b"\xab",
    ),
    "00 000000 00 63 00 00  ab": Payload(
        type=0,
        q=99,
        width=0,
        height=0,
        offset=0,
        restart_interval=0,
        quantization=None,
        scan=b"\xab",
    ),
    "00 000000 00 fe 01 01  00 00 0040" + TABLES[:64].hex() + "ab": Payload(
        type=0,
        q=254,
        width=8,
        height=8,
        offset=0,
        restart_interval=0,
        quantization=TABLES[:64],
        scan=b"\xab",
    ),
}


def frames() -> st.SearchStrategy[JpegFrame]:
    return st.builds(
        JpegFrame,
        type=st.sampled_from([0, 1]),
        width=st.integers(1, 255).map(lambda units: units * 8),
        height=st.integers(1, 255).map(lambda units: units * 8),
        extension=st.sampled_from([b"", EXTENSION]),
        restart_interval=st.integers(0, 0xFFFF),
        quantization=st.permutations(TABLES).map(bytes),
        scan=st.integers(1, len(SCAN)).map(lambda size: SCAN[:size]),
    )


@st.composite
def payloads(draw: st.DrawFn) -> Payload:
    q = draw(st.integers(1, 99) | st.integers(128, 255))
    offset = draw(st.just(0) | st.integers(0, 0xFFFFFF))
    tables = st.sampled_from([b"", TABLES[:64], TABLES]) if q >= 128 and not offset else st.none()
    return Payload(
        type=draw(st.sampled_from([0, 1])),
        q=q,
        width=draw(st.integers(1, 255)) * 8,
        height=draw(st.integers(1, 255)) * 8,
        offset=offset,
        restart_interval=draw(st.integers(0, 0xFFFF)),
        quantization=draw(tables),
        scan=draw(st.binary(max_size=40)),
    )


class FragmentTests(SynchronousTestCase):
    def test_more_packets_than_there_are_numbers_for(self) -> None:
        room = MIN_PAYLOAD_BYTES - 8
        most = MAX_TRAIN_PACKETS * room - len(TABLES) - 4

        self.assertEqual(
            len(fragment(replace(FRAME, scan=bytes(most)), MIN_PAYLOAD_BYTES)), MAX_TRAIN_PACKETS
        )
        self.assertRaises(
            UnsupportedJpegError,
            fragment,
            replace(FRAME, scan=bytes(most + 1)),
            MIN_PAYLOAD_BYTES,
        )

    def test_frame_that_fits_in_one_payload(self) -> None:
        [payload] = fragment(replace(FRAME, scan=b"\xab\xcd"), 1400)

        self.assertEqual(payload, bytes.fromhex(next(iter(PAYLOADS))))

    def test_scan_may_be_a_view(self) -> None:
        self.assertEqual(
            fragment(replace(FRAME, scan=memoryview(FRAME.scan)), 500), fragment(FRAME, 500)
        )

    def test_restart_header_is_in_every_payload(self) -> None:
        for payload in fragment(RESTARTING, 500):
            self.assertEqual(payload[4], 64)
            self.assertEqual(payload[8:12], b"\x01\x02\xff\xff")

    def test_last_payload_may_be_full(self) -> None:
        scan = bytes(500 - 8 - 132 + 500 - 8)

        self.assertEqual([len(p) for p in fragment(replace(FRAME, scan=scan), 500)], [500, 500])

    def test_payload_too_small_for_the_headers(self) -> None:
        self.assertEqual(len(fragment(RESTARTING, MIN_PAYLOAD_BYTES)[0]), MIN_PAYLOAD_BYTES)
        self.assertRaises(ValueError, fragment, FRAME, MIN_PAYLOAD_BYTES - 1)

    @given(frames(), st.integers(MIN_PAYLOAD_BYTES, 2000))
    def test_payloads_are_full_and_continuous(self, frame: JpegFrame, size: int) -> None:
        payloads = fragment(frame, size)

        sizes = [len(payload) for payload in payloads]
        if frame.extension:
            sizes = [EXTENSION_HEADER_BYTES + payload for payload in sizes]
            sizes[0] += len(frame.extension)
        self.assertEqual(set(sizes[:-1]) - {size}, set())
        self.assertLessEqual(sizes[-1], size)
        offset = 0
        for payload in map(Payload.parse, payloads):
            self.assertEqual(payload.offset, offset)
            self.assertEqual(payload.quantization, None if offset else frame.quantization)
            self.assertEqual(payload.restart_interval, frame.restart_interval)
            offset += len(payload.scan)
        extension = (JPEG_EXTENSION, frame.extension) if frame.extension else None
        self.assertEqual(fed(Reassembler(), payloads, 0, extension)[-1], frame)

    def test_extension_that_leaves_no_room(self) -> None:
        frame = replace(FRAME, extension=bytes(256))

        self.assertRaises(UnsupportedJpegError, fragment, frame, MIN_PAYLOAD_BYTES)

    def test_size_that_is_not_told(self) -> None:
        frame = replace(FRAME, width=0, height=0)
        payloads = fragment(frame, 1400)

        self.assertEqual({payload[6:8] for payload in payloads}, {b"\0\0"})
        self.assertEqual(fed(Reassembler(), payloads, timestamp=0)[-1], frame)


class PayloadTests(SynchronousTestCase):
    def test_parse(self) -> None:
        for text, payload in PAYLOADS.items():
            self.assertEqual(Payload.parse(bytes.fromhex(text)), payload)

    def test_to_bytes(self) -> None:
        for text, payload in PAYLOADS.items():
            self.assertEqual(payload.to_bytes(), bytes.fromhex(text))

    def test_type_specific_octet_is_ignored(self) -> None:
        for text, payload in PAYLOADS.items():
            self.assertEqual(Payload.parse(b"\x03" + bytes.fromhex(text)[1:]), payload)

    def test_malformed(self) -> None:
        cases = [
            ("", 0, "main-header"),
            ("00 000000 00 ff 01", 7, "main-header"),
            ("00 000000 02 ff 01 01", 4, "type"),
            ("00 000000 42 ff 01 01", 4, "type"),
            ("00 000000 80 ff 01 01", 4, "type"),
            ("00 000000 00 00 01 01", 5, "Q"),
            ("00 000000 00 64 01 01", 5, "Q"),
            ("00 000000 00 7f 01 01", 5, "Q"),
            ("00 000000 00 50 00 01", 6, "size"),
            ("00 000000 00 50 01 00", 6, "size"),
            ("00 000000 40 50 01 01 000100", 11, "restart-header"),
            ("00 000000 00 ff 01 01 000000", 11, "quantization-header"),
            ("00 000000 00 ff 01 01 00010080" + TABLES.hex(), 9, "quantization-precision"),
            ("00 000000 00 ff 01 01 000000c0" + TABLES.hex() * 2, 10, "quantization-length"),
            ("00 000000 00 ff 01 01 00000040 ab", 13, "quantization-tables"),
        ]
        for text, offset, rule in cases:
            with self.assertRaises(ParseError) as caught:
                Payload.parse(bytes.fromhex(text))
            self.assertEqual((caught.exception.offset, caught.exception.rule), (offset, rule))

    @given(payloads())
    def test_parse_reads_what_to_bytes_writes(self, payload: Payload) -> None:
        self.assertEqual(Payload.parse(payload.to_bytes()), payload)


def fed(
    reassembler: Reassembler,
    payloads: list[bytes],
    timestamp: int,
    extension: tuple[int, bytes] | None = None,
) -> list[JpegFrame | None]:
    last = len(payloads) - 1
    later = (LATER_JPEG_EXTENSION, b"") if extension else None
    return [
        reassembler.feed(payload, timestamp, number == last, later if number else extension)
        for number, payload in enumerate(payloads)
    ]


class ReassemblerTests(SynchronousTestCase):
    def test_frame_comes_with_its_last_payload(self) -> None:
        reassembler = Reassembler()
        found = fed(reassembler, fragment(FRAME, 1400), timestamp=7)

        self.assertEqual(found, [None, None, FRAME])
        self.assertEqual(reassembler.lost, 0)

    def test_frame_in_one_payload(self) -> None:
        reassembler = Reassembler()
        frame = replace(FRAME, scan=b"1")

        self.assertEqual(fed(reassembler, fragment(frame, 1400), timestamp=0), [frame])

    def test_extensions_are_taken_from_the_first_packet(self) -> None:
        reassembler, times = Reassembler(), [3, 2, 1]
        frame = replace(FRAME, extension=EXTENSION)
        payloads = fragment(frame, 1400)

        for extension, expected in (
            ((JPEG_EXTENSION, EXTENSION), frame),
            ((0xABAC, EXTENSION), FRAME),
            (None, FRAME),
        ):
            self.assertEqual(fed(reassembler, payloads, times.pop(), extension)[-1], expected)

    def test_eoi_at_the_end_is_cut_off(self) -> None:
        reassembler = Reassembler()
        payloads = fragment(replace(FRAME, scan=bytes(3000) + EOI), 1400)

        self.assertEqual(fed(reassembler, payloads, timestamp=7)[-1], FRAME)

    def test_lost_payload_loses_its_frame_only(self) -> None:
        payloads = fragment(FRAME, 1400)
        for missing in range(len(payloads)):
            reassembler = Reassembler()
            for number, payload in enumerate(payloads):
                if number != missing:
                    self.assertIsNone(reassembler.feed(payload, 7, marker=number == 2))

            self.assertEqual(fed(reassembler, payloads, timestamp=8)[-1], FRAME)
            self.assertEqual(reassembler.lost, 1)

    def test_payloads_out_of_order(self) -> None:
        first, second, third = fragment(FRAME, 1400)
        for order in ([second, first, third], [first, third, second], [third, second, first]):
            reassembler = Reassembler()
            for payload in order:
                self.assertIsNone(reassembler.feed(payload, 7, marker=payload is third))

            self.assertEqual(reassembler.lost, 1)

    def test_duplicates_are_ignored(self) -> None:
        reassembler = Reassembler()
        twice = [payload for payload in fragment(FRAME, 1400) for _ in range(2)]

        found = [reassembler.feed(p, 7, marker=len(p) < 1400) for p in twice]

        self.assertEqual([frame for frame in found if frame], [FRAME])
        self.assertEqual(reassembler.lost, 0)

    def test_what_is_no_payload_is_ignored(self) -> None:
        reassembler = Reassembler()
        first, second, third = fragment(FRAME, 1400)

        reassembler.feed(first, 7, marker=False)
        reassembler.feed(b"RTCP?", 9, marker=True)
        reassembler.feed(second, 7, marker=False)

        self.assertEqual(reassembler.feed(third, 7, marker=True), FRAME)

    def test_payloads_of_different_pictures(self) -> None:
        first, second, _ = fragment(FRAME, 1400)
        others = [bytes((*second[:at], second[at] ^ 1, *second[at + 1 :])) for at in (4, 5, 6, 7)]
        for other in others:
            reassembler = Reassembler()
            reassembler.feed(first, 7, marker=False)

            self.assertIsNone(reassembler.feed(other, 7, marker=True))
            self.assertEqual(reassembler.lost, 1)

    def test_tables_that_follow_from_q(self) -> None:
        reassembler = Reassembler()
        payload = Payload(1, 80, 64, 48, 0, 0, None, b"1").to_bytes()

        frame = reassembler.feed(payload, 7, marker=True)

        assert frame
        self.assertEqual(frame.quantization, tables_for(80))

    def test_one_table_is_for_all_components(self) -> None:
        reassembler = Reassembler()
        payload = Payload(1, 255, 64, 48, 0, 0, TABLES[:64], b"1").to_bytes()

        frame = reassembler.feed(payload, 7, marker=True)

        assert frame
        self.assertEqual(frame.quantization, TABLES[:64] * 2)

    def test_tables_are_kept_by_q(self) -> None:
        reassembler = Reassembler()
        first = Payload(1, 200, 64, 48, 0, 0, TABLES, b"1")
        later = replace(first, quantization=b"")

        reassembler.feed(first.to_bytes(), 7, marker=True)
        frame = reassembler.feed(later.to_bytes(), 8, marker=True)
        unknown = reassembler.feed(replace(later, q=201).to_bytes(), 9, marker=True)

        assert frame
        self.assertEqual(frame.quantization, TABLES)
        self.assertIsNone(unknown)
        self.assertEqual(reassembler.lost, 1)

    def test_after_a_restart_times_begin_anew_and_tables_stay(self) -> None:
        reassembler = Reassembler()
        first = Payload(1, 200, 64, 48, 0, 0, TABLES, b"1")
        later = replace(first, quantization=b"")
        reassembler.feed(first.to_bytes(), 7, marker=True)

        reassembler.restart()
        frame = reassembler.feed(later.to_bytes(), 7, marker=True)

        assert frame
        self.assertEqual(frame.quantization, TABLES)

    def test_a_frame_that_a_restart_breaks_off_is_not_lost(self) -> None:
        reassembler = Reassembler()
        fed(reassembler, fragment(FRAME, 1400)[:-1], timestamp=7)

        reassembler.restart()

        self.assertEqual(fed(reassembler, fragment(FRAME, 1400), timestamp=8)[-1], FRAME)
        self.assertEqual(reassembler.lost, 0)

    def test_tables_of_q_255_are_not_kept(self) -> None:
        reassembler = Reassembler()
        first = Payload(1, 255, 64, 48, 0, 0, TABLES, b"1")

        reassembler.feed(first.to_bytes(), 7, marker=True)

        later = replace(first, quantization=b"").to_bytes()
        self.assertIsNone(reassembler.feed(later, 8, marker=True))

    def test_frame_without_data(self) -> None:
        reassembler = Reassembler()
        payload = Payload(1, 255, 64, 48, 0, 0, TABLES, EOI).to_bytes()

        self.assertIsNone(reassembler.feed(payload, 7, marker=True))
        self.assertEqual(reassembler.lost, 1)

    @given(st.data())
    def test_original_frames_or_nothing(self, data: st.DataObject) -> None:
        reassembler = Reassembler()
        originals = [
            replace(FRAME, scan=bytes((number,)) * size)
            for number, size in enumerate(data.draw(st.lists(st.integers(1, 900), max_size=5)))
        ]
        packets = [
            (payload, number, payload is payloads[-1])
            for number, payloads in enumerate(fragment(frame, 256) for frame in originals)
            for payload in payloads
        ]
        # Lost, doubled and late packets: any walk with short steps through what was sent.
        places = range(len(packets))
        late = data.draw(st.lists(st.integers(-3, 3), min_size=len(places), max_size=len(places)))
        kept = [
            place for place in places for _ in range(data.draw(st.sampled_from([1, 1, 1, 0, 2])))
        ]
        arrived = [packets[place] for place in sorted(kept, key=lambda at: at + late[at])]

        found = [reassembler.feed(*packet) for packet in arrived]

        for packet, frame in zip(arrived, found, strict=True):
            self.assertIn(frame, (None, originals[packet[1]]))

    @given(st.lists(st.tuples(st.binary(max_size=30), st.integers(0, 2), st.booleans())))
    def test_anything_may_arrive(self, packets: list[tuple[bytes, int, bool]]) -> None:
        reassembler = Reassembler()
        for tail, timestamp, marker in packets:
            reassembler.feed(b"\x00\x00\x00" + tail, timestamp, marker)


class DamagedTests(SynchronousTestCase):
    def test_a_gap_leaves_what_is_above_it(self) -> None:
        payloads = fragment(FRAME, 500)
        for missing in range(1, len(payloads) - 1):
            reassembler = Reassembler()
            top = payloads[:missing]
            fed(reassembler, [*top, payloads[missing + 1]], timestamp=7)

            scan = b"".join(Payload.parse(payload).scan for payload in top)
            self.assertEqual(reassembler.damaged, replace(FRAME, scan=scan))

    def test_the_end_is_missed_when_the_next_frame_begins(self) -> None:
        reassembler = Reassembler()
        first, *_ = fragment(replace(FRAME, extension=EXTENSION), 1400)
        whole = replace(FRAME, scan=b"1")

        reassembler.feed(first, 7, False, (JPEG_EXTENSION, EXTENSION))
        found = fed(reassembler, fragment(whole, 1400), timestamp=8)

        self.assertEqual(found, [whole])
        scan = Payload.parse(first).scan
        self.assertEqual(reassembler.damaged, replace(FRAME, scan=scan, extension=EXTENSION))

    def test_two_frames_given_up_at_once_leave_the_one_that_has_a_top(self) -> None:
        reassembler = Reassembler()
        first, second, _ = fragment(FRAME, 1400)

        reassembler.feed(first, 7, marker=False)
        reassembler.feed(second, 8, marker=False)

        assert reassembler.damaged
        self.assertEqual(reassembler.damaged.scan, Payload.parse(first).scan)
        self.assertEqual(reassembler.lost, 2)

    def test_it_is_told_once(self) -> None:
        first, second, third = fragment(FRAME, 1400)
        for payload in (first, second, third, b""):
            reassembler = Reassembler()
            reassembler.feed(first, 7, marker=False)
            reassembler.feed(third, 7, marker=True)
            reassembler.feed(payload, 7, marker=False)

            self.assertIsNone(reassembler.damaged)

    def test_whole_frames_leave_nothing(self) -> None:
        reassembler = Reassembler()

        self.assertIsNone(reassembler.damaged)
        for timestamp in (7, 8):
            for number, payload in enumerate(fragment(FRAME, 1400)):
                reassembler.feed(payload, timestamp, marker=number == 2)
                self.assertIsNone(reassembler.damaged)

    def test_without_top_or_tables_or_data_nothing_can_be_shown(self) -> None:
        first, _, third = fragment(FRAME, 1400)
        no_tables = Payload(1, 200, 64, 48, 0, 0, b"", b"1").to_bytes()
        no_data = Payload(1, 255, 64, 48, 0, 0, TABLES, b"").to_bytes()
        for start in (third, no_tables, no_data):
            reassembler = Reassembler()
            reassembler.feed(start, 7, marker=False)
            reassembler.feed(first, 8, marker=False)

            self.assertIsNone(reassembler.damaged)
            self.assertEqual(reassembler.lost, 1)

    def test_what_is_left_can_be_seen(self) -> None:
        reassembler = Reassembler()
        frame = rtp_frame(JpegImage.parse(picture(1, size=(320, 240))))
        payloads = fragment(frame, MIN_PAYLOAD_BYTES)
        fed(reassembler, [*payloads[:-2], payloads[-1]], timestamp=7)

        assert reassembler.damaged
        jpeg = to_jpeg(reassembler.damaged)

        self.assertTrue(to_jpeg(frame).startswith(jpeg.removesuffix(EOI)))


class TablesForTests(SynchronousTestCase):
    def test_same_as_those_of_libjpeg(self) -> None:
        for q in (1, 5, 49, 50, 51, 80, 99):
            image = JpegImage.parse(picture(1, quality=q))

            self.assertEqual(
                tables_for(q), image.header.quantization[0] + image.header.quantization[1]
            )


class ToJpegTests(SynchronousTestCase):
    def test_same_frame_again(self) -> None:
        for jpeg in (
            picture(1),
            picture(2, subsampling="4:2:2"),
            picture(3, restart_marker_blocks=2),
            picture(4, size=(33, 41), quality=20),
        ):
            frame = rtp_frame(JpegImage.parse(jpeg))

            again = to_jpeg(frame)

            self.assertEqual(rtp_frame(JpegImage.parse(again)), frame)
            self.assertEqual(number_of(again), number_of(jpeg))

    def test_standard_tables_come_back_as_libjpeg_wrote_them(self) -> None:
        jpeg = picture(1)

        again = segments(to_jpeg(rtp_frame(JpegImage.parse(jpeg))))

        for part in segments(jpeg):
            if part[1] != DQT and part[:2] != b"\xff\xc4":
                self.assertIn(part, again)

    def test_true_size_from_a_description(self) -> None:
        jpeg = picture(1, size=(33, 41))
        frame = rtp_frame(JpegImage.parse(jpeg))

        for told in (frame, replace(frame, width=0, height=0)):
            again = to_jpeg(told, size=(33, 41))
            self.assertEqual(pixels(again), pixels(jpeg))

    def test_true_size_from_the_header_extension(self) -> None:
        for jpeg in (
            picture(1, size=(2121, 67)),
            picture(1, size=(34, 2121), subsampling="4:2:2", restart_marker_blocks=3),
        ):
            image = JpegImage.parse(jpeg)
            plain = rtp_frame(image, any_size=True)
            frame = replace(plain, extension=extension_for(plain, (image.width, image.height)))

            self.assertEqual(pixels(to_jpeg(frame)), pixels(jpeg))

    def test_size_that_nobody_tells(self) -> None:
        frame = replace(FRAME, width=0, height=0, extension=b"\xff" * 4)

        self.assertRaises(UnsupportedJpegError, to_jpeg, frame)


class ExtensionTests(SynchronousTestCase):
    def test_it_is_the_whole_header(self) -> None:
        for jpeg in (picture(1), picture(1, restart_marker_blocks=3)):
            frame = rtp_frame(JpegImage.parse(jpeg))
            extension = extension_for(frame, (64, 48))

            self.assertEqual(len(extension) % 4, 0)
            self.assertEqual(pixels(SOI + extension + frame.scan + EOI), pixels(jpeg))

    def test_no_fill_bytes_behind_the_last_segment(self) -> None:
        for interval in (0, 1):
            frame = replace(FRAME, restart_interval=interval)

            self.assertNotEqual(extension_for(frame, (1, 1))[-1], 0xFF)


def pixels(jpeg: bytes) -> bytes:
    return Image.open(BytesIO(jpeg)).tobytes()
