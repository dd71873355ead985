"""State written down by one engine and taken up by another."""

from __future__ import annotations

import json

import pytest

from boringsdp.errors import WrongState
from boringsdp.relay.engine import IceCredentials, Latch, PathSelected, Profile, RtcpReceived, Way
from tests.relay.conformance.world import Leg, World
from tests.support.media_peer import fresh_keys

REPORT = bytes.fromhex("80c9000100001234")
NEW = IceCredentials("newufrag", "n" * 24)


async def move(world: World) -> None:
    """Write the engine's state down, close it, go on in a new one."""
    snapshot = json.loads(json.dumps(world.engine.snapshot()))
    await world.engine.close()
    world.engine = world.engine_factory(world._report)
    world.engine.restore(snapshot)


async def calls(world: World, profile: Profile) -> tuple[Leg, Leg]:
    secure, plain = await world.connected(secured=True), world.plain()
    world.secure(secure, profile)
    world.route(secure, plain)
    world.route(plain, secure, constant_extensions={4: b"0"})
    return secure, plain


@pytest.mark.parametrize("profile", [Profile.AEAD_AES_256_GCM, Profile.AES128_CM_SHA1_80])
async def test_media_goes_on(world: World, profile: Profile) -> None:
    secure, plain = await calls(world, profile)
    secure.peer.sequence = 65530
    secure.peer.speak(10)  # the rollover counter is 1 now
    before = await plain.peer.hear_many(10)
    plain.peer.speak(3)
    first = await secure.peer.hear_many(3)
    await move(world)
    secure.peer.speak(payload=b"in")
    heard = await plain.peer.hear()
    assert (heard.payload, heard.ssrc) == (b"in", before[0].ssrc)
    assert heard.sequence == (before[-1].sequence + 1) & 0xFFFF
    plain.peer.speak(payload=b"out")
    after = await secure.peer.hear()
    assert (after.payload, after.extensions) == (b"out", {4: b"0"})
    assert after.ssrc != first[0].ssrc  # the keys are the same, so the SSRC may not be
    assert after.ssrc == secure.sent.ssrc


@pytest.mark.parametrize("wrapped", [False, True])
async def test_replays_from_before_do_not_pass(world: World, wrapped: bool) -> None:
    secure, plain = await calls(world, Profile.AEAD_AES_128_GCM)
    if wrapped:
        secure.peer.sequence = 65000
    packets = [secure.peer.rtp() for _ in range(1200)]
    for start in range(0, 1200, 50):
        for packet in packets[start : start + 50]:
            secure.peer.send(packet)
        await plain.peer.hear_many(50)
    await move(world)
    for packet in packets[::7]:
        secure.peer.send(packet)
    secure.peer.speak(payload=b"fresh")
    assert (await plain.peer.hear()).payload == b"fresh"
    await plain.peer.hears_nothing()


async def test_ice_goes_on(world: World) -> None:
    secure, _ = await calls(world, Profile.AEAD_AES_128_GCM)
    await move(world)
    assert secure.transport_statistics.remote == secure.peer.address
    await secure.check()
    world.engine.send(secure.transport, b"\x16")
    assert (await secure.peer.hear_raw())[0] == b"\x16"


async def test_unknown_versions_are_refused(world: World) -> None:
    with pytest.raises(ValueError, match="version"):
        world.engine.restore({"version": 99})


async def test_own_ice_goes_on(world: World) -> None:
    leg = await world.own_ice_connected(tos=0xB8)
    assert leg.rtcp_peer
    await move(world)
    statistics = leg.transport_statistics
    assert (statistics.remote, statistics.rtcp_remote) == (leg.peer.address, leg.rtcp_peer.address)
    world.engine.send(leg.transport, b"\x16")
    assert (await leg.peer.hear_raw())[0] == b"\x16"
    world.engine.send_rtcp(leg.transport, REPORT)
    assert (await leg.rtcp_peer.hear_raw())[0] == REPORT
    await leg.check()
    leg.peer.speak()
    await world.until(lambda: leg.received.packets == 1)
    with pytest.raises(WrongState):
        world.engine.restart_ice(leg.transport, leg.credentials or IceCredentials("", ""))


@pytest.mark.parametrize("returning", [False, True])
async def test_a_peer_without_ice_is_still_without(world: World, returning: bool) -> None:
    leg, browser = world.own_ice(), world.peer()
    assert leg.rtcp_peer
    world.engine.set_remote(leg.transport, leg.peer.address, leg.rtcp_peer.address, Latch.ONCE)
    leg.peer.speak()
    await world.event(PathSelected)
    if returning:
        world.engine.restart_ice(leg.transport, NEW)
    await move(world)
    statistics = leg.transport_statistics
    assert (statistics.remote, statistics.rtcp_remote) == (leg.peer.address, leg.rtcp_peer.address)
    assert statistics.rtp.learned
    await leg.check(browser, leg.peer.to, credentials=NEW if returning else leg.credentials, use_candidate=True)
    assert leg.transport_statistics.remote == (browser if returning else leg.peer).address


