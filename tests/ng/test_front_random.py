"""Commands in any order, with tags and branches mixed up: always a reply that says what was wrong, and nothing is left in the end."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from boringsdp.call import Calls, CallSettings
from boringsdp.ng.front import INTERNAL, NgFront
from boringsdp.ng.settings import NgSettings
from boringsdp.relay import RelaySettings
from tests.ng.conftest import plain_sdp
from tests.support.engines import make_relay

COMMANDS = 800
SDPS = [path.read_bytes().decode() for path in sorted(Path("tests/golden/captured").glob("*.sdp"))]
PROTOCOLS = ["RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP"]
FLAGS = [
    *("reset", "trickle ICE", "generate mid", "single codec", "port latching", "new branch", "block DTMF", "media handover", "asymmetric"),
    *("WebRTC", "loop protect", "fragment", "no rtcp attribute", "strict source"),
]


def command(dice: random.Random, number: int) -> dict[str, Any]:
    """One command; its tags are often wrong."""
    name = dice.choices(["offer", "answer", "delete", "query", "block media", "silence media", "play DTMF"], [8, 8, 1, 1, 1, 1, 1])[0]
    message: dict[str, Any] = {"command": name, "call-id": f"c{dice.randrange(4)}", "from-tag": dice.choice("aaabbbcd"), "code": "5"}
    if dice.random() < 0.8:
        message["to-tag"] = dice.choice("aaabbbcd")
    if dice.random() < 0.5:
        message["via-branch"] = dice.choice(["b1", "b2", "b3", f"b{number}"])
    message["flags"] = [flag for flag in (*FLAGS, "directional", "to-tag") if dice.random() < 0.08]
    if name in ("offer", "answer"):
        direction = dice.choice(["sendrecv", "sendonly", "inactive"])
        message["sdp"] = dice.choice(SDPS) if dice.random() < 0.5 else plain_sdp(dice.randrange(3000, 60000), direction=direction)
        for key, values in {
            "transport-protocol": PROTOCOLS,
            "ICE": ["force", "remove", "optional", "default"],
            "rtcp-mux": ["offer", "require", "demux", "accept", "reject"],
            "SDES": ["off", "pad", "nonew"],
            "sdp-media-remove": ["video"],
        }.items():
            if dice.random() < 0.3:
                message[key] = dice.choice(values)
    if name == "delete":
        message["delete-delay"] = dice.choice([0, 0, 60])
        if dice.random() < 0.3:
            del message["from-tag"]
    return message


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_every_command_has_a_reply_and_nothing_is_left(seed: int):
    relay = make_relay(RelaySettings(plain_ports=(40000, 41000), port_rest_s=0.0))
    await relay.start()
    calls = Calls(relay, CallSettings())
    front = NgFront(calls, NgSettings())
    dice = random.Random(seed)
    results = set()
    for number in range(COMMANDS):
        message = command(dice, number)
        reply = front.execute(message)
        assert reply.get("error-reason") != INTERNAL, message
        assert (reply["result"] == "error") == ("error-reason" in reply)
        results.add((message["command"], reply["result"]))
        await asyncio.sleep(0)
    assert {("offer", "ok"), ("answer", "ok"), ("delete", "ok"), ("query", "ok")} <= results
    for number in range(4):
        front.execute({"command": "delete", "call-id": f"c{number}", "delete-delay": 0})
    await asyncio.sleep(0.05)
    left = relay.statistics()
    assert (len(calls), front.sessions, left["transports"], left["streams"], left["ports_used"]) == (0, 0, 0, 0, 0)
    await front.close()
    await relay.close()
