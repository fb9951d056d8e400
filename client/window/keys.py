"""The keys of the player: what each does, what it is called in a menu, and who else may want it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

# Of the state of a key event, as Tk has it on all systems.
SHIFT = 0x1
CONTROL = 0x4


class Command(Enum):
    """What a person can ask for by a key; the value is what a menu calls it."""

    TOGGLE = "Play or pause"
    BACK_2 = "2 seconds back"
    FORWARD_2 = "2 seconds forward"
    BACK_10 = "10 seconds back"
    FORWARD_10 = "10 seconds forward"
    FRAME_BACK = "One frame back"
    FRAME_FORWARD = "One frame forward"
    SLOWER = "Slower"
    FASTER = "Faster"
    REVERSE = "Reverse"
    FULL_SCREEN = "Full screen"
    LEAVE = "Back"
    STATISTICS = "Statistics"
    SNAPSHOT = "Save this picture"
    RECORD = "Record, or stop recording"
    TRANSPORT = "Change between UDP and TCP"
    ADDRESS = "Address"
    MENU = "Menu"
    KEYS = "All keys"
    QUIT = "Quit"


class Group(Enum):
    """The part of the menu in which a command is."""

    PLAYBACK = "Playback"
    VIEW = "View"
    STREAM = "Stream"


@dataclass(frozen=True, slots=True)
class Key:
    """One key.

    Attributes:
        name: As Tk calls it; letters in lower case.
        text: As people do.
        modifiers: `SHIFT` or `CONTROL`, or 0.
    """

    name: str
    text: str
    modifiers: int = 0


@dataclass(frozen=True, slots=True)
class Binding:
    """A command and its keys.

    Attributes:
        command: What they do.
        keys: The one that the menu shows comes first.
        group: Where the menu has it.
    """

    command: Command
    keys: tuple[Key, ...]
    group: Group

    @property
    def text(self) -> str:
        """All its keys."""
        return " or ".join(key.text for key in self.keys)


BINDINGS: Sequence[Binding] = (
    Binding(Command.TOGGLE, (Key("space", "Space"), Key("k", "K")), Group.PLAYBACK),
    Binding(Command.BACK_2, (Key("Left", "←"),), Group.PLAYBACK),
    Binding(Command.FORWARD_2, (Key("Right", "→"),), Group.PLAYBACK),
    Binding(Command.BACK_10, (Key("j", "J"), Key("Left", "Shift+←", SHIFT)), Group.PLAYBACK),
    Binding(Command.FORWARD_10, (Key("l", "L"), Key("Right", "Shift+→", SHIFT)), Group.PLAYBACK),
    Binding(Command.FRAME_BACK, (Key("comma", ","),), Group.PLAYBACK),
    Binding(Command.FRAME_FORWARD, (Key("period", "."),), Group.PLAYBACK),
    Binding(Command.SLOWER, (Key("bracketleft", "["),), Group.PLAYBACK),
    Binding(Command.FASTER, (Key("bracketright", "]"),), Group.PLAYBACK),
    Binding(Command.REVERSE, (Key("r", "R"),), Group.PLAYBACK),
    Binding(Command.FULL_SCREEN, (Key("f", "F"),), Group.VIEW),
    Binding(Command.STATISTICS, (Key("i", "I"),), Group.VIEW),
    Binding(Command.KEYS, (Key("question", "?"),), Group.VIEW),
    Binding(Command.MENU, (Key("F10", "F10"),), Group.VIEW),
    Binding(Command.LEAVE, (Key("Escape", "Esc"),), Group.VIEW),
    Binding(Command.ADDRESS, (Key("l", "Ctrl+L", CONTROL),), Group.STREAM),
    Binding(Command.TRANSPORT, (Key("t", "T"),), Group.STREAM),
    Binding(Command.SNAPSHOT, (Key("s", "S"),), Group.STREAM),
    Binding(Command.RECORD, (Key("r", "Ctrl+R", CONTROL),), Group.STREAM),
    Binding(Command.QUIT, (Key("q", "Q"),), Group.STREAM),
)

KEY_TEXTS: Mapping[Command, str] = {binding.command: binding.text for binding in BINDINGS}

_COMMANDS = {
    (key.name, key.modifiers): binding.command for binding in BINDINGS for key in binding.keys
}

# Which keys a widget of a class keeps for itself while it has the focus: all, or these.
_ALL: frozenset[str] = frozenset()
_TAKEN = {
    "TEntry": _ALL,
    "Entry": _ALL,
    "TButton": frozenset({"space"}),
    "TCheckbutton": frozenset({"space"}),
    "TNotebook": frozenset({"Left", "Right"}),
}


def command_of(name: str, state: int, widget_class: str = "") -> Command | None:
    """What a key that was pressed asks for.

    Args:
        name: Of the key, as Tk calls it.
        state: What else was held down, as Tk tells it.
        widget_class: Of the widget that has the focus: what it needs itself is no command. Esc
            always is one.

    Returns:
        None where it asks for nothing.
    """
    taken = _TAKEN.get(widget_class)
    if taken is not None and name != "Escape" and (taken is _ALL or name in taken):
        return None
    name = name.lower() if len(name) == 1 else name
    # Which signs need Shift is a matter of the keyboard: only for keys with two meanings it counts.
    exact = _COMMANDS.get((name, state & (SHIFT | CONTROL)))
    return exact or _COMMANDS.get((name, state & CONTROL))
