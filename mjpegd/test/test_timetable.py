"""`mjpegd.timetable`: a clock that serves everybody from one timer of the reactor."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import Clock, LoopingCall
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override
from zope.interface.verify import verifyObject

from mjpegd.timetable import MOMENTS_PER_S, TURN_S, Timetable

MOMENT_S = 1 / MOMENTS_PER_S
DELAYS_S = st.floats(0, 2)


class CountingClock(Clock):
    """A reactor's time that counts the timers that it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.timers = 0

    @override
    def callLater(
        self,
        delay: float,
        callable: Callable[..., object],
        *args: object,
        **kw: object,
    ) -> IDelayedCall:
        self.timers += 1
        return super().callLater(delay, callable, *args, **kw)


class TimetableTestCase(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.reactor = CountingClock()
        self.reactor.advance(1_000_000.1)  # a moment with a long fraction
        self.began_s = self.reactor.seconds()
        self.timetable = Timetable(self.reactor)
        self.made: list[str] = []

    def pass_s(self, seconds: float) -> None:
        self.reactor.pump([MOMENT_S / 2] * round(2 * seconds / MOMENT_S))


class TimetableTests(TimetableTestCase):
    def test_is_a_clock(self) -> None:
        self.assertTrue(verifyObject(IReactorTime, self.timetable))
        self.assertTrue(verifyObject(IDelayedCall, self.timetable.callLater(1, list)))

    def test_its_time_is_the_reactors(self) -> None:
        self.reactor.advance(5)

        self.assertEqual(self.timetable.seconds(), self.reactor.seconds())

    def test_what_comes_a_rounding_error_early_is_not_called_again_and_again(self) -> None:
        reactor = Clock()
        timetable = Timetable(reactor)
        beats = 0

        def beat() -> None:
            nonlocal beats
            beats += 1
            if beats < 10:
                timetable.callLater(0, beat)

        timetable.callLater(0.5, beat)
        reactor.advance(1000 * MOMENT_S - 5e-8)
        self.assertLessEqual(beats, 2)
        reactor.pump([MOMENT_S] * 10)

        self.assertEqual(beats, 10)

    @given(st.lists(DELAYS_S, max_size=30))
    def test_every_call_is_made_once_in_its_moment_and_never_early(
        self, delays_s: list[float]
    ) -> None:
        self.setUp()
        made: dict[int, float] = {}

        def call(number: int) -> None:
            self.assertNotIn(number, made)
            made[number] = self.reactor.seconds() - self.began_s

        for number, delay_s in enumerate(delays_s):
            self.timetable.callLater(delay_s, call, number)
        self.pass_s(2.01)

        self.assertEqual(len(made), len(delays_s))
        for number, delay_s in enumerate(delays_s):
            self.assertGreater(made[number] - delay_s, -1e-6)
            self.assertLess(made[number] - delay_s, 2 * MOMENT_S)

    def test_arguments_are_handed_on(self) -> None:
        got: list[tuple[object, ...]] = []

        self.timetable.callLater(0.1, lambda *args, **kw: got.append((args, kw)), 1, two=2)
        self.pass_s(0.2)

        self.assertEqual(got, [((1,), {"two": 2})])

    def test_calls_of_one_moment_keep_their_order(self) -> None:
        for name in ("one", "two", "three"):
            self.timetable.callLater(0.5, self.made.append, name)
        self.pass_s(0.6)

        self.assertEqual(self.made, ["one", "two", "three"])

    def test_what_is_entered_later_may_come_first(self) -> None:
        self.timetable.callLater(0.5, self.made.append, "late")
        self.timetable.callLater(0.1, self.made.append, "soon")
        self.pass_s(0.2)

        self.assertEqual(self.made, ["soon"])

    def test_a_fault_is_logged_and_the_others_are_called(self) -> None:
        self.timetable.callLater(0.1, lambda: 1 // 0)
        self.timetable.callLater(0.1, self.made.append, "other")
        self.pass_s(0.2)

        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.made, ["other"])

    def test_looping_calls_run_on_it(self) -> None:
        loop = LoopingCall(self.made.append, "tick")
        loop.clock = self.timetable
        loop.start(1 / 24)
        self.pass_s(1.01)
        loop.stop()

        self.assertEqual(len(self.made), 25)

    def test_what_comes_due_meanwhile_is_called_in_the_same_turn(self) -> None:
        def take_time() -> None:
            self.made.append("slow")
            self.reactor.rightNow += 2 * MOMENT_S

        self.timetable.callLater(0.1, take_time)
        self.timetable.callLater(0.1 + MOMENT_S, self.made.append, "next")
        self.reactor.advance(0.1 + MOMENT_S)

        self.assertEqual(self.made, ["slow", "next"])

    def test_the_network_has_its_turn_however_much_comes_due(self) -> None:
        def take_time() -> None:
            self.made.append("slow")
            self.reactor.rightNow += TURN_S
            if len(self.made) < 5:
                self.timetable.callLater(0, take_time)

        self.timetable.callLater(0, take_time)
        self.pass_s(8 * MOMENT_S)

        self.assertEqual(len(self.made), 5)
        self.assertEqual(self.reactor.timers, 5)


class CatchUpTests(TimetableTestCase):
    def test_what_is_late_is_called_without_a_turn_of_the_reactor(self) -> None:
        self.timetable.callLater(0.1, self.made.append, "late")
        self.timetable.callLater(0.5, self.made.append, "later")
        self.reactor.rightNow += 0.2
        self.timetable.catch_up()

        self.assertEqual(self.made, ["late"])
        self.pass_s(0.4)
        self.assertEqual(self.made, ["late", "later"])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_what_is_on_time_waits_for_it(self) -> None:
        self.timetable.callLater(0.1, self.made.append, "soon")
        self.reactor.rightNow += 0.1 + MOMENT_S
        self.timetable.catch_up()

        self.assertEqual(self.made, [])

    def test_in_a_call_that_is_due_nothing_else_is_called(self) -> None:
        def take_time() -> None:
            self.made.append("slow")
            self.reactor.rightNow += 10 * MOMENT_S
            self.timetable.catch_up()
            self.made.append("over")

        self.timetable.callLater(0.1, take_time)
        self.timetable.callLater(0.1, self.made.append, "next")
        self.pass_s(0.2)

        self.assertEqual(self.made, ["slow", "over", "next"])

    def test_without_entries_there_is_nothing_to_do(self) -> None:
        self.timetable.catch_up()

        self.assertEqual(self.reactor.getDelayedCalls(), [])


class OneTimerTests(TimetableTestCase):
    def test_without_entries_there_is_none(self) -> None:
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        call = self.timetable.callLater(1, self.made.append, "never")
        call.cancel()

        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_there_is_none_after_the_last_call(self) -> None:
        self.timetable.callLater(0.1, self.made.append, "last")
        cancelled = self.timetable.callLater(0.2, self.made.append, "never")
        self.timetable.callLater(0.1, lambda: cancelled.cancel())
        self.pass_s(0.11)

        self.assertEqual(self.made, ["last"])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_a_thousand_entries_need_one(self) -> None:
        for number in range(1000):
            self.timetable.callLater(1 + number / 1000, self.made.append, "call")

        self.assertEqual(len(self.reactor.getDelayedCalls()), 1)
        self.assertEqual(self.reactor.timers, 1)

    def test_a_turn_of_many_calls_sets_one(self) -> None:
        def again() -> None:
            self.made.append("call")
            self.timetable.callLater(0.5, again)

        for _ in range(100):
            self.timetable.callLater(0.5, again)
        self.reactor.advance(0.5 + MOMENT_S)

        self.assertEqual(len(self.made), 100)
        self.assertEqual(self.reactor.timers, 2)


class EntryTests(TimetableTestCase):
    def test_what_is_to_come_can_be_asked(self) -> None:
        one, two = (self.timetable.callLater(delay_s, list) for delay_s in (1, 2))
        one.cancel()

        self.assertEqual(self.timetable.getDelayedCalls(), [two])
        self.assertEqual(two.getTime(), self.began_s + 2)

    def test_is_active_until_it_is_called_or_cancelled(self) -> None:
        called, cancelled = (self.timetable.callLater(0.1, list) for _ in range(2))
        self.assertTrue(called.active())
        cancelled.cancel()
        self.pass_s(0.2)

        self.assertFalse(called.active())
        self.assertFalse(cancelled.active())

    def test_is_not_active_while_it_is_called(self) -> None:
        found: list[bool] = []
        entry = self.timetable.callLater(0.1, lambda: found.append(entry.active()))
        self.pass_s(0.2)

        self.assertEqual(found, [False])

    def test_one_call_may_cancel_another_of_its_moment(self) -> None:
        self.timetable.callLater(0.1, lambda: other.cancel())
        other = self.timetable.callLater(0.1, self.made.append, "never")
        third = self.timetable.callLater(0.1, self.made.append, "third")
        self.pass_s(0.2)

        self.assertEqual(self.made, ["third"])
        self.assertFalse(third.active())

    def test_reset_and_delay_move_it(self) -> None:
        for move, due_s in (
            (lambda entry: entry.reset(0.3), 0.5),
            (lambda entry: entry.reset(0.1), 0.3),
            (lambda entry: entry.delay(0.3), 0.7),
            (lambda entry: entry.delay(-0.1), 0.3),
        ):
            self.setUp()
            entry = self.timetable.callLater(0.4, self.made.append, "moved")
            self.reactor.advance(0.2)

            move(entry)

            self.assertAlmostEqual(entry.getTime(), self.began_s + due_s)
            self.reactor.advance(due_s - 0.2 - MOMENT_S)
            self.assertEqual(self.made, [])
            self.pass_s(3 * MOMENT_S)
            self.assertEqual(self.made, ["moved"])
            self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_one_that_is_cancelled_in_its_own_moment_is_not_made(self) -> None:
        others = [self.timetable.callLater(0.1, lambda: others[1].cancel())]
        others.append(self.timetable.callLater(0.1, self.made.append, "cancelled"))
        self.timetable.callLater(0.2, self.made.append, "later")

        self.pass_s(0.15)
        self.assertEqual(self.made, [])
        self.assertEqual(len(self.reactor.getDelayedCalls()), 1)
        self.pass_s(0.1)

        self.assertEqual(self.made, ["later"])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_what_is_over_cannot_be_changed(self) -> None:
        called, cancelled = (self.timetable.callLater(0.1, list) for _ in range(2))
        cancelled.cancel()
        self.pass_s(0.2)

        for entry, refusal in ((called, AlreadyCalled), (cancelled, AlreadyCancelled)):
            self.assertRaises(refusal, entry.cancel)
            self.assertRaises(refusal, entry.reset, 1)
            self.assertRaises(refusal, entry.delay, 1)

    def test_entries_that_come_and_go_leave_nothing(self) -> None:
        self.timetable.callLater(60, list)
        for _ in range(1000):
            self.timetable.callLater(60, list).cancel()

        self.assertEqual(len(self.timetable.getDelayedCalls()), 1)
