"""The picture in the middle of black, and what is said over it."""

import tkinter

from PIL import Image, ImageTk

from ..view import Notice
from . import palette
from .theme import Theme

# Pixels on an ordinary screen.
FIRST_SIZE = (640, 480)
_LEAST_HEIGHT_WITH_SYMBOL = 200


class Picture(tkinter.Canvas):
    """Shows pictures, or a few words where there is none; a sentence may lie over either.

    Args:
        parent: The window.
        theme: How it looks.

    Attributes:
        strip: The strip with the sentence, over the lower end.
        sentence: The sentence.
        room: Width and height that there are for a picture, in pixels.
    """

    def __init__(self, parent: tkinter.Misc, theme: Theme) -> None:
        self.room = theme.px(FIRST_SIZE[0]), theme.px(FIRST_SIZE[1])
        super().__init__(
            parent,
            width=self.room[0],
            height=self.room[1],
            background=palette.PICTURE,
            highlightthickness=0,
            takefocus=1,
        )
        self._theme = theme
        self._words = ("", "")
        self._photo: ImageTk.PhotoImage | None = None
        self._image = self.create_image(0, 0)
        self._symbol = self.create_image(0, 0, image=theme.icon("film", palette.TRACK, 72))
        self._title = self.create_text(0, 0, font=theme.large, fill=palette.TEXT)
        self._advice = self.create_text(
            0, 0, font=theme.text, fill=palette.SECONDARY, justify="center", anchor="n"
        )
        self.strip = tkinter.Frame(self)
        self._edge = tkinter.Frame(self.strip, width=theme.px(4))
        self._sign = tkinter.Label(self.strip, borderwidth=0)
        self.sentence = tkinter.Label(
            self.strip, font=theme.text, foreground=palette.TEXT, justify="left", anchor="w"
        )
        self._edge.pack(side="left", fill="y")
        self._sign.pack(side="left", padx=(theme.px(12), theme.px(6)))
        self.sentence.pack(side="left", fill="x", expand=True, pady=theme.px(8))
        self.bind("<Configure>", self._resize)

    @property
    def image_size(self) -> tuple[int, int] | None:
        """Width and height of the picture on the screen in pixels; None where there is none."""
        return (self._photo.width(), self._photo.height()) if self._photo else None

    def show(self, image: Image.Image) -> None:
        """Show a picture as large as it is."""
        if self.image_size == image.size and self._photo:
            self._photo.paste(image)
            return
        if self._photo is None:
            self._show_words("hidden")
        self._photo = ImageTk.PhotoImage(image, master=self)
        self.itemconfigure(self._image, image=self._photo)

    def clear(self, title: str, advice: str) -> None:
        """Show no picture, but a word, and what to do."""
        if self._photo:
            self.itemconfigure(self._image, image="")
            self._photo = None
            self._show_words("normal")
        if (title, advice) != self._words:
            self._words = title, advice
            self.itemconfigure(self._title, text=title)
            self.itemconfigure(self._advice, text=advice)

    def tell(self, notice: Notice | None) -> None:
        """Put a sentence over the picture, or take it away."""
        if notice is None:
            self.strip.place_forget()
            return
        name, colour, ground = (
            ("fault", palette.ERROR, palette.ERROR_BACKGROUND)
            if notice.is_error
            else ("note", palette.SETUP, palette.PANEL)
        )
        self._edge.configure(background=colour)
        self._sign.configure(image=self._theme.icon(name, colour, 20), background=ground)
        self.sentence.configure(text=notice.text, background=ground)
        self.strip.configure(background=ground)
        self.strip.place(relx=0, rely=1, anchor="sw", relwidth=1)

    def _show_words(self, state: str) -> None:
        for item in (self._symbol, self._title, self._advice):
            self.itemconfigure(item, state=state)

    def _resize(self, event: "tkinter.Event[tkinter.Misc]") -> None:
        self.room = event.width, event.height
        middle, half = event.width // 2, event.height // 2
        self.coords(self._image, middle, half)
        is_low = event.height < self._theme.px(_LEAST_HEIGHT_WITH_SYMBOL)
        self.coords(self._symbol, middle, -event.height if is_low else half - self._theme.px(56))
        self.coords(self._title, middle, half + self._theme.px(8))
        self.coords(self._advice, middle, half + self._theme.px(30))
        self.itemconfigure(self._advice, width=event.width - self._theme.px(40))
        self.sentence.configure(wraplength=event.width - self._theme.px(60))
