"""The domains that web phones have their addresses in: each with its mode, all with the same bindings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from boringsdp import logs
from boringsdp.b2bua.bindings import Binding, BindingAction, Bindings, Bound, Succeeded, Unbound
from boringsdp.b2bua.identity import Done, Identity
from boringsdp.b2bua.pass_through import PassThrough
from boringsdp.b2bua.policy import Refusal
from boringsdp.b2bua.registrar import Registrar, answer
from boringsdp.b2bua.settings import B2buaSettings, DomainSettings, Mode
from boringsdp.b2bua.shared import HearPbx, Shared, Stack
from boringsdp.b2bua.store import BindingStore
from boringsdp.b2bua.user_call_out import UserCallOut
from boringsdp.b2bua.user_file import UserFile
from boringsdp.b2bua.users import Users
from boringsdp.b2bua.wrong_passwords import WrongPasswords
from boringsdp.errors import SipError
from boringsdp.net.driver import Driver
from boringsdp.sip import headers as views
from boringsdp.sip.account import IncomingCall, IncomingMessage, IncomingNotify, IncomingRefer, IncomingSubscribe
from boringsdp.sip.flow import Flow
from boringsdp.sip.message import Request
from boringsdp.sip.uri import SipUri, parse_sip_uri

if TYPE_CHECKING:
    from boringsdp.sip.facades import Account, Incoming

log = logs.bind("b2bua")


class Domain(Protocol):
    """One domain with its mode."""

    settings: DomainSettings

    async def start(self) -> None:
        """Make its account towards the PBX, read its users. Raises ConfigError."""

    async def close(self) -> None:
        """Give up what it has with the PBX."""

    def register(self, incoming: Incoming, flow: Flow) -> None:
        """Answer a REGISTER, now or later."""

    def identify(self, request: Request, flow: Flow, done: Done) -> None:
        """Tell who sent a request outside of dialogs: an Identity, or a Refusal, which may be a challenge."""

    def account_for(self, identity: Identity | None) -> Account:
        """The account by which somebody's calls go to the PBX; None: those of the gateway itself."""

    def presented(self, identity: Identity) -> tuple[SipUri, str]:
        """From towards the PBX: URI and display name."""

    def unbound(self, binding: Binding) -> None:
        """One of its bindings is no more."""

    def knows(self, aor: SipUri) -> bool:
        """Whether that is a user, registered or not, as far as can be told at once."""


