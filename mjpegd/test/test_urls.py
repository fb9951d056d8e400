"""Tests of `mjpegd.wire.urls`."""

import contextlib
from itertools import product

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.wire.errors import ParseError
from mjpegd.wire.urls import StreamURL, same_stream, without_userinfo

CASES = [
    ("rtsp://host/clip", StreamURL("rtsp", "host", "/clip")),
    ("rtsp://host:8554/a/b.avi/trackID=0", StreamURL("rtsp", "host:8554", "/a/b.avi", None, 0)),
    ("rtsps://[::1]:322/clip", StreamURL("rtsps", "[::1]:322", "/clip")),
    ("rtsp://[fe80::1%25eth0]/clip", StreamURL("rtsp", "[fe80::1%25eth0]", "/clip")),
    ("rtsp://host/clip?fps=5&x=y", StreamURL("rtsp", "host", "/clip", "fps=5&x=y")),
    ("rtsp://host/clip?fps=5/trackID=7", StreamURL("rtsp", "host", "/clip", "fps=5", 7)),
    ("rtsp://host/clip?", StreamURL("rtsp", "host", "/clip", "")),
    ("rtsp://host?x=y", StreamURL("rtsp", "host", "", "x=y")),
    ("rtsp://host", StreamURL("rtsp", "host", "")),
    ("rtsp://host/trackID=0", StreamURL("rtsp", "host", "", None, 0)),
    ("rtsp://bücher.example/été", StreamURL("rtsp", "bücher.example", "/été")),
    ("movie.Mjpeg", StreamURL("", "", "movie.Mjpeg")),
    ("/movie.Mjpeg?fps=5", StreamURL("", "", "/movie.Mjpeg", "fps=5")),
    ("movie.Mjpeg/trackID=0", StreamURL("", "", "movie.Mjpeg", None, 0)),
]

TRACK_0_OF_CLIP = [
    "rtsp://h/clip/trackID=0",
    "rtsp://h/clip/trackID=0/",
    "rtsp://h/clip//trackID=0",
    "rtsp://h//clip/trackID=0",
    "rtsp://h/clip/trackID%3D0",
    "rtsp://h/%63lip/track%49D=00",
    "rtsp://h/clip?fps=5/trackID=0",
    "rtsp://h/clip?fps=5//trackID=0/",
    "rtsp://h/clip/?fps=5/trackID=0",
    "rtsp://h/clip/trackID=0?fps=5",
    "rtsp://h/clip/trackID=0/?fps=5/",
    "rtsp://user:pass@h/clip/trackID=0",
    "RTSP://h/clip/trackID=0",
    "clip/trackID=0",
]

NO_TRACK = [
    "rtsp://h/clip",
    "rtsp://h/clip/",
    "rtsp://h/clip//",
    "rtsp://h//clip",
    "rtsp://u@h/clip",
    "rtsp://h/clip?fps=5/",
    "rtsp://h/clip/?fps=5",
    "rtsp://h/clip?trackID=0",
    "/clip/",
]

OTHER_STREAMS = [
    ("rtsp://h/clip/trackID=", "clip/trackID="),
    ("rtsp://h/clip/trackID=x", "clip/trackID=x"),
    ("rtsp://h/clip/trackID=12345678901", "clip/trackID=12345678901"),
    ("rtsp://h/clip/trackid=0", "clip/trackid=0"),
    ("rtsp://h/a//b/../c", "a/b/../c"),
    ("rtsp://h/a%2Fb", "a/b"),
    ("rtsp://h/a%20b c#1%zz", "a b c#1%zz"),
    ("rtsp://h/%C3%A9t\udcc3\udca9", "été"),
    ("rtsp://h/%e9", "\udce9"),
    ("rtsp://h/", ""),
    ("/", ""),
]

# Request URI, Content-Base and control of its answer.
ANSWERS = [
    ("rtsp://h/clip", "rtsp://h/clip/", "trackID=0"),
    ("rtsp://u:p@h:1/clip/", "rtsp://h:1/clip/", "trackID=0"),
    ("rtsp://h/a%20b/c d", "rtsp://h/a%20b/c d/", "trackID=0"),
    ("rtsp://h/clip/trackID=0", "rtsp://h/clip/", "trackID=0"),
    ("rtsp://h", "rtsp://h/", "trackID=0"),
    ("rtsp://h/clip?a=1&b=2", "rtsp://h/clip?a=1&b=2/", "rtsp://h/clip?a=1&b=2/trackID=0"),
    ("rtsp://u:p@[::1]:1/c?a", "rtsp://[::1]:1/c?a/", "rtsp://[::1]:1/c?a/trackID=0"),
    ("rtsp://h/clip?", "rtsp://h/clip?/", "rtsp://h/clip?/trackID=0"),
]

MALFORMED = [
    ("", 0),
    ("http://host/clip", 0),
    ("rtspu://host/clip", 0),
    ("rtsp:///clip", 4),
    ("rtsp://user@/clip", 4),
    ("rtsp://host:x/clip", 4),
    ("rtsp://host:123456/clip", 4),
    ("rtsp://::1/clip", 4),
    ("rtsp://[::1/clip", 4),
    ("rtsp://ho st/clip", 4),
    ("rtsp://host/cl\nip", 14),
    ("rtsp://host/cl\x00ip", 14),
    ("rtsp://host/cl%00ip", 11),
]

