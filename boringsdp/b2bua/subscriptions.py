"""Subscriptions through the gateway: a dialog with the subscriber, one with the notifier, and the news passed between."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from boringsdp.b2bua.plan import Plan
    from boringsdp.sip.account import IncomingSubscribe


class Subscriptions:
    """One for the front."""

    def relay(self, came: IncomingSubscribe, plan: Plan) -> None:
        """Subscribe on the other side at the first attempt of the plan that takes it; its news go to the subscriber. Empty plan: 404."""
        raise NotImplementedError

    def close(self) -> None:
        """End all, without news."""
