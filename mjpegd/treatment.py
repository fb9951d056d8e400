"""What is done to the frames of a film on their way, learnt from the frames and said once."""

from collections.abc import Hashable
from dataclasses import dataclass, replace

from twisted.logger import Logger
from typing_extensions import override

from mjpegd.logs import shown
from mjpegd.pictures.forms import PLAIN_RENDITION, JpegForm
from mjpegd.pictures.normalise import Step
from mjpegd.wire.jpeg_frame import MAX_SIDE_PIXELS
from mjpegd.wire.jpeg_image import JpegImage
from mjpegd.wire.jpeg_repairs import repairs
from mjpegd.workshop import Made

_log = Logger()

# Why frames of films that are no MJPEG lose something.
DECODED_FIRST = "no MJPEG, decoded first"
# A file could give each of its frames a reason of its own.
MAX_LOGGED_REASONS = 8


@dataclass(frozen=True, slots=True)
class Treatment:
    """What is done to the frames of a stream, as the first of them shows.

    Attributes:
        width: Pixels of what is sent.
        height: Likewise.
        step: What is done.
        reason: Why, in a few words; empty where nothing is.
    """

    width: int
    height: int
    step: Step
    reason: str

    @override
    def __str__(self) -> str:
        return _phrase(self.step, self.reason)

    @property
    def untold_size(self) -> tuple[int, int] | None:
        """Width and height where the headers of RFC 2435 have no room for them."""
        is_told = max(self.width, self.height) <= MAX_SIDE_PIXELS
        return None if is_told else (self.width, self.height)


def _phrase(step: Step, reason: str) -> str:
    return f"{step.value} ({reason})" if reason else step.value


class TreatmentNotes:
    """What has been learnt of one film.

    Args:
        title: What log lines call it.
        is_rendered: It is no MJPEG, and decoded by a process of its own.
    """

    def __init__(self, title: str, *, is_rendered: bool) -> None:
        self._title = title
        self._is_rendered = is_rendered
        self._treatments: dict[Hashable, Treatment] = {}
        self._said: set[tuple[Step, str]] = set()
        self._costs_s: dict[Hashable, float] = {}
        self._frames = 0
        self._seconds = 0.0

    def treatment(self, form: Hashable) -> Treatment | None:
        """What is done for viewers who need this form; None before any frame was seen."""
        return self._treatments.get(_without_rendition(form))

    def cost_s(self, form: Hashable) -> float:
        """Seconds of a core that the first frame took in this form; 0 where none was made."""
        return self._costs_s.get(_without_rendition(form), 0.0)

    def sent_as_it_is(self, form: Hashable, picture: bytes) -> None:
        """A picture needed no work, or only on its headers."""
        if self.treatment(form) is None:
            mended = repairs(picture)
            step = Step.REPAIRED if mended else Step.UNTOUCHED
            self._learn(form, picture, step, ", ".join(mended))

    def made(self, form: Hashable, made: Made) -> None:
        """A picture was made fit: say what was done and what it cost, if that is new."""
        self._frames += 1
        self._seconds += made.seconds
        self._costs_s.setdefault(_without_rendition(form), made.seconds)
        step, reason = made.normal.step, made.normal.reason
        if self._is_rendered:
            step, reason = Step.ENCODED, DECODED_FIRST
        if self.treatment(form) is None:
            self._learn(form, made.normal.picture, step, reason)
        if (step, reason) in self._said or len(self._said) >= MAX_LOGGED_REASONS:
            return
        self._said.add((step, reason))
        _log.info(
            "stream {stream}: {treatment}; {cost}{hint}",
            stream=shown(self._title),
            treatment=shown(_phrase(step, reason)),
            cost=(
                "by a process of its own"
                if self._is_rendered
                else f"{made.seconds * 1000:.1f} ms of a core for the first frame"
            ),
            hint=made.hint and f"; {made.hint}",
        )

    def say_sum(self) -> None:
        """The film is closed: how much was done in all."""
        if self._frames and not self._is_rendered:
            _log.info(
                "stream {stream}: {count} frames were made fit, in {mean_ms:.1f} ms of a core each",
                stream=shown(self._title),
                count=self._frames,
                mean_ms=self._seconds / self._frames * 1000,
            )

    def _learn(self, form: Hashable, picture: bytes, step: Step, reason: str) -> None:
        image = JpegImage.parse(picture)
        treatment = Treatment(image.width, image.height, step, reason)
        self._treatments[_without_rendition(form)] = treatment


def _without_rendition(form: Hashable) -> Hashable:
    # Viewers may ask for millions of renditions, and the same is done for each of them.
    if not isinstance(form, JpegForm) or form.rendition is PLAIN_RENDITION:
        return form
    return replace(form, rendition=PLAIN_RENDITION)
