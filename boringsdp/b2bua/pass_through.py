"""A domain whose users the PBX knows: REGISTER and credentials go through to it, each browser by an account of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from boringsdp import logs
from boringsdp.b2bua.bindings import Binding
from boringsdp.b2bua.headers import unreached
from boringsdp.b2bua.identity import Done, Identity
from boringsdp.b2bua.pass_through_way import MAX_PENDING, Way, Ways, credentials_of, granted_seconds
from boringsdp.b2bua.policy import Refusal
from boringsdp.b2bua.registering import Contact, Registering, aor_key, canonical, read_register
from boringsdp.b2bua.registrar import answer, binding_of
from boringsdp.b2bua.seldom import Seldom
from boringsdp.b2bua.settings import DomainSettings
from boringsdp.b2bua.shared import Shared, pbx_allowed, too_many_wrong
from boringsdp.errors import BoringError, Exhausted, Forbidden, SipError
from boringsdp.sip import headers as views
from boringsdp.sip.account import Hear, RequestAnswered
from boringsdp.sip.flow import Flow
from boringsdp.sip.message import Request, Response
from boringsdp.sip.params import split_list
from boringsdp.sip.uri import SipUri, parse_sip_uri

if TYPE_CHECKING:
    from boringsdp.sip.facades import Account, Incoming

USUAL_EXPIRES_S = 600
"""For a REGISTER that names no time."""
PATIENCE_S = 28.0
"""For the PBX's answer: the browser gives up after 32 s."""
TRY_S = 8.0
"""For one address of the PBX where there are others."""
SWEEP_S = 10.0
LINES_PER_PBX = 10
"""In a minute, about REGISTERs that an address of the PBX refuses, or does not answer."""
PASSED = ("WWW-Authenticate", "Proxy-Authenticate", "Authentication-Info", "Min-Expires", "Retry-After", "Unsupported", "P-Associated-URI")
"""Of the PBX's answer, what the browser gets. Contacts of others, and by what servers it came, are not its business."""
log = logs.bind("b2bua")


