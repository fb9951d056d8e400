"""Small windows and fine screens: nothing overlaps, and nothing is cut."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from client.view import Method
from tests.window.cases import FINE, USUAL, WindowTestCase, daemon

if TYPE_CHECKING:
    import tkinter

LEAST_SIZE = "480x400"


@dataclass(frozen=True, slots=True)
class Box:
    """Where something is on the screen, in pixels."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def of(cls, widget: "tkinter.Misc") -> Self:
        left, top = widget.winfo_rootx(), widget.winfo_rooty()
        return cls(left, top, left + widget.winfo_width(), top + widget.winfo_height())

    def holds(self, other: "Box") -> bool:
        return (
            self.left <= other.left
            and self.top <= other.top
            and other.right <= self.right
            and other.bottom <= self.bottom
        )

    def overlaps(self, other: "Box") -> bool:
        return max(self.left, other.left) < min(self.right, other.right) and max(
            self.top, other.top
        ) < min(self.bottom, other.bottom)


def shown_children(widget: "tkinter.Misc") -> "list[tkinter.Widget | tkinter.Toplevel]":
    """What is laid out in a widget, and seen; what lies over something else on purpose is not."""
    children = widget.winfo_children()
    return [
        child for child in children if child.winfo_viewable() and child.winfo_manager() != "place"
    ]


def faults(widget: "tkinter.Misc") -> Iterator[str]:
    """What is wrong with the places of all that is in a widget."""
    children = shown_children(widget)
    for child in children:
        if not Box.of(widget).holds(Box.of(child)):
            yield f"{child} sticks out of {widget}"
        if is_cut(child):
            yield f"{child} has no room for {child['text']!r}"
        yield from faults(child)
    for one, other in itertools.combinations(children, 2):
        if Box.of(one).overlaps(Box.of(other)):
            yield f"{one} overlaps {other}"


def is_cut(widget: "tkinter.Misc") -> bool:
    """Whether it says something for which it is too small."""
    is_text = widget.winfo_class() in ("TButton", "TLabel", "Label")
    needs = widget.winfo_reqwidth(), widget.winfo_reqheight()
    return is_text and needs > (widget.winfo_width(), widget.winfo_height())


class LayoutTests(WindowTestCase):
    async def assert_tidy(self, sizes: Sequence[str], scaling: float) -> None:
        """While a film plays, everything has its place, with the statistics and without."""
        self.show(daemon().url("film.avi?loop=1"), scaling=scaling)
        await self.until_picture()
        for size in sizes:
            self.root.geometry(size)
            for _ in range(2):
                self.key("i")
                self.root.update()
                self.assertEqual([*faults(self.root)], [], size)

    async def test_nothing_overlaps_and_nothing_is_cut(self) -> None:
        sizes = LEAST_SIZE, "560x700", "640x620", "1000x640", "1600x1100"
        await self.assert_tidy(sizes, USUAL)

    async def test_nor_on_a_screen_of_many_pixels(self) -> None:
        await self.assert_tidy((LEAST_SIZE, "960x800", "1600x1200"), FINE)

    async def test_the_smallest_window_shows_picture_address_and_all_four_buttons(self) -> None:
        for scaling in (USUAL, FINE):
            self.show(daemon().url("film.avi"), size=LEAST_SIZE, scaling=scaling)
            await self.until_picture()
            window = self.app.window
            buttons = [window.control_panel.buttons[method] for method in Method]

            for part in (*buttons, window.address_line.entry, window.picture):
                self.assertTrue(part.winfo_viewable())
                self.assertTrue(Box.of(self.root).holds(Box.of(part)))
            self.assertGreater(window.picture.winfo_height(), 100)
            await self.close()

    async def test_a_long_sentence_in_the_smallest_window_lies_within_it(self) -> None:
        self.show(daemon().url("x" * 60), size=LEAST_SIZE)
        picture = self.app.window.picture

        await self.until(lambda: picture.sentence.winfo_viewable(), "sentence")
        self.root.update()

        self.assertTrue(Box.of(picture).holds(Box.of(picture.strip)))
        self.assertFalse(is_cut(picture.sentence))

    async def test_in_the_smallest_window_of_a_fine_screen_all_of_a_card_can_be_reached(
        self,
    ) -> None:
        self.show(size=LEAST_SIZE, scaling=FINE)
        window = self.app.window
        window.ask_login("front door", was_tried=True)
        card = window.login
        self.root.update()
        self.assertTrue(Box.of(self.root).holds(Box.of(card)))

        for part in (card.user, card.password, card.button, card.user):
            part.focus_set()
            self.root.update()
            self.assertTrue(Box.of(card.body).holds(Box.of(part)), part)

    async def test_a_card_follows_the_size_of_the_window(self) -> None:
        self.show(size="960x800", scaling=FINE)
        card = self.app.window.login
        self.app.window.ask_login("front door", was_tried=False)
        self.root.update()
        height = card.winfo_height()

        for size, is_cut_short in ((LEAST_SIZE, True), ("960x800", False)):
            self.root.geometry(size)
            await self.until(
                lambda: (card.winfo_height() < height) is is_cut_short,  # noqa: B023 - at once
                f"card for {size}",
            )

    async def test_cards_lie_within_a_small_window(self) -> None:
        for size, scaling in ((LEAST_SIZE, USUAL), ("960x800", FINE)):
            self.show(size=size, scaling=scaling)
            window = self.app.window
            window.ask_login("front door", was_tried=True)
            window.record.ask("film.avi")
            window.keys.open()
            self.root.update()

            for card in (window.login, window.record, window.keys):
                self.assertTrue(Box.of(self.root).holds(Box.of(card)), card)
                self.assertEqual([*faults(card)], [])
            await self.close()
