"""A browser-like peer (aiortc) and a telephone, joined by commands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaStreamError
from aiortc.mediastreams import AudioStreamTrack

from boringsdp.sdp import describe
from tests.call.phone import Phone, port_of
from tests.ng.conftest import Proxy, plain_sdp
from tests.ng.test_front_media import proxy, taken

__all__ = ["proxy"]

TO_PHONE = {"transport_protocol": "RTP/AVP", "ICE": "remove", "flags": ["trust address"], "replace": ["origin"], "rtcp_mux": ["demux"]}
TO_BROWSER = {"transport_protocol": "UDP/TLS/RTP/SAVPF", "ICE": "force", "rtcp_mux": ["offer", "require"], "flags": ["generate mid"]}


class Browser:
    """A PeerConnection that sends silence and waits to hear something."""

    def __init__(self) -> None:
        self.connection = RTCPeerConnection()
        self.connection.addTrack(AudioStreamTrack())
        self.heard = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []
        self.connection.on("track", self._listen)

    def _listen(self, track: AudioStreamTrack) -> None:
        async def receive() -> None:
            with suppress(MediaStreamError):
                for _ in range(5):
                    await track.recv()
                self.heard.set()

        self.tasks.append(asyncio.create_task(receive()))

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp

    async def answer(self, offer: str) -> str:
        await self.connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        return self.connection.localDescription.sdp

    async def take(self, answer: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def close(self) -> None:
        await self.connection.close()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    browser = Browser()
    yield browser
    await browser.close()


async def talk(browser: Browser, phone: Phone, port: int) -> None:
    """Each hears the other."""

    async def speak() -> None:
        while True:
            phone.send(port)
            await asyncio.sleep(0.02)

    speaking = asyncio.create_task(speak())
    try:
        async with asyncio.timeout(10):
            assert (await phone.receive())[1] & 0x7F == 0
            await browser.heard.wait()
    finally:
        speaking.cancel()


async def test_a_browser_calls_a_telephone(proxy: Proxy, browser: Browser):
    phone = Phone()
    to_phone = taken(proxy.offer("ta", via_branch="b1", sdp=await browser.offer(), **TO_PHONE))
    assert "RTP/AVP " in to_phone
    assert not any(word in to_phone for word in ("ice-", "fingerprint", "candidate", "BUNDLE"))
    to_browser = taken(proxy.answer("ta", "tb", "b1", sdp=plain_sdp(phone.port), **TO_BROWSER))
    await browser.take(to_browser)
    await talk(browser, phone, port_of(to_phone))
    tags = proxy.send("query")["tags"]
    flags = tags["ta"]["medias"][0]["flags"]
    assert {"ICE", "DTLS-SRTP", "rtcp-mux"} <= set(flags)
    assert tags["ta"]["medias"][0]["streams"][0]["crypto suite"]
    assert tags["tb"]["medias"][0]["protocol"] == "RTP/AVP"
    totals = proxy.send("delete", from_tag="ta")["totals"]
    assert totals["RTP"]["packets"] > 10


async def test_a_telephone_calls_a_browser(proxy: Proxy, browser: Browser):
    phone = Phone()
    to_browser = taken(proxy.offer("ta", sdp=plain_sdp(phone.port), **TO_BROWSER))
    media = describe(to_browser).medias[0]
    assert (media.protocol_text, bool(media.ufrag), bool(media.fingerprints), media.rtcp_mux) == ("UDP/TLS/RTP/SAVPF", True, True, True)
    to_phone = taken(proxy.answer("ta", "tb", sdp=await browser.answer(to_browser), **TO_PHONE))
    await talk(browser, phone, port_of(to_phone))
    assert not proxy.send("query").get("errors")


async def test_browser_to_browser(proxy: Proxy, browser: Browser):
    other = Browser()
    to_other = taken(proxy.offer("ta", sdp=await browser.offer(), ICE="force"))
    to_browser = taken(proxy.answer("ta", "tb", sdp=await other.answer(to_other), ICE="force"))
    await browser.take(to_browser)
    async with asyncio.timeout(10):
        await browser.heard.wait()
        await other.heard.wait()
    await other.close()


async def test_hold_and_resume_from_the_telephone(proxy: Proxy, browser: Browser):
    phone = Phone()
    to_phone = taken(proxy.offer("ta", sdp=await browser.offer(), **TO_PHONE))
    await browser.take(taken(proxy.answer("ta", "tb", sdp=plain_sdp(phone.port), **TO_BROWSER)))
    await talk(browser, phone, port_of(to_phone))
    for direction, expected in (("sendonly", "sendonly"), ("sendrecv", "sendrecv")):
        held = taken(proxy.offer("tb", "ta", sdp=plain_sdp(phone.port, direction=direction), **TO_BROWSER))
        assert describe(held).medias[0].direction.value == expected
        back = taken(proxy.answer("tb", "ta", sdp=await browser.answer(held), **TO_PHONE))
        assert port_of(back) == port_of(to_phone)
    browser.heard.clear()
    await talk_again(browser, phone, port_of(to_phone))


async def talk_again(browser: Browser, phone: Phone, port: int) -> None:
    for _ in range(5):
        phone.send(port)
    assert await phone.receive()


FRAGMENT = (
    "a=ice-options:trickle\r\na=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\nm=audio 9 RTP/AVP 0\r\na=mid:{mid}\r\n"
    "a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\na=end-of-candidates\r\n"
)


@pytest.mark.parametrize("target", [TO_PHONE, {"ICE": "force"}])
async def test_trickled_candidates_are_taken(proxy: Proxy, browser: Browser, target: dict[str, object]):
    offer = await browser.offer()
    media = describe(offer).medias[0]
    taken(proxy.offer("ta", sdp=offer, **target))
    fragment = FRAGMENT.format(ufrag=media.ufrag, password=media.password, mid=media.mid)
    told = taken(proxy.offer("ta", sdp=fragment, flags=["fragment", "trickle ICE"]))
    assert "a=end-of-candidates\r\n" in told
    assert "a=candidate:1 1 udp 2130706431 127.0.0.1 9 " not in told


async def test_a_fragment_of_an_unknown_call(proxy: Proxy):
    assert proxy.offer("ta", sdp="a=end-of-candidates\r\n", flags=["fragment"])["error-reason"] == "Unknown call-id"
