"""Several worker processes behind one address: the daemon with `--workers 2`."""

import os
import re
import signal
import socket
import sys
import time
from pathlib import Path

from mjpegd.test import films
from mjpegd.test.pictures import number_of, picture
from mjpegd.wire.lab import FIRST_SEQUENCE
from mjpegd.wire.packets import RTPPacket
from mjpegd.workers.worker import TELL_INTERVAL_S
from tests.system.cases import SystemTestCase, film, numbers
from tests.system.daemon import PATIENCE_S, POLL_S, Daemon
from tests.system.test_daemon import TRACEBACK
from tests.system.test_network import AS_SYSTEMD
from tests.tools.client import Client, RefusedError

WORKERS = "--workers=2"
LINE_OF_A_WORKER = re.compile(r"\] \[worker [12]\] ")


def workers_of(pid: int) -> dict[int, int]:
    """The worker processes of a daemon: their process numbers by their own."""
    found = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
        words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        if b"mjpegd.workers" in words:
            found[int(words[-2])] = int(child)
    return found


def has_ended(pid: int) -> bool:
    """The process is gone, or only its status is left."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except FileNotFoundError:
        return True
    return status.rpartition(")")[2].split()[0] == "Z"


class WorkersTestCase(SystemTestCase):
    def worker_of(self, viewer: Client) -> int:
        """Which worker has the viewer's session."""
        assert viewer.session is not None
        return int(viewer.session[:2])

    def viewers(self, daemon: Daemon, name: str, count: int) -> list[Client]:
        """Viewers over UDP and TCP by turns."""
        return [self.viewer(daemon, name, over_tcp=bool(number % 2)) for number in range(count)]

    def wait_until_ended(self, pids: list[int]) -> None:
        until_s = time.monotonic() + PATIENCE_S
        while not all(map(has_ended, pids)):
            self.assertLess(time.monotonic(), until_s)
            time.sleep(POLL_S)


