"""SRTP and SRTCP (RFC 3711, 7714): profiles, refusal, replay, change of keys."""

from __future__ import annotations

import pytest

from boringsdp.errors import SrtpError, WrongState
from boringsdp.relay.engine import AuthFailures, Keys, Profile, RtcpReceived, Way
from boringsdp.rtp.packet import RtpPacket, write_packet
from boringsdp.rtp.srtp import SrtpReceiver, SrtpSender
from tests.relay.conformance.world import World
from tests.support.asserts import assert_not_happened
from tests.support.media_peer import fresh_keys

REPORT = bytes.fromhex("80c9000100001234")


@pytest.mark.parametrize("mki", [b"", b"\x01", b"four"])
@pytest.mark.parametrize("profile", list(Profile))
async def test_every_profile_both_ways(world: World, profile: Profile, mki: bytes) -> None:
    secure, plain = await world.connected(secured=True), world.plain()
    world.secure(secure, profile, mki)
    world.route(secure, plain)
    world.route(plain, secure)
    for _ in range(3):
        secure.peer.speak(payload=b"secret in")
        assert (await plain.peer.hear()).payload == b"secret in"
        plain.peer.speak(payload=b"secret out")
        data, _ = await secure.peer.hear_raw()
        assert b"secret" not in data
        assert secure.peer.read(data).payload == b"secret out"
    secure.peer.send(secure.peer.rtcp(REPORT))
    assert (await world.event(RtcpReceived)).data == REPORT
    world.engine.send_rtcp(secure.transport, REPORT)
    assert secure.peer.read_rtcp((await secure.peer.hear_raw())[0]) == REPORT


async def test_nothing_passes_before_the_keys(world: World) -> None:
    secure, plain = await world.connected(secured=True), world.plain()
    world.route(secure, plain)
    world.route(plain, secure)
    secure.peer.speak()
    secure.peer.send(REPORT)
    plain.peer.speak()
    world.engine.send_rtcp(secure.transport, REPORT)
    world.engine.inject(secure.stream, 0, b"x")
    await plain.peer.hears_nothing()
    await secure.peer.hears_nothing()
    assert secure.received.packets == 0
    assert secure.drops == {"no_keys": 5}
    assert_not_happened(world.events, RtcpReceived)


async def test_each_way_has_its_own_keys(world: World) -> None:
    """One direction works while the other still waits for its keys."""
    secure, plain = await world.connected(secured=True), world.plain()
    theirs = fresh_keys()
    world.engine.set_keys(secure.transport, Way.RECEIVE, theirs)
    secure.peer.secure(theirs, fresh_keys())
    world.route(secure, plain)
    secure.peer.speak()
    await plain.peer.hear()


async def test_what_does_not_verify_is_counted_and_reported(world: World) -> None:
    secure, plain = await world.connected(secured=True), world.plain()
    world.secure(secure)
    world.route(secure, plain)
    good = secure.peer.rtp()
    secure.peer.send(good[:-1] + bytes((good[-1] ^ 1,)))
    secure.peer.send(write_packet(RtpPacket(payload_type=0, sequence=1, timestamp=1, ssrc=1, payload=b"not encrypted at all")))
    await plain.peer.hears_nothing()
    assert secure.drops == {"unverified": 2}
    assert (await world.event(AuthFailures)).count == 2
    secure.peer.send(good)
    await plain.peer.hear()
    assert secure.received.packets == 1


@pytest.mark.parametrize("profile", [Profile.AEAD_AES_256_GCM, Profile.AES128_CM_SHA1_80])
async def test_replays_never_pass(world: World, profile: Profile) -> None:
    secure, plain = await world.connected(secured=True), world.plain()
    world.secure(secure, profile)
    world.route(secure, plain)
    packets = [secure.peer.rtp() for _ in range(20)]
    for packet in packets + packets[::-1] + packets[5:10]:
        secure.peer.send(packet)
    heard = await plain.peer.hear_many(20)
    await plain.peer.hears_nothing()
    assert len({packet.sequence for packet in heard}) == 20
    assert secure.received.packets == 20
    assert secure.received.duplicates == 25
    assert secure.drops == {"replayed": 25}


