"""What kind of film a file is: by its first bytes, never by its name."""

import re
from collections.abc import Callable

from mjpegd.errors import MediaError
from mjpegd.sources import avi, laboratory, matroska, multipart, quicktime, rawjpeg
from mjpegd.sources.indexing import Index, OtherVideoError
from mjpegd.sources.reading import BLOCK_BYTES, ByteReader

# What some files begin with that may hold a JPEG, but are no films.
_NOT_SERVED = {
    b"%PDF": "PDF document",
    b"PK\x03\x04": "ZIP archive or office document",
    b"\xd0\xcf\x11\xe0": "office document or a cache of thumbnails",
    b"\x89PNG": "PNG picture",
    b"GIF8": "GIF picture",
    b"II*\0": "TIFF or camera raw picture",
    b"MM\0*": "TIFF or camera raw picture",
    b"8BPS": "Photoshop picture",
    b"RIFF": "RIFF file that is not AVI",
    b"ID3": "MP3 sound",
    b"fLaC": "FLAC sound",
    b"\x7fELF": "program",
    b"\x1f\x8b": "gzip archive",
}
# Films of other video: how they begin, what they are called, and what FFmpeg calls them. Never a
# text: playlists, scripts and descriptions of streams lead to other files.
_OTHER_VIDEO = (
    (rb"OggS", "Ogg", "ogg"),
    (rb"FLV\x01", "Flash video", "flv"),
    (rb"\x30\x26\xb2\x75", "Windows Media", "asf"),
    (rb"\0\0\x01\xba", "MPEG program stream", "mpeg"),
    # Packets of 188 bytes; Blu-ray discs and camcorders put 4 bytes before each.
    (rb"(?:G.{187}){2}(?:G|\Z)|(?:.{4}G.{187}){2}(?:.{4}G|\Z)", "MPEG transport stream", "mpegts"),
    # The first unit is a delimiter, parameters or information (H.264 and H.265, annex B).
    (rb"\0?\0\0\x01[\x06\x09\x27\x47\x67]", "elementary H.264 stream", "h264"),
    (rb"\0?\0\0\x01[\x40\x42\x44\x46\x4e]", "elementary H.265 stream", "hevc"),
)
# The start of a JPEG and of the marker that has to follow.
_JPEG_START = b"\xff\xd8\xff"


def index(reader: ByteReader) -> Index:
    """Recognise a file and read the header of its container.

    Raises:
        OtherVideoError: It is a film, but not of JPEGs.
        MediaError: It is none; the text says what it is, where that is known.
    """
    head = reader.read_at(0, BLOCK_BYTES)
    for recognises, index_of in _CONTAINERS:
        if recognises(head):
            return index_of(reader)
    raise _refusal(head)


def _is_concatenated(head: bytes) -> bool:
    """Whether JPEGs follow; a recording may have begun in the middle of one."""
    return _JPEG_START in head and _known_otherwise(head) is None


def _known_otherwise(head: bytes) -> MediaError | None:
    for beginning, kind, name in _OTHER_VIDEO:
        if re.match(beginning, head, re.DOTALL):
            return OtherVideoError(kind, kind, name)
    for magic, kind in _NOT_SERVED.items():
        if head.startswith(magic):
            return MediaError(f"{kind}; no film that is served")
    return None


def _refusal(head: bytes) -> MediaError:
    if not head:
        return MediaError("empty file")
    return _known_otherwise(head) or MediaError(
        "no container that is known, and no JPEG near its beginning"
    )


_CONTAINERS: tuple[tuple[Callable[[bytes], bool], Callable[[ByteReader], Index]], ...] = (
    (laboratory.is_laboratory, laboratory.index),
    (avi.is_avi, avi.index),
    (matroska.is_matroska, matroska.index),
    (quicktime.is_quicktime, quicktime.index),
    (multipart.is_multipart, multipart.index),
    (_is_concatenated, rawjpeg.index),
)
