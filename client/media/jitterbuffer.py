"""Packets as they come -> frames in order, each at its time; what is missing is given up."""

from collections import deque
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf

from mjpegd.wire.clock import RTP_CLOCK_HZ
from mjpegd.wire.packets import RTPPacket, timestamp_delta

from ..interfaces import Assembler, ReceivedFrame

# An adaptive latency: on a quiet network, and at most. Beyond, a person who presses a key waits.
MIN_LATENCY_S = 0.04
MAX_LATENCY_S = 1.0

# How much of what came behind a hole waits for it: two seconds of 1080p, which is twice the
# longest adaptive latency.
MAX_WAITING_PACKETS = 4096
MAX_WAITING_BYTES = 8 << 20

# How many frames wait for their time: ten seconds of small ones, one of the largest that are
# usual. What is more is shown early, and passed over where that does not help.
MAX_FRAMES = 600
MAX_FRAMES_BYTES = 32 << 20

# The player asks many times a second; where nobody asks nobody wants to know.
MAX_LOSSES = 1000

# Frames this much later than planned are no jitter: the stream stood still, or its times jumped.
MAX_ERROR_S = 0.5

# The fastest way of the last seconds is the yardstick. Quartz drifts by a millisecond meanwhile.
_WINDOW_S = 5.0

# One late frame counts half, a few in a row in full; to forget them takes hundreds that are not.
_GROWTH = 1 / 2
_SHRINKAGE = 1 / 256
_HEADROOM = 1.5


@dataclass(frozen=True, slots=True)
class Lapse:
    """A stretch of the film from which frames are missing; RTP times, 32 bits.

    Attributes:
        after: Time of the last whole frame before it.
        before: Time of the first whole frame behind it.
    """

    after: int
    before: int


class JitterBuffer:
    """Makes frames of packets, and says when to show each.

    A frame is shown a constant time, the latency, after the arrival of its first packet on the
    fastest way; or as soon as it is whole, if that is later. All times are seconds on one clock
    that never goes back.

    Args:
        assembler: Makes frames of packets in order.
        latency_s: From a frame's arrival to the screen; None lets the network decide.
        is_ordered: Packets cannot overtake each other, so that nothing is worth waiting for.
    """

    def __init__(
        self, assembler: Assembler, latency_s: float | None, *, is_ordered: bool = False
    ) -> None:
        self._assembler = assembler
        self._is_ordered = is_ordered
        self._next: int | None = None  # number of the packet whose turn it is
        self._waiting = _Waiting()
        self._complete_s = -inf  # arrival of the last of all packets before it
        self._timeline = _Timeline(latency_s)
        self._losses = _Losses(assembler)
        self._frames: deque[tuple[float, ReceivedFrame]] = deque()  # with the time to show it
        self._frames_bytes = 0

    def push(self, packet: RTPPacket, extended_sequence: int, arrived_s: float) -> bool:
        """Take a packet.

        Args:
            packet: As it came.
            extended_sequence: Its number, which does not wrap.
            arrived_s: When it came.

        Returns:
            Whether `due` and `next_s` have to be asked again: most packets come in order, do not
            end their frame, and change nothing.
        """
        if extended_sequence == self._next and not self._waiting:
            return self._feed(packet, extended_sequence, arrived_s)
        if extended_sequence == self._next:
            self._feed(packet, extended_sequence, arrived_s)
            self._feed_waiting()
        elif self._next is not None and extended_sequence < self._next:
            self._timeline.miss(packet.timestamp, arrived_s)
        else:
            self._waiting.add(packet, extended_sequence, arrived_s)
            if self._is_ordered or self._waiting.is_full:
                self._pass_hole()
        return True

    def due(self, now_s: float) -> list[ReceivedFrame]:
        """Frames whose time has come, in order.

        Who can show but one of them shows the last.
        """
        while self._waiting and self._hole_ends_s <= now_s:
            self._pass_hole()
        frames = []
        while self._frames and (self._frames[0][0] <= now_s or self._is_full):
            frames.append(self._take_frame())
        return frames

    @property
    def next_s(self) -> float | None:
        """When `due` has something to do again; None if that depends on what comes."""
        if self._is_full:
            return self._frames[0][1].arrived_s
        times_s = [self._frames[0][0]] if self._frames else []
        if self._waiting:
            times_s.append(self._hole_ends_s)
        return min(times_s, default=None)

    def clear(self) -> None:
        """Another part of the stream follows: forget what waits, and when it was to be shown."""
        self._next = None
        self._waiting = _Waiting()
        self._timeline.restart()
        self._losses.restart()
        self._assembler.restart()
        self._frames.clear()
        self._frames_bytes = 0

    @property
    def target_s(self) -> float:
        """The latency now."""
        return self._timeline.target_s

    @property
    def frames_lost(self) -> int:
        """Frames of which not all came in time, and those for which there was no room."""
        return self._losses.frames

    def take_losses(self) -> list[Lapse]:
        """Where frames were lost since this was last called, oldest first."""
        return self._losses.take()

    def filling_s(self, now_s: float) -> float:
        """How long what waits will last."""
        return max(0.0, self._frames[-1][0] - now_s) if self._frames else 0.0

    @property
    def buffered_timestamp(self) -> int | None:
        """RTP time of the last frame that waits; None if none does."""
        return self._frames[-1][1].timestamp if self._frames else None

    @property
    def _hole_ends_s(self) -> float:
        return self._waiting.since_s + self._timeline.target_s

    @property
    def _is_full(self) -> bool:
        return len(self._frames) >= MAX_FRAMES or self._frames_bytes >= MAX_FRAMES_BYTES

    def _pass_hole(self) -> None:
        """Go on with the first packet that waits."""
        if self._next is not None:
            self._losses.missing_packets += self._waiting.first - self._next
        self._next = self._waiting.first
        self._feed_waiting()

    def _feed_waiting(self) -> None:
        while self._waiting and self._waiting.first == self._next:
            self._feed(*self._waiting.pop())

    def _feed(self, packet: RTPPacket, number: int, arrived_s: float) -> bool:
        """The packet whose turn it is; whether a frame came of it."""
        self._next = number + 1
        self._complete_s = max(self._complete_s, arrived_s)
        frames = self._assembler.feed(packet, arrived_s)
        for frame in frames:
            self._add_frame(frame)
        return bool(frames)

    def _add_frame(self, frame: ReceivedFrame) -> None:
        if not frame.is_damaged:
            self._losses.pass_frame(frame.timestamp)
        while self._is_full:
            self._take_frame()
            self._losses.overflow += 1
        complete_s = frame.arrived_s if frame.is_damaged else self._complete_s
        show_s = self._timeline.place(frame.timestamp, frame.arrived_s, complete_s)
        self._hasten_frames(show_s)
        self._frames.append((show_s, frame))
        self._frames_bytes += len(frame.jpeg)

    def _hasten_frames(self, show_s: float) -> None:
        """Let no frame wait for longer than one that comes after it, on a faster way."""
        place = len(self._frames) - 1
        while place >= 0 and self._frames[place][0] > show_s:
            self._frames[place] = show_s, self._frames[place][1]
            place -= 1

    def _take_frame(self) -> ReceivedFrame:
        _, frame = self._frames.popleft()
        self._frames_bytes -= len(frame.jpeg)
        return frame


