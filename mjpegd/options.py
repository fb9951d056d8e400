"""The command line of ``twistd mjpeg-rtsp``, and the same by environment variables."""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from fractions import Fraction
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from twisted.cred.credentials import IUsernameHashedPassword
from twisted.cred.strcred import (
    AuthOptionMixin,
    InvalidAuthType,
    UnsupportedInterfaces,
    makeChecker,
)
from twisted.python import usage
from typing_extensions import override

from mjpegd import __version__
from mjpegd.addresses import Networks
from mjpegd.limits import Limits
from mjpegd.logs import shown
from mjpegd.settings import ENCRYPTED_ENDPOINTS, Access, Making, Settings, Tls
from mjpegd.tunnels.entrance import ANY_ORIGIN
from mjpegd.wire.errors import ParseError
from mjpegd.wire.headers import MAX_PORT
from mjpegd.wire.jpeg_frame import MAX_SIDE_PIXELS
from mjpegd.wire.jpeg_payload import MIN_PAYLOAD_BYTES
from mjpegd.wire.lab import DEFAULT_MAX_PACKET_BYTES, MAX_DATAGRAM_BYTES
from mjpegd.wire.packets import RTP_HEADER_BYTES
from mjpegd.wire.times import parse_rate
from mjpegd.wishes import MIN_SIDE_PIXELS

ENVIRONMENT_PREFIX = "MJPEGD_"
# Options that may be given several times.
REPEATED = ("listen", "allow", "auth", "websocket-origin")
# Headers of RTP and RTP/JPEG with its tables take 156 bytes of the first packet.
MIN_PACKET_BYTES = RTP_HEADER_BYTES + MIN_PAYLOAD_BYTES
MIN_LABORATORY_BYTES = 1024
# VLC asks again 2 s before the timeout, gortsplib 5 s: below 20 they come too late.
TIMEOUTS_S = (20, 3600)
MAX_COUNT = 1_000_000
MAX_MAKERS = 256
# Requests that may come at once are those of so many seconds.
BURST_S = 4
# A Digest login with a long URL takes 1 kB; beyond the most a request is no request.
HEADER_BYTES = (2048, 1 << 20)
MAX_BODY_BYTES = 1 << 20
_BITRATE = re.compile(r"([1-9][0-9]{0,5})([kMG])")
_BITS = {"k": 1000, "M": 1_000_000, "G": 1_000_000_000}
# Their numbers stand in identifiers of sessions as two digits.
MAX_WORKERS = 64
DEFAULT_TLS_PORT = "8322"
# A page's scheme, host, and port unless it is the usual one (RFC 6454 section 6.2).
_ORIGIN = re.compile(r"null|[a-z][a-z0-9+.-]*://[^/\s]+")
# Python, PyAV and one film of moderate size.
MIN_DECODER_MIB = 256


