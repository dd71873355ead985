"""Seeded fuzz of the media plane: whatever arrives, nothing is raised, everything stays bounded, another call does not notice."""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

from boringsdp.errors import SrtpError
from boringsdp.ice.stun import Attribute, Kind, write_stun
from boringsdp.relay.engine import Latch, PortId, Route, StreamId, StreamSpec, TransportId, TransportSpec
from boringsdp.rtp.packet import RtpPacket, write_packet
from tests.support.media_peer import ice_check
from tests.support.network import Address
from tests.support.plane_world import BROWSER, PHONE, PLAIN_STREAM, PlaneWorld, Station

COUNT = int(os.environ.get("BORINGSDP_FUZZ", "40000"))
STRANGER: Address = ("192.0.2.66", 666)

Mutation = Callable[[random.Random, bytes], bytes]


def flip(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        changed[rng.randrange(len(changed))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    return bytes(changed)


def cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def stretch(rng: random.Random, data: bytes) -> bytes:
    return data + rng.randbytes(rng.randrange(1, 1600))


def splice(rng: random.Random, data: bytes) -> bytes:
    at, width = rng.randrange(len(data)), rng.randrange(8)
    return data[:at] + rng.randbytes(rng.randrange(8)) + data[at + width :]


def keep(rng: random.Random, data: bytes) -> bytes:
    return data


MUTATIONS: tuple[Mutation, ...] = (flip, flip, cut, stretch, splice, keep)


def stun(rng: random.Random, world: PlaneWorld) -> bytes:
    match rng.randrange(4):
        case 0:
            return ice_check(world.credentials.ufrag, rng.choice((world.credentials.password, "wrong")), use_candidate=rng.random() < 0.5)
        case 1:
            attributes = [(rng.randrange(0x10000), rng.randbytes(rng.randrange(40))) for _ in range(rng.randrange(12))]
            return write_stun(rng.choice(list(Kind)), rng.randbytes(12), attributes, method=rng.randrange(0x1000))
        case 2:
            name = rng.choice((b"", b":", b"ufrag001", b"ufrag001:\xff\xfe", b"\xff" * 600))
            return write_stun(Kind.REQUEST, rng.randbytes(12), [(Attribute.USERNAME, name)], password=rng.randbytes(4))
        case _:
            return bytes((rng.randrange(4),)) + rng.randbytes(rng.randrange(100))


def rtp(rng: random.Random, world: PlaneWorld) -> bytes:
    packet = RtpPacket(
        payload_type=rng.choice((0, 101, 96, 13)), sequence=rng.randrange(65536), timestamp=rng.getrandbits(32),
        ssrc=rng.choice((7, 0x2222)), payload=rng.randbytes(rng.choice((0, 1, 4, 160, 1400))), marker=rng.random() < 0.2,
        csrcs=tuple(range(rng.randrange(16))),
        extensions={rng.randrange(1, 256): rng.randbytes(rng.randrange(20)) for _ in range(rng.randrange(4))},
        padding=rng.choice((0, 0, 1, 255)),
    )  # fmt: skip
    return write_packet(packet)


def srtp(rng: random.Random, world: PlaneWorld) -> bytes:
    sender = world.browser.sender
    assert sender
    plain = bytearray(write_packet(RtpPacket(payload_type=0, sequence=world.browser.sequence, timestamp=0, ssrc=7, payload=b"x" * 50)))
    world.browser.sequence = (world.browser.sequence + 1) & 0xFFFF
    if rng.random() < 0.3:
        plain[0] = 0x80 | rng.randrange(64)                 # authentic, and still nonsense inside
    try:
        return sender.protect(bytes(plain))
    except SrtpError:
        return bytes(plain)


def rtcp(rng: random.Random, world: PlaneWorld) -> bytes:
    body = rng.randbytes(4 * rng.randrange(1, 30))
    data = bytes((0x80 | rng.randrange(32), rng.randrange(192, 224))) + (len(body) // 4).to_bytes(2, "big") + body
    return world.browser.rtcp(data) if rng.random() < 0.5 else data


def anything(rng: random.Random, world: PlaneWorld) -> bytes:
    return rng.randbytes(rng.choice((0, 1, 2, 3, 7, 8, 11, 12, 13, 40, 1500, 2048)))


class Witness:
    """A call of its own on the same plane."""

    left: Address = ("10.1.1.1", 1000)
    right: Address = ("10.1.1.2", 2000)

    def __init__(self, world: PlaneWorld) -> None:
        self.world = world
        plane, network = world.plane, world.network
        for number, address, remote in ((21, ("192.0.2.1", 7000), self.left), (22, ("192.0.2.1", 7002), self.right)):
            world._port(PortId(number), address)
            plane.add_transport(TransportSpec(id=TransportId(number), ports=(PortId(number),)), network.now)
            plane.set_remote(TransportId(number), remote, None, Latch.STRICT, network.now)
            plane.add_stream(
                StreamSpec(id=StreamId(number), transport=TransportId(number), kind="audio", send_ssrc=number, clock_rates={0: 8000})
            )
        plane.route(Route(source=StreamId(21), target=StreamId(22), payload_types={0: 0}))
        self.speaker = Station(network, self.left, ("192.0.2.1", 7000), ssrc=9)
        self.listener = Station(network, self.right, ("192.0.2.1", 7002), ssrc=10)
        self.said = 0

    def check(self) -> None:
        self.speaker.send(self.speaker.rtp())
        self.world.network.run(0.001)
        self.said += 1
        assert len(self.listener.heard) == self.said
        received = self.world.received(StreamId(21))
        assert (received.packets, received.lost, received.duplicates) == (self.said, 0, 0)
        assert self.world.plane.transport_statistics(TransportId(21)).drops == {}


@pytest.mark.parametrize("kind", [stun, rtp, srtp, rtcp, anything], ids=lambda kind: kind.__name__)
def test_nothing_a_peer_sends_raises_or_touches_another_call(kind: Callable[[random.Random, PlaneWorld], bytes]) -> None:
    rng = random.Random(f"{kind.__name__} 1")
    world = PlaneWorld()
    witness = Witness(world)
    world.connect()
    gateways = ((PortId(1), BROWSER), (PortId(2), PHONE), (PortId(1), STRANGER), (PortId(2), STRANGER))
    for number in range(COUNT):
        data = rng.choice(MUTATIONS)(rng, kind(rng, world)) if kind is not anything else anything(rng, world)
        port, source = rng.choice(gateways)
        world.plane.receive(port, source, data, world.network.now)
        if number % 1000 == 0:
            world.network.run(0.26)
            events = world.plane.take_events()
            assert len(events) < 5000
            world.plane.statistics()
            witness.check()
    assert len(world.plane.transports[TransportId(1)].sources) <= 32


def test_a_flood_of_events_is_bounded() -> None:
    world = PlaneWorld()
    world.connect()
    report = bytes.fromhex("80c9000100001234")
    for _ in range(10_000):
        world.plane.receive(PortId(2), PHONE, report, world.network.now)
    assert len(world.plane.take_events()) <= 4200
    assert world.plane.drops["events_full"] > 5000
    world.phone.talk(seconds=0.1)
    world.network.run(seconds=0.2)
    assert world.received(PLAIN_STREAM).packets == 5