class _Waiting:
    """Packets whose turn has not come, by number."""

    def __init__(self) -> None:
        self._packets: dict[int, tuple[RTPPacket, int, float]] = {}
        self._numbers: list[int] = []  # a heap
        self._arrivals: deque[tuple[float, int]] = deque()
        self._size_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._numbers)

    @property
    def is_full(self) -> bool:
        """Nothing more may wait."""
        return len(self._numbers) >= MAX_WAITING_PACKETS or self._size_bytes >= MAX_WAITING_BYTES

    @property
    def first(self) -> int:
        """The lowest number."""
        return self._numbers[0]

    @property
    def since_s(self) -> float:
        """When the one came that has waited longest."""
        while self._arrivals[0][1] not in self._packets:
            self._arrivals.popleft()
        return self._arrivals[0][0]

    def add(self, packet: RTPPacket, number: int, arrived_s: float) -> None:
        if number in self._packets:
            return
        self._packets[number] = packet, number, arrived_s
        heappush(self._numbers, number)
        self._arrivals.append((arrived_s, number))
        self._size_bytes += len(packet.payload)

    def pop(self) -> tuple[RTPPacket, int, float]:
        """The packet with the lowest number, the number, and when it came."""
        found = self._packets.pop(heappop(self._numbers))
        self._size_bytes -= len(found[0].payload)
        if not self._packets:
            self._arrivals.clear()
        return found


