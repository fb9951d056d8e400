"""The states of a session and the ways between them, lit where it stands."""

import tkinter
from collections.abc import Mapping
from dataclasses import dataclass

from ..view import TRANSITIONS, Method, State
from . import palette
from .theme import Theme

HEIGHT = 130

_WIDTH, _DEPTH = 84, 32  # of the box of a state
_TOP, _BOTTOM = 40, 72

_LIT = {
    State.INIT: (palette.SECONDARY, palette.BACKGROUND),
    State.READY: (palette.SETUP, palette.ON_SETUP),
    State.PLAYING: (palette.PLAY, palette.TEXT),
}
_ORDER = {State.INIT: 0.0, State.READY: 0.5, State.PLAYING: 1.0}

# Right of the middle of a state's box, and below the upper edge of the drawing.
_Spot = tuple[State, int, int]


@dataclass(frozen=True, slots=True)
class _Way:
    """How a transition is drawn.

    Attributes:
        path: Of its arrow.
        word_between: Its name is in the middle between these states,
        word_y: so far below the upper edge.
    """

    path: tuple[_Spot, ...]
    word_between: tuple[State, State]
    word_y: int


_WAYS: Mapping[tuple[State, Method], _Way] = {
    (State.INIT, Method.SETUP): _Way(
        ((State.INIT, 42, 56), (State.READY, -42, 56)), (State.INIT, State.READY), 48
    ),
    (State.READY, Method.PLAY): _Way(
        ((State.READY, 42, 50), (State.PLAYING, -42, 50)), (State.READY, State.PLAYING), 42
    ),
    (State.PLAYING, Method.PAUSE): _Way(
        ((State.PLAYING, -42, 63), (State.READY, 42, 63)), (State.READY, State.PLAYING), 71
    ),
    (State.PLAYING, Method.PLAY): _Way(
        (
            (State.PLAYING, 20, _TOP),
            (State.PLAYING, 20, 22),
            (State.PLAYING, -20, 22),
            (State.PLAYING, -20, _TOP),
        ),
        (State.PLAYING, State.PLAYING),
        14,
    ),
    (State.READY, Method.TEARDOWN): _Way(
        (
            (State.READY, -14, _BOTTOM),
            (State.READY, -14, 98),
            (State.INIT, 14, 98),
            (State.INIT, 14, _BOTTOM),
        ),
        (State.INIT, State.READY),
        90,
    ),
    (State.PLAYING, Method.TEARDOWN): _Way(
        (
            (State.PLAYING, 0, _BOTTOM),
            (State.PLAYING, 0, 121),
            (State.INIT, -14, 121),
            (State.INIT, -14, _BOTTOM),
        ),
        (State.READY, State.PLAYING),
        113,
    ),
}


class StateDrawing(tkinter.Canvas):
    """The drawing.

    Args:
        parent: Where it is.
        theme: How it looks.

    Attributes:
        state: That which is lit.
    """

    def __init__(self, parent: tkinter.Misc, theme: Theme) -> None:
        super().__init__(
            parent,
            width=1,
            height=theme.px(HEIGHT),
            background=palette.PANEL,
            highlightthickness=0,
            takefocus=0,
        )
        self.state = State.INIT
        self._theme = theme
        self._lines: dict[tuple[State, Method], tuple[int, int]] = {}
        for transition in TRANSITIONS:
            arrow = theme.px(7), theme.px(8), theme.px(3)
            line = self.create_line(0, 0, 0, 0, arrow="last", arrowshape=arrow)
            word = self.create_text(0, 0, text=transition[1].value, font=theme.tiny)
            self._lines[transition] = line, word
        self._nodes: dict[State, tuple[int, int]] = {}
        for state in State:
            box = self.create_image(0, 0)
            name = self.create_text(0, 0, text=state.value, font=theme.small_bold)
            self._nodes[state] = box, name
        self.bind("<Configure>", lambda _: self._place())
        self._light()

    def show(self, state: State) -> None:
        """Light a state."""
        if state != self.state:
            self.state = state
            self._light()

    def _light(self) -> None:
        for state, (box, name) in self._nodes.items():
            off = palette.CONTROL, palette.SECONDARY
            fill, text = _LIT[state] if state is self.state else off
            edge = fill if state is self.state else palette.BUTTON_HOVER
            self.itemconfigure(box, image=self._theme.box(_WIDTH, _DEPTH, fill, edge))
            self.itemconfigure(name, fill=text)
        for (state, _), (line, word) in self._lines.items():
            is_open = state is self.state
            self.itemconfigure(
                line,
                fill=palette.TEXT if is_open else palette.DISABLED,
                width=self._theme.px(2 if is_open else 1),
            )
            self.itemconfigure(word, fill=palette.TEXT if is_open else palette.SECONDARY)

    def _place(self) -> None:
        for state, items in self._nodes.items():
            for item in items:
                self.coords(item, *self._at((state, 0, (_TOP + _BOTTOM) // 2)))
        for transition, (line, word) in self._lines.items():
            way = _WAYS[transition]
            self.coords(line, *(number for spot in way.path for number in self._at(spot)))
            (left, y), (right, _) = (self._at((state, 0, way.word_y)) for state in way.word_between)
            self.coords(word, (left + right) // 2, y)

    def _at(self, spot: _Spot) -> tuple[int, int]:
        state, right, down = spot
        width = self._theme.px(_WIDTH) + 2 * self._theme.px(2)
        middle = width // 2 + round((self.winfo_width() - width) * _ORDER[state])
        return middle + self._theme.px(right), self._theme.px(down)
