"""What the players are shown: every container, and every kind of JPEG that needs no rewriting."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO

from PIL import Image, ImageChops

from mjpegd.test import films
from mjpegd.test.pictures import DHT, image, picture, with_segment, without

FRAMES = 12
SIZE = (64, 48)
LARGE = (640, 480)
_APP1 = 0xE1


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip and what is in it.

    Attributes:
        files: What the media folder needs to hold, by path.
        path: The path in the clip's URL.
        frames: The pictures as ordinary JPEGs, each whole, for players to decode by themselves.
        size: Width and height.
    """

    files: Mapping[str, bytes]
    path: str
    frames: Sequence[bytes]
    size: tuple[int, int] = SIZE


@cache
def containers() -> tuple[Clip, ...]:
    """The same pictures in every container."""
    frames = [picture(number, SIZE) for number in range(FRAMES)]
    times_ms = [40 * number + number % 3 for number in range(FRAMES)]
    thirds = [frames[:4], frames[4:8], frames[8:]]
    written = {
        "laboratory.Mjpeg": films.laboratory(frames),
        "concatenated.mjpeg": b"".join(frames),
        "multipart.mjpeg": films.multipart(frames),
        "indexed.avi": films.avi(frames),
        "sound, no index.avi": films.avi(frames, sound=b"\0" * 100, idx1_base=None),
        "large.avi": films.opendml_avi(thirds),
        "film.mov": films.quicktime(frames),
        "fragmented.mp4": films.fragmented(thirds),
        "film.mkv": films.matroska(frames, times_ms),
    }
    folder = {f"folder/{number}.jpg": frame for number, frame in enumerate(frames)}
    clips = [Clip({path: data}, path, frames) for path, data in written.items()]
    return (*clips, Clip(folder, "folder", frames))


@cache
def jpegs() -> tuple[Clip, ...]:
    """Every kind of JPEG in the plainest container."""
    numbers = range(FRAMES)
    plain = [picture(number, SIZE) for number in numbers]
    thumbnail = b"Exif\0\0" + picture(0xFFF, (32, 32))
    wide = [picture(number, SIZE, subsampling="4:2:2") for number in numbers]
    return (
        _concatenated("422", wide),
        _concatenated("restarts", [picture(n, SIZE, restart_marker_blocks=3) for n in numbers]),
        _concatenated("qualities", [picture(n, SIZE, quality=5 + 8 * n) for n in numbers]),
        _concatenated("thumbnails", plain, [with_segment(f, _APP1, thumbnail) for f in plain]),
        _concatenated("no tables of codes", wide, [without(frame, DHT) for frame in wide]),
        _concatenated("no ends", plain, [frame[:-2] for frame in plain]),
        _concatenated("packets", [_noisy(number) for number in numbers], size=LARGE),
    )


def _concatenated(
    name: str,
    frames: Sequence[bytes],
    written: Sequence[bytes] = (),
    size: tuple[int, int] = SIZE,
) -> Clip:
    return Clip({name: b"".join(written or frames)}, name, frames, size)


def _noisy(number: int) -> bytes:
    """A picture of some 100 kB, hence 70 packets."""
    noise = Image.effect_noise(LARGE, 60).convert("RGB")
    noisy = ImageChops.add(image(number, LARGE), noise, scale=1, offset=-128)
    file = BytesIO()
    noisy.save(file, "JPEG", quality=90)
    return file.getvalue()
