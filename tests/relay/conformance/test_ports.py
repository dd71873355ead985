"""Ports: opening, closing, what a command out of turn answers."""

from __future__ import annotations

import pytest

from boringsdp.errors import LocalError, WrongState
from boringsdp.relay.engine import IceCredentials, Latch, PortId, Route, StreamId, StreamSpec, TransportId, TransportSpec, Way
from tests.relay.conformance.world import World


async def test_says_where_a_port_is_and_frees_it(world: World) -> None:
    number, address = world.engine.open_port(("127.0.0.1", 0))
    assert address[0] == "127.0.0.1"
    assert address[1] > 0
    with pytest.raises(OSError):
        world.engine.open_port(address)
    world.engine.close_port(number)
    again, same = world.engine.open_port(address)
    assert again != number
    assert same == address


async def test_both_families_can_have_the_same_port_number(world: World) -> None:
    _, address = world.engine.open_port(("127.0.0.1", 0))
    assert world.engine.open_port(("::1", address[1]))[1] == ("::1", address[1])


async def test_a_port_in_use_is_not_closed(world: World) -> None:
    leg = world.plain()
    with pytest.raises(WrongState):
        world.engine.close_port(PortId(1))
    world.engine.remove_transport(leg.transport)
    world.engine.close_port(PortId(1))


async def test_unknown_ids_are_refused(world: World) -> None:
    engine, ghost, mute = world.engine, TransportId(999), StreamId(999)
    for command in (
        lambda: engine.close_port(PortId(999)),
        lambda: engine.add_transport(TransportSpec(id=ghost, ports=(PortId(999),))),
        lambda: engine.add_transport(TransportSpec(id=ghost, ports=())),
        lambda: engine.remove_transport(ghost),
        lambda: engine.set_remote(ghost, None, None, Latch.ONCE),
        lambda: engine.add_stream(StreamSpec(id=mute, transport=ghost, kind="audio", send_ssrc=1, clock_rates={})),
        lambda: engine.remove_stream(mute),
        lambda: engine.route(Route(source=mute, target=mute, payload_types={})),
        lambda: engine.unroute(mute, mute),
        lambda: engine.send(ghost, b"x"),
        lambda: engine.send_rtcp(ghost, b"x"),
        lambda: engine.set_keys(ghost, Way.SEND, None),
        lambda: engine.set_rtcp_keys(ghost, Way.SEND, None),
        lambda: engine.restart_ice(ghost, IceCredentials("u", "p")),
        lambda: engine.mux_rtcp(ghost, True),
        lambda: engine.set_tos(ghost, 0),
        lambda: engine.forward(ghost, None),
        lambda: engine.resend(mute, (1,)),
        lambda: engine.inject(mute, 0, b"x"),
        lambda: engine.stream_statistics(mute),
        lambda: engine.transport_statistics(ghost),
    ):
        with pytest.raises(LocalError):
            command()


async def test_an_own_port_serves_one_transport(world: World) -> None:
    world.plain()
    with pytest.raises(WrongState):
        world.engine.add_transport(TransportSpec(id=TransportId(50), ports=(PortId(1),)))


async def test_host_names_are_refused(world: World) -> None:
    leg = world.plain()
    with pytest.raises(WrongState):
        world.engine.set_remote(leg.transport, ("localhost", 4000), None, Latch.ONCE)
    with pytest.raises(WrongState):
        world.engine.send(leg.transport, b"x", to=("localhost", 4000))
    assert leg.transport_statistics.remote == leg.peer.address


async def test_removing_a_transport_takes_its_streams_and_routes(world: World) -> None:
    left, right = world.plain(), world.plain()
    world.route(left, right)
    world.route(right, left)
    world.engine.remove_transport(left.transport)
    assert list(world.engine.statistics().streams) == [right.stream]
    right.peer.speak()
    await world.until(lambda: right.received.packets == 1)
    world.engine.remove_transport(right.transport)


async def test_nothing_is_reported_after_close(world: World) -> None:
    leg = world.plain()
    leg.peer.speak()
    await world.engine.close()
    before = len(world.events)
    leg.peer.speak()
    await leg.peer.hears_nothing()
    assert len(world.events) == before
