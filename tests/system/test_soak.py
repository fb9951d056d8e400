"""`benchmarks.soak`: what it takes for a leak, and a short run of it."""

import subprocess
import sys
from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.levels import MIN_SAMPLES, Sample, growths

LEVEL = Sample(
    minutes=0.0,
    played=0,
    memory_mb=50.0,
    files=20,
    timers=40,
    connections=10,
    sessions=10,
    films=1,
)


def samples(memories_mb: list[float], files: int = 20, more_files: int = 0) -> list[Sample]:
    """One a minute."""
    return [
        replace(LEVEL, minutes=minute, memory_mb=memory_mb, files=files + minute * more_files)
        for minute, memory_mb in enumerate(memories_mb)
    ]


class GrowthTests(SynchronousTestCase):
    def test_what_goes_up_and_down_does_not_grow(self) -> None:
        self.assertEqual(list(growths(samples([50, 53, 51, 49, 52, 50, 53, 51]))), [])

    def test_what_is_made_once_is_no_growth(self) -> None:
        self.assertEqual(list(growths(samples([20, 45, 50, 50, 50, 50, 50, 50]))), [])

    def test_little_by_little_is_growth(self) -> None:
        found = list(growths(samples([50 + minute for minute in range(8)])))

        self.assertEqual(found, ["4.0 megabytes of memory more at the end than may be (2.6)"])

    def test_a_descriptor_a_minute_is_growth(self) -> None:
        found = list(growths(samples([50.0] * 8, more_files=1)))

        self.assertEqual(found, ["4.0 descriptors more at the end than may be (1.1)"])

    def test_too_few_samples_tell_nothing(self) -> None:
        found = list(growths(samples([50.0] * (MIN_SAMPLES - 1))))

        self.assertEqual(found, ["3 samples are too few to tell whether anything grows"])


class SoakTests(SynchronousTestCase):
    def test_streaming_with_two_workers_is_level(self) -> None:
        command = [sys.executable, "-m", "benchmarks.soak", "--minutes=0.1", "--viewers=4"]

        done = subprocess.run(
            [*command, "--workers=2", "--samples=4"], capture_output=True, text=True, check=False
        )

        self.assertEqual(
            done.stdout.count("|           4 |       4 |"), 4, done.stdout + done.stderr
        )
        self.assertIn(" frames came whole, ", done.stdout)
