"""What of a JPEG's headers is made good on the way, since RTP tells it in another way."""

from collections.abc import Sequence

from mjpegd.wire.jpeg_frame import narrowed
from mjpegd.wire.jpeg_image import JpegImage, adobe_transform
from mjpegd.wire.jpeg_segments import EOI, SOI, Code, Segment, end_of, header_segments


def repairs(data: bytes) -> tuple[str, ...]:
    """What of one JPEG's headers no viewer gets as it is, since RTP tells it in another way.

    Nothing of it changes the picture: what RTP has no room for is left out, what is missing
    follows from T.81 annex K.

    Returns:
        Short phrases such as "no Huffman tables"; none for a plain file.

    Raises:
        BrokenJpegError: As `JpegImage.parse`.
    """
    header = JpegImage.parse(data).header
    segments = tuple(header_segments(data))
    used = {part.table for part in header.components}
    tables = header.component_tables
    end = end_of(data, segments)
    found = {
        "one quantization table for all components": len(tables) == 3 and len(used) == 1,
        "16-bit quantization tables": any(narrowed(table) != table for table in tables),
        "no Huffman tables": not header.huffman,
        "application segments": any(map(_is_left_out, segments)),
        "comments": any(segment.code == Code.COM for segment in segments),
        "fill bytes": _has_fill_bytes(segments),
        "no end": data[end : end + len(EOI)] != EOI,
        "bytes behind the end": end + len(EOI) < len(data),
    }
    return tuple(phrase for phrase, is_found in found.items() if is_found)


def _is_left_out(segment: Segment) -> bool:
    """Whether an application segment tells more than every JPEG that RTP carries has."""
    is_jfif = segment.code == Code.APP0 and segment.body[:4] in {b"JFIF", b"AVI1"}
    is_ycbcr = segment.code == Code.APP14 and adobe_transform((segment,)) == 1
    return Code.APP0 <= segment.code <= Code.APP15 and not (is_jfif or is_ycbcr)


def _has_fill_bytes(segments: Sequence[Segment]) -> bool:
    # Marker and length are four bytes.
    sizes = sum(4 + len(segment.body) for segment in segments)
    return len(SOI) + sizes < segments[-1].end
