"""What every container tells about a film: where its frames lie, and when they are shown."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from mjpegd.errors import MediaError
from mjpegd.wire.jpeg_segments import MAX_FRAME_BYTES

# The largest index kept in memory, some 120 MB: four days at 30 frames per second.
MAX_FRAMES = 10_000_000
# SOI, EOI and something in between; less cannot be a picture.
MIN_FRAME_BYTES = 5
# How long one batch keeps a thread, so that films share the pool and a film can be closed.
BATCH_S = 0.05
# How many frames of one batch the reactor's thread takes in at once.
BATCH_FRAMES = 4096
# Headers, table rows or pieces of a file in a row that bring no frame; more is a file made to
# keep the indexer busy, or one that has ended.
MAX_IDLE_STEPS = 20_000
# What a rate in a header may be; beyond it the header is broken.
SLOWEST_RATE = Fraction(1, 3600)
FASTEST_RATE = Fraction(1000)

# Names of codecs in AVI, QuickTime and MP4 (four characters, in upper case).
MJPEG_CODES = frozenset(
    {"MJPG", "JPEG", "MJPA", "AVDJ", "DMB1", "AVRN", "IJPG", "ACDV", "SLMJ", "CJPG"}
)
_OTHER_CODES = {
    "AVC1": "H.264",
    "AVC3": "H.264",
    "H264": "H.264",
    "X264": "H.264",
    "HEV1": "H.265",
    "HVC1": "H.265",
    "HEVC": "H.265",
    "H265": "H.265",
    "AV01": "AV1",
    "VP08": "VP8",
    "VP09": "VP9",
    "VP80": "VP8",
    "VP90": "VP9",
    "MP4V": "MPEG-4",
    "FMP4": "MPEG-4",
    "XVID": "MPEG-4",
    "DIVX": "MPEG-4",
    "DX50": "MPEG-4",
    "DVSD": "DV",
    "MJPB": "Motion JPEG format B",
    "APCH": "ProRes",
    "APCN": "ProRes",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one frame lies.

    Attributes:
        offset: Of its first byte, from the start of the file.
        size: In bytes.
        seconds: Its time as the file tells it, on any clock; None where it does not.
        has_tables: At least one quantization table lies in it; otherwise it needs those of
            a frame before.
    """

    offset: int
    size: int
    seconds: float | None = None
    has_tables: bool = True


# What an indexer finds in one step: a few reads' worth of entries, perhaps none.
Step = list[Entry]


@dataclass(frozen=True, slots=True)
class Index:
    """What a container's header says, and the way to its frames.

    Attributes:
        kind: The container, for people.
        rate: Frames per second as the header has it, None where it does not say.
        steps: The frames in order. Sizes and offsets are what the file claims.
    """

    kind: str
    rate: Fraction | None
    steps: Iterator[Step]


class Batches:
    """Walks an index in batches that are short enough for a shared thread.

    Attributes:
        done: No more frames will come.
        dropped: Entries left out, because they do not lie within the file or are no pictures.
    """

    def __init__(self, steps: Iterator[Step], size: int) -> None:
        """Take the steps of an index, and the size of its file in bytes."""
        self.done = False
        self.dropped = 0
        self._steps = steps
        self._size = size
        self._room = MAX_FRAMES
        self._idle = 0

    def next_batch(self) -> Step:
        """The next frames, perhaps none of them.

        Raises:
            MediaError: The disk fails.
        """
        batch: Step = []
        # The system's clock, for it is a real thread that must not be kept.
        deadline = time.monotonic() + BATCH_S
        for step in self._steps:
            batch += self._take(step)
            if not self._room or self._idle > MAX_IDLE_STEPS:
                break
            if len(batch) >= BATCH_FRAMES or time.monotonic() >= deadline:
                return batch
        self.done = True
        return batch

    def _take(self, step: Step) -> Step:
        good = [entry for entry in step if self._is_sound(entry)][: self._room]
        self._room -= len(good)
        self._idle = 0 if good else self._idle + 1
        return good

    def _is_sound(self, entry: Entry) -> bool:
        sound = (
            MIN_FRAME_BYTES <= entry.size <= MAX_FRAME_BYTES
            and 0 <= entry.offset <= self._size - entry.size
        )
        self.dropped += not sound
        return sound


def sane_rate(numerator: int, denominator: int) -> Fraction | None:
    """Frames per second from a header, or None where no camera has such a rate."""
    if not denominator:
        return None
    rate = Fraction(numerator, denominator)
    return rate if SLOWEST_RATE <= rate <= FASTEST_RATE else None


def round_rate(gap_s: float) -> Fraction:
    """The rate that somebody meant, from the time of one frame in seconds.

    Times are stored in rounded units; rates are whole numbers, or whole numbers of thousands
    over 1001.
    """
    if gap_s > 1:
        return 1 / Fraction(gap_s).limit_denominator(1001)
    return Fraction(1 / gap_s).limit_denominator(1001)


class OtherVideoError(MediaError):
    """A film that is not MJPEG, so it has to be decoded.

    Attributes:
        what: It is, for people.
        kind: The container, for people.
        format: What FFmpeg calls the container.
    """

    def __init__(self, what: str, kind: str, format: str) -> None:  # noqa: A002 -- its name
        super().__init__(f"{what}; only MJPEG is served")
        self.what = what
        self.kind = kind
        self.format = format


def other_codec(code: str, kind: str, format: str) -> OtherVideoError:  # noqa: A002 -- its name
    """The refusal of a film that is not MJPEG.

    Args:
        code: What its container calls the codec.
        kind: The container, for people.
        format: What FFmpeg calls the container.
    """
    printable = "".join(
        character if character.isascii() and character.isprintable() else "?" for character in code
    )
    name = _OTHER_CODES.get(code.upper(), printable)
    return OtherVideoError(f"{name or 'unknown'} video", kind, format)
