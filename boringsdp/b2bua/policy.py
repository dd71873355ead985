"""
Where calls go: the protocol that a module of one's own implements, and what is done without one.

`b2bua.routing = "my_module:MyRouting"` names a class, or a function, that takes `B2buaSettings` and returns a `Routing`.
"""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

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
KEY = "b2bua.routing"
METHODS = ("from_browser", "from_pbx", "record")


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
    make = find_policy(settings.routing)
    try:
        made = make(settings)
    except Exception as error:
        raise _not_had(error) from error
    missing = [method for method in METHODS if not callable(getattr(made, method, None))]
    if missing:
        raise ConfigError(KEY, f"has no {', '.join(missing)}")
    routing: Routing = made
    return routing


def find_policy(routing: str) -> Callable[[B2buaSettings], Any]:
    """Return the class or function that `b2bua.routing` names. Raises ConfigError."""
    module, _, name = routing.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
            raise ConfigError(KEY, f"no module {module!r}, neither beside the configuration file nor where Python looks") from error
        raise _not_had(error) from error
    missing = [method for method in METHODS if not callable(getattr(found, method, None))] if isinstance(found, type) else []
    if missing or not callable(found):
        raise ConfigError(KEY, f"{name} has no {', '.join(missing)}" if missing else f"{name} is no class, and no function")
    make: Callable[[B2buaSettings], Any] = found
    return make


def _not_had(error: Exception) -> ConfigError:
    """What is wrong with a policy, and where: a traceback would say less to who has written it."""
    ours = (__file__, importlib.__file__)
    theirs = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename not in ours and frame.filename[0] != "<"]
    place = f" ({theirs[-1].filename}:{theirs[-1].lineno})" if theirs and not isinstance(error, SyntaxError) else ""
    return ConfigError(KEY, f"cannot be had: {type(error).__name__}: {error}{place}")
