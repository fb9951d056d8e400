"""The nonces of Digest: each is for one address and one while, and none is kept."""

import hashlib
import hmac
import re
from collections.abc import Callable

# Of the key that they are sealed with.
KEY_BYTES = 32

_NONCE = re.compile(r"([0-9a-f]{1,16})-([0-9a-f]{32})")


class Nonces:
    """Gives out nonces, and knows them again by a seal (RFC 7616 section 3.3 suggests it).

    Nothing is remembered, so a flood of requests fills nothing, and processes that have the same
    key know each other's nonces. What was overheard is good for the address that it came from,
    for the rest of a nonce's life, and for the request that it answered.

    Args:
        key: Random bytes that nobody else knows.
        lifetime_s: How long a nonce is good.
        seconds: The time; it never jumps.
    """

    def __init__(self, key: bytes, lifetime_s: float, seconds: Callable[[], float]) -> None:
        self._key = key
        self._lifetime_s = lifetime_s
        self._seconds = seconds

    def new(self, host: str) -> str:
        """A nonce for clients at an address, of 49 characters at most."""
        given_out = f"{int(self._seconds()):x}"
        return f"{given_out}-{self._seal(given_out, host)}"

    def is_own(self, nonce: str, host: str) -> bool:
        """Whether it was given out to this address, however long ago."""
        found = _NONCE.fullmatch(nonce)
        return found is not None and hmac.compare_digest(found[2], self._seal(found[1], host))

    def is_current(self, nonce: str, host: str) -> bool:
        """Whether it was given out to this address, not too long ago."""
        if not self.is_own(nonce, host):
            return False
        return self._seconds() - int(nonce.partition("-")[0], 16) < self._lifetime_s

    def _seal(self, given_out: str, host: str) -> str:
        sealed = hmac.new(self._key, f"{given_out} {host}".encode(), hashlib.sha256)
        return sealed.hexdigest()[:32]
