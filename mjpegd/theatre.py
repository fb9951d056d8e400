"""All that serves viewers in one process: films, pictures, sessions, and the ports of RTP."""

import os
import socket
import time
from collections.abc import Callable
from random import SystemRandom
from typing import TYPE_CHECKING, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IReactorFDSet,
    IReactorSocket,
    IReactorThreads,
    IReactorTime,
)
from twisted.internet.protocol import ServerFactory
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from mjpegd.access.auth import Door, Gate
from mjpegd.access.doorkeeper import Doorkeeper
from mjpegd.access.penalties import Penalties
from mjpegd.capacity.admission import Admission
from mjpegd.catalogue import Catalogue
from mjpegd.collector import Collector
from mjpegd.encryption.keying import Keying
from mjpegd.encryption.srtp import is_installed
from mjpegd.exchange import House
from mjpegd.interfaces import InThread
from mjpegd.logs import Tally, shown
from mjpegd.pictures.turbojpeg import TurboJpeg
from mjpegd.ports import MediaPorts, Pair
from mjpegd.registry import Registry
from mjpegd.rtsp import RTSPFactory
from mjpegd.senders.media_socket import can_segment
from mjpegd.settings import Access, Settings, Tls
from mjpegd.sources.decoder_messages import DecoderLimits
from mjpegd.sources.library import FolderState, Library
from mjpegd.sources.pattern import TestCard
from mjpegd.sources.video import DecoderReactor, Decoders
from mjpegd.stream import LiveStream, train_cache
from mjpegd.timetable import Timetable
from mjpegd.tunnels.entrance import Entrance
from mjpegd.workshop import LIBRARY, Workshop

if TYPE_CHECKING:
    from mjpegd.encryption.tls import Encryption

_log = Logger()

T = TypeVar("T")


class TheatreReactor(DecoderReactor, IReactorFDSet, IReactorSocket, IReactorThreads):
    """What serving needs of a reactor."""


CACHE_BYTES = 64 << 20
# URLs that are logged on start; more would bury them.
SHOWN_URLS = 20
# How long a stop waits for viewers to read the last words.
STOP_S = 1.0


