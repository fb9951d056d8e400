"""A film whose pictures take long to be made fit: its clock waits for them, and it stays whole."""

from collections import deque
from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import TypeVar

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from typing_extensions import override

from mjpegd.playout import FilmPlayout
from mjpegd.stream import FilmStream, train_cache
from mjpegd.test.fakes import FakeFilm, workshop
from mjpegd.test.pictures import picture
from mjpegd.test.test_playout import PACKING, PlayoutTestCase
from mjpegd.timetable import Timetable
from mjpegd.wire.recode import recode
from mjpegd.wishes import Wishes

T = TypeVar("T")

FRAMES = 48
RATE = 24
TICKS = 3750  # of RTP, from frame to frame


class SlowThread:
    """A thread that takes its time on a clock; one piece of work comes after the other.

    Args:
        clock: The clock.
        cost_s: How long the next piece of work takes.
    """

    def __init__(self, clock: Clock, cost_s: Callable[[], float]) -> None:
        self._clock = clock
        self._cost_s = cost_s
        self._queue: deque[Callable[[], object]] = deque()

    def __call__(self, work: Callable[[], T], /) -> Deferred[T]:
        """Do it when all before it is done (see `mjpegd.interfaces.InThread`)."""
        result: Deferred[T] = Deferred()
        self._queue.append(lambda: maybeDeferred(work).chainDeferred(result))
        if len(self._queue) == 1:
            self._begin()
        return result

    def _begin(self) -> None:
        self._clock.callLater(self._cost_s(), self._finish)

    def _finish(self) -> None:
        self._queue[0]()
        self._queue.popleft()
        if self._queue:
            self._begin()


class SlowConversionTests(PlayoutTestCase):
    @override
    def setUp(self) -> None:
        super().setUp()
        self.recoded = 0

    def recode(self, data: bytes) -> bytes:
        """Count, and do it."""
        self.recoded += 1
        return recode(data)

    def watch(self, cost_s: Callable[[], float], seconds: float) -> None:
        """Play a film whose pictures take so long, one by one."""
        film = FakeFilm(FRAMES, draw=lambda number: picture(number, (32, 32), mode="L"))
        works = workshop(SlowThread(self.clock, cost_s), self.recode)
        self.stream = FilmStream(film, train_cache(10_000_000), works)
        self.stream.join(self.viewer)
        playout = FilmPlayout(
            self.stream, Wishes(), PACKING, Timetable(self.clock), self.viewer, endless=False
        )
        self.play(playout)
        self.pass_s(seconds)

    def assert_whole(self) -> None:
        """Every frame came once and in order, at the film's own RTP times."""
        self.assertEqual(self.viewer.numbers(), [*range(FRAMES)])
        self.assertEqual(self.viewer.skips, [])
        self.assertEqual({b - a for a, b in pairwise(self.viewer.ticks())}, {TICKS})
        self.assertEqual(self.recoded, FRAMES)

    def test_film_that_is_made_in_time_does_not_wait(self) -> None:
        self.watch(lambda: 0.9 / RATE, 1.5 * FRAMES / RATE)

        self.assert_whole()
        self.assertEqual(self.viewer.holds_s, [])

    def test_film_that_is_made_at_half_its_rate_takes_twice_its_time(self) -> None:
        self.watch(lambda: 2 / RATE, 2.5 * FRAMES / RATE)

        self.assert_whole()
        moments_s = self.viewer.moments_s()
        lasted_s = moments_s[-1] - moments_s[0]
        self.assertApproximates(lasted_s, 2 * (FRAMES - 1) / RATE, 0.3)
        # The viewer is told of all of it but what may be caught up.
        self.assertApproximates(sum(self.viewer.holds_s), lasted_s / 2, 0.3)

    def test_one_picture_that_takes_long_holds_the_film_once(self) -> None:
        costs_s = iter([0.01] * 20 + [2.0] + [0.01] * FRAMES)
        self.watch(lambda: next(costs_s), 4.5)

        self.assert_whole()
        [held_s] = self.viewer.holds_s
        self.assertApproximates(held_s, 2.0, 0.3)

    def test_whatever_each_picture_takes_and_however_coarse_timers_are(self) -> None:
        for seed in range(20):
            self.setUp()
            random = Random(seed)
            costs_s = random.choice((0.06, 0.1, 0.3, 0.6)), random.choice((0.002, 0.01, 0.04))
            self.watch_coarsely(random, *costs_s)

            self.assert_whole()

    def watch_coarsely(self, random: Random, most_s: float, most_step_s: float) -> None:
        """Play a film whose pictures take so long at most, with timers that are so late at most."""
        self.watch(lambda: random.uniform(0.001, most_s), 0)
        until_s = self.clock.seconds() + (most_s + most_step_s) * FRAMES + 3
        while self.clock.seconds() < until_s:
            self.clock.advance(random.uniform(0.001, most_step_s))
