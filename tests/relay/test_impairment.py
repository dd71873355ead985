"""Loss, reordering, duplication and jitter on the in-memory network: media goes on, figures match what was done, replays never pass."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from boringsdp.relay.engine import Profile
from boringsdp.rtp.packet import HEADER
from tests.support.network import Address, Datagram, Impairment
from tests.support.plane_world import BROWSER, GATEWAY_PLAIN, GATEWAY_WEB, PHONE, PLAIN_STREAM, WEB, WEB_STREAM, PlaneWorld, Station

CLOCK = 8000


@dataclass
class Truth:
    """What really arrived of a stream, worked out from the record of arrivals by other means than the code under test."""

    packets: int
    lost: int
    duplicates: int
    reordered: int
    jitter: float


def truth(world: PlaneWorld, source: Address, first_sequence: int) -> Truth:
    seen: set[int] = set()
    duplicates = reordered = 0
    highest = -1
    jitter, transit = 0.0, None
    for now, origin, data in world.arrivals:
        if origin != source or data[0] < 128:
            continue
        _, _, sequence, rtp_time, _ = HEADER.unpack_from(data)
        index = (sequence - first_sequence) & 0xFFFF
        if index in seen:
            duplicates += 1
            continue
        seen.add(index)
        reordered += index < highest
        highest = max(highest, index)
        here = now * CLOCK - rtp_time
        if transit is not None:
            jitter += (abs(here - transit) - jitter) / 16
        transit = here
    return Truth(len(seen), highest - min(seen) + 1 - len(seen), duplicates, reordered, jitter)


def to_gateway(datagram: Datagram) -> bool:
    return datagram.target in (GATEWAY_WEB, GATEWAY_PLAIN) and datagram.data[0] > 127


CASES = {
    "clean": {},
    "loss": {"loss": 0.1},
    "reordering": {"jitter_s": 0.2},
    "duplication": {"duplicate": 0.2},
    "everything": {"loss": 0.1, "duplicate": 0.1, "jitter_s": 0.2, "delay_s": 0.05},
}


@pytest.mark.parametrize("profile", [Profile.AEAD_AES_256_GCM, Profile.AES128_CM_SHA1_80])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_media_goes_on_and_the_figures_are_right(case: str, seed: int, profile: Profile) -> None:
    impairment = Impairment(seed=seed, only=to_gateway, **CASES[case])
    world = PlaneWorld(fate=impairment, profile=profile)
    world.browser.sequence, world.phone.sequence = 65300, 65400                  # both wrap on the way
    world.connect()
    world.browser.talk(seconds=20.0)
    world.phone.talk(seconds=20.0)
    world.network.run(seconds=21.0)
    sides: list[tuple[Station, Station, Address, int]] = [
        (world.browser, world.phone, BROWSER, WEB_STREAM), (world.phone, world.browser, PHONE, PLAIN_STREAM),
    ]  # fmt: skip
    passed = 0
    for speaker, listener, address, stream in sides:
        expected = truth(world, address, 65300 if speaker is world.browser else 65400)
        received = world.received(stream)
        assert received.packets == expected.packets
        assert received.lost == expected.lost
        assert received.duplicates == expected.duplicates
        assert received.reordered == expected.reordered
        assert received.jitter == pytest.approx(expected.jitter, abs=1.0)
        assert received.bytes == 160 * expected.packets
        passed += expected.packets
        assert_intact(listener, expected.packets)
    assert passed == len(impairment.passed)
    assert 2 * 1000 - passed == len(impairment.lost)


def assert_intact(listener: Station, count: int) -> None:
    """Everything that arrived was passed on once, in one numbering: number and payload go together."""
    assert len(listener.heard) == count
    sequences = [packet.sequence for packet in listener.heard]
    assert len(set(sequences)) == count
    bases = {(packet.sequence - int.from_bytes(packet.payload[:2], "big")) & 0xFFFF for packet in listener.heard}
    assert len(bases) == 1
    times = {(packet.timestamp - packet.sequence * 160) & 0xFFFFFFFF for packet in listener.heard if packet.sequence > 0x4000}
    assert len(times) <= 2
    assert len({packet.ssrc for packet in listener.heard}) == 1


@pytest.mark.parametrize("profile", list(Profile))
def test_replays_never_pass(profile: Profile) -> None:
    """Somebody who hears everything sends it all again, at once and much later, in every order."""
    world = PlaneWorld(fate=Impairment(seed=5, loss=0.05, jitter_s=0.2, only=to_gateway), profile=profile)
    world.connect(seconds=40.0)
    world.browser.talk(seconds=30.0)
    world.network.run(seconds=31.0)
    recorded = [data for _, source, data in world.arrivals if source == BROWSER and data[0] > 127]
    heard = len(world.phone.heard)
    assert heard == len(recorded) > 1300
    for data in [*recorded, *recorded[::-1], *recorded[::7]]:
        world.browser.send(data)
    world.network.run(seconds=1.0)
    assert len(world.phone.heard) == heard
    replayed = [data for now, source, data in world.arrivals if source == BROWSER and data[0] > 127][len(recorded) :]
    drops = world.plane.transport_statistics(WEB).drops
    assert drops["replayed"] == len(replayed) > 2000
    world.browser.talk(seconds=1.0)
    world.network.run(seconds=2.0)
    assert len(world.phone.heard) > heard + 40


def test_a_burst_of_loss_and_a_silence_do_not_end_a_stream() -> None:
    gone = False

    def fate(datagram: Datagram) -> float | None:
        return None if gone and to_gateway(datagram) else 0.0

    world = PlaneWorld(fate=fate)
    world.connect(seconds=40.0)
    world.browser.talk(seconds=30.0)
    world.network.run(seconds=5.0)
    gone = True
    world.network.run(seconds=20.0)
    gone = False
    world.network.run(seconds=6.0)
    received = world.received(WEB_STREAM)
    assert received.packets == len(world.phone.heard)
    assert received.lost == 1000
    gap = [b.sequence - a.sequence for a, b in zip(world.phone.heard, world.phone.heard[1:], strict=False)]
    assert sorted(gap)[-2:] == [1, 1001]


def test_silence_and_consent_are_seen_in_time() -> None:
    from boringsdp.relay.engine import ConsentLost, MediaReceiving

    world = PlaneWorld()
    world.connect()
    world.browser.talk(seconds=5.0)
    world.network.run(seconds=5.0)
    assert MediaReceiving(WEB_STREAM, True) in world.events
    world.network.run(seconds=1.3)
    assert MediaReceiving(WEB_STREAM, False) in world.events
    world.network.run(seconds=22.0)
    assert world.events == []
    world.network.run(seconds=2.0)
    assert world.events == [ConsentLost(WEB)]
    sent = len(world.browser.heard)
    world.phone.talk(seconds=1.0)
    world.network.run(seconds=1.0)
    assert len(world.browser.heard) == sent
