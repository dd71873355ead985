"""What to do with a SIP message: functions of what it says, without Kamailio, so that tests need none."""

from __future__ import annotations

import enum
import json
import re
from dataclasses import dataclass

from kemi_routing.media import Answer, Candidates, Command, Delete, Offer, Side

CALLER, CALLED = "caller", "called"
"""What the gateway calls the two sides."""


class Body(enum.Enum):
    """What a message carries."""

    NONE = "none"
    SDP = "SDP"
    CANDIDATES = "candidates"
    OTHER = "other"


@dataclass(slots=True, frozen=True, kw_only=True)
class Request:
    """
    What is known of a request.

    `uri` and `destination` are where it goes (the latter goes first), `user` whom it is for; within a dialog, `from_caller` is whether it
    comes from who began that.
    """

    method: str
    sender: Side
    uri: str = ""
    user: str = ""
    destination: str = ""
    body: Body = Body.NONE
    within_dialog: bool = False
    from_caller: bool = False
    to_us: bool = True


@dataclass(slots=True, frozen=True, kw_only=True)
class Reply:
    """What is known of a reply, and of the request that it answers: whether that was an INVITE without an offer, and who sent it."""

    method: str
    code: int
    asker: Side
    body: Body = Body.NONE
    within_dialog: bool = False
    offer_is_late: bool = False


class Step(enum.Enum):
    """Where a request goes on."""

    WITHIN_DIALOG = "within dialog"
    REGISTER = "register"
    CALL = "call"


@dataclass(slots=True, frozen=True)
class Respond:
    """Answer the request with this, and be done."""

    code: int
    reason: str


@dataclass(slots=True, frozen=True)
class Hooks:
    """What of a relayed request has to be looked at later."""

    branches: bool = False
    replies: bool = False
    failure: bool = False
    offer_is_late: bool = False


@dataclass(slots=True, frozen=True)
class Notice:
    """The gateway ended a call by itself; `tags` are those of its parties, who offered first."""

    call_id: str
    reason: str
    tags: tuple[str, ...]


def side_of_uri(*uris: str) -> Side:
    """Return the kind of phone behind the first URI that is not empty: WebSocket clients register with `transport=ws`."""
    uri = next(filter(None, uris), "")
    return Side.WEB if re.search(r"[;?&]transport=wss?(?![\w.-])", uri, re.IGNORECASE) else Side.PHONE


def family_of_uri(*uris: str) -> str:
    """Return `IP6` when the first URI that is not empty names an IPv6 address, else `IP4`."""
    uri = next(filter(None, uris), "")
    return "IP6" if re.match(r"sips?:(?:[^@]*@)?\[", uri, re.IGNORECASE) else "IP4"


def side_of_protocol(protocol: str) -> Side:
    """Return the kind of phone that sends over a protocol, such as `udp` or `wss`."""
    return Side.WEB if protocol.lower() in ("ws", "wss") else Side.PHONE


def body_of(content_type: str, size: int) -> Body:
    """Return what a body of that Content-Type is; `size` in octets."""
    if size <= 0:
        return Body.NONE
    match content_type.partition(";")[0].strip().lower():
        case "application/sdp":
            return Body.SDP
        case "application/trickle-ice-sdpfrag":
            return Body.CANDIDATES
    return Body.OTHER


def first_step(request: Request) -> Step | Respond:
    """Return where a request goes on that is neither a CANCEL nor a repetition."""
    if request.within_dialog:
        return Step.WITHIN_DIALOG
    if request.method == "OPTIONS" and request.to_us and not request.user:
        return Respond(200, "OK")
    if request.method == "REGISTER":
        return Step.REGISTER
    if not request.to_us:
        return Respond(403, "Not Here")  # nobody's open relay
    return Step.CALL if request.user else Respond(484, "Address Incomplete")


def comes_from(uri: str, address: str, port: int) -> bool:
    """Return whether a message from `address` and `port` was sent by the host that a SIP URI names by its address."""
    named = re.match(r"sips?:(?:[^@;]*@)?(\[[^]]+\]|[^:;?]+)(?::(\d+))?", uri)
    return named is not None and (named[1].strip("[]"), int(named[2] or 5060)) == (address.strip("[]"), port)


def unregistered(lookup: int) -> Respond:
    """Return the reply when nobody is registered, from what `registrar.lookup` returned."""
    return Respond(405, "Method Not Allowed") if lookup == -2 else Respond(404, "Not Found")


def within_dialog(request: Request) -> tuple[Command | None, Respond | None]:
    """Return what the gateway is asked about a request of a call, and the reply if it is not relayed."""
    match request.method, request.body:
        case "BYE", _:
            return Delete(), None
        case "INFO", Body.CANDIDATES:
            # The gateway is ICE-lite: it finds a browser by the checks that reach it, so candidates may come late, or never. Telephones
            # know nothing of them and are not bothered.
            return Candidates(), Respond(200, "OK")
        case (("ACK" | "PRACK"), Body.SDP):
            # The answer to an offer that came in a reply.
            return Answer(*_next_hop(request, ""), CALLER if request.from_caller else ""), None
    return None, None


def hooks(request: Request) -> Hooks:
    """Return what to look at later of a request that is relayed."""
    offers = request.method in ("INVITE", "UPDATE")
    return Hooks(
        branches=offers,
        replies=offers or request.method in ("SUBSCRIBE", "BYE", "INFO", "PRACK"),
        failure=request.method == "INVITE" and not request.within_dialog,
        offer_is_late=request.method == "INVITE" and request.body is not Body.SDP,
    )


def on_branch(request: Request, index: int) -> Command | None:
    """
    Return what the gateway is asked before a request goes to branch number `index`.

    Once for each place, for a fork may ring a browser and a telephone, and each needs an SDP of its own kind.
    """
    if request.method not in ("INVITE", "UPDATE") or request.body is not Body.SDP:
        return None
    return Offer(*_next_hop(request, ""), "") if request.within_dialog else Offer(*_next_hop(request, leg(index)), CALLER)


def on_reply(reply: Reply, index: int) -> Command | None:
    """Return what the gateway is asked about a reply of branch number `index`: whoever sent the request reads it."""
    if reply.method not in ("INVITE", "UPDATE") or reply.body is not Body.SDP or not 180 <= reply.code < 300:
        return None
    name, label = ("", "") if reply.within_dialog else (leg(index), CALLED)
    # An answer of 183 and that of 200 are the same to the gateway; of two branches that answer, the media goes to the one that did last.
    return (Offer if reply.offer_is_late else Answer)(reply.asker, name, label=label)


def leg(index: int) -> str:
    """Return the name of a branch, the same in the offer and in its answer."""
    return f"leg-{index}"


def parse_notice(text: str) -> Notice | None:
    """Return what the gateway's notice says, None when it is not one."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or told.get("event") != "timeout":
        return None
    call_id, reason, tags = told.get("call-id"), told.get("reason", ""), told.get("tags", [])
    if not (isinstance(call_id, str) and isinstance(reason, str) and isinstance(tags, list) and call_id):
        return None
    return Notice(call_id, reason, tuple(tag for tag in tags if isinstance(tag, str) and tag))


def _next_hop(request: Request, name: str) -> tuple[Side, str, str]:
    """Return the reader, `name`, and the reader's address family: a browser is told all addresses that the gateway has."""
    places = (request.destination, request.uri)
    side = side_of_uri(*places)
    return side, name, family_of_uri(*places) if side is Side.PHONE else ""
