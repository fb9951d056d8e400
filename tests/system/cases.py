"""What the system tests share: a folder, a daemon that is stopped in the end, viewers, tools."""

import os
import re
import signal
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from mjpegd.addresses import in_url
from mjpegd.test import films
from mjpegd.test.pictures import number_of
from tests.system.daemon import PATIENCE_S, POLL_S, Daemon
from tests.tools.client import Client, Reception

FPS = 25
REQUIRE_TOOLS = "MJPEGD_REQUIRE_TOOLS"
STOCK = re.compile(r"now: (\d+) connections, (\d+) sessions")
# The daemon with limits that no option has, in an application of its own.
IMPATIENT = """
from dataclasses import replace
import os
from twisted.application.service import Application
from mjpegd.limits import Limits
from mjpegd.options import Options, arguments_from
from mjpegd.service import makeService

options = Options()
options.parseOptions(arguments_from(os.environ))
limits = replace(options.settings.limits, session_timeout_s=2, idle_s=3)
options.settings = replace(options.settings, limits=limits)
application = Application("mjpegd")
makeService(options).setServiceParent(application)
"""


def film(frames: int) -> bytes:
    """A film of 25 frames a second that show their numbers."""
    return films.avi(films.pictures(frames))


def numbers(reception: Reception) -> list[int]:
    """The numbers that the frames show."""
    return [number_of(frame.jpeg) for frame in reception.frames]


class SystemTestCase(SynchronousTestCase):
    """A test with daemons and viewers of its own."""

    def require(self, missing: Sequence[str]) -> None:
        """Skip the test where tools are missing; fail where all are said to be there."""
        names = ", ".join(missing)
        if missing and os.environ.get(REQUIRE_TOOLS):
            self.fail(f"{names} is missing")
        if missing:
            raise SkipTest(f"{names} is missing")

    @staticmethod
    def overlook_taken_ports() -> None:
        """A player tries the next port; Twisted leaves the socket to the garbage collector.

        Trial forgets this when the test is over.
        """
        message = r"unclosed <socket.*type=2,.*laddr=\('0\.0\.0\.0', 0\)>"
        warnings.filterwarnings("ignore", message, ResourceWarning)

    def folder(self) -> Path:
        """A new folder."""
        path = Path(self.mktemp()).absolute()
        path.mkdir(parents=True)
        return path

    def daemon(
        self,
        media: Mapping[str, bytes] | None = None,
        *options: str,
        port: str = "--port=0",
        program: Sequence[str] = ("mjpeg-rtsp",),
        environ: Mapping[str, str] | None = None,
        launcher: Sequence[str] = (),
        pass_fds: Sequence[int] = (),
    ) -> Daemon:
        """A daemon that does not run yet; it is stopped when the test ends."""
        daemon = Daemon(
            self.folder(),
            media,
            [*filter(None, [port]), *options],
            program=program,
            environ=environ,
            launcher=launcher,
            pass_fds=pass_fds,
        )
        self.addCleanup(daemon.kill)
        return daemon

    def running(self, media: Mapping[str, bytes] | None = None, *options: str) -> Daemon:
        """A daemon that serves."""
        daemon = self.daemon(media, *options)
        daemon.start()
        return daemon

    def impatient(self, media: Mapping[str, bytes]) -> Daemon:
        """A daemon that repeats its films, and gives viewers up after some seconds."""
        application = self.folder() / "impatient.tac"
        application.write_text(IMPATIENT)
        return self.daemon(
            media,
            port="",
            program=("--python", str(application)),
            environ={"MJPEGD_PORT": "0", "MJPEGD_LOOP": "1"},
        )

    def viewer(
        self,
        daemon: Daemon,
        name: str,
        *,
        over_tcp: bool = False,
        host: str = "127.0.0.1",
        port: int | None = None,
        login: tuple[str, str] | None = None,
        timeout_s: float = 5.0,
    ) -> Client:
        """A client with a session in state READY; `timeout_s` is what an answer may take."""
        client = Client(
            host, daemon.port if port is None else port, login=login, timeout_s=timeout_s
        )
        self.addCleanup(client.close)
        shown = "localhost" if host.startswith("/") else in_url(host, daemon.port)
        client.open(f"rtsp://{shown}/{name}", over_tcp=over_tcp)
        return client

    def assert_ends(self, client: Client) -> None:
        """BYE comes."""
        self.assertTrue(client.wait(lambda: client.reception.has_ended), "BYE did not come")

    def assert_steady(self, reception: Reception) -> None:
        """Nothing was lost on the way."""
        self.assertEqual(reception.missing, 0)
        self.assertEqual(reception.torn, 0)

    def stock(self, daemon: Daemon) -> tuple[int, int]:
        """How many connections and sessions the daemon says that it has."""
        before = len(STOCK.findall(daemon.log))
        daemon.signal(signal.SIGUSR2)
        until_s = time.monotonic() + PATIENCE_S
        while len(found := STOCK.findall(daemon.log)) == before:
            self.assertLess(time.monotonic(), until_s)
            time.sleep(0.01)
        return int(found[-1][0]), int(found[-1][1])

    def files_when_idle(self, daemon: Daemon) -> int:
        """Wait until nobody is there any more; how many descriptors the daemon has then."""
        until_s = time.monotonic() + PATIENCE_S
        while self.stock(daemon) != (0, 0):
            self.assertLess(time.monotonic(), until_s, "somebody is still there")
            time.sleep(POLL_S)
        return len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))
