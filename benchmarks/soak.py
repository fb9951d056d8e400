"""Whether anything piles up in a daemon: `python -m benchmarks.soak`, on Linux.

`--sessions N` sets up so many sessions one after another, plays each until its first packets
have come, and leaves in every way that there is: TEARDOWN, the connection closed, the connection
reset as if the viewer's machine had gone, and silence until the session times out; over UDP and
over TCP. In between the daemon is left alone until nobody is there any more.

`--minutes N --viewers M` streams to so many viewers for so long, half of them over UDP and half
over TCP.

Memory, descriptors, timers, connections, sessions and films are printed as a table. The exit
status is 1 if any of them grows (see `benchmarks.levels`), or if viewers stay behind.
"""

import argparse
import os
import re
import resource
import select
import signal
import socket
import struct
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from itertools import product
from pathlib import Path
from threading import Lock

from benchmarks.levels import TITLES, Sample, growths
from benchmarks.player import film
from benchmarks.printing import machine, say, say_heading, say_row
from benchmarks.receiver import VIEWERS, Audience, Viewer
from benchmarks.serving import FILMS, Server, base_url, daemon

_STOCK = re.compile(
    r"now: (\d+) connections, (\d+) sessions, (\d+) films open, (\d+) timers, \S+ MB"
)
# The shortest that the daemon takes, and when it lets go of those who say nothing.
TIMEOUT_S = 20
SILENT_S = TIMEOUT_S * 1.2 + 2
# Until nobody is there: the last who is silent, and his film 10 s later.
QUIET_S = SILENT_S + 60
FIRST_PACKET_S = 30.0
# Who comes at the same time; the daemon is not to wait for one client.
CLIENTS = 4
REPORT_S = 10.0
WARM_UP_S = 10.0
# A small picture now and then: sessions matter here, and frames in the other run.
SMALL_FILM = ((160, 120), 5, 70)
RESET = struct.pack("ii", 1, 0)


class Leaving(Enum):
    """How a viewer goes."""

    TEARDOWN = auto()
    CLOSED = auto()
    VANISHED = auto()
    TIMED_OUT = auto()


WAYS = tuple(product(VIEWERS, Leaving))


