"""Keys, the menu, the address line, cards and full screen, by hand."""

from client.options import DEFAULT_ADDRESS
from client.view import Method
from client.window.keys import BINDINGS, Group
from tests.system.cases import FPS
from tests.window.cases import FRAMES, WindowTestCase, daemon


class KeyTests(WindowTestCase):
    async def test_space_and_k_play_and_pause(self) -> None:
        await self.play()

        for key, activity in (("space", "paused"), ("k", "playing"), ("space", "paused")):
            self.key(key)
            await self.until_activity(activity)

    async def test_space_opens_the_address_where_nothing_is_open(self) -> None:
        self.show()
        self.app.window.address_line.set_text(daemon().url("film.avi"))

        self.key("space")

        await self.until_activity("playing")

    async def test_arrows_and_j_and_l_skip(self) -> None:
        number = await self.stand()

        for key, there in (
            ("Right", number + 2 * FPS),
            ("Right", number + 4 * FPS),
            ("Left", number + 2 * FPS),
            ("Shift-Right", FRAMES - 1),
            ("Shift-Left", 0),
            ("l", FRAMES - 1),
            ("j", 0),
        ):
            self.key(key)
            await self.until_named(there)

    async def test_brackets_change_the_speed(self) -> None:
        await self.play()
        speed = self.app.window.control_panel.speed_label

        for key, text in (("bracketright", "2x"), ("bracketleft", "1x"), ("bracketleft", "0.5x")):
            self.key(key)
            await self.until_says(speed, text)
        self.press(Method.PLAY)

        await self.until_says(speed, "1x")

    async def test_t_changes_the_transport_and_the_film_goes_on(self) -> None:
        await self.play()

        for transport in ("TCP", "UDP"):
            number = self.named or 0
            self.key("t")
            await self.until_says(self.app.window.control_panel.transport_button, transport)
            await self.until_after(number)
        await self.stand_still()

        self.assert_exact()

    async def test_q_quits(self) -> None:
        await self.play()

        self.key("q")

        await self.until_closed()

    def test_all_of_them_are_in_the_menu(self) -> None:
        self.show()
        main = self.app.window.menu
        menus = (main.menu, *main.parts.values())

        labels = {
            str(menu.entrycget(place, "label"))
            for menu in menus
            for place in range((menu.index("end") or 0) + 1)
            if menu.type(place) == "command"
        }

        self.assertEqual({binding.command.value for binding in BINDINGS} - labels, set())

    def test_f10_pops_the_menu_up_and_esc_takes_it_away(self) -> None:
        self.show()
        menu = self.app.window.menu.menu

        self.key("F10")
        self.root.update()
        self.assertTrue(menu.winfo_viewable())
        menu.event_generate("<Escape>")
        self.root.update()

        self.assertFalse(menu.winfo_viewable())

    async def test_an_entry_of_the_menu_does_what_it_says(self) -> None:
        await self.play()

        self.choose(Group.PLAYBACK, "PAUSE")

        await self.until_activity("paused")


class CardTests(WindowTestCase):
    def test_a_question_mark_shows_all_keys_until_esc(self) -> None:
        self.show()
        card = self.app.window.keys

        self.key("question")
        self.assertTrue(card.is_open)
        text = card.page.get("1.0", "end")
        self.assertEqual([b for b in BINDINGS if b.command.value not in text], [])
        self.key("Escape")

        self.assertFalse(card.is_open)

    def test_esc_closes_what_was_opened_last_one_thing_at_a_time(self) -> None:
        self.show()
        window = self.app.window
        for key in ("i", "f", "question"):
            self.key(key)

        states = []
        for _ in range(3):
            self.key("Escape")
            states.append((window.keys.is_open, window.is_full_screen, window.is_statistics_open))

        self.assertEqual(states, [(False, True, True), (False, False, True), (False, False, False)])


