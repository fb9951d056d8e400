"""What a film is like, and what becomes of each of its frames on the way to each player."""

import os
from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar
from urllib.parse import unquote

from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from zope.interface import implementer

from mjpegd.errors import MediaError
from mjpegd.interfaces import IFrameSource, InThread, IRenderedSource
from mjpegd.packing import JpegPacking
from mjpegd.pictures.forms import PLAIN_FORM, PLAIN_RENDITION, Big, JpegForm
from mjpegd.pictures.normalise import Recode, Step
from mjpegd.sources.library import MAX_ENTRIES, FolderState, Library, Place
from mjpegd.sources.paths import is_hidden
from mjpegd.treatment import DECODED_FIRST
from mjpegd.wire.errors import JpegError, UnsupportedJpegError
from mjpegd.wire.jpeg_frame import MAX_SIDE_PIXELS
from mjpegd.wire.jpeg_image import JpegImage
from mjpegd.wire.packets import RTP_HEADER_BYTES
from mjpegd.wire.times import FrameTimes, SteadyTimes
from mjpegd.wishes import Wishes
from mjpegd.workshop import Made, Workshop

K = TypeVar("K")

# By their numbers, so many frames of a kind are enough to look at one of them.
NAMED_FRAMES = 5
# A file could give each of its frames a size and a reason of its own.
MAX_KINDS = 50
# A thread works at one frame, while another is on its way to it.
FRAMES_AT_ONCE = 8
# A damaged film could have as many warnings as it has frames.
MAX_WARNINGS = 20
# As most networks carry them.
_PAYLOAD_BYTES = 1400 - RTP_HEADER_BYTES
# Containers round times to milliseconds.
_ROUNDING_S = 0.0011
_PREFIX = "stream {stream}: "

# Width and height in pixels.
Size = tuple[int, int]
# What stands for kinds beyond those that are told apart.
OTHER_SIZES: Size = (0, 0)
OTHER_REASONS = "other reasons"


@dataclass(frozen=True, slots=True)
class Player:
    """Players that are sent the same.

    Attributes:
        name: For people.
        agent: What the daemon knows them by, in their User-Agent; empty for all others.
    """

    name: str
    agent: str

    @property
    def form(self) -> JpegForm:
        """What pictures must be like for them, unless their URL asks for something else."""
        return Wishes().form(self.agent)


PLAYERS = (
    Player("FFmpeg/mpv/OpenCV", "Lavf"),
    Player("GStreamer", "GStreamer"),
    Player("VLC/live555", "LIVE555"),
    Player("MediaMTX/gortsplib", "gortsplib"),
    Player("others", ""),
)
_FORMS = tuple(dict.fromkeys(player.form for player in PLAYERS))


@dataclass(frozen=True, slots=True)
class Treatment:
    """What becomes of a frame.

    Attributes:
        step: What is done to it; None where it is left out.
        reason: Why, in a few words; empty where nothing is done.
    """

    step: Step | None
    reason: str


# What becomes of films that are no MJPEG.
DECODED = Treatment(Step.ENCODED, DECODED_FIRST)


@dataclass(frozen=True, slots=True)
class Portion(Generic[K]):
    """Frames that are alike.

    Attributes:
        kind: In what they are alike.
        frames: How many there are.
        first: The numbers of the first of them, from 0.
    """

    kind: K
    frames: int
    first: tuple[int, ...]


