"""A registration (RFC 3261 §10.2): made, refreshed, found again after failures, taken back. A usage (`actions.py`)."""

from __future__ import annotations

import enum
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from boringsdp.errors import SipError, WrongState
from boringsdp.sip import headers as views
from boringsdp.sip.actions import Ask, Done, Reply, Sequence, Tell, UsageAction
from boringsdp.sip.build import request as build_request
from boringsdp.sip.build import response as build_response
from boringsdp.sip.flow import Flow
from boringsdp.sip.message import Request, Response
from boringsdp.sip.name_address import NameAddress, parse_name_address
from boringsdp.sip.params import split_list, unquote
from boringsdp.sip.seen import seen_contact
from boringsdp.sip.timers import back_off, refresh_after
from boringsdp.sip.uri import SipUri, same_uri
from boringsdp.values import Value, replace

MAX_EXPIRES = 7 * 86_400
"""Seconds. A registrar that wants more (Min-Expires) is not asked again; and no binding is trusted for longer."""

RAISES = 3
"""How often in a row a registrar may want a longer time."""

LATER = frozenset((408, 429, 430, 480, 491, 500, 502, 503, 504))
"""Answers that another time may be different; all other refusals are final."""


class RegistrationState(enum.Enum):
    """`RETRYING` waits after a failure; the account is kept."""

    IDLE = "idle"
    REGISTERING = "registering"
    REGISTERED = "registered"
    RETRYING = "retrying"
    UNREGISTERING = "unregistering"
    OVER = "over"


class RegistrationSettings(Value, frozen=True, kw_only=True):
    """Who registers where."""

    registrar: str
    """Request-URI: the domain, without a user part."""
    identity: str
    """From and To as name-addr, without a tag: `"Alice" <sip:alice@example.org>`."""
    contact: str
    """Contact as name-addr with its parameters, without expires."""
    call_id: str
    expires: int = 3600
    instance: str = ""
    """`+sip.instance` without quotes: `<urn:uuid:…>`; empty: none (RFC 5626 §4.1)."""
    reg_id: int = 0
    """0: no outbound."""
    routes: tuple[str, ...] = ()
    """Preloaded Route values (an outbound proxy)."""
    headers: tuple[tuple[str, str], ...] = ()
    learn: bool = False
    """Whether the Contact takes the address from which the registrar has seen us."""
    retry_base_s: float = 10.0
    """After the first failure between half of it and all; twice as much after each further one (RFC 5626 §4.5)."""
    retry_max_s: float = 600.0


@dataclass(slots=True, frozen=True)
class Registered:
    """The binding stands for `expires` seconds. Told for every refresh."""

    response: Response
    expires: int


@dataclass(slots=True, frozen=True)
class RegistrationFailed:
    """`retry_in` seconds from now it is tried again; None: it is given up. `response.local`: nobody answered."""

    code: int
    reason: str
    response: Response
    retry_in: float | None


@dataclass(slots=True, frozen=True)
class Unregistered:
    """The binding is taken back; `response` is that to the REGISTER that did, None when there was nothing to take back."""

    response: Response | None


