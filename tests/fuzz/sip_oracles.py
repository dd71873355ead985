"""What must hold for a SIP message, whatever its octets."""

from __future__ import annotations

from collections.abc import Callable

from boringsdp.errors import SipError
from boringsdp.sip import body, uri
from boringsdp.sip import headers as views
from boringsdp.sip.build import response_to
from boringsdp.sip.message import Message, Request, Response
from boringsdp.sip.name_address import NameAddress
from boringsdp.sip.parse import Parsed, parse

LISTED = ("Path", "Service-Route", "P-Asserted-Identity", "Diversion")
WORDS = ("Supported", "Require", "Proxy-Require", "Unsupported", "Allow", "Allow-Events", "Accept-Encoding", "Content-Encoding")

VIEWS: tuple[Callable[[Message], object], ...] = (
    views.via, views.vias, views.from_, views.to, views.call_id, views.cseq, views.max_forwards, views.contacts, views.contact,
    views.routes,
    views.refer_to, views.referred_by, views.rack, views.rseq, views.expires, views.min_expires, views.min_se,
    views.session_expires, views.retry_after, views.replaces, views.join, views.event, views.subscription_state, views.content_type,
    views.content_disposition, views.accept, views.reasons,
    *(lambda message, name=name: views.name_addresses(message, name) for name in LISTED),
    *(lambda message, name=name: views.tokens(message, name) for name in WORDS),
)  # fmt: skip


def look_at(value: object) -> None:
    """Everything that a view gives can be used; only a URI may yet turn out to be none."""
    if isinstance(value, tuple):
        for one in value:
            look_at(one)
    elif isinstance(value, NameAddress):
        assert isinstance(value.to_text(), str)
        try:
            found = value.uri
        except SipError:
            return
        assert uri.same_uri(found, found)
        assert uri.parse_uri(found.to_text()) == found
        if isinstance(found, uri.SipUri):
            assert isinstance(found.header("Replaces"), str | None)
            assert isinstance(found.user_name, str)
    elif isinstance(value, views.Via):
        assert (value.sent_by, value.branch, value.received, value.rport) is not None


def read_views(message: Message) -> None:
    """Views raise SipError and nothing else, and say the same when asked again."""
    for view in VIEWS:
        value = attempt(view, message)
        again = attempt(view, message)
        if isinstance(value, SipError):
            assert value.header
            assert str(again) == str(value)
        else:
            assert again == value
            look_at(value)
    parts = attempt(body.parts, message)
    assert isinstance(parts, list) or (isinstance(parts, SipError) and parts.header)


def attempt(view: Callable[[Message], object], message: Message) -> object:
    """What a view returns, or the SipError that it raises."""
    try:
        return view(message)
    except SipError as problem:
        return problem


def read_sip(data: bytes) -> bool:
    """Read a datagram in every way; True when it had no defect."""
    parsed = parse(data)
    assert parsed.consumed == len(data)
    streamed = parse(data, stream=True)
    assert 0 <= streamed.consumed <= len(data)
    message = parsed.message
    if message is None:
        assert parsed.defects or not data.strip(b"\r\n")
        return False
    for defect in parsed.defects:
        assert 400 <= defect.code < 600
        assert defect.text
    read_views(message)
    if isinstance(message, Request):
        _answer(message, parsed)
    if parsed.defects:
        return False
    _write(message)
    return True


def _answer(request: Request, parsed: Parsed) -> None:
    """The response to it has its Vias, and can be read where the request could."""
    code = parsed.defects[0].code if parsed.defects else 200
    response = response_to(request, code, tag="ours")
    again = parse(response.to_bytes())
    if again.message is None:
        assert len(response.to_bytes()) > 60_000
        return
    assert isinstance(again.message, Response)
    assert again.message.code == code
    if not parsed.defects:
        assert again.defects == ()
        assert again.message.headers.all("Via") == request.headers.all("Via")
        assert views.to(again.message).tag == (views.to(request).tag or "ours")


def _write(message: Message) -> None:
    """What had no defect is read again as the same."""
    again = parse(message.to_bytes())
    assert again.defects == ()
    assert again.message is not None
    assert type(again.message) is type(message)
    assert again.message.start_line == message.start_line
    assert again.message.body == message.body
    assert _others(again.message) == _others(message)


def _others(message: Message) -> list[tuple[str, str]]:
    return [(name, value) for name, value in message.headers if name.lower() not in ("content-length", "l")]
