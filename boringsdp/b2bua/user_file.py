"""A file of users, read again when it changes."""

from __future__ import annotations

from pathlib import Path
from time import monotonic

from boringsdp import logs
from boringsdp.b2bua.users import Found, User, parse_users
from boringsdp.errors import ConfigError

LOOK_S = 2.0
"""How often it is looked whether the file has changed."""
log = logs.bind("b2bua")


class UserFile:
    """A file; `Users`. One that cannot be read any more changes nothing."""

    def __init__(self, path: str, realm: str) -> None:
        self._path = Path(path)
        self._realm = realm
        self._users: dict[str, User] = {}
        self._stamp: tuple[int, int] | None = None
        self._looked = 0.0

    async def start(self) -> None:
        self._read()

    async def close(self) -> None:
        pass

    def find(self, name: str, found: Found) -> None:
        self._look()
        found(self._users.get(name))

    def knows(self, name: str) -> bool:
        self._look()
        return name in self._users

    def _look(self) -> None:
        if monotonic() - self._looked < LOOK_S:
            return
        try:
            self._read()
        except ConfigError as error:
            log.warning("users not read again", extra={"why": str(error)})

    def _read(self) -> None:
        self._looked = monotonic()
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if stamp == self._stamp:
                return
            self._stamp = stamp  # a bad one is complained of once
            text = self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(str(self._path), f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
        self._users = parse_users(text, str(self._path), self._realm)
