"""The newest RTP packet: its headers drawn as the RFCs draw them, and what each field means."""

import tkinter
from collections.abc import Iterator, Sequence
from tkinter import ttk
from tkinter.font import Font

from ..view import Newest
from . import palette
from .explain import Field, Part, explained
from .theme import Theme

_ROW_BITS = 32
_MARGIN = 4
_RING = 2
_ROW_HEIGHT = 34
_LINE_GAP = 3
_PART_GAP = 14
_MEANING_X = 112


class PacketPage(ttk.Frame):
    """The page; it scrolls.

    Args:
        parent: The notebook.
        theme: How it looks.

    Attributes:
        canvas: All that is drawn.
    """

    def __init__(self, parent: tkinter.Misc, theme: Theme) -> None:
        super().__init__(parent, style="Panel.TFrame")
        self._theme = theme
        self._parts: list[Part] = []
        self._shape: object = None
        self._changing: list[int] = []  # the items whose text is another in each packet
        self.canvas = tkinter.Canvas(
            self,
            width=1,
            height=1,
            background=palette.PANEL,
            highlightthickness=theme.px(_RING),
            highlightbackground=palette.PANEL,
            highlightcolor=palette.SETUP,
            takefocus=1,
            yscrollincrement=theme.px(20),
        )
        scrollbar = ttk.Scrollbar(self, command=self.canvas.yview)
        self.canvas.configure(yscrollcommand=scrollbar.set)
        self.canvas.pack(side="left", fill="both", expand=True)
        scrollbar.pack(side="right", fill="y", padx=(theme.px(4), 0))
        for key, lines in (("<Up>", -1), ("<Down>", 1), ("<Prior>", -8), ("<Next>", 8)):
            self.canvas.bind(key, lambda _, lines=lines: self._scroll(lines))  # type: ignore[misc]
        self.canvas.bind("<MouseWheel>", lambda event: self._scroll(-1 if event.delta > 0 else 1))
        self.canvas.bind("<Button-4>", lambda _: self._scroll(-1))
        self.canvas.bind("<Button-5>", lambda _: self._scroll(1))
        self.canvas.bind("<Button-1>", lambda _: self.canvas.focus_set())
        self.canvas.bind("<Configure>", lambda _: self._draw())
        self.canvas.create_text(
            0, 0, anchor="nw", font=theme.text, fill=palette.SECONDARY, text="No packet yet"
        )

    def show(self, newest: Newest) -> None:
        """Show another packet."""
        self._parts = explained(newest)
        self._draw()

    @property
    def _width(self) -> int:
        margin = self._theme.px(_MARGIN) + self._theme.px(_RING)
        return self.canvas.winfo_width() - 2 * margin

    def _draw(self) -> None:
        shape = _shape(self._parts), self.canvas.winfo_width()
        if shape != self._shape:
            self._shape = shape
            self._draw_all()
        for item, text in zip(self._changing, _changing_texts(self._parts), strict=True):
            self.canvas.itemconfigure(item, text=text)

    def _draw_all(self) -> None:
        self.canvas.delete("all")
        self._changing = []
        y = self._theme.px(4)
        for part in self._parts:
            self._text(0, y, part.title, self._theme.small_bold, palette.TEXT)
            y = self._draw_boxes(part.fields, y + self._theme.px(20))
            y = self._draw_meanings(part.fields, y) + self._theme.px(_PART_GAP)
        self.canvas.configure(scrollregion=(-self._theme.px(_MARGIN), 0, 0, y))

    def _draw_boxes(self, fields: Sequence[Field], y: int) -> int:
        """The fields with bits, 32 a row; returns where the last row ends."""
        bit = self._width / _ROW_BITS
        height = self._theme.px(_ROW_HEIGHT)
        at = 0
        for field in _in_header(fields):
            row, column = divmod(at, _ROW_BITS)
            top = y + row * height
            left, right = round(column * bit), round((column + field.bits) * bit)
            self._draw_box(field, (left, top, right, top + height))
            at += field.bits
        return y + at // _ROW_BITS * height + self._theme.px(6 if at else 0)

    def _draw_box(self, field: Field, box: tuple[int, int, int, int]) -> None:
        left, top, right, bottom = box
        middle, quarter = (left + right) // 2, (bottom - top) // 4
        self.canvas.create_rectangle(box, fill=palette.FIELD, outline=palette.BUTTON_HOVER)
        self.canvas.create_text(
            middle,
            top + quarter + 1,
            text=field.name,
            font=self._theme.tiny,
            fill=palette.SECONDARY,
        )
        value = self.canvas.create_text(
            middle, bottom - quarter - 1, font=self._theme.small_bold, fill=palette.TEXT
        )
        self._changing.append(value)

    def _draw_meanings(self, fields: Sequence[Field], y: int) -> int:
        """A line for each field, or more where it is long; returns where the last one ends."""
        x = self._theme.px(_MEANING_X)
        for field in fields:
            self._text(0, y, field.name, self._theme.small, palette.SECONDARY)
            line = self._text(x, y, _meaning_text(field), self._theme.small, palette.TEXT)
            self.canvas.itemconfigure(line, width=self._width - x)
            self._changing.append(line)
            y = self.canvas.bbox(line)[3] + self._theme.px(_LINE_GAP)
        return y

    def _text(self, x: int, y: int, text: str, font: Font, colour: str) -> int:
        return self.canvas.create_text(x, y, anchor="nw", text=text, font=font, fill=colour)

    def _scroll(self, lines: int) -> None:
        self.canvas.yview_scroll(lines, "units")


def _in_header(fields: Sequence[Field]) -> list[Field]:
    return [field for field in fields if field.bits]


def _meaning_text(field: Field) -> str:
    return field.meaning if field.bits else f"{field.value}: {field.meaning}"


def _shape(parts: Sequence[Part]) -> list[object]:
    """What stays the same from packet to packet, mostly."""
    return [(part.title, [(field.name, field.bits) for field in part.fields]) for part in parts]


def _changing_texts(parts: Sequence[Part]) -> Iterator[str]:
    """In the order in which their items are drawn."""
    for part in parts:
        for field in _in_header(part.fields):
            yield field.value
        for field in part.fields:
            yield _meaning_text(field)
