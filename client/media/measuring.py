"""Rates of the last seconds: what the figures are made of."""

from collections import deque
from math import inf

LOSS_WINDOW_S = 5.0
SAMPLE_INTERVAL_S = 0.5
# A minute, and its two ends.
MAX_SAMPLES = 122

_BUCKETS = 10


class Rate:
    """How much comes a second, by what came lately; in buckets, so that it costs next to nothing.

    Args:
        window_s: How far it looks back.
    """

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._bucket_s = window_s / _BUCKETS
        # When each began, and how much came until the next did.
        self._buckets: deque[tuple[float, int]] = deque(maxlen=_BUCKETS)
        # The last one, which is still filled.
        self._began_s = -inf
        self._amount = 0

    def add(self, amount: int, now_s: float) -> None:
        """So much has come."""
        if now_s - self._began_s < self._bucket_s:
            self._amount += amount
            return
        self._buckets.append((self._began_s, self._amount))
        self._began_s, self._amount = now_s, amount

    def per_second(self, now_s: float) -> float:
        """The rate now."""
        buckets = (*self._buckets, (self._began_s, self._amount))
        recent = [bucket for bucket in buckets if now_s - bucket[0] <= self._window_s]
        total = sum(amount for _, amount in recent)
        if len(recent) < 2:
            return total / self._window_s
        (first_s, _), (last_s, last) = recent[0], recent[-1]
        # From beginning to beginning the rate is exact, until the next one is overdue.
        return min((total - last) / (last_s - first_s), total / (now_s - first_s))


class Loss:
    """Packets lost of those expected, over the last seconds."""

    def __init__(self) -> None:
        self._totals = deque([(0.0, 0, 0)])

    def percent(self, expected: int, lost: int, now_s: float) -> float:
        """How many were lost of a hundred; to be asked for several times a second.

        Args:
            expected: Packets since PLAY; fewer than before where counting has begun anew.
            lost: Those of them that did not come; negative with duplicates.
            now_s: Now.
        """
        if expected < self._totals[-1][1]:
            self._totals = deque([(now_s, 0, 0)])
        self._totals.append((now_s, expected, lost))
        while now_s - self._totals[1][0] >= LOSS_WINDOW_S:
            self._totals.popleft()
        _, expected_before, lost_before = self._totals[0]
        share = (lost - lost_before) / max(1, expected - expected_before)
        return 100 * min(1.0, max(0.0, share))
