"""The player without a window, as a process: every frame, honest figures, honest statuses."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from mjpegd.test import films
from mjpegd.test.pictures import number_of, picture
from tests.interop.clips import containers, jpegs
from tests.system import player
from tests.system.cases import FPS, SystemTestCase, film
from tests.system.daemon import POLL_S, Daemon
from tests.system.player import Outcome, watch
from tests.tools.impairment import Impaired, Plan, burst, every
from tests.tools.laboratory_server import LaboratoryServer

FRAMES = 50
AT_A_TIME = 4  # Players wait more than they work.
ENOUGH_BYTES = 20_000  # Of a recording: some frames.
KEYS = [
    *("url", "transport", "frames", "frames_lost", "seconds", "fps", "kbps", "first_frame_ms"),
    *("jitter_ms", "latency_ms", "delay_ms", "packets_received", "packets_lost"),
    *("packets_reordered", "packets_duplicate", "recording", "error"),
]
# Python without Tk, as far as an import can tell.
WITHOUT_TK = (
    sys.executable,
    "-c",
    """
import sys
sys.modules["tkinter"] = None
from client.__main__ import main
sys.exit(main())
""",
)


def numbers(path: Path) -> list[int]:
    """The numbers that the frames of a recording show."""
    return [number_of(frame) for frame in films.frames_of(path.read_bytes())]


def holds_something(path: Path) -> bool:
    """Whether some frames have been recorded."""
    return path.exists() and path.stat().st_size > ENOUGH_BYTES


def pixels(jpeg: bytes) -> bytes:
    """What Pillow makes of a JPEG."""
    return Image.open(BytesIO(jpeg)).convert("RGB").tobytes()


def behind(relay: Impaired) -> str:
    """Of the film behind a bad network."""
    return f"rtsp://127.0.0.1:{relay.port}/film.avi"


class PlayerTestCase(SystemTestCase):
    def serve(self, frames: int = FRAMES) -> Daemon:
        """A daemon with a film."""
        return self.running({"film.avi": film(frames)})

    def impaired(self, plan: Plan, frames: int = FRAMES) -> Impaired:
        """A bad network before a daemon with a film."""
        relay = Impaired(("127.0.0.1", self.serve(frames).port), plan)
        self.addCleanup(relay.close)
        return relay

    def begin(
        self, *arguments: str, program: Sequence[str] = player.PLAYER
    ) -> "subprocess.Popen[str]":
        """A player that plays while the test goes on, and no longer."""
        process = player.begin("--headless", *arguments, program=program)
        self.addCleanup(player.kill, process)
        return process

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait until something is so."""
        end_s = time.monotonic() + player.PATIENCE_S
        while not condition():
            self.assertLess(time.monotonic(), end_s, "it took too long")
            time.sleep(POLL_S)

    def assert_played(self, outcome: Outcome) -> None:
        """It did as it was told."""
        self.assertEqual(outcome.status, 0, outcome)
        self.assertNotIn("Traceback", outcome.words)

    def assert_failed(self, outcome: Outcome, sentence: str) -> None:
        """It did not, and said why in one line."""
        self.assertEqual(outcome.status, 1, outcome)
        self.assertEqual(outcome.words.splitlines()[-1:], [f"mjpegd-player: {sentence}"])
        self.assertNotIn("Traceback", outcome.words)


class FrameTests(PlayerTestCase):
    def test_every_frame_comes_in_order_over_udp_and_tcp_into_any_kind_of_recording(self) -> None:
        daemon, folder = self.serve(), self.folder()

        def record(transport: str, suffix: str) -> Path:
            path = folder / f"{transport}{suffix}"
            outcome = watch(f"--transport={transport}", f"--record={path}", daemon.url("film.avi"))
            self.assert_played(outcome)
            self.assertRegex(outcome.output, rf"^50 frames in [\d.]+ s over {transport.upper()}: ")
            return path

        cases = [(way, suffix) for way in ("udp", "tcp") for suffix in (".avi", ".mjpeg", ".Mjpeg")]
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            for path in pool.map(lambda case: record(*case), cases):
                self.assertEqual(numbers(path), [*range(FRAMES)], path)

    def test_the_pixels_are_those_of_the_file_whatever_the_jpegs_and_the_container(self) -> None:
        clips = (*jpegs(), *containers())
        daemon = self.running({name: data for clip in clips for name, data in clip.files.items()})
        folder = self.folder()

        def record(place: int) -> Path:
            path = folder / f"{place}.mjpeg"
            url = daemon.url(quote(clips[place].path))
            self.assert_played(watch("--transport=tcp", f"--record={path}", url))
            return path

        with ThreadPoolExecutor(AT_A_TIME) as pool:
            for clip, path in zip(clips, pool.map(record, range(len(clips))), strict=True):
                seen = [pixels(frame) for frame in films.frames_of(path.read_bytes())]
                self.assertTrue(seen == [pixels(frame) for frame in clip.frames], clip.path)

    def test_it_stops_after_so_many_frames(self) -> None:
        path = self.folder() / "film.mjpeg"

        outcome = watch("--frames=7", f"--record={path}", self.serve().url("film.avi"))

        self.assert_played(outcome)
        self.assertEqual(numbers(path), [*range(7)])

    def test_it_stops_after_so_many_seconds(self) -> None:
        outcome = watch("--seconds=1", "--stats=json", self.running().url("testcard"))

        self.assert_played(outcome)
        self.assertApproximates(outcome.stats["seconds"], 1.0, 0.9)
        self.assertGreater(outcome.stats["frames"], 5)

    def test_it_needs_no_tk(self) -> None:
        process = self.begin(self.serve().url("film.avi"), "--frames=3", program=WITHOUT_TK)

        self.assert_played(player.end(process))


