"""The demo's two users: their domain, and passwords of their own for each start."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

from boringsdp.demo.phones import User

DOMAIN = "demo.example"
"""A name that belongs to nobody (RFC 2606 §3)."""
ECHO = "echo"
NAMES = {"alice": "Alice", "bob": "Bob"}
NOBODYS = tuple(User(user, "", name) for user, name in NAMES.items())
"""The two where nothing knows their passwords."""


@contextlib.contextmanager
def users_file() -> Iterator[Path]:
    """
    A file of users as the registrar reads it, which its owner alone may read, for as long as the block lasts.

    The passwords are new ones: a page of another site, which may open WebSockets to this machine too, does not know them.
    """
    with tempfile.TemporaryDirectory(prefix="boringsdp-demo-") as folder:
        path = Path(folder, "users.toml")
        tables = (f'[{user}]\npassword = "{secrets.token_urlsafe(12)}"\ndisplay_name = "{name}"\n' for user, name in NAMES.items())
        path.write_text("\n".join(tables))
        yield path


def read_users(path: str) -> tuple[User, ...]:
    """Return the users of such a file."""
    tables = tomllib.loads(Path(path).read_text())
    return tuple(User(user, table["password"], table["display_name"]) for user, table in tables.items())
