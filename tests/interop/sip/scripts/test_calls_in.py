"""Calls of SIPp to an application: how they are taken, refused, given up and ended, and what is said to strangers."""

from __future__ import annotations

import asyncio

import pytest

from tests.interop.sip.script import Caller, sdp
from tests.interop.sip.scripts.stage import Stage

pytestmark = pytest.mark.interop


def calling(name: str, *headers: str, body: str | None = None) -> Caller:
    """A script that has called, and has been told 100 and 180."""
    script = Caller(name).ask("INVITE", body=sdp() if body is None else body, headers=headers).recv(100, optional=True)
    return script.recv(180)  # type: ignore[return-value]


async def test_a_call_is_taken_and_ended_by_the_caller(stage: Stage) -> None:
    script = calling("calls, hangs up", "X-Ticket: 7").recv(200, body="m=audio [0-9]+ RTP/AVP 0").ack().ask("BYE").recv(200)
    async with stage.called(script, incoming_header_prefixes=["X-"]) as agent:
        incoming = (await agent.take())["plugindata"]["data"]["result"]
        assert incoming["username"].startswith("sip:caller@127.0.0.1")
        assert incoming["headers"] == {"X-Ticket": "7"}
        over = await agent.result("hangup")
        assert (over["code"], over["reason"]) == (200, "Session Terminated")


async def test_a_call_is_taken_and_ended_by_us(stage: Stage) -> None:
    script = calling("is hung up").recv(200).ack().recv("BYE", checks="X-Why: lunch").send(200)
    async with stage.called(script) as agent:
        await agent.take()
        await agent.ask("hangup", headers={"X-Why": "lunch"})
        assert (await agent.result("hangup"))["reason"] == "to BYE"


@pytest.mark.parametrize(("asked", "code"), [(None, 603), (486, 486), (302, 486), (480, 480)])
async def test_a_call_is_refused(stage: Stage, asked: int | None, code: int) -> None:
    script = calling(f"is refused with {code}").recv(code).ack()
    async with stage.called(script) as agent:
        await agent.until("incomingcall")
        await agent.ask("decline", **({} if asked is None else {"code": asked}))
        await agent.until("declining", code=code)
        await agent.until("hangup")


async def test_a_call_is_given_up_by_the_caller(stage: Stage) -> None:
    script = calling("cancels").cancel().recv(200, checks="CSeq: 1 CANCEL").recv(487).ack()
    async with stage.called(script) as agent:
        await agent.until("incomingcall")
        assert (await agent.result("hangup"))["code"] == 487


async def test_the_callers_cancel_crosses_our_200(stage: Stage) -> None:
    """A CANCEL after the 200 changes nothing: the caller acknowledges and hangs up (RFC 3261 section 9.2)."""
    script = calling("cancels too late").recv(200).cancel().recv(200, checks="CSeq: 1 CANCEL").ack().ask("BYE").recv(200)
    async with stage.called(script) as agent:
        await agent.take()
        over = await agent.result("hangup")
        assert (over["code"], over["reason"]) == (200, "Session Terminated")


async def test_the_ack_comes_late_and_the_200_is_repeated(stage: Stage) -> None:
    script = calling("a late ACK").recv(200).pause(1.7).ack().ask("BYE").recv(200)
    async with stage.called(script) as agent:
        await agent.take()
        await agent.until("hangup")


async def test_no_ack_comes_and_the_call_is_ended(hasty_stage: Stage) -> None:
    script = calling("never an ACK").recv(200).recv("BYE", ignores=200).send(200)
    async with hasty_stage.called(script) as agent:
        await agent.take()
        over = await agent.result("hangup", seconds=20)
        assert over["code"] == 408


async def test_both_hang_up_at_once(stage: Stage) -> None:
    script = calling("BYE glare").recv(200).ack().recv("BYE", saves={"bye": r"[\r\n]Via: *([^\r\n]*)", "number": r"CSeq: *([^\r\n]*)"})
    script.ask("BYE").recv(200)
    lines = ["Via: [$bye]", "From: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]"]
    lines += ["To: <sip:caller@[local_ip]:[local_port]>;tag=[pid]-caller-[call_number]", "Call-ID: [call_id]", "CSeq: [$number]"]
    script.raw(script.message("SIP/2.0 200 OK", lines))
    async with stage.called(script) as agent:
        await agent.take()
        assert (await agent.hang_up())["code"] == 200


async def test_an_invite_without_offer_gets_ours_and_answers_in_the_ack(stage: Stage) -> None:
    script = calling("no offer", body="").recv(200, body="m=audio [0-9]+ RTP/AVP 0").ack(sdp()).ask("BYE").recv(200)
    async with stage.called(script) as agent:
        incoming = await agent.take()
        assert "jsep" not in incoming
        await agent.until("accepting")
        await agent.answered()
        await agent.until("hangup")


async def test_no_ringing_before_the_application_says_so(stage: Stage) -> None:
    script = Caller("waits for 180").ask("INVITE", body=sdp()).recv(100, optional=True).recv(180, checks="X-Bell: loud").recv(486).ack()
    async with stage.called(script, automatic_ringing=False) as agent:
        await agent.until("incomingcall")
        await agent.ask("send_ringing", headers={"X-Bell": "loud"})
        await agent.ask("decline", code=486)
        await agent.until("hangup")