class Tally(Generic[K]):
    """Counts frames by kind, in whatever order they come.

    Args:
        other: The kind that a frame is counted under when there are too many kinds already.
    """

    def __init__(self, other: Callable[[K], K]) -> None:
        self._other = other
        self._frames: Counter[K] = Counter()
        self._first: defaultdict[K, list[int]] = defaultdict(list)

    def add(self, kind: K, number: int) -> None:
        """One more frame."""
        if kind not in self._frames and len(self._frames) >= MAX_KINDS:
            kind = self._other(kind)
        self._frames[kind] += 1
        insort(self._first[kind], number)
        del self._first[kind][NAMED_FRAMES:]

    def portions(self) -> tuple[Portion[K], ...]:
        """What there is, in the order in which it first appears."""
        found = [Portion(k, n, tuple(self._first[k])) for k, n in self._frames.items()]
        return tuple(sorted(found, key=lambda portion: portion.first))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What players with the same needs get.

    Attributes:
        treatments: What is done to the frames.
        sizes: Width and height of the pictures that are sent, in pixels.
    """

    treatments: tuple[Portion[Treatment], ...]
    sizes: tuple[Portion[Size], ...]

    @property
    def lost_frames(self) -> int:
        """How many cannot be sent."""
        return sum(part.frames for part in self.treatments if part.kind.step is None)

    @property
    def dearest(self) -> Step | None:
        """The most that is done to any frame; None where none can be sent."""
        steps = {part.kind.step for part in self.treatments}
        return next((step for step in reversed(Step) if step in steps), None)


@dataclass(frozen=True, slots=True)
class Findings:
    """What is known of a film once its frames were tried.

    Attributes:
        container: For people.
        is_decoded: It is no MJPEG: its frames are decoded and made JPEGs.
        is_still: One picture, shown without end.
        frames: How many there are.
        examined: How many of them were tried, from the first on.
        rate: Frames per second.
        is_timed: The rate or times come from the file, not from a default.
        is_steady: All frames are shown for the same time.
        duration_s: From the first frame to the end of the last one.
        examined_s: The same of the frames that were tried.
        size_bytes: Of all JPEGs that were tried.
        largest_bytes: Of the largest of them.
        sizes: Width and height of the pictures in the film, in pixels.
        outcomes: By what players need.
        making_s: Of one core, that a frame takes that has to be coded anew, on average.
        hints: What could be installed so that less is lost.
    """

    container: str
    is_decoded: bool
    is_still: bool
    frames: int
    examined: int
    rate: Fraction
    is_timed: bool
    is_steady: bool
    duration_s: float
    examined_s: float
    size_bytes: int
    largest_bytes: int
    sizes: tuple[Portion[Size], ...]
    outcomes: dict[JpegForm, Outcome]
    making_s: float
    hints: tuple[str, ...]

    @property
    def plain(self) -> Outcome:
        """What players get of whom nothing is known."""
        return self.outcomes[PLAIN_FORM]

    @property
    def bits_per_s(self) -> float | None:
        """Of the film as it is stored; None where that means nothing."""
        if self.is_still or self.is_decoded or not self.examined_s:
            return None
        return self.size_bytes * 8 / self.examined_s


async def examine(
    source: IFrameSource,
    workshop: Workshop,
    limit: int | None,
    tell: Callable[[int, int], None],
) -> Findings:
    """Try the frames of a film as the daemon would serve them.

    Args:
        source: The film. Where frames have to be decoded, only the first is.
        workshop: Where pictures are made fit.
        limit: How many frames are tried at most; None for all.
        tell: Called with how many frames were tried, and how many there are to try.

    Raises:
        MediaError: The film cannot be read, or not any more.
    """
    while not source.complete:
        await source.grown()
    is_decoded = IRenderedSource.providedBy(source)
    limit = 1 if is_decoded else limit
    times = source.times
    frames = times.count
    count = frames if limit is None else min(limit, frames)
    trial = _Trial(source, workshop)
    await trial.run(count, tell)
    return Findings(
        container=source.kind,
        is_decoded=is_decoded,
        is_still=source.still,
        frames=frames,
        examined=count,
        rate=times.rate,
        is_timed=source.timed,
        is_steady=_is_steady(times),
        duration_s=times.end,
        examined_s=times.end if count == frames else times.time_of(count),
        size_bytes=trial.size_bytes,
        largest_bytes=trial.largest_bytes,
        sizes=trial.sizes.portions(),
        outcomes={
            form: Outcome(trial.treatments[form].portions(), trial.sent[form].portions())
            for form in _FORMS
        },
        making_s=trial.making_s / max(1, trial.made_frames),
        hints=tuple(sorted(trial.hints)),
    )


def _is_steady(times: FrameTimes) -> bool:
    steady = SteadyTimes(times.rate)
    return all(
        abs(times.time_of(number) - steady.time_of(number)) <= _ROUNDING_S
        for number in range(times.count)
    )


class _Trial:
    """Makes frames of one film fit for all kinds of players, and counts what it took."""

    def __init__(self, source: IFrameSource, workshop: Workshop) -> None:
        self.size_bytes = 0
        self.largest_bytes = 0
        self.made_frames = 0
        self.making_s = 0.0
        self.hints: set[str] = set()
        self.sizes = _size_tally()
        self.sent = {form: _size_tally() for form in _FORMS}
        self.treatments = {form: _treatment_tally() for form in _FORMS}
        self._source = source
        self._is_decoded = IRenderedSource.providedBy(source)
        self._workshop = workshop
        self._places = workshop.places()

    async def run(self, count: int, tell: Callable[[int, int], None]) -> None:
        """Try so many frames."""
        numbers = iter(range(count))

        async def try_next_ones() -> None:
            for number in numbers:
                await self._try(number)
                tell(number + 1, count)

        trying = [Deferred.fromCoroutine(try_next_ones()) for _ in range(FRAMES_AT_ONCE)]
        for _, result in await DeferredList(trying, consumeErrors=True):
            if isinstance(result, Failure):
                result.raiseException()

    async def _try(self, number: int) -> None:
        try:
            picture = await self._read(number)
            self.size_bytes += len(picture)
            self.largest_bytes = max(self.largest_bytes, len(picture))
            image = JpegImage.parse(picture)
        except JpegError as fault:
            for form in _FORMS:
                self.treatments[form].add(Treatment(None, str(fault)), number)
            return
        sent: dict[JpegForm, _Sent | JpegError] = {}
        for form in _FORMS:
            same = _as_it_matters(form, image)
            if same not in sent:
                sent[same] = await self._send(number, picture, same)
            self._note(number, form, sent[same])
        plain = sent[_as_it_matters(PLAIN_FORM, image)]
        # Each of two fields has half the lines.
        if image.header.is_field and isinstance(plain, _Sent):
            self.sizes.add(plain.size, number)
        else:
            self.sizes.add((image.width, image.height), number)

    def _read(self, number: int) -> "Deferred[bytes]":
        if IRenderedSource.providedBy(self._source):
            return self._source.render(number, PLAIN_RENDITION)
        return self._source.read(number)

    async def _send(self, number: int, picture: bytes, form: JpegForm) -> "_Sent | JpegError":
        """What becomes of a picture on the way to a player."""
        packing = JpegPacking(_PAYLOAD_BYTES, interleaved=False, form=form)
        try:
            if _is_packed(picture, packing):
                made = Made(packing.normalise(picture, None), is_new=False, seconds=0.0, hint="")
            else:
                made = await self._workshop.make(
                    (number, form), lambda: succeed(picture), packing, self._places
                )
                packing.pack(made.normal.picture)
            return _Sent(made, _size(made.normal.picture))
        except JpegError as fault:
            return fault

    def _note(self, number: int, form: JpegForm, sent: "_Sent | JpegError") -> None:
        if isinstance(sent, JpegError):
            self.treatments[form].add(Treatment(None, str(sent)), number)
            return
        made, normal = sent.made, sent.made.normal
        treatment = Treatment(normal.step, normal.reason)
        self.treatments[form].add(DECODED if self._is_decoded else treatment, number)
        self.sent[form].add(sent.size, number)
        if form == PLAIN_FORM and normal.step in {Step.RECODED, Step.ENCODED}:
            self.made_frames += 1
            self.making_s += made.seconds
        if made.hint:
            self.hints.add(made.hint)


@dataclass(frozen=True, slots=True)
class _Sent:
    made: Made
    size: Size


def _is_packed(picture: bytes, packing: JpegPacking) -> bool:
    """Whether a picture can be sent without work, which is found out quickly."""
    try:
        packing.pack(picture)
    except UnsupportedJpegError:
        return False
    return True


def _size_tally() -> Tally[Size]:
    return Tally(lambda _: OTHER_SIZES)


def _treatment_tally() -> Tally[Treatment]:
    return Tally(lambda kind: Treatment(kind.step, OTHER_REASONS))


def _size(picture: bytes) -> Size:
    image = JpegImage.parse(picture)
    return image.width, image.height


def _as_it_matters(form: JpegForm, image: JpegImage) -> JpegForm:
    """The form less what makes no difference for this picture, so that it is made only once."""
    is_big = max(image.width, image.height) > MAX_SIDE_PIXELS
    return replace(
        form,
        strips_restarts=form.strips_restarts and image.header.restart_interval > 0,
        big=form.big if is_big else Big.SCALE,
    )


# --- Films by their names -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Means:
    """What an examination needs of its surroundings.

    Attributes:
        library: The films below a folder.
        in_thread: How slow work is waited for.
        threads: How many pictures may be made fit at a time.
        recode: Codes a JPEG anew without loss; None where nothing fast enough is installed.
    """

    library: Callable[[Path], Library]
    in_thread: InThread
    threads: int
    recode: Recode | None


@dataclass(frozen=True, slots=True)
class Report:
    """What there is to say of one film.

    Attributes:
        name: As it was asked for.
        findings: What is known; None where it cannot be read.
        error: Why it cannot; otherwise empty.
        warnings: What the daemon's log would warn of.
    """

    name: str
    findings: Findings | None = None
    error: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def is_served(self) -> bool:
        """At least one frame of it can be sent."""
        return self.findings is not None and self.findings.plain.dearest is not None

    @property
    def is_whole(self) -> bool:
        """Nothing of it is lost."""
        outcomes = self.findings.outcomes.values() if self.findings else ()
        lost_frames = sum(outcome.lost_frames for outcome in outcomes)
        return self.is_served and not lost_frames and not self.warnings


async def films(name: str, means: Means) -> list[str]:
    """What is to be examined: a file itself, of a folder what the daemon would serve from it.

    Raises:
        MediaError: The folder holds no film.
    """
    if not await means.in_thread(partial(os.path.isdir, name)):
        return [name]
    library = means.library(Path(name))
    listings, _ = await library.listing(MAX_ENTRIES)
    if not listings:
        state = library.state()
        raise MediaError("holds no film" if state is FolderState.READABLE else state.value)
    paths = (unquote(listing.url_path, errors="surrogateescape") for listing in listings)
    return [str(Path(name, path)) for path in paths]


async def examined(
    name: str, limit: int | None, means: Means, tell: Callable[[int, int], None]
) -> Report:
    """Examine one film (see `examine`)."""
    with _warnings() as warnings:
        try:
            source = await _opened(name, means)
            try:
                workshop = Workshop(means.in_thread, means.threads, means.recode)
                findings = await examine(source, workshop, limit, tell)
            finally:
                source.close()
        except MediaError as error:
            return Report(name, error=str(error), warnings=tuple(warnings))
    return Report(name, findings, warnings=tuple(warnings))


async def _opened(name: str, means: Means) -> IFrameSource:
    path = Path(await means.in_thread(partial(os.path.realpath, name)))
    if await means.in_thread(partial(os.path.isdir, path)):
        library = means.library(path)
        return await library.open(await library.locate(""))
    if is_hidden(Path(name).name):
        raise MediaError("its name begins with a dot, which hides it from viewers")
    place = Place(path, path.name, (), is_folder=False)
    return await means.library(path.parent).open(place)


@implementer(ILogObserver)
class _Warnings:
    """What is logged that the operator of a daemon should know."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, event: LogEvent) -> None:
        if event["log_level"] >= LogLevel.warn and len(self.texts) < MAX_WARNINGS:
            text = (event.get("log_format") or "").removeprefix(_PREFIX)
            self.texts.append(formatEvent({**event, "log_format": text}))


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """The warnings that are logged meanwhile."""
    warnings = _Warnings()
    globalLogPublisher.addObserver(warnings)
    try:
        yield warnings.texts
    finally:
        globalLogPublisher.removeObserver(warnings)
