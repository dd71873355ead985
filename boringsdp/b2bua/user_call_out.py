"""Users that an HTTP server knows: it is asked for each who logs in."""

from __future__ import annotations

from boringsdp.b2bua.users import Found


class UserCallOut:
    """`users_url`; `Users`."""

    def __init__(self, url: str, domain: str, realm: str) -> None:
        self._url = url

    async def start(self) -> None:
        """Nothing is asked yet."""

    async def close(self) -> None:
        pass

    def find(self, name: str, found: Found) -> None:
        raise NotImplementedError

    def knows(self, name: str) -> bool:
        return False
