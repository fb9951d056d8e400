"""The command line of ``mjpegd-player``."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mjpegd import __version__
from mjpegd.wire.headers import MAX_PORT

EXIT_PLAYED = 0
EXIT_FAILED = 1
EXIT_MISUSED = 2  # as argparse has it
EXIT_INTERRUPTED = 130  # as a shell has it for Ctrl-C

DEFAULT_ADDRESS = "rtsp://127.0.0.1:8554/movie.Mjpeg"
# The port of the laboratory's instructions.
DEFAULT_CLIENT_PORT = 25000
# A command line can be read by every user of the machine, the environment cannot.
PASSWORD_VARIABLE = "MJPEGD_PLAYER_PASSWORD"  # noqa: S105 - It is a name.
# Above it a player would hold more film than memory allows.
MAX_LATENCY_MS = 10_000
# A year: more is a slip of the hand.
MAX_SECONDS = 366 * 24 * 3600
MAX_FRAMES = 10**9

_DESCRIPTION = """\
Plays the Motion JPEG of any RTSP server or camera, and shows what the network does to it.
"""
_EPILOG = f"""\
examples:
  mjpegd-player rtsp://192.168.1.20:554/stream
  mjpegd-player --transport tcp --user anna rtsps://camera.example/front
  mjpegd-player --lab rtsp://127.0.0.1:8554/movie.Mjpeg
  mjpegd-player --headless --frames 100 --stats json rtsp://127.0.0.1:8554/testcard
  mjpegd-player --headless --seconds 60 --record front.avi rtsp://camera.example/front

environment:
  {PASSWORD_VARIABLE}   the password, where a URL holds none

exit status:
  {EXIT_PLAYED}    the window was closed, or frames came, and all that were asked for
  {EXIT_FAILED}    no frame came, or fewer than --frames asked for
  {EXIT_MISUSED}    the command line is wrong
  {EXIT_INTERRUPTED}  interrupted by Ctrl-C
"""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line asks for.

    Attributes:
        url: What is to be played, as it was typed; None if nothing yet.
        transport: "UDP" or "TCP"; None is UDP, and TCP where nothing arrives.
        latency_s: How long packets are waited for; None follows the network.
        is_laboratory: Speak the dialect of the Kurose-Ross laboratory.
        client_port: Where the laboratory's packets are to arrive, or the next free one.
        verifies_certificate: A server of rtsps:// must prove who it is.
        user: Who logs in; empty if nobody, or if the URL names one.
        password: What `user`, or the one in the URL, logs in with; empty if untold.
        shows_damaged: Show frames of which a part is missing.
        folder: Where snapshots and recordings are kept.
        is_headless: Open no window.
        seconds: When to stop, after the first frame; None is never.
        frames: After how many frames to stop; None is never.
        recording: The file for the film.
        is_json: Print statistics at the end, for programs.
    """

    url: str | None = None
    transport: str | None = None
    latency_s: float | None = None
    is_laboratory: bool = False
    client_port: int = DEFAULT_CLIENT_PORT
    verifies_certificate: bool = True
    user: str = ""
    password: str = field(default="", repr=False)
    shows_damaged: bool = False
    folder: Path = Path()
    is_headless: bool = False
    seconds: float | None = None
    frames: int | None = None
    recording: Path | None = None
    is_json: bool = False

    @property
    def address(self) -> str:
        """What stands in the address line at first."""
        return self.url or DEFAULT_ADDRESS


def parse(
    arguments: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ
) -> Settings:
    """Read a command line, without the program's name; None is that of this process.

    Leaves with status 2 and one line on standard error where it is wrong.
    """
    parser = make_parser()
    given = parser.parse_args(arguments)
    if fault := _fault(given):
        parser.error(fault)
    return Settings(
        url=given.url,
        transport=given.transport and given.transport.upper(),
        latency_s=None if given.latency is None else given.latency / 1000,
        is_laboratory=given.lab,
        client_port=given.client_port or DEFAULT_CLIENT_PORT,
        verifies_certificate=not given.no_verify,
        user=given.user or "",
        password=environment.get(PASSWORD_VARIABLE, ""),
        shows_damaged=given.damaged,
        folder=given.snapshots or Path(),
        is_headless=given.headless,
        seconds=given.seconds,
        frames=given.frames,
        recording=given.record,
        is_json=given.stats is not None,
    )


