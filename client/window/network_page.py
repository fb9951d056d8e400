"""The network in figures: graphs of the last minute, and what was counted since PLAY."""

import tkinter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from tkinter import ttk

from PIL import Image, ImageTk

from ..view import Figures, Sample
from . import palette
from .controls import set_text
from .geometry import axis_top
from .plots import SPAN_S, Point, plot
from .theme import Theme
from .wording import UNKNOWN, count_text, milliseconds_text, percent_text

_HEAD = 18
_LEAST_PLOT = 16
_LEAST_HEIGHT = 62
_GAP = 8
# What was measured so long ago is not the value now.
_OLD_S = 3.0


@dataclass(frozen=True, slots=True)
class Quantity:
    """What one graph is of.

    Attributes:
        name: What people call it.
        unit: Of its value.
        value: Out of the figures.
        text: How the value is written, with its unit.
        least_top: The axis reaches so high at least.
        colour: Of the line.
        aim: What the value should be, where that is known.
    """

    name: str
    unit: str
    value: Callable[[Figures], float]
    text: Callable[[float], str]
    least_top: float
    colour: str
    aim: Callable[[Figures], float] | None = None


QUANTITIES: Sequence[Quantity] = (
    Quantity(
        "bit rate",
        "kbps",
        lambda figures: figures.bit_rate_kbps,
        lambda value: f"{count_text(value)} kbps",
        100,
        palette.SETUP,
    ),
    Quantity(
        "frames",
        "fps",
        lambda figures: figures.fps,
        lambda value: f"{value:.1f} fps",
        10,
        palette.GOOD,
    ),
    Quantity(
        "jitter", "ms", lambda figures: figures.jitter_ms, milliseconds_text, 5, palette.JITTER
    ),
    Quantity("loss", "%", lambda figures: figures.loss_percent, percent_text, 5, palette.ERROR),
    Quantity(
        "jitter buffer",
        "ms",
        lambda figures: figures.buffer_ms,
        milliseconds_text,
        50,
        palette.WARNING,
        lambda figures: figures.target_ms,
    ),
)

COUNTS: Sequence[tuple[str, Callable[[Figures], str]]] = (
    ("packets received", lambda figures: count_text(figures.packets_received)),
    ("frames shown", lambda figures: count_text(figures.frames_shown)),
    ("packets lost", lambda figures: count_text(figures.packets_lost)),
    ("frames lost", lambda figures: count_text(figures.frames_lost)),
    ("packets reordered", lambda figures: count_text(figures.packets_reordered)),
    ("frames skipped", lambda figures: count_text(figures.frames_skipped)),
    ("packets twice", lambda figures: count_text(figures.packets_duplicate)),
    ("delay from server", lambda figures: milliseconds_text(figures.delay_ms)),
)


class Graph(tkinter.Canvas):
    """One quantity over the last minute, with its value now and the top of its axis.

    Args:
        parent: Where it is.
        theme: How it looks.
        quantity: What it shows.
    """

    def __init__(self, parent: tkinter.Misc, theme: Theme, quantity: Quantity) -> None:
        super().__init__(
            parent, width=1, height=1, background=palette.PANEL, highlightthickness=0, takefocus=0
        )
        self.quantity = quantity
        self._theme = theme
        self._photo: ImageTk.PhotoImage | None = None
        self._image = self.create_image(0, theme.px(_HEAD), anchor="nw")
        self._name = self.create_text(
            0, 0, anchor="nw", text=quantity.name, font=theme.small, fill=palette.SECONDARY
        )
        self._value = self.create_text(
            0, 0, anchor="ne", text=UNKNOWN, font=theme.bold, fill=quantity.colour
        )
        self._axes_x = theme.small.measure(quantity.name) + theme.px(_GAP)
        self._axes = self.create_text(
            self._axes_x, theme.px(2), anchor="nw", font=theme.tiny, fill=palette.SECONDARY
        )
        self.bind("<Configure>", lambda event: self.coords(self._value, event.width, 0))

    @property
    def value_text(self) -> str:
        """The value now, as it is written."""
        return str(self.itemcget(self._value, "text"))

    def show(self, samples: Sequence[Sample], now_s: float) -> None:
        """Draw the samples of the last minute."""
        quantity = self.quantity
        points = _points(samples, now_s, quantity.value)
        if not points:
            return
        aim = _points(samples, now_s, quantity.aim) if quantity.aim else []
        top = axis_top(max(value for _, value in points + aim), quantity.least_top)
        age_s, value = points[-1]
        height = self.winfo_height() - self._theme.px(_HEAD)
        has_room = height >= self._theme.px(_LEAST_PLOT)
        axes = f"{top:,.10g} {quantity.unit} in {SPAN_S:.0f} s"
        self._write(quantity.text(value) if age_s < _OLD_S else UNKNOWN, axes if has_room else "")
        self.itemconfigure(self._image, state="normal" if has_room else "hidden")
        if has_room:
            self._draw(plot((self.winfo_width(), height), points, top, quantity.colour, aim))

    def _write(self, value: str, axes: str) -> None:
        self.itemconfigure(self._value, text=value)
        needs = self._axes_x + self._theme.tiny.measure(axes) + self._theme.bold.measure(value)
        has_room = needs + self._theme.px(_GAP) <= self.winfo_width()
        self.itemconfigure(self._axes, text=axes if has_room else "")

    def _draw(self, image: Image.Image) -> None:
        if self._photo and (self._photo.width(), self._photo.height()) == image.size:
            self._photo.paste(image)
        else:
            self._photo = ImageTk.PhotoImage(image, master=self)
            self.itemconfigure(self._image, image=self._photo)


