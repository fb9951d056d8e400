"""The daemon as a Twisted service: the one place that names concrete classes and the reactor."""

import atexit
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from random import SystemRandom
from typing import Any, TypeVar, cast

from twisted.application.service import Service
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IReactorCore,
    IReactorSocket,
    IReactorThreads,
)
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool
from typing_extensions import override

from mjpegd import __version__
from mjpegd.admission import Headcount
from mjpegd.catalogue import Catalogue
from mjpegd.errors import ConfigurationError
from mjpegd.logs import Tally, say_count, shown
from mjpegd.methods import House
from mjpegd.options import Options, Settings
from mjpegd.pictures.turbojpeg import TurboJpeg
from mjpegd.ports import MediaPorts, bind_stream, explained, url_of
from mjpegd.registry import Registry
from mjpegd.rtsp import RTSPFactory
from mjpegd.sources.decoder_messages import DecoderLimits
from mjpegd.sources.library import FolderState, Library
from mjpegd.sources.pattern import TestCard
from mjpegd.sources.video import DecoderReactor, Decoders
from mjpegd.stream import LiveStream, train_cache
from mjpegd.workshop import LIBRARY, Workshop

_log = Logger()

T = TypeVar("T")


class Reactor(DecoderReactor, IReactorCore, IReactorSocket, IReactorThreads):
    """What the service needs of a reactor; every one that runs on POSIX has it."""


CACHE_BYTES = 64 << 20
# URLs that are logged on start; more would bury them.
SHOWN_URLS = 20
# How long a stop waits for viewers to read the last words.
STOP_S = 1.0
# What twistd reads of the reason why a start failed.
MAX_STATUS_BYTES = 100


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
        self._listening: list[IListeningPort] = []
        self._opening: list[Deferred[None]] = []
        self._refusals: list[ConfigurationError] = []

    @property
    def base_url(self) -> str:
        """What stands before the name of a stream, in a URL for this machine; ends in a slash."""
        urls = [place for place in self._places() if place.startswith("rtsp:")]
        return urls[0] if urls else "rtsp://localhost/"

    @override
    def privilegedStartService(self) -> None:
        """Open the sockets, before the daemon gives up its rights."""
        try:
            self._ports = MediaPorts(self._settings.interface, self._settings.rtp_port)
            self._undo.callback(
                lambda: Deferred.fromCoroutine(self._ports.stop()).addErrback(_log_not_closed)
            )
            self._build()
            self._listen()
        except ConfigurationError as fault:
            raise self._given_up(fault) from None

    @override
    def startService(self) -> None:
        """Begin to serve, as the user that the daemon is from now on."""
        super().startService()
        try:
            _check_folder(self._settings.media, self._library.state())
        except ConfigurationError as fault:
            raise self._given_up(fault) from None
        self._makers.start()
        self._ports.start(self._reactor, self._reactor, self._registry.received, self._tally)
        # Who reads that it serves may send SIGTERM at once, and only a running reactor is ready
        # for that.
        self._reactor.callWhenRunning(self._begin_to_announce)

    @override
    def stopService(self) -> "Deferred[None]":
        """Say BYE to everybody and close; done within two seconds."""
        super().stopService()
        _log.info("stopping: {count} viewers are told", count=len(self._registry))
        self._library.close()
        self._registry.end_all("the server stops")
        self._factory.hang_up_all()
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        listening, self._listening = self._listening, []
        for port in listening:
            await maybeDeferred(port.stopListening)
        until_s = self._reactor.seconds() + STOP_S
        while self._factory.connections and self._reactor.seconds() < until_s:
            await deferLater(self._reactor, 0.02)
        self._factory.abort_all()
        self._catalogue.close()
        self._tally.stop()
        await self._ports.stop()
        self._makers.stop()

    def _build(self) -> None:
        settings, reactor = self._settings, self._reactor
        making = settings.making
        decoders = Decoders(
            reactor,
            making.decoders,
            DecoderLimits(memory_bytes=making.decoder_bytes),
            quality=making.quality,
            max_width=making.max_width,
            max_height=making.max_height,
        )
        self._library = Library(settings.media, settings.frame_rate, self._in_thread, decoders)
        self._card = TestCard(reactor, time.time, self._in_thread)
        card = LiveStream(self._card)
        self._makers = ThreadPool(0, making.threads, "mjpegd pictures")
        turbojpeg = TurboJpeg.find()
        self._workshop = Workshop(
            self._in_maker, making.threads, turbojpeg.recode if turbojpeg else None
        )
        trains = train_cache(CACHE_BYTES)
        self._catalogue = Catalogue(
            self._library, {card.title: card}, trains, self._workshop, reactor
        )
        self._tally = Tally(reactor, say_count)
        admission = Headcount(settings.limits, self._tally)
        self._registry = Registry(
            reactor,
            time.time,
            settings.limits,
            admission,
            f"mjpegd@{socket.gethostname()}",
            loop=settings.loop,
            random=SystemRandom(),
        )
        house = House(
            catalogue=self._catalogue,
            registry=self._registry,
            ports=self._ports,
            limits=settings.limits,
            tally=self._tally,
            max_packet_bytes=settings.max_packet_bytes,
            max_laboratory_bytes=settings.max_laboratory_bytes,
            wall_clock=time.time,
            started=int(time.time()),
        )
        self._factory = RTSPFactory(house, admission, reactor)

    def _given_up(self, fault: ConfigurationError) -> SystemExit:
        """The way out of twistd with status 1 and one line on standard error.

        In the background twistd's first process waits for word of the second, and gets none of
        a SystemExit: it would wait for ever, and leave its pid file behind.
        """
        self._undo.close()
        self._listening.clear()
        status_pipe = self._twistd.get("statusPipe")
        if status_pipe is not None:
            os.write(status_pipe, f"1 {fault}".encode()[:MAX_STATUS_BYTES])
            Path(self._twistd["pidfile"]).unlink(missing_ok=True)
        return SystemExit(f"mjpeg-rtsp: {fault}")

    def _listen(self) -> None:
        """Open the ports of RTSP.

        Raises:
            ConfigurationError: One cannot be had; says what to do.
        """
        settings = self._settings
        for description in settings.listen:
            self._listen_on(description)
        if self._refusals:
            raise self._refusals[0]
        if not settings.listen:
            sock = bind_stream(settings.interface, settings.port)
            port = self._reactor.adoptStreamPort(sock.fileno(), sock.family, self._factory)
            sock.close()  # the port has a copy of its own
            self._taken(port)

    def _listen_on(self, description: str) -> None:
        try:
            opening = serverFromString(self._reactor, description).listen(self._factory)
        except Exception as fault:  # whatever the parser of an endpoint raises
            raise _no_endpoint(description, fault) from None
        self._opening.append(
            opening.addCallbacks(self._taken, self._cannot_listen, errbackArgs=(description,))
        )

    def _taken(self, port: IListeningPort) -> None:
        self._listening.append(port)
        self._undo.callback(lambda: _stopped(port))

    def _cannot_listen(self, failure: Failure, description: str) -> None:
        refusal = _no_endpoint(description, failure.value)
        self._refusals.append(refusal)
        # Most endpoints fail at once, and the start with them; some only when the daemon runs.
        if self.running:
            _log.critical("mjpeg-rtsp: {refusal}", refusal=refusal)
            _stop_with_status_1(self._reactor)

    def _begin_to_announce(self) -> None:
        if self.running:
            Deferred.fromCoroutine(self._announce()).addErrback(
                lambda failure: _log.failure("announcing the streams", failure)
            )

    async def _announce(self) -> None:
        """Say what is served, so that a person can paste it into a player."""
        for opening in self._opening:
            await opening
        if self._refusals:
            return
        base = self.base_url
        _log.info(
            "mjpegd {version} serves {media} at {bases}; RTP from UDP ports {rtp}-{rtcp}; "
            "everybody who reaches the port may watch",
            version=__version__,
            media=shown(str(self._settings.media)),
            bases=" and ".join(self._places()),
            rtp=self._ports.ports[0],
            rtcp=self._ports.ports[1],
        )
        if self._workshop.recode is None:
            _log.warn(
                "pictures that RTP cannot carry as they are will lose a little: there is no "
                "{library}",
                library=LIBRARY,
            )
        await self._card.prepare()
        listings, count = await self._catalogue.listing(SHOWN_URLS)
        if count == 1:
            _log.warn(
                "{media} {state}: there is only the test card; films are taken up as they appear",
                media=shown(str(self._settings.media)),
                state=(
                    "holds no film"
                    if self._library.state() is FolderState.READABLE
                    else self._library.state().value
                ),
            )
        for listing in listings:
            _log.info("{url}", url=f"{base}{listing.url_path}")
        if count > len(listings):
            _log.info("and {more} more", more=count - len(listings))

    def _places(self) -> list[str]:
        """Where the daemon listens; addresses as base URLs."""
        return [_place(port.getHost()) for port in self._listening]

    def _in_maker(self, work: Callable[[], T], /) -> "Deferred[T]":
        return deferToThreadPool(self._reactor, self._makers, work)

    def _in_thread(self, work: Callable[[], T], /) -> "Deferred[T]":
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), work)


