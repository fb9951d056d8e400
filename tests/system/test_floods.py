"""Floods that leave viewers' frames on time: the daemon as a process, attackers as others.

What attackers do is told by `tests.tools.flood`. How late frames were is written to standard
output: the figures depend on the machine, and no test fails by them.
"""

import json
import re
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, cast

from mjpegd.capacity.descriptors import OTHER_FILES
from mjpegd.limits import Limits
from mjpegd.test.logins import users_file
from tests.system.cases import FPS, SystemTestCase, film, numbers
from tests.system.daemon import PATIENCE_S, Daemon
from tests.system.test_daemon import TRACEBACK
from tests.system.test_login import ANNA
from tests.tools.client import Client, Reception

CHECKOUT = Path(__file__).parents[2]
FRAMES = 150
NAME = "film.avi"
# A flood is under way before anybody plays.
BEFORE_S = 2.0
SUM = re.compile(r" ended: TEARDOWN; film.avi: (\d+) frames in \d+ packets, (\d+) frames skipped")
SILENT = 10_000


def lateness_ms(reception: Reception) -> list[float]:
    """How late each frame came, measured from the one that was earliest; in order of size."""
    due = [frame.arrived_s - number / FPS for number, frame in enumerate(reception.frames)]
    return sorted((moment_s - min(due)) * 1000 for moment_s in due)


def watch(viewer: Client) -> None:
    """Play to the end, and read everything at once."""
    viewer.play()
    viewer.wait(lambda: viewer.reception.has_ended, FRAMES / FPS + PATIENCE_S)


