from itertools import chain

from twisted.trial.unittest import SynchronousTestCase

from ..window.keys import BINDINGS, CONTROL, KEY_TEXTS, SHIFT, Command, Group, command_of

CAPS_LOCK, NUM_LOCK = 0x2, 0x10

PRESSED = [
    ("space", 0, Command.TOGGLE),
    ("k", 0, Command.TOGGLE),
    ("Left", 0, Command.BACK_2),
    ("Right", 0, Command.FORWARD_2),
    ("Left", SHIFT, Command.BACK_10),
    ("j", 0, Command.BACK_10),
    ("Right", SHIFT, Command.FORWARD_10),
    ("l", 0, Command.FORWARD_10),
    ("comma", 0, Command.FRAME_BACK),
    ("period", 0, Command.FRAME_FORWARD),
    ("bracketleft", 0, Command.SLOWER),
    ("bracketright", 0, Command.FASTER),
    ("r", 0, Command.REVERSE),
    ("f", 0, Command.FULL_SCREEN),
    ("Escape", 0, Command.LEAVE),
    ("s", 0, Command.SNAPSHOT),
    ("r", CONTROL, Command.RECORD),
    ("i", 0, Command.STATISTICS),
    ("t", 0, Command.TRANSPORT),
    ("question", SHIFT, Command.KEYS),
    ("q", 0, Command.QUIT),
    ("F10", 0, Command.MENU),
    ("l", CONTROL, Command.ADDRESS),
]


class KeyTests(SynchronousTestCase):
    def test_what_each_key_asks_for(self) -> None:
        for name, state, command in PRESSED:
            self.assertIs(command_of(name, state), command, name)

    def test_each_command_has_a_key(self) -> None:
        self.assertEqual({command for _, _, command in PRESSED}, set(Command))

    def test_no_key_is_given_twice(self) -> None:
        keys = list(chain.from_iterable(binding.keys for binding in BINDINGS))

        self.assertEqual(len({(key.name, key.modifiers) for key in keys}), len(keys))

    def test_capitals_and_locks_change_nothing(self) -> None:
        self.assertIs(command_of("K", CAPS_LOCK), Command.TOGGLE)
        self.assertIs(command_of("R", SHIFT), Command.REVERSE)
        self.assertIs(command_of("Left", NUM_LOCK), Command.BACK_2)

    def test_control_makes_another_key(self) -> None:
        self.assertIsNone(command_of("k", CONTROL))

    def test_other_keys_ask_for_nothing(self) -> None:
        self.assertIsNone(command_of("x", 0))
        self.assertIsNone(command_of("Tab", 0))

    def test_where_text_is_typed_keys_are_text(self) -> None:
        self.assertIsNone(command_of("k", 0, "TEntry"))
        self.assertIsNone(command_of("space", 0, "TEntry"))

    def test_escape_leaves_where_text_is_typed(self) -> None:
        self.assertIs(command_of("Escape", 0, "TEntry"), Command.LEAVE)

    def test_widgets_keep_the_keys_they_need(self) -> None:
        self.assertIsNone(command_of("space", 0, "TButton"))
        self.assertIs(command_of("k", 0, "TButton"), Command.TOGGLE)
        self.assertIsNone(command_of("Left", 0, "TNotebook"))
        self.assertIs(command_of("Left", 0, "Canvas"), Command.BACK_2)

    def test_the_menu_tells_all_keys_of_a_command(self) -> None:
        self.assertEqual(KEY_TEXTS[Command.TOGGLE], "Space or K")
        self.assertEqual(KEY_TEXTS[Command.RECORD], "Ctrl+R")

    def test_each_part_of_the_menu_has_entries(self) -> None:
        self.assertEqual({binding.group for binding in BINDINGS}, set(Group))
