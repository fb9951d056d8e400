"""The status bar: what goes on, and what is measured of the stream."""

import tkinter
from collections.abc import Mapping
from tkinter import ttk

from ..view import Activity, Figures, View
from . import palette
from .controls import set_text
from .geometry import fitting
from .theme import Theme
from .wording import UNKNOWN, count_text, milliseconds_text, percent_text

_PAD, _PAD_DOWN = 12, 5
_GAP = 8
_DOT = 8

_COLOURS: Mapping[Activity, str] = {
    Activity.IDLE: palette.SECONDARY,
    Activity.CONNECTING: palette.WARNING,
    Activity.READY: palette.SETUP,
    Activity.BUFFERING: palette.WARNING,
    Activity.PLAYING: palette.GOOD,
    Activity.PAUSED: palette.SETUP,
    Activity.STALLED: palette.ERROR,
    Activity.RECONNECTING: palette.WARNING,
    Activity.ENDED: palette.SECONDARY,
    Activity.FAILED: palette.ERROR,
}


class StatusBar(ttk.Frame):
    """The bar; where it is narrow, what matters least is left out.

    Args:
        parent: The window.
        theme: How it looks.

    Attributes:
        activity: What goes on.
        frame: The number of the frame on the screen.
        bit_rate: In kbps.
        fps: Frames that come in a second.
        loss: In percent.
        jitter: In milliseconds.
        latency: In milliseconds.
    """

    def __init__(self, parent: tkinter.Misc, theme: Theme) -> None:
        super().__init__(
            parent, style="Background.TFrame", padding=(theme.px(_PAD), theme.px(_PAD_DOWN))
        )
        self._theme = theme
        self._gap = theme.px(_GAP)
        self._activity: Activity | None = None
        self._figures: Figures | None = None
        # So many characters are kept free: what is beside does not move with every digit.
        self.activity = self._label(12)
        self.frame = self._label(11)
        self.bit_rate = self._label(11)
        self.fps = self._label(8)
        self.loss = self._label(10)
        self.jitter = self._label(13)
        self.latency = self._label(13)
        self.activity.configure(compound="left", foreground=palette.TEXT)
        for place, label in enumerate((self.activity, self.frame, self.bit_rate, self.fps)):
            label.grid(row=0, column=place, sticky="w", padx=(0, self._gap))
        self.columnconfigure(4, weight=1)
        for place, label in enumerate((self.loss, self.jitter, self.latency)):
            label.configure(anchor="e")
            label.grid(row=0, column=5 + place, sticky="e", padx=(self._gap, 0))
        # The bar takes the room that there is, and does not ask for more.
        self.configure(width=1, height=self.activity.winfo_reqheight() + 2 * theme.px(_PAD_DOWN))
        self.grid_propagate(False)
        self.bind("<Configure>", lambda event: self._arrange(event.width))
        self.show(View())

    def show(self, view: View) -> None:
        """Show what has changed."""
        if view.activity is not self._activity:
            self._activity = view.activity
            dot = self._theme.disc(_COLOURS[view.activity], _DOT)
            self.activity.configure(image=str(dot), text=f"  {view.activity.value}")
        number = UNKNOWN if view.frame_number is None else count_text(view.frame_number)
        set_text(self.frame, f"frame {number}")
        if view.figures != self._figures:
            self._figures = view.figures
            self._show_figures(view.figures)

    def _show_figures(self, figures: Figures) -> None:
        set_text(self.bit_rate, f"{count_text(figures.bit_rate_kbps)} kbps")
        set_text(self.fps, f"{figures.fps:.1f} fps")
        set_text(self.jitter, f"jitter {milliseconds_text(figures.jitter_ms)}")
        set_text(self.latency, f"latency {milliseconds_text(figures.latency_ms)}")
        if set_text(self.loss, f"loss {percent_text(figures.loss_percent)}"):
            colour = palette.ERROR if figures.loss_percent > 0 else palette.SECONDARY
            self.loss.configure(foreground=colour)

    def _label(self, characters: int) -> ttk.Label:
        return ttk.Label(
            self, style="Background.Dim.TLabel", font=self._theme.small, width=-characters
        )

    def _arrange(self, width: int) -> None:
        by_importance = (
            self.activity,
            self.frame,
            self.bit_rate,
            self.fps,
            self.loss,
            self.latency,
            self.jitter,
        )
        needs = [label.winfo_reqwidth() + self._gap for label in by_importance]
        count = fitting(needs, width - 2 * self._theme.px(_PAD))
        for place, label in enumerate(by_importance):
            if place < count:
                label.grid()
            else:
                label.grid_remove()
