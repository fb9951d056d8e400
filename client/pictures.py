"""Pictures for the screen: decoded in a thread at the size of the window, the newest first."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Protocol, TypeVar

from PIL import Image
from PIL import _imaging as core  # `Image.core`, of which the type checker knows nothing.
from PIL.JpegImagePlugin import JpegImageFile
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from .interfaces import PlacedFrame

_log = Logger()
T = TypeVar("T")

# 8K has 33 million; what claims to be larger is meant to fill the memory.
MAX_PIXELS = 50_000_000
# Where frames were skipped, so many that follow are made in a hurry: some seconds.
HURRIED_FRAMES = 100


class InThread(Protocol):
    """How work that takes long leaves the reactor."""

    def __call__(self, work: Callable[[], T], /) -> "Deferred[T]":
        """Run ``work`` elsewhere; its result, or what it raised, comes back in the reactor."""
        ...


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame that can be shown.

    Attributes:
        frame: What it was made of.
        image: RGB, as large as fits into the window with its proportions kept; lent to whoever
            shows it, for a later picture takes its place in the memory.
    """

    frame: PlacedFrame
    image: Image.Image


class Decoder:
    """Turns frames into pictures, one at a time; of those that wait, only the newest is kept.

    So a machine that is too slow shows fewer frames, never later ones; and before that, it scales
    them more coarsely for a while.

    Args:
        in_thread: Where the work is done.
        size: Width and height in pixels of the window's picture, asked for each frame.
        show: Called with each picture, and done with it when it returns.

    Attributes:
        skipped: Frames that a newer one took the place of.
        broken: Frames that are no picture.
    """

    def __init__(
        self,
        in_thread: InThread,
        size: Callable[[], tuple[int, int]],
        show: Callable[[Picture], None],
    ) -> None:
        self._in_thread = in_thread
        self._size = size
        self._show = show
        self._is_busy = False
        self._is_wanted = False  # what is being decoded
        self._waiting: PlacedFrame | None = None
        self._reader = JpegReader()
        self._spare: Image.Image | None = None  # was shown, and may be filled anew
        self._hurried = 0  # so many frames to come are scaled coarsely
        self.skipped = 0
        self.broken = 0

    def take(self, frame: PlacedFrame) -> None:
        """Show this frame as soon as may be, unless a newer one comes first."""
        if self._is_busy:
            if self._waiting is not None:
                self.skipped += 1
                self._hurried = HURRIED_FRAMES
            self._waiting = frame
        else:
            self._begin(frame)

    def forget(self) -> None:
        """What waits, or is being decoded, is not wanted any more."""
        self._waiting = None
        self._is_wanted = False

    def _begin(self, frame: PlacedFrame) -> None:
        jpeg, size, is_hurried = frame.frame.jpeg, self._size(), self._hurried > 0
        self._hurried = max(0, self._hurried - 1)
        self._is_busy = self._is_wanted = True
        spare, self._spare = self._spare, None
        done = self._in_thread(lambda: self._reader.read(jpeg, size, spare, is_hurried=is_hurried))
        done.addCallbacks(lambda image: self._decoded(Picture(frame, image)), self._failed)
        done.addErrback(lambda failure: _log.failure("a picture was not shown", failure))

    def _decoded(self, picture: Picture) -> None:
        is_wanted = self._is_wanted
        self._next()  # While this one is shown, the next one is decoded.
        if is_wanted:
            self._show(picture)
        self._spare = picture.image

    def _failed(self, failure: Failure) -> None:
        self._next()
        failure.trap(OSError, ValueError)
        self.broken += 1
        if self.broken == 1:
            reason = failure.getErrorMessage()
            _log.warn("frames come that are no pictures, the first: {reason}", reason=reason)

    def _next(self) -> None:
        self._is_busy = False
        frame, self._waiting = self._waiting, None
        if frame is not None:
            self._begin(frame)


def prepare_for_tk() -> None:
    """From now on Pillow makes pictures that Tk takes as they are, in the whole process.

    Tk needs the pixels of a picture in one piece. Else each is copied into one before Tk, too,
    copies it.
    """
    core.set_use_block_allocator(1)


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How a picture was made that was shown as libjpeg gave it.

    Attributes:
        headers: What its JPEG had before the data.
        room: Width and height of the window's picture then.
        size: Width and height of the picture.
        decoder_args: What Pillow's decoder was told.
    """

    headers: bytes
    room: tuple[int, int]
    size: tuple[int, int]
    decoder_args: tuple[object, ...]


class JpegReader:
    """Makes pictures of JPEGs.

    The frames of a film mostly begin with the same headers. Where they do, those are not read
    again, and the picture is made in the memory of one that was shown: new memory would be cleared
    first.
    """

    def __init__(self) -> None:
        self._recipe: _Recipe | None = None

    def read(
        self,
        jpeg: bytes,
        size: tuple[int, int],
        spare: Image.Image | None = None,
        *,
        is_hurried: bool = False,
    ) -> Image.Image:
        """A picture as large as fits into a size, its proportions kept.

        Args:
            jpeg: As a file has it.
            size: Width and height in pixels.
            spare: A picture that was made here, and that nobody needs any more.
            is_hurried: Scale coarsely, in a tenth of the time.

        Raises:
            OSError: It is no picture, or a broken one.
            ValueError: It is no JPEG, a broken one, or too large to be honest.
        """
        recipe = self._recipe
        if (
            recipe is not None
            and spare is not None
            and (recipe.room, recipe.size) == (size, spare.size)
            and jpeg.startswith(recipe.headers)
        ):
            spare.frombytes(jpeg, "jpeg", recipe.decoder_args)
            return spare
        return self._read_anew(jpeg, size, is_hurried=is_hurried)

    def _read_anew(self, jpeg: bytes, size: tuple[int, int], *, is_hurried: bool) -> Image.Image:
        self._recipe = None
        file = BytesIO(jpeg)
        image = _opened(file)
        headers = jpeg[: file.tell()]
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"{image.width} x {image.height} pixels")
        target = fitted(image.size, size)
        # libjpeg leaves out work at 1/2, 1/4 and 1/8 of the size; the rest is scaled afterwards.
        image.draft("RGB", target)
        if image.mode == "RGB" and image.size == target:
            self._recipe = _Recipe(headers, size, target, ("RGB", "", *image.decoderconfig))
        image.load()
        rgb = image if image.mode == "RGB" else image.convert("RGB")
        if rgb.size == target:
            return rgb
        resampling = Image.Resampling.NEAREST if is_hurried else Image.Resampling.BILINEAR
        return rgb.resize(target, resampling)


def _opened(file: BytesIO) -> JpegImageFile:
    # Image.open would load Pillow's readers of all usual formats, which are never needed.
    try:
        return JpegImageFile(file)
    except SyntaxError as fault:  # Pillow's word for another format.
        raise ValueError(str(fault)) from None


def fitted(picture: tuple[int, int], window: tuple[int, int]) -> tuple[int, int]:
    """The largest size with the proportions of a picture that fits into a window.

    Args:
        picture: Width and height, above 0.
        window: Width and height; at least one pixel is left of each side.
    """
    factor = min(window[0] / picture[0], window[1] / picture[1])
    width, height = (max(1, round(side * factor)) for side in picture)
    return width, height
