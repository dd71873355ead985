"""The call over a real relay: turns, rollback, forks, re-offers, and plain media from one side to the other."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from pathlib import Path

import pytest

from boringsdp.call import CallClosed, CallEvent, CallTimedOut, DestinationPolicy, Party, State
from boringsdp.call.leg import Leg
from boringsdp.call.settings import CallSettings
from boringsdp.errors import Exhausted, SdpError, WrongState
from boringsdp.relay import RelaySettings
from boringsdp.sdp import PLAIN, SDES_MANDATORY, SDES_OPTIONAL, WEBRTC, describe
from tests.call.conftest import Bench
from tests.call.phone import CHROMIUM, Phone, browser_answer, plain, port_of, version_of
from tests.fuzz.oracles import answer_of


async def test_plain_media_passes_between_two_plain_legs_with_payload_types_mapped(bench: Bench):
    call = bench.calls.create(bench.news.append)
    a, b = Phone(), Phone()
    offer = call.offer(Party.A, plain(a.port, formats="8 0 101"), to=PLAIN)
    answer = call.answer(Party.B, plain(b.port, formats="8 101"))
    a.send(port_of(answer), 8, b"from a" * 20)
    got = await b.receive()
    assert (got[1] & 127, got[12:]) == (8, b"from a" * 20)
    b.send(port_of(offer), 8, b"from b" * 20)
    assert (await a.receive())[12:] == b"from b" * 20
    call.close("done")
    assert bench.news[-1] == CallClosed("done")
    assert len(bench.calls) == 0


async def test_a_browser_offer_becomes_a_plain_one_and_its_answer_comes_back(bench: Bench):
    call = bench.calls.create(bench.news.append)
    offer = call.offer(Party.A, CHROMIUM, to=PLAIN)
    assert "RTP/AVP" in offer
    assert not re.search("a=(ice|fingerprint|setup|candidate|msid|ssrc|extmap)", offer)
    answer = describe(call.answer(Party.B, plain(9000)))
    media = answer.medias[0]
    assert answer.ice_lite
    assert (media.protocol_text, media.setup, media.mid, media.rtcp_mux) == ("UDP/TLS/RTP/SAVPF", "passive", "0", True)
    assert [candidate.host for candidate in media.candidates] == ["127.0.0.1"]
    assert call.state is State.STABLE
    json.dumps(call.record())
    json.dumps(call.statistics())


async def test_a_peer_that_gives_up_srtp_is_heard_in_the_clear_and_gets_new_keys_later(bench: Bench):
    call = bench.calls.create(bench.news.append)
    a, b = Phone(), Phone()
    crypto = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{'A' * 40}\r\n"
    offer = call.offer(Party.A, plain(a.port, extra=crypto), to=PLAIN)
    keyed = describe(call.answer(Party.B, plain(b.port))).medias[0].cryptos
    call.offer(Party.A, plain(a.port, version=2), to=PLAIN)
    clear = call.answer(Party.B, plain(b.port))
    assert "a=crypto" not in clear
    b.send(port_of(offer), 0, b"from b" * 20)
    assert (await a.receive())[12:] == b"from b" * 20
    a.send(port_of(clear), 0, b"from a" * 20)
    assert (await b.receive())[12:] == b"from a" * 20
    call.offer(Party.A, plain(a.port, extra=crypto, version=3), to=PLAIN)
    again = describe(call.answer(Party.B, plain(b.port))).medias[0].cryptos
    assert keyed[0].key != again[0].key


def plain_v6(port: int, version: int = 1) -> str:
    return plain(port, version=version).replace("IP4 127.0.0.1", "IP6 ::1")


async def test_a_peer_of_a_family_that_we_have_not_is_refused_by_name(bench: Bench):
    call = bench.calls.create(bench.news.append)
    with pytest.raises(SdpError, match=r"line 6: the address of m=audio \(::1\) is IPv6, ours is not"):
        call.offer(Party.B, plain_v6(9000), to=WEBRTC)
    call.offer(Party.A, CHROMIUM, to=PLAIN)
    with pytest.raises(SdpError, match="is IPv6, ours is not"):
        call.answer(Party.B, plain_v6(9000))
    assert call.pending is Party.A
    call.answer(Party.B, plain(9000))


class TestBothFamilies:
    @pytest.fixture
    def relay_settings(self) -> RelaySettings:
        return RelaySettings(plain_hosts=("127.0.0.1", "::1"), plain_ports=(40000, 40200), port_rest_s=0.0)

    async def test_each_plain_peer_is_met_in_its_own_family(self, bench: Bench):
        call = bench.calls.create(bench.news.append)
        a, b = Phone("::1"), Phone()
        offer = call.offer(Party.A, plain_v6(a.port), to=PLAIN)
        answer = call.answer(Party.B, plain(b.port))
        assert "c=IN IP4 127.0.0.1" in offer
        assert "c=IN IP6 ::1" in answer
        a.send(port_of(answer), 0, b"from a" * 20)
        assert (await b.receive())[12:] == b"from a" * 20
        b.send(port_of(offer), 0, b"from b" * 20)
        assert (await a.receive())[12:] == b"from b" * 20

    async def test_a_re_offer_may_change_the_family(self, bench: Bench):
        call = bench.calls.create(bench.news.append)
        a, b = Phone("::1"), Phone()
        offer = call.offer(Party.A, plain(9000), to=PLAIN)
        call.answer(Party.B, plain(b.port))
        call.offer(Party.A, plain_v6(a.port, version=2), to=PLAIN)
        answer = call.answer(Party.B, plain(b.port))
        assert "c=IN IP6 ::1" in answer
        b.send(port_of(offer), 0, b"from b" * 20)
        assert (await a.receive())[12:] == b"from b" * 20
        assert bench.relay.statistics()["ports_used"] == 2


async def test_debug_shows_sdp_without_its_keys(bench: Bench, caplog: pytest.LogCaptureFixture):
    call = bench.calls.create(bench.news.append)
    with caplog.at_level("DEBUG", logger="boringsdp"):
        offer = call.offer(Party.A, CHROMIUM, to=SDES_MANDATORY)
        key = re.search(r"inline:(\S+)", offer)
        tag = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{'B' * 40}\r\n"
        answer = call.answer(Party.B, plain(9000, extra=tag).replace("RTP/AVP", "RTP/SAVP"))
    shown = repr([vars(record) for record in caplog.records if record.name == "boringsdp.call"])
    assert "m=audio" in shown
    assert key is not None
    secrets = [key[1], "B" * 40, describe(CHROMIUM).medias[0].password, describe(answer).medias[0].password]
    assert [secret for secret in secrets if secret in shown] == []


async def test_a_peer_that_gives_up_rtcp_mux_gets_a_port_for_rtcp(bench: Bench):
    call = bench.calls.create(bench.news.append)
    a, b = Phone(), Phone()
    offer = call.offer(Party.A, plain(a.port, extra="a=rtcp-mux\r\n"), to=PLAIN)
    muxed = call.answer(Party.B, plain(b.port))
    call.offer(Party.A, plain(a.port, extra="a=rtcp-mux\r\n", version=2), to=PLAIN)
    assert port_of(call.answer(Party.B, plain(b.port))) == port_of(muxed)
    call.offer(Party.A, plain(a.port, version=3), to=PLAIN)
    apart = call.answer(Party.B, plain(b.port))
    record = call.record()["legs"]["a"]["transports"]["0"]
    assert "a=rtcp-mux" not in apart
    assert record["rtcp_port"] == port_of(apart) + 1
    assert record["rtcp_remote"] == ["127.0.0.1", a.port + 1]
    b.send(port_of(offer), 0, b"from b" * 20)
    assert (await a.receive())[12:] == b"from b" * 20


async def test_ports_mids_and_sessions_stay_over_re_offers_from_either_side(bench: Bench):
    call = bench.calls.create(bench.news.append)
    first_offer = call.offer(Party.A, CHROMIUM, to=PLAIN)
    first_answer = call.answer(Party.B, plain(9000))
    hold = call.offer(Party.B, plain(9000, direction="sendonly", version=2), to=WEBRTC)
    held = call.answer(Party.A, browser_answer(hold, "recvonly"))
    again = call.offer(Party.A, CHROMIUM, to=PLAIN)
    assert port_of(first_offer) == port_of(held) == port_of(again)
    assert "a=sendonly" in hold
    assert "a=recvonly" in held
    assert describe(first_answer).origin.session_id == describe(hold).origin.session_id
    assert version_of(hold) == version_of(first_answer) + 1
    assert describe(hold).medias[0].ufrag == describe(first_answer).medias[0].ufrag


async def test_an_ice_restart_is_answered_by_new_credentials_and_nothing_else_is(bench: Bench):
    call = bench.calls.create(bench.news.append)
    call.offer(Party.A, CHROMIUM, to=PLAIN)
    before = describe(call.answer(Party.B, plain(9000))).medias[0]
    call.offer(Party.A, CHROMIUM, to=PLAIN)
    same = describe(call.answer(Party.B, plain(9000))).medias[0]
    restarted = re.sub(r"a=ice-ufrag:\S+", "a=ice-ufrag:freshufrag", CHROMIUM)
    restarted = re.sub(r"a=ice-pwd:\S+", "a=ice-pwd:freshpasswordfreshpassword", restarted)
    call.offer(Party.A, restarted, to=PLAIN)
    after = describe(call.answer(Party.B, plain(9000))).medias[0]
    assert (same.ufrag, same.password) == (before.ufrag, before.password)
    assert after.ufrag != before.ufrag
    assert after.password != before.password
    assert after.fingerprints == before.fingerprints


async def test_a_refused_answer_to_an_ice_restart_leaves_ice_as_it_was(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    call = bench.calls.create(bench.news.append)
    call.offer(Party.A, CHROMIUM, to=PLAIN)
    before = describe(call.answer(Party.B, plain(9000))).medias[0]
    restarted = re.sub(r"a=ice-ufrag:\S+", "a=ice-ufrag:freshufrag", CHROMIUM)
    call.offer(Party.A, re.sub(r"a=ice-pwd:\S+", "a=ice-pwd:freshpasswordfreshpassword", restarted), to=PLAIN)
    with monkeypatch.context() as patched:
        patched.setattr(Leg, "check_plans", refuse)
        with pytest.raises(SdpError):
            call.answer(Party.B, plain(9000))
    call.reject()
    call.offer(Party.A, CHROMIUM, to=PLAIN)
    after = describe(call.answer(Party.B, plain(9000))).medias[0]
    assert (after.ufrag, after.password) == (before.ufrag, before.password)


def refuse(leg: Leg, plans: object) -> None:
    """What a policy says that has changed."""
    raise SdpError("not there")


async def test_glare_changes_nothing(bench: Bench):
    call = bench.calls.create(bench.news.append)
    call.offer(Party.A, CHROMIUM, to=PLAIN)
    with pytest.raises(WrongState, match="glare"):
        call.offer(Party.B, plain(9000), to=WEBRTC)
    assert "a=ice-lite" in call.answer(Party.B, plain(9000))


async def test_a_rejected_offer_leaves_no_port_behind(bench: Bench):
    call = bench.calls.create(bench.news.append)
    before = bench.relay.statistics()["transports"]
    call.offer(Party.A, CHROMIUM, to=PLAIN)
    call.reject()
    assert (call.state, bench.relay.statistics()["transports"]) == (State.IDLE, before)
    call.offer(Party.A, CHROMIUM, to=SDES_OPTIONAL)
    assert call.answer(Party.B, plain(9000))


async def test_a_rejected_re_offer_keeps_the_call(bench: Bench):
    call = bench.calls.create(bench.news.append)
    a, b = Phone(), Phone()
    offer = call.offer(Party.A, plain(a.port), to=PLAIN)
    call.answer(Party.B, plain(b.port))
    second = call.offer(Party.A, plain(a.port, direction="sendonly", version=2), to=PLAIN)
    call.reject()
    b.send(port_of(offer))
    assert await a.receive()
    third = call.offer(Party.A, plain(a.port, version=3), to=PLAIN)
    assert version_of(offer) < version_of(second) < version_of(third)
    assert port_of(third) == port_of(offer)


@pytest.mark.parametrize("bad", ["", "v=0\r\n", "nonsense", CHROMIUM.replace("m=audio", "m=application")])
async def test_a_bad_offer_is_refused_and_costs_nothing(bench: Bench, bad: str):
    call = bench.calls.create(bench.news.append)
    with pytest.raises(SdpError):
        call.offer(Party.A, bad, to=PLAIN)
    assert call.state is State.IDLE
    assert bench.relay.statistics()["transports"] == 0
    assert call.offer(Party.A, CHROMIUM, to=PLAIN)


async def test_a_bad_answer_leaves_the_offer_waiting(bench: Bench):
    call = bench.calls.create(bench.news.append)
    call.offer(Party.A, CHROMIUM, to=PLAIN)
    for bad in ("", plain(9000, formats="18") + "m=video 0 RTP/AVP 96\r\n", plain(9000, formats="18")):
        with pytest.raises(SdpError):
            call.answer(Party.B, bad)
    assert call.pending is Party.A
    assert call.answer(Party.B, plain(9000))


async def test_two_branches_answer_and_the_last_is_in_force(bench: Bench):
    call = bench.calls.create(bench.news.append)
    a, first, second = Phone(), Phone(), Phone()
    call.offer(Party.A, plain(a.port), to=PLAIN)
    early = call.answer(Party.B, plain(first.port), tag="tag1")
    final = call.answer(Party.B, plain(second.port), tag="tag2")
    assert call.tags == ("tag1", "tag2")
    assert port_of(early) == port_of(final)
    a.send(port_of(final))
    assert await second.receive()


async def test_an_unanswered_offer_ends_the_call(bench: Bench, settings: CallSettings):
    bench.calls._settings = CallSettings(answer_timeout_s=0.05)
    news: asyncio.Queue[CallEvent] = asyncio.Queue()
    call = bench.calls.create(news.put_nowait)
    call.offer(Party.A, CHROMIUM, to=PLAIN)
    assert await asyncio.wait_for(news.get(), 5) == CallTimedOut("answer", 0.05)
    assert await asyncio.wait_for(news.get(), 5) == CallClosed("no-answer")
    assert len(bench.calls) == 0
    assert bench.relay.statistics()["transports"] == 0


async def test_calls_are_bounded(bench: Bench):
    for _ in range(4):
        bench.calls.create(bench.news.append)
    with pytest.raises(Exhausted, match="calls"):
        bench.calls.create(bench.news.append)
    bench.calls.close()
    assert len(bench.calls) == 0


async def test_an_echo_call_sends_its_own_media_back(bench: Bench):
    call = bench.calls.create(bench.news.append)
    phone = Phone()
    answer = call.echo(plain(phone.port))
    phone.send(port_of(answer), payload=b"hello" * 32)
    assert (await phone.receive())[12:] == b"hello" * 32
    with pytest.raises(WrongState):
        call.offer(Party.A, CHROMIUM, to=PLAIN)
    call.set_direction(Party.A, audio=False)
    phone.send(port_of(answer))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(phone.receive(), 0.2)


@pytest.mark.parametrize("come_to_nothing", ["taken back", "refused"])
async def test_keying_of_an_offer_that_came_to_nothing_is_not_demanded_later(bench: Bench, come_to_nothing: str):
    """An offer of mandatory SDES to B is gone; then B's own offer of plain RTP is answered."""
    call = bench.calls.create(bench.news.append)
    if come_to_nothing == "taken back":
        call.offer(Party.A, CHROMIUM, to=SDES_MANDATORY)
        call.reject()
    else:
        with pytest.raises(SdpError):
            call.offer(Party.B, plain(9000, extra="a=x\r\n").replace("RTP/AVP", "RTP/SAVP"), to=WEBRTC)
        with pytest.raises(SdpError):
            call.offer(Party.A, plain(0), to=SDES_MANDATORY)
    offer = call.offer(Party.B, plain(9000), to=WEBRTC)
    answer = call.answer(Party.A, answer_of(offer))
    assert describe(answer).medias[0].port != 0


