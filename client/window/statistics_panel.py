"""The statistics panel: the network, the session and the newest packet, each on a page."""

import tkinter
from collections.abc import Callable, Sequence
from tkinter import ttk

from ..interfaces import Message
from ..view import Newest, Sample, State
from .controls import Controls
from .network_page import NetworkPage
from .packet_page import PacketPage
from .session_page import SessionPage

# On an ordinary screen: what the panel needs, and what it gets beside the picture.
LEAST_SIZE = (380, 260)
WIDTH = 420

_REDRAW_MS = 250  # four times a second: one reads no faster, and drawing costs
_PAD = 8
_NETWORK, _SESSION = 0, 1  # by their place among the tabs


class StatisticsPanel(ttk.Frame):
    """The panel; while it is hidden nothing is drawn, and it keeps what it will have to show.

    Args:
        parent: The window.
        controls: Makes the buttons.
        on_close: Called by the button that closes it.

    Attributes:
        pages: The tabs.
        network: The first page.
        session: The second page.
        packet: The third page.
    """

    def __init__(
        self, parent: tkinter.Misc, controls: Controls, on_close: Callable[[], None]
    ) -> None:
        super().__init__(parent, style="Panel.TFrame")
        theme = controls.theme
        self._samples: tuple[Sequence[Sample], float] = (), 0.0
        self._newest: Newest | None = None
        self._state = State.INIT
        self._redraw = ""
        self.pages = ttk.Notebook(self)
        self.network = NetworkPage(self.pages, theme)
        self.session = SessionPage(self.pages, theme)
        self.packet = PacketPage(self.pages, theme)
        for page, title in (
            (self.network, "Network"),
            (self.session, "Session"),
            (self.packet, "Packet"),
        ):
            self.pages.add(page, text=title)
        self.pages.enable_traversal()
        pad = theme.px(_PAD)
        self.pages.pack(fill="both", expand=True, padx=pad, pady=pad)
        self.close_button = controls.button(
            self, "Panel.PanelTool", on_close, icon="close", hint="Close"
        )
        self.close_button.place(relx=1, x=-pad // 2, y=pad - theme.px(2), anchor="ne")
        self.configure(width=theme.px(WIDTH), height=theme.px(LEAST_SIZE[1]))
        self.pack_propagate(False)
        self.pages.bind("<<NotebookTabChanged>>", lambda _: self._draw())
        self.bind("<Map>", lambda _: self._draw())

    @property
    def is_open(self) -> bool:
        """The panel has its place in the window."""
        return bool(self.winfo_manager())

    def show_state(self, state: State) -> None:
        """Take the state of the session."""
        self._state = state
        self._plan()

    def show_samples(self, samples: Sequence[Sample], now_s: float) -> None:
        """Take the measurements of the last minute."""
        self._samples = samples, now_s
        self._plan()

    def show_newest(self, newest: Newest | None) -> None:
        """Take the packet that came last."""
        self._newest = newest
        self._plan()

    def add_message(self, message: Message) -> None:
        """Take a message of the conversation."""
        self.session.keep(message)
        self._plan()

    def _plan(self) -> None:
        """Draw soon, once for all that comes until then."""
        if self.is_open and not self._redraw:
            self._redraw = self.after(_REDRAW_MS, self._draw)

    def _draw(self) -> None:
        """Draw the page that is seen."""
        self._redraw = ""
        if not self.is_open:
            return
        page = self.pages.index("current")
        if page == _NETWORK:
            self.network.show(*self._samples)
        elif page == _SESSION:
            self.session.show(self._state)
            self.session.write()
        elif self._newest:
            self.packet.show(self._newest)
