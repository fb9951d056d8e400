"""Make the README's picture: the test card as FFmpeg receives it from a running daemon.

    twistd -n mjpeg-rtsp &
    python docs/make_pictures.py rtsp://localhost:8554/testcard docs/testcard.png

PyAV brings its own FFmpeg; it comes with `pip install '.[test]'`.
"""

import sys

import av
from PIL import Image

# A palette keeps the file below 50 kB, and the card has few colours anyway.
COLOURS = 256


def main(url: str, path: str) -> None:
    """Save the first frame of a stream as a PNG."""
    with av.open(url) as stream:
        frame = next(stream.decode(video=0))
    picture = frame.to_image().quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(path, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
