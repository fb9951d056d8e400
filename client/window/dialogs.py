"""Cards over the window: a login, the name of a recording, all keys; nothing waits for them."""

import tkinter
from collections.abc import Callable
from pathlib import Path
from tkinter import ttk

from typing_extensions import override

from . import palette
from .card import Card, Form
from .controls import Controls, set_text
from .keys import BINDINGS, Binding, Group

_KEYS_WIDTH, _KEYS_HEIGHT = 380, 530
_KEYS_TAB = 132


class LoginCard(Form):
    """Asks for a user and a password.

    Args:
        root: The window.
        controls: Makes buttons.
        on_log_in: Called with both.
        on_close: Called when the card has gone.

    Attributes:
        user: Where the user is typed.
        password: Where the password is typed.
        button: Logs in.
    """

    def __init__(
        self,
        root: tkinter.Tk,
        controls: Controls,
        on_log_in: Callable[[str, str], None],
        on_close: Callable[[], None],
    ) -> None:
        super().__init__(root, controls, "Log in", on_close)
        self._on_log_in = on_log_in
        self.user = self.add_field("User")
        self.password = self.add_field("Password", hidden="•")
        self.button = self.add_button("Panel.Setup", self._log_in, "Log in")
        self.user.bind("<Return>", lambda _: self.password.focus_set())
        self.password.bind("<Return>", lambda _: self._log_in())

    def ask(self, realm: str, was_tried: bool) -> None:
        """Ask, for what the server calls by this name."""
        place = f"“{realm}”" if realm else "this stream"
        refused = "The server did not take this user and password. " if was_tried else ""
        set_text(self.sentence, f"{refused}A user and a password are needed for {place}.")
        self.password.delete(0, "end")
        self.put(self.password if self.user.get() else self.user)

    def _log_in(self) -> None:
        user, password = self.user.get(), self.password.get()
        if user:
            self.close()
            self._on_log_in(user, password)


class RecordCard(Form):
    """Asks for the name of a file to record to.

    Args:
        root: The window.
        controls: Makes buttons.
        on_record: Called with the file.
        on_close: Called when the card has gone.

    Attributes:
        path: Where the name is typed.
        button: Begins.
    """

    def __init__(
        self,
        root: tkinter.Tk,
        controls: Controls,
        on_record: Callable[[Path], None],
        on_close: Callable[[], None],
    ) -> None:
        super().__init__(root, controls, "Record to a file", on_close)
        self._on_record = on_record
        set_text(
            self.sentence,
            "Its name says what it becomes: .avi for other players, .mjpeg for the bare JPEGs,"
            " .Mjpeg for the laboratory.",
        )
        self.path = self.add_field("File")
        self.button = self.add_button(
            "Panel.Plain", self._record, "Record", icon="record", colour=palette.PLAY
        )
        self.path.bind("<Return>", lambda _: self._record())

    def ask(self, proposal: str) -> None:
        """Ask, with a name that may be taken as it is."""
        self.path.delete(0, "end")
        self.path.insert(0, proposal)
        self.path.xview_moveto(1)
        self.put(self.path)

    def _record(self) -> None:
        name = self.path.get().strip()
        if name:
            self.close()
            self._on_record(Path(name).expanduser())


class KeysCard(Card):
    """All keys and what they do.

    Args:
        root: The window.
        controls: Makes buttons.
        on_close: Called when the card has gone.

    Attributes:
        page: The keys.
    """

    def __init__(self, root: tkinter.Tk, controls: Controls, on_close: Callable[[], None]) -> None:
        super().__init__(root, controls, "Keys", on_close)
        self.page = self.theme.page(self.body, "Panel")
        scrollbar = ttk.Scrollbar(self.body, command=self.page.yview)
        tab = self.theme.px(_KEYS_TAB)
        self.page.configure(
            yscrollcommand=scrollbar.set, padx=0, pady=0, tabs=tab, highlightthickness=0
        )
        self.page.pack(side="left", fill="both", expand=True)
        scrollbar.pack(side="right", fill="y")
        gap = self.theme.px(1)
        self.page.tag_configure("group", foreground=palette.SECONDARY, spacing1=self.theme.px(8))
        self.page.tag_configure("line", spacing1=gap, spacing3=gap, lmargin2=tab)
        self.page.tag_configure("key", font=self.theme.small_bold, background=palette.BUTTON)
        self.page.configure(state="normal")
        for group in Group:
            self.page.insert("end", f"{group.value}\n", "group")
            for binding in BINDINGS:
                if binding.group is group:
                    self._write(binding)
        self.page.delete("end-1c")  # the end of the last line begins no other
        self.page.configure(state="disabled")

    def _write(self, binding: Binding) -> None:
        for place, key in enumerate(binding.keys):
            self.page.insert("end", " " if place else "", "line", f" {key.text} ", ("line", "key"))
        self.page.insert("end", f"\t{binding.command.value}\n", "line")

    def open(self) -> None:
        """Show them, in as much of the window as is needed."""
        self.put(self.page)

    @override
    def fit(self, width: int, height: int) -> None:
        self.place(
            width=min(self.theme.px(_KEYS_WIDTH), width),
            height=min(self.theme.px(_KEYS_HEIGHT), height),
        )
