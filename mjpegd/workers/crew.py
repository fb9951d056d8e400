"""The worker processes: started, listened to, and started anew when they end."""

import os
import secrets
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from twisted.internet.error import ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import (
    IProcessTransport,
    IReactorProcess,
    IReactorSocket,
    IReactorTime,
)
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override

from mjpegd.access.nonces import KEY_BYTES
from mjpegd.flow import Alarm
from mjpegd.ports import Pair
from mjpegd.settings import Settings
from mjpegd.workers.messages import LINE_FD, RTCP_FD, RTP_FD, Line, LineFactory, Task
from mjpegd.workers.relay import Lines, complain, repeat

_log = Logger()

# A worker that ends is started anew after this; each time after twice as long, up to the last.
FIRST_PAUSE_S = 1.0
LAST_PAUSE_S = 60.0
# One that ran for so long begins with the first pause again.
STEADY_S = 60.0
# A worker takes a second to say BYE; one that does not end then is ended.
END_S = 1.5


class CrewReactor(IReactorProcess, IReactorTime, IReactorSocket):
    """What workers need of a reactor."""


class Crew:
    """All workers.

    Args:
        settings: What the operator chose.
        reactor: Where they are started.
        pairs: The sockets of RTP and RTCP, a pair for each. They stay open here, so that a worker
            that starts anew has the same.
        new_post: Makes the acceptor's end of the line to a worker, by its number.
    """

    def __init__(
        self,
        settings: Settings,
        reactor: CrewReactor,
        pairs: Sequence[Pair],
        new_post: Callable[[int], Line],
    ) -> None:
        self._reactor = reactor
        reactor_module = type(reactor).__module__
        # Who has logged in is known by all of them, and by one that starts anew.
        key = secrets.token_hex(KEY_BYTES)
        self._keepers = [
            Keeper(Task(number, reactor_module, settings.share, key), reactor, pair, new_post)
            for number, pair in enumerate(pairs, start=1)
        ]

    def start(self) -> None:
        """Start all of them."""
        for keeper in self._keepers:
            keeper.start()

    async def close(self) -> None:
        """Wait until all have ended, as they were told to; those that do not are ended."""
        for keeper in self._keepers:
            keeper.retire()
        until_s = self._reactor.seconds() + END_S
        while self._is_running and self._reactor.seconds() < until_s:
            await deferLater(self._reactor, 0.02)
        for keeper in self._keepers:
            keeper.kill()
        while self._is_running:
            await deferLater(self._reactor, 0.02)

    @property
    def _is_running(self) -> bool:
        return any(keeper.is_running for keeper in self._keepers)


class Keeper:
    """Keeps one worker running.

    Args:
        task: What the worker is told.
        reactor: Where it is started.
        pair: Its sockets of RTP and RTCP.
        new_post: Makes the acceptor's end of the line to it, by its number.
    """

    def __init__(
        self,
        task: Task,
        reactor: CrewReactor,
        pair: Pair,
        new_post: Callable[[int], Line],
    ) -> None:
        self._task = task
        self._reactor = reactor
        self._pair = pair
        self._new_post = new_post
        self._process: WorkerProcess | None = None
        self._again = Alarm(reactor)
        self._is_retired = False
        self._started_s = 0.0
        self._pause_s = FIRST_PAUSE_S

    @property
    def is_running(self) -> bool:
        """There is a process."""
        return self._process is not None

    def start(self) -> None:
        """Start a process; it says by its line when it is ready."""
        self._started_s = self._reactor.seconds()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            for end in (ours, theirs):
                end.setblocking(False)
            process = WorkerProcess(self._task, self._ended)
            try:
                self._spawn(process, theirs)
            except OSError as refusal:
                self._start_again(f"cannot be started ({refusal.strerror})")
                return
            self._process = process
            self._reactor.adoptStreamConnection(
                ours.fileno(), socket.AF_UNIX, LineFactory(self._new_post(self._task.number))
            )

    def retire(self) -> None:
        """When it ends now, it is for good."""
        self._is_retired = True
        self._again.stop()

    def kill(self) -> None:
        """End the process if it runs."""
        if self._process is not None:
            self._process.kill()

    def _spawn(self, process: "WorkerProcess", line: socket.socket) -> None:
        rtp, rtcp = self._pair
        path = os.pathsep.join(folder for folder in map(str, sys.path) if folder)
        self._reactor.spawnProcess(
            process,
            sys.executable,
            # The folder that the daemon happens to work in is no place to look for modules.
            [sys.executable, "-P", "-m", "mjpegd.workers", str(self._task.number)],
            env={**os.environ, "PYTHONPATH": path},
            childFDs={
                0: "w",
                1: "r",
                2: "r",
                LINE_FD: line.fileno(),
                RTP_FD: rtp.fileno(),
                RTCP_FD: rtcp.fileno(),
            },
        )

    def _ended(self, how: str) -> None:
        self._process = None
        if not self._is_retired:
            self._start_again(how)

    def _start_again(self, why: str) -> None:
        if self._reactor.seconds() - self._started_s >= STEADY_S:
            self._pause_s = FIRST_PAUSE_S
        _log.error(
            "worker {worker} {why}; it starts anew in {pause_s:.0f} s",
            worker=self._task.number,
            why=why,
            pause_s=self._pause_s,
        )
        self._again.set(self._pause_s, self.start)
        self._pause_s = min(2 * self._pause_s, LAST_PAUSE_S)


class WorkerProcess(ProcessProtocol):
    """One run of a worker: what it says in the log, and its end.

    Args:
        task: What it is told.
        ended: Called once with how it ended, for people.
    """

    transport: IProcessTransport

    def __init__(self, task: Task, ended: Callable[[str], None]) -> None:
        self._task = task
        self._ended = ended
        self._events = Lines(partial(repeat, task.number))
        self._complaints = Lines(partial(complain, task.number))

    def kill(self) -> None:
        """End it now."""
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")

    @override
    def connectionMade(self) -> None:
        self.transport.write(self._task.to_text().encode())
        self.transport.closeStdin()

    @override
    def outReceived(self, data: bytes) -> None:
        self._events.feed(data)

    @override
    def errReceived(self, data: bytes) -> None:
        self._complaints.feed(data)

    @override
    def processEnded(self, reason: Failure) -> None:
        self._ended(_how(reason))


def _how(reason: Failure) -> str:
    """How a process ended, by what the system says of it."""
    status = reason.value
    if not isinstance(status, ProcessTerminated):
        return "has ended"
    if status.signal is not None:
        return f"was ended by signal {status.signal}"
    return f"has failed (status {status.exitCode})"
