"""Seconds <-> ticks of the 90 kHz RTP clock <-> NTP timestamps."""

from math import floor
from typing import NewType

Seconds = NewType("Seconds", float)
Ticks = NewType("Ticks", int)

RTP_CLOCK_HZ = 90_000

# From 1900, where NTP counts from, to 1970 (RFC 868).
_UNIX_EPOCH_S = 2_208_988_800


def ticks(seconds: float) -> Ticks:
    """The nearest tick of the RTP clock, not wrapped to 32 bits."""
    return Ticks(round(seconds * RTP_CLOCK_HZ))


def seconds(count: int) -> Seconds:
    """How long a number of ticks lasts."""
    return Seconds(count / RTP_CLOCK_HZ)


def ntp_timestamp(unix_seconds: float) -> int:
    """The 64-bit NTP timestamp of a wall-clock time (RFC 3550 section 4).

    The upper 32 bits are seconds since 1900, which wrap in 2036; the lower ones the fraction.
    """
    # Added as integers: as a float, the larger sum would round away a part of the fraction.
    whole = floor(unix_seconds)
    fraction = int((unix_seconds - whole) * 2**32)
    return ((whole + _UNIX_EPOCH_S << 32) + fraction) & 0xFFFFFFFFFFFFFFFF


def unix_seconds(ntp: int, near_unix_seconds: float) -> float:
    """The wall-clock time of a 64-bit NTP timestamp, the inverse of `ntp_timestamp`.

    Args:
        ntp: Whole seconds, which wrap in 2036, and the fraction.
        near_unix_seconds: A wall-clock time less than 68 years away from the one wanted.
    """
    whole = (ntp >> 32) - _UNIX_EPOCH_S
    eras = round((near_unix_seconds - whole) / 2**32)
    return whole + eras * 2**32 + (ntp & 0xFFFFFFFF) / 2**32


def ntp_middle(ntp: int) -> int:
    """The middle 32 bits of an NTP timestamp: units of 1/65536 s, as LSR and DLSR are told."""
    return (ntp >> 16) & 0xFFFFFFFF
