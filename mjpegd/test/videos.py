"""Small films that are no MJPEG, made with PyAV; their frames show their numbers."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import cache
from io import BytesIO
from typing import Any

import av
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from mjpegd.test.pictures import image

# Builds of FFmpeg without the first have the second.
H264 = "libx264" if "libx264" in av.codecs_available else "mpeg4"
RATE = Fraction(25)
SIZE = (64, 48)
# Ticks of a second: of what is written, before a container rounds it.
_TICKS = 90_000


@cache
def video(
    count: int = 12,
    container: str = "mp4",
    codec: str = H264,
    *,
    size: tuple[int, int] = SIZE,
    gop: int = 12,
    b_frames: int = 2,
    times: tuple[float, ...] = (),
    starts_s: float = 0.0,
    pixel_shape: Fraction | None = None,
    has_sound: bool = False,
    options: tuple[tuple[str, str], ...] = (),
    container_options: tuple[tuple[str, str], ...] = (),
) -> bytes:
    """A film, cut off in no way.

    Args:
        count: Frames; they show 0 and on.
        container: As FFmpeg calls it when it writes.
        codec: As FFmpeg calls it.
        size: Of the pictures.
        gop: From one key frame to the next, in frames.
        b_frames: At most so many in a row.
        times: Of the frames in seconds; at `RATE` if there are none.
        starts_s: The time of the first frame; what is before 0 is cut off by an edit list.
        pixel_shape: Width of a pixel by its height.
        has_sound: A sound track as well.
        options: Of the codec.
        container_options: Of the container.
    """
    pictures = [VideoFrame.from_image(image(number, size)) for number in range(count)]
    return encoded(
        pictures,
        container,
        codec,
        gop=gop,
        b_frames=b_frames,
        times=times or [starts_s + number / RATE for number in range(count)],
        pixel_shape=pixel_shape,
        has_sound=has_sound,
        options=dict(options),
        container_options=dict(container_options),
    )


def encoded(
    pictures: Sequence[VideoFrame],
    container: str,
    codec: str,
    *,
    gop: int = 12,
    b_frames: int = 0,
    times: Iterable[float | Fraction] = (),
    pixel_shape: Fraction | None = None,
    has_sound: bool = False,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> bytes:
    """A film of these pictures (see `video`)."""
    file = BytesIO()
    with av.open(file, "w", format=container, options=container_options or {}) as output:
        stream: Any = output.add_stream(codec, rate=RATE, options=options or {})
        assert isinstance(stream, VideoStream)
        context = stream.codec_context
        stream.width, stream.height = pictures[0].width, pictures[0].height
        stream.pix_fmt = "yuv420p"
        context.gop_size, context.max_b_frames = gop, b_frames
        context.bit_rate = 4_000_000
        context.thread_count = 1
        # MPEG-4 has 16 bits for it.
        context.time_base = Fraction(1, 1000) if times else 1 / RATE
        if pixel_shape:
            context.sample_aspect_ratio = pixel_shape
        sound = _sound(output) if has_sound else None
        moments = list(times) or [number / RATE for number in range(len(pictures))]
        for picture, moment in zip(pictures, moments, strict=True):
            frame = picture.reformat(format="yuv420p")
            frame.pts, frame.time_base = round(float(moment) * _TICKS), Fraction(1, _TICKS)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if sound is not None:
            output.mux(sound.encode(None))
    return file.getvalue()


def _sound(output: Any) -> AudioStream:
    stream = output.add_stream("aac", rate=8000)
    assert isinstance(stream, AudioStream)
    frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
    frame.sample_rate, frame.pts = 8000, 0
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    output.mux(stream.encode(frame))
    return stream


def turned(film: bytes) -> bytes:
    """An MP4 whose pictures are to be shown turned by 90 degrees, clockwise."""
    matrix_at = film.index(b"tkhd") + 4 + 40
    one = (1 << 16).to_bytes(4, "big")
    less_one = (-1 << 16).to_bytes(4, "big", signed=True)
    rows = bytes(4) + one + bytes(4) + less_one + bytes(8)
    return film[:matrix_at] + rows + film[matrix_at + len(rows) :]
