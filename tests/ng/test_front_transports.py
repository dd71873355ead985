"""
Every transport protocol, with and without ICE and rtcp-mux, with packets through: two gateways in a row, the second as the peer.

    phone a ── RTP/AVP ── gateway ── what is tried ── other gateway ── RTP/AVP ── phone b

Over ICE both are lite: nobody checks, and each sends to where the other's SDP says.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from boringsdp.call import Calls, CallSettings
from boringsdp.ng.front import NgFront
from boringsdp.ng.settings import NgSettings
from boringsdp.relay import RelaySettings
from boringsdp.sdp import describe
from tests.call.phone import Phone, port_of
from tests.ng.conftest import Proxy, plain_sdp
from tests.ng.test_front_media import taken
from tests.support.engines import make_relay

PROTOCOLS = ["RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF"]
CASES = [(protocol, mux, ice) for protocol in PROTOCOLS for mux in ("demux", "offer") for ice in ("remove", "force", "optional")]
PLAIN = {"transport_protocol": "RTP/AVP", "ICE": "remove", "rtcp_mux": ["demux"]}
ATTEMPTS = 150


@asynccontextmanager
async def gateway() -> AsyncIterator[Proxy]:
    relay = make_relay(RelaySettings(plain_ports=(40000, 40200), port_rest_s=0.0))
    await relay.start()
    calls = Calls(relay, CallSettings())
    front = NgFront(calls, NgSettings(delete_delay_s=0.0))
    yield Proxy(front)
    calls.close()
    await front.close()
    await relay.close()


def heard(phone: Phone) -> bool:
    """Whether RTP has come to a phone."""
    with suppress(BlockingIOError):
        while True:
            if not 192 <= phone.socket.recv(2048)[1] <= 223:
                return True
    return False


async def talk(a: Phone, to_a: str, b: Phone, to_b: str) -> None:
    """Both speak until both are heard."""
    waiting = {a, b}
    for _ in range(ATTEMPTS):
        a.send(port_of(to_a))
        b.send(port_of(to_b))
        await asyncio.sleep(0.02)
        waiting -= {phone for phone in waiting if heard(phone)}
        if not waiting:
            return
    raise AssertionError(f"{len(waiting)} of two phones heard nothing")


@pytest.mark.parametrize(("protocol", "mux", "ice"), CASES)
async def test_media_goes_through(protocol: str, mux: str, ice: str):
    async with gateway() as near, gateway() as far:
        a, b = Phone(), Phone()
        middle = taken(near.offer("ta", sdp=plain_sdp(a.port), transport_protocol=protocol, ICE=ice, rtcp_mux=[mux]))
        media = describe(middle).medias[0]
        assert (media.protocol_text, bool(media.ufrag), media.rtcp_mux) == (protocol, ice != "remove", mux == "offer")
        to_b = taken(far.offer("ta", sdp=middle, **PLAIN))
        assert describe(to_b).medias[0].protocol_text == "RTP/AVP"
        back = taken(far.answer("ta", "tb", sdp=plain_sdp(b.port)))
        to_a = taken(near.answer("ta", "tb", sdp=back))
        await talk(a, to_a, b, to_b)
        found = near.send("query")["tags"]["tb"]["medias"][0]
        assert found["protocol"] == protocol
        assert bool(found["streams"][0].get("crypto suite")) == ("SAVP" in protocol)
        a.close()
        b.close()


async def test_several_webrtc_calls_between_two_gateways_and_their_re_offers():
    async with gateway() as near, gateway() as far:
        calls = [await _webrtc_call(near, far, f"call-{number}") for number in range(3)]
        first, last = calls[0], calls[-1]
        assert port_of(first[2]) == port_of(last[2])  # ours is the shared port, theirs are ports of each call
        assert port_of(first[3]) != port_of(last[3])
        for call_id, (a, middle, b, back) in ((f"call-{number}", (c[0], c[2], c[1], c[3])) for number, c in enumerate(calls)):
            keys = {"call_id": call_id, "from_tag": "ta", "to_tag": "tb"}
            again = taken(near.send("offer", sdp=plain_sdp(a.port), flags=["WebRTC"], **keys))
            to_b = taken(far.send("offer", sdp=again, **keys, **PLAIN))
            answered = taken(far.send("answer", sdp=plain_sdp(b.port), **keys))
            to_a = taken(near.send("answer", sdp=answered, **keys))
            assert (port_of(again), port_of(answered)) == (port_of(middle), port_of(back))
            await talk(a, to_a, b, to_b)
            keys = {"call_id": call_id, "from_tag": "tb", "to_tag": "ta"}  # and the other way round
            again = taken(far.send("offer", sdp=plain_sdp(b.port), flags=["WebRTC"], **keys))
            to_a = taken(near.send("offer", sdp=again, **keys, **PLAIN))
            answered = taken(near.send("answer", sdp=plain_sdp(a.port), **keys))
            to_b = taken(far.send("answer", sdp=answered, **keys))
            assert (port_of(again), port_of(answered)) == (port_of(back), port_of(middle))
            await talk(a, to_a, b, to_b)
            a.close()
            b.close()


async def _webrtc_call(near: Proxy, far: Proxy, call_id: str) -> tuple[Phone, Phone, str, str]:
    """Two phones that speak over WebRTC between the gateways, and the SDPs between these."""
    a, b = Phone(), Phone()
    keys = {"call_id": call_id, "from_tag": "ta"}
    middle = taken(near.send("offer", sdp=plain_sdp(a.port), flags=["WebRTC"], **keys))
    to_b = taken(far.send("offer", sdp=middle, **keys, **PLAIN))
    back = taken(far.send("answer", sdp=plain_sdp(b.port), to_tag="tb", **keys))
    to_a = taken(near.send("answer", sdp=back, to_tag="tb", **keys))
    await talk(a, to_a, b, to_b)
    return a, b, middle, back


@pytest.mark.parametrize("keys", [{"SDES": "off"}, {"DTLS": "off"}, {"SDES": ["only-AES_CM_128_HMAC_SHA1_32"], "DTLS": "off"}])
async def test_keyings_of_savp(keys: dict[str, object]):
    async with gateway() as near, gateway() as far:
        a, b = Phone(), Phone()
        middle = taken(near.offer("ta", sdp=plain_sdp(a.port), transport_protocol="RTP/SAVP", ICE="remove", **keys))
        assert ("a=crypto" in middle, "a=fingerprint" in middle) == (keys.get("SDES") != "off", keys.get("DTLS") != "off")
        to_b = taken(far.offer("ta", sdp=middle, **PLAIN))
        back = taken(far.answer("ta", "tb", sdp=plain_sdp(b.port)))
        await talk(a, taken(near.answer("ta", "tb", sdp=back)), b, to_b)
        a.close()
        b.close()


async def test_opportunistic_srtp_is_taken_and_may_be_left():
    async with gateway() as near, gateway() as far:
        a, b = Phone(), Phone()
        middle = taken(near.offer("ta", sdp=plain_sdp(a.port), transport_protocol="RTP/AVP", OSRTP="offer"))
        assert "a=crypto" in middle
        to_b = taken(far.offer("ta", sdp=middle, SDES="off", **PLAIN))
        back = taken(far.answer("ta", "tb", sdp=plain_sdp(b.port)))
        await talk(a, taken(near.answer("ta", "tb", sdp=back)), b, to_b)
        a.close()
        b.close()
