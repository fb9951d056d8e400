"""Basic and Digest login: what a server asks for, the answer, its check (RFC 2617, RFC 7616).

Of Digest, MD5 and SHA-256 are known, without ``qop`` or with ``auth``. What asks for anything else
(``-sess``, ``auth-int``, other schemes) counts as unknown. Text that is no UTF-8 travels as
surrogate escapes, as in `mjpegd.wire.messages`, and is hashed as the bytes that it was.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Self

from mjpegd.wire.errors import ParseError
from mjpegd.wire.headers import TOKEN

# As long as mjpegd lets a line of a request be: an answer repeats what its challenge said.
MAX_CHARACTERS = 8192

# What stands between commas; one within quotes separates nothing. The last quotes may be open.
_ELEMENT = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.?)*+"?)++', re.DOTALL)
# `Digest`, and the beginning of `Digest realm="x"`, but not `realm = "x"`.
_SCHEME = re.compile(rf"({TOKEN})(?:[ \t]++(?!=)(.*))?", re.DOTALL)
_PARAMETER = re.compile(rf'({TOKEN})[ \t]*+=[ \t]*+(?:"((?:[^"\\]|\\.)*+)"|([^",]*+))', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_TO_BE_ESCAPED = re.compile(r'["\\]')
_RESPONSE = re.compile(r"(?:[0-9A-Fa-f]{32}){1,2}")
_NONCE_COUNT = re.compile(r"[0-9A-Fa-f]{8}")
_BLANKS = " \t"


class Scheme(Enum):
    """How a user proves who it is."""

    BASIC = "Basic"
    DIGEST = "Digest"


class Algorithm(Enum):
    """What Digest hashes with."""

    MD5 = "MD5"
    SHA_256 = "SHA-256"


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a server asks for, in a header WWW-Authenticate.

    Attributes:
        realm: What is protected, in words for a person.
        nonce: Of Digest; empty for Basic. FFmpeg reads 299 characters of it, and of `opaque`.
        algorithm: None where it is not told, which means MD5.
        qop: ``("auth",)`` where an answer is to be counted, empty elsewhere.
        opaque: What an answer has to repeat.
        stale: Only the nonce is too old; user and password were right.
    """

    scheme: Scheme
    realm: str
    nonce: str = ""
    algorithm: Algorithm | None = None
    qop: tuple[str, ...] = ()
    opaque: str | None = None
    stale: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one challenge.

        Raises:
            ParseError: Malformed, too long, more than one, or of an unknown kind.
        """
        return cls._read(*_only_one(text))

    @classmethod
    def parse_list(cls, values: Iterable[str]) -> list[Self]:
        """Read the challenges of all headers in their order; what `parse` refuses is left out."""
        usable = []
        for scheme, elements in (found for value in values for found in _split(value)):
            try:
                usable.append(cls._read(scheme, elements))
            except ParseError:
                continue
        return usable

    @classmethod
    def _read(cls, scheme: str, elements: Sequence[str]) -> Self:
        values = _parameters(elements)
        realm = values.get("realm", "")
        if scheme == "basic":
            return cls(Scheme.BASIC, realm)
        if scheme != "digest":
            raise ParseError(0, "auth-scheme", "unknown")
        return cls(
            Scheme.DIGEST,
            realm,
            _required(values, "nonce"),
            algorithm=_algorithm(values),
            qop=_qop(values),
            opaque=values.get("opaque"),
            stale=values.get("stale", "").lower() == "true",
        )

    def to_text(self) -> str:
        """The form that all players read.

        live555 looks for realm, nonce and stale in these places, and for the last without quotes.
        """
        if self.scheme is Scheme.BASIC:
            return f"Basic realm={_quoted(self.realm)}"
        return "Digest " + _joined(
            f"realm={_quoted(self.realm)}",
            f"nonce={_quoted(self.nonce)}",
            f"stale={str(self.stale).lower()}",
            f'algorithm="{self.algorithm.value}"' if self.algorithm else "",
            f'qop="{",".join(self.qop)}"' if self.qop else "",
            "" if self.opaque is None else f"opaque={_quoted(self.opaque)}",
        )


@dataclass(frozen=True, slots=True)
class BasicAuthorization:
    """An answer that tells the password.

    Attributes:
        user: Without a colon, which would end it.
    """

    user: str
    password: str = field(repr=False)

    def to_text(self) -> str:
        """The value of Authorization."""
        credentials = _bytes(f"{self.user}:{self.password}")
        return f"Basic {base64.b64encode(credentials).decode('ascii')}"

    def is_right(self, secret: str, realm: str, algorithm: Algorithm) -> bool:
        """Whether it proves knowledge of the password, in a time that does not depend on it.

        Args:
            secret: What `ha1` makes of the right password.
            realm: That it made it with.
            algorithm: Likewise.
        """
        return _same(ha1(algorithm, self.user, realm, self.password), secret)


@dataclass(frozen=True, slots=True)
class DigestAuthorization:
    """An answer that proves knowledge of the password without telling it.

    Attributes:
        uri: What the request names, as whoever answers writes it.
        response: The proof, in hexadecimal digits.
        algorithm: None where it is not told, which means MD5.
        nc: How many answers this nonce has had, eight hexadecimal digits; empty without ``qop``.
        cnonce: What the client added to the nonce; empty without ``qop``.
    """

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: Algorithm | None = None
    opaque: str | None = None
    nc: str = ""
    cnonce: str = ""

    def to_text(self) -> str:
        """The value of Authorization; quotes are where RFC 7616 section 3.4 wants them."""
        return "Digest " + _joined(
            f"username={_quoted(self.username)}",
            f"realm={_quoted(self.realm)}",
            f"nonce={_quoted(self.nonce)}",
            f"uri={_quoted(self.uri)}",
            f"response={_quoted(self.response)}",
            f"algorithm={self.algorithm.value}" if self.algorithm else "",
            "" if self.opaque is None else f"opaque={_quoted(self.opaque)}",
            f"qop=auth, nc={self.nc}, cnonce={_quoted(self.cnonce)}" if self.nc else "",
        )

    def right_response(self, secret: str, method: str) -> str:
        """What `response` has to be (RFC 2617 section 3.2.2.1).

        Args:
            secret: What `ha1` makes of the right password, with this realm and algorithm.
            method: Of the request.
        """
        counted = f"{self.nc}:{self.cnonce}:auth:" if self.nc else ""
        request = _hash(self.algorithm, f"{method}:{self.uri}")
        return _hash(self.algorithm, f"{secret}:{self.nonce}:{counted}{request}")

    def is_right(self, secret: str, method: str) -> bool:
        """Whether it proves knowledge of the password, in a time that does not depend on it.

        Whether the nonce is a current one and the URI that of the request is for the caller to see.
        """
        return _same(self.response.lower(), self.right_response(secret, method))


Authorization = BasicAuthorization | DigestAuthorization


def parse_authorization(text: str) -> Authorization:
    """Read the value of a header Authorization.

    Raises:
        ParseError: Malformed, too long, or of an unknown kind.
    """
    scheme, elements = _only_one(text)
    if scheme == "basic":
        return _read_basic("".join(elements))
    if scheme == "digest":
        return _read_digest(_parameters(elements))
    raise ParseError(0, "auth-scheme", "unknown")


def ha1(algorithm: Algorithm | None, user: str, realm: str, password: str) -> str:
    """What a server may keep instead of a password (RFC 2617 section 3.2.2.2)."""
    return _hash(algorithm, f"{user}:{realm}:{password}")


def strongest(challenges: Iterable[Challenge]) -> Challenge | None:
    """The challenge to answer: SHA-256 before MD5 before Basic, the first of equals."""
    return max(challenges, key=_strength, default=None)


def answer(
    challenge: Challenge,
    user: str,
    password: str,
    method: str,
    uri: str,
    cnonce: str,
    nonce_count: int,
) -> Authorization:
    """Answer a challenge for one request.

    Args:
        challenge: One that `strongest` chose.
        user: As a person typed it.
        password: Likewise.
        method: Of the request.
        uri: What the request line names.
        cnonce: Random text; used where answers are counted.
        nonce_count: How many answers the nonce has had, this one included, from 1 on.
    """
    if challenge.scheme is Scheme.BASIC:
        return BasicAuthorization(user, password)
    unproved = DigestAuthorization(
        user,
        challenge.realm,
        challenge.nonce,
        uri,
        response="",
        algorithm=challenge.algorithm,
        opaque=challenge.opaque,
        nc=f"{nonce_count:08x}" if challenge.qop else "",
        cnonce=cnonce if challenge.qop else "",
    )
    secret = ha1(challenge.algorithm, user, challenge.realm, password)
    return replace(unproved, response=unproved.right_response(secret, method))


def _read_basic(text: str) -> BasicAuthorization:
    try:
        credentials = base64.b64decode(text, validate=True)
    except ValueError:
        raise ParseError(0, "basic-credentials", "not base64") from None
    user, colon, password = credentials.decode("utf-8", "surrogateescape").partition(":")
    if not colon:
        raise ParseError(0, "basic-credentials", "no password")
    return BasicAuthorization(user, password)


def _read_digest(values: Mapping[str, str]) -> DigestAuthorization:
    is_counted = bool(_qop(values))
    return DigestAuthorization(
        _required(values, "username"),
        _required(values, "realm"),
        _required(values, "nonce"),
        _required(values, "uri"),
        _required(values, "response", _RESPONSE),
        algorithm=_algorithm(values),
        opaque=values.get("opaque"),
        nc=_required(values, "nc", _NONCE_COUNT) if is_counted else "",
        cnonce=_required(values, "cnonce") if is_counted else "",
    )


def _strength(challenge: Challenge) -> tuple[bool, bool]:
    return challenge.scheme is Scheme.DIGEST, challenge.algorithm is Algorithm.SHA_256


def _hash(algorithm: Algorithm | None, text: str) -> str:
    if algorithm is Algorithm.SHA_256:
        return hashlib.sha256(_bytes(text)).hexdigest()
    # Most cameras know nothing better; a hardened OpenSSL would refuse it otherwise.
    return hashlib.md5(_bytes(text), usedforsecurity=False).hexdigest()


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(_bytes(one), _bytes(other))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _split(text: str) -> list[tuple[str, list[str]]]:
    """Each scheme, in lower case, with what stands between its commas; none if that is too long."""
    found: list[tuple[str, list[str]]] = []
    if len(text) > MAX_CHARACTERS:
        return found
    for element in filter(None, (part.strip(_BLANKS) for part in _ELEMENT.findall(text))):
        start = _SCHEME.fullmatch(element)
        if start:
            found.append((start[1].lower(), [start[2]] if start[2] else []))
        elif found:
            found[-1][1].append(element)
        else:
            found.append(("", [element]))
    return found


def _only_one(text: str) -> tuple[str, list[str]]:
    found = _split(text)
    if len(found) != 1:
        raise ParseError(0, "auth-scheme", "missing, too long, or more than one")
    return found[0]


def _parameters(elements: Iterable[str]) -> dict[str, str]:
    """Names in lower case, values without quotes."""
    values = {}
    for element in elements:
        found = _PARAMETER.fullmatch(element)
        if not found:
            raise ParseError(0, "auth-param")
        name, quoted, plain = found.groups(default="")
        values[name.lower()] = _ESCAPED.sub(r"\1", quoted) or plain.strip(_BLANKS)
    return values


def _required(values: Mapping[str, str], name: str, pattern: re.Pattern[str] | None = None) -> str:
    if name not in values:
        raise ParseError(0, name, "missing")
    if pattern and not pattern.fullmatch(values[name]):
        raise ParseError(0, name)
    return values[name]


def _algorithm(values: Mapping[str, str]) -> Algorithm | None:
    if "algorithm" not in values:
        return None
    try:
        return Algorithm(values["algorithm"].upper())
    except ValueError:
        raise ParseError(0, "algorithm", "unknown") from None


def _qop(values: Mapping[str, str]) -> tuple[str, ...]:
    """`("auth",)` if it is among what is offered; empty if nothing is."""
    offered = [option.strip(_BLANKS).lower() for option in values.get("qop", "").split(",")]
    if "auth" in offered:
        return ("auth",)
    if any(offered):
        raise ParseError(0, "qop", "unknown")
    return ()


def _quoted(text: str) -> str:
    return '"' + _TO_BE_ESCAPED.sub(r"\\\g<0>", text) + '"'


def _joined(*fields: str) -> str:
    return ", ".join(filter(None, fields))
