"""Tests of `mjpegd.wire.headers`."""

import contextlib
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.wire.errors import ParseError
from mjpegd.wire.headers import (
    KeyManagement,
    Lower,
    NptRange,
    RTPInfo,
    SessionHeader,
    Transport,
    parse_blocksize,
    parse_cseq,
    parse_number,
    parse_scale,
    scale_to_text,
)

TRANSPORTS = [
    (
        "RTP/AVP;unicast;client_port=5000-5001;server_port=6000-6001",
        Transport(client_port=(5000, 5001), server_port=(6000, 6001)),
    ),
    ("RTP/AVP/TCP;unicast;interleaved=0-1", Transport(lower=Lower.TCP, interleaved=(0, 1))),
    (
        "RTP/AVP;multicast;destination=239.1.2.3;port=5000-5001;ttl=0",
        Transport(multicast=True, destination="239.1.2.3", port=(5000, 5001), ttl=0),
    ),
    (
        'RTP/SAVP;unicast;source=10.0.0.1;ssrc=0000BEEF;mode="PLAY"',
        Transport("RTP/SAVP", source="10.0.0.1", ssrc=0xBEEF, mode="PLAY"),
    ),
    (
        "RTP/AVPF/TCP;unicast;interleaved=254-255",
        Transport("RTP/AVPF", Lower.TCP, interleaved=(254, 255)),
    ),
]

TOLERATED_TRANSPORTS = [
    ("RTP/AVP/UDP;unicast;client_port=5000-5001", Transport(client_port=(5000, 5001))),
    ("rtp/avp ; UNICAST ; Client_Port = 5000 - 5009", Transport(client_port=(5000, 5009))),
    ("RTP/AVP;client_port=5001", Transport(client_port=(5001, 5002))),
    ("RTP/AVP;unicast;client_port=65534-65535", Transport(client_port=(65534, 65535))),
    ("RTP/AVP/TCP", Transport(lower=Lower.TCP)),
    ("RTP/AVP/TCP;interleaved=4", Transport(lower=Lower.TCP, interleaved=(4, 5))),
    ('RTP/AVP;mode="play,record";ttl=1', Transport(mode="PLAY,RECORD", ttl=1)),
    ("RTP/AVP;mode=play;append;layers=2;;x=y", Transport(mode="PLAY")),
    ("RTP/AVP;destination;source=;mode", Transport()),
    ("RTP/AVP;ssrc=beef", Transport(ssrc=0xBEEF)),
]

MALFORMED_TRANSPORTS = [
    "",
    ";",
    "RTP",
    "/",
    "RTP/AVP/SCTP",
    "RAW/RAW/UDP",
    "RTP/UDP; client_port= 25000",
    "TCP/UDP;client_port=25000",
    "RTP/AVP;client_port",
    "RTP/AVP;client_port=",
    "RTP/AVP;client_port=0-1",
    "RTP/AVP;client_port=65535",
    "RTP/AVP;client_port=65535-65536",
    "RTP/AVP;client_port=5001-5000",
    "RTP/AVP;client_port=5000-5000",
    "RTP/AVP;client_port=5000-",
    "RTP/AVP;client_port=-5000",
    "RTP/AVP;client_port=5000-5001-5002",
    "RTP/AVP;client_port=५०००",
    "RTP/AVP/TCP;interleaved=255",
    "RTP/AVP/TCP;interleaved=255-256",
    "RTP/AVP/TCP;interleaved=1-0",
    "RTP/AVP;server_port=x",
    "RTP/AVP;port=0",
    "RTP/AVP;ssrc=123456789",
    "RTP/AVP;ssrc=xyz",
    "RTP/AVP;ttl=256",
]

RANGES = [
    ("npt=0.000-", NptRange(0.0)),
    ("npt=2.500-5.000", NptRange(2.5, 5.0)),
    ("npt=-5.000", NptRange(None, 5.0)),
    ("npt=now-", NptRange(None, None, now=True)),
    ("npt=now-7.250", NptRange(None, 7.25, now=True)),
    ("npt=0.033333-", NptRange(0.033333)),
    ("npt=999999999.000-", NptRange(999999999.0)),
]

TOLERATED_RANGES = [
    ("npt=0-", NptRange(0.0)),
    ("npt=0-12.5", NptRange(0.0, 12.5)),
    ("NPT = 1. - 2", NptRange(1.0, 2.0)),
    ("npt=NOW-", NptRange(None, None, now=True)),
    ("npt=0:01:02.5-1:00:00", NptRange(62.5, 3600.0)),
    ("npt=100:59:59.999999999-", NptRange(363599.999999999)),
    ("npt=0:1:2-", NptRange(62.0)),
    ("npt=1-2;time=19970123T143720Z", NptRange(1.0, 2.0)),
    ("npt=1.123456789-", NptRange(1.123456789)),
]

