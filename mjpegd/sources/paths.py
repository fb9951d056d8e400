"""Names below the media folder: where they lead, and in which order people expect them."""

import os
import re
from pathlib import Path

from mjpegd.errors import MediaError, MediaNotFoundError

_DIGITS = re.compile("[0-9]+")


def is_hidden(name: str) -> bool:
    """Whether one component of a path is kept from viewers; ``.`` and ``..`` are hidden as well."""
    return name.startswith(".")


def resolve(path: Path, root: Path) -> Path:
    """Where a path leads when all links are followed; looks at the disk.

    Args:
        path: Something below ``root``, as far as its text goes.
        root: The media folder, with its own links followed.

    Raises:
        MediaNotFoundError: Nothing is there, or it lies outside the root.
        MediaError: A folder on the way may not be searched.
    """
    try:
        real = Path(os.path.realpath(path, strict=True))
    except PermissionError as error:
        raise MediaError(f"{path.name}: permission denied") from error
    except (OSError, ValueError) as error:  # too long, a loop of links, a null byte, no UTF-8
        raise MediaNotFoundError(f"{path.name}: there is no such film") from error
    if not real.is_relative_to(root):
        raise MediaNotFoundError(f"{path.name}: there is no such film")
    return real


def natural_key(name: str) -> str:
    """What to sort names by: ``img2`` before ``img10``, and ``B`` between ``a`` and ``c``."""
    # A number with more digits is larger, so its length goes before its digits.
    return _DIGITS.sub(_sortable, name.casefold())


def _sortable(digits: re.Match[str]) -> str:
    significant = digits[0].lstrip("0")
    return f"0{chr(len(significant))}{significant}"
