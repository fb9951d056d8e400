"""The frames of a film that is no MJPEG, decoded as they are asked for by number."""

import contextlib
import gc
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from av.error import FFmpegError
from av.video.frame import VideoFrame

from mjpegd.sources.decoder_messages import DecoderLimits, Opening, Order, Task
from mjpegd.sources.decoder_packets import (
    REORDERED_PACKETS,
    Demuxer,
    PacketIndex,
    RefusedError,
    rate_of,
)
from mjpegd.sources.decoder_pictures import Painter

if TYPE_CHECKING:
    from mjpegd.sources.decoder_packets import Packet

# A key frame that is so near ahead is reached by reading on.
_NEAR_PACKETS = 250
# How far before a key frame to look for it, where a seek has led behind it, and how long.
_SEEK_BACK_S = (0.0, 10.0, 60.0)
_SOUGHT_PACKETS = 1000
# What this program takes with its libraries while it makes a picture, and what FFmpeg keeps of
# each packet, and of the sound beside it, for each cursor.
_OWN_BYTES = 192 << 20
_PACKET_BYTES = 100
# Frames that are remembered as ones that the decoder does not give.
_MAX_MISSING = 100_000
# Pixels that are further from square than this are a mistake in the file.
_WIDEST_PIXEL = 10
_CODEC_NAMES = {
    "h264": "H.264",
    "hevc": "H.265",
    "av1": "AV1",
    "libdav1d": "AV1",
    "vp8": "VP8",
    "vp9": "VP9",
    "mpeg4": "MPEG-4",
    "mpeg2video": "MPEG-2",
    "mpeg1video": "MPEG-1",
    "theora": "Theora",
    "prores": "ProRes",
    "dvvideo": "DV",
}
_NOT_GIVEN = "the decoder does not give it"


class NoPictureError(Exception):
    """There is no picture of this frame; the text says why."""


