"""Which worker a connection belongs to, by the first that is read of it.

A session lives in one worker, and its identifier says in which: a request that names it has to
get there, whatever connection it comes on. Identifiers begin with the worker's number, so that
nobody has to remember them; what follows is as hard to guess as without it.
"""

import re

from mjpegd.registry import IDENTIFIER_DIGITS

PREFIX_DIGITS = 2
# No more is looked at, and more is not waited for: what players send first has some hundred.
MAX_BYTES = 8192

_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_SESSION = re.compile(
    rb"\n(?i:session)[ \t]*:[ \t]*([0-9]{%d})[0-9]{%d}(?![0-9A-Za-z])"
    % (PREFIX_DIGITS, IDENTIFIER_DIGITS)
)


def prefix(worker: int) -> str:
    """What the identifiers of a worker's sessions begin with."""
    return str(worker).zfill(PREFIX_DIGITS)


def is_enough(said: bytes) -> bool:
    """Whether nothing that may follow can say more about where a connection belongs."""
    text = said[:MAX_BYTES].lstrip(b"\r\n")
    return (
        len(said) >= MAX_BYTES
        or bool(text and not text[:1].isalpha())  # no request, and perhaps TLS
        or bool(_END_OF_HEAD.search(text))
    )


def named_worker(said: bytes) -> int | None:
    """The worker of the session that the first request names; None if it names none."""
    head = _END_OF_HEAD.split(said[:MAX_BYTES].lstrip(b"\r\n"), maxsplit=1)[0]
    named = _SESSION.search(head)
    return None if named is None else int(named[1])
