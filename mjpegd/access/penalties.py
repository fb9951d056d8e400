"""How long a wrong login waits for its answer: longer each time. A right one never waits."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred, succeed

from mjpegd.addresses import household
from mjpegd.limits import Limits


@dataclass(frozen=True, slots=True)
class Penalty:
    """What a wrong login costs.

    Attributes:
        wait_s: Seconds that its answer has to wait, counted from its request.
        is_new: It was not said before.
    """

    wait_s: float
    is_new: bool


class Penalties(Protocol):
    """Counts wrong logins; told of each before it is answered."""

    def failed(self, host: str, name: bytes, guess: bytes) -> "Deferred[Penalty]":
        """Count one more.

        Args:
            host: Where it came from.
            name: The user that was tried; of a longer one than a user can have, the beginning.
            guess: The same for the same user and password.
        """
        ...


class PenaltyBook:
    """Counts all of them here, for each address and for each name that was tried.

    A name that exists is counted like one that does not, and a right login changes nothing:
    what is said here would tell them apart.

    Args:
        limits: How long answers wait, and how much is remembered.
        seconds: The time; it never jumps.
    """

    def __init__(self, limits: Limits, seconds: Callable[[], float]) -> None:
        self._limits = limits
        self._hosts: _Counts[str] = _Counts(limits, seconds)
        self._names: _Counts[bytes] = _Counts(limits, seconds)
        self._guesses: _Counts[tuple[str, bytes]] = _Counts(limits, seconds)

    def failed(self, host: str, name: bytes, guess: bytes) -> "Deferred[Penalty]":
        """Count one more (see `Penalties`).

        GStreamer says the same eight times: that is one password tried, not eight. It is answered
        like the first wrong login.
        """
        limits, origin = self._limits, household(host)
        if self._guesses.add((origin, guess)) > 1:
            return succeed(Penalty(limits.first_refusal_s, is_new=False))
        doublings = min(max(self._hosts.add(origin), self._names.add(name)) - 1, 32)
        wait_s = min(limits.first_refusal_s * 2.0**doublings, limits.longest_refusal_s)
        return succeed(Penalty(wait_s, is_new=True))


T = TypeVar("T", bound=Hashable)


class _Counts(Generic[T]):
    """How often something happened lately; of too many things, those of long ago are forgotten."""

    def __init__(self, limits: Limits, seconds: Callable[[], float]) -> None:
        self._limits = limits
        self._seconds = seconds
        self._known: dict[T, tuple[int, float]] = {}  # in the order of their times

    def add(self, what: T) -> int:
        """It happened once more; how often it did so far."""
        now_s = self._seconds()
        count, at_s = self._known.pop(what, (0, now_s))
        if now_s - at_s >= self._limits.forget_refusals_s:
            count = 0
        self._known[what] = (count + 1, now_s)
        if len(self._known) > self._limits.remembered_refusals:
            del self._known[next(iter(self._known))]
        return count + 1
