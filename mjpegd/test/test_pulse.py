"""`mjpegd.pulse`: a LoopingCall that asks its function when to call it again."""

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, LoopingCall
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.pulse import Pulse
from mjpegd.timetable import Timetable


class PulseTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.clock = Clock()
        self.timetable = Timetable(self.clock)
        self.beats_s: list[float] = []

    def started(self, beat: Callable[[], float | None]) -> "tuple[Pulse, Deferred[LoopingCall]]":
        def counted() -> float | None:
            self.beats_s.append(self.clock.seconds())
            return beat()

        pulse = Pulse(counted, self.timetable)
        return pulse, pulse.start(1.0)

    def test_it_is_called_again_when_its_function_says(self) -> None:
        moments_s = [0.45, 0.7, 2.7, 9.0]
        self.started(lambda: moments_s.pop(0))

        self.clock.pump([0.25] * 12)

        self.assertEqual(self.beats_s, [0.0, 0.5, 0.75, 2.75])

    def test_a_moment_that_has_passed_is_made_up_for_at_once(self) -> None:
        moments_s = [0.7, 0.1, 9.0]
        self.started(lambda: moments_s.pop(0))

        self.clock.pump([0.25] * 5)

        self.assertEqual(self.beats_s, [0.0, 0.75, 0.75])

    def test_without_a_time_it_waits_to_be_called(self) -> None:
        moments_s: list[float | None] = [None, 9.0]
        pulse, _ = self.started(lambda: moments_s.pop(0))
        self.clock.advance(5)
        self.assertEqual(self.clock.getDelayedCalls(), [])

        pulse()

        self.assertEqual(self.beats_s, [0.0, 5.0])
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_a_stop_between_two_calls_ends_it(self) -> None:
        pulse, ended = self.started(lambda: 1.0)

        pulse.stop()
        self.clock.advance(5)

        self.assertEqual(self.beats_s, [0.0])
        self.assertIs(self.successResultOf(ended), pulse)

    def test_a_stop_from_within_ends_it(self) -> None:
        def beat() -> float:
            if len(self.beats_s) == 2:
                pulse.stop()
            return 0.9

        pulse, ended = self.started(beat)
        self.assertNoResult(ended)
        self.clock.pump([1.0] * 5)

        self.assertEqual(self.beats_s, [0.0, 1.0])
        self.assertIs(self.successResultOf(ended), pulse)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_fault_ends_it_and_is_told(self) -> None:
        def beat() -> float:
            return 0.9 if len(self.beats_s) == 1 else 1 / 0

        pulse, ended = self.started(beat)
        self.clock.pump([1.0] * 5)

        self.failureResultOf(ended, ZeroDivisionError)
        self.assertFalse(pulse.running)
        self.assertEqual(self.beats_s, [0.0, 1.0])
