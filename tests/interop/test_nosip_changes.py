"""What happens within a call between a browser and a plain RTP peer: hold, another codec, ICE restart."""

import asyncio
import re

import pytest

from tests.interop.calls import call_from_browser, call_from_phone, hear_each_other
from tests.interop.peer import Line, hear

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]

both_browsers = pytest.mark.parametrize("browser_name", ["chromium", "firefox"])


def version(sdp):
    """Session id and version of the o= line."""
    return tuple(map(int, re.search(r"^o=\S+ (\d+) (\d+)", sdp, re.M).groups()))


def ufrag(sdp):
    return re.search(r"^a=ice-ufrag:(\S+)", sdp, re.M)[1]


async def one_way(rig, phone, *, phone_hears, browser_hears):
    """Bursts from both sides; they arrive only where they are said to."""
    await asyncio.sleep(0.4)
    await rig.call("forget")
    since = len(phone.recorded())
    await asyncio.gather(rig.call("burst", 700, 0.5), phone.do("burst", frequency=1100, seconds=0.5))
    await asyncio.sleep(1.3)
    assert [round(burst.frequency, -2) for burst in phone.heard(since=since)] == ([700] if phone_hears else [])
    assert [round(burst.frequency, -2) for burst in await rig.heard()] == ([1100] if browser_hears else [])


@both_browsers
async def test_the_browser_holds_and_resumes(rig, phone):
    first = await call_from_browser(rig, phone, Line("PCMU"))
    for direction, answered in (("sendonly", "recvonly"), ("inactive", "inactive"), ("sendrecv", "sendrecv")):
        await rig.call("direct", "audio", direction)
        offer = await rig.offer(extra={"update": True})
        assert hear(offer)[0].direction == direction
        assert (version(offer)[0], hear(offer)[0].port) == (version(first)[0], hear(first)[0].port)
        assert version(offer)[1] > version(first)[1]
        await rig.take_answer(await phone.answer(offer, Line("PCMU", direction=answered)))
        if direction != "sendrecv":
            await one_way(rig, phone, phone_hears=direction == "sendonly", browser_hears=False)
    await asyncio.sleep(0.5)
    await hear_each_other(rig, phone)


@both_browsers
async def test_the_phone_holds_and_resumes(rig, phone):
    await call_from_browser(rig, phone, Line("PCMA"))
    for direction, answered in (("sendonly", "recvonly"), ("inactive", "inactive"), ("sendrecv", "sendrecv")):
        answer = await rig.answer(
            await phone.offer(Line("PCMA", direction=direction)), extra={"update": True}, processExtra={"update": True}
        )
        assert hear(answer)[0].direction == answered
        await phone.take_answer(answer)
        if direction != "sendrecv":
            await one_way(rig, phone, phone_hears=False, browser_hears=direction == "sendonly")
    await asyncio.sleep(0.5)
    await hear_each_other(rig, phone)


@both_browsers
async def test_the_browser_changes_the_codec(rig, phone):
    await call_from_browser(rig, phone, Line("PCMU"))
    for codec in ("G722", "opus", "PCMA"):
        offer = await rig.offer(codecs={"audio": [codec.lower()]}, extra={"update": True})
        await rig.take_answer(await phone.answer(offer, Line(codec)))
        await asyncio.sleep(0.5)
        await hear_each_other(rig, phone)


@both_browsers
async def test_the_phone_changes_the_codec(rig, phone):
    await call_from_phone(rig, phone, Line("PCMU"))
    for codec in ("opus", "G722", "PCMU"):
        await phone.take_answer(await rig.answer(await phone.offer(Line(codec)), processExtra={"update": True}))
        await asyncio.sleep(0.5)
        await hear_each_other(rig, phone)


@both_browsers
async def test_ice_restarts_and_the_call_goes_on(rig, phone):
    first = await call_from_browser(rig, phone, Line("PCMU"))
    local, remote = await rig.get("[rig.local, rig.remote]")
    offer = await rig.offer(iceRestart=True, extra={"update": True})
    await rig.take_answer(await phone.answer(offer, Line("PCMU")))
    changed_local, changed_remote = await rig.get("[rig.local, rig.remote]")
    assert ufrag(local) != ufrag(changed_local)
    assert ufrag(remote) != ufrag(changed_remote)
    assert hear(offer)[0].port == hear(first)[0].port
    await asyncio.sleep(1)
    await rig.call("connected")
    await hear_each_other(rig, phone)
    assert not [event for event in await rig.events("webrtcState") if not event["up"]]


@both_browsers
async def test_an_ordinary_reoffer_keeps_ice_as_it_is(rig, phone):
    await call_from_phone(rig, phone, Line("PCMU"))
    remote = await rig.get("rig.remote")
    await phone.take_answer(await rig.answer(await phone.offer(Line("PCMU")), processExtra={"update": True}))
    assert ufrag(await rig.get("rig.remote")) == ufrag(remote)
    await asyncio.sleep(0.5)
    await hear_each_other(rig, phone)


@both_browsers
async def test_sdes_keys_change_by_reoffer(rig, phone):
    line = Line("PCMU", suite="AES_CM_128_HMAC_SHA1_80")
    await call_from_phone(rig, phone, line, srtp="sdes_mandatory")
    phone.keys.clear()
    await phone.take_answer(await rig.answer(await phone.offer(line), processExtra={"update": True}))
    await asyncio.sleep(0.5)
    await hear_each_other(rig, phone)
