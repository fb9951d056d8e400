"""Connections that have come in: how long they are listened to, and how they are given away."""

import socket
from typing import cast

from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override
from zope.interface import alsoProvides

from mjpegd.addresses import Networks
from mjpegd.capacity.admission import Headcount
from mjpegd.capacity.guests import Standing
from mjpegd.flow import IEncrypted
from mjpegd.limits import Limits
from mjpegd.logs import Tally, say_count
from mjpegd.settings import Access
from mjpegd.test.conversation import Wire
from mjpegd.workers.arrivals import FIRST_WORDS_S, PLACE_S, Arrival, Arrivals
from mjpegd.workers.messages import Addresses, Cover

REQUEST = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"
VIEWER, HERE = IPv4Address("TCP", "198.51.100.7", 40_000), IPv4Address("TCP", "192.0.2.1", 8554)


class SocketWire(Wire):
    """A connection that has a real socket below; closing shuts that down, as Twisted does."""

    def __init__(self) -> None:
        super().__init__(VIEWER, HERE)
        self.handle, self.far_end = socket.socketpair()
        self.far_end.setblocking(False)

    def getHandle(self) -> socket.socket:  # noqa: N802 - Twisted's
        return self.handle

    @override
    def close(self) -> None:
        if not self.is_closed:
            self.handle.close()
        super().close()


class ArrivalsTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.clock = Clock()
        self.limits = Limits(connections=3)
        self.tally = Tally(self.clock, say_count)
        self.headcount = Headcount(self.limits, self.tally)
        self.placed: list[Arrival] = []
        self.arrivals = self.arrivals_for(Access())

    def arrivals_for(self, access: Access, *, has_tls: bool = False) -> Arrivals:
        return Arrivals(
            self.headcount,
            self.clock,
            self.limits,
            self.placed.append,
            access,
            self.tally,
            has_tls=has_tls,
        )

    def test_who_comes_from_elsewhere_is_told_so_and_not_counted(self) -> None:
        self.arrivals = self.arrivals_for(Access(networks=Networks.parse(["192.0.2.0/24"])))
        wire = self.connect()

        self.assertTrue(wire.received.startswith(b"RTSP/1.0 403 "))
        networks = Networks.parse(["198.51.100.0/24"])
        self.arrivals = self.arrivals_for(Access(networks=networks))
        for _ in range(self.limits.connections):
            self.connect().sent(REQUEST)
        self.assertEqual(len(self.placed), self.limits.connections)

    def connect(self) -> SocketWire:
        wire = SocketWire()
        self.addCleanup(wire.far_end.close)
        self.addCleanup(wire.handle.close)
        wire.protocol = self.arrivals.buildProtocol(VIEWER) or Protocol()
        wire.protocol.makeConnection(wire)
        return wire

    def test_a_whole_request_is_placed_at_once_and_read_no_further(self) -> None:
        wire = self.connect()
        wire.sent(REQUEST)
        wire.sent(b"more")

        self.assertEqual([arrival.said for arrival in self.placed], [REQUEST])

    def test_who_writes_slowly_is_placed_after_a_while(self) -> None:
        wire = self.connect()
        for byte in b"OPT":
            wire.sent(bytes((byte,)))
            self.clock.advance(FIRST_WORDS_S / 4)
        self.assertEqual(self.placed, [])

        self.clock.advance(FIRST_WORDS_S / 4)

        self.assertEqual([arrival.said for arrival in self.placed], [b"OPT"])

    def test_the_silent_are_nobodys_and_closed_in_the_end(self) -> None:
        wire = self.connect()

        self.clock.advance(self.limits.idle_s - 1)
        self.assertFalse(wire.is_closed)
        self.clock.advance(1)
        self.assertTrue(wire.is_closed)
        self.assertEqual(self.placed, [])

    def test_who_sends_no_more_is_placed_with_what_was_said(self) -> None:
        wire = self.connect()
        wire.sent(b"OPTIONS")
        wire.sends_no_more()

        self.assertEqual([arrival.said for arrival in self.placed], [b"OPTIONS"])

    def test_who_says_nothing_and_sends_no_more_is_closed(self) -> None:
        wire = self.connect()
        arrival = IHalfCloseableProtocol(wire.protocol)
        wire.sends_no_more()
        arrival.writeConnectionLost()

        self.assertTrue(wire.is_closed)

    def test_what_is_taken_lives_on_without_its_transport(self) -> None:
        wire = self.connect()
        wire.sent(REQUEST)

        connection, _ = self.placed[0].take()
        with connection as taken:
            self.assertTrue(wire.is_closed)
            taken.send(b"answer")
            self.assertEqual(wire.far_end.recv(100), b"answer")
        self.assertEqual(wire.far_end.recv(100), b"")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_the_transport_is_left_with_a_socket_that_leads_nowhere(self) -> None:
        wire = self.connect()
        wire.sent(REQUEST)
        left = wire.handle.dup  # looked at before the transport closes it
        wire.abortConnection = lambda: None  # type: ignore[method-assign]  # it would close

        connection, _ = self.placed[0].take()
        with connection as taken:
            self.assertEqual(taken.getpeername(), wire.far_end.getsockname())
            with left() as other, self.assertRaises(OSError):
                other.getpeername()

    def test_what_is_taken_counts_until_its_taker_says_otherwise(self) -> None:
        for _ in range(3):
            wire = self.connect()
            wire.sent(REQUEST)
            connection, presence = self.placed[-1].take()
            presence.asks(Standing.SEATED)
            self.addCleanup(connection.close)

        self.assertIsNone(self.headcount.connect("192.0.2.9", Standing.KNOWN))

    def test_what_cannot_be_taken_counts_until_it_closes(self) -> None:
        wire = self.connect()
        wire.sent(REQUEST)
        wire.handle.close()  # as where there are no descriptors left

        self.assertRaises(OSError, self.placed[0].take)

        self.assertTrue(self.placed[0].is_here)

    def test_what_closes_counts_no_more(self) -> None:
        for _ in range(4):
            wire = self.connect()
            wire.close()

        for _ in range(3):
            guest = self.headcount.connect("192.0.2.9", Standing.KNOWN)
            assert guest is not None
            guest.asks(Standing.SEATED)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_who_is_too_many_is_told_so(self) -> None:
        for _ in range(3):
            guest = self.headcount.connect("192.0.2.9", Standing.KNOWN)
            assert guest is not None
            guest.asks(Standing.SEATED)
        wire = self.connect()

        self.assertTrue(wire.received.startswith(b"RTSP/1.0 503 "))

    def test_who_was_silent_longest_gives_way_and_is_told_so(self) -> None:
        wires = [self.connect() for _ in range(4)]

        self.assertTrue(wires[0].received.startswith(b"RTSP/1.0 503 "))
        self.assertEqual([wire.is_closed for wire in wires], [True, False, False, False])

    def test_where_there_are_users_the_silent_have_the_time_of_a_login(self) -> None:
        self.arrivals = self.arrivals_for(Access(auth=("file:passwords",)))
        wire = self.connect()

        self.clock.advance(self.limits.login_s - 1)
        self.assertFalse(wire.is_closed)
        self.clock.advance(1)
        self.assertTrue(wire.is_closed)

    def test_what_a_proxy_has_got_by_tls_is_handed_on_as_such(self) -> None:
        plain, encrypted = self.connect(), self.connect()
        alsoProvides(encrypted, IEncrypted)
        for wire in (plain, encrypted):
            wire.sent(REQUEST)

        self.assertEqual([arrival.cover for arrival in self.placed], [Cover.NONE, Cover.PROXY])

    def test_who_begins_with_tls_is_placed_at_once_and_told_nothing_without_it(self) -> None:
        self.arrivals = self.arrivals_for(Access(), has_tls=True)
        wire = self.connect()
        wire.sent(b"\x16\x03\x01")

        self.assertEqual([arrival.cover for arrival in self.placed], [Cover.TLS])
        self.clock.advance(PLACE_S)
        self.assertTrue(wire.is_closed)
        self.assertEqual(wire.received, b"")

    def test_who_is_not_taken_in_time_is_told_so(self) -> None:
        wire = self.connect()
        wire.sent(REQUEST)
        self.clock.advance(PLACE_S)

        self.assertTrue(wire.received.startswith(b"RTSP/1.0 503 "))
        self.assertTrue(wire.is_closed)
        self.assertFalse(self.placed[0].is_here)

    def test_addresses_are_those_of_the_transport(self) -> None:
        wire = self.connect()
        wire.sent(REQUEST)
        self.assertEqual(
            self.placed[0].addresses, Addresses("198.51.100.7", 40_000, "192.0.2.1", 8554)
        )

        wire.getPeer = lambda: cast(IPv4Address, UNIXAddress(None))  # type: ignore[method-assign]
        self.assertEqual(self.placed[0].addresses, Addresses())

    def test_all_that_are_left_can_be_closed(self) -> None:
        wires = [self.connect() for _ in range(3)]
        wires[0].sent(REQUEST)
        self.addCleanup(self.placed[0].take()[0].close)

        self.arrivals.abort_all()

        self.assertTrue(all(wire.is_closed for wire in wires))
