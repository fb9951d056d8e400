"""`mjpegd.wishes`: what a URL may ask for, and what players need who do not ask."""

from fractions import Fraction

from twisted.trial.unittest import SynchronousTestCase

from mjpegd.errors import RTSPError
from mjpegd.pictures.forms import Big, JpegForm, Rendition
from mjpegd.wishes import Wishes

FFMPEG = "Lavf59.27.100"
GSTREAMER = "GStreamer/1.22.0"
VLC = "LibVLC/3.0.18 (LIVE555 Streaming Media v2016.11.28)"
MEDIAMTX = "gortsplib"


class ParseTests(SynchronousTestCase):
    def test_good_values(self) -> None:
        for query, wishes in (
            ({}, Wishes()),
            ({"fps": "25"}, Wishes(fps=Fraction(25))),
            ({"fps": "29.97"}, Wishes(fps=Fraction(2997, 100))),
            ({"fps": "30000/1001"}, Wishes(fps=Fraction(30_000, 1001))),
            ({"fps": "0.1"}, Wishes(fps=Fraction(1, 10))),
            ({"fps": "1000"}, Wishes(fps=Fraction(1000))),
            ({"loop": "1"}, Wishes(loop=True)),
            ({"loop": "0"}, Wishes(loop=False)),
            ({"fps": "12", "loop": "1"}, Wishes(Fraction(12), loop=True)),
            ({"restart": "strip"}, Wishes(strips_restarts=True)),
            ({"restart": "keep"}, Wishes(strips_restarts=False)),
            ({"srtp": "1"}, Wishes(srtp=True)),
            ({"srtp": "0"}, Wishes(srtp=False)),
            *(({"big": big.value}, Wishes(big=big)) for big in Big),
            ({"width": "320"}, Wishes(rendition=Rendition(width=320))),
            ({"height": "16"}, Wishes(rendition=Rendition(height=16))),
            ({"quality": "100"}, Wishes(rendition=Rendition(quality=100))),
        ):
            self.assertEqual(Wishes.parse(query), wishes)

    def test_bad_values_are_400(self) -> None:
        for fps in (
            *("", "0", "0.0", "-1", "1001", "1e3", "1e999999999", "nan", "inf", "x", " 25"),
            *("25/0", "1/2/3", "/", ".", "2_5", "+25", "٢٥", "9" * 22, "1/" + "9" * 21),
        ):
            self.assert_refused("fps", fps)
        for loop in ("", "2", "yes", "true", "01", " 1"):
            self.assert_refused("loop", loop)
            self.assert_refused("srtp", loop)
        for choice in ("", "SCALE", "1", "scale,native"):
            self.assert_refused("big", choice)
            self.assert_refused("restart", choice)
        for number in ("", "0", "-1", "1.5", "x", "٣٢٠", "99999999999"):
            for key in ("width", "height", "quality"):
                self.assert_refused(key, number)

    def assert_refused(self, key: str, value: str) -> None:
        fault = self.assertRaises(RTSPError, Wishes.parse, {key: value})
        self.assertEqual(fault.status, 400, value)
        self.assertIn(f"?{key}=", str(fault))

    def test_unknown_keys_mean_nothing(self) -> None:
        self.assertEqual(Wishes.parse({"FPS": "x", "token": "", "loops": "9"}), Wishes())


class FormTests(SynchronousTestCase):
    def test_players_that_tell_no_needs_get_what_everybody_reads(self) -> None:
        for agent in ("", FFMPEG, "libmpv", "Player from Somewhere"):
            self.assertEqual(Wishes().form(agent), JpegForm())

    def test_gortsplib_gets_no_restart_markers(self) -> None:
        self.assertTrue(Wishes().form(MEDIAMTX).strips_restarts)

    def test_players_that_read_dimensions_get_large_pictures_as_they_are(self) -> None:
        for agent in (GSTREAMER, VLC):
            self.assertIs(Wishes().form(agent).big, Big.NATIVE)

    def test_wish_goes_before_what_the_player_is_known_for(self) -> None:
        wishes = Wishes(strips_restarts=False, big=Big.NESTED)

        for agent in (FFMPEG, GSTREAMER, VLC, MEDIAMTX):
            self.assertEqual(wishes.form(agent), JpegForm(big=Big.NESTED))

    def test_rendition_is_part_of_the_form(self) -> None:
        rendition = Rendition(320, 240, 50)

        self.assertEqual(Wishes(rendition=rendition).form(FFMPEG).rendition, rendition)


class SRTPTests(SynchronousTestCase):
    def test_it_is_told_of_to_players_that_speak_it(self) -> None:
        for agent, speaks in ((GSTREAMER, True), (FFMPEG, False), (VLC, False), ("", False)):
            self.assertIs(Wishes().wants_srtp(agent), speaks, agent)

    def test_what_the_url_says_comes_first(self) -> None:
        for agent in (GSTREAMER, FFMPEG):
            self.assertTrue(Wishes(srtp=True).wants_srtp(agent))
            self.assertFalse(Wishes(srtp=False).wants_srtp(agent))