class Domains:
    """All of a gateway. Build it within a running event loop; `start`, `close`."""

    def __init__(self, settings: B2buaSettings, stack: Stack, hear: HearPbx) -> None:
        self.settings = settings
        self.bindings = Bindings(limit=settings.max_bindings, per_user=settings.bindings_per_user, grace_s=settings.grace_s)
        self.on_change: Callable[[BindingAction], None] | None = None
        """Hears of every binding that comes, is refreshed, moves or goes."""
        self._stack = stack
        self._hear_pbx = hear
        self._driver: Driver[BindingAction] = Driver(self.bindings, self._perform, asyncio.get_running_loop(), grid=0.25)
        self._store = BindingStore(settings.bindings_file, self.bindings) if settings.bindings_file else None
        shared = Shared(
            settings=settings,
            stack=stack,
            bindings=self.bindings,
            wrong_passwords=WrongPasswords(settings.wrong_passwords),
            run=self._run,
            hear=self._hear,
        )
        self._domains = {name: _domain(domain, shared) for name, domain in settings.domains.items()}

    async def start(self) -> None:
        """Raises ConfigError for users that cannot be read."""
        for domain in self:
            await domain.start()
        if self._store is not None:
            restored = self._store.load()
            self._driver.run(())
            if restored:
                log.info("bindings of before the restart", extra={"bindings": restored})

    async def close(self) -> None:
        if self._store is not None:
            await self._store.close()
        for domain in self:
            await domain.close()
        self._driver.close()

    def __iter__(self) -> Iterator[Domain]:
        return iter(self._domains.values())

    def at(self, host: str) -> Domain | None:
        """The domain of a host name."""
        return self._domains.get(host.lower().rstrip("."))

    def of(self, uri: SipUri) -> Domain | None:
        """The domain that a URI is of."""
        return self.at(uri.host)

    # --- what browsers ask ----------------------------------------------------------------------------------------------------------

    def register(self, incoming: Incoming, flow: Flow) -> None:
        """Answer a REGISTER, now or later."""
        try:
            domain = self.of(views.to(incoming.request).sip_uri)
        except SipError:
            domain = None
        if domain is None:
            answer(incoming, Refusal(404, "Domain Not Served"))
            return
        domain.register(incoming, flow)

    def identify(self, request: Request, flow: Flow, done: Done) -> None:
        """Tell who sent a request outside of dialogs by a connection of a browser: an Identity, or a Refusal, which may be a challenge."""
        try:
            host = views.from_(request).sip_uri.host
        except SipError:
            done(Refusal(400, "Bad From"))
            return
        domain = self.at(host)
        if domain is None and host.lower().endswith(".invalid"):  # anonymous: who has registered over this connection
            domain = next((self.of(binding.aor) for binding in self.bindings.by_flow(flow)), None)
        if domain is None:
            done(Refusal(403, "Domain Not Served"))
            return
        domain.identify(request, flow, done)

    def lost(self, flow: Flow) -> None:
        """A connection of a browser has ended (`FlowLost`)."""
        self.bindings.lost(flow, self._stack.now())
        self._driver.run(())

    def succeeded(self, old: Flow, new: Flow) -> None:
        """A connection has taken the place of another without a REGISTER (`FlowSucceeded`)."""
        self.bindings.move(old, new)
        self._stack.keep(new, self.settings.grace_s)
        self._driver.run(())

    def abandoned(self, flow: Flow) -> None:
        """Nobody has come back for it (`FlowAbandoned`)."""
        self._driver.run(self.bindings.abandoned(flow, self._stack.now()))

    # --- towards the PBX ------------------------------------------------------------------------------------------------------------

    def account_for(self, identity: Identity) -> Account:
        """The account by which somebody's calls go to their PBX."""
        return self._domains[identity.domain.name].account_for(identity)

    def presented(self, identity: Identity) -> tuple[SipUri, str]:
        """From towards the PBX: URI and display name."""
        return self._domains[identity.domain.name].presented(identity)

    def is_contact(self, domain: DomainSettings, uri: SipUri) -> bool:
        """Whether that is the Contact of a domain's account."""
        found = self._domains.get(domain.name)
        return found is not None and uri.user == found.account_for(None).contact_user

    def is_user(self, aor: SipUri) -> bool:
        """Whether that is a user of a domain here: registered, or known to be one. In pass-through mode the PBX alone knows."""
        domain = self.of(aor)
        if domain is None or domain.settings.mode is Mode.PASS_THROUGH:
            return False
        return bool(self.bindings.of(aor)) or domain.knows(aor)

    # --- inside ---------------------------------------------------------------------------------------------------------------------

    def _hear(self, domain: DomainSettings, binding: Binding | None, event: Any) -> None:
        """Domains may share a PBX: what it asks is for the one that it names."""
        if binding is None and isinstance(event, IncomingCall | IncomingMessage | IncomingSubscribe | IncomingRefer | IncomingNotify):
            try:
                named = self.of(parse_sip_uri(event.request.uri))
            except SipError:
                named = None
            if named is not None and named.settings.mode is not Mode.PASS_THROUGH and set(named.settings.pbx) & set(domain.pbx):
                domain = named.settings
        self._hear_pbx(domain, binding, event)

    def _run(self, actions: Iterable[BindingAction]) -> None:
        self._driver.run(actions)

    def _perform(self, action: BindingAction) -> None:
        binding = action.binding
        if isinstance(action, Bound):
            if binding.flow is not None:
                self._stack.keep(binding.flow, self.settings.grace_s)
            if action.fresh:
                log.info("registered", extra={"user": binding.key, "agent": binding.user_agent})
        elif isinstance(action, Succeeded):
            self._stack.succeed(action.old, action.new)
        elif isinstance(action, Unbound):
            domain = self.of(binding.aor)
            if domain is not None:
                domain.unbound(binding)
            log.info("not registered any more", extra={"user": binding.key, "why": action.reason})
        if self._store is not None:
            self._store.changed()
        if self.on_change is not None:
            self.on_change(action)


def _domain(settings: DomainSettings, shared: Shared) -> Domain:
    if settings.mode is Mode.PASS_THROUGH:
        return PassThrough(settings, shared)
    realm = settings.realm or settings.name
    users: list[Users] = []
    if settings.users:
        users.append(UserFile(settings.users, realm))
    if settings.users_url:
        users.append(UserCallOut(settings.users_url, settings.name, realm))
    return Registrar(settings, shared, tuple(users))
