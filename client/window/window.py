"""The window: shows what there is of a player, and passes on what a person asks for."""

import tkinter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from tkinter import ttk

from PIL import Image

from ..interfaces import Message
from ..view import Actions, Activity, Newest, Sample, View
from . import palette
from .address_line import AddressLine, AskStreams
from .card import Card
from .control_panel import ControlPanel
from .controls import Controls, Hint
from .dialogs import KeysCard, LoginCard, RecordCard
from .geometry import Arrangement, arrangement
from .keys import Command, command_of
from .menus import MainMenu
from .picture import Picture
from .statistics_panel import LEAST_SIZE, WIDTH, StatisticsPanel
from .status_bar import StatusBar
from .theme import Theme
from .wording import PRODUCT, name_in, window_title

# In pixels, whatever the screen.
LEAST_WINDOW = (480, 400)

_SKIP_S, _LONG_SKIP_S = 2.0, 10.0
# In full screen the controls go away when the mouse has rested for so long.
_REST_MS = 2500
# What a picture needs to have the statistics beside or above them, on an ordinary screen.
_LEAST_PICTURE = (320, 180)
_PAD = 8
_SETTLE_MS = 300

_PLACES: Mapping[Arrangement, tuple[int, int]] = {
    Arrangement.BESIDE: (0, 1),
    Arrangement.BELOW: (1, 0),
    Arrangement.INSTEAD: (0, 0),
}

_ADVICE = "Type the address of a stream above and press Enter,\nor press Space to play this one."
_WORDS: Mapping[Activity, tuple[str, str]] = {
    Activity.CONNECTING: ("Connecting …", ""),
    Activity.READY: ("Ready", "PLAY or Space lets the pictures come."),
    Activity.BUFFERING: ("Waiting for pictures …", ""),
    Activity.PLAYING: ("Waiting for pictures …", ""),
    Activity.RECONNECTING: ("Connecting again …", ""),
}


