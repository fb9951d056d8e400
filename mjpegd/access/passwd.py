"""The command line of ``mjpegd-passwd``: sets the password of a user in a users file."""

import argparse
import fcntl
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from getpass import getpass
from pathlib import Path

from mjpegd import __version__
from mjpegd.access.users import (
    SECRETS,
    Keys,
    check_name,
    check_realm,
    in_line,
    line_of,
    parsed,
    parsed_or_none,
    read_text,
    secrets_of,
)
from mjpegd.errors import ConfigurationError

EXIT_DONE = 0
EXIT_REFUSED = 1
EXIT_INTERRUPTED = 130  # as a shell has it for Ctrl-C

DEFAULT_REALM = "mjpegd"
# Longer ones cannot be told in a request.
MAX_PASSWORD_CHARACTERS = 1024
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
# What a new user may watch, before somebody edits that.
_EVERYTHING = ["**"]


# --- What is written ----------------------------------------------------------------------------


def empty(realm: str) -> str:
    """A users file without users."""
    return (
        "# Who may watch. mjpegd-passwd sets the passwords; the rest is yours to write, and is\n"
        '# taken up when it is saved. "Who may watch" in docs/operations.md tells what there is.\n'
        f'realm = "{realm}"\n'
    )


def with_password(text: str, name: str, password: str) -> str:
    """A users file with another password, or another user; all else is as people wrote it.

    Args:
        text: The file.
        name: A user; one that `check_name` has nothing against.
        password: The new password.

    Raises:
        ConfigurationError: The file makes no sense, or is written in a way that only a person
            can change; says in which line.
    """
    data = parsed(text)
    realm, users = data.get("realm"), data.get("users", {})
    if not isinstance(realm, str):
        raise in_line(
            line_of(text, ("realm",) if "realm" in data else ()), "realm is a text in quotes"
        )
    user = users.get(name, {"watch": _EVERYTHING}) if isinstance(users, dict) else None
    if not isinstance(user, dict):
        raise in_line(line_of(text, ("users",)), f"users are written as {_header(name)}")
    secrets = secrets_of(name, realm, password)
    hashes = {key: secrets[algorithm] for key, (algorithm, _) in SECRETS.items()}
    if name in users:
        edited = _with_hashes(text, ("users", name), hashes, user)
    else:
        edited = _with_section(text, name, hashes)
    wanted = deepcopy(data)
    wanted.setdefault("users", {})[name] = user | hashes
    if parsed_or_none(edited) != wanted:
        line = line_of(text, ("users", name) if name in users else ("users",))
        raise in_line(line, f"mjpegd-passwd can change this only where it is {_header(name)}")
    return edited


def _with_section(text: str, name: str, hashes: Mapping[str, str]) -> str:
    end = "" if text.endswith("\n") or not text else "\n"
    values = "".join(f'{key} = "{value}"\n' for key, value in hashes.items())
    return f'{text}{end}\n{_header(name)}\n{values}watch = ["**"]\n'


def _with_hashes(
    text: str, keys: Keys, hashes: Mapping[str, str], user: Mapping[str, object]
) -> str:
    lines = text.split("\n")
    for key in hashes.keys() & user.keys():
        at = line_of(text, (*keys, key)) - 1
        # What follows the value, such as a comment, stays.
        pattern = rf"""^(\s*{key}\s*=\s*)(?:"[^"]*"|'[^']*')"""
        lines[at] = re.sub(pattern, rf'\g<1>"{hashes[key]}"', lines[at])
    header = line_of(text, keys)
    lines[header:header] = [f'{key} = "{hashes[key]}"' for key in hashes if key not in user]
    return "\n".join(lines)


def _header(name: str) -> str:
    if not _BARE_KEY.fullmatch(name):
        name = '"' + name.replace("\\", r"\\").replace('"', r"\"") + '"'
    return f"[users.{name}]"


# --- How it is written --------------------------------------------------------------------------


