"""The log of a worker: each event is a line to the acceptor, which repeats it as its own."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

from twisted.logger import (
    ILogObserver,
    InvalidLogLevelError,
    LogEvent,
    Logger,
    LogLevel,
    eventAsText,
)
from zope.interface import implementer

from mjpegd.logs import shown

# A worker writes nothing longer; where it does not end its lines, something is broken.
MAX_LINE_BYTES = 1 << 20


@implementer(ILogObserver)
class Teller:
    """Writes the events of a worker.

    Args:
        out: Where the acceptor reads.
    """

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def __call__(self, event: LogEvent) -> None:
        """Write one event."""
        level = event.get("log_level") or LogLevel.info
        namespace = event.get("log_namespace") or "-"
        text = eventAsText(event, includeTimestamp=False, includeSystem=False)
        line = json.dumps([level.name, namespace, text]) + "\n"
        # Where the acceptor is gone nobody reads, and the worker is about to end.
        with suppress(OSError):
            self._out.write(line.encode())
            self._out.flush()


class Lines:
    """Cuts what comes into lines.

    Args:
        take: Called with each, without its end.
    """

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._begun = b""

    def feed(self, data: bytes) -> None:
        """More has come."""
        *lines, self._begun = (self._begun + data).split(b"\n")
        for line in lines:
            self._take(line)
        if len(self._begun) > MAX_LINE_BYTES:
            self._take(self._begun)
            self._begun = b""


def repeat(worker: int, line: bytes) -> None:
    """Log an event of a worker."""
    try:
        level, namespace, text = json.loads(line)
        level = LogLevel.levelWithName(level)
    except (ValueError, TypeError, InvalidLogLevelError):
        complain(worker, line)
        return
    Logger(namespace).emit(level, "[worker {worker}] {text}", worker=worker, text=text)


def complain(worker: int, line: bytes) -> None:
    """Log what a worker wrote that is no event: Python's last words, mostly."""
    Logger("mjpegd.workers").warn(
        "[worker {worker}] {text}", worker=worker, text=shown(line.decode(errors="replace"))
    )
