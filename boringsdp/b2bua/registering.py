"""What a REGISTER asks for (RFC 3261 §10.3, RFC 5626 §6), read before anything is done about it."""

from __future__ import annotations

from dataclasses import dataclass

from boringsdp.b2bua.policy import Refusal
from boringsdp.errors import SipError
from boringsdp.sip import headers as views
from boringsdp.sip.limits import MAX_SECONDS
from boringsdp.sip.message import Request
from boringsdp.sip.name_address import NameAddress
from boringsdp.sip.params import unquote
from boringsdp.sip.uri import SipUri

MAX_TEXT = 1024
"""Characters of a Contact with its parameters, of a Call-ID, of an instance: these are kept."""
MAX_USER_AGENT = 128
KNOWN_EXTENSIONS = frozenset(("path", "outbound", "gruu"))
"""What a REGISTER may require."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Contact:
    """One Contact of a REGISTER."""

    uri: str
    params: tuple[tuple[str, str | None], ...] = ()
    """Of the header, as written, but for expires."""
    expires: int
    """Seconds asked for; 0: none any more."""
    instance: str = ""
    reg_id: int = 0
    q: float = 1.0


@dataclass(slots=True, frozen=True, kw_only=True)
class Registering:
    """A whole REGISTER."""

    aor: SipUri
    """Canonical: no port, no parameters, host in lower case."""
    contacts: tuple[Contact, ...]
    """None: it asks what there is."""
    all_gone: bool = False
    """`Contact: *`: everything of the address of record is taken back."""
    call_id: str
    cseq: int
    user_agent: str = ""
    outbound: bool = False
    """Whether the browser supports RFC 5626."""


def canonical(uri: SipUri) -> SipUri:
    """Return an address of record as it is compared and kept (RFC 3261 §10.3 step 5)."""
    return SipUri("sip", uri.user, uri.host.lower().rstrip("."))


def aor_key(uri: SipUri) -> str:
    """Return what an address of record is found by: user, escapes undone, and host."""
    return f"{uri.user_name}@{uri.host.lower().rstrip('.')}"


def read_register(request: Request, *, usual: int) -> Registering | Refusal:
    """Return what a REGISTER asks for; `usual` is the time in seconds of a Contact that names none."""
    try:
        unknown = [tag for tag in views.tokens(request, "Require") if tag.lower() not in KNOWN_EXTENSIONS]
        if unknown:
            return Refusal(420, headers=(("Unsupported", ", ".join(unknown)),))
        aor = views.to(request).sip_uri
        if not aor.user:
            return Refusal(404)
        call_id, cseq = views.call_id(request), views.cseq(request).number
        general = views.expires(request)
        supported = {tag.lower() for tag in views.tokens(request, "Supported")}
        if (request.headers.get("Contact") or "").strip() == "*":
            if general != 0 or len(request.headers.all("Contact")) != 1:
                return Refusal(400, "Contact: * Wants Expires: 0")
            contacts: tuple[Contact, ...] = ()
            gone = True
        else:
            wanted = usual if general is None else general
            contacts = tuple(_contact(one, wanted) for one in views.contacts(request))
            gone = False
    except SipError as problem:
        return Refusal(400, f"Bad {problem.header or 'Request'}")
    if len(call_id) > MAX_TEXT or any(_size(contact) > MAX_TEXT for contact in contacts):
        return Refusal(400, "Contact Or Call-ID Too Long")
    return Registering(
        aor=canonical(aor),
        contacts=contacts,
        all_gone=gone,
        call_id=call_id,
        cseq=cseq,
        user_agent=(request.headers.get("User-Agent") or "")[:MAX_USER_AGENT],
        outbound="outbound" in supported,
    )


def contact_text(uri: str, params: tuple[tuple[str, str | None], ...], expires: int) -> str:
    """Return a Contact value with its time."""
    tail = "".join(f";{name}" if value is None else f";{name}={value}" for name, value in params)
    return f"<{uri}>{tail};expires={expires}"


def _contact(one: NameAddress, usual: int) -> Contact:
    params = one.params
    text = params.get("expires")
    # What is no number counts as 3600 (RFC 3261 §10.2.1.1).
    expires = usual if text is None else min(int(text), MAX_SECONDS) if text.isascii() and text.isdigit() and len(text) < 11 else 3600
    _ = one.sip_uri  # raises for what we could not call
    number = params.get("reg-id") or ""
    return Contact(
        uri=one.uri_text,
        params=tuple((name, value) for name, value in params.items() if name != "expires"),
        expires=expires,
        instance=unquote(params.get("+sip.instance") or ""),
        reg_id=int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 0,
        q=_q(params.get("q")),
    )


def _q(text: str | None) -> float:
    try:
        value = float(text or "1")
    except ValueError:
        return 1.0
    return min(max(value, 0.0), 1.0) if value == value else 1.0


def _size(contact: Contact) -> int:
    return len(contact.uri) + sum(len(name) + len(value or "") for name, value in contact.params)