class NetworkPage(ttk.Frame):
    """All graphs and counts.

    Args:
        parent: The notebook.
        theme: How it looks.

    Attributes:
        graphs: In the order of `QUANTITIES`.
        counts: The labels with the numbers, by what they count.
    """

    def __init__(self, parent: tkinter.Misc, theme: Theme) -> None:
        super().__init__(parent, style="Panel.TFrame")
        self._theme = theme
        self._arranged = (0, False)
        self.graphs = [Graph(self, theme, quantity) for quantity in QUANTITIES]
        self.counts: dict[str, ttk.Label] = {}
        self._table = ttk.Frame(self, style="Panel.TFrame")
        for place, (name, _) in enumerate(COUNTS):
            row, column = divmod(place, 2)
            label = ttk.Label(self._table, text=name, style="Panel.Dim.TLabel", font=theme.small)
            value = ttk.Label(self._table, text="0", style="Panel.TLabel", font=theme.small)
            label.grid(row=row, column=3 * column, sticky="w")
            value.grid(row=row, column=3 * column + 1, sticky="e")
            self.counts[name] = value
        self._table.columnconfigure((0, 3), weight=1)
        self._table.columnconfigure(2, minsize=theme.px(24))
        self.bind("<Configure>", lambda event: self._arrange(event.width, event.height))

    def show(self, samples: Sequence[Sample], now_s: float) -> None:
        """Draw everything anew."""
        for graph in self.graphs:
            graph.show(samples, now_s)
        if samples:
            for name, text in COUNTS:
                set_text(self.counts[name], text(samples[-1].figures))

    def _arrange(self, width: int, height: int) -> None:
        """One graph below the other, or two beside each other where the page is low."""
        gap = self._theme.px(_GAP)
        table = self._table.winfo_reqwidth() + gap, self._table.winfo_reqheight() + gap
        least = len(self.graphs) * self._theme.px(_LEAST_HEIGHT) + table[1]
        columns = 1 if height >= least else 2
        rows = -(-len(self.graphs) // columns)
        has_table = columns == 1 or (width // 2 >= table[0] and height // rows >= table[1])
        if (columns, has_table) != self._arranged:
            self._arranged = columns, has_table
            self._place(columns, rows)
            if not has_table:
                self._table.grid_remove()

    def _place(self, columns: int, rows: int) -> None:
        gap = self._theme.px(_GAP)
        for place, cell in enumerate((*self.graphs, self._table)):
            row, column = divmod(place, columns)
            cell.grid(row=row, column=column, sticky="nsew", padx=(gap * column, 0), pady=(0, gap))
        # Graphs are of one size; the table below them is as high as it must be.
        for row in range(len(self.graphs) + 1):
            has_graph = row < rows
            self.rowconfigure(row, weight=has_graph, uniform="graph" if has_graph else "")
        self.columnconfigure(0, weight=1, uniform="graph")
        self.columnconfigure(1, weight=columns - 1, uniform="graph" if columns > 1 else "")


def _points(
    samples: Sequence[Sample], now_s: float, value: Callable[[Figures], float]
) -> list[Point]:
    return [
        (now_s - sample.at_s, value(sample.figures))
        for sample in samples
        if now_s - sample.at_s <= SPAN_S
    ]
