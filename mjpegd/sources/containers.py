"""What kind of film a file is: by its first bytes, never by its name."""

from collections.abc import Callable

from mjpegd.errors import MediaError
from mjpegd.sources import avi, laboratory, matroska, multipart, quicktime, rawjpeg
from mjpegd.sources.indexing import Index
from mjpegd.sources.reading import BLOCK_BYTES, ByteReader

# What some files begin with that may hold a JPEG, but are no films of JPEGs; and some that
# are films, to say so.
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
    b"OggS": "Ogg",
    b"FLV\x01": "Flash video",
    b"\x30\x26\xb2\x75": "Windows Media",
    b"\0\0\x01\xba": "MPEG program stream",
    b"\0\0\0\x01": "elementary H.264 or H.265 stream",
    b"\x7fELF": "program",
    b"\x1f\x8b": "gzip archive",
}
_TS_PACKET_BYTES = 188
_TS_SYNC = b"G"
# The start of a JPEG and of the marker that has to follow.
_JPEG_START = b"\xff\xd8\xff"


def index(reader: ByteReader) -> Index:
    """Recognise a file and read the header of its container.

    Raises:
        MediaError: It holds no film of JPEGs; the text says what it is, where that is known.
    """
    head = reader.read_at(0, BLOCK_BYTES)
    for recognises, index_of in _CONTAINERS:
        if recognises(head):
            return index_of(reader)
    raise MediaError(_what_else(head))


def _is_concatenated(head: bytes) -> bool:
    """Whether JPEGs follow; a recording may have begun in the middle of one."""
    return _JPEG_START in head and not _known_otherwise(head)


def _known_otherwise(head: bytes) -> str:
    if head[:1] == _TS_SYNC == head[_TS_PACKET_BYTES : _TS_PACKET_BYTES + 1]:
        return "MPEG transport stream"
    return next((name for magic, name in _NOT_SERVED.items() if head.startswith(magic)), "")


def _what_else(head: bytes) -> str:
    if not head:
        return "empty file"
    what = _known_otherwise(head)
    return f"{what}; only MJPEG is served" if what else "no JPEG near its beginning"


_CONTAINERS: tuple[tuple[Callable[[bytes], bool], Callable[[ByteReader], Index]], ...] = (
    (laboratory.is_laboratory, laboratory.index),
    (avi.is_avi, avi.index),
    (matroska.is_matroska, matroska.index),
    (quicktime.is_quicktime, quicktime.index),
    (multipart.is_multipart, multipart.index),
    (_is_concatenated, rawjpeg.index),
)
