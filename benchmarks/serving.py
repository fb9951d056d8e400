"""What it costs to serve: `python -m benchmarks.serving`, on Linux, with two cores at least.

A daemon on one core sends a film to more and more viewers on another (see `benchmarks.receiver`),
each on a timeline of its own. For each number of viewers, over UDP and over TCP: frames that came
whole of those that were due, the server's processor time for each frame and viewer, the kernel's
part of it, memory, and how late frames were. `--plot` draws the processor time as SVG.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from benchmarks.player import PICTURES, film
from benchmarks.printing import machine, say, say_heading, say_row

# Frames a second, and the quality that gives about 30 and 90 kB a frame.
FILMS = {"640x480": (24, 70), "1280x720": (30, 77)}
TRANSPORTS = ("udp", "tcp")
START_S = 60.0
ANSWER_S = 30.0
# A worker that has not begun yet says nothing.
ASK_AGAIN_S = 5.0
# A receiver that needs more of its core may be what is slow.
BUSY_PERCENT = 80
TITLES = (
    "transport",
    "viewers",
    "frames %",
    "µs a frame",
    "kernel %",
    "server %",
    "MB",
    "lag ms",
    "receiver %",
    "others %",
)
# What small receive buffers bridge; beyond, the receiver itself loses frames and is late.
PAUSE_MS = 100
# More of two cores than a quiet system uses.
DISTURBED_PERCENT = 10
TOO_SLOW = "the receiver was too slow to tell"


@dataclass(frozen=True, slots=True)
class Use:
    """What processes have used until now.

    Attributes:
        cpu_s: Processor time.
        user_ticks: The part outside the kernel, in ticks of the system.
        kernel_ticks: The part inside.
        cores_s: Processor time of everybody, on these cores and the receiver's.
        at_s: When that was.
    """

    cpu_s: float
    user_ticks: int
    kernel_ticks: int
    cores_s: float
    at_s: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What was measured with so many viewers.

    Attributes:
        transport: "udp" or "tcp".
        viewers: How many.
        delivered_percent: Whole frames of those due.
        frame_us: The server's processor time for each frame that came whole.
        kernel_percent: The kernel's part of it.
        server_percent: The server's processor time as a share of one core.
        memory_mb: The server's memory, all its processes, what they share counted once.
        lag_ms: How late 99 of 100 frames were at most.
        receiver_percent: The receiver's processor time as a share of its core.
        pause_ms: The longest time in which the receiver collected nothing.
        others_percent: What others used of these cores and the receiver's, as a share of one.
    """

    transport: str
    viewers: int
    delivered_percent: float
    frame_us: float
    kernel_percent: float
    server_percent: float
    memory_mb: float
    lag_ms: float
    receiver_percent: float
    pause_ms: float
    others_percent: float

    @property
    def is_told(self) -> bool:
        """The figures are the server's and not the receiver's."""
        return self.receiver_percent <= BUSY_PERCENT and self.pause_ms <= PAUSE_MS

    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        first = (self.transport.upper(), str(self.viewers))
        if not self.is_told:
            blanks = [""] * (len(TITLES) - 5)
            shares = (f"{self.receiver_percent:.0f}", f"{self.others_percent:.0f}")
            return (*first, TOO_SLOW, *blanks, *shares)
        return (
            *first,
            f"{self.delivered_percent:.1f}",
            f"{self.frame_us:.0f}",
            f"{self.kernel_percent:.0f}",
            f"{self.server_percent:.0f}",
            f"{self.memory_mb:.0f}",
            f"{self.lag_ms:.0f}",
            f"{self.receiver_percent:.0f}",
            f"{self.others_percent:.0f}",
        )


