"""The stubs and the scripts against a real Kamailio: what it says that it exports, and a script that is loaded anew."""

import asyncio
import contextlib
import keyword

import pytest
import pytest_asyncio
from kemi_tools.api import RETURNS, by_module, parse_api_list
from kemi_tools.signatures import Signature, signatures, stubs_directory

from tests.interop.kamailio import phone
from tests.interop.kamailio.scenarios import SCENARIOS, Backend, running_proxy

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]

SCRIPTED = sorted(name for name, one in SCENARIOS.items() if one.script)
VERSION = "5.6"


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=SCRIPTED)
async def proxy(request):
    """Kamailio with a script, and with every module that it may load; no gateway is behind it."""
    scenario = SCENARIOS[request.param]
    if problem := scenario.missing():
        pytest.skip(problem)
    async with running_proxy(scenario, Backend(), WITH_AUTH="1") as started:
        yield started


async def test_the_stubs_say_what_kamailio_exports(proxy):
    version = await proxy.control("core.version")
    if f"kamailio {VERSION}." not in version:
        pytest.skip(f"the stubs are those of Kamailio {VERSION}, this is {version.strip()}")
    exported = by_module(parse_api_list(await proxy.control("app_python.api_list")))
    assert {"", "rtpengine" if proxy.scenario.folder == "kemi-python" else "textops", "tm", "dialog", "auth"} <= exported.keys()
    stubs = signatures(stubs_directory())
    modules = {path.stem for path in stubs_directory().glob("*.pyi")}
    for module, functions in exported.items():
        spelt = [one for one in functions if not keyword.iskeyword(one.name) and (module or one.name not in modules)]
        known = {name: one for name, one in stubs.items() if name.rpartition(".")[0] == module}
        listed = {f"{module}.{one.name}".lstrip("."): Signature(one.parameters, False, RETURNS[one.returns]) for one in spelt}
        assert known == listed, module or "KSR itself"


async def ask(proxy, method="OPTIONS"):
    """The first line of the reply to a request for nobody."""
    host, port = proxy.sip.split(":")
    replies = asyncio.Queue()

    class Client(asyncio.DatagramProtocol):
        def datagram_received(self, data, _source):
            replies.put_nowait(data)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Client, remote_addr=(host, int(port)))
    with contextlib.closing(transport):
        mine = "{}:{}".format(*transport.get_extra_info("sockname"))
        lines = [
            f"{method} sip:{proxy.sip} SIP/2.0",
            f"Via: SIP/2.0/UDP {mine};branch=z9hG4bK-{mine}",
            f"From: <sip:a@{mine}>;tag=1",
            f"To: <sip:{proxy.sip}>",
            f"Call-ID: {mine}",
            f"CSeq: 1 {method}",
            "Max-Forwards: 70",
            "Content-Length: 0",
        ]
        transport.sendto("\r\n".join([*lines, "", ""]).encode())
        return (await asyncio.wait_for(replies.get(), 5)).split(b"\r\n")[0].decode()


async def test_a_script_that_is_loaded_anew_goes_on(proxy):
    assert await ask(proxy) == "SIP/2.0 200 OK"
    await proxy.control("app_python.reload")
    for _ in range(8):  # each worker loads it when it has work
        assert await ask(proxy) == "SIP/2.0 200 OK"
    assert await ask(proxy, "INVITE") == "SIP/2.0 484 Address Incomplete"
    assert "Reloading script" in proxy.log
    assert "Traceback" not in proxy.log


async def test_who_knows_no_password_does_not_register(proxy):
    if problem := phone.missing():
        pytest.skip(problem)
    await proxy.control("htable.sets", "passwords", "alice", "secret")
    async with phone.running_phone("alice", proxy.sip, account=";auth_pass=secret"):
        assert "alice" in await proxy.control("ul.dump")
    assert await ask(proxy, "REGISTER") == "SIP/2.0 401 Unauthorized"
