"""Malformed Janus requests at the real core, plugins and calls: an error from the table or a proper reply, and nothing left behind."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest

from boringsdp.errors import SdpError
from boringsdp.sdp import describe
from tests.fuzz import corpus, oracles
from tests.fuzz.campaign import Case, cases, check_count, told
from tests.fuzz.gateway import MAX_CALLS, MemoryGateway
from tests.fuzz.mutations import mutate_sdp, mutate_tree, write_json
from tests.support.clock import run_in_virtual_time

pytestmark = pytest.mark.load

EACH = 50

CORE_ERRORS = frozenset((403, 405, *range(453, 461), *range(464, 470), 471, 472))
"""What may be told a client of WebSockets; 461 to 463 would mean that one of our own plugins raised what it should have told."""
PLUGIN_ERRORS = {"janus.plugin.nosip": frozenset(range(440, 452)), "janus.plugin.echotest": frozenset((411, 412, 413, 414))}
REPLIES = frozenset(("success", "error", "ack", "pong", "server_info"))
EVENTS = frozenset(("event", "webrtcup", "media", "slowlink", "hangup", "detached", "timeout", "ice-failed"))
MAX_REASON = 1500


def _bodies(rng: random.Random) -> list[tuple[dict[str, Any], str | None]]:
    """Bodies for NoSIP and the jsep type that goes with each."""
    peer = rng.choice(corpus.sdps_named("baresip", "linphone", "sipp", "ffmpeg"))
    srtp = rng.choice(({}, {"srtp": "sdes_optional"}, {"srtp": "sdes_mandatory", "srtp_profile": "AES_CM_128_HMAC_SHA1_80"}))
    return [
        ({"request": "generate", **srtp, "info": "x"}, "offer"),
        ({"request": "generate", **srtp}, "answer"),
        ({"request": "process", "type": "offer", "sdp": peer, **srtp}, None),
        ({"request": "process", "type": "answer", "sdp": peer}, None),
        ({"request": "process", "type": "answer", "sdp": peer, "update": True}, None),
        ({"request": "hangup"}, None),
        ({"request": "recording", "action": "start", "audio": True, "filename": "../x"}, None),
        ({"request": "keyframe", "user": True, "peer": True}, None),
        ({"request": "dtmf", "digits": "0123456789*#ABCD", "duration": 100}, None),
        ({"request": "stats"}, None),
        ({"request": "listforwarders"}, None),
        ({"request": "rtp_forward", "streams": [{"host": "192.0.2.9", "port": 1}]}, None),
        ({"request": "stop_rtp_forward", "stream_id": 1}, None),
    ]


def _echo_bodies(rng: random.Random) -> list[tuple[dict[str, Any], str | None]]:
    wishes = {"audio": True, "video": False, "bitrate": 64_000, "audiocodec": "pcmu", "videocodec": "vp8", "substream": 1, "record": True}
    return [(wishes, "offer"), ({}, "offer"), ({"audio": rng.random() < 0.5}, None), ({"video": True, "min_delay": -1}, "answer")]


def _request(rng: random.Random, session: int, handles: dict[str, int]) -> dict[str, Any]:
    """A request that is in order as far as its form goes; it may well be out of turn."""
    kind = rng.random()
    base: dict[str, Any] = {"transaction": "t" * rng.choice((1, 12)), "session_id": session}
    if kind < 0.12:
        verb = rng.choice(("create", "info", "ping", "keepalive", "attach", "claim"))
        if verb in ("create", "info", "ping"):
            del base["session_id"]
        more = {"plugin": rng.choice((*handles, "janus.plugin.none")), "opaque_id": "me"} if verb == "attach" else {}
        return {"janus": verb, **base, **more}
    package = rng.choice(list(handles))
    base["handle_id"] = handles[package]
    if kind < 0.2:
        one = {"candidate": "candidate:1 1 udp 1 192.0.2.7 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0}
        trickle = rng.choice(({"candidate": one}, {"candidates": [one, {"completed": True}]}, {"candidate": None}))
        return {"janus": "trickle", **base, **trickle}
    if kind < 0.24:
        return {"janus": rng.choice(("hangup", "detach", "keepalive")), **base}
    body, jsep_type = rng.choice(_bodies(rng) if package.endswith("nosip") else _echo_bodies(rng))
    request = {"janus": "message", **base, "body": body}
    if jsep_type is not None:
        texts = corpus.sdps_named(f"chromium-{jsep_type}", f"firefox-{jsep_type}", f"aiortc-{jsep_type}")
        request["jsep"] = {"type": jsep_type, "sdp": rng.choice(texts), "trickle": True}
    return request


class _Talk:
    """What a sensible client would send next on its NoSIP handle, from what it was told last."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.open = ""
        self.text = ""
        one = rng.choice(corpus.sdps_named("chromium-offer-audio", "firefox-offer-audio", "aiortc-offer-audio"))
        self.offers = one, rng.choice(corpus.sdps_named("baresip-offer", "linphone-offer", "sipp-offer"))

    def hear(self, messages: list[dict[str, Any]]) -> None:
        for message in messages:
            data = message.get("plugindata", {}).get("data", {})
            result = data.get("result") if isinstance(data, dict) else None
            if isinstance(result, dict) and result.get("event") in ("generated", "processed", "hangingup"):
                jsep = message.get("jsep", {})
                kind = result.get("type") or jsep.get("type")
                self.open = result["event"] if kind == "offer" else ""
                self.text = result.get("sdp") or jsep.get("sdp") or ""

    def request(self, session: int, handle: int) -> dict[str, Any]:
        """The answer that is due; else an offer from either side, or something to do with the call."""
        base = {"janus": "message", "transaction": "t", "session_id": session, "handle_id": handle}
        rng = self.rng
        if self.open == "generated":
            return {**base, "body": {"request": "process", "type": "answer", "sdp": oracles.answer_of(self.text)}}
        if self.open == "processed":
            return {**base, "body": {"request": "generate"}, "jsep": {"type": "answer", "sdp": oracles.answer_of(self.text)}}
        kind = rng.random()
        if kind < 0.5:
            text = self.offers[0] if rng.random() < 0.6 else rng.choice(corpus.sdps_named("chromium-offer", "firefox-offer"))
            srtp = rng.choice(({}, {"srtp": "sdes_optional"}, {"srtp": "sdes_mandatory"}))
            return {**base, "body": {"request": "generate", **srtp}, "jsep": {"type": "offer", "sdp": text}}
        if kind < 0.8:
            peers = corpus.sdps_named("baresip-offer", "linphone-offer", "sipp-offer", "ffmpeg")
            text = self.offers[1] if rng.random() < 0.6 else rng.choice(peers)
            return {**base, "body": {"request": "process", "type": "offer", "sdp": text}}
        return {**base, "body": rng.choice([body for body, jsep in _bodies(rng)[5:] if jsep is None])}


