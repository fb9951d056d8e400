"""A viewer that speaks SRTP: its own keys, and what it makes of those that it is told."""

from base64 import b64encode

import pylibsrtp

from mjpegd.wire.headers import KeyManagement
from mjpegd.wire.mikey import CryptoSession, KeyMessage, Suite

REPORTER = 0x5EC0_0001
_PROFILES = {
    Suite.AES_CM_128_HMAC_SHA1_80: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    Suite.AEAD_AES_128_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    Suite.AEAD_AES_256_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}


class SecureViewer:
    """A viewer and its keys.

    Args:
        suite: How it protects its reports.
        seed: Other viewers have other keys.

    Attributes:
        message: What it says of its key.
        header: The same, as its SETUP says it.
    """

    def __init__(self, suite: Suite = Suite.AES_CM_128_HMAC_SHA1_80, seed: int = 0) -> None:
        master = bytes((seed + n) & 255 for n in range(suite.key_bytes + suite.salt_bytes))
        self.message = KeyMessage(
            1, (CryptoSession(REPORTER),), 0xE123456780000000, bytes(16), suite, master
        )
        self.header = KeyManagement(self.message.to_bytes(), "rtsps://host/").to_text()
        self._leaving = session(suite, master)
        self._arriving: pylibsrtp.Session | None = None

    def is_told(self, message: KeyMessage) -> None:
        """From now on what comes has this key."""
        self._arriving = session(message.suite, message.master, arriving=True)

    def opened(self, packet: bytes) -> bytes:
        """An RTP packet that came."""
        if self._arriving is None:
            raise AssertionError("the viewer was told of no key")
        return self._arriving.unprotect(packet)

    def opened_report(self, packet: bytes) -> bytes:
        """An RTCP compound that came."""
        if self._arriving is None:
            raise AssertionError("the viewer was told of no key")
        return self._arriving.unprotect_rtcp(packet)

    def sealed_report(self, compound: bytes) -> bytes:
        """A report of its own."""
        return self._leaving.protect_rtcp(compound)


def session(suite: Suite, master: bytes, *, arriving: bool = False) -> pylibsrtp.Session:
    """Keys at work in one direction."""
    policy = pylibsrtp.Policy
    sources = policy.SSRC_ANY_INBOUND if arriving else policy.SSRC_ANY_OUTBOUND
    return pylibsrtp.Session(policy(master, sources, srtp_profile=_PROFILES[suite]))


def header_of(data: bytes) -> str:
    """A KeyMgmt header with any message."""
    return f'prot=mikey;uri="";data="{b64encode(data).decode()}"'
