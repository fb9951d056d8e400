"""The decoding process: a film that is no MJPEG, its frames found, decoded and made into JPEGs.

The daemon starts it with the film as an open file, and speaks with it through its standard input
and output (`mjpegd.sources.decoder_messages`). Before it looks at the film it gives up what it does
not need: new files and connections of any kind, writing files, memory beyond a limit.
"""

import contextlib
import os
import resource
import select
import signal
import sys
from collections import deque
from collections.abc import Iterator

from av.error import FFmpegError
from PIL import Image

from mjpegd.sources.decoder_frames import VideoDecoder
from mjpegd.sources.decoder_messages import (
    EXIT_OUT_OF_MEMORY,
    DecoderLimits,
    Kind,
    Message,
    MessageSplitter,
    Order,
    Task,
)
from mjpegd.sources.indexing import BATCH_S

# Where the daemon puts the film.
FILM_DESCRIPTOR = 3
# While orders wait, the index gets this much time between two of them.
_BUSY_BATCH_S = 0.01
_NICENESS = 5
# How much processor time the hard limit leaves beyond the one that is watched.
_SPARE_CPU_S = 10


class Worker:
    """What the process does, message by message, without the pipes.

    Args:
        descriptor: The film's open file.
        task: What it is, and what decoding it may cost.
    """

    def __init__(self, descriptor: int, task: Task) -> None:
        self._descriptor = descriptor
        self._task = task
        self._splitter = MessageSplitter()
        self._orders: deque[Message] = deque()
        self._decoder: VideoDecoder | None = None
        self._is_refused = False

    @property
    def is_idle(self) -> bool:
        """There is nothing to do until the daemon says something."""
        return not self._orders and (self._decoder is None or self._decoder.index.complete)

    def open(self) -> Iterator[Message]:
        """Look at the film: what it is, or why it cannot be decoded."""
        try:
            self._decoder = VideoDecoder(self._descriptor, self._task)
            yield Message(Kind.OPENED, body=self._decoder.opening().to_bytes())
        except Exception as error:  # whatever a file does to FFmpeg
            self._is_refused = True
            yield Message(Kind.REFUSED, body=_reason(error))

    def receive(self, data: bytes) -> None:
        """Take in what the daemon has written."""
        self._orders += self._splitter.feed(data)
        if self._is_refused:
            self._orders.clear()

    def work(self) -> Iterator[Message]:
        """Answer one order if its frame is known, and look for some more frames."""
        decoder = self._decoder
        if decoder is None:
            return
        if self._orders and decoder.knows(Order.parse(self._orders[0].body)):
            yield self._answer(decoder, self._orders.popleft())
        if not decoder.index.complete:
            batch = decoder.index.next_batch(_BUSY_BATCH_S if self._orders else BATCH_S)
            yield Message(Kind.FRAMES, body=batch.to_bytes())

    @staticmethod
    def _answer(decoder: VideoDecoder, order: Message) -> Message:
        try:
            return Message(Kind.PICTURE, order.tag, decoder.picture(Order.parse(order.body)))
        except Exception as error:  # whatever a file does to FFmpeg
            return Message(Kind.BROKEN, order.tag, _reason(error))


def _reason(error: Exception) -> bytes:
    """What the daemon is told; a process without memory for its own work tells nothing more."""
    if isinstance(error, MemoryError) and not isinstance(error, FFmpegError):
        raise error
    text = error.strerror if isinstance(error, FFmpegError) else str(error)
    return (text or type(error).__name__).encode(errors="replace")


# What follows is what a process does to itself for good (its rights, its limits, its standard
# streams), so tests start one, whose lines are not counted.


def give_up_rights(limits: DecoderLimits) -> None:  # pragma: no cover -- see above
    """Open and write nothing from now on, use no more memory than this, and yield to others."""
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    for what, most in (
        (resource.RLIMIT_NOFILE, FILM_DESCRIPTOR + 1),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, limits.memory_bytes),
    ):
        _, hard = resource.getrlimit(what)
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (least, least))


def grant_time(limits: DecoderLimits) -> None:  # pragma: no cover -- see above
    """What the system ends this process after: a loop in a decoder never looks at a clock."""
    used_s = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(used_s + limits.decode_s) + _SPARE_CPU_S
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _serve(worker: Worker, limits: DecoderLimits) -> None:  # pragma: no cover -- see above
    grant_time(limits)
    _write(worker.open())
    while True:
        readable, _, _ = select.select([0], [], [], None if worker.is_idle else 0)
        if readable:
            data = os.read(0, 1 << 16)
            if not data:
                return
            worker.receive(data)
        grant_time(limits)
        _write(worker.work())


def _write(messages: Iterator[Message]) -> None:  # pragma: no cover -- see above
    for message in messages:
        rest = memoryview(message.to_bytes())
        while rest:
            rest = rest[os.write(1, rest) :]


def main(arguments: list[str]) -> int:  # pragma: no cover -- see above
    """Serve one film to the daemon that started this process, until it closes the pipe."""
    # These are meant for the daemon; this process ends when the pipe does.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    task = Task.parse(arguments[0])
    Image.preinit()
    give_up_rights(task.limits)
    try:
        _serve(Worker(FILM_DESCRIPTOR, task), task.limits)
    except MemoryError:
        return EXIT_OUT_OF_MEMORY
    except BrokenPipeError:
        pass
    return 0


if __name__ == "__main__":  # pragma: no cover -- see above
    sys.exit(main(sys.argv[1:]))
