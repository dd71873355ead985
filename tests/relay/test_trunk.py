"""relay/trunk.py: which ports there are, who gets them, and whose an address is."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from boringsdp.errors import ConfigError
from boringsdp.relay import Failed, PlainTransport, Relay, RelaySettings, TransportEvent
from boringsdp.relay.asyncio_engine import AsyncioEngine
from boringsdp.relay.engine import Address, EngineFacts, PortId
from tests.support.engines import make_relay
from tests.support.trunk import free_pair

NEAR, OTHER, FAR = ("127.0.0.1", 5004), ("127.0.0.1", 5008), ("127.0.0.9", 5004)


@pytest.fixture
def heard() -> list[TransportEvent]:
    return []


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    settings = RelaySettings(
        plain_ports=(44000, 44100), port_rest_s=0.0, interfaces={"inside": ("127.0.0.1",), "out": ("127.0.0.1",)},
        interface_advertised={"out": {"127.0.0.1": "203.0.113.5"}}, trunk_port=free_pair(), trunks=("127.0.0.1/32", "2001:db8::/32"),
        trunk_interfaces=frozenset({"out"}),
    )  # fmt: skip
    relay = make_relay(settings)
    await relay.start()
    yield relay
    await relay.close()


def is_shared(relay: Relay, transport: PlainTransport) -> bool:
    return transport.addresses[0][1] == relay.settings.trunk_port


async def test_who_is_put_on_the_port(relay: Relay, heard: list[TransportEvent]) -> None:
    for told, shared in (
        ({"peer": NEAR}, True),
        ({"peer": ("::ffff:127.0.0.1", 5010)}, True),
        ({"peer": FAR}, False),
        ({"peer": ("::1", 5004)}, False),
        ({}, False),
        ({"interface": "inside"}, False),
        ({"interface": "out"}, True),
        ({"interface": "out", "peer": FAR}, False),
        ({"interface": "out", "ice": True}, False),
        ({"interface": "out", "may_share": False}, False),
    ):
        transport = relay.open_plain(heard.append, **{"may_share": True, **told})  # type: ignore[arg-type]
        assert is_shared(relay, transport) == shared, told
        assert transport.rtcp_port == transport.addresses[0][1] + 1
        assert transport.addresses[0][0] == ("203.0.113.5" if told.get("interface") == "out" else "127.0.0.1")
        transport.close()
    muxed = relay.open_plain(heard.append, may_share=True, peer=NEAR, rtcp_mux=True)
    assert (is_shared(relay, muxed), muxed.rtcp_port) == (True, None)
    with pytest.raises(ConfigError):
        relay.open_plain(heard.append, may_share=True, peer=NEAR, host="192.0.2.1")


async def test_an_address_is_reserved_from_the_beginning(relay: Relay, heard: list[TransportEvent]) -> None:
    first = relay.open_plain(heard.append, may_share=True, peer=NEAR)
    second = relay.open_plain(heard.append, may_share=True, peer=("::ffff:127.0.0.1", NEAR[1]))
    assert (is_shared(relay, first), is_shared(relay, second)) == (True, False)
    first.close()
    assert is_shared(relay, relay.open_plain(heard.append, may_share=True, peer=NEAR))
    assert relay.statistics()["trunk_addresses"] == 1


async def test_what_is_refused_is_told(relay: Relay, heard: list[TransportEvent]) -> None:
    first, second = (relay.open_plain(heard.append, may_share=True, peer=peer) for peer in (NEAR, OTHER))
    first.set_remote(NEAR)
    assert second.refusal(OTHER) == ""
    assert "in use" in second.refusal(NEAR)
    assert "not in rtp.trunks" in second.refusal(FAR)
    second.set_remote(NEAR)
    assert heard == [Failed("address-taken")]
    assert second.statistics().remote is None
    second.set_remote(OTHER)
    assert second.ready
    first.set_remote(None)
    second.set_remote(NEAR)
    assert second.statistics().remote == NEAR


async def test_rtcp_that_another_has_is_done_without(relay: Relay, heard: list[TransportEvent]) -> None:
    first, second = (relay.open_plain(heard.append, may_share=True, peer=peer) for peer in (NEAR, OTHER))
    first.set_remote(NEAR, ("127.0.0.1", 6001))
    second.set_remote(OTHER, ("127.0.0.1", 6001))
    assert (second.statistics().remote, second.statistics().rtcp_remote) == (OTHER, None)
    assert first.statistics().rtcp_remote == ("127.0.0.1", 6001)


async def test_who_is_retired_gives_way(relay: Relay, heard: list[TransportEvent]) -> None:
    first = relay.open_plain(heard.append, may_share=True, peer=NEAR)
    first.set_remote(NEAR)
    first.retire()
    assert first.statistics().remote == NEAR
    second = relay.open_plain(heard.append, may_share=True, peer=NEAR)
    assert (is_shared(relay, second), first.statistics().remote, first.ready) == (True, None, False)
    second.set_remote(NEAR)
    first.set_remote(NEAR)
    assert heard == [Failed("address-taken")]
    first.close()
    assert second.statistics().remote == NEAR


async def test_each_worker_has_its_ports() -> None:
    opened: list[tuple[str, int, int]] = []

    class Workers(AsyncioEngine):
        """Looks as if it had two workers."""

        @property
        def facts(self) -> EngineFacts:
            return EngineFacts(name="two", workers=2)

        def open_port(self, address: Address, worker: int = 0) -> tuple[PortId, Address]:
            opened.append((*address, worker))
            return super().open_port(address)

    port = free_pair(2)
    relay = Relay(Workers, RelaySettings(plain_ports=(44000, 44100), trunk_port=port, trunks=("127.0.0.0/8",)))
    await relay.start()
    assert [(number, worker) for _, number, worker in opened if number >= port][-4:] == [
        (port, 0), (port + 1, 0), (port + 2, 1), (port + 3, 1),
    ]  # fmt: skip
    places = [relay.open_plain(lambda event: None, may_share=True, peer=NEAR).addresses[0][1] for _ in range(3)]
    assert places[:2] == [port, port + 2]
    assert places[2] not in places[:2]
    await relay.close()
