"""How a viewer's pictures become packets: what they must be like, and how they are cut."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Protocol
from weakref import WeakValueDictionary

from typing_extensions import override

from mjpegd.pictures.forms import PLAIN_FORM, JpegForm, Rendition
from mjpegd.pictures.normalise import Normal, Recode, direct, normalise, working_bytes
from mjpegd.wire import jpeg_payload
from mjpegd.wire.packets import TrainTemplate, whole_words


class Packing(Protocol):
    """How a viewer wants frames packed. Hashable: equal packings share their trains."""

    @property
    def form(self) -> Hashable:
        """What pictures must be like; equal forms share the pictures made for them."""
        ...

    @property
    def rendition(self) -> Rendition:
        """How a film that is no JPEG is to be rendered."""
        ...

    def pack(self, picture: bytes) -> TrainTemplate:
        """Cut one JPEG; quick.

        Raises:
            UnsupportedJpegError: `normalise` has to make it fit first; the text says why.
            BrokenJpegError: It is damaged.
        """
        ...

    def working_bytes(self, picture: bytes) -> int:
        """The memory that `normalise` takes for a picture at most; quick. Raises JpegError."""
        ...

    def normalise(self, picture: bytes, recode: Recode | None) -> Normal:
        """Make a picture one that `pack` takes; slow. Raises JpegError where that cannot be."""
        ...


_shared: WeakValueDictionary[Packing, Packing] = WeakValueDictionary()


def shared(packing: Packing) -> Packing:
    """The one object that stands for all equal ones, so that keys need not be compared."""
    return _shared.setdefault(packing, packing)


@dataclass(frozen=True, slots=True, weakref_slot=True)
class JpegPacking:
    """RFC 2435.

    Attributes:
        max_payload_bytes: What a packet holds after its RTP header.
        interleaved: The packets travel on the RTSP connection (RFC 2326 section 10.12).
        form: What the viewer's player can read, and what its URL asks for.
    """

    max_payload_bytes: int
    interleaved: bool
    form: JpegForm = PLAIN_FORM
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Every frame of every viewer is looked up by it.
        fields = (self.max_payload_bytes, self.interleaved, self.form)
        object.__setattr__(self, "_hash", hash(fields))

    @override
    def __hash__(self) -> int:
        return self._hash

    @property
    def rendition(self) -> Rendition:
        """How a film that is no JPEG is to be rendered."""
        return self.form.rendition

    def pack(self, picture: bytes) -> TrainTemplate:
        """Cut one JPEG, in some 50 microseconds (see `Packing`)."""
        frame = direct(picture, self.form)
        size = whole_words(self.max_payload_bytes, interleaved=self.interleaved)
        payloads = jpeg_payload.fragment(frame, size)
        return TrainTemplate(payloads, interleaved=self.interleaved, extension=frame.extension)

    def working_bytes(self, picture: bytes) -> int:
        """The memory that `normalise` takes for a picture at most (see `Packing`)."""
        return working_bytes(picture)

    def normalise(self, picture: bytes, recode: Recode | None) -> Normal:
        """Make a picture fit for RFC 2435 (see `mjpegd.pictures.normalise`)."""
        return normalise(picture, self.form, recode)
