"""What a bad network looks like: loss, reordering, blocked UDP, a connection that is gone."""

from client.window import palette
from client.window.keys import Group
from mjpegd.test.pictures import number_of
from tests.system.daemon import Daemon
from tests.tools.impairment import Impaired, Plan, burst, every
from tests.window.cases import WindowTestCase, daemon, media, pixels

GLANCES = 15


class NetworkTestCase(WindowTestCase):
    def impaired(self, plan: Plan, server: Daemon | None = None) -> Impaired:
        """A bad network before a daemon, or before that of all tests."""
        relay = Impaired(("127.0.0.1", (server or daemon()).port), plan)
        self.addCleanup(relay.close)
        return relay

    async def play_through(self, plan: Plan, *options: str, name: str = "film.avi") -> Impaired:
        """Open a window that plays through a bad network, and wait for a picture."""
        relay = self.impaired(plan)
        await self.play(url(relay, name), *options)
        return relay

    @property
    def loss(self) -> str:
        """What the status bar says of it."""
        return self.text(self.app.window.status_bar.loss)

    @property
    def loss_marks(self) -> int:
        """How many marks the seek bar has where frames were lost."""
        bar = self.app.window.control_panel.seek_bar
        fills = {
            item: bar.itemcget(item, "fill")
            for item in bar.find_all()
            if str(bar.type(item)) == "rectangle"  # The stubs take it for a number.
        }
        marks = [item for item, fill in fills.items() if fill == palette.LOST]
        return sum(bar.itemcget(mark, "state") != "hidden" for mark in marks)


def url(relay: Impaired, name: str = "film.avi") -> str:
    """Of a film behind a bad network."""
    return f"rtsp://127.0.0.1:{relay.port}/{name}"


class LossTests(NetworkTestCase):
    async def test_only_whole_frames_are_on_the_screen(self) -> None:
        await self.play_through(Plan(drop=every(7)))

        for _ in range(GLANCES):
            await self.rest(0.03)
            seen = self.seen
            self.assertTrue(seen.tobytes() == pixels(number_of(seen)), "a frame that is not whole")
        self.assertGreater(self.app.figures().frames_lost, 0)

    async def test_the_status_bar_and_the_seek_bar_show_the_loss(self) -> None:
        await self.play_through(Plan(drop=every(20)))

        await self.until(lambda: self.loss != "loss 0 %", "loss")
        await self.until(lambda: self.loss_marks > 0, "marks on the seek bar")

        self.assertEqual(self.sentence, "")

    async def test_what_was_lost_once_keeps_its_one_mark(self) -> None:
        await self.play_through(Plan(drop=burst(10, 5)))

        await self.until(lambda: self.loss_marks > 0, "mark on the seek bar")
        await self.until_after(30)

        self.assertEqual(self.loss_marks, 1)

    async def test_damaged_frames_are_shown_where_somebody_wants_them(self) -> None:
        relay = self.impaired(Plan(drop=every(2, first=1)))
        self.show(url(relay))
        await self.until(lambda: self.loss != "loss 0 %", "loss")
        self.assertIsNone(self.named)

        self.choose(Group.VIEW, "Show damaged frames")

        await self.until_picture()

    async def test_packets_out_of_order_are_put_in_order_and_nothing_is_lost(self) -> None:
        await self.play_through(Plan(delay=every(7)))

        await self.until(lambda: self.app.figures().packets_reordered >= 20, "reordering")
        # A packet that others have overtaken counts as lost until it comes.
        await self.until(
            lambda: (self.app.figures().packets_lost, self.loss) == (0, "loss 0 %"),
            "moment at which none of them is on its way",
        )

        self.assertEqual(self.app.figures().frames_lost, 0)
        await self.stand_still()
        self.assert_exact()


class FallbackTests(NetworkTestCase):
    async def test_where_nothing_comes_over_udp_it_says_so_and_takes_tcp(self) -> None:
        await self.play_through(Plan(blocks_udp=True))

        self.assertRegex(
            self.sentence, "^Nothing came over UDP for 3 s, so the film comes over TCP"
        )
        self.assertEqual(self.transport, "TCP")

    async def test_where_the_server_refuses_udp_it_says_so_and_takes_tcp(self) -> None:
        await self.play_through(Plan(refuses_udp=True))

        self.assertEqual(
            self.sentence, "The server does not send over UDP, so the film comes over TCP."
        )
        self.assertEqual(self.transport, "TCP")


class OutageTests(NetworkTestCase):
    async def test_a_broken_connection_comes_back_and_the_film_goes_on_where_it_stood(self) -> None:
        for transport in ("udp", "tcp"):
            relay = await self.play_through(Plan(), f"--transport={transport}", name="slow.avi")
            relay.refuse_connections()
            relay.break_connections()
            await self.until_activity("reconnecting")
            number = self.named or 0
            self.assertRegex(self.sentence, r"Trying again\.$")
            await self.rest(1.0)

            relay.accept_connections()
            await self.until_activity("playing")
            await self.until_silence()

            self.assertIn(self.named, (number, number + 1))
            await self.close()

    async def test_a_pause_outlasts_a_broken_connection(self) -> None:
        relay = self.impaired(Plan())
        number = await self.stand(url(relay))

        relay.break_connections()
        await self.until(lambda: self.sentence, "word of it")
        await self.until_activity("paused")
        await self.until_silence()

        self.assertEqual(self.number, number)

    async def test_a_server_that_comes_back_on_its_port_is_found_again(self) -> None:
        server = self.running(media())
        await self.play(server.url("slow.avi"))

        server.kill()
        await self.until_activity("reconnecting")
        number = self.named or 0
        again = self.daemon(media(), port=f"--port={server.port}")
        again.launch()

        await self.until_activity("playing")
        self.assertIn(self.named, (number, number + 1))

    async def test_a_cut_network_is_told_of_after_10_s_and_forgotten_when_it_is_back(self) -> None:
        relay = await self.play_through(Plan(), name="film.avi?loop=1")

        relay.cut()
        await self.until_activity("stalled")
        self.assertRegex(self.sentence, "^Nothing has come for 10 s")
        relay.mend()

        await self.until_activity("playing")
        await self.until_silence()
