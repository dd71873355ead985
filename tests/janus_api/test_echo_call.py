"""The echo test as a whole: an aiortc peer, the Janus API over a WebSocket, and the relay on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaStreamError
from aiortc.mediastreams import AudioStreamTrack

from boringsdp.call import Calls, CallSettings
from boringsdp.echotest_plugin import EchoTestPlugin
from boringsdp.janus_api.plugin import PluginContext
from boringsdp.relay import Relay, RelaySettings
from tests.janus_api.sockets import Running, Socket, running
from tests.support.engines import make_relay

PACKAGE = EchoTestPlugin.package


@asynccontextmanager
async def echoing() -> AsyncIterator[tuple[Running, Relay]]:
    relay = make_relay(RelaySettings())
    await relay.start()
    calls = Calls(relay, CallSettings())
    try:
        async with running(EchoTestPlugin(PluginContext(calls=calls))) as gateway:
            yield gateway, relay
        assert len(calls) == 0
    finally:
        await relay.close()


class Client:
    """One handle of the echo test. `events` holds what came, without what `until` has taken."""

    def __init__(self, socket: Socket, ids: dict[str, int]) -> None:
        self.socket = socket
        self.ids = ids

    @classmethod
    async def attach(cls, gateway: Running) -> Client:
        socket = await gateway.connect()
        session_id = await socket.create()
        reply = await socket.ask("attach", session_id=session_id, plugin=PACKAGE)
        return cls(socket, {"session_id": session_id, "handle_id": reply["data"]["id"]})

    async def until(self, what) -> dict:
        """The next message for which `what` holds; those before it are dropped."""
        async with asyncio.timeout(10):
            while True:
                message = await self.socket.ws.receive_json()
                if what(message):
                    return message

    async def negotiate(self, peer: RTCPeerConnection, **body) -> dict:
        """Offer, and take the answer. Returns the event."""
        await peer.setLocalDescription(await peer.createOffer())
        jsep = {"type": "offer", "sdp": peer.localDescription.sdp}
        reply = await self.socket.ask("message", **self.ids, body=body, jsep=jsep)
        assert reply["janus"] == "ack", reply
        event = await self.until(lambda message: message["janus"] == "event")
        assert event["plugindata"]["data"]["result"] == "ok", event
        await peer.setRemoteDescription(RTCSessionDescription(**event["jsep"]))
        return event


async def test_an_aiortc_peer_hears_itself():
    async with echoing() as (gateway, _):
        client = await Client.attach(gateway)
        peer = RTCPeerConnection()
        heard = asyncio.Event()

        @peer.on("track")
        def listen(track):
            async def count() -> None:
                with suppress(MediaStreamError):
                    for _ in range(25):
                        await track.recv()
                    heard.set()

            tasks.append(asyncio.create_task(count()))

        tasks: list[asyncio.Task[None]] = []
        peer.addTrack(AudioStreamTrack())
        await client.negotiate(peer, audio=True)
        await client.until(lambda message: message["janus"] == "webrtcup")
        media = await client.until(lambda message: message["janus"] == "media")
        assert (media["type"], media["receiving"], media["mid"]) == ("audio", True, "0")
        await asyncio.wait_for(heard.wait(), 10)
        await peer.close()
        hangup = await client.until(lambda message: message["janus"] == "hangup")
        assert hangup["reason"] == "DTLS alert"
        done = await client.until(lambda message: message["janus"] == "event")
        assert done["plugindata"]["data"] == {"echotest": "event", "result": "done"}
        await asyncio.gather(*tasks)


async def test_the_handle_serves_again_after_a_hangup():
    async with echoing() as (gateway, _):
        client = await Client.attach(gateway)
        for _ in range(2):
            peer = RTCPeerConnection()
            peer.addTrack(AudioStreamTrack())
            await client.negotiate(peer)
            await client.until(lambda message: message["janus"] == "webrtcup")
            await client.socket.ws.send_json({"janus": "hangup", "transaction": "end", **client.ids})
            assert (await client.until(lambda message: message.get("transaction") == "end"))["janus"] == "success"
            assert (await client.until(lambda message: message["janus"] == "hangup"))["reason"] == "Janus API"
            done = await client.until(lambda message: message["janus"] == "event")
            assert done["plugindata"]["data"]["result"] == "done"
            await peer.close()


async def test_data_channels_are_refused_and_nothing_else_with_them():
    async with echoing() as (gateway, _):
        client = await Client.attach(gateway)
        peer = RTCPeerConnection()
        peer.createDataChannel("JanusDataChannel")
        await peer.setLocalDescription(await peer.createOffer())
        jsep = {"type": "offer", "sdp": peer.localDescription.sdp}
        await client.socket.ask("message", **client.ids, body={}, jsep=jsep)
        refused = await client.until(lambda message: message["janus"] == "event")
        assert refused["plugindata"]["data"]["error_code"] == 414
        peer.addTrack(AudioStreamTrack())
        await peer.setLocalDescription(await peer.createOffer())
        await client.socket.ask("message", **client.ids, body={}, jsep=jsep | {"sdp": peer.localDescription.sdp})
        event = await client.until(lambda message: message["janus"] == "event")
        assert "m=application 0 " in event["jsep"]["sdp"]
        await peer.close()


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("m=audio 9 RTP/AVP 0", "ice-ufrag"),
        ("a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0", "fingerprint"),
        ("hello", "hello"),
    ],
)
async def test_an_sdp_that_is_no_browsers(lines, problem):
    async with echoing() as (gateway, _):
        client = await Client.attach(gateway)
        sdp = f"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n{lines}\r\n"
        reply = await client.socket.ask("message", **client.ids, body={}, jsep={"type": "offer", "sdp": sdp})
        assert reply["error"]["code"] == 465
        assert problem in reply["error"]["reason"]
