"""Which stream a URL names: each film is open once, however many watch it."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from mjpegd.errors import MediaBusyError, MediaError, MediaNotFoundError
from mjpegd.interfaces import IFrameSource, IRenderedSource
from mjpegd.logs import shown
from mjpegd.pictures.forms import PLAIN_FORM, JpegForm
from mjpegd.sources.library import Library, Listing, Place
from mjpegd.stream import FilmStream, LiveStream, Stream, TrainCache
from mjpegd.workshop import Workshop

_log = Logger()

# DESCRIBE names a film's end if its index is done this soon, and no end if it is not.
SETTLE_S = 1.0
# From DESCRIBE to SETUP takes a player milliseconds, a person with a debugger longer.
LINGER_S = 10.0
TEND_INTERVAL_S = 1.0
# Films that are open without a viewer; each holds a file and its index.
MAX_IDLE_FILMS = 64


@dataclass(slots=True)
class _Film:
    """An open film, or one that is being opened by the first who asked."""

    stream: FilmStream | None = None
    used_s: float = 0.0
    probing: int = 0
    waiting: list[Deferred[None]] = field(default_factory=list)


class Catalogue:
    """All streams of a daemon.

    Args:
        library: The media folder.
        live: Streams that are always there, by path.
        trains: For the trains of all films.
        workshop: Where pictures are made that RTP cannot carry as they are.
        clock: Time.
    """

    def __init__(
        self,
        library: Library,
        live: Mapping[str, LiveStream],
        trains: TrainCache,
        workshop: Workshop,
        clock: IReactorTime,
    ) -> None:
        self._library = library
        self._live = dict(live)
        self._trains = trains
        self._workshop = workshop
        self._clock = clock
        self._films: dict[tuple[int, ...], _Film] = {}
        self._tending: LoopingCall | None = None
        self._closed = False

    def __len__(self) -> int:
        """How many films are open."""
        return len(self._films)

    async def open(self, path: str, form: JpegForm = PLAIN_FORM) -> Stream:
        """The stream under a URL's path, decoded and without slashes at its ends.

        Args:
            path: The path.
            form: What its pictures have to be like; one that can be had so is made ready.

        Raises:
            MediaError: There is none, or it cannot be played; MediaNotFoundError for the first.
        """
        if path in self._live:
            return self._live[path]
        place = await self._library.locate(path)
        stream = await self._film(place)
        film = self._films[place.identity]
        film.probing += 1  # a disk that hangs must not have it closed meanwhile
        try:
            await stream.probe(form)
        finally:
            film.probing -= 1
            film.used_s = self._clock.seconds()
        return stream

    async def open_for_laboratory(
        self, name: str, may_watch: Callable[[str], bool]
    ) -> tuple[str, Stream]:
        """The stream that a laboratory client means by a bare file name, and its path.

        Args:
            name: The name.
            may_watch: Whether the client may watch what lies under a path.

        Raises:
            MediaError: There is none; MediaNotFoundError also where it may not be watched.
        """
        if name in self._live:
            if may_watch(name):
                return name, self._live[name]
            raise MediaNotFoundError(f"{name} is not for everyone")
        place = await self._library.locate_laboratory(name)
        if not may_watch(place.title):
            raise MediaNotFoundError(f"{name} is not for everyone")
        return place.title, await self._film(place)

    async def listing(self, limit: int) -> tuple[list[Listing], int]:
        """What can be watched, at most ``limit`` of it, and how much there is in all."""
        listings, count = await self._library.listing(limit)
        always = [Listing(stream.title, path) for path, stream in self._live.items()]
        # A film of the same name cannot be reached, so it is not there.
        films = [listing for listing in listings if listing.url_path not in self._live]
        return (always + films)[:limit], count - len(listings) + len(films) + len(always)

    def close(self) -> None:
        """Close all streams; one that is being opened fails, and is closed."""
        self._closed = True
        for identity in list(self._films):
            self._close(identity)
        self._rest()
        for stream in self._live.values():
            stream.close()

    async def _film(self, place: Place) -> FilmStream:
        film = self._films.get(place.identity)
        while film is not None and film.stream is None:
            turn: Deferred[None] = Deferred()
            film.waiting.append(turn)
            await turn
            film = self._films.get(place.identity)
        if film is not None and film.stream is not None and not film.stream.changed:
            film.used_s = self._clock.seconds()
            return film.stream
        self._close(place.identity)
        return await self._open(place)

    async def _open(self, place: Place) -> FilmStream:
        film = self._films[place.identity] = _Film()
        try:
            source = await self._settled(place)
        except BaseException:
            self._films.pop(place.identity, None)
            raise
        else:
            film.stream = FilmStream(source, self._trains, self._workshop)
            film.used_s = self._clock.seconds()
            self._tend_while_needed()
            _log_opened(source)
            return film.stream
        finally:
            for turn in film.waiting:
                turn.callback(None)

    async def _settled(self, place: Place) -> IFrameSource:
        """Open a film, and give its index a moment to be done."""
        try:
            source = await self._library.open(place)
        except MediaBusyError:
            if not self._end_idle_decoding():
                raise
            source = await self._library.open(place)
        try:
            await self._grown(source)
        except BaseException:
            source.close()
            raise
        if self._closed:
            source.close()
            raise MediaError(f"{place.title}: the daemon ends")
        return source

    async def _grown(self, source: IFrameSource) -> None:
        until_s = self._clock.seconds() + SETTLE_S
        while (
            not (source.complete or self._closed)
            and (left_s := until_s - self._clock.seconds()) > 0
        ):
            with suppress(defer.TimeoutError):
                await source.grown().addTimeout(left_s, self._clock)

    def _end_idle_decoding(self) -> bool:
        """Close films that are decoded for nobody; whether there was one."""
        idle = [
            identity
            for identity, film in self._films.items()
            if film.stream is not None
            and IRenderedSource.providedBy(film.stream.source)
            and not (film.stream.is_watched or film.probing)
        ]
        for identity in idle:
            self._close(identity)
        return bool(idle)

    def _tend_while_needed(self) -> None:
        if self._tending is None:
            self._tending = LoopingCall(self._tend)
            self._tending.clock = self._clock
            self._tending.start(TEND_INTERVAL_S, now=False).addErrback(self._broke)

    def _broke(self, failure: Failure) -> None:
        """A fault of ours ended the loop; the next film that is opened begins it again."""
        _log.failure("looking after films", failure)
        self._tending = None

    def _tend(self) -> None:
        """See that watched films are still what they were; close those that nobody watches."""
        now_s = self._clock.seconds()
        idle = []
        for identity, film in list(self._films.items()):
            if film.stream is None:
                continue
            if film.stream.is_watched or film.probing:
                film.used_s = now_s
                film.stream.look()
            else:
                idle.append((film.used_s, identity))
        idle.sort()
        for place, (used_s, identity) in enumerate(idle):
            if now_s - used_s >= LINGER_S or len(idle) - place > MAX_IDLE_FILMS:
                self._close(identity)
        if not self._films:
            self._rest()

    def _rest(self) -> None:
        """Look after films no more, until one is opened."""
        if self._tending is not None:
            self._tending.stop()
            self._tending = None

    def _close(self, identity: tuple[int, ...]) -> None:
        film = self._films.pop(identity, None)
        if film is not None and film.stream is not None:
            film.stream.close()


def _log_opened(source: IFrameSource) -> None:
    _log.info(
        "stream {stream}: {kind}, {frames} frames{more}, {rate:.6g} frames/s{default}",
        stream=shown(source.title),
        kind=source.kind,
        frames=source.times.count,
        more="" if source.complete else " so far",
        rate=float(source.times.rate),
        default="" if source.timed else " (the file does not say)",
    )
