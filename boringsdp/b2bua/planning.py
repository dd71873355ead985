"""From a policy's decision to the INVITEs that carry it out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from boringsdp.b2bua import headers
from boringsdp.b2bua.plan import Attempt, Kind, Plan
from boringsdp.b2bua.policy import Asked, Route, ToEcho, ToPbx, ToUser
from boringsdp.b2bua.settings import DomainSettings, Media, Mode
from boringsdp.b2bua.topology import Topology, topology_of
from boringsdp.errors import BoringError, SipError
from boringsdp.sdp import PLAIN, SDES_MANDATORY, SDES_OPTIONAL, WEBRTC, LegStyle, Protocol
from boringsdp.sip import headers as views
from boringsdp.sip.name_address import name_address_text
from boringsdp.sip.uri import OtherUri, SipUri, escape_user, parse_uri

if TYPE_CHECKING:
    from boringsdp.b2bua.bindings import Binding
    from boringsdp.b2bua.domains import Domains
    from boringsdp.sip.facades import Account
    from boringsdp.sip.message import Message, Request

STYLES = {
    Media.AVP: PLAIN,
    Media.SDES: SDES_MANDATORY,
    Media.SDES_OPTIONAL: SDES_OPTIONAL,
    Media.DTLS: LegStyle(protocol=Protocol.DTLS_SAVP, dtls=True),
}
Lines = tuple[tuple[str, str], ...]
DOWN_S = 60.0
"""How long an address of a PBX that could not be reached is tried after the others."""


class Planning:
    """Makes plans. `web` is the account that browsers are called by."""

    def __init__(self, domains: Domains, web: Account, allow: tuple[str, ...], now: Callable[[], float]) -> None:
        self._domains = domains
        self._web = web
        self._now = now
        self._allow = allow
        self._down: dict[str, float] = {}
        """Addresses of PBXs that could not be reached, and until when they are tried last."""

    def plan(self, asked: Asked, route: Route) -> Plan:
        """Return whom to try for what was asked; groups that nobody is in are left out."""
        groups = (tuple(self._attempts(asked, route, group)) for group in route.groups)
        return tuple(group for group in groups if group)

    def _attempts(self, asked: Asked, route: Route, group: Iterable[ToPbx | ToUser | ToEcho]) -> Iterable[Attempt]:
        for to in group:
            if isinstance(to, ToUser):
                yield from self._to_user(asked, route, to)
            elif isinstance(to, ToPbx):
                attempt = self._to_pbx(asked, route, to)
                if attempt is not None:
                    yield attempt

    # --- browsers --------------------------------------------------------------------------------------------------------------------

    def _to_user(self, asked: Asked, route: Route, to: ToUser) -> Iterable[Attempt]:
        found = [to.binding] if to.binding is not None else self._domains.bindings.targets(to.aor)
        own = asked.caller.binding if asked.caller is not None else None  # who calls himself is at another tab
        for binding in found:
            if binding.reachable and binding is not own:
                yield self.to_browser(asked, route, binding)

    def to_browser(self, asked: Asked, route: Route, binding: Binding) -> Attempt:
        """Return the attempt that calls one browser; without a flow while it is waited for."""
        topology = None if asked.caller is not None else self.topology(asked.domain, asked.request)
        identity, name = self._caller_for_browser(asked, route, topology)
        return Attempt(
            kind=Kind.BROWSER,
            account=self._web,
            uri=binding.uri,
            style=WEBRTC,
            flow=binding.flow if binding.waits_until is None else None,
            binding=binding,
            to=name_address_text(binding.aor.to_text()),
            identity=identity,
            display_name=name,
            headers=(*self._common(asked, route, topology), *self._identity_for_browser(asked, topology)),
            topology=topology,
        )

    def topology(self, domain: DomainSettings, request: Request | None = None) -> Topology:
        """Return what browsers are not to see of a domain's PBX; `request` is one of its own."""
        return topology_of(domain, lambda host: self._domains.at(host) is not None, request)

    @staticmethod
    def _caller_for_browser(asked: Asked, route: Route, topology: Topology | None) -> tuple[SipUri | None, str]:
        if route.identity is not None:
            return route.identity, route.display_name or ""
        if asked.caller is not None:
            return asked.caller.aor, asked.caller.display_name if route.display_name is None else route.display_name
        uri, name = _sender(asked.request)
        uri = uri if uri is None or topology is None else topology.hidden(uri)
        return uri or SipUri("sip", "anonymous", "anonymous.invalid"), name if route.display_name is None else route.display_name

    @staticmethod
    def _identity_for_browser(asked: Asked, topology: Topology | None) -> Lines:
        if topology is None:
            return ()
        return topology.hidden_lines(headers.identity_to_browser(asked.request, trusted=asked.domain.trust_identity))

    # --- the PBX ---------------------------------------------------------------------------------------------------------------------

    def _to_pbx(self, asked: Asked, route: Route, to: ToPbx) -> Attempt | None:
        """Return the attempt at the first address of the PBX, the others as what is tried otherwise; None where there is no way."""
        domain = asked.domain
        account = self._account(asked)
        if account is None:
            return None
        now = self._now()
        ways = self._addresses(domain, account, to)
        uris = sorted(ways, key=lambda way: self._down.get(_place(way[0].to_text(), way[1], account), 0.0) > now)
        attempt: Attempt | None = None
        for uri, hop in reversed(uris):
            attempt = self._at_pbx(asked, route, account, uri, hop, attempt)
        return attempt

    def unreachable(self, attempt: Attempt, now: float) -> None:
        """Nobody could be reached at the address of an attempt."""
        self._down = {place: until for place, until in self._down.items() if until > now}
        self._down[_place(attempt.uri, attempt.route, attempt.account)] = now + DOWN_S

    def _account(self, asked: Asked) -> Account | None:
        domain = self._domains.at(asked.domain.name)
        try:
            if asked.caller is not None:
                return self._domains.account_for(asked.caller)
            return None if domain is None else domain.account_for(None)
        except BoringError:
            return None

    @staticmethod
    def _addresses(domain: DomainSettings, account: Account, to: ToPbx) -> list[tuple[SipUri, str]]:
        """Return pairs of Request-URI and next hop (a value of Route, empty: none)."""
        uri = to.uri
        if to.next_hop is not None:
            return [(uri, _hop(to.next_hop))]
        if uri.host.lower() != domain.name or not domain.pbx:
            return [(uri, "")]
        if domain.mode is Mode.PASS_THROUGH:
            own = account.settings.outbound_proxy  # where it is registered
            others = [hop for hop in domain.pbx if hop != own]
            return [*([(uri, "")] if own is not None else []), *((uri, _hop(hop)) for hop in others)]
        return [(_at(uri, hop), "") for hop in domain.pbx]

    def _at_pbx(self, asked: Asked, route: Route, account: Account, uri: SipUri, hop: str, otherwise: Attempt | None) -> Attempt:
        identity, name = self._caller_for_pbx(asked, route)
        lines = self._common(asked, route)
        if asked.caller is not None:
            asserted = name_address_text(identity.to_text(), name or "") if identity is not None else ""
            trusted = asked.domain.trust_identity and asked.domain.mode is not Mode.PASS_THROUGH
            lines += headers.identity_to_pbx(asked.request, asserted, trusted=trusted)
            lines += asked.caller.credentials
        return Attempt(
            kind=Kind.PBX,
            account=account,
            uri=uri.to_text(),
            route=hop,
            style=STYLES[asked.domain.media],
            identity=identity,
            display_name=name,
            headers=lines,
            otherwise=otherwise,
        )

    def _caller_for_pbx(self, asked: Asked, route: Route) -> tuple[SipUri | None, str | None]:
        if route.identity is not None:
            return route.identity, route.display_name or ""
        if asked.caller is None:
            uri, name = _sender(asked.request)
            return uri, name if route.display_name is None else route.display_name
        identity, name = self._domains.presented(asked.caller)
        return identity, name if route.display_name is None else route.display_name

    def _common(self, asked: Asked, route: Route, topology: Topology | None = None) -> Lines:
        """What goes on of the caller's headers, and what the policy adds; of a call that was led elsewhere, by whom (RFC 5806)."""
        message = asked.request
        added = tuple(route.headers)
        if asked.diverted and asked.domain.trust_identity and (first := called_uri(message, asked.domain.name)) is not None:
            user = user_named(self._domains, asked.domain, first, dialled=asked.caller is None) or first
            added = (("Diversion", f"<{SipUri('sip', user.user, asked.domain.name).to_text()}>;reason=unconditional"), *added)
        added = (*hops_left(message), *added)
        names = {name.lower() for name, _ in added}
        passed = tuple((name, value) for name, value in headers.passed(message, self._allow) if name.lower() not in names)
        moved = headers.transfer(message)
        return passed + (moved if topology is None else topology.hidden_lines(moved)) + added


