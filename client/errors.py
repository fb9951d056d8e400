"""What a player can fail with; the text of each is a sentence that a person can act upon.

::

    PlayerError
     ├─ LocationError          what was typed names no stream
     ├─ ConnectError           no connection to the server came about
     ├─ DisconnectedError      the connection ended while it was needed
     ├─ SilenceError           a request, or the media, did not come in time
     ├─ ConfusedError          what the server said is not RTSP, or makes no sense
     ├─ UnplayableError        there is no JPEG to play, or no way that both sides know
     ├─ RefusedError           the server answered with an error
     │   └─ LoginError         it wants a user and a password, or refused those it was given
     └─ RecordingError         a file could not be written
"""


class PlayerError(Exception):
    """Base of what a player fails with on purpose."""


class LocationError(PlayerError):
    """What was typed names no stream."""


class ConnectError(PlayerError):
    """No connection came about: no such host, refused, no answer, no trust in its certificate."""


class DisconnectedError(PlayerError):
    """The connection ended while it was needed; trying again may help."""


class SilenceError(PlayerError):
    """An answer or the media did not come in time; trying again may help."""


class ConfusedError(PlayerError):
    """What came is not RTSP, or is RTSP that makes no sense."""


class UnplayableError(PlayerError):
    """The stream has no JPEG track, or the server offers no way that this player knows."""


class RefusedError(PlayerError):
    """The server answered a request with an error.

    Attributes:
        method: What was asked.
        status: The status code of the answer.
    """

    def __init__(self, sentence: str, method: str, status: int) -> None:
        super().__init__(sentence)
        self.method = method
        self.status = status


class LoginError(RefusedError):
    """The server wants a user and a password, or does not take those that it was given.

    Attributes:
        realm: What the server calls that which is protected.
        was_tried: A user and a password were given, and refused.
    """

    def __init__(self, sentence: str, method: str, realm: str, *, was_tried: bool) -> None:
        super().__init__(sentence, method, 401)
        self.realm = realm
        self.was_tried = was_tried


class RecordingError(PlayerError):
    """A recording or a snapshot could not be written; says which file and why."""
