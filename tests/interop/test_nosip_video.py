"""Video beside audio: VP8 and H.264 both ways, and key frames on request of either side."""

import asyncio

import pytest

from tests.interop.calls import call_from_browser, call_from_phone, hear_each_other
from tests.interop.peer import Line, hear

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]

# Debian's Firefox has no H.264 for WebRTC: Mozilla's OpenH264 plugin would have to be downloaded (test_firefox_has_no_h264).
CASES = [("chromium", "VP8"), ("chromium", "H264"), ("firefox", "VP8")]
GREEN, RED = 0x00FF00, 0xFF0000


def is_colour(rgb, wanted):
    return rgb is not None and all(
        (part > 130) if wanted >> shift & 0xFF else (part < 110) for part, shift in zip(rgb, (16, 8, 0), strict=True)
    )


async def see_each_other(rig, phone):
    """The browser sees the phone's green, the phone the browser's red."""
    for _ in range(80):
        seen = await rig.get("rig.seen()")
        colour = (await phone.do("statistics"))["colour"]
        if seen and is_colour(seen["rgb"], GREEN) and is_colour(colour, RED):
            break
        await asyncio.sleep(0.1)
    else:
        raise AssertionError(f"browser saw {seen}, phone saw {colour}; {await phone.do('statistics')}; {await rig.call('statistics')}")
    assert (seen["width"], seen["height"]) == (320, 240)


async def key_frames(rig, phone):
    """Key frames received by the phone, key frames asked of the phone, key frames decoded by the browser."""
    statistics = await phone.do("statistics")
    (video,) = [one for one in await rig.call("statistics") if one["type"] == "inbound-rtp" and one["kind"] == "video"]
    return statistics["key_frames"]["received"], statistics["requests"], video["keyFramesDecoded"]


async def until_more(rig, phone, index, before):
    for _ in range(40):
        after = await key_frames(rig, phone)
        if after[index] > before[index]:
            return after
        await asyncio.sleep(0.1)
    raise AssertionError(f"no key frame: {before} then {after}; {await phone.do('statistics')}; {await rig.call('statistics')}")


async def request_key_frames(rig, phone, *, by_rtcp):
    """A request of either side, by RTCP and by the plugin's own request, brings a key frame."""
    await asyncio.sleep(1)
    before = await key_frames(rig, phone)
    if by_rtcp:
        await phone.do("request_key_frame")
        before = await until_more(rig, phone, 0, before)
        await asyncio.sleep(1)
        before = await key_frames(rig, phone)
        await rig.call("send", {"request": "keyframe", "peer": True})
        before = await until_more(rig, phone, 2, before)
        await asyncio.sleep(1)
    before = await key_frames(rig, phone)
    await rig.call("send", {"request": "keyframe", "user": True})
    await until_more(rig, phone, 0, before)


@pytest.mark.parametrize(("browser_name", "codec"), CASES)
async def test_a_phone_with_feedback_calls(rig, phone, codec):
    answer = await call_from_phone(rig, phone, Line("PCMU"), Line(codec, feedback=True))
    assert hear(answer)[1].protocol == "RTP/AVPF"
    await see_each_other(rig, phone)
    await hear_each_other(rig, phone)
    await request_key_frames(rig, phone, by_rtcp=True)


@pytest.mark.parametrize(("browser_name", "codec"), CASES)
async def test_a_browser_calls_a_phone_without_feedback(rig, phone, codec):
    offer = await call_from_browser(rig, phone, Line("opus"), Line(codec))
    assert [one.kind for one in hear(offer)] == ["audio", "video"]
    await see_each_other(rig, phone)
    await hear_each_other(rig, phone)
    await request_key_frames(rig, phone, by_rtcp=False)


@pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
async def test_video_is_added_to_a_call(rig, phone):
    await call_from_browser(rig, phone, Line("PCMU"))
    offer = await rig.offer(media={"audio": False, "video": True}, extra={"update": True})
    assert [one.kind for one in hear(offer)] == ["audio", "video"]
    await rig.take_answer(await phone.answer(offer, Line("PCMU"), Line("VP8")))
    await see_each_other(rig, phone)
    await hear_each_other(rig, phone)


@pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
async def test_a_phone_refuses_the_video(rig, phone):
    offer = await rig.offer(media={"audio": True, "video": True})
    await rig.take_answer(await phone.answer(offer, Line("PCMU")))
    await rig.call("connected")
    await asyncio.sleep(1)
    await hear_each_other(rig, phone)


@pytest.mark.parametrize("browser_name", ["firefox"])
async def test_firefox_has_no_h264(rig):
    """Should this fail one day, add Firefox to the H.264 cases above."""
    capabilities = await rig.get("RTCRtpSender.getCapabilities('video').codecs.map(codec => codec.mimeType)")
    assert "video/VP8" in capabilities
    assert "video/H264" not in capabilities
