"""Scenarios of one kind of thing, so often that a bound is reached."""

from __future__ import annotations

from boringsdp.relay.engine import Latch, PortId, StreamId, StreamSpec, TransportId, TransportSpec, Way
from boringsdp.rtp.keys import Keys, Profile
from boringsdp.rtp.packet import RtpPacket, write_packet
from boringsdp.rtp.srtp import SrtpSender
from tests.relay.differential.steps import Scenario, Step

HERE, PEER = ("192.0.2.1", 10000), ("198.51.100.1", 4000)
START = 1000.0


def _scenario(packets: list[bytes], keys: Keys | None = None) -> Scenario:
    """They come to a plain transport, in hundreds, each hundred at one moment a second after the one before, then again all at once."""
    number, port = TransportId(1), PortId(1)
    steps = [
        Step(START, "open_port", (HERE, 0)),
        Step(START, "add_transport", (TransportSpec(id=number, ports=(port,)),)),
        Step(START, "set_remote", (number, PEER, None, Latch.STRICT)),
        Step(START, "add_stream", (StreamSpec(id=StreamId(2), transport=number, kind="audio", send_ssrc=9, clock_rates={0: 8000}),)),
    ]
    if keys is not None:
        steps.append(Step(START, "set_keys", (number, Way.RECEIVE, keys, {})))
    steps += [Step(START + 1 + index // 100, "receive", (port, PEER, data)) for index, data in enumerate(packets)]
    steps += [Step(START + 1000, "receive", (port, PEER, data)) for data in packets]
    steps += [Step(START + 1001, "tick"), Step(START + 1001, "snapshot")]
    return Scenario(0, (0x12345678, 0x9ABCDEF0), tuple(steps))


def many_sources() -> Scenario:
    """More SSRCs than a secured transport will know over its life."""
    keys = Keys(Profile.AEAD_AES_128_GCM, bytes(16), bytes(12))
    sender = SrtpSender(keys)
    packets = (
        RtpPacket(payload_type=0, sequence=sequence, timestamp=0, ssrc=ssrc, payload=b"x") for ssrc in range(1100) for sequence in (1, 2)
    )
    return _scenario([sender.protect(write_packet(packet)) for packet in packets], keys)


def many_events() -> Scenario:
    """More events at once than wait to be taken."""
    return _scenario([bytes.fromhex("80c90001") + number.to_bytes(4, "big") for number in range(5000)])
