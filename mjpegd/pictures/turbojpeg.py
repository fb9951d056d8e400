"""libjpeg-turbo's lossless transform: entropy coding anew at the speed of C, where it is installed.

The library is called through ctypes, which gives up the GIL meanwhile. The functions of the old
interface are used, since versions 2 and 3 both have them.
"""

import ctypes
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from ctypes import POINTER, byref, c_char_p, c_int, c_short, c_ulong, c_void_p
from typing import ClassVar, Final, Self

from mjpegd.wire.errors import BrokenJpegError, UnsupportedJpegError
from mjpegd.wire.jpeg_frame import rtp_frame
from mjpegd.wire.jpeg_image import JpegImage
from mjpegd.wire.jpeg_segments import whole
from mjpegd.wire.recode import blank, check_recodable

# Looked for where the system has its libraries; nothing is started to find them.
_NAMES: Final = ("libturbojpeg.so.0", "libturbojpeg.0.dylib", "libturbojpeg.dll")

_NO_COPIES: Final = 64  # TJXOPT_COPYNONE: no APPn, no COM
_NO_OUTPUT: Final = 16  # TJXOPT_NOOUTPUT
_FLAGS: Final = 8192 | 32768  # TJFLAG_STOPONWARNING: damage is an error; TJFLAG_LIMITSCANS
# Both the old coefficients and the new ones are in memory, up to 4 bytes a pixel each.
_MAX_POURED_PIXELS: Final = 6 << 20

# Sampling factors that RFC 2435 knows.
_SHAPES: Final = {((2, 1), (1, 1), (1, 1)), ((2, 2), (1, 1), (1, 1))}

_BLOCK_BYTES: Final = 128  # 64 coefficients
_BLOCK_SIDE: Final = 8


class _Region(ctypes.Structure):
    _fields_: ClassVar = [("x", c_int), ("y", c_int), ("w", c_int), ("h", c_int)]


# coefficients, array region, plane region, component, transform, its structure
_FILTER: Final = ctypes.CFUNCTYPE(c_int, POINTER(c_short), _Region, _Region, c_int, c_int, c_void_p)


class _Transform(ctypes.Structure):
    _fields_: ClassVar = [
        ("region", _Region),
        ("operation", c_int),
        ("options", c_int),
        ("data", c_void_p),
        ("filter", _FILTER),
    ]


# Number of the component, and the coefficients of one row of its blocks: where they are, and
# how many bytes.
_OnRow = Callable[[int, int, int], None]


class TurboJpeg:
    """The library.

    Calls may come from several threads at a time.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        self._transform = library.tjTransform
        self._transform.argtypes = [
            c_void_p,
            c_char_p,
            c_ulong,
            c_int,
            POINTER(c_void_p),
            POINTER(c_ulong),
            POINTER(_Transform),
            c_int,
        ]
        self._init = library.tjInitTransform
        self._init.restype = c_void_p
        self._destroy = library.tjDestroy
        self._destroy.argtypes = [c_void_p]
        self._free = library.tjFree
        self._free.argtypes = [c_void_p]
        self._error = library.tjGetErrorStr2
        self._error.argtypes = [c_void_p]
        self._error.restype = c_char_p

    @classmethod
    def find(cls, names: Iterable[str] = _NAMES) -> Self | None:
        """The library that is installed on this machine; None if there is none that can do it."""
        for name in names:
            with suppress(OSError, AttributeError):
                return cls(ctypes.CDLL(name))
        return None

    def recode(self, jpeg: bytes) -> bytes:
        """Code one JPEG anew as `mjpegd.wire.recode.recode` does, with the same scan.

        Unusual shapes take twice the time: the coefficients are poured into a blank picture of
        the right one.

        Raises:
            BrokenJpegError: The library finds fault with it; the text is libjpeg's. That may be
                no more than a few bytes too many in a scan, or sampling factors that it does not
                know.
            UnsupportedJpegError: As `mjpegd.wire.recode.recode`.
        """
        image = JpegImage.parse(jpeg)
        check_recodable(image)
        jpeg = whole(jpeg)  # The library objects to a missing EOI.
        if image.header.sampling in _SHAPES:
            coded = self._run(jpeg, _NO_COPIES)
        elif image.width * image.height > _MAX_POURED_PIXELS:
            raise UnsupportedJpegError(f"more than {_MAX_POURED_PIXELS} pixels in another order")
        else:
            coded = self.filled(blank(image), self.coefficients(jpeg))
        # The library has no objection to any quantization tables.
        rtp_frame(JpegImage.parse(coded), any_size=True)
        return coded

    def coefficients(self, jpeg: bytes) -> list[list[bytes]]:
        """By component, the rows of blocks with the coefficients of a JPEG.

        Raises:
            BrokenJpegError: It is damaged; the text is libjpeg's.
        """
        found: list[list[bytes]] = []

        def take(component: int, start: int, size: int) -> None:
            if component == len(found):
                found.append([])
            found[component].append(ctypes.string_at(start, size))

        self._run(jpeg, _NO_COPIES | _NO_OUTPUT, take)
        return found

    def filled(self, form: bytes, coefficients: list[list[bytes]]) -> bytes:
        """A JPEG with these coefficients in place of its own, as far as there are any.

        Raises:
            BrokenJpegError: The form is damaged; the text is libjpeg's.
        """
        rows: list[Iterator[bytes]] = [iter(plane) for plane in coefficients]

        def put(component: int, start: int, size: int) -> None:
            row = next(rows[component], b"") if component < len(rows) else b""
            ctypes.memmove(start, row, min(size, len(row)))

        return self._run(form, _NO_COPIES, put)

    def _run(self, jpeg: bytes, options: int, on_row: _OnRow | None = None) -> bytes:
        transform = _Transform(options=options)
        if on_row:
            transform.filter = _FILTER(_row_filter(on_row))
        output, size = c_void_p(), c_ulong()
        handle = self._init()
        try:
            if self._transform(
                handle, jpeg, len(jpeg), 1, byref(output), byref(size), byref(transform), _FLAGS
            ):
                raise BrokenJpegError(self._error(handle).decode("ascii", "replace"))
            return ctypes.string_at(output, size.value) if output.value else b""
        finally:
            self._destroy(handle)
            self._free(output)


def _row_filter(on_row: _OnRow) -> Callable[..., int]:
    def on_region(  # the order is tjtransform.customFilter's
        start: "ctypes._Pointer[c_short]",
        array: _Region,
        plane: _Region,
        component: int,
        transform: int,
        structure: int,
    ) -> int:
        # Rows that only fill the last MCUs come as well.
        if array.y < plane.h:
            address = ctypes.addressof(start.contents)
            on_row(component, address, array.w // _BLOCK_SIDE * _BLOCK_BYTES)
        return 0

    return on_region
