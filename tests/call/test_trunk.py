"""Calls on the one port towards trunks: who is put there, whom it hears, and what is said when it cannot."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from boringsdp.call import Call, CallSettings, LegOptions, Party
from boringsdp.errors import SdpError
from boringsdp.relay import Latch, RelaySettings
from boringsdp.sdp import PLAIN, SDES_MANDATORY, THEIR_TEXT, WEBRTC, LegStyle, Protocol, describe
from tests.call.conftest import Bench
from tests.call.phone import CHROMIUM, Phone, plain, port_of
from tests.support.trunk import free_pair

CARRIER, ELSEWHERE = "127.0.0.1", "127.0.0.2"
MUX = "a=rtcp-mux\r\n"


@pytest.fixture
def trunk_port() -> int:
    return free_pair()


@pytest.fixture
def everywhere() -> bool:
    return True


@pytest.fixture
def relay_settings(trunk_port: int, everywhere: bool) -> RelaySettings:
    return RelaySettings(
        plain_hosts=("127.0.0.1", "::1"), plain_ports=(42000, 42200), port_rest_s=0.0, trunk_port=trunk_port,
        trunks=(f"{CARRIER}/32", "::1/128"), trunk_interfaces=frozenset("*" if everywhere else ""),
    )  # fmt: skip


@pytest.fixture
def settings() -> CallSettings:
    return CallSettings(max_calls=8, answer_timeout_s=60.0)


@pytest.fixture
def phones() -> Iterator[list[Phone]]:
    made = [Phone() for _ in range(4)]
    yield made
    for phone in made:
        phone.close()


def sdp(port: int, host: str = CARRIER, **fields: object) -> str:
    text = plain(port, **fields)  # type: ignore[arg-type]
    return text.replace("IN IP4 127.0.0.1", f"IN IP{'6' if ':' in host else '4'} {host}")


def called(bench: Bench, a: Phone, style: LegStyle = PLAIN) -> tuple[Call, str]:
    """A call whose party A has offered, and what party B was offered."""
    call = bench.calls.create(bench.news.append)
    return call, call.offer(Party.A, plain(a.port), to=style)


async def hears(sender: Phone, port: int, receiver: Phone, payload: bytes) -> None:
    sender.send(port, payload=payload)
    assert (await receiver.receive())[12:] == payload


async def test_calls_share_the_port(bench: Bench, phones: list[Phone], trunk_port: int):
    calls = []
    for a, b in (phones[:2], phones[2:]):
        call, offer = called(bench, a)
        answer = call.answer(Party.B, plain(b.port))
        calls.append((call, a, b))
        assert (port_of(offer), port_of(answer)) == (trunk_port, trunk_port)
    assert bench.relay.statistics()["trunk_addresses"] == 4
    assert bench.relay.statistics()["ports_used"] == 0
    for number, (_, a, b) in enumerate(calls):
        await hears(a, trunk_port, b, b"from a" * 20 + bytes((number,)))
        await hears(b, trunk_port, a, b"from b" * 20 + bytes((number,)))
    for call, _, _ in calls:
        call.close()
    assert bench.relay.statistics()["trunk_addresses"] == 0


@pytest.mark.parametrize("everywhere", [False])
async def test_whose_address_is_not_known_has_own_ports(bench: Bench, phones: list[Phone], trunk_port: int):
    """The trunk called us: our answer names its port. The other side may be anybody."""
    call, offer = called(bench, phones[0])
    answer = call.answer(Party.B, plain(phones[1].port))
    assert (port_of(answer), port_of(offer) != trunk_port) == (trunk_port, True)
    await hears(phones[0], trunk_port, phones[1], b"in" * 80)
    await hears(phones[1], port_of(offer), phones[0], b"out" * 50)


async def test_ipv6(bench: Bench, trunk_port: int):
    a, b = Phone("::1"), Phone("::1")
    call = bench.calls.create(bench.news.append)
    offer = call.offer(Party.A, sdp(a.port, "::1"), to=PLAIN, there=LegOptions(family="IP6"))
    answer = call.answer(Party.B, sdp(b.port, "::1"))
    assert (port_of(offer), port_of(answer)) == (trunk_port, trunk_port)
    await hears(a, trunk_port, b, b"six" * 50)
    await hears(b, trunk_port, a, b"6" * 160)


@pytest.mark.parametrize("everywhere", [False])
@pytest.mark.parametrize("style", [SDES_MANDATORY, LegStyle(protocol=Protocol.DTLS_SAVPF, dtls=True)], ids=["SDES", "DTLS"])
async def test_keys(bench: Bench, phones: list[Phone], trunk_port: int, style: LegStyle):
    """Two calls and the wire between them: one end of it is on the trunk's port."""
    a, b = phones[:2]
    one, two = (bench.calls.create(bench.news.append) for _ in range(2))
    between = one.offer(Party.A, plain(a.port), to=style)
    to_b = two.offer(Party.A, between, to=PLAIN)
    to_a = one.answer(Party.B, two.answer(Party.B, plain(b.port)))
    assert describe(two.record()["legs"]["a"]["memory"]["sent"]).medias[0].port == trunk_port
    for sender, port, receiver in ((a, port_of(to_a), b), (b, port_of(to_b), a)):
        for _ in range(50):
            sender.send(port, payload=b"secret" * 20)
            try:
                assert (await asyncio.wait_for(receiver.receive(), 0.1))[12:] == b"secret" * 20
            except TimeoutError:
                continue
            break
        else:
            raise AssertionError("nothing came through")


