import contextlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ..errors import LocationError
from ..talk.location import MAX_CHARACTERS, Location


class LocationTests(SynchronousTestCase):
    def test_every_part_of_an_address_is_read(self) -> None:
        location = Location.parse("rtsp://anna:secret@camera.example:8554/live/1?fps=5")

        self.assertEqual(
            location,
            Location(
                "rtsp://camera.example:8554/live/1?fps=5",
                "camera.example",
                8554,
                is_secure=False,
                user="anna",
                password="secret",
            ),
        )

    def test_rtsp_is_meant_where_no_scheme_is_typed(self) -> None:
        location = Location.parse("  localhost:8554/movie.Mjpeg ")

        self.assertEqual(location.url, "rtsp://localhost:8554/movie.Mjpeg")

    def test_each_scheme_has_its_usual_port(self) -> None:
        self.assertEqual(Location.parse("rtsp://h/x").port, 554)
        self.assertEqual(Location.parse("RTSPS://h:/x").port, 322)
        self.assertTrue(Location.parse("rtsps://h/x").is_secure)

    def test_a_port_that_was_not_typed_does_not_enter_the_url(self) -> None:
        self.assertEqual(Location.parse("rtsp://h:/x").url, "rtsp://h/x")

    def test_a_server_without_a_path_is_its_root(self) -> None:
        self.assertEqual(Location.parse("rtsp://h").url, "rtsp://h/")

    def test_a_query_may_follow_the_host_at_once(self) -> None:
        self.assertEqual(Location.parse("rtsp://h?user=1").url, "rtsp://h?user=1")

    def test_what_a_url_cannot_hold_is_escaped(self) -> None:
        location = Location.parse("rtsp://h/Grüße an #1 100%.avi")

        self.assertEqual(location.url, "rtsp://h/Gr%C3%BC%C3%9Fe%20an%20%231%20100%25.avi")

    def test_what_is_escaped_stays_as_it_is(self) -> None:
        self.assertEqual(Location.parse("rtsp://h/a%20b").url, "rtsp://h/a%20b")

    def test_user_and_password_are_decoded(self) -> None:
        location = Location.parse("rtsp://an%40na:p%3Aw@h/x")

        self.assertEqual((location.user, location.password), ("an@na", "p:w"))

    def test_a_password_may_hold_an_at_sign(self) -> None:
        location = Location.parse("rtsp://anna:p@ss@h/x")

        self.assertEqual((location.password, location.host), ("p@ss", "h"))

    def test_ipv6_stands_in_brackets(self) -> None:
        location = Location.parse("rtsp://[2001:DB8::1]:8554/x")

        self.assertEqual((location.host, location.port), ("2001:db8::1", 8554))
        self.assertEqual(location.url, "rtsp://[2001:DB8::1]:8554/x")

    def test_a_zone_may_be_written_both_ways(self) -> None:
        for text in ("rtsp://[fe80::1%eth0]/x", "rtsp://[fe80::1%25eth0]/x"):
            self.assertEqual(Location.parse(text).host, "fe80::1%eth0")

    def test_a_name_in_any_script_is_one_in_ascii(self) -> None:
        self.assertEqual(Location.parse("rtsp://bücher.example/x").host, "xn--bcher-kva.example")

    def test_root_is_the_server(self) -> None:
        self.assertEqual(Location.parse("rtsps://u:p@h:1/a/b?c").root, "rtsps://h:1/")

    def test_name_is_the_path_as_people_read_it(self) -> None:
        self.assertEqual(Location.parse("rtsp://h/a/b%20c?d").name, "a/b c")
        self.assertEqual(Location.parse("rtsp://h?d").name, "")

    def test_what_names_no_stream_is_told_in_a_sentence(self) -> None:
        cases = {
            "": "Type the address",
            "http://h/x": "web page",
            "https://h/x": "web page",
            "file:///x": "knows no file://",
            "/home/anna/clip.avi": "names no host",
            "rtsp:///x": "names no host",
            "rtsp://h:port/x": "names no host",
            "rtsp://h:0/x": "is no port",
            "rtsp://h:65536/x": "is no port",
            "rtsp://[::x]/x": "no IPv6 address",
            "rtsp://[fe80::1%]/x": "with a zone",
            "rtsp://my host/x": "not the name of a host",
            "rtsp://a..b/x": "not the name of a host",
            f"rtsp://{'h' * 254}/x": "…",
            "rtsp://h/\0": "cannot be printed",
            "rtsp://an%0Ana:p@h/": "cannot be printed",
            "x" * (MAX_CHARACTERS + 1): "at most",
        }
        for text, expected in cases.items():
            error = self.assertRaises(LocationError, Location.parse, text)
            self.assertIn(expected, str(error))

    def test_no_password_is_repeated(self) -> None:
        error = self.assertRaises(LocationError, Location.parse, "rtsp://anna:secret@h:0/x")

        self.assertNotIn("secret", str(error))

    @given(st.text() | st.from_regex(r"rtsps?://[^/]*/.*", fullmatch=True))
    def test_any_text_is_a_location_or_a_sentence(self, text: str) -> None:
        with contextlib.suppress(LocationError):
            Location.parse(text)

    @given(st.from_regex(r"(rtsps?://)?(a:b@)?(h\.x|\[::1\])(:[1-9]{2})?[/?][ -~é]*"))
    def test_a_url_names_the_same_stream_again(self, text: str) -> None:
        try:
            location = Location.parse(text)
        except LocationError:
            return

        again = Location.parse(location.url)

        self.assertEqual(again.url, location.url)
        self.assertEqual((again.host, again.port), (location.host, location.port))
        self.assertTrue(location.url.isascii())
