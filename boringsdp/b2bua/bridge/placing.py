"""Sends the INVITE of an attempt, and knows when a browser that is waited for is there again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from boringsdp.b2bua.plan import Attempt
    from boringsdp.sip.facades import Session


class Placing(Protocol):
    """What calls need of the front."""

    def invite(self, attempt: Attempt, sdp: bytes | None, hear: Callable[[Any], None]) -> Session:
        """Send an INVITE; raises what `Account.invite` raises."""

    def unreachable(self, attempt: Attempt, why: str) -> None:
        """Nobody could be reached at its address, or it takes no calls: others are tried before it for a while."""

    def when_back(self, attempt: Attempt, then: Callable[[Attempt | None], None]) -> Callable[[], None]:
        """Tell `then` of the attempt with the browser's new flow, or None when it is waited for no more. Returns what forgets that."""
