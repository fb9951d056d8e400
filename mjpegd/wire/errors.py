"""What can be wrong with bytes that arrived: the errors of the formats.

::

    WireError
     ├─ ParseError                text or packets that do not follow their grammar
     └─ JpegError
         ├─ BrokenJpegError       not a whole, decodable JPEG
         └─ UnsupportedJpegError  a good JPEG that RFC 2435 cannot express
"""


class WireError(Exception):
    """Something that arrived is not what its format asks for."""


class ParseError(WireError):
    """A message, header or packet does not follow its grammar.

    Attributes:
        offset: Position in what was parsed, in characters or bytes, where the fault was seen.
        rule: The grammar rule or field that was broken, e.g. ``"request-line"`` or ``"npt-sec"``.
    """

    def __init__(self, offset: int, rule: str, reason: str = "malformed") -> None:
        super().__init__(f"{rule}: {reason} (at {offset})")
        self.offset = offset
        self.rule = rule
        self.reason = reason


class JpegError(WireError):
    """A JPEG cannot be used as it is; the text says why, for a log line."""


class BrokenJpegError(JpegError):
    """The bytes are not a whole JPEG: truncated, bad segments, absurd sizes."""


class UnsupportedJpegError(JpegError):
    """RFC 2435 has no way to express this JPEG; the text names the rule."""
