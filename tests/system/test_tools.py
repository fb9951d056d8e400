"""The tools that tests of the player rely on do what they say."""

import select
import socket
from collections.abc import Callable, Mapping

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

import mjpegd.test  # noqa: F401 - It chooses the examples of hypothesis.
from mjpegd.test import films
from mjpegd.test.pictures import number_of
from mjpegd.wire.packets import RTPPacket
from tests.system.cases import SystemTestCase, film, numbers
from tests.system.daemon import PATIENCE_S, Daemon
from tests.tools.client import Client, RefusedError
from tests.tools.impairment import (
    Impaired,
    Passage,
    Plan,
    always,
    at_random,
    burst,
    every,
    never,
)
from tests.tools.laboratory_server import LaboratoryServer

FRAMES = 12


def carried(plan: Plan, count: int) -> list[int]:
    """The numbers of so many packets in the order in which they go on."""
    passage = Passage()
    out = [packet for number in range(count) for packet in passage.take(bytes([number]), plan)]
    return [packet[0] for packet in out + passage.take_rest()]


def late(delays: Mapping[int, int]) -> Callable[[int], int]:
    """Delays of some packets."""
    return lambda number: delays.get(number, 0)


class PlanTests(SynchronousTestCase):
    def test_an_empty_plan_changes_nothing(self) -> None:
        self.assertEqual(carried(Plan(), 4), [0, 1, 2, 3])

    def test_one_packet_in_so_many_is_dropped(self) -> None:
        self.assertEqual(carried(Plan(drop=every(3, first=1)), 6), [0, 2, 3, 5])

    def test_a_burst_is_dropped(self) -> None:
        self.assertEqual(carried(Plan(drop=burst(1, 3)), 6), [0, 4, 5])

    def test_a_packet_comes_twice(self) -> None:
        self.assertEqual(carried(Plan(duplicate=burst(1, 1)), 3), [0, 1, 1, 2])

    def test_a_choice_as_delay_swaps_neighbours(self) -> None:
        self.assertEqual(carried(Plan(delay=burst(1, 1)), 4), [0, 2, 1, 3])

    def test_a_delayed_packet_is_overtaken_by_so_many(self) -> None:
        self.assertEqual(carried(Plan(delay=late({0: 3})), 5), [1, 2, 3, 0, 4])

    def test_what_nothing_overtakes_comes_in_the_end(self) -> None:
        self.assertEqual(carried(Plan(delay=late({1: 9, 2: 8})), 4), [0, 3, 1, 2])

    def test_always_and_never(self) -> None:
        self.assertEqual(carried(Plan(drop=always), 3), [])
        self.assertEqual(carried(Plan(drop=never), 3), [0, 1, 2])

    def test_chance_is_the_same_for_the_same_seed(self) -> None:
        lost = [number for number in range(1000) if at_random(0.1, seed=1)(number)]

        self.assertEqual(lost, [n for n in range(1000) if at_random(0.1, seed=1)(n)])
        self.assertNotEqual(lost, [n for n in range(1000) if at_random(0.1, seed=2)(n)])
        self.assertApproximates(len(lost), 100, 40)

    @given(
        st.sets(st.integers(0, 19)),
        st.sets(st.integers(0, 19)),
        st.dictionaries(st.integers(0, 19), st.integers(0, 30)),
    )
    def test_what_is_not_dropped_arrives(
        self, dropped: set[int], twice: set[int], delays: dict[int, int]
    ) -> None:
        plan = Plan(dropped.__contains__, twice.__contains__, late(delays))

        kept = set(range(20)) - dropped
        self.assertEqual(sorted(carried(plan, 20)), sorted([*kept, *(kept & twice)]))


