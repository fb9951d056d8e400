"""Films that are no MJPEG, and what reads them, within the process of a test."""

import os
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.sources.decoder_frames import VideoDecoder
from mjpegd.sources.decoder_messages import DecoderLimits, Order, Task
from mjpegd.test.pictures import number_of
from mjpegd.test.videos import H264, video

ELEMENTARY = video(40, "h264" if H264 == "libx264" else "m4v")
# No more is kept than the frame that was asked for.
NO_CACHE = DecoderLimits(cached_bytes=1)
LARGE = 2040


class DecoderCase(SynchronousTestCase):
    """What tests of a decoder need."""

    def descriptor(self, film: bytes) -> int:
        """A file of this test."""
        path = Path(self.mktemp())
        path.write_bytes(film)
        descriptor = os.open(path, os.O_RDONLY)
        self.addCleanup(os.close, descriptor)
        return descriptor

    def decoder(
        self, film: bytes, container: str = "mov", limits: DecoderLimits | None = None
    ) -> VideoDecoder:
        return VideoDecoder(self.descriptor(film), Task(container, limits or DecoderLimits()))

    def times(self, decoder: VideoDecoder) -> list[float]:
        """The times of all frames."""
        seconds: list[float] = []
        while not decoder.index.complete:
            seconds += decoder.index.next_batch(1.0).seconds
        return seconds

    def picture(
        self, decoder: VideoDecoder, number: int, width: int = LARGE, height: int = LARGE
    ) -> Image.Image:
        jpeg = decoder.picture(Order(number, width, height, 90))
        return Image.open(BytesIO(jpeg))

    def shown(self, decoder: VideoDecoder, asked: Sequence[int]) -> list[int]:
        """The numbers that the frames show which are asked for."""
        return [number_of(self.picture(decoder, number)) for number in asked]
