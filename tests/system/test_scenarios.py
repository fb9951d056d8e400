"""The classic scenarios, with the daemon as a process."""

import socket
import time

from mjpegd.test import films
from mjpegd.test.pictures import number_of, picture
from mjpegd.wire.packets import sequence_add, timestamp_delta
from tests.system.cases import FPS, SystemTestCase, film, numbers
from tests.system.relay import Relay
from tests.tools.client import rtp_info

MEMORY_RUN_S = 20.0


class SetupPlayPausePlayTeardownTests(SystemTestCase):
    over_tcp = False

    def test_setup_play_pause_play_teardown(self) -> None:
        daemon = self.running({"film.avi": film(40)})
        viewer = self.viewer(daemon, "film.avi", over_tcp=self.over_tcp)

        viewer.play()
        self.assertTrue(viewer.wait_for_frames(10))
        viewer.pause()
        viewer.receive_for(0.1)  # what was under way
        before = numbers(viewer.reception)
        viewer.receive_for(0.5)
        self.assertEqual(numbers(viewer.reception), before)
        promised = rtp_info(viewer.play())
        self.assert_ends(viewer)
        viewer.teardown()

        self.assertEqual(numbers(viewer.reception), list(range(40)))
        self.assert_steady(viewer.reception)
        following = viewer.reception.frames[len(before)]
        self.assertEqual(promised.timestamp, following.timestamp)
        self.assertEqual(
            promised.sequence,
            sequence_add(viewer.reception.frames[len(before) - 1].sequence, 1),
        )
        self.assertEqual(len(viewer.reception.ssrcs), 1)


class SetupPlayPausePlayTeardownOverTCPTests(SetupPlayPausePlayTeardownTests):
    over_tcp = True


class SeveralViewersTests(SystemTestCase):
    def test_three_viewers_at_once_each_its_own_position(self) -> None:
        daemon = self.running({"film.avi": film(100)})
        viewers = [self.viewer(daemon, "film.avi", over_tcp=tcp) for tcp in (False, True, False)]

        starts = (0, 50, 80)
        for viewer, start in zip(viewers, starts, strict=True):
            viewer.play(start / FPS)
        for viewer in viewers:
            self.assertTrue(viewer.wait_for_frames(15))
        viewers[1].pause()
        for viewer in viewers:
            viewer.receive_for(0.1)

        for viewer, start in zip(viewers, starts, strict=True):
            seen = numbers(viewer.reception)
            self.assertEqual(seen, list(range(start, start + len(seen))))
            self.assert_steady(viewer.reception)
        ssrcs = set.union(*(viewer.reception.ssrcs for viewer in viewers))
        self.assertEqual(len(ssrcs), 3)


class BrokenNetworkTests(SystemTestCase):
    def test_network_gone_for_a_moment_over_tcp_loses_no_order_and_tears_nothing(self) -> None:
        daemon = self.running({"film.avi": film(100)})
        relay = Relay(("127.0.0.1", daemon.port))
        self.addCleanup(relay.close)
        viewer = self.viewer(daemon, "film.avi", over_tcp=True, port=relay.port)

        viewer.play()
        self.assertTrue(viewer.wait_for_frames(10))
        relay.cut()
        viewer.receive_for(1.0)
        relay.mend()
        self.assert_ends(viewer)

        seen = numbers(viewer.reception)
        self.assertEqual(seen, list(range(100)))
        self.assert_steady(viewer.reception)

    def test_network_gone_for_a_moment_over_udp_goes_on_in_time(self) -> None:
        daemon = self.running({"film.avi": film(100)})
        relay = Relay(("127.0.0.1", daemon.port))
        self.addCleanup(relay.close)
        viewer = self.viewer(daemon, "film.avi", port=relay.port)
        between = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for sock in between:
            sock.bind(("127.0.0.1", 0))
        between.sort(key=lambda sock: int(sock.getsockname()[1]))  # RTP has the lower one
        for sock, port in zip(between, viewer.media_ports, strict=True):
            relay.forward_datagrams(sock, ("127.0.0.1", port))
        first, second = (sock.getsockname()[1] for sock in between)
        viewer.demand(
            "SETUP",
            f"{viewer.url}/trackID=0",
            ("Transport", f"RTP/AVP;unicast;client_port={first}-{second}"),
        )

        viewer.play()
        self.assertTrue(viewer.wait_for_frames(10))
        relay.cut()
        viewer.receive_for(1.0)
        relay.mend()
        self.assert_ends(viewer)

        seen = numbers(viewer.reception)
        gone = sorted(set(range(100)) - set(seen))
        self.assertEqual(seen, sorted(seen))
        self.assertEqual(gone, list(range(gone[0], gone[-1] + 1)))  # one gap,
        self.assertLess(abs(len(gone) / FPS - 1.0), 0.3)  # as long as the cut
        for older, newer in zip(viewer.reception.frames, viewer.reception.frames[1:], strict=False):
            step = timestamp_delta(newer.timestamp, older.timestamp)
            self.assertEqual(step, 3600 * (number_of(newer.jpeg) - number_of(older.jpeg)))


class LongRunTests(SystemTestCase):
    def test_memory_stays_level_while_it_streams(self) -> None:
        content = films.laboratory([picture(number, (640, 480)) for number in range(200)])
        daemon = self.running({"film.mjpeg": content}, "--loop")
        viewers = [
            self.viewer(daemon, name, over_tcp=over_tcp)
            for name in ("film.mjpeg", "testcard")
            for over_tcp in (False, True)
        ]
        for viewer in viewers:
            viewer.reception.keeps_all = False
            viewer.play()

        def watch(seconds: float) -> None:
            until_s = time.monotonic() + seconds
            while time.monotonic() < until_s:
                for viewer in viewers:
                    viewer.receive_for(0.02)

        watch(MEMORY_RUN_S / 2)
        half_way = daemon.memory_bytes()
        watch(MEMORY_RUN_S / 2)

        self.assertLess(daemon.memory_bytes() - half_way, 4 << 20)
        for viewer in viewers:
            self.assertGreater(viewer.reception.frame_count, 20 * MEMORY_RUN_S)
            self.assertEqual(viewer.reception.torn, 0)


class SizesAndQualitiesTests(SystemTestCase):
    def test_each_size_and_quality_comes_as_it_is_in_the_file(self) -> None:
        kinds = [
            ((32, 32), 5),
            ((64, 48), 95),
            ((320, 240), 50),
            ((640, 480), 75),
            ((1280, 720), 90),
            ((1920, 1080), 60),
            ((2040, 2040), 30),
        ]
        names = [f"{size[0]}x{size[1]} at {quality}.mjpeg" for size, quality in kinds]
        media = {
            name: films.laboratory([picture(n, size, quality) for n in range(6)])
            for name, (size, quality) in zip(names, kinds, strict=True)
        }
        daemon = self.running(media)

        for over_tcp in (False, True):
            for name in names:
                viewer = self.viewer(daemon, name.replace(" ", "%20"), over_tcp=over_tcp)
                viewer.play()
                self.assert_ends(viewer)
                self.assertEqual(numbers(viewer.reception), list(range(6)), name)
                self.assert_steady(viewer.reception)
                viewer.close()
