"""The decoding process: a film that is no MJPEG, its frames found, decoded and made into JPEGs.

The daemon starts it with the film as an open file, and speaks with it through its standard input
and output (`mjpegd.sources.decoder_messages`). Before it looks at the film it gives up what it does
not need: new files and connections of any kind, writing files, memory beyond a limit.

A packet is known by its number in the order of the file, which travels through the decoder in
place of its time: so each decoded frame says which packet it was, whatever the times in the file
are worth.
"""

import contextlib
import gc
import heapq
import os
import resource
import select
import signal
import sys
import time
from array import array
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from inspect import getdoc
from io import BytesIO
from typing import TYPE_CHECKING, Any

import av

# PyAV loads these when a film has subtitles; by then no file can be opened any more.
import av.subtitles.codeccontext
import av.subtitles.stream
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from PIL import Image

from mjpegd.pictures.forms import in_eights
from mjpegd.sources.decoder_messages import (
    EXIT_OUT_OF_MEMORY,
    DecoderLimits,
    Frames,
    Kind,
    Message,
    MessageSplitter,
    Opening,
    Order,
    Task,
)
from mjpegd.sources.indexing import BATCH_FRAMES, BATCH_S, sane_rate

if TYPE_CHECKING:
    _Packet = av.Packet[VideoStream]  # generic from PyAV 15 on

# Where the daemon puts the film.
FILM_DESCRIPTOR = 3
# A frame is shown at most so many packets after it lay in the file: decoders keep 16 pictures.
_REORDERED_PACKETS = 32
# Elementary streams have no times, and libavformat makes some up for AVI, in the order of the file.
_UNTIMED_FORMATS = frozenset({"h264", "hevc"})
_REORDERING_CODECS = frozenset({"h264", "hevc", "mpeg4"})
# The least between two frames: less than that, a time could not tell them apart.
_LEAST_GAP_S = 0.002
# A clock that goes back by more, or ahead by more, was set while the film was made.
_FURTHEST_BACK_S, _FURTHEST_AHEAD_S = 0.25, 3600.0
# Where clocks are part of the transmission, they jump sooner than that a picture stands so long.
_FURTHEST_AHEAD_IN_STREAMS_S = 10.0
_STREAM_FORMATS = frozenset({"mpegts", "mpeg"})
# A key frame that is so near ahead is reached by reading on.
_NEAR_PACKETS = 250
# How far before a key frame to look for it, where a seek has led behind it, and how long.
_SEEK_BACK_S = (0.0, 10.0, 60.0)
_SOUGHT_PACKETS = 1000
# While orders wait, the index gets this much time between two of them.
_BUSY_BATCH_S = 0.01
# What this program takes with its libraries while it makes a picture, and what FFmpeg keeps of
# each packet, and of the sound beside it, for each cursor.
_OWN_BYTES = 192 << 20
_PACKET_BYTES = 100
# Frames that are remembered as ones that the decoder does not give.
_MAX_MISSING = 100_000
# No JPEG is smaller in RTP players' eyes.
_LEAST_SIDE = 16
# Pixels that are further from square than this are a mistake in the file.
_WIDEST_PIXEL = 10
# From so many lines on, a film that does not say is taken for high definition (ITU-R BT.709).
_HD_LINES = 720
_UNSPECIFIED_COLOURS = 2
_FULL_RANGE = 2
# From PyAV 17 on, unless it is told otherwise.
_SCALES_IN_THREADS = "threads" in (getdoc(VideoReformatter.reformat) or "")
_NICENESS = 5
# How much processor time the hard limit leaves beyond the one that is watched.
_SPARE_CPU_S = 10
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
_ROTATIONS = {
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_270,
}


class RefusedError(Exception):
    """The film cannot be decoded; the text says why."""


class NoPictureError(Exception):
    """There is no picture of this frame; the text says why."""