class SpreadTests(WorkersTestCase):
    def test_viewers_are_spread_and_see_every_frame(self) -> None:
        daemon = self.running({"film.avi": film(30)}, WORKERS)
        viewers = self.viewers(daemon, "film.avi", 6)

        self.assertEqual(sorted(map(self.worker_of, viewers)), [1, 1, 1, 2, 2, 2])
        for viewer in viewers:
            viewer.play()
        for viewer in viewers:
            self.assert_ends(viewer)
            self.assertEqual(numbers(viewer.reception), list(range(30)))
            self.assert_steady(viewer.reception)
        self.assertNotIn(TRACEBACK, daemon.log)

    def test_media_comes_from_the_ports_of_the_viewers_worker(self) -> None:
        probe = self.running({}, WORKERS)
        port = probe.rtp_port
        probe.stop()
        daemon = self.running({"film.avi": film(5)}, WORKERS, f"--rtp-port={port}")

        self.assertRegex(daemon.log, rf"RTP from UDP ports {port}-{port + 3}, ")
        for _ in range(2):
            viewer = self.viewer(daemon, "film.avi")
            viewer.play()
            self.assert_ends(viewer)
            own = port + 2 * (self.worker_of(viewer) - 1)
            assert viewer.transport is not None
            self.assertEqual(viewer.transport.server_port, (own, own + 1))
            self.assertEqual({number for _, number in viewer.reception.sources}, {own, own + 1})

    def test_reports_reach_the_viewers_worker(self) -> None:
        daemon = self.running({"film.avi": film(50)}, WORKERS)
        for viewer in [self.viewer(daemon, "film.avi") for _ in range(2)]:
            viewer.play()
            self.assertTrue(viewer.wait_for_frames(5))
            self.assertTrue(viewer.wait_for_report())
            viewer.report()
            viewer.receive_for(0.1)
            viewer.teardown()
            daemon.wait_for_line(rf"{viewer.session or ''}.* ended: TEARDOWN; .* jitter 1\.0 ms")

    def test_a_second_connection_reaches_its_session(self) -> None:
        daemon = self.running({"film.avi": film(500)}, WORKERS)
        for viewer in self.viewers(daemon, "film.avi", 2) + self.viewers(daemon, "film.avi", 2):
            viewer.play()
            self.assertTrue(viewer.wait_for_frames(3))
            for method, status in (("GET_PARAMETER", 200), ("PAUSE", 200), ("TEARDOWN", 200)):
                with Client("127.0.0.1", daemon.port) as other:
                    other.session = viewer.session
                    self.assertEqual(other.ask(method, viewer.url).status, status)

    def test_another_address_does_not_find_it(self) -> None:
        daemon = self.running({"film.avi": film(500)}, WORKERS)
        viewer = self.viewer(daemon, "film.avi")

        with Client("127.0.0.1", daemon.port, local_host="127.0.0.2") as other:
            other.session = viewer.session
            self.assertEqual(other.ask("PAUSE", viewer.url).status, 454)

    def test_a_request_in_pieces_is_answered(self) -> None:
        daemon = self.running({}, WORKERS)
        with Client("127.0.0.1", daemon.port) as client:
            for piece in (b"OPTIONS * RTSP/1.0\r\nCS", b"eq: 1\r\n", b"\r\n"):
                client.send(piece)
                time.sleep(0.15)

            self.assertEqual(client.next_response().status, 200)

    def test_silent_clients_hold_up_nobody(self) -> None:
        daemon = self.running({"film.avi": film(5)}, WORKERS)
        for _ in range(50):
            self.addCleanup(Client("127.0.0.1", daemon.port).close)

        viewer = self.viewer(daemon, "film.avi")
        viewer.play()

        self.assert_ends(viewer)

    def test_a_laboratory_client_plays(self) -> None:
        pictures = [picture(number) for number in range(5)]
        daemon = self.running({"movie.Mjpeg": films.laboratory(pictures)}, WORKERS)
        for _ in range(2):
            client = Laboratory(daemon.port)
            self.addCleanup(client.close)
            session = client.ask("SETUP", f"Transport: RTP/UDP; client_port= {client.rtp_port}")
            client.ask("PLAY", f"Session: {session}")

            packets = [client.packet() for _ in range(5)]

            self.assertEqual([number_of(packet.payload) for packet in packets], list(range(5)))
            first = [packet.sequence - FIRST_SEQUENCE for packet in packets]
            self.assertEqual(first, list(range(5)))
        self.assertEqual(
            set(re.findall(r"\[worker (\d)\] session \d{6} of", daemon.log)), {"1", "2"}
        )

    def test_every_line_tells_its_worker(self) -> None:
        daemon = self.running({"film.avi": film(5)}, WORKERS)
        for viewer in self.viewers(daemon, "film.avi", 2):
            viewer.play()
            self.assert_ends(viewer)
            viewer.teardown()
        daemon.stop()

        of_viewers = [line for line in daemon.log.splitlines() if " session 0" in line]
        self.assertTrue(of_viewers)
        for line in of_viewers:
            self.assertRegex(line, LINE_OF_A_WORKER)
            worker = re.findall(r"\[worker (\d)\] session 0(\d)", line)
            self.assertTrue(all(one == other for one, other in worker), line)

    def test_nothing_is_left_of_those_who_have_gone(self) -> None:
        daemon = self.running({}, WORKERS)
        processes = [daemon.pid, *workers_of(daemon.pid).values()]
        before = list(map(open_files, processes))
        for _ in range(200):
            with Client("127.0.0.1", daemon.port) as client:
                client.ask("OPTIONS", "*")

        until_s = time.monotonic() + PATIENCE_S
        while list(map(open_files, processes)) != before:
            self.assertLess(time.monotonic(), until_s)
            time.sleep(POLL_S)


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


class Laboratory:
    """A client of the course: three lines without an empty one, a UDP port of its own."""

    def __init__(self, port: int) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port), 5)
        self._media = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._media.bind(("127.0.0.1", 0))
        self._media.settimeout(5)
        self.rtp_port = int(self._media.getsockname()[1])
        self._cseq = 0

    def close(self) -> None:
        self._connection.close()
        self._media.close()

    def ask(self, verb: str, line: str) -> str:
        """Send a request; the session of its answer."""
        self._cseq += 1
        request = f"{verb} movie.Mjpeg RTSP/1.0\nCSeq: {self._cseq}\n{line}"
        self._connection.sendall(request.encode())
        answer = self._connection.recv(1024).decode()
        if not answer.startswith("RTSP/1.0 200 OK"):
            raise AssertionError(answer)
        return answer.split()[-1]

    def packet(self) -> RTPPacket:
        """The next packet."""
        return RTPPacket.parse(self._media.recv(65_536))


