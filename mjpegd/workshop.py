"""Where pictures are made fit for viewers: in threads, within bounds of cores and bytes."""

import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from twisted.internet.defer import Deferred, DeferredSemaphore, fail, succeed
from twisted.python.failure import Failure

from mjpegd.cache import ByteCache
from mjpegd.interfaces import InThread
from mjpegd.packing import Packing
from mjpegd.pictures.normalise import Normal, Recode
from mjpegd.wire.errors import JpegError, UnsupportedJpegError

# What codes JPEGs anew without loss, and how one comes by it.
LIBRARY = "libturbojpeg (Debian: apt install libturbojpeg0; Homebrew: jpeg-turbo)"
# What all threads together may have in hand. A picture that needs more is worked at alone.
WORK_BYTES = 256 << 20
# Pictures are kept for viewers that want the same ones in other packets, or a little later.
KEPT_BYTES = 32 << 20
# For each thread one picture of a film is worked at while the next is read from the disk.
PLACES_PER_THREAD = 2


@dataclass(frozen=True, slots=True)
class Made:
    """A picture that was made fit.

    Attributes:
        normal: What became of it.
        is_new: It is another picture than the one that was read.
        seconds: Of one core, that it took.
        hint: What the operator could do to lose nothing; empty where nothing was lost in vain.
    """

    normal: Normal
    is_new: bool
    seconds: float
    hint: str


class UnwantedError(Exception):
    """Nobody waits for a picture any more whose turn has come."""


@dataclass(frozen=True, slots=True)
class _Customer:
    """Who waits for a picture."""

    made: "Deferred[Made]"
    is_waiting: Callable[[], bool]


class Workshop:
    """Makes each picture once for each form, however many viewers want it.

    Args:
        in_thread: How work leaves the reactor, for as many threads as may work at a time.
        threads: How many these are.
        recode: Codes a JPEG anew without loss; None where nothing fast enough is installed.
    """

    def __init__(self, in_thread: InThread, threads: int, recode: Recode | None) -> None:
        self.recode = recode
        self._in_thread = in_thread
        self._threads = threads
        self._free_bytes = WORK_BYTES
        self._queue: deque[tuple[int, Deferred[None]]] = deque()
        self._made: ByteCache[Made | JpegError] = ByteCache(KEPT_BYTES, _size_bytes)
        self._coming: dict[Hashable, list[_Customer]] = {}

    @property
    def kept_bytes(self) -> int:
        """What the pictures hold that are kept."""
        return self._made.held_bytes

    def places(self) -> DeferredSemaphore:
        """One for each picture that a film may have in hand; others wait for none of them."""
        return DeferredSemaphore(self._threads * PLACES_PER_THREAD)

    def at_hand(self, key: Hashable) -> Made | None:
        """A picture that was made lately.

        Raises:
            JpegError: It could not be made.
        """
        found = self._made.get(key)
        if isinstance(found, JpegError):
            raise anew(found)
        return found

    def make(
        self,
        key: Hashable,
        read: Callable[[], "Deferred[bytes]"],
        packing: Packing,
        places: DeferredSemaphore,
        is_waiting: Callable[[], bool] = lambda: True,
    ) -> "Deferred[Made]":
        """Read a picture when it is its turn, and make it fit.

        Fails with JpegError where that cannot be done, as ``read`` fails, and with UnwantedError
        where nobody waits for it any more when it is its turn.

        Args:
            key: Names picture and form; who asks for the same meanwhile gets the same.
            read: Where the picture comes from.
            packing: What it has to be fit for.
            places: Of the film that it belongs to: a disk or a decoder that hangs, and a film
                with many viewers, hold up no other film.
            is_waiting: Whether who asks still wants it.
        """
        found = self._made.get(key)
        if found is not None:
            return fail(anew(found)) if isinstance(found, JpegError) else succeed(found)
        customer = _Customer(Deferred(), is_waiting)
        customers = self._coming.setdefault(key, [])
        customers.append(customer)
        if len(customers) == 1:
            done = Deferred.fromCoroutine(self._make(key, read, packing, places))
            done.addBoth(lambda result: self._arrived(key, result))
        return customer.made

    def _arrived(self, key: Hashable, result: Made | Failure) -> None:
        if isinstance(result, Made):
            self._made.put(key, result)
        elif isinstance(result.value, JpegError):
            self._made.put(key, anew(result.value))
        for customer in self._coming.pop(key):
            customer.made.callback(result)

    async def _make(
        self,
        key: Hashable,
        read: Callable[[], "Deferred[bytes]"],
        packing: Packing,
        places: DeferredSemaphore,
    ) -> Made:
        await places.acquire()
        try:
            if not any(customer.is_waiting() for customer in self._coming[key]):
                raise UnwantedError
            picture = await read()
            return await self._worked_at(picture, packing)
        finally:
            places.release()

    async def _worked_at(self, picture: bytes, packing: Packing) -> Made:
        taken_bytes = min(packing.working_bytes(picture), WORK_BYTES)
        await self._take(taken_bytes)
        try:
            return await self._in_thread(lambda: _timed(packing, picture, self.recode))
        finally:
            self._give_back(taken_bytes)

    async def _take(self, size_bytes: int) -> None:
        """Wait until so much memory may be used; who came first goes first."""
        if self._queue or size_bytes > self._free_bytes:
            turn: Deferred[None] = Deferred()
            self._queue.append((size_bytes, turn))
            await turn
        else:
            self._free_bytes -= size_bytes

    def _give_back(self, size_bytes: int) -> None:
        self._free_bytes += size_bytes
        while self._queue and self._queue[0][0] <= self._free_bytes:
            size_bytes, turn = self._queue.popleft()
            self._free_bytes -= size_bytes
            turn.callback(None)


def anew(error: JpegError) -> JpegError:
    """The same error without its traceback, which holds pictures and grows with each raise."""
    return type(error)(*error.args)


def _timed(packing: Packing, picture: bytes, recode: Recode | None) -> Made:
    began_s = time.thread_time()
    try:
        normal = packing.normalise(picture, recode)
    except MemoryError:
        raise UnsupportedJpegError("there is too little memory for it") from None
    hint = f"nothing would be lost with {LIBRARY}" if normal.is_lossy_in_vain else ""
    is_new = normal.picture is not picture
    return Made(normal, is_new, time.thread_time() - began_s, hint)


def _size_bytes(made: Made | JpegError) -> int:
    # An exception and its text, or a picture.
    return len(made.normal.picture) if isinstance(made, Made) else 500
