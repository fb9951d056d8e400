"""Anything that a network or a disk may bring, by the million: `python -m tests.fuzz`."""
