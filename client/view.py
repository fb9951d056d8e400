"""What there is to show of a player at a moment, and what a person can ask of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from mjpegd.wire.packets import RTPPacket


class State(Enum):
    """The client's side of a session (RFC 2326 appendix A.1)."""

    INIT = "INIT"
    READY = "READY"
    PLAYING = "PLAYING"


class Method(Enum):
    """What moves a session from state to state; the four buttons."""

    SETUP = "SETUP"
    PLAY = "PLAY"
    PAUSE = "PAUSE"
    TEARDOWN = "TEARDOWN"


# RFC 2326 appendix A.1, as far as a player goes; what is not in it is not offered.
TRANSITIONS: Mapping[tuple[State, Method], State] = {
    (State.INIT, Method.SETUP): State.READY,
    (State.READY, Method.PLAY): State.PLAYING,
    (State.READY, Method.TEARDOWN): State.INIT,
    (State.PLAYING, Method.PLAY): State.PLAYING,
    (State.PLAYING, Method.PAUSE): State.READY,
    (State.PLAYING, Method.TEARDOWN): State.INIT,
}


class Activity(Enum):
    """What goes on, in a word for the status bar."""

    IDLE = "idle"
    CONNECTING = "connecting"
    READY = "ready"
    BUFFERING = "buffering"
    PLAYING = "playing"
    PAUSED = "paused"
    STALLED = "stalled"
    RECONNECTING = "reconnecting"
    ENDED = "ended"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence for the person in front of the window.

    Attributes:
        text: What happened and what to do.
        is_error: Something does not work; otherwise something is good to know.
    """

    text: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """What is measured of the stream now; rates are over the last second.

    Attributes:
        bit_rate_kbps: RTP payload, in 1000 bits a second.
        fps: Whole frames that came, a second.
        jitter_ms: Interarrival jitter (RFC 3550 appendix A.8).
        loss_percent: Packets lost in the last seconds, of those expected, 0 to 100.
        buffer_ms: How much film waits in the jitter buffer.
        target_ms: How much of it the buffer aims at.
        latency_ms: From the arrival of a frame's first packet to the screen; None before the
            first frame.
        delay_ms: From the server's clock to the screen, where the sender reports and the clocks
            of both machines allow to tell; None otherwise.
        packets_received: Since PLAY, duplicates and all.
        packets_lost: Since PLAY (RFC 3550 appendix A.3); negative with duplicates.
        packets_reordered: That came after a later one.
        packets_duplicate: That came again.
        frames_shown: On the screen.
        frames_lost: Of which not all packets came in time.
        frames_skipped: Whole, but not shown, because a newer one was ready.
    """

    bit_rate_kbps: float = 0.0
    fps: float = 0.0
    jitter_ms: float = 0.0
    loss_percent: float = 0.0
    buffer_ms: float = 0.0
    target_ms: float = 0.0
    latency_ms: float | None = None
    delay_ms: float | None = None
    packets_received: int = 0
    packets_lost: int = 0
    packets_reordered: int = 0
    packets_duplicate: int = 0
    frames_shown: int = 0
    frames_lost: int = 0
    frames_skipped: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """Figures at one moment of the last minute, for the graphs.

    Attributes:
        at_s: When, on the player's clock.
        figures: What was measured then.
    """

    at_s: float
    figures: Figures


@dataclass(frozen=True, slots=True)
class Newest:
    """The RTP packet that came last.

    Attributes:
        packet: Its header and payload.
        size_bytes: The whole packet.
        is_jpeg_payload: The payload begins with the headers of RFC 2435; otherwise it is a whole
            JPEG, as the laboratory sends it.
    """

    packet: RTPPacket
    size_bytes: int
    is_jpeg_payload: bool = True


@dataclass(frozen=True, slots=True)
class View:
    """All that a window shows, but for the picture itself.

    Attributes:
        url: Of the stream, without user and password; empty before one is opened.
        title: What the stream calls itself; empty where it tells none.
        state: The session's state.
        activity: What goes on.
        allowed: What the state and what is under way allow.
        notice: What a person should know now, or None.
        position_s: Media time of the picture on the screen; None where it cannot be told.
        duration_s: None for a live picture, and where it is not told.
        buffered_s: Media time up to which frames have come; None where it cannot be told.
        lost: Stretches of media time, from and to, of which frames were lost; oldest first.
        frame_number: Of the picture on the screen; None before the first.
        scale: Media seconds per second; negative backwards.
        transport: "UDP" or "TCP"; empty before SETUP.
        recording: The file that is being written, or None.
        figures: What is measured.
    """

    url: str = ""
    title: str = ""
    state: State = State.INIT
    activity: Activity = Activity.IDLE
    allowed: frozenset[Method] = frozenset({Method.SETUP})
    notice: Notice | None = None
    position_s: float | None = None
    duration_s: float | None = None
    buffered_s: float | None = None
    lost: Sequence[tuple[float, float]] = ()
    frame_number: int | None = None
    scale: float = 1.0
    transport: str = ""
    recording: Path | None = None
    figures: Figures = Figures()


class Actions(Protocol):
    """What a window can ask for; each returns at once, and `View` tells what comes of it.

    What makes no sense at the moment is passed over in silence: keys can be pressed at any time.
    """

    def open(self, text: str) -> None:
        """Play what an address line holds, from its start, instead of what is playing now."""
        ...

    def setup(self) -> None:
        """SETUP of the stream in the address line that was opened last."""
        ...

    def play(self) -> None:
        """PLAY from where it stands."""
        ...

    def pause(self) -> None:
        """PAUSE."""
        ...

    def stop(self) -> None:
        """TEARDOWN."""
        ...

    def toggle(self) -> None:
        """Play or pause, whichever it does not do now; opens the address where nothing is open."""
        ...

    def seek(self, position_s: float) -> None:
        """Go to a media time, playing or not; called many times a second while dragged."""
        ...

    def skip(self, seconds: float) -> None:
        """Go so far forward, or back."""
        ...

    def step(self, frames: int) -> None:
        """Pause, and show the frame so many further on, or back."""
        ...

    def faster(self) -> None:
        """The next Scale above."""
        ...

    def slower(self) -> None:
        """The next Scale below."""
        ...

    def reverse(self) -> None:
        """Play the other way."""
        ...

    def switch_transport(self) -> None:
        """From UDP to TCP or back, at the same place."""
        ...

    def save_snapshot(self) -> None:
        """Keep the JPEG on the screen in a file; a notice says which."""
        ...

    def toggle_recording(self) -> None:
        """Begin or end a recording in a file with a name of its own."""
        ...

    def record_to(self, path: Path) -> None:
        """Begin a recording in this file."""
        ...

    def log_in(self, user: str, password: str) -> None:
        """Try again with a user and a password."""
        ...

    def show_damaged(self, wanted: bool) -> None:
        """Whether frames are shown that did not come whole."""
        ...

    def quit(self) -> None:
        """Leave."""
        ...
