"""Two browsers with audio and video: WebRTC on both sides of the gateway, bundled on one port, and each sees the other's colour."""

import asyncio

import pytest

from tests.interop.kamailio.party import need_ours
from tests.interop.kamailio.talk import hang_up, place, take, talking, webs_hear_each_other

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]

COLOURS = {"#ff0000": (255, 0, 0), "#00ff00": (0, 255, 0)}


async def test_browsers_see_and_hear_each_other(party, backend):
    need_ours(backend, "bundles nothing")
    await asyncio.gather(a_call(party, "jssip", "sipjs"), a_call(party, "sipjs", "jssip"))


async def a_call(party, caller, called):
    first, second = await asyncio.gather(party.web(caller), party.web(called))
    await asyncio.gather(first.do("film", "#ff0000"), second.do("film", "#00ff00"))
    await place(first, second.user, party.proxy.sip)
    await take(second)
    await talking(first, second)
    await asyncio.gather(sees(first, "#00ff00"), sees(second, "#ff0000"))
    await webs_hear_each_other(first, second)
    for web in (first, second):
        assert_bundled((await web.do("sdp"))["remote"])
    await hang_up(second, first)


async def sees(web, colour):
    """Pictures of that colour come, in the size they were sent, and go on coming."""
    seen = first = None
    for _ in range(80):
        seen = await web.do("seen")
        if seen is not None and seen["size"] == [320, 240] and is_colour(seen["rgb"], COLOURS[colour]):
            first = first or seen
            if seen["frames"] >= first["frames"] + 10:
                return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{web.user} saw {seen}, not {colour}; {await web.do('statistics')}")


def is_colour(rgb, wanted):
    return all((part > 130) if full else (part < 110) for part, full in zip(rgb, wanted, strict=True))


def assert_bundled(sdp):
    """Audio and video stand on one port of the gateway's, with one identity."""
    lines = sdp.splitlines()
    medias = [line.split() for line in lines if line.startswith("m=")]
    assert [(media[0], media[2]) for media in medias] == [("m=audio", "UDP/TLS/RTP/SAVPF"), ("m=video", "UDP/TLS/RTP/SAVPF")]
    mids = [line[len("a=mid:") :] for line in lines if line.startswith("a=mid:")]
    assert f"a=group:BUNDLE {' '.join(mids)}" in lines
    assert len({line for line in lines if line.startswith("a=ice-ufrag:")}) == 1
    assert len({media[1] for media in medias} - {"9"}) == 1
