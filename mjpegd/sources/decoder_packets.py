"""The packets of a film that is no MJPEG: which of them are frames, in which order, and when shown.

A packet is known by its number in the order of the file, which travels through the decoder in
place of its time: so each decoded frame says which packet it was, whatever the times in the file
are worth.
"""

import heapq
import os
import time
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av

# PyAV loads these when a film has subtitles; by then no file can be opened any more.
import av.subtitles.codeccontext
import av.subtitles.stream
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from mjpegd.sources.decoder_messages import Frames, Task
from mjpegd.sources.indexing import BATCH_FRAMES, sane_rate

if TYPE_CHECKING:
    Packet = av.Packet[VideoStream]  # generic from PyAV 15 on

# A frame is shown at most so many packets after it lay in the file: decoders keep 16 pictures.
REORDERED_PACKETS = 32
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

# Titles and the like may be in any encoding. PyAV before 19 has to be told not to mind.
_MINDS_METADATA = int(av.__version__.partition(".")[0]) < 19
_METADATA: dict[str, Any] = {"metadata_errors": "replace"} if _MINDS_METADATA else {}


class RefusedError(Exception):
    """The film cannot be decoded; the text says why."""


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


class Demuxer:
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
            **_METADATA,
        )
        assert isinstance(container, InputContainer), "it is opened for reading"  # noqa: S101
        self.container = container
        stream = self.container.streams.best("video")
        if not isinstance(stream, VideoStream):
            raise RefusedError("there is no video in it")
        self.stream = stream

    def packets(self) -> "Iterator[Packet]":
        """What follows; a new one has to be asked for after a seek."""
        return (packet for packet in self.container.demux(self.stream) if packet.size)

    def is_shown(self, packet: "Packet") -> bool:
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

    def __init__(self, demuxer: Demuxer, max_frames: int) -> None:
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
        self._room = max_frames + REORDERED_PACKETS
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

    def stamp_of(self, packet: "Packet") -> int | None:
        """When a packet is shown, as far as the file tells."""
        stamps = (packet.dts, packet.pts) if self.counted else (packet.pts, packet.dts)
        return next((stamp for stamp in stamps if stamp is not None), None)

    def key_before(self, number: int) -> int:
        """The key frame with which to begin, so that this packet's frame comes out whole."""
        if self.counted:
            number = max(0, number - REORDERED_PACKETS)
        at = bisect_right(self.keys, number) - 1
        # What is shown before a key frame but lies behind it needs the one before that.
        while at > 0 and self.stamps[self.keys[at]] > self.stamps[number]:
            at -= 1
        return self.keys[at] if at >= 0 else 0

    def _take(self, packet: "Packet", seconds: "array[float]") -> None:
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
        self._show(seconds, REORDERED_PACKETS)

    def _look_at_clock(self, packet: "Packet", seconds: "array[float]") -> None:
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
