"""What somebody may do: which paths, by patterns, and from which networks."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from typing import Self

from mjpegd.addresses import Networks

_ANY_DEPTH = "**"


class Action(Enum):
    """What can be done with a stream; the values are the words of the users file."""

    WATCH = "watch"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class PathPattern:
    """Paths below the media folder, as a shell would write them.

    ``*``, ``?`` and ``[abc]`` stand for characters of one name, ``**`` in place of a name for any
    number of folders, none included: ``garden/**`` is ``garden`` and all that is in it.
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a pattern.

        Raises:
            ValueError: It would match nothing; says why.
        """
        for name in text.split("/"):
            if name.startswith("."):
                raise ValueError(f"{text!r}: names that begin with a dot are served to nobody")
            if _ANY_DEPTH in name and name != _ANY_DEPTH:
                raise ValueError(f"{text!r}: ** stands alone between slashes")
        return cls(text)

    def matches(self, path: str) -> bool:
        """Whether a path, decoded and without slashes at its ends, is one of them.

        Takes time in proportion to the length of the path: that comes from the network.
        """
        parts = _parts(self.text)
        reached = _with_nothing_for_any_depth({0}, parts)
        for name in _parts(path):
            further = set()
            for at in reached - {len(parts)}:
                if parts[at] == _ANY_DEPTH:
                    further.add(at)
                elif fnmatchcase(name, parts[at]):
                    further.add(at + 1)
            reached = _with_nothing_for_any_depth(further, parts)
        return len(parts) in reached


def _parts(path: str) -> list[str]:
    # The media folder finds accents in either form (`mjpegd.sources.library`).
    return list(filter(None, unicodedata.normalize("NFC", path).split("/")))


def _with_nothing_for_any_depth(reached: set[int], parts: Sequence[str]) -> set[int]:
    for at, part in enumerate(parts):
        if at in reached and part == _ANY_DEPTH:
            reached.add(at + 1)
    return reached


@dataclass(frozen=True, slots=True)
class Rights:
    """What somebody may do.

    Attributes:
        paths: The paths of each action; an action that is missing may not be done at all.
        networks: From where; None for anywhere.
    """

    paths: Mapping[Action, Sequence[PathPattern]]
    networks: Networks | None = None

    def reach(self, host: str) -> bool:
        """Whether they hold for somebody at this address."""
        return self.networks is None or host in self.networks

    def allow(self, action: Action, path: str, host: str) -> bool:
        """Whether an action may be done with a path, from this address."""
        return self.reach(host) and any(
            pattern.matches(path) for pattern in self.paths.get(action, ())
        )


NO_RIGHTS = Rights({})
ALL_RIGHTS = Rights(dict.fromkeys(Action, (PathPattern(_ANY_DEPTH),)))
