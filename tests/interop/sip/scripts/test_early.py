"""Before a call is answered: early media, reliable provisional responses, several early dialogs, UPDATE."""

from __future__ import annotations

import asyncio

import pytest

from tests.interop.sip.script import Callee, Caller, sdp
from tests.interop.sip.scripts.phone_media import PhoneMedia
from tests.interop.sip.scripts.stage import Stage

pytestmark = pytest.mark.interop

RELIABLE = ("Require: 100rel", "RSeq: 5")
ABLE = "Allow: INVITE, ACK, BYE, CANCEL, PRACK, UPDATE, INFO"


async def test_early_media_is_heard_and_stays_when_answered(stage: Stage) -> None:
    async with PhoneMedia.open() as media:
        script = Callee("183 with media").recv("INVITE").send(183, body=media.sdp).pause(0.5).late(200, body=media.sdp).recv("ACK")
        script.recv("BYE").send(200, tag="")
        async with stage.calling(script, media=True) as agent:
            await agent.until("proceeding", code=183)
            await agent.answered("progress")
            assert agent.peer is not None
            agent.peer.speak(b"who is it" * 17)
            assert await media.hears() == b"who is it" * 17
            media.speak()
            assert await agent.hears() == media.voice
            accepted = await agent.until("accepted")
            assert "jsep" not in accepted
            media.speak()
            assert await agent.hears() == media.voice
            await agent.hang_up()


async def test_media_both_ways(stage: Stage) -> None:
    async with PhoneMedia.open() as media:
        script = Callee("media").recv("INVITE").send(200, body=media.sdp).recv("ACK").recv("BYE").send(200, tag="")
        async with stage.calling(script, media=True) as agent:
            await agent.answered()
            assert agent.peer is not None
            agent.peer.speak(b"hello" * 32)
            assert await media.hears() == b"hello" * 32
            media.speak()
            assert await agent.hears() == media.voice
            await agent.hang_up()


async def test_the_fork_that_answers_is_the_one_heard(stage: Stage) -> None:
    """Early media of two forks; the 200 comes of the second, then of none that was early: its SDP counts."""
    async with PhoneMedia.open() as first, PhoneMedia.open() as second:
        script = Callee("two early dialogs").recv("INVITE").send(183, body=first.sdp, tag="one").send(183, body=second.sdp, tag="two")
        script.pause(0.3).late(200, body=second.sdp, tag="two").recv("ACK", checks="To:[^\r\n]*-two-")
        script.recv("BYE", checks="To:[^\r\n]*-two-").send(200, tag="")
        async with stage.calling(script, media=True) as agent:
            await agent.answered("progress")
            await agent.until("accepted")
            assert agent.peer is not None
            agent.peer.speak(b"to two" * 20)
            assert await second.hears() == b"to two" * 20
            assert not first.heard
            await agent.hang_up()


async def test_the_to_tag_changes_between_180_and_200(stage: Stage) -> None:
    script = Callee("another tag").recv("INVITE").send(180, tag="bell").send(200, body=sdp(), tag="one").recv("ACK", checks="-one-")
    script.recv("BYE", checks="To:[^\r\n]*-one-").send(200, tag="")
    async with stage.calling(script) as agent:
        await agent.until("ringing")
        await agent.answered()
        await agent.hang_up()


async def test_two_forks_answer_and_the_later_is_ended(stage: Stage) -> None:
    script = Callee("two 200").recv("INVITE").send(200, body=sdp(), tag="one", repeat=False).recv("ACK", checks="-one-")
    script.late(200, body=sdp(), tag="two", repeat=False).recv("ACK", checks="-two-").recv("BYE", checks="-two-").send(200, tag="")
    script.pause(0.1).ask("BYE").recv(200)
    async with stage.calling(script) as agent:
        await agent.answered()
        await agent.until("hangup")
        assert not agent.waiting("accepted")


async def test_a_reliable_183_is_acknowledged_and_its_sdp_is_the_answer(stage: Stage) -> None:
    script = Callee("reliable 183, bare 200").recv("INVITE", checks="Supported:[^\r\n]*100rel").send(183, body=sdp(), headers=RELIABLE)
    script.recv("PRACK", checks="RAck: 5 1 INVITE").send(200, tag="").late(200).recv("ACK").recv("BYE").send(200, tag="")
    async with stage.calling(script) as agent:
        await agent.answered("progress")
        await agent.until("accepted")
        await agent.hang_up()


