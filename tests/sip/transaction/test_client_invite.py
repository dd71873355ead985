"""INVITE of ours: timers A, B, C, D and M, ACK, CANCEL (RFC 3261 §17.1.1, RFC 6026 §7.2)."""

from __future__ import annotations

import itertools

import pytest

from boringsdp.sip.actions import AgainReceived, RequestReceived, ResponseReceived
from boringsdp.sip.build import response
from boringsdp.sip.flow import Protocol, Target
from boringsdp.sip.headers import to, via
from boringsdp.sip.message import Message, Request
from boringsdp.sip.timers import TimerSettings
from boringsdp.sip.transaction import Transactions
from tests.support.network import Impairment
from tests.support.sip_network import ALICE, BOB, SipNetwork, SipPeer, make_request, tokens

NOWHERE = ("192.0.2.99", 5060)


def lost_acks(count: int) -> Impairment:
    """Lose the first `count` ACKs."""
    acks = itertools.count()
    return Impairment(loss=1.0, only=lambda datagram: datagram.data.startswith(b"ACK") and next(acks) < count)


def test_timers_a_and_b() -> None:
    net = SipNetwork(now=0.0)
    alice = SipPeer(net, ALICE)
    number = alice.request(make_request("INVITE"), NOWHERE)
    net.run(100)
    assert net.times("INVITE") == [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    [(at, told)] = alice.heard
    assert (at, told.transaction, told.response.code, told.response.local) == (32.0, number, 408, True)
    assert "no answer from 192.0.2.99:5060" in (told.response.headers.get("Warning") or "")
    assert len(alice.transactions) == 0
    assert alice.deadline() is None


def test_timer_b_alone_where_the_transport_is_reliable() -> None:
    net = SipNetwork(now=0.0)
    alice = SipPeer(net, ALICE, protocol=Protocol.TCP)
    alice.request(make_request("INVITE"), NOWHERE)
    net.run(100)
    assert net.times("INVITE") == [0.0]
    assert [(at, told.response.code) for at, told in alice.heard] == [(32.0, 408)]


def test_timers_follow_from_t1() -> None:
    net = SipNetwork(now=0.0)
    alice = SipPeer(net, ALICE, timers=TimerSettings(t1=1.0))
    alice.request(make_request("INVITE"), NOWHERE)
    net.run(100)
    assert net.times("INVITE") == [0.0, 1.0, 3.0, 7.0, 15.0, 31.0, 63.0]
    assert alice.heard[0][0] == 64.0


def test_a_provisional_response_ends_retransmission_and_timeout() -> None:
    net = SipNetwork(now=0.0)
    alice, bob = SipPeer(net, ALICE), SipPeer(net, BOB)
    net.at(2.0, lambda: bob.reply(bob.heard_of(RequestReceived)[0].transaction, response(180)))
    alice.request(make_request("INVITE"), BOB)
    net.run(1000)
    assert net.times("INVITE") == [0.0]  # 100 after 0.2 s
    assert alice.codes() == [100, 180]
    assert alice.deadline() is None


def test_timer_c_cancels_what_rings_for_too_long() -> None:
    net = SipNetwork(now=0.0)
    alice, bob = SipPeer(net, ALICE, timers=TimerSettings(c=180.0)), SipPeer(net, BOB)
    for at in (1.0, 100.0):
        net.at(at, lambda: bob.reply(1, response(180)))
    alice.request(make_request("INVITE"), BOB)
    net.run(300)
    assert net.times("CANCEL") == [280.0]  # 100 does not count, 180 does
    assert len(net.times("200 CANCEL")) == 1


def test_timer_c_is_not_prolonged_by_100() -> None:
    net = SipNetwork(now=0.0)
    alice, bob = SipPeer(net, ALICE, timers=TimerSettings(c=180.0)), SipPeer(net, BOB)
    net.at(50.0, lambda: bob.reply(1, response(100)))
    alice.request(make_request("INVITE"), BOB)
    net.run(300)
    assert net.times("CANCEL") == [180.2]


def test_timer_d_acks_every_retransmission_for_32_seconds() -> None:
    net = SipNetwork(lost_acks(3), now=0.0)
    alice, bob = SipPeer(net, ALICE), SipPeer(net, BOB)
    bob.on(RequestReceived, lambda news: bob.reply(news.transaction, response(486)))
    alice.request(make_request("INVITE"), BOB)
    net.run(31.9)
    assert net.times("486 INVITE") == [0.0, 0.5, 1.5, 3.5]
    assert net.times("ACK") == [0.0, 0.5, 1.5, 3.5]
    assert alice.codes() == [486]
    assert len(alice.transactions) == 1
    net.run(0.1)
    assert len(alice.transactions) == 0


def test_timer_d_is_zero_where_the_transport_is_reliable() -> None:
    net = SipNetwork(now=0.0)
    alice, bob = SipPeer(net, ALICE, protocol=Protocol.TCP), SipPeer(net, BOB)
    bob.on(RequestReceived, lambda news: bob.reply(news.transaction, response(486)))
    alice.request(make_request("INVITE"), BOB)
    net.run(0)
    assert (alice.codes(), len(alice.transactions)) == ([486], 0)
    assert len(net.times("ACK")) == 1


@pytest.mark.parametrize("protocol", [Protocol.UDP, Protocol.TCP])
def test_timer_m_tells_further_2xx_for_64_t1(protocol: Protocol) -> None:
    net = SipNetwork(now=0.0)
    alice, bob = SipPeer(net, ALICE, protocol=protocol), SipPeer(net, BOB)
    bob.on(RequestReceived, lambda news: bob.reply(news.transaction, response(200)))
    number = alice.request(make_request("INVITE"), BOB)
    net.run(31.0)
    bob.reply(1, response(200))
    net.run(0.9)
    assert [type(told) for _, told in alice.heard] == [ResponseReceived, AgainReceived]
    assert alice.heard_of(AgainReceived)[0].transaction == number
    assert net.times("ACK") == []  # the user agent's
    assert len(alice.transactions) == 1
    net.run(0.1)
    assert len(alice.transactions) == 0


def test_a_2xx_after_its_transaction_is_told_without_one() -> None:
    net = SipNetwork(now=0.0)
    alice, bob = SipPeer(net, ALICE), SipPeer(net, BOB)
    bob.on(RequestReceived, lambda news: bob.reply(news.transaction, response(200)))
    alice.request(make_request("INVITE"), BOB)
    net.run(40.0)
    late = next(sent for sent in net.sent if sent.what == "200 INVITE")
    alice._receive(late.message, bob.heard_of(RequestReceived)[0].flow, net.now)
    assert [told.transaction for told in alice.heard_of(AgainReceived)] == [None]


def test_ack_of_a_refusal_is_of_the_invites_branch_and_route() -> None:
    net = SipNetwork(now=0.0)
    alice, bob = SipPeer(net, ALICE), SipPeer(net, BOB)
    bob.on(RequestReceived, lambda news: bob.reply(news.transaction, response(603)))
    invite = make_request("INVITE", number=7)
    invite.headers.add("Route", "<sip:p1.example.net;lr>")
    invite.headers.add("Route", "<sip:p2.example.net;lr>")
    alice.request(invite, BOB)
    net.run(1.0)
    ack = message_of(net, "ACK")
    refusal = message_of(net, "603 INVITE")
    assert isinstance(ack, Request)
    assert ack.uri == invite.uri
    assert via(ack).branch == via(message_of(net, "INVITE")).branch
    assert ack.headers.all("Route") == ["<sip:p1.example.net;lr>", "<sip:p2.example.net;lr>"]
    assert (ack.headers.get("CSeq"), ack.headers.get("To")) == ("7 ACK", refusal.headers.get("To"))
    assert to(ack).tag
    assert "Via" not in invite.headers, "the request that was given is left as it is"


def test_cancel_is_sent_once_and_the_invite_ends_by_its_487() -> None:
    net = SipNetwork(now=0.0)
    alice, bob = SipPeer(net, ALICE), SipPeer(net, BOB)
    bob.on(RequestReceived, lambda news: bob.reply(news.transaction, response(180)))
    number = alice.request(make_request("INVITE"), BOB)
    net.run(5.0)
    net.at(6.0, lambda: bob.reply(1, response(487)))
    alice.perform(alice.transactions.cancel(number, net.now, [("Reason", "SIP;cause=200")]))
    alice.cancel(number)
    net.run(10.0)
    cancel = message_of(net, "CANCEL")
    assert net.times("CANCEL") == [5.0]
    assert via(cancel) == via(message_of(net, "INVITE"))
    assert (cancel.headers.get("CSeq"), cancel.headers.get("Reason")) == ("1 CANCEL", "SIP;cause=200")
    assert alice.codes() == [180, 487]
    alice.cancel(number)
    assert net.times("CANCEL") == [5.0], "too late"


def test_cancel_that_meets_a_2xx_changes_nothing() -> None:
    net = SipNetwork(now=0.0)
    alice, bob = SipPeer(net, ALICE), SipPeer(net, BOB)
    bob.on(RequestReceived, lambda news: bob.reply(news.transaction, response(200)))
    number = alice.request(make_request("INVITE"), BOB)
    alice.cancel(number)
    net.run(1.0)
    assert alice.codes() == [200]
    assert net.times("200 CANCEL") == [0.0]


def test_an_invite_that_is_cancelled_in_vain_ends_after_64_t1() -> None:
    net = SipNetwork(now=0.0)
    alice, bob = SipPeer(net, ALICE), SipPeer(net, BOB)
    bob.on(RequestReceived, lambda news: bob.reply(news.transaction, response(180)))
    number = alice.request(make_request("INVITE"), BOB)
    net.run(100.0)
    alice.cancel(number)
    net.run(100.0)
    at, told = alice.heard[-1]
    assert (at, told.response.code, told.response.local) == (132.0, 487, True)
    assert len(alice.transactions) == 0


def test_what_cannot_be_sent_ends_with_503() -> None:
    core = Transactions(sent_by=lambda to: "192.0.2.1", token=tokens())
    number, _ = core.request(make_request("INVITE"), Target(Protocol.TCP, *BOB), 0.0)
    [told] = core.failed(number, "refused", 0.1)
    assert isinstance(told, ResponseReceived)
    assert (told.response.code, told.response.local, len(core), core.deadline()) == (503, True, 0, None)
    assert told.response.headers.get("Warning") == '399 localhost "refused"'
    assert core.failed(number, "refused", 0.2) == []


def message_of(net: SipNetwork, what: str) -> Message:
    return next(sent.message for sent in net.sent if sent.what == what)
