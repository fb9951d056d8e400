"""Sources and senders in memory; they keep the contracts that the real ones keep.

What the reactor would bring about, a test brings about itself: reads are released, films grow,
live frames are pushed, work in threads is cranked by hand.
"""

import socket
import struct
from collections.abc import Callable, Container, Sequence
from fractions import Fraction
from functools import cache
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor, IWriteDescriptor
from typing_extensions import override
from zope.interface import implementer

from mjpegd.errors import MediaBusyError, MediaChangedError
from mjpegd.interfaces import IFrameSource, ILiveSource, InThread, IPacketSender, IRenderedSource
from mjpegd.pictures.forms import Rendition
from mjpegd.pictures.normalise import Recode
from mjpegd.test.pictures import MAX_NUMBER, picture
from mjpegd.wire.packets import INTERLEAVED_PREFIX_BYTES, PacketTrain, RTPPacket
from mjpegd.wire.reports import Report, parse_compound
from mjpegd.wire.times import FrameTimes, ListedTimes, SteadyTimes
from mjpegd.workshop import Workshop

T = TypeVar("T")

_INTERLEAVED_MAGIC = ord("$")


def at_once(work: Callable[[], T], /) -> Deferred[T]:
    """A thread that is never late (see `mjpegd.interfaces.InThread`)."""
    return maybeDeferred(work)


class Crank:
    """A thread that works when somebody turns the handle.

    Attributes:
        turns: The work that waits, oldest first; a test may reorder it.
    """

    def __init__(self) -> None:
        self.turns: list[Callable[[], object]] = []

    def __call__(self, work: Callable[[], T], /) -> Deferred[T]:
        """Keep the work until it is its turn (see `mjpegd.interfaces.InThread`)."""
        result: Deferred[T] = Deferred()
        self.turns.append(lambda: maybeDeferred(work).chainDeferred(result))
        return result

    def turn(self) -> None:
        """Do the oldest work."""
        self.turns.pop(0)()

    def turn_all(self) -> None:
        """Do all work, and what comes of it."""
        while self.turns:
            self.turn()


@cache
def small_picture(number: int) -> bytes:
    """The JPEG of a frame of a `FakeFilm`; numbers beyond `MAX_NUMBER` begin again."""
    return picture(number % (MAX_NUMBER + 1), size=(32, 32))


def workshop(in_thread: InThread = at_once, recode: Recode | None = None) -> Workshop:
    """A workshop of one thread; without a library unless one is handed in."""
    return Workshop(in_thread, 1, recode)


