"""Tests of `client.wish`."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ..wish import SCALES, Wish


def faster(scale: float) -> float:
    wish = Wish(scale=scale)
    wish.faster()
    return wish.scale


def slower(scale: float) -> float:
    wish = Wish(scale=scale)
    wish.slower()
    return wish.scale


class ScaleTests(SynchronousTestCase):
    def test_up_and_down_the_steps(self) -> None:
        for below, above in pairwise(SCALES):
            self.assertEqual(faster(below), above)
            self.assertEqual(slower(above), below)

    def test_ends(self) -> None:
        self.assertEqual(slower(SCALES[0]), SCALES[0])
        self.assertEqual(faster(SCALES[-1]), SCALES[-1])

    def test_from_between_two_steps(self) -> None:
        self.assertEqual((slower(1.5), faster(1.5)), (1.0, 2.0))

    def test_from_beyond_the_ends(self) -> None:
        self.assertEqual((slower(0.1), faster(0.1)), (0.1, SCALES[0]))
        self.assertEqual((slower(40.0), faster(40.0)), (SCALES[-1], 40.0))

    @given(st.floats(1e-6, 1e6))
    def test_backwards_likewise(self, scale: float) -> None:
        self.assertEqual(faster(-scale), -faster(scale))
        self.assertEqual(slower(-scale), -slower(scale))