async def test_a_change_of_keys_keeps_late_packets(world: World) -> None:
    secure, plain = await world.connected(secured=True), world.plain()
    world.secure(secure)
    world.route(secure, plain)
    secure.peer.speak(2)
    late = secure.peer.rtp(payload=b"late")
    world.secure(secure, Profile.AES128_CM_SHA1_80)
    secure.peer.speak(payload=b"new")
    secure.peer.send(late)
    assert [packet.payload for packet in (await plain.peer.hear_many(4))[2:]] == [b"new", b"late"]
    secure.peer.send(late)
    await plain.peer.hears_nothing()


async def test_the_same_keys_again_change_nothing(world: World) -> None:
    """A re-offer with unchanged keys must not start a second key stream at the same place."""
    secure, plain = await world.connected(secured=True), world.plain()
    theirs, ours = world.secure(secure)
    world.route(secure, plain)
    world.route(plain, secure)
    secure.peer.speak()
    await plain.peer.hear()
    plain.peer.speak()
    await secure.peer.hear()
    world.engine.send_rtcp(secure.transport, REPORT)
    first, _ = await secure.peer.hear_raw()
    replay = secure.peer.rtp()
    secure.peer.send(replay)
    await plain.peer.hear()
    world.engine.set_keys(secure.transport, Way.RECEIVE, theirs)
    world.engine.set_keys(secure.transport, Way.SEND, ours)
    secure.peer.send(replay)
    await plain.peer.hears_nothing()
    world.engine.send_rtcp(secure.transport, REPORT)
    second, _ = await secure.peer.hear_raw()
    assert secure.peer.read_rtcp(first) == secure.peer.read_rtcp(second) == REPORT
    assert first != second


async def test_keys_are_taken_away_and_come_back(world: World) -> None:
    """SRTP, then RTP in the clear, then SRTP under the same keys: neither side may start them anew."""
    secure, plain = world.plain(), world.plain()
    theirs, ours = world.secure(secure)
    keyed = secure.peer.sender, secure.peer.receiver
    world.route(secure, plain)
    world.route(plain, secure)
    replay = secure.peer.rtp(b"secret")
    secure.peer.send(replay)
    assert (await plain.peer.hear()).payload == b"secret"
    world.engine.send_rtcp(secure.transport, REPORT)
    first, _ = await secure.peer.hear_raw()
    world.engine.set_keys(secure.transport, Way.RECEIVE, None)
    world.engine.set_keys(secure.transport, Way.SEND, None)
    secure.peer.sender = secure.peer.receiver = None
    secure.peer.speak(payload=b"clear in")
    assert (await plain.peer.hear()).payload == b"clear in"
    plain.peer.speak(payload=b"clear out")
    assert (await secure.peer.hear()).payload == b"clear out"
    world.engine.set_keys(secure.transport, Way.RECEIVE, theirs)
    world.engine.set_keys(secure.transport, Way.SEND, ours)
    secure.peer.send(replay)
    secure.peer.sender, secure.peer.receiver = keyed
    secure.peer.speak(payload=b"secret again")
    assert (await plain.peer.hear()).payload == b"secret again"
    assert secure.drops == {"replayed": 1}
    world.engine.send_rtcp(secure.transport, REPORT)
    second, _ = await secure.peer.hear_raw()
    assert secure.peer.read_rtcp(first) == secure.peer.read_rtcp(second) == REPORT
    assert first != second


async def test_without_its_keys_a_secured_transport_passes_nothing(world: World) -> None:
    secure, plain = await world.connected(secured=True), world.plain()
    world.secure(secure)
    world.route(secure, plain)
    world.engine.set_keys(secure.transport, Way.RECEIVE, None)
    secure.peer.sender = None
    secure.peer.speak()
    await plain.peer.hears_nothing()
    assert secure.drops == {"no_keys": 1}


