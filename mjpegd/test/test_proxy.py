import struct

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.wire.proxy import SIGNATURE, came_by_tls

PROXY, LOCAL = 0x21, 0x20
TCP4, TCP6, UNIX, UNKNOWN = 0x11, 0x21, 0x31, 0x00
ADDRESSES = {TCP4: bytes(12), TCP6: bytes(36), UNIX: bytes(216), UNKNOWN: b""}
# The client has used TLS and shown no certificate; then the name of the version.
BY_TLS = b"\x01\0\0\0\0" + b"\x21\0\x07TLSv1.3"
IN_THE_CLEAR = b"\x00\0\0\0\0"


def field(kind: int, value: bytes) -> bytes:
    return struct.pack("!BH", kind, len(value)) + value


def header(fields: bytes, family: int = TCP4, command: int = PROXY) -> bytes:
    body = ADDRESSES.get(family, b"") + fields
    return SIGNATURE + struct.pack("!BBH", command, family, len(body)) + body


class CameByTlsTests(SynchronousTestCase):
    def test_the_proxy_says_so(self) -> None:
        for family in ADDRESSES:
            self.assertTrue(came_by_tls(header(field(0x20, BY_TLS), family)), family)

    def test_it_may_stand_behind_other_fields(self) -> None:
        self.assertTrue(came_by_tls(header(field(0x01, b"rtsp") + field(0x20, BY_TLS))))

    def test_a_connection_in_the_clear_is_none(self) -> None:
        for fields in (b"", field(0x20, IN_THE_CLEAR), field(0x20, b""), field(0x01, b"\x01")):
            self.assertFalse(came_by_tls(header(fields)), fields)

    def test_what_the_proxy_has_connected_for_itself_is_none(self) -> None:
        self.assertFalse(came_by_tls(header(field(0x20, BY_TLS), command=LOCAL)))

    def test_the_first_version_cannot_say_it(self) -> None:
        self.assertFalse(came_by_tls(b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 322\r\n"))
        self.assertFalse(came_by_tls(b""))

    def test_an_unknown_family_hides_what_follows(self) -> None:
        self.assertFalse(came_by_tls(header(field(0x20, BY_TLS), family=0x51)))

    @given(st.binary(max_size=64))
    def test_no_fields_break_it(self, fields: bytes) -> None:
        self.assertIn(came_by_tls(header(fields)), {True, False})
