"""How the window looks: fonts and sizes for the screen, and the styles of its widgets."""

import tkinter
from collections.abc import Callable, Mapping
from tkinter import font, ttk
from typing import Any, Literal

from PIL import Image, ImageTk

from . import icons, palette

# A screen of so many dots an inch shows sizes as they are written here.
_USUAL_DPI = 96.0
# Sizes in between look blurred.
_STEPS = 4

_RADIUS = 8
# So many pixels between the corners of a ground: few would have to be drawn very often.
_PLAIN = 64
_RING = 2
_ICON = 18
_ENTRY = 26  # the height of an entry of a menu
_EMBLEM = 64  # pixels

# What lies under a widget, the first part of the name of its style.
SURFACES: Mapping[str, str] = {
    "Background": palette.BACKGROUND,
    "Panel": palette.PANEL,
    "Control": palette.CONTROL,
}

# A kind of button, the second part of the name: its colour, under the pointer, of its text.
_BUTTONS: Mapping[str, tuple[str, str, str]] = {
    "Play": (palette.PLAY, palette.PLAY_HOVER, palette.TEXT),
    "Setup": (palette.SETUP, palette.SETUP_HOVER, palette.ON_SETUP),
    "Plain": (palette.BUTTON, palette.BUTTON_HOVER, palette.TEXT),
}


def screen_scale(root: tkinter.Tk) -> float:
    """How much larger than written things are drawn, never smaller: 1, 1.25, 1.5 ..."""
    dpi = max(root.winfo_fpixels("1i"), _desktop_dpi(root))
    return max(1.0, round(dpi / _USUAL_DPI * _STEPS) / _STEPS)


def _desktop_dpi(root: tkinter.Tk) -> float:
    """What a desktop on X11 wants, whatever the screen says of itself; 0 where none tells.

    It is the resource Xft.dpi, and Tk reads resources only for programs of that name.
    """
    if root.tk.call("tk", "windowingsystem") != "x11":
        return 0.0
    reader = tkinter.Tk(className="Xft")
    reader.withdraw()
    dpi = reader.option_get("dpi", "Dpi")
    reader.destroy()
    return float(dpi) if dpi.replace(".", "", 1).isdecimal() else 0.0


