"""Which engine moves the packets: the one that is asked for, or the best that is installed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from boringsdp.errors import ConfigError
from boringsdp.relay.asyncio_engine import NAP_S, AsyncioEngine
from boringsdp.relay.engine import Engine, EventSink
from boringsdp.relay.statistics import EngineFacts

EngineFactory = Callable[[EventSink], Engine]

INSTALL = "pip install ./native"


@dataclass(slots=True, frozen=True, kw_only=True)
class EngineSettings:
    """
    What is asked for. `kind`: auto, asyncio or native; `sockets`: auto, steered or per-call.

    Packets wait up to `hold_us` microseconds to be taken together, in the native engine when a worker has more than `hold_above` a second;
    0: never. `plain_ports` is the inclusive range that plain legs use.
    """

    kind: str = "auto"
    workers: int = 1
    hold_us: int = 500
    hold_above: int = 5000
    sockets: str = "auto"
    plain_ports: tuple[int, int] = (20000, 29999)
    max_transports: int = 20_000


@dataclass(slots=True, frozen=True)
class Choice:
    """What makes the engine, why it is that one (for people), and how many workers it will have."""

    make: EngineFactory
    reason: str
    workers: int = 1


def choose_engine(settings: EngineSettings) -> Choice:
    """Return the engine to use. Raises `ConfigError` when the native one is asked for and cannot be had."""
    asyncio_engine = partial(AsyncioEngine, nap_s=NAP_S if settings.hold_us else 0.0, max_transports=settings.max_transports)
    if settings.kind == "asyncio":
        return Choice(asyncio_engine, "as configured")
    native, missing = _native()
    if native is not None:
        options = {
            name: getattr(settings, name) for name in ("workers", "hold_us", "hold_above", "sockets", "plain_ports", "max_transports")
        }
        return Choice(partial(native, **options), "as configured" if settings.kind == "native" else "installed", settings.workers)
    if settings.kind == "native":
        raise ConfigError("engine.kind", missing)
    return Choice(asyncio_engine, missing)


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
        ignored = [
            f"engine.{name}={value} is of no effect"
            for name, value, default in (("workers", settings.workers, 1), ("sockets", settings.sockets, "auto"))
            if value not in (default, "per-call")
        ]
        return "; ".join((f"{facts.name}: {reason}", *ignored))
    workers = "1 worker" if facts.workers == 1 else f"{facts.workers} workers"
    sockets = "plain ports steered into one socket (sk_lookup)" if facts.sockets == "steered" else "a socket for each plain port"
    if facts.reason:
        sockets += f" ({facts.reason})"
    held = f"packets held up to {facts.hold_us} us above {settings.hold_above:,} a second" if facts.hold_us else "packets never held"
    return f"{facts.name}: {workers}, {sockets}, {held}"


def labels(facts: EngineFacts) -> dict[str, Any]:
    """The same as short values, for logs and metrics."""
    return {"engine": facts.name, "workers": facts.workers, "sockets": facts.sockets, "hold_us": facts.hold_us}
