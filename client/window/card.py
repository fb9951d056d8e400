"""What all cards over the window are: a title, a way out, and a place that fits into the window."""

import tkinter
from abc import ABC, abstractmethod
from collections.abc import Callable
from tkinter import ttk

from typing_extensions import override

from . import palette
from .controls import Controls
from .geometry import into_view

_PAD = 16
GAP = 8
_FIELD_CHARACTERS = 30
_SENTENCE_WIDTH = 290


class Card(tkinter.Frame, ABC):
    """A card in the middle of the window.

    Args:
        root: The window.
        controls: Makes buttons.
        title: What it is about.
        on_close: Called when it has gone.

    Attributes:
        body: What is on it, below the title.
    """

    def __init__(
        self, root: tkinter.Tk, controls: Controls, title: str, on_close: Callable[[], None]
    ) -> None:
        theme = controls.theme
        super().__init__(root, background=palette.BUTTON_HOVER, padx=theme.px(1), pady=theme.px(1))
        self.theme = theme
        self._window = root
        self._on_close = on_close
        inside = ttk.Frame(self, style="Panel.TFrame", padding=theme.px(_PAD))
        inside.pack(fill="both", expand=True)
        self._head = ttk.Frame(inside, style="Panel.TFrame")
        self._head.pack(fill="x")
        ttk.Label(self._head, text=title, style="Panel.Bold.TLabel").pack(side="left")
        self.close_button = controls.button(self._head, "Panel.PanelTool", self.close, icon="close")
        self.close_button.pack(side="right")
        self.body = ttk.Frame(inside, style="Panel.TFrame")
        self.body.pack(fill="both", expand=True, pady=(theme.px(GAP), 0))
        root.bind("<Configure>", self._resize, add=True)

    @property
    def is_open(self) -> bool:
        """It is on the screen."""
        return bool(self.winfo_manager())

    def close(self) -> None:
        """Take it away."""
        if self.is_open:
            self.place_forget()
            self._on_close()

    def put(self, focus: tkinter.Misc) -> None:
        """Put it on the screen, and the focus on a part of it."""
        self.place(relx=0.5, rely=0.5, anchor="center")
        self._fit()
        self.tkraise()
        focus.focus_set()

    @abstractmethod
    def fit(self, width: int, height: int) -> None:
        """Take no more of the window than this, in pixels."""

    def _fit(self) -> None:
        margin = 2 * self.theme.px(GAP)
        self.fit(self._window.winfo_width() - margin, self._window.winfo_height() - margin)

    def _resize(self, event: "tkinter.Event[tkinter.Misc]") -> None:
        if event.widget is self._window and self.is_open:
            self._fit()


class Form(Card):
    """A card with something to fill in; in a window that is too low for it, it scrolls.

    Args:
        root: The window.
        controls: Makes buttons.
        title: What it is about.
        on_close: Called when it has gone.

    Attributes:
        sentence: What to fill in, and why.
    """

    def __init__(
        self, root: tkinter.Tk, controls: Controls, title: str, on_close: Callable[[], None]
    ) -> None:
        super().__init__(root, controls, title, on_close)
        self._controls = controls
        self._port = tkinter.Canvas(self.body, background=palette.PANEL, highlightthickness=0)
        self._scrollbar = ttk.Scrollbar(self.body, command=self._port.yview)
        self._port.configure(yscrollcommand=self._scrollbar.set)
        self._port.grid(row=0, column=0)
        self._scrollbar.grid(row=0, column=1, sticky="ns", padx=(self.theme.px(GAP), 0))
        self._lines = ttk.Frame(self._port, style="Panel.TFrame")
        self._item = self._port.create_window(0, 0, window=self._lines, anchor="nw")
        self.sentence = ttk.Label(self._lines, style="Panel.Dim.TLabel")
        self.sentence.pack(anchor="w")

    def add_field(self, name: str, hidden: str = "") -> ttk.Entry:
        """A field with its name above it."""
        ttk.Label(self._lines, text=name, style="Panel.Dim.TLabel", font=self.theme.small).pack(
            anchor="w", pady=(self.theme.px(GAP), self.theme.px(2))
        )
        field = ttk.Entry(
            self._lines,
            style="Panel.TEntry",
            font=self.theme.text,
            width=_FIELD_CHARACTERS,
            show=hidden,
        )
        field.pack(fill="x")
        field.bind("<FocusIn>", lambda _: self._show_part(field))
        return field

    def add_button(
        self, style: str, act: Callable[[], None], text: str, icon: str = "", colour: str = ""
    ) -> ttk.Button:
        """The button below the fields."""
        button = self._controls.button(self._lines, style, act, text=text, icon=icon, colour=colour)
        button.pack(anchor="e", pady=(self.theme.px(2 * GAP), 0))
        button.bind("<FocusIn>", lambda _: self._show_part(button), add=True)
        return button

    @override
    def fit(self, width: int, height: int) -> None:
        around = 2 * self.theme.px(_PAD) + 2 * self.theme.px(1)
        room = height - around - self._head.winfo_reqheight() - self.theme.px(GAP)
        if self._set_width(width - around) > room:
            self._scrollbar.grid()
            beside = self._scrollbar.winfo_reqwidth() + self.theme.px(GAP)
            needed = self._set_width(width - around - beside)
        else:
            self._scrollbar.grid_remove()
            needed = self._lines.winfo_reqheight()
        self._port.configure(height=min(needed, room), scrollregion=(0, 0, 0, needed))

    def _set_width(self, width: int) -> int:
        """Take no more than this; the height that is needed then."""
        self.sentence.configure(wraplength=min(self.theme.px(_SENTENCE_WIDTH), width))
        self.update_idletasks()
        width = min(self._lines.winfo_reqwidth(), width)
        self._port.configure(width=width)
        self._port.itemconfigure(self._item, width=width)
        return self._lines.winfo_reqheight()

    def _show_part(self, part: tkinter.Misc) -> None:
        """Scroll to what has the focus."""
        self.update_idletasks()  # All has its place now.
        top, height = part.winfo_y(), self._lines.winfo_height()
        port_top, port_height = int(self._port.canvasy(0)), self._port.winfo_height()
        top = into_view(top, top + part.winfo_height(), port_top, port_height)
        self._port.yview_moveto(top / max(height, 1))
