"""Whom a REFER names, and in whose name they are called."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from boringsdp.b2bua.identity import Identity
from boringsdp.b2bua.plan import Kind
from boringsdp.b2bua.planning import user_named
from boringsdp.b2bua.policy import Asked
from boringsdp.errors import BoringError, SipError
from boringsdp.sip.headers import parse_replaces
from boringsdp.sip.uri import OtherUri, SipUri, escape_user, parse_sip_uri, parse_uri

if TYPE_CHECKING:
    from boringsdp.b2bua.bridge.bridge import Bridge
    from boringsdp.b2bua.bridge.side import Side
    from boringsdp.b2bua.front import Front
    from boringsdp.sip.endpoint import Endpoint
    from boringsdp.sip.facades import Refer, Session


def named_session(endpoint: Endpoint, refer: Refer) -> Session | None:
    """Return the session here whose dialog the target shall take this call for; None: it is elsewhere, or none is named."""
    if not refer.replaces:
        return None
    try:
        wanted = parse_replaces(refer.replaces)
    except SipError:
        return None
    dialog = (wanted.call_id, wanted.to_tag, wanted.from_tag)
    return next((session for session in endpoint.sessions(wanted.call_id) if session.dialog == dialog), None)


def asked_for(front: Front, bridge: Bridge, side: Side, stays: Side, refer: Refer) -> Asked:
    """
    Return what a policy is asked about a transfer that `side` wants.

    It is a call of the browser that asks, who may call whom it likes; where the PBX asks, of the browser that it is to be from. Raises
    `SipError` for a target that nobody can be called by, or when neither is a user here.
    """
    base = front.asked_of(bridge)
    caller = _identity(front, bridge, side) or _identity(front, bridge, stays)
    if base is None or caller is None:
        raise SipError("nobody of ours asks")
    target = parse_uri(refer.target)
    if isinstance(target, OtherUri):
        number = target.text.partition(":")[2].partition(";")[0]
        if target.scheme != "tel" or not number:
            raise SipError("no sip:, sips: or tel: URI")
        target = SipUri("sip", escape_user(number), caller.domain.name, None, (("user", "phone"),))
    if not target.user:
        raise SipError("nobody is named")
    called = replace(target.without("method"), headers=())
    return Asked(
        caller.domain, replace(caller, credentials=()), called, refer.request, user=user_named(front.domains, caller.domain, called)
    )


def _identity(front: Front, bridge: Bridge, side: Side) -> Identity | None:
    """The user at a side; None for the PBX."""
    if side.kind is not Kind.BROWSER:
        return None
    if side.identity is not None:
        return side.identity
    base = front.asked_of(bridge)
    if base is not None and base.caller is not None and base.request is side.session.request:
        return base.caller
    try:
        aor = side.binding.aor if side.binding is not None else parse_sip_uri(side.session.remote_uri)
    except BoringError:
        return None
    domain = front.domains.of(aor)
    return None if domain is None else Identity(aor, "", domain.settings, side.binding)
