"""What it costs to make a frame one that RTP can carry: `python -m benchmarks.recode`.

Milliseconds of processor time for a frame of 640x480 pixels and about 30 kB, the median of some
rounds: only looking at it, coding it anew by `mjpegd.wire.recode` and by libturbojpeg where it is
installed, without loss, and by Pillow with the frame's own tables, which loses a little.
"""

import argparse
import sys
import time
from collections.abc import Callable
from io import BytesIO
from statistics import median
from typing import Any

from PIL import Image

from mjpegd.pictures.turbojpeg import TurboJpeg
from mjpegd.test.coefficients import FORMS, TYPE_0, Part, parts, written
from mjpegd.wire.jpeg_image import JpegImage
from mjpegd.wire.recode import recode

SIZE = (640, 480)
QUALITY = 80  # gives about 30 kB
ROUNDS = 15

Way = Callable[[bytes], object]


def frame(mode: str = "RGB", **options: Any) -> bytes:  # as Pillow declares them
    """A picture with detail of all sizes, as colourful as a film."""
    extents = ((-2.0, -1.3, 0.6, 1.3), (-1.6, -0.5, -0.9, 0.1), (-0.9, -0.3, 0.3, 0.6))
    shades = [Image.effect_mandelbrot(SIZE, extent, 100) for extent in extents]
    file = BytesIO()
    picture = Image.merge("RGB", shades).convert(mode)
    picture.save(file, "JPEG", quality=QUALITY, optimize=True, **options)
    return file.getvalue()


def tall(library: TurboJpeg, jpeg: bytes) -> bytes:
    """A 4:2:2 picture with sampling factors 2x2, 1x2, 1x2, as FFmpeg writes it."""
    flat = [
        Part(part.across, part.down, [[[0] * 64 for _ in row] for row in part.rows])
        for part in parts(SIZE, FORMS[TYPE_0][0])
    ]
    return library.filled(written(SIZE, flat), library.coefficients(jpeg))


def kept(jpeg: bytes) -> bytes:
    """The picture decoded and encoded again by Pillow."""
    file = BytesIO()
    Image.open(BytesIO(jpeg)).save(file, "JPEG", quality="keep")
    return file.getvalue()


def cost_ms(way: Way, jpeg: bytes) -> float:
    """Processor time for a frame, in milliseconds."""
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        way(jpeg)
        times.append(time.process_time() - start)
    return 1000 * median(times)


def main() -> None:
    """Measure, and print a table."""
    argparse.ArgumentParser("python -m benchmarks.recode", description=__doc__).parse_args()
    library = TurboJpeg.find()
    frames = {
        "4:2:0, own Huffman tables": frame(),
        "4:2:2 as 2x1, 1x1, 1x1": frame(subsampling="4:2:2"),
        "grey": frame("L"),
        "4:2:0, progressive": frame(progressive=True),
    }
    ways: dict[str, Way] = {"parse": JpegImage.parse, "Python": recode, "Pillow": kept}
    if library:
        frames["4:2:2 as 2x2, 1x2, 1x2"] = tall(library, frames["4:2:2 as 2x1, 1x1, 1x1"])
        ways["libturbojpeg"] = library.recode
    _row("ms a frame", "kB", *ways)
    for name, jpeg in frames.items():
        costs = (f"{cost_ms(way, jpeg):.2f}" for way in ways.values())
        _row(name, f"{len(jpeg) / 1000:.1f}", *costs)


def _row(name: str, *cells: str) -> None:
    sys.stdout.write(f"{name:26}" + "".join(f"{cell:>13}" for cell in cells) + "\n")


if __name__ == "__main__":
    main()