class Options(usage.Options, AuthOptionMixin):
    """What twistd shows for ``mjpeg-rtsp --help``, and reads."""

    synopsis = "[options]"
    longdesc = """Serves every MJPEG film in a folder, and in the folders below it, as an RTSP
camera: rtsp://HOST:8554/movie.Mjpeg is the file movie.Mjpeg. Concatenated JPEG, the
laboratory's length-prefixed .Mjpeg, multipart captures, AVI, MOV, MP4, MKV, folders of numbered
JPEGs and single pictures are known by their content. rtsp://HOST:8554/testcard is always there.
A URL may end in ?fps=N to play a film at another rate, or ?loop=1 to repeat it. Other video plays
where PyAV is installed (pip install 'mjpegd[containers]')."""

    optParameters: ClassVar[list[list[str | None]]] = [
        ["port", "p", "8554", "TCP port for RTSP; 0 takes any free one and logs it."],
        [
            "interface",
            "i",
            None,
            "Address of this machine to listen on and to send from, IPv4 or IPv6, "
            "e.g. 127.0.0.1 for viewers on this machine only. [default: all addresses]",
        ],
        [
            "workers",
            "w",
            "1",
            "Processes that serve. Each takes a core, and has RTP ports of its own, which follow "
            "each other from --rtp-port on.",
        ],
        ["media", "m", "./videos", "The folder with the films; it may come later."],
        [
            "users",
            "u",
            None,
            "A file that says who may watch what; mjpegd-passwd FILE USER makes it. It is read "
            "again when it changes. [default: everybody may watch everything]",
        ],
        [
            "certificate",
            "c",
            None,
            "A file with the server's certificate and those that vouch for it (PEM), for rtsps:// "
            "on --tls-port. It is read again when it changes.",
        ],
        [
            "private-key",
            "k",
            None,
            "A file with the key of the certificate. [default: it is in the same file]",
        ],
        [
            "tls-port",
            None,
            DEFAULT_TLS_PORT,
            "TCP port for encrypted RTSP, if there is a --certificate; 322 is the usual one, but "
            "needs rights. 0 takes any free one and logs it.",
        ],
        [
            "frame-rate",
            "f",
            "24",
            "Frames per second of films that do not say their own, e.g. 25, 29.97 or 30000/1001.",
        ],
        [
            "rtp-port",
            None,
            "0",
            "UDP port that RTP is sent from, an even one; RTCP has the one above it. A firewall "
            "has to let both pass. 0 takes any free pair and logs it.",
        ],
        [
            "max-packet-size",
            None,
            "1400",
            "Bytes of UDP payload in an RTP packet at most; less where a tunnel needs room.",
        ],
        [
            "lab-max-packet-size",
            None,
            str(DEFAULT_MAX_PACKET_BYTES),
            "Bytes of UDP payload at most for clients of the Kurose-Ross networking laboratory, "
            "who get a whole picture in a packet; larger pictures are made smaller for them.",
        ],
        [
            "threads",
            None,
            None,
            "JPEGs at the same time that RTP cannot carry as they are, and that are made fit "
            "before they are sent. [default: one for each core]",
        ],
        [
            "decoders",
            None,
            None,
            "Films at the same time that are no JPEG (H.264 and so on) and are decoded, each by "
            "a process of its own. [default: four for each core]",
        ],
        ["decoder-memory", None, "1024", "MiB of memory that each of the --decoders may have."],
        [
            "quality",
            "q",
            "85",
            "What decoded films are encoded with, 1 to 100, unless their URL ends in ?quality=N.",
        ],
        [
            "max-width",
            None,
            str(MAX_SIDE_PIXELS),
            "Pixels across at most of a decoded film, which is scaled in proportion.",
        ],
        ["max-height", None, str(MAX_SIDE_PIXELS), "Pixels down at most of a decoded film."],
        [
            "session-timeout",
            None,
            "60",
            "Seconds without a request or a report that end a session over UDP, 20 at least.",
        ],
        [
            "idle-limit",
            None,
            "3600",
            "Seconds of silence, or of reading nothing, that end a session over TCP while its "
            "connection is open: players that are paused say nothing.",
        ],
        ["max-connections", None, "4096", "Connections at the same time, in all."],
        [
            "max-connections-per-address",
            None,
            "2048",
            "Connections at the same time from one address.",
        ],
        [
            "max-unauthenticated",
            None,
            "1024",
            "Connections at the same time that have neither logged in nor a session, where there "
            "are users.",
        ],
        [
            "login-time",
            None,
            "60",
            "Seconds after which a connection is closed that has neither logged in nor a session, "
            "where there are users.",
        ],
        ["nonce-time", None, "900", "Seconds that a login is good before it is proved anew."],
        ["max-sessions", None, "4096", "Viewers at the same time, in all."],
        ["max-sessions-per-address", None, "2048", "Viewers at the same time from one address."],
        ["max-sessions-per-user", None, "2048", "Viewers at the same time with one login."],
        [
            "max-bitrate",
            None,
            "10G",
            "Bits a second that all viewers may need together, with k, M or G, e.g. 800M; who "
            "comes then is told so (453).",
        ],
        ["max-bitrate-per-viewer", None, "1G", "Bits a second that one viewer may need."],
        [
            "request-rate",
            None,
            "50",
            "Requests a second on one connection; more are read more slowly.",
        ],
        ["max-header-size", None, "32768", "Bytes of a request before its body."],
        ["max-body-size", None, "16384", "Bytes of a request's body."],
        [
            "max-tunnels",
            None,
            "2048",
            "Tunnels over HTTP and WebSocket at the same time, in all; 0 for none.",
        ],
    ]
    optFlags: ClassVar[list[list[str | None]]] = [
        ["tls-only", None, "Open no port for connections that are not encrypted."],
        ["loop", "l", "Repeat every film without end, but for URLs that end in ?loop=0."],
        [
            "no-gso",
            None,
            "Send every RTP packet by itself, instead of letting the kernel cut whole frames into "
            "packets (segmentation offload), where a network card or its driver gets that wrong.",
        ],
    ]

    # What Digest needs. A checker that has only hashes of its own knows none of our proofs.
    supportedInterfaces = (IUsernameHashedPassword,)  # noqa: N815 - of the mixin

    def __init__(self) -> None:
        super().__init__()
        self["listen"] = []
        self["allow"] = []
        self["credCheckers"] = []
        self["auth"] = []
        self["websocket-origin"] = []
        # Those that are methods have their docstring, of whose indentation twistd makes gaps.
        self.docs = {name: " ".join((text or "").split()) for name, text in self.docs.items()}

    def opt_listen(self, description: str) -> None:
        """Listen for RTSP on a Twisted endpoint instead of --port, e.g.
        'tcp:8554:interface=127.0.0.1' or, for a socket that systemd opened,
        'systemd:domain=INET6:index=0'. May be given several times.
        """  # noqa: D205 - twistd shows it as one paragraph
        self["listen"].append(description)

    def opt_allow(self, network: str) -> None:
        """Take connections only from a network, e.g. 192.168.0.0/16, or from a single address.
        May be given several times.
        """  # noqa: D205 - twistd shows it as one paragraph
        self["allow"].append(network)

    def opt_websocket_origin(self, origin: str) -> None:
        """Let browsers watch over WebSocket from pages of this origin, e.g. https://example.org,
        or * for any. May be given several times; without it no web page may.
        """  # noqa: D205 - twistd shows it as one paragraph
        self["websocket-origin"].append(origin)

    @override
    def opt_auth(self, description: str) -> None:
        """Let those watch whom a checker of Twisted's knows, e.g. 'file:passwords' with lines like
        'anna:secret'. May be given several times, but not with --users, whose file says more.
        """  # noqa: D205 - twistd shows it as one paragraph
        kind = description.partition(":")[0]  # what follows may be a password
        try:
            self.addChecker(makeChecker(description))
            self["auth"].append(description)
        except InvalidAuthType:
            raise usage.UsageError(f"--auth {kind!r}: unknown; --help-auth shows all") from None
        except UnsupportedInterfaces:
            raise usage.UsageError(f"--auth {kind!r}: it cannot check Digest") from None
        except Exception as fault:  # whatever a checker makes of its argument
            raise usage.UsageError(f"--auth {kind!r}: {fault}") from None

    @override
    def opt_version(self) -> NoReturn:
        """Show the version of mjpegd and stop."""
        sys.stdout.write(f"mjpegd {__version__}\n")
        raise SystemExit(0)

    @override
    def parseArgs(self, *args: str) -> None:
        """Whatever is left when all options are read."""
        if args:
            raise usage.UsageError(f"{args[0]!r} is no option")

    @override
    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Read the command line; what is wrong with it is said in one line, with status 1."""
        try:
            super().parseOptions(options)
        except usage.UsageError as fault:
            raise _said(str(fault)) from None

    @override
    def postOptions(self) -> None:
        """Check what was given."""
        self.settings = _checked(self)


def arguments_from(environ: Mapping[str, str]) -> list[str]:
    """Options from environment variables: MJPEGD_FRAME_RATE=25 is --frame-rate=25.

    Those of options that may be given several times hold values separated by blanks; a
    flag is 1 or 0.
    """
    arguments = []
    for name, *_ in Options.optParameters:
        value = environ.get(_variable(str(name)))
        if value is not None:
            arguments.append(f"--{name}={value}")
    for name in REPEATED:
        arguments += [f"--{name}={one}" for one in environ.get(_variable(name), "").split()]
    flags = [str(name) for name, *_ in Options.optFlags]
    arguments += [f"--{name}" for name in flags if _flag(environ, _variable(name))]
    return arguments


def _flag(environ: Mapping[str, str], variable: str) -> bool:
    value = environ.get(variable, "0")
    if value not in {"0", "1"}:
        raise _said(f"{variable}={shown(value)}: 1 or 0 is needed")
    return value == "1"


def _said(fault: str) -> SystemExit:
    """The way out of twistd with status 1 and one line on standard error."""
    return SystemExit(f"mjpeg-rtsp: {fault} (see twistd mjpeg-rtsp --help)")


def _variable(name: str) -> str:
    return ENVIRONMENT_PREFIX + name.replace("-", "_").upper()


def _checked(options: Mapping[str, Any]) -> Settings:  # Any: usage.Options is a dict of anything
    workers = _whole(options, "workers", 1, MAX_WORKERS)
    return Settings(
        port=_whole(options, "port", 0, MAX_PORT),
        interface=_interface(options["interface"]),
        listen=_endpoints(options["listen"], workers),
        workers=workers,
        media=_folder(options["media"]),
        frame_rate=_frame_rate(options["frame-rate"]),
        loop=bool(options["loop"]),
        rtp_port=_even(_whole(options, "rtp-port", 0, MAX_PORT + 1 - 2 * workers)),
        max_packet_bytes=_whole(options, "max-packet-size", MIN_PACKET_BYTES, MAX_DATAGRAM_BYTES),
        max_laboratory_bytes=_whole(
            options, "lab-max-packet-size", MIN_LABORATORY_BYTES, MAX_DATAGRAM_BYTES
        ),
        segments=not options["no-gso"],
        making=Making(
            threads=_per_core(options, "threads", 1),
            decoders=_per_core(options, "decoders", 4),
            decoder_bytes=_whole(options, "decoder-memory", MIN_DECODER_MIB, MAX_COUNT) << 20,
            quality=_whole(options, "quality", 1, 100),
            max_width=_whole(options, "max-width", MIN_SIDE_PIXELS, MAX_SIDE_PIXELS),
            max_height=_whole(options, "max-height", MIN_SIDE_PIXELS, MAX_SIDE_PIXELS),
        ),
        access=_access(options),
        tls=_tls(options),
        limits=_limits(options),
    )


def _limits(options: Mapping[str, Any]) -> Limits:
    def count(name: str) -> int:
        return _whole(options, name, 1, MAX_COUNT)

    request_rate = _whole(options, "request-rate", 1, MAX_COUNT)
    return Limits(
        session_timeout_s=_whole(options, "session-timeout", *TIMEOUTS_S),
        interleaved_idle_s=count("idle-limit"),
        connections=count("max-connections"),
        connections_per_address=count("max-connections-per-address"),
        unauthenticated=count("max-unauthenticated"),
        login_s=count("login-time"),
        nonce_s=count("nonce-time"),
        sessions=count("max-sessions"),
        sessions_per_address=count("max-sessions-per-address"),
        sessions_per_user=count("max-sessions-per-user"),
        tunnels=_whole(options, "max-tunnels", 0, MAX_COUNT),
        bits_per_s=_bitrate(options, "max-bitrate"),
        viewer_bits_per_s=_bitrate(options, "max-bitrate-per-viewer"),
        requests_per_s=request_rate,
        request_burst=request_rate * BURST_S,
        header_bytes=_whole(options, "max-header-size", *HEADER_BYTES),
        body_bytes=_whole(options, "max-body-size", 0, MAX_BODY_BYTES),
    )


def _access(options: Mapping[str, Any]) -> Access:
    if options["users"] is not None and options["auth"]:
        raise usage.UsageError("--users and --auth exclude each other")
    if options["users"] == "":
        raise usage.UsageError("--users: the name of a file is needed")
    try:
        networks = Networks.parse(options["allow"]) if options["allow"] else None
    except ValueError as fault:
        raise usage.UsageError(f"--allow: {fault}") from None
    return Access(
        # A daemon changes its working directory.
        users=None if options["users"] is None else Path(options["users"]).absolute(),
        auth=tuple(options["auth"]),
        networks=networks,
        origins=tuple(map(_origin, options["websocket-origin"])),
    )


def _tls(options: Mapping[str, Any]) -> Tls | None:
    certificate, key = options["certificate"], options["private-key"]
    port = _whole(options, "tls-port", 0, MAX_PORT)
    if certificate is None:
        _refuse_tls_options(options)
        return None
    for name, path in (("certificate", certificate), ("private-key", key)):
        if path == "":
            raise usage.UsageError(f"--{name}: the name of a file is needed")
    if options["tls-only"] and options["listen"]:
        raise usage.UsageError("--tls-only and --listen exclude each other")
    try:
        import_module("mjpegd.encryption.certificates")
    except ImportError:
        raise usage.UsageError(
            "--certificate: encryption needs packages that are not installed: "
            "pip install 'mjpegd[tls]' brings them"
        ) from None
    return Tls(
        port=port,
        # A daemon changes its working directory.
        certificate=Path(certificate).absolute(),
        private_key=Path(certificate if key is None else key).absolute(),
        is_only=bool(options["tls-only"]),
    )


def _refuse_tls_options(options: Mapping[str, Any]) -> None:
    """Whoever gives one of these takes the daemon for one that encrypts."""
    given = {
        "private-key": options["private-key"] is not None,
        "tls-port": options["tls-port"] != DEFAULT_TLS_PORT,
        "tls-only": bool(options["tls-only"]),
    }
    for name, is_given in given.items():
        if is_given:
            raise usage.UsageError(f"--{name}: nothing is encrypted without a --certificate")


def _origin(text: str) -> str:
    if text != ANY_ORIGIN and not _ORIGIN.fullmatch(text):
        raise usage.UsageError(
            f"--websocket-origin {text!r}: what browsers send is needed, e.g. https://example.org"
        )
    return text


def _frame_rate(text: str) -> Fraction:
    try:
        return parse_rate(text)
    except ParseError as fault:
        raise usage.UsageError(f"--frame-rate {text!r}: {fault.reason}") from None


def _whole(options: Mapping[str, Any], name: str, least: int, most: int) -> int:
    text = options[name]
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and least <= int(text) <= most):
        raise usage.UsageError(
            f"--{name} {text!r}: a whole number from {least} to {most} is needed"
        )
    return int(text)


def _bitrate(options: Mapping[str, Any], name: str) -> int:
    """Bits a second, from a number with the letter of its unit."""
    text = options[name]
    found = _BITRATE.fullmatch(text)
    if not found:
        raise usage.UsageError(f"--{name} {text!r}: a number with k, M or G is needed, e.g. 800M")
    return int(found[1]) * _BITS[found[2]]


def _per_core(options: Mapping[str, Any], name: str, count: int) -> int:
    if options[name] is None:
        return min(count * (os.cpu_count() or 1), MAX_MAKERS)
    return _whole(options, name, 1, MAX_MAKERS)


def _endpoints(descriptions: Sequence[str], workers: int) -> tuple[str, ...]:
    encrypted = [one for one in descriptions if one.startswith(ENCRYPTED_ENDPOINTS)]
    if encrypted and workers > 1:
        raise usage.UsageError(
            f"--listen {encrypted[0]!r}: a connection that Twisted encrypts cannot be handed to "
            "a worker; take --workers 1"
        )
    return tuple(descriptions)


def _even(port: int) -> int:
    if port % 2:
        raise usage.UsageError(f"--rtp-port {port}: RTP takes an even port, RTCP the one above it")
    return port


def _folder(text: str) -> Path:
    if not text:
        raise usage.UsageError("--media: the name of a folder is needed")
    return Path(text)


def _interface(text: str | None) -> str:
    try:
        return str(ip_address(text)) if text else ""
    except ValueError:
        raise usage.UsageError(
            f"--interface {text!r}: an address of this machine is needed, e.g. 127.0.0.1"
        ) from None
