"""A trunk whose PBX is SIPp, message by message: calls both ways, forks, early media, holds, failover, redirects, and what crosses."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from boringsdp.b2bua import records
from boringsdp.b2bua.policy import DefaultRouting
from boringsdp.b2bua.settings import Mode, TrunkAccount
from boringsdp.sdp import Direction, describe
from boringsdp.sip.session.events import Answered, Cancelled, Confirmed, EarlyMedia, Ended, Failed, OfferReceived, OfferRefused, Ringing
from boringsdp.sip.uri import parse_sip_uri
from tests.b2bua.house import DOMAIN, House, running_house
from tests.call.phone import CHROMIUM
from tests.interop.sip.script import Callee, Caller, Script, running_script, sdp
from tests.support.sip_endpoints import at

pytestmark = pytest.mark.interop

BOB = f"sip:+4930123@{DOMAIN}"
OWN = TrunkAccount(identity=parse_sip_uri("sip:+49300@trunk.example"), caller="+4930{user}")


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    if not shutil.which("sipp"):
        pytest.skip("apt-get install sip-tester")
    monkeypatch.setattr(records, "LAST_MESSAGES_S", 0.05)
    domain = {"mode": Mode.TRUNK, "trunk": OWN, "sources": ("127.0.0.0/8",)}
    async with running_house(tmp_path, make_routing=DefaultRouting, domain=domain) as running:
        yield running


@contextlib.asynccontextmanager
async def pbx(house: House, *scripts: Script, seconds: float = 8) -> AsyncIterator[None]:
    """The addresses of the PBX, each with a script that has to come to its end."""
    async with contextlib.AsyncExitStack() as stack:
        phones = [await stack.enter_async_context(running_script(script)) for script in scripts]
        for phone in phones:
            await phone.listening()
        uris = tuple(replace(parse_sip_uri(phone.uri), user=None) for phone in phones)
        for domain in house.front.domains:
            object.__setattr__(domain.settings, "pbx", uris)  # only now the ports are known
        try:
            yield
        except (AssertionError, TimeoutError) as error:
            error.add_note("\n".join(phone.trace() for phone in phones))
            raise
        for phone in phones:
            await phone.done(seconds)


@contextlib.asynccontextmanager
async def calling(house: House, script: Script, user: str = "alice", seconds: float = 8) -> AsyncIterator[None]:
    """The PBX calls a user by the number that the rule makes."""
    port = at(house.here, "").port
    async with running_script(script, calls=f"+4930{user}", at=f"127.0.0.1:{port}") as phone:
        try:
            yield
        except (AssertionError, TimeoutError) as error:
            error.add_note(phone.trace())
            raise
        await phone.done(seconds)


def changed(direction: str) -> bytes:
    return CHROMIUM.replace("a=sendrecv", f"a={direction}").encode()


async def test_a_call_with_early_media_and_holds(house: House):
    script = Callee("early, held by either").recv("INVITE", checks=r"From:[^\r\n]*sip:\+4930alice@trunk.example")
    script.send(180).send(183, body=sdp()).pause(0.2).late(200, body=sdp()).recv("ACK")
    script.ask("INVITE", body=sdp(2, "sendonly")).recv(100, optional=True).recv(200, body="a=recvonly").ack()
    script.recv("INVITE", body="a=inactive").send(488, tag="").recv("ACK")
    script.ask("BYE", headers=("Reason: Q.850;cause=16",)).recv(200)
    alice = await house.phone("alice")
    async with pbx(house, script):
        alice.calls(BOB)
        await alice.hears(Ringing)
        await alice.hears(EarlyMedia)
        await alice.hears(Answered)
        offer = await alice.hears(OfferReceived)
        assert describe((offer.sdp or b"").decode()).medias[0].direction is Direction.SENDONLY
        alice.call.answer(alice.answer(offer.sdp, "recvonly"), tag=offer.tag)
        await asyncio.sleep(0.2)
        alice.call.offer(changed("inactive"))
        assert (await alice.hears(OfferRefused)).code == 488
        ended = await alice.hears(Ended)
        assert ended.message is not None
        assert ended.message.headers.get("Reason") == "Q.850;cause=16"
    record = await house.record()
    assert (record.result, record.ended_by, record.reason, record.reason_header) == ("answered", "callee", "bye", "Q.850;cause=16")


async def test_the_pbx_calls_three_tabs(house: House):
    script = Caller("three tabs").ask("INVITE", body=sdp()).recv(100, optional=True).recv(180).recv(180, optional=True)
    script.recv(200, body="RTP/AVP").ack().pause(0.2).ask("BYE").recv(200)
    tabs = [await house.phone("alice") for _ in range(3)]
    async with calling(house, script):
        for tab in tabs:
            (await tab.rings()).session.ring()
        tabs[2].call.accept(tabs[2].answer())
        for tab in tabs[:2]:
            assert (await tab.hears(Cancelled)).reason == "Call completed elsewhere"
        await tabs[2].hears(Ended)
    record = await house.record()
    assert (record.result, record.ended_by, len(record.attempts)) == ("answered", "caller", 3)


async def test_a_late_offer_of_the_pbx(house: House):
    script = Caller("no SDP").ask("INVITE").recv(100, optional=True).recv(180, optional=True)
    script.recv(200, body="m=audio").ack(body=sdp()).pause(0.2).ask("BYE").recv(200)
    alice = await house.phone("alice")
    async with calling(house, script):
        call = await alice.rings()
        assert call.sdp is None
        call.session.accept(alice.offer())
        confirmed = await alice.hears(Confirmed)
        assert b"a=fingerprint:" in (confirmed.sdp or b"")
        await alice.hears(Ended)


async def test_a_re_invite_without_sdp(house: House):
    script = Callee("asks for an offer").recv("INVITE").send(200, body=sdp()).recv("ACK")
    script.ask("INVITE").recv(100, optional=True).recv(200, body="m=audio").ack(body=sdp(2)).pause(0.2).ask("BYE").recv(200)
    alice = await house.phone("alice")
    async with pbx(house, script):
        alice.calls(BOB)
        await alice.hears(Answered)
        wanted = await alice.hears(OfferReceived)
        assert wanted.sdp is None
        alice.call.answer(changed("sendrecv"), tag=wanted.tag)
        await alice.hears(Ended)


async def test_failover_and_a_redirect(house: House):
    full = Callee("full").recv("INVITE").send(503, headers=("Retry-After: 60",)).recv("ACK")
    lines = ("[last_Via:]", "[last_From:]", "[last_To:];tag=moved", "[last_Call-ID:]", "[last_CSeq:]")
    moved = Callee("moved").recv("INVITE")
    contacts = (f"Contact: <sip:nobody@{DOMAIN}>;q=0.1", f"Contact: <sip:carol@{DOMAIN}>;q=0.9")
    moved.raw(moved.message("SIP/2.0 302 Moved Temporarily", [*lines, *contacts])).recv("ACK")
    alice, carol = await house.phone("alice"), await house.phone("carol")
    async with pbx(house, full, moved):
        alice.calls(BOB)
        came = await carol.takes()
        assert "+4930123" in (came.request.headers.get("Diversion") or "")
        await alice.hears(Answered)
        alice.call.hang_up()
        await carol.hears(Ended)
    record = await house.record()
    assert [attempt.code for attempt in record.attempts] == [503, 302, 200]


async def test_a_200_crosses_the_cancel(house: House):
    """The telephone is picked up as the CANCEL comes: the gateway acknowledges and hangs up; the caller has its 487."""
    script = Callee("too late").recv("INVITE").send(180).recv("CANCEL", checks="Reason: X;cause=1").late(200, body=sdp(), repeat=False)
    script.recv("ACK").recv("BYE").send(200, tag="")
    alice = await house.phone("alice")
    async with pbx(house, script):
        alice.calls(BOB)
        await alice.hears(Ringing)
        alice.call.hang_up([("Reason", "X;cause=1")])
        ended = await alice.hears(Ended)
        assert ended.code == 487
    record = await house.record()
    assert (record.result, record.code, record.ended_by, record.reason_header) == ("cancelled", 487, "caller", "X;cause=1")
    assert len(house.calls) == 0


async def test_two_forks_of_the_pbx_answer(house: House):
    """The one that comes second is acknowledged and ended, and the call goes on."""
    script = Callee("two 200").recv("INVITE").send(200, body=sdp(), tag="one", repeat=False).recv("ACK", checks="-one-")
    script.late(200, body=sdp(), tag="two", repeat=False).recv("ACK", checks="-two-").recv("BYE", checks="-two-").send(200, tag="")
    script.pause(0.1).ask("BYE").recv(200)
    alice = await house.phone("alice")
    async with pbx(house, script):
        alice.calls(BOB)
        await alice.hears(Answered)
        await alice.hears(Ended)
    assert (await house.record()).result == "answered"


async def test_a_refusal(house: House):
    script = Callee("busy").recv("INVITE").send(180).send(486, headers=("Reason: Q.850;cause=17",)).recv("ACK")
    alice = await house.phone("alice")
    async with pbx(house, script):
        alice.calls(BOB)
        failed = await alice.hears(Failed)
        assert failed.code == 486
        assert failed.response is not None
        assert failed.response.headers.get("Reason") == "Q.850;cause=17"
