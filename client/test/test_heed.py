"""Tests of `client.heed`."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from ..heed import PICTURE_S, TURN_S, UPDATE_S, Heed


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
                self.clock.advance(PICTURE_S / 3)
                self.heed.update()

        self.assertEqual(self.turns, 24)

    def test_where_none_comes_there_is_a_turn_between_two_updates(self) -> None:
        for _ in range(10):
            self.clock.advance(UPDATE_S)
            self.heed.update()
        self.clock.advance(TURN_S)

        self.assertEqual(self.turns, 20)

    def test_a_picture_takes_the_place_of_the_turn_between(self) -> None:
        self.clock.advance(UPDATE_S)
        self.heed.update()
        self.heed.draw()
        self.clock.advance(TURN_S)

        self.assertEqual(self.turns, 2)

    def test_no_turn_comes_when_tk_is_gone(self) -> None:
        self.clock.advance(UPDATE_S)
        self.heed.update()

        self.heed.stop()

        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stops_where_nothing_is_to_come(self) -> None:
        self.heed.stop()

        self.assertEqual(self.turns, 0)
