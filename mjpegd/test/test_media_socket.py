"""`mjpegd.senders.media_socket`: real sockets over loopback."""

import errno
import socket
import struct
import sys

from twisted.trial.unittest import SynchronousTestCase

from mjpegd.senders.media_socket import (
    CANNOT_SEGMENT,
    MAX_SEGMENTED_BYTES,
    MAX_SEGMENTS,
    Ancillary,
    MediaSocket,
    can_segment,
    segmented,
)


class MediaSocketTests(SynchronousTestCase):
    def media_socket(self, family: int, host: str, *, only_ipv6: bool = False) -> MediaSocket:
        sock = socket.socket(family, socket.SOCK_DGRAM)
        self.addCleanup(sock.close)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only_ipv6)
        sock.bind((host, 0))
        sock.setblocking(False)
        return MediaSocket(sock, segments=False)

    def receiver(self, family: int, host: str) -> socket.socket:
        sock = socket.socket(family, socket.SOCK_DGRAM)
        self.addCleanup(sock.close)
        sock.bind((host, 0))
        sock.settimeout(5)
        return sock

    def test_a_dual_stack_socket_writes_ipv4_as_mapped(self) -> None:
        sock = self.media_socket(socket.AF_INET6, "::")

        self.assertEqual(sock.address_of("192.0.2.1", 5000), ("::ffff:192.0.2.1", 5000, 0, 0))
        self.assertEqual(sock.address_of("2001:db8::1", 5000), ("2001:db8::1", 5000, 0, 0))

    def test_an_ipv4_socket_writes_addresses_as_they_are(self) -> None:
        sock = self.media_socket(socket.AF_INET, "127.0.0.1")

        self.assertEqual(sock.address_of("192.0.2.1", 5000), ("192.0.2.1", 5000))

    def test_a_link_local_address_keeps_its_interface(self) -> None:
        sock = self.media_socket(socket.AF_INET6, "::")
        number = socket.if_nametoindex("lo")

        self.assertEqual(sock.address_of("fe80::1%lo", 5000), ("fe80::1", 5000, 0, number))
        self.assertEqual(sock.address_of("fe80::1%7", 5000), ("fe80::1", 5000, 0, 7))
        self.assertEqual(sock.address_of("fe80::1%gone0", 5000), ("fe80::1", 5000, 0, 0))
        ((_, _, info),) = sock.source("fe80::1%lo")
        self.assertEqual(struct.unpack("=16si", info)[1], number)

    def test_what_it_reaches_depends_on_its_family(self) -> None:
        for sock, reached in [
            (self.media_socket(socket.AF_INET6, "::"), (True, True)),
            (self.media_socket(socket.AF_INET, "127.0.0.1"), (True, False)),
            (self.media_socket(socket.AF_INET6, "::1", only_ipv6=True), (False, True)),
        ]:
            self.assertEqual((sock.reaches("192.0.2.1"), sock.reaches("2001:db8::1")), reached)

    def test_datagrams_leave_from_the_address_asked_for(self) -> None:
        for sock, sources in [
            (self.media_socket(socket.AF_INET6, "::"), ["127.0.0.3", "127.0.0.1", "::1"]),
            (self.media_socket(socket.AF_INET, ""), ["127.0.0.3", "127.0.0.1"]),
        ]:
            for source in sources:
                family = socket.AF_INET6 if ":" in source else socket.AF_INET
                receiver = self.receiver(family, "::1" if ":" in source else "127.0.0.1")
                host, port = receiver.getsockname()[:2]

                sock.send(b"media", sock.address_of(host, port), sock.source(source))

                self.assertEqual(receiver.recvfrom(100)[1][0], source)

    def test_no_address_leaves_the_source_to_the_routing(self) -> None:
        sock = self.media_socket(socket.AF_INET, "")

        for host in ("", "0.0.0.0", "::", "localhost", "::1"):
            self.assertEqual(sock.source(host), [])

    def test_a_datagram_that_is_too_long_is_refused_for_good(self) -> None:
        sock = self.media_socket(socket.AF_INET, "")

        with self.assertRaises(OSError) as caught:
            sock.send(bytes(70_000), ("127.0.0.1", sock.port), [])

        self.assertEqual(caught.exception.errno, errno.EMSGSIZE)


class SegmentingTests(SynchronousTestCase):
    if not can_segment():
        skip = "this kernel cannot cut"

    def received(self, packets: bytes, stride: int, source: Ancillary) -> list[bytes]:
        """What arrives of packets that are handed over in one call."""
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as target,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
        ):
            target.bind(("127.0.0.1", 0))
            target.settimeout(5)
            call_bytes, ancillary = segmented(stride, source)
            self.assertLessEqual(len(packets), call_bytes)
            media = MediaSocket(sock, segments=True)
            self.assertTrue(media.send(packets, target.getsockname(), ancillary))
            count = -(-len(packets) // stride)
            return [target.recv(65_536) for _ in range(count)]

    def test_one_call_becomes_packets_of_which_the_last_may_be_short(self) -> None:
        packets = [bytes((number,)) * 1400 for number in range(22)] + [b"short"]

        self.assertEqual(self.received(b"".join(packets), 1400, []), packets)

    def test_as_many_as_a_call_may_hold(self) -> None:
        for stride in (200, 1000, 1400, 9000, 30_000):
            call_bytes, _ = segmented(stride, [])

            got = self.received(bytes(call_bytes), stride, [])

            self.assertEqual([len(packet) for packet in got], [stride] * (call_bytes // stride))
            self.assertLessEqual(len(got), MAX_SEGMENTS)
            self.assertLessEqual(call_bytes, MAX_SEGMENTED_BYTES)

    def test_they_leave_from_the_address_asked_for(self) -> None:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as target,
            socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock,
        ):
            target.bind(("127.0.0.1", 0))
            target.settimeout(5)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, False)
            sock.bind(("::", 0))
            media = MediaSocket(sock, segments=True)
            to = media.address_of(*target.getsockname())
            _, ancillary = segmented(1000, media.source("127.0.0.7"))

            media.send(bytes(2500), to, ancillary)

            got = [target.recvfrom(65_536) for _ in range(3)]
        self.assertEqual([len(packet) for packet, _ in got], [1000, 1000, 500])
        self.assertEqual({source[0] for _, source in got}, {"127.0.0.7"})

    def test_a_size_that_fits_no_datagram_is_refused_as_what_cannot_be_cut(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            _, ancillary = segmented(60_000, [])
            media = MediaSocket(sock, segments=True)

            with self.assertRaises(OSError) as caught:
                media.send(bytes(70_000), ("127.0.0.1", 9), ancillary)

        self.assertIn(caught.exception.errno, CANNOT_SEGMENT)


class FindingOutTests(SynchronousTestCase):
    def test_elsewhere_than_on_linux_it_is_not_even_tried(self) -> None:
        self.patch(sys, "platform", "darwin")

        self.assertFalse(can_segment())

    def test_a_system_without_it_is_found_out(self) -> None:
        self.patch(socket, "IPPROTO_UDP", 255)  # no protocol that sockets know options of

        self.assertFalse(can_segment())
