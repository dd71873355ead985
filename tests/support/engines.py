"""
The engine that tests run on, by the environment variable BORINGSDP_TEST_ENGINE.

`asyncio` (the default), `native-per-call` or `native-steered`; with `-x2` behind a native one it has two workers. Tests of one engine's own
insides name it themselves.
"""

from __future__ import annotations

import os

from boringsdp.relay import Relay, RelaySettings
from boringsdp.relay.engines import EngineSettings, choose_engine

VARIABLE = "BORINGSDP_TEST_ENGINE"
NAME = os.environ.get(VARIABLE) or "asyncio"


def engine_flags() -> dict[str, str]:
    """What the configuration of a gateway under test says of its engine, by dotted key. Raises ValueError for an unknown name."""
    if NAME == "asyncio":
        return {"engine.kind": "asyncio"}
    kind, _, sockets = NAME.removesuffix("-x2").partition("-")
    if kind != "native" or sockets not in ("per-call", "steered"):
        raise ValueError(f"{VARIABLE} is {NAME}")
    return {"engine.kind": "native", "engine.sockets": sockets, "engine.workers": "2" if NAME.endswith("-x2") else "1"}


def engine_arguments() -> list[str]:
    """The same as arguments of the command line."""
    return [f"--{key}={value}" for key, value in engine_flags().items()]


def make_relay(settings: RelaySettings) -> Relay:
    """
    A relay on the engine under test. Raises `ConfigError` when that is not installed.

    With a port towards trunks it has one worker: each has such a port of its own, and tests name one.
    """
    flags = engine_flags()
    asked = EngineSettings(
        kind=flags["engine.kind"],
        sockets=flags.get("engine.sockets", "auto"),
        workers=1 if settings.trunk_port else int(flags.get("engine.workers", "1")),
        plain_ports=settings.plain_ports,
    )
    return Relay(choose_engine(asked).make, settings)
