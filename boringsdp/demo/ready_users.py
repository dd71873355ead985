"""The demo's two users: their domain, and passwords of their own for each start."""

from __future__ import annotations

import secrets
import tempfile
import tomllib
from pathlib import Path

from boringsdp.demo.phones import User

DOMAIN = "demo.example"
"""A name that belongs to nobody (RFC 2606 §3)."""
ECHO = "echo"
NAMES = {"alice": "Alice", "bob": "Bob"}
NOBODYS = tuple(User(user, "", name) for user, name in NAMES.items())
"""The two where nothing knows their passwords."""


def write_users() -> Path:
    """
    Return a new file of users, as the registrar reads it, which its owner alone may read; `remove` it at the end.

    The passwords are new ones: a page of another site, which may open WebSockets to this machine too, does not know them.
    """
    folder = Path(tempfile.mkdtemp(prefix="boringsdp-demo-"))
    lines = [f'[{user}]\npassword = "{secrets.token_urlsafe(12)}"\ndisplay_name = "{name}"\n' for user, name in NAMES.items()]
    path = folder / "users.toml"
    path.write_text("\n".join(lines))
    return path


def read_users(path: Path) -> tuple[User, ...]:
    """Return the users of a file that `write_users` made."""
    return tuple(User(user, table["password"], table["display_name"]) for user, table in tomllib.loads(path.read_text()).items())


def remove(path: Path) -> None:
    """Remove the file and the folder that was made for it."""
    path.unlink(missing_ok=True)
    path.parent.rmdir()
