"""Tests of the player: `python -m twisted.trial client` in a checkout."""

import mjpegd.test  # noqa: F401 - It chooses the examples of hypothesis.
