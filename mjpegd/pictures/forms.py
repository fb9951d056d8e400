"""How a viewer needs its pictures: what its player can read, and what its URL asks for."""

from dataclasses import dataclass
from enum import Enum

_LEAST_IN_EIGHTS = 128  # pixels


class Big(Enum):
    """What becomes of pictures with more than the 2040 pixels that RFC 2435 has room for.

    There is no form that every player reads.
    """

    SCALE = "scale"  # made smaller: for everybody
    NATIVE = "native"  # size 0 in the packets, the true one in the description: GStreamer, live555
    ONVIF = (
        "onvif"  # the frame header in the RTP header extension of ONVIF's streaming specification
    )
    NESTED = (
        "nested"  # a whole JPEG behind the header of a tiny one: FFmpeg and what is built on it
    )


@dataclass(frozen=True, slots=True)
class Rendition:
    """What a viewer asks of a film that is decoded for it anyway; never larger than the film.

    Attributes:
        width: Pixels at most; None leaves it to the film and to the daemon's bounds.
        height: Likewise; the proportions stay.
        quality: 1 to 100 as libjpeg counts; None leaves it to the daemon.
    """

    width: int | None = None
    height: int | None = None
    quality: int | None = None


# Nothing is asked.
PLAIN_RENDITION = Rendition()


@dataclass(frozen=True, slots=True)
class JpegForm:
    """How a viewer needs JPEGs. Hashable: it names pictures in the cache.

    Attributes:
        strips_restarts: Restart markers have to go.
        big: What becomes of pictures with more than 2040 pixels in a direction.
        rendition: How a film that is no JPEG is to be rendered.
        described: Width and height of large pictures in their native size, as the description
            tells it; those of another size are made smaller. None for any.
    """

    strips_restarts: bool = False
    big: Big = Big.SCALE
    rendition: Rendition = PLAIN_RENDITION
    described: tuple[int, int] | None = None


# What every player can read.
PLAIN_FORM = JpegForm()


def in_eights(side: float) -> int:
    """A side that is chosen freely: RTP counts in 8 pixels, and a border is shown for the rest.

    Small ones stay what they are, for the proportions would suffer.
    """
    return max(1, round(side)) if side < _LEAST_IN_EIGHTS else round(side / 8) * 8
