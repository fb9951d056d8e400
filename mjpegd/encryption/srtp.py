"""SRTP and SRTCP (RFC 3711): a viewer's packets are encrypted, what it reports is opened.

The cryptography is libsrtp's, through pylibsrtp, which is optional: where it is missing, SRTP is
not spoken.
"""

from typing import Final

from mjpegd.errors import ProtectionError
from mjpegd.wire.errors import ParseError
from mjpegd.wire.mikey import Suite

try:
    import pylibsrtp
except ImportError:
    pylibsrtp = None  # type: ignore[assignment]  # None stands for "not installed"

# What brings the library.
EXTRA: Final = "mjpegd[srtp]"
# pylibsrtp has a buffer of 1500 bytes, of which it keeps 144 for what may be added.
MAX_PACKET_BYTES: Final = 1356
MAX_ARRIVING_BYTES: Final = 1500
# Whoever has the key could make a source for each report; libsrtp would keep all of them.
MAX_REPORTERS: Final = 4

# SRTCP leaves the first eight bytes as they are: the header, and who reports (section 3.4).
_CLEAR_BYTES = 8


def is_installed() -> bool:
    """Whether there is anything that encrypts."""
    return pylibsrtp is not None


class Guard:
    """One viewer's keys at work: both ways, for media and for reports.

    How often the sequence numbers wrapped is counted by libsrtp, from 0: a guard is for one
    stream from its first packet on, and its keys are for no other.

    Args:
        suite: How packets of ours are protected.
        master: Our master key, and its salt right behind it.
        their_suite: How the viewer's are.
        their_master: The viewer's key and salt.
    """

    def __init__(
        self, suite: Suite, master: bytes, their_suite: Suite, their_master: bytes
    ) -> None:
        self.tag_bytes = suite.tag_bytes
        policy = pylibsrtp.Policy
        self._leaving = _session(suite, master, policy.SSRC_ANY_OUTBOUND)
        self._arriving = _session(their_suite, their_master, policy.SSRC_ANY_INBOUND)
        self._reporters: set[bytes] = set()

    def protect(self, packet: bytes) -> bytes:
        """Encrypt an RTP packet of `MAX_PACKET_BYTES` at most.

        Raises:
            ProtectionError: It cannot be done.
        """
        try:
            return self._leaving.protect(packet)
        except (pylibsrtp.Error, ValueError) as fault:
            raise ProtectionError(str(fault)) from None

    def protect_report(self, compound: bytes) -> bytes:
        """Encrypt an RTCP compound; it raises as `protect` does."""
        try:
            return self._leaving.protect_rtcp(compound)
        except (pylibsrtp.Error, ValueError) as fault:
            raise ProtectionError(str(fault)) from None

    def open_report(self, packet: bytes) -> bytes:
        """Check and decrypt an RTCP compound of the viewer.

        Raises:
            ParseError: It is not the viewer's, comes twice, or is no SRTCP at all.
        """
        reporter = packet[4:_CLEAR_BYTES]
        if len(packet) > MAX_ARRIVING_BYTES or len(reporter) < 4:
            raise ParseError(len(packet), "srtcp", "too short or too long")
        if reporter not in self._reporters and len(self._reporters) >= MAX_REPORTERS:
            raise ParseError(4, "srtcp", "more sources than a viewer has")
        try:
            opened = self._arriving.unprotect_rtcp(packet)
        except pylibsrtp.Error as fault:
            raise ParseError(0, "srtcp", str(fault)) from None
        self._reporters.add(reporter)
        return opened


def _session(suite: Suite, master: bytes, sources: int) -> "pylibsrtp.Session":
    policy = pylibsrtp.Policy
    profiles = {
        Suite.AES_CM_128_HMAC_SHA1_80: policy.SRTP_PROFILE_AES128_CM_SHA1_80,
        Suite.AEAD_AES_128_GCM: policy.SRTP_PROFILE_AEAD_AES_128_GCM,
        Suite.AEAD_AES_256_GCM: policy.SRTP_PROFILE_AEAD_AES_256_GCM,
    }
    return pylibsrtp.Session(policy(master, sources, srtp_profile=profiles[suite]))
