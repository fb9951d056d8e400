"""The dialect of the Kurose-Ross networking laboratory: its requests, answers and packets.

Hundreds of course solutions speak it, each a little differently. What they have in common: a
request of three lines, mostly without an empty line and often without a last line end; an
answer of exactly three lines; one whole JPEG file in each RTP packet, without the header of
RFC 2435. Lines are given as split at LF: a CR before the LF is still there, and the last line
may be one whose end has not come.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Self
from urllib.parse import unquote

from mjpegd.wire.errors import ParseError
from mjpegd.wire.messages import REASONS
from mjpegd.wire.packets import JPEG_PAYLOAD_TYPE

# Most Python clients call recvfrom(20480), the Java one has a buffer of 15000 bytes; what is
# longer is cut, and shows nothing or half a picture.
DEFAULT_MAX_PACKET_BYTES = 20_480
JAVA_MAX_PACKET_BYTES = 15_000
# No IPv4 datagram is longer: 65535 less the headers of IP and UDP.
MAX_DATAGRAM_BYTES = 65_507

# Clients show only frames above the last number shown, and begin with 0.
FIRST_SEQUENCE = 1
# Six digits, as the exercise tells its students: any client's integer can hold them.
SESSIONS = range(100_000, 1_000_000)
# A client sends its request in one piece; a complete one with nothing behind it has ended.
SILENCE_S = 0.05
# The longest request seen has six lines.
MAX_LINES = 32
# The longest answer that a server gives is its list of films, a line for each.
MAX_ANSWER_BYTES = 16_384

# Verbs of RTSP that no laboratory client sends.
_RTSP_VERBS = frozenset(
    {
        "OPTIONS",
        "ANNOUNCE",
        "RECORD",
        "REDIRECT",
        "GET_PARAMETER",
        "SET_PARAMETER",
    }
)
VERBS = _RTSP_VERBS | {
    "SETUP",
    "PLAY",
    "PAUSE",
    "TEARDOWN",
    "DESCRIBE",
    "SWITCH",
    "CHANGE",
    "SETTIME",
    "CONNECT",
    "GETLIST",
    "LOAD",
    "SETUPMOVIE",
}

_BLANKS = " \t\r"
_VERB = re.compile(r"[A-Za-z_]{1,32}")
_NUMBER = re.compile(r"(?<![0-9])[0-9]{1,10}(?![0-9])")
_PORTS = re.compile(r"(?<![0-9])([0-9]{1,10})(?:-[0-9]{1,10})?(?![0-9])")
_CLIENT_PORT = re.compile("client_port", re.IGNORECASE)
# Possessive, here and below: giving blanks back would take quadratic time on a line of blanks.
_SEEK = re.compile(
    r"(frame|npt)[ \t]*+[=:]?[ \t]*+([0-9]{1,10}(?:\.[0-9]{1,9})?)(?![0-9])", re.IGNORECASE
)
_STATUS_LINE = re.compile(r"RTSP/[0-9.]{1,8}[ \t]+([1-5][0-9][0-9])(?![0-9])", re.IGNORECASE)
_VERSION = re.compile(r"(?:^|[ \t])RTSP/[0-9]+\.[0-9]+$", re.IGNORECASE)
# `CSeq: 1`, `Cseq 1`, `Transport: RTP/UDP`, and `RTP/UDP; ...` alone, whose name is RTP then.
_FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z_-]*")
_TRANSPORT_NAMES = ("transport", "rtp", "tcp", "rtsp")
_FIELD_NAMES = frozenset({"session", "range", "frame", "clientframe", "accept", *_TRANSPORT_NAMES})
# RTSP knows no such profile: it would have to refuse it.
_LABORATORY_TRANSPORT = re.compile(
    r"(?:transport[ \t]*+[:=]?|rtsp/[0-9.]+)?[ \t]*+(?:rtp|tcp)/udp\b", re.IGNORECASE
)


class Dialect(Enum):
    """How a message is to be read and answered."""

    RTSP = auto()
    LABORATORY = auto()


class End(Enum):
    """What is known of the end of a message."""

    OPEN = auto()
    EMPTY_LINE = auto()
    SILENCE = auto()
    NEXT_VERB = auto()


def dialect(lines: Sequence[bytes], end: End) -> Dialect | None:
    """Tell the laboratory's messages from RTSP's.

    Once a message of a connection is the laboratory's, all that follow are.

    An absolute URI or ``*`` is RTSP, unless its transport is one that only the laboratory
    knows. A bare name, or none, is the laboratory's if a line ends in a bare LF, or if the
    message ends without an empty line; players always send an absolute URI. Methods that no
    laboratory client sends, and what is no request at all, are left to RTSP.

    Args:
        lines: What has come of the message, from its first line on, at least one line.
        end: Whether and how it ended; SILENCE after SILENCE_S without further bytes.

    Returns:
        None where more must come before that can be told.
    """
    verb, name = _split_request_line(_text(lines[0]))
    ended = end in (End.EMPTY_LINE, End.NEXT_VERB)
    if not ended and len(lines) == 1:
        return None
    if not is_request_line(lines[0]) or verb in _RTSP_VERBS:
        return Dialect.RTSP
    if _is_absolute(name):
        if any(map(_LABORATORY_TRANSPORT.match, map(_text, lines[1:]))):
            return Dialect.LABORATORY
        return Dialect.RTSP if ended or verb != "SETUP" else None
    if any(line and not line.endswith(b"\r") for line in (lines if ended else lines[:-1])):
        return Dialect.LABORATORY
    if end is End.EMPTY_LINE:
        return Dialect.RTSP
    if end is End.NEXT_VERB or (end is End.SILENCE and is_complete(lines)):
        return Dialect.LABORATORY
    return None


def is_request_line(line: bytes) -> bool:
    """Whether a line opens a request, and so ends the one before it."""
    verb, _, rest = _text(line).partition(" ")
    return verb.upper() in VERBS or bool(_VERB.fullmatch(verb) and _VERSION.search(rest))


def is_complete(lines: Sequence[bytes]) -> bool:
    """Whether the lines are a whole request if nothing follows for SILENCE_S."""
    try:
        request = LabRequest.parse(lines)
    except ParseError:
        return False
    texts = _texts(lines)
    if request.verb == "SETUP":
        return request.client_port is not None
    numbered = len(texts) > 1 and not _field_name(texts[1]) and bool(request.cseq)
    if request.verb in ("PLAY", "PAUSE", "TEARDOWN"):
        return numbered or request.session is not None
    return numbered or len(texts) > 2


@dataclass(frozen=True, slots=True)
class LabRequest:
    """One request of a laboratory client.

    Attributes:
        verb: In upper case; mostly SETUP, PLAY, PAUSE or TEARDOWN, but anything may come.
        name: The file, as plain text without percent encoding; empty where none is named.
        cseq: The number to answer with; 0 where none was told.
        client_port: Where the packets go, 1..65535.
        session: The session's number.
        seek_frame: The frame to go on from, as that client counts.
        seek_s: The media time to go on from, in seconds.
        line_end: What the request's lines end with: LF or CRLF.
    """

    verb: str
    name: str = ""
    cseq: int = 0
    client_port: int | None = None
    session: int | None = None
    seek_frame: int | None = None
    seek_s: float | None = None
    line_end: str = "\n"

    @classmethod
    def parse(cls, lines: Sequence[bytes]) -> Self:
        """Read a request as leniently as its meaning allows; lines beyond MAX_LINES are ignored.

        Raises:
            ParseError: There is no verb.
        """
        texts = _texts(lines)
        verb, name = _split_request_line(texts[0] if texts else "")
        if not _VERB.fullmatch(verb):
            raise ParseError(0, "verb")
        fields = _fields(texts)
        seek_frame, seek_s = _seek(fields)
        return cls(
            verb=verb,
            name=_file_name(name),
            cseq=_cseq(texts, fields),
            client_port=_client_port(texts, fields),
            session=_first_number(fields.get("session", "")),
            seek_frame=seek_frame,
            seek_s=seek_s,
            line_end="\r\n" if lines[0].endswith(b"\r") else "\n",
        )

    def to_bytes(self) -> bytes:
        """The request as classic clients send it, character by character.

        Classic servers take the second word of the first and second lines, and the fourth word
        of a Transport. Some read by line, and wait for the last line's end; those that read by
        chunk do not mind it, but an empty line would be one too many for the former. A line for
        a seek comes fourth, where those that know of none do not look.

        Raises:
            ValueError: A name that a line cannot hold.
        """
        if "\n" in self.name or "\r" in self.name:
            raise ValueError(f"no name of a file: {self.name!r}")
        lines = [
            " ".join(filter(None, (self.verb, self.name, "RTSP/1.0"))),
            f"CSeq: {self.cseq}",
            f"Transport: RTP/UDP; client_port= {self.client_port}" if self.client_port else "",
            "" if self.session is None else f"Session: {self.session}",
            "" if self.seek_frame is None else f"Range: frame={self.seek_frame}",
            "" if self.seek_s is None else f"Range: npt={self.seek_s:.3f}-",
        ]
        text = "".join(f"{line}{self.line_end}" for line in lines if line)
        return text.encode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class LabAnswer:
    """What a laboratory server says to a request.

    Attributes:
        status: Status code of RTSP.
        cseq: The request's number; 0 where none was told.
        session: The session's number; None where none was told.
    """

    status: int
    cseq: int = 0
    session: int | None = None

    @classmethod
    def parse(cls, data: bytes, *, is_silent: bool) -> Self | None:
        """Read an answer that has three lines, fewer or more, and perhaps no last line end.

        Args:
            data: All that came since the request was sent.
            is_silent: Nothing more has come for SILENCE_S.

        Returns:
            None where more must come: an answer ends with a whole line that names its session,
            with an empty one, or with silence. What follows its end is passed over.

        Raises:
            ParseError: It does not begin with a status, or is too long.
        """
        *lines, last = map(_text, data.lstrip()[:MAX_ANSWER_BYTES].split(b"\n"))
        if is_silent:
            lines += [last, ""]
        status = _STATUS_LINE.match(lines[0]) if lines else None
        if any(lines[:1]) and not status:
            raise ParseError(0, "status-line")
        end = next((at for at, line in enumerate(lines, 1) if _ends_answer(line)), 0)
        if status and end:
            fields = _fields(lines[:end])
            session = _first_number(fields.get("session", ""))
            return cls(int(status[1]), _cseq(lines[:end], fields), session)
        if len(data) > MAX_ANSWER_BYTES:
            raise ParseError(MAX_ANSWER_BYTES, "answer", "too long")
        return None


def answer(status: int, cseq: int, session: int) -> bytes:
    """The three lines that answer any request.

    No client reads a fourth line or an empty one, and the last of three integers must be
    bare. Clients that read by chunk and those that read by line are both content with LF.

    Args:
        status: Status code of RTSP.
        cseq: The request's number.
        session: The session's number; 0 where there is none.
    """
    return f"{_head(status, cseq)}Session: {session}\n".encode("ascii")


def description(cseq: int, name: str, session: int) -> bytes:
    """The answer to DESCRIBE for the Java client: exactly nine lines, none of them empty."""
    shown = "".join(character for character in name if character.isprintable())
    body = (
        "v=0\n"
        f"m=video 0 RTP/AVP {JPEG_PAYLOAD_TYPE}\n"
        f"a=control:streamid={session}\n"
        'a=mimetype:string;"video/MJPEG"\n'
    )
    head = (
        f"{_head(200, cseq)}"
        f"Content-Base: {shown}\n"
        "Content-Type: application/sdp\n"
        f"Content-Length: {len(body)}\n"
    )
    return (head + body).encode()


def _head(status: int, cseq: int) -> str:
    return f"RTSP/1.0 {status} {REASONS.get(status, 'Unknown')}\nCSeq: {cseq}\n"


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape").strip(_BLANKS)


def _texts(lines: Sequence[bytes]) -> list[str]:
    return [text for text in map(_text, lines[:MAX_LINES]) if text]


def _split_request_line(text: str) -> tuple[str, str]:
    """The verb, in upper case, and what stands between it and a version."""
    verb, _, rest = text.partition(" ")
    return verb.upper(), _VERSION.sub("", rest).strip(_BLANKS)


def _is_absolute(name: str) -> bool:
    return "://" in name or name == "*"


def _file_name(name: str) -> str:
    """Of an absolute URI, what follows the host."""
    _, scheme_end, rest = name.partition("://")
    return unquote(rest.partition("/")[2], errors="surrogateescape") if scheme_end else name


def _field_name(text: str) -> str:
    found = _FIELD_NAME.match(text)
    return found[0].lower() if found else ""


def _ends_answer(text: str) -> bool:
    return not text or _field_name(text) == "session"


def _fields(texts: Sequence[str]) -> dict[str, str]:
    """The lines after the first by their names; of those with the same name the first one."""
    return {_field_name(text): text for text in reversed(texts[1:])}


def _first_number(text: str) -> int | None:
    found = _NUMBER.search(text)
    return int(found[0]) if found else None


def _cseq(texts: list[str], fields: dict[str, str]) -> int:
    second = texts[1] if len(texts) > 1 and _field_name(texts[1]) not in _FIELD_NAMES else ""
    return _first_number(fields.get("cseq", second)) or 0


def _client_port(texts: list[str], fields: dict[str, str]) -> int | None:
    numbers: list[str] = []
    for text in texts[1:]:
        if found := _CLIENT_PORT.search(text):
            numbers = _PORTS.findall(text, found.end())[:1]
            break
    else:
        bare = texts[2] if len(texts) > 2 and not _field_name(texts[2]) else ""
        line = next((fields[name] for name in _TRANSPORT_NAMES if name in fields), bare)
        numbers = _PORTS.findall(line)[-1:]
    return next((int(number) for number in numbers if 0 < int(number) <= 0xFFFF), None)


def _seek(fields: dict[str, str]) -> tuple[int | None, float | None]:
    """The frame number and the seconds to go on from, as far as they are told."""
    found = _SEEK.search(fields.get("range", ""))
    if not found:
        return _first_number(fields.get("frame", fields.get("clientframe", ""))), None
    unit, number = found.groups()
    return (int(float(number)), None) if unit.lower() == "frame" else (None, float(number))
