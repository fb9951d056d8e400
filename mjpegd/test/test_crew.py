"""Worker processes: what they are given, and what happens when they end."""

import os
import signal
from collections.abc import Mapping, Sequence
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol, ServerFactory
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.options import Options
from mjpegd.ports import Pair, bind_pairs, close_pairs
from mjpegd.settings import Settings
from mjpegd.test.conversation import said
from mjpegd.workers.crew import END_S, LAST_PAUSE_S, STEADY_S, Crew, CrewReactor
from mjpegd.workers.messages import LINE_FD, RTCP_FD, RTP_FD, Line, Task


def settings(*arguments: str) -> Settings:
    options = Options()
    options.parseOptions(arguments)
    return options.settings


class TaskTests(SynchronousTestCase):
    def test_a_task_is_read_as_it_was_written(self) -> None:
        for arguments in (
            [],
            ["--media=/my films", "--frame-rate=30000/1001", "--listen=tcp:1", "--listen=tcp:2"],
            ["--loop", "--quality=70", "--max-sessions=5", "--interface=::1"],
            ["--users=/etc/users.toml", "--allow=192.0.2.0/24", "--allow=::1"],
            ["--certificate=/etc/all.pem", "--tls-only"],
            ["--certificate=/etc/all.pem", "--private-key=/etc/key.pem", "--tls-port=322"],
            ["--max-tunnels=5", "--websocket-origin=https://a.example", "--websocket-origin=*"],
            ["--auth=memory:anna:secret", "--auth=memory:bert:secret"],
        ):
            task = Task(3, "twisted.internet.epollreactor", settings(*arguments), "0a")

            self.assertEqual(Task.parse(task.to_text()), task)


class ShareTests(SynchronousTestCase):
    def test_what_is_made_at_a_time_is_divided(self) -> None:
        making = settings("--workers=3", "--threads=7", "--decoders=9").share.making

        self.assertEqual((making.threads, making.decoders), (2, 3))

    def test_each_worker_has_one_at_least(self) -> None:
        making = settings("--workers=4", "--threads=2", "--decoders=1").share.making

        self.assertEqual((making.threads, making.decoders), (1, 1))

    def test_one_worker_has_all(self) -> None:
        self.assertEqual(settings().share, settings())


class Process:
    """A worker process that a test ends."""

    def __init__(
        self, protocol: ProcessProtocol, arguments: Sequence[str], files: Mapping[int, int | str]
    ) -> None:
        self.protocol = protocol
        self.arguments = arguments
        self.written = b""
        self.is_told = False
        self.is_alive = True
        self.files = {
            number: os.fstat(file).st_ino for number, file in files.items() if isinstance(file, int)
        }
        protocol.makeConnection(self)

    def write(self, data: bytes) -> None:
        self.written += data

    def closeStdin(self) -> None:  # noqa: N802 - Twisted's
        self.is_told = True

    def signalProcess(self, signalID: str) -> None:  # noqa: N802, N803 - Twisted's
        if not self.is_alive:
            raise ProcessExitedAlready
        self.end(by_signal=signal.SIGKILL)

    def end(self, status: int | None = None, by_signal: int | None = None) -> None:
        self.is_alive = False
        reason = ProcessTerminated(status, by_signal) if status or by_signal else ProcessDone(0)
        self.protocol.processEnded(Failure(reason))


class Reactor(Clock):
    """Processes and lines as a test sees them."""

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[Process] = []
        self.lines: list[object] = []
        self.refusal: OSError | None = None

    def spawnProcess(  # noqa: N802 - Twisted's
        self,
        protocol: ProcessProtocol,
        executable: str,
        arguments: Sequence[str],
        env: Mapping[str, str],
        childFDs: Mapping[int, int | str],  # noqa: N803 - Twisted's
    ) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.processes.append(Process(protocol, arguments, childFDs))

    def adoptStreamConnection(  # noqa: N802 - Twisted's
        self, descriptor: int, family: int, factory: ServerFactory
    ) -> None:
        self.lines.append(factory.buildProtocol(None))


