"""SIPp as the PBX of a trunk, known by its address: failover, redirects, early media, late offers, timers, PRACK, UPDATE, glare, REFER."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from boringsdp.b2bua.settings import Mode, TrunkAccount
from boringsdp.sip.refer import ReferEnded, ReferProgress
from boringsdp.sip.session.events import (
    Answered,
    AnswerReceived,
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
from tests.support.sip_endpoints import Ear

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


def _not_following(settings: Any) -> Any:
    return replace(settings, follow_redirects=False)


async def test_early_media_is_heard(tmp_path: Path) -> None:
    port = free_ports()[0]
    async with running_sipp(None, "early.xml", "", port=port) as pbx, trunk(tmp_path, f"sip:127.0.0.1:{port}") as office:  # type: ignore[arg-type]
        await listening(port)
        alice = await office.web_user()
        await alice.calls(f"sip:123@{DOMAIN}")
        await alice.hears(EarlyMedia)
        await alice.speaks()
        await alice.hears_tone(pbx.frequency, 2.5)
        assert not alice.talk.heard(Answered)
        await alice.hears(Answered)
        alice.call.hang_up()
        await pbx.done()
        record = await office.record()
        assert outcome(record) == ("answered", 200, "caller", "bye")
        assert record["answered"] - record["began"] > 2.5


async def test_reliable_early_media_that_is_changed_by_update(tmp_path: Path) -> None:
    """PRACK towards the PBX, whether the web phone knows it or not; an UPDATE within a call reaches the web phone."""
    script = Callee("183, PRACK, 200, UPDATE").recv("INVITE", checks="Supported: [^\r\n]*100rel")
    script.send(183, body=sdp(), headers=[*RELIABLE, *ABILITIES]).recv("PRACK", checks="RAck: 5 1 INVITE").send(200, tag="")
    script.late(200).recv("ACK").ask("UPDATE", body=sdp(2, "sendonly")).recv(200, body="a=recvonly")
    script.ask("UPDATE", body=sdp(3)).recv(200, body="a=sendrecv").recv("BYE").send(200, tag="")
    async with sipp(script, *ECHO) as pbx, trunk(tmp_path, pbx.uri) as office:
        alice = await office.web_user()
        await alice.calls(f"sip:123@{DOMAIN}")
        await alice.hears(EarlyMedia)
        await alice.answered()
        await alice.hears_tone(PITCH)
        offers = [offer.sdp for offer in alice.talk.heard(OfferReceived)]
        assert [b"a=sendonly" in offer for offer in offers] == [True, False]
        alice.call.hang_up()
        await pbx.done()
        assert outcome(await office.record()) == ("answered", 200, "caller", "bye")


async def test_the_pbx_wants_the_offer(tmp_path: Path) -> None:
    script = Caller("INVITE without SDP").ask("INVITE").recv(100, optional=True).recv(180).recv(200, body="m=audio").ack(body=sdp())
    script.pause(3).ask("BYE").recv(200)
    async with trunk(tmp_path, "sip:127.0.0.1:9") as office:
        alice = await office.web_user()
        async with called_by(script, office, *ECHO) as pbx:
            call = await alice.takes()
            assert call.sdp is None
            await alice.hears_tone(PITCH)
            await alice.hears(Ended)
            await pbx.done()
        assert outcome(await office.record()) == ("answered", 200, "caller", "bye")


async def test_a_web_phone_wants_the_offer(tmp_path: Path) -> None:
    script = Callee("a late offer").recv("INVITE").send(180).send(200, body=sdp()).recv("ACK", body="m=audio").recv("BYE").send(200, tag="")
    async with sipp(script, *ECHO) as pbx, trunk(tmp_path, pbx.uri) as office:
        alice = await office.web_user()
        await alice.calls(f"sip:123@{DOMAIN}", offers=False)
        await alice.answered()
        await alice.hears_tone(PITCH)
        alice.call.hang_up()
        await pbx.done()
        assert outcome(await office.record()) == ("answered", 200, "caller", "bye")


async def test_the_session_timer_is_each_side_s_own(tmp_path: Path) -> None:
    """A refresh by the PBX is answered here, an interval that it finds too small is asked for again; the web phone hears of neither."""
    timer = ("Session-Expires: 3600;refresher=uas", "Require: timer", *ABILITIES)
    script = Callee("422, then refreshes").recv("INVITE").send(422, headers=["Min-SE: 3600"], tag="none").recv("ACK")
    script.recv("INVITE", checks="Session-Expires: 3600").send(200, body=sdp(), headers=timer).recv("ACK")
    script.ask("UPDATE", headers=["Session-Expires: 3600;refresher=uac", "Supported: timer"]).recv(200, checks="Session-Expires: 3600")
    script.recv("BYE").send(200, tag="")
    async with sipp(script) as pbx, trunk(tmp_path, pbx.uri) as office:
        alice = await office.web_user()
        await alice.calls(f"sip:123@{DOMAIN}")
        await alice.answered()
        await alice.until(lambda: "200 UPDATE" in ladder(office))
        assert not alice.talk.heard(OfferReceived)
        alice.call.hang_up()
        await pbx.done()
        assert outcome(await office.record()) == ("answered", 200, "caller", "bye")


def ladder(office: Office) -> str:
    """Of the dialog with the PBX."""
    (bridge,) = office.front.bridges()
    return "" if bridge.callee is None else office.here.ladder(bridge.callee.session.call_id)


async def test_both_sides_change_the_call_at_once(tmp_path: Path) -> None:
    """Our re-INVITE meets 491 and one of the PBX, which is answered at once; ours comes again, and holds in the end."""
    script = Callee("glare").recv("INVITE").send(200, body=sdp(), headers=ABILITIES).recv("ACK")
    script.recv("INVITE", body="a=sendonly").send(491, tag="").recv("ACK")
    script.ask("INVITE", body=sdp(2)).recv(100, optional=True).recv(200).ack()
    script.recv("INVITE", body="a=sendonly").send(200, body=sdp(3, "recvonly"), tag="").recv("ACK")
    script.recv("BYE").send(200, tag="")
    async with sipp(script) as pbx, trunk(tmp_path, pbx.uri) as office:
        alice = await office.web_user()
        await alice.calls(f"sip:123@{DOMAIN}")
        await alice.answered()
        alice.offers("sendonly")
        await alice.hears(AnswerReceived)
        await alice.until(lambda: ladder(office).count("200 INVITE") == 3)
        alice.call.hang_up()
        await pbx.done()
        assert outcome(await office.record()) == ("answered", 200, "caller", "bye")


async def test_a_web_phone_transfers_the_pbx(tmp_path: Path) -> None:
    """REFER by a web phone: the PBX talks with another one, in the same dialog and with the same SDP."""
    script = Callee("is transferred").recv("INVITE").send(200, body=sdp(), headers=ABILITIES).recv("ACK")
    script.recv("BYE").send(200, tag="")
    async with sipp(script, *ECHO) as pbx, trunk(tmp_path, pbx.uri) as office:
        alice, carol = await office.web_user("alice"), await office.web_user("carol")
        await alice.calls(f"sip:123@{DOMAIN}")
        await alice.answered()
        news = Ear()
        alice.call.refer(carol.uri, hear=news)
        await carol.takes()
        await alice.hears(Ended)
        await news.hears(ReferEnded)
        assert news.heard(ReferProgress)[-1].code == 200
        await carol.hears_tone(PITCH)
        carol.call.hang_up()
        await pbx.done()
        record = await office.record()
        assert outcome(record) == ("answered", 200, "caller", "bye")
        assert (record["transferred_to"], len(record["call_ids"])) == (carol.uri, 3)


async def test_the_pbx_transfers_a_web_phone(tmp_path: Path) -> None:
    """REFER by the PBX: who is left hears the target, and the PBX is told of it and let go."""
    script = Callee("transfers").recv("INVITE").send(200, body=sdp(), headers=ABILITIES).recv("ACK")
    script.ask("REFER", headers=[f"Refer-To: <sip:carol@{DOMAIN}>"]).recv(202)
    for state in ("100", "180", "200"):
        script.recv("NOTIFY", body=f"SIP/2.0 {state}").send(200, tag="")
    script.recv("BYE").send(200, tag="")
    async with sipp(script) as pbx, trunk(tmp_path, pbx.uri) as office:
        alice, carol = await office.web_user("alice"), await office.web_user("carol")
        await alice.calls(f"sip:123@{DOMAIN}")
        await alice.answered()
        await carol.takes()
        await alice.hears(OfferReceived)
        await alice.hears_tone(PITCH)
        await carol.hears_tone(PITCH)
        await pbx.done()
        alice.call.hang_up()
        await carol.hears(Ended)
        record = await office.record()
        assert outcome(record) == ("answered", 200, "caller", "bye")
        assert (record["transferred_to"], len(record["call_ids"])) == (carol.uri, 3)


async def test_a_transfer_to_somebody_who_declines(tmp_path: Path) -> None:
    script = Callee("transfers in vain").recv("INVITE").send(200, body=sdp(), headers=ABILITIES).recv("ACK")
    script.ask("REFER", headers=[f"Refer-To: <sip:carol@{DOMAIN}>"]).recv(202)
    for state in ("100", "180", "603"):
        script.recv("NOTIFY", body=f"SIP/2.0 {state}").send(200, tag="")
    script.ask("BYE").recv(200)
    async with sipp(script, *ECHO) as pbx, trunk(tmp_path, pbx.uri) as office:
        alice, carol = await office.web_user("alice"), await office.web_user("carol")
        await alice.calls(f"sip:123@{DOMAIN}")
        await alice.answered()
        (await carol.rings()).session.reject(603)
        await alice.hears(Ended)
        await pbx.done()
        record = await office.record()
        assert outcome(record) == ("answered", 200, "callee", "bye")
        assert record["transferred_to"] == ""