class FigureTests(PlayerTestCase):
    def test_a_film_in_figures(self) -> None:
        url = self.serve().url("film.avi")

        stats = watch("--stats=json", url).stats

        self.assertEqual(list(stats), KEYS)
        expected = {
            "url": url,
            "transport": "UDP",
            "frames": FRAMES,
            "frames_lost": 0,
            "packets_received": FRAMES,  # One for each of these small frames.
            "packets_lost": 0,
            "packets_reordered": 0,
            "packets_duplicate": 0,
            "recording": None,
            "error": None,
        }
        self.assertEqual({key: stats[key] for key in expected}, expected)
        self.assertApproximates(stats["fps"], FPS, 10)
        self.assertApproximates(stats["seconds"], (FRAMES - 1) / FPS, 1.0)

    def test_lost_packets_and_the_frames_in_them_are_counted_exactly(self) -> None:
        path = self.folder() / "film.mjpeg"
        relay = self.impaired(Plan(drop=burst(10, 3)))

        stats = watch("--stats=json", f"--record={path}", behind(relay)).stats

        self.assertEqual((stats["packets_lost"], stats["frames_lost"], stats["frames"]), (3, 3, 47))
        self.assertEqual(numbers(path), [*range(10), *range(13, FRAMES)])

    def test_packets_out_of_order_are_counted_and_none_is_lost(self) -> None:
        path = self.folder() / "film.mjpeg"
        relay = self.impaired(Plan(delay=every(5, first=1)))

        stats = watch("--stats=json", f"--record={path}", behind(relay)).stats

        self.assertEqual((stats["packets_reordered"], stats["packets_lost"]), (10, 0))
        self.assertEqual(numbers(path), [*range(FRAMES)])

    def test_packets_that_come_twice_are_counted_and_shown_once(self) -> None:
        path = self.folder() / "film.mjpeg"
        relay = self.impaired(Plan(duplicate=every(10)))

        stats = watch("--stats=json", f"--record={path}", behind(relay)).stats

        self.assertEqual((stats["packets_duplicate"], stats["packets_lost"]), (5, -5))
        self.assertEqual(numbers(path), [*range(FRAMES)])

    def test_frames_of_many_packets_are_lost_whole(self) -> None:
        path = self.folder() / "film.mjpeg"
        frames = [picture(number, (640, 480)) for number in range(FRAMES)]
        daemon = self.running({"film.avi": films.avi(frames)})
        relay = Impaired(("127.0.0.1", daemon.port), Plan(drop=every(23, first=7)))
        self.addCleanup(relay.close)

        stats = watch("--stats=json", f"--record={path}", behind(relay)).stats

        came = numbers(path)
        self.assertEqual(stats["packets_lost"], relay.dropped)
        self.assertEqual(stats["frames_lost"], FRAMES - len(came))
        self.assertGreater(stats["frames_lost"], 0)
        self.assertEqual(came, sorted(set(came)))
        seen = [pixels(frame) for frame in films.frames_of(path.read_bytes())]
        self.assertTrue(seen == [pixels(frames[number]) for number in came], "other pixels")


class OutageTests(PlayerTestCase):
    def test_a_broken_connection_comes_back_and_the_film_goes_on_where_it_stood(self) -> None:
        path = self.folder() / "film.mjpeg"
        relay = self.impaired(Plan(), frames=100)
        process = self.begin(f"--record={path}", behind(relay))
        self.wait_for(lambda: relay.passed > 40)

        relay.break_connections()
        outcome = player.end(process)

        self.assert_played(outcome)
        self.assertEqual(sorted(set(numbers(path))), [*range(100)])
        self.assertEqual(numbers(path), sorted(numbers(path)))

    def test_blocked_udp_is_no_obstacle(self) -> None:
        outcome = watch("--frames=3", "--stats=json", behind(self.impaired(Plan(blocks_udp=True))))

        self.assert_played(outcome)
        self.assertEqual(outcome.stats["transport"], "TCP")

    def test_refused_udp_is_none_unless_udp_is_demanded(self) -> None:
        relay = self.impaired(Plan(refuses_udp=True))

        self.assert_played(watch("--frames=3", behind(relay)))
        outcome = watch("--frames=3", "--transport=udp", behind(relay))

        self.assert_failed(
            outcome,
            "127.0.0.1 does not send the stream in that way: try the other of UDP and TCP.",
        )


