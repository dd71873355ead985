"""Malformed media from the peers themselves, on whole calls: their own call may suffer, nothing raises, and no other call is touched."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Any

import pytest

from boringsdp.call import Call, CallEvent, Party, State
from boringsdp.relay.engine import Address, PortId
from boringsdp.rtp.packet import RtpPacket, write_packet
from boringsdp.sdp import PLAIN, WEBRTC, describe
from tests.fuzz import corpus, oracles
from tests.fuzz.campaign import Case, cases, check_count, told
from tests.fuzz.gateway import MemoryGateway
from tests.fuzz.mutations import mutate_octets
from tests.support.clock import run_in_virtual_time

pytestmark = pytest.mark.load

EACH = 200
PHONE = "203.0.113.7"
BROWSER: Address = ("198.51.100.7", 50_000)


@dataclass(slots=True)
class _Joined:
    """A call between a browser (party A) and a telephone, or two telephones; where its datagrams come from and go to."""

    call: Call
    news: list[CallEvent]
    phones: list[tuple[PortId, Address]]
    ufrag: str
    password: str


def _join(gateway: MemoryGateway, number: int, *, web: bool) -> _Joined:
    news: list[CallEvent] = []
    call = gateway.calls.create(news.append)
    port = 4000 + 10 * number
    phone = corpus.sdps_named("baresip-offer-plain")[0].splitlines()
    lines = [line if not line.startswith("c=") else f"c=IN IP4 {PHONE}" for line in phone]
    text = "\r\n".join(f"m=audio {port} {line.split(' ', 2)[2]}" if line.startswith("m=audio") else line for line in lines) + "\r\n"
    offer = call.offer(Party.B, text, to=WEBRTC if web else PLAIN)
    answer = call.answer(Party.A, oracles.answer_of(offer).replace("192.0.2.1", PHONE))
    ports = {bound.address[1]: bound.id for bound in gateway.engine.plane.ports.values()}
    seen = describe(answer).medias[0]
    phones = [(ports[seen.port], (PHONE, port)), (ports[seen.port + 1], (PHONE, port + 1))]
    media = describe(offer).medias[0]
    if not web:
        there = describe(oracles.answer_of(offer)).medias[0].port
        phones += [(ports[media.port], (PHONE, there)), (ports[media.port + 1], (PHONE, there + 1))]
    return _Joined(call, news, phones, media.ufrag, media.password)


def _media(rng: random.Random, count: int) -> bytes:
    """What a telephone sends: audio, digits, reports, in formats that were agreed and others."""
    kind = rng.random()
    sequence, rtp_time = rng.choice((count, count, rng.getrandbits(16))), 160 * count
    if kind < 0.4:
        shape = RtpPacket(
            payload_type=rng.choice((0, 8, 9, 96, 101)), sequence=sequence & 0xFFFF, timestamp=rtp_time, ssrc=rng.choice((7, 7, 8, 9)),
            payload=rng.randbytes(rng.choice((0, 4, 160, 1400))),
        )  # fmt: skip
        return write_packet(shape)
    if kind < 0.6:
        digit = bytes((rng.choice((0, 5, 15, 16, 255)), rng.choice((0x0A, 0x8A, 0xFF)))) + rng.choice((0, 160, 800, 65535)).to_bytes(
            2, "big"
        )
        event = RtpPacket(payload_type=101, sequence=sequence & 0xFFFF, timestamp=rng.choice((rtp_time, 800)), ssrc=7, payload=digit)
        return write_packet(event)
    return rng.choice(corpus.rtcp_compounds())


def _throw(case: Case, gateway: MemoryGateway, joined: _Joined, count: int) -> None:
    rng = case.rng
    if not joined.ufrag or rng.random() < 0.6:
        port, address = rng.choice(joined.phones)
        data = _media(rng, count)
    else:
        port, address = PortId(1), BROWSER
        ours = f"{joined.ufrag}:them"
        check = corpus.check(
            ours, joined.password, nominate=rng.random() < 0.5, controlled=rng.random() < 0.2, transaction=rng.randbytes(12)
        )
        data = rng.choice((check, rng.choice(sum(corpus.dtls_flights(), ())), rng.choice(corpus.rtp_packets())))
        if data is check and rng.random() < 0.5:
            case.input = (port, address, data)
            gateway.engine.deliver(port, address, data)  # an authentic check, then something malformed from its address
    if rng.random() < 0.8:
        data = mutate_octets(rng, data, corpus.rtcp_compounds())
    case.input = (port, address, data)
    gateway.engine.deliver(port, address, data)


async def _episode(case: Case) -> int:
    gateway = await MemoryGateway.started()
    quiet = _join(gateway, 1, web=False)
    hurt = _join(gateway, 2, web=case.rng.random() < 0.6)
    await asyncio.sleep(6.0)
    untouched, sent = _figures(quiet), 0
    for count in range(EACH):
        if hurt.call.state is State.CLOSED:  # its own DTLS failed, or said goodbye: another one
            hurt = _join(gateway, 3 + count, web=case.rng.random() < 0.6)
        _throw(case, gateway, hurt, count)
        sent += len(gateway.engine.sent)
        gateway.engine.sent.clear()
        assert not gateway.failures, gateway.failures[0]
        if count % 10 == 9:
            await asyncio.sleep(case.rng.choice((0.02, 0.2)))
        if count % 50 == 49:
            hurt.call.statistics()
            hurt.call.record()
    case.input = "the end"
    assert _figures(quiet) == untouched
    hurt.call.close("done")
    quiet.call.close("done")
    await gateway.close()
    return min(sent, EACH)


def _figures(joined: _Joined) -> Any:
    """A call's figures, but for the reports that it sends of itself."""
    streams = [stream for leg in joined.call.statistics()["legs"].values() for stream in leg["streams"]]
    return joined.call.state, [stream["received"] for stream in streams], len(joined.news)


def test_peers_that_send_anything_at_all() -> None:
    for case in cases("relay", inputs_each=EACH):
        answered = 0
        with told(case):
            answered = run_in_virtual_time(_episode(case))
        case.count(EACH, took=answered)
    check_count("relay", least_taken=0.02, most_taken=1.0)
