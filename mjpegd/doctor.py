"""The command line of ``mjpegd-doctor``: what films are like, and what players get of them."""

import argparse
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from io import TextIOWrapper
from textwrap import wrap
from typing import Any, TextIO

from twisted.internet import task
from twisted.internet.interfaces import IReactorThreads
from twisted.internet.threads import deferToThreadPool

from mjpegd import __version__
from mjpegd.errors import MediaError
from mjpegd.examination import (
    OTHER_SIZES,
    PLAYERS,
    Findings,
    Means,
    Outcome,
    Player,
    Portion,
    Report,
    Size,
    Treatment,
    examined,
    films,
)
from mjpegd.logs import shown
from mjpegd.options import Options
from mjpegd.pictures.normalise import Step
from mjpegd.pictures.turbojpeg import TurboJpeg
from mjpegd.sources.library import Library
from mjpegd.sources.video import DecoderReactor, Decoders
from mjpegd.wire.errors import ParseError
from mjpegd.wire.jpeg_frame import MAX_SIDE_PIXELS
from mjpegd.wire.times import parse_rate

EXIT_WHOLE = 0
EXIT_LOSS = 1
EXIT_INTERRUPTED = 130  # as a shell has it for Ctrl-C

# One at work, and some that are still on their way out.
MAX_DECODERS = 16
LINE_CHARACTERS = 96
NAMED_SIZES = 4
# Up to here VLC shows frames from the first one on; its buffer grows with what it misses.
VLC_FIRST_FRAME_BYTES = 100_000
VLC_FRAME_BYTES = 3_200_000


# --- For people ---------------------------------------------------------------------------------

_VERDICTS = {
    None: "cannot be served: not one of its frames can be sent",
    Step.UNTOUCHED: "plays as it is",
    Step.REPAIRED: "plays as it is",
    Step.RECODED: "plays, coded anew without loss",
    Step.ENCODED: "plays, encoded anew with loss",
}
_SHOWN = {
    None: "nothing",
    Step.UNTOUCHED: "as it is",
    Step.REPAIRED: "as it is",
    Step.RECODED: "without loss",
    Step.ENCODED: "with loss",
}
_LEFT_OUT = "broken, left out"
# A space at which no line is broken.
_SOLID = "\N{NO-BREAK SPACE}"


def text(report: Report) -> str:
    """A report in a few lines."""
    lines = [f"{shown(report.name)}: {_verdict(report)}"]
    if report.findings:
        lines += _block("film", [_film(report.findings)])
        lines += _block("frames", list(_treatments(report.findings)))
        if report.is_served:
            lines += _block("players", list(_players(report.findings)))
        lines += _block("notes", [*_notes(report.findings), *report.warnings])
    return "\n".join(lines) + "\n"


def _verdict(report: Report) -> str:
    findings = report.findings
    if findings is None:
        return f"cannot be served: {shown(report.error)}"
    plain = findings.plain
    if plain.dearest and plain.lost_frames:
        return f"plays, but for {_count(plain.lost_frames, 'frame')}"
    if plain.dearest and findings.is_decoded:
        return "plays, decoded and made JPEG"
    return _VERDICTS[plain.dearest] + (", but see below" if report.warnings else "")


def _block(label: str, paragraphs: list[str]) -> Iterator[str]:
    """Paragraphs with a label at their left."""
    for paragraph in paragraphs:
        for line in wrap(paragraph, LINE_CHARACTERS - 11, subsequent_indent="  "):
            yield f"  {label:9}{line}".replace(_SOLID, " ")
            label = ""


def _film(findings: Findings) -> str:
    parts = [findings.container, _sizes(findings.sizes)]
    if findings.is_still:
        parts.append("shown without end")
    else:
        parts[1:1] = [_count(findings.frames, "frame")]
        parts += [_rate(findings), _duration(findings.duration_s)]
    if findings.bits_per_s is not None:
        parts.append(_bit_rate(findings.bits_per_s))
    return ", ".join(part.replace(" ", _SOLID) for part in parts if part)


