"""The statistics: graphs, the conversation, the states, the newest packet."""

import re
from collections.abc import Sequence
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING

from PIL import Image, ImageColor

from client.view import Method, State
from tests.window.cases import WindowTestCase, daemon

if TYPE_CHECKING:
    from client.window.network_page import Graph

HEAD = 20  # The upper pixels of a graph hold its value, which has the colour of the line.
SIMILAR = 60  # Edges of lines are mixed with the ground.
CONVERSATION = r"""(?x)
    .*→\ OPTIONS\ .*    ←\ RTSP/1\.0\ 200\ OK
    .*→\ DESCRIBE\ .*   ←\ RTSP/1\.0\ 200\ OK  .*m=video
    .*→\ SETUP\ .*      ←\ RTSP/1\.0\ 200\ OK  .*Session:
    .*→\ PLAY\ .*       ←\ RTSP/1\.0\ 200\ OK  .*RTP-Info:
    """


class Page(IntEnum):
    """Of the panel, in their order."""

    NETWORK = 0
    SESSION = 1
    PACKET = 2


class StatisticsTests(WindowTestCase):
    async def watch(self, page: Page) -> None:
        """Play a film with a page of the statistics open."""
        self.show(daemon().url("film.avi"), size="1200x800")
        self.key("i")
        self.app.window.statistics.pages.select(page)
        await self.until_picture()

    async def test_every_graph_has_a_value_and_a_line(self) -> None:
        await self.watch(Page.NETWORK)
        graphs = self.app.window.statistics.network.graphs

        for graph in graphs:
            await self.until(partial(self.has_line, graph), graph.quantity.name)

        values = [graph.value_text for graph in graphs]
        self.assertRegex(" | ".join(values), r"^[\d,]+ kbps \| [\d.]+ fps( \| [\d.]+ (ms|%)){3}$")

    def has_line(self, graph: "Graph") -> bool:
        """Whether its line is on the screen."""
        left, top = graph.winfo_rootx(), graph.winfo_rooty()
        right, bottom = left + graph.winfo_width(), top + graph.winfo_height()
        plot = self.grab((left, top + HEAD, right, bottom))
        line = ImageColor.getrgb(graph.quantity.colour)
        return any(_distance(line, shade) < SIMILAR for shade in _shades(plot))

    async def test_packets_and_frames_are_counted(self) -> None:
        await self.watch(Page.NETWORK)
        counts = self.app.window.statistics.network.counts

        await self.until(lambda: self.text(counts["packets received"]) != "0", "packets")
        await self.until(lambda: self.text(counts["frames shown"]) != "0", "frames")

        for name in ("packets lost", "frames lost", "packets reordered", "packets twice"):
            self.assertEqual(self.text(counts[name]), "0", name)

    async def test_the_conversation_is_there_message_by_message(self) -> None:
        await self.watch(Page.SESSION)
        page = self.app.window.statistics.session.conversation

        await self.until(lambda: "RTP-Info" in page.get("1.0", "end"), "answer to PLAY")

        self.assertRegex(page.get("1.0", "end"), re.compile(CONVERSATION, re.DOTALL))

    async def test_what_was_said_before_it_was_opened_is_there_too(self) -> None:
        await self.play()
        self.key("i")
        statistics = self.app.window.statistics

        statistics.pages.select(Page.SESSION)

        await self.until(
            lambda: "PLAY" in statistics.session.conversation.get("1.0", "end"), "PLAY"
        )

    async def test_the_state_of_the_session_is_lit(self) -> None:
        await self.watch(Page.SESSION)
        drawing = self.app.window.statistics.session.drawing

        await self.until(lambda: drawing.state is State.PLAYING, "PLAYING")
        self.press(Method.PAUSE)
        await self.until(lambda: drawing.state is State.READY, "READY")
        self.press(Method.TEARDOWN)

        await self.until(lambda: drawing.state is State.INIT, "INIT")

    async def test_the_newest_packet_is_taken_apart(self) -> None:
        await self.watch(Page.PACKET)
        canvas = self.app.window.statistics.packet.canvas

        def texts() -> list[str]:
            return [
                canvas.itemcget(item, "text")
                for item in canvas.find_all()
                if str(canvas.type(item)) == "text"  # The stubs take it for a number.
            ]

        await self.until(lambda: "timestamp" in texts(), "packet")
        before = texts()
        await self.until(lambda: texts() != before, "another packet")

        for name in ("V", "PT", "sequence number", "SSRC", "fragment offset", "type", "Q", "width"):
            self.assertIn(name, texts())
        self.assertIn("26", texts())  # JPEG
        self.assertIn("80", texts())  # the width of 640 pixels, in units of 8

    async def test_the_window_grows_for_it_and_shrinks_again(self) -> None:
        self.show()
        self.root.update()
        before = self.root.winfo_width()

        self.key("i")
        self.root.update()
        wider = self.root.winfo_width()
        self.key("i")
        self.root.update()

        self.assertGreater(wider, before)
        self.assertEqual(self.root.winfo_width(), before)


def _shades(image: Image.Image) -> set[tuple[int, ...]]:
    data = image.tobytes()
    return set(zip(data[::3], data[1::3], data[2::3], strict=True))


def _distance(colour: Sequence[int], other: Sequence[int]) -> int:
    return sum(abs(a - b) for a, b in zip(colour, other, strict=True))
