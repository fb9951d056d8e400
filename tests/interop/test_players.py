"""Other people's players show every frame, in order, whole, with the pixels of the file."""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

from PIL import Image

from mjpegd.test import films
from mjpegd.test.pictures import number_of, picture
from tests.interop import players
from tests.interop.cases import AT_A_TIME, PlayerTestCase
from tests.interop.clips import SIZE, Clip, containers, jpegs
from tests.interop.players import Show, play
from tests.system.cases import FPS
from tests.system.daemon import Daemon

LONG_FRAMES = 250
START = 225


def numbers(pictures: list[Image.Image]) -> list[int]:
    """The numbers that the pictures show."""
    return [number_of(shown) for shown in pictures]


def long_film() -> Clip:
    """A film of ten seconds."""
    frames = [picture(number, SIZE) for number in range(LONG_FRAMES)]
    return Clip({"long.avi": films.avi(frames)}, "long.avi", frames)


class EveryFrame(PlayerTestCase):
    """What each player has to show; the classes below say which player it is."""

    def test_containers_over_udp(self) -> None:
        self.assert_shows(containers(), "udp")

    def test_containers_over_tcp(self) -> None:
        self.assert_shows(containers(), "tcp")

    def test_jpegs_over_udp(self) -> None:
        self.assert_shows(jpegs(), "udp")

    def test_jpegs_over_tcp(self) -> None:
        self.assert_shows(jpegs(), "tcp")

    def test_a_long_film_over_udp_and_tcp_at_once(self) -> None:
        clip = long_film()
        daemon = self.running(clip.files)
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            for show in pool.map(lambda way: self.stream(daemon, clip, way), ("udp", "tcp")):
                self.assertEqual(numbers(show.pictures), [*range(LONG_FRAMES)], show.words)

    def assert_shows(self, clips: tuple[Clip, ...], transport: str) -> None:
        """The streams of all these clips show what their frames show without a network."""
        daemon = self.running({path: data for clip in clips for path, data in clip.files.items()})
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            streams = pool.map(lambda clip: self.stream(daemon, clip, transport), clips)
            for clip, local, stream in zip(
                clips, pool.map(self.local, clips), streams, strict=True
            ):
                told = f"{clip.path}: {stream.words}"
                self.assertEqual(numbers(local.pictures), [*range(len(clip.frames))], local.words)
                self.assertEqual(numbers(stream.pictures), numbers(local.pictures), told)
                self.assertTrue(stream.pictures == local.pictures, f"other pixels in {told}")

    def stream(
        self, daemon: Daemon, clip: Clip, transport: str, start_s: float | None = None
    ) -> Show:
        """What the player shows of a clip that is served."""
        command = self.player.stream(daemon.url(quote(clip.path)), transport, start_s)
        return play(command, self.shows / transport / clip.path, clip.size)

    def local(self, clip: Clip) -> Show:
        """What the player shows of the clip's frames, without us."""
        path = self.shows / f"{clip.path}.local"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(clip.frames))
        return play(self.player.file(str(path)), self.shows / "local" / clip.path, clip.size)


class Seeking(EveryFrame):
    """The same for players that can start later."""

    def test_start_later_over_udp(self) -> None:
        self.assert_starts_later("udp")

    def test_start_later_over_tcp(self) -> None:
        self.assert_starts_later("tcp")

    def assert_starts_later(self, transport: str) -> None:
        """The first picture shown is the one of the time asked for."""
        clip = long_film()

        show = self.stream(self.running(clip.files), clip, transport, START / FPS)

        self.assertEqual(numbers(show.pictures), [*range(START, LONG_FRAMES)], show.words)


class FFmpegTests(Seeking):
    """The ffmpeg program."""

    player = players.FFMPEG


class GStreamerTests(EveryFrame):
    """gst-launch-1.0 with rtspsrc."""

    player = players.GSTREAMER


class MpvTests(Seeking):
    """mpv."""

    player = players.MPV


class PyAVTests(Seeking):
    """The FFmpeg inside PyAV."""

    player = players.PYAV


class OpenCVTests(EveryFrame):
    """The FFmpeg inside OpenCV."""

    player = players.OPENCV


del EveryFrame, Seeking  # They are no tests by themselves.
