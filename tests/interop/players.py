"""Players that we did not write, told to show a stream or a file as raw pictures.

Each runs as a process of its own, in an empty folder, for a limited time.
"""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

# A hiccup of a busy machine is no failure; a player that hangs is one.
PATIENCE_S = 60.0
# How often a player may play that a signal ended.
TRIES = 3
PICTURES = "pictures.rgb"
PLANES = "pictures.raw"
_LAST_WORDS = 1000
_SHOW = str(Path(__file__).with_name("show.py"))


@dataclass(frozen=True, slots=True)
class Player:
    """A program or library that plays RTSP.

    Attributes:
        name: What people call it.
        needs: The programs, or Python modules, that must be there.
        stream: The command that plays a URL over a transport ("udp" or "tcp") from a time in
            seconds on; None in place of the time is from the start.
        file: The command that shows a file of concatenated JPEGs.
    """

    name: str
    needs: Sequence[str]
    stream: Callable[[str, str, float | None], list[str]]
    file: Callable[[str], list[str]]

    @property
    def missing(self) -> list[str]:
        """What it needs and this machine has not."""
        return [name for name in self.needs if not (shutil.which(name) or _has_module(name))]


@dataclass(frozen=True, slots=True)
class Show:
    """What a player showed.

    Attributes:
        pictures: RGB, 3 bytes a pixel.
        words: The end of what it said.
    """

    pictures: list[Image.Image]
    words: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a player decoded, before anything was done to its colours.

    Attributes:
        data: Plane behind plane, luma first, picture behind picture.
        words: The end of what it said.
    """

    data: bytes
    words: str

    def lumas(self, size: tuple[int, int], count: int) -> list[Image.Image]:
        """The planes of luma, if there are so many pictures of this width and height."""
        step, length = len(self.data) // count, size[0] * size[1]
        starts = range(0, step * count, step or 1)
        if len(self.data) % count or step < length:
            raise ValueError(f"{len(self.data)} bytes are not {count} pictures: {self.words}")
        return [Image.frombytes("L", size, self.data[at : at + length]) for at in starts]


def play(command: list[str], folder: Path, size: tuple[int, int]) -> Show:
    """Run a player to its end.

    Args:
        command: As a `Player` gives it.
        folder: An empty folder for the pictures.
        size: Width and height of the pictures; the width is a multiple of 4, where rows of RGB
            have no padding in any player.
    """
    words = _run(command, folder)
    return Show(_pictures(folder, size), words)


def decode(command: list[str], folder: Path) -> Decoded:
    """Run a player that keeps what it decodes in an empty folder to its end."""
    words = _run(command, folder)
    raw = folder / PLANES
    return Decoded(raw.read_bytes() if raw.exists() else b"", words)


def _run(command: list[str], folder: Path) -> str:
    """Let a player play; once more where it was itself that broke, and its last words.

    GStreamer 1.22 ends by SIGSEGV now and then when it has shown all, or before it shows anything.
    What breaks a player each time is found all the same.
    """
    words, status = _played(command, folder)
    for _ in range(TRIES - 1):
        if status >= 0:
            break
        shutil.rmtree(folder)
        words, status = _played(command, folder)
    return words


def _played(command: list[str], folder: Path) -> tuple[str, int]:
    """A player's last words, and its exit status: below 0 where a signal ended it."""
    folder.mkdir(parents=True)
    status = 0
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE_S,
            check=False,  # GStreamer calls its own hurry at the end an error: pictures decide.
        )
        said, status = done.stdout, done.returncode
    except subprocess.TimeoutExpired as fault:
        said = (fault.stdout or b"") + b"\nit did not come to an end"
    return said[-_LAST_WORDS:].decode(errors="replace"), status


def _pictures(folder: Path, size: tuple[int, int]) -> list[Image.Image]:
    raw = folder / PICTURES
    if not raw.exists():
        return [Image.open(path).convert("RGB") for path in sorted(folder.glob("*.png"))]
    data, length = raw.read_bytes(), 3 * size[0] * size[1]
    return [
        Image.frombytes("RGB", size, data[at : at + length])
        for at in range(0, len(data) - length + 1, length)
    ]


