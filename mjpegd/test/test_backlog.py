"""`mjpegd.senders.backlog`: who waits for room in a socket, without a spin."""

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IWriteDescriptor
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override
from zope.interface.verify import verifyObject

from mjpegd.senders.backlog import PAUSE_S, Backlog
from mjpegd.test.fakes import DescriptorReactor


class BacklogTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.clock = Clock()
        self.reactor = DescriptorReactor()
        self.backlog = Backlog(7, self.reactor, self.clock)
        self.went_on: list[str] = []
        self.room = 100

    def waiter(self, name: str) -> None:
        """Wait, and wait again for as long as there is no room."""

        def go_on() -> None:
            if self.room:
                self.room -= 1
                self.went_on.append(name)
            else:
                self.backlog.wait(go_on)

        self.backlog.wait(go_on)

    def test_is_a_write_descriptor(self) -> None:
        self.assertTrue(verifyObject(IWriteDescriptor, self.backlog))
        self.assertEqual(self.backlog.fileno(), 7)

    def test_nobody_waits_at_first_and_nothing_is_asked(self) -> None:
        self.assertFalse(self.backlog.is_busy)
        self.assertEqual(self.reactor.writers, [])

    def test_all_who_wait_go_on_in_the_order_of_coming(self) -> None:
        for name in ("one", "two", "three"):
            self.waiter(name)
        self.assertTrue(self.backlog.is_busy)
        self.assertEqual(self.reactor.writers, [self.backlog])

        self.reactor.has_room()

        self.assertEqual(self.went_on, ["one", "two", "three"])
        self.assertFalse(self.backlog.is_busy)
        self.assertEqual(self.reactor.writers, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_one_who_is_refused_again_ends_the_turn_and_goes_to_the_end(self) -> None:
        for name in ("one", "two", "three"):
            self.waiter(name)
        self.room = 1
        self.reactor.has_room()
        self.assertEqual(self.went_on, ["one"])

        self.room = 100
        self.clock.advance(PAUSE_S)
        self.reactor.has_room()

        self.assertEqual(self.went_on, ["one", "three", "two"])

    def test_a_socket_with_room_before_a_network_without_is_asked_every_pause_only(self) -> None:
        self.waiter("one")
        self.room = 0
        for _ in range(100):
            self.reactor.has_room()
            self.clock.advance(PAUSE_S / 10)

        self.assertLessEqual(self.reactor.asked, 11)
        self.assertEqual(self.went_on, [])

    def test_nobody_is_asked_for_while_it_rests(self) -> None:
        self.waiter("one")
        self.room = 0
        self.reactor.has_room()

        self.waiter("two")

        self.assertEqual(self.reactor.writers, [])
        self.assertTrue(self.backlog.is_busy)

    def test_who_left_does_not_go_on(self) -> None:
        def leaver() -> None:
            self.went_on.append("leaver")

        self.backlog.wait(leaver)
        self.backlog.leave(leaver)
        self.backlog.leave(leaver)
        self.reactor.has_room()

        self.assertEqual(self.went_on, [])
        self.assertFalse(self.backlog.is_busy)

    def test_stopped_it_asks_for_nothing(self) -> None:
        self.waiter("one")
        self.room = 0
        self.reactor.has_room()

        self.backlog.stop()

        self.assertFalse(self.backlog.is_busy)
        self.assertEqual(self.reactor.writers, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_socket_that_is_gone_is_waited_for_by_nobody(self) -> None:
        self.waiter("one")

        self.backlog.connectionLost(Failure(ConnectionDone()))

        self.assertFalse(self.backlog.is_busy)

    def test_has_a_name_in_the_log(self) -> None:
        self.assertEqual(self.backlog.logPrefix(), "RTP")
