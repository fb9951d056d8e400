"""The daemon as a Twisted service: one process that serves, or an acceptor and its workers."""

import atexit
import os
import secrets
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger
from typing_extensions import override

from mjpegd import __version__
from mjpegd.access.nonces import KEY_BYTES
from mjpegd.access.penalties import PenaltyBook
from mjpegd.capacity.admission import Headcount
from mjpegd.capacity.descriptors import connections_within, raise_limit
from mjpegd.collector import settle
from mjpegd.encryption.srtp import EXTRA, is_installed
from mjpegd.errors import ConfigurationError
from mjpegd.listening import Listening, ListeningReactor
from mjpegd.logs import Tally, say_count, shown
from mjpegd.options import Options
from mjpegd.ports import Pair, bind_pairs, close_pairs, port_ranges
from mjpegd.senders.media_socket import can_segment
from mjpegd.settings import Settings
from mjpegd.sources.library import FolderState
from mjpegd.theatre import Theatre, TheatreReactor
from mjpegd.workers.acceptor import Acceptor
from mjpegd.workers.crew import CrewReactor

_log = Logger()


class Reactor(TheatreReactor, ListeningReactor, CrewReactor, IReactorCore):
    """What the service needs of a reactor; every one that runs on POSIX has it."""


# What twistd reads of the reason why a start failed.
MAX_STATUS_BYTES = 100


class Venue(Protocol):
    """What serves the viewers: one process, or several."""

    @property
    def factory(self) -> ServerFactory:
        """What connections of viewers are given to."""
        ...

    @property
    def encrypted(self) -> ServerFactory | None:
        """What connections are given to that have to be encrypted; None where none is."""
        ...

    def prepare(self) -> None:
        """Read who may watch, and by what certificate.

        Raises:
            ConfigurationError: That cannot be known; says what to do.
        """
        ...

    def start(self) -> None:
        """Begin to serve."""
        ...

    def read_again(self) -> None:
        """Read users file and certificate again."""
        ...

    def take_stock(self) -> None:
        """Say in the log what there is now."""
        ...

    async def ready(self) -> None:
        """Wait until viewers are served."""
        ...

    async def announce(self, base_url: str) -> None:
        """Say in the log what can be watched."""
        ...

    async def close(self) -> None:
        """Say BYE to everybody and close."""
        ...


