"""
What a call costs to set up and to keep: CPU milliseconds and bytes of the gateway process per established call.

Run as `python -m bench.call_setup [calls] [--janus]`. Real requests over the Janus API, a real ICE check and DTLS handshake per call,
no media.
"""

from __future__ import annotations

import argparse
import asyncio

from bench.janus import running_janus
from bench.webrtc_peer import Peer
from boringsdp.dtls import Identity
from tests.support.gateway import Gateway, running_gateway
from tests.support.janus_client import JanusClient

WARM_UP = 50
AT_A_TIME = 20
ANSWER = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 9000 RTP/AVP 0 126\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:126 telephone-event/8000\r\n"
)
QUIET_S = 5.0


async def call(janus: JanusClient, identity: Identity) -> tuple[int, Peer]:
    """Set up one call and return its handle and peer."""
    peer = await Peer.open(identity)
    handle = await janus.attach("janus.plugin.nosip")
    await janus.message(handle, {"request": "generate"}, {"type": "offer", "sdp": peer.offer})
    event = await janus.message(handle, {"request": "process", "type": "answer", "sdp": ANSWER})
    await peer.connect(event["jsep"]["sdp"])
    await janus.named(handle, "webrtcup")
    return handle, peer


async def measure(gateway: Gateway, calls: int) -> None:
    identity = Identity()
    async with JanusClient(gateway.websocket) as janus:
        for handle, peer in [await call(janus, identity) for _ in range(WARM_UP)]:
            await janus.request("detach", handle_id=handle)
            peer.close()
        memory, cpu = gateway.memory(), gateway.cpu_s()
        kept = [await call(janus, identity) for _ in range(calls)]
        spent, fresh = gateway.cpu_s() - cpu, gateway.memory() - memory
        print(f"calls set up one after another        {calls}")
        print(f"CPU per call set-up                   {spent / calls * 1e3:.2f} ms")
        print(f"memory per call                       {fresh / calls / 1e3:.0f} kB")
        cpu = gateway.cpu_s()
        await asyncio.sleep(QUIET_S)
        print(f"CPU per established, silent call      {(gateway.cpu_s() - cpu) / QUIET_S / calls * 1e3:.2f} ms per second")
        again, cpu = gateway.memory(), gateway.cpu_s()
        for handle, peer in [await call(janus, identity) for _ in range(calls)]:
            kept.append((handle, peer))
        print(
            f"the same number once more             {(gateway.cpu_s() - cpu) / calls * 1e3:.2f} ms, "
            f"{(gateway.memory() - again) / calls / 1e3:.0f} kB per call"
        )
        cpu = gateway.cpu_s()
        for _ in range(calls // AT_A_TIME):
            kept += await asyncio.gather(*(call(janus, identity) for _ in range(AT_A_TIME)))
        print(f"CPU per call set-up, {AT_A_TIME} at a time    {(gateway.cpu_s() - cpu) / (calls // AT_A_TIME * AT_A_TIME) * 1e3:.2f} ms")
        for handle, peer in kept:
            await janus.request("detach", handle_id=handle)
            peer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU and memory of the gateway process per call.")
    parser.add_argument("calls", nargs="?", type=int, default=200)
    parser.add_argument("--janus", action="store_true", help="then the same with Janus (apt-get install janus), for the ratio")
    options = parser.parse_args()
    with running_gateway("--janus.max_handles=10000", "--media.timeout=0", "--log.level=warning") as gateway:
        print("BoringSDP")
        asyncio.run(measure(gateway, options.calls))
    if options.janus:
        with running_janus() as janus:
            print("Janus")
            asyncio.run(measure(janus, options.calls))


if __name__ == "__main__":
    main()