class _Cursor:
    """One place in the film from which frames are decoded, one after another.

    Attributes:
        begun: The key frame with which that began; None where it has not.
        fault: What the decoder said of the first packet since then that it could not decode.
    """

    def __init__(self, descriptor: int, task: Task, index: PacketIndex) -> None:
        self._descriptor = descriptor
        self._task = task
        self._index = index
        self._last: int | None = None
        self.begun: int | None = None
        self.fault = ""
        self._anchor: int | None = None
        self._leading = 0
        self._begin(Demuxer(descriptor, task))

    @property
    def pixel_shape(self) -> Fraction:
        """Width of a pixel by its height."""
        told = self._demuxer.stream.sample_aspect_ratio
        # From PyAV 19 on it is no Fraction.
        shape = Fraction(told.numerator, told.denominator) if told else Fraction(1)
        return shape if Fraction(1, _WIDEST_PIXEL) <= shape <= _WIDEST_PIXEL else Fraction(1)

    @property
    def position(self) -> int:
        """The number of the packet that is decoded next."""
        return self._next

    def leads_to(self, number: int, key: int) -> bool:
        """Whether a frame comes by decoding on from here, and no key frame saves work."""
        return self.begun is not None and self.begun <= key <= self._next and self.awaits(number)

    def awaits(self, number: int) -> bool:
        """Whether a frame may still come: frames come in the order of showing."""
        if self._is_over:
            return False
        return self._last is None or self._stamp(self._last) < self._stamp(number)

    def begin_at(self, key: int, check: Callable[[], None]) -> None:
        """Go to a key frame; the next packet that is decoded is this one."""
        self.begun = self._last = self._anchor = None
        self.fault = ""
        start = key
        if self._index.counted and key:
            # Which frames are shown before this one is seen only from the key frame before.
            start = self._index.key_before(key + REORDERED_PACKETS - 1)
            self._anchor, self._leading = key, 0
        near = self._next <= start <= self._next + _NEAR_PACKETS
        if self._is_over or not near:
            self._seek(start)
        while self._next < start:
            check()
            if self._next_packet() is None:
                raise NoPictureError("its key frame is not there")
        self._context.flush_buffers()
        self.begun = key

    def advance(self) -> list[tuple[int, VideoFrame]]:
        """Decode one packet: the frames that come of it, with the numbers of their packets."""
        number = self._next
        packet = self._next_packet()
        if packet is None:
            self._is_over = True
        else:
            packet.pts, packet.dts = number, None
        try:
            frames = self._context.decode(packet)
        except MemoryError:  # which says nothing about the packet
            raise
        except FFmpegError as error:  # a broken packet; the next one may be whole
            self.fault = self.fault or error.strerror or ""
            return []
        numbered = [(self._number(frame), frame) for frame in frames]
        return [(number, frame) for number, frame in numbered if number is not None]

    def _number(self, frame: VideoFrame) -> int | None:
        """The number of the packet that a frame came from; the count of frames where that counts.

        The count begins at the anchor, a key frame: as many frames are shown before it as lie
        before it, and those that lie behind it but come out of the decoder first.
        """
        if not self._index.counted:
            self._last = frame.pts
        elif self._anchor is None:
            self._last = 0 if self._last is None else self._last + 1
        elif frame.pts == self._anchor:
            self._last, self._anchor = self._anchor + self._leading, None
        else:
            self._leading += (frame.pts or 0) > self._anchor
        return self._last

    def _stamp(self, number: int) -> int:
        if self._index.counted:
            return number
        # A decoder may be ahead of the index by the frames that it holds back.
        known = number < len(self._index.stamps)
        return self._index.stamps[number] if known else sys.maxsize

    def _next_packet(self) -> "Packet | None":
        try:
            packet = next(self._packets, None)
        except FFmpegError:  # it was cut off
            packet = None
        self._next += packet is not None
        return packet

    def _rewind(self) -> None:
        self._begin(Demuxer(self._descriptor, self._task))
        # A container and its streams refer to each other, and hold a decoder full of frames.
        gc.collect()

    def _begin(self, demuxer: Demuxer) -> None:
        self._demuxer = demuxer
        self._context = demuxer.stream.codec_context
        self._context.thread_count = 1
        self._context.options = {"max_pixels": str(self._task.limits.max_pixels)}
        self._packets = demuxer.packets()
        self._next = 0
        self._is_over = False

    def _seek(self, key: int) -> None:
        """Look for a key frame by its time, or begin where the film does."""
        if not (self._index.seekable and self._find(key)):
            self._rewind()

    def _find(self, key: int) -> bool:
        stream = self._demuxer.stream
        stamp = self._index.stamps[key]
        for back_s in _SEEK_BACK_S:
            back = round(back_s / (stream.time_base or 1))
            with contextlib.suppress(FFmpegError):
                self._demuxer.container.seek(stamp - back, stream=stream)
                self._packets = self._demuxer.packets()
                for _, packet in zip(range(_SOUGHT_PACKETS), self._packets, strict=False):
                    if packet.is_keyframe and self._index.stamp_of(packet) == stamp:
                        self._packets = _chained(packet, self._packets)
                        self._next = key
                        self._is_over = False
                        return True
        return False


def _chained(first: "Packet", rest: "Iterator[Packet]") -> "Iterator[Packet]":
    yield first
    yield from rest


