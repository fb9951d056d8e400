"""The menu: everything that keys and buttons do, and a little more."""

import tkinter
from collections.abc import Callable
from functools import partial

from ..view import Actions
from .keys import BINDINGS, Command, Group
from .theme import Theme


class MainMenu:
    """The menu behind the button with three lines, and under the right mouse button.

    Args:
        root: The window.
        theme: How it looks.
        actions: What the entries without a key ask for.
        act: Does what keys do.
        on_record_to: Asks for the name of a recording.

    Attributes:
        menu: The whole menu.
        parts: What unfolds from it.
        shows_damaged: Whether frames are shown that did not come whole.
    """

    def __init__(
        self,
        root: tkinter.Tk,
        theme: Theme,
        actions: Actions,
        act: Callable[[Command], None],
        on_record_to: Callable[[], None],
    ) -> None:
        self._spacer = str(theme.spacer())
        self.menu = theme.menu(root)
        self.parts = {group: theme.menu(self.menu) for group in Group}
        self.shows_damaged = tkinter.BooleanVar(root, value=False)
        for group, part in self.parts.items():
            self.menu.add_cascade(label=group.value, menu=part, image=self._spacer, compound="left")
        for binding in BINDINGS:
            menu = self.menu if binding.command is Command.QUIT else self.parts[binding.group]
            self._add(menu, binding.command.value, partial(act, binding.command), binding.text)
        playback = self.parts[Group.PLAYBACK]
        playback.add_separator()
        self._add(playback, "SETUP", actions.setup)
        self._add(playback, "PLAY", actions.play)
        self._add(playback, "PAUSE", actions.pause)
        self._add(playback, "STOP", actions.stop)
        self._add(self.parts[Group.STREAM], "Record to …", on_record_to)
        self.parts[Group.VIEW].add_separator()
        self.parts[Group.VIEW].add_checkbutton(
            label="Show damaged frames",
            variable=self.shows_damaged,
            command=lambda: actions.show_damaged(self.shows_damaged.get()),
            image=self._spacer,
            compound="left",
        )

    def pop_up(self, x: int, y: int) -> None:
        """Show it at a place on the screen."""
        self.menu.tk_popup(x, y)

    def _add(self, menu: tkinter.Menu, label: str, act: Callable[[], None], keys: str = "") -> None:
        menu.add_command(
            label=label, accelerator=f"{keys} ", command=act, image=self._spacer, compound="left"
        )
