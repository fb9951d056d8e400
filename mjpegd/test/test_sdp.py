"""Tests of `mjpegd.wire.sdp`."""

import contextlib
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.wire.errors import ParseError
from mjpegd.wire.sdp import Description

CASES = [
    (
        "film",
        b"v=0\r\n"
        b"o=- 1700000000 1 IN IP4 192.0.2.1\r\n"
        b"s=clip.avi\r\n"
        b"c=IN IP4 0.0.0.0\r\n"
        b"t=0 0\r\n"
        b"a=control:*\r\n"
        b"a=range:npt=0-12.5\r\n"
        b"m=video 0 RTP/AVP 26\r\n"
        b"a=rtpmap:26 JPEG/90000\r\n"
        b"a=framerate:25\r\n"
        b"a=control:trackID=0\r\n"
        b"a=recvonly\r\n",
        Description("clip.avi", "192.0.2.1", "IP4", 1700000000, 1, "npt=0-12.5", Fraction(25)),
    ),
    (
        "live picture without title, over IPv6, in large frames, by a query",
        b"v=0\r\n"
        b"o=- 7 2 IN IP6 2001:db8::1\r\n"
        b"s= \r\n"
        b"c=IN IP6 ::\r\n"
        b"t=0 0\r\n"
        b"a=control:*\r\n"
        b"m=video 0 RTP/AVP 26\r\n"
        b"a=rtpmap:26 JPEG/90000\r\n"
        b"a=framerate:29.97\r\n"
        b"a=control:rtsp://[2001:db8::1]/live?fps=5/trackID=0\r\n"
        b"a=x-dimensions:2560,1440\r\n"
        b"a=recvonly\r\n",
        Description(
            "",
            "2001:db8::1",
            "IP6",
            7,
            2,
            framerate=Fraction("29.97"),
            control="rtsp://[2001:db8::1]/live?fps=5/trackID=0",
            dimensions=(2560, 1440),
        ),
    ),
    (
        "encrypted, with a message about the keys",
        b"v=0\r\n"
        b"o=- 1 1 IN IP4 192.0.2.1\r\n"
        b"s=clip.avi\r\n"
        b"c=IN IP4 0.0.0.0\r\n"
        b"t=0 0\r\n"
        b"a=control:*\r\n"
        b"m=video 0 RTP/SAVP 26\r\n"
        b"a=rtpmap:26 JPEG/90000\r\n"
        b"a=key-mgmt:mikey a2V5\r\n"
        b"a=control:trackID=0\r\n"
        b"a=recvonly\r\n",
        Description("clip.avi", "192.0.2.1", "IP4", 1, 1, profile="RTP/SAVP", key_message=b"key"),
    ),
]

CAMERA = (
    b"v=0\n"
    b"o=root 42 43 IN IP4 198.51.100.7\n"
    b"s=\n"
    b"a=control:rtsp://camera/live/\n"
    b"a=range:npt=now-\n"
    b"m=audio 0 RTP/AVP 0\n"
    b"a=control:audio\n"
    b"m=video 0 RTP/AVP 96\n"
    b"a=rtpmap:96 H264/90000\n"
    b"m=video 49170/2 RTP/SAVP 97 98\n"
    b"a=rtpmap:97 VP8/90000\n"
    b"a=rtpmap:98 jpeg/90000\n"
    b"a=x-framerate: 12.5\n"
    b"a=x-dimensions: 640 , 480\n"
    b"a=control:video"
)

UNSHOWABLE = [
    b"",
    b"m=",
    b"v=0\r\nm=audio 0 RTP/AVP 26\r\n",
    b"v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n",
    b"v=0\r\nm=video 0 RTP/AVP " + b"9" * 5000 + b"\r\n",
    b"v=0\r\nm=video 0 RTP/AVP" + b" 1" * 40 + b" 26\r\n",
    b"a=rtpmap:26 JPEG/90000\r\n",
]

ODD_VALUES = [
    b"a=framerate:0",
    b"a=framerate:-5",
    b"a=framerate:1e9",
    b"a=framerate:25/1",
    b"a=framerate:1234567",
    b"a=x-dimensions:640",
    b"a=x-dimensions:640,x",
    b"a=x-dimensions:123456,1",
]