def _mutate_sdp(rng: random.Random, text: str) -> str:
    return mutate_sdp(rng, text, corpus.sdps())


def _mutate(rng: random.Random, request: dict[str, Any]) -> Any:
    """Damage the request anywhere, or only what is inside its envelope."""
    inner = [name for name in ("body", "jsep", "candidate", "candidates") if isinstance(request.get(name), dict | list)]
    if not inner or rng.random() < 0.3:
        return mutate_tree(rng, request, _mutate_sdp)
    name = rng.choice(inner)
    return {**request, name: mutate_tree(rng, request[name], _mutate_sdp)}


def check_messages(messages: list[dict[str, Any]]) -> bool:
    """The reply and the events after it; returns whether the request was served."""
    assert messages, "no reply"
    reply, *events = messages
    assert reply["janus"] in REPLIES, reply
    if reply["janus"] == "error":
        assert reply["error"]["code"] in CORE_ERRORS, reply
        assert 0 < len(reply["error"]["reason"]) <= MAX_REASON
    served = reply["janus"] != "error"
    for event in events:
        assert event["janus"] in EVENTS, event
        if event["janus"] == "event":
            package, data = event["plugindata"]["plugin"], event["plugindata"]["data"]
            if "error_code" in data:
                served = False
                assert data["error_code"] in PLUGIN_ERRORS[package], data
                assert 0 < len(data["error"]) <= MAX_REASON
            _check_texts(event, data)
    return served