class MjpegService(Service):
    """Serves a folder until it is stopped.

    Args:
        settings: What the operator chose.
        reactor: Where it runs.
        twistd: What twistd runs with, values of any kind, for a start that fails in the
            background.
    """

    def __init__(
        self, settings: Settings, reactor: Reactor, twistd: Mapping[str, Any] | None = None
    ) -> None:
        self._settings = settings
        self._twistd = twistd or {}
        self._reactor = reactor
        self._undo = ExitStack()
        self._tally = Tally(reactor, say_count)

    @property
    def base_url(self) -> str:
        """What stands before the name of a stream, in a URL for this machine; ends in a slash."""
        urls = [place for place in self._listening.places() if place.startswith("rtsp")]
        return urls[0] if urls else "rtsp://localhost/"

    @override
    def privilegedStartService(self) -> None:
        """Open the sockets, before the daemon gives up its rights."""
        settings = self._settings = _within_open_files(self._settings)
        self._headcount = Headcount(settings.limits, self._tally)
        try:
            pairs = bind_pairs(settings.interface, settings.rtp_port, settings.workers)
            self._undo.callback(close_pairs, pairs)
            self._rtp_ports = port_ranges(pairs)
            self._venue = self._make_venue(pairs)
            self._listening = Listening(
                settings,
                self._reactor,
                self._venue.factory,
                self._venue.encrypted,
                self._cannot_listen,
            )
            self._undo.callback(self._stop_listening)
            self._listening.open()
        except ConfigurationError as fault:
            raise self._given_up(fault) from None

    @override
    def startService(self) -> None:
        """Begin to serve, as the user that the daemon is from now on."""
        super().startService()
        try:
            _check_folder(self._settings.media)
            _check_passwords(self._settings.access.auth)
            self._venue.prepare()
        except ConfigurationError as fault:
            raise self._given_up(fault) from None
        # Who reads that it serves may send SIGTERM at once, and only a running reactor is ready
        # for that.
        self._reactor.callWhenRunning(self._begin)

    @override
    def stopService(self) -> "Deferred[None]":
        """Say BYE to everybody and close; done within two seconds."""
        super().stopService()
        _log.info("stopping: {count} viewers are told", count=self._headcount.sessions)
        return Deferred.fromCoroutine(self._close())

    def read_again(self) -> None:
        """Read again what may have changed: the users file, and the certificate."""
        if self._settings.access.users is not None or self._settings.tls is not None:
            self._venue.read_again()
        else:
            _log.info("there is neither a users file nor a certificate to read again")

    def take_stock(self) -> None:
        """Say in the log what there is now: connections, sessions, and what they need."""
        self._venue.take_stock()

    async def _close(self) -> None:
        await self._listening.close()
        await self._venue.close()

    def _make_venue(self, pairs: list[Pair]) -> Venue:
        settings, reactor = self._settings, self._reactor
        penalties = PenaltyBook(settings.limits, reactor.seconds)
        if settings.workers > 1:
            return Acceptor(settings, reactor, pairs, self._headcount, penalties, self._tally)
        return Theatre(
            settings,
            reactor,
            pairs[0],
            self._headcount,
            penalties,
            self._tally,
            secrets.token_bytes(KEY_BYTES),
        )

    def _who_may_watch(self) -> str:
        """For the first line of the log."""
        access = self._settings.access
        who = "everybody who reaches the port may watch"
        if access.networks is not None:
            who = f"everybody from {access.networks} may watch"
        if access.users is not None:
            return f"{access.users} says who may watch"
        if access.auth:
            return "who is known to --auth may watch"
        return f"{who} (--users FILE changes that)"

    def _given_up(self, fault: ConfigurationError) -> SystemExit:
        """The way out of twistd with status 1 and one line on standard error.

        In the background twistd's first process waits for word of the second, and gets none of
        a SystemExit: it would wait for ever, and leave its pid file behind.
        """
        self._undo.close()
        status_pipe = self._twistd.get("statusPipe")
        if status_pipe is not None:
            os.write(status_pipe, f"1 {fault}".encode()[:MAX_STATUS_BYTES])
            Path(self._twistd["pidfile"]).unlink(missing_ok=True)
        return SystemExit(f"mjpeg-rtsp: {fault}")

    def _stop_listening(self) -> None:
        Deferred.fromCoroutine(self._listening.close()).addErrback(
            lambda failure: _log.failure("closing a port", failure)
        )

    def _cannot_listen(self, refusal: ConfigurationError) -> None:
        """An endpoint cannot be had; while the daemon starts, its start fails with it."""
        if self.running:
            _log.critical("mjpeg-rtsp: {refusal}", refusal=refusal)
            _stop_with_status_1(self._reactor)

    def _begin(self) -> None:
        if self.running:
            self._venue.start()
            Deferred.fromCoroutine(self._announce()).addErrback(
                lambda failure: _log.failure("announcing the streams", failure)
            )

    def _srtp(self) -> str:
        """How viewers that have to be encrypted are served over UDP, where there are any."""
        if self._settings.tls is None:
            return ""
        if is_installed():
            return ", as SRTP for viewers on TLS"
        return f", but not for viewers on TLS: pip install '{EXTRA}' brings SRTP"

    async def _announce(self) -> None:
        """Say what is served, and where."""
        await self._venue.ready()
        if not await self._listening.opened() or not self.running:
            return
        settings = self._settings
        segments = settings.segments and can_segment()
        _log.info(
            "mjpegd {version} serves {media} at {bases}{workers}; RTP from UDP ports {ports}, "
            "{cut}{srtp}; {who}",
            version=__version__,
            media=shown(str(settings.media)),
            bases=" and ".join(self._listening.places()),
            workers=f" with {settings.workers} workers" if settings.workers > 1 else "",
            ports=self._rtp_ports,
            cut="cut by the kernel (GSO)" if segments else "packet by packet",
            srtp=self._srtp(),
            who=self._who_may_watch(),
        )
        await self._venue.announce(self.base_url)


