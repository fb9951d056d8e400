"""JPEGs that are built in unusual ways, and what only looks like one."""

from hypothesis import strategies as st

from mjpegd.test.pictures import (
    APP1,
    COM,
    DHT,
    DNL,
    DQT,
    DRI,
    SOF0,
    picture,
    segment,
    segments,
    with_segment,
    without,
)
from mjpegd.wire.jpeg_segments import EOI, MAX_SEGMENTS, SOI

APP0 = 0xE0
ADOBE_YCBCR = b"Adobe\x00\x64\x00\x00\x00\x00\x01"
THUMBNAIL = picture(99, size=(32, 32))
RESTARTS = picture(8, restart_marker_blocks=2)


def filled(jpeg: bytes, count: int = 3) -> bytes:
    """A JPEG with fill bytes before each of its markers, also those within its data."""
    first, *header, scan, last = segments(jpeg)
    fill = b"\xff" * count
    for code in range(0xD0, 0xD8):
        scan = scan.replace(b"\xff%c" % code, fill + b"\xff%c" % code)
    return b"".join((first, *(fill + part for part in header), scan, fill, last))


def without_eoi(jpeg: bytes) -> bytes:
    return jpeg.removesuffix(EOI)


def one_line_behind(jpeg: bytes) -> bytes:
    """A JPEG whose height is told by DNL behind its scan."""
    first, *header, scan, last = segments(jpeg)
    header = [part[:5] + b"\x00\x00" + part[7:] if part[1] == SOF0 else part for part in header]
    return b"".join((first, *header, scan, segment(DNL, b"\x00\x30"), last))


def in_three_scans(jpeg: bytes) -> bytes:
    """A JPEG whose scan occurs three times, with tables in between."""
    first, *header, scan, last = segments(jpeg)
    return b"".join(
        (first, *header, scan, segment(COM, EOI), header[-1], scan, header[-1], scan, last)
    )


def many_segments(jpeg: bytes, place: int) -> bytes:
    """A JPEG with more segments than any encoder writes: in its header, or (-1) at its end."""
    parts = segments(jpeg)
    return b"".join((*parts[:place], segment(COM) * MAX_SEGMENTS, *parts[place:]))


# Frames that are found from SOI to their last byte.
FRAMES = {
    "plain": picture(1),
    "restart markers": RESTARTS,
    "fill bytes": filled(RESTARTS),
    "thumbnail": with_segment(picture(2), APP1, b"Exif\x00\x00" + THUMBNAIL),
    "markers in a comment": with_segment(picture(3), COM, EOI + SOI + b"\xff\xda\xff\xdb" + EOI),
    "no Huffman tables": without(picture(4), DHT),
    "no application segment": without(picture(4), APP0),
    "progressive": picture(5, progressive=True),
    "several scans": in_three_scans(picture(5)),
    "lines told at the end": one_line_behind(picture(6)),
    "no pixels": picture(7).replace(b"\x08\x00\x30\x00\x40\x03", b"\x08\x00\x00\x00\x00\x03"),
    "too many pixels": picture(7).replace(b"\x08\x00\x30\x00\x40\x03", b"\x08\xff\xff\xff\xff\x03"),
    "grey": picture(7, mode="L"),
    "restart marker where none is due": without(RESTARTS, DRI),
    "damaged data": without_eoi(picture(8)) + b"\xff\xe5\x00\x01\xff\x02\x00" + EOI,
}

# The segments with tables of a picture.
TABLES = b"".join(part for part in segments(picture(1)) if part[1] in {DQT, DHT})

# What is no frame, and hides none behind it.
GARBAGE = {
    "nothing": b"",
    "text": b"\r\n--boundary\r\nContent-Length: 5\r\n\r\n",
    "zeros": bytes(100),
    "ones": b"\xff" * 100,
    "half a SOI": b"\xff",
    "SOI": SOI,
    "EOI": EOI,
    "SOI before no marker": SOI + SOI + b"12",
    "only tables": SOI + TABLES + EOI,
    "no frame header": without(picture(1), SOF0),
    "cut off in a segment": SOI + segment(APP1, bytes(60_000))[:100],
    "cut off before its data": without_eoi(picture(1, size=(32, 32)).partition(b"\xff\xda")[0]),
    "segment too short": SOI + b"\xff\xdb\x00\x01",
    "scan header too short": b"".join(segments(picture(1))[:-3]) + b"\xff\xda\x00\x00data",
    "reserved marker": SOI + b"\xff\x02\x00\x02",
    "restart marker in the header": SOI + b"\xff\xd0\x00\x02",
    "stuffing in the header": SOI + b"\xff\x00\x00\x02",
}


@st.composite
def hostile(draw: st.DrawFn) -> bytes:
    """Anything, whether it begins like a JPEG or not, and frames that are damaged."""
    if draw(st.booleans()):
        return draw(st.sampled_from((b"", SOI + b"\xff"))) + draw(st.binary())
    jpeg = draw(st.sampled_from(list(FRAMES.values())))
    damaged = bytearray(jpeg[: draw(st.integers(2, len(jpeg)))])
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(2, len(damaged)))
        damaged[at : at + 1] = draw(st.binary(max_size=3))
    return bytes(damaged)
