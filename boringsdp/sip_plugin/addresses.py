"""Addresses that applications give: checked at the door. Pure."""

from __future__ import annotations

from boringsdp.errors import JanusError, SipError
from boringsdp.sip.uri import number_at, parse_host_port, parse_sip_uri, telephone_number
from boringsdp.sip_plugin.codes import INVALID_ADDRESS

MAX_ADDRESS = 2048
SIP_SCHEMES = ("sip", "sips")


def checked_identity(text: str, element: str) -> str:
    """Return a SIP URI with user and host. Raises `JanusError` 446."""
    address = _checked(text, element, SIP_SCHEMES)
    user, _, host = address.partition(":")[2].rpartition("@")
    if not user or not _is_host(host):
        raise _refusal(element, text, "a SIP URI with user and host")
    return address


def checked_proxy(text: str, element: str) -> str:
    """Return a SIP URI of a server. Raises `JanusError` 446."""
    address = _checked(text, element, SIP_SCHEMES)
    if not _is_host(address.partition(":")[2].rpartition("@")[2]):
        raise _refusal(element, text, "a SIP URI of a server")
    return address


def checked_target(text: str, element: str) -> str:
    """Return who can be called or sent to: a SIP URI, or `tel:` with a number. Raises `JanusError` 446."""
    address = _checked(text, element, (*SIP_SCHEMES, "tel"))
    scheme, _, rest = address.partition(":")
    if scheme.lower() == "tel":
        if not telephone_number(address):
            raise _refusal(element, text, "a telephone number")
    elif not _is_host(rest.rpartition("@")[2]):
        raise _refusal(element, text, "a SIP URI")
    return address


checked_uri = checked_target


def _checked(text: str, element: str, schemes: tuple[str, ...]) -> str:
    address = text.strip()
    scheme, colon, rest = address.partition(":")
    # What is left of the visible ASCII characters could end a header or the angle brackets that it will stand in.
    clean = address.isascii() and address.isprintable() and not any(char in ' <>"' for char in address)
    if not (clean and colon and rest and scheme.lower() in schemes and len(address) <= MAX_ADDRESS):
        raise _refusal(element, text, f"a URI of {' or '.join(schemes)}")
    return scheme.lower() + colon + rest


def _is_host(text: str) -> bool:
    """Whether a host, with or without port, stands at the beginning."""
    try:
        parse_host_port(text.partition(";")[0].partition("?")[0])
    except SipError:
        return False
    return True


def _refusal(element: str, text: str, wanted: str) -> JanusError:
    return JanusError(INVALID_ADDRESS, f"Invalid address ({element} is '{text[:64]}', should be {wanted})", element)


def user_of(address: str) -> str:
    """Return the user part of a SIP URI, as it is written."""
    return address.partition(":")[2].rpartition("@")[0].partition(":")[0]


def as_sip(address: str, identity: str) -> str:
    """Return the SIP URI to call: a telephone number is called in the domain of our identity (RFC 3261 §19.1.6)."""
    return number_at(address, parse_sip_uri(identity)).to_text() if address.startswith("tel:") else address