async def test_a_second_call_finds_us_busy(stage: Stage) -> None:
    first = calling("the first").recv(200).ack().recv("BYE").send(200)
    second = Caller("the second").ask("INVITE", body=sdp()).recv(100, optional=True).recv(486).ack()
    async with stage.called(first) as agent:
        await agent.take()
        async with stage.script(second, calls=agent.user):
            missed = await agent.result("missed_call")
            assert missed["caller"].startswith("sip:caller@")
        await agent.hang_up()


async def test_an_unknown_extension_is_required(stage: Stage) -> None:
    script = Caller("Require: magic").ask("INVITE", body=sdp(), headers=["Require: magic"]).recv(420, checks="Unsupported: magic").ack()
    async with stage.called(script) as agent:
        pass
    assert not agent.waiting("incomingcall")


async def test_merged_requests_are_refused(stage: Stage) -> None:
    """The same INVITE by a second way (RFC 3261 section 8.2.2.2)."""
    script = calling("by two ways")
    second = script.steps[0].replace("branch=[branch]", "branch=z9hG4bK-other-[call_number]").replace(' retrans="500"', "")
    script.steps.append(second)
    script.recv(482)
    script.raw(
        script.message(
            "ACK sip:[service]@[remote_ip]:[remote_port] SIP/2.0",
            [
                "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=z9hG4bK-other-[call_number]",
                *("Max-Forwards: 70", "[last_From:]", "[last_To:]", "Call-ID: [call_id]", "CSeq: 1 ACK"),
            ],
        )
    )
    script.recv(486).ack()
    async with stage.called(script) as agent:
        await agent.until("incomingcall")
        await asyncio.sleep(0.3)
        assert not agent.waiting("incomingcall")
        await agent.ask("decline", code=486)
        await agent.until("hangup")


async def test_an_offer_that_cannot_be_read(stage: Stage) -> None:
    script = Caller("no SDP at all").ask("INVITE", body="hello there").recv(100, optional=True).recv(488).ack()
    async with stage.called(script) as agent:
        pass
    assert not agent.waiting("incomingcall")


async def test_isup_beside_the_offer(stage: Stage) -> None:
    """A multipart body whose parts nobody else needs to understand (RFC 5621)."""
    isup = "Content-Type: application/isup;version=itu-t92+\nContent-Disposition: signal;handling=optional\n\n01 00 49"
    parts = f"--cut\nContent-Type: application/sdp\n\n{sdp()}\n--cut\n{isup}\n--cut--"
    script = Caller("SDP and ISUP").ask("INVITE", body=parts, content_type='multipart/mixed;boundary="cut"').recv(100, optional=True)
    script.recv(180).recv(200, body="m=audio [0-9]+ RTP/AVP 0").ack().ask("BYE").recv(200)
    async with stage.called(script) as agent:
        await agent.take()
        await agent.until("hangup")


async def test_a_content_type_with_parameters(stage: Stage) -> None:
    script = Caller("charset").ask("INVITE", body=sdp(), content_type='Application/SDP; charset="UTF-8"').recv(100, optional=True)
    script.recv(180).recv(200).ack().ask("BYE").recv(200)
    async with stage.called(script) as agent:
        await agent.take()
        await agent.until("hangup")


async def test_compact_headers(stage: Stage) -> None:
    script = calling("compact").recv(200).ack().ask("BYE").recv(200)
    short = {"Via:": "v:", "From:": "f:", "To:": "t:", "Call-ID:": "i:", "Contact:": "m:", "Content-Type:": "c:", "Content-Length:": "l:"}
    for long, brief in short.items():
        script.steps = [step.replace(f"\n{long}", f"\n{brief}") if step.startswith("<send") else step for step in script.steps]
    async with stage.called(script) as agent:
        await agent.take()
        await agent.until("hangup")


async def test_a_call_over_tcp(stage: Stage) -> None:
    script = calling("TCP").recv(200).recv(200).ack().ask("BYE").recv(200)
    async with stage.called(script, transport="t1") as agent:
        await agent.take()
        await agent.until("hangup")


async def test_nobody_of_that_name(stage: Stage) -> None:
    script = Caller("a stranger").ask("INVITE", body=sdp()).recv(100, optional=True).recv(404).ack()
    async with stage.script(script, calls="nobody-at-all"):
        pass


@pytest.mark.parametrize("method", ["BYE", "INFO", "UPDATE", "INVITE"])
async def test_a_request_of_a_call_that_is_not(stage: Stage, method: str) -> None:
    script = Caller(f"{method} out of the blue").ask(method)
    script.steps[0] = (
        script.steps[0]
        .replace("[remote_port]&gt;", "")
        .replace("To: <sip:[service]@[remote_ip]:[remote_port]>", "To: <sip:[service]@[remote_ip]:[remote_port]>;tag=gone")
    )
    script.recv(100, optional=True).recv(481)
    if method == "INVITE":
        script.ack()
    agent = await stage.agent()
    async with stage.script(script, calls=agent.user):
        pass


async def test_options_tell_what_we_can(stage: Stage) -> None:
    script = Caller("OPTIONS").ask("OPTIONS").recv(200, checks="Allow: [^\r\n]*UPDATE", body="Supported: [^\r\n]*timer")
    agent = await stage.agent()
    async with stage.script(script, calls=agent.user):
        pass
