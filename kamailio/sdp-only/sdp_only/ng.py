"""NG requests and replies as JSON. Knows neither Kamailio nor the network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from kemi_routing.media import WISHES, Answer, Candidates, Command, Delete, Offer, Side, Wish, settings_of

Value = str | list[str]


class GatewayError(Exception):
    """The gateway could not be asked, refused, or said what nobody understands. The text says which."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Dialog:
    """Whose message it is; `body` is its SDP or its candidates."""

    call_id: str
    from_tag: str
    to_tag: str = ""
    in_reply: bool = False
    body: str = ""


def request_for(command: Command, dialog: Dialog, wishes: Mapping[Side, Wish] = WISHES) -> Mapping[str, Value]:
    """
    Return the request to the gateway.

    Its `from-tag` is who offers and its `to-tag` who answers, whoever sent the message: an offer in a reply, like the answer to it in the
    ACK, turns the tags of the message round.
    """
    keys: dict[str, Value] = {"call-id": dialog.call_id, "from-tag": dialog.from_tag}
    turned = (isinstance(command, Offer) and dialog.in_reply) or (isinstance(command, Answer) and not dialog.in_reply)
    if turned:
        keys["from-tag"] = dialog.to_tag
    match command:
        case Offer(reader, leg):
            keys |= {"command": "offer", "sdp": dialog.body} | wishes[reader].keys() | settings_of(command)
        case Answer(reader, leg):
            keys |= {"command": "answer", "sdp": dialog.body} | wishes[reader].keys() | settings_of(command)
        case Candidates():
            keys |= {"command": "offer", "sdp": dialog.body, "flags": ["fragment", "trickle-ICE"]}
            leg = ""
        case Delete(leg):
            keys["command"] = "delete"
    other = dialog.from_tag if turned else dialog.to_tag
    if other and not isinstance(command, Delete):
        keys["to-tag"] = other
    if leg:
        keys["via-branch"] = leg
    return keys


def parse_reply(body: bytes) -> Mapping[str, object]:
    """Return a reply whose result is `ok`. Raises `GatewayError`, whatever the bytes."""
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise GatewayError(f"not JSON: {body[:80]!r}") from error
    if not isinstance(reply, dict):
        raise GatewayError(f"not an NG reply: {body[:80]!r}")
    if reply.get("result") != "ok":
        raise GatewayError(str(reply.get("error-reason") or reply.get("message") or f"result {reply.get('result')!r}"))
    return reply


def parse_sdp(body: bytes) -> str:
    """Return the SDP of a reply to an offer or an answer. Raises `GatewayError`."""
    sdp = parse_reply(body).get("sdp")
    if not isinstance(sdp, str) or not sdp:
        raise GatewayError("a reply without SDP")
    return sdp
