"""Where a leg stands and how its peer is found: interfaces, families, announced and trusted addresses, latching."""

from __future__ import annotations

from pathlib import Path

import pytest

from boringsdp.call import CallSettings, DestinationPolicy, LegOptions, Party
from boringsdp.errors import Exhausted, SdpError
from boringsdp.relay import Latch, RelaySettings
from boringsdp.sdp import PLAIN, THEIR_TEXT, WEBRTC, LegStyle, Protocol, describe
from tests.call.conftest import Bench
from tests.call.phone import CHROMIUM, Phone, plain, port_of

INSIDE = LegOptions(interface="inside")
OUTSIDE = LegOptions(interface="outside")


@pytest.fixture
def relay_settings() -> RelaySettings:
    return RelaySettings(
        webrtc_hosts=("127.0.0.1", "127.0.0.2", "::1"),
        plain_hosts=("127.0.0.1", "127.0.0.2", "::1"),
        plain_ports=(40400, 40500),
        interfaces={"inside": ("127.0.0.2",), "outside": ("127.0.0.1", "::1"), "public": ("127.0.0.1", "::1")},
        interface_advertised={"public": {"127.0.0.1": "203.0.113.9", "::1": "2001:db8::9"}},
        port_rest_s=0.0,
    )


@pytest.fixture
def settings() -> CallSettings:
    return CallSettings(destinations=DestinationPolicy.of(deny=("0.0.0.0/8", "10.0.0.0/8")))


def host_of(sdp: str) -> str:
    return describe(sdp).medias[0].host


async def test_each_leg_has_its_interface_from_its_first_offer_on(bench: Bench):
    call = bench.calls.create(bench.news.append)
    offer = call.offer(Party.A, plain(9000), to=PLAIN, here=OUTSIDE, there=INSIDE)
    answer = call.answer(Party.B, plain(9002))
    assert (host_of(offer), host_of(answer)) == ("127.0.0.2", "127.0.0.1")
    again = call.offer(Party.A, plain(9000, version=2), to=PLAIN, here=INSIDE, there=OUTSIDE)
    assert (host_of(again), port_of(again)) == ("127.0.0.2", port_of(offer))
    assert (call.options(Party.A).interface, call.options(Party.B).interface) == ("outside", "inside")


async def test_a_browser_is_told_the_candidates_of_its_interface(bench: Bench):
    call = bench.calls.create(bench.news.append)
    offer = call.offer(Party.A, plain(9000), to=WEBRTC, there=INSIDE)
    assert [candidate.host for candidate in describe(offer).medias[0].candidates] == ["127.0.0.2"]


async def test_one_address_is_known_by_another_on_each_interface(bench: Bench):
    public = LegOptions(interface="public")
    call = bench.calls.create(bench.news.append)
    a, b = Phone(), Phone()
    offer = call.offer(Party.A, plain(a.port), to=PLAIN, here=OUTSIDE, there=public)
    answer = call.answer(Party.B, plain(b.port))
    assert (host_of(offer), host_of(answer)) == ("203.0.113.9", "127.0.0.1")
    b.send(port_of(offer))
    assert await a.receive()
    v6 = LegOptions(interface="public", family="IP6")
    assert "c=IN IP6 2001:db8::9" in bench.calls.create(bench.news.append).offer(Party.A, plain(9000), to=PLAIN, there=v6)
    for style in (WEBRTC, LegStyle(protocol=Protocol.AVP, ice=True)):
        call = bench.calls.create(bench.news.append)
        media = describe(call.offer(Party.A, plain(9000), to=style, passing=THEIR_TEXT, there=public)).medias[0]
        wanted = ["203.0.113.9", "2001:db8::9"] if style is WEBRTC else ["203.0.113.9"]
        assert list(dict.fromkeys(candidate.host for candidate in media.candidates)) == wanted


async def test_an_interface_without_the_peers_family_refuses_it_by_name(bench: Bench):
    call = bench.calls.create(bench.news.append)
    v6 = plain(9000).replace("IP4 127.0.0.1", "IP6 ::1")
    with pytest.raises(SdpError, match="is IPv6, ours is not"):
        call.offer(Party.A, v6, to=PLAIN, here=INSIDE)
    assert call.options(Party.A).interface == ""
    assert call.offer(Party.A, v6, to=PLAIN, here=OUTSIDE)