class Crowd:
    """Viewers who come, watch a moment, and go.

    Args:
        url: What they watch.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._silent: deque[tuple[float, Viewer]] = deque()
        self._lock = Lock()

    def play(self, numbers: Sequence[int]) -> None:
        """Play a session for each number, which tells how it goes."""
        with ThreadPoolExecutor(CLIENTS) as pool:
            for _ in pool.map(self._play, numbers):
                pass

    def release(self, seconds: float) -> None:
        """Close the connections of those who have been silent for so long."""
        until_s = time.monotonic() - seconds
        with self._lock:
            while self._silent and self._silent[0][0] <= until_s:
                self._silent.popleft()[1].close()

    def _play(self, number: int) -> None:
        transport, leaving = WAYS[number % len(WAYS)]
        viewer = VIEWERS[transport](self._url)
        viewer.play()
        arrival = select.poll()  # which takes descriptors of any number
        arrival.register(viewer.media, select.POLLIN)
        if not arrival.poll(1000 * FIRST_PACKET_S):
            raise SystemExit(f"nothing came over {transport.upper()}")
        viewer.receive()
        self._leave(viewer, leaving)
        self.release(SILENT_S)

    def _leave(self, viewer: Viewer, leaving: Leaving) -> None:
        if leaving is Leaving.TIMED_OUT:
            with self._lock:
                self._silent.append((time.monotonic(), viewer))
            return
        if leaving is Leaving.TEARDOWN:
            viewer.conversation.tear_down()
        elif leaving is Leaving.VANISHED:
            connection = viewer.conversation.connection
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        viewer.close()


@dataclass(frozen=True, slots=True)
class Observed:
    """A daemon, and what is asked of it.

    Attributes:
        server: It.
        url: The film that it serves.
        processes: Those of it that have viewers.
        began_s: When it was begun.
    """

    server: Server
    url: str
    processes: int
    began_s: float

    def sample(self, played: int) -> Sample:
        """What it has now."""
        lines = self.server.ask(signal.SIGUSR2, _STOCK, self.processes)
        connections, sessions, films, timers = (
            sum(int(line[group]) for line in lines) for group in range(1, 5)
        )
        return Sample(
            minutes=(time.monotonic() - self.began_s) / 60,
            played=played,
            memory_mb=self.server.memory_mb(),
            files=self.server.files(),
            timers=timers,
            connections=connections,
            sessions=sessions,
            films=films,
        )


def sessions(observed: Observed, count: int, rounds: int) -> Iterator[Sample]:
    """Play so many sessions; a sample after each round of them, when all have gone."""
    crowd = Crowd(observed.url)
    for number in range(rounds):
        first, last = (count * edge // rounds for edge in (number, number + 1))
        crowd.play(range(first, last))
        time.sleep(SILENT_S)
        crowd.release(0)
        yield _quiet(observed, last)


def _quiet(observed: Observed, played: int) -> Sample:
    """A sample when nobody is there any more."""
    until_s = time.monotonic() + QUIET_S
    while True:
        sample = observed.sample(played)
        if not (sample.connections or sample.sessions or sample.films):
            return sample
        if time.monotonic() > until_s:
            raise SystemExit(f"not all have gone: {sample}")
        time.sleep(1)


class Streaming:
    """Viewers who stay, and what they see.

    Args:
        observed: What they watch.
        count: How many they are.
        fps: Frames a second of the film.
    """

    def __init__(self, observed: Observed, count: int, fps: int) -> None:
        self._observed = observed
        self._viewers = [
            VIEWERS[list(VIEWERS)[number % len(VIEWERS)]](observed.url) for number in range(count)
        ]
        self._audience = Audience(self._viewers)
        self._fps = fps
        self._whole = 0.0
        self._lag_ms = 0.0
        self._counted_s = 0.0

    def samples(self, minutes: float, count: int) -> Iterator[Sample]:
        """Watch for so long; so many samples of it."""
        self._audience.watch(WARM_UP_S)
        self._audience.begin()
        began_s = time.monotonic()
        for number in range(count):
            until_s = began_s + minutes * 60 * (number + 1) / count
            while (left_s := until_s - time.monotonic()) > 0:
                self._watch(min(left_s, REPORT_S))
            yield self._observed.sample(len(self._viewers))
        self._count()
        self._counted_s = time.monotonic() - began_s

    def summary(self) -> str:
        """What came of what should have; the edges of the time cut a frame more or less."""
        due = self._counted_s * self._fps * len(self._viewers)
        percent = min(100.0, 100 * self._whole / due)
        return (
            f"{self._whole:.0f} frames came whole, {percent:.2f} % of those due; "
            f"at the worst time, 99 of 100 were {self._lag_ms:.0f} ms late at most"
        )

    def _watch(self, seconds: float) -> None:
        self._audience.watch(seconds)
        self._count()
        for viewer in self._viewers:
            viewer.report()

    def _count(self) -> None:
        facts = self._audience.facts()
        self._audience.begin()
        self._whole += facts["whole"]
        self._lag_ms = max(self._lag_ms, facts["lag_ms"])


@contextmanager
def observed(kind: tuple[tuple[int, int], int, int], workers: int) -> Iterator[Observed]:
    """A daemon with a film of this size, rate and quality."""
    with tempfile.TemporaryDirectory() as folder:
        media = Path(folder, "media")
        media.mkdir()
        data = film(*kind)
        (media / "film.avi").write_bytes(data)
        options = [f"--session-timeout={TIMEOUT_S}", f"--idle-limit={TIMEOUT_S}"]
        options += [f"--workers={workers}"] if workers > 1 else []
        cores = sorted(os.sched_getaffinity(0))
        for line in machine():
            say(line)
        say(f"film: {kind[0][0]}x{kind[0][1]}, {kind[1]} frames/s; options: {' '.join(options)}")
        with daemon(media, options, cores, cores[-1]) as server:
            url = f"{base_url(server.ready())}film.avi"
            yield Observed(server, url, workers, time.monotonic())


def main() -> None:
    """Print a table as Markdown; status 1 if anything grew."""
    given = _arguments()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    size, (fps, quality) = (640, 480), FILMS["640x480"]
    samples = []
    streaming = None
    with observed(SMALL_FILM if given.sessions else (size, fps, quality), given.workers) as seen:
        if given.sessions:
            run = sessions(seen, given.sessions, given.samples)
        else:
            streaming = Streaming(seen, given.viewers, fps)
            run = streaming.samples(given.minutes, given.samples)
        say("")
        say_heading(TITLES)
        for sample in run:
            say_row(TITLES, sample.cells())
            samples.append(sample)
    if streaming is not None:
        say(f"\n{streaming.summary()}")
    faults = list(growths(samples))
    for fault in faults or ["nothing grew"]:
        say(f"\n{fault}")
    sys.exit(bool(faults))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.soak", description=__doc__)
    add = parser.add_argument
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--sessions", type=int, help="how many to set up, play and leave")
    what.add_argument("--minutes", type=float, help="how long to stream")
    add("--viewers", type=int, default=40, help="of the stream")
    add("--samples", type=int, default=12, help="rows of the table")
    add("--workers", type=int, default=1, help="processes of the server")
    return parser.parse_args()


if __name__ == "__main__":
    main()
