"""Tests of `mjpegd.wire.jpeg_codes`."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.wire.errors import BrokenJpegError
from mjpegd.wire.jpeg_codes import (
    BLANK_BITS,
    BLOCK,
    CHROMA,
    CODES,
    DC_CODES,
    EMPTY,
    END_OF_BLOCK,
    LUMA,
    ac_lookup,
    code_ac,
    dc_lookup,
    lookup,
    with_zeros,
)
from mjpegd.wire.jpeg_frame import STANDARD_HUFFMAN

# One code of a bit, and none of two: 0 means 5.
SHORT = b"\x01" + bytes(15) + b"\x05"


def bits(coded: int) -> str:
    """What stands behind the leading 1."""
    return f"{coded:b}"[1:]


def numbers_in(coded: str, kind: int) -> list[int]:
    """The AC coefficients that a code of annex K tells, up to the last one that is not 0."""
    symbols = {f"{code:0{length}b}": symbol for symbol, (code, length) in CODES[1, kind].items()}
    found: list[int] = []
    while coded:
        code = next(code for code in symbols if coded.startswith(code))
        run, size = symbols[code] >> 4, symbols[code] & 15
        number, coded = coded[len(code) :][:size], coded[len(code) + size :]
        if symbols[code] == END_OF_BLOCK:
            break
        value = int(number or "0", 2)
        found += [0] * run + [value if number[:1] != "0" else value - (1 << size) + 1]
    return found


class LookupTests(SynchronousTestCase):
    def test_a_code_is_found_whatever_follows_it(self) -> None:
        for table in STANDARD_HUFFMAN.values():
            found = lookup(table)
            code, at = 0, 16
            for length, count in enumerate(table[:16], 1):
                code <<= 1
                for symbol in table[at : at + count]:
                    first, rest = code << 16 - length, 16 - length
                    for place in (first, first + (1 << rest) - 1):
                        self.assertEqual(found[place], (length, symbol))
                    code += 1
                at += count

    def test_bits_that_are_no_code_lie_behind_the_end(self) -> None:
        self.assertEqual(lookup(SHORT), [(1, 5)] * (1 << 15))
        self.assertEqual(lookup(bytes(16)), [])

    def test_more_codes_than_there_are_bits_for(self) -> None:
        for table in (b"\x03" + bytes(18), b"\x01\x03" + bytes(18)):
            self.assertRaises(BrokenJpegError, lookup, table)

    def test_sizes_of_dc_differences(self) -> None:
        self.assertEqual(dc_lookup(SHORT), lookup(SHORT))
        self.assertEqual(dc_lookup(bytes(16)), [])
        self.assertRaises(BrokenJpegError, dc_lookup, SHORT[:-1] + b"\x11")

    def test_ac_symbols_come_with_their_codes_of_annex_k(self) -> None:
        for kind in (LUMA, CHROMA):
            code, width = CODES[1, kind][0x23]  # two zeros and a number of three bits

            found = ac_lookup(SHORT[:-1] + b"\x23", kind)

            self.assertEqual(found, [(1 + 3, 3, 3, code << 3, width + 3)] * (1 << 15))

    def test_end_of_block_tells_no_coefficients(self) -> None:
        code, width = CODES[1, LUMA][END_OF_BLOCK]

        self.assertEqual(ac_lookup(SHORT[:-1] + b"\x00", LUMA)[0], (1, 0, 0, code, width))

    def test_symbols_that_baseline_jpeg_has_not_are_too_much_for_a_block(self) -> None:
        for symbol in (0x10, 0x0B, 0xFF):
            _, step, *_ = ac_lookup(SHORT[:-1] + bytes((symbol,)), LUMA)[0]

            self.assertEqual(step, BLOCK)


class WritingTests(SynchronousTestCase):
    def test_dc_differences(self) -> None:
        cases = ((0, 0, ""), (1, 1, "1"), (-1, 1, "0"), (-5, 3, "010"), (2047, 11, "1" * 11))
        for kind, (number, size, expected) in product((LUMA, CHROMA), cases):
            code, width = CODES[0, kind][size]

            coded, length = DC_CODES[kind][number]

            self.assertEqual(f"{coded:0{length}b}", f"{code:0{width}b}" + expected)
        self.assertNotIn(2048, DC_CODES[LUMA])

    def test_a_blank_block_has_no_difference_and_no_coefficients(self) -> None:
        for kind in (LUMA, CHROMA):
            coded, length = DC_CODES[kind][0]

            self.assertEqual(BLANK_BITS[kind], f"{coded:0{length}b}" + bits(EMPTY[kind]))
            self.assertEqual(code_ac([0] * 63, kind), EMPTY[kind])

    def test_a_block_that_is_full_has_no_end(self) -> None:
        end = bits(EMPTY[LUMA])

        self.assertFalse(bits(code_ac([0] * 62 + [1], LUMA)).endswith(end))
        self.assertTrue(bits(code_ac([0] * 61 + [1, 0], LUMA)).endswith(end))

    def test_sixteen_zeros_have_a_code_of_their_own(self) -> None:
        code, width = CODES[1, LUMA][0xF0]

        self.assertEqual(bits(with_zeros(1, 2, LUMA)), f"{code:0{width}b}" * 2)
        self.assertEqual(with_zeros(1, 0, LUMA), 1)

    @given(
        st.lists(st.sampled_from((0, 0, 0, 0, 1, -1, 2, -30, 1023)), min_size=63, max_size=63),
        st.sampled_from((LUMA, CHROMA)),
    )
    def test_what_is_written_is_read_again(self, numbers: list[int], kind: int) -> None:
        found = numbers_in(bits(code_ac(numbers, kind)), kind)

        self.assertEqual(found + [0] * (63 - len(found)), numbers)
