"""Routes that replace what is said by silence."""

from __future__ import annotations

import pytest

from tests.relay.conformance.world import World


async def test_one_octet_fills_the_payload(world: World) -> None:
    source, target = world.plain(), world.plain()
    world.route(source, target, silence={0: b"\xff", 8: b"\xd5"})
    first = source.peer.rtp(payload=b"secret" * 20, marker=True)
    source.peer.send(first)
    heard = await target.peer.hear()
    assert (heard.payload, heard.payload_type) == (b"\xff" * 120, 0)
    source.peer.speak(payload=b"other" * 8, payload_type=8)
    heard = await target.peer.hear()
    assert (heard.payload, heard.payload_type) == (b"\xd5" * 40, 8)


async def test_more_octets_are_the_new_payload(world: World) -> None:
    source, target = world.plain(), world.plain()
    world.route(source, target, silence={0: b"\xf8\xff\xfe"})
    source.peer.speak(payload=b"spoken" * 30)
    assert (await target.peer.hear()).payload == b"\xf8\xff\xfe"


async def test_other_payload_types_and_timing_stay(world: World) -> None:
    source, target = world.plain(), world.plain()
    world.route(source, target, silence={8: b"\xd5"})
    source.peer.speak(2, payload=b"heard")
    source.peer.speak(payload=b"hidden", payload_type=8)
    source.peer.sequence += 2  # two are lost
    source.peer.timestamp += 2 * 160
    source.peer.speak(payload=b"hidden", payload_type=8)
    heard = await target.peer.hear_many(4)
    assert [packet.payload for packet in heard] == [b"heard", b"heard", b"\xd5" * 6, b"\xd5" * 6]
    first = heard[0]
    assert [(packet.sequence - first.sequence) & 0xFFFF for packet in heard] == [0, 1, 2, 5]
    assert [(packet.timestamp - first.timestamp) & 0xFFFFFFFF for packet in heard] == [0, 160, 320, 800]
    assert target.sent.bytes == 5 + 5 + 6 + 6
    assert source.received.bytes == 22


async def test_without_octets_the_packet_is_left_out(world: World) -> None:
    source, target = world.plain(), world.plain()
    world.route(source, target, silence={0: b""})
    source.peer.speak(payload_type=8)
    source.peer.speak(3)
    source.peer.speak(payload_type=8)
    heard = await target.peer.hear_many(2)
    assert heard[1].sequence == (heard[0].sequence + 1) & 0xFFFF
    assert source.drops == {"silenced": 3}


@pytest.mark.parametrize("padding", [0, 4])
async def test_extensions_do_not_tell_what_is_hidden(world: World, padding: int) -> None:
    source, target = world.plain(), world.plain()
    world.route(source, target, extensions={1: 1}, constant_extensions={4: b"0"}, silence={0: b"\xff"})
    source.peer.speak(payload=b"loud", extensions={1: b"\x81"}, padding=padding, csrcs=(1, 2))
    heard = await target.peer.hear()
    assert (heard.payload, heard.extensions) == (b"\xff" * 4, {4: b"0"})


async def test_comes_and_goes_with_the_route(world: World) -> None:
    source, target = world.plain(), world.plain()
    world.route(source, target)
    source.peer.speak(payload=b"heard")
    world_heard = [await target.peer.hear()]
    world.route(source, target, silence={0: b"\xff"})
    source.peer.speak(payload=b"heard")
    world_heard.append(await target.peer.hear())
    world.route(source, target)
    source.peer.speak(payload=b"heard")
    world_heard.append(await target.peer.hear())
    assert [packet.payload for packet in world_heard] == [b"heard", b"\xff" * 5, b"heard"]
    assert [(packet.sequence - world_heard[0].sequence) & 0xFFFF for packet in world_heard] == [0, 1, 2]


async def test_late_packets_are_silenced_too(world: World) -> None:
    source, target = world.plain(), world.plain()
    world.route(source, target, silence={0: b"\xff"})
    packets = [source.peer.rtp(payload=b"secret") for _ in range(4)]
    for index in (0, 3, 1, 2):
        source.peer.send(packets[index])
    heard = await target.peer.hear_many(4)
    assert [packet.payload for packet in heard] == [b"\xff" * 6] * 4


async def test_one_target_is_silenced_another_hears(world: World) -> None:
    source, deaf, hearing = world.plain(), world.plain(), world.plain()
    world.route(source, deaf, silence={0: b"\xff"})
    world.route(source, hearing)
    source.peer.speak(payload=b"spoken")
    assert (await deaf.peer.hear()).payload == b"\xff" * 6
    assert (await hearing.peer.hear()).payload == b"spoken"
