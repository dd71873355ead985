"""
Typed views of headers. Each is read when first asked for and remembered in `message.views`; all raise SipError, naming the header, when it
is there and cannot be read. Those of a header that is not there say so in their docstring. What they return is read only.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from boringsdp.errors import SipError
from boringsdp.sip.limits import MAX_CONTACTS, MAX_CSEQ, MAX_ROUTES, MAX_VALUES, MAX_VIAS
from boringsdp.sip.message import Message, Request, key_of
from boringsdp.sip.name_address import NameAddress, parse_name_address
from boringsdp.sip.params import Params, is_token, parse_number, parse_params, parse_seconds, split_list, unquote
from boringsdp.sip.uri import Uri, parse_host_port, parse_uri
from boringsdp.values import Value

T = TypeVar("T")


class Via(Value, frozen=True):
    """One Via value (RFC 3261 §20.42). `host` of an IPv6 reference is without brackets; `transport` in upper case."""

    transport: str
    host: str
    port: int | None
    params: Params
    version: str = "2.0"

    @property
    def branch(self) -> str:
        """Empty without one."""
        return self.params.get("branch") or ""

    @property
    def received(self) -> str | None:
        """The address in it, without brackets (RFC 5118 §4.5)."""
        value = self.params.get("received")
        return value.strip("[]") if value else None

    @property
    def rport(self) -> int | None:
        """The port in it (RFC 3581); None when there is none yet or it is no port. `"rport" in params` says whether it was asked for."""
        value = self.params.get("rport")
        if not value or len(value) > 5 or not (value.isascii() and value.isdigit()):
            return None
        return int(value) if 0 < int(value) < 65_536 else None

    @property
    def sent_by(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


class CSeq(Value, frozen=True):
    number: int
    method: str


class RAck(Value, frozen=True):
    """RFC 3262 §7.2."""

    rseq: int
    cseq: int
    method: str


class Replaces(Value, frozen=True):
    """Which dialog: tags as the one who is asked to replace has them (RFC 3891 §6.1, Join: RFC 3911)."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False


class SessionExpires(Value, frozen=True):
    """RFC 4028 §4. `refresher` is "uac", "uas" or None."""

    seconds: int
    refresher: str | None
    params: Params


class Event(Value, frozen=True):
    """RFC 6665 §8.2.1. `package` in lower case; `id` None without one."""

    package: str
    id: str | None
    params: Params


class SubscriptionState(Value, frozen=True):
    """RFC 6665 §8.2.3. `state` and `reason` in lower case."""

    state: str
    reason: str | None
    expires: int | None
    retry_after: int | None
    params: Params


class MediaType(Value, frozen=True):
    """A media type or range: `type` is "application/sdp", in lower case."""

    type: str
    params: Params


class Reason(Value, frozen=True):
    """RFC 3326: `protocol` is "SIP", "Q.850" and so on."""

    protocol: str
    cause: int | None
    text: str


class _KnownUri(NamedTuple):
    text: str
    uri: Uri


# --- what every message has ----------------------------------------------------------------------------------------------------------


def via(message: Message) -> Via:
    """The topmost Via."""
    known: Via | None = message.headers.views.get("via")
    return _one(message, "via", "Via", _parse_top_via) if known is None else known


def vias(message: Message) -> tuple[Via, ...]:
    """Every Via, topmost first; none without the header."""
    return _list(message, "via", "Via", parse_via, MAX_VIAS, "vias")


def from_(message: Message) -> NameAddress:
    known: NameAddress | None = message.headers.views.get("from")
    return _one(message, "from", "From", parse_name_address) if known is None else known


def to(message: Message) -> NameAddress:
    known: NameAddress | None = message.headers.views.get("to")
    return _one(message, "to", "To", parse_name_address) if known is None else known


def call_id(message: Message) -> str:
    known: str | None = message.headers.views.get("call-id")
    return _one(message, "call-id", "Call-ID", _word) if known is None else known


def cseq(message: Message) -> CSeq:
    known: CSeq | None = message.headers.views.get("cseq")
    return _one(message, "cseq", "CSeq", parse_cseq) if known is None else known


def request_uri(request: Request) -> Uri:
    """The Request-URI. Raises SipError without a header's name."""
    known = request.headers.views.get("request-uri")
    if known is not None and known.text is request.uri:
        return known.uri  # type: ignore[no-any-return]
    uri = parse_uri(request.uri)
    request.headers.views["request-uri"] = _KnownUri(request.uri, uri)
    return uri


def max_forwards(message: Message) -> int | None:
    """None without the header (RFC 2543)."""
    return _optional(message, "max-forwards", "Max-Forwards", lambda text: parse_number(text, 255))


# --- lists of addresses --------------------------------------------------------------------------------------------------------------


def contacts(message: Message) -> tuple[NameAddress, ...]:
    """Every Contact, none without the header. `*` (REGISTER) is one whose `uri_text` is "*"."""
    return _list(message, "contact", "Contact", _parse_contact, MAX_CONTACTS)


