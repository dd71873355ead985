"""Messages that are lost on the way, or come twice: one call all the same, told once."""

from __future__ import annotations

import asyncio

import pytest

from tests.interop.sip.script import Callee, Caller, sdp
from tests.interop.sip.scripts.relay import running_relay
from tests.interop.sip.scripts.stage import Stage

pytestmark = pytest.mark.interop


def lose(*starts: bytes, times: int = 1):
    """Loses what begins so, the first `times` that it comes."""
    return lambda data, before: 0 if data.startswith(starts) and before < times else 1


def twice(data: bytes, before: int) -> int:
    return 2


async def call_over(stage: Stage, script: Callee, **fates) -> None:
    """Somebody calls a script over a bad line and hangs up."""
    async with stage.script(script) as phone, running_relay(phone.uri.partition("@")[2], **fates) as relay:
        agent = await stage.agent()
        await agent.place(f"sip:callee@127.0.0.1:{relay.port}")
        await agent.answered()
        await asyncio.sleep(0.05)
        assert not agent.waiting("accepted")
        assert (await agent.hang_up())["reason"] == "to BYE"
        agent.close()


def answering(name: str) -> Callee:
    return Callee(name).recv("INVITE").send(200, body=sdp()).recv("ACK").recv("BYE", ignores="ACK").send(200, tag="")  # type: ignore[return-value]


async def test_two_invites_are_lost(stage: Stage) -> None:
    await call_over(stage, answering("hears the third INVITE"), to_server=lose(b"INVITE ", times=2))


async def test_the_200_is_lost_twice(stage: Stage) -> None:
    await call_over(stage, answering("says 200 again"), to_client=lose(b"SIP/2.0 200", times=2))


async def test_what_we_send_comes_twice(stage: Stage) -> None:
    await call_over(stage, answering("hears all twice"), to_server=twice)


async def test_what_we_hear_comes_twice(stage: Stage) -> None:
    script = Callee("speaks twice").recv("INVITE").send(180).send(200, body=sdp()).recv("ACK").recv("BYE", ignores="ACK").send(200, tag="")
    await call_over(stage, script, to_client=twice)


async def be_called_over(stage: Stage, script: Caller, *, info: bool = False, **fates) -> None:
    """A script calls somebody over a bad line and hangs up."""
    agent = await stage.agent()
    async with running_relay(stage.sip, **fates) as relay, stage.script(script, calls=agent.user, at=f"127.0.0.1:{relay.port}"):
        await agent.take()
        if info:
            await agent.until("info")
        assert (await agent.result("hangup"))["reason"] == "Session Terminated"
        await asyncio.sleep(0.05)
        assert not agent.waiting("incomingcall")
        assert not agent.waiting("info")
        agent.close()


async def test_everything_comes_twice_to_the_called(stage: Stage) -> None:
    script = Caller("everything twice").ask("INVITE", body=sdp()).recv(100, optional=True).recv(180).recv(200).ack()
    script.ask("INFO", body="Signal=5", content_type="application/dtmf-relay").recv(200).ask("BYE").recv(200)
    await be_called_over(stage, script, info=True, to_server=twice)


async def test_the_ack_is_lost(stage: Stage) -> None:
    """The 200 comes again, and so does the ACK."""
    script = Caller("its ACK is lost").ask("INVITE", body=sdp()).recv(100, optional=True).recv(180).recv(200).ack().pause(1).ask("BYE")
    await be_called_over(stage, script.recv(200), to_server=lose(b"ACK "))  # type: ignore[arg-type]


async def test_answers_are_lost(stage: Stage) -> None:
    script = Caller("the first answers are lost").ask("INVITE", body=sdp()).recv(100, optional=True).recv(180, optional=True).recv(200)
    await be_called_over(stage, script.ack().ask("BYE").recv(200), to_client=lose(b"SIP/2.0 "))  # type: ignore[arg-type]