async def test_an_answer_from_elsewhere_is_refused(bench: Bench, phones: list[Phone], trunk_port: int):
    a, b = phones[:2]
    call, _ = called(bench, a)
    with pytest.raises(SdpError, match=r"127\.0\.0\.2 port 4000\) is not in rtp\.trunks"):
        call.answer(Party.B, sdp(4000, ELSEWHERE))
    answer = call.answer(Party.B, plain(b.port))  # nothing has changed
    await hears(a, port_of(answer), b, b"after all" * 10)


async def test_an_answer_with_an_address_in_use_is_refused(bench: Bench, phones: list[Phone], trunk_port: int):
    first, second = called(bench, phones[0])[0], called(bench, phones[1])[0]
    first.answer(Party.B, plain(phones[2].port))
    with pytest.raises(SdpError, match="is in use by another call"):
        second.answer(Party.B, plain(phones[2].port))
    first.close()
    second.answer(Party.B, plain(phones[2].port))
    await hears(phones[1], trunk_port, phones[2], b"the second" * 10)


async def test_an_offer_with_an_address_in_use_has_own_ports(bench: Bench, phones: list[Phone], trunk_port: int):
    """A test tool that sends every call from one port is served as ever: by our port it is told which call it is."""
    first, second = called(bench, phones[0])[0], called(bench, phones[0])[0]
    assert port_of(first.answer(Party.B, plain(phones[2].port))) == trunk_port
    told = port_of(second.answer(Party.B, plain(phones[3].port)))
    assert told != trunk_port
    await hears(phones[0], trunk_port, phones[2], b"one" * 50)
    await hears(phones[0], told, phones[3], b"two" * 50)


async def test_two_lines_with_one_address(bench: Bench, phones: list[Phone], trunk_port: int):
    video = f"m=video {phones[0].port} RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"
    call = bench.calls.create(bench.news.append)
    call.offer(Party.A, plain(phones[0].port) + video, to=PLAIN)
    twice = plain(phones[1].port) + video.replace(str(phones[0].port), str(phones[1].port))
    with pytest.raises(SdpError, match="is that of another m-line"):
        call.answer(Party.B, twice)
    answer = describe(call.answer(Party.B, plain(phones[1].port) + video.replace(str(phones[0].port), str(phones[2].port))))
    assert answer.medias[0].port == trunk_port
    assert answer.medias[1].port != trunk_port


async def test_a_reoffer_may_move_the_peer(bench: Bench, phones: list[Phone], trunk_port: int):
    a, b, moved, other = phones
    call, _ = called(bench, a)
    call.answer(Party.B, plain(b.port))
    call.offer(Party.A, plain(moved.port, version=2), to=PLAIN)
    assert port_of(call.answer(Party.B, plain(b.port))) == trunk_port
    await hears(moved, trunk_port, b, b"moved" * 30)
    a.send(trunk_port)
    assert await b.hears_nothing()
    again, _ = called(bench, a)  # its address is free
    assert port_of(again.answer(Party.B, plain(other.port))) == trunk_port