def _within_open_files(settings: Settings) -> Settings:
    """The same, with no more connections than there may be open files; said where that is less."""
    wanted, files = settings.limits.connections, raise_limit()
    possible = connections_within(files)
    if possible is None or possible >= wanted:
        return settings
    _log.warn(
        "--max-connections {wanted}: only {possible} can be had, as this process may have {files} "
        "files open; raise LimitNOFILE= of its unit, or the hard limit (ulimit -Hn)",
        wanted=wanted,
        possible=possible,
        files=files,
    )
    return replace(settings, limits=replace(settings.limits, connections=possible))


def _check_folder(media: Path) -> None:
    """A folder that is missing may come; one that cannot be read is a mistake.

    Raises:
        ConfigurationError: It cannot be served; says what to do.
    """
    state = FolderState.of(media)
    if state is FolderState.NOT_A_FOLDER:
        raise ConfigurationError(f"--media {media} {state.value}: name the folder that holds it")
    if state is FolderState.UNREADABLE:
        raise ConfigurationError(f"--media {media} {state.value}: see its owner and its mode")


def _check_passwords(auth: Sequence[str]) -> None:
    """Twisted takes a file of passwords that it cannot read, too, and then knows nobody.

    Args:
        auth: Of ``--auth``, descriptions of checkers.

    Raises:
        ConfigurationError: There is such a file; says which, and why.
    """
    for description in auth:
        kind, _, argument = description.partition(":")
        if kind == "file":
            try:
                with Path(argument).open("rb"):
                    pass
            except OSError as fault:
                raise ConfigurationError(
                    f"--auth file:{argument}: cannot be read: {fault.strerror}"
                ) from None


def _stop_with_status_1(reactor: Reactor) -> None:
    # A reactor swallows SystemExit, and twistd ends with 0 whenever it was stopped: whoever looks
    # after the daemon would take that for success.
    atexit.register(os._exit, 1)
    reactor.stop()


def _stop_on_sigterm(reactor: Reactor) -> None:
    """End with status 0 when asked to; twistd would stop and then kill itself with the signal."""

    def stop(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is on its way
        reactor.callFromThread(reactor.stop)

    signal.signal(signal.SIGTERM, stop)


def _act_on(number: signal.Signals, reactor: Reactor, act: Callable[[], None]) -> None:
    """Let a signal do something, in a turn of the reactor."""
    signal.signal(number, lambda *_: reactor.callFromThread(act))


def makeService(options: Options) -> MjpegService:
    """What twistd runs for ``mjpeg-rtsp``."""
    from twisted.internet import reactor

    # The stubs know the reactor as the least that all platforms have.
    running = cast(Reactor, reactor)
    # The reactor goes by the wall clock. When somebody sets that, films would jump or stand still
    # and sessions would time out.
    running.seconds = time.monotonic  # type: ignore[method-assign]  # meant to be replaced
    # The reactor takes SIGTERM for itself when it starts to run.
    running.callWhenRunning(_stop_on_sigterm, running)
    running.callWhenRunning(settle)
    service = MjpegService(options.settings, running, options.parent)
    running.callWhenRunning(_act_on, signal.SIGHUP, running, service.read_again)
    running.callWhenRunning(_act_on, signal.SIGUSR2, running, service.take_stock)
    return service
