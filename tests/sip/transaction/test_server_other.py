"""Requests of a peer but INVITE: timer J, and what RFC 4320 forbids."""

from __future__ import annotations

from boringsdp.sip.actions import RequestReceived, Transmit
from boringsdp.sip.build import response
from boringsdp.sip.flow import Flow, Protocol
from boringsdp.sip.headers import to
from boringsdp.sip.message import Request, Response
from boringsdp.sip.transaction import Transactions
from tests.support.network import Impairment
from tests.support.sip_network import ALICE, BOB, SipNetwork, SipPeer, make_request, tokens


def core_with_options(protocol: Protocol = Protocol.UDP) -> tuple[Transactions, Request, Flow]:
    options = make_request("OPTIONS")
    options.headers.prepend("Via", f"SIP/2.0/{protocol.value} 192.0.2.1:5060;branch=z9hG4bKa;rport")
    core = Transactions(sent_by=lambda to: "192.0.2.2", token=tokens())
    flow = Flow(protocol, BOB, ALICE, 3 if protocol.reliable else 0)
    assert core.receive(options, flow, 0.0) == [RequestReceived(options, flow, 1)]
    return core, options, flow


def codes(actions: list[object]) -> list[int]:
    return [action.message.code for action in actions if isinstance(action, Transmit) and isinstance(action.message, Response)]


def test_timer_j_repeats_the_answer_for_64_t1() -> None:
    core, options, flow = core_with_options()
    assert core.receive(options, flow, 0.5) == []
    answer = core.reply(1, response(200), 1.0)
    assert codes(answer) == [200]
    assert core.receive(options, flow, 1.5) == answer
    assert core.reply(1, response(500), 2.0) == [], "answered is answered"
    assert core.deadline() == 33.0
    assert core.receive(options, flow, 32.9) == answer
    assert core.tick(33.0) == []
    assert len(core) == 0


def test_timer_j_is_zero_where_the_transport_is_reliable() -> None:
    core, _, _ = core_with_options(Protocol.TCP)
    core.reply(1, response(200), 1.0)
    assert (len(core), core.deadline()) == (0, None)


def test_no_provisional_response_before_the_peers_timer_e_is_t2() -> None:
    core, _, _ = core_with_options()
    assert core.reply(1, response(100), 3.4) == []
    assert core.reply(1, response(183), 3.4) == []
    assert core.deadline() == 3.5
    assert codes(core.tick(3.5)) == [100]
    assert core.reply(1, response(183), 4.0) == [], "none but 100, ever"
    assert codes(core.reply(1, response(200), 4.0)) == [200]


def test_100_may_come_early_where_the_transport_is_reliable() -> None:
    core, _, _ = core_with_options(Protocol.TCP)
    assert codes(core.reply(1, response(100), 0.1)) == [100]
    assert core.reply(1, response(180), 0.2) == []
    assert core.deadline() == 32.0


def test_408_is_never_sent() -> None:
    core, options, flow = core_with_options()
    assert core.reply(1, response(408), 1.0) == []
    assert (len(core), core.deadline()) == (0, None)
    assert isinstance(core.receive(options, flow, 2.0)[0], RequestReceived)


def test_what_nobody_answers_is_over_with_the_peers_patience() -> None:
    core, _, _ = core_with_options()
    core.tick(3.5)
    assert core.deadline() == 32.0
    assert core.tick(32.0) == []
    assert len(core) == 0
    assert core.reply(1, response(200), 32.1) == []


def test_the_answer_gets_a_tag_unless_it_or_the_request_has_one() -> None:
    core, _, _ = core_with_options()
    [transmit] = core.reply(1, response(200), 0.0)
    assert isinstance(transmit, Transmit)
    assert len(to(transmit.message).tag) == 16
    core, _, _ = core_with_options()
    [transmit] = core.reply(1, response(200, headers=[("To", "<sip:bob@192.0.2.2>;tag=mine")]), 0.0)
    assert isinstance(transmit, Transmit)
    assert transmit.message.headers.all("To") == ["<sip:bob@192.0.2.2>;tag=mine"]


def test_a_lost_answer_is_asked_for_again() -> None:
    fate = Impairment(loss=1.0, only=lambda datagram: datagram.data.startswith(b"SIP") and datagram.sent_at < 2.0)
    net = SipNetwork(fate, now=0.0)
    alice, bob = SipPeer(net, ALICE), SipPeer(net, BOB)
    bob.on(RequestReceived, lambda news: bob.reply(news.transaction, response(200)))
    alice.request(make_request("OPTIONS"), BOB)
    net.run(10)
    assert net.times("OPTIONS") == net.times("200 OPTIONS") == [0.0, 0.5, 1.5, 3.5]
    assert (alice.codes(), len(bob.heard)) == ([200], 1)
