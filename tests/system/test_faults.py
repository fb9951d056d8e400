"""What the daemon does when the machine, the disk, the network or the viewer fails."""

import contextlib
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from typing_extensions import override

from mjpegd.access.users import Users
from mjpegd.test import films
from mjpegd.test.logins import EVERYTHING, password_of, users_file
from mjpegd.test.pictures import picture
from tests.system.cable import Cable, missing
from tests.system.cases import SystemTestCase, film, numbers
from tests.system.daemon import PATIENCE_S, POLL_S, Daemon
from tests.system.test_daemon import TRACEBACK
from tests.system.test_login import PASSWD
from tests.tools.client import Client

# The daemon in a world whose time of day is ahead of the real one by what a file says.
WITH_A_CLOCK_THAT_JUMPS = """
import pathlib, runpy, sys, time
real, ahead = time.time, pathlib.Path(sys.argv[1])
time.time = lambda: real() + (float(ahead.read_text()) if ahead.exists() else 0.0)
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
FULL = "/dev/full"
LOOKS = 3


class FaultCase(SystemTestCase):
    """A test in which something fails."""

    def playing(self, daemon: Daemon, name: str, *, over_tcp: bool = False) -> Client:
        """A viewer to whom frames have come."""
        viewer = self.viewer(daemon, name, over_tcp=over_tcp)
        viewer.play()
        self.assertTrue(viewer.wait_for_frames(3))
        return viewer

    def assert_goes_on(self, viewer: Client) -> None:
        """Frames come, and none was lost on the way."""
        self.assertTrue(viewer.wait_for_frames(5))
        self.assert_steady(viewer.reception)


class DescriptorsTests(FaultCase):
    """The process may open no more files, for a while."""

    @override
    def setUp(self) -> None:
        shots = {f"shots/{number:03}.jpg": picture(number) for number in range(200)}
        self.server = self.running(shots | {"film.avi": film(500)})

    def descriptors(self) -> set[int]:
        """Those that the daemon has at this moment."""
        return {int(path.name) for path in Path(f"/proc/{self.server.pid}/fd").iterdir()}

    @contextlib.contextmanager
    def shortage(self) -> Iterator[None]:
        """All descriptors that the daemon may have are taken within."""
        soft, hard = resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE)
        taken = self.descriptors()
        for _ in range(LOOKS):  # A picture that is open at the first look is not at all of them.
            time.sleep(POLL_S)
            taken &= self.descriptors()
        first_free = next(number for number in count() if number not in taken)
        resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE, (first_free, hard))
        yield
        resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE, (soft, hard))

    def assert_missed_nothing(self, viewer: Client) -> None:
        self.assert_goes_on(viewer)
        seen = numbers(viewer.reception)
        self.assertEqual(seen, list(range(len(seen))))

    def test_who_comes_is_turned_away_and_who_watches_a_film_misses_nothing(self) -> None:
        viewer = self.playing(self.server, "film.avi")
        with self.shortage():
            for _ in range(20):
                with socket.create_connection(("127.0.0.1", self.server.port)) as newcomer:
                    newcomer.settimeout(PATIENCE_S)
                    self.assertEqual(newcomer.recv(1), b"")
            self.assert_missed_nothing(viewer)

        self.assert_missed_nothing(self.playing(self.server, "film.avi"))
        self.assert_missed_nothing(viewer)
        self.assertEqual(self.server.stop(), 0)

    def test_pictures_of_a_folder_come_later_and_none_is_left_out(self) -> None:
        viewer = self.playing(self.server, "shots")
        with self.shortage():
            self.server.wait_for_line("a picture cannot be read: Too many open files; it stands s")
            viewer.receive_for(0.5)

        self.assert_missed_nothing(viewer)
        self.server.wait_for_line("stood still for")

    def test_who_wants_another_film_is_told_to_come_later_and_can(self) -> None:
        viewer = self.playing(self.server, "shots")
        with self.shortage():
            status = viewer.ask("DESCRIBE", self.server.url("film.avi")).status

        self.assertEqual(status, 503)
        self.playing(self.server, "film.avi")
        self.assertNotIn(TRACEBACK, self.server.log)


class FullDiskTests(FaultCase):
    def full(self) -> Path:
        """A disk with no room but for the users file that is on it."""
        self.require([] if os.geteuid() == 0 else ["root"])
        disk = self.folder()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=True)
        self.addCleanup(lambda: subprocess.run(["umount", disk], check=True))
        (disk / "users.toml").write_text(users_file(), encoding="utf-8")
        with (disk / "filling").open("wb", buffering=0) as filling, contextlib.suppress(OSError):
            while filling.write(bytes(512)):
                pass
        return disk

    def free_port(self) -> int:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            return int(sock.getsockname()[1])

    def wait_for_port(self, port: int) -> None:
        until_s = time.monotonic() + PATIENCE_S
        while True:
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", port)):
                    return
            self.assertLess(time.monotonic(), until_s)
            time.sleep(POLL_S)

    def test_a_log_that_cannot_be_written_harms_no_viewer(self) -> None:
        port = self.free_port()
        daemon = self.daemon({"film.avi": film(50)}, port=f"--port={port}")
        daemon.launch(FULL)
        daemon.port = port
        self.wait_for_port(port)
        viewer = self.viewer(daemon, "film.avi")
        viewer.play()

        self.assert_ends(viewer)
        self.assertEqual(numbers(viewer.reception), list(range(50)))
        self.assertEqual(daemon.stop(), 0)

    def test_a_password_that_cannot_be_written_leaves_the_file_as_it_was(self) -> None:
        disk = self.full()
        before = sorted(disk.iterdir())

        ended = subprocess.run(
            [PASSWD, disk / "users.toml", "bert"],
            input="secret\n",
            text=True,
            capture_output=True,
            check=False,
        )

        self.assertEqual(ended.returncode, 1)
        self.assertIn("No space left on device", ended.stderr)
        self.assertNotIn(TRACEBACK, ended.stderr)
        self.assertEqual(sorted(disk.iterdir()), before)
        self.assertEqual(list(Users.read(disk / "users.toml").by_name), ["anna"])


class VanishingTests(FaultCase):
    def test_a_media_folder_that_goes_and_comes_back(self) -> None:
        daemon = self.running({"film.avi": film(500), "shots/1.jpg": picture(1)})
        viewer = self.playing(daemon, "film.avi")
        data = (daemon.media / "film.avi").read_bytes()

        shutil.rmtree(daemon.media)
        self.assert_ends(viewer)
        gone = viewer.ask("DESCRIBE", daemon.url("film.avi")).status
        daemon.media.mkdir()
        (daemon.media / "film.avi").write_bytes(data)

        self.assertEqual(gone, 404)
        self.playing(daemon, "film.avi")
        self.assertNotIn(TRACEBACK, daemon.log)

    def test_a_folder_of_pictures_that_is_replaced_ends_with_bye(self) -> None:
        shots = {f"shots/{number:03}.jpg": picture(number) for number in range(100)}
        daemon = self.running(shots)
        viewer = self.playing(daemon, "shots")

        (daemon.media / "shots").rename(daemon.media / "old")

        self.assert_ends(viewer)
        daemon.wait_for_line(r"stream shots: .*the folder was removed")
        self.assertNotIn(TRACEBACK, daemon.log)


class ClockTests(FaultCase):
    def test_a_time_of_day_that_jumps_disturbs_nobody(self) -> None:
        ahead = self.folder() / "ahead"
        launcher = (sys.executable, "-c", WITH_A_CLOCK_THAT_JUMPS, str(ahead))
        daemon = self.daemon({"film.avi": film(500)}, launcher=launcher)
        daemon.start()
        viewers = [
            self.playing(daemon, "film.avi", over_tcp=over_tcp) for over_tcp in (False, True)
        ]

        for seconds in (86_400, -86_400):
            ahead.write_text(str(seconds))
            for viewer in viewers:
                self.assert_goes_on(viewer)

        for viewer in viewers:
            seen = numbers(viewer.reception)
            self.assertEqual(seen, list(range(len(seen))))
        self.assertNotRegex(daemon.log, "ended|skipped|stood still")
        self.assertEqual(daemon.stop(), 0)


class ReadingTests(FaultCase):
    def test_of_a_viewer_that_stops_reading_every_frame_is_accounted_for(self) -> None:
        frames = [picture(number, (2040, 2040), quality=95) for number in range(2)] * 100
        daemon = self.running({"big.mjpeg": films.laboratory(frames), "film.avi": film(500)})
        other = self.playing(daemon, "film.avi")
        viewer = self.viewer(daemon, "big.mjpeg?fps=50", over_tcp=True)
        viewer.play()

        daemon.wait_for_line(r"stream big\.mjpeg")
        other.receive_for(3.0)
        self.assertTrue(viewer.wait(lambda: viewer.reception.has_ended, PATIENCE_S))
        viewer.teardown()

        said = daemon.wait_for_line(r"big\.mjpeg: (\d+) frames in .* (\d+) frames skipped, (\d+) d")
        sent, skipped, dropped = map(int, said.groups())
        self.assertEqual(sent + skipped, len(frames))
        self.assertGreater(dropped, 0)
        self.assertEqual(viewer.reception.frame_count, sent - dropped)
        self.assertEqual(viewer.reception.torn, 0)
        self.assert_goes_on(other)


class SignalTests(FaultCase):
    def test_sighup_again_and_again_lets_every_frame_through(self) -> None:
        users = self.folder() / "users.toml"
        users.write_text(users_file({"anna": EVERYTHING}), encoding="utf-8")
        daemon = self.running({"film.avi": film(100)}, f"--users={users}")
        login = ("anna", password_of("anna"))
        viewer = self.viewer(daemon, "film.avi", login=login)
        viewer.play()

        while not viewer.reception.has_ended:
            daemon.signal(signal.SIGHUP)
            viewer.receive_for(0.05)

        self.assertEqual(numbers(viewer.reception), list(range(100)))
        self.assertNotIn(TRACEBACK, daemon.log)

    def test_sigterm_among_requests_ends_with_status_0(self) -> None:
        daemon = self.running({"film.avi": film(500)})
        viewers = [self.playing(daemon, "film.avi", over_tcp=bool(n % 2)) for n in range(4)]
        for viewer in viewers:
            viewer.send(b"DESCRIBE " + daemon.url("film.avi").encode() + b" RTSP/1.0\r\n\r\n" * 50)
            viewer.send(b"SETUP rtsp://127.0.0.1/film.avi RT")

        daemon.signal(signal.SIGTERM)
        daemon.signal(signal.SIGHUP)

        self.assertEqual(daemon.wait_for_end(), 0)
        for viewer in viewers:
            self.assert_ends(viewer)
        self.assertNotIn(TRACEBACK, daemon.log)


class LeakTests(FaultCase):
    def test_after_viewers_of_all_kinds_all_is_as_before(self) -> None:
        daemon = self.running({"film.avi": film(500)})
        first = self.playing(daemon, "film.avi")
        first.teardown()
        first.close()
        before = self.files_when_idle(daemon)

        for over_tcp in (False, True):
            viewers = [self.playing(daemon, "film.avi", over_tcp=over_tcp) for _ in range(8)]
            for viewer in viewers[:4]:
                viewer.teardown()
            for viewer in viewers:
                viewer.close()

        daemon.wait_for_line(r"(?s)(?:ended: .*){17}")
        self.assertLessEqual(self.files_when_idle(daemon), before)


class CableTests(FaultCase):
    """The viewer is another machine, whose cable is pulled."""

    @override
    def setUp(self) -> None:
        self.require(missing("tc"))
        self.cable = Cable()
        self.addCleanup(self.cable.close)
        self.server = self.impatient({"film.avi": film(1000)})
        self.server.start()
        self.neighbour = self.playing(self.server, "film.avi", over_tcp=True)

    def far_viewer(self, *, over_tcp: bool) -> Client:
        with self.cable.far_side():
            viewer = self.viewer(
                self.server, "film.avi", host=self.cable.near_host, over_tcp=over_tcp
            )
            viewer.play()
        self.assertTrue(viewer.wait_for_frames(3))
        return viewer

    def test_who_vanishes_over_udp_is_forgotten_after_the_timeout(self) -> None:
        self.far_viewer(over_tcp=False)

        self.cable.pull()

        self.server.wait_for_line(rf"of {re.escape(self.cable.far_host)} ended: ")
        self.assert_goes_on(self.neighbour)
        self.assertNotIn(TRACEBACK, self.server.log)

    def test_who_vanishes_over_tcp_holds_up_nobody(self) -> None:
        self.far_viewer(over_tcp=True)

        self.cable.pull()
        self.neighbour.receive_for(3.0)

        self.assert_goes_on(self.neighbour)
        self.assertEqual(self.server.stop(), 0)
        self.assertNotIn(TRACEBACK, self.server.log)

    def test_over_tcp_a_cable_that_is_plugged_in_again_tears_nothing(self) -> None:
        viewer = self.far_viewer(over_tcp=True)

        self.cable.pull()
        self.neighbour.receive_for(1.0)
        self.cable.plug()

        self.assert_goes_on(viewer)

    def test_a_network_that_is_too_narrow_costs_whole_frames_and_no_neighbour(self) -> None:
        viewer = self.far_viewer(over_tcp=True)

        self.cable.narrow(64)
        viewer.receive_for(2.0)
        self.neighbour.receive_for(0.1)
        self.cable.widen()

        self.assert_goes_on(viewer)
        self.assert_goes_on(self.neighbour)


del FaultCase  # It is no test by itself.