class RelayTests(SystemTestCase):
    def relay(self, plan: Plan | None = None, frames: int = FRAMES) -> Impaired:
        """A relay before a daemon with a film."""
        self.server = self.running({"film.avi": film(frames)})
        relay = Impaired(("127.0.0.1", self.server.port), plan)
        self.addCleanup(relay.close)
        return relay

    def player(self, relay: Impaired, *, over_tcp: bool = False) -> Client:
        """A client that plays through the relay."""
        daemon: Daemon = self.server
        viewer = self.viewer(daemon, "film.avi", over_tcp=over_tcp, port=relay.port)
        viewer.play()
        return viewer

    def test_without_a_plan_a_film_comes_whole_over_udp_and_tcp(self) -> None:
        relay = self.relay()
        for over_tcp in (False, True):
            viewer = self.player(relay, over_tcp=over_tcp)

            self.assert_ends(viewer)
            self.assertEqual(numbers(viewer.reception), list(range(FRAMES)))
            self.assert_steady(viewer.reception)

    def test_datagrams_come_from_the_ports_that_the_answer_names(self) -> None:
        viewer = self.player(self.relay())

        self.assert_ends(viewer)

        assert viewer.transport is not None
        ports = viewer.transport.server_port or ()
        self.assertEqual(viewer.reception.sources, {("127.0.0.1", port) for port in ports})
        self.assertNotIn(self.server.rtp_port, ports)
        self.assertEqual(viewer.transport.client_port, viewer.media_ports)

    def test_reports_of_the_player_reach_the_server(self) -> None:
        viewer = self.player(self.relay(frames=50))
        self.assertTrue(viewer.wait_for_frames(2))
        self.assertTrue(viewer.wait_for_report())

        viewer.report()
        viewer.receive_for(0.1)
        viewer.teardown()

        self.server.wait_for_line(r"ended: TEARDOWN; .* jitter 1\.0 ms, round trip \d")

    def test_dropped_packets_do_not_come(self) -> None:
        relay = self.relay(Plan(drop=burst(3, 2)))
        viewer = self.player(relay)

        self.assert_ends(viewer)

        first = viewer.reception.sequences[0]
        steps = [(number - first) & 0xFFFF for number in viewer.reception.sequences]
        self.assertEqual(steps, [n for n in range(relay.passed) if n not in (3, 4)])
        self.assertEqual(relay.dropped, 2)

    def test_a_delayed_last_packet_comes_though_nothing_follows(self) -> None:
        viewer = self.player(self.relay(Plan(delay=lambda number: 1000)))

        self.assertTrue(viewer.wait_for_frames(FRAMES))
        self.assertEqual(numbers(viewer.reception), list(range(FRAMES)))

    def test_blocked_udp_brings_nothing_and_says_nothing(self) -> None:
        viewer = self.player(self.relay(Plan(blocks_udp=True)))

        viewer.receive_for(0.5)

        self.assertEqual(viewer.reception.sources, set())

    def test_refused_udp_is_461_and_tcp_still_plays(self) -> None:
        relay = self.relay(Plan(refuses_udp=True))

        with self.assertRaises(RefusedError) as caught:
            self.player(relay)
        viewer = self.player(relay, over_tcp=True)

        self.assertEqual(caught.exception.response.status, 461)
        self.assertTrue(viewer.wait_for_frames(2))

    def test_a_cut_network_carries_nothing_until_it_is_mended(self) -> None:
        for over_tcp in (False, True):
            relay = self.relay(frames=100)
            viewer = self.player(relay, over_tcp=over_tcp)
            self.assertTrue(viewer.wait_for_frames(2))

            relay.cut()
            viewer.receive_for(0.2)
            self.assertFalse(viewer.wait_for_frames(1, timeout_s=0.3))
            relay.mend()

            self.assertTrue(viewer.wait_for_frames(2))

    def test_broken_connections_are_closed_and_new_ones_carried(self) -> None:
        relay = self.relay()
        viewer = self.player(relay)

        relay.break_connections()

        self.assertTrue(viewer.wait(lambda: viewer.is_closed_by_server))
        self.assert_ends(self.player(relay))

    def test_refused_connections_come_about_again_on_the_same_port(self) -> None:
        relay = self.relay()

        relay.refuse_connections()
        with self.assertRaises(ConnectionRefusedError):
            self.player(relay)
        relay.accept_connections()

        self.assert_ends(self.player(relay))

    def test_a_server_that_is_gone_closes_the_players_connection(self) -> None:
        relay = self.relay()
        self.server.stop()

        with self.assertRaises(ConnectionError):
            self.player(relay)

    def test_the_relay_ends_while_the_network_is_cut(self) -> None:
        relay = self.relay()
        viewer = self.player(relay, over_tcp=True)

        with relay:
            relay.cut()

        self.assertTrue(viewer.wait(lambda: viewer.is_closed_by_server))


def comes(sock: socket.socket) -> bool:
    """Whether anything comes within a moment."""
    return bool(select.select([sock], [], [], 0.2)[0])


class LaboratoryServerTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.server = LaboratoryServer({"movie.Mjpeg": films.pictures(50)}, interval_s=0.01)
        self.addCleanup(self.server.close)
        self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.rtp.close)
        self.rtp.bind(("127.0.0.1", 0))
        self.rtp.settimeout(PATIENCE_S)
        self.connection = socket.create_connection(("127.0.0.1", self.server.port), PATIENCE_S)
        self.addCleanup(self.connection.close)

    def send(self, verb: str, third: str = "Session: 1", name: str = "movie.Mjpeg") -> None:
        self.connection.sendall(f"{verb} {name} RTSP/1.0\nCSeq: 7\n{third}".encode())

    def ask(self, verb: str, third: str = "Session: 1") -> bytes:
        self.send(verb, third)
        return self.connection.recv(1024)

    def set_up(self) -> bytes:
        return self.ask("SETUP", f"Transport: RTP/UDP; client_port= {self.rtp.getsockname()[1]}")

    def packet(self) -> RTPPacket:
        return RTPPacket.parse(self.rtp.recv(1 << 16))

    def test_an_answer_is_three_lines_without_a_last_line_end(self) -> None:
        self.assertRegex(self.set_up(), rb"\ARTSP/1\.0 200 OK\nCSeq: 7\nSession: [0-9]{6}\Z")

    def test_a_packet_is_a_whole_jpeg_under_the_number_of_the_frame(self) -> None:
        self.set_up()
        self.ask("PLAY")

        packets = [self.packet() for _ in range(50)]

        self.assertEqual([packet.sequence for packet in packets], list(range(1, 51)))
        self.assertEqual([number_of(packet.payload) for packet in packets], list(range(50)))
        self.assertFalse(comes(self.rtp))

    def test_after_a_pause_it_goes_on_where_it_stood(self) -> None:
        self.set_up()
        self.ask("PLAY")
        last = self.packet().sequence
        self.ask("PAUSE")
        while comes(self.rtp):
            last = self.packet().sequence

        self.ask("PLAY")

        self.assertEqual(self.packet().sequence, last + 1)

    def test_no_answer_to_what_is_out_of_order_unknown_or_not_there(self) -> None:
        for verb, name in (("PLAY", "movie.Mjpeg"), ("DESCRIBE", "movie.Mjpeg"), ("SETUP", "x")):
            self.send(verb, name=name)

            self.assertFalse(comes(self.connection))
