"""Bindings over a restart."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from boringsdp.b2bua import store
from boringsdp.b2bua.bindings import Bindings, Bound
from boringsdp.b2bua.registering import Registering, read_register
from boringsdp.b2bua.store import BindingStore, from_json, to_json
from boringsdp.sip.uri import parse_sip_uri
from tests.b2bua.desk import contact, flow, register

ALICE = parse_sip_uri("sip:alice@example.com")


def some(now: float = 0.0) -> Bindings:
    bindings = Bindings()
    for number in (1, 2):
        asked = read_register(register(contact(f"c{number}", str(number), more=";q=0.5"), call_id="c", cseq=number), usual=600)
        assert isinstance(asked, Registering)
        bindings.register(asked, flow(number), now)
    return bindings


def again(bindings: Bindings, cseq: int, number: int = 1) -> Any:
    asked = read_register(register(contact(f"c{number}", str(number)), call_id="c", cseq=cseq), usual=600)
    assert isinstance(asked, Registering)
    return bindings.check(asked) or bindings.register(asked, flow(9), 0.0)


def test_what_is_written_is_read_by_another_clock():
    written = json.loads(json.dumps(to_json(some(now=100.0), now=150.0, wallclock=5000.0)))
    read = from_json(written, now=7.0, wallclock=5100.0)
    assert [(binding.uri, binding.instance, binding.reg_id, binding.q, binding.call_id, binding.cseq) for binding in read] == [
        ("sip:c1@a1b2c3.invalid;transport=ws", "<urn:uuid:1>", 1, 0.5, "c", 1),
        ("sip:c2@a1b2c3.invalid;transport=ws", "<urn:uuid:2>", 1, 0.5, "c", 2),
    ]
    assert [binding.expires_at for binding in read] == [7.0 + 450.0] * 2
    assert from_json(written, now=7.0, wallclock=5550.0) == []


def test_a_binding_of_before_waits_for_its_browser():
    bindings = Bindings(grace_s=30)
    for binding in from_json(to_json(some(), 0.0, 5000.0), 0.0, 5000.0):
        assert bindings.restore(binding, 0.0)
    assert all(binding.reachable and binding.flow is None for binding in bindings.of(ALICE))
    assert again(bindings, 1).code == 500  # type: ignore[attr-defined]
    heard: list[object] = []
    bindings.wait(next(binding for binding in bindings if binding.instance == "<urn:uuid:1>"), heard.append)
    (action,) = again(bindings, 2)
    assert isinstance(action, Bound)
    assert not action.fresh
    assert heard == [flow(9)]
    assert len(bindings.tick(30.0)) == 1  # the other has not come back
    assert len(bindings) == 1


def test_those_of_a_pbx_are_not_kept():
    bindings = some()
    next(iter(bindings)).account = object()  # type: ignore[assignment]
    assert len(to_json(bindings, 0.0, 0.0)["bindings"]) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"version": 2, "bindings": []}',
        '{"version": 1, "bindings": {}}',
        '{"version": 1, "bindings": [1]}',
        '{"version": 1, "bindings": [{}]}',
        '{"version": 1, "bindings": [{"aor": "x"}]}',
        "[" * 100_000,
    ],
)
async def test_a_file_that_is_none_is_begun_anew(tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture):
    path = tmp_path / "bindings.json"
    path.write_text(text)
    bindings = Bindings()
    assert BindingStore(str(path), bindings).load() == 0
    assert [record.message for record in caplog.records] == ["bindings of before not read"]


async def test_changes_are_saved_soon_and_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store, "SAVE_S", 0.01)
    path = tmp_path / "bindings.json"
    bindings = some(asyncio.get_running_loop().time())
    kept = BindingStore(str(path), bindings)
    assert kept.load() == 0
    for _ in range(100):
        kept.changed()
    async with asyncio.timeout(5):
        while not path.exists():  # noqa: ASYNC110 (a thread writes it)
            await asyncio.sleep(0.01)
    assert path.stat().st_mode & 0o777 == 0o600
    for binding in bindings:
        bindings.remove(binding, "unregistered")
    kept.changed()
    await kept.close()
    assert json.loads(path.read_text())["bindings"] == []
    assert [each.name for each in tmp_path.iterdir()] == ["bindings.json"]


async def test_a_disk_that_is_full_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    kept = BindingStore(str(tmp_path / "no" / "folder" / "file"), some())
    kept.changed()
    await kept.close()
    assert [record.message for record in caplog.records] == ["bindings not saved"]