def with_flow(attempt: Attempt, binding: Binding) -> Attempt:
    """Return an attempt at a browser that is there again."""
    return replace(attempt, flow=binding.flow, uri=binding.uri)


def _sender(message: Message) -> tuple[SipUri | None, str]:
    try:
        sender = views.from_(message)
        return sender.sip_uri, sender.display
    except BoringError:
        return None, ""


def place_of(attempt: Attempt) -> str:
    """Return where an attempt goes, for people: host and port."""
    place = _place(attempt.uri, attempt.route, attempt.account)
    return place.strip("<>").removeprefix("sip:").removesuffix(";lr")


def _place(uri: str, route: str, account: Account) -> str:
    """What names an address of a PBX, whoever is called there."""
    proxy = account.settings.outbound_proxy
    return route or (_hop(proxy) if proxy is not None else uri.rpartition("@")[2])


def _hop(uri: SipUri) -> str:
    params = uri.params if uri.param("lr") is not None else (*uri.params, ("lr", None))
    return f"<{SipUri(uri.scheme, uri.user, uri.host, uri.port, params).to_text()}>"


def _at(uri: SipUri, hop: SipUri) -> SipUri:
    """The same user, at an address of the PBX."""
    own = tuple((name, value) for name, value in uri.params if name == "user")
    kept = tuple((name, value) for name, value in hop.params if name not in ("lr", "user"))
    return SipUri(hop.scheme, uri.user, hop.host, hop.port, own + kept)


