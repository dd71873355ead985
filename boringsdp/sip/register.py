"""A registration (RFC 3261 §10.2): made, refreshed, found again after failures, taken back. A usage (`actions.py`)."""

from __future__ import annotations

import enum
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from boringsdp.sip.actions import UsageAction
from boringsdp.sip.flow import Flow
from boringsdp.sip.message import Request, Response
from boringsdp.values import Value


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
    """The binding is taken back; `response` is the last one to the REGISTER that did, None when none was needed."""

    response: Response | None


class Registration:
    """One binding of one address of record."""

    def __init__(self, settings: RegistrationSettings, token: Callable[[int], str] = secrets.token_hex) -> None:
        raise NotImplementedError

    def start(self, now: float, headers: tuple[tuple[str, str], ...] = ()) -> list[UsageAction]:
        """Register, or refresh at once; the headers are added to those of the settings until told otherwise."""
        raise NotImplementedError

    def stop(self, now: float, headers: tuple[tuple[str, str], ...] = ()) -> list[UsageAction]:
        """Unregister: Unregistered is told and the usage is done, whatever is answered."""
        raise NotImplementedError

    def flow_closed(self, flow: Flow, now: float) -> list[UsageAction]:
        """Register again: the connection that the binding is for has gone (RFC 5626 §4.4)."""
        raise NotImplementedError

    def receive_request(self, request: Request, transaction: int | None, now: float) -> list[UsageAction]:
        raise NotImplementedError

    def receive_response(self, exchange: int, response: Response, now: float) -> list[UsageAction]:
        raise NotImplementedError

    def tick(self, now: float) -> list[UsageAction]:
        raise NotImplementedError

    def deadline(self) -> float | None:
        raise NotImplementedError

    @property
    def state(self) -> RegistrationState:
        raise NotImplementedError

    @property
    def service_route(self) -> tuple[str, ...]:
        """Route values for requests of this account (RFC 3608)."""
        raise NotImplementedError