class _File:
    """The film as PyAV reads it: a position of its own in a descriptor that others share."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._position = 0

    def read(self, count: int) -> bytes:
        data = os.pread(self._descriptor, count, self._position)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = 0
        if whence == os.SEEK_CUR:
            base = self._position
        elif whence == os.SEEK_END:
            base = os.fstat(self._descriptor).st_size
        if base + offset < 0:
            raise OSError("before the beginning")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position


# --- Packets ------------------------------------------------------------------------------------


class _Demuxer:
    """The packets of the film's picture track, in the order of the file.

    Attributes:
        container: PyAV's.
        stream: The picture track.
    """

    def __init__(self, descriptor: int, task: Task) -> None:
        container = av.open(
            _File(descriptor),
            format=task.format,
            # No other protocol, container or file, whatever the film refers to.
            options={
                "protocol_whitelist": "",
                "format_whitelist": task.format,
                "enable_drefs": "0",
                "use_absolute_path": "0",
                "max_pixels": str(task.limits.max_pixels),
            },
            metadata_errors="replace",
        )
        assert isinstance(container, InputContainer), "it is opened for reading"  # noqa: S101
        self.container = container
        stream = self.container.streams.best("video")
        if not isinstance(stream, VideoStream):
            raise RefusedError("there is no video in it")
        self.stream = stream

    def packets(self) -> "Iterator[_Packet]":
        """What follows; a new one has to be asked for after a seek."""
        return (packet for packet in self.container.demux(self.stream) if packet.size)

    def is_shown(self, packet: "_Packet") -> bool:
        """Whether a frame comes of it; others only help to decode those that follow."""
        if packet.is_discard:
            return False
        # Bit 4 of the frame tag (RFC 6386 section 9.1).
        return self.stream.codec_context.name != "vp8" or bool(memoryview(packet)[0] & 0x10)


class PacketIndex:
    """Where the film's frames are: which packets, in which order they are shown, and when.

    A packet without a time of showing is shown at its time of decoding; without that, one frame
    after the packet before. A film whose clock was set while it was made goes on one frame later.

    Attributes:
        stamps: When each packet is shown, in the stream's units, in the order of the file.
        keys: The numbers of the packets from which decoding can begin.
        order: The numbers of the packets, in the order of showing, less those never shown.
        counted: The stamps say nothing of the order of showing: that is the decoder's to find.
        complete: There are no more packets.
        seekable: A key frame is found again by its time.
        timed: The file has times.
    """

    def __init__(self, demuxer: _Demuxer, max_frames: int) -> None:
        stream = demuxer.stream
        name = demuxer.container.format.name
        self.stamps = array("q")
        self.keys = array("I")
        self.order = array("I")
        self.counted = name in {"avi", *_UNTIMED_FORMATS} and (
            stream.codec_context.name in _REORDERING_CODECS
        )
        self.complete = False
        self.seekable = self.timed = name not in _UNTIMED_FORMATS
        is_stream = name in _STREAM_FORMATS
        self._furthest_ahead_s = _FURTHEST_AHEAD_IN_STREAMS_S if is_stream else _FURTHEST_AHEAD_S
        self._demuxer = demuxer
        self._packets = demuxer.packets()
        self._unit = stream.time_base or Fraction(1, 90_000)
        rate = rate_of(stream) or Fraction(25)
        self._step = max(1, round(1 / rate / self._unit))
        # In the order of showing, the last ones lie among those that follow them in the file.
        self._room = max_frames + _REORDERED_PACKETS
        self._waiting: list[tuple[int, int]] = []
        self._decoded_at: int | None = None
        self._shift = 0
        self._latest = 0
        self._seconds = -_LEAST_GAP_S

    def next_batch(self, limit_s: float) -> Frames:
        """Look at so many seconds' worth of packets, and say which frames were found."""
        seconds = array("d")
        deadline = time.monotonic() + limit_s
        while not self.complete and len(seconds) < BATCH_FRAMES:
            try:
                packet = next(self._packets, None)
            except FFmpegError:  # it was cut off
                packet = None
            if packet is not None and self._room:
                self._take(packet, seconds)
            else:
                self.complete = True
                self._show(seconds, 0)
            if time.monotonic() >= deadline:
                break
        return Frames(seconds, self.complete)

    def stamp_of(self, packet: "_Packet") -> int | None:
        """When a packet is shown, as far as the file tells."""
        stamps = (packet.dts, packet.pts) if self.counted else (packet.pts, packet.dts)
        return next((stamp for stamp in stamps if stamp is not None), None)

    def key_before(self, number: int) -> int:
        """The key frame with which to begin, so that this packet's frame comes out whole."""
        if self.counted:
            number = max(0, number - _REORDERED_PACKETS)
        at = bisect_right(self.keys, number) - 1
        # What is shown before a key frame but lies behind it needs the one before that.
        while at > 0 and self.stamps[self.keys[at]] > self.stamps[number]:
            at -= 1
        return self.keys[at] if at >= 0 else 0

    def _take(self, packet: "_Packet", seconds: "array[float]") -> None:
        number = len(self.stamps)
        self._look_at_clock(packet, seconds)
        stamp = self.stamp_of(packet)
        if stamp is None:
            stamp = self.stamps[-1] + self._step if number else 0
        else:
            stamp += self._shift
        self.stamps.append(stamp)
        self._latest = max(self._latest, stamp) if number else stamp
        if packet.is_keyframe:
            self.keys.append(number)
        if self._demuxer.is_shown(packet):
            self._room -= 1
            heapq.heappush(self._waiting, (stamp, number))
        self._show(seconds, _REORDERED_PACKETS)

    def _look_at_clock(self, packet: "_Packet", seconds: "array[float]") -> None:
        decoded_at = packet.pts if packet.dts is None else packet.dts
        last, self._decoded_at = self._decoded_at, decoded_at
        if decoded_at is None or last is None:
            return
        gap_s = float((decoded_at - last) * self._unit)
        if -_FURTHEST_BACK_S <= gap_s <= self._furthest_ahead_s:
            return
        self._show(seconds, 0)
        stamp = self.stamp_of(packet)
        self._shift = self._latest + self._step - (stamp or 0)
        self.seekable = False

    def _show(self, seconds: "array[float]", held_back: int) -> None:
        """Take over the frames that no later packet can come before."""
        while len(self._waiting) > held_back:
            _, number = heapq.heappop(self._waiting)
            self.order.append(number)
            shown_at_s = float(self.stamps[number] * self._unit)
            if len(self.order) == 1:
                self._seconds = shown_at_s
            else:
                self._seconds = max(shown_at_s, self._seconds + _LEAST_GAP_S)
            seconds.append(self._seconds)