FOREIGN_RANGES = ["clock=19961108T142300Z-", "smpte=10:12:33:20-", "bytes=0-", "frame=3", "5-", ""]

MALFORMED_RANGES = [
    "npt",
    "npt=",
    "npt=-",
    "npt=5",
    "npt=--5",
    "npt=-5-",
    "npt=5-now",
    "npt=1-2-3",
    "npt=.5-",
    "npt=+5-",
    "npt=1e3-",
    "npt=nan-",
    "npt=inf-",
    "npt=1_0-",
    "npt=1234567890-",
    "npt=1.1234567890-",
    "npt=٣-",
    "npt=0:60:00-",
    "npt=0:00:60-",
    "npt=0:00:001-",
    "npt=1:00-",
    "npt=12345678901:00:00-",
]

SESSIONS = [
    ("12345678", SessionHeader("12345678")),
    ("a.b-c$d;timeout=60", SessionHeader("a.b-c$d", 60)),
    ("x" * 64, SessionHeader("x" * 64)),
]

TOLERATED_SESSIONS = [
    (" 1234 ; timeout = 60 ", SessionHeader("1234", 60)),
    ("1234;", SessionHeader("1234")),
    ("1234;Timeout=9;x=y", SessionHeader("1234", 9)),
]

MALFORMED_SESSIONS = ["", ";timeout=60", "a b", "a,b", "x" * 65, "ä", "1;timeout=", "1;timeout=x"]

RTP_INFOS = [
    ("url=rtsp://h/clip/trackID=0;seq=1;rtptime=2", [RTPInfo("rtsp://h/clip/trackID=0", 1, 2)]),
    (
        "url=rtsp://h/a;b,c/trackID=0;seq=65535;rtptime=4294967295,url=trackID=1;seq=0;rtptime=0",
        [RTPInfo("rtsp://h/a;b,c/trackID=0", 65535, 4294967295), RTPInfo("trackID=1", 0, 0)],
    ),
]

MALFORMED_RTP_INFOS = [
    "",
    "url=a",
    "url=a;seq=1",
    "url=a;rtptime=1",
    "url=;seq=1;rtptime=2",
    "seq=1;rtptime=2",
    "uri=a;seq=1;rtptime=2",
    "url=a;seq=65536;rtptime=2",
    "url=a;seq=1;rtptime=4294967296",
    "url=a;seq=1;rtptime=-2",
    "url=a;seq=1;rtptime=2,",
]

# The data are "key".
KEY_MANAGEMENTS = [
    ('prot=mikey;uri="";data="a2V5"', KeyManagement(b"key")),
    (
        'prot=mikey;uri="rtsps://host/a,b;c/trackID=0";data="a2V5"',
        KeyManagement(b"key", "rtsps://host/a,b;c/trackID=0"),
    ),
]
TOLERATED_KEY_MANAGEMENTS = [
    ("prot=MIKEY; data=a2V5", KeyManagement(b"key")),
    ('prot=mikey; uri="u"; data="a2V5", prot=other;data="AA=="', KeyManagement(b"key", "u")),
    ('DATA="";PROT=Mikey', KeyManagement(b"")),
]
MALFORMED_KEY_MANAGEMENTS = [
    *(
        "",
        ",",
        "mikey",
        "prot=mikey",
        'data="a2V5"',
        'prot=other;data="a2V5"',
        'prot=mikey;data="a2V"',
    ),
    *('prot=mikey;data="a2 V5"', 'prot=mikey;data="\xe4"', 'prot=mikey;data="a2V5" x'),
]

SCALES = [("1.0", 1.0), ("-0.5", -0.5), ("2.0", 2.0), ("0.333333", 0.333333), ("10.0", 10.0)]
MALFORMED_SCALES = [
    "",
    "0",
    "-0.0",
    "+0",
    "nan",
    "inf",
    "1e3",
    "1.",
    ".5",
    "--1",
    "1,5",
    "1_0",
    "\uff11",
]

