"""Values of RTSP headers: Transport, Range, Session, RTP-Info, KeyMgmt and numbers (RFC 2326).

Every reader takes the text of one header and raises nothing but ParseError.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from enum import Enum
from typing import Self

from mjpegd.wire.errors import ParseError

MAX_PORT = 65_535
# RFC 2068 section 2.2; a pattern, for methods, names of headers and identifiers of sessions.
TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105 - no password

# Commas and semicolons inside quotes do not separate: mode="PLAY,RECORD".
_ALTERNATIVE = re.compile(r'(?:"[^"]*"|[^",])+')
_PARAMETER = re.compile(r'(?:"[^"]*"|[^";])+')

_NUMBER = re.compile(r"[0-9]{1,10}")
_SCALE = re.compile(r"-?[0-9]{1,10}(?:\.[0-9]{1,10})?")
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]{1,8}")
# RFC 2326 section 3.6. Nine digits are thirty years.
_NPT_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{0,9})?")
_NPT_CLOCK = re.compile(r"([0-9]{1,10}):([0-5]?[0-9]):([0-5]?[0-9](?:\.[0-9]{0,9})?)")
_SESSION = re.compile(rf"({TOKEN})\s*(?:;(.*))?")
_SESSION_CHARACTERS = 64
_RTP_INFO_END = re.compile(r";\s*(?=(?:seq|rtptime)\s*=)", re.IGNORECASE)
_RTP_INFO_NEXT = re.compile(r",\s*(?=url\s*=)", re.IGNORECASE)

_PROFILES = frozenset({"RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF"})
_LAST_CHANNEL = 255


def parse_number(text: str, rule: str) -> int:
    """Read 1 to 10 ASCII digits, without sign or blanks.

    Raises:
        ParseError: Anything else; ``rule`` names the field.
    """
    if not _NUMBER.fullmatch(text):
        raise ParseError(0, rule, "not a number")
    return int(text)


def parse_cseq(text: str) -> int:
    """Read the sequence number of a request (RFC 2326 section 12.17)."""
    return parse_number(text, "CSeq")


def parse_blocksize(text: str) -> int:
    """Read the payload size in bytes that a player asks for (RFC 2326 section 12.7)."""
    return parse_number(text, "Blocksize")


def parse_scale(text: str, rule: str) -> float:
    """Read the value of Scale or Speed (RFC 2326 sections 12.34 and 12.35); never 0.

    Raises:
        ParseError: Not a plain decimal number, or zero; ``rule`` names the field.
    """
    if not _SCALE.fullmatch(text):
        raise ParseError(0, rule, "not a decimal number")
    value = float(text)
    if not value:
        raise ParseError(0, rule, "zero")
    return value


def scale_to_text(value: float) -> str:
    """Write Scale or Speed with one to six decimals: ``1.0``, ``-0.5``, ``0.333333``."""
    whole, _, decimals = f"{value:.6f}".partition(".")
    return f"{whole}.{decimals.rstrip('0') or '0'}"


class Lower(Enum):
    """The lower transport of RTP (RFC 2326 section 12.39)."""

    UDP = "UDP"
    TCP = "TCP"


@dataclass(frozen=True, slots=True)
class Transport:
    """One way for the media (RFC 2326 section 12.39).

    Attributes:
        profile: ``RTP/AVP``, ``RTP/AVPF``, ``RTP/SAVP`` or ``RTP/SAVPF``.
        client_port: The player's ports of RTP and RTCP.
        server_port: The server's ports of RTP and RTCP.
        port: The ports of a multicast group.
        interleaved: The channels of RTP and RTCP in the connection of the requests.
        destination: Where the media shall go. Not to be obeyed for other hosts than the asking one.
        source: Where the media come from, if not from the host that answers.
        ssrc: The sender's synchronization source, 32 bits.
        ttl: Hops of a multicast packet.
        mode: In upper case, mostly PLAY; another asks for another direction.
    """

    profile: str = "RTP/AVP"
    lower: Lower = Lower.UDP
    multicast: bool = False
    client_port: tuple[int, int] | None = None
    server_port: tuple[int, int] | None = None
    port: tuple[int, int] | None = None
    interleaved: tuple[int, int] | None = None
    destination: str | None = None
    source: str | None = None
    ssrc: int | None = None
    ttl: int | None = None
    mode: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one alternative. Parameters it does not know are passed over.

        Raises:
            ParseError: Malformed, or a protocol other than RTP over UDP or TCP.
        """
        protocol, *parameters = _parameters(text) or [("", "")]
        profile, lower = _parse_protocol(protocol[0])
        values = dict(parameters)

        def pair(name: str, first: int, last: int) -> tuple[int, int] | None:
            return _parse_pair(values[name], name, first, last) if name in values else None

        return cls(
            profile,
            lower,
            multicast="multicast" in values,
            client_port=pair("client_port", 1, MAX_PORT),
            server_port=pair("server_port", 1, MAX_PORT),
            port=pair("port", 1, MAX_PORT),
            interleaved=pair("interleaved", 0, _LAST_CHANNEL),
            destination=values.get("destination") or None,
            source=values.get("source") or None,
            ssrc=_parse_ssrc(values["ssrc"]) if "ssrc" in values else None,
            ttl=_parse_ttl(values["ttl"]) if "ttl" in values else None,
            mode=values.get("mode", "").upper() or None,
        )

    @classmethod
    def parse_list(cls, text: str) -> list[Self]:
        """Read all alternatives, best first; those that `parse` refuses are left out."""
        usable = []
        for alternative in _ALTERNATIVE.findall(text):
            try:
                usable.append(cls.parse(alternative))
            except ParseError:
                continue
        return usable

    def to_text(self) -> str:
        """The form that all players read: upper case, no blanks, and always ``unicast``.

        gortsplib and go2rtc compare letter by letter, live555 and GStreamer do not skip blanks,
        and live555 takes an answer without ``unicast`` for multicast.
        """
        fields = [
            self.profile if self.lower is Lower.UDP else f"{self.profile}/TCP",
            "multicast" if self.multicast else "unicast",
            self.destination and f"destination={self.destination}",
            self.source and f"source={self.source}",
            _pair_to_text("client_port", self.client_port),
            _pair_to_text("server_port", self.server_port),
            _pair_to_text("port", self.port),
            _pair_to_text("interleaved", self.interleaved),
            None if self.ttl is None else f"ttl={self.ttl}",
            None if self.ssrc is None else f"ssrc={self.ssrc:08X}",
            self.mode and f'mode="{self.mode}"',
        ]
        return ";".join(filter(None, fields))


