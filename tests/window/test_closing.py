"""The end of a window, and of the program that it belongs to."""

import signal
import socket
import subprocess

from client.view import Method
from tests.system import player
from tests.window.cases import WindowTestCase, media


class CloseTests(WindowTestCase):
    def close_by_hand(self) -> None:
        """What a window manager does when somebody clicks on the cross."""
        self.root.tk.call(self.root.protocol("WM_DELETE_WINDOW"))

    async def test_closing_it_ends_the_session_with_teardown(self) -> None:
        server = self.running(media())
        for name in ("film.avi", "testcard"):
            await self.play(server.url(name))

            self.close_by_hand()
            await self.until_closed()

            server.wait_for_line(f" ended: TEARDOWN; {name}: ")

    async def test_closing_it_in_a_pause_does_too(self) -> None:
        server = self.running(media())
        await self.stand(server.url("film.avi"))

        self.close_by_hand()
        await self.until_closed()

        server.wait_for_line(" ended: TEARDOWN")

    async def test_a_server_that_says_nothing_does_not_hold_it_up(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            self.show(f"rtsp://127.0.0.1:{mute.getsockname()[1]}/film.avi")
            await self.until(lambda: self.enabled == {Method.TEARDOWN}, "connection under way")

            self.close_by_hand()

            await self.until_closed()

    async def test_a_server_that_died_does_not_hold_it_up(self) -> None:
        server = self.running(media())
        await self.play(server.url("film.avi"))
        server.signal(signal.SIGSTOP)

        self.close_by_hand()

        await self.until_closed()


class ProgramTests(WindowTestCase):
    def begin(self, *arguments: str, **environ: str) -> "subprocess.Popen[str]":
        """The player as a process, in a window of its own."""
        process = player.begin(*arguments, XDG_STATE_HOME=str(self.folder()), **environ)
        self.addCleanup(player.kill, process)
        return process

    def test_a_signal_ends_the_session_and_the_program(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            server = self.running(media())
            process = self.begin(server.url("testcard"))
            server.wait_for_line("READY -> PLAYING")

            process.send_signal(number)
            outcome = player.end(process)

            self.assertEqual(outcome.status, 0, outcome)
            self.assertNotIn("Traceback", outcome.words)
            server.wait_for_line(" ended: TEARDOWN")

    def test_without_a_screen_it_says_so_in_one_line(self) -> None:
        outcome = player.end(self.begin(DISPLAY=""))

        self.assertEqual(outcome.status, 1)
        self.assertRegex(
            outcome.words, r"\Amjpegd-player: no window can be opened \(.*\); use --headless\n\Z"
        )
