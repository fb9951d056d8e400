"""What the daemon and a decoding process say to each other, and within which limits it works.

Both sides write messages of a header and a body to a pipe. The daemon reads what it is told as
it reads what comes from the network: the process has seen bytes that nobody vouches for.
"""

import json
import struct
import sys
from array import array
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import IntEnum
from fractions import Fraction
from typing import Any

from mjpegd.sources.indexing import BATCH_FRAMES, MAX_FRAMES, sane_rate
from mjpegd.wire.errors import ParseError
from mjpegd.wire.jpeg_segments import MAX_FRAME_BYTES

# A picture is the longest body; what tells frames or says a reason is far shorter.
MAX_BODY_BYTES = MAX_FRAME_BYTES
# Frames told at once keep the reactor's thread; a batch and what is held back of the one before.
MAX_FRAMES_BYTES = 2 * BATCH_FRAMES * 8
# Reasons and names that a process tells.
MAX_TEXT_BYTES = 1000
# What FFmpeg calls a codec.
MAX_NAME_CHARACTERS = 40
# With this status a process ends that may have no more memory.
EXIT_OUT_OF_MEMORY = 3

# Kind, tag, length of the body.
_HEADER = struct.Struct("<BII")
# Frame number; pixels at most, width and height; quality.
_ORDER = struct.Struct("<IHHB")


class Kind(IntEnum):
    """What a message means."""

    RENDER = 1  # to the process: an `Order`
    OPENED = 2  # an `Opening`
    FRAMES = 3  # `Frames` that were found
    PICTURE = 4  # the JPEG that the tag's order asked for
    BROKEN = 5  # there is none for the tag's order; why
    REFUSED = 6  # the film cannot be decoded; why


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        kind: What it means.
        tag: The number of the order that it answers, or gives; 0 for others.
        body: What the kind says.
    """

    kind: Kind
    tag: int = 0
    body: bytes = b""

    def to_bytes(self) -> bytes:
        """Header and body."""
        return _HEADER.pack(self.kind, self.tag, len(self.body)) + self.body

    @property
    def text(self) -> str:
        """The body of a message that says why."""
        return self.body[:MAX_TEXT_BYTES].decode(errors="replace")


class MessageSplitter:
    """Finds the messages in what a pipe brings, in portions of any size."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that are whole by now.

        Raises:
            ParseError: There is one of an unknown kind or an absurd length.
        """
        self._buffer += data
        while len(self._buffer) >= _HEADER.size:
            kind, tag, length = _HEADER.unpack_from(self._buffer)
            if kind not in Kind.__members__.values() or length > MAX_BODY_BYTES:
                raise ParseError(0, "decoder-message", f"kind {kind} of {length} bytes")
            end = _HEADER.size + length
            if len(self._buffer) < end:
                return
            message = Message(Kind(kind), tag, bytes(self._buffer[_HEADER.size : end]))
            del self._buffer[:end]
            yield message


@dataclass(frozen=True, slots=True)
class Order:
    """Which picture is wanted, and how.

    Attributes:
        number: Of the frame, in the order of showing.
        max_width: Pixels at most, the proportions kept.
        max_height: Likewise.
        quality: 1 to 100, as libjpeg counts.
    """

    number: int
    max_width: int
    max_height: int
    quality: int

    @classmethod
    def parse(cls, body: bytes) -> "Order":
        """Read the body of a message."""
        return cls(*_ORDER.unpack(body))

    def to_bytes(self) -> bytes:
        """The body of a message."""
        return _ORDER.pack(self.number, self.max_width, self.max_height, self.quality)


@dataclass(frozen=True, slots=True)
class Opening:
    """What a film is, as far as its header says.

    Attributes:
        codec: Its name, for people.
        rate: Frames per second on average; None where that is not known.
        timed: The file tells when its frames are shown.
    """

    codec: str
    rate: Fraction | None
    timed: bool

    @classmethod
    def parse(cls, body: bytes) -> "Opening":
        """Read the body of a message.

        Raises:
            ParseError: It is none.
        """
        try:
            codec, numerator, denominator, timed = json.loads(body[:MAX_TEXT_BYTES])
            rate = sane_rate(int(numerator), int(denominator))
            return cls(str(codec)[:MAX_NAME_CHARACTERS], rate, bool(timed))
        # The last two: Infinity is a number to this module, and brackets may lie in each other.
        except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise ParseError(0, "opening", str(error)) from error

    def to_bytes(self) -> bytes:
        """The body of a message."""
        rate = self.rate or Fraction(0)
        terms = [rate.numerator, rate.denominator if self.rate else 0]
        return json.dumps([self.codec, *terms, self.timed]).encode()


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames that were found: the next ones, in the order of showing.

    Attributes:
        seconds: When each is shown, on the film's own clock.
        complete: There are no more.
    """

    seconds: "array[float]"
    complete: bool

    @classmethod
    def parse(cls, body: bytes) -> "Frames":
        """Read the body of a message.

        Raises:
            ParseError: It is none.
        """
        seconds = array("d")
        if len(body) % seconds.itemsize != 1 or len(body) > MAX_FRAMES_BYTES:
            raise ParseError(0, "frames", f"{len(body)} bytes")
        seconds.frombytes(body[1:])
        if sys.byteorder == "big":
            seconds.byteswap()
        return cls(seconds, bool(body[0]))

    def to_bytes(self) -> bytes:
        """The body of a message."""
        seconds = self.seconds[:]
        if sys.byteorder == "big":
            seconds.byteswap()
        return bytes([self.complete]) + seconds.tobytes()


@dataclass(frozen=True, slots=True)
class DecoderLimits:
    """What one decoding process may use.

    Attributes:
        memory_bytes: Address space in all, of which Python and FFmpeg take some 150 MiB.
        decode_s: Processor time for one picture, after which it is given up.
        answer_s: How long an answer may take before the process counts as stuck.
        cached_bytes: Decoded frames that are kept, so that a film is played backwards without
            decoding all that lies before each of its frames.
        cursors: Places in a film that are played at the same time.
        max_pixels: Of a frame, before it is decoded.
        max_side: Likewise.
    """

    memory_bytes: int = 1 << 30
    decode_s: float = 10.0
    answer_s: float = 60.0
    cached_bytes: int = 64 << 20
    cursors: int = 8
    max_pixels: int = 1 << 26
    max_side: int = 8192


@dataclass(frozen=True, slots=True)
class Task:
    """What a process is started for; it reads this from its command line.

    Attributes:
        format: FFmpeg's name of the container, as our own look at the file has it.
        limits: What the process may use.
        max_frames: After so many frames the film counts as complete.
    """

    format: str
    limits: DecoderLimits = DecoderLimits()
    max_frames: int = MAX_FRAMES

    @classmethod
    def parse(cls, text: str) -> "Task":
        """Read what `to_text` wrote."""
        fields: dict[str, Any] = json.loads(text)  # as `to_text` wrote them
        return cls(fields["format"], DecoderLimits(**fields["limits"]), fields["max_frames"])

    def to_text(self) -> str:
        """An argument for a command line."""
        return json.dumps(asdict(self))