class LimitTests(WorkersTestCase):
    def test_sessions_are_limited_over_all_workers(self) -> None:
        daemon = self.running({"film.avi": film(500)}, WORKERS, "--max-sessions=3")
        viewers = self.viewers(daemon, "film.avi", 3)

        with self.assertRaises(RefusedError) as caught:
            self.viewer(daemon, "film.avi")

        self.assertEqual(caught.exception.response.status, 453)
        viewers[0].teardown()
        self.viewer(daemon, "film.avi")

    def test_connections_are_limited_over_all_workers(self) -> None:
        daemon = self.running({}, WORKERS, "--max-connections=3")
        viewers = [self.viewer(daemon, "testcard") for _ in range(3)]
        time.sleep(1.5 * TELL_INTERVAL_S)  # the acceptor knows that they have sessions by then

        with Client("127.0.0.1", daemon.port) as other:
            self.assertEqual(other.next_response().status, 503)

        viewers[0].close()
        daemon.wait_for_line("connections beyond the limit")
        time.sleep(0.2)
        with Client("127.0.0.1", daemon.port) as other:
            self.assertEqual(other.ask("OPTIONS", "*").status, 200)

    def test_a_connection_without_a_session_gives_way_whoever_has_it(self) -> None:
        daemon = self.running({}, WORKERS, "--max-connections=4")
        viewers = [self.viewer(daemon, "testcard") for _ in range(2)]
        idle = [Client("127.0.0.1", daemon.port) for _ in range(2)]
        for client in idle:
            self.addCleanup(client.close)
            self.assertEqual(client.ask("OPTIONS", "*").status, 200)
            time.sleep(1.5 * TELL_INTERVAL_S)  # the acceptor knows the order of requests by then

        newest = self.viewer(daemon, "testcard")

        self.assertEqual(idle[0].next_response().status, 503)
        for client in (*viewers, idle[1], newest):
            self.assertEqual(client.ask("OPTIONS", "*").status, 200)


