"""What tests with players that others wrote share: a player that may be missing, and a folder."""

from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from tests.interop.players import Player
from tests.system.cases import SystemTestCase

AT_A_TIME = 4  # Players wait more than they work.


class PlayerTestCase(SystemTestCase):
    """A test with a player, skipped where that is not installed.

    Attributes:
        player: The player.
        shows: A folder, not there yet, for what players show.
    """

    player: ClassVar[Player]

    @override
    def setUp(self) -> None:
        self.require(self.player.missing)
        self.shows = Path(self.mktemp()).absolute()
