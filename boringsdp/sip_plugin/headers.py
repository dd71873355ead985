"""SIP headers that applications give and get: what they may set, what they are shown. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from boringsdp.errors import JanusError
from boringsdp.janus_api.elements import Elements
from boringsdp.sip.message import Message, key_of
from boringsdp.sip.policy import listed
from boringsdp.sip_plugin.codes import INVALID_ELEMENT

HeaderLines = tuple[tuple[str, str], ...]

MAX_HEADERS = 64
MAX_OCTETS = 16 * 1024
"""Of all names and values of one request together."""
MAX_SHOWN = 64
"""Headers of one message that an application is shown."""

RESERVED = frozenset({
    "via", "from", "to", "call-id", "cseq", "contact", "max-forwards", "route", "record-route", "path", "service-route",
    "content-length", "content-type", "content-encoding", "authorization", "proxy-authorization", "www-authenticate",
    "proxy-authenticate", "authentication-info", "require", "proxy-require", "supported", "unsupported", "allow", "accept", "rseq",
    "rack", "session-expires", "min-se", "expires", "min-expires", "event", "subscription-state", "allow-events", "refer-to",
    "refer-sub", "mime-version", "user-agent", "server",
})  # fmt: skip
"""Headers that the stack writes itself: the dialog, its timers and its credentials hang on them. By `key_of`."""

_TOKEN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+`'~")


def read_headers(elements: Elements, name: str = "headers", allowed: Iterable[str] = ("*",)) -> HeaderLines:
    """
    Return the header lines that an application asks for by an object of names and values.

    `allowed`: names, or beginnings of them with a final `*`, in any case. Raises `JanusError` 444 that names what cannot be sent: a header
    of the stack's own, one that no pattern allows, a name or a value that would break the message.
    """
    members = elements.members(name) or {}
    if len(members) > MAX_HEADERS:
        raise _refusal(name, f"{len(members)} headers, the most is {MAX_HEADERS}")
    patterns = tuple(allowed)
    lines, octets = [], 0
    for header, value in members.items():
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise _refusal(name, f"the value of '{header[:64]}' should be a string")
        text = str(value)
        _check(name, header, text, patterns)
        octets += len(header) + len(text.encode("utf-8", "surrogatepass"))
        lines.append((header, text))
    if octets > MAX_OCTETS:
        raise _refusal(name, f"{octets} octets of headers, the most is {MAX_OCTETS}")
    return tuple(lines)


def _check(name: str, header: str, value: str, patterns: tuple[str, ...]) -> None:
    if not header or len(header) > 128 or not _TOKEN.issuperset(header):
        raise _refusal(name, f"{header[:64]!a} is no header name")
    if has_control(value):
        raise _refusal(name, f"the value of '{header}' has a line break or another control character")
    if key_of(header) in RESERVED:
        raise _refusal(name, f"'{header}' is written by the gateway")
    if not listed(header, patterns):
        raise _refusal(name, f"'{header}' is not among the headers that may be set")


def has_control(text: str) -> bool:
    """Whether text has what may not stand in a header: control characters but tab, or half a character."""
    return any((char < " " and char != "\t") or char == "\x7f" or "\ud800" <= char <= "\udfff" for char in text)


def _refusal(name: str, why: str) -> JanusError:
    return JanusError(INVALID_ELEMENT, f"Invalid element ({name}: {why})", name)


def read_parameters(elements: Elements, name: str) -> HeaderLines:
    """Return names and values of URI or header parameters from an object. Raises `JanusError` 444."""
    members = elements.members(name) or {}
    if len(members) > MAX_HEADERS:
        raise _refusal(name, f"{len(members)} parameters, the most is {MAX_HEADERS}")
    found = []
    for key, value in members.items():
        if not key or len(key) > 128 or not _TOKEN.issuperset(key) or not isinstance(value, str) or len(value) > 2048:
            raise _refusal(name, f"{key[:64]!a} is no parameter with a string value")
        if has_control(value):
            raise _refusal(name, f"the value of '{key}' has a line break or another control character")
        found.append((key, value))
    return tuple(found)


def shown_headers(message: Message | None, prefixes: Iterable[str]) -> dict[str, str]:
    """
    Return the headers of a message whose names begin with one of `prefixes`, in any case; lines of one name are joined by commas.

    Headers that carry credentials are never shown.
    """
    wanted = tuple(prefix.lower() for prefix in prefixes)
    if message is None or not wanted:
        return {}
    found: dict[str, str] = {}
    names: dict[str, str] = {}
    for header, value in message.headers:
        key = key_of(header)
        if not key.startswith(wanted) or key in ("authorization", "proxy-authorization"):
            continue
        text = value.encode("utf-8", "replace").decode("utf-8", "replace")
        if key in names:
            found[names[key]] += f", {text}"
        elif len(found) < MAX_SHOWN:
            names[key] = header
            found[header] = text
    return found


def reason_of(message: Message | None) -> Mapping[str, Any]:
    """
    Return what the Reason header says (RFC 3326) in the keys of a `hangup` event: the text, the protocol, the cause.

    Only the first value counts: a message says SIP and Q.850 in any order, and clients read one.
    """
    value = message.headers.get("Reason") if message is not None else None
    if value is None:
        return {}
    protocol, *parameters = [part.strip() for part in _split(value, ";", stop=",")]
    named = {name.strip().lower(): text.strip() for name, _, text in (part.partition("=") for part in parameters)}
    text, cause = named.get("text", ""), named.get("cause", "")
    found = {
        "reason_header": text.strip('"').replace('\\"', '"') if text else value.strip(),
        "reason_header_protocol": protocol,
        "reason_header_cause": cause,
    }
    return {key: said for key, said in found.items() if said}


def _split(text: str, at: str, stop: str) -> list[str]:
    """Split at a character outside quotes, as far as `stop` outside quotes."""
    parts, start, quoted, escaped = [], 0, False, False
    for index, char in enumerate(text):
        if escaped:
            escaped = False
        elif char == "\\" and quoted:
            escaped = True
        elif char == '"':
            quoted = not quoted
        elif not quoted and char == at:
            parts.append(text[start:index])
            start = index + 1
        elif not quoted and char == stop:
            return [*parts, text[start:index]]
    return [*parts, text[start:]]
