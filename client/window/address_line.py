"""The line for the address of a stream; below it, when wanted, streams to choose from."""

import tkinter
from collections.abc import Callable, Sequence
from tkinter import ttk

from .choices import Choices
from .controls import Controls

AskStreams = Callable[[Callable[[list[str]], None]], None]
"""Asks the server what it offers; its argument is called, at once or later, with URLs."""

_OFFERED = "On this server"
_OPENED = "Opened before"


class AddressLine(ttk.Frame):
    """An entry, a button that opens what it holds, and one that shows what there is.

    Args:
        parent: The window.
        controls: Makes the buttons.
        address: What the entry holds at first.
        history: Addresses that were opened, newest first.
        ask_streams: Called whenever the list is shown.
        on_open: Called with what the entry holds.

    Attributes:
        entry: Where the address is typed.
        list_button: Shows or hides the list.
        open_button: Opens the address.
        choices: The list.
    """

    def __init__(
        self,
        parent: tkinter.Misc,
        controls: Controls,
        *,
        address: str,
        history: Sequence[str],
        ask_streams: AskStreams,
        on_open: Callable[[str], None],
    ) -> None:
        super().__init__(parent, style="Panel.TFrame")
        self._history = list(history)
        self._streams: list[str] = []
        self._ask_streams = ask_streams
        self._on_open = on_open
        theme = controls.theme
        self.entry = ttk.Entry(self, style="Panel.TEntry", width=10, font=theme.text)
        self.list_button = controls.button(
            self, "Panel.PanelTool", self.toggle_list, icon="expand", hint="Choose a stream"
        )
        self.open_button = controls.button(self, "Panel.Plain", self.open, text="Open")
        self.entry.grid(row=0, column=0, sticky="nsew")
        self.list_button.grid(row=0, column=1, padx=theme.px(4))
        self.open_button.grid(row=0, column=2)
        self.columnconfigure(0, weight=1)
        self.choices = Choices(self.winfo_toplevel(), theme, self._choose)
        self.set_text(address)
        for key in ("<Return>", "<KP_Enter>"):
            self.entry.bind(key, lambda _: self._choose(self._marked or self.text))
        self.entry.bind("<Down>", lambda _: self._move(1))
        self.entry.bind("<Up>", lambda _: self._move(-1))
        self.entry.bind("<Escape>", self._leave_list)
        self.entry.bind("<FocusOut>", lambda _: self.hide_list())

    @property
    def text(self) -> str:
        """What the entry holds."""
        return self.entry.get().strip()

    @property
    def is_list_shown(self) -> bool:
        """The streams to choose from are on the screen."""
        return bool(self.choices.winfo_manager())

    def set_text(self, address: str) -> None:
        """Let the entry hold something else."""
        self.entry.delete(0, "end")
        self.entry.insert(0, address)

    def set_history(self, history: Sequence[str]) -> None:
        """Offer other addresses that were opened, newest first."""
        self._history = list(history)
        self._fill()

    def start_typing(self) -> None:
        """Give the entry the focus; what is typed replaces what it holds."""
        self.entry.focus_set()
        self.entry.selection_range(0, "end")

    def open(self) -> None:
        """Open what the entry holds."""
        self.hide_list()
        if self.text:
            self._on_open(self.text)

    def toggle_list(self) -> None:
        """Show or hide the streams to choose from."""
        if self.is_list_shown:
            self.hide_list()
        else:
            self.show_list()

    def show_list(self) -> None:
        """Show the streams to choose from, and ask the server for its own."""
        self.start_typing()
        self._streams = []
        self.choices.place(in_=self.entry, relx=0, rely=1, relwidth=1)
        self.choices.tkraise()
        self._fill()
        self._ask_streams(self._take_streams)

    def hide_list(self) -> None:
        """Show them no longer."""
        self.choices.place_forget()

    @property
    def _marked(self) -> str | None:
        return self.choices.marked if self.is_list_shown else None

    def _choose(self, address: str) -> None:
        self.set_text(address)
        self.open()

    def _move(self, step: int) -> None:
        if self.is_list_shown:
            self.choices.move(step)
        else:
            self.show_list()

    def _leave_list(self, _: "tkinter.Event[ttk.Entry]") -> str | None:
        if not self.is_list_shown:
            return None
        self.hide_list()
        return "break"

    def _take_streams(self, streams: list[str]) -> None:
        self._streams = streams
        self._fill()

    def _fill(self) -> None:
        if not self.is_list_shown:
            return
        opened = [address for address in self._history if address not in self._streams]
        self.choices.fill({_OFFERED: self._streams, _OPENED: opened})
        window, top = self.winfo_toplevel(), self.entry.winfo_rooty() + self.entry.winfo_height()
        room = window.winfo_rooty() + window.winfo_height() - top
        self.choices.place(height=min(self.choices.height, room))