def _check_texts(event: dict[str, Any], data: dict[str, Any]) -> None:
    """Every SDP that goes out can be read."""
    texts = [event.get("jsep", {}).get("sdp"), data.get("result", {}).get("sdp") if isinstance(data.get("result"), dict) else None]
    for text in texts:
        if text is not None:
            try:
                describe(text)
            except SdpError as problem:
                raise AssertionError(f"wrote an SDP that cannot be read: {problem}") from problem


def attach(gateway: MemoryGateway) -> tuple[int, dict[str, int]]:
    session = gateway.ask("create")[0]["data"]["id"]
    packages = ("janus.plugin.nosip", "janus.plugin.echotest")
    return session, {package: gateway.ask("attach", session_id=session, plugin=package)[0]["data"]["id"] for package in packages}


def _next(rng: random.Random, talk: _Talk, session: int, handles: dict[str, int]) -> dict[str, Any]:
    """Mostly what makes sense, else anything."""
    return talk.request(session, handles["janus.plugin.nosip"]) if rng.random() < 0.6 else _request(rng, session, handles)


async def _episode(case: Case) -> int:
    """One client that sends nothing but trouble, and one that has a call; returns how many requests were served."""
    rng = case.rng
    gateway = await MemoryGateway.started()
    session, handles = attach(gateway)
    quiet, quiet_handles = attach(gateway)
    offer = corpus.sdps_named("chromium-offer-audio.")[0]
    body = {"request": "generate"}
    gateway.ask("message", session_id=quiet, handle_id=quiet_handles["janus.plugin.nosip"], body=body, jsep={"type": "offer", "sdp": offer})
    untouched = gateway.core.record()[str(quiet)]
    served, talk = 0, _Talk(rng)
    for _ in range(EACH):
        for _ in range(rng.randrange(3)):  # in order, so that calls get somewhere
            case.input = _next(rng, talk, session, handles)
            messages = gateway.receive(json.dumps(case.input))
            assert not gateway.failures, gateway.failures[0]
            check_messages(messages)
            talk.hear(messages)
        case.input = write_json(rng, _mutate(rng, _next(rng, talk, session, handles)))
        messages = gateway.receive(case.input)
        assert not gateway.failures, gateway.failures[0]
        served += check_messages(messages)
        talk.hear(messages)
        gateway.engine.report()
        gateway.take(gateway.core.flush(gateway.now))
        assert not gateway.failures, gateway.failures[0]
        assert len(gateway.calls) <= MAX_CALLS
        if rng.random() < 0.1:
            await asyncio.sleep(rng.choice((0.0, 0.3, 5.0)))
            gateway.take(gateway.core.tick(gateway.now))
        if (known := gateway.handles_of(session)) is None:
            session, handles = attach(gateway)
            known = gateway.handles_of(session)
        for package, handle in handles.items():
            if handle not in known:
                handles[package] = gateway.ask("attach", session_id=session, plugin=package)[0]["data"]["id"]
    case.input = "the end"
    after = gateway.core.record().get(str(quiet))
    assert after is None or after["handles"] == untouched["handles"], "one client's trouble reached another's call"
    await gateway.close()
    return served


def test_janus_requests_are_served_or_refused() -> None:
    for case in cases("janus", inputs_each=EACH):
        served = 0
        with told(case):
            served = run_in_virtual_time(_episode(case))
        case.count(EACH, took=served)
    check_count("janus", least_taken=0.03, most_taken=0.8)
