"""The session: the state it is in, and the conversation with the server as it happened."""

import tkinter
from collections import deque
from tkinter import ttk

from ..interfaces import Message
from ..view import State
from . import palette
from .state_drawing import HEIGHT, StateDrawing
from .theme import Theme

# An hour of keep-alive, and a good deal of seeking.
MAX_MESSAGES = 500
# Below the drawing a few lines of the conversation are to be seen, or there is no drawing.
_LEAST_CONVERSATION = 110

_OURS, _THEIRS = "→", "←"


class SessionPage(ttk.Frame):
    """The drawing of the states, and below it the conversation.

    Args:
        parent: The notebook.
        theme: How it looks.

    Attributes:
        drawing: The states.
        conversation: The messages, oldest first.
    """

    def __init__(self, parent: tkinter.Misc, theme: Theme) -> None:
        super().__init__(parent, style="Panel.TFrame")
        self._theme = theme
        self._waiting: deque[Message] = deque(maxlen=MAX_MESSAGES)  # not yet on the page
        self._lines: deque[int] = deque()  # of each message on the page
        self._began_s: float | None = None
        self._is_at_end = True
        self.drawing = StateDrawing(self, theme)
        self.conversation = theme.page(self, "Background")
        self.conversation.configure(font=theme.mono)
        scrollbar = ttk.Scrollbar(self, command=self.conversation.yview)
        self.conversation.configure(yscrollcommand=scrollbar.set)
        hang = 2 * theme.mono.measure("0")
        for tag, colour, gap, indent in (
            ("time", palette.SECONDARY, theme.px(8), 0),
            ("ours", palette.SETUP, theme.px(8), 0),
            ("theirs", palette.GOOD, theme.px(8), 0),
            ("rest", palette.SECONDARY, 0, hang),
        ):
            self.conversation.tag_configure(
                tag, foreground=colour, spacing1=gap, lmargin1=indent, lmargin2=2 * hang
            )
        self.conversation.tag_configure("rest", wrap="char")
        self.conversation.bind("<Configure>", lambda _: self._follow())
        # What was scrolled to is known when Tk has done it.
        for sequence in ("<KeyRelease>", "<MouseWheel>", "<Button-4>", "<Button-5>"):
            self.conversation.bind(sequence, lambda _: self.after_idle(self._note_place), add=True)
        scrollbar.bind("<ButtonRelease-1>", lambda _: self.after_idle(self._note_place))
        self.drawing.grid(row=0, column=0, columnspan=2, sticky="ew")
        self.conversation.grid(row=1, column=0, sticky="nsew")
        scrollbar.grid(row=1, column=1, sticky="ns", padx=(theme.px(4), 0))
        self.rowconfigure(1, weight=1)
        self.columnconfigure(0, weight=1)
        self.bind("<Configure>", lambda event: self._arrange(event.height))

    def show(self, state: State) -> None:
        """Light the state."""
        self.drawing.show(state)

    def keep(self, message: Message) -> None:
        """Keep a message for the next `write`; too old ones are forgotten."""
        self._waiting.append(message)

    def write(self) -> None:
        """Put the messages that were kept on the page; its end stays in sight if it is."""
        if not self._waiting:
            return
        page = self.conversation
        page.configure(state="normal")
        while self._waiting:
            self._write(self._waiting.popleft())
        while len(self._lines) > MAX_MESSAGES:
            page.delete("1.0", f"{self._lines.popleft() + 1}.0")
        page.configure(state="disabled")
        self._follow()

    def _note_place(self) -> None:
        """Follow the end from now on if it is seen."""
        self._is_at_end = self.conversation.yview()[1] >= 1.0

    def _follow(self) -> None:
        if self._is_at_end:
            self.conversation.see("end-2c")

    def _write(self, message: Message) -> None:
        if self._began_s is None:
            self._began_s = message.at_s
        sign, tag = (_OURS, "ours") if message.is_ours else (_THEIRS, "theirs")
        first, _, rest = message.text.rstrip("\n").partition("\n")
        self.conversation.insert("end", f"{message.at_s - self._began_s:.3f} s ", "time")
        self.conversation.insert("end", f"{sign} {first}\n", tag)
        if rest:
            self.conversation.insert("end", f"{rest}\n", "rest")
        self._lines.append(1 + (rest.count("\n") + 1 if rest else 0))

    def _arrange(self, height: int) -> None:
        if height >= self._theme.px(HEIGHT + _LEAST_CONVERSATION):
            self.drawing.grid()
        else:
            self.drawing.grid_remove()
