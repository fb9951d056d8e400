"""The users file: who may watch what, as TOML for people, with passwords that programs set.

::

    realm = "mjpegd"

    [everyone]                          # without a login; nothing where it is missing
    watch = ["testcard"]

    [users.anna]
    md5 = "..."                         # both of these by mjpegd-passwd
    sha256 = "..."
    watch = ["garden/**", "*.avi"]
    list = ["**"]                       # the same as watch where it is missing
    networks = ["192.168.0.0/16"]       # anywhere where it is missing
"""

import os
import re
import stat
import tomllib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from mjpegd.access.rights import NO_RIGHTS, Action, PathPattern, Rights
from mjpegd.addresses import Networks
from mjpegd.errors import ConfigurationError
from mjpegd.logs import shown
from mjpegd.wire.digest import Algorithm, ha1

# A hundred thousand users fit; what is larger is no users file.
MAX_FILE_BYTES = 32 << 20
MAX_NAME_CHARACTERS = 64
# FFmpeg reads 200 characters of a realm.
MAX_REALM_CHARACTERS = 100
# live555 knows no escapes within quotes, so they must not be needed.
_UNQUOTABLE = frozenset('"\\')
_TOML_FAULT = re.compile(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", re.DOTALL)

# What the file calls the hashes, and how many hexadecimal digits they have.
SECRETS = {"md5": (Algorithm.MD5, 32), "sha256": (Algorithm.SHA_256, 64)}
_RIGHTS = ("watch", "list", "networks")
Keys = tuple[str, ...]


def secrets_of(user: str, realm: str, password: str) -> dict[Algorithm, str]:
    """What is kept instead of a password: HA1 for each algorithm of Digest."""
    return {algorithm: ha1(algorithm, user, realm, password) for algorithm in Algorithm}


def check_name(name: str) -> None:
    """See whether somebody can have this name.

    Raises:
        ValueError: Nobody can; says why.
    """
    if not 1 <= len(name) <= MAX_NAME_CHARACTERS:
        raise ValueError(f"a name has 1 to {MAX_NAME_CHARACTERS} characters")
    if not name.isprintable() or ":" in name:
        raise ValueError("a name has neither colons nor control characters")


def check_realm(realm: str) -> None:
    """See whether a realm can have this name.

    Raises:
        ValueError: It cannot; says why.
    """
    if not 1 <= len(realm) <= MAX_REALM_CHARACTERS:
        raise ValueError(f"a realm has 1 to {MAX_REALM_CHARACTERS} characters")
    if not realm.isprintable() or _UNQUOTABLE & set(realm):
        raise ValueError("a realm has neither quotes, backslashes nor control characters")


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who can log in.

    Attributes:
        secrets: What `secrets_of` makes of the password. Whoever has one of them can log in.
        rights: What the user may do beside what everyone may.
    """

    secrets: Mapping[Algorithm, str] = field(repr=False)
    rights: Rights


@dataclass(frozen=True, slots=True)
class Users:
    """What a users file says.

    Attributes:
        realm: What the passwords are for; a part of what is kept of them.
        everyone: What may be done without a login.
        by_name: Those who can log in.
    """

    realm: str
    everyone: Rights
    by_name: Mapping[str, User]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a users file.

        Raises:
            ConfigurationError: Something in it makes no sense; says in which line.
        """
        data = parsed(text)
        try:
            return cls._checked(data)
        except _SenselessError as fault:
            raise in_line(line_of(text, fault.keys), fault.reason) from None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a users file from the disk.

        Raises:
            ConfigurationError: It cannot be read, or makes no sense; names file and line.
        """
        try:
            return cls.parse(read_text(path))
        except ConfigurationError as fault:
            raise ConfigurationError(f"{path}: {fault}") from None

    @classmethod
    def _checked(cls, data: Mapping[str, Any]) -> Self:
        _know((), data, ("realm", "everyone", "users"))
        realm = _value((), data, "realm", str)
        _check(("realm",), check_realm, realm)
        everyone = NO_RIGHTS
        if "everyone" in data:
            table = _value((), data, "everyone", dict)
            _know(("everyone",), table, _RIGHTS)
            everyone = _rights(("everyone",), table)
        users = _value((), data, "users", dict) if "users" in data else {}
        return cls(realm, everyone, {name: _user(name, users) for name in users})


def read_text(path: Path) -> str:
    """The text of a users file, its line ends as they are.

    Raises:
        ConfigurationError: It cannot be read; says why.
    """
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigurationError("is no file")
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise ConfigurationError("does not exist: mjpegd-passwd FILE USER makes one") from None
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}") from None
    if len(data) > MAX_FILE_BYTES:
        raise ConfigurationError(f"has more than {MAX_FILE_BYTES} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise in_line(1 + data.count(b"\n", 0, error.start), "is no UTF-8") from None


def _without_waiting(path: str, flags: int) -> int:
    # Opening a pipe would wait for whoever writes to it.
    return os.open(path, flags | os.O_NONBLOCK)


# --- What makes sense ---------------------------------------------------------------------------


class _SenselessError(Exception):
    """Something makes no sense, under these keys."""

    def __init__(self, keys: Keys, reason: str) -> None:
        super().__init__(reason)
        self.keys = keys
        self.reason = reason


def _user(name: str, users: Mapping[str, object]) -> User:
    keys = ("users", name)
    table = _value(("users",), users, name, dict)
    _check(keys, check_name, name)
    _know(keys, table, (*SECRETS, *_RIGHTS))
    secrets = {}
    for key, (algorithm, digits) in SECRETS.items():
        if key not in table:
            raise _SenselessError(
                keys, f"{shown(name)} has no {key}: mjpegd-passwd sets the password"
            )
        secret = _value(keys, table, key, str)
        if not re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", secret):
            raise _SenselessError(
                (*keys, key), f"{key} has {digits} hexadecimal digits, by mjpegd-passwd"
            )
        secrets[algorithm] = secret.lower()
    return User(secrets, _rights(keys, table))


def _rights(keys: Keys, table: Mapping[str, object]) -> Rights:
    watch = _patterns(keys, table, "watch")
    listed = _patterns(keys, table, "list") if "list" in table else watch
    networks = None
    if "networks" in table:
        texts = _texts(keys, table, "networks")
        networks = _check((*keys, "networks"), Networks.parse, texts)
    return Rights({Action.WATCH: watch, Action.LIST: listed}, networks)


def _patterns(keys: Keys, table: Mapping[str, object], key: str) -> Sequence[PathPattern]:
    texts = _texts(keys, table, key)
    return tuple(_check((*keys, key), PathPattern.parse, text) for text in texts)


def _texts(keys: Keys, table: Mapping[str, object], key: str) -> list[str]:
    texts: list[str] = _value(keys, table, key, list)
    if not all(isinstance(text, str) for text in texts):
        raise _SenselessError((*keys, key), f"{key} is a list of texts in quotes")
    return texts


_KINDS: dict[type[object], str] = {
    str: "a text in quotes",
    list: "a list in square brackets",
    dict: "a section",
}


# Any: what TOML holds may be anything, which is what is found out here.
def _value(keys: Keys, table: Mapping[str, Any], key: str, kind: type[object]) -> Any:
    if key not in table:
        raise _SenselessError(keys, f"{shown(key)} is missing")
    if not isinstance(table[key], kind):
        raise _SenselessError((*keys, key), f"{shown(key)} is {_KINDS[kind]}")
    return table[key]


def _know(keys: Keys, table: Mapping[str, object], known: Iterable[str]) -> None:
    for key in table:
        if key not in known:
            raise _SenselessError(
                (*keys, key), f"{shown(key)} means nothing; known are {', '.join(known)}"
            )


def _check(keys: Keys, check: Callable[[Any], Any], value: object) -> Any:
    try:
        return check(value)
    except ValueError as fault:
        raise _SenselessError(keys, shown(str(fault))) from None


# --- Where it stands ----------------------------------------------------------------------------


def in_line(line: int, reason: str) -> ConfigurationError:
    """What is wrong in which line, from 1 on."""
    return ConfigurationError(f"line {line}: {reason}")


def parsed(text: str) -> dict[str, Any]:
    """What a file says, whether it makes sense or not.

    Raises:
        ConfigurationError: It is no TOML; says in which line.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _TOML_FAULT.fullmatch(str(error))
        reason, line = found.groups() if found else (str(error), None)
        lines = len(text.rstrip("\n").split("\n"))
        raise in_line(int(line or lines), f"{shown(reason)}, says TOML") from None
    except RecursionError:
        raise ConfigurationError("brackets within brackets without end") from None


def parsed_or_none(text: str) -> dict[str, Any] | None:
    """The same, with nothing for what is no TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def line_of(text: str, keys: Keys) -> int:
    """The line, from 1 on, where something begins that a file holds under these keys.

    What the first lines of a file say is told by parsing them; as they become more, what they
    say becomes more. Lines that end within a value cannot be parsed.
    """
    lines = text.split("\n")

    def first(count: int) -> tuple[int, dict[str, Any]]:
        """As many of so many lines as can be parsed, and what they say."""
        while (data := parsed_or_none("".join(f"{line}\n" for line in lines[:count]))) is None:
            count -= 1
        return count, data

    counts = range(len(lines) + 1)
    end = bisect_left(counts, True, key=lambda count: _holds(first(count)[1], keys))
    return first(end - 1)[0] + 1 if end else 1


def _holds(data: Any, keys: Keys) -> bool:
    return not keys or (keys[0] in data and _holds(data[keys[0]], keys[1:]))
