"""Events of `janus.plugin.sip` in the exact shapes that its clients read. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from boringsdp.errors import without_keys

Json = dict[str, Any]


def event(result: Mapping[str, Any], *, call_id: str = "", **beside: Any) -> Json:
    """Return the data of an event: `result`, what stands beside it, and the Call-ID of the call if there is or was one."""
    data: Json = {"sip": "event"}
    if call_id:
        data["call_id"] = call_id
    whole: Json = sound(data | {key: value for key, value in beside.items() if value is not None} | {"result": dict(result)})
    return whole


def error(code: int, reason: str, *, call_id: str = "") -> Json:
    """Return the data of a refused request."""
    call = {"call_id": call_id} if call_id else {}
    whole: Json = sound({"sip": "event", **call, "error_code": code, "error": without_keys(reason)})
    return whole


def sound(value: Any) -> Any:
    """
    Return a value with U+FFFD for half characters, which JSON cannot hold.

    What peers write need not be UTF-8, and is kept as it came (`surrogateescape`): without this an event that quotes it would be lost, and
    with the event of its end the call would stay.
    """
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {sound(key): sound(each) for key, each in value.items()}
    return [sound(each) for each in value] if isinstance(value, list | tuple) else value


def _with(result: Json, **more: Any) -> Json:
    """Add what is not empty."""
    return result | {key: value for key, value in more.items() if value not in ("", None, {}, ())}


# --- registration --------------------------------------------------------------------------------------------------------------------


def registering(unique_id: str) -> Json:
    return {"event": "registering", "unique_id": unique_id}


def registered(
    username: str, master_id: int, *, sent: bool, unique_id: str = "", helper: bool = False, headers: Json | None = None
) -> Json:
    """`unique_id` stands inside for what was not sent; for what the registrar confirmed it stands beside the result."""
    result: Json = {"event": "registered", "username": username, "register_sent": sent}
    if helper:
        result["helper"] = True
    result["master_id"] = master_id
    return _with(result, unique_id=unique_id, headers=headers)


def registration_failed(code: int, reason: str, headers: Json | None = None, retry_in: float | None = None) -> Json:
    """`retry_in` is ours: seconds until the gateway tries again by itself."""
    return _with({"event": "registration_failed", "code": code, "reason": reason}, headers=headers, retry_in=retry_in)


def unregistered(username: str, headers: Json | None = None) -> Json:
    return _with({"event": "unregistered", "username": username}, headers=headers)


# --- calls ---------------------------------------------------------------------------------------------------------------------------


def proceeding(code: int, headers: Json | None = None) -> Json:
    return _with({"event": "proceeding", "code": code}, headers=headers)


def ringing(headers: Json | None = None) -> Json:
    return _with({"event": "ringing"}, headers=headers)


def incoming(
    name: str, *, username: str, call_id: str, displayname: str = "", callee: str, headers: Json | None = None,
    referred_by: str = "", replaces: str = "", isfocus: bool = False, srtp: str | None = None,
) -> Json:  # fmt: skip
    """`name` is incomingcall or updatingcall."""
    result = _with({"event": name, "username": username, "call_id": call_id}, displayname=displayname)
    result["callee"] = callee
    result = _with(result, headers=headers, referred_by=referred_by, replaces=replaces)
    return result | ({"isfocus": True} if isfocus else {}) | ({"srtp": srtp} if srtp else {})


def answered(name: str, username: str, *, isfocus: bool = False, headers: Json | None = None) -> Json:
    """`name` is progress or accepted."""
    result: Json = {"event": name, "username": username}
    return _with(result | ({"isfocus": True} if isfocus else {}), headers=headers)


def missed_call(caller: str, displayname: str, callee: str) -> Json:
    return _with({"event": "missed_call", "caller": caller}, displayname=displayname) | {"callee": callee}


def hangup(
    code: int, reason: str, reasons: Mapping[str, Any] | None = None, headers: Json | None = None, contacts: tuple[str, ...] = ()
) -> Json:
    """`reasons` are the keys of a Reason header (see `headers.reason_of`); `contacts`, ours: where a redirect leads."""
    found: Json = {"event": "hangup", "code": code, "reason": reason} | dict(reasons or {})
    return _with(found, headers=headers, contacts=list(contacts) or None)


def declining(code: int, *, call_id: str = "", refer_id: int | None = None) -> Json:
    if refer_id is not None:
        return {"event": "declining", "refer_id": refer_id, "code": code}
    return _with({"event": "declining", "code": code}, call_id=call_id)


def transfer(refer_id: int, refer_to: str, referred_by: str = "", replaces: str = "", headers: Json | None = None) -> Json:
    return _with(
        {"event": "transfer", "refer_id": refer_id, "refer_to": refer_to}, referred_by=referred_by, replaces=replaces, headers=headers
    )


def dtmf(sender: str, digit: str, duration: int) -> Json:
    """`duration` in ticks of 8000 Hz, as RFC 4733 counts them on telephones."""
    return {"event": "dtmf", "sender": sender, "signal": digit, "duration": duration}


# --- requests outside and inside of calls --------------------------------------------------------------------------------------------


def message(sender: str, displayname: str, content: str, content_type: str, headers: Json | None = None) -> Json:
    result = _with({"event": "message", "sender": sender}, displayname=displayname)
    return _with(result | {"content": content, "content_type": content_type}, headers=headers)


def info(sender: str, displayname: str, kind: str, content: str, headers: Json | None = None) -> Json:
    result = _with({"event": "info", "sender": sender}, displayname=displayname)
    return _with(result | {"type": kind, "content": content}, headers=headers)


def message_delivery(code: int, reason: str) -> Json:
    return {"event": "messagedelivery", "code": code, "reason": reason}


def subscribe_succeeded(code: int, reason: str, expires: int | None, headers: Json | None = None) -> Json:
    return _with({"event": "subscribe_succeeded", "code": code}, headers=headers, expires=expires) | {"reason": reason}


def subscribe_failed(code: int, reason: str, headers: Json | None = None) -> Json:
    return _with({"event": "subscribe_failed", "code": code, "reason": reason}, headers=headers)


def notify(package: str, substate: str, content_type: str, content: str, headers: Json | None = None) -> Json:
    result = _with({"event": "notify", "notify": package, "substate": substate}, **{"content-type": content_type})
    return _with(result | {"content": content}, headers=headers)


# --- ours: news that Janus does not tell; clients that do not know them leave them alone ---------------------------------------------


def remote_hold(direction: str) -> Json:
    """The peer has put us on hold; `direction` is as it stands in its SDP."""
    return {"event": "remote_hold", "direction": direction}


def remote_resume(direction: str) -> Json:
    return {"event": "remote_resume", "direction": direction}


def media_changed(changed: list[str], media: list[Json]) -> Json:
    """The peer changed what is in `changed`: address, codecs, media (streams that come or go)."""
    return {"event": "media_changed", "changed": changed, "media": media}


def held(direction: str) -> Json:
    """The peer has taken our hold."""
    return {"event": "held", "direction": direction}


def resumed() -> Json:
    return {"event": "resumed"}


def update_failed(code: int, reason: str) -> Json:
    """The peer refused our re-offer (update, hold, unhold): what was agreed before goes on."""
    return {"event": "update_failed", "code": code, "reason": reason}


def helper_wanted(master_id: int, caller: str, displayname: str, callee: str, seconds: float) -> Json:
    """All lines are busy and another call came: a helper that registers within so many seconds gets it."""
    result = {"event": "helper_wanted", "master_id": master_id, "caller": caller}
    return _with(result, displayname=displayname) | {"callee": callee, "seconds": seconds}


def replaced(call_id: str, former: str, username: str) -> Json:
    """Another call took the place of ours (Replaces), with the same PeerConnection."""
    return {"event": "replaced", "call_id": call_id, "replaces": former, "username": username}


def transfer_progress(code: int, reason: str, *, final: bool) -> Json:
    """What became of our REFER so far."""
    return {"event": "transfer_progress", "code": code, "reason": reason, "final": final}