class Registration:
    """
    One binding of one address of record: from `start` until Unregistered or RegistrationFailed without `retry_in`.

    One REGISTER is under way at a time, so that they cannot overtake each other.
    """

    __slots__ = (
        "_again", "_at", "_bound_until", "_exchange", "_failures", "_from", "_headers", "_last_headers", "_left", "_raises", "_sequence",
        "_token", "_waiting", "_wanted", "flow_timer", "outbound", "path", "service_route", "settings", "state",
    )  # fmt: skip

    def __init__(self, settings: RegistrationSettings, token: Callable[[int], str] = secrets.token_hex) -> None:
        self.settings = settings
        self.state = RegistrationState.IDLE
        self.path: tuple[str, ...] = ()
        """Path values of the last 2xx (RFC 3327)."""
        self.service_route: tuple[str, ...] = ()
        """Route values for requests of this account (RFC 3608)."""
        self.flow_timer: int | None = None
        """Seconds between keep-alives that the registrar's edge wants (RFC 5626 §10)."""
        self.outbound = bool(settings.instance and settings.reg_id)
        self._token = token
        self._sequence = Sequence()
        self._from = f"{settings.identity};tag={token(8)}"
        self._headers: tuple[tuple[str, str], ...] = ()
        self._last_headers: tuple[tuple[str, str], ...] = ()
        self._wanted = settings.expires
        self._exchange = 0
        self._waiting = False
        """For the response of `_exchange`."""
        self._again = False
        """Register once more when it has come."""
        self._left = ""
        """The Contact of before, whose binding is taken back along with the next registration."""
        self._bound_until: float | None = None
        self._failures = 0
        self._raises = 0
        self._at: float | None = None
        """When to register next."""

    # --- commands ------------------------------------------------------------------------------------------------------------------

    def start(self, now: float, headers: tuple[tuple[str, str], ...] | None = None) -> list[UsageAction]:
        """Register, or refresh at once. The headers go along with those of the settings from now on; None: as before."""
        self._check_open()
        if headers is not None:
            self._headers = headers
        if self._waiting:
            self._again = True
            return []
        self._failures = 0
        return self._register()

    def stop(self, now: float, headers: tuple[tuple[str, str], ...] = ()) -> list[UsageAction]:
        """Unregister: Unregistered is told and the usage is done, whatever is answered."""
        self._check_open()
        self.state, self._at, self._again = RegistrationState.UNREGISTERING, None, False
        self._last_headers = headers
        return [] if self._waiting else self._unregister(now)

    def flow_closed(self, flow: Flow, now: float) -> list[UsageAction]:
        """Register again: the connection that the binding is for has gone (RFC 5626 §4.4)."""
        if self.state is not RegistrationState.REGISTERED:
            return []
        if self._waiting:
            self._again = True
            return []
        return self._register()

    # --- of a usage -----------------------------------------------------------------------------------------------------------------

    def receive_request(self, request: Request, transaction: int | None, now: float) -> list[UsageAction]:
        return [] if transaction is None else [Reply(transaction, build_response(481))]

    def receive_response(self, exchange: int, response: Response, now: float) -> list[UsageAction]:
        if exchange != self._exchange or not self._waiting or response.code < 200:
            return []
        self._waiting = False
        if self.state is RegistrationState.UNREGISTERING:
            if self._wanted > 0:  # that of a REGISTER before
                self._note_binding(response, now)
                return self._unregister(now)
            return self._end(Unregistered(response))
        if response.code < 300:
            return self._succeeded(response, now)
        return self._refused(response, now)

    def tick(self, now: float) -> list[UsageAction]:
        if self._at is None or self._at > now:
            return []
        return self._register()

    def deadline(self) -> float | None:
        return self._at

    # --- requests -------------------------------------------------------------------------------------------------------------------

    def _register(self) -> list[UsageAction]:
        if self.state is not RegistrationState.REGISTERED:
            self.state = RegistrationState.REGISTERING
        return self._ask(self._headers)

    def _unregister(self, now: float) -> list[UsageAction]:
        if self._bound_until is None or self._bound_until <= now:
            return self._end(Unregistered(None))
        self._wanted = 0
        return self._ask(self._last_headers)

    def _ask(self, headers: tuple[tuple[str, str], ...]) -> list[UsageAction]:
        self._at, self._again, self._waiting = None, False, True
        self._exchange += 1
        settings = self.settings
        contact = f"{settings.contact};expires={self._wanted}"
        supported = "path"
        if settings.instance:
            contact += f';+sip.instance="{settings.instance}"'
        if self.outbound:
            contact += f";reg-id={settings.reg_id}"
            supported = "path, outbound"
        lines = [("Route", route) for route in settings.routes]
        if self._left:
            contact += f", {self._left};expires=0"
        lines += [("Contact", contact), ("Expires", str(self._wanted)), ("Supported", supported), *settings.headers, *headers]
        request = build_request(
            "REGISTER", settings.registrar, from_=self._from, to=settings.identity, call_id=settings.call_id,
            cseq=self._sequence.next(), headers=lines,
        )  # fmt: skip
        return [Ask(self._exchange, request, self._sequence)]

    # --- responses ------------------------------------------------------------------------------------------------------------------

    def _succeeded(self, response: Response, now: float) -> list[UsageAction]:
        granted = self._note_binding(response, now)
        if granted <= 0:
            return self._later(response, now)
        self._failures = self._raises = 0
        self.state = RegistrationState.REGISTERED
        self.path = _values(response, "Path")
        self.service_route = _values(response, "Service-Route")
        self.flow_timer = _seconds(response, "Flow-Timer")
        moved = self._learn(response)
        told: list[UsageAction] = [Tell(Registered(response, granted))]
        if self._again or moved:
            return [*told, *self._register()]
        self._at = now + refresh_after(granted, self._dice())
        return told

    def _learn(self, response: Response) -> bool:
        """
        Take the address that the registrar has seen us at into the Contact; True: register with that at once.

        Where it is another one each time that waits for the next refresh, so that a registrar is not asked for ever.
        """
        before, was_left, self._left = self.settings.contact, self._left, ""
        contact = seen_contact(before, response) if self.settings.learn else before
        if contact == before:
            return False
        self.settings, self._left = replace(self.settings, contact=contact), before
        return not was_left

    def _note_binding(self, response: Response, now: float) -> int:
        """Return the seconds that a response grants us, 0 unless it is a 2xx."""
        if not 200 <= response.code < 300:
            return 0
        granted = min(granted_seconds(response, self.settings, self._wanted), MAX_EXPIRES)
        self._bound_until = now + granted
        return granted

    def _refused(self, response: Response, now: float) -> list[UsageAction]:
        if response.code == 423 and self._raises < RAISES:
            least = _seconds(response, "Min-Expires") or 0
            if self._wanted < least <= MAX_EXPIRES:
                self._wanted = least
                self._raises += 1
                return self._register()
        if response.code == 439 and self.outbound:
            self.outbound = False
            return self._register()
        if response.local or response.code in LATER:
            return self._later(response, now)
        return self._end(RegistrationFailed(response.code, response.reason, response, None))

    def _later(self, response: Response, now: float) -> list[UsageAction]:
        settings = self.settings
        wait = back_off(self._failures, self._dice(), settings.retry_base_s, settings.retry_max_s)
        try:
            asked = views.retry_after(response)
        except SipError:
            asked = None
        if asked is not None:  # as often as others are told so, they had better not come at once
            wait = max(wait, min(asked, MAX_EXPIRES) + settings.retry_base_s * self._dice())
        self._failures += 1
        self.state, self._at = RegistrationState.RETRYING, now + wait
        return [Tell(RegistrationFailed(response.code, response.reason, response, wait))]

    def _end(self, event: Unregistered | RegistrationFailed) -> list[UsageAction]:
        self.state, self._at, self._again = RegistrationState.OVER, None, False
        return [Tell(event), Done()]

    def _check_open(self) -> None:
        if self.state in (RegistrationState.UNREGISTERING, RegistrationState.OVER):
            raise WrongState(self.state.value, "a registration that is not given up")

    def _dice(self) -> float:
        """A random number between 0 and 1."""
        return int(self._token(4), 16) / 0xFFFF_FFFF