@pytest.mark.parametrize("kept", [True, False])
async def test_the_rollover_counter_may_be_kept_or_reset_by_new_keys(world: World, kept: bool) -> None:
    secure, plain = await world.connected(secured=True), world.plain()
    world.secure(secure)
    world.route(secure, plain)
    secure.peer.sequence = 65534
    secure.peer.speak(4)  # wraps
    await plain.peer.hear_many(4)
    theirs = fresh_keys()
    world.engine.set_keys(secure.transport, Way.RECEIVE, theirs)
    sender = SrtpSender(theirs)
    if kept:
        sender = SrtpSender(fresh_keys())
        sender.rekey(theirs, {secure.peer.ssrc: 65536 + 1})
    secure.peer.sender = sender
    secure.peer.speak(3, payload=b"after")
    assert [packet.payload for packet in await plain.peer.hear_many(3)] == [b"after"] * 3


async def test_joining_a_stream_that_has_wrapped(world: World) -> None:
    secure, plain = await world.connected(secured=True), world.plain()
    theirs = fresh_keys()
    sender = SrtpSender(fresh_keys())
    sender.rekey(theirs, {secure.peer.ssrc: 3 * 65536 + 500})
    secure.peer.sender = sender
    world.engine.set_keys(secure.transport, Way.RECEIVE, theirs, {secure.peer.ssrc: 3 * 65536 + 500})
    world.route(secure, plain)
    secure.peer.sequence = 501
    secure.peer.speak(payload=b"index 3, 501")
    assert (await plain.peer.hear()).payload == b"index 3, 501"


async def test_our_own_sequence_wraps(world: World) -> None:
    """The rollover counter of what we send goes on over 65,536 packets as the peer expects."""
    secure, plain = await world.connected(secured=True), world.plain()
    world.secure(secure)
    world.route(plain, secure)
    heard = 0
    for _ in range(0, 70000, 2500):
        plain.peer.speak()
        await secure.peer.hear()
        plain.peer.sequence = (plain.peer.sequence + 2499) & 0xFFFF
        heard += 1
    assert heard == 28


async def test_unfit_keys_are_refused(world: World) -> None:
    secure = world.webrtc(secured=True)
    with pytest.raises(WrongState):
        world.engine.set_keys(secure.transport, Way.SEND, Keys(Profile.AEAD_AES_128_GCM, b"short", b"salt"))


async def test_a_plain_transport_becomes_secure_with_its_keys(world: World) -> None:
    """Optional SDES: plain until keys are agreed."""
    leg, other = world.plain(), world.plain()
    world.route(leg, other)
    world.route(other, leg)
    leg.peer.speak()
    await other.peer.hear()
    world.secure(leg, Profile.AES128_CM_SHA1_32)
    leg.peer.speak(payload=b"now secret")
    assert (await other.peer.hear()).payload == b"now secret"
    other.peer.speak(payload=b"both ways")
    assert (await leg.peer.hear()).payload == b"both ways"
    leg.peer.sender = None
    leg.peer.speak()
    await other.peer.hears_nothing()


async def test_the_longest_video_packet_passes_and_a_longer_one_is_counted(world: World) -> None:
    secure, plain = await world.connected(secured=True), world.plain()
    world.secure(secure)
    world.route(plain, secure)
    plain.peer.speak(payload=bytes(1356 - 12))
    assert len((await secure.peer.hear()).payload) == 1344
    plain.peer.speak(payload=bytes(1357 - 12))
    await secure.peer.hears_nothing()
    assert secure.drops == {"send_too_long": 1}


def test_a_sender_does_not_begin_again_under_keys_it_used() -> None:
    one, two = fresh_keys(), fresh_keys()
    sender, receiver = SrtpSender(one), SrtpReceiver(one)
    packet = write_packet(RtpPacket(payload_type=0, sequence=9, timestamp=0, ssrc=5, payload=b"once"))
    first = sender.protect(packet)
    sender.rekey(two, {})
    sender.rekey(one, {})
    with pytest.raises(SrtpError):
        sender.protect(packet)
    assert receiver.unprotect(first) == packet
