"""A list of addresses under headings, of which one is chosen."""

import tkinter
from collections.abc import Callable, Mapping, Sequence

from . import palette
from .theme import Theme

_NOTHING = "Nothing to choose from yet"
_GAP = 5
_PAD = 6


class Choices(tkinter.Frame):
    """The list; it never takes the focus: the entry above it moves through it.

    Args:
        parent: The window.
        theme: How it looks.
        on_choose: Called with the address that was clicked.

    Attributes:
        addresses: What can be chosen, top to bottom.
        page: The lines.
    """

    def __init__(
        self, parent: tkinter.Misc, theme: Theme, on_choose: Callable[[str], None]
    ) -> None:
        super().__init__(parent, background=palette.LINE, padx=theme.px(1), pady=theme.px(1))
        self.addresses: list[str] = []
        self._lines: list[int] = []  # the number of the line of each address
        self._place: int | None = None  # of the address that is marked
        self._on_choose = on_choose
        self._line_height = theme.text.metrics("linespace") + 2 * theme.px(_GAP)
        self._pad = theme.px(_PAD)
        self.page = theme.page(self, "Panel")
        self.page.configure(
            highlightthickness=0, padx=0, pady=self._pad, wrap="none", cursor="hand2", takefocus=0
        )
        gap, indent = theme.px(_GAP), theme.px(12)
        self.page.tag_configure("line", lmargin1=indent, spacing1=gap, spacing3=gap)
        self.page.tag_configure("heading", font=theme.small, foreground=palette.SECONDARY)
        self.page.tag_configure("marked", background=palette.BUTTON)
        self.page.pack(fill="both", expand=True)
        self.page.bind("<Motion>", self._point)
        self.page.bind("<Button-1>", self._click)

    @property
    def height(self) -> int:
        """All of it, in pixels."""
        lines = int(self.page.index("end-1c").partition(".")[0])
        return lines * self._line_height + 2 * self._pad + 2

    @property
    def marked(self) -> str | None:
        """The address that is chosen by the next Enter."""
        return None if self._place is None else self.addresses[self._place]

    def fill(self, parts: Mapping[str, Sequence[str]]) -> None:
        """Offer addresses, each part under its heading; empty parts are left out."""
        marked = self.marked
        self.addresses, self._lines = [], []
        lines: list[tuple[str, tuple[str, ...]]] = []
        for heading, addresses in parts.items():
            if addresses:
                lines.append((heading, ("line", "heading")))
            for address in addresses:
                lines.append((address, ("line",)))
                self.addresses.append(address)
                self._lines.append(len(lines))
        self._write(lines or [(_NOTHING, ("line", "heading"))])
        self._mark(self.addresses.index(marked) if marked in self.addresses else None)

    def move(self, step: int) -> None:
        """Mark the next address, or the one before."""
        if self.addresses:
            first = 0 if step > 0 else -1
            wanted = first if self._place is None else self._place + step
            self._mark(wanted % len(self.addresses))

    def _write(self, lines: Sequence[tuple[str, tuple[str, ...]]]) -> None:
        self.page.configure(state="normal")
        self.page.delete("1.0", "end")
        for number, (text, tags) in enumerate(lines):
            self.page.insert("end", text if not number else f"\n{text}", tags)
        self.page.configure(state="disabled")

    def _mark(self, place: int | None) -> None:
        self._place = place
        self.page.tag_remove("marked", "1.0", "end")
        if place is not None:
            line = self._lines[place]
            self.page.tag_add("marked", f"{line}.0", f"{line + 1}.0")
            self.page.see(f"{line}.0")

    def _place_at(self, event: "tkinter.Event[tkinter.Text]") -> int | None:
        line = int(self.page.index(f"@{event.x},{event.y}").partition(".")[0])
        return self._lines.index(line) if line in self._lines else None

    def _point(self, event: "tkinter.Event[tkinter.Text]") -> None:
        self._mark(self._place_at(event))

    def _click(self, event: "tkinter.Event[tkinter.Text]") -> str:
        place = self._place_at(event)
        if place is not None:
            self._on_choose(self.addresses[place])
        return "break"
