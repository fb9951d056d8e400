"""Numbers as people read them."""

from urllib.parse import unquote, urlsplit

PRODUCT = "mjpegd player"
UNKNOWN = "–"  # noqa: RUF001 - The dash of tables.


def time_text(seconds: float | None) -> str:
    """A media time: 0:03, 12:34 or 1:02:03; a dash where it cannot be told."""
    if seconds is None:
        return UNKNOWN
    minutes, second = divmod(int(max(seconds, 0.0)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def times_text(position_s: float | None, duration_s: float | None) -> str:
    """Where a film is, of how much: 0:03 / 0:10; without an end, only where it is."""
    if duration_s is None:
        return time_text(position_s)
    return f"{time_text(position_s)} / {time_text(duration_s)}"


def fine_time_text(seconds: float) -> str:
    """A media time with its tenths: 0:03.2."""
    tenths = int(max(seconds, 0.0) * 10)
    return f"{time_text(tenths // 10)}.{tenths % 10}"


def speed_text(scale: float) -> str:
    """How fast and which way: 1x, 0.5x, -2x."""
    return f"{scale:g}x"


def count_text(number: float) -> str:
    """A whole number, its thousands apart."""
    return f"{number:,.0f}"


def milliseconds_text(value_ms: float | None) -> str:
    """A short time: 1.2 ms, 41 ms; a dash where it cannot be told."""
    if value_ms is None:
        return UNKNOWN
    return f"{value_ms:.1f} ms" if abs(value_ms) < 9.95 else f"{count_text(value_ms)} ms"


def percent_text(percent: float) -> str:
    """A share: 0 %, <0.1 %, 0.4 %, 12 %."""
    if 0 < percent < 0.05:
        return "<0.1 %"
    return f"{percent:.1f} %" if 0 < abs(percent) < 9.95 else f"{percent:.0f} %"


def window_title(url: str, title: str = "") -> str:
    """For the title bar: what the stream calls itself is told where its URL does not tell it."""
    told = [PRODUCT, url, "" if title in unquote(url) else title]
    return " - ".join(filter(None, told))


def name_in(url: str) -> str:
    """The last part of a URL without what a file's name ends with; empty where there is none."""
    last = unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2]
    return last.rpartition(".")[0] or last
