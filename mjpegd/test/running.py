"""The daemon inside a test: the real service, on free ports, under trial's reactor."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import TestCase

from mjpegd.options import Options
from mjpegd.service import MjpegService, Reactor


class ServiceTestCase(TestCase):
    """A test with a service and a media folder of its own."""

    timeout = 30

    def folder(self, films: Mapping[str, bytes]) -> Path:
        """A media folder that holds these films."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir(parents=True)
        for name, data in films.items():
            (folder / name).write_bytes(data)
        return folder

    def service(self, *arguments: str) -> MjpegService:
        """A service that does not run yet; in the end it is stopped, if it does by then."""
        from twisted.internet import reactor

        options = Options()
        options.parseOptions(["--port=0", "--interface=127.0.0.1", *arguments])
        # The stubs know the reactor as the least that all platforms have.
        service = MjpegService(options.settings, cast(Reactor, reactor))
        self.addCleanup(lambda: self.stopped(service))
        return service

    def started(self, *arguments: str) -> MjpegService:
        """A service that serves."""
        service = self.service(*arguments)
        service.privilegedStartService()
        service.startService()
        return service

    @staticmethod
    def stopped(service: MjpegService) -> "Deferred[None]":
        """Stop a service, unless it does not run."""
        return service.stopService() if service.running else succeed(None)