def _stopped(port: IListeningPort) -> None:
    maybeDeferred(port.stopListening).addErrback(_log_not_closed)


def _log_not_closed(failure: Failure) -> None:
    _log.failure("closing a port", failure)


def _place(host: IAddress) -> str:
    if isinstance(host, IPv4Address | IPv6Address):
        return url_of(host.host, host.port)
    if isinstance(host, UNIXAddress) and host.name:
        return f"unix:{shown(os.fsdecode(host.name))}"
    return str(host)


def _check_folder(media: Path, state: FolderState) -> None:
    """A folder that is missing may come; one that cannot be read is a mistake.

    Raises:
        ConfigurationError: It cannot be served; says what to do.
    """
    if state is FolderState.NOT_A_FOLDER:
        raise ConfigurationError(f"--media {media} {state.value}: name the folder that holds it")
    if state is FolderState.UNREADABLE:
        raise ConfigurationError(f"--media {media} {state.value}: see its owner and its mode")


def _no_endpoint(description: str, fault: BaseException | None) -> ConfigurationError:
    """Why an endpoint cannot be listened on, as a sentence for the operator."""
    what = f"--listen {description!r}"
    if isinstance(fault, CannotListenError) and isinstance(fault.socketError, OSError):
        return explained(fault.socketError, what)
    if isinstance(fault, LookupError) and description.startswith("systemd:"):
        return ConfigurationError(f"{what}: systemd has passed no such socket")
    return ConfigurationError(f"{what} cannot be listened on: {shown(str(fault))}")


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
    return MjpegService(options.settings, running, options.parent)
