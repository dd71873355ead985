"""The gateway behind HTTP."""

from __future__ import annotations

from collections.abc import Mapping

import KSR
from kemi_routing.media import WISHES, Candidates, Command, Delete, Side, Wish
from kemi_routing.sip_message import text

from sdp_only.client import GatewayClient
from sdp_only.ng import Dialog, GatewayError, parse_reply, parse_sdp, request_for


class HttpMedia:
    """A `Media` without a module of Kamailio's."""

    def __init__(self, client: GatewayClient, wishes: Mapping[Side, Wish] = WISHES) -> None:
        self._client, self._wishes = client, wishes

    def perform(self, command: Command) -> bool:
        """Ask, and put the gateway's SDP in the place of the message's."""
        dialog = _dialog(with_body=not isinstance(command, Delete))
        try:
            reply = self._client.ask(request_for(command, dialog, self._wishes))
            if isinstance(command, Candidates | Delete):
                parse_reply(reply)
                return True
            sdp = parse_sdp(reply)
        except GatewayError as error:
            KSR.err(f"call {dialog.call_id}: {error}\n")
            return False
        return KSR.textops.set_body(sdp, "application/sdp") > 0


def _dialog(*, with_body: bool) -> Dialog:
    return Dialog(
        call_id=text("$ci"),
        from_tag=text("$ft"),
        to_tag=text("$tt"),
        in_reply=KSR.siputils.is_reply() > 0,
        body=text("$rb") if with_body else "",
    )
