"""What it means when a server says no: the sentences for a person, by status."""

from mjpegd.wire.messages import REASONS, Response

from ..errors import RefusedError
from .foreign import shown

UNSUPPORTED_TRANSPORT = 461

_MEANINGS = {
    400: "{host} does not understand the player's {method} request.",
    403: "{host} does not let this player watch {url}.",
    404: "{host} has no stream {url}: is the name right, with capital and small letters?",
    405: "{host} allows no {method} for {url}.",
    406: "{host} cannot describe {url} in a way that this player reads.",
    408: "{host} found the player too slow: try again.",
    410: "{url} is gone from {host} for good.",
    415: "{host} cannot send {url} in a form that this player knows.",
    451: "{host} does not know a parameter that the player named.",
    453: "{host} has not enough bandwidth for one more viewer: try again when another has left.",
    454: "{host} has ended the session: open the stream again.",
    455: "{host} allows no {method} at this moment.",
    457: "{host} cannot play {url} from there.",
    459: "{host} wants each track to be asked for by itself.",
    460: "{host} wants all tracks to be asked for at once.",
    461: "{host} does not send the stream in that way: try the other of UDP and TCP.",
    463: "{host} wants keys for SRTP, which this player does not speak.",
    500: "{host} failed at {method}; its own log may tell why.",
    501: "{host} knows no {method}.",
    503: "{host} has too much to do, or too many viewers: try again later.",
    505: "{host} speaks another version of RTSP than 1.0.",
    551: "{host} misses an option that it was asked for.",
}


# What 461 means where the description said that packets are encrypted.
_SRTP_ONLY = (
    "{host} sends {url} as SRTP only, which this player does not speak: plain RTP would have to "
    "be allowed there."
)


def refusal(
    host: str, method: str, url: str, response: Response, *, is_srtp: bool = False
) -> RefusedError:
    """The error for an answer that is no success.

    Args:
        host: What a person calls the server.
        method: What was asked.
        url: Of what; without user and password.
        response: The answer.
        is_srtp: The stream is described as encrypted.
    """
    told = f"{response.status} {response.reason}"
    meaning = _MEANINGS.get(response.status, "{host} answered {method} with {told}.")
    if is_srtp and response.status == UNSUPPORTED_TRANSPORT:
        meaning = _SRTP_ONLY
    sentence = meaning.format(host=host, method=method, url=url, told=told)
    own_words = _own_words(response)
    return RefusedError(f"{sentence} {own_words}".rstrip(), method, response.status)


def _own_words(response: Response) -> str:
    """What the server says beyond the usual phrase."""
    usual = REASONS.get(response.status, response.reason)
    words = [response.reason] if response.reason.lower() != usual.lower() else []
    if (response.headers.get("Content-Type") or "").lower().startswith("text/plain"):
        words += response.body.decode("utf-8", "replace").splitlines()[:1]
    text = shown(". ".join(words))
    return f'It says: "{text}"' if text else ""
