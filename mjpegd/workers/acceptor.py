"""Accepts connections for all workers, hands each to one of them, and counts for all."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from itertools import count
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override

from mjpegd.access.penalties import Penalties
from mjpegd.access.users import Users
from mjpegd.capacity.admission import Admission, Presence, Seat
from mjpegd.capacity.guests import Standing
from mjpegd.errors import ConfigurationError, RTSPError
from mjpegd.logs import Tally
from mjpegd.ports import Pair, close_pairs
from mjpegd.settings import Settings
from mjpegd.workers import messages
from mjpegd.workers.arrivals import Arrival, Arrivals
from mjpegd.workers.crew import Crew, CrewReactor
from mjpegd.workers.first_words import named_tunnel, named_worker, worker_of_tunnel
from mjpegd.workers.messages import MAX_VALUE_BYTES, Cover, Line

_log = Logger()


class Post(Line):
    """One worker, as the acceptor sees it.

    Args:
        number: Which one, from 1.
        admission: Who counts.
        penalties: Who counts wrong logins.
        joined: Called when it can be given connections.
        left: Called when it can be given none any more.
        counted: Called when it has a tunnel more, or less.

    Attributes:
        connections: Connections that it has, by their numbers.
        seats: What its sessions take.
        tunnels: How many it has.
        encrypted: Addresses that have encrypted connections here, or had them and still sessions.
    """

    def __init__(
        self,
        number: int,
        admission: Admission,
        penalties: Penalties,
        joined: "Callable[[Post], None]",
        left: "Callable[[Post], None]",
        counted: Callable[[], None],
    ) -> None:
        super().__init__()
        self.number = number
        self.connections: dict[int, Presence] = {}
        self.seats: Counter[Seat] = Counter()
        self.tunnels = 0
        self.encrypted: set[str] = set()
        self._encrypted_hosts: dict[int, str] = {}
        self._admission = admission
        self._penalties = penalties
        self._joined = joined
        self._left = left
        self._counted = counted
        self._numbers = count(1)

    @property
    def load(self) -> int:
        """How busy it is: a viewer counts when it comes, and again when it has a session."""
        return len(self.connections) + self.seats.total()

    def hand_over(self, arrival: Arrival) -> None:
        """Give it a connection. One that it does not survive is not given to another."""
        host, said, addresses = arrival.host, arrival.said, arrival.addresses
        cover = arrival.cover
        connection, presence = arrival.take()
        number = next(self._numbers)
        self.connections[number] = presence
        presence.give_way = partial(self.callRemote, messages.GiveWay, number=number)
        if cover is Cover.TLS:
            self._encrypted_hosts[number] = host
            self.encrypted.add(host)
        done = self.callRemote(
            messages.HandOver,
            number=number,
            connection=connection.fileno(),
            said=said[:MAX_VALUE_BYTES],
            said_then=said[MAX_VALUE_BYTES:],
            cover=cover.value,
            **asdict(addresses),
        )
        done.addErrback(self._not_taken, host)
        done.addCallback(lambda _: connection.close())

    def _not_taken(self, failure: Failure, host: str) -> None:
        _log.warn(
            "worker {worker} has ended with a connection of {peer}", worker=self.number, peer=host
        )

    @messages.Ready.responder
    def ready(self) -> dict[str, Any]:
        """It can be given connections."""
        self._joined(self)
        return {}

    @messages.Stands.responder
    def stands(self, number: int, standing: str) -> dict[str, Any]:
        """It has heard of one of its connections."""
        self.connections[number].asks(Standing(standing))
        return {}

    @messages.Disconnected.responder
    def disconnected(self, number: int) -> dict[str, Any]:
        """One of its connections has closed."""
        self.connections.pop(number).leaves()
        if host := self._encrypted_hosts.pop(number, ""):
            self._has_left(host)
        return {}

    @messages.TakeSeat.responder
    def take_seat(self, **seat: Any) -> "Deferred[dict[str, str]]":
        """It wants to make a session."""
        taken = Seat(**seat)
        return self._admission.take_seat(taken).addCallbacks(self._seated, _refused, (taken,))

    def _seated(self, _: None, seat: Seat) -> dict[str, str]:
        self.seats[seat] += 1
        return {"refusal": ""}

    @messages.ChangeSeat.responder
    def change_seat(self, wanted_bits_per_s: int, **seat: Any) -> "Deferred[dict[str, str]]":
        """One of its sessions wants to need another bandwidth."""
        old = Seat(**seat)
        new = replace(old, bits_per_s=wanted_bits_per_s)
        changed = self._admission.change_seat(old, new)
        return changed.addCallbacks(self._changed, _refused, (old, new))

    def _changed(self, _: None, old: Seat, new: Seat) -> dict[str, str]:
        self._forget(old)
        return self._seated(None, new)

    @messages.GiveBackSeat.responder
    def give_back_seat(self, **seat: Any) -> dict[str, Any]:
        """One of its sessions has ended."""
        given = Seat(**seat)
        self._forget(given)
        self._admission.give_back_seat(given)
        self._has_left(given.host)
        return {}

    def _forget(self, seat: Seat) -> None:
        self.seats[seat] -= 1
        if not self.seats[seat]:
            del self.seats[seat]  # or everybody who ever came would stay

    @messages.TakeTunnel.responder
    def take_tunnel(self) -> dict[str, Any]:
        """A tunnel has begun there."""
        self.tunnels += 1
        self._counted()
        return {}

    @messages.GiveBackTunnel.responder
    def give_back_tunnel(self) -> dict[str, Any]:
        """A tunnel has ended there."""
        self.tunnels -= 1
        self._counted()
        return {}

    def _has_left(self, host: str) -> None:
        """Something of an address is gone; with the last of it the address is forgotten."""
        if host not in self.encrypted or host in self._encrypted_hosts.values():
            return
        if all(seat.host != host for seat in self.seats):
            self.encrypted.discard(host)

    @messages.FailedLogin.responder
    def failed_login(self, host: str, name: bytes, guess: bytes) -> "Deferred[dict[str, Any]]":
        """Somebody has tried to log in there."""
        return self._penalties.failed(host, name, guess).addCallback(asdict)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        self._left(self)
        if viewers := self.seats.total():
            _log.warn(
                "worker {worker} is gone, and its {viewers} viewers with it",
                worker=self.number,
                viewers=viewers,
            )
        for presence in self.connections.values():
            presence.leaves()
        for seat in self.seats.elements():
            self._admission.give_back_seat(seat)


def _refused(failure: Failure) -> dict[str, str]:
    failure.trap(RTSPError)
    return {"refusal": failure.getErrorMessage()}


class Acceptor:
    """Serves viewers by workers; has the same face as a `Theatre`.

    Args:
        settings: What the operator chose.
        reactor: Where it runs.
        pairs: The sockets of RTP and RTCP, a pair for each worker.
        admission: Who counts.
        penalties: Who counts wrong logins.
        tally: Counts what may come in floods.

    Attributes:
        factory: What connections of viewers are given to.
        encrypted: What those are given to that have to be encrypted; None where none is.
    """

    def __init__(
        self,
        settings: Settings,
        reactor: CrewReactor,
        pairs: Sequence[Pair],
        admission: Admission,
        penalties: Penalties,
        tally: Tally,
    ) -> None:
        self.factory = Arrivals(
            admission, reactor, settings.limits, self._place, settings.access, tally
        )
        self.encrypted: Arrivals | None = None
        if settings.tls is not None:
            self.encrypted = Arrivals(
                admission,
                reactor,
                settings.limits,
                self._place,
                settings.access,
                tally,
                has_tls=True,
            )
        self._users, self._tls = settings.access.users, settings.tls
        self._pairs = pairs
        self._admission = admission
        self._penalties = penalties
        self._tally = tally
        self._crew = Crew(settings, reactor, pairs, self._new_post)
        self._posts: dict[int, Post] = {}
        self._most_tunnels = settings.limits.tunnels
        self._are_tunnels_taken = False
        self._waiting: list[Arrival] = []
        self._all_ready: Deferred[None] = Deferred()
        self._missing = set(range(1, settings.workers + 1))

    def prepare(self) -> None:
        """See whether the workers will be able to read users file and certificate.

        Raises:
            ConfigurationError: One cannot be read, or makes no sense; says what to do.
        """
        if self._tls is not None:
            # Its packages are an extra of the installation.
            from mjpegd.encryption.certificates import Certificate

            Certificate.read(self._tls.certificate, self._tls.private_key)
        if self._users is None:
            return
        try:
            Users.read(self._users)
        except ConfigurationError as fault:
            raise ConfigurationError(f"--users {fault}") from None

    def read_again(self) -> None:
        """Have each worker read users file and certificate again."""
        for post in self._posts.values():
            post.callRemote(messages.ReadAgain)

    def take_stock(self) -> None:
        """Say in the log what all workers have together, and have each say the rest."""
        posts = self._posts.values()
        _log.info(
            "now: {connections} connections and {sessions} sessions with {workers} workers, "
            "{waiting} connections that have said nothing yet",
            connections=sum(len(post.connections) for post in posts),
            sessions=sum(post.seats.total() for post in posts),
            workers=len(posts),
            waiting=self.factory.waiting + (self.encrypted.waiting if self.encrypted else 0),
        )
        for post in posts:
            post.callRemote(messages.TakeStock)

    def start(self) -> None:
        """Start the workers."""
        self._crew.start()

    async def ready(self) -> None:
        """Wait until each worker has been ready once."""
        await self._all_ready

    async def announce(self, base_url: str) -> None:
        """Have one of the workers say what can be watched."""
        if self._posts:
            self._posts[min(self._posts)].callRemote(messages.Announce, base_url=base_url)

    async def close(self) -> None:
        """Have each worker say BYE to its viewers and end."""
        self.factory.abort_all()
        if self.encrypted is not None:
            self.encrypted.abort_all()
        for post in self._posts.values():
            post.callRemote(messages.Stop)
        await self._crew.close()
        self._tally.stop()
        close_pairs(self._pairs)

    def _new_post(self, number: int) -> Post:
        return Post(
            number,
            self._admission,
            self._penalties,
            self._joined,
            self._left,
            self._count_tunnels,
        )

    def _joined(self, post: Post) -> None:
        self._posts[post.number] = post
        post.callRemote(messages.Tunnels, are_taken=self._are_tunnels_taken)
        waiting, self._waiting = self._waiting, []
        for arrival in waiting:
            if arrival.is_here:
                self._place(arrival)
        self._missing.discard(post.number)
        if not self._missing and not self._all_ready.called:
            self._all_ready.callback(None)

    def _left(self, post: Post) -> None:
        self._posts.pop(post.number, None)
        self._count_tunnels()

    def _count_tunnels(self) -> None:
        """Have each worker know whether there is room for one more tunnel.

        Between that and the last one that was taken some more may begin, as many as a worker lets
        in within an instant: a question for each would hold up all of them.
        """
        are_taken = sum(post.tunnels for post in self._posts.values()) >= self._most_tunnels
        if are_taken is self._are_tunnels_taken:
            return
        self._are_tunnels_taken = are_taken
        for post in self._posts.values():
            post.callRemote(messages.Tunnels, are_taken=are_taken)

    def _place(self, arrival: Arrival) -> None:
        """Hand a connection to the worker that has its session, or else to the least busy one."""
        if not self._posts:
            self._waiting.append(arrival)
            return
        known = self._known_by(arrival)
        post = known or min(self._posts.values(), key=lambda post: (post.load, post.number))
        post.hand_over(arrival)

    def _known_by(self, arrival: Arrival) -> Post | None:
        """The worker that may have its session, or the other half of its tunnel.

        What an encrypted connection names cannot be read here. But a session is for one address,
        and so all encrypted connections of an address go to one worker.
        """
        if arrival.cover is Cover.TLS:
            posts = self._posts.values()
            return next((post for post in posts if arrival.host in post.encrypted), None)
        cookie = named_tunnel(arrival.said)
        if cookie is not None:
            return self._posts[worker_of_tunnel(arrival.host, cookie, self._posts)]
        return self._posts.get(named_worker(arrival.said) or 0)
