"""The daemon as a process: `twistd -n mjpeg-rtsp` on free ports, in a folder of its own.

daemon = Daemon(folder, films={"film.avi": data})
daemon.start()
... daemon.url("film.avi") ...
assert daemon.stop() == 0
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

# A machine that does other things as well may take this long for anything.
PATIENCE_S = 20.0
POLL_S = 0.01
_SERVES = re.compile(r" serves .*? at (.*); RTP from UDP ports (\d+)-")
_PLAIN, _ENCRYPTED = (
    re.compile(rf"{scheme}://(?:\[[^\]]*\]|[^/:]*):(\d+)/") for scheme in ("rtsp", "rtsps")
)


class Daemon:
    """A daemon that is not started yet.

    Args:
        folder: An empty folder for its media and its log.
        films: Files below the media folder, by name.
        options: More options of mjpeg-rtsp.
        program: What twistd runs.
        environ: More environment variables.
        launcher: A command that becomes the daemon, whose command line follows it.
        pass_fds: Descriptors that the process inherits.
    """

    def __init__(
        self,
        folder: Path,
        films: Mapping[str, bytes] | None = None,
        options: Sequence[str] = ("--port=0",),
        *,
        program: Sequence[str] = ("mjpeg-rtsp",),
        environ: Mapping[str, str] | None = None,
        launcher: Sequence[str] = (),
        pass_fds: Sequence[int] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.absolute()
        self.media = self.folder / "videos"  # the default of --media
        for name, data in (films or {}).items():
            path = self.media / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        self._arguments = [*program, *options]
        self._environ = {**os.environ, **(environ or {})}
        self._launcher = list(launcher)
        self._pass_fds = tuple(pass_fds)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.tls_port = 0
        self.rtp_port = 0

    @property
    def log(self) -> str:
        """All that it said so far."""
        return (self.folder / "output").read_text(encoding="utf-8")

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._running().pid

    def url(self, name: str, host: str = "127.0.0.1") -> str:
        """The URL of a stream."""
        return f"rtsp://{host}:{self.port}/{name}"

    def secure_url(self, name: str, host: str = "127.0.0.1") -> str:
        """The same by TLS."""
        return f"rtsps://{host}:{self.tls_port}/{name}"

    def launch(self, output_path: str = "output") -> None:
        """Begin the process, and do not wait; its log goes to this file."""
        twistd = str(Path(sys.executable).with_name("twistd"))
        command = [*self._launcher, twistd, "--nodaemon", "--pidfile=", *self._arguments]
        with (self.folder / output_path).open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=self._pass_fds,
            )

    def start(self) -> None:
        """Begin the process and wait until it serves.

        Raises:
            RuntimeError: It ended, or said nothing in time; holds its log.
        """
        self.launch()
        line = self.wait_for_line(_SERVES)
        self.port, self.tls_port = (
            int(place[1]) if (place := kind.search(line[1])) else 0 for kind in (_PLAIN, _ENCRYPTED)
        )
        self.rtp_port = int(line[2])

    def wait_for_line(self, pattern: str | re.Pattern[str]) -> re.Match[str]:
        """Wait until its log has something.

        Raises:
            RuntimeError: It has ended, or nothing came in time; holds its log.
        """
        until_s = time.monotonic() + PATIENCE_S
        while (found := re.search(pattern, self.log)) is None:
            if self._running().poll() is not None or time.monotonic() > until_s:
                raise RuntimeError(f"{pattern} is not in the log:\n{self.log}")
            time.sleep(POLL_S)
        return found

    def wait_for_end(self) -> int:
        """Wait until the process ends by itself; its status."""
        return self._running().wait(PATIENCE_S)

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal."""
        self._running().send_signal(number)

    def stop(self) -> int:
        """End the process if it still runs; its status."""
        process = self._running()
        if process.poll() is None:
            process.terminate()
        return process.wait(PATIENCE_S)

    def kill(self) -> None:
        """End the process in any case."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def memory_bytes(self) -> int:
        """Memory that it holds now (resident)."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) * 1024

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise RuntimeError("start() comes first")
        return self._process
