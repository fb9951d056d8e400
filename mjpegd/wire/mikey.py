"""MIKEY (RFC 3830): the message that tells a key for SRTP, as RTSP carries it inside TLS.

Of the many kinds of MIKEY one is in use between cameras and players (ONVIF streaming
specification, "RTSP over TLS with SRTP"): the first message of the pre-shared key method, whose
key is not encrypted, because the connection is.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Self

from mjpegd.wire.errors import ParseError

# A message with one stream has 130 bytes; ONVIF devices send no more than two.
MAX_MESSAGE_BYTES = 2048
MAX_CRYPTO_SESSIONS = 16
MAX_PAYLOADS = 16
# RFC 3830 section 6.11 asks for 16 bytes at least.
RAND_BYTES = 16

_VERSION = 1
_PSK_INITIATOR = 0
_SRTP_ID = 0
_SRTP = 0
_NULL = 0

# |  version  | data type | next payload |V| PRF func |  CSB ID (32)  | #CS | CS ID map type |
_HEADER = struct.Struct("!BBBBLBB")
# |  policy no  |  SSRC (32)  |  ROC (32)  |
_CRYPTO_SESSION = struct.Struct("!BLL")
# |  next payload  |  TS type  |  NTP timestamp (64)  |
_TIMESTAMP = struct.Struct("!BBQ")
# |  next payload  |  length  |
_RAND = struct.Struct("!BB")
# |  next payload  |  policy no  |  protocol  |  length (16)  |
_POLICY = struct.Struct("!BBBH")
# |  next payload  |  encryption  |  length (16)  |
_KEMAC = struct.Struct("!BBH")
# |  next payload  | type (4), validity (4) |  length (16)  |
_KEY_DATA = struct.Struct("!BBH")
_SHORT = struct.Struct("!H")

# Of a timestamp as NTP writes it, in UTC or of the host's own, and of a counter (section 6.6).
_TIMESTAMP_BYTES = MappingProxyType({0: 8, 1: 8, 2: 4})


class _Payload:
    """Which payload follows (section 6.1)."""

    LAST = 0
    KEMAC = 1
    TIMESTAMP = 5
    IDENTITY = 6
    POLICY = 10
    RAND = 11
    EXTENSION = 21


class _Parameter:
    """What a policy for SRTP tells (section 6.10.1, RFC 7714 section 14.4)."""

    ENCRYPTION = 0
    KEY_BYTES = 1
    AUTHENTICATION = 2
    AUTHENTICATION_KEY_BYTES = 3
    SALT_BYTES = 4
    ENCRYPTS_SRTP = 7
    ENCRYPTS_SRTCP = 8
    AUTHENTICATES_SRTP = 10
    TAG_BYTES = 11
    AEAD_TAG_BYTES = 20


_AES_CM, _AES_GCM = 1, 6
_HMAC_SHA1 = 1
_HMAC_KEY_BYTES = 20
# The types of key data: a key that others are made of, or one for traffic; with its salt or not.
_TEK, _TEK_AND_SALT = 2, 3


class Suite(Enum):
    """How packets are protected: bytes of the master key, of its salt, and of a packet's tag."""

    AES_CM_128_HMAC_SHA1_80 = (16, 14, 10)
    AEAD_AES_128_GCM = (16, 12, 16)
    AEAD_AES_256_GCM = (32, 12, 16)

    @property
    def key_bytes(self) -> int:
        """Length of the master key."""
        return self.value[0]

    @property
    def salt_bytes(self) -> int:
        """Length of the master salt."""
        return self.value[1]

    @property
    def tag_bytes(self) -> int:
        """How much longer a packet becomes."""
        return self.value[2]


@dataclass(frozen=True, slots=True)
class CryptoSession:
    """One stream that the key is for (section 6.1.1).

    Attributes:
        ssrc: Its source; 0 where that is not chosen yet.
        roc: How often its sequence numbers have wrapped.
        policy: The number of the policy that is meant.
    """

    ssrc: int
    roc: int = 0
    policy: int = 0


