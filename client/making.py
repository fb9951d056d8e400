"""Makes a player of what the command line asks for; what goes with and without a window alike."""

import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from random import SystemRandom
from typing import TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore, IReactorThreads
from twisted.internet.threads import deferToThreadPool

from mjpegd import __version__
from mjpegd.wire.headers import Lower

from .errors import LocationError
from .interfaces import Dialogue, Ears
from .keeping.keeper import Keeper
from .media import receiver
from .options import Settings
from .pictures import InThread
from .talk import dialling
from .talk.dialogue import connect
from .talk.laboratory import connect_laboratory
from .talk.location import Location
from .talk.login import Login
from .talk.streams import offered_streams
from .viewer import Audience, Manner, Means, Viewer

T = TypeVar("T")

AGENT = f"mjpegd-player/{__version__}"
# One decodes, one writes to the disk, one looks up the names of hosts.
THREADS = 3


class Reactor(dialling.Reactor, receiver.Reactor, IReactorCore, IReactorThreads):
    """What a player needs of the reactor."""


def the_reactor() -> Reactor:
    """The process's reactor, with a clock that nobody sets and as many threads as are of use."""
    from twisted.internet import reactor

    # The stubs know the reactor as the least that all platforms have.
    running = cast(Reactor, reactor)
    # The reactor goes by the wall clock. When somebody sets that, films would stand still.
    running.seconds = time.monotonic  # type: ignore[method-assign]  # meant to be replaced
    running.suggestThreadPoolSize(THREADS)
    return running


def in_thread_of(reactor: Reactor) -> InThread:
    """Work in the reactor's threads."""

    def run(work: Callable[[], T], /) -> "Deferred[T]":
        return deferToThreadPool(reactor, reactor.getThreadPool(), work)

    return run


def make_viewer(settings: Settings, reactor: Reactor, audience: Audience) -> Viewer:
    """Somebody who watches as the command line says."""

    def reach(location: Location, ears: Ears) -> Awaitable[Dialogue]:
        if settings.is_laboratory:
            return connect_laboratory(reactor, location, ears)
        return connect(
            reactor,
            location,
            ears,
            login=Login(location.user, location.password, secrets.token_hex),
            agent=AGENT,
            verifies_certificate=settings.verifies_certificate,
        )

    means = Means(reactor, SystemRandom(), time.time, reach)
    manner = Manner(
        latency_s=settings.latency_s,
        lower=Lower[settings.transport] if settings.transport else None,
        laboratory_port=settings.client_port if settings.is_laboratory else None,
        shows_damaged=settings.shows_damaged,
    )
    return Viewer(means, manner, audience)


def make_keeper(settings: Settings, reactor: Reactor, tell: Callable[[str, bool], None]) -> Keeper:
    """Somebody who keeps what is watched."""
    return Keeper(in_thread_of(reactor), _local_time, settings.folder, tell)


async def find_streams(settings: Settings, reactor: Reactor, location: Location) -> list[str]:
    """The URLs of the streams that a server offers, as far as it tells."""
    if settings.is_laboratory:
        return []
    return await offered_streams(
        reactor, location, AGENT, verifies_certificate=settings.verifies_certificate
    )


def locate(settings: Settings, text: str) -> Location:
    """The stream of an address, with the login that the command line gives to its own host.

    Raises:
        LocationError: The text is no address.
    """
    location = Location.parse(text)
    if location.host != _host(settings.url):
        return location
    return replace(
        location,
        user=location.user or settings.user,
        password=location.password or settings.password,
    )


def _host(text: str | None) -> str:
    try:
        return Location.parse(text or "").host
    except LocationError:
        return ""


def _local_time() -> datetime:
    return datetime.now().astimezone()
