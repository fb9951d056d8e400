"""Which streams a server offers, asked on a short connection of its own."""

import re

from twisted.internet.defer import CancelledError, Deferred

from ..errors import PlayerError
from ..interfaces import Ears
from .conversation import Conversation
from .dialling import Reactor, dial
from .location import MAX_CHARACTERS, Location

# A list that comes later is of no use to a person who has opened it.
PATIENCE_S = 3.0
# More than a person looks through in a list.
MAX_STREAMS = 200

_LINE = re.compile(rf"streams: *(rtsps?://\S{{1,{MAX_CHARACTERS}}}) *", re.IGNORECASE)


async def offered_streams(
    reactor: Reactor, location: Location, agent: str, *, verifies_certificate: bool = True
) -> list[str]:
    """The URLs that a server lists, in its order; none where it does not answer in time.

    Few servers list any: mjpegd answers GET_PARAMETER of ``streams`` on its root.

    Args:
        reactor: Where connections come from, and the player's clock.
        location: One of the server's streams.
        agent: The name and version of the player.
        verifies_certificate: A server of ``rtsps://`` has to prove who it is.
    """
    ears = Ears(lambda _: None, lambda *_: None, lambda _: None)
    conversation = Conversation(reactor, ears, agent, location.host)

    async def ask() -> list[str]:
        await dial(reactor, location, conversation, verifies_certificate=verifies_certificate)
        response = await conversation.ask(
            "GET_PARAMETER", location.root, [("Content-Type", "text/parameters")], b"streams\r\n"
        )
        lines = response.body.decode("utf-8", "replace").splitlines()
        found = filter(None, map(_LINE.fullmatch, lines))
        return [line[1] for line in found if line[1].isprintable()][:MAX_STREAMS]

    try:
        return await Deferred.fromCoroutine(ask()).addTimeout(PATIENCE_S, reactor, lambda *_: [])
    except (PlayerError, CancelledError):
        return []
    finally:
        conversation.close()
