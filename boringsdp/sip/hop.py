"""Where a request goes first (RFC 3261 §8.1.2), and the targets of places that need no DNS."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from boringsdp.errors import SipError
from boringsdp.sip.flow import Protocol, Target
from boringsdp.sip.headers import routes
from boringsdp.sip.locate import Place
from boringsdp.sip.message import Request
from boringsdp.sip.uri import SipUri, Uri, parse_uri


def next_hop(request: Request, uri: str = "") -> Uri | None:
    """Return the URI of the first Route, else the Request-URI (or `uri` in its place); None when it cannot be read."""
    try:
        preloaded = routes(request)
        return preloaded[0].uri if preloaded else parse_uri(uri or request.uri)
    except SipError:
        return None


def place_of(uri: Uri | None) -> Place | None:
    """Return what of a URI says where to send; None for what is no SIP URI."""
    if not isinstance(uri, SipUri):
        return None
    return Place(uri.param("maddr") or uri.host, uri.port, (uri.param("transport") or "").lower(), uri.secure)


def direct(place: Place, want: Protocol | None = None) -> tuple[Target, ...] | None:
    """Return the targets of a numeric host: one, or none if `want` and the URI exclude each other. None: DNS must say (RFC 3263 §4)."""
    if not is_numeric(place.host):
        return None
    protocol = want
    if place.transport:
        try:
            protocol = Protocol(place.transport.upper())
        except ValueError:
            return ()
    if protocol is None:
        protocol = Protocol.TLS if place.secure else Protocol.UDP
    elif place.secure and not protocol.secure:
        protocol = {Protocol.TCP: Protocol.TLS, Protocol.WS: Protocol.WSS}.get(protocol)
    if protocol is None or (want is not None and protocol is not want):
        return ()
    return (Target(protocol, place.host, place.port or protocol.default_port, place.host),)


@lru_cache(maxsize=1024)
def is_numeric(host: str) -> bool:
    """Whether a host is an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