def _has_module(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


# --- FFmpeg -------------------------------------------------------------------------------------


_FFMPEG_RGB = ("-pix_fmt", "rgb24", "-f", "rawvideo", PICTURES)
_FFMPEG_PLANES = ("-f", "rawvideo", PLANES)


def _ffmpeg(source: Sequence[str], output: Sequence[str]) -> list[str]:
    quiet = ["ffmpeg", "-nostdin", "-loglevel", "warning"]
    return [*quiet, *source, "-fps_mode", "passthrough", *output]


def _ffmpeg_url(url: str, transport: str, start_s: float | None) -> list[str]:
    seek = [] if start_s is None else ["-ss", str(start_s)]
    return ["-rtsp_transport", transport, *seek, "-i", url]


def _ffmpeg_stream(url: str, transport: str, start_s: float | None) -> list[str]:
    return _ffmpeg(_ffmpeg_url(url, transport, start_s), _FFMPEG_RGB)


def _ffmpeg_file(path: str) -> list[str]:
    return _ffmpeg(["-f", "mjpeg", "-i", path], _FFMPEG_RGB)


def _ffmpeg_planes(url: str, transport: str, start_s: float | None) -> list[str]:
    return _ffmpeg(_ffmpeg_url(url, transport, start_s), _FFMPEG_PLANES)


def _ffmpeg_avi_planes(path: str) -> list[str]:
    return _ffmpeg(["-i", path], _FFMPEG_PLANES)


# --- GStreamer ----------------------------------------------------------------------------------


_GSTREAMER_RGB = (
    *("videoconvert", "!", "video/x-raw,format=RGB", "!"),
    *("filesink", f"location={PICTURES}"),
)
_GSTREAMER_PNG = ("videoconvert", "!", "pngenc", "!", "multifilesink", "location=%05d.png")
_GSTREAMER_PLANES = ("filesink", f"location={PLANES}")


def _gstreamer(source: Sequence[str], output: Sequence[str]) -> list[str]:
    return ["gst-launch-1.0", "-q", "--no-fault", *source, "!", "jpegdec", "!", *output]


def _gstreamer_url(url: str, transport: str, start_s: float | None) -> list[str]:
    if start_s is not None:
        raise ValueError("gst-launch-1.0 has no way to seek")
    rtspsrc = ["rtspsrc", f"location={url}", f"protocols={transport}", "latency=200"]
    return [*rtspsrc, "!", "rtpjpegdepay"]


def _gstreamer_stream(url: str, transport: str, start_s: float | None) -> list[str]:
    return _gstreamer(_gstreamer_url(url, transport, start_s), _GSTREAMER_RGB)


def _gstreamer_file(path: str) -> list[str]:
    return _gstreamer(["filesrc", f"location={path}"], _GSTREAMER_RGB)


def _gstreamer_planes(url: str, transport: str, start_s: float | None) -> list[str]:
    return _gstreamer(_gstreamer_url(url, transport, start_s), _GSTREAMER_PLANES)


def _gstreamer_avi_planes(path: str) -> list[str]:
    return _gstreamer(["filesrc", f"location={path}", "!", "avidemux"], _GSTREAMER_PLANES)


def _gstreamer_sizes(url: str, transport: str, start_s: float | None) -> list[str]:
    return _gstreamer(_gstreamer_url(url, transport, start_s), _GSTREAMER_PNG)


# --- mpv ----------------------------------------------------------------------------------------


def _mpv(*source: str) -> list[str]:
    quiet = ["mpv", "--no-config", "--no-audio", "--msg-level=all=warn", "--untimed"]
    return [*quiet, "--vo=image", "--vo-image-format=png", "--vo-image-png-compression=1", *source]


def _mpv_stream(url: str, transport: str, start_s: float | None) -> list[str]:
    seek = [] if start_s is None else [f"--start={start_s}"]
    return _mpv(f"--rtsp-transport={transport}", *seek, url)


def _mpv_file(path: str) -> list[str]:
    return _mpv("--demuxer-lavf-format=mjpeg", path)


# --- Libraries ----------------------------------------------------------------------------------


def _library_stream(name: str) -> Callable[[str, str, float | None], list[str]]:
    return lambda url, transport, start_s: [
        *(sys.executable, _SHOW, name, PICTURES, url, transport),
        *([] if start_s is None else [str(start_s)]),
    ]


def _library_file(name: str) -> Callable[[str], list[str]]:
    return lambda path: [sys.executable, _SHOW, name, PICTURES, path]


FFMPEG = Player("ffmpeg", ["ffmpeg"], _ffmpeg_stream, _ffmpeg_file)
GSTREAMER = Player("GStreamer", ["gst-launch-1.0"], _gstreamer_stream, _gstreamer_file)
# The same, told to keep what they decode as it is, of streams and of AVIs.
FFMPEG_PLANES = replace(FFMPEG, stream=_ffmpeg_planes, file=_ffmpeg_avi_planes)
GSTREAMER_PLANES = replace(GSTREAMER, stream=_gstreamer_planes, file=_gstreamer_avi_planes)
# Told to keep each picture in a file of its own, whatever its size.
GSTREAMER_SIZES = replace(GSTREAMER, stream=_gstreamer_sizes)
MPV = Player("mpv", ["mpv"], _mpv_stream, _mpv_file)
PYAV = Player("PyAV", ["av"], _library_stream("av"), _library_file("av"))
OPENCV = Player("OpenCV", ["cv2"], _library_stream("cv2"), _library_file("cv2"))
