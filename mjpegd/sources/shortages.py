"""Why a file cannot be opened or read: for what it is, or for what the system lacks just now."""

import errno

from mjpegd.errors import MediaBusyError, MediaError

# Descriptors, of the process and of the system, and memory; others give them back.
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


def is_shortage(error: OSError) -> bool:
    """Whether the same may succeed a moment later."""
    return error.errno in _SHORTAGES


def refusal(what: str, error: OSError) -> MediaError:
    """The error for a file that cannot be used; a `MediaBusyError` where that is no fault of it.

    Args:
        what: What cannot be done with which file, as a phrase.
        error: What the system says.
    """
    kind = MediaBusyError if is_shortage(error) else MediaError
    return kind(f"{what}: {error.strerror}")