class AddressTests(WindowTestCase):
    def test_without_a_url_the_usual_one_waits_in_the_address_line(self) -> None:
        self.show()

        self.assertEqual(self.app.window.address, DEFAULT_ADDRESS)
        self.assertEqual(self.root.title(), "mjpegd player")

    async def test_enter_opens_what_was_typed_and_the_title_names_it(self) -> None:
        self.show()
        url = daemon().url("film.avi")

        self.type_in(self.app.window.address_line.entry, url.removeprefix("rtsp://"))
        await self.until_activity("playing")

        self.assertEqual(self.app.window.address, url)
        self.assertEqual(self.root.title(), f"mjpegd player - {url}")

    async def test_another_address_is_opened_instead(self) -> None:
        await self.play()

        self.type_in(self.app.window.address_line.entry, daemon().url("slow.avi"))

        await self.until(lambda: "slow" in self.root.title(), "title")
        await self.until_named(0)

    def test_letters_typed_into_the_address_line_are_no_keys(self) -> None:
        self.show()
        line = self.app.window.address_line

        self.key("Control-l")
        self.assertIs(self.root.focus_get(), line.entry)
        for letter in "iq?":
            self.key({"?": "question"}.get(letter, letter))

        self.assertEqual(line.text, "iq?")
        self.assertFalse(self.app.window.is_statistics_open)

    def test_esc_leaves_the_address_line(self) -> None:
        self.show()
        self.key("Control-l")

        self.key("Escape")

        self.assertIs(self.root.focus_get(), self.app.window.picture)

    async def test_the_list_has_what_the_server_offers_and_what_was_opened(self) -> None:
        await self.play()
        self.type_in(self.app.window.address_line.entry, daemon().url("nothing.avi"))
        await self.until(lambda: self.sentence, "refusal")
        line = self.app.window.address_line

        self.click(line.list_button)
        names = ("film.avi", "short.avi", "slow.avi", "testcard", "nothing.avi")
        urls = [daemon().url(name) for name in names]
        await self.until(lambda: set(line.choices.addresses) == set(urls), "streams of the server")

        self.assertEqual(line.choices.addresses[-1], urls[-1])

    async def test_a_stream_is_chosen_with_the_arrows_and_enter(self) -> None:
        self.show()
        line = self.app.window.address_line
        line.set_text(daemon().url(""))
        self.key("Control-l")
        self.key("Down")
        await self.until(lambda: line.choices.addresses, "streams of the server")

        self.key("Down")
        chosen = line.choices.marked
        self.key("Return")

        self.assertIn(chosen, line.choices.addresses)
        await self.until(lambda: self.root.title().endswith(f" {chosen}"), "title")


class FullScreenTests(WindowTestCase):
    async def test_f_gives_the_picture_the_whole_window_until_esc(self) -> None:
        await self.stand()
        window = self.app.window
        before = window.picture.room

        self.key("f")
        self.root.update()
        self.assertEqual(window.picture.room, (self.root.winfo_width(), self.root.winfo_height()))
        self.key("Escape")
        self.root.update()

        self.assertEqual(window.picture.room, before)
        self.assertTrue(window.address_line.winfo_viewable())

    def test_a_double_click_does_the_same(self) -> None:
        self.show()
        picture = self.app.window.picture

        for _ in range(2):
            self.click(picture)

        self.assertTrue(self.app.window.is_full_screen)

    async def test_the_controls_rest_and_come_back_when_the_pointer_moves(self) -> None:
        self.show()
        picture, panel = self.app.window.picture, self.app.window.control_panel
        self.key("f")
        # Elsewhere on the screen, and lower than the controls, as on another monitor.
        picture.event_generate("<Motion>", warp=True, x=50, y=picture.winfo_screenheight() - 9)
        self.assertTrue(panel.winfo_manager())
        await self.until(lambda: not panel.winfo_manager(), "rest")
        picture.event_generate("<Motion>", x=60, y=60)

        self.assertTrue(panel.winfo_manager())
