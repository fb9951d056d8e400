from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.wire.packets import JPEG_EXTENSION, RTPPacket

from ..view import Newest
from ..window.explain import Field, explained

TABLES = bytes(range(1, 129))
# Offset 0, type 65, Q 255, 640 x 480 | restart interval 40, F, L, all ones | 128 bytes of tables
FIRST = bytes((0, 0, 0, 0, 65, 255, 80, 60, 0, 40, 255, 255, 0, 0, 0, 128)) + TABLES + b"scan"
PACKET = RTPPacket(26, True, 4711, 288_000, 0x5F3A9C21, FIRST)


def newest(packet: RTPPacket, *, is_jpeg_payload: bool = True, padding: int = 0) -> Newest:
    return Newest(packet, len(packet.to_bytes()) + padding, is_jpeg_payload)


def fields(shown: Newest) -> dict[str, Field]:
    return {field.name: field for part in explained(shown) for field in part.fields}


def with_payload(*head: int, rest: bytes = b"scan") -> Newest:
    return newest(replace(PACKET, payload=bytes(head) + rest))


class RTPHeaderTests(SynchronousTestCase):
    def test_each_field_has_its_value(self) -> None:
        found = fields(newest(PACKET))

        values = [found[name].value for name in ("V", "P", "X", "CC", "M", "PT")]
        self.assertEqual(values, ["2", "0", "0", "0", "1", "26"])
        self.assertEqual(found["sequence number"].value, "4711")
        self.assertEqual(found["SSRC"].value, "0x5f3a9c21")

    def test_the_timestamp_is_told_in_seconds_too(self) -> None:
        found = fields(newest(PACKET))["timestamp"]

        self.assertEqual(found.value, "288000")
        self.assertIn("0:03.2", found.meaning)

    def test_the_marker_is_told_in_words(self) -> None:
        last, other = newest(PACKET), newest(replace(PACKET, marker=False))

        self.assertEqual(fields(last)["M"].meaning, "the last packet of its frame")
        self.assertEqual(fields(other)["M"].meaning, "more of this frame follows")

    def test_padding_is_what_is_longer_than_all_else(self) -> None:
        found = fields(newest(PACKET, padding=4))["P"]

        self.assertEqual((found.value, found.meaning), ("1", "4 bytes of padding"))

    def test_another_payload_type_is_what_the_description_says(self) -> None:
        found = fields(newest(replace(PACKET, payload_type=96)))

        self.assertEqual((found["PT"].value, found["PT"].meaning), ("96", "what the SDP says"))

    def test_mixed_sources_are_listed(self) -> None:
        found = fields(newest(replace(PACKET, csrcs=(1, 2))))

        self.assertEqual(found["CC"].value, "2")
        self.assertEqual(found["CSRC"].value, "0x00000002")

    def test_an_extension_is_a_part_of_its_own(self) -> None:
        found = fields(newest(replace(PACKET, extension=(JPEG_EXTENSION, b"\xff\xc0\x00\x11"))))

        self.assertEqual(found["X"].value, "1")
        self.assertEqual(found["profile"].meaning, "JPEG headers (ONVIF)")
        self.assertEqual((found["length"].value, found["data"].value), ("128", "FF C0 00 11"))

    def test_an_unknown_extension_says_so(self) -> None:
        found = fields(newest(replace(PACKET, extension=(0xBEDE, b""))))

        self.assertEqual(found["profile"].value, "0xbede")
        self.assertEqual(found["profile"].meaning, "not known here")