async def test_an_interface_that_there_is_not_has_no_addresses(bench: Bench):
    call = bench.calls.create(bench.news.append)
    with pytest.raises(Exhausted, match="addresses on interface nowhere"):
        call.offer(Party.A, plain(9000), to=PLAIN, there=LegOptions(interface="nowhere"))
    assert call.branches == ()


async def test_the_family_counts_until_the_peer_has_said_its_own(bench: Bench):
    call = bench.calls.create(bench.news.append)
    offer = call.offer(Party.A, plain(9000), to=PLAIN, there=LegOptions(family="IP6"))
    assert "c=IN IP6 ::1" in offer
    call.answer(Party.B, plain(9002).replace("IP4 127.0.0.1", "IP6 ::1"))
    assert "c=IN IP6 ::1" in call.offer(Party.A, plain(9000, version=2), to=PLAIN)


async def test_an_announced_address_is_written_in_place_of_ours(bench: Bench):
    call = bench.calls.create(bench.news.append)
    public = LegOptions(announce="203.0.113.7")
    for style in (PLAIN, WEBRTC, LegStyle(protocol=Protocol.AVP, ice=True)):
        media = describe(call.offer(Party.A, plain(9000), to=style, there=public, branch=style.protocol.value + str(style.ice))).medias[0]
        assert media.host == "203.0.113.7"
        assert {candidate.host for candidate in media.candidates} <= {"203.0.113.7"}
    answer = call.answer(Party.B, plain(9002), branch="RTP/AVPFalse", there=public)
    assert "127.0.0.1" not in answer


async def test_a_trusted_source_is_sent_to_instead_of_what_the_sdp_says(bench: Bench):
    call = bench.calls.create(bench.news.append)
    a, b = Phone(), Phone()
    private = plain(a.port).replace("127.0.0.1", "192.168.1.20")
    offer = call.offer(Party.A, private, to=PLAIN, here=LegOptions(source_address="127.0.0.1"))
    call.answer(Party.B, plain(b.port))
    b.send(port_of(offer))
    assert await a.receive()
    assert call.record()["legs"]["a"]["transports"]["0"]["rtcp_remote"] == ["127.0.0.1", a.port + 1]


async def test_a_trusted_source_is_trusted_in_a_shortened_re_offer_too(bench: Bench):
    """One without the rtpmap of a payload type that was explained before."""
    call = bench.calls.create(bench.news.append)
    private = plain(9000).replace("127.0.0.1", "192.168.1.20")
    short = "".join(line for line in private.splitlines(keepends=True) if not line.startswith("a=rtpmap:101"))
    assert short != private
    here = LegOptions(source_address="127.0.0.1")
    for offer in (private, short.replace(" 9000 ", " 9004 ")):
        call.offer(Party.A, offer, to=PLAIN, here=here)
        call.answer(Party.B, plain(9002))
    assert call.record()["legs"]["a"]["transports"]["0"]["remote"] == ["127.0.0.1", 9004]


async def test_a_trusted_source_is_not_trusted_beyond_the_policy(bench: Bench):
    call = bench.calls.create(bench.news.append)
    with pytest.raises(SdpError, match="not allowed"):
        call.offer(Party.A, plain(9000), to=PLAIN, here=LegOptions(source_address="10.1.2.3"))
    assert call.offer(Party.A, plain(9000).replace("127.0.0.1", "10.1.2.3"), to=PLAIN, here=LegOptions(source_address="127.0.0.1"))


async def test_a_data_channel_beside_audio_is_no_destination(bench: Bench):
    """It is not relayed; its bundle's a=rtcp says 0.0.0.0 in every browser, which the policy denies."""
    offer = Path("tests/golden/captured/chromium-offer-audio-video-data.sdp").read_bytes().decode()
    call = bench.calls.create(bench.news.append)
    told = describe(call.offer(Party.A, offer, to=PLAIN, passing=THEIR_TEXT))
    assert [(media.kind, media.port != 0) for media in told.medias] == [("audio", True), ("video", True), ("application", False)]


async def test_a_hold_without_address_is_none_with_a_trusted_source_either(bench: Bench):
    call = bench.calls.create(bench.news.append)
    held = plain(9000).replace("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0")
    call.offer(Party.A, held, to=PLAIN, here=LegOptions(source_address="127.0.0.1"))
    call.answer(Party.B, plain(9002, direction="inactive"))
    assert call.record()["legs"]["a"]["transports"]["0"]["remote"] is None


