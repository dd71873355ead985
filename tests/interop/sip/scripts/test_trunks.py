"""
A trunk that registers nowhere: the carrier knows us by our address and we know it by its own. First the carrier is SIPp, then Kamailio.

The accounts of this gateway trust nobody else (no `sip.sources`): 127.0.0.1 is the carrier, 127.0.0.2 a stranger.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.interop.sip.agent import Agent
from tests.interop.sip.script import Callee, Caller, sdp
from tests.interop.sip.scripts import carrier as carriers
from tests.interop.sip.scripts import stage as stages
from tests.interop.sip.scripts.carrier import running_carrier
from tests.interop.sip.scripts.conftest import listeners, sip_of
from tests.interop.sip.scripts.stage import Stage
from tests.support.gateway import Gateway, running_gateway
from tests.support.janus_client import JanusClient

pytestmark = pytest.mark.interop

MAIN, SALES, DESK = "+4930100", "+493011", "+4930115"
CARRIER, STRANGER = "127.0.0.1", "127.0.0.2"


@pytest.fixture(scope="module")
def trunking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    if problem := stages.missing():
        pytest.skip(problem)
    file = Path(tmp_path_factory.mktemp("trunks"), "boringsdp.toml")
    file.write_text('[plugins."janus.plugin.sip"]\ntrunks = true\n')
    with running_gateway("--config", str(file), *listeners(), "--webrtc.ice_timeout=120") as gateway:
        yield gateway


@pytest_asyncio.fixture
async def stage(trunking: Gateway) -> AsyncIterator[Stage]:
    async with JanusClient(trunking.websocket) as janus:
        yield Stage(trunking, sip_of(trunking), janus)


class Office:
    """The master, and two helpers with rules of their own."""

    def __init__(self, main: Agent, sales: Agent, desk: Agent) -> None:
        self.main, self.sales, self.desk = main, sales, desk

    @classmethod
    async def open(cls, stage: Stage, **register: object) -> Office:
        main = await stage.agent(name=MAIN, identities=["+4930*"], sources=[f"{CARRIER}/32"], **register)
        main.media = False
        lines = []
        for number, rule in ((SALES, f"{SALES}*"), (DESK, DESK)):
            line = await Agent.attach(stage.janus, number)
            line.media = False
            uri = f"sip:{number}@{stage.sip}"
            await line.ask(
                "register", type="helper", username=uri, master_id=main.account, identities=[rule], display_name=f"Line {number}"
            )
            await line.until("registered")
            lines.append(line)
        return cls(main, *lines)

    def close(self) -> None:
        for agent in (self.main, self.sales, self.desk):
            agent.close()


@pytest_asyncio.fixture
async def office(stage: Stage) -> AsyncIterator[Office]:
    made = await Office.open(stage)
    yield made
    made.close()


def whole_call(name: str, *headers: str) -> Caller:
    script = Caller(name).ask("INVITE", body=sdp(), headers=headers).recv(100, optional=True).recv(180).recv(200).ack()
    return script.recv("BYE").send(200)  # type: ignore[attr-defined, no-any-return]


def refused(name: str, code: int) -> Caller:
    return Caller(name).ask("INVITE", body=sdp()).recv(100, optional=True).recv(code).ack()  # type: ignore[return-value]


def takes_call(name: str, checks: str, body: str = "") -> Callee:
    """A script that is called and hung up."""
    script = Callee(name).recv("INVITE", checks=checks, body=body).send(180).send(200, body=sdp()).recv("ACK")
    return script.recv("BYE").send(200, tag="")  # type: ignore[attr-defined, no-any-return]


async def answers(agent: Agent) -> str:
    """Takes the call that comes and ends it: who was called."""
    incoming = await agent.take()
    await agent.until("accepted")
    await agent.hang_up()
    return str(incoming["plugindata"]["data"]["result"]["callee"])


@pytest.mark.parametrize(
    ("number", "line"),
    [(MAIN, "main"), ("+4930999", "main"), (SALES, "sales"), (f"{SALES}2", "sales"), (DESK, "desk"), (f"{DESK}5", "sales")],
)
async def test_a_call_of_the_carrier_goes_to_the_line_whose_rule_fits_best(stage: Stage, office: Office, number: str, line: str) -> None:
    async with stage.script(whole_call(f"to {number}"), calls=number):
        assert (await answers(getattr(office, line))).startswith(f"sip:{number}@")


async def test_a_number_that_is_not_ours(stage: Stage, office: Office) -> None:
    async with stage.script(refused("a wrong number", 404), calls="+4989100"):
        pass


async def test_several_calls_to_one_number_find_the_line_busy(stage: Stage, office: Office) -> None:
    """The rule is what counts: an idle line of other numbers does not get the call."""
    async with stage.script(whole_call("the first"), calls=DESK):
        await office.desk.take()
        async with stage.script(refused("the second", 486), calls=DESK):
            assert (await office.desk.result("missed_call"))["callee"].startswith(f"sip:{DESK}@")
        await office.desk.hang_up()
    assert not office.main.waiting("incomingcall")


@pytest.mark.parametrize("number", [MAIN, DESK, "+4989100"])
async def test_a_stranger_is_refused_whatever_it_dials(stage: Stage, office: Office, number: str) -> None:
    async with stage.script(refused("a stranger", 404), calls=number, host=STRANGER):
        pass
    assert not office.main.waiting("incomingcall")
    assert not office.desk.waiting("incomingcall")


@pytest.mark.parametrize("line", ["main", "sales", "desk"])
async def test_each_line_calls_in_its_own_name(stage: Stage, office: Office, line: str) -> None:
    agent: Agent = getattr(office, line)
    checks = rf"From: [^\r\n]*<sip:\{agent.user}@"
    body = "" if line == "main" else rf'From: "Line \{agent.user}"'
    async with stage.script(takes_call(f"of {line}", checks, body)) as phone:
        await agent.place(phone.uri)
        await agent.answered()
        await agent.hang_up()


async def test_the_carrier_is_asked_for_nothing_but_calls(stage: Stage) -> None:
    """No REGISTER goes out: the script knows INVITE alone."""
    script = takes_call("a proxy", "INVITE sip:[^@]*@elsewhere.test", rf"P-Preferred-Identity: <sip:\{DESK}@")
    async with stage.script(script) as phone:
        office = await Office.open(stage, outbound_proxy=f"{phone.uri};lr")
        await office.main.place("sip:bob@elsewhere.test", headers={"P-Preferred-Identity": f"<sip:{DESK}@carrier.test>"})
        await office.main.answered()
        await office.main.hang_up()
        office.close()


# --- with Kamailio as the carrier -----------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def carrier(stage: Stage) -> AsyncIterator[str]:
    if problem := carriers.missing():
        pytest.skip(problem)
    async with running_carrier(stage.sip) as address:
        yield address


@pytest.mark.parametrize(("number", "line"), [(MAIN, "main"), (f"{SALES}7", "sales"), (DESK, "desk")])
async def test_a_subscriber_calls_us_through_the_carrier(stage: Stage, carrier: str, number: str, line: str) -> None:
    office = await Office.open(stage, outbound_proxy=f"sip:{carrier};lr", incoming_header_prefixes=["P-Asserted-"])
    async with stage.script(whole_call("a subscriber"), calls=number, at=carrier):
        incoming = await getattr(office, line).take()
        told = incoming["plugindata"]["data"]["result"]
        assert told["callee"].startswith(f"sip:{number}@")
        assert "+15550100" in told["headers"]["P-Asserted-Identity"]
        await getattr(office, line).until("accepted")
        await getattr(office, line).hang_up()
    office.close()


@pytest.mark.parametrize("line", ["main", "sales", "desk"])
async def test_we_call_a_subscriber_through_the_carrier(stage: Stage, carrier: str, line: str) -> None:
    """The carrier lets our numbers through and asserts them."""
    office = await Office.open(stage, outbound_proxy=f"sip:{carrier};lr")
    agent: Agent = getattr(office, line)
    script = takes_call("a subscriber", rf"P-Asserted-Identity: <sip:\{agent.user}@carrier.test>", r"Record-Route: ")
    async with stage.script(script) as phone:
        await agent.place(phone.uri)
        await agent.answered()
        await agent.hang_up()
    office.close()


async def test_a_number_that_is_not_ours_is_refused_by_the_carrier(stage: Stage, carrier: str) -> None:
    office = await Office.open(stage, outbound_proxy=f"sip:{carrier};lr")
    stranger = await Agent.attach(stage.janus, "+4989100")
    uri = f"sip:{stranger.user}@{stage.sip}"
    await stranger.ask("register", type="helper", username=uri, master_id=office.main.account)
    await stranger.until("registered")
    await stranger.place("sip:bob@127.0.0.1:9")
    assert (await stranger.result("hangup"))["code"] == 403
    stranger.close()
    office.close()


async def test_a_number_that_the_trunk_has_not_is_refused_by_us(stage: Stage, carrier: str) -> None:
    office = await Office.open(stage, outbound_proxy=f"sip:{carrier};lr")
    async with stage.script(refused("a wrong number", 404), calls="+4989100", at=carrier):
        pass
    office.close()
