"""Two handles of one gateway in a call with each other, through its own SIP port or by transfer: each hears the other's very words."""

from __future__ import annotations

import pytest

from boringsdp.sip.session.events import Failed
from tests.interop.sip.agent import Agent
from tests.sip_plugin.talk import Town, hear_each_other, press, running_town, silent

MODES = ["", "sdes_optional", "sdes_mandatory", "dtls"]


async def call(town: Town, one: Agent, other: Agent, **more: str) -> str:
    """One agent calls another, who takes it; the Call-ID on the caller's side."""
    call_id = await one.place(town.uri_of(other), **more)
    await other.take()
    await one.answered()
    await other.result("accepted")
    await hear_each_other(one.peer, other.peer)
    return call_id


@pytest.mark.parametrize("srtp", MODES)
async def test_two_handles_hear_each_other(town: Town, srtp: str):
    one, other = await town.agent(), await town.agent()
    await call(town, one, other, **({"srtp": srtp} if srtp else {}))
    press(one.peer, 4)
    assert (await other.result("dtmf"))["signal"] == "4"
    await one.hang_up()
    assert (await other.result("hangup"))["code"] == 200
    assert len(town.gateway.calls) == 0


async def test_a_gateway_that_may_send_to_no_other_loopback_port_serves_its_own():
    async with running_town(**{"rtp.allow": ""}) as town:
        await call(town, await town.agent(), await town.agent())
        phone = await town.phone()
        agent = await town.agent()
        await phone.calls(town.uri_of(agent))
        assert (await phone.talk.hears(Failed)).code == 488


async def test_hold_passes_through(town: Town):
    one, other = await town.agent(), await town.agent()
    await call(town, one, other)
    await one.ask("hold", direction="inactive")
    await one.until("held")
    assert (await other.result("remote_hold"))["direction"] == "inactive"
    await silent(one.peer, other.peer)
    await silent(other.peer, one.peer)
    await one.ask("unhold")
    await one.until("resumed")
    await other.until("remote_resume")
    await hear_each_other(one.peer, other.peer)


async def test_an_agent_transfers_one_to_another_of_the_same_gateway(town: Town):
    """Attended: A talks to B and to C, and joins them; B's client follows the transfer, C's keeps its PeerConnection."""
    a, a2, c = [await town.agent() for _ in range(3)]
    b = await Agent.attach(town.janus, "bob")
    town.stack.callback(b.close)
    await b.ask("register", type="guest", username=town.uri_of(b))
    master_id = (await b.result("registered"))["master_id"]
    await call(town, a, b)
    consultation = await call(town, a2, c)
    await a.ask("transfer", uri=town.uri_of(c), replace=consultation)
    await a.until("transferring")
    asked = await b.result("transfer")
    assert asked["replaces"]
    b2 = await Agent.attach(town.janus, "bob")
    town.stack.callback(b2.close)
    await b2.ask("register", type="helper", username=town.uri_of(b), master_id=master_id)
    await b2.place(asked["refer_to"], refer_id=asked["refer_id"])
    await b2.answered()
    await c.result("replaced", replaces=asked["replaces"].partition(";")[0])
    assert b2.peer is not None
    await hear_each_other(b2.peer, c.peer)
    assert (await a2.result("hangup"))["code"] == 200
    assert (await a.result("transfer_progress", final=True))["code"] == 200
