"""Tunnels over HTTP: two connections with one cookie are one conversation.

What a tunnel goes through::

    GET comes    its answer is begun; it waits for a POST
    POST comes   it waits for a GET, unread
    both         the client is heard; the conversation is that of the connection of the GET
    POST leaves  the GET waits for another one: clients begin a new POST when they like
    GET leaves   the tunnel ends, and the POST with it
"""

from collections.abc import Callable

from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from mjpegd.flow import Alarm
from mjpegd.limits import Limits
from mjpegd.logs import Tally
from mjpegd.tunnels.bearer import Bearer
from mjpegd.wire.errors import ParseError
from mjpegd.wire.tunnels import Base64Stream, HTTPError, opened

_log = Logger()

# Whose a tunnel is: the address, the cookie, and whether it is encrypted. The password that a
# client may send because the POST is encrypted must not be answered in plain text.
Key = tuple[str, str, bool]


class Pairs:
    """All tunnels over HTTP, found by their cookies.

    Args:
        clock: Time.
        limits: How many halves may wait for the other one, and for how long.
        tally: Counts what may come in floods.
        take: Called before there is one more; raises HTTPError where there are too many.
        give_back: Called when one has ended.
    """

    def __init__(
        self,
        clock: IReactorTime,
        limits: Limits,
        tally: Tally,
        take: Callable[[], None],
        give_back: Callable[[], None],
    ) -> None:
        self.limits = limits
        self._clock = clock
        self._tally = tally
        self._take = take
        self._give_back = give_back
        self._by_key: dict[Key, Tunnel] = {}
        self._waiting: dict[Tunnel, None] = {}

    def get(self, cookie: str, bearer: Bearer) -> "Down":
        """A GET has come.

        Raises:
            HTTPError: There is one with this cookie, or there are too many.
        """
        key = (bearer.host, cookie, bearer.is_secure)
        tunnel = self._by_key.get(key)
        if tunnel is not None and tunnel.has_get:
            raise HTTPError(400, "There is a GET with this x-sessioncookie already.")
        down = Down(tunnel or self._new(key))
        if self._tally.passes("more tunnels over HTTP"):
            _log.info("{peer} opens a tunnel over HTTP", peer=bearer.host)
        bearer.send_response(opened(), None)
        down.tunnel.take_get(bearer)
        return down

    def post(self, cookie: str, bearer: Bearer) -> "Up":
        """A POST has come.

        Raises:
            HTTPError: There are too many.
        """
        key = (bearer.host, cookie, bearer.is_secure)
        up = Up(self._by_key.get(key) or self._new(key), bearer)
        up.tunnel.take_post(up)
        return up

    def wait(self, tunnel: "Tunnel") -> None:
        """One half of a tunnel waits. Where too many do, the one that does so longest goes."""
        self._waiting.pop(tunnel, None)
        if len(self._waiting) >= self.limits.half_tunnels:
            next(iter(self._waiting)).give_up()
        self._waiting[tunnel] = None

    def complete(self, tunnel: "Tunnel") -> None:
        """Neither half of a tunnel waits any more."""
        self._waiting.pop(tunnel, None)

    def forget(self, tunnel: "Tunnel") -> None:
        """A tunnel has ended."""
        self._waiting.pop(tunnel, None)
        del self._by_key[tunnel.key]
        self._give_back()

    def _new(self, key: Key) -> "Tunnel":
        self._take()
        tunnel = self._by_key[key] = Tunnel(key, self, Alarm(self._clock))
        return tunnel


