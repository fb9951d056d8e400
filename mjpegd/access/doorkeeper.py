"""Keeps the door as the users file says: read at the start, on demand, and when it changes."""

import stat
from collections.abc import Callable
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from mjpegd.access.auth import Door, Gate
from mjpegd.access.users import Users
from mjpegd.errors import ConfigurationError
from mjpegd.interfaces import InThread
from mjpegd.watching import Upkeep

_log = Logger()


class Doorkeeper:
    """Gives a gate its door.

    Args:
        path: The users file.
        gate: What it keeps.
        clock: When to look whether the file has changed.
        in_thread: How reading it leaves the reactor.
        changed: Called with the names of users whose password is another or who are no more, when
            the gate has another door.
    """

    def __init__(
        self,
        path: Path,
        gate: Gate,
        clock: IReactorTime,
        in_thread: InThread,
        changed: Callable[[set[str]], object],
    ) -> None:
        self._path = path
        self._gate = gate
        self._changed = changed
        self._upkeep = Upkeep([path], self._read, self._take, clock, in_thread)
        self._users: Users | None = None

    def start(self) -> None:
        """Read the file, and look after it from now on.

        Raises:
            ConfigurationError: It cannot be read, or makes no sense; says what to do.
        """
        self._upkeep.start()

    def stop(self) -> None:
        """Look after it no more."""
        self._upkeep.stop()

    def read_again(self) -> "Deferred[None]":
        """Read the file again; if there is a fault in it, all stays as it was."""
        return self._upkeep.read_again()

    def _read(self) -> tuple[Users, bool]:
        """What the file says, and whether everybody on this machine can read it."""
        try:
            users = Users.read(self._path)
        except ConfigurationError as fault:
            raise ConfigurationError(f"--users {fault}") from None
        try:
            return users, bool(self._path.stat().st_mode & stat.S_IROTH)
        except OSError:  # gone in this moment, which the watch will see
            return users, False

    def _take(self, found: tuple[Users, bool]) -> None:
        users, is_open = found
        before = self._users.by_name if self._users else {}
        self._users = users
        self._gate.door = Door.of_users(users)
        _log.info(
            "{path} names {count} users",
            path=str(self._path),
            count=len(users.by_name),
        )
        if is_open:
            _log.warn(
                "{path} can be read by everybody on this machine, and who has read it can log in: "
                "chmod o= {path}",
                path=str(self._path),
            )
        self._changed(
            {
                name
                for name, user in before.items()
                if name not in users.by_name or users.by_name[name].secrets != user.secrets
            }
        )
