"""Viewers far away: what they get, and what becomes of them, by networks with delay and loss.

What lies between is told by `tests.tools.distance`: Linux and root are all that it needs.
"""

import re

from typing_extensions import override

from mjpegd.test import films
from mjpegd.test.pictures import picture
from tests.system.cable import Journey
from tests.system.cases import SystemTestCase, film, numbers
from tests.system.daemon import PATIENCE_S, Daemon
from tests.system.player import PLAYER, begin, end, kill
from tests.system.test_daemon import TRACEBACK
from tests.tools.client import Client

NAME = "film.avi"
FRAMES = 100
FEW_FRAMES = 25
DELAY_S = 0.1
LOSS = 0.05
# On the way there and back; players wait longer than that for an answer.
FAR_S = 1.0
CUT_S = 5.0
ENDED = re.compile(
    r"(\d+) frames in (\d+) packets, (\d+) frames skipped, (\d+) dropped; viewer reported (\d+|n)"
)
# What one viewer who takes nothing may make the daemon hold: the buffers of a connection, and a
# frame or two.
MOST_GROWTH_BYTES = 16 << 20


class DistanceCase(SystemTestCase):
    server: Daemon

    @override
    def setUp(self) -> None:
        self.require(Journey.missing())
        self.journey = Journey()
        self.addCleanup(self.journey.close)

    def far_viewer(self, daemon: Daemon, name: str = NAME, *, over_tcp: bool) -> Client:
        """A viewer on the far machine, that plays."""
        with self.journey.far_side():
            viewer = self.viewer(
                daemon,
                name,
                host=self.journey.near_host,
                over_tcp=over_tcp,
                timeout_s=PATIENCE_S,
            )
        viewer.play()
        return viewer

    def sum_of(self, daemon: Daemon) -> list[str]:
        """What the daemon says of the session that ended: the numbers in `ENDED`."""
        return list(daemon.wait_for_line(ENDED).groups())

    def assert_whole(self, viewer: Client) -> None:
        """Each frame that came is that of the film, byte by byte, and in its place."""
        near = self.viewer(self.server, NAME, over_tcp=True)
        near.play()
        self.assertTrue(near.wait(lambda: near.reception.has_ended, PATIENCE_S))
        shown = numbers(viewer.reception)
        self.assertEqual(shown, sorted(set(shown)))
        sent = [frame.jpeg for frame in near.reception.frames]
        for number, frame in zip(shown, viewer.reception.frames, strict=True):
            self.assertEqual(frame.jpeg, sent[number], number)


