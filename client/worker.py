"""A thread of its own for work that never stops coming, which a pool would hand on at more cost."""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

T = TypeVar("T")


class Worker:
    """Does one piece of work after another (see `client.pictures.InThread`).

    A pool's thread is woken, and heard from, through several layers of locks; this one through a
    queue.

    Args:
        reactor: Where results come back.
    """

    def __init__(self, reactor: IReactorFromThreads) -> None:
        self._reactor = reactor
        self._works: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        # What it still does when the process ends is of no use to anybody.
        self._thread = Thread(target=self._do_all, name="worker", daemon=True)
        self._thread.start()

    def __call__(self, work: Callable[[], T], /) -> "Deferred[T]":
        """Run ``work`` in the thread; its result, or what it raised, comes back in the reactor."""
        done: Deferred[T] = Deferred()

        def do() -> None:
            try:
                result = work()
            except Exception:  # Whoever asked for the work gets it.
                self._reactor.callFromThread(done.errback, Failure())
            else:
                self._reactor.callFromThread(done.callback, result)

        self._works.put(do)
        return done

    def close(self) -> None:
        """Let the thread end when it has done what it was given; nothing may be given any more."""
        self._works.put(None)

    def _do_all(self) -> None:
        while (do := self._works.get()) is not None:
            do()
