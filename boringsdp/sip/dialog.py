"""Dialogs (RFC 3261 §12): who talks with whom, by which route, and how their requests are numbered. A core without timers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from boringsdp.errors import SipError
from boringsdp.sip import headers
from boringsdp.sip.actions import Sequence
from boringsdp.sip.build import has_tag
from boringsdp.sip.build import request as build_request
from boringsdp.sip.limits import MAX_ROUTES
from boringsdp.sip.message import Message, Request, Response
from boringsdp.sip.name_address import parse_name_address
from boringsdp.sip.params import split_list
from boringsdp.sip.uri import SipUri

HeaderPairs = Iterable[tuple[str, str]]


class DialogId(NamedTuple):
    call_id: str
    local_tag: str
    remote_tag: str


class Dialog:
    """One dialog as one side sees it. Used by sessions and subscriptions alike."""

    __slots__ = ("id", "local", "remote", "remote_number", "remote_target", "routes", "sequence")

    def __init__(self, id: DialogId, local: str, remote: str, remote_target: str, routes: tuple[str, ...], sequence: Sequence) -> None:
        self.id = id
        self.local = local
        """Our From in it, with the tag."""
        self.remote = remote
        """Our To in it."""
        self.remote_target = remote_target
        self.routes = routes
        """Values of Route, as they came."""
        self.sequence = sequence
        self.remote_number: int | None = None
        """CSeq of the peer's last request."""

    @classmethod
    def of_response(cls, request: Request, response: Response, sequence: Sequence | None = None) -> Dialog:
        """
        Return the dialog that a response to our request makes (RFC 3261 §12.1.2). By default its numbers go on from the response's CSeq.

        A response without Contact leaves the Request-URI as target, one without To tag is RFC 2543's. Raises SipError when To, CSeq or
        Record-Route cannot be read.
        """
        id = DialogId(headers.call_id(response), headers.from_(response).tag, headers.to(response).tag)
        routes = _record_route(response)[::-1]
        numbers = Sequence(headers.cseq(response).number) if sequence is None else sequence
        target = contact_of(response) or request.uri
        return cls(id, response.headers.get("From") or "", response.headers.get("To") or "", target, routes, numbers)

    @classmethod
    def of_request(cls, request: Request, local_tag: str) -> Dialog:
        """
        Return the dialog that our response with that tag makes (RFC 3261 §12.1.1). Raises SipError without a Contact that can be used.

        Also that of a NOTIFY: then `local_tag` is the one its To has.
        """
        target = contact_of(request)
        if target is None:
            raise SipError("missing, or no URI", "Contact")
        to = request.headers.get("To") or ""
        local = to if has_tag(to) else f"{to};tag={local_tag}"
        id = DialogId(headers.call_id(request), local_tag, headers.from_(request).tag)
        dialog = cls(id, local, request.headers.get("From") or "", target, _record_route(request), Sequence())
        dialog.remote_number = headers.cseq(request).number
        return dialog

    def request(self, method: str, headers: HeaderPairs = (), content_type: str = "", body: bytes = b"", *, contact: str = "") -> Request:
        """Return a request in the dialog under the next CSeq (RFC 3261 §12.2.1.1), strict routers minded."""
        return self._request(method, self.sequence.next(), headers, content_type, body, contact)

    def ack(self, number: int, body: bytes = b"", headers: HeaderPairs = (), *, contact: str = "") -> Request:
        """Return the ACK of a 2xx to the INVITE with that CSeq number (RFC 3261 §13.2.2.4)."""
        return self._request("ACK", number, headers, "application/sdp" if body else "", body, contact)

    def in_order(self, request: Request) -> bool:
        """Take note of a request's CSeq; False: it is too low, answer 500 (RFC 3261 §12.2.2). ACK and CANCEL are not to be asked for."""
        number = headers.cseq(request).number
        if self.remote_number is not None and number <= self.remote_number:
            return False
        self.remote_number = number
        return True

    def refresh_target(self, message: Message) -> bool:
        """
        Take the Contact of a target refresh (INVITE, UPDATE, SUBSCRIBE, NOTIFY, REFER; their 2xx) as the new remote target.

        True when that is another than before. A Contact that is missing or cannot be read changes nothing.
        """
        target = contact_of(message)
        if target is None or target == self.remote_target:
            return False
        self.remote_target = target
        return True

    def _request(self, method: str, number: int, headers: HeaderPairs, content_type: str, body: bytes, contact: str) -> Request:
        uri, routes = self.remote_target, self.routes
        if routes and not _is_loose(routes[0]):
            uri, routes = _target_of(routes[0]), (*routes[1:], f"<{self.remote_target}>")
        lines = [("Route", route) for route in routes]
        if contact:
            lines.append(("Contact", contact))
        lines.extend(headers)
        return build_request(
            method,
            uri,
            from_=self.local,
            to=self.remote,
            call_id=self.id.call_id,
            cseq=number,
            headers=lines,
            content_type=content_type,
            body=body,
        )


def contact_of(message: Message) -> str | None:
    """The URI of the first Contact as a Request-URI can have it (RFC 3261 §19.1.1), None without one that can be used."""
    try:
        contact = headers.contact(message)
        if contact is None:
            return None
        uri = contact.sip_uri
    except SipError:
        return None
    if not uri.headers and uri.param("method") is None:
        return contact.uri_text
    return SipUri(uri.scheme, uri.user, uri.host, uri.port, uri.without("method").params, (), uri.password).to_text()


def _record_route(message: Message) -> tuple[str, ...]:
    return tuple(value for line in message.headers.all("Record-Route") for value in split_list(line, MAX_ROUTES))[:MAX_ROUTES]


def _is_loose(route: str) -> bool:
    try:
        uri = parse_name_address(route).uri
    except SipError:
        return True
    return not isinstance(uri, SipUri) or uri.param("lr") is not None


def _target_of(route: str) -> str:
    """The Request-URI that a strict router wants: its own URI without what may not be there (RFC 3261 §12.2.1.1)."""
    text = parse_name_address(route).uri_text
    return text.partition("?")[0]
