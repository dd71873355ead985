"""The event subscriptions of one handle: one for each package and target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from boringsdp.errors import JanusError
from boringsdp.sip import account as told
from boringsdp.sip.facades import Account, Subscription
from boringsdp.sip.message import Message
from boringsdp.sip_plugin import events
from boringsdp.sip_plugin import requests as ask
from boringsdp.sip_plugin.codes import IO_ERROR, WRONG_STATE
from boringsdp.sip_plugin.view import content_type_of, header_of, text_of, why

Key = tuple[str, str]


class Subscriptions:
    """`push`, `show` and `later` are the handle's."""

    def __init__(
        self,
        limit: int,
        push: Callable[..., None],
        show: Callable[[Message | None], dict[str, Any]],
        later: Callable[[Callable[[], None]], None],
    ) -> None:
        self._limit = limit
        self._later = later
        self._push = push
        self._show = show
        self._by_key: dict[Key, Subscription] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def begin(self, account: Account, target: str, request: ask.Subscribe) -> dict[str, Any]:
        """Subscribe, or refresh what is there already with the values of this request; returns the reply."""
        key = (request.event, target)
        present = self._by_key.get(key)
        if present is not None and not present.over:
            if request.ttl == 0:
                return self.end(target, request.event)
            present.renew(
                3600 if request.ttl is None else request.ttl,
                accept=request.accept,
                headers=request.headers,
                content_type=request.content_type,
                body=request.content.encode(),
            )
            return {"event": "subscribing", "call_id": present.call_id}
        if len(self._by_key) >= self._limit:
            raise JanusError(IO_ERROR, f"A handle has at most {self._limit} subscriptions", "event")
        made = account.subscribe(
            target,
            request.event,
            hear=lambda event: self._later(lambda: self._hear(key, event)),
            expires=3600 if request.ttl is None else request.ttl,
            accept=request.accept,
            headers=request.headers,
            content_type=request.content_type,
            body=request.content.encode(),
            call_id=request.call_id or None,
        )
        self._by_key[key] = made
        return {"event": "subscribing", "call_id": made.call_id}

    def end(self, target: str, package: str) -> dict[str, Any]:
        """Unsubscribe; returns the reply."""
        present = self._by_key.get((package, target))
        if present is None:
            raise JanusError(WRONG_STATE, f"Wrong state (no subscription to event {package} of {target})", "event")
        present.unsubscribe()
        return {"event": "unsubscribing"}

    def close(self) -> None:
        """End all; nothing is told."""
        for each in list(self._by_key.values()):
            each.hear = None
            if not each.over:
                each.unsubscribe()
        self._by_key.clear()

    def _hear(self, key: Key, event: Any) -> None:
        present = self._by_key.get(key)
        call_id = present.call_id if present is not None else ""
        match event:
            case told.SubscriptionActive(response, expires):
                result = events.subscribe_succeeded(response.code, response.reason, expires, self._show(response))
                self._push(result, call_id=call_id)
            case told.SubscriptionFailed(code, reason, response):
                self._by_key.pop(key, None)
                self._push(events.subscribe_failed(code, why(reason, response), self._show(response)), call_id=call_id)
            case told.NotifyReceived(request, state):
                package = header_of(request, "Event").partition(";")[0].strip() or key[0]
                result = events.notify(package, state, content_type_of(request), text_of(request), self._show(request))
                self._push(result, call_id=call_id)
            case told.SubscriptionEnded(reason):
                if self._by_key.pop(key, None) is not None:
                    self._push({"event": "subscription_ended", "notify": key[0], "reason": reason}, call_id=call_id)
