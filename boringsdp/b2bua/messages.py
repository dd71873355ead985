"""Requests without a call of their own, sent on: MESSAGE, OPTIONS, PUBLISH outside of dialogs; MESSAGE, INFO, NOTIFY within a call's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from boringsdp.b2bua.plan import Plan
    from boringsdp.sip.facades import Incoming, Session

Lines = Iterable[tuple[str, str]]


class Messages:
    """One for the front."""

    def relay(self, incoming: Incoming, plan: Plan) -> None:
        """
        Send a request from outside of dialogs on, and answer it with what comes back: the first 2xx of a group, else its best failure.

        Each attempt names its account, URI, flow, identity and headers; content goes along as it is. The plan may be empty: 404.
        """
        raise NotImplementedError

    def relay_inside(self, incoming: Incoming, to: Session, headers: Lines = ()) -> None:
        """Send a request of one side's dialog on in the other's, and answer it with what comes back."""
        raise NotImplementedError
