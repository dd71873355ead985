"""Subscriptions through the gateway: a dialog with the subscriber, one with the notifier, and the news passed between."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from boringsdp import logs
from boringsdp.b2bua.messages import UNREACHED, best, code_of, flow_of, sender, told
from boringsdp.b2bua.plan import Kind
from boringsdp.errors import BoringError, SipError
from boringsdp.sip import headers as views
from boringsdp.sip.build import response as build_response
from boringsdp.sip.message import Response
from boringsdp.sip.notifier import NotifierEnded, NotifierRefreshed
from boringsdp.sip.subscription import (
    AGAIN_AT_ONCE,
    AGAIN_LATER,
    NotifyReceived,
    SubscriptionActive,
    SubscriptionEnded,
    SubscriptionFailed,
)

if TYPE_CHECKING:
    from boringsdp.b2bua.plan import Attempt, Plan
    from boringsdp.sip.account import Hear, IncomingSubscribe
    from boringsdp.sip.facades import NotifierHandle, Subscription
    from boringsdp.sip.message import Request

LONGEST_S = 3600
"""What a subscriber is granted at most."""
MAX_RELAYS = 20_000
MAX_OF_SOURCE = 256
"""Subscriptions of one address of From."""
log = logs.bind()


class Subscriptions:
    """One for the front."""

    def __init__(self, limit: int = MAX_RELAYS) -> None:
        self._limit = limit
        self._relays: set[_Relay] = set()
        self._of_source: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._relays)

    def relay(self, came: IncomingSubscribe, plan: Plan, *, challenges: bool = False) -> None:
        """
        Subscribe at the attempts of the plan, one after another, until one is taken; its news go to the subscriber.

        `challenges` as with `Messages.relay`. Either end of it ends the other. An empty plan is 404, too many subscriptions are 503.
        """
        try:
            source, wanted = views.from_(came.request).uri_text, _wanted(came.request)
        except SipError:
            came.incoming.answer(400, "Bad From Or Expires")
            return
        if len(self._relays) >= self._limit or self._of_source[source] >= MAX_OF_SOURCE:
            came.incoming.answer(503, headers=[("Retry-After", "60")])
            return
        made = _Relay(self, came, plan, challenges, source, wanted)
        self._relays.add(made)
        self._of_source[source] += 1
        made.start()

    def close(self) -> None:
        """End all."""
        for relay in tuple(self._relays):
            relay.end("deactivated")

    def forget(self, relay: _Relay) -> None:
        """It is over."""
        self._relays.discard(relay)
        self._of_source[relay.source] -= 1
        if not self._of_source[relay.source]:
            del self._of_source[relay.source]


class _Relay:
    """One subscription: `near` is the subscriber's with us, `far` is ours."""

    def __init__(self, home: Subscriptions, came: IncomingSubscribe, plan: Plan, challenges: bool, source: str, wanted: int) -> None:
        self.source = source
        self._wanted = wanted
        self._home = home
        self._came = came
        self._challenges = challenges
        self._attempts = deque(attempt for group in plan for attempt in group)
        self._asked: Attempt | None = None
        self._failures: list[Response] = []
        self._near: NotifierHandle | None = None
        self._far: Subscription | None = None
        self._over = False

    def start(self) -> None:
        """Ask the next attempt; without one the subscriber is refused."""
        self._came.incoming.later()
        while self._attempts:
            if self._ask(self._attempts.popleft()):
                return
        self._over = True
        self._home.forget(self)
        if not self._came.incoming.answered:
            code, reason, lines = told(best(self._failures) if self._failures else build_response(404), challenges=self._challenges)
            self._came.incoming.answer(code, reason, lines)

    def end(self, reason: str, content_type: str = "", body: bytes = b"") -> None:
        """The last news to the subscriber, and no more from the notifier."""
        if self._over:
            return
        self._over = True
        self._home.forget(self)
        if self._far is not None and not self._far.over:
            self._far.hear = None
            self._far.unsubscribe()
        if self._near is not None:
            self._near.terminate(reason, content_type, body)
        elif not self._came.incoming.answered:
            self._came.incoming.answer(480)

    def _ask(self, attempt: Attempt) -> bool:
        request, self._asked = self._came.request, attempt
        flow = flow_of(attempt)
        if flow is None and attempt.kind is Kind.BROWSER:
            self._failures.append(build_response(480))
            return False
        early: list[Any] = []
        """Told while the SUBSCRIBE was being sent."""
        hear: Hear = early.append
        try:
            far = attempt.account.subscribe(
                attempt.uri,
                request.headers.get("Event") or "",
                hear=lambda event: hear(event),
                expires=self._wanted,
                accept=", ".join(request.headers.all("Accept")),
                headers=attempt.headers,
                content_type=request.headers.get("Content-Type") or "",
                body=request.body,
                flow=flow,
                to=attempt.to,
                from_=sender(attempt),
                route=attempt.route,
            )
        except BoringError as error:
            self._failures.append(build_response(code_of(error)))
            return False
        self._far, hear = far, self._hear_far
        for event in early:
            hear(event)
        return True

    # --- news of the notifier ---------------------------------------------------------------------------------------------------------

    def _hear_far(self, event: Any) -> None:
        match event:
            case _ if self._over:
                return
            case SubscriptionActive(response, expires):
                self._accept(expires, response)
            case NotifyReceived(request, state, reason):
                self._notify(request, state, reason)
            case SubscriptionFailed(response=response) if self._near is None:
                self._failures.append(response)
                self._far = None
                if response.code in UNREACHED and self._asked is not None and self._asked.otherwise is not None:
                    self._attempts.appendleft(self._asked.otherwise)
                self.start()
            case SubscriptionFailed(code=code):
                self.end("deactivated" if code in (401, 407) else "noresource")
            case SubscriptionEnded(reason):
                self.end("noresource" if reason == "local" else reason)

    def _accept(self, expires: int, response: Response | None = None) -> NotifierHandle | None:
        """Tell the subscriber yes, once; None when it is gone."""
        if self._near is None:
            try:
                self._near = self._came.accept(min(expires, LONGEST_S), self._hear_near)
            except BoringError:
                self.end("noresource")
                return None
        return self._near

    def _notify(self, request: Request, state: str, reason: str) -> None:
        near = self._accept(self._wanted)
        if near is None:
            return
        content_type = request.headers.get("Content-Type") or ""
        if state != "terminated":
            near.notify(state, content_type, request.body)
        elif reason not in AGAIN_AT_ONCE and reason not in AGAIN_LATER:
            self.end(reason or "noresource", content_type, request.body)
        elif request.body:
            near.notify("active", content_type, request.body)  # we subscribe again by ourselves

    # --- news of the subscriber -------------------------------------------------------------------------------------------------------

    def _hear_near(self, event: Any) -> None:
        match event:
            case NotifierEnded(reason):
                log.debug("subscription ended", extra={"reason": reason})
                self.end(reason)
            case NotifierRefreshed() if self._far is not None:
                self._far.refresh()


def _wanted(request: Request) -> int:
    asked = views.expires(request)
    return LONGEST_S if asked is None else min(asked, LONGEST_S)
