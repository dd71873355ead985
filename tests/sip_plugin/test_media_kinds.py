"""What protects the media of the SIP peer, as it offers and as the application asks: content proved both ways through the plugin."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from boringsdp.rtp.keys import Profile
from boringsdp.rtp.srtp import SrtpSender
from boringsdp.sdp import SUITES, describe
from boringsdp.sip.session.events import Answered, Confirmed
from tests.call.phone import plain
from tests.sip_plugin.talk import Town, hear_each_other
from tests.support.ng_peer import KINDS, Peer


def fresh(suite: str, tag: int = 1) -> tuple[int, Profile, bytes, bytes]:
    """A key of a telephone."""
    profile = Profile(suite)
    return tag, profile, os.urandom(profile.key_length), os.urandom(profile.salt_length)


def crypto_line(suite: str) -> str:
    """One without its tag."""
    _, _, key, salt = fresh(suite)
    return f"{suite} inline:{base64.b64encode(key + salt).decode()}"


OFFERED = ("AVP", "AVPF", "SAVP", "SAVPF", "OSRTP", "DTLS-SAVP", "DTLS-SAVPF", "WebRTC")


@pytest.mark.parametrize("kind", OFFERED)
async def test_offers_of_every_kind_are_served(town: Town, kind: str):
    agent, phone = await town.agent(), await town.phone(kind)
    await phone.calls(town.uri_of(agent))
    await agent.take()
    await phone.connected()
    await hear_each_other(agent.peer, phone.peer)


@pytest.mark.parametrize(("srtp", "kind"), [("", "AVP"), ("sdes_optional", "OSRTP"), ("sdes_mandatory", "SAVP"), ("dtls", "DTLS-SAVP")])
async def test_calls_are_offered_as_the_application_asks(town: Town, srtp: str, kind: str):
    agent, phone = await town.agent(), await town.phone(kind)
    await agent.place(phone.uri, **({"srtp": srtp} if srtp else {}))
    await phone.takes()
    await agent.answered()
    await hear_each_other(agent.peer, phone.peer)


# --- SDES --------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suite", SUITES)
async def test_every_suite_is_taken_and_can_be_asked_for(town: Town, suite: str):
    agent, phone = await town.agent(), await town.phone("SAVP")
    phone.peer._crypto = fresh(suite)
    await phone.calls(town.uri_of(agent))
    await agent.take()
    await phone.connected()
    await hear_each_other(agent.peer, phone.peer)
    agent, phone = await town.agent(), await town.phone("SAVP")
    await agent.place(phone.uri, srtp="sdes_mandatory", srtp_profile=suite)
    await phone.takes()
    assert [crypto.suite for crypto in describe(phone.offer).medias[0].cryptos] == [suite]
    await agent.answered()
    await hear_each_other(agent.peer, phone.peer)


async def test_one_of_several_suites_is_chosen(town: Town):
    """The peer's order decides; with srtp_profile ours does. Lines that nobody can use are passed over."""
    for wanted, chosen in ((None, 2), ("AES_CM_128_HMAC_SHA1_80", 3)):
        agent, phone = await town.agent(), await town.phone("SAVP")
        lines = [
            "1 F8_128_HMAC_SHA1_80 inline:" + "A" * 40,
            "2 " + str(crypto_line("AES_CM_128_HMAC_SHA1_32")),
            "3 " + str(crypto_line("AES_CM_128_HMAC_SHA1_80")),
        ]
        phone.edit = lambda sdp, lines=lines: re.sub(r"a=crypto:.*\r\n", "".join(f"a=crypto:{line}\r\n" for line in lines), sdp)
        await phone.calls(town.uri_of(agent))
        await agent.take(**({"srtp": "sdes_mandatory", "srtp_profile": wanted} if wanted else {}))
        answered = await phone.talk.hears(Answered)
        answer = (answered.sdp or b"").decode()
        line = describe(answer).medias[0].cryptos
        assert [crypto.tag for crypto in line] == [chosen]
        suite, key = lines[chosen - 1].split()[1:]
        material = base64.b64decode(key.partition(":")[2])
        profile = Profile(suite)
        phone.peer._crypto = (chosen, profile, material[: profile.key_length], material[profile.key_length :])
        phone.peer.take_answer(answer)
        await hear_each_other(agent.peer, phone.peer)


