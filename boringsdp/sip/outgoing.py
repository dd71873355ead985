"""What a front asks for, made into usages: calls, single requests, subscriptions, registrations."""

from __future__ import annotations

from collections.abc import Iterable

from boringsdp.errors import SipError
from boringsdp.sip.actions import Sequence
from boringsdp.sip.build import has_tag
from boringsdp.sip.build import request as build_request
from boringsdp.sip.digest import Credentials
from boringsdp.sip.entries import Entry
from boringsdp.sip.flow import Flow, Target
from boringsdp.sip.hop import place_of
from boringsdp.sip.line import Guest, Line
from boringsdp.sip.locate import Place
from boringsdp.sip.name_address import name_address_text
from boringsdp.sip.register import Registration, RegistrationSettings
from boringsdp.sip.session import Session
from boringsdp.sip.single import SingleRequest
from boringsdp.sip.subscription import Subscription, SubscriptionSettings
from boringsdp.sip.ua import UserAgent
from boringsdp.sip.uri import OtherUri, SipUri, number_at, parse_uri
from boringsdp.values import replace

HeaderLines = Iterable[tuple[str, str]]


def target_uri(ua: UserAgent, line: Line, uri: SipUri | str) -> SipUri:
    """
    Return the Request-URI for what a front names: without its embedded headers; a tel: URI becomes one of the account's domain (RFC 3261
    §19.1.6). Raises SipError for what is neither, Forbidden against policy.
    """
    parsed = parse_uri(uri) if isinstance(uri, str) else uri
    if isinstance(parsed, OtherUri):
        if parsed.scheme != "tel":
            raise SipError("no sip:, sips: or tel: URI")
        parsed = number_at(parsed.text, line.settings.registrar or line.settings.identity)
    ua.policy.check_target(parsed)
    return SipUri(parsed.scheme, parsed.user, parsed.host, parsed.port, parsed.without("method").params, (), parsed.password)


def request_uri(ua: UserAgent, line: Line, uri: SipUri | str, flow: Flow | None) -> str:
    """Return the Request-URI: by a flow what the peer has called itself, and nobody looks where that is. Raises as `target_uri`."""
    if flow is None:
        return target_uri(ua, line, uri).to_text()
    contact = parse_uri(uri) if isinstance(uri, str) else uri
    if not isinstance(contact, SipUri):
        raise SipError("no sip: or sips: URI")
    return replace(contact.without("method"), headers=()).to_text()


def from_value(line: Line, identity: SipUri | None = None, display_name: str | None = None) -> str:
    """Return the value of From without a tag."""
    settings = line.settings
    uri = identity or settings.identity
    return name_address_text(_bare(uri).to_text(), settings.display_name if display_name is None else display_name)


def outlet_of(ua: UserAgent, line: Line, credentials: tuple[Credentials, ...] | None) -> Line | Guest:
    return line if credentials is None else Guest(line, credentials, ua.token)


def call(
    ua: UserAgent,
    line: Line,
    uri: SipUri | str,
    sdp: bytes | None,
    *,
    headers: HeaderLines = (),
    call_id: str | None = None,
    credentials: tuple[Credentials, ...] | None = None,
    identity: SipUri | None = None,
    display_name: str | None = None,
    flow: Flow | None = None,
    to: str = "",
    route: str = "",
) -> tuple[Entry, Session]:
    """Return a call that its `start` sends. Raises SipError, Forbidden, Exhausted."""
    session = Session.outgoing(
        request_uri(ua, line, uri, flow),
        local=from_value(line, identity, display_name),
        remote=to,
        sdp=sdp,
        headers=ua.policy.check_headers(headers, line.settings.own_headers),
        routes=_routes(line, flow, route),
        call_id=call_id,
        settings=ua.settings.session if flow is None else ua.doorway.session(flow),
        token=ua.token,
    )
    outlet = outlet_of(ua, line, credentials)
    entry = ua.adopt(session, line, outlet=outlet, dialog=(session.call_id, session.local_tag))
    ua.lead(entry, flow)
    return entry, session


