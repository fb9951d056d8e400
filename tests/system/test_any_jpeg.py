"""JPEGs that have to be made fit: who gets which form, what it costs, and what is refused."""

import os
import re
from pathlib import Path

from mjpegd.test import films
from mjpegd.test.pictures import COM, DQT, SOF0, picture, segment
from mjpegd.wire.jpeg_image import JpegImage
from tests.system.cases import SystemTestCase, numbers
from tests.system.daemon import Daemon
from tests.tools.client import Client, RefusedError

FRAMES = 20
VIEWERS = 10
SIZE = (64, 48)
BIG = (2064, 64)
SOF2 = 0xC2
# Between what the daemon needs for itself and what one of the absurd pictures would take.
MUCH_MEMORY_BYTES = 256 << 20


def own_tables(number: int) -> bytes:
    """A picture that has to be coded anew."""
    return picture(number, SIZE, optimize=True)


def peak_bytes(daemon: Daemon) -> int:
    """The most memory that it ever held (resident)."""
    status = Path(f"/proc/{daemon.pid}/status").read_text(encoding="ascii")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


def claiming(jpeg: bytes, width: int, height: int) -> bytes:
    """A picture that says that it has other sides."""
    code = next(code for code in (SOF0, SOF2) if b"\xff%c\0\x11\x08" % code in jpeg)
    place = jpeg.index(b"\xff%c\0\x11\x08" % code) + 5
    sides = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return jpeg[:place] + sides + jpeg[place + len(sides) :]


class FormTests(SystemTestCase):
    def seen(
        self, path: str, frames: list[bytes], *, agent: str = "mjpegd tests"
    ) -> list[JpegImage]:
        """What a viewer gets of a film; it has to show the numbers of all frames."""
        daemon = self.running({"film.avi": films.avi(frames)})
        viewer = Client("127.0.0.1", daemon.port, timeout_s=20.0, agent=agent)
        self.addCleanup(viewer.close)
        viewer.open(daemon.url(path))
        viewer.play()
        self.assert_ends(viewer)
        self.assertEqual(numbers(viewer.reception), [*range(len(frames))])
        self.assert_steady(viewer.reception)
        return [JpegImage.parse(frame.jpeg) for frame in viewer.reception.frames]

    def test_restart_markers_are_kept_for_most(self) -> None:
        frames = [picture(number, SIZE, restart_marker_blocks=3) for number in range(5)]

        for image in self.seen("film.avi", frames):
            self.assertEqual(image.header.restart_interval, 3)

    def test_restart_markers_go_where_that_is_asked_for_or_known_to_be_needed(self) -> None:
        frames = [picture(number, SIZE, restart_marker_blocks=3) for number in range(5)]

        for path, agent in (("film.avi?restart=strip", "x"), ("film.avi", "gortsplib")):
            for image in self.seen(path, frames, agent=agent):
                self.assertEqual(image.header.restart_interval, 0)

    def test_large_pictures_are_made_smaller(self) -> None:
        frames = [picture(number, BIG) for number in range(5)]

        for image in self.seen("film.avi", frames):
            self.assertEqual((image.width, image.height), (2040, 64))

    def test_large_pictures_as_onvif_has_them(self) -> None:
        frames = [picture(number, BIG) for number in range(5)]

        for image in self.seen("film.avi?big=onvif", frames):
            self.assertEqual((image.width, image.height), BIG)

    def test_a_form_that_nobody_knows_is_refused(self) -> None:
        daemon = self.running({"film.avi": films.avi([picture(1)])})

        with self.assertRaises(RefusedError) as refused:
            self.viewer(daemon, "film.avi?big=huge")

        self.assertEqual(refused.exception.response.status, 400)