@implementer(IFrameSource)
class FakeFilm:
    """A film in memory, whose frames show their numbers.

    Args:
        count: How many frames are known.
        rate: Frames per second.
        seconds: The time of each frame, instead of `count`.
        still: One picture without end.
        complete: No more will be found; otherwise `grow` finds some.
        broken: Numbers of frames that are no JPEGs.
        draw: The JPEG of a frame by its number.

    Attributes:
        draw: The JPEG of a frame by its number; a test may change it.
        is_busy: Nothing can be read just now.
        is_slow: `read_now` has nothing, and `read` waits for `release`.
        waiting: The numbers that wait for `release`, in the order in which they were asked for.
        read_numbers: Every number that was read, in order.
        checks: How often somebody looked whether the file is the same.
        is_closed: `close` was called.
        mean_bytes: What is told of the sizes of frames; a test may change it.
    """

    title = "fake.mjpeg"
    kind = "film in memory"
    timed = True

    def __init__(
        self,
        count: int = 24,
        rate: Fraction = Fraction(24),
        *,
        seconds: Sequence[float] | None = None,
        still: bool = False,
        complete: bool = True,
        broken: Container[int] = (),
        draw: Callable[[int], bytes] = small_picture,
    ) -> None:
        self.draw = draw
        self.complete = complete
        self.still = still
        self.times: FrameTimes = (
            SteadyTimes(rate, count) if seconds is None else _listed(rate, seconds)
        )
        self.is_busy = False
        self.is_slow = False
        self.mean_bytes: int | None = None
        self.read_numbers: list[int] = []
        self.checks = 0
        self.is_closed = False
        self._broken = broken
        self._changed: str | None = None
        self._reads: list[tuple[int, Deferred[bytes]]] = []
        self._growing: list[Deferred[None]] = []

    @property
    def waiting(self) -> list[int]:
        """The numbers that wait for `release`."""
        return [number for number, _ in self._reads]

    def grow(self, count: int = 0, *, complete: bool = False) -> None:
        """So many more frames are found; `complete` says that they were the last."""
        for _ in range(count):
            if isinstance(self.times, ListedTimes):
                end_s = self.times.end
                self.times.append(end_s)
            elif isinstance(self.times, SteadyTimes):
                self.times.count += 1
        self.complete = complete
        growing, self._growing = self._growing, []
        for waiting in growing:
            waiting.callback(None)

    def release(self, count: int | None = None) -> None:
        """Let so many reads be done, the oldest first; all of them if no number is told."""
        released = self._reads[:count]
        del self._reads[:count]
        for number, reading in released:
            maybeDeferred(self._read, number).chainDeferred(reading)

    def change(self, reason: str = "the file was replaced") -> None:
        """Somebody replaces the file."""
        self._changed = reason

    def grown(self) -> Deferred[None]:
        """Fires when more frames are known (see `IFrameSource`)."""
        if self.complete or self.is_closed:
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        self._growing.append(waiting)
        return waiting

    def check(self) -> Deferred[None]:
        """Look whether `change` was called (see `IFrameSource`)."""
        self.checks += 1
        return fail(MediaChangedError(self._changed)) if self._changed else succeed(None)

    def read_now(self, number: int) -> bytes | None:
        """The JPEG with this number (see `IFrameSource`)."""
        return None if self.is_slow or self.is_busy else self._read(number)

    def read(self, number: int) -> Deferred[bytes]:
        """The JPEG with this number (see `IFrameSource`)."""
        if not self.is_slow:
            return maybeDeferred(self._read, number)
        reading: Deferred[bytes] = Deferred()
        self._reads.append((number, reading))
        return reading

    def close(self) -> None:
        """Nothing is held; who waits for more frames is told (see `IFrameSource`)."""
        self.is_closed = True
        self.grow(complete=self.complete)

    def _read(self, number: int) -> bytes:
        if self._changed:
            raise MediaChangedError(self._changed)
        if self.is_busy:
            raise MediaBusyError("Too many open files")
        if not 0 <= number < self.times.count:
            raise IndexError(number)
        self.read_numbers.append(number)
        return b"\xff\xd8 no JPEG" if number in self._broken else self.draw(number)


@implementer(IRenderedSource)
class FakeVideo(FakeFilm):
    """A film in memory that is no JPEG.

    Attributes:
        rendered: The number and the rendition of every frame that was asked for.
    """

    def __init__(self, count: int = 24) -> None:
        super().__init__(count)
        self.rendered: list[tuple[int, Rendition]] = []

    @override
    def read_now(self, number: int) -> bytes | None:
        """Nothing can be had without decoding (see `IFrameSource`)."""
        return None

    def granted(self, rendition: Rendition) -> Rendition:
        """Whatever is asked for (see `IRenderedSource`)."""
        return rendition

    def render(self, number: int, rendition: Rendition) -> Deferred[bytes]:
        """The frame as a JPEG (see `IRenderedSource`)."""
        self.rendered.append((number, rendition))
        return self.read(number)


def _listed(rate: Fraction, seconds: Sequence[float]) -> ListedTimes:
    times = ListedTimes(rate)
    for moment_s in seconds:
        times.append(moment_s)
    return times


Listener = Callable[[bytes, float], None]


@implementer(ILiveSource)
class FakeLive:
    """A live source whose frames come when a test pushes them.

    Attributes:
        listeners: Who gets the frames.
        is_closed: `close` was called.
    """

    title = "fake live"
    kind = "pushed"

    def __init__(self, rate: float = 25.0) -> None:
        self.rate = rate
        self.listeners: list[Listener] = []
        self.is_closed = False

    def push(self, jpeg: bytes, seconds: float) -> None:
        """A frame comes."""
        for listener in list(self.listeners):
            listener(jpeg, seconds)

    def subscribe(self, listener: Listener) -> None:
        """Call the listener for each frame from now on (see `ILiveSource`)."""
        self.listeners.append(listener)

    def unsubscribe(self, listener: Listener) -> None:
        """Call this listener no more (see `ILiveSource`)."""
        if listener in self.listeners:
            self.listeners.remove(listener)

    def close(self) -> None:
        """End (see `ILiveSource`)."""
        self.listeners.clear()
        self.is_closed = True


