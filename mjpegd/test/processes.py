"""Decoding processes within the process of a test, and the reactor that starts them."""

import os
import signal
from collections.abc import Mapping, Sequence

from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from mjpegd.sources.decoder_messages import Task
from mjpegd.sources.decoding import Worker


class FakeProcess:
    """A decoding process within this one: its work is done when a test says so.

    Attributes:
        is_alive: It has not ended.
        is_dying: It was killed, or has ended.
        received: All that the daemon told it.
    """

    pid = 1

    def __init__(self, protocol: ProcessProtocol, task: Task, descriptor: int) -> None:
        self.is_alive = True
        self.is_dying = False
        self._protocol = protocol
        self._descriptor = os.dup(descriptor)
        self._worker = Worker(self._descriptor, task)
        self._is_opened = False
        self._works_at_once = False
        self._has_pipes = True
        self.received = b""
        protocol.makeConnection(self)

    def work(self) -> bool:
        """Do one thing; False if there was nothing to do."""
        if self.is_dying or (self._is_opened and self._worker.is_idle):
            return False
        messages = self._worker.work() if self._is_opened else self._worker.open()
        self._is_opened = True
        for message in messages:
            # In two portions, as pipes may bring it.
            data = message.to_bytes()
            self.say(data[:5])
            self.say(data[5:])
        return True

    def begin_to_work_at_once(self) -> None:
        """Do all that there is to do, now and whenever it is told something."""
        self._works_at_once = True
        while self.work():
            pass

    def say(self, data: bytes, descriptor: int = 1) -> None:
        """Write something: 1 is what the daemon reads, 2 what it logs."""
        if not self.is_dying:
            self._protocol.childDataReceived(descriptor, data)

    def end(self, status: int | None = None, by_signal: int | None = None) -> None:
        """It is gone."""
        if not self.is_alive:
            return
        self.is_alive, self.is_dying = False, True
        os.close(self._descriptor)
        reason = ProcessTerminated(status, by_signal) if status or by_signal else ProcessDone(0)
        self._protocol.processEnded(Failure(reason))

    def hang_up(self) -> None:
        """It is dying: its pipes are gone, the system has not told of its end."""
        self._has_pipes = False
        for descriptor in (0, 1, 2):
            self._protocol.childConnectionLost(descriptor)

    def writeToChild(self, childFD: int, data: bytes) -> None:  # noqa: N802, N803 -- Twisted's
        if not self._has_pipes:
            raise KeyError(childFD)
        self.received += data
        self._worker.receive(data)
        if self._works_at_once:
            self.begin_to_work_at_once()

    def signalProcess(self, signalID: str) -> None:  # noqa: N802, N803 -- Twisted's
        assert signalID == "KILL"
        self.is_dying = True


class FakeProcesses(Clock):
    """A reactor whose processes are each a `FakeProcess`.

    Args:
        works_at_once: Processes do what they have to do without being told.

    Attributes:
        started: All of them, ever.
        refuses: No more are started.
        refusal: What is raised instead.
    """

    def __init__(self, *, works_at_once: bool = False) -> None:
        super().__init__()
        self._works_at_once = works_at_once
        self.started: list[FakeProcess] = []
        self.refuses = False
        self.refusal: Exception = BlockingIOError(11, "Resource temporarily unavailable")

    def spawnProcess(  # noqa: N802 -- Twisted's
        self,
        protocol: ProcessProtocol,
        executable: str,
        arguments: Sequence[str],
        env: Mapping[str, str],
        childFDs: Mapping[int, int | str],  # noqa: N803 -- Twisted's
    ) -> None:
        if self.refuses:
            raise self.refusal
        descriptor = childFDs[3]
        assert isinstance(descriptor, int)
        process = FakeProcess(protocol, Task.parse(arguments[-1]), descriptor)
        self.started.append(process)
        if self._works_at_once:
            process.begin_to_work_at_once()

    def work(self) -> None:
        """All processes do what they have to do, those that are killed end."""
        while sum(process.work() for process in self.started):
            self.bury()
        self.bury()

    def bury(self) -> None:
        """Processes that were killed end."""
        for process in self.started:
            if process.is_dying:
                process.end(by_signal=signal.SIGKILL)
