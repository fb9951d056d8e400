"""`mjpegd.wire.mikey`: RFC 3830 field by field, in both directions."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.wire.errors import ParseError
from mjpegd.wire.mikey import (
    MAX_CRYPTO_SESSIONS,
    MAX_MESSAGE_BYTES,
    MAX_PAYLOADS,
    CryptoSession,
    KeyMessage,
    Suite,
)

KEY = bytes(range(30))
CHANCE = bytes(range(0x40, 0x50))
NTP = 0xE1234567_80000000
STREAM = "00 11223344 00000002"

# Section 6.1: version, data type, next payload, V and PRF, CSB ID, #CS, CS ID map type.
HEADER = f"01 00 05 00 cafebabe 01 00 {STREAM}"
TIME = "0b 00 e123456780000000"  # 6.6
RAND = "0a 10 404142434445464748494a4b4c4d4e4f"  # 6.11
# 6.10: policy 0 for SRTP. AES-CM, 16 bytes; salt; SRTP and SRTCP encrypted; HMAC-SHA-1, its
# key of 20 bytes, its tag of 10; SRTP authenticated.
POLICY = "01 00 00 001b 000101 010110 04010e 070101 080101 020101 030114 0b010a 0a0101"
# 6.2: not encrypted; 6.13: a TEK without validity; no MAC.
KEMAC = f"00 00 0022 00 20 001e {KEY.hex()} 00"
MESSAGE = KeyMessage(
    0xCAFEBABE,
    (CryptoSession(0x11223344, roc=2),),
    NTP,
    CHANCE,
    Suite.AES_CM_128_HMAC_SHA1_80,
    KEY,
)


def message(*parts: str) -> bytes:
    return bytes.fromhex(" ".join(parts))


def with_policy(*parameters: str) -> bytes:
    """A message whose policy says this only."""
    said = "".join(parameters).replace(" ", "")
    policy = f"01 00 00 {len(said) // 2:04x} {said}"
    return message(HEADER, TIME, RAND, policy, KEMAC)


def with_key(kind: str, length: int, *, salt: str = "") -> bytes:
    """A message with another kind of key."""
    data = f"00 {kind} {length:04x} {bytes(range(length)).hex()} {salt}"
    return message(HEADER, TIME, RAND, POLICY, f"00 00 {len(bytes.fromhex(data)):04x}", data, "00")


suites = st.sampled_from(Suite)
uint32 = st.integers(0, 0xFFFFFFFF)


@st.composite
def messages(draw: st.DrawFn) -> KeyMessage:
    suite, policy = draw(suites), draw(st.integers(0, 255))
    size = suite.key_bytes + suite.salt_bytes
    return KeyMessage(
        draw(uint32),
        tuple(
            CryptoSession(draw(uint32), draw(uint32), policy)
            for _ in range(draw(st.integers(0, MAX_CRYPTO_SESSIONS)))
        ),
        draw(st.integers(0, 2**64 - 1)),
        draw(st.binary(min_size=16, max_size=255)),
        suite,
        draw(st.binary(min_size=size, max_size=size)),
    )


class BothDirectionsTests(SynchronousTestCase):
    def test_every_field_is_where_the_rfc_has_it(self) -> None:
        data = message(HEADER, TIME, RAND, POLICY, KEMAC)

        self.assertEqual(MESSAGE.to_bytes(), data)
        self.assertEqual(KeyMessage.parse(data), MESSAGE)

    @given(messages())
    def test_what_is_written_is_read(self, written: KeyMessage) -> None:
        self.assertEqual(KeyMessage.parse(written.to_bytes()), written)

    def test_a_message_does_not_show_its_key(self) -> None:
        self.assertNotIn("master", repr(MESSAGE))


class TolerantTests(SynchronousTestCase):
    def assert_read(self, data: bytes, suite: Suite = Suite.AES_CM_128_HMAC_SHA1_80) -> None:
        self.assertEqual(KeyMessage.parse(data).suite, suite)

    def test_what_a_policy_leaves_out_is_as_in_rfc_3711(self) -> None:
        self.assert_read(with_policy())
        self.assert_read(message(HEADER, TIME, RAND.replace("0a", "01", 1), KEMAC))

    def test_gstreamer_writes_the_length_of_the_tag_for_that_of_the_key(self) -> None:
        self.assert_read(
            with_policy("000101", "010110", "020101", "03010a", "070101", "080101", "0a0101")
        )

    def test_a_key_may_come_with_its_salt_apart(self) -> None:
        data = with_key("30", 16, salt=f"000e {KEY[16:].hex()}")

        self.assertEqual(KeyMessage.parse(data).master, KEY)

    def test_who_sends_it_and_what_others_have_added_is_passed_over(self) -> None:
        identity, extension = "15 01 0003 616263", "01 00 0002 ffff"
        policy = POLICY.replace("01", "06", 1)

        self.assert_read(message(HEADER, TIME, RAND, policy, identity, extension, KEMAC))

    def test_time_may_be_told_in_other_ways(self) -> None:
        for kind, value in (("01", "e123456780000000"), ("02", "00000007")):
            data = message(HEADER, f"0b {kind} {value}", RAND, POLICY, KEMAC)

            self.assertEqual(KeyMessage.parse(data).ntp, int(value, 16))

    def test_no_stream_needs_to_be_named(self) -> None:
        without = message("01 00 05 00 cafebabe 00 00", TIME, RAND, POLICY, KEMAC)

        self.assertEqual(KeyMessage.parse(without), replace(MESSAGE, sessions=()))


class RefusedTests(SynchronousTestCase):
    def assert_refused(self, data: bytes, rule: str) -> None:
        fault = self.assertRaises(ParseError, KeyMessage.parse, data)
        self.assertEqual(fault.rule, rule, fault)

    def test_a_message_that_is_cut(self) -> None:
        whole = MESSAGE.to_bytes()

        for size in range(len(whole)):
            self.assertRaises(ParseError, KeyMessage.parse, whole[:size])

    def test_other_kinds_of_message(self) -> None:
        for start in ("02 00", "01 01", "01 02", "01 06"):
            self.assert_refused(message(start, HEADER[6:], TIME, RAND, POLICY, KEMAC), "data-type")

    def test_streams_of_something_else_or_too_many(self) -> None:
        for count, kind in ((1, 1), (MAX_CRYPTO_SESSIONS + 1, 0)):
            header = f"01 00 05 00 cafebabe {count:02x} {kind:02x}"
            data = message(header, *[STREAM] * count, TIME, RAND, POLICY, KEMAC)
            self.assert_refused(data, "cs-id-map")

    def test_what_is_too_long(self) -> None:
        self.assert_refused(MESSAGE.to_bytes() + bytes(MAX_MESSAGE_BYTES), "mikey")

    def test_payloads_that_are_unknown_or_without_end(self) -> None:
        self.assert_refused(message("01 00 07", HEADER[9:], TIME), "next-payload")
        loop = ["05 00 e123456780000000"] * (MAX_PAYLOADS + 1)
        self.assert_refused(message(HEADER, *loop), "next-payload")

    def test_what_a_key_cannot_be_without(self) -> None:
        until_key = TIME.replace("0b", "01", 1), KEMAC
        for parts in (
            (TIME.replace("0b", "00", 1),),
            until_key,
            (TIME, "01 0f " + "00" * 15, KEMAC),
        ):
            self.assert_refused(message(HEADER, *parts), "payloads")
        self.assert_refused(message("01 00 0b", HEADER[9:], "01 10" + "00" * 16, KEMAC), "payloads")

    def test_a_key_that_nobody_here_can_read(self) -> None:
        for kemac in (KEMAC.replace("00 00", "00 01", 1), KEMAC[:-2] + "01"):
            self.assert_refused(message(HEADER, TIME, RAND, POLICY, kemac), "kemac")

    def test_keys_of_other_kinds(self) -> None:
        """A TGK, a TGK with salt, an MKI, an interval."""
        for kind in ("00", "10", "21", "22"):
            self.assert_refused(with_key(kind, 30), "key-data")

    def test_two_keys(self) -> None:
        data = f"14 20 001e {KEY.hex()}"
        kemac = f"00 00 0044 {data} 00 {data[3:]} 00"
        self.assert_refused(message(HEADER, TIME, RAND, POLICY, kemac), "key-data")

    def test_a_key_of_the_wrong_length(self) -> None:
        for length in (0, 16, 29, 31):
            self.assert_refused(with_key("20", length), "key-data")

    def test_policies_that_protect_less_or_otherwise(self) -> None:
        for parameter in (
            *("070100", "080100", "0a0100"),  # not encrypted, not authenticated
            *("000100", "000102", "010120", "020100", "0b0104", "030104", "010400000020"),
        ):
            self.assert_refused(with_policy(parameter), "policy")
        for parameters in (("000106", "010118"), ("000106", "140108")):
            self.assert_refused(with_policy(*parameters), "policy")

    def test_a_policy_for_something_else_than_srtp(self) -> None:
        policy = POLICY.replace("00 00 001b", "00 01 001b", 1)

        self.assert_refused(message(HEADER, TIME, RAND, policy, KEMAC), "policy")

    def test_streams_with_different_policies(self) -> None:
        sessions = CryptoSession(1, policy=0), CryptoSession(2, policy=1)

        self.assert_refused(replace(MESSAGE, sessions=sessions).to_bytes(), "policy")

    @given(st.binary(max_size=300))
    def test_any_bytes_are_read_or_refused(self, data: bytes) -> None:
        with contextlib.suppress(ParseError):
            KeyMessage.parse(data)

    @given(messages(), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8))
    def test_a_damaged_message_is_read_or_refused(
        self, written: KeyMessage, damages: Sequence[tuple[int, int]]
    ) -> None:
        data = bytearray(written.to_bytes())
        for place, value in damages:
            data[place % len(data)] = value

        with contextlib.suppress(ParseError):
            KeyMessage.parse(bytes(data))
