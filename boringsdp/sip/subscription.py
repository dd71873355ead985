"""Event subscriptions as their subscriber has them (RFC 6665): made, refreshed, made again, ended. A usage (`actions.py`)."""

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
from boringsdp.sip.dialog import Dialog
from boringsdp.sip.headers import SubscriptionState
from boringsdp.sip.message import Request, Response
from boringsdp.sip.timers import DEFAULT_TIMERS, back_off, refresh_after
from boringsdp.values import Value, replace

MAX_EXPIRES = 7 * 86_400
"""Seconds: more is not asked for (423), and not believed."""

RAISES = 3
"""How often in a row a notifier may want a longer time."""

RETRY_BASE_S = 10.0
RETRY_MAX_S = 600.0

LATER = frozenset((408, 429, 480, 491, 500, 502, 503, 504))
"""Answers to a refresh after which it is tried again; 481 makes a new subscription, all others end it."""

AGAIN_AT_ONCE = frozenset(("deactivated", "timeout"))
AGAIN_LATER = frozenset(("probation", "giveup"))
"""Reasons for which a notifier that ends a subscription is asked anew (RFC 6665 §4.1.3); after all others it is over."""


class SubscriptionSettings(Value, frozen=True, kw_only=True):
    """Who wants news of what."""

    target: str
    """Request-URI."""
    from_: str
    """name-addr without a tag; `to` likewise."""
    to: str
    contact: str
    """Empty: the exchange knows."""
    call_id: str
    event: str
    """The Event header: a package with its parameters."""
    expires: int = 3600
    """0 asks for one NOTIFY (RFC 6665 §4.4.3)."""
    accept: str = ""
    routes: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = ""
    body: bytes = b""


@dataclass(slots=True, frozen=True)
class SubscriptionActive:
    """A SUBSCRIBE was accepted, the first one or a refresh."""

    response: Response
    expires: int


@dataclass(slots=True, frozen=True)
class SubscriptionFailed:
    """The subscription was refused and is over."""

    code: int
    reason: str
    response: Response


@dataclass(slots=True, frozen=True)
class NotifyReceived:
    """News; it has been answered 200. `state` is active, pending or terminated; `reason` is of the last."""

    request: Request
    state: str
    reason: str = ""


@dataclass(slots=True, frozen=True)
class SubscriptionEnded:
    """It is over: `reason` of Subscription-State, `local`, `timeout`. `retry_after` in seconds if the notifier named a time."""

    reason: str
    retry_after: int | None = None


class State(enum.Enum):
    """`ACTIVE` while the notifier has accepted it, pending or not; `RETRYING` waits before it is made anew."""

    IDLE = "idle"
    ASKING = "asking"
    ACTIVE = "active"
    RETRYING = "retrying"
    ENDING = "ending"
    OVER = "over"


