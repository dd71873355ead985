"""Event subscriptions (RFC 6665), both sides: the subscriber and the notifier. Usages (`actions.py`)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from boringsdp.sip.actions import UsageAction
from boringsdp.sip.message import Request, Response
from boringsdp.values import Value


class SubscriptionSettings(Value, frozen=True, kw_only=True):
    """Who wants news of what."""

    target: str
    """Request-URI."""
    from_: str
    """name-addr without a tag; `to` likewise."""
    to: str
    contact: str
    call_id: str
    event: str
    """The Event header: a package with its parameters."""
    expires: int = 3600
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


class Subscription:
    """The subscriber. The user agent leads to it the NOTIFYs of its Call-ID, From tag (their To) and event."""

    def __init__(self, settings: SubscriptionSettings, token: Callable[[int], str] = secrets.token_hex) -> None:
        raise NotImplementedError

    @property
    def call_id(self) -> str:
        raise NotImplementedError

    @property
    def local_tag(self) -> str:
        raise NotImplementedError

    def start(self, now: float) -> list[UsageAction]:
        raise NotImplementedError

    def refresh(self, now: float, expires: int | None = None) -> list[UsageAction]:
        raise NotImplementedError

    def stop(self, now: float) -> list[UsageAction]:
        """Unsubscribe; over with the last NOTIFY, or without it after a while."""
        raise NotImplementedError

    def receive_request(self, request: Request, transaction: int | None, now: float) -> list[UsageAction]:
        raise NotImplementedError

    def receive_response(self, exchange: int, response: Response, now: float) -> list[UsageAction]:
        raise NotImplementedError

    def tick(self, now: float) -> list[UsageAction]:
        raise NotImplementedError

    def deadline(self) -> float | None:
        raise NotImplementedError