class Window:
    """The whole window.

    Args:
        root: Tk's root, which nobody uses yet.
        actions: What a person can ask for.
        address: What the address line holds at first.
        history: Addresses that were opened, newest first.
        ask_streams: Asks the server what it offers; calls back with URLs.

    Attributes:
        address_line: The address and what there is to choose from.
        picture: The picture, and the sentence over it.
        control_panel: The seek bar and the buttons.
        status_bar: Figures.
        statistics: The panel with the statistics.
        menu: All that can be asked for.
        login: The card that asks for a user and a password.
        record: The card that asks for the name of a recording.
        keys: The card that shows all keys.
        is_full_screen: The picture fills the screen.
    """

    def __init__(
        self,
        root: tkinter.Tk,
        actions: Actions,
        *,
        address: str,
        history: Sequence[str],
        ask_streams: AskStreams,
    ) -> None:
        self._root = root
        self._actions = actions
        self._view = View()
        self._grown = 0  # by how many pixels the window is wider for the statistics
        self._resting = ""
        self._arranged: Arrangement | None = None
        self.is_full_screen = False
        theme = self._theme = Theme(root)
        hint = Hint(root, theme)
        controls = Controls(theme, hint)
        self._top = ttk.Frame(root, style="Panel.TFrame", padding=theme.px(_PAD))
        self.menu_button = controls.button(
            self._top, "Panel.PanelTool", self._pop_up_menu, icon="menu", hint="Menu (F10)"
        )
        self.address_line = AddressLine(
            self._top,
            controls,
            address=address,
            history=history,
            ask_streams=ask_streams,
            on_open=self._open,
        )
        self._body = tkinter.Frame(root, background=palette.PICTURE)
        self.picture = Picture(self._body, theme)
        self.statistics = StatisticsPanel(self._body, controls, self.toggle_statistics)
        self.control_panel = ControlPanel(root, controls, actions, self.act)
        self.status_bar = StatusBar(root, theme)
        self.menu = MainMenu(root, theme, actions, self.act, self._ask_record)
        self.login = LoginCard(root, controls, actions.log_in, self._focus_picture)
        self.record = RecordCard(root, controls, actions.record_to, self._focus_picture)
        self.keys = KeysCard(root, controls, self._focus_picture)
        self._cards: Sequence[Card] = (self.login, self.record, self.keys)
        self._acts = self._make_acts()
        self._lay_out()
        self._bind()
        self.show(self._view)
        self._focus_picture()

    # --- What there is to show ------------------------------------------------------------------

    @property
    def address(self) -> str:
        """What the address line holds."""
        return self.address_line.text

    @property
    def picture_size(self) -> tuple[int, int]:
        """Width and height of the room for the picture, in pixels."""
        return self.picture.room

    @property
    def is_statistics_open(self) -> bool:
        """The statistics are on the screen."""
        return self.statistics.is_open

    def show(self, view: View) -> None:
        """Show what has changed."""
        old, self._view = self._view, view
        if view.url != old.url:
            self.address_line.set_text(view.url)
        if (view.url, view.title) != (old.url, old.title):
            self._root.title(window_title(view.url, view.title))
        if view.notice != old.notice:
            self.picture.tell(view.notice)
        if view.frame_number is None:
            self.picture.clear(*_WORDS.get(view.activity, (PRODUCT, _ADVICE)))
        self.control_panel.show(view)
        self.status_bar.show(view)
        if view.state is not old.state:
            self.statistics.show_state(view.state)

    def show_picture(self, image: Image.Image) -> None:
        """Show a picture, as large as it is, in the middle."""
        self.picture.show(image)

    def show_samples(self, samples: Sequence[Sample], now_s: float) -> None:
        """Show the measurements of the last minute."""
        self.statistics.show_samples(samples, now_s)

    def show_newest(self, newest: Newest | None) -> None:
        """Show the packet that came last."""
        self.statistics.show_newest(newest)

    def add_message(self, message: Message) -> None:
        """Show a message of the conversation with the server."""
        self.statistics.add_message(message)

    def ask_login(self, realm: str, was_tried: bool) -> None:
        """Ask for a user and a password."""
        self.login.ask(realm, was_tried)

    def set_history(self, history: Sequence[str]) -> None:
        """Offer other addresses that were opened, newest first."""
        self.address_line.set_history(history)

    # --- What a person asks for -----------------------------------------------------------------

    def act(self, command: Command) -> None:
        """Do what a key or an entry of the menu stands for."""
        self._acts[command]()

    def toggle_statistics(self) -> None:
        """Show or hide the statistics; a window that has room to its right grows for them."""
        is_opening = not self.is_statistics_open
        width, height = self._body.winfo_width(), self._body.winfo_height()
        width += self._grow() if is_opening else -self._shrink()
        self._arrange(is_opening, width, height)
        # Window managers need not do as they are asked.
        self._root.after(_SETTLE_MS, self._arrange_anew)

    def toggle_full_screen(self) -> None:
        """Let the picture fill the screen, or the window be as it was."""
        self.is_full_screen = not self.is_full_screen
        self._root.attributes("-fullscreen", self.is_full_screen)
        self.control_panel.show_full_screen(self.is_full_screen)
        if self.is_full_screen:
            for part in (self._top, self.control_panel, self.status_bar):
                part.grid_remove()
            self._wake()
        else:
            self._stop_resting()
            self.control_panel.place_forget()
            for part in (self._top, self.control_panel, self.status_bar):
                part.grid()

    def leave(self) -> None:
        """Close what was opened last, one thing at a time."""
        card = next((card for card in self._cards if card.is_open), None)
        if card:
            card.close()
        elif self._root.focus_get() is self.address_line.entry:
            self._focus_picture()
        elif self.is_full_screen:
            self.toggle_full_screen()
        elif self.is_statistics_open:
            self.toggle_statistics()

    def _make_acts(self) -> Mapping[Command, Callable[[], None]]:
        actions = self._actions
        return {
            Command.TOGGLE: actions.toggle,
            Command.BACK_2: partial(actions.skip, -_SKIP_S),
            Command.FORWARD_2: partial(actions.skip, _SKIP_S),
            Command.BACK_10: partial(actions.skip, -_LONG_SKIP_S),
            Command.FORWARD_10: partial(actions.skip, _LONG_SKIP_S),
            Command.FRAME_BACK: partial(actions.step, -1),
            Command.FRAME_FORWARD: partial(actions.step, 1),
            Command.SLOWER: actions.slower,
            Command.FASTER: actions.faster,
            Command.REVERSE: actions.reverse,
            Command.FULL_SCREEN: self.toggle_full_screen,
            Command.LEAVE: self.leave,
            Command.STATISTICS: self.toggle_statistics,
            Command.SNAPSHOT: actions.save_snapshot,
            Command.RECORD: actions.toggle_recording,
            Command.TRANSPORT: actions.switch_transport,
            Command.ADDRESS: self._type_address,
            Command.MENU: self._pop_up_menu,
            Command.KEYS: self._toggle_keys,
            Command.QUIT: actions.quit,
        }

    def _open(self, address: str) -> None:
        self._focus_picture()
        self._actions.open(address)

    def _type_address(self) -> None:
        if self.is_full_screen:
            self.toggle_full_screen()
        self.address_line.start_typing()

    def _toggle_keys(self) -> None:
        if self.keys.is_open:
            self.keys.close()
        else:
            self.keys.open()

    def _ask_record(self) -> None:
        self.record.ask(f"{name_in(self._view.url) or 'recording'}.avi")

    def _pop_up_menu(self) -> None:
        button = self.menu_button
        if self.is_full_screen:
            self.menu.pop_up(self._root.winfo_rootx(), self._root.winfo_rooty())
        else:
            self.menu.pop_up(button.winfo_rootx(), button.winfo_rooty() + button.winfo_height())

    def _focus_picture(self) -> None:
        self.picture.focus_set()

    # --- Where everything is --------------------------------------------------------------------

    def _lay_out(self) -> None:
        root, theme = self._root, self._theme
        root.title(window_title(""))
        root.iconphoto(True, str(theme.emblem()))
        root.minsize(*LEAST_WINDOW)
        self.menu_button.pack(side="left", padx=(0, theme.px(4)))
        self.address_line.pack(side="left", fill="both", expand=True)
        self._top.grid(row=0, column=0, sticky="ew")
        self._body.grid(row=1, column=0, sticky="nsew")
        self.control_panel.grid(row=2, column=0, sticky="ew")
        self.status_bar.grid(row=3, column=0, sticky="ew")
        root.rowconfigure(1, weight=1)
        root.columnconfigure(0, weight=1)
        self.picture.grid(row=0, column=0, sticky="nsew")
        self._body.rowconfigure(0, weight=1)
        self._body.columnconfigure(0, weight=1)

    def _bind(self) -> None:
        root = self._root
        root.bind("<Key>", self._press_key)
        root.bind("<Motion>", lambda _: self._wake())
        root.bind("<Destroy>", self._stop_timers)
        root.bind_class("TButton", "<Return>", _invoke)
        root.bind_class("TButton", "<Button-1>", self._press_button)
        self._body.bind("<Configure>", lambda _: self._arrange_anew())
        self.picture.bind("<Button-1>", lambda _: self._focus_picture())
        self.picture.bind("<Double-Button-1>", lambda _: self.toggle_full_screen())
        for button in ("<Button-2>", "<Button-3>"):
            self.picture.bind(button, lambda event: self.menu.pop_up(event.x_root, event.y_root))

    def _stop_timers(self, event: "tkinter.Event[tkinter.Misc]") -> None:
        """Stop what was to be done later, in all parts of the window."""
        if event.widget is self._root:
            for timer in self._root.tk.splitlist(self._root.tk.call("after", "info")):
                self._root.after_cancel(timer)

    def _press_key(self, event: "tkinter.Event[tkinter.Misc]") -> str | None:
        self._wake()
        command = command_of(event.keysym, int(event.state), event.widget.winfo_class())
        if command is None:
            return None
        self.act(command)
        return "break"

    def _press_button(self, event: "tkinter.Event[tkinter.Misc]") -> None:
        """Press it without giving it the focus: Space goes on to mean what it meant before."""
        button = event.widget
        if isinstance(button, ttk.Button) and button.instate(["!disabled"]):
            button.state(["pressed"])
            if str(button).startswith(str(self.control_panel)):
                self._focus_picture()

    def _grow(self) -> int:
        """Widen the window by what the statistics need, if that is possible; by how much."""
        root, width = self._root, self._theme.px(WIDTH)
        right = root.winfo_rootx() + root.winfo_width() + width
        self._grown = 0 if self.is_full_screen or right > root.winfo_screenwidth() else width
        self._widen(self._grown)
        return self._grown

    def _shrink(self) -> int:
        """Take back what the window has grown by."""
        grown, self._grown = self._grown, 0
        self._widen(-grown)
        return grown

    def _widen(self, pixels: int) -> None:
        """Set the size of the window, which else would follow from what is in it."""
        if not self.is_full_screen:
            width, height = self._root.winfo_width() + pixels, self._root.winfo_height()
            self._root.geometry(f"{width}x{height}")

    def _arrange_anew(self) -> None:
        self._arrange(self.is_statistics_open, self._body.winfo_width(), self._body.winfo_height())

    def _arrange(self, has_statistics: bool, width: int, height: int) -> None:
        """Give picture and statistics their places in a body of this size."""
        px = self._theme.px
        least_picture = px(_LEAST_PICTURE[0]), px(_LEAST_PICTURE[1])
        least_panel = px(LEAST_SIZE[0]), px(LEAST_SIZE[1])
        wanted = (
            arrangement((width, height), least_picture, least_panel) if has_statistics else None
        )
        if wanted is self._arranged:
            return
        self._arranged = wanted
        if wanted is None:
            self.statistics.grid_remove()
        else:
            row, column = _PLACES[wanted]
            self.statistics.grid(row=row, column=column, sticky="nsew")
        if wanted is Arrangement.INSTEAD:
            self.picture.grid_remove()
        else:
            self.picture.grid()

    # --- Full screen ----------------------------------------------------------------------------

    def _wake(self) -> None:
        """Show the controls in full screen for a while."""
        if self.is_full_screen:
            self._stop_resting()
            self.control_panel.place(relx=0, rely=1, relwidth=1, anchor="sw")
            self._resting = self._root.after(_REST_MS, self._rest)

    def _rest(self) -> None:
        self._resting = ""
        under = self._root.winfo_containing(*self._root.winfo_pointerxy())
        if under is not None and str(under).startswith(str(self.control_panel)):
            self._wake()  # The pointer is on them.
            return
        self.control_panel.place_forget()
        self._root.configure(cursor="none")

    def _stop_resting(self) -> None:
        if self._resting:
            self._root.after_cancel(self._resting)
            self._resting = ""
        self._root.configure(cursor="")


def _invoke(event: "tkinter.Event[tkinter.Misc]") -> None:
    if isinstance(event.widget, ttk.Button):
        event.widget.invoke()
