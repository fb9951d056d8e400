"""What a viewer's URL asks for beside the stream, and what its player is known to need."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from mjpegd.errors import RTSPError
from mjpegd.pictures.forms import PLAIN_RENDITION, Big, JpegForm, Rendition
from mjpegd.wire.errors import ParseError
from mjpegd.wire.times import parse_rate

T = TypeVar("T")

# What `?width=` and `?height=` may say; films are never made larger than they are.
MIN_SIDE_PIXELS = 16
MAX_SIDE_PIXELS = 65_535

# Players that take the size of large pictures from the description, by their User-Agents.
_READ_DIMENSIONS = ("gstreamer", "live555")
# Refuses the types of RFC 2435 that tell of restart markers (MediaMTX is built on it).
_WITHOUT_RESTARTS = "gortsplib"
# Plays SRTP by MIKEY, and was seen to.
_SPEAKS_SRTP = "gstreamer"
# Goes when the length that a description tells has passed, even if the film stood still.
_LEAVES_ON_TIME = "gstreamer"


def leaves_on_time(agent: str) -> bool:
    """Whether a player must not be told how long a film is that may stand still."""
    return _LEAVES_ON_TIME in agent.lower()


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the query of a URL asks of a stream; keys that mean nothing are passed over.

    Attributes:
        fps: Frames per second to play a film at instead of its own; drops none.
        loop: Repeat without end; None leaves it to the daemon's option.
        strips_restarts: Take restart markers out; None leaves it to what the player needs.
        big: What becomes of pictures with more than 2040 pixels in a direction; None likewise.
        srtp: Describe the stream as SRTP, over TLS; None leaves it to what the player speaks.
        rendition: How a film that is no JPEG is to be rendered.
    """

    fps: Fraction | None = None
    loop: bool | None = None
    strips_restarts: bool | None = None
    big: Big | None = None
    srtp: bool | None = None
    rendition: Rendition = PLAIN_RENDITION

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> "Wishes":
        """Read a query.

        Raises:
            RTSPError: 400, a value that makes no sense; the text says which would.
        """
        return cls(
            fps=_rate(query),
            loop=_choice(query, "loop", {"1": True, "0": False}),
            strips_restarts=_choice(query, "restart", {"strip": True, "keep": False}),
            big=_choice(query, "big", {big.value: big for big in Big}),
            srtp=_choice(query, "srtp", {"1": True, "0": False}),
            rendition=Rendition(
                width=_whole(query, "width", MIN_SIDE_PIXELS, MAX_SIDE_PIXELS),
                height=_whole(query, "height", MIN_SIDE_PIXELS, MAX_SIDE_PIXELS),
                quality=_whole(query, "quality", 1, 100),
            ),
        )

    def wants_srtp(self, agent: str) -> bool:
        """Whether a viewer with these wishes is to be told of SRTP; ``agent`` as for `form`."""
        return _SPEAKS_SRTP in agent.lower() if self.srtp is None else self.srtp

    def form(self, agent: str) -> JpegForm:
        """What pictures must be like for a viewer with these wishes.

        Args:
            agent: The User-Agent of its player; empty where it tells none.
        """
        agent, strips_restarts, big = agent.lower(), self.strips_restarts, self.big
        if strips_restarts is None:
            strips_restarts = _WITHOUT_RESTARTS in agent
        if big is None:
            reads_dimensions = any(name in agent for name in _READ_DIMENSIONS)
            big = Big.NATIVE if reads_dimensions else Big.SCALE
        return JpegForm(strips_restarts, big, self.rendition)


def _rate(query: Mapping[str, str]) -> Fraction | None:
    try:
        return parse_rate(query["fps"]) if "fps" in query else None
    except ParseError as fault:
        raise RTSPError(400, f"?fps=: {fault.reason}") from None


def _choice(query: Mapping[str, str], key: str, choices: Mapping[str, T]) -> T | None:
    if key not in query:
        return None
    if query[key] not in choices:
        raise RTSPError(400, f"?{key}= takes {', '.join(choices)}")
    return choices[query[key]]


def _whole(query: Mapping[str, str], key: str, least: int, most: int) -> int | None:
    text = query.get(key)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and least <= int(text) <= most):
        raise RTSPError(400, f"?{key}= takes a whole number from {least} to {most}")
    return int(text)
