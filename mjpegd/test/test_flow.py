from twisted.internet.interfaces import IPushProducer
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override
from zope.interface.verify import verifyObject

from mjpegd.flow import Allowance, Outflow


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