def single(
    ua: UserAgent,
    line: Line,
    method: str,
    uri: SipUri | str,
    *,
    headers: HeaderLines = (),
    content_type: str = "",
    body: bytes = b"",
    call_id: str | None = None,
    identity: SipUri | None = None,
    credentials: tuple[Credentials, ...] | None = None,
    flow: Flow | None = None,
    to: str = "",
    from_: str = "",
    cseq: int = 1,
    contact: str | None = None,
    route: str = "",
) -> tuple[Entry, SingleRequest]:
    """Return a request outside of dialogs; its number is that of the entry. Raises SipError, Forbidden, Exhausted."""
    target = request_uri(ua, line, uri, flow)
    sequence = Sequence(cseq)
    sender = from_ or from_value(line, identity)
    made = build_request(
        method,
        target,
        from_=sender if has_tag(sender) else f"{sender};tag={ua.token(6)}",
        to=to or name_address_text(target),
        call_id=call_id or ua.token(16),
        cseq=sequence.number,
        headers=[*(("Route", each) for each in _routes(line, flow, route)), *ua.policy.check_headers(headers, line.settings.own_headers)],
        content_type=content_type,
        body=body,
    )
    number = ua.number()
    usage = SingleRequest(made, sequence, number, contact)
    entry = ua.adopt(usage, line, outlet=outlet_of(ua, line, credentials))
    ua.lead(entry, flow)
    return entry, usage


def subscribe(
    ua: UserAgent,
    line: Line,
    uri: SipUri | str,
    package: str,
    *,
    contact: str,
    expires: int,
    accept: str,
    headers: HeaderLines,
    content_type: str,
    body: bytes,
    call_id: str | None,
    flow: Flow | None = None,
    to: str = "",
    from_: str = "",
    route: str = "",
) -> tuple[Entry, Subscription]:
    """Return a subscription that its `start` sends. Raises SipError, Forbidden, Exhausted."""
    target = request_uri(ua, line, uri, flow)
    settings = SubscriptionSettings(
        target=target,
        from_=from_ or from_value(line),
        to=to or name_address_text(target),
        contact=contact,
        call_id=call_id or ua.token(16),
        event=package,
        expires=expires,
        accept=accept,
        routes=_routes(line, flow, route),
        headers=ua.policy.check_headers(headers, line.settings.own_headers),
        content_type=content_type,
        body=body,
    )
    usage = Subscription(settings, ua.token)
    entry = ua.adopt(usage, line, dialog=(usage.call_id, usage.local_tag))
    ua.lead(entry, flow)
    return entry, usage


def registration(ua: UserAgent, line: Line, to: Target | Flow) -> tuple[Entry, Registration]:
    """Return the registration of an account whose registrar is reached there. Raises Exhausted."""
    settings = line.settings
    domain = settings.registrar or settings.identity
    features = "".join(f";{name}={value}" if value else f";{name}" for name, value in settings.contact_features)
    proxy = (f"<{settings.outbound_proxy.to_text()}>",) if settings.outbound_proxy else ()
    usage = Registration(
        RegistrationSettings(
            registrar=SipUri(domain.scheme, None, domain.host, domain.port, domain.without("method", "lr").params).to_text(),
            identity=from_value(line),
            contact=f"<{line.contact_uri(to)}>{features}",
            call_id=ua.token(16),
            expires=settings.register_ttl,
            instance=f"<{settings.instance}>" if settings.instance else "",
            reg_id=settings.reg_id if settings.instance else 0,
            routes=line.routes()[: len(proxy)],
            headers=ua.policy.check_headers(settings.headers, settings.own_headers),
            learn=settings.learn_contact,
        ),
        ua.token,
    )
    return ua.adopt(usage, line), usage


def first_place(line: Line) -> Place | None:
    """Return the place that an account's requests go to first: its outbound proxy, or its registrar."""
    settings = line.settings
    return place_of(settings.outbound_proxy or settings.registrar or settings.identity)


def _bare(uri: SipUri) -> SipUri:
    """An address of record: no port, parameters or headers that only matter for a Request-URI."""
    return SipUri(uri.scheme, uri.user, uri.host, uri.port, uri.without("transport", "maddr", "ttl", "lr", "method").params)


def _routes(line: Line, flow: Flow | None, route: str) -> tuple[str, ...]:
    """The values of Route outside of dialogs: none by a flow, else `route`, else those of the account."""
    return () if flow is not None else (route,) if route else line.routes()
