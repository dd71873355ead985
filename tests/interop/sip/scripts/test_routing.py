"""Where requests go: redirects, failover, route sets of loose and strict routers."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.interop.sip.agent import Agent
from tests.interop.sip.script import Callee, Caller, sdp
from tests.interop.sip.scripts.stage import Stage

pytestmark = pytest.mark.interop


def whole_call(name: str) -> Callee:
    return Callee(name).recv("INVITE").send(200, body=sdp()).recv("ACK").recv("BYE").send(200, tag="")  # type: ignore[return-value]


@pytest.fixture
def dead() -> Iterator[str]:
    """Host and port where nobody will ever listen."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{probe.getsockname()[1]}"


async def test_a_redirect_is_followed(stage: Stage) -> None:
    async with stage.script(whole_call("the new place")) as there:
        script = Callee("302").recv("INVITE").send(302, tag="moved", headers=["X-Was: here"]).recv("ACK")
        script.steps[1] = script.steps[1].replace("<sip:callee@[local_ip]:[local_port];transport=[transport]>", f"<{there.uri}>")
        async with stage.calling(script) as agent:
            await agent.answered()
            await agent.hang_up()


async def test_a_redirect_to_several_places(stage: Stage) -> None:
    """By their q values; who is busy is passed over (RFC 3261 section 8.1.3.4)."""
    busy = Callee("busy").recv("INVITE").send(486).recv("ACK")
    async with stage.script(busy) as second, stage.script(whole_call("third")) as third:
        script = Callee("302").recv("INVITE").send(302, tag="moved").recv("ACK")
        places = f"<{third.uri}>;q=0.1, <{second.uri}>;q=0.9"
        script.steps[1] = script.steps[1].replace("<sip:callee@[local_ip]:[local_port];transport=[transport]>", places)
        async with stage.calling(script) as agent:
            await agent.answered()
            await agent.hang_up()


async def test_redirects_in_a_circle_end(stage: Stage) -> None:
    script = Callee("302 to itself").recv("INVITE").send(302, tag="moved").recv("ACK")
    script.recv("INVITE", checks="INVITE [^ ]*;transport=UDP").send(302, tag="again").recv("ACK")
    async with stage.calling(script) as agent:
        over = await agent.result("hangup")
        assert over["code"] == 302
        assert over["contacts"]


async def test_503_and_nobody_else(stage: Stage) -> None:
    script = Callee("503").recv("INVITE").send(503, tag="none", headers=["Retry-After: 5"]).recv("ACK")
    async with stage.calling(script) as agent:
        assert (await agent.result("hangup"))["code"] == 503


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_nobody_listens(stage: Stage, dead: str, transport: str) -> None:
    """The refusal (ICMP for UDP) is heard at once."""
    agent = await stage.agent()
    await agent.place(f"sip:bob@{dead};transport={transport}")
    over = await agent.result("hangup", seconds=2)
    assert (over["code"], "refused" in over["reason"]) == (503, True), over
    agent.close()


