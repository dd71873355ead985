"""Kamailio as the PBX in pass-through mode: web phones are registered there, call and are called by baresip and SIPp."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from boringsdp.b2bua.settings import Mode
from boringsdp.sip.account import RegistrationFailed
from boringsdp.sip.session.events import Answered, Cancelled, EarlyMedia, Ended, Failed, OfferReceived, RequestAnswered, Ringing
from tests.interop.b2bua.office import DOMAIN, Office, Record, running_office
from tests.interop.b2bua.web_user import PITCH, WebUser, dialled, hear_each_other
from tests.interop.kamailio import phone as phones
from tests.interop.kamailio.phone import Phone, running_phone
from tests.interop.sip import registrar
from tests.interop.sip.registrar import Registrar, running_registrar
from tests.interop.sip.script import Callee, Caller, running_script, sdp
from tests.support.certificate import make_certificate
from tests.support.sip_endpoints import Ear, endpoint, settings_of

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]

needs_sipp = pytest.mark.skipif(shutil.which("sipp") is None, reason="apt-get install sip-tester")
PBXS = {"MD5": ("127.0.0.1", "MD5"), "SHA-256": ("127.0.0.1", "SHA-256"), "IPv6": ("[::1]", "MD5")}
WAYS = [("MD5", "udp"), ("MD5", "tcp"), ("MD5", "tls"), ("SHA-256", "udp"), ("IPv6", "udp"), ("IPv6", "tcp"), ("IPv6", "tls")]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"), "127.0.0.1", "::1")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pbxs(certificate: Path) -> AsyncIterator[dict[str, Registrar]]:
    """By what is special of them."""
    if problem := registrar.missing() or phones.missing():
        pytest.skip(problem)
    async with contextlib.AsyncExitStack() as stack:
        starting = [
            stack.enter_async_context(running_registrar(host, algorithm=algorithm, certificate=certificate))
            for host, algorithm in PBXS.values()
        ]
        yield dict(zip(PBXS, await asyncio.gather(*starting), strict=True))


@contextlib.asynccontextmanager
async def office_at(folder: Path, pbx: Registrar, transport: str = "udp") -> AsyncIterator[Office]:
    place = pbx.tls if transport == "tls" else pbx.domain
    domain = {"mode": Mode.PASS_THROUGH, "pbx": (f"sip:{place};transport={transport}",)}
    async with running_office(folder, domain=domain, authorities=pbx.certificate) as office:
        yield office


@contextlib.asynccontextmanager
async def phone_at(pbx: Registrar, user: str = "bob", more: str = "", **options: Any) -> AsyncIterator[Phone]:
    account = f";auth_pass={pbx.secret}{more}"
    async with running_phone(user, pbx.domain, account=account, **options) as phone:
        yield phone


async def phone_calls(phone: Phone, pbx: Registrar, user: WebUser) -> None:
    """A telephone at the PBX calls a web phone, which answers."""
    await phone.do("dial", f"sip:{user.uri.partition(':')[2].partition('@')[0]}@{pbx.domain}")
    await user.takes()
    await phone.until("CALL_ESTABLISHED")


@pytest.mark.parametrize(("kind", "transport"), WAYS)
async def test_calls_both_ways(tmp_path: Path, pbxs: dict[str, Registrar], kind: str, transport: str) -> None:
    pbx, bob = pbxs[kind], "openbob" if kind == "SHA-256" else "bob"  # baresip knows MD5 alone
    async with office_at(tmp_path, pbx, transport) as office, phone_at(pbx, bob, ";answermode=auto") as phone:
        intruder = await office.web_user("alice", "wrong", register=False)
        intruder.account.register()
        assert (await intruder.ear.hears(RegistrationFailed)).code in (401, 403)
        alice = await office.web_user("alice", pbx.secret)

        session = await alice.calls(f"sip:{bob}@{DOMAIN}")
        await alice.answered()
        assert "407" in alice.there.ladder(session.call_id)
        await hear_each_other(alice, phone)
        alice.call.hang_up()
        await phone.until("CALL_CLOSED")
        record = await office.record()
        assert facts(record) == ("browser-pbx", "answered", "caller", "bye")
        assert [attempt["code"] for attempt in record["attempts"]] == [200]
        assert all(stream["packets_received"] > 20 for leg in record["legs"] for stream in leg["streams"])

        phone.forget()
        await phone_calls(phone, pbx, alice)
        await hear_each_other(alice, phone)
        await phone.do("hangup")
        assert (await alice.hears(Ended)).code == 200
        record = await office.record()
        assert facts(record) == ("pbx-browser", "answered", "caller", "bye")
        assert record["caller"].startswith(f"sip:{bob}@")


async def test_hold_and_digits(tmp_path: Path, pbxs: dict[str, Registrar]) -> None:
    """Each side holds the other, digits go as events both ways, and as INFO from either side."""
    pbx = pbxs["MD5"]
    async with office_at(tmp_path, pbx) as office, phone_at(pbx) as phone:
        alice = await office.web_user("alice", pbx.secret)
        await phone_calls(phone, pbx, alice)
        await hear_each_other(alice, phone)
        await alice.presses("159#")
        await dialled(alice, phone, "159#")
        since = alice.mark()
        for key in "27*":
            await phone.do("sndcode", key)
            await alice.until(lambda key=key: alice.digits(since).endswith(key))
        assert alice.digits(since) == "27*"
        alice.call.send("INFO", content_type="application/dtmf-relay", body=b"Signal=8\r\nDuration=160\r\n")
        await dialled(alice, phone, "159#8")

        await alice.changes("sendonly")
        await falls_silent(alice)
        await alice.changes("sendrecv")
        await alice.hears_tone(phone.frequency)
        await phone.do("hold")
        assert b"a=sendonly" in ((await alice.hears(OfferReceived)).sdp or b"")
        await phone.do("resume")
        assert b"a=sendrecv" in ((await alice.hears(OfferReceived)).sdp or b"")
        await alice.hears_tone(phone.frequency)
        await alice.presses("4")
        await dialled(alice, phone, "159#84")
        alice.call.hang_up()
        await phone.until("CALL_CLOSED")
        assert facts(await office.record()) == ("pbx-browser", "answered", "callee", "bye")


async def test_keys_of_a_telephone_that_sends_info(tmp_path: Path, pbxs: dict[str, Registrar]) -> None:
    pbx = pbxs["MD5"]
    async with office_at(tmp_path, pbx) as office, phone_at(pbx, more=";dtmfmode=info") as phone:
        alice = await office.web_user("alice", pbx.secret)
        await phone_calls(phone, pbx, alice)
        since = alice.mark()
        for key in "36":
            await phone.do("sndcode", key)
            await alice.until(lambda key=key: alice.digits(since).endswith(key))
        alice.call.hang_up()
        await phone.until("CALL_CLOSED")
        await office.record()


@needs_sipp
async def test_a_scripted_telephone_is_called_and_hangs_up(tmp_path: Path, pbxs: dict[str, Registrar]) -> None:
    """Its early media and its echo are heard; a busy one is told as such."""
    pbx = pbxs["MD5"]
    script = Callee("rings, speaks early, answers, hangs up").recv("INVITE").send(180).send(183, body=sdp()).pause(2)
    script.send(200, body=sdp()).recv("ACK").pause(1).ask("BYE").recv(200)
    busy = Callee("busy").recv("INVITE").send(486, tag="busy").recv("ACK")
    async with office_at(tmp_path, pbx) as office:
        alice = await office.web_user("alice", pbx.secret)
        async with running_script(script, more=("-m", "1", "-rtp_echo")) as sipp:
            await sipp.listening()
            await enrol(pbx, "script", sipp.uri)
            await alice.calls(f"sip:script@{DOMAIN}")
            await alice.hears(Ringing)
            await alice.hears(EarlyMedia)
            await alice.speaks()
            await alice.hears_tone(PITCH)
            await alice.hears(Answered)
            await alice.hears(Ended)
            await sipp.done()
            record = await office.record()
            assert facts(record) == ("browser-pbx", "answered", "callee", "bye")
            assert record["rang"] <= record["answered"] - 1.5
        async with running_script(busy) as sipp:
            await sipp.listening()
            await enrol(pbx, "scriptbusy", sipp.uri)
            await alice.calls(f"sip:scriptbusy@{DOMAIN}")
            assert (await alice.hears(Failed)).code == 486
            await sipp.done()
            record = await office.record()
            assert (record["result"], record["code"], record["ended_by"]) == ("failed", 486, "callee")


async def test_somebody_who_is_not_there(tmp_path: Path, pbxs: dict[str, Registrar]) -> None:
    """A call that was asked for a password has one record, of its second INVITE."""
    pbx = pbxs["MD5"]
    async with office_at(tmp_path, pbx) as office:
        alice = await office.web_user("alice", pbx.secret)
        await alice.calls(f"sip:nobody@{DOMAIN}")
        assert (await alice.hears(Failed)).code == 404
        record = await office.record()
        assert (record["result"], record["code"], len(record["attempts"])) == ("failed", 404, 1)


@needs_sipp
async def test_a_telephone_that_gives_up(tmp_path: Path, pbxs: dict[str, Registrar]) -> None:
    pbx = pbxs["MD5"]
    script = Caller("gives up").ask("INVITE", body=sdp()).recv(100, optional=True).recv(180).cancel().recv(200).recv(487).ack()
    async with office_at(tmp_path, pbx) as office:
        await office.web_user("carol", pbx.secret)
        alice = await office.web_user("alice", pbx.secret)
        async with running_script(script, calls="alice", at=pbx.domain) as sipp:
            await alice.rings()
            await alice.hears(Cancelled)
            await sipp.done()
        record = await office.record()
        assert (record["result"], record["code"], record["ended_by"]) == ("cancelled", 487, "caller")


def facts(record: Record) -> tuple[str, str, str, str]:
    return record["direction"], record["result"], record["ended_by"], record["reason"]


async def falls_silent(user: WebUser) -> None:
    """Nothing that sounds comes for a whole cycle."""
    await asyncio.sleep(0.3)
    since = user.mark()
    await asyncio.sleep(1.1)
    assert user.heard(since) == []


async def enrol(pbx: Registrar, user: str, contact: str) -> None:
    """Tell the PBX where a user is who needs no password."""
    async with endpoint() as there:
        answered = Ear()
        uri = f"sip:{user}@{pbx.domain}"
        account = there.account(settings_of(uri, own_headers=("Contact",)), answered)
        account.request(
            "REGISTER", f"sip:{pbx.domain}", headers=[("Contact", f"<{contact}>"), ("Expires", "60")], to=f"<{uri}>", hear=answered
        )
        assert (await answered.hears(RequestAnswered)).response.code == 200
