"""Laws of what reads text: RTSP messages, headers, URLs, logins, descriptions, users files."""

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TypeVar
from urllib.parse import unquote

from client.errors import PlayerError
from client.talk.description import Described
from client.talk.location import Location
from mjpegd.access.rights import PathPattern
from mjpegd.access.users import Users
from mjpegd.errors import ConfigurationError, RTSPError
from mjpegd.wire.digest import Challenge, parse_authorization
from mjpegd.wire.errors import ParseError
from mjpegd.wire.headers import (
    NptRange,
    RTPInfo,
    SessionHeader,
    Transport,
    parse_scale,
    scale_to_text,
)
from mjpegd.wire.lab import Dialect, End, LabAnswer, LabRequest, dialect, is_complete
from mjpegd.wire.messages import Request, Response, is_http
from mjpegd.wire.sdp import Description
from mjpegd.wire.times import MAX_RATE, parse_rate
from mjpegd.wire.urls import StreamURL, same_stream, without_userinfo
from mjpegd.wishes import Wishes
from tests.fuzz.target import agree, demand

URL = "rtsp://192.0.2.1:8554/film.avi"


class _Written(Protocol):
    def to_text(self) -> str: ...


W = TypeVar("W", bound=_Written)


def text_of(data: bytes) -> str:
    """Bytes as every reader of text gets them."""
    return data.decode("utf-8", "surrogateescape")


def message(data: bytes) -> None:
    """Requests and answers that are read raise only `ParseError`, and are the same when written."""
    for parse in (Request.parse, Response.parse):
        with suppress(ParseError):
            written = parse(data).to_bytes()
            agree(parse(written).to_bytes(), written, "read, written and read again")
    is_http(data.partition(b"\n")[0])


def transport(data: bytes) -> None:
    """A Transport that is read raises only `ParseError`, and what it says can be written."""
    text = text_of(data)
    for alternative in Transport.parse_list(text):
        written = alternative.to_text()
        if '"' not in text:  # Quotes within a value cannot be written.
            agree(Transport.parse(written), alternative, "read, written and read again")
    with suppress(ParseError):
        Transport.parse(text).to_text()


def time_range(data: bytes) -> None:
    """Range, Scale and a rate raise only `ParseError`, and are numbers to reckon with."""
    text = text_of(data)
    with suppress(ParseError):
        wanted = NptRange.parse(text)
        for seconds in (wanted.start, wanted.end):
            demand(seconds is None or 0 <= seconds < 1e14, f"{seconds} s")
        NptRange.parse(wanted.to_text())
    with suppress(ParseError):
        scale = parse_scale(text, "Scale")
        demand(0 < abs(scale) < 1e11, scale_to_text(scale))
    with suppress(ParseError):
        demand(0 < parse_rate(text) <= MAX_RATE, "a rate")


def header(data: bytes) -> None:
    """Session and RTP-Info raise only `ParseError`, and are the same when written."""
    text = text_of(data)
    _written_again(SessionHeader.parse, text)
    with suppress(ParseError):
        for info in RTPInfo.parse_list(text):
            info.to_text()


def login(data: bytes) -> None:
    """Authorization and challenges raise only `ParseError`, and are the same when written."""
    text = text_of(data)
    _written_again(parse_authorization, text)
    _written_again(Challenge.parse, text)
    Challenge.parse_list([text, text])


def url(data: bytes) -> None:
    """A URL that is read names the same stream in each way that it can be written."""
    text = text_of(data)
    same_stream(URL, text)
    without_userinfo(text)
    try:
        found = StreamURL.parse(text)
    except ParseError:
        return
    with suppress(RTSPError):
        Wishes.parse(found.query)
    demand(".." not in found.raw_path or bool(found.path), "a path")
    demand(not found.path.startswith("/") and "//" not in found.path, "a path without slashes")
    # Of a stream that is called like a track, the aggregate is taken for the track.
    if found.authority and "trackID=" not in unquote(found.aggregate):
        again = StreamURL.parse(f"{found.aggregate}/trackID=1")
        agree((again.path, again.track), (found.path, 1), "the same stream, with a track")


def description(data: bytes) -> None:
    """A server's description that is read raises only errors of the player, and can be written."""
    head, _, body = data.partition(b"\n\n")
    with suppress(ParseError):
        found = Description.parse(body)
        written = found.to_bytes()
        agree(Description.parse(written).payload_type, found.payload_type, "payload type")
    response = Response.parse_head([b"RTSP/1.0 200 OK", b"Content-Base: " + _line(head)])
    with suppress(PlayerError):
        Described.read(URL, Response(200, response.headers, body))


def location(data: bytes) -> None:
    """An address that a person types raises only `LocationError`, and is one for a server too."""
    with suppress(PlayerError):
        found = Location.parse(text_of(data))
        demand(found.url.isascii() and 0 < found.port < 0x10000, found.url)
        agree(Location.parse(found.url).url, found.url, "read again")
        demand(bool(found.root), found.name)


def laboratory(data: bytes) -> None:
    """The laboratory's requests and answers raise only `ParseError`, whole or with more to come."""
    lines = data.split(b"\n")
    for end in End:
        found = dialect(lines, end)
        demand(found is None or isinstance(found, Dialect), "a dialect")
    is_complete(lines)
    with suppress(ParseError):
        request = LabRequest.parse(lines)
        if not {"\r", "\n"} & set(request.name):
            LabRequest.parse(request.to_bytes().split(b"\n"))
    for is_silent in (False, True):
        with suppress(ParseError):
            LabAnswer.parse(data, is_silent=is_silent)


def users(data: bytes) -> None:
    """A users file raises only `ConfigurationError`; its patterns take any path."""
    text, _, path = data.decode("utf-8", "replace").partition("\0")
    with suppress(ConfigurationError):
        Users.parse(text)
    with suppress(ValueError):
        PathPattern.parse(text.partition("\n")[0]).matches(path)


def _written_again(parse: Callable[[str], W], text: str) -> None:
    with suppress(ParseError):
        found = parse(text)
        agree(parse(found.to_text()), found, "read, written and read again")


def _line(data: bytes) -> bytes:
    """Without what no line can hold."""
    return bytes(byte for byte in data if byte >= 0x20 and byte != 0x7F)
