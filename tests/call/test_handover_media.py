"""Legs with keys that go from call to call: nothing is negotiated again below SDP, and media of the new partner is understood at once."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from boringsdp.call import Party
from boringsdp.call.settings import CallSettings
from boringsdp.relay import RelaySettings
from boringsdp.sdp import PLAIN, SDES_MANDATORY, WEBRTC, LegStyle
from tests.call.conftest import Bench
from tests.support.ng_peer import KINDS, Peer

STYLES: dict[str, LegStyle] = {"AVP": PLAIN, "SAVP": SDES_MANDATORY, "WebRTC": WEBRTC}
PAYLOADS = itertools.count(1)


@pytest.fixture
def settings() -> CallSettings:
    return CallSettings(max_calls=8)


@pytest.fixture
def relay_settings() -> RelaySettings:
    return RelaySettings(webrtc_hosts=("127.0.0.1",), plain_hosts=("127.0.0.1",), plain_ports=(43000, 43200), port_rest_s=0.0)


async def hear_each_other(one: Peer, other: Peer) -> None:
    """What each says comes to the other, and nothing that it cannot read."""
    for speaker, listener in ((one, other), (other, one)):
        async with asyncio.timeout(5):
            said = next(PAYLOADS).to_bytes(4, "big") * 40
            while said not in listener.heard:
                speaker.speak(said)
                await asyncio.sleep(0.02)
    assert one.faults == other.faults == []


@pytest.mark.parametrize("target", STYLES)
@pytest.mark.parametrize("stays", STYLES)
async def test_who_stays_keeps_its_keys(bench: Bench, stays: str, target: str):
    one, left, other = [await Peer.open(KINDS[name], mux=name == "WebRTC") for name in (stays, "AVP", target)]
    call = bench.calls.create(bench.news.append)
    answer = left.answer(call.offer(Party.A, one.offer(), to=PLAIN))
    one.take_answer(call.answer(Party.B, answer))
    await one.connect()
    await hear_each_other(one, left)
    made = bench.relay.statistics()["handshakes"].get("completed", 0)
    assert made == (stays == "WebRTC")

    joined = bench.calls.create(bench.news.append)
    asked = joined.alone.invite(call.alone.ability(Party.A), STYLES[target])
    joined.alone.settle(Party.B, other.answer(asked))
    joined.take_over(Party.A, call.hand_over(Party.A))
    call.close()
    await other.connect()
    await hear_each_other(one, other)

    again = joined.alone.offer(Party.A, renewed=True)
    joined.alone.settle(Party.A, one.answer(again))
    await hear_each_other(one, other)
    assert bench.relay.statistics()["handshakes"].get("completed", 0) == made + (target == "WebRTC")
    for peer in (one, left, other):
        peer.close()
