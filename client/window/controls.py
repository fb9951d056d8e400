"""Small parts of which the window is made: buttons with hints, and text beside a dim name."""

import tkinter
from collections.abc import Callable
from tkinter import ttk

from . import palette
from .theme import Theme

_HINT_DELAY_MS = 500


class Hint:
    """A word about what is under the pointer, one for the whole window.

    Args:
        root: Over which it is.
        theme: How it looks.
    """

    def __init__(self, root: tkinter.Tk, theme: Theme) -> None:
        self._root = root
        self._theme = theme
        self._call = ""
        self.label = tkinter.Label(
            root,
            font=theme.small,
            background=palette.FIELD,
            foreground=palette.TEXT,
            borderwidth=0,
            padx=theme.px(7),
            pady=theme.px(3),
        )

    def explain(self, widget: tkinter.Misc, text: str) -> None:
        """Tell what a widget is for, when the pointer has rested on it."""
        widget.bind("<Enter>", lambda _: self._wait(widget, text), add=True)
        for sequence in ("<Leave>", "<ButtonPress>", "<Unmap>"):
            widget.bind(sequence, lambda _: self.hide(), add=True)

    def show(self, text: str, x: int, y: int) -> None:
        """Show it now.

        Args:
            text: What it says.
            x: The middle of it, from the left of the window.
            y: Its lower end, from the top of the window.
        """
        self.label.configure(text=text)
        half = self.label.winfo_reqwidth() // 2 + self._theme.px(4)
        x = min(max(x, half), max(self._root.winfo_width() - half, half))
        self.label.place(x=x, y=y, anchor="s")
        self.label.lift()

    def hide(self) -> None:
        """Show it no longer."""
        if self._call:
            self._root.after_cancel(self._call)
            self._call = ""
        self.label.place_forget()

    def _wait(self, widget: tkinter.Misc, text: str) -> None:
        self.hide()
        self._call = self._root.after(_HINT_DELAY_MS, self._show_at, widget, text)

    def _show_at(self, widget: tkinter.Misc, text: str) -> None:
        self._call = ""
        x = widget.winfo_rootx() - self._root.winfo_rootx() + widget.winfo_width() // 2
        top = widget.winfo_rooty() - self._root.winfo_rooty()
        gap = self._theme.px(4)
        height = self.label.winfo_reqheight()
        is_at_top = top < height + gap
        self.show(text, x, top + widget.winfo_height() + gap + height if is_at_top else top - gap)


class Controls:
    """Makes buttons that look alike.

    Args:
        theme: How they look.
        hint: Tells what they are for.
    """

    def __init__(self, theme: Theme, hint: Hint) -> None:
        self.theme = theme
        self.hint = hint

    def button(
        self,
        parent: tkinter.Misc,
        style: str,
        act: Callable[[], object],
        *,
        icon: str = "",
        text: str = "",
        colour: str = palette.TEXT,
        hint: str = "",
    ) -> ttk.Button:
        """A button.

        Args:
            parent: Where it is.
            style: See `theme`.
            act: What it does.
            icon: One of `icons.NAMES`, before the text.
            text: What it says.
            colour: Of the icon.
            hint: What it is for, where it does not say.
        """
        button = ttk.Button(parent, style=f"{style}.TButton", text=text, command=act)
        if icon:
            off = self.theme.icon(icon, palette.DISABLED)
            images = (self.theme.icon(icon, colour), "disabled", off)
            button.configure({"image": images, "compound": "left" if text else "image"})
        if hint:
            self.hint.explain(button, hint)
        return button


def set_text(label: ttk.Label | ttk.Button, text: str) -> bool:
    """Let a widget say something else; whether it did not say that before."""
    if label["text"] == text:
        return False
    label.configure(text=text)
    return True


def set_enabled(button: ttk.Button, is_enabled: bool) -> None:
    """Whether a button can be pressed."""
    if button.instate(["!disabled"]) != is_enabled:
        button.state(["!disabled" if is_enabled else "disabled"])
