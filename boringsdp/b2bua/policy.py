"""
Where calls go: the protocol that a module of one's own implements, and what is done without one.

`b2bua.routing = "my_module:MyRouting"` names a class, or a function, that takes `B2buaSettings` and returns a `Routing`.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from boringsdp.b2bua.settings import Mode
from boringsdp.errors import ConfigError
from boringsdp.sip.message import Request
from boringsdp.sip.uri import SipUri

if TYPE_CHECKING:
    from boringsdp.b2bua.bindings import Binding
    from boringsdp.b2bua.identity import Identity
    from boringsdp.b2bua.record import CallRecord
    from boringsdp.b2bua.settings import B2buaSettings, DomainSettings

DEFAULT_PORT = 5060


@dataclass(slots=True, frozen=True)
class Asked:
    """A call (or a MESSAGE, a SUBSCRIBE …) that somebody wants. `caller` is None for what comes from a PBX."""

    domain: DomainSettings
    caller: Identity | None
    called: SipUri
    request: Request
    binding: Binding | None = None
    """The browser that the PBX means, where it knows each by a Contact of its own (pass-through)."""
    user: SipUri | None = None
    """The user here whom `called` names, registered or not; None: nobody that we know."""
    diverted: int = 0
    """How often the call has been led elsewhere by 3xx; `called` is then where to."""


@dataclass(slots=True, frozen=True)
class ToPbx:
    """
    Somebody that the PBX knows. `next_hop` is which address of it.

    None: where `uri` names the domain, the addresses of its PBX in turn until one can be reached; else the host of `uri`.
    """

    uri: SipUri
    next_hop: SipUri | None = None


@dataclass(slots=True, frozen=True)
class ToUser:
    """All browsers that are registered under an address of record, or that one."""

    aor: SipUri
    binding: Binding | None = None


@dataclass(slots=True, frozen=True)
class ToEcho:
    """The gateway itself: the caller hears and sees itself."""


To = ToPbx | ToUser | ToEcho


@dataclass(slots=True, frozen=True, kw_only=True)
class Route:
    """
    Whom to try: one group after another, those of a group at once.

    The next group comes when nobody of one has answered: busy, away, rung for too long. Who declines for all places (6xx) ends it, and who
    asks for a password.
    """

    groups: tuple[tuple[To, ...], ...]
    ring_s: float | None = None
    """How long each group may ring; None: as the settings say."""
    headers: Iterable[tuple[str, str]] = ()
    """Added to what is sent on."""
    identity: SipUri | None = None
    """Who calls, as they are told; None: who it is."""
    display_name: str | None = None


@dataclass(slots=True, frozen=True)
class Refusal:
    """No."""

    code: int = 403
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()


Decision = Route | Refusal


class Routing(Protocol):
    """
    Decides.

    Each method may be a coroutine; while it waits the caller hears nothing but 100. A target by itself is a route to it. What it
    raises, or returns that is no decision, refuses the call (500).
    """

    def from_browser(self, asked: Asked) -> Decision | To | Awaitable[Decision | To]:
        """A web phone wants something of somebody."""

    def from_pbx(self, asked: Asked) -> Decision | To | Awaitable[Decision | To]:
        """The PBX wants something of a user."""

    def record(self, record: CallRecord) -> None:
        """A call has ended."""


class DefaultRouting:
    """Users here are called at all their browsers, everybody else at the PBX. Can be inherited from."""

    def __init__(self, settings: B2buaSettings) -> None:
        self.settings = settings

    def from_browser(self, asked: Asked) -> Decision | Awaitable[Decision]:
        if asked.user is not None:
            return Route(groups=((ToUser(asked.user),),))
        if not asked.domain.pbx and (asked.domain.mode is not Mode.PASS_THROUGH or asked.called.host.lower() != asked.domain.name):
            return Refusal(404)
        host, port = asked.called.host.lower(), asked.called.port
        places = {(uri.host.lower(), uri.port or DEFAULT_PORT) for uri in asked.domain.pbx}
        if asked.diverted and port is not None and (host, port) not in places and host in {name for name, _ in places}:
            return Route(groups=((ToPbx(asked.called),),))  # a 3xx of the PBX names another part of it
        if host in {asked.domain.name, *(name for name, _ in places)}:
            at_domain = SipUri(
                asked.called.scheme, asked.called.user, asked.domain.name, None, asked.called.without("transport", "maddr").params
            )
            return Route(groups=((ToPbx(at_domain),),))
        return Route(groups=((ToPbx(asked.called, asked.domain.pbx[0]),),))  # whether strangers are called is for the PBX to say

    def from_pbx(self, asked: Asked) -> Decision | Awaitable[Decision]:
        if asked.binding is not None:
            return Route(groups=((ToUser(asked.binding.aor, asked.binding),),))
        if asked.user is not None:
            return Route(groups=((ToUser(asked.user),),))
        return self.from_browser(asked) if asked.diverted else Refusal(404)

    def record(self, record: CallRecord) -> None:
        """The log and the records file have it already."""


def load_routing(settings: B2buaSettings) -> Routing:
    """Return the policy that `b2bua.routing` names, or the default. Raises ConfigError."""
    if not settings.routing:
        return DefaultRouting(settings)
    name, _, member = settings.routing.partition(":")
    try:
        made = getattr(importlib.import_module(name), member)(settings)
    except (ImportError, AttributeError, TypeError) as error:
        raise ConfigError("b2bua.routing", f"cannot be had: {error}") from error
    missing = [method for method in ("from_browser", "from_pbx", "record") if not callable(getattr(made, method, None))]
    if missing:
        raise ConfigError("b2bua.routing", f"has no {', '.join(missing)}")
    routing: Routing = made
    return routing