@pytest.mark.parametrize("options", ["|2^20", "|1048576", "|2^31|1:1", "|5:4", "|2^48|255:2"])
async def test_lifetime_and_mki_of_the_peer_are_honoured(town: Town, options: str):
    """Its packets carry the MKI that its line names (RFC 4568 §6.1); ours need none."""
    agent, phone = await town.agent(), await town.phone("SAVP")
    phone.edit = lambda sdp: re.sub(r"(a=crypto:.*)\r\n", rf"\1{options}\r\n", sdp)
    await phone.calls(town.uri_of(agent))
    await agent.take()
    await phone.connected()
    number, colon, length = options.rpartition("|")[2].partition(":")
    sender = phone.peer.components[0].sender
    assert sender is not None
    if colon:
        mki = int(number).to_bytes(int(length), "big")
        phone.peer.components[0].sender = SrtpSender(replace(sender.keys, mki=mki))
    await hear_each_other(agent.peer, phone.peer)


async def test_optional_srtp_may_be_declined_by_the_peer(town: Town):
    agent, phone = await town.agent(), await town.phone("AVP")
    await agent.place(phone.uri, srtp="sdes_optional")
    await phone.rings()
    assert describe(phone.offer).medias[0].cryptos
    phone.offer = re.sub(r"a=crypto:.*\r\n", "", phone.offer)
    assert phone.session is not None
    phone.session.accept(phone.peer.answer(phone.offer).encode())
    await phone.talk.hears(Confirmed)
    await agent.answered()
    await hear_each_other(agent.peer, phone.peer)


@pytest.mark.parametrize("srtp", ["sdes_mandatory", "dtls"])
async def test_media_never_falls_back_to_the_clear(town: Town, srtp: str):
    agent, phone = await town.agent(), await town.phone("AVP")
    await agent.place(phone.uri, srtp=srtp)
    session = await phone.rings()
    session.accept(plain(phone.peer.port).encode())
    over = await agent.result("hangup")
    assert over["code"] == 488
    agent, phone = await town.agent(), await town.phone("AVP")
    await phone.calls(town.uri_of(agent))
    browser = await Peer.open(KINDS["WebRTC"])
    town.stack.callback(browser.close)
    told = await agent.until("incomingcall")
    await agent.ask("accept", {"type": "answer", "sdp": browser.answer(told["jsep"]["sdp"])}, srtp=srtp)
    assert (await agent.result("error"))["error_code"] == 452


# --- both in one offer -------------------------------------------------------------------------------------------------------------------


def twins(secure_first: bool, kind: str) -> Callable[[str], str]:
    """The telephone's m-line twice, as RTP/AVP and as RTP/SAVP."""

    def edit(sdp: str) -> str:
        head, _, media = sdp.partition("m=audio")
        secure = "m=audio" + media
        clear = re.sub(r"a=(crypto|fingerprint|setup):.*\r\n", "", secure.replace(KINDS[kind].protocol, "RTP/AVP"))
        return head + (secure + clear if secure_first else clear + secure)

    return edit


@pytest.mark.parametrize("kind", ["SAVP", "DTLS-SAVP"])
@pytest.mark.parametrize("secure_first", [True, False])
async def test_of_twins_the_secure_one_is_taken(town: Town, secure_first: bool, kind: str):
    agent, phone = await town.agent(), await town.phone(kind)
    phone.edit = twins(secure_first, kind)
    await phone.calls(town.uri_of(agent))
    told = await agent.take()
    assert [media.kind for media in describe(told["jsep"]["sdp"]).medias] == ["audio"], "the browser sees one of them"
    answered = await phone.talk.hears(Answered)
    answer = describe((answered.sdp or b"").decode())
    assert [media.rejected for media in answer.medias] == ([False, True] if secure_first else [True, False])
    head, first, second = (answered.sdp or b"").decode().split("m=audio")
    phone.peer.take_answer(f"{head}m=audio{first if secure_first else second}")
    await phone.peer.connect()
    await hear_each_other(agent.peer, phone.peer)


@pytest.mark.parametrize(("srtp", "dtls"), [("", True), ("dtls", True), ("sdes_optional", False), ("sdes_mandatory", False)])
async def test_of_a_peer_with_dtls_and_sdes_the_application_chooses(town: Town, srtp: str, dtls: bool):
    agent, phone = await town.agent(), await town.phone("SAVP")
    fingerprint = "a=fingerprint:{} {}\r\na=setup:actpass\r\n".format(*phone.peer.identity.fingerprint)
    phone.edit = lambda sdp: sdp + fingerprint
    await phone.calls(town.uri_of(agent))
    await agent.take(**({"srtp": srtp} if srtp else {}))
    answered = await phone.talk.hears(Answered)
    [media] = describe((answered.sdp or b"").decode()).medias
    assert (bool(media.fingerprints), bool(media.cryptos)) == (dtls, not dtls)