@implementer(IPushProducer)
class Tunnel:
    """One conversation over two connections.

    Args:
        key: Whose it is.
        pairs: Where it is found.
        alarm: Rings when one half has waited for the other for too long.
    """

    def __init__(self, key: Key, pairs: Pairs, alarm: Alarm) -> None:
        self.key = key
        self._pairs = pairs
        self._alarm = alarm
        self._get: Bearer | None = None
        self._post: Up | None = None
        self._is_paused = False
        self._is_over = False

    @property
    def has_get(self) -> bool:
        """The server can speak."""
        return self._get is not None

    def take_get(self, bearer: Bearer) -> None:
        """The half comes in which the server speaks."""
        self._get = bearer
        bearer.converse(self)
        self._next()

    def take_post(self, up: "Up") -> None:
        """The half comes in which the client speaks; it takes the place of an older one."""
        older, self._post = self._post, up
        if older is not None:
            older.bearer.hang_up()
        self._next()

    def leave_post(self, up: "Up") -> None:
        """A half has gone in which the client spoke."""
        if up is not self._post:
            return
        self._post = None
        if self._get is None:
            self.end()
        else:
            self._next()

    def hear(self, data: bytes) -> None:
        """The client says something."""
        if self._get is not None:
            self._get.hear(data)

    def give_up(self) -> None:
        """The other half does not come."""
        if self._get is not None:
            self._get.hang_up()
        elif self._post is not None:
            self._post.bearer.refuse_http(
                HTTPError(404, "From this address there is no GET with this x-sessioncookie.")
            )
        self.end()

    def hang_up(self) -> None:
        """End it: what the client says makes no sense."""
        if self._get is not None:
            self._get.hang_up()

    def end(self) -> None:
        """It is over; what is left of it is closed."""
        if self._is_over:
            return
        self._is_over = True
        self._alarm.stop()
        self._pairs.forget(self)
        if self._post is not None:
            self._post.bearer.hang_up()

    def pauseProducing(self) -> None:
        """The client is listened to no more (see IPushProducer)."""
        self._is_paused = True
        if self._post is not None:
            self._post.pause()

    def resumeProducing(self) -> None:
        """The client is listened to again (see IPushProducer)."""
        self._is_paused = False
        if self._post is not None:
            self._post.resume()

    def stopProducing(self) -> None:
        """The connection of the GET is gone (see IProducer); that is told by `Down.lost`."""

    def _next(self) -> None:
        """Wait for what is missing, or listen."""
        if self._is_over:
            return
        if self._get is None or self._post is None:
            self._alarm.set(self._pairs.limits.half_tunnel_s, self.give_up)
            self._pairs.wait(self)
        else:
            self._alarm.stop()
            self._pairs.complete(self)
            self._post.bearer.stay()
            if not self._is_paused:
                self._post.resume()


class Down:
    """The connection of a GET, on which the server speaks and the client is silent.

    Args:
        tunnel: What it belongs to.
    """

    def __init__(self, tunnel: Tunnel) -> None:
        self.tunnel = tunnel

    def received(self, data: bytes) -> None:
        """What comes here means nothing."""

    def closing(self) -> None:
        """The conversation has ended."""
        self.tunnel.end()

    def lost(self) -> None:
        """The client has gone."""
        self.tunnel.end()


class Up:
    """The connection of a POST, on which the client speaks and the server is silent.

    Args:
        tunnel: What it belongs to.
        bearer: The connection; nothing is read of it until `resume`.
    """

    def __init__(self, tunnel: Tunnel, bearer: Bearer) -> None:
        self.tunnel = tunnel
        self.bearer = bearer
        self._decoder = Base64Stream()
        self._kept = b""
        self._is_paused = True
        bearer.transport.pauseProducing()

    def received(self, data: bytes) -> None:
        """The client says something."""
        if self._is_paused:
            self._kept += data  # what came in one piece with the head
            return
        try:
            self.tunnel.hear(self._decoder.feed(data))
        except ParseError as fault:
            self.bearer.refuse_http(HTTPError(400, f"This is no base64: {fault}."))
            self.tunnel.hang_up()

    def pause(self) -> None:
        """Read no more."""
        self._is_paused = True
        self.bearer.transport.pauseProducing()

    def resume(self) -> None:
        """Read what has come."""
        self._is_paused = False
        kept, self._kept = self._kept, b""
        if kept:
            self.received(kept)
        if not self._is_paused:
            self.bearer.transport.resumeProducing()

    def closing(self) -> None:
        """Nothing is said here."""

    def lost(self) -> None:
        """The connection is gone; another may come."""
        self.tunnel.leave_post(self)
