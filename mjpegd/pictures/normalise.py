"""Makes every JPEG one that its viewers can be sent, in the cheapest way that its bytes allow."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from mjpegd.pictures import encode
from mjpegd.pictures.forms import Big, JpegForm
from mjpegd.wire import recode as reference
from mjpegd.wire.errors import BrokenJpegError, JpegError, UnsupportedJpegError
from mjpegd.wire.jpeg_frame import MAX_SIDE_PIXELS, JpegFrame, narrowed, rtp_frame
from mjpegd.wire.jpeg_image import JpegImage
from mjpegd.wire.jpeg_payload import extension_for
from mjpegd.wire.jpeg_repairs import repairs
from mjpegd.wire.jpeg_segments import EOI, SOI, Code, header_segments
from mjpegd.wire.jpeg_splitting import split

# What the library finds fault with may be no more than a few bytes too many, which pure Python
# takes. That holds up the reactor, at about 1.1 microseconds a byte in turns of 5 ms.
MAX_REFERENCE_BYTES: Final = 64 << 10

# Besides pixels: the picture, what it becomes, and copies on the way.
_COPIES: Final = 4

_ODD_FIELD: Final = 1  # counted from one: with the uppermost line
# Baseline, extended, progressive, lossless; FFmpeg has no arithmetic decoder.
_LAST_HUFFMAN_CODING: Final = 3
_ARITHMETIC: Final = "arithmetic coding"
_ENTRIES: Final = 64  # of a quantization table
_NO_END: Final = "no end"
_INTERLACED: Final = "interlaced"

# The least that RTP/JPEG can tell: 8 x 8 pixels of grey. Without data of its own FFmpeg would
# look for them in the segment that follows.
_TINY: Final = 8
_TINY_TABLES: Final = b"\x01" * 128
_TINY_SCAN: Final = bytes.fromhex("28a28a00")


class Step(Enum):
    """What is done to pictures; the later, the dearer."""

    UNTOUCHED = "sent as they are"
    REPAIRED = "headers repaired"
    RECODED = "entropy coded anew, without loss"
    ENCODED = "encoded anew, with loss"


@dataclass(frozen=True, slots=True)
class Normal:
    """A picture that fits.

    Attributes:
        picture: A JPEG that `direct` takes.
        step: What was done.
        reason: Why, in a few words such as "greyscale"; empty if nothing was done.
        is_lossy_in_vain: Nothing would have been lost if there had been a `Recode`.
    """

    picture: bytes
    step: Step
    reason: str
    is_lossy_in_vain: bool = False


# Codes a JPEG anew without loss, as one baseline scan with the Huffman tables of annex K and
# without restart markers. Raises BrokenJpegError for damage, UnsupportedJpegError where that
# cannot be done.
Recode = Callable[[bytes], bytes]


def direct(picture: bytes, form: JpegForm) -> JpegFrame:
    """What goes on the wire of a picture that needs no work but on its headers.

    Takes 50 to 100 microseconds.

    Args:
        picture: From SOI on, with its quantization tables.
        form: How its viewer needs it.

    Raises:
        BrokenJpegError: Its header cannot be read.
        UnsupportedJpegError: It has to be made fit first; the text names the obstacle in a few
            words.
    """
    image = JpegImage.parse(picture)
    if image.header.is_field and _has_second_field(picture):
        raise UnsupportedJpegError(_INTERLACED)
    is_big = max(image.width, image.height) > MAX_SIDE_PIXELS and _keeps_size(image, form)
    if is_big:
        encode.check_size(image)
    if is_big and form.big is Big.NESTED:
        frame = _nested(picture, image)
    else:
        frame = rtp_frame(image, any_size=is_big)
    if image.header.restart_interval and form.strips_restarts:
        raise UnsupportedJpegError("restart markers")
    # Only decoding shows whether what has no end was cut off in the middle.
    if not picture.endswith(EOI) and _NO_END in repairs(picture):
        raise UnsupportedJpegError(_NO_END)
    if is_big and form.big is Big.ONVIF:
        return replace(frame, extension=extension_for(frame, (image.width, image.height)))
    return frame


def _keeps_size(image: JpegImage, form: JpegForm) -> bool:
    """Whether a picture is sent in its own size, even if RTP/JPEG has no room to tell it."""
    if form.big is Big.NATIVE:
        return form.described in {None, (image.width, image.height)}
    return form.big is not Big.SCALE


def _nested(picture: bytes, image: JpegImage) -> JpegFrame:
    """All of a picture behind the data of a tiny one: FFmpeg obeys the headers that come last."""
    if image.header.coding > _LAST_HUFFMAN_CODING:
        raise UnsupportedJpegError(_ARITHMETIC)
    inner = encode.bare(_first(picture)).removeprefix(SOI).removesuffix(EOI)
    return JpegFrame(1, _TINY, _TINY, 0, _TINY_TABLES, _TINY_SCAN + inner)


def normalise(picture: bytes, form: JpegForm, recode: Recode | None) -> Normal:
    """Make a JPEG fit. Takes from 50 microseconds to a second: not for the reactor.

    Args:
        picture: From SOI on, with its quantization tables.
        form: How its viewer needs it.
        recode: How to code it anew without loss, if anything fast is there that can.

    Returns:
        What `direct` takes for the same form.

    Raises:
        BrokenJpegError: It is damaged, cut off or of an absurd size.
        UnsupportedJpegError: It cannot be made fit; the text says why.
    """
    try:
        direct(picture, form)
    except UnsupportedJpegError as obstacle:
        return _made_fit(picture, form, recode, str(obstacle))
    found = repairs(picture)
    return Normal(picture, Step.REPAIRED if found else Step.UNTOUCHED, ", ".join(found))


def _made_fit(picture: bytes, form: JpegForm, recode: Recode | None, reason: str) -> Normal:
    image = JpegImage.parse(picture)
    encode.check_size(image)
    if reason == _NO_END:
        return _ended(picture, form, recode)
    scales = not _keeps_size(image, form)
    is_scaled = scales and max(image.width, image.height) > MAX_SIDE_PIXELS
    keeps_all = reason != _INTERLACED and not is_scaled
    if recode and keeps_all:
        with suppress(UnsupportedJpegError):  # then it cannot be done without loss
            coded = _recoded(_first(picture), recode)
            direct(coded, form)
            return Normal(coded, Step.RECODED, reason)
    if reason == _INTERLACED:
        coded = _woven(picture, image, scales=scales)
    else:
        coded = encode.encode(_first(picture), image, scales=scales)
    direct(coded, form)
    in_vain = keeps_all and not recode and _is_recodable(image)
    return Normal(coded, Step.ENCODED, reason, in_vain)


def _is_recodable(image: JpegImage) -> bool:
    try:
        reference.check_recodable(image)
    except JpegError:
        return False
    tables = [narrowed(table) for table in image.header.component_tables]
    return all(len(table) <= _ENTRIES for table in tables) and len(set(tables[1:])) <= 1


def _ended(picture: bytes, form: JpegForm, recode: Recode | None) -> Normal:
    """A picture that lacks nothing but EOI, with EOI; what decoding it gives is not looked at."""
    begun, is_read = _first(picture), False
    if recode:
        with suppress(UnsupportedJpegError):
            is_read = bool(_recoded(begun, recode))
    if not is_read:
        encode.encode(begun, JpegImage.parse(begun), scales=False)
    direct(begun + EOI, form)
    return Normal(begun + EOI, Step.REPAIRED, ", ".join(repairs(picture)))


def _first(picture: bytes) -> bytes:
    """What lies from SOI to EOI, without what may follow; EOI may be missing."""
    spans = split(picture)
    if not spans or spans[0].start:
        raise BrokenJpegError("is no JPEG of at most 16 MiB with picture data")
    return picture[: spans[0].size]


def _recoded(picture: bytes, recode: Recode) -> bytes:
    picture = picture.removesuffix(EOI) + EOI
    try:
        return recode(picture)
    except BrokenJpegError:
        if len(picture) > MAX_REFERENCE_BYTES:
            raise
        return reference.recode(picture)


def _has_second_field(picture: bytes) -> bool:
    # A field on its own is shown as it is: some call all their pictures fields.
    return SOI in picture[len(_first(picture)) :]


def _woven(picture: bytes, image: JpegImage, *, scales: bool) -> bytes:
    """One picture of the two fields in a chunk, whichever comes first."""
    fields = [picture[span.start : span.start + span.size] for span in split(picture)]
    first, second = (fields * 2)[:2]
    try:
        fields = [first, second] if _polarity(first) == _ODD_FIELD else [second, first]
        return encode.weave(fields, image, scales=scales)
    except JpegError:
        # Half the lines are better than half the height, which would change in mid-stream.
        return encode.weave([first, first], image, scales=scales)


def _polarity(field: bytes) -> int:
    # "AVI1" | polarity
    bodies = (s.body for s in header_segments(field) if s.code == Code.APP0)
    return next((body[4] for body in bodies if body[:4] == b"AVI1" and body[4:5] > b"\0"), 0)


def working_bytes(picture: bytes) -> int:
    """How much memory `normalise` takes at most, from what the header says.

    Raises:
        BrokenJpegError: The header cannot be read, or it claims what the data cannot hold.
        UnsupportedJpegError: There are more pixels than are ever decoded.
    """
    image = JpegImage.parse(picture)
    encode.check_size(image)
    return encode.working_bytes(image) + _COPIES * len(picture)
