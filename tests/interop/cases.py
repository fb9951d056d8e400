"""What tests with players that others wrote share: tools that may be missing, and a folder."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar
from unittest import SkipTest

from typing_extensions import override

from tests.interop.players import Player
from tests.system.cases import SystemTestCase

AT_A_TIME = 4  # Players wait more than they work.
REQUIRE_TOOLS = "MJPEGD_REQUIRE_TOOLS"


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

    def require(self, missing: Sequence[str]) -> None:
        """Skip the test where tools are missing; fail where all are said to be there."""
        names = ", ".join(missing)
        if missing and os.environ.get(REQUIRE_TOOLS):
            self.fail(f"{names} is not installed")
        if missing:
            raise SkipTest(f"{names} is not installed")
