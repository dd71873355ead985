"""From where a server has seen a request of ours come (RFC 3261 §18.2.1, RFC 3581): what a Contact should say behind a NAT."""

from __future__ import annotations

from boringsdp.errors import SipError
from boringsdp.net.address import parse_ip
from boringsdp.sip import headers as views
from boringsdp.sip.message import Response
from boringsdp.sip.name_address import parse_name_address
from boringsdp.sip.uri import SipUri

PORTS = {"UDP": 5060, "TCP": 5060, "TLS": 5061}
"""Of transports that are reached by an address; a WebSocket is not."""


def seen_contact(contact: str, response: Response) -> str:
    """
    Return a Contact (name-addr) with the address that the answer's topmost Via notes in the place of its own.

    The same text where nothing is noted, where it is that address already, or where the note is of no use.
    """
    try:
        via = views.via(response)
        address = parse_name_address(contact)
        uri = address.uri
    except SipError:
        return contact
    if not isinstance(uri, SipUri) or via.transport not in PORTS:
        return contact
    host, usual = via.received or via.host, PORTS[via.transport]
    port = via.rport or via.port or usual
    try:
        parse_ip(host)
    except ValueError:
        return contact
    if (uri.host.strip("[]").lower(), uri.port or usual) == (host.lower(), port):
        return contact
    before, after = uri.to_text(), SipUri(uri.scheme, uri.user, host, port, uri.params, uri.headers, uri.password).to_text()
    return contact.replace(before, after, 1)