class JPEGHeaderTests(SynchronousTestCase):
    def test_headers_come_in_the_order_of_the_wire(self) -> None:
        titles = [part.title.partition(" · ")[0] for part in explained(newest(PACKET))]

        self.assertEqual(
            titles,
            [
                "RTP header",
                "JPEG main header",
                "Restart marker header",
                "Quantization table header",
                "Data",
            ],
        )

    def test_the_main_header(self) -> None:
        found = fields(newest(PACKET))

        self.assertEqual(found["fragment offset"].value, "0")
        self.assertEqual(found["type"].meaning, "4:2:0, with restart markers")
        self.assertEqual((found["width"].value, found["width"].meaning[:10]), ("80", "640 pixels"))
        self.assertEqual(
            (found["height"].value, found["height"].meaning[:10]), ("60", "480 pixels")
        )

    def test_the_restart_marker_header(self) -> None:
        found = fields(newest(PACKET))

        self.assertEqual(found["restart interval"].value, "40")
        self.assertEqual((found["F"].value, found["L"].value), ("1", "1"))
        self.assertEqual(found["restart count"].meaning, "packets are not cut at markers")

    def test_a_packet_cut_at_a_marker_tells_its_place(self) -> None:
        found = fields(with_payload(0, 0, 0, 0, 64, 80, 80, 60, 0, 40, 0x40, 8))

        self.assertEqual((found["F"].value, found["L"].value), ("0", "1"))
        self.assertEqual(found["restart count"].value, "8")
        self.assertEqual(found["restart count"].meaning, "the first marker's place")

    def test_the_quantization_header(self) -> None:
        found = fields(newest(PACKET))

        self.assertEqual((found["MBZ"].value, found["precision"].value), ("0", "0"))
        self.assertEqual(found["tables"].value, "01 02 03 04 05 06 07 08 …")

    def test_a_later_packet_has_a_main_header_only(self) -> None:
        found = fields(with_payload(0, 1, 0, 0, 0, 255, 80, 60))

        self.assertEqual(found["fragment offset"].value, "65536")
        self.assertEqual(found["type"].meaning, "4:2:2")
        self.assertNotIn("restart interval", found)
        self.assertNotIn("precision", found)
        self.assertEqual(found["scan"].value, "4 bytes")

    def test_q_tells_where_tables_come_from(self) -> None:
        meanings = [fields(with_payload(0, 0, 0, 8, 0, q, 80, 60))["Q"].meaning for q in (50, 200)]

        self.assertEqual(
            meanings, ["quality from which the tables are computed", "tables come once for this Q"]
        )

    def test_a_size_of_zero_is_told_elsewhere(self) -> None:
        self.assertEqual(
            fields(with_payload(0, 0, 0, 8, 0, 255, 0, 0))["width"].meaning, "told elsewhere"
        )

    def test_what_is_no_payload_of_this_kind_says_why(self) -> None:
        found = fields(with_payload(1, 2, 3, rest=b""))["payload"]

        self.assertEqual(found.value, "01 02 03")
        self.assertIn("not RTP/JPEG", found.meaning)

    def test_a_whole_jpeg_of_the_laboratory(self) -> None:
        packet = replace(PACKET, payload=b"\xff\xd8\xff\xe0" + bytes(2000))

        found = fields(newest(packet, is_jpeg_payload=False))

        self.assertEqual(found["size"].value, "2,004 bytes")
        self.assertEqual(found["begin"].value, "FF D8 FF E0 00 00 00 00 …")


class AnyPacketTests(SynchronousTestCase):
    @given(
        st.builds(
            RTPPacket,
            st.integers(0, 127),
            st.booleans(),
            st.integers(0, 0xFFFF),
            st.integers(0, 0xFFFFFFFF),
            st.integers(0, 0xFFFFFFFF),
            st.binary(max_size=40) | st.binary(max_size=20).map(lambda tail: FIRST[:16] + tail),
            st.lists(st.integers(0, 0xFFFFFFFF), max_size=15).map(tuple),
        ),
        st.booleans(),
    )
    def test_headers_fill_whole_rows(self, packet: RTPPacket, is_jpeg_payload: bool) -> None:
        for part in explained(newest(packet, is_jpeg_payload=is_jpeg_payload)):
            self.assertEqual(sum(field.bits for field in part.fields) % 32, 0)
