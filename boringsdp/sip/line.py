"""An account as the user agent has it: what it lends to requests, what it is known by."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

from boringsdp.errors import SipError
from boringsdp.net.networks import networks
from boringsdp.sip.account import AccountSettings, AccountState
from boringsdp.sip.digest import Authenticator, Credentials
from boringsdp.sip.flow import Destination, Flow, Protocol
from boringsdp.sip.message import Request
from boringsdp.sip.name_address import name_address_text, parse_name_address
from boringsdp.sip.policy import Policy
from boringsdp.sip.redirect import Redirects
from boringsdp.sip.transport import Reach
from boringsdp.sip.uri import SipUri, escape_param

MAX_HOSTS = 64
"""Addresses of registrars and proxies that an account remembers."""


class Line:
    """
    One account. `token` is the user part of its Contact.

    An `Outlet` of exchanges: `user_agent`, `authenticator`, `protocol`, `contact`, `redirects`.
    """

    def __init__(
        self,
        number: int,
        settings: AccountSettings,
        token: str,
        *,
        reach: Callable[[Destination], Reach],
        policy: Policy,
        user_agent: str,
        random: Callable[[int], str],
    ) -> None:
        self.number = number
        self.token = token
        self.state = AccountState.UNREGISTERED
        self.usages: set[int] = set()
        self.registration: int | None = None
        """The number of its registration among the usages."""
        self.asked: Destination | None = None
        """Where REGISTER went last: another than the first place, where that has failed."""
        self.service_route: tuple[str, ...] = ()
        self.claims: dict[str, int] = {}
        """User parts, or beginnings of them with a `*`, to claims."""
        self._reach = reach
        self._policy = policy
        self._user_agent = user_agent
        self._random = random
        self._hosts: OrderedDict[str, None] = OrderedDict()
        self._seen: dict[Reach, str] = {}
        """Host and port in the place of what we would say, where a registrar has seen us elsewhere."""
        self.change(settings)

    def change(self, settings: AccountSettings) -> None:
        """Take new settings; what the registrar gave for the old ones is forgotten by the next registration."""
        self.settings = settings
        self.user_agent = settings.user_agent or self._user_agent
        servers = (settings.identity, settings.registrar, settings.outbound_proxy)
        self.authenticator = Authenticator(settings.credentials, self._random, [server.host for server in servers if server is not None])
        self.protocol: Protocol | None = settings.protocol
        self.sources = networks(settings.trunk.sources) if settings.trunk else ()
        self._seen.clear()

    def contact(self, to: Destination) -> str:
        """The value of Contact towards there."""
        return name_address_text(self.contact_uri(to))

    def contact_uri(self, to: Destination) -> str:
        """`transport=` is said where UDP would be assumed; `sips:` only when the account's identity is one."""
        reach = self._reach(to)
        scheme = "sips" if self.settings.identity.secure and reach.protocol.secure else "sip"
        transport = "" if reach.protocol is Protocol.UDP else f";transport={reach.protocol.value.lower()}"
        params = "".join(f";{name}={escape_param(value)}" if value else f";{name}" for name, value in self.settings.contact_params)
        return f"{scheme}:{self.token}@{self._seen.get(reach, reach.host_port)}{transport}{params}"

    def note_seen(self, to: Destination, contact: str) -> None:
        """Say from now on what a registration has learned: the address in its Contact."""
        reach, uri = self._reach(to), parse_name_address(contact).sip_uri
        if len(self._seen) >= MAX_HOSTS:
            self._seen.clear()
        self._seen[reach] = uri.host_port

    def redirects(self) -> Redirects:
        limits = self._policy.settings
        follows = limits.follow_redirects and self.settings.follow_redirects
        return Redirects(limits.redirects if follows else 0, self._policy.target_allowed)

    def routes(self) -> tuple[str, ...]:
        """Route values of requests outside of dialogs: the outbound proxy, then what the registrar asked for (RFC 3608)."""
        proxy = self.settings.outbound_proxy
        return (*((self._route(proxy),) if proxy else ()), *self.service_route)

    def family(self, uri: SipUri) -> str:
        """
        Return `IP4` or `IP6`, by which requests to there will leave, as far as can be told without asking DNS; empty: unknown.

        Where the next hop is a name it is most likely our registrar or proxy.
        """
        routes = self.routes()
        host = uri.host
        with suppress(SipError):
            host = parse_name_address(routes[0]).sip_uri.host if routes else host
        return _family(host) or _family(next(reversed(self._hosts), ""))

    def _route(self, proxy: SipUri) -> str:
        loose = (
            proxy
            if proxy.param("lr") is not None
            else SipUri(proxy.scheme, proxy.user, proxy.host, proxy.port, (*proxy.params, ("lr", None)))
        )
        return f"<{loose.to_text()}>"

    def sent(self, request: Request, to: Destination) -> None:
        """Take note of whom a request goes to: our registrar, or with an outbound proxy that."""
        if request.method == "REGISTER":
            self.asked = to
        if request.method == "REGISTER" or self.settings.outbound_proxy is not None:
            self.learn(to)

    def learn(self, to: Destination) -> None:
        """Remember who is asked as our registrar or proxy: requests from there are taken."""
        host = to.remote[0] if isinstance(to, Flow) else to.host
        self._hosts[host] = None
        self._hosts.move_to_end(host)
        while len(self._hosts) > MAX_HOSTS:
            self._hosts.popitem(last=False)

    def knows(self, host: str) -> bool:
        """Whether an address is that of our registrar or proxy."""
        return host in self._hosts

    def claim_of(self, user: str) -> int:
        """The claim whose pattern fits a user part best, 0 without one."""
        if not self.claims:
            return 0
        if user in self.claims:
            return self.claims[user]
        return next((self.claims[user[:size] + "*"] for size in range(len(user), -1, -1) if user[:size] + "*" in self.claims), 0)


def _family(host: str) -> str:
    """Of an address; empty for a name."""
    return "IP6" if ":" in host else "IP4" if host.replace(".", "").isdecimal() else ""


class Guest:
    """A line with other credentials, for one call."""

    def __init__(self, line: Line, credentials: tuple[Credentials, ...], random: Callable[[int], str]) -> None:
        self.user_agent = line.user_agent
        self.authenticator = Authenticator(credentials, random)
        self.protocol = line.protocol
        self.contact = line.contact
        self.redirects = line.redirects
        self.sent = line.sent
