"""The player on a server that others wrote: every frame of gst-rtsp-server's, logged in or not."""

from collections.abc import Callable
from pathlib import Path

from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from typing_extensions import override

from client.interfaces import PlacedFrame
from client.making import make_viewer, the_reactor
from client.options import Settings
from client.talk.location import Location
from client.view import Activity
from client.viewer import Audience
from mjpegd.test import films
from mjpegd.test.pictures import number_of, picture
from mjpegd.wire.messages import Response
from mjpegd.wire.sdp import Description
from tests.system.cases import FPS, SystemTestCase
from tests.system.daemon import PATIENCE_S, POLL_S
from tests.system.player import Outcome, watch
from tests.tools import gst_server
from tests.tools.client import Client
from tests.tools.gst_server import GstServer, avi_of

FRAMES = 2 * FPS
SLOW_FPS = 5
SIZE = (640, 480)  # Some packets a frame.


class GstCase(SystemTestCase):
    @override
    def setUp(self) -> None:
        self.require(gst_server.missing())
        self.film = self.folder() / "film.avi"
        self.film.write_bytes(films.avi([picture(number, SIZE) for number in range(FRAMES)]))

    def serve(self, user: str = "", *, is_basic: bool = False) -> GstServer:
        """A server that lets only one user in, or everybody."""
        server = GstServer(avi_of(self.film), user=user, password="secret", is_basic=is_basic)
        self.addCleanup(server.close)
        return server


class PlayerTests(GstCase):
    def assert_every_frame(self, url: str, *options: str) -> Outcome:
        """The player ends with the film, and has kept all of its frames in their order."""
        recording = self.folder() / "film.mjpeg"

        outcome = watch("--stats", "json", "--record", str(recording), *options, url)

        self.assertEqual(outcome.status, 0, outcome)
        self.assertNotIn("Traceback", outcome.words)
        self.assertEqual(self.numbers(recording), [*range(FRAMES)])
        self.assertEqual(outcome.stats["packets_lost"], 0)
        return outcome

    @staticmethod
    def numbers(recording: Path) -> list[int]:
        return [number_of(jpeg) for jpeg in films.frames_of(recording.read_bytes())]

    def test_every_frame_over_udp(self) -> None:
        outcome = self.assert_every_frame(self.serve().url)

        self.assertEqual(outcome.stats["transport"], "UDP")

    def test_every_frame_over_tcp(self) -> None:
        outcome = self.assert_every_frame(self.serve().url, "--transport", "tcp")

        self.assertEqual(outcome.stats["transport"], "TCP")

    def test_logs_in_by_digest_and_by_basic(self) -> None:
        for is_basic in (False, True):
            server = self.serve("anna", is_basic=is_basic)

            self.assert_every_frame(server.url.replace("://", "://anna:secret@"))

    def test_a_wrong_password_is_a_sentence(self) -> None:
        server = self.serve("anna")

        outcome = watch(server.url.replace("://", "://anna:wrong@"))

        self.assertEqual(outcome.status, 1)
        self.assertRegex(outcome.words, "^mjpegd-player: .*password")
        self.assertNotIn("Traceback", outcome.words)
        self.assertNotIn("wrong@", outcome.words)


class PlaybackTests(TestCase, GstCase):
    """What a person does while a film plays, without the window."""

    timeout = 120

    @override
    def setUp(self) -> None:
        from twisted.internet import reactor

        super().setUp()
        self.overlook_taken_ports()
        # The player has a clock of its own: in the end trial gets back the one that it had.
        self.patch(reactor, "seconds", reactor.seconds)

    def open(self, transport: str) -> None:
        """Begin to watch."""
        self.numbers: list[int] = []
        audience = Audience(self.show, lambda _: None, lambda *_: None, lambda: None)
        self.player = make_viewer(Settings(transport=transport), the_reactor(), audience)
        self.addCleanup(self.player.close)
        self.player.open(Location.parse(self.serve().url))

    def show(self, placed: PlacedFrame) -> None:
        """A frame is due."""
        number = number_of(placed.frame.jpeg)
        self.assertEqual(placed.number, number)
        self.numbers.append(number)
        self.player.shown(placed)

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for something to come true."""
        reactor = the_reactor()
        end_s = reactor.seconds() + PATIENCE_S
        while not condition():
            self.assertLess(reactor.seconds(), end_s, f"no {what}; {self.player.view()}")
            await deferLater(reactor, POLL_S, lambda: None)

    async def until_more(self, count: int) -> list[int]:
        """Wait for so many frames more; their numbers."""
        before = len(self.numbers)
        await self.until(lambda: len(self.numbers) >= before + count, f"{count} frames")
        return self.numbers[before : before + count]

    async def stand_still(self) -> int:
        """Pause; the number of the frame on the screen."""
        self.player.pause()
        await self.until(lambda: self.player.view().activity is Activity.PAUSED, "pause")
        return self.numbers[-1]

    async def assert_follows(self, transport: str) -> None:
        """After a pause, a step and a seek, the frame comes that is to come."""
        self.open(transport)
        await self.until_more(5)

        number = await self.stand_still()
        self.player.play()
        self.assertEqual(await self.until_more(3), [number + 1, number + 2, number + 3])
        number = await self.stand_still()
        self.player.step(1)
        self.assertEqual(await self.until_more(1), [number + 1])
        self.player.seek(10 / FPS)
        self.assertEqual(await self.until_more(1), [10])
        self.player.play()
        self.assertEqual(await self.until_more(3), [11, 12, 13])

    async def test_pause_step_and_seek_over_udp(self) -> None:
        await self.assert_follows("UDP")

    async def test_pause_step_and_seek_over_tcp(self) -> None:
        await self.assert_follows("TCP")

    async def test_steps_though_each_comes_with_the_same_rtp_time(self) -> None:
        # Slow enough that no packet of another frame comes between the answer and PAUSE.
        slow = films.avi([picture(number, SIZE) for number in range(FRAMES)], rate=(SLOW_FPS, 1))
        self.film.write_bytes(slow)
        self.open("UDP")
        await self.until_more(1)
        number = await self.stand_still()

        for step in range(1, 4):
            self.player.step(1)
            self.assertEqual(await self.until_more(1), [number + step])


class GstServerTests(GstCase):
    def describe(self, user: str = "", *, is_basic: bool = False) -> Response:
        """What a server that lets only one user in, or everybody, answers a stranger."""
        server = self.serve(user, is_basic=is_basic)
        client = Client("127.0.0.1", server.port)
        self.addCleanup(client.close)
        return client.ask("DESCRIBE", server.url, ("Accept", "application/sdp"))

    def test_it_serves_jpegs(self) -> None:
        description = Description.parse(self.describe().body)

        self.assertEqual(description.payload_type, 26)

    def test_it_asks_for_a_login_by_digest_or_basic(self) -> None:
        for is_basic, scheme in ((False, "Digest "), (True, "Basic ")):
            response = self.describe("anna", is_basic=is_basic)

            self.assertEqual(response.status, 401)
            challenges = response.headers.get_all("WWW-Authenticate")
            self.assertEqual([text[: len(scheme)] for text in challenges], [scheme])

    def test_a_launch_line_that_is_none_is_an_error_at_once(self) -> None:
        with self.assertRaisesRegex(RuntimeError, "nonsense"):
            GstServer("( nonsense name=pay0 )")
