"""What the daemon can fail with.

::

    MjpegdError
     ├─ RTSPError                a request is answered with its status
     ├─ MediaError               a file cannot be served; the text says why
     │   ├─ MediaNotFoundError   there is nothing under that name
     │   ├─ MediaBusyError       it could be, were not so many others being served
     │   └─ MediaChangedError    it was replaced, cut short or removed while it played
     ├─ ProtectionError          a packet cannot be encrypted
     └─ ConfigurationError       an option or its environment is wrong; says what to do
"""

from collections.abc import Sequence


class MjpegdError(Exception):
    """Base of the errors that mjpegd raises on purpose."""


class RTSPError(MjpegdError):
    """A request that is answered with an error.

    Attributes:
        status: The status code of the answer (RFC 2326 section 7.1.1).
        headers: Names and values that the status calls for, such as Allow for 455, in order.
        body: Text for the answer's body, of type text/parameters; mostly empty.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = tuple(headers)
        self.body = body


class MediaError(MjpegdError):
    """A file or folder cannot be served as a stream."""


class MediaNotFoundError(MediaError):
    """Nothing that may be served has that name."""


class MediaBusyError(MediaError):
    """Nothing is wrong with it, but what serving it takes is used by others at the moment."""


class MediaChangedError(MediaError):
    """A file was replaced, truncated or removed since its index was made."""


class ProtectionError(MjpegdError):
    """A packet cannot be encrypted; the text says why, for the log."""


class ConfigurationError(MjpegdError):
    """The daemon cannot start as it was told to; the text says what, where and what to do."""
