"""SIPp as the PBX of a trunk, known by its address: who calls, failover, redirects, early media, late offers, timers, PRACK, UPDATE, glare."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from boringsdp.b2bua.settings import Mode, TrunkAccount
from boringsdp.sip.session.events import (
    Answered,
    AnswerReceived,
    Cancelled,
    Confirmed,
    EarlyMedia,
    Ended,
    Failed,
    OfferReceived,
    Ringing,
)
from boringsdp.sip.uri import parse_sip_uri
from tests.interop.b2bua.office import DOMAIN, Office, running_office
from tests.interop.b2bua.web_user import PITCH
from tests.interop.kamailio.phone import free_ports
from tests.interop.kamailio.sipp import running_sipp
from tests.interop.sip.script import Callee, Caller, Running, Script, listening, running_script, sdp

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(shutil.which("sipp") is None, reason="apt-get install sip-tester"),
]

ECHO = ("-m", "1", "-rtp_echo")
RELIABLE = ("Require: 100rel", "RSeq: 5")
ABILITIES = ("Allow: INVITE, ACK, BYE, CANCEL, PRACK, UPDATE, INFO", "Supported: 100rel, timer")
TRUNK = {
    "mode": Mode.TRUNK,
    "trunk": TrunkAccount(identity=parse_sip_uri("sip:office@carrier.example"), caller="+4930{user}"),
    "sources": ("127.0.0.0/8",),
}


@contextlib.asynccontextmanager
async def trunk(folder: Path, *pbx: str, **more: Any) -> AsyncIterator[Office]:
    """A gateway with a trunk to these addresses."""
    async with running_office(folder, domain={**TRUNK, "pbx": tuple(uri.replace("callee@", "") for uri in pbx)}, **more) as office:
        yield office


@contextlib.asynccontextmanager
async def sipp(script: Script, *more: str, **options: Any) -> AsyncIterator[Running]:
    async with running_script(script, more=more or ("-m", "1"), **options) as running:
        await running.listening()
        yield running


@contextlib.asynccontextmanager
async def called_by(script: Script, office: Office, *more: str, user: str = "alice") -> AsyncIterator[Running]:
    """The PBX calls a user here."""
    async with running_script(script, calls=user, at=office.sip, more=more or ("-m", "1")) as running:
        yield running


def outcome(record: dict[str, Any]) -> tuple[str, int, str, str]:
    return record["result"], record["code"], record["ended_by"], record["reason"]


async def test_who_calls_by_the_rule_of_the_trunk(tmp_path: Path) -> None:
    script = Callee("looks who calls").recv("INVITE", checks=r"From: [^\r\n]*<sip:\+4930alice@carrier\.example>;tag=[^\r\n]*")
    script.send(180).send(200, body=sdp()).recv("ACK").recv("BYE").send(200, tag="")
    async with sipp(script, *ECHO) as pbx, trunk(tmp_path, pbx.uri) as office:
        alice = await office.web_user()
        await alice.calls(f"sip:+49301234@{DOMAIN}")
        await alice.hears(Ringing)
        await alice.answered()
        await alice.hears_tone(PITCH)
        alice.call.hang_up()
        await pbx.done()
        record = await office.record()
        assert outcome(record) == ("answered", 200, "caller", "bye")
        assert (record["caller"], record["called"]) == (f"sip:alice@{DOMAIN}", f"sip:+49301234@{DOMAIN}")


async def test_the_number_of_a_user_is_called(tmp_path: Path) -> None:
    script = Caller("calls a number").ask("INVITE", body=sdp()).recv(100, optional=True).recv(180).recv(200).ack()
    script.pause(3).ask("BYE").recv(200)
    async with trunk(tmp_path, "sip:127.0.0.1:9") as office:
        alice = await office.web_user()
        async with called_by(script, office, *ECHO, user="+4930alice") as pbx:
            await alice.takes()
            await alice.hears_tone(PITCH)
            await alice.hears(Ended)
            await pbx.done()
        assert outcome(await office.record()) == ("answered", 200, "caller", "bye")


async def test_an_address_that_is_out_of_order_is_passed_over(tmp_path: Path) -> None:
    broken = Callee("503").recv("INVITE").send(503, tag="no").recv("ACK")
    works = Callee("takes it").recv("INVITE").send(200, body=sdp()).recv("ACK").recv("BYE").send(200, tag="")
    async with sipp(broken) as first, sipp(works) as second:
        nobody = f"sip:127.0.0.1:{free_ports()[0]}"
        async with trunk(tmp_path, nobody, first.uri, second.uri) as office:
            alice = await office.web_user()
            await alice.calls(f"sip:123@{DOMAIN}")
            await alice.answered()
            alice.call.hang_up()
            await second.done()
            await first.done()
            record = await office.record()
            assert outcome(record) == ("answered", 200, "caller", "bye")
            assert [attempt["code"] for attempt in record["attempts"]] == [503, 503, 200]


@pytest.mark.parametrize("follow", [True, False])
async def test_a_redirect_is_followed_or_passed(tmp_path: Path, follow: bool) -> None:
    works = Callee("takes it").recv("INVITE").send(200, body=sdp()).recv("ACK").recv("BYE").send(200, tag="")
    async with sipp(works) as target:
        moved = Callee("302").recv("INVITE").send(302, headers=[f"X-Moved: <{target.uri}>"], tag="no").recv("ACK")
        moved.steps[1] = moved.steps[1].replace("Contact: <sip:callee@[local_ip]:[local_port];transport=[transport]>\n", "")
        moved.steps[1] = moved.steps[1].replace("X-Moved", "Contact")
        async with sipp(moved) as pbx, trunk(tmp_path, pbx.uri, follow_redirects=follow) as office:
            alice = await office.web_user()
            alice.account.change(_not_following(alice.account.settings))
            await alice.calls(f"sip:123@{DOMAIN}")
            if follow:
                await alice.answered()
                alice.call.hang_up()
                await target.done()
            else:
                failed = await alice.hears(Failed)
                assert failed.code == 302
                assert failed.response is not None
                assert failed.response.headers.get("Contact") == f"<{target.uri}>"
            await pbx.done()
            record = await office.record()
            assert [attempt["code"] for attempt in record["attempts"]] == ([302, 200] if follow else [302])
            assert outcome(record)[:2] == (("answered", 200) if follow else ("failed", 302))
