from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override
from zope.interface.verify import verifyObject

from mjpegd.flow import Alarm, Allowance, Outflow, Patience
from mjpegd.limits import Limits


class OutflowTests(SynchronousTestCase):
    def test_is_a_push_producer(self) -> None:
        self.assertTrue(verifyObject(IPushProducer, Outflow(lambda: None)))

    def test_is_jammed_from_pause_to_resume(self) -> None:
        told: list[bool] = []
        outflow = Outflow(lambda: told.append(outflow.is_jammed))

        outflow.pauseProducing()
        self.assertTrue(outflow.is_jammed)
        outflow.resumeProducing()

        self.assertEqual(told, [False])

    def test_a_connection_that_is_gone_takes_nothing(self) -> None:
        outflow = Outflow(lambda: None)

        outflow.stopProducing()

        self.assertTrue(outflow.is_jammed)


class AllowanceTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.allowance = Allowance(10.0, 3, 100.0)

    def test_a_burst_waits_for_nothing(self) -> None:
        self.assertEqual([self.allowance.spend(100.0) for _ in range(3)], [0.0] * 3)

    def test_beyond_the_burst_the_rate_is_kept(self) -> None:
        for _ in range(3):
            self.allowance.spend(100.0)

        self.assertAlmostEqual(self.allowance.spend(100.0), 0.1)
        self.assertAlmostEqual(self.allowance.spend(100.1), 0.1)

    def test_silence_earns_no_more_than_the_burst(self) -> None:
        self.allowance.spend(1000.0)

        waits_s = [self.allowance.spend(1000.0) for _ in range(3)]

        self.assertEqual(waits_s[:2], [0.0, 0.0])
        self.assertGreater(waits_s[2], 0.0)


class AlarmTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.clock = Clock()
        self.rung: list[str] = []
        self.alarm = Alarm(self.clock)

    def test_rings_once(self) -> None:
        self.alarm.set(1.0, self.rung.append, "one")
        self.clock.pump([1.0, 1.0])

        self.assertEqual(self.rung, ["one"])

    def test_set_anew_forgets_what_was_set_before(self) -> None:
        self.alarm.set(1.0, self.rung.append, "one")
        self.alarm.set(2.0, self.rung.append, "two")
        self.clock.pump([1.0, 1.0])

        self.assertEqual(self.rung, ["two"])

    def test_stopped_leaves_nothing(self) -> None:
        self.alarm.set(1.0, self.rung.append, "one")
        self.alarm.stop()

        self.assertEqual(self.clock.getDelayedCalls(), [])


class PatienceTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.clock = Clock()
        self.told: list[str] = []
        limits = Limits(request_s=5.0, idle_s=30.0)
        self.patience = Patience(
            self.clock,
            limits,
            lambda: self.told.append("too slow"),
            lambda: self.told.append("idle"),
        )
        self.patience.completed()

    def test_a_message_that_drips_in_has_its_time_from_its_first_byte(self) -> None:
        for _ in range(4):
            self.patience.begun()
            self.clock.advance(1.5)

        self.assertEqual(self.told, ["too slow"])

    def test_a_complete_message_begins_the_silence_anew(self) -> None:
        self.patience.begun()
        self.clock.advance(4)
        self.patience.completed()
        self.clock.advance(29)
        self.assertEqual(self.told, [])
        self.clock.advance(1)

        self.assertEqual(self.told, ["idle"])

    def test_stopped_leaves_nothing(self) -> None:
        self.patience.stop()

        self.assertEqual(self.clock.getDelayedCalls(), [])
