"""Established calls that change: hold, re-INVITE and UPDATE both ways, glare, offers that come late, session timers."""

from __future__ import annotations

import asyncio

import pytest

from tests.interop.sip.agent import Agent
from tests.interop.sip.script import Callee, Caller, sdp
from tests.interop.sip.scripts.stage import Stage

pytestmark = pytest.mark.interop

TIMER = "Supported: timer"


def up(name: str, *headers: str) -> Callee:
    """A script that has been called and has answered."""
    return Callee(name).recv("INVITE").send(200, body=sdp(), headers=headers).recv("ACK")  # type: ignore[return-value]


def down(script: Callee) -> Callee:
    """It is hung up."""
    return script.recv("BYE").send(200, tag="")  # type: ignore[return-value]


async def offers_again(agent: Agent) -> None:
    """The browser renegotiates."""
    assert agent.peer is not None
    agent.peer.version += 1
    await agent.ask("update", {"type": "offer", "sdp": agent.peer.offer()})
    await agent.until("updating")


async def test_we_hold_and_resume(stage: Stage) -> None:
    script = up("is held").recv("INVITE", body="a=sendonly").send(200, body=sdp(2, "recvonly"), tag="").recv("ACK")
    down(script.recv("INVITE", body="a=sendrecv").send(200, body=sdp(3), tag="").recv("ACK"))
    async with stage.calling(script) as agent:
        await agent.answered()
        await agent.ask("hold")
        await agent.until("holding")
        await agent.until("held", direction="sendonly")
        await agent.ask("unhold")
        await agent.until("resuming")
        await agent.until("resumed")
        await agent.hang_up()


async def test_a_hold_that_is_refused(stage: Stage) -> None:
    script = down(up("refuses a hold").recv("INVITE", body="a=inactive").send(488, tag="").recv("ACK"))
    async with stage.calling(script) as agent:
        await agent.answered()
        await agent.ask("hold", direction="inactive")
        assert (await agent.result("update_failed"))["code"] == 488
        await agent.hang_up()


async def test_the_peer_holds_and_resumes(stage: Stage) -> None:
    script = up("holds").ask("INVITE", body=sdp(2, "sendonly")).recv(100, optional=True).recv(200, body="a=recvonly").ack()
    down(script.ask("INVITE", body=sdp(3)).recv(100, optional=True).recv(200, body="a=sendrecv").ack())
    async with stage.calling(script) as agent:
        await agent.answered()
        await agent.until("remote_hold", direction="sendonly")
        await agent.until("remote_resume")
        assert not agent.waiting("updatingcall")
        await agent.hang_up()


async def test_the_peers_re_invite_is_answered_by_the_application(stage: Stage) -> None:
    script = up("asks the application").ask("INVITE", body=sdp(2)).recv(100, optional=True).recv(200, body="m=audio").ack()
    async with stage.calling(down(script), autoaccept_reinvites=False) as agent:
        await agent.answered()
        update = await agent.until("updatingcall")
        assert agent.peer is not None
        await agent.ask("update", {"type": "answer", "sdp": agent.peer.answer(update["jsep"]["sdp"])})
        await agent.until("updated")
        await asyncio.sleep(0.1)
        await agent.hang_up()


async def test_the_browser_renegotiates(stage: Stage) -> None:
    script = down(up("is re-invited").recv("INVITE", body="m=audio").send(200, body=sdp(2), tag="").recv("ACK"))
    async with stage.calling(script) as agent:
        await agent.answered()
        await offers_again(agent)
        assert "jsep" in await agent.until("accepted")
        await agent.hang_up()


async def test_our_re_invite_meets_491_and_goes_out_again(stage: Stage) -> None:
    script = up("glare").recv("INVITE").send(491, tag="").recv("ACK").recv("INVITE", body="a=sendonly")
    down(script.send(200, body=sdp(2, "recvonly"), tag="").recv("ACK"))
    async with stage.calling(script) as agent:
        await agent.answered()
        await agent.ask("hold")
        await agent.until("held")
        assert not agent.waiting("update_failed")
        await agent.hang_up()


async def test_re_invites_cross(stage: Stage) -> None:
    """Each side refuses the other's with 491; ours comes again (RFC 3261 section 14)."""
    script = up("re-INVITEs cross").recv("INVITE", saves={"second": r"[\r\n]Via: *([^\r\n]*)", "cseq": r"CSeq: *([^\r\n]*)"})
    script.ask("INVITE", body=sdp(2)).recv(100, optional=True).recv(491)
    ack = script.ask("ACK").steps.pop().replace("[branch]", "[branch-3]").replace("ACK [$target]", "ACK [$target]")
    script.steps.append(ack)
    lines = ["Via: [$second]", "From: [$caller]", "To: [$callee];tag=[pid]-one-[call_number]", "Call-ID: [call_id]", "CSeq: [$cseq]"]
    script.raw(script.message("SIP/2.0 491 Request Pending", lines)).recv("ACK")
    down(script.recv("INVITE", body="a=sendonly").send(200, body=sdp(3, "recvonly"), tag="").recv("ACK"))
    async with stage.calling(script) as agent:
        await agent.answered()
        await agent.ask("hold")
        await agent.until("held")
        await agent.hang_up()


