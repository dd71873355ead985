"""State written down by one engine and taken up by another."""

from __future__ import annotations

import json

import pytest

from boringsdp.relay.engine import Profile
from tests.relay.conformance.world import Leg, World


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
    secure.peer.speak(10)                                   # the rollover counter is 1 now
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
    assert after.ssrc != first[0].ssrc                      # the keys are the same, so the SSRC may not be
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
