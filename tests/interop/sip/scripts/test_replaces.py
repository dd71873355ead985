"""INVITEs with Replaces (RFC 3891) that come in: they take the place of the call they name, or are refused."""

from __future__ import annotations

import re

import pytest

from tests.interop.sip.agent import Agent
from tests.interop.sip.script import Caller, Running, sdp
from tests.interop.sip.scripts.stage import Stage

pytestmark = pytest.mark.interop


def first_call() -> Caller:
    script = Caller("the first call").ask("INVITE", body=sdp()).recv(100, optional=True).recv(180).recv(200).ack()
    return script.recv("BYE").send(200)  # type: ignore[attr-defined, no-any-return]


def second_call(name: str, replaces: str) -> Caller:
    headers = ["Supported: replaces", "Require: replaces", f"Replaces: {replaces}"]
    return Caller(name).ask("INVITE", body=sdp(), headers=headers).recv(100, optional=True)  # type: ignore[return-value]


def refused(script: Caller, code: int) -> Caller:
    return script.recv(code).ack()  # type: ignore[return-value]


async def established(agent: Agent, phone: Running) -> tuple[str, str, str]:
    """The agent takes the first call: its Call-ID, our tag, the caller's."""
    incoming = await agent.take()
    await agent.until("accepted")
    text = "".join(path.read_text() for path in phone.folder.glob("*_messages.log"))
    ours = re.findall(r"\r?\nTo: [^\r\n]*;tag=([^\r\n;]+)", text)
    theirs = re.findall(r"\r?\nFrom: [^\r\n]*;tag=([^\r\n;]+)", text)
    return incoming["plugindata"]["data"]["call_id"], ours[-1], theirs[0]


async def test_it_takes_the_place_of_the_call_it_names(stage: Stage) -> None:
    agent = await stage.agent()
    async with stage.script(first_call(), calls=agent.user) as phone:
        call_id, ours, theirs = await established(agent, phone)
        script = second_call("the second call", f"{call_id};to-tag={ours};from-tag={theirs}").recv(200, body="m=audio").ack()
        async with stage.script(script.ask("BYE").recv(200), calls=agent.user):  # type: ignore[attr-defined]
            replaced = await agent.result("replaced")
            assert replaced["replaces"] == call_id
            assert replaced["call_id"] != call_id
            assert (await agent.result("hangup"))["code"] == 200
    agent.close()


async def test_it_is_shown_to_a_line_that_is_idle(stage: Stage) -> None:
    agent = await stage.agent()
    line = await stage.helper(agent)
    async with stage.script(first_call(), calls=agent.user) as phone:
        call_id, ours, theirs = await established(agent, phone)
        value = f"{call_id};to-tag={ours};from-tag={theirs}"
        script = second_call("the second call", value).recv(180).recv(200).ack().recv("BYE").send(200)  # type: ignore[attr-defined]
        async with stage.script(script, calls=agent.user):
            incoming = await line.take()
            assert incoming["plugindata"]["data"]["result"]["replaces"] == value
            await line.until("accepted")
            await line.hang_up()
        await agent.hang_up()
    agent.close()
    line.close()


@pytest.mark.parametrize(
    ("name", "replaces", "code"),
    [
        ("a call that never was", "nobody@192.0.2.1;to-tag=1;from-tag=2", 481),
        ("another tag of ours", "{call_id};to-tag=wrong;from-tag={theirs}", 481),
        ("another tag of the caller's", "{call_id};to-tag={ours};from-tag=wrong", 481),
        ("only while it rings", "{call_id};to-tag={ours};from-tag={theirs};early-only", 486),
        ("no tags", "{call_id}", 400),
    ],
)
async def test_it_names_nothing_that_can_be_replaced(stage: Stage, name: str, replaces: str, code: int) -> None:
    """The call that there is goes on."""
    agent = await stage.agent()
    async with stage.script(first_call(), calls=agent.user) as phone:
        call_id, ours, theirs = await established(agent, phone)
        script = second_call(name, replaces.format(call_id=call_id, ours=ours, theirs=theirs))
        async with stage.script(refused(script, code), calls=agent.user):
            pass
        assert not agent.waiting("replaced")
        assert not agent.waiting("missed_call")
        assert (await agent.hang_up())["code"] == 200
    agent.close()


async def test_a_call_that_is_over_cannot_be_replaced(stage: Stage) -> None:
    agent = await stage.agent()
    async with stage.script(first_call(), calls=agent.user) as phone:
        call_id, ours, theirs = await established(agent, phone)
        await agent.hang_up()
    async with stage.script(refused(second_call("too late", f"{call_id};to-tag={ours};from-tag={theirs}"), 481), calls=agent.user):
        pass
    agent.close()


async def test_a_call_of_somebody_else_cannot_be_replaced(stage: Stage) -> None:
    """Who is called has to be in the call that Replaces names."""
    agent, other = await stage.agent(), await stage.agent()
    async with stage.script(first_call(), calls=agent.user) as phone:
        call_id, ours, theirs = await established(agent, phone)
        script = refused(second_call("another's call", f"{call_id};to-tag={ours};from-tag={theirs}"), 481)
        async with stage.script(script, calls=other.user):
            pass
        assert not other.waiting("incomingcall")
        await agent.hang_up()
    agent.close()