def granted_seconds(response: Response, settings: RegistrationSettings, wanted: int) -> int:
    """
    Return for how long a 2xx to REGISTER binds us: what our Contact in it says, else its Expires, else what we asked for.

    A registrar lists every binding of the address of record. Ours is the one with our instance and reg-id, with the same URI, or, as
    some rewrite what is behind a NAT, with the same user part.
    """
    try:
        bindings = views.contacts(response)
        ours = parse_name_address(settings.contact)
        binding = next((one for same in (_same_instance, _same_address, _same_user) for one in bindings if same(one, ours, settings)), None)
    except SipError:
        binding = None
    text = None if binding is None else binding.params.get("expires")
    if text is not None and text.isascii() and text.isdigit() and len(text) < 11:
        return int(text)
    general = _seconds(response, "Expires")
    return wanted if general is None else general


def _same_instance(one: NameAddress, ours: NameAddress, settings: RegistrationSettings) -> bool:
    if not settings.instance or unquote(one.params.get("+sip.instance") or "") != settings.instance:
        return False
    return not settings.reg_id or one.params.get("reg-id") in (None, str(settings.reg_id))


def _same_address(one: NameAddress, ours: NameAddress, settings: RegistrationSettings) -> bool:
    try:
        return same_uri(one.uri, ours.uri)
    except SipError:
        return False


def _same_user(one: NameAddress, ours: NameAddress, settings: RegistrationSettings) -> bool:
    try:
        uri, own = one.uri, ours.uri
    except SipError:
        return False
    return isinstance(uri, SipUri) and isinstance(own, SipUri) and own.user is not None and uri.user == own.user


def _values(response: Response, name: str) -> tuple[str, ...]:
    """The values of a header as they came; none when they cannot be read."""
    try:
        return tuple(value for line in response.headers.all(name) for value in split_list(line))
    except SipError:
        return ()


def _seconds(response: Response, name: str) -> int | None:
    text = (response.headers.get(name) or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 11 else None