async def test_a_peer_with_mandatory_keys_cannot_reoffer_without(bench: Bench):
    call = bench.calls.create(bench.news.append)
    call.answer(Party.B, answer_of(call.offer(Party.A, CHROMIUM, to=SDES_MANDATORY)))
    with pytest.raises(SdpError, match="crypto"):
        call.offer(Party.B, plain(9000), to=WEBRTC)
    assert call.state is State.STABLE


async def test_a_later_answer_cannot_accept_what_an_earlier_one_refused(bench: Bench):
    """183 without video, 200 with it: its ports are gone, so the call goes on with audio."""
    call = bench.calls.create(bench.news.append)
    video = "m=video 9100 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"
    offer = call.offer(Party.A, plain(9000) + video, to=PLAIN)
    accepted = answer_of(offer)
    refused = re.sub("m=video [0-9]+", "m=video 0", accepted)
    assert [media.port == 0 for media in describe(call.answer(Party.B, refused)).medias] == [False, True]
    assert [media.port == 0 for media in describe(call.answer(Party.B, accepted)).medias] == [False, True]
    assert [media.port == 0 for media in describe(call.answer(Party.B, accepted, tag="other")).medias] == [False, True]


def test_destinations_are_a_policy():
    policy = DestinationPolicy.of(allow=("127.0.0.2/32",), deny=("127.0.0.0/8", "::ffff:0:0/96"))
    with pytest.raises(SdpError, match=r"127\.0\.0\.1.*not allowed"):
        policy.check(describe(plain(9000)))
    policy.check(describe(plain(9000).replace("127.0.0.1", "127.0.0.2")))
    policy.check(describe(CHROMIUM))
    with pytest.raises(SdpError, match="host name"):
        policy.check(describe(plain(9000).replace("c=IN IP4 127.0.0.1", "c=IN IP4 pbx.example.com")))
    with pytest.raises(SdpError, match="not allowed"):
        policy.check(describe(plain(9000, extra="a=rtcp:9001 IN IP4 127.0.0.1\r\n").replace("127.0.0.1\r\nt", "127.0.0.2\r\nt")))


