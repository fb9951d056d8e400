"""Tests of `client.heed`."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from ..heed import PICTURE_S, Heed

INTERVAL_S = 0.02


class HeedTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.turns = 0
        self.clock = Clock()
        self.heed = Heed(self.clock, self.turn)

    def turn(self) -> None:
        self.turns += 1

    def test_a_picture_is_drawn_at_once(self) -> None:
        self.heed.draw()
        self.heed.draw()

        self.assertEqual(self.turns, 2)

    def test_while_pictures_come_nothing_else_is_a_turn(self) -> None:
        for _ in range(24):
            self.heed.draw()
            for _ in range(2):
                self.clock.advance(INTERVAL_S)
                self.heed.update()

        self.assertEqual(self.turns, 24)

    def test_where_none_comes_tk_has_its_turn_each_time(self) -> None:
        self.heed.draw()
        self.clock.advance(PICTURE_S)

        for _ in range(10):
            self.clock.advance(INTERVAL_S)
            self.heed.update()

        self.assertEqual(self.turns, 1 + 10)
