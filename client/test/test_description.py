import contextlib
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.wire.messages import Headers, Response

from ..errors import ConfusedError, UnplayableError
from ..interfaces import Offer
from ..talk.description import Described, resolve
from ..talk.location import MAX_CHARACTERS

URL = "rtsp://h:8554/clip"
TRACK = "m=video 0 RTP/AVP 26\r\na=control:trackID=0\r\n"


def read(body: str, *fields: tuple[str, str], url: str = URL) -> Described:
    return Described.read(url, Response(200, Headers(fields), body.encode()))


class DescribedTests(SynchronousTestCase):
    def test_all_that_is_told_is_offered(self) -> None:
        described = read(
            "s=A clip\r\na=range:npt=0-12.5\r\nm=video 0 RTP/AVP 96\r\n"
            "a=rtpmap:96 JPEG/90000\r\na=framerate:12.5\r\na=x-dimensions:2560,1440\r\n"
        )

        offer = Offer("A clip", 12.5, Fraction(25, 2), 96, (2560, 1440))
        self.assertEqual(described.offer, offer)

    def test_what_is_not_told_is_not_offered(self) -> None:
        self.assertEqual(read(TRACK).offer, Offer())

    def test_a_live_picture_has_no_length(self) -> None:
        for told in ("npt=now-", "npt=0-", "npt=0-0", "npt=now-10", "clock=19961108T143720Z-", "x"):
            self.assertIsNone(read(f"a=range:{told}\r\n{TRACK}").offer.duration_s)

    def test_a_dash_is_no_title(self) -> None:
        for title in ("-", " ", " - "):
            self.assertEqual(read(f"s={title}\r\n{TRACK}").offer.title, "")

    def test_without_jpeg_the_encodings_are_named(self) -> None:
        video = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
        body = f"{video}m=audio 0 RTP/AVP 97\r\na=rtpmap:97 AAC/8000\r\n"

        error = self.assertRaises(UnplayableError, read, body)

        self.assertIn(f"no Motion JPEG in {URL}: it has AAC, H264.", str(error))

    def test_without_any_track_that_is_said(self) -> None:
        error = self.assertRaises(UnplayableError, read, "")

        self.assertIn("no such track", str(error))

    def test_the_track_is_below_the_base(self) -> None:
        described = read(TRACK, ("Content-Base", f"{URL}/"))

        self.assertEqual(described.track_url, f"{URL}/trackID=0")
        self.assertEqual(described.aggregate_url, f"{URL}/")

    def test_content_location_is_the_second_choice(self) -> None:
        self.assertEqual(
            read(TRACK, ("Content-Location", "rtsp://h/x")).aggregate_url, "rtsp://h/x"
        )

    def test_what_was_asked_for_is_the_last(self) -> None:
        for useless in ("", "/clip/", "http://h/clip"):
            self.assertEqual(read(TRACK, ("Content-Base", useless)).aggregate_url, URL)

    def test_users_and_passwords_in_it_are_not_repeated(self) -> None:
        described = read(TRACK, ("Content-Base", "rtsp://a:b@h/x/"))

        self.assertEqual(described.track_url, "rtsp://h/x/trackID=0")

    def test_the_whole_may_have_a_url_of_its_own(self) -> None:
        described = read(f"a=control:rtsp://h/whole\r\n{TRACK}")

        self.assertEqual(described.aggregate_url, "rtsp://h/whole")

    def test_a_relative_name_of_the_whole_is_the_base(self) -> None:
        self.assertEqual(read(f"a=control:whole\r\n{TRACK}").aggregate_url, URL)

    @given(st.text(), st.text())
    def test_any_answer_is_an_offer_or_a_sentence(self, text: str, control: str) -> None:
        with contextlib.suppress(UnplayableError, ConfusedError):
            Described.read(URL, Response(200, body=text.encode("utf-8", "replace")))
        with contextlib.suppress(ConfusedError):
            body = f"{text}\nm=video 0 RTP/AVP 26\na=control:{control}"
            Described.read(URL, Response(200, body=body.encode("utf-8", "replace")))


class ResolveTests(SynchronousTestCase):
    def test_controls_name_urls(self) -> None:
        cases = [
            ("rtsp://h/clip/", "trackID=0", "rtsp://h/clip/trackID=0"),
            ("rtsp://h/clip", "trackID=0", "rtsp://h/clip/trackID=0"),
            ("rtsp://h/clip?a=1", "trackID=0", "rtsp://h/clip?a=1/trackID=0"),
            ("rtsp://h/clip?a=1/", "trackID=0", "rtsp://h/clip?a=1/trackID=0"),
            ("rtsp://h/clip/", "?trackID=0", "rtsp://h/clip/?trackID=0"),
            ("rtsp://h/clip/", "rtsp://other/x", "rtsp://other/x"),
            ("rtsp://h/clip/", "rtsps://u:p@other/x", "rtsps://other/x"),
            ("rtsp://h/clip/", "/clip/trackID=0", "rtsp://h/clip/trackID=0"),
            ("rtsp://h?a", "/trackID=0", "rtsp://h/trackID=0"),
            ("rtsp://h/clip/", "*", "rtsp://h/clip/"),
            ("rtsp://h/clip/", "", "rtsp://h/clip/"),
        ]
        for base, control, expected in cases:
            self.assertEqual(resolve(base, control), expected)

    def test_no_url_is_longer_than_one_that_can_be_typed(self) -> None:
        self.assertRaises(ConfusedError, resolve, "rtsp://h/", "x" * MAX_CHARACTERS)