def contact(message: Message) -> NameAddress | None:
    """The first Contact, or None."""
    return next(iter(contacts(message)), None)


def routes(message: Message) -> tuple[NameAddress, ...]:
    return name_addresses(message, "Route", MAX_ROUTES)


def name_addresses(message: Message, name: str, limit: int = MAX_VALUES) -> tuple[NameAddress, ...]:
    """Every value of a header that lists addresses (Path, Service-Route, P-Asserted-Identity, Diversion), none without it."""
    return _list(message, key_of(name), name, parse_name_address, limit)


def refer_to(message: Message) -> NameAddress | None:
    return _optional(message, "refer-to", "Refer-To", parse_name_address)


def referred_by(message: Message) -> NameAddress | None:
    return _optional(message, "referred-by", "Referred-By", parse_name_address)


# --- numbers, and values with parameters; None without the header -----------------------------------------------------------------------


def rack(message: Message) -> RAck | None:
    return _optional(message, "rack", "RAck", parse_rack)


def rseq(message: Message) -> int | None:
    return _optional(message, "rseq", "RSeq", lambda text: parse_number(text, 2**32 - 1))


def expires(message: Message) -> int | None:
    """Seconds."""
    return _optional(message, "expires", "Expires", parse_seconds)


def min_expires(message: Message) -> int | None:
    """Seconds."""
    return _optional(message, "min-expires", "Min-Expires", parse_seconds)


def min_se(message: Message) -> int | None:
    """Seconds (RFC 4028 §5)."""
    return _optional(message, "min-se", "Min-SE", lambda text: parse_seconds(_split_params(text)[0]))


def session_expires(message: Message) -> SessionExpires | None:
    return _optional(message, "session-expires", "Session-Expires", parse_session_expires)


def retry_after(message: Message) -> int | None:
    """Seconds; the comment and the parameters of it are left out (RFC 3261 §20.33)."""
    return _optional(message, "retry-after", "Retry-After", _parse_retry_after)


def replaces(message: Message) -> Replaces | None:
    return _optional(message, "replaces", "Replaces", parse_replaces)


def join(message: Message) -> Replaces | None:
    return _optional(message, "join", "Join", parse_replaces)


def event(message: Message) -> Event | None:
    return _optional(message, "event", "Event", parse_event)


def subscription_state(message: Message) -> SubscriptionState | None:
    return _optional(message, "subscription-state", "Subscription-State", parse_subscription_state)


def content_type(message: Message) -> MediaType | None:
    return _optional(message, "content-type", "Content-Type", parse_media_type)


def content_disposition(message: Message) -> MediaType | None:
    """`type` is "session", "render" and so on."""
    return _optional(message, "content-disposition", "Content-Disposition", _parse_with_params)


# --- lists of words -----------------------------------------------------------------------------------------------------------------------


def tokens(message: Message, name: str) -> tuple[str, ...]:
    """The words of Supported, Require, Allow, Allow-Events and their like: in lower case but for Allow (methods know case)."""
    key = key_of(name)
    return _list(message, key, name, _word if key == "allow" else lambda text: _word(text).lower(), MAX_VALUES)


def accept(message: Message) -> tuple[MediaType, ...] | None:
    """The media ranges of Accept; None without the header: then it is application/sdp (RFC 3261 §20.1)."""
    return _list(message, "accept", "Accept", parse_media_type, MAX_VALUES) if "accept" in message.headers else None


def reasons(message: Message) -> tuple[Reason, ...]:
    return _list(message, "reason", "Reason", parse_reason, MAX_VALUES)


_PLAIN_VIA = re.compile(r"SIP/([0-9.]+)/([A-Za-z]+) ([A-Za-z0-9\-.]+)(?::([0-9]{1,5}))?((?:;.*)?)", re.DOTALL)


# --- readers of one value -----------------------------------------------------------------------------------------------------------------


def parse_via(text: str) -> Via:
    plain = _PLAIN_VIA.fullmatch(text)
    if plain is not None:
        version, transport, host, digits, tail = plain.groups()
        port = int(digits) if digits else None
        if port is None or port <= 65_535:
            return Via(transport.upper(), host, port, parse_params(tail) if tail else {}, version)
    before, semicolon, after = text.partition(";")
    parts = before.split("/")
    if len(parts) != 3 or parts[0].strip().upper() != "SIP":
        raise SipError("no SIP/2.0/transport")
    words = parts[2].split(None, 1)
    if len(words) != 2 or not is_token(words[0]):
        raise SipError("no transport and sent-by")
    sent_by = words[1]
    if " " in sent_by or "\t" in sent_by:
        host, colon, port_text = sent_by.rpartition(":")
        sent_by = f"{host.strip()}:{port_text.strip()}" if colon else sent_by.strip()
    host, port = parse_host_port(sent_by)
    params = parse_params(semicolon + after)
    return Via(words[0].upper(), host, port, params, parts[1].strip())


