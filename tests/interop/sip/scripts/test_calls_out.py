"""Calls of an application to SIPp: how they are answered, refused, given up and ended."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.interop.sip.script import Callee, sdp
from tests.interop.sip.scripts.stage import Stage

pytestmark = pytest.mark.interop


async def test_a_call_rings_is_answered_and_ended_by_us(stage: Stage) -> None:
    script = Callee("rings, answers, is hung up").recv("INVITE", checks="Content-Type: application/sdp", body="m=audio [0-9]+ RTP/AVP")
    script.send(180).send(200, body=sdp()).recv("ACK").recv("BYE").send(200, tag="")
    async with stage.calling(script) as agent:
        await agent.until("proceeding", code=180)
        await agent.until("ringing")
        await agent.answered()
        assert (await agent.hang_up())["reason"] == "to BYE"


async def test_a_call_is_ended_by_the_peer(stage: Stage) -> None:
    script = Callee("hangs up with a reason").recv("INVITE").send(200, body=sdp()).recv("ACK")
    script.ask("BYE", headers=['Reason: Q.850;cause=16;text="Terminated"']).recv(200)
    async with stage.calling(script) as agent:
        await agent.answered()
        over = await agent.result("hangup")
        assert (over["code"], over["reason"]) == (200, "Session Terminated")
        assert over["reason_header_cause"] in (16, "16")


@pytest.mark.parametrize(("code", "reason"), [(486, "Busy Here"), (603, "Decline"), (404, "Not Found"), (480, "Temporarily Unavailable")])
async def test_a_call_is_refused(stage: Stage, code: int, reason: str) -> None:
    script = Callee(f"refuses with {code}").recv("INVITE").send(180).send(code).recv("ACK")
    async with stage.calling(script) as agent:
        over = await agent.result("hangup")
        assert (over["code"], over["reason"]) == (code, reason)


async def test_a_call_is_given_up_while_it_rings(stage: Stage) -> None:
    script = Callee("is cancelled").recv("INVITE").send(180).recv("CANCEL", checks="CSeq: [0-9]+ CANCEL").send(200)
    script.late(487, repeat=False).recv("ACK")
    async with stage.calling(script) as agent:
        await agent.until("ringing")
        over = await agent.hang_up()
        assert over["code"] == 487


async def test_a_call_is_given_up_before_anybody_answers(stage: Stage) -> None:
    """A CANCEL waits for the first provisional response (RFC 3261 section 9.1)."""
    script = Callee("a late 180 brings the CANCEL").recv("INVITE").pause(0.7).send(180).recv("CANCEL").send(200)
    script.late(487, repeat=False).recv("ACK")
    async with stage.calling(script) as agent:
        over = await agent.hang_up()
        assert over["code"] == 487


async def test_our_cancel_crosses_the_200(stage: Stage) -> None:
    """The call that was answered all the same is acknowledged and ended at once (RFC 3261 section 9.1)."""
    script = Callee("200 and CANCEL cross").recv("INVITE").send(180).recv("CANCEL").send(200).late(200, body=sdp()).recv("ACK")
    script.recv("BYE").send(200, tag="")
    async with stage.calling(script) as agent:
        await agent.until("ringing")
        assert (await agent.hang_up())["code"] == 487


async def test_both_hang_up_at_once(stage: Stage) -> None:
    script = Callee("BYE glare").recv("INVITE").send(200, body=sdp()).recv("ACK").recv("BYE", saves={"bye": r"[\r\n]Via: *([^\r\n]*)"})
    script.ask("BYE").recv(200)
    bye = ["Via: [$bye]", "From: [$caller]", "To: [$callee];tag=[pid]-one-[call_number]", "Call-ID: [call_id]", "CSeq: 2 BYE"]
    script.raw(script.message("SIP/2.0 200 OK", bye))
    async with stage.calling(script) as agent:
        await agent.answered()
        assert (await agent.hang_up())["code"] == 200


async def test_a_lost_and_doubled_200_makes_one_call(stage: Stage) -> None:
    script = Callee("200 three times, the first ACK is lost").recv("INVITE").send(200, body=sdp(), repeat=False).recv("ACK")
    for _ in range(2):
        script.late(200, body=sdp(), repeat=False).recv("ACK")
    script.recv("BYE").send(200, tag="")
    async with stage.calling(script) as agent:
        await agent.answered()
        await asyncio.sleep(0.2)
        assert not agent.waiting("accepted")
        await agent.hang_up()


async def test_a_200_repeated_after_the_bye_is_acknowledged_too(stage: Stage) -> None:
    script = Callee("200 again after BYE").recv("INVITE").send(200, body=sdp()).recv("ACK").recv("BYE").send(200, tag="")
    script.late(200, body=sdp(), repeat=False).recv("ACK")
    async with stage.calling(script) as agent:
        await agent.answered()
        await agent.hang_up()


async def test_nobody_answers_the_invite(hasty_stage: Stage) -> None:
    agent = await hasty_stage.agent()
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        await agent.place(f"sip:nobody@127.0.0.1:{silent.getsockname()[1]}")
        over = await agent.result("hangup")
        assert over["code"] == 408
        silent.setblocking(False)
        came = [silent.recv(4096) for _ in range(7)]
        assert all(one.startswith(b"INVITE ") for one in came)
    agent.close()


async def test_a_bye_for_a_call_that_the_peer_has_forgotten(stage: Stage) -> None:
    script = Callee("481 to the BYE").recv("INVITE").send(200, body=sdp()).recv("ACK").recv("BYE").send(481, tag="")
    async with stage.calling(script) as agent:
        await agent.answered()
        await agent.hang_up()


async def test_the_answer_has_no_sdp(stage: Stage) -> None:
    script = Callee("no answer in 200").recv("INVITE").send(200, repeat=True).recv("ACK").recv("BYE").send(200, tag="")
    async with stage.calling(script) as agent:
        over = await agent.result("hangup")
        assert over["code"] == 488


async def test_a_call_over_tcp(stage: Stage) -> None:
    script = (
        Callee("TCP").recv("INVITE", checks="Via: SIP/2.0/TCP").send(180).send(200, body=sdp()).recv("ACK").recv("BYE").send(200, tag="")
    )
    async with stage.calling(script, transport="t1") as agent:
        await agent.until("ringing")
        await agent.answered()
        await agent.hang_up()


async def test_a_call_over_tcp_whose_200_is_repeated(stage: Stage) -> None:
    """Over TCP too a 200 is repeated until its ACK, and acknowledged each time (RFC 3261 section 13.3.1.4)."""
    script = Callee("TCP, 200 again").recv("INVITE").send(200, body=sdp(), repeat=False).recv("ACK").late(200, body=sdp(), repeat=False)
    script.recv("ACK").ask("BYE").recv(200)
    async with stage.calling(script, transport="t1") as agent:
        await agent.answered()
        await agent.until("hangup")