@dataclass(frozen=True, slots=True)
class KeyMessage:
    """Tells a master key, what it is for, and how it is used.

    Attributes:
        bundle: Tells the streams of this message from those of others (CSB ID), 32 bits.
        sessions: The streams.
        ntp: When it was made, as a 64-bit NTP timestamp.
        random: At least `RAND_BYTES` that nobody can guess.
        suite: How packets are protected.
        master: The master key, and its salt right behind it.
    """

    bundle: int
    sessions: tuple[CryptoSession, ...]
    ntp: int
    random: bytes
    suite: Suite
    master: bytes = field(repr=False)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a message.

        Raises:
            ParseError: It is malformed, or of a kind that is not in use; says which.
        """
        if len(data) > MAX_MESSAGE_BYTES:
            raise ParseError(MAX_MESSAGE_BYTES, "mikey", "too long")
        reader = _Reader(data)
        version, kind, following, _, bundle, count, map_type = reader.fields(_HEADER, "header")
        if version != _VERSION or kind != _PSK_INITIATOR:
            raise ParseError(0, "data-type", "not the first message of the pre-shared key method")
        if map_type != _SRTP_ID or count > MAX_CRYPTO_SESSIONS:
            raise ParseError(8, "cs-id-map", f"not SRTP, or more than {MAX_CRYPTO_SESSIONS}")
        sessions = tuple(_take_crypto_session(reader) for _ in range(count))
        found = _take_payloads(reader, following)
        if found.master is None or found.ntp is None or len(found.random) < RAND_BYTES:
            raise ParseError(len(data), "payloads", "no key, no time, or too little chance")
        suite = _suite(found.policies, sessions)
        if len(found.master) != suite.key_bytes + suite.salt_bytes:
            raise ParseError(len(data), "key-data", "not as long as a key with its salt")
        return cls(bundle, sessions, found.ntp, found.random, suite, found.master)

    def to_bytes(self) -> bytes:
        """The message as it is sent."""
        policy = b"".join(bytes((kind, 1, value)) for kind, value in _parameters(self.suite))
        return b"".join(
            (
                _HEADER.pack(
                    _VERSION,
                    _PSK_INITIATOR,
                    _Payload.TIMESTAMP,
                    0,
                    self.bundle,
                    len(self.sessions),
                    _SRTP_ID,
                ),
                *(_CRYPTO_SESSION.pack(each.policy, each.ssrc, each.roc) for each in self.sessions),
                _TIMESTAMP.pack(_Payload.RAND, 0, self.ntp),
                _RAND.pack(_Payload.POLICY, len(self.random)),
                self.random,
                # One policy, under the number that the first stream names.
                _POLICY.pack(_Payload.KEMAC, self._policy, _SRTP, len(policy)),
                policy,
                _KEMAC.pack(_Payload.LAST, _NULL, _KEY_DATA.size + len(self.master)),
                _KEY_DATA.pack(_Payload.LAST, _TEK << 4, len(self.master)),
                self.master,
                bytes((_NULL,)),  # no MAC
            )
        )

    @property
    def _policy(self) -> int:
        return self.sessions[0].policy if self.sessions else 0


class _Reader:
    """Takes a message apart from its front."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.offset = 0

    @property
    def rest(self) -> int:
        """How many bytes are left."""
        return len(self._data) - self.offset

    def fields(self, layout: struct.Struct, rule: str) -> tuple[int, ...]:
        """The next fields."""
        return layout.unpack(self.octets(layout.size, rule))

    def octets(self, count: int, rule: str) -> bytes:
        """So many of the next bytes.

        Raises:
            ParseError: There are fewer.
        """
        if self.rest < count:
            raise ParseError(self.offset, rule, "too short")
        taken = self._data[self.offset : self.offset + count]
        self.offset += count
        return taken


_Policies = dict[int, dict[int, int]]


@dataclass(slots=True)
class _Found:
    """What the payloads of a message told."""

    ntp: int | None = None
    random: bytes = b""
    policies: _Policies = field(default_factory=dict)
    master: bytes | None = None


def _take_crypto_session(reader: _Reader) -> CryptoSession:
    policy, ssrc, roc = reader.fields(_CRYPTO_SESSION, "cs-id-map")
    return CryptoSession(ssrc, roc, policy)


def _take_payloads(reader: _Reader, kind: int) -> _Found:
    found = _Found()
    for _ in range(MAX_PAYLOADS):
        if kind == _Payload.LAST:
            return found
        take = _TAKE.get(kind)
        if take is None:
            raise ParseError(reader.offset, "next-payload", f"of type {kind}")
        kind = take(reader, found)
    raise ParseError(reader.offset, "next-payload", f"more than {MAX_PAYLOADS}")


def _take_timestamp(reader: _Reader, found: _Found) -> int:
    following, kind = reader.fields(_RAND, "timestamp")
    value = reader.octets(_TIMESTAMP_BYTES.get(kind, 8), "timestamp")
    found.ntp = int.from_bytes(value, "big")
    return following


def _take_rand(reader: _Reader, found: _Found) -> int:
    following, size = reader.fields(_RAND, "rand")
    found.random = reader.octets(size, "rand")
    return following


def _take_policy(reader: _Reader, found: _Found) -> int:
    following, number, protocol, size = reader.fields(_POLICY, "policy")
    parameters = _Reader(reader.octets(size, "policy"))
    if protocol != _SRTP:
        raise ParseError(reader.offset, "policy", "not for SRTP")
    policy: dict[int, int] = {}
    while parameters.rest:
        kind, value_bytes = parameters.fields(_RAND, "policy-parameter")
        value = parameters.octets(value_bytes, "policy-parameter")
        policy[kind] = int.from_bytes(value, "big")
    found.policies[number] = policy
    return following


