"""Which worker a connection belongs to, by the first that is read of it.

A session lives in one worker, and its identifier says in which: a request that names it has to
get there, whatever connection it comes on. Identifiers begin with the worker's number, so that
nobody has to remember them; what follows is as hard to guess as without it.

A tunnel over HTTP lives in one worker as well. Its cookie is of the client's making, so its two
connections get together by a choice that is the same for both.
"""

import re
from collections.abc import Iterable

from mjpegd.registry import IDENTIFIER_DIGITS
from mjpegd.wire.messages import is_http
from mjpegd.wire.tunnels import COOKIE, MAX_COOKIE_CHARACTERS

PREFIX_DIGITS = 2
# No more is looked at, and more is not waited for: what players send first has some hundred.
MAX_BYTES = 8192

_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_SESSION = re.compile(
    rb"\n(?i:session)[ \t]*:[ \t]*([0-9]{%d})[0-9]{%d}(?![0-9A-Za-z])"
    % (PREFIX_DIGITS, IDENTIFIER_DIGITS)
)
_COOKIE = re.compile(
    rb"\n(?i:%b)[ \t]*:[ \t]*([\x21-\x7e]{1,%d})[ \t]*\r?(?:\n|$)"
    % (COOKIE.encode("ascii"), MAX_COOKIE_CHARACTERS)
)


def prefix(worker: int) -> str:
    """What the identifiers of a worker's sessions begin with."""
    return str(worker).zfill(PREFIX_DIGITS)


def is_enough(said: bytes) -> bool:
    """Whether nothing that may follow can say more about where a connection belongs."""
    text = said[:MAX_BYTES].lstrip(b"\r\n")
    return (
        len(said) >= MAX_BYTES
        or bool(text and not _is_request(text))
        or bool(_END_OF_HEAD.search(text))
    )


def named_worker(said: bytes) -> int | None:
    """The worker of the session that the first request names; None if it names none."""
    head = _head(said)
    named = _SESSION.search(head) if _is_request(head) else None
    return None if named is None else int(named[1])


def named_tunnel(said: bytes) -> bytes | None:
    """The cookie of the tunnel that a connection is a half of; None if it is none."""
    head = _head(said)
    named = _COOKIE.search(head) if is_http(head.partition(b"\n")[0].rstrip(b"\r")) else None
    return None if named is None else named[1]


def worker_of_tunnel(host: str, cookie: bytes, workers: Iterable[int]) -> int:
    """Which of the workers has the tunnel of a cookie.

    It is the same one while the workers are the same, and when others come or go, the same for
    most. Hashes are of this process alone, so nobody outside can choose.

    Args:
        host: The client's address.
        cookie: What both halves name.
        workers: At least one.
    """
    return max(workers, key=lambda worker: hash((host, cookie, worker)))


def _head(said: bytes) -> bytes:
    return _END_OF_HEAD.split(said[:MAX_BYTES].lstrip(b"\r\n"), maxsplit=1)[0]


def _is_request(text: bytes) -> bool:
    """Whether a request begins so; anything else is perhaps TLS."""
    return text[:1].isalpha()