async def test_a_reoffer_to_elsewhere_has_own_ports(bench: Bench, phones: list[Phone], trunk_port: int):
    a, b = phones[:2]
    away = Phone(ELSEWHERE)
    call, _ = called(bench, a)
    call.answer(Party.B, plain(b.port))
    call.offer(Party.A, sdp(away.port, ELSEWHERE, version=2), to=PLAIN)
    answer = call.answer(Party.B, plain(b.port))
    assert port_of(answer) != trunk_port
    await hears(b, trunk_port, away, b"there" * 30)
    assert bench.relay.statistics()["trunk_addresses"] == 1


async def test_a_reoffer_of_ours_keeps_the_port(bench: Bench, phones: list[Phone], trunk_port: int):
    a, b, moved, taken = phones
    call, _ = called(bench, a)
    call.answer(Party.B, plain(b.port))
    other, _ = called(bench, taken)
    assert port_of(call.offer(Party.A, plain(a.port, version=2), to=PLAIN)) == trunk_port
    other.answer(Party.B, plain(moved.port))
    with pytest.raises(SdpError, match="in use"):
        call.answer(Party.B, plain(moved.port, version=2))
    call.reject()
    await hears(b, trunk_port, a, b"as before" * 10)


async def test_a_call_that_is_over_gives_way(bench: Bench, phones: list[Phone], trunk_port: int):
    a, b, c, _ = phones
    over, _ = called(bench, a)
    over.answer(Party.B, plain(b.port))
    over.retire()
    await hears(a, trunk_port, b, b"still on" * 10)
    call, _ = called(bench, c)
    call.answer(Party.B, plain(b.port))
    await hears(b, trunk_port, c, b"the new one" * 10)
    assert await a.hears_nothing()
    with pytest.raises(SdpError, match="in use"):
        over.answer(Party.B, plain(b.port))
    over.close()
    await hears(c, trunk_port, b, b"and on" * 10)


async def test_a_call_that_goes_on_after_all_keeps_its_address(bench: Bench, phones: list[Phone]):
    a, b, c, _ = phones
    call, _ = called(bench, a)
    call.answer(Party.B, plain(b.port))
    call.retire()
    call.offer(Party.A, plain(a.port, version=2), to=PLAIN)
    call.answer(Party.B, plain(b.port, version=2))
    other, _ = called(bench, c)
    with pytest.raises(SdpError, match="in use"):
        other.answer(Party.B, plain(b.port))


async def test_mux_and_rtcp(bench: Bench, phones: list[Phone], trunk_port: int):
    a, b = phones[:2]
    call = bench.calls.create(bench.news.append)
    call.offer(Party.A, plain(a.port, extra=MUX), to=PLAIN)
    answer = describe(call.answer(Party.B, plain(b.port))).medias[0]
    assert answer.rtcp_mux
    await hears(a, trunk_port, b, b"muxed" * 30)
    figures = [leg.medias[0].ports for leg in call.report().legs]
    assert [len(ports) for ports in figures] == [1, 2]
    assert figures[1][1].local == ("127.0.0.1", trunk_port + 1)


async def test_who_asks_for_what_a_shared_port_cannot_do_has_own_ports(bench: Bench, phones: list[Phone], trunk_port: int):
    call = bench.calls.create(bench.news.append)
    asymmetric = LegOptions(latch=Latch.ASYMMETRIC)
    assert port_of(call.offer(Party.A, plain(phones[0].port), to=PLAIN, there=asymmetric)) != trunk_port
    webrtc = bench.calls.create(bench.news.append)
    assert port_of(webrtc.offer(Party.A, CHROMIUM, to=LegStyle(protocol=Protocol.AVP, ice=True), passing=THEIR_TEXT)) != trunk_port
    assert port_of(webrtc.offer(Party.A, CHROMIUM, to=WEBRTC)) != trunk_port


async def test_forked_answers_follow_each_other(bench: Bench, phones: list[Phone], trunk_port: int):
    a, b, c, _ = phones
    call, _ = called(bench, a)
    call.answer(Party.B, plain(b.port), tag="one")
    call.answer(Party.B, plain(c.port), tag="two")
    await hears(a, trunk_port, c, b"latest" * 20)
    call.offer(Party.A, plain(a.port), to=PLAIN, branch="other")
    call.answer(Party.B, plain(b.port), branch="other")
    await hears(b, trunk_port, a, b"the other" * 10)
