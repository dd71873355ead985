"""Digest on the server's side: nonces that need no memory, replays found, users not told apart."""

from __future__ import annotations

import enum
import secrets
from collections.abc import Callable

from boringsdp.sip.digest import Credentials, HeaderLines
from boringsdp.sip.message import Request


class Verdict(enum.Enum):
    """What the credentials of a request are worth."""

    GOOD = "good"
    MISSING = "missing"
    STALE = "stale"
    WRONG = "wrong"


class Challenger:
    """Challenges for one realm, and the check of what comes back. `find(user)` returns the user's credentials or None."""

    def __init__(
        self, realm: str, find: Callable[[str], Credentials | None], *, key: bytes | None = None, proxy: bool = False,
        algorithms: tuple[str, ...] = ("SHA-256", "MD5"), lifetime_s: float = 300.0,
        token: Callable[[int], str] = secrets.token_hex,
    ) -> None:  # fmt: skip
        raise NotImplementedError

    def challenge(self, now: float, *, stale: bool = False) -> HeaderLines:
        """Return WWW-Authenticate (or Proxy-Authenticate) lines, one per algorithm, the preferred first."""
        raise NotImplementedError

    def check(self, request: Request, now: float) -> tuple[Verdict, str]:
        """Return the verdict and, when it is GOOD, the user; any other verdict is answered by `challenge` (stale when STALE)."""
        raise NotImplementedError
