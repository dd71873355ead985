"""Where packets come from and go to: address families, interfaces, addresses told in place of others, peers that move."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from boringsdp.call import Calls, CallSettings
from boringsdp.ng.front import NgFront
from boringsdp.ng.settings import NgSettings
from boringsdp.relay import RelaySettings, reports
from tests.call.phone import Phone, port_of
from tests.ng.conftest import Proxy, plain_sdp
from tests.support.engines import make_relay
from tests.support.ng_dialogue import Dialogue
from tests.support.ng_peer import KINDS, Kind, Peer

HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3", "::1")
OUTSIDE = "203.0.113.9"
INTERFACES = {"default": ("127.0.0.1", "::1"), "inner": ("127.0.0.2",), "outer": ("127.0.0.3",)}
SOME = [KINDS[name] for name in ("AVP", "SAVP", "DTLS-SAVPF", "WebRTC", "AVP+ICE")]


@pytest.fixture
async def front(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NgFront]:
    monkeypatch.setattr(reports, "FIRST", (0.2, 0.3))
    monkeypatch.setitem(reports.INTERVAL, "audio", 0.4)
    settings = RelaySettings(
        webrtc_hosts=HOSTS,
        plain_hosts=HOSTS,
        plain_ports=(46000, 46499),
        advertised={"127.0.0.3": OUTSIDE},
        plain_advertised={"127.0.0.3": OUTSIDE},
        interfaces=INTERFACES,
        port_rest_s=0.0,
    )
    relay = make_relay(settings)
    await relay.start()
    calls = Calls(relay, CallSettings())
    front = NgFront(calls, NgSettings(delete_delay_s=0.0, interfaces=INTERFACES))
    yield front
    calls.close()
    await front.close()
    await relay.close()


@pytest.fixture
def proxy(front: NgFront) -> Proxy:
    return Proxy(front)


async def joined(front: NgFront, a: Kind, b: Kind, hosts: tuple[str, str], **keys: Any) -> tuple[set[str], set[str]]:
    """Play a whole dialogue; return the addresses that A and B were sent to from. `outside`: who must go through a NAT to reach us."""
    outside = keys.pop("outside", ())
    peers = [await Peer.open(kind, host=host) for kind, host in zip((a, b), hosts, strict=True)]
    for peer, name in zip(peers, "ab", strict=True):
        peer.nat = {OUTSIDE: "127.0.0.3", "203.0.113.50": "127.0.0.1"} if name in outside else {}
    try:
        await Dialogue(front, f"{a.name} {b.name}", *peers, **keys).run()
    finally:
        for peer in peers:
            peer.close()
    return {host for host, _ in peers[0].sources}, {host for host, _ in peers[1].sources}


@pytest.mark.parametrize("a", SOME, ids=lambda kind: kind.name)
async def test_ipv6_on_both_sides(front: NgFront, a: Kind):
    """The family of who has none of its own yet is the sender's; a browser's c= says little, so there it is asked for."""
    keys = {"address-family": "IP6"} if a.ice else {}
    sources = await asyncio.gather(*(joined(front, a, b, ("::1", "::1"), keys=(keys, {})) for b in SOME))
    assert sources == [({"::1"}, {"::1"})] * len(SOME)


@pytest.mark.parametrize("a", SOME, ids=lambda kind: kind.name)
async def test_from_one_family_to_the_other(front: NgFront, a: Kind):
    to_six = ({"address-family": "IP6"}, {"address-family": "IP4"})
    sources = await asyncio.gather(*(joined(front, a, b, ("127.0.0.1", "::1"), keys=to_six) for b in SOME))
    assert sources == [({"127.0.0.1"}, {"::1"})] * len(SOME)
    to_four = ({"address-family": "IP4"}, {"address-family": "IP6"})
    sources = await asyncio.gather(*(joined(front, a, b, ("::1", "127.0.0.1"), keys=to_four) for b in SOME))
    assert sources == [({"::1"}, {"127.0.0.1"})] * len(SOME)


@pytest.mark.parametrize("a", SOME, ids=lambda kind: kind.name)
async def test_two_interfaces_of_which_one_is_behind_nat(front: NgFront, a: Kind):
    keys = ({"direction": ["inner", "outer"]}, {})
    sources = await asyncio.gather(*(joined(front, a, b, ("127.0.0.1", "127.0.0.1"), keys=keys, outside="b") for b in SOME))
    assert sources == [({"127.0.0.2"}, {"127.0.0.3"})] * len(SOME)


@pytest.mark.parametrize("a", SOME, ids=lambda kind: kind.name)
async def test_an_address_told_in_place_of_ours(front: NgFront, a: Kind):
    keys = ({"media-address": "203.0.113.50"}, {"media-address": "203.0.113.50"})
    sources = await asyncio.gather(*(joined(front, a, b, ("127.0.0.1", "127.0.0.1"), keys=keys, outside="ab") for b in SOME))
    assert sources == [({"127.0.0.1"}, {"127.0.0.1"})] * len(SOME)


# --- who hides behind a NAT --------------------------------------------------------------------------------------------------------------


def told(reply: dict[str, Any]) -> int:
    assert reply["result"] == "ok", reply
    return port_of(reply["sdp"])


@pytest.mark.parametrize("trusted", [True, False])
async def test_sip_source_address(proxy: Proxy, trusted: bool):
    """A names an address of its own network; SIP came from where it really is."""
    a, b = Phone(), Phone("127.0.0.4")
    keys = {"received_from": ["IP4", "127.0.0.1"], "flags": [] if trusted else ["SIP source address"]}
    to_b = told(proxy.offer("ta", sdp=plain_sdp(a.port, host="127.0.0.9"), **keys))
    told(proxy.answer("ta", "tb", sdp=plain_sdp(b.port, host="127.0.0.4")))
    b.socket.sendto(bytes((0x80, 0)) + bytes(10) + b"\xd5" * 160, ("127.0.0.1", to_b))
    if trusted:
        assert await a.hears_nothing()
    else:
        assert (await a.receive())[12:] == b"\xd5" * 160


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_tos(proxy: Proxy, host: str):
    """The octet that B hears is what the offer asked for; a re-offer without it, or with -1, keeps it, and 256 is the default."""
    a, b = Phone(host), Phone(host)
    six = ":" in host
    level, receive, kind = (
        (socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, socket.IPV6_TCLASS) if six else (socket.IPPROTO_IP, socket.IP_RECVTOS, socket.IP_TOS)
    )
    b.socket.setsockopt(level, receive, 1)

    def sdp(phone: Phone) -> str:
        return plain_sdp(phone.port, host=host).replace("IP4", "IP6") if six else plain_sdp(phone.port)

    async def heard() -> int:
        a.send(to_a)
        for _ in range(200):
            await asyncio.sleep(0.01)
            try:
                data, ancillary, _, _ = b.socket.recvmsg(2048, 64)
            except BlockingIOError:
                continue
            if not 192 <= data[1] <= 223:
                [octets] = [value for lev, typ, value in ancillary if (lev, typ) == (level, kind)]
                return octets[0]
        raise AssertionError("nothing came")

    told(proxy.offer("ta", sdp=sdp(a), TOS=184))
    to_a = told(proxy.answer("ta", "tb", sdp=sdp(b)))
    assert await heard() == 184
    for keys, expected in (({}, 184), ({"TOS": -1}, 184), ({"TOS": "32"}, 32), ({"TOS": 256}, 0)):
        told(proxy.offer("ta", "tb", sdp=sdp(a), **keys))
        told(proxy.answer("ta", "tb", sdp=sdp(b)))
        assert await heard() == expected


# --- peers that move ---------------------------------------------------------------------------------------------------------------------

MOVES = {
    # what the proxy says: whether A hears B's second place and then its third; where B hears A last: 0 is the place in its SDP
    "endpoint-learning off": ({"endpoint-learning": "off"}, (True, True), 0),
    "endpoint-learning off, strict source": ({"endpoint-learning": "off", "flags": ["strict source"]}, (False, False), 0),
    "endpoint-learning immediate": ({"endpoint-learning": "immediate"}, (True, False), 1),
    "endpoint-learning delayed, at first": ({"endpoint-learning": "delayed"}, (True, True), 2),
    "endpoint-learning heuristic, at first": ({"endpoint-learning": "heuristic"}, (True, True), 2),
    "media handover": ({"flags": ["media handover"]}, (True, True), 2),
    "strict source": ({"endpoint-learning": "immediate", "flags": ["strict source"]}, (True, False), 1),
}


def waiting(phone: Phone) -> list[bytes]:
    """What has come to a phone and was not read."""
    came = []
    with suppress(BlockingIOError):
        while True:
            came.append(phone.socket.recv(2048))
    return came


class Places:
    """A on one socket, B on three: the one in its SDP, and two that it speaks from."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.a = Phone()
        self.b = [Phone() for _ in range(3)]
        self.sent = 0
        """By B, wherever it was."""

    def join(self, again: bool = False, answer: dict[str, Any] | None = None, **keys: Any) -> None:
        tags = ("ta", "tb") if again else ("ta",)
        self.to_b = told(self.proxy.offer(*tags, sdp=plain_sdp(self.a.port), **keys))
        self.to_a = told(self.proxy.answer("ta", "tb", sdp=plain_sdp(self.b[0].port), **(answer or {})))

    async def is_heard(self, place: int) -> bool:
        """Whether A hears B from there; nothing of it is under way any more: it would count as a new place after a re-offer."""
        payload = bytes((place,)) * 160
        for _ in range(3):
            self.sent += 1
            head = bytes((0x80, 0)) + self.sent.to_bytes(2, "big") + (160 * self.sent).to_bytes(4, "big") + b"\0\0\0\7"
            self.b[place].socket.sendto(head + payload, ("127.0.0.1", self.to_b))
        heard = False
        try:
            while not heard:
                heard = (await asyncio.wait_for(self.a.receive(), 0.3))[12:] == payload
            while await asyncio.wait_for(self.a.receive(), 0.05):
                pass
        except TimeoutError:
            return heard
        return heard

    async def hears(self) -> list[int]:
        """Which of B's places hear A."""
        for _ in range(2):
            self.a.send(self.to_a)
        heard: set[int] = set()
        for _ in range(100):
            await asyncio.sleep(0.05)  # a moment more than it takes, for those who should not hear it
            heard |= {place for place, phone in enumerate(self.b) if any(not 192 <= data[1] <= 223 for data in waiting(phone))}
            if heard:
                break
        return sorted(heard)


