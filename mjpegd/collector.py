"""Python's collector of cycles, which halts everybody while it looks at all there is: seldom."""

import gc
from collections.abc import Callable, Mapping
from typing import Any, cast

# How many collections of what is newer come before one of everything; Python's own number is 10.
# Connections and sessions that have ended are no cycles, and need no collector.
YOUNGER_COLLECTIONS = 100
# After so many pieces of work all that they have made is looked at, which takes a millisecond or
# two. Python counts what was made less what was freed: where as many connections come as go, it
# would look at nothing until ten thousands of objects are new, and then halt for several frames.
PIECES_OF_WORK = 128
# While frames are due, all there is is looked at no more often.
EVERYTHING_S = 600.0
# More collections than there ever are.
_NEVER = 1 << 30
_YOUNGER, _ALL = 1, 2


def settle() -> None:
    """All that there is now will stay: let the collector not look at it again, and seldom at all.

    A thousand connections are some hundred thousand objects, and looking at them takes as long as
    several frames are apart.
    """
    gc.collect()
    gc.freeze()
    newest, younger, _ = gc.get_threshold()
    gc.set_threshold(newest, younger, YOUNGER_COLLECTIONS)


class Collector:
    """Lets the collector look at little at a time, in a process that has frames to send.

    Args:
        seconds: Time.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._pieces = 0
        self._next_s = 0.0

    def start(self) -> None:
        """Everything is looked at when it is time for it, however much is new."""
        gc.callbacks.append(self._looked)
        self._done()

    def stop(self) -> None:
        """Let it be as it was; harmless where it was not begun."""
        if self._looked in gc.callbacks:
            gc.callbacks.remove(self._looked)
            self._look_at_everything_after(YOUNGER_COLLECTIONS)

    def worked(self) -> None:
        """A piece of work was done, such as letting a connection in, or answering on it."""
        self._pieces += 1
        if self._pieces == PIECES_OF_WORK:
            self._pieces = 0
            gc.collect(_YOUNGER)

    def _looked(self, phase: str, about: Mapping[str, Any]) -> None:  # Any: of gc.callbacks
        if phase != "stop":
            return
        generation = cast(int, about["generation"])
        if generation == _ALL:
            self._done()
        elif self._seconds() >= self._next_s:
            # Python still does it only where what is new is a quarter of what was there.
            self._look_at_everything_after(0)

    def _done(self) -> None:
        self._next_s = self._seconds() + EVERYTHING_S
        self._look_at_everything_after(_NEVER)

    def _look_at_everything_after(self, collections: int) -> None:
        newest, younger, _ = gc.get_threshold()
        gc.set_threshold(newest, younger, collections)
