"""Whatever octets come, transactions take them; and what they cannot answer leaves nothing behind."""

from __future__ import annotations

import random

import pytest

from boringsdp.sip.actions import RequestReceived, Transmit
from boringsdp.sip.build import response
from boringsdp.sip.flow import Flow, Protocol, Target
from boringsdp.sip.parse import parse
from boringsdp.sip.transaction import Transactions
from tests.support.sip_network import ALICE, BOB, make_request, tokens

SCRAPS = [
    b"\r\n",
    b";",
    b",",
    b'"',
    b"<",
    b">",
    b"=",
    b":",
    b" ",
    b"z9hG4bK",
    b"\xff",
    b"\0",
    b"branch",
    b"SIP/2.0",
    b"INVITE",
    b"ACK",
    b"CANCEL",
    b"%",
]


def mutated(dice: random.Random, data: bytes) -> bytes:
    octets = bytearray(data)
    for _ in range(dice.randrange(1, 6)):
        at = dice.randrange(len(octets) + 1)
        match dice.randrange(4):
            case 0:
                del octets[at : at + dice.randrange(1, 20)]
            case 1:
                octets[at:at] = dice.choice(SCRAPS) * dice.randrange(1, 4)
            case 2 if at < len(octets):
                octets[at] = dice.randrange(256)
            case _:
                start = dice.randrange(len(octets) + 1)
                octets[at:at] = octets[start : start + 30]
    return bytes(octets)


@pytest.mark.parametrize("seed", range(4))
def test_mutated_messages(seed: int) -> None:
    dice = random.Random(seed)
    core = Transactions(sent_by=lambda to: "192.0.2.2:5060", token=tokens(seed))
    flows = [Flow(Protocol.UDP, BOB, ALICE), Flow(Protocol.TCP, BOB, ALICE, 3)]
    seeds = []
    for method in ("INVITE", "ACK", "CANCEL", "OPTIONS"):
        request = make_request(method)
        request.headers.prepend("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa;rport")
        seeds.append(request.to_bytes())
    for method in ("INVITE", "OPTIONS"):
        _, [sent] = core.request(make_request(method), Target(Protocol.UDP, *ALICE), 0.0)
        assert isinstance(sent, Transmit)
        seeds += [sent.data.replace(b"%s sip:bob@192.0.2.2 SIP/2.0" % method.encode(), b"SIP/2.0 %d X" % code) for code in (180, 200, 486)]
    now, heard = 0.0, 0
    for _ in range(3_000):
        now += 0.02
        data = mutated(dice, dice.choice(seeds)).replace(b"z9hG4bKa", b"z9hG4bK%d" % dice.randrange(100))
        message = parse(data).message
        if message is None:
            continue
        for action in core.receive(message, dice.choice(flows), now):
            if isinstance(action, RequestReceived) and action.transaction is not None:
                heard += 1
                core.reply(action.transaction, response(dice.choice([100, 180, 200, 404, 408])), now)
        core.tick(now)
    assert heard > 100
    while (at := core.deadline()) is not None and at < now + 100:
        core.tick(at)
    for number in range(1, core._number + 1):
        core.reply(number, response(500), now)
    while (at := core.deadline()) is not None:
        core.tick(at)
    assert len(core) == 0
    assert not any(vars(core)[name] for name in ("_clients", "_servers", "_keys", "_quiet", "_machines", "_ways"))