visible = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp"]))
words = visible.filter(bool)
descriptions = st.builds(
    Description,
    st.lists(words).map(" ".join),
    words.filter(str.isascii),
    st.sampled_from(["IP4", "IP6"]),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
    st.none() | words,
    st.none() | st.integers(1, 10**9 - 1).map(lambda thousandths: Fraction(thousandths, 1000)),
    visible,
    st.none() | st.tuples(st.integers(1, 65535), st.integers(1, 65535)),
    words,
    st.sampled_from([26, 96, 127]),
    st.sampled_from(["RTP/AVP", "RTP/SAVP"]),
    st.none() | st.binary(min_size=1),
)


class DescriptionTests(SynchronousTestCase):
    def test_both_directions(self) -> None:
        for name, data, description in CASES:
            self.assertEqual(description.to_bytes(), data, name)
            self.assertEqual(Description.parse(data), description, name)

    def test_first_jpeg_track_of_a_camera(self) -> None:
        self.assertEqual(
            Description.parse(CAMERA),
            Description(
                "",
                "198.51.100.7",
                "IP4",
                42,
                43,
                "npt=now-",
                Fraction("12.5"),
                "video",
                (640, 480),
                "rtsp://camera/live/",
                98,
                "RTP/SAVP",
            ),
        )

    def test_bare_track(self) -> None:
        description = Description.parse(b"m=video 0 RTP/AVP 26")

        self.assertEqual(description, Description("", "", "IP4", 0, 0, control=""))

    def test_range_of_the_track_before_that_of_the_session(self) -> None:
        data = b"a=range:npt=0-1\nm=video 0 RTP/AVP 26\na=range:npt=0-2\n"

        self.assertEqual(Description.parse(data).range_text, "npt=0-2")

    def test_no_jpeg_track(self) -> None:
        for data in UNSHOWABLE:
            error = self.assertRaises(ParseError, Description.parse, data)
            self.assertEqual((error.offset, error.rule), (len(data), "media"))

    def test_odd_values_are_passed_over(self) -> None:
        for line in ODD_VALUES:
            description = Description.parse(b"m=video 0 RTP/AVP 26\r\n" + line)
            self.assertEqual((description.framerate, description.dimensions), (None, None), line)

    def test_a_message_about_keys_may_stand_above_the_tracks(self) -> None:
        data = b"a=key-mgmt:MIKEY  a2V5\nm=video 0 rtp/savp 26\n"

        description = Description.parse(data)

        self.assertEqual((description.profile, description.key_message), ("RTP/SAVP", b"key"))

    def test_messages_about_keys_that_cannot_be_read_are_passed_over(self) -> None:
        for message in (b"mikey", b"mikey a2V", b"other a2V5", b"mikey \xe4"):
            description = Description.parse(b"m=video 0 RTP/SAVP 26\na=key-mgmt:" + message)
            self.assertFalse(description.key_message, message)

    def test_framerate_has_six_decimals(self) -> None:
        ntsc = Description("x", "a", "IP4", 1, 1, framerate=Fraction(30000, 1001))

        self.assertIn(b"\r\na=framerate:29.97003\r\n", ntsc.to_bytes())

    def test_line_end_cannot_be_smuggled_into_a_title(self) -> None:
        description = Description(" a\r\nm=audio\x00 ", "h\r\na=b", "IP4", 1, 1)

        self.assertIn(b"\r\ns=a m=audio\r\n", description.to_bytes())
        self.assertEqual(Description.parse(description.to_bytes()).origin_address, "ha=b")

    def test_title_that_is_not_utf8(self) -> None:
        description = Description("\udce9", "h", "IP4", 1, 1)

        self.assertIn(b"\r\ns=\xe9\r\n", description.to_bytes())

    @given(descriptions)
    def test_what_is_written_is_read(self, description: Description) -> None:
        self.assertEqual(Description.parse(description.to_bytes()), description)

    @given(st.binary(), st.sampled_from([b"", b"m=video 0 RTP/AVP 26 96\r\n"]))
    def test_any_bytes_are_read_or_refused(self, data: bytes, start: bytes) -> None:
        for body in (start + data, start + b"a=framerate:" + data, b"o=" + data + b"\n" + start):
            with contextlib.suppress(ParseError):
                Description.parse(body)
