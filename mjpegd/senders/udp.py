"""RTP over UDP: trains to one viewer's ports, as whole as the network takes them."""

import os

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from mjpegd.interfaces import IPacketSender
from mjpegd.senders.backlog import Backlog
from mjpegd.senders.media_socket import CANNOT_SEGMENT, MediaSocket, segmented
from mjpegd.wire.packets import PacketTrain

# A train above this leaves in parts: receive buffers on the way may be small (Linux 208 kB by
# default, of which a packet of 1400 bytes takes 2304). What is below goes in one call.
PART_BYTES = 65_000
# Between two parts, at most: who receives takes one out of its buffer in less.
PAUSE_S = 0.001

_NOTHING = memoryview(b"")


@implementer(IPacketSender)
class UDPSender:
    """One viewer's way over UDP (RFC 2326 section 12.39: client_port).

    A train above `PART_BYTES` leaves in equal parts, spread over the time that the caller allows.
    Where the kernel cannot take more, a train that was begun is finished first; of those that
    come meanwhile only the newest is kept.

    Args:
        rtp: The socket that media leaves from.
        rtcp: The socket that reports leave from.
        host: The viewer's address.
        ports: The viewer's RTP and RTCP ports.
        local_host: The address of this machine that packets leave from.
        backlog: Where to wait for room in the socket for media.
        clock: Time.
    """

    __slots__ = (
        "_ancillary",
        "_backlog",
        "_call_bytes",
        "_clock",
        "_is_closed",
        "_is_cut",
        "_is_segmented",
        "_part_bytes",
        "_pause_s",
        "_queued",
        "_rest",
        "_rtcp",
        "_rtcp_to",
        "_rtp",
        "_rtp_to",
        "_source",
        "_stride",
        "_timer",
        "dropped",
        "errors",
        "last_error",
        "remark",
    )

    def __init__(
        self,
        rtp: MediaSocket,
        rtcp: MediaSocket,
        host: str,
        ports: tuple[int, int],
        local_host: str,
        backlog: Backlog,
        clock: IReactorTime,
    ) -> None:
        self.dropped = 0
        self.errors = 0
        self.last_error = ""
        self.remark = ""
        self._rtp = rtp
        self._rtcp = rtcp
        self._rtp_to = rtp.address_of(host, ports[0])
        self._rtcp_to = rtcp.address_of(host, ports[1])
        self._source = rtp.source(local_host)
        self._backlog = backlog
        self._clock = clock
        self._is_segmented = rtp.segments
        # How packets of this length leave: so many bytes a call, and what goes with them.
        self._stride = 0
        self._is_cut = False
        self._call_bytes = 0
        self._ancillary = self._source
        # What is left of the train under way, and how it is spread.
        self._rest = _NOTHING
        self._part_bytes = 0
        self._pause_s = 0.0
        self._timer: IDelayedCall | None = None
        self._queued: tuple[PacketTrain, float] | None = None
        self._is_closed = False

    def send_train(self, train: PacketTrain, spread_s: float) -> None:
        """Send one frame; see the class for what happens to large ones and in a jam."""
        if (
            train.stride == self._stride
            and len(train.buffer) <= self._call_bytes
            and not self._rest
            and not self._backlog.is_busy
        ):
            # The hot path: a frame like the last one, in one call. What is refused goes below.
            try:
                if self._rtp.send(train.buffer, self._rtp_to, self._ancillary):
                    return
            except OSError:
                pass
        if self._is_closed:
            return
        if self._queued is not None:
            self._queued = None
            self.dropped += 1
        if self._backlog.is_busy or (self._rest and not self._finish()):
            self._queued = (train.copy(), spread_s)
            self._backlog.wait(self._go_on)
        else:
            self._begin(train, spread_s)

    def send_report(self, compound: bytes) -> None:
        """Send one RTCP packet; one that cannot leave at once is worth nothing later."""
        if self._is_closed:
            return
        try:
            self._rtcp.send(compound, self._rtcp_to, self._source)
        except OSError as refusal:
            self._refused(refusal)

    def flush(self) -> None:
        """Send what waits without spreading it."""
        if self._finish() and self._begin_queued():
            self._finish()

    def discard(self) -> None:
        """Finish the train under way, drop the one behind it."""
        if self._queued is not None:
            self._queued = None
            self.dropped += 1
        self._finish()

    def close(self) -> None:
        """Forget what waits."""
        self._is_closed = True
        self._stride = 0
        self._stop_timer()
        self._backlog.leave(self._go_on)
        self._rest, self._queued = _NOTHING, None

    def _begin(self, train: PacketTrain, spread_s: float) -> None:
        is_cut = self._is_segmented and train.packet_count > 1
        if train.stride != self._stride or is_cut is not self._is_cut:
            self._choose_calls(train.stride, is_cut)
        self._rest = train.buffer
        self._part_bytes = PART_BYTES
        if len(train.buffer) > PART_BYTES:
            parts = -(-train.packet_count // max(1, PART_BYTES // train.stride))
            self._part_bytes = -(-train.packet_count // parts) * train.stride
            self._pause_s = min(spread_s / parts, PAUSE_S)
        self._advance()
        if self._rest:
            self._rest = memoryview(bytes(self._rest))  # the train was lent

    def _choose_calls(self, stride: int, is_cut: bool) -> None:
        self._stride, self._is_cut = stride, is_cut
        self._call_bytes, self._ancillary = stride, self._source
        if is_cut:
            self._call_bytes, self._ancillary = segmented(stride, self._source)

    def _begin_queued(self) -> bool:
        """Start the train that waits; False if there is none."""
        if self._queued is None:
            return False
        queued, self._queued = self._queued, None
        self._begin(*queued)
        return True

    def _advance(self) -> None:
        """Send the next part, and arrange for the one after it."""
        self._timer = None
        if self._send_part(self._part_bytes) and self._rest:
            self._timer = self._clock.callLater(self._pause_s, self._advance)

    def _finish(self) -> bool:
        """Send what is left of the train under way at once; False if the kernel is full."""
        self._stop_timer()
        return self._send_part(len(self._rest))

    def _go_on(self) -> None:
        """There is room again."""
        if self._queued is None:
            self._advance()
        elif self._finish():
            self._begin_queued()

    def _send_part(self, part_bytes: int) -> bool:
        """Send so much of the train; False if the kernel is full, and what is left waits."""
        rest = self._rest
        while rest and part_bytes > 0:
            datagram = rest[: min(part_bytes, self._call_bytes)]
            try:
                if not self._rtp.send(datagram, self._rtp_to, self._ancillary):
                    break
                rest = rest[len(datagram) :]
                part_bytes -= len(datagram)
            except OSError as refusal:
                if not self._leaves_otherwise(refusal):
                    # The rest of the frame is worth nothing without this packet.
                    self._refused(refusal)
                    self.dropped += 1
                    rest = _NOTHING
        self._rest = rest
        if rest and part_bytes > 0:
            self._backlog.wait(self._go_on)
            return False
        return True

    def _leaves_otherwise(self, refusal: OSError) -> bool:
        """Go over to single packets, if it was the cutting that was refused."""
        if not self._is_cut or refusal.errno not in CANNOT_SEGMENT:
            return False
        self._is_segmented = False
        self._choose_calls(self._stride, is_cut=False)
        self.remark = f"its packets leave one by one: {_reason(refusal)}"
        return True

    def _refused(self, refusal: OSError) -> None:
        self.errors += 1
        self.last_error = _reason(refusal)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _reason(refusal: OSError) -> str:
    return os.strerror(refusal.errno or 0)
