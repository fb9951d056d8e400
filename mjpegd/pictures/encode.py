"""Pictures encoded anew with Pillow, where nothing cheaper makes them fit for RTP.

Quantization tables stay the picture's own, so that little is lost which was not lost before.
"""

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import chain
from typing import Final

from PIL import Image
from PIL.Image import Resampling
from PIL.JpegImagePlugin import JpegImageFile, zigzag_index

from mjpegd.pictures.forms import in_eights
from mjpegd.wire.errors import BrokenJpegError, UnsupportedJpegError
from mjpegd.wire.jpeg_frame import MAX_SIDE_PIXELS
from mjpegd.wire.jpeg_image import JpegHeader, JpegImage
from mjpegd.wire.jpeg_payload import tables_for
from mjpegd.wire.jpeg_segments import EOI, SOI, Code, header_segments, marker_segment
from mjpegd.wire.recode import MAX_SCANS

# 8192 x 8192: more than 8K films and most phones have. At four bytes each they are 256 MiB.
MAX_PIXELS: Final = 1 << 26

# Several passes are put together in memory, at two bytes for each sample, before one is decoded.
MAX_PIXELS_IN_PASSES: Final = 3 << 23

# Interlaced video ends at 1920 x 540 for a field; some cameras call whole pictures fields.
MAX_FIELD_PIXELS: Final = 1 << 23

_PROGRESSIVE: Final = 2
_ENTRIES: Final = 64  # of a quantization table

# What Pillow decodes: baseline, extended, progressive, lossless, and two with arithmetic coding;
# grey, three colours, four.
_CODINGS: Final = frozenset({0, 1, 2, 3, 9, 10})
_SAMPLE_BITS: Final = 8
_CMYK_COMPONENTS: Final = 4
_COLOURS: Final = frozenset({1, 3, _CMYK_COMPONENTS})
_FIRST_ARITHMETIC: Final = 9

# Each block has at least one bit for its 64 samples, of which a scan of chroma may have one in
# eight only.
_MAX_PIXELS_A_BYTE: Final = 8 * 64 * 8

# Lossless ones have no tables.
_DEFAULT_TABLE: Final = tables_for(90)[:_ENTRIES]

_NOISE: Final = b"\x55" * 64

# What Pillow raises for files that it cannot read, and for sizes that it cannot write.
_PILLOW_ERRORS: Final = (OSError, ValueError, SyntaxError)


def check_size(image: JpegImage) -> None:
    """Refuse what would take too much memory or time, before any of it is spent.

    Raises:
        BrokenJpegError: There is less than a bit for each block, or there are more scans than
            any encoder writes.
        UnsupportedJpegError: There are more pixels than are ever decoded.
    """
    pixels = image.width * image.height
    most = MAX_PIXELS_IN_PASSES if _has_passes(image) else MAX_PIXELS
    if pixels > most:
        raise UnsupportedJpegError(f"{image.width}x{image.height} pixels are more than {most}")
    is_arithmetic = image.header.coding >= _FIRST_ARITHMETIC
    if not is_arithmetic and pixels > _MAX_PIXELS_A_BYTE * len(image.scan):
        raise BrokenJpegError(f"has too few data for {image.width}x{image.height} pixels")
    if image.scans > MAX_SCANS:
        raise BrokenJpegError("has more scans than any encoder writes")


def _has_passes(image: JpegImage) -> bool:
    header = image.header
    is_whole = len(header.scan_components) == len(header.components)
    return header.coding == _PROGRESSIVE or image.scans > 1 or not is_whole


def working_bytes(image: JpegImage) -> int:
    """How much memory decoding and encoding take at most, besides the JPEGs themselves."""
    pixels = image.width * image.height
    # Pillow's have four bytes a pixel; there are so many while colours are converted, or two
    # fields woven.
    components = len(image.header.components)
    pictures = 3 if components == _CMYK_COMPONENTS else 2
    if image.header.is_field:
        pictures = 7
    samples = 2 * components if _has_passes(image) else 0
    return pixels * (4 * pictures + samples)


def bare(picture: bytes) -> bytes:
    """A JPEG less its comments and application segments but for the one that tells its colours."""
    header = tuple(header_segments(picture))
    kept = (
        marker_segment(segment.code, segment.body)
        for segment in header
        if segment.code < Code.APP0 or segment.code == Code.APP14
    )
    return b"".join((SOI, *kept, picture[header[-1].end :]))


def encode(picture: bytes, image: JpegImage, *, scales: bool) -> bytes:
    """Encode one JPEG anew as 4:2:2 or 4:2:0 with Huffman tables of T.81 annex K.

    Args:
        picture: From SOI to EOI, which may be missing.
        image: What it says about itself.
        scales: More than 2040 pixels in a direction are made fewer, in proportion.

    Raises:
        BrokenJpegError: It is damaged or cut off.
        UnsupportedJpegError: It is of a kind that Pillow cannot decode.
    """
    # Pillow wants an end. But what is cut off would get a grey rest with one: what follows the
    # data must not matter.
    ends = (b"",) if picture.endswith(EOI) else (EOI, _NOISE + EOI)
    subsampling = _subsampling(image.header)
    coded = {
        _encoded(_decoded(picture + end, image, scales=scales), image.header, subsampling)
        for end in ends
    }
    if len(coded) > 1:
        raise BrokenJpegError("is cut off")
    return coded.pop()


