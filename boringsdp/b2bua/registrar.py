"""A domain whose users we know: their browsers are registered here; the PBX is reached by one account (`trunk.py`)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from typing import TYPE_CHECKING

from boringsdp import logs
from boringsdp.b2bua.authentication import Authentication
from boringsdp.b2bua.bindings import Binding
from boringsdp.b2bua.identity import Done, Identity
from boringsdp.b2bua.policy import Refusal
from boringsdp.b2bua.registering import Registering, aor_key, canonical, read_register
from boringsdp.b2bua.settings import DomainSettings
from boringsdp.b2bua.shared import Shared, pbx_allowed
from boringsdp.b2bua.trunk import Trunk
from boringsdp.b2bua.users import User, Users
from boringsdp.errors import SipError
from boringsdp.sip import headers as views
from boringsdp.sip.flow import Flow
from boringsdp.sip.message import Request
from boringsdp.sip.uri import SipUri

if TYPE_CHECKING:
    from boringsdp.sip.facades import Account, Incoming

USUAL_EXPIRES_S = 600
"""For a REGISTER that names no time."""
log = logs.bind("b2bua")


class Registrar:
    """One domain; `Domain`."""

    def __init__(
        self, settings: DomainSettings, shared: Shared, users: tuple[Users, ...], *, wallclock: Callable[[], float] = time.time
    ) -> None:
        self.settings = settings
        self._shared = shared
        self._users = users
        self._wallclock = wallclock
        self._authentication = Authentication(settings, users, shared, wallclock=wallclock)
        self._trunk = Trunk(settings, shared)

    async def start(self) -> None:
        for users in self._users:
            await users.start()
        with pbx_allowed(self.settings):
            self._trunk.start()

    async def close(self) -> None:
        self._trunk.close()
        for users in self._users:
            await users.close()

    # --- REGISTER -------------------------------------------------------------------------------------------------------------------

    def register(self, incoming: Incoming, flow: Flow) -> None:
        """Answer a REGISTER (RFC 3261 §10.3)."""
        settings = self._shared.settings
        asked = read_register(incoming.request, usual=min(USUAL_EXPIRES_S, settings.expires_max))
        if isinstance(asked, Refusal):
            answer(incoming, asked)
            return
        incoming.later()

        def told(user: User | Refusal) -> None:
            answer(incoming, user if isinstance(user, Refusal) else self._registered(asked, user, flow))

        self._authentication.ask(incoming.request, flow, told)

    def _registered(self, asked: Registering, user: User, flow: Flow) -> Refusal:
        """Do what is asked; the answer, 200 as well."""
        if user.name != asked.aor.user_name:
            return Refusal(403, "Not Your Address")
        settings, now = self._shared.settings, self._shared.stack.now()
        if any(0 < contact.expires < settings.expires_min for contact in asked.contacts):
            return Refusal(423, headers=(("Min-Expires", str(settings.expires_min)),))
        granted = tuple(replace(contact, expires=min(contact.expires, settings.expires_max)) for contact in asked.contacts)
        asked = replace(asked, contacts=granted)
        bindings = self._shared.bindings
        refused = bindings.check(asked)
        if refused is not None:
            return refused
        self._shared.bind(asked, flow)
        headers = [("Contact", binding.contact_text(now)) for binding in bindings.of(asked.aor)]
        headers += [("Date", formatdate(self._wallclock(), usegmt=True)), ("Supported", "path, outbound")]
        if asked.outbound and any(contact.instance and contact.reg_id for contact in granted):
            headers.append(("Require", "outbound"))
        return Refusal(200, headers=tuple(headers))

    # --- who asks -------------------------------------------------------------------------------------------------------------------

    def identify(self, request: Request, flow: Flow, done: Done) -> None:
        """By the connection that somebody has registered over; a stranger, or all if so configured, by password."""
        try:
            asker = views.from_(request)
            aor = canonical(asker.sip_uri)
        except SipError:
            done(Refusal(400, "Bad From"))
            return
        binding = binding_of(self._shared.bindings.by_flow(flow), request, aor, self.settings.name)
        if binding is not None and not self._shared.settings.challenge_calls:
            done(Identity(binding.aor, asker.display, self.settings, binding))
            return

        def told(user: User | Refusal) -> None:
            if isinstance(user, Refusal):
                done(user)
            elif user.name != (binding.aor if binding else aor).user_name:
                done(Refusal(403, "Not Your Address"))
            else:
                done(Identity(binding.aor if binding else aor, asker.display or user.display_name, self.settings, binding))

        self._authentication.ask(request, flow, told, proxy=True)

    def account_for(self, identity: Identity | None) -> Account:
        return self._trunk.account

    def presented(self, identity: Identity) -> tuple[SipUri, str]:
        return self._trunk.presented(identity)

    def unbound(self, binding: Binding) -> None:
        pass

    def knows(self, aor: SipUri) -> bool:
        return any(users.knows(aor.user_name) for users in self._users)


def binding_of(found: list[Binding], request: Request, aor: SipUri, domain: str) -> Binding | None:
    """
    Return by which registration of its connection a browser asks: that of From; where From is anonymous, that of P-Preferred-Identity, or
    the first.
    """
    mine = [binding for binding in found if binding.aor.host == domain]
    key = aor_key(aor)
    for binding in mine:
        if binding.key == key:
            return binding
    if aor.host == domain or not aor.host.endswith(".invalid"):
        return None
    try:
        preferred = [aor_key(one.sip_uri) for one in views.name_addresses(request, "P-Preferred-Identity")]
    except SipError:
        preferred = []
    return next((binding for binding in mine if binding.key in preferred), mine[0] if mine else None)


def answer(incoming: Incoming, said: Refusal) -> None:
    """Send a final response."""
    if not incoming.answered:
        incoming.answer(said.code, said.reason, said.headers)