@pytest.mark.parametrize(
    ("host", "port", "rtcp", "allowed"),
    [
        ("127.0.0.1", 20000, 20001, True),
        ("127.0.0.1", 29999, 29999, True),
        ("127.0.0.1", 19999, 20001, False),
        ("127.0.0.1", 20000, 8088, False),
        ("127.0.0.1", 30000, 20001, False),
        ("127.0.0.2", 20000, 20001, False),
    ],
)
def test_the_own_ports_may_be_sent_to_and_no_other_of_the_machine(host: str, port: int, rtcp: int, allowed: bool):
    policy = DestinationPolicy.of(deny=("127.0.0.0/8",), own_hosts=("127.0.0.1",), own_ports=(20000, 29999))
    sdp = describe(plain(port, extra=f"a=rtcp:{rtcp}\r\n").replace("127.0.0.1", host))
    with contextlib.nullcontext() if allowed else pytest.raises(SdpError, match="not allowed"):
        policy.check(sdp)


def test_ice_lines_do_not_take_plain_rtp_around_the_policy():
    policy = DestinationPolicy.of(deny=("127.0.0.0/8",))
    ice = "a=ice-ufrag:abcd\r\na=ice-pwd:" + "p" * 22 + "\r\n"
    fingerprint = "a=fingerprint:sha-256 " + ":".join(["AB"] * 32) + "\r\n"
    for extra in (ice, ice + fingerprint):
        with pytest.raises(SdpError, match="not allowed"):
            policy.check(describe(plain(9000, extra=extra)))
    dtls = plain(9000, extra=ice + fingerprint).replace("RTP/AVP", "UDP/TLS/RTP/SAVPF")
    policy.check(describe(dtls))
    with pytest.raises(SdpError, match="not allowed"):
        policy.check(describe(dtls), ice=False)  # an answer to our offer of plain RTP
    bundled = dtls + "a=mid:a\r\nm=audio 9002 RTP/AVP 0\r\nc=IN IP4 192.0.2.9\r\na=mid:b\r\n"
    with pytest.raises(SdpError, match="not allowed"):  # its transport would be the bundle's, plain
        policy.check(describe(bundled.replace("t=0 0\r\n", "t=0 0\r\na=group:BUNDLE a b\r\n")))


