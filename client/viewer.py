"""One viewing: brings the session to where the person wants it, over every obstacle.

What the person wants is a `Wish`, what is so a `Player`. `_next_step` compares them and names
one thing to do: connect, SETUP, PAUSE, PLAY and so on. When it is done, or has failed, the
comparison is made again. So a key that is pressed while an answer is under way changes the wish
and nothing else, and a connection that breaks leaves the wish as it was.
"""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from mjpegd.wire.headers import Lower

from .errors import LoginError, PlayerError, RefusedError, SilenceError
from .interfaces import Assembler, Dialogue, Ears, Message, PlacedFrame, ReceivedFrame
from .media.assembling import JpegAssembler, LaboratoryAssembler
from .media.intake import Identity, Intake, Outlets
from .media.jitterbuffer import JitterBuffer
from .media.link import Link, link_over_tcp, link_over_udp
from .media.measuring import SAMPLE_INTERVAL_S
from .media.receiver import Reactor
from .player import Player
from .talk.location import Location
from .view import Activity, Figures, Newest, Notice, Sample, State, View
from .wish import Wish

_log = Logger()

# Nothing over UDP for so long means that something on the way does not let it through.
FALLBACK_S = 3.0
# After so long a person wants to know; after twice as long the server is thought to be gone.
STALLED_S = 10.0
# How long to wait before a connection is tried anew, again and again.
RETRY_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
# How long the picture may take that is wanted of a film that stands still.
STILL_S = 2.0
# So long a sentence stays that tells of nothing wrong.
NOTICE_S = 8.0
# A step that takes longer is given up when the person wants something else.
PATIENCE_S = 1.0

_UNSUPPORTED_TRANSPORT = 461
_SESSION_NOT_FOUND = 454

_Step = Callable[[], Coroutine["Deferred[Any]", Any, None]]


@dataclass(frozen=True, slots=True)
class Means:
    """What a viewer works with.

    Attributes:
        reactor: The player's clock, and where datagrams are read.
        random: Chooses ports and identifiers.
        wall_clock: Unix seconds.
        connect: Begins a dialogue with the server of a location, or fails with a `PlayerError`.
    """

    reactor: Reactor
    random: Random
    wall_clock: Callable[[], float]
    connect: Callable[[Location, Ears], Awaitable[Dialogue]]


@dataclass(frozen=True, slots=True)
class Manner:
    """How somebody wants to watch whatever it is.

    Attributes:
        latency_s: How long packets are waited for; None follows the network.
        lower: The way of the media; None is UDP, and TCP where nothing comes.
        laboratory_port: The first UDP port to try in the laboratory's dialect; None for RTSP.
        shows_damaged: Frames are shown that did not come whole.
    """

    latency_s: float | None = None
    lower: Lower | None = None
    laboratory_port: int | None = None
    shows_damaged: bool = False

    @property
    def is_laboratory(self) -> bool:
        """The laboratory's dialect is spoken."""
        return self.laboratory_port is not None


@dataclass(frozen=True, slots=True)
class Audience:
    """Whom a viewer tells what happens.

    Attributes:
        frame: A frame is due.
        message: A message was sent or has come.
        login: The server wants a user and a password for this realm; True if some were refused.
        changed: The view is another.
    """

    frame: Callable[[PlacedFrame], None]
    message: Callable[[Message], None]
    login: Callable[[str, bool], None]
    changed: Callable[[], None]


