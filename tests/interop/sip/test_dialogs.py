"""Our SIP stack against SIPp in what calls rarely show: PRACK, UPDATE, session timers, forks, glare, challenges and strict routers."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable, Sequence

import pytest

from boringsdp.sip.account import IncomingCall, InfoReceived
from boringsdp.sip.digest import Credentials
from boringsdp.sip.facades import Session
from boringsdp.sip.session.events import (
    Answered,
    AnswerReceived,
    By,
    Confirmed,
    DialogEnded,
    EarlyMedia,
    Ended,
    OfferReceived,
    OfferRefused,
    Refreshed,
    RequestAnswered,
)
from tests.interop.sip.script import REASONS, Callee, Caller, listening, running_script, sdp
from tests.support.sip_endpoints import ANSWER, OFFER, Ear, at, endpoint, settings_of

pytestmark = [pytest.mark.interop, pytest.mark.skipif(shutil.which("sipp") is None, reason="apt-get install sip-tester")]

RELIABLE = ("Require: 100rel", "RSeq: 5")
ABILITIES = ("Allow: INVITE, ACK, BYE, CANCEL, PRACK, UPDATE, INFO", "Supported: 100rel, timer")
SAVED = {"via": r"[\r\n]Via: *([^\r\n]*)", "number": r"[\r\n]CSeq: *([0-9]*) INVITE"}
Play = Callable[[Session, Ear], Awaitable[None]]


def callee(name: str) -> Callee:
    """A script that has got an INVITE, and can answer it after other requests."""
    return Callee(name).recv("INVITE", saves=SAVED)  # type: ignore[return-value]


def late(script: Callee, code: int, *, body: str = "", headers: Sequence[str] = (), tag: str = "one") -> Callee:
    """Answers the first INVITE though other messages have come since."""
    lines = [
        "Via: [$via]",
        *("From: [$caller]", f"To: [$callee];tag=[pid]-{tag}-[call_number]", "Call-ID: [call_id]", "CSeq: [$number] INVITE"),
        *("Contact: <sip:callee@[local_ip]:[local_port]>", *headers),
    ]
    return script.raw(script.message(f"SIP/2.0 {code} {REASONS[code]}", lines, body), retrans=code == 200)  # type: ignore[return-value]


async def call(script: Callee, play: Play, *, offer: bytes | None = OFFER, credentials: tuple[Credentials, ...] = ()) -> None:
    """Our endpoint calls a script; both have to come to their end."""
    async with endpoint() as here, running_script(script) as phone:
        await listening(int(phone.uri.rpartition(":")[2]))
        hear = Ear()
        account = here.account(settings_of(at(here, "alice"), credentials=credentials), Ear())
        session = account.invite(phone.uri, offer, hear=hear)
        await play(session, hear)
        await phone.done()


async def test_early_media_and_its_answer_come_reliably() -> None:
    script = callee("a reliable 183, PRACK, 200 without SDP").send(183, body=sdp(), headers=RELIABLE)
    script.recv("PRACK", checks="RAck: 5 1 INVITE").send(200, tag="")
    late(script, 200).recv("ACK").recv("BYE").send(200, tag="")

    async def play(session: Session, hear: Ear) -> None:
        early = await hear.hears(EarlyMedia)
        assert early.final
        answered = await hear.hears(Answered)
        assert answered.sdp == early.sdp
        session.hang_up()

    await call(script, play)


async def test_an_offer_comes_in_183_and_its_answer_goes_in_prack() -> None:
    script = callee("an offer in a reliable 183").send(183, body=sdp(), headers=RELIABLE)
    script.recv("PRACK", checks="RAck: 5 1 INVITE", body="o=-").send(200, tag="")
    late(script, 200).recv("ACK").recv("BYE").send(200, tag="")

    async def play(session: Session, hear: Ear) -> None:
        await hear.hears(OfferReceived)
        session.answer(ANSWER)
        await hear.hears(Answered)
        session.hang_up()

    await call(script, play, offer=None)


async def test_the_callee_changes_the_early_session_by_update() -> None:
    script = callee("UPDATE before the 200").send(183, body=sdp(), headers=[*RELIABLE, *ABILITIES]).recv("PRACK").send(200, tag="")
    script.ask("UPDATE", body=sdp(2)).recv(200, body="o=- 2 1")
    late(script, 200).recv("ACK").recv("BYE").send(200, tag="")

    async def play(session: Session, hear: Ear) -> None:
        offered = await hear.hears(OfferReceived)
        assert b"o=script 1 2" in (offered.sdp or b"")
        session.answer(ANSWER)
        assert b"o=script 1 2" in ((await hear.hears(Answered)).sdp or b"")
        session.hang_up()

    await call(script, play)


async def test_an_offer_in_200_is_answered_in_ack() -> None:
    script = callee("a late offer").send(200, body=sdp()).recv("ACK", body="o=- 2 1").recv("BYE").send(200, tag="")

    async def play(session: Session, hear: Ear) -> None:
        await hear.hears(OfferReceived)
        session.answer(ANSWER)
        session.hang_up()

    await call(script, play, offer=None)


async def test_an_interval_too_small_is_asked_for_again() -> None:
    script = Callee("422").recv("INVITE").send(422, headers=["Min-SE: 3600"], tag="none").recv("ACK")
    script.recv("INVITE", checks="Session-Expires: 3600").send(200, body=sdp()).recv("ACK").recv("BYE").send(200, tag="")

    async def play(session: Session, hear: Ear) -> None:
        await hear.hears(Answered)
        session.hang_up()

    await call(script, play)


async def test_a_refresh_of_the_callee_is_answered_by_the_same_sdp() -> None:
    timer = ("Session-Expires: 90;refresher=uas", "Require: timer", *ABILITIES)
    script = callee("refreshes by re-INVITE and UPDATE").send(200, body=sdp(), headers=timer).recv("ACK")
    script.ask("INVITE", body=sdp(), headers=["Session-Expires: 90;refresher=uac", "Supported: timer"])
    script.recv(200, checks="Session-Expires: 90;refresher=uac", body="o=- 1 1")
    script.raw(ack_of(2))
    script.ask("UPDATE", headers=["Session-Expires: 90;refresher=uac", "Supported: timer"]).recv(200, checks="Session-Expires: 90")
    script.recv("BYE").send(200, tag="")

    async def play(session: Session, hear: Ear) -> None:
        for _ in range(2):
            assert (await hear.hears(Refreshed)).by is By.REMOTE
        session.hang_up()
        assert not hear.heard(OfferReceived)

    await call(script, play)


def ack_of(number: int) -> str:
    """The ACK of a 200 to a re-INVITE that a callee sent."""
    return f"""
