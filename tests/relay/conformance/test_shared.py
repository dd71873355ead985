"""Transports without ICE on ports that others share: told apart by exactly where their peers said they are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from boringsdp.errors import WrongState
from boringsdp.relay.engine import (
    Address,
    DtlsReceived,
    IceCredentials,
    Latch,
    PathSelected,
    Profile,
    RtcpPathSelected,
    RtcpReceived,
)
from tests.relay.conformance.world import Leg, Peer, World
from tests.support.asserts import assert_not_happened
from tests.support.media_peer import ice_check

REPORT = bytes.fromhex("80c9000100001234")
HELLO = b"\x16\xfe\xfd" + bytes(30)


class Trunk:
    """An RTP port, an RTCP port, and the legs on them."""

    def __init__(self, world: World, host: str = "127.0.0.1") -> None:
        self.world = world
        self.host = host
        (self.port, self.address), (self.rtcp_port, self.rtcp_address) = world.pair(host)

    def leg(self, *, rtcp: bool = True, announced: bool = True, peer: Peer | None = None, **spec: Any) -> Leg:
        number = self.world.spec(ports=(self.port,), rtcp_port=self.rtcp_port if rtcp else None, shared=True, **spec)
        self.world.engine.add_transport(number)
        leg = self.world._leg(number.id, peer or self.world.peer(self.host), self.address, None)
        leg.ports = (self.port, self.rtcp_port) if rtcp else (self.port,)
        if rtcp:
            leg.rtcp_peer, leg.rtcp_address = self.world.peer(self.host), self.rtcp_address
            leg.rtcp_peer.to = self.rtcp_address
        if announced:
            self.announce(leg)
        return leg

    def announce(self, leg: Leg, rtp: Address | None = None) -> None:
        rtcp = None if leg.rtcp_peer is None else leg.rtcp_peer.address
        self.world.engine.set_remote(leg.transport, rtp or leg.peer.address, rtcp, Latch.ONCE)


@pytest.fixture(params=["127.0.0.1", "::1"])
def trunk(world: World, request: pytest.FixtureRequest) -> Trunk:
    return Trunk(world, request.param)


async def test_two_calls_on_one_port(world: World, trunk: Trunk) -> None:
    for text in (b"first", b"second"):
        carrier, far = trunk.leg(), world.plain()
        world.route(carrier, far)
        world.route(far, carrier)
        carrier.peer.speak(payload=text)
        assert (await far.peer.hear()).payload == text
        far.peer.speak(payload=text)
        data, source = await carrier.peer.hear_raw()
        assert (carrier.peer.read(data).payload, source) == (text, trunk.address)
        assert carrier.received.packets == 1


async def test_a_call_between_two_peers_of_one_port(world: World, trunk: Trunk) -> None:
    one, other = trunk.leg(), trunk.leg()
    world.route(one, other)
    world.route(other, one)
    one.peer.speak(5)
    other.peer.speak(3)
    await other.peer.hear_many(5)
    await one.peer.hear_many(3)
    assert (one.received.packets, other.received.packets) == (5, 3)


async def test_what_comes_from_elsewhere_belongs_to_nobody(world: World, trunk: Trunk) -> None:
    leg, stranger = trunk.leg(), world.peer(trunk.host)
    for data in (stranger.rtp(), REPORT, HELLO):
        stranger.send(data, trunk.address)
        stranger.send(data, trunk.rtcp_address)
    await world.until(lambda: world.engine.statistics().drops.get("unknown_source") == 6)
    assert leg.drops == {}
    assert leg.transport_statistics.packets_received == 0
    assert_not_happened(world.events, DtlsReceived)


async def test_nothing_is_heard_before_it_is_announced(world: World, trunk: Trunk) -> None:
    leg = trunk.leg(announced=False)
    leg.peer.speak()
    leg.peer.send(HELLO)
    await world.until(lambda: world.engine.statistics().drops.get("unknown_source") == 2)
    world.engine.inject(leg.stream, 0, b"nowhere")
    assert leg.drops == {"no_address": 1}
    trunk.announce(leg)
    leg.peer.speak()
    await world.until(lambda: leg.received.packets == 1)


async def test_nobody_moves(world: World, trunk: Trunk) -> None:
    """Latching is STRICT, whatever was said."""
    leg, moved = trunk.leg(latch=Latch.FOLLOW), world.peer(trunk.host)
    moved.send(moved.rtp(), trunk.address)
    await moved.hears_nothing()
    leg.peer.speak()
    await world.until(lambda: leg.received.packets == 1)
    assert leg.transport_statistics.remote == leg.peer.address
    assert not leg.transport_statistics.rtp.learned
    assert leg.transport_statistics.rtp.announced == leg.peer.address
    assert_not_happened(world.events, PathSelected)
    assert_not_happened(world.events, RtcpPathSelected)


async def test_an_address_is_given_once(world: World, trunk: Trunk) -> None:
    first, second = trunk.leg(), trunk.leg(announced=False)
    assert second.rtcp_peer
    with pytest.raises(WrongState, match="another transport"):
        trunk.announce(second, first.peer.address)
    assert second.transport_statistics.remote is None
    second.rtcp_peer.send(REPORT)
    await second.rtcp_peer.hears_nothing()
    assert_not_happened(world.events, RtcpReceived)
    first.peer.speak()
    await world.until(lambda: first.received.packets == 1)
    trunk.announce(second)
    with pytest.raises(WrongState):
        trunk.announce(second, first.peer.address)
    assert second.transport_statistics.remote == second.peer.address  # as before
    second.peer.speak()
    await world.until(lambda: second.received.packets == 1)


async def test_an_rtcp_address_is_given_once(world: World, trunk: Trunk) -> None:
    first, second = trunk.leg(), trunk.leg(announced=False)
    assert first.rtcp_peer
    with pytest.raises(WrongState):
        world.engine.set_remote(second.transport, second.peer.address, first.rtcp_peer.address, Latch.STRICT)
    second.peer.speak()
    await second.peer.hears_nothing()
    assert second.received.packets == 0


async def test_the_rtp_address_of_one_may_be_the_rtcp_address_of_another(world: World, trunk: Trunk) -> None:
    """Ports are taken without a gap where a peer does no RTCP."""
    first, second = trunk.leg(), trunk.leg(announced=False)
    assert first.rtcp_peer
    world.engine.set_remote(second.transport, first.rtcp_peer.address, None, Latch.STRICT)
    first.rtcp_peer.send(REPORT)
    assert (await world.event(RtcpReceived)).transport == first.transport
    packet = first.rtcp_peer.rtp()
    first.rtcp_peer.send(packet, trunk.address)
    await world.until(lambda: second.received.packets == 1)
    assert first.received.packets == 0


async def test_a_new_address_replaces_the_old(world: World, trunk: Trunk) -> None:
    leg, other, moved = trunk.leg(), trunk.leg(announced=False), world.peer(trunk.host)
    moved.to = trunk.address
    trunk.announce(leg, moved.address)
    leg.peer.speak()
    moved.speak()
    await world.until(lambda: leg.received.packets == 1)
    await world.until(lambda: world.engine.statistics().drops.get("unknown_source") == 1)
    world.engine.inject(leg.stream, 0, b"there")
    assert (await moved.hear()).payload == b"there"
    trunk.announce(other, leg.peer.address)  # it is free again
    leg.peer.speak(ssrc=7)
    await world.until(lambda: other.received.packets == 1)


async def test_an_address_that_is_taken_back_is_free(world: World, trunk: Trunk) -> None:
    leg, other = trunk.leg(), trunk.leg(announced=False)
    assert leg.rtcp_peer
    world.engine.set_remote(leg.transport, None, None, Latch.ONCE)
    world.engine.inject(leg.stream, 0, b"nowhere")
    assert leg.drops == {"no_address": 1}
    world.engine.set_remote(other.transport, leg.peer.address, leg.rtcp_peer.address, Latch.ONCE)
    leg.peer.speak()
    await world.until(lambda: other.received.packets == 1)


async def test_a_transport_that_ends_frees_its_address(world: World, trunk: Trunk) -> None:
    leg, other = trunk.leg(), trunk.leg(announced=False)
    assert leg.rtcp_peer
    with pytest.raises(WrongState, match="in use"):
        world.engine.close_port(trunk.port)
    world.engine.remove_transport(leg.transport)
    world.engine.set_remote(other.transport, leg.peer.address, leg.rtcp_peer.address, Latch.ONCE)
    leg.rtcp_peer.send(REPORT)
    assert (await world.event(RtcpReceived)).transport == other.transport
    world.engine.remove_transport(other.transport)
    world.engine.close_port(trunk.port)
    world.engine.close_port(trunk.rtcp_port)


async def test_rtcp_has_the_other_port(world: World, trunk: Trunk) -> None:
    leg, other = trunk.leg(), trunk.leg()
    assert leg.rtcp_peer
    assert other.rtcp_peer
    for each in (leg, other):
        assert each.rtcp_peer
        each.rtcp_peer.send(REPORT)
        assert (await world.event(RtcpReceived, transport=each.transport)).data == REPORT
        world.engine.send_rtcp(each.transport, REPORT)
        assert await each.rtcp_peer.hear_raw() == (REPORT, trunk.rtcp_address)
    leg.rtcp_peer.send(leg.rtcp_peer.rtp())  # only RTCP belongs there
    leg.rtcp_peer.send(HELLO)
    event = await world.event(DtlsReceived)
    assert (event.transport, event.rtcp, event.source) == (leg.transport, True, leg.rtcp_peer.address)
    assert leg.drops == {"malformed": 1}
    assert leg.transport_statistics.rtcp.packets_received == 1


async def test_rtcp_shares_the_port_when_muxed(world: World, trunk: Trunk) -> None:
    for leg in (trunk.leg(rtcp=False), trunk.leg()):
        world.engine.set_remote(leg.transport, leg.peer.address, leg.peer.address, Latch.STRICT)
        leg.peer.send(REPORT)
        assert (await world.event(RtcpReceived, transport=leg.transport)).data == REPORT
        world.engine.send_rtcp(leg.transport, REPORT)
        assert await leg.peer.hear_raw() == (REPORT, trunk.address)


async def test_mux_may_be_agreed_later(world: World, trunk: Trunk) -> None:
    leg = trunk.leg()
    world.engine.mux_rtcp(leg.transport, True)
    world.engine.send_rtcp(leg.transport, REPORT)
    assert await leg.peer.hear_raw() == (REPORT, trunk.address)


async def test_dtls_of_the_rtp_port(world: World, trunk: Trunk) -> None:
    leg = trunk.leg()
    leg.peer.send(HELLO)
    event = await world.event(DtlsReceived)
    assert (event.transport, event.data, event.rtcp, event.source) == (leg.transport, HELLO, False, leg.peer.address)
    world.engine.send(leg.transport, HELLO, to=leg.peer.address)
    assert await leg.peer.hear_raw() == (HELLO, trunk.address)
    world.engine.send(leg.transport, HELLO, rtcp=True)
    assert leg.rtcp_peer
    assert await leg.rtcp_peer.hear_raw() == (HELLO, trunk.rtcp_address)


@pytest.mark.parametrize("profile", [Profile.AES128_CM_SHA1_80, Profile.AEAD_AES_256_GCM])
async def test_srtp(world: World, trunk: Trunk, profile: Profile) -> None:
    secure, clear = trunk.leg(secured=True), trunk.leg()
    assert secure.rtcp_peer
    secure.peer.speak()
    await world.until(lambda: secure.drops == {"no_keys": 1})
    theirs, ours = world.secure(secure, profile)
    secure.rtcp_peer.secure(theirs, ours)
    world.route(secure, clear)
    world.route(clear, secure)
    secure.peer.speak(payload=b"in")
    assert (await clear.peer.hear()).payload == b"in"
    clear.peer.speak(payload=b"out")
    assert (await secure.peer.hear()).payload == b"out"
    secure.rtcp_peer.send(secure.rtcp_peer.rtcp(REPORT))
    assert (await world.event(RtcpReceived)).data == REPORT


async def test_packets_are_marked_one_by_one(world: World, trunk: Trunk) -> None:
    leg = trunk.leg(tos=0xB8)
    world.engine.set_tos(leg.transport, 0x20)
    world.engine.inject(leg.stream, 0, b"marked")
    assert (await leg.peer.hear()).payload == b"marked"


async def test_checks_are_ignored(world: World, trunk: Trunk) -> None:
    leg = trunk.leg()
    leg.peer.send(ice_check("anybody", "p" * 24))
    await world.until(lambda: world.engine.statistics().drops.get("stun_ignored") == 1)
    await leg.peer.hears_nothing()


async def test_a_port_is_shared_in_one_way(world: World, trunk: Trunk) -> None:
    trunk.leg()
    credentials = IceCredentials("ufrag", "p" * 24)
    for fields in (
        {"ice": credentials},
        {"ice": credentials, "shared": True},
        {"raw": True, "shared": True},
        {"own": True, "shared": True},
        {},
        {"rtcp_port": trunk.port, "shared": True},
        {"ports": (trunk.port, trunk.rtcp_port), "shared": True},
    ):
        with pytest.raises(WrongState):
            world.engine.add_transport(world.spec(**{"ports": (trunk.port,), **fields}))
    own, (webrtc, _) = world.plain(host=trunk.host).ports[0], world.port(trunk.host)
    world.engine.add_transport(world.spec(ports=(webrtc,), ice=credentials))
    for taken in (own, webrtc):
        with pytest.raises(WrongState):
            world.engine.add_transport(world.spec(ports=(taken,), shared=True))
    free, _ = world.port(trunk.host)
    with pytest.raises(WrongState):
        world.engine.add_transport(world.spec(ports=(free,), rtcp_port=webrtc, shared=True))
    world.engine.close_port(free)  # a refusal holds nothing


async def test_names_and_ice_are_refused(world: World, trunk: Trunk) -> None:
    leg = trunk.leg()
    with pytest.raises(WrongState):
        world.engine.set_remote(leg.transport, ("trunk.example", 5004), None, Latch.STRICT)
    with pytest.raises(WrongState):
        world.engine.restart_ice(leg.transport, IceCredentials("ufrag", "p" * 24))


async def test_a_snapshot_keeps_it(world: World, trunk: Trunk) -> None:
    leg, other = trunk.leg(), trunk.leg(announced=False)
    assert leg.rtcp_peer
    snapshot = json.loads(json.dumps(world.engine.snapshot()))
    await world.engine.close()
    world.engine = world.engine_factory(world._report)
    world.engine.restore(snapshot)
    leg.peer.speak()
    await world.until(lambda: leg.received.packets == 1)
    leg.rtcp_peer.send(REPORT)
    assert (await world.event(RtcpReceived)).transport == leg.transport
    world.engine.send_rtcp(leg.transport, REPORT)
    assert await leg.rtcp_peer.hear_raw() == (REPORT, trunk.rtcp_address)
    with pytest.raises(WrongState):
        trunk.announce(other, leg.peer.address)
    trunk.announce(other)
    other.peer.speak()
    await world.until(lambda: other.received.packets == 1)
