"""Entropy coding anew, without loss: any usual JPEG becomes one that RFC 2435 can carry.

Quantized coefficients stay what they are; only their order and the Huffman codes that tell them
change. Sequential scans go straight from the codes they were written with to those of T.81 annex
K, since both tell the same symbols. Progressive ones are first put together from their passes.
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final

from mjpegd.wire.errors import BrokenJpegError, UnsupportedJpegError
from mjpegd.wire.jpeg_codes import (
    BLANK_BITS,
    BLOCK,
    CHROMA,
    CODES,
    DC_CODES,
    EMPTY,
    END_OF_BLOCK,
    AcLookup,
    ac_lookup,
    dc_lookup,
    with_zeros,
)
from mjpegd.wire.jpeg_frame import JpegFrame, narrowed
from mjpegd.wire.jpeg_image import JpegHeader, JpegImage
from mjpegd.wire.jpeg_passes import Passes, read_pass
from mjpegd.wire.jpeg_payload import to_jpeg
from mjpegd.wire.jpeg_planes import Plane, blocks, planes_of, scan_blocks
from mjpegd.wire.jpeg_scans import DAMAGED, Bits, Scan, intervals, scans

# A little more than 4096 x 2160. Decoders keep up to 4 bytes of coefficients for each.
MAX_PIXELS: Final = 9 << 20

# Encoders write ten or so; hundreds of tiny ones would keep a decoder busy for long.
MAX_SCANS: Final = 50

# About half a second: bytes to read, blocks to look at in each scan, and blocks to write, each of
# which takes longer in progressive pictures. Baseline ones of 1920 x 1080 may have 400 kB.
MAX_WORK: Final = 500_000
_PROGRESSIVE_WORK: Final = 3

_PROGRESSIVE: Final = 2

# How many luma samples there are for one of chroma, across and down, and the RTP/JPEG type.
_TYPES: Final = {(2, 1): 0, (2, 2): 1}

# Longer numbers would make each step of writing slower.
_FLUSH_BITS: Final = 1024


def recode(data: bytes) -> bytes:
    """Code one JPEG anew as a single baseline scan with the Huffman tables of T.81 annex K.

    It may have sequential or progressive Huffman coding of 8 bits in any number of scans, and be
    grey, 4:2:0 or 4:2:2 by any sampling factors of that ratio. Grey becomes 4:2:0 without colour.
    Blocks outside of the picture become flat ones.

    Args:
        data: From SOI on; EOI may be missing, anything may follow.

    Returns:
        A JPEG of the same size in pixels, without restart markers, that RTP can carry unless it
        has more than 2040 pixels in a direction.

    Raises:
        BrokenJpegError: The data are damaged or end too early.
        UnsupportedJpegError: Not without loss, or not by this module, or not in time; the text
            names the obstacle in a few words.
    """
    image = JpegImage.parse(data)
    check_recodable(image)
    try:
        planes = _read(image, data)
        quantization = _quantization(planes)
        target = _with_chroma(planes)
        scan = _write(target)
    except (LookupError, OverflowError, ValueError):
        # Segments that are too short, tables and components that were never told, data that end
        # too early, numbers that no 8-bit samples have.
        raise BrokenJpegError(DAMAGED) from None
    return _jpeg(image, target, quantization, scan)


def blank(image: JpegImage) -> bytes:
    """What `recode` gives for a picture of that shape if it is all grey of middle brightness.

    Raises:
        BrokenJpegError: It has no quantization tables.
        UnsupportedJpegError: As `recode`.
    """
    check_recodable(image)
    planes = planes_of(image)
    for plane, table in zip(planes, image.header.component_tables, strict=True):
        plane.quantization = table
    quantization = _quantization(planes)
    target = _with_chroma(planes)
    # All MCUs are the same.
    first = "".join(BLANK_BITS[p.kind] * (p.across * p.down) for p in target)
    luma = target[0]
    bits = first * (-(-luma.wide // luma.across) * -(-luma.high // luma.down))
    bits += "1" * (-len(bits) % 8)
    scan = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")
    return _jpeg(image, target, quantization, scan)


# --- What can be coded anew ---------------------------------------------------------------------


def check_recodable(image: JpegImage) -> None:
    """Refuse what `recode` cannot do, before anything is allocated by what a header says.

    Raises:
        BrokenJpegError: It has more scans than any encoder writes.
        UnsupportedJpegError: The text names the obstacle in a few words.
    """
    header = image.header
    if header.coding > _PROGRESSIVE:
        raise UnsupportedJpegError(f"coding process {header.coding}")
    if header.precision != 8:
        raise UnsupportedJpegError(f"{header.precision} bits per sample")
    _check_colours(header)
    if image.width * image.height > MAX_PIXELS:
        raise UnsupportedJpegError(f"more than {MAX_PIXELS} pixels")
    if image.scans > MAX_SCANS:
        raise BrokenJpegError("has more scans than any encoder writes")


def _check_colours(header: JpegHeader) -> None:
    if len(header.components) == 1:
        return
    if len(header.components) != 3 or header.is_rgb:
        raise UnsupportedJpegError("colours other than Y, Cb and Cr")
    luma, *chroma = header.sampling
    if any((luma[0] / across, luma[1] / down) not in _TYPES for across, down in chroma):
        raise UnsupportedJpegError("sampling other than 4:2:0 and 4:2:2")
    if chroma[0] != chroma[1]:
        raise UnsupportedJpegError("sampling that differs between Cb and Cr")


def _quantization(planes: Sequence[Plane]) -> bytes:
    """The tables of luma and chroma, 64 bytes each."""
    if not all(plane.quantization for plane in planes):
        raise BrokenJpegError("lacks the data of a colour component")
    tables = [narrowed(plane.quantization) for plane in planes]
    if any(len(table) > BLOCK for table in tables):
        raise UnsupportedJpegError("16-bit quantization tables")
    if len(set(tables[1:])) > 1:
        raise UnsupportedJpegError("different quantization tables for Cb and Cr")
    return tables[0] + tables[-1]


def _with_chroma(planes: list[Plane]) -> list[Plane]:
    """Planes whose MCUs have the shape that RFC 2435 section 4.1 asks for."""
    luma, *chroma = planes
    if chroma:
        luma.across //= chroma[0].across
        luma.down //= chroma[0].down
    else:
        luma.across = luma.down = 2
        chroma = [Plane(1, 1, (luma.wide + 1) // 2, (luma.high + 1) // 2, CHROMA)] * 2
    for plane in chroma:
        plane.across = plane.down = 1
    return [luma, *chroma]


def _jpeg(
    image: JpegImage,
    planes: Sequence[Plane],
    quantization: bytes,
    scan: bytes,
) -> bytes:
    # With the size in pixels; RTP rounds it up, which needs no more blocks.
    kind = _TYPES[planes[0].across, planes[0].down]
    size = image.width, image.height
    return to_jpeg(JpegFrame(kind, *size, 0, quantization, scan))


# --- Sequential scans ---------------------------------------------------------------------------


def _read_sequential(scan: Scan, planes: Sequence[Plane]) -> None:
    if any(plane.quantization for plane in planes):
        raise BrokenJpegError("has a component in two sequential scans")
    tables = [
        (dc_lookup(scan.huffman[0, dc]), ac_lookup(scan.huffman[1, ac], plane.kind))
        for (_, dc, ac), plane in zip(scan.components, planes, strict=True)
    ]
    order = blocks(planes)
    for bits, count in intervals(scan, planes):
        predicted = [0] * len(planes)
        for place, block in islice(order, count):
            dc_table, ac_table = tables[place]
            plane = planes[place]
            predicted[place] += bits.signed(bits.symbol(dc_table))
            coded = _read_ac(bits, ac_table, plane.kind)
            if block >= 0:
                plane.dc[block] = predicted[place]
                plane.ac[block] = coded


def _read_ac(bits: Bits, table: AcLookup, kind: int) -> int:
    """The AC coefficients of a block in the code of annex K (T.81 section F.2.2.2)."""
    coded, at, zeros = 1, 1, 0
    while at < BLOCK:
        bits.fill()
        length, step, size, code, width = table[bits.buffer >> bits.have - 16 & 0xFFFF]
        bits.have -= length
        at += step
        if size:
            if zeros:
                coded, zeros = with_zeros(coded, zeros, kind), 0
            number = bits.buffer >> bits.have & (1 << size) - 1
            coded = coded << width | code | number
        elif step:
            zeros += 1
        else:
            break
    if at > BLOCK:
        raise BrokenJpegError(DAMAGED)
    if at < BLOCK or zeros:
        code, width = CODES[1, kind][END_OF_BLOCK]
        coded = coded << width | code
    return coded


# --- All scans of a picture ---------------------------------------------------------------------


def _read(image: JpegImage, data: bytes) -> list[Plane]:
    planes = planes_of(image)
    components = image.header.components
    places = {part.identifier: place for place, part in enumerate(components)}
    is_progressive = image.header.coding == _PROGRESSIVE
    _check_work(data, planes, places, is_progressive)
    passes = [Passes(plane) for plane in planes] if is_progressive else []
    for scan in scans(data):
        found = [places[identifier] for identifier, _, _ in scan.components]
        if len(set(found)) < len(found):
            raise BrokenJpegError("has a scan that names a component twice")
        if passes:
            read_pass(scan, [passes[place] for place in found])
        else:
            _read_sequential(scan, [planes[place] for place in found])
        for place in found:
            table = scan.quantization[components[place].table]
            planes[place].quantization = planes[place].quantization or table
    for part in passes:
        part.finish()
    return planes


def _check_work(
    data: bytes, planes: Sequence[Plane], places: Mapping[int, int], is_progressive: bool
) -> None:
    """Refuse what would take long, before any of it is done."""
    work = len(data) + sum(scan_blocks([plane]) for plane in planes)
    for scan in scans(data):
        work += scan_blocks([planes[places[identifier]] for identifier, _, _ in scan.components])
    if work * (_PROGRESSIVE_WORK if is_progressive else 1) > MAX_WORK:
        raise UnsupportedJpegError("too large to be coded anew by Python")


# --- The scan for RTP ---------------------------------------------------------------------------


def _write(planes: Sequence[Plane]) -> bytes:
    predicted = [0] * len(planes)
    parts: list[bytes] = []
    buffer, have = 0, 0
    for place, block in blocks(planes):
        plane = planes[place]
        coded, difference = EMPTY[plane.kind], 0
        if block >= 0:
            coded, difference = plane.ac[block], plane.dc[block] - predicted[place]
            predicted[place] = plane.dc[block]
        number, width = DC_CODES[plane.kind][difference]
        rest = coded.bit_length() - 1
        # The leading 1 of `coded` makes good for the 1 that is taken off.
        buffer = ((buffer << width | number) - 1 << rest) + coded
        have += width + rest
        if have >= _FLUSH_BITS:
            parts.append((buffer >> (have & 7)).to_bytes(have >> 3, "big"))
            have &= 7
            buffer &= (1 << have) - 1
    fill = -have & 7
    buffer = (buffer + 1 << fill) - 1
    parts.append(buffer.to_bytes((have + fill) >> 3, "big"))
    return b"".join(parts).replace(b"\xff", b"\xff\x00")