class _FrameCache:
    """Decoded frames by the numbers of their packets; the one used longest ago goes first."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._bytes = 0
        self._frames: OrderedDict[int, VideoFrame] = OrderedDict()

    def get(self, number: int) -> VideoFrame | None:
        frame = self._frames.get(number)
        if frame is not None:
            self._frames.move_to_end(number)
        return frame

    def put(self, number: int, frame: VideoFrame) -> None:
        if number in self._frames:
            return
        self._frames[number] = frame
        self._bytes += _size_of(frame)
        while self._bytes > self.max_bytes and len(self._frames) > 1:
            _, oldest = self._frames.popitem(last=False)
            self._bytes -= _size_of(oldest)


def _size_of(frame: VideoFrame) -> int:
    return sum(plane.buffer_size for plane in frame.planes)


class VideoDecoder:
    """A film whose frames are had by number.

    Args:
        descriptor: The film's open file; its position does not matter.
        task: What it is, and what decoding it may cost.

    Attributes:
        index: Its frames, as far as they are known.
        decoded: How many frames it has decoded, asked for or on the way to one.
    """

    def __init__(self, descriptor: int, task: Task) -> None:
        self.decoded = 0
        demuxer = Demuxer(descriptor, task)
        self._context = demuxer.stream.codec_context
        if self._context is None:
            raise RefusedError("FFmpeg has no decoder for it")
        _check_size(self._context.width, self._context.height, task.limits)
        self._rate = rate_of(demuxer.stream)
        self._descriptor = descriptor
        self._task = task
        self.index = PacketIndex(demuxer, task.max_frames)
        self._cursors: list[_Cursor] = []
        self._frames = _FrameCache(min(task.limits.cached_bytes, task.limits.memory_bytes // 8))
        self._missing: set[int] = set()
        self._painter = Painter()

    def opening(self) -> Opening:
        """What the daemon is told."""
        name = self._context.codec.name
        return Opening(_CODEC_NAMES.get(name, name), self._rate, self.index.timed)

    def knows(self, order: Order) -> bool:
        """Whether it is known which frame is meant, or that there is none."""
        return order.number < len(self.index.order) or self.index.complete

    def picture(self, order: Order) -> bytes:
        """The JPEG of a frame that is known.

        Raises:
            NoPictureError: There is none.
        """
        check = _stopwatch(self._task.limits.decode_s)
        if order.number >= len(self.index.order):
            raise NoPictureError("the film is shorter")
        number = self.index.order[order.number]
        frame = self._frames.get(number) or self._decoded(number, check)
        _check_size(frame.width, frame.height, self._task.limits)
        return self._painter.paint(frame, self._cursors[0].pixel_shape, order)

    def _decoded(self, number: int, check: Callable[[], None]) -> VideoFrame:
        if number in self._missing:
            raise NoPictureError(_NOT_GIVEN)
        cursor = self._cursor_for(number, check)
        found: VideoFrame | None = None
        while found is None and cursor.awaits(number):
            check()
            for other, frame in cursor.advance():
                self.decoded += 1
                self._frames.put(other, frame)
                if other == number:
                    found = frame
        if found is None:
            if len(self._missing) < _MAX_MISSING:
                self._missing.add(number)
            raise NoPictureError(cursor.fault or _NOT_GIVEN)
        return found

    def _cursor_for(self, number: int, check: Callable[[], None]) -> _Cursor:
        """The cursor that gives this frame next; the one used last stands first."""
        key = self.index.key_before(number)
        leads = [each for each in self._cursors if each.leads_to(number, key)]
        # The nearest, for one further back is somebody else's place between the same key frames.
        leading = max(leads, key=lambda each: each.position, default=None)
        if leading is not None:
            self._cursors.remove(leading)
        cursor = leading or self._free_cursor()
        self._cursors.insert(0, cursor)
        if leading is None:
            cursor.begin_at(key, check)
        return cursor

    def _free_cursor(self) -> _Cursor:
        """A new cursor, or the one used longest ago, taken from the others."""
        if len(self._cursors) < self._most_cursors():
            return _Cursor(self._descriptor, self._task, self.index)
        return self._cursors.pop()

    def _most_cursors(self) -> int:
        """How many fit into what memory is left; each holds up to 24 frames of 12 bits a pixel.

        A decoder never gives back what its frames once took, and all that are kept may be its.
        """
        kept_bytes = self._frames.max_bytes
        cursor_bytes = 36 * max(1, self._context.width * self._context.height) + kept_bytes
        cursor_bytes += _PACKET_BYTES * len(self.index.stamps)
        limits = self._task.limits
        room_bytes = limits.memory_bytes - _OWN_BYTES - kept_bytes
        return max(1, min(limits.cursors, room_bytes // cursor_bytes))


def _stopwatch(limit_s: float) -> Callable[[], None]:
    """What ends one order's work when it has taken so much processor time."""
    end_s = time.process_time() + limit_s

    def check() -> None:
        if time.process_time() > end_s:
            raise NoPictureError(f"decoding it takes more than {limit_s:g} s")

    return check


def _check_size(width: int, height: int, limits: DecoderLimits) -> None:
    if max(width, height) > limits.max_side or width * height > limits.max_pixels:
        raise RefusedError(f"pictures of {width}x{height} are too large to be decoded")
