"""What goes wrong is a sentence that says what to do; the window lives on."""

import socket

from twisted.internet.address import IPv4Address

from client.making import the_reactor
from client.view import Method
from tests.window.cases import WindowTestCase, daemon
from tests.window.doorkeeper import PASSWORD, REALM, USER, Doorkeeper


class SentenceTests(WindowTestCase):
    async def assert_fails(self, address: str, sentence: str) -> None:
        """An address does not play, and the window says why; another one still does."""
        self.show()
        entry = self.app.window.address_line.entry
        self.type_in(entry, address)
        await self.until(lambda: self.sentence, "sentence")

        self.assertEqual(self.sentence, sentence)
        self.assertEqual(self.enabled, {Method.SETUP})
        self.type_in(entry, daemon().url("film.avi"))
        await self.until_activity("playing")
        self.assertEqual(self.sentence, "")

    async def test_a_stream_that_is_not_there(self) -> None:
        url = daemon().url("nothing.avi")

        await self.assert_fails(
            url,
            f"127.0.0.1 has no stream {url}: is the name right, with capital and small letters?",
        )

    async def test_a_port_where_nobody_listens(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]

            await self.assert_fails(
                f"rtsp://127.0.0.1:{port}/film.avi",
                f"Nothing listens on port {port} of 127.0.0.1: is the server running?",
            )

    async def test_what_is_no_address_of_a_stream(self) -> None:
        await self.assert_fails(
            "http://127.0.0.1/film.avi",
            "http:// is the address of a web page: that of a stream begins with rtsp://.",
        )

    async def test_a_mistake_of_the_player_is_a_sentence_and_it_plays_on(self) -> None:
        await self.play()

        self.root.after(0, lambda: [][1])
        await self.until(lambda: self.sentence, "sentence")

        self.assertEqual(self.sentence, "The player made a mistake; its log says more.")
        self.assertEqual(len(self.flushLoggedErrors(IndexError)), 1)
        number = self.named or 0
        await self.until_after(number)
        await self.stand_still()


class LoginTests(WindowTestCase):
    async def meet_doorkeeper(self) -> None:
        """Open the address of somebody who asks who is there."""
        keeper = Doorkeeper(daemon().url("film.avi"))
        port = the_reactor().listenTCP(0, keeper, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        address = port.getHost()
        assert isinstance(address, IPv4Address)
        self.show(f"rtsp://127.0.0.1:{address.port}/film.avi")
        await self.until(lambda: self.app.window.login.is_open, "card for the login")

    def log_in(self, user: str, password: str) -> None:
        """Fill in the card."""
        card = self.app.window.login
        self.type_in(card.user, user)
        self.type_in(card.password, password)

    async def test_a_card_asks_for_user_and_password_and_the_film_plays(self) -> None:
        await self.meet_doorkeeper()
        card = self.app.window.login

        self.assertEqual(
            self.text(card.sentence), f"A user and a password are needed for “{REALM}”."
        )
        self.log_in(USER, PASSWORD)

        await self.until_activity("playing")
        self.assertFalse(card.is_open)
        self.assertNotIn(PASSWORD, self.app.window.address)

    async def test_a_wrong_password_is_asked_for_again(self) -> None:
        await self.meet_doorkeeper()
        card = self.app.window.login

        self.log_in(USER, "guess")
        await self.until(lambda: card.is_open, "card for the login")

        self.assertRegex(
            self.text(card.sentence), "^The server did not take this user and password"
        )
        self.assertEqual((card.user.get(), card.password.get()), (USER, ""))

    async def test_esc_gives_it_up_and_the_window_says_what_is_missing(self) -> None:
        await self.meet_doorkeeper()

        self.key("Escape")

        self.assertFalse(self.app.window.login.is_open)
        self.assertEqual(self.sentence, "127.0.0.1 wants a user and a password.")
        self.assertEqual(self.enabled, {Method.SETUP})
