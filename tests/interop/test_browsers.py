"""The browsers against themselves: the rig must measure right before the gateway is measured with it."""

import asyncio

import pytest

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]

LOOPBACK = """async () => {
    const [a, b] = [new RTCPeerConnection(), new RTCPeerConnection()];
    a.onicecandidate = event => event.candidate && b.addIceCandidate(event.candidate);
    b.onicecandidate = event => event.candidate && a.addIceCandidate(event.candidate);
    b.ontrack = event => rig.play(event.track);
    a.addTrack(rig.out.stream.getTracks()[0]);
    a.addTrack(rig.picture().getTracks()[0]);
    await a.setLocalDescription();
    await b.setRemoteDescription(a.localDescription);
    await b.setLocalDescription();
    await a.setRemoteDescription(b.localDescription);
    window.loopback = [a, b];
}"""


@pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
async def test_the_rig_hears_its_own_tone_and_sees_its_own_picture(bare_rig):
    rig = bare_rig
    await rig.page.evaluate(LOOPBACK)
    await rig.until("rig.seen()")
    await asyncio.sleep(0.5)
    await rig.call("burst", 900, 0.5)
    await asyncio.sleep(1.2)
    (burst,) = await rig.heard()
    assert burst.frequency == pytest.approx(900, rel=0.02)
    assert burst.seconds == pytest.approx(0.5, abs=0.08)
    red, green, blue = (await rig.get("rig.seen()"))["rgb"]
    assert red > 200 > 60 > max(green, blue)
