"""Which headers go from one side to the other. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from boringsdp.errors import SipError
from boringsdp.sip import headers as views
from boringsdp.sip.message import Message, Request, Response, key_of
from boringsdp.sip.name_address import NameAddress

Lines = tuple[tuple[str, str], ...]

OURS = frozenset(
    (
        "accept", "accept-contact", "accept-encoding", "allow", "allow-events", "also", "authentication-info", "authorization",
        "call-id", "contact", "content-disposition", "content-encoding", "content-length", "content-type", "cseq", "date", "event",
        "expires", "flow-timer", "from", "identity", "in-reply-to", "join", "max-forwards", "mime-version", "min-expires", "min-se",
        "path", "proxy-authenticate", "proxy-authorization", "proxy-require", "rack", "reason", "record-route", "refer-sub", "refer-to",
        "referred-by", "replaces", "require", "retry-after", "route", "rseq", "security-client", "security-server", "security-verify",
        "server", "service-route", "session-expires", "session-id", "sip-etag", "sip-if-match", "subscription-state", "supported",
        "target-dialog", "timestamp", "to", "unsupported", "user-agent", "via", "warning", "www-authenticate",
    )
)  # fmt: skip
"""Of one dialog or one hop: never passed by the list, whatever it says. What of them goes across, goes by rules of its own."""
IDENTITY = frozenset(("p-asserted-identity", "p-preferred-identity", "remote-party-id", "privacy", "diversion", "history-info"))
"""Who somebody is: passed by trust, not by the list."""
ASSERTED = ("P-Asserted-Identity", "Diversion", "History-Info", "Remote-Party-ID")
MOST_TEXT = 4096
"""Characters of headers that go across together."""
CHALLENGES = ("WWW-Authenticate", "Proxy-Authenticate")
CREDENTIALS = ("Authorization", "Proxy-Authorization")


def passed(message: Message | None, allow: tuple[str, ...]) -> Lines:
    """Return the headers of a message that the list lets go across, as they came and in their order."""
    if message is None:
        return ()
    return _bounded((name, value) for name, value in message.headers if _goes(name, allow))


def _goes(name: str, allow: tuple[str, ...]) -> bool:
    key = key_of(name)
    if key in OURS or key in IDENTITY:
        return False
    lower = name.lower()
    return any(lower.startswith(each[:-1].lower()) if each.endswith("*") else key == key_of(each) for each in allow)


def _bounded(lines: Iterable[tuple[str, str]]) -> Lines:
    """Return lines that can be sent, as long as there is room for them: what ends a call must not fail for want of it."""
    kept: list[tuple[str, str]] = []
    room = MOST_TEXT
    for name, value in lines:
        room -= len(name) + len(value)
        if room >= 0 and not any(char in value for char in "\r\n\0"):
            kept.append((name, value))
    return tuple(kept)


def reason(cause: int, text: str, protocol: str = "SIP") -> Lines:
    """Return a Reason header (RFC 3326) of our own."""
    plain = "".join(char if " " <= char <= "~" and char not in '"\\' else "." for char in text)[:120]
    return (("Reason", f'{protocol};cause={cause};text="{plain}"'),)


def reasons_of(message: Message | None) -> Lines:
    """Return the Reason headers of a message, as they came."""
    return () if message is None else named(message, "Reason")


def reason_text(message: Message | None) -> str:
    """Return the first Reason of a message; empty without."""
    return next((value for _, value in reasons_of(message)), "")


def named(message: Message, *names: str) -> Lines:
    """Return the headers of those names."""
    return _bounded((name, value) for name in names for value in message.headers.all(name))


def transfer(message: Message) -> Lines:
    """Return what an INVITE that comes of a transfer says of it: the dialog elsewhere whose place it takes, and who has asked."""
    return named(message, "Replaces", "Referred-By") if isinstance(message, Request) and message.method == "INVITE" else ()


def challenges(response: Response | None) -> Lines:
    """Return what a 401 or 407 asks."""
    return () if response is None else named(response, *CHALLENGES)


def identity_to_browser(message: Message, *, trusted: bool) -> Lines:
    """Return who the PBX says it is: nothing where it is not trusted, or where the caller wants to stay unknown (RFC 3325 §7)."""
    if not trusted:
        return ()
    words = {word.strip().lower() for value in message.headers.all("Privacy") for word in value.replace(",", ";").split(";")}
    return named(message, "Privacy") if words & {"id", "user", "header"} else named(message, *ASSERTED)


def identity_to_pbx(message: Message, asserted: str, *, trusted: bool) -> Lines:
    """Return who a browser's user is, as we know it (a name-addr, empty: nobody); what the browser itself asserts is not passed."""
    privacy = named(message, "Privacy")
    return ((("P-Asserted-Identity", asserted),) if trusted and asserted else ()) + privacy


def warning(text: str) -> Lines:
    """Return a Warning of our own (RFC 3261 §20.43)."""
    plain = "".join(char if " " <= char <= "~" and char not in '"\\' else "." for char in text)[:120]
    return (("Warning", f'399 boringsdp "{plain}"'),)


def unreached(response: Response | None) -> str:
    """Return why nobody has responded, where a response of our own making says so; empty: somebody has."""
    if response is None or not response.local:
        return ""
    told = (response.headers.get("Warning") or "").partition('"')[2].rpartition('"')[0]
    return told or response.reason


def contacts_of(response: Response | None) -> Lines:
    """Return the Contacts of a 3xx, the one that is wanted most first (RFC 3261 §8.1.3.4)."""
    if response is None:
        return ()
    with suppress(SipError):
        found = sorted(views.contacts(response), key=lambda contact: -_weight(contact))
        return tuple(("Contact", f"<{contact.uri_text}>") for contact in found)
    return ()


def _weight(contact: NameAddress) -> float:
    try:
        return float(contact.params.get("q") or "1")
    except ValueError:
        return 0.0
