"""Tests of `mjpegd.wire.jpeg_scans`."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.test.coefficients import AC_TABLE, DC_TABLE, TABLES, TYPE_1, packed, parts, written
from mjpegd.test.pictures import DHT, DQT, DRI, SOS, picture, segment, segments, without
from mjpegd.wire.errors import BrokenJpegError
from mjpegd.wire.jpeg_codes import LUMA, lookup
from mjpegd.wire.jpeg_frame import STANDARD_HUFFMAN
from mjpegd.wire.jpeg_planes import Plane
from mjpegd.wire.jpeg_scans import Bits, Scan, intervals, scans

SIZE = (40, 24)


def scan_of(data: bytes, interval: int = 0) -> Scan:
    return Scan([(1, 0, 0)], 0, 63, 0, 0, {}, {}, interval, data)


class ScanTests(SynchronousTestCase):
    def test_one_scan(self) -> None:
        jpeg = written(SIZE, parts(SIZE, TYPE_1), interval=3)

        (scan,) = scans(jpeg)

        self.assertEqual(scan.components, [(1, 0, 0), (2, 0, 0), (3, 0, 0)])
        self.assertEqual((scan.first, scan.last, scan.high, scan.low), (0, 63, 0, 0))
        self.assertEqual(scan.restart_interval, 3)
        self.assertEqual(scan.quantization, {0: TABLES[1:65], 1: TABLES[66:]})
        self.assertEqual(
            scan.huffman, {**STANDARD_HUFFMAN, (0, 0): DC_TABLE[1:], (1, 0): AC_TABLE[1:]}
        )
        self.assertEqual(scan.data, segments(jpeg)[-2])

    def test_passes(self) -> None:
        jpeg = picture(1, progressive=True)

        bands = [(scan.first, scan.last, scan.high, scan.low) for scan in scans(jpeg)]

        self.assertEqual(bands[0], (0, 0, 0, 1))
        self.assertIn((0, 0, 1, 0), bands)

    def test_tables_are_those_that_were_told_last(self) -> None:
        *header, coded, last = segments(picture(1))
        changed = [
            segment(DQT, b"\x00" + bytes(range(64))),
            segment(DHT, b"\x00" + bytes(16)),
            segment(DRI, b"\x00\x07"),
            header[-1],
        ]

        found = list(scans(b"".join((*header, coded, *changed, coded, last))))

        self.assertEqual(len(found), 2)
        self.assertEqual(found[1].quantization[0], bytes(range(64)))
        self.assertEqual(found[1].huffman[0, 0], bytes(16))
        self.assertEqual([scan.restart_interval for scan in found], [0, 7])

    def test_without_huffman_tables_those_of_annex_k_are_in_force(self) -> None:
        (scan,) = scans(without(picture(1), DHT))

        self.assertEqual(scan.huffman, STANDARD_HUFFMAN)

    def test_scan_header_that_is_cut_off(self) -> None:
        *header, coded, last = segments(picture(1))
        jpeg = b"".join((*header[:-1], segment(SOS, header[-1][4:-2]), coded, last))

        self.assertRaises(IndexError, list, scans(jpeg))


class BitsTests(SynchronousTestCase):
    @given(st.lists(st.integers(1, 16)), st.binary(min_size=1))
    def test_numbers_of_any_length(self, sizes: list[int], data: bytes) -> None:
        whole = "".join(f"{byte:08b}" for byte in data)
        bits, at = Bits(data.replace(b"\xff", b"\xff\x00")), 0

        for size in sizes:
            if at + size <= len(whole):
                self.assertEqual(bits.take(size), int(whole[at : at + size], 2))
                at += size
        bits.check_end()

    def test_signed_numbers(self) -> None:
        bits = Bits(packed("0" + "1" + "010" + "101"))

        self.assertEqual([bits.signed(size) for size in (1, 1, 3, 3)], [-1, 1, -5, 5])
        self.assertEqual(bits.signed(0), 0)

    def test_symbols(self) -> None:
        table = lookup(b"\x01\x01" + bytes(14) + b"\x05\x06")  # 0 is 5, 10 is 6
        bits = Bits(packed("10" + "0" + "10"))

        self.assertEqual([bits.symbol(table) for _ in range(3)], [6, 5, 6])
        self.assertRaises(IndexError, bits.symbol, table)

    def test_end_of_the_data(self) -> None:
        bits = Bits(b"\x12\x34")

        bits.take(16)
        bits.check_end()
        bits.take(1)

        self.assertRaises(BrokenJpegError, bits.check_end)

    def test_far_behind_the_end_there_is_nothing(self) -> None:
        bits = Bits(b"")

        with self.assertRaises(IndexError):
            for _ in range(100):
                bits.take(16)

    def test_stray_markers(self) -> None:
        for data in (b"\x00\xff\x01\x00", b"\xff\xff\x00"):
            with self.assertRaisesRegex(BrokenJpegError, "marker"):
                Bits(data)

    def test_fill_bytes_at_the_end(self) -> None:
        self.assertEqual(Bits(b"\x12\xff\xff").count, 8)


class IntervalTests(SynchronousTestCase):
    PLANE = Plane(1, 1, 5, 1, LUMA)

    def taken(self, scan: Scan) -> list[tuple[int, int]]:
        """The first byte between restart markers, and how many blocks it stands for."""
        return [(bits.take(8), count) for bits, count in intervals(scan, [self.PLANE])]

    def test_without_restart_markers(self) -> None:
        self.assertEqual(self.taken(scan_of(b"\x11\x22")), [(0x11, 5)])

    def test_between_restart_markers(self) -> None:
        data = b"\x11\x12\xff\xd0\x21\xff\xff\xd1\x31"

        self.assertEqual(self.taken(scan_of(data, 2)), [(0x11, 2), (0x21, 2), (0x31, 1)])

    def test_of_several_components_blocks_are_counted_in_mcus(self) -> None:
        planes = [Plane(2, 1, 4, 1, LUMA), Plane(1, 1, 2, 1, LUMA)]

        found = [count for _, count in intervals(scan_of(b"\x11\xff\xd0\x21", 1), planes)]

        self.assertEqual(found, [3, 3])

    def test_marker_that_is_missing(self) -> None:
        with self.assertRaises(BrokenJpegError):
            self.taken(scan_of(b"\x11\xff\xd0\x21", 2))

    def test_data_that_end_too_early(self) -> None:
        with self.assertRaises(BrokenJpegError):
            for bits, _ in intervals(scan_of(b"\x11"), [self.PLANE]):
                bits.take(9)
