"""What the person in front of the player wants; the viewer strives for it."""

from dataclasses import dataclass
from math import copysign

from mjpegd.wire.headers import Lower

from .talk.location import Location
from .view import State

# What `[` and `]` step through, forward or backward.
SCALES = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0, 16.0)


@dataclass(slots=True)
class Wish:
    """What is wanted of one stream.

    Attributes:
        location: The stream; None before one was named.
        state: Where its session should be.
        seek_s: A media time to go to; None where it is there, or where none is wanted.
        scale: Media seconds per second.
        lower: The way of the media; None is UDP, and TCP where nothing comes.
    """

    location: Location | None = None
    state: State = State.INIT
    seek_s: float | None = None
    scale: float = 1.0
    lower: Lower | None = None

    def faster(self) -> None:
        """The next scale above, in the direction it plays."""
        size = abs(self.scale)
        above = min((scale for scale in SCALES if scale > size), default=size)
        self.scale = copysign(above, self.scale)

    def slower(self) -> None:
        """The next scale below, in the direction it plays."""
        size = abs(self.scale)
        below = max((scale for scale in SCALES if scale < size), default=size)
        self.scale = copysign(below, self.scale)
