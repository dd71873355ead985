"""Which engine is chosen, and what people are told of it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from boringsdp.errors import ConfigError
from boringsdp.relay.asyncio_engine import AsyncioEngine
from boringsdp.relay.engines import GUIDE, EngineSettings, choose_engine, describe, labels, unheeded
from boringsdp.relay.statistics import EngineFacts


class Native:
    """Stands for the native engine."""

    def __init__(self, sink: Any, **options: Any) -> None:
        self.options = options


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boringsdp_native", SimpleNamespace(Engine=object))
    monkeypatch.setitem(sys.modules, "boringsdp.relay.native_engine", SimpleNamespace(NativeEngine=Native))


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "boringsdp_native", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])


class Missing:
    """Finds no native engine, wherever it may be."""

    def find_spec(self, name: str, *_: Any) -> None:
        if name == "boringsdp_native":
            raise ModuleNotFoundError(name)


@pytest.mark.usefixtures("installed")
def test_the_native_engine_is_taken_where_it_is_installed_with_all_that_was_asked():
    asked = EngineSettings(workers=3, hold_us=0, hold_above=7, sockets="per-call", plain_ports=(1024, 2047), max_transports=9)
    choice = choose_engine(asked)
    assert choice.workers == 3
    engine = choice.make(lambda events: None)
    assert isinstance(engine, Native)
    assert engine.options == {
        "workers": 3,
        "hold_us": 0,
        "hold_above": 7,
        "sockets": "per-call",
        "plain_ports": (1024, 2047),
        "max_transports": 9,
    }


@pytest.mark.usefixtures("installed")
async def test_the_asyncio_engine_is_taken_where_it_is_asked_for():
    choice = choose_engine(EngineSettings(kind="asyncio", hold_us=0))
    engine = choice.make(lambda events: None)
    assert isinstance(engine, AsyncioEngine)
    assert (choice.workers, engine.facts.hold_us) == (1, 0)
    assert describe(engine.facts, EngineSettings(kind="asyncio"), choice.reason) == "asyncio: as configured"  # hold_us 0: never
    await engine.close()


@pytest.mark.usefixtures("missing")
async def test_without_the_native_engine_the_asyncio_engine_runs_and_says_why():
    settings = EngineSettings(workers=4, hold_us=300)
    choice = choose_engine(settings)
    engine = choice.make(lambda events: None)
    assert choice.workers == 1
    told = describe(engine.facts, settings, choice.reason)
    assert told == (
        "asyncio: boringsdp-native is not installed (pip install ./native), packets taken together for up to 1 ms under load; "
        "engine.workers=4 is of no effect; engine.hold_us=300 is taken as 1000"
    )
    await engine.close()


@pytest.mark.usefixtures("missing")
def test_a_native_engine_that_is_asked_for_and_missing_is_a_complaint_that_says_what_to_do():
    with pytest.raises(ConfigError, match=r"engine\.kind: .*pip install \./native"):
        choose_engine(EngineSettings(kind="native"))


def test_what_cannot_be_loaded_or_is_something_else_is_not_taken(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "boringsdp_native", ModuleType("boringsdp_native"))
    assert "something else" in choose_engine(EngineSettings()).reason
    monkeypatch.setitem(sys.modules, "boringsdp_native", None)  # type: ignore[arg-type]
    assert choose_engine(EngineSettings()).workers == 1


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (
            EngineFacts(name="native", sockets="steered", hold_us=500),
            "native: 1 worker, plain ports steered into one socket (sk_lookup), packets held up to 500 us above 5,000 a second",
        ),
        (
            EngineFacts(name="native", workers=2, reason="no CAP_NET_RAW"),
            'native: 2 workers, a socket for each plain port (no CAP_NET_RAW; see "Ports without sockets" in docs/deployment.md), '
            "packets never held",
        ),
        (
            EngineFacts(name="native", workers=2, sockets="steered", hold_us=500),
            "native: 2 workers, plain ports steered into one socket a worker (sk_lookup), packets held up to 500 us above 5,000 a second",
        ),
    ],
)
def test_what_people_are_told(facts: EngineFacts, told: str):
    assert describe(facts, EngineSettings(), "") == told
    assert describe(facts, EngineSettings(hold_above=0), "") == told.replace("above 5,000 a second", "always")
    assert not list(unheeded(facts, EngineSettings(hold_us=300, hold_above=0)))
    assert set(labels(facts)) == {"engine", "workers", "sockets", "hold_us"}


def test_the_deployment_guide_has_the_section_that_people_are_sent_to():
    guide = Path(__file__).parents[2] / "docs" / "deployment.md"
    assert f"## {GUIDE}\n" in guide.read_text()


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("hosts", "why"),
    [
        (("0.0.0.0", "::"), "0.0.0.0 is not one address, :: is not one address"),
        (("fe80::1",), "fe80::1 is link-local"),
        (("0.0.0.0", "192.0.2.1"), ""),
        (("169.254.0.1",), ""),
        ((), ""),
    ],
)
def test_ports_are_not_said_to_be_steered_where_no_address_can_be(hosts: tuple[str, ...], why: str):
    engine = choose_engine(EngineSettings(plain_hosts=hosts)).make(lambda events: None)
    assert isinstance(engine, Native)
    assert (engine.options["sockets"], engine.options.get("reason", "")) == ("per-call" if why else "auto", why)
    if why:
        with pytest.raises(ConfigError, match=rf"engine\.sockets: steered cannot be had: {why};"):
            choose_engine(EngineSettings(plain_hosts=hosts, sockets="steered"))
    choose_engine(EngineSettings(plain_hosts=hosts, sockets="per-call"))