async def test_nobody_answers(hasty_stage: Stage) -> None:
    """The 408 of our own making says who did not."""
    agent = await hasty_stage.agent()
    with socket.socket(type=socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        await agent.place(f"sip:bob@{address}")
        over = await agent.result("hangup")
    assert (over["code"], over["reason"]) == (408, f"Request Timeout (no answer from {address})")
    agent.close()


async def test_the_outbound_proxy_gets_the_call(stage: Stage) -> None:
    script = Callee("a proxy").recv("INVITE", checks="INVITE sip:bob@nowhere.invalid", body="Route: <sip:[^>]*;lr>").send(200, body=sdp())
    script.recv("ACK").recv("BYE").send(200, tag="")
    async with stage.script(script) as phone:
        agent = await stage.agent(outbound_proxy=f"{phone.uri};lr")
        await agent.place("sip:bob@nowhere.invalid")
        await agent.answered()
        await agent.hang_up()
        agent.close()


async def test_a_route_set_of_loose_routers(stage: Stage) -> None:
    """Recorded routes in reverse for the caller; ACK and BYE go to the first of them."""
    routes = [f"Record-Route: <sip:[local_ip]:[local_port];lr;x={number}>" for number in (1, 2)]
    script = Callee("Record-Route").recv("INVITE").send(200, body=sdp(), headers=routes)
    script.recv("ACK", checks="Route: <[^>]*x=2>[^<]*<[^>]*x=1>").recv("BYE", checks="BYE sip:callee@", body="Route: <[^>]*x=2>").send(
        200, tag=""
    )
    async with stage.calling(script) as agent:
        await agent.answered()
        await agent.hang_up()


async def test_a_strict_router(stage: Stage) -> None:
    """Without lr the router takes the request-URI, the target goes last into the Route (RFC 3261 section 12.2.1.1)."""
    route = ["Record-Route: <sip:strict@[local_ip]:[local_port]>"]
    script = Callee("a strict router").recv("INVITE").send(200, body=sdp(), headers=route)
    script.recv("ACK", checks="ACK sip:strict@", body="Route: *<sip:callee@")
    script.recv("BYE", checks="BYE sip:strict@", body="Route: *<sip:callee@").send(200, tag="")
    async with stage.calling(script) as agent:
        await agent.answered()
        await agent.hang_up()


async def test_the_route_set_of_a_caller(stage: Stage) -> None:
    record = "Record-Route: <sip:[local_ip]:[local_port];lr;x=1>, <sip:[local_ip]:[local_port];lr;x=2>"
    script = (
        Caller("Record-Route")
        .ask("INVITE", body=sdp(), headers=[record])
        .recv(100, optional=True)
        .recv(180, checks="Record-Route: [^\r\n]*x=1")
    )
    script.recv(200, checks="Record-Route: [^\r\n]*x=1").ack().recv("BYE", checks="Route: <[^>]*x=1>[^<]*<[^>]*x=2>").send(200)
    async with stage.called(script) as agent:
        await agent.take()
        await agent.hang_up()


async def test_a_registration(stage: Stage) -> None:
    """401, 423, then the 200 whose Contact is ours; and unregistering."""
    keep = {"caller": r"[\r\n]From: *([^\r\n]*)"}
    script = Callee("a registrar").recv("REGISTER", checks="Expires: 3600", saves=keep)
    script.send(401, headers=['WWW-Authenticate: Digest realm="r", nonce="n1", qop="auth"'], tag="r")
    script.recv("REGISTER", checks="Authorization: Digest ").send(423, headers=["Min-Expires: 7200"], tag="r")
    script.recv("REGISTER", checks="Expires: 7200", saves={"mine": r"[\r\n]Contact: *([^\r\n]*)"}).send(
        200, headers=["Expires: 7200"], tag="r"
    )
    script.steps[-1] = script.steps[-1].replace("Contact: <sip:callee@[local_ip]:[local_port];transport=[transport]>", "Contact: [$mine]")
    script.recv("REGISTER", checks="Expires: 0|expires=0").send(200, tag="r")
    script.steps[-1] = script.steps[-1].replace("Contact: <sip:callee@[local_ip]:[local_port];transport=[transport]>\n", "")
    async with stage.script(script) as phone:
        agent = await Agent.attach(stage.janus, "roamer")
        await agent.ask("register", username=f"sip:roamer@{phone.uri.partition('@')[2]}", secret="opensesame", register_ttl=3600)
        await agent.until("registered", register_sent=True)
        await agent.ask("unregister")
        await agent.until("unregistered")


async def test_a_registrar_that_sees_us_elsewhere(stage: Stage) -> None:
    """With `learn_contact` the Contact is where the registrar sees us; the first one is taken back, and calls have the new one too."""
    no_contact = "Contact: <sip:callee@[local_ip]:[local_port];transport=[transport]>\n"
    script = Callee("a registrar beyond a NAT")
    for checks in ("Contact: <sip:[^@]*@127", "Contact: <sip:[^@]*@192.0.2.77:40000>;expires=3600, <sip:[^@]*@127[^>]*>;expires=0"):
        script.recv("REGISTER", checks=checks, saves={"way": r"[\r\n]Via: *([^\r\n]*;branch=[^;\r\n]*)"}).send(200, tag="r")
        noted = "Via: [$way];received=192.0.2.77;rport=40000"
        script.steps[-1] = script.steps[-1].replace("[last_Via:]", noted).replace(no_contact, "Expires: 3600\n")
    script.recv("REGISTER", checks="Contact: <sip:[^@]*@192.0.2.77:40000>;expires=0").send(200, tag="r")
    script.steps[-1] = script.steps[-1].replace(no_contact, "")
    busy = Callee("busy").recv("INVITE", checks="Contact: <sip:[^@]*@192.0.2.77:40000>").send(486, tag="busy").recv("ACK")
    async with stage.script(script) as registrar, stage.script(busy) as phone:
        agent = await Agent.attach(stage.janus, "mobile")
        agent.media = False
        uri = f"sip:mobile@{registrar.uri.partition('@')[2]}"
        await agent.ask("register", username=uri, secret="opensesame", register_ttl=3600, learn_contact=True)
        await agent.until("registered", register_sent=True)
        await agent.until("registered", register_sent=True)
        await agent.place(phone.uri)
        assert (await agent.result("hangup"))["code"] == 486
        await agent.ask("unregister")
        await agent.until("unregistered")
        agent.close()
