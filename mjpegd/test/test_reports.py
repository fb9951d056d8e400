from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.wire.clock import ntp_timestamp
from mjpegd.wire.errors import ParseError
from mjpegd.wire.reports import (
    MAX_COMPOUND_PACKETS,
    Bye,
    ReceiverReport,
    Report,
    ReportBlock,
    SenderReport,
    SourceDescription,
    UnknownReport,
    compound,
    is_rtcp,
    parse_compound,
    round_trip_s,
)

UINT32 = st.integers(0, 0xFFFFFFFF)
SHORT_TEXT = st.text(max_size=60).filter(lambda text: len(text.encode("utf-8")) <= 255)

BLOCKS = st.builds(
    ReportBlock,
    ssrc=UINT32,
    fraction_lost=st.integers(0, 255),
    lost=st.integers(-(2**23), 2**23 - 1),
    highest_sequence=UINT32,
    jitter=UINT32,
    last_sr=UINT32,
    delay_since_last_sr=UINT32,
)
BLOCK_LISTS = st.lists(BLOCKS, max_size=3).map(tuple)
REPORTS: st.SearchStrategy[Report] = st.one_of(
    st.builds(
        SenderReport,
        ssrc=UINT32,
        ntp=st.integers(0, 2**64 - 1),
        rtp_timestamp=UINT32,
        packets=UINT32,
        octets=UINT32,
        blocks=BLOCK_LISTS,
    ),
    st.builds(ReceiverReport, ssrc=UINT32, blocks=BLOCK_LISTS),
    st.builds(SourceDescription, ssrc=UINT32, cname=SHORT_TEXT),
    st.builds(Bye, ssrcs=st.lists(UINT32, max_size=31).map(tuple), reason=SHORT_TEXT),
    st.builds(
        UnknownReport,
        packet_type=st.integers(204, 255),
        count=st.integers(0, 31),
        body=st.lists(st.binary(min_size=4, max_size=4), max_size=5).map(b"".join),
    ),
)

BLOCK = ReportBlock(0x0BADCAFE, 128, -1, 0x0001FFFF, 900, 0x45678000, 0x00010000)
BLOCK_HEX = "0badcafe 80ffffff 0001ffff 00000384 45678000 00010000"
CASES: tuple[tuple[str, Report], ...] = (
    (
        "80c8 0006 0badcafe 0123456789abcdef 00015f90 00000002 00000300",
        SenderReport(0x0BADCAFE, 0x0123456789ABCDEF, 90_000, 2, 768),
    ),
    (
        f"81c8 000c 00000001 0000000000000002 00000003 00000004 00000005 {BLOCK_HEX}",
        SenderReport(1, 2, 3, 4, 5, (BLOCK,)),
    ),
    # What FFmpeg sends before PLAY.
    ("80c9 0001 00000000", ReceiverReport(0)),
    (f"81c9 0007 00000007 {BLOCK_HEX}", ReceiverReport(7, (BLOCK,))),
    ("81ca 0003 00000007 0104 61406263 0000", SourceDescription(7, "a@bc")),
    ("81ca 0003 00000007 0105 6140626364 00", SourceDescription(7, "a@bcd")),
    ("81ca 0004 00000007 0106 614062636465 00000000", SourceDescription(7, "a@bcde")),
    ("81cb 0001 00000007", Bye((7,))),
    ("82cb 0003 00000007 00000008 03656e64", Bye((7, 8), "end")),
    ("80cb 0000", Bye(())),
    ("83cc 0002 00000007 6e616d65", UnknownReport(204, 3, b"\0\0\0\7name")),
    ("80ca 0000", UnknownReport(202, 0, b"")),
)


class PacketTests(SynchronousTestCase):
    def test_known_packets_are_read(self) -> None:
        for data, report in CASES:
            self.assertEqual(parse_compound(bytes.fromhex(data)), [report])

    def test_known_packets_are_written(self) -> None:
        for data, report in CASES:
            self.assertEqual(report.to_bytes(), bytes.fromhex(data))

    def test_other_items_and_chunks_of_a_description_are_passed_over(self) -> None:
        # TOOL, then CNAME, then a second chunk.
        data = "82ca 0006 00000007 0602 7678 0101 6100 00000000 00000008 00000000"

        self.assertEqual(parse_compound(bytes.fromhex(data)), [SourceDescription(7, "a")])

    def test_a_description_may_lack_a_name(self) -> None:
        for data in (
            "81ca 0002 00000007 00000000",
            "81ca 0001 00000007",
            "81ca 0002 00000007 06027678",
        ):
            self.assertEqual(parse_compound(bytes.fromhex(data)), [SourceDescription(7, "")])

    def test_a_name_that_is_no_utf_8_survives(self) -> None:
        data = bytes.fromhex("81ca 0002 00000007 0101 ff00")

        self.assertEqual(SourceDescription.parse(data).to_bytes(), data)

    def test_padding_is_dropped(self) -> None:
        data = bytes.fromhex("a0c9 0002 00000007 00000004")

        self.assertEqual(parse_compound(data), [ReceiverReport(7)])

    def test_an_extension_after_the_blocks_is_passed_over(self) -> None:
        data = bytes.fromhex("80c9 0002 00000007 00000009")

        self.assertEqual(parse_compound(data), [ReceiverReport(7)])

    def test_another_type_is_refused(self) -> None:
        error = self.assertRaises(ParseError, Bye.parse, ReceiverReport(7).to_bytes())

        self.assertEqual(error.rule, "rtcp-type")

    def test_a_short_block_is_refused(self) -> None:
        error = self.assertRaises(ParseError, ReportBlock.parse, bytes(23))

        self.assertEqual(error.rule, "report-block")


