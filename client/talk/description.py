"""What an answer to DESCRIBE says: the stream, and under which URLs to ask for it."""

import re
from dataclasses import dataclass

from mjpegd.wire.errors import ParseError
from mjpegd.wire.headers import NptRange
from mjpegd.wire.messages import Response
from mjpegd.wire.sdp import Description
from mjpegd.wire.urls import without_userinfo

from ..errors import ConfusedError, UnplayableError
from ..interfaces import Offer
from .foreign import shown
from .location import MAX_CHARACTERS

# So many encodings are named to a person who wants to know why there is no picture.
_MAX_ENCODINGS = 5
_ENCODING = re.compile(rb"^a=rtpmap:[0-9]{1,3} ([A-Za-z0-9._-]{1,40})/", re.MULTILINE)
# RTP/SAVP, and RTP/SAVPF.
_SRTP = "RTP/SAVP"
_ABSOLUTE = re.compile(r"rtsps?://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Described:
    """A stream that can be played.

    Attributes:
        offer: What there is to know of it.
        track_url: Of the JPEG track, for SETUP.
        aggregate_url: Of the stream as a whole, for all that follows.
        is_srtp: Packets are said to be encrypted; some servers send plain ones all the same.
    """

    offer: Offer
    track_url: str
    aggregate_url: str
    is_srtp: bool

    @classmethod
    def read(cls, url: str, response: Response) -> "Described":
        """Read the answer to DESCRIBE.

        Args:
            url: What was asked for.
            response: One of status 200.

        Raises:
            UnplayableError: There is no track in JPEG.
            ConfusedError: It names its parts by URLs that nobody can ask for.
        """
        try:
            description = Description.parse(response.body)
        except ParseError:
            raise UnplayableError(_no_jpeg(url, response.body)) from None
        base = _base(url, response)
        is_absolute = _ABSOLUTE.match(description.aggregate)
        return cls(
            Offer(
                title=_title(description.title),
                duration_s=_duration_s(description.range_text),
                framerate=description.framerate,
                payload_type=description.payload_type,
                size=description.dimensions,
            ),
            resolve(base, description.control),
            resolve(base, description.aggregate if is_absolute else "*"),
            is_srtp=description.profile.startswith(_SRTP),
        )


def resolve(base: str, control: str) -> str:
    """The URL that a control attribute names (RFC 2326 appendix C.1.1).

    Servers mean it as text appended to the base, also behind a query; by the rules of RFC 3986
    the last segment of most bases would be lost.

    Raises:
        ConfusedError: It is longer than any URL.
    """
    if control in ("", "*"):
        url = base
    elif _ABSOLUTE.match(control):
        url = without_userinfo(control)
    elif control.startswith("/"):
        scheme, _, rest = base.partition("://")
        url = f"{scheme}://{re.split('[/?]', rest, maxsplit=1)[0]}{control}"
    else:
        url = f"{base.removesuffix('/')}/{control}"
    if len(url) > MAX_CHARACTERS:
        raise ConfusedError(f"The server names a track by more than {MAX_CHARACTERS} letters.")
    return url


def _base(url: str, response: Response) -> str:
    for name in ("Content-Base", "Content-Location"):
        told = (response.headers.get(name) or "").strip()
        if _ABSOLUTE.match(told):
            return without_userinfo(told)
    return url


def _duration_s(range_text: str | None) -> float | None:
    try:
        npt = NptRange.parse(range_text or "")
    except ParseError:
        return None
    return npt.end if npt.end and not npt.now else None


def _title(text: str) -> str:
    """A dash or a blank stands for none (RFC 4566 section 5.3)."""
    title = shown(text)
    return "" if title == "-" else title


def _no_jpeg(url: str, body: bytes) -> str:
    names = {name.decode("ascii") for name in _ENCODING.findall(body)}
    offered = ", ".join(sorted(names)[:_MAX_ENCODINGS])
    found = f"it has {offered}" if offered else "the server describes no such track"
    return f"There is no Motion JPEG in {url}: {found}. A camera's settings may offer it."
