"""An account and the lines that share it: the handle that registered it (the master), and its helpers."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Container, Iterator
from typing import Any, Protocol

from boringsdp import logs
from boringsdp.errors import BoringError, WrongState
from boringsdp.sip import account as told
from boringsdp.sip.account import AccountSettings, AccountState, TrunkSettings
from boringsdp.sip.digest import Credentials
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.facades import Account, Claim, Session
from boringsdp.sip.flow import Protocol as Transport
from boringsdp.sip.message import Message, Request
from boringsdp.sip.session import events as sip
from boringsdp.sip.uri import parse_sip_uri
from boringsdp.sip_plugin import events
from boringsdp.sip_plugin import requests as ask
from boringsdp.sip_plugin.addresses import user_of
from boringsdp.sip_plugin.settings import PluginSettings
from boringsdp.sip_plugin.view import content_type_of, header_of, recipient_of, sender_of, text_of, why

log = logs.bind("sip")

BUSY = 486
MAX_WAITING = 16
"""Calls of one account that wait for a helper."""


class Line(Protocol):
    """What the master asks of a handle."""

    @property
    def idle(self) -> bool:
        """Whether it can take a call now."""

    def ring_in(self, call: told.IncomingCall) -> None:
        """Take an incoming call: shown to the application, or refused."""

    def replace(self, call: told.IncomingCall, old: Session) -> bool:
        """Put the call in place of `old`, if that is the handle's call and this can be done without asking."""

    def push(self, result: dict[str, Any], *, call_id: str = "", **beside: Any) -> None: ...

    def show(self, message: Message | None) -> dict[str, Any]: ...

    def record(self, data: dict[str, Any]) -> None: ...

    def transferred(self, event: Any) -> None: ...

    def dismissed(self) -> None:
        """The account is gone, and with it the line and its handle."""


def account_settings(request: ask.Register, settings: PluginSettings) -> AccountSettings:
    """Return what the endpoint is told of an account. Raises `SipError` for an address that cannot be read."""
    trunk = None
    if request.identities or request.sources:
        trunk = TrunkSettings(sources=request.sources, identities=request.identities or ("*",))
    protocol = Transport.UDP if request.force_udp else Transport.TCP if request.force_tcp else None
    identity = parse_sip_uri(request.username)
    return AccountSettings(
        identity=identity,
        display_name=request.display_name,
        credentials=credentials_of(request.secret, identity.user_name),
        registrar=parse_sip_uri(request.proxy) if request.proxy else None,
        outbound_proxy=parse_sip_uri(request.outbound_proxy) if request.outbound_proxy else None,
        user_agent=request.user_agent or settings.user_agent,
        headers=request.headers,
        contact_params=request.contact_params,
        protocol=Transport.TLS if request.sips else protocol,
        register_ttl=request.register_ttl or settings.register_ttl,
        learn_contact=request.learn_contact,
        rfc2543_cancel=request.rfc2543_cancel,
        trunk=trunk,
    )


def credentials_of(secret: ask.Secret | None, user: str) -> tuple[Credentials, ...]:
    """Return the credentials for every realm; `user` is who they are for when the secret names nobody."""
    if secret is None:
        return ()
    name = secret.user or user
    if not secret.hashed:
        return (Credentials(name, secret.text),)
    return (Credentials(name, ha1=secret.text, ha1_algorithm="SHA-256" if len(secret.text) == 64 else "MD5"),)


