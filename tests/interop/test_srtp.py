"""Players on TLS: GStreamer has its media over UDP, encrypted; the others have it all the same."""

import re
import subprocess

from typing_extensions import override

from mjpegd.encryption.srtp import is_installed
from mjpegd.test import films
from mjpegd.test.keys import pair
from mjpegd.test.pictures import number_of, picture
from tests.interop import players
from tests.interop.cases import PlayerTestCase
from tests.interop.clips import SIZE, Clip, containers
from tests.interop.players import Show, play
from tests.system.daemon import Daemon

_SECURE_BASE = re.compile(r"rtsps://[^/]*:(\d+)/")
_WAY = re.compile(r"session \d+ of [^:]*: \S+ by (.*)")
# The least that --max-packet-size takes, and what of it are headers of RTP and of JPEG.
_SMALL_BYTES, HEADER_BYTES = 260, 20


class EncryptedCase(PlayerTestCase):
    """A player, and a daemon that speaks TLS."""

    @override
    def setUp(self) -> None:
        super().setUp()
        self.require([] if is_installed() else ["pylibsrtp"])

    def secure(self, clip: Clip, *options: str) -> Daemon:
        """A daemon with a certificate."""
        certificate, key = pair().write(self.folder())
        tls = f"--certificate={certificate}", f"--private-key={key}", "--tls-port=0"
        return self.running(clip.files, *tls, *options)

    def show(self, daemon: Daemon, clip: Clip, transport: str, query: str = "") -> Show:
        """What the player shows of a clip by TLS."""
        port = daemon.wait_for_line(_SECURE_BASE)[1]
        url = f"rtsps://127.0.0.1:{port}/{clip.path}{query}"
        command = self.trusting(self.player.stream(url, transport, None))
        return play(command, self.shows / transport / (query[1:] or "plain"), clip.size)

    def trusting(self, command: list[str]) -> list[str]:
        """The command of a player that takes any certificate, as most do by themselves."""
        return command

    def assert_whole(self, show: Show, clip: Clip, daemon: Daemon) -> None:
        """Every picture is there, with the pixels of the file."""
        frames = self.folder() / "frames.mjpeg"
        frames.write_bytes(b"".join(clip.frames))
        local = play(self.player.file(str(frames)), self.folder() / "local", clip.size)
        told = f"{show.words}\n{daemon.log}"
        numbers = [number_of(shown) for shown in show.pictures]
        self.assertEqual(numbers, [*range(len(clip.frames))], told)
        self.assertTrue(show.pictures == local.pictures, f"other pixels: {told}")


def clip() -> Clip:
    """A film of half a second."""
    return next(each for each in containers() if each.path == "film.mov")


class GStreamerTests(EncryptedCase):
    """gst-launch-1.0 with rtspsrc, srtpdec and srtpenc."""

    player = players.GSTREAMER

    @override
    def setUp(self) -> None:
        super().setUp()
        asked = ["gst-inspect-1.0", "--exists", "srtpdec"]
        has_srtp = subprocess.run(asked, check=False).returncode == 0
        self.require([] if has_srtp else ["srtpdec of GStreamer"])

    @override
    def trusting(self, command: list[str]) -> list[str]:
        at = command.index("rtspsrc") + 1
        return [*command[:at], "tls-validation-flags=0", *command[at:]]

    def test_every_frame_comes_over_udp_as_srtp(self) -> None:
        daemon = self.secure(clip())

        show = self.show(daemon, clip(), "udp")

        self.assertIn(", as SRTP for viewers on TLS;", daemon.log)
        way = daemon.wait_for_line(_WAY)[1]
        self.assertRegex(way, r"UDP, ports .*, SRTP by AES_CM_128_HMAC_SHA1_80")
        self.assert_whole(show, clip(), daemon)

    def test_every_frame_comes_on_the_connection_as_srtp(self) -> None:
        daemon = self.secure(clip())

        show = self.show(daemon, clip(), "tcp")

        way = daemon.wait_for_line(_WAY)[1]
        self.assertRegex(way, "TCP, channels .*, SRTP by AES_CM_128_HMAC_SHA1_80")
        self.assert_whole(show, clip(), daemon)

    def test_without_srtp_it_goes_over_to_the_connection_by_itself(self) -> None:
        daemon = self.secure(clip())

        show = self.show(daemon, clip(), "udp+tcp", "?srtp=0")

        self.assertRegex(daemon.wait_for_line(_WAY)[1], r"\ATCP, channels 0-1\Z")
        self.assert_whole(show, clip(), daemon)

    def test_frames_come_after_the_sequence_numbers_have_wrapped(self) -> None:
        """So many frames are shown that there were more packets than there are numbers."""
        large = picture(7, (1920, 1080))
        long = Clip({"long.avi": films.avi([large] * 25)}, "long.avi", [large])
        count = 1 + 65_536 // (len(large) // _SMALL_BYTES)
        daemon = self.secure(long, f"--max-packet-size={_SMALL_BYTES + HEADER_BYTES}")

        port = daemon.wait_for_line(_SECURE_BASE)[1]
        url = f"rtsps://127.0.0.1:{port}/long.avi?loop=1"
        command = self.trusting(self.player.stream(url, "tcp", None))
        command = command[: command.index("jpegdec")]
        folder = self.shows / "long"
        enough = ["identity", f"eos-after={count + 1}", "!", "filesink", "location=frames.mjpeg"]
        play([*command, *enough], folder, SIZE)

        frames = (folder / "frames.mjpeg").read_bytes()
        self.assertGreaterEqual(frames.count(b"\xff\xd8\xff"), count, daemon.log)


class Others(EncryptedCase):
    """Players that speak no MIKEY; the classes below say which."""

    def test_every_frame_comes_on_the_connection_whatever_the_description_says(self) -> None:
        daemon = self.secure(clip())
        for query in ("", "?srtp=1"):
            show = self.show(daemon, clip(), "tcp", query)

            self.assert_whole(show, clip(), daemon)
        self.assertNotIn("SRTP by", daemon.log)


class FFmpegTests(Others):
    """The ffmpeg program."""

    player = players.FFMPEG


class MpvTests(Others):
    """mpv."""

    player = players.MPV


class PyAVTests(Others):
    """The FFmpeg inside PyAV."""

    player = players.PYAV


class OpenCVTests(Others):
    """The FFmpeg inside OpenCV."""

    player = players.OPENCV


del EncryptedCase, Others  # They are no tests by themselves.