def _treatments(findings: Findings) -> Iterator[str]:
    digits = len(str(findings.examined))
    for part in findings.plain.treatments:
        step, reason = part.kind.step, shown(part.kind.reason)
        line = f"{part.frames:{digits}}  {step.value if step else _LEFT_OUT}"
        line += f": {reason}" if reason else ""
        yield line if step else f"{line} ({_numbers(part)})"


def _players(findings: Findings) -> Iterator[str]:
    alike: dict[str, list[str]] = {}
    for player in PLAYERS:
        phrase = _for_player(findings, findings.outcomes[player.form])
        alike.setdefault(phrase, []).append(player.name)
    for phrase, names in alike.items():
        yield f"{'all' if len(alike) == 1 else ', '.join(names)}: {phrase}"


def _for_player(findings: Findings, outcome: Outcome) -> str:
    details = []
    if outcome.treatments != findings.plain.treatments and outcome.dearest in {
        Step.RECODED,
        Step.ENCODED,
    }:
        reasons = [
            part.kind.reason for part in outcome.treatments if part.kind.step is outcome.dearest
        ]
        details.append(", ".join(reasons))
    if outcome.sizes != findings.sizes and not outcome.lost_frames:
        details.append(_sizes(outcome.sizes))
    return _SHOWN[outcome.dearest] + (f" ({'; '.join(details)})" if details else "")


def _notes(findings: Findings) -> Iterator[str]:
    if findings.examined < findings.frames:
        first = "frame" if findings.examined == 1 else f"{findings.examined} frames"
        yield f"looked at the first {first} only"
    told = [part.kind for part in findings.sizes if part.kind != OTHER_SIZES]
    padded = [size for size in told if max(size) <= MAX_SIDE_PIXELS and _padded(size) != size]
    if padded:
        yield f"{_by(padded[0])}: players show {_by(_padded(padded[0]))}, with a border"
    if findings.plain.dearest is not None and any(max(size) > MAX_SIDE_PIXELS for size in told):
        yield (
            "a URL that ends in ?big=nested sends FFmpeg, mpv and OpenCV every pixel; "
            "?big=onvif does so for players that know ONVIF's header extension"
        )
    if findings.largest_bytes > VLC_FRAME_BYTES:
        yield f"VLC may cut off frames of more than {VLC_FRAME_BYTES} bytes"
    elif findings.largest_bytes > VLC_FIRST_FRAME_BYTES:
        yield f"VLC may cut off its first frames of more than {VLC_FIRST_FRAME_BYTES} bytes"
    if findings.making_s:
        yield f"work: {findings.making_s * 1000:.1f} ms of a core per frame, once for all viewers"
    yield from findings.hints


