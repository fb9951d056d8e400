"""Which connections there are, and which of them gives way where there is no room for a new one."""

from collections import OrderedDict
from collections.abc import Callable
from enum import Enum

from mjpegd.limits import Limits


class Standing(Enum):
    """What is known of the client of a connection.

    STRANGER   a login is needed for something here, and it has neither logged in nor a session
    KNOWN      it has no session
    SEATED     it has one: such a connection never gives way

    A stranger who has had a session is known, even when that has ended.
    """

    STRANGER = "stranger"
    KNOWN = "known"
    SEATED = "seated"


def _stay() -> None:
    """Whoever has gone, or is not served yet, cannot give way."""


class Guest:
    """A connection that was let in.

    Args:
        host: The client's address.
        standing: What is known of it.
        guests: All of them, this one among them.

    Attributes:
        give_way: Closes the connection; whoever serves it says how.
    """

    def __init__(self, host: str, standing: Standing, guests: "Guests") -> None:
        self.host = host
        self.standing = standing
        self.give_way: Callable[[], None] = _stay
        self._guests = guests

    def asks(self, standing: Standing) -> None:
        """A request has come of it, or what is known of it has changed."""
        self._guests.move(self, standing)

    def leaves(self) -> None:
        """Its connection has closed; harmless where that is known."""
        self._guests.remove(self)
        self.give_way = _stay


class _Group:
    """Guests of one kind: how many, and who has been without a request or session the longest.

    Args:
        most: How many there may be.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        # A plain dict would be searched from its beginning, past all that were taken from there.
        self._unseated: OrderedDict[Guest, None] = OrderedDict()

    def __len__(self) -> int:
        return self._count

    @property
    def is_full(self) -> bool:
        return self._count >= self._most

    @property
    def first_to_go(self) -> Guest | None:
        return next(iter(self._unseated), None)

    def add(self, guest: Guest) -> None:
        self._count += 1
        self.refile(guest)

    def refile(self, guest: Guest) -> None:
        self._unseated.pop(guest, None)
        if guest.standing is not Standing.SEATED:
            self._unseated[guest] = None

    def remove(self, guest: Guest) -> None:
        self._count -= 1
        self._unseated.pop(guest, None)


class Guests:
    """All connections: in all, by address, and those of strangers.

    Args:
        limits: How many there may be of each.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._here: set[Guest] = set()
        self._all = _Group(limits.connections)
        self._strangers = _Group(limits.unauthenticated)
        self._by_host: dict[str, _Group] = {}

    def __len__(self) -> int:
        return len(self._all)

    def come(self, host: str, standing: Standing) -> tuple[Guest | None, int]:
        """One more.

        Returns:
            It, or None where all for whom there is room have sessions; and how many others gave
            way to it.
        """
        guest = Guest(host, standing, self)
        # Whoever gives way of one address makes room in all, so the smaller groups come first.
        groups = self._groups_of(guest)
        if any(group.is_full and group.first_to_go is None for group in groups):
            self._forget_if_nobody(host)
            return None, 0
        gone = 0
        for group in groups:
            while group.is_full and (other := group.first_to_go) is not None:
                self.remove(other)
                other.give_way()
                gone += 1
        self._here.add(guest)
        for group in self._groups_of(guest):
            group.add(guest)
        return guest, gone

    def move(self, guest: Guest, standing: Standing) -> None:
        """It was heard of: others go first."""
        if guest not in self._here:
            return
        if guest.standing is Standing.STRANGER and standing is not Standing.STRANGER:
            self._strangers.remove(guest)
        if standing is not Standing.STRANGER:
            guest.standing = standing
        for group in self._groups_of(guest):
            group.refile(guest)

    def remove(self, guest: Guest) -> None:
        """It has gone."""
        if guest not in self._here:
            return
        self._here.discard(guest)
        for group in self._groups_of(guest):
            group.remove(guest)
        self._forget_if_nobody(guest.host)

    def _groups_of(self, guest: Guest) -> list[_Group]:
        host = guest.host
        if host not in self._by_host:
            self._by_host[host] = _Group(self._limits.connections_per_address)
        groups = [self._by_host[host], self._all]
        return [self._strangers, *groups] if guest.standing is Standing.STRANGER else groups

    def _forget_if_nobody(self, host: str) -> None:
        if not self._by_host[host]:
            del self._by_host[host]  # or every address that ever came would stay
