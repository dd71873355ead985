"""Who may ask, where requests may go, which headers may be added."""

from __future__ import annotations

from collections.abc import Iterable

from boringsdp.errors import Forbidden
from boringsdp.net.networks import networks, within
from boringsdp.sip.message import key_of
from boringsdp.sip.params import is_token
from boringsdp.sip.settings import PolicySettings
from boringsdp.sip.uri import SipUri

OURS = frozenset(
    (
        "via",
        "from",
        "to",
        "call-id",
        "cseq",
        "max-forwards",
        "content-length",
        "content-type",
        "record-route",
        "rack",
        "rseq",
        "authorization",
    )
)
"""Headers that the stack alone writes."""
FRAME = frozenset(("via", "from", "to", "call-id", "cseq", "content-length", "content-type", "rack", "rseq"))
"""Those that nobody else is lent (`AccountSettings.own_headers`): a message is what it is by them."""
STANDING = frozenset(("reason", "warning", "replaces", "referred-by", "require", "join", "target-dialog"))
"""
Headers that the gateway adds of its own accord: why a call ends, which one it takes the place of. The list of allowed headers is not about
them; whether an application may set them is for its front to check.
"""
MAX_HEADER_TEXT = 16_384
"""Characters that a front's headers may have in all: well within what a message holds."""


class Policy:
    """The policy of an endpoint. What asks whether something is allowed returns it, what checks raises Forbidden."""

    def __init__(self, settings: PolicySettings) -> None:
        self.settings = settings
        self._sources = networks(settings.sources)

    def trusts(self, host: str) -> bool:
        """Whether requests from an address are taken by any account's identity."""
        return within(host, self._sources)

    def target_allowed(self, uri: SipUri) -> bool:
        return _leads_to(uri, self.settings.targets)

    def check_target(self, uri: SipUri) -> None:
        if not self.target_allowed(uri):
            raise Forbidden("target", uri.host)

    def check_registrar(self, uri: SipUri) -> None:
        if not _leads_to(uri, self.settings.registrars):
            raise Forbidden("registrar", uri.host)

    def check_headers(self, lines: Iterable[tuple[str, str]], own: tuple[str, ...] = ()) -> tuple[tuple[str, str], ...]:
        """
        Return a front's header lines. Raises Forbidden for those that are ours to write, not allowed, or no header lines at all.

        `own` are names that the front may write all the same, but for `FRAME`.
        """
        checked = tuple(lines)
        for name, value in checked:
            key = key_of(name)
            lent = bool(own) and key not in FRAME and listed(name, own)
            if not is_token(name) or not (lent or (key not in OURS and (key in STANDING or listed(name, self.settings.headers)))):
                raise Forbidden("header", name)
            if any(char in value for char in "\r\n\0"):
                raise Forbidden("header value", value)
        if sum(len(name) + len(value) for name, value in checked) > MAX_HEADER_TEXT:
            raise Forbidden("headers", f"of more than {MAX_HEADER_TEXT} characters")
        return checked


def fits(host: str, patterns: Iterable[str]) -> bool:
    """Whether a host is in a list of hosts, `*.example.com` standing for all below; an empty list holds every host."""
    lower = host.lower().rstrip(".")
    empty = True
    for pattern in patterns:
        empty = False
        wanted = pattern.lower()
        if lower == wanted or (wanted.startswith("*.") and lower.endswith(wanted[1:])):
            return True
    return empty


def _leads_to(uri: SipUri, patterns: tuple[str, ...]) -> bool:
    """Whether a URI names a host in a list, and sends to none beside it: `maddr` says where to send, whatever the host is."""
    maddr = uri.param("maddr")
    return fits(uri.host, patterns) and (not maddr or fits(maddr, patterns))


def listed(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether the name of a header is in a list, where a final `*` stands for any ending; an empty list holds every name."""
    lower = name.lower()
    return not patterns or any(
        lower.startswith(pattern[:-1].lower()) if pattern.endswith("*") else lower == pattern.lower() for pattern in patterns
    )
