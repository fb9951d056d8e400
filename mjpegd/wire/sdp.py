"""The description of a JPEG track, written and read (RFC 2327, RFC 2326 appendix C)."""

import re
from base64 import b64encode
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Self

from mjpegd.wire.errors import ParseError
from mjpegd.wire.headers import parse_base64
from mjpegd.wire.packets import JPEG_PAYLOAD_TYPE

MEDIA_TYPE = "application/sdp"

_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_ORIGIN = re.compile(r"\S+ +([0-9]{1,20}) +([0-9]{1,20}) +IN +(IP[46]) +(\S+)")
_MEDIA = re.compile(r"video +[0-9/]+ +(\S+) +([0-9 ]+)")
_FORMAT = re.compile(r"\b[0-9]{1,3}\b")
# For each of them all lines are searched; a camera offers one or two.
_MAX_FORMATS = 32
_FRAMERATE = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,9})?")
_DIMENSIONS = re.compile(r"([0-9]{1,5}) *, *([0-9]{1,5})")
_ANY_ADDRESS = {"IP4": "0.0.0.0", "IP6": "::"}  # noqa: S104 - nothing is bound to it


@dataclass(frozen=True, slots=True)
class Description:
    """One JPEG track, of a film or of a live picture.

    Attributes:
        title: What a player's window shows; control characters and outer blanks are left out.
        origin_address: The address of the server.
        address_family: ``IP4`` or ``IP6``.
        session_id: Tells this description from others of the same origin.
        version: Grows when the description changes.
        range_text: ``npt=0-12.5`` or ``npt=now-``; None where it is not told.
        framerate: Frames per second; None where it is not told.
        control: How SETUP names the track, relative to the base or absolute.
        dimensions: Width and height in pixels, for frames that are too large for RTP to tell.
        aggregate: How PLAY names the whole; ``*`` is the base itself.
        payload_type: 26, or a dynamic one of another server.
        profile: ``RTP/AVP``, or ``RTP/SAVP`` where packets are encrypted.
        key_message: What MIKEY says of the keys (RFC 4567 section 3.1); None where nothing is said.
    """

    title: str
    origin_address: str
    address_family: str
    session_id: int
    version: int
    range_text: str | None = None
    framerate: Fraction | None = None
    control: str = "trackID=0"
    dimensions: tuple[int, int] | None = None
    aggregate: str = "*"
    payload_type: int = JPEG_PAYLOAD_TYPE
    profile: str = "RTP/AVP"
    key_message: bytes | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the first JPEG track of any server's description.

        Lines that are missing or malformed leave their fields empty, and an absent control
        leaves "": the base itself.

        Raises:
            ParseError: There is no video track in JPEG.
        """
        session, *media = _sections(data)
        for track in media:
            if (payload_type := track.jpeg_payload_type()) is not None:
                break
        else:
            raise ParseError(len(data), "media", "no JPEG track")
        origin = _ORIGIN.fullmatch(session.first("o="))
        session_id, version, family, address = origin.groups() if origin else (0, 0, "IP4", "")
        return cls(
            session.first("s="),
            address,
            family,
            int(session_id),
            int(version),
            range_text=track.first("a=range:") or session.first("a=range:") or None,
            framerate=_parse_framerate(
                track.first("a=framerate:") or track.first("a=x-framerate:")
            ),
            control=track.first("a=control:"),
            dimensions=_parse_dimensions(track.first("a=x-dimensions:")),
            aggregate=session.first("a=control:") or "*",
            payload_type=payload_type,
            profile=track.profile(),
            key_message=_parse_key_message(
                track.first("a=key-mgmt:") or session.first("a=key-mgmt:")
            ),
        )

    def to_bytes(self) -> bytes:
        """The body of an answer to DESCRIBE."""
        origin = f"{self.session_id} {self.version} IN {self.address_family} {self.origin_address}"
        lines = [
            "v=0",
            f"o=- {origin}",
            # A blank, for want of a title: the line must not be empty (RFC 4566 section 5.3).
            f"s={_CONTROL.sub(' ', self.title).strip() or ' '}",
            # Some players miss this line; an address that is no group says nothing more.
            f"c=IN {self.address_family} {_ANY_ADDRESS[self.address_family]}",
            "t=0 0",
            f"a=control:{self.aggregate}",
            self.range_text and f"a=range:{self.range_text}",
            f"m=video 0 {self.profile} {self.payload_type}",
            f"a=rtpmap:{self.payload_type} JPEG/90000",
            self.key_message and f"a=key-mgmt:mikey {b64encode(self.key_message).decode()}",
            self.framerate and f"a=framerate:{_decimal(self.framerate)}",
            f"a=control:{self.control}",
            self.dimensions and "a=x-dimensions:{},{}".format(*self.dimensions),
            "a=recvonly",
        ]
        text = "".join(f"{_CONTROL.sub('', line)}\r\n" for line in lines if line)
        return text.encode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class _Section:
    """The lines of the session, or of one track that begins with `m=`."""

    lines: list[str] = field(default_factory=list)

    def first(self, prefix: str) -> str:
        """What follows a prefix in the first line that has it; "" where none has."""
        values = (line.removeprefix(prefix) for line in self.lines if line.startswith(prefix))
        return next(values, "").strip()

    def profile(self) -> str:
        """How the packets of this track travel."""
        media = _MEDIA.fullmatch(self.first("m="))
        return media[1].upper() if media else ""

    def jpeg_payload_type(self) -> int | None:
        """The payload type that means JPEG in this track."""
        media = _MEDIA.fullmatch(self.first("m="))
        formats = _FORMAT.findall(media[2]) if media else []
        for payload_type in formats[:_MAX_FORMATS]:
            encoding = self.first(f"a=rtpmap:{payload_type} ").upper()
            if encoding.startswith("JPEG/90000") or int(payload_type) == JPEG_PAYLOAD_TYPE:
                return int(payload_type)
        return None


def _sections(data: bytes) -> list[_Section]:
    sections = [_Section()]
    for line in data.decode("utf-8", "surrogateescape").replace("\r", "\n").split("\n"):
        if line.startswith("m="):
            sections.append(_Section())
        sections[-1].lines.append(line)
    return sections


def _parse_key_message(text: str) -> bytes | None:
    """A protocol that is not known, and what is malformed, are passed over."""
    protocol, _, data = text.partition(" ")
    if protocol.lower() != "mikey":
        return None
    try:
        return parse_base64(data.strip(), "key-mgmt")
    except ParseError:
        return None


def _parse_framerate(text: str) -> Fraction | None:
    rate = Fraction(text) if _FRAMERATE.fullmatch(text) else Fraction()
    return rate or None


def _parse_dimensions(text: str) -> tuple[int, int] | None:
    found = _DIMENSIONS.fullmatch(text)
    return (int(found[1]), int(found[2])) if found else None


def _decimal(rate: Fraction) -> str:
    """At most six decimals: `25`, `12.5`, `29.97003`."""
    return f"{float(rate):.6f}".rstrip("0").rstrip(".")