def hops_left(message: Message) -> Lines:
    """Return Max-Forwards for what goes on: two gateways that lead a call to each other end that."""
    left = views.max_forwards(message)
    return () if left is None else (("Max-Forwards", str(max(0, left - 1))),)


def called_uri(request: Request, domain: str = "") -> SipUri | None:
    """Return whom a request is for: its Request-URI, a tel: URI as a user of the domain. None where it names nobody."""
    try:
        uri = parse_uri(request.uri)
    except SipError:
        return None
    if isinstance(uri, OtherUri):
        number = uri.text.partition(":")[2].partition(";")[0]
        return SipUri("sip", escape_user(number), domain, None, (("user", "phone"),)) if uri.scheme == "tel" and number else None
    return uri if uri.user else None


def user_named(domains: Domains, domain: DomainSettings, uri: SipUri, *, dialled: bool = False) -> SipUri | None:
    """
    Return the user here whom a URI names; None: nobody that we know.

    `dialled`: a PBX names them by the number that they call with (`TrunkAccount.caller`), at whatever host it knows us by.
    """
    bare = SipUri("sip", uri.user, uri.host.lower())
    if domains.is_user(bare):
        return bare
    if not dialled and uri.host.lower() not in {hop.host.lower() for hop in domain.pbx}:
        return None
    names = [uri.user_name]
    before, found, after = domain.trunk.caller.partition("{user}") if domain.trunk is not None else ("", "", "")
    if found and uri.user_name.startswith(before) and uri.user_name.endswith(after) and len(uri.user_name) > len(before + after):
        names.insert(0, uri.user_name[len(before) : len(uri.user_name) - len(after)])
    users = (SipUri("sip", escape_user(name), domain.name) for name in names)
    return next((user for user in users if domains.is_user(user)), None)
