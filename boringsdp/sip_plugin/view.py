"""What events show of SIP messages, as it came (`events.sound`). Pure; a header that cannot be read shows as nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from boringsdp.errors import SipError
from boringsdp.sip import headers as views
from boringsdp.sip.message import Message, Response
from boringsdp.sip.name_address import NameAddress
from boringsdp.sip.params import unquote

T = TypeVar("T")


class Who(NamedTuple):
    """A URI and the name beside it."""

    uri: str
    name: str


def _or(default: T, read: Callable[[], T]) -> T:
    try:
        return read()
    except SipError:
        return default


def sender_of(message: Message) -> Who:
    """Who sent a request."""
    address = _or(None, lambda: views.from_(message))
    return Who("", "") if address is None else Who(address.uri_text, address.display)


def recipient_of(message: Message) -> str:
    """The URI that a request was meant for."""
    address = _or(None, lambda: views.to(message))
    return "" if address is None else address.uri_text


def why(reason: str, response: Message | None) -> str:
    """
    Return the reason of a failure for people: the phrase, and if nobody but the gateway itself has said so, what it found in parentheses.

    `Service Unavailable (Connection refused)`: the stack puts that into a Warning of the response that it makes in the peer's place.
    """
    if isinstance(response, Response) and response.local:
        found = unquote(header_of(response, "Warning").partition(" ")[2].partition(" ")[2])
        return f"{reason} ({found})" if found else reason
    return reason


def is_focus(message: Message | None) -> bool:
    """Whether the other side says that it is a conference (RFC 4579)."""
    contact = _or(None, lambda: views.contact(message)) if message is not None else None
    return contact is not None and "isfocus" in contact.params


def contacts_of(message: Message) -> tuple[str, ...]:
    """The URIs of its Contacts."""
    none: tuple[NameAddress, ...] = ()
    return tuple([contact.uri_text for contact in _or(none, lambda: views.contacts(message))])


def header_of(message: Message, name: str) -> str:
    """A header's text, empty without one."""
    return message.headers.get(name) or ""


def text_of(message: Message) -> str:
    """The body as text."""
    return message.body.decode("utf-8", "replace")


def content_type_of(message: Message) -> str:
    return header_of(message, "Content-Type")