@dataclass(frozen=True, slots=True)
class NptRange:
    """A range of normal play time (RFC 2326 section 3.6).

    Attributes:
        start: Seconds; None where the range only has an end, or begins now.
        end: Seconds; None where the range is open.
        now: It begins at the live point.
    """

    start: float | None
    end: float | None = None
    now: bool = False

    @classmethod
    def parse(cls, value: str) -> Self:
        """Read the value of Range; a ``;time=`` after it is passed over.

        Raises:
            ParseError: With the rule ``range-unit`` if it is a range of something else (clock,
                smpte), and any other rule if it is malformed.
        """
        unit, _, text = value.partition(";")[0].partition("=")
        if unit.strip().lower() != "npt":
            raise ParseError(0, "range-unit", "not npt")
        start, dash, end = (part.strip() for part in text.partition("-"))
        if not dash or not (start or end):
            raise ParseError(0, "npt-range")
        now = start.lower() == "now"
        return cls(
            None if now or not start else _parse_npt(start),
            _parse_npt(end) if end else None,
            now,
        )

    def to_text(self) -> str:
        """``npt=0.000-5.000``, with six decimals for what is not whole milliseconds."""
        start = "now" if self.now else _npt_to_text(self.start)
        return f"npt={start}-{_npt_to_text(self.end)}"


@dataclass(frozen=True, slots=True)
class SessionHeader:
    """Which session a message belongs to (RFC 2326 section 12.37).

    Attributes:
        identifier: 1 to 64 characters of a token.
        timeout_s: After how many silent seconds the server ends the session.
    """

    identifier: str
    timeout_s: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the value of Session; players may send back the time-out with the identifier.

        Raises:
            ParseError: Malformed.
        """
        found = _SESSION.fullmatch(text.strip())
        if not found or len(found[1]) > _SESSION_CHARACTERS:
            raise ParseError(0, "session-id")
        timeout = dict(_parameters(found[2] or "")).get("timeout")
        return cls(found[1], None if timeout is None else parse_number(timeout, "timeout"))

    def to_text(self) -> str:
        """``id;timeout=60``; FFmpeg passes over a time-out that does not follow at once."""
        if self.timeout_s is None:
            return self.identifier
        return f"{self.identifier};timeout={self.timeout_s}"


@dataclass(frozen=True, slots=True)
class RTPInfo:
    """The first packet after a PLAY (RFC 2326 section 12.33).

    Attributes:
        url: The URL of the SETUP, character by character.
        sequence: The packet's sequence number, 16 bits.
        timestamp: The RTP time in ticks that belongs to the start of the Range, 32 bits.
    """

    url: str
    sequence: int
    timestamp: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the entry of one stream; the URL may hold commas and semicolons.

        Raises:
            ParseError: Malformed, or one of the three is missing.
        """
        url, *rest = _RTP_INFO_END.split(text)
        name, _, url = url.partition("=")
        values = dict(parameter for part in rest for parameter in _parameters(part))
        url = url.strip().strip('"')
        if name.strip().lower() != "url" or not url or not values.keys() >= {"seq", "rtptime"}:
            raise ParseError(0, "stream-url")
        return cls(
            url,
            _in_range(parse_number(values["seq"], "seq"), "seq", 0, 0xFFFF),
            _in_range(parse_number(values["rtptime"], "rtptime"), "rtptime", 0, 0xFFFFFFFF),
        )

    @classmethod
    def parse_list(cls, text: str) -> list[Self]:
        """Read the value of RTP-Info.

        Raises:
            ParseError: One of the entries is malformed.
        """
        return [cls.parse(entry) for entry in _RTP_INFO_NEXT.split(text)]

    def to_text(self) -> str:
        """The entry of one stream, without quotes: FFmpeg compares the URL as it stands."""
        return f"url={self.url};seq={self.sequence};rtptime={self.timestamp}"