class Subscription:
    """
    The subscriber. The user agent leads to it the requests of its Call-ID whose To tag is `local_tag`.

    The first notifier that answers counts, by 2xx or NOTIFY; those of other forks get 481. Deviation from RFC 6665 §4.1.2.4: a notifier
    that accepts and does not send the NOTIFY it owes is not given up; voice mail servers do so.
    """

    def __init__(self, settings: SubscriptionSettings, token: Callable[[int], str] = secrets.token_hex) -> None:
        self.settings = settings
        self.state = State.IDLE
        self.local_tag = token(8)
        self._token = token
        self._sequence = Sequence()
        self._dialog: Dialog | None = None
        self._wanted = settings.expires
        self._asked: Request | None = None
        self._exchange = 0
        self._waiting = False
        """For the response of `_exchange`."""
        self._again: int | None = None
        """The Expires of the SUBSCRIBE to send when it has come."""
        self._until: float | None = None
        """When the notifier forgets it."""
        self._failures = 0
        self._raises = 0
        self._at: float | None = None
        """When to refresh, to try again, or to wait no longer."""

    @property
    def call_id(self) -> str:
        return self.settings.call_id

    @property
    def dialog(self) -> Dialog | None:
        return self._dialog

    # --- commands ------------------------------------------------------------------------------------------------------------------

    def start(self, now: float) -> list[UsageAction]:
        if self.state is not State.IDLE:
            raise WrongState(self.state.value, State.IDLE.value)
        self.state = State.ASKING
        return self._ask(self._wanted)

    def refresh(self, now: float, expires: int | None = None) -> list[UsageAction]:
        """Send SUBSCRIBE now, or when the one under way is answered; for another time than before if one is given."""
        if self.state in (State.IDLE, State.ENDING, State.OVER):
            raise WrongState(self.state.value, State.ACTIVE.value)
        if expires is not None:
            self._wanted = expires
        if self.state is State.RETRYING:
            self.state = State.ASKING
        return self._ask(self._wanted)

    def change(self, *, accept: str, headers: tuple[tuple[str, str], ...], content_type: str, body: bytes) -> None:
        """What SUBSCRIBEs say from now on; `refresh` sends one."""
        self.settings = replace(self.settings, accept=accept, headers=headers, content_type=content_type, body=body)

    def stop(self, now: float) -> list[UsageAction]:
        """Unsubscribe; over with the last NOTIFY, or without it after a while."""
        if self.state in (State.ENDING, State.OVER):
            return []
        if self.state in (State.IDLE, State.RETRYING) and not self._waiting:
            return self._end(SubscriptionEnded("local"))
        self.state, self._at = State.ENDING, None
        return self._ask(0)

    # --- of a usage -----------------------------------------------------------------------------------------------------------------

    def receive_request(self, request: Request, transaction: int | None, now: float) -> list[UsageAction]:
        if transaction is None:
            return []
        try:
            code = self._fits(request)
            state = views.subscription_state(request) or SubscriptionState("active", None, None, None, {})
        except SipError as problem:
            return [Reply(transaction, build_response(400, f"Bad {problem.header or 'Request'}"))]
        if code != 200:
            return [Reply(transaction, build_response(code, headers=self._instead(code)))]
        told: list[UsageAction] = [
            Reply(transaction, build_response(200)),
            Tell(NotifyReceived(request, state.state, state.reason or "")),
        ]
        return told + self._notified(state, now)

    def receive_response(self, exchange: int, response: Response, now: float) -> list[UsageAction]:
        if exchange != self._exchange or not self._waiting or response.code < 200:
            return []
        self._waiting = False
        if response.code < 300:
            actions = self._accepted(response, now)
        elif self.state is State.ENDING and (self._again is None or self._dialog is None):
            actions = self._end(SubscriptionEnded("local"))
        elif self._again is not None or self.state is State.RETRYING:
            actions = []  # of a dialog that is given up, or of no account: more is to be said
        else:
            actions = self._refused(response, now)
        if self._again is not None and not self._waiting and self.state is not State.OVER:
            actions += self._ask(self._again)
        return actions

    def tick(self, now: float) -> list[UsageAction]:
        if self._at is None or self._at > now:
            return []
        self._at = None
        if self.state is State.ENDING:
            return self._end(SubscriptionEnded("local"))
        if self.state is State.RETRYING or (self._until is not None and self._until <= now):
            self._dialog, self.state = None, State.ASKING
        return self._ask(self._wanted)

    def deadline(self) -> float | None:
        return self._at

    # --- requests -------------------------------------------------------------------------------------------------------------------

    def _ask(self, expires: int) -> list[UsageAction]:
        if self._waiting:
            self._again = expires
            return []
        self._again, self._waiting, self._at = None, True, None
        self._exchange += 1
        settings = self.settings
        lines = [("Event", settings.event), ("Expires", str(expires))]
        if settings.accept:
            lines.append(("Accept", settings.accept))
        lines += settings.headers
        if self._dialog is not None:
            self._asked = self._dialog.request("SUBSCRIBE", lines, settings.content_type, settings.body, contact=settings.contact)
        else:
            routes = [("Route", route) for route in settings.routes]
            contact = [("Contact", settings.contact)] if settings.contact else []
            self._asked = build_request(
                "SUBSCRIBE", settings.target, from_=f"{settings.from_};tag={self.local_tag}", to=settings.to, call_id=settings.call_id,
                cseq=self._sequence.next(), headers=[*routes, *contact, *lines], content_type=settings.content_type, body=settings.body,
            )  # fmt: skip
        return [Ask(self._exchange, self._asked, self._sequence)]

    def _accepted(self, response: Response, now: float) -> list[UsageAction]:
        try:
            granted = min(self._wanted if (said := views.expires(response)) is None else said, MAX_EXPIRES)
            if self._dialog is None and self._asked is not None:
                self._dialog = Dialog.of_response(self._asked, response, self._sequence)
            elif self._dialog is not None:
                self._dialog.refresh_target(response)
        except SipError:
            return self._end(SubscriptionFailed(response.code, response.reason, response))
        self._failures = self._raises = 0
        if self.state is State.ENDING:
            self._at = now + DEFAULT_TIMERS.timeout  # for the last NOTIFY
            return []
        self.state, self._until = State.ACTIVE, now + granted
        self._at = now + (refresh_after(granted, self._dice()) if granted else DEFAULT_TIMERS.timeout)
        if not self._wanted:
            self.state = State.ENDING
        return [Tell(SubscriptionActive(response, granted))]

    def _refused(self, response: Response, now: float) -> list[UsageAction]:
        refreshed = self._until is not None
        if response.code == 423 and self._raises < RAISES:
            try:
                least = views.min_expires(response) or 0
            except SipError:
                least = 0
            if self._wanted < least <= MAX_EXPIRES:
                self._wanted = least
                self._raises += 1
                return self._ask(least)
        if refreshed and response.code == 481 and self._dialog is not None:
            self._dialog, self.state = None, State.ASKING
            return self._ask(self._wanted)
        if refreshed and (response.local or response.code in LATER):
            self._at = now + self._pause()
            return []
        return self._end(SubscriptionFailed(response.code, response.reason, response))

    # --- NOTIFY ---------------------------------------------------------------------------------------------------------------------

    def _fits(self, request: Request) -> int:
        """Return the code that answers a request in the dialog: 200 for a NOTIFY of ours. Raises SipError."""
        if self.state is State.OVER:
            return 481
        if request.method != "NOTIFY":
            return 405
        event = views.event(request)
        package, _, params = self.settings.event.partition(";")
        if event is None or event.package != package.strip().lower():
            return 489
        if event.id is not None and f"id={event.id}" not in params.replace(" ", ""):
            return 481
        if self._dialog is None:
            self._dialog = Dialog.of_request(request, self.local_tag)
            self._dialog.sequence = self._sequence
            return 200
        if views.from_(request).tag != self._dialog.id.remote_tag:
            return 481
        if not self._dialog.in_order(request):
            return 500
        self._dialog.refresh_target(request)
        return 200

    def _instead(self, code: int) -> list[tuple[str, str]]:
        """What a refusal says would have been right (RFC 3261 §8.2.1, RFC 6665 §8.2)."""
        return {405: [("Allow", "NOTIFY")], 489: [("Allow-Events", self.settings.event.partition(";")[0].strip())]}.get(code, [])

    def _notified(self, state: SubscriptionState, now: float) -> list[UsageAction]:
        if state.state == "terminated":
            return self._terminated(state, now)
        if state.expires is not None and self.state is State.ACTIVE and not self._waiting:
            granted = min(state.expires, MAX_EXPIRES)
            if self._until is None or now + granted < self._until - 1:
                self._until, self._at = now + granted, now + refresh_after(granted, self._dice())
        return []

    def _terminated(self, state: SubscriptionState, now: float) -> list[UsageAction]:
        reason = state.reason or ""
        if self.state is State.ENDING or not self._wanted:
            return self._end(SubscriptionEnded(reason or "local", state.retry_after))
        if reason not in AGAIN_AT_ONCE and reason not in AGAIN_LATER:
            return self._end(SubscriptionEnded(reason or "noresource", state.retry_after))
        self._dialog, self.state = None, State.RETRYING
        if reason in AGAIN_AT_ONCE and not self._failures:
            self._failures, self.state = 1, State.ASKING
            return self._ask(self._wanted)
        self._at = now + max(self._pause(), min(state.retry_after or 0, MAX_EXPIRES))
        return []

    def _pause(self) -> float:
        self._failures += 1
        return back_off(self._failures - 1, self._dice(), RETRY_BASE_S, RETRY_MAX_S)

    def _end(self, event: SubscriptionEnded | SubscriptionFailed) -> list[UsageAction]:
        self.state, self._at, self._again, self._waiting = State.OVER, None, None, False
        return [Tell(event), Done()]

    def _dice(self) -> float:
        """A random number between 0 and 1."""
        return int(self._token(4), 16) / 0xFFFF_FFFF
