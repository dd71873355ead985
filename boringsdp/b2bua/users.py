"""Who may log in: users from a file, from an HTTP server, from signed tokens."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from boringsdp.b2bua.policy import Refusal
from boringsdp.errors import ConfigError
from boringsdp.sip.digest import Credentials

HA1_DIGITS = {32: "MD5", 64: "SHA-256"}


@dataclass(slots=True, frozen=True)
class User:
    """Somebody who may log in. `credentials`: password, or HA1 under one algorithm each."""

    name: str
    credentials: tuple[Credentials, ...]
    display_name: str = ""


Found = Callable[[User | Refusal | None], None]
"""Takes the user, None for nobody, a Refusal when it cannot be known at present."""


class Users(Protocol):
    """Where users come from."""

    def find(self, name: str, found: Found) -> None:
        """Look a user up; `found` is told at once or later."""

    def knows(self, name: str) -> bool:
        """Whether that is a user, as far as can be told at once."""

    async def start(self) -> None:
        """Raises ConfigError."""

    async def close(self) -> None: ...


def parse_users(text: str, name: str, realm: str) -> dict[str, User]:
    """
    Return the users that a file holds, by name. Raises ConfigError.

    A name that ends in .toml: a table per user with `password` or `ha1` (MD5) and `ha1_sha256`, and `display_name`. Otherwise lines
    `user:password`, or `user:realm:HA1` as htdigest writes them (MD5, or SHA-256 by its length); empty ones and those after # are none.
    """
    return _of_toml(text, name, realm) if name.endswith(".toml") else _of_lines(text, name, realm)


def user_of(name: str, said: dict[str, Any], realm: str) -> User:
    """Return the user that a table (of a file or an HTTP answer) describes. Raises ValueError that says what is wrong with it."""
    unknown = said.keys() - {"password", "ha1", "ha1_sha256", "display_name"}
    if unknown:
        raise ValueError(f"has the key {min(unknown)!r}, which means nothing")
    if not all(isinstance(value, str) for value in said.values()):
        raise ValueError("has a value that is no text")
    if not said.get("password") and not said.get("ha1") and not said.get("ha1_sha256"):
        raise ValueError("needs password, ha1 or ha1_sha256")
    if said.get("password"):
        found = [Credentials(name, secret=said["password"])]
    else:
        pairs = [
            (said[key], HA1_DIGITS[size]) for key, size in (("ha1", 32), ("ha1_sha256", 64)) if said.get(key) and _is_hex(said[key], size)
        ]
        if len(pairs) != bool(said.get("ha1")) + bool(said.get("ha1_sha256")):
            raise ValueError("has an HA1 of a wrong length: 32 hexadecimal digits for ha1, 64 for ha1_sha256")
        found = [Credentials(name, ha1=value.lower(), realm=realm, ha1_algorithm=algorithm) for value, algorithm in pairs]
    return User(name, tuple(found), said.get("display_name", ""))


def _of_toml(text: str, name: str, realm: str) -> dict[str, User]:
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(name, f"is not TOML: {error}") from None
    users = {}
    for user, table in tables.items():
        try:
            if not isinstance(table, dict):
                raise ValueError("is no table: write [name] above its keys")
            users[user] = user_of(user, table, realm)
        except ValueError as error:
            raise ConfigError(name, f"{user} {error}") from None
    return users


def _of_lines(text: str, name: str, realm: str) -> dict[str, User]:
    users: dict[str, User] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        user, colon, rest = stripped.partition(":")
        ha1 = rest.removeprefix(f"{realm}:")
        hashed = ha1 != rest and len(ha1) in HA1_DIGITS and _is_hex(ha1, len(ha1))
        if not colon or not user or not rest:
            raise ConfigError(name, f"line {number} is neither user:password nor user:realm:HA1")
        made = (
            Credentials(user, ha1=ha1.lower(), realm=realm, ha1_algorithm=HA1_DIGITS[len(ha1)])
            if hashed
            else Credentials(user, secret=rest)
        )
        before = users[user].credentials if user in users and hashed else ()
        users[user] = User(user, (*before, made))
    return users


def _is_hex(text: str, size: int) -> bool:
    return len(text) == size and not set(text.lower()) - set("0123456789abcdef")
