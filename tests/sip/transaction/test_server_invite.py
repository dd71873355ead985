"""INVITE of a peer: 100, timers G, H, I and L (RFC 3261 §17.2.1, RFC 6026 §7.1)."""

from __future__ import annotations

import pytest

from boringsdp.sip.actions import Cancelled, ReplyFailed, RequestReceived, Transmit
from boringsdp.sip.build import response, response_to
from boringsdp.sip.flow import Flow, Protocol, Target
from boringsdp.sip.headers import to, via
from boringsdp.sip.message import Request, Response
from boringsdp.sip.transaction import Transactions
from tests.support.network import Impairment
from tests.support.sip_network import ALICE, BOB, SipNetwork, SipPeer, make_request, tokens

NO_ACKS = Impairment(loss=1.0, only=lambda datagram: datagram.data.startswith(b"ACK"))


def core_with_invite(protocol: Protocol = Protocol.UDP, *, branch: str = "z9hG4bKa") -> tuple[Transactions, Request, Flow]:
    invite = make_request("INVITE")
    invite.headers.prepend("Via", f"SIP/2.0/{protocol.value} 192.0.2.1:5060;branch={branch};rport")
    core = Transactions(sent_by=lambda to: "192.0.2.2", token=tokens())
    flow = Flow(protocol, BOB, ALICE, 3 if protocol.reliable else 0)
    assert core.receive(invite, flow, 0.0) == [RequestReceived(invite, flow, 1)]
    return core, invite, flow


def ack_for(invite: Request, answer: Response, branch: str | None = None) -> Request:
    ack = Request("ACK", invite.uri, invite.headers.copy())
    ack.headers.set("CSeq", "1 ACK")
    ack.headers.set("To", answer.headers.get("To") or "")
    if branch is not None:
        ack.headers.set("Via", f"SIP/2.0/UDP 192.0.2.1:5060;branch={branch};rport")
    return ack


def sent(actions: list[object]) -> Response:
    [transmit] = actions
    assert isinstance(transmit, Transmit)
    assert isinstance(transmit.message, Response)
    return transmit.message


def octets(actions: list[object]) -> list[bytes]:
    return [action.data for action in actions if isinstance(action, Transmit)]


def test_100_after_200_ms_unless_there_is_a_response() -> None:
    core, invite, _ = core_with_invite()
    invite.headers.add("Timestamp", "54")
    assert core.deadline() == 0.2
    trying = sent(core.tick(0.2))
    assert (trying.code, to(trying).tag, trying.headers.get("Timestamp")) == (100, "", "54")
    core, _, _ = core_with_invite()
    core.reply(1, response(180), 0.1)
    assert core.deadline() is None


def test_a_retransmission_gets_the_last_response_again() -> None:
    core, invite, flow = core_with_invite()
    assert core.receive(invite, flow, 0.1) == [], "nothing to say yet"
    ringing = core.reply(1, response(180), 0.3)
    assert core.receive(invite, flow, 0.5) == ringing
    assert to(sent(ringing)).tag == to(sent(core.reply(1, response(183), 1.0))).tag != ""


