"""How many files may be open at a time, and for how many connections that is enough."""

import resource
from contextlib import suppress

# What is open beside connections: ports, films, workers, decoders, and those that just close.
OTHER_FILES = 256


def raise_limit() -> int | None:
    """Raise the soft limit of open files to the hard one; the limit now, None for none."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # some systems have another limit below the hard one
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if files == resource.RLIM_INFINITY else files


def connections_within(files: int | None) -> int | None:
    """For how many connections so many open files are enough; None for any number."""
    return None if files is None else max(1, files - OTHER_FILES)
