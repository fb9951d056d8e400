"""All readers of JPEGs on one input, compared with each other where they say the same."""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import TypeVar

from mjpegd.wire.errors import BrokenJpegError, JpegError, UnsupportedJpegError
from mjpegd.wire.jpeg import (
    FrameSplitter,
    JpegFrame,
    JpegImage,
    Span,
    repairs,
    rtp_frame,
    split,
    tables,
    whole,
)
from mjpegd.wire.recode import recode

T = TypeVar("T")


class DisagreementError(Exception):
    """Two readers say different things of one input."""


class Readers:
    """What reads JPEGs.

    Args:
        other_recode: What should do the same as `mjpegd.wire.recode.recode`.

    Attributes:
        outcomes: How often each reader said what.
        slowest_s: Processor time that the slowest of them took for the last input.
    """

    def __init__(self, other_recode: Callable[[bytes], bytes] | None) -> None:
        self.outcomes: Counter[str] = Counter()
        self.slowest_s = 0.0
        self._other_recode = other_recode

    def read(self, data: bytes, random: Random) -> None:
        """Let all of them read.

        Raises:
            DisagreementError: They say different things.
            Exception: Anything but a `JpegError` that one of them lets through.
        """
        self.slowest_s = 0.0
        pieces = self._timed(lambda data: _in_pieces(data, random), data)
        _agree(self._timed(split, data), pieces, "frames found whole and in pieces")
        readers: tuple[Callable[[bytes], object], ...] = (tables, repairs, whole)
        for read in readers:
            with suppress(BrokenJpegError):
                self._timed(read, data)
        self._read_frame(data)
        self._read_recoded(data)

    def _timed(self, read: Callable[[bytes], T], data: bytes) -> T:
        start = time.process_time()
        try:
            return read(data)
        finally:
            self.slowest_s = max(self.slowest_s, time.process_time() - start)

    def _read_frame(self, data: bytes) -> None:
        with suppress(JpegError):
            image = self._timed(JpegImage.parse, data)
            rtp_frame(image, any_size=True)
            self.outcomes["carried by RTP as it is"] += 1
            rtp_frame(image)

    def _read_recoded(self, data: bytes) -> None:
        coded = self._recoded("Python", recode, data)
        if coded:
            with suppress(UnsupportedJpegError):  # It may be longer, and too large now.
                _agree(recode(coded), coded, "what was coded anew before")
        if self._other_recode:
            other = self._recoded("libturbojpeg", self._other_recode, data)
            if coded and other:
                _agree(_rtp(coded), _rtp(other), "coded anew by Python and by the library")
                self.outcomes["coded anew by both"] += 1

    def _recoded(self, name: str, way: Callable[[bytes], bytes], data: bytes) -> bytes:
        try:
            coded = self._timed(way, data)
        except UnsupportedJpegError:
            self.outcomes[f"{name}: unsupported"] += 1
            return b""
        except BrokenJpegError:
            self.outcomes[f"{name}: broken"] += 1
            return b""
        self.outcomes[f"{name}: coded anew"] += 1
        _rtp(coded)
        return coded


def _rtp(jpeg: bytes) -> tuple[int, int, JpegFrame]:
    """The size in pixels, and what RTP carries."""
    image = JpegImage.parse(jpeg)
    return image.width, image.height, rtp_frame(image, any_size=True)


def _in_pieces(data: bytes, random: Random) -> list[Span]:
    splitter, spans, at = FrameSplitter(), list[Span](), 0
    while at < len(data):
        size = random.choice((1, 2, 10, 1000, 60_000))
        spans += splitter.feed(data[at : at + size])
        at += size
    return spans + splitter.finish()


def _agree(one: object, other: object, what: str) -> None:
    if one != other:
        raise DisagreementError(what)