def _parse_top_via(text: str) -> Via:
    return parse_via(text if "," not in text else split_list(text, MAX_VIAS)[0])


def parse_cseq(text: str) -> CSeq:
    words = text.split(None, 2)
    if len(words) != 2 or not is_token(words[1]):
        raise SipError("no number and method")
    return CSeq(parse_number(words[0], MAX_CSEQ), words[1])


def parse_rack(text: str) -> RAck:
    words = text.split(None, 3)
    if len(words) != 3 or not is_token(words[2]):
        raise SipError("no two numbers and method")
    return RAck(parse_number(words[0], 2**32 - 1), parse_number(words[1], MAX_CSEQ), words[2])


def parse_replaces(text: str) -> Replaces:
    """Replaces or Join, also from a Refer-To URI (unescaped: `uri.header("Replaces")`)."""
    value, params = _split_params(text)
    to_tag, from_tag = params.get("to-tag"), params.get("from-tag")
    if not to_tag or not from_tag:
        raise SipError("no to-tag and from-tag")
    return Replaces(_word(value), to_tag, from_tag, "early-only" in params)


def parse_session_expires(text: str) -> SessionExpires:
    value, params = _split_params(text)
    refresher = (params.get("refresher") or "").lower()
    if refresher not in ("", "uac", "uas"):
        raise SipError("an unknown refresher")
    return SessionExpires(parse_seconds(value), refresher or None, params)


def parse_event(text: str) -> Event:
    value, params = _split_params(text)
    if not is_token(value):
        raise SipError("no event package")
    return Event(value.lower(), params.get("id"), params)


def parse_subscription_state(text: str) -> SubscriptionState:
    value, params = _split_params(text)
    if not is_token(value):
        raise SipError("no state")
    reason = params.get("reason")
    return SubscriptionState(
        value.lower(), reason.lower() if reason else None, _seconds(params, "expires"), _seconds(params, "retry-after"), params
    )


def parse_media_type(text: str) -> MediaType:
    if text == _SDP.type:
        return _SDP
    value, params = _split_params(text)
    kind, slash, subtype = value.partition("/")
    kind, subtype = kind.rstrip(" \t"), subtype.lstrip(" \t")
    if not slash or not is_token(kind) or not is_token(subtype):
        raise SipError("no media type")
    return MediaType(f"{kind}/{subtype}".lower(), params)


_SDP = MediaType("application/sdp", {})


def parse_reason(text: str) -> Reason:
    value, params = _split_params(text)
    if not is_token(value):
        raise SipError("no protocol")
    cause = params.get("cause")
    return Reason(value, None if cause is None else parse_number(cause, 2**31), unquote(params.get("text") or ""))


def _parse_with_params(text: str) -> MediaType:
    value, params = _split_params(text)
    if not is_token(value):
        raise SipError("no word")
    return MediaType(value.lower(), params)


def _parse_retry_after(text: str) -> int:
    digits = text.partition(";")[0].partition("(")[0].strip(" \t")
    return parse_seconds(digits)


def _parse_contact(text: str) -> NameAddress:
    return NameAddress("", "*", {}) if text == "*" else parse_name_address(text)


def _split_params(text: str) -> tuple[str, Params]:
    value, semicolon, after = text.partition(";")
    return value.strip(" \t"), parse_params(semicolon + after)


def _seconds(params: Params, name: str) -> int | None:
    value = params.get(name)
    return None if value is None else parse_seconds(value)


def _word(text: str) -> str:
    if not text or " " in text or "\t" in text:
        raise SipError("no single word")
    return text


# --- reading once -------------------------------------------------------------------------------------------------------------------------


def _one(message: Message, key: str, name: str, read: Callable[[str], T]) -> T:
    found: T | None = _optional(message, key, name, read)
    if found is None:
        raise SipError("missing", name)
    return found


def _optional(message: Message, key: str, name: str, read: Callable[[str], T]) -> T | None:
    views = message.headers.views
    if key in views:
        return views[key]  # type: ignore[no-any-return]
    lines = message.headers.index.get(key)
    try:
        found = read(lines[0]) if lines else None
    except SipError as problem:
        raise SipError(problem.reason, name) from None
    views[key] = found
    return found


def _list(message: Message, key: str, name: str, read: Callable[[str], T], limit: int, remembered: str = "") -> tuple[T, ...]:
    """`remembered`: the name of the view where the key is another view's."""
    views = message.headers.views
    remembered = remembered or key
    if remembered in views:
        return views[remembered]  # type: ignore[no-any-return]
    found: list[T] = []
    try:
        for line in message.headers.index.get(key, ()):
            if "," in line or not line:
                found += [read(value) for value in split_list(line, limit)]
            else:
                found.append(read(line))
            if len(found) > limit:
                raise SipError(f"more than {limit} values")
    except SipError as problem:
        raise SipError(problem.reason, name) from None
    views[remembered] = result = tuple(found)
    return result