def _padded(size: Size) -> Size:
    """What RFC 2435 has words for: multiples of 8 pixels."""
    return -(-size[0] // 8) * 8, -(-size[1] // 8) * 8


def _numbers(part: Portion[Treatment]) -> str:
    more = ", ..." if part.frames > len(part.first) else ""
    return f"{'frame' if part.frames == 1 else 'frames'} {', '.join(map(str, part.first))}{more}"


def _sizes(sizes: Sequence[Portion[Size]]) -> str:
    named = [_by(part.kind) for part in sizes[:NAMED_SIZES]]
    more = f" and {len(sizes) - NAMED_SIZES} more" if len(sizes) > NAMED_SIZES else ""
    listed = ", ".join(named) + more
    return f"{len(sizes)} sizes ({listed})" if len(sizes) > 1 else listed


def _by(size: Size) -> str:
    return "others" if size == OTHER_SIZES else f"{size[0]}x{size[1]}"


def _rate(findings: Findings) -> str:
    rate = f"{_decimal(float(findings.rate))} frames/s"
    if not findings.is_timed:
        return f"{rate} by default"
    return rate if findings.is_steady else f"{rate} but not always"


def _duration(seconds: float) -> str:
    minutes, rest_s = divmod(seconds, 60)
    return f"{minutes:.0f} min {rest_s:.0f} s" if minutes else f"{_decimal(rest_s)} s"


def _decimal(number: float) -> str:
    return f"{number:.3f}".rstrip("0").rstrip(".")


def _bit_rate(bits_per_s: float) -> str:
    return (
        f"{bits_per_s / 1e6:.1f} Mbit/s" if bits_per_s >= 1e6 else f"{bits_per_s / 1e3:.0f} kbit/s"
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


# --- For programs -------------------------------------------------------------------------------


def plain_data(report: Report) -> dict[str, Any]:  # Any: what JSON can hold
    """A report as JSON has it; keys and their meaning are told in docs/operations.md."""
    findings = report.findings
    found = {
        "file": report.name,
        "is_served": report.is_served,
        "is_whole": report.is_whole,
        "error": report.error or None,
        "warnings": list(report.warnings),
    }
    if findings is None:
        return found | dict.fromkeys(_FINDINGS)
    return found | {key: value(findings) for key, value in _FINDINGS.items()}


def _treatment_data(outcome: Outcome) -> list[dict[str, Any]]:
    return [
        {
            "step": _step_name(part.kind.step),
            "reason": part.kind.reason,
            "frames": part.frames,
            "first_frames": list(part.first),
        }
        for part in outcome.treatments
    ]


def _step_name(step: Step | None) -> str:
    return step.name.lower() if step else "left_out"


def _size_data(sizes: Iterable[Portion[Size]]) -> list[dict[str, int]]:
    return [
        {"width": part.kind[0], "height": part.kind[1], "frames": part.frames} for part in sizes
    ]


def _player_data(player: Player, outcome: Outcome) -> dict[str, Any]:
    return {
        "name": player.name,
        "dearest_step": _step_name(outcome.dearest),
        "treatments": _treatment_data(outcome),
        "sizes": _size_data(outcome.sizes),
    }


_FINDINGS: dict[str, Callable[[Findings], Any]] = {
    "container": lambda found: found.container,
    "is_decoded": lambda found: found.is_decoded,
    "is_still": lambda found: found.is_still,
    "frames": lambda found: found.frames,
    "examined_frames": lambda found: found.examined,
    "sizes": lambda found: _size_data(found.sizes),
    "frames_per_s": lambda found: float(found.rate),
    "is_rate_told": lambda found: found.is_timed,
    "is_rate_steady": lambda found: found.is_steady,
    "duration_s": lambda found: None if found.is_still else found.duration_s,
    "bits_per_s": lambda found: found.bits_per_s,
    "largest_frame_bytes": lambda found: found.largest_bytes,
    "treatments": lambda found: _treatment_data(found.plain),
    "making_s": lambda found: found.making_s,
    "players": lambda found: [
        _player_data(player, found.outcomes[player.form]) for player in PLAYERS
    ],
    "hints": lambda found: list(found.hints),
}


# --- The command line ---------------------------------------------------------------------------

_DESCRIPTION = """\
Looks at films as the daemon would serve them, and says of each what it is, which of its frames
are sent as they are, which have to be made fit and why, which are broken, and which players show
them as they are. A FILE may be a film, a picture, a folder of numbered pictures, or a media
folder: then every film in it and in the folders below it is looked at."""
_EPILOG = """\
Exit status: 0 if all of it can be served; 1 if something cannot, be it a film or one frame, or
the daemon would warn of it; 2 for a wrong command line."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What the command line asks for.

    Attributes:
        files: What is to be looked at.
        frame_rate: Frames per second of films that do not say.
        limit: How many frames of each are looked at; None for all.
        is_json: For a program, not for people.
    """

    files: tuple[str, ...]
    frame_rate: Fraction
    limit: int | None
    is_json: bool

    @classmethod
    def parse(cls, arguments: Sequence[str] | None) -> "Errand":
        """Read a command line; leaves with status 2 where it is wrong."""
        given = _parser().parse_args(arguments)
        return cls(tuple(given.files), given.frame_rate, given.frames, given.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "mjpegd-doctor", description=_DESCRIPTION, epilog=_EPILOG, allow_abbrev=False
    )
    parser.add_argument("files", type=_name, metavar="FILE", nargs="+", help="a film or a folder")
    parser.add_argument("--json", action="store_true", help="one JSON document, for programs")
    parser.add_argument(
        "--frames", type=_limit, metavar="N", help="look at the first N frames of each film only"
    )
    parser.add_argument(
        "--frame-rate",
        type=_frame_rate,
        metavar="RATE",
        default=Options()["frame-rate"],
        help="frames per second of films that do not say, as the daemon has it [%(default)s]",
    )
    parser.add_argument("--version", action="version", version=f"mjpegd {__version__}")
    return parser


def _name(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("the name of a file is needed")
    return text


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number above 0 is needed")
    return int(text)


def _frame_rate(text: str) -> Fraction:
    try:
        return parse_rate(text)
    except ParseError as fault:
        raise argparse.ArgumentTypeError(f"{text!r}: {fault.reason}") from None


class Progress:
    """A line on a terminal that says how far it is; nothing elsewhere."""

    # Often enough to be seen to move.
    _FRAMES = 50

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_shown = stream.isatty()
        self._characters = 0

    def tell(self, name: str, tried: int, count: int) -> None:
        """So many frames of a film were looked at."""
        if self._is_shown and (tried % self._FRAMES == 1 or tried == count):
            self._write(f"{shown(name)[:60]}: {tried} of {count} frames")

    def clear(self) -> None:
        """Make room for something else."""
        if self._characters:
            self._write("")

    def _write(self, line: str) -> None:
        self._stream.write(f"\r{line:{self._characters}}\r{line}")
        self._stream.flush()
        self._characters = len(line)


class DoctorReactor(DecoderReactor, IReactorThreads):
    """What the command needs of a reactor."""


async def run(errand: Errand, means: Means, output: TextIO, progress: Progress) -> int:
    """Look at everything that is asked for; the exit status.

    Raises:
        OSError: Nobody reads what is written, or there is no room for it.
    """
    is_whole = True
    data = []
    async for report in _reports(errand, means, progress):
        progress.clear()
        if errand.is_json:
            data.append(plain_data(report))
        else:
            output.write(text(report))
            output.flush()
        is_whole &= report.is_whole
    if errand.is_json:
        output.write(json.dumps(data, indent=2) + "\n")
        output.flush()
    return EXIT_WHOLE if is_whole else EXIT_LOSS


async def _reports(errand: Errand, means: Means, progress: Progress) -> AsyncIterator[Report]:
    for name in errand.files:
        try:
            found = await films(name, means)
        except MediaError as error:
            yield Report(name, error=str(error))
            continue
        for film in found:
            yield await examined(film, errand.limit, means, partial(progress.tell, film))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    errand = Errand.parse(arguments)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    statuses: list[int] = []

    async def run_here(reactor: DoctorReactor) -> None:
        statuses.append(await _run_to_standard_output(errand, _means(errand, reactor)))

    try:
        task.react(run_here)
    except SystemExit as ending:
        # The reactor stops by itself only for a signal, and says no word of it.
        return statuses[0] if statuses else int(ending.code or EXIT_INTERRUPTED)


async def _run_to_standard_output(errand: Errand, means: Means) -> int:
    try:
        return await run(errand, means, sys.stdout, Progress(sys.stderr))
    except OSError as error:
        # What is left in its buffer would fail again at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"mjpegd-doctor: cannot write: {error.strerror}\n")
        return EXIT_LOSS


def _means(errand: Errand, reactor: DoctorReactor) -> Means:
    turbo = TurboJpeg.find()
    decoders = Decoders(reactor, MAX_DECODERS)
    in_thread = partial(deferToThreadPool, reactor, reactor.getThreadPool())
    return Means(
        library=lambda root: Library(root, errand.frame_rate, in_thread, decoders),
        in_thread=in_thread,
        threads=os.cpu_count() or 1,
        recode=turbo.recode if turbo else None,
    )


if __name__ == "__main__":
    sys.exit(main())
