"""The panel below the picture: the seek bar, the four buttons, and what else one does to a film."""

import tkinter
from collections.abc import Callable, Sequence
from tkinter import ttk
from typing import Literal

from ..view import Actions, Method, View
from . import palette
from .controls import Controls, set_enabled, set_text
from .geometry import fitting
from .keys import KEY_TEXTS, Command
from .seekbar import SeekBar
from .wording import speed_text, time_text, times_text

_PAD = 10
_GAP = 6
# So many of the tools have their place before the buttons say in words what they do, and before
# there is room for the length of the film.
_TOOLS_BEFORE_WORDS = 3
_TOOLS_BEFORE_TIMES = 1


class ControlPanel(ttk.Frame):
    """The panel.

    Args:
        parent: The window.
        controls: Makes buttons.
        actions: What the bar and the four buttons ask for.
        act: Does what keys do.

    Attributes:
        seek_bar: Where the film is.
        buttons: SETUP, PLAY, PAUSE and STOP, by what they send.
        time_label: Where the film is, of how much.
        speed_label: How fast, and which way.
        transport_button: UDP or TCP; changes it.
        record_button: Begins and ends a recording.
        snapshot_button: Saves the picture.
        statistics_button: Shows and hides the statistics.
        full_screen_button: Lets the picture fill the screen.
    """

    def __init__(
        self,
        parent: tkinter.Misc,
        controls: Controls,
        actions: Actions,
        act: Callable[[Command], None],
    ) -> None:
        super().__init__(parent, style="Control.TFrame")
        self._controls = controls
        self._act = act
        self._view = View()
        self._said: object = None
        self._wanted: object = None
        self._arranged: object = None
        self._is_recording = False
        theme = controls.theme
        self._gap = theme.px(_GAP)
        self.seek_bar = SeekBar(self, theme, controls.hint, actions.seek)
        self._row = ttk.Frame(self, style="Control.TFrame")
        self.buttons = {
            Method.SETUP: self._button("Setup", actions.setup, "setup", "SETUP", "Begin a session"),
            Method.PLAY: self._button("Play", actions.play, "play", "PLAY", "Let pictures come"),
            Method.PAUSE: self._button("Plain", actions.pause, "pause", "PAUSE", "Stand still"),
            Method.TEARDOWN: self._button("Plain", actions.stop, "stop", "STOP", "End the session"),
        }
        self._words_width = self._buttons_width("left")
        self._icons_width = self._buttons_width("image")
        self.time_label = ttk.Label(self._row, style="Control.TLabel")
        self.speed_label = ttk.Label(self._row, style="Control.Dim.TLabel", padding=(self._gap, 0))
        self.transport_button = self._tool("", Command.TRANSPORT)
        self.record_button = self._tool("ring", Command.RECORD)
        self.snapshot_button = self._tool("snapshot", Command.SNAPSHOT)
        self.statistics_button = self._tool("statistics", Command.STATISTICS)
        self.full_screen_button = self._tool("full screen", Command.FULL_SCREEN)
        self._in_order = (
            self.speed_label,
            self.transport_button,
            self.record_button,
            self.snapshot_button,
            self.statistics_button,
            self.full_screen_button,
        )
        self.seek_bar.pack(fill="x", padx=theme.px(4), pady=(theme.px(2), 0))
        self._row.pack(fill="x", padx=theme.px(_PAD), pady=(theme.px(2), theme.px(10)))
        self._fill_row()
        self._row.bind("<Configure>", lambda _: self._arrange())
        self.show(self._view)

    def show(self, view: View) -> None:
        """Show what has changed."""
        self._view = view
        self.seek_bar.show(view)
        said = view.allowed, view.scale, view.transport
        # To ask Tk what a widget says costs as much as to tell it.
        if said != self._said:
            self._said = said
            self._say(view)
        self._show_recording(view)
        self._arrange()

    def show_full_screen(self, is_full: bool) -> None:
        """Let the button say what it would do now."""
        name = "small screen" if is_full else "full screen"
        self.full_screen_button.configure(image=self._controls.theme.icon(name))

    def _say(self, view: View) -> None:
        for method, button in self.buttons.items():
            set_enabled(button, method in view.allowed)
        set_text(self.speed_label, speed_text(view.scale))
        set_text(self.transport_button, view.transport)

    def _button(
        self, style: str, act: Callable[[], None], icon: str, text: str, hint: str
    ) -> ttk.Button:
        colour = palette.ON_SETUP if style == "Setup" else palette.TEXT
        return self._controls.button(
            self._row,
            f"Control.{style}",
            act,
            icon=icon,
            text=text,
            colour=colour,
            hint=f"{text}: {hint}",
        )

    def _tool(self, icon: str, command: Command) -> ttk.Button:
        return self._controls.button(
            self._row,
            "Control.ControlTool",
            lambda: self._act(command),
            icon=icon,
            hint=f"{command.value} ({KEY_TEXTS[command]})",
        )

    def _fill_row(self) -> None:
        for place, button in enumerate(self.buttons.values()):
            button.grid(row=0, column=place, padx=(0, self._gap))
        self.time_label.grid(row=0, column=4, padx=self._gap)
        self._row.columnconfigure(5, weight=1)
        for place, tool in enumerate(self._in_order):
            tool.grid(row=0, column=6 + place)
        # The row takes the room that there is, and does not ask for more.
        self._row.configure(width=1, height=self.record_button.winfo_reqheight())
        self._row.grid_propagate(False)

    def _buttons_width(self, compound: Literal["left", "image"]) -> int:
        for button in self.buttons.values():
            button.configure(compound=compound)
        return sum(button.winfo_reqwidth() + self._gap for button in self.buttons.values())

    def _show_recording(self, view: View) -> None:
        is_recording = view.recording is not None
        if is_recording != self._is_recording:
            self._is_recording = is_recording
            theme = self._controls.theme
            icon = theme.icon("record", palette.PLAY) if is_recording else theme.icon("ring")
            self.record_button.configure(
                image=str(icon), text="REC" if is_recording else "", compound="left"
            )

    def _tools(self) -> list[ttk.Button | ttk.Label]:
        """The tools that have something to say, the most important first."""
        view = self._view
        tools: dict[ttk.Button | ttk.Label, bool] = {
            self.speed_label: view.scale != 1,
            self.record_button: view.recording is not None,
            self.statistics_button: True,
            self.full_screen_button: True,
            self.transport_button: bool(view.transport),
        }
        urgent = [tool for tool, is_urgent in tools.items() if is_urgent]
        rest = (self.record_button, self.snapshot_button, self.speed_label)
        return list(dict.fromkeys((*urgent, *rest)))

    def _arrange(self) -> None:
        """Say as much as there is room for."""
        view, measure = self._view, self._controls.theme.text.measure
        times = times_text(view.position_s, view.duration_s)
        tools = self._tools()
        # To measure what there is costs more than all the rest.
        wanted = times, tools, view.scale, view.transport, self._row.winfo_width()
        if wanted == self._wanted:
            return
        self._wanted = wanted
        needs = [tool.winfo_reqwidth() for tool in tools]
        room = self._row.winfo_width() - 2 * self._gap
        words = fitting([self._words_width + measure(times), *needs], room) > _TOOLS_BEFORE_WORDS
        if fitting([self._icons_width + measure(times), *needs], room) <= _TOOLS_BEFORE_TIMES:
            times = time_text(view.position_s)
        set_text(self.time_label, times)
        buttons_width = self._words_width if words else self._icons_width
        count = fitting(needs, room - buttons_width - measure(times))
        shown = [tool for tool in self._in_order if tool in tools[:count]]
        # To lay the row out costs much more than to find out whether it has to be.
        if (words, shown) != self._arranged:
            self._arranged = words, shown
            self._lay_out(words, shown)

    def _lay_out(self, words: bool, shown: Sequence[ttk.Button | ttk.Label]) -> None:
        for button in self.buttons.values():
            button.configure(compound="left" if words else "image")
        for tool in self._in_order:
            if tool in shown:
                tool.grid()
            else:
                tool.grid_remove()