async def test_the_200_of_the_prack_comes_after_that_of_the_invite(stage: Stage) -> None:
    script = Callee("200 PRACK last").recv("INVITE").send(183, body=sdp(), headers=RELIABLE)
    script.recv("PRACK", saves={"prack": r"[\r\n]Via: *([^\r\n]*)", "prackseq": r"CSeq: *([^\r\n]*)"}).late(200).recv("ACK")
    lines = ["Via: [$prack]", "From: [$caller]", "To: [$callee];tag=[pid]-one-[call_number]", "Call-ID: [call_id]", "CSeq: [$prackseq]"]
    script.raw(script.message("SIP/2.0 200 OK", lines)).recv("BYE").send(200, tag="")
    async with stage.calling(script) as agent:
        await agent.answered("progress")
        await agent.until("accepted")
        await asyncio.sleep(0.1)
        await agent.hang_up()


async def test_a_reliable_180_without_sdp(stage: Stage) -> None:
    script = Callee("reliable 180").recv("INVITE").send(180, headers=RELIABLE).recv("PRACK", checks="RAck: 5 1 INVITE").send(200, tag="")
    script.late(200, body=sdp()).recv("ACK").recv("BYE").send(200, tag="")
    async with stage.calling(script) as agent:
        await agent.until("ringing")
        await agent.answered()
        await agent.hang_up()


async def test_a_call_is_given_up_after_a_reliable_183(stage: Stage) -> None:
    script = Callee("CANCEL after PRACK").recv("INVITE").send(183, body=sdp(), headers=RELIABLE).recv("PRACK").send(200, tag="")
    script.recv("CANCEL").send(200).late(487, repeat=False).recv("ACK")
    async with stage.calling(script) as agent:
        await agent.answered("progress")
        assert (await agent.hang_up())["code"] == 487


async def test_the_callee_changes_early_media_by_update(stage: Stage) -> None:
    script = Callee("UPDATE before the 200").recv("INVITE").send(183, body=sdp(), headers=[*RELIABLE, ABLE]).recv("PRACK").send(200, tag="")
    script.ask("UPDATE", body=sdp(2, "sendonly")).recv(200, body="a=recvonly").late(200).recv("ACK").recv("BYE").send(200, tag="")
    async with stage.calling(script) as agent:
        await agent.answered("progress")
        await agent.until("accepted")
        await agent.hang_up()


# --- the script calls -----------------------------------------------------------------------------------------------------------------


def calling(name: str, *headers: str, body: str | None = None) -> Caller:
    return Caller(name).ask("INVITE", body=sdp() if body is None else body, headers=headers).recv(100, optional=True)  # type: ignore[return-value]


def prack(script: Caller, code: int, *, body: str = "", answers: str = "") -> Caller:
    """A reliable response, and its acknowledgement."""
    script.recv(code, saves={"rseq": r"RSeq: *([0-9]+)"}, checks="Require: 100rel", body=answers)
    return script.ask("PRACK", body=body, headers=["RAck: [$rseq] 1 INVITE"]).recv(200, checks="CSeq: [0-9]+ PRACK")  # type: ignore[return-value]


async def test_a_caller_that_requires_100rel_acknowledges_ringing_and_early_media(stage: Stage) -> None:
    script = prack(prack(calling("Require: 100rel", "Require: 100rel"), 180), 183, answers="m=audio")
    script.recv(200, checks="CSeq: 1 INVITE").ack(number=1).ask("BYE").recv(200)
    async with stage.called(script) as agent:
        incoming = await agent.until("incomingcall")
        await agent.take(incoming, "progress")
        await agent.until("progressed")
        await agent.ask("accept")
        await agent.until("accepted")
        await agent.until("hangup")


async def test_early_media_of_ours_to_a_caller_without_100rel(stage: Stage) -> None:
    script = calling("plain 183").recv(180).recv(183, body="m=audio").recv(200, body="m=audio").ack().ask("BYE").recv(200)
    async with stage.called(script) as agent:
        await agent.take(request="progress", headers={"X-Tune": "one"})
        await agent.until("progressed")
        await agent.ask("accept")
        await agent.until("hangup")


async def test_the_caller_changes_early_media_by_update(stage: Stage) -> None:
    script = prack(prack(calling("UPDATE of the caller", "Supported: 100rel", "Require: 100rel"), 180), 183)
    script.ask("UPDATE", body=sdp(2, "sendonly")).recv(200, checks="CSeq: [0-9]+ UPDATE", body="a=recvonly")
    script.recv(200, checks="CSeq: 1 INVITE").ack(number=1).ask("BYE").recv(200)
    async with stage.called(script) as agent:
        await agent.take(request="progress")
        await agent.until("remote_hold")
        await agent.ask("accept")
        await agent.until("accepted")
        await agent.until("hangup")


