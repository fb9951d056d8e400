"""Python's collector of cycles, which halts everybody while it looks at all there is: seldom."""

import gc

# How many collections of what is newer come before one of everything; Python's own number is 10.
# Connections and sessions that have ended are no cycles, and need no collector.
YOUNGER_COLLECTIONS = 100


def settle() -> None:
    """All that there is now will stay: let the collector not look at it again, and seldom at all.

    A thousand connections are some hundred thousand objects, and looking at them takes as long as
    several frames are apart.
    """
    gc.collect()
    gc.freeze()
    newest, younger, _ = gc.get_threshold()
    gc.set_threshold(newest, younger, YOUNGER_COLLECTIONS)
