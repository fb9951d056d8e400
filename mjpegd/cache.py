"""What was made lately and may be wanted again, within a bound of bytes."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

V = TypeVar("V")

# An entry's key, its place in the dictionary and the objects around its bytes.
ENTRY_BYTES = 500


class _Entry(Generic[V]):
    __slots__ = ("is_used", "value")

    def __init__(self, value: V) -> None:
        self.value = value
        self.is_used = False


class ByteCache(Generic[V]):
    """Values under keys, bounded in bytes; what was not used for long goes first.

    The oldest is asked to go, and stays once more if it was used since it was asked last: near
    enough to the order of use, which would have to be written down at every use.

    Args:
        max_bytes: What all values together may hold; the newest stays even if it alone is larger.
        size_bytes: What a value holds, apart from its entry.
    """

    def __init__(self, max_bytes: int, size_bytes: Callable[[V], int]) -> None:
        self._max_bytes = max_bytes
        self._size_bytes = size_bytes
        self._bytes = 0
        self._entries: OrderedDict[Hashable, _Entry[V]] = OrderedDict()

    @property
    def held_bytes(self) -> int:
        """What all values hold, with their entries."""
        return self._bytes

    def get(self, key: Hashable) -> V | None:
        """What lies under this key."""
        found = self._entries.get(key)
        if found is None:
            return None
        found.is_used = True
        return found.value

    def put(self, key: Hashable, value: V) -> None:
        """Add a value, in place of the one that had its key."""
        replaced = self._entries.pop(key, None)
        if replaced is not None:
            self._bytes -= ENTRY_BYTES + self._size_bytes(replaced.value)
        self._bytes += ENTRY_BYTES + self._size_bytes(value)
        while self._bytes > self._max_bytes and self._entries:
            self._ask_the_oldest()
        self._entries[key] = _Entry(value)

    def _ask_the_oldest(self) -> None:
        key, oldest = self._entries.popitem(last=False)
        if oldest.is_used:
            oldest.is_used = False
            self._entries[key] = oldest
        else:
            self._bytes -= ENTRY_BYTES + self._size_bytes(oldest.value)
