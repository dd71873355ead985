"""Session timers (RFC 4028) that run out: intervals of 3 s, which no configuration allows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.interop.sip.script import Callee, Caller, Script, sdp
from tests.interop.sip.scripts.inside import stage_inside
from tests.interop.sip.scripts.stage import Stage

pytestmark = pytest.mark.interop

UPDATES = "Allow: INVITE, ACK, BYE, CANCEL, UPDATE"
NO_UPDATES = "Allow: INVITE, ACK, BYE, CANCEL"
GIVEN_UP = "Reason: SIP;cause=408"


@pytest_asyncio.fixture
async def brief() -> AsyncIterator[Stage]:
    async with stage_inside(session={"session_expires": 3, "min_se": 2, "smallest_se": 2}) as stage:
        yield stage


def timer(refresher: str, seconds: int = 3) -> tuple[str, str]:
    return f"Session-Expires: {seconds};refresher={refresher}", "Require: timer"


def called(name: str, refresher: str, *headers: str) -> Callee:
    """A script that is called and answers."""
    script = Callee(name).recv("INVITE", checks="Session-Expires: 3", body="Supported: [^\r\n]*timer")
    return script.send(200, body=sdp(), headers=[*timer(refresher), *headers]).recv("ACK")  # type: ignore[return-value]


def calls(name: str, refresher: str, *headers: str, supports: str = "Supported: timer") -> Caller:
    """A script that calls and is answered."""
    script = Caller(name).ask("INVITE", body=sdp(), headers=[supports, f"Session-Expires: 3;refresher={refresher}", *headers])
    script.recv(100, optional=True).recv(180).recv(200, checks=f"Session-Expires: 3;refresher={refresher}")
    return script.ack()  # type: ignore[return-value]


def given_up(script: Script) -> Script:
    """Ended by us because nobody has refreshed."""
    return script.recv("BYE", checks=GIVEN_UP).send(200, **({"tag": ""} if isinstance(script, Callee) else {}))  # type: ignore[attr-defined]


async def test_we_refresh_our_call_by_update(brief: Stage) -> None:
    script = called("gets UPDATEs", "uac", UPDATES)
    for _ in range(2):
        script.recv("UPDATE", checks="Session-Expires: 3;refresher=uac", body="Content-Length: *0").send(200, tag="", headers=timer("uac"))
    async with brief.calling(script.recv("BYE").send(200, tag="")) as agent:  # type: ignore[attr-defined]
        await agent.answered()
        await asyncio.sleep(3.5)
        await agent.hang_up()


async def test_we_refresh_by_the_same_sdp_who_knows_no_update(brief: Stage) -> None:
    script = called("gets re-INVITEs", "uac", NO_UPDATES)
    for _ in range(2):
        script.recv("INVITE", checks="Session-Expires: 3;refresher=uac", body="m=audio [0-9]+ RTP/AVP 0")
        script.send(200, body=sdp(), tag="", headers=timer("uac")).recv("ACK")
    async with brief.calling(script.recv("BYE").send(200, tag="")) as agent:  # type: ignore[attr-defined]
        await agent.answered()
        await asyncio.sleep(3.5)
        assert not agent.waiting("accepted")
        await agent.hang_up()


async def test_we_refresh_a_call_that_came_in(brief: Stage) -> None:
    script = calls("leaves it to us", "uas", UPDATES)
    for _ in range(2):
        script.recv("UPDATE", checks="Session-Expires: 3;refresher=uac").send(200, headers=timer("uac"))
    async with brief.called(script.ask("BYE").recv(200)) as agent:
        await agent.take()
        assert (await agent.result("hangup"))["code"] == 200


async def test_we_refresh_for_a_caller_that_knows_no_timers(brief: Stage) -> None:
    """RFC 4028 section 9: then the callee is the refresher; its answers say nothing of timers, and the call goes on without them."""
    script = Caller("knows no timers").ask("INVITE", body=sdp(), headers=[UPDATES]).recv(100, optional=True).recv(180).recv(200).ack()
    async with brief.called(script.pause(3.2).ask("BYE").recv(200)) as agent:
        await agent.take()
        assert (await agent.result("hangup"))["code"] == 200


@pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
async def test_the_caller_refreshes_and_then_no_more(brief: Stage, method: str) -> None:
    script = calls(f"refreshes by {method}", "uac")
    for _ in range(2):
        script.pause(1.2).ask(method, body=sdp() if method == "INVITE" else "", headers=["Supported: timer", timer("uac")[0]])
        script.recv(100, optional=True).recv(200, checks="Session-Expires: 3;refresher=uac")
        if method == "INVITE":
            script.ack()
    async with brief.called(given_up(script)) as agent:
        await agent.take()
        over = await agent.result("hangup")
        assert (over["code"], over["reason"]) == (408, "session timer")
        assert not agent.waiting("updatingcall")


@pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
async def test_the_callee_refreshes_and_then_no_more(brief: Stage, method: str) -> None:
    script = called(f"refreshes by {method}", "uas", UPDATES)
    script.pause(1.2).ask(method, body=sdp() if method == "INVITE" else "", headers=["Supported: timer", timer("uac")[0]])
    script.recv(100, optional=True).recv(200, checks="Session-Expires: 3;refresher=uac")
    if method == "INVITE":
        script.ack()
    async with brief.calling(given_up(script)) as agent:
        await agent.answered()
        assert (await agent.result("hangup"))["code"] == 408


async def test_our_refresh_asks_for_too_little(brief: Stage) -> None:
    """422 to UPDATE: again with what it says, which holds from then on."""
    script = called("422 to a refresh", "uac", UPDATES).recv("UPDATE").send(422, tag="", headers=["Min-SE: 4"])
    script.recv("UPDATE", checks="Session-Expires: 4;refresher=uac", body="Min-SE: 4").send(200, tag="", headers=timer("uac", 4))
    script.recv("UPDATE", checks="Session-Expires: 4").send(200, tag="", headers=timer("uac", 4))
    async with brief.calling(script.recv("BYE").send(200, tag="")) as agent:  # type: ignore[attr-defined]
        await agent.answered()
        await asyncio.sleep(3.8)
        await agent.hang_up()


async def test_the_callers_refresh_asks_for_too_little(brief: Stage) -> None:
    script = calls("too brief a refresh", "uac").ask("UPDATE", headers=["Supported: timer", "Session-Expires: 1;refresher=uac"])
    script.recv(422, checks="Min-SE: 2").ask("UPDATE", headers=["Supported: timer", "Session-Expires: 2;refresher=uac"])
    script.recv(200, checks="Session-Expires: 2;refresher=uac")
    async with brief.called(given_up(script)) as agent:
        await agent.take()
        assert (await agent.result("hangup"))["code"] == 408


async def test_our_refresh_fails(brief: Stage) -> None:
    """One that is refused keeps nothing alive."""
    script = called("500 to a refresh", "uac", UPDATES).recv("UPDATE").send(500, tag="")
    async with brief.calling(given_up(script)) as agent:
        await agent.answered()
        assert (await agent.result("hangup"))["code"] == 408


async def test_an_answer_without_session_expires_needs_no_refresh(brief: Stage) -> None:
    script = Callee("no timer").recv("INVITE").send(200, body=sdp(), headers=[UPDATES]).recv("ACK").pause(3.2).ask("BYE").recv(200)  # type: ignore[attr-defined]
    async with brief.calling(script) as agent:
        await agent.answered()
        assert (await agent.result("hangup"))["code"] == 200


async def test_an_update_of_media_refreshes_too(brief: Stage) -> None:
    """The timer begins anew with every re-INVITE that succeeds; a hold, and 1.5 s after it the refresh."""
    script = called("is held", "uac", UPDATES).recv("INVITE", checks="Session-Expires: 3;refresher=uac", body="a=sendonly")
    script.send(200, body=sdp(2, "recvonly"), tag="", headers=timer("uac")).recv("ACK")
    script.recv("UPDATE").send(200, tag="", headers=timer("uac")).recv("BYE").send(200, tag="")  # type: ignore[attr-defined]
    async with brief.calling(script) as agent:
        await agent.answered()
        await asyncio.sleep(1)
        await agent.ask("hold")
        await agent.until("held")
        await asyncio.sleep(2)
        await agent.hang_up()