@dataclass(frozen=True, slots=True)
class KeyManagement:
    """A message of MIKEY about keys, in the header KeyMgmt (RFC 4567 section 3.2).

    Attributes:
        message: The message, as it is.
        url: Which stream it is about; empty where that is not told.
    """

    message: bytes
    url: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the first message of a header.

        Raises:
            ParseError: Malformed, or of another protocol than MIKEY.
        """
        first = _ALTERNATIVE.match(text)
        values = dict(_parameters(first[0] if first else ""))
        if values.get("prot", "").lower() != "mikey" or "data" not in values:
            raise ParseError(0, "key-mgmt-spec", "no mikey, or no data")
        return cls(parse_base64(values["data"], "key-mgmt-data"), values.get("uri", ""))

    def to_text(self) -> str:
        """``prot=mikey;uri="…";data="…"``: live555 and GStreamer skip no blanks here either."""
        url = self.url.replace('"', "%22")
        data = b64encode(self.message).decode("ascii")
        return f'prot=mikey;uri="{url}";data="{data}"'


def parse_base64(text: str, rule: str) -> bytes:
    """Read strict base64.

    Raises:
        ParseError: Anything else; ``rule`` names the field.
    """
    try:
        return b64decode(text, validate=True)
    except (Base64Error, ValueError):  # and what is not ASCII
        raise ParseError(0, rule, "no base64") from None


def _parameters(text: str) -> list[tuple[str, str]]:
    """`a;b=c` as pairs: names in lower case, values without quotes, "" where there is none."""
    pairs = (part.partition("=") for part in _PARAMETER.findall(text))
    return [(name.strip().lower(), value.strip().strip('"')) for name, _, value in pairs]


def _parse_protocol(text: str) -> tuple[str, Lower]:
    profile, slash, lower = text.upper().rpartition("/")
    if profile not in _PROFILES:
        profile, lower = f"{profile}{slash}{lower}", "UDP"
    if profile not in _PROFILES or lower not in Lower.__members__:
        raise ParseError(0, "transport-protocol", "unknown")
    return profile, Lower[lower]


def _parse_pair(text: str, rule: str, first: int, last: int) -> tuple[int, int]:
    """Read `a-b`, or `a` for `a` and the next: RTCP is one above RTP (RFC 3550 section 11)."""
    low, dash, high = text.partition("-")
    lower = parse_number(low.strip(), rule)
    upper = parse_number(high.strip(), rule) if dash else lower + 1
    return _in_range(lower, rule, first, upper - 1), _in_range(upper, rule, first, last)


def _in_range(number: int, rule: str, first: int, last: int) -> int:
    if not first <= number <= last:
        raise ParseError(0, rule, "out of range")
    return number


def _parse_ssrc(text: str) -> int:
    if not _HEXADECIMAL.fullmatch(text):
        raise ParseError(0, "ssrc", "not hexadecimal")
    return int(text, 16)


def _parse_ttl(text: str) -> int:
    return _in_range(parse_number(text, "ttl"), "ttl", 0, 255)


def _pair_to_text(name: str, pair: tuple[int, int] | None) -> str:
    return f"{name}={pair[0]}-{pair[1]}" if pair else ""


def _parse_npt(text: str) -> float:
    if _NPT_SECONDS.fullmatch(text):
        return float(text)
    if found := _NPT_CLOCK.fullmatch(text):
        hours, minutes, seconds = found.groups()
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    raise ParseError(0, "npt-time")


def _npt_to_text(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.6f}".removesuffix("000")
