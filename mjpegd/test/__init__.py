"""Tests of mjpegd: `trial mjpegd`."""

import os

from hypothesis import HealthCheck, settings

# The same examples in every run: a red build can be repeated. A long random search is started
# by hand with HYPOTHESIS_PROFILE=search.
settings.register_profile(
    "mjpegd",
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
)
settings.register_profile("search", deadline=None, max_examples=20_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "mjpegd"))