class CompoundTests(SynchronousTestCase):
    @given(st.lists(REPORTS, max_size=MAX_COMPOUND_PACKETS))
    def test_what_is_written_is_read(self, reports: list[Report]) -> None:
        self.assertEqual(parse_compound(compound(*reports)), reports)

    def test_too_many_packets_are_refused(self) -> None:
        error = self.assertRaises(
            ParseError, parse_compound, compound(*[Bye(())] * (MAX_COMPOUND_PACKETS + 1))
        )

        self.assertEqual((error.rule, error.offset), ("rtcp-compound", 4 * MAX_COMPOUND_PACKETS))

    def test_malformed_packets_are_refused(self) -> None:
        for data, rule in (
            ("80c9 00", "rtcp-header"),
            ("80c9 0001 00000000 80", "rtcp-header"),
            ("40c9 0001 00000000", "rtcp-version"),
            ("80c9 0002 00000000", "rtcp-length"),
            ("80c9 0000", "ssrc"),
            ("81c9 0001 00000000", "report-block"),
            ("80c8 0005 00000000 00000000 00000000 00000000 00000000", "sender-info"),
            ("81ca 0000", "sdes-chunk"),
            ("81ca 0002 00000007 01036162", "sdes-item"),
            ("82cb 0001 00000007", "bye-ssrc"),
            ("81cb 0002 00000007 04656e64", "bye-reason"),
            ("a0cc 0000", "rtcp-padding"),
            ("a0cc 0001 00000000", "rtcp-padding"),
            ("a0cc 0001 00000003", "rtcp-padding"),
            ("a0cc 0001 00000008", "rtcp-padding"),
        ):
            error = self.assertRaises(ParseError, parse_compound, bytes.fromhex(data))
            self.assertEqual(error.rule, rule, data)

    @given(st.binary(max_size=100))
    def test_any_bytes_are_reports_or_refused(self, data: bytes) -> None:
        try:
            reports = parse_compound(data)
        except ParseError:
            return
        self.assertLessEqual(len(reports), MAX_COMPOUND_PACKETS)

    @given(st.integers(199, 208), st.integers(0, 63), st.data())
    def test_any_body_is_a_report_or_refused(
        self, packet_type: int, flags: int, data: st.DataObject
    ) -> None:
        body = data.draw(st.binary(max_size=40).map(lambda b: b + bytes(-len(b) % 4)))
        packet = bytes((0x80 | flags, packet_type, 0, len(body) // 4)) + body

        try:
            reports = parse_compound(packet)
        except ParseError:
            return
        self.assertEqual(parse_compound(compound(*reports)), reports)

    def test_rtcp_is_told_from_rtp(self) -> None:
        for data, told in (
            ("80c8 0000", True),
            ("a1cf 0000", True),
            ("80c7 0000", False),
            ("80d0 0000", False),
            ("809a 0000 00000000 00000000", False),
            ("40c8 0000", False),
            ("80c8 00", False),
            ("", False),
        ):
            self.assertEqual(is_rtcp(bytes.fromhex(data)), told, data)


def answer_to(last_sr: int, delay: int) -> ReportBlock:
    return ReportBlock(1, 0, 0, 0, 0, last_sr, delay)


class RoundTripTests(SynchronousTestCase):
    def test_the_example_of_the_rfc(self) -> None:
        # RFC 3550 figure 2.
        block = answer_to(0xB705_2000, 0x0005_4000)

        self.assertEqual(round_trip_s(block, 0xB44D_B710_8000_0000), 6.125)

    def test_no_sender_report_yet(self) -> None:
        self.assertIsNone(round_trip_s(answer_to(0, 5), ntp_timestamp(1e9)))

    def test_a_delay_longer_than_all_the_time_is_not_believed(self) -> None:
        self.assertIsNone(round_trip_s(answer_to(0x0001_0000, 0x0002_0000), 0x0002_0000 << 16))

    def test_the_seconds_may_wrap_between_report_and_answer(self) -> None:
        block = answer_to(0xFFFF_8000, 0x0000_8000)

        self.assertEqual(round_trip_s(block, 0x0000_4000 << 16), 0.25)