class EndTests(WorkersTestCase):
    def playing(self, *options: str) -> tuple[Daemon, list[Client]]:
        daemon = self.running({"film.avi": film(500)}, WORKERS, *options)
        viewers = self.viewers(daemon, "film.avi", 4)
        for viewer in viewers:
            viewer.play()
            self.assertTrue(viewer.wait_for_frames(3))
        return daemon, viewers

    def test_a_killed_worker_starts_anew_and_the_others_play_on(self) -> None:
        daemon, viewers = self.playing()
        before = workers_of(daemon.pid)

        os.kill(before[1], signal.SIGKILL)

        daemon.wait_for_line(r"worker 1 is gone, and its 2 viewers with it")
        daemon.wait_for_line(r"worker 1 was ended by signal 9; it starts anew in 1 s")
        for viewer in viewers:
            if self.worker_of(viewer) == 2:
                self.assertTrue(viewer.wait_for_frames(30))
                self.assert_steady(viewer.reception)
        until_s = time.monotonic() + PATIENCE_S
        while self.worker_of(newcomer := self.viewer(daemon, "film.avi")) != 1:
            newcomer.teardown()
            self.assertLess(time.monotonic(), until_s)
            time.sleep(0.1)
        newcomer.play()
        self.assertTrue(newcomer.wait_for_frames(3))
        self.assertEqual(daemon.stop(), 0)

    def test_sigterm_says_bye_to_every_viewer_and_ends_with_status_0(self) -> None:
        daemon, viewers = self.playing()
        pids = list(workers_of(daemon.pid).values())

        daemon.signal(signal.SIGTERM)
        status = daemon.wait_for_end()

        self.assertEqual(status, 0)
        for viewer in viewers:
            self.assert_ends(viewer)
            self.assert_steady(viewer.reception)
        self.assertIn("stopping: 4 viewers are told", daemon.log)
        self.assertTrue(all(map(has_ended, pids)))
        self.assertNotIn(TRACEBACK, daemon.log)

    def test_a_signal_to_all_processes_is_one_to_the_daemon(self) -> None:
        for number, expected in ((signal.SIGTERM, 0), (signal.SIGINT, -signal.SIGINT)):
            daemon, viewers = self.playing()
            for pid in workers_of(daemon.pid).values():
                os.kill(pid, number)
            daemon.signal(number)

            self.assertEqual(daemon.wait_for_end(), expected)
            for viewer in viewers:
                self.assert_ends(viewer)
            self.assertNotIn("starts anew", daemon.log)

    def test_stock_is_taken_of_all_of_them_whoever_gets_the_signal(self) -> None:
        daemon, viewers = self.playing()
        for pid in workers_of(daemon.pid).values():
            os.kill(pid, signal.SIGUSR2)
        daemon.signal(signal.SIGUSR2)

        daemon.wait_for_line("now: 4 connections and 4 sessions with 2 workers")
        for number in (1, 2):
            daemon.wait_for_line(
                rf"\[worker {number}\] now: 2 connections, 2 sessions, 1 films open, \d+ timers"
            )
        for viewer in viewers:
            self.assertTrue(viewer.wait_for_frames(3))
        self.assertEqual(daemon.stop(), 0)

    def test_workers_end_with_an_acceptor_that_is_killed(self) -> None:
        daemon, viewers = self.playing()
        pids = list(workers_of(daemon.pid).values())

        daemon.kill()

        self.wait_until_ended(pids)
        for viewer in viewers:
            self.assert_ends(viewer)

    def test_one_that_hangs_does_not_hold_up_the_end(self) -> None:
        daemon, _ = self.playing()
        hanging = workers_of(daemon.pid)[2]
        os.kill(hanging, signal.SIGSTOP)

        began_s = time.monotonic()
        self.assertEqual(daemon.stop(), 0)

        self.assertLess(time.monotonic() - began_s, 3.0)
        self.assertTrue(has_ended(hanging))

    def test_sigterm_while_workers_start_ends_at_once(self) -> None:
        daemon = self.daemon({}, WORKERS)
        daemon.launch()
        while not workers_of(daemon.pid):
            time.sleep(POLL_S)

        self.assertEqual(daemon.stop(), 0)
        self.assertNotIn(TRACEBACK, daemon.log)


class EndpointTests(WorkersTestCase):
    def test_a_socket_that_systemd_passes(self) -> None:
        sock = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self.addCleanup(sock.close)
        daemon = self.daemon(
            {"film.avi": film(5)},
            "--listen=systemd:domain=INET6:index=0",
            WORKERS,
            port="",
            launcher=(sys.executable, "-c", AS_SYSTEMD, str(sock.fileno())),
            pass_fds=[sock.fileno()],
        )
        daemon.launch()
        daemon.port = sock.getsockname()[1]

        # Whoever comes while the daemon starts waits for it.
        for host in ("127.0.0.1", "::1"):
            viewer = Client(host, daemon.port, timeout_s=PATIENCE_S)
            self.addCleanup(viewer.close)
            viewer.open(f"rtsp://localhost:{daemon.port}/film.avi")
            viewer.play()
            self.assert_ends(viewer)
        self.assertEqual(daemon.stop(), 0)

    def test_a_unix_socket_carries_viewers_over_tcp(self) -> None:
        daemon = self.daemon({"film.avi": film(5)}, "--listen=unix:rtsp", WORKERS, port="")
        daemon.start()
        folder = os.open(daemon.folder, os.O_RDONLY)
        self.addCleanup(os.close, folder)

        viewer = self.viewer(daemon, "film.avi", host=f"/proc/self/fd/{folder}/rtsp", over_tcp=True)
        viewer.play()

        self.assert_ends(viewer)
        self.assertEqual(numbers(viewer.reception), list(range(5)))