ACK [$target] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
Max-Forwards: 70
From: [$callee];tag=[pid]-one-[call_number]
To: [$caller]
Call-ID: [call_id]
CSeq: {number} ACK
Content-Length: 0
"""


async def test_our_re_invite_meets_491_and_goes_out_again() -> None:
    script = callee("glare").send(200, body=sdp()).recv("ACK").recv("INVITE").send(491, tag="").recv("ACK")
    script.recv("INVITE", body="o=- 2 1").send(200, body=sdp(2), tag="").recv("ACK").recv("BYE").send(200, tag="")

    async def play(session: Session, hear: Ear) -> None:
        await hear.hears(Answered)
        session.offer(ANSWER)
        assert b"o=script 1 2" in (await hear.hears(AnswerReceived)).sdp
        assert not hear.heard(OfferRefused)
        session.hang_up()

    await call(script, play)


async def test_two_forks_answer_and_the_later_is_ended() -> None:
    script = (
        callee("two 200 of two forks").send(180, tag="one").send(180, tag="two").send(200, body=sdp(), tag="one", repeat=False).recv("ACK")
    )
    late(script, 200, body=sdp(), tag="two").recv("ACK", checks="To:[^\r\n]*-two-").recv("BYE", checks="To:[^\r\n]*-two-").send(200, tag="")
    script.ask("INFO").recv(200).recv("BYE", checks="To:[^\r\n]*-one-").send(200, tag="")

    async def play(session: Session, hear: Ear) -> None:
        answered = await hear.hears(Answered)
        assert "-one-" in answered.tag
        assert "-two-" in hear.heard(DialogEnded)[0].tag
        await hear.hears(InfoReceived)
        session.hang_up()

    await call(script, play)


async def test_requests_in_the_dialog_are_challenged() -> None:
    challenge = ['Proxy-Authenticate: Digest realm="pbx", nonce="abc", qop="auth", algorithm=SHA-256']
    script = callee("407 within the dialog").send(200, body=sdp()).recv("ACK")
    script.recv("INFO").send(407, headers=challenge, tag="").recv("INFO", checks="Proxy-Authorization: Digest").send(200, tag="")
    script.recv("BYE", checks="Proxy-Authorization: Digest").send(200, tag="")

    async def play(session: Session, hear: Ear) -> None:
        await hear.hears(Answered)
        session.send("INFO")
        assert (await hear.hears(RequestAnswered)).response.code == 200
        session.hang_up()
        await hear.hears(Ended)

    await call(script, play, credentials=(Credentials("alice", "secret"),))


# --- the script calls us ------------------------------------------------------------------------------------------------------------------


async def be_called(script: Caller, play: Callable[[IncomingCall, Ear], Awaitable[None]]) -> None:
    """A script calls our endpoint; both have to come to their end."""
    async with endpoint() as here:
        bob, hear = Ear(), Ear()
        identity = at(here, "bob")
        here.account(settings_of(identity), bob)
        async with running_script(script, calls="bob", at=f"{identity.host}:{identity.port}") as phone:
            came = await bob.hears(IncomingCall)
            came.session.hear = hear
            await play(came, hear)
            await phone.done()


def caller_with_prack(name: str, *, offer: str, answer: str, headers: Sequence[str]) -> Caller:
    script = Caller(name).ask("INVITE", body=offer, headers=headers).recv(100, optional=True)
    script.recv(183, saves={"rseq": r"RSeq: *([0-9]+)"}, checks="Require: 100rel")
    script.ask("PRACK", body=answer, headers=["RAck: [$rseq] 1 INVITE"]).recv(200).recv(200, checks="CSeq: 1 INVITE")
    script._sequence = 1
    script.ack()
    script._sequence = 2
    return script.ask("BYE").recv(200)  # type: ignore[return-value]


async def test_a_caller_that_requires_100rel_gets_early_media_reliably() -> None:
    script = caller_with_prack("requires 100rel", offer=sdp(), answer="", headers=["Require: 100rel"])

    async def play(came: IncomingCall, hear: Ear) -> None:
        came.session.progress(ANSWER)
        came.session.accept(ANSWER)  # waits for the PRACK
        await hear.hears(Confirmed)
        assert (await hear.hears(Ended)).by is By.REMOTE

    await be_called(script, play)


async def test_an_offer_of_ours_in_183_is_answered_in_prack() -> None:
    script = caller_with_prack("answers in PRACK", offer="", answer=sdp(), headers=["Supported: 100rel"])

    async def play(came: IncomingCall, hear: Ear) -> None:
        assert came.sdp is None
        came.session.progress(OFFER)
        assert b"o=script" in (await hear.hears(AnswerReceived)).sdp
        came.session.accept(None)
        await hear.hears(Ended)

    await be_called(script, play)


async def test_an_ack_comes_late() -> None:
    script = Caller("a late ACK").ask("INVITE", body=sdp()).recv(100, optional=True).recv(200).pause(1.3).ack().ask("BYE").recv(200)

    async def play(came: IncomingCall, hear: Ear) -> None:
        came.session.accept(ANSWER)
        await hear.hears(Confirmed)
        await hear.hears(Ended)

    await be_called(script, play)  # type: ignore[arg-type]


async def test_a_caller_whose_interval_is_too_small_is_told() -> None:
    script = Caller("an interval too small").ask("INVITE", body=sdp(), headers=["Supported: timer", "Session-Expires: 60"])
    script.recv(100, optional=True).recv(422, checks="Min-SE: 90").ack()
    async with endpoint() as here:
        bob = Ear()
        identity = at(here, "bob")
        here.account(settings_of(identity), bob)
        async with running_script(script, calls="bob", at=f"{identity.host}:{identity.port}") as phone:
            await phone.done()
        assert not bob.heard(IncomingCall)
