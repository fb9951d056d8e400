"""Real playback: the FFmpeg inside PyAV plays over loopback what the real service serves."""

from pathlib import Path

import av
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import deferToThread

from mjpegd.test import films
from mjpegd.test.pictures import number_of, picture
from mjpegd.test.running import ServiceTestCase

FRAMES = 25
SIZE = (128, 96)

Picture = tuple[int, bytes]


def content(restart_interval: int = 0) -> list[bytes]:
    """Frames of a second that show their numbers."""
    return [
        picture(number, SIZE, quality=90, restart_marker_blocks=restart_interval)
        for number in range(FRAMES)
    ]


def decoded(source: str, options: dict[str, str] | None = None) -> list[Picture]:
    """Every frame that FFmpeg makes of a file or URL: its number and its pixels."""
    with av.open(source, options=options, timeout=15) as container:
        return [
            (number_of(frame.to_image()), pixels_of(frame)) for frame in container.decode(video=0)
        ]


def pixels_of(frame: av.VideoFrame) -> bytes:
    """The samples of all planes, without what pads their lines."""
    lines = []
    for plane in frame.planes:
        data = memoryview(plane)
        starts = range(0, plane.height * plane.line_size, plane.line_size)
        lines += [bytes(data[start : start + plane.width]) for start in starts]
    return b"".join(lines)


class PlaybackTests(ServiceTestCase):
    def play(self, frames: list[bytes], film: bytes) -> "Deferred[list[None]]":
        """Play a film over UDP and over TCP at once, and compare with its frames."""
        folder = self.folder({"film": film})
        frames_path = folder.parent / "frames.mjpeg"
        frames_path.write_bytes(b"".join(frames))
        service = self.started(f"--media={folder}")
        url = service.base_url + "film"
        return gatherResults(
            [
                deferToThread(self.compare, url, frames_path, transport)
                for transport in ("udp", "tcp")
            ],
            consumeErrors=True,
        )

    def compare(self, url: str, frames_path: Path, transport: str) -> None:
        shown = decoded(url, {"rtsp_transport": transport})
        local = decoded(str(frames_path))

        numbers = [number for number, _ in shown]
        self.assertEqual(numbers, list(range(FRAMES)), transport)
        self.assertTrue(shown == local, f"over {transport} the pixels are others")

    def test_playback_of_an_avi_shows_every_frame_with_the_pixels_of_the_file(
        self,
    ) -> "Deferred[list[None]]":
        frames = content()

        return self.play(frames, films.avi(frames))

    def test_playback_of_a_quicktime_film_with_restart_intervals(self) -> "Deferred[list[None]]":
        frames = content(restart_interval=4)

        return self.play(frames, films.quicktime(frames))

    def test_playback_of_a_laboratory_film(self) -> "Deferred[list[None]]":
        frames = content()

        return self.play(frames, films.laboratory(frames))