def rate_of(stream: VideoStream) -> Fraction | None:
    """Frames per second, if a header tells a sane number."""
    rate = stream.average_rate or stream.guessed_rate
    return sane_rate(rate.numerator, rate.denominator) if rate else None


# --- Frames -------------------------------------------------------------------------------------


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
        self._begin(_Demuxer(descriptor, task))

    @property
    def pixel_shape(self) -> Fraction:
        """Width of a pixel by its height."""
        shape = self._demuxer.stream.sample_aspect_ratio or Fraction(1)
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
            start = self._index.key_before(key + _REORDERED_PACKETS - 1)
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

    def _next_packet(self) -> "_Packet | None":
        try:
            packet = next(self._packets, None)
        except FFmpegError:  # it was cut off
            packet = None
        self._next += packet is not None
        return packet

    def _rewind(self) -> None:
        self._begin(_Demuxer(self._descriptor, self._task))
        # A container and its streams refer to each other, and hold a decoder full of frames.
        gc.collect()

    def _begin(self, demuxer: _Demuxer) -> None:
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


def _chained(first: "_Packet", rest: "Iterator[_Packet]") -> "Iterator[_Packet]":
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
        demuxer = _Demuxer(descriptor, task)
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
        self._painter = _Painter()

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


class _Painter:
    """Makes JPEGs of frames: of any size and colour space, baseline 4:2:0 as JFIF has it."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def paint(self, frame: VideoFrame, pixel_shape: Fraction, order: Order) -> bytes:
        rotation = getattr(frame, "rotation", 0) % 360  # PyAV 14 does not tell
        is_turned = rotation in {90, 270}
        shown = (frame.width * pixel_shape, Fraction(frame.height))
        width, height = fitted(shown[::-1] if is_turned else shown, order)
        size = (height, width) if is_turned else (width, height)
        rgb = self._to_rgb(frame, size)
        plane = rgb.planes[0]
        data: Any = memoryview(plane)  # which Pillow takes, and its stubs do not know
        image = Image.frombuffer("RGB", size, data, "raw", "RGB", plane.line_size, 1)
        if rotation in _ROTATIONS:
            image = image.transpose(_ROTATIONS[rotation])
        file = BytesIO()
        image.save(file, "JPEG", quality=order.quality, subsampling="4:2:0")
        return file.getvalue()

    def _to_rgb(self, frame: VideoFrame, size: tuple[int, int]) -> VideoFrame:
        # Named, for PyAV 14 takes nothing else here. Without a target, it passes over the source.
        options: dict[str, Any] = {"dst_colorspace": "ITU601"}  # Any: mypy sees one PyAV only
        if frame.colorspace == _UNSPECIFIED_COLOURS:
            is_hd = frame.height >= _HD_LINES
            options["src_colorspace"] = "ITU709" if is_hd else "ITU601"
        if frame.color_range == _FULL_RANGE:
            options["src_color_range"] = "JPEG"
        if _SCALES_IN_THREADS:
            options["threads"] = 1
        return self._reformatter.reformat(frame, *size, "rgb24", **options)


def fitted(size: tuple[Fraction, Fraction], order: Order) -> tuple[int, int]:
    """The size of a picture that keeps its proportions and fits into what was asked for.

    What is made smaller is made a multiple of 8 pixels: RTP counts so.
    """
    width, height = size
    scale = min(Fraction(1), order.max_width / width, order.max_height / height)
    if scale == 1:
        return max(_LEAST_SIDE, round(width)), max(_LEAST_SIDE, round(height))
    across = min(in_eights(float(width * scale)), order.max_width)
    down = min(in_eights(float(height * scale)), order.max_height)
    return max(_LEAST_SIDE, across), max(_LEAST_SIDE, down)


# --- The process --------------------------------------------------------------------------------


class Worker:
    """What the process does, message by message, without the pipes.

    Args:
        descriptor: The film's open file.
        task: What it is, and what decoding it may cost.
    """

    def __init__(self, descriptor: int, task: Task) -> None:
        self._descriptor = descriptor
        self._task = task
        self._splitter = MessageSplitter()
        self._orders: deque[Message] = deque()
        self._decoder: VideoDecoder | None = None
        self._is_refused = False

    @property
    def is_idle(self) -> bool:
        """There is nothing to do until the daemon says something."""
        return not self._orders and (self._decoder is None or self._decoder.index.complete)

    def open(self) -> Iterator[Message]:
        """Look at the film: what it is, or why it cannot be decoded."""
        try:
            self._decoder = VideoDecoder(self._descriptor, self._task)
            yield Message(Kind.OPENED, body=self._decoder.opening().to_bytes())
        except Exception as error:  # whatever a file does to FFmpeg
            self._is_refused = True
            yield Message(Kind.REFUSED, body=_reason(error))

    def receive(self, data: bytes) -> None:
        """Take in what the daemon has written."""
        self._orders += self._splitter.feed(data)
        if self._is_refused:
            self._orders.clear()

    def work(self) -> Iterator[Message]:
        """Answer one order if its frame is known, and look for some more frames."""
        decoder = self._decoder
        if decoder is None:
            return
        if self._orders and decoder.knows(Order.parse(self._orders[0].body)):
            yield self._answer(decoder, self._orders.popleft())
        if not decoder.index.complete:
            batch = decoder.index.next_batch(_BUSY_BATCH_S if self._orders else BATCH_S)
            yield Message(Kind.FRAMES, body=batch.to_bytes())

    @staticmethod
    def _answer(decoder: VideoDecoder, order: Message) -> Message:
        try:
            return Message(Kind.PICTURE, order.tag, decoder.picture(Order.parse(order.body)))
        except Exception as error:  # whatever a file does to FFmpeg
            return Message(Kind.BROKEN, order.tag, _reason(error))


def _reason(error: Exception) -> bytes:
    """What the daemon is told; a process without memory for its own work tells nothing more."""
    if isinstance(error, MemoryError) and not isinstance(error, FFmpegError):
        raise error
    text = error.strerror if isinstance(error, FFmpegError) else str(error)
    return (text or type(error).__name__).encode(errors="replace")


# What follows is what a process does to itself for good (its rights, its limits, its standard
# streams), so tests start one, whose lines are not counted.


def give_up_rights(limits: DecoderLimits) -> None:  # pragma: no cover -- see above
    """Open and write nothing from now on, use no more memory than this, and yield to others."""
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    for what, most in (
        (resource.RLIMIT_NOFILE, FILM_DESCRIPTOR + 1),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, limits.memory_bytes),
    ):
        _, hard = resource.getrlimit(what)
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (least, least))


def grant_time(limits: DecoderLimits) -> None:  # pragma: no cover -- see above
    """What the system ends this process after: a loop in a decoder never looks at a clock."""
    used_s = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(used_s + limits.decode_s) + _SPARE_CPU_S
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _serve(worker: Worker, limits: DecoderLimits) -> None:  # pragma: no cover -- see above
    grant_time(limits)
    _write(worker.open())
    while True:
        readable, _, _ = select.select([0], [], [], None if worker.is_idle else 0)
        if readable:
            data = os.read(0, 1 << 16)
            if not data:
                return
            worker.receive(data)
        grant_time(limits)
        _write(worker.work())


def _write(messages: Iterator[Message]) -> None:  # pragma: no cover -- see above
    for message in messages:
        rest = memoryview(message.to_bytes())
        while rest:
            rest = rest[os.write(1, rest) :]


def main(arguments: list[str]) -> int:  # pragma: no cover -- see above
    """Serve one film to the daemon that started this process, until it closes the pipe."""
    # These are meant for the daemon; this process ends when the pipe does.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    task = Task.parse(arguments[0])
    Image.preinit()
    give_up_rights(task.limits)
    try:
        _serve(Worker(FILM_DESCRIPTOR, task), task.limits)
    except MemoryError:
        return EXIT_OUT_OF_MEMORY
    except BrokenPipeError:
        pass
    return 0


if __name__ == "__main__":  # pragma: no cover -- see above
    sys.exit(main(sys.argv[1:]))
