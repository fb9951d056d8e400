"""What it costs to watch: `python -m benchmarks.player`, with a screen or Xvfb.

The player's window plays films of a daemon on this machine. For each film: pictures shown a
second, processor time as a share of one core, memory at the end, and the time from the arrival
of a frame's first packet to the screen.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image

SECONDS = 10
WARM_UP_S = 3
PICTURES = 24
# Name, width and height, frames a second, quality: about 31 and 120 kB a frame.
FILMS = (
    ("640x480.avi", (640, 480), 24, 70),
    ("1920x1080.avi", (1920, 1080), 30, 60),
)
# The film, and the window that it is watched in; none is as it opens, with room for 640 x 480.
WATCHED = (
    ("640x480.avi", ""),
    ("1920x1080.avi", ""),
    ("1920x1080.avi", "1280x850"),
    ("1920x1080.avi", "1920x1200"),
)
SCREEN = "1920x1200x24"


def film(size: tuple[int, int], fps: int, quality: int) -> bytes:
    """A film of moving detail, of a second, which is played in a loop."""
    # Only here: in the process that watches, it would count as memory of the player.
    from mjpegd.test import films

    frames = []
    for number in range(PICTURES):
        shift = number / 400
        extents = (
            (-2.0 + shift, -1.3, 0.6, 1.3),
            (-1.6, -0.5 + shift, -0.9, 0.1),
            (-0.9 - shift, -0.3, 0.3, 0.6),
        )
        file = BytesIO()
        shades = [Image.effect_mandelbrot(size, extent, 60) for extent in extents]
        Image.merge("RGB", shades).save(file, "JPEG", quality=quality)
        frames.append(file.getvalue())
    return films.avi(frames, rate=(fps, 1))


def watch(url: str, seconds: float, size: str, folder: str) -> None:
    """Open the window on a stream, and print what it costs as JSON."""
    import tkinter

    from client.app import App
    from client.history import History
    from client.making import the_reactor
    from client.options import parse

    reactor = the_reactor()
    root = tkinter.Tk()
    history = History(Path(folder, "history"))
    app = App(reactor, root, parse(["--latency", "40", url]), history)
    root.geometry(size)
    began: dict[str, float] = {}

    def begin() -> None:
        began.update(cpu_s=_cpu_s(), shown=app.figures().frames_shown, at_s=time.monotonic())

    def end() -> None:
        figures = app.figures()
        elapsed_s = time.monotonic() - began["at_s"]
        facts = {
            "fps": (figures.frames_shown - began["shown"]) / elapsed_s,
            "cpu_percent": 100 * (_cpu_s() - began["cpu_s"]) / elapsed_s,
            "memory_mb": _memory_mb(),
            "latency_ms": figures.latency_ms,
            "skipped": figures.frames_skipped,
        }
        sys.stdout.write(json.dumps(facts) + "\n")
        app.quit()

    app.closed.addCallback(lambda _: reactor.stop())
    reactor.callLater(WARM_UP_S, begin)
    reactor.callLater(WARM_UP_S + seconds, end)
    reactor.run()


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _memory_mb() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024 / 1e6


@contextmanager
def screen() -> Iterator[str]:
    """The screen that is there, or one of Xvfb's."""
    if display := os.environ.get("DISPLAY"):
        yield display
        return
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", SCREEN, "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        os.close(write)
        with os.fdopen(read) as numbers:
            yield f":{numbers.readline().strip()}"
        server.terminate()


@contextmanager
def daemon(media: Path) -> Iterator[int]:
    """A daemon that serves a folder in a loop; its port."""
    twistd = str(Path(sys.executable).with_name("twistd"))
    options = ["--port=0", "--interface=127.0.0.1", f"--media={media}", "--loop"]
    command = [twistd, "-n", "--pidfile=", "mjpeg-rtsp", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        for line in server.stdout or ():
            if "rtsp://" in line:
                yield int(line.split("rtsp://")[1].split(":")[1].split("/")[0])
                break
        server.terminate()


def main() -> None:
    """Make films, watch them, print a table."""
    parser = argparse.ArgumentParser("python -m benchmarks.player", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="to watch each film")
    parser.add_argument("--watch", nargs=2, metavar=("URL", "SIZE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.watch:
        with tempfile.TemporaryDirectory() as folder:
            watch(given.watch[0], given.seconds, given.watch[1], folder)
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, size, fps, quality in FILMS:
            Path(folder, name).write_bytes(film(size, fps, quality))
        with screen() as display, daemon(Path(folder)) as port:
            titles = ("film", "window", "fps", "skipped", "% of a core", "MB", "latency ms")
            sys.stdout.write("{:16}{:12}{:>8}{:>8}{:>14}{:>8}{:>12}\n".format(*titles))
            for name, window in WATCHED:
                url = f"rtsp://127.0.0.1:{port}/{name}"
                _print(name, window, _run(url, window, given.seconds, display))


def _run(url: str, size: str, seconds: float, display: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.player", "--watch", url, size]
    done = subprocess.run(
        [*command, "--seconds", str(seconds)],
        env={**os.environ, "DISPLAY": display},
        stdout=subprocess.PIPE,
        check=True,
    )
    facts: dict[str, float] = json.loads(done.stdout)
    return facts


def _print(name: str, size: str, facts: dict[str, float]) -> None:
    row = [facts[key] for key in ("fps", "skipped", "cpu_percent", "memory_mb", "latency_ms")]
    figures = "{:8.1f}{:8.0f}{:14.1f}{:8.0f}{:12.1f}".format(*row)
    sys.stdout.write(f"{name:16}{size or 'as it opens':12}{figures}\n")


if __name__ == "__main__":
    main()
