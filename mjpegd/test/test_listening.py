from typing import cast

from twisted.internet.interfaces import IReactorCore
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.tcp import Port
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.listening import ACCEPTS_PER_TURN, Rationed


class RationedTests(SynchronousTestCase):
    def test_a_port_takes_no_more_in_each_turn_of_a_flood(self) -> None:
        from twisted.internet import reactor

        ports: list[Port] = []
        inner = ServerFactory()
        inner.protocol = Protocol
        factory = Rationed(inner, ports)
        port = Port(0, factory, reactor=cast(IReactorCore, reactor))
        ports.append(port)
        port.numberAccepts = 1000

        self.assertIsInstance(factory.buildProtocol(None), Protocol)

        self.assertEqual(port.numberAccepts, ACCEPTS_PER_TURN)
