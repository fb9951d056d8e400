"""The bar along which a film lies: where it is, what has come, what was lost; dragging seeks."""

import tkinter
from collections.abc import Callable

from ..view import View
from . import palette
from .controls import Hint
from .geometry import along, position_at, stretches
from .theme import Theme
from .wording import fine_time_text

_HEIGHT = 20
_THICKNESS, _THICKNESS_UNDER_POINTER = 4, 6
_MARGIN = 10
_KNOB = 14
_RING = 2
_LEAST_LOSS = 3  # a loss is seen, however short
# For so long after it was let go the knob stays where it was put: the server has to follow.
_SETTLE_MS = 400


class SeekBar(tkinter.Canvas):
    """The bar.

    Args:
        parent: The window.
        theme: How it looks.
        hint: Tells the time under the pointer.
        on_seek: Called with a media time in seconds, many times while the knob is dragged.
    """

    def __init__(
        self, parent: tkinter.Misc, theme: Theme, hint: Hint, on_seek: Callable[[float], None]
    ) -> None:
        super().__init__(
            parent,
            width=1,
            height=theme.px(_HEIGHT),
            background=palette.CONTROL,
            highlightthickness=theme.px(_RING),
            highlightbackground=palette.CONTROL,
            highlightcolor=palette.SETUP,
            takefocus=1,
        )
        self._theme = theme
        self._hint = hint
        self._on_seek = on_seek
        self._view = View()
        self._dragged_s: float | None = None
        self._settling = ""
        self._thickness = _THICKNESS
        self._drawn: object = None
        self._width = 1  # in pixels; to ask Tk for it each time would cost more than all the rest
        self._track = self._new_stretch(palette.TRACK)
        self._buffered = self._new_stretch(palette.BUFFERED)
        self._played = self._new_stretch(palette.PLAY)
        self._losses: list[int] = []
        self._knob = self.create_image(0, 0, image=theme.disc(palette.PLAY, _KNOB))
        self.bind("<Configure>", lambda event: self._resize(event.width))
        self.bind("<Enter>", lambda _: self._thicken(_THICKNESS_UNDER_POINTER))
        self.bind("<Leave>", lambda _: self._thicken(_THICKNESS))
        self.bind("<Motion>", self._tell_time)
        self.bind("<Button-1>", self._drag)
        self.bind("<B1-Motion>", self._drag)
        self.bind("<ButtonRelease-1>", lambda _: self._let_go())
        self.bind("<Home>", lambda _: self._seek(0.0))
        self.bind("<End>", lambda _: self._seek(self._view.duration_s))

    def show(self, view: View) -> None:
        """Show where the film is."""
        self._view = view
        self._draw()

    @property
    def knob_x(self) -> int:
        """The middle of the knob, in pixels from the left end of the bar's widget."""
        return int(self.coords(self._knob)[0])

    def x_of(self, position_s: float) -> int:
        """Where a media time is, in pixels from the left end of the bar's widget."""
        duration_s = self._view.duration_s
        return self._left + (along(position_s, duration_s, self._length) if duration_s else 0)

    @property
    def _left(self) -> int:
        return self._theme.px(_MARGIN)

    @property
    def _length(self) -> int:
        return max(self._width - 2 * self._left, 1)

    def _new_stretch(self, colour: str) -> int:
        return self.create_rectangle(0, 0, 0, 0, fill=colour, width=0)

    def _resize(self, width: int) -> None:
        self._width = width
        self._draw()

    def _draw(self) -> None:
        view = self._view
        position_s = view.position_s if self._dragged_s is None else self._dragged_s
        here = self.x_of(position_s or 0.0)
        buffered = here if view.buffered_s is None else self.x_of(view.buffered_s)
        duration_s = view.duration_s
        losses = (
            stretches(view.lost, duration_s, self._length, self._theme.px(_LEAST_LOSS))
            if duration_s
            else []
        )
        wanted = here, buffered, losses, bool(duration_s), self._thickness, self._length
        if wanted != self._drawn:
            self._drawn = wanted
            self._place_all(here, buffered, losses)

    def _place_all(self, here: int, buffered: int, losses: list[tuple[int, int]]) -> None:
        self._place(self._track, self._left, self._left + self._length)
        self._place(self._buffered, min(here, buffered), max(here, buffered))
        self._place(self._played, self._left, here)
        while len(self._losses) > len(losses):
            self.delete(self._losses.pop())
        while len(self._losses) < len(losses):
            self._losses.append(self._new_stretch(palette.LOST))
        for item, (begin, end) in zip(self._losses, losses, strict=True):
            self._place(item, self._left + begin, self._left + end)
        self.coords(self._knob, here, self.winfo_height() // 2)
        self.itemconfigure(self._knob, state="normal" if self._view.duration_s else "hidden")
        self.tag_raise(self._knob)

    def _place(self, item: int, begin: int, end: int) -> None:
        thickness = self._theme.px(self._thickness)
        top = (self.winfo_height() - thickness) // 2
        self.coords(item, begin, top, end, top + thickness)
        self.itemconfigure(item, state="normal" if begin < end else "hidden")

    def _thicken(self, thickness: int) -> None:
        self._thickness = thickness
        self._hint.hide()
        self._draw()

    def _position_at(self, x: int) -> float:
        return position_at(x - self._left, self._view.duration_s or 0.0, self._length)

    def _tell_time(self, event: "tkinter.Event[tkinter.Misc]") -> None:
        if self._view.duration_s:
            window = self.winfo_toplevel()
            self._hint.show(
                fine_time_text(self._position_at(event.x)),
                self.winfo_rootx() - window.winfo_rootx() + event.x,
                self.winfo_rooty() - window.winfo_rooty() - self._theme.px(2),
            )

    def _drag(self, event: "tkinter.Event[tkinter.Misc]") -> None:
        self._tell_time(event)
        if self._view.duration_s:
            self._stop_settling()
            self._dragged_s = self._position_at(event.x)
            self._draw()
            self._on_seek(self._dragged_s)

    def _let_go(self) -> None:
        self._hint.hide()
        self._stop_settling()
        self._settling = self.after(_SETTLE_MS, self._follow)

    def _stop_settling(self) -> None:
        if self._settling:
            self.after_cancel(self._settling)
            self._settling = ""

    def _follow(self) -> None:
        self._settling = ""
        self._dragged_s = None
        self._draw()

    def _seek(self, position_s: float | None) -> None:
        if position_s is not None and self._view.duration_s:
            self._on_seek(position_s)