class _Timeline:
    """When to show what: the stream's clock laid upon the player's.

    Transit is the time from a frame's RTP time to the arrival of its first packet. As the two
    clocks have different zeros it says nothing by itself; the least one of the last seconds is
    the anchor, and what is above it is how late a frame came.

    Attributes:
        target_s: The latency now.
    """

    def __init__(self, latency_s: float | None) -> None:
        self.target_s = MIN_LATENCY_S if latency_s is None else latency_s
        self._is_adaptive = latency_s is None
        self._lateness_s = 0.0
        self.restart()

    def restart(self) -> None:
        """Other times follow; how late frames come is still true."""
        self._timestamp: int | None = None
        self._media_ticks = 0
        self._forget_transits()

    def place(self, timestamp: int, arrived_s: float, complete_s: float) -> float:
        """When to show the next frame.

        Args:
            timestamp: RTP time of the frame.
            arrived_s: When its first packet came.
            complete_s: When it could be whole, with all that goes before it.
        """
        self._media_ticks += self._ticks_to(timestamp)
        self._timestamp = timestamp
        media_s = self._media_ticks / RTP_CLOCK_HZ
        transit_s = arrived_s - media_s
        if transit_s - self._anchor_s > self.target_s + MAX_ERROR_S:
            self._forget_transits()
        self._note_transit(transit_s, arrived_s)
        self._measure(complete_s - media_s - self._anchor_s)
        return self._anchor_s + media_s + self.target_s

    def miss(self, timestamp: int, arrived_s: float) -> None:
        """A packet came when its frame had been given up."""
        media_s = (self._media_ticks + self._ticks_to(timestamp)) / RTP_CLOCK_HZ
        self._measure(arrived_s - media_s - self._anchor_s)

    def _ticks_to(self, timestamp: int) -> int:
        return 0 if self._timestamp is None else timestamp_delta(timestamp, self._timestamp)

    @property
    def _anchor_s(self) -> float:
        return min(self._least_s, self._least_before_s)

    def _forget_transits(self) -> None:
        self._least_s = self._least_before_s = inf
        self._window_ends_s = -inf

    def _note_transit(self, transit_s: float, now_s: float) -> None:
        # Two windows, of which one is filled: the least of ten seconds without keeping them all.
        if now_s >= self._window_ends_s:
            self._least_before_s, self._least_s = self._least_s, inf
            self._window_ends_s = now_s + _WINDOW_S
        self._least_s = min(self._least_s, transit_s)

    def _measure(self, late_s: float) -> None:
        """Let the latency follow what lateness there is, up fast and down slowly."""
        if not self._is_adaptive or not -inf < late_s <= self.target_s + MAX_ERROR_S:
            return
        change_s = late_s - self._lateness_s
        self._lateness_s += change_s * (_GROWTH if change_s > 0 else _SHRINKAGE)
        self.target_s = min(max(_HEADROOM * self._lateness_s, MIN_LATENCY_S), MAX_LATENCY_S)


class _Losses:
    """Counts frames that were lost, and notes where.

    Attributes:
        missing_packets: Given up since the last whole frame.
        overflow: Frames for which there was no room.
    """

    def __init__(self, assembler: Assembler) -> None:
        self.missing_packets = 0
        self.overflow = 0
        self._assembler = assembler
        self._settled = 0  # frames lost before the last whole one
        self._given_up_before = 0
        self._lapses: deque[Lapse] = deque(maxlen=MAX_LOSSES)
        self._timestamp: int | None = None  # of the last whole frame
        self._interval_ticks: int | None = None

    def restart(self) -> None:
        """Another part of the stream follows."""
        self._settle(self._given_up)
        self.missing_packets = 0
        self._timestamp = None

    @property
    def frames(self) -> int:
        return self._settled + self._given_up + self.overflow

    def take(self) -> list[Lapse]:
        lapses = list(self._lapses)
        self._lapses.clear()
        return lapses

    def pass_frame(self, timestamp: int) -> None:
        """The next whole frame has come."""
        before = self._timestamp
        if before is None:
            self._settle(self._given_up)
        elif self.missing_packets or self._given_up:
            self._settle(self._vanished(timestamp_delta(timestamp, before)))
            self._lapses.append(Lapse(before, timestamp))
        else:
            self._interval_ticks = timestamp_delta(timestamp, before)
        self.missing_packets = 0
        self._timestamp = timestamp

    @property
    def _given_up(self) -> int:
        """Frames of which something came, since the last whole one."""
        given_up = self._assembler.lost - self._given_up_before
        # The stream may be joined in the middle of a frame; that is no loss.
        return max(0, given_up - 1) if self._timestamp is None else given_up

    def _vanished(self, ticks: int) -> int:
        """How many frames are missing between two: as many as fit, and packets can account for."""
        least = self._given_up or 1
        fitting = round(ticks / self._interval_ticks) - 1 if self._interval_ticks else least
        return min(max(least, fitting), self._given_up + self.missing_packets)

    def _settle(self, frames: int) -> None:
        self._settled += frames
        self._given_up_before = self._assembler.lost