class CostTests(SystemTestCase):
    def test_each_frame_is_made_fit_once_for_all_viewers(self) -> None:
        film = films.avi([own_tables(number) for number in range(FRAMES)])
        daemon = self.running({"film.avi": film})
        viewers = [
            self.viewer(daemon, "film.avi", over_tcp=bool(number % 2)) for number in range(VIEWERS)
        ]
        for viewer in viewers:
            viewer.play()
        for viewer in viewers:
            self.assert_ends(viewer)
            self.assertEqual(numbers(viewer.reception), [*range(FRAMES)])

        self.assertEqual(daemon.stop(), 0)

        made = re.findall(r"stream film\.avi: (\d+) frames were made fit", daemon.log)
        self.assertEqual(made, [str(FRAMES)])

    def test_the_log_says_once_what_is_done_and_why(self) -> None:
        film = films.avi([own_tables(number) for number in range(FRAMES)])
        daemon = self.running({"film.avi": film})
        viewer = self.viewer(daemon, "film.avi")
        viewer.play()
        self.assert_ends(viewer)

        said = re.findall(r"film\.avi: .*its own Huffman tables\); .* of a core", daemon.log)
        self.assertEqual(len(said), 1, daemon.log)
        self.assertRegex(daemon.log, r"describes film\.avi as mjpegd tests: .*Huffman tables")


class BrokenFramesTests(SystemTestCase):
    def broken(self) -> dict[str, bytes]:
        """Frames that nobody can show, by what is wrong."""
        good = own_tables(99)
        late = picture(99, SIZE, progressive=True)
        return {
            "half": good[: len(good) * 3 // 4],
            "half of its header": good[:100],
            "a segment longer than the file": good[:2] + b"\xff%c\xff\xff" % COM + good[2:],
            "a table of no size": good[:2] + segment(DQT, b"\0") + good[2:],
            "no frame header": good[:2] + good[good.index(b"\xff\xda") :],
            "absurd": claiming(good, 65_535, 65_535),
            "absurd in passes": claiming(late, 65_535, 65_535),
            "large in passes": claiming(late, 8_000, 8_000),
            "large": claiming(good, 8_000, 8_000),
            "absurd and plain": claiming(picture(99, SIZE), 65_535, 65_535),
        }

    def test_the_others_play_and_the_broken_ones_are_counted_and_named(self) -> None:
        broken = self.broken()
        frames: list[bytes] = []
        for number, frame in enumerate(broken.values()):
            frames += (own_tables(2 * number), own_tables(2 * number + 1), frame)
        for query in ("", "?big=native", "?big=nested"):
            daemon = self.running({"film.avi": films.avi(frames)})
            viewer = self.viewer(daemon, "film.avi" + query)
            viewer.play()
            self.assert_ends(viewer)

            self.assertEqual(numbers(viewer.reception), [*range(2 * len(broken))], daemon.log)
            self.assertLess(peak_bytes(daemon), MUCH_MEMORY_BYTES)
            self.assertEqual(daemon.stop(), 0)
            for reason in ("end too early", "malformed segment", "65535x65535 pixels are more"):
                self.assertRegex(daemon.log, rf"film\.avi: frame \d+ cannot be carried: .*{reason}")
            self.assertIn(f"{len(broken)} times a frame could not be carried", daemon.log)
            self.assertNotIn("Traceback", daemon.log)


class OtherVideoTests(SystemTestCase):
    def test_without_pyav_it_is_refused_and_the_log_says_what_to_install(self) -> None:
        hiding = self.folder()
        (hiding / "sitecustomize.py").write_text("import sys; sys.modules['av'] = None")
        # What the daemon has to recognise lies in the first bytes.
        film = {"film.mp4": films.box(b"ftyp", b"isom") + _h264_header()}
        path = os.pathsep.join((str(hiding), os.environ.get("PYTHONPATH", "")))
        daemon = self.daemon(film, environ={"PYTHONPATH": path})
        daemon.start()

        with self.assertRaises(RefusedError) as refused:
            self.viewer(daemon, "film.mp4")

        self.assertEqual(refused.exception.response.status, 415)
        self.assertIn("pip install 'mjpegd[containers]'", daemon.log)
        self.assertNotIn("Traceback", daemon.log)


def _h264_header() -> bytes:
    """The header of an MP4 whose video is H.264."""
    return films.box(b"moov", films.trak(films.sample_description(b"avc1")))
