"""The one list of engines that must pass this folder's tests. A further engine is a further line here."""

from __future__ import annotations

from collections.abc import Callable

from boringsdp.relay.asyncio_engine import AsyncioEngine
from boringsdp.relay.engine import Engine, EventSink

ENGINES: dict[str, Callable[[EventSink], Engine]] = {
    "asyncio": AsyncioEngine,
}
