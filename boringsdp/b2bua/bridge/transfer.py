"""Transfers of calls that go through the gateway: REFER and Replaces from either side, passed on or carried out here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boringsdp.sip.account import IncomingCall
    from boringsdp.sip.facades import Refer, Session


class Transfers:
    """
    One for the front. A bridge tells it of every REFER in one of its dialogs; the front of every INVITE whose Replaces names a dialog here.
    """

    def refer(self, bridge: Any, session: Session, refer: Refer) -> None:
        """The peer of `session`, one side of the bridge, asks for a transfer. Answered now or later; it hears how the call fares."""
        raise NotImplementedError

    def replace(self, bridge: Any, came: IncomingCall) -> None:
        """An INVITE comes to take the place of `came.replaces`, a session of the bridge. It is accepted or rejected, now or later."""
        raise NotImplementedError
