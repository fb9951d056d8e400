"""Where a stream is: what a person typed, or a server said, as host, port, URL and login."""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address
from typing import Self
from urllib.parse import quote, unquote

from ..errors import LocationError

DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322}
EXAMPLE = "rtsp://127.0.0.1:8554/movie.Mjpeg"
# Servers refuse longer lines, and nobody types them.
MAX_CHARACTERS = 2048
# Of a text that is no address, so much is repeated to the person who typed it.
_SHOWN_CHARACTERS = 60
# RFC 1035 section 2.3.4.
_HOST_CHARACTERS = 253

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HOST_AND_PORT = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*)(?::([0-9]{0,5}))?")
_ASCII_HOST = re.compile(r"[A-Za-z0-9._-]+")
_ZONE = re.compile(r"[A-Za-z0-9._~-]+")
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
# RFC 3986 but for "#": what follows it would never reach the server, and files have it in names.
_KEPT = "%/:?@!$&'()*+,;=~[]"


@dataclass(frozen=True, slots=True)
class Location:
    """A stream's address.

    Attributes:
        url: Absolute and in ASCII, without user and password: as requests have it.
        host: A name, or an address without brackets.
        port: Given, or the usual one of the scheme.
        is_secure: By TLS.
        user: Decoded; empty where none is given.
        password: Decoded; empty where none is given.
    """

    url: str
    host: str
    port: int
    is_secure: bool = False
    user: str = ""
    password: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address as people type it: ``rtsp://`` may be left out.

        Raises:
            LocationError: It names no stream; the text says why, without any password.
        """
        text = text.strip()
        if not text:
            raise LocationError(f"Type the address of a stream, such as {EXAMPLE}.")
        if len(text) > MAX_CHARACTERS:
            raise LocationError(f"An address has at most {MAX_CHARACTERS} characters.")
        if not text.isprintable():
            raise LocationError("The address has a character in it that cannot be printed.")
        scheme, rest = _split_scheme(text)
        authority, path = _split_authority(rest)
        userinfo, _, place = authority.rpartition("@")
        host, shown_host, port = _parse_place(place)
        user, _, password = map(unquote, userinfo.partition(":"))
        if not (user + password).isprintable():
            raise LocationError("The user or the password has a character that cannot be printed.")
        return cls(
            f"{scheme}://{shown_host}{f':{port}' if port else ''}{_encode(path) or '/'}",
            host,
            port or DEFAULT_PORTS[scheme],
            scheme == "rtsps",
            user,
            password,
        )

    @property
    def root(self) -> str:
        """The URL of the server as a whole."""
        scheme, _, rest = self.url.partition("://")
        authority, _ = _split_authority(rest)
        return f"{scheme}://{authority}/"

    @property
    def name(self) -> str:
        """The path decoded, without the slash at its beginning."""
        _, path = _split_authority(self.url.partition("://")[2])
        return unquote(path.partition("?")[0].removeprefix("/"))


def _split_scheme(text: str) -> tuple[str, str]:
    found = _SCHEME.match(text)
    if not found:
        return "rtsp", text
    scheme = found[1].lower()
    if scheme in ("http", "https"):
        raise LocationError(
            f"{scheme}:// is the address of a web page: that of a stream begins with rtsp://."
        )
    if scheme not in DEFAULT_PORTS:
        raise LocationError(
            f"This player knows no {scheme}:// addresses, only rtsp:// and rtsps://."
        )
    return scheme, text[found.end() :]


def _split_authority(rest: str) -> tuple[str, str]:
    """Host with what belongs to it, and what follows: a path, a query, or nothing."""
    end = min((at for mark in "/?" if (at := rest.find(mark)) >= 0), default=len(rest))
    return rest[:end], rest[end:]


def _parse_place(place: str) -> tuple[str, str, int | None]:
    """The host as sockets want it, the same as URLs write it, and the port."""
    found = _HOST_AND_PORT.fullmatch(place)
    if not found or not found[1]:
        # A slash in a password ends the authority too early: what is left of it is not shown.
        raise LocationError(
            f"The address names no host and port; that of a stream looks like {EXAMPLE}."
        )
    port = int(found[2]) if found[2] else None
    if port is not None and not 0 < port < 0x10000:
        raise LocationError(f"{port} is no port: ports are numbers from 1 to 65535.")
    if found[1].startswith("["):
        return _parse_ipv6(found[1][1:-1]), found[1], port
    host = _to_ascii(found[1])
    return host, host, port


def _parse_ipv6(text: str) -> str:
    """An address, perhaps with a zone, which a URL writes as ``%25eth0``."""
    address, percent, zone = unquote(text).partition("%")
    try:
        host = str(IPv6Address(address))
    except AddressValueError:
        raise LocationError(f"{_shown(text)} is no IPv6 address.") from None
    if not percent:
        return host
    if not _ZONE.fullmatch(zone):
        raise LocationError(f"{_shown(text)} is no IPv6 address with a zone.")
    return f"{host}%{zone}"


def _to_ascii(host: str) -> str:
    try:
        name = host.encode("idna").decode("ascii") if len(host) <= _HOST_CHARACTERS else ""
    except UnicodeError:
        name = ""
    if not _ASCII_HOST.fullmatch(name):
        raise LocationError(f"{_shown(host)} is not the name of a host.")
    return name


def _encode(path: str) -> str:
    """Escape what a URL cannot hold; what is escaped already stays as it is."""
    return quote(_LONE_PERCENT.sub("%25", path), safe=_KEPT)


def _shown(text: str) -> str:
    is_long = len(text) > _SHOWN_CHARACTERS
    return f'"{text[:_SHOWN_CHARACTERS]}{"…" if is_long else ""}"'
