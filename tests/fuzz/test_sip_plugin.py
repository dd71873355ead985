"""Damaged messages and SDPs at the SIP plugin: browsers and telephones that do anything, over a hostile network."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from boringsdp.call import Calls, CallSettings
from boringsdp.janus_api.actions import PluginFailed
from boringsdp.janus_api.plugin import PluginContext
from boringsdp.relay import Relay, RelaySettings
from boringsdp.sip_plugin import SipPlugin
from tests.fuzz.campaign import Case, cases, check_count, told
from tests.fuzz.gateway import HOST, MemoryEngine
from tests.fuzz.mutations import mutate_sdp_octets
from tests.fuzz.sip_fronts import LoopNetwork, made_endpoint
from tests.fuzz.sip_world import leftovers
from tests.fuzz.test_sip_endpoint import Failures, logged
from tests.sip_plugin.conftest import World
from tests.sip_plugin.test_random import Chaos
from tests.support.clock import run_in_virtual_time

pytestmark = pytest.mark.load

EACH = 40
QUIET_S = 3_000.0


class HostileChaos(Chaos):
    """Half of what the telephone sends is no sensible SDP."""

    def sdp(self) -> bytes:
        text = super().sdp()
        return mutate_sdp_octets(self.dice, text.decode()) if self.dice.random() < 0.5 else text


async def _live(case: Case, failures: Failures) -> None:
    rng = case.rng
    network = LoopNetwork(rng)
    here, there = made_endpoint(network, "192.0.2.1"), made_endpoint(network, "192.0.2.2")
    relay = Relay(MemoryEngine, RelaySettings(webrtc_hosts=(HOST,), webrtc_port=3478, plain_hosts=(HOST,), plain_ports=(20_000, 20_199)))
    await relay.start()
    plugin = SipPlugin(PluginContext(Calls(relay, CallSettings(max_calls=20)), {}, here))
    world = World(plugin, relay, here, there)
    chaos = HostileChaos(world, rng.randrange(1 << 30))
    rounds = 0
    while network.thrown < EACH and not failures.records:
        rounds += 1
        assert rounds < 5_000, "nobody says anything"
        chaos.ask() if rng.random() < 0.5 else chaos.act()
        await asyncio.sleep(rng.choice((0.005, 0.1, 0.1, 1.0, 40.0)))
        case.input = network.last
    network.hostile = 0.0
    for session in chaos.sessions:
        if not session.over:
            session.hang_up()
    for line in chaos.lines:
        line.ask({"request": "reset"})
    await asyncio.sleep(QUIET_S)
    broken = [news.error for line in chaos.lines for news in line.news if isinstance(news, PluginFailed)]
    assert not broken, broken[0]
    await plugin.close()
    for account in list(there._accounts.values()):
        account.close()
    await asyncio.sleep(QUIET_S)
    _check_empty(network, relay, here, there)
    for endpoint in (here, there):
        await endpoint.close()
    await relay.close()
    assert not failures.records, failures.records[0]
    case.count(network.thrown, took=network.taken)


def _check_empty(network: LoopNetwork, relay: Relay, *endpoints: Any) -> None:
    for endpoint in endpoints:
        endpoint.ua.tick(network.now)
        assert leftovers(endpoint.ua) == {}, [entry.usage for entry in endpoint.ua.entries()]
    figures = relay.statistics()
    assert (figures["transports"], figures["streams"], figures["ports_used"]) == (0, 0, 0), figures


def test_the_plugin_lives_with_damaged_messages_and_leaves_nothing() -> None:
    with logged() as failures:
        for case in cases("sip-plugin", EACH):
            failures.records.clear()
            with told(case):
                run_in_virtual_time(_live(case, failures))
    check_count("sip-plugin", least_taken=0.1, most_taken=0.8)