WITHOUT_USERINFO = [
    ("rtsp://user:pass@host/clip", "rtsp://host/clip"),
    ("rtsp://user:p@ss@host/clip/", "rtsp://host/clip/"),
    ("rtsp://user@host?a@b", "rtsp://host?a@b"),
    ("rtsp://host/a@b", "rtsp://host/a@b"),
    ("a@b", "a@b"),
    ("*", "*"),
]

characters = st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="?/%")
segments = st.text(characters, min_size=1).filter(lambda text: not text.startswith("trackID="))
stream_urls = st.builds(
    StreamURL,
    st.sampled_from(["rtsp", "rtsps"]),
    st.from_regex(r"([a-z0-9.\-]{1,20}|\[[0-9a-f:]{2,39}\])(:[0-9]{1,5})?", fullmatch=True),
    st.lists(segments).map(lambda names: "".join(f"/{name}" for name in names)),
    st.none() | st.lists(segments, max_size=3).map("&".join),
    st.none() | st.integers(0, 10**10 - 1),
)


def as_sent(url: StreamURL) -> str:
    """The URL as a player would send it."""
    return url.aggregate if url.track is None else f"{url.aggregate}/trackID={url.track}"


class StreamURLTests(SynchronousTestCase):
    def test_both_directions(self) -> None:
        for uri, url in CASES:
            self.assertEqual(StreamURL.parse(uri), url, uri)
            self.assertEqual(as_sent(url), uri)

    def test_every_form_of_a_track(self) -> None:
        for uri in TRACK_0_OF_CLIP:
            url = StreamURL.parse(uri)
            self.assertEqual((url.path, url.track), ("clip", 0), uri)
            self.assertEqual(url.query, {"fps": "5"} if "?" in uri else {}, uri)

    def test_every_form_of_a_stream(self) -> None:
        for uri in NO_TRACK:
            url = StreamURL.parse(uri)
            self.assertEqual((url.path, url.track), ("clip", None), uri)

    def test_path_is_decoded(self) -> None:
        for uri, path in OTHER_STREAMS:
            url = StreamURL.parse(uri)
            self.assertEqual((url.path, url.track), (path, None), uri)

    def test_query_is_decoded(self) -> None:
        url = StreamURL.parse("rtsp://h/clip?a=%2F+1&b&c=%ff&d=1&d=2")

        self.assertEqual(url.query, {"a": "/ 1", "b": "", "c": "\ufffd", "d": "2"})

    def test_content_base_and_control(self) -> None:
        for uri, content_base, control in ANSWERS:
            url = StreamURL.parse(uri)
            self.assertEqual((url.content_base, url.control()), (content_base, control), uri)

    def test_players_come_back_to_the_same_stream(self) -> None:
        for uri, content_base, control in ANSWERS:
            url = StreamURL.parse(uri)
            setup = control if "://" in control else content_base + control
            for request, track in [(content_base, None), (setup, 0)]:
                again = StreamURL.parse(request)
                self.assertEqual((again.path, again.query), (url.path, url.query), request)
                self.assertEqual(again.track, track, request)

    def test_malformed(self) -> None:
        for uri, offset in MALFORMED:
            error = self.assertRaises(ParseError, StreamURL.parse, uri)
            self.assertEqual((error.offset, error.rule), (offset, "request-uri"), uri)

    def test_password_is_in_no_part(self) -> None:
        for uri in ["rtsp://user:secret@host/clip?a=b", "rtsp://user:@secret@host/clip"]:
            self.assertNotIn("secret", repr(StreamURL.parse(uri)))

    @given(stream_urls)
    def test_what_is_written_is_read(self, url: StreamURL) -> None:
        self.assertEqual(StreamURL.parse(as_sent(url)), url)

    @given(st.text("rtsp:/?@[]%=&trackID09 \x00é\udcff.") | st.text())
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        for uri in (text, f"rtsp://{text}", f"rtsp://host/{text}"):
            with contextlib.suppress(ParseError):
                url = StreamURL.parse(uri)
                self.assertIsInstance(url.path, str)
                self.assertIsInstance(url.query, dict)


class WithoutUserinfoTests(SynchronousTestCase):
    def test_the_rest_stays_character_by_character(self) -> None:
        for uri, echoed in WITHOUT_USERINFO:
            self.assertEqual(without_userinfo(uri), echoed)


class SameStreamTests(SynchronousTestCase):
    def test_however_it_is_written(self) -> None:
        for one, other in product([*NO_TRACK, *TRACK_0_OF_CLIP, "/clip", "clip/"], repeat=2):
            self.assertTrue(same_stream(one, other), f"{one} {other}")

    def test_others_are_others(self) -> None:
        for one in (*NO_TRACK, *TRACK_0_OF_CLIP):
            for other in ("rtsp://h/", "rtsp://h/clips", "rtsp://h/clip/a", "/", "*", ""):
                self.assertFalse(same_stream(one, other), f"{one} {other}")

    def test_what_cannot_be_read_is_itself_only(self) -> None:
        for uri in ("", "http://h/clip", "rtsp:///clip", "clip\0"):
            self.assertTrue(same_stream(uri, uri))
            self.assertFalse(same_stream(uri, "rtsp://h/clip"))
            self.assertFalse(same_stream("rtsp://h/clip", uri))
