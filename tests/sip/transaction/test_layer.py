"""Many transactions at once: loss, doubling, reordering, limits."""

from __future__ import annotations

from typing import NoReturn

import pytest

from boringsdp.errors import Exhausted
from boringsdp.sip.actions import ReplyFailed, RequestReceived, ResponseReceived, Transmit
from boringsdp.sip.build import response
from boringsdp.sip.flow import Flow, Protocol, Target
from boringsdp.sip.message import Response
from boringsdp.sip.transaction import Transactions
from boringsdp.sip.transaction.client_other import ClientOther
from tests.support.network import Impairment
from tests.support.sip_network import ALICE, BOB, SipNetwork, SipPeer, make_request, tokens

FLOW = Flow(Protocol.UDP, BOB, ALICE)
TO_BOB = Target(Protocol.UDP, *BOB)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("method", ["OPTIONS", "INVITE"])
def test_every_request_gets_one_answer_over_a_bad_network(method: str, seed: int) -> None:
    net = SipNetwork(Impairment(seed=seed, loss=0.3, duplicate=0.2, jitter_s=1.0))
    alice, bob = SipPeer(net, ALICE), SipPeer(net, BOB)
    bob.on(RequestReceived, lambda news: bob.reply(news.transaction, response(486)))
    numbers = [alice.request(make_request(method, number=number), BOB) for number in range(1, 101)]
    net.run(200)
    finals = [told for told in alice.heard_of(ResponseReceived) if told.response.code >= 200]
    assert sorted(told.transaction for told in finals) == numbers
    assert sum(not told.response.local for told in finals) >= 98
    assert len(bob.heard_of(RequestReceived)) <= 100
    assert len(bob.heard_of(ReplyFailed)) <= 2
    assert (len(alice.transactions), len(bob.transactions)) == (0, 0)
    assert (alice.deadline(), bob.deadline()) == (None, None)
    assert not any(vars(alice.transactions)[name] for name in ("_clients", "_servers", "_keys", "_quiet", "_machines", "_ways"))


def test_over_the_limit_requests_are_refused_without_state() -> None:
    core = Transactions(sent_by=lambda to: "192.0.2.2", token=tokens(), max_transactions=2)
    core.request(make_request("OPTIONS"), TO_BOB, 0.0)
    for number in (1, 2, 3):
        request = make_request("INVITE")
        request.headers.prepend("Via", f"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{number};rport")
        actions = core.receive(request, FLOW, 0.0)
        if number == 1:
            assert isinstance(actions[0], RequestReceived)
            continue
        [transmit] = actions
        assert isinstance(transmit, Transmit)
        assert isinstance(transmit.message, Response)
        assert (transmit.message.code, transmit.message.headers.get("Retry-After"), transmit.transaction) == (503, "5", None)
    assert len(core) == 2
    with pytest.raises(Exhausted):
        core.request(make_request("OPTIONS"), TO_BOB, 0.0)


def test_over_the_limit_calls_can_still_be_ended() -> None:
    core = Transactions(sent_by=lambda to: "192.0.2.2", token=tokens(), max_transactions=16)
    for number in range(1, 17):
        core.request(make_request("INVITE", number=number), TO_BOB, 0.0)
    ours, theirs = make_request("BYE"), make_request("BYE")
    for bye in (ours, theirs):
        bye.headers.set("To", "<sip:bob@192.0.2.2>;tag=b")
    theirs.headers.prepend("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;rport")
    core.request(ours, TO_BOB, 0.0)
    assert isinstance(core.receive(theirs, FLOW, 0.0)[0], RequestReceived)
    assert len(core) == 18
    with pytest.raises(Exhausted):
        core.request(ours, TO_BOB, 0.0)


def test_one_timer_costs_one_machine_among_thousands(monkeypatch: pytest.MonkeyPatch) -> None:
    core = Transactions(sent_by=lambda to: "192.0.2.2", token=tokens())
    for number in range(5_000):
        core.request(make_request("OPTIONS", number=number + 1), TO_BOB, number * 0.0001)
    ticked = []
    honest = ClientOther.tick
    monkeypatch.setattr(ClientOther, "tick", lambda self, now: ticked.append(self.number) or honest(self, now))
    assert core.deadline() == 0.5
    assert len(core.tick(0.5)) == 1
    assert ticked == [1]
    core.tick(0.5005)
    assert ticked == [1, 2, 3, 4, 5, 6]


def test_a_clock_that_stood_still_brings_no_burst() -> None:
    core = Transactions(sent_by=lambda to: "192.0.2.2", token=tokens())
    core.request(make_request("OPTIONS"), TO_BOB, 0.0)
    assert len(core.tick(20.0)) == 1
    assert core.deadline() == 21.0


def test_ack_of_a_2xx_has_a_branch_of_its_own_and_no_transaction() -> None:
    core = Transactions(sent_by=lambda to: "192.0.2.2", token=tokens())
    first, second = (core.transmit_ack(make_request("ACK"), TO_BOB)[0] for _ in range(2))
    assert isinstance(first, Transmit)
    assert isinstance(second, Transmit)
    assert first.message.headers.get("Via") != second.message.headers.get("Via")
    assert (first.transaction, len(core)) == (None, 0)


def test_ipv6_in_via() -> None:
    net = SipNetwork()
    alice, bob = SipPeer(net, ("2001:db8::1", 5060)), SipPeer(net, ("2001:db8::2", 5060))
    bob.on(RequestReceived, lambda news: bob.reply(news.transaction, response(200)))
    alice.request(make_request("OPTIONS"), bob.address)
    net.run(1)
    assert alice.codes() == [200]
    assert (net.sent[0].message.headers.get("Via") or "").startswith("SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bK")


def test_a_connection_that_is_gone_is_looked_up() -> None:
    """Among many transactions those of one connection are moved and cut, without a look at the rest."""
    flows = [Flow(Protocol.WS, ("192.0.2.2", 80), ("192.0.2.9", 1000 + number), number) for number in range(4)]
    core = Transactions(sent_by=lambda to: "192.0.2.2", token=tokens())
    numbers = [core.request(make_request("OPTIONS", number=number), flows[number % 3], 0.0)[0] for number in range(1, 301)]

    class Rest(dict[int, object]):
        """Machines that nobody may look through."""

        def __iter__(self) -> NoReturn:
            raise AssertionError

        keys = values = items = __iter__  # type: ignore[assignment]

    core._machines = Rest(core._machines)  # type: ignore[assignment]
    moved = core.move(flows[0], flows[3])
    assert len(moved) == 100
    assert all(isinstance(action, Transmit) and action.to == flows[3] for action in moved)
    assert core.move(flows[0], flows[3]) == []
    told = core.cut(flows[3], "gone", 1.0)
    assert [news.transaction for news in told if isinstance(news, ResponseReceived)] == numbers[2::3]
    assert core.cut(flows[3], "gone", 1.0) == []
    assert len(core) == 200
