"""Legs on ports of their own, with each mix of ICE, DTLS, SDES and rtcp-mux: one gateway call joined to the next by its wire."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from boringsdp.call import Call, CallSettings, LegConnected, Party
from boringsdp.errors import SdpError
from boringsdp.relay import RelaySettings
from boringsdp.sdp import PLAIN, PLAIN_FEEDBACK, SDES_MANDATORY, SDES_OPTIONAL, THEIR_TEXT, WEBRTC, LegStyle, Protocol, Sdes, describe
from tests.call.conftest import Bench
from tests.call.phone import CHROMIUM, Phone, fax, plain, port_of
from tests.support.media_peer import ice_check

DTLS = LegStyle(protocol=Protocol.DTLS_SAVPF, dtls=True)
STYLES = {
    "AVPF": PLAIN_FEEDBACK,
    "SDES": SDES_MANDATORY,
    "SDES, optional": SDES_OPTIONAL,
    "DTLS": DTLS,
    "DTLS, mux": LegStyle(protocol=Protocol.DTLS_SAVPF, dtls=True, rtcp_mux=True),
    "DTLS or SDES": LegStyle(protocol=Protocol.SAVPF, dtls=True, sdes=Sdes.MANDATORY),
    "ICE": LegStyle(protocol=Protocol.AVP, ice=True),
    "ICE, SDES": LegStyle(protocol=Protocol.SAVP, ice=True, sdes=Sdes.MANDATORY),
    "ICE, DTLS": LegStyle(protocol=Protocol.DTLS_SAVPF, ice=True, dtls=True),
    "OSRTP, SDES": LegStyle(protocol=Protocol.AVP, sdes=Sdes.OPTIONAL, osrtp=True),
    "OSRTP, DTLS": LegStyle(protocol=Protocol.AVP, dtls=True, osrtp=True),
    "mux only": LegStyle(protocol=Protocol.AVP, rtcp_mux=True, rtcp_mux_only=True),
    "ICE, mux": LegStyle(protocol=Protocol.AVP, ice=True, rtcp_mux=True),
    "ICE, optional": LegStyle(protocol=Protocol.AVP, ice=True, ice_optional=True),
}


@pytest.fixture
def relay_settings() -> RelaySettings:
    return RelaySettings(plain_ports=(41000, 41200), port_rest_s=0.0)


@pytest.fixture
def settings() -> CallSettings:
    return CallSettings(max_calls=8, answer_timeout_s=60.0)


def chain(bench: Bench, a: Phone, b: Phone, style: LegStyle) -> tuple[Call, Call, str, str]:
    """Phone a, a call, the wire in `style`, another call, phone b: the calls, and what a and b were told."""
    one, two = (bench.calls.create(bench.news.append) for _ in range(2))
    between = one.offer(Party.A, plain(a.port), to=style, passing=THEIR_TEXT)
    to_b = two.offer(Party.A, between, to=PLAIN, passing=THEIR_TEXT)
    back = two.answer(Party.B, plain(b.port), passing=THEIR_TEXT)
    return one, two, one.answer(Party.B, back, passing=THEIR_TEXT), to_b


async def hears(sender: Phone, port: int, receiver: Phone, payload: bytes) -> bool:
    """Whether media gets through before long; a handshake may be under way."""
    for _ in range(40):
        sender.send(port, 0, payload)
        try:
            if (await asyncio.wait_for(receiver.receive(), 0.1))[12:] == payload:
                return True
        except TimeoutError:
            continue
    return False


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
async def test_media_passes_over_every_kind_of_wire(bench: Bench, style: LegStyle):
    a, b = Phone(), Phone()
    one, two, to_a, to_b = chain(bench, a, b, style)
    assert await hears(a, port_of(to_a), b, b"from a" * 20)
    assert await hears(b, port_of(to_b), a, b"from b" * 20)
    for call in (one, two):
        call.close()
    assert bench.relay.statistics()["ports_used"] == 0


async def test_dtls_without_ice_is_told_when_it_is_up(bench: Bench):
    a, b = Phone(), Phone()
    _one, _two, to_a, _to_b = chain(bench, a, b, DTLS)
    assert await hears(a, port_of(to_a), b, b"from a" * 20)
    assert {event.party for event in bench.news if isinstance(event, LegConnected)} == {Party.A, Party.B}


async def test_a_reoffer_keeps_port_and_association(bench: Bench):
    a, b = Phone(), Phone()
    one, two, to_a, _ = chain(bench, a, b, DTLS)
    assert await hears(a, port_of(to_a), b, b"before" * 20)
    first = one.record()["branches"][""]["leg"]["memory"]["sent"]
    between = one.offer(Party.A, plain(a.port, version=2), to=DTLS, passing=THEIR_TEXT)
    two.offer(Party.A, between, to=PLAIN, passing=THEIR_TEXT)
    again = one.answer(Party.B, two.answer(Party.B, plain(b.port, version=2), passing=THEIR_TEXT), passing=THEIR_TEXT)
    assert (port_of(between), port_of(again)) == (port_of(first), port_of(to_a))
    assert await hears(a, port_of(again), b, b"after" * 20)
    assert len([event for event in bench.news if isinstance(event, LegConnected)]) == 2


async def test_a_peer_with_ice_is_found_by_its_checks(bench: Bench):
    """Only an authenticated check on our own port says where the peer is; its SDP has told a lie."""
    call = bench.calls.create(bench.news.append)
    a, b = Phone(), Phone()
    offer = call.offer(Party.A, plain(a.port), to=STYLES["ICE"], passing=THEIR_TEXT)
    media = describe(offer).medias[0]
    ice = "a=ice-ufrag:peer\r\na=ice-pwd:" + "p" * 24 + "\r\n"
    answer = call.answer(Party.B, plain(9, extra=ice), passing=THEIR_TEXT)
    assert {candidate.component for candidate in media.candidates} == {1, 2}
    a.send(port_of(answer))
    assert await b.hears_nothing()
    b.socket.sendto(ice_check(media.ufrag, media.password, use_candidate=True), ("127.0.0.1", media.port))
    await asyncio.sleep(0.05)
    b.socket.recv(2048)  # the response to the check
    a.send(port_of(answer), payload=b"found" * 32)
    assert (await b.receive())[12:] == b"found" * 32


async def test_a_peer_that_answers_without_ice_is_met_where_it_says(bench: Bench):
    call = bench.calls.create(bench.news.append)
    a, b = Phone(), Phone()
    offer = call.offer(Party.A, plain(a.port), to=STYLES["ICE"], passing=THEIR_TEXT)
    answer = call.answer(Party.B, plain(b.port), passing=THEIR_TEXT)
    a.send(port_of(answer))
    assert await b.receive()
    b.send(port_of(offer))
    assert await a.receive()


async def test_a_reinvite_to_fax_and_back(bench: Bench):
    call = bench.calls.create(bench.news.append)
    a, b = Phone(), Phone()
    call.offer(Party.A, plain(a.port), to=PLAIN, passing=THEIR_TEXT)
    call.answer(Party.B, plain(b.port), passing=THEIR_TEXT)
    offer = call.offer(Party.B, fax(b.port), to=PLAIN, passing=THEIR_TEXT)
    assert "a=T38FaxUdpEC:t38UDPRedundancy" in offer
    answer = call.answer(Party.A, fax(a.port), passing=THEIR_TEXT)
    a.socket.sendto(b"udptl from a", ("127.0.0.1", port_of(offer)))
    b.socket.sendto(b"udptl from b", ("127.0.0.1", port_of(answer)))
    await asyncio.sleep(0.05)
    assert (b.socket.recv(2048), a.socket.recv(2048)) == (b"udptl from a", b"udptl from b")
    assert "raw" in call.report().legs[0].medias[0].flags
    assert call.report().legs[0].medias[0].ports[0].received.packets == 1
    audio = call.offer(Party.A, plain(a.port, version=3), to=PLAIN, passing=THEIR_TEXT)
    back = call.answer(Party.B, plain(b.port, version=3), passing=THEIR_TEXT)
    a.send(port_of(back))
    assert await b.receive()
    b.send(port_of(audio))
    assert await a.receive()
    assert bench.relay.statistics()["ports_used"] == 2


async def test_a_refused_fax_leaves_the_talk_as_it_was(bench: Bench):
    call = bench.calls.create(bench.news.append)
    a, b = Phone(), Phone()
    offer = call.offer(Party.A, plain(a.port), to=PLAIN, passing=THEIR_TEXT)
    answer = call.answer(Party.B, plain(b.port), passing=THEIR_TEXT)
    call.offer(Party.B, fax(b.port), to=PLAIN, passing=THEIR_TEXT)
    a.send(port_of(answer))
    assert await b.receive()
    call.reject()
    b.send(port_of(offer))
    assert await a.receive()
    assert bench.relay.statistics()["ports_used"] == 2


async def test_a_browser_and_dtls_on_own_ports_are_different_transports(bench: Bench):
    call = bench.calls.create(bench.news.append)
    offer = call.offer(Party.A, CHROMIUM, to=DTLS, passing=THEIR_TEXT, branch="phone")
    also = call.offer(Party.A, CHROMIUM, to=WEBRTC, passing=THEIR_TEXT, branch="browser")
    assert describe(offer).medias[0].port != describe(also).medias[0].port
    assert 41000 <= describe(offer).medias[0].port <= 41200


class TestPolicy:
    @pytest.fixture
    def settings(self) -> CallSettings:
        from boringsdp.call import DestinationPolicy

        return CallSettings(destinations=DestinationPolicy.of(deny=("10.0.0.0/8",)))

    async def test_an_ice_lite_peer_is_sent_to_without_checks_so_the_policy_counts(self, bench: Bench):
        call = bench.calls.create(bench.news.append)
        call.offer(Party.A, plain(9000), to=STYLES["ICE"], passing=THEIR_TEXT)
        ice = "a=ice-lite\r\na=ice-ufrag:peer\r\na=ice-pwd:" + "p" * 24 + "\r\n"
        lite = plain(9002).replace("127.0.0.1", "10.0.0.1").replace("t=0 0\r\n", "t=0 0\r\n" + ice)
        with pytest.raises(SdpError, match="not allowed"):
            call.answer(Party.B, lite, passing=THEIR_TEXT)

    async def test_fax_is_sent_only_where_it_may_go(self, bench: Bench):
        call = bench.calls.create(bench.news.append)
        with pytest.raises(SdpError, match="not allowed"):
            call.offer(Party.A, fax(9000).replace("127.0.0.1", "10.0.0.1"), to=PLAIN, passing=THEIR_TEXT)


async def test_a_bundled_leg_that_becomes_plain_has_ports_for_each_m_line(bench: Bench):
    """A browser answered, and then the same offer goes to a telephone."""
    call = bench.calls.create(bench.news.append)
    offer = plain(9000) + "m=video 9100 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"
    browser = Path("tests/golden/captured/chromium-answer-audio-video.sdp").read_bytes().decode()
    call.offer(Party.A, offer, to=WEBRTC, passing=THEIR_TEXT)
    call.answer(Party.B, browser, passing=THEIR_TEXT, tag="browser")
    audio, video = describe(call.offer(Party.A, offer, to=PLAIN, passing=THEIR_TEXT)).medias
    assert audio.port != video.port
    assert (audio.rtcp_mux, video.rtcp_mux) == (False, False)
    call.answer(Party.B, plain(9002) + offer[offer.index("m=video") :].replace("9100", "9102"), passing=THEIR_TEXT, tag="phone")
    transports = call.record()["branches"][call.branches[0]]["leg"]["transports"]
    assert [each["remote"][1] for each in transports.values()] == [9002, 9102]
