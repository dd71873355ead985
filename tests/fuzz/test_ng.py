"""Malformed NG datagrams at the real desk, front, calls and relay: an error or silence, a pong after each hundred, and no call lost."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from boringsdp.errors import SdpError
from boringsdp.ng.bencode import write_bencode
from boringsdp.ng.message import Format as Form
from boringsdp.ng.message import format_of, parse_body, split_cookie, write_body
from boringsdp.sdp import describe
from tests.fuzz import corpus, oracles
from tests.fuzz.campaign import Case, cases, check_count, told
from tests.fuzz.mutations import mutate_octets, mutate_sdp, mutate_tree, write_json
from tests.fuzz.ng_gateway import MAX_CALLS, MemoryNg
from tests.support.clock import run_in_virtual_time

pytestmark = pytest.mark.load

EACH = 500
RESULTS = frozenset({"ok", "error", "pong", "load limit"})
MAX_REASON = 1500
PEERS = ("baresip", "linphone", "sipp", "ffmpeg")
BROWSERS = ("chromium-offer-audio", "firefox-offer-audio", "aiortc-offer-audio")
SELECT = ({"from-tag": "a"}, {"all": "all"}, {"label": "x"}, {"address": "192.0.2.9"}, {"from-tag": "a", "flags": ["directional"]})
FLAGS = (
    "trust address",
    "trickle-ICE",
    "port latching",
    "reset",
    "loop-protect",
    "generate mid",
    "WebRTC",
    "strict source",
    "full rtcp attribute",
)
FLAG_STRINGS = (
    "ICE=remove RTP/AVP",
    "replace-origin SDES-off [a b] codec-strip-PCMA",
    "direction=in direction=out",
    "transcode-PCMU rtcp-mux-demux",
)
PROTOCOLS = ("RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVPF")
CODECS = {"strip": ["all"], "offer": ["PCMU", "opus"], "mask": ["G722/8000"], "except": ["PCMA"]}


def _description(rng: random.Random, calls: dict[str, str]) -> dict[str, Any]:
    """An offer, or an answer to the offer that a call made last."""
    call_id = f"call-{rng.randrange(4)}"
    keys = {
        "flags": rng.sample(FLAGS, rng.randrange(3)),
        "replace": ["origin", "session-connection", "SDP-version"],
        "ICE": rng.choice(("remove", "force", "default", "optional")),
        "transport-protocol": rng.choice(PROTOCOLS),
        "rtcp-mux": [rng.choice(("offer", "require", "demux", "accept", "reject"))],
        "SDES": [rng.choice(("off", "no-AES_CM_128_HMAC_SHA1_32", "pad", "order:AES_CM_128_HMAC_SHA1_80"))],
        "DTLS": rng.choice(("off", "passive", "active")),
        "direction": ["in", "out"],
        "codec": {name: CODECS[name] for name in rng.sample(sorted(CODECS), 1)},
        "received-from": ["IP4", "198.51.100.9"],
        "sdp-attr": {"audio": {"add": ["x"], "remove": ["ptime:20"], "substitute": [["rtcp-mux", "x"]]}},
        "sdp-media-remove": ["video"],
        "supports": ["load limit"],
        "rtpp-flags": rng.choice(FLAG_STRINGS),
        "TOS": rng.choice((184, "184", -1, 256)),
        "endpoint-learning": rng.choice(("off", "immediate", "delayed", "heuristic")),
        "template": "t",
        "metadata": "m",
        "label": "x",
        "address-family": "IP4",
        "media-address": "203.0.113.9",
    }
    chosen = {name: keys[name] for name in rng.sample(sorted(keys), rng.randrange(6))}
    base = {"call-id": call_id, "from-tag": "a", "via-branch": rng.choice(("", "1", "2")), **chosen}
    if call_id in calls and rng.random() < 0.5:
        return {"command": "answer", **base, "to-tag": rng.choice("bc"), "sdp": oracles.answer_of(calls[call_id])}
    return {"command": "offer", **base, "sdp": rng.choice(corpus.sdps_named(*rng.choice((PEERS, BROWSERS))))}


def _request(rng: random.Random, calls: dict[str, str]) -> dict[str, Any]:
    """A request that is in order as far as its form goes."""
    if rng.random() < 0.25:
        return _description(rng, calls)
    what = rng.choice(("delete", "delete", "query", "list", "statistics", "ping", "block", "play DTMF", "start recording"))
    base: dict[str, Any] = {"command": what, "call-id": f"call-{rng.randrange(4)}"}
    match what:
        case "delete":
            return {**base, "from-tag": "a", "delete delay": rng.choice((0, "0", 5)), "flags": rng.choice(([], ["fatal"], ["fast"]))}
        case "block":
            kind = rng.choice(("block DTMF", "unblock DTMF", "block media", "unblock media", "silence media", "unsilence media"))
            return {**base, **rng.choice(SELECT), "command": kind}
        case "play DTMF":
            return {**base, **rng.choice(SELECT), "code": rng.choice(("5", 5, "12#")), "duration": "200", "volume": -8}
    return base


def _mutated(rng: random.Random, request: dict[str, Any]) -> bytes:
    """The datagram of a request, damaged in its octets, its dictionary or its SDP."""
    kind = rng.random()
    cookie = b"%x_%d" % (rng.getrandbits(40), rng.randrange(100))
    json = rng.random() < 0.4
    if kind < 0.4:
        body = write_body(request, Form.JSON if json else Form.BENCODE)
        return mutate_octets(rng, cookie + b" " + body, (b"4: lied:i-0ee", b'{"a":[{}]}'))
    if kind < 0.6 and "sdp" in request:
        damaged: Any = {**request, "sdp": mutate_sdp(rng, request["sdp"], corpus.sdps())}
    else:
        damaged = mutate_tree(rng, request, lambda rng, text: mutate_sdp(rng, text, corpus.sdps()))
    if not json:
        return cookie + b" " + write_bencode(damaged)
    text = write_json(rng, damaged)
    return cookie + b" " + (text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)


def _check(datagram: bytes, reply: bytes | None, calls: dict[str, str]) -> bool:
    """Whether the request was served; the reply is as it must be."""
    asked = split_cookie(datagram)
    if asked is None:
        assert reply is None, "a reply to what has no cookie"
        return False
    assert reply is not None, "no reply"
    split = split_cookie(reply)
    assert split is not None
    assert split[0] == asked[0]
    assert format_of(split[1]) is format_of(asked[1])
    said = parse_body(split[1])
    assert said["result"] in RESULTS, said
    if said["result"] == "error":
        assert 0 < len(said["error-reason"]) <= MAX_REASON
        assert said["error-reason"] != "Internal error"
    if isinstance(said.get("sdp"), str):
        try:
            describe(said["sdp"])
        except SdpError as problem:
            raise AssertionError(f"wrote an SDP that cannot be read: {problem}") from problem
        calls[f"call-{len(calls) % 4}"] = said["sdp"]
    return bool(said["result"] != "error")


async def _episode(case: Case) -> int:
    rng, served = case.rng, 0
    gateway = await MemoryNg.started()
    calls: dict[str, str] = {}
    for number in range(EACH):
        if rng.random() < 0.06:  # in order, so that calls get somewhere
            request = _description(rng, calls)
            case.input = request
            reply = gateway.ask(request)
            if "sdp" in reply and request["command"] == "offer":
                calls[request["call-id"]] = reply["sdp"]
        case.input = datagram = _mutated(rng, _request(rng, calls))
        reply_octets = gateway.receive(datagram)
        assert not gateway.failures, gateway.failures[0]
        served += _check(datagram, reply_octets, {})
        if rng.random() < 0.02:
            assert gateway.receive(datagram) == reply_octets, "another reply to the same cookie"
        if number % 100 == 99:
            assert gateway.ask({"command": "ping"}, rng.choice(list(Form))) == {"result": "pong"}
            await asyncio.sleep(rng.choice((0.0, 0.3, 5.0, 40.0)))
        assert len(gateway.calls) <= MAX_CALLS
    case.input = "the end"
    await gateway.close()
    return served


def test_ng_datagrams_are_served_or_refused() -> None:
    for case in cases("ng", inputs_each=EACH):
        served = 0
        with told(case):
            served = run_in_virtual_time(_episode(case))
        case.count(EACH, took=served)
    check_count("ng", least_taken=0.05, most_taken=0.9)