def weave(fields: Sequence[bytes], image: JpegImage, *, scales: bool) -> bytes:
    """Encode two fields as one picture of twice the height.

    Args:
        fields: The one with the uppermost line first; the same one twice if there is no other.
        image: What one of them says about itself: the picture gets its quantization tables.
        scales: As for `encode`.

    Raises:
        BrokenJpegError: One is damaged or cut off.
        UnsupportedJpegError: One is of a kind that Pillow cannot decode, or has more pixels than
            any field.
    """
    images = [JpegImage.parse(field) for field in fields]
    _check_fields(images)
    upper, lower = (
        _decoded(field, of_field, scales=False)
        for field, of_field in zip(fields, images, strict=True)
    )
    both = b"".join(chain.from_iterable(zip(_lines(upper), _lines(lower), strict=True)))
    shown = Image.frombytes("YCbCr", (upper.width, 2 * upper.height), both)
    # With one sample of chroma for two lines the colours of the fields would run into another.
    return _encoded(_scaled(shown) if scales else shown, image.header, "4:2:2")


def _check_fields(images: Sequence[JpegImage]) -> None:
    if len({(image.width, image.height) for image in images}) > 1:
        raise BrokenJpegError("has fields of different sizes")
    for image in images:
        check_size(image)
        if image.width * image.height > MAX_FIELD_PIXELS:
            raise UnsupportedJpegError(f"has fields of more than {MAX_FIELD_PIXELS} pixels")


def _lines(shown: Image.Image) -> list[bytes]:
    pixels, stride = shown.tobytes(), 3 * shown.width
    return [pixels[start : start + stride] for start in range(0, len(pixels), stride)]


def _decoded(picture: bytes, image: JpegImage, *, scales: bool) -> Image.Image:
    """The picture in Y, Cb and Cr."""
    _check_kind(image.header)
    with _pillow(), JpegImageFile(BytesIO(bare(picture))) as opened:
        # The decoder is asked once for Y, Cb and Cr, and to halve what is far too large.
        mode = opened.mode if _is_rgb(image.header) else "YCbCr"
        opened.draft(mode, _fit(opened.size) if scales else opened.size)
        opened.load()
        shown = _scaled(opened) if scales else opened
        if shown.mode == "CMYK":
            shown = shown.convert("RGB")
        return shown if shown.mode == "YCbCr" else shown.convert("YCbCr")


@contextmanager
def _pillow() -> Iterator[None]:
    try:
        yield
    except _PILLOW_ERRORS as error:
        raise BrokenJpegError(f"cannot be decoded or encoded anew: {error}") from None


def _check_kind(header: JpegHeader) -> None:
    if header.coding not in _CODINGS:
        raise UnsupportedJpegError(f"coding process {header.coding}")
    if header.precision != _SAMPLE_BITS:
        raise UnsupportedJpegError(f"{header.precision} bits per sample")
    if len(header.components) not in _COLOURS:
        raise UnsupportedJpegError(f"{len(header.components)} colour components")


def _is_rgb(header: JpegHeader) -> bool:
    # The rule that libjpeg has for files without a JFIF segment.
    names = bytes(part.identifier for part in header.components)
    return header.adobe_transform == 0 or (header.adobe_transform is None and names == b"RGB")


def _fit(size: tuple[int, int]) -> tuple[int, int]:
    """The size itself, or the largest in these proportions that RTP can tell."""
    shrink = MAX_SIDE_PIXELS / max(size)
    if shrink >= 1:
        return size
    return in_eights(size[0] * shrink), in_eights(size[1] * shrink)


def _scaled(shown: Image.Image) -> Image.Image:
    size = _fit(shown.size)
    return shown if size == shown.size else shown.resize(size, Resampling.BILINEAR)


def _subsampling(header: JpegHeader) -> str:
    """The one of RTP's two that keeps more of the colours."""
    is_full_height = len({part.vertical for part in header.components}) == 1
    return "4:2:2" if len(header.components) > 1 and is_full_height else "4:2:0"


def _encoded(shown: Image.Image, header: JpegHeader, subsampling: str) -> bytes:
    output = BytesIO()
    with _pillow():
        shown.save(output, "JPEG", qtables=_tables(header), subsampling=subsampling)
    return output.getvalue()


def _tables(header: JpegHeader) -> list[list[int]]:
    """Tables for luma and chroma, in the order that Pillow wants: row by row."""
    first, *others = (_table(table or _DEFAULT_TABLE) for table in header.component_tables)
    # Cb and Cr have to share theirs.
    chroma = [min(entries) for entries in zip(*others[:2], strict=True)] if others else first
    return [first, chroma]


def _table(zigzag: bytes) -> list[int]:
    entries = struct.unpack(f">{_ENTRIES}H" if len(zigzag) > _ENTRIES else f"{_ENTRIES}B", zigzag)
    # Only tables with 8 bits fit into RTP.
    return [min(entries[place], 255) for place in zigzag_index]
