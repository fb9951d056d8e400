"""Start a server, watch one picture of it over RTSP, and stop it.

    first_picture.py rtsp://localhost:8554/testcard COMMAND [ARGUMENT...]

Needs nothing but Python, so that it can try an environment with nothing else in it.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

START_S = 300  # The command may install packages first.
ANSWER_S = 10
STOP_S = 10
JPEG_WITH_MARKER = 0x80 | 26  # The second byte of the last RTP packet of a picture.


class Viewer:
    """One connection, and one session on it with RTP interleaved."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._url = url
        self._socket = socket.create_connection(
            (place.hostname, place.port or 554), timeout=ANSWER_S
        )
        self._file = self._socket.makefile("rb")
        self._cseq = 0

    def ask(self, method: str, url: str, *lines: str) -> dict[str, str]:
        """The headers of the answer, which must be 200; RTP before it is left out."""
        self._cseq += 1
        head = [f"{method} {url} RTSP/1.0", f"CSeq: {self._cseq}", *lines, "", ""]
        self._socket.sendall("\r\n".join(head).encode())
        status = self._file.readline().decode().strip()
        if status.split()[1:2] != ["200"]:
            raise SystemExit(f"{method} {url} was answered {status!r}")
        headers = {}
        while line := self._file.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        self._file.read(int(headers.get("content-length", 0)))
        return headers

    def watch(self) -> int:
        """How many RTP packets the first picture had."""
        described = self.ask("DESCRIBE", self._url, "Accept: application/sdp")
        base = described["content-base"]
        transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
        session = self.ask("SETUP", f"{base}trackID=0", transport)["session"].partition(";")[0]
        self.ask("PLAY", base, f"Session: {session}", "Range: npt=0.000-")
        packets = 0
        while True:
            dollar, channel, *size = self._file.read(4)
            if dollar != ord("$"):
                raise SystemExit("there is something between the interleaved frames")
            packet = self._file.read(int.from_bytes(bytes(size), "big"))
            packets += channel == 0
            if channel == 0 and packet[1] == JPEG_WITH_MARKER:
                return packets


@contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A command and all its children; they end in time when they are told to."""
    # The end of the pipe is seen when the last of the children is gone.
    end, held = os.pipe()
    process = subprocess.Popen(command, start_new_session=True, pass_fds=[held])
    os.close(held)
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        if not select.select([end], [], [], STOP_S)[0]:
            os.killpg(process.pid, signal.SIGKILL)
            raise SystemExit(f"the server was still there {STOP_S} s after SIGTERM")


def answers(url: str) -> bool:
    """Whether there is anybody at that port."""
    place = urlsplit(url)
    try:
        socket.create_connection((place.hostname, place.port or 554), timeout=ANSWER_S).close()
    except OSError:
        return False
    return True


def main(url: str, *command: str) -> None:
    """Start, watch, stop."""
    if answers(url):
        raise SystemExit(f"the port of {url} is in use already")
    with running(list(command)) as process:
        deadline = time.monotonic() + START_S
        while not answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the server did not start")
            time.sleep(0.2)
        packets = Viewer(url).watch()
    sys.stdout.write(f"{url}: a picture came in {packets} packets\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
