"""A media folder: from the path of a URL to a film in it, and never to anything outside it."""

import os
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mjpegd.errors import MediaError, MediaNotFoundError
from mjpegd.interfaces import IFrameSource, InThread
from mjpegd.sources import containers
from mjpegd.sources.film import Film
from mjpegd.sources.images import MIN_PICTURES, ImageFolder, numbered
from mjpegd.sources.indexing import MAX_IDLE_STEPS, OtherVideoError
from mjpegd.sources.paths import is_hidden, natural_key, resolve
from mjpegd.sources.reading import FilmFile
from mjpegd.sources.shortages import refusal
from mjpegd.sources.video import Decoders, VideoFilm

# What one look through the folder may cost: names read, folders below one another, and files
# opened to see what they are. What lies beyond is not listed, but plays.
MAX_ENTRIES = 100_000
MAX_DEPTH = 16
MAX_OPENED = 10_000

# The name as it was asked for, then as other systems write it: macOS takes accents apart.
_FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")

_Identity = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Something in the media folder that can be opened.

    Attributes:
        path: Where it is, all links followed.
        title: Its path below the media folder.
        identity: The same as long as it is the same, unchanged file or folder.
        is_folder: A folder of numbered pictures, not a file.
    """

    path: Path
    title: str
    identity: _Identity
    is_folder: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """A film for the eyes of people.

    Attributes:
        title: Its path below the media folder.
        url_path: The same as a URL has it, without a slash at its beginning.
    """

    title: str
    url_path: str


class FolderState(Enum):
    """What is to be said of the media folder at the start."""

    READABLE = "can be read"
    MISSING = "does not exist"
    NOT_A_FOLDER = "is not a folder"
    UNREADABLE = "cannot be read"

    @classmethod
    def of(cls, folder: Path) -> "FolderState":
        """What a folder is like; may wait for the disk."""
        try:
            # Behind its slash, so that a folder that may be listed but not entered fails as well.
            os.scandir(f"{folder}/.").close()
        except FileNotFoundError:
            return cls.MISSING
        except NotADirectoryError:
            return cls.NOT_A_FOLDER
        except OSError:
            return cls.UNREADABLE
        return cls.READABLE


class Library:
    """The films in a folder and the folders below it.

    Nothing is remembered of where a film lies: each question looks at the disk.

    Args:
        root: The media folder; it need not exist yet.
        default_rate: Frames per second of films that tell none.
        in_thread: How looking at the disk leaves the reactor.
        decoders: Who decodes films that are no MJPEG; without them, these are refused.
    """

    def __init__(
        self,
        root: Path,
        default_rate: Fraction,
        in_thread: InThread,
        decoders: Decoders | None = None,
    ) -> None:
        self._root = root.absolute()  # a daemon changes its working directory
        self._default_rate = default_rate
        self._in_thread = in_thread
        self._decoders = decoders
        self._asking: list[Deferred[list[Listing]]] = []
        self._searching: list[Deferred[dict[str, list[str]]]] = []
        self._known: dict[_Identity, bool] = {}  # files seen by the last walk: is it a film?
        self._is_closed = False

    def state(self) -> FolderState:
        """What the media folder is like; may wait for the disk."""
        return FolderState.of(self._root)

    def locate(self, path: str) -> "Deferred[Place]":
        """What a URL names.

        Fails with MediaNotFoundError where there is nothing that may be served, with MediaError
        where something is there that may not be read.

        Args:
            path: The path of the URL, percent-decoded once; bytes that are not UTF-8 are
                surrogate escapes. Empty for the media folder itself.
        """
        return self._in_thread(lambda: self._locate(self._real_root(), path))

    def locate_laboratory(self, name: str) -> "Deferred[Place]":
        """What a laboratory client means, whose name may be written in other case.

        Looked for as it is written, then in the media folder in any case, then everywhere below
        it if there is only one. Fails like `locate`.
        """
        return Deferred.fromCoroutine(self._locate_laboratory(name))

    def open(self, place: Place) -> "Deferred[IFrameSource]":
        """Begin to read a film; fails with MediaError where it cannot be read.

        With MediaBusyError where it has to be decoded, and as many films as may be are already.
        """
        title, rate = place.title, self._default_rate
        if place.is_folder:
            folder = ImageFolder.open(place.path, self._root, title, rate, self._in_thread)
            return folder.addCallback(IFrameSource)
        return Deferred.fromCoroutine(self._open_film(place))

    async def _open_film(self, place: Place) -> IFrameSource:
        path, title, rate, in_thread = place.path, place.title, self._default_rate, self._in_thread
        try:
            return IFrameSource(await Film.open(path, title, rate, in_thread))
        except OtherVideoError as what:
            if self._decoders is None:
                raise
            film = await VideoFilm.open(path, title, what, rate, in_thread, self._decoders)
            return IFrameSource(film)

    def listing(self, limit: int) -> "Deferred[tuple[list[Listing], int]]":
        """What the folder holds, in natural order: at most ``limit`` films, and how many there are.

        Those who ask while the folder is being looked through share one walk.
        """
        asked: Deferred[list[Listing]] = Deferred()
        self._asking.append(asked)
        if len(self._asking) == 1:
            self._in_thread(self._list).addBoth(self._listed)
        return asked.addCallback(lambda listings: (listings[:limit], len(listings)))

    def close(self) -> None:
        """Look for nothing more: a walk that is under way in a thread ends soon, with less."""
        self._is_closed = True

    def _real_root(self) -> Path:
        try:
            return Path(os.path.realpath(self._root, strict=True))
        except OSError as error:
            raise MediaNotFoundError("there is no media folder") from error

    def _locate(self, root: Path, path: str) -> Place:
        here, names = root, []
        for component in filter(None, path.split("/")):
            name, here = _step(here, component, root)
            names.append(name)
        return _place(here, "/".join(names), root)

    async def _locate_laboratory(self, name: str) -> Place:
        try:
            return await self._in_thread(lambda: self._locate(self._real_root(), name))
        except MediaNotFoundError:
            named = await self._names()
        found = named.get(_folded(name.rpartition("/")[2]), [])
        found = [title for title in found if "/" not in title][:1] or found
        if len(found) != 1:
            raise MediaNotFoundError(f"{name}: {len(found) or 'no'} films have this name")
        return await self._in_thread(lambda: self._locate(self._real_root(), found[0]))

    def _names(self) -> "Deferred[dict[str, list[str]]]":
        """The files below the root by their name in any case; many who ask share one walk."""
        asked: Deferred[dict[str, list[str]]] = Deferred()
        self._searching.append(asked)
        if len(self._searching) == 1:
            self._in_thread(self._walk_names).addBoth(self._named)
        return asked

    def _named(self, result: dict[str, list[str]] | Failure) -> None:
        searching, self._searching = self._searching, []
        for asked in searching:
            asked.callback(result)

    def _walk_names(self) -> dict[str, list[str]]:
        named: dict[str, list[str]] = {}
        for names, entries in _walk(self._real_root()):
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    title = "/".join((*names, entry.name))
                    named.setdefault(_folded(entry.name), []).append(title)
        return named

    def _listed(self, result: list[Listing] | Failure) -> None:
        asking, self._asking = self._asking, []
        for asked in asking:
            asked.callback(result)

    def _list(self) -> list[Listing]:
        try:
            root = self._real_root()
        except MediaNotFoundError:
            return []
        known: dict[_Identity, bool] = {}
        titles: list[str] = []
        for names, entries in _walk(root):
            pictures = set(numbered(entries, root))
            if len(pictures) < MIN_PICTURES:
                pictures.clear()
            else:
                titles.append("/".join(names))
            titles += [
                "/".join((*names, entry.name))
                for entry in entries
                if entry.name not in pictures and self._is_film(root, entry, known)
            ]
        self._known = known
        titles.sort(key=natural_key)
        return [_listing(root, title) for title in titles]

    def _is_film(self, root: Path, entry: os.DirEntry[str], known: dict[_Identity, bool]) -> bool:
        """Whether a file can be played, as far as its beginning tells; `known` learns it."""
        try:
            if self._is_closed or entry.is_dir():
                return False
            path = resolve(Path(entry.path), root)
            status = path.stat()
        except (OSError, MediaError):
            return False
        identity = _identity(status)
        if identity not in known:
            if not stat.S_ISREG(status.st_mode) or len(known) >= MAX_OPENED:
                return False
            before = self._known.get(identity)
            is_film = self._begins_like_a_film(path) if before is None else before
            if is_film is None:
                return False
            known[identity] = is_film
        return known[identity]

    def _begins_like_a_film(self, path: Path) -> bool | None:
        """Whether it does; None where that cannot be told now: rights and faults come and go."""
        try:
            file = FilmFile(path)
        except MediaError:
            return None
        try:
            with closing(file):
                return any(islice(containers.index(file).steps, MAX_IDLE_STEPS))
        except OtherVideoError:
            return self._decoders is not None and self._decoders.is_possible
        except MediaError:
            return False


def _step(folder: Path, component: str, root: Path) -> tuple[str, Path]:
    """Follow one component of a path: how it is spelt on the disk, and where it leads.

    Raises:
        MediaNotFoundError: It does not exist, is hidden, or leads out of the root.
        MediaError: The folder may not be searched.
    """
    if not is_hidden(component):
        for name in (component, *(unicodedata.normalize(form, component) for form in _FORMS)):
            with suppress(MediaNotFoundError):
                return name, resolve(folder / name, root)
    raise MediaNotFoundError(f"{component}: there is no such film")


def _place(path: Path, title: str, root: Path) -> Place:
    title = title or root.name
    try:
        status = path.stat()
        is_folder = stat.S_ISDIR(status.st_mode)
        is_film = _holds_pictures(path, root) if is_folder else stat.S_ISREG(status.st_mode)
    except OSError as error:
        raise refusal(f"{title}: cannot be read", error) from error
    if not is_film:
        raise MediaNotFoundError(f"{title}: neither a file nor a folder of numbered pictures")
    return Place(path, title, _identity(status), is_folder)


def _holds_pictures(folder: Path, root: Path) -> bool:
    with os.scandir(folder) as entries:
        pictures = numbered(islice(entries, MAX_ENTRIES), root)
        return len(list(islice(pictures, MIN_PICTURES))) == MIN_PICTURES


def _identity(status: os.stat_result) -> _Identity:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _listing(root: Path, path: str) -> Listing:
    return Listing(path or root.name, quote(path, errors="surrogateescape"))


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _walk(root: Path) -> Iterator[tuple[list[str], list[os.DirEntry[str]]]]:
    """What lies in a folder and those below it, level by level, hidden things left out.

    Folders that are links are not entered: what they hold is found where it is, and there are
    no circles. Folders that may not be read count as empty.

    Yields:
        The names of the folders from the root, and what is in the last of them, by name.
    """
    room = MAX_ENTRIES
    level: list[list[str]] = [[]]
    for _ in range(MAX_DEPTH):
        below: list[list[str]] = []
        for names in level:
            if not room:
                return
            entries = _entries(root.joinpath(*names), room)
            room -= len(entries)
            yield names, entries
            below += [
                [*names, entry.name] for entry in entries if entry.is_dir(follow_symlinks=False)
            ]
        level = below


def _entries(folder: Path, limit: int) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            visible = [entry for entry in islice(entries, limit) if not is_hidden(entry.name)]
    except OSError:
        return []
    return sorted(visible, key=lambda entry: entry.name)