class Viewer:
    """Watches one stream at a time.

    Args:
        means: What it works with.
        manner: How to watch.
        audience: Whom it tells.

    Attributes:
        skipped: Frames that were due and not shown, because a newer one was; whoever shows
            them counts.
    """

    def __init__(self, means: Means, manner: Manner, audience: Audience) -> None:
        self._means = means
        self._manner = manner
        self._audience = audience
        self._clock = means.reactor
        self._identity = Identity.random(means.random)
        self._player = Player()
        self._wish = Wish(lower=manner.lower)
        self._dialogue: Dialogue | None = None
        self._reached: Location | None = None  # what the dialogue is about
        self._link: Link | None = None
        self._lower = Lower.UDP
        self._assembler: Assembler | None = None
        self._step: Deferred[None] | None = None
        self._step_began_s = 0.0
        self._still: Deferred[None] | None = None  # fires with the frame that is waited for
        self._retry: IDelayedCall | None = None
        self._retries = 0
        self._idle: list[Deferred[None]] = []
        self._told_s = 0.0
        self.skipped = 0
        self._watch = LoopingCall(self._look)
        self._watch.clock = means.reactor
        self._watch.start(SAMPLE_INTERVAL_S, now=False).addErrback(
            lambda failure: _log.failure("the player watches over its stream no more", failure)
        )

    # --- What can be asked of it --------------------------------------------------------------

    def open(self, location: Location, *, state: State = State.PLAYING) -> None:
        """Watch a stream from its start, instead of what is watched now."""
        self._forget_retry()
        self._wish = Wish(location, state, lower=self._manner.lower)
        self._lower = self._manner.lower or (Lower.TCP if location.is_secure else Lower.UDP)
        self._reached = None  # Also what plays already begins anew.
        self._player.has_played = False
        self._player.notice = None
        self._interrupt()
        self._strive()

    def log_in(self, user: str, password: str) -> None:
        """Try again as somebody."""
        location = self._wish.location
        if location is not None and user:
            self.open(replace(location, user=user, password=password))

    def setup(self) -> None:
        """Have a session that does not play yet."""
        if self._wish.location is not None and self._wish.state is State.INIT:
            self.open(self._wish.location, state=State.READY)

    def play(self) -> None:
        """Play on; at the normal speed if it plays already."""
        wish = self._wish
        if wish.location is None:
            return
        if wish.state is State.INIT:
            self.open(wish.location)
            return
        if wish.state is State.PLAYING:
            wish.scale = 1.0
        wish.state = State.PLAYING
        self._strive()

    def pause(self) -> None:
        """Stand still."""
        if self._wish.state is State.PLAYING:
            self._wish.state = State.READY
            if self._link is not None and self._player.state is State.PLAYING:
                self._link.intake.hold()  # Nothing moves from now on, whenever the answer comes.
            self._strive()

    def stop(self) -> None:
        """Leave the stream."""
        self._wish.state = State.INIT
        self._player.notice = None
        self._forget_retry()
        if self._dialogue is None:
            self._player.left(Activity.IDLE)
        self._interrupt()
        self._strive()

    def toggle(self) -> None:
        """Play or pause, whichever it does not."""
        if self._wish.state is State.PLAYING:
            self.pause()
        else:
            self.play()

    def seek(self, position_s: float) -> None:
        """Go to a media time; where there is a session of a film only."""
        duration_s = self._player.offer.duration_s
        if duration_s is None or self._wish.state is State.INIT:
            return
        self._wish.seek_s = min(max(0.0, position_s), duration_s)
        self._player.go_to(self._wish.seek_s)
        self._strive()

    def skip(self, seconds: float) -> None:
        """Go so far forward or back."""
        if self._player.position_s is not None:
            self.seek(self._player.position_s + seconds)

    def step(self, frames: int) -> None:
        """Stand still at the frame so many further on."""
        position_s, framerate = self._player.position_s, self._player.framerate
        if position_s is not None and framerate is not None:
            self.pause()
            self.seek(position_s + frames / framerate)

    def faster(self) -> None:
        """Play at the next scale above."""
        self._wish.faster()
        self._strive()

    def slower(self) -> None:
        """Play at the next scale below."""
        self._wish.slower()
        self._strive()

    def reverse(self) -> None:
        """Play the other way."""
        self._wish.scale = -self._wish.scale
        self._strive()

    def switch_transport(self) -> None:
        """From UDP to TCP or back, at the same place."""
        if not self._manner.is_laboratory:
            self._lower = Lower.TCP if self._lower is Lower.UDP else Lower.UDP
            self._wish.lower = self._lower
            self._strive()

    def show_damaged(self, wanted: bool) -> None:
        """Whether frames are shown that did not come whole."""
        self._manner = replace(self._manner, shows_damaged=wanted)
        if isinstance(self._assembler, JpegAssembler):
            self._assembler.keeps_damaged = wanted

    def shown(self, placed: PlacedFrame) -> None:
        """A frame is on the screen now."""
        is_wanted = self._wish.seek_s is None
        self._player.shown(placed, self._clock.seconds(), is_wanted=is_wanted)

    def tell(self, text: str, is_error: bool = False) -> None:
        """Show a sentence: an error until something changes, others for a while."""
        self._player.notice = Notice(text, is_error)
        self._told_s = self._clock.seconds()
        self._audience.changed()

    async def close(self) -> None:
        """Leave the stream and the server, within the time that a farewell may take."""
        self.stop()
        if self._step is not None:
            idle: Deferred[None] = Deferred()
            self._idle.append(idle)
            await idle
        if self._watch.running:
            self._watch.stop()

    # --- What there is to show ----------------------------------------------------------------

    @property
    def location(self) -> Location | None:
        """What was opened last."""
        return self._wish.location

    @property
    def activity(self) -> Activity:
        """What goes on."""
        return self._player.activity

    @property
    def framerate(self) -> float | None:
        """Frames per second of media time, as far as they are known."""
        return self._player.framerate

    @property
    def jpeg(self) -> bytes | None:
        """The picture on the screen, as it came."""
        return self._player.jpeg

    @property
    def newest(self) -> Newest | None:
        """The packet that came last."""
        return self._link.intake.newest if self._link else None

    def samples(self) -> Sequence[Sample]:
        """The figures of the last minute."""
        return self._player.samples()

    def figures(self) -> Figures:
        """What is measured now."""
        of_intake = Figures()
        if self._link is not None:
            of_intake = self._link.intake.figures(
                self._clock.seconds(), self._means.wall_clock(), self._player.shown_timestamp
            )
        return replace(self._player.figures(of_intake), frames_skipped=self.skipped)

    def view(self) -> View:
        """All that a window shows, but for pictures."""
        link = self._link
        return self._player.view(
            self._wish,
            self.figures(),
            link.lower.value if link else "",
            link.intake.jitter_buffer.buffered_timestamp if link else None,
        )

    # --- Striving -----------------------------------------------------------------------------

    def _strive(self) -> None:
        """Take the next step towards the wish, unless one is under way."""
        self._audience.changed()
        if self._step is not None:
            return
        following = self._next_step()
        if following is None:
            idle, self._idle = self._idle, []
            for waiting in idle:
                waiting.callback(None)
            return
        self._step_began_s = self._clock.seconds()
        step = self._step = Deferred.fromCoroutine(following())
        step.addErrback(self._failed)
        step.addErrback(lambda failure: _log.failure("the player made a mistake", failure))
        step.addCallback(self._took_step)

    def _took_step(self, _: object) -> None:
        self._step = None
        self._strive()

    def _next_step(self) -> _Step | None:
        if self._retry is not None:
            return None
        if self._dialogue is not None and self._is_elsewhere:
            return self._leave
        if self._wish.state is State.INIT:
            return None
        if self._dialogue is None:
            return self._connect
        if self._link is None:
            return self._set_up
        return self._next_in_session()

    @property
    def _is_elsewhere(self) -> bool:
        """The connection is not the one that is wanted; another way for the media is another one.

        Some servers close the connection with the session, and some set up no second one on it.
        """
        wish, link = self._wish, self._link
        is_other_way = link is not None and link.lower is not self._lower
        return wish.state is State.INIT or wish.location != self._reached or is_other_way

    def _next_in_session(self) -> _Step | None:
        wish, player = self._wish, self._player
        moves = wish.seek_s is not None
        if player.state is State.PLAYING:
            # A PLAY during PLAY might be queued behind it (RFC 2326 section 10.5): pause first.
            stays = wish.state is State.PLAYING and wish.scale == player.scale and not moves
            return None if stays else self._pause
        if wish.state is State.PLAYING:
            return self._play
        return self._show_still if moves else None

    def _interrupt(self) -> None:
        """Do not wait for what takes long when something else is wanted."""
        if self._step is not None and (
            self._link is None or self._clock.seconds() - self._step_began_s > PATIENCE_S
        ):
            self._step.cancel()

    async def _connect(self) -> None:
        location, player = self._wish.location, self._player
        if location is None:
            raise SilenceError("There is nothing to connect to.")
        if not player.has_played:
            notice = player.notice  # Why it connects anew, where it does.
            player.open(Activity.CONNECTING)
            player.notice = notice
            self._audience.changed()
        ears = Ears(self._audience.message, self._take_interleaved, self._lost_connection)
        self._dialogue = await self._means.connect(location, ears)
        player.offer = await self._dialogue.describe()
        self._reached = location

    async def _set_up(self) -> None:
        means, dialogue = self._means, self._need_dialogue()
        intake = self._make_intake()
        first_port = self._manner.laboratory_port
        try:
            if self._lower is Lower.UDP:
                self._link = await link_over_udp(
                    means.reactor, means.random, dialogue, intake, first_port
                )
            else:
                self._link = await link_over_tcp(dialogue, intake)
        except RefusedError as refusal:
            if refusal.status != _UNSUPPORTED_TRANSPORT or not self._may_fall_back:
                raise
            self._fall_back("The server does not send over UDP, so the film comes over TCP.")
            return
        self._player.state = State.READY
        if not self._player.has_played:
            self._player.activity = Activity.READY
        elif self._wish.state is State.READY:
            self._player.stands_again()

    async def _play(self) -> None:
        await self._start(self._wish.scale)

    async def _show_still(self) -> None:
        """Play until the frame that is wanted is here, and stand still again."""
        still = self._still = Deferred()
        still.addTimeout(STILL_S, self._clock, onTimeoutCancel=lambda *_: None)
        try:
            await self._start(1.0)
            await still
        finally:
            self._still = None
        await self._pause()

    async def _start(self, scale: float) -> None:
        dialogue, link, wish = self._need_dialogue(), self._need_link(), self._wish
        start_s = self._player.starts_at(wish, scale)
        wish.seek_s = None
        if start_s is not None:
            self._player.go_to(start_s)
        self._player.lose(link.intake.jitter_buffer.take_losses())
        link.intake.expect()
        cue = await dialogue.play(start_s, scale)
        if self._wish.seek_s is None and cue.start_s is not None:
            self._player.go_to(cue.start_s)
        if cue.scale != scale and wish.scale == scale:
            wish.scale = cue.scale
            self.tell(f"The server plays this at {cue.scale:g} times its speed, and not otherwise.")
        self._player.started(cue, wish.scale if self._still else cue.scale)
        link.intake.begin(cue)

    async def _pause(self) -> None:
        self._need_link().intake.hold()
        self._player.paused(await self._need_dialogue().pause())

    async def _leave(self) -> None:
        dialogue, has_session = self._need_dialogue(), self._link is not None
        self._drop_link()
        try:
            if has_session:
                await dialogue.teardown()
        finally:
            self._drop()

    # --- What comes ---------------------------------------------------------------------------

    def _make_intake(self) -> Intake:
        manner, offer = self._manner, self._player.offer
        is_ordered = self._lower is Lower.TCP or manner.is_laboratory
        assembler = self._assembler = (
            LaboratoryAssembler()
            if manner.is_laboratory
            else JpegAssembler(offer.size, keeps_damaged=manner.shows_damaged)
        )
        return Intake(
            self._clock,
            self._means.random,
            self._identity,
            offer.payload_type,
            JitterBuffer(assembler, manner.latency_s, is_ordered=is_ordered),
            Outlets(self._take_frame, self._ended),
            is_laboratory=manner.is_laboratory,
        )

    def _take_interleaved(self, channel: int, data: bytes) -> None:
        if self._link is not None:
            self._link.take_interleaved(channel, data, self._clock.seconds())

    def _take_frame(self, frame: ReceivedFrame) -> None:
        self._retries = 0
        activity = self._player.activity
        placed = self._player.place(frame)
        if self._player.activity is not activity:
            self._audience.changed()
        self._audience.frame(placed)
        if self._still is not None and not self._still.called and self._link is not None:
            self._link.intake.hold()
            self._still.callback(None)

    def _ended(self) -> None:
        """The server has said that nothing follows, and all is through."""
        if self._player.state is State.PLAYING and self._still is None:
            self._player.ended()
            if self._wish.state is State.PLAYING:
                self._wish.state = State.READY
            self._strive()

    # --- What goes wrong ----------------------------------------------------------------------

    def _lost_connection(self, error: Exception) -> None:
        if self._wish.state is State.INIT:
            self._drop()
        else:
            self._try_again(error)
        self._audience.changed()

    def _failed(self, failure: Failure) -> None:
        """A step did not succeed."""
        error = failure.value
        if isinstance(error, CancelledError):
            self._drop()
        elif not isinstance(error, PlayerError):
            self._give_up("The player made a mistake; its log says more.")
            failure.raiseException()
        elif self._dialogue is None and self._wish.state is State.INIT:
            pass  # The connection was lost, and with it the answer; that is known already.
        elif self._retry is not None:
            pass  # Likewise.
        elif isinstance(error, LoginError):
            self._give_up(str(error))
            self._audience.login(error.realm, error.was_tried)
        elif isinstance(error, RefusedError) and self._link and error.status != _SESSION_NOT_FOUND:
            self._refused(error)
        else:
            self._try_again(error)

    def _refused(self, error: RefusedError) -> None:
        """The session goes on as it was, without what was wanted of it."""
        self._wish.state = self._player.state
        self._wish.seek_s = None
        self._wish.scale = self._player.scale
        if self._link is not None and self._player.state is State.READY:
            self._link.intake.hold()
        self.tell(str(error), is_error=True)

    def _try_again(self, error: Exception) -> None:
        """Later, and at the same place, if there was something to see before."""
        if not self._player.has_played:
            self._give_up(str(error))
            return
        self._drop(Activity.RECONNECTING)
        pause_s = RETRY_PAUSES_S[min(self._retries, len(RETRY_PAUSES_S) - 1)]
        self._retries += 1
        self._retry = self._clock.callLater(pause_s, self._connect_again)
        self.tell(f"{error} Trying again.", is_error=True)

    def _connect_again(self) -> None:
        self._retry = None
        self._strive()

    def _forget_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
        self._retry = None
        self._retries = 0

    def _give_up(self, text: str) -> None:
        self._drop(Activity.FAILED)
        self._wish.state = State.INIT
        self.tell(text, is_error=True)

    def _drop_link(self, activity: Activity = Activity.IDLE) -> None:
        link, self._link = self._link, None
        self._player.left(activity)
        if link is not None:
            link.close()

    def _drop(self, activity: Activity = Activity.IDLE) -> None:
        """Be done with the connection, whatever state it is in."""
        self._drop_link(activity)
        dialogue, self._dialogue = self._dialogue, None
        self._reached = None
        if dialogue is not None:
            dialogue.close()

    # --- Watching -----------------------------------------------------------------------------

    def _look(self) -> None:
        """Twice a second: is all well?"""
        now_s = self._clock.seconds()
        self._player.sample(self.figures(), now_s)
        notice = self._player.notice
        if notice is not None and not notice.is_error and now_s - self._told_s > NOTICE_S:
            self._player.notice = None
            self._audience.changed()
        if self._link is not None and self._player.state is State.PLAYING:
            self._player.lose(self._link.intake.jitter_buffer.take_losses())
            self._look_for_silence(self._link)

    def _look_for_silence(self, link: Link) -> None:
        silent_s = self._clock.seconds() - link.intake.heard_s
        is_stalled = self._player.activity is Activity.STALLED
        if silent_s >= FALLBACK_S and not link.intake.has_heard and self._may_fall_back:
            self._fall_back(
                f"Nothing came over UDP for {FALLBACK_S:.0f} s, so the film comes over TCP."
                " A firewall may be in the way."
            )
            self._strive()
        elif silent_s >= 2 * STALLED_S and self._step is None:
            self._try_again(SilenceError(f"Nothing has come for {2 * STALLED_S:.0f} s."))
        elif silent_s >= STALLED_S and not is_stalled:
            self._player.activity = Activity.STALLED
            self.tell(
                f"Nothing has come for {STALLED_S:.0f} s: the network or the camera is away.",
                is_error=True,
            )
        elif silent_s < STALLED_S and is_stalled:
            self._player.activity = Activity.PLAYING
            self._player.notice = None
            self._audience.changed()

    @property
    def _may_fall_back(self) -> bool:
        is_free = self._wish.lower is None and not self._manner.is_laboratory
        return is_free and self._lower is Lower.UDP

    def _fall_back(self, text: str) -> None:
        self._lower = Lower.TCP
        self.tell(text)

    def _need_dialogue(self) -> Dialogue:
        if self._dialogue is None:
            raise SilenceError("The connection is gone.")
        return self._dialogue

    def _need_link(self) -> Link:
        if self._link is None:
            raise SilenceError("The session is gone.")
        return self._link
