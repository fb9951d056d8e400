"""Video that is no JPEG: players show all of it in the order of showing, from any moment on."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

from typing_extensions import override

from mjpegd.test.pictures import number_of
from tests.interop import players
from tests.interop.cases import AT_A_TIME, PlayerTestCase
from tests.interop.players import Show, play
from tests.system.daemon import Daemon

FRAMES = 30
START = 17  # neither a key frame nor one that the decoder is given in the order of showing


class OtherVideo(PlayerTestCase):
    """What each player has to show; the classes below say which player it is."""

    transports: ClassVar[Sequence[str]]

    @override
    def setUp(self) -> None:
        super().setUp()
        self.require(players.PYAV.missing)

    def test_films_with_b_frames_in_the_order_of_showing(self) -> None:
        daemon, names = self.serving()

        for name, show in zip(names, self.shows_of(daemon, names), strict=True):
            seen = [number_of(picture) for picture in show.pictures]
            self.assertEqual(seen, [*range(FRAMES)], f"{name}: {show.words}{daemon.log}")

    def serving(self) -> tuple[Daemon, list[str]]:
        """A daemon that has films of several codecs and containers, and their names."""
        from mjpegd.test.videos import video  # which needs PyAV

        films = {
            "h264.mp4": video(FRAMES),
            "mpeg4.avi": video(FRAMES, "avi", "mpeg4"),
            "h264.mkv": video(FRAMES, "matroska"),
            "h264.ts": video(FRAMES, "mpegts"),
        }
        # Each takes a process of its own, and there may be one core only.
        return self.running(films, f"--decoders={len(films)}"), [*films]

    def shows_of(
        self, daemon: Daemon, names: list[str], start_s: float | None = None
    ) -> list[Show]:
        """What the player shows of each film."""
        size = (64, 48)

        def show(name: str, transport: str) -> Show:
            command = self.player.stream(daemon.url(name), transport, start_s)
            return play(command, self.shows / name, size)

        with ThreadPoolExecutor(AT_A_TIME) as pool:
            return list(pool.map(show, names, self.transports))


class FFmpegTests(OtherVideo):
    """The ffmpeg program."""

    player = players.FFMPEG
    transports = ("udp", "tcp", "udp", "tcp")

    def test_seek_lands_on_the_very_frame(self) -> None:
        daemon, names = self.serving()

        for name, show in zip(names, self.shows_of(daemon, names, START / 25), strict=True):
            seen = [number_of(picture) for picture in show.pictures]
            self.assertEqual(seen, [*range(START, FRAMES)], f"{name}: {show.words}")


class GStreamerTests(OtherVideo):
    """gst-launch-1.0 with rtspsrc."""

    player = players.GSTREAMER
    transports = ("tcp", "udp", "tcp", "udp")


del OtherVideo  # It is no test by itself.
