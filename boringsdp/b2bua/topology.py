"""What browsers are not to see of a PBX: its addresses, and ours, in the URIs of who calls. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from boringsdp.errors import SipError
from boringsdp.net.networks import Networks, networks, within
from boringsdp.sip import headers as views
from boringsdp.sip.name_address import parse_name_address
from boringsdp.sip.params import split_list
from boringsdp.sip.uri import SipUri, parse_sip_uri

if TYPE_CHECKING:
    from boringsdp.b2bua.settings import DomainSettings
    from boringsdp.sip.message import Request

Lines = tuple[tuple[str, str], ...]
_BRACKETED = re.compile(r"<\s*(sips?:[^<>]*)>", re.IGNORECASE)
_KEPT = ("user", "isub", "phone-context")
"""Parameters that say who is meant; the others say how somebody is reached."""


@dataclass(slots=True, frozen=True)
class Topology:
    """Hosts that stand for the PBX of a domain; they are written as the domain's name, which leads calls back to the PBX."""

    domain: str
    hosts: frozenset[str]
    """Names and addresses, as `_plain` has them."""
    networks: Networks
    is_domain: Callable[[str], bool]
    """Whether users here have their addresses at a host: those stay."""

    def hidden(self, uri: SipUri) -> SipUri:
        """Return the URI as browsers may see it."""
        if not self._is_inner(uri.host):
            return uri
        kept = tuple(pair for pair in uri.params if pair[0] in _KEPT)
        return SipUri(uri.scheme, uri.user, self.domain, None, kept, uri.headers)

    def hidden_lines(self, lines: Lines) -> Lines:
        """Return header lines with their URIs so (name-addrs, one or more a line); one that cannot be read is left out."""
        return tuple((name, text) for name, value in lines if (text := self.hidden_text(value)) is not None)

    def hidden_text(self, value: str) -> str | None:
        """Return a header's value so; None when it cannot be read."""
        try:
            return ", ".join(self._hidden_one(one.strip()) for one in split_list(value))
        except SipError:
            return None

    def _hidden_one(self, value: str) -> str:
        if "<" in value:
            return _BRACKETED.sub(lambda found: f"<{self.hidden(parse_sip_uri(found[1].strip())).to_text()}>", value)
        if not value.lower().startswith(("sip:", "sips:")):
            return value
        bare = parse_name_address(value)  # what follows it are the header's parameters
        return value.replace(bare.uri_text, self.hidden(bare.sip_uri).to_text(), 1)

    def _is_inner(self, host: str) -> bool:
        plain = _plain(host)
        return not self.is_domain(plain) and (plain in self.hosts or within(plain, self.networks))


def topology_of(domain: DomainSettings, is_domain: Callable[[str], bool], request: Request | None = None) -> Topology:
    """
    Return what is hidden of a domain's PBX: its addresses and networks in the settings.

    With a request of the PBX also where that came from (topmost Via), and what the PBX knows us by (Request-URI).
    """
    hosts, those = _configured(domain)
    seen: list[str] = []
    if request is not None:
        with suppress(SipError):
            via = views.vias(request)[0]
            seen += [via.host, via.received or via.host]
        with suppress(SipError):
            seen.append(parse_sip_uri(request.uri).host)
    return Topology(domain.name, hosts | {_plain(host) for host in seen}, those, is_domain)


@lru_cache(maxsize=1024)
def _configured(domain: DomainSettings) -> tuple[frozenset[str], Networks]:
    own = (domain.trunk.identity.host,) if domain.trunk is not None else ()
    return frozenset(_plain(host) for host in (*(uri.host for uri in domain.pbx), *own)), networks(domain.sources)


def _plain(host: str) -> str:
    """A host as it is compared: names in lower case without a final dot, addresses in one form."""
    text = host.lower().strip("[]").rstrip(".")
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text