class TestExhaustedPorts:
    """With two pairs of ports, a third stream is refused and the call before it lives on."""

    @pytest.fixture
    def relay_settings(self) -> RelaySettings:
        return RelaySettings(plain_ports=(40300, 40303), port_rest_s=0.0)

    async def test_running_out_of_ports_is_told_and_undone(self, bench: Bench):
        one = bench.calls.create(bench.news.append)
        one.offer(Party.A, plain(9000), to=PLAIN)
        one.answer(Party.B, plain(9002))
        two = bench.calls.create(bench.news.append)
        with pytest.raises(Exhausted, match="ports"):
            two.offer(Party.A, plain(9004), to=PLAIN)
        one.close()
        assert two.offer(Party.A, plain(9004), to=PLAIN)


async def test_a_bundle_whose_first_m_line_is_refused_still_gets_its_transport(bench: Bench):
    """The browser's audio is refused, its video is not: the video leads the transport then."""
    av = Path("tests/golden/captured/chromium-offer-audio-video-trickle.sdp").read_bytes().decode()
    call = bench.calls.create(bench.news.append)
    call.offer(Party.A, av, to=PLAIN)
    answer = call.answer(
        Party.B,
        "v=0\r\no=- 7 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        "m=audio 0 RTP/AVP 0\r\nm=video 9002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n",
    )
    assert [media.port != 0 for media in describe(answer).medias] == [False, True]
    assert call.statistics()["legs"]["a"]["dtls"] == "connecting"