class PassThrough:
    """One domain; `Domain`."""

    def __init__(self, settings: DomainSettings, shared: Shared, *, wallclock: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self._shared = shared
        self._wallclock = wallclock
        self._ways = Ways(settings, shared)
        self._first = 0
        """The address of the PBX that has answered last."""
        self._asking: set[_Asking] = set()
        self._lines = Seldom(LINES_PER_PBX)
        self._timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        with pbx_allowed(self.settings):
            self._ways.start()

    async def close(self) -> None:
        for asking in tuple(self._asking):
            asking.close()
        if self._timer is not None:
            self._timer.cancel()
        self._ways.close()

    # --- REGISTER -------------------------------------------------------------------------------------------------------------------

    def register(self, incoming: Incoming, flow: Flow) -> None:
        """Ask the PBX, under our Contact; the browser gets its answer."""
        said = self._read(incoming.request, flow)
        if isinstance(said, Refusal):
            answer(incoming, said)
            return
        contact = said.contacts[0] if said.contacts else None
        try:
            way = self._ways.of(said.aor, contact, self._first)
        except Exhausted:
            answer(incoming, Refusal(503, headers=(("Retry-After", "10"),)))
            return
        if len(self._asking) >= MAX_PENDING:
            answer(incoming, Refusal(503, headers=(("Retry-After", "10"),)))
            return
        incoming.later()
        asking = _Asking(self, incoming, said, flow, way)
        self._asking.add(asking)
        asking.send()
        self._sweep_later()

    def _read(self, request: Request, flow: Flow) -> Registering | Refusal:
        if refused := too_many_wrong(self._shared, flow):
            return refused
        asked = read_register(request, usual=USUAL_EXPIRES_S)
        if isinstance(asked, Refusal):
            return asked
        try:
            target = parse_sip_uri(request.uri)
        except SipError:
            return Refusal(400, "Bad Request-URI")
        elsewhere = target.param("maddr") or (target.port and not self.settings.pbx)
        if target.host.lower() != self.settings.name or elsewhere:  # else we would send it anywhere
            return Refusal(404, "Domain Not Served")
        if len(asked.contacts) > 1:
            return Refusal(400, "One Contact Per REGISTER")
        return self._shared.bindings.check(asked) or asked

    def _answered(self, asking: _Asking, response: Response) -> None:
        """Do what the PBX has granted, and tell the browser."""
        self._asking.discard(asking)
        said, way, now = asking.said, asking.way, self._shared.stack.now()
        headers = [(name, value) for name in PASSED for value in response.headers.all(name)]
        if response.code // 100 != 2:
            if response.code in (401, 407):
                if _is_wrong(asking.incoming.request, response):
                    self._shared.note_wrong(asking.flow, aor_key(said.aor))
            elif not response.local:
                self.tell("REGISTER refused by the PBX", asking, f"{response.code} {response.reason}")
            code = 504 if response.local and response.code == 408 else response.code
            answer(asking.incoming, Refusal(code, "" if response.local else response.reason, tuple(headers)))
            return
        self._first = way.at
        contacts = tuple(_granted(contact, granted_seconds(response, way.account, contact.expires)) for contact in said.contacts)
        said = replace(said, contacts=contacts)
        refused = self._shared.bindings.check(said)
        if refused is not None:  # a later one was faster
            answer(asking.incoming, refused)
            return
        way.account.line.service_route = tuple(_values(response, "Service-Route"))
        self._shared.bind(said, asking.flow, way.account)
        self._ways.settle(way, said)
        mine = [binding for binding in self._shared.bindings.of(said.aor) if binding.account is way.account]
        headers += [("Contact", binding.contact_text(now)) for binding in mine]
        headers += [("Date", formatdate(self._wallclock(), usegmt=True)), ("Supported", "path, outbound")]
        if said.outbound and any(contact.instance and contact.reg_id for contact in contacts):
            headers.append(("Require", "outbound"))
        answer(asking.incoming, Refusal(response.code, response.reason, tuple(headers)))

    def tell(self, text: str, asking: _Asking, why: str) -> None:
        """Log what has become of a REGISTER at an address of the PBX."""
        left_out = self._lines.allows(f"{asking.way.place} {text}", self._shared.stack.now())
        if left_out is not None:
            facts = {"user": aor_key(asking.said.aor), "at": asking.way.place, "why": why}
            log.warning(text, extra=facts | ({"left_out": left_out} if left_out else {}))

    # --- who asks -------------------------------------------------------------------------------------------------------------------

    def identify(self, request: Request, flow: Flow, done: Done) -> None:
        """By the connection that somebody has registered over; the PBX sees the password."""
        try:
            asker = views.from_(request)
            aor = canonical(asker.sip_uri)
        except SipError:
            done(Refusal(400, "Bad From"))
            return
        binding = binding_of(self._shared.bindings.by_flow(flow), request, aor, self.settings.name)
        if binding is None:  # a PBX that trusts our address would let anybody call
            done(Refusal(403, "Register First"))
            return
        done(Identity(binding.aor, asker.display, self.settings, binding, credentials_of(request)))

    def account_for(self, identity: Identity | None) -> Account:
        account = None if identity is None or identity.binding is None else identity.binding.account
        return account or self._ways.own

    def presented(self, identity: Identity) -> tuple[SipUri, str]:
        return identity.aor, identity.display_name

    def knows(self, aor: SipUri) -> bool:
        return False

    def unbound(self, binding: Binding) -> None:
        self._ways.retire(binding)
        self._sweep_later()

    def _sweep_later(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        if self._ways.sweep(self._shared.stack.now()):
            self._sweep_later()


class _Asking:
    """A REGISTER on its way to the PBX: one address after another."""

    def __init__(self, mode: PassThrough, incoming: Incoming, said: Registering, flow: Flow, way: Way) -> None:
        self.incoming = incoming
        self.said = said
        self.flow = flow
        self.way = way
        self._mode = mode
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + PATIENCE_S
        self._left = max(0, len(mode.settings.pbx) - 1)
        self._number = 0
        self._timer: asyncio.TimerHandle | None = None
        way.asking += 1

    def close(self) -> None:
        """Hear nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._number = 0
        self.way.asking -= 1

    def send(self) -> None:
        """Ask the address whose turn it is."""
        now = self._loop.time()
        wait = min(TRY_S if self._left else PATIENCE_S, max(0.1, self._until - now))
        self._timer = self._loop.call_later(wait, self._too_late)
        early: list[Any] = []
        """Told while it was being sent."""
        hear: Hear = early.append
        try:
            self._number = self.way.send(self.incoming.request, self.said, lambda event: hear(event), now)
        except BoringError as error:  # no room, or against the operator's policy
            log.warning("REGISTER not passed on", extra={"user": aor_key(self.said.aor), "why": str(error)})
            self._end(Response(403 if isinstance(error, Forbidden) else 503, "", local=True))
            return
        hear = self._hear
        for event in early:
            hear(event)

    def _hear(self, event: object) -> None:
        if not isinstance(event, RequestAnswered) or event.number != self._number:
            return
        assert self._timer is not None
        self._timer.cancel()
        if why := unreached(event.response):
            self._mode.tell("REGISTER not answered by the PBX", self, why)
        if (event.response.local or event.response.code == 503) and self._left and self._loop.time() < self._until:
            self._next()
        else:
            self._end(event.response)

    def _too_late(self) -> None:
        self._mode.tell("REGISTER not answered by the PBX", self, "no answer")
        if self._left:
            self._next()
        else:
            self._end(Response(408, "", local=True))

    def _next(self) -> None:
        self._left -= 1
        self.way.turn()
        self.send()

    def _end(self, response: Response) -> None:
        self.close()
        self._mode._answered(self, response)


def _granted(contact: Contact, seconds: int) -> Contact:
    return replace(contact, expires=min(seconds, contact.expires) if contact.expires else 0)


def _is_wrong(request: Request, response: Response) -> bool:
    """Whether a challenge says that a password was wrong, not that a nonce is old."""
    stale = any(
        "stale=true" in value.lower().replace(" ", "").replace('"', "") for name in PASSED[:2] for value in response.headers.all(name)
    )
    return bool(credentials_of(request)) and not stale


def _values(response: Response, name: str) -> list[str]:
    try:
        return [value for line in response.headers.all(name) for value in split_list(line)]
    except SipError:
        return []
