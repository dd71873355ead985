"""The one list of engines that must pass this folder's tests. A further engine is a further line here."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from boringsdp.errors import ConfigError
from boringsdp.relay.asyncio_engine import AsyncioEngine
from boringsdp.relay.engine import Engine, EventSink


def native(sink: EventSink, **options: Any) -> Engine:
    """The native engine. Skips the test where it, or what its sockets need, cannot be had."""
    pytest.importorskip("boringsdp_native", reason="boringsdp-native is not installed (make native)")
    make: Callable[..., Engine] = importlib.import_module("boringsdp.relay.native_engine").NativeEngine
    try:
        return make(sink, **options)
    except ConfigError as error:
        pytest.skip(f"the native engine cannot have these sockets: {error.reason}")


ENGINES: dict[str, Callable[[EventSink], Engine]] = {
    "asyncio": AsyncioEngine,
    "native": partial(native, sockets="per-call"),
    "native-steered": partial(native, sockets="steered"),
    "native-two-workers": partial(native, sockets="per-call", workers=2),
    "native-steered-two-workers": partial(native, sockets="steered", workers=2),
    "native-held": partial(native, sockets="per-call", hold_us=500, hold_above=0),
}