@implementer(IPacketSender)
class RecordingSender:
    """A viewer's way that leads nowhere: it keeps what it is given, taken apart.

    Attributes:
        trains: The packets of each frame.
        channels: The interleaved channel of each train; None for one that is for UDP.
        spreads_s: Over how many seconds each train might be spread.
        reports: Each RTCP compound packet.
        flushes: How often `flush` was called.
        discards: How often `discard` was called.
        is_closed: `close` was called.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self.errors = 0
        self.last_error = ""
        self.remark = ""
        self.trains: list[list[RTPPacket]] = []
        self.channels: list[int | None] = []
        self.spreads_s: list[float] = []
        self.reports: list[list[Report]] = []
        self.flushes = 0
        self.discards = 0
        self.is_closed = False

    def send_train(self, train: PacketTrain, spread_s: float) -> None:
        """Keep the packets of one frame (see `IPacketSender`)."""
        if self.is_closed:
            return
        is_interleaved = train.buffer[0] == _INTERLEAVED_MAGIC
        prefix_bytes = INTERLEAVED_PREFIX_BYTES if is_interleaved else 0
        self.trains.append(
            [RTPPacket.parse(bytes(packet[prefix_bytes:])) for packet in train.packets()]
        )
        self.channels.append(train.buffer[1] if is_interleaved else None)
        self.spreads_s.append(spread_s)

    def send_report(self, compound: bytes) -> None:
        """Keep the reports (see `IPacketSender`)."""
        if not self.is_closed:
            self.reports.append(parse_compound(compound))

    def flush(self) -> None:
        """Nothing waits (see `IPacketSender`)."""
        self.flushes += 1

    def discard(self) -> None:
        """Nothing waits (see `IPacketSender`)."""
        self.discards += 1

    def close(self) -> None:
        """Keep nothing more (see `IPacketSender`)."""
        self.is_closed = True


@implementer(IReactorFDSet)
class DescriptorReactor:
    """A reactor for those who wait until they can read or write.

    Attributes:
        readers: Who waits to read.
        writers: Who waits to write.
        asked: How often somebody began to.
    """

    def __init__(self) -> None:
        self.readers: list[IReadDescriptor] = []
        self.writers: list[IWriteDescriptor] = []
        self.asked = 0

    def has_room(self) -> None:
        """Everybody who waits can write now."""
        for writer in list(self.writers):
            writer.doWrite()

    def addWriter(self, writer: IWriteDescriptor) -> None:
        """Tell it when it can write (see IReactorFDSet)."""
        self.asked += 1
        if writer not in self.writers:
            self.writers.append(writer)

    def removeWriter(self, writer: IWriteDescriptor) -> None:
        """Tell it nothing more (see IReactorFDSet)."""
        if writer in self.writers:
            self.writers.remove(writer)

    def getWriters(self) -> list[IWriteDescriptor]:
        """Who waits (see IReactorFDSet)."""
        return self.writers

    def addReader(self, reader: IReadDescriptor) -> None:
        """Tell it when it can read (see IReactorFDSet)."""
        self.readers.append(reader)

    def removeReader(self, reader: IReadDescriptor) -> None:
        """Tell it nothing more (see IReactorFDSet)."""
        if reader in self.readers:
            self.readers.remove(reader)

    def getReaders(self) -> list[IReadDescriptor]:
        """Who reads (see IReactorFDSet)."""
        return self.readers

    def removeAll(self) -> list[IReadDescriptor | IWriteDescriptor]:
        """All who wait (see IReactorFDSet)."""
        gone: list[IReadDescriptor | IWriteDescriptor] = [*self.readers, *self.writers]
        self.readers, self.writers = [], []
        return gone


# What Linux tells of a connection (tcp(7), TCP_INFO): its states, then numbers.
FAR_INFO = struct.Struct("@8s13I")
TOLD_BYTES = FAR_INFO.size
UNACKED, LAST_ACK_RECV = 5, 13


class FarSocket(socket.socket):
    """A connection whose other end acknowledges what the test says; nothing can be sent on it.

    Attributes:
        unacked: Segments that are on their way.
        silent_ms: For how long none was acknowledged.
        told_bytes: How much the system tells at most.
        refusal: What the system says instead.
    """

    unacked = 0
    silent_ms = 0
    told_bytes = TOLD_BYTES
    refusal: OSError | None = None

    @override
    def getsockopt(self, *asked: int) -> Any:  # Any: a number, or bytes
        """See socket.socket; what else is asked the system tells."""
        if asked[1] != socket.TCP_INFO:
            return super().getsockopt(*asked)
        if self.refusal is not None:
            raise self.refusal
        numbers = [0] * 13
        numbers[UNACKED - 1], numbers[LAST_ACK_RECV - 1] = self.unacked, self.silent_ms
        return FAR_INFO.pack(bytes(8), *numbers)[: min(asked[2], self.told_bytes)]

    @override
    def send(self, *_: object) -> int:
        """There is no room (see socket.socket)."""
        raise BlockingIOError
