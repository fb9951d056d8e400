"""How much bandwidth a stream needs, on average: told by its film, or learnt from its frames."""

# Of a stream of which nothing is known yet, which only a live one can be: a usual camera.
USUAL_BITS_PER_S = 4_000_000


class Demand:
    """What is known of the sizes of a stream's frames."""

    def __init__(self) -> None:
        self._frames = 0
        self._bytes = 0

    def learn(self, frame_bytes: int) -> None:
        """One more frame was seen."""
        self._frames += 1
        self._bytes += frame_bytes

    def bits_per_s(self, frames_per_s: float, told_bytes: int | None = None) -> int:
        """What the pictures need, without the headers of packets.

        Args:
            frames_per_s: How many there are.
            told_bytes: The mean size of all frames, where that is known; it says more than those
                that were seen.
        """
        if told_bytes is not None:
            return round(told_bytes * 8 * frames_per_s)
        if self._frames:
            return round(self._bytes * 8 * frames_per_s / self._frames)
        return USUAL_BITS_PER_S
