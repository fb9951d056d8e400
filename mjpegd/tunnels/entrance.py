"""What comes as HTTP to the RTSP port: a tunnel is let in, all else is told what this port is."""

from collections.abc import Container
from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from mjpegd.limits import Limits
from mjpegd.logs import Tally, shown
from mjpegd.tunnels.bearer import Bearer, Inlet
from mjpegd.tunnels.pairs import Pairs
from mjpegd.wire.messages import Request
from mjpegd.wire.tunnels import Get, HTTPError, Post, Upgrade, parse_opening, upgraded

_log = Logger()

# In the place of an origin: that of any web page.
ANY_ORIGIN = "*"


class Room(Protocol):
    """Counts tunnels."""

    def take_tunnel(self) -> bool:
        """Count one more; False if there is no room for it."""
        ...

    def give_back_tunnel(self) -> None:
        """One that was counted has ended."""
        ...


class Entrance:
    """Lets tunnels in.

    Args:
        clock: Time.
        limits: How long halves of them may wait.
        tally: Counts what may come in floods.
        origins: Of the web pages that may use WebSocket.
        room: Whether there may be one more.
    """

    def __init__(
        self,
        clock: IReactorTime,
        limits: Limits,
        tally: Tally,
        origins: Container[str],
        room: Room,
    ) -> None:
        self._tally = tally
        self._origins = origins
        self._room = room
        self._pairs = Pairs(clock, limits, tally, self._take, room.give_back_tunnel)

    def enter(self, request: Request, bearer: Bearer) -> Inlet:
        """See what a request of HTTP opens; what follows it is for the result.

        Raises:
            HTTPError: Nothing.
        """
        opening = parse_opening(request)
        if isinstance(opening, Get):
            return self._pairs.get(opening.cookie, bearer)
        if isinstance(opening, Post):
            return self._pairs.post(opening.cookie, bearer)
        return self._upgrade(opening, bearer)

    def _upgrade(self, opening: Upgrade, bearer: Bearer) -> Inlet:
        if opening.origin is not None:
            self._check_origin(opening.origin, bearer)
        try:
            from mjpegd.tunnels.websocket import WebSocket
        except ModuleNotFoundError:
            if self._tally.passes("more requests for WebSocket, which is not installed"):
                _log.warn(
                    "{peer} asks for WebSocket, which is not installed: "
                    "pip install 'mjpegd[websocket]'",
                    peer=bearer.host,
                )
            raise HTTPError(501, "WebSocket is not installed on this server.") from None
        self._take()
        if self._tally.passes("more tunnels over WebSocket"):
            _log.info("{peer} opens a tunnel over WebSocket", peer=bearer.host)
        socket = WebSocket(bearer, self._room.give_back_tunnel)
        bearer.send_response(upgraded(opening.key), None)
        bearer.converse(socket, socket.envelope)
        return socket

    def _check_origin(self, origin: str, bearer: Bearer) -> None:
        """A browser goes wherever a page sends it, and may be where its server may not.

        Raises:
            HTTPError: 403, the page may not.
        """
        if ANY_ORIGIN in self._origins or origin in self._origins:
            return
        if self._tally.passes("more web pages that may not watch"):
            _log.warn(
                "{peer}: the web page {origin} may not watch (--websocket-origin)",
                peer=bearer.host,
                origin=shown(origin),
            )
        raise HTTPError(403, "This web page may not watch: the server does not know its origin.")

    def _take(self) -> None:
        """Count one more tunnel.

        Raises:
            HTTPError: There are too many.
        """
        if not self._room.take_tunnel():
            self._tally.count("tunnels beyond the limit")
            raise HTTPError(503, "There are too many tunnels already.")
