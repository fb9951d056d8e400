"""How the daemon starts, ends, and deals with what is wrong."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from mjpegd import __version__
from mjpegd.test import films
from mjpegd.test.pictures import picture
from tests.system.cases import FPS, SystemTestCase, film, numbers
from tests.system.daemon import PATIENCE_S, Daemon
from tests.tools.client import Client

TRACEBACK = "Traceback"
# Root may read everything; the daemon gives that up as it starts, like any other.
AS_NOBODY = ("--uid=65534", "--gid=65534")


class StopTests(SystemTestCase):
    def test_sigterm_says_bye_to_every_viewer_and_ends_within_2_s_with_status_0(self) -> None:
        daemon = self.running({"film.avi": film(500)})
        viewers = [
            self.viewer(daemon, name, over_tcp=over_tcp)
            for name in ("film.avi", "testcard")
            for over_tcp in (False, True)
        ]
        for viewer in viewers:
            viewer.play()
            self.assertTrue(viewer.wait_for_frames(3))

        began_s = time.monotonic()
        daemon.signal(signal.SIGTERM)
        status = daemon.wait_for_end()

        self.assertLess(time.monotonic() - began_s, 2.0)
        self.assertEqual(status, 0)
        for viewer in viewers:
            self.assert_ends(viewer)
            self.assert_steady(viewer.reception)
        self.assertNotIn(TRACEBACK, daemon.log)

    def test_sigterm_does_not_wait_for_a_viewer_that_reads_nothing(self) -> None:
        frames = [picture(number, (2040, 2040), quality=95) for number in range(2)]
        daemon = self.running({"film.mjpeg": films.laboratory(frames)})
        viewer = self.viewer(daemon, "film.mjpeg?loop=1&fps=100", over_tcp=True)
        viewer.play()
        before = -1
        while (waiting := viewer.unread_bytes()) > before:
            before = waiting
            time.sleep(0.3)  # enough to fill the daemon's side of the connection as well

        began_s = time.monotonic()
        status = daemon.stop()

        self.assertLess(time.monotonic() - began_s, 2.0)
        self.assertEqual(status, 0)
        self.assertRegex(daemon.log, r"[1-9]\d* dropped")  # it was full indeed
        self.assertNotIn(TRACEBACK, daemon.log)

    def test_sigterm_while_a_large_folder_is_looked_through_ends_within_2_s(self) -> None:
        daemon = self.daemon({"film.avi": film(5)})
        for number in range(20_000):
            (daemon.media / f"{number}.txt").write_bytes(b"no film")
        daemon.start()
        self.assertNotIn("/testcard", daemon.log)  # the list of streams: the walk is under way

        began_s = time.monotonic()
        status = daemon.stop()

        self.assertLess(time.monotonic() - began_s, 2.0)
        self.assertEqual(status, 0)
        self.assertNotIn(TRACEBACK, daemon.log)


class StartTests(SystemTestCase):
    def assert_refuses(self, daemon: Daemon, *says: str) -> None:
        """It ends with status 1 and says why in one line."""
        daemon.launch()
        self.assertEqual(daemon.wait_for_end(), 1, daemon.log)
        lines = [line for line in daemon.log.splitlines() if "mjpeg-rtsp: " in line]
        self.assertEqual(len(lines), 1, daemon.log)
        for words in says:
            self.assertIn(words, lines[0])
        self.assertNotIn(TRACEBACK, daemon.log)
        # Besides that line there is nothing but what twistd says of itself and of its ports.
        noise = re.compile(
            r"twisted\.scripts|starting on|Closed\)|twisted\.internet|stopping|set uid"
        )
        others = [line for line in daemon.log.splitlines() if not noise.search(line)]
        self.assertEqual(others, lines)

    def test_a_port_in_use_is_one_clear_line_and_status_1(self) -> None:
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        port = taken.getsockname()[1]

        daemon = self.daemon(port=f"--port={port}")

        self.assert_refuses(daemon, f"--port: TCP port {port} is in use")

    def test_a_start_that_fails_in_the_background_ends_and_says_why(self) -> None:
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        port = taken.getsockname()[1]
        folder = self.folder()
        twistd = str(Path(sys.executable).with_name("twistd"))

        ended = subprocess.run(
            [twistd, "--logfile=log", "mjpeg-rtsp", f"--port={port}"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

        self.assertEqual(ended.returncode, 1)
        self.assertIn(f"--port: TCP port {port} is in use", ended.stdout + ended.stderr)
        self.assertFalse((folder / "twistd.pid").exists())

    def test_an_rtp_port_in_use_is_one_clear_line_and_status_1(self) -> None:
        for neighbour in (0, 1):
            taken = self.taken_udp_port(odd=bool(neighbour))
            daemon = self.daemon({}, f"--rtp-port={taken - neighbour}")

            self.assert_refuses(daemon, f"--rtp-port: UDP port {taken} is in use")

    def taken_udp_port(self, *, odd: bool) -> int:
        while True:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.addCleanup(sock.close)
            sock.bind(("127.0.0.1", 0))
            port = int(sock.getsockname()[1])
            if port % 2 == odd:
                return port

    def test_a_file_instead_of_a_folder_is_one_clear_line_and_status_1(self) -> None:
        daemon = self.daemon()
        daemon.media.write_bytes(b"")

        self.assert_refuses(daemon, "--media videos is not a folder")

    def test_an_unreadable_folder_is_one_clear_line_and_status_1(self) -> None:
        is_root = os.getuid() == 0
        daemon = self.daemon(program=(*(AS_NOBODY if is_root else ()), "mjpeg-rtsp"))
        daemon.media.mkdir(mode=0o700 if is_root else 0)

        self.assert_refuses(daemon, "--media videos cannot be read", "its owner")

    def test_bad_values_are_one_clear_line_and_status_1(self) -> None:
        for option, says in [
            ("--port=http", "--port 'http': a whole number from 0 to 65535 is needed"),
            ("--rtp-port=7001", "--rtp-port 7001: RTP takes an even port"),
            ("--frame-rate=fast", "--frame-rate 'fast'"),
            ("--interface=eth0", "--interface 'eth0': an address of this machine is needed"),
            ("--interface=192.0.2.7", "this machine has no such address"),
            ("--listen=carrier-pigeon:1", "--listen 'carrier-pigeon:1'"),
            ("--colour=red", "option --colour not recognized"),
            ("film.avi", "'film.avi' is no option"),
        ]:
            self.assert_refuses(self.daemon({}, option), says)

    def test_endpoints_that_cannot_be_had_are_one_clear_line_and_status_1(self) -> None:
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        port = taken.getsockname()[1]

        for endpoint, says in [
            (f"tcp:{port}", "is in use"),
            ("tcp:99999", "--listen 'tcp:99999'"),
            ("tcp:x", "--listen 'tcp:x'"),
            ("systemd:domain=INET6:index=0", "systemd has passed no such socket"),
        ]:
            self.assert_refuses(self.daemon({}, f"--listen={endpoint}"), says)

    def test_an_endpoint_that_fails_later_ends_the_daemon_with_status_1(self) -> None:
        plugins = self.folder()
        (plugins / "twisted" / "plugins").mkdir(parents=True)
        (plugins / "twisted" / "plugins" / "late_endpoint.py").write_text(LATE_ENDPOINT)

        daemon = self.daemon({}, "--listen=late:", environ={"PYTHONPATH": str(plugins)})

        self.assert_refuses(daemon, "--listen 'late:' cannot be listened on: the moon is down")
        self.assertNotIn(" serves ", daemon.log)

    def test_version_is_that_of_mjpegd(self) -> None:
        daemon = self.daemon(port="--version")

        daemon.launch()

        self.assertEqual(daemon.wait_for_end(), 0)
        self.assertEqual(daemon.log, f"mjpegd {__version__}\n")

    def test_help_names_every_option(self) -> None:
        daemon = self.daemon(port="--help")

        daemon.launch()

        self.assertEqual(daemon.wait_for_end(), 0)
        for option in ("--media", "--port", "--rtp-port", "--interface", "--listen", "--loop"):
            self.assertIn(option, daemon.log)

    def test_the_log_has_a_line_to_paste_for_each_stream(self) -> None:
        daemon = self.running({"a film.avi": film(3), "sub/b.avi": film(3)})

        daemon.wait_for_line("sub/b.avi")

        base = f"rtsp://localhost:{daemon.port}/"
        said = re.findall(r"theatre#info\] (rtsp://\S+)", daemon.log)
        self.assertEqual(said, [base + "testcard", base + "a%20film.avi", base + "sub/b.avi"])
        self.assertNotIn("object at 0x", daemon.log)

    def test_of_many_streams_20_have_a_line_and_the_rest_is_a_number(self) -> None:
        daemon = self.running({f"{number}.avi": film(2) for number in range(25)})

        daemon.wait_for_line(r"and 6 more")

        self.assertEqual(len(re.findall(r"\] rtsp://", daemon.log)), 20)


LATE_ENDPOINT = """
from twisted.internet.interfaces import IStreamServerEndpoint, IStreamServerEndpointStringParser
from twisted.internet.task import deferLater
from twisted.plugin import IPlugin
from zope.interface import implementer