class StatusTests(PlayerTestCase):
    def test_a_stream_that_is_not_there_is_1(self) -> None:
        url = self.serve().url("nothing.avi")
        sentence = (
            f"127.0.0.1 has no stream {url}: is the name right, with capital and small letters?"
        )

        outcome = watch("--stats=json", url)

        self.assert_failed(outcome, sentence)
        self.assertEqual((outcome.stats["frames"], outcome.stats["error"]), (0, sentence))

    def test_fewer_frames_than_asked_for_are_1(self) -> None:
        outcome = watch("--frames=100", self.serve(5).url("film.avi"))

        self.assertEqual(outcome.status, 1)
        self.assertRegex(outcome.output, "^5 frames ")

    def test_what_is_no_address_is_1(self) -> None:
        self.assert_failed(
            watch("ftp://127.0.0.1/film.avi"),
            "This player knows no ftp:// addresses, only rtsp:// and rtsps://.",
        )

    def test_a_recording_that_cannot_be_written_is_1(self) -> None:
        outcome = watch("--record=film.mp4", self.serve().url("film.avi"))

        self.assert_failed(
            outcome,
            "film.mp4 does not tell how to record: let its name end in .avi, in .mjpeg (one JPEG"
            " behind the other) or in .Mjpeg (the laboratory's format).",
        )

    def test_a_wrong_command_line_is_2(self) -> None:
        outcome = watch()

        self.assertEqual(outcome.status, 2)
        self.assertRegex(outcome.words, "--headless plays one URL and ends: give the URL\n$")

    def test_ctrl_c_is_130_and_leaves_a_whole_recording_and_no_session(self) -> None:
        path = self.folder() / "film.avi"
        daemon = self.serve(frames=500)
        process = self.begin(f"--record={path}", "--stats=json", daemon.url("film.avi"))
        self.wait_for(partial(holds_something, path))

        process.send_signal(signal.SIGINT)
        outcome = player.end(process)

        self.assertEqual(outcome.status, 130, outcome)
        self.assertNotIn("Traceback", outcome.words)
        daemon.wait_for_line(" ended: TEARDOWN")
        self.assertEqual(numbers(path), [*range(outcome.stats["frames"])])
        self.assertEqual(outcome.stats["recording"], str(path))

    def test_a_recording_of_a_player_that_is_killed_is_whole_to_its_last_frame(self) -> None:
        for suffix in (".avi", ".mjpeg", ".Mjpeg"):
            path = self.folder() / f"film{suffix}"
            process = self.begin(f"--record={path}", self.serve(frames=500).url("film.avi"))
            self.wait_for(partial(holds_something, path))

            process.kill()
            player.end(process)

            came = numbers(path)
            self.assertEqual(came, [*range(len(came))])
            self.assertGreater(len(came), 5)

    def test_a_window_without_tk_says_in_one_line_what_to_install(self) -> None:
        process = player.begin(program=WITHOUT_TK)
        self.addCleanup(player.kill, process)

        outcome = player.end(process)

        self.assertEqual(outcome.status, 1)
        self.assertRegex(
            outcome.words,
            r"\Amjpegd-player: this Python has no Tk \(.*\): install it \(on Debian and Ubuntu:"
            r" apt install python3-tk\), or use --headless\n\Z",
        )


class LaboratoryTests(PlayerTestCase):
    def test_it_plays_from_the_daemon_in_the_laboratorys_dialect(self) -> None:
        daemon = self.running({"movie.Mjpeg": films.laboratory(films.pictures(FRAMES))})
        path = self.folder() / "movie.Mjpeg"

        outcome = watch("--lab", "--frames=20", f"--record={path}", daemon.url("movie.Mjpeg"))

        self.assert_played(outcome)
        self.assertEqual(numbers(path), [*range(20)])

    def test_it_plays_from_a_server_as_students_have_it(self) -> None:
        path = self.folder() / "movie.Mjpeg"
        with LaboratoryServer({"movie.Mjpeg": films.pictures(FRAMES)}) as server:
            url = f"rtsp://127.0.0.1:{server.port}/movie.Mjpeg"
            outcome = watch("--lab", "--frames=20", f"--record={path}", url)

        self.assert_played(outcome)
        self.assertEqual(numbers(path), [*range(20)])

    def test_three_of_them_on_one_machine_find_ports_of_their_own(self) -> None:
        daemon = self.running({"movie.Mjpeg": films.laboratory(films.pictures(FRAMES))})
        paths = [self.folder() / "movie.Mjpeg" for _ in range(3)]

        processes = [
            self.begin("--lab", "--frames=40", f"--record={path}", daemon.url("movie.Mjpeg"))
            for path in paths
        ]

        for path, process in zip(paths, processes, strict=True):
            self.assert_played(player.end(process))
            self.assertEqual(numbers(path), [*range(40)])
