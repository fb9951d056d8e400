"""What RFC 2435 carries of a JPEG: its frame, or what keeps it from being one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mjpegd.wire.errors import UnsupportedJpegError
from mjpegd.wire.jpeg_image import JpegImage
from mjpegd.wire.jpeg_segments import MAX_FRAME_BYTES

MAX_SIDE_PIXELS = 2040  # RFC 2435 section 3.1.5: eight bits, in units of 8 pixels

# The Huffman tables of T.81 annex K.3, by class and identifier: all that receivers will use.
STANDARD_HUFFMAN: Mapping[tuple[int, int], bytes] = {
    (0, 0): bytes.fromhex("00010501010101010100000000000000 000102030405060708090a0b"),
    (0, 1): bytes.fromhex("00030101010101010101010000000000 000102030405060708090a0b"),
    (1, 0): bytes.fromhex(
        "0002010303020403050504040000017d"
        "01020300041105122131410613516107227114328191a1082342b1c11552d1f0"
        "2433627282090a161718191a25262728292a3435363738393a43444546474849"
        "4a535455565758595a636465666768696a737475767778797a83848586878889"
        "8a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5"
        "c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8"
        "f9fa"
    ),
    (1, 1): bytes.fromhex(
        "00020102040403040705040400010277"
        "000102031104052131061241510761711322328108144291a1b1c109233352f0"
        "156272d10a162434e125f11718191a262728292a35363738393a434445464748"
        "494a535455565758595a636465666768696a737475767778797a828384858687"
        "88898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3"
        "c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8"
        "f9fa"
    ),
}

# Sampling factors of Y, Cb, Cr and the type that says so (RFC 2435 section 4.1).
_TYPES: Mapping[tuple[tuple[int, int], ...], int] = {
    ((2, 1), (1, 1), (1, 1)): 0,
    ((2, 2), (1, 1), (1, 1)): 1,
}

# How many luma samples there are for one of chroma, across and down.
_SAMPLING_NAMES: Mapping[tuple[float, float], str] = {
    (1, 1): "4:4:4",
    (2, 1): "4:2:2",
    (2, 2): "4:2:0",
    (1, 2): "4:4:0",
    (4, 1): "4:1:1",
    (4, 2): "4:1:0",
}

_CODING_NAMES = {2: "progressive", 3: "lossless", 9: "arithmetic coding", 10: "arithmetic coding"}


@dataclass(frozen=True, slots=True)
class JpegFrame:
    """A picture as RFC 2435 describes it.

    Attributes:
        type: 0 for 4:2:2, 1 for 4:2:0; without the 64 that tells of restart markers.
        width: Pixels, a multiple of 8, at most 2040; the picture may have up to 7 fewer. 0 if
            the packets do not tell it, because a side has more than 2040 pixels.
        height: Pixels, likewise; 0 if the width is.
        restart_interval: MCUs between restart markers; 0 means none.
        quantization: 64 bytes for luma and 64 for chroma, in zig-zag order.
        scan: Entropy-coded data, made with the Huffman tables of T.81 annex K; without EOI.
        extension: Marker segments that the RTP header extension of the first packet carries, for
            what does not fit into RTP/JPEG's own headers (ONVIF streaming specification, "JPEG
            header extension").
    """

    type: int
    width: int
    height: int
    restart_interval: int
    quantization: bytes
    scan: bytes | memoryview
    extension: bytes = b""


def rtp_frame(image: JpegImage, *, any_size: bool = False) -> JpegFrame:
    """What RTP carries of a JPEG that can be sent as it is (RFC 2435 sections 3 and 4).

    Args:
        image: What is to be sent.
        any_size: Sides of more than 2040 pixels are no obstacle: the frame tells no size then.

    Raises:
        UnsupportedJpegError: It would have to be coded anew; the text names the obstacle in a
            few words, such as "4:4:4 sampling".
    """
    for obstacle in _OBSTACLES if any_size else (_size_obstacle, *_OBSTACLES):
        if reason := obstacle(image):
            raise UnsupportedJpegError(reason)
    is_told = max(image.width, image.height) <= MAX_SIDE_PIXELS
    luma, chroma, _ = map(narrowed, image.header.component_tables)
    return JpegFrame(
        type=_TYPES[image.header.sampling],
        width=_up_to_eight(image.width) if is_told else 0,
        height=_up_to_eight(image.height) if is_told else 0,
        restart_interval=image.header.restart_interval,
        quantization=luma + chroma,
        scan=image.scan,
    )


def narrowed(table: bytes) -> bytes:
    """A quantization table with entries of 8 bits if they fit; else as it is."""
    return table[1::2] if len(table) > 64 and not any(table[::2]) else table


def _up_to_eight(pixels: int) -> int:
    return (pixels + 7) // 8 * 8


def _coding_obstacle(image: JpegImage) -> str:
    # Extended sequential Huffman coding of 8 bits is read by any baseline decoder.
    header = image.header
    if header.coding not in {0, 1}:
        return _CODING_NAMES.get(header.coding, f"coding process {header.coding}")
    return "" if header.precision == 8 else f"{header.precision} bits per sample"


def _colour_obstacle(image: JpegImage) -> str:
    number = len(image.header.components)
    if number != 3:
        return {1: "greyscale", 4: "CMYK colours"}.get(number, f"{number} colour components")
    return "RGB colours" if image.header.is_rgb else ""


def _sampling_obstacle(image: JpegImage) -> str:
    factors = image.header.sampling
    if factors in _TYPES:
        return ""
    luma, blue, red = factors
    ratio = (luma[0] / blue[0], luma[1] / blue[1])
    name = _SAMPLING_NAMES.get(ratio) if blue == red else None
    if name in {"4:2:2", "4:2:0"}:
        form = ", ".join(f"{across}x{down}" for across, down in factors)
        return f"{name} sampling written as {form}"
    return f"{name or 'unusual'} sampling"


def _scan_obstacle(image: JpegImage) -> str:
    order = [part.identifier for part in image.header.components]
    if image.scans > 1 or [part.identifier for part in image.header.scan_components] != order:
        return "more than one scan"
    return ""


def _size_obstacle(image: JpegImage) -> str:
    if image.width > MAX_SIDE_PIXELS:
        return f"wider than {MAX_SIDE_PIXELS} pixels"
    if image.height > MAX_SIDE_PIXELS:
        return f"higher than {MAX_SIDE_PIXELS} pixels"
    return ""


def _data_obstacle(image: JpegImage) -> str:
    return "" if len(image.scan) < MAX_FRAME_BYTES else "more than 16 MiB of data"


def _quantization_obstacle(image: JpegImage) -> str:
    used = [narrowed(table) for table in image.header.component_tables]
    if not all(used):
        return "no quantization tables"
    if any(len(table) != 64 for table in used):
        return "16-bit quantization tables"
    return "" if used[1] == used[2] else "different quantization tables for Cb and Cr"


def _huffman_obstacle(image: JpegImage) -> str:
    own = image.header.huffman
    for place, part in enumerate(image.header.scan_components):
        wanted = min(place, 1)
        for name in ((0, part.dc_table), (1, part.ac_table)):
            table = own.get(name) or STANDARD_HUFFMAN.get(name)
            if table != STANDARD_HUFFMAN[name[0], wanted]:
                return "its own Huffman tables"
    return ""


_OBSTACLES: tuple[Callable[[JpegImage], str], ...] = (
    _coding_obstacle,
    _colour_obstacle,
    _sampling_obstacle,
    _scan_obstacle,
    _data_obstacle,
    _quantization_obstacle,
    _huffman_obstacle,
)