async def test_an_answer_of_ours_without_ice_is_held_to_the_policy(bench: Bench):
    """The offer's ICE would have proved that the peer wants the media; refused, its address is only a claim."""
    call = bench.calls.create(bench.news.append)
    claim = CHROMIUM.replace("c=IN IP4 0.0.0.0", "c=IN IP4 10.0.0.1").replace("m=audio 9 ", "m=audio 9999 ")
    call.offer(Party.A, claim, to=PLAIN, passing=THEIR_TEXT)
    with pytest.raises(SdpError, match="not allowed"):
        call.answer(Party.B, plain(9002), passing=THEIR_TEXT, style=LegStyle(refuse_ice=True))
    assert call.pending is Party.A
    assert call.answer(Party.B, plain(9002), passing=THEIR_TEXT)


@pytest.mark.parametrize(("latch", "moves"), [(Latch.STRICT, False), (Latch.ONCE, True), (Latch.FOLLOW, True), (Latch.ASYMMETRIC, False)])
async def test_how_a_peer_is_found_is_said_for_each_leg(bench: Bench, latch: Latch, moves: bool):
    call = bench.calls.create(bench.news.append)
    a, behind_nat, b = Phone(), Phone(), Phone()
    offer = call.offer(Party.A, plain(a.port), to=PLAIN, here=LegOptions(latch=latch))
    answer = call.answer(Party.B, plain(b.port))
    behind_nat.send(port_of(answer))
    if latch is not Latch.STRICT:
        assert await b.receive()
    b.send(port_of(offer))
    assert await (behind_nat if moves else a).receive()


async def test_latching_begins_anew_when_that_is_asked_for(bench: Bench):
    call = bench.calls.create(bench.news.append)
    a, moved, b = Phone(), Phone(), Phone()
    offer = call.offer(Party.A, plain(a.port), to=PLAIN)
    answer = call.answer(Party.B, plain(b.port))
    a.send(port_of(answer))
    assert await b.receive()
    for relatch, heard in ((False, False), (True, True)):
        call.offer(Party.A, plain(a.port), to=PLAIN, here=LegOptions(relatch=relatch))
        call.answer(Party.B, plain(b.port), there=LegOptions(label="caller"))
        moved.send(port_of(answer))
        assert await b.hears_nothing() is not heard
    b.send(port_of(offer))
    assert await moved.receive()
    assert call.options(Party.A).relatch is False


@pytest.mark.parametrize("latch", [Latch.DELAYED, Latch.STRICT, Latch.ASYMMETRIC])
async def test_a_leg_may_wait_for_its_peer_to_speak_first(bench: Bench, latch: Latch):
    a, b = Phone(), Phone()
    behind_nat = LegOptions(wait=True, latch=latch)
    call = bench.calls.create(bench.news.append)
    to_b = port_of(call.offer(Party.A, plain(a.port), to=PLAIN, here=behind_nat))
    to_a = port_of(call.answer(Party.B, plain(b.port)))
    for _ in range(3):
        b.send(to_b)
        b.press(to_b, 5)
        assert await a.hears_nothing()
    call.send_dtmf(Party.A, "1")
    assert await a.hears_nothing()
    a.send(to_a)
    await b.receive()
    assert await b.hears_nothing()  # and the news of it has come
    b.send(to_b)
    assert (await a.receive())[1] & 0x7F == 0
    a.close()
    b.close()


async def test_labels_and_metadata_are_kept_until_others_come(bench: Bench):
    call = bench.calls.create(bench.news.append)
    call.offer(Party.A, plain(9000), to=PLAIN, here=LegOptions(label="caller", metadata="x=1"), tag="from")
    call.answer(Party.B, plain(9002), here=LegOptions(label="callee"), tag="to")
    report = call.report()
    assert [(leg.label, leg.tag) for leg in report.legs] == [("caller", "from"), ("callee", "to")]
    assert call.options(Party.A).metadata == "x=1"


async def test_the_type_of_service_is_set_on_ports_that_are_open_already(bench: Bench):
    call = bench.calls.create(bench.news.append)
    call.offer(Party.A, plain(9000), to=PLAIN, there=LegOptions(tos=184))
    call.answer(Party.B, plain(9002), here=LegOptions(tos=72))
    assert call.options(Party.B).tos == 72
