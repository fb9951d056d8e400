"""The picture on the screen is the frame that the window names, and the one that was asked for."""

from client.view import Method
from tests.system.cases import FPS
from tests.window.cases import DURATION_S, FRAMES, WindowTestCase, daemon

ROUNDS = 3


class PictureTests(WindowTestCase):
    async def test_the_picture_on_the_screen_is_the_frame_that_is_named(self) -> None:
        await self.stand()

        self.assert_exact()

    async def test_a_larger_window_shows_a_larger_picture_in_its_proportions(self) -> None:
        await self.stand()
        canvas = self.app.window.picture
        self.root.geometry("1000x800")
        await self.until(lambda: canvas.room[0] == 1000, "larger window")

        self.key("period")
        await self.until(lambda: canvas.image_size != (640, 480), "larger picture")

        width, height = canvas.image_size or (0, 0)
        self.assertAlmostEqual(width / height, 640 / 480, 2)
        self.assertIn(True, (width == canvas.room[0], height == canvas.room[1]))
        await self.until(lambda: self.number == self.named, "frame that is named")

    async def test_the_first_frame_after_a_pause_is_the_next_of_the_film(self) -> None:
        number = await self.stand(daemon().url("slow.avi"))

        for _ in range(ROUNDS):
            before = self.app.figures().frames_shown
            self.press(Method.PLAY)
            await self.until_other_than(number)
            self.assertEqual(self.named, number + 1)
            self.assertEqual(self.app.figures().frames_shown, before + 1)
            number = await self.stand_still()


class SeekTests(WindowTestCase):
    def click_at(self, position_s: float) -> None:
        """Click on the seek bar where a time is."""
        bar = self.app.window.control_panel.seek_bar
        self.click(bar, bar.x_of(position_s))

    async def test_a_click_on_the_seek_bar_shows_the_frame_of_that_time(self) -> None:
        await self.stand()

        for number in (150, 50, 0):
            self.click_at(number / FPS)
            # A pixel of the bar is less than a frame, but not nothing.
            await self.until_named(number - 1, number)
            self.assert_exact()

    async def test_a_click_while_it_plays_plays_on_from_there(self) -> None:
        await self.play()

        self.click_at(6.0)
        await self.until_after(150)
        await self.stand_still()

        self.assertIn(self.number, range(150, FRAMES - 1))
        self.assert_exact()

    async def test_a_click_at_the_end_shows_the_last_frame(self) -> None:
        await self.stand()

        self.click_at(DURATION_S)
        await self.until_named(FRAMES - 1)

        self.assert_exact()

    async def test_a_drag_ends_where_the_knob_is_let_go(self) -> None:
        await self.stand()
        bar = self.app.window.control_panel.seek_bar

        bar.event_generate("<ButtonPress-1>", x=bar.x_of(1.0), y=5)
        for tenths in range(10, 81):
            bar.event_generate("<B1-Motion>", x=bar.x_of(tenths / 10), y=5)
            await self.rest(0.005)
        bar.event_generate("<ButtonRelease-1>", x=bar.x_of(8.0), y=5)
        bar.event_generate("<Leave>")  # The time under the pointer lies over the picture.

        await self.until_named(199, 200)
        await self.until(lambda: bar.knob_x == bar.x_of((self.named or 0) / FPS), "knob there")
        self.assert_exact()


class StepTests(WindowTestCase):
    async def test_a_step_forward_and_back_is_one_frame(self) -> None:
        number = await self.stand()

        for key, step in (("period", 1), ("period", 1), ("comma", -1), ("comma", -1)):
            number += step
            self.key(key)
            await self.until_named(number)
            self.assert_exact()
            await self.until_activity("paused")

    async def test_a_step_while_it_plays_stands_still_at_the_next_frame(self) -> None:
        await self.play(daemon().url("slow.avi"))
        number = self.named or 0

        self.key("period")
        await self.until(lambda: self.activity == "paused" and self.number != number, "step")
        await self.rest(1.2)

        self.assertEqual(self.named, number + 1)
        self.assert_exact()

    async def test_reverse_in_a_pause_plays_back_from_the_frame_before(self) -> None:
        await self.stand(daemon().url("slow.avi"))
        self.app.seek(5.0)
        await self.until_named(5)

        self.key("r")
        self.press(Method.PLAY)

        for number in (4, 3):
            await self.until_other_than(number + 1)
            self.assertEqual(self.named, number)
        self.assertEqual(self.text(self.app.window.control_panel.speed_label), "-1x")

    async def test_reverse_while_it_plays_turns_round(self) -> None:
        await self.play()
        self.app.seek(5.0)
        await self.until_after(130)

        self.key("r")
        await self.until(lambda: (self.named or 0) < 120, "frame before the fifth second")
        await self.stand_still()

        self.assert_exact()