class FarTests(DistanceCase):
    """A round trip takes 0.2 s, and a twentieth of all packets is lost in either direction."""

    @override
    def setUp(self) -> None:
        super().setUp()
        self.server = self.running({NAME: film(FRAMES)})
        self.journey.be(DELAY_S, LOSS)

    def test_over_udp_frames_come_as_they_are_or_not_at_all(self) -> None:
        viewer = self.far_viewer(self.server, over_tcp=False)

        self.assertTrue(viewer.wait_for_frames(FRAMES // 2))
        lost = self.journey.be(DELAY_S, 0)
        self.assertTrue(viewer.wait(lambda: viewer.reception.has_ended, PATIENCE_S))

        self.assertGreater(viewer.reception.lost, 0)
        self.assertEqual(len(viewer.reception.frames), len(viewer.reception.sequences))
        self.assertLessEqual(viewer.reception.lost, sum(lost.values()))
        self.assert_whole(viewer)

    def test_what_the_network_lost_is_what_reports_say(self) -> None:
        viewer = self.far_viewer(self.server, over_tcp=False)
        self.assertTrue(viewer.wait_for_frames(FRAMES // 2))

        lost = self.journey.be(DELAY_S, 0)[f"far udp {viewer.media_ports[0]}"]
        self.assertTrue(viewer.wait(lambda: viewer.reception.has_ended, PATIENCE_S))
        viewer.report()
        viewer.teardown()

        _, packets, _, _, reported = self.sum_of(self.server)
        self.assertEqual(int(packets) - len(viewer.reception.sequences), lost)
        self.assertEqual(int(reported), viewer.reception.lost)
        self.assertNotIn(TRACEBACK, self.server.log)

    def test_requests_of_every_kind_are_answered(self) -> None:
        for over_tcp in (False, True):
            viewer = self.far_viewer(self.server, over_tcp=over_tcp)
            self.assertTrue(viewer.wait_for_frames(10))

            self.assertEqual(viewer.ask("GET_PARAMETER", viewer.url).status, 200)
            viewer.pause()
            viewer.play(1.0)
            self.assertTrue(viewer.wait_for_frames(10))
            viewer.teardown()

            self.assertEqual(viewer.reception.torn, 0)

    def test_over_tcp_frames_come_whole_and_those_that_do_not_are_counted(self) -> None:
        viewer = self.far_viewer(self.server, over_tcp=True)

        self.assertTrue(viewer.wait(lambda: viewer.reception.has_ended, PATIENCE_S))
        viewer.teardown()

        sent, _, skipped, dropped = map(int, self.sum_of(self.server)[:4])
        self.assertEqual(sent + skipped, FRAMES)
        self.assertEqual(viewer.reception.frame_count, sent - dropped)
        self.assertEqual(viewer.reception.torn, 0)
        self.assert_whole(viewer)

    def test_the_player_counts_what_the_network_lost(self) -> None:
        player = begin(
            *("--headless", "--stats", "json", "--transport", "udp", "--frames", str(FRAMES // 2)),
            self.server.url(NAME, self.journey.near_host),
            program=(*self.journey.command, *PLAYER),
        )
        self.addCleanup(kill, player)

        outcome = end(player)

        self.assertEqual(outcome.status, 0, outcome.words)
        lost = self.journey.be(0, 0)
        self.assertGreater(outcome.stats["packets_lost"], 0)
        self.assertLessEqual(outcome.stats["packets_lost"], sum(lost.values()))
        self.assertEqual(outcome.stats["frames"], FRAMES // 2)


class FartherTests(DistanceCase):
    """A round trip takes two seconds."""

    @override
    def setUp(self) -> None:
        super().setUp()
        self.server = self.running({NAME: film(FEW_FRAMES)})
        self.journey.be(FAR_S, 0)

    def assert_all_of_it(self, *, over_tcp: bool) -> None:
        viewer = self.far_viewer(self.server, over_tcp=over_tcp)
        self.assertTrue(viewer.wait(lambda: viewer.reception.has_ended, PATIENCE_S))
        viewer.teardown()

        self.assertEqual(numbers(viewer.reception), list(range(FEW_FRAMES)))
        self.assert_steady(viewer.reception)
        self.assertEqual(self.sum_of(self.server)[2:4], ["0", "0"])

    def test_over_udp_all_of_a_film_comes(self) -> None:
        self.assert_all_of_it(over_tcp=False)

    def test_over_tcp_all_of_a_film_comes(self) -> None:
        self.assert_all_of_it(over_tcp=True)


class CutTests(DistanceCase):
    """Nothing comes through for five seconds, in the middle of a film."""

    def cut(self) -> None:
        """Let time pass without a network."""
        self.journey.be(0, 1)
        self.neighbour.receive_for(CUT_S)
        self.journey.be(0, 0)

    def assert_neighbour_missed_nothing(self) -> None:
        self.assertTrue(self.neighbour.wait_for_frames(5))
        self.assert_steady(self.neighbour.reception)
        self.assertNotIn(TRACEBACK, self.server.log)

    def watched(self, media: bytes, name: str = NAME) -> None:
        """A daemon with a near viewer."""
        self.server = self.running({name: media, "near.avi": film(1000)}, "--loop")
        self.neighbour = self.viewer(self.server, "near.avi", over_tcp=True)
        self.neighbour.play()

    def test_over_udp_the_film_has_gone_on(self) -> None:
        self.watched(film(1000))
        viewer = self.far_viewer(self.server, over_tcp=False)
        self.assertTrue(viewer.wait_for_frames(5))
        before = numbers(viewer.reception)[-1]

        self.cut()

        self.assertTrue(viewer.wait_for_frames(5))
        after = numbers(viewer.reception)[-1]
        self.assertGreater(after - before, 25 * (CUT_S - 1))
        self.assertEqual(viewer.reception.torn, 0)
        self.assertEqual(viewer.pause().status, 200)
        self.assert_neighbour_missed_nothing()

    def test_over_tcp_the_film_goes_on_and_nothing_piles_up(self) -> None:
        # 5 MB a second.
        large = [picture(number, (1280, 720), quality=95) for number in range(50)]
        self.watched(films.avi(large))
        viewer = self.far_viewer(self.server, over_tcp=True)
        self.assertTrue(viewer.wait_for_frames(50, PATIENCE_S))
        before = self.server.memory_bytes()

        self.cut()

        self.assertLess(self.server.memory_bytes() - before, MOST_GROWTH_BYTES)
        self.assertTrue(viewer.wait_for_frames(25, PATIENCE_S))
        viewer.teardown()
        sent, _, _, dropped, _ = self.sum_of(self.server)
        self.assertEqual(viewer.reception.frame_count, int(sent) - int(dropped))
        self.assertGreater(int(dropped), 0)
        self.assertEqual(viewer.reception.torn, 0)
        self.assert_neighbour_missed_nothing()


class GoneTests(DistanceCase):
    """The far machine is never heard of again, while frames are on their way to it."""

    @override
    def setUp(self) -> None:
        super().setUp()
        self.server = self.impatient({NAME: film(1000)})
        self.server.start()
        near = self.viewer(self.server, NAME)
        near.teardown()
        near.close()
        self.before = self.files_when_idle(self.server)

    def assert_is_forgotten(self, why: str, *, over_tcp: bool) -> None:
        viewer = self.far_viewer(self.server, over_tcp=over_tcp)
        self.assertTrue(viewer.wait_for_frames(5))

        self.journey.be(0, 1)

        host = re.escape(self.journey.far_host)
        self.server.wait_for_line(rf"of {host} ended: {why}")
        self.assertLessEqual(self.files_when_idle(self.server), self.before)
        self.assertNotIn(TRACEBACK, self.server.log)

    def test_over_udp_its_session_times_out(self) -> None:
        self.assert_is_forgotten("timed out: no request and no RTCP", over_tcp=False)

    def test_over_tcp_its_machine_does_not_answer(self) -> None:
        self.assert_is_forgotten("its machine does not answer", over_tcp=True)


del DistanceCase  # It is no test by itself.