def test_timers_g_and_h() -> None:
    net = SipNetwork(NO_ACKS, now=0.0)
    alice, bob = SipPeer(net, ALICE), SipPeer(net, BOB)
    bob.on(RequestReceived, lambda news: bob.reply(news.transaction, response(486)))
    alice.request(make_request("INVITE"), BOB)
    net.run(100)
    assert net.times("486 INVITE") == [0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert [(at, told) for at, told in bob.heard if isinstance(told, ReplyFailed)] == [(32.0, ReplyFailed(1))]
    assert (len(bob.transactions), bob.deadline()) == (0, None)


def test_timer_h_alone_where_the_transport_is_reliable() -> None:
    core, _, _ = core_with_invite(Protocol.TCP)
    core.reply(1, response(486), 1.0)
    assert core.deadline() == 33.0
    assert core.tick(33.0) == [ReplyFailed(1)]
    assert (len(core), core.deadline()) == (0, None)


def test_timer_i_absorbs_further_acks() -> None:
    core, invite, flow = core_with_invite()
    ack = ack_for(invite, sent(core.reply(1, response(486), 0.0)))
    assert core.receive(ack, flow, 1.0) == []
    assert core.deadline() == 6.0
    assert core.receive(ack, flow, 2.0) == []
    assert core.receive(invite, flow, 2.0) == [], "late, and answered already"
    assert core.tick(5.9) == []
    assert len(core) == 1
    core.tick(6.0)
    assert len(core) == 0


def test_timer_i_is_zero_where_the_transport_is_reliable() -> None:
    core, invite, flow = core_with_invite(Protocol.TCP)
    ack = ack_for(invite, sent(core.reply(1, response(486), 0.0)))
    assert core.receive(ack, flow, 1.0) == []
    assert (len(core), core.deadline()) == (0, None)


@pytest.mark.parametrize("protocol", [Protocol.UDP, Protocol.TCP])
def test_timer_l_absorbs_invites_and_lets_2xx_through(protocol: Protocol) -> None:
    core, invite, flow = core_with_invite(protocol)
    first = core.reply(1, response(200), 1.0)
    assert core.receive(invite, flow, 1.5) == [], "the user agent repeats its 2xx, not we (RFC 6026 §7.1)"
    assert octets(core.reply(1, response(200), 1.5)) == octets(first)
    assert core.reply(1, response(486), 1.6) == []
    assert core.reply(1, response(180), 1.6) == []
    assert core.deadline() == 33.0
    assert core.tick(33.0) == []
    assert len(core) == 0
    assert core.reply(1, response(200), 33.0) == []


def test_ack_of_a_2xx_is_the_user_agents() -> None:
    core, invite, flow = core_with_invite()
    answer = sent(core.reply(1, response(200), 0.0))
    for branch in ("z9hG4bKother", None):  # by the book, and of peers that keep the branch
        ack = ack_for(invite, answer, branch)
        assert core.receive(ack, flow, 1.0) == [RequestReceived(ack, flow, None)]
    assert len(core) == 1


def test_an_ack_before_any_answer_is_dropped() -> None:
    core, invite, flow = core_with_invite()
    assert core.receive(ack_for(invite, response(200)), flow, 0.1) == []
    assert sent(core.reply(1, response(200), 0.2)).code == 200


def test_cancel_is_answered_and_told_while_there_is_no_final_response() -> None:
    core, invite, flow = core_with_invite()
    tag = to(sent(core.reply(1, response(180), 0.0))).tag
    cancel = cancel_for(invite)
    actions = core.receive(cancel, flow, 1.0)
    assert sent(actions[:1]).code == 200
    assert to(sent(actions[:1])).tag == tag, "RFC 3261 §9.2"
    assert actions[1:] == [Cancelled(1, cancel)]
    assert core.receive(cancel, flow, 1.5) == actions[:1], "a retransmission"
    assert sent(core.reply(1, response(487), 1.6)).code == 487


def with_tag(code: int, invite: Request) -> Response:
    """A response whose To tag is the user agent's, and not the transaction's."""
    return response(code, headers=[("To", f"{invite.headers.get('To')};tag=mine")])


def test_the_answer_to_cancel_has_the_tag_of_the_user_agent() -> None:
    core, invite, flow = core_with_invite()
    core.reply(1, with_tag(180, invite), 0.0)
    assert to(sent(core.receive(cancel_for(invite), flow, 1.0)[:1])).tag == "mine"


@pytest.mark.parametrize("branch", ["z9hG4bKa", "1"])
def test_an_ack_is_known_by_the_tag_of_the_user_agent(branch: str) -> None:
    """Without the cookie, an RFC 2543 peer, by nothing else."""
    core, invite, flow = core_with_invite(branch=branch)
    ack = ack_for(invite, sent(core.reply(1, with_tag(486, invite), 0.0)))
    assert core.receive(ack, flow, 0.1) == []
    assert core.tick(0.6) == [], "not repeated"


def test_cancel_after_the_final_response_is_answered_only() -> None:
    core, invite, flow = core_with_invite()
    core.reply(1, response(200), 0.0)
    assert sent(core.receive(cancel_for(invite), flow, 1.0)).code == 200


def test_the_answer_to_cancel_has_the_tag_that_the_user_agent_chose() -> None:
    core, invite, flow = core_with_invite()
    core.reply(1, response_to(invite, 200, tag="chosen"), 0.0)
    assert to(sent(core.receive(cancel_for(invite), flow, 1.0))).tag == "chosen", "RFC 3261 §9.2"


def test_cancel_of_nothing_gets_481() -> None:
    core, invite, flow = core_with_invite()
    invite.headers.set("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKelse")
    refusal = sent(core.receive(cancel_for(Request("INVITE", invite.uri, invite.headers)), flow, 1.0))
    assert refusal.code == 481
    assert to(refusal).tag


def test_an_answer_finds_another_way_when_its_connection_has_gone() -> None:
    core, invite, _ = core_with_invite(Protocol.TLS)
    [first] = core.reply(1, response(200), 0.0)
    [second] = core.failed(1, "closed", 0.1)
    assert isinstance(second, Transmit)
    assert isinstance(first, Transmit)
    assert second.to == Target(Protocol.TLS, "192.0.2.1", 5060, name="192.0.2.1")
    assert second.data == first.data
    assert core.failed(1, "refused", 0.2) == [ReplyFailed(1)]
    assert core.failed(1, "refused", 0.3) == []
    assert via(invite).port == 5060


def test_a_browser_cannot_be_called_back() -> None:
    core, _, _ = core_with_invite(Protocol.WSS)
    core.reply(1, response(200), 0.0)
    assert core.failed(1, "closed", 0.1) == [ReplyFailed(1)]


def cancel_for(invite: Request) -> Request:
    cancel = Request("CANCEL", invite.uri, invite.headers.copy())
    cancel.headers.set("CSeq", "1 CANCEL")
    return cancel
