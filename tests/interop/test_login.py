"""Other people's players log in, and are told where they cannot."""

import time
from pathlib import Path
from urllib.parse import quote

from mjpegd.test.logins import EVERYTHING, password_of, users_file
from mjpegd.test.pictures import number_of
from tests.interop import players
from tests.interop.cases import PlayerTestCase
from tests.interop.clips import FRAMES, SIZE, Clip, containers
from tests.interop.players import Show, play
from tests.system.daemon import Daemon

# Longer than any player tries the same password again.
GIVES_UP_S = 20.0


def clip() -> Clip:
    """A film of half a second."""
    return next(clip for clip in containers() if clip.path == "film.mov")


class Login(PlayerTestCase):
    """What each player has to do; the classes below say which player it is."""

    def guarded(self) -> Daemon:
        """A daemon that knows users."""
        users = Path(self.mktemp()).absolute()
        users.touch(mode=0o600)
        users.write_text(users_file({"anna": EVERYTHING, "bert": "watch = []"}))
        return self.running(clip().files, f"--users={users}")

    def show(self, daemon: Daemon, name: str, password: str, transport: str) -> Show:
        """What the player shows to somebody with this name and password."""
        login = f"{quote(name)}:{quote(password)}@"
        url = daemon.url(clip().path).replace("//", f"//{login}")
        command = self.player.stream(url, transport, None)
        return play(command, self.shows / transport / name / password, SIZE)

    def test_with_the_right_password_it_shows_every_frame(self) -> None:
        daemon = self.guarded()
        for transport in ("udp", "tcp"):
            show = self.show(daemon, "anna", password_of("anna"), transport)

            numbers = [number_of(shown) for shown in show.pictures]
            self.assertEqual(numbers, [*range(FRAMES)], f"{transport}: {show.words}{daemon.log}")
        self.assertIn("(anna) describes", daemon.log)
        self.assertNotIn("failed", daemon.log)

    def test_with_a_wrong_one_it_shows_nothing_and_ends(self) -> None:
        daemon = self.guarded()
        began_s = time.monotonic()

        show = self.show(daemon, "anna", "wrong", "tcp")

        self.assertEqual(show.pictures, [])
        self.assertLess(time.monotonic() - began_s, GIVES_UP_S, show.words)
        self.assertIn("login from 127.0.0.1 failed: wrong user or password", daemon.log)

    def test_without_rights_it_shows_nothing_and_ends(self) -> None:
        daemon = self.guarded()

        show = self.show(daemon, "bert", password_of("bert"), "tcp")

        self.assertEqual(show.pictures, [])
        self.assertIn("(bert) may not have film.mov", daemon.log)


class FFmpegTests(Login):
    """The ffmpeg program."""

    player = players.FFMPEG


class GStreamerTests(Login):
    """gst-launch-1.0 with rtspsrc."""

    player = players.GSTREAMER


class MpvTests(Login):
    """mpv."""

    player = players.MPV


class PyAVTests(Login):
    """The FFmpeg inside PyAV."""

    player = players.PYAV


class OpenCVTests(Login):
    """The FFmpeg inside OpenCV."""

    player = players.OPENCV


del Login  # It is no test by itself.