class Theatre:
    """Serves the viewers that come in by its factory; the one place that names concrete classes.

    Args:
        settings: What the operator chose; the share of this process.
        reactor: Where it runs.
        pair: The sockets of RTP and RTCP.
        admission: Who counts connections and sessions.
        penalties: Who counts wrong logins.
        tally: Counts what may come in floods.
        key: Random bytes for logins; the same for all processes of a daemon.
        prefix: What identifiers of sessions begin with.

    Attributes:
        factory: What connections of viewers are given to.
        encrypted: What those are given to that have to be encrypted; None where none is.
    """

    def __init__(
        self,
        settings: Settings,
        reactor: TheatreReactor,
        pair: Pair,
        admission: Admission,
        penalties: Penalties,
        tally: Tally,
        key: bytes,
        prefix: str = "",
    ) -> None:
        self._reactor = reactor
        clock = self._clock = Timetable(reactor)
        self._collector = Collector(reactor.seconds)
        self._tally = tally
        self._ports = MediaPorts(pair, segments=settings.segments and can_segment())
        self._media = settings.media
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
        self._card = TestCard(clock, time.time, self._in_thread)
        card = LiveStream(self._card)
        self._makers = ThreadPool(0, making.threads, "mjpegd pictures")
        turbojpeg = TurboJpeg.find()
        self._workshop = Workshop(
            self._in_maker, making.threads, turbojpeg.recode if turbojpeg else None
        )
        trains = self._trains = train_cache(CACHE_BYTES)
        self._catalogue = Catalogue(
            self._library, {card.title: card}, trains, self._workshop, clock
        )
        self._registry = Registry(
            clock,
            time.time,
            settings.limits,
            admission,
            f"mjpegd@{socket.gethostname()}",
            loop=settings.loop,
            random=SystemRandom(),
            prefix=prefix,
        )
        access = settings.access
        self._gate = Gate(
            _door(access), access.networks, clock, settings.limits, tally, penalties, key
        )
        self._doorkeeper: Doorkeeper | None = None
        if access.users is not None:
            self._doorkeeper = Doorkeeper(
                access.users, self._gate, reactor, self._in_thread, self._end_barred
            )
        house = House(
            catalogue=self._catalogue,
            gate=self._gate,
            registry=self._registry,
            ports=self._ports,
            limits=settings.limits,
            tally=tally,
            catch_up=self._catch_up,
            max_packet_bytes=settings.max_packet_bytes,
            max_laboratory_bytes=settings.max_laboratory_bytes,
            wall_clock=time.time,
            started=int(time.time()),
            keying=Keying(time.time, os.urandom) if is_installed() else None,
        )
        entrance = Entrance(clock, settings.limits, tally, access.origins, admission)
        self.factory = RTSPFactory(house, admission, clock, entrance)
        self.encrypted: ServerFactory | None = None
        self._encryption: Encryption | None = None
        if settings.tls is not None:
            self._encryption = _encryption(settings.tls, reactor, self._in_thread)
            self.encrypted = self._encryption.around(self.factory)

    def prepare(self) -> None:
        """Read users file and certificate, where there are any, and look after them from now on.

        Raises:
            ConfigurationError: One cannot be read, or makes no sense; says what to do.
        """
        if self._doorkeeper is not None:
            self._doorkeeper.start()
        if self._encryption is not None:
            self._encryption.start()

    def read_again(self) -> None:
        """Read both again, where there are any."""
        if self._doorkeeper is not None:
            self._doorkeeper.read_again()
        if self._encryption is not None:
            self._encryption.read_again()

    def take_stock(self) -> None:
        """Say in the log what there is now; while nobody watches, none of it may grow."""
        timers = len(self._clock.getDelayedCalls()) + len(self._reactor.getDelayedCalls())
        _log.info(
            "now: {connections} connections, {sessions} sessions, {films} films open, "
            "{timers} timers, {kept_mb:.1f} MB of frames kept",
            connections=self.factory.connections,
            sessions=len(self._registry),
            films=len(self._catalogue),
            timers=timers,
            kept_mb=(self._trains.held_bytes + self._workshop.kept_bytes) / 1e6,
        )

    def start(self) -> None:
        """Begin to serve."""
        self._makers.start()
        self._collector.start()
        registry = self._registry
        self._ports.start(
            self._reactor, self._clock, registry.received, self._tally, registry.opened
        )

    async def ready(self) -> None:
        """Viewers are served as soon as it has started."""

    async def announce(self, base_url: str) -> None:
        """Say in the log what can be watched, so that a person can paste it into a player."""
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
                media=shown(str(self._media)),
                state=(
                    "holds no film"
                    if self._library.state() is FolderState.READABLE
                    else self._library.state().value
                ),
            )
        for listing in listings:
            _log.info("{url}", url=f"{base_url}{listing.url_path}")
        if count > len(listings):
            _log.info("and {more} more", more=count - len(listings))

    async def close(self) -> None:
        """Say BYE to everybody and close; done within two seconds."""
        self._library.close()
        if self._doorkeeper is not None:
            self._doorkeeper.stop()
        if self._encryption is not None:
            self._encryption.stop()
        self._registry.end_all("the server stops")
        self.factory.hang_up_all()
        until_s = self._reactor.seconds() + STOP_S
        while self.factory.connections and self._reactor.seconds() < until_s:
            await deferLater(self._reactor, 0.02)
        self.factory.abort_all()
        self._catalogue.close()
        self._tally.stop()
        self._ports.stop()
        self._makers.stop()
        self._collector.stop()

    def _catch_up(self) -> None:
        self._clock.catch_up()
        self._collector.worked()

    def _end_barred(self, others: set[str]) -> None:
        """The rights of users have changed, and the passwords of these others as well."""
        self._registry.end_where(
            lambda session: (
                session.owner.user in others
                or not self._gate.lets_watch(session.owner.user, session.path, session.host)
            ),
            "its viewer may no longer watch it",
        )

    def _in_maker(self, work: Callable[[], T], /) -> "Deferred[T]":
        return deferToThreadPool(self._reactor, self._makers, work)

    def _in_thread(self, work: Callable[[], T], /) -> "Deferred[T]":
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), work)


def _encryption(tls: Tls, clock: IReactorTime, in_thread: InThread) -> "Encryption":
    # Its packages are an extra of the installation.
    from mjpegd.encryption.tls import Encryption

    return Encryption(tls, clock, in_thread, time.time)


def _door(access: Access) -> Door:
    """Who is let in at the start; with a users file nobody, until it is read."""
    if access.users is not None:
        return Door.of_nobody()
    if access.auth:
        return Door.of_plugins(access.checkers)
    return Door.of_all()
