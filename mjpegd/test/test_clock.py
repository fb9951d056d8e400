from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.wire.clock import (
    RTP_CLOCK_HZ,
    ntp_middle,
    ntp_timestamp,
    seconds,
    ticks,
    unix_seconds,
)


class TicksTests(SynchronousTestCase):
    def test_the_nearest_tick_is_taken(self) -> None:
        self.assertEqual(ticks(1.0), 90_000)
        self.assertEqual(ticks(1001 / 30_000), 3003)
        self.assertEqual(ticks(0.6 / RTP_CLOCK_HZ), 1)

    def test_long_and_negative_times_are_not_wrapped(self) -> None:
        self.assertEqual(ticks(100_000.0), 9_000_000_000)
        self.assertEqual(ticks(-0.5), -45_000)

    @given(st.integers(-(2**40), 2**40))
    def test_ticks_survive_as_seconds(self, count: int) -> None:
        self.assertEqual(ticks(seconds(count)), count)


class NTPTests(SynchronousTestCase):
    def test_known_times(self) -> None:
        for time, ntp in (
            (0.0, 2_208_988_800 << 32),
            (0.5, 2_208_988_800 << 32 | 1 << 31),
            (-0.25, 2_208_988_799 << 32 | 3 << 30),
            (-2_208_988_800.0, 0),
            # The first second of the next era, in February 2036.
            (2_085_978_496.0, 0),
        ):
            self.assertEqual(ntp_timestamp(time), ntp)

    def test_the_middle_is_seconds_and_fractions_of_16_bits_each(self) -> None:
        self.assertEqual(ntp_middle(0x0123_4567_89AB_CDEF), 0x4567_89AB)

    @given(st.floats(0, 2_085_978_495), st.floats(0, 3600))
    def test_differences_are_those_of_the_clock(self, start: float, elapsed: float) -> None:
        difference = ntp_timestamp(start + elapsed) - ntp_timestamp(start)

        self.assertAlmostEqual(difference % 2**64 / 2**32, (start + elapsed) - start, delta=1e-8)

    def test_the_era_is_the_nearest(self) -> None:
        for ntp, near, expected in (
            (2_208_988_800 << 32, 0.0, 0.0),
            (2_208_988_800 << 32 | 1 << 31, 2_000_000_000.0, 0.5),
            (0, 2_085_978_495.0, 2_085_978_496.0),
            (0, 0.0, 2_085_978_496.0),
            (0, -2_208_988_800.0, -2_208_988_800.0),
            (0xFFFFFFFF << 32, 2_085_978_497.0, 2_085_978_495.0),
        ):
            self.assertEqual(unix_seconds(ntp, near), expected)

    @given(st.floats(-(2**33), 2**33), st.floats(-(2**31) + 1, 2**31 - 1))
    def test_times_survive_as_ntp_timestamps(self, time: float, away: float) -> None:
        again = unix_seconds(ntp_timestamp(time), time + away)

        self.assertAlmostEqual(again, time, delta=1e-6)
