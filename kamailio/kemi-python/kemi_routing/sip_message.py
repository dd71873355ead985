"""The SIP message that Kamailio is at, read into the types of `decisions`."""

from __future__ import annotations

import KSR

from kemi_routing.decisions import Body, Reply, Request, body_of, side_of_protocol
from kemi_routing.media import Side

FROM_WEB, LATE_OFFER, WITHIN_DIALOG = 1, 2, 3
"""Flags of a transaction: they are set on a request and still there when its replies come."""


def text(name: str) -> str:
    """Return a pseudo-variable, empty when it is null; what is not UTF-8 in it becomes U+FFFD."""
    try:
        value = KSR.pv.get(name)
    except UnicodeDecodeError:
        value = KSR.pv.get(f"$({name[1:]}{{s.encode.hexa}})")
        return bytes.fromhex(str(value)).decode(errors="replace")
    return "" if value is None else str(value)


def number(name: str, default: int = 0) -> int:
    """Return a pseudo-variable that is a number, `default` when it is null."""
    value = KSR.pv.get(name)
    return value if isinstance(value, int) else default


def request(*, from_caller: bool = False) -> Request:
    """Return the request; before the look-up its destination is empty, after it that of this branch."""
    return Request(
        method=text("$rm"),
        sender=side_of_protocol(text("$proto")),
        uri=text("$ru"),
        user=text("$rU"),
        destination=text("$du"),
        body=body(),
        within_dialog=text("$tt") != "",
        from_caller=from_caller,
        to_us=KSR.is_myself_ruri(),
    )


def reply() -> Reply:
    """Return the reply, with what the flags of its transaction tell of the request."""
    return Reply(
        method=text("$rm"),
        code=number("$rs"),
        asker=Side.WEB if KSR.isflagset(FROM_WEB) else Side.PHONE,
        body=body(),
        within_dialog=KSR.isflagset(WITHIN_DIALOG),
        offer_is_late=KSR.isflagset(LATE_OFFER),
    )


def body() -> Body:
    """Return what the message carries."""
    return body_of(text("$cT"), number("$bs"))


def branch() -> int:
    """Return the number of the branch that a branch, reply or branch-failure route runs for."""
    return number("$T_branch_idx")