urls = st.from_regex(r"rtsp://[a-z]{1,9}(/[a-z;,]{1,9}){0,3}/trackID=[0-9]", fullmatch=True)
# Whole microseconds, as they are written.
moments = st.integers(0, 10**15 - 1).map(lambda microseconds: round(microseconds / 1e6, 6))
pairs = st.tuples(st.integers(1, 65535), st.integers(1, 65535)).filter(lambda p: p[0] < p[1])
channels = st.tuples(st.integers(0, 255), st.integers(0, 255)).filter(lambda p: p[0] < p[1])
hosts = st.none() | st.from_regex(r"[a-z0-9.:]{1,20}", fullmatch=True)
transports = st.builds(
    Transport,
    st.sampled_from(["RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF"]),
    st.sampled_from(Lower),
    st.booleans(),
    st.none() | pairs,
    st.none() | pairs,
    st.none() | pairs,
    st.none() | channels,
    hosts,
    hosts,
    st.none() | st.integers(0, 2**32 - 1),
    st.none() | st.integers(0, 255),
    st.sampled_from([None, "PLAY", "RECORD"]),
)

READERS: list[Callable[[str], object]] = [
    Transport.parse,
    Transport.parse_list,
    NptRange.parse,
    SessionHeader.parse,
    RTPInfo.parse_list,
    KeyManagement.parse,
    parse_cseq,
    parse_blocksize,
    lambda text: parse_scale(text, "Scale"),
]


class NumberTests(SynchronousTestCase):
    def test_up_to_ten_digits(self) -> None:
        self.assertEqual(parse_number("0", "rule"), 0)
        self.assertEqual(parse_cseq("007"), 7)
        self.assertEqual(parse_blocksize("9999999999"), 9999999999)

    def test_anything_else_is_refused_with_the_rule(self) -> None:
        for text in ["", "-1", "+1", "1 ", "1.0", "0x1", "1_0", "12345678901", "٣", "²"]:
            error = self.assertRaises(ParseError, parse_number, text, "some-rule")
            self.assertEqual(error.rule, "some-rule", text)


class ScaleTests(SynchronousTestCase):
    def test_both_directions(self) -> None:
        for text, value in SCALES:
            self.assertEqual(parse_scale(text, "Scale"), value)
            self.assertEqual(scale_to_text(value), text)

    def test_tolerated_forms(self) -> None:
        for text, value in [("1", 1.0), ("2.50", 2.5), ("-0008", -8.0)]:
            self.assertEqual(parse_scale(text, "Scale"), value, text)

    def test_malformed(self) -> None:
        for text in MALFORMED_SCALES:
            error = self.assertRaises(ParseError, parse_scale, text, "Speed")
            self.assertEqual(error.rule, "Speed", text)


class TransportTests(SynchronousTestCase):
    def test_both_directions(self) -> None:
        for text, transport in TRANSPORTS:
            self.assertEqual(Transport.parse(text), transport, text)
            self.assertEqual(transport.to_text(), text)

    def test_tolerated_forms(self) -> None:
        for text, transport in TOLERATED_TRANSPORTS:
            self.assertEqual(Transport.parse(text), transport, text)

    def test_malformed(self) -> None:
        for text in MALFORMED_TRANSPORTS:
            self.assertRaises(ParseError, Transport.parse, text)

    def test_alternatives_in_their_order(self) -> None:
        texts, transports = zip(*TRANSPORTS + TOLERATED_TRANSPORTS, strict=True)

        self.assertEqual(Transport.parse_list(", ".join(texts)), list(transports))

    def test_unusable_alternatives_are_left_out(self) -> None:
        text = "RAW/RAW/UDP;unicast, RTP/AVP;client_port=0, ,RTP/AVP/TCP"

        self.assertEqual(Transport.parse_list(text), [Transport(lower=Lower.TCP)])
        self.assertEqual(Transport.parse_list(""), [])

    @given(st.lists(transports, min_size=1, max_size=3))
    def test_what_is_written_is_read(self, transports: list[Transport]) -> None:
        text = ",".join(transport.to_text() for transport in transports)

        self.assertEqual(Transport.parse_list(text), transports)


