"""What the API says: replies and events as plain objects, and their JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from boringsdp.errors import JanusError
from boringsdp.janus_api.plugin import Jsep

Json = dict[str, Any]

KEEPALIVE: Json = {"janus": "keepalive"}

_encode = msgspec.json.Encoder().encode


def encode(message: Mapping[str, Any]) -> bytes:
    """Compact JSON. Raises `TypeError` or `ValueError` for what JSON cannot hold, which only a plugin's data can be."""
    return _encode(message)


def encode_array(messages: list[bytes]) -> bytes:
    """A JSON array of messages that are JSON already."""
    return b"[" + b",".join(messages) + b"]"


def success(transaction: str, session_id: int | None = None, **more: Any) -> Json:
    """A reply to a request that did what it should."""
    return _reply("success", transaction, session_id) | more


def ack(transaction: str, session_id: int, hint: str | None = None) -> Json:
    """A reply to a request whose result, if any, comes later."""
    reply = _reply("ack", transaction, session_id)
    return reply if hint is None else reply | {"hint": hint}


def error(problem: JanusError, transaction: str | None, session_id: int | None) -> Json:
    """A reply to a request that is refused."""
    return _reply("error", transaction, session_id) | {"error": {"code": problem.code, "reason": problem.reason}}


def _reply(kind: str, transaction: str | None, session_id: int | None) -> Json:
    reply: Json = {"janus": kind}
    if session_id is not None:
        reply["session_id"] = session_id
    if transaction is not None:
        reply["transaction"] = transaction
    return reply


def plugin_data(package: str, data: Mapping[str, Any], jsep: Jsep | None) -> Json:
    """What a plugin said, as it stands in a `success` or an `event`."""
    said: Json = {"plugindata": {"plugin": package, "data": data}}
    if jsep is not None:
        said["jsep"] = {"type": jsep.type.value, "sdp": jsep.sdp} | ({"e2ee": True} if jsep.e2ee else {})
    return said
