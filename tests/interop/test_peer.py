"""The plain peer against itself: what the other tests measure with must measure right."""

import asyncio

import pytest

from tests.interop.peer import Line, plain_peer

pytestmark = pytest.mark.interop


@pytest.mark.parametrize(
    ("codec", "suite"),
    [
        ("PCMU", None),
        ("PCMA", None),
        ("G722", None),
        ("opus", None),
        ("PCMU", "AES_CM_128_HMAC_SHA1_80"),
        ("PCMU", "AES_CM_128_HMAC_SHA1_32"),
        ("PCMU", "AEAD_AES_128_GCM"),
        ("PCMU", "AEAD_AES_256_GCM"),
    ],
)
async def test_a_tone_crosses(codec, suite):
    async with plain_peer() as caller, plain_peer() as callee:
        line = Line(codec, suite=suite)
        await caller.take_answer(await callee.answer(await caller.offer(line), line))
        await asyncio.sleep(0.4)
        await asyncio.gather(caller.do("burst", frequency=700, seconds=0.6), callee.do("burst", frequency=1100, seconds=0.4))
        await asyncio.sleep(1.2)
        for peer, frequency, seconds in ((callee, 700, 0.6), (caller, 1100, 0.4)):
            (burst,) = peer.heard()
            assert burst.frequency == pytest.approx(frequency, rel=0.02)
            assert burst.seconds == pytest.approx(seconds, abs=0.08)
            assert not (await peer.do("statistics"))["errors"]


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_a_picture_crosses_and_a_key_frame_comes_on_request(codec):
    async with plain_peer() as caller, plain_peer() as callee:
        line = Line(codec, feedback=True)
        await caller.take_answer(await callee.answer(await caller.offer(line), line))

        async def sees_green(key_frames):
            for _ in range(80):
                statistics = await callee.do("statistics")
                red, green, blue = statistics["colour"] or (0, 0, 0)
                if green > 200 > 100 > max(red, blue) and statistics["key_frames"]["received"] > key_frames:
                    return statistics["key_frames"]["received"]
                await asyncio.sleep(0.1)
            raise AssertionError(statistics)

        before = await sees_green(0)
        await callee.do("request_key_frame")
        await sees_green(before)
