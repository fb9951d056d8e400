"""The addresses that were opened last, kept from one day to the next."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile

from twisted.logger import Logger

_log = Logger()

# As many as a list below an address line can show.
MAX_ADDRESSES = 20


def history_path(environment: Mapping[str, str]) -> Path:
    """Where a user's history lies: in the folder for state of the XDG base directories."""
    state = Path(environment.get("XDG_STATE_HOME", ""))
    if not state.is_absolute():  # The specification says: to be ignored.
        state = Path(environment.get("HOME", "/"), ".local", "state")
    return state / "mjpegd" / "player-history"


class History:
    """Addresses, the newest first, each once; in a file, one a line.

    A file that cannot be read or written is no reason not to play: the log tells of it, and the
    history lasts as long as the program.

    Args:
        path: The file, which need not exist, nor its folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._addresses = self._read()

    @property
    def addresses(self) -> list[str]:
        """At most `MAX_ADDRESSES`."""
        return list(self._addresses)

    def add(self, url: str) -> None:
        """Put an address first: as `Location.url` has it, without user and password."""
        # Another player may have added to the file since it was read.
        known = dict.fromkeys([url, *self._addresses, *self._read()])
        self._addresses = list(known)[:MAX_ADDRESSES]
        self._write()

    def _read(self) -> list[str]:
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        except (OSError, UnicodeError) as error:
            _log.warn(
                "cannot read the history {path}: {error}", path=str(self._path), error=str(error)
            )
            return []
        return [line for line in lines if line][:MAX_ADDRESSES]

    def _write(self) -> None:
        text = "".join(f"{address}\n" for address in self._addresses)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            _replace(self._path, text)
        except OSError as error:
            _log.warn(
                "cannot write the history {path}: {error}", path=str(self._path), error=str(error)
            )


def _replace(path: Path, text: str) -> None:
    """Write a file so that at any moment it is the old one or the new one, whole."""
    with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
        new = Path(file.name)
        try:
            file.write(text)
            file.flush()
            new.replace(path)
        except OSError:
            new.unlink()
            raise
