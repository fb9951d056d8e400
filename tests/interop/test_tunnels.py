"""Other people's players look through HTTP: straight, with workers, encrypted, past HAProxy."""

import os
import re
import shutil
import socket
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from mjpegd.test.keys import pair
from mjpegd.test.logins import password_of, users_file
from mjpegd.test.pictures import number_of
from tests.interop import players
from tests.interop.cases import PlayerTestCase
from tests.interop.clips import FRAMES, SIZE, Clip, containers
from tests.interop.players import play
from tests.system.daemon import PATIENCE_S, POLL_S, Daemon

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
# Debian keeps it where users do not look.
HAPROXY = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
_SECURE_BASE = re.compile(r"rtsps://[^/]*:(\d+)/")


def clip() -> Clip:
    """A film of half a second."""
    return next(clip for clip in containers() if clip.path == "film.mov")


def gstreamer(url: str, transport: str, start_s: float | None) -> list[str]:
    """GStreamer is told by the scheme; it names the tunnel's way itself."""
    scheme = {"http": "rtsph://", "https": "rtspsh://"}[transport]
    command = players.GSTREAMER.stream(url.replace("rtsp://", scheme), "tcp", start_s)
    place = command.index("protocols=tcp")
    command[place : place + 1] = ["tls-validation-flags=0"] if transport == "https" else []
    return command


class Tunnels(PlayerTestCase):
    """What each player has to do; the classes below say which player it is."""

    def assert_shows(
        self, daemon: Daemon, name: str, *, port: int = 0, login: str = "", transport: str = "http"
    ) -> None:
        url = f"rtsp://{login}127.0.0.1:{port or daemon.port}/{clip().path}"
        show = play(self.player.stream(url, transport, None), self.shows / name, SIZE)

        numbers = [number_of(shown) for shown in show.pictures]
        self.assertEqual(numbers, [*range(FRAMES)], f"{show.words}{daemon.log}")
        self.assertIn("opens a tunnel over HTTP", daemon.log)

    def test_it_shows_every_frame(self) -> None:
        self.assert_shows(self.running(clip().files), "plain")

    def test_with_workers(self) -> None:
        daemon = self.running(clip().files, "--workers=3")
        for number in range(3):
            self.assert_shows(daemon, str(number))

    def test_it_logs_in(self) -> None:
        users = Path(self.mktemp()).absolute()
        users.touch(mode=0o600)
        users.write_text(users_file(), encoding="utf-8")
        daemon = self.running(clip().files, f"--users={users}")

        self.assert_shows(daemon, "login", login=f"anna:{quote(password_of('anna'))}@")

        self.assertIn("(anna) describes", daemon.log)
        self.assertNotIn("failed", daemon.log)

    def test_past_haproxy_as_the_document_has_it(self) -> None:
        self.require([] if HAPROXY else ["haproxy"])
        daemon = self.running(clip().files, "--workers=2")

        self.assert_shows(daemon, "haproxy", port=self.proxy(daemon))

        self.assertNotIn("Traceback", daemon.log)

    def proxy(self, daemon: Daemon) -> int:
        """HAProxy in front of the daemon; its port."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        section = OPERATIONS.read_text(encoding="utf-8").partition("## Through proxies")[2]
        text = section.partition("```text\n")[2].partition("```")[0]
        text = text.replace("bind :80", f"bind 127.0.0.1:{port}")
        text = text.replace("10.0.0.11:8554", f"127.0.0.1:{daemon.port}")
        path = self.folder() / "haproxy.cfg"
        path.write_text(text, encoding="utf-8")
        process = subprocess.Popen(
            [str(HAPROXY), "-db", "-f", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        until_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except ConnectionRefusedError:
                self.assertLess(time.monotonic(), until_s)
                time.sleep(POLL_S)
            else:
                return port


class EncryptedTunnels(Tunnels):
    """The same for those that know HTTPS, and take any certificate there.

    FFmpeg 9, which is inside PyAV from 19 on, takes none but those that the system trusts.
    """

    def test_encrypted_by_us(self) -> None:
        certificate, key = pair().write(self.folder())
        options = f"--certificate={certificate}", f"--private-key={key}", "--tls-port=0"
        daemon = self.running(clip().files, *options, "--workers=2")
        port = int(daemon.wait_for_line(_SECURE_BASE)[1])

        self.assert_shows(daemon, "tls", port=port, transport="https")


class FFmpegTests(EncryptedTunnels):
    """The ffmpeg program."""

    player = players.FFMPEG


class GStreamerTests(EncryptedTunnels):
    """gst-launch-1.0 with rtspsrc."""

    player = replace(players.GSTREAMER, stream=gstreamer)


class MpvTests(Tunnels):
    """mpv."""

    player = players.MPV


class PyAVTests(Tunnels):
    """The FFmpeg inside PyAV."""

    player = players.PYAV


class OpenCVTests(Tunnels):
    """The FFmpeg inside OpenCV."""

    player = players.OPENCV


del EncryptedTunnels, Tunnels  # They are no tests by themselves.