def make_parser() -> argparse.ArgumentParser:
    """What reads the options one by one, and prints the help.

    The help of an option ends with what holds without it, in brackets.
    """
    parser = argparse.ArgumentParser(
        "mjpegd-player",
        usage="%(prog)s [OPTION...] [URL]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "url",
        type=_text,
        metavar="URL",
        nargs="?",
        help=f"what to play; without it, {DEFAULT_ADDRESS} waits in the address line",
    )
    parser.add_argument("--version", action="version", version=f"mjpegd-player {__version__}")
    _add_ways(parser)
    _add_login(parser)
    _add_picture(parser)
    _add_headless(parser)
    return parser


def _add_ways(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how the film comes")
    group.add_argument(
        "--transport",
        choices=("udp", "tcp"),
        help="the way of the packets [UDP, and TCP where nothing arrives]",
    )
    group.add_argument(
        "--latency",
        type=_latency_ms,
        metavar="MS",
        help="milliseconds that late packets are waited for [as the network needs, from 40 on]",
    )
    group.add_argument(
        "--lab",
        action="store_true",
        help="speak the dialect of the Kurose-Ross networking laboratory [off]",
    )
    group.add_argument(
        "--client-port",
        type=_port,
        metavar="PORT",
        help=f"with --lab, where packets arrive, or the next free port [{DEFAULT_CLIENT_PORT}]",
    )


def _add_login(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("who may see it")
    group.add_argument(
        "--user",
        type=_text,
        metavar="NAME",
        help="who logs in where the server asks [the user in the URL]",
    )
    group.add_argument(
        "--no-verify",
        action="store_true",
        help="take any certificate of an rtsps:// server, also a forged one [off]",
    )


def _add_picture(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what becomes of it")
    group.add_argument(
        "--damaged",
        action="store_true",
        help="show frames of which a part is missing [off]",
    )
    group.add_argument(
        "--snapshots",
        type=_path,
        metavar="FOLDER",
        help="where the window keeps snapshots and recordings [the current folder]",
    )


def _add_headless(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("without a window")
    group.add_argument(
        "--headless",
        action="store_true",
        help="play without a window; needs a URL, and no Tk [off]",
    )
    group.add_argument(
        "--seconds",
        type=_seconds,
        metavar="N",
        help="stop N seconds after the first frame [when the film ends]",
    )
    group.add_argument(
        "--frames",
        type=_frames,
        metavar="N",
        help="stop after N frames [when the film ends]",
    )
    group.add_argument(
        "--record",
        type=_path,
        metavar="FILE",
        help="record to FILE, which ends in .avi, .mjpeg or .Mjpeg [nothing]",
    )
    group.add_argument(
        "--stats",
        choices=("json",),
        help="print statistics at the end as one line of JSON [a line for people]",
    )


def _fault(given: argparse.Namespace) -> str:
    """What does not go together, in one sentence; empty if all does."""
    if given.headless and not given.url:
        return "--headless plays one URL and ends: give the URL"
    if given.headless and given.snapshots:
        return "--snapshots is for the window: without one, name the file with --record"
    if given.client_port and not given.lab:
        return "--client-port is for --lab: otherwise the system chooses the ports"
    if given.lab and given.transport == "tcp":
        return "--lab has no --transport tcp: the laboratory sends over UDP only"
    for option in ("seconds", "frames", "record", "stats"):
        if getattr(given, option) and not given.headless:
            return f"--{option} is for playing without a window: add --headless"
    return ""


def _text(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("it must not be empty")
    return text


def _path(text: str) -> Path:
    return Path(_text(text))


def _whole_number(text: str, least: int, most: int) -> int:
    digits = len(str(most))
    if text.isascii() and text.isdecimal() and len(text) <= digits and least <= int(text) <= most:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r}: a whole number from {least} to {most} is needed")


def _latency_ms(text: str) -> int:
    return _whole_number(text, 0, MAX_LATENCY_MS)


def _port(text: str) -> int:
    return _whole_number(text, 1, MAX_PORT)


def _frames(text: str) -> int:
    return _whole_number(text, 1, MAX_FRAMES)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= MAX_SECONDS:  # nor is NaN
        raise argparse.ArgumentTypeError(f"{text!r}: seconds above 0 are needed, at most a year")
    return seconds