async def test_the_peer_wants_an_offer_and_answers_in_the_ack(stage: Stage) -> None:
    script = up("re-INVITE without offer").ask("INVITE").recv(100, optional=True).recv(200, body="m=audio [0-9]+ RTP/AVP 0")
    async with stage.calling(down(script.ack(body=sdp(2)))) as agent:
        await agent.answered()
        await asyncio.sleep(0.3)
        assert not agent.waiting("updatingcall")
        await agent.hang_up()


async def test_the_application_makes_the_offer_that_the_peer_wants(stage: Stage) -> None:
    script = up("re-INVITE without offer").ask("INVITE").recv(100, optional=True).recv(200, body="m=audio [0-9]+ RTP/AVP 0")
    async with stage.calling(down(script.ack(body=sdp(2))), autoaccept_reinvites=False) as agent:
        await agent.answered()
        update = await agent.until("updatingcall")
        assert "jsep" not in update
        await offers_again(agent)
        assert "jsep" in await agent.until("accepted")
        await agent.hang_up()


async def test_the_peer_updates(stage: Stage) -> None:
    script = down(up("UPDATE with SDP").ask("UPDATE", body=sdp(2, "sendonly")).recv(200, body="a=recvonly"))
    async with stage.calling(script) as agent:
        await agent.answered()
        await agent.until("remote_hold", direction="sendonly")
        await agent.hang_up()


async def test_a_re_invite_that_cannot_be_served(stage: Stage) -> None:
    """488, and the call goes on as it was."""
    video = (
        sdp(2).replace("m=audio [media_port] RTP/AVP 0 101", "m=audio [media_port] RTP/AVP 97").replace("rtpmap:0 PCMU", "rtpmap:97 X-NONE")
    )
    script = up("codecs that nobody has").ask("INVITE", body=video).recv(100, optional=True).recv(488)
    script.steps.append(script.ask("ACK").steps.pop().replace("[branch]", "[branch-3]"))
    async with stage.calling(down(script)) as agent:
        await agent.answered()
        await asyncio.sleep(0.2)
        await agent.hang_up()


async def test_our_re_invite_finds_the_call_gone(stage: Stage) -> None:
    script = up("481 to a re-INVITE").recv("INVITE").send(481, tag="").recv("ACK")
    async with stage.calling(script) as agent:
        await agent.answered()
        await agent.ask("hold")
        over = await agent.result("hangup")
        assert over["code"] == 481


# --- session timers -------------------------------------------------------------------------------------------------------------------


async def test_an_interval_too_small_for_the_peer(stage: Stage) -> None:
    script = Callee("422").recv("INVITE", checks="Session-Expires: 1800").send(422, headers=["Min-SE: 3600"], tag="none").recv("ACK")
    script.recv("INVITE", checks="Session-Expires: 3600", body="Min-SE: 3600").send(200, body=sdp(), headers=[TIMER]).recv("ACK")
    async with stage.calling(down(script)) as agent:
        await agent.answered()
        await agent.hang_up()


async def test_session_expires_without_require(stage: Stage) -> None:
    """Not as RFC 4028 wants it, and common: the timer holds."""
    script = up("Session-Expires alone", "Session-Expires: 1800;refresher=uac")
    async with stage.calling(down(script)) as agent:
        await agent.answered()
        await agent.hang_up()


async def test_an_interval_too_small_for_us(stage: Stage) -> None:
    script = Caller("asks for 60 s").ask("INVITE", body=sdp(), headers=[TIMER, "Session-Expires: 60"]).recv(100, optional=True)
    script.recv(422, checks="Min-SE: 90").ack()
    async with stage.called(script) as agent:
        pass
    assert not agent.waiting("incomingcall")


async def test_the_callee_refreshes(stage: Stage) -> None:
    script = up("refreshes by UPDATE", "Require: timer", "Session-Expires: 90;refresher=uas", "Allow: INVITE, ACK, BYE, UPDATE")
    script.ask("UPDATE", headers=[TIMER, "Session-Expires: 90;refresher=uac"]).recv(200, checks="Session-Expires: 90;refresher=uac")
    async with stage.calling(down(script)) as agent:
        await agent.answered()
        await asyncio.sleep(0.2)
        await agent.hang_up()


async def test_the_caller_is_to_refresh(stage: Stage) -> None:
    script = Caller("is the refresher").ask("INVITE", body=sdp(), headers=[TIMER, "Session-Expires: 1800;refresher=uac"])
    script.recv(100, optional=True).recv(180).recv(200, checks="Session-Expires: 1800;refresher=uac", body="Require: [^\r\n]*timer").ack()
    script.ask("INVITE", body=sdp(), headers=[TIMER, "Session-Expires: 1800;refresher=uac"]).recv(100, optional=True)
    script.recv(200, checks="Session-Expires: 1800", body="m=audio").ack().ask("BYE").recv(200)
    async with stage.called(script) as agent:
        await agent.take()
        await agent.until("hangup")
        assert not agent.waiting("updatingcall")
