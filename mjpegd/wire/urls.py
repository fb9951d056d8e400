"""How a request URI names a stream and a track in it.

Players put the track where their own rules for joining URLs lead them. All of these are track 0
of the stream ``clip``, and what is left without the track is the stream itself:

    rtsp://host/clip/trackID=0          control appended to Content-Base (RFC 2326 appendix C.1.1)
    rtsp://host/clip?fps=5/trackID=0    FFmpeg, live555 and gortsplib: appended to the query
    rtsp://host/clip/trackID=0?fps=5    others: the query kept at the end
    rtsp://host//clip//trackID%3D0/     and any of them with other slashes or escapes
"""

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qsl, unquote, unquote_to_bytes

from mjpegd.wire.errors import ParseError

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ABSOLUTE = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://([^/?]*)(.*)", re.DOTALL)
_AUTHORITY = re.compile(r"(?:\[[0-9A-Za-z:.%_~\-]+\]|[^\[\]: ]+)(?::[0-9]{0,5})?")
_SCHEMES = frozenset({"rtsp", "rtsps"})
_TRACK = re.compile(r"trackID=([0-9]{1,10})")


@dataclass(frozen=True, slots=True)
class StreamURL:
    """What a request URI names.

    Attributes:
        scheme: `rtsp` or ``rtsps``; empty for a bare name.
        authority: ``host`` or ``host:port``, without user and password; empty for a bare name.
        raw_path: The path as it came, without the track.
        raw_query: The query as it came, without the track; None where there is no ``?``.
        track: The number of the track; None for the stream as a whole.
    """

    scheme: str
    authority: str
    raw_path: str
    raw_query: str | None = None
    track: int | None = None

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Read an absolute URI of any host, or a bare name such as ``movie.Mjpeg``.

        Raises:
            ParseError: Empty, another scheme, no host, or characters that no name can have.
        """
        control = _CONTROL.search(uri)
        if control or not uri:
            raise ParseError(control.start() if control else 0, "request-uri")
        scheme, authority, rest = _split_authority(uri)
        rest, last_track = _split_track(rest)
        raw_path, mark, raw_query = rest.partition("?")
        raw_path, path_track = _split_track(raw_path)
        track = path_track if last_track is None else last_track
        url = cls(scheme, authority, raw_path, raw_query if mark else None, track)
        if "\0" in url.path:
            raise ParseError(len(uri) - len(rest), "request-uri", "escaped null byte")
        return url

    @property
    def path(self) -> str:
        """The path decoded, without a slash at its ends and with single ones within.

        Bytes that are not UTF-8 are surrogate escapes, as ``os.fsdecode`` would have them.
        """
        raw = self.raw_path.encode("utf-8", "surrogateescape")
        decoded = unquote_to_bytes(raw).decode("utf-8", "surrogateescape")
        return "/".join(filter(None, decoded.split("/")))

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the query, decoded; of a name that occurs twice the last one."""
        return dict(parse_qsl(self.raw_query or "", keep_blank_values=True))

    @property
    def aggregate(self) -> str:
        """The URL of the stream as a whole, without a slash at its end."""
        start = f"{self.scheme}://{self.authority}" if self.authority else ""
        query = "" if self.raw_query is None else f"?{self.raw_query}"
        return f"{start}{self.raw_path}{query}".rstrip("/")

    @property
    def content_base(self) -> str:
        """The base of the description's URLs; without the last slash, clients drop a segment."""
        return f"{self.aggregate}/"

    def control(self, track: int = 0) -> str:
        """How a description names a track: relative, or absolute where there is a query.

        GStreamer joins URLs by RFC 3986 and would lose the query and the last segment of the path.
        """
        name = f"trackID={track}"
        return name if self.raw_query is None else f"{self.aggregate}/{name}"


def without_userinfo(uri: str) -> str:
    """A request URI as it may be echoed and logged: without user and password."""
    found = _ABSOLUTE.fullmatch(uri)
    if not found:
        return uri
    scheme, authority, rest = found.groups()
    return f"{scheme}://{authority.rpartition('@')[2]}{rest}"


def same_stream(one: str, other: str) -> bool:
    """Whether two URIs name the same stream, with or without a track, however each is written.

    Login is proved for a URI of the player's choice, which may be the base of the description
    (live555), lack its last slash (HappyTime), or be a path without a host (Bosch).
    """
    if one == other:
        return True
    try:
        return StreamURL.parse(one).path == StreamURL.parse(other).path
    except ParseError:
        return False


def _split_authority(uri: str) -> tuple[str, str, str]:
    found = _ABSOLUTE.fullmatch(without_userinfo(uri))
    if not found:
        return "", "", uri
    scheme, authority, rest = found.groups()
    if scheme.lower() not in _SCHEMES:
        raise ParseError(0, "request-uri", "neither rtsp nor rtsps")
    if not _AUTHORITY.fullmatch(authority):
        raise ParseError(len(scheme), "request-uri", "no host")
    return scheme.lower(), authority, rest


def _split_track(text: str) -> tuple[str, int | None]:
    """Take slashes and `trackID=N` off the end of a path or query."""
    stem, _, last = text.rstrip("/").rpartition("/")
    found = _TRACK.fullmatch(unquote(last))
    return (stem.rstrip("/"), int(found[1])) if found else (text.rstrip("/"), None)