class Theme:
    """Fonts, sizes, icons and styles for all widgets of one window.

    Args:
        root: Its styles are set.

    Attributes:
        text: The font of nearly everything.
        small: Of what is said beside.
        small_bold: Of what stands out among it.
        tiny: Of axes and arrows.
        bold: Of headings.
        large: Of what stands alone in the middle of the picture.
        mono: Of what is on the wire.
    """

    def __init__(self, root: tkinter.Tk) -> None:
        self._root = root
        self._scale = screen_scale(root)
        self._images: dict[object, ImageTk.PhotoImage] = {}
        usual = str(font.nametofont("TkDefaultFont", root).actual("family"))
        fixed = str(font.nametofont("TkFixedFont", root).actual("family"))
        self.text = self._font(usual, 13)
        self.small = self._font(usual, 11)
        self.small_bold = self._font(usual, 11, "bold")
        self.tiny = self._font(usual, 9)
        self.bold = self._font(usual, 13, "bold")
        self.large = self._font(usual, 20)
        self.mono = self._font(fixed, 11)
        self._style = ttk.Style(root)
        self._style.theme_use("clam")
        root.configure(background=palette.BACKGROUND)
        self._set_defaults()
        self._set_buttons()
        self._set_tools()
        self._set_entry()
        self._set_tabs()
        self._set_scrollbar()
        for surface, colour in SURFACES.items():
            self._set_surface(surface, colour)

    def px(self, size: float) -> int:
        """Pixels on this screen for a size as it is on an ordinary one."""
        return round(size * self._scale)

    def icon(
        self, name: str, colour: str = palette.TEXT, size: float = _ICON
    ) -> ImageTk.PhotoImage:
        """One of `icons.NAMES`."""
        return self._image(
            ("icon", name, colour, size), lambda: icons.icon(name, colour, self.px(size))
        )

    def disc(self, colour: str, size: float) -> ImageTk.PhotoImage:
        """A filled circle."""
        return self._image(("disc", colour, size), lambda: icons.disc(colour, self.px(size)))

    def emblem(self) -> ImageTk.PhotoImage:
        """The sign of the player, for lists of windows."""
        return self._image("emblem", lambda: icons.emblem(_EMBLEM))

    def menu(self, parent: tkinter.Misc) -> tkinter.Menu:
        """An empty menu."""
        return tkinter.Menu(
            parent,
            tearoff=False,
            font=self.text,
            background=palette.CONTROL,
            foreground=palette.TEXT,
            activebackground=palette.BUTTON_HOVER,
            activeforeground=palette.TEXT,
            disabledforeground=palette.DISABLED,
            selectcolor=palette.SETUP,
            relief="flat",
            borderwidth=self.px(1),
            activeborderwidth=0,
        )

    def spacer(self) -> ImageTk.PhotoImage:
        """Invisible, and as high as an entry of a menu shall be: Tk knows no other way."""
        return self._image("spacer", lambda: Image.new("RGBA", (self.px(6), self.px(_ENTRY))))

    def page(self, parent: tkinter.Misc, surface: str) -> tkinter.Text:
        """A page of text that is read, not written; its lines are set by the caller."""
        colour = SURFACES[surface]
        page = tkinter.Text(
            parent,
            font=self.text,
            background=colour,
            foreground=palette.TEXT,
            selectbackground=palette.BUTTON_HOVER,
            selectforeground=palette.TEXT,
            inactiveselectbackground=palette.BUTTON_HOVER,
            borderwidth=0,
            highlightthickness=self.px(_RING),
            highlightcolor=palette.SETUP,
            highlightbackground=colour,
            padx=self.px(8),
            pady=self.px(6),
            wrap="word",
            cursor="arrow",
            width=1,
            height=1,
            state="disabled",
        )
        page.bind("<Up>", lambda _: _scroll(page, -1))
        page.bind("<Down>", lambda _: _scroll(page, 1))
        return page

    def _font(
        self, family: str, size: int, weight: Literal["normal", "bold"] = "normal"
    ) -> font.Font:
        # A size below 0 is one in pixels.
        return font.Font(self._root, family=family, size=-self.px(size), weight=weight)

    def _image(self, key: object, draw: Callable[[], Image.Image]) -> ImageTk.PhotoImage:
        if key not in self._images:
            self._images[key] = ImageTk.PhotoImage(draw(), master=self._root)
        return self._images[key]

    def box(self, width: float, height: float, fill: str, edge: str) -> ImageTk.PhotoImage:
        """A box with round corners and a thin edge."""
        size, radius, thin = (self.px(width), self.px(height)), self.px(_RADIUS), self.px(1)
        return self._image(
            ("box", size, fill, edge), lambda: icons.box(size, radius, fill, edge, thin)
        )

    def _ground(self, fill: str, ring: str = "", radius: int = _RADIUS) -> ImageTk.PhotoImage:
        """What a widget is drawn on; what is between the corners is repeated."""
        side, width = self.px(2 * radius) + _PLAIN, self.px(_RING) if ring else 0
        return self._image(
            ("ground", fill, ring, radius),
            lambda: icons.box((side, side), self.px(radius), fill, ring, width),
        )

    def _set_defaults(self) -> None:
        self._style.configure(
            ".",
            font=self.text,
            background=palette.BACKGROUND,
            foreground=palette.TEXT,
            selectbackground=palette.SETUP,
            selectforeground=palette.ON_SETUP,
            insertcolor=palette.TEXT,
            insertwidth=self.px(2),
            borderwidth=0,
        )
        self._style.map(".", foreground=[("disabled", palette.DISABLED)])

    def _set_surface(self, surface: str, colour: str) -> None:
        for kind in ("TFrame", "TLabel", "Dim.TLabel", "Bold.TLabel"):
            self._style.configure(f"{surface}.{kind}", background=colour)
        for kind in (*_BUTTONS, f"{surface}Tool"):
            style = f"{surface}.{kind}.TButton"
            self._style.configure(style, background=colour)
            self._style.map(style, background=[("", colour)])
        self._style.configure(f"{surface}.TEntry", background=colour)
        self._style.configure("Dim.TLabel", foreground=palette.SECONDARY)
        self._style.configure("Bold.TLabel", font=self.bold)

    def _set_buttons(self) -> None:
        for kind, (fill, hover, text) in _BUTTONS.items():
            self._set_button(
                kind,
                self._ground(fill),
                ("disabled", self._ground(palette.BUTTON_OFF)),
                ("focus", self._ground(fill, palette.TEXT)),
                ("pressed", self._ground(fill)),
                ("active", self._ground(hover)),
            )
            self._style.configure(f"{kind}.TButton", foreground=text, padding=self._padding(10, 6))

    def _set_tools(self) -> None:
        """Buttons that are a mere icon or word until the pointer is over them."""
        for surface, colour in SURFACES.items():
            kind = f"{surface}Tool"
            self._set_button(
                kind,
                self._ground(colour),
                ("disabled", self._ground(colour)),
                ("focus", self._ground(colour, palette.SETUP)),
                ("pressed", self._ground(palette.BUTTON)),
                ("active", self._ground(palette.BUTTON_HOVER)),
            )
            self._style.configure(f"{kind}.TButton", padding=self._padding(6, 6))

    def _add_box(
        self,
        name: str,
        radius: int,
        normal: ImageTk.PhotoImage,
        *states: tuple[*tuple[str, ...], ImageTk.PhotoImage],
    ) -> None:
        """A ground as a part of widgets, which may be as small as its corners."""
        least = self.px(2 * radius)
        self._style.element_create(
            name,
            "image",
            normal,
            *states,
            border=self.px(radius),
            padding=0,
            width=least,
            height=least,
        )

    def _set_button(
        self, kind: str, normal: ImageTk.PhotoImage, *states: tuple[str, ImageTk.PhotoImage]
    ) -> None:
        self._add_box(f"{kind}.box", _RADIUS, normal, *states)
        self._set_layout(f"{kind}.TButton", f"{kind}.box", "Button.padding", "Button.label")
        self._style.configure(f"{kind}.TButton", anchor="center", width=0)

    def _set_entry(self) -> None:
        self._add_box(
            "Entry.box",
            _RADIUS,
            self._ground(palette.FIELD, palette.LINE),
            ("focus", self._ground(palette.FIELD, palette.SETUP)),
        )
        self._set_layout("TEntry", "Entry.box", "Entry.padding", "Entry.textarea")
        self._style.configure("TEntry", padding=self._padding(10, 6))
        self._style.map(
            "TEntry",
            selectbackground=[("!focus", palette.BUTTON)],
            selectforeground=[("!focus", palette.TEXT)],
        )

    def _set_tabs(self) -> None:
        self._add_box(
            "Tab.box",
            _RADIUS,
            self._ground(palette.PANEL),
            ("selected", "focus", self._ground(palette.BUTTON, palette.SETUP)),
            ("selected", self._ground(palette.BUTTON)),
            ("active", self._ground(palette.CONTROL)),
        )
        self._set_layout("TNotebook.Tab", "Tab.box", "Notebook.padding", "Notebook.label")
        self._style.configure(
            "TNotebook.Tab", background=palette.PANEL, padding=self._padding(12, 5)
        )
        self._style.map(
            "TNotebook.Tab",
            background=[("", palette.PANEL)],
            foreground=[("!selected", palette.SECONDARY)],
            padding=[("", self._padding(12, 5))],
        )
        self._style.layout("TNotebook", [("Notebook.client", {"sticky": "nsew"})])
        self._style.configure(
            "TNotebook",
            background=palette.PANEL,
            bordercolor=palette.PANEL,
            lightcolor=palette.PANEL,
            darkcolor=palette.PANEL,
            tabmargins=(0, 0, 0, self.px(8)),
        )

    def _set_scrollbar(self) -> None:
        radius = 4
        self._add_box(
            "Scrollbar.box",
            radius,
            self._ground(palette.BUTTON, radius=radius),
            ("disabled", self._ground(palette.PANEL, radius=radius)),
            ("pressed", self._ground(palette.BUFFERED, radius=radius)),
            ("active", self._ground(palette.BUTTON_HOVER, radius=radius)),
        )
        self._set_layout("Vertical.TScrollbar", "Vertical.Scrollbar.trough", "Scrollbar.box")
        self._style.configure(
            "Vertical.TScrollbar",
            troughcolor=palette.PANEL,
            background=palette.PANEL,
            bordercolor=palette.PANEL,
        )

    def _set_layout(self, style: str, *elements: str) -> None:
        """Make a widget of elements that lie on each other, the undermost first."""
        *outer, element = elements
        layout: list[tuple[str, Any]] = [(element, {"sticky": "nsew"})]
        for element in reversed(outer):
            layout = [(element, {"sticky": "nsew", "children": layout})]
        self._style.layout(style, layout)

    def _padding(self, across: int, down: int) -> tuple[int, int]:
        return self.px(across), self.px(down)


def _scroll(page: tkinter.Text, lines: int) -> str:
    page.yview_scroll(lines, "units")
    return "break"
