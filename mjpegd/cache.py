"""What was made lately and may be wanted again, within a bound of bytes."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

V = TypeVar("V")

# An entry's key, its place in the dictionary and the object around its bytes.
ENTRY_BYTES = 500


class ByteCache(Generic[V]):
    """Values under keys, bounded in bytes; the one used longest ago goes first.

    Args:
        max_bytes: What all values together may hold; the newest stays even if it alone is larger.
        size_bytes: What a value holds, apart from its entry.
    """

    def __init__(self, max_bytes: int, size_bytes: Callable[[V], int]) -> None:
        self._max_bytes = max_bytes
        self._size_bytes = size_bytes
        self._bytes = 0
        self._values: OrderedDict[Hashable, V] = OrderedDict()

    @property
    def held_bytes(self) -> int:
        """What all values hold, with their entries."""
        return self._bytes

    def __contains__(self, key: Hashable) -> bool:
        return key in self._values

    def get(self, key: Hashable) -> V | None:
        """What lies under this key, which is now the newest."""
        found = self._values.get(key)
        if found is not None:
            self._values.move_to_end(key)
        return found

    def put(self, key: Hashable, value: V) -> None:
        """Add a value, in place of the one that had its key."""
        self._forget(key)
        self._values[key] = value
        self._bytes += ENTRY_BYTES + self._size_bytes(value)
        while self._bytes > self._max_bytes and len(self._values) > 1:
            self._forget(next(iter(self._values)))

    def _forget(self, key: Hashable) -> None:
        old = self._values.pop(key, None)
        if old is not None:
            self._bytes -= ENTRY_BYTES + self._size_bytes(old)