class NptRangeTests(SynchronousTestCase):
    def test_both_directions(self) -> None:
        for text, npt in RANGES:
            self.assertEqual(NptRange.parse(text), npt, text)
            self.assertEqual(npt.to_text(), text)

    def test_tolerated_forms(self) -> None:
        for text, npt in TOLERATED_RANGES:
            self.assertEqual(NptRange.parse(text), npt, text)

    def test_other_units_are_told_from_malformed_ranges(self) -> None:
        for text in FOREIGN_RANGES:
            error = self.assertRaises(ParseError, NptRange.parse, text)
            self.assertEqual(error.rule, "range-unit", text)

    def test_malformed(self) -> None:
        for text in MALFORMED_RANGES:
            error = self.assertRaises(ParseError, NptRange.parse, text)
            self.assertIn(error.rule, {"npt-range", "npt-time"}, text)

    def test_microseconds_only_where_milliseconds_are_not_exact(self) -> None:
        self.assertEqual(NptRange(0.1 + 0.2, 1 / 3).to_text(), "npt=0.300-0.333333")

    @given(moments, st.none() | moments)
    def test_what_is_written_is_read(self, start: float, end: float | None) -> None:
        npt = NptRange(start, end)

        self.assertEqual(NptRange.parse(npt.to_text()), npt)


class SessionHeaderTests(SynchronousTestCase):
    def test_both_directions(self) -> None:
        for text, session in SESSIONS:
            self.assertEqual(SessionHeader.parse(text), session, text)
            self.assertEqual(session.to_text(), text)

    def test_tolerated_forms(self) -> None:
        for text, session in TOLERATED_SESSIONS:
            self.assertEqual(SessionHeader.parse(text), session, text)

    def test_malformed(self) -> None:
        for text in MALFORMED_SESSIONS:
            self.assertRaises(ParseError, SessionHeader.parse, text)

    @given(
        st.from_regex(r"[0-9A-Za-z$_.+\-]{1,64}", fullmatch=True),
        st.none() | st.integers(0, 10**10 - 1),
    )
    def test_what_is_written_is_read(self, identifier: str, timeout_s: int | None) -> None:
        session = SessionHeader(identifier, timeout_s)

        self.assertEqual(SessionHeader.parse(session.to_text()), session)


class RTPInfoTests(SynchronousTestCase):
    def test_both_directions(self) -> None:
        for text, entries in RTP_INFOS:
            self.assertEqual(RTPInfo.parse_list(text), entries, text)
            self.assertEqual(",".join(entry.to_text() for entry in entries), text)

    def test_tolerated_forms(self) -> None:
        for text in ['URL="a" ; rtptime = 2; SEQ=1', "url=a;ssrc=1;seq=1;rtptime=2;x"]:
            entry = RTPInfo.parse(text)
            self.assertEqual((entry.sequence, entry.timestamp), (1, 2), text)

    def test_malformed(self) -> None:
        for text in MALFORMED_RTP_INFOS:
            self.assertRaises(ParseError, RTPInfo.parse_list, text)

    @given(
        st.lists(
            st.builds(RTPInfo, urls, st.integers(0, 65535), st.integers(0, 2**32 - 1)),
            min_size=1,
            max_size=3,
        )
    )
    def test_what_is_written_is_read(self, entries: list[RTPInfo]) -> None:
        text = ",".join(entry.to_text() for entry in entries)

        self.assertEqual(RTPInfo.parse_list(text), entries)


class KeyManagementTests(SynchronousTestCase):
    def test_both_directions(self) -> None:
        for text, keys in KEY_MANAGEMENTS:
            self.assertEqual(KeyManagement.parse(text), keys, text)
            self.assertEqual(keys.to_text(), text)

    def test_tolerated_forms(self) -> None:
        for text, keys in TOLERATED_KEY_MANAGEMENTS:
            self.assertEqual(KeyManagement.parse(text), keys, text)

    def test_malformed(self) -> None:
        for text in MALFORMED_KEY_MANAGEMENTS:
            self.assertRaises(ParseError, KeyManagement.parse, text)

    def test_a_url_cannot_end_its_quotes(self) -> None:
        text = KeyManagement(b"key", 'rtsp://host/";data="').to_text()

        self.assertEqual(KeyManagement.parse(text).message, b"key")

    @given(st.binary(), urls)
    def test_what_is_written_is_read(self, message: bytes, url: str) -> None:
        keys = KeyManagement(message, url)

        self.assertEqual(KeyManagement.parse(keys.to_text()), keys)


class AnyTextTests(SynchronousTestCase):
    @given(
        st.sampled_from(
            [
                "",
                "RTP/AVP;client_port=",
                "RTP/AVP;ssrc=",
                "npt=",
                "1;timeout=",
                "url=a;",
                "prot=a;data=",
            ]
        ),
        st.text()
        | st.text("RTP/AVClientportn=0123456789-;:,.\" \t'url")
        | st.binary().map(lambda data: data.decode("utf-8", "surrogateescape")),
    )
    def test_is_read_or_refused(self, start: str, text: str) -> None:
        for read in READERS:
            with contextlib.suppress(ParseError):
                read(start + text)
