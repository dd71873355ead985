"""Which engine moves the packets: the one that is asked for, or the best that is installed."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from boringsdp.errors import ConfigError
from boringsdp.relay.asyncio_engine import NAP_S, AsyncioEngine
from boringsdp.relay.engine import Engine, EventSink
from boringsdp.relay.statistics import EngineFacts

EngineFactory = Callable[[EventSink], Engine]

INSTALL = "pip install ./native"
GUIDE = "Ports without sockets"
"""The section of the deployment guide on what steering needs."""


@dataclass(slots=True, frozen=True, kw_only=True)
class EngineSettings:
    """
    What is asked for. `kind`: auto, asyncio or native; `sockets`: auto, steered or per-call.

    Packets wait up to `hold_us` microseconds to be taken together, in the native engine when a worker has more than `hold_above` a second;
    0: never. `plain_ports` is the inclusive range that plain legs use, `plain_hosts` are their addresses (none: not known).
    """

    kind: str = "auto"
    workers: int = 1
    hold_us: int = 500
    hold_above: int = 5000
    sockets: str = "auto"
    plain_ports: tuple[int, int] = (20000, 29999)
    plain_hosts: tuple[str, ...] = ()
    max_transports: int = 20_000


@dataclass(slots=True, frozen=True)
class Choice:
    """What makes the engine, why it is that one (for people), and how many workers it will have."""

    make: EngineFactory
    reason: str
    workers: int = 1


def choose_engine(settings: EngineSettings) -> Choice:
    """Return the engine to use. Raises `ConfigError` when the native one, or steered sockets, are asked for and cannot be had."""
    asyncio_engine = partial(AsyncioEngine, nap_s=NAP_S if settings.hold_us else 0.0, max_transports=settings.max_transports)
    if settings.kind == "asyncio":
        return Choice(asyncio_engine, "as configured")
    native, missing = _native()
    if native is not None:
        options = {
            name: getattr(settings, name) for name in ("workers", "hold_us", "hold_above", "sockets", "plain_ports", "max_transports")
        }
        if settings.sockets != "per-call" and (why_not := _why_not_steered(settings.plain_hosts)):
            if settings.sockets == "steered":
                raise ConfigError("engine.sockets", f"steered cannot be had: {why_not}; write addresses of this machine, or auto")
            options |= {"sockets": "per-call", "reason": why_not}
        return Choice(partial(native, **options), "as configured" if settings.kind == "native" else "installed", settings.workers)
    if settings.kind == "native":
        raise ConfigError("engine.kind", missing)
    return Choice(asyncio_engine, missing)


def _why_not_steered(hosts: Sequence[str]) -> str:
    """Why ports are steered on none of these addresses; empty when they are on one."""
    reasons = []
    for host in map(ipaddress.ip_address, hosts):
        if not host.is_unspecified and not (host.version == 6 and host.is_link_local):
            return ""
        reasons.append(f"{host} is {'not one address' if host.is_unspecified else 'link-local'}")
    return ", ".join(reasons)


def _native() -> tuple[Callable[..., Engine] | None, str]:
    """The native engine's class, or why it cannot be had."""
    try:
        import boringsdp_native
    except ModuleNotFoundError:
        return None, f"boringsdp-native is not installed ({INSTALL})"
    except ImportError as error:  # of another machine or another Python
        return None, f"boringsdp-native cannot be loaded: {error}"
    if not hasattr(boringsdp_native, "Engine"):
        return None, f"what is installed as boringsdp-native is something else ({INSTALL})"
    from boringsdp.relay.native_engine import NativeEngine

    return NativeEngine, ""


def describe(facts: EngineFacts, settings: EngineSettings, reason: str) -> str:
    """Return one line for people: which engine runs, how, and why."""
    if facts.name == "asyncio":
        held = f", packets taken together for up to {facts.hold_us / 1000:g} ms under load" if facts.hold_us else ""
        ignored = [f"{key}={value} {why}" for key, value, why in unheeded(facts, settings)]
        return "; ".join((f"{facts.name}: {reason}{held}", *ignored))
    workers = "1 worker" if facts.workers == 1 else f"{facts.workers} workers"
    sockets = "a socket for each plain port"
    if facts.sockets == "steered":
        sockets = f"plain ports steered into one socket{' a worker' if facts.workers > 1 else ''} (sk_lookup)"
    elif facts.reason:
        sockets += f' ({facts.reason}; see "{GUIDE}" in docs/deployment.md)'
    above = f"above {settings.hold_above:,} a second" if settings.hold_above else "always"
    held = f"packets held up to {facts.hold_us} us {above}" if facts.hold_us else "packets never held"
    return f"{facts.name}: {workers}, {sockets}, {held}"


def unheeded(facts: EngineFacts, settings: EngineSettings) -> Iterator[tuple[str, Any, str]]:
    """Yield the keys that the engine does not go by although they were set, each with its value and what becomes of it."""
    if facts.name != "asyncio":
        return
    usual = EngineSettings()
    for name, heeded in (("workers", 1), ("hold_us", 0), ("hold_above", None), ("sockets", "per-call")):
        value = getattr(settings, name)
        if value not in (getattr(usual, name), heeded):
            yield f"engine.{name}", value, f"is taken as {facts.hold_us}" if name == "hold_us" else "is of no effect"


def labels(facts: EngineFacts) -> dict[str, Any]:
    """The same as short values, for logs and metrics."""
    return {"engine": facts.name, "workers": facts.workers, "sockets": facts.sockets, "hold_us": facts.hold_us}