class Master:
    """Made with the account; `close` ends both. The owner is its first line."""

    def __init__(self, endpoint: Endpoint, owner: Line, request: ask.Register, settings: PluginSettings, number: int) -> None:
        self.number = number
        self.owner = owner
        self.request = request
        self.helpers: list[Line] = []
        self.closed = False
        self._was_up = False
        self._settings = settings
        self._claims: dict[int, list[Claim]] = {}
        self._waiting: list[_Waiting] = []
        self.account: Account = endpoint.account(account_settings(request, settings), self._hear)

    @property
    def registers(self) -> bool:
        """Whether it has a registrar (guests have none)."""
        return self.request.send_register

    @property
    def usable(self) -> bool:
        """Whether calls can be made: a guest always, others once registered and until they are not any more."""
        if self.closed:
            return False
        usable = (AccountState.REGISTERED, AccountState.RETRYING)
        return not self.registers or self.account.state in usable or (self.account.state is AccountState.REGISTERING and self._was_up)

    @property
    def occupied(self) -> bool:
        """Whether a further `register` would be one too many."""
        return not self.registers or self.account.state in (AccountState.REGISTERED, AccountState.REGISTERING)

    @property
    def occupied_at_registrar(self) -> bool:
        """Whether there may be a registration to take back."""
        return self.account.state in (AccountState.REGISTERED, AccountState.REGISTERING, AccountState.RETRYING)

    def change(self, request: ask.Register) -> None:
        """Begin anew with other values. Raises as the constructor."""
        self.account.change(account_settings(request, self._settings))
        self.request = request

    def close(self) -> None:
        """End the account, its calls and its helpers' lines. Nothing is told to the owner."""
        if self.closed:
            return
        self.closed = True
        for waiting in list(self._waiting):
            waiting.refuse()
        for helper in list(self.helpers):
            helper.dismissed()
        self.helpers.clear()
        self.account.close()

    # --- lines -----------------------------------------------------------------------------------------------------------------------

    def add(self, helper: Line, identities: tuple[str, ...]) -> None:
        """Take on a helper; with `identities` it gets the calls to those and no others."""
        claims: list[Claim] = []
        try:
            for pattern in identities:
                claims.append(self.account.claim(pattern, lambda event: self._hear_claimed(helper, event)))  # noqa: PERF401
        except BoringError:
            for claim in claims:
                claim.close()
            raise
        if claims:
            self._claims[id(helper)] = claims
        self.helpers.append(helper)

    def remove(self, helper: Line) -> None:
        """Let go of a helper."""
        if helper in self.helpers:
            self.helpers.remove(helper)
        for claim in self._claims.pop(id(helper), ()):
            claim.close()

    def line_free(self) -> None:
        """A line may have become idle: the call that has waited longest gets it."""
        while self._waiting and (line := self._idle_line()) is not None:
            waiting = self._waiting[0]
            waiting.stop()
            line.ring_in(waiting.call)

    def _idle_line(self) -> Line | None:
        return next((line for line in self._lines() if line.idle), None)

    def _lines(self) -> Iterator[Line]:
        """Those that take any call, in order."""
        yield self.owner
        yield from (helper for helper in self.helpers if id(helper) not in self._claims)

    # --- news of the account ---------------------------------------------------------------------------------------------------------

    def _hear(self, event: Any) -> None:
        if self.closed:
            return
        owner = self.owner
        match event:
            case told.Registered(response):
                if not self._was_up:
                    log.info("registered", extra={"identity": self.request.username})
                self._was_up = True
                self._registered(response)
            case told.RegistrationFailed(code, reason, response, retry_in):
                if retry_in is None:
                    self._was_up = False
                reason = why(reason, response)
                again = {} if retry_in is None else {"retry_in": round(retry_in, 1)}
                log.warning("registration failed", extra={"identity": self.request.username, "code": code, "reason": reason, **again})
                owner.push(events.registration_failed(code, reason, owner.show(response), retry_in))
                owner.record({"event": "registration_failed", "code": code, "reason": reason})
            case told.Unregistered(response):
                self._was_up = False
                log.info("unregistered", extra={"identity": self.request.username})
                owner.push(events.unregistered(self.username, owner.show(response)))
                owner.record({"event": "unregistered", "identity": self.request.username})
            case told.IncomingCall():
                self._call_in(event)
            case told.IncomingMessage(request=request):
                who = sender_of(request)
                kind = content_type_of(request) or "text/plain"
                owner.push(events.message(who.uri, who.name, text_of(request), kind, owner.show(request)))
            case told.IncomingNotify(request=request, event=package):
                self._notified(request, package)
            case told.IncomingRefer():
                (self._idle_line() or owner).transferred(event)

    def _registered(self, response: Message) -> None:
        owner = self.owner
        result = events.registered(self.username, self.number, sent=True, headers=owner.show(response))
        owner.push(result, unique_id=getattr(owner, "unique_id", None))
        record = {"event": "registered", "identity": self.request.username, "master_id": self.number}
        owner.record(record | ({"proxy": self.request.proxy} if self.request.proxy else {}))

    def _notified(self, request: Request, package: str) -> None:
        state = header_of(request, "Subscription-State").partition(";")[0]
        headers = self.owner.show(request)
        self.owner.push(events.notify(package, state, content_type_of(request), text_of(request), headers))

    @property
    def username(self) -> str:
        """The user part of the identity."""
        return user_of(self.request.username)

    # --- calls that come in ----------------------------------------------------------------------------------------------------------

    def _hear_claimed(self, helper: Line, event: Any) -> None:
        """What comes in for the identities of one helper."""
        match event:
            case told.IncomingCall() if helper.idle:
                helper.ring_in(event)
            case told.IncomingCall():
                if not self._replaced(event):
                    self._miss(event, helper)
            case told.IncomingMessage(request=request):
                who = sender_of(request)
                kind = content_type_of(request) or "text/plain"
                helper.push(events.message(who.uri, who.name, text_of(request), kind, helper.show(request)))
            case _:
                self._hear(event)

    def _call_in(self, call: told.IncomingCall) -> None:
        line = self._idle_line()
        if line is not None:
            line.ring_in(call)
        elif self._replaced(call):
            pass
        elif self.request.helpers_on_demand and len(self._waiting) < min(MAX_WAITING, self._settings.helpers - len(self.helpers)):
            self._waiting.append(_Waiting(call, self._settings.helper_wait, self._waited))
            call.session.ring()
            who = sender_of(call.request)
            wanted = events.helper_wanted(self.number, who.uri, who.name, recipient_of(call.request), self._settings.helper_wait)
            self.owner.push(wanted, call_id=call.session.call_id)
        else:
            self._miss(call, self.owner)

    def _replaced(self, call: told.IncomingCall) -> bool:
        """Whether the call has taken the place of one that a line has (Replaces)."""
        return call.replaces is not None and any(line.replace(call, call.replaces) for line in (self.owner, *self.helpers))

    def _waited(self, waiting: _Waiting, *, in_vain: bool) -> None:
        self._waiting.remove(waiting)
        if in_vain:
            self._miss(waiting.call, self.owner)

    def _miss(self, call: told.IncomingCall, line: Line) -> None:
        who = sender_of(call.request)
        callee = recipient_of(call.request)
        try:
            call.session.reject(BUSY)
        except WrongState:
            return
        finally:
            log.info("call missed", extra={"call_id": call.session.call_id, "from": who.uri, "to": callee, "code": BUSY})
            line.push(events.missed_call(who.uri, who.name, callee))
            line.record({"event": "missed_call", "caller": who.uri, "callee": callee})


class _Waiting:
    """A call that waits for a helper; meanwhile it rings."""

    def __init__(self, call: told.IncomingCall, seconds: float, done: Any) -> None:
        self.call = call
        self._done = done
        self._timer = asyncio.get_running_loop().call_later(seconds, self._finish, True)
        call.session.hear = self._hear

    def stop(self) -> None:
        """It gets a line."""
        self._finish(False)

    def refuse(self) -> None:
        self._timer.cancel()
        self.call.session.hear = None
        self.call.session.hang_up(code=BUSY)

    def _hear(self, event: Any) -> None:
        if isinstance(event, sip.Cancelled | sip.Ended):
            self._timer.cancel()
            self._done(self, in_vain=True)

    def _finish(self, in_vain: bool) -> None:
        self._timer.cancel()
        self.call.session.hear = None
        self._done(self, in_vain=in_vain)


def new_master_id(taken: Container[int]) -> int:
    """Return a number of 32 bits that is not in `taken`."""
    while (number := secrets.randbits(32) | 1) in taken:
        pass
    return number