@implementer(IStreamServerEndpoint)
class Late:
    def __init__(self, reactor):
        self.reactor = reactor

    def listen(self, factory):
        return deferLater(self.reactor, 0.2, self.fail)

    def fail(self):
        raise RuntimeError("the moon is down")


@implementer(IPlugin, IStreamServerEndpointStringParser)
class Parser:
    prefix = "late"

    def parseStreamServer(self, reactor, *_):
        return Late(reactor)


parser = Parser()
"""


class MediaFolderTests(SystemTestCase):
    def test_a_missing_folder_is_one_line_and_the_test_card_is_there(self) -> None:
        daemon = self.running()

        daemon.wait_for_line(r"videos does not exist: there is only the test card")
        viewer = self.viewer(daemon, "testcard")
        viewer.play()

        self.assertTrue(viewer.wait_for_frames(5))

    def test_an_empty_folder_is_one_line_and_takes_up_a_film_copied_later(self) -> None:
        daemon = self.daemon()
        daemon.media.mkdir()
        daemon.start()
        daemon.wait_for_line(r"videos holds no film: there is only the test card")

        (daemon.media / "film.avi").write_bytes(film(10))
        viewer = self.viewer(daemon, "film.avi")
        viewer.play()

        self.assert_ends(viewer)
        self.assertEqual(numbers(viewer.reception), list(range(10)))

    def test_a_folder_that_comes_later_is_taken_up(self) -> None:
        daemon = self.running()

        daemon.media.mkdir()
        (daemon.media / "film.avi").write_bytes(film(5))
        viewer = self.viewer(daemon, "film.avi")
        viewer.play()

        self.assert_ends(viewer)


class ChangingFileTests(SystemTestCase):
    def playing(self) -> tuple[Daemon, Client, Path]:
        daemon = self.running({"film.avi": film(250)})
        viewer = self.viewer(daemon, "film.avi")
        viewer.play()
        self.assertTrue(viewer.wait_for_frames(10))
        return daemon, viewer, daemon.media / "film.avi"

    def assert_ended_early(self, daemon: Daemon, viewer: Client) -> None:
        self.assert_ends(viewer)
        seen = numbers(viewer.reception)
        self.assertEqual(seen, list(range(len(seen))))
        self.assertLess(len(seen), 200)
        self.assert_steady(viewer.reception)
        daemon.wait_for_line(r"stream film\.avi: ")
        self.assertNotIn(TRACEBACK, daemon.log)

    def test_a_file_replaced_while_it_plays_ends_with_bye_and_a_log_line(self) -> None:
        daemon, viewer, path = self.playing()
        new = path.with_name("new")
        new.write_bytes(film(30)[::-1])

        new.rename(path)

        self.assert_ended_early(daemon, viewer)

    def test_a_file_truncated_while_it_plays_ends_with_bye_and_a_log_line(self) -> None:
        daemon, viewer, path = self.playing()

        os.truncate(path, path.stat().st_size // 3)

        self.assert_ended_early(daemon, viewer)

    def test_a_file_removed_or_rewritten_leaves_the_daemon_alive(self) -> None:
        daemon, viewer, path = self.playing()

        path.write_bytes(film(30))

        self.assert_ended_early(daemon, viewer)
        fresh = self.viewer(daemon, "film.avi")
        fresh.play()
        self.assert_ends(fresh)
        self.assertEqual(numbers(fresh.reception), list(range(30)))

    def test_appending_is_not_replacing(self) -> None:
        daemon = self.running({"film.avi": film(2 * FPS)})
        viewer = self.viewer(daemon, "film.avi")
        viewer.play()
        self.assertTrue(viewer.wait_for_frames(10))

        with (daemon.media / "film.avi").open("ab") as file:
            file.write(bytes(100_000))
        self.assert_ends(viewer)

        self.assertEqual(numbers(viewer.reception), list(range(2 * FPS)))


class TacTests(SystemTestCase):
    def test_the_tac_file_is_configured_by_environment_variables(self) -> None:
        daemon = self.daemon(
            program=("--python", str(TAC)),
            port="",
            environ={"MJPEGD_PORT": "0", "MJPEGD_MEDIA": "films", "MJPEGD_LOOP": "1"},
        )
        (daemon.folder / "films").mkdir()
        (daemon.folder / "films" / "film.avi").write_bytes(film(5))
        daemon.start()
        viewer = self.viewer(daemon, "film.avi")
        viewer.play()

        self.assertTrue(viewer.wait_for_frames(12))
        self.assertEqual(numbers(viewer.reception)[:12], [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1])
        self.assertEqual(daemon.stop(), 0)

    def test_a_bad_variable_is_one_clear_line_and_status_1(self) -> None:
        for variable, value in [("MJPEGD_PORT", "many"), ("MJPEGD_LOOP", "yes")]:
            daemon = self.daemon(program=("--python", str(TAC)), port="", environ={variable: value})

            daemon.launch()

            self.assertEqual(daemon.wait_for_end(), 1)
            self.assertIn("mjpeg-rtsp: ", daemon.log)
            self.assertNotIn(TRACEBACK, daemon.log)


TAC = Path(__file__).parents[2] / "mjpegd.tac"
