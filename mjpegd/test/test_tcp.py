"""Whether the other end of a connection is still there."""

import errno
import socket

from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.tcp import KEEP_ALIVE, keep_alive, unanswered_s
from mjpegd.test.fakes import FAR_INFO, LAST_ACK_RECV, TOLD_BYTES, UNACKED, FarSocket


class SystemTests(SynchronousTestCase):
    """Connections of the system's own."""

    @override
    def setUp(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.client = socket.create_connection(server.getsockname())
            self.near, _ = server.accept()
        for sock in (self.client, self.near):
            self.addCleanup(sock.close)
            sock.setblocking(False)

    def test_the_system_asks_whether_a_silent_client_is_there(self) -> None:
        keep_alive(self.near)

        self.assertEqual(self.near.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), 1)
        for name, value in KEEP_ALIVE.items():
            self.assertEqual(
                self.near.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)), value, name
            )

    def test_nothing_is_unanswered_where_nothing_was_sent(self) -> None:
        self.assertEqual(unanswered_s(self.near), 0.0)

    def test_a_client_that_reads_nothing_answers_nevertheless(self) -> None:
        with self.assertRaises(BlockingIOError):
            while True:
                self.near.send(bytes(1 << 20))

        self.assertLess(unanswered_s(self.near), 1.0)

    def test_of_what_is_no_tcp_nothing_is_known(self) -> None:
        one, other = socket.socketpair()
        with one, other:
            self.assertEqual(unanswered_s(one), 0.0)

    def test_nor_of_a_connection_that_is_closed(self) -> None:
        self.near.close()

        self.assertEqual(unanswered_s(self.near), 0.0)

    def test_the_system_tells_in_the_form_of_the_fake(self) -> None:
        self.near.send(b"something")
        with FarSocket() as far:
            asked = (socket.IPPROTO_TCP, socket.TCP_INFO, TOLD_BYTES)
            told, real = (FAR_INFO.unpack(sock.getsockopt(*asked)) for sock in (far, self.near))

        self.assertEqual(len(told), len(real))
        self.assertLess(real[UNACKED], 2)
        self.assertLess(real[LAST_ACK_RECV], 60_000)


class FarTests(SynchronousTestCase):
    """A client whose machine acknowledges nothing, or whose system tells otherwise."""

    @override
    def setUp(self) -> None:
        self.far = FarSocket()
        self.addCleanup(self.far.close)

    def test_what_is_on_its_way_is_unanswered_since_the_last_acknowledgement(self) -> None:
        self.far.unacked, self.far.silent_ms = 3, 2500

        self.assertEqual(unanswered_s(self.far), 2.5)

    def test_silence_means_nothing_where_nothing_is_on_its_way(self) -> None:
        self.far.silent_ms = 2500

        self.assertEqual(unanswered_s(self.far), 0.0)

    def test_a_system_that_tells_less_tells_nothing(self) -> None:
        self.far.unacked, self.far.silent_ms = 3, 2500
        self.far.told_bytes = 20

        self.assertEqual(unanswered_s(self.far), 0.0)

    def test_a_system_that_refuses_tells_nothing(self) -> None:
        self.far.refusal = OSError(errno.ENOPROTOOPT, "Protocol not available")

        self.assertEqual(unanswered_s(self.far), 0.0)
