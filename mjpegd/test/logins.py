"""Users for tests, and how they log in."""

from collections.abc import Mapping

from mjpegd.access.auth import Door
from mjpegd.access.users import Users, secrets_of
from mjpegd.wire.digest import Algorithm

REALM = "Test streams"
EVERYTHING = 'watch = ["**"]'


def password_of(name: str) -> str:
    """The password of a user."""
    return f"{name} geh\u00e9im"


def users_file(users: Mapping[str, str] | None = None, everyone: str | None = None) -> str:
    """A users file.

    Args:
        users: Lines of TOML beside their passwords; `anna` with `EVERYTHING` if none are told.
        everyone: Lines of TOML; None for nothing that is open to everyone.
    """
    sections = [f'realm = "{REALM}"\n']
    if everyone is not None:
        sections.append(f"[everyone]\n{everyone}\n")
    for name, lines in ({"anna": EVERYTHING} if users is None else users).items():
        secrets = secrets_of(name, REALM, password_of(name))
        sections.append(
            f'[users."{name}"]\nmd5 = "{secrets[Algorithm.MD5]}"\n'
            f'sha256 = "{secrets[Algorithm.SHA_256]}"\n{lines}\n'
        )
    return "\n".join(sections)


def door(users: Mapping[str, str] | None = None, everyone: str | None = None) -> Door:
    """The door of such a file."""
    return Door.of_users(Users.parse(users_file(users, everyone)))
