"""Packets through every pair of transports, by commands: peers of each kind on both sides, as offerer and as answerer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from boringsdp.call import Calls, CallSettings
from boringsdp.ng.front import NgFront
from boringsdp.ng.settings import NgSettings
from boringsdp.relay import RelaySettings, reports
from tests.support.engines import make_relay
from tests.support.ng_dialogue import Dialogue
from tests.support.ng_peer import KINDS, Kind, Peer


@pytest.fixture
async def front(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NgFront]:
    monkeypatch.setattr(reports, "FIRST", (0.2, 0.3))
    monkeypatch.setitem(reports.INTERVAL, "audio", 0.4)
    relay = make_relay(RelaySettings(webrtc_hosts=("127.0.0.1",), plain_ports=(45000, 45999), port_rest_s=0.0))
    await relay.start()
    calls = Calls(relay, CallSettings())
    front = NgFront(calls, NgSettings(delete_delay_s=0.0))
    yield front
    calls.close()
    await front.close()
    await relay.close()


async def attempt(front: NgFront, a: Kind, b: Kind, mux: tuple[bool, bool], role: str) -> str:
    """Return what went wrong with a pair, empty when all is well."""
    name = f"{a.name} to {b.name}"
    peers = [await Peer.open(kind, mux=each) for kind, each in zip((a, b), mux, strict=True)]
    try:
        await Dialogue(front, name, *peers, mux=mux, role=role).run()
    except (AssertionError, TimeoutError, KeyError) as error:
        return f"{name}: {type(error).__name__} {error} faults {peers[0].faults} {peers[1].faults} open {[p.connected for p in peers]}"
    finally:
        for peer in peers:
            peer.close()
    return ""


MUXES = {"no mux": (False, False), "mux": (True, True), "A muxes": (True, False), "B muxes": (False, True)}
CASES = {f"{a}, {mux}": (KINDS[a], MUXES[mux]) for a in KINDS for mux in MUXES if not KINDS[a].mux_only or mux in ("mux", "no mux")}
"""A's kind and who muxes; where only one does, browsers, which always do, are left out."""


@pytest.mark.parametrize(("a", "mux"), CASES.values(), ids=CASES)
async def test_every_pair_of_transports(front: NgFront, a: Kind, mux: tuple[bool, bool]):
    """All kinds of B at once. The roles of DTLS alternate: peers answer active where A muxes, else passive."""
    others = [kind for kind in KINDS.values() if not kind.mux_only or mux[0] is mux[1]]
    failed = await asyncio.gather(*(attempt(front, a, b, mux, "active" if mux[0] else "passive") for b in others))
    assert not [text for text in failed if text]
    assert front.execute({"command": "list"})["calls"] == []
