"""The two seams: where frames come from, and where packets go."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from mjpegd.pictures.forms import Rendition
    from mjpegd.wire.packets import PacketTrain
    from mjpegd.wire.times import FrameTimes

T = TypeVar("T")


class InThread(Protocol):
    """How work that may block leaves the reactor: handed to whoever has such work."""

    def __call__(self, work: Callable[[], T], /) -> "Deferred[T]":
        """Run ``work`` elsewhere; its result, or what it raised, comes back in the reactor."""
        ...


class IFrameSource(Interface):
    """A stored film: frames by number.

    A frame is one JPEG in a buffer of its own, from SOI on; tables that an abbreviated stream
    told only once are already in it. What follows EOI, or EOI itself, may be anything.
    """

    title: str = Attribute("What a log line calls it: the path below the media folder.")
    kind: str = Attribute("The container, e.g. 'AVI' or 'laboratory .Mjpeg'.")
    times: "FrameTimes" = Attribute("When each frame is shown; grows until `complete`.")
    complete: bool = Attribute("No more frames will be found.")
    still: bool = Attribute("One picture, repeated without end.")
    mean_bytes: int | None = Attribute(
        "Bytes of a frame, on average over those that are known; None where only reading tells."
    )
    timed: bool = Attribute("The rate or times come from the file, not from a default.")

    def grown() -> "Deferred[None]":
        """Fires when more frames are known, or when `complete` has become true."""

    def check() -> "Deferred[None]":
        """Look whether the file is still the one that was indexed.

        Fails with `mjpegd.errors.MediaChangedError` where it is not.
        """

    def read_now(number: int) -> bytes | None:
        """The JPEG with this number, or None where that would mean waiting.

        Raises:
            mjpegd.errors.MediaChangedError: The file is no longer the one that was indexed.
        """

    def read(number: int) -> "Deferred[bytes]":
        """The JPEG with this number, read in a thread; fails as `read_now` raises.

        Fails with `mjpegd.errors.MediaBusyError` where it cannot be read just now.
        """

    def close() -> None:
        """Give back what the source holds; nothing is called afterwards."""


class IRenderedSource(IFrameSource):
    """A stored film that is no JPEG: its frames are made JPEGs when they are asked for."""

    def render(number: int, rendition: "Rendition") -> "Deferred[bytes]":
        """The frame with this number as a JPEG; fails as `IFrameSource.read` does.

        Fails with `mjpegd.wire.errors.BrokenJpegError` where this one frame cannot be had.
        """

    def granted(rendition: "Rendition") -> "Rendition":
        """What a wish comes to: viewers who are granted the same share the frames."""


class ILiveSource(Interface):
    """Frames as they come: the newest one is all there is."""

    title: str = Attribute("What a log line calls it.")
    kind: str = Attribute("Where the frames come from, e.g. 'generated'.")
    rate: float = Attribute("Nominal frames per second.")

    def subscribe(listener: Callable[[bytes, float], None]) -> None:
        """Call ``listener(jpeg, seconds)`` for each frame from now on.

        `seconds` is the capture time on the clock that the source was given. A source without
        listeners does no work.
        """

    def unsubscribe(listener: Callable[[bytes, float], None]) -> None:
        """Call this listener no more."""

    def close() -> None:
        """End; nothing is called afterwards."""


class IPacketSender(Interface):
    """The way of one viewer's packets to the network.

    A sender never raises and never blocks: what cannot be sent is dropped in whole trains,
    and counted.
    """

    dropped: int = Attribute("How many trains were dropped since the sender was made.")
    errors: int = Attribute("How many packets the system refused to send, for good.")
    last_error: str = Attribute("Why it refused the last of them, for the log.")
    remark: str = Attribute("What is out of the ordinary on this way, for the log; or empty.")

    def send_train(train: "PacketTrain", spread_s: float) -> None:
        """Send the packets of one frame, the whole train or nothing of it.

        Args:
            train: The packets, in the framing that this sender asked for. It is lent: what has
                to wait is copied.
            spread_s: Seconds over which a large train may be spread, to spare small
                receive buffers on the way.
        """

    def send_report(compound: bytes) -> None:
        """Send one RTCP compound packet."""

    def flush() -> None:
        """Send what still waits, as far as the network takes it now."""

    def discard() -> None:
        """Playing stopped: a train that was begun is finished, others that wait are dropped."""

    def close() -> None:
        """Send nothing more and forget what waits."""
