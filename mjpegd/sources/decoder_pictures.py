"""JPEGs of decoded frames, of any size and colour space."""

from fractions import Fraction
from inspect import getdoc
from io import BytesIO
from typing import Any

from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from PIL import Image

from mjpegd.pictures.forms import in_eights
from mjpegd.sources.decoder_messages import Order

# No JPEG is smaller in RTP players' eyes.
_LEAST_SIDE = 16
# From so many lines on, a film that does not say is taken for high definition (ITU-R BT.709).
_HD_LINES = 720
_UNSPECIFIED_COLOURS = 2
_FULL_RANGE = 2
# From PyAV 17 on, unless it is told otherwise.
_SCALES_IN_THREADS = "threads" in (getdoc(VideoReformatter.reformat) or "")
_ROTATIONS = {
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_270,
}


class Painter:
    """Makes JPEGs of frames: of any size and colour space, baseline 4:2:0 as JFIF has it."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def paint(self, frame: VideoFrame, pixel_shape: Fraction, order: Order) -> bytes:
        """The JPEG of a frame.

        Args:
            frame: What the decoder gave.
            pixel_shape: Width of a pixel by its height; those of the picture are square.
            order: The largest size in pixels, and the quality.
        """
        rotation = getattr(frame, "rotation", 0) % 360  # PyAV 14 does not tell
        is_turned = rotation in {90, 270}
        shown = (frame.width * pixel_shape, Fraction(frame.height))
        width, height = _fitted(shown[::-1] if is_turned else shown, order)
        size = (height, width) if is_turned else (width, height)
        rgb = self._to_rgb(frame, size)
        plane = rgb.planes[0]
        data: Any = memoryview(plane)  # which Pillow takes, and its stubs do not know
        image = Image.frombuffer("RGB", size, data, "raw", "RGB", plane.line_size, 1)
        if rotation in _ROTATIONS:
            image = image.transpose(_ROTATIONS[rotation])
        file = BytesIO()
        image.save(file, "JPEG", quality=order.quality, subsampling="4:2:0")
        return file.getvalue()

    def _to_rgb(self, frame: VideoFrame, size: tuple[int, int]) -> VideoFrame:
        # Named, for PyAV 14 takes nothing else here. Without a target, it passes over the source.
        options: dict[str, Any] = {"dst_colorspace": "ITU601"}  # Any: mypy sees one PyAV only
        if frame.colorspace == _UNSPECIFIED_COLOURS:
            is_hd = frame.height >= _HD_LINES
            options["src_colorspace"] = "ITU709" if is_hd else "ITU601"
        if frame.color_range == _FULL_RANGE:
            options["src_color_range"] = "JPEG"
        if _SCALES_IN_THREADS:
            options["threads"] = 1
        return self._reformatter.reformat(frame, *size, "rgb24", **options)


def _fitted(size: tuple[Fraction, Fraction], order: Order) -> tuple[int, int]:
    """The size of a picture that keeps its proportions and fits into what was asked for.

    What is made smaller is made a multiple of 8 pixels: RTP counts so.
    """
    width, height = size
    scale = min(Fraction(1), order.max_width / width, order.max_height / height)
    if scale == 1:
        return max(_LEAST_SIDE, round(width)), max(_LEAST_SIDE, round(height))
    across = min(in_eights(float(width * scale)), order.max_width)
    down = min(in_eights(float(height * scale)), order.max_height)
    return max(_LEAST_SIDE, across), max(_LEAST_SIDE, down)
