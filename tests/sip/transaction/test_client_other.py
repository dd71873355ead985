"""Requests of ours but INVITE: timers E, F and K (RFC 3261 §17.1.2)."""

from __future__ import annotations

from boringsdp.sip.actions import RequestReceived
from boringsdp.sip.build import response
from boringsdp.sip.flow import Protocol
from boringsdp.sip.timers import TimerSettings
from tests.support.network import Impairment
from tests.support.sip_network import ALICE, BOB, SipNetwork, SipPeer, make_request

NOWHERE = ("192.0.2.99", 5060)


def test_timers_e_and_f() -> None:
    net = SipNetwork(now=0.0)
    alice = SipPeer(net, ALICE)
    alice.request(make_request("OPTIONS"), NOWHERE)
    net.run(100)
    assert net.times("OPTIONS") == [0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    [(at, told)] = alice.heard
    assert (at, told.response.code, told.response.local) == (32.0, 408, True)
    assert "no answer from 192.0.2.99:5060" in (told.response.headers.get("Warning") or "")
    assert (len(alice.transactions), alice.deadline()) == (0, None)


def test_timer_f_alone_where_the_transport_is_reliable() -> None:
    net = SipNetwork(now=0.0)
    alice = SipPeer(net, ALICE, protocol=Protocol.TCP)
    alice.request(make_request("OPTIONS"), NOWHERE)
    net.run(100)
    assert net.times("OPTIONS") == [0.0]
    assert [(at, told.response.code) for at, told in alice.heard] == [(32.0, 408)]


def test_timer_e_is_t2_once_a_provisional_response_has_come() -> None:
    net = SipNetwork(Impairment(loss=1.0, only=lambda datagram: b"SIP/2.0 200" in datagram.data[:12]), now=0.0)
    alice, bob = SipPeer(net, ALICE), SipPeer(net, BOB, timers=TimerSettings(t1=0.1, t2=0.4))  # whose 100 comes after 0.3 s
    alice.request(make_request("OPTIONS"), BOB)
    net.run(100)
    assert bob.heard_of(RequestReceived)
    assert net.times("OPTIONS") == [0.0, 0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5]
    assert (alice.codes()[0], alice.codes()[-1], set(alice.codes())) == (100, 408, {100, 408})


def test_timer_k_absorbs_what_comes_doubled() -> None:
    net = SipNetwork(lambda datagram: (0.0, 1.0, 4.9) if b"SIP/2.0" in datagram.data[:8] else 0.0, now=0.0)
    alice, bob = SipPeer(net, ALICE), SipPeer(net, BOB)
    bob.on(RequestReceived, lambda news: bob.reply(news.transaction, response(200)))
    alice.request(make_request("OPTIONS"), BOB)
    net.run(4.95)
    assert (alice.codes(), len(alice.transactions)) == ([200], 1)
    net.run(0.05)
    assert len(alice.transactions) == 0


def test_timer_k_is_zero_where_the_transport_is_reliable() -> None:
    net = SipNetwork(now=0.0)
    alice, bob = SipPeer(net, ALICE, protocol=Protocol.TCP), SipPeer(net, BOB)
    bob.on(RequestReceived, lambda news: bob.reply(news.transaction, response(200)))
    alice.request(make_request("OPTIONS"), BOB)
    net.run(0)
    assert (alice.codes(), len(alice.transactions), len(bob.transactions)) == ([200], 0, 0)


def test_what_cannot_be_sent_ends_with_503() -> None:
    net = SipNetwork(now=0.0)
    alice = SipPeer(net, ALICE)
    number = alice.request(make_request("OPTIONS"), NOWHERE)
    alice.fail(number)
    net.run(40)
    assert net.times("OPTIONS") == [0.0]
    assert [(told.response.code, told.response.local) for _, told in alice.heard] == [(503, True)]


def test_a_forgotten_request_goes_on_in_silence() -> None:
    net = SipNetwork(now=0.0)
    alice = SipPeer(net, ALICE)
    alice.transactions.forget(alice.request(make_request("OPTIONS"), NOWHERE))
    net.run(100)
    assert len(net.times("OPTIONS")) == 11
    assert (alice.heard, len(alice.transactions)) == ([], 0)