async def test_agreed_mux_is_kept(world: World) -> None:
    leg = world.own_ice()
    await leg.check()
    world.engine.mux_rtcp(leg.transport, True)
    await move(world)
    world.engine.send_rtcp(leg.transport, REPORT)
    assert (await leg.peer.hear_raw())[0] == REPORT


@pytest.mark.parametrize("latch", list(Latch))
async def test_latching_goes_on_where_it_was(world: World, latch: Latch) -> None:
    leg, real, late = world.plain(latch, rtcp=True, latch_window_s=0.0, learn_s=0.0), world.peer(), world.peer()
    leg.peer.speak()
    await world.until(lambda: leg.received.packets == 1)
    before = leg.transport_statistics
    await move(world)
    after = leg.transport_statistics
    assert (after.rtp.remote, after.rtp.announced, after.rtp.learned) == (before.rtp.remote, before.rtp.announced, before.rtp.learned)
    assert (after.rtcp.remote, after.rtcp.announced) == (before.rtcp.remote, before.rtcp.announced)
    real.to = late.to = leg.peer.to
    real.speak(ssrc=9)
    await real.hears_nothing()
    assert leg.received.packets == (1 if latch in (Latch.FOLLOW, Latch.ASYMMETRIC) else 0)


async def test_silence_goes_on(world: World) -> None:
    source, target = world.plain(), world.plain()
    world.route(source, target, silence={0: b"\xff"})
    await move(world)
    source.peer.speak(payload=b"secret")
    assert (await target.peer.hear()).payload == b"\xff" * 6


async def test_raw_forwarding_goes_on(world: World) -> None:
    left, right = world.raw(), world.raw()
    world.engine.forward(left.transport, right.transport)
    world.engine.forward(right.transport, left.transport)
    left.peer.send(b"before")
    await right.peer.hear_raw()
    await move(world)
    left.peer.send(b"after")
    assert (await right.peer.hear_raw())[0] == b"after"
    right.peer.send(b"back")
    assert (await left.peer.hear_raw())[0] == b"back"


async def test_parked_keys_are_neither_replayed_nor_used_twice(world: World) -> None:
    """SRTP, then the clear, then another process, then the same keys again."""
    secure, plain = world.plain(), world.plain()
    theirs, ours = world.secure(secure)
    sender, receiver = secure.peer.sender, secure.peer.receiver
    world.route(secure, plain)
    world.route(plain, secure)
    replays = [secure.peer.rtp(b"secret") for _ in range(5)]
    for packet in replays:
        secure.peer.send(packet)
    await plain.peer.hear_many(5)
    plain.peer.speak(2)
    keyed = await secure.peer.hear_many(2)
    for way in Way:
        world.engine.set_keys(secure.transport, way, None)
    secure.peer.sender = secure.peer.receiver = None
    secure.peer.speak(payload=b"clear")
    assert (await plain.peer.hear()).payload == b"clear"
    await move(world)
    secure.peer.speak(payload=b"clear still")
    assert (await plain.peer.hear()).payload == b"clear still"
    plain.peer.speak(payload=b"clear out")
    assert (await secure.peer.hear()).payload == b"clear out"
    world.engine.set_keys(secure.transport, Way.RECEIVE, theirs)
    world.engine.set_keys(secure.transport, Way.SEND, ours)
    for packet in replays:
        secure.peer.send(packet)
    await plain.peer.hears_nothing()
    assert secure.received.packets == 1
    secure.peer.sender, secure.peer.receiver = sender, receiver
    secure.peer.speak(payload=b"fresh")
    assert (await plain.peer.hear()).payload == b"fresh"
    plain.peer.speak(payload=b"out again")
    heard = await secure.peer.hear()
    assert heard.payload == b"out again"
    assert heard.ssrc not in {packet.ssrc for packet in keyed}


async def test_keys_of_rtcp_alone_are_not_used_twice(world: World) -> None:
    leg = world.plain(rtcp=True, secured=True)
    world.engine.set_rtcp_keys(leg.transport, Way.SEND, fresh_keys())
    before = leg.sent.ssrc
    await move(world)
    assert leg.sent.ssrc != before


@pytest.mark.parametrize("keyed", [False, True])
async def test_rtcp_keys_go_on(world: World, keyed: bool) -> None:
    leg = world.plain(rtcp=True, secured=True)
    assert leg.rtcp_peer
    world.secure(leg)
    theirs, ours = fresh_keys(), fresh_keys()
    world.engine.set_rtcp_keys(leg.transport, Way.RECEIVE, theirs if keyed else None)
    world.engine.set_rtcp_keys(leg.transport, Way.SEND, ours if keyed else None)
    leg.rtcp_peer.secure(theirs, ours)
    before = leg.sent.ssrc
    await move(world)
    assert leg.sent.ssrc != before
    leg.rtcp_peer.send(leg.rtcp_peer.rtcp(REPORT))
    world.engine.send_rtcp(leg.transport, REPORT)
    if keyed:
        await world.event(RtcpReceived)
        assert leg.rtcp_peer.read_rtcp((await leg.rtcp_peer.hear_raw())[0]) == REPORT
    else:
        await leg.rtcp_peer.hears_nothing()
        assert leg.drops == {"no_keys": 2}
