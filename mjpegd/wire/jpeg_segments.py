"""The JPEG bit stream: markers, segments, and the data between them (ITU-T T.81 annex B).

Segments are walked; nobody searches for FF D9, which thumbnails and comments may contain as well.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from mjpegd.wire.errors import BrokenJpegError

SOI = b"\xff\xd8"
EOI = b"\xff\xd9"

# The fragment offset of RTP/JPEG has 24 bits (RFC 2435 section 3.1.2).
MAX_FRAME_BYTES = 1 << 24

# Colour profiles and metadata may be spread over some hundred.
MAX_SEGMENTS = 1024


class Code:
    """What the byte behind FF makes of a marker (T.81 table B.1)."""

    # Each segment of each frame asks for them, and members of an enum take Python 3.11 six times
    # as long as plain numbers.
    SOF0: Final = 0xC0
    DHT: Final = 0xC4
    RST0: Final = 0xD0
    SOI: Final = 0xD8
    EOI: Final = 0xD9
    SOS: Final = 0xDA
    DQT: Final = 0xDB
    DNL: Final = 0xDC
    DRI: Final = 0xDD
    APP0: Final = 0xE0
    APP14: Final = 0xEE
    APP15: Final = 0xEF
    COM: Final = 0xFE


# SOF0 to SOF15, among which there are DHT, JPG and DAC.
FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {Code.DHT, 0xC8, 0xCC}

# What no data and no segments of the same JPEG follow.
ENDS = frozenset({Code.SOI, Code.EOI})

# A marker; any number of fill bytes may come first (T.81 section B.1.1.2).
MARKER = re.compile(rb"\xff+[^\xff]")

# What can end entropy-coded data: tables, SOS, DNL, APPn, COM, EOI, or SOI of the next frame.
# Other codes there are stuffing, restart markers or damage, which decoders skip.
AFTER_SCAN = re.compile(rb"\xff(?:[\xc4\xcc\xd9-\xef\xfe]|\xd8\xff)")

_TOO_MANY = "has more segments than any encoder writes"


def starts_segment(code: int) -> bool:
    """Whether a length and that many bytes follow this marker."""
    return code >= Code.SOF0 and not Code.RST0 <= code <= Code.EOI


class Segment(NamedTuple):
    """A marker and what belongs to it (T.81 section B.1.1.4)."""

    code: int
    body: bytes  # without the length
    end: int  # offset of what follows


def _segment_at(data: bytes, position: int) -> Segment:
    match = MARKER.match(data, position)
    if match is None:
        raise BrokenJpegError("cut off or damaged in its header")
    body, code = match.end(), data[match.end() - 1]
    if not starts_segment(code):
        raise BrokenJpegError(f"no segment may begin with the marker FF {code:02X}")
    size = int.from_bytes(data[body : body + 2], "big")
    if size < 2 or body + size > len(data):
        raise BrokenJpegError("cut off or damaged in its header")
    return Segment(code, data[body + 2 : body + size], body + size)


def header_segments(data: bytes) -> Iterator[Segment]:
    """The segments from SOI to the first SOS, which is the last one."""
    if not data.startswith(SOI):
        raise BrokenJpegError("does not begin with SOI")
    position = len(SOI)
    for _ in range(MAX_SEGMENTS):
        segment = _segment_at(data, position)
        yield segment
        if segment.code == Code.SOS:
            return
        position = segment.end
    raise BrokenJpegError(_TOO_MANY)


def later_segments(data: bytes, position: int) -> Iterator[Segment]:
    """The segments between scans, as far as they can be read."""
    for _ in range(MAX_SEGMENTS):
        position = after_scan(data, position)
        if position == len(data) or data[position + 1] in ENDS:
            return
        try:
            segment = _segment_at(data, position)
        except BrokenJpegError:
            return
        yield segment
        position = segment.end
    raise BrokenJpegError(_TOO_MANY)


def after_scan(data: bytes, position: int) -> int:
    """Where the entropy-coded data end that begin at a position."""
    match = AFTER_SCAN.search(data, position)
    return match.start() if match else len(data)


def end_of(data: bytes, header: Sequence[Segment]) -> int:
    """Where EOI is or should be, of the JPEG with these segments from SOI to the first SOS."""
    *_, last = header[-1], *later_segments(data, header[-1].end)
    return after_scan(data, last.end)


def whole(data: bytes) -> bytes:
    """One JPEG from SOI to EOI: what follows EOI is cut off, a missing EOI is added.

    Raises:
        BrokenJpegError: The data does not begin with a JPEG that has a scan, or it is larger
            than `MAX_FRAME_BYTES`.
    """
    header = tuple(header_segments(data))
    end = end_of(data, header)
    if end == header[-1].end:
        raise BrokenJpegError("has no picture data")
    if end + len(EOI) > MAX_FRAME_BYTES:
        raise BrokenJpegError("has more than 16 MiB")
    return data[:end] + EOI


def tables(data: bytes) -> bytes:
    """The DQT and DHT segments of a JPEG, to be put behind SOI of one that lacks them.

    Raises:
        BrokenJpegError: The data has no readable header.
    """
    return b"".join(
        marker_segment(segment.code, segment.body)
        for segment in header_segments(data)
        if segment.code in {Code.DQT, Code.DHT}
    )


def marker_segment(code: int, body: bytes) -> bytes:
    """A segment as it is written: marker, length, body of at most 65533 bytes."""
    return b"\xff%c%b%b" % (code, (len(body) + 2).to_bytes(2, "big"), body)