class Server:
    """A daemon under way, with all its processes.

    Args:
        pid: The process that was started.
        log: What it writes.
        cores: Those whose use by others matters.
    """

    def __init__(self, pid: int, log: Path, cores: Sequence[int]) -> None:
        self._pid = pid
        self._log = log
        self._cores = cores

    def ready(self) -> str:
        """Its line in the log that says that it serves, once it is there."""
        until_s = time.monotonic() + START_S
        while time.monotonic() < until_s:
            for line in self._log.read_text(encoding="utf-8").splitlines():
                if "rtsp://" in line:
                    return line
            time.sleep(0.05)
        raise SystemExit(f"the server does not start: {self._log.read_text(encoding='utf-8')}")

    def use(self) -> Use:
        """What it has used."""
        pids = self._pids()
        ticks = [_stat(pid)[11:13] for pid in pids]
        return Use(
            # The clock of a process, as clock_getcpuclockid(3) makes it: finer than ticks.
            cpu_s=sum(time.clock_gettime(~pid << 3 | 2) for pid in pids),
            user_ticks=sum(int(user) for user, _ in ticks),
            kernel_ticks=sum(int(kernel) for _, kernel in ticks),
            cores_s=sum(map(_core_s, self._cores)),
            at_s=time.monotonic(),
        )

    def memory_mb(self) -> float:
        """Its memory; what its processes share is divided among them."""
        total_kb = 0
        for pid in self._pids():
            text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
            line = next(line for line in text.splitlines() if line.startswith("Pss:"))
            total_kb += int(line.split()[1])
        return total_kb / 1000

    def files(self) -> int:
        """How many descriptors its processes have open."""
        return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in self._pids())

    def ask(
        self, number: signal.Signals, answer: re.Pattern[str], lines: int
    ) -> list[re.Match[str]]:
        """Send it a signal, and wait for so many lines in its log that answer."""
        until_s = time.monotonic() + ANSWER_S
        while time.monotonic() < until_s:
            said = self._log.stat().st_size
            os.kill(self._pid, number)
            again_s = time.monotonic() + ASK_AGAIN_S
            while time.monotonic() < again_s:
                found = list(answer.finditer(self._said_since(said)))
                if len(found) >= lines:
                    return found
                time.sleep(0.05)
        raise SystemExit(f"the server does not answer {number.name}")

    def _said_since(self, position: int) -> str:
        with self._log.open(encoding="utf-8") as file:
            file.seek(position)
            return file.read()

    def _pids(self) -> list[int]:
        """The process that was started, and those that it started."""
        parents = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                parents[int(folder.name)] = int(_stat(int(folder.name))[1])
            except FileNotFoundError:  # it has just ended
                continue
        found = [self._pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found


def _stat(pid: int) -> list[str]:
    """The fields of proc(5) behind the name, which may hold blanks: the first is the state."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    return text.rpartition(")")[2].split()


def _core_s(core: int) -> float:
    """Seconds in which a core was not idle."""
    text = Path("/proc/stat").read_text(encoding="ascii")
    line = next(line for line in text.splitlines() if line.startswith(f"cpu{core} "))
    user, nice, system, _, _, irq, softirq = map(int, line.split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Setting:
    """How it is measured.

    Attributes:
        size: Pixels of the film, as "640x480".
        seconds: How long each number of viewers watches.
        options: What the daemon is told besides.
        server_cores: Where the daemon runs.
        receiver_core: Where the viewers run.
    """

    size: str
    seconds: float
    options: tuple[str, ...]
    server_cores: tuple[int, ...]
    receiver_core: int

    @property
    def fps(self) -> int:
        """Frames a second of the film."""
        return FILMS[self.size][0]


@contextmanager
def daemon(
    media: Path, more_options: Sequence[str], cores: Collection[int], receiver_core: int
) -> Iterator[Server]:
    """A daemon that serves a folder in a loop, on cores of its own."""
    twistd = str(Path(sys.executable).with_name("twistd"))
    options = ["--port=0", "--interface=127.0.0.1", f"--media={media}", "--loop", *more_options]
    log = media.parent / "log"
    with (
        log.open("wb") as file,
        subprocess.Popen(
            [twistd, "-n", "--pidfile=", "mjpeg-rtsp", *options],
            stdout=file,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            os.sched_setaffinity(process.pid, cores)
            yield Server(process.pid, log, [*cores, receiver_core])
        finally:
            process.terminate()


def base_url(line: str) -> str:
    """What stands before the name of a film, by the line that says that the daemon serves."""
    port = line.split("rtsp://")[1].split(":")[1].split("/")[0]
    return f"rtsp://127.0.0.1:{port}/"


def measure(media: Path, setting: Setting, transport: str, viewers: int) -> tuple[Cost, str]:
    """Serve so many viewers with a fresh daemon; what it costs, and how the daemon sends."""
    # Viewers say nothing while they are measured.
    options = ["--session-timeout=3600", *setting.options]
    with daemon(media, options, setting.server_cores, setting.receiver_core) as server:
        line = server.ready()
        command = [sys.executable, "-m", "benchmarks.receiver"]
        command += [f"{base_url(line)}film.avi", f"--transport={transport}"]
        command += [f"--viewers={viewers}", f"--seconds={setting.seconds}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as receiver:
            os.sched_setaffinity(receiver.pid, {setting.receiver_core})
            output = receiver.stdout
            if output is None or output.readline() != "begin\n":
                raise SystemExit(f"{viewers} viewers could not be set up, see above")
            before = server.use()
            output.readline()
            after = server.use()
            memory_mb = server.memory_mb()
            facts = json.loads(output.readline())
    sends = "frame by frame (GSO)" if "GSO" in line else "packet by packet"
    return _cost(setting, transport, viewers, before, after, memory_mb, facts), sends


def _cost(
    setting: Setting,
    transport: str,
    viewers: int,
    before: Use,
    after: Use,
    memory_mb: float,
    facts: dict[str, float],
) -> Cost:
    elapsed_s = after.at_s - before.at_s
    cpu_s = after.cpu_s - before.cpu_s
    kernel = after.kernel_ticks - before.kernel_ticks
    user = after.user_ticks - before.user_ticks
    others_s = after.cores_s - before.cores_s - cpu_s - facts["cpu_s"]
    due = facts["elapsed_s"] * setting.fps * viewers
    return Cost(
        transport=transport,
        viewers=viewers,
        # The edges of the time cut a frame more or less.
        delivered_percent=min(100.0, 100 * facts["whole"] / due),
        frame_us=1e6 * cpu_s / max(1.0, facts["whole"]),
        kernel_percent=100 * kernel / max(1, kernel + user),
        server_percent=100 * cpu_s / elapsed_s,
        memory_mb=memory_mb,
        lag_ms=facts["lag_ms"],
        receiver_percent=100 * facts["cpu_s"] / facts["elapsed_s"],
        pause_ms=facts["pause_ms"],
        others_percent=100 * max(0.0, others_s) / elapsed_s,
    )


def environment(setting: Setting, film_bytes: int) -> Iterator[str]:
    """What the figures depend on, line by line."""
    kilobytes = film_bytes / PICTURES / 1000
    cores = ", ".join(map(str, setting.server_cores))
    yield from machine()
    yield f"film: {setting.size}, {setting.fps} frames/s, {kilobytes:.1f} kB a frame"
    yield f"server on core {cores}, receiver on core {setting.receiver_core}, over loopback"
    if setting.options:
        yield f"options: {' '.join(setting.options)}"


# --- The plot -------------------------------------------------------------------------------

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 60, 70, 40, 50
COLOURS = {"udp": "#1f6fb4", "tcp": "#c2571a"}
# So many levels are drawn; the distance between two is a multiple of this.
STEPS = 5
LEVEL_US = 10


def plot(costs: Sequence[Cost]) -> str:
    """Processor time for a frame over the number of viewers, as SVG."""
    most = max((cost.viewers for cost in costs), default=1)
    whole_us = STEPS * LEVEL_US
    top_us = whole_us * ceil(max((cost.frame_us for cost in costs), default=1) / whole_us)

    def x(viewers: float) -> float:
        return LEFT + viewers / most * (WIDTH - LEFT - RIGHT)

    def y(frame_us: float) -> float:
        return HEIGHT - BOTTOM - frame_us / top_us * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(LEFT, 22, "Processor time for each frame and viewer, µs", "start"),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, "viewers"),
    ]
    for step in range(STEPS + 1):
        level = top_us * step / STEPS
        parts += [
            f'<path d="M{LEFT} {y(level):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>',
            _text(LEFT - 8, y(level) + 4, f"{level:g}", "end"),
        ]
    parts += [_text(x(viewers), HEIGHT - 30, str(viewers)) for viewers in _numbers(costs)]
    for transport, colour in COLOURS.items():
        points = [(x(c.viewers), y(c.frame_us)) for c in costs if c.transport == transport]
        if points:
            line = " ".join(f"{across:.1f},{down:.1f}" for across, down in points)
            parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}"/>')
            parts += [
                f'<circle cx="{across:.1f}" cy="{down:.1f}" r="3" fill="{colour}"/>'
                for across, down in points
            ]
            across, down = points[-1]
            parts.append(_text(across + 8, down + 4, transport.upper(), "start", colour))
    return "\n".join([*parts, "</svg>", ""])


def _numbers(costs: Sequence[Cost]) -> list[int]:
    return sorted({cost.viewers for cost in costs})


def _text(
    across: float, down: float, text: str, anchor: str = "middle", colour: str = "#333"
) -> str:
    place = f'x="{across:.1f}" y="{down:.1f}" text-anchor="{anchor}" fill="{colour}"'
    return f"<text {place}>{text}</text>"


# --- The command ----------------------------------------------------------------------------


def main() -> None:
    """Make a film, serve it, print a table as Markdown."""
    given = _arguments()
    setting = _setting(given)
    with tempfile.TemporaryDirectory() as folder:
        media = Path(folder, "media")
        media.mkdir()
        width, _, height = given.size.partition("x")
        data = film((int(width), int(height)), *FILMS[given.size])
        (media / "film.avi").write_bytes(data)
        for line in environment(setting, len(data)):
            say(line)
        say("")
        say_heading(TITLES)
        costs = []
        sends = ""
        for transport in given.transport:
            for viewers in given.viewers:
                cost, sends = measure(media, setting, transport, viewers)
                say_row(TITLES, cost.cells())
                costs.append(cost)
        if "udp" in given.transport:
            say(f"\nUDP left {sends}.")
        if any(cost.others_percent > DISTURBED_PERCENT for cost in costs):
            say(
                "\nOthers used these cores: in rows with more than "
                f"{DISTURBED_PERCENT} in the last column frames and lag are not the server's alone."
            )
    if given.plot:
        given.plot.write_text(plot([cost for cost in costs if cost.is_told]), encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.serving", description=__doc__)
    add = parser.add_argument
    add("--viewers", type=_counts, default=(10, 50, 100, 200, 400), help="such as 50,100")
    add("--transport", type=_transports, default=TRANSPORTS, help="udp, tcp, or udp,tcp")
    add("--seconds", type=float, default=5, help="to watch with each number of viewers")
    add("--size", choices=FILMS, default="640x480", help="pixels of the film")
    add("--workers", type=int, default=1, help="processes of the server")
    add("--no-gso", action="store_true", help="let the server send every packet by itself")
    add("--plot", type=Path, metavar="FILE.svg", help="where to draw the processor time")
    return parser.parse_args()


def _counts(text: str) -> tuple[int, ...]:
    return tuple(sorted(int(count) for count in text.split(",")))


def _transports(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if not set(names) <= set(TRANSPORTS):
        raise ValueError
    return names


def _setting(given: argparse.Namespace) -> Setting:
    if sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("Linux and two cores are needed: one for the server, one for the viewers")
    *cores, last = sorted(os.sched_getaffinity(0))
    options = [f"--workers={given.workers}"] if given.workers > 1 else []
    options += ["--no-gso"] if given.no_gso else []
    return Setting(
        size=given.size,
        seconds=given.seconds,
        options=tuple(options),
        server_cores=tuple(cores[: given.workers]),
        receiver_core=last,
    )


if __name__ == "__main__":
    main()
