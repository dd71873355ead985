"""Messages that cross, overtake each other, get lost or come twice."""

from __future__ import annotations

import itertools

from boringsdp.sip.actions import AgainReceived, Cancelled, ReplyFailed, RequestReceived, ResponseReceived
from boringsdp.sip.build import response
from boringsdp.sip.message import Request
from tests.support.network import Datagram, Impairment
from tests.support.sip_network import ALICE, BOB, SipNetwork, SipPeer, make_request


def pair(net: SipNetwork) -> tuple[SipPeer, SipPeer]:
    return SipPeer(net, ALICE), SipPeer(net, BOB)


def test_cancel_crosses_the_200() -> None:
    net = SipNetwork(Impairment(delay_s=0.1), now=0.0)
    alice, bob = pair(net)
    number = alice.request(make_request("INVITE"), BOB)
    net.at(1.0, lambda: bob.reply(1, response(200)))
    net.at(1.05, lambda: alice.cancel(number))
    net.run(2.0)
    assert bob.heard_of(Cancelled) == []
    assert [sent.what for sent in net.sent][-3:] == ["200 INVITE", "CANCEL", "200 CANCEL"]
    assert alice.codes() == [100, 200]


def test_cancel_crosses_a_refusal() -> None:
    net = SipNetwork(Impairment(delay_s=0.1), now=0.0)
    alice, bob = pair(net)
    number = alice.request(make_request("INVITE"), BOB)
    net.at(1.0, lambda: bob.reply(1, response(486)))
    net.at(1.05, lambda: alice.cancel(number))
    net.run(50.0)
    assert alice.codes() == [100, 486]
    assert bob.heard_of(Cancelled) == bob.heard_of(ReplyFailed) == []
    assert (len(alice.transactions), len(bob.transactions)) == (0, 0)


def test_a_lost_cancel_is_sent_again() -> None:
    lost = itertools.count()
    net = SipNetwork(Impairment(loss=1.0, only=lambda datagram: b"CANCEL" in datagram.data[:15] and next(lost) < 2), now=0.0)
    alice, bob = pair(net)
    bob.on(Cancelled, lambda news: bob.reply(news.transaction, response(487)))
    number = alice.request(make_request("INVITE"), BOB)
    net.at(1.0, lambda: alice.cancel(number))
    net.run(10.0)
    assert net.times("CANCEL") == [1.0, 1.5, 2.5]
    assert len(bob.heard_of(Cancelled)) == 1
    assert alice.codes() == [100, 487]


def test_a_cancel_that_overtakes_its_invite_finds_nothing() -> None:
    net = SipNetwork(lambda datagram: 0.3 if datagram.data.startswith(b"INVITE") else 0.1, now=0.0)
    alice, bob = pair(net)
    number = alice.request(make_request("INVITE"), BOB)
    net.at(0.05, lambda: alice.cancel(number))
    net.at(50.0, lambda: bob.reply(bob.heard_of(RequestReceived)[0].transaction, response(200)))
    net.run(60.0)
    assert len(net.times("481 CANCEL")) == 1
    assert bob.heard_of(Cancelled) == []
    finals = [(at, told.response.code, told.response.local) for at, told in alice.heard if isinstance(told, ResponseReceived)]
    assert finals[-1] == (32.05, 487, True)
    assert [told.transaction for told in alice.heard_of(AgainReceived)] == [None], "the 2xx after all: somebody has to end that call"


def test_everything_comes_twice() -> None:
    net = SipNetwork(lambda datagram: (0.1, 0.11), now=0.0)
    alice, bob = pair(net)
    bob.on(RequestReceived, lambda news: news.transaction and bob.reply(news.transaction, response(486)))
    alice.request(make_request("INVITE"), BOB)
    alice.request(make_request("OPTIONS"), BOB)
    net.run(100.0)
    assert len(bob.heard_of(RequestReceived)) == 2
    assert alice.codes() == [486, 486]
    assert alice.heard_of(AgainReceived) == bob.heard_of(ReplyFailed) == []


def test_a_doubled_2xx_and_its_doubled_ack_are_the_user_agents() -> None:
    net = SipNetwork(lambda datagram: (0.1, 0.11), now=0.0)
    alice, bob = pair(net)
    bob.on(RequestReceived, lambda news: news.transaction and bob.reply(news.transaction, response(200)))
    alice.on(ResponseReceived, lambda news: alice.ack(make_request("ACK"), BOB))
    alice.on(AgainReceived, lambda news: alice.ack(make_request("ACK"), BOB))
    alice.request(make_request("INVITE"), BOB)
    net.run(100.0)
    assert (len(alice.heard_of(ResponseReceived)), len(alice.heard_of(AgainReceived))) == (1, 1)
    assert [told.transaction for told in bob.heard_of(RequestReceived)] == [1, None, None, None, None]


def test_an_invite_that_lags_behind_its_own_ack() -> None:
    """A copy of an INVITE that comes when all is over but timer I is no new call."""
    delays = iter((0.1, 4.0))

    def fate(datagram: Datagram) -> float | tuple[float, ...]:
        return (next(delays), next(delays)) if datagram.data.startswith(b"INVITE") else 0.1

    net = SipNetwork(fate, now=0.0)
    alice, bob = pair(net)
    bob.on(RequestReceived, lambda news: bob.reply(news.transaction, response(486)))
    alice.request(make_request("INVITE"), BOB)
    net.run(50.0)
    assert len(bob.heard_of(RequestReceived)) == 1
    assert net.times("486 INVITE") == [0.1]


def test_two_forks_answer() -> None:
    """A proxy in between forwards the 2xx of both: RFC 6026 §7.2."""
    net = SipNetwork(now=0.0)
    alice, bob = pair(net)
    bob.on(RequestReceived, lambda news: bob.reply(news.transaction, response(200)))
    number = alice.request(make_request("INVITE"), BOB)
    net.run(1.0)
    bob.reply(1, response(200, headers=[("To", "<sip:bob@192.0.2.2>;tag=other")]))
    net.run(1.0)
    first, second = alice.heard_of(ResponseReceived), alice.heard_of(AgainReceived)
    assert [told.transaction for told in (*first, *second)] == [number, number]
    assert "tag=other" in (second[0].response.headers.get("To") or "")
    assert isinstance(net.sent[0].message, Request)