async def test_a_weak_fingerprint_is_named(bench: Bench):
    weak = re.sub(r"a=fingerprint:\S+ \S+", "a=fingerprint:sha-1 " + ":".join(["AB"] * 20), CHROMIUM)
    with pytest.raises(SdpError, match="sha-1"):
        bench.calls.create(bench.news.append).offer(Party.A, weak, to=PLAIN)


async def test_a_first_answer_that_refuses_everything_is_an_error(bench: Bench):
    """A PBX that has nothing but G.729, and a browser that has none: without an error somebody would sit in silence."""
    call = bench.calls.create(bench.news.append)
    offer = call.offer(Party.B, plain(9000, formats="18"), to=WEBRTC)
    nothing = browser_answer(offer, "inactive").replace("m=audio 9", "m=audio 0")
    with pytest.raises(SdpError, match="accepts no m-line"):
        call.answer(Party.A, nothing)
    assert call.pending is Party.B
    call.reject()
    assert bench.relay.statistics()["transports"] == 0


async def test_an_answer_that_demands_srtp_of_a_plain_offer_is_refused(bench: Bench):
    call = bench.calls.create(bench.news.append)
    call.offer(Party.A, CHROMIUM, to=PLAIN)
    with pytest.raises(SdpError, match="RTP/SAVP in answer to RTP/AVP"):
        call.answer(Party.B, plain(9000).replace("RTP/AVP", "RTP/SAVP"))