async def test_a_reliable_response_that_nobody_acknowledges(hasty_stage: Stage) -> None:
    """The call is refused after 64 T1 (RFC 3262 section 3)."""
    script = calling("no PRACK", "Require: 100rel").recv(180).recv(504, ignores=180).ack()
    async with hasty_stage.called(script) as agent:
        await agent.until("incomingcall")
        await agent.until("hangup")


# --- the script calls without an offer ------------------------------------------------------------------------------------------------


def early_offer(name: str) -> Caller:
    """An INVITE without SDP; our reliable 183 has the offer."""
    script = prack(calling(name, "Supported: 100rel", "Require: 100rel", body=""), 180)
    return script.recv(183, saves={"rseq": r"RSeq: *([0-9]+)"}, checks="Require: 100rel", body="m=audio [0-9]+ RTP/AVP 0")  # type: ignore[return-value]


def acknowledge(script: Caller, *, body: str = "") -> Caller:
    return script.ask("PRACK", body=body, headers=["RAck: [$rseq] 1 INVITE"]).recv(200, checks="CSeq: [0-9]+ PRACK")  # type: ignore[return-value]


async def test_our_offer_goes_in_a_reliable_183_and_the_prack_answers(stage: Stage) -> None:
    async with PhoneMedia.open() as media:
        script = acknowledge(early_offer("offer in 183"), body=media.sdp)
        script.recv(200, checks="Content-Length: *0").ack(number=1).recv("BYE").send(200)
        async with stage.called(script, media=True) as agent:
            await agent.take(request="progress")
            await agent.until("progressed")
            await agent.answered("progress")
            assert agent.peer is not None
            agent.peer.speak(b"who is it" * 17)
            assert await media.hears() == b"who is it" * 17
            await agent.ask("accept")
            assert "jsep" not in await agent.until("accepted")
            media.speak()
            assert await agent.hears() == media.voice
            await agent.hang_up()


async def test_the_call_is_taken_before_the_prack_comes(stage: Stage) -> None:
    """The 200 waits for the PRACK that has the answer (RFC 3262 section 3)."""
    script = acknowledge(early_offer("accept before PRACK").pause(0.3), body=sdp())  # type: ignore[arg-type]
    script.recv(200, checks="CSeq: 1 INVITE").ack(number=1).ask("BYE").recv(200)
    async with stage.called(script) as agent:
        await agent.take(request="progress")
        await agent.until("progressed")
        await agent.ask("accept")
        await agent.until("accepting")
        await agent.answered()
        await agent.until("hangup")


async def test_a_prack_without_the_answer_and_an_ack_without_it(stage: Stage) -> None:
    """The call is ended when the ACK has no answer either."""
    script = acknowledge(early_offer("never an answer")).recv(200, checks="CSeq: 1 INVITE").ack(number=1).recv("BYE").send(200)
    async with stage.called(script) as agent:
        await agent.take(request="progress")
        await agent.until("progressed")
        await agent.ask("accept")
        assert (await agent.result("hangup"))["code"] == 488


async def test_a_caller_without_100rel_is_not_offered_early_media(stage: Stage) -> None:
    script = calling("no 100rel", body="").recv(180).recv(200, body="m=audio").ack(sdp()).ask("BYE").recv(200)
    async with stage.called(script) as agent:
        await agent.take(request="progress")
        assert (await agent.until("error"))["plugindata"]["data"]["error_code"] == 447
        assert agent.peer is not None
        await agent.ask("accept", {"type": "offer", "sdp": agent.peer.offer()})
        await agent.answered()
        await agent.until("hangup")


# --- with sip.prack=required ----------------------------------------------------------------------------------------------------------


async def test_where_100rel_is_required_a_caller_without_it_is_refused(strict_stage: Stage) -> None:
    script = Caller("no 100rel").ask("INVITE", body=sdp()).recv(100, optional=True).recv(421, checks="Require: 100rel").ack()
    async with strict_stage.called(script) as agent:
        pass
    assert not agent.waiting("incomingcall")


async def test_where_100rel_is_required_ringing_is_reliable(strict_stage: Stage) -> None:
    script = prack(calling("Supported: 100rel", "Supported: 100rel"), 180).recv(200, checks="CSeq: 1 INVITE").ack(number=1)
    async with strict_stage.called(script.ask("BYE").recv(200)) as agent:  # type: ignore[attr-defined]
        await agent.take()
        await agent.until("accepted")
        await agent.until("hangup")


async def test_where_100rel_is_required_a_phone_without_it_is_not_called(strict_stage: Stage) -> None:
    script = Callee("420").recv("INVITE", checks="Require: 100rel").send(420, tag="none", headers=["Unsupported: 100rel"]).recv("ACK")
    async with strict_stage.calling(script) as agent:
        assert (await agent.result("hangup"))["code"] == 420
