"""The program of a worker process: ``python -m mjpegd.workers``, started by the acceptor."""

import signal
import socket
import sys
import time
from importlib import import_module
from typing import cast

from twisted.logger import globalLogBeginner

from mjpegd.collector import settle
from mjpegd.workers.messages import LINE_FD, RTCP_FD, RTP_FD, Task
from mjpegd.workers.relay import Teller
from mjpegd.workers.worker import Reactor, Worker


def main() -> None:
    """Serve until the acceptor says so, or is gone."""
    task = Task.parse(sys.stdin.read())
    import_module(task.reactor).install()
    from twisted.internet import reactor

    running = cast(Reactor, reactor)  # the stubs know the reactor as the least that there is
    running.seconds = time.monotonic  # type: ignore[method-assign]  # meant to be replaced
    globalLogBeginner.beginLoggingTo([Teller(sys.stdout.buffer)], redirectStandardIO=False)
    worker = Worker(task, running, (_inherited(RTP_FD), _inherited(RTCP_FD)))
    # The reactor takes signals for itself when it starts to run.
    running.callWhenRunning(_leave_signals_to_the_acceptor)
    running.callWhenRunning(settle)
    running.callWhenRunning(worker.start, socket.socket(fileno=LINE_FD))
    running.run()


def _inherited(descriptor: int) -> socket.socket:
    """A socket of the acceptor's. Python takes it for one that blocks, and makes its copies so."""
    sock = socket.socket(fileno=descriptor)
    sock.setblocking(False)
    return sock


def _leave_signals_to_the_acceptor() -> None:
    """A terminal, or systemd, sends them to all processes of the daemon; the acceptor decides.

    They are not ignored but taken for nothing: what is ignored stays so in the processes that
    decode films.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2):
        signal.signal(number, lambda *_: None)


if __name__ == "__main__":
    main()
