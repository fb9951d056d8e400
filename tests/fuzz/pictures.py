"""Laws of what reads JPEGs: readers that say the same are compared with each other."""

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from random import Random

from mjpegd.pictures.turbojpeg import TurboJpeg
from mjpegd.wire.errors import BrokenJpegError, JpegError, UnsupportedJpegError
from mjpegd.wire.jpeg_frame import JpegFrame, rtp_frame
from mjpegd.wire.jpeg_image import JpegImage
from mjpegd.wire.jpeg_repairs import repairs
from mjpegd.wire.jpeg_segments import tables, whole
from mjpegd.wire.jpeg_splitting import FrameSplitter, Span, split
from mjpegd.wire.recode import recode
from tests.fuzz.target import agree, chance, pieces

Recode = Callable[[bytes], bytes]


def jpeg(data: bytes) -> None:
    """All readers raise nothing but `JpegError`, and libturbojpeg codes anew as we do."""
    read(data, _library())


def read(data: bytes, other_recode: Recode | None) -> None:
    """Let all of them read.

    Args:
        data: One input.
        other_recode: What should do the same as `mjpegd.wire.recode.recode`.

    Raises:
        BrokenLawError: They say different things.
        Exception: Anything but a `JpegError` that one of them lets through.
    """
    agree(split(data), _in_pieces(data, chance(data)), "frames found whole and in pieces")
    readers: tuple[Callable[[bytes], object], ...] = (tables, repairs, whole)
    for reader in readers:
        with suppress(BrokenJpegError):
            reader(data)
    with suppress(JpegError):
        image = JpegImage.parse(data)
        rtp_frame(image, any_size=True)
        rtp_frame(image)
    coded = _recoded(recode, data)
    if coded:
        with suppress(UnsupportedJpegError):  # It may be longer, and too large now.
            agree(recode(coded), coded, "what was coded anew before")
    other = _recoded(other_recode, data) if other_recode else b""
    if coded and other:
        agree(_rtp(coded), _rtp(other), "coded anew by Python and by the library")


@cache
def _library() -> Recode | None:
    library = TurboJpeg.find()
    return library.recode if library else None


def _recoded(way: Recode, data: bytes) -> bytes:
    try:
        coded = way(data)
    except JpegError:
        return b""
    _rtp(coded)
    return coded


def _rtp(coded: bytes) -> tuple[int, int, JpegFrame]:
    """The size in pixels, and what RTP carries."""
    image = JpegImage.parse(coded)
    return image.width, image.height, rtp_frame(image, any_size=True)


def _in_pieces(data: bytes, random: Random) -> list[Span]:
    splitter, spans = FrameSplitter(), list[Span]()
    for piece in pieces(data, random):
        spans += splitter.feed(piece)
    return spans + splitter.finish()
