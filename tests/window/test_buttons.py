"""SETUP, PLAY, PAUSE and STOP: what can be pressed when, and what the labels say."""

import re

from client.view import Method
from tests.window.cases import WindowTestCase, daemon

IN_SESSION = {Method.PLAY, Method.TEARDOWN}
WHILE_PLAYING = {Method.PLAY, Method.PAUSE, Method.TEARDOWN}


class ButtonTests(WindowTestCase):
    def test_before_anything_is_opened_only_setup_can_be_pressed(self) -> None:
        self.show()

        self.assertEqual(self.enabled, {Method.SETUP})
        self.assertEqual(self.activity, "idle")
        self.assertIsNone(self.named)

    async def test_setup_opens_the_address_and_no_picture_comes(self) -> None:
        self.show()
        self.app.window.address_line.set_text(daemon().url("film.avi"))

        self.press(Method.SETUP)
        await self.until_activity("ready")
        await self.rest(0.3)

        self.assertEqual(self.enabled, IN_SESSION)
        self.assertIsNone(self.named)
        self.assertEqual(self.transport, "UDP")

    async def test_play_in_a_session_lets_pictures_come_from_the_first_one_on(self) -> None:
        self.show()
        self.app.window.address_line.set_text(daemon().url("slow.avi"))
        self.press(Method.SETUP)
        await self.until_activity("ready")

        self.press(Method.PLAY)
        await self.until_picture()

        self.assertEqual(self.named, 0)
        self.assertEqual(self.activity, "playing")
        self.assertEqual(self.enabled, WHILE_PLAYING)

    async def test_pause_keeps_picture_and_session(self) -> None:
        number = await self.stand()
        await self.rest(0.3)

        self.assertEqual(self.number, number)
        self.assertEqual(self.enabled, IN_SESSION)

    async def test_stop_ends_the_session(self) -> None:
        await self.play()

        self.press(Method.TEARDOWN)
        await self.until_activity("idle")

        self.assertEqual(self.enabled, {Method.SETUP})
        self.assertEqual(self.transport, "")

    async def test_play_after_stop_begins_anew(self) -> None:
        await self.play(daemon().url("slow.avi"))
        await self.until_named(1)
        self.press(Method.TEARDOWN)
        await self.until_activity("idle")

        self.press(Method.SETUP)
        await self.until_activity("ready")
        self.press(Method.PLAY)

        await self.until_named(0)

    async def test_a_film_ends_at_its_last_frame_and_can_be_played_again(self) -> None:
        await self.play(daemon().url("short.avi"))

        await self.until_activity("ended")
        await self.until_named(24)
        self.assertEqual(self.enabled, IN_SESSION)
        self.press(Method.PLAY)

        await self.until_activity("playing")
        await self.until_activity("ended")


class LabelTests(WindowTestCase):
    async def test_times_and_figures_of_a_film(self) -> None:
        await self.play()
        bar, panel = self.app.window.status_bar, self.app.window.control_panel

        await self.until(lambda: re.match(r"2\d\.\d fps", self.text(bar.fps)), "rate of the film")

        self.assertRegex(self.text(panel.time_label), r"0:0\d / 0:10")
        self.assertRegex(self.text(bar.bit_rate), r"[1-9][\d,]* kbps")
        self.assertRegex(self.text(bar.jitter), r"jitter [\d.]+ ms")
        self.assertRegex(self.text(bar.latency), r"latency \d+ ms")
        self.assertEqual(self.text(bar.loss), "loss 0 %")

    async def test_a_live_picture_has_no_length_and_no_seek_bar(self) -> None:
        await self.play(daemon().url("testcard"))
        panel = self.app.window.control_panel
        number = self.named or 0

        self.click(panel.seek_bar, 300)
        await self.until_after(number)

        self.assertNotIn("/", self.text(panel.time_label))
        self.assertEqual(self.activity, "playing")
