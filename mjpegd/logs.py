"""How things are said in the log: foreign text escaped, floods as one line per interval."""

from collections import Counter
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

_log = Logger()

# Long enough for any real path or User-Agent, short enough that nobody fills a log with it.
SHOWN_CHARACTERS = 200
FLOOD_INTERVAL_S = 10.0
# Of lines that name a viewer, so many are written before the rest becomes a number.
LINES_PER_INTERVAL = 20


def shown(text: str) -> str:
    r"""Foreign text for a log line: control characters escaped, bounded in length.

    A file name or header cannot forge a line, move a terminal's cursor, or break a strict
    encoder: line breaks, escapes, bidirectional controls and lone surrogates appear as escapes.
    """
    if len(text) > SHOWN_CHARACTERS:
        text = text[:SHOWN_CHARACTERS] + "…"
    return "".join(
        character if character.isprintable() and character != "\\" else ascii(character)[1:-1]
        for character in text
    )


def say_count(kind: str, count: int) -> None:
    """The line of a tally that belongs to no viewer in particular."""
    _log.warn("{count} {kind}", count=count, kind=kind)


def openssl_reason(fault: BaseException) -> str:
    """What OpenSSL has to say of a fault, without the names of its functions."""
    errors = fault.args[0] if fault.args and isinstance(fault.args[0], list) else []
    return ", ".join(str(error[-1]) for error in errors) or str(fault)


class Tally:
    """Counts things that may come in floods, and says them once per interval.

    The first of a kind is said at once; what follows within the interval, as a number.

    Args:
        clock: When an interval has passed.
        say: Called with the kind and how many of it there were since it was said last.
    """

    def __init__(self, clock: IReactorTime, say: Callable[[str, int], None]) -> None:
        self._clock = clock
        self._say = say
        self._counts: Counter[str] = Counter()
        self._written: Counter[str] = Counter()
        self._calls: dict[str, IDelayedCall] = {}

    def count(self, kind: str, times: int = 1) -> None:
        """More of this kind. Kinds are fixed words of ours, never remote text."""
        if kind in self._counts:
            self._counts[kind] += times
        else:
            self._counts[kind] = 0
            self._say(kind, times)
            self._calls[kind] = self._clock.callLater(FLOOD_INTERVAL_S, self._sum_up, kind)

    def passes(self, kind: str) -> bool:
        """Whether one more line of this kind may be written; those that may not are counted.

        For lines that say who and what, which a flood would make useless.
        """
        if kind not in self._counts:
            self._counts[kind] = 0
            self._written[kind] = 0
            self._calls[kind] = self._clock.callLater(FLOOD_INTERVAL_S, self._sum_up, kind)
        self._written[kind] += 1
        if self._written[kind] <= LINES_PER_INTERVAL:
            return True
        self._counts[kind] += 1
        return False

    def stop(self) -> None:
        """Say what is left to say, now."""
        for kind, call in self._calls.items():
            call.cancel()
            if count := self._counts.pop(kind):
                self._say(kind, count)
        self._calls.clear()

    def _sum_up(self, kind: str) -> None:
        count = self._counts.pop(kind)
        del self._calls[kind]
        self._written.pop(kind, None)
        if count:
            self._counts[kind] = 0
            self._say(kind, count)
            self._calls[kind] = self._clock.callLater(FLOOD_INTERVAL_S, self._sum_up, kind)
