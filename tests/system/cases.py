"""What the system tests share: a folder, a daemon that is stopped in the end, viewers, tools."""

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from mjpegd.addresses import in_url
from mjpegd.test import films
from mjpegd.test.pictures import number_of
from tests.system.daemon import Daemon
from tests.tools.client import Client, Reception

FPS = 25
REQUIRE_TOOLS = "MJPEGD_REQUIRE_TOOLS"


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