@pytest.mark.parametrize(("keys", "heard", "last"), MOVES.values(), ids=MOVES)
async def test_a_peer_that_moves(proxy: Proxy, keys: dict[str, Any], heard: tuple[bool, bool], last: int):
    places = Places(proxy)
    places.join(**keys)
    assert await places.hears() == [0]
    assert (await places.is_heard(1), await places.is_heard(2)) == heard
    assert await places.hears() == [last]


async def test_asymmetric_counts_for_the_side_that_says_it(proxy: Proxy):
    places = Places(proxy)
    places.join(answer={"flags": ["asymmetric"]})
    assert await places.is_heard(1)
    assert await places.hears() == [0]


async def test_heuristic_prefers_who_is_where_it_said(proxy: Proxy):
    places = Places(proxy)
    places.join(**{"endpoint-learning": "heuristic"})
    assert await places.is_heard(0)
    assert not await places.is_heard(1)
    assert await places.hears() == [0]


@pytest.mark.parametrize("latching", [True, False])
async def test_port_latching_lets_a_peer_be_elsewhere_after_a_reoffer(proxy: Proxy, latching: bool):
    """B's own re-INVITE names the same place; without the flag who took it first keeps it."""
    places = Places(proxy)
    places.join(**{"endpoint-learning": "immediate"})
    assert await places.is_heard(1)
    places.join(again=True, answer={"flags": ["port latching"] if latching else []})
    assert await places.is_heard(2) is latching
    assert await places.hears() == [2 if latching else 1]


async def test_a_new_place_in_a_reoffer(proxy: Proxy):
    places = Places(proxy)
    places.join(**{"endpoint-learning": "immediate"})
    assert await places.is_heard(0)
    told(proxy.offer("tb", "ta", sdp=plain_sdp(places.b[2].port)))
    told(proxy.answer("tb", "ta", sdp=plain_sdp(places.a.port)))
    assert await places.hears() == [2]
    assert await places.is_heard(2)


@pytest.mark.parametrize("flags", [["media handover"], []], ids=["media handover", "first packets"])
async def test_who_has_no_key_moves_nothing(front: NgFront, flags: list[str]):
    """Under SDES only packets that verify say where a peer is."""
    a, b = await Peer.open(KINDS["AVP"]), await Peer.open(KINDS["SAVP"])
    dialogue = Dialogue(front, "c", a, b, keys=({"flags": flags}, {"flags": flags}))
    dialogue.exchange(a, b, ("ta", "tb"), first=True)
    stranger = Phone()
    assert b.components[0].remote is not None
    for _ in range(3):
        stranger.send(b.components[0].remote[1])
    await dialogue.talk(b"still")
    assert await stranger.hears_nothing()
    for peer in (a, b):
        peer.close()