class CrewTestCase(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.pairs: list[Pair] = bind_pairs("127.0.0.1", 0, 2)
        self.addCleanup(close_pairs, self.pairs)
        self.reactor = Reactor()
        self.posts: list[tuple[int, Line]] = []
        # The stubs want all of a reactor; this is what a crew calls.
        reactor = cast(CrewReactor, self.reactor)
        self.crew = Crew(settings("--workers=2"), reactor, self.pairs, self.new_post)

    def new_post(self, number: int) -> Line:
        self.posts.append((number, Line()))
        return self.posts[-1][1]

    def start(self) -> list[Process]:
        self.crew.start()
        return self.reactor.processes


class CrewTests(CrewTestCase):
    def test_each_worker_is_told_what_it_is(self) -> None:
        for number, process in enumerate(self.start(), start=1):
            task = Task.parse(process.written.decode())
            self.assertEqual((task.number, task.settings), (number, settings("--workers=2").share))
            self.assertEqual(task.reactor, Reactor.__module__)
            self.assertTrue(process.is_told)
            self.assertEqual(process.arguments[-2:], ["mjpegd.workers", str(number)])

    def test_each_worker_has_a_line_and_ports_of_its_own(self) -> None:
        for pair, process in zip(self.pairs, self.start(), strict=True):
            inodes = [os.fstat(sock.fileno()).st_ino for sock in pair]
            self.assertEqual([process.files[RTP_FD], process.files[RTCP_FD]], inodes)

        self.assertEqual(len({process.files[LINE_FD] for process in self.reactor.processes}), 2)
        self.assertEqual(self.reactor.lines, [post for _, post in self.posts])

    def test_one_that_ends_starts_anew_with_the_same_ports(self) -> None:
        first, _ = self.start()
        with capturedLogs() as events:
            first.end(by_signal=9)

        self.assertEqual(said(events), ["worker 1 was ended by signal 9; it starts anew in 1 s"])
        self.reactor.advance(0.9)
        self.assertEqual(len(self.reactor.processes), 2)
        self.reactor.advance(0.2)
        anew = self.reactor.processes[2]
        self.assertEqual(Task.parse(anew.written.decode()).number, 1)
        self.assertEqual(anew.files[RTP_FD], first.files[RTP_FD])
        self.assertEqual([number for number, _ in self.posts], [1, 2, 1])

    def test_how_it_ended_is_said(self) -> None:
        for ending, says in [
            ({"status": 1}, "worker 1 has failed (status 1)"),
            ({}, "worker 1 has ended"),
        ]:
            self.setUp()
            with capturedLogs() as events:
                self.start()[0].end(**ending)
            self.assertIn(says, said(events)[0])

    def test_pauses_grow(self) -> None:
        self.start()
        pauses = []
        for _ in range(8):
            self.reactor.processes[-1].end(status=1)
            count, began_s = len(self.reactor.processes), self.reactor.seconds()
            while len(self.reactor.processes) == count:
                self.reactor.advance(0.5)
            pauses.append(self.reactor.seconds() - began_s)

        self.assertEqual(pauses, [1, 2, 4, 8, 16, 32, LAST_PAUSE_S, LAST_PAUSE_S])

    def test_one_that_ran_for_long_begins_with_a_short_pause(self) -> None:
        self.start()
        for _ in range(4):
            self.reactor.processes[-1].end(status=1)
            self.reactor.advance(20)
        self.reactor.advance(STEADY_S)
        self.reactor.processes[-1].end(status=1)

        count = len(self.reactor.processes)
        self.reactor.advance(1)
        self.assertEqual(len(self.reactor.processes), count + 1)

    def test_one_that_cannot_be_started_is_tried_again(self) -> None:
        self.reactor.refusal = BlockingIOError(11, "Resource temporarily unavailable")
        with capturedLogs() as events:
            self.start()
        self.assertIn(
            "worker 1 cannot be started (Resource temporarily unavailable)", said(events)[0]
        )

        self.reactor.refusal = None
        self.reactor.advance(1)
        self.assertEqual(len(self.reactor.processes), 2)

    def test_what_it_says_is_in_the_log(self) -> None:
        first, second = self.start()
        with capturedLogs() as events:
            first.protocol.childDataReceived(1, b'["info", "mjpegd.session", "hello"]\n')
            second.protocol.childDataReceived(2, b"Killed\n")

        self.assertEqual(said(events), ["[worker 1] hello", "[worker 2] Killed"])


class EndTests(CrewTestCase):
    def test_the_crew_has_ended_when_all_have(self) -> None:
        first, second = self.start()
        closing = Deferred.fromCoroutine(self.crew.close())
        for process in (first, second):
            self.assertNoResult(closing)
            process.end()
            self.reactor.advance(0.1)

        self.successResultOf(closing)
        self.reactor.advance(LAST_PAUSE_S)
        self.assertEqual(len(self.reactor.processes), 2)

    def test_who_does_not_end_is_ended(self) -> None:
        first, second = self.start()
        first.end()
        closing = Deferred.fromCoroutine(self.crew.close())
        self.reactor.pump([0.1] * round(END_S * 10 + 2))

        self.successResultOf(closing)
        self.assertFalse(second.is_alive)

    def test_nobody_is_started_any_more(self) -> None:
        self.start()[0].end(status=1)
        closing = Deferred.fromCoroutine(self.crew.close())
        self.reactor.pump([0.1] * 60)

        self.successResultOf(closing)
        self.assertEqual(len(self.reactor.processes), 2)