class Flood:
    """An attacker under way.

    Args:
        kind: What it does (see `tests.tools.flood`).
        port: To which port.
        size: Connections at a time.
    """

    def __init__(self, kind: str, port: int, size: int) -> None:
        self._process = subprocess.Popen(
            # The attacker has no claim to the processors that its victim needs.
            ["nice", sys.executable, "-m", "tests.tools.flood", kind, str(port), f"--size={size}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=CHECKOUT,
        )
        self.wait_for_line()

    def wait_for_line(self) -> None:
        """Wait until it has told of its progress once more."""
        cast(IO[bytes], self._process.stdout).readline()

    def stop(self) -> dict[str, Any]:  # Any: JSON
        """Let it end; what it did."""
        told, _ = self._process.communicate(b"", PATIENCE_S)
        return cast(dict[str, Any], json.loads(told.splitlines()[-1]))

    def kill(self) -> None:
        """End it in any case."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


class FloodTestCase(SystemTestCase):
    def flood(self, kind: str, port: int, size: int) -> Flood:
        flood = Flood(kind, port, size)
        self.addCleanup(flood.kill)
        return flood

    def assert_plays(self, daemon: Daemon, during: str, **options: Any) -> None:
        """Viewers over UDP and TCP get every frame, and the server was in time for each."""
        viewers = [
            self.viewer(daemon, NAME, over_tcp=over_tcp, timeout_s=PATIENCE_S, **options)
            for over_tcp in (False, True)
        ]
        # None may wait for an answer to another while its own frames come.
        with ThreadPoolExecutor(len(viewers)) as threads:
            list(threads.map(watch, viewers))
        for viewer, way in zip(viewers, ("UDP", "TCP"), strict=True):
            late = lateness_ms(viewer.reception)
            sys.stdout.write(
                f"\n{during}, {way}: {len(late)} frames, late by {late[len(late) // 2]:.1f} ms "
                f"(half of them), {late[len(late) * 99 // 100]:.1f} ms (99 of 100), "
                f"{late[-1]:.1f} ms (all)\n"
            )
            self.assertEqual(numbers(viewer.reception), list(range(FRAMES)))
            self.assert_steady(viewer.reception)
            viewer.teardown()
        until_s = time.monotonic() + PATIENCE_S
        while len(found := SUM.findall(daemon.log)) < len(viewers) and time.monotonic() < until_s:
            time.sleep(0.01)
        self.assertEqual(found[-2:], [(str(FRAMES), "0")] * 2)
        self.assertNotIn(TRACEBACK, daemon.log)


class FloodTests(FloodTestCase):
    def test_without_a_flood(self) -> None:
        self.assert_plays(self.running({NAME: film(FRAMES)}), "without a flood")

    def test_ten_thousand_silent_connections_that_are_all_let_in(self) -> None:
        daemon, size = self.with_room_for_the_silent()
        flood = self.flood("silent", daemon.port, size)
        flood.wait_for_line()

        self.assert_plays(daemon, f"{size} silent connections")

        self.assertGreaterEqual(self.stock(daemon)[0], size)
        self.assertEqual(flood.stop()["lost"], 0)

    def test_with_workers_ten_thousand_silent_connections_are_the_acceptors(self) -> None:
        daemon, size = self.with_room_for_the_silent("--workers=2")
        flood = self.flood("silent", daemon.port, size)
        flood.wait_for_line()

        self.assert_plays(daemon, f"{size} silent connections, with two workers")

        self.stock(daemon)
        self.assertRegex(daemon.log, rf"{size} connections that have said nothing yet")
        self.assertEqual(flood.stop()["lost"], 0)

    def with_room_for_the_silent(self, *options: str) -> tuple[Daemon, int]:
        """A daemon that lets so many connections in; as many as this system's limits allow."""
        _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
        size = SILENT
        if files != resource.RLIM_INFINITY:
            size = min(SILENT, files - 2 * OTHER_FILES)
        daemon = self.running(
            {NAME: film(FRAMES)},
            f"--max-connections={size + 10}",
            f"--max-connections-per-address={size}",
            *options,
        )
        return daemon, size

    def test_silent_connections_beyond_the_limit_give_way(self) -> None:
        daemon = self.running({NAME: film(FRAMES)})
        flood = self.flood("silent", daemon.port, SILENT)
        daemon.wait_for_line("connections closed to make room for new ones")

        self.assert_plays(daemon, "silent connections that come again and again")

        # Those that give way are there until all that they were told is written.
        self.assertLess(self.stock(daemon)[0], Limits().connections + 100)
        self.assertGreater(flood.stop()["lost"], 100)

    def test_slow_writers(self) -> None:
        daemon = self.running({NAME: film(FRAMES)})
        flood = self.flood("slow", daemon.port, 2000)
        flood.wait_for_line()

        self.assert_plays(daemon, "2000 slow writers")

        self.assertGreaterEqual(flood.stop()["most_open"], 2000)

    def test_requests_for_sessions(self) -> None:
        # Else those of sixteen addresses take all the sessions that there are.
        daemon = self.running({NAME: film(FRAMES)}, "--max-sessions-per-address=100")
        flood = self.flood("setup", daemon.port, 200)
        daemon.wait_for_line("sessions refused: its address has too many")

        self.assert_plays(daemon, "SETUP after SETUP")

        self.assertLessEqual(self.stock(daemon)[1], 1600)
        statuses = flood.stop()["statuses"]
        self.assertEqual(sorted(statuses), ["200", "453"])
        self.assertLessEqual(len(daemon.log.splitlines()), 2 * statuses["200"] + 1000)

    def test_wrong_logins(self) -> None:
        users = self.folder() / "users.toml"
        users.touch(mode=0o600)
        users.write_text(users_file(), encoding="utf-8")
        daemon = self.running({NAME: film(FRAMES)}, f"--users={users}")
        flood = self.flood("login", daemon.port, 800)
        daemon.wait_for_line(r"login from 127\.0\.0\.\d+ failed")

        self.assert_plays(daemon, "wrong logins", login=ANNA)

        self.assertEqual(list(flood.stop()["statuses"]), ["401"])
        self.assertLess(len(daemon.log.splitlines()), 500)

    def test_random_datagrams(self) -> None:
        daemon = self.running({NAME: film(FRAMES)})
        flood = self.flood("datagrams", daemon.rtp_port, 1)
        time.sleep(BEFORE_S)

        self.assert_plays(daemon, "random datagrams")

        self.assertGreater(flood.stop()["datagrams"], 10_000)
