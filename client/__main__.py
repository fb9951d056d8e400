"""The command ``mjpegd-player``, with a window or without."""

import sys
from collections.abc import Sequence

from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
    globalLogBeginner,
)

from .errors import LocationError
from .headless import Run
from .making import locate, the_reactor
from .options import EXIT_FAILED, EXIT_PLAYED, Settings, parse

NAME = "mjpegd-player"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    settings = parse(arguments)
    _begin_log()
    if settings.is_headless:
        return _run_headless(settings)
    return _run_window(settings)


def _run_window(settings: Settings) -> int:
    try:
        import tkinter

        from .app import run
    except ImportError as error:
        sys.stderr.write(
            f"{NAME}: this Python has no Tk ({error}): install it (on Debian and Ubuntu:"
            " apt install python3-tk), or use --headless\n"
        )
        return EXIT_FAILED
    try:
        root = tkinter.Tk(className=NAME)
    except tkinter.TclError as error:
        sys.stderr.write(f"{NAME}: no window can be opened ({error}); use --headless\n")
        return EXIT_FAILED
    run(root, settings, the_reactor())
    return EXIT_PLAYED


def _run_headless(settings: Settings) -> int:
    try:
        location = locate(settings, settings.address)
    except LocationError as error:
        sys.stderr.write(f"{NAME}: {error}\n")
        return EXIT_FAILED
    reactor = the_reactor()
    run = Run(reactor, settings, location)
    reactor.callWhenRunning(run.begin)
    reactor.run()
    return run.status


def _begin_log() -> None:
    """Warnings and worse go to standard error, one line each."""
    observer = FilteringLogObserver(
        FileLogObserver(sys.stderr, _line), [LogLevelFilterPredicate(LogLevel.warn)]
    )
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False, discardBuffer=True)


def _line(event: LogEvent) -> str:
    failure = event.get("log_failure")
    trace = failure.getTraceback() if failure else ""
    return f"{NAME}: {formatEvent(event)}\n{trace}"


if __name__ == "__main__":
    sys.exit(main())
