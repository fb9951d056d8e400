"""RTP on the RTSP connection itself (RFC 2326 section 10.12)."""

from typing import Protocol

from zope.interface import implementer

from mjpegd.interfaces import IPacketSender
from mjpegd.wire.messages import InterleavedFrame
from mjpegd.wire.packets import PacketTrain


class Carrier(Protocol):
    """The connection that carries the packets among the answers."""

    @property
    def is_jammed(self) -> bool:
        """The viewer reads more slowly than is written; writing more would pile up."""
        ...

    def write(self, data: bytes | memoryview) -> None:
        """Send whole messages or interleaved packets."""
        ...


@implementer(IPacketSender)
class InterleavedSender:
    """One viewer's way on its connection.

    While the viewer does not read, the newest train waits and older ones are dropped whole;
    the carrier calls `flush` when there is room again. One train may be pressed through
    meanwhile, the last one before a stop; a second one would be the start of a pile.

    Args:
        carrier: The connection.
        channels: The channels of RTP and RTCP.
    """

    def __init__(self, carrier: Carrier, channels: tuple[int, int]) -> None:
        self.dropped = 0
        self.errors = 0
        self.last_error = ""
        self.remark = ""
        self.channels = channels
        self._carrier = carrier
        self._newest: PacketTrain | None = None
        self._is_pressed = False
        self._is_closed = False

    def send_train(self, train: PacketTrain, spread_s: float) -> None:
        """Send one frame in one write; the connection paces large ones itself."""
        if self._is_closed:
            return
        if self._newest is not None:
            self._newest = None
            self.dropped += 1
        if self._carrier.is_jammed:
            self._newest = train.copy()
        else:
            self._is_pressed = False
            self._carrier.write(train.buffer)

    def send_report(self, compound: bytes) -> None:
        """Send one RTCP packet: few and small, they pass even where trains have to wait."""
        if not self._is_closed:
            self._carrier.write(InterleavedFrame(self.channels[1], compound).to_bytes())

    def flush(self) -> None:
        """Send the train that waits: there is room again, or it is the last one."""
        if self._newest is None or (self._carrier.is_jammed and self._is_pressed):
            return
        train, self._newest = self._newest, None
        self._is_pressed = self._carrier.is_jammed
        self._carrier.write(train.buffer)

    def discard(self) -> None:
        """Drop the train that waits; one in the connection's buffer is whole there already."""
        if self._newest is not None:
            self.dropped += 1
            self._newest = None

    def close(self) -> None:
        """Forget what waits."""
        self._newest = None
        self._is_closed = True
