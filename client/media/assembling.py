"""Packets in order -> frames: of RTP/JPEG, and of the laboratory's whole JPEGs."""

from mjpegd.wire.errors import UnsupportedJpegError
from mjpegd.wire.jpeg_frame import JpegFrame
from mjpegd.wire.jpeg_payload import Reassembler, to_jpeg
from mjpegd.wire.jpeg_segments import EOI, SOI
from mjpegd.wire.packets import RTPPacket, sequence_add

from ..interfaces import ReceivedFrame

# What the offsets of RTP/JPEG reach to; the laboratory knows no bound of its own.
MAX_JPEG_BYTES = 0x1000000


class JpegAssembler:
    """Frames of RTP/JPEG (RFC 2435).

    Args:
        size: Width and height in pixels, where a description of the stream tells them.
        keeps_damaged: See below.

    Attributes:
        keeps_damaged: Of frames that do not come whole, make what came before the gap; otherwise
            nothing. May be changed at any time.
    """

    def __init__(self, size: tuple[int, int] | None = None, *, keeps_damaged: bool = False) -> None:
        self.keeps_damaged = keeps_damaged
        self._size = size
        self._reassembler = Reassembler()
        self._unsupported = 0
        self._timestamp = -1  # none
        self._sequence = 0
        self._arrived_s = 0.0

    @property
    def lost(self) -> int:
        """Frames given up so far of which something came."""
        return self._reassembler.lost + self._unsupported

    def feed(self, packet: RTPPacket, arrived_s: float) -> list[ReceivedFrame]:
        """Take the next packet.

        Args:
            packet: Comes in order; some may be missing before it.
            arrived_s: When it came.

        Returns:
            Frames that end with it, or before it: mostly none or one, and two where it tells
            that a frame is damaged, and is a whole frame itself.
        """
        whole = self._reassembler.feed(
            packet.payload, packet.timestamp, packet.marker, packet.extension
        )
        frames = []
        if self.keeps_damaged and (damaged := self._reassembler.damaged):
            frames = self._received(damaged, is_damaged=True)
        if packet.timestamp != self._timestamp:
            self._timestamp, self._arrived_s = packet.timestamp, arrived_s
        self._sequence = packet.sequence
        if whole:
            frames += self._received(whole)
        return frames

    def restart(self) -> None:
        """Another part of the stream follows; see `Reassembler.restart`.

        With gst-rtsp-server the times of the packets begin anew with each PLAY.
        """
        self._reassembler.restart()
        self._timestamp = -1

    def _received(self, frame: JpegFrame, *, is_damaged: bool = False) -> list[ReceivedFrame]:
        try:
            jpeg = to_jpeg(frame, self._size)
        except UnsupportedJpegError:
            self._unsupported += not is_damaged  # those are counted already
            return []
        return [ReceivedFrame(jpeg, self._timestamp, self._sequence, self._arrived_s, is_damaged)]


class LaboratoryAssembler:
    """Frames of laboratory servers: a JPEG file in each packet, or cut into several.

    A file begins a packet. It ends with the marker, with its end of image, or where the next
    one begins: few servers set the marker.

    Attributes:
        lost: Frames given up so far of which something came.
    """

    def __init__(self) -> None:
        self.lost = 0
        self._parts: list[bytes] = []
        self._size_bytes = 0
        self._is_broken = False  # a part of the frame that has begun is missing
        self._timestamp = 0
        self._sequence = 0
        self._arrived_s = 0.0

    def feed(self, packet: RTPPacket, arrived_s: float) -> list[ReceivedFrame]:
        """Take the next packet.

        Args:
            packet: Comes in order; some may be missing before it.
            arrived_s: When it came.

        Returns:
            Frames that end with it, or before it.
        """
        begins = packet.payload.startswith(SOI)
        follows = packet.sequence == sequence_add(self._sequence, 1)
        if not (follows if self._parts else begins):
            self._break()
        frames = []
        if begins:
            frames = self._end()
            self._timestamp, self._arrived_s = packet.timestamp, arrived_s
        self._sequence = packet.sequence
        if not self._is_broken:
            self._add(packet.payload)
        if packet.marker or packet.payload.endswith(EOI):
            frames += self._end()
        return frames

    def restart(self) -> None:
        """Another part of the stream follows: what has come of a frame is left uncounted."""
        self._clear()
        self._is_broken = False

    def _add(self, part: bytes) -> None:
        self._parts.append(part)
        self._size_bytes += len(part)
        if self._size_bytes > MAX_JPEG_BYTES:
            self._break()

    def _break(self) -> None:
        self._is_broken = True
        self._clear()

    def _clear(self) -> None:
        self._parts = []
        self._size_bytes = 0

    def _end(self) -> list[ReceivedFrame]:
        """The frame so far, if there is one."""
        jpeg, was_broken = b"".join(self._parts), self._is_broken
        self._clear()
        self._is_broken = False
        self.lost += was_broken
        if not jpeg:
            return []
        return [ReceivedFrame(jpeg, self._timestamp, self._sequence, self._arrived_s)]
