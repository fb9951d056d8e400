"""Which keys a viewer's packets have: agreed upon by MIKEY, on a connection that is encrypted.

Whoever begins chooses the key for the media. Where the description of a stream tells a key
(GStreamer, live555), it is that one; a viewer that asks for SRTP without having been told any
(RFC 7826 appendix C.1.4.1) has sent one, which then is for both directions. What a viewer reports
is encrypted with the key that it sends.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from mjpegd.encryption.srtp import Guard
from mjpegd.errors import RTSPError
from mjpegd.wire.clock import ntp_timestamp
from mjpegd.wire.errors import ParseError
from mjpegd.wire.headers import KeyManagement
from mjpegd.wire.mikey import RAND_BYTES, CryptoSession, KeyMessage, Suite

_BUNDLE_BYTES = 4
# A source that is not chosen yet (RFC 3830 section 6.1.1).
_ANY_SOURCE = 0


@dataclass(frozen=True, slots=True)
class Offer:
    """A key of ours that a viewer was told, for one session.

    Attributes:
        message: As it was told.
        suite: How packets are protected.
        master: The key and its salt.
    """

    message: bytes = field(repr=False)
    suite: Suite
    master: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a viewer and the server agreed upon for one session.

    Attributes:
        guard: The keys at work.
        suite: How packets of ours are protected.
        master: Our key and its salt.
    """

    guard: Guard
    suite: Suite
    master: bytes = field(repr=False)


class Keying:
    """Makes keys, and agrees with viewers upon them.

    Args:
        wall_clock: Unix seconds.
        random: So many bytes that nobody can guess.
    """

    def __init__(self, wall_clock: Callable[[], float], random: Callable[[int], bytes]) -> None:
        self._wall_clock = wall_clock
        self._random = random

    def offer(self) -> Offer:
        """A new key, for the description of a stream."""
        suite = Suite.AES_CM_128_HMAC_SHA1_80
        master = self._random(suite.key_bytes + suite.salt_bytes)
        return Offer(self._message(suite, master, _ANY_SOURCE), suite, master)

    def agree(self, header: str | None, offer: Offer | None) -> Agreement:
        """See what a viewer says of keys.

        Args:
            header: The header KeyMgmt of its SETUP.
            offer: What it was told before.

        Raises:
            RTSPError: 463, it says nothing that makes sense here.
        """
        theirs = _told(header)
        ours = offer or theirs
        guard = Guard(ours.suite, ours.master, theirs.suite, theirs.master)
        return Agreement(guard, ours.suite, ours.master)

    def answer(self, agreement: Agreement, ssrc: int, url: str) -> str:
        """The header KeyMgmt that tells a viewer the key of its session.

        Args:
            agreement: Which key.
            ssrc: The source that it is for.
            url: What the viewer calls the stream.
        """
        message = self._message(agreement.suite, agreement.master, ssrc)
        return KeyManagement(message, url).to_text()

    def _message(self, suite: Suite, master: bytes, ssrc: int) -> bytes:
        return KeyMessage(
            bundle=int.from_bytes(self._random(_BUNDLE_BYTES), "big"),
            sessions=(CryptoSession(ssrc),),
            ntp=ntp_timestamp(self._wall_clock()),
            random=self._random(RAND_BYTES),
            suite=suite,
            master=master,
        ).to_bytes()


def _told(header: str | None) -> KeyMessage:
    if header is None:
        raise RTSPError(463, "RTP/SAVP needs a KeyMgmt header with a message of MIKEY")
    try:
        return KeyMessage.parse(KeyManagement.parse(header).message)
    except ParseError as fault:
        raise RTSPError(463, f"KeyMgmt: {fault}") from None