def set_password(path: Path, name: str, password: str, realm: str | None) -> bool:
    """Change the file in one step: whoever reads it meanwhile sees it as it was or as it is then.

    Args:
        path: The file; it is made, for its owner's eyes only, where there is none. One that is
            there keeps its mode and its owner.
        name: The user.
        password: The new password.
        realm: For a new file; None for the usual one. A file that is there keeps its own.

    Returns:
        Whether the user is new.

    Raises:
        ConfigurationError: The file makes no sense; says why.
        OSError: It cannot be written.
    """
    path = path.resolve()  # a link stays one
    with _alone_in(path.parent):
        try:
            status = path.stat()
        except FileNotFoundError:
            status, text = None, empty(realm or DEFAULT_REALM)
        else:
            text = read_text(path)
            _check_same_realm(text, realm)
        edited = with_password(text, name, password)
        _replace(path, edited.encode(), status)
    return name not in parsed(text).get("users", {})


def _check_same_realm(text: str, realm: str | None) -> None:
    there = parsed(text).get("realm")
    if realm is not None and realm != there:
        raise ConfigurationError(
            f"its realm is {there!r}; with another, the passwords of all its users would be void"
        )


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Two commands at once would lose the password of one."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        os.fsync(descriptor)  # the name is on the disk as well
    finally:
        os.close(descriptor)


def _replace(path: Path, data: bytes, status: os.stat_result | None) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
            if status is not None:
                _keep_owner(descriptor, status)
                os.fchmod(descriptor, status.st_mode & 0o777)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def _keep_owner(descriptor: int, before: os.stat_result) -> None:
    now = os.fstat(descriptor)
    if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
        os.fchown(descriptor, before.st_uid, before.st_gid)


# --- The command --------------------------------------------------------------------------------


def ask(name: str) -> str:
    """The new password: twice from a terminal, or the first line of standard input.

    Raises:
        ConfigurationError: It cannot be one; says why.
    """
    if not sys.stdin.isatty():
        return sys.stdin.readline().removesuffix("\n")
    password = getpass(f"New password of {name}: ")
    if getpass("The same again: ") != password:
        raise ConfigurationError("these are two passwords: try again")
    return password


def _checked(password: str) -> str:
    if not 1 <= len(password) <= MAX_PASSWORD_CHARACTERS:
        raise ConfigurationError(f"a password has 1 to {MAX_PASSWORD_CHARACTERS} characters")
    return password


def _of_kind(check: Callable[[str], None]) -> Callable[[str], str]:
    def checked(text: str) -> str:
        try:
            check(text)
        except ValueError as fault:
            raise argparse.ArgumentTypeError(f"{text!r}: {fault}") from None
        return text

    return checked


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="mjpegd-passwd",
        description="Sets the password of a user in a file for `twistd mjpeg-rtsp --users FILE`; "
        "the file and the user are made where they are missing. The password is asked for, or "
        "read from standard input; on a command line everybody could see it.",
    )
    parser.add_argument("--version", action="version", version=f"mjpegd {__version__}")
    parser.add_argument(
        "--realm",
        type=_of_kind(check_realm),
        help="what the passwords are for, which players show to people; for a new file only, as "
        f"all its passwords depend on it [default: {DEFAULT_REALM}]",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="the users file")
    parser.add_argument("user", metavar="USER", type=_of_kind(check_name), help="who logs in")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None, ask_for: Callable[[str], str] = ask) -> int:
    """Run the command; the exit status."""
    given = _arguments(arguments)
    path: Path = given.file
    try:
        password = _checked(ask_for(given.user))
        is_new = set_password(path, given.user, password, given.realm)
    except ConfigurationError as fault:
        return _refused(f"{path}: {fault}")
    except OSError as error:
        return _refused(f"{path}: cannot be written: {error.strerror}")
    except (KeyboardInterrupt, EOFError):
        return EXIT_INTERRUPTED
    sys.stdout.write(
        f"{path}: {given.user} is new and may watch everything, until you change that there\n"
        if is_new
        else f"{path}: {given.user} has another password\n"
    )
    return EXIT_DONE


def _refused(reason: str) -> int:
    sys.stderr.write(f"mjpegd-passwd: {reason}\n")
    return EXIT_REFUSED


if __name__ == "__main__":
    sys.exit(main())
