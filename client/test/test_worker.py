"""Tests of `client.worker`."""

from collections.abc import Callable
from functools import partial
from queue import Queue
from threading import current_thread

from twisted.internet.interfaces import IReactorFromThreads
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override
from zope.interface import implementer
from zope.interface.verify import verifyObject

from ..worker import Worker


@implementer(IReactorFromThreads)
class Inbox:
    """A reactor that takes calls from threads, and makes them when a test says so."""

    def __init__(self) -> None:
        self._calls: Queue[Callable[[], object]] = Queue()

    def callFromThread(  # noqa: N802 - of IReactorFromThreads
        self,
        callable: Callable[..., object],  # noqa: A002 - likewise
        *args: object,
        **kwargs: object,
    ) -> None:
        self._calls.put(lambda: callable(*args, **kwargs))

    def turn(self) -> None:
        """Make the next call, when it has come."""
        self._calls.get(timeout=60)()


class WorkerTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.inbox = Inbox()
        self.worker = Worker(self.inbox)
        self.addCleanup(self.worker.close)

    def test_inbox_is_what_a_worker_needs_of_a_reactor(self) -> None:
        verifyObject(IReactorFromThreads, self.inbox)

    def test_result_comes_back_in_the_reactor(self) -> None:
        done = self.worker(lambda: 7)
        self.assertNoResult(done)

        self.inbox.turn()

        self.assertEqual(self.successResultOf(done), 7)

    def test_work_is_done_in_one_thread_that_is_not_the_reactors(self) -> None:
        threads = [self.worker(current_thread) for _ in range(3)]
        for _ in threads:
            self.inbox.turn()

        first, *others = map(self.successResultOf, threads)
        self.assertIsNot(first, current_thread())
        self.assertEqual(others, [first, first])

    def test_work_is_done_in_the_order_it_was_given(self) -> None:
        order: list[int] = []
        for number in range(3):
            self.worker(partial(order.append, number))
        for _ in range(3):
            self.inbox.turn()

        self.assertEqual(order, [0, 1, 2])

    def test_what_work_raises_comes_back_and_the_next_is_done(self) -> None:
        broken, whole = self.worker(lambda: 1 // 0), self.worker(lambda: 7)
        for _ in range(2):
            self.inbox.turn()

        self.failureResultOf(broken, ZeroDivisionError)
        self.assertEqual(self.successResultOf(whole), 7)

    def test_ends_when_it_is_closed_and_what_it_was_given_is_done(self) -> None:
        done = self.worker(current_thread)

        self.worker.close()
        self.inbox.turn()

        thread = self.successResultOf(done)
        thread.join(timeout=60)
        self.assertFalse(thread.is_alive())