def _take_kemac(reader: _Reader, found: _Found) -> int:
    following, encryption, size = reader.fields(_KEMAC, "kemac")
    if encryption != _NULL:
        raise ParseError(reader.offset, "kemac", "encrypted")
    found.master = _key(_Reader(reader.octets(size, "kemac")))
    (mac,) = reader.octets(1, "kemac")
    if mac != _NULL:
        raise ParseError(reader.offset, "kemac", "a MAC of a key that nobody here has")
    return following


def _key(reader: _Reader) -> bytes:
    following, kind, size = reader.fields(_KEY_DATA, "key-data")
    key = reader.octets(size, "key-data")
    if kind == _TEK_AND_SALT << 4:
        (salt_bytes,) = reader.fields(_SHORT, "key-data")
        key += reader.octets(salt_bytes, "key-data")
    elif kind != _TEK << 4:
        # Keys to make keys of, and keys with an identifier in each packet or an end.
        raise ParseError(reader.offset, "key-data", f"of type {kind >> 4}, validity {kind & 15}")
    if following != _Payload.LAST:
        raise ParseError(reader.offset, "key-data", "more than one key")
    return key


def _skip(reader: _Reader, found: _Found) -> int:
    """Who sends it, and what others have added: a type, 16 bits of length, and so many bytes."""
    following, _, size = reader.fields(_KEMAC, "payload")
    reader.octets(size, "payload")
    return following


_TAKE = MappingProxyType(
    {
        _Payload.KEMAC: _take_kemac,
        _Payload.TIMESTAMP: _take_timestamp,
        _Payload.IDENTITY: _skip,
        _Payload.POLICY: _take_policy,
        _Payload.RAND: _take_rand,
        _Payload.EXTENSION: _skip,
    }
)


def _parameters(suite: Suite) -> list[tuple[int, int]]:
    """A policy; gortsplib asks for all of what is said here of AES-CM."""
    if suite is Suite.AES_CM_128_HMAC_SHA1_80:
        authentication = [
            (_Parameter.AUTHENTICATION, _HMAC_SHA1),
            (_Parameter.AUTHENTICATION_KEY_BYTES, _HMAC_KEY_BYTES),
            (_Parameter.TAG_BYTES, suite.tag_bytes),
            (_Parameter.AUTHENTICATES_SRTP, 1),
        ]
        encryption = _AES_CM
    else:
        authentication = [
            (_Parameter.AUTHENTICATION, _NULL),
            (_Parameter.AEAD_TAG_BYTES, suite.tag_bytes),
        ]
        encryption = _AES_GCM
    return [
        (_Parameter.ENCRYPTION, encryption),
        (_Parameter.KEY_BYTES, suite.key_bytes),
        (_Parameter.SALT_BYTES, suite.salt_bytes),
        (_Parameter.ENCRYPTS_SRTP, 1),
        (_Parameter.ENCRYPTS_SRTCP, 1),
        *authentication,
    ]


def _suite(policies: _Policies, sessions: tuple[CryptoSession, ...]) -> Suite:
    """The suite that a policy means; what it does not tell is as in RFC 3711."""
    number = sessions[0].policy if sessions else min(policies, default=0)
    if any(session.policy != number for session in sessions):
        raise ParseError(0, "policy", "more than one is in use")
    policy = policies.get(number, {})
    switches = (_Parameter.ENCRYPTS_SRTP, _Parameter.ENCRYPTS_SRTCP, _Parameter.AUTHENTICATES_SRTP)
    if not all(policy.get(switch, 1) for switch in switches):
        raise ParseError(0, "policy", "something is not protected")
    encryption = policy.get(_Parameter.ENCRYPTION, _AES_CM)
    key_bytes = policy.get(_Parameter.KEY_BYTES, 16)
    if encryption == _AES_GCM:
        return _gcm(key_bytes, policy)
    is_known = (
        (encryption, key_bytes) == (_AES_CM, 16)
        and policy.get(_Parameter.AUTHENTICATION, _HMAC_SHA1) == _HMAC_SHA1
        and policy.get(_Parameter.TAG_BYTES, _told_tag_bytes(policy)) == 10
    )
    if not is_known:
        raise ParseError(0, "policy", "neither AES_CM_128_HMAC_SHA1_80 nor AES-GCM")
    return Suite.AES_CM_128_HMAC_SHA1_80


def _told_tag_bytes(policy: Mapping[int, int]) -> int:
    # GStreamer writes the length of the tag where the length of the key belongs.
    told = policy.get(_Parameter.AUTHENTICATION_KEY_BYTES, _HMAC_KEY_BYTES)
    return 10 if told == _HMAC_KEY_BYTES else told


def _gcm(key_bytes: int, policy: Mapping[int, int]) -> Suite:
    for suite in (Suite.AEAD_AES_128_GCM, Suite.AEAD_AES_256_GCM):
        if suite.key_bytes == key_bytes and policy.get(_Parameter.AEAD_TAG_BYTES, 16) == 16:
            return suite
    raise ParseError(0, "policy", "AES-GCM with an unusual key or tag")
