"""How long a wrong login waits for its answer: longer each time. A right one never waits."""

from collections.abc import Callable

from mjpegd.addresses import household
from mjpegd.limits import Limits
from mjpegd.users import MAX_NAME_CHARACTERS


class Penalties:
    """Counts wrong logins, for each address and for each name that was tried.

    A name that exists is counted like one that does not, and a right login changes nothing:
    what is said here would tell them apart.

    Args:
        limits: How long answers wait, and how much is remembered.
        seconds: The time; it never jumps.
    """

    def __init__(self, limits: Limits, seconds: Callable[[], float]) -> None:
        self._limits = limits
        self._hosts = _Counts(limits, seconds)
        self._names = _Counts(limits, seconds)
        self._guesses = _Counts(limits, seconds)

    def repeats(self, host: str, name: str, guess: str) -> bool:
        """Whether an address said exactly this, and in vain, before.

        GStreamer says the same eight times: that is one password tried, not eight. It is answered
        like the first wrong login.
        """
        return self._guesses.add(f"{household(host)} {hash((name, guess))}") > 1

    def failed(self, host: str, name: str) -> float:
        """One more; how many seconds its answer has to wait, counted from its request."""
        times = max(
            self._hosts.add(household(host)),
            # What no user can be called may be as long as a header.
            self._names.add(name[: MAX_NAME_CHARACTERS + 1]),
        )
        limits = self._limits
        doublings = min(times - 1, 32)
        return min(limits.first_refusal_s * 2.0**doublings, limits.longest_refusal_s)


class _Counts:
    """How often something happened lately; of too many things, those of long ago are forgotten."""

    def __init__(self, limits: Limits, seconds: Callable[[], float]) -> None:
        self._limits = limits
        self._seconds = seconds
        self._known: dict[str, tuple[int, float]] = {}  # in the order of their times

    def add(self, what: str) -> int:
        """It happened once more; how often it did so far."""
        now_s = self._seconds()
        count, at_s = self._known.pop(what, (0, now_s))
        if now_s - at_s >= self._limits.forget_refusals_s:
            count = 0
        self._known[what] = (count + 1, now_s)
        if len(self._known) > self._limits.remembered_refusals:
            del self._known[next(iter(self._known))]
        return count + 1
