"""The SIP endpoint on an event loop: sockets, resolver and one timer around the user agent; gives accounts to fronts."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from boringsdp.sip.account import AccountSettings, Hear
from boringsdp.sip.facades import Account, Session
from boringsdp.sip.settings import SipSettings
from boringsdp.sip.transport.settings import Listen


class Endpoint:
    """
    One stack for all accounts. Build it within a running event loop; `start`, `close`.

    `token(n)` returns a random hex token of n octets.
    """

    def __init__(self, settings: SipSettings, *, token: Callable[[int], str] = secrets.token_hex) -> None:
        self.settings = settings

    async def start(self) -> None:
        """Listen. Raises OSError that names the address that cannot be had; nothing is left open then."""
        raise NotImplementedError

    async def close(self) -> None:
        """Unregister and hang up everything (waits a moment for the answers), close all sockets."""
        raise NotImplementedError

    def addresses(self) -> list[Listen]:
        """Where it listens."""
        raise NotImplementedError

    def account(self, settings: AccountSettings, hear: Hear) -> Account:
        """Make an account; it does nothing by itself. Raises Exhausted, Forbidden (policy names another registrar)."""
        raise NotImplementedError

    def session(self, call_id: str) -> Session | None:
        """Find a live session of any account by its Call-ID."""
        raise NotImplementedError

    def ladder(self, call_id: str) -> str:
        """Draw what was sent and received under a Call-ID; empty when nothing is known of it."""
        raise NotImplementedError
